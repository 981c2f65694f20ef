"""The asset of the experiments that share units, which rests on all partitions of `assignments` at once.

How shared units are counted and tested stands in the transform of the same name.
"""

import polars as pl

from exposure_assets.assets.catalog_tables import variation_rows
from exposure_assets.assets.whole_asset import whole_asset
from exposure_assets.contracts import Assignments, ExperimentOverlap
from exposure_assets.transforms.experiment_overlap import experiment_overlap as count_experiment_overlap
from resources.workspace import Workspace


@whole_asset(ExperimentOverlap, group="quality", deps=["variations"])
def experiment_overlap(workspace: Workspace) -> pl.DataFrame:
    """Experiments that share units: how many, in which variations, and whether the two splits are independent."""
    catalog = workspace.catalog()
    assignments = workspace.warehouse.scan(
        Assignments,
        experiments=sorted(catalog.experiments),
        columns=["experiment_id", "unit_id", "variation_id"],
    )
    return count_experiment_overlap(assignments, variation_rows(catalog))
