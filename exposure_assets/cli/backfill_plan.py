"""Which days and experiments a backfill is asked for.

What they depend on, and how they are computed, stands in `backfill`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from exposure_assets.contracts import Catalog
from partitions.calendar import Calendar, each_day


class BackfillError(Exception):
    """A backfill that cannot start: what was asked for does not exist."""


@dataclass(frozen=True)
class BackfillPlan:
    """Days, both ends included (null: there is nothing to compute), and experiments."""

    days: tuple[date, date] | None
    experiments: tuple[str, ...]

    @property
    def day_list(self) -> list[date]:
        """Every day asked for."""
        return [] if self.days is None else each_day(*self.days)

    def window(self, before: timedelta, after: timedelta) -> tuple[date, date]:
        """The days whose events can matter to the cohorts asked for."""
        days = self.day_list
        return days[0] - before, days[-1] + after


def plan_backfill(
    catalog: Catalog,
    calendar: Calendar,
    days: Iterable[date],
    experiments: Sequence[str] = (),
    first: date | None = None,
    last: date | None = None,
) -> BackfillPlan:
    """What to compute: by default every day that holds rows, of every experiment.

    Args:
        catalog: The experiments there are.
        calendar: The days there are.
        days: Days that hold rows, or held some when they were last computed.
        experiments: Only these; all without.
        first: First day; by default the first that holds rows.
        last: Last day, included; by default the last that holds rows.

    Raises:
        BackfillError: an experiment that the catalog does not know, or days that are none of the calendar's.
    """
    for experiment in experiments:
        if experiment not in catalog.experiments:
            known = ", ".join(catalog.experiments)
            raise BackfillError(f"--experiment {experiment}: not in the catalog, expected one of {known}.")
    wanted = tuple(sorted(set(experiments) or catalog.experiments))
    held = sorted(set(days))
    if first is None and last is None and not held:
        return BackfillPlan(None, wanted)
    starts, ends = calendar.first_day, calendar.last
    asked = (first or min(held, default=starts), last or max(held, default=ends))
    covered = (max(asked[0], starts), min(asked[1], ends))
    if asked[0] > asked[1] or covered[0] > covered[1]:
        raise BackfillError(
            f"--from {asked[0]} --to {asked[1]}: no such days, expected some of {starts} to {ends}: "
            "from 7 days before the first experiment until today."
        )
    return BackfillPlan(covered, wanted)
