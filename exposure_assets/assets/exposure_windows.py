"""The asset of the exposure windows.

What is counted stands in the transform of the same name.
"""

from collections.abc import Iterator

import polars as pl

from exposure_assets.assets.table_asset import Batch, Run, table_asset
from exposure_assets.contracts import ExposureWindows
from exposure_assets.transforms.exposure_windows import exposure_windows as count_exposures
from partitions.mappings import observed_days, same_day


def _by_windows_and_exposures(run: Run) -> Iterator[Batch]:
    """Batches weighed by the rows that they read and make."""
    weights = run.windows["deduped_exposures"].row_counts()
    for name, units in run.windows["assignments"].row_counts().items():
        e = run.catalog.experiments.get(name)
        parts = 0 if e is None else e.exposure.windows_per_unit
        weights[name] = weights.get(name, 0) + parts * units
    return run.by_weight(weights)


@table_asset(
    ExposureWindows,
    group="exposures",
    batches=_by_windows_and_exposures,
    reads={"assignments": same_day, "deduped_exposures": observed_days},
)
def exposure_windows(
    batch: Batch, assignments: pl.LazyFrame, deduped_exposures: pl.LazyFrame
) -> pl.LazyFrame:
    """How often every assigned unit was exposed in each window of its experiment; units never exposed stay."""
    return count_exposures(assignments, deduped_exposures, batch.experiments)
