"""Which units of a shard are in which experiments with messages, since when, and in which variation.

The rows that say so are made in `enrollment_rows`; what becomes of the units is drawn in `displays`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US, NEVER
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.plan import SimulationPlan

_SHARE = 0.4
"""Share of all units in one of the two experiments of a source."""

_SHARES_OF_THE_OTHER = (0.3, 0.6)
"""Share in the second experiment, of the units that are not in the first one and of those that are."""

_ON_THE_EDGE = 0.03
"""Share of the assignments in the first, and again in the last, microsecond of a day."""

_UTC_TIME = pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Enrolled:
    """The assignments of a shard's units: one row of each array per experiment, one column per unit.

    Attributes:
        first_unit: Number of the first unit of the shard.
        assigned_at: The unit's earliest assignment; `NEVER` for a unit outside the experiment.
        variation: Number of the variation the unit was assigned to then.
        second_at: When the unit is assigned again; `NEVER` if it is not.
        second_variation: Number of the variation of that second assignment.
    """

    first_unit: int
    assigned_at: NDArray[np.int64]
    variation: NDArray[np.int8]
    second_at: NDArray[np.int64]
    second_variation: NDArray[np.int8]

    @property
    def unit_count(self) -> int:
        return self.assigned_at.shape[1]

    def units(self, experiment: int) -> NDArray[np.int64]:
        """Columns of the units in an experiment."""
        return np.flatnonzero(self.assigned_at[experiment] != NEVER)

    def frame(self, number: int, experiment: SimulatedExperiment) -> pl.DataFrame:
        """The canonical assignments of an experiment: `unit, variation_id, assigned_at` and what was counted."""
        chosen = self.units(number)
        has_second = self.second_at[number, chosen] != NEVER
        is_other = self.second_variation[number, chosen] != self.variation[number, chosen]
        variations = pl.Series([variation.id for variation in experiment.variations])
        return pl.DataFrame(
            {
                "unit": (self.first_unit + chosen).astype(np.int32),
                "variation_id": variations.gather(self.variation[number, chosen]),
                "assigned_at": pl.Series(self.assigned_at[number, chosen]).cast(_UTC_TIME),
                "assignment_count": pl.Series(1 + has_second.astype(np.int64)),
                "is_conflicting": pl.Series(has_second & is_other),
            }
        )


def enroll(
    plan: SimulationPlan,
    experiments: tuple[SimulatedExperiment, ...],
    first_unit: int,
    unit_count: int,
    rng: np.random.Generator,
) -> Enrolled:
    """Draw who is in which experiment, when, and who is assigned a second time."""
    shape = (len(experiments), unit_count)
    enrolled = Enrolled(
        first_unit,
        np.full(shape, NEVER, dtype=np.int64),
        np.zeros(shape, dtype=np.int8),
        np.full(shape, NEVER, dtype=np.int64),
        np.zeros(shape, dtype=np.int8),
    )
    for number, experiment in enumerate(experiments):
        draw = rng.random(unit_count)
        share: NDArray[np.float64] | float = _SHARE
        if number % 2 == 1:
            share = np.where(
                enrolled.assigned_at[number - 1] != NEVER, _SHARES_OF_THE_OTHER[1], _SHARES_OF_THE_OTHER[0]
            )
        chosen = np.flatnonzero(draw < share)
        end = min(experiment.enrollment_end_us or plan.end_us, plan.end_us)
        assigned_at = _times(experiment.start_us, end, len(chosen), rng)
        bounds = np.cumsum([variation.allocation for variation in experiment.variations])[:-1]
        variation = np.searchsorted(bounds, rng.random(len(chosen)), side="right").astype(np.int8)
        enrolled.assigned_at[number, chosen] = assigned_at
        enrolled.variation[number, chosen] = variation
        _assign_again(plan, enrolled, number, len(experiment.variations), end, rng)
    return enrolled


def _times(start: int, end: int, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Times in [start, end), earlier ones more often, some of them where one day turns into the next."""
    times = start + (rng.random(count) ** 1.3 * (end - start)).astype(np.int64)
    edge = rng.random(count)
    midnight = times // DAY_US * DAY_US
    times = np.where(edge < _ON_THE_EDGE, midnight, times)
    times = np.where(edge > 1 - _ON_THE_EDGE, midnight + DAY_US - 1, times)
    return np.clip(times, start, end - 1)


def _assign_again(
    plan: SimulationPlan,
    enrolled: Enrolled,
    number: int,
    variation_count: int,
    end: int,
    rng: np.random.Generator,
) -> None:
    """Second, later assignments: to another variation, or to the same."""
    units = enrolled.units(number)
    draw = rng.random(len(units))
    conflicting = plan.faults.conflicting_assignment
    chosen = units[draw < conflicting + plan.faults.repeated_assignment]
    is_other = draw[draw < conflicting + plan.faults.repeated_assignment] < conflicting
    first = enrolled.assigned_at[number, chosen]
    room = np.minimum(3 * DAY_US, end - 1 - first)
    has_room = room > 0
    chosen, is_other, first, room = chosen[has_room], is_other[has_room], first[has_room], room[has_room]
    enrolled.second_at[number, chosen] = first + 1 + (rng.random(len(chosen)) * room).astype(np.int64)
    enrolled.second_at[number, chosen] = np.minimum(enrolled.second_at[number, chosen], first + room)
    enrolled.second_variation[number, chosen] = (
        enrolled.variation[number, chosen] + is_other
    ) % variation_count
