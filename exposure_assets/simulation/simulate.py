"""Runs a plan: draws the population, makes one day after another, and writes files, catalog and truth.

The parts are made elsewhere; here is the order in which they come together, and what bounds the memory.
"""

from collections.abc import Callable
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.assignment_stream import AssignmentStream
from exposure_assets.simulation.catalog import write_catalog
from exposure_assets.simulation.clock import DAY_US
from exposure_assets.simulation.coenrolling.configurations import write_configurations
from exposure_assets.simulation.coenrolling.design import design_messaging, source_texts
from exposure_assets.simulation.coenrolling.messaging import write_messaging
from exposure_assets.simulation.coenrolling.watching import WatchedUnits
from exposure_assets.simulation.event_faults import EventFaults
from exposure_assets.simulation.events import (
    DEFAULT_INTENSITY,
    PURCHASES_PER_EXPOSURE,
    UNRELATED_PER_EXPOSURE,
    Activity,
    Behaviour,
    split_activity,
)
from exposure_assets.simulation.experiments import design_experiments
from exposure_assets.simulation.identity import unit_ids
from exposure_assets.simulation.landing import LandingWriter, WrittenFile, add_truncated_copy
from exposure_assets.simulation.plan import DETAILED_TRUTH_EVENTS, SimulationPlan, SimulationSummary
from exposure_assets.simulation.population import recruit
from exposure_assets.simulation.rows import EventRows, join_events
from exposure_assets.simulation.truth import Truth
from exposure_assets.simulation.vocabulary import build_vocabulary

_ROWS_PER_FILE = 1_000_000
"""Rows that are made, sorted and written at a time: the memory goes with this, not with a day."""

_BUSIEST_DAY = 2.0
"""How many times the rows of an average day the busiest has; a guess, for the number of files."""

_ROWS_PER_ASSIGNMENT = 9

_ROWS_WITH_MESSAGES = 12
"""Rows of a unit that has to do with messages, about."""

_ARRIVAL_STEP_US = 2_000_000


class OutputExistsError(FileExistsError):
    """The output directory already holds what a simulation would write."""


def simulate(
    plan: SimulationPlan, output: Path, on_day: Callable[[int], None] | None = None
) -> SimulationSummary:
    """Write landing zone, catalog and truth of a plan below `output`, and with coenrolling features `features/*.json`.

    Grain out: one row per raw event or assignment row in `landing/`, one per unit and experiment in
    `truth/units.parquet`, one per planted fault in `truth/faults.parquet`; `truth/summary.json` comes last.

    Args:
        plan: What to simulate; the same plan writes the same rows.
        output: Directory to write to; made if needed.
        on_day: Called after each arrival day with the number of days done, for a progress bar.

    Raises:
        OutputExistsError: `output` already holds a landing zone, a catalog, a truth or feature configurations.
    """
    for name in ("landing", "catalog", "truth", *(("features",) if plan.coenrolling else ())):
        if (output / name).exists():
            raise OutputExistsError(
                f"{output / name} already exists, expected an output directory without it; "
                "delete it or choose another directory"
            )
    experiments = design_experiments(plan)
    vocabulary = build_vocabulary(experiments, plan.properties)
    units = unit_ids(plan.units)
    rows_guess = plan.events or _ROWS_PER_ASSIGNMENT * min(0.6 * plan.experiments, 3.0) * plan.units
    messaging = design_messaging(plan) if plan.coenrolling else ()
    message_rows = _ROWS_WITH_MESSAGES * plan.units if messaging else 0
    is_detailed = rows_guess + message_rows <= DETAILED_TRUTH_EVENTS
    truth = Truth(plan, (*experiments, *messaging), vocabulary, units, is_detailed)
    watched = WatchedUnits(experiments, vocabulary, is_detailed)
    shards = max(plan.files_per_day, ceil(_BUSIEST_DAY * rows_guess / plan.days / _ROWS_PER_FILE))

    assignments = AssignmentStream(plan, experiments, truth)
    activities: list[list[Activity]] = [[] for _ in range(shards)]
    for number, experiment in enumerate(experiments):
        recruits = recruit(plan, experiment, _generator(plan, 1, number))
        truth.note_units(number, recruits)
        watched.note_units(number, recruits)
        assignments.add(recruits)
        for shard, activity in enumerate(split_activity(plan, experiment, number, recruits, shards)):
            activities[shard].append(activity)

    behaviour = Behaviour(plan, experiments, vocabulary, _intensity(plan, activities))
    faults = EventFaults(plan, experiments, vocabulary, truth)
    arrivals = _Arrivals(plan, shards)
    event_rows = exposure_rows = assignment_rows = 0
    more_sources = source_texts() if messaging else {}
    catalog_files = write_catalog((*experiments, *messaging), output / "catalog", more_sources)
    with LandingWriter(
        plan, output / "landing", vocabulary, units, assignments.experiment_names, assignments.variation_names
    ) as writer:
        for day in range(plan.days):
            rows = assignments.day(day, _generator(plan, 2, day))
            assignment_rows += len(rows)
            for part, start in enumerate(range(0, len(rows), _ROWS_PER_FILE)):
                writer.write_assignments(rows.take(slice(start, start + _ROWS_PER_FILE)), day, part)
            del rows
            for shard in range(shards):
                rng = _generator(plan, 3, day, shard)
                own, copies = faults.spoil(
                    behaviour.day(activities[shard], day, shard, shards, rng), day, rng
                )
                for rows in own:
                    watched.note_exposures(rows)
                arriving = arrivals.of(day, shard, own, copies, rng)
                truth.count_rows(arriving)
                event_rows += len(arriving)
                writer.write_events(arriving, day, shard, shards)
            if on_day is not None:
                on_day(day + 1)
    _truncate_files(plan, writer.files, output, truth)
    files = list(writer.files)
    if messaging:
        more = write_messaging(plan, experiments, messaging, units, truth, watched, output)
        event_rows += more.event_rows
        assignment_rows += more.assignment_rows
        files += more.files
        write_configurations(messaging, output / "features")
    exposure_rows = sum(truth.buckets.values())
    totals = {
        "event_rows": event_rows,
        "exposure_rows": exposure_rows,
        "assignment_rows": assignment_rows,
        "files": len(files),
        "catalog_files": catalog_files,
        "bytes_written": sum(file.size_bytes for file in files),
    }
    truth.write(output / "truth", totals)
    return SimulationSummary(
        event_rows=event_rows,
        assignment_rows=assignment_rows,
        exposure_rows=exposure_rows,
        files=totals["files"],
        bytes_written=totals["bytes_written"],
        planted=dict(truth.planted),
        buckets=truth.buckets,
        has_unit_truth=truth.is_detailed,
    )


