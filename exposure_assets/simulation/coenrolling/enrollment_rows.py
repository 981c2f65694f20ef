"""The rows of `assignments` about experiments with messages, and what goes wrong with them on their way.

Who is in which experiment is drawn in `enrolling`; an added row is rejected or a copy, and enrolls nobody.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US, NEVER, hits
from exposure_assets.simulation.coenrolling.enrolling import Enrolled
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.identity import NO_EVENT
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.rows import AssignmentRows, join_assignments
from exposure_assets.simulation.truth import Truth

_LONGEST_DELAY_DAYS = 6

_UNKNOWN_VARIATION = "treatment-9"


class EnrollmentRows:
    """Makes the rows of one shard after another.

    Args:
        plan: The plan of the simulation.
        experiments: The experiments with messages.
        first_experiment: Number of the first of them among all experiments.
        truth: Takes note of rows and faults.
    """

    def __init__(
        self,
        plan: SimulationPlan,
        experiments: tuple[SimulatedExperiment, ...],
        first_experiment: int,
        truth: Truth,
    ) -> None:
        self._plan = plan
        self._experiments = experiments
        self._first_experiment = first_experiment
        self._truth = truth
        names = [variation.id for experiment in experiments for variation in experiment.variations]
        starts = np.cumsum([0] + [len(experiment.variations) for experiment in experiments])
        self._variations = [np.arange(start, end, dtype=np.int32) for start, end in pairwise(starts)]
        self.variation_names = [*names, _UNKNOWN_VARIATION]

    def of(self, enrolled: Enrolled, first_number: int, rng: np.random.Generator) -> AssignmentRows:
        """All rows about a shard's units, whose numbers count from `first_number` on."""
        parts = []
        for number in range(len(self._experiments)):
            for times, variations in (
                (enrolled.assigned_at[number], enrolled.variation[number]),
                (enrolled.second_at[number], enrolled.second_variation[number]),
            ):
                chosen = np.flatnonzero(times != NEVER)
                named = self._variations[number][variations[chosen]]
                parts.append(self._rows(number, enrolled.first_unit + chosen, named, times[chosen], rng))
        clean = join_assignments(parts)
        clean.number[:] = first_number + np.arange(len(clean), dtype=np.uint64)
        self._truth.assignment_buckets["accepted"] += len(clean)
        refused = self._refused(enrolled, rng)
        refused.number[:] = first_number + len(clean) + np.arange(len(refused), dtype=np.uint64)
        self._plant("rejected_assignment", refused)
        self._delay(clean, rng)
        copies = clean.take(hits(rng, len(clean), self._plan.faults.duplicate_assignment))
        later = copies.arrived_at + rng.integers(0, 3 * DAY_US, len(copies))
        copies.arrived_at[:] = np.minimum(later, self._plan.end_us - 1)
        self._truth.assignment_buckets["duplicate"] += len(copies)
        self._plant("duplicate_assignment", copies)
        return join_assignments([clean, refused, copies])

    def _refused(self, enrolled: Enrolled, rng: np.random.Generator) -> AssignmentRows:
        """Assignments of units outside the experiment that don't count: a display can't be credited by them."""
        parts = []
        for number, experiment in enumerate(self._experiments):
            outside = np.flatnonzero(enrolled.assigned_at[number] == NEVER)
            chosen = outside[hits(rng, len(outside), self._plan.faults.rejected_assignment)]
            is_unknown = rng.random(len(chosen)) < 0.5
            too_early = experiment.start_us - 1 - rng.integers(0, DAY_US, len(chosen))
            variation = np.where(is_unknown, len(self.variation_names) - 1, self._variations[number][0])
            assigned_at = np.where(is_unknown, experiment.start_us, too_early)
            parts.append(self._rows(number, enrolled.first_unit + chosen, variation, assigned_at, rng))
            self._truth.assignment_buckets["unknown_variation"] += int(is_unknown.sum())
            self._truth.assignment_buckets["before_start"] += int((~is_unknown).sum())
        return join_assignments(parts)

    def _delay(self, rows: AssignmentRows, rng: np.random.Generator) -> None:
        """Rows that arrive up to six days late, after displays that they decide about."""
        late = hits(rng, len(rows), self._plan.faults.late_assignment)
        days = (rows.arrived_at[late] - self._plan.start_us) // DAY_US
        arrival = np.minimum(days + rng.integers(1, _LONGEST_DELAY_DAYS + 1, len(late)), self._plan.days - 1)
        late, arrival = late[arrival > days], arrival[arrival > days]
        since_midnight = rng.integers(0, DAY_US, len(late))
        rows.arrived_at[late] = self._plan.start_us + arrival * DAY_US + since_midnight
        rows.ingested_at[late] = rows.arrived_at[late]
        self._plant("late_assignment", rows.take(late))

    def _rows(
        self,
        number: int,
        unit: NDArray[np.int64],
        variation: NDArray[np.int32] | NDArray[np.int64],
        assigned_at: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> AssignmentRows:
        day = np.maximum((assigned_at - self._plan.start_us) // DAY_US, 0)
        received = assigned_at + 5_000 + rng.integers(0, 2_000_000, len(assigned_at))
        day_end = self._plan.start_us + (day + 1) * DAY_US - 1
        received = np.clip(received, self._plan.start_us, day_end)
        return AssignmentRows(
            number=np.full(len(unit), NO_EVENT),
            experiment=np.full(len(unit), self._first_experiment + number, dtype=np.int32),
            unit=unit.astype(np.int32),
            variation=variation.astype(np.int32),
            assigned_at=assigned_at,
            ingested_at=received.copy(),
            arrived_at=received.copy(),
        )

    def _plant(self, fault: str, rows: AssignmentRows) -> None:
        self._truth.plant(
            fault, experiment=rows.experiment, unit=rows.unit, number=rows.number, arrived_at=rows.arrived_at
        )
