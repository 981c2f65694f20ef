"""Digests of rows and of digests: equal rows give equal digests in whatever order they come.

What is digested, and what a changed digest leads to, is decided by the callers. Digests are only comparable within one
version of Polars, which is why that version is part of every one that is kept.
"""

import polars as pl
import xxhash

DIGEST = pl.UInt64()


def digest_of(text: str) -> int:
    """The digest of a text; never 0, which stands for nothing at all."""
    return xxhash.xxh3_64_intdigest(text.encode()) or 1


def mixed(*parts: pl.Expr | int) -> pl.Expr:
    """One digest out of several values, whose order counts; an int is a constant."""
    columns = [pl.lit(part, DIGEST) if isinstance(part, int) else part for part in parts]
    return pl.struct([column.alias(f"part_{n}") for n, column in enumerate(columns)]).hash()


def row_digests(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """The digest of the rows of every key.

    Grain out: one row (`key`, `digest`) per value of the column `key`. Digests of distinct rows are summed, so the
    order of the rows doesn't count.
    """
    return (
        rows.lazy()
        .select(pl.col(key).alias("key"), digest=pl.struct(pl.all()).hash())
        .group_by("key")
        .agg(pl.col("digest").sum())
        .collect()
    )


def differing(one: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """The rows that stand in only one of two frames with the same columns, none of them null."""
    columns = one.columns
    return pl.concat([one.join(other, on=columns, how="anti"), other.join(one, on=columns, how="anti")])


def digests_of_windows(windows: pl.DataFrame, daily: pl.DataFrame) -> pl.Series:
    """Per window one digest of an experiment's daily digests, both ends included.

    Args:
        windows: `experiment_id`, `first_day`, `last_day`.
        daily: `experiment_id`, `day`, `digest`.

    Returns:
        The digests in the order of `windows`; 0 where no day of a window has one.
    """
    dated = daily.with_columns(mixed(pl.col("day"), pl.col("digest")).alias("digest"))
    return sums_over_days(windows, dated)


def sums_over_days(windows: pl.DataFrame, daily: pl.DataFrame) -> pl.Series:
    """Per window the sum of an experiment's `digest` over its days, with the arguments of `digests_of_windows`.

    The cost does not grow with the length of the windows.
    """
    # A difference of running sums. Digests wrap around, and so do their sums.
    running = daily.sort("day").with_columns(pl.col("digest").cum_sum().over("experiment_id"))
    numbered = windows.with_row_index("window")
    until = {
        name: numbered.select("window", "experiment_id", day=day)
        .sort("day")
        .join_asof(running, on="day", by="experiment_id", check_sortedness=False)
        .sort("window")["digest"]
        .fill_null(0)
        for name, day in (
            ("last", pl.col("last_day")),
            ("before", pl.col("first_day") - pl.duration(days=1)),
        )
    }
    return (until["last"] - until["before"]).alias("digest")
