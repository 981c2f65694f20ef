"""Runs to request: partitions gathered into few rectangles of days and experiments, each for the tables that need it.

What is out of date stands in `outdated`; when runs are requested, in `landing_sensor`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
import polars as pl

from exposure_assets.automation.jobs import CATALOG_JOB, STAGING_JOB, TABLES_JOB
from exposure_assets.transforms.digests import digest_of
from exposure_assets.transforms.partition_versions import PARTITION
from partitions.calendar import each_day, partition_key
from resources.warehouse_slices import runs_of_days, slices_of

RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@dataclass(frozen=True)
class Request:
    """One run: some assets of a job, over a range of days and, for tables, of neighbouring experiments.

    `digest` tells whether the same was requested before: for the same partitions and the same inputs.
    """

    job: str
    assets: tuple[str, ...]
    days: tuple[date, date] | None = None
    experiments: tuple[str, ...] = ()
    digest: int = 0

    @property
    def tags(self) -> dict[str, str]:
        """Dagster's tags of the range."""
        if self.days is None:
            return {}
        first, last = (day.isoformat() for day in self.days)
        if self.experiments:
            first = str(partition_key(self.days[0], self.experiments[0]))
            last = str(partition_key(self.days[1], self.experiments[-1]))
        return {RANGE_START: first, RANGE_END: last}

    @property
    def asset_keys(self) -> list[dg.AssetKey]:
        """The assets as Dagster names them."""
        return [dg.AssetKey(asset) for asset in self.assets]


def whole_table_requests(tables: Mapping[str, int]) -> list[Request]:
    """One run for the tables without partitions, given with the versions that they should have."""
    if not tables:
        return []
    return [Request(CATALOG_JOB, tuple(sorted(tables)), digest=digest_of(f"{sorted(tables.items())}"))]


def staging_requests(
    days: Iterable[date], assets: Sequence[str], versions: Mapping[date, int]
) -> list[Request]:
    """One run per range of days without a gap.

    Args:
        days: The days.
        assets: The staged tables.
        versions: Per day a digest of what it is staged from.
    """
    requests = []
    for span in runs_of_days(sorted(set(days))):
        digest = digest_of(f"{span} {[versions.get(day) for day in each_day(*span)]}")
        requests.append(Request(STAGING_JOB, tuple(assets), span, digest=digest))
    return requests


def table_requests(wanted: Mapping[str, pl.DataFrame], order: Sequence[str]) -> list[Request]:
    """Few runs that compute exactly the wanted partitions: partitions wanted of the same tables go together.

    Args:
        wanted: Per table its partitions (`day`, `experiment_id`, `version`).
        order: The experiments in the order of their dynamic partitions: a range names neighbours only.
    """
    named = [frame.with_columns(table=pl.lit(table)) for table, frame in wanted.items()]
    if not named:
        return []
    every = pl.concat(named)
    by_partition = every.group_by(PARTITION).agg(
        pl.col("table").sort().str.join(","), pl.col("version").sum()
    )
    requests: list[Request] = []
    for (tables,), group in by_partition.group_by("table"):
        assets = tuple(str(tables).split(","))
        keys = group.select(pl.format("{}|{}", "day", "experiment_id")).to_series()
        for part in slices_of(keys):
            if part.first_day is None or part.last_day is None:
                continue
            for neighbours in groups_of_neighbours(part.experiments or (), order):
                span = (part.first_day, part.last_day)
                inside = group.filter(
                    pl.col("day").is_between(*span), pl.col("experiment_id").is_in(list(neighbours))
                )
                digest = digest_of(f"{assets} {span} {neighbours} {inside['version'].sum()}")
                requests.append(Request(TABLES_JOB, assets, span, neighbours, digest))
    return sorted(requests, key=lambda request: (request.days, request.experiments, request.assets))


def groups_of_neighbours(experiments: Iterable[str], order: Sequence[str]) -> list[tuple[str, ...]]:
    """Experiments that stand side by side among the partitions, so that one range names a group."""
    wanted = set(experiments)
    groups: list[list[str]] = [[]]
    for experiment in order:
        if experiment in wanted:
            groups[-1].append(experiment)
        elif groups[-1]:
            groups.append([])
    return [tuple(group) for group in groups if group]
