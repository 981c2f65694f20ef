"""Reads a landing zone and a catalog back with json, csv, gzip, tomllib and plain Polars, into dicts.
What the rows mean is judged in `plain_judging`; nothing of the package is used here.
"""

import csv
import gzip
import io
import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

Row = dict[str, Any]


def read_stream(output: Path, stream: str) -> list[Row]:
    """All rows of a stream, in the order of the files, with their arrival day; truncated files left out."""
    rows: list[Row] = []
    for path in sorted((output / "landing" / stream).glob("date=*/*")):
        if not path.name.startswith("part-90000."):
            arrival = date.fromisoformat(path.parent.name.removeprefix("date="))
            rows += [{**_readable(row), "arrival_date": arrival} for row in read_file(path)]
    return rows


def read_file(path: Path) -> list[Row]:
    """The rows of one file as it spells them."""
    if path.suffix == ".parquet":
        return pl.read_parquet(path).to_dicts()
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    if ".jsonl" in path.name:
        return [json.loads(line) for line in text.splitlines()]
    return [{key: value or None for key, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def read_catalog(output: Path, kind: str) -> dict[str, dict[str, Any]]:
    """The TOML files of a kind by their id."""
    files = sorted((output / "catalog" / kind).glob("*.toml"))
    return {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in files}


def file_contents(output: Path) -> dict[str, bytes]:
    """Every file below `output`, by its relative path."""
    files = sorted(path for path in output.rglob("*") if path.is_file())
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def _readable(row: Row) -> Row:
    instants = {
        name: _instant(row[name]) for name in ("occurred_at", "assigned_at", "ingested_at") if name in row
    }
    row = {**row, **instants}
    if "properties" in row:
        row["properties"] = _object(row["properties"])
    if row.get("value") is not None:
        row["value"] = float(row["value"])
    return row


def _instant(value: Any) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _object(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return None
    return {key: entry for key, entry in value.items() if entry is not None}
