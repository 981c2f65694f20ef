"""What the lint finds in messaging configurations as people write them, and what it leaves alone.

How files are read and findings shown is tested in test_features_command.py.
"""

from typing import Any

import pytest
from hypothesis import given

from exposure_assets.features import Finding, Severity, lint
from exposure_assets_tests.features.json_strategies import json_values, nested

SURVEY = {
    "messages": {
        "{experiment}-survey": {
            "surface": "survey",
            "text": "Help make us better",
            "action": "OPEN_URL",
            "action-params": {"url": "https://example.com/survey?id={uuid}&from={experiment}"},
            "trigger": ["USER_EN_SPEAKER"],
            "style": "{experiment}-SURVEY",
            "experiment": "{experiment}",
        }
    },
    "styles": {"{experiment}-SURVEY": {"priority": 55, "max-display-count": 10}},
    "triggers": {"USER_EN_SPEAKER": "'en' in locale"},
}
CONTROL = {
    "messages": {
        "{experiment}-survey": {"surface": "survey", "is-control": True, "experiment": "{experiment}"}
    }
}
DEFAULT = {
    "messages": {"default-browser": {"surface": "notification", "text": "Switch", "delay-days": 3}},
    "styles": {"WARNING": {"priority": 60, "max-display-count": 10, "is-sticky": False}},
    "on-control": "show-next-message",
    "cooldown": {"hours": 12},
}


def recipe(slug: str, *values: dict[str, Any], **further: Any) -> dict[str, Any]:
    branches = [
        {"slug": f"branch-{n}", "ratio": 1, "features": [{"featureId": "messaging", "value": value}]}
        for n, value in enumerate(values)
    ]
    return {"slug": slug, "branches": branches, **further}


def found(value: Any, slug: str | None = "exp", **options: Any) -> list[tuple[str, str, str]]:
    """Severity, rule and path of every finding in one configuration."""
    return told(lint({"f.json": value}, slug=slug, **options))


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.severity.value, finding.rule, finding.path) for finding in findings]


@pytest.mark.parametrize("value", [SURVEY, CONTROL, {}, {"messages": {}}, {"enabled": True}])
def test_a_sound_configuration_has_no_findings_alone_and_in_a_recipe(value: dict[str, Any]):
    assert found(value) == []
    assert found(value, slug=None) == []
    assert found(value, default=("d.json", DEFAULT)) == []
    assert found(recipe("exp", value, CONTROL), slug=None) == []


def test_a_finding_is_a_line_with_file_path_what_was_found_what_was_expected_and_what_to_do():
    value = {"messages": {"welcome": {"surface": "notification", "is-control": True}}}
    findings = lint({"welcome.json": recipe("exp", SURVEY, value)})
    assert [str(finding) for finding in findings] == [
        "warning: welcome.json: branches[#2].features[#1].value.messages: found no message with experiment among 1, "
        "expected a message that credits its experiment when it is displayed; "
        'add "experiment": "{experiment}" to each of them',
        "welcome.json: branches[#2].features[#1].value.messages.welcome: found a control message without experiment, "
        'expected the experiment that it is the control of; add "experiment": "{experiment}"',
    ]


@pytest.mark.parametrize("experiment", [{}, {"experiment": None}, {"experiment": ""}])
def test_a_control_message_has_to_say_its_experiment(experiment: dict[str, Any]):
    value = {"messages": {**SURVEY["messages"], "control": {"is-control": True, **experiment}}}
    assert found(value) == [("error", "control-without-experiment", "messages.control")]
    assert found(value, slug=None) == [("error", "control-without-experiment", "messages.control")]
    value["messages"]["control"]["is-control"] = False
    assert found(value, slug=None) == []


