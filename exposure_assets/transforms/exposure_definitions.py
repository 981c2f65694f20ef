"""What makes two questions for exposures the same: the definition, its hash, and the catalog that judges by it.

Which instants are asked for is no part of it; where rows computed for a definition are kept is the resources' business.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from exposure_assets.contracts import Catalog, Experiment, ExposureSource, Variation

# What every definition shares; part of the hash, so that another choice is another definition.
_TIMEZONE, _BREAKDOWNS = "UTC", ()
# Raised when the same definition gives other rows.
_VERSION = 1
_SOURCE = "asked_for"
_EARLIEST = datetime(1, 1, 8, tzinfo=UTC)


class DefinitionError(ValueError):
    """A definition that no event can be judged by."""


@dataclass(frozen=True)
class ExposureDefinition:
    """Which events are exposures of an experiment, and to which variations.

    An event counts where `source` matches it, names the experiment and one of `variations`, and its id was not
    counted on an earlier day. `source.id` is a name and decides nothing.

    Raises:
        DefinitionError: there is no variation.
    """

    experiment_id: str
    source: ExposureSource
    variations: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.variations or not all(self.variations):
            raise DefinitionError(
                f"definition for {self.experiment_id}: found the variations {list(self.variations)}, expected at "
                "least one, none of them empty."
            )

    @property
    def hash(self) -> str:
        """64 hex digits over all that decides which events count; the order of variations and conditions doesn't."""
        source = self.source.model_dump(mode="json", by_alias=True, exclude={"id", "filter"})
        conditions = [
            {
                key: sorted(set(value)) if isinstance(value, list) else value
                for key, value in condition.items()
            }
            for condition in self.source.model_dump(mode="json", by_alias=True, exclude_none=True)["filter"]
        ]
        decisive = {
            "version": _VERSION,
            "experiment": self.experiment_id,
            "source": source,
            "filter": sorted({json.dumps(condition, sort_keys=True) for condition in conditions}),
            "variations": sorted(set(self.variations)),
            "timezone": _TIMEZONE,
            "breakdowns": _BREAKDOWNS,
        }
        return sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def own_definition(catalog: Catalog, experiment: Experiment) -> ExposureDefinition:
    """The definition that the catalog gives an experiment, by which its exposure events are staged."""
    source = catalog.exposure_sources[experiment.exposure.source]
    return ExposureDefinition(
        experiment.id, source, tuple(variation.id for variation in experiment.variations)
    )


def judging_catalog(definition: ExposureDefinition, experiment: Experiment) -> Catalog:
    """A catalog in which the definition is all there is, without bounds in time.

    Whoever asks limits the days, so that rows stay right when the experiment's start or end moves.
    """
    exposure = experiment.exposure.model_copy(update={"source": _SOURCE})
    variations = tuple(
        Variation(id=variation, allocation=0.0) for variation in sorted(set(definition.variations))
    )
    only = experiment.model_copy(
        update={"start": _EARLIEST, "end": None, "exposure": exposure, "variations": variations}
    )
    source = definition.source.model_copy(update={"id": _SOURCE})
    return Catalog.model_construct(
        experiments={definition.experiment_id: only}, metrics={}, exposure_sources={_SOURCE: source}
    )
