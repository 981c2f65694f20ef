"""The truth written beside a simulation, held against the contract's rules applied to the files.
How the files look and what a plan may ask for is tested in the neighbouring modules.
"""

from collections import Counter
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from exposure_assets.simulation import FaultRates, SimulationPlan, simulate
from exposure_assets_tests.simulation.plain_judging import judge_assignments, judge_events, verdict
from exposure_assets_tests.simulation.plain_reading import Row, file_contents, read_catalog, read_stream
from exposure_assets_tests.simulation.simulated import MANY_FAULTS, Simulated

PLANS = {
    "parquet": SimulationPlan(days=30, units=10_000, experiments=5, seed=3, faults=MANY_FAULTS),
    "mixed": SimulationPlan(
        days=21, units=2_000, experiments=7, seed=4, formats="mixed", files_per_day=3, faults=MANY_FAULTS
    ),
    "mixed-struct": SimulationPlan(
        days=12, units=2_000, experiments=4, seed=5, formats="mixed", properties="struct", faults=MANY_FAULTS
    ),
    "coenrolling": SimulationPlan(
        days=30, units=1_200, experiments=2, seed=7, faults=MANY_FAULTS, coenrolling=True
    ),
    "two-days": SimulationPlan(days=2, units=1_000, experiments=2, seed=6, faults=MANY_FAULTS),
}


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Simulated:
    return Simulated(PLANS["parquet"], tmp_path_factory.mktemp("month"))


@pytest.fixture(scope="module", params=PLANS)
def simulated(
    request: pytest.FixtureRequest, month: Simulated, tmp_path_factory: pytest.TempPathFactory
) -> Simulated:
    if request.param == "parquet":
        return month
    return Simulated(PLANS[request.param], tmp_path_factory.mktemp(request.param))


def test_every_unit_has_the_verdict_that_the_contract_gives_it(simulated: Simulated):
    accepted, exposures = simulated.judged_assignments.accepted, simulated.judged_events.exposures
    expected = [
        verdict(rows, exposures.get(key, []), simulated.experiments[key[0]]) for key, rows in accepted.items()
    ]
    told = simulated.units.drop("fault").to_dicts()
    assert sorted(told, key=_key) == sorted(expected, key=_key)


def test_every_raw_exposure_row_is_in_the_bucket_that_the_contract_gives_it(simulated: Simulated):
    expected = simulated.judged_events.waterfall
    told = {
        (row["experiment_id"], row["exposure_date"], row["bucket"]): row["rows"]
        for row in simulated.waterfall.to_dicts()
    }
    assert told == expected


def test_every_raw_assignment_row_is_in_the_bucket_that_the_contract_gives_it(simulated: Simulated):
    buckets = simulated.judged_assignments.buckets
    assert {bucket: count for bucket, count in simulated.truth["assignments"].items() if count} == buckets


def test_the_summary_counts_the_rows_of_the_files(simulated: Simulated):
    names = Counter(row["event_name"] for row in simulated.events)
    assert {name: count for name, count in simulated.truth["rows_by_event_name"].items() if count} == names
    assert simulated.summary.event_rows == len(simulated.events) == simulated.truth["event_rows"]
    assert (
        simulated.summary.assignment_rows == len(simulated.assignments) == simulated.truth["assignment_rows"]
    )
    assert simulated.summary.exposure_rows == sum(simulated.summary.buckets.values())
    assert simulated.summary.buckets == simulated.truth["waterfall"]


def test_the_planted_faults_are_named_as_often_as_they_are_counted(simulated: Simulated):
    named = Counter(simulated.faults["fault"].to_list())
    assert named == {fault: count for fault, count in simulated.summary.planted.items() if count}
    assert simulated.summary.planted == simulated.truth["planted"]


def test_every_fault_with_a_rate_is_planted(month: Simulated):
    asked_for = {field.name for field in fields(FaultRates) if getattr(MANY_FAULTS, field.name) > 0}
    assert {fault for fault, count in month.summary.planted.items() if count} == asked_for


def test_every_verdict_and_every_bucket_turns_up(month: Simulated):
    assert set(month.units["validation_status"]) == {
        "no_exposure",
        "crossover",
        "pre_assignment_exposure",
        "exposure_outside_window",
        "variation_mismatch",
        "valid",
    }
    assert all(count > 0 for count in month.summary.buckets.values())
    assert all(count > 0 for count in month.truth["assignments"].values())


def test_a_unit_exposed_both_before_and_after_its_assignment_is_valid_and_flagged(month: Simulated):
    both = month.units.filter(pl.col("is_pre_assignment_exposure") & pl.col("has_post_assignment_exposure"))
    assert set(both["validation_status"]) == {"valid"}


def test_some_exposures_lie_exactly_on_the_bounds_of_grace_and_window(month: Simulated):
    seen = set()
    for row in month.units.filter(pl.col("first_exposure_at").is_not_null()).to_dicts():
        rules = month.experiments[row["experiment_id"]]["exposure"]
        delay = row["first_exposure_at"] - row["assigned_at"]
        window = timedelta(days=rules["max_days_after_assignment"])
        places = {
            -timedelta(minutes=rules["grace_minutes"]): "first instant",
            window: "last instant",
            window + timedelta(microseconds=1): "just outside",
        }
        seen.add((places.get(delay), row["is_exposure_outside_window"]))
    assert {("first instant", False), ("last instant", False), ("just outside", True)} <= seen