def test_a_message_of_an_experiment_without_credit_is_a_warning_where_others_have_it():
    value = {"messages": {**SURVEY["messages"], "silent": {"text": "seen by everybody"}, "removed": None}}
    assert found(value) == [("warning", "message-without-experiment", "messages.silent")]
    assert found(recipe("ro", value, isRollout=True), slug=None) == [], "a rollout may credit nobody"
    assert found(value, slug=None) == [], "nobody knows yet whether it is of an experiment"


def test_an_experiment_none_of_whose_messages_credits_it_is_one_warning():
    value = {"messages": {"a": {"text": "A"}, "b": {"text": "B"}}}
    assert found(value) == [("warning", "message-without-experiment", "messages")]


@pytest.mark.parametrize("written", ["{experiment}", "{experiment}0", "p-{experiment}"])
def test_a_placeholder_where_messaging_has_a_number_or_a_boolean_is_an_error(written: str):
    value = {
        "messages": {"m": {"experiment": "{experiment}", "is-control": written}},
        "styles": {"S": {"priority": written, "max-display-count": written, "class": written}},
    }
    assert found(value) == [
        ("error", "placeholder-in-number", "messages.m.is-control"),
        ("error", "placeholder-in-number", "styles.S.priority"),
        ("error", "placeholder-in-number", "styles.S.max-display-count"),
    ]


def test_a_placeholder_where_the_default_configuration_has_a_number_is_an_error():
    value = {
        "cooldown": {"hours": "{experiment}"},
        "styles": {"WARNING": {"is-sticky": "{experiment}"}},
        "on-control": "{experiment}",
    }
    assert found(value) == []
    findings = lint({"f.json": value}, slug="exp", default=("d.json", DEFAULT))
    assert told(findings) == [
        ("error", "placeholder-in-number", "cooldown.hours"),
        ("error", "placeholder-in-number", "styles.WARNING.is-sticky"),
    ]
    assert [finding.expected for finding in findings] == [
        "a number, as in the default configuration",
        "true or false, as in the default configuration",
    ]


def test_a_placeholder_where_siblings_have_a_number_is_an_error():
    value = {
        "cards": {
            "a": {"position": 1, "name": "{experiment}"},
            "b": {"position": "{experiment}", "name": "b"},
        },
        "steps": [{"delay": "{experiment}"}, "none", {"delay": 2.5}],
    }
    assert found(value) == [
        ("error", "placeholder-in-number", "cards.b.position"),
        ("error", "placeholder-in-number", "steps[#1].delay"),
    ]


def test_keys_that_collide_in_this_experiment_are_an_error_each():
    value = {
        "messages": {
            "{experiment}-a": {"experiment": "{experiment}"},
            "exp-a": {"experiment": "{experiment}"},
        },
        "styles": {"exp": {}, "{experiment}": {}},
    }
    collisions = [("error", "key-collision", "messages"), ("error", "key-collision", "styles")]
    assert found(value) == collisions
    assert found(recipe("exp", value), slug="other") == [
        (severity, rule, f"branches[#1].features[#1].value.{path}") for severity, rule, path in collisions
    ]
    assert found(value, slug="other") == []
    assert found(value, slug=None) == []


@pytest.mark.parametrize(
    "written",
    [
        "{Experiment}",
        "{ experiment }",
        "{experimnet}",
        "{expirement}",
        "{experiments}",
        "{slug}",
        "{experiment_slug}",
        "{{experiment}}",
        "${experiment}",
    ],
)
def test_a_misspelt_placeholder_is_an_error_in_texts_and_in_keys(written: str):
    text = {"messages": {"m": {"experiment": "{experiment}", "text": f"See {written}!"}}}
    assert found(text) == [("error", "misspelt-placeholder", "messages.m.text")]
    credit = {"messages": {"m": {"experiment": written}}}
    assert found(credit) == [("error", "misspelt-placeholder", "messages.m.experiment")]
    key = {"triggers": {f"{written}-SEEN": "true"}}
    assert [(severity, rule) for severity, rule, _ in found(key)] == [("error", "misspelt-placeholder")]
    assert found(text, slug=None) == [("error", "misspelt-placeholder", "messages.m.text")]


