"""Rows of one experiment, `exp` with `control` and `treatment`, in January 2026, written as short as a test wants them.

Expected values don't belong here: they stand in the tests.
"""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from hypothesis import settings

from exposure_assets.contracts import (
    AssignmentEvents,
    Assignments,
    Catalog,
    DedupedExposures,
    Experiment,
    ExposureEvents,
    ExposureSource,
    ExposureValidation,
    Metric,
    MetricEvents,
    TableContract,
    columns_of,
)
from exposure_assets.transforms.assignments import canonical_assignments
from exposure_assets.transforms.deduped_exposures import dedupe_exposures
from exposure_assets.transforms.exposure_validation import validate_exposures

KEY = ("experiment_id", "unit_id", "variation_id", "exposure_date")
SOURCE = ExposureSource(
    id="seen",
    event="experiment_exposed",
    experiment="properties.experiment",
    variation="properties.variation",
)
# For properties of several runs each: a quarter of the examples that the profile asks for.
FEWER_EXAMPLES = settings(max_examples=settings().max_examples // 4)
RAW_EVENTS = {
    "event_id": pl.String,
    "event_name": pl.String,
    "unit_id": pl.String,
    "occurred_at": pl.Datetime("us", "UTC"),
    "ingested_at": pl.Datetime("us", "UTC"),
    "session_id": pl.String,
    "value": pl.Float64,
    "properties": pl.String,
    "file": pl.String,
    "arrival_date": pl.Date,
    "is_broken": pl.Boolean,
}
Row = dict[str, Any]


def at(text: str) -> datetime:
    """`10 09:00:00.5` is 9 o'clock and half a second on 10 January 2026, UTC."""
    day, _, clock = text.partition(" ")
    return datetime.fromisoformat(f"2026-01-{day}T{clock or '00:00'}").replace(tzinfo=UTC)


def january(day: int) -> date:
    return date(2026, 1, day)


def experiment(experiment_id: str = "exp", /, **rules: Any) -> Experiment:
    """An experiment from 5 to 25 January; rules of [exposure] and [outcomes] may be given side by side."""
    outcomes = {key: rules.pop(key) for key in ("anchor", "window_days", "metrics") if key in rules}
    top = {
        key: rules.pop(key)
        for key in ("start", "end", "enrollment_days", "segments", "results")
        if key in rules
    }
    variations = (
        {"id": "control", "allocation": 0.5, "is_control": True},
        {"id": "treatment", "allocation": 0.5},
    )
    whole = {
        "id": experiment_id,
        "name": "Example",
        "owner": "data@example.com",
        "start": at("05"),
        "end": at("25"),
        "variations": variations,
        "exposure": {"source": "seen", **rules},
        "outcomes": outcomes,
        **top,
    }
    return Experiment.model_validate(whole)


def catalog(
    *experiments: Experiment, metrics: Iterable[Metric] = (), sources: Iterable[ExposureSource] = (SOURCE,)
) -> Catalog:
    return Catalog(
        experiments={one.id: one for one in experiments or (experiment(),)},
        metrics={metric.id: metric for metric in metrics},
        exposure_sources={source.id: source for source in sources},
    )


def table(contract: type[TableContract], rows: Sequence[Row], **further: pl.DataType) -> pl.DataFrame:
    """Rows with the contract's columns; what a row does not say is null."""
    schema = {**columns_of(contract), **further}
    return pl.DataFrame(
        [{name: row.get(name) for name in schema} for row in rows], schema=schema, orient="row"
    )


def exposures(*rows: tuple[str, ...], experiment_id: str = "exp") -> pl.DataFrame:
    """Accepted exposure events of (unit, variation, time, event id, session); ids say who, what and when."""
    found = []
    for unit_id, variation_id, when, *ids in rows:
        event_id = ids[0] if ids else f"{experiment_id} {unit_id} {variation_id} {when}"
        found.append(
            {
                "experiment_id": experiment_id,
                "event_id": event_id,
                "unit_id": unit_id,
                "variation_id": variation_id,
                "occurred_at": at(when),
                "exposure_date": at(when).date(),
                "session_id": ids[1] if len(ids) > 1 else None,
            }
        )
    return table(ExposureEvents, found)


def assignment_events(*rows: tuple[str, str, str] | tuple[str, str, str, str | None]) -> pl.DataFrame:
    """Accepted assignment rows of (unit, variation, time, event id)."""
    found = [
        {
            "experiment_id": "exp",
            "event_id": ids[0] if ids else f"{unit_id} {variation_id} {when}",
            "unit_id": unit_id,
            "variation_id": variation_id,
            "assigned_at": at(when),
            "assignment_date": at(when).date(),
        }
        for unit_id, variation_id, when, *ids in rows
    ]
    return table(AssignmentEvents, found)


def canonical(*rows: tuple[str, str, str]) -> pl.DataFrame:
    """Canonical assignments of (unit, variation, time)."""
    return obeying(Assignments, canonical_assignments(assignment_events(*rows).lazy()))


def deduped(events: pl.DataFrame) -> pl.DataFrame:
    return obeying(DedupedExposures, dedupe_exposures(events.lazy()))


def judged(assignments: pl.DataFrame, events: pl.DataFrame, **rules: Any) -> pl.DataFrame:
    """The verdicts on assignments from raw exposure events, by way of the deduped ones."""
    by_experiment = {"exp": experiment(**rules).exposure}
    return validate_exposures(assignments.lazy(), dedupe_exposures(events.lazy()), by_experiment).collect()


def validated(assignments: pl.DataFrame, events: pl.DataFrame, **rules: Any) -> pl.DataFrame:
    """The same, once their contract holds."""
    return obeying(ExposureValidation, judged(assignments, events, **rules))


def metric_rows(*rows: tuple[str, str, str, float | None]) -> pl.DataFrame:
    """Metric events of (unit, event name, time, value)."""
    found = [
        {
            "event_id": f"{unit_id} {event_name} {when} {number}",
            "event_name": event_name,
            "unit_id": unit_id,
            "occurred_at": at(when),
            "event_date": at(when).date(),
            "value": value,
        }
        for number, (unit_id, event_name, when, value) in enumerate(rows)
    ]
    return table(MetricEvents, found, value=pl.Float64())


def raw_events(*rows: Row, day: int = 10) -> pl.DataFrame:
    """Raw events as landing files give them; what a row does not say is that of an exposure of ann to control."""
    defaults = {
        "event_id": "e",
        "event_name": "experiment_exposed",
        "unit_id": "ann",
        "occurred_at": at(f"{day} 12:00"),
        "properties": '{"experiment": "exp", "variation": "control"}',
        "file": "events/a.jsonl",
        "arrival_date": january(day),
        "is_broken": False,
    }
    filled = [{name: {**defaults, **row}.get(name) for name in RAW_EVENTS} for row in rows]
    return pl.DataFrame(filled, schema=RAW_EVENTS, orient="row")


def obeying(contract: type[TableContract], frame: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
    """The frame, once its contract holds."""
    found = frame.lazy().collect()
    contract.validate(found)
    return found


def scattered(frame: pl.DataFrame, shuffle: random.Random) -> pl.DataFrame:
    """The same rows in another order and cut into chunks at other places."""
    positions = list(range(frame.height))
    shuffle.shuffle(positions)
    mixed = frame[positions]
    cuts = sorted(shuffle.choices(range(frame.height + 1), k=3))
    starts = [0, *cuts]
    ends = [*cuts, frame.height]
    chunks = [mixed[start:end] for start, end in zip(starts, ends, strict=True)]
    return pl.concat(chunks, rechunk=False)


def same_rows(left: pl.DataFrame, right: pl.DataFrame, *grain: str) -> bool:
    """Whether two tables hold the same rows, bit for bit: floats are compared by what is stored, not nearly."""
    # repr tells -0.0 from 0.0 and finds nan equal to nan; == does neither.
    return left.schema == right.schema and repr(left.sort(grain).rows()) == repr(right.sort(grain).rows())
