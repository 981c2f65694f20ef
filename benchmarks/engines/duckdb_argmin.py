"""DuckDB at its best: hash aggregation of `min(struct)` instead of sorted windows, and small keys first.

What the peers share stands in `duckdb_base`.
"""

from benchmarks.engines.duckdb_base import DuckDBEngine, column, finite, numbers, with_fields


class DuckDBArgMin(DuckDBEngine):
    """SQL of someone who knows where DuckDB spends its time."""

    def events_once(self) -> None:
        """Create the table `events_once`: every well-formed event once, with what its source says.

        Hardly any id is repeated: 8-byte hashes find the suspects, and only these are compared field by field.
        """
        self.connection.execute(
            f"""
            CREATE TEMP TABLE suspects AS
            SELECT id_hash FROM (
                SELECT hash(event_id) AS id_hash
                FROM {self.events} WHERE event_id IS NOT NULL
            ) GROUP BY id_hash HAVING count(*) > 1
            """
        )
        # A verdict depends on these columns alone, and their values repeat: JSON is parsed once per distinct text.
        inner = [path for path in self.rules.metric_fields if path.startswith("properties.")]
        beside = sorted(path for path in self.source_paths if not path.startswith("properties."))
        key = list(dict.fromkeys(["event_name", "properties", *beside]))
        distinct = f"(SELECT DISTINCT {', '.join(map(column, key))} FROM {self.events})"
        self.connection.execute(
            f"""
            CREATE TEMP TABLE verdicts AS
            SELECT {", ".join(map(column, key))}, {self.verdict()}{numbers(inner)}
            FROM ({with_fields(distinct, {*self.source_paths, *inner})})
            """
        )
        values = "".join(
            f", {f'v.{column(path)}' if path in inner else finite(f'e.{column(path)}')} AS {column(path)}"
            for path in self.rules.metric_fields
        )
        rows = f"""
            SELECT e.event_id, e.event_name, e.unit_id, make_timestamp(epoch_us(e.occurred_at)) AS occurred_at,
                   e.session_id, v.source_id, v.named_experiment, v.named_variation{values}
            FROM {self.events} e JOIN verdicts v
              ON {" AND ".join(f"v.{column(part)} IS NOT DISTINCT FROM e.{column(part)}" for part in key)}
            WHERE e.event_id IS NOT NULL AND e.event_name IS NOT NULL AND e.unit_id IS NOT NULL
              AND e.occurred_at IS NOT NULL AND NOT v.is_malformed
        """
        self.connection.execute(
            f"""
            CREATE TEMP TABLE events_once AS
            {rows} AND hash(e.event_id) NOT IN (FROM suspects)
            UNION ALL
            {rows} AND hash(e.event_id) IN (FROM suspects)
            QUALIFY row_number() OVER (
                PARTITION BY e.event_id
                ORDER BY e.occurred_at, e.event_name, e.unit_id, e.ingested_at NULLS LAST, e.session_id NULLS LAST,
                         e.value NULLS LAST, e.properties NULLS LAST) = 1
            """
        )

    def _assignments(self) -> None:
        self.write(
            "assignments",
            f"""
            WITH per_variation AS (
                SELECT experiment_id, unit_id, variation_id, min(assigned_at) AS assigned_at, count(*) AS n
                FROM {self.read("assignment_events")} GROUP BY ALL
            ), firsts AS (
                SELECT experiment_id, unit_id, min({{'instant': assigned_at, 'variation': variation_id}}) AS f,
                       sum(n)::BIGINT AS assignment_count, count(*) AS variation_count
                FROM per_variation GROUP BY ALL
            )
            SELECT experiment_id, unit_id, f.variation AS variation_id, f.instant AS assigned_at,
                   f.instant::DATE AS assignment_date, assignment_count, variation_count,
                   variation_count > 1 AS is_conflicting
            FROM firsts
            """,
        )

    def _dedupe(self) -> None:
        self.write(
            "deduped_exposures",
            f"""
            SELECT experiment_id, unit_id, variation_id, exposure_date, f.instant AS first_exposed_at,
                   last_exposed_at, exposure_count, f.id AS first_event_id, f.session AS first_session_id
            FROM (
                SELECT experiment_id, unit_id, variation_id, exposure_date,
                       min({{'instant': occurred_at, 'id': event_id, 'session': session_id}}) AS f,
                       max(occurred_at) AS last_exposed_at, count(*) AS exposure_count
                FROM {self.read("exposure_events")} GROUP BY ALL
            )
            """,
        )

    def _validation(self) -> None:
        """From the deduped days; only days that the grace bound divides go back to the raw exposures."""
        first = "{'instant': instant, 'id': event_id, 'variation': variation_id}"
        observed = f"""
            WITH assigned AS MATERIALIZED ({self.assigned()}), observed AS MATERIALIZED (
                SELECT a.experiment_id, a.unit_id, a.counts_from, d.variation_id, d.exposure_date,
                       d.first_exposed_at AS instant, d.last_exposed_at AS last_at, d.first_event_id AS event_id,
                       d.exposure_count
                FROM {self.read("deduped_exposures")} d JOIN assigned a
                  ON d.experiment_id = a.experiment_id AND d.unit_id = a.unit_id
                 AND d.exposure_date BETWEEN a.observed_since AND a.observed_until
            ), divided AS (
                SELECT * FROM observed WHERE instant < counts_from AND last_at >= counts_from
            ), inside AS (
                SELECT o.experiment_id, o.unit_id,
                       min({{'instant': x.occurred_at, 'id': x.event_id, 'variation': x.variation_id}}) AS f
                FROM {self.read("exposure_events")} x JOIN divided o
                  ON x.experiment_id = o.experiment_id AND x.unit_id = o.unit_id
                 AND x.variation_id = o.variation_id AND x.exposure_date = o.exposure_date
                WHERE x.occurred_at >= o.counts_from GROUP BY ALL
            ), per_variation AS (
                SELECT experiment_id, unit_id, variation_id, sum(exposure_count)::BIGINT AS n, min({first}) AS f,
                       min({first}) FILTER (instant >= counts_from) AS p
                FROM observed GROUP BY ALL
            ), totals AS (
                SELECT experiment_id, unit_id, sum(n)::BIGINT AS n, count(*) AS variations, min(f) AS f, min(p) AS p
                FROM per_variation GROUP BY ALL
            )
            SELECT a.*, t.f.instant AS first_exposure_any_at, t.f.variation AS first_exposure_any_variation_id,
                   t.f.id AS first_exposure_any_event_id,
                   struct_extract(least(t.p, i.f), 'instant') AS first_exposure_at,
                   struct_extract(least(t.p, i.f), 'variation') AS first_exposure_variation_id,
                   struct_extract(least(t.p, i.f), 'id') AS first_exposure_event_id,
                   coalesce(t.n, 0) AS exposure_count, coalesce(t.variations, 0) AS exposure_variation_count
            FROM assigned a
            LEFT JOIN totals t ON t.experiment_id = a.experiment_id AND t.unit_id = a.unit_id
            LEFT JOIN inside i ON i.experiment_id = a.experiment_id AND i.unit_id = a.unit_id
        """
        self.write("exposure_validation", self.judged(observed))

    def distinct_days(self, only: str) -> str:
        """The number of distinct days as bits of one number: a window has 28 days at most and touches 29."""
        return f"bit_count(bit_or(1::BIGINT << (m.event_date - a.anchor_at::DATE)::INTEGER) {only})"
