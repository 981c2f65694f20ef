"""From the rows of days to one row per unit over an interval: merging, and the policy about crossovers.

How a day's rows are made stands in `deduped_exposures`; which days are read, in `preaggregation_windows`.
"""

from typing import Literal, get_args

import polars as pl

from exposure_assets.contracts import UnitExposures, columns_of
from exposure_assets.transforms.ordering import RUN_START, in_total_order

CrossoverPolicy = Literal["exclude", "first_seen"]
POLICIES: tuple[CrossoverPolicy, ...] = get_args(CrossoverPolicy)
# What of a day's rows an answer is merged from.
MERGED_COLUMNS = (
    "unit_id",
    "variation_id",
    "first_exposed_at",
    "last_exposed_at",
    "exposure_count",
    "first_event_id",
    "first_session_id",
)
# The instant by which exposures are ordered, and what decides between those of one instant.
_FIRST = ("first_exposed_at", ("first_event_id", "first_session_id", "variation_id"))


def with_bounds(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of days, with the bounds that a merge has."""
    variation = pl.col("variation_id")
    return rows.with_columns(smallest_variation_id=variation, largest_variation_id=variation)


def merge_units(rows: pl.DataFrame) -> pl.DataFrame:
    """Merge rows of any days and of other merges into one row per unit, which merges again.

    Grain out: one row per `unit_id`, with the columns of `UnitExposures` and the bounds `smallest_variation_id` and
    `largest_variation_id`, which differ where the unit met several variations.

    The first exposure is the smallest by instant, event id, session id (null last) and variation id, strings by
    their UTF-8 bytes: whatever the order of the rows, the answer is that of all events together.

    Args:
        rows: `MERGED_COLUMNS` and the two bounds: of `with_bounds`, or merged before.
    """
    # Most units stand on one row, and need no comparing.
    several = rows["unit_id"].is_duplicated()
    alone, together = rows.filter(~several), rows.filter(several)
    if together.is_empty():
        return alone
    ordered = in_total_order(together, ["unit_id"], *_FIRST)
    starts = ordered[RUN_START].arg_true()
    totals = (
        ordered.lazy()
        .with_columns(pl.col(RUN_START).cum_sum().set_sorted().alias("run"))
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("last_exposed_at").max(),
            pl.col("exposure_count").sum(),
            pl.col("smallest_variation_id").min(),
            pl.col("largest_variation_id").max(),
        )
        .drop("run")
        .collect()
    )
    merged = pl.concat([ordered[starts].drop(RUN_START, *totals.columns), totals], how="horizontal")
    return pl.concat([alone, merged.select(alone.columns)])


def by_policy(units: pl.DataFrame, policy: CrossoverPolicy) -> tuple[pl.DataFrame, int]:
    """The answer by unit id, and how many units met several variations.

    Under `exclude` those units are left out; under `first_seen` they count as the variation of their first exposure.

    Args:
        units: Of `merge_units`.
        policy: What becomes of crossovers.
    """
    is_crossover = pl.col("smallest_variation_id") != pl.col("largest_variation_id")
    crossovers = int(units.select(is_crossover.sum()).item())
    kept = units.filter(~is_crossover) if policy == "exclude" else units
    return kept.select(columns_of(UnitExposures).keys()).sort("unit_id"), crossovers
