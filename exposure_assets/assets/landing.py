"""The asset at the edge of the graph: what the landing zone holds.

The rows of its files are staged in `exposure_events`.
"""

import dagster as dg

from exposure_assets.contracts import LandingFiles, columns_of
from exposure_assets.transforms.partition_versions import manifest_version, version_of_whole
from resources.warehouse_io_manager import Publication
from resources.workspace import Workspace


@dg.asset(
    group_name="landing",
    kinds={"parquet", "json", "csv"},
    io_manager_key="warehouse_io_manager",
    required_resource_keys={"workspace"},
)
def landing_files(context: dg.AssetExecutionContext) -> Publication:
    """Every file of the landing zone: what it holds, or why it was quarantined."""
    workspace: Workspace = context.resources.workspace
    manifest = workspace.landing(workspace.catalog()).refresh()
    rows = manifest.frame.select(columns_of(LandingFiles).keys()).sort("stream", "path")
    return Publication(
        frames=lambda: rows, versions=lambda: version_of_whole(manifest_version(manifest.frame))
    )
