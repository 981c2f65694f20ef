"""What results are worth: how often equal variations are called different, how often intervals hold the true lift.

`python -m benchmarks.results [SEED] [EXPERIMENTS]` simulates experiments of 2,000 units in ten cohorts whose treatment
changes nothing, and others whose treatment raises purchases, visits and clicks per visit by a tenth; `metric_moments`
and `experiment_results` compare them, without and with what units did before their assignment (CUPED).
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from exposure_assets.contracts import Experiment, Metric
from exposure_assets.transforms.experiment_results import experiment_results
from exposure_assets.transforms.metric_moments import metric_moments

_UNITS, _COHORTS, _PER_BATCH, _LIFT = 2_000, 10, 100, 0.1
_START = date(2026, 1, 1)
# The metrics of a unit with their means in the control; the ratio is of the last two.
_MEANS = {"bought": 0.05, "revenue": 0.05 * float(np.exp(3.5)), "clicks": 1.0, "visits": 5.0}
_RATIO = "clicks_per_visit"
_TRUE_MEANS = {**_MEANS, _RATIO: 0.2}
# More visits, and more clicks per visit.
_TRUE_LIFTS = {**dict.fromkeys(_TRUE_MEANS, _LIFT), "clicks": (1 + _LIFT) ** 2 - 1}
_METRICS = {
    "bought": Metric(id="bought", event="buy", aggregation="converted"),
    "revenue": Metric(id="revenue", event="buy", aggregation="sum", field="value"),
    "clicks": Metric(id="clicks", event="click", aggregation="count"),
    "visits": Metric(id="visits", event="visit", aggregation="count"),
}
Frames = tuple[pl.LazyFrame, pl.LazyFrame, pl.LazyFrame, pl.LazyFrame]


@dataclass(frozen=True)
class Found:
    """The results of all experiments of one kind, without covariates and, as of the last day, with them."""

    plain: pl.DataFrame
    adjusted: pl.DataFrame


def main() -> None:
    """Print both tables as Markdown."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    experiments = int(sys.argv[2]) if len(sys.argv) > 2 else 2_000
    started = time.perf_counter()
    generator = np.random.default_rng(seed)
    equal = _simulated(experiments, 0.0, generator, is_daily=True)
    lifted = _simulated(experiments, _LIFT, generator, is_daily=False)
    _print_row("variations alike called different at alpha 0.05", "once, at the end", "on any of 10 days")
    _print_row(*["---"] * 3)
    for name, rows in (("", equal.plain), (", adjusted (CUPED)", equal.adjusted)):
        for metric in _TRUE_MEANS:
            of_metric = rows.filter(metric_id=metric)
            ever = "" if name else _share(of_metric, "p_value")
            _print_row(f"{metric}{name}", _share(_at_the_end(of_metric), "p_value"), ever)
        ever = "" if name else _share(rows, "adjusted_p_value")
        _print_row(f"any of the five, Holm{name}", _share(_at_the_end(rows), "adjusted_p_value"), ever)
    print()
    _print_row("intervals of 95 % that hold the true lift", "absolute", "relative", "width, CUPED / plain")
    _print_row(*["---"] * 4)
    for name, rows in (("", lifted.plain), (", adjusted (CUPED)", lifted.adjusted)):
        for metric, mean in _TRUE_MEANS.items():
            last = _at_the_end(rows).filter(metric_id=metric)
            narrower = _width(last) / _width(_at_the_end(lifted.plain).filter(metric_id=metric))
            lift = _TRUE_LIFTS[metric]
            held = (_held(last, "absolute_lift", mean * lift), _held(last, "relative_lift", lift))
            _print_row(f"{metric}{name}", *held, f"{narrower:.2f}")
    print(f"\n{experiments:,} experiments of each kind, seed {seed}, {time.perf_counter() - started:.0f} s.")


def _print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |")


def _at_the_end(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("as_of_date") == pl.col("as_of_date").max())


def _share(rows: pl.DataFrame, p_value: str) -> str:
    """The share of experiments with a p-value below 0.05 in any of their rows."""
    is_found = rows.group_by("experiment_id").agg((pl.col(p_value) < 0.05).any())
    return f"{is_found[p_value].mean():.1%}"


def _held(rows: pl.DataFrame, lift: str, truth: float) -> str:
    return f"{rows.select(pl.lit(truth).is_between(f'{lift}_lower', f'{lift}_upper').mean()).item():.1%}"


def _width(rows: pl.DataFrame) -> float:
    return float(rows.select((pl.col("absolute_lift_upper") - pl.col("absolute_lift_lower")).mean()).item())


