"""What every assigned unit did before its assignment: the metrics of its experiment over the days before.

How a metric becomes a unit's value stands in `unit_outcomes`; what covariates are good for, in `metric_moments`.
"""

from collections.abc import Mapping

import polars as pl

from exposure_assets.contracts import Experiment, Metric, UnitCovariates, columns_of
from exposure_assets.transforms.unit_outcomes import with_metrics


def unit_covariates(
    assignments: pl.LazyFrame,
    metric_events: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
) -> pl.LazyFrame:
    """Aggregate the metric events of every assigned unit in `[assigned_at - covariate_days, assigned_at)`.

    Grain out: (experiment_id, unit_id, metric_id): one row per assignment and metric of its experiment that is 0
    without events; none for experiments without `covariate_days`.

    Args:
        assignments: Obeys `contracts.Assignments`.
        metric_events: Obeys `contracts.MetricEvents`; has to cover every window. Days before the first one of the
            landing zone have no events.
        experiments: The experiments of `assignments`.
        metrics: All metrics of the catalog.
    """
    with_covariates = {e.id: e for e in experiments.values() if e.results.covariate_days}
    counted = {m.id: m for m in metrics.values() if m.is_zero_without_events}
    index = [name for name in columns_of(UnitCovariates) if name not in ("metric_id", "covariate")]
    days = pl.LazyFrame(
        {
            "experiment_id": list(with_covariates),
            "covariate_days": [e.results.covariate_days for e in with_covariates.values()],
        },
        schema={"experiment_id": pl.String, "covariate_days": pl.Int64},
    )
    windows = assignments.join(days, on="experiment_id").select(
        "experiment_id",
        "unit_id",
        "variation_id",
        "assignment_date",
        anchor_at=pl.col("assigned_at") - pl.duration(days="covariate_days"),
        window_end_at="assigned_at",
    )
    return (
        with_metrics(windows, metric_events, with_covariates, counted)
        .rename({"anchor_at": "window_start_at"})
        .with_columns(pl.col(metric).cast(pl.Float64) for metric in counted)
        .unpivot(sorted(counted), index=index, variable_name="metric_id", value_name="covariate")
        .filter(pl.col("covariate").is_not_null())
        .with_columns(pl.col("covariate").cast(pl.Float64))
        .select(columns_of(UnitCovariates).keys())
    )
