"""What tests of sample ratios are worth: how often right splits are called wrong, how soon wrong ones are found.

`python -m benchmarks.sample_ratio [SEED]` simulates experiments of 60 days, lets `sample_ratios` judge all units until
each day, and looks every day: with the chi-square, with it at the part of alpha that the quality report takes and at a
60th (Bonferroni), and with the sequential test, each at both alphas.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from exposure_assets.contracts import Experiment, StageCounts, columns_of
from exposure_assets.transforms.guardrails import RATIO_LOOKS
from exposure_assets.transforms.sample_ratios import sample_ratios

_DAYS, _PER_BATCH = 60, 500
_START = date(2026, 1, 1)
_ALPHAS = (0.05, 0.001)
_LOOKS = ("chi-square", f"chi-square, 1/{RATIO_LOOKS}", "chi-square, 1/60", "sequential")


@dataclass(frozen=True)
class Scenario:
    """Experiments alike: units a day, declared shares, the shares that units have, and how many experiments.

    `ramp` days are declared and split as 0.95 and 0.05 before the shares hold.
    """

    name: str
    units: int
    declared: tuple[float, ...]
    real: tuple[float, ...]
    experiments: int
    ramp: int = 0


_RIGHT = (
    Scenario("halves, 5,000 units a day", 5_000, (0.5, 0.5), (0.5, 0.5), 20_000),
    Scenario("halves, 50 units a day", 50, (0.5, 0.5), (0.5, 0.5), 5_000),
    Scenario("0.9 and 0.1, 5,000 units a day", 5_000, (0.9, 0.1), (0.9, 0.1), 5_000),
    Scenario("five variations, 5,000 units a day", 5_000, (0.2,) * 5, (0.2,) * 5, 5_000),
    Scenario("a week of 0.95 and 0.05, then halves", 5_000, (0.5, 0.5), (0.5, 0.5), 5_000, ramp=7),
)
_WRONG = (
    Scenario("0.51 for 0.5, 5,000 units a day", 5_000, (0.5, 0.5), (0.51, 0.49), 1_000),
    Scenario("0.505 for 0.5, 5,000 units a day", 5_000, (0.5, 0.5), (0.505, 0.495), 1_000),
    Scenario("0.501 for 0.5, 1,000,000 units a day", 1_000_000, (0.5, 0.5), (0.501, 0.499), 500),
    Scenario("0.11 for 0.1, 5,000 units a day", 5_000, (0.9, 0.1), (0.89, 0.11), 500),
    Scenario("0.6 for 0.5, 100 units a day", 100, (0.5, 0.5), (0.6, 0.4), 1_000),
)
_RAMP = (0.95, 0.05)


def main() -> None:
    """Print both tables as Markdown."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    started = time.perf_counter()
    generator = np.random.default_rng(seed)
    columns = [f"{look}, {alpha}" for alpha in _ALPHAS for look in _LOOKS]
    _print_row("right splits called wrong within 60 daily looks", "experiments", *columns)
    _print_row(*["---"] * (2 + len(columns)))
    for scenario in _RIGHT:
        first_days = _first_days(scenario, generator)
        rates = [f"{np.isfinite(first_days[column]).mean():.2%}" for column in range(len(columns))]
        _print_row(scenario.name, f"{scenario.experiments:,}", *rates)
    print()
    _print_row("days until a wrong split is found: median, 9 of 10", "experiments", *columns)
    _print_row(*["---"] * (2 + len(columns)))
    for scenario in _WRONG:
        first_days = _first_days(scenario, generator)
        shown = [_days_shown(first_days[column]) for column in range(len(columns))]
        _print_row(scenario.name, f"{scenario.experiments:,}", *shown)
    print(f"\nSeed {seed}, {time.perf_counter() - started:.0f} s.")


def _print_row(*cells: str) -> None:
    print(f"| {' | '.join(cells)} |")


