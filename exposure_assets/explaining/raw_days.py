"""What a day of raw events comes to for an explanation: counts by name and hour, marks and traits of units.

Which days are read, and from where, stands in `reading`.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from exposure_assets.contracts import Condition, ExposureSource
from exposure_assets.transforms.conditions import all_hold
from exposure_assets.transforms.fields import PROPERTIES, field_column, properties_text, with_fields

# A property of more values tells units apart rather than parts of them.
_MOST_VALUES = 50
_FEWEST_ROWS_SHARE = 0.2
_MOST_TRAITS = 20
_SAMPLED_TEXTS = 2_000
SESSION = "session"
NAMES = {"day": pl.Date, "hour": pl.Int64, "event_name": pl.String, "row_count": pl.Int64}
ARRIVALS = {"day": pl.Date, "arrival_date": pl.Date, "row_count": pl.Int64}
MARKS = {"unit_id": pl.String, "day": pl.Date, "cause": pl.String, "key": pl.String}
TRAITS = {"unit_id": pl.String, "trait": pl.String, "value": pl.String}
CARRIERS = {"day": pl.Date, "event_name": pl.String, "row_count": pl.Int64}


@dataclass(frozen=True)
class RawDay:
    """What one day of raw events comes to; the frames are those of `Evidence`, of one day."""

    names: pl.DataFrame
    arrivals: pl.DataFrame
    marks: pl.DataFrame
    traits: pl.DataFrame
    carriers: pl.DataFrame


def raw_day(
    rows: pl.DataFrame,
    day: date,
    source: ExposureSource,
    experiment_id: str,
    units: pl.Series,
    accepted: pl.Series,
    traits: Sequence[str],
) -> RawDay:
    """Reduce the raw rows of a day.

    Args:
        rows: As `resources.landing_days.day_rows` gives them.
        day: The UTC day.
        source: The exposure source of the experiment.
        experiment_id: The experiment.
        units: Ids of the units that are looked at.
        accepted: Event ids of the experiment's accepted exposures of the day.
        traits: Properties whose values are kept per unit.
    """
    rows = rows.filter(~pl.col("is_broken"))
    is_event = pl.col("event_name") == source.event
    named = rows.group_by("event_name", hour=pl.col("occurred_at").dt.hour().cast(pl.Int64)).agg(
        row_count=pl.len().cast(pl.Int64)
    )
    events = rows.filter(is_event)
    arrivals = events.group_by("arrival_date").agg(row_count=pl.len().cast(pl.Int64))
    others = _naming(rows.filter(~is_event), experiment_id)
    return RawDay(
        names=named.with_columns(day=pl.lit(day, pl.Date)).select(NAMES.keys()),
        arrivals=arrivals.with_columns(day=pl.lit(day, pl.Date)).select(ARRIVALS.keys()),
        marks=pl.concat(
            [
                _marks(others, units, "event_renamed", pl.col("event_name"), day),
                _filtered_out(events, source, experiment_id, units, day),
            ]
        ),
        traits=_traits(events.filter(pl.col("event_id").is_in(accepted.implode())), units, traits),
        carriers=others.group_by("event_name")
        .agg(row_count=pl.len().cast(pl.Int64))
        .with_columns(day=pl.lit(day, pl.Date))
        .select(CARRIERS.keys()),
    )


def _naming(rows: pl.DataFrame, experiment_id: str) -> pl.DataFrame:
    """The rows whose properties hold the experiment's id as a value, wherever."""
    text = properties_text(rows.schema[PROPERTIES])
    return rows.filter(text.str.contains(json.dumps(experiment_id), literal=True).fill_null(False))


def _marks(rows: pl.DataFrame, units: pl.Series, cause: str, key: pl.Expr, day: date) -> pl.DataFrame:
    return (
        rows.filter(pl.col("unit_id").is_in(units.implode()))
        .select("unit_id", key=key)
        .unique()
        .with_columns(day=pl.lit(day, pl.Date), cause=pl.lit(cause))
        .select(MARKS.keys())
    )


def _filtered_out(
    events: pl.DataFrame, source: ExposureSource, experiment_id: str, units: pl.Series, day: date
) -> pl.DataFrame:
    """Rows of the exposure event that name the experiment and that the source's filter keeps out."""
    if not source.filter:
        return pl.DataFrame(schema=MARKS)
    rows = with_fields(_naming(events, experiment_id), source.paths)
    out = rows.filter(~all_hold(source.filter))
    return _marks(out, units, "filtered_out", _first_failing(source.filter), day)


def _first_failing(conditions: Sequence[Condition]) -> pl.Expr:
    failing = [
        pl.when(~all_hold([one])).then(
            pl.format("{} = {}", pl.lit(one.field), pl.col(field_column(one.field)).fill_null("null"))
        )
        for one in conditions
    ]
    return pl.coalesce(failing)


def _traits(exposures: pl.DataFrame, units: pl.Series, traits: Sequence[str]) -> pl.DataFrame:
    """The smallest value of every trait per unit: any would do, but always the same."""
    mine = exposures.filter(pl.col("unit_id").is_in(units.implode()))
    paths = [f"{PROPERTIES}.{name}" for name in traits]
    has_session = pl.when(pl.col("session_id").is_null()).then(pl.lit("none")).otherwise(pl.lit("one"))
    return (
        with_fields(mine, paths)
        .with_columns(has_session.alias(field_column(SESSION)))
        .group_by("unit_id")
        .agg(pl.col(field_column(path)).min() for path in [*paths, SESSION])
        .rename(
            {field_column(path): path.removeprefix(f"{PROPERTIES}.") for path in [*paths, SESSION]},
        )
        .unpivot(index="unit_id", variable_name="trait", value_name="value")
        .filter(pl.col("value").is_not_null())
        .select(TRAITS.keys())
    )


def trait_names(exposures: pl.DataFrame, source: ExposureSource) -> list[str]:
    """The properties by which parts of the units can be told apart: of few values, and not the source's own fields.

    Args:
        exposures: Raw rows of the exposure event.
        source: Its fields say what was shown, and are no part of a unit.
    """
    texts = exposures.select(text=properties_text(exposures.schema[PROPERTIES])).drop_nulls().unique()
    # A bounded sample, by hash and so always the same: which keys there are and how many values they have.
    sample = texts.sort(pl.col("text").hash(), "text").head(_SAMPLED_TEXTS)["text"].to_list()
    values: dict[str, set[str]] = {}
    rows: Counter[str] = Counter()
    for text in sample:
        for name, value in _flat(text):
            rows[name] += 1
            values.setdefault(name, set()).add(value)
    own = {path.removeprefix(f"{PROPERTIES}.") for path in source.paths}
    few = [
        name
        for name, found in values.items()
        if 2 <= len(found) <= _MOST_VALUES
        and rows[name] >= _FEWEST_ROWS_SHARE * len(sample)
        and name not in own | {SESSION}
    ]
    return sorted(few)[:_MOST_TRAITS]


def _flat(text: str) -> list[tuple[str, str]]:
    """The texts, numbers and truths of a JSON object, one level of objects inside it included."""
    try:
        found = json.loads(text)
    except ValueError:
        return []
    if not isinstance(found, dict):
        return []
    nested = [
        (f"{outer}.{inner}", value)
        for outer, part in found.items()
        if isinstance(part, dict)
        for inner, value in part.items()
    ]
    return [(name, str(value)) for name, value in [*found.items(), *nested] if isinstance(value, str | int)]
