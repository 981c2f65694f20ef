"""What the alerts of `daily_quality` are worth: false ones of clean experiments, and how soon faults are found.

`python -m benchmarks.alerts [--seed N] [--experiments 200]` simulates cohorts at the level of `daily_quality` and
judges them by the very functions of the checks, with the defaults of `[quality]`.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from exposure_assets.contracts.catalog_quality import QualityRules
from exposure_assets.transforms.quality_shifts import rate_shifts, unassigned_z, volume_shifts

_DAYS, _MONTH, _FIRST = 60, 30, date(2026, 1, 1)
_PLANTED_FROM, _PLANTED_UNITS, _PLANTED_EXPERIMENTS = 40, 5_000, 100
_RATES = ("exposure", "mismatch", "crossover", "pre_assignment")
_EXPOSURE_RATES = (0.5, 0.7, 0.9, 0.95, 0.98)
_CHECKS = (*(f"{rate}_rate" for rate in _RATES), "unassigned", "volume")
_Counts = dict[str, np.ndarray]


@dataclass(frozen=True)
class Fault:
    """What is planted: more of a column, as a share of the units, or fewer exposed or assigned units.

    Only alerts of `check` are right: what another one says on these days is chance.
    """

    name: str
    column: str
    check: str
    exposure_rate: float | None = None


_FAULTS = (
    Fault("mismatches", "mismatch_units", "mismatch_rate"),
    Fault("crossovers", "crossover_units", "crossover_rate"),
    Fault("pre-assignment exposures", "pre_assignment_units", "pre_assignment_rate"),
    Fault("unassigned exposures", "unassigned_exposed_units", "unassigned"),
    *(
        Fault(f"lost exposures, rate {rate}", "exposed_units", "exposure_rate", rate)
        for rate in (0.5, 0.7, 0.9, 0.95, 0.98)
    ),
    Fault("lost assignments", "assigned_units", "volume"),
)


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--experiments", type=int, default=200)
    asked = parser.parse_args()
    started = time.perf_counter()
    generator = np.random.default_rng(asked.seed)
    clean = _alerts(_simulated(generator, asked.experiments, None, None))
    months = asked.experiments * _DAYS / _MONTH
    _print_row("check", "false alerts", "per 20 experiment-months")
    _print_row("---", "---:", "---:")
    for check in _CHECKS:
        number = clean.filter(pl.col("check") == check).height
        _print_row(check, str(number), f"{20 * number / months:.2f}")
    _print_row("all", str(clean.height), f"{20 * clean.height / months:.2f}")
    print()
    _print_row(
        "fault", "size", "precision", "found within one day", "within a week", "median delay", "found by"
    )
    _print_row("---", "---:", "---:", "---:", "---:", "---:", "---")
    for fault in _FAULTS:
        for size in (0.02, 0.05, 0.1):
            _print_row(fault.name, f"{size:.0%}", *_judged(fault, size, generator))
    print(f"\n{time.perf_counter() - started:.0f} s, seed {asked.seed}")


def _judged(fault: Fault, size: float, generator: np.random.Generator) -> list[str]:
    """Precision, recall within one and seven days, median delay in days, and the check that found it.

    An alert is right when the fault's check gives it and it begins on a day with the fault. The delay counts days since
    the first cohort with the fault could be judged.
    """
    counts = _simulated(generator, _PLANTED_EXPERIMENTS, _PLANTED_UNITS, fault.exposure_rate)
    alerts = _alerts(_with_fault(counts, fault, size))
    right = alerts.filter(pl.col("day") >= _PLANTED_FROM, pl.col("check") == fault.check)
    first = right.group_by("experiment").agg(pl.col("day").min())
    delays = first["day"] - _PLANTED_FROM + 1
    precision = f"{right.height / alerts.height:.0%}" if alerts.height else "-"
    shares = [f"{(delays <= days).sum() / _PLANTED_EXPERIMENTS:.0%}" for days in (1, 7)]
    every = [*delays.to_list(), *[float("inf")] * (_PLANTED_EXPERIMENTS - first.height)]
    median = float(np.median(every))
    return [precision, *shares, f"{median:g}" if np.isfinite(median) else "never", fault.check]


def _simulated(
    generator: np.random.Generator, experiments: int, units: int | None, exposure_rate: float | None
) -> _Counts:
    """Counts by experiment and day, with weekdays, trends, over-dispersion and partial first and last days."""
    shape = (experiments, _DAYS)
    days = np.arange(_DAYS)
    level = np.exp(generator.uniform(np.log(50), np.log(200_000), experiments))
    if units is not None:
        level = np.full(experiments, float(units))
    weekday = generator.normal(0, 0.15, (experiments, 7))
    weekday -= weekday.mean(axis=1, keepdims=True)
    trend = generator.normal(0, 0.005, (experiments, 1)) * (days - _PLANTED_FROM)
    noise = generator.normal(0, 1, shape) * generator.uniform(0.01, 0.08, (experiments, 1))
    expected = level[:, None] * np.exp(weekday[:, days % 7] + trend + noise)
    expected[:, [0, -1]] *= generator.uniform(0.1, 1.0, (experiments, 2))
    assigned = generator.poisson(expected)
    rate = generator.uniform(0.3, 0.98, experiments)
    if exposure_rate is not None:
        rate = np.full(experiments, exposure_rate)
    small = {name: np.exp(generator.uniform(np.log(1e-4), np.log(0.01), experiments)) for name in _RATES[1:]}
    counts = {"assigned_units": assigned}
    for name, rates in {"exposure": rate, **small}.items():
        column = "exposed_units" if name == "exposure" else f"{name}_units"
        counts[column] = generator.binomial(assigned, _varying(generator, rates, shape))
    strangers = generator.uniform(0, 0.005, (experiments, 1))
    counts["unassigned_exposed_units"] = generator.poisson(counts["exposed_units"] * strangers)
    return counts


def _varying(generator: np.random.Generator, rates: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Rates of days: a logit with weekdays and a scatter that each experiment has of its own."""
    weekday = generator.normal(0, 0.04, (shape[0], 7))[:, np.arange(shape[1]) % 7]
    scatter = generator.normal(0, 1, shape) * generator.uniform(0.0, 0.03, (shape[0], 1))
    logit = np.log(rates / (1 - rates))[:, None] + weekday + scatter
    return 1 / (1 + np.exp(-logit))


