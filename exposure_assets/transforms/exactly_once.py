"""At-least-once delivery becomes exactly once: which rows are copies of another.

What a row means, and what becomes of a copy, stands in the transforms of the streams.
"""

from collections.abc import Sequence

import polars as pl

from exposure_assets.transforms.ordering import is_repeated


def copies(
    rows: pl.DataFrame, at: str, fields: Sequence[pl.Expr], delivery: Sequence[str], settled_ids: pl.Series
) -> pl.Series:
    """Which rows are copies of an event that counts elsewhere.

    The copy that counts has the earliest `at`, then the smallest `fields` in their order, nulls last, strings by
    their bytes. Rows without `event_id` are copies where they equal another in `at` and all fields.

    Args:
        rows: The rows of one UTC day, all of them well-formed.
        at: The instant column.
        fields: The remaining fields in the order of the contract.
        delivery: Columns that say how a row came; between copies that are alike, the smallest counts.
        settled_ids: Ids that count on an earlier day, so that every row here is a copy.
    """
    is_copy = rows["event_id"].is_in(settled_ids.implode()).fill_null(False)
    suspects = is_repeated(rows["event_id"])
    if not suspects.any():
        return is_copy
    named_fields = {f"field {number}": field for number, field in enumerate(fields)}
    ordered = (
        rows.lazy()
        .with_row_index("position")
        .filter(pl.lit(suspects))
        .select("position", "event_id", *delivery, pl.col(at).alias("at"), **named_fields)
        .sort("event_id", "at", *named_fields, *delivery, nulls_last=True)
    )
    same_id = pl.col("event_id").is_not_null() & (pl.col("event_id") == pl.col("event_id").shift())
    same_row = (pl.int_range(pl.len()) > 0) & pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift()) for name in ("event_id", "at", *named_fields)
    )
    losers = ordered.filter(same_id | same_row).collect()["position"]
    return is_copy.scatter(losers, True) if len(losers) else is_copy


def settled_by(rows: pl.DataFrame, suspect_hashes: pl.Series) -> pl.Series:
    """The ids among `rows` that also stand on other days, and that this day therefore settles.

    Args:
        rows: The rows of a day that count.
        suspect_hashes: Hashes of the ids that stand on several days.
    """
    if suspect_hashes.is_empty():
        return pl.Series("event_id", [], dtype=pl.String)
    ids = rows["event_id"]
    return ids.filter(ids.hash().is_in(suspect_hashes.implode())).unique()