@pytest.mark.parametrize(
    "text", ["{uuid}", "{app_name}", "{}", "{'a': 1}", "experiment", "{experience}!", "{0}"]
)
def test_other_braces_are_none_of_our_business(text: str):
    assert found({"messages": {"m": {"experiment": "{experiment}", "text": text}}}) == []


@pytest.mark.parametrize(
    ("written", "severity"),
    [
        ("other-experiment", "error"),
        ("exp-a+exp-b", "error"),
        ("{experiment}+exp-b", "error"),
        ("{experiment}-x", "error"),
        ("{unknown}", "error"),
        (7, "error"),
        (True, "error"),
        (["{experiment}"], "error"),
        ("exp", "warning"),
    ],
    ids=repr,
)
def test_a_message_credits_by_the_placeholder_and_by_nothing_else(written: Any, severity: str):
    value = {"messages": {"m": {"experiment": written}}}
    assert found(value) == [(severity, "experiment-value", "messages.m.experiment")]


def test_a_slug_typed_by_hand_where_no_experiment_is_known_is_a_warning():
    value = {"messages": {"m": {"experiment": "exp"}}}
    assert found(value, slug=None) == [("warning", "experiment-value", "messages.m.experiment")]


def test_parts_of_other_features_credit_too_but_their_other_values_are_their_own():
    value = {"cards": [{"experiment": "other"}, {"experiment": True}, {"experiment": None}]}
    assert found(value) == [("error", "experiment-value", "cards[#1].experiment")]


def test_the_legacy_key_is_an_error_as_long_as_its_message_credits_nobody():
    legacy = {"message-under-experiment": "{experiment}-survey"}
    annotated = {**SURVEY, **legacy}
    assert found(annotated) == [("warning", "message-under-experiment", "message-under-experiment")]
    elsewhere = {**SURVEY, "message-under-experiment": "another"}
    assert found(elsewhere) == [("error", "message-under-experiment", "message-under-experiment")]
    alone = {"messages": {"m": {"text": "hi"}}, "message-under-experiment": "m"}
    assert found(alone, slug=None) == [("error", "message-under-experiment", "message-under-experiment")]
    assert found({"message-under-experiment": None}) == []


def test_a_placeholder_in_a_default_configuration_is_an_error():
    default = {"messages": {"bundled": {"experiment": "{experiment}"}, "{experiment}-key": {}}}
    findings = lint({}, default=("d.json", default))
    assert told(findings) == [
        ("error", "placeholder-in-default", "messages.bundled.experiment"),
        ("error", "placeholder-in-default", 'messages["{experiment}-key"]'),
    ]


def test_two_experiments_that_write_the_same_message_are_an_error_at_the_later_slug():
    message = {"experiment": "{experiment}", "text": "hi"}
    files = {
        "b.json": recipe("exp-b", {"messages": {"exp-a-welcome": message}}, CONTROL),
        "a.json": recipe("exp-a", {"messages": {"{experiment}-welcome": message}}, CONTROL),
    }
    (finding,) = lint(files)
    assert (finding.rule, finding.file) == ("shared-key", "b.json")
    assert finding.path == "branches[#1].features[#1].value.messages.exp-a-welcome"
    assert finding.found == 'the key "exp-a-welcome" of exp-b, which exp-a has too (a.json)'


def test_a_message_that_two_experiments_write_alike_is_an_error_too():
    bundled = {"messages": {"default-browser": {"text": "Switch now"}}}
    findings = lint({"f": [recipe("exp-a", SURVEY, bundled), recipe("exp-b", SURVEY, bundled)]})
    shared = [finding for finding in findings if finding.rule == "shared-key"]
    assert told(shared) == [
        ("error", "shared-key", "[#2].branches[#2].features[#1].value.messages.default-browser")
    ]


