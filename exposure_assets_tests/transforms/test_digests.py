"""Digests: the same for the same rows in any order, another for other rows; sums over windows as a loop adds them."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.transforms.digests import DIGEST, digests_of_windows, mixed, row_digests, sums_over_days

FIRST = date(2026, 1, 1)
ROWS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", None]), st.integers(0, 3)), unique=True
)
DAILY = st.dictionaries(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), st.integers(0, 2**64 - 1))
WINDOWS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 12), st.integers(0, 6)))


def digests(rows: list[tuple[str, str | None, int]]) -> dict[str, int]:
    frame = pl.DataFrame(rows, schema={"key": pl.String, "text": pl.String, "number": pl.Int64}, orient="row")
    return dict(row_digests(frame, "key").select("key", "digest").iter_rows())


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def windows_of(windows: list[tuple[str, int, int]]) -> pl.DataFrame:
    rows = [(experiment, day(first), day(first + length)) for experiment, first, length in windows]
    schema = {"experiment_id": pl.String, "first_day": pl.Date, "last_day": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


def daily_of(daily: dict[tuple[str, int], int]) -> pl.DataFrame:
    rows = [(experiment, day(number), digest) for (experiment, number), digest in daily.items()]
    schema = {"experiment_id": pl.String(), "day": pl.Date(), "digest": DIGEST}
    return pl.DataFrame(rows, schema=schema, orient="row")


@given(ROWS, st.randoms())
def test_the_order_of_rows_does_not_count(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert digests(rows) == digests(shuffled)


@given(ROWS, ROWS)
def test_other_rows_of_a_key_have_another_digest(some, others):
    for key in "ab":
        same = {row for row in some if row[0] == key} == {row for row in others if row[0] == key}
        assert (digests(some).get(key) == digests(others).get(key)) == same


@given(DAILY, WINDOWS)
def test_a_window_is_the_sum_of_its_days_whatever_the_others_hold(daily, windows):
    expected = [
        sum(digest for (e, n), digest in daily.items() if e == experiment and first <= n <= first + length)
        % 2**64
        for experiment, first, length in windows
    ]
    assert sums_over_days(windows_of(windows), daily_of(daily)).to_list() == expected


@given(DAILY)
def test_digests_that_change_days_change_the_window(daily):
    moved = {(experiment, 9 - number): digest for (experiment, number), digest in daily.items()}
    whole = windows_of([("a", 0, 9)])
    before, after = (digests_of_windows(whole, daily_of(days)).item() for days in (daily, moved))
    of_a = [{n: d for (e, n), d in days.items() if e == "a"} for days in (daily, moved)]
    assert (before == after) == (of_a[0] == of_a[1])


def test_the_order_of_what_is_mixed_counts():
    frame = pl.DataFrame({"a": ["x"], "b": ["y"]})
    one, other = frame.select(
        mixed(pl.col("a"), pl.col("b")).alias("ab"), mixed(pl.col("b"), pl.col("a")).alias("ba")
    ).row(0)
    assert one != other
