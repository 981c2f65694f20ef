"""What is displayed to the units of a shard, and whom it credits, before anything goes wrong with the rows.

Displays that nobody can be credited for arise here too, where units are not assigned or in two experiments.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US, NEVER, hits
from exposure_assets.simulation.coenrolling.crediting import DAYS_BEFORE_ASSIGNMENT, Crediting
from exposure_assets.simulation.coenrolling.design import (
    DIGEST,
    OFFERS,
    PARTS,
    PIN,
    RATING,
    SOURCE_OF,
    SURVEY,
    TIPS,
)
from exposure_assets.simulation.coenrolling.display_rows import DisplayRows, new_rows
from exposure_assets.simulation.coenrolling.enrolling import Enrolled
from exposure_assets.simulation.coenrolling.spelling import MessageSpellings
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.plan import SimulationPlan

Columns = NDArray[np.int64]

_NAMES_ITS_VARIATION = 0.12
"""Share of the displays with a slug that say the variation too, as newer clients do."""

_DISPLAYS_OF_ALL = 0.2
"""Displays, per unit, of a message that several experiments have in common."""

_ON_THE_BOUND = 0.02
"""Share of the units with a display exactly at the first instant of their assignment, and of those just before."""


@dataclass(frozen=True)
class _Planned:
    """Displays before they are credited; `unit` are columns of the shard, `own_variation` -1 if it is not said."""

    unit: Columns
    template: NDArray[np.int32]
    occurred_at: Columns
    candidates: NDArray[np.bool_]
    own_variation: NDArray[np.int8]
    source: int


class Displays:
    """Makes the displays of one shard after another."""

    def __init__(
        self,
        plan: SimulationPlan,
        experiments: tuple[SimulatedExperiment, ...],
        spellings: MessageSpellings,
    ) -> None:
        self._plan = plan
        self._experiments = experiments
        self._spellings = spellings
        self._crediting = Crediting(plan, experiments)

    def of(self, enrolled: Enrolled, rng: np.random.Generator) -> list[DisplayRows]:
        """All displays of a shard's units by source, with their buckets, still without numbers."""
        planned = [
            *(self._of_slug(number, enrolled, rng) for number in (TIPS, OFFERS)),
            *(self._of_part(number, enrolled, rng) for number in (RATING, DIGEST)),
            self._of_shared_part(enrolled, rng),
            self._of_message(enrolled, rng),
        ]
        return [self._credited(displays, enrolled, rng) for displays in planned]

    def _credited(self, planned: _Planned, enrolled: Enrolled, rng: np.random.Generator) -> DisplayRows:
        """The planned displays inside the simulated days; some clocks are a day or two ahead."""
        sent_at, occurred_at = planned.occurred_at, planned.occurred_at.copy()
        ahead = hits(rng, len(sent_at), self._plan.faults.early_arrival)
        shifted = occurred_at[ahead] + rng.integers(1, 3, len(ahead)) * DAY_US
        occurred_at[ahead] = np.where(shifted < self._plan.end_us, shifted, occurred_at[ahead])
        inside = np.flatnonzero((sent_at >= self._plan.start_us) & (sent_at < self._plan.end_us))
        unit, occurred_at = planned.unit[inside], occurred_at[inside]
        credit = self._crediting.credit(
            enrolled, planned.candidates[:, inside], unit, occurred_at, planned.own_variation[inside]
        )
        rows = new_rows(
            self._plan,
            unit=enrolled.first_unit + unit,
            template=planned.template[inside],
            occurred_at=occurred_at,
            sent_at=sent_at[inside],
            bucket=credit.bucket,
            rng=rng,
        )
        source = np.full(len(inside), planned.source, dtype=np.int8)
        return DisplayRows(rows, source, credit.experiment, credit.variation)

    def _of_slug(self, number: int, enrolled: Enrolled, rng: np.random.Generator) -> _Planned:
        unit, occurred_at = self._seen(number, enrolled, rng)
        shown = enrolled.variation[number, unit].astype(np.int64)
        count = len(self._experiments[number].variations)
        is_other = rng.random(len(unit)) < self._plan.faults.variation_mismatch
        shown = np.where(is_other, (shown + 1) % count, shown)
        is_named = (rng.random(len(unit)) < _NAMES_ITS_VARIATION) | is_other
        own = np.where(is_named, shown, -1).astype(np.int8)
        template = self._spellings.slug[number, own + 1]
        return self._planned((number,), unit, template, occurred_at, own)

    def _of_part(self, number: int, enrolled: Enrolled, rng: np.random.Generator) -> _Planned:
        unit, occurred_at = self._seen(number, enrolled, rng)
        choices = np.array([n for n, part in enumerate(PARTS) if part.experiments == (number,)])
        says = np.array([part.variation for part in PARTS], dtype=np.int8)
        # A part that says its variation is displayed to the units of that variation, and to some that are in none.
        choice = choices[(rng.random(len(unit)) ** 2 * len(choices)).astype(np.int64)]
        fits = (says[choice] < 0) | (says[choice] == enrolled.variation[number, unit])
        fits |= enrolled.assigned_at[number, unit] == NEVER
        choice = np.where(fits, choice, choices[0])
        return self._planned((number,), unit, self._spellings.parts[choice], occurred_at, says[choice])

    def _of_shared_part(self, enrolled: Enrolled, rng: np.random.Generator) -> _Planned:
        shared = next(n for n, part in enumerate(PARTS) if len(part.experiments) > 1)
        unit, occurred_at = self._at_any_time(PARTS[shared].experiments, enrolled, rng)
        template = np.full(len(unit), self._spellings.parts[shared], dtype=np.int32)
        return self._planned(PARTS[shared].experiments, unit, template, occurred_at)

    def _of_message(self, enrolled: Enrolled, rng: np.random.Generator) -> _Planned:
        seen = [
            *(self._seen(number, enrolled, rng) for number in (SURVEY, PIN)),
            self._at_any_time((SURVEY, PIN), enrolled, rng),
        ]
        unit, occurred_at = (np.concatenate(arrays) for arrays in zip(*seen, strict=True))
        template = np.full(len(unit), self._spellings.message, dtype=np.int32)
        planned = self._planned((SURVEY, PIN), unit, template, occurred_at)
        # What is under experiment on a day, nobody but the day can say.
        planned.candidates[:] &= self._crediting.observed(occurred_at)
        return planned

    def _planned(
        self,
        candidates: tuple[int, ...],
        unit: Columns,
        template: NDArray[np.int32],
        occurred_at: Columns,
        own_variation: NDArray[np.int8] | None = None,
    ) -> _Planned:
        may_be = np.zeros((len(self._experiments), len(unit)), dtype=np.bool_)
        may_be[list(candidates)] = True
        own = np.full(len(unit), -1, dtype=np.int8) if own_variation is None else own_variation
        return _Planned(unit, template, occurred_at, may_be, own, SOURCE_OF[candidates[0]])

    def _seen(self, number: int, enrolled: Enrolled, rng: np.random.Generator) -> tuple[Columns, Columns]:
        """When which units are shown the message of an experiment: assigned ones, and some that are not."""
        plan, grace = self._plan, self._experiments[number].grace_us
        units = enrolled.units(number)
        units = units[rng.random(len(units)) >= plan.faults.no_exposure]
        assigned_at = enrolled.assigned_at[number, units]
        window = self._experiments[number].max_days_after_assignment * DAY_US
        delay = rng.lognormal(np.log(20 * 60e6), 2.0, len(units)).astype(np.int64)
        delay = np.where(delay > 2 * window, (rng.random(len(units)) * window).astype(np.int64), delay)
        place = rng.random(len(units))
        delay = np.where(place < _ON_THE_BOUND, -grace, delay)
        delay = np.where(place > 1 - _ON_THE_BOUND / 2, window, delay)
        first_at = assigned_at + delay
        again = np.repeat(np.arange(len(units)), rng.geometric(0.35, len(units)) - 1)
        again_at = first_at[again] + (rng.standard_exponential(len(again)) * 2 * DAY_US).astype(np.int64)
        early = hits(rng, len(units), plan.faults.pre_assignment_exposure)
        early_at = assigned_at[early] - grace - 1
        early_at -= (rng.random(len(early)) ** 3 * 6 * DAY_US).astype(np.int64)
        long_before = hits(rng, len(units), plan.faults.pre_assignment_exposure)
        # So early that an assignment could not be told from none, and in the last instant of such a day.
        too_soon = assigned_at[long_before] // DAY_US * DAY_US - DAYS_BEFORE_ASSIGNMENT * DAY_US - 1
        too_soon -= ((rng.random(len(long_before)) * 2 - 1).clip(0) * 3 * DAY_US).astype(np.int64)
        just_in_time = hits(rng, len(units), plan.faults.pre_assignment_exposure / 4)
        in_time_at = (assigned_at[just_in_time] // DAY_US - DAYS_BEFORE_ASSIGNMENT) * DAY_US
        strangers = np.flatnonzero(enrolled.assigned_at[number] == NEVER)
        strangers = strangers[hits(rng, len(strangers), plan.faults.unassigned_exposure)]
        start = self._experiments[number].start_us
        strange_at = start + (rng.random(len(strangers)) * max(plan.end_us - start, 1)).astype(np.int64)
        return (
            np.concatenate(
                [units, units[again], units[early], units[long_before], units[just_in_time], strangers]
            ),
            np.concatenate([first_at, again_at, early_at, too_soon, in_time_at, strange_at]),
        )

    def _at_any_time(
        self, numbers: tuple[int, ...], enrolled: Enrolled, rng: np.random.Generator
    ) -> tuple[Columns, Columns]:
        """Displays to any units at any time, some of them exactly where an assignment begins to count."""
        counts = rng.poisson(_DISPLAYS_OF_ALL, enrolled.unit_count)
        unit = [np.repeat(np.arange(enrolled.unit_count), counts)]
        span = self._plan.end_us - self._plan.start_us
        times = [self._plan.start_us + (rng.random(len(unit[0])) * span).astype(np.int64)]
        for number in numbers:
            chosen = enrolled.units(number)
            for before in (0, 1):
                edge = chosen[hits(rng, len(chosen), _ON_THE_BOUND)]
                unit.append(edge)
                times.append(enrolled.assigned_at[number, edge] - self._experiments[number].grace_us - before)
        return np.concatenate(unit), np.concatenate(times)
