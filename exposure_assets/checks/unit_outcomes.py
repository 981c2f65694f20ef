"""Checks of `unit_outcomes` against the verdicts and segments it rests on and the experiments' outcome windows.

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
    SqlRule(
        table="unit_outcomes",
        name="outcomes_are_cut_by_the_segments",
        promise="is_in_<segment> says of every unit what unit_segments says.",
        # Without any segment the pattern needs a column to find; no segment has an empty id.
        offenders="""
            WITH mine AS (
                SELECT *, NULL::BOOLEAN AS is_in_ FROM unit_outcomes WHERE {partitions}
            ), flags AS (
                FROM mine UNPIVOT INCLUDE NULLS (flag FOR segment_column IN (COLUMNS('^is_in_')))
            )
            SELECT experiment_id, assignment_date, unit_id, s.segment_id, s.is_in_segment, f.flag AS is_in_outcomes
            FROM flags f JOIN unit_segments s USING (experiment_id, assignment_date, unit_id)
            WHERE {partitions} AND f.segment_column = 'is_in_' || s.segment_id
                AND f.flag IS DISTINCT FROM s.is_in_segment
        """,
        reads=("unit_segments",),
    ),
)
