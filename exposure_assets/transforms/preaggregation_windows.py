"""The windows of preaggregation: which UTC days an interval covers, which are missing, how long rows live.

What is computed for a window stands in `deduped_exposures`; who computes it, in the job ledger.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

DAY = timedelta(days=1)
# A job that expires within this time doesn't count: whoever reads it might find its rows gone.
ABOUT_TO_EXPIRE = timedelta(hours=1)


class IntervalError(ValueError):
    """Two instants between which there is nothing to ask for."""


class LifetimeError(ValueError):
    """A time to live that cannot be used."""


@dataclass(frozen=True)
class Interval:
    """The instants from `start`, included, to `end`, not included; in UTC, to the microsecond.

    Raises:
        IntervalError: the end is not after the start.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise IntervalError(
                f"found the interval from {self.start.isoformat()} to {self.end.isoformat()}, expected an end after "
                "the start; the end itself is not included."
            )

    def days(self) -> tuple[date, date]:
        """The first and the last UTC day that the interval touches."""
        return self.start.date(), (self.end - timedelta(microseconds=1)).date()

    def covers(self, day: date) -> bool:
        """Whether every instant of a UTC day lies inside."""
        begins = midnight(day)
        return self.start <= begins and begins + DAY <= self.end


@dataclass(frozen=True)
class Lifetimes:
    """How long rows of a window are kept, by its age when they are computed: the first rule it is young enough for.

    `rules` are (oldest age in days, seconds), ascending by age; `default` is for windows older than all of them.
    """

    rules: tuple[tuple[int, int], ...]
    default: int

    def seconds(self, day: date, today: date) -> int:
        """Seconds that rows of a UTC day live when they are computed on `today`; a day ahead is as young as today."""
        age = max((today - day).days, 0)
        return next((seconds for most, seconds in self.rules if age <= most), self.default)


def lifetimes(ttl: int | Mapping[int | str, int] | None) -> Lifetimes:
    """Read a time to live: seconds for all windows, or seconds by age in days with the rest under `default`.

    Raises:
        LifetimeError: a value is no positive number of seconds, or an age no number of days.
    """
    if ttl is None:
        return DEFAULT_LIFETIMES
    given: dict[int | str, int] = {"default": ttl} if isinstance(ttl, int) else {**ttl}
    default = given.pop("default", DEFAULT_LIFETIMES.default)
    for name, seconds in {**given, "default": default}.items():
        if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
            raise LifetimeError(
                f"ttl {name}: found {seconds!r}, expected a positive whole number of seconds."
            )
    rules = []
    for age, seconds in given.items():
        days = str(age).removesuffix("d")
        if not days.isascii() or not days.isdigit():
            raise LifetimeError(f"ttl {age!r}: expected an age such as 0d or 7d, or `default`.")
        rules.append((int(days), seconds))
    return Lifetimes(tuple(sorted(rules)), default)


DEFAULT_LIFETIMES = Lifetimes(((0, 6 * 3600), (1, 12 * 3600), (7, 2 * 86400)), 14 * 86400)


def midnight(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime.combine(day, time(), UTC)


def missing_ranges(
    wanted: Iterable[date], covered: Iterable[date], lived: Mapping[date, int] | None = None
) -> list[tuple[date, ...]]:
    """The wanted days that nothing covers, those without a gap between them together.

    Days with different lifetimes never share a range: its rows go all at once.

    Args:
        wanted: The days asked for.
        covered: Days for which there is, or will be, a job.
        lived: Seconds that the rows of a day live; days that it doesn't name live alike.
    """
    has = set(covered)
    ranges: list[list[date]] = []
    for day in sorted(set(wanted) - has):
        last = ranges[-1][-1] if ranges else date.max
        if day - last == DAY and (not lived or lived.get(day) == lived.get(last)):
            ranges[-1].append(day)
        else:
            ranges.append([day])
    return [tuple(days) for days in ranges]


def spans(days: Sequence[date]) -> str:
    """Days as people read them: `2026-01-01 to 2026-01-03, 2026-01-07`."""
    said = []
    for run in missing_ranges(days, ()):
        said.append(f"{run[0]}" if len(run) == 1 else f"{run[0]} to {run[-1]}")
    return ", ".join(said)
