"""Judges the data of every experiment as of every day, from the rows of the other tables, day by day.
Units are counted elsewhere; only the tails of distributions and the contingency test are borrowed from scipy.
"""

import math
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from scipy.stats import binom, chi2_contingency

from exposure_assets_tests.reference.catalog import Catalog, Experiment
from exposure_assets_tests.reference.ratios import STAGES, log_evidence

Row = dict[str, Any]
Tables = dict[str, list[Row]]
LOSSES = ("no_exposure", "crossover", "pre_assignment", "outside_window", "mismatch", "conflicting")
LIMITS: Row = {
    "minimum_units": 100,
    "conflicting_rate": 0.01,
    "mismatch_rate": 0.02,
    "crossover_rate": 0.05,
    "pre_assignment_rate": 0.05,
    "unassigned_share": 0.05,
    "early_outcome_rate": 0.05,
    "assignment_duplicate_rate": 0.05,
    "duplicate_row_rate": 0.1,
    "final_cohort_share": 1.0,
    "loss_difference": 0.01,
    "delay_effect_size": 0.1,
    "alpha": 0.001,
    "only_warn": [
        "delay_differences",
        "unassigned_exposures",
        "early_outcomes",
        "assignment_duplicates",
        "duplicate_rows",
        "final_cohorts",
    ],
    "off": [],
}
RATES = (
    ("conflicting_assignments", "conflicting_rate", "conflicting_units", "assigned_units"),
    ("mismatches", "mismatch_rate", "mismatch_units", "assigned_units"),
    ("crossovers", "crossover_rate", "crossover_units", "assigned_units"),
    ("pre_assignment_exposures", "pre_assignment_rate", "pre_assignment_units", "assigned_units"),
    ("unassigned_exposures", "unassigned_share", "unassigned_exposed_units", "exposed_on_day_units"),
    ("early_outcomes", "early_outcome_rate", "early_outcome_units", "assigned_units"),
    (
        "assignment_duplicates",
        "assignment_duplicate_rate",
        "repeated_assignment_count",
        "assignment_count",
    ),
    ("duplicate_rows", "duplicate_row_rate", "duplicate_row_count", "row_count"),
)


def quality_report(tables: Tables, catalog: Catalog, data_until: date | None) -> list[Row]:
    """Rows of `experiment_quality_report` of every experiment of a catalog.

    Args:
        tables: The tables that it rests on, by name.
        catalog: The experiments.
        data_until: Last day with data.
    """
    rows = []
    for experiment in catalog.experiments.values():
        own = {
            name: [row for row in rows_ if row.get("experiment_id") == experiment.id]
            for name, rows_ in tables.items()
        }
        for day in _days(experiment, data_until):
            numbers = _numbers(own, experiment, day)
            failing = set(_failing(numbers, own, experiment, day))
            limits = LIMITS | experiment.guardrails
            failed = failing - set(limits["off"]) - set(limits["only_warn"])
            warned = failing - set(limits["off"]) - failed
            rows.append(
                {
                    "experiment_id": experiment.id,
                    "as_of_date": day,
                    "is_valid_for_analysis": not failed,
                    "failed_guardrails": [name for name in ORDER if name in failed],
                    "warnings": [name for name in ORDER if name in warned],
                    **numbers,
                }
            )
    return rows


ORDER = (
    "minimum_units",
    *(f"srm_{stage}" for stage in STAGES),
    "unexposed_variation",
    "conflicting_assignments",
    "mismatches",
    "crossovers",
    "pre_assignment_exposures",
    "differential_loss",
    "delay_differences",
    "unassigned_exposures",
    "early_outcomes",
    "assignment_duplicates",
    "duplicate_rows",
    "final_cohorts",
)


