"""The files of a simulation: columns, formats, order, sizes, and that the same plan writes them again.
Whether their rows mean what the truth says is tested in `test_truth`.
"""

import gzip
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import polars as pl
import pytest

from exposure_assets.simulation import FaultRates, OutputExistsError, PlanError, SimulationPlan, simulate
from exposure_assets_tests.simulation.plain_reading import file_contents, read_file, read_stream

UTC_TIME = pl.Datetime("us", "UTC")


def landing_files(output: Path, pattern: str) -> list[Path]:
    return sorted((output / "landing").glob(pattern))


@pytest.mark.parametrize("formats", ["parquet", "mixed"])
def test_the_same_plan_writes_the_same_bytes(tmp_path: Path, formats: Literal["parquet", "mixed"]):
    plan = SimulationPlan(days=8, units=400, experiments=3, seed=9, formats=formats)
    simulate(plan, tmp_path / "once")
    simulate(plan, tmp_path / "again")
    assert file_contents(tmp_path / "once") == file_contents(tmp_path / "again")


def test_another_seed_gives_other_rows_under_other_ids(tmp_path: Path):
    for seed in (1, 2):
        simulate(SimulationPlan(days=8, units=400, experiments=3, seed=seed), tmp_path / str(seed))
    first, second = (
        {row["event_id"] for row in read_stream(tmp_path / str(seed), "events") if row["event_id"]}
        for seed in (1, 2)
    )
    assert first and second and not first & second


def test_parquet_files_have_exactly_the_columns_and_types_of_the_contract(tmp_path: Path):
    simulate(SimulationPlan(days=3, units=300, experiments=2), tmp_path)
    for path in landing_files(tmp_path, "events/date=*/*"):
        assert dict(pl.read_parquet_schema(path)) == {
            "event_id": pl.String,
            "event_name": pl.String,
            "unit_id": pl.String,
            "occurred_at": UTC_TIME,
            "ingested_at": UTC_TIME,
            "session_id": pl.String,
            "value": pl.Float64,
            "properties": pl.String,
        }
    for path in landing_files(tmp_path, "assignments/date=*/*"):
        assert dict(pl.read_parquet_schema(path)) == {
            "event_id": pl.String,
            "experiment_id": pl.String,
            "unit_id": pl.String,
            "variation_id": pl.String,
            "assigned_at": UTC_TIME,
            "ingested_at": UTC_TIME,
        }


def test_struct_properties_are_a_struct_in_parquet_and_an_object_in_jsonl(tmp_path: Path):
    for formats in ("parquet", "jsonl"):
        plan = SimulationPlan(days=2, units=100, experiments=1, formats=formats, properties="struct")
        simulate(plan, tmp_path / formats)
    parquet = landing_files(tmp_path / "parquet", "events/*/*")[0]
    jsonl = landing_files(tmp_path / "jsonl", "events/*/*")[0]
    assert isinstance(pl.read_parquet_schema(parquet)["properties"], pl.Struct)
    assert all(isinstance(row["properties"], dict) for row in read_file(jsonl))


def test_mixed_formats_use_every_format_in_events(tmp_path: Path):
    simulate(SimulationPlan(days=5, units=300, experiments=2, formats="mixed"), tmp_path)
    suffixes = {path.name.split(".", 1)[1] for path in landing_files(tmp_path, "events/*/*")}
    assert suffixes == {"parquet", "jsonl", "csv", "jsonl.gz", "csv.gz"}


def test_every_format_holds_the_same_rows(tmp_path: Path):
    held = {}
    for formats in ("parquet", "jsonl", "csv", "jsonl.gz", "csv.gz"):
        simulate(SimulationPlan(days=4, units=200, experiments=4, formats=formats), tmp_path / formats)
        held[formats] = [read_stream(tmp_path / formats, stream) for stream in ("events", "assignments")]
    assert all(rows == held["parquet"] for rows in held.values())


def test_days_are_folders_from_the_start_date_on_and_hold_as_many_files_as_asked_for(tmp_path: Path):
    plan = SimulationPlan(days=6, units=300, experiments=2, files_per_day=3)
    simulate(plan, tmp_path)
    folders = sorted((tmp_path / "landing" / "events").iterdir())
    days = [plan.start_date + timedelta(days=day) for day in range(6)]
    assert [folder.name for folder in folders] == [f"date={day}" for day in days]
    assert {len(list(folder.iterdir())) for folder in folders} == {3}


