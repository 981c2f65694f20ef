"""Units at each stage: who is counted where, from which day on, and that no stage overtakes the one before it."""

import dataclasses
import random
from datetime import date
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import (
    STAGES,
    Assignments,
    ExposureValidation,
    StageCounts,
    UnitOutcomes,
    columns_of,
)
from exposure_assets.transforms.stage_counts import stage_counts
from exposure_assets.transforms.unit_outcomes import unit_outcomes
from exposure_assets_tests.reference import diff_tables
from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.stages import stage_counts as reference
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    canonical,
    experiment,
    exposures,
    january,
    judged,
    metric_rows,
    obeying,
    same_rows,
    scattered,
    table,
)

Inputs = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]
ANN, BOB = ("ann", "control", "10 09:00"), ("bob", "treatment", "10 09:00")


def inputs(assigned: list[tuple[str, str, str]], exposed: list[tuple[str, ...]], **rules: Any) -> Inputs:
    """Assignments, their verdicts and their outcome windows."""
    assignments = canonical(*assigned)
    verdicts = judged(assignments, exposures(*exposed), **rules)
    windows = unit_outcomes(verdicts.lazy(), metric_rows().lazy(), {"exp": experiment(**rules)}, {})
    return assignments, verdicts, windows.collect()


def counted(*frames: pl.DataFrame) -> pl.DataFrame:
    assignments, verdicts, outcomes = (frame.lazy() for frame in frames)
    return obeying(StageCounts, stage_counts(assignments, verdicts, outcomes))


def stages(
    assigned: list[tuple[str, str, str]], exposed: list[tuple[str, ...]], **rules: Any
) -> list[tuple[str, str, int, int]]:
    """Per stage and variation on which day of January how many units came, in the order of the stages."""
    rows = counted(*inputs(assigned, exposed, **rules)).rows(named=True)
    found = [(row["stage"], row["variation_id"], row["reached_date"].day, row["unit_count"]) for row in rows]
    return sorted(found, key=lambda row: (STAGES.index(row[0]), row[1:]))


def test_a_unit_comes_to_the_stages_on_the_days_of_assignment_exposure_and_the_end_of_its_window():
    assert stages([ANN, BOB], [("ann", "control", "12 12:00")], window_days=7) == [
        ("assigned", "control", 10, 1),
        ("assigned", "treatment", 10, 1),
        ("exposed", "control", 12, 1),
        ("valid_exposed", "control", 12, 1),
        ("completed", "control", 19, 1),
    ]


def test_an_exposure_in_the_grace_before_midnight_is_of_the_cohort_day():
    assigned = [("ann", "control", "10 00:01")]
    found = stages(assigned, [("ann", "control", "09 23:58")], window_days=1)
    assert [(stage, day) for stage, _, day, _ in found] == [
        ("assigned", 10),
        ("exposed", 10),
        ("valid_exposed", 10),
        ("completed", 10),
    ]


def test_an_exposure_that_is_not_valid_leaves_its_unit_at_exposed():
    assert [stage for stage, *_ in stages([ANN], [("ann", "treatment", "10 12:00")])] == [
        "assigned",
        "exposed",
    ]


def test_a_window_that_ends_before_the_exposure_is_completed_with_the_exposure():
    found = stages([ANN], [("ann", "control", "15 12:00")], anchor="assignment", window_days=1)
    assert found[-1] == ("completed", "control", 15, 1)


def test_a_unit_assigned_to_two_variations_is_counted_apart_in_its_first_one():
    assigned = [ANN, ("ann", "treatment", "10 10:00"), ("zoe", "control", "10 11:00")]
    rows = counted(*inputs(assigned, [])).sort("is_conflicting").rows(named=True)
    assert [(row["variation_id"], row["is_conflicting"], row["unit_count"]) for row in rows] == [
        ("control", False, 1),
        ("control", True, 1),
    ]


def test_no_assignments_give_no_rows():
    found = counted(table(Assignments, []), table(ExposureValidation, []), table(UnitOutcomes, []))
    assert found.schema == columns_of(StageCounts)
    assert found.is_empty()


VARIATIONS = st.sampled_from(["control", "treatment"])
UNITS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(VARIATIONS, st.sampled_from(["10 00:02", "10 23:59:59.999999", "11 09:00"])),
            min_size=1,
            max_size=2,
        ),
        st.lists(
            st.tuples(VARIATIONS, st.sampled_from(["09 23:58", "10 10:00", "11 09:00:07.3", "20 01:00"])),
            max_size=3,
        ),
    ),
    max_size=10,
)
RULES = st.fixed_dictionaries(
    {
        "anchor": st.sampled_from(["assignment", "first_exposure"]),
        "window_days": st.sampled_from([1, 7]),
        "crossover_policy": st.sampled_from(["exclude", "first_seen"]),
    }
)


@FEWER_EXAMPLES
@given(UNITS, RULES, st.randoms(use_true_random=False))
def test_the_table_is_the_reference_whatever_the_order_of_rows_and_no_stage_overtakes_another(
    units: list[tuple[list[tuple[str, str]], list[tuple[str, str]]]],
    rules: dict[str, Any],
    shuffle: random.Random,
):
    assigned = [(f"u{n}", *row) for n, (rows, _) in enumerate(units) for row in rows]
    exposed = [(f"u{n}", *row, f"{n} {i}") for n, (_, rows) in enumerate(units) for i, row in enumerate(rows)]
    frames = inputs(assigned, exposed, **rules)
    found = counted(*frames)
    assert same_rows(found, counted(*(scattered(frame, shuffle) for frame in frames)), *StageCounts.grain())
    fields = [field.name for field in dataclasses.fields(Assignment)]
    assignments = {
        ("exp", row["unit_id"]): Assignment(*(row[name] for name in fields))
        for row in frames[0].rows(named=True)
    }
    expected = reference(assignments, frames[1].rows(named=True), frames[2].rows(named=True))
    assert diff_tables(expected, found.rows(named=True), StageCounts.grain()) == []
    for day in map(january, range(9, 32)):
        assert units_at_stages(found, day) == sorted(units_at_stages(found, day), reverse=True)


def units_at_stages(counts: pl.DataFrame, day: date) -> list[int]:
    """The units at each stage as of a day."""
    until = counts.filter(pl.col("reached_date") <= day)
    return [int(until.filter(stage=stage)["unit_count"].sum()) for stage in STAGES]
