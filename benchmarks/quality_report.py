"""What verdicts of the quality report are worth: how often right data are called unfit, how soon faults are named.

`python -m benchmarks.quality_report [SEED]` simulates experiments of 30 days, as messy as real ones, lets
`experiment_quality_report` judge them as of every day and compares its guardrails with the fault that was planted.
"""

import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from exposure_assets.contracts import (
    ALL_VARIATIONS,
    CohortDiagnostics,
    DailyQuality,
    Experiment,
    ExposureDelays,
    ExposureWaterfall,
    StageCounts,
    columns_of,
)
from exposure_assets.transforms.experiment_quality_report import Counted, experiment_quality_report
from exposure_assets.transforms.sample_ratios import sample_ratios

_DAYS, _START = 30, date(2026, 1, 1)
_EXPERIMENTS = 200
_VARIATIONS = ("control", "treatment")
_ONLY_TIME = {"minimum_units", "final_cohorts"}
# Shares of the units of a clean experiment, as the simulator of event streams has them.
_CLEAN = {
    "no_exposure": 0.08,
    "crossover": 0.02,
    "pre_assignment": 0.02,
    "outside_window": 0.01,
    "mismatch": 0.01,
    "conflicting": 0.005,
}
_DELAYS = (0.1, 0.2, 0.3, 0.25, 0.15)
_STARTS = (0, 1, 10, 60, 600)


@dataclass(frozen=True)
class Fault:
    """A fault from the tenth day on: what is added to the share of a loss, in which variations, and its guardrail."""

    name: str
    guardrails: frozenset[str]
    added: dict[str, float] = field(default_factory=dict)
    only_treatment: bool = False
    split: float = 0.5
    delays: tuple[float, ...] = _DELAYS


_NONE = Fault("none", frozenset())
_FAULTS = (
    Fault("conflicts of 5 %", frozenset({"conflicting_assignments"}), {"conflicting": 0.05}),
    Fault("mismatches of 5 %", frozenset({"mismatches"}), {"mismatch": 0.05}),
    Fault("crossovers of 10 %", frozenset({"crossovers"}), {"crossover": 0.10}),
    Fault(
        "exposures before assignment of 10 %",
        frozenset({"pre_assignment_exposures"}),
        {"pre_assignment": 0.1},
    ),
    Fault(
        "2 % of the treatment outside the window",
        frozenset({"differential_loss"}),
        {"outside_window": 0.02},
        True,
    ),
    Fault(
        "10 % of the treatment's exposures lost",
        frozenset({"srm_exposed", "differential_loss"}),
        {"no_exposure": 0.1},
        True,
    ),
    Fault("a split of 0.52", frozenset({"srm_assigned"}), split=0.52),
    Fault(
        "the treatment exposed later", frozenset({"delay_differences"}), delays=(0.05, 0.1, 0.2, 0.3, 0.35)
    ),
)
_FAULT_DAY = 10


