"""From raw events to the events that metrics count, with the fields that metrics read as numbers.

Windows and aggregation stand in `unit_outcomes`.
"""

from collections.abc import Mapping

import polars as pl

from exposure_assets.contracts import Metric, MetricEvents, columns_of
from exposure_assets.transforms.fields import with_fields


def metric_fields(metrics: Mapping[str, Metric]) -> list[str]:
    """Every field that a metric reads; the columns that `metric_events` carries beside those of its contract."""
    return sorted({metric.field for metric in metrics.values() if metric.field})


def metric_events(rows: pl.DataFrame, metrics: Mapping[str, Metric]) -> pl.DataFrame:
    """The events that a metric counts, with one Float64 column per field that a metric reads.

    Grain out: one row per row of `rows` whose `event_name` some metric counts. A value that is no finite number
    is null: it counts as an event and adds nothing.

    Args:
        rows: Raw events, well-formed, each once.
        metrics: All metrics of the catalog.
    """
    counted = rows.filter(pl.col("event_name").is_in(sorted({metric.event for metric in metrics.values()})))
    fields = metric_fields(metrics)
    return (
        with_fields(counted, fields)
        .with_columns(_number(f"field:{field}").alias(field) for field in fields)
        .with_columns(event_date=pl.col("occurred_at").dt.date())
        .select(*columns_of(MetricEvents), *fields)
    )


def _number(column: str) -> pl.Expr:
    number = pl.col(column).str.strip_chars().cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)
