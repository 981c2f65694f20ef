"""Simulated coenrolling features: what is planted, and the truth about credit, windows and segments.
That buckets and verdicts are right is tested with all other simulations in `test_truth`.
"""

import hashlib
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from exposure_assets.simulation import FaultRates, OutputExistsError, SimulationPlan, simulate
from exposure_assets_tests.reference import GRAINS, compute_tables, diff_tables
from exposure_assets_tests.simulation.plain_judging import judge_events
from exposure_assets_tests.simulation.plain_reading import file_contents
from exposure_assets_tests.simulation.simulated import MANY_FAULTS, Simulated
from resources.catalog import load_catalog
from resources.catalog_warnings import catalog_warnings

PLAN = SimulationPlan(
    days=24, units=600, experiments=2, seed=11, formats="mixed", faults=MANY_FAULTS, coenrolling=True
)
BY = {
    "messaging": "credited_by_slug_count",
    "messaging_parts": "credited_by_part_id_count",
    "messaging_legacy": "credited_by_message_count",
}


class Messages(Simulated):
    """A simulation with coenrolling features."""

    def __init__(self, output: Path) -> None:
        super().__init__(PLAN, output)
        self.output = output

    def told(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.output / "truth" / f"{name}.parquet")


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> Messages:
    return Messages(tmp_path_factory.mktemp("messages"))


def test_without_the_option_the_rows_are_those_of_before_there_was_one(tmp_path: Path):
    simulate(SimulationPlan(days=4, units=60, experiments=2, seed=3, formats="jsonl"), tmp_path)
    written = {path: text for path, text in file_contents(tmp_path).items() if not path.endswith(".parquet")}
    digest = hashlib.sha256(b"".join(path.encode() + written[path] for path in sorted(written)))
    assert digest.hexdigest()[:16] == "9f4db2db586d09b4"


@pytest.mark.parametrize("properties", ["json", "struct"])
def test_the_same_plan_writes_the_same_bytes(tmp_path: Path, properties: Literal["json", "struct"]):
    plan = SimulationPlan(
        days=6, units=150, experiments=1, seed=5, formats="mixed", properties=properties, coenrolling=True
    )
    simulate(plan, tmp_path / "once")
    simulate(plan, tmp_path / "again")
    assert file_contents(tmp_path / "once") == file_contents(tmp_path / "again")


def test_all_else_stays_as_it_is_without_coenrolling_features(tmp_path: Path, messages: Messages):
    plain = SimulationPlan(days=24, units=600, experiments=2, seed=11, formats="mixed", faults=MANY_FAULTS)
    simulate(plain, tmp_path)
    with_messages = file_contents(messages.output / "landing")
    others = {path: text for path, text in with_messages.items() if "/messaging-" not in path}
    assert others == file_contents(tmp_path / "landing")
    assert len(with_messages) > len(others)


@pytest.mark.parametrize("days", [1, 2, 9, 60])
def test_the_catalog_is_accepted_with_the_one_warning_that_is_planted(tmp_path: Path, days: int):
    simulate(SimulationPlan(days=days, units=5, experiments=2, coenrolling=True), tmp_path)
    catalog = load_catalog(tmp_path / "catalog")
    assert len(catalog.experiments) == 8
    assert [warning.key for warning in catalog_warnings(catalog, tmp_path / "catalog")] == [
        "segments[#1].end"
    ]


def test_an_output_with_feature_configurations_is_not_mixed_with_others(tmp_path: Path):
    (tmp_path / "features").mkdir()
    with pytest.raises(OutputExistsError, match="features already exists"):
        simulate(SimulationPlan(days=1, units=2, experiments=1, coenrolling=True), tmp_path)


def test_every_display_credits_whom_the_contract_says_it_does(messages: Messages):
    expected = {
        (experiment_id, unit_id, exposure.event_id, exposure.variation_id, exposure.occurred_at)
        for (experiment_id, unit_id), exposures in messages.judged_events.exposures.items()
        for exposure in exposures
        if messages.experiments[experiment_id]["exposure"]["source"] in BY
    }
    columns = ("experiment_id", "unit_id", "event_id", "variation_id", "occurred_at")
    credited = messages.told("displays").filter(bucket="accepted").select(columns).rows()
    assert len(credited) == len(set(credited))
    assert set(credited) == expected


def test_the_ledger_counts_every_display_once_by_what_became_of_it(messages: Messages):
    expected: dict[tuple[object, ...], Counter[str]] = {}
    for source_id, column in BY.items():
        source = {source_id: messages.sources[source_id]}
        judged = judge_events(messages.events, messages.experiments, source, messages.canonical)
        for (experiment_id, day, bucket), count in judged.waterfall.items():
            row = expected.setdefault((experiment_id, day), Counter())
            if bucket == "accepted":
                names = ["credited_count", column, "display_count"]
            elif bucket == "duplicate":
                names = ["duplicate_count"]
            else:
                names = [f"{bucket}_count", "unattributable_count", "display_count"]
            row.update(dict.fromkeys(names, count))
    told = {
        (row.pop("experiment_id"), row.pop("exposure_date")): row
        for row in messages.told("credit_ledger").to_dicts()
    }
    shares = {key: row.pop("unattributable_share") for key, row in told.items()}
    assert {key: {name: n for name, n in row.items() if n} for key, row in told.items()} == expected
    assert shares == {
        key: row["unattributable_count"] / row["display_count"] if row["display_count"] else None
        for key, row in told.items()
    }


