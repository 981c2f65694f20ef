"""Shares against what was declared: which units are compared, what is a mismatch, and what cannot be said."""

import random
from collections.abc import Iterable
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import (
    STAGES,
    Experiment,
    SampleRatioIntervals,
    SampleRatios,
    StageCounts,
    columns_of,
)
from exposure_assets.transforms.sample_ratios import sample_ratio_intervals, sample_ratios
from exposure_assets_tests.reference import diff_tables
from exposure_assets_tests.reference.ratios import Declared
from exposure_assets_tests.reference.ratios import sample_ratios as reference
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    at,
    experiment,
    january,
    obeying,
    same_rows,
    scattered,
    table,
)

Row = dict[str, Any]
GRAIN = SampleRatios.grain()
HALVES = {"control": 0.5, "treatment": 0.5}


def declaring(
    shares: dict[str, float] = HALVES,
    phases: Iterable[tuple[int, dict[str, float]]] = (),
    end: int = 25,
    **quality: float,
) -> Experiment:
    """`exp`, from 5 January on, with these shares, others from midnight of a day on, and these thresholds."""
    whole = experiment(end=at(f"{end:02}")).model_dump()
    first = next(iter(shares))
    whole["variations"] = [
        {"id": id_, "allocation": share, "is_control": id_ == first} for id_, share in shares.items()
    ]
    whole["allocation_phases"] = [
        {"start": at(f"{day:02}"), "allocations": allocations} for day, allocations in phases
    ]
    whole["quality"] = quality
    return Experiment.model_validate(whole)


def cohort(
    day: int,
    units: dict[str, int],
    stage: str = "assigned",
    reached: int | None = None,
    is_conflicting: bool = False,
) -> list[Row]:
    """Units per variation of a cohort of January that came to a stage on a day."""
    row = {"experiment_id": "exp", "assignment_date": january(day), "is_conflicting": is_conflicting}
    row |= {"stage": stage, "reached_date": january(reached or day)}
    return [row | {"variation_id": name, "unit_count": count} for name, count in units.items() if count]


def ratios(rows: list[Row], declared: Experiment | None = None, until: int = 31) -> pl.DataFrame:
    counts = table(StageCounts, rows)
    found = sample_ratios(counts.lazy(), {"exp": declared or declaring()}, january(until))
    return obeying(SampleRatios, found)


def as_of(
    day: int, rows: list[Row], declared: Experiment | None = None, *, stage: str = "assigned", **key: bool
) -> Row:
    """The row of a day and stage: of all units until it, conflicting ones included, unless `key` says otherwise."""
    wanted = {"is_cumulative": True, "has_conflicting_units": True} | key
    found = ratios(rows, declared).filter(as_of_date=january(day), stage=stage, **wanted)
    return found.row(0, named=True)


def test_a_split_of_600_to_400_has_the_chi_square_of_a_textbook():
    row = as_of(10, cohort(10, {"control": 600, "treatment": 400}))
    assert (row["statistic"], row["degrees_of_freedom"], row["effect_size"]) == (40.0, 1, 0.2)
    assert row["p_value"] == pytest.approx(2.53963e-10, rel=1e-5)
    assert row["largest_deviation"] == pytest.approx(0.1)
    assert (row["worst_variation_id"], row["worst_unit_count"]) == ("control", 600)
    assert row["worst_expected_unit_count"] == 500.0
    assert row["is_mismatch"] and row["is_sequential_mismatch"]


def test_unequal_allocations_are_compared_with_themselves():
    declared = declaring({"control": 0.9, "treatment": 0.1})
    row = as_of(10, cohort(10, {"control": 900, "treatment": 100}), declared)
    assert (row["statistic"], row["p_value"], row["is_mismatch"]) == (0.0, 1.0, False)


def test_a_day_is_judged_alone_and_with_all_days_before_it():
    rows = [*cohort(10, {"control": 600, "treatment": 400}), *cohort(12, {"control": 400, "treatment": 600})]
    found = ratios(rows, until=13).filter("has_conflicting_units")
    assert found.select("as_of_date", "is_cumulative", "unit_count", "statistic").rows() == [
        (january(10), False, 1000, 40.0),
        (january(10), True, 1000, 40.0),
        (january(11), True, 1000, 40.0),
        (january(12), False, 1000, 40.0),
        (january(12), True, 2000, 0.0),
        (january(13), True, 2000, 0.0),
    ]


