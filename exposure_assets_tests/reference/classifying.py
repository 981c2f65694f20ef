"""Puts every raw row of `events` into its bucket: duplicate, malformed, accepted and the rest.
What is computed from accepted rows is elsewhere, and so are assignments.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from exposure_assets_tests.reference.attribution import (
    Assignments,
    Credit,
    credit,
    observes,
    one_credit,
    ours,
)
from exposure_assets_tests.reference.catalog import Catalog, Source
from exposure_assets_tests.reference.fields import as_text, sort_key
from exposure_assets_tests.reference.reading import EventRow, field_value


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
    displays: list[
        tuple[str | None, date, str, str]
    ]  # (experiment_id, day, rule, bucket) per display of a coenrolling feature


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
        _lacks_properties(row, source) or any(field_value(row, field) is None for field in source.required)
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


def classify(rows: list[EventRow], catalog: Catalog, assigned: Assignments) -> Classified:
    """Judge all rows: malformed first, then exactly once by event id, then each by the sources it matches."""
    result = Classified(exposures=[], counted=[], rejected=[], winners=[], displays=[])
    copies: dict[str, list[EventRow]] = {}
    for row in rows:
        sources = matching_sources(row, catalog)
        if is_malformed(row, sources):
            _reject(row, "malformed", row.arrival_date, _malformed(row, sources, catalog), catalog, result)
        else:
            assert row.event_id is not None
            copies.setdefault(row.event_id, []).append(row)
    for same_event in copies.values():
        winner, *losers = sorted(same_event, key=remaining_fields)
        result.winners.append(winner)
        _judge_winner(winner, catalog, assigned, result)
        for loser in losers:
            assert loser.occurred_at is not None
            verdicts = _verdicts(loser, catalog, assigned)
            _reject(loser, "duplicate", loser.occurred_at.date(), verdicts, catalog, result)
    return result


def _verdicts(row: EventRow, catalog: Catalog, assigned: Assignments) -> dict[str, Credit]:
    """What a well-formed row comes to under each source that matches it, by source id in order."""
    verdicts = {
        source.id: credit(row, source, catalog, assigned) for source in matching_sources(row, catalog)
    }
    return one_credit(verdicts, catalog)


def _malformed(row: EventRow, sources: list[Source], catalog: Catalog) -> dict[str, Credit]:
    """What a malformed row still names."""
    verdicts = {}
    for source in sources:
        name = variation_id = None
        known = ours(source, catalog)
        if source.attribution in ("event", "slug"):
            name = as_text(field_value(row, source.fields["experiment"]))
            if "variation" in source.fields:
                variation_id = as_text(field_value(row, source.fields["variation"]))
        elif source.attribution == "part_id":
            owners = source.parts.get(as_text(field_value(row, source.fields["part"])) or "", ())
            name, variation_id = owners[0] if len(owners) == 1 else (None, None)
        verdicts[source.id] = Credit("malformed", name if name in known else None, variation_id, name)
    return verdicts


def _reject(
    row: EventRow, reason: str, day: date, verdicts: dict[str, Credit], catalog: Catalog, result: Classified
) -> None:
    name = variation_id = None
    if verdicts:
        source_id, verdict = min(verdicts.items())
        result.counted.append((verdict.experiment_id, day, reason))
        _note_display(source_id, verdict.experiment_id, day, reason, catalog, result)
        name, variation_id = verdict.name, verdict.variation_id
    result.rejected.append((row, reason, name, variation_id))


def _note_display(
    source_id: str, experiment_id: str | None, day: date, reason: str, catalog: Catalog, result: Classified
) -> None:
    rule = catalog.sources[source_id].attribution
    if rule != "event":
        result.displays.append((experiment_id, day, rule, reason))


def _judge_winner(row: EventRow, catalog: Catalog, assigned: Assignments, result: Classified) -> None:
    assert row.event_id is not None and row.unit_id is not None and row.occurred_at is not None
    day = row.occurred_at.date()
    verdicts = _verdicts(row, catalog, assigned)
    for source_id, verdict in verdicts.items():
        if verdict.bucket == "accepted" and not observes(
            catalog.experiments[str(verdict.experiment_id)], day
        ):
            verdicts[source_id] = replace(verdict, bucket="outside_experiment")
    accepting = {source_id: one for source_id, one in verdicts.items() if one.bucket == "accepted"}
    for source_id, verdict in accepting.items():
        assert verdict.experiment_id is not None and verdict.variation_id is not None
        result.counted.append((verdict.experiment_id, day, "accepted"))
        _note_display(source_id, verdict.experiment_id, day, "accepted", catalog, result)
        result.exposures.append(
            Exposure(
                verdict.experiment_id,
                row.event_id,
                row.unit_id,
                verdict.variation_id,
                row.occurred_at,
                row.session_id,
            )
        )
    if verdicts and not accepting:
        _reject(row, min(verdicts.items())[1].bucket, day, verdicts, catalog, result)
