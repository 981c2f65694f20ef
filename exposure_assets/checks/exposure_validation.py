"""Checks of `exposure_validation` against the assignments it judges and the experiments' own windows.

What one row promises by itself is in its contract.
"""

from exposure_assets.checks.sql_rule import SqlRule, same_cohorts

RULES = (
    SqlRule(
        table="exposure_validation",
        name="every_assignment_has_a_verdict",
        promise="Every cohort has as many verdicts as assignments.",
        offenders=same_cohorts("exposure_validation", "assignments"),
        reads=("assignments",),
    ),
    SqlRule(
        table="exposure_validation",
        name="no_first_exposure_before_the_grace",
        promise="No first exposure lies before assigned_at minus the experiment's grace.",
        offenders="""
            SELECT experiment_id, assignment_date, v.unit_id, v.assigned_at, v.first_exposure_at, e.grace_minutes
            FROM exposure_validation v JOIN experiments e USING (experiment_id)
            WHERE {partitions} AND v.first_exposure_at < v.assigned_at - to_minutes(e.grace_minutes)
        """,
        reads=("experiments",),
    ),
    SqlRule(
        table="exposure_validation",
        name="valid_exposures_lie_in_the_window",
        promise="A valid exposure lies before the end of the window and is to the unit's own variation.",
        offenders="""
            SELECT experiment_id, assignment_date, v.unit_id, v.assigned_at, v.first_exposure_at,
                e.max_days_after_assignment
            FROM exposure_validation v JOIN experiments e USING (experiment_id)
            WHERE {partitions} AND v.has_valid_exposure AND NOT coalesce(
                v.first_exposure_at <= v.assigned_at + to_days(e.max_days_after_assignment::INTEGER)
                AND v.first_exposure_variation_id = v.variation_id, false)
        """,
        reads=("experiments",),
    ),
    SqlRule(
        table="exposure_validation",
        name="observed_for_the_experiments_days",
        promise="observed_until_date lies observe_days after assignment_date.",
        offenders="""
            SELECT experiment_id, assignment_date, v.unit_id, v.observed_until_date, e.observe_days
            FROM exposure_validation v JOIN experiments e USING (experiment_id)
            WHERE {partitions} AND v.observed_until_date <> v.assignment_date + e.observe_days::INTEGER
        """,
        reads=("experiments",),
    ),
)
