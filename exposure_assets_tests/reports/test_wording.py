"""Values as people read them: numbers, rates, days, and names that hold anything."""

from datetime import date

import pytest

from exposure_assets.reports import wording


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (wording.count(1234567), "1,234,567"),
        (wording.count(None), "\u2013"),
        (wording.rate(0.1234), "12.3\u202f%"),
        (wording.rate(0.0), "0.0\u202f%"),
        (wording.rate(1.0), "100.0\u202f%"),
        (wording.rate(0.0001), "< 0.1\u202f%"),
        (wording.rate(0.9999), "> 99.9\u202f%"),
        (wording.rate(None), "\u2013"),
        (wording.change(-0.042), "\u22124.2\u202f%"),
        (wording.change(0.5, 0), "+50\u202f%"),
        (wording.points(0.05), "+5\u202fpp"),
        (wording.points(-0.0125), "\u22121.25\u202fpp"),
        (wording.amount(0.12345), "0.1235"),
        (wording.amount(1234.5), "1,234"),
        (wording.amount(12.345, True), "+12.35"),
        (wording.amount(-0.00001234), "\u22121.2e\u221205"),
        (wording.p_value(0.00001), "< 0.0001"),
        (wording.p_value(0.00123), "0.0012"),
        (wording.p_value(0.1234), "0.123"),
        (wording.delay(0), "0\u202fs"),
        (wording.delay(600), "10\u202fmin"),
        (wording.delay(21_600), "6\u202fh"),
        (wording.delay(172_800), "2\u202fd"),
        (wording.units(1), "1 unit"),
        (wording.units(2000), "2,000 units"),
        (wording.day(None), "\u2013"),
        (wording.short_day(date(2026, 1, 5)), "Jan 5"),
        (wording.listed(["a"]), "a"),
        (wording.listed(["a", "b"]), "a and b"),
        (wording.listed(list("abcde")), "a, b, c and 2 more"),
        (wording.listed([]), ""),
    ],
)
def test_a_value_is_shown_as_people_read_it(shown: str, expected: str):
    assert shown == expected


def test_what_turns_the_text_around_a_name_is_replaced_and_so_are_control_characters():
    assert wording.name("a\u202eb\u2069c\x00d\ne") == "a\ufffdb\ufffdc\ufffdd\ufffde"


def test_a_name_ends_with_an_ellipsis_where_there_is_no_more_room_and_wide_characters_take_twice_as_much():
    assert wording.name("x" * 10, 10) == "x" * 10
    assert wording.name("x" * 11, 10) == "x" * 9 + "\u2026"
    assert wording.name("\u4e2d" * 6, 10) == "\u4e2d" * 4 + "\u2026"
    assert len(wording.name("x" * 10_000)) == 200
