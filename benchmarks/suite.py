"""Which measurements are taken, in which order, and what they come to.

How one is taken stands in `measuring`; how they are shown, in `report`.
"""

import importlib.util
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median

from benchmarks.data import ensure_data, size_mb
from benchmarks.engines.engine import STAGES, Place, cores
from benchmarks.equality import Comparison, must_be_equal
from benchmarks.measuring import WHOLE, Measurement, MeasurementFailed, measure

PEERS = ("duckdb", "duckdb_argmin", "chdb")
FLOORS = ("floor_polars", "floor_duckdb")
SMALL_EVENTS = 100_000
"""Every answer is also compared at this size, whatever the size that is timed."""

LARGEST_COMPARED = 5_000_000
TINY_EVENTS = 20_000
"""Data so small that a backfill of 300 partitions x 5 tables measures nothing but its orchestration."""

_PACKAGES = {"chdb": "chdb", "spark": "pyspark"}


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    events: int
    runs: int
    peers: Sequence[str]
    stages: Sequence[str]
    folder: Path
    timeout_seconds: float
    with_dagster: bool


@dataclass
class Results:
    """Medians by stage and engine, and what was said on the way."""

    events: int
    runs: int
    landing_mb: float
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    peak_mb: dict[str, dict[str, float]] = field(default_factory=dict)
    cpu_seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    compared_rows: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, measurements: Sequence[Measurement]) -> None:
        """Add the runs of one stage of one engine."""
        one = measurements[0]
        self.seconds.setdefault(one.stage, {})[one.engine] = median(m.seconds for m in measurements)
        self.cpu_seconds.setdefault(one.stage, {})[one.engine] = median(m.cpu_seconds for m in measurements)
        self.peak_mb.setdefault(one.stage, {})[one.engine] = max(m.peak_mb for m in measurements)

    def note(self, text: str) -> None:
        """Say something, now and in the report."""
        print(text, flush=True)
        self.notes.append(text)

    def save(self, path: Path) -> None:
        """Write the results as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Read what `save` wrote."""
        return cls(**json.loads(path.read_text()))


def run_suite(options: Options) -> Results:
    """Take every measurement that was asked for, and compare every answer.

    Raises:
        UnequalAnswers: a peer's answer differs from ours.
        MeasurementFailed: our own path failed.
    """
    peers = [peer for peer in options.peers if peer in PEERS and _is_installed(peer)]
    data = ensure_data(options.folder, options.events)
    results = Results(options.events, options.runs, size_mb(data))
    for peer in options.peers:
        if peer == "spark":
            results.note("spark is skipped: " + _about_spark())
        elif peer not in peers:
            results.note(f"{peer} is skipped: the package {_PACKAGES[peer]} is not installed.")
    _compare_small(options, peers)
    results.note(f"At {SMALL_EVENTS:,} events every table of {', '.join(peers)} equals ours.")
    if "floor" in options.stages:
        for floor in FLOORS:
            _take(results, options, floor, "floor", _place(options, data, floor))
    wanted = [stage for stage in STAGES if stage in options.stages]
    for engine in ("ours", *peers):
        # The tables of the stages before have to be there, whichever stages are timed.
        for stage in STAGES[: max((STAGES.index(stage) for stage in wanted), default=-1) + 1]:
            if not _take(results, options, engine, stage, _place(options, data, engine)):
                break
    if options.events <= LARGEST_COMPARED:
        _compare(
            results, options, data, [peer for peer in peers if _has_finished(results, peer, wanted)], wanted
        )
    if WHOLE in options.stages:
        for engine in ("ours", *peers):
            if _has_finished(results, engine, wanted):
                _take(results, options, engine, WHOLE, _place(options, data, engine))
            shutil.rmtree(_place(options, data, engine).work, ignore_errors=True)
    if options.with_dagster:
        _take_orchestration(results, options, data)
    return results


def _take(
    results: Results, options: Options, engine: str, stage: str, place: Place, name: str | None = None
) -> bool:
    taken: list[Measurement] = []
    try:
        for _ in range(options.runs):
            one = measure(engine, stage, place, options.timeout_seconds)
            taken.append(replace(one, stage=name or stage))
    except MeasurementFailed as failed:
        if engine == "ours":
            raise
        results.note(str(failed))
        return False
    results.add(taken)
    times = ", ".join(f"{one.seconds:.2f}" for one in taken)
    print(
        f"{name or stage:12} {engine:14} {times} s, {max(one.peak_mb for one in taken):,.0f} MB", flush=True
    )
    return True


def _take_orchestration(results: Results, options: Options, data: Path) -> None:
    tiny = ensure_data(options.folder, TINY_EVENTS)
    for name, folder in ((WHOLE, data), ("300 x 5", tiny)):
        for engine in ("ours_in_warehouse", "backfill"):
            place = _place(options, folder, engine)
            _take(results, options, engine, WHOLE, place, name)
            shutil.rmtree(place.work, ignore_errors=True)


def _compare_small(options: Options, peers: Sequence[str]) -> None:
    data = ensure_data(options.folder, SMALL_EVENTS)
    ours = _place(options, data, "ours")
    measure("ours", WHOLE, ours, options.timeout_seconds)
    for peer in peers:
        theirs = _place(options, data, peer)
        measure(peer, WHOLE, theirs, options.timeout_seconds)
        must_be_equal(peer, ours, theirs)
        shutil.rmtree(theirs.work)
    shutil.rmtree(ours.work)


def _compare(
    results: Results, options: Options, data: Path, peers: Sequence[str], stages: Sequence[str]
) -> None:
    for peer in peers:
        ours, theirs = _place(options, data, "ours"), _place(options, data, peer)
        compared: list[Comparison] = must_be_equal(peer, ours, theirs, tuple(stages))
        results.compared_rows |= {one.table: one.rows for one in compared}
    if peers and stages:
        results.note(f"At {options.events:,} events every table of {', '.join(peers)} equals ours.")


def _has_finished(results: Results, engine: str, stages: Sequence[str]) -> bool:
    return all(engine in results.seconds.get(stage, {}) for stage in stages)


def _place(options: Options, data: Path, engine: str) -> Place:
    return Place(data, options.folder / "work" / data.name / engine)


def _is_installed(peer: str) -> bool:
    return peer not in _PACKAGES or importlib.util.find_spec(_PACKAGES[peer]) is not None


def _about_spark() -> str:
    if importlib.util.find_spec("pyspark") is None:
        return "PySpark is not installed."
    return "its stages are not written; starting its JVM and shuffling on one machine is not what it is for."


def machine() -> str:
    """The machine in words that name nobody's."""
    memory_kb = int(next(line for line in Path("/proc/meminfo").read_text().splitlines()).split()[1])
    return f"{cores()} cores, {memory_kb / 1024 / 1024:.0f} GB of memory"
