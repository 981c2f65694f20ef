"""What the catalog says about how an experiment's rows come out, as text and as one digest per experiment.

What depends on it stands in `acceptance` (which raw rows are accepted) and `partition_versions` (how they are judged).
"""

from exposure_assets.contracts import Catalog, Experiment
from exposure_assets.transforms.digests import digest_of


def acceptance_rules(experiment: Experiment) -> str:
    """What decides whether a raw row that names the experiment is accepted."""
    parts = (
        experiment.id,
        experiment.exposure.source,
        experiment.start,
        experiment.enrollment_end,
        experiment.first_exposure_date,
        experiment.last_exposure_date,
        *sorted(variation.id for variation in experiment.variations),
    )
    return "\x00".join(map(str, parts))


def entry_versions(catalog: Catalog) -> dict[str, int]:
    """Per experiment a digest of all that the catalog says about its rows; not of its name, owner or thresholds."""
    return {e.id: digest_of(_rules(catalog, e)) for e in catalog.experiments.values()}


def _rules(catalog: Catalog, experiment: Experiment) -> str:
    metrics = [catalog.metrics[metric].model_dump_json() for metric in experiment.outcomes.metrics]
    judged = experiment.exposure.model_dump_json(), experiment.outcomes.model_dump_json()
    segments = [segment.model_dump_json() for segment in experiment.segments]
    return "\x00".join([acceptance_rules(experiment), *judged, *metrics, *segments])
