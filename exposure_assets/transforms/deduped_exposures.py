"""From exposure events to one mergeable row per experiment, unit, variation and day.

Which events are exposures is decided before, what they say about an assignment after.
"""

import polars as pl

from exposure_assets.contracts import DedupedExposures, columns_of
from exposure_assets.transforms.ordering import RUN_START, in_total_order

KEY = ("experiment_id", "unit_id", "variation_id", "exposure_date")


def dedupe_exposures(exposures: pl.LazyFrame) -> pl.LazyFrame:
    """Fold the exposure events of a key and day into one row, and keep what the first exposure would hide.

    Grain out: one row per (experiment_id, unit_id, variation_id, exposure_date).

    The first exposure is the earliest event; ties: the smallest `event_id`. The other instants of the day follow
    in `later_exposed_at`, each with its smallest event id and its number of events, so that a question for the first
    exposure at or after an instant inside the day, or for the exposures between two instants, has the answer that
    the raw events would give.

    Args:
        exposures: Obeys `contracts.ExposureEvents`; any number of days, each event once.
    """
    columns = [*KEY, "occurred_at", "event_id", "session_id"]
    ordered = in_total_order(exposures.select(columns).collect(), KEY, "occurred_at", ["event_id"])
    ordered = ordered.with_columns(pl.col(RUN_START).cum_sum().cast(pl.UInt32).alias("run"))
    starts = ordered[RUN_START].arg_true()
    ends = pl.concat([starts.slice(1), pl.Series([ordered.height], dtype=starts.dtype)])
    runs = ordered[starts].select(
        *KEY,
        "run",
        first_exposed_at="occurred_at",
        last_exposed_at=ordered["occurred_at"].gather(ends - 1) if len(starts) else pl.col("occurred_at"),
        exposure_count=(ends - starts).cast(pl.Int64) if len(starts) else pl.lit(0, pl.Int64),
        first_event_id="event_id",
        first_session_id="session_id",
    )
    later = (
        ordered.lazy()
        .with_row_index("row")
        .filter(pl.col(RUN_START) | (pl.col("occurred_at") != pl.col("occurred_at").shift()))
        .with_columns(
            events=(pl.col("row").shift(-1, fill_value=ordered.height) - pl.col("row")).cast(pl.Int64)
        )
        .filter(~pl.col(RUN_START))
        .select(pl.col("run").set_sorted(), "occurred_at", "event_id", "events")
        .group_by("run", maintain_order=True)
        .agg(later_exposed_at="occurred_at", later_event_ids="event_id", later_exposure_counts="events")
    )
    return runs.lazy().join(later, on="run", how="left").select(columns_of(DedupedExposures).keys())
