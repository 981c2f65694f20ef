"""The asset of the quality report.

How experiments are judged stands in the transform of the same name.
"""

from collections.abc import Iterator
from dataclasses import fields

import polars as pl

from exposure_assets.assets.table_asset import groups_by_weight
from exposure_assets.assets.whole_asset import whole_asset
from exposure_assets.contracts import WAREHOUSE_TABLES, ExperimentQualityReport
from exposure_assets.transforms.experiment_quality_report import Counted
from exposure_assets.transforms.experiment_quality_report import experiment_quality_report as judge
from resources.data_reach import data_until
from resources.workspace import Workspace

# Each has a row a day, from counts of every variation and range of delay as of that day.
_EXPERIMENTS_PER_BATCH = 200


@whole_asset(ExperimentQualityReport, group="quality")
def experiment_quality_report(workspace: Workspace) -> Iterator[pl.DataFrame]:
    """Whether the data are fit for analysis as of every day, why not, and every diagnostic number."""
    experiments = workspace.catalog().experiments
    until = data_until(workspace.staging)
    for ids in groups_by_weight(dict.fromkeys(experiments, 1), _EXPERIMENTS_PER_BATCH):
        counted = Counted(
            **{
                field.name: workspace.warehouse.scan(WAREHOUSE_TABLES[field.name], experiments=ids)
                for field in fields(Counted)
            }
        )
        yield judge(counted, {id_: experiments[id_] for id_ in ids}, until)
