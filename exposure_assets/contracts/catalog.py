"""The catalog as strict, frozen models: experiments, metrics and exposure sources, with the rules of each.

Finding the files, reading TOML and wording the errors is `resources.catalog`; nothing here touches a disk.
"""

from collections import Counter
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from exposure_assets.contracts.catalog_allocations import (
    AllocationPhase,
    DeclaredShares,
    phase_faults,
    sum_faults,
)
from exposure_assets.contracts.catalog_guardrails import Guardrails
from exposure_assets.contracts.catalog_metrics import Metric
from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_quality import QualityRules
from exposure_assets.contracts.catalog_results import ResultRules
from exposure_assets.contracts.catalog_segments import Segment
from exposure_assets.contracts.catalog_sources import ExposureSource
from exposure_assets.contracts.catalog_values import (
    CatalogScope,
    Fault,
    Id,
    Text,
    UtcDatetime,
    WindowDays,
    nearest,
    refusal,
)
from exposure_assets.contracts.catalog_windows import Enrollment, ExposureWindow

DAYS_BEFORE_ASSIGNMENT = 7


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
    windows: tuple[ExposureWindow, ...] = Field(
        default=(), strict=False, examples=['windows = [{ id = "first_week", end = 6 }]']
    )

    @property
    def windows_per_unit(self) -> int:
        """How many rows of `exposure_windows` an assignment has."""
        return sum(window.size(self.observe_days) for window in self.windows)

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
    allocation_phases: tuple[AllocationPhase, ...] = Field(
        default=(), strict=False, examples=["[[allocation_phases]]"]
    )
    quality: QualityRules = Field(default=QualityRules(), examples=["[quality]"])
    guardrails: Guardrails = Field(default=Guardrails(), examples=["[guardrails]"])
    results: ResultRules = Field(default=ResultRules(), examples=["[results]"])
    segments: tuple[Segment, ...] = Field(default=(), strict=False, examples=["[[segments]]"])

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

    @field_validator("allocation_phases")
    @classmethod
    def _phases_fit_the_experiment(
        cls, value: tuple[AllocationPhase, ...], info: ValidationInfo
    ) -> tuple[AllocationPhase, ...]:
        dates = _dates_of(info)
        if dates is not None and "variations" in info.data:
            enrollment = _enrollment(*dates)
            ids = [variation.id for variation in info.data["variations"]]
            faults = phase_faults(value, ids, enrollment.first_date, enrollment.last_date)
            if faults:
                raise refusal(*faults)
        return value

    @field_validator("exposure")
    @classmethod
    def _windows_fit_the_experiment(cls, value: ExposureRules, info: ValidationInfo) -> ExposureRules:
        _refuse_misfits(value.windows, value.observe_days, info, "windows")
        return value

    @field_validator("segments")
    @classmethod
    def _segments_fit_the_experiment(
        cls, value: tuple[Segment, ...], info: ValidationInfo
    ) -> tuple[Segment, ...]:
        if "exposure" in info.data:
            _refuse_misfits(value, info.data["exposure"].observe_days, info)
        return value

    @field_validator("results")
    @classmethod
    def _ratios_are_of_the_metrics(cls, value: ResultRules, info: ValidationInfo) -> ResultRules:
        if "outcomes" in info.data:
            scope = info.context if isinstance(info.context, CatalogScope) else None
            faults = value.faults(info.data["outcomes"].metrics, scope)
            if faults:
                raise refusal(*faults)
        return value

    @property
    def enrollment(self) -> Enrollment:
        """The UTC days on which an assignment may be accepted."""
        return _enrollment(self.start, self.end, self.enrollment_days)

    @property
    def declared_shares(self) -> tuple[DeclaredShares, ...]:
        """The shares that the variations are declared to have, from which cohort on, in the order of time."""
        at_first = DeclaredShares(self.start.date(), {v.id: v.allocation for v in self.variations})
        phases = [DeclaredShares(phase.start.date(), phase.allocations) for phase in self.allocation_phases]
        begins_with_a_phase = bool(phases) and phases[0].first_date == at_first.first_date
        return tuple(phases if begins_with_a_phase else [at_first, *phases])

    @property
    def exposure_reach_days(self) -> int:
        """The last day on which an exposure can matter to a unit, as days after its assignment day."""
        observe_days = self.exposure.observe_days
        reaches = (window.reach_days(self.enrollment, observe_days) for window in self.exposure.windows)
        return max(observe_days, *reaches, 0)

    @property
    def segment_reach_days(self) -> tuple[int, int]:
        """How many days before and after an assignment day can hold events that a segment counts."""
        reaches = [
            segment.days_around(self.enrollment, self.exposure.observe_days) for segment in self.segments
        ]
        return max((before for before, _ in reaches), default=0), max(
            (after for _, after in reaches), default=0
        )

    @property
    def event_reach_days(self) -> tuple[int, int]:
        """How many days before and after an assignment day can hold events of any kind that matter to a unit."""
        before, after = self.segment_reach_days
        outcomes = self.exposure.observe_days + self.outcomes.window_days
        before = max(DAYS_BEFORE_ASSIGNMENT, before, self.results.covariate_days)
        return before, max(self.exposure_reach_days, outcomes, after)

    @property
    def enrollment_end(self) -> datetime | None:
        """First instant at which assignments are no longer accepted; None where enrollment has no end."""
        return _enrollment_end(self.start, self.end, self.enrollment_days)

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
    def first_event_date(self) -> date:
        """First UTC day (included) whose events can matter: exposures, or what segments look back to."""
        return _shifted(self.start.date(), -self.event_reach_days[0])

    @property
    def last_exposure_date(self) -> date | None:
        """Last UTC day (included) whose exposure events are accepted; None while the experiment runs."""
        return None if self.end is None else _shifted(self.end.date(), self.exposure.observe_days)

    @property
    def last_completion_date(self) -> date | None:
        """Last UTC day on which the outcome window of a unit can end; None while the experiment runs."""
        last = self.last_exposure_date
        return None if last is None else _shifted(last, self.outcomes.window_days)


