"""The jobs that every automatic and every commanded run belongs to.

Which partitions they are asked for stands in `requests`.
"""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

CATALOG_JOB, STAGING_JOB, TABLES_JOB = "refresh_catalog", "stage_days", "compute_tables"


def graph_jobs(
    catalog: Sequence[dg.AssetsDefinition], staged: dg.AssetsDefinition, tables: Sequence[dg.AssetsDefinition]
) -> list[UnresolvedAssetJobDefinition]:
    """One job for the tables without partitions, one for staged days, one for days of experiments."""
    return [
        dg.define_asset_job(
            CATALOG_JOB, dg.AssetSelection.assets(*catalog), description="Lists what there is."
        ),
        dg.define_asset_job(
            STAGING_JOB,
            dg.AssetSelection.assets(staged),
            description="Judges the raw rows of a range of days.",
        ),
        dg.define_asset_job(
            TABLES_JOB,
            dg.AssetSelection.assets(*tables),
            description="Computes days and cohorts of experiments.",
        ),
    ]
