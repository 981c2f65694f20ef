"""Cohorts counted: per variation and together, with zeros where nobody is, and nulls where nothing can be said."""

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import (
    Assignments,
    DailyQuality,
    DedupedExposures,
    ExposureValidation,
    columns_of,
)
from exposure_assets.transforms.daily_quality import daily_quality
from exposure_assets.transforms.deduped_exposures import dedupe_exposures
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    canonical,
    deduped,
    experiment,
    exposures,
    january,
    judged,
    obeying,
    same_rows,
    scattered,
    table,
)

GRAIN = ("experiment_id", "assignment_date", "variation_id")


def quality(
    assigned: list[tuple[str, str, str]], exposed: list[tuple[str, ...]] | None = None, **rules: Any
) -> list[dict[str, Any]]:
    assignments, events = canonical(*assigned), exposures(*(exposed or []))
    found = daily_quality(
        judged(assignments, events, **rules).lazy(),
        deduped(events).lazy(),
        assignments.lazy(),
        {"exp": experiment(**rules)},
    )
    return obeying(DailyQuality, found).sort(GRAIN).rows(named=True)


def assigned_to(variation_id: str, *units: str) -> list[tuple[str, str, str]]:
    return [(unit_id, variation_id, "10 09:00") for unit_id in units]


def test_a_cohort_has_a_row_for_all_and_one_for_every_variation_of_the_catalog():
    rows = quality(assigned_to("control", "ann", "zoe"), [("ann", "control", "10 09:00:10")])
    found = [
        (row["variation_id"], row["assigned_units"], row["exposed_units"], row["no_exposure_units"])
        for row in rows
    ]
    assert found == [("*", 2, 1, 1), ("control", 2, 1, 1), ("treatment", 0, 0, 0)]


def test_a_variation_without_units_has_zeros_and_no_rates():
    row = quality(assigned_to("control", "ann"))[2]
    assert {name: value for name, value in row.items() if value not in (0, None)} == {
        "experiment_id": "exp",
        "assignment_date": january(10),
        "variation_id": "treatment",
    }
    assert [name for name, value in row.items() if value is None] == [
        "exposure_rate",
        "valid_exposure_rate",
        "crossover_rate",
        "pre_assignment_rate",
        "outside_window_rate",
        "mismatch_rate",
        "avg_exposure_delay_seconds",
        "p50_exposure_delay_seconds",
        "p95_exposure_delay_seconds",
        "unassigned_exposed_units",
        "exposure_health",
    ]


def test_every_flag_is_counted_in_its_own_column():
    assigned = [*assigned_to("control", *"abcdef"), ("f", "treatment", "11 09:00")]
    exposed = [
        ("a", "control", "10 09:00"),
        ("b", "control", "09 09:00"),
        ("c", "control", "20 09:00"),
        ("d", "treatment", "10 09:00"),
        ("e", "control", "10 09:00"),
        ("e", "treatment", "11 09:00"),
    ]
    row = quality(assigned, exposed)[0]
    assert {name: value for name, value in row.items() if name.endswith("_units")} == {
        "assigned_units": 6,
        "exposed_units": 4,
        "valid_exposed_units": 1,
        "no_exposure_units": 1,
        "crossover_units": 1,
        "pre_assignment_units": 1,
        "outside_window_units": 1,
        "mismatch_units": 1,
        "conflicting_units": 1,
        "unassigned_exposed_units": 0,
    }
    assert (row["exposure_rate"], row["crossover_rate"], row["valid_exposure_rate"]) == (4 / 6, 1 / 6, 1 / 6)


@pytest.mark.parametrize(
    ("exposed", "assigned", "health"),
    [
        (0, 10, "critical"),
        (69, 100, "critical"),
        (7, 10, "warning"),
        (89, 100, "warning"),
        (9, 10, "ok"),
        (10, 10, "ok"),
    ],
)
def test_health_changes_exactly_at_its_bounds(exposed: int, assigned: int, health: str):
    units = [f"u{number}" for number in range(assigned)]
    row = quality(
        assigned_to("control", *units), [(unit, "control", "10 10:00") for unit in units[:exposed]]
    )[0]
    assert (row["exposure_rate"], row["exposure_health"]) == (exposed / assigned, health)


