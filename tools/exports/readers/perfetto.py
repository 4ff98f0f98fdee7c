"""Perfetto's format, read by Perfetto's trace_processor."""

import re

from expected import float_of, is_nmi, main, names, same, same_losses, types
from trace_processor import query

EVENTS = "SELECT s.id, s.ts, s.dur, s.name, s.category, s.arg_set_id, t.name AS track, p.name AS parent FROM slice s JOIN track t ON s.track_id = t.id LEFT JOIN track p ON t.parent_id = p.id ORDER BY s.id"
ARGUMENTS = "SELECT arg_set_id, flat_key, key, value_type, int_value, string_value, real_value FROM args WHERE flat_key GLOB 'debug.*' OR flat_key GLOB 'source.*' ORDER BY id"
COUNTERS = "SELECT t.name, c.value FROM counter c JOIN counter_track t ON c.track_id = t.id ORDER BY c.id"
LOG = "SELECT prio, tag, msg FROM android_logs ORDER BY id"

MARKS = ["truncated", "user", "own", "never_waits", "pointers_hashed", "pointers_raw", "late"]
PRIORITIES = {"error": 6, "warn": 5, "info": 4, "debug": 3}
INTEGERS = {"u8", "u16", "u32", "u64", "usize"}
SIGNED = {"i8", "i16", "i32", "i64", "isize"}


def value(row):
    """The value of a row of `args`."""
    if row["value_type"] in ("uint", "pointer"):
        return row["int_value"] % 2**64
    if row["value_type"] == "bool":
        return bool(row["int_value"])
    return {"int": row["int_value"], "string": row["string_value"], "real": row["real_value"]}[row["value_type"]]


def annotation(argument):
    """The type and the value that an argument has as an annotation."""
    kind, exact = argument["type"], argument["value"]
    if kind in INTEGERS:
        return "uint", exact
    if kind in SIGNED:
        return "int", exact
    if kind == "bool":
        return "bool", exact
    if kind in ("f32", "f64"):
        number = float_of(argument)
        if number != number or number in (float("inf"), -float("inf")):
            return "string", argument["value_exact"]
        return "real", number
    if kind == "pointer":
        return "pointer", int(exact, 16)
    if kind == "status":
        return "string", exact["status"] + (f" {exact['name']}" if exact["name"] else "")
    if kind.isdigit():
        return "uint", exact
    return "string", exact.replace("\0", "\\0")


def distinct(names):
    """The names, where one that was there before gets a number."""
    all_names = []
    for name in names:
        own, number = name, 2
        while own in all_names:
            own, number = f"{name}_{number}", number + 1
        all_names.append(own)
    return all_names


def check_record(event, fields, record):
    number = f"lane {record['lane']}, number {record['seq']}"
    found = {key.removeprefix("debug.record."): value(row) for key, row in fields if key.startswith("debug.record.")}
    for name in ["lane", "seq", "tick", "level", "kind", "cpu", "irql", "thread", "process", *MARKS]:
        same(f"{number}: {name}", found.get(name), record.get(name))
    same(f"{number}: track", event["track"], "NMI" if is_nmi(record) else record["irql_name"])
    same(f"{number}: processor", event["parent"], f"cpu {record['cpu']}")
    if "blob" in record:
        blob = {key.removeprefix("debug."): value(row) for key, row in fields if not key.startswith("debug.record.")}
        same(f"{number}: blob", blob, record["blob"])
    arguments = [(row["value_type"], value(row)) for key, row in fields if key.startswith("debug.arguments.")]
    same(f"{number}: arguments", arguments, [annotation(argument) for argument in record.get("arguments", [])])
    if arguments:
        (kinds,) = [value(row) for key, row in fields if key == "debug.types"]
        same(f"{number}: types", kinds.split(","), types(record))
        keys = [key.removeprefix("debug.arguments.") for key, _ in fields if key.startswith("debug.arguments.")]
        wanted = distinct(re.sub(r"[.\[\]]", "_", name.replace("\0", "\\0")) or str(place) for place, name in enumerate(names(record)))
        same(f"{number}: names", keys, wanted)
    if "line" in record:
        (line,) = [value(row) for key, row in fields if key == "source.line_number"]
        same(f"{number}: line", line, record["line"])
    if record["kind"] == "event":
        same(f"{number}: name", event["name"], record.get("format", "(unknown site)").replace("\0", "\\0"))
        same(f"{number}: provider", event["category"], record.get("provider", "event").replace("\0", "\\0"))


def check(path, expected):
    events, arguments, log, counters = query(path, EVENTS, ARGUMENTS, LOG, COUNTERS)
    by_set = {}
    for row in arguments:
        by_set.setdefault(row["arg_set_id"], []).append((row["key"], row))
    seen, losses, spans = {}, [], []
    for event in events:
        fields = by_set.get(event["arg_set_id"], [])
        if event["category"] == "irqlog export":
            continue
        if event["category"] == "loss":
            found = {key.removeprefix("debug.loss."): value(row) for key, row in fields if key.startswith("debug.loss.")}
            losses.append({"from_tick": None, "to_tick": None, **found})
            same("track of a loss", event["parent"], "lost records")
            continue
        if event["category"] == "span":
            same("parent of a span's track", event["parent"], "spans and counters")
            spans.append((event, {key.removeprefix("debug.span."): value(row) for key, row in fields}))
            continue
        same("length of a record", event["dur"], 0)
        found = {key: value(row) for key, row in fields}
        number = (found["debug.record.lane"], found["debug.record.seq"])
        same(f"{number}: twice", number in seen, False)
        seen[number] = event
        if number not in expected.by_number:
            raise SystemExit(f"{number} is no record of the log")
        check_record(event, fields, expected.by_number[number])
    same("records", len(seen), len(expected.records))
    same_losses("perfetto", losses, expected.losses, ("lane", "first_seq", "count", "cause", "from_tick", "to_tick"))
    found = []
    for event, numbers in spans:
        begin = seen[numbers["lane"], numbers["begin_seq"]]
        end = seen[numbers["end_lane"], numbers["end_seq"]]
        length = max(0, end["ts"] - begin["ts"])
        same("a span", (event["ts"], event["dur"]), (begin["ts"], length))
        found.append((numbers["lane"], numbers["begin_seq"], numbers["end_lane"], numbers["end_seq"]))
    wanted = [(begin["lane"], begin["seq"], end["lane"], end["seq"]) for begin, end in expected.spans()]
    same("spans", sorted(found), sorted(wanted))
    found = sorted((row["name"], float(row["value"])) for row in counters)
    same("counters", found, sorted((name.replace("\0", "\\0"), number) for name, number in expected.counters()))
    same("log packets", len(log), len(expected.items))
    priorities = sorted(5 if "loss" in item else PRIORITIES.get(item["level"], 2) for item in expected.items)
    same("priorities in the log", sorted(row["prio"] for row in log), priorities)
    messages = sorted(row["msg"] for row in log)
    plain = [record["text"] for record in expected.records if record["kind"] == "text" and record["text"].isalnum()]
    for text in plain:
        if not any(text in message for message in messages):
            raise SystemExit(f"{text!r} is not in the log")


main("trace_processor", check)
