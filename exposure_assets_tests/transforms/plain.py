"""The experiment and the assignments of `rows`, as the reference has them.

What the reference computes from them is the reference's business.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import polars as pl

from exposure_assets.contracts import Experiment, ExposureEvents
from exposure_assets_tests.reference.assigning import Assignment
from exposure_assets_tests.reference.catalog import Experiment as PlainExperiment
from exposure_assets_tests.reference.classifying import Exposure
from exposure_assets_tests.transforms.rows import at, table


def plain_experiment(
    experiment: Experiment, windows: Sequence[dict[str, Any]] = (), segments: Sequence[dict[str, Any]] = ()
) -> PlainExperiment:
    """The same rules; windows and segments as the catalog's file has them."""
    exposure = experiment.exposure
    return PlainExperiment(
        id=experiment.id,
        start=experiment.start,
        end=experiment.end,
        enrollment_end=experiment.enrollment_end,
        variation_ids=("control", "treatment"),
        source_id="seen",
        grace=timedelta(minutes=exposure.grace_minutes),
        max_days_after_assignment=timedelta(days=exposure.max_days_after_assignment),
        observe_days=exposure.observe_days,
        crossover_policy=exposure.crossover_policy,
        anchor="first_exposure",
        window=timedelta(days=7),
        metric_ids=(),
        windows=tuple(windows),
        segments=tuple(segments),
    )


def plain_assignments(rows: Sequence[tuple[str, str, str]]) -> list[Assignment]:
    """Canonical assignments of (unit, variation, time), by unit."""
    return [
        Assignment("exp", unit_id, variation_id, at(when), 1, 1)
        for unit_id, variation_id, when in sorted(rows)
    ]


def exposure_table(events: Sequence[Exposure]) -> pl.DataFrame:
    """Accepted exposure events, as staging keeps them."""
    return table(ExposureEvents, [{**vars(event), "exposure_date": event.exposure_date} for event in events])
