"""Failed checks of real runs: announced once, recovered once, each partition by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from exposure_assets.automation import alerts_checks, alerts_log
from exposure_assets_tests.automation.alert_desk import Desk, desk, write_catalog
from exposure_assets_tests.automation.receivers import Webhook, webhook


@pytest.fixture
def team() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


@pytest.fixture
def watched(tmp_path: Path, team: Webhook) -> Iterator[Desk]:
    with desk(tmp_path, team.url) as installed:
        yield installed


def test_a_check_that_fails_is_announced_once_and_once_when_it_passes_again(watched: Desk, team: Webhook):
    watched.tick()
    watched.run(found="3")
    for _ in range(3):
        watched.tick()
    assert team.titles == ["FAILED: check grain of assignments"]
    watched.run(found="0")
    for _ in range(3):
        watched.tick()
    assert team.titles[1:] == ["RECOVERED: check grain of assignments"]


def test_the_message_names_check_and_numbers_and_links_to_the_check(watched: Desk, team: Webhook):
    watched.run(found="3")
    watched.tick()
    lines = team.posted[0]["message"].splitlines()
    assert lines[:4] == ["asset: assignments", "check: grain", "found: 3", "expected: 0 rows"]
    assert "link: http://127.0.0.1:3000/assets/assignments?view=checks&checkDetail=grain" in lines
    assert team.posted[0]["type"] == "failure"


def test_a_check_that_only_warns_is_announced_as_a_warning(watched: Desk, team: Webhook):
    watched.run(found="3", severity="WARN")
    watched.tick()
    assert [(m["title"], m["type"]) for m in team.posted] == [
        ("WARNING: check grain of assignments", "warning")
    ]


def test_partitions_that_fail_together_are_one_message_and_each_recovers_by_itself(
    watched: Desk, team: Webhook
):
    watched.judge({"2026-01-01|a": 3, "2026-01-02|a": 4, "2026-01-02|b": 0})
    watched.tick()
    assert team.titles == ["FAILED: check volume of assignments (2 times)"]
    assert "- day 2026-01-01, found 3\n- day 2026-01-02, found 4" in team.posted[0]["message"]
    watched.judge({"2026-01-03|b": 5, "2026-01-01|a": 0})
    watched.tick()
    watched.tick()
    assert team.titles[1:] == [
        "FAILED: check volume of assignments (b, 2026-01-03)",
        "RECOVERED: check volume of assignments (a, 2026-01-01)",
    ]


def test_a_verdict_that_repeats_itself_is_no_news(watched: Desk, team: Webhook):
    for found in (3, 4, 5):
        watched.judge({"2026-01-01|a": found})
        watched.tick()
    assert len(team.posted) == 1
    assert dict(watched.open[0].facts)["found"] == "5"


def test_what_failed_and_passed_between_two_looks_is_no_news(watched: Desk, team: Webhook):
    watched.tick()
    watched.judge({"2026-01-01|a": 3})
    watched.judge({"2026-01-01|a": 0})
    watched.tick()
    assert team.posted == []


def test_what_failed_before_the_first_look_is_announced(watched: Desk, team: Webhook):
    watched.judge({"2026-01-01|a": 3, "2026-01-02|a": 3})
    watched.judge({"2026-01-02|a": 0})
    watched.run("2026-01-05|a", found="2")
    watched.tick()
    assert team.titles == [
        "FAILED: check grain of assignments",
        "FAILED: check volume of assignments (a, 2026-01-01)",
    ]


def test_a_check_that_is_planned_anew_still_counts_as_it_was_judged(watched: Desk, team: Webhook):
    watched.run(found="3")
    watched.run(fails="assignments")
    watched.tick()
    assert "FAILED: check grain of assignments" in team.titles


def test_a_restart_repeats_nothing_and_loses_nothing(watched: Desk, team: Webhook):
    watched.judge({"2026-01-01|a": 3})
    watched.tick()
    again = watched.restart()
    again.tick()
    assert len(team.posted) == 1
    watched.judge({"2026-01-01|a": 0, "2026-01-02|a": 7})
    watched.restart(now=again.now).tick()
    assert team.titles[1:] == [
        "FAILED: check volume of assignments (a, 2026-01-02)",
        "RECOVERED: check volume of assignments (a, 2026-01-01)",
    ]


def test_a_check_that_is_no_longer_defined_is_over(watched: Desk, team: Webhook):
    watched.judge({"2026-01-01|a": 3})
    watched.tick()
    watched.checks = []
    watched.tick()
    watched.tick()
    assert team.titles[1:] == ["RECOVERED: check volume of assignments (a, 2026-01-01)"]


def test_a_partition_of_an_experiment_that_left_the_catalog_is_over(watched: Desk, team: Webhook):
    watched.judge({"2026-01-01|b": 3})
    watched.tick()
    write_catalog(watched.settings.catalog, ["a", "c"])
    watched.tick()
    assert team.titles[1:] == ["RECOVERED: check volume of assignments (b, 2026-01-01)"]


def test_events_of_a_deleted_run_do_not_hide_later_ones(watched: Desk, team: Webhook):
    watched.tick()
    first = watched.run(found="3")
    watched.tick()
    # SQLite gives the ids of the deleted events to the next ones.
    watched.instance.delete_run(first)
    watched.judge({"2026-01-09|a": 4})
    watched.tick()
    assert "FAILED: check volume of assignments (a, 2026-01-09)" in team.titles


def test_a_lost_book_announces_once_more_what_is_open_and_nothing_else(watched: Desk, team: Webhook):
    watched.judge({"2026-01-01|a": 3, "2026-01-02|a": 3})
    watched.tick()
    watched.judge({"2026-01-02|a": 0})
    watched.tick()
    (watched.settings.staging / "alerts.json").unlink()
    watched.tick()
    watched.tick()
    assert team.titles[2:] == ["FAILED: check volume of assignments (a, 2026-01-01)"]


def test_dozens_of_failed_partitions_are_one_message(watched: Desk, team: Webhook):
    watched.judge({f"2026-01-{day:02}|{experiment}": 1 for day in range(1, 20) for experiment in "abc"})
    watched.tick()
    assert team.titles == ["FAILED: check volume of assignments (57 times)"]
    assert "- and 47 more" in team.posted[0]["message"]
    assert len(watched.open) == 57


def test_more_verdicts_than_one_look_reads_are_read_by_the_next_ones(
    watched: Desk, team: Webhook, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(alerts_log, "_LOOKED_AT_AGAIN", 2)
    monkeypatch.setattr(alerts_log, "_EVENTS_PER_LOOK", 5)
    watched.tick()
    days = [f"2026-01-{day:02}" for day in range(1, 13)]
    watched.judge({f"{day}|a": number for number, day in enumerate(days, start=1)})
    for _ in range(5):
        watched.tick()
    assert [dict(wrong.facts)["day"] for wrong in watched.open] == days
    assert sum(message["message"].count("found") for message in team.posted) == 12


def test_a_number_is_rounded_and_a_text_ends_with_its_first_line():
    def found(**result: Any) -> str:
        verdict = dg.AssetCheckEvaluation(dg.AssetKey("t"), "c", False, result.pop("metadata", {}), **result)
        return dict(alerts_checks.condition_of(verdict, 0.0, "").facts)["found"]

    assert found(metadata={"found": dg.MetadataValue.float(0.123456789)}) == "0.123457"
    assert found(metadata={"found": dg.MetadataValue.int(1_000_000)}) == "1000000"
    assert found(description="\n2 rows break the rule.\n| a |\n|---|") == "2 rows break the rule."


def test_the_sensor_runs_by_itself_twice_a_minute_and_requests_nothing(watched: Desk):
    watched.tick()
    assert watched.sensor is not None
    assert watched.sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert watched.sensor.minimum_interval_seconds == 30
    assert watched.said == "0 open; 0 messages sent"
