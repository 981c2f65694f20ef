"""Tests of what the files of metrics and exposure sources may not say, by the exact line an analyst reads.

Files, ids and unknown keys are judged in `test_catalog_problems`.
"""

import pytest

from exposure_assets_tests.resources.catalog_files import METRIC, SOURCE, edited, problems, write


def problems_of_metric(root, text):
    return problems(write(root, {"metrics/m.toml": text}))


def problems_of_source(root, text):
    return problems(write(root, {"exposure_sources/s.toml": text}))


@pytest.mark.parametrize("aggregation", ["sum", "mean", "min", "max"])
def test_an_aggregation_of_values_needs_a_field(tmp_path, aggregation):
    assert problems_of_metric(tmp_path, f'event = "purchase"\naggregation = "{aggregation}"') == [
        f"metrics/m.toml: field: found nothing, "
        f"expected the field whose values to take: {aggregation} needs one; "
        'write for example field = "value"'
    ]


@pytest.mark.parametrize("aggregation", ["count", "converted", "count_distinct_days"])
def test_an_aggregation_of_events_refuses_a_field(tmp_path, aggregation):
    assert problems_of_metric(tmp_path, edited(METRIC, ("sum", aggregation))) == [
        f"metrics/m.toml: field: found 'value', expected no field: {aggregation} counts events, "
        "whatever they hold; remove the line, or use sum, mean, min or max"
    ]


def test_an_unknown_aggregation_is_refused_with_the_known_ones(tmp_path):
    assert problems_of_metric(tmp_path, edited(METRIC, ("sum", "total"))) == [
        "metrics/m.toml: aggregation: found \"total\", expected one of 'count', 'sum', 'mean', 'min', 'max', "
        "'converted' or 'count_distinct_days'; write for example aggregation = \"sum\""
    ]


@pytest.mark.parametrize("column", ["experiment_id", "unit_id", "anchor", "anchor_at", "window_end_at"])
def test_a_metric_cannot_take_the_name_of_a_column_of_unit_outcomes(tmp_path, column):
    assert problems(write(tmp_path, {f"metrics/{column}.toml": METRIC})) == [
        f"metrics/{column}.toml: id: found '{column}', expected an id that is not a column of unit_outcomes "
        "already; rename the file"
    ]


CAPS = [
    ("sum", "nan", "found nan, expected a finite number"),
    ("sum", "inf", "found inf, expected a finite number"),
    ("sum", '"3"', 'found "3", expected a number'),
    ("sum", "true", "found true, expected a number"),
    ("converted", "1", "found 1.0, expected no cap: converted is true or false; remove the line"),
    ("count", "2.5", "found 2.5, expected a whole number from 0 to 9007199254740992: count gives counts"),
    ("count_distinct_days", "-1", "found -1.0, expected a whole number from 0"),
]


@pytest.mark.parametrize(("aggregation", "cap", "expected"), CAPS)
def test_a_cap_that_cannot_cap_is_refused(tmp_path, aggregation, cap, expected):
    field = 'field = "value"\n' if aggregation == "sum" else ""
    text = f'event = "purchase"\naggregation = "{aggregation}"\n{field}cap = {cap}'
    [line] = problems_of_metric(tmp_path, text)
    assert line.startswith(f"metrics/m.toml: cap: {expected}")


FIELDS = [
    ("valeu", "did you mean value?"),
    ("propertes.price", "did you mean properties.price?"),
    ("properties", "name one property, such as properties.experiment"),
    ("properties.", "name one property, such as properties.experiment"),
    ("properties.a..b", "name one property, such as properties.experiment"),
]


@pytest.mark.parametrize(("field", "remedy"), FIELDS)
def test_a_field_is_a_column_of_events_or_a_path_into_properties(tmp_path, field, remedy):
    expected = (
        f"found '{field}', expected properties.<path> or a column of events "
        "(event_id, event_name, unit_id, session_id, occurred_at, ingested_at, value, "
        f"or a further one of the files); {remedy}"
    )
    assert problems_of_metric(tmp_path / "m", edited(METRIC, ('"value"', f'"{field}"'))) == [
        f"metrics/m.toml: field: {expected}"
    ]
    assert problems_of_source(tmp_path / "s", edited(SOURCE, ("properties.variation", field))) == [
        f"exposure_sources/s.toml: variation: {expected}"
    ]


def test_a_time_is_no_value_of_a_metric(tmp_path):
    assert problems_of_metric(tmp_path, edited(METRIC, ('"value"', '"occurred_at"'))) == [
        "metrics/m.toml: field: found 'occurred_at', expected a field that holds numbers; "
        "use `value` or a property"
    ]


CONDITIONS = [
    ("{}", "filter[#1].field: found nothing, expected the key to be there"),
    ('{ field = "value" }', "filter[#1]: found no operator, expected exactly one of in, not_in, equals"),
    ('{ field = "value", equals = "1", not_null = true }', "filter[#1]: found equals and not_null, expected"),
    ('{ field = "value", in = [] }', "filter[#1].in: found [], expected a list that is not empty"),
    ('{ field = "value", in = "split" }', 'filter[#1].in: found "split", expected a list'),
    (
        '{ field = "value", in = [2026-01-01] }',
        "filter[#1].in[#1]: found 2026-01-01, expected text in quotes",
    ),
    ('{ field = "value", equals = nan }', "filter[#1].equals: found nan, expected text in quotes"),
    (
        '{ field = "value", is_null = false }',
        "filter[#1].is_null: found false, expected true; remove the line",
    ),
    ('{ field = "value", not_null = 1 }', "filter[#1].not_null: found 1, expected true or false"),
    (
        '{ field = "value", in_ = ["a"] }',
        "filter[#1].in_: found an unknown key, expected one of field, in, not_in",
    ),
    ('{ field = "value", matches = "a" }', "filter[#1].matches: found an unknown key"),
]


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS, ids=[case[0] for case in CONDITIONS])
def test_a_condition_outside_the_grammar_is_refused(tmp_path, condition, expected):
    line = problems_of_source(tmp_path, SOURCE + f"filter = [{condition}]")[-1]
    assert line.startswith(f"exposure_sources/s.toml: {expected}")


def test_a_preset_that_does_not_exist_is_the_only_thing_missing(tmp_path):
    assert problems_of_source(tmp_path, 'preset = "posthog_feature_flag_call"') == [
        'exposure_sources/s.toml: preset: found "posthog_feature_flag_call", expected the name of a preset; '
        "did you mean 'posthog_feature_flag_called'?"
    ]
