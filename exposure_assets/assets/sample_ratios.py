"""The assets of the sample ratios and their confidence sequences.

How shares are tested stands in the transform of the same name.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date

import polars as pl

from exposure_assets.assets.table_asset import groups_by_weight
from exposure_assets.assets.whole_asset import whole_asset
from exposure_assets.contracts import Experiment, SampleRatioIntervals, SampleRatios, StageCounts
from exposure_assets.transforms.sample_ratios import sample_ratio_intervals as bound_shares
from exposure_assets.transforms.sample_ratios import sample_ratios as test_shares
from resources.data_reach import data_until
from resources.workspace import Workspace

# Every one of them has a thousand rows a month, from several times as many counts.
_EXPERIMENTS_PER_BATCH = 500

_Transform = Callable[[pl.LazyFrame, Mapping[str, Experiment], date | None], pl.DataFrame]


@whole_asset(SampleRatios, group="quality")
def sample_ratios(workspace: Workspace) -> Iterator[pl.DataFrame]:
    """Whether units came to the variations as declared: at every stage, per day and of all units until that day."""
    return _in_batches(workspace, test_shares)


@whole_asset(SampleRatioIntervals, group="quality")
def sample_ratio_intervals(workspace: Workspace) -> Iterator[pl.DataFrame]:
    """The share of every variation as of every day, between bounds that may be looked at daily."""
    return _in_batches(workspace, bound_shares)


def _in_batches(workspace: Workspace, transform: _Transform) -> Iterator[pl.DataFrame]:
    experiments = workspace.catalog().experiments
    until = data_until(workspace.staging)
    for ids in groups_by_weight(dict.fromkeys(experiments, 1), _EXPERIMENTS_PER_BATCH):
        counts = workspace.warehouse.scan(StageCounts, experiments=ids)
        yield transform(counts, {id_: experiments[id_] for id_ in ids}, until)
