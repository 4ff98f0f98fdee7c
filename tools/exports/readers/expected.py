"""What `irqlog read --json` says of a log, and the comparison of what another reader found with it."""

import json
import struct
import sys


class Expected:
    """Records and losses of a log, in order."""

    def __init__(self, path):
        self.items = []
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                # The readers compute the time and the start anew.
                item = json.loads(line)
                self.items.append({name: item[name] for name in item if name not in ("utc", "start")})
        self.records = [item for item in self.items if "loss" not in item]
        self.losses = [item["loss"] for item in self.items if "loss" in item]
        self.by_number = {(record["lane"], record["seq"]): record for record in self.records}
        if len(self.by_number) != len(self.records):
            raise SystemExit(f"{path}: a lane repeats a number, so records cannot be told apart")


    def spans(self):
        """Spans as pairs of a begin and its end: of one pair id, by one thread, or by one processor where it was not asked."""
        begins, pairs = {}, []
        for record in self.records:
            role = record.get("role")
            if role not in ("begin", "end") or not record["arguments"] or record["arguments"][-1]["type"] != "u64":
                continue
            key = (record["provider"], record["arguments"][-1]["value"])
            if role == "begin":
                begins[key] = record
            elif key in begins:
                begin = begins[key]
                threads = begin.get("thread"), record.get("thread")
                if threads == (None, None):
                    is_own = begin["cpu"] == record["cpu"]
                else:
                    is_own = None in threads or threads[0] == threads[1]
                if is_own:
                    pairs.append((begins.pop(key), record))
        return pairs

    def counters(self):
        """Names and values of counters, in order."""
        counters = [record for record in self.records if record.get("role") == "counter"]
        return [(f"{record['provider']}: {record['text'].rsplit(' = ', 1)[0]}", float(record["arguments"][-1]["value"])) for record in counters]


def without(fields, *names):
    """A dictionary without some fields."""
    return {name: value for name, value in fields.items() if name not in names}


def same(what, found, expected):
    """Fails unless two values are equal."""
    if found != expected:
        raise SystemExit(f"{what}:\n  found    {found!r}\n  expected {expected!r}")


def same_losses(what, found, expected, keys=("lane", "first_seq", "count", "cause")):
    """Fails unless the losses are the same, in whatever order."""

    def key(loss):
        return tuple(-1 if loss[name] is None else loss[name] for name in keys)

    same(f"{what}: losses", sorted(map(key, found)), sorted(map(key, expected)))


def is_nmi(record):
    """Whether a record is shown as one of an NMI."""
    return record["nmi"] or record.get("never_waits", False)


def types(record):
    """The types of an event's arguments."""
    return [argument["type"] for argument in record.get("arguments", [])]


def names(record):
    """The names of an event's arguments."""
    return [argument.get("name", "") for argument in record.get("arguments", [])]


def float_of(argument):
    """The value of a float argument, with NaN and the infinities."""
    return float(argument["value_exact"]) if argument["value"] is None else argument["value"]


def is_same_float(found, expected):
    """Whether two floats are the same, NaN and the sign of zero included."""
    if expected != expected:
        return found != found
    return struct.pack("<d", found) == struct.pack("<d", expected)


def main(reader, check):
    """Runs a check over pairs of an export and what `read --json` says, and says what was read."""
    paths = sys.argv[1:]
    records = losses = 0
    for export, expected in zip(paths[::2], paths[1::2]):
        expected = Expected(expected)
        try:
            check(export, expected)
        except SystemExit as failed:
            raise SystemExit(f"{export}, read by {reader}: {failed}") from None
        records += len(expected.records)
        losses += len(expected.losses)
    if not records or not losses:
        raise SystemExit(f"{reader} read {records} records and {losses} losses: nothing was compared")
    print(f"{reader}: {records} records and {losses} losses of {len(paths) // 2} logs, each as irqlog shows it")
