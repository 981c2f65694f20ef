"""What goes wrong with the rows of `events` on their way: late, early, copied and rejected rows.

No fault planted here changes the verdict of a unit: added rows are rejected, or lose against the original.
"""

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US, UNKNOWN_TIME, hits, uniform_between
from exposure_assets.simulation.events import CleanDay
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.identity import NO_EVENT
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.rows import EventRows, join_events
from exposure_assets.simulation.truth import Truth
from exposure_assets.simulation.vocabulary import ATTRIBUTES, BUCKET_NUMBERS, UNRELATED, Vocabulary

Positions = NDArray[np.int64]

_LONGEST_DELAY_DAYS = 3

_ATTRIBUTION_FAULTS = (
    "unknown_experiment",
    "unknown_variation",
    "unresolved_template",
    "ambiguous_attribution",
)

_MALFORMED_PROPERTIES = ("unreadable properties", "no variation", "no experiment")
_MALFORMED_COLUMNS = ("no event_id", "no unit_id", "no occurred_at")


class EventFaults:
    """Plants the plan's faults of rows into one clean day after another, and tells the truth about them."""

    def __init__(
        self,
        plan: SimulationPlan,
        experiments: tuple[SimulatedExperiment, ...],
        vocabulary: Vocabulary,
        truth: Truth,
    ) -> None:
        self._plan = plan
        self._vocabulary = vocabulary
        self._truth = truth
        self._next_number = 0
        self._variation_counts = np.array([len(experiment.variations) for experiment in experiments])
        self._start_days = np.array([experiment.start_day(plan) for experiment in experiments])
        self._last_days = np.array([experiment.last_accepted_day(plan) for experiment in experiments])

    def spoil(self, clean: CleanDay, day: int, rng: np.random.Generator) -> tuple[list[EventRows], EventRows]:
        """The rows of a day with all that went wrong with them, and the copies that may arrive in any file.

        `arrived_at` of a row says on which day it has to be written: this day or a later one.
        """
        rows = clean.rows
        rows.number[:] = self._numbers(len(rows))
        self._send_ahead(clean, day, rng)
        added = self._reject(clean, day, rng)
        self._delay(rows, day, rng)
        # What is malformed takes no part in deduplication, so a copy of it would be malformed again.
        is_whole = added.bucket != BUCKET_NUMBERS["malformed"]
        copies = [self._repeat(rows, rng), self._repeat(added.take(is_whole), rng)]
        return [rows, added], join_events([*copies, self._contradict(rows, day, rng)])

    def _send_ahead(self, clean: CleanDay, day: int, rng: np.random.Generator) -> None:
        """Clocks a day or two ahead: repeated exposures move into the future, the first ones stay."""
        rows = clean.rows
        chosen = clean.repeats[hits(rng, len(clean.repeats), self._plan.faults.early_arrival)]
        ahead = rows.occurred_at[chosen] + rng.integers(1, 3, len(chosen)) * DAY_US
        last_day = self._last_days[self._vocabulary.experiment[rows.template[chosen]]]
        fits = (ahead < self._plan.end_us) & (self._days(ahead) <= last_day)
        chosen = chosen[fits]
        rows.occurred_at[chosen] = ahead[fits]
        self._plant("early_arrival", rows, chosen)

    def _delay(self, rows: EventRows, day: int, rng: np.random.Generator) -> None:
        """Rows that are received one to three days after they happened; nothing else about them changes."""
        chosen = hits(rng, len(rows), self._plan.faults.late_arrival)
        days = day + np.minimum(rng.geometric(0.6, len(chosen)), _LONGEST_DELAY_DAYS)
        days = np.minimum(days, self._plan.days - 1)
        is_late = (days > day) & (self._days(rows.occurred_at[chosen]) == day)
        chosen, days = chosen[is_late], days[is_late]
        rows.arrived_at[chosen] = self._moments(days, rng)
        rows.ingested_at[chosen] = rows.arrived_at[chosen]
        self._plant("late_arrival", rows, chosen)

    def _reject(self, clean: CleanDay, day: int, rng: np.random.Generator) -> EventRows:
        """Additional exposure rows, each with one reason to be rejected."""
        added = []
        for fault in _ATTRIBUTION_FAULTS:
            rows = self._more(clean, getattr(self._plan.faults, fault), day, rng)
            spellings = self._vocabulary.rejected[fault]
            self._respell(rows, spellings, rng.integers(0, spellings.shape[1], len(rows)))
            self._plant(fault, rows)
            added.append(rows)
        outside = self._more(clean, self._plan.faults.outside_experiment, day, rng)
        self._move_outside(outside, day, rng)
        self._plant("outside_experiment", outside)
        malformed = self._more(clean, self._plan.faults.malformed, day, rng)
        self._break(malformed, rng)
        return join_events([*added, outside, malformed])

    def _more(self, clean: CleanDay, rate: float, day: int, rng: np.random.Generator) -> EventRows:
        """New events like some of the day's exposures, seconds later, received at once."""
        rows = clean.rows.take(hits(rng, clean.exposure_count, rate))
        own_day_end = self._plan.start_us + (self._days(rows.occurred_at) + 1) * DAY_US - 1
        rows.occurred_at[:] = np.minimum(
            rows.occurred_at + rng.integers(0, 5_000_000, len(rows)), own_day_end
        )
        today_end = self._plan.start_us + (day + 1) * DAY_US - 1
        rows.ingested_at[:] = np.minimum(rows.ingested_at + rng.integers(0, 5_000_000, len(rows)), today_end)
        rows.arrived_at[:] = rows.ingested_at
        rows.number[:] = self._numbers(len(rows))
        return rows

    def _respell(self, rows: EventRows, spellings: NDArray[np.int32], choice: Positions) -> None:
        attributes = rows.template % len(ATTRIBUTES)
        rows.template[:] = spellings[self._vocabulary.experiment[rows.template], choice] + attributes
        rows.bucket[:] = self._vocabulary.bucket[rows.template]

    def _move_outside(self, rows: EventRows, day: int, rng: np.random.Generator) -> None:
        """Exposures of days on which their experiment takes none; simulated days where possible."""
        experiment = self._vocabulary.experiment[rows.template]
        last_before = self._start_days[experiment] - 8
        first_before = np.where(last_before >= 0, np.maximum(last_before - 6, 0), last_before - 6)
        first_after = self._last_days[experiment] + 1
        has_after = first_after < self._plan.days
        is_after = has_after & ((last_before < 0) | (rng.random(len(rows)) < 0.5))
        low = np.where(is_after, first_after, first_before)
        high = np.where(is_after, self._plan.days - 1, last_before)
        days = uniform_between(rng, low, high + 1)
        rows.occurred_at[:] = self._moments(days, rng)
        # What lies ahead arrives on its day; what lies back arrives now.
        rows.arrived_at[:] = np.where(days > day, rows.occurred_at, rows.arrived_at)
        rows.ingested_at[:] = rows.arrived_at
        rows.bucket[:] = BUCKET_NUMBERS["outside_experiment"]

    def _break(self, rows: EventRows, rng: np.random.Generator) -> None:
        """Rows without an id, a time or a readable property; recorded before what names them is lost."""
        kind = rng.integers(0, len(_MALFORMED_PROPERTIES) + len(_MALFORMED_COLUMNS), len(rows))
        column = kind - len(_MALFORMED_PROPERTIES)
        rows.number[column == 0] = NO_EVENT
        for number, detail in enumerate((*_MALFORMED_PROPERTIES, *_MALFORMED_COLUMNS)):
            self._plant("malformed", rows, np.flatnonzero(kind == number), detail)
        spellings = self._vocabulary.rejected["malformed"]
        for number in range(len(_MALFORMED_PROPERTIES)):
            broken = np.flatnonzero(kind == number)
            respelled = rows.take(broken)
            self._respell(respelled, spellings, np.full(len(broken), number))
            rows.template[broken] = respelled.template
        rows.unit[column == 1] = -1
        rows.occurred_at[column == 2] = UNKNOWN_TIME
        rows.bucket[:] = BUCKET_NUMBERS["malformed"]

    def _repeat(self, rows: EventRows, rng: np.random.Generator) -> EventRows:
        """The same rows once more, up to two days later."""
        copies = rows.take(hits(rng, len(rows), self._plan.faults.duplicate_event))
        first_day = self._days(copies.arrived_at)
        days = np.minimum(first_day + rng.integers(0, 3, len(copies)), self._plan.days - 1)
        later = self._moments(days, rng)
        copies.arrived_at[:] = np.where(days == first_day, np.maximum(later, copies.arrived_at), later)
        self._mark_as_copies(copies)
        self._plant("duplicate_event", copies)
        return copies

    def _contradict(self, rows: EventRows, day: int, rng: np.random.Generator) -> EventRows:
        """Rows with an id already used that say something else, and always lose.

        They claim a later time, up to a day later, or the same time and a later receipt; they may arrive
        before the row they contradict. An exposure shows another variation: counting both is a crossover.
        """
        copies = rows.take(hits(rng, len(rows), self._plan.faults.conflicting_copy))
        shifts = np.stack(
            [
                rng.integers(1_000_000, 3_600_000_000, len(copies)),
                np.full(len(copies), DAY_US),
                np.zeros(len(copies)),
            ]
        ).astype(np.int64)
        claimed = copies.occurred_at + shifts[rng.integers(0, 3, len(copies)), np.arange(len(copies))]
        copies.occurred_at[:] = np.where(claimed < self._plan.end_us, claimed, copies.occurred_at)
        copies.ingested_at += rng.integers(1, 60_000_000, len(copies))
        days = np.minimum(day + rng.integers(0, 3, len(copies)), self._plan.days - 1)
        copies.arrived_at[:] = self._moments(days, rng)
        copies.session ^= np.uint64(0xFF00)
        copies.value[:] = np.round(copies.value * 2 + 1, 2)
        variation = self._vocabulary.variation[copies.template]
        is_exposure = np.flatnonzero(variation >= 0)
        experiment = self._vocabulary.experiment[copies.template[is_exposure]]
        other = (variation[is_exposure] + 1) % self._variation_counts[experiment]
        attributes = copies.template[is_exposure] % len(ATTRIBUTES)
        copies.template[is_exposure] = self._vocabulary.exposures[experiment, other] + attributes
        self._mark_as_copies(copies)
        self._plant("conflicting_copy", copies)
        return copies

    def _mark_as_copies(self, rows: EventRows) -> None:
        rows.bucket[rows.bucket != UNRELATED] = BUCKET_NUMBERS["duplicate"]

    def _plant(self, fault: str, rows: EventRows, chosen: Positions | None = None, detail: str = "") -> None:
        positions = np.arange(len(rows)) if chosen is None else chosen
        self._truth.plant(
            fault,
            experiment=self._vocabulary.experiment[rows.template[positions]],
            unit=rows.unit[positions],
            number=rows.number[positions],
            arrived_at=rows.arrived_at[positions],
            detail=detail,
        )

    def _days(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        return (times - self._plan.start_us) // DAY_US

    def _moments(self, days: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        return self._plan.start_us + days * DAY_US + rng.integers(0, DAY_US, len(days))

    def _numbers(self, count: int) -> NDArray[np.uint64]:
        first, self._next_number = self._next_number, self._next_number + count
        return np.arange(first, self._next_number, dtype=np.uint64)
