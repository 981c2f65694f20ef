"""A broken catalog, a landing zone that is silent or gone, and sensors that fail."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from exposure_assets.automation.alerts_ticks import failing_ticks
from exposure_assets_tests.automation.alert_desk import EXPERIMENTS, Desk, desk, write_catalog
from exposure_assets_tests.automation.receivers import Webhook, webhook
from resources.landing import LandingZone


@pytest.fixture
def team() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


@pytest.fixture
def watched(tmp_path: Path, team: Webhook) -> Iterator[Desk]:
    with desk(tmp_path, team.url) as installed:
        yield installed


def deliver(watched: Desk, name: str) -> datetime:
    """A new file, found by a scan; gives the instant of the scan."""
    folder = Path(watched.settings.landing, "events", "date=2026-01-01")
    folder.mkdir(parents=True, exist_ok=True)
    event = {"event_id": name, "event_name": "x", "unit_id": "u", "occurred_at": "2026-01-01T00:00:00Z"}
    (folder / name).write_text(json.dumps(event))
    LandingZone(watched.settings.landing, watched.settings.staging).refresh()
    return datetime.now(UTC)


def test_a_landing_zone_without_a_file_is_not_judged(watched: Desk, team: Webhook):
    watched.tick(60 * 24 * 365)
    assert team.posted == []


def test_a_landing_zone_that_goes_silent_is_announced_once_and_again_when_a_file_arrives(
    watched: Desk, team: Webhook
):
    watched.now = deliver(watched, "a.jsonl") + timedelta(hours=35, minutes=58)
    watched.tick()
    assert team.posted == []
    watched.tick(2)
    watched.tick()
    assert team.titles == ["FAILED: landing zone is silent"]
    assert "expected: a new file at least every 36 hours" in team.posted[0]["message"]
    deliver(watched, "b.jsonl")
    watched.now = datetime.now(UTC)
    watched.tick()
    watched.tick()
    assert team.titles[1:] == ["RECOVERED: landing zone is silent"]


def test_a_landing_zone_that_is_gone_is_announced_and_does_not_end_its_silence(watched: Desk, team: Webhook):
    watched.now = deliver(watched, "a.jsonl") + timedelta(hours=37)
    watched.tick()
    shutil.move(watched.settings.landing, watched.folder / "away")
    watched.tick()
    shutil.move(watched.folder / "away", watched.settings.landing)
    watched.tick()
    assert team.titles == [
        "FAILED: landing zone is silent",
        "FAILED: landing zone out of reach",
        "RECOVERED: landing zone out of reach",
    ]


def test_a_catalog_with_problems_is_announced_with_them_and_again_when_it_is_mended(
    watched: Desk, team: Webhook
):
    path = watched.settings.catalog / "experiments/a.toml"
    path.write_text(path.read_text() + "colour = 'red'\n")
    watched.tick()
    watched.tick()
    assert team.titles == ["FAILED: catalog with problems"]
    assert "found: 1 problem: " in team.posted[0]["message"]
    assert "experiments/a.toml" in team.posted[0]["message"]
    write_catalog(watched.settings.catalog, EXPERIMENTS)
    watched.tick()
    assert team.titles[1:] == ["RECOVERED: catalog with problems"]


def test_while_the_catalog_is_broken_no_failure_of_an_experiment_is_over(watched: Desk, team: Webhook):
    watched.judge({"2026-01-01|a": 3})
    watched.tick()
    (watched.settings.catalog / "experiments/b.toml").write_text("nonsense")
    watched.tick()
    assert team.titles[1:] == ["FAILED: catalog with problems"]


def origin(name: str, location: str = "exposures") -> RemoteInstigatorOrigin:
    return RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__"), name
    )


class Ticker:
    """A sensor whose ticks a test writes into Dagster's storage, as the daemon does."""

    def __init__(self, instance: dg.DagsterInstance, name: str, location: str = "exposures") -> None:
        self.instance, self.name, self.origin = instance, name, origin(name, location)
        self.state = InstigatorState(
            self.origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, None
        )
        instance.add_instigator_state(self.state)
        self.count = 0

    def tick(self, status: TickStatus, *error: str) -> None:
        """One tick; the error is its messages with the classes, from Dagster's to the first."""
        info = None
        for text in reversed(error):
            cls_name, _, message = text.partition(": ")
            info = SerializableErrorInfo(message=message, stack=[], cls_name=cls_name, cause=info)
        self.count += 1
        self.instance.create_tick(
            TickData(
                self.origin.get_id(),
                self.name,
                InstigatorType.SENSOR,
                status,
                timestamp=1_767_000_000.0 + self.count,
                run_ids=[],
                selector_id=self.state.selector_id,
                error=info,
            )
        )

    def stop(self) -> None:
        """As when a person switches it off."""
        self.instance.update_instigator_state(self.state.with_status(InstigatorStatus.STOPPED))


def failing(watched: Desk, location: str | None = None) -> list[str]:
    found = failing_ticks(watched.instance, {"landing"}, location)
    return [dict(condition.facts)["found"] for condition in found.values()]


def test_a_sensor_fails_from_a_failed_tick_to_the_next_good_one(watched: Desk):
    landing = Ticker(watched.instance, "landing")
    assert failing(watched) == []
    landing.tick(TickStatus.FAILURE, "SensorExecutionError: Error occurred", "KeyError: no\nsuch key")
    landing.tick(TickStatus.STARTED)
    assert failing(watched) == ["no"]
    landing.tick(TickStatus.SKIPPED)
    assert failing(watched) == []


def test_a_sensor_that_was_switched_off_fails_no_more(watched: Desk):
    landing = Ticker(watched.instance, "landing")
    landing.tick(TickStatus.FAILURE, "KeyError: no")
    landing.stop()
    assert failing(watched) == []


def test_sensors_of_other_code_locations_are_theirs(watched: Desk):
    Ticker(watched.instance, "landing", "elsewhere").tick(TickStatus.FAILURE, "KeyError: no")
    assert failing(watched, "exposures") == []
    assert failing(watched, "elsewhere") == ["no"]


@pytest.mark.parametrize("known", ["CatalogError", "LandingError"])
def test_a_tick_that_fails_for_what_is_announced_by_itself_is_not_announced_too(watched: Desk, known: str):
    Ticker(watched.instance, "landing").tick(
        TickStatus.FAILURE, "SensorExecutionError: Error occurred", f"{known}: it is broken"
    )
    assert failing(watched) == []


def test_a_failing_sensor_is_announced_with_its_page(watched: Desk, team: Webhook):
    @dg.sensor(name="landing")
    def landing() -> None: ...

    graph = watched.definitions
    watched.graph = dg.Definitions.merge(graph, dg.Definitions(sensors=[landing]))
    ticker = Ticker(watched.instance, "landing")
    ticker.tick(TickStatus.FAILURE, "KeyError: no")
    watched.tick()
    ticker.tick(TickStatus.SUCCESS)
    watched.tick()
    assert team.titles == ["FAILED: sensor landing", "RECOVERED: sensor landing"]
    assert "/locations/__repository__@exposures/sensors/landing" in team.posted[0]["message"]
