"""Judges the data of every experiment as of every day, from the rows of the other tables, day by day.
Units are counted elsewhere; only the tails of distributions and the contingency test are borrowed from scipy.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from scipy.stats import binom, chi2_contingency

from exposure_assets_tests.reference.catalog import Catalog, Experiment
from exposure_assets_tests.reference.ratios import STAGES, log_evidence

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Key = tuple[Any, ...]
Sums = Counter[Key]
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
        counted = {name: _by_day(tables[name], column, experiment.id) for name, column in DAYS.items()}
        ratios = _by_day(tables["sample_ratios"], "as_of_date", experiment.id)
        sums: Sums = Counter()
        known: Row | None = None
        days = list(_days(experiment, data_until))
        early = (
            sorted({day for of_table in counted.values() for day in of_table if day < days[0]})
            if days
            else []
        )
        for day in [*early, *days]:
            for name, of_table in counted.items():
                for row in of_table.get(day, []):
                    sums.update(dict(COUNTS[name](row, experiment)))
            if day in early:
                continue
            # Most days of a long experiment bring nothing.
            is_new = ("final", day) in sums or any(day in of_table for of_table in counted.values())
            if is_new or known is None:
                final = sum(count for key, count in sums.items() if key[0] == "final" and key[1] <= day)
                known = _numbers(sums, experiment, final)
            numbers = dict(known)
            of_day = [row for row in ratios.get(day, []) if row["is_cumulative"]]
            for stage in STAGES:
                found = [row["sequential_p_value"] for row in of_day if row["stage"] == stage]
                numbers[f"srm_{stage}_p_value"] = min(found, default=None)
            failing = set(_failing(numbers, of_day, experiment, day))
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


def _by_day(rows: list[Row], column: str, experiment_id: str) -> dict[date, list[Row]]:
    found: dict[date, list[Row]] = {}
    for row in rows:
        if row["experiment_id"] == experiment_id:
            found.setdefault(row[column], []).append(row)
    return found


def _of_stages(row: Row, experiment: Experiment) -> Iterator[tuple[Key, int]]:
    yield ("stage", row["stage"], row["variation_id"]), row["unit_count"]


def _of_quality(row: Row, experiment: Experiment) -> Iterator[tuple[Key, int]]:
    for name in ("assigned", "unassigned_exposed", *LOSSES):
        yield ("quality", f"{name}_units", row["variation_id"]), row[f"{name}_units"] or 0
    if row["variation_id"] == "*":
        over = timedelta(days=experiment.observe_days) + experiment.window
        yield ("final", row["assignment_date"] + over), row["assigned_units"]


def _of_diagnostics(row: Row, experiment: Experiment) -> Iterator[tuple[Key, int]]:
    for name in ("assignment_count", "early_outcome_units", "exposed_on_day_units"):
        yield ("diagnostic", name), row[name]


def _of_rows(row: Row, experiment: Experiment) -> Iterator[tuple[Key, int]]:
    yield ("rows", row["bucket"]), row["row_count"]


def _of_delays(row: Row, experiment: Experiment) -> Iterator[tuple[Key, int]]:
    yield ("delay", row["from_seconds"], row["variation_id"]), row["unit_count"]


# The day on which a row of a table counts, and what it adds to which sum.
DAYS = {
    "stage_counts": "reached_date",
    "daily_quality": "assignment_date",
    "cohort_diagnostics": "assignment_date",
    "exposure_waterfall": "exposure_date",
    "exposure_delays": "exposed_date",
}
COUNTS: dict[str, Callable[[Row, Experiment], Iterator[tuple[Key, int]]]] = {
    "stage_counts": _of_stages,
    "daily_quality": _of_quality,
    "cohort_diagnostics": _of_diagnostics,
    "exposure_waterfall": _of_rows,
    "exposure_delays": _of_delays,
}


def without_copies(rows: list[Row]) -> list[Row]:
    """The rows but for what they say of rows delivered again: all that a repeated file may change."""
    copies = {"row_count", "duplicate_row_count", "duplicate_row_rate"}
    return [
        {name: value for name, value in row.items() if name not in copies}
        | {"warnings": [name for name in row["warnings"] if name != "duplicate_rows"]}
        for row in rows
    ]


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


def _total(sums: Sums, *key: Any) -> int:
    """The sum over all keys that begin like this."""
    return sum(count for found, count in sums.items() if found[: len(key)] == key)


def _variations(sums: Sums, kind: str) -> list[str]:
    ids = {key[2] for key in sums if key[0] == kind} - {"*"}
    return sorted(ids, key=str.encode)


def _numbers(sums: Sums, experiment: Experiment, final: int) -> Row:
    numbers: Row = {f"{stage}_units": _total(sums, "stage", stage) for stage in STAGES}
    numbers |= {f"{loss}_units": sums["quality", f"{loss}_units", "*"] for loss in LOSSES}
    for name in ("assignment_count", "early_outcome_units", "exposed_on_day_units"):
        numbers[name] = sums["diagnostic", name]
    numbers["unassigned_exposed_units"] = sums["quality", "unassigned_exposed_units", "*"]
    numbers["repeated_assignment_count"] = numbers["assignment_count"] - numbers["assigned_units"]
    numbers["row_count"] = _total(sums, "rows")
    numbers["duplicate_row_count"] = sums["rows", "duplicate"]
    for _, rate, part, whole in RATES:
        numbers[rate] = numbers[part] / numbers[whole] if numbers[whole] else None
    units = numbers["assigned_units"]
    numbers["final_cohort_share"] = final / units if units else None
    declared = {id_ for _, shares in experiment.shares for id_, share in shares.items() if share > 0}
    sizes = {id_: sums["stage", "valid_exposed", id_] for id_ in declared}
    smallest = min(sizes, key=lambda id_: (sizes[id_], id_.encode()))
    numbers |= {"smallest_variation_id": smallest, "smallest_variation_units": sizes[smallest]}
    alpha = experiment.guardrails.get("alpha", LIMITS["alpha"])
    return numbers | _losses(sums) | _unexposed(sums, alpha) | _delays(sums)


def _losses(sums: Sums) -> Row:
    units = {id_: sums["quality", "assigned_units", id_] for id_ in _variations(sums, "quality")}
    units = {id_: count for id_, count in units.items() if count}
    row: Row = {}
    for loss in LOSSES:
        p_value = difference = None
        if len(units) > 1:
            lost = {id_: sums["quality", f"{loss}_units", id_] for id_ in units}
            shares = tuple(count / sum(units.values()) for count in units.values())
            p_value = math.exp(-max(log_evidence(tuple(lost.values()), shares, (2, 50, 1000)), 0.0))
            rates = [lost[id_] / units[id_] for id_ in units]
            difference = max(rates) - min(rates)
        row |= {f"{loss}_loss_p_value": p_value, f"{loss}_loss_difference": difference}
    return row


def _unexposed(sums: Sums, alpha: float) -> Row:
    ids = _variations(sums, "stage")
    assigned = {id_: sums["stage", "assigned", id_] for id_ in ids}
    exposed = {id_: sums["stage", "exposed", id_] for id_ in ids}
    found = []
    for id_ in ids:
        others = sum(assigned.values()) - assigned[id_]
        rate = (sum(exposed.values()) - exposed[id_]) / others if others else 0.0
        if assigned[id_] and not exposed[id_] and (1 - rate) ** assigned[id_] < alpha:
            found.append(id_)
    return {"unexposed_variation_ids": found}


def _delays(sums: Sums) -> Row:
    """The contingency table of ranges and variations, the ranges with few units in one row."""
    ids = _variations(sums, "delay")
    ranges = sorted({key[1] for key in sums if key[0] == "delay"})
    counts = [[sums["delay", start, id_] for id_ in ids] for start in ranges]
    of_variation = [sum(column) for column in zip(*counts, strict=True)]
    share = min(of_variation, default=0) / (sum(of_variation) or 1)
    table, rest = [], [0] * len(ids)
    for cells in counts:
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


def _failing(numbers: Row, ratios: list[Row], experiment: Experiment, day: date) -> Iterator[str]:
    limits = LIMITS | experiment.guardrails
    if numbers["smallest_variation_units"] < limits["minimum_units"]:
        yield "minimum_units"
    for stage, last in zip(STAGES, _last_days(experiment), strict=True):
        is_over = last is not None and day >= last
        if any(
            row["is_sequential_mismatch"]
            or (row["is_mismatch"] and (is_over or (row["p_value"] or 1.0) < experiment.srm_rules[0] / 20))
            for row in ratios
            if row["stage"] == stage
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
