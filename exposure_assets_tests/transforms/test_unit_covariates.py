"""Covariates: which events before the assignment count, for which metrics, and that nothing after it does."""

from typing import Any

import polars as pl
import pytest

from exposure_assets.contracts import Assignments, Metric, UnitCovariates, columns_of
from exposure_assets.transforms.unit_covariates import unit_covariates
from exposure_assets_tests.transforms.rows import at, canonical, experiment, metric_rows, obeying, table

ANN = ("ann", "control", "10 09:00")
METRICS = {
    name: Metric(
        id=name,
        event="buy",
        aggregation=name,
        field="value" if name in ("sum", "mean", "min", "max") else None,
        cap=9.0 if name == "sum" else None,
    )
    for name in ("converted", "count", "count_distinct_days", "max", "mean", "min", "sum")
}


def covariates(assignments: pl.DataFrame, events: pl.DataFrame, days: int = 2, **rules: Any) -> pl.DataFrame:
    rules = {"metrics": sorted(METRICS), "results": {"covariate_days": days}} | rules
    found = unit_covariates(assignments.lazy(), events.lazy(), {"exp": experiment(**rules)}, METRICS)
    return obeying(UnitCovariates, found)


def of_ann(*events: tuple[str, float], **rules: Any) -> dict[str, float]:
    rows = covariates(canonical(ANN), metric_rows(*(("ann", "buy", *event) for event in events)), **rules)
    return dict(rows.select("metric_id", "covariate").iter_rows())


def test_the_metrics_of_a_unit_before_its_assignment():
    assert of_ann(("08 10:00", 1.5), ("10 08:00", 2.5)) == {
        "converted": 1.0,
        "count": 2.0,
        "count_distinct_days": 2.0,
        "sum": 4.0,
    }


def test_a_unit_without_events_had_nothing_and_a_mean_of_nothing_is_no_covariate():
    assert of_ann() == {"converted": 0.0, "count": 0.0, "count_distinct_days": 0.0, "sum": 0.0}


@pytest.mark.parametrize(
    ("when", "counts"),
    [
        ("08 09:00", True),
        ("08 08:59:59.999999", False),
        ("10 08:59:59.999999", True),
        ("10 09:00", False),
    ],
)
def test_the_window_starts_days_before_the_assignment_and_ends_with_it(when: str, counts: bool):
    assert of_ann((when, 1.0))["count"] == counts


def test_a_covariate_is_capped_as_its_metric_is():
    assert of_ann(("10 08:00", 20.0))["sum"] == 9.0


def test_the_row_says_which_instants_count():
    [row] = covariates(canonical(ANN), metric_rows(), metrics=["count"]).rows(named=True)
    assert (row["window_start_at"], row["window_end_at"]) == (at("08 09:00"), at("10 09:00"))


def test_an_experiment_without_covariate_days_has_none():
    assert covariates(canonical(ANN), metric_rows(), days=0).is_empty()


def test_no_assignments_give_no_rows():
    found = covariates(table(Assignments, []), metric_rows())
    assert found.schema == columns_of(UnitCovariates)
    assert found.is_empty()
