"""What every unit's exposure windows and segments have to hold: counted plainly, one window after the other.

What the windows and segments are is declared in `cuts`; here is only what is planned for the units.
"""

from collections.abc import Iterator

import polars as pl

from exposure_assets.simulation.cut_limits import MIDNIGHT, limit_at
from exposure_assets.simulation.cuts import SimulatedSegment, SimulatedWindow
from exposure_assets.simulation.experiments import SimulatedExperiment

_PERIOD_DAYS = {"daily": ("day", 1), "weekly": ("week", 7)}


def windows_of_units(
    experiment: SimulatedExperiment, assigned: pl.DataFrame, exposures: pl.DataFrame
) -> pl.DataFrame:
    """The exposures of every assigned unit in every window of an experiment.

    Grain out: one row per unit of `assigned`, window and analysis window.

    Args:
        experiment: Says which windows there are.
        assigned: `unit`, `variation_id`, `assigned_at`.
        exposures: `unit`, `at`: every accepted exposure of the experiment once.
    """
    counted = [
        _counted(
            assigned.with_columns(*_bounds(experiment, window, sequence, days)),
            exposures,
            pl.lit(window.id).alias("exposure_window_id"),
            pl.lit(id).alias("analysis_window_id"),
            pl.lit(index, pl.Int64).alias("analysis_window_index"),
            pl.lit(sequence).alias("sequence"),
        )
        for window in experiment.windows
        for sequence, index, id, days in _analysis_windows(window, experiment.observe_days)
    ]
    if not counted:
        return pl.DataFrame()
    until_here = (
        pl.col("count")
        .cum_sum()
        .over("unit", "exposure_window_id", "sequence", order_by="analysis_window_index")
    )
    return pl.concat(counted).select(
        pl.lit(experiment.id).alias("experiment_id"),
        "unit",
        "variation_id",
        pl.col("assigned_at").dt.date().alias("assignment_date"),
        "exposure_window_id",
        "analysis_window_id",
        "analysis_window_index",
        "window_start_at",
        "window_end_at",
        pl.col("count").alias("exposure_count"),
        (pl.col("count") > 0).alias("is_exposed_in_window"),
        (until_here > 0).alias("is_exposed_to_date"),
    )


def segments_of_units(
    experiment: SimulatedExperiment, assigned: pl.DataFrame, searches: pl.DataFrame
) -> pl.DataFrame:
    """Whether every assigned unit is in every segment of an experiment.

    Grain out: one row per unit of `assigned` and segment.

    Args:
        experiment: Says which segments there are.
        assigned: `unit`, `variation_id`, `assigned_at`.
        searches: `unit`, `at`, `kind`: every search once.
    """
    counted = [
        _counted(
            assigned.with_columns(*_segment_bounds(experiment, segment)),
            searches if segment.kind is None else searches.filter(kind=segment.kind),
            pl.lit(segment.id).alias("segment_id"),
            pl.lit(segment.is_post_assignment).alias("is_post_assignment"),
            pl.lit(segment.at_least, pl.Int64).alias("at_least"),
        )
        for segment in experiment.segments
    ]
    if not counted:
        return pl.DataFrame()
    return pl.concat(counted).select(
        pl.lit(experiment.id).alias("experiment_id"),
        "unit",
        "variation_id",
        pl.col("assigned_at").dt.date().alias("assignment_date"),
        "segment_id",
        "is_post_assignment",
        "window_start_at",
        "window_end_at",
        pl.col("count").alias("event_count"),
        (pl.col("count") >= pl.col("at_least")).alias("is_in_segment"),
    )


def _counted(windows: pl.DataFrame, events: pl.DataFrame, *labels: pl.Expr) -> pl.DataFrame:
    """The events of each unit from the start of its window (included) to the end."""
    inside = (
        windows.select("unit", "window_start_at", "window_end_at")
        .join(events.select("unit", "at"), on="unit")
        .filter((pl.col("at") >= pl.col("window_start_at")) & (pl.col("at") < pl.col("window_end_at")))
        .group_by("unit")
        .agg(pl.len().cast(pl.Int64).alias("count"))
    )
    return windows.join(inside, on="unit", how="left").with_columns(*labels, pl.col("count").fill_null(0))


def _analysis_windows(
    window: SimulatedWindow, observe_days: int
) -> Iterator[tuple[str, int, str, tuple[int, int]]]:
    """Sequence, index, id and days of each analysis window; a week that is not observed to its end is none."""
    for period in window.periods:
        if period == "overall":
            yield "overall", 0, "overall", (0, observe_days)
        elif isinstance(period, str):
            name, length = _PERIOD_DAYS[period]
            for index in range((observe_days + 1) // length):
                yield period, index, f"{name}_{index}", (index * length, (index + 1) * length - 1)
    pairs = sorted(period for period in window.periods if not isinstance(period, str))
    for index, (first, last) in enumerate(pairs):
        yield "pairs", index, f"days_{first}_{last}", (first, last)


def _bounds(
    experiment: SimulatedExperiment, window: SimulatedWindow, sequence: str, days: tuple[int, int]
) -> tuple[pl.Expr, pl.Expr]:
    """A window that begins with the unit's assignment day begins with its assignment, less the grace."""
    grace = pl.duration(microseconds=experiment.grace_us, time_unit="us")
    starts, ends = [pl.col("assigned_at") - grace], []
    if window.anchor == "experiment" or window.start != 0:
        starts.append(limit_at(window.start, window.anchor, False, experiment, days))
    ends.append(limit_at(window.end, window.anchor, True, experiment, days))
    if not window.moves_on_the_calendar:
        if days[0] > 0:
            starts.append(MIDNIGHT + pl.duration(days=days[0]))
        ends.append(MIDNIGHT + pl.duration(days=days[1] + 1))
    start = pl.max_horizontal(starts)
    return (
        start.alias("window_start_at"),
        pl.max_horizontal(start, pl.min_horizontal(ends)).alias("window_end_at"),
    )


def _segment_bounds(experiment: SimulatedExperiment, segment: SimulatedSegment) -> tuple[pl.Expr, pl.Expr]:
    start = limit_at(segment.start, segment.anchor, False, experiment)
    end = limit_at(segment.end, segment.anchor, True, experiment)
    return start.alias("window_start_at"), pl.max_horizontal(start, end).alias("window_end_at")
