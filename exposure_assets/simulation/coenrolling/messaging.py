"""Writes everything about messages: one shard of units after another, into files of its own.

The parts are made elsewhere; here is the order in which they come together, and what bounds the memory.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from exposure_assets.simulation.clock import DAY_US
from exposure_assets.simulation.coenrolling.activity import other_rows
from exposure_assets.simulation.coenrolling.display_faults import DisplayFaults
from exposure_assets.simulation.coenrolling.displays import Displays
from exposure_assets.simulation.coenrolling.enrolling import enroll
from exposure_assets.simulation.coenrolling.enrollment_rows import EnrollmentRows
from exposure_assets.simulation.coenrolling.message_truth import MessageTruth
from exposure_assets.simulation.coenrolling.spelling import spell_messages
from exposure_assets.simulation.coenrolling.watching import WatchedUnits
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.landing import LandingWriter, WrittenFile
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.truth import Truth

_UNITS_PER_SHARD = 50_000
"""Units whose rows of all days are made at a time: the memory goes with this."""

_FIRST_EVENT_NUMBER = 1 << 60
_FIRST_ASSIGNMENT_NUMBER = 3 << 60
_NUMBERS_PER_SHARD = 1 << 36


@dataclass(frozen=True)
class MessagingTotals:
    """What was written about messages."""

    event_rows: int
    assignment_rows: int
    files: list[WrittenFile]


def write_messaging(
    plan: SimulationPlan,
    others: tuple[SimulatedExperiment, ...],
    experiments: tuple[SimulatedExperiment, ...],
    units: pl.Series,
    truth: Truth,
    watched: WatchedUnits,
    output: Path,
) -> MessagingTotals:
    """Write the rows about messages below `output / "landing"` and the truth about them below `output / "truth"`.

    Args:
        plan: What to simulate.
        others: The experiments without messages; they come first among all.
        experiments: The experiments with messages.
        units: The ids of the units by number.
        truth: The truth about all else; buckets, faults and verdicts are added to it.
        watched: What happened to units of experiments without messages that have windows or segments.
        output: The directory of the simulation.
    """
    spellings = spell_messages(experiments, others[0].id, plan.properties)
    displays = Displays(plan, experiments, spellings)
    faults = DisplayFaults(plan, experiments, len(others), spellings, truth)
    notes = MessageTruth(plan, experiments, len(others), spellings, units, truth)
    assigning = EnrollmentRows(plan, experiments, len(others), truth)
    all_ids = [experiment.id for experiment in (*others, *experiments)]
    shards = range(0, plan.units, _UNITS_PER_SHARD)
    event_count = assignment_count = 0
    landing = output / "landing"
    with LandingWriter(
        plan, landing, spellings, units, all_ids, assigning.variation_names, "messaging"
    ) as writer:
        for shard, first_unit in enumerate(shards):
            rng = np.random.Generator(np.random.SFC64(np.random.SeedSequence([plan.seed, 5, shard])))
            count = min(_UNITS_PER_SHARD, plan.units - first_unit)
            enrolled = enroll(plan, experiments, first_unit, count, rng)
            assignments = assigning.of(enrolled, _FIRST_ASSIGNMENT_NUMBER + shard * _NUMBERS_PER_SHARD, rng)
            shown = displays.of(enrolled, rng)
            rows = faults.spoil(
                shown,
                other_rows(plan, experiments, spellings, enrolled, shown, rng),
                _FIRST_EVENT_NUMBER + shard * _NUMBERS_PER_SHARD,
                rng,
            )
            notes.note(rows, enrolled, watched)
            assignments = assignments.take(np.argsort(assignments.arrived_at, kind="stable"))
            events = rows.rows.take(np.argsort(rows.rows.arrived_at, kind="stable"))
            day_starts = plan.start_us + np.arange(plan.days + 1) * DAY_US
            event_bounds = np.searchsorted(events.arrived_at, day_starts)
            assignment_bounds = np.searchsorted(assignments.arrived_at, day_starts)
            for day in range(plan.days):
                today = slice(int(assignment_bounds[day]), int(assignment_bounds[day + 1]))
                writer.write_assignments(assignments.take(today), day, shard)
                today = slice(int(event_bounds[day]), int(event_bounds[day + 1]))
                writer.write_events(events.take(today), day, shard, len(shards))
            event_count += len(events)
            assignment_count += len(assignments)
    notes.write(output / "truth")
    return MessagingTotals(
        event_rows=event_count,
        assignment_rows=assignment_count,
        files=writer.files,
    )
