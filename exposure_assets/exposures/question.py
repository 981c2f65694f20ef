"""A question for exposures, checked: of which experiment, by which definition, between which instants.

How it is answered stands in `answering`.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

from exposure_assets.contracts import Catalog, Experiment
from exposure_assets.contracts.catalog_values import unknown_experiment
from exposure_assets.transforms.digests import digest_of
from exposure_assets.transforms.exposure_definitions import ExposureDefinition, own_definition
from exposure_assets.transforms.preaggregation_windows import DAY, Interval, Lifetimes, midnight
from exposure_assets.transforms.unit_exposures import POLICIES, CrossoverPolicy


class QuestionError(ValueError):
    """Something was asked for that does not exist."""


@dataclass(frozen=True)
class Question:
    """What is asked for, with the catalog that it was asked of.

    `end` is null for an experiment without an end of which everything is asked for.
    """

    catalog: Catalog
    experiment: Experiment
    definition: ExposureDefinition
    start: datetime
    end: datetime | None
    policy: CrossoverPolicy
    lifetimes: Lifetimes

    @cached_property
    def definition_hash(self) -> str:
        """The hash of the definition."""
        return self.definition.hash

    @cached_property
    def is_own(self) -> bool:
        """Whether the definition is the one by which the experiment's exposure events are staged."""
        return self.definition_hash == own_definition(self.catalog, self.experiment).hash

    @cached_property
    def catalog_digest(self) -> int:
        """A digest of everything in the catalog that can decide about the answer's rows."""
        return digest_of(self.catalog.model_dump_json() if self.is_own else "")

    def interval(self, last_day: date | None) -> Interval:
        """The instants; an open end is that of the last day that holds events.

        Raises:
            IntervalError: nothing lies between them.
        """
        if self.end is not None:
            return Interval(self.start, self.end)
        end = self.start.date() if last_day is None else max(last_day, self.start.date())
        return Interval(self.start, midnight(end) + DAY)

    def accepts(self, day: date) -> bool:
        """Whether exposures of a UTC day count for the experiment at all."""
        last = self.experiment.last_exposure_date
        return self.experiment.first_exposure_date <= day and (last is None or day <= last)


def asked(
    catalog: Catalog,
    experiment: str,
    start: datetime | None,
    end: datetime | None,
    definition: ExposureDefinition | None,
    policy: str | None,
    lifetimes: Lifetimes,
) -> Question:
    """Check a question, and fill in what the catalog says where nothing is asked for.

    Raises:
        QuestionError: an experiment or a policy that does not exist, or a definition of another experiment.
        IntervalError: nothing lies between the instants.
    """
    if experiment not in catalog.experiments:
        raise QuestionError(unknown_experiment(experiment, catalog.experiments))
    entry = catalog.experiments[experiment]
    if definition is not None and definition.experiment_id != experiment:
        raise QuestionError(
            f"experiment {experiment}: found a definition for {definition.experiment_id}, expected one for the "
            "experiment that is asked for."
        )
    if definition is not None and definition.source.credits_displays:
        own = own_definition(catalog, entry)
        if definition.hash != own.hash:
            raise QuestionError(
                f"experiment {experiment}: found a definition whose displays are credited by "
                f"{definition.source.attribution}, expected one whose events name their variation, or the experiment's "
                "own: such credit depends on all experiments of the catalog; change the catalog's source instead."
            )
    known: dict[str, CrossoverPolicy] = {one: one for one in POLICIES}
    chosen = policy or entry.exposure.crossover_policy
    if chosen not in known:
        raise QuestionError(f"policy {chosen}: expected one of {', '.join(POLICIES)}.")
    starts = _utc(start) if start is not None else entry.start
    ends = _utc(end) if end is not None else entry.end
    if ends is not None:
        Interval(starts, ends)
    return Question(
        catalog, entry, definition or own_definition(catalog, entry), starts, ends, known[chosen], lifetimes
    )


def _utc(instant: datetime) -> datetime:
    """An instant without a zone is UTC."""
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    return instant.astimezone(UTC)