def main() -> None:
    """Print both tables as Markdown."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    started = time.perf_counter()
    generator = np.random.default_rng(seed)
    print("| clean experiments of 30 days, looked at daily | ever unfit | ever warned |\n|---|---|---|")
    for units in (50, 500, 5_000):
        found = _judged(_NONE, units, generator)
        failed, warned = (_ever(found, column) for column in ("failed_guardrails", "warnings"))
        print(f"| {units:,} units a day, {_EXPERIMENTS} experiments | {failed:.1%} | {warned:.1%} |")
    print(
        "\n| fault from the tenth day on, 5,000 units a day | named | median day | others named |\n|---|---|---|---|"
    )
    for fault in _FAULTS:
        print(f"| {fault.name} | {' | '.join(_found(fault, _judged(fault, 5_000, generator)))} |")
    print(f"\nSeed {seed}, {time.perf_counter() - started:.0f} s.")


def _ever(report: pl.DataFrame, column: str) -> float:
    named = pl.col(column).list.set_difference(pl.lit(list(_ONLY_TIME)))
    return report.filter(named.list.len() > 0)["experiment_id"].n_unique() / _EXPERIMENTS


def _found(fault: Fault, report: pl.DataFrame) -> tuple[str, str, str]:
    """How many experiments name the fault, after how many days, and how many name something else first."""
    names = pl.concat_list("failed_guardrails", "warnings")
    wanted = pl.lit(sorted(fault.guardrails))
    named = report.filter(names.list.set_intersection(wanted).list.len() > 0)
    other = report.filter(
        names.list.set_difference(pl.lit([*_ONLY_TIME, *fault.guardrails, *_consequences(fault)])).list.len()
        > 0
    )
    days = named.group_by("experiment_id").agg(pl.col("as_of_date").min())["as_of_date"]
    late = [(day - _START).days - _FAULT_DAY + 1 for day in days]
    median = f"{np.median(late):.0f}" if late else "-"
    return (
        f"{len(late) / _EXPERIMENTS:.0%}",
        median,
        f"{other['experiment_id'].n_unique() / _EXPERIMENTS:.1%}",
    )


def _consequences(fault: Fault) -> set[str]:
    """What else a fault entails: units that are lost of one variation, or never were there, are missing later."""
    entails = {
        "differential_loss": {"srm_valid_exposed", "srm_completed"},
        "srm_assigned": {"srm_exposed", "srm_valid_exposed", "srm_completed"},
        "srm_exposed": {"srm_valid_exposed", "srm_completed"},
    }
    return {name for guardrail in fault.guardrails for name in entails.get(guardrail, set())}


def _judged(fault: Fault, units: int, generator: np.random.Generator) -> pl.DataFrame:
    experiments = {f"e{n}": _experiment(f"e{n}") for n in range(_EXPERIMENTS)}
    stages, quality, delays, diagnostics = [], [], [], []
    for id_ in experiments:
        for day in range(_DAYS):
            is_faulty = day >= _FAULT_DAY - 1
            when = _START + timedelta(days=day)
            control = generator.binomial(units, fault.split if is_faulty else 0.5)
            totals = dict.fromkeys((f"{name}_units" for name in _CLEAN), 0)
            for variation, assigned in zip(_VARIATIONS, (control, units - control), strict=True):
                is_hit = is_faulty and (variation == "treatment" or not fault.only_treatment)
                lost = {
                    f"{name}_units": int(
                        generator.binomial(assigned, share + (fault.added.get(name, 0.0) if is_hit else 0.0))
                    )
                    for name, share in _CLEAN.items()
                }
                totals = {name: totals[name] + lost[name] for name in totals}
                exposed = assigned - lost["no_exposure_units"]
                valid = max(exposed - sum(lost.values()) + lost["no_exposure_units"], 0)
                key = (id_, when, variation)
                stages += [
                    (*key, False, stage, reached, count)
                    for stage, reached, count in (
                        ("assigned", when, assigned),
                        ("exposed", when, exposed),
                        ("valid_exposed", when, valid),
                        ("completed", when + timedelta(days=7), valid),
                    )
                ]
                quality.append({**_key(*key), "assigned_units": assigned, **lost})
                is_delayed = is_faulty and variation == "treatment"
                spread = generator.multinomial(exposed, fault.delays if is_delayed else _DELAYS)
                delays += [(*key, when, start, count) for start, count in zip(_STARTS, spread, strict=True)]
            exposed = units - totals["no_exposure_units"]
            diagnostics.append((id_, when, units, units + units // 100, units // 50, exposed))
            quality.append(
                {
                    **_key(id_, when, ALL_VARIATIONS),
                    "assigned_units": units,
                    "unassigned_exposed_units": int(generator.binomial(units, 0.01)),
                    **totals,
                }
            )
    counts = _frame(StageCounts, stages).filter(pl.col("unit_count") > 0).lazy()
    total = pl.DataFrame(quality, schema_overrides=columns_of(DailyQuality)).lazy()
    counted = Counted(
        stage_counts=counts,
        sample_ratios=sample_ratios(counts, experiments, _START + timedelta(days=_DAYS - 1)).lazy(),
        daily_quality=total,
        cohort_diagnostics=_frame(CohortDiagnostics, diagnostics).lazy(),
        exposure_delays=_frame(ExposureDelays, delays).filter(pl.col("unit_count") > 0).lazy(),
        exposure_waterfall=_frame(ExposureWaterfall, []).lazy(),
    )
    return experiment_quality_report(counted, experiments, _START + timedelta(days=_DAYS - 1))


def _key(experiment_id: str, day: date, variation_id: str) -> dict[str, object]:
    return {"experiment_id": experiment_id, "assignment_date": day, "variation_id": variation_id}


def _frame(contract: type, rows: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=columns_of(contract), orient="row")


def _experiment(id_: str) -> Experiment:
    start = datetime.combine(_START, datetime.min.time(), UTC)
    halves = [{"id": id_, "allocation": 0.5, "is_control": id_ == "control"} for id_ in _VARIATIONS]
    return Experiment.model_validate(
        {
            "id": id_,
            "name": id_,
            "owner": "benchmark",
            "start": start,
            "end": start + timedelta(days=_DAYS),
            "variations": halves,
            "exposure": {"source": "seen"},
        }
    )


if __name__ == "__main__":
    main()
