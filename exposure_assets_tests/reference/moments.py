"""Sums up the metrics of units cell by cell, one unit after the other in the order of their ids.
Outcomes and verdicts are decided elsewhere; how variations compare is not asked here.
"""

from collections.abc import Callable
from datetime import date, timedelta
from itertools import combinations_with_replacement
from typing import Any

from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.catalog import Experiment, Metric
from exposure_assets_tests.reference.outcomes import metric_value
from exposure_assets_tests.reference.reading import EventRow

Row = dict[str, Any]
Key = tuple[str, str]
ZERO_WITHOUT_EVENTS = ("count", "sum", "converted", "count_distinct_days")
PARTS = ("value", "denominator", "covariate", "denominator_covariate")
IS_IN: dict[str, Callable[[Row], bool]] = {
    "assigned": lambda verdict: True,
    "exposed": lambda verdict: bool(verdict["has_post_assignment_exposure"]),
    "valid_exposed": lambda verdict: bool(verdict["has_valid_exposure"]),
    "not_exposed": lambda verdict: not verdict["has_post_assignment_exposure"],
}


def unit_covariates(
    assignment: Assignment,
    experiment: Experiment,
    metrics: dict[str, Metric],
    events_by_name: dict[str, list[EventRow]],
) -> list[Row]:
    """The rows of `unit_covariates` of one assignment.

    Args:
        assignment: The assignment.
        experiment: Its experiment.
        metrics: Every metric of the catalog.
        events_by_name: All events of the unit, each once, by event name.
    """
    rows = []
    start, end = assignment.assigned_at - timedelta(days=experiment.covariate_days), assignment.assigned_at
    for metric_id in experiment.metric_ids:
        metric = metrics[metric_id]
        if not experiment.covariate_days or metric.aggregation not in ZERO_WITHOUT_EVENTS:
            continue
        value = metric_value(metric, events_by_name.get(metric.event, []), start, end)
        assert value is not None
        rows.append(
            {
                "experiment_id": experiment.id,
                "unit_id": assignment.unit_id,
                "variation_id": assignment.variation_id,
                "assignment_date": assignment.assignment_date,
                "metric_id": metric_id,
                "window_start_at": start,
                "window_end_at": end,
                "covariate": float(value),
            }
        )
    return rows


def metric_moments(
    assignments: dict[Key, Assignment],
    verdicts: list[Row],
    outcomes: list[Row],
    covariates: list[Row],
    experiments: dict[str, Experiment],
) -> list[Row]:
    """Rows of `metric_moments`: the units of every cell, summed up."""
    outcome_of = {(row["experiment_id"], row["unit_id"]): row for row in outcomes}
    before = {
        (row["experiment_id"], row["unit_id"], row["metric_id"]): row["covariate"] for row in covariates
    }
    cells: dict[tuple[Any, ...], list[tuple[float | None, ...]]] = {}
    with_covariates: dict[Key, bool] = {}
    for verdict in sorted(verdicts, key=lambda row: str(row["unit_id"]).encode()):
        unit = verdict["experiment_id"], verdict["unit_id"]
        assignment, outcome = assignments[unit], outcome_of[unit]
        for metric_id, columns in measures(experiments[unit[0]]):
            had = [before.get((*unit, column)) for column in columns]
            with_covariates[unit[0], metric_id] = None not in had
            did = [outcome[column] for column in columns]
            parts = (*padded(did), *padded(had if None not in had else []))
            for basis, is_in in IS_IN.items():
                if is_in(verdict):
                    day = completed_date(verdict, outcome, assignment, "exposed" in basis and basis[0] != "n")
                    group = unit[0], assignment.assignment_date, assignment.variation_id
                    key = (*group, assignment.is_conflicting, basis, metric_id, day)
                    cells.setdefault(key, []).append(parts)
    names = ("experiment_id", "assignment_date", "variation_id", "is_conflicting", "analysis_basis")
    names += ("metric_id", "completed_date")
    rows = []
    for key, units in cells.items():
        columns = dict(measures(experiments[key[0]]))[key[5]]
        used = ["value", "denominator"][: len(columns)]
        if with_covariates[key[0], key[5]]:
            used += ["covariate", "denominator_covariate"][: len(columns)]
        rows.append(dict(zip(names, key, strict=True)) | summed(units, used))
    return rows


def measures(experiment: Experiment) -> list[tuple[str, tuple[str, ...]]]:
    """What is compared, with the metrics it is made of: a value, or a numerator and a denominator."""
    plain: list[tuple[str, tuple[str, ...]]] = [(metric, (metric,)) for metric in experiment.metric_ids]
    return plain + [(id_, (numerator, denominator)) for id_, numerator, denominator in experiment.ratios]


def padded(numbers: list[Any]) -> list[float | None]:
    """Two numbers, null where there are fewer."""
    return [*(None if number is None else float(number) for number in numbers), None, None][:2]


def completed_date(verdict: Row, outcome: Row, assignment: Assignment, is_exposed: bool) -> date:
    """The day by whose end the window is over, and the unit exposed where that is asked for."""
    days = [(outcome["window_end_at"] - timedelta(microseconds=1)).date(), assignment.assignment_date]
    if is_exposed:
        days.append(verdict["first_exposure_at"].date())
    return max(days)


def summed(units: list[tuple[float | None, ...]], used: list[str]) -> Row:
    """Counts and moments of the units of one cell."""
    places = [PARTS.index(part) for part in used]
    there = [unit for unit in units if all(unit[place] is not None for place in places)]
    row: Row = {"unit_count": len(there), "missing_unit_count": len(units) - len(there)}
    means: dict[int, float] = {}
    for place, part in enumerate(PARTS):
        row[f"{part}_mean"] = None
        if there and part in used:
            first = _number(there[0][place])
            means[place] = first + added(_number(unit[place]) - first for unit in there) / len(there)
            row[f"{part}_mean"] = means[place]
    for a, b in combinations_with_replacement(range(len(PARTS)), 2):
        moment = None
        if a in means and b in means:
            moment = added((_number(u[a]) - means[a]) * (_number(u[b]) - means[b]) for u in there)
        row[f"{PARTS[a]}_{PARTS[b]}_comoment"] = moment
    return row


def added(numbers: Any) -> float:
    """The sum, one number after the other: Python's own sum compensates."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def _number(number: float | None) -> float:
    assert number is not None
    return number
