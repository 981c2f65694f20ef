"""Failed runs: announced once for what they left undone, over when later runs have done it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from exposure_assets_tests.automation.alert_desk import Desk, desk, write_catalog
from exposure_assets_tests.automation.receivers import Webhook, webhook


@pytest.fixture
def team() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


@pytest.fixture
def watched(tmp_path: Path, team: Webhook) -> Iterator[Desk]:
    with desk(tmp_path, team.url) as installed:
        installed.tick()
        yield installed


def titles_of_runs(team: Webhook) -> list[str]:
    return [title for title in team.titles if "run of" in title]


def test_a_failed_run_is_announced_with_its_work_its_error_and_its_page(watched: Desk, team: Webhook):
    run_id = watched.run(
        "2026-01-01|a", "2026-01-03|b", fails="assignments", because="the disk is full\nat 9%"
    )
    watched.tick()
    assert titles_of_runs(team) == ["FAILED: run of compute_tables (a, b, 2026-01-01 to 2026-01-03)"]
    lines = team.posted[0]["message"].splitlines()
    assert lines[:6] == [
        "job: compute_tables",
        "assets: assignments, exposure_validation",
        "experiment: a, b",
        "day: 2026-01-01 to 2026-01-03",
        "found: assignments: the disk is full",
        "expected: a run that succeeds",
    ]
    assert f"link: http://127.0.0.1:3000/runs/{run_id}" in lines


def test_a_retry_that_fails_again_is_no_news_and_one_that_succeeds_is(watched: Desk, team: Webhook):
    for _ in range(2):
        watched.run("2026-01-01|a", "2026-01-03|a", fails="assignments")
        watched.tick()
    assert len(titles_of_runs(team)) == 1
    watched.run("2026-01-01|a", "2026-01-03|a")
    watched.tick()
    watched.tick()
    assert titles_of_runs(team)[1:] == ["RECOVERED: run of compute_tables (a, 2026-01-01 to 2026-01-03)"]


def test_a_retry_of_a_part_that_fails_is_no_news_and_one_day_more_is(watched: Desk, team: Webhook):
    watched.run("2026-01-01|a", "2026-01-03|a", fails="assignments")
    watched.tick()
    watched.run("2026-01-02|a", fails="assignments")
    watched.tick()
    assert len(titles_of_runs(team)) == 1
    watched.run("2026-01-01|a", "2026-01-04|a", fails="assignments")
    watched.tick()
    assert len(titles_of_runs(team)) == 2


def test_the_work_may_be_done_in_other_pieces_than_it_failed_in(watched: Desk, team: Webhook):
    watched.run("2026-01-02|a", "2026-01-03|b", fails="assignments")
    watched.tick()
    watched.run("2026-01-01|a", "2026-01-02|b")
    watched.tick()
    watched.run("2026-01-03|b", "2026-01-05|c")
    watched.tick()
    assert titles_of_runs(team)[1:] == []
    watched.run("2026-01-03|a")
    watched.tick()
    assert titles_of_runs(team)[1:] == ["RECOVERED: run of compute_tables (a, b, 2026-01-02 to 2026-01-03)"]


def test_only_what_the_failed_run_left_undone_has_to_be_done(watched: Desk, team: Webhook):
    watched.run("2026-01-01|a", fails="exposure_validation")
    watched.tick()
    assert {target.step for target in watched.open[0].targets} == {"exposure_validation"}
    watched.run("2026-01-01|a", only=["exposure_validation"])
    watched.tick()
    assert titles_of_runs(team)[1:] == ["RECOVERED: run of compute_tables (a, 2026-01-01)"]


def test_what_a_failed_run_did_before_it_failed_is_done(watched: Desk, team: Webhook):
    watched.run("2026-01-01|a", fails="assignments", only=["assignments"])
    watched.tick()
    watched.run("2026-01-01|a", fails="exposure_validation")
    watched.tick()
    assert titles_of_runs(team)[1:] == [
        "FAILED: run of compute_tables (a, 2026-01-01)",
        "RECOVERED: run of compute_tables (a, 2026-01-01)",
    ]


def test_a_check_that_crashed_is_over_when_it_can_judge_again_whatever_the_partition(
    watched: Desk, team: Webhook
):
    watched.run("2026-01-01|a", fails="rate")
    watched.tick()
    assert "found: exposure_validation_rate: ZeroDivisionError: division by zero" in team.posted[0]["message"]
    watched.run("2026-01-09|c")
    watched.tick()
    assert titles_of_runs(team)[1:] == ["RECOVERED: run of compute_tables (a, 2026-01-01)"]


def test_runs_that_fail_for_the_same_reason_are_one_message(watched: Desk, team: Webhook):
    for experiment in "abc":
        watched.run(f"2026-01-01|{experiment}", fails="assignments")
    watched.tick()
    assert titles_of_runs(team) == ["FAILED: run of compute_tables (3 times)"]
    assert len(watched.open) == 3


def test_a_cancelled_run_is_nobodys_business(watched: Desk, team: Webhook):
    run = watched.instance.create_run_for_job(watched.definitions.resolve_job_def("housekeeping"))
    watched.instance.report_run_canceled(run)
    watched.tick()
    assert team.posted == []


def test_a_run_whose_worker_vanished_is_a_failed_run(watched: Desk, team: Webhook):
    job = watched.definitions.resolve_job_def("housekeeping")
    run = watched.instance.create_run_for_job(job)
    watched.instance.report_run_failed(run, "Detected run worker status FAILED: the process is gone")
    watched.tick()
    assert titles_of_runs(team) == ["FAILED: run of housekeeping"]
    assert "the process is gone" in team.posted[0]["message"]
    watched.run(job="housekeeping")
    watched.tick()
    assert titles_of_runs(team)[1:] == ["RECOVERED: run of housekeeping"]


def test_a_deleted_run_is_over(watched: Desk, team: Webhook):
    run_id = watched.run(fails="assignments")
    watched.tick()
    watched.instance.delete_run(run_id)
    watched.tick()
    assert titles_of_runs(team)[1:] == ["RECOVERED: run of compute_tables (a, 2026-01-01)"]


def test_nobody_waits_for_an_experiment_that_left_the_catalog(watched: Desk, team: Webhook):
    watched.run("2026-01-01|a", "2026-01-01|b", fails="assignments")
    watched.tick()
    write_catalog(watched.settings.catalog, ["a", "c"])
    watched.tick()
    assert titles_of_runs(team)[1:] == []
    watched.run("2026-01-01|a")
    watched.tick()
    assert titles_of_runs(team)[1:] == ["RECOVERED: run of compute_tables (a, b, 2026-01-01)"]


def test_what_failed_while_nobody_looked_is_announced_after_a_restart(watched: Desk, team: Webhook):
    watched.run("2026-01-01|a", fails="assignments")
    watched.run("2026-01-02|a", fails="assignments")
    watched.run("2026-01-01|a")
    watched.restart().tick(60 * 24 * 30)
    assert titles_of_runs(team) == ["FAILED: run of compute_tables (a, 2026-01-02)"]


def test_the_first_look_ever_sees_the_failures_of_the_last_days_that_still_matter(
    watched: Desk, team: Webhook
):
    watched.run("2026-01-01|a", fails="assignments")
    watched.run("2026-01-02|a", fails="assignments")
    watched.run("2026-01-01|a")
    (watched.settings.staging / "alerts.json").unlink()
    watched.tick()
    assert titles_of_runs(team) == ["FAILED: run of compute_tables (a, 2026-01-02)"]


def test_an_unfinished_run_is_no_failure(watched: Desk, team: Webhook):
    run = watched.instance.create_run_for_job(
        watched.definitions.resolve_job_def("housekeeping"), status=dg.DagsterRunStatus.STARTED
    )
    watched.tick()
    assert (team.posted, watched.instance.get_run_by_id(run.run_id) is None) == ([], False)
