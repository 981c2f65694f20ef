"""Writes rows as landing files in every format, in a different style each time but with the same meaning.
Which rows there are, and in which file, is decided elsewhere.

A row is a dict of the stream's columns. Instants are UTC datetimes, or text that is meant to be unreadable;
`properties` is an object, a text or anything else that JSON can say.
"""

import copy
import gzip
import json
import math
import random
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from exposure_assets_tests.reference.fields import JsonNumber, as_number, json_text
from exposure_assets_tests.reference.reading import COLUMNS, EPOCH, INSTANTS, REQUIRED

ZONES = (timedelta(0), timedelta(hours=2), timedelta(hours=-5, minutes=-30), timedelta(hours=14))
CANONICAL_INTEGER = re.compile(r"0|[1-9][0-9]{0,18}")
CANONICAL_DECIMAL = re.compile(r"[0-9]\.5")


def write_rows(path: Path, stream: str, rows: Sequence[dict[str, Any]], rng: random.Random) -> None:
    """Write one landing file, its format given by its name; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith(".parquet"):
        _write_parquet(path, stream, rows, rng)
        return
    is_jsonl = path.name.endswith((".jsonl", ".jsonl.gz"))
    text = _jsonl(stream, rows, rng) if is_jsonl else _csv(stream, rows, rng)
    content = text.encode("utf-8")
    path.write_bytes(gzip.compress(content, mtime=0) if path.name.endswith(".gz") else content)


def _columns(stream: str, rows: Sequence[dict[str, Any]], rng: random.Random) -> list[str]:
    """The columns of a file in any order; an optional one without values may be left out."""
    columns = [
        column
        for column in COLUMNS[stream]
        if column in REQUIRED[stream]
        or any(row.get(column) is not None for row in rows)
        or rng.random() < 0.5
    ]
    rng.shuffle(columns)
    return columns


def _time_text(value: datetime | str | None, rng: random.Random) -> str | None:
    if not isinstance(value, datetime):
        return value
    if (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0) and rng.random() < 0.5:
        return value.strftime("%Y-%m-%d")
    offset = rng.choice(ZONES)
    local = value.astimezone(timezone(offset))
    text = local.strftime(rng.choice(("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S")))
    fraction = f"{local.microsecond:06d}"
    if rng.random() < 0.3:
        fraction += f"{rng.randrange(1000):03d}"
    elif local.microsecond == 0 and rng.random() < 0.5:
        fraction = ""
    elif rng.random() < 0.3:
        fraction = fraction.rstrip("0")
    text += f".{fraction}" if fraction else ""
    if not offset:
        return text + rng.choice(("", "Z", "+00:00", "-0000"))
    sign, minutes = ("-", -offset) if offset < timedelta(0) else ("+", offset)
    hours, minutes = divmod(int(minutes.total_seconds()) // 60, 60)
    return f"{text}{sign}{hours:02d}{rng.choice((':', ''))}{minutes:02d}"


def _properties_text(value: Any, rng: random.Random) -> str | None:
    """`properties` as text: a text is kept to the letter."""
    if value is None or (isinstance(value, str) and not isinstance(value, JsonNumber)):
        return value
    text = json_text(value)
    if isinstance(value, dict) and rng.random() < 0.3:
        # Space between tokens means nothing: only the outermost, where no string can stand.
        text = "{ " + text[1:-1] + " }\t"
    return text


def _jsonl(stream: str, rows: Sequence[dict[str, Any]], rng: random.Random) -> str:
    is_ascii = rng.random() < 0.3
    lines = []
    for row in rows:
        columns = list(COLUMNS[stream])
        rng.shuffle(columns)
        line: dict[str, Any] = {}
        for column in columns:
            value = row.get(column)
            if column in INSTANTS:
                value = _time_text(value, rng)
            elif column == "properties" and isinstance(value, dict) and rng.random() < 0.5:
                value = _properties_text(value, rng)
            elif column != "properties" and isinstance(value, str) and rng.random() < 0.5:
                value = _json_scalar(value)
            if value is not None or column in REQUIRED[stream] or rng.random() < 0.5:
                line[column] = value
        text = json_text(line)
        lines.append(
            re.sub(r"[^\x00-\x7f]", lambda found: json.dumps(found[0])[1:-1], text) if is_ascii else text
        )
    end = "\n" if rng.random() < 0.8 else ""
    return "\n".join(lines) + (end if lines else "")


def _json_scalar(text: str) -> Any:
    """An id as a producer with numeric or boolean ids would send it, where that is the same text."""
    if CANONICAL_INTEGER.fullmatch(text) or CANONICAL_DECIMAL.fullmatch(text):
        return JsonNumber(text)
    return {"true": True, "false": False}.get(text, text)


def _csv(stream: str, rows: Sequence[dict[str, Any]], rng: random.Random) -> str:
    columns = _columns(stream, rows, rng)
    quotes_all = rng.random() < 0.3
    newline = rng.choice(("\n", "\r\n"))
    lines = [",".join(columns)]
    for row in rows:
        fields = []
        for column in columns:
            value = row.get(column)
            if column in INSTANTS:
                value = _time_text(value, rng)
            elif column == "properties":
                value = _properties_text(value, rng)
            elif isinstance(value, float):
                value = repr(value)
            fields.append(_csv_field(value, quotes_all))
        lines.append(",".join(fields))
    end = newline if rng.random() < 0.8 else ""
    return newline.join(lines) + end


def _csv_field(value: Any, quotes_all: bool) -> str:
    if value is None:
        return ""
    text = str(value)
    if quotes_all or text == "" or text != text.strip() or any(sign in text for sign in '",\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _write_parquet(path: Path, stream: str, rows: Sequence[dict[str, Any]], rng: random.Random) -> None:
    columns = _columns(stream, rows, rng)
    arrays = {column: _array(column, [row.get(column) for row in rows], rng) for column in columns}
    pq.write_table(
        pa.table(arrays),
        path,
        row_group_size=rng.choice((7, 100_000)),
        compression=rng.choice(("zstd", "snappy", "none", "gzip")),
        use_dictionary=rng.random() < 0.5,
    )


def _array(column: str, values: list[Any], rng: random.Random) -> pa.Array:
    if column in INSTANTS:
        return _instants([value if isinstance(value, datetime) else None for value in values], rng)
    if column == "value":
        return pa.array([as_number(value) for value in values], pa.float64())
    if column == "properties":
        if all(value is None or isinstance(value, dict) for value in values) and rng.random() < 0.7:
            kind = struct_type(values)
            if kind is not None:
                return pa.array([_native(value) for value in values], kind)
        values = [_properties_text(value, rng) for value in values]
    text = pa.array(values, rng.choice((pa.string(), pa.large_string())))
    is_repetitive = column in ("event_name", "variation_id", "experiment_id")
    return text.dictionary_encode() if is_repetitive and rng.random() < 0.2 else text


def _instants(values: list[datetime | None], rng: random.Random) -> pa.Array:
    zone = rng.choice((None, "UTC", "America/New_York"))
    micros = [None if value is None else (value - EPOCH) // timedelta(microseconds=1) for value in values]
    unit = rng.choice(("us", "ns", "ms"))
    if unit == "ns":
        ticks = [None if micro is None else micro * 1000 + rng.randrange(1000) for micro in micros]
    elif unit == "ms" and all(micro is None or micro % 1000 == 0 for micro in micros):
        ticks = [None if micro is None else micro // 1000 for micro in micros]
    else:
        unit, ticks = "us", micros
    return pa.array(ticks, pa.int64()).cast(pa.timestamp(unit, zone))


def struct_type(values: Sequence[dict[str, Any] | None]) -> pa.StructType | None:
    """The type of a struct column that holds these objects with their exact meaning, or None."""
    merged: dict[str, Any] = {}
    for value in values:
        if value is not None and not merge_shape(merged, value):
            return None
    return _struct(merged)


def split_by_shape(rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events whose `properties` fit into one struct column, and the others."""
    fitting: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    merged: dict[str, Any] = {}
    for row in rows:
        properties = row.get("properties")
        attempt = copy.deepcopy(merged)
        if properties is None:
            fitting.append(row)
        elif isinstance(properties, dict) and merge_shape(attempt, properties):
            fitting.append(row)
            merged = attempt
        else:
            others.append(row)
    return fitting, others