def test_a_duplicate_is_the_same_row_again_and_a_conflicting_copy_is_not(month: Simulated):
    copies = _by_event_id(month.events)
    for fault in month.planted("duplicate_event"):
        rows = [{**row, "arrival_date": None} for row in copies[fault["event_id"]]]
        assert any(rows.count(row) > 1 for row in rows)
    contradictions = {fault["event_id"] for fault in month.planted("conflicting_copy")}
    differing = {
        id
        for id, rows in copies.items()
        if any({**row, "arrival_date": None} != {**rows[0], "arrival_date": None} for row in rows)
    }
    assert contradictions == differing


def test_some_conflicting_copies_claim_another_day_and_some_arrive_before_their_original(month: Simulated):
    copies = _by_event_id(month.events)
    pairs = [
        sorted(copies[fault["event_id"]], key=lambda row: (row["occurred_at"], row["ingested_at"]))
        for fault in month.planted("conflicting_copy")
    ]
    assert any(rows[0]["occurred_at"].date() < rows[-1]["occurred_at"].date() for rows in pairs)
    assert any(rows[0]["arrival_date"] > rows[-1]["arrival_date"] for rows in pairs)


def test_late_rows_arrive_after_their_day_and_early_rows_before_it(month: Simulated):
    copies = _by_event_id(month.events)
    for fault in month.planted("late_arrival"):
        original = min(copies[fault["event_id"]], key=lambda row: (row["occurred_at"], row["ingested_at"]))
        assert original["occurred_at"].date() < fault["arrival_date"] == original["ingested_at"].date()
    for fault in month.planted("early_arrival"):
        original = min(copies[fault["event_id"]], key=lambda row: (row["occurred_at"], row["ingested_at"]))
        assert original["occurred_at"].date() > fault["arrival_date"] == original["ingested_at"].date()


def test_without_late_or_early_rows_and_copies_every_row_arrives_on_its_day(tmp_path: Path):
    simulate(SimulationPlan(days=10, units=500, experiments=3, faults=FaultRates.none()), tmp_path)
    for row in read_stream(tmp_path, "events"):
        assert row["occurred_at"].date() == row["ingested_at"].date() == row["arrival_date"]


def test_rates_of_zero_give_a_clean_stream(tmp_path: Path):
    summary = simulate(
        SimulationPlan(days=20, units=1_000, experiments=4, faults=FaultRates.none()), tmp_path
    )
    events, assignments = read_stream(tmp_path, "events"), read_stream(tmp_path, "assignments")
    experiments = read_catalog(tmp_path, "experiments")
    judged = judge_events(events, experiments, read_catalog(tmp_path, "exposure_sources"))
    assert not any(summary.planted.values())
    assert {bucket for _, _, bucket in judged.waterfall} == {"accepted"}
    assert set(judge_assignments(assignments, experiments).buckets) == {"accepted"}
    assert len({row["event_id"] for row in events}) == len(events)
    # A unit that is assigned towards the end may not have been exposed yet.
    assert set(pl.read_parquet(tmp_path / "truth" / "units.parquet")["validation_status"]) == {
        "valid",
        "no_exposure",
    }


def test_a_fault_at_a_rate_of_one_leaves_nothing_out(tmp_path: Path):
    faults = replace(FaultRates.none(), no_exposure=1.0, late_arrival=1.0)
    simulate(SimulationPlan(days=10, units=300, experiments=2, faults=faults), tmp_path)
    units, events = pl.read_parquet(tmp_path / "truth" / "units.parquet"), read_stream(tmp_path, "events")
    assert set(units["validation_status"]) == {"no_exposure"}
    # No row can come later than the last day; what happens on that day is in time.
    last_day = max(row["arrival_date"] for row in events)
    assert all(
        row["arrival_date"] > row["occurred_at"].date()
        for row in events
        if row["occurred_at"].date() < last_day
    )


def test_truncated_files_stand_beside_the_others_and_change_no_other_file(tmp_path: Path):
    plan = SimulationPlan(days=10, units=300, experiments=2, formats="mixed")
    simulate(plan, tmp_path / "whole")
    summary = simulate(replace(plan, faults=FaultRates(corrupt_file=12)), tmp_path / "broken")
    whole, broken = file_contents(tmp_path / "whole"), file_contents(tmp_path / "broken")
    added = set(broken) - set(whole)
    faults = pl.read_parquet(tmp_path / "broken" / "truth" / "faults.parquet").filter(fault="corrupt_file")
    assert added == set(faults["detail"]) and len(added) == summary.planted["corrupt_file"] == 12
    assert {path: broken[path] for path in whole if "landing" in path} == {
        path: content for path, content in whole.items() if "landing" in path
    }


def _by_event_id(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row["event_id"] is not None:
            found.setdefault(row["event_id"], []).append(row)
    return found


def _key(row: Row) -> tuple[str, str]:
    return row["experiment_id"], row["unit_id"]
