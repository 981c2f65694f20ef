"""Scans that have no time to read every file, and what a scan says of when files came."""

import gzip
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exposure_assets_tests.resources.landing_files import Place, event, january, jsonl
from resources.landing_index import FileIndex, index_file


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def settle(path: Path) -> Path:
    """Make a file one that has lain there for a while."""
    os.utime(path, (1e9, 1e9))
    return path


def deliver(place: Place, name: str, *rows: dict[str, object], arrival: str = "2026-01-01") -> Path:
    return settle(place.deliver(jsonl(*rows), name, arrival=arrival))


def test_a_budget_reads_at_least_one_file_and_keeps_what_it_read(place: Place):
    for day in (1, 2, 3):
        deliver(place, "a.jsonl", event(f"{day}", day), arrival=f"2026-01-0{day}")
    scans = [place.zone.refresh(0) for _ in range(4)]
    assert [scan.frame.height for scan in scans] == [1, 2, 3, 3]
    assert [scan.unread for scan in scans] == [2, 1, 0, 0]
    assert [scan.is_complete for scan in scans] == [False, False, True, True]
    assert scans[-1].days("events") == [january(1), january(2), january(3)]


def test_a_budget_that_is_not_used_up_reads_all(place: Place):
    for day in (1, 2, 3):
        deliver(place, "a.jsonl", event(f"{day}", day), arrival=f"2026-01-0{day}")
    assert place.zone.refresh(600).is_complete


def test_without_a_budget_a_scan_is_complete(place: Place):
    deliver(place, "a.jsonl", event("a"))
    deliver(place, "b.jsonl", event("b"))
    place.zone.refresh(0)
    manifest = place.zone.refresh()
    assert (manifest.is_complete, manifest.unread, manifest.frame.height) == (True, 0, 2)


def test_a_changed_file_stays_as_it_was_until_there_is_time_to_read_it(place: Place):
    deliver(place, "a.jsonl", event("a", 1))
    changed = deliver(place, "b.jsonl", event("b", 2))
    before = place.scan().frame
    settle(place.deliver(jsonl(event("new", 3)), "a.jsonl"))
    changed.write_bytes(jsonl(event("changed", 4)))
    os.utime(changed, (1.1e9, 1.1e9))
    manifest = place.zone.refresh(0)
    assert (manifest.unread, manifest.days("events")) == (1, [january(1), january(2), january(3)])
    assert manifest.frame.filter(path="events/date=2026-01-01/b.jsonl").equals(
        before.filter(path="events/date=2026-01-01/b.jsonl")
    )
    assert place.zone.refresh(0).days("events") == [january(1), january(3), january(4)]


def test_a_removed_file_is_forgotten_although_there_is_no_time_to_read_the_others(place: Place):
    removed = deliver(place, "removed.jsonl", event("removed", 5))
    place.scan()
    removed.unlink()
    deliver(place, "a.jsonl", event("a", 1))
    deliver(place, "b.jsonl", event("b", 2))
    manifest = place.zone.refresh(0)
    assert (manifest.unread, manifest.frame.height) == (1, 1)
    assert january(5) not in manifest.days("events")


def test_a_file_whose_index_is_lost_is_unread_until_it_was_read_again(place: Place):
    for name in ("a.jsonl", "b.jsonl"):
        deliver(place, name, event(name, 1))
    seen = place.scan().frame["seen_at"]
    for index in (place.staging / "landing" / "converted").iterdir():
        index.unlink()
    manifest = place.zone.refresh(0)
    assert (manifest.unread, manifest.frame.height) == (1, 1)
    assert place.zone.refresh(0).frame["seen_at"].equals(seen), "it is no arrival"


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.csv"])
def test_a_file_that_is_written_to_while_it_is_read_is_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str
):
    def content(*ids: str) -> bytes:
        rows = jsonl(*(event(id_, 1) for id_ in ids), event("late", 2))
        if name.endswith(".csv"):
            lines = (",".join(json.loads(line).values()) for line in rows.splitlines())
            return "\n".join(["event_id,event_name,unit_id,occurred_at", *lines, ""]).encode()
        return gzip.compress(rows) if name.endswith(".gz") else rows

    def slow(index: FileIndex, path: str) -> dict[str, object]:
        if more:
            (place.landing / path).write_bytes(content(*more.pop(0)))
        return index_file(index, path)

    monkeypatch.setattr("resources.landing_reader.index_file", slow)
    deliver(place, "other.jsonl", event("other", 3))
    first = place.deliver(content("a"), name)
    more = [("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")]
    manifest = place.zone.refresh()
    assert (manifest.unread, manifest.days("events")) == (1, [january(1), january(3)])
    more = [("a", "b", "c", "d", "e")]
    assert place.event_ids() == {1: list("abcde"), 2: ["late"], 3: ["other"]}
    first.write_bytes(content("a"))
    assert place.event_ids() == {1: ["a"], 2: ["late"], 3: ["other"]}


def test_a_scan_that_finds_nothing_new_writes_nothing(place: Place):
    deliver(place, "a.jsonl", event("a", 1), event("late", 2))
    place.scan()
    before = {path: path.stat().st_mtime_ns for path in place.staging.rglob("*")}
    place.scan()
    assert {path: path.stat().st_mtime_ns for path in place.staging.rglob("*")} == before


def test_a_time_stamp_in_the_future_does_not_have_a_file_read_for_ever(place: Place):
    path = place.deliver(jsonl(event("a")))
    os.utime(path, (4e9, 4e9))
    place.scan()
    assert "unsettled" in place.scan().frame["version"].item(), "it may change within its time stamp"
    path.write_bytes(jsonl(event("b")))
    os.utime(path, (4e9, 4e9))
    assert place.event_ids() == {1: ["b"]}
    seen_at = place.scan().frame["seen_at"].item()
    while (datetime.now(UTC) - seen_at).total_seconds() < 2.1:
        time.sleep(0.1)
    assert "unsettled" not in place.scan().frame["version"].item()
    path.write_bytes(jsonl(event("c")))
    assert place.event_ids() == {1: ["c"]}


def test_a_link_to_a_file_is_a_file_and_one_to_nothing_is_none(place: Place, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.jsonl").write_bytes(jsonl(event("a", 1)))
    deliver(place, "b.jsonl", event("b", 1))
    (place.landing / "events" / "date=2026-01-01" / "linked.jsonl").symlink_to(elsewhere / "a.jsonl")
    (place.landing / "events" / "date=2026-01-01" / "dangling.jsonl").symlink_to(elsewhere / "none.jsonl")
    (place.landing / "events" / "date=2026-01-02").symlink_to(elsewhere)
    assert place.event_ids() == {1: ["a", "a", "b"]}


def test_the_last_arrival_is_when_content_was_first_seen_at_its_place(place: Place):
    assert place.scan().last_arrival_at is None
    started = datetime.now(UTC)
    path = deliver(place, "a.jsonl", event("a"))
    first = place.scan().last_arrival_at
    assert first is not None and started <= first <= datetime.now(UTC)
    assert place.scan().last_arrival_at == first
    os.utime(path, (1.1e9, 1.1e9))
    assert place.scan().last_arrival_at == first, "touched, and still the same content"
    path.write_bytes(jsonl(event("b")))
    changed = place.scan().last_arrival_at
    assert changed is not None and changed > first
    settle(place.deliver(path.read_bytes(), "copy.jsonl"))
    copied = place.scan().last_arrival_at
    assert copied is not None and copied > changed, "a file that came again has come"
