"""What goes wrong with the rows about messages: misspelt, malformed, late, copied, and of days nobody observes.

Added rows are rejected or lose against the original, so that they change neither credit nor verdict.
"""

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US, UNKNOWN_TIME, hits
from exposure_assets.simulation.coenrolling.design import OFFERS, TIPS
from exposure_assets.simulation.coenrolling.display_rows import (
    NO_SOURCE,
    DisplayRows,
    join_displays,
)
from exposure_assets.simulation.coenrolling.spelling import MessageSpellings
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.identity import NO_EVENT
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.truth import Truth
from exposure_assets.simulation.vocabulary import BUCKET_NUMBERS, UNRELATED

_LONGEST_DELAY_DAYS = 3

_FARTHEST_DAYS = 5
"""How many days before the first, or after the last, accepted day a planted display may lie."""

_MISSING_COLUMNS = ("no event_id", "no unit_id", "no occurred_at")


class DisplayFaults:
    """Plants the plan's faults of rows into the displays of a shard, and tells the truth about them.

    Args:
        plan: The plan of the simulation.
        experiments: The experiments with messages.
        first_experiment: Number of the first of them among all experiments.
        spellings: Says what a template stands for.
        truth: Takes note.
    """

    def __init__(
        self,
        plan: SimulationPlan,
        experiments: tuple[SimulatedExperiment, ...],
        first_experiment: int,
        spellings: MessageSpellings,
        truth: Truth,
    ) -> None:
        self._plan = plan
        self._experiments = experiments
        self._first_experiment = first_experiment
        self._spellings = spellings
        self._truth = truth
        self._next_number = 0

    def spoil(
        self, displays: list[DisplayRows], others: DisplayRows, first_number: int, rng: np.random.Generator
    ) -> DisplayRows:
        """All rows of a shard, numbered from `first_number` on, each with the day on which it arrives.

        Args:
            displays: The displays of the shard.
            others: Its rows that no exposure source matches.
            first_number: Of the rows' numbers, of which their ids are made.
            rng: Draws.
        """
        clean = join_displays([*displays, others])
        clean.rows.number[:] = first_number + np.arange(len(clean), dtype=np.uint64)
        self._next_number = first_number + len(clean)
        added = [self._misspell(rows, rng) for rows in displays]
        for number in (TIPS, OFFERS):
            added += [self._leave(number, displays[number], rng), self._lose_a_column(displays[number], rng)]
        more = join_displays(added)
        self._delay(clean, rng)
        is_whole = more.rows.bucket != BUCKET_NUMBERS["malformed"]
        copies = self._repeat(join_displays([clean, more.take(is_whole)]), rng)
        return join_displays([clean, more, copies, self._contradict(clean, rng)])

    def _misspell(self, rows: DisplayRows, rng: np.random.Generator) -> DisplayRows:
        """Displays like some of these, all of one source, that nobody can be credited for because of what they say."""
        if len(rows) == 0:
            return rows
        parts = []
        spellings = self._spellings.misspelled[int(rows.source[0])]
        for fault in dict.fromkeys(spelling.fault for spelling in spellings):
            alike = [spelling for spelling in spellings if spelling.fault == fault]
            more = self._more(rows, getattr(self._plan.faults, fault), rng)
            choice = rng.integers(0, len(alike), len(more))
            for position, spelling in enumerate(alike):
                part = more.take(choice == position)
                part.rows.template[:] = spelling.template
                part.rows.bucket[:] = BUCKET_NUMBERS[fault]
                part.experiment[:] = spelling.experiment
                part.variation[:] = -1
                self._plant(fault, part, spelling.detail)
                parts.append(part)
        return join_displays(parts)

    def _more(self, rows: DisplayRows, rate: float, rng: np.random.Generator) -> DisplayRows:
        """New displays like some of these, at the same time."""
        more = rows.take(hits(rng, len(rows), rate))
        more.rows.number[:] = self._next_number + np.arange(len(more), dtype=np.uint64)
        self._next_number += len(more)
        return more

    def _leave(self, number: int, rows: DisplayRows, rng: np.random.Generator) -> DisplayRows:
        """Displays of days on which the experiment takes none; they say the variation: only the day is wrong."""
        more = self._more(rows, self._plan.faults.outside_experiment, rng)
        experiment = self._experiments[number]
        first, last = experiment.start_day(self._plan) - 7, experiment.last_accepted_day(self._plan)
        distance = rng.integers(1, _FARTHEST_DAYS + 1, len(more))
        after = np.minimum(last + distance, self._plan.days - 1)
        is_after = (after > last) & (rng.random(len(more)) < 0.7)
        day = np.where(is_after, after, first - distance)
        moment = self._plan.start_us + day * DAY_US + rng.integers(0, DAY_US, len(more))
        more.rows.occurred_at[:] = moment
        more.rows.arrived_at[:] = np.where(
            day >= 0, np.maximum(moment, more.rows.arrived_at), more.rows.arrived_at
        )
        more.rows.ingested_at[:] = more.rows.arrived_at
        shown = rng.integers(0, len(experiment.variations), len(more)).astype(np.int8)
        more.rows.template[:] = self._spellings.slug[number, shown + 1]
        more.rows.bucket[:] = BUCKET_NUMBERS["outside_experiment"]
        more.experiment[:], more.variation[:] = number, shown
        self._plant("outside_experiment", more)
        return more

    def _lose_a_column(self, rows: DisplayRows, rng: np.random.Generator) -> DisplayRows:
        """Displays without an id, a unit or a time; recorded before what names them is lost."""
        more = self._more(rows, self._plan.faults.malformed, rng)
        kind = rng.integers(0, len(_MISSING_COLUMNS), len(more))
        more.rows.bucket[:] = BUCKET_NUMBERS["malformed"]
        more.variation[:] = -1
        more.rows.number[kind == 0] = NO_EVENT
        for position, detail in enumerate(_MISSING_COLUMNS):
            self._plant("malformed", more.take(kind == position), detail)
        more.rows.unit[kind == 1] = -1
        more.rows.occurred_at[kind == 2] = UNKNOWN_TIME
        return more

    def _delay(self, rows: DisplayRows, rng: np.random.Generator) -> None:
        """Rows that are received one to three days after they were sent."""
        chosen = hits(rng, len(rows), self._plan.faults.late_arrival)
        day = self._days(rows.rows.arrived_at[chosen])
        days = np.minimum(day + rng.integers(1, _LONGEST_DELAY_DAYS + 1, len(chosen)), self._plan.days - 1)
        chosen, days = chosen[days > day], days[days > day]
        rows.rows.arrived_at[chosen] = self._moments(days, rng)
        rows.rows.ingested_at[chosen] = rows.rows.arrived_at[chosen]
        self._plant("late_arrival", rows.take(chosen))

    def _repeat(self, rows: DisplayRows, rng: np.random.Generator) -> DisplayRows:
        """The same rows once more, up to two days later."""
        copies = rows.take(hits(rng, len(rows), self._plan.faults.duplicate_event))
        first_day = self._days(copies.rows.arrived_at)
        days = np.minimum(first_day + rng.integers(0, 3, len(copies)), self._plan.days - 1)
        later = self._moments(days, rng)
        arrived_at = copies.rows.arrived_at
        arrived_at[:] = np.where(days == first_day, np.maximum(later, arrived_at), later)
        self._mark_as_copies(copies)
        self._plant("duplicate_event", copies)
        return copies

    def _contradict(self, rows: DisplayRows, rng: np.random.Generator) -> DisplayRows:
        """Rows with an id already used that say something else, and always lose.

        They claim a later time, up to a day later, or the same time and a later receipt; they may arrive before the
        row they contradict. A display with a slug names the other experiment.
        """
        is_slug = (rows.source == 0) & (rows.experiment >= 0)
        rows = rows.take(is_slug | (rows.source == NO_SOURCE))
        copies = rows.take(hits(rng, len(rows), self._plan.faults.conflicting_copy))
        shifts = np.array([3_600_000_000, DAY_US, 0])[rng.integers(0, 3, len(copies))]
        claimed = copies.rows.occurred_at + shifts
        occurred_at = copies.rows.occurred_at
        occurred_at[:] = np.where(claimed < self._plan.end_us, claimed, occurred_at)
        copies.rows.ingested_at += rng.integers(1, 60_000_000, len(copies))
        days = self._days(copies.rows.arrived_at) + rng.integers(-1, 3, len(copies))
        copies.rows.arrived_at[:] = self._moments(np.clip(days, 0, self._plan.days - 1), rng)
        copies.rows.value[:] = np.round(copies.rows.value * 2 + 1, 2)
        named = copies.source == 0
        other = 1 - copies.experiment[named]
        copies.rows.template[named] = self._spellings.slug[other, 0]
        copies.experiment[named] = other
        self._mark_as_copies(copies)
        self._plant("conflicting_copy", copies)
        return copies

    def _mark_as_copies(self, copies: DisplayRows) -> None:
        buckets = copies.rows.bucket
        buckets[buckets != UNRELATED] = BUCKET_NUMBERS["duplicate"]
        copies.variation[:] = -1

    def _plant(self, fault: str, displays: DisplayRows, detail: str = "") -> None:
        rows, number = displays.rows, displays.experiment
        self._truth.plant(
            fault,
            experiment=np.where(number >= 0, number + self._first_experiment, -1).astype(np.int32),
            unit=rows.unit,
            number=rows.number,
            arrived_at=rows.arrived_at,
            detail=detail,
        )

    def _days(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        return (times - self._plan.start_us) // DAY_US

    def _moments(self, days: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        return self._plan.start_us + days * DAY_US + rng.integers(0, DAY_US, len(days))
