"""A measurement is taken in a process of its own, and a failed one says what failed."""

from pathlib import Path

import pytest

from benchmarks.engines.engine import Place
from benchmarks.measuring import MeasurementFailed, measure
from benchmarks.rules import Rules
from exposure_assets.contracts import Catalog, ExposureSource
from exposure_assets.simulation import SimulationPlan, simulate


def test_a_measurement_has_the_tables_of_its_stage_as_a_trace(tmp_path: Path):
    simulate(SimulationPlan(days=3, units=20, experiments=1, seed=1, events=400), tmp_path / "data")
    place = Place(tmp_path / "data", tmp_path / "work")
    taken = measure("duckdb", "staging", place, timeout_seconds=300)
    assert (taken.engine, taken.stage) == ("duckdb", "staging")
    assert taken.seconds > 0
    assert taken.peak_mb > 10
    assert list((tmp_path / "work" / "exposure_events").glob("*.parquet"))


def test_a_failed_measurement_names_engine_stage_and_reason(tmp_path: Path):
    with pytest.raises(MeasurementFailed, match=r"duckdb staging: .*catalog"):
        measure("duckdb", "staging", Place(tmp_path / "nothing", tmp_path / "work"), timeout_seconds=300)


def test_two_sources_of_one_event_are_refused_because_a_peer_judges_a_row_once():
    def source(id: str) -> ExposureSource:
        return ExposureSource(id=id, event="shown", experiment="properties.e", variation="properties.v")

    catalog = Catalog(
        experiments={}, metrics={}, exposure_sources={"one": source("one"), "two": source("two")}
    )
    with pytest.raises(ValueError, match="several exposure sources read one event: shown, shown"):
        Rules(catalog)
