"""Whether every assigned unit is in the segments of its experiment.

Which events a segment counts is decided when they are staged; what a window is, in the contracts.
"""

from collections.abc import Mapping

import polars as pl

from exposure_assets.contracts import Experiment, UnitSegments, columns_of, segment_column
from exposure_assets.contracts.catalog_windows import Bound, Origin
from exposure_assets.transforms.counting import counts_in_windows

_ROW = "segment_row"
_INSTANT = pl.Datetime("us", "UTC")


def unit_segments(
    assignments: pl.LazyFrame, segment_events: pl.LazyFrame, experiments: Mapping[str, Experiment]
) -> pl.LazyFrame:
    """Count the events of every assigned unit in the window of every segment.

    Grain out: (experiment_id, unit_id, segment_id): one row per assignment and segment of its experiment.

    Args:
        assignments: Obeys `contracts.Assignments`.
        segment_events: Obeys `contracts.SegmentEvents`; has to cover every window.
        experiments: The experiments of `assignments`.
    """
    windows = _windows_of_units(assignments, experiments).with_row_index(_ROW).collect()
    events = (
        segment_events.select("rule", "unit_id", at="occurred_at", events=pl.lit(1, pl.Int64))
        .join(windows.lazy().select("rule", "unit_id", _ROW), on=["rule", "unit_id"], how="inner")
        .collect()
    )
    return (
        windows.with_columns(event_count=counts_in_windows(windows, events, _ROW))
        .lazy()
        .with_columns(is_in_segment=pl.col("event_count") >= pl.col("at_least"))
        .select(columns_of(UnitSegments).keys())
    )


def cut_by_segments(
    outcomes: pl.LazyFrame,
    segments: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
    columns: Mapping[str, type[pl.DataType]],
) -> pl.LazyFrame:
    """Add one Boolean column per segment of the catalog, so that outcomes can be cut by them.

    Grain out: the rows of `outcomes`. Null where the unit's experiment has no such segment.

    Args:
        outcomes: One row per (experiment_id, unit_id).
        segments: Obeys `contracts.UnitSegments`; of the same assignments.
        experiments: The experiments of `outcomes`.
        columns: The columns of all segments of the catalog, as `contracts.segment_columns` names them.
    """
    key = ["experiment_id", "unit_id"]
    ours = {segment_column(segment.id): segment.id for e in experiments.values() for segment in e.segments}
    by_unit = segments.group_by(key).agg(
        pl.col("is_in_segment").filter(pl.col("segment_id") == segment_id).first().alias(column)
        for column, segment_id in ours.items()
    )
    others = [pl.lit(None, dtype).alias(column) for column, dtype in columns.items() if column not in ours]
    names = outcomes.collect_schema().names()
    return (
        outcomes.join(by_unit, on=key, how="left", maintain_order="left")
        .with_columns(others)
        .select(*names, *columns)
    )


def _windows_of_units(assignments: pl.LazyFrame, experiments: Mapping[str, Experiment]) -> pl.LazyFrame:
    midnight = pl.col("assignment_date").cast(_INSTANT).to_physical()

    def instant(end: str) -> pl.Expr:
        on_calendar, of_day = pl.col(f"{end}_on_calendar"), midnight + pl.col(f"{end}_of_day")
        return pl.coalesce(on_calendar, of_day, pl.col("assigned_at").to_physical()).cast(_INSTANT)

    return (
        assignments.select("experiment_id", "unit_id", "variation_id", "assigned_at", "assignment_date")
        .join(_definitions(experiments), on="experiment_id", how="inner", maintain_order="left_right")
        .with_columns(window_start_at=instant("start"), window_end_at=instant("end"))
        .with_columns(window_end_at=pl.max_horizontal("window_start_at", "window_end_at"))
    )


def _definitions(experiments: Mapping[str, Experiment]) -> pl.LazyFrame:
    """Every segment of every experiment; a bound on neither the calendar nor a day is the assignment itself."""
    rows = []
    for e in experiments.values():
        for segment in e.segments:
            bounds = segment.bounds(e.enrollment, e.exposure.observe_days)
            is_post = segment.is_post_assignment(e.enrollment, e.exposure.observe_days)
            places = [place for bound in bounds for place in _places(bound)]
            rows.append((e.id, segment.id, segment.rule, segment.at_least, is_post, *places))
    return pl.LazyFrame(
        rows,
        schema={
            "experiment_id": pl.String,
            "segment_id": pl.String,
            "rule": pl.String,
            "at_least": pl.Int64,
            "is_post_assignment": pl.Boolean,
            "start_on_calendar": pl.Int64,
            "start_of_day": pl.Int64,
            "end_on_calendar": pl.Int64,
            "end_of_day": pl.Int64,
        },
        orient="row",
    )


def _places(bound: Bound) -> tuple[int | None, int | None]:
    return (
        bound.microseconds if bound.origin is Origin.CALENDAR else None,
        bound.microseconds if bound.origin is Origin.ASSIGNMENT_DATE else None,
    )
