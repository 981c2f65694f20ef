"""What is wrong now, compared with what was announced: which messages are due, and the book after them.

Everything here is a pure function of its arguments; how messages read stands in `alerts_messages`, how they are
sent in `alerts_delivery`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from resources.alert_book import Attempts, Book, Condition, Episode

# A channel that was down for longer hears no more of what was over by then.
END_IS_TOLD_WITHIN = timedelta(days=7)
FIRST_RETRY_AFTER = timedelta(seconds=30)
LAST_RETRY_AFTER = timedelta(minutes=15)


@dataclass(frozen=True)
class Notice:
    """One message that one channel is to get: that some conditions of a group began to hold, or that they ended."""

    is_end: bool
    episodes: tuple[Episode, ...]

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of the episodes it tells of."""
        return frozenset(episode.number for episode in self.episodes)


def compared(
    book: Book, conditions: Mapping[str, Condition], channels: Collection[str], now: datetime
) -> Book:
    """The book after a look: what is wrong for the first time begins an episode, what no longer is ends one.

    Args:
        book: As it was written last.
        conditions: What is wrong now, by id.
        channels: The ids of the channels there are. Each of them is to hear of every end from now on; one that is
            new hears of what is still open, and one that is gone is owed nothing.
        now: The instant of this look.
    """
    episodes: list[Episode] = []
    still_open: set[str] = set()
    for episode in book.episodes:
        condition = episode.condition
        if episode.closed_at is not None:
            episodes.append(episode)
        elif condition.id in conditions:
            still_open.add(condition.id)
            latest = replace(conditions[condition.id], since=condition.since)
            episodes.append(replace(episode, condition=latest))
        else:
            episodes.append(replace(episode, closed_at=now, owed=frozenset(channels)))
    number = book.next_number
    for condition_id in sorted(conditions.keys() - still_open):
        episodes.append(Episode(number, conditions[condition_id]))
        number += 1
    kept = tuple(episode for episode in episodes if _is_kept(episode, channels, now))
    attempts = {channel: tried for channel, tried in book.attempts.items() if channel in channels}
    return replace(book, episodes=kept, next_number=number, attempts=attempts)


def openings(book: Book, channel: str) -> list[Notice]:
    """The messages a channel is owed about what went wrong: one per group, in the order of their first episode."""
    due = [
        episode
        for episode in book.episodes
        if channel not in episode.told and (episode.closed_at is None or channel in episode.owed)
    ]
    return _grouped(due, is_end=False)


def ends(book: Book, channel: str) -> list[Notice]:
    """The messages a channel is owed about what is over, of which it has heard the beginning."""
    due = [
        episode
        for episode in book.episodes
        if episode.closed_at is not None
        and channel in episode.owed - episode.told_end
        and channel in episode.told
    ]
    return _grouped(due, is_end=True)


def delivered(book: Book, channel: str, notice: Notice) -> Book:
    """The book after a channel took a message."""
    changed = {}
    for episode in book.episodes:
        if episode.number not in notice.numbers:
            continue
        if notice.is_end:
            changed[episode.number] = replace(episode, told_end=episode.told_end | {channel})
        else:
            changed[episode.number] = replace(episode, told=episode.told | {channel})
    return book.updated(changed)


def may_try(book: Book, channel: str, now: datetime) -> bool:
    """Whether a channel that failed before is to be tried again by now."""
    tried = book.attempts.get(channel)
    return tried is None or now >= tried.retry_at


def tried(book: Book, channel: str, failure: str | None, now: datetime) -> Book:
    """The book after messages were sent to a channel: after each failure in a row, the pause doubles."""
    others = {id_: attempts for id_, attempts in book.attempts.items() if id_ != channel}
    if failure is None:
        return replace(book, attempts=others)
    failures = book.attempts[channel].failures + 1 if channel in book.attempts else 1
    pause = min(FIRST_RETRY_AFTER * 2 ** min(failures - 1, 10), LAST_RETRY_AFTER)
    return replace(book, attempts={**others, channel: Attempts(failures, now + pause, failure)})


def _grouped(episodes: Collection[Episode], *, is_end: bool) -> list[Notice]:
    groups: dict[str, list[Episode]] = {}
    for episode in episodes:
        groups.setdefault(episode.condition.group, []).append(episode)
    return [Notice(is_end, tuple(group)) for group in groups.values()]


def _is_kept(episode: Episode, channels: Collection[str], now: datetime) -> bool:
    if episode.closed_at is None:
        return True
    waiting = (episode.owed & frozenset(channels)) - episode.told_end
    return bool(waiting) and now - episode.closed_at <= END_IS_TOLD_WITHIN
