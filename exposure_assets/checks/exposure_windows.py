"""Checks of `exposure_windows` against the assignments that it counts for, and of its rows against each other.

What one row promises by itself is in its contract.
"""

from exposure_assets.checks.sql_rule import SqlRule, same_cohorts

RULES = (
    SqlRule(
        table="exposure_windows",
        name="every_assignment_has_every_window",
        promise="Every window of a cohort has as many rows as the cohort has assignments.",
        offenders=same_cohorts(
            "exposure_windows", "assignments", each=("exposure_window_id", "analysis_window_id")
        ),
        reads=("assignments",),
    ),
    SqlRule(
        table="exposure_windows",
        name="no_window_opens_before_the_grace",
        promise="No window begins before assigned_at minus the experiment's grace.",
        offenders="""
            SELECT experiment_id, assignment_date, unit_id, w.exposure_window_id, w.analysis_window_id,
                w.window_start_at, a.assigned_at, e.grace_minutes
            FROM exposure_windows w JOIN assignments a USING (experiment_id, assignment_date, unit_id)
                JOIN experiments e USING (experiment_id)
            WHERE {partitions} AND w.window_start_at < a.assigned_at - to_minutes(e.grace_minutes)
        """,
        reads=("assignments", "experiments"),
    ),
    SqlRule(
        table="exposure_windows",
        name="exposed_to_date_from_the_first_exposed_window_on",
        promise="is_exposed_to_date holds from the first window of a sequence that has exposures on, and not before.",
        offenders="""
            SELECT experiment_id, assignment_date, unit_id, exposure_window_id,
                split_part(analysis_window_id, '_', 1) AS sequence,
                min(analysis_window_index) FILTER (is_exposed_in_window) AS first_exposed_index,
                min(analysis_window_index) FILTER (is_exposed_to_date) AS first_index_to_date,
                count_if(is_exposed_to_date) AS windows_to_date, count(*) AS windows
            FROM exposure_windows
            WHERE {partitions}
            GROUP BY ALL
            HAVING first_index_to_date IS DISTINCT FROM first_exposed_index
                OR windows_to_date <> coalesce(windows - first_exposed_index, 0)
        """,
    ),
    SqlRule(
        table="exposure_windows",
        name="a_window_holds_what_the_windows_inside_it_hold",
        promise="`overall` has at least the exposures of every analysis window that lies inside it.",
        offenders="""
            WITH mine AS (SELECT * FROM exposure_windows WHERE {partitions})
            SELECT experiment_id, assignment_date, unit_id, exposure_window_id, part.analysis_window_id,
                part.exposure_count, whole.exposure_count AS overall_exposure_count
            FROM mine part JOIN mine whole USING (experiment_id, assignment_date, unit_id, exposure_window_id)
            WHERE whole.analysis_window_id = 'overall' AND part.exposure_count > whole.exposure_count
                AND part.window_start_at >= whole.window_start_at AND part.window_end_at <= whole.window_end_at
        """,
    ),
)
