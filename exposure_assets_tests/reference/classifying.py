"""Puts every raw row of `events` into its bucket: duplicate, malformed, accepted and the rest.
What is computed from accepted rows is elsewhere, and so are assignments.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from exposure_assets_tests.reference.catalog import Catalog, Experiment, Source
from exposure_assets_tests.reference.fields import as_text, look_up, sort_key
from exposure_assets_tests.reference.reading import EventRow


@dataclass(frozen=True)
class Exposure:
    """One accepted exposure event of one experiment."""

    experiment_id: str
    event_id: str
    unit_id: str
    variation_id: str
    occurred_at: datetime
    session_id: str | None

    @property
    def exposure_date(self) -> date:
        """Its UTC day."""
        return self.occurred_at.date()


@dataclass(frozen=True)
class Classified:
    """What became of all raw rows of `events`."""

    exposures: list[Exposure]
    counted: list[
        tuple[str | None, date, str]
    ]  # one (experiment_id, day, bucket) per row that a source matches
    rejected: list[
        tuple[EventRow, str, str | None, str | None]
    ]  # (row, reason, named experiment and variation)
    winners: list[EventRow]  # every event once


def field_value(row: EventRow, field: str) -> Any:
    """What a source, filter or metric reads: a column, or `properties.<path>`."""
    if field.startswith("properties."):
        return look_up(row.properties, field.removeprefix("properties."))
    if field == "properties":
        return row.properties_text
    return getattr(row, field)


def filter_holds(row: EventRow, source: Source) -> bool:
    """Whether every rule of the source's filter holds for the row."""
    return passes(source.filter, row)


def passes(rules: Sequence[dict[str, Any]], row: EventRow) -> bool:
    """Whether every rule of a filter holds for the row."""
    return all(_rule_holds(as_text(field_value(row, rule["field"])), rule) for rule in rules)


def _rule_holds(text: str | None, rule: dict[str, Any]) -> bool:
    if "in" in rule and text not in [as_text(value) for value in rule["in"]]:
        return False
    if "not_in" in rule and text in [as_text(value) for value in rule["not_in"]]:
        return False
    if "equals" in rule and text != as_text(rule["equals"]):
        return False
    if rule.get("is_null") and text is not None:
        return False
    return not (rule.get("not_null") and text is None)


def matching_sources(row: EventRow, catalog: Catalog) -> list[Source]:
    """The sources a row belongs to, by id; without readable properties, all of its event's that need them."""
    return [
        source
        for source in sorted(catalog.sources.values(), key=lambda source: source.id)
        if row.event_name == source.event and (_lacks_properties(row, source) or filter_holds(row, source))
    ]


def _lacks_properties(row: EventRow, source: Source) -> bool:
    return source.needs_properties and row.properties is None


def is_malformed(row: EventRow, sources: list[Source]) -> bool:
    """Whether an id or time is unreadable, or a property that one of the matching sources needs."""
    if None in (row.event_id, row.event_name, row.unit_id, row.occurred_at):
        return True
    return any(
        _lacks_properties(row, source)
        or field_value(row, source.experiment) is None
        or field_value(row, source.variation) is None
        for source in sources
    )


def remaining_fields(row: EventRow) -> tuple[Any, ...]:
    """The order among copies of one event: time, then the other columns in column order.

    Copies that agree in all of them are the same to every table but `rejected_events`: there the one that
    arrived first is kept.
    """
    return (
        *sort_key(row.occurred_at, row.event_name, row.unit_id, row.ingested_at, row.session_id, row.value),
        *sort_key(row.properties_text, row.arrival_date, row.file),
    )


def classify(rows: list[EventRow], catalog: Catalog) -> Classified:
    """Judge all rows: malformed first, then exactly once by event id, then each by the sources it matches."""
    result = Classified(exposures=[], counted=[], rejected=[], winners=[])
    copies: dict[str, list[EventRow]] = {}
    for row in rows:
        sources = matching_sources(row, catalog)
        if is_malformed(row, sources):
            _reject(row, "malformed", row.arrival_date, sources, catalog, result)
        else:
            assert row.event_id is not None
            copies.setdefault(row.event_id, []).append(row)
    for same_event in copies.values():
        winner, *losers = sorted(same_event, key=remaining_fields)
        result.winners.append(winner)
        _judge_winner(winner, catalog, result)
        for loser in losers:
            assert loser.occurred_at is not None
            sources = matching_sources(loser, catalog)
            _reject(loser, "duplicate", loser.occurred_at.date(), sources, catalog, result)
    return result


def _reject(
    row: EventRow, reason: str, day: date, sources: list[Source], catalog: Catalog, result: Classified
) -> None:
    experiment_name = variation_name = None
    if sources:
        experiment = _named_experiment(row, sources[0], catalog)
        result.counted.append((experiment.id if experiment else None, day, reason))
        experiment_name = as_text(field_value(row, sources[0].experiment))
        variation_name = as_text(field_value(row, sources[0].variation))
    result.rejected.append((row, reason, experiment_name, variation_name))


def _named_experiment(row: EventRow, source: Source, catalog: Catalog) -> Experiment | None:
    """The experiment the row names, if the catalog knows it and it takes its exposures from this source."""
    name = as_text(field_value(row, source.experiment))
    experiment = catalog.experiments.get(name) if name is not None else None
    return experiment if experiment is not None and experiment.source_id == source.id else None


def _judge_winner(row: EventRow, catalog: Catalog, result: Classified) -> None:
    assert row.event_id is not None and row.unit_id is not None and row.occurred_at is not None
    sources = matching_sources(row, catalog)
    if not sources:
        return
    day = row.occurred_at.date()
    buckets = {source.id: bucket(row, source, catalog) for source in sources}
    accepting = [source for source in sources if buckets[source.id] == "accepted"]
    for source in accepting:
        experiment = _named_experiment(row, source, catalog)
        variation_id = as_text(field_value(row, source.variation))
        assert experiment is not None and variation_id is not None
        result.counted.append((experiment.id, day, "accepted"))
        result.exposures.append(
            Exposure(experiment.id, row.event_id, row.unit_id, variation_id, row.occurred_at, row.session_id)
        )
    if not accepting:
        _reject(row, buckets[sources[0].id], day, sources, catalog, result)


def bucket(row: EventRow, source: Source, catalog: Catalog) -> str:
    """The bucket of a well-formed, unique row under one source that matches it."""
    experiment_name = as_text(field_value(row, source.experiment))
    variation_id = as_text(field_value(row, source.variation))
    assert experiment_name is not None and variation_id is not None and row.occurred_at is not None
    if "{experiment}" in experiment_name or "{experiment}" in variation_id:
        return "unresolved_template"
    parts = experiment_name.split("+")
    if len(parts) > 1 and any(part in catalog.experiments for part in parts):
        return "ambiguous_attribution"
    experiment = _named_experiment(row, source, catalog)
    if experiment is None:
        return "unknown_experiment"
    if variation_id not in experiment.variation_ids:
        return "unknown_variation"
    day = row.occurred_at.date()
    if day < experiment.start.date() - timedelta(days=7):
        return "outside_experiment"
    if experiment.end is not None and day > experiment.end.date() + timedelta(days=experiment.observe_days):
        return "outside_experiment"
    return "accepted"
