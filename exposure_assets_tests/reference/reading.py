"""Reads a whole landing zone into rows, one after the other, and lists the files that can't be read.
Which row counts, and as what, is decided elsewhere.
"""

import gzip
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from exposure_assets_tests.reference.csv_text import BrokenCsv, parse_csv
from exposure_assets_tests.reference.fields import (
    JsonNumber,
    NotJson,
    as_id,
    as_instant,
    as_number,
    as_object,
    as_text,
    json_text,
    look_up,
    parse_json,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
REQUIRED = {
    "events": ("event_id", "event_name", "unit_id", "occurred_at"),
    "assignments": ("experiment_id", "unit_id", "variation_id", "assigned_at"),
}
COLUMNS = {
    "events": (
        "event_id",
        "event_name",
        "unit_id",
        "occurred_at",
        "ingested_at",
        "session_id",
        "value",
        "properties",
    ),
    "assignments": ("event_id", "experiment_id", "unit_id", "variation_id", "assigned_at", "ingested_at"),
}
INSTANTS = ("occurred_at", "assigned_at", "ingested_at")
FORMATS = (".parquet", ".jsonl", ".csv", ".jsonl.gz", ".csv.gz")
MICROSECONDS = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}


class Unreadable(ValueError):
    """A file that is quarantined whole, with the reason."""


@dataclass(frozen=True)
class EventRow:
    """One raw row of the `events` stream, typed; an unreadable field is None."""

    arrival_date: date
    file: str
    event_id: str | None
    event_name: str | None
    unit_id: str | None
    occurred_at: datetime | None
    ingested_at: datetime | None
    session_id: str | None
    value: float | None
    properties_text: str | None
    properties: dict[str, Any] | None


@dataclass(frozen=True)
class AssignmentRow:
    """One raw row of the `assignments` stream, typed; an unreadable field is None."""

    arrival_date: date
    file: str
    event_id: str | None
    experiment_id: str | None
    unit_id: str | None
    variation_id: str | None
    assigned_at: datetime | None
    ingested_at: datetime | None


def landing_files(landing: Path, stream: str) -> list[tuple[date, Path]]:
    """Every data file of a stream with its arrival day, in the order of their names."""
    files = []
    for folder in sorted(landing.glob(f"{stream}/date=*")):
        if re.fullmatch(r"date=\d{4}-\d{2}-\d{2}", folder.name):
            for path in sorted(folder.iterdir()):
                if path.is_file() and path.name.endswith(FORMATS) and path.name[0] not in "._":
                    files.append((date.fromisoformat(folder.name[5:]), path))
    return files


def read_events(landing: Path) -> list[EventRow]:
    """Every row of every readable file of `events`."""
    rows = []
    for arrival_date, path in landing_files(landing, "events"):
        file = path.relative_to(landing).as_posix()
        for fields in _rows_or_none(path, "events") or []:
            properties = fields.pop("properties")
            rows.append(
                EventRow(
                    arrival_date=arrival_date,
                    file=file,
                    properties_text=as_text(properties),
                    properties=as_object(properties),
                    **fields,
                )
            )
    return rows


def read_assignments(landing: Path) -> list[AssignmentRow]:
    """Every row of every readable file of `assignments`."""
    rows = []
    for arrival_date, path in landing_files(landing, "assignments"):
        file = path.relative_to(landing).as_posix()
        for fields in _rows_or_none(path, "assignments") or []:
            rows.append(AssignmentRow(arrival_date=arrival_date, file=file, **fields))
    return rows


def quarantined_files(landing: Path) -> list[tuple[str, str]]:
    """The files that are ignored whole, as (path below the landing zone, reason), in the order of paths."""
    found = []
    for stream in COLUMNS:
        for _, path in landing_files(landing, stream):
            try:
                read_file(path, stream)
            except Unreadable as reason:
                found.append((path.relative_to(landing).as_posix(), str(reason)))
    return sorted(found)


def _rows_or_none(path: Path, stream: str) -> list[dict[str, Any]] | None:
    try:
        return read_file(path, stream)
    except Unreadable:
        return None


def read_file(path: Path, stream: str) -> list[dict[str, Any]]:
    """The rows of one file: every column of the stream, typed; `properties` as it came.

    Raises:
        Unreadable: the file is truncated, corrupt, lacks a required column, or has a column of a wrong type.
    """
    if path.name.endswith(".parquet"):
        return _read_parquet(path, stream)
    text = _read_text(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        return _read_jsonl(text, stream)
    return _read_csv(text, stream)


def _read_text(path: Path) -> str:
    content = path.read_bytes()
    if path.name.endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"not a whole gzip file: {error}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"not UTF-8: {error}") from error


def _typed(raw: dict[str, Any], stream: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for column in COLUMNS[stream]:
        value = raw.get(column)
        if column in INSTANTS:
            fields[column] = as_instant(value)
        elif column == "value":
            fields[column] = as_number(value)
        elif column == "properties":
            fields[column] = value
        else:
            fields[column] = as_id(value)
    return fields


def _read_jsonl(text: str, stream: str) -> list[dict[str, Any]]:
    rows = []
    # Only "\n" ends a line: splitlines() would also split at U+2028 and others, which JSON text may contain.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            raw = parse_json(line)
        except NotJson as error:
            raise Unreadable(f"line {number} is not JSON: {error}") from error
        if not isinstance(raw, dict):
            raise Unreadable(f"line {number} is not a JSON object")
        rows.append(_typed(raw, stream))
    return rows


def _read_csv(text: str, stream: str) -> list[dict[str, Any]]:
    try:
        header, rows = parse_csv(text)
    except BrokenCsv as error:
        raise Unreadable(str(error)) from error
    _require(header, stream)
    return [_typed(raw, stream) for raw in rows]


def _require(names: list[str], stream: str) -> None:
    missing = [column for column in REQUIRED[stream] if column not in names]
    if missing:
        raise Unreadable(f"required columns are missing: {', '.join(missing)}")


def _read_parquet(path: Path, stream: str) -> list[dict[str, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"not a whole Parquet file: {error}") from error
    _require(table.column_names, stream)
    columns: dict[str, list[Any]] = {}
    for column in COLUMNS[stream]:
        if column in table.column_names:
            columns[column] = _parquet_column(column, table.column(column))
        else:
            columns[column] = [None] * table.num_rows
    return [{column: values[row] for column, values in columns.items()} for row in range(table.num_rows)]


def _parquet_column(name: str, column: pa.ChunkedArray) -> list[Any]:
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if pa.types.is_null(kind):
        return [None] * len(column)
    if name in INSTANTS and pa.types.is_timestamp(kind):
        times, divisor = MICROSECONDS[kind.unit]
        ticks = column.cast(pa.int64()).to_pylist()
        return [None if tick is None else _instant(tick * times // divisor) for tick in ticks]
    if name == "value" and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return [as_number(value) for value in column.to_pylist()]
    if name == "properties" and pa.types.is_struct(kind):
        return [_json_like(value) for value in column.to_pylist()]
    if name not in INSTANTS and name != "value" and is_text:
        return column.to_pylist()
    raise Unreadable(f"column {name} has the type {column.type}")


def _instant(microseconds: int) -> datetime | None:
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def _json_like(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_like(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_like(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    return JsonNumber(json_text(value))


def field_value(row: EventRow, field: str) -> Any:
    """What a source, filter or metric reads: a column, or `properties.<path>`."""
    if field.startswith("properties."):
        return look_up(row.properties, field.removeprefix("properties."))
    if field == "properties":
        return row.properties_text
    return getattr(row, field)
