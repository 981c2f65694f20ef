"""The asset of the experiments that share units, which rests on all partitions of `assignments` at once.

How shared units are counted and tested stands in the transform of the same name.
"""

import dagster as dg

from exposure_assets.assets.catalog_tables import variation_rows
from exposure_assets.assets.table_metadata import table_metadata, table_tags
from exposure_assets.contracts import Assignments, ExperimentOverlap
from exposure_assets.transforms.experiment_overlap import experiment_overlap as count_experiment_overlap
from exposure_assets.transforms.partition_versions import overlap_version, version_of_whole
from resources.dagster_home import WAREHOUSE_POOL
from resources.warehouse_io_manager import Publication
from resources.workspace import Workspace


@dg.asset(
    group_name="quality",
    kinds={"polars", "duckdb"},
    deps=["assignments", "variations"],
    io_manager_key="warehouse_io_manager",
    pool=WAREHOUSE_POOL,
    tags=table_tags(ExperimentOverlap),
    metadata=table_metadata(ExperimentOverlap),
    required_resource_keys={"workspace"},
)
def experiment_overlap(context: dg.AssetExecutionContext) -> Publication:
    """Experiments that share units: how many, in which variations, and whether the two splits are independent."""
    workspace: Workspace = context.resources.workspace
    catalog = workspace.catalog()
    assignments = workspace.warehouse.scan(
        Assignments,
        experiments=sorted(catalog.experiments),
        columns=["experiment_id", "unit_id", "variation_id"],
    )
    return Publication(
        frames=lambda: count_experiment_overlap(assignments, variation_rows(catalog)),
        versions=lambda: version_of_whole(
            overlap_version(catalog, workspace.warehouse.versions([Assignments])["assignments"])
        ),
    )
