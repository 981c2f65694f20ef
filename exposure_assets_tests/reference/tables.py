"""Computes every table of the contract from a landing zone and a catalog, in one slow pass over everything.
It puts the other modules together and sorts; the rules are theirs.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from exposure_assets_tests.reference.assigning import Assignment, canonical_assignments, judge_assignments
from exposure_assets_tests.reference.catalog import read_catalog
from exposure_assets_tests.reference.classifying import Classified, Exposure, classify
from exposure_assets_tests.reference.fields import sort_key
from exposure_assets_tests.reference.outcomes import unit_outcomes
from exposure_assets_tests.reference.overlap import experiment_overlap
from exposure_assets_tests.reference.quality import daily_quality
from exposure_assets_tests.reference.reading import AssignmentRow, EventRow, read_assignments, read_events
from exposure_assets_tests.reference.validating import dedupe_exposures, validate

GRAINS = {
    "exposure_events": ("experiment_id", "event_id"),
    "assignments": ("experiment_id", "unit_id"),
    "deduped_exposures": ("experiment_id", "unit_id", "variation_id", "exposure_date"),
    "exposure_validation": ("experiment_id", "unit_id"),
    "unit_outcomes": ("experiment_id", "unit_id"),
    "daily_quality": ("experiment_id", "assignment_date", "variation_id"),
    "experiment_overlap": (
        "experiment_id",
        "other_experiment_id",
        "variation_id",
        "other_variation_id",
    ),
    "exposure_waterfall": ("experiment_id", "exposure_date", "bucket"),
    # Not unique: two rejected rows may be alike in every field.
    "rejected_events": ("arrival_date", "stream", "file", "reason", "event_id", "occurred_at", "unit_id"),
}


def compute_tables(landing: Path, catalog: Path, horizon_days: int = 28) -> dict[str, list[dict[str, Any]]]:
    """Every table by its name; rows are dicts of Python values, sorted by the grain in `GRAINS`, nulls last.

    Raises:
        WindowTooLong: an experiment looks further than `horizon_days`.
    """
    rules = read_catalog(catalog, horizon_days)
    events = classify(read_events(landing), rules)
    accepted, rejected = judge_assignments(read_assignments(landing), rules)
    assignments = canonical_assignments(accepted)

    exposures_of: dict[tuple[str, str], list[Exposure]] = {}
    for exposure in events.exposures:
        exposures_of.setdefault((exposure.experiment_id, exposure.unit_id), []).append(exposure)
    events_of: dict[str, dict[str, list[EventRow]]] = {}
    for event in events.winners:
        assert event.unit_id is not None and event.event_name is not None
        events_of.setdefault(event.unit_id, {}).setdefault(event.event_name, []).append(event)

    verdicts = [
        validate(assignment, exposures_of.get(key, []), rules.experiments[assignment.experiment_id])
        for key, assignment in assignments.items()
    ]
    tables = {
        "exposure_events": [_exposure_row(exposure) for exposure in events.exposures],
        "assignments": [_assignment_row(assignment) for assignment in assignments.values()],
        "deduped_exposures": dedupe_exposures(events.exposures),
        "exposure_validation": verdicts,
        "unit_outcomes": [
            unit_outcomes(
                verdict,
                rules.experiments[verdict["experiment_id"]],
                rules.metrics,
                events_of.get(verdict["unit_id"], {}),
            )
            for verdict in verdicts
        ],
        "daily_quality": daily_quality(verdicts, events.exposures, assignments, rules),
        "experiment_overlap": experiment_overlap(assignments, rules),
        "exposure_waterfall": _waterfall(events),
        "rejected_events": _rejected(events, rejected),
    }
    return {
        name: sorted(rows, key=lambda row: sort_key(*(row[column] for column in GRAINS[name])))
        for name, rows in tables.items()
    }


def _exposure_row(exposure: Exposure) -> dict[str, Any]:
    return {
        "experiment_id": exposure.experiment_id,
        "event_id": exposure.event_id,
        "unit_id": exposure.unit_id,
        "variation_id": exposure.variation_id,
        "occurred_at": exposure.occurred_at,
        "exposure_date": exposure.exposure_date,
        "session_id": exposure.session_id,
    }


def _assignment_row(assignment: Assignment) -> dict[str, Any]:
    return {
        "experiment_id": assignment.experiment_id,
        "unit_id": assignment.unit_id,
        "variation_id": assignment.variation_id,
        "assigned_at": assignment.assigned_at,
        "assignment_date": assignment.assignment_date,
        "assignment_count": assignment.assignment_count,
        "variation_count": assignment.variation_count,
        "is_conflicting": assignment.is_conflicting,
    }


def _waterfall(events: Classified) -> list[dict[str, Any]]:
    counts = Counter(events.counted)
    return [
        {"experiment_id": experiment_id, "exposure_date": day, "bucket": bucket, "row_count": count}
        for (experiment_id, day, bucket), count in counts.items()
    ]


def _rejected(events: Classified, assignments: list[tuple[AssignmentRow, str]]) -> list[dict[str, Any]]:
    rows = []
    for event, reason, experiment_name, variation_name in events.rejected:
        row = _rejected_row("events", event, reason)
        row["event_name"] = event.event_name
        row["experiment_id"] = experiment_name
        row["variation_id"] = variation_name
        row["occurred_at"] = event.occurred_at
        rows.append(row)
    for assignment, reason in assignments:
        row = _rejected_row("assignments", assignment, reason)
        row["event_name"] = None
        row["experiment_id"] = assignment.experiment_id
        row["variation_id"] = assignment.variation_id
        row["occurred_at"] = assignment.assigned_at
        rows.append(row)
    return rows


def _rejected_row(stream: str, row: EventRow | AssignmentRow, reason: str) -> dict[str, Any]:
    return {
        "arrival_date": row.arrival_date,
        "stream": stream,
        "file": row.file,
        "reason": reason,
        "event_id": row.event_id,
        "unit_id": row.unit_id,
    }
