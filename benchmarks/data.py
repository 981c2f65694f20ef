"""The data of a benchmark: simulated once for a size, and used again by whoever asks for the same size.

What is in it is decided by the simulation.
"""

from dataclasses import asdict
from pathlib import Path

from exposure_assets.simulation import SimulationPlan, simulate

DAYS, EXPERIMENTS, SEED = 30, 10, 20
_EVENTS_PER_UNIT = 25


def plan_of(events: int) -> SimulationPlan:
    """30 days of 10 overlapping experiments with the default faults; about 25 events per unit."""
    units = max(100, events // _EVENTS_PER_UNIT)
    return SimulationPlan(days=DAYS, units=units, experiments=EXPERIMENTS, seed=SEED, events=events)


def ensure_data(folder: Path, events: int) -> Path:
    """The folder with `landing` and `catalog` of that many events, simulated where it is not there yet."""
    output = folder / f"events-{events}"
    if not (output / "truth" / "summary.json").exists():
        print(
            f"simulating {events:,} events: {asdict(plan_of(events))['units']:,} units, {DAYS} days",
            flush=True,
        )
        simulate(plan_of(events), output)
    return output


def size_mb(folder: Path) -> float:
    """Megabytes of the landing zone."""
    return sum(file.stat().st_size for file in (folder / "landing").rglob("*.parquet")) / 1e6
