"""Exposure events folded into one mergeable row per unit, variation and day, without losing an instant of them."""

import random
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import DedupedExposures, ExposureEvents, columns_of
from exposure_assets.transforms.deduped_exposures import dedupe_exposures
from exposure_assets_tests.reference import validating
from exposure_assets_tests.reference.classifying import Exposure
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    KEY,
    at,
    deduped,
    exposures,
    january,
    same_rows,
    scattered,
    table,
)


def only_row(*rows: tuple[str, ...]) -> dict[str, Any]:
    (row,) = deduped(exposures(*rows)).rows(named=True)
    return row


def test_the_events_of_a_day_are_one_row_with_first_last_and_count():
    row = only_row(
        ("ann", "control", "10 12:00", "b", "s2"),
        ("ann", "control", "10 09:00", "c", "s1"),
        ("ann", "control", "10 23:59:59.999999", "a"),
    )
    assert row == {
        "experiment_id": "exp",
        "unit_id": "ann",
        "variation_id": "control",
        "exposure_date": january(10),
        "first_exposed_at": at("10 09:00"),
        "last_exposed_at": at("10 23:59:59.999999"),
        "exposure_count": 3,
        "first_event_id": "c",
        "first_session_id": "s1",
        "later_exposed_at": [at("10 12:00"), at("10 23:59:59.999999")],
        "later_event_ids": ["b", "a"],
        "later_exposure_counts": [1, 1],
    }


def test_a_single_event_has_nothing_later():
    row = only_row(("ann", "control", "10 09:00", "e"))
    assert (row["exposure_count"], row["first_exposed_at"], row["last_exposed_at"]) == (
        1,
        at("10 09:00"),
        at("10 09:00"),
    )
    assert (row["later_exposed_at"], row["later_event_ids"]) == (None, None)


def test_at_the_same_instant_the_smallest_event_id_by_bytes_comes_first_with_its_session():
    row = only_row(
        ("ann", "control", "10 09:00", "a", "of a"),
        ("ann", "control", "10 09:00", "Z", "of Z"),
        ("ann", "control", "10 09:00", "é", "of é"),
    )
    assert (row["first_event_id"], row["first_session_id"], row["exposure_count"]) == ("Z", "of Z", 3)
    assert row["later_exposed_at"] is None


def test_each_later_instant_is_kept_once_with_its_smallest_event_id():
    row = only_row(
        ("ann", "control", "10 09:00", "x"),
        ("ann", "control", "10 10:00", "b"),
        ("ann", "control", "10 10:00", "B"),
        ("ann", "control", "10 11:00", "a"),
    )
    assert row["later_exposed_at"] == [at("10 10:00"), at("10 11:00")]
    assert row["later_event_ids"] == ["B", "a"]
    assert row["exposure_count"] == 4


def test_units_variations_and_utc_days_are_kept_apart():
    found = deduped(
        exposures(
            ("ann", "control", "10 23:59:59.999999"),
            ("ann", "control", "11 00:00"),
            ("ann", "treatment", "10 09:00"),
            ("Ann", "control", "10 09:00"),
        )
    )
    assert set(found.select("unit_id", "variation_id", "exposure_date").rows()) == {
        ("ann", "control", january(10)),
        ("ann", "control", january(11)),
        ("ann", "treatment", january(10)),
        ("Ann", "control", january(10)),
    }


def test_the_same_event_of_two_experiments_is_a_row_of_each():
    both = pl.concat(
        [exposures(("ann", "control", "10 09:00", "e"), experiment_id=name) for name in ("exp", "other")]
    )
    assert deduped(both).select("experiment_id", "exposure_count").sort("experiment_id").rows() == [
        ("exp", 1),
        ("other", 1),
    ]


def test_no_exposures_are_no_rows():
    nothing = deduped(table(ExposureEvents, []))
    assert nothing.schema == columns_of(DedupedExposures)
    assert nothing.is_empty()


CLOCKS = ["09:00", "09:00:00.000001", "00:00", "23:59:59.999999"]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "zoe", "é", ""]),
        st.sampled_from(["control", "treatment"]),
        st.builds("{} {}".format, st.sampled_from(["09", "10", "11"]), st.sampled_from(CLOCKS)),
        st.sampled_from(["a", "Z", "é", ""]),
    ),
    max_size=30,
    unique_by=lambda row: row,
).map(lambda rows: [(*row[:3], f"{row[3]}{number}") for number, row in enumerate(rows)])


def folded(events: pl.DataFrame) -> pl.DataFrame:
    return dedupe_exposures(events.lazy()).collect()


@given(EVENTS)
def test_deduped_rows_are_those_of_a_plain_reading(rows: list[tuple[str, ...]]):
    plain = [Exposure("exp", row[3], row[0], row[1], at(row[2]), None) for row in rows]
    expected = table(DedupedExposures, validating.dedupe_exposures(plain))
    without_lists = [name for name in expected.columns if not name.startswith("later_")]
    found = deduped(exposures(*rows))
    assert same_rows(found.select(without_lists), expected.select(without_lists), *KEY)


@given(EVENTS)
def test_every_instant_of_exposure_stays_with_its_smallest_event_id(rows: list[tuple[str, ...]]):
    expected: dict[tuple[Any, ...], str] = {}
    for unit_id, variation_id, when, event_id in rows:
        place = (unit_id, variation_id, at(when))
        expected[place] = min(expected.get(place, event_id), event_id, key=str.encode)
    found = {}
    for row in folded(exposures(*rows)).iter_rows(named=True):
        instants = [row["first_exposed_at"], *(row["later_exposed_at"] or [])]
        ids = [row["first_event_id"], *(row["later_event_ids"] or [])]
        for instant, event_id in zip(instants, ids, strict=True):
            found[row["unit_id"], row["variation_id"], instant] = event_id
    assert found == expected


@FEWER_EXAMPLES
@given(EVENTS, st.randoms(use_true_random=False))
def test_neither_the_order_of_rows_nor_their_chunks_change_anything(
    rows: list[tuple[str, ...]], shuffle: random.Random
):
    events = exposures(*rows)
    assert same_rows(folded(events), folded(scattered(events, shuffle)), *KEY)


@FEWER_EXAMPLES
@given(EVENTS)
def test_the_days_one_by_one_are_one_run_over_all_days(rows: list[tuple[str, ...]]):
    events = exposures(*rows)
    by_day = [folded(day) for day in events.partition_by("exposure_date")]
    merged = pl.concat([table(DedupedExposures, []), *by_day])
    assert same_rows(folded(events), merged, *KEY)
