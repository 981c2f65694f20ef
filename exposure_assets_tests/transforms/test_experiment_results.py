"""Results: against scipy on the units themselves, as of every day, and refused where the data are not fit for them."""

import random
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from exposure_assets.contracts import (
    ANALYSIS_BASES,
    ESTIMATES,
    ExperimentQualityReport,
    ExperimentResults,
    Metric,
    MetricMoments,
    columns_of,
)
from exposure_assets.transforms.experiment_results import experiment_results
from exposure_assets_tests.transforms.rows import (
    Row,
    catalog,
    experiment,
    january,
    obeying,
    same_rows,
    scattered,
    table,
)

METRICS = {
    name: Metric(id=name, event="buy", aggregation="sum", field="value") for name in ("revenue", "visits")
}
LAST = january(20)
Values = list[float]


def cell(variation_id: str, values: Values, cohort: int = 10, completed: int = 17, **changes: Any) -> Row:
    """The moments of a metric's values of some units."""
    numbers = np.array(values)
    row: Row = {
        "experiment_id": "exp",
        "assignment_date": january(cohort),
        "variation_id": variation_id,
        "is_conflicting": False,
        "analysis_basis": "assigned",
        "metric_id": "revenue",
        "completed_date": january(completed),
        "unit_count": len(values),
        "missing_unit_count": 0,
    }
    if values:
        mean = float(numbers.mean())
        row |= {"value_mean": mean, "value_value_comoment": float(((numbers - mean) ** 2).sum())}
    return row | changes


def verdicts(*failed: str, first: int = 5, last: int = 31) -> pl.DataFrame:
    """The same verdict for every day."""
    rows = [
        {
            "experiment_id": "exp",
            "as_of_date": january(first) + timedelta(days=n),
            "is_valid_for_analysis": not failed,
            "failed_guardrails": list(failed),
        }
        for n in range(last - first + 1)
    ]
    return table(ExperimentQualityReport, rows)


def results(
    cells: list[Row],
    quality: pl.DataFrame | None = None,
    *,
    until: date | None = LAST,
    metrics: tuple[str, ...] = ("revenue",),
    **rules: Any,
) -> pl.DataFrame:
    known = catalog(experiment(metrics=metrics, results=rules), metrics=METRICS.values())
    found = experiment_results(
        table(MetricMoments, cells).lazy(),
        (verdicts() if quality is None else quality).lazy(),
        known.experiments,
        known.metrics,
        until,
    )
    return obeying(ExperimentResults, found)


def of_all(found: pl.DataFrame, day: int = LAST.day) -> Row:
    """The row of all assigned units as of a day of January."""
    [row] = found.filter(analysis_basis="assigned", as_of_date=january(day)).rows(named=True)
    return row


def drawn(seed: int, size: int, mean: float = 10.0) -> Values:
    return [float(x) for x in np.random.default_rng(seed).gamma(2.0, mean / 2, size)]


def test_a_metric_is_compared_as_welch_compares_the_units_themselves():
    control, treatment = drawn(1, 300), drawn(2, 200, 12.0)
    row = of_all(results([cell("control", control), cell("treatment", treatment)]))
    welch = stats.ttest_ind(treatment, control, equal_var=False)
    _, p_value = welch
    assert row["p_value"] == pytest.approx(p_value, rel=1e-7)
    interval = row["absolute_lift_lower"], row["absolute_lift_upper"]
    assert interval == pytest.approx(tuple(welch.confidence_interval(0.95)), rel=1e-7)
    assert (row["control_mean"], row["mean"]) == pytest.approx((np.mean(control), np.mean(treatment)))
    assert (row["control_unit_count"], row["unit_count"], row["method"]) == (300, 200, "welch")


def test_a_smaller_alpha_widens_the_interval_and_no_p_value():
    cells = [cell("control", drawn(1, 50)), cell("treatment", drawn(2, 50))]
    wide, narrow = of_all(results(cells, alpha=0.01)), of_all(results(cells, alpha=0.2))
    assert wide["absolute_lift_lower"] < narrow["absolute_lift_lower"] < narrow["absolute_lift"]
    assert (wide["p_value"], wide["alpha"]) == (narrow["p_value"], 0.01)


def test_cohorts_are_merged_as_if_their_units_were_one_sample():
    parts = [drawn(seed, size) for seed, size in ((1, 40), (2, 3), (3, 1), (4, 60))]
    split = [cell("control", part, 10 + n, 17 + n % 2) for n, part in enumerate(parts)]
    whole = [cell("control", [value for part in parts for value in part])]
    treatment = [cell("treatment", drawn(9, 70))]
    one, other = of_all(results(split + treatment)), of_all(results(whole + treatment))
    for name in ESTIMATES:
        assert one[name] == pytest.approx(other[name], rel=1e-9)


