"""Definitions: what shares rows, and what doesn't."""

from dataclasses import replace

import pytest

from exposure_assets.contracts import Condition, ExposureSource
from exposure_assets.transforms.exposure_definitions import DefinitionError, ExposureDefinition

SOURCE = ExposureSource(
    id="seen",
    event="banner_seen",
    experiment="properties.experiment",
    variation="properties.variation",
    filter=(
        Condition(field="properties.reason", in_=("split", "forced")),
        Condition(field="session_id", not_null=True),
    ),
)
DEFINITION = ExposureDefinition("exp", SOURCE, ("control", "treatment"))


def of(**changes: object) -> ExposureDefinition:
    return replace(DEFINITION, source=SOURCE.model_copy(update=changes))


@pytest.mark.parametrize(
    "other",
    [
        replace(DEFINITION, experiment_id="other"),
        replace(DEFINITION, variations=("control",)),
        of(event="banner_clicked"),
        of(experiment="properties.test"),
        of(variation="properties.arm"),
        of(filter=SOURCE.filter[:1]),
        of(filter=(Condition(field="properties.reason", in_=("split",)), SOURCE.filter[1])),
        of(filter=(Condition(field="properties.reason", not_in=("split", "forced")), SOURCE.filter[1])),
    ],
)
def test_whatever_decides_which_events_count_makes_another_hash(other: ExposureDefinition):
    assert other.hash != DEFINITION.hash


@pytest.mark.parametrize(
    "same",
    [
        replace(DEFINITION, variations=("treatment", "control", "control")),
        of(id="another_name"),
        of(filter=tuple(reversed(SOURCE.filter))),
        of(filter=(Condition(field="properties.reason", in_=("forced", "split")), SOURCE.filter[1])),
    ],
)
def test_what_decides_nothing_leaves_the_hash(same: ExposureDefinition):
    assert same.hash == DEFINITION.hash


def test_a_hash_is_the_same_in_every_process():
    assert DEFINITION.hash == "5823723b08be58df73b20920f8352b84f9e0adc653f6d325c312bf4f80739260"


@pytest.mark.parametrize("variations", [(), ("control", "")])
def test_a_definition_without_variations_is_refused(variations: tuple[str, ...]):
    with pytest.raises(DefinitionError, match="expected at least one"):
        ExposureDefinition("exp", SOURCE, variations)
