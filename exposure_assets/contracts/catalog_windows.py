"""Windows of the catalog: how their limits are written, and when they begin and end for a unit.

What is counted inside a window stands in the transforms; which windows an experiment has, in `catalog`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from fractions import Fraction
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_values import Fault, Id, nearest, refusal, within_horizon

DAY_MICROSECONDS = 86_400_000_000
ENROLLMENT_START, ENROLLMENT_END = "enrollment_start", "enrollment_end"
ANALYSIS_WINDOW_START, ANALYSIS_WINDOW_END = "analysis_window_start", "analysis_window_end"
MOVING_LIMITS = (ANALYSIS_WINDOW_START, ANALYSIS_WINDOW_END)
END_OF_OBSERVATION = "1 * observation"
_FRACTION = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)\s*\*\s*observation", re.ASCII)
_SHARE = "0.9 * observation"
_PERIODS = ("daily", "weekly", "overall")
# A window lies within a horizon of the first or the last day of enrollment, or moves along with the unit.
_DAYS_TRIED = 2 * 366
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Anchor = Literal["unit", "experiment"]
Limit = int | str


@dataclass(frozen=True)
class LimitGrammar:
    """Which limits a kind of window may have beside whole days and shares of the observation."""

    words: tuple[str, ...]
    has_days_before: bool
    example: int

    def limit(self, value: object, info: ValidationInfo) -> object:
        """A limit as it is kept: a number of days, a word, or a share in its one spelling."""
        expected = f"a whole number of days, one of {', '.join(self.words)}, or a share such as {_SHARE!r}"
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise refusal(Fault(_shown(value), expected, f"write for example {self.example}, without quotes"))
        if isinstance(value, int):
            if value < 0 and not self.has_days_before:
                remedy = "exposure windows lie after the assignment; what lies before it is for [[segments]]"
                raise refusal(Fault(f"{value}", "0 or more days", remedy))
            within_horizon(abs(value), info)
            return value
        if value in self.words:
            return value
        share = _FRACTION.fullmatch(value.strip())
        if share is None:
            is_number = re.fullmatch(r"[+-]?\d+", value.strip(), re.ASCII)
            remedy = "write the number without quotes" if is_number else nearest(value, (*self.words, _SHARE))
            raise refusal(Fault(_shown(value), expected, remedy))
        if Fraction(share[1]) > 1:
            remedy = "a window ends with the observation at the latest: '1 * observation'"
            raise refusal(Fault(_shown(value), "a share of the observation from 0 to 1", remedy))
        return f"{share[1]} * observation"


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


_GRAMMAR = LimitGrammar(
    words=(ENROLLMENT_START, ENROLLMENT_END, *MOVING_LIMITS), has_days_before=False, example=14
)

WindowLimit = Annotated[Limit, BeforeValidator(_GRAMMAR.limit)]


@dataclass(frozen=True)
class Enrollment:
    """The UTC days on which an experiment accepts assignments; `last_date` is null where they have no end."""

    first_date: date
    last_date: date | None

    @property
    def days(self) -> int:
        """How many days the last one comes after the first.

        Raises:
            ValueError: enrollment has no end.
        """
        if self.last_date is None:
            raise ValueError(
                "found an enrollment without an end, expected one: the catalog refuses such windows"
            )
        return (self.last_date - self.first_date).days


class Origin(Enum):
    """What a bound is counted from."""

    CALENDAR = "the epoch"
    ASSIGNMENT_DATE = "the midnight with which the unit's assignment day begins"
    ASSIGNED_AT = "the unit's assignment itself"


class Bound(NamedTuple):
    """Where a window begins or ends, in microseconds from its origin."""

    microseconds: int
    origin: Origin

    def on(self, assignment_date: date, is_end: bool) -> int:
        """Microseconds since the epoch for a unit assigned on a day; for the assignment itself the widest it can be."""
        match self.origin:
            case Origin.CALENDAR:
                return self.microseconds
            case Origin.ASSIGNMENT_DATE:
                return self.microseconds + midnight(assignment_date)
            case Origin.ASSIGNED_AT:
                return self.microseconds + midnight(assignment_date) + is_end * DAY_MICROSECONDS


class AnalysisWindow(NamedTuple):
    """Days after the unit's assignment day, both included, numbered within their sequence from 0."""

    id: str
    sequence: str
    index: int
    first_day: int
    last_day: int


