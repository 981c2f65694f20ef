"""A segment of the catalog: units told apart by what they did in a window around their assignment.

How limits are written stands in `catalog_windows`; how events are counted, in `transforms.unit_segments`.
"""

from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_sources import Condition
from exposure_assets.contracts.catalog_values import CatalogScope, Fault, Id, Text, refusal
from exposure_assets.contracts.catalog_windows import (
    DAY_MICROSECONDS,
    Anchor,
    Bound,
    Enrollment,
    Limit,
    LimitGrammar,
    Origin,
    bound_of,
    is_empty,
    midnight,
    needs_enrollment_end,
)

AT_ASSIGNMENT = "assignment"
DAYS_LOOKED_BACK = 7
_GRAMMAR = LimitGrammar(
    words=(AT_ASSIGNMENT, "enrollment_start", "enrollment_end"), has_days_before=True, example=-7
)

SegmentLimit = Annotated[Limit, BeforeValidator(_GRAMMAR.limit)]


class Segment(CatalogModel):
    """Units with at least so many events of one name inside a window; all others are outside the segment."""

    id: Id = Field(examples=['id = "used_search_before"'])
    event: Text = Field(examples=['event = "search"'])
    filter: tuple[Condition, ...] = Field(
        default=(), strict=False, examples=['filter = [{ field = "properties.kind", equals = "web" }]']
    )
    at_least: int = Field(default=1, ge=1, le=10**9, examples=["at_least = 1"])
    anchor: Anchor = Field(default="unit", examples=['anchor = "unit"'])
    start: SegmentLimit = Field(default=-DAYS_LOOKED_BACK, examples=["start = -7"])
    end: SegmentLimit = Field(default=AT_ASSIGNMENT, examples=['end = "assignment"'])

    @field_validator("id")
    @classmethod
    def _leaves_the_metrics_their_columns(cls, value: str, info: ValidationInfo) -> str:
        column = segment_column(value)
        if isinstance(info.context, CatalogScope) and column in info.context.metric_ids:
            expected = f"an id whose column of unit_outcomes, {column}, is not a metric's"
            raise refusal(Fault(repr(value), expected, "rename the segment or the metric"))
        return value

    @property
    def rule(self) -> str:
        """Which events count, as text: segments of the same rule share their staged events."""
        return self.model_dump_json(include={"event", "filter"}, by_alias=True, exclude_none=True)

    def bounds(self, enrollment: Enrollment, observe_days: int) -> tuple[Bound, Bound]:
        """The first instant of the window, and the first after it."""
        start, end = (
            Bound(0, Origin.ASSIGNED_AT)
            if limit == AT_ASSIGNMENT
            else bound_of(limit, self.anchor, is_end, enrollment, observe_days)
            for limit, is_end in ((self.start, False), (self.end, True))
        )
        return start, end

    def is_post_assignment(self, enrollment: Enrollment, observe_days: int) -> bool:
        """Whether events after the assignment count for any unit: the variation may then decide who is in it."""
        end = self.bounds(enrollment, observe_days)[1]
        if end.origin is Origin.CALENDAR:
            return end.microseconds > midnight(enrollment.first_date)
        return end.microseconds > 0

    def days_around(self, enrollment: Enrollment, observe_days: int) -> tuple[int, int]:
        """How many days before and after a unit's assignment day can hold events that count."""
        start, end = self.bounds(enrollment, observe_days)
        first = enrollment.first_date
        last = enrollment.last_date or first
        before = start.microseconds - (midnight(last) if start.origin is Origin.CALENDAR else 0)
        after = end.microseconds - (midnight(first) if end.origin is Origin.CALENDAR else 0)
        if end.origin is Origin.ASSIGNED_AT:
            after = DAY_MICROSECONDS
        return max(0, -(before // DAY_MICROSECONDS)), max(0, -(-after // DAY_MICROSECONDS) - 1)

    def faults(self, enrollment: Enrollment, observe_days: int, horizon_days: int | None) -> Iterator[Fault]:
        """What is wrong with the segment in an experiment; keys are those of the segment's table."""
        for key, limit in (("start", self.start), ("end", self.end)):
            is_open = enrollment.last_date is None
            on_calendar = limit != AT_ASSIGNMENT and (
                self.anchor == "experiment" or limit == "enrollment_start"
            )
            if is_open and (needs_enrollment_end(limit, self.anchor) or (on_calendar and key == "start")):
                expected = "an experiment whose enrollment ends: this limit is ever further from its units"
                yield Fault(repr(limit), expected, "give the experiment `end` or `enrollment_days`", (key,))
                return
        before, after = self.days_around(enrollment, observe_days)
        for key, days, where in (("start", before, "before"), ("end", after, "after")):
            if horizon_days is not None and days > horizon_days:
                found = f"a window that reaches {days} days {where} the assignment day"
                remedy = "shorten the window, or raise EXPOSURES_HORIZON_DAYS"
                yield Fault(found, f"at most the graph's horizon of {horizon_days} days", remedy, (key,))
        start, end = self.bounds(enrollment, observe_days)
        if is_empty([start], [end], enrollment):
            found = f"{self.start!r} to {self.end!r}, which is empty for every unit"
            yield Fault(found, "an end after the start", "move one of the two", ("end",))


def segment_column(segment_id: str) -> str:
    """The column of `unit_outcomes` that says whether a unit is in the segment."""
    return f"is_in_{segment_id}"
