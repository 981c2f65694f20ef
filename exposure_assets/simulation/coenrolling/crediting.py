"""Whom a well-spelled display credits, by what is known of its unit: the contract's rule, on arrays of plans.

How a display is misspelt, and what that leads to, stands in `spelling`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US, NEVER
from exposure_assets.simulation.coenrolling.enrolling import Enrolled
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.vocabulary import BUCKET_NUMBERS

DAYS_BEFORE_ASSIGNMENT = 7
"""So many days before its assignment a unit can already be shown its variation."""


@dataclass(frozen=True)
class Credit:
    """By display: the experiment it credits or names (-1: none), the variation (-1: none), and the bucket."""

    experiment: NDArray[np.int32]
    variation: NDArray[np.int8]
    bucket: NDArray[np.int8]


class Crediting:
    """The rules of the experiments with messages, applied to many displays at a time."""

    def __init__(self, plan: SimulationPlan, experiments: tuple[SimulatedExperiment, ...]) -> None:
        self._plan = plan
        self._grace = np.array([[experiment.grace_us] for experiment in experiments])
        self._first_days = np.array(
            [[experiment.start_day(plan) - DAYS_BEFORE_ASSIGNMENT] for experiment in experiments]
        )
        self._last_days = np.array([[experiment.last_accepted_day(plan)] for experiment in experiments])

    def observed(self, occurred_at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which experiments (rows) take exposures on the days of the displays (columns)."""
        day = (occurred_at - self._plan.start_us) // DAY_US
        return (self._first_days <= day) & (day <= self._last_days)

    def credit(
        self,
        enrolled: Enrolled,
        candidates: NDArray[np.bool_],
        unit: NDArray[np.int64],
        occurred_at: NDArray[np.int64],
        own_variation: NDArray[np.int8],
    ) -> Credit:
        """Whom the displays credit.

        Args:
            enrolled: The assignments of the units.
            candidates: Whether a display (column) may be one of an experiment (row).
            unit: Column of the unit in `enrolled`.
            occurred_at: When.
            own_variation: What the display or its part says; -1 where that is left to the assignment.
        """
        observed = self.observed(occurred_at)
        count = candidates.sum(axis=0)
        # What may be of several is of those that take exposures on its day.
        possible = candidates & (observed | (count == 1))
        possible_count = possible.sum(axis=0)
        is_assigned = possible & (enrolled.assigned_at[:, unit] - self._grace <= occurred_at)
        assigned_count = is_assigned.sum(axis=0)
        experiment = np.full(len(unit), -1, dtype=np.int32)
        is_certain = possible_count == 1
        for chosen, choices in ((is_certain, possible), (~is_certain & (assigned_count == 1), is_assigned)):
            experiment[chosen] = np.argmax(choices[:, chosen], axis=0)
        is_named = experiment >= 0
        assigned_at = np.full(len(unit), NEVER)
        variation = own_variation.copy()
        assigned_at[is_named] = enrolled.assigned_at[experiment[is_named], unit[is_named]]
        soon = (occurred_at // DAY_US + DAYS_BEFORE_ASSIGNMENT + 1) * DAY_US
        by_assignment = (own_variation < 0) & (assigned_at < soon)
        variation[by_assignment] = enrolled.variation[experiment[by_assignment], unit[by_assignment]]
        is_observed = np.zeros(len(unit), dtype=np.bool_)
        is_observed[is_named] = observed[experiment[is_named], np.flatnonzero(is_named)]
        bucket = np.select(
            [
                count == 0,
                possible_count == 0,
                ~is_named & (assigned_count > 1),
                ~is_named | (variation < 0),
                ~is_observed,
            ],
            [
                BUCKET_NUMBERS["unknown_experiment"],
                BUCKET_NUMBERS["outside_experiment"],
                BUCKET_NUMBERS["ambiguous_attribution"],
                BUCKET_NUMBERS["unassigned_unit"],
                BUCKET_NUMBERS["outside_experiment"],
            ],
            BUCKET_NUMBERS["accepted"],
        )
        return Credit(experiment, variation, bucket.astype(np.int8))
