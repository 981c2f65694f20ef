"""Checks of `daily_quality` against the verdicts it counts.

What one row promises by itself is in its contract.
"""

from exposure_assets.checks.sql_rule import SqlRule

RULES = (
    SqlRule(
        table="daily_quality",
        name="statuses_sum_to_assigned_units",
        promise="The verdicts of a cohort sum to its assigned units, and so do its variations.",
        offenders="""
            WITH verdicts AS (
                SELECT experiment_id, assignment_date, count(*) AS units
                FROM exposure_validation WHERE {partitions} GROUP BY ALL
            ), counted AS (
                SELECT experiment_id, assignment_date,
                    sum(assigned_units) FILTER (variation_id = '*') AS total,
                    sum(assigned_units) FILTER (variation_id <> '*') AS of_variations
                FROM daily_quality WHERE {partitions} GROUP BY ALL
            )
            SELECT experiment_id, assignment_date, units AS verdicts, total, of_variations
            FROM counted LEFT JOIN verdicts USING (experiment_id, assignment_date)
            WHERE coalesce(units, 0) <> coalesce(total, 0) OR coalesce(total, 0) <> coalesce(of_variations, 0)
        """,
        reads=("exposure_validation",),
    ),
)