def bound_of(
    limit: Limit,
    anchor: Anchor,
    is_end: bool,
    enrollment: Enrollment,
    observe_days: int,
    window: AnalysisWindow | None = None,
) -> Bound:
    """What a limit means; as an end it is the first instant that no longer belongs to the window.

    Args:
        limit: As the catalog has it. A day belongs to the window as a whole, whichever end it is.
        anchor: Whether days and shares count from the unit's assignment day or from the experiment's first day.
        is_end: Whether the window ends there.
        enrollment: Of the experiment.
        observe_days: The length of the observation window, in days after the assignment day.
        window: The analysis window that the exposure window is cut to, for limits that move with it.

    Raises:
        ValueError: the limit needs an end of enrollment, or an analysis window, and there is none.
    """
    is_of_unit = anchor == "unit"
    origin = Origin.ASSIGNMENT_DATE if is_of_unit else Origin.CALENDAR
    zero = 0 if is_of_unit else midnight(enrollment.first_date)
    match limit:
        case int():
            return Bound(zero + (limit + is_end) * DAY_MICROSECONDS, origin)
        case "enrollment_start":
            return Bound(midnight(enrollment.first_date) + is_end * DAY_MICROSECONDS, Origin.CALENDAR)
        case "enrollment_end":
            days = enrollment.days + is_end
            return Bound(midnight(enrollment.first_date) + days * DAY_MICROSECONDS, Origin.CALENDAR)
        case "analysis_window_start" | "analysis_window_end":
            if window is None:
                raise ValueError(f"found {limit} without an analysis window, expected one")
            day = window.first_day if limit == ANALYSIS_WINDOW_START else window.last_day
            day += is_end if is_of_unit else is_end + enrollment.days
            return Bound(zero + day * DAY_MICROSECONDS, origin)
        case _:
            days = observe_days + 1 + (0 if is_of_unit else enrollment.days)
            share = Fraction(limit.partition("*")[0].strip())
            return Bound(zero + int(share * days * DAY_MICROSECONDS), origin)


def is_empty(starts: Sequence[Bound], ends: Sequence[Bound], enrollment: Enrollment) -> bool:
    """Whether the time after every start and before every end is empty, whatever day a unit is assigned on."""
    first = enrollment.first_date
    last = enrollment.last_date or first + timedelta(days=_DAYS_TRIED)
    tried = min((last - first).days, _DAYS_TRIED)
    days = (
        day + timedelta(days=n) for n in range(tried + 1) for day in (first, last - timedelta(days=tried))
    )
    return not any(
        all(
            # From one origin, and be it an instant that differs from unit to unit, bounds compare as they are.
            start.microseconds < end.microseconds
            if start.origin is end.origin
            else start.on(day, is_end=False) < end.on(day, is_end=True)
            for start in starts
            for end in ends
        )
        for day in days
    )


def needs_enrollment_end(limit: Limit, anchor: Anchor) -> bool:
    """Whether nobody can say what a limit means before enrollment has an end."""
    if limit == ENROLLMENT_END:
        return True
    return anchor == "experiment" and isinstance(limit, str) and limit != ENROLLMENT_START


def midnight(day: date) -> int:
    """The first instant of a UTC day, in microseconds since the epoch."""
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)


def _listed(value: object, info: ValidationInfo) -> object:
    """One period, or a list of periods and of [first day, last day]."""
    expected = f"one of {', '.join(_PERIODS)}, or a list of these and of [first day, last day]"
    items = value if isinstance(value, list | tuple) else [value]
    if not items:
        raise refusal(Fault("[]", expected, 'remove the line: "overall" is the default'))
    kept: list[str | tuple[int, int]] = []
    for item in items:
        if isinstance(item, str):
            if item not in _PERIODS:
                raise refusal(Fault(_shown(item), expected, nearest(item, _PERIODS)))
            kept.append(item)
        elif (
            isinstance(item, list | tuple)
            and len(item) == 2
            and all(isinstance(day, int) and not isinstance(day, bool) for day in item)
        ):
            first, last = item
            if first < 0 or last < first:
                remedy = (
                    "count days from the assignment's, which is 0; what lies before it is for [[segments]]"
                )
                raise refusal(Fault(f"[{first}, {last}]", "0 <= first day <= last day", remedy))
            kept.append((first, within_horizon(last, info)))
        else:
            raise refusal(Fault(_shown(item), expected, 'write for example "weekly" or [[0, 6], [7, 13]]'))
    if len(set(kept)) < len(kept):
        raise refusal(Fault(_shown(value), "every analysis window once", "remove the repetition"))
    return tuple(kept)


AnalysisWindows = Annotated[tuple[str | tuple[int, int], ...], BeforeValidator(_listed), Field(strict=False)]


