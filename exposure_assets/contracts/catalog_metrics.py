"""A metric of the catalog: which events it counts, and how they become a unit's value.

How values are computed stands in `transforms.unit_outcomes`; which experiments have a metric, in `catalog`.
"""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_values import TIME_COLUMNS, EventField, Fault, Id, Text, refusal

LARGEST_COUNT = 2**53
UNIT_OUTCOMES_COLUMNS = (
    "experiment_id",
    "unit_id",
    "variation_id",
    "assignment_date",
    "anchor",
    "anchor_at",
    "window_end_at",
)


class Metric(CatalogModel):
    """A unit's value over its events of one name in its outcome window; `cap` bounds it from above."""

    id: Id
    event: Text = Field(examples=['event = "purchase"'])
    aggregation: Literal["count", "sum", "mean", "min", "max", "converted", "count_distinct_days"] = Field(
        examples=['aggregation = "sum"']
    )
    field: EventField | None = Field(default=None, examples=['field = "value"'])
    cap: float | None = Field(default=None, allow_inf_nan=False, examples=["cap = 1000.0"])

    @property
    def is_zero_without_events(self) -> bool:
        """Whether a unit without events has the value 0 (`converted`: false), and not none at all."""
        return self.aggregation not in ("mean", "min", "max")

    @field_validator("id")
    @classmethod
    def _leaves_the_columns_of_unit_outcomes_free(cls, value: str) -> str:
        if value in UNIT_OUTCOMES_COLUMNS:
            expected = "an id that is not a column of unit_outcomes already"
            raise refusal(Fault(repr(value), expected, "rename the file"))
        return value

    @field_validator("field")
    @classmethod
    def _field_fits_the_aggregation(cls, value: str | None, info: ValidationInfo) -> str | None:
        aggregation = info.data.get("aggregation")
        if aggregation is None:
            return value
        takes_values = aggregation in ("sum", "mean", "min", "max")
        if takes_values and value is None:
            expected = f"the field whose values to take: {aggregation} needs one"
            raise refusal(Fault("nothing", expected, 'write for example field = "value"'))
        if not takes_values and value is not None:
            expected = f"no field: {aggregation} counts events, whatever they hold"
            raise refusal(Fault(repr(value), expected, "remove the line, or use sum, mean, min or max"))
        if value in TIME_COLUMNS:
            expected = "a field that holds numbers"
            raise refusal(Fault(repr(value), expected, "use `value` or a property"))
        return value

    @field_validator("cap")
    @classmethod
    def _cap_fits_the_aggregation(cls, value: float | None, info: ValidationInfo) -> float | None:
        aggregation = info.data.get("aggregation")
        if value is None or aggregation is None:
            return value
        if aggregation == "converted":
            raise refusal(Fault(repr(value), "no cap: converted is true or false", "remove the line"))
        if aggregation.startswith("count") and not (value.is_integer() and 0 <= value <= LARGEST_COUNT):
            expected = f"a whole number from 0 to {LARGEST_COUNT}: {aggregation} gives counts"
            raise refusal(Fault(repr(value), expected, "round it"))
        return value
