"""Moments of metrics: which units are in which cell, on which day they are complete, and what is summed up of them."""

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import (
    Assignments,
    ExposureValidation,
    Metric,
    MetricMoments,
    UnitCovariates,
    UnitOutcomes,
    columns_of,
    metric_columns,
)
from exposure_assets.transforms.metric_moments import metric_moments
from exposure_assets.transforms.unit_covariates import unit_covariates
from exposure_assets.transforms.unit_outcomes import unit_outcomes
from exposure_assets_tests.reference import diff_tables
from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.moments import metric_moments as reference
from exposure_assets_tests.transforms.plain import plain_experiment
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

ANN, BOB, ZOE = (
    ("ann", "control", "10 09:00"),
    ("bob", "control", "10 10:00"),
    ("zoe", "treatment", "10 11:00"),
)
METRICS = {
    "bought": Metric(id="bought", event="buy", aggregation="converted"),
    "largest": Metric(id="largest", event="buy", aggregation="max", field="value"),
    "orders": Metric(id="orders", event="buy", aggregation="count"),
    "revenue": Metric(id="revenue", event="buy", aggregation="sum", field="value"),
}
RATIO = {"id": "per_order", "numerator": "revenue", "denominator": "orders"}
Frames = tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]


def inputs(
    assigned: list[tuple[str, str, str]],
    exposed: list[tuple[str, ...]],
    events: Sequence[tuple[str, str, str, float | None]],
    **rules: Any,
) -> Frames:
    """Assignments with verdicts, outcomes and covariates."""
    of_exposure = {name: rule for name, rule in rules.items() if name not in ("metrics", "results")}
    assignments, happened = canonical(*assigned), metric_rows(*events)
    verdicts = judged(assignments, exposures(*exposed), **of_exposure)
    known = {"exp": experiment(**rules)}
    outcomes = unit_outcomes(verdicts.lazy(), happened.lazy(), known, METRICS).collect()
    before = unit_covariates(assignments.lazy(), happened.lazy(), known, METRICS).collect()
    return assignments, verdicts, outcomes, before


def summed(*frames: pl.DataFrame, **rules: Any) -> pl.DataFrame:
    assignments, verdicts, outcomes, before = (frame.lazy() for frame in frames)
    known = {"exp": experiment(**rules)}
    found = metric_moments(assignments, verdicts, outcomes, before, known, METRICS)
    return obeying(MetricMoments, found)


def cells(
    assigned: list[tuple[str, str, str]],
    exposed: list[tuple[str, ...]] | None = None,
    events: Sequence[tuple[str, str, str, float | None]] | None = None,
    *,
    metrics: tuple[str, ...] = ("revenue",),
    **rules: Any,
) -> pl.DataFrame:
    rules["metrics"] = metrics
    return summed(*inputs(assigned, exposed or [], events or [], **rules), **rules)


def test_the_values_of_a_cell_are_counted_averaged_and_squared():
    found = cells([ANN, BOB, ZOE], events=[("ann", "buy", "11 09:00", 4.0), ("bob", "buy", "12 09:00", 10.0)])
    of_all = found.filter(analysis_basis="assigned").sort("variation_id")
    names = ("variation_id", "completed_date", "unit_count", "value_mean", "value_value_comoment")
    assert of_all.select(names).rows() == [
        ("control", january(17), 2, 7.0, 18.0),
        ("treatment", january(17), 1, 0.0, 0.0),
    ]


def test_a_unit_is_in_the_bases_that_its_verdict_says():
    exposed = [("ann", "control", "10 12:00"), ("bob", "treatment", "10 12:00")]
    found = cells([ANN, BOB, ZOE], exposed)
    units = found.group_by("analysis_basis", "variation_id").agg(pl.col("unit_count").sum())
    assert {(basis, variation): count for basis, variation, count in units.iter_rows()} == {
        ("assigned", "control"): 2,
        ("assigned", "treatment"): 1,
        ("exposed", "control"): 2,
        ("valid_exposed", "control"): 1,
        ("not_exposed", "treatment"): 1,
    }


def completed(when: str, exposed: str | None = None, **rules: Any) -> dict[str, int]:
    """Per basis the day in January on which ann, assigned then, is complete."""
    found = cells(
        [("ann", "control", when)], [("ann", "control", exposed)] if exposed else [], window_days=1, **rules
    )
    return {basis: day.day for basis, day in found.select("analysis_basis", "completed_date").iter_rows()}


def test_a_window_that_ends_at_midnight_is_over_with_the_day_before():
    assert completed("10 00:00") == {"assigned": 10, "not_exposed": 10}
    assert completed("10 00:00:00.000001") == {"assigned": 11, "not_exposed": 11}


def test_a_unit_exposed_after_its_window_is_complete_when_exposed_where_that_is_asked_for():
    assert completed("10 09:00", "15 12:00", anchor="assignment") == {
        "assigned": 11,
        "exposed": 15,
        "valid_exposed": 15,
    }


def test_a_window_anchored_in_the_grace_ends_no_earlier_than_the_cohort_day():
    found = completed("10 09:00", "07 09:00", grace_minutes=10080)
    assert set(found.values()) == {10}


def test_a_unit_assigned_to_two_variations_is_summed_up_apart():
    found = cells([ANN, ("ann", "treatment", "10 10:00"), BOB]).filter(analysis_basis="assigned")
    assert found.sort("is_conflicting").select("is_conflicting", "unit_count").rows() == [
        (False, 1),
        (True, 1),
    ]