class ExposureWindow(CatalogModel):
    """When exposures count, apart from enrollment, and the analysis windows by which they are counted."""

    id: Id = Field(examples=['id = "first_90_percent"'])
    anchor: Anchor = Field(default="unit", examples=['anchor = "unit"'])
    start: WindowLimit = Field(default=0, examples=["start = 0"])
    end: WindowLimit = Field(default=END_OF_OBSERVATION, examples=['end = "0.9 * observation"'])
    analysis_windows: AnalysisWindows = Field(default=("overall",), examples=['analysis_windows = "weekly"'])

    @field_validator("end")
    @classmethod
    def _ends_after_it_starts(cls, value: Limit, info: ValidationInfo) -> Limit:
        start = info.data.get("start")
        if isinstance(start, int) and isinstance(value, int) and value < start:
            raise refusal(Fault(f"{value}", f"at least start, which is {start}", "correct one of the two"))
        return value

    @property
    def moves_on_the_calendar(self) -> bool:
        """Whether the analysis windows lie on days that are the same for every unit, as in jetstream."""
        return self.anchor == "experiment" and (self.start in MOVING_LIMITS or self.end in MOVING_LIMITS)

    def sequences(self, observe_days: int) -> Iterator[AnalysisWindow]:
        """The analysis windows that fit into the observation window, sequence after sequence, each in its order."""
        for period in dict.fromkeys(item for item in self.analysis_windows if isinstance(item, str)):
            if period == "overall":
                yield AnalysisWindow("overall", period, 0, 0, observe_days)
                continue
            name, length = ("day", 1) if period == "daily" else ("week", 7)
            for n in range((observe_days + 1) // length):
                yield AnalysisWindow(f"{name}_{n}", period, n, n * length, (n + 1) * length - 1)
        pairs = sorted(item for item in self.analysis_windows if not isinstance(item, str))
        for n, (first, last) in enumerate(pairs):
            yield AnalysisWindow(f"days_{first}_{last}", "list", n, first, last)

    def size(self, observe_days: int) -> int:
        """How many analysis windows there are."""
        return sum(1 for _ in self.sequences(observe_days))

    def bounds(
        self, window: AnalysisWindow, enrollment: Enrollment, observe_days: int
    ) -> tuple[list[Bound], list[Bound]]:
        """Where the window begins (at the latest of these) and ends (at the earliest), for one analysis window.

        A beginning with the unit's own assignment day has no bound here: it reaches back by the grace of the
        experiment, which may lead to the day before.
        """
        starts, ends = self._as_written(window, enrollment, observe_days)
        return [bound for bound in starts if bound.origin is Origin.CALENDAR or bound.microseconds > 0], ends

    def _as_written(
        self, window: AnalysisWindow, enrollment: Enrollment, observe_days: int
    ) -> tuple[list[Bound], list[Bound]]:
        """Every beginning and every end, without what the grace does to them."""
        starts = [bound_of(self.start, self.anchor, False, enrollment, observe_days, window)]
        ends = [bound_of(self.end, self.anchor, True, enrollment, observe_days, window)]
        if not self.moves_on_the_calendar:
            starts.append(Bound(window.first_day * DAY_MICROSECONDS, Origin.ASSIGNMENT_DATE))
            ends.append(Bound((window.last_day + 1) * DAY_MICROSECONDS, Origin.ASSIGNMENT_DATE))
        return starts, ends

    def reach_days(self, enrollment: Enrollment, observe_days: int) -> int:
        """The last day on which an exposure can count, as days after the assignment day, for any unit."""
        first = midnight(enrollment.first_date)
        ends = [self.bounds(window, enrollment, observe_days)[1] for window in self.sequences(observe_days)]
        last = [
            min(bound.microseconds - (first if bound.origin is Origin.CALENDAR else 0) for bound in bounds)
            for bounds in ends
        ]
        return -(-max(last, default=0) // DAY_MICROSECONDS) - 1

    def faults(self, enrollment: Enrollment, observe_days: int, horizon_days: int | None) -> Iterator[Fault]:
        """What is wrong with the window in an experiment; keys are those of the window's table."""
        for key, limit in (("start", self.start), ("end", self.end)):
            if enrollment.last_date is None and needs_enrollment_end(limit, self.anchor):
                expected = "an experiment whose enrollment ends: this limit depends on its last day"
                yield Fault(repr(limit), expected, "give the experiment `end` or `enrollment_days`", (key,))
                return
        windows = list(self.sequences(observe_days))
        if "weekly" in self.analysis_windows and observe_days < 6:
            expected = "observe_days of at least 6: a week is whole or not there"
            remedy = "observe longer, or count daily"
            yield Fault(
                f"weekly in {observe_days + 1} observed days", expected, remedy, ("analysis_windows",)
            )
            return
        reach = self.reach_days(enrollment, observe_days)
        if horizon_days is not None and reach > horizon_days:
            found = f"a window that ends {reach} days after the first unit was assigned"
            expected = f"at most the graph's horizon of {horizon_days} days"
            remedy = 'use anchor = "unit", shorten the window, or raise EXPOSURES_HORIZON_DAYS'
            yield Fault(found, expected, remedy, ("end",))
        elif all(
            is_empty(*self._as_written(window, enrollment, observe_days), enrollment) for window in windows
        ):
            found = f"{self.start!r} to {self.end!r}, which is empty for every unit"
            expected = "an end after the start, inside the analysis windows"
            yield Fault(found, expected, "move one of the two", ("end",))
