"""Contract of `exposure_validation`: one verdict per assignment, with the instants it rests on.

The rules that lead to a verdict stand in `transforms.exposure_validation`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import AssignedUnitContract, UtcInstant, holds

VALIDATION_STATUSES = (
    "no_exposure",
    "crossover",
    "pre_assignment_exposure",
    "exposure_outside_window",
    "variation_mismatch",
    "valid",
)


class ExposureValidation(AssignedUnitContract):
    """One row per assignment: was the unit exposed, in time, to its own variation?"""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    unit_id: pl.String = pa.Field(description="The assigned unit.")
    variation_id: pl.String = pa.Field(description="The assigned variation.")
    assigned_at: UtcInstant = pa.Field(description="When the unit was assigned.")
    assignment_date: pl.Date = pa.Field(description="The cohort: UTC day of `assigned_at`.")
    first_exposure_any_at: UtcInstant = pa.Field(nullable=True, description="Earliest exposure; null: none.")
    first_exposure_any_variation_id: pl.String = pa.Field(nullable=True, description="Its variation.")
    first_exposure_any_event_id: pl.String = pa.Field(
        nullable=True, description="Its event; ties: smallest id."
    )
    first_exposure_at: UtcInstant = pa.Field(
        nullable=True, description="Earliest exposure at or after `assigned_at` minus the grace; null: none."
    )
    first_exposure_variation_id: pl.String = pa.Field(nullable=True, description="Its variation.")
    first_exposure_event_id: pl.String = pa.Field(nullable=True, description="Its event; ties: smallest id.")
    exposure_count: pl.Int64 = pa.Field(ge=0, description="Exposure events on the observed days.")
    exposure_variation_count: pl.Int64 = pa.Field(ge=0, description="Distinct variations among them.")
    exposure_delay_seconds: pl.Int64 = pa.Field(
        nullable=True, description="`first_exposure_at` - `assigned_at`, whole seconds (floor)."
    )
    has_any_exposure: pl.Boolean = pa.Field(description="An exposure event exists on the observed days.")
    has_post_assignment_exposure: pl.Boolean = pa.Field(description="`first_exposure_at` exists.")
    has_valid_exposure: pl.Boolean = pa.Field(description="In time, matching, and no excluded crossover.")
    is_pre_assignment_exposure: pl.Boolean = pa.Field(description="The earliest exposure precedes the grace.")
    is_exposure_outside_window: pl.Boolean = pa.Field(description="The first exposure came after the window.")
    is_variation_mismatch: pl.Boolean = pa.Field(description="The first exposure was to another variation.")
    has_crossover: pl.Boolean = pa.Field(description="Exposed to more than one variation.")
    validation_status: pl.String = pa.Field(isin=list(VALIDATION_STATUSES), description="The verdict.")
    observed_until_date: pl.Date = pa.Field(
        description="Last observed day: `assignment_date` + observe_days."
    )

    class Config:
        name = "exposure_validation"

    @pa.dataframe_check(name="the delay is first_exposure_at minus assigned_at in whole seconds")
    @classmethod
    def delay_is_consistent(cls, data: PolarsData) -> pl.LazyFrame:
        microseconds = (pl.col("first_exposure_at") - pl.col("assigned_at")).dt.total_microseconds()
        return holds(data, pl.col("exposure_delay_seconds").eq_missing(microseconds.floordiv(1_000_000)))

    @pa.dataframe_check(name="no first exposure precedes the earliest exposure")
    @classmethod
    def first_follows_any(cls, data: PolarsData) -> pl.LazyFrame:
        first, earliest = pl.col("first_exposure_at"), pl.col("first_exposure_any_at")
        return holds(data, first.is_null() | (first >= earliest))

    @pa.dataframe_check(name="exposures lie on the observed days")
    @classmethod
    def exposures_lie_on_observed_days(cls, data: PolarsData) -> pl.LazyFrame:
        earliest, first = pl.col("first_exposure_any_at"), pl.col("first_exposure_at")
        since = pl.col("assignment_date").dt.offset_by("-7d")
        until = pl.col("observed_until_date")
        return holds(
            data,
            (earliest.is_null() | ((earliest.dt.date() >= since) & (earliest.dt.date() <= until)))
            & (first.is_null() | (first.dt.date() <= until)),
        )

    @pa.dataframe_check(name="flags say what the instants and counts say")
    @classmethod
    def flags_are_consistent(cls, data: PolarsData) -> pl.LazyFrame:
        any_exposure = pl.col("first_exposure_any_at").is_not_null()
        post_exposure = pl.col("first_exposure_at").is_not_null()
        return holds(
            data,
            (pl.col("has_any_exposure") == any_exposure)
            & (pl.col("has_post_assignment_exposure") == post_exposure)
            & (any_exposure == (pl.col("exposure_count") > 0))
            & (pl.col("has_crossover") == (pl.col("exposure_variation_count") > 1))
            & (~post_exposure | any_exposure),
        )

    @pa.dataframe_check(name="the status is 'valid' exactly for a valid exposure")
    @classmethod
    def status_agrees(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, (pl.col("validation_status") == "valid") == pl.col("has_valid_exposure"))
