"""What the landing sensor requests when something changes: exactly what is out of date, once.

What the runs compute is compared with the reference; the daemon itself is tried in `test_daemon`.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from exposure_assets.assets.calendar import calendar_for
from exposure_assets.automation.in_flight import InFlight
from exposure_assets.automation.landing_sensor import REQUEST_TAG, evaluate
from exposure_assets.automation.outdated import GraphState, partitions
from exposure_assets.automation.pending import pending
from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets_tests.automation.ticking import (
    FIRST,
    SECOND,
    Ticking,
    arrive,
    cells,
    edit,
    events_of,
    staged,
)
from exposure_assets_tests.installation import Installation
from resources.catalog import CatalogError


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str, str]]]:
    """An installation in which everything is fresh, and what was requested until it was."""
    place = tmp_path_factory.mktemp("settled")
    simulate(SimulationPlan(days=6, units=150, experiments=2, seed=1), place / "zone")
    requested = Ticking(Installation(place / "zone", place / "place")).settle()
    return place, requested


@pytest.fixture
def ticking(settled: tuple[Path, object], tmp_path: Path) -> Iterator[Ticking]:
    shutil.copytree(settled[0], tmp_path / "copy")
    yield Ticking(Installation(tmp_path / "copy" / "zone", tmp_path / "copy" / "place"))


def test_a_new_landing_zone_ends_in_the_tables_of_the_reference(settled: tuple[Path, object]):
    assert Installation(settled[0] / "zone", settled[0] / "place").differences() == {}


def test_no_partition_is_requested_twice(settled: tuple[Path, list[tuple[str, str, str]]]):
    requested = cells(settled[1])
    assert len(requested) == len(set(requested))
    assert {table for table, _, _ in requested} >= {"assignments", "daily_quality", "deduped_exposures"}


def test_nothing_new_requests_nothing_with_or_without_a_cursor(ticking: Ticking):
    assert ticking.tick() == []
    ticking.cursor = "not what we wrote"
    assert ticking.tick() == []
    assert "fresh" in ticking.messages[-1]


def test_a_late_file_for_an_early_day_refreshes_that_day_and_the_cohorts_it_can_change(ticking: Ticking):
    assigned = ticking.installation.table("assignments").filter(experiment_id=SECOND).sort("assigned_at")
    unit, variation, day = (
        assigned.row(0, named=True)["unit_id"],
        assigned["variation_id"][0],
        date(2026, 1, 2),
    )
    _, rows = events_of(ticking, "2026-01-02")
    exposure = rows.filter(pl.col("event_name") == "experiment_exposed").head(1)
    late = exposure.with_columns(
        event_id=pl.lit("late-1"),
        unit_id=pl.lit(unit),
        occurred_at=pl.lit(datetime(2026, 1, 2, 23, 59, tzinfo=UTC)).cast(exposure.schema["occurred_at"]),
        properties=pl.lit(json.dumps({"experiment": SECOND, "variation": variation})),
    )
    arrive(ticking, "events", late, "late.parquet")
    requested = ticking.settle()
    assert staged(requested) == [("2026-01-02", "2026-01-02"), ("2026-01-06", "2026-01-06")]
    changed = cells(requested)
    assert {experiment for _, _, experiment in changed} == {SECOND}
    assert {d for table, d, _ in changed if table == "deduped_exposures"} == {"2026-01-02"}
    assert "assignments" not in {table for table, _, _ in changed}
    rules = ticking.installation.workspace.catalog().experiments[SECOND].exposure
    window = {(day + timedelta(days=n)).isoformat() for n in range(-rules.observe_days, 8)}
    assert {d for _, d, _ in changed} <= window
    assert len(changed) == len(set(changed))
    assert ticking.installation.differences() == {}


def test_a_file_delivered_twice_is_counted_as_copies_and_changes_no_table_of_an_experiment(ticking: Ticking):
    path, rows = events_of(ticking, "2026-01-03")
    arrive(ticking, "events", rows, f"again-{path.name}")
    requested = ticking.settle()
    assert staged(requested)
    assert cells(requested) == []
    assert ticking.installation.differences() == {}


def test_a_corrupt_file_is_listed_and_nothing_else_is_computed(ticking: Ticking):
    folder = ticking.installation.zone / "landing" / "events" / "date=2026-01-04"
    (folder / "broken.parquet").write_bytes(b"PAR1 and then nothing")
    assert ticking.settle() == [("landing_files", "", "")]
    files = ticking.installation.table("landing_files")
    assert files.filter(pl.col("path").str.ends_with("broken.parquet"))["status"].to_list() == ["quarantined"]


def test_a_removed_file_takes_its_rows_with_it(ticking: Ticking):
    path, _ = events_of(ticking, "2026-01-05")
    path.unlink()
    assert ticking.settle()
    assert ticking.installation.differences() == {}


def test_a_new_owner_of_an_experiment_refreshes_the_catalog_and_the_pages_alone(ticking: Ticking):
    edit(ticking, FIRST, "owner = ", 'owner = "someone-else@example.com" # ')
    assert ticking.settle() == [("experiments,variations", "", ""), ("experiment_reports", "", "")]


def test_another_rule_of_an_experiment_refreshes_that_experiment_alone(ticking: Ticking):
    edit(ticking, FIRST, "grace_minutes = 5", "grace_minutes = 90")
    requested = ticking.settle()
    assert staged(requested) == []
    assert {experiment for _, _, experiment in cells(requested)} == {FIRST}
    assert {table for table, _, _ in cells(requested)} == {
        "exposure_validation",
        "unit_outcomes",
        "daily_quality",
        "stage_counts",
        "exposure_delays",
        "cohort_diagnostics",
        "metric_moments",
    }
    assert ticking.installation.differences() == {}


def test_other_allocations_and_thresholds_test_the_sample_ratios_anew_and_nothing_else(ticking: Ticking):
    edit(
        ticking,
        FIRST,
        "[exposure]",
        "[[allocation_phases]]\nstart = 2026-01-02T00:00:00Z\n"
        "allocations = { control = 0.75, treatment = 0.25 }\n\n"
        "[quality]\nsrm_alpha = 0.5\nsrm_min_deviation = 0.125\n\n[exposure]",
    )
    assert {assets for assets, _, _ in ticking.settle()} == {
        "experiments,variations",
        "experiment_quality_report,experiment_reports,experiment_results,sample_ratio_intervals,sample_ratios",
    }
    assert ticking.installation.table("sample_ratios").filter(experiment_id=FIRST)["is_mismatch"].any()
    assert ticking.installation.differences() == {}


def test_another_alpha_compares_anew_and_sums_up_nothing(ticking: Ticking):
    edit(ticking, FIRST, "[exposure]", "[results]\nalpha = 0.25\n\n[exposure]")
    assert {assets for assets, _, _ in ticking.settle()} == {
        "experiments,variations",
        "experiment_reports,experiment_results",
    }
    assert set(ticking.installation.table("experiment_results").filter(experiment_id=FIRST)["alpha"]) == {
        0.25
    }


def test_covariates_are_looked_up_and_summed_up_and_change_no_outcome(ticking: Ticking):
    edit(ticking, FIRST, "[exposure]", "[results]\ncovariate_days = 2\n\n[exposure]")
    requested = ticking.settle()
    assert staged(requested) == []
    assert {experiment for _, _, experiment in cells(requested)} == {FIRST}
    assert {table for table, _, _ in cells(requested)} == {"unit_covariates", "metric_moments"}
    assert not ticking.installation.table("unit_covariates").is_empty()
    assert ticking.installation.differences() == {}


def text_of(ticking: Ticking, experiment: str) -> str:
    return (ticking.installation.zone / "catalog" / "experiments" / f"{experiment}.toml").read_text()


def test_a_new_experiment_gets_its_partitions_and_the_others_stay_as_they_are(ticking: Ticking):
    folder = ticking.installation.zone / "catalog" / "experiments"
    (folder / "brand-new.toml").write_text(text_of(ticking, FIRST))
    _, rows = events_of(ticking, "2026-01-06")
    exposure = rows.filter(pl.col("event_name") == "experiment_exposed").head(1)
    arrive(
        ticking,
        "events",
        exposure.with_columns(
            event_id=pl.lit("new-1"),
            occurred_at=pl.lit(datetime(2026, 1, 5, 12, tzinfo=UTC)).cast(exposure.schema["occurred_at"]),
            properties=pl.lit(json.dumps({"experiment": "brand-new", "variation": "control"})),
        ),
        "new.parquet",
    )
    requested = ticking.settle()
    assert staged(requested) == [("2026-01-05", "2026-01-06")]
    assert {(a, f) for a, f, _ in requested if "|" in f} == {
        ("deduped_exposures", "2026-01-05|brand-new"),
        ("cohort_diagnostics,daily_quality", "2026-01-05|brand-new"),
    }
    assert ticking.installation.differences() == {}


def test_the_overlap_of_experiments_is_computed_once_after_the_assignments_that_it_rests_on(ticking: Ticking):
    assigned = ticking.installation.table("assignments").filter(experiment_id=SECOND)
    late = assigned.head(1).select(
        "experiment_id", "variation_id", "assigned_at", unit_id=pl.lit("somebody-late")
    )
    arrive(ticking, "assignments", late, "late.parquet")
    requested = [assets for assets, _, _ in ticking.settle()]
    assert requested.count("experiment_overlap") == 1
    computed = [n for n, assets in enumerate(requested) if "assignments" in assets.split(",")]
    assert requested.index("experiment_overlap") > max(computed)
    assert ticking.installation.differences() == {}


def test_the_overlap_waits_for_days_and_assignments_that_are_on_their_way_but_not_for_ever(ticking: Ticking):
    workspace = ticking.installation.workspace
    catalog, calendar = workspace.catalog(), calendar_for(workspace)
    order = list(catalog.experiments)
    fresh = GraphState.read(workspace, calendar.first_day)
    recorded = {**fresh.recorded, "experiment_overlap": fresh.recorded["experiment_overlap"].head(0)}
    state = replace(fresh, recorded=recorded)
    days = frozenset({calendar.first_day})
    assignments = {"assignments": partitions(days, order)}

    def is_requested(in_flight: InFlight, *, is_patient: bool = True) -> bool:
        due = pending(state, in_flight, calendar, order, is_patient)
        requested = any(request.assets == ("experiment_overlap",) for request in due.requests)
        assert due.held_back == (0 if requested or in_flight.whole_tables else 1)
        return requested

    assert is_requested(InFlight())
    assert not is_requested(InFlight(days=days))
    assert not is_requested(InFlight(tables=assignments))
    assert is_requested(InFlight(days=days, tables=assignments), is_patient=False)
    assert not is_requested(InFlight(whole_tables=frozenset({"experiment_overlap"})))


def test_another_variation_in_the_catalog_is_listed_in_the_overlap(ticking: Ticking):
    text = text_of(ticking, FIRST)
    edit(ticking, FIRST, "[exposure]", '[[variations]]\nid = "later"\nallocation = 0.0\n\n[exposure]')
    assert text != text_of(ticking, FIRST)
    requested = [assets for assets, _, _ in ticking.settle()]
    assert "experiment_overlap" in requested
    found = ticking.installation.table("experiment_overlap")
    assert "later" in {*found["variation_id"], *found["other_variation_id"]}
    assert ticking.installation.differences() == {}


def test_an_experiment_that_left_the_catalog_takes_its_rows_with_it(ticking: Ticking):
    (ticking.installation.zone / "catalog" / "experiments" / f"{SECOND}.toml").unlink()
    ticking.settle()
    assert ticking.installation.table("exposure_validation").filter(experiment_id=SECOND).is_empty()
    assert ticking.installation.differences() == {}


def test_days_before_all_other_experiments_are_emptied_when_the_earliest_leaves(ticking: Ticking):
    edit(ticking, FIRST, "start = 2026-01-01T", "start = 2026-01-04T")
    ticking.settle()
    (ticking.installation.zone / "catalog" / "experiments" / f"{SECOND}.toml").unlink()
    ticking.settle()
    exposed = ticking.installation.table("deduped_exposures")
    assert exposed.filter(experiment_id=SECOND).is_empty()
    assert ticking.installation.differences() == {}


def test_rows_of_days_to_come_wait_for_their_day(ticking: Ticking):
    _, rows = events_of(ticking, "2026-01-06")
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    fast_clock = rows.head(3).with_columns(
        event_id=pl.format("fast-{}", pl.int_range(3)),
        occurred_at=pl.lit(tomorrow).cast(rows.schema["occurred_at"]),
    )
    arrive(ticking, "events", fast_clock, "fast.parquet")
    requested = ticking.settle()
    assert staged(requested) == [("2026-01-06", "2026-01-06")]
    assert "wait until these days have come" in ticking.messages[-1]


def test_a_lost_warehouse_is_computed_anew(ticking: Ticking):
    (ticking.installation.place / "warehouse.duckdb").unlink()
    ticking.later = timedelta(hours=1)
    ticking.settle()
    assert ticking.installation.differences() == {}


def test_lost_staging_is_staged_anew_and_leaves_the_tables_alone(ticking: Ticking):
    shutil.rmtree(ticking.installation.place / "staging")
    ticking.later = timedelta(hours=1)
    assert cells(ticking.settle()) == []
    assert ticking.installation.differences() == {}


def test_a_broken_catalog_stops_everything_and_says_why(ticking: Ticking):
    edit(ticking, FIRST, "owner = ", "ownr = ")
    with pytest.raises(CatalogError, match="ownr"):
        ticking.tick()


@pytest.mark.parametrize(
    ("status", "minutes", "is_repeated"),
    [
        (dg.DagsterRunStatus.FAILURE, 0, False),
        (dg.DagsterRunStatus.FAILURE, 5, True),
        (dg.DagsterRunStatus.CANCELED, 5, False),
        (dg.DagsterRunStatus.STARTED, 5, False),
    ],
)
def test_a_run_that_did_not_do_it_is_repeated_after_a_while_unless_somebody_cancelled_it(
    ticking: Ticking,
    monkeypatch: pytest.MonkeyPatch,
    status: dg.DagsterRunStatus,
    minutes: int,
    is_repeated: bool,
):
    path, rows = events_of(ticking, "2026-01-03")
    arrive(ticking, "events", rows, f"again-{path.name}")
    workspace = ticking.installation.workspace
    with ticking.installation.instance() as instance:
        calendar = calendar_for(workspace)
        requests = evaluate(workspace.settings, instance, calendar, None).run_requests or []
        for request in requests:
            tags = {**request.tags, "dagster/run_key": str(request.run_key)}
            instance.run_storage.add_run(
                dg.DagsterRun(job_name=str(request.job_name), tags=tags, status=status)
            )
        later = datetime.now(UTC) + timedelta(minutes=minutes)
        again = evaluate(workspace.settings, instance, calendar, None, now=later).run_requests or []
    assert len(requests) >= 2
    assert bool(again) == is_repeated
    assert {r.tags[REQUEST_TAG] for r in again} <= {r.tags[REQUEST_TAG] for r in requests}
    assert not {r.run_key for r in again} & {r.run_key for r in requests}
