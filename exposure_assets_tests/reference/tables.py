"""Computes every table of the contract from a landing zone and a catalog, in one slow pass over everything.
It puts the other modules together and sorts; the rules are theirs.
"""

from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

from exposure_assets_tests.reference.assigning import Assignment, canonical_assignments, judge_assignments
from exposure_assets_tests.reference.catalog import Catalog, read_catalog
from exposure_assets_tests.reference.classifying import Classified, Exposure, classify
from exposure_assets_tests.reference.diagnostics import cohort_diagnostics, exposure_delays
from exposure_assets_tests.reference.fields import sort_key
from exposure_assets_tests.reference.moments import metric_moments, unit_covariates
from exposure_assets_tests.reference.outcomes import unit_outcomes
from exposure_assets_tests.reference.overlap import experiment_overlap
from exposure_assets_tests.reference.quality import daily_quality
from exposure_assets_tests.reference.ratios import sample_ratios_of_all
from exposure_assets_tests.reference.reading import AssignmentRow, EventRow, read_assignments, read_events
from exposure_assets_tests.reference.report import quality_report
from exposure_assets_tests.reference.stages import stage_counts
from exposure_assets_tests.reference.validating import dedupe_exposures, validate
from exposure_assets_tests.reference.windows import exposure_windows, unit_segments

UNATTRIBUTABLE = (
    "unknown_experiment",
    "unknown_variation",
    "unresolved_template",
    "ambiguous_attribution",
    "unassigned_unit",
    "outside_experiment",
    "malformed",
)
GRAINS = {
    "exposure_events": ("experiment_id", "event_id"),
    "assignments": ("experiment_id", "unit_id"),
    "deduped_exposures": ("experiment_id", "unit_id", "variation_id", "exposure_date"),
    "exposure_validation": ("experiment_id", "unit_id"),
    "exposure_windows": ("experiment_id", "unit_id", "exposure_window_id", "analysis_window_id"),
    "unit_segments": ("experiment_id", "unit_id", "segment_id"),
    "unit_outcomes": ("experiment_id", "unit_id"),
    "unit_covariates": ("experiment_id", "unit_id", "metric_id"),
    "daily_quality": ("experiment_id", "assignment_date", "variation_id"),
    "stage_counts": (
        "experiment_id",
        "assignment_date",
        "variation_id",
        "is_conflicting",
        "stage",
        "reached_date",
    ),
    "exposure_delays": ("experiment_id", "assignment_date", "variation_id", "exposed_date", "from_seconds"),
    "cohort_diagnostics": ("experiment_id", "assignment_date"),
    "experiment_quality_report": ("experiment_id", "as_of_date"),
    "metric_moments": (
        "experiment_id",
        "assignment_date",
        "variation_id",
        "is_conflicting",
        "analysis_basis",
        "metric_id",
        "completed_date",
    ),
    "sample_ratios": ("experiment_id", "as_of_date", "stage", "is_cumulative", "has_conflicting_units"),
    "experiment_overlap": (
        "experiment_id",
        "other_experiment_id",
        "variation_id",
        "other_variation_id",
    ),
    "exposure_waterfall": ("experiment_id", "exposure_date", "bucket"),
    "credit_ledger": ("experiment_id", "exposure_date"),
    # Not unique: two rejected rows may be alike in every field.
    "rejected_events": ("arrival_date", "stream", "file", "reason", "event_id", "occurred_at", "unit_id"),
}


