"""Windows of preaggregation: days whole and in part, missing ranges, lifetimes."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.transforms.preaggregation_windows import (
    DEFAULT_LIFETIMES,
    Interval,
    IntervalError,
    LifetimeError,
    lifetimes,
    missing_ranges,
    spans,
)


def jan(*days: int) -> list[date]:
    return [date(2024, 1, day) for day in days]


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2024-01-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("wanted", "covered", "ranges"),
    [
        (jan(1, 2, 3), [], [jan(1, 2, 3)]),
        (jan(1, 2, 3), jan(2), [jan(1), jan(3)]),
        (jan(*range(1, 10)), jan(3, 4, 7), [jan(1, 2), jan(5, 6), jan(8, 9)]),
        (jan(1, 2), jan(1, 2, 3), []),
        ([], [], []),
        (jan(1, 4), [], [jan(1), jan(4)]),
    ],
)
def test_missing_days_without_a_gap_between_them_are_one_range(
    wanted: list[date], covered: list[date], ranges: list[list[date]]
):
    assert [list(days) for days in missing_ranges(wanted, covered)] == ranges


def test_days_that_live_differently_long_never_share_a_range():
    lived = dict(zip(jan(1, 2, 3, 4), (7, 7, 1, 1), strict=True))
    assert [list(days) for days in missing_ranges(jan(1, 2, 3, 4), [], lived)] == [jan(1, 2), jan(3, 4)]


@given(st.sets(st.integers(1, 28)), st.sets(st.integers(1, 28)))
def test_overlapping_jobs_open_no_gap(wanted: set[int], covered: set[int]):
    ranges = missing_ranges(jan(*wanted), jan(*covered))
    assert [day for days in ranges for day in days] == jan(*sorted(wanted - covered))


@pytest.mark.parametrize(
    ("age", "seconds"), [(-3, 60), (0, 60), (1, 3600), (7, 3600), (8, 86400), (400, 86400)]
)
def test_the_younger_a_window_the_shorter_its_rows_live(age: int, seconds: int):
    rules = lifetimes({"7d": 3600, "0d": 60, "default": 86400})
    today = date(2024, 6, 1)
    assert rules.seconds(date.fromordinal(today.toordinal() - age), today) == seconds


def test_one_number_is_the_lifetime_of_all_windows_and_none_the_default():
    assert {lifetimes(60).seconds(day, date(2024, 1, 20)) for day in jan(1, 19, 20)} == {60}
    assert lifetimes(None) == DEFAULT_LIFETIMES


@pytest.mark.parametrize("ttl", [0, -1, True, {"default": 0}, {"soon": 5}, {"1d": "long"}])
def test_a_lifetime_that_is_none_is_refused(ttl: Any):
    with pytest.raises(LifetimeError, match="ttl"):
        lifetimes(ttl)


def test_an_interval_touches_the_day_of_its_last_instant_and_not_that_of_its_end():
    assert Interval(at("01 00:00"), at("03 00:00")).days() == (date(2024, 1, 1), date(2024, 1, 2))
    assert Interval(at("01 12:00"), at("03 00:00:00.000001")).days() == (date(2024, 1, 1), date(2024, 1, 3))


def test_a_day_is_covered_when_none_of_its_instants_is_missing():
    interval = Interval(at("01 00:00:00.000001"), at("04 00:00"))
    assert [day.day for day in jan(1, 2, 3, 4) if interval.covers(day)] == [2, 3]


def test_an_interval_without_instants_is_refused():
    with pytest.raises(IntervalError, match="an end after the start"):
        Interval(at("02 00:00"), at("02 00:00"))


def test_days_are_said_as_ranges():
    assert spans(jan(1, 2, 3, 7)) == "2024-01-01 to 2024-01-03, 2024-01-07"
