"""The whole system against the reference: raw files in, tables out, in any order, any split, again and again.

What a single step does is tested beside the step.
"""

import random
import shutil
import subprocess
from datetime import date, timedelta
from pathlib import Path

import pytest

from exposure_assets.assets.calendar import calendar_for
from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets_tests.installation import ROOT, Installation, differences
from exposure_assets_tests.reference import compute_tables, permute_zone, write_nasty_zone
from exposure_assets_tests.reference.report import without_copies

DATASETS = ROOT.parent / "shared" / "datasets"


def simulated(place: Path, days: int = 10, units: int = 200, experiments: int = 2, seed: int = 1) -> Path:
    simulate(SimulationPlan(days, units, experiments, seed, formats="mixed"), place)
    return place


def all_days(installation: Installation) -> list[date]:
    manifest = installation.workspace.landing(installation.workspace.catalog()).refresh()
    starts = calendar_for(installation.workspace).first_day
    held = {max(day, starts) for stream in manifest.files for day in manifest.days(stream)}
    return [min(held) + timedelta(days=n) for n in range((max(held) - min(held)).days + 1)]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_nasty_landing_zone_gives_the_tables_of_the_reference(tmp_path: Path, seed: int):
    write_nasty_zone(tmp_path / "zone", seed)
    installation = Installation(tmp_path / "zone", tmp_path / "place")
    summary = installation.backfill()
    assert installation.differences() == {}
    failed = {table: one.failed_checks for table, one in summary.items() if one.failed_checks}
    assert set(failed) == {"landing_files"}
    assert any("broken-column" in check for check in failed["landing_files"])


@pytest.mark.skipif(not DATASETS.is_dir(), reason="the real experiment logs do not lie beside the repository")
@pytest.mark.parametrize("name", ["optimizely_covid", "tripleten_shop"])
def test_a_real_experiment_log_gives_the_tables_of_the_reference(tmp_path: Path, name: str):
    installation = Installation(DATASETS / name, tmp_path / "place")
    installation.backfill()
    assert installation.differences() == {}


def test_files_split_shuffled_repeated_and_moved_give_the_same_tables(tmp_path: Path):
    write_nasty_zone(tmp_path / "zone", seed=5)
    permute_zone(tmp_path / "zone", tmp_path / "permuted", seed=6)
    installation = Installation(tmp_path / "permuted", tmp_path / "place")
    installation.backfill()
    expected = compute_tables(tmp_path / "zone" / "landing", tmp_path / "zone" / "catalog")
    actual, report = installation.tables(), "experiment_quality_report"
    expected[report], actual[report] = without_copies(expected[report]), without_copies(actual[report])
    different = set(differences(expected, actual))
    assert different <= {"exposure_waterfall", "credit_ledger", "rejected_events"}, (
        "copies and their files are all that may differ"
    )


def test_days_materialised_one_by_one_in_any_order_give_the_tables_of_one_run(tmp_path: Path):
    zone = simulated(tmp_path / "zone", days=3, units=120)
    installation = Installation(zone, tmp_path / "place")
    days = all_days(installation)
    random.Random(4).shuffle(days)
    for day in days:
        installation.backfill(first=day, last=day)
    assert installation.differences() == {}


def test_files_that_arrive_day_by_day_give_the_tables_of_all_files_at_once(tmp_path: Path):
    zone = simulated(tmp_path / "zone", days=6, units=150, seed=2)
    growing = tmp_path / "growing"
    shutil.copytree(zone / "catalog", growing / "catalog")
    installation = Installation(growing, tmp_path / "place")
    arrivals = sorted({folder.name for folder in (zone / "landing").glob("*/date=*")})
    for arrival in arrivals:
        for stream in ("events", "assignments"):
            if (zone / "landing" / stream / arrival).is_dir():
                target = growing / "landing" / stream / arrival
                shutil.copytree(zone / "landing" / stream / arrival, target)
        installation.backfill()
    assert installation.differences() == {}


def test_running_a_backfill_again_changes_nothing(tmp_path: Path):
    installation = Installation(simulated(tmp_path / "zone"), tmp_path / "place")
    installation.backfill()
    before = installation.tables()
    installation.backfill()
    assert differences(before, installation.tables()) == {}


def test_one_experiment_after_the_other_gives_the_tables_of_both_at_once(tmp_path: Path):
    installation = Installation(simulated(tmp_path / "zone", experiments=3), tmp_path / "place")
    for experiment in sorted(installation.workspace.catalog().experiments, reverse=True):
        installation.backfill(experiments=[experiment])
    assert installation.differences() == {}


def test_a_ducklake_holds_the_same_tables(tmp_path: Path):
    zone = simulated(tmp_path / "zone", days=6, seed=3)
    installation = Installation(
        zone, tmp_path / "place", f"ducklake:sqlite:{tmp_path / 'place' / 'lake.sqlite'}"
    )
    installation.backfill()
    assert installation.differences() == {}


def test_a_file_that_is_removed_takes_its_rows_with_it(tmp_path: Path):
    zone = simulated(tmp_path / "zone", days=5, seed=4)
    installation = Installation(zone, tmp_path / "place")
    installation.backfill()
    for path in sorted((zone / "landing" / "events" / "date=2026-01-03").iterdir()):
        path.unlink()
    installation.backfill()
    assert installation.differences() == {}


def test_a_metric_that_is_added_fills_its_column_and_keeps_the_others(tmp_path: Path):
    zone = simulated(tmp_path / "zone", days=4, seed=5)
    installation = Installation(zone, tmp_path / "place")
    installation.backfill()
    (zone / "catalog" / "metrics" / "any_view.toml").write_text(
        'event = "page_view"\naggregation = "converted"\n'
    )
    experiment = sorted((zone / "catalog" / "experiments").glob("*.toml"))[0]
    text = experiment.read_text()
    assert "metrics = [" in text
    experiment.write_text(text.replace("metrics = [", 'metrics = ["any_view", ', 1))
    installation.backfill()
    assert installation.differences() == {}


def test_a_killed_backfill_is_completed_by_the_same_command(tmp_path: Path):
    installation = Installation(simulated(tmp_path / "zone", days=8, units=400, seed=6), tmp_path / "place")
    for seconds in (3.0, 5.0, 6.5, 8.0):
        process = installation.command("backfill")
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
    completed = installation.command("backfill")
    _, errors = completed.communicate(timeout=300)
    assert completed.returncode == 0, errors
    assert installation.differences() == {}
