"""What a single value of a catalog file may be: ids, texts, instants, windows, fields of events.

Rules between the values of one file stand with its model in `catalog`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

ID_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,99}$"
FURTHER_COLUMN_PATTERN = r"[A-Za-z_][A-Za-z0-9_]{0,99}"
TEXT_COLUMNS = ("event_id", "event_name", "unit_id", "session_id")
TIME_COLUMNS = ("occurred_at", "ingested_at")

_FIRST_DAY = date(1970, 1, 1)
_LARGEST_NUMBER = 10**18


class Fault(NamedTuple):
    """One broken rule: what was found, what was expected, what to do, and the key below the value meant."""

    found: str
    expected: str
    remedy: str
    key: tuple[str | int, ...] = ()


def refusal(*faults: Fault) -> PydanticCustomError:
    """The faults as one pydantic error; they travel in its context as `faults`."""
    text = "; ".join(f"found {fault.found}, expected {fault.expected}" for fault in faults)
    return PydanticCustomError("catalog", "{text}", {"text": text, "faults": faults})


@dataclass(frozen=True)
class CatalogScope:
    """What a file is judged against besides itself: pass it as the validation context.

    A model built without a scope (in a test, a notebook) is judged by its own values alone.
    """

    horizon_days: int
    metric_ids: frozenset[str]
    source_ids: frozenset[str]


def one_line(text: str) -> str:
    """A message as one printable line, whatever a file held: everything else is escaped."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """The remedy for a name that is not known: the nearest one that is, or what there is to choose from."""
    names = sorted(known)
    close = get_close_matches(name[:200], names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    if not names:
        return "there is none yet: add its file"
    return f"choose from {', '.join(names[:10])}{' and others' if len(names) > 10 else ''}"


def unknown_experiment(experiment_id: str, known: Iterable[str]) -> str:
    """The sentence for an experiment that the catalog doesn't have."""
    ids = list(known)
    near = get_close_matches(experiment_id, ids, n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(ids)}."
    return f"experiment {experiment_id}: not in the catalog, {hint}"


def _in_utc(instant: datetime) -> datetime:
    try:
        in_utc = instant.astimezone(UTC)
    except OverflowError:
        in_utc = None
    if in_utc is None or in_utc.date() < _FIRST_DAY:
        expected = f"an instant from {_FIRST_DAY} to the year 9999"
        raise refusal(Fault(instant.isoformat(), expected, "check the year"))
    return in_utc


def within_horizon(days: int, info: ValidationInfo) -> int:
    """The days as they are, refused where they are more than the graph's horizon."""
    if isinstance(info.context, CatalogScope) and days > info.context.horizon_days:
        expected = f"at most the graph's horizon of {info.context.horizon_days} days"
        raise refusal(Fault(f"{days} days", expected, "shorten the window, or raise EXPOSURES_HORIZON_DAYS"))
    return days


def _not_blank(text: str) -> str:
    if not text.strip():
        raise refusal(Fault("empty text", "text that is not empty", "fill it in"))
    return text


def _event_field(path: str) -> str:
    """A column of the contract, a further column of the files, or a path into `properties`."""
    columns = (*TEXT_COLUMNS, *TIME_COLUMNS, "value")
    prefix, dot, inside = path.partition(".")
    if path in columns or (prefix == "properties" and dot and all(inside.split("."))):
        return path
    meant = get_close_matches(path[:200], (*columns, f"properties.{inside}"), n=1, cutoff=0.8)
    if re.fullmatch(FURTHER_COLUMN_PATTERN, path) and not meant and path != "properties":
        return path
    expected = (
        f"properties.<path> or a column of events ({', '.join(columns)}, or a further one of the files)"
    )
    if prefix == "properties":
        remedy = "name one property, such as properties.experiment"
    else:
        remedy = f"did you mean {(*meant, f'properties.{path[:80]}')[0]}?"
    raise refusal(Fault(repr(path[:80]), expected, remedy))


def _is_true(value: bool) -> bool:
    if not value:
        raise refusal(Fault("false", "true", "remove the line, or use the opposite operator"))
    return value


def _not_empty(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not texts:
        raise refusal(Fault("[]", "a list that is not empty", "remove the condition, or name its values"))
    return texts


def _as_text(value: object) -> object:
    """A TOML number or boolean as its JSON text: filters compare text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and abs(value) <= _LARGEST_NUMBER:
        return repr(value)
    return value


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Text = Annotated[str, AfterValidator(_not_blank)]
EventField = Annotated[str, AfterValidator(_event_field)]
UtcDatetime = Annotated[AwareDatetime, AfterValidator(_in_utc)]
WindowDays = Annotated[int, Field(ge=0, le=10**9), AfterValidator(within_horizon)]
Affirmed = Annotated[bool, AfterValidator(_is_true)]
ComparedText = Annotated[str, BeforeValidator(_as_text)]
# TOML has lists and no tuples: strictness is meant for what stands in them.
ComparedTexts = Annotated[tuple[ComparedText, ...], Field(strict=False), AfterValidator(_not_empty)]
