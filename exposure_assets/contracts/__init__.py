"""The data contracts: pandera schemas of the tables and pydantic models of the catalog.

Nothing here reads, computes or imports anything else of ours.
"""

from exposure_assets.contracts.assignments import AssignmentEvents, Assignments
from exposure_assets.contracts.base import TableContract, columns_of, empty_frame, table_name
from exposure_assets.contracts.catalog import (
    Catalog,
    Experiment,
    ExposureRules,
    OutcomeRules,
    Variation,
)
from exposure_assets.contracts.catalog_allocations import AllocationPhase, DeclaredShares
from exposure_assets.contracts.catalog_guardrails import GUARDRAILS, Guardrails
from exposure_assets.contracts.catalog_metrics import Metric
from exposure_assets.contracts.catalog_quality import QualityRules
from exposure_assets.contracts.catalog_results import Ratio, ResultRules
from exposure_assets.contracts.catalog_segments import Segment, segment_column
from exposure_assets.contracts.catalog_sources import CREDIT_RULES, Condition, ExposureSource
from exposure_assets.contracts.cohort_diagnostics import CohortDiagnostics
from exposure_assets.contracts.credit_ledger import CREDIT_COUNTS, UNATTRIBUTABLE_BUCKETS, CreditLedger
from exposure_assets.contracts.daily_quality import ALL_VARIATIONS, DailyQuality
from exposure_assets.contracts.deduped_exposures import DedupedExposures
from exposure_assets.contracts.experiment_overlap import ExperimentOverlap
from exposure_assets.contracts.experiment_quality_report import LOSSES, ExperimentQualityReport
from exposure_assets.contracts.experiment_reports import ExperimentReports
from exposure_assets.contracts.experiment_results import ESTIMATES, METHODS, ExperimentResults
from exposure_assets.contracts.experiments import Experiments, Variations
from exposure_assets.contracts.explanations import Explanations
from exposure_assets.contracts.exposure_delays import DELAY_STARTS, ExposureDelays
from exposure_assets.contracts.exposure_events import (
    BUCKETS,
    ExposureEvents,
    ExposureWaterfall,
    MetricEvents,
    RejectedEvents,
    SegmentEvents,
)
from exposure_assets.contracts.exposure_validation import VALIDATION_STATUSES, ExposureValidation
from exposure_assets.contracts.exposure_windows import ExposureWindows
from exposure_assets.contracts.landing_files import LandingFiles
from exposure_assets.contracts.metric_moments import (
    ANALYSIS_BASES,
    MOMENT_PAIRS,
    MOMENT_PARTS,
    MetricMoments,
    comoment_column,
    mean_column,
)
from exposure_assets.contracts.sample_ratios import SampleRatioIntervals, SampleRatios
from exposure_assets.contracts.stage_counts import STAGES, StageCounts
from exposure_assets.contracts.unit_covariates import UnitCovariates
from exposure_assets.contracts.unit_exposures import UnitExposures
from exposure_assets.contracts.unit_outcomes import (
    AGGREGATION_TYPES,
    UnitOutcomes,
    metric_columns,
    segment_columns,
)
from exposure_assets.contracts.unit_segments import UnitSegments

WAREHOUSE_TABLES: dict[str, type[TableContract]] = {
    table_name(contract): contract
    for contract in (
        Experiments,
        Variations,
        LandingFiles,
        ExposureWaterfall,
        CreditLedger,
        Assignments,
        DedupedExposures,
        ExposureValidation,
        ExposureWindows,
        UnitSegments,
        UnitOutcomes,
        UnitCovariates,
        DailyQuality,
        ExperimentOverlap,
        StageCounts,
        ExposureDelays,
        CohortDiagnostics,
        SampleRatios,
        SampleRatioIntervals,
        ExperimentQualityReport,
        MetricMoments,
        ExperimentResults,
        ExperimentReports,
        Explanations,
    )
}
STAGED_TABLES: dict[str, type[TableContract]] = {
    table_name(contract): contract
    for contract in (ExposureEvents, MetricEvents, SegmentEvents, AssignmentEvents, RejectedEvents)
}

__all__ = [
    "AGGREGATION_TYPES",
    "ALL_VARIATIONS",
    "ANALYSIS_BASES",
    "BUCKETS",
    "CREDIT_COUNTS",
    "CREDIT_RULES",
    "DELAY_STARTS",
    "ESTIMATES",
    "GUARDRAILS",
    "LOSSES",
    "METHODS",
    "MOMENT_PAIRS",
    "MOMENT_PARTS",
    "STAGED_TABLES",
    "STAGES",
    "UNATTRIBUTABLE_BUCKETS",
    "VALIDATION_STATUSES",
    "WAREHOUSE_TABLES",
    "AllocationPhase",
    "AssignmentEvents",
    "Assignments",
    "Catalog",
    "CohortDiagnostics",
    "Condition",
    "CreditLedger",
    "DailyQuality",
    "DeclaredShares",
    "DedupedExposures",
    "Experiment",
    "ExperimentOverlap",
    "ExperimentQualityReport",
    "ExperimentReports",
    "ExperimentResults",
    "Experiments",
    "Explanations",
    "ExposureDelays",
    "ExposureEvents",
    "ExposureRules",
    "ExposureSource",
    "ExposureValidation",
    "ExposureWaterfall",
    "ExposureWindows",
    "Guardrails",
    "LandingFiles",
    "Metric",
    "MetricEvents",
    "MetricMoments",
    "OutcomeRules",
    "QualityRules",
    "Ratio",
    "RejectedEvents",
    "ResultRules",
    "SampleRatioIntervals",
    "SampleRatios",
    "Segment",
    "SegmentEvents",
    "StageCounts",
    "TableContract",
    "UnitCovariates",
    "UnitExposures",
    "UnitOutcomes",
    "UnitSegments",
    "Variation",
    "Variations",
    "columns_of",
    "comoment_column",
    "empty_frame",
    "mean_column",
    "metric_columns",
    "segment_column",
    "segment_columns",
    "table_name",
]
