"""Timing rules that need the experiment's own windows, and so more than one table.

Timing inside one row is part of the contracts.
"""

from exposure_assets.checks.sql_rule import SqlRule

TIMING_RULES = (
    SqlRule(
        table="exposure_validation",
        name="no_first_exposure_before_the_grace",
        promise="No first exposure lies before assigned_at minus the experiment's grace.",
        offenders="""
            SELECT v.experiment_id, v.unit_id, v.assigned_at, v.first_exposure_at, e.grace_minutes
            FROM exposure_validation v JOIN experiments e USING (experiment_id)
            WHERE v.first_exposure_at < v.assigned_at - to_minutes(e.grace_minutes)
        """,
        reads=("experiments",),
    ),
    SqlRule(
        table="exposure_validation",
        name="valid_exposures_lie_in_the_window",
        promise="A valid exposure lies between the grace and the end of the window, and is to the unit's variation.",
        offenders="""
            SELECT v.experiment_id, v.unit_id, v.assigned_at, v.first_exposure_at, e.max_days_after_assignment
            FROM exposure_validation v JOIN experiments e USING (experiment_id)
            WHERE v.has_valid_exposure AND NOT coalesce(
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
            SELECT v.experiment_id, v.unit_id, v.assignment_date, v.observed_until_date, e.observe_days
            FROM exposure_validation v JOIN experiments e USING (experiment_id)
            WHERE v.observed_until_date <> v.assignment_date + e.observe_days::INTEGER
        """,
        reads=("experiments",),
    ),
    SqlRule(
        table="unit_outcomes",
        name="windows_have_the_experiments_length",
        promise="window_end_at lies the experiment's outcome window after anchor_at.",
        offenders="""
            SELECT o.experiment_id, o.unit_id, o.anchor_at, o.window_end_at, e.outcome_window_days
            FROM unit_outcomes o JOIN experiments e USING (experiment_id)
            WHERE o.window_end_at <> o.anchor_at + to_days(e.outcome_window_days::INTEGER)
        """,
        reads=("experiments",),
    ),
)
