"""What a judgement of the data needs beside the daily quality: repeated assignments, outcomes before their anchor.

What is too much of it is decided in `guardrails`.
"""

from collections.abc import Mapping

import polars as pl

from exposure_assets.contracts import CohortDiagnostics, Experiment, Metric, columns_of

_DAY = ["experiment_id", "assignment_date"]
_UNIT = ["experiment_id", "unit_id"]


def cohort_diagnostics(
    assignments: pl.LazyFrame,
    outcomes: pl.LazyFrame,
    exposures: pl.LazyFrame,
    metric_events: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
) -> pl.LazyFrame:
    """Count every cohort's assignment rows and early outcomes, and who was exposed on its day.

    Grain out: (experiment_id, assignment_date), where there are assigned or exposed units.

    Args:
        assignments: Obeys `contracts.Assignments`; the cohorts to count, whole.
        outcomes: Obeys `contracts.UnitOutcomes`; the same cohorts.
        exposures: Obeys `contracts.DedupedExposures`; the same calendar days.
        metric_events: Obeys `contracts.MetricEvents`; from the first cohort to the last day of an anchor.
        experiments: The experiments of the cohorts, by id.
        metrics: All metrics of the catalog.
    """
    cohorts = assignments.group_by(_DAY).agg(
        assigned_units=pl.len().cast(pl.Int64), assignment_count=pl.col("assignment_count").sum()
    )
    early = _early_outcome_units(assignments, outcomes, metric_events, experiments, metrics)
    exposed = exposures.group_by("experiment_id", assignment_date="exposure_date").agg(
        exposed_on_day_units=pl.col("unit_id").n_unique().cast(pl.Int64)
    )
    counts = [name for name in columns_of(CohortDiagnostics) if name not in _DAY]
    return (
        cohorts.join(early, on=_DAY, how="left")
        .join(exposed, on=_DAY, how="full", coalesce=True)
        .with_columns(pl.col(counts).fill_null(0))
        .select(columns_of(CohortDiagnostics).keys())
    )


def _early_outcome_units(
    assignments: pl.LazyFrame,
    outcomes: pl.LazyFrame,
    metric_events: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
) -> pl.LazyFrame:
    """Per cohort the units with a metric's event in `[assigned_at, anchor_at)`."""
    listed = pl.LazyFrame(
        sorted({(e.id, metrics[id_].event) for e in experiments.values() for id_ in e.outcomes.metrics}),
        schema={"experiment_id": pl.String, "event_name": pl.String},
        orient="row",
    )
    waits = (
        assignments.select(*_UNIT, "assignment_date", "assigned_at")
        .join(outcomes.select(*_UNIT, "anchor_at"), on=_UNIT)
        .filter(pl.col("anchor_at") > pl.col("assigned_at"))
    )
    happened = pl.col("occurred_at")
    return (
        metric_events.select("event_name", "unit_id", "occurred_at")
        .join(waits, on="unit_id")
        .filter((happened >= pl.col("assigned_at")) & (happened < pl.col("anchor_at")))
        .join(listed, on=["experiment_id", "event_name"], how="semi")
        .group_by(_DAY)
        .agg(early_outcome_units=pl.col("unit_id").n_unique().cast(pl.Int64))
    )
