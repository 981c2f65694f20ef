"""The real experiment logs beside the repository give the results that their README and their authors state.
They run only where those logs lie; the project ships none of them.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from exposure_assets.contracts import (
    ExperimentQualityReport,
    ExperimentResults,
    MetricMoments,
    TableContract,
    columns_of,
)
from exposure_assets.transforms.experiment_results import experiment_results
from exposure_assets_tests.reference.small_zone import Row
from exposure_assets_tests.reference.test_datasets import CONTROL, DATASETS, FIRST, SECOND, tables_of
from resources.catalog import load_catalog

pytestmark = pytest.mark.skipif(not DATASETS.is_dir(), reason="needs ../shared/datasets")
COVID = "18786493712"


def frame(contract: type[TableContract], rows: Sequence[Row]) -> pl.LazyFrame:
    schema = columns_of(contract)
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema).lazy()


def results(name: str, experiment_id: str, *, is_forced: bool = False, **rules: Any) -> pl.DataFrame:
    """The results of the assigned units as of the last day, from the reference's moments and verdicts."""
    tables, catalog = tables_of(name), load_catalog(Path(DATASETS / name / "catalog"))
    experiment = catalog.experiments[experiment_id]
    rules |= {"is_forced": is_forced}
    changed = experiment.model_copy(update={"results": experiment.results.model_copy(update=rules)})
    quality = tables["experiment_quality_report"]
    found = experiment_results(
        frame(MetricMoments, tables["metric_moments"]),
        frame(ExperimentQualityReport, quality),
        {experiment_id: changed},
        catalog.metrics,
        max((row["as_of_date"] for row in quality), default=None),
    )
    ExperimentResults.validate(found)
    return found.filter(pl.col("as_of_date") == pl.col("as_of_date").max(), analysis_basis="assigned")


def row_of(found: pl.DataFrame, metric_id: str, variation_id: str) -> Row:
    [row] = found.filter(metric_id=metric_id, variation_id=variation_id).rows(named=True)
    return row


def values(name: str, experiment_id: str, variation_id: str, metric_id: str) -> np.ndarray:
    """The metric of every unit that was assigned to this variation alone."""
    tables = tables_of(name)
    conflicting = {
        (row["experiment_id"], row["unit_id"]) for row in tables["assignments"] if row["is_conflicting"]
    }
    return np.array(
        [
            float(row[metric_id])
            for row in tables["unit_outcomes"]
            if (row["experiment_id"], row["variation_id"]) == (experiment_id, variation_id)
            and (experiment_id, row["unit_id"]) not in conflicting
        ]
    )


def test_covid_purchasers_have_the_published_lift_and_p_value():
    found = results("optimizely_covid", COVID)
    row = row_of(found, "purchases", SECOND)
    assert (row["control_unit_count"], row["unit_count"]) == (3_304, 3_329)
    assert (row["control_mean"] * 3_304, row["mean"] * 3_329) == pytest.approx((163, 223))
    assert row["p_value"] == pytest.approx(0.00212, abs=5e-6)
    assert row["relative_lift"] == pytest.approx(0.35782, abs=5e-6)
    assert row_of(found, "purchases", FIRST)["p_value"] > 0.5


def test_covid_results_are_marked_for_its_data_end_before_its_windows():
    row = row_of(results("optimizely_covid", COVID), "purchases", SECOND)
    assert (row["is_provisional"], row["incomplete_unit_count"]) == (True, 3_329)
    assert row["as_of_date"] == date(2020, 9, 21)


def test_covid_support_calls_fall_and_keep_doing_so_when_eight_p_values_are_looked_at():
    found = results("optimizely_covid", COVID)
    for variation_id, calls, units in ((FIRST, 649, 3_367), (SECOND, 672, 3_329)):
        row = row_of(found, "support_calls", variation_id)
        assert row["mean"] * units == pytest.approx(calls)
        assert row["control_mean"] * 3_304 == pytest.approx(957)
        assert row["p_value"] < row["adjusted_p_value"] < 1e-10


@pytest.mark.parametrize("metric_id", ["purchases", "revenue_cents", "support_calls", "support_minutes"])
def test_every_metric_of_covid_is_compared_as_scipy_compares_its_units(metric_id: str):
    found = results("optimizely_covid", COVID)
    control = values("optimizely_covid", COVID, CONTROL, metric_id)
    for variation_id in (FIRST, SECOND):
        treatment = values("optimizely_covid", COVID, variation_id, metric_id)
        _, p_value = stats.ttest_ind(treatment, control, equal_var=False)
        assert row_of(found, metric_id, variation_id)["p_value"] == pytest.approx(p_value, rel=1e-6)


def test_audacity_homepage_has_the_published_click_rates_and_lift():
    row = row_of(results("audacity", "homepage", is_forced=True), "clicked", "experiment")
    assert (row["control_mean"], row["mean"]) == pytest.approx((0.279712, 0.309746), abs=5e-7)
    assert row["absolute_lift"] == pytest.approx(0.030034, abs=1e-6)
    assert row["p_value"] == pytest.approx(0.00893, abs=1e-5)


def test_audacity_classroom_is_refused_for_its_split_and_forced_it_says_so():
    refused, forced = (results("audacity", "classroom", is_forced=is_forced) for is_forced in (False, True))
    assert all("srm_assigned" in names for names in (*refused["refused_by"], *forced["refused_by"]))
    assert refused["p_value"].null_count() == refused.height > 0
    assert forced["is_forced"].all()
    assert forced["p_value"].is_not_null().any()


def test_shop_visitors_of_both_groups_count_in_neither():
    [experiment_id] = load_catalog(DATASETS / "tripleten_shop" / "catalog").experiments
    found = results("tripleten_shop", experiment_id, is_forced=True)
    row = found.row(0, named=True)
    units = row["control_unit_count"] + row["unit_count"] + row["missing_unit_count"]
    assert units == 1_031 - 58
