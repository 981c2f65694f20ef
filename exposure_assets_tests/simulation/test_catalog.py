"""The catalog of a simulation: valid to the contract, and as varied as the rules it has to exercise.
The rows that belong to it are tested in the neighbouring modules.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets_tests.simulation.plain_reading import read_catalog
from resources.catalog import load_catalog

Catalog = dict[str, dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    output = tmp_path_factory.mktemp("catalog")
    simulate(SimulationPlan(days=30, units=50, experiments=15), output)
    return {kind: read_catalog(output, kind) for kind in ("experiments", "metrics", "exposure_sources")}


@pytest.mark.parametrize("days", [1, 30])
def test_the_catalog_is_accepted_as_any_other(tmp_path: Path, days: int):
    simulate(SimulationPlan(days=days, units=20, experiments=13), tmp_path)
    assert len(load_catalog(tmp_path / "catalog").experiments) == 13


def test_allocations_sum_to_one_with_exactly_one_control(catalog: Catalog):
    for experiment in catalog["experiments"].values():
        variations = experiment["variations"]
        assert sum(variation["allocation"] for variation in variations) == pytest.approx(1.0, abs=1e-9)
        assert [variation.get("is_control", False) for variation in variations].count(True) == 1
        assert len({variation["id"] for variation in variations}) == len(variations)


def test_experiments_refer_to_sources_and_metrics_that_exist(catalog: Catalog):
    for experiment in catalog["experiments"].values():
        assert experiment["exposure"]["source"] in catalog["exposure_sources"]
        assert set(experiment["outcomes"]["metrics"]) <= set(catalog["metrics"])


@pytest.mark.parametrize("days", [1, 2, 5, 30, 100])
def test_windows_fit_the_default_horizon_and_each_other(tmp_path: Path, days: int):
    simulate(SimulationPlan(days=days, units=20, experiments=6), tmp_path)
    for experiment in read_catalog(tmp_path, "experiments").values():
        rules = experiment["exposure"]
        assert 1 <= rules["max_days_after_assignment"] <= rules["observe_days"] <= 28
        assert 1 <= experiment["outcomes"]["window_days"] <= 28
        assert "end" not in experiment or experiment["start"] < experiment["end"]


def test_experiments_differ_in_what_the_contract_distinguishes(catalog: Catalog):
    experiments = catalog["experiments"].values()
    assert {len(experiment["variations"]) for experiment in experiments} == {2, 3, 4}
    assert {experiment["exposure"]["crossover_policy"] for experiment in experiments} == {
        "exclude",
        "first_seen",
    }
    assert {experiment["outcomes"]["anchor"] for experiment in experiments} == {
        "first_exposure",
        "assignment",
    }
    assert {"end" in experiment for experiment in experiments} == {True, False}
    assert {"enrollment_days" in experiment for experiment in experiments} == {True, False}
    assert len({experiment["exposure"]["grace_minutes"] for experiment in experiments}) > 1
    assert any(len({v["allocation"] for v in experiment["variations"]}) > 1 for experiment in experiments)


def test_experiments_overlap_in_time(catalog: Catalog):
    in_order = sorted(catalog["experiments"].values(), key=lambda experiment: experiment["start"])
    assert all(
        "end" not in earlier or later["start"] < earlier["end"] for earlier, later in pairwise(in_order)
    )


def test_every_aggregation_but_min_has_a_metric(catalog: Catalog):
    metrics = catalog["metrics"]
    aggregations = {metric["aggregation"] for metric in metrics.values()}
    assert aggregations == {"count", "sum", "mean", "max", "converted", "count_distinct_days"}
    assert metrics["revenue_usd"]["field"] == "value" and metrics["revenue_usd"]["cap"] > 0