def test_branches_rollouts_and_other_features_do_not_meet_in_a_message():
    value = {"messages": {"m": {"experiment": "{experiment}"}}}
    assert lint({"a": recipe("exp-a", value, value)}) == []
    assert lint({"a": recipe("exp-a", value), "b": recipe("ro", value, isRollout=True)}) == []
    other = {"slug": "exp-b", "branches": [{"feature": {"featureId": "cards", "value": value}}]}
    assert lint({"a": recipe("exp-a", value), "b": other}) == []


def test_styles_triggers_and_actions_are_shared_where_they_are_the_same():
    def styled(priority: int) -> dict[str, Any]:
        return {**CONTROL, "styles": {"S": {"priority": priority}}, "triggers": {"ALWAYS": "true"}}

    assert lint({"f": [recipe("exp-a", styled(1)), recipe("exp-b", styled(1))]}) == []
    findings = lint({"f": [recipe("exp-a", styled(1)), recipe("exp-b", styled(2))]})
    assert told(findings) == [("warning", "shared-key", "[#2].branches[#1].features[#1].value.styles.S")]


@pytest.mark.parametrize(
    ("value", "path", "what"),
    [
        ([], "", "an empty list"),
        (3, "", "3"),
        (None, "", "null"),
        ([{"slug": "a"}], "[#1]", "an object"),
        ({"branches": 7}, "", "an object"),
        ({"slug": None, "branches": []}, "slug", "null"),
        ({"slug": "a+b", "branches": []}, "slug", '"a+b"'),
        ({"slug": "a", "branches": ["control"]}, "branches[#1]", "null"),
        ({"slug": "a", "branches": [{"slug": "control"}]}, "branches[#1].features", "null"),
        ({"slug": "a", "branches": [{"features": [3]}]}, "branches[#1].features[#1]", "3"),
        (
            {"slug": "a", "branches": [{"feature": {"featureId": "m", "value": []}}]},
            "branches[#1].feature",
            "a list",
        ),
        ({"slug": "a", "branches": [{"feature": {"value": {}}}]}, "branches[#1].feature.featureId", "null"),
        ({"data": [7]}, "data[#1]", "7"),
    ],
)
def test_what_is_no_configuration_and_no_recipe_is_an_error(value: Any, path: str, what: str):
    (finding,) = lint({"f.json": value})
    assert (finding.severity, finding.rule) == (Severity.ERROR, "recipe")
    assert (finding.path, finding.found) == (path, what)


def test_newer_features_count_where_a_branch_has_the_older_one_too():
    control = {"messages": {"c": {"is-control": True}}}
    branch = {
        "feature": {"featureId": "for-older-clients", "value": control},
        "features": [{"featureId": "messaging", "value": CONTROL}],
    }
    assert lint({"f": {"slug": "exp", "branches": [branch]}}) == []
    del branch["features"]
    assert len(lint({"f": {"data": [{"slug": "exp", "branches": [branch]}]}})) == 2


def test_a_file_nested_too_deep_is_one_finding_and_the_others_are_linted():
    findings = lint({"deep.json": nested(200), "f.json": {"triggers": {"T": "{slug}"}}})
    assert [(finding.file, finding.rule) for finding in findings] == [
        ("deep.json", "recipe"),
        ("f.json", "misspelt-placeholder"),
    ]


def test_findings_are_one_printable_line_each_whatever_the_file_holds():
    value = {"messages": {"a\nb\u202e": {"experiment": "x\ud800\t" + "y" * 100}}}
    (finding,) = lint({"f.json": value}, slug="exp")
    assert "\n" not in str(finding) and str(finding).isprintable()
    assert "(103 characters)" in str(finding)


@given(json_values(), json_values())
def test_no_json_crashes_the_lint(value: Any, default: Any):
    for finding in lint({"f.json": value}, slug="exp", default=("d.json", default)):
        assert str(finding).isprintable()