def test_a_later_stage_counts_by_the_day_on_which_units_came_to_it():
    rows = [*cohort(10, HUNDREDS), *cohort(10, {"control": 60, "treatment": 40}, "exposed", reached=12)]
    found = ratios(rows, until=12).filter("has_conflicting_units", stage="exposed")
    assert found.select("as_of_date", "is_cumulative", "unit_count", "worst_unit_count").rows() == [
        (january(12), False, 100, 60),
        (january(12), True, 100, 60),
    ]


HUNDREDS = {"control": 100, "treatment": 100}


def test_conflicting_units_count_in_rows_that_have_them_and_in_no_others():
    rows = [*cohort(10, HUNDREDS), *cohort(10, {"control": 50}, is_conflicting=True)]
    assert as_of(10, rows)["unit_count"] == 250
    assert as_of(10, rows, has_conflicting_units=False)["unit_count"] == 200
    only_conflicting = cohort(10, {"control": 50}, is_conflicting=True)
    assert ratios(only_conflicting)["has_conflicting_units"].all()


def test_a_small_deviation_of_many_units_is_told_from_a_broken_split_by_its_size():
    improbable = cohort(10, {"control": 50_050_000, "treatment": 49_950_000})
    row = as_of(10, improbable)
    assert row["p_value"] < 1e-20 and row["sequential_p_value"] < 1e-15
    assert row["largest_deviation"] == pytest.approx(0.0005)
    assert not row["is_mismatch"] and not row["is_sequential_mismatch"]
    strict = as_of(10, improbable, declaring(srm_min_deviation=0.0004))
    assert strict["is_mismatch"] and strict["is_sequential_mismatch"]


def test_a_large_deviation_of_few_units_is_no_mismatch():
    row = as_of(10, cohort(10, {"control": 14, "treatment": 6}))
    assert row["largest_deviation"] == pytest.approx(0.2)
    assert not row["is_mismatch"] and not row["is_sequential_mismatch"]
    lax = as_of(10, cohort(10, {"control": 14, "treatment": 6}), declaring(srm_alpha=0.1))
    assert lax["is_mismatch"]


def test_units_in_a_variation_without_allocation_are_unexpected_and_a_mismatch():
    declared = declaring({"control": 0.5, "treatment": 0.5, "off": 0.0})
    row = as_of(10, cohort(10, HUNDREDS | {"off": 1}), declared)
    assert (row["unexpected_unit_count"], row["unit_count"], row["variation_count"]) == (1, 201, 2)
    assert row["p_value"] == 1.0
    assert row["is_mismatch"] and row["is_sequential_mismatch"]
    none = as_of(10, cohort(10, HUNDREDS), declared)
    assert (none["unexpected_unit_count"], none["is_mismatch"]) == (0, False)


def test_a_variation_that_the_catalog_does_not_know_is_one_without_allocation():
    row = as_of(10, cohort(10, {"gone": 7}))
    assert (row["unexpected_unit_count"], row["worst_variation_id"]) == (7, "gone")
    assert (row["p_value"], row["sequential_p_value"], row["is_mismatch"]) == (None, 1.0, True)


def test_a_variation_that_nobody_came_to_is_unseen_and_tested():
    declared = declaring({"control": 0.5, "treatment": 0.25, "third": 0.25})
    row = as_of(10, cohort(10, {"control": 60, "treatment": 40}), declared)
    assert (row["unseen_variation_count"], row["worst_variation_id"], row["worst_unit_count"]) == (
        1,
        "third",
        0,
    )
    assert (row["degrees_of_freedom"], row["is_mismatch"]) == (2, True)


@pytest.mark.parametrize(
    ("control", "treatment", "is_tested"), [(90, 9, False), (90, 10, True), (99, 0, False)]
)
def test_a_chi_square_is_trusted_where_every_variation_expects_five_units(
    control: int, treatment: int, is_tested: bool
):
    declared = declaring({"control": 0.95, "treatment": 0.05})
    row = as_of(10, cohort(10, {"control": control, "treatment": treatment}), declared)
    assert (row["p_value"] is not None) == is_tested
    assert row["sequential_p_value"] <= 1.0