def test_windows_and_segments_are_those_of_the_reference(messages: Messages):
    tables = compute_tables(messages.output / "landing", messages.output / "catalog")
    for name in ("exposure_windows", "unit_segments", "credit_ledger"):
        told = messages.told(name).to_dicts()
        assert diff_tables(tables[name], told, GRAINS[name]) == [], name


def test_every_way_to_be_credited_and_every_reason_not_to_be_turns_up(messages: Messages):
    displays = messages.told("displays")
    found = set(displays.select("source", "bucket").unique().rows())
    reasons = {"accepted", "duplicate", "unassigned_unit", "unknown_experiment", "unresolved_template"}
    everywhere = reasons | {"malformed", "ambiguous_attribution"}
    assert {(source, bucket) for source in BY for bucket in everywhere} <= found
    assert {("messaging", "unknown_variation"), ("messaging", "outside_experiment")} <= found
    assert ("messaging_parts", "outside_experiment") in found


def test_many_units_are_in_both_experiments_of_a_source(messages: Messages):
    units = messages.units.select("experiment_id", "unit_id")
    for first, second in (
        ("messaging-tips", "messaging-offers"),
        ("message-rating", "message-digest"),
        ("message-survey", "message-pin"),
    ):
        both = set(units.filter(experiment_id=first)["unit_id"]) & set(
            units.filter(experiment_id=second)["unit_id"]
        )
        assert len(both) > 100


def test_some_assignments_arrive_days_after_the_displays_that_they_decide_about(messages: Messages):
    arrivals = {
        (row["experiment_id"], row["unit_id"]): row["arrival_date"]
        for row in messages.assignments
        if row["arrival_date"] > (row["assigned_at"] or row["ingested_at"]).date() + timedelta(days=1)
    }
    decided = messages.told("displays").filter(bucket="accepted", source="messaging")
    late = [
        row
        for row in decided.rows(named=True)
        if arrivals.get((row["experiment_id"], row["unit_id"]), row["arrival_date"]) > row["arrival_date"]
    ]
    assert late


def test_some_events_lie_exactly_on_the_bounds_of_segments_and_of_the_grace(messages: Messages):
    assigned = {key: row["assigned_at"] for key, row in messages.canonical.items()}
    searches = {
        row["occurred_at"] - assigned["messaging-tips", row["unit_id"]]
        for row in messages.events
        if row["event_name"] == "search" and ("messaging-tips", row["unit_id"]) in assigned
    }
    microsecond = timedelta(microseconds=1)
    assert {timedelta(0), -microsecond} <= searches
    shared = messages.told("displays").filter(pl.col("source") == "messaging_parts")
    grace = timedelta(minutes=messages.experiments["message-rating"]["exposure"]["grace_minutes"])
    distances = {
        row["occurred_at"] - assigned["message-rating", row["unit_id"]] + grace
        for row in shared.drop_nulls("occurred_at").rows(named=True)
        if ("message-rating", row["unit_id"]) in assigned
    }
    assert {timedelta(0), -microsecond} <= distances


def test_rates_of_zero_misspell_and_copy_nothing(tmp_path: Path):
    plan = SimulationPlan(
        days=20, units=300, experiments=1, seed=2, faults=FaultRates.none(), coenrolling=True
    )
    summary = simulate(plan, tmp_path)
    assert not any(summary.planted.values())
    displays = pl.read_parquet(tmp_path / "truth" / "displays.parquet")
    assert set(displays.filter(source="messaging")["bucket"]) <= {"accepted", "outside_experiment"}
    # What the legacy streams don't say is no fault of anybody's.
    assert {"ambiguous_attribution", "unassigned_unit"} <= set(displays["bucket"])


def test_feature_configurations_name_every_variation_and_one_file_is_full_of_faults(messages: Messages):
    features = messages.output / "features"
    assert sorted(path.name for path in features.iterdir()) == [
        "messaging-offers.json",
        "messaging-tips.json",
        "messaging.json",
        "planted-faults.json",
    ]
    for id in ("messaging-tips", "messaging-offers"):
        recipe = json.loads((features / f"{id}.json").read_text(encoding="utf-8"))
        variations = [variation["id"] for variation in messages.experiments[id]["variations"]]
        assert (recipe["slug"], [branch["slug"] for branch in recipe["branches"]]) == (id, variations)
