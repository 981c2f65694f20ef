"""How one raw field becomes a value: text, numbers, instants, JSON objects and paths into them.
Files, rows and rules are elsewhere; nothing here knows a table.
"""

import json
import math
import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

TIMESTAMP = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<hour>\d{2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d+))?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


class JsonNumber(str):
    """The literal of a JSON number, kept as it was written: `1e5` is not `100000`."""


class NotJson(ValueError):
    """A text that is not JSON in the strict sense; `NaN` is not JSON."""


def _refuse_constant(literal: str) -> Any:
    raise NotJson(f"{literal} is not JSON")


def parse_json(text: str) -> Any:
    """Read JSON, keeping numbers as `JsonNumber`.

    Raises:
        NotJson: the text is not JSON.
    """
    try:
        return json.loads(text, parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise NotJson(str(error)) from error


def json_text(value: Any) -> str:
    """Compact JSON text, keys in their order, numbers as their literals."""
    if isinstance(value, JsonNumber):
        return str(value)
    if isinstance(value, dict):
        return (
            "{" + ",".join(json_text(str(key)) + ":" + json_text(item) for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(json_text(item) for item in value) + "]"
    if isinstance(value, datetime | date):
        return json.dumps(value.isoformat())
    return json.dumps(value, ensure_ascii=False)


def as_text(value: Any) -> str | None:
    """A value as ids and filters see it: text is itself, everything else is its JSON text."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value)
    return json_text(value)


def as_id(value: Any) -> str | None:
    """An id of a JSON line: text, or the text of a number or boolean; an object or a list is unreadable."""
    if isinstance(value, dict | list):
        return None
    return as_text(value)


def as_number(value: Any) -> float | None:
    """A JSON number or numeric text; anything else, NaN and infinities are null."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        if NUMBER.fullmatch(value) is None:
            return None
        value = float(value)
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None


def as_instant(value: Any) -> datetime | None:
    """ISO 8601 text as an instant in UTC, truncated to microseconds; null where it is unreadable."""
    if not isinstance(value, str) or isinstance(value, JsonNumber):
        return None
    found = TIMESTAMP.fullmatch(value)
    if found is None or not value.isascii():
        return None
    try:
        day = date.fromisoformat(found["date"])
        microsecond = int((found["fraction"] or "0").ljust(6, "0")[:6])
        local = datetime(
            day.year,
            day.month,
            day.day,
            int(found["hour"] or 0),
            int(found["minute"] or 0),
            int(found["second"] or 0),
            microsecond,
            tzinfo=_zone(found["zone"]),
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    if int(digits[2:]) > 59:
        raise ValueError(f"{text} is not an offset")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def as_object(value: Any) -> dict[str, Any] | None:
    """`properties` as an object: an object, or the JSON text of one; null for everything else."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str) and not isinstance(value, JsonNumber):
        try:
            parsed = parse_json(value)
        except NotJson:
            return None
        return parsed if isinstance(parsed, dict) else None
    return None


def look_up(properties: dict[str, Any] | None, path: str) -> Any:
    """The value at a dotted path: a flat key that contains the dots first, then nested objects.

    A flat key whose value is null is not present: a Parquet struct can't tell null from missing.
    """
    if properties is None:
        return None
    if properties.get(path) is not None:
        return properties[path]
    value: Any = properties
    for part in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def order(value: Any) -> tuple[bool, Any]:
    """A sort key of one value: nulls last, strings by their UTF-8 bytes."""
    if value is None:
        return (True, 0)
    if isinstance(value, str):
        return (False, value.encode("utf-8"))
    return (False, value)


def sort_key(*values: Any) -> tuple[tuple[bool, Any], ...]:
    """A sort key of several values, compared one after the other."""
    return tuple(order(value) for value in values)
