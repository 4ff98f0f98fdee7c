"""The Journal Export Format, imported by systemd-journal-remote and read by journalctl."""

import json
import pathlib
import subprocess

from expected import main, same, without

REMOTE = "/lib/systemd/systemd-journal-remote"
PRIORITIES = {"error": "3", "warn": "4", "info": "6"}


def text(value):
    """A field of journalctl, which gives what is no plain text as an array of bytes."""
    return bytes(value).decode() if isinstance(value, list) else value


def check(path, expected):
    file = pathlib.Path(path).with_suffix(".imported.journal")
    file.unlink(missing_ok=True)
    subprocess.run([REMOTE, f"--output={file}", path], check=True, stderr=subprocess.PIPE)
    command = ["journalctl", f"--file={file}", "--output=json", "--all", "--no-pager"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    entries = [json.loads(line) for line in output.split("\n") if line]
    # journalctl sorts by time, the log by lanes.
    found = sorted(json.dumps(without(json.loads(text(entry["IRQLOG_LOSS"])), "utc", "start")) for entry in entries if "IRQLOG_LOSS" in entry)
    same("losses", found, sorted(json.dumps({"loss": loss}) for loss in expected.losses))
    ends = [entry for entry in entries if "IRQLOG_BALANCE" in entry]
    same("balances", len(ends), 1)
    for lane in json.loads(text(ends[0]["IRQLOG_BALANCE"]))["lanes"]:
        same("balance", lane["written"], lane["delivered"] + lane["lost"] + lane["cleared"])
    records = [entry for entry in entries if "IRQLOG_RECORD" in entry]
    same("records", len(records), len(expected.records))
    same("entries", len(entries), len(records) + len(found) + 1)
    for entry in records:
        number = (int(entry["IRQLOG_LANE"]), int(entry["IRQLOG_SEQ"]))
        record = expected.by_number[number]
        same(number, without(json.loads(text(entry["IRQLOG_RECORD"])), "utc", "start"), record)
        same(f"{number}: tick", entry["IRQLOG_TICK"], str(record["tick"]))
        same(f"{number}: priority", entry["PRIORITY"], PRIORITIES.get(record["level"], "7"))
        same(f"{number}: line", entry.get("CODE_LINE", ""), str(record.get("line", "")))
        same(f"{number}: thread", entry.get("TID", ""), str(record.get("thread", "")))
        same(f"{number}: level of privilege", entry["_TRANSPORT"], "irqlog")
        if record.get("text", "").isalnum() and record["kind"] == "text":
            same(f"{number}: message", text(entry["MESSAGE"]).split(" [")[0], record["text"])


main("systemd-journal-remote and journalctl", check)
