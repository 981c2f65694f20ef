"""The rows of `assignments`, day by day: the planned assignments, and what goes wrong with their rows.

Who is assigned to what is planned in `population`; an added row is rejected or a copy, and changes no unit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US, NEVER, UNKNOWN_TIME, hits
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.identity import FIRST_ASSIGNMENT_NUMBER, NO_EVENT
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.population import Recruits
from exposure_assets.simulation.rows import AssignmentRows, join_assignments
from exposure_assets.simulation.truth import Truth

_REJECTIONS = ("unknown_experiment", "unknown_variation", "before_start", "after_enrollment")

_MISSING = ("no experiment_id", "no unit_id", "no variation_id", "no assigned_at")


@dataclass(frozen=True)
class _Planned:
    """An experiment's assignments in the order of time; those before day d are the first `bounds[d]`."""

    unit: NDArray[np.int32]
    variation: NDArray[np.int8]
    assigned_at: NDArray[np.int64]
    bounds: NDArray[np.int64]


class AssignmentStream:
    """Makes the assignment rows of one arrival day after another; keeps those that arrive later.

    Every fourth experiment sends no event ids: its rows are told apart by all their fields.
    """

    def __init__(
        self, plan: SimulationPlan, experiments: tuple[SimulatedExperiment, ...], truth: Truth
    ) -> None:
        self._plan = plan
        self._experiments = experiments
        self._truth = truth
        self._next_number = FIRST_ASSIGNMENT_NUMBER
        self._later: dict[int, list[AssignmentRows]] = {}
        ids = [experiment.id for experiment in experiments]
        self.experiment_names = [*ids, "retired-banner", *(id.upper() for id in ids)]
        self.variation_names = [
            variation.id for experiment in experiments for variation in experiment.variations
        ]
        self._first_variation = np.cumsum([0] + [len(experiment.variations) for experiment in experiments])
        self._unknown_variation = len(self.variation_names)
        self.variation_names.append("treatment-9")
        self._starts = np.array([experiment.start_us for experiment in experiments])
        self._enrollment_ends = np.array(
            [experiment.enrollment_end_us or NEVER for experiment in experiments], dtype=np.int64
        )
        self._planned: list[_Planned] = []

    def add(self, recruits: Recruits) -> None:
        """Take over the planned assignments of the next experiment, second ones included."""
        again = recruits.second_at != NEVER
        times = np.concatenate([recruits.assigned_at, recruits.second_at[again]])
        units = np.concatenate([recruits.unit, recruits.unit[again]])
        variations = np.concatenate([recruits.variation, recruits.second_variation[again]])
        order = np.argsort(times, kind="stable")
        day_starts = self._plan.start_us + np.arange(self._plan.days + 1) * DAY_US
        bounds = np.searchsorted(times[order], day_starts)
        self._planned.append(_Planned(units[order], variations[order], times[order], bounds))

    def day(self, day: int, rng: np.random.Generator) -> AssignmentRows:
        """All rows that arrive on a day, in the order of arrival. Days have to be asked for in order."""
        rows = join_assignments([self._clean(number, day, rng) for number in range(len(self._planned))])
        self._truth.assignment_buckets["accepted"] += len(rows)
        added = join_assignments([self._rejected(rows, rng), self._malformed(rows, rng)])
        self._delay(rows, day, rng)
        copies = self._repeated(rows, rng)
        arriving = self._arriving(join_assignments([rows, added, copies]), day)
        return arriving.take(np.argsort(arriving.arrived_at, kind="stable"))

    def _clean(self, number: int, day: int, rng: np.random.Generator) -> AssignmentRows:
        planned = self._planned[number]
        today = slice(int(planned.bounds[day]), int(planned.bounds[day + 1]))
        unit, assigned_at = planned.unit[today], planned.assigned_at[today]
        count = len(unit)
        delay = (rng.standard_exponential(count, dtype=np.float32) * np.float32(0.4e6)).astype(np.int64)
        received = np.minimum(assigned_at + delay + 5_000, self._plan.start_us + (day + 1) * DAY_US - 1)
        has_ids = number % 4 != 3
        return AssignmentRows(
            number=self._numbers(count) if has_ids else np.full(count, NO_EVENT),
            experiment=np.full(count, number, dtype=np.int32),
            unit=unit,
            variation=(planned.variation[today] + self._first_variation[number]).astype(np.int32),
            assigned_at=assigned_at,
            ingested_at=received,
            arrived_at=received,
        )

    def _more(self, rows: AssignmentRows, rate: float, rng: np.random.Generator) -> AssignmentRows:
        more = rows.take(hits(rng, len(rows), rate))
        has_id = more.number != NO_EVENT
        more.number[has_id] = self._numbers(int(has_id.sum()))
        return more

    def _rejected(self, rows: AssignmentRows, rng: np.random.Generator) -> AssignmentRows:
        """Additional rows with a reason to be rejected, of assigned units: accepting one would show."""
        added = self._more(rows, self._plan.faults.rejected_assignment, rng)
        experiment = added.experiment.copy()
        reason = rng.integers(0, len(_REJECTIONS), len(added))
        # Before its end is simulated, or without one, nothing can come after it.
        reason[(reason == 3) & (self._enrollment_ends[experiment] >= self._plan.end_us)] = 2
        is_upper = rng.random(len(added)) < 0.5
        unknown = np.where(is_upper, experiment + len(self._experiments) + 1, len(self._experiments))
        added.experiment[:] = np.where(reason == 0, unknown, experiment)
        added.variation[reason == 1] = self._unknown_variation
        distance = rng.integers(0, DAY_US, len(added))
        distance[rng.random(len(added)) < 0.25] = 0
        before = self._starts[experiment] - 1 - distance
        after = np.minimum(
            np.minimum(self._enrollment_ends[experiment], NEVER - DAY_US) + distance, self._plan.end_us - 1
        )
        added.assigned_at[reason == 2] = before[reason == 2]
        added.assigned_at[reason == 3] = after[reason == 3]
        added.arrived_at[reason == 3] = after[reason == 3]
        added.ingested_at[:] = added.arrived_at
        for number, bucket in enumerate(_REJECTIONS):
            chosen = added.take(reason == number)
            self._truth.assignment_buckets[bucket] += len(chosen)
            self._plant("rejected_assignment", chosen, experiment[reason == number], bucket)
        return added

    def _malformed(self, rows: AssignmentRows, rng: np.random.Generator) -> AssignmentRows:
        added = self._more(rows, self._plan.faults.malformed_assignment, rng)
        kind = rng.integers(0, len(_MISSING), len(added))
        for number, detail in enumerate(_MISSING):
            chosen = added.take(kind == number)
            self._plant("malformed_assignment", chosen, chosen.experiment, detail)
        self._truth.assignment_buckets["malformed"] += len(added)
        for number, column in enumerate((added.experiment, added.unit, added.variation)):
            column[kind == number] = -1
        added.assigned_at[kind == 3] = UNKNOWN_TIME
        return added

    def _delay(self, rows: AssignmentRows, day: int, rng: np.random.Generator) -> None:
        chosen = hits(rng, len(rows), self._plan.faults.late_assignment)
        days = np.minimum(day + rng.integers(1, 4, len(chosen)), self._plan.days - 1)
        chosen, days = chosen[days > day], days[days > day]
        rows.arrived_at[chosen] = self._plan.start_us + days * DAY_US + rng.integers(0, DAY_US, len(chosen))
        rows.ingested_at[chosen] = rows.arrived_at[chosen]
        late = rows.take(chosen)
        self._plant("late_assignment", late, late.experiment)

    def _repeated(self, rows: AssignmentRows, rng: np.random.Generator) -> AssignmentRows:
        """The same rows once more, up to two days later; without an event id only all fields show it."""
        copies = rows.take(hits(rng, len(rows), self._plan.faults.duplicate_assignment))
        later = copies.arrived_at + rng.integers(0, 3 * DAY_US, len(copies))
        copies.arrived_at[:] = np.minimum(later, self._plan.end_us - 1)
        self._truth.assignment_buckets["duplicate"] += len(copies)
        self._plant("duplicate_assignment", copies, copies.experiment)
        return copies

    def _arriving(self, rows: AssignmentRows, day: int) -> AssignmentRows:
        """Rows of today, earlier ones that arrive today among them; the rest waits for its day."""
        arrival = (rows.arrived_at - self._plan.start_us) // DAY_US
        for later in np.unique(arrival[arrival > day]).tolist():
            self._later.setdefault(later, []).append(rows.take(arrival == later))
        return join_assignments([rows.take(arrival == day), *self._later.pop(day, [])])

    def _plant(
        self, fault: str, rows: AssignmentRows, experiment: NDArray[np.int32], detail: str = ""
    ) -> None:
        self._truth.plant(
            fault,
            experiment=experiment,
            unit=rows.unit,
            number=rows.number,
            arrived_at=rows.arrived_at,
            detail=detail,
        )

    def _numbers(self, count: int) -> NDArray[np.uint64]:
        first, self._next_number = self._next_number, self._next_number + count
        return np.arange(first, self._next_number, dtype=np.uint64)