def test_delays_are_of_units_with_a_first_exposure_and_interpolated_between_them():
    clocks = {"a": "10 08:59:30", "b": "10 09:00:10", "c": "10 09:01:00"}
    row = quality(
        assigned_to("control", *"abcd"), [(unit, "control", when) for unit, when in clocks.items()]
    )[0]
    assert row["avg_exposure_delay_seconds"] == (-30 + 10 + 60) / 3
    assert row["p50_exposure_delay_seconds"] == 10.0
    assert row["p95_exposure_delay_seconds"] == pytest.approx(10 + 0.9 * 50)


def test_an_exposed_unit_is_unassigned_unless_assigned_by_the_seventh_day_after():
    assigned = assigned_to("control", "ann")
    by_day = {row["assignment_date"]: row for row in quality(assigned, [("ann", "control", "03 12:00")])}
    assert january(3) not in by_day
    rows = quality(assigned, [("ann", "control", "02 12:00"), ("zoe", "control", "02 13:00")])
    found = [
        (row["assignment_date"].day, row["variation_id"], row["unassigned_exposed_units"]) for row in rows[:3]
    ]
    assert found == [(2, "*", 2), (2, "control", None), (2, "treatment", None)]


def test_a_unit_assigned_weeks_ago_is_not_unassigned():
    rows = quality([("ann", "control", "01 09:00")], [("ann", "control", "28 12:00")])
    assert {row["assignment_date"] for row in rows} == {january(1)}


def test_a_unit_exposed_often_and_to_both_variations_is_one_unassigned_unit():
    exposed = [
        ("ann", "control", "10 12:00"),
        ("ann", "control", "10 13:00"),
        ("ann", "treatment", "10 14:00"),
    ]
    rows = quality([], exposed)
    assert [row["unassigned_exposed_units"] for row in rows] == [1, None, None]
    assert [row["assigned_units"] for row in rows] == [0, 0, 0]
    assert rows[0]["exposure_rate"] is None and rows[0]["exposure_health"] is None


def test_nothing_assigned_and_nothing_exposed_is_no_row():
    found = daily_quality(
        table(ExposureValidation, []).lazy(),
        table(DedupedExposures, []).lazy(),
        table(Assignments, []).lazy(),
        {"exp": experiment()},
    ).collect()
    assert found.schema == columns_of(DailyQuality)
    assert found.is_empty()


UNITS = st.lists(
    st.tuples(
        st.sampled_from(["control", "treatment"]),
        st.sampled_from(["10 09:00", "11 09:00", "10 23:59:59.999999"]),
        st.lists(
            st.tuples(
                st.sampled_from(["control", "treatment"]),
                st.sampled_from(["02 10:00", "10 10:00", "11 09:00:07.3", "20 01:00"]),
            ),
            max_size=3,
        ),
    ),
    max_size=12,
)


@FEWER_EXAMPLES
@given(UNITS, st.randoms(use_true_random=False))
def test_parts_sum_to_the_whole_and_no_order_of_rows_changes_a_bit(
    units: list[tuple[str, str, list[tuple[str, str]]]], shuffle: random.Random
):
    assignments = canonical(*((f"u{n}", variation, when) for n, (variation, when, _) in enumerate(units)))
    events = exposures(
        *(
            (f"u{n}", variation, when, f"{n} {i}")
            for n, unit in enumerate(units)
            for i, (variation, when) in enumerate(unit[2])
        )
    )
    verdicts = judged(assignments, events)
    folded = dedupe_exposures(events.lazy()).collect()

    def counted(validation: pl.DataFrame, exposed: pl.DataFrame, assigned: pl.DataFrame) -> pl.DataFrame:
        found = daily_quality(validation.lazy(), exposed.lazy(), assigned.lazy(), {"exp": experiment()})
        return found.collect()

    whole = counted(verdicts, folded, assignments)
    mixed = counted(*(scattered(frame, shuffle) for frame in (verdicts, folded, assignments)))
    assert same_rows(whole, mixed, *GRAIN)
    counts = [
        name for name in whole.columns if name.endswith("_units") and name != "unassigned_exposed_units"
    ]
    by_day = whole.group_by("assignment_date", pl.col("variation_id") == "*").agg(pl.col(counts).sum())
    assert by_day.select("assignment_date", *counts).is_duplicated().all()
    assert whole.filter(variation_id="*")["assigned_units"].sum() == len(units)
