"""DuckDB as a dbt project writes it: `row_number()` picks the first, facts are joined and then grouped.

What the peers share stands in `duckdb_base`.
"""

from benchmarks.engines.duckdb_base import DuckDBEngine, column


class DuckDBRows(DuckDBEngine):
    """Plain SQL of an analytics engineer."""

    def events_once(self) -> None:
        """Create the table `events_once`: every well-formed event once, with what its source says."""
        fields = "".join(f", {column(field)}" for field in self.rules.metric_fields)
        self.connection.execute(
            f"""
            CREATE TEMP TABLE events_once AS
            SELECT event_id, event_name, unit_id, occurred_at, session_id, source_id, named_experiment,
                   named_variation{fields}
            FROM ({self.raw_events()})
            QUALIFY row_number() OVER (
                PARTITION BY event_id
                ORDER BY occurred_at, event_name, unit_id, ingested_at NULLS LAST, session_id NULLS LAST,
                         raw_value NULLS LAST, raw_properties NULLS LAST) = 1
            """
        )

    def _assignments(self) -> None:
        self.write(
            "assignments",
            f"""
            WITH ranked AS (
                SELECT *, row_number() OVER (
                    PARTITION BY experiment_id, unit_id ORDER BY assigned_at, variation_id, event_id NULLS LAST) AS n
                FROM {self.read("assignment_events")}
            ), counted AS (
                SELECT experiment_id, unit_id, count(*) AS assignment_count,
                       count(DISTINCT variation_id) AS variation_count
                FROM {self.read("assignment_events")} GROUP BY ALL
            )
            SELECT r.experiment_id, r.unit_id, r.variation_id, r.assigned_at, r.assignment_date,
                   c.assignment_count, c.variation_count, c.variation_count > 1 AS is_conflicting
            FROM ranked r JOIN counted c ON c.experiment_id = r.experiment_id AND c.unit_id = r.unit_id
            WHERE r.n = 1
            """,
        )

    def _dedupe(self) -> None:
        self.write(
            "deduped_exposures",
            f"""
            WITH ranked AS (
                SELECT *, row_number() OVER w AS n, max(occurred_at) OVER k AS last_exposed_at,
                       count(*) OVER k AS exposure_count
                FROM {self.read("exposure_events")}
                WINDOW k AS (PARTITION BY experiment_id, unit_id, variation_id, exposure_date),
                       w AS (k ORDER BY occurred_at, event_id)
            )
            SELECT experiment_id, unit_id, variation_id, exposure_date, occurred_at AS first_exposed_at,
                   last_exposed_at, exposure_count, event_id AS first_event_id, session_id AS first_session_id
            FROM ranked WHERE n = 1
            """,
        )

    def _validation(self) -> None:
        observed = f"""
            WITH assigned AS ({self.assigned()}), observed AS (
                SELECT a.experiment_id, a.unit_id, a.counts_from, x.variation_id, x.occurred_at, x.event_id
                FROM assigned a JOIN {self.read("exposure_events")} x
                  ON x.experiment_id = a.experiment_id AND x.unit_id = a.unit_id
                 AND x.exposure_date BETWEEN a.observed_since AND a.observed_until
            ), first_any AS (
                SELECT * FROM observed QUALIFY row_number() OVER (
                    PARTITION BY experiment_id, unit_id ORDER BY occurred_at, event_id) = 1
            ), first_post AS (
                SELECT * FROM observed WHERE occurred_at >= counts_from QUALIFY row_number() OVER (
                    PARTITION BY experiment_id, unit_id ORDER BY occurred_at, event_id) = 1
            ), counted AS (
                SELECT experiment_id, unit_id, count(*) AS exposure_count,
                       count(DISTINCT variation_id) AS exposure_variation_count
                FROM observed GROUP BY ALL
            )
            SELECT a.*, f.occurred_at AS first_exposure_any_at, f.variation_id AS first_exposure_any_variation_id,
                   f.event_id AS first_exposure_any_event_id, p.occurred_at AS first_exposure_at,
                   p.variation_id AS first_exposure_variation_id, p.event_id AS first_exposure_event_id,
                   coalesce(c.exposure_count, 0) AS exposure_count,
                   coalesce(c.exposure_variation_count, 0) AS exposure_variation_count
            FROM assigned a
            LEFT JOIN first_any f ON f.experiment_id = a.experiment_id AND f.unit_id = a.unit_id
            LEFT JOIN first_post p ON p.experiment_id = a.experiment_id AND p.unit_id = a.unit_id
            LEFT JOIN counted c ON c.experiment_id = a.experiment_id AND c.unit_id = a.unit_id
        """
        self.write("exposure_validation", self.judged(observed))
