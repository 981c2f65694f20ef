"""How default, rollouts and experiments become one configuration, and how its parts lead back to the experiments.

What the placeholder becomes is tested in test_templating.py.
"""

import copy
import json
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.features import (
    CoenrollmentRefused,
    Enrolled,
    EnrolledTwice,
    KeyCollision,
    NestedTooDeep,
    credits_of,
    feature_configuration,
    patched,
)
from exposure_assets_tests.features.json_strategies import json_objects, json_values, nested


@pytest.mark.parametrize(
    ("base", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d", "c": None}}),
        ({"a": {"b": "c"}}, {"a": {"b": None}}, {"a": {}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, {"a": "foo"}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"e": None}, {"e": None}, {}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {"ccc": None}}}),
        ({"n": 1}, {"n": 0}, {"n": 0}),
        ({"n": True}, {"n": False}, {"n": False}),
    ],
)
def test_a_patch_merges_objects_replaces_the_rest_and_removes_by_null(base: Any, patch: Any, result: Any):
    assert json.dumps(patched(base, patch)) == json.dumps(result)


def plainly_patched(base: Any, patch: Any) -> Any:
    """The rule again, as a loop over all keys."""
    if patch is None:
        return base
    if type(base) is not dict or type(patch) is not dict:
        return patch
    result = {}
    for key in [*base, *(key for key in patch if key not in base)]:
        if key not in patch:
            result[key] = base[key]
        elif key not in base:
            result[key] = patch[key]
        elif patch[key] is not None:
            result[key] = plainly_patched(base[key], patch[key])
    return result


@given(json_values(), json_values())
def test_a_patch_is_what_the_plain_rule_says_and_changes_no_input(base: Any, patch: Any):
    before = copy.deepcopy((base, patch))
    assert json.dumps(patched(base, patch)) == json.dumps(plainly_patched(base, patch))
    assert (base, patch) == before


@given(json_objects())
def test_patching_nothing_or_with_nothing_changes_nothing(value: dict[str, Any]):
    assert patched({}, value) == value
    assert patched(value, {}) == value


objects_all_the_way = st.recursive(
    st.just({}), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=12
)


@given(objects_all_the_way, objects_all_the_way, objects_all_the_way)
def test_where_there_is_no_null_and_no_object_meets_another_kind_grouping_does_not_matter(
    a: Any, b: Any, c: Any
):
    assert patched(patched(a, b), c) == patched(a, patched(b, c))


scalar_maps = st.dictionaries(st.sampled_from("abc"), st.integers() | st.text(max_size=2), max_size=3)


@given(scalar_maps, scalar_maps, scalar_maps)
def test_flat_maps_without_null_may_be_grouped_in_any_way(a: Any, b: Any, c: Any):
    assert patched(patched(a, b), c) == patched(a, patched(b, c))


def message(text: str) -> dict[str, Any]:
    return {"text": text, "experiment": "{experiment}"}


def test_the_parts_of_a_merged_configuration_lead_back_to_their_experiments():
    merged = feature_configuration(
        {"messages": {"bundled": {"text": "by default"}}, "on-control": "show-none"},
        [Enrolled("ro", {"messages": {"{experiment}-news": message("rolled out")}})],
        [
            Enrolled("exp-b", {"messages": {"b1": message("b"), "b2": message("b")}}),
            Enrolled(
                "exp-a", {"messages": {"a-{experiment}": message("a"), "bundled": {"is-control": True}}}
            ),
        ],
        is_coenrolling=True,
    )
    assert list(credits_of(merged)) == [
        (("messages", "ro-news"), "ro"),
        (("messages", "a-exp-a"), "exp-a"),
        (("messages", "b1"), "exp-b"),
        (("messages", "b2"), "exp-b"),
    ]
    assert merged["messages"]["bundled"] == {"text": "by default", "is-control": True}
    assert merged["on-control"] == "show-none"


