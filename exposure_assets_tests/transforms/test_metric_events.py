"""Events that metrics count, and the numbers in them."""

from typing import Any

import polars as pl
import pytest

from exposure_assets.contracts import Metric, MetricEvents, columns_of
from exposure_assets.transforms.metric_events import metric_events, metric_fields
from exposure_assets_tests.transforms.rows import at, january, obeying, raw_events

COUNT = Metric(id="buys", event="buy", aggregation="count")
REVENUE = Metric(id="revenue", event="buy", aggregation="sum", field="value")
PRICE = Metric(id="price", event="offer", aggregation="max", field="properties.price")


def staged(*rows: dict[str, Any], metrics: tuple[Metric, ...] = (COUNT,)) -> pl.DataFrame:
    raw = raw_events(*({"event_id": str(n), **row} for n, row in enumerate(rows)))
    found = metric_events(raw, {metric.id: metric for metric in metrics})
    obeying(MetricEvents, found.select(columns_of(MetricEvents).keys()))
    return found


def price(properties: str | None) -> float | None:
    return staged({"event_name": "offer", "properties": properties}, metrics=(PRICE,))[
        "properties.price"
    ].item()


def test_only_events_that_a_metric_counts_are_kept():
    found = staged({"event_name": "buy"}, {"event_name": "look"}, {"event_name": "Buy"})
    assert found.rows() == [("0", "buy", "ann", at("10 12:00"), january(10))]


def test_an_event_that_several_metrics_count_is_one_row_with_every_field():
    found = staged(
        {"event_name": "buy", "value": 2.5}, {"event_name": "offer"}, metrics=(COUNT, REVENUE, PRICE)
    )
    assert found.select("event_id", "value", "properties.price").rows() == [
        ("0", 2.5, None),
        ("1", None, None),
    ]
    assert metric_fields({metric.id: metric for metric in (COUNT, REVENUE, PRICE)}) == [
        "properties.price",
        "value",
    ]


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("12", 12.0),
        ("-0.5", -0.5),
        ('"1e3"', 1000.0),
        ('"12.50"', 12.5),
        ('"twelve"', None),
        ('""', None),
        ('"NaN"', None),
        ('"inf"', None),
        ('"-Infinity"', None),
        ("true", None),
        ("null", None),
        ("[1]", None),
        ('{"x": 1}', None),
    ],
)
def test_a_number_or_numeric_text_is_a_value_and_anything_else_is_null(written: str, number: float | None):
    assert price(f'{{"price": {written}}}') == number


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), None])
def test_a_value_that_is_not_finite_is_null_and_the_event_still_counts(value: float | None):
    found = staged({"event_name": "buy", "value": value}, metrics=(REVENUE,))
    assert found["value"].to_list() == [None]


def test_a_value_keeps_every_bit():
    for value in (0.1, 1e-320, 1.7976931348623157e308, 123456789.123456789, -0.0, 1 / 3):
        found = staged({"event_name": "buy", "value": value}, metrics=(REVENUE,))
        assert repr(found["value"].item()) == repr(value)


def test_broken_properties_are_no_value():
    assert price("{") is None
    assert price(None) is None


def test_no_rows_and_no_metrics_are_no_metric_events():
    assert staged(metrics=(REVENUE,)).schema == {**columns_of(MetricEvents), "value": pl.Float64}
    assert staged({"event_name": "buy"}, metrics=()).is_empty()
