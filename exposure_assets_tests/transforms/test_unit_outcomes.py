"""Outcomes of units inside their windows: bounds, aggregations, nulls, and sums that no order of rows changes."""

import random
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import ExposureValidation, Metric, MetricEvents, UnitOutcomes, columns_of
from exposure_assets.transforms.unit_outcomes import unit_outcomes
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    at,
    canonical,
    experiment,
    exposures,
    january,
    metric_rows,
    obeying,
    same_rows,
    scattered,
    table,
    validated,
)

ANN = ("ann", "control", "10 09:00")
METRICS = {
    name: Metric(
        id=name,
        event="buy",
        aggregation=name,
        field="value" if name in ("sum", "mean", "min", "max") else None,
    )
    for name in ("converted", "count", "count_distinct_days", "max", "mean", "min", "sum")
}


def verdicts(*units: str, exposed: tuple[tuple[str, ...], ...] = ()) -> pl.DataFrame:
    return validated(canonical(*((unit_id, *ANN[1:]) for unit_id in units)), exposures(*exposed))


def outcomes(
    validation: pl.DataFrame, events: pl.DataFrame, known: dict[str, Metric] = METRICS, **settings: Any
) -> pl.DataFrame:
    rules = {"exp": experiment(**{"metrics": sorted(known), **settings})}
    return unit_outcomes(validation.lazy(), events.lazy(), rules, known).collect()


def of_ann(
    *rows: tuple[str, str, float | None], exposed: tuple[tuple[str, ...], ...] = (), **settings: Any
) -> Any:
    """The outcomes of ann, assigned on the 10th at 9, from (event name, time, value)."""
    events = metric_rows(*(("ann", *row) for row in rows))
    found = outcomes(verdicts("ann", exposed=exposed), events, **settings)
    obeying(UnitOutcomes, found.select(columns_of(UnitOutcomes).keys()))
    return found.row(0, named=True)


def test_every_aggregation_of_three_events():
    row = of_ann(("buy", "10 10:00", 1.5), ("buy", "10 11:00", -0.5), ("buy", "12 09:00", 4.0))
    assert {name: row[name] for name in METRICS} == {
        "converted": True,
        "count": 3,
        "count_distinct_days": 2,
        "max": 4.0,
        "mean": 5.0 / 3,
        "min": -0.5,
        "sum": 5.0,
    }


def test_a_unit_without_events_has_nothing_and_not_null():
    row = of_ann()
    assert {name: row[name] for name in METRICS} == {
        "converted": False,
        "count": 0,
        "count_distinct_days": 0,
        "max": None,
        "mean": None,
        "min": None,
        "sum": 0.0,
    }


def test_an_event_without_a_value_counts_as_an_event_and_adds_nothing():
    row = of_ann(("buy", "10 10:00", None))
    assert {name: row[name] for name in METRICS} == {
        "converted": True,
        "count": 1,
        "count_distinct_days": 1,
        "max": None,
        "mean": None,
        "min": None,
        "sum": 0.0,
    }
    with_another = of_ann(("buy", "10 10:00", None), ("buy", "10 11:00", 3.0))
    assert (with_another["count"], with_another["mean"], with_another["sum"]) == (2, 3.0, 3.0)


@pytest.mark.parametrize(
    ("when", "counts"),
    [
        ("10 08:59:59.999999", 0),
        ("10 09:00:00", 1),
        ("17 08:59:59.999999", 1),
        ("17 09:00:00", 0),
    ],
)
def test_a_window_holds_its_first_instant_and_not_its_last(when: str, counts: int):
    assert of_ann(("buy", when, 1.0))["count"] == counts


def test_a_window_starts_with_the_first_exposure_after_the_assignment():
    exposed = (("ann", "control", "10 07:00"), ("ann", "control", "11 12:00"))
    row = of_ann(("buy", "11 11:59:59.999999", 1.0), ("buy", "18 11:59:59.999999", 2.0), exposed=exposed)
    assert (row["anchor"], row["anchor_at"], row["window_end_at"]) == (
        "first_exposure",
        at("11 12:00"),
        at("18 12:00"),
    )
    assert (row["count"], row["sum"]) == (1, 2.0)


