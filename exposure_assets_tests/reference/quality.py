"""The daily quality of every cohort, per variation and for all of them together.
It counts verdicts; how they were reached is elsewhere.
"""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.catalog import Catalog
from exposure_assets_tests.reference.classifying import Exposure

ALL = "*"
DAYS_TO_BE_ASSIGNED = 7
RATES = {
    "exposure_rate": "exposed_units",
    "valid_exposure_rate": "valid_exposed_units",
    "crossover_rate": "crossover_units",
    "pre_assignment_rate": "pre_assignment_units",
    "outside_window_rate": "outside_window_units",
    "mismatch_rate": "mismatch_units",
}


def percentile(values: Sequence[float], fraction: float) -> float | None:
    """The percentile with linear interpolation between the two nearest ranks; null of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    position = (len(ordered) - 1) * fraction
    below = math.floor(position)
    above = math.ceil(position)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def unassigned_exposed_units(
    exposures: list[Exposure], assignments: dict[tuple[str, str], Assignment]
) -> dict[tuple[str, date], set[str]]:
    """Per (experiment_id, day): the units exposed on it that were not assigned by the 7th day after it."""
    found: dict[tuple[str, date], set[str]] = {}
    for exposure in exposures:
        day = exposure.exposure_date
        assignment = assignments.get((exposure.experiment_id, exposure.unit_id))
        if assignment is None or assignment.assignment_date > day + timedelta(days=DAYS_TO_BE_ASSIGNED):
            found.setdefault((exposure.experiment_id, day), set()).add(exposure.unit_id)
    return found


def daily_quality(
    verdicts: list[dict[str, Any]],
    exposures: list[Exposure],
    assignments: dict[tuple[str, str], Assignment],
    catalog: Catalog,
) -> list[dict[str, Any]]:
    """Rows of `daily_quality`: every (experiment_id, day) with an assigned or an unassigned exposed unit."""
    unassigned = unassigned_exposed_units(exposures, assignments)
    cohorts: dict[tuple[str, date], list[dict[str, Any]]] = {}
    for verdict in verdicts:
        cohorts.setdefault((verdict["experiment_id"], verdict["assignment_date"]), []).append(verdict)
    rows = []
    for experiment_id, day in set(cohorts) | set(unassigned):
        cohort = cohorts.get((experiment_id, day), [])
        unassigned_count = len(unassigned.get((experiment_id, day), set()))
        rows.append(_row(experiment_id, day, ALL, cohort, assignments, unassigned_count))
        for variation_id in catalog.experiments[experiment_id].variation_ids:
            of_variation = [verdict for verdict in cohort if verdict["variation_id"] == variation_id]
            rows.append(_row(experiment_id, day, variation_id, of_variation, assignments, None))
    return rows


def _row(
    experiment_id: str,
    day: date,
    variation_id: str,
    verdicts: list[dict[str, Any]],
    assignments: dict[tuple[str, str], Assignment],
    unassigned_count: int | None,
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "experiment_id": experiment_id,
        "assignment_date": day,
        "variation_id": variation_id,
        "assigned_units": len(verdicts),
        "exposed_units": sum(verdict["has_post_assignment_exposure"] for verdict in verdicts),
        "valid_exposed_units": sum(verdict["has_valid_exposure"] for verdict in verdicts),
        "no_exposure_units": sum(not verdict["has_any_exposure"] for verdict in verdicts),
        "crossover_units": sum(verdict["has_crossover"] for verdict in verdicts),
        "pre_assignment_units": sum(verdict["is_pre_assignment_exposure"] for verdict in verdicts),
        "outside_window_units": sum(verdict["is_exposure_outside_window"] for verdict in verdicts),
        "mismatch_units": sum(verdict["is_variation_mismatch"] for verdict in verdicts),
        "conflicting_units": sum(
            assignments[experiment_id, verdict["unit_id"]].is_conflicting for verdict in verdicts
        ),
    }
    for rate, counted in RATES.items():
        row[rate] = row[counted] / len(verdicts) if verdicts else None
    delays = [
        verdict["exposure_delay_seconds"]
        for verdict in verdicts
        if verdict["exposure_delay_seconds"] is not None
    ]
    median, upper = percentile(delays, 0.5), percentile(delays, 0.95)
    row["avg_exposure_delay_seconds"] = sum(delays) / len(delays) if delays else None
    row["p50_exposure_delay_seconds"] = None if median is None else float(median)
    row["p95_exposure_delay_seconds"] = None if upper is None else float(upper)
    row["unassigned_exposed_units"] = unassigned_count
    row["exposure_health"] = exposure_health(row["exposure_rate"])
    return row


def exposure_health(exposure_rate: float | None) -> str | None:
    """'critical' below 0.7, 'warning' below 0.9, else 'ok'; null without assigned units."""
    if exposure_rate is None:
        return None
    if exposure_rate < 0.7:
        return "critical"
    return "warning" if exposure_rate < 0.9 else "ok"
