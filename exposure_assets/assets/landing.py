"""The asset at the edge of the graph: what the landing zone holds.

The rows of its files are staged in `exposure_events`.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from exposure_assets.assets.staging_checks import READABILITY, readability
from exposure_assets.assets.table_metadata import table_metadata, table_tags
from exposure_assets.contracts import LandingFiles, columns_of
from exposure_assets.transforms.partition_versions import manifest_version, version_of_whole
from resources.dagster_home import WAREHOUSE_POOL
from resources.warehouse_io_manager import Publication
from resources.workspace import Workspace


@dg.asset(
    group_name="landing",
    kinds={"parquet", "json", "csv"},
    io_manager_key="warehouse_io_manager",
    pool=WAREHOUSE_POOL,
    tags=table_tags(LandingFiles),
    metadata=table_metadata(LandingFiles),
    required_resource_keys={"workspace"},
    check_specs=[READABILITY],
)
def landing_files(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Every file of the landing zone: what it holds, or why it was quarantined."""
    workspace: Workspace = context.resources.workspace
    manifest = workspace.landing(workspace.catalog()).refresh()
    rows = manifest.frame.select(columns_of(LandingFiles).keys()).sort("stream", "path")
    version = version_of_whole(manifest_version(manifest.frame))
    yield dg.Output(Publication(frames=lambda: rows, versions=lambda: version))
    yield readability(manifest.quarantined)
