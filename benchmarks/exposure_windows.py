"""What counting exposures in windows costs: one batch of very many assignments, weekly and overall, in one process.

`python -m benchmarks.exposure_windows [ASSIGNMENTS]` makes that many up, with five rows of exposures each, and counts.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from exposure_assets.contracts import Experiment
from exposure_assets.transforms.exposure_windows import exposure_windows

_ROWS_PER_UNIT, _DAYS = 5, 14
_START = datetime(2026, 1, 1, tzinfo=UTC)


def experiment() -> Experiment:
    """Two weeks of observation in two weekly windows and one over all, as the unit and as the experiment counts."""
    windows = [
        {"id": "of_unit", "end": "0.9 * observation", "analysis_windows": ["weekly", "overall"]},
        {
            "id": "of_experiment",
            "anchor": "experiment",
            "start": 1,
            "analysis_windows": ["weekly", "overall"],
        },
    ]
    whole = {
        "id": "exp",
        "name": "Many",
        "owner": "data@example.com",
        "start": _START,
        "enrollment_days": 1,
        "variations": [
            {"id": "control", "allocation": 0.5, "is_control": True},
            {"id": "treatment", "allocation": 0.5},
        ],
        "exposure": {"source": "experiment_exposed", "windows": windows},
    }
    return Experiment.model_validate(whole)


def made_up(assignments: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Assignments of one day, and for each `_ROWS_PER_UNIT` days with exposures, every second with two instants."""
    seconds = pl.int_range(pl.len()) * 7919 % 86_400
    assigned = pl.select(unit_id=pl.format("unit-{}", pl.int_range(assignments))).select(
        pl.lit("exp").alias("experiment_id"),
        "unit_id",
        pl.lit("control").alias("variation_id"),
        assigned_at=pl.lit(_START) + pl.duration(seconds=seconds),
        assignment_date=pl.lit(_START.date()),
    )
    rows = pl.select(number=pl.int_range(assignments * _ROWS_PER_UNIT))
    unit, nth = pl.col("number") // _ROWS_PER_UNIT, pl.col("number") % _ROWS_PER_UNIT
    first = pl.lit(_START) + pl.duration(days=nth * 3 + unit % 3, seconds=unit * 104_729 % 80_000)
    has_later = pl.col("number") % 2 == 1
    exposed = rows.select(
        pl.lit("exp").alias("experiment_id"),
        pl.format("unit-{}", unit).alias("unit_id"),
        first_exposed_at=first,
        exposure_count=1 + 2 * has_later.cast(pl.Int64),
        later_exposed_at=pl.when(has_later).then(pl.concat_list(first + pl.duration(minutes=10))),
        later_exposure_counts=pl.when(has_later).then(pl.concat_list(pl.lit(2, pl.Int64))),
    )
    return assigned, exposed


def time_counting(assignments: int) -> str:
    """Count, and say how many rows there were, the seconds, and the most memory with and without the input."""
    assigned, exposed = made_up(assignments)
    before = _peak_mb()
    started = time.perf_counter()
    counted = exposure_windows(assigned.lazy(), exposed.lazy(), {"exp": experiment()}).collect()
    seconds = time.perf_counter() - started
    return (
        f"{assignments:,} assignments, {exposed.height:,} rows of exposures, {counted.height:,} rows of windows, "
        f"{counted['exposure_count'].sum():,} exposures in them: {seconds:.1f} s, {_peak_mb():,.0f} MB at most "
        f"({before:,.0f} MB before)"
    )


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "VmHWM" in line) / 1024


if __name__ == "__main__":
    print(time_counting(int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000))