def _last_days(experiment: Experiment) -> tuple[date | None, ...]:
    """The last day of an assignment, an exposure, a valid exposure and a completion."""
    enrolled = experiment.enrollment_end
    last = None if enrolled is None else (enrolled - timedelta(microseconds=1)).date()
    if experiment.end is None:
        return last, None, None, None
    exposed = experiment.end.date() + timedelta(days=experiment.observe_days)
    return last, exposed, exposed, exposed + experiment.window


def _days(experiment: Experiment, data_until: date | None) -> Iterator[date]:
    day, end = experiment.start.date(), _last_days(experiment)[-1]
    while data_until is not None and day <= min(data_until, end or data_until):
        yield day
        day += timedelta(days=1)


def _until(rows: list[Row], column: str, day: date) -> list[Row]:
    return [row for row in rows if row[column] <= day]


def _sum(rows: list[Row], column: str, **where: Any) -> int:
    return sum(row[column] for row in rows if all(row[name] == value for name, value in where.items()))


def _numbers(own: Tables, experiment: Experiment, day: date) -> Row:
    staged = _until(own["stage_counts"], "reached_date", day)
    quality = _until(own["daily_quality"], "assignment_date", day)
    total = [row for row in quality if row["variation_id"] == "*"]
    diagnostics = _until(own["cohort_diagnostics"], "assignment_date", day)
    waterfall = _until(own["exposure_waterfall"], "exposure_date", day)
    numbers: Row = {f"{stage}_units": _sum(staged, "unit_count", stage=stage) for stage in STAGES}
    numbers |= {f"{loss}_units": _sum(total, f"{loss}_units") for loss in LOSSES}
    for name in ("assignment_count", "early_outcome_units", "exposed_on_day_units"):
        numbers[name] = _sum(diagnostics, name)
    numbers["unassigned_exposed_units"] = _sum(total, "unassigned_exposed_units")
    numbers["repeated_assignment_count"] = numbers["assignment_count"] - numbers["assigned_units"]
    numbers["row_count"] = _sum(waterfall, "row_count")
    numbers["duplicate_row_count"] = _sum(waterfall, "row_count", bucket="duplicate")
    for _, rate, part, whole in RATES:
        numbers[rate] = numbers[part] / numbers[whole] if numbers[whole] else None
    over = timedelta(days=experiment.observe_days) + experiment.window
    final = sum(row["assigned_units"] for row in total if row["assignment_date"] + over <= day)
    numbers["final_cohort_share"] = final / numbers["assigned_units"] if numbers["assigned_units"] else None
    declared = {id_ for _, shares in experiment.shares for id_, share in shares.items() if share > 0}
    sizes = {id_: _sum(staged, "unit_count", stage="valid_exposed", variation_id=id_) for id_ in declared}
    smallest = min(sizes, key=lambda id_: (sizes[id_], id_.encode()))
    numbers |= {"smallest_variation_id": smallest, "smallest_variation_units": sizes[smallest]}
    for stage in STAGES:
        found = [row["sequential_p_value"] for row in _ratios(own, stage, day)]
        numbers[f"srm_{stage}_p_value"] = min(found, default=None)
    return (
        numbers
        | _losses(quality)
        | _unexposed(staged, experiment.guardrails.get("alpha", LIMITS["alpha"]))
        | _delays(own, day)
    )


def _ratios(own: Tables, stage: str, day: date) -> list[Row]:
    return [
        row
        for row in own["sample_ratios"]
        if row["is_cumulative"] and (row["stage"], row["as_of_date"]) == (stage, day)
    ]


def _losses(quality: list[Row]) -> Row:
    ids = sorted({row["variation_id"] for row in quality} - {"*"}, key=str.encode)
    units = {id_: _sum(quality, "assigned_units", variation_id=id_) for id_ in ids}
    units = {id_: count for id_, count in units.items() if count}
    row: Row = {}
    for loss in LOSSES:
        p_value = difference = None
        if len(units) > 1:
            lost = {id_: _sum(quality, f"{loss}_units", variation_id=id_) for id_ in units}
            shares = tuple(count / sum(units.values()) for count in units.values())
            p_value = math.exp(-max(log_evidence(tuple(lost.values()), shares, (2, 50, 1000)), 0.0))
            rates = [lost[id_] / units[id_] for id_ in units]
            difference = max(rates) - min(rates)
        row |= {f"{loss}_loss_p_value": p_value, f"{loss}_loss_difference": difference}
    return row


