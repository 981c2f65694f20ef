"""Checks of `unit_covariates` against the assignments before which it looks.

What one row promises by itself is in its contract.
"""

from exposure_assets.checks.sql_rule import SqlRule, same_cohorts

RULES = (
    SqlRule(
        table="unit_covariates",
        name="every_assignment_has_every_covariate",
        promise="Every metric with covariates has as many rows of a cohort as the cohort has assignments.",
        offenders=same_cohorts("unit_covariates", "assignments", each=("metric_id",)),
        reads=("assignments",),
    ),
    SqlRule(
        table="unit_covariates",
        name="covariates_end_with_the_assignment",
        promise="No event at or after the assignment counts.",
        offenders="""
            SELECT experiment_id, assignment_date, unit_id, c.metric_id, c.window_end_at, a.assigned_at
            FROM unit_covariates c JOIN assignments a USING (experiment_id, assignment_date, unit_id)
            WHERE {partitions} AND c.window_end_at <> a.assigned_at
        """,
        reads=("assignments",),
    ),
)
