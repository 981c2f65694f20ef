"""The assets of the sample ratios and their confidence sequences.

How shares are tested stands in the transform of the same name.
"""

import polars as pl

from exposure_assets.assets.whole_asset import whole_asset
from exposure_assets.contracts import SampleRatioIntervals, SampleRatios, StageCounts
from exposure_assets.transforms.sample_ratios import sample_ratio_intervals as bound_shares
from exposure_assets.transforms.sample_ratios import sample_ratios as test_shares
from resources.data_reach import data_until
from resources.workspace import Workspace


@whole_asset(SampleRatios, group="quality")
def sample_ratios(workspace: Workspace) -> pl.DataFrame:
    """Whether units came to the variations as declared: at every stage, per day and of all units until that day."""
    experiments = workspace.catalog().experiments
    counts = workspace.warehouse.scan(StageCounts, experiments=list(experiments))
    return test_shares(counts, experiments, data_until(workspace.staging))


@whole_asset(SampleRatioIntervals, group="quality")
def sample_ratio_intervals(workspace: Workspace) -> pl.DataFrame:
    """The share of every variation as of every day, between bounds that may be looked at daily."""
    experiments = workspace.catalog().experiments
    counts = workspace.warehouse.scan(StageCounts, experiments=list(experiments))
    return bound_shares(counts, experiments, data_until(workspace.staging))