def _with_fault(counts: Mapping[str, np.ndarray], fault: Fault, size: float) -> _Counts:
    planted = {name: values.copy() for name, values in counts.items()}
    since = slice(_PLANTED_FROM, None)
    if fault.column == "assigned_units":
        for values in planted.values():
            values[:, since] = np.round(values[:, since] * (1 - size))
        return planted
    units = np.round(planted["assigned_units"][:, since] * size).astype(np.int64)
    if fault.column == "exposed_units":
        lost = np.round(planted["exposed_units"][:, since] * size).astype(np.int64)
        planted["exposed_units"][:, since] -= lost
    else:
        planted[fault.column][:, since] += units
    return planted


def _alerts(counts: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """The days on which an alert begins, per check and experiment: a run of failing days is one alert."""
    experiments, days = counts["assigned_units"].shape
    dates = [_FIRST + timedelta(days=day) for day in range(days)]
    cohorts = pl.LazyFrame(
        {
            "experiment_id": np.repeat([f"{number:05}" for number in range(experiments)], days),
            "assignment_date": dates * experiments,
            **{name: values.ravel() for name, values in counts.items()},
        }
    )
    ids = cohorts.select(pl.col("experiment_id").unique(maintain_order=True))
    limits = ids.with_columns(
        pl.lit(value).alias(key) for key, value in QualityRules().model_dump().items() if value is not None
    )
    is_whole = pl.col("assignment_date").is_between(dates[1], dates[-2])
    failing = {
        "unassigned": cohorts.join(limits, on="experiment_id")
        .with_columns(exposed_on_day=pl.col("exposed_units") + pl.col("unassigned_exposed_units"))
        .filter(pl.col("exposed_on_day") >= pl.col("min_units"))
        .filter(
            pl.col("unassigned_exposed_units") > pl.col("exposed_on_day") * pl.col("unassigned_share"),
            unassigned_z() >= pl.col("shift_z"),
        ),
        "volume": volume_shifts(cohorts.filter(is_whole), limits).filter("has_shifted"),
    }
    for rate in _RATES:
        column = "exposed_units" if rate == "exposure" else f"{rate}_units"
        floors = limits.with_columns(smallest_shift=pl.col(f"{rate}_rate_shift"))
        failing[f"{rate}_rate"] = rate_shifts(cohorts, column, floors, only_rises=rate != "exposure").filter(
            "has_shifted"
        )
    found = pl.concat(
        rows.select(
            check=pl.lit(check),
            experiment="experiment_id",
            day=(pl.col("assignment_date") - _FIRST).dt.total_days(),
        )
        for check, rows in failing.items()
    ).sort("check", "experiment", "day")
    before = pl.col("day").shift(1).over("check", "experiment")
    return found.filter(((pl.col("day") - before) > 1).fill_null(True)).collect()


def _print_row(*cells: str) -> None:
    print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
