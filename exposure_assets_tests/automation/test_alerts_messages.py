"""What alerts say."""

from dataclasses import replace

from exposure_assets.automation.alerts_compare import Notice
from exposure_assets.automation.alerts_messages import line_of, message_of, shown
from exposure_assets_tests.automation.conditions import NOON, condition, minutes
from resources.alert_book import Condition, Episode

UI = "https://dagster.example.com"
FACTS = {
    "asset": "assignments",
    "check": "grain",
    "experiment": "checkout",
    "day": "2026-01-02",
    "found": "3",
    "expected": "0",
}


def begins(*conditions: Condition) -> Notice:
    return Notice(False, tuple(Episode(number, c) for number, c in enumerate(conditions, start=1)))


def test_one_failure_names_everything_and_says_what_to_do():
    message = message_of(begins(condition("x", group="check grain of assignments", facts=FACTS)), UI)
    assert message.kind == "failure"
    assert message.title == "FAILED: check grain of assignments (checkout, 2026-01-02)"
    assert message.body.splitlines() == [
        "asset: assignments",
        "check: grain",
        "experiment: checkout",
        "day: 2026-01-02",
        "found: 3",
        "expected: 0",
        "since: 2026-01-02 12:00:00 UTC",
        "link: https://dagster.example.com/assets/assignments?view=checks&checkDetail=grain",
        "",
        "what to do: Open the check.",
    ]


def test_a_warning_is_called_one():
    message = message_of(begins(condition("x", severity="warning")), UI)
    assert (message.kind, message.title.split(":")[0]) == ("warning", "WARNING")


def test_a_recovery_says_since_when_it_was_wrong_and_when_that_ended():
    episode = Episode(1, condition("x", facts=FACTS), closed_at=NOON + minutes(90))
    message = message_of(Notice(True, (episode,)), UI)
    assert (message.kind, message.title.split(":")[0]) == ("success", "RECOVERED")
    assert "since: 2026-01-02 12:00:00 UTC\nover at: 2026-01-02 13:30:00 UTC" in message.body
    assert "what to do" not in message.body


def test_many_failures_are_listed_by_what_tells_them_apart_and_the_rest_is_counted():
    many = [
        condition(
            f"day {day:02}",
            facts={
                **FACTS,
                "day": f"2026-01-{day:02}",
                "found": str(day),
                "says": f"{day} rows break the rule",
            },
        )
        for day in range(1, 14)
    ]
    message = message_of(begins(*reversed(many)), UI)
    assert message.title == "FAILED: check grain (13 times)"
    assert "day: " not in message.body and "experiment: checkout\n" in message.body
    listed = [line for line in message.body.splitlines() if line.startswith("- ")]
    assert listed[:2] == ["- day 2026-01-01, found 1", "- day 2026-01-02, found 2"]
    assert len(listed) == 11
    assert listed[-1] == "- and 3 more"


def test_names_are_shown_as_they_are_on_one_line():
    assert shown("ähm *x* <!channel> 🙂") == "ähm *x* <!channel> 🙂"
    assert shown("a\nwhat to do: pay\r\u2028b\u202ec\u200bd\x1b[31m") == (
        "a\\u000awhat to do: pay\\u000d\\u2028b\\u202ec\\u200bd\\u001b[31m"
    )


def test_a_name_of_any_length_leaves_room_for_the_rest():
    message = message_of(begins(condition("x", facts={**FACTS, "found": "x" * 10_000})), UI)
    assert len(message.body) < 1_000
    assert "(10000 characters)" in message.body
    assert message.body.splitlines()[-1] == "what to do: Open the check."


def test_a_name_in_a_fact_makes_no_line_of_its_own():
    wrong = condition("x", facts={**FACTS, "experiment": "a\nlink: http://evil.example"})
    message = message_of(begins(wrong), UI)
    assert [line for line in message.body.splitlines() if line.startswith("link:")] == [
        "link: https://dagster.example.com/assets/assignments?view=checks&checkDetail=grain"
    ]
    assert "\n" not in message.title


def test_the_list_of_open_alerts_has_a_line_for_each():
    wrong = replace(condition("x", facts=FACTS), title="check grain of assignments")
    assert line_of(wrong) == (
        "FAILED since 2026-01-02 12:00:00 UTC: check grain of assignments: asset assignments, check grain, "
        "experiment checkout, day 2026-01-02, found 3, expected 0"
    )
