"""Rows for the tests of the warehouse: of assignments, whose columns are of most types.

What is done with them stands in the tests.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import polars as pl

from exposure_assets.contracts import Assignments, columns_of
from resources.warehouse import PartitionSlice


def day(number: int) -> date:
    """The n-th of January 2026."""
    return date(2026, 1, number)


def midnight(number: int) -> datetime:
    """Its first instant."""
    return datetime.combine(day(number), time(), UTC)


def part(first: int, last: int, *experiments: str) -> PartitionSlice:
    """The days from first to last of some experiments."""
    return PartitionSlice(day(first), day(last), experiments)


def assigned(*rows: tuple[str, str, int], count: int = 1) -> pl.DataFrame:
    """Assignments as (experiment, unit, day of January)."""
    return pl.DataFrame(
        [
            {
                "experiment_id": experiment,
                "unit_id": unit,
                "variation_id": "control",
                "assigned_at": midnight(number),
                "assignment_date": day(number),
                "assignment_count": count,
                "variation_count": 1,
                "is_conflicting": False,
            }
            for experiment, unit, number in rows
        ],
        schema=columns_of(Assignments),
    )


def units(rows: pl.LazyFrame) -> Sequence[tuple[str, str, int]]:
    """Assignments read back as (experiment, unit, day of January), sorted."""
    found = rows.select("experiment_id", "unit_id", pl.col("assignment_date").dt.day()).collect()
    return sorted(found.rows())
