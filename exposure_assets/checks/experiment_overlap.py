"""Checks of `experiment_overlap`: every shared unit is counted, and splits that depend on one another are announced.

What the rows promise by themselves is in their contract; what dependence is, in the transform of the same name.
"""

import dagster as dg
import polars as pl

from exposure_assets.assets.catalog_tables import variation_rows
from exposure_assets.assets.whole_asset import current_version
from exposure_assets.contracts import Assignments, ExperimentOverlap
from exposure_assets.transforms.experiment_overlap import (
    LARGEST_P_VALUE,
    SMALLEST_CRAMERS_V,
    SMALLEST_EXPECTED,
    pair_statistics,
)
from exposure_assets.transforms.partition_versions import outdated
from resources.warehouse_contract_breach import ROWS_SHOWN, as_markdown
from resources.workspace import Workspace

_TABLE = "experiment_overlap"
_COUNTED = "Every unit is counted once for every two experiments that it is assigned in."
_INDEPENDENT = "The split of one experiment does not depend on the split of another one."


@dg.asset_check(
    asset=_TABLE,
    name="every_shared_unit_is_counted_once",
    description=_COUNTED,
    additional_deps=["assignments"],
    required_resource_keys={"workspace"},
)
def every_shared_unit_is_counted_once(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Compare the table with the pairs of experiments that the assignments of each unit make."""
    workspace: Workspace = context.resources.workspace
    catalog = workspace.catalog()
    recorded = workspace.warehouse.versions([ExperimentOverlap])[_TABLE]
    if not outdated(current_version(workspace, _TABLE), recorded).is_empty():
        # Assignments have been computed since: the table that follows them is judged then.
        return dg.AssetCheckResult(
            passed=True, description="Not judged: the assignments are newer than the table."
        )
    pairs_of_unit = pl.len().cast(pl.Int64) * (pl.len().cast(pl.Int64) - 1) // 2
    expected = (
        workspace.warehouse.scan(Assignments, columns=["experiment_id", "unit_id", "variation_id"])
        .join(variation_rows(catalog).lazy(), on=["experiment_id", "variation_id"], how="semi")
        .group_by("unit_id")
        .agg(pairs=pairs_of_unit)
        .select(pl.col("pairs").sum())
        .collect(engine="streaming")
        .item()
    )
    found = workspace.warehouse.scan(ExperimentOverlap).select(pl.col("unit_count").sum()).collect().item()
    return dg.AssetCheckResult(
        passed=found == expected,
        description=f"{_COUNTED} Found {found}, expected {expected}.",
        metadata={"found": int(found), "expected": int(expected)},
    )


@dg.asset_check(
    asset=_TABLE,
    name="splits_are_independent",
    description=_INDEPENDENT,
    required_resource_keys={"workspace"},
)
def splits_are_independent(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warn about pairs of experiments whose splits depend on one another, with the numbers of the worst ones."""
    workspace: Workspace = context.resources.workspace
    overlap = workspace.warehouse.scan(ExperimentOverlap).collect()
    pairs = pair_statistics(overlap)
    judged = pairs.filter("is_judged")
    dependent = judged.filter("is_dependent")
    shown = (dependent if dependent.height else judged).drop("is_judged", "is_dependent").head(ROWS_SHOWN)
    worst = dependent.row(0, named=True) if dependent.height else None
    return dg.AssetCheckResult(
        passed=worst is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=_INDEPENDENT
        if worst is None
        else f"{dependent.height} pairs of experiments have splits that depend on one another, most of all "
        f"{worst['experiment_id']} and {worst['other_experiment_id']}: Cramér's V {worst['cramers_v']:.3g} over "
        f"{worst['overlap_units']} units, p {worst['p_value']:.2g}.",
        metadata={
            "found": dependent.height,
            "expected": 0,
            "pairs": pairs.height,
            "judged_pairs": judged.height,
            "largest_p_value": LARGEST_P_VALUE,
            "smallest_cramers_v": SMALLEST_CRAMERS_V,
            "smallest_expected_unit_count": SMALLEST_EXPECTED,
            **({"numbers": dg.MetadataValue.md(as_markdown(shown))} if shown.height else {}),
        },
    )


CHECKS = (every_shared_unit_is_counted_once, splits_are_independent)