def test_a_unit_without_a_value_is_missing_and_no_part_of_the_mean():
    events = [("ann", "buy", "11 09:00", 4.0)]
    [row] = (
        cells([ANN, BOB], events=events, metrics=("largest",))
        .filter(analysis_basis="assigned")
        .rows(named=True)
    )
    assert (row["unit_count"], row["missing_unit_count"], row["value_mean"]) == (1, 1, 4.0)
    [row] = cells([ANN, BOB], metrics=("largest",)).filter(analysis_basis="assigned").rows(named=True)
    assert (row["unit_count"], row["missing_unit_count"], row["value_mean"]) == (0, 2, None)


def test_a_ratio_is_a_metric_with_a_denominator_and_their_comoment():
    events = [
        ("ann", "buy", "11 09:00", 4.0),
        ("ann", "buy", "11 10:00", 6.0),
        ("bob", "buy", "11 09:00", 1.0),
    ]
    found = cells([ANN, BOB], events=events, metrics=("orders", "revenue"), results={"ratios": (RATIO,)})
    [row] = found.filter(analysis_basis="assigned", metric_id="per_order").rows(named=True)
    assert (row["value_mean"], row["denominator_mean"]) == (5.5, 1.5)
    assert (row["value_denominator_comoment"], row["denominator_denominator_comoment"]) == (4.5, 0.5)
    assert row["covariate_mean"] is None


def test_covariates_are_what_the_metric_was_before_the_assignment():
    events = [("ann", "buy", "09 09:00", 8.0), ("ann", "buy", "11 09:00", 4.0)]
    rules = {
        "results": {"covariate_days": 3, "ratios": (RATIO,)},
        "metrics": ("largest", "orders", "revenue"),
    }
    found = cells([ANN, BOB], events=events, **rules).filter(analysis_basis="assigned")
    rows = {row["metric_id"]: row for row in found.rows(named=True)}
    assert (rows["revenue"]["covariate_mean"], rows["revenue"]["value_covariate_comoment"]) == (4.0, 16.0)
    assert rows["per_order"]["denominator_covariate_mean"] == 0.5
    assert rows["largest"]["covariate_mean"] is None


def test_an_experiment_without_metrics_has_no_rows():
    assert cells([ANN], metrics=()).schema == columns_of(MetricMoments)


def test_no_assignments_give_no_rows():
    outcomes = table(UnitOutcomes, [], **{name: dtype() for name, dtype in metric_columns(METRICS).items()})
    nothing = table(Assignments, []), table(ExposureValidation, []), outcomes, table(UnitCovariates, [])
    found = summed(*nothing, metrics=("revenue",))
    assert found.schema == columns_of(MetricMoments)
    assert found.is_empty()


VARIATIONS = st.sampled_from(["control", "treatment"])
EVENTS = st.tuples(
    st.sampled_from(["08 09:00", "10 00:02", "10 12:00", "12 01:00"]),
    st.one_of(st.none(), st.sampled_from([0.1, 0.2, 0.3, 1e9, -7.5])),
)
UNITS = st.lists(
    st.tuples(
        st.lists(st.tuples(VARIATIONS, st.sampled_from(["10 00:02", "10 09:00"])), min_size=1, max_size=2),
        st.lists(st.tuples(VARIATIONS, st.sampled_from(["10 10:00", "11 09:00:07.3"])), max_size=2),
        st.lists(EVENTS, max_size=3),
    ),
    max_size=8,
)
RULES = st.fixed_dictionaries(
    {
        "anchor": st.sampled_from(["assignment", "first_exposure"]),
        "window_days": st.sampled_from([1, 7]),
        "results": st.sampled_from([{}, {"ratios": (RATIO,)}, {"ratios": (RATIO,), "covariate_days": 2}]),
        "metrics": st.just(tuple(METRICS)),
    }
)


@FEWER_EXAMPLES
@given(UNITS, RULES, st.randoms(use_true_random=False))
def test_the_table_is_the_reference_whatever_the_order_of_rows(
    units: list[tuple[Any, Any, Any]], rules: dict[str, Any], shuffle: random.Random
):
    assigned = [(f"u{n}", *row) for n, (rows, _, _) in enumerate(units) for row in rows]
    exposed = [
        (f"u{n}", *row, f"{n} {i}") for n, (_, rows, _) in enumerate(units) for i, row in enumerate(rows)
    ]
    events = [(f"u{n}", "buy", *row) for n, (_, _, rows) in enumerate(units) for row in rows]
    frames = inputs(assigned, exposed, events, **rules)
    found = summed(*frames, **rules)
    again = summed(*(scattered(frame, shuffle) for frame in frames), **rules)
    assert same_rows(found, again, *MetricMoments.grain())
    fields = [field.name for field in dataclasses.fields(Assignment)]
    assignments = {
        ("exp", row["unit_id"]): Assignment(*(row[name] for name in fields))
        for row in frames[0].rows(named=True)
    }
    ratios = tuple((r["id"], r["numerator"], r["denominator"]) for r in rules["results"].get("ratios", ()))
    plain = dataclasses.replace(
        plain_experiment(experiment(**rules)), metric_ids=rules["metrics"], ratios=ratios
    )
    verdicts, outcomes, before = (frame.rows(named=True) for frame in frames[1:])
    expected = reference(assignments, verdicts, outcomes, before, {"exp": plain})
    assert diff_tables(expected, found.rows(named=True), MetricMoments.grain()) == []


@pytest.mark.parametrize("value", [0.1, 1 / 3])
def test_units_that_are_all_alike_have_no_variance_at_all(value: float):
    assigned = [(f"u{n}", "control", "10 09:00") for n in range(7)]
    found = cells(assigned, events=[(unit, "buy", "11 09:00", value) for unit, *_ in assigned])
    [row] = found.filter(analysis_basis="assigned").rows(named=True)
    assert (row["value_mean"], row["value_value_comoment"]) == (value, 0.0)
