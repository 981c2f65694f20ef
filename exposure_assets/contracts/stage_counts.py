"""Contract of `stage_counts`: how many units of a cohort reached each stage of an experiment, and on which day.

How a unit comes to a stage stands in `transforms.stage_counts`; what shares are judged by, in `sample_ratios`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, holds

# In the order in which a unit comes to them: whoever is at one has been at all before it.
STAGES = ("assigned", "exposed", "valid_exposed", "completed")


class StageCounts(TableContract):
    """Units per cohort, variation and stage, by the UTC day on which they reached it; only where there are any.

    The units of a cohort at a stage as of a day are the sum over the days until then. `completed` days may lie beyond
    the data: they say when an outcome window will be over.
    """

    experiment_id: pl.String = pa.Field(description="The experiment.")
    assignment_date: pl.Date = pa.Field(description="The cohort day.")
    variation_id: pl.String = pa.Field(description="Assigned variation.")
    is_conflicting: pl.Boolean = pa.Field(description="The units were assigned to more than one variation.")
    stage: pl.String = pa.Field(
        isin=STAGES,
        description="assigned; exposed: after the assignment, grace included; valid_exposed: with a valid exposure; "
        "completed: valid_exposed and the outcome window is over.",
    )
    reached_date: pl.Date = pa.Field(
        description="UTC day of the assignment, of the first exposure (never before the cohort day), or of the end of "
        "the outcome window."
    )
    unit_count: pl.Int64 = pa.Field(ge=1, description="Units that reached the stage on that day.")

    class Config:
        name = "stage_counts"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return (
            "experiment_id",
            "assignment_date",
            "variation_id",
            "is_conflicting",
            "stage",
            "reached_date",
        )

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date", "experiment": "experiment_id"}

    @pa.dataframe_check(name="no stage is reached before the cohort day, and 'assigned' is reached on it")
    @classmethod
    def days_are_in_order(cls, data: PolarsData) -> pl.LazyFrame:
        reached, cohort = pl.col("reached_date"), pl.col("assignment_date")
        return holds(data, (reached == cohort) | ((reached > cohort) & (pl.col("stage") != "assigned")))

    @pa.dataframe_check(name="no stage has more units than the one before it")
    @classmethod
    def stages_never_grow(cls, data: PolarsData) -> pl.LazyFrame:
        units = [pl.col("unit_count").filter(stage=stage).sum().over(cls.grain()[:4]) for stage in STAGES]
        return holds(data, pl.all_horizontal(units[n] >= units[n + 1] for n in range(len(STAGES) - 1)))
