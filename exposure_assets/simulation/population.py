"""Who is assigned to an experiment, when, and what becomes of them: the plan of every unit's exposures.

A unit's verdict is settled here, by what is planned for it; the rows that carry it out are made elsewhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exposure_assets.contracts import VALIDATION_STATUSES
from exposure_assets.simulation.clock import DAY_US, NEVER, uniform_between
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.plan import UNIT_FAULTS, SimulationPlan

Times = NDArray[np.int64]
Units = NDArray[np.int32]

NO_FAULT = len(UNIT_FAULTS)
_FAULT_NUMBERS = {fault: number for number, fault in enumerate(UNIT_FAULTS)}

STATUS_NUMBERS = {status: number for number, status in enumerate(VALIDATION_STATUSES)}

_BOUNDARY_SHARE = 0.002
"""Share of the units exposed exactly at the first valid instant, and of those exactly at the last."""


@dataclass(frozen=True)
class Recruits:
    """The assigned units of one experiment; the arrays run in parallel, in the order of the units' numbers.

    Attributes:
        unit: Number of the unit.
        variation: Number of the variation the unit is assigned to.
        assigned_at: When; the earliest assignment of the unit.
        shown: Number of the variation the unit is shown.
        first_at: First exposure from the start of the grace on; `NEVER` without one in the simulated days.
        rate: Relative number of repeated exposures per day; heavy-tailed.
        fault: Number of the unit's fault in `UNIT_FAULTS`, or `NO_FAULT`.
        extra_at: One more exposure: before the assignment, or of another variation; `NEVER` without one.
        extra_shown: Number of the variation of that exposure.
        second_at: When the unit is assigned again; `NEVER` if it is not.
        second_variation: Number of the variation of that second assignment.
        strangers: Units exposed without being assigned, and `strangers_at` when; variation 0.
    """

    unit: Units
    variation: NDArray[np.int8]
    assigned_at: Times
    shown: NDArray[np.int8]
    first_at: Times
    rate: NDArray[np.float32]
    fault: NDArray[np.int8]
    extra_at: Times
    extra_shown: NDArray[np.int8]
    second_at: Times
    second_variation: NDArray[np.int8]
    strangers: Units
    strangers_at: Times


def recruit(plan: SimulationPlan, experiment: SimulatedExperiment, rng: np.random.Generator) -> Recruits:
    """Draw the units of an experiment with their assignments, their exposures and at most one fault each."""
    share = min(0.6, 3.0 / plan.experiments)
    is_recruit = rng.random(plan.units, dtype=np.float32) < share
    if not is_recruit.any():
        is_recruit[0] = True
    unit = np.flatnonzero(is_recruit).astype(np.int32)
    count = len(unit)
    variation_count = len(experiment.variations)
    bounds = np.cumsum([variation.allocation for variation in experiment.variations])[:-1]
    variation = np.searchsorted(bounds, rng.random(count), side="right").astype(np.int8)
    assigned_at = _assignment_times(plan, experiment, count, rng)
    first_at = _exposure_times(plan, experiment, assigned_at, rng)
    other = ((variation + 1 + rng.integers(0, variation_count - 1, count)) % variation_count).astype(np.int8)

    wanted = _wanted_faults(plan, count, rng)
    shown, fault = variation.copy(), np.full(count, NO_FAULT, dtype=np.int8)
    extra_at, second_at = np.full(count, NEVER), np.full(count, NEVER)
    extra_shown, second_variation = variation.copy(), variation.copy()

    def plant(name: str, low: Times, high: Times) -> tuple[NDArray[np.int64], Times, Times]:
        """Units that are to carry the fault and have room for it in [low, high), with that room."""
        chosen = np.flatnonzero((wanted == _FAULT_NUMBERS[name]) & (low < high))
        fault[chosen] = _FAULT_NUMBERS[name]
        return chosen, low[chosen], high[chosen]

    day_start = (assigned_at - plan.start_us) // DAY_US * DAY_US + plan.start_us
    observed_until = np.minimum(day_start + (experiment.observe_days + 1) * DAY_US, plan.end_us)
    always = (np.zeros(count, dtype=np.int64), np.ones(count, dtype=np.int64))

    chosen, _, _ = plant("no_exposure", *always)
    first_at[chosen] = NEVER

    grace_start = assigned_at - experiment.grace_us
    chosen, low, high = plant(
        "pre_assignment_exposure", np.maximum(day_start - 7 * DAY_US, plan.start_us), grace_start
    )
    # From the end of the room backwards: most exposures that come too early come shortly before.
    extra_at[chosen] = high - 1 - (uniform_between(rng, low, high, skew=4.0) - low)
    extra_at[chosen[::4]] = high[::4] - 1
    # A third of them is exposed after the assignment as well, and therefore valid all the same.
    without_later = rng.random(len(chosen)) < 2 / 3
    first_at[chosen[without_later]] = NEVER

    window_end = assigned_at + experiment.max_days_after_assignment * DAY_US
    chosen, low, high = plant("exposure_outside_window", window_end + 1, observed_until)
    first_at[chosen] = uniform_between(rng, low, high)
    first_at[chosen[::4]] = low[::4]

    chosen, _, _ = plant("variation_mismatch", first_at, np.full(count, NEVER))
    shown[chosen] = other[chosen]

    soon_after = np.minimum(first_at, plan.end_us) + 2 * DAY_US
    chosen, low, high = plant("crossover", first_at, np.minimum(soon_after, observed_until - 1))
    low, high = low + 1, high + 1
    extra_at[chosen] = uniform_between(rng, low, high)
    extra_shown[chosen] = other[chosen]

    accepted_until = np.minimum(np.int64(experiment.enrollment_end_us or plan.end_us), plan.end_us)
    again_until = np.minimum(assigned_at + 3 * DAY_US, accepted_until)
    for name in ("conflicting_assignment", "repeated_assignment"):
        chosen, low, high = plant(name, assigned_at + 1, again_until)
        second_at[chosen] = uniform_between(rng, low, high)
        if name == "conflicting_assignment":
            second_variation[chosen] = other[chosen]

    rate = np.minimum(rng.lognormal(0.0, 1.2, count), 40.0).astype(np.float32)
    strangers, strangers_at = _strangers(plan, experiment, is_recruit, rng)
    return Recruits(
        unit,
        variation,
        assigned_at,
        shown,
        first_at,
        rate,
        fault,
        extra_at,
        extra_shown,
        second_at,
        second_variation,
        strangers,
        strangers_at,
    )


def verdicts(recruits: Recruits, experiment: SimulatedExperiment) -> NDArray[np.int8]:
    """The validation status that each unit's plan leads to, as a number of `VALIDATION_STATUSES`."""
    was_exposed = recruits.first_at != NEVER
    status = np.where(was_exposed, STATUS_NUMBERS["valid"], STATUS_NUMBERS["no_exposure"]).astype(np.int8)

    def carry(fault: str) -> NDArray[np.bool_]:
        return recruits.fault == _FAULT_NUMBERS[fault]

    status[carry("pre_assignment_exposure") & ~was_exposed] = STATUS_NUMBERS["pre_assignment_exposure"]
    status[carry("exposure_outside_window")] = STATUS_NUMBERS["exposure_outside_window"]
    status[carry("variation_mismatch")] = STATUS_NUMBERS["variation_mismatch"]
    if experiment.crossover_policy == "exclude":
        status[carry("crossover")] = STATUS_NUMBERS["crossover"]
    return status


