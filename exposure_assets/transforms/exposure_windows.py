"""How often every assigned unit was exposed inside the windows of its experiment.

What a window is stands in the contracts; which exposures there are has been decided before.
"""

from collections.abc import Mapping

import polars as pl

from exposure_assets.contracts import Experiment, ExposureWindows, columns_of, empty_frame
from exposure_assets.contracts.catalog_windows import Bound, Origin
from exposure_assets.transforms.counting import counts_in_windows

# Counting takes about 300 bytes for each of these rows, and an experiment may have millions of units.
WINDOWS_AT_ONCE = 2_000_000
_ORIGINS = (Origin.CALENDAR, Origin.ASSIGNMENT_DATE)
_ROW = "assignment_row"
_INSTANT = pl.Datetime("us", "UTC")
_KEY = ["experiment_id", "unit_id"]


def exposure_windows(
    assignments: pl.LazyFrame, exposures: pl.LazyFrame, experiments: Mapping[str, Experiment]
) -> pl.LazyFrame:
    """Count the exposures of every assigned unit in every exposure window, per analysis window.

    Grain out: (experiment_id, unit_id, exposure_window_id, analysis_window_id): one row per assignment and window of
    its experiment, none dropped, none added. An experiment without windows has no rows.

    A window is `[window_start_at, window_end_at)`: the exposure window, cut to the analysis window, and never before
    `assigned_at` minus the grace. Every accepted exposure event counts once, whatever variation it shows.

    Args:
        assignments: Obeys `contracts.Assignments`.
        exposures: Obeys `contracts.DedupedExposures`; has to cover every window.
        experiments: The experiments of `assignments`.
    """
    assigned = (
        assignments.select(*_KEY, "variation_id", "assigned_at", "assignment_date")
        .join(_graces(experiments), on="experiment_id", how="semi")
        .with_row_index(_ROW)
        .collect()
    )
    instants = _instants(assigned, exposures)
    most = max((e.exposure.windows_per_unit for e in experiments.values()), default=0)
    units_at_once = max(1, WINDOWS_AT_ONCE // max(1, most))
    parts = (
        _counted(
            _windows_of_units(assigned[first : first + units_at_once], experiments),
            instants.filter(pl.col(_ROW).is_between(first, first + units_at_once, closed="left")),
        )
        for first in range(0, assigned.height, units_at_once)
    )
    return pl.concat([empty_frame(ExposureWindows), *parts]).lazy()


def _counted(windows: pl.DataFrame, instants: pl.DataFrame) -> pl.DataFrame:
    return (
        windows.with_columns(exposure_count=counts_in_windows(windows, instants, _ROW))
        .with_columns(is_exposed_in_window=pl.col("exposure_count") > 0, is_exposed_to_date=_to_date())
        .select(columns_of(ExposureWindows).keys())
    )


def _graces(experiments: Mapping[str, Experiment]) -> pl.LazyFrame:
    """The experiments that have windows, with their grace."""
    with_windows = [e for e in experiments.values() if e.exposure.windows]
    return pl.LazyFrame(
        {
            "experiment_id": [e.id for e in with_windows],
            "grace": [e.exposure.grace_minutes * 60_000_000 for e in with_windows],
        },
        schema={"experiment_id": pl.String, "grace": pl.Duration("us")},
    )


def _definitions(experiments: Mapping[str, Experiment]) -> pl.LazyFrame:
    """Every window of every experiment in its order, with its bounds in microseconds.

    A bound is of the calendar (since the epoch) or of the unit (since the midnight of its assignment day); of several
    of a kind only the narrowest matters, and a kind that a window does not have is null.
    """
    rows = []
    for e in experiments.values():
        for window in e.exposure.windows:
            for part in window.sequences(e.exposure.observe_days):
                starts, ends = window.bounds(part, e.enrollment, e.exposure.observe_days)
                bounds = (
                    *(max(_from(starts, origin), default=None) for origin in _ORIGINS),
                    *(min(_from(ends, origin), default=None) for origin in _ORIGINS),
                )
                rows.append((e.id, window.id, part.id, part.index, *bounds))
    return pl.LazyFrame(
        rows,
        schema={
            "experiment_id": pl.String,
            "exposure_window_id": pl.String,
            "analysis_window_id": pl.String,
            "analysis_window_index": pl.Int64,
            "starts_on_calendar": pl.Int64,
            "starts_for_unit": pl.Int64,
            "ends_on_calendar": pl.Int64,
            "ends_for_unit": pl.Int64,
        },
        orient="row",
    )


def _from(bounds: list[Bound], origin: Origin) -> list[int]:
    return [bound.microseconds for bound in bounds if bound.origin is origin]


def _windows_of_units(assigned: pl.DataFrame, experiments: Mapping[str, Experiment]) -> pl.DataFrame:
    """One row per assignment and window, those of one assignment and sequence side by side and in order."""
    midnight = pl.col("assignment_date").cast(_INSTANT).to_physical()
    counts_from = pl.col("assigned_at") - pl.col("grace")
    start = pl.max_horizontal(
        counts_from.to_physical(), "starts_on_calendar", midnight + pl.col("starts_for_unit")
    )
    end = pl.min_horizontal("ends_on_calendar", midnight + pl.col("ends_for_unit"))
    return (
        assigned.lazy()
        .join(_graces(experiments), on="experiment_id", how="inner", maintain_order="left")
        .join(_definitions(experiments), on="experiment_id", how="inner", maintain_order="left_right")
        .with_columns(window_start_at=start.cast(_INSTANT), window_end_at=end.cast(_INSTANT))
        .with_columns(window_end_at=pl.max_horizontal("window_start_at", "window_end_at"))
        .drop("grace", "starts_on_calendar", "starts_for_unit", "ends_on_calendar", "ends_for_unit")
        .collect()
    )


def _instants(assigned: pl.DataFrame, exposures: pl.LazyFrame) -> pl.DataFrame:
    """The exposures of assigned units as (assignment, instant, events): every instant of a day's row."""
    days = exposures.select(
        *_KEY, "first_exposed_at", "exposure_count", "later_exposed_at", "later_exposure_counts"
    ).join(assigned.lazy().select(*_KEY, _ROW), on=_KEY, how="inner")
    later_events = pl.col("later_exposure_counts").list.sum().fill_null(0)
    first = days.select(_ROW, at="first_exposed_at", events=pl.col("exposure_count") - later_events)
    later = (
        days.filter(pl.col("later_exposed_at").is_not_null())
        .select(_ROW, at="later_exposed_at", events="later_exposure_counts")
        .explode("at", "events")
    )
    return pl.concat([first, later]).collect()


def _to_date() -> pl.Expr:
    """Whether any exposure fell into this window or an earlier one of its sequence, whose windows stand in order."""
    until_here = pl.col("exposure_count").cum_sum()
    before_sequence = (
        pl.when(pl.col("analysis_window_index") == 0)
        .then(until_here - pl.col("exposure_count"))
        .forward_fill()
    )
    return until_here > before_sequence
