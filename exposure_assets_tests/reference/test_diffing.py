"""Differences between two tables, in words.
The tables themselves are tested elsewhere.
"""

from datetime import UTC, date, datetime

from exposure_assets_tests.reference.diffing import diff_tables

ROW = {"id": "a", "count": 1, "rate": 0.5, "is_new": True, "day": date(2026, 1, 1)}


def test_equal_tables_differ_in_nothing_whatever_their_order():
    other = {**ROW, "id": None}
    assert diff_tables([ROW, other], [other, dict(ROW)], ["id"]) == []
    assert diff_tables([], [], ["id"]) == []


def test_types_differ_where_values_do_not():
    found = diff_tables([ROW], [{**ROW, "count": 1.0, "is_new": 1, "day": datetime(2026, 1, 1)}], ["id"])
    assert found == [
        "id='a': count: expected 1 (int), found 1.0 (float)",
        "id='a': is_new: expected True (bool), found 1 (int)",
        "id='a': day: expected datetime.date(2026, 1, 1), found datetime.datetime(2026, 1, 1, 0, 0)",
    ]


def test_floats_may_differ_by_a_billionth_and_no_more():
    assert diff_tables([ROW], [{**ROW, "rate": 0.5 * (1 + 1e-10)}], ["id"]) == []
    assert len(diff_tables([ROW], [{**ROW, "rate": 0.5 * (1 + 1e-8)}], ["id"])) == 1
    assert len(diff_tables([ROW], [{**ROW, "rate": None}], ["id"])) == 1


def test_missing_and_surplus_rows_and_missing_columns_are_named():
    assert diff_tables([ROW], [], ["id"]) == ["id='a': 1 rows expected, 0 found"]
    assert diff_tables([], [ROW, ROW], ["id"]) == ["id='a': 0 rows expected, 2 found"]
    assert diff_tables([ROW], [{"id": "a"}], ["id"])[0] == "id='a': column count is missing"


def test_a_key_that_is_not_unique_is_compared_as_a_bag():
    rows = [{"id": "a", "n": 1}, {"id": "a", "n": 2}]
    assert diff_tables(rows, rows[::-1], ["id"]) == []
    assert diff_tables(rows, [rows[0], rows[0]], ["id"]) == ["id='a': n: expected 2 (int), found 1 (int)"]


def test_an_instant_without_zone_is_not_one_in_utc():
    expected, found = {"at": datetime(2026, 1, 1, tzinfo=UTC)}, {"at": datetime(2026, 1, 1)}
    assert len(diff_tables([expected], [found], [])) == 1


def test_long_values_are_shown_short():
    (text,) = diff_tables([{"id": "x" * 10_000, "n": 1}], [{"id": "x" * 10_000, "n": 2}], ["id"])
    assert len(text) < 400 and "characters" in text
