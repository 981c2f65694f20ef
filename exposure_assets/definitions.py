"""Where everything meets: settings, calendar, assets, checks, jobs and resources become one Dagster code location.

Nothing is decided here that a module below could decide.
"""

import warnings

import dagster as dg

from exposure_assets.assets import CATALOG_ASSETS, TABLE_ASSETS, staged_assets
from exposure_assets.checks import table_checks
from partitions.calendar import Calendar, calendar_of
from resources.settings import Settings
from resources.warehouse_io_manager import WarehouseIOManager
from resources.workspace import Workspace

# Multi-partition mappings and backfill policies are in beta in the version of Dagster that the lock pins.
warnings.simplefilter("ignore", dg.BetaWarning)

CATALOG_JOB, STAGING_JOB, TABLES_JOB = "refresh_catalog", "stage_days", "compute_tables"


def build_definitions(settings: Settings) -> dg.Definitions:
    """The whole graph for the places that the settings name.

    Raises:
        CatalogError: the catalog has problems; nothing runs on it.
    """
    workspace = Workspace(settings)
    calendar = calendar_for(workspace)
    staged = staged_assets(calendar)
    tables = [table.build(calendar, settings.horizon_days) for table in TABLE_ASSETS]
    return dg.Definitions(
        assets=[*CATALOG_ASSETS, staged, *tables],
        asset_checks=table_checks(),
        jobs=[
            dg.define_asset_job(CATALOG_JOB, dg.AssetSelection.assets(*CATALOG_ASSETS)),
            dg.define_asset_job(STAGING_JOB, dg.AssetSelection.assets(staged)),
            dg.define_asset_job(TABLES_JOB, dg.AssetSelection.assets(*tables)),
        ],
        resources={
            "workspace": workspace,
            "warehouse_io_manager": WarehouseIOManager(database=settings.warehouse),
        },
        executor=dg.in_process_executor,
    )


def calendar_for(workspace: Workspace) -> Calendar:
    """The calendar of a workspace: of its catalog, and of its landing zone where that runs ahead of the clock."""
    catalog = workspace.catalog()
    return calendar_of(catalog, workspace.landing(catalog).arrival_days())


@dg.definitions
def defs() -> dg.Definitions:
    """The code location that `dagster dev` loads: the graph for the settings of the environment."""
    return build_definitions(Settings.from_environment())
