"""An exposure source of the catalog: which events are exposure events, and where they name what was met.

What becomes of an event stands in `transforms.exposure_events`; which experiments use a source, in `catalog`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Self

from pydantic import ConfigDict, Field, model_validator

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


class ExposureSource(CatalogModel):
    """Which events are exposure events, and where in them the experiment and the variation stand."""

    id: Id
    event: Text = Field(examples=['event = "experiment_exposed"'])
    experiment: EventField = Field(examples=['experiment = "properties.experiment"'])
    variation: EventField = Field(examples=['variation = "properties.variation"'])
    filter: tuple[Condition, ...] = Field(
        default=(), strict=False, examples=['filter = [{ field = "properties.reason", in = ["split"] }]']
    )


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
