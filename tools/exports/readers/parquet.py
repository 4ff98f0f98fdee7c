"""Apache Parquet, read by duckdb and by polars."""

import json

import duckdb
import polars
from expected import main, same, same_losses

MARKS = ["truncated", "user", "own", "never_waits", "pointers_hashed", "pointers_raw", "late"]
COLUMNS = ["seconds", "lane", "seq", "tick", "cpu", "irql", "irql_name", "nmi", "level", "kind", "thread", "process", "provider", "line"]
TYPES = {"lane": "UInt32", "seq": "UInt64", "tick": "UInt64", "cpu": "UInt16", "irql": "UInt8", "nmi": "Boolean", "thread": "UInt32"}


def check_rows(reader, rows, expected):
    same(f"{reader}: rows", len(rows), len(expected.items))
    losses = []
    for row, item in zip(rows, expected.items):
        if "loss" in item:
            same(f"{reader}: kind", row["kind"], "loss")
            losses.append({"first_seq": row["seq"], "from_tick": row["tick"], **row})
            continue
        number = f"{reader}: lane {item['lane']}, number {item['seq']}"
        for name in COLUMNS:
            same(f"{number}: {name}", row[name], item.get(name))
        same(f"{number}: marks", row["marks"].split(), [mark for mark in MARKS if item.get(mark)])
        same(f"{number}: record", json.loads(row["record"]), item)
    keys = ("lane", "first_seq", "count", "cause", "from_tick", "to_tick")
    same_losses(reader, losses, expected.losses, keys)


def check(path, expected):
    columns = [*COLUMNS, "to_tick", "count", "cause", "marks", "record"]
    found = duckdb.sql(f"SELECT {', '.join(columns)} FROM read_parquet(?)", params=[path]).fetchall()
    check_rows("duckdb", [dict(zip(columns, row)) for row in found], expected)
    frame = polars.read_parquet(path)
    for name, kind in TYPES.items():
        same(f"polars: type of {name}", str(frame.schema[name]), kind)
    check_rows("polars", frame.to_dicts(), expected)
    end = polars.read_parquet_metadata(path)["irqlog.end"]
    (balance,) = json.loads(end)["balances"]
    for lane in balance["lanes"]:
        same("balance", lane["written"], lane["delivered"] + lane["lost"] + lane["cleared"])


main("duckdb and polars", check)
