"""Contracts of `sample_ratios` and `sample_ratio_intervals`: whether units came to variations as declared.

How they are tested stands in `transforms.sample_ratios`; from where on a deviation matters, in the catalog.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, holds
from exposure_assets.contracts.stage_counts import STAGES

_UNTESTED = "Null where no variation can be compared with another one, or one expects fewer than 5 units."
_ONLY_CUMULATIVE = "Null in rows of one day."


class SampleRatios(TableContract):
    """Per experiment, day and stage: the units of every variation against the declared allocations.

    A row that is cumulative counts the units that reached the stage on or before `as_of_date`, another one those that
    reached it on that day. Days and stages without units have no row. Shares are fractions of 1; while allocations
    change, units are compared with those of their own cohort day.
    """

    experiment_id: pl.String = pa.Field(description="The experiment.")
    as_of_date: pl.Date = pa.Field(description="The UTC day, as known when it is over.")
    stage: pl.String = pa.Field(isin=STAGES, description="The stage of `stage_counts`.")
    is_cumulative: pl.Boolean = pa.Field(
        description="All units until that day; else those of that day alone."
    )
    has_conflicting_units: pl.Boolean = pa.Field(
        description="All units count; else only those assigned to one variation."
    )
    unit_count: pl.Int64 = pa.Field(ge=1, description="Units.")
    variation_count: pl.Int64 = pa.Field(
        ge=1, description="Variations whose declared allocation is above 0 for any of the units."
    )
    statistic: pl.Float64 = pa.Field(
        ge=0.0,
        nullable=True,
        description=f"Pearson's chi-square, summed over phases of allocation. {_UNTESTED}",
    )
    degrees_of_freedom: pl.Int64 = pa.Field(
        ge=1, nullable=True, description=f"Of the chi-square. {_UNTESTED}"
    )
    p_value: pl.Float64 = pa.Field(
        ge=0.0, le=1.0, nullable=True, description=f"How probable so large a chi-square is. {_UNTESTED}"
    )
    effect_size: pl.Float64 = pa.Field(
        ge=0.0, nullable=True, description=f"Cohen's w: sqrt(statistic / units tested). {_UNTESTED}"
    )
    largest_deviation: pl.Float64 = pa.Field(
        ge=0.0,
        le=1.0,
        description="Largest difference of a variation's observed share and its declared one; over phases, the mean of "
        "the differences, weighed by units.",
    )
    worst_variation_id: pl.String = pa.Field(
        description="The variation of largest_deviation; of several, the smallest id."
    )
    worst_unit_count: pl.Int64 = pa.Field(ge=0, description="Units of worst_variation_id.")
    worst_expected_unit_count: pl.Float64 = pa.Field(
        ge=0.0, description="Units that worst_variation_id should have."
    )
    unexpected_unit_count: pl.Int64 = pa.Field(ge=0, description="Units in variations whose allocation is 0.")
    unseen_variation_count: pl.Int64 = pa.Field(
        ge=0, description="Variations with an allocation above 0 and no unit."
    )
    is_mismatch: pl.Boolean = pa.Field(
        description="p_value < srm_alpha and largest_deviation >= srm_min_deviation; or unexpected units."
    )
    sequential_p_value: pl.Float64 = pa.Field(
        ge=0.0,
        le=1.0,
        nullable=True,
        description=f"Smallest 1 / e-value until that day: may be looked at every day. {_ONLY_CUMULATIVE}",
    )
    is_sequential_mismatch: pl.Boolean = pa.Field(
        nullable=True, description=f"Likewise by sequential_p_value. {_ONLY_CUMULATIVE}"
    )

    class Config:
        name = "sample_ratios"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "as_of_date", "stage", "is_cumulative", "has_conflicting_units")

    @pa.dataframe_check(name="a row has its test or has none")
    @classmethod
    def tests_are_whole(cls, data: PolarsData) -> pl.LazyFrame:
        tested = pl.col("statistic").is_not_null()
        others = ("degrees_of_freedom", "p_value", "effect_size")
        return holds(data, pl.all_horizontal(pl.col(name).is_not_null() == tested for name in others))

    @pa.dataframe_check(name="the sequential test stands in cumulative rows and only there")
    @classmethod
    def sequential_tests_are_cumulative(cls, data: PolarsData) -> pl.LazyFrame:
        names = ("sequential_p_value", "is_sequential_mismatch")
        found = (pl.col(name).is_not_null() == pl.col("is_cumulative") for name in names)
        return holds(data, pl.all_horizontal(found))

    @pa.dataframe_check(name="unexpected units are some of the units, and a mismatch")
    @classmethod
    def unexpected_units_are_a_mismatch(cls, data: PolarsData) -> pl.LazyFrame:
        unexpected = pl.col("unexpected_unit_count")
        told = pl.col("is_mismatch") & pl.col("is_sequential_mismatch").fill_null(True)
        return holds(data, (unexpected == 0) | ((unexpected <= pl.col("unit_count")) & told))


class SampleRatioIntervals(TableContract):
    """Confidence sequences of the shares: per experiment, day, stage and variation, of all units until that day.

    With probability 1 - srm_alpha the true shares of a stage are in the intervals of all variations on all days: they
    may be looked at every day. Where allocations change, every phase has its own units and intervals. Variations whose
    allocation is 0 have none, and their units don't count.
    """

    experiment_id: pl.String = pa.Field(description="The experiment.")
    as_of_date: pl.Date = pa.Field(description="The UTC day, as known when it is over.")
    stage: pl.String = pa.Field(isin=STAGES, description="The stage of `stage_counts`.")
    has_conflicting_units: pl.Boolean = pa.Field(
        description="All units count; else only those assigned to one variation."
    )
    phase_start_date: pl.Date = pa.Field(
        description="First cohort day of the phase of allocation; of the first one, the day of the experiment's start."
    )
    variation_id: pl.String = pa.Field(description="Assigned variation.")
    unit_count: pl.Int64 = pa.Field(ge=0, description="Units of the phase in this variation.")
    observed_share: pl.Float64 = pa.Field(ge=0.0, le=1.0, description="Of the units of the phase.")
    declared_share: pl.Float64 = pa.Field(gt=0.0, le=1.0, description="The phase's allocation.")
    lower_share: pl.Float64 = pa.Field(ge=0.0, le=1.0, description="Lower bound of the share.")
    upper_share: pl.Float64 = pa.Field(ge=0.0, le=1.0, description="Upper bound of the share.")

    class Config:
        name = "sample_ratio_intervals"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return (
            "experiment_id",
            "as_of_date",
            "stage",
            "has_conflicting_units",
            "phase_start_date",
            "variation_id",
        )

    @pa.dataframe_check(name="the observed share is in its interval")
    @classmethod
    def intervals_hold_what_was_observed(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("observed_share").is_between("lower_share", "upper_share"))
