"""Telling Dagster of partitions that an answer has computed, where there is a Dagster to tell.

Whether a partition is fresh is decided by its recorded version; nothing here decides it.
"""

import os
from pathlib import Path

import dagster as dg

from exposure_assets.automation.catalog_entries import announce_entries
from exposure_assets.exposures.plan import Plan
from exposure_assets.transforms.partition_versions import CODE_VERSIONS
from partitions.calendar import EXPERIMENTS, partition_key, split_key
from resources.workspace import Workspace

_TABLE = "deduped_exposures"


def announce(workspace: Workspace, experiment: str, plan: Plan) -> None:
    """Report the materialisations to the instance of DAGSTER_HOME; without one, nobody has to know."""
    home = os.environ.get("DAGSTER_HOME")
    if not home or not Path(home, "dagster.yaml").exists():
        return
    with dg.DagsterInstance.get() as instance:
        if experiment not in instance.get_dynamic_partitions(EXPERIMENTS.name or ""):
            instance.add_dynamic_partitions(EXPERIMENTS.name or "", [experiment])
        announce_entries(instance, workspace.settings.staging, workspace.catalog())
        for key in plan.published:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(
                    _TABLE,
                    partition=partition_key(*split_key(key)),
                    description="Computed to answer a question for exposures.",
                    metadata={"definition_hash": plan.definition_hash},
                    tags={"dagster/data_version": str(CODE_VERSIONS[_TABLE])},
                )
            )
