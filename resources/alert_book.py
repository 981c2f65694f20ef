"""The book of alerts: what is wrong, since when, and which channel has been told; a JSON file in the staging folder.

What counts as wrong is decided in the automation; how a message reaches a channel, in `alert_channels`.
"""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from resources.atomic import replacing

Severity = Literal["warning", "failure"]
# The name of a fact that is a sentence: too long for a list of many conditions.
SAYS = "says"
_VERSION = 1


class AlertBookError(Exception):
    """The file of the book holds something else."""


class Target(NamedTuple):
    """Something that a run was to do: a step, for one experiment, on days (ISO, both included).

    A step without partitions has no experiment and no days; one partitioned by day alone has no experiment.
    """

    step: str
    experiment: str = ""
    first_day: str = ""
    last_day: str = ""


@dataclass(frozen=True)
class Condition:
    """Something that is wrong.

    Attributes:
        id: The same for the same thing, whenever it goes wrong.
        kind: What judged it: `check`, `run`, `silence`, `catalog`, `landing` or `tick`.
        group: Conditions of one group that go wrong together are announced in one message.
        severity: `failure`, or `warning` where nothing is broken yet.
        title: What is wrong, the same for the whole group.
        facts: Names and values for the reader, in order.
        since: UTC instant of the first sight.
        page: Path and query of the web page to look at.
        advice: What to do.
        experiment: The experiment it is about, if one.
        run_id: The failed run, if it is one.
        targets: What a failed run left undone.
    """

    id: str
    kind: str
    group: str
    severity: Severity
    title: str
    facts: tuple[tuple[str, str], ...]
    since: datetime
    page: str
    advice: str
    experiment: str = ""
    run_id: str = ""
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Episode:
    """One time that a condition held, and who has heard of it.

    Attributes:
        number: Tells the episodes of one condition apart.
        condition: As it was seen last, since it was seen first.
        closed_at: UTC instant at which it no longer held; null while it holds.
        told: Ids of the channels that heard of its beginning.
        owed: Ids of the channels that are to hear of its end.
        told_end: Ids of the channels that did.
    """

    number: int
    condition: Condition
    closed_at: datetime | None = None
    told: frozenset[str] = frozenset()
    owed: frozenset[str] = frozenset()
    told_end: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Attempts:
    """A channel that failed: how often in a row, when to try again, and why."""

    failures: int
    retry_at: datetime
    reason: str


@dataclass(frozen=True)
class LogPosition:
    """How far Dagster's event log has been read: `after` an event, and which `seen` events around it are read."""

    after: int
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Book:
    """Everything that is to be remembered between two looks; `position` is null before the first."""

    episodes: tuple[Episode, ...] = ()
    next_number: int = 1
    position: LogPosition | None = None
    attempts: Mapping[str, Attempts] = field(default_factory=dict)

    @property
    def open_conditions(self) -> list[Condition]:
        """What was wrong at the last look, oldest first."""
        found = [episode.condition for episode in self.episodes if episode.closed_at is None]
        return sorted(found, key=lambda condition: (condition.since, condition.id))

    def updated(self, episodes: Mapping[int, Episode]) -> "Book":
        """The book with episodes replaced, by number."""
        return replace(self, episodes=tuple(episodes.get(e.number, e) for e in self.episodes))


class AlertBook:
    """The book of one installation, `<staging>/alerts.json`. Whoever writes it holds it `alone` meanwhile."""

    def __init__(self, staging: Path) -> None:
        self.path = staging / "alerts.json"

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Hold the book against other processes and threads; gives whether it was free.

        A tick may be asked for on the web page while the daemon runs one, and both would send the same message.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.with_suffix(".lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def read(self) -> Book:
        """The book as it was written last; an empty one where there is none.

        Raises:
            AlertBookError: the file is not a book of this version.
        """
        try:
            return _book_of(json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return Book()
        except (ValueError, KeyError, TypeError) as error:
            raise AlertBookError(
                f"{self.path}: found {type(error).__name__}: {error}, expected a book of alerts of version "
                f"{_VERSION}. Restore the file, or move it away: what is wrong is then announced once more."
            ) from None

    def write(self, book: Book) -> None:
        """Replace the book; a crash leaves the one before."""
        text = json.dumps(_as_json(book), indent=1, sort_keys=True)
        with replacing(self.path) as partial:
            partial.write_text(text, encoding="utf-8")


def _as_json(book: Book) -> dict[str, Any]:
    position = book.position
    return {
        "version": _VERSION,
        "next_number": book.next_number,
        "position": position and {"after": position.after, "seen": sorted(position.seen)},
        "attempts": {
            channel: {"failures": a.failures, "retry_at": a.retry_at.isoformat(), "reason": a.reason}
            for channel, a in book.attempts.items()
        },
        "episodes": [_episode_as_json(episode) for episode in book.episodes],
    }


def _episode_as_json(episode: Episode) -> dict[str, Any]:
    condition = episode.condition
    return {
        "number": episode.number,
        "closed_at": episode.closed_at and episode.closed_at.isoformat(),
        "told": sorted(episode.told),
        "owed": sorted(episode.owed),
        "told_end": sorted(episode.told_end),
        "condition": {
            **{name: getattr(condition, name) for name in _TEXTS},
            "facts": [list(fact) for fact in condition.facts],
            "since": condition.since.isoformat(),
            "targets": [list(target) for target in condition.targets],
        },
    }


_TEXTS = ("id", "kind", "group", "severity", "title", "page", "advice", "experiment", "run_id")


def _book_of(values: dict[str, Any]) -> Book:
    if values["version"] != _VERSION:
        raise ValueError(f"version {values['version']}")
    position = values["position"]
    return Book(
        episodes=tuple(_episode_of(episode) for episode in values["episodes"]),
        next_number=int(values["next_number"]),
        position=LogPosition(int(position["after"]), frozenset(position["seen"])) if position else None,
        attempts={
            channel: Attempts(int(a["failures"]), _instant(a["retry_at"]), a["reason"])
            for channel, a in values["attempts"].items()
        },
    )


def _episode_of(values: dict[str, Any]) -> Episode:
    condition = values["condition"]
    return Episode(
        number=int(values["number"]),
        condition=Condition(
            **{name: condition[name] for name in _TEXTS},
            facts=tuple((name, value) for name, value in condition["facts"]),
            since=_instant(condition["since"]),
            targets=tuple(Target(*target) for target in condition["targets"]),
        ),
        closed_at=_instant(values["closed_at"]) if values["closed_at"] else None,
        told=frozenset(values["told"]),
        owed=frozenset(values["owed"]),
        told_end=frozenset(values["told_end"]),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
