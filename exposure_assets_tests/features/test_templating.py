"""What becomes of `{experiment}` when a unit is enrolled, in texts and keys, at any depth, and of nothing else.

How resolved configurations are merged is tested in test_merging.py.
"""

import copy
import json
from typing import Any

import pytest
from hypothesis import assume, given

from exposure_assets.features import InvalidConfiguration, KeyCollision, NestedTooDeep, resolve
from exposure_assets_tests.features.json_strategies import json_values, nested, slugs


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("{experiment}", "exp"),
        ("{experiment}-after", "exp-after"),
        ("before-{experiment}", "before-exp"),
        ("before-{experiment}-after", "before-exp-after"),
        ("a-{experiment}-b-{experiment}-c", "a-exp-b-exp-c"),
        (["alice", "{experiment}", ["{experiment}"]], ["alice", "exp", ["exp"]]),
        ({"key": "{experiment}", "not": True, "or": 2}, {"key": "exp", "not": True, "or": 2}),
        ({"{experiment}-en-US": "{experiment}", "or": None}, {"exp-en-US": "exp", "or": None}),
        (
            {"messages": {"{experiment}{experiment}": {"text": "{experiment}{experiment}"}}},
            {"messages": {"expexp": {"text": "expexp"}}},
        ),
        ({"": "", "ünï{experiment}": "✓{experiment}"}, {"": "", "ünïexp": "✓exp"}),
        ("{Experiment} { experiment } experiment", "{Experiment} { experiment } experiment"),
        (0, 0),
        (1.5, 1.5),
        (False, False),
        (None, None),
    ],
)
def test_every_placeholder_in_texts_and_keys_becomes_the_slug(value: Any, resolved: Any):
    result = resolve(value, "exp")
    assert result == resolved
    assert json.dumps(result) == json.dumps(resolved), "types and the order of keys are kept too"


def test_keys_keep_their_order():
    assert list(resolve({"z": 1, "{experiment}": 2, "a": 3}, "m")) == ["z", "m", "a"]


def test_a_slug_with_a_placeholder_in_it_is_put_in_once():
    assert resolve("{experiment}", "a-{experiment}") == "a-{experiment}"


def test_keys_that_become_one_key_are_an_error_that_names_path_keys_and_slug():
    value = {"messages": [{"welcome-{experiment}": 1, "other": 2, "welcome-exp": 3}]}
    with pytest.raises(KeyCollision) as raised:
        resolve(value, "exp")
    assert str(raised.value) == (
        'messages[#1]: found the keys "welcome-{experiment}" and "welcome-exp", which are the same key in experiment '
        "exp, expected keys that differ after the slug is put in; rename one of them, otherwise one value is lost"
    )
    assert (raised.value.path, raised.value.slug) == (("messages", 0), "exp")


def test_the_same_keys_do_not_collide_in_another_experiment():
    assert resolve({"{experiment}": 1, "exp": 2}, "other") == {"other": 1, "exp": 2}


def test_an_empty_slug_is_an_error():
    with pytest.raises(InvalidConfiguration, match="found an empty slug, expected the slug of an experiment"):
        resolve({}, "")


@pytest.mark.parametrize(
    "value", [float("nan"), float("-inf"), {1: "a"}, {"a": {2, 3}}, ("a",), b"a"], ids=repr
)
def test_what_is_no_json_is_an_error(value: Any):
    with pytest.raises(InvalidConfiguration):
        resolve([value], "exp")


@pytest.mark.parametrize("slug", ["exp", None])
def test_what_is_nested_deeper_than_clients_read_is_an_error_and_no_crash(slug: str | None):
    assert resolve(nested(127), slug)
    for levels in (128, 1_000, 100_000):
        with pytest.raises(NestedTooDeep, match="nested more than 127 deep"):
            resolve(nested(levels), slug)


@given(json_values())
def test_without_enrollment_nothing_changes(value: Any):
    assert json.dumps(resolve(value, None)) == json.dumps(value)


@given(json_values(), slugs)
def test_resolving_changes_the_json_text_at_the_placeholders_and_nowhere_else(value: Any, slug: str):
    before = copy.deepcopy(value)
    text = json.dumps(value, ensure_ascii=False)
    try:
        resolved = resolve(value, slug)
    except KeyCollision as collision:
        one, other = collision.keys
        assert one.replace("{experiment}", slug) == other.replace("{experiment}", slug)
        return
    assert value == before, "the input is never changed"
    # Inside a JSON text a slug stands as JSON writes it.
    written = json.dumps(slug, ensure_ascii=False)[1:-1]
    assert json.dumps(resolved, ensure_ascii=False) == text.replace("{experiment}", written)
    assert resolve(resolved, slug) == resolved, "a second time there is nothing left to do"
    assert json.loads(json.dumps(resolved)) == resolved


@given(json_values(), slugs)
def test_no_value_is_lost_without_an_error(value: Any, slug: str):
    def count(part: Any) -> int:
        children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        return 1 + sum(map(count, children))

    try:
        resolved = resolve(value, slug)
    except KeyCollision:
        assume(False)
    assert count(resolved) == count(value)
