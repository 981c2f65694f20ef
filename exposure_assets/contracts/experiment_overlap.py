"""Contract of `experiment_overlap`: the units that two experiments share, and whether their splits are independent.

How they are counted stands in `transforms.experiment_overlap`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, holds

PAIR = ("experiment_id", "other_experiment_id")
_UNTESTED = "Null where fewer than two variations of either experiment have units of the overlap."


class ExperimentOverlap(TableContract):
    """Of two experiments that share assigned units: the shared units by their two variations, zeros included.

    A pair stands once, the smaller `experiment_id` (by its bytes) first. `overlap_units`, `chi_square`,
    `degrees_of_freedom` and `p_value` are the pair's, the same in each of its rows. The test asks whether a unit's
    variation in one experiment depends on its variation in the other: Pearson's chi-square without continuity
    correction, over variations that have units of the overlap. Where cells expect only a few units its p-value is
    approximate.
    """

    experiment_id: pl.String = pa.Field(description="One experiment.")
    other_experiment_id: pl.String = pa.Field(description="The other experiment, whose id is larger.")
    variation_id: pl.String = pa.Field(description="Assigned variation in the one.")
    other_variation_id: pl.String = pa.Field(description="Assigned variation in the other.")
    unit_count: pl.Int64 = pa.Field(ge=0, description="Units assigned to both variations.")
    expected_unit_count: pl.Float64 = pa.Field(
        ge=0.0, description="What independent splits would give, from the shared units of each variation."
    )
    overlap_units: pl.Int64 = pa.Field(ge=1, description="Units assigned in both experiments.")
    chi_square: pl.Float64 = pa.Field(
        ge=0.0, nullable=True, description=f"Chi-square of independence. {_UNTESTED}"
    )
    degrees_of_freedom: pl.Int64 = pa.Field(
        ge=1, nullable=True, description=f"Of the chi-square. {_UNTESTED}"
    )
    p_value: pl.Float64 = pa.Field(
        ge=0.0, le=1.0, nullable=True, description=f"How probable so large a chi-square is. {_UNTESTED}"
    )

    class Config:
        name = "experiment_overlap"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return (*PAIR, "variation_id", "other_variation_id")

    @pa.dataframe_check(name="experiment_id is smaller than other_experiment_id")
    @classmethod
    def pairs_stand_once(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("experiment_id") < pl.col("other_experiment_id"))

    @pa.dataframe_check(name="the units of a pair sum to overlap_units, and so do the expected ones")
    @classmethod
    def counts_sum_up(cls, data: PolarsData) -> pl.LazyFrame:
        units = pl.col("unit_count").sum().over(PAIR)
        expected = pl.col("expected_unit_count").sum().over(PAIR)
        overlap = pl.col("overlap_units")
        return holds(data, (units == overlap) & ((expected - overlap).abs() <= 1e-6 * overlap))

    @pa.dataframe_check(name="a pair has its test or has none")
    @classmethod
    def tests_are_whole(cls, data: PolarsData) -> pl.LazyFrame:
        tested = pl.col("chi_square").is_not_null()
        others = (pl.col(name).is_not_null() == tested for name in ("degrees_of_freedom", "p_value"))
        return holds(data, pl.all_horizontal(others))
