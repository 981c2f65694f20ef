"""The catalog as strict, frozen models: experiments, metrics and exposure sources, with the rules of each.

Finding the files, reading TOML and wording the errors is `resources.catalog`; nothing here touches a disk.
"""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_quality import QualityRules
from exposure_assets.contracts.catalog_values import (
    TIME_COLUMNS,
    Affirmed,
    CatalogScope,
    ComparedText,
    ComparedTexts,
    EventField,
    Fault,
    Id,
    Text,
    UtcDatetime,
    WindowDays,
    nearest,
    refusal,
)

DAYS_BEFORE_ASSIGNMENT = 7
ALLOCATION_TOLERANCE = 1e-9
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


class Variation(CatalogModel):
    """`control` or a treatment of one experiment, with its declared share of the units (0..1)."""

    id: str = Field(min_length=1, max_length=200, examples=['id = "treatment"'])
    allocation: float = Field(ge=0, le=1, allow_inf_nan=False, examples=["allocation = 0.5"])
    is_control: bool = Field(default=False, examples=["is_control = true"])

    @field_validator("id")
    @classmethod
    def _leaves_the_summary_row_free(cls, value: str) -> str:
        if value == "*":
            remedy = "give the variation another id"
            raise refusal(Fault("'*'", "an id other than '*', which means all variations together", remedy))
        return value


class ExposureRules(CatalogModel):
    """How an experiment's exposures are judged: grace in minutes, windows in whole days, bounds included."""

    source: str = Field(examples=['source = "experiment_exposed"'])
    grace_minutes: int = Field(
        default=5, ge=0, le=DAYS_BEFORE_ASSIGNMENT * 24 * 60, examples=["grace_minutes = 5"]
    )
    max_days_after_assignment: WindowDays = Field(default=7, examples=["max_days_after_assignment = 7"])
    observe_days: WindowDays = Field(default=14, examples=["observe_days = 14"])
    crossover_policy: Literal["exclude", "first_seen"] = Field(
        default="exclude", examples=['crossover_policy = "exclude"']
    )

    @field_validator("source")
    @classmethod
    def _source_exists(cls, value: str, info: ValidationInfo) -> str:
        if isinstance(info.context, CatalogScope) and value not in info.context.source_ids:
            expected = "a file of exposure_sources or a preset"
            raise refusal(Fault(repr(value[:100]), expected, nearest(value, info.context.source_ids)))
        return value

    @field_validator("observe_days")
    @classmethod
    def _observation_covers_the_window(cls, value: int, info: ValidationInfo) -> int:
        shortest = info.data.get("max_days_after_assignment", 0)
        if value < shortest:
            expected = f"at least max_days_after_assignment, which is {shortest}"
            remedy = "observe longer, or accept exposures for fewer days"
            raise refusal(Fault(f"{value} days", expected, remedy))
        return value


