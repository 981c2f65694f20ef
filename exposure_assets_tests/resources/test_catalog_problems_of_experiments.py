"""Tests of what an experiment's file may not say: each problem by the exact line an analyst reads.

Files, ids and unknown keys are judged in `test_catalog_problems`.
"""

import pytest

from exposure_assets_tests.resources.catalog_files import (
    EXPERIMENT,
    edited,
    problems,
    problems_of_experiment,
    write,
)

START = "start = 2026-01-01T09:57:00Z"
WRITE_START = "write for example start = 2026-01-01T09:00:00Z"


WRONG_TYPES = [
    ('name = "Checkout button colour"', "name = 3", "name", "found 3, expected text in quotes"),
    ("owner =", 'owner = " " #', "owner", "found empty text, expected text that is not empty"),
    (
        START,
        'start = "2026-01-01T09:57:00Z"',
        "start",
        'found "2026-01-01T09:57:00Z", expected a date and time',
    ),
    (START, "start = 2026-01-01", "start", "found 2026-01-01, expected a date and time"),
    (START, "start = 09:57:00", "start", "found 09:57:00, expected a date and time"),
    (START, "start = 1767261420", "start", "found 1767261420, expected a date and time"),
    (START, f"{START}\nenrollment_days = true", "enrollment_days", "found true, expected a whole number"),
    (START, f"{START}\nenrollment_days = 7.0", "enrollment_days", "found 7.0, expected a whole number"),
    (START, f'{START}\nenrollment_days = "7"', "enrollment_days", 'found "7", expected a whole number'),
    (START, f"{START}\nenrollment_days = 0", "enrollment_days", "found 0, expected more than 0"),
    (START, f"{START}\nenrollment_days = -1", "enrollment_days", "found -1, expected more than 0"),
    ("allocation = 0.5", 'allocation = "0.5"', "variations[#1].allocation", 'found "0.5", expected a number'),
    ("allocation = 0.5", "allocation = true", "variations[#1].allocation", "found true, expected a number"),
    (
        "allocation = 0.5",
        "allocation = nan",
        "variations[#1].allocation",
        "found nan, expected a finite number",
    ),
    (
        "allocation = 0.5",
        "allocation = inf",
        "variations[#1].allocation",
        "found inf, expected a finite number",
    ),
    ("allocation = 0.5", "allocation = 1.5", "variations[#1].allocation", "found 1.5, expected at most 1.0"),
    (
        "allocation = 0.5",
        "allocation = -0.5",
        "variations[#1].allocation",
        "found -0.5, expected at least 0.0",
    ),
    ("is_control = true", "is_control = 1", "variations[#1].is_control", "found 1, expected true or false"),
    ('id = "control"', "id = 1", "variations[#1].id", "found 1, expected text in quotes"),
    ('id = "treatment"', 'id = ""', "variations[#2].id", 'found "", expected text that is not empty'),
    ('id = "treatment"', 'id = "*"', "variations[#2].id", "found '*', expected an id other than '*'"),
    (
        "[exposure]",
        "[exposure]\ngrace_minutes = 5.0",
        "exposure.grace_minutes",
        "found 5.0, expected a whole",
    ),
    (
        "[exposure]",
        "[exposure]\ngrace_minutes = -1",
        "exposure.grace_minutes",
        "found -1, expected at least 0",
    ),
    (
        "[exposure]",
        "[exposure]\ngrace_minutes = 10081",
        "exposure.grace_minutes",
        "found 10081, expected at most",
    ),
    (
        "[exposure]",
        '[exposure]\ncrossover_policy = "keep"',
        "exposure.crossover_policy",
        'found "keep", expected',
    ),
    ("[outcomes]", '[outcomes]\nanchor = "exposure"', "outcomes.anchor", 'found "exposure", expected one of'),
    ("[outcomes]", "[outcomes]\nwindow_days = 0", "outcomes.window_days", "found 0, expected at least 1"),
    ('metrics = ["revenue_usd"]', 'metrics = "revenue_usd"', "outcomes.metrics", "expected a list"),
    (
        'metrics = ["revenue_usd"]',
        "metrics = [3]",
        "outcomes.metrics[#1]",
        "found 3, expected text in quotes",
    ),
]


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"), WRONG_TYPES, ids=[case[1] for case in WRONG_TYPES]
)
def test_a_value_of_a_wrong_type_or_out_of_bounds_is_named_with_its_key(tmp_path, old, new, key, expected):
    [line] = problems_of_experiment(tmp_path, (old, new))
    assert line.startswith(f"experiments/a.toml: {key}: ")
    assert expected in line


