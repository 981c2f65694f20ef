"""The whole system against the truth of a simulation: every planted fault found, and counted exactly.

The truth knows nothing of transforms; that it is right is tested in `simulation`.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from exposure_assets.cli.demo_summary import show_demo
from exposure_assets.contracts import STAGED_TABLES, WAREHOUSE_TABLES
from exposure_assets.simulation import FaultRates, SimulationPlan, simulate
from exposure_assets_tests.installation import Installation
from exposure_assets_tests.reference import diff_tables
from exposure_assets_tests.simulation.simulated import MANY_FAULTS


def untrue(installation: Installation) -> dict[str, Sequence[str]]:
    """Where the tables of coenrolling features differ from the truth; empty when they are what was planted."""
    truth = {path.stem: pl.read_parquet(path) for path in (installation.zone / "truth").glob("*.parquet")}
    displays = truth["displays"].filter(bucket="accepted")
    judged = truth["units"].drop("fault", "assignment_count", "is_conflicting")
    told = {
        "exposure_waterfall": truth["waterfall"].rename({"rows": "row_count"}),
        "credit_ledger": truth["credit_ledger"],
        "exposure_events": displays.drop("arrival_date", "source", "bucket"),
        "assignments": truth["units"].select(
            "experiment_id", "unit_id", "variation_id", "assigned_at", "assignment_count", "is_conflicting"
        ),
        "exposure_validation": judged,
        "exposure_windows": truth["exposure_windows"],
        "unit_segments": truth["unit_segments"],
    }
    contracts = {**STAGED_TABLES, **WAREHOUSE_TABLES}
    found = {}
    for name, expected in told.items():
        actual = installation.table(name).select(expected.columns)
        if name == "exposure_events":
            sources = {e.id: e.exposure.source for e in installation.workspace.catalog().experiments.values()}
            with_messages = [id for id, source in sources.items() if source.startswith("messaging")]
            actual = actual.filter(pl.col("experiment_id").is_in(with_messages))
        found[name] = diff_tables(expected.to_dicts(), actual.to_dicts(), contracts[name].grain())[:5]
    return {name: lines for name, lines in found.items() if lines}


def test_every_planted_fault_is_found_and_counted_also_where_assignments_arrive_late(tmp_path: Path):
    plan = SimulationPlan(
        days=6, units=120, experiments=1, seed=13, formats="mixed", faults=MANY_FAULTS, coenrolling=True
    )
    simulate(plan, tmp_path / "zone")
    installation = Installation(tmp_path / "zone", tmp_path / "place")
    # The assignments of the second half come after all displays: those are credited after the fact.
    late = tmp_path / "late"
    for folder in sorted((tmp_path / "zone" / "landing" / "assignments").iterdir())[3:]:
        shutil.move(folder, late / folder.name)
    installation.backfill()
    early_credit = installation.table("credit_ledger")["credited_count"].sum()
    assert "credit_ledger" in untrue(installation)
    assert show_demo(installation.workspace, tmp_path / "zone" / "truth") > 0
    shutil.copytree(late, tmp_path / "zone" / "landing" / "assignments", dirs_exist_ok=True)
    installation.backfill()
    assert untrue(installation) == {}
    assert show_demo(installation.workspace, tmp_path / "zone" / "truth") == 0
    ledger = installation.table("credit_ledger")
    assert early_credit < ledger["credited_count"].sum()
    assert ledger["unattributable_count"].sum() > 50


def verdicts(place: Path, faults: FaultRates) -> dict[str, tuple[set[str], set[str]]]:
    """What fails and what is warned of, per experiment of a simulation, as of its last day."""
    plan = SimulationPlan(days=5, units=3000, experiments=2, seed=29, faults=faults)
    simulate(plan, place / "zone")
    installation = Installation(place / "zone", place / "place")
    installation.backfill()
    report = installation.table("experiment_quality_report")
    last = report.filter(pl.col("as_of_date") == pl.col("as_of_date").max().over("experiment_id"))
    return {
        row["experiment_id"]: (set(row["failed_guardrails"]), set(row["warnings"]))
        for row in last.rows(named=True)
    }


def test_data_with_the_usual_faults_of_clients_are_fit_for_analysis(tmp_path: Path):
    found = verdicts(tmp_path, FaultRates())
    assert len(found) == 2
    assert all(verdict == (set(), {"final_cohorts"}) for verdict in found.values()), found


def test_every_fault_beyond_its_limit_is_named_in_the_verdict_on_the_data(tmp_path: Path):
    faults = FaultRates(
        variation_mismatch=0.06,
        crossover=0.1,
        pre_assignment_exposure=0.1,
        conflicting_assignment=0.03,
        unassigned_exposure=0.15,
        duplicate_event=0.2,
        repeated_assignment=0.12,
    )
    found = verdicts(tmp_path, faults)
    named = {"conflicting_assignments", "mismatches", "crossovers", "pre_assignment_exposures"}
    warned = {"unassigned_exposures", "assignment_duplicates", "duplicate_rows", "final_cohorts"}
    assert all(verdict == (named, warned) for verdict in found.values()), found
