"""Total orders: rows of one key side by side, in an order that no file, thread or hash can change."""

import random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.transforms.ordering import RUN_START, in_total_order, is_repeated
from exposure_assets_tests.transforms.rows import scattered

NASTY_IDS = [
    "a",
    "B",
    "é",
    "Z",
    "",
    " ",
    "007",
    "7",
    "NULL",
    "ß",
    "ss",
    "e\u0301",
    "\U0001f600",
    "\uffff",
    None,
]


def ordered(*rows: tuple[str | None, int, str | None]) -> list[tuple[str | None, int, str | None]]:
    frame = pl.DataFrame(rows, schema={"key": pl.String, "at": pl.Int64, "tie": pl.String}, orient="row")
    return in_total_order(frame, ["key"], "at", ["tie"]).select("key", "at", "tie").rows()


def test_rows_of_a_key_stand_together_by_time_and_then_by_tie():
    found = ordered(("x", 2, "a"), ("x", 1, "b"), ("y", 1, "c"), ("x", 1, "a"))
    of_x = [row for row in found if row[0] == "x"]
    assert of_x == [("x", 1, "a"), ("x", 1, "b"), ("x", 2, "a")]
    assert [row[0] for row in found] in (["x", "x", "x", "y"], ["y", "x", "x", "x"])


def test_ties_are_broken_by_bytes_and_nulls_come_last():
    found = ordered(*(("x", 1, tie) for tie in ["é", None, "a", "\U0001f600", "\uffff", "Z", ""]))
    assert [tie for _, _, tie in found] == ["", "Z", "a", "é", "\uffff", "\U0001f600", None]


def test_the_first_row_of_every_key_is_marked_and_no_other():
    frame = pl.DataFrame({"key": ["x", None, "x", "y", None], "at": [2, 1, 1, 1, 2]})
    marked = in_total_order(frame, ["key"], "at", [])
    assert sorted(marked.filter(RUN_START).select("key", "at").rows(), key=str) == [
        ("x", 1),
        ("y", 1),
        (None, 1),
    ]


def test_no_rows_have_no_order():
    frame = pl.DataFrame(schema={"key": pl.String, "at": pl.Int64, "tie": pl.String})
    assert in_total_order(frame, ["key"], "at", ["tie"]).schema == {**frame.schema, RUN_START: pl.Boolean}


ROWS = st.lists(
    st.tuples(st.sampled_from(NASTY_IDS), st.integers(0, 3), st.sampled_from(NASTY_IDS)),
    min_size=1,
    max_size=40,
)


def by_bytes(text: str | None) -> tuple[bool, bytes]:
    return (text is None, (text or "").encode())


def first_of_each_key(
    rows: list[tuple[str | None, int, str | None]],
) -> dict[str | None, tuple[int, str | None]]:
    best: dict[str | None, tuple[int, str | None]] = {}
    for key, at, tie in sorted(rows, key=lambda row: (row[1], by_bytes(row[2]))):
        best.setdefault(key, (at, tie))
    return best


def firsts(frame: pl.DataFrame) -> dict[str | None, tuple[int, str | None]]:
    starts = in_total_order(frame, ["key"], "at", ["tie"]).filter(RUN_START)
    assert starts["key"].n_unique() == starts.height
    return {key: (at, tie) for key, at, tie in starts.select("key", "at", "tie").iter_rows()}


@given(ROWS, st.randoms(use_true_random=False))
def test_the_first_row_of_a_key_is_the_one_a_plain_sort_finds(
    rows: list[tuple[str | None, int, str | None]], shuffle: random.Random
):
    frame = pl.DataFrame(rows, schema={"key": pl.String, "at": pl.Int64, "tie": pl.String}, orient="row")
    assert firsts(scattered(frame, shuffle)) == first_of_each_key(rows)


@given(ROWS)
def test_keys_with_the_same_hash_are_kept_apart(rows: list[tuple[str | None, int, str | None]]):
    frame = pl.DataFrame(rows, schema={"key": pl.String, "at": pl.Int64, "tie": pl.String}, orient="row")
    whole_hash = pl.Expr.hash
    with pytest.MonkeyPatch.context() as hashing:
        # Real collisions of 64-bit hashes cannot be found in a test: here every other pair of keys collides.
        hashing.setattr(pl.Expr, "hash", lambda expression: whole_hash(expression) % 2)
        assert firsts(frame) == first_of_each_key(rows)


@given(st.lists(st.sampled_from(NASTY_IDS), max_size=30))
def test_a_value_is_repeated_when_it_occurs_more_than_once(values: list[str | None]):
    found = is_repeated(pl.Series("id", values, dtype=pl.String)).to_list()
    assert found == [values.count(value) > 1 for value in values]


def test_values_with_the_same_hash_are_not_repeated():
    with pytest.MonkeyPatch.context() as hashing:
        hashing.setattr(pl.Series, "hash", lambda values: pl.Series([7] * len(values), dtype=pl.UInt64))
        assert is_repeated(pl.Series(["a", "b", "a", "c"])).to_list() == [True, False, True, False]