def _days_shown(days: np.ndarray) -> str:
    """The median and the day by which nine of ten were found."""
    quantiles = np.quantile(days, (0.5, 0.9), method="inverted_cdf")
    return ", ".join("never" if np.isinf(day) else f"{day:.0f}" for day in quantiles)


def _first_days(scenario: Scenario, generator: np.random.Generator) -> np.ndarray:
    """Per alpha and way of looking, for every experiment the first day that alarms, counted from 1; else infinite."""
    found = []
    for experiments in _batches(scenario):
        counts = _counts(scenario, list(experiments), generator)
        last = _START + timedelta(days=_DAYS - 1)
        ratios = sample_ratios(counts.lazy(), experiments, last).filter(
            "is_cumulative", "has_conflicting_units"
        )
        # A chi-square that nobody can trust is no alarm.
        shape = len(experiments), _DAYS
        chi_square = ratios["p_value"].fill_null(1.0).to_numpy().reshape(shape)
        sequential = ratios["sequential_p_value"].to_numpy().reshape(shape)
        alarms = [
            alarm
            for alpha in _ALPHAS
            for alarm in (
                chi_square < alpha,
                chi_square < alpha / RATIO_LOOKS,
                chi_square < alpha / _DAYS,
                sequential < alpha,
            )
        ]
        found.append([np.where(alarm.any(1), alarm.argmax(1) + 1.0, np.inf) for alarm in alarms])
    return np.concatenate(found, axis=1)


def _batches(scenario: Scenario) -> Iterator[dict[str, Experiment]]:
    for first in range(0, scenario.experiments, _PER_BATCH):
        numbers = range(first, min(first + _PER_BATCH, scenario.experiments))
        yield {f"exp-{number:06}": _experiment(f"exp-{number:06}", scenario) for number in numbers}


def _experiment(experiment_id: str, scenario: Scenario) -> Experiment:
    first = _RAMP if scenario.ramp else scenario.declared
    start = datetime(_START.year, _START.month, _START.day, tzinfo=UTC)
    later = {f"v{number}": share for number, share in enumerate(scenario.declared)}
    whole = {
        "id": experiment_id,
        "name": scenario.name,
        "owner": "data@example.com",
        "start": start,
        "variations": [
            {"id": f"v{number}", "allocation": share, "is_control": number == 0}
            for number, share in enumerate(first)
        ],
        "allocation_phases": [{"start": start + timedelta(days=scenario.ramp), "allocations": later}]
        if scenario.ramp
        else [],
        "exposure": {"source": "experiment_exposed"},
    }
    return Experiment.model_validate(whole)


def _counts(scenario: Scenario, ids: list[str], generator: np.random.Generator) -> pl.DataFrame:
    """The assigned units of every experiment, day and variation, where there are any."""
    early = generator.multinomial(scenario.units, _RAMP, (len(ids), scenario.ramp)) if scenario.ramp else None
    late = generator.multinomial(scenario.units, scenario.real, (len(ids), _DAYS - scenario.ramp))
    counts = late if early is None else np.concatenate([early, late], axis=1)
    days = [_START + timedelta(days=number) for number in range(_DAYS)]
    cells = (
        pl.DataFrame({"experiment_id": ids})
        .join(pl.DataFrame({"assignment_date": days}), how="cross", maintain_order="left_right")
        .join(
            pl.DataFrame({"variation_id": [f"v{n}" for n in range(counts.shape[2])]}),
            how="cross",
            maintain_order="left_right",
        )
    )
    return (
        cells.with_columns(
            is_conflicting=pl.lit(False),
            stage=pl.lit("assigned"),
            reached_date=pl.col("assignment_date"),
            unit_count=pl.Series(counts.ravel(), dtype=pl.Int64),
        )
        .filter(pl.col("unit_count") > 0)
        .select(columns_of(StageCounts).keys())
    )


if __name__ == "__main__":
    main()
