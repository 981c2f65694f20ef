"""One day of raw assignments, judged: accepted rows and rejected ones.

The canonical assignment of a unit is chosen in `assignments`.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from exposure_assets.contracts import AssignmentEvents, Catalog, columns_of
from exposure_assets.transforms.attribution import ROW
from exposure_assets.transforms.exactly_once import copies, settled_by
from exposure_assets.transforms.staged_events import DELIVERY, rejected_rows

_REMAINING = ("experiment_id", "unit_id", "variation_id", "ingested_at")


@dataclass(frozen=True)
class StagedAssignments:
    """What a day of raw assignments came to; every frame obeys the contract of its name."""

    assignment_events: pl.DataFrame
    rejected_events: pl.DataFrame
    settled_ids: pl.Series


def stage_assignments(
    rows: pl.DataFrame, day: date, catalog: Catalog, settled_ids: pl.Series, suspect_hashes: pl.Series
) -> StagedAssignments:
    """Judge the raw assignments of one UTC day, and the rows without a day that arrived on it.

    A row is accepted when its experiment and variation are in the catalog and it falls into the enrollment.

    Args:
        rows: Raw assignments with the stream's columns, `file`, `arrival_date` and `is_broken`.
        day: The UTC day.
        catalog: Experiments and variations.
        settled_ids: Ids that count on an earlier day.
        suspect_hashes: Hashes of the ids that stand on several days.
    """
    rows = rows.with_row_index(ROW)
    of_day = rows.filter(~pl.col("is_broken"))
    is_copy = copies(of_day, "assigned_at", [pl.col(name) for name in _REMAINING], DELIVERY, settled_ids)
    judged = (
        of_day.lazy()
        .with_columns(is_copy=is_copy)
        .join(_enrollments(catalog), on="experiment_id", how="left")
        .join(_known_variations(catalog), on=["experiment_id", "variation_id"], how="left")
        .with_columns(reason=_reason(), assignment_date=pl.lit(day, pl.Date))
        .collect()
    )
    broken = rows.filter("is_broken")
    rejected = pl.concat(
        [
            judged.filter(pl.col("reason").is_not_null()).select(ROW, "reason"),
            broken.select(ROW, reason=pl.lit("malformed")),
        ]
    )
    return StagedAssignments(
        assignment_events=judged.filter(pl.col("reason").is_null())
        .select(columns_of(AssignmentEvents).keys())
        .sort("experiment_id", pl.col("unit_id").hash()),
        rejected_events=rejected_rows(rejected, rows, "assignments", "assigned_at"),
        settled_ids=settled_by(of_day.filter(~is_copy), suspect_hashes),
    )


def _enrollments(catalog: Catalog) -> pl.LazyFrame:
    instant = pl.Datetime("us", "UTC")
    return pl.LazyFrame(
        [(e.id, True, e.start, e.enrollment_end) for e in catalog.experiments.values()],
        schema={"experiment_id": pl.String, "is_known": pl.Boolean, "start_at": instant, "end_at": instant},
        orient="row",
    )


def _known_variations(catalog: Catalog) -> pl.LazyFrame:
    return pl.LazyFrame(
        [(e.id, variation.id, True) for e in catalog.experiments.values() for variation in e.variations],
        schema={"experiment_id": pl.String, "variation_id": pl.String, "is_known_variation": pl.Boolean},
        orient="row",
    )


def _reason() -> pl.Expr:
    return (
        pl.when("is_copy")
        .then(pl.lit("duplicate"))
        .when(pl.col("is_known").is_null())
        .then(pl.lit("unknown_experiment"))
        .when(pl.col("is_known_variation").is_null())
        .then(pl.lit("unknown_variation"))
        .when(pl.col("assigned_at") < pl.col("start_at"))
        .then(pl.lit("before_start"))
        .when(pl.col("assigned_at") >= pl.col("end_at"))
        .then(pl.lit("after_enrollment"))
    )