def test_units_count_from_the_day_by_whose_end_their_window_is_over():
    cells = [
        cell("control", drawn(1, 5)),
        cell("control", drawn(2, 7), cohort=12, completed=19),
        cell("treatment", drawn(3, 4), cohort=11, completed=18),
    ]
    found = results(cells)
    counts = ("control_unit_count", "unit_count", "incomplete_unit_count")
    assert {day: tuple(of_all(found, day)[name] for name in counts) for day in range(17, 21)} == {
        17: (5, 0, 4),
        18: (5, 4, 0),
        19: (12, 4, 0),
        20: (12, 4, 0),
    }
    assert set(found["analysis_basis"]) == set(ANALYSIS_BASES)
    assert found["as_of_date"].min() == january(17)
    assert of_all(found, 17)["p_value"] is None


def test_rows_end_with_the_data_and_windows_beyond_them_have_one_provisional_day():
    cells = [
        cell("control", drawn(1, 5)),
        cell("control", drawn(2, 5), cohort=14, completed=21),
        cell("treatment", drawn(3, 6)),
        cell("treatment", drawn(4, 3), cohort=18, completed=25),
    ]
    found = results(cells)
    days = found.filter(analysis_basis="assigned").select("as_of_date", "is_provisional").rows()
    assert days == [*((january(day), False) for day in range(17, 21)), (january(25), True)]
    row = of_all(found, 25)
    assert (row["control_unit_count"], row["unit_count"], row["incomplete_unit_count"]) == (10, 9, 3)
    assert row["p_value"] is not None


def test_an_experiment_none_of_whose_windows_is_over_has_the_provisional_day_alone():
    found = results([cell("control", drawn(1, 5)), cell("treatment", drawn(2, 5))], until=january(12))
    assert set(found.select("as_of_date", "is_provisional").rows()) == {(january(17), True)}


def test_the_provisional_day_is_judged_by_the_last_verdict():
    cells = [cell("control", drawn(1, 5)), cell("treatment", drawn(2, 5))]
    [row] = (
        results(cells, verdicts("crossovers", last=12), until=january(12))
        .filter(analysis_basis="assigned")
        .rows(named=True)
    )
    assert (row["refused_by"], row["p_value"]) == (["crossovers"], None)


def test_conflicting_units_are_counted_and_compared_nowhere():
    others = {"is_conflicting": True}
    cells = [cell("control", drawn(1, 5)), cell("treatment", drawn(2, 5))]
    cells += [cell("control", drawn(3, 9), **others), cell("treatment", [1e6] * 3, **others)]
    row = of_all(results(cells))
    assert (row["unit_count"], row["conflicting_unit_count"], row["incomplete_unit_count"]) == (5, 3, 0)
    plain = of_all(results(cells[:2]))
    assert {name: row[name] for name in ESTIMATES} == {name: plain[name] for name in ESTIMATES}


def test_units_without_a_value_are_counted_apart():
    cells = [cell("control", drawn(1, 5)), cell("treatment", drawn(2, 5), missing_unit_count=4)]
    row = of_all(results(cells))
    assert (row["unit_count"], row["missing_unit_count"], row["incomplete_unit_count"]) == (5, 4, 0)


def test_an_experiment_that_is_not_valid_has_counts_and_no_estimates():
    cells = [cell("control", drawn(1, 5)), cell("treatment", drawn(2, 5))]
    row = of_all(results(cells, verdicts("srm_assigned", "crossovers")))
    assert {row[name] for name in (*ESTIMATES, "adjusted_p_value")} == {None}
    assert (row["is_valid_for_analysis"], row["refused_by"], row["is_forced"]) == (
        False,
        ["srm_assigned", "crossovers"],
        False,
    )
    assert row["unit_count"] == 5


def test_what_is_forced_is_shown_and_says_so():
    cells = [cell("control", drawn(1, 5)), cell("treatment", drawn(2, 5))]
    forced = of_all(results(cells, verdicts("srm_assigned"), is_forced=True))
    valid = of_all(results(cells, is_forced=True))
    assert {name: forced[name] for name in ESTIMATES} == {name: valid[name] for name in ESTIMATES}
    assert (forced["is_forced"], forced["refused_by"]) == (True, ["srm_assigned"])
    assert (valid["is_forced"], valid["refused_by"]) == (False, [])


