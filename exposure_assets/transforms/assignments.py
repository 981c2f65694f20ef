"""The canonical assignment of every unit, chosen from all its assignment rows.

Which rows are accepted is decided in `assignment_events`.
"""

import polars as pl

from exposure_assets.contracts import Assignments, columns_of
from exposure_assets.transforms.ordering import RUN_START, in_total_order

_KEY = ["experiment_id", "unit_id"]
_COLUMNS = [*_KEY, "variation_id", "event_id", "assigned_at", "assignment_date"]


def canonical_assignments(assignment_events: pl.LazyFrame) -> pl.LazyFrame:
    """One row per experiment and unit: its earliest assignment, with how often and to what it was assigned.

    Grain out: (experiment_id, unit_id) over all days of `assignment_events`.

    Ties: smallest `variation_id`, then `event_id` (nulls last). A later assignment moves nothing but the counts;
    to another variation, it marks the unit as conflicting. That is why all days of enrollment are needed, whatever
    cohort is asked for.

    Args:
        assignment_events: Obeys `contracts.AssignmentEvents`; every accepted row of the experiments, each once.
    """
    events = assignment_events.select(_COLUMNS).collect()
    first = first_assignments(events.lazy())
    counts = (
        events.lazy()
        .group_by(*_KEY, "variation_id")
        .agg(assignment_count=pl.len().cast(pl.Int64))
        .group_by(_KEY)
        .agg(pl.col("assignment_count").sum(), variation_count=pl.len().cast(pl.Int64))
    )
    return (
        first.lazy()
        .join(counts, on=_KEY, how="left")
        .with_columns(is_conflicting=pl.col("variation_count") > 1)
        .select(columns_of(Assignments).keys())
    )


def first_assignments(assignment_events: pl.LazyFrame) -> pl.DataFrame:
    """One row per experiment and unit: the assignment row that decides, without what the others count.

    Args:
        assignment_events: Obeys `contracts.AssignmentEvents`.
    """
    events = assignment_events.select(_COLUMNS).collect()
    return in_total_order(events, _KEY, "assigned_at", ["variation_id", "event_id"]).filter(RUN_START)
