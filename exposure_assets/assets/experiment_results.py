"""The asset of the results.

How variations are compared stands in the transform of the same name.
"""

from collections.abc import Iterator

import polars as pl

from exposure_assets.assets.table_asset import groups_by_weight
from exposure_assets.assets.whole_asset import whole_asset
from exposure_assets.contracts import ExperimentQualityReport, ExperimentResults, MetricMoments
from exposure_assets.transforms.experiment_results import experiment_results as compare_variations
from resources.data_reach import data_until
from resources.workspace import Workspace

# Every one of them has hundreds of moments per cohort.
_EXPERIMENTS_PER_BATCH = 100


@whole_asset(ExperimentResults, group="results")
def experiment_results(workspace: Workspace) -> Iterator[pl.DataFrame]:
    """How every treatment compares with the control, per metric and basis, as of every day; refused where invalid."""
    catalog = workspace.catalog()
    until = data_until(workspace.staging)
    for ids in groups_by_weight(dict.fromkeys(catalog.experiments, 1), _EXPERIMENTS_PER_BATCH):
        yield compare_variations(
            workspace.warehouse.scan(MetricMoments, experiments=ids),
            workspace.warehouse.scan(ExperimentQualityReport),
            {id_: catalog.experiments[id_] for id_ in ids},
            catalog.metrics,
            until,
        )
