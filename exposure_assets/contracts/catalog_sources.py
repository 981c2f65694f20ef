"""An exposure source of the catalog: which events are exposure events, and where they name what was met.

What becomes of an event stands in `transforms.exposure_events`; which experiments use a source, in `catalog`.
"""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_values import (
    Affirmed,
    ComparedText,
    ComparedTexts,
    EventField,
    Fault,
    Id,
    Text,
    refusal,
)

Attribution = Literal["event", "slug", "part_id", "message_under_experiment"]
# The rules by which a display of a coenrolling feature is credited, the most certain one first.
CREDIT_RULES: tuple[Attribution, ...] = ("slug", "part_id", "message_under_experiment")
_NEEDS: Mapping[Attribution, tuple[str, ...]] = {
    "event": ("experiment", "variation"),
    "slug": ("experiment",),
    "part_id": ("part", "parts"),
    "message_under_experiment": ("part", "message_under_experiment"),
}
_MAY_HAVE: Mapping[Attribution, tuple[str, ...]] = {**_NEEDS, "slug": ("experiment", "variation")}


class Condition(CatalogModel):
    """One field, one operator. Values compare as text; a missing value is in no list and equals nothing."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    field: EventField = Field(examples=['field = "properties.reason"'])
    in_: ComparedTexts | None = Field(
        default=None, validation_alias="in", serialization_alias="in", examples=['in = ["split"]']
    )
    not_in: ComparedTexts | None = Field(default=None, examples=['not_in = ["internal"]'])
    equals: ComparedText | None = Field(default=None, examples=['equals = "split"'])
    is_null: Affirmed | None = Field(default=None, examples=["is_null = true"])
    not_null: Affirmed | None = Field(default=None, examples=["not_null = true"])

    @model_validator(mode="after")
    def _has_one_operator(self) -> Self:
        operators = ("in", "not_in", "equals", "is_null", "not_null")
        given = [name for name in operators if getattr(self, "in_" if name == "in" else name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "no operator"
            remedy = (
                "write one condition for each: all must hold" if given else 'write for example in = ["split"]'
            )
            raise refusal(Fault(found, f"exactly one of {', '.join(operators)}", remedy))
        return self


class PartOwner(CatalogModel):
    """Whose a part of a feature is: an experiment, and its variation where the part says that too."""

    experiment: str = Field(examples=['experiment = "my-experiment"'])
    variation: str | None = Field(default=None, examples=['variation = "treatment"'])


def _owners(value: object) -> object:
    """The owners of a part, written as one experiment, a list of experiments, or a table."""
    items = value if isinstance(value, list | tuple) else [value]
    owners = [{"experiment": item} if isinstance(item, str) else item for item in items]
    if not owners or not all(isinstance(owner, dict | PartOwner) for owner in owners):
        expected = "an experiment, a list of experiments, or { experiment = ..., variation = ... }"
        raise refusal(Fault(repr(value)[:80], expected, 'write for example "my-message" = "my-experiment"'))
    named = Counter(map(_experiment_of, owners))
    experiment, count = named.most_common(1)[0]
    if count > 1:
        expected = (
            "every experiment once: a part that several variations of it have says nothing of a variation"
        )
        remedy = "name the experiment alone; the unit's assignment says the variation"
        raise refusal(Fault(f"{experiment!r} {count} times", expected, remedy))
    return tuple(owners)


def _experiment_of(owner: object) -> str:
    if isinstance(owner, PartOwner):
        return owner.experiment
    return str(owner.get("experiment")) if isinstance(owner, dict) else ""


PartOwners = Annotated[tuple[PartOwner, ...], BeforeValidator(_owners), Field(strict=False)]


class ExposureSource(CatalogModel):
    """Which events are exposure events, and how it is found what they showed.

    With `attribution = "event"` an event names experiment and variation itself. The others are for displays of
    coenrolling features, which credit the experiment that a part of the feature's configuration came from.
    """

    id: Id
    event: Text = Field(examples=['event = "experiment_exposed"'])
    attribution: Attribution = Field(default="event", examples=['attribution = "slug"'])
    experiment: EventField | None = Field(default=None, examples=['experiment = "properties.experiment"'])
    variation: EventField | None = Field(default=None, examples=['variation = "properties.variation"'])
    part: EventField | None = Field(default=None, examples=['part = "properties.message_key"'])
    message_under_experiment: EventField | None = Field(
        default=None, examples=['message_under_experiment = "properties.message_under_experiment"']
    )
    parts: dict[str, PartOwners] = Field(default={}, examples=['parts = { "my-message" = "my-experiment" }'])
    filter: tuple[Condition, ...] = Field(
        default=(), strict=False, examples=['filter = [{ field = "properties.reason", in = ["split"] }]']
    )

    @field_validator("experiment", "variation", "part", "message_under_experiment", "parts")
    @classmethod
    def _fits_the_attribution(cls, value: Any, info: ValidationInfo) -> Any:
        attribution, name = info.data.get("attribution"), info.field_name or ""
        if attribution is None:
            return value
        if not value and name in _NEEDS[attribution]:
            example = (cls.model_fields[name].examples or [""])[0]
            raise refusal(Fault("nothing", "the key to be there", f"write for example {example}"))
        if value and name not in _MAY_HAVE[attribution]:
            found = repr(value) if isinstance(value, str) else "a table"
            expected = f'no {name}: attribution = "{attribution}" reads {" and ".join(_NEEDS[attribution])}'
            raise refusal(Fault(found, expected, "remove it, or choose another attribution"))
        return value

    @property
    def paths(self) -> list[str]:
        """Every field that the source reads, sorted."""
        named = (self.experiment, self.variation, self.part, self.message_under_experiment)
        return sorted({path for path in named if path} | {condition.field for condition in self.filter})

    @property
    def credits_displays(self) -> bool:
        """Whether its events are displays of a coenrolling feature."""
        return self.attribution != "event"


PRESETS: Mapping[str, ExposureSource] = MappingProxyType(
    {
        source.id: source
        for source in (
            ExposureSource(
                id="experiment_exposed",
                event="experiment_exposed",
                experiment="properties.experiment",
                variation="properties.variation",
            ),
            ExposureSource(
                id="posthog_feature_flag_called",
                event="$feature_flag_called",
                experiment="properties.$feature_flag",
                variation="properties.$feature_flag_response",
            ),
            ExposureSource(
                id="opentelemetry_feature_flag_evaluation",
                event="feature_flag.evaluation",
                experiment="properties.feature_flag.key",
                variation="properties.feature_flag.result.variant",
                # A default, a cached or a disabled flag shows nobody a variation they were assigned to.
                filter=(
                    Condition(
                        field="properties.feature_flag.result.reason", in_=("split", "targeting_match")
                    ),
                ),
            ),
            ExposureSource(
                id="growthbook_experiment_viewed",
                event="experiment_viewed",
                experiment="properties.experiment_id",
                variation="properties.variation_id",
            ),
        )
    }
)
