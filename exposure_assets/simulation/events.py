"""What units do on a day: exposures, purchases and events of no experiment, before anything goes wrong.

Every row made here is accepted by the contract or unrelated to it; faults of rows are planted elsewhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US, NEVER, session_numbers, session_times
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.identity import NO_EVENT, Numbers, scramble
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.population import Recruits
from exposure_assets.simulation.rows import EventRows, join_events
from exposure_assets.simulation.vocabulary import ATTRIBUTES, PATHS, Vocabulary

UNRELATED_PER_EXPOSURE = 0.35
"""Page views, purchases and filtered evaluations that follow from no exposure, per exposure."""

PURCHASES_PER_EXPOSURE = 0.03

DEFAULT_INTENSITY = 0.3
"""Repeated exposures per day of a fresh unit of rate 1, unless the plan has a target number of events."""

_LARGEST_DAILY_COUNT = 5_000

_AFTER_THE_END = 0.05
"""Activity after an experiment's end: what old clients still send."""

_WEEKDAY_ACTIVITY = np.array([1.0, 1.02, 1.0, 0.98, 0.95, 0.8, 0.82])


@dataclass
class Activity:
    """The units of one experiment and shard, ordered by first exposure; those never exposed are left out.

    Attributes:
        experiment: Number of the experiment.
        unit, shown, first_at, rate: As in `Recruits`.
        bounds: The units first exposed before day d are the first `bounds[d]`.
        extra_unit, extra_shown, extra_at: Single planned exposures, in the order of time.
        extra_bounds: Those before day d are the first `extra_bounds[d]`.
        weights: Relative activity by day, 0 outside the experiment.
    """

    experiment: int
    unit: NDArray[np.int32]
    shown: NDArray[np.int8]
    first_at: NDArray[np.int64]
    rate: NDArray[np.float32]
    bounds: NDArray[np.int64]
    extra_unit: NDArray[np.int32]
    extra_shown: NDArray[np.int8]
    extra_at: NDArray[np.int64]
    extra_bounds: NDArray[np.int64]
    weights: NDArray[np.float64]

    def expected_repeats(self) -> NDArray[np.float64]:
        """Repeated exposures by day that an intensity of 1 leads to."""
        days = len(self.weights)
        totals = np.concatenate([[0.0], np.cumsum(self.rate, dtype=np.float64)])
        by_first_day = np.diff(totals[self.bounds])
        decay = _decay(days)
        expected = np.convolve(by_first_day, decay)[:days]
        return expected * self.weights

    def planned(self) -> NDArray[np.float64]:
        """Exposures by day that happen at any intensity: every unit's first, and the single planned ones."""
        return (np.diff(self.bounds) + np.diff(self.extra_bounds)).astype(np.float64)


def split_activity(
    plan: SimulationPlan, experiment: SimulatedExperiment, number: int, recruits: Recruits, shards: int
) -> list[Activity]:
    """An experiment's planned exposures by shard; a unit's events all lie in the shard of its number."""
    day_starts = plan.start_us + np.arange(plan.days + 1) * DAY_US
    weights = _daily_weights(plan, experiment)
    has_extra = recruits.extra_at != NEVER
    extra_unit = np.concatenate([recruits.unit[has_extra], recruits.strangers])
    extra_at = np.concatenate([recruits.extra_at[has_extra], recruits.strangers_at])
    extra_shown = np.concatenate(
        [recruits.extra_shown[has_extra], np.zeros(len(recruits.strangers), dtype=np.int8)]
    )
    parts = []
    for shard in range(shards):
        mine = np.flatnonzero((recruits.first_at != NEVER) & (recruits.unit % shards == shard))
        mine = mine[np.argsort(recruits.first_at[mine], kind="stable")]
        extra = np.flatnonzero(extra_unit % shards == shard)
        extra = extra[np.argsort(extra_at[extra], kind="stable")]
        parts.append(
            Activity(
                experiment=number,
                unit=recruits.unit[mine],
                shown=recruits.shown[mine],
                first_at=recruits.first_at[mine],
                rate=recruits.rate[mine],
                bounds=np.searchsorted(recruits.first_at[mine], day_starts),
                extra_unit=extra_unit[extra],
                extra_shown=extra_shown[extra],
                extra_at=extra_at[extra],
                extra_bounds=np.searchsorted(extra_at[extra], day_starts),
                weights=weights,
            )
        )
    return parts