def test_one_variation_alone_cannot_be_compared():
    declared = declaring({"control": 1.0, "treatment": 0.0})
    row = as_of(10, cohort(10, {"control": 100}), declared)
    assert (row["statistic"], row["variation_count"], row["sequential_p_value"]) == (None, 1, 1.0)


def test_units_are_compared_with_the_allocations_of_their_own_cohort_day():
    declared = declaring({"control": 0.9, "treatment": 0.1}, [(12, HALVES)])
    rows = [*cohort(11, {"control": 900, "treatment": 100}), *cohort(12, {"control": 500, "treatment": 500})]
    row = as_of(12, rows, declared)
    assert (row["statistic"], row["degrees_of_freedom"], row["largest_deviation"]) == (0.0, 2, 0.0)
    assert row["worst_expected_unit_count"] == 1400.0
    without = as_of(12, rows, declaring({"control": 0.9, "treatment": 0.1}))
    assert without["is_mismatch"] and without["is_sequential_mismatch"]


def test_a_late_exposure_of_an_early_cohort_is_compared_with_that_cohorts_allocations():
    declared = declaring({"control": 0.9, "treatment": 0.1}, [(12, HALVES)])
    late = cohort(11, {"control": 900, "treatment": 100}, "exposed", reached=13)
    assert (
        as_of(13, [*cohort(11, {"control": 9, "treatment": 1}), *late], declared, stage="exposed")[
            "statistic"
        ]
        == 0.0
    )


def test_opposite_deviations_of_two_phases_do_not_cancel_out():
    declared = declaring(phases=[(12, HALVES)])
    rows = [*cohort(11, {"control": 600, "treatment": 400}), *cohort(12, {"control": 400, "treatment": 600})]
    row = as_of(12, rows, declared)
    assert (row["statistic"], row["degrees_of_freedom"]) == (80.0, 2)
    assert row["largest_deviation"] == pytest.approx(0.1)
    assert row["worst_unit_count"] == row["worst_expected_unit_count"] == 1000


def test_a_phase_from_the_day_of_the_start_takes_the_place_of_the_variations_own_allocations():
    declared = declaring({"control": 0.9, "treatment": 0.1}, [(5, HALVES)])
    assert as_of(5, cohort(5, HUNDREDS), declared)["statistic"] == 0.0


def test_the_sequential_p_value_never_rises_again():
    rows = [*cohort(10, {"control": 700, "treatment": 300}), *cohort(11, {"control": 300, "treatment": 700})]
    found = ratios(rows, until=12).filter("is_cumulative", "has_conflicting_units")
    first, *later = found["sequential_p_value"].to_list()
    assert first < 1e-20
    assert later == [first, first]
    # The deviation is over, and with it the mismatch.
    assert found["is_sequential_mismatch"].to_list() == [True, False, False]


def test_there_are_no_days_beyond_the_data_nor_beyond_the_end_of_all_outcomes():
    rows = [*cohort(10, HUNDREDS), *cohort(10, HUNDREDS, "completed", reached=17)]
    assert ratios(rows, until=16)["as_of_date"].max() == january(16)
    assert set(ratios(rows, until=16)["stage"]) == {"assigned"}
    ended = sample_ratios(table(StageCounts, rows).lazy(), {"exp": declaring(end=11)}, date(2027, 1, 1))
    # Observed for 14 days after the 11th, with outcomes for 7 more.
    assert ended["as_of_date"].max() == date(2026, 2, 1)
    running = declaring().model_copy(update={"end": None})
    found = sample_ratios(table(StageCounts, rows).lazy(), {"exp": running}, date(2026, 3, 1))
    assert found["as_of_date"].max() == date(2026, 3, 1)


def test_an_experiment_that_is_not_asked_for_has_no_rows():
    counts = table(StageCounts, cohort(10, HUNDREDS))
    assert sample_ratios(counts.lazy(), {"other": experiment("other")}, january(31)).is_empty()


@pytest.mark.parametrize("until", [None, january(31)])
def test_no_units_or_no_data_give_no_rows(until: date | None):
    counts = table(StageCounts, cohort(10, HUNDREDS) if until is None else [])
    for contract, transform in (
        (SampleRatios, sample_ratios),
        (SampleRatioIntervals, sample_ratio_intervals),
    ):
        found = obeying(contract, transform(counts.lazy(), {"exp": declaring()}, until))
        assert found.schema == columns_of(contract)
        assert found.is_empty()


