"""The assets: thin, they read, call one transform and return. No rule about experiments stands here."""

from exposure_assets.assets.assignments import assignments
from exposure_assets.assets.catalog_tables import catalog_entries, experiments, variations
from exposure_assets.assets.cohort_diagnostics import cohort_diagnostics
from exposure_assets.assets.daily_quality import daily_quality
from exposure_assets.assets.deduped_exposures import deduped_exposures
from exposure_assets.assets.experiment_overlap import experiment_overlap
from exposure_assets.assets.experiment_quality_report import experiment_quality_report
from exposure_assets.assets.experiment_reports import experiment_reports
from exposure_assets.assets.experiment_results import experiment_results
from exposure_assets.assets.explanations import explanations
from exposure_assets.assets.exposure_delays import exposure_delays
from exposure_assets.assets.exposure_events import staged_assets
from exposure_assets.assets.exposure_validation import exposure_validation
from exposure_assets.assets.exposure_windows import exposure_windows
from exposure_assets.assets.landing import landing_files
from exposure_assets.assets.metric_moments import metric_moments
from exposure_assets.assets.sample_ratios import sample_ratio_intervals, sample_ratios
from exposure_assets.assets.stage_counts import stage_counts
from exposure_assets.assets.unit_covariates import unit_covariates
from exposure_assets.assets.unit_outcomes import unit_outcomes
from exposure_assets.assets.unit_segments import unit_segments

CATALOG_ASSETS = (
    experiments,
    variations,
    landing_files,
    experiment_overlap,
    sample_ratios,
    sample_ratio_intervals,
    experiment_quality_report,
    experiment_results,
    experiment_reports,
    explanations,
)
TABLE_ASSETS = (
    assignments,
    deduped_exposures,
    exposure_validation,
    exposure_windows,
    unit_segments,
    unit_outcomes,
    unit_covariates,
    daily_quality,
    stage_counts,
    exposure_delays,
    cohort_diagnostics,
    metric_moments,
)

__all__ = ["CATALOG_ASSETS", "TABLE_ASSETS", "catalog_entries", "staged_assets"]