def test_a_window_may_start_inside_the_grace():
    row = of_ann(("buy", "10 08:56", 1.0), exposed=(("ann", "control", "10 08:55"),))
    assert (row["anchor_at"], row["count"]) == (at("10 08:55"), 1)


def test_a_unit_never_exposed_is_anchored_at_its_assignment():
    assert [of_ann()[name] for name in ("anchor", "anchor_at")] == ["assignment", at("10 09:00")]
    before_only = of_ann(exposed=(("ann", "control", "09 09:00"),))
    assert before_only["anchor"] == "assignment"


def test_an_experiment_may_anchor_at_the_assignment_whatever_was_exposed():
    row = of_ann(("buy", "10 09:30", 1.0), exposed=(("ann", "control", "11 12:00"),), anchor="assignment")
    assert (row["anchor"], row["window_end_at"], row["count"]) == ("assignment", at("17 09:00"), 1)


def test_a_window_has_the_days_of_its_experiment():
    assert of_ann(("buy", "11 08:59:59.999999", 1.0), window_days=1)["count"] == 1
    assert of_ann(("buy", "11 09:00", 1.0), window_days=1)["count"] == 0


def test_events_of_other_names_and_other_units_do_not_count():
    events = metric_rows(("ann", "Buy", "10 10:00", 1.0), ("Ann", "buy", "10 10:00", 1.0))
    found = outcomes(verdicts("ann"), events)
    assert found.select("count", "sum", "converted").rows() == [(0, 0.0, False)]


def test_a_cap_bounds_a_unit_from_above_and_not_from_below():
    def capped(cap: float, aggregation: str, *values: float | None) -> Any:
        field = "value" if aggregation in ("sum", "mean", "max") else None
        metric = Metric(id="m", event="buy", aggregation=aggregation, field=field, cap=cap)  # pyright: ignore
        events = metric_rows(*(("ann", "buy", f"10 10:0{n}", value) for n, value in enumerate(values)))
        return outcomes(verdicts("ann"), events, {"m": metric})["m"].to_list()

    assert capped(10.0, "sum", 9.0, 1.0) == [10.0]
    assert capped(10.0, "sum", 9.0, 2.0) == [10.0]
    assert capped(10.0, "sum", 9.0, 0.5) == [9.5]
    assert capped(10.0, "sum", -50.0) == [-50.0]
    assert capped(-1.0, "sum") == [-1.0]
    assert capped(10.0, "mean", None) == [None]
    assert capped(2.0, "count", 1.0, 1.0, 1.0) == [2]


def test_a_metric_that_the_experiment_does_not_list_is_null_and_keeps_its_type():
    found = outcomes(verdicts("ann"), metric_rows(("ann", "buy", "10 10:00", 1.0)), metrics=["sum"])
    assert found["sum"].to_list() == [1.0]
    assert found.select(name for name in METRICS if name != "sum").null_count().row(0) == (1,) * 6
    assert found.schema["converted"] == pl.Boolean and found.schema["count"] == pl.Int64


def test_an_event_counts_in_every_experiment_of_its_unit():
    both = pl.concat([verdicts("ann"), verdicts("ann").with_columns(experiment_id=pl.lit("other"))])
    rules = {name: experiment(name, metrics=["count"]) for name in ("exp", "other")}
    events = metric_rows(("ann", "buy", "10 10:00", 1.0)).lazy()
    found = unit_outcomes(both.lazy(), events, rules, {"count": METRICS["count"]}).collect()
    assert sorted(found.select("experiment_id", "count").rows()) == [("exp", 1), ("other", 1)]


