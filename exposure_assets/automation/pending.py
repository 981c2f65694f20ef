"""Which runs are due: what is out of date, less what is on its way, in an order in which nothing is computed twice.

What is out of date stands in `outdated`; asking Dagster for the runs is the sensor's business.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from exposure_assets.automation.in_flight import InFlight
from exposure_assets.automation.outdated import COUNTS_OF_STAGED, GraphState, with_dependants
from exposure_assets.automation.requests import (
    Request,
    staging_requests,
    table_requests,
    whole_table_requests,
)
from exposure_assets.contracts import STAGED_TABLES
from exposure_assets.transforms.digests import sums_over_days
from exposure_assets.transforms.exposure_validation import DAYS_OBSERVED_BEFORE_ASSIGNMENT
from exposure_assets.transforms.partition_versions import FROM_STAGED, FROM_TABLES, PARTITION
from exposure_assets.transforms.whole_versions import (
    WHOLE_TABLES,
    partitioned_upstream,
    with_whole_dependants,
)
from partitions.calendar import Calendar

STAGED_ASSETS = (*STAGED_TABLES, *COUNTS_OF_STAGED)
_EVERY = "*"


@dataclass(frozen=True)
class Pending:
    """The runs that are due now, and how many partitions and tables wait for what they rest on."""

    requests: list[Request]
    held_back: int


def pending(
    state: GraphState, in_flight: InFlight, calendar: Calendar, order: Sequence[str], is_patient: bool
) -> Pending:
    """What to request now.

    A partition waits while something that it rests on is out of date or being computed: it would be computed again
    right after. Where new files come without a pause it would wait for ever, so patience has an end; what is then
    computed too early is computed again.

    Args:
        state: What is out of date.
        in_flight: What is being computed.
        calendar: The days that have a partition.
        order: The experiments in the order of their dynamic partitions.
        is_patient: Whether to let partitions wait.
    """
    on_calendar = [day for day in state.days if calendar.first_day <= day <= calendar.last]
    due_days = [day for day in on_calendar if day not in in_flight.days] if state.manifest.is_complete else []
    unsettled_days = {*on_calendar, *in_flight.days} if is_patient else set()
    of_calendar = pl.col("day").is_between(calendar.first_day, calendar.last)
    tables = {
        table: frame.filter(of_calendar).join(in_flight.of_table(table), on=PARTITION, how="anti")
        for table, frame in {**state.tables, **with_dependants(state.tables)}.items()
    }
    ready: dict[str, pl.DataFrame] = {
        table: tables[table].filter(~pl.col("day").is_in(sorted(unsettled_days))) for table in FROM_STAGED
    }
    unsettled = {
        table: pl.concat([state.tables[table], in_flight.of_table(table)]).select(PARTITION).unique()
        for table in FROM_STAGED
    }
    for table in FROM_TABLES:
        ready[table] = tables[table]
        if is_patient:
            ready[table] = _settled(tables[table], state, unsettled, unsettled_days)
    held_back = sum(tables[table].height - ready[table].height for table in ready)
    whole = {
        name: digest
        for name, digest in with_whole_dependants(state.whole_tables).items()
        if name not in in_flight.whole_tables
    }
    resting = {name: whole.pop(name) for name in WHOLE_TABLES if name in whole}
    if is_patient:
        moving = {
            table
            for table, frame in tables.items()
            if unsettled_days or not frame.is_empty() or not in_flight.of_table(table).is_empty()
        }
        waiting = [name for name in resting if moving & partitioned_upstream(name)]
        held_back += len(waiting)
        resting = {name: digest for name, digest in resting.items() if name not in waiting}
    return Pending(
        [
            *whole_table_requests(whole),
            *staging_requests(due_days, STAGED_ASSETS, state.versions_of_days),
            *table_requests({table: ready[table] for table in FROM_STAGED}, order),
            *table_requests({table: ready[table] for table in FROM_TABLES}, order),
            *whole_table_requests(resting),
        ],
        held_back,
    )


def _settled(
    cohorts: pl.DataFrame,
    state: GraphState,
    unsettled: dict[str, pl.DataFrame],
    unsettled_days: Collection[date],
) -> pl.DataFrame:
    """The cohorts for which nothing that they rest on is about to change."""
    if cohorts.is_empty():
        return cohorts
    reach = pl.DataFrame(
        [(e.id, e.exposure_reach_days, *e.event_reach_days) for e in state.catalog.experiments.values()],
        schema={"experiment_id": pl.String, **dict.fromkeys(("exposed", "before", "after"), pl.Int64)},
        orient="row",
    )
    windows = cohorts.join(unsettled["assignments"], on=PARTITION, how="anti").join(
        reach, on="experiment_id", how="left", maintain_order="left"
    )
    observed = windows.select(
        "experiment_id",
        first_day=pl.col("day") - pl.duration(days=DAYS_OBSERVED_BEFORE_ASSIGNMENT),
        last_day=pl.col("day") + pl.duration(days=pl.col("exposed").fill_null(0)),
    )
    reached = windows.select(
        experiment_id=pl.lit(_EVERY),
        first_day=pl.col("day")
        - pl.duration(days=pl.col("before").fill_null(DAYS_OBSERVED_BEFORE_ASSIGNMENT)),
        last_day=pl.col("day") + pl.duration(days=pl.col("after").fill_null(0)),
    )
    one = pl.lit(1, pl.UInt64).alias("digest")
    exposures = unsettled["deduped_exposures"].with_columns(one)
    days = pl.DataFrame({"day": sorted(unsettled_days)}, schema={"day": pl.Date})
    staging = days.select(pl.lit(_EVERY).alias("experiment_id"), "day", one)
    is_settled = (sums_over_days(observed, exposures) == 0) & (sums_over_days(reached, staging) == 0)
    return windows.filter(is_settled).select(cohorts.columns)
