"""What a limit of a simulated window or segment means for a unit, as an expression over `assigned_at`.

Which limits there are stands in `cuts`; what falls between two of them is counted in `cut_truth`.
"""

from datetime import timedelta

import polars as pl

from exposure_assets.simulation.clock import DAY_US
from exposure_assets.simulation.cuts import Limit, percent
from exposure_assets.simulation.experiments import SimulatedExperiment

UTC_TIME = pl.Datetime("us", "UTC")
MIDNIGHT = pl.col("assigned_at").dt.truncate("1d")
"""The beginning of the unit's assignment day."""


def limit_at(
    limit: Limit, anchor: str, is_end: bool, experiment: SimulatedExperiment, part: tuple[int, int] = (0, 0)
) -> pl.Expr:
    """The instant of a limit; a day that ends a window belongs to it, so its instant is the midnight after.

    `part` is the analysis window in days after the assignment, for limits that move with it.
    """
    first_day = experiment.start.replace(hour=0, minute=0, second=0, microsecond=0)
    enrolling_days = 0
    if experiment.enrollment_end_us is not None:
        last_us = experiment.enrollment_end_us - 1
        enrolling_days = last_us // DAY_US - experiment.start_us // DAY_US
    of_experiment = anchor == "experiment"
    origin = pl.lit(first_day, UTC_TIME) if of_experiment else MIDNIGHT
    share = percent(limit)
    if share is not None:
        days = experiment.observe_days + 1 + (enrolling_days if of_experiment else 0)
        return origin + pl.duration(microseconds=days * DAY_US * share // 100, time_unit="us")
    if limit == "assignment":
        return pl.col("assigned_at")
    if limit in ("enrollment_start", "enrollment_end"):
        days = enrolling_days if limit == "enrollment_end" else 0
        return pl.lit(first_day + timedelta(days=days + is_end), UTC_TIME)
    if isinstance(limit, int):
        return origin + pl.duration(days=limit + is_end)
    days = part[0] if limit == "analysis_window_start" else part[1]
    return origin + pl.duration(days=days + is_end + (enrolling_days if of_experiment else 0))
