"""Check of `deduped_exposures` against the waterfall: no accepted exposure is lost or counted twice.

What one row promises by itself is in its contract.
"""

from exposure_assets.checks.sql_rule import SqlRule

RULES = (
    SqlRule(
        table="deduped_exposures",
        name="every_accepted_exposure_is_counted_once",
        promise="The exposure events of a day sum to the accepted rows of the waterfall.",
        offenders="""
            WITH folded AS (
                SELECT experiment_id, exposure_date, sum(exposure_count) AS counted
                FROM deduped_exposures WHERE {partitions} GROUP BY ALL
            ), accepted AS (
                SELECT experiment_id, exposure_date, row_count AS accepted
                FROM exposure_waterfall WHERE bucket = 'accepted' AND {partitions}
            )
            SELECT experiment_id, exposure_date, counted, accepted
            FROM folded JOIN accepted USING (experiment_id, exposure_date)
            WHERE counted <> accepted
        """,
        reads=("exposure_waterfall",),
        day="exposure_date",
    ),
)
