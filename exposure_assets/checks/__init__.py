"""The asset checks: what has to hold between tables and over all partitions, judged after publishing.

What a table promises by itself is in its contract and is checked before its rows are published.
"""

from collections.abc import Sequence

import dagster as dg

from exposure_assets.checks import (
    daily_quality,
    deduped_exposures,
    experiment_overlap,
    experiment_quality_report,
    exposure_validation,
    exposure_windows,
    metric_moments,
    sample_ratios,
    stage_counts,
    unit_covariates,
    unit_outcomes,
    unit_segments,
)
from exposure_assets.checks.daily_quality_statistics import statistical_checks
from exposure_assets.checks.grain import grain_checks
from exposure_assets.checks.sql_rule import checks_of

_STEMS = (
    deduped_exposures,
    exposure_validation,
    exposure_windows,
    unit_segments,
    unit_outcomes,
    unit_covariates,
    daily_quality,
    stage_counts,
    metric_moments,
)


def table_checks() -> Sequence[dg.AssetChecksDefinition]:
    """Every check over published tables."""
    return [
        *grain_checks(),
        *(check for stem in _STEMS for check in checks_of(stem.RULES)),
        *experiment_overlap.CHECKS,
        *sample_ratios.CHECKS,
        *experiment_quality_report.CHECKS,
        statistical_checks(),
    ]
