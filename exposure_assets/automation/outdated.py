"""What is out of date: the state of an installation, compared with what landing zone and catalog say now.

Nothing is decided here about when to run; how runs are requested stands in `requests`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from exposure_assets.contracts import WAREHOUSE_TABLES, Catalog
from exposure_assets.transforms.acceptance import common_acceptance, outdated_days
from exposure_assets.transforms.attribution_versions import attribution_now
from exposure_assets.transforms.digests import mixed
from exposure_assets.transforms.partition_versions import (
    CODE_VERSIONS,
    FROM_TABLES,
    PARTITION,
    UPSTREAM,
    VERSION_SCHEMA,
    Inputs,
    Recorded,
    catalog_version,
    manifest_version,
    outdated,
    version_of_whole,
    wanted_versions,
)
from exposure_assets.transforms.whole_versions import WHOLE_TABLES, whole_version
from resources.data_reach import data_until
from resources.landing import LandingZone, Manifest
from resources.landing_inputs import day_inputs
from resources.workspace import Workspace

# The tables of the warehouse that are published together with the staged rows that they count.
COUNTS_OF_STAGED = ("exposure_waterfall", "credit_ledger")


@dataclass(frozen=True)
class GraphState:
    """An installation at one moment: catalog, landing zone, and what was recorded of everything computed before."""

    catalog: Catalog
    zone: LandingZone
    manifest: Manifest
    ledger: pl.DataFrame
    recorded: Recorded
    first_day: date
    data_until: date | None

    @classmethod
    def read(cls, workspace: Workspace, first_day: date, manifest: Manifest | None = None) -> "GraphState":
        """Read all of it; the landing zone is scanned unless a manifest is given.

        Raises:
            CatalogError, LandingError, WarehouseError: a place cannot be read.
        """
        catalog = workspace.catalog()
        zone = workspace.landing(catalog)
        recorded = workspace.warehouse.versions(WAREHOUSE_TABLES.values())
        ledger = workspace.ledger.read()
        manifest = manifest or zone.refresh()
        return cls(catalog, zone, manifest, ledger, recorded, first_day, data_until(workspace.staging))

    @cached_property
    def whole_tables(self) -> dict[str, int]:
        """The tables without partitions that were computed from something else, with their wanted versions."""
        of_catalog, of_manifest = catalog_version(self.catalog), manifest_version(self.manifest.frame)
        wanted = {
            "experiments": of_catalog,
            "variations": of_catalog,
            "landing_files": of_manifest,
            **{
                table: whole_version(table, self.catalog, self.recorded, self.data_until)
                for table in WHOLE_TABLES
            },
        }
        return {
            table: digest
            for table, digest in wanted.items()
            if not outdated(version_of_whole(digest), self.recorded[table]).is_empty()
        }

    @cached_property
    def inputs(self) -> pl.DataFrame:
        """Per day that holds rows a digest of the landing zone's share in it: (`day`, `inputs`)."""
        return day_inputs(self.zone, self.manifest, self.first_day)

    @cached_property
    def days(self) -> list[date]:
        """The days to stage anew, ascending."""
        published = [self.recorded[table] for table in COUNTS_OF_STAGED]
        return sorted(outdated_days(self.ledger, self.inputs, self.catalog, published))

    @cached_property
    def versions_of_days(self) -> dict[date, int]:
        """Per day that holds rows a digest of what it would be staged from now."""
        attribution = attribution_now(self.ledger).group_by("day").agg(pl.col("digest").sum())
        digest = mixed(
            pl.col("inputs"),
            common_acceptance(self.catalog),
            catalog_version(self.catalog),
            pl.col("digest").fill_null(0),
        )
        return dict(self.inputs.join(attribution, on="day", how="left").select("day", digest).iter_rows())

    @cached_property
    def tables(self) -> dict[str, pl.DataFrame]:
        """Per table the partitions to compute anew, with their wanted versions (0: nothing will be left)."""
        inputs = Inputs(self.catalog, self.ledger, self.recorded)
        return {
            table: outdated(wanted_versions(table, inputs, self.recorded[table]), self.recorded[table])
            for table in CODE_VERSIONS
        }

    @property
    def is_fresh(self) -> bool:
        """Whether everything is as it would be if it were computed now."""
        return (
            not self.whole_tables
            and not self.days
            and all(frame.is_empty() for frame in self.tables.values())
        )


def with_dependants(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The partitions to compute of the tables that rest on others: a new verdict outdates what counts it too."""
    due: dict[str, pl.DataFrame] = {}
    for table in FROM_TABLES:
        upstream = [due[name] for name in UPSTREAM[table] if name in due]
        outdated_with = [frame.with_columns(pl.lit(0, pl.UInt64).alias("version")) for frame in upstream]
        due[table] = pl.concat([tables[table], *outdated_with]).unique(
            PARTITION, keep="first", maintain_order=True
        )
    return due


def partitions(days: Iterable[date], experiments: Iterable[str]) -> pl.DataFrame:
    """Every day of every experiment, with the columns of `VERSION_SCHEMA` and version 0."""
    all_days = pl.DataFrame({"day": list(days)}, schema={"day": pl.Date})
    all_experiments = pl.DataFrame({"experiment_id": list(experiments)}, schema={"experiment_id": pl.String})
    crossed = all_days.join(all_experiments, how="cross")
    return crossed.with_columns(version=pl.lit(0, pl.UInt64)).select(VERSION_SCHEMA.keys())


def days_with_rows(manifest: Manifest, ledger: pl.DataFrame) -> set[date]:
    """The days that hold rows, and those that did when they were last staged: a removed file leaves one to redo."""
    return {day for stream in manifest.files for day in manifest.days(stream)} | set(ledger["day"])
