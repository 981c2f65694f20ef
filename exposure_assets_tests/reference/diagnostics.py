"""Counts what a judgement of the data needs beside the daily quality, one unit after the other.
Verdicts, outcomes and exposures are decided elsewhere; what is too much, is not asked here.
"""

from collections import Counter
from datetime import date
from typing import Any

from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.catalog import Catalog
from exposure_assets_tests.reference.classifying import Exposure
from exposure_assets_tests.reference.reading import EventRow

STARTS = (-604800, 0, 1, 10, 60, 600, 3600, 21600, 86400, 172800, 345600, 604800, 1209600)


def exposure_delays(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `exposure_delays`: how long units waited for their first exposure."""
    counts: Counter[tuple[str, date, str, date, int]] = Counter()
    for verdict in verdicts:
        if verdict["has_post_assignment_exposure"]:
            delay, day = verdict["exposure_delay_seconds"], verdict["assignment_date"]
            counts[
                verdict["experiment_id"],
                day,
                verdict["variation_id"],
                max(verdict["first_exposure_at"].date(), day),
                max(start for start in STARTS if start <= delay),
            ] += 1
    names = ("experiment_id", "assignment_date", "variation_id", "exposed_date", "from_seconds")
    return [{**dict(zip(names, key, strict=True)), "unit_count": count} for key, count in counts.items()]


def cohort_diagnostics(
    assignments: dict[tuple[str, str], Assignment],
    outcomes: list[dict[str, Any]],
    exposures: list[Exposure],
    catalog: Catalog,
    events_of: dict[str, dict[str, list[EventRow]]],
) -> list[dict[str, Any]]:
    """Rows of `cohort_diagnostics`: of every day with an assigned or an exposed unit."""
    exposed = {(e.experiment_id, e.exposure_date, e.unit_id) for e in exposures}
    days = {(a.experiment_id, a.assignment_date) for a in assignments.values()}
    days |= {(experiment_id, day) for experiment_id, day, _ in exposed}
    anchors = {(row["experiment_id"], row["unit_id"]): row["anchor_at"] for row in outcomes}
    rows = []
    for experiment_id, day in days:
        names = {catalog.metrics[id_].event for id_ in catalog.experiments[experiment_id].metric_ids}
        cohort = [
            a for a in assignments.values() if (a.experiment_id, a.assignment_date) == (experiment_id, day)
        ]
        early = [
            a
            for a in cohort
            if any(
                event.occurred_at is not None
                and a.assigned_at <= event.occurred_at < anchors[experiment_id, a.unit_id]
                for name in names
                for event in events_of.get(a.unit_id, {}).get(name, [])
            )
        ]
        rows.append(
            {
                "experiment_id": experiment_id,
                "assignment_date": day,
                "assigned_units": len(cohort),
                "assignment_count": sum(a.assignment_count for a in cohort),
                "early_outcome_units": len(early),
                "exposed_on_day_units": sum((e, at) == (experiment_id, day) for e, at, _ in exposed),
            }
        )
    return rows
