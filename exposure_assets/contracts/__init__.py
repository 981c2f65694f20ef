"""The data contracts: pandera schemas of the tables and pydantic models of the catalog.

Nothing here reads, computes or imports anything else of ours.
"""

from exposure_assets.contracts.assignments import AssignmentEvents, Assignments
from exposure_assets.contracts.base import TableContract, columns_of, empty_frame, table_name
from exposure_assets.contracts.catalog import (
    Catalog,
    Condition,
    Experiment,
    ExposureRules,
    ExposureSource,
    Metric,
    OutcomeRules,
    Variation,
)
from exposure_assets.contracts.catalog_quality import QualityRules
from exposure_assets.contracts.daily_quality import ALL_VARIATIONS, DailyQuality
from exposure_assets.contracts.deduped_exposures import DedupedExposures
from exposure_assets.contracts.experiments import Experiments, Variations
from exposure_assets.contracts.exposure_events import (
    BUCKETS,
    ExposureEvents,
    ExposureWaterfall,
    MetricEvents,
    RejectedEvents,
)
from exposure_assets.contracts.exposure_validation import VALIDATION_STATUSES, ExposureValidation
from exposure_assets.contracts.landing_files import LandingFiles
from exposure_assets.contracts.unit_exposures import UnitExposures
from exposure_assets.contracts.unit_outcomes import AGGREGATION_TYPES, UnitOutcomes, metric_columns

WAREHOUSE_TABLES: dict[str, type[TableContract]] = {
    table_name(contract): contract
    for contract in (
        Experiments,
        Variations,
        LandingFiles,
        ExposureWaterfall,
        Assignments,
        DedupedExposures,
        ExposureValidation,
        UnitOutcomes,
        DailyQuality,
    )
}
STAGED_TABLES: dict[str, type[TableContract]] = {
    table_name(contract): contract
    for contract in (ExposureEvents, MetricEvents, AssignmentEvents, RejectedEvents)
}

__all__ = [
    "AGGREGATION_TYPES",
    "ALL_VARIATIONS",
    "BUCKETS",
    "STAGED_TABLES",
    "VALIDATION_STATUSES",
    "WAREHOUSE_TABLES",
    "AssignmentEvents",
    "Assignments",
    "Catalog",
    "Condition",
    "DailyQuality",
    "DedupedExposures",
    "Experiment",
    "Experiments",
    "ExposureEvents",
    "ExposureRules",
    "ExposureSource",
    "ExposureValidation",
    "ExposureWaterfall",
    "LandingFiles",
    "Metric",
    "MetricEvents",
    "OutcomeRules",
    "QualityRules",
    "RejectedEvents",
    "TableContract",
    "UnitExposures",
    "UnitOutcomes",
    "Variation",
    "Variations",
    "columns_of",
    "empty_frame",
    "metric_columns",
    "table_name",
]