class _Arrivals:
    """Puts rows into the files they arrive in, numbered day by day; keeps later ones until then."""

    def __init__(self, plan: SimulationPlan, shards: int) -> None:
        self._plan = plan
        self._shards = shards
        self._later: dict[int, list[EventRows]] = {}

    def of(
        self, day: int, shard: int, own: list[EventRows], copies: EventRows, rng: np.random.Generator
    ) -> EventRows:
        """The rows of one file; a late row stays in its shard, a copy may turn up in any."""
        for rows in own:
            arrival = self._days(rows)
            self._keep(rows, arrival * self._shards + shard, arrival > day)
        arrival, place = self._days(copies), rng.integers(0, self._shards, len(copies))
        # The files of today's earlier shards are closed.
        place = np.where(arrival == day, np.maximum(place, shard), place)
        self._keep(copies, arrival * self._shards + place, np.ones(len(copies), dtype=np.bool_))
        arriving = join_events([*own, *self._later.pop(day * self._shards + shard, [])])
        since_midnight = arriving.arrived_at - (self._plan.start_us + day * DAY_US)
        today = np.flatnonzero(since_midnight < DAY_US)
        # Two-second steps fit 16 bits, which are sorted in linear time; no log is sorted to the microsecond.
        order = np.argsort((since_midnight[today] // _ARRIVAL_STEP_US).astype(np.uint16), kind="stable")
        return arriving.take(today[order])

    def _keep(self, rows: EventRows, files: NDArray[np.int64], chosen: NDArray[np.bool_]) -> None:
        positions = np.flatnonzero(chosen)
        files = files[positions]
        for file in np.unique(files).tolist():
            self._later.setdefault(file, []).append(rows.take(positions[files == file]))

    def _days(self, rows: EventRows) -> NDArray[np.int64]:
        return (rows.arrived_at - self._plan.start_us) // DAY_US


def _generator(plan: SimulationPlan, *place: int) -> np.random.Generator:
    """Random numbers of one place in the simulation, the same whatever was drawn elsewhere."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([plan.seed, *place])))


def _intensity(plan: SimulationPlan, activities: list[list[Activity]]) -> float:
    """How much units repeat their exposures, so that all rows together meet the plan's target."""
    if plan.events is None:
        return DEFAULT_INTENSITY
    every = [activity for shard in activities for activity in shard]
    planned = sum(float(activity.planned().sum()) for activity in every)
    repeats = sum(float(activity.expected_repeats().sum()) for activity in every)
    rates = plan.faults
    clean = 1 + UNRELATED_PER_EXPOSURE + PURCHASES_PER_EXPOSURE
    rejected = (
        rates.unknown_experiment
        + rates.unknown_variation
        + rates.unresolved_template
        + rates.ambiguous_attribution
        + rates.outside_experiment
        + rates.malformed
    )
    rows_per_exposure = (clean + rejected) * (1 + rates.duplicate_event) + clean * rates.conflicting_copy
    return max(0.0, (plan.events / rows_per_exposure - planned) / repeats) if repeats > 0 else 0.0


def _truncate_files(plan: SimulationPlan, files: list[WrittenFile], output: Path, truth: Truth) -> None:
    """Add the plan's truncated files, at most one per folder so that their names can't meet."""
    folders = {file.path.parent: file for file in reversed(files)}
    candidates = sorted(folders.values(), key=lambda file: file.path)
    wanted = min(plan.faults.corrupt_file, len(candidates))
    for position in sorted(_generator(plan, 4).choice(len(candidates), wanted, replace=False).tolist()):
        path = add_truncated_copy(candidates[position])
        truth.plant_file(path.relative_to(output).as_posix(), candidates[position].arrival_day)
