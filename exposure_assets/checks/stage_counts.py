"""Checks of `stage_counts` against the assignments and verdicts that it counts.

What its rows promise by themselves, such as that no stage grows, is in their contract.
"""

from exposure_assets.checks.sql_rule import SqlRule

RULES = (
    SqlRule(
        table="stage_counts",
        name="every_assignment_is_counted_once",
        promise="The assigned units of a cohort are its assignments, per variation and conflict.",
        offenders="""
            WITH units AS (
                SELECT experiment_id, assignment_date, variation_id, is_conflicting, count(*) AS assignments
                FROM assignments WHERE {partitions} GROUP BY ALL
            ), counted AS (
                SELECT experiment_id, assignment_date, variation_id, is_conflicting, sum(unit_count) AS assigned
                FROM stage_counts WHERE {partitions} AND stage = 'assigned' GROUP BY ALL
            )
            SELECT * FROM units FULL JOIN counted
            USING (experiment_id, assignment_date, variation_id, is_conflicting)
            WHERE assignments IS DISTINCT FROM assigned AND (experiment_id, assignment_date) IN (
                SELECT (experiment_id, assignment_date) FROM stage_counts WHERE {partitions}
            )
        """,
        reads=("assignments",),
    ),
    SqlRule(
        table="stage_counts",
        name="stages_are_the_verdicts",
        promise="The exposed, valid exposed and completed units of a variation are the verdicts that say so.",
        offenders="""
            WITH verdicts AS (
                SELECT experiment_id, assignment_date, variation_id,
                    count(*) FILTER (has_post_assignment_exposure) AS exposures,
                    count(*) FILTER (has_valid_exposure) AS valid_exposures
                FROM exposure_validation WHERE {partitions} GROUP BY ALL
            ), counted AS (
                SELECT experiment_id, assignment_date, variation_id,
                    coalesce(sum(unit_count) FILTER (stage = 'exposed'), 0) AS exposed,
                    coalesce(sum(unit_count) FILTER (stage = 'valid_exposed'), 0) AS valid_exposed,
                    coalesce(sum(unit_count) FILTER (stage = 'completed'), 0) AS completed
                FROM stage_counts WHERE {partitions} GROUP BY ALL
            )
            SELECT * FROM counted LEFT JOIN verdicts USING (experiment_id, assignment_date, variation_id)
            WHERE (exposed, valid_exposed, completed)
                IS DISTINCT FROM (exposures, valid_exposures, valid_exposures)
        """,
        reads=("exposure_validation",),
    ),
)
