"""Where everything meets: settings, calendar, assets, checks, jobs and resources become one Dagster code location.

Nothing is decided here that a module below could decide.
"""

import warnings

import dagster as dg

from exposure_assets.assets import CATALOG_ASSETS, TABLE_ASSETS, catalog_entries, staged_assets
from exposure_assets.assets.calendar import calendar_to_load, catalog_to_load
from exposure_assets.automation.alerts import alerts_sensor
from exposure_assets.automation.jobs import graph_jobs
from exposure_assets.automation.landing_sensor import landing_sensor
from exposure_assets.automation.retention import keep_house, keep_house_daily
from exposure_assets.checks import table_checks
from resources.dagster_home import STAGING_POOL, WAREHOUSE_POOL
from resources.settings import Settings
from resources.warehouse_io_manager import WarehouseIOManager
from resources.workspace import Workspace

# Multi-partition mappings and backfill policies are in beta in the version of Dagster that the lock pins.
warnings.simplefilter("ignore", dg.BetaWarning)


def build_definitions(settings: Settings) -> dg.Definitions:
    """The whole graph for the places that the settings name.

    A catalog with problems loads too, so that its problems are shown and announced; nothing runs on it.
    """
    workspace = Workspace(settings)
    calendar = calendar_to_load(workspace)
    # A DuckDB file has one writer, also for the waterfall of staging.
    pool = STAGING_POOL if workspace.warehouse.admits_many_writers else WAREHOUSE_POOL
    catalog = catalog_to_load(workspace)
    staged = staged_assets(calendar, pool)
    tables = [table.build(calendar, settings.horizon_days, catalog) for table in TABLE_ASSETS]
    jobs = graph_jobs(CATALOG_ASSETS, staged, tables)
    assets = [catalog_entries, *CATALOG_ASSETS, staged, *tables]
    return dg.Definitions(
        assets=dg.map_asset_specs(lambda spec: spec.replace_attributes(owners=[settings.owner]), assets),
        asset_checks=table_checks(),
        jobs=[*jobs, keep_house],
        sensors=[landing_sensor(jobs, calendar), alerts_sensor(workspace)],
        schedules=[keep_house_daily],
        resources={
            "workspace": workspace,
            "warehouse_io_manager": WarehouseIOManager(database=settings.warehouse),
        },
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The code location that `dagster dev` loads: the graph for the settings of the environment."""
    return build_definitions(Settings.from_environment())
