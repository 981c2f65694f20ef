"""How alerts read: plain text, the most important first, names exactly as they are but unable to do anything.

When a message is due stands in `alerts_compare`; what only some channels understand is dealt with by the channels.
"""

import unicodedata
from collections.abc import Sequence
from datetime import datetime

from exposure_assets.automation.alerts_compare import Notice
from resources.alert_book import SAYS, Condition
from resources.alert_channels import AlertMessage

LISTED = 10
_LONGEST_VALUE = 300
_LONGEST_TITLE = 200
_WORDS = {"failure": "FAILED", "warning": "WARNING"}
_PLACE = ("experiment", "day")
# What is written neither as a letter nor as a space of a line: line ends, control and direction marks, and the like.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def message_of(notice: Notice, ui_url: str) -> AlertMessage:
    """The message of a notice, with a link to Dagster's web page at `ui_url`."""
    episodes = sorted(notice.episodes, key=lambda episode: _sort_key(episode.condition))
    conditions = [episode.condition for episode in episodes]
    first = conditions[0]
    word = "RECOVERED" if notice.is_end else _WORDS[first.severity]
    title = f"{word}: {shown(first.title)}{_where(conditions)}"
    shared = _shared(conditions)
    lines = [f"{name}: {shown(value)}" for name, value in first.facts if name in shared]
    lines.append(f"since: {_instant(min(condition.since for condition in conditions))}")
    if notice.is_end:
        lines.append(f"over at: {_instant(max(e.closed_at for e in episodes if e.closed_at))}")
    lines.append(f"link: {ui_url}{first.page}")
    if len(conditions) > 1:
        lines.append("")
        lines += [f"- {_own(condition, shared)}" for condition in conditions[:LISTED]]
        if len(conditions) > LISTED:
            lines.append(f"- and {len(conditions) - LISTED} more")
    if not notice.is_end:
        lines += ["", f"what to do: {first.advice}"]
    kind = "success" if notice.is_end else first.severity
    return AlertMessage(kind, title[:_LONGEST_TITLE], "\n".join(lines))


def shown(text: str, longest: int = _LONGEST_VALUE) -> str:
    """The text on one line, cut, with everything invisible written as its code."""
    cut = text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
    return "".join(c if unicodedata.category(c) not in _INVISIBLE else f"\\u{ord(c):04x}" for c in cut)


def line_of(condition: Condition) -> str:
    """A condition on one line, for a list of all that is open."""
    facts = ", ".join(f"{name} {shown(value)}" for name, value in condition.facts)
    return (
        f"{_WORDS[condition.severity]} since {_instant(condition.since)}: {shown(condition.title)}: {facts}"
    )


def _sort_key(condition: Condition) -> tuple[str, ...]:
    facts = dict(condition.facts)
    return (*(facts.get(name, "") for name in _PLACE), condition.id)


def _where(conditions: Sequence[Condition]) -> str:
    facts = dict(conditions[0].facts)
    if len(conditions) > 1:
        return f" ({len(conditions)} times)"
    place = [shown(facts[name], 80) for name in _PLACE if name in facts]
    return f" ({', '.join(place)})" if place else ""


def _shared(conditions: Sequence[Condition]) -> set[str]:
    """The names of the facts that all conditions have with the same value."""
    every = [dict(condition.facts) for condition in conditions]
    return {name for name, value in every[0].items() if all(facts.get(name) == value for facts in every)}


def _own(condition: Condition, shared: set[str]) -> str:
    facts = [fact for fact in condition.facts if fact[0] not in shared and fact[0] != SAYS]
    return ", ".join(f"{name} {shown(value, 80)}" for name, value in facts)


def _instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC"
