"""Conditions for the tests of alerts, with only what a test is about.

What follows from them is for the tests to say.
"""

from datetime import UTC, datetime, timedelta

from resources.alert_book import Condition, Severity, Target

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def condition(
    id: str,
    *,
    group: str = "check grain",
    severity: Severity = "failure",
    facts: dict[str, str] | None = None,
    since: datetime = NOON,
    targets: tuple[Target, ...] = (),
) -> Condition:
    return Condition(
        id=id,
        kind="check",
        group=group,
        severity=severity,
        title=group,
        facts=tuple((facts or {"day": id}).items()),
        since=since,
        page="/assets/assignments?view=checks&checkDetail=grain",
        advice="Open the check.",
        targets=targets,
    )