class Catalog(CatalogModel):
    """Every experiment, metric and exposure source, each sorted by id; used presets are among the sources."""

    experiments: dict[str, Experiment]
    metrics: dict[str, Metric]
    exposure_sources: dict[str, ExposureSource]

    @field_validator("experiments", "metrics", "exposure_sources")
    @classmethod
    def _sorted_by_id(cls, value: dict[str, Any]) -> dict[str, Any]:
        return dict(sorted(value.items()))


def _refuse_misfits(
    windows: tuple[ExposureWindow, ...] | tuple[Segment, ...],
    observe_days: int,
    info: ValidationInfo,
    *key: str,
) -> None:
    """Refuse windows that can't be in an experiment of its dates, and ids that stand twice."""
    dates = _dates_of(info)
    if dates is None:
        return
    horizon_days = info.context.horizon_days if isinstance(info.context, CatalogScope) else None
    faults = [
        fault._replace(key=(*key, number, *fault.key))
        for number, window in enumerate(windows)
        for fault in window.faults(_enrollment(*dates), observe_days, horizon_days)
    ]
    for id_, count in Counter(window.id for window in windows).items():
        if count > 1:
            faults.append(
                Fault(f"{id_!r} {count} times", "a different id for each", "rename one", (*key, "id"))
            )
    if faults:
        raise refusal(*faults)


def _dates_of(info: ValidationInfo) -> tuple[datetime, datetime | None, int | None] | None:
    """Start, end and enrollment_days of the experiment; null where one of them was refused."""
    if not {"start", "end", "enrollment_days"} <= info.data.keys():
        return None
    return info.data["start"], info.data["end"], info.data["enrollment_days"]


def _enrollment_end(start: datetime, end: datetime | None, days: int | None) -> datetime | None:
    if days is None:
        return end
    try:
        enrolled_until = start + timedelta(days=days)
    except OverflowError:  # Beyond every calendar: only `end` can end it.
        return end
    return enrolled_until if end is None else min(enrolled_until, end)


def _enrollment(start: datetime, end: datetime | None, days: int | None) -> Enrollment:
    enrolled_until = _enrollment_end(start, end, days)
    last = None if enrolled_until is None else (enrolled_until - timedelta(microseconds=1)).date()
    return Enrollment(start.date(), last)


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
    return faults + sum_faults([variation.allocation for variation in variations], "allocation")
