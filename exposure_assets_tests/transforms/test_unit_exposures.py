"""Merging days into units: exact, in any order and grouping, against all events at once."""

import random
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import DedupedExposures, ExposureEvents, UnitExposures, columns_of, empty_frame
from exposure_assets.transforms.deduped_exposures import dedupe_exposures
from exposure_assets.transforms.unit_exposures import (
    MERGED_COLUMNS,
    POLICIES,
    by_policy,
    merge_units,
    with_bounds,
)
from exposure_assets_tests.reference.classifying import Exposure
from exposure_assets_tests.reference.exposing import exposed_units

COLUMNS = (*MERGED_COLUMNS, "smallest_variation_id", "largest_variation_id")
START = datetime(2026, 1, 5, tzinfo=UTC)


@st.composite
def events(draw: st.DrawFn) -> list[Exposure]:
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["ann", "Bob", "é", "007"]),
                st.sampled_from(["control", "treatment", "b"]),
                st.sampled_from([0, 1, 10, 1440, 1441, 2880, 4000]),
                st.sampled_from([None, "s1", "S2"]),
            ),
            max_size=14,
        )
    )
    names = draw(st.permutations([f"{letter}{n}" for n in range(7) for letter in "aZ"]))
    return [
        Exposure("exp", names[n], unit, variation, START + timedelta(minutes=minutes), session)
        for n, (unit, variation, minutes, session) in enumerate(rows)
    ]


def by_day(exposures: list[Exposure]) -> pl.DataFrame:
    rows = [{name: getattr(event, name) for name in columns_of(ExposureEvents)} for event in exposures]
    frame = pl.DataFrame(rows, schema=columns_of(ExposureEvents), orient="row")
    return dedupe_exposures(frame.lazy()).collect().pipe(with_bounds).select(COLUMNS)


@given(events(), st.randoms(use_true_random=False), st.sampled_from(POLICIES))
def test_days_merged_in_any_order_and_grouping_give_the_units_of_all_events(
    exposures: list[Exposure], chance: random.Random, policy: str
):
    rows = by_day(exposures).sample(fraction=1.0, shuffle=True, seed=chance.randrange(1 << 30))
    cut = chance.randint(0, rows.height)
    in_parts = merge_units(pl.concat([merge_units(rows[:cut]), merge_units(rows[cut:])]))
    expected = exposed_units(exposures, "exp", START, START + timedelta(days=9), policy)
    for units in (merge_units(rows), in_parts):
        answer, crossovers = by_policy(units, "exclude" if policy == "exclude" else "first_seen")
        UnitExposures.validate(answer)
        assert answer.rows(named=True) == expected
        assert crossovers == len(
            {
                e.unit_id
                for e in exposures
                for f in exposures
                if e.unit_id == f.unit_id and e.variation_id != f.variation_id
            }
        )


def test_no_rows_give_no_units():
    nothing = with_bounds(empty_frame(DedupedExposures)).select(COLUMNS)
    answer, crossovers = by_policy(merge_units(nothing), "exclude")
    UnitExposures.validate(answer)
    assert (answer.height, crossovers) == (0, 0)