def _unexposed(staged: list[Row], alpha: float) -> Row:
    ids = {row["variation_id"] for row in staged}
    assigned = {id_: _sum(staged, "unit_count", stage="assigned", variation_id=id_) for id_ in ids}
    exposed = {id_: _sum(staged, "unit_count", stage="exposed", variation_id=id_) for id_ in ids}
    found = []
    for id_ in ids:
        others = sum(assigned.values()) - assigned[id_]
        rate = (sum(exposed.values()) - exposed[id_]) / others if others else 0.0
        if assigned[id_] and not exposed[id_] and (1 - rate) ** assigned[id_] < alpha:
            found.append(id_)
    return {"unexposed_variation_ids": sorted(found, key=str.encode)}


def _delays(own: Tables, day: date) -> Row:
    """The contingency table of ranges and variations, the ranges with few units in one row."""
    counted = _until(own["exposure_delays"], "exposed_date", day)
    ids = sorted({row["variation_id"] for row in counted}, key=str.encode)
    ranges = sorted({row["from_seconds"] for row in counted})
    of_variation = [_sum(counted, "unit_count", variation_id=id_) for id_ in ids]
    share = min(of_variation, default=0) / (sum(of_variation) or 1)
    table, rest = [], [0] * len(ids)
    for start in ranges:
        cells = [_sum(counted, "unit_count", from_seconds=start, variation_id=id_) for id_ in ids]
        if sum(cells) * share >= 5:
            table.append(cells)
        else:
            rest = [a + b for a, b in zip(rest, cells, strict=True)]
    if sum(rest) * share >= 5:
        table.append(rest)
    if len(table) < 2 or len(ids) < 2:
        return {"delay_p_value": None, "delay_effect_size": None}
    result: Any = chi2_contingency(table, correction=False)
    smaller = min(len(table), len(ids)) - 1
    effect_size = math.sqrt(result.statistic / sum(map(sum, table)) / smaller)
    return {"delay_p_value": float(result.pvalue), "delay_effect_size": effect_size}


def _failing(numbers: Row, own: Tables, experiment: Experiment, day: date) -> Iterator[str]:
    limits = LIMITS | experiment.guardrails
    if numbers["smallest_variation_units"] < limits["minimum_units"]:
        yield "minimum_units"
    for stage, last in zip(STAGES, _last_days(experiment), strict=True):
        is_over = last is not None and day >= last
        if any(
            row["is_sequential_mismatch"]
            or (row["is_mismatch"] and (is_over or (row["p_value"] or 1.0) < experiment.srm_rules[0] / 20))
            for row in _ratios(own, stage, day)
        ):
            yield f"srm_{stage}"
    if numbers["unexposed_variation_ids"]:
        yield "unexposed_variation"
    for name, rate, part, whole in RATES:
        if numbers[whole] and numbers[rate] > limits[rate]:
            chance = binom.sf(numbers[part] - 1, numbers[whole], limits[rate])
            if chance < limits["alpha"]:
                yield name
    for loss in LOSSES:
        p_value, difference = numbers[f"{loss}_loss_p_value"], numbers[f"{loss}_loss_difference"]
        if p_value is not None and p_value < limits["alpha"] and difference >= limits["loss_difference"]:
            yield "differential_loss"
    effect_size, p_value = numbers["delay_effect_size"], numbers["delay_p_value"]
    if p_value is not None and p_value < limits["alpha"] / 100 and effect_size >= limits["delay_effect_size"]:
        yield "delay_differences"
    share = numbers["final_cohort_share"]
    if share is not None and share < limits["final_cohort_share"]:
        yield "final_cohorts"
