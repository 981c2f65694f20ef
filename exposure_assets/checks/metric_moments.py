"""Checks of `metric_moments` against the assignments and verdicts whose units it sums up.

What its rows promise by themselves is in their contract.
"""

from exposure_assets.checks.sql_rule import SqlRule

RULES = (
    SqlRule(
        table="metric_moments",
        name="every_unit_is_in_its_bases_once",
        promise="The units of every metric and basis are the verdicts that say so, per variation and conflict.",
        offenders="""
            WITH units AS (
                SELECT experiment_id, assignment_date, a.variation_id, is_conflicting,
                    count(*) AS assigned,
                    count(*) FILTER (has_post_assignment_exposure) AS exposed,
                    count(*) FILTER (has_valid_exposure) AS valid_exposed,
                    count(*) FILTER (NOT has_post_assignment_exposure) AS not_exposed
                FROM assignments a JOIN exposure_validation v USING (experiment_id, assignment_date, unit_id)
                WHERE {partitions} GROUP BY ALL
            ), expected AS (
                FROM units UNPIVOT (units FOR analysis_basis IN (assigned, exposed, valid_exposed, not_exposed))
            ), summed AS (
                SELECT experiment_id, assignment_date, variation_id, is_conflicting, analysis_basis, metric_id,
                    sum(unit_count + missing_unit_count) AS summed_units
                FROM metric_moments WHERE {partitions} GROUP BY ALL
            )
            SELECT * FROM summed LEFT JOIN expected
            USING (experiment_id, assignment_date, variation_id, is_conflicting, analysis_basis)
            WHERE summed_units IS DISTINCT FROM units
        """,
        reads=("assignments", "exposure_validation"),
    ),
)
