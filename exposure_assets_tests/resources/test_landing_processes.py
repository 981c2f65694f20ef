"""Processes that scan a landing zone at once, or are killed while they do: nothing is lost, nothing is half."""

import os
from pathlib import Path

import polars as pl
import pytest

from exposure_assets_tests.resources.landing_files import Place, event, january, jsonl
from exposure_assets_tests.resources.landing_scans import scanning
from resources.atomic import content_of
from resources.landing import LandingZone
from resources.landing_days import day_rows

DAYS = range(1, 10)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def deliver_many(place: Place, count: int) -> list[Path]:
    """Files of a row on their arrival day, a late one and a broken one, delivered a while ago."""
    paths = [
        place.deliver(
            jsonl(
                event(f"{number}", number % 9 + 1),
                event(f"{number} late", (number + 4) % 9 + 1),
                event(f"{number} broken", unit_id=None),
            ),
            name=f"{number}.jsonl",
            arrival=f"2026-01-0{number % 9 + 1}",
        )
        for number in range(count)
    ]
    for path in paths:
        os.utime(path, (1e9, 1e9))
    return paths


def found(place: Place, staging: Path) -> tuple[pl.DataFrame, list[list[str]]]:
    """What the manifest says of the files, and the ids of every day."""
    zone = LandingZone(str(place.landing), staging)
    manifest = zone.refresh()
    ids = [sorted(day_rows(zone, manifest, "events", january(day))["event_id"]) for day in DAYS]
    return manifest.frame.drop("seen_at"), ids


def recorded(place: Place) -> pl.DataFrame:
    """The manifest that the processes have left, before anybody scans again."""
    return pl.read_parquet(content_of(place.staging / "landing" / "manifest.parquet"))


@pytest.mark.parametrize("seconds", [0, None], ids=["a file at a time", "all files at once"])
def test_scans_at_once_leave_what_one_scan_leaves(place: Place, tmp_path: Path, seconds: float | None):
    deliver_many(place, 60)
    processes = [scanning(place.landing, place.staging, seconds) for _ in range(3)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert recorded(place)["path"].n_unique() == recorded(place).height == 60
    manifest, ids = found(place, place.staging)
    alone_manifest, alone_ids = found(place, tmp_path / "alone")
    assert manifest.equals(alone_manifest)
    assert ids == alone_ids


def test_a_scan_forgets_nothing_that_another_process_found_out_meanwhile(place: Place):
    paths = deliver_many(place, 60)
    zone = place.zone
    manifest = zone.refresh(0)
    (damaged,) = manifest.files["events"]
    process = scanning(place.landing, place.staging, 0)
    while recorded(place).height < 10:
        assert process.is_alive()
    zone.quarantine(damaged, "damage that only shows when all columns are read")
    seen_at = recorded(place).filter(path=damaged.path)["seen_at"].item()
    paths[-1].unlink()
    process.join()
    assert process.exitcode == 0
    manifest = zone.refresh()
    assert manifest.frame.height == 59
    assert manifest.quarantined["path"].to_list() == [damaged.path]
    assert manifest.frame.filter(path=damaged.path)["seen_at"].item() == seen_at


def test_a_scan_that_is_killed_keeps_no_other_from_scanning(place: Place, tmp_path: Path):
    deliver_many(place, 60)
    kept = 0
    for _ in range(3):
        process = scanning(place.landing, place.staging, 0)
        manifest = place.staging / "landing" / "manifest.parquet"
        while not manifest.exists() or recorded(place).height == kept:
            assert process.is_alive()
        process.kill()
        process.join()
        assert recorded(place).height > kept
        kept = recorded(place).height
    assert kept < 60, "the last one was not killed in time"
    assert found(place, place.staging)[1] == found(place, tmp_path / "alone")[1]