def merge_shape(merged: dict[str, Any], value: dict[str, Any]) -> bool:
    """Add the shape of one object to `merged`; False if types disagree or only JSON can hold the object."""
    for key, item in value.items():
        native = _native(item)
        if isinstance(native, dict):
            inner = merged.setdefault(key, {})
            if not native or not isinstance(inner, dict) or not merge_shape(inner, native):
                return False
        elif isinstance(native, str | bool | int | float):
            if merged.setdefault(key, type(native)) is not type(native):
                return False
        else:
            # Null and lists: a struct can't tell null from missing, and lists are left to JSON.
            return False
    return True


def _struct(merged: dict[str, Any]) -> pa.StructType | None:
    if not merged:
        return None
    kinds: dict[Any, pa.DataType] = {
        str: pa.string(),
        bool: pa.bool_(),
        int: pa.int64(),
        float: pa.float64(),
    }
    return pa.struct(
        [
            pa.field(key, (_struct(shape) or pa.string()) if isinstance(shape, dict) else kinds[shape])
            for key, shape in merged.items()
        ]
    )


def _native(value: Any) -> Any:
    """JSON as Arrow takes it; a number whose text would change stays a list, which no struct accepts."""
    if isinstance(value, dict):
        return {key: _native(item) for key, item in value.items()}
    if isinstance(value, JsonNumber):
        if CANONICAL_INTEGER.fullmatch(value) and int(value) < 2**63:
            return int(value)
        number = float(value)
        return number if math.isfinite(number) and repr(number) == str(value) else [value]
    return str(value) if isinstance(value, str) else value
