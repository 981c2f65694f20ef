"""The arithmetic of targets, compared with plain sets of days."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.automation.alerts_targets import of_experiments, remaining
from resources.alert_book import Target

FIRST = date(2025, 12, 28)


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def cells(targets: tuple[Target, ...]) -> set[tuple[str, str, str]]:
    """Every step, experiment and single day; without days, one cell without a day."""
    found = set()
    for target in targets:
        if not target.first_day:
            found.add((target.step, target.experiment, ""))
            continue
        numbers = (n for n in range(20) if target.first_day <= day(n) <= target.last_day)
        found |= {(target.step, target.experiment, day(n)) for n in numbers}
    return found


@st.composite
def targets(draw: st.DrawFn) -> Target:
    step = draw(st.sampled_from(["assignments", "deduped_exposures"]))
    if draw(st.integers(0, 4)) == 0:
        return Target(step)
    first = draw(st.integers(0, 9))
    last = draw(st.integers(first, 9))
    return Target(step, draw(st.sampled_from(["", "checkout", "search"])), day(first), day(last))


@given(st.lists(targets(), max_size=5), st.lists(targets(), max_size=5))
def test_what_remains_is_every_day_that_was_not_done(wanted: list[Target], done: list[Target]):
    assert cells(remaining(wanted, done)) == cells(tuple(wanted)) - cells(tuple(done))


@given(st.lists(targets(), max_size=5))
def test_nothing_remains_of_what_was_done_whole(wanted: list[Target]):
    assert remaining(wanted, wanted) == ()


def test_targets_of_an_experiment_that_left_the_catalog_are_nobodys():
    left = Target("assignments", "old", "2026-01-01", "2026-01-02")
    kept = Target("assignments", "checkout", "2026-01-01", "2026-01-02")
    without = Target("exposure_events", "", "2026-01-01", "2026-01-02")
    assert of_experiments([left, kept, without], {"checkout"}) == (kept, without)
