"""How many events fall into windows, for any number of windows at the cost of one sort.

Which events and windows there are stands in the transforms that count.
"""

import polars as pl

_BOUND = "bound"


def counts_in_windows(windows: pl.DataFrame, instants: pl.DataFrame, key: str) -> pl.Series:
    """The events inside every window `[window_start_at, window_end_at)`, in the order of `windows`.

    Instants and bounds are sorted together once, whatever the number of windows: a window holds as many events as the
    running total grows between its bounds. At the same microsecond a bound comes first, so that a start includes the
    instant and an end does not.

    Args:
        windows: `key`, `window_start_at`, `window_end_at`; none ends before it starts.
        instants: `key`, `at`, and `events`: how many happened then. A key may have any number of them.
        key: The column that says whose events count in a window.
    """
    bounds = pl.concat(
        windows.select(
            key,
            pl.col(column).alias("at"),
            pl.lit(0, pl.Int64).alias("events"),
            (2 * pl.int_range(pl.len(), dtype=pl.UInt32) + offset).alias(_BOUND),
        )
        for offset, column in enumerate(("window_start_at", "window_end_at"))
    )
    totals = (
        pl.concat([bounds, instants.select(key, "at", "events", pl.lit(None, pl.UInt32).alias(_BOUND))])
        .sort(key, "at", _BOUND, nulls_last=True)
        .with_columns(pl.col("events").cum_sum())
        .filter(pl.col(_BOUND).is_not_null())
        .sort(_BOUND)["events"]
    )
    return totals.gather_every(2, 1) - totals.gather_every(2)