def test_of_several_experiments_the_one_with_the_last_slug_wins_whatever_their_order():
    enrolled = [Enrolled(slug, {"winner": "{experiment}", slug: 1}) for slug in ("b", "Z", "é", "a")]
    for order in permutations(enrolled):
        merged = feature_configuration({"winner": None}, (), order, is_coenrolling=True)
        assert list(merged.items()) == [("winner", "é"), ("Z", 1), ("a", 1), ("b", 1), ("é", 1)]


def test_experiments_win_over_rollouts_and_rollouts_over_the_default():
    merged = feature_configuration(
        {"who": "default", "rollout": 0, "default": 0},
        [Enrolled("z-rollout", {"who": "{experiment}", "rollout": "{experiment}"})],
        [Enrolled("a-experiment", {"who": "{experiment}"})],
        is_coenrolling=False,
    )
    assert merged == {"who": "a-experiment", "rollout": "z-rollout", "default": 0}


def test_a_null_of_an_experiment_removes_a_message_of_the_default():
    merged = feature_configuration(
        {"messages": {"a": 1, "b": 2}}, (), [Enrolled("e", {"messages": {"a": None}})], is_coenrolling=False
    )
    assert merged == {"messages": {"b": 2}}


def test_a_null_that_has_removed_a_key_of_another_experiment_removes_nothing_of_the_default():
    enrolled = [Enrolled("a", {"key": "of a"}), Enrolled("b", {"key": None})]
    assert feature_configuration({"key": "kept"}, (), enrolled, is_coenrolling=True) == {"key": "kept"}


def test_a_default_is_nobodys_experiment():
    assert feature_configuration({"text": "{experiment}"}, is_coenrolling=True) == {"text": "{experiment}"}


@pytest.mark.parametrize("kind", ["rollouts", "experiments"])
def test_a_feature_that_does_not_coenroll_has_one_experiment_and_one_rollout(kind: str):
    enrolled = [Enrolled("exp-b", {}), Enrolled("exp-a", {})]
    with pytest.raises(CoenrollmentRefused, match=rf"found 2 {kind} \(exp-a, exp-b\), expected at most one"):
        feature_configuration({}, **{kind: enrolled}, is_coenrolling=False)
    assert feature_configuration({}, enrolled[:1], [Enrolled("e", {})], is_coenrolling=False) == {}


def test_an_experiment_is_merged_once():
    with pytest.raises(EnrolledTwice, match="found e twice, expected each experiment once"):
        feature_configuration({}, [Enrolled("e", {})], [Enrolled("e", {})], is_coenrolling=True)


def test_what_cannot_be_resolved_cannot_be_merged():
    with pytest.raises(KeyCollision):
        colliding = Enrolled("e", {"{experiment}": 1, "e": 2})
        feature_configuration({}, (), [colliding], is_coenrolling=False)
    for base, patch in ((nested(1_000), {}), ({}, nested(1_000))):
        with pytest.raises(NestedTooDeep):
            patched(base, patch)
    with pytest.raises(NestedTooDeep):
        feature_configuration(nested(1_000), is_coenrolling=False)


def test_an_object_without_the_property_or_with_another_value_credits_nobody():
    configuration = {
        "messages": {"a": {}, "b": {"experiment": None}, "c": {"experiment": 7}, "d": {"experiment": "exp"}},
        "list": [{"inside": {"experiment": "deep"}}],
    }
    assert list(credits_of(configuration)) == [
        (("messages", "d"), "exp"),
        (("list", 0, "inside"), "deep"),
    ]
    assert list(credits_of({})) == []


@given(
    st.dictionaries(st.sampled_from(["exp-a", "exp-b", "exp-c"]), st.sets(st.sampled_from("xyz")), max_size=3)
)
def test_messages_with_the_placeholder_in_key_and_credit_survive_any_coenrollment(
    messages: dict[str, set[str]],
):
    enrolled = [
        Enrolled(slug, {"messages": {f"{{experiment}}-{key}": message(key) for key in keys}})
        for slug, keys in messages.items()
    ]
    merged = feature_configuration({}, (), enrolled, is_coenrolling=True)
    assert set(credits_of(merged)) == {
        (("messages", f"{slug}-{key}"), slug) for slug, keys in messages.items() for key in keys
    }
