"""From what the steps found to the most likely cause: most explained, earlier step, and never less than half."""

from exposure_assets.contracts.explanations import CAUSES, EXPLAINING_STEPS, NO_CAUSES, STEP_CAUSES
from exposure_assets.explaining.causes import CAUSES as WORDS
from exposure_assets.explaining.concluding import _most_likely, without_a_drop
from exposure_assets.explaining.findings import Candidate, Drop


def drop(missing: float, expected: float | None = 900.0) -> Drop:
    return Drop(
        target="exposed",
        age_days=3,
        baseline="none" if expected is None else "past_cohorts",
        past_cohorts=9,
        assigned_units=1_000,
        found_units=int((expected or 900) - missing),
        expected_units=expected,
        missing_units=missing,
        z=-9.0,
        has_dropped=missing > 0,
    )


def candidate(cause: str, units: float, priority: float) -> Candidate:
    return Candidate(cause=cause, explained_units=units, evidence="so many", priority=priority)


def test_the_cause_that_explains_most_is_named():
    hours, segment = candidate("outage_of_hours", 60, 5), candidate("segment", 95, 8)
    assert _most_likely([hours, segment], drop(100)) is segment


def test_of_causes_that_explain_as_much_the_earlier_step_is_named():
    rows, segment = candidate("malformed_rows", 92, 3), candidate("segment", 100, 8)
    assert _most_likely([segment, rows], drop(100)) is rows


def test_what_is_seen_of_the_missing_units_is_named_before_the_part_that_they_are_in():
    variation = candidate("one_variation_unexposed", 100, 7)
    crossover, late = candidate("crossover", 65, 4), candidate("late_data", 65, 2)
    assert _most_likely([variation, crossover], drop(100)) is crossover
    assert _most_likely([variation, late], drop(100)) is variation
    assert _most_likely([variation, candidate("crossover", 49, 4)], drop(100)) is variation


def test_what_explains_less_than_half_is_no_cause():
    assert _most_likely([candidate("segment", 49, 8)], drop(100)) is None
    assert _most_likely([candidate("segment", 50, 8)], drop(100)) is not None


def test_where_nothing_dropped_nothing_is_a_cause():
    assert _most_likely([candidate("segment", 0, 8)], drop(0)) is None
    _, conclusion = without_a_drop(drop(0))
    assert (conclusion.cause, conclusion.explained_share) == ("no_drop", None)
    _, conclusion = without_a_drop(drop(0, expected=None))
    assert conclusion.cause == "not_judged"


def test_every_cause_has_its_words_and_a_remedy_and_every_step_its_causes():
    assert set(WORDS) == set(CAUSES)
    assert set(STEP_CAUSES) == set(EXPLAINING_STEPS)
    assert set(NO_CAUSES) <= set(CAUSES)
    assert all(words.title and words.remedy for words in WORDS.values())
