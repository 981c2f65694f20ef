"""How often `explain` names what was planted, and leaves days alone on which nothing was.

`python -m benchmarks.explain [SEEDS [FIRST_SEED [FAULT...]]]` simulates a zone per seed, backfills it, plants every
breakdown of `exposure_assets.simulation.breakdowns` into a copy, backfills that and explains the first hit cohort as
well as the day that is chosen without one; then the days of the zone as it was.
"""

import io
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from exposure_assets.cli.backfill_command import run_backfill
from exposure_assets.explaining import Explanation, explain
from exposure_assets.explaining.explaining import judged_days
from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets.simulation.breakdowns import BREAKDOWNS, Breakdown, break_down
from resources.settings import Settings
from resources.workspace import Workspace

_DAYS, _UNITS, _HIT_DAYS = 20, 14_000, 3
_FIRST_HIT = date(2026, 1, 13)
_LAST_DAY = date(2026, 1, 20)
# Which experiment is hit: by default one of several variations that counts the first seen; others where the fault
# needs a filter, or a rule against crossovers.
_RANKING = ("search-ranking", "experiment_exposed", "short")
_TOUR = ("onboarding-tour", "flag_evaluated", "treatment")
_HIT = {"filtered_out": _TOUR, "crossover": _TOUR}
_EXPERIMENTS = ("checkout-button", "search-ranking", "onboarding-tour")


@dataclass
class Tally:
    """What was named for a fault: on the first hit day, and on the day that is chosen."""

    on_the_day: Counter[str] = field(default_factory=Counter)
    chosen: Counter[str] = field(default_factory=Counter)


def main() -> None:
    """Print both tables as Markdown."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    faults = sys.argv[3:] or list(BREAKDOWNS)
    started = time.monotonic()
    tallies = {fault: Tally() for fault in faults}
    clean: Counter[str] = Counter()
    unusual: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="exposure-assets-explain-") as folder:
        for seed in range(first, first + seeds):
            base = Path(folder) / f"seed-{seed}"
            simulate(SimulationPlan(_DAYS, _UNITS, 3, seed), base)
            _backfilled(base)
            for one in _clean_days(base):
                clean[one.conclusion.cause] += 1
                unusual.update(step.step for step in one.steps if step.verdict == "suspicious")
            for fault in faults:
                _plant(base, fault, tallies[fault])
            shutil.rmtree(base)
    print("| planted | named on the first hit day | named on the day that is chosen |\n|---|---|---|")
    for fault, tally in tallies.items():
        print(f"| `{fault}` | {_shown(tally.on_the_day)} | {_shown(tally.chosen)} |")
    print(f"\nClean cohorts: {_shown(clean)}; steps that looked unusual: {_shown(unusual) or 'none'}.")
    print(f"{time.monotonic() - started:.0f} s")


def _shown(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


def _workspace(place: Path) -> Workspace:
    os.environ.update(
        EXPOSURES_LANDING=str(place / "landing"),
        EXPOSURES_CATALOG=str(place / "catalog"),
        EXPOSURES_WAREHOUSE=str(place / "warehouse.duckdb"),
        EXPOSURES_STAGING=str(place / "staging"),
        DAGSTER_HOME=str(place / "dagster_home"),
    )
    return Workspace(Settings.from_environment())


def _backfilled(place: Path) -> Workspace:
    workspace = _workspace(place)
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        run_backfill([], None, None)
    return workspace


def _clean_days(place: Path) -> list[Explanation]:
    """Every cohort of the zone before anything was planted that may be judged."""
    workspace = _workspace(place)
    return [explain(workspace, id_, day) for id_ in _EXPERIMENTS for day in judged_days(workspace, id_)]


def _plant(base: Path, fault: str, tally: Tally) -> None:
    experiment, event, variation = _HIT.get(fault, _RANKING)
    # Rows that are late are only missing while they have not arrived.
    first = _LAST_DAY - timedelta(days=2) if fault == "late_data" else _FIRST_HIT
    # A crossover hits the cohorts before too: on several days too few would be left to compare with.
    last = {"late_data": _LAST_DAY, "crossover": first}.get(fault, first + timedelta(days=_HIT_DAYS - 1))
    place = base.with_name(f"{base.name}-{fault}")
    shutil.copytree(base, place)
    break_down(place / "landing", Breakdown(fault, experiment, event, first, last, variation))
    workspace = _backfilled(place)
    on_day, chosen = explain(workspace, experiment, first), explain(workspace, experiment)
    print(f"{base.name}, {fault}: {_named(on_day)}, {_named(chosen)}", file=sys.stderr, flush=True)
    tally.on_the_day[_named(on_day)] += 1
    tally.chosen[_named(chosen)] += 1
    shutil.rmtree(place)


def _named(explanation: Explanation) -> str:
    conclusion = explanation.conclusion
    return f"{conclusion.cause} ({conclusion.key})" if conclusion.cause == "segment" else conclusion.cause


if __name__ == "__main__":
    main()
