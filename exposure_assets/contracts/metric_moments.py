"""Contract of `metric_moments`: all that comparing variations needs to know of the units of a cohort, per metric.

How moments come about stands in `transforms.metric_moments`; what they are compared to, in `experiment_results`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, holds

ANALYSIS_BASES = ("assigned", "exposed", "valid_exposed", "not_exposed")
# What a unit brings to a comparison. A plain metric has a value; a ratio also a denominator; with covariates both have
# what the unit did before its assignment.
MOMENT_PARTS = ("value", "denominator", "covariate", "denominator_covariate")
MOMENT_PAIRS = tuple((a, b) for n, a in enumerate(MOMENT_PARTS) for b in MOMENT_PARTS[n:])


def mean_column(part: str) -> str:
    """The column with the mean of a part."""
    return f"{part}_mean"


def comoment_column(part: str, other: str) -> str:
    """The column with the sum of products of two parts' deviations from their means; of one of `MOMENT_PAIRS`."""
    return f"{part}_{other}_comoment"


class MetricMoments(TableContract):
    """Units, means and centred second moments per cohort, variation, analysis basis, metric and day of completion.

    The units of a basis whose outcome window is over as of a day are the cells until then, merged; `completed_date` may
    lie beyond the data. Ratios of the experiment are metrics here. A comoment is the sum of products of two parts'
    deviations from their means: divided by unit_count - 1 it is a covariance, or of a part with itself its variance.
    """

    experiment_id: pl.String = pa.Field(description="The experiment.")
    assignment_date: pl.Date = pa.Field(description="The cohort day.")
    variation_id: pl.String = pa.Field(description="Assigned variation.")
    is_conflicting: pl.Boolean = pa.Field(description="The units were assigned to more than one variation.")
    analysis_basis: pl.String = pa.Field(
        isin=ANALYSIS_BASES,
        description="assigned: all; exposed: after the assignment, grace included; valid_exposed: with a valid "
        "exposure; not_exposed: the assigned ones that are not exposed.",
    )
    metric_id: pl.String = pa.Field(description="Metric of the catalog, or ratio of the experiment.")
    completed_date: pl.Date = pa.Field(
        description="UTC day by whose end the outcome window is over, and the unit exposed where the basis asks for it."
    )
    unit_count: pl.Int64 = pa.Field(ge=0, description="Units that have a value.")
    missing_unit_count: pl.Int64 = pa.Field(
        ge=0,
        description="Units without one: a mean, minimum or maximum of no event. They count in no moment.",
    )
    value_mean: pl.Float64 = pa.Field(
        nullable=True, description="Mean of the value, or of the numerator of a ratio; null without units."
    )
    denominator_mean: pl.Float64 = pa.Field(
        nullable=True, description="Mean of the denominator of a ratio; else null."
    )
    covariate_mean: pl.Float64 = pa.Field(
        nullable=True, description="Mean of the value before the assignment; null without covariates."
    )
    denominator_covariate_mean: pl.Float64 = pa.Field(
        nullable=True, description="Mean of the denominator before the assignment; null without both."
    )
    value_value_comoment: pl.Float64 = pa.Field(nullable=True, ge=0.0, description="Of the value.")
    value_denominator_comoment: pl.Float64 = pa.Field(
        nullable=True, description="Of the value and the denominator."
    )
    value_covariate_comoment: pl.Float64 = pa.Field(
        nullable=True, description="Of the value and its covariate."
    )
    value_denominator_covariate_comoment: pl.Float64 = pa.Field(
        nullable=True, description="Of the value and the denominator's covariate."
    )
    denominator_denominator_comoment: pl.Float64 = pa.Field(
        nullable=True, ge=0.0, description="Of the denominator."
    )
    denominator_covariate_comoment: pl.Float64 = pa.Field(
        nullable=True, description="Of the denominator and the value's covariate."
    )
    denominator_denominator_covariate_comoment: pl.Float64 = pa.Field(
        nullable=True, description="Of the denominator and its covariate."
    )
    covariate_covariate_comoment: pl.Float64 = pa.Field(
        nullable=True, ge=0.0, description="Of the value's covariate."
    )
    covariate_denominator_covariate_comoment: pl.Float64 = pa.Field(
        nullable=True, description="Of both covariates."
    )
    denominator_covariate_denominator_covariate_comoment: pl.Float64 = pa.Field(
        nullable=True, ge=0.0, description="Of the denominator's covariate."
    )

    class Config:
        name = "metric_moments"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return (
            "experiment_id",
            "assignment_date",
            "variation_id",
            "is_conflicting",
            "analysis_basis",
            "metric_id",
            "completed_date",
        )

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date", "experiment": "experiment_id"}

    @pa.dataframe_check(name="no cell is without units, and those with a value have moments")
    @classmethod
    def cells_have_units(cls, data: PolarsData) -> pl.LazyFrame:
        has_value = pl.col("unit_count") > 0
        has_moments = pl.col("value_mean").is_not_null() & pl.col("value_value_comoment").is_not_null()
        return holds(data, (has_value | (pl.col("missing_unit_count") > 0)) & (has_value == has_moments))

    @pa.dataframe_check(name="two parts have a comoment where both have a mean, and nowhere else")
    @classmethod
    def comoments_are_whole(cls, data: PolarsData) -> pl.LazyFrame:
        found = (
            pl.col(comoment_column(a, b)).is_not_null()
            == (pl.col(mean_column(a)).is_not_null() & pl.col(mean_column(b)).is_not_null())
            for a, b in MOMENT_PAIRS
        )
        return holds(data, pl.all_horizontal(found))

    @pa.dataframe_check(name="no unit is complete before its cohort day")
    @classmethod
    def days_are_in_order(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("completed_date") >= pl.col("assignment_date"))
