"""Total orders and runs: rows of one key side by side, in an order that no file or thread can change.

What the rows mean stands in the transform of each table; here are only keys, instants and ties.
"""

from collections.abc import Sequence

import polars as pl

_KEY, _TIE = "__key__", "__tie__"
RUN_START = "__run_start__"


def in_total_order(frame: pl.DataFrame, key: Sequence[str], at: str, ties: Sequence[str]) -> pl.DataFrame:
    """Sort rows so that those of one key stand together by `at`, then by `ties` (nulls last, strings by bytes).

    Keys come in no particular order among themselves. Sorting by a 64-bit hash of the key and by the instant costs
    a quarter of sorting by the strings; collisions and ties, both visible between neighbours, are then put right
    by comparing the values themselves, so the result is exact.

    Adds the Boolean column `RUN_START`: true on the first row of each key.
    """
    ordered = _sorted(frame.with_columns(pl.struct(key).hash().alias(_KEY)), [_KEY, at])
    same_hash = pl.col(_KEY) == pl.col(_KEY).shift()
    same_key = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift()) for name in key)
    if ordered.select((same_hash & ~same_key).any()).item():
        dense_key = pl.struct(key).rank("dense").cast(pl.UInt64)
        ordered = _sorted(frame.with_columns(dense_key.alias(_KEY)), [_KEY, at])
    tied = same_hash & pl.col(at).eq_missing(pl.col(at).shift())
    ordered = ordered.with_columns((tied | tied.shift(-1)).fill_null(False).alias(_TIE))
    if ties and ordered[_TIE].any():
        # Only tied rows carry their tie breakers into the sort: encoding every row's strings would dominate it.
        breakers = [pl.when(pl.col(_TIE)).then(pl.col(name)) for name in ties]
        ordered = ordered.sort([_KEY, at, *breakers], nulls_last=True)
    run_start = (pl.col(_KEY) != pl.col(_KEY).shift()).fill_null(True).alias(RUN_START)
    return ordered.with_columns(run_start).drop(_KEY, _TIE)


def _sorted(frame: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    return frame.sort(by, nulls_last=True)


def is_repeated(values: pl.Series) -> pl.Series:
    """Which values occur more than once; exact, and cheap where hardly any do."""
    hashes = values.hash()
    in_order = hashes.sort()
    repeated_hashes = in_order.filter(in_order == in_order.shift()).unique()
    if repeated_hashes.is_empty():
        return pl.repeat(False, len(values), eager=True).alias(values.name)
    suspects = hashes.is_in(repeated_hashes.implode())
    repeated = values.filter(suspects).is_duplicated()
    positions = suspects.arg_true()
    return (
        pl.repeat(False, len(values), eager=True).scatter(positions.filter(repeated), True).alias(values.name)
    )