@dataclass(frozen=True)
class CleanDay:
    """One shard's rows of a day: first `exposure_count` exposures, then the rest; `repeats` are positions."""

    rows: EventRows
    exposure_count: int
    repeats: NDArray[np.int64]


class Behaviour:
    """Makes the rows of a day out of the planned activity; keeps what is the same on all days."""

    def __init__(
        self,
        plan: SimulationPlan,
        experiments: tuple[SimulatedExperiment, ...],
        vocabulary: Vocabulary,
        intensity: float,
    ) -> None:
        self._plan = plan
        self._vocabulary = vocabulary
        self._intensity = intensity
        self._purchase_chance = np.full(len(vocabulary.bucket), PURCHASES_PER_EXPOSURE, dtype=np.float32)
        for number, experiment in enumerate(experiments):
            for position, variation in enumerate(experiment.variations):
                first = vocabulary.exposures[number, position]
                self._purchase_chance[first : first + len(ATTRIBUTES)] *= 1 + variation.lift
        numbers = np.arange(plan.units, dtype=np.uint64)
        self.attributes = (scramble(numbers + np.uint64(plan.seed + 1)) % np.uint64(len(ATTRIBUTES))).astype(
            np.uint8
        )

    def day(
        self, activities: list[Activity], day: int, shard: int, shards: int, rng: np.random.Generator
    ) -> CleanDay:
        """All clean rows of a shard's units on a day. They are still without numbers."""
        parts = [self._exposures(activity, day, rng) for activity in activities]
        exposures = join_events([rows for rows, _ in parts])
        starts = np.cumsum([0] + [len(rows) for rows, _ in parts])
        repeats = np.concatenate(
            [start + positions for start, (_, positions) in zip(starts, parts, strict=False)]
        )
        purchases = self._purchases(exposures, day, rng)
        unrelated = self._unrelated(len(exposures), day, shard, shards, rng)
        return CleanDay(join_events([exposures, purchases, unrelated]), len(exposures), repeats)

    def _exposures(
        self, activity: Activity, day: int, rng: np.random.Generator
    ) -> tuple[EventRows, NDArray[np.int64]]:
        day_start = self._plan.start_us + day * DAY_US
        old, all_of_them = int(activity.bounds[day]), int(activity.bounds[day + 1])
        extra = slice(int(activity.extra_bounds[day]), int(activity.extra_bounds[day + 1]))
        unit, first_at = activity.unit[old:all_of_them], activity.first_at[old:all_of_them]
        counts = self._counts(activity, day, rng)
        again = np.repeat(np.arange(all_of_them, dtype=np.int32), counts)
        known = int(counts[:old].sum())

        times, sessions = session_times(activity.unit[again[:known]], day_start, rng)
        # On its first day a unit comes back after its first exposure, in the same session.
        fresh = again[known:]
        gaps = (rng.standard_exponential(len(fresh)) * 1200e6).astype(np.int64)
        fresh_times = np.minimum(activity.first_at[fresh] + gaps, day_start + DAY_US - 1)
        slots = np.full(all_of_them - old, activity.experiment % 250 + 3, dtype=np.uint8)
        first_sessions = session_numbers(unit, day_start, slots)
        extra_slots = np.full(extra.stop - extra.start, 255, dtype=np.uint8)
        extra_sessions = session_numbers(activity.extra_unit[extra], day_start, extra_slots)

        units = np.concatenate([unit, activity.unit[again], activity.extra_unit[extra]])
        shown = np.concatenate(
            [activity.shown[old:all_of_them], activity.shown[again], activity.extra_shown[extra]]
        )
        rows = self._rows(
            unit=units,
            template=self._vocabulary.exposures[activity.experiment][shown],
            occurred_at=np.concatenate([first_at, times, fresh_times, activity.extra_at[extra]]),
            session=np.concatenate([first_sessions, sessions, first_sessions[fresh - old], extra_sessions]),
            value=np.full(len(units), np.nan),
            day=day,
            rng=rng,
        )
        return rows, np.arange(len(unit), len(unit) + len(again))

    def _counts(self, activity: Activity, day: int, rng: np.random.Generator) -> NDArray[np.int32]:
        """Repeated exposures today by unit: bursts around the unit's rate, which fades with time."""
        size = int(activity.bounds[day + 1])
        weight = activity.weights[day] * self._intensity
        if weight == 0.0 or size == 0:
            return np.zeros(size, dtype=np.int32)
        newcomers = np.diff(activity.bounds[: day + 2])
        fading = np.repeat((_decay(day + 1)[::-1] * weight).astype(np.float32), newcomers)
        expected = activity.rate[:size] * fading * rng.standard_exponential(size, dtype=np.float32)
        counts = (expected + rng.random(size, dtype=np.float32)).astype(np.int32)
        return np.minimum(counts, _LARGEST_DAILY_COUNT)

    def _purchases(self, exposures: EventRows, day: int, rng: np.random.Generator) -> EventRows:
        """Purchases that follow from exposures, in their session; the variation changes their chance."""
        chance = self._purchase_chance[exposures.template]
        buys = np.flatnonzero(rng.random(len(exposures), dtype=np.float32) < chance)
        unit = exposures.unit[buys]
        later = exposures.occurred_at[buys] + (rng.standard_exponential(len(buys)) * 900e6).astype(np.int64)
        return self._rows(
            unit=unit,
            template=np.full(len(buys), self._vocabulary.purchase, dtype=np.int32),
            occurred_at=np.minimum(later, self._plan.start_us + (day + 1) * DAY_US - 1),
            session=exposures.session[buys],
            value=_prices(len(buys), rng),
            day=day,
            rng=rng,
        )

    def _unrelated(
        self, exposure_count: int, day: int, shard: int, shards: int, rng: np.random.Generator
    ) -> EventRows:
        """Page views, some purchases and filtered evaluations of any units, a few of them very active."""
        vocabulary = self._vocabulary
        in_shard = len(range(shard, self._plan.units, shards))
        count = int(rng.poisson(UNRELATED_PER_EXPOSURE * exposure_count + 2)) if in_shard else 0
        unit = ((rng.random(count) ** 1.7 * in_shard).astype(np.int32) * shards + shard).astype(np.int32)
        times, sessions = session_times(unit, self._plan.start_us + day * DAY_US, rng)
        template = vocabulary.page_views[(rng.random(count) ** 2 * len(PATHS)).astype(np.int64)]
        kind = rng.random(count, dtype=np.float32)
        is_purchase, is_filtered = kind < 0.04, kind > 0.97
        template[is_purchase] = vocabulary.purchase
        template[is_filtered] = rng.choice(vocabulary.filtered, int(is_filtered.sum()))
        value = np.full(count, np.nan)
        value[is_purchase] = _prices(int(is_purchase.sum()), rng)
        return self._rows(
            unit=unit, template=template, occurred_at=times, session=sessions, value=value, day=day, rng=rng
        )

    def _rows(
        self,
        *,
        unit: NDArray[np.int32],
        template: NDArray[np.int32],
        occurred_at: NDArray[np.int64],
        session: Numbers,
        value: NDArray[np.float64],
        day: int,
        rng: np.random.Generator,
    ) -> EventRows:
        complete = template + self.attributes[unit]
        delay = (rng.standard_exponential(len(unit), dtype=np.float32) * np.float32(1.5e6)).astype(np.int64)
        # Received on the day it happened: whatever comes later than that is planted, and so known.
        received = np.minimum(occurred_at + delay + 20_000, self._plan.start_us + (day + 1) * DAY_US - 1)
        return EventRows(
            number=np.full(len(unit), NO_EVENT),
            template=complete,
            unit=unit,
            occurred_at=occurred_at,
            ingested_at=received,
            arrived_at=received,
            session=session,
            value=value,
            bucket=self._vocabulary.bucket[complete],
        )


def _decay(days: int) -> NDArray[np.float64]:
    """How the activity of a unit fades with the days since its first exposure."""
    return 1.0 / (1.0 + np.arange(days) / 10.0)


def _daily_weights(plan: SimulationPlan, experiment: SimulatedExperiment) -> NDArray[np.float64]:
    days = np.arange(plan.days)
    weights = _WEEKDAY_ACTIVITY[(plan.start_date.weekday() + days) % 7]
    weights = np.where(days > experiment.end_day(plan), weights * _AFTER_THE_END, weights)
    return np.where(days > experiment.last_accepted_day(plan), 0.0, weights)


def _prices(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.round(rng.lognormal(3.2, 0.8, count), 2)
