"""Sends what is due, channel by channel, side by side, and writes the book after every message that was taken.

What is due stands in `alerts_compare`, how a message reaches a channel in `resources.alert_channels`.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from exposure_assets.automation.alerts_compare import Notice, delivered, ends, may_try, openings, tried
from exposure_assets.automation.alerts_messages import message_of
from resources.alert_book import AlertBook, Book
from resources.alert_channels import AlertChannel

_STUCK = "it has not answered for too long"
_CRASHED = "sending crashed; the log of the code location says how"
# One message may be refused for what is in it; two refusals are the channel's.
_REFUSALS = 2


@dataclass(frozen=True)
class _Result:
    """A message that a channel took, or why it did not; without a notice, the channel's thread is through."""

    channel: AlertChannel
    notice: Notice | None
    failure: str | None = None


@dataclass
class Delivery:
    """The sending side of one installation. It remembers the threads that hang, so that they do not pile up."""

    book: AlertBook
    ui_url: str
    seconds: float = 15.0
    _hanging: dict[str, threading.Thread] = field(default_factory=dict)

    def send(self, book: Book, channels: Sequence[AlertChannel], now: datetime) -> tuple[Book, int]:
        """Send what is due; takes `seconds` and what the last messages need at most.

        A channel that fails is left in peace until its next try. Whatever has not been sent when the time is over
        is due at the next look.

        Returns:
            The book afterwards, as it was written, and how many messages were taken.
        """
        results: queue.SimpleQueue[_Result] = queue.SimpleQueue()
        busy: dict[str, AlertChannel] = {}
        failures: dict[str, str] = {}
        sent = 0
        stop_at = time.monotonic() + self.seconds
        for channel in channels:
            if not may_try(book, channel.id, now) or not _has_something(book, channel):
                continue
            if (thread := self._hanging.get(channel.id)) is not None and thread.is_alive():
                failures[channel.id] = _STUCK
                continue
            self._start(channel, book, results, stop_at)
            busy[channel.id] = channel
        tried_now = {*busy, *failures}
        give_up_at = stop_at + self.seconds
        while busy:
            try:
                result = results.get(timeout=max(give_up_at - time.monotonic(), 0))
            except queue.Empty:
                failures |= dict.fromkeys(busy, _STUCK)
                break
            if result.failure is not None:
                failures[result.channel.id] = result.failure
            if result.notice is None:
                del busy[result.channel.id]
            elif result.failure is None:
                sent += 1
                book = delivered(book, result.channel.id, result.notice)
                self.book.write(book)
        before = book
        for channel_id in sorted(tried_now):
            book = tried(book, channel_id, failures.get(channel_id), now)
        if book != before:
            self.book.write(book)
        return book, sent

    def _start(
        self, channel: AlertChannel, book: Book, results: "queue.SimpleQueue[_Result]", stop_at: float
    ) -> None:
        def work() -> None:
            crash: str | None = _CRASHED
            try:
                _serve(channel, book, self.ui_url, results.put, stop_at)
                crash = None
            finally:
                results.put(_Result(channel, None, crash))

        # A daemon: a channel that never answers must not keep the process alive.
        thread = threading.Thread(target=work, name=channel.label, daemon=True)
        self._hanging[channel.id] = thread
        thread.start()


def _has_something(book: Book, channel: AlertChannel) -> bool:
    return bool(openings(book, channel.id) or ends(book, channel.id))


def _serve(
    channel: AlertChannel, book: Book, ui_url: str, report: Callable[[_Result], None], stop_at: float
) -> None:
    """Send a channel its messages: first what went wrong, then what is over of that which it has heard of."""
    refusals = 0

    def send(notice: Notice) -> bool:
        nonlocal refusals
        if refusals >= _REFUSALS or time.monotonic() >= stop_at:
            return False
        failure = channel.send(message_of(notice, ui_url))
        refusals += failure is not None
        report(_Result(channel, notice, failure))
        return failure is None

    due = openings(book, channel.id)
    failures = book.attempts[channel.id].failures if channel.id in book.attempts else 0
    # Another one is first at every try, so that messages that are always refused hold up none of the others.
    first = failures % len(due) if due else 0
    for notice in due[first:] + due[:first]:
        if send(notice):
            book = delivered(book, channel.id, notice)
    for notice in ends(book, channel.id):
        send(notice)