def test_a_day_without_a_verdict_is_refused():
    cells = [cell("control", drawn(1, 5)), cell("treatment", drawn(2, 5))]
    row = of_all(results(cells, verdicts(last=19)))
    assert (row["is_valid_for_analysis"], row["refused_by"], row["p_value"]) == (False, [], None)


def of_two_metrics() -> list[Row]:
    moved = cell("treatment", drawn(2, 80, 14.0)), cell("treatment", drawn(4, 80, 10.5), metric_id="visits")
    return [cell("control", drawn(1, 80)), cell("control", drawn(3, 80), metric_id="visits"), *moved]


@pytest.mark.parametrize("correction", ["holm", "benjamini-hochberg", "none"])
def test_p_values_are_adjusted_over_the_metrics_of_a_basis_and_day(correction: str):
    found = results(of_two_metrics(), metrics=("revenue", "visits"), multiple_comparisons=correction)
    rows = found.filter(analysis_basis="assigned", as_of_date=LAST).sort("p_value").rows(named=True)
    small, large = (row["p_value"] for row in rows)
    expected = {
        "holm": (2 * small, max(large, 2 * small)),
        "benjamini-hochberg": (min(2 * small, large), large),
        "none": (small, large),
    }
    assert [row["adjusted_p_value"] for row in rows] == pytest.approx(expected[correction])


def test_a_ratio_and_covariates_are_named_by_the_method():
    parts = {
        "denominator_mean": 2.0,
        "denominator_denominator_comoment": 30.0,
        "value_denominator_comoment": 5.0,
    }
    before = {"covariate_mean": 9.0, "covariate_covariate_comoment": 300.0, "value_covariate_comoment": 200.0}
    idle = {"covariate_mean": 0.0, "covariate_covariate_comoment": 0.0, "value_covariate_comoment": 0.0}
    ratio = {"id": "per_visit", "numerator": "revenue", "denominator": "visits"}
    rules: dict[str, Any] = {"metrics": ("revenue", "visits"), "ratios": (ratio,)}
    groups = [("control", drawn(1, 50)), ("treatment", drawn(2, 50))]

    def methods(further: Row, metric_id: str, **settings: Any) -> set[str]:
        cells = [cell(*group, metric_id=metric_id, **further) for group in groups]
        found = results(cells, **rules, **settings)
        return set(found.filter(analysis_basis="assigned", metric_id=metric_id)["method"])

    assert methods(parts, "per_visit") == {"ratio"}
    assert methods(before, "revenue", covariate_days=7) == {"cuped"}
    assert methods(idle, "revenue", covariate_days=7) == {"welch"}
    assert methods({}, "revenue") == {"welch"}


def test_covariates_that_explain_the_metric_narrow_its_interval():
    draw = np.random.default_rng(5)
    cells = []
    for name in ("control", "treatment"):
        before = draw.gamma(2.0, 5.0, 400)
        after = before + draw.normal(0, 1, 400)
        apart, had = after - after.mean(), before - before.mean()
        moments: Row = {
            "covariate_mean": float(before.mean()),
            "covariate_covariate_comoment": float((had**2).sum()),
            "value_covariate_comoment": float((had * apart).sum()),
        }
        cells.append(cell(name, [float(x) for x in after], **moments))
    with_them, without = (of_all(results(cells, covariate_days=days)) for days in (7, 0))
    widths = [row["absolute_lift_upper"] - row["absolute_lift_lower"] for row in (with_them, without)]
    assert widths[0] < widths[1] / 4


def test_a_metric_that_the_experiment_does_not_list_is_left_out():
    assert set(results(of_two_metrics())["metric_id"]) == {"revenue"}


def test_no_moments_and_no_data_give_no_rows():
    for found in (results([]), results([cell("control", [1.0])], until=None)):
        assert found.schema == columns_of(ExperimentResults)
        assert found.is_empty()


def test_no_order_of_rows_shows_in_a_bit():
    cells = [
        cell(variation, drawn(seed, 9), 10 + seed % 3, 17 + seed % 4)
        for seed, variation in enumerate(["control", "treatment"] * 4)
    ]
    cells = list({(c["variation_id"], c["assignment_date"], c["completed_date"]): c for c in cells}.values())
    expected = results(cells)
    frame = table(MetricMoments, cells)
    known = catalog(experiment(metrics=("revenue",)), metrics=METRICS.values())
    for seed in range(3):
        mixed = scattered(frame, random.Random(seed)).lazy()
        found = experiment_results(mixed, verdicts().lazy(), known.experiments, known.metrics, LAST)
        assert same_rows(expected, found, *ExperimentResults.grain())
