"""Conservation: no unit is lost or added between one table and the next.

Raw rows are accounted for where they are staged.
"""

from exposure_assets.checks.sql_rule import SqlRule


def _same_cohorts(table: str, other: str) -> str:
    counts = "SELECT experiment_id, assignment_date, count(*) AS units FROM {} GROUP BY ALL"
    return f"""
        SELECT experiment_id, assignment_date, a.units AS {other}, b.units AS {table}
        FROM ({counts.format(other)}) a FULL JOIN ({counts.format(table)}) b USING (experiment_id, assignment_date)
        WHERE a.units IS DISTINCT FROM b.units
    """


CONSERVATION_RULES = (
    SqlRule(
        table="exposure_validation",
        name="every_assignment_has_a_verdict",
        promise="Every cohort has as many verdicts as assignments.",
        offenders=_same_cohorts("exposure_validation", "assignments"),
        reads=("assignments",),
    ),
    SqlRule(
        table="unit_outcomes",
        name="every_assignment_has_outcomes",
        promise="Every cohort has as many outcome rows as verdicts.",
        offenders=_same_cohorts("unit_outcomes", "exposure_validation"),
        reads=("exposure_validation",),
    ),
    SqlRule(
        table="daily_quality",
        name="statuses_sum_to_assigned_units",
        promise="The verdicts of a cohort sum to its assigned units, and so do its variations.",
        offenders="""
            WITH verdicts AS (
                SELECT experiment_id, assignment_date, count(*) AS units
                FROM exposure_validation GROUP BY ALL
            ), counted AS (
                SELECT experiment_id, assignment_date,
                    sum(assigned_units) FILTER (variation_id = '*') AS total,
                    sum(assigned_units) FILTER (variation_id <> '*') AS of_variations
                FROM daily_quality GROUP BY ALL
            )
            SELECT experiment_id, assignment_date, units AS verdicts, total, of_variations
            FROM verdicts FULL JOIN counted USING (experiment_id, assignment_date)
            WHERE coalesce(units, 0) <> coalesce(total, 0) OR coalesce(total, 0) <> coalesce(of_variations, 0)
        """,
        reads=("exposure_validation",),
    ),
)