def test_a_variation_id_has_at_most_200_characters(tmp_path):
    assert problems_of_experiment(tmp_path / "200", ('"treatment"', f'"{"x" * 200}"')) == []
    [line] = problems_of_experiment(tmp_path / "201", ('"treatment"', f'"{"x" * 201}"'))
    assert "variations[#2].id: found" in line
    assert "(201 characters), expected at most 200 characters" in line


def test_a_time_without_zone_is_asked_for_its_z(tmp_path):
    assert problems_of_experiment(tmp_path, (START, START.removesuffix("Z"))) == [
        "experiments/a.toml: start: found 2026-01-01T09:57:00, expected a date and time that says its zone; "
        f"a Z at its end is UTC; {WRITE_START}"
    ]


def test_an_instant_outside_the_calendar_is_a_problem_and_no_crash(tmp_path):
    for number, year in enumerate(("0001-01-01T00:00:00+05:00", "1969-12-31T23:59:59Z")):
        [line] = problems_of_experiment(tmp_path / str(number), (START, f"start = {year}"))
        assert "start: found" in line
        assert "expected an instant from 1970-01-01 to the year 9999; check the year" in line


@pytest.mark.parametrize("end", ["2026-01-01T09:57:00Z", "2026-01-01T10:56:59+01:00"])
def test_an_experiment_ends_after_it_starts(tmp_path, end):
    [line] = problems_of_experiment(tmp_path, ("2026-01-15T14:30:00Z", end))
    assert line.startswith("experiments/a.toml: end: found 2026-01-01T09:5")
    assert "expected an instant after start, which is 2026-01-01T09:57:00+00:00" in line


def test_allocations_have_to_sum_to_one(tmp_path):
    assert problems_of_experiment(tmp_path, ("allocation = 0.5", "allocation = 0.75")) == [
        "experiments/a.toml: variations.allocation: found 0.75 + 0.5, which is 1.25, "
        "expected allocations that sum to 1; correct the shares"
    ]


def test_allocations_may_miss_one_by_a_billionth_and_no_more(tmp_path):
    assert problems_of_experiment(tmp_path / "1", ("allocation = 0.5", "allocation = 0.5000000009")) == []
    [line] = problems_of_experiment(tmp_path / "2", ("allocation = 0.5", "allocation = 0.5000000011"))
    assert line.endswith(
        "expected allocations that sum to 1; write the shares in full, such as 0.3333333333333333"
    )


def test_no_control_and_two_controls_are_refused(tmp_path):
    assert problems_of_experiment(tmp_path / "none", ("is_control = true", "")) == [
        "experiments/a.toml: variations.is_control: found no control, expected exactly one control; "
        "add is_control = true in one of them"
    ]
    assert problems_of_experiment(tmp_path / "two", ('"treatment"', '"treatment"\nis_control = true')) == [
        "experiments/a.toml: variations.is_control: found 'control' and 'treatment', "
        "expected exactly one control; keep is_control = true in one of them"
    ]


def test_two_variations_of_one_id_are_refused(tmp_path):
    assert problems_of_experiment(tmp_path, ('"treatment"', '"control"')) == [
        "experiments/a.toml: variations.id: found 'control' 2 times, "
        "expected a different id for each; rename one"
    ]