def test_a_metric_that_only_another_experiment_lists_is_null():
    both = pl.concat([verdicts("ann"), verdicts("ann").with_columns(experiment_id=pl.lit("other"))])
    rules = {"exp": experiment(metrics=["count"]), "other": experiment("other", metrics=[])}
    for events in (metric_rows(("ann", "buy", "10 10:00", 1.0)), table(MetricEvents, [], value=pl.Float64())):
        found = unit_outcomes(both.lazy(), events.lazy(), rules, {"count": METRICS["count"]}).collect()
        assert dict(found.select("experiment_id", "count").rows()) == {"exp": events.height, "other": None}


def test_no_assignments_are_no_outcomes_but_every_column():
    found = outcomes(table(ExposureValidation, []), metric_rows(("ann", "buy", "10 10:00", 1.0)))
    assert found.is_empty()
    assert found.columns == [*columns_of(UnitOutcomes), *METRICS]


def test_without_metrics_a_unit_still_has_its_window():
    found = outcomes(verdicts("ann"), table(MetricEvents, []), {})
    assert found.select("unit_id", "assignment_date").rows() == [("ann", january(10))]


ANN_ALONE, EVERYONE = verdicts("ann"), verdicts("ann", "zoe", "max")
VALUES = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False, width=32))
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "zoe", "max"]),
        st.sampled_from(["buy", "look"]),
        st.integers(0, 20),
        VALUES,
    ),
    max_size=40,
)


def events_of(rows: list[tuple[str, str, int, float | None]]) -> pl.DataFrame:
    found = [
        {
            "event_id": f"e{number}",
            "event_name": event_name,
            "unit_id": unit_id,
            "occurred_at": at("10 09:00") + timedelta(hours=hours),
            "event_date": (at("10 09:00") + timedelta(hours=hours)).date(),
            "value": value,
        }
        for number, (unit_id, event_name, hours, value) in enumerate(rows)
    ]
    return table(MetricEvents, found, value=pl.Float64())


@FEWER_EXAMPLES
@given(EVENTS)
def test_values_are_added_one_by_one_in_the_order_of_time_and_event_id(
    rows: list[tuple[str, str, int, float | None]],
):
    found = outcomes(ANN_ALONE, events_of(rows)).row(0, named=True)
    own = sorted(
        (hours, f"e{n}", value)
        for n, (unit, name, hours, value) in enumerate(rows)
        if (unit, name) == ("ann", "buy")
    )
    values = [value for _, _, value in own if value is not None]
    total = 0.0
    for value in values:
        total += value
    assert found["sum"] == total
    assert found["mean"] == (total / len(values) if values else None)
    assert (found["min"], found["max"]) == (min(values, default=None), max(values, default=None))
    assert (found["count"], found["converted"]) == (len(own), bool(own))


@FEWER_EXAMPLES
@given(EVENTS, st.randoms(use_true_random=False))
def test_no_order_of_rows_and_no_chunk_changes_a_bit_of_a_float(
    rows: list[tuple[str, str, int, float | None]], shuffle: random.Random
):
    events = events_of(rows)
    again = outcomes(scattered(EVERYONE, shuffle), scattered(events, shuffle))
    assert same_rows(outcomes(EVERYONE, events), again, "unit_id")


def test_no_order_of_units_changes_a_bit_of_a_long_sum():
    # Long enough for sums in blocks, with nulls between: there the last bits once hung on where a block began.
    dice = random.Random(1)
    units = ["ann", "zoe", "max", "eve"]
    rows = [
        (
            dice.choice(units),
            dice.choice(["buy", "look"]),
            dice.randrange(20),
            dice.choice([None, dice.uniform(-1e9, 1)]),
        )
        for _ in range(3000)
    ]
    events, judged = events_of(rows), verdicts(*units)
    expected = outcomes(judged, events)
    for _ in range(5):
        assert same_rows(expected, outcomes(scattered(judged, dice), scattered(events, dice)), "unit_id")
    alone = [outcomes(judged.filter(unit_id=unit_id), events.filter(unit_id=unit_id)) for unit_id in units]
    assert same_rows(expected, pl.concat(alone), "unit_id")
