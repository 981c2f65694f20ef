"""Our path: the assets' own code and batches without Dagster, into Parquet files or into the warehouse.

Parquet is what the peers write too; with the warehouse, the difference to `exposure-assets backfill` is Dagster's.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import cast

import polars as pl

from benchmarks.engines.engine import HORIZON_DAYS, STAGES, TABLES, Place
from exposure_assets.assets import TABLE_ASSETS
from exposure_assets.assets.staging import stage_days
from exposure_assets.assets.table_asset import Run, TableAsset
from exposure_assets.contracts import (
    WAREHOUSE_TABLES,
    Catalog,
    ExposureEvents,
    ExposureWaterfall,
    TableContract,
    UnitOutcomes,
    empty_frame,
    metric_columns,
    table_name,
)
from resources.settings import Settings
from resources.staging import Staging
from resources.warehouse import PartitionSlice, Warehouse
from resources.warehouse_io_manager import WarehouseWindow
from resources.workspace import Workspace

_ASSETS: dict[str, TableAsset] = {table_name(asset.contract): asset for asset in TABLE_ASSETS}


def settings_of(place: Place) -> Settings:
    """An installation of its own for one measurement; staged tables lie where peers keep theirs."""
    return Settings(
        landing=str(place.data / "landing"),
        catalog=place.data / "catalog",
        warehouse=str(place.work / "warehouse.duckdb"),
        staging=place.work,
        horizon_days=HORIZON_DAYS,
    )


def environment_of(place: Place) -> dict[str, str]:
    """The settings of `settings_of` as `exposure-assets` reads them."""
    settings = settings_of(place)
    return {
        "EXPOSURES_LANDING": settings.landing,
        "EXPOSURES_CATALOG": str(settings.catalog),
        "EXPOSURES_WAREHOUSE": settings.warehouse,
        "EXPOSURES_STAGING": str(settings.staging),
        "EXPOSURES_HORIZON_DAYS": str(settings.horizon_days),
        "DAGSTER_HOME": str((place.work / "dagster_home").absolute()),
    }


def stage_everything(place: Place) -> pl.DataFrame:
    """Stage every day that the landing zone holds; returns the waterfall."""
    workspace = Workspace(settings_of(place))
    catalog = workspace.catalog()
    first = _first_day(catalog)
    report = stage_days(
        workspace.landing(catalog), workspace.staging, workspace.ledger, catalog, (first, date.max), first
    )
    return report.waterfall


def frames_of(
    table: str, catalog: Catalog, staging: Staging, inputs: Mapping[str, "Window"]
) -> Iterator[pl.DataFrame]:
    """A table over all days and experiments, batch by batch, as its asset computes it."""
    windows = {name: cast(WarehouseWindow, window) for name, window in inputs.items()}
    run = Run(days_of(catalog, staging), tuple(catalog.experiments), catalog, staging, windows)
    for batch in _ASSETS[table].batches(run):
        scanned = {name: window.scan(sorted(batch.experiments)) for name, window in inputs.items()}
        yield _ASSETS[table].compute(batch, **scanned).collect()


def inputs_of(table: str) -> dict[str, type[TableContract]]:
    """The tables that a table is computed from."""
    asset = _ASSETS[table]
    read = {name: _ASSETS[name].contract for name in asset.reads}
    return read | {table_name(contract): contract for contract in asset.reads_whole}


def days_of(catalog: Catalog, staging: Staging) -> tuple[date, date]:
    """The first and the last day of the calendar that matter."""
    return _first_day(catalog), max(staging.days(ExposureEvents))


def _first_day(catalog: Catalog) -> date:
    return min(experiment.first_exposure_date for experiment in catalog.experiments.values())


class Window:
    """A table that a batch reads, over all days: a backfill of everything needs no smaller one."""

    def __init__(self, rows: pl.LazyFrame) -> None:
        self._rows = rows

    def scan(self, experiments: Sequence[str] | None = None) -> pl.LazyFrame:
        """The rows of some experiments."""
        return (
            self._rows
            if experiments is None
            else self._rows.filter(pl.col("experiment_id").is_in(experiments))
        )

    def row_counts(self) -> dict[str, int]:
        """Rows per experiment."""
        return dict(self._rows.group_by("experiment_id").len().collect(engine="streaming").iter_rows())


class _WarehouseTable(Window):
    def __init__(self, warehouse: Warehouse, contract: type[TableContract]) -> None:
        super().__init__(warehouse.scan(contract))
        self._warehouse = warehouse
        self._contract = contract

    def scan(self, experiments: Sequence[str] | None = None) -> pl.LazyFrame:
        return self._warehouse.scan(self._contract, experiments=experiments)

    def row_counts(self) -> dict[str, int]:
        return dict(self._warehouse.count(self._contract, by=["experiment_id"]).iter_rows())


class Ours:
    """Stage by stage, into Parquet files."""

    def run(self, stage: str, place: Place) -> None:
        """Compute a stage of `STAGES`."""
        if stage == "staging":
            stage_everything(place)
            return
        for table in TABLES[stage]:
            inputs = {name: Window(_computed(name, place)) for name in inputs_of(table)}
            folder = place.fresh(table)
            frames = frames_of(table, place.catalog(), Staging(place.work), inputs)
            for number, frame in enumerate(frames):
                frame.write_parquet(
                    folder / f"part-{number}.parquet", compression="zstd", compression_level=1
                )


def _computed(table: str, place: Place) -> pl.LazyFrame:
    """The files of a table; one that no stage computes has no rows, since no experiment here asks for any."""
    if any(table in tables for tables in TABLES.values()):
        return pl.scan_parquet(place.glob(table), hive_partitioning=False)
    return empty_frame(WAREHOUSE_TABLES[table]).lazy()


class OursInWarehouse:
    """A whole backfill into the warehouse, without Dagster's runs, events and checks."""

    def run(self, stage: str, place: Place) -> None:
        """Compute everything; `stage` has no say."""
        waterfall = stage_everything(place)
        workspace = Workspace(settings_of(place))
        catalog, staging, warehouse = workspace.catalog(), workspace.staging, workspace.warehouse
        first, last = days_of(catalog, staging)
        warehouse.replace(ExposureWaterfall, [waterfall], [PartitionSlice(None, last, None)])
        for table in (table for stage in STAGES[1:] for table in TABLES[stage]):
            inputs = {
                name: _WarehouseTable(warehouse, contract) for name, contract in inputs_of(table).items()
            }
            contract = _ASSETS[table].contract
            warehouse.replace(
                contract,
                frames_of(table, catalog, staging, inputs),
                [PartitionSlice(first, last, tuple(catalog.experiments))],
                metric_columns(catalog.metrics) if contract is UnitOutcomes else {},
            )