def compute_tables(landing: Path, catalog: Path, horizon_days: int = 28) -> dict[str, list[dict[str, Any]]]:
    """Every table by its name; rows are dicts of Python values, sorted by the grain in `GRAINS`, nulls last.

    Raises:
        WindowTooLong: an experiment looks further than `horizon_days`.
    """
    rules = read_catalog(catalog, horizon_days)
    accepted, rejected = judge_assignments(read_assignments(landing), rules)
    assignments = canonical_assignments(accepted)
    events = classify(read_events(landing), rules, assignments)

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
    windows = [
        row
        for key, assignment in assignments.items()
        for row in exposure_windows(
            assignment, exposures_of.get(key, []), rules.experiments[assignment.experiment_id]
        )
    ]
    segments = {
        key: unit_segments(
            assignment, events_of.get(assignment.unit_id, {}), rules.experiments[assignment.experiment_id]
        )
        for key, assignment in assignments.items()
    }
    segment_ids = sorted({toml["id"] for e in rules.experiments.values() for toml in e.segments})
    outcomes = [
        unit_outcomes(
            verdict,
            rules.experiments[verdict["experiment_id"]],
            rules.metrics,
            events_of.get(verdict["unit_id"], {}),
            dict.fromkeys(segment_ids)
            | {
                row["segment_id"]: row["is_in_segment"]
                for row in segments[verdict["experiment_id"], verdict["unit_id"]]
            },
        )
        for verdict in verdicts
    ]
    covariates = [
        row
        for assignment in assignments.values()
        for row in unit_covariates(
            assignment,
            rules.experiments[assignment.experiment_id],
            rules.metrics,
            events_of.get(assignment.unit_id, {}),
        )
    ]
    stages = stage_counts(assignments, verdicts, outcomes)
    last_day = _last_day(accepted, events, rules)
    tables = {
        "exposure_events": [_exposure_row(exposure) for exposure in events.exposures],
        "assignments": [_assignment_row(assignment) for assignment in assignments.values()],
        "deduped_exposures": dedupe_exposures(events.exposures),
        "exposure_validation": verdicts,
        "exposure_windows": windows,
        "unit_segments": [row for rows in segments.values() for row in rows],
        "unit_outcomes": outcomes,
        "daily_quality": daily_quality(verdicts, events.exposures, assignments, rules),
        "unit_covariates": covariates,
        "stage_counts": stages,
        "sample_ratios": sample_ratios_of_all(stages, rules, last_day),
        "exposure_delays": exposure_delays(verdicts),
        "cohort_diagnostics": cohort_diagnostics(assignments, outcomes, events.exposures, rules, events_of),
        "metric_moments": metric_moments(assignments, verdicts, outcomes, covariates, rules.experiments),
        "experiment_overlap": experiment_overlap(assignments, rules),
        "exposure_waterfall": _waterfall(events),
        "credit_ledger": _credit_ledger(events),
        "rejected_events": _rejected(events, rejected),
    }
    tables["experiment_quality_report"] = quality_report(tables, rules, last_day)
    return {
        name: sorted(rows, key=lambda row: sort_key(*(row[column] for column in GRAINS[name])))
        for name, rows in tables.items()
    }


def _last_day(assigned: list[AssignmentRow], events: Classified, catalog: Catalog) -> date | None:
    """The last day with an accepted assignment, an accepted exposure or an event that a metric counts."""
    names = {metric.event for metric in catalog.metrics.values()}
    metric_events = (event for event in events.winners if event.event_name in names)
    days = [exposure.exposure_date for exposure in events.exposures]
    days += [row.assigned_at.date() for row in assigned if row.assigned_at is not None]
    days += [event.occurred_at.date() for event in metric_events if event.occurred_at is not None]
    return max(days, default=None)


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


def _credit_ledger(events: Classified) -> list[dict[str, Any]]:
    rows = []
    for experiment_id, day in {(experiment_id, day) for experiment_id, day, _, _ in events.displays}:
        of_day = Counter(
            (rule, bucket) for name, at, rule, bucket in events.displays if (name, at) == (experiment_id, day)
        )
        by_bucket: Counter[str] = Counter()
        for (_, bucket), count in of_day.items():
            by_bucket[bucket] += count
        duplicates, credited = by_bucket.pop("duplicate", 0), by_bucket.pop("accepted", 0)
        lost = sum(by_bucket.values())
        rows.append(
            {
                "experiment_id": experiment_id,
                "exposure_date": day,
                "display_count": credited + lost,
                "credited_count": credited,
                "credited_by_slug_count": of_day["slug", "accepted"],
                "credited_by_part_id_count": of_day["part_id", "accepted"],
                "credited_by_message_count": of_day["message_under_experiment", "accepted"],
                "unattributable_count": lost,
                "unattributable_share": lost / (credited + lost) if credited + lost else None,
                **{f"{bucket}_count": by_bucket[bucket] for bucket in UNATTRIBUTABLE},
                "duplicate_count": duplicates,
            }
        )
    return rows


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