def test_intervals_are_of_each_phase_and_hold_the_declared_share_of_a_right_split():
    declared = declaring({"control": 0.9, "treatment": 0.1, "off": 0.0}, [(12, HALVES | {"off": 0.0})])
    rows = [*cohort(11, {"control": 880, "treatment": 120}), *cohort(12, {"control": 700, "treatment": 300})]
    found = obeying(
        SampleRatioIntervals,
        sample_ratio_intervals(table(StageCounts, rows).lazy(), {"exp": declared}, january(12)),
    ).filter("has_conflicting_units", as_of_date=january(12))
    shown = found.select("phase_start_date", "variation_id", "unit_count", "observed_share", "declared_share")
    assert shown.rows() == [
        (january(5), "control", 880, 0.88, 0.9),
        (january(5), "treatment", 120, 0.12, 0.1),
        (january(12), "control", 700, 0.7, 0.5),
        (january(12), "treatment", 300, 0.3, 0.5),
    ]
    inside = pl.col("declared_share").is_between("lower_share", "upper_share")
    assert found.select(inside).to_series().to_list() == [True, True, False, False]


def test_of_two_variations_the_interval_excludes_the_declared_share_where_the_sequential_test_does():
    rows = [*cohort(10, {"control": 560, "treatment": 440}), *cohort(11, {"control": 565, "treatment": 435})]
    counts = table(StageCounts, rows).lazy()
    tests = ratios(rows, until=12).filter("is_cumulative").sort("as_of_date", "has_conflicting_units")
    intervals = sample_ratio_intervals(counts, {"exp": declaring()}, january(12))
    first = intervals.filter(variation_id="control").sort("as_of_date", "has_conflicting_units")
    excluded = first.select(~pl.col("declared_share").is_between("lower_share", "upper_share")).to_series()
    assert excluded.to_list() == tests["is_sequential_mismatch"].to_list() == [False] * 2 + [True] * 4


VARIATIONS = ["control", "treatment", "ä"]
SHARES = st.sampled_from(
    [(0.5, 0.5, 0.0), (0.5, 0.25, 0.25), (0.25, 0.75, 0.0), (1.0, 0.0, 0.0), (0.0625, 0.4375, 0.5)]
)
COUNTS = st.lists(
    st.tuples(
        st.integers(5, 9),
        st.integers(0, 3),
        st.sampled_from(STAGES),
        st.booleans(),
        st.sampled_from([*VARIATIONS, "gone"]),
        st.integers(1, 60),
    ),
    max_size=12,
    unique_by=lambda row: row[:5],
)


@FEWER_EXAMPLES
@given(
    COUNTS,
    SHARES,
    st.dictionaries(st.integers(5, 8), SHARES, max_size=2),
    st.integers(4, 12),
    st.randoms(use_true_random=False),
)
def test_the_table_is_the_reference_whatever_the_order_of_counts(
    counts: list[tuple[int, int, str, bool, str, int]],
    shares: tuple[float, ...],
    phases: dict[int, tuple[float, ...]],
    until: int,
    shuffle: random.Random,
):
    rows = [
        row
        for day, later, stage, conflict, name, count in counts
        for row in cohort(day, {name: count}, stage, day + later * (stage != "assigned"), conflict)
    ]
    named = [(day, dict(zip(VARIATIONS, phases[day], strict=True))) for day in sorted(phases)]
    own = dict(zip(VARIATIONS, shares, strict=True))
    declared = declaring(own, named, srm_alpha=0.05, srm_min_deviation=0.1)
    frame = table(StageCounts, rows)
    found, mixed = (
        obeying(SampleRatios, sample_ratios(one.lazy(), {"exp": declared}, january(until)))
        for one in (frame, scattered(frame, shuffle))
    )
    assert same_rows(found, mixed, *GRAIN)
    first = [(january(5), own)] if 5 not in phases else []
    plain = Declared("exp", (*first, *((january(day), one) for day, one in named)), None, 0.05, 0.1)
    assert diff_tables(reference(rows, plain, january(until)), found.rows(named=True), GRAIN) == []
