"""Checks of `unit_segments` against the assignments that it tells apart.

What one row promises by itself is in its contract; whether outcomes are cut by it, with the checks of `unit_outcomes`.
"""

from exposure_assets.checks.sql_rule import SqlRule, same_cohorts

RULES = (
    SqlRule(
        table="unit_segments",
        name="every_assignment_has_every_segment",
        promise="Every segment of a cohort has as many rows as the cohort has assignments.",
        offenders=same_cohorts("unit_segments", "assignments", each=("segment_id",)),
        reads=("assignments",),
    ),
    SqlRule(
        table="unit_segments",
        name="look_back_segments_end_with_the_assignment",
        promise="The window of a segment that is not post-assignment ends at assigned_at at the latest.",
        offenders="""
            SELECT experiment_id, assignment_date, unit_id, s.segment_id, s.window_end_at, a.assigned_at
            FROM unit_segments s JOIN assignments a USING (experiment_id, assignment_date, unit_id)
            WHERE {partitions} AND NOT s.is_post_assignment AND s.window_end_at > a.assigned_at
                AND s.window_end_at > s.window_start_at
        """,
        reads=("assignments",),
    ),
)