def _simulated(experiments: int, lift: float, generator: np.random.Generator, *, is_daily: bool) -> Found:
    found: dict[int, list[pl.DataFrame]] = {0: [], 7: []}
    for ids in _batches(experiments):
        frames = _units(ids, lift, generator)
        for covariate_days, results in found.items():
            known = {id_: _experiment(id_, covariate_days) for id_ in ids}
            results.append(_compared(frames, known, is_daily=is_daily and not covariate_days))
    return Found(pl.concat(found[0]), pl.concat(found[7]))


def _batches(experiments: int) -> Iterator[list[str]]:
    for first in range(0, experiments, _PER_BATCH):
        yield [f"exp-{number:06}" for number in range(first, min(first + _PER_BATCH, experiments))]


def _experiment(experiment_id: str, covariate_days: int) -> Experiment:
    whole = {
        "id": experiment_id,
        "name": experiment_id,
        "owner": "data@example.com",
        "start": datetime(_START.year, _START.month, _START.day, tzinfo=UTC),
        "variations": [
            {"id": "control", "allocation": 0.5, "is_control": True},
            {"id": "treatment", "allocation": 0.5},
        ],
        "exposure": {"source": "experiment_exposed"},
        "outcomes": {"anchor": "assignment", "window_days": 7, "metrics": list(_MEANS)},
        "results": {
            "covariate_days": covariate_days,
            "ratios": [{"id": _RATIO, "numerator": "clicks", "denominator": "visits"}],
        },
    }
    return Experiment.model_validate(whole)


def _compared(frames: Frames, experiments: dict[str, Experiment], *, is_daily: bool) -> pl.DataFrame:
    """The results of all assigned units as of every day, or of the last one: those of other days are refused."""
    last = _START + timedelta(days=_COHORTS + 5)
    first = _START if is_daily else last
    days = pl.DataFrame({"as_of_date": pl.date_range(first, last, eager=True)})
    quality = pl.DataFrame({"experiment_id": list(experiments)}).join(days, how="cross")
    verdicts = quality.with_columns(
        is_valid_for_analysis=pl.lit(True), failed_guardrails=pl.lit([], pl.List(pl.String))
    )
    moments = metric_moments(*frames, experiments, _METRICS).filter(analysis_basis="assigned")
    found = experiment_results(moments, verdicts.lazy(), experiments, _METRICS, last)
    return found.filter(analysis_basis="assigned")


def _units(ids: list[str], lift: float, generator: np.random.Generator) -> Frames:
    """Assignments, verdicts, outcomes and covariates of the units of some experiments."""
    size = len(ids) * _UNITS
    is_treated = generator.random(size) < 0.5
    # How active a unit is before and after; how readily it clicks.
    activity, clicking = generator.gamma(2.0, 0.5, size), generator.beta(2.0, 8.0, size)
    before = _numbers(activity, clicking, np.zeros(size), generator)
    after = _numbers(activity, clicking, is_treated * lift, generator)
    units = pl.DataFrame(
        {
            "experiment_id": np.repeat(ids, _UNITS),
            "unit_id": [f"u{n}" for n in range(size)],
            "variation_id": np.where(is_treated, "treatment", "control"),
            "cohort": np.arange(size) % _COHORTS,
        }
    ).select(
        "experiment_id",
        "unit_id",
        "variation_id",
        assignment_date=pl.lit(_START) + pl.duration(days="cohort"),
        is_conflicting=pl.lit(False),
    )
    verdicts = units.with_columns(
        first_exposure_at=pl.lit(None, pl.Datetime("us", "UTC")),
        has_post_assignment_exposure=pl.lit(False),
        has_valid_exposure=pl.lit(False),
    )
    window_end_at = pl.col("assignment_date").cast(pl.Datetime("us", "UTC")) + pl.duration(days=7)
    outcomes = units.with_columns(
        window_end_at=window_end_at, **{name: pl.Series(values) for name, values in after.items()}
    )
    covariates = (
        units.with_columns(**{name: pl.Series(values) for name, values in before.items()})
        .unpivot(list(_MEANS), index=["experiment_id", "unit_id"], variable_name="metric_id")
        .rename({"value": "covariate"})
    )
    return units.lazy(), verdicts.lazy(), outcomes.lazy(), covariates.lazy()


def _numbers(
    activity: np.ndarray, clicking: np.ndarray, lift: np.ndarray, generator: np.random.Generator
) -> dict[str, np.ndarray]:
    """The metrics of units: few buy, revenue has a long tail, visits and clicks depend on the unit."""
    bought = generator.random(len(activity)) < np.minimum(_MEANS["bought"] * activity * (1 + lift), 1)
    visits = generator.poisson(_MEANS["visits"] * activity * (1 + lift))
    clicks = generator.binomial(visits, np.minimum(clicking * (1 + lift), 1))
    revenue = bought * generator.lognormal(3.0, 1.0, len(activity))
    return {
        "bought": bought.astype(float),
        "revenue": revenue,
        "clicks": clicks.astype(float),
        "visits": visits.astype(float),
    }


if __name__ == "__main__":
    main()
