"""Explaining whole installations: what was planted is named, with the key that it is about, and nothing else is."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from exposure_assets.explaining import ExplainError, as_json, as_text, explain
from exposure_assets.explaining.explaining import judged_days
from exposure_assets_tests.explaining.planted import (
    FIRST_HIT,
    LAST_DAY,
    RANKING,
    TOUR,
    backfilled,
    planted,
)
from exposure_assets_tests.installation import Installation


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return backfilled(tmp_path_factory.mktemp("base") / "place", experiments=3)


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        ("event_renamed", "experiment_exposed_v2"),
        ("partition_missing", "2026-01-09 to 2026-01-10"),
        ("outage_of_hours", "2026-01-09 06:00 to 20:00, 2026-01-10 06:00 to 20:00"),
        ("assignment_surge", None),
        ("one_variation_unexposed", "short"),
        ("segment", "platform = android"),
    ],
)
def test_what_was_planted_is_the_most_likely_cause(
    base: Installation, tmp_path: Path, fault: str, key: str | None
):
    installation = planted(base, tmp_path / "place", fault)
    explanation = explain(installation.workspace, RANKING, FIRST_HIT)
    conclusion = explanation.conclusion
    assert (conclusion.cause, conclusion.key) == (fault, key), as_text(explanation)
    assert conclusion.explained_share is not None
    assert conclusion.explained_share > 0.5
    assert [step.verdict for step in explanation.steps].count("cause") == 1
    chosen = explain(installation.workspace, RANKING)
    assert chosen.is_chosen
    assert chosen.drop.has_dropped
    assert json.loads(as_json(chosen)) == chosen.model_dump(mode="json")


def test_crossovers_are_missed_among_the_validly_exposed(base: Installation, tmp_path: Path):
    installation = planted(base, tmp_path / "place", "crossover", experiment=TOUR)
    explanation = explain(installation.workspace, TOUR, FIRST_HIT)
    assert explanation.drop.target == "valid_exposed"
    assert explanation.conclusion.cause == "crossover"


def test_rows_that_are_still_on_their_way_are_told_by_those_that_came_late(
    base: Installation, tmp_path: Path
):
    first = LAST_DAY - timedelta(days=2)
    installation = planted(base, tmp_path / "place", "late_data", first=first, last=LAST_DAY)
    explanation = explain(installation.workspace, RANKING, first)
    assert (explanation.conclusion.cause, explanation.conclusion.key) == ("late_data", str(first))


def test_no_cause_is_invented_where_nothing_was_planted(base: Installation):
    for experiment in (RANKING, TOUR):
        days = judged_days(base.workspace, experiment)
        assert days
        for day in days:
            explanation = explain(base.workspace, experiment, day)
            assert explanation.conclusion.cause == "no_drop", as_text(explanation)
            assert explanation.conclusion.explained_share is None
            assert "cause" not in {step.verdict for step in explanation.steps}


def test_without_a_drop_the_last_judged_cohort_is_shown(base: Installation):
    explanation = explain(base.workspace, RANKING)
    assert explanation.assignment_date == judged_days(base.workspace, RANKING)[-2]
    assert explanation.data_until == LAST_DAY
    assert "No cohort has dropped" in " ".join(as_text(explanation).split())


def test_an_explanation_is_the_same_each_time(base: Installation):
    texts = {as_json(explain(base.workspace, RANKING, FIRST_HIT)) for _ in range(2)}
    assert len(texts) == 1


def test_what_does_not_exist_is_said_with_what_does(base: Installation, tmp_path: Path):
    with pytest.raises(
        ExplainError, match=r"search-rankin: not in the catalog, did you mean search-ranking\?"
    ):
        explain(base.workspace, "search-rankin")
    with pytest.raises(
        ExplainError, match="found no cohort, expected a day with assignments from 2026-01-02"
    ):
        explain(base.workspace, RANKING, date(2025, 1, 1))
    empty = Installation(base.zone, tmp_path)
    with pytest.raises(ExplainError, match="run exposure-assets backfill first"):
        explain(empty.workspace, RANKING)
