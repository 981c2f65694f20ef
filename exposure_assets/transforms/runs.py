"""Sums over runs of rows that belong together, in the order of the rows: a sum of floats depends on it.

What the rows are is the business of who calls.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def starts_of(rows: pl.DataFrame, *group: str) -> Indices:
    """Where each run of rows of one group begins; the rows of a group have to stand together."""
    is_first = pl.any_horizontal((pl.col(name) != pl.col(name).shift()).fill_null(True) for name in group)
    return rows.select(is_first.arg_true()).to_series().to_numpy().astype(np.int64)


def sums_of(values: Floats, starts: Indices) -> pl.Series:
    """The sum of each run, from its first value to its last."""
    return pl.Series(np.add.reduceat(values, starts) if len(starts) else [], dtype=pl.Float64)


def floats_of(rows: pl.DataFrame, column: str) -> Floats:
    """A column of numbers as numpy has them."""
    return rows[column].cast(pl.Float64).to_numpy()
