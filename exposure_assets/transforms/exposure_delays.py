"""How long after their assignment units were first exposed, counted by ranges of delay.

Whether variations differ in it is judged in `variation_differences`.
"""

import polars as pl

from exposure_assets.contracts import DELAY_STARTS, ExposureDelays, columns_of


def exposure_delays(validation: pl.LazyFrame) -> pl.LazyFrame:
    """Count the units of every cohort by the delay of their first exposure.

    Grain out: (experiment_id, assignment_date, variation_id, exposed_date, from_seconds), where there are units. A unit
    without an exposure after its assignment (grace included) is in no range.

    Args:
        validation: Obeys `contracts.ExposureValidation`; the cohorts to count, whole.
    """
    starts = pl.DataFrame({"from_seconds": DELAY_STARTS}, schema={"from_seconds": pl.Int64}).lazy()
    return (
        validation.filter("has_post_assignment_exposure")
        .select(
            "experiment_id",
            "assignment_date",
            "variation_id",
            "exposure_delay_seconds",
            exposed_date=pl.max_horizontal(pl.col("first_exposure_at").dt.date(), "assignment_date"),
        )
        .sort("exposure_delay_seconds")
        .join_asof(starts, left_on="exposure_delay_seconds", right_on="from_seconds")
        .group_by(ExposureDelays.grain())
        .agg(unit_count=pl.len().cast(pl.Int64))
        .select(columns_of(ExposureDelays).keys())
    )
