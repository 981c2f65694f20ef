"""One measurement: a stage of an engine in a process of its own, its seconds and its peak memory.

Which measurements are taken stands in `suite`; run as a module, this is the process that is measured.
"""

import importlib
import json
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engines.engine import STAGES, Engine, Place

ENGINES = {
    "ours": ("ours", "Ours"),
    "duckdb": ("duckdb_rows", "DuckDBRows"),
    "duckdb_argmin": ("duckdb_argmin", "DuckDBArgMin"),
    "chdb": ("clickhouse", "ClickHouse"),
    "floor_polars": ("floor", "PolarsFloor"),
    "floor_duckdb": ("floor", "DuckDBFloor"),
    "ours_in_warehouse": ("ours", "OursInWarehouse"),
    "backfill": ("backfill", "Backfill"),
}
WHOLE = "whole"
_STARTS_ANEW = ("ours_in_warehouse", "backfill", "ours")


class MeasurementFailed(Exception):
    """A measured process ended with an error or ran out of time."""


@dataclass(frozen=True)
class Measurement:
    """What one run of a stage took: wall-clock seconds, seconds of all cores together, the highest memory.

    On a shared machine the wall clock also tells what others did; the cores' seconds tell less of it.
    """

    engine: str
    stage: str
    seconds: float
    peak_mb: float
    cpu_seconds: float = 0.0


def measure(engine: str, stage: str, place: Place, timeout_seconds: float) -> Measurement:
    """Run a stage in a fresh process, so that no cache, no pool and no garbage of another run is left.

    Raises:
        MeasurementFailed: the process failed; what it said is in the message.
    """
    if stage in (WHOLE, STAGES[0]) and engine in _STARTS_ANEW:
        # A second run would find the landing index and the warehouse of the first, and measure something else.
        shutil.rmtree(place.work, ignore_errors=True)
    place.work.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.measuring", engine, stage, str(place.data), str(place.work)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    except subprocess.TimeoutExpired as expired:
        raise MeasurementFailed(f"{engine} {stage}: more than {timeout_seconds:.0f} s, given up") from expired
    if ended.returncode:
        raise MeasurementFailed(f"{engine} {stage}: {_last_line(ended.stderr)}")
    taken = json.loads(ended.stdout.strip().splitlines()[-1])
    return Measurement(engine, stage, taken["seconds"], taken["peak_mb"], taken["cpu_seconds"])


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.strip().splitlines()) if line.strip()), "no word")[:500]


def load_engine(name: str) -> Engine:
    """An engine of `ENGINES`."""
    module, kind = ENGINES[name]
    return getattr(importlib.import_module(f"benchmarks.engines.{module}"), kind)()


def main(engine_name: str, stage: str, data: str, work: str) -> None:
    """Measure in this process; imports are over before the clock starts."""
    engine = load_engine(engine_name)
    place = Place(Path(data), Path(work))
    started, cpu_before = time.perf_counter(), _cpu_seconds()
    for each in (
        STAGES if stage == WHOLE and engine_name not in ("ours_in_warehouse", "backfill") else (stage,)
    ):
        engine.run(each, place)
    seconds, cpu_seconds = time.perf_counter() - started, _cpu_seconds() - cpu_before
    # Of this process alone: ru_maxrss would begin with what its parent had at the fork. A process that only waits
    # for another has that one's peak.
    own_kb = next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line
    )
    peak_kb = max(own_kb, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(json.dumps({"seconds": seconds, "peak_mb": peak_kb / 1024, "cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    main(*sys.argv[1:])