def test_one_variation_is_no_experiment(tmp_path):
    assert problems_of_experiment(tmp_path, ('[[variations]]\nid = "treatment"\nallocation = 0.5', "")) == [
        "experiments/a.toml: variations: found 1 of them, expected at least two variations; "
        "add a [[variations]] table for each"
    ]


def test_a_single_variations_table_is_told_to_be_a_list(tmp_path):
    text = edited(EXPERIMENT, ("[[variations]]", "[variations]")).replace("[[variations]]", "[exposures]")
    [line, unknown] = problems(write(tmp_path, experiment=text))
    assert line == (
        "experiments/a.toml: variations: found a table, expected a list; write for example [[variations]]"
    )
    assert unknown.endswith("did you mean 'exposure'?")


def test_a_source_that_does_not_exist_is_named_with_the_nearest(tmp_path):
    assert problems_of_experiment(tmp_path, ("experiment_exposed", "experiment_expose")) == [
        "experiments/a.toml: exposure.source: found 'experiment_expose', expected a file of exposure_sources "
        "or a preset; did you mean 'experiment_exposed'?"
    ]


def test_metrics_that_do_not_exist_are_named_with_the_nearest(tmp_path):
    assert problems_of_experiment(tmp_path, ('["revenue_usd"]', '["revenue", "visits"]')) == [
        "experiments/a.toml: outcomes.metrics: found 'revenue', expected a file of metrics; "
        "did you mean 'revenue_usd'?",
        "experiments/a.toml: outcomes.metrics: found 'visits', expected a file of metrics; "
        "choose from revenue_usd",
    ]


def test_a_metric_whose_file_is_broken_still_exists(tmp_path):
    assert problems(write(tmp_path, {"metrics/revenue_usd.toml": "event ="})) == [
        "metrics/revenue_usd.toml: line 1: found 'Invalid value', expected valid TOML; "
        "complete it: a value, bracket or quote is missing"
    ]


def test_a_metric_listed_twice_is_refused(tmp_path):
    assert problems_of_experiment(tmp_path, ('["revenue_usd"]', '["revenue_usd", "revenue_usd"]')) == [
        "experiments/a.toml: outcomes.metrics: found 'revenue_usd' 2 times, expected every metric once; "
        "remove the repetition"
    ]


def test_units_are_observed_at_least_as_long_as_exposures_are_valid(tmp_path):
    assert problems_of_experiment(tmp_path, ("[exposure]", "[exposure]\nmax_days_after_assignment = 15")) == [
        "experiments/a.toml: exposure.observe_days: found 14 days, expected at least "
        "max_days_after_assignment, which is 15; observe longer, or accept exposures for fewer days"
    ]


def test_every_window_has_to_fit_the_horizon(tmp_path):
    changes = (
        ("[exposure]", "[exposure]\nmax_days_after_assignment = 29\nobserve_days = 29"),
        ("[outcomes]", "[outcomes]\nwindow_days = 29"),
    )
    keys = ("exposure.max_days_after_assignment", "exposure.observe_days", "outcomes.window_days")
    assert problems_of_experiment(tmp_path, *changes) == [
        f"experiments/a.toml: {key}: found 29 days, expected at most the graph's horizon of 28 days; "
        "shorten the window, or raise EXPOSURES_HORIZON_DAYS"
        for key in keys
    ]
    assert problems(tmp_path, horizon_days=29) == []


def test_windows_left_at_their_defaults_have_to_fit_the_horizon_too(tmp_path):
    text = edited(EXPERIMENT, ('[outcomes]\nmetrics = ["revenue_usd"]\n', ""))
    assert [line.split(": ")[1] for line in problems(write(tmp_path, experiment=text), horizon_days=6)] == [
        "exposure.max_days_after_assignment",
        "exposure.observe_days",
        "outcomes.window_days",
    ]
