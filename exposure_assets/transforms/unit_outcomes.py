"""What every assigned unit did inside its outcome window, one column per metric.

Which events count for a metric is staged before; which units may be compared is asked after.
"""

from collections.abc import Mapping

import polars as pl

from exposure_assets.contracts import Experiment, Metric, UnitOutcomes, columns_of, metric_columns

_ROW = "outcome_row"


def unit_outcomes(
    validation: pl.LazyFrame,
    metric_events: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
) -> pl.LazyFrame:
    """Aggregate the metric events of every assigned unit inside its outcome window.

    Grain out: one row per (experiment_id, unit_id) of `validation`, with one column per metric of the catalog.

    A window is `[anchor_at, anchor_at + window_days)`. A unit without events has 0 (`converted`: false; mean, min,
    max: null); a metric that the experiment does not list is null. Floats are added in the order of
    (occurred_at, event_id), so no file order shows in a sum.

    Args:
        validation: Obeys `contracts.ExposureValidation`.
        metric_events: Obeys `contracts.MetricEvents`; has to cover every window.
        experiments: The experiments of `validation`.
        metrics: All metrics of the catalog.
    """
    return with_metrics(_anchored(validation, experiments), metric_events, experiments, metrics)


def with_metrics(
    windows: pl.LazyFrame,
    metric_events: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
) -> pl.LazyFrame:
    """Add one column per metric: its value over the unit's events in the window.

    Grain out: the rows of `windows`.

    Args:
        windows: `experiment_id`, `unit_id` and the instants [`anchor_at`, `window_end_at`) of every unit.
        metric_events: Obeys `contracts.MetricEvents`; has to cover every window.
        experiments: The experiments of `windows`.
        metrics: The metrics that become columns.
    """
    numbered = windows.with_row_index(_ROW).collect()
    aggregates = _aggregates(numbered, metric_events, experiments, metrics)
    return (
        numbered.lazy()
        .join(aggregates.lazy(), on=_ROW, how="left", maintain_order="left")
        .with_columns(
            _completed(metric, [e.id for e in experiments.values() if metric.id in e.outcomes.metrics])
            for metric in metrics.values()
        )
        .select(*numbered.columns[1:], *metric_columns(metrics))
    )


def _anchored(validation: pl.LazyFrame, experiments: Mapping[str, Experiment]) -> pl.LazyFrame:
    outcome_rules = pl.LazyFrame(
        {
            "experiment_id": list(experiments),
            "prefers_exposure": [e.outcomes.anchor == "first_exposure" for e in experiments.values()],
            "window_microseconds": [e.outcomes.window_days * 86_400_000_000 for e in experiments.values()],
        },
        schema={"experiment_id": pl.String, "prefers_exposure": pl.Boolean, "window_microseconds": pl.Int64},
    )
    at_exposure = pl.col("prefers_exposure") & pl.col("first_exposure_at").is_not_null()
    return (
        validation.select(
            "experiment_id", "unit_id", "variation_id", "assignment_date", "assigned_at", "first_exposure_at"
        )
        .join(outcome_rules, on="experiment_id", how="inner")
        .with_columns(
            anchor=pl.when(at_exposure).then(pl.lit("first_exposure")).otherwise(pl.lit("assignment")),
            anchor_at=pl.when(at_exposure).then(pl.col("first_exposure_at")).otherwise(pl.col("assigned_at")),
        )
        .with_columns(
            window_end_at=pl.col("anchor_at") + pl.duration(microseconds=pl.col("window_microseconds"))
        )
        .select(columns_of(UnitOutcomes).keys())
    )


def _aggregates(
    anchored: pl.DataFrame,
    metric_events: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
) -> pl.DataFrame:
    used = [m for m in metrics.values() if any(m.id in e.outcomes.metrics for e in experiments.values())]
    if not used:
        return pl.DataFrame(schema={_ROW: pl.UInt32})
    fields = sorted({metric.field for metric in used if metric.field})
    in_window = (
        metric_events.filter(pl.col("event_name").is_in(sorted({metric.event for metric in used})))
        .select("event_id", "event_name", "unit_id", "occurred_at", "event_date", *fields)
        .join(
            anchored.lazy().select(_ROW, "unit_id", "anchor_at", "window_end_at"), on="unit_id", how="inner"
        )
        .filter(
            (pl.col("occurred_at") >= pl.col("anchor_at")) & (pl.col("occurred_at") < pl.col("window_end_at"))
        )
        .drop("unit_id", "anchor_at", "window_end_at")
        .sort(_ROW, "occurred_at", "event_id")
    )
    return in_window.group_by(_ROW, maintain_order=True).agg(_aggregate(metric) for metric in used).collect()


def _aggregate(metric: Metric) -> pl.Expr:
    is_ours = pl.col("event_name") == metric.event
    match metric.aggregation:
        case "count":
            value = is_ours.sum().cast(pl.Int64)
        case "converted":
            value = is_ours.any()
        case "count_distinct_days":
            value = pl.col("event_date").filter(is_ours).n_unique().cast(pl.Int64)
        case aggregation:
            values = pl.col(str(metric.field)).filter(is_ours).drop_nulls()
            # One by one: a plain sum adds in blocks, which begin wherever the other units' rows end.
            total = values.cum_sum().last()
            sums = {"sum": total, "mean": total / values.len()}
            value = sums[aggregation] if aggregation in sums else getattr(values, aggregation)()
    return value.alias(metric.id)


def _completed(metric: Metric, listed_by: list[str]) -> pl.Expr:
    """The metric's column for every unit: units without events filled, other experiments' units null, capped."""
    dtype = metric_columns({metric.id: metric})[metric.id]
    if not listed_by:
        return pl.lit(None, dtype).alias(metric.id)
    value = pl.col(metric.id)
    if metric.aggregation == "converted":
        value = value.fill_null(False)
    elif metric.is_zero_without_events:
        value = value.fill_null(0)
    if metric.cap is not None:
        value = pl.when(value > metric.cap).then(pl.lit(metric.cap)).otherwise(value)
    return pl.when(pl.col("experiment_id").is_in(listed_by)).then(value.cast(dtype)).alias(metric.id)
