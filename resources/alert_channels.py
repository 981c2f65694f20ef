"""The channels that alerts go out by: any number of apprise URLs, sent to without ever showing what is in them.

What a message says, and who still has to hear it, is decided in the automation.
"""

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_SECONDS_TO_CONNECT = 4.0
_SECONDS_PER_MESSAGE = 10.0
# Services that show a text as it is. All others are chats, in which some words of a text call people.
_PLAIN = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "mailto", "mailtos", "syslog"})
_CALLS_PEOPLE = re.compile(r"@(?=\S)|<(?=[!#@:])")
_WORD_JOINER = "\u2060"

# Apprise logs hosts and recipients, and below the level of warnings whole URLs, as urllib3 does: nothing of that may
# reach the logs of a run.
logging.getLogger("apprise").propagate = False
logging.getLogger("apprise").setLevel(logging.WARNING)
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class AlertChannelError(ValueError):
    """A URL of EXPOSURES_ALERTS that no message can be sent by."""


@dataclass(frozen=True)
class AlertMessage:
    """A message in plain text; `kind` gives it a colour or an icon where the channel has some."""

    kind: Literal["warning", "failure", "success", "info"]
    title: str
    body: str


class AlertChannel:
    """One channel: `id` tells it apart across restarts, `label` names it to people, and neither shows its URL."""

    def __init__(self, position: int, url: str) -> None:
        """Open the channel that stands at a position, counted from 1, of EXPOSURES_ALERTS.

        Raises:
            AlertChannelError: apprise can't use the URL.
        """
        # Loading apprise takes a second, which every run would pay that only loads the definitions.
        from apprise import Apprise, AppriseAsset, OverflowMode
        from apprise.plugins.base import NotifyBase

        scheme = _scheme(url)
        self.label = f"alert channel {position} ({scheme})"
        service = Apprise.instantiate(url, asset=AppriseAsset(app_id="exposure_assets"))
        if not isinstance(service, NotifyBase):
            raise AlertChannelError(
                f"EXPOSURES_ALERTS, position {position}, scheme {scheme}: apprise cannot use this URL. "
                "Expected a URL as its page on https://github.com/caronc/apprise/wiki describes it, "
                "with a comma or space inside it written as %2C or %20."
            )
        service.socket_connect_timeout = min(service.socket_connect_timeout, _SECONDS_TO_CONNECT)
        service.socket_read_timeout = min(service.socket_read_timeout, _SECONDS_TO_CONNECT)
        service.overflow_mode = OverflowMode.TRUNCATE
        # Slow on purpose: the id is written to a file, and a URL holds passwords that it must not help to guess.
        digest = hashlib.pbkdf2_hmac("sha256", url.encode(), b"exposure_assets alert channel", 100_000)
        self.id = digest.hex()[:16]
        self._is_plain = scheme in _PLAIN
        self._apprise = Apprise()
        self._apprise.add(service)

    def __repr__(self) -> str:
        """The label: the attributes hold secrets."""
        return f"<{self.label}>"

    def send(self, message: AlertMessage) -> str | None:
        """Send a message; takes some ten seconds at most.

        Returns:
            Null where the channel took it, else why it did not, in words that hold nothing of the URL.
        """
        from apprise import NotifyFormat, NotifyType

        title, body = (self._harmless(text) for text in (message.title, message.body))
        result = self._apprise.notify(
            body=body,
            title=title,
            notify_type=NotifyType(message.kind),
            body_format=NotifyFormat.TEXT,
            timeout=_SECONDS_PER_MESSAGE,
        )
        return None if result else _reason(" ".join(entry.message for entry in result.logs()))

    def _harmless(self, text: str) -> str:
        """The text, so that no name in it calls people: apprise escapes markup, but leaves mentions alone."""
        return (
            text
            if self._is_plain
            else _CALLS_PEOPLE.sub(lambda found: f"{found.group()}{_WORD_JOINER}", text)
        )


def open_channels(urls: Sequence[str]) -> tuple[list[AlertChannel], list[AlertChannelError]]:
    """The channels of EXPOSURES_ALERTS, each once, and what is wrong with the URLs that are none."""
    channels: dict[str, AlertChannel] = {}
    problems = []
    for position, url in enumerate(urls, start=1):
        try:
            channel = AlertChannel(position, url)
        except AlertChannelError as problem:
            problems.append(problem)
        else:
            channels.setdefault(channel.id, channel)
    return list(channels.values()), problems


def _scheme(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    # Without a scheme, what stands there may as well be a password.
    return (
        scheme.lower() if separator and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,19}", scheme) else "unknown"
    )


def _reason(said: str) -> str:
    """Why apprise failed, in our words: its own name hosts and recipients."""
    if status := re.search(r"error=(\d{3})", said):
        return f"it answered with HTTP status {status.group(1)}"
    if re.search(r"connection error|socket", said, re.IGNORECASE):
        return "it cannot be reached, or did not answer in time"
    return "it refused the message, or did not answer in time"
