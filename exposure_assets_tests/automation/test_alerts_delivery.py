"""Channels that are down, slow or wrong: the others are served, and nothing is sent twice or lost."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from exposure_assets.automation.alerts_commands import AlertTestError, open_alerts, send_test_alert
from exposure_assets.automation.alerts_compare import compared
from exposure_assets.automation.alerts_delivery import Delivery
from exposure_assets_tests.automation.alert_desk import Desk, desk
from exposure_assets_tests.automation.conditions import NOON, condition, minutes
from exposure_assets_tests.automation.receivers import Webhook, mail_server, webhook
from resources.alert_book import AlertBook, Book
from resources.alert_channels import AlertChannelError, open_channels
from resources.settings import Settings


@pytest.fixture
def team() -> Iterator[Webhook]:
    with webhook() as server:
        yield server


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Desk]:
    with desk(tmp_path) as installed:
        yield installed


def break_catalog(watched: Desk) -> None:
    (watched.settings.catalog / "experiments/b.toml").write_text("nonsense")


def test_without_channels_the_book_is_kept_and_the_sensor_says_so(watched: Desk):
    break_catalog(watched)
    assert watched.tick() == "1 open; no channels: EXPOSURES_ALERTS names none"
    assert [wrong.title for wrong in watched.open] == ["catalog with problems"]


def test_the_first_channel_ever_hears_of_what_is_open_once(watched: Desk, team: Webhook):
    break_catalog(watched)
    watched.tick()
    later = watched.restart(alerts=(team.url,))
    later.tick()
    later.tick()
    assert team.titles == ["FAILED: catalog with problems"]


def test_mail_and_webhook_get_the_same_alert(watched: Desk, team: Webhook):
    with mail_server() as mail:
        watched.alerts = (team.url, mail.url)
        break_catalog(watched)
        watched.tick()
        watched.tick()
    assert team.titles == [mail["Subject"] for mail in mail.mails] == ["FAILED: catalog with problems"]


def test_a_channel_that_is_down_holds_up_no_other_and_gets_its_alert_when_it_is_back(
    watched: Desk, team: Webhook
):
    with webhook() as other:
        watched.alerts = (other.url, team.url)
        other.status = 503
        break_catalog(watched)
        said = watched.tick()
        assert team.titles == ["FAILED: catalog with problems"]
        assert "alert channel 1 (json): it answered with HTTP status 503; next try after" in said
        other.status = 200
        watched.tick(1)
        watched.tick(1)
        assert other.titles == ["FAILED: catalog with problems"]
    assert len(team.posted) == 1


def test_a_channel_that_is_down_is_left_in_peace_between_two_tries(watched: Desk, team: Webhook):
    watched.alerts = (team.url,)
    team.status = 503
    break_catalog(watched)
    watched.tick()
    for _ in range(5):
        watched.tick(0.05)
    assert team.attempts == 1
    watched.restart(now=watched.now).tick(0.05)
    assert team.attempts == 1
    watched.tick(1)
    assert team.attempts == 2


def test_a_channel_that_was_down_all_along_hears_of_beginning_and_end(watched: Desk, team: Webhook):
    watched.alerts = (team.url,)
    team.status = 503
    break_catalog(watched)
    watched.tick()
    (watched.settings.catalog / "experiments/b.toml").unlink()
    watched.tick()
    team.status = 200
    watched.tick(30)
    watched.tick()
    assert team.titles == ["FAILED: catalog with problems", "RECOVERED: catalog with problems"]


def test_a_look_leaves_another_one_alone(watched: Desk, team: Webhook):
    watched.alerts = (team.url,)
    break_catalog(watched)
    with AlertBook(watched.settings.staging).alone():
        assert watched.tick() == "another look is under way"
    assert team.posted == []
    watched.tick()
    assert team.titles == ["FAILED: catalog with problems"]


def test_a_url_that_is_none_fails_the_tick_after_the_others_were_served(watched: Desk, team: Webhook):
    watched.alerts = ("slack://s3cret", team.url)
    break_catalog(watched)
    for _ in range(2):
        with pytest.raises(AlertChannelError, match="position 1, scheme slack") as raised:
            watched.tick()
        assert "s3cret" not in str(raised.value)
    assert team.titles == ["FAILED: catalog with problems"]


def kept(folder: Path, *groups: str, channel: str) -> tuple[AlertBook, Book]:
    book = AlertBook(folder)
    wrong = {name: condition(name, group=name) for name in groups}
    return book, compared(Book(), wrong, [channel], NOON)


def test_a_message_that_is_always_refused_holds_up_no_other(tmp_path: Path, team: Webhook):
    team.refuses = "poison"
    [channel], _ = open_channels([team.url])
    store, book = kept(tmp_path, "a poison", "b poison", "c poison", "fine", "well", channel=channel.id)
    delivery = Delivery(store, "http://ui")
    now = NOON
    for _ in range(6):
        book, _ = delivery.send(book, [channel], now)
        now += minutes(20)
    assert sorted(team.titles) == ["FAILED: fine (fine)", "FAILED: well (well)"]


def test_what_was_taken_is_on_disk_before_the_next_message_goes_out(tmp_path: Path, team: Webhook):
    team.refuses = "second"
    [channel], _ = open_channels([team.url])
    store, book = kept(tmp_path, "first", "second", channel=channel.id)
    Delivery(store, "http://ui").send(book, [channel], NOON)
    # Killed here, the process would go on with what is on disk.
    team.refuses = ""
    after = store.read()
    assert [bool(episode.told) for episode in after.episodes] == [True, False]
    Delivery(store, "http://ui").send(after, [channel], NOON + minutes(1))
    assert team.titles == ["FAILED: first (first)", "FAILED: second (second)"]


def test_when_the_time_of_a_tick_is_over_the_rest_waits_for_the_next(tmp_path: Path, team: Webhook):
    [channel], _ = open_channels([team.url])
    store, book = kept(tmp_path, "first", channel=channel.id)
    book, sent = Delivery(store, "http://ui", seconds=0).send(book, [channel], NOON)
    assert (sent, team.posted, book.attempts) == (0, [], {})
    _, sent = Delivery(store, "http://ui").send(book, [channel], NOON)
    assert (sent, len(team.posted)) == (1, 1)


def test_a_channel_that_never_answers_is_given_up_and_the_other_is_served(tmp_path: Path, team: Webhook):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        silent, other = open_channels([f"json://127.0.0.1:{mute.getsockname()[1]}", team.url])[0]
        store, book = kept(tmp_path, "first", channel=other.id)
        delivery = Delivery(store, "http://ui", seconds=0.5)
        book, sent = delivery.send(book, [silent, other], NOON)
        assert (sent, team.titles) == (1, ["FAILED: first (first)"])
        assert book.attempts[silent.id].reason == "it has not answered for too long"
        # While its thread still hangs, no second one is started.
        book, _ = delivery.send(book, [silent, other], NOON + minutes(1))
        assert book.attempts[silent.id].failures == 2
        assert len(delivery._hanging) == 2


def settings(folder: Path, *alerts: str) -> Settings:
    return Settings(str(folder), folder, "", folder, 28, alerts)


def test_a_test_message_reaches_every_channel(tmp_path: Path, team: Webhook):
    assert send_test_alert(settings(tmp_path, team.url)) == ["alert channel 1 (json): sent"]
    assert team.titles == ["TEST: alerts of exposure_assets"]


def test_a_test_names_every_channel_that_does_not_work(tmp_path: Path, team: Webhook):
    with pytest.raises(AlertTestError) as raised:
        send_test_alert(settings(tmp_path, "json://127.0.0.1:9/s3cret", "slack://s3cret", team.url))
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("EXPOSURES_ALERTS, position 2, scheme slack: ")
    assert lines[1:] == [
        "alert channel 1 (json): it cannot be reached, or did not answer in time.",
        "alert channel 3 (json): sent",
    ]


def test_a_test_without_channels_says_what_is_missing(tmp_path: Path):
    with pytest.raises(AlertChannelError, match="EXPOSURES_ALERTS is empty"):
        send_test_alert(settings(tmp_path))


def test_open_alerts_are_listed_from_the_book(tmp_path: Path):
    assert open_alerts(settings(tmp_path)) == []
    wrong = {"2026-01-02": condition("2026-01-02")}
    AlertBook(tmp_path).write(compared(Book(), wrong, [], NOON))
    assert open_alerts(settings(tmp_path)) == [
        "FAILED since 2026-01-02 12:00:00 UTC: check grain: day 2026-01-02"
    ]
