"""The catalog as two small tables and a few lists, so that every engine is given the same rules.

How an engine applies them stands with the engine.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from exposure_assets.contracts import Catalog, ExposureSource, Metric

DAYS_OBSERVED_BEFORE = 7
DAYS_TO_ASSIGN_AFTER_EXPOSURE = 7
SECOND_US = 1_000_000
# As far as every engine can count: ClickHouse ends in 2299.
_FOREVER_DATE = date(2200, 1, 1)
_FOREVER = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rules:
    """What a peer needs of the catalog.

    Raises:
        ValueError: two sources read one event; peers judge every row by one source at most.
    """

    catalog: Catalog

    def __post_init__(self) -> None:
        events = [source.event for source in self.sources]
        if len(set(events)) < len(events):
            raise ValueError(
                f"several exposure sources read one event: {', '.join(sorted(events))}; "
                "the peers of the benchmark expect one source per event"
            )

    @property
    def sources(self) -> Sequence[ExposureSource]:
        """The exposure sources, by id."""
        return list(self.catalog.exposure_sources.values())

    @property
    def metrics(self) -> Sequence[Metric]:
        """The metrics, by id."""
        return list(self.catalog.metrics.values())

    @property
    def metric_events(self) -> list[str]:
        """Names of the events that some metric counts."""
        return sorted({metric.event for metric in self.metrics})

    @property
    def metric_fields(self) -> list[str]:
        """Fields that some metric reads."""
        return sorted({metric.field for metric in self.metrics if metric.field})

    def listing(self, metric: Metric) -> list[str]:
        """The experiments that list a metric."""
        return [e.id for e in self.catalog.experiments.values() if metric.id in e.outcomes.metrics]

    def experiments(self) -> pl.DataFrame:
        """One row per experiment: its source, its bounds, its windows in microseconds."""
        return pl.DataFrame(
            [
                {
                    "experiment_id": e.id,
                    "source_id": e.exposure.source,
                    "start_at": e.start,
                    "enrollment_end_at": e.enrollment_end or _FOREVER,
                    "first_exposure_date": e.first_exposure_date,
                    "last_exposure_date": e.last_exposure_date or _FOREVER_DATE,
                    "grace_us": e.exposure.grace_minutes * 60 * SECOND_US,
                    "window_us": e.exposure.max_days_after_assignment * 86_400 * SECOND_US,
                    "observe_days": e.exposure.observe_days,
                    "excludes_crossover": e.exposure.crossover_policy == "exclude",
                    "prefers_exposure": e.outcomes.anchor == "first_exposure",
                    "outcome_us": e.outcomes.window_days * 86_400 * SECOND_US,
                }
                for e in self.catalog.experiments.values()
            ],
            schema_overrides={"observe_days": pl.Int32},
        )

    def variations(self) -> pl.DataFrame:
        """One row per experiment and variation."""
        return pl.DataFrame(
            [(e.id, v.id) for e in self.catalog.experiments.values() for v in e.variations],
            schema={"experiment_id": pl.String, "variation_id": pl.String},
            orient="row",
        )
