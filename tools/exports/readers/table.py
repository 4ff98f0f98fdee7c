"""CSV, read by Python's csv, by duckdb and by polars."""

import csv
import json

import duckdb
import polars
from expected import main, same, same_losses

MARKS = ["truncated", "user", "own", "never_waits", "pointers_hashed", "pointers_raw", "late"]


def check_row(row, record):
    number = f"lane {record['lane']}, number {record['seq']}"
    for name in ["lane", "seq", "tick", "cpu", "irql", "irql_name", "level", "kind", "thread", "process"]:
        same(f"{number}: {name}", row[name], str(record.get(name, "")))
    same(f"{number}: nmi", row["nmi"], str(record["nmi"]).lower())
    same(f"{number}: marks", row["marks"].split(), [mark for mark in MARKS if record.get(mark)])
    same(f"{number}: line", row["line"], str(record.get("line", "")))
    exact = json.loads(row["content"])
    for name in ["arguments", "text", "blob", "bytes"]:
        if name in record:
            found = exact if name in ("arguments", "text") else exact[name]
            same(f"{number}: {name}", found, record[name])
            break
    else:
        raise SystemExit(f"{number}: no content")
    for name in ["provider", "text", "format", "file", "module"]:
        if row[name][:1] in "=+-@" and row[name]:
            raise SystemExit(f"{number}: {name} begins as a formula: {row[name]!r}")
        if any(character < " " for character in row[name]):
            raise SystemExit(f"{number}: {name} has a control character: {row[name]!r}")
    if row["text"].isascii() and row["text"].isalnum():
        same(f"{number}: text", row["text"], record["text"])


def check(path, expected):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    balances = [row for row in rows if row["kind"] == "balance"]
    items = rows[: len(rows) - len(balances)]
    same("rows", len(items), len(expected.items))
    losses = []
    for row, item in zip(items, expected.items):
        if "loss" in item:
            same("kind", row["kind"], "loss")
            tick = {name: int(row[column]) if row[column] else None for name, column in [("from_tick", "tick"), ("to_tick", "to_tick")]}
            losses.append({"lane": int(row["lane"]), "first_seq": int(row["seq"]), "count": int(row["count"]), "cause": row["marks"], **tick})
        else:
            check_row(row, item)
    same_losses("csv", losses, expected.losses, ("lane", "first_seq", "count", "cause", "from_tick", "to_tick"))
    for row in balances:
        lane = json.loads(row["content"])
        same("balance", lane["written"], lane["delivered"] + lane["lost"] + lane["cleared"])
    ticks = sum(record["tick"] for record in expected.records)
    read = "read_csv(?, header=true, delim=',', quote='\"', escape='\"', all_varchar=true, max_line_size=67108864)"
    query = f"SELECT sum(tick::UBIGINT) FROM {read} WHERE level IS NOT NULL"
    same("duckdb: ticks", int(duckdb.sql(query, params=[path]).fetchall()[0][0]), ticks)
    frame = polars.read_csv(path, infer_schema=False).filter(polars.col("level").is_not_null())
    same("polars: ticks", sum(map(int, frame["tick"].to_list())), ticks)


main("csv, duckdb and polars", check)
