"""The Common Trace Format, read by babeltrace2's Python bindings."""

import struct
import urllib.parse

import bt2
from expected import float_of, is_same_float, main, names, same, same_losses, types

FLAGS = {"truncated": 2, "never_waits": 4, "own": 8, "user": 16, "pointers_hashed": 32, "pointers_raw": 64}
NO_THREAD = 1
CAUSES = ["none", "overwritten", "not-saved", "damaged", "cut-off"]
LEVELS = ["error", "warn", "info", "debug", "trace"]


def bytes_of(field):
    """The bytes of a field, whether it is text or a sequence."""
    return str(field).encode() if isinstance(field, bt2._StringFieldConst) else bytes(int(byte) for byte in field)


def value(kind, argument, fields):
    """What the fields of an argument say, as its value in JSON; the fields are taken off the list."""
    name, field = fields.pop(0)
    if kind in ("str", "bytes", "utf16"):
        length, (_, had), (_, kept) = int(field), fields.pop(0), fields.pop(0)
        data = bytes_of(kept)
        same(f"{name}: length", len(data), length)
        same(f"{name}: cut", int(had) - length, argument.get("cut", 0))
        if kind == "bytes":
            return data.hex()
        if kind == "str":
            return data.decode("utf-8", "replace")
        return data[: length // 2 * 2].decode("utf-16-le", "replace")
    if kind in ("u128", "i128"):
        _, high = fields.pop(0)
        whole = struct.pack("<QQ", int(field), int(high))
        return str(int.from_bytes(whole, "little", signed=kind == "i128"))
    if kind == "guid":
        data = bytes_of(field["bytes"])
        first, second, third = struct.unpack_from("<IHH", data)
        return f"{first:08x}-{second:04x}-{third:04x}-{data[8:10].hex()}-{data[10:].hex()}"
    if kind in ("f32", "f64"):
        return float(field)
    if kind == "bool":
        return int(field) != 0
    if kind == "char":
        return chr(int(field))
    if kind == "pointer":
        return f"{int(field):#x}"
    if kind == "status":
        return f"{int(field):#010x}"
    return int(field)


def check_arguments(number, event, record):
    uri = urllib.parse.urlparse(event.cls.emf_uri)
    about = urllib.parse.parse_qs(uri.query, keep_blank_values=True)
    kinds = [kind for kind in about["types"][0].split(",") if kind]
    same(f"{number}: types", kinds, types(record))
    same(f"{number}: site", about["id"], [str(record["site"])])
    if "line" in record:
        same(f"{number}: line", about["line"], [str(record["line"])])
        if not record["file"].endswith("..."):
            same(f"{number}: file", about.get("file", [""]), [record["file"]])
    fields = list(event.payload_field.items()) if event.payload_field else []
    widths = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "char": 32, "status": 32}
    for place, (kind, argument) in enumerate(zip(kinds, record["arguments"])):
        name, field = fields[0]
        wanted = names(record)[place] or f"arg{place}"
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in wanted)
        same(f"{number}: name", name.startswith(plain), True)
        if kind in widths:
            same(f"{number}: bits of {name}", field.cls.field_value_range, widths[kind])
        found = value(kind, argument, fields)
        if kind in ("f32", "f64"):
            same(f"{number}: {name} {found}", is_same_float(found, float_of(argument)), True)
        elif kind == "status":
            same(f"{number}: {name}", found, argument["value"]["status"])
        elif kind in ("str", "utf16") and "\ufffd" in argument["value"]:
            # Python and Rust replace what is no text with another number of U+FFFD.
            same(f"{number}: {name}", found.replace("\ufffd", ""), argument["value"].replace("\ufffd", ""))
        else:
            same(f"{number}: {name}", found, argument["value"])
    same(f"{number}: fields left", fields, [])


def check_event(number, event, record):
    context = event.common_context_field
    same(f"{number}: tick", int(context["tick"]), record["tick"])
    same(f"{number}: cpu", int(context["cpu"]), record["cpu"])
    same(f"{number}: irql", int(context["irql"]), record["irql"])
    same(f"{number}: late", int(context["late"]) != 0, record.get("late", False))
    level = int(context["level"])
    same(f"{number}: level", LEVELS[level - 1] if 0 < level < 6 else str(level), record["level"])
    flags = int(context["flags"])
    same(f"{number}: flags", {name for name, bit in FLAGS.items() if flags & bit}, {name for name in FLAGS if record.get(name)})
    thread = (None, None) if flags & NO_THREAD else (int(context["thread"]), int(context["process"]))
    same(f"{number}: thread", thread, (record.get("thread"), record.get("process")))
    payload = event.payload_field
    if record["kind"] == "event":
        check_arguments(number, event, record)
    elif record["kind"] == "text":
        text = bytes_of(payload["text"]).decode("utf-8", "replace")
        same(f"{number}: text", text.replace("\ufffd", ""), record["text"].replace("\ufffd", ""))
    elif "blob" in record:
        found = {name: int(payload[name]) for name in ("blob", "tag", "offset", "total")}
        same(f"{number}: blob", {**found, "bytes": bytes_of(payload["bytes"]).hex()}, record["blob"])
    else:
        same(f"{number}: bytes", bytes_of(payload["bytes"]).hex(), record["bytes"])


def cause(field):
    """The name of why records are missing."""
    return CAUSES[int(field)]


def check(path, expected):
    seen, losses, lanes = set(), [], {}
    for message in bt2.TraceCollectionMessageIterator(path):
        if type(message) is bt2._PacketBeginningMessageConst:
            context = message.packet.context_field
            lanes[message.packet.stream.id] = (int(context["lane"]), int(context["next_seq"]), cause(context["loss_cause"]))
        elif type(message) is bt2._DiscardedEventsMessageConst:
            same("a loss is counted", message.count is not None, True)
            losses.append((message.stream.id, message.count))
        elif type(message) is bt2._EventMessageConst:
            event = message.event
            lane, *_ = lanes[event.stream.id]
            number = (lane, int(event.common_context_field["seq"]))
            same(f"{number}: twice", number in seen, False)
            seen.add(number)
            if number not in expected.by_number:
                raise SystemExit(f"{number} is no record of the log")
            check_event(number, event, expected.by_number[number])
            if not expected.by_number[number].get("late"):
                same(f"{number}: clock", message.default_clock_snapshot.value >= expected.by_number[number]["tick"], True)
        elif type(message) is bt2._PacketEndMessageConst:
            # A loss is told with the packet that follows it, whose context says where it ended.
            lane, next_seq, why = lanes[message.packet.stream.id]
            for place, loss in enumerate(losses):
                if isinstance(loss, tuple) and loss[0] == message.packet.stream.id:
                    losses[place] = {"lane": lane, "first_seq": (next_seq - loss[1]) % 2**64, "count": loss[1], "cause": why}
    same("records", len(seen), len(expected.records))
    same_losses("ctf", losses, expected.losses)


main("babeltrace2", check)
