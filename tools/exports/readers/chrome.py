"""Chrome's JSON, read by Python's json and by Perfetto's trace_processor."""

import json

from expected import is_nmi, main, same, same_losses, without
from trace_processor import query

NMI = 256


def check(path, expected):
    with open(path, encoding="utf-8") as file:
        trace = json.load(file)
    events = trace["traceEvents"]
    instants = [event for event in events if event["ph"] == "i"]
    slices = [event for event in events if event["ph"] == "X" and event["cat"] == "loss"]
    same("events", {event["ph"] for event in events} <= {"i", "X", "M", "C"}, True)
    spans = [event for event in events if event["ph"] == "X" and event["cat"] == "span"]
    times = {(event["args"]["lane"], event["args"]["seq"]): event["ts"] for event in instants}
    wanted = [(begin["lane"], begin["seq"], end["lane"], end["seq"]) for begin, end in expected.spans()]
    numbers = [tuple(event["args"][name] for name in ("lane", "begin_seq", "end_lane", "end_seq")) for event in spans]
    same("spans", sorted(numbers), sorted(wanted))
    for event, (lane, begin, end_lane, end) in zip(spans, numbers):
        same("begin of a span", event["ts"], times[lane, begin])
        same("length of a span", round(event["dur"] * 1000), max(0, round((times[end_lane, end] - times[lane, begin]) * 1000)))
    counters = [(event["name"], float(event["args"]["value"])) for event in events if event["ph"] == "C"]
    same("counters", counters, expected.counters())
    same("records", len(instants), len(expected.records))
    for event, record in zip(instants, expected.records):
        number = f"lane {record['lane']}, number {record['seq']}"
        same(number, without(event["args"], "utc", "start"), without(record, "utc", "start"))
        same(f"{number}: process", event["pid"], 2 + record["cpu"])
        same(f"{number}: thread", event["tid"], NMI if is_nmi(record) else record["irql"])
    losses = [event["args"]["loss"] for event in slices]
    same_losses("chrome", losses, expected.losses, ("lane", "first_seq", "count", "cause", "from_tick", "to_tick"))
    for event in slices:
        same("thread of a loss", event["tid"], event["args"]["loss"]["lane"])
    (counts,) = query(path, "SELECT sum(category NOT IN ('loss', 'span')) AS records, sum(category = 'loss') AS losses FROM slice")
    found = [[counts[0]["records"] or 0, counts[0]["losses"] or 0]]
    same("trace_processor", found, [[len(expected.records), len(expected.losses)]])


main("json and trace_processor", check)
