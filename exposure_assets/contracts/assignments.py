"""Contracts of the assignments: the staged rows and the canonical table.

How a canonical row is chosen stands in `transforms.assignments`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import AssignedUnitContract, TableContract, UtcInstant, holds


class AssignmentEvents(TableContract):
    """Accepted assignment rows, each delivered row once, staged by the UTC day of `assigned_at`."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    event_id: pl.String = pa.Field(
        nullable=True, description="Id of the assignment row; null where none was sent."
    )
    unit_id: pl.String = pa.Field(description="What was randomised.")
    variation_id: pl.String = pa.Field(description="The variation decided on.")
    assigned_at: UtcInstant = pa.Field(description="When the decision fell.")
    assignment_date: pl.Date = pa.Field(description="UTC day of `assigned_at`.")

    class Config:
        name = "assignment_events"

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date"}


class Assignments(AssignedUnitContract):
    """The canonical assignment: one row per experiment and unit, over all partitions together."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    unit_id: pl.String = pa.Field(description="What was randomised.")
    variation_id: pl.String = pa.Field(description="Variation of the unit's earliest assignment.")
    assigned_at: UtcInstant = pa.Field(description="When the unit was first assigned.")
    assignment_date: pl.Date = pa.Field(description="The cohort: UTC day of `assigned_at`.")
    assignment_count: pl.Int64 = pa.Field(
        ge=1, description="Accepted assignment rows of the unit, over all days."
    )
    variation_count: pl.Int64 = pa.Field(ge=1, description="Distinct variations the unit was assigned to.")
    is_conflicting: pl.Boolean = pa.Field(description="The unit was assigned to more than one variation.")

    class Config:
        name = "assignments"

    @pa.dataframe_check(name="assignment_date is the UTC day of assigned_at")
    @classmethod
    def cohort_is_the_day(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("assignment_date") == pl.col("assigned_at").dt.date())

    @pa.dataframe_check(name="is_conflicting says that variation_count is above one")
    @classmethod
    def conflicts_are_counted(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("is_conflicting") == (pl.col("variation_count") > 1))

    @pa.dataframe_check(name="there are no more variations than assignments")
    @classmethod
    def counts_are_consistent(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("variation_count") <= pl.col("assignment_count"))
