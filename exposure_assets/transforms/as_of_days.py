"""The days as of which an experiment is judged, and what had been counted until each of them.

What is counted, and what is made of it, is the business of the transforms that judge.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from exposure_assets.contracts import Experiment

AS_OF = ("experiment_id", "as_of_date")


def days_of_experiments(experiments: Mapping[str, Experiment], data_until: date | None) -> pl.DataFrame:
    """Every day from an experiment's start until its data end, or until its last outcome window is over.

    Grain out: `AS_OF`, sorted.

    Args:
        experiments: By id.
        data_until: Last UTC day with any data. Null: there are no days at all.
    """
    spans = [
        (e.id, e.start.date(), min(data_until, e.last_completion_date or data_until))
        for e in experiments.values()
        if data_until is not None
    ]
    schema = {"experiment_id": pl.String, "first_date": pl.Date, "last_date": pl.Date}
    return (
        pl.DataFrame(spans, schema=schema, orient="row")
        .filter(pl.col("first_date") <= pl.col("last_date"))
        .select("experiment_id", as_of_date=pl.date_ranges("first_date", "last_date"))
        .explode("as_of_date")
        .sort(AS_OF)
    )


def sums_until(
    days: pl.DataFrame, counts: pl.LazyFrame, day: str, values: Sequence[str], by: Sequence[str] = ()
) -> pl.DataFrame:
    """What had been counted until each day, that day included.

    Grain out: (`AS_OF`, *by), sorted: every day of `days` with every group that its experiment ever has; 0 before the
    first count of it. Counts on days before the experiment's first one are in it from the start.

    Args:
        days: Grain `AS_OF`.
        counts: `experiment_id`, `by`, a day and whole numbers.
        day: The column that says on which day something was counted.
        values: The columns of whole numbers; null counts as 0.
        by: Further keys of what is counted.
    """
    keys = ["experiment_id", *by]
    daily = (
        counts.group_by(*keys, as_of_date=pl.col(day))
        .agg(pl.col(values).sum())
        .collect()
        .sort("as_of_date", *keys)
        .with_columns(pl.col(values).cum_sum().over(keys))
    )
    groups = days.join(daily.select(keys).unique(), on="experiment_id")
    return (
        groups.sort("as_of_date")
        .join_asof(daily, on="as_of_date", by=keys, check_sortedness=False)
        .with_columns(pl.col(values).fill_null(0))
        .sort(*AS_OF, *by)
        .select(*AS_OF, *by, *values)
    )
