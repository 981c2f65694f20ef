"""Rectangles of partitions cover exactly the keys they were made of, in SQL and in Polars alike.

What is written into them is tested in `test_warehouse`.
"""

from datetime import date, timedelta

import duckdb
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from resources.warehouse import PartitionSlice, slices_of
from resources.warehouse_slices import as_sql, outside

COLUMNS = {"date": "day", "experiment": "experiment"}
FIRST = date(2025, 12, 28)
DAYS = [FIRST + timedelta(days=number) for number in range(8)]
EXPERIMENTS = ["a", "b", "it's", "c-1"]
KEYS = st.sets(st.tuples(st.sampled_from(DAYS), st.sampled_from(EXPERIMENTS)))


def key(day: date, experiment: str) -> str:
    return f"{day}|{experiment}"


def test_a_full_range_of_experiments_and_days_is_one_rectangle():
    keys = [key(day, experiment) for experiment in ("b", "a") for day in reversed(DAYS)]
    assert slices_of(keys) == [PartitionSlice(DAYS[0], DAYS[-1], ("a", "b"))]


def test_experiments_with_other_days_stand_apart():
    keys = ["2026-01-01|a", "2026-01-02|a", "2026-01-02|b", "2026-01-04|a", "2026-01-01|c", "2026-01-02|c"]
    assert slices_of(keys) == [
        PartitionSlice(date(2026, 1, 1), date(2026, 1, 2), ("a", "c")),
        PartitionSlice(date(2026, 1, 2), date(2026, 1, 2), ("b",)),
        PartitionSlice(date(2026, 1, 4), date(2026, 1, 4), ("a",)),
    ]


def test_keys_of_days_alone_cover_all_experiments():
    assert slices_of(["2026-01-01", "2026-01-02"]) == [PartitionSlice(date(2026, 1, 1), date(2026, 1, 2))]


def test_no_keys_cover_nothing():
    assert slices_of([]) == []
    assert as_sql([], COLUMNS) == "false"


@given(KEYS)
def test_the_rectangles_cover_exactly_the_keys_in_sql_and_in_polars(wanted: set[tuple[date, str]]):
    slices = slices_of(key(day, experiment) for day, experiment in wanted)
    every = pl.DataFrame(
        [(day, experiment) for day in [*DAYS, None] for experiment in [*EXPERIMENTS, None]],
        schema={"day": pl.Date, "experiment": pl.String},
        orient="row",
    )
    in_polars = every.join(outside(every, slices, COLUMNS), on=every.columns, how="anti", nulls_equal=True)
    in_sql = duckdb.sql(f"SELECT * FROM every WHERE {as_sql(slices, COLUMNS)}").pl()
    assert set(in_polars.rows()) == wanted
    assert sorted(in_sql.rows()) == sorted(in_polars.rows())


def test_slices_without_limits_cover_every_row_of_a_frame_of_any_size():
    for height in (0, 1, 500_000):
        frame = pl.select(day=pl.repeat(None, height, dtype=pl.Date), experiment=pl.repeat("a", height))
        assert outside(frame, [PartitionSlice()], COLUMNS).is_empty()
        assert outside(frame, [PartitionSlice()], {}).is_empty()
        assert outside(frame, [], COLUMNS).height == height
        assert outside(frame, [PartitionSlice(experiments=("a",))], COLUMNS).is_empty()
        assert outside(frame, [PartitionSlice(first_day=FIRST)], COLUMNS).height == height


def test_the_part_of_some_experiments_keeps_the_days():
    part = PartitionSlice(DAYS[0], DAYS[1], ("a", "b"))
    assert part.of(["b", "c"]) == PartitionSlice(DAYS[0], DAYS[1], ("b",))
    assert part.of(None) == part
    assert part.of(["c"]) is None
    assert PartitionSlice().of(["c"]) == PartitionSlice(experiments=("c",))
