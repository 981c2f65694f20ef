"""What a source of a coenrolling feature may not say, by the lines that people read.

How displays are credited by a valid one is tested with the transform.
"""

from pathlib import Path

import pytest

from exposure_assets_tests.resources.catalog_files import EXPERIMENT, edited, problems, write
from resources.catalog import load_catalog

USING = ('source = "experiment_exposed"', 'source = "messages"')
ATTRIBUTIONS = "one of 'event', 'slug', 'part_id' or 'message_under_experiment'"
OWNER = "an experiment, a list of experiments, or { experiment = ..., variation = ... }"
EXAMPLE = 'write for example "my-message" = "my-experiment"'


def lines(root: Path, *keys: str) -> list[str]:
    source = "\n".join(['event = "shown"', *keys])
    files = {"exposure_sources/messages.toml": source}
    return [
        line.removeprefix("exposure_sources/messages.toml: ")
        for line in problems(write(root, files, edited(EXPERIMENT, USING)))
    ]


KEYS = [
    (
        ['attribution = "slugs"', 'experiment = "properties.slug"'],
        f'attribution: found "slugs", expected {ATTRIBUTIONS}; write for example attribution = "slug"',
    ),
    (
        ['attribution = "slug"'],
        "experiment: found nothing, expected the key to be there; "
        'write for example experiment = "properties.experiment"',
    ),
    (
        ['experiment = "properties.slug"'],
        "variation: found nothing, expected the key to be there; "
        'write for example variation = "properties.variation"',
    ),
    (
        ['attribution = "slug"', 'experiment = "properties.slug"', 'part = "properties.part"'],
        "part: found 'properties.part', expected no part: attribution = \"slug\" reads experiment; "
        "remove it, or choose another attribution",
    ),
    (
        ['attribution = "part_id"', 'parts = { tip = "a" }'],
        "part: found nothing, expected the key to be there; "
        'write for example part = "properties.message_key"',
    ),
    (
        ['attribution = "part_id"', 'part = "properties.part"'],
        "parts: found nothing, expected the key to be there; "
        'write for example parts = { "my-message" = "my-experiment" }',
    ),
    (
        ['experiment = "properties.slug"', 'variation = "properties.arm"', 'parts = { tip = "a" }'],
        'parts: found a table, expected no parts: attribution = "event" reads experiment and variation; '
        "remove it, or choose another attribution",
    ),
    (
        ['attribution = "message_under_experiment"', 'part = "properties.part"'],
        "message_under_experiment: found nothing, expected the key to be there; "
        'write for example message_under_experiment = "properties.message_under_experiment"',
    ),
]


@pytest.mark.parametrize(("keys", "expected"), KEYS, ids=[", ".join(case[0]) for case in KEYS])
def test_an_attribution_needs_its_keys_and_takes_no_others(tmp_path: Path, keys: list[str], expected: str):
    assert lines(tmp_path, *keys) == [expected]


PARTS = [
    ('tip = "b"', 'parts."tip": found "b", expected an experiment with source = "messages"; choose from a'),
    (
        'tip = { experiment = "a", variation = "tretment" }',
        'parts."tip": found "tretment", expected a variation of a; did you mean \'treatment\'?',
    ),
    ("tip = []", f"parts.tip: found [], expected {OWNER}; {EXAMPLE}"),
    ("tip = 3", f"parts.tip: found 3, expected {OWNER}; {EXAMPLE}"),
    (
        'tip = { experiment = "a", arm = "treatment" }',
        "parts.tip[#1].arm: found an unknown key, expected one of experiment, variation; "
        "choose from experiment, variation",
    ),
    (
        'tip = ["a", "a"]',
        "parts.tip: found 'a' 2 times, expected every experiment once: a part that several variations of it have "
        "says nothing of a variation; name the experiment alone; the unit's assignment says the variation",
    ),
]


@pytest.mark.parametrize(("part", "expected"), PARTS, ids=[case[0] for case in PARTS])
def test_a_part_is_of_experiments_that_use_the_source(tmp_path: Path, part: str, expected: str):
    keys = ('attribution = "part_id"', 'part = "properties.part"', f"parts = {{ {part} }}")
    assert lines(tmp_path, *keys) == [expected]


def test_a_part_may_be_of_an_experiment_of_a_variation_or_of_several_experiments(tmp_path: Path):
    source = """
event = "shown"
attribution = "part_id"
part = "properties.part"
parts = { tip = "a", treated = { experiment = "a", variation = "treatment" }, both = ["a", "b"] }
"""
    experiment = edited(EXPERIMENT, USING)
    files = {"exposure_sources/messages.toml": source, "experiments/b.toml": experiment}
    catalog = load_catalog(write(tmp_path, files, experiment), 28)
    owners = catalog.exposure_sources["messages"].parts
    assert {part: [(one.experiment, one.variation) for one in mine] for part, mine in owners.items()} == {
        "tip": [("a", None)],
        "treated": [("a", "treatment")],
        "both": [("a", None), ("b", None)],
    }