class OutcomeRules(CatalogModel):
    """Which metrics an experiment has, and the days [anchor, anchor + window_days) they look at."""

    # An experiment without [outcomes] takes the default rules: they too have to fit the scope.
    model_config = ConfigDict(revalidate_instances="always")

    anchor: Literal["first_exposure", "assignment"] = Field(
        default="first_exposure", examples=['anchor = "first_exposure"']
    )
    window_days: Annotated[WindowDays, Field(ge=1)] = Field(default=7, examples=["window_days = 7"])
    metrics: tuple[str, ...] = Field(default=(), strict=False, examples=['metrics = ["purchases"]'])

    @field_validator("metrics")
    @classmethod
    def _metrics_exist_and_appear_once(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        faults = [
            Fault(f"{metric[:100]!r} {count} times", "every metric once", "remove the repetition")
            for metric, count in Counter(value).items()
            if count > 1
        ]
        if isinstance(info.context, CatalogScope):
            known = info.context.metric_ids
            faults += [
                Fault(repr(metric[:100]), "a file of metrics", nearest(metric, known))
                for metric in dict.fromkeys(value)
                if metric not in known
            ]
        if faults:
            raise refusal(*faults)
        return value


class Experiment(CatalogModel):
    """One experiment, from `start` (included) to `end` (not included; None: still running), both UTC."""

    id: Id
    name: Text = Field(examples=['name = "Checkout button colour"'])
    owner: Text = Field(examples=['owner = "growth@example.com"'])
    start: UtcDatetime = Field(examples=["start = 2026-01-01T09:00:00Z"])
    end: UtcDatetime | None = Field(default=None, examples=["end = 2026-01-15T09:00:00Z"])
    enrollment_days: int | None = Field(default=None, gt=0, examples=["enrollment_days = 7"])
    variations: tuple[Variation, ...] = Field(strict=False, examples=["[[variations]]"])
    exposure: ExposureRules = Field(examples=["[exposure]"])
    outcomes: OutcomeRules = Field(default=OutcomeRules(), examples=["[outcomes]"])
    quality: QualityRules = Field(default=QualityRules(), examples=["[quality]"])

    @field_validator("end")
    @classmethod
    def _ends_after_it_starts(cls, value: datetime | None, info: ValidationInfo) -> datetime | None:
        start = info.data.get("start")
        if value is not None and start is not None and value <= start:
            expected = f"an instant after start, which is {start.isoformat()}"
            remedy = "correct one of the two, or leave `end` out while it runs"
            raise refusal(Fault(value.isoformat(), expected, remedy))
        return value

    @field_validator("variations")
    @classmethod
    def _variations_share_the_units(cls, value: tuple[Variation, ...]) -> tuple[Variation, ...]:
        faults = _variation_faults(value)
        if faults:
            raise refusal(*faults)
        return value

    @property
    def enrollment_end(self) -> datetime | None:
        """First instant at which assignments are no longer accepted; None where enrollment has no end."""
        if self.enrollment_days is None:
            return self.end
        try:
            enrolled_until = self.start + timedelta(days=self.enrollment_days)
        except OverflowError:  # Beyond every calendar: only `end` can end it.
            return self.end
        return enrolled_until if self.end is None else min(enrolled_until, self.end)

    @property
    def control(self) -> Variation:
        """The variation that others are compared with."""
        return next(variation for variation in self.variations if variation.is_control)

    def last_judged_date(self, data_until: date) -> date:
        """Last cohort (UTC day, included) that has had its time for exposure.

        Args:
            data_until: Last UTC day with any data; it may still be filling, so a cohort's time is over before it.
        """
        days = self.quality.judge_after_days
        time_for_exposure = self.exposure.max_days_after_assignment if days is None else days
        return _shifted(data_until, -1 - time_for_exposure)

    @property
    def first_exposure_date(self) -> date:
        """First UTC day (included) whose exposure events are accepted."""
        return self.start.date() - timedelta(days=DAYS_BEFORE_ASSIGNMENT)

    @property
    def last_exposure_date(self) -> date | None:
        """Last UTC day (included) whose exposure events are accepted; None while the experiment runs."""
        return None if self.end is None else _shifted(self.end.date(), self.exposure.observe_days)


class Metric(CatalogModel):
    """A unit's value over its events of one name in its outcome window; `cap` bounds it from above."""

    id: Id
    event: Text = Field(examples=['event = "purchase"'])
    aggregation: Literal["count", "sum", "mean", "min", "max", "converted", "count_distinct_days"] = Field(
        examples=['aggregation = "sum"']
    )
    field: EventField | None = Field(default=None, examples=['field = "value"'])
    cap: float | None = Field(default=None, allow_inf_nan=False, examples=["cap = 1000.0"])

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


class Catalog(CatalogModel):
    """Every experiment, metric and exposure source, each sorted by id; used presets are among the sources."""

    experiments: dict[str, Experiment]
    metrics: dict[str, Metric]
    exposure_sources: dict[str, ExposureSource]

    @field_validator("experiments", "metrics", "exposure_sources")
    @classmethod
    def _sorted_by_id(cls, value: dict[str, Any]) -> dict[str, Any]:
        return dict(sorted(value.items()))


def _shifted(day: date, days: int) -> date:
    """The day `days` later, or earlier, held at the days a calendar has."""
    return day + timedelta(days=max(min(days, (date.max - day).days), (date.min - day).days))


def _variation_faults(variations: tuple[Variation, ...]) -> list[Fault]:
    """What is wrong with the variations taken together: too few, ids twice, controls, allocations."""
    if len(variations) < 2:
        found = f"{len(variations)} of them"
        return [Fault(found, "at least two variations", "add a [[variations]] table for each")]
    faults = []
    for id_, count in Counter(variation.id for variation in variations).items():
        if count > 1:
            faults.append(Fault(f"{id_!r} {count} times", "a different id for each", "rename one", ("id",)))
    controls = [variation.id for variation in variations if variation.is_control]
    if len(controls) != 1:
        found = " and ".join(map(repr, controls)) if controls else "no control"
        remedy = f"{'keep' if controls else 'add'} is_control = true in one of them"
        faults.append(Fault(found, "exactly one control", remedy, ("is_control",)))
    total = math.fsum(variation.allocation for variation in variations)
    if abs(total - 1) > ALLOCATION_TOLERANCE:
        shares = [repr(variation.allocation) for variation in variations[:10]]
        found = f"{' + '.join(shares)}{' + …' if len(variations) > 10 else ''}, which is {total!r}"
        almost = abs(total - 1) < 0.02
        remedy = f"write the shares in full, such as {1 / 3!r}" if almost else "correct the shares"
        faults.append(Fault(found, "allocations that sum to 1", remedy, ("allocation",)))
    return faults


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
