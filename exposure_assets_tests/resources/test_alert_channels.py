"""Channels of alerts, against real servers of this machine; what is sent when is tested with the automation."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest

from exposure_assets_tests.automation.receivers import mail_server, webhook
from resources.alert_channels import AlertChannel, AlertMessage, open_channels

HOSTILE = "<!channel> @everyone <@U024BE7LH> *bold* [click](http://evil.example) <b>&amp;</b>"
MESSAGE = AlertMessage("failure", "FAILED: check grain (checkout, 2026-01-02)", "found: 3\nexpected: 0")


@pytest.fixture
def root_log() -> Iterator[StringIO]:
    """What reaches the root logger, whatever its level."""
    written = StringIO()
    handler, root = logging.StreamHandler(written), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    root.removeHandler(handler)


def only(url: str) -> AlertChannel:
    channels, problems = open_channels([url])
    assert problems == []
    return channels[0]


def test_a_webhook_gets_title_text_and_kind():
    with webhook() as server:
        assert only(server.url).send(MESSAGE) is None
    assert [(m["title"], m["message"], m["type"]) for m in server.posted] == [
        ("FAILED: check grain (checkout, 2026-01-02)", "found: 3\nexpected: 0", "failure")
    ]


def test_a_mail_carries_the_title_as_its_subject_and_the_text_as_it_is():
    with mail_server() as server:
        assert only(server.url).send(MESSAGE) is None
    [mail] = server.mails
    assert mail["Subject"] == "FAILED: check grain (checkout, 2026-01-02)"
    assert mail["To"] == "team@example.com"
    assert mail.get_content().replace("\r\n", "\n").strip() == "found: 3\nexpected: 0"


def test_a_name_cannot_add_a_header_to_a_mail():
    with mail_server() as server:
        only(server.url).send(AlertMessage("failure", "FAILED: x\r\nBcc: everybody@example.com", "text"))
    assert [mail["Bcc"] for mail in server.mails] in ([], [None])


def test_a_plain_channel_shows_hostile_names_exactly_as_they_are():
    with webhook() as server:
        only(server.url).send(AlertMessage("failure", HOSTILE, HOSTILE))
    assert [(m["title"], m["message"]) for m in server.posted] == [(HOSTILE, HOSTILE)]


def test_slack_gets_hostile_names_without_mentions_or_links(monkeypatch: pytest.MonkeyPatch):
    from apprise.plugins.slack import NotifySlack

    with webhook() as server:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{server.port}")
        channel = only("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general")
        assert channel.send(AlertMessage("failure", HOSTILE, HOSTILE)) is None
    sent = json.dumps(server.posted, ensure_ascii=False)
    assert "everyone" in sent
    for call in ("<!", "<@", "@everyone", "<http", "<b>"):
        assert call not in sent


def test_discord_gets_hostile_names_without_mentions(monkeypatch: pytest.MonkeyPatch):
    from apprise.plugins.discord import NotifyDiscord

    with webhook() as server:
        monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://127.0.0.1:{server.port}")
        channel = only("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
        assert channel.send(AlertMessage("failure", HOSTILE, HOSTILE)) is None
    sent = json.dumps(server.posted, ensure_ascii=False)
    assert "everyone" in sent
    for call in ("@everyone", "<@U", "<!"):
        assert call not in sent


def test_a_telegram_message_shows_markup_as_text(monkeypatch: pytest.MonkeyPatch):
    from apprise.plugins.telegram import NotifyTelegram

    with webhook() as server:
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{server.port}/")
        only("tgram://123456789:abcdefg_hijklmnop/12315544/").send(AlertMessage("failure", "t", "a<b>x</b>"))
    assert server.posted and "<b>x" not in server.posted[0]["text"]


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
def test_a_channel_that_answers_with_an_error_says_which(status: int):
    with webhook() as server:
        server.status = status
        assert only(server.url).send(MESSAGE) == f"it answered with HTTP status {status}"


@pytest.mark.parametrize(
    "url",
    [
        "json://name:s3cret@127.0.0.1:9/s3cret/path?+X-Token=s3cret",
        "mailto://name:s3cret@127.0.0.1:9/?from=s3cret@example.com&to=s3cret@example.com&mode=insecure",
    ],
)
def test_a_channel_that_is_down_is_named_without_anything_of_its_url(
    url: str, root_log: StringIO, capfd: pytest.CaptureFixture[str]
):
    channel = only(url)
    reason = channel.send(MESSAGE)
    assert reason == "it cannot be reached, or did not answer in time"
    written = capfd.readouterr()
    for text in (
        reason,
        repr(channel),
        channel.label,
        channel.id,
        root_log.getvalue(),
        written.out,
        written.err,
    ):
        assert "s3cret" not in text
        assert "127.0.0.1" not in text


def test_unusable_urls_are_named_by_place_and_scheme_and_spoil_no_other():
    urls = ["json://127.0.0.1:9", "slack://s3cret", "s3cret", "nosuch://s3cret@host", "s3cret word://x"]
    channels, problems = open_channels(urls)
    assert [channel.label for channel in channels] == ["alert channel 1 (json)"]
    assert [str(problem).split(":")[0] for problem in problems] == [
        "EXPOSURES_ALERTS, position 2, scheme slack",
        "EXPOSURES_ALERTS, position 3, scheme unknown",
        "EXPOSURES_ALERTS, position 4, scheme nosuch",
        "EXPOSURES_ALERTS, position 5, scheme unknown",
    ]
    assert "s3cret" not in "".join(map(str, problems))


def test_a_channel_keeps_its_id_wherever_it_stands_and_another_has_another():
    first, second = open_channels(["json://one", "json://two"])[0]
    moved, again = open_channels(["json://two", "json://one", "json://one"])[0]
    assert (moved.id, again.id) == (second.id, first.id)
    assert first.id != second.id


def test_a_long_message_is_one_message_cut_to_what_the_channel_takes():
    with webhook() as server:
        assert only(server.url).send(AlertMessage("failure", "title", "x" * 100_000)) is None
    assert len(server.posted) == 1
    assert len(server.posted[0]["message"]) <= 32_768
