"""JSON lines, read by Python's json, by duckdb, by polars, and by lnav with the format file of docs/lnav."""

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import duckdb
import polars
from expected import main, same, same_losses, without


def time_of(line):
    """A time of day as nanoseconds since 1970."""
    whole, fraction = line.rstrip("Z").split(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00") - datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    return (seconds.days * 86400 + seconds.seconds) * 10**9 + int(fraction)


def lnav(path):
    """What lnav finds: a row for each line."""
    format_file = pathlib.Path(__file__).parents[3] / "docs/lnav/irqlog.json"
    with tempfile.TemporaryDirectory() as folder:
        formats = pathlib.Path(folder) / "formats/irqlog"
        formats.mkdir(parents=True)
        shutil.copy(format_file, formats / "format.json")
        columns = "lane, seq, tick, cpu, log_level, provider, line, loss"
        wanted = f";SELECT {columns} FROM irqlog_log"
        command = ["lnav", "-n", "-I", folder, "-c", wanted, "-c", ":write-json-to -", path]
        environment = {**os.environ, "HOME": folder, "TERM": "dumb"}
        # On a machine that is busy it may run its commands before it has loaded the file, and answers nothing then.
        for _ in range(5):
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
            if done.stdout.strip():
                return json.loads(done.stdout)
    raise SystemExit(f"lnav answers nothing: {done.stderr.decode()}")


def fits(value):
    """Whether lnav can read a line: in one with a number whose magnitude is 2^63 or more it finds no field."""
    if isinstance(value, dict):
        return all(map(fits, value.values()))
    if isinstance(value, list):
        return all(map(fits, value))
    return not isinstance(value, int) or -(2**63) < value < 2**63


def check_lnav(path, expected):
    rows = lnav(path)
    records = [record for record in expected.records if fits(record)]
    same("lnav: lines", len(rows), len(expected.items) + 2)
    losses = [row["loss"] for row in rows if row["loss"] is not None]
    losses = [json.loads(loss) if isinstance(loss, str) else loss for loss in losses]
    same_losses("lnav", losses, list(filter(fits, expected.losses)))
    found = {(int(row["lane"]), int(row["seq"])): row for row in rows if row["seq"] is not None}
    same("lnav: records", len(found), len(records))
    for number, row in found.items():
        record = expected.by_number[number]
        for name in ["tick", "cpu", "line", "provider"]:
            # Its SQL ends a text at a NUL.
            text = str(record[name]).split("\0")[0] if name in record else None
            same(f"lnav: {number}: {name}", row[name], text)
        if record["level"] in ("error", "info", "debug", "trace"):
            same(f"lnav: {number}: level", row["log_level"], record["level"])


def check(path, expected):
    with open(path, encoding="utf-8") as file:
        first, *lines, last = map(json.loads, file)
    (log,) = first["logs"]
    frequency = log["recorder"]["tick_frequency"]
    same("items", len(lines), len(expected.items))
    for number, (found, item) in enumerate(zip(lines, expected.items)):
        same(f"line {number + 2}", without(found, "utc", "start"), without(item, "utc", "start"))
        same(f"start of line {number + 2}", found["start"], log["start"])
        if "tick" in item and found["utc"] is not None:
            nanoseconds = (item["tick"] - log["tick_base"]) * 10**9 // frequency
            same(f"time of line {number + 2}", time_of(found["utc"]), time_of(log["utc"]) + nanoseconds)
    (balance,) = last["end"]["balances"]
    lost = {}
    for loss in expected.losses:
        lost[loss["lane"]] = lost.get(loss["lane"], 0) + loss["count"]
    for lane in balance["lanes"]:
        same("lost", lane["lost"], lost.get(lane["lane"], 0))
        same("balance", lane["written"], lane["delivered"] + lane["lost"] + lane["cleared"])
    ticks = sum(record["tick"] for record in expected.records)
    read = "read_json(?, format='newline_delimited', columns={tick: 'UBIGINT'}, maximum_object_size=67108864)"
    same("duckdb: ticks", int(duckdb.sql(f"SELECT sum(tick) FROM {read}", params=[path]).fetchall()[0][0]), ticks)
    frame = polars.read_ndjson(path, schema={"tick": polars.UInt64})
    same("polars: ticks", sum(frame["tick"].drop_nulls().to_list()), ticks)
    check_lnav(path, expected)


main("json, duckdb, polars and lnav", check)