def test_a_file_is_in_the_order_of_arrival_up_to_seconds_and_not_in_the_order_of_events(tmp_path: Path):
    plan = SimulationPlan(days=3, units=2_000, experiments=3, faults=FaultRates.none())
    simulate(plan, tmp_path)
    rows = read_file(landing_files(tmp_path, "events/date=2026-01-02/*")[0])
    steps = list(pairwise(rows))
    assert all(later["ingested_at"] - row["ingested_at"] > -timedelta(seconds=2) for row, later in steps)
    assert any(later["occurred_at"] < row["occurred_at"] for row, later in steps)


def test_event_ids_are_32_hexadecimal_characters_that_do_not_compress_to_less_than_their_half(tmp_path: Path):
    simulate(SimulationPlan(days=3, units=500, experiments=2, faults=FaultRates.none()), tmp_path)
    ids = [row["event_id"] for row in read_stream(tmp_path, "events")]
    assert all(len(id) == 32 and set(id) <= set("0123456789abcdef") for id in ids)
    assert len(gzip.compress("".join(ids).encode())) > 16 * len(ids)


def test_repeated_exposures_are_heavy_tailed(tmp_path: Path):
    simulate(SimulationPlan(days=20, units=3_000, experiments=1, faults=FaultRates.none()), tmp_path)
    frame = pl.read_parquet(tmp_path / "landing" / "events" / "*" / "*.parquet")
    by_unit = frame.filter(event_name="experiment_exposed").group_by("unit_id").len()
    counts = sorted(by_unit["len"].to_list(), reverse=True)
    assert sum(counts[: len(counts) // 10]) > 0.3 * sum(counts)
    assert counts[0] > 10 * counts[len(counts) // 2]


def test_units_take_part_in_several_experiments_and_share_sessions_among_their_events(tmp_path: Path):
    simulate(SimulationPlan(days=15, units=1_000, experiments=4, faults=FaultRates.none()), tmp_path)
    assignments = pl.DataFrame(read_stream(tmp_path, "assignments"))
    assert assignments.group_by("unit_id").agg(pl.col("experiment_id").n_unique())["experiment_id"].max() == 4
    sessions = pl.DataFrame(read_stream(tmp_path, "events")).group_by("session_id")
    assert sessions.agg(pl.col("unit_id").n_unique())["unit_id"].max() == 1
    assert not sessions.agg(pl.col("event_name").n_unique()).filter(pl.col("event_name") >= 3).is_empty()


@pytest.mark.parametrize("events", [60_000, 200_000])
def test_a_target_number_of_events_is_met_within_a_few_percent(tmp_path: Path, events: int):
    summary = simulate(SimulationPlan(days=14, units=3_000, experiments=3, events=events), tmp_path)
    assert summary.event_rows == pytest.approx(events, rel=0.05)


@pytest.mark.parametrize(
    "plan",
    [
        SimulationPlan(days=1, units=1, experiments=1),
        SimulationPlan(days=1, units=3, experiments=14, files_per_day=5),
        SimulationPlan(days=40, units=2, experiments=2, events=1),
    ],
)
def test_the_smallest_plans_are_simulated_too(tmp_path: Path, plan: SimulationPlan):
    summary = simulate(plan, tmp_path)
    assert summary.assignment_rows == len(read_stream(tmp_path, "assignments")) > 0


def test_progress_is_reported_day_by_day(tmp_path: Path):
    days: list[int] = []
    simulate(SimulationPlan(days=3, units=10, experiments=1), tmp_path, on_day=days.append)
    assert days == [1, 2, 3]


@pytest.mark.parametrize("name", ["landing", "catalog", "truth"])
def test_an_output_that_holds_a_simulation_already_is_not_mixed_with_another(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    with pytest.raises(OutputExistsError, match=rf"{name} already exists.*delete it or choose another"):
        simulate(SimulationPlan(days=1, units=10, experiments=1), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"days": 0}, "days is 0, expected at least 1"),
        ({"units": -1}, "units is -1, expected at least 1"),
        ({"events": 0}, "events is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"formats": "xml"}, "formats is 'xml', expected 'mixed' or one of parquet"),
        ({"properties": "text"}, "properties is 'text'"),
    ],
)
def test_a_plan_that_cannot_be_simulated_says_what_was_expected(values: dict[str, Any], message: str):
    with pytest.raises(PlanError, match=message):
        SimulationPlan(**{"days": 2, "units": 10, "experiments": 1, **values})


def test_a_rate_above_one_is_no_rate():
    with pytest.raises(PlanError, match=r"fault rate late_arrival is 1\.5, expected a share from 0 to 1"):
        FaultRates(late_arrival=1.5)


def test_faults_of_units_may_not_sum_to_more_than_all_units():
    with pytest.raises(PlanError, match=r"sum to 1\.1"):
        FaultRates(no_exposure=0.55, crossover=0.55, pre_assignment_exposure=0)
