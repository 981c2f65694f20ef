"""The assets of the catalog: its experiments and their variations as tables.

How the catalog is read and judged stands in the resource of the same name.
"""

import dagster as dg
import polars as pl

from exposure_assets.assets.table_metadata import table_metadata, table_tags
from exposure_assets.contracts import Catalog, Experiments, Variations, columns_of
from exposure_assets.transforms.partition_versions import catalog_version, version_of_whole
from partitions.calendar import EXPERIMENTS
from resources.dagster_home import WAREHOUSE_POOL
from resources.warehouse_io_manager import Publication
from resources.workspace import Workspace

CATALOG_ENTRIES = dg.AssetKey("catalog_entries")
# The graph's second edge: a changed definition shows on what is computed from it.
catalog_entries = dg.AssetSpec(
    CATALOG_ENTRIES,
    partitions_def=EXPERIMENTS,
    group_name="catalog",
    kinds={"toml"},
    description="What an analyst says about an experiment: one partition per entry, one version per definition. "
    "Another name or owner is no other version.",
)


@dg.asset(
    group_name="catalog",
    kinds={"toml", "duckdb"},
    io_manager_key="warehouse_io_manager",
    pool=WAREHOUSE_POOL,
    tags=table_tags(Experiments),
    metadata=table_metadata(Experiments),
    required_resource_keys={"workspace"},
)
def experiments(context: dg.AssetExecutionContext) -> Publication:
    """The experiments of the catalog, with the rules their exposures and outcomes are judged by."""
    workspace: Workspace = context.resources.workspace
    catalog = workspace.catalog()
    rows = [
        {
            "experiment_id": e.id,
            "name": e.name,
            "owner": e.owner,
            "start_at": e.start,
            "end_at": e.end,
            "enrollment_end_at": e.enrollment_end,
            "exposure_source": e.exposure.source,
            "grace_minutes": e.exposure.grace_minutes,
            "max_days_after_assignment": e.exposure.max_days_after_assignment,
            "observe_days": e.exposure.observe_days,
            "crossover_policy": e.exposure.crossover_policy,
            "anchor": e.outcomes.anchor,
            "outcome_window_days": e.outcomes.window_days,
            "metrics": list(e.outcomes.metrics),
        }
        for e in catalog.experiments.values()
    ]
    return _published(pl.DataFrame(rows, schema=columns_of(Experiments)), catalog)


@dg.asset(
    group_name="catalog",
    kinds={"toml", "duckdb"},
    io_manager_key="warehouse_io_manager",
    pool=WAREHOUSE_POOL,
    tags=table_tags(Variations),
    metadata=table_metadata(Variations),
    required_resource_keys={"workspace"},
)
def variations(context: dg.AssetExecutionContext) -> Publication:
    """The variations of every experiment, with their declared allocations."""
    workspace: Workspace = context.resources.workspace
    catalog = workspace.catalog()
    return _published(variation_rows(catalog), catalog)


def variation_rows(catalog: Catalog) -> pl.DataFrame:
    """The variations of every experiment as rows that obey `contracts.Variations`."""
    rows = [
        {"experiment_id": e.id, "variation_id": v.id, "allocation": v.allocation, "is_control": v.is_control}
        for e in catalog.experiments.values()
        for v in e.variations
    ]
    return pl.DataFrame(rows, schema=columns_of(Variations))


def _published(rows: pl.DataFrame, catalog: Catalog) -> Publication:
    return Publication(frames=lambda: rows, versions=lambda: version_of_whole(catalog_version(catalog)))