def _assignment_times(
    plan: SimulationPlan, experiment: SimulatedExperiment, count: int, rng: np.random.Generator
) -> Times:
    start = experiment.start_us
    end = min(experiment.enrollment_end_us or plan.end_us, plan.end_us)
    times = start + (rng.random(count) ** 1.3 * (end - start)).astype(np.int64)
    times[0] = start
    times[count // 2] = end - 1
    return times


def _exposure_times(
    plan: SimulationPlan, experiment: SimulatedExperiment, assigned_at: Times, rng: np.random.Generator
) -> Times:
    """First exposures: mostly within the hour, some days later, all of them inside the window."""
    count = len(assigned_at)
    window = experiment.max_days_after_assignment * DAY_US
    delay = rng.lognormal(np.log(20 * 60e6), 2.0, count)
    delay = np.where(delay > window, rng.random(count) * window, delay).astype(np.int64)
    place = rng.random(count, dtype=np.float32)
    delay = np.where(place < 0.01, -(rng.random(count) * experiment.grace_us).astype(np.int64), delay)
    delay[place > 1 - _BOUNDARY_SHARE] = window
    delay[(place > 1 - 2 * _BOUNDARY_SHARE) & (place <= 1 - _BOUNDARY_SHARE)] = -experiment.grace_us
    times = np.maximum(assigned_at + delay, plan.start_us)
    times[times >= plan.end_us] = NEVER
    return times


def _wanted_faults(plan: SimulationPlan, count: int, rng: np.random.Generator) -> NDArray[np.int8]:
    bounds = np.cumsum([getattr(plan.faults, fault) for fault in UNIT_FAULTS])
    # Rates of 1 in total leave nobody out: the last bound may fall short of 1 by rounding.
    bounds = np.where(np.abs(bounds - 1.0) < 1e-9, 1.0, bounds)
    return np.searchsorted(bounds, rng.random(count), side="right").astype(np.int8)


def _strangers(
    plan: SimulationPlan,
    experiment: SimulatedExperiment,
    is_recruit: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Units, Times]:
    """Units that are never assigned and yet exposed one to three times each, while the experiment runs."""
    outsiders = np.flatnonzero(~is_recruit).astype(np.int32)
    wanted = min(len(outsiders), int(rng.binomial(int(is_recruit.sum()), plan.faults.unassigned_exposure)))
    units = np.repeat(rng.choice(outsiders, wanted, replace=False), rng.integers(1, 4, wanted))
    end = plan.start_us + (experiment.end_day(plan) + 1) * DAY_US
    low = np.full(len(units), experiment.start_us)
    return units, uniform_between(rng, low, np.full(len(units), end))
