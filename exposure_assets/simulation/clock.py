"""Simulated time: microseconds since the epoch, days counted from the first simulated one, and times of day.

Nothing here knows what happens at those times.
"""

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.identity import Numbers, scramble

DAY_US = 86_400_000_000

NEVER = np.iinfo(np.int64).max
"""The time of what does not happen."""

UNKNOWN_TIME = np.iinfo(np.int64).min
"""The time of a row that was sent without one."""

SESSIONS_PER_DAY = 3

_HOURLY_ACTIVITY = (2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 8, 8, 9, 8, 8, 8, 9, 10, 12, 13, 13, 11, 7, 4)


def _daily_curve(steps: int) -> NDArray[np.int64]:
    share = np.concatenate([[0.0], np.cumsum(_HOURLY_ACTIVITY)]) / sum(_HOURLY_ACTIVITY)
    hours = np.interp((np.arange(steps) + 0.5) / steps, share, np.arange(25))
    return (hours * 3_600_000_000).astype(np.int64)


_SESSION_STARTS = _daily_curve(1 << 12)


def session_times(
    units: NDArray[np.int32], day_start: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Numbers]:
    """A time of the day per unit given, and its session: few per unit and day, events close together.

    A session's start is a function of unit, day and slot, so that all events of a unit on a day share
    sessions, whatever experiment they belong to.
    """
    slots = rng.integers(0, SESSIONS_PER_DAY, len(units), dtype=np.uint8)
    sessions = session_numbers(units, day_start, slots)
    times = np.take(_SESSION_STARTS, (sessions >> np.uint64(52)).astype(np.int64))
    times += (rng.standard_exponential(len(units), dtype=np.float32) * np.float32(180e6)).astype(np.int64)
    np.minimum(times, DAY_US - 1, out=times)
    times += day_start
    return times, sessions


def session_numbers(units: NDArray[np.int32], day_start: int, slots: NDArray[np.uint8]) -> Numbers:
    """The session of a unit in a slot of the day; never 0."""
    numbers = (units.astype(np.uint64) << np.uint64(8)) | slots
    return scramble(numbers ^ np.uint64(day_start << 1)) | np.uint64(1)


def hits(rng: np.random.Generator, count: int, rate: float) -> NDArray[np.int64]:
    """Which of `count` things happen at this rate, each by itself; the cost grows with the hits only."""
    if rate <= 0.0 or count == 0:
        return np.empty(0, dtype=np.int64)
    if rate >= 1.0:
        return np.arange(count, dtype=np.int64)
    found: list[NDArray[np.int64]] = []
    last = -1
    while last < count:
        expected = (count - last) * rate
        gaps = rng.geometric(rate, size=int(expected + 4 * np.sqrt(expected) + 8))
        # A gap of a tiny rate can be astronomically long: no sum may overflow.
        positions = last + np.cumsum(np.minimum(gaps, count + 1))
        found.append(positions)
        last = int(positions[-1])
    everything = np.concatenate(found)
    return everything[everything < count]


def uniform_between(
    rng: np.random.Generator, low: NDArray[np.int64], high: NDArray[np.int64], skew: float = 1.0
) -> NDArray[np.int64]:
    """A time in [low, high) each; a `skew` above 1 prefers times near `low`. An empty range gives `low`."""
    span = np.maximum(high - low, 1)
    return low + np.minimum((rng.random(len(low)) ** skew * span).astype(np.int64), span - 1)
