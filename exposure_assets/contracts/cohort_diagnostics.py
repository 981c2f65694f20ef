"""Contract of `cohort_diagnostics`: what `daily_quality` doesn't count and a judgement of the data needs.

How it is counted stands in `transforms.cohort_diagnostics`; what is made of it, in `experiment_quality_report`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, holds


class CohortDiagnostics(TableContract):
    """One row per experiment and day that has an assigned or an exposed unit."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    assignment_date: pl.Date = pa.Field(description="The cohort day.")
    assigned_units: pl.Int64 = pa.Field(ge=0, description="Units of the cohort.")
    assignment_count: pl.Int64 = pa.Field(ge=0, description="Accepted assignment rows of these units.")
    early_outcome_units: pl.Int64 = pa.Field(
        ge=0,
        description="Units with an event of one of the experiment's metrics at or after the assignment and before the "
        "anchor: no outcome window holds it.",
    )
    exposed_on_day_units: pl.Int64 = pa.Field(
        ge=0, description="Units with an exposure on this calendar day, assigned or not."
    )

    class Config:
        name = "cohort_diagnostics"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "assignment_date")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date", "experiment": "experiment_id"}

    @pa.dataframe_check(name="every unit has an assignment, and is counted once")
    @classmethod
    def counts_are_consistent(cls, data: PolarsData) -> pl.LazyFrame:
        units = pl.col("assigned_units")
        return holds(data, (units <= pl.col("assignment_count")) & (pl.col("early_outcome_units") <= units))
