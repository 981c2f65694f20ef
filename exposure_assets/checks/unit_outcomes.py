"""Checks of `unit_outcomes` against the verdicts it rests on and the experiments' outcome windows.

What one row promises by itself is in its contract.
"""

from exposure_assets.checks.sql_rule import SqlRule, same_cohorts

RULES = (
    SqlRule(
        table="unit_outcomes",
        name="every_assignment_has_outcomes",
        promise="Every cohort has as many outcome rows as verdicts.",
        offenders=same_cohorts("unit_outcomes", "exposure_validation"),
        reads=("exposure_validation",),
    ),
    SqlRule(
        table="unit_outcomes",
        name="windows_have_the_experiments_length",
        promise="window_end_at lies the experiment's outcome window after anchor_at.",
        offenders="""
            SELECT experiment_id, assignment_date, o.unit_id, o.anchor_at, o.window_end_at, e.outcome_window_days
            FROM unit_outcomes o JOIN experiments e USING (experiment_id)
            WHERE {partitions} AND o.window_end_at <> o.anchor_at + to_days(e.outcome_window_days::INTEGER)
        """,
        reads=("experiments",),
    ),
)
