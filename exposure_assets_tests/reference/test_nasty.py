"""The nasty landing zones hold what they promise, and say the same however they are cut.
Whether the product agrees with the reference on them is tested with the product.
"""

from collections import Counter
from pathlib import Path

import pytest

from exposure_assets_tests.reference import (
    GRAINS,
    compute_tables,
    diff_tables,
    permute_zone,
    quarantined_files,
    write_nasty_zone,
)
from exposure_assets_tests.reference.assigning import canonical_assignments, judge_assignments
from exposure_assets_tests.reference.catalog import read_catalog
from exposure_assets_tests.reference.classifying import classify
from exposure_assets_tests.reference.nasty_ids import ALL
from exposure_assets_tests.reference.reading import read_assignments, read_events
from exposure_assets_tests.reference.report import without_copies

SEEDS = pytest.mark.parametrize("seed", range(3))
BUCKETS = {
    "accepted",
    "duplicate",
    "malformed",
    "unknown_experiment",
    "unknown_variation",
    "unresolved_template",
    "ambiguous_attribution",
    "outside_experiment",
    "unassigned_unit",
}
STATUSES = {
    "no_exposure",
    "crossover",
    "pre_assignment_exposure",
    "exposure_outside_window",
    "variation_mismatch",
    "valid",
}
REASONS = {
    "malformed",
    "duplicate",
    "unknown_experiment",
    "unknown_variation",
    "before_start",
    "after_enrollment",
}


@SEEDS
def test_every_bucket_status_and_reason_occurs(tmp_path: Path, seed: int):
    write_nasty_zone(tmp_path, seed)
    tables = compute_tables(tmp_path / "landing", tmp_path / "catalog")
    assert {row["bucket"] for row in tables["exposure_waterfall"]} == BUCKETS
    assert {row["validation_status"] for row in tables["exposure_validation"]} == STATUSES
    assert {row["reason"] for row in tables["rejected_events"] if row["stream"] == "assignments"} == REASONS
    assert {row["anchor"] for row in tables["unit_outcomes"]} == {"first_exposure", "assignment"}
    assert {row["exposure_health"] for row in tables["daily_quality"]} == {"critical", "warning", "ok", None}
    assert {row["is_conflicting"] for row in tables["assignments"]} == {True, False}
    ids = {row["event_id"] for row in tables["exposure_events"]} | {
        row["unit_id"] for row in tables["assignments"]
    }
    assert len(ids & set(ALL)) > len(ALL) / 2


@SEEDS
def test_every_row_is_accounted_for(tmp_path: Path, seed: int):
    write_nasty_zone(tmp_path, seed)
    catalog = read_catalog(tmp_path / "catalog", horizon_days=28)
    rows = read_events(tmp_path / "landing")
    accepted, _ = judge_assignments(read_assignments(tmp_path / "landing"), catalog)
    result = classify(rows, catalog, canonical_assignments(accepted))
    tables = compute_tables(tmp_path / "landing", tmp_path / "catalog")
    counts = Counter()
    for row in tables["exposure_waterfall"]:
        counts[row["bucket"]] += row["row_count"]
    reasons = Counter(reason for _, reason, _, _ in result.rejected)
    assert counts["accepted"] == len(tables["exposure_events"])
    assert len(rows) == len(result.winners) + reasons["duplicate"] + reasons["malformed"]
    for bucket in BUCKETS - {"accepted", "duplicate", "malformed"}:
        assert counts[bucket] == reasons[bucket]
    assert len(tables["exposure_validation"]) == len(tables["assignments"]) == len(tables["unit_outcomes"])
    for name, grain in GRAINS.items():
        keys = Counter(tuple(row[column] for column in grain) for row in tables[name])
        assert name == "rejected_events" or set(keys.values()) == {1}, name


@SEEDS
@pytest.mark.parametrize("repeat", [True, False])
def test_a_zone_says_the_same_however_it_is_cut(tmp_path: Path, seed: int, repeat: bool):
    write_nasty_zone(tmp_path / "a", seed, units_per_experiment=15)
    permute_zone(tmp_path / "a", tmp_path / "b", seed, repeat=repeat)
    expected = compute_tables(tmp_path / "a" / "landing", tmp_path / "a" / "catalog")
    actual = compute_tables(tmp_path / "b" / "landing", tmp_path / "b" / "catalog")
    for table in (expected, actual):
        if repeat:
            table["exposure_waterfall"] = [
                row for row in table["exposure_waterfall"] if row["bucket"] != "duplicate"
            ]
            table["credit_ledger"] = [
                {**row, "duplicate_count": 0} for row in table["credit_ledger"] if row["display_count"]
            ]
            report = "experiment_quality_report"
            table[report] = without_copies(table[report])
            del table["rejected_events"]
        else:
            for row in table["rejected_events"]:
                del row["arrival_date"], row["file"]
    for name, rows in expected.items():
        assert diff_tables(rows, actual[name], GRAINS[name]) == [], name


def test_permuted_files_are_other_files(tmp_path: Path):
    write_nasty_zone(tmp_path / "a", seed=1, units_per_experiment=15)
    permute_zone(tmp_path / "a", tmp_path / "b", seed=1)
    before = {row.file for row in read_events(tmp_path / "a" / "landing")}
    after = {row.file for row in read_events(tmp_path / "b" / "landing")}
    assert before and after and not before & after
    assert len(read_events(tmp_path / "b" / "landing")) > len(read_events(tmp_path / "a" / "landing"))


@SEEDS
def test_broken_files_leave_no_trace_in_the_tables(tmp_path: Path, seed: int):
    write_nasty_zone(tmp_path, seed, units_per_experiment=15)
    names = {Path(path).name for path, _ in quarantined_files(tmp_path / "landing")}
    assert names == {path.name for path in tmp_path.rglob("broken-*")}
    assert len(names) == 11
    tables = compute_tables(tmp_path / "landing", tmp_path / "catalog")
    assert not [row for rows in tables.values() for row in rows if "broken" in str(row.values())]


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path):
    for name in ("a", "b"):
        write_nasty_zone(tmp_path / name, seed=5, units_per_experiment=15)
    contents = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
            if path.is_file()
        }
        for name in ("a", "b")
    ]
    assert contents[0] == contents[1]


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "csv", "jsonl.gz", "csv.gz"])
def test_a_zone_of_one_format_on_one_day_holds_no_other(tmp_path: Path, ending: str):
    write_nasty_zone(tmp_path, 2, [ending], 15, is_spread=False, has_broken_files=False, has_far_days=True)
    files = {row.file for row in read_events(tmp_path / "landing")}
    assert all(file.endswith("." + ending) for file in files)
    assert len({Path(file).parent for file in files}) == 1
    catalog = read_catalog(tmp_path / "catalog", horizon_days=28)
    accepted, _ = judge_assignments(read_assignments(tmp_path / "landing"), catalog)
    # Tables with a row for every day until 2099 would take minutes, and say nothing of formats.
    counted = classify(read_events(tmp_path / "landing"), catalog, canonical_assignments(accepted)).counted
    assert {1970, 2099} <= {day.year for _, day, _ in counted}
