"""The check of `experiment_quality_report`: an experiment whose data are not fit for analysis is announced.

What fails when stands in `transforms.guardrails` and, with its limits, in the catalog.
"""

import dagster as dg
import polars as pl

from exposure_assets.contracts import ExperimentQualityReport
from exposure_assets.transforms.guardrails import REMEDIES
from resources.warehouse_contract_breach import ROWS_SHOWN, as_markdown
from resources.workspace import Workspace

_FIT = "The data of every experiment are fit for analysis as of the last day, or only need time."
# What passes with time is no fault.
_ONLY_TIME = ("minimum_units", "final_cohorts")


@dg.asset_check(
    asset="experiment_quality_report",
    name="experiment_is_fit_for_analysis",
    description=_FIT,
    required_resource_keys={"workspace"},
)
def experiment_is_fit_for_analysis(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Warn about experiments whose data fail a guardrail as of their last day, other than for want of time."""
    workspace: Workspace = context.resources.workspace
    latest = _latest(workspace.warehouse.scan(ExperimentQualityReport))
    faults = pl.col("failed_guardrails").list.set_difference(pl.lit(list(_ONLY_TIME)))
    unfit = latest.with_columns(faults=faults.list.sort()).filter(pl.col("faults").list.len() > 0)
    shown = unfit.select(
        "experiment_id",
        "as_of_date",
        pl.col("failed_guardrails").list.join(", "),
        pl.col("warnings").list.join(", "),
        "assigned_units",
        "valid_exposed_units",
    )
    return dg.AssetCheckResult(
        passed=unfit.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=_FIT if unfit.is_empty() else _said(unfit),
        metadata={
            "found": unfit.height,
            "expected": 0,
            "experiments": latest.height,
            **({"numbers": dg.MetadataValue.md(as_markdown(shown.head(ROWS_SHOWN)))} if unfit.height else {}),
        },
    )


def _latest(report: pl.LazyFrame) -> pl.DataFrame:
    """The row of each experiment as of its last day, those with the most failures first."""
    is_last = pl.col("as_of_date") == pl.col("as_of_date").max().over("experiment_id")
    failures = pl.col("failed_guardrails").list.len()
    return report.filter(is_last).sort(failures, "experiment_id", descending=[True, False]).collect()


def _said(unfit: pl.DataFrame) -> str:
    worst = unfit.row(0, named=True)
    first = next(name for name in worst["failed_guardrails"] if name not in _ONLY_TIME)
    experiments = "1 experiment is" if unfit.height == 1 else f"{unfit.height} experiments are"
    return (
        f"{experiments} not fit for analysis. {worst['experiment_id']} as of {worst['as_of_date']} fails "
        f"{', '.join(worst['failed_guardrails'])}. {REMEDIES[first]}"
    )


CHECKS = (experiment_is_fit_for_analysis,)
