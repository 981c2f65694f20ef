"""ClickHouse embedded (chdb): `argMin`, written as `min` of a tuple so that ties are decided exactly.

The session, the files and the catalog as SQL stand in `clickhouse_base`.
"""

from benchmarks.engines.clickhouse_base import ASSIGNMENTS, EVENTS, ClickHouseBase, text, texts
from benchmarks.rules import DAYS_OBSERVED_BEFORE, DAYS_TO_ASSIGN_AFTER_EXPOSURE
from exposure_assets.contracts import Metric

_FLAGS = {
    "exposed_units": "has_post_assignment_exposure",
    "valid_exposed_units": "has_valid_exposure",
    "no_exposure_units": "NOT has_any_exposure",
    "crossover_units": "has_crossover",
    "pre_assignment_units": "is_pre_assignment_exposure",
    "outside_window_units": "is_exposure_outside_window",
    "mismatch_units": "is_variation_mismatch",
    "conflicting_units": "is_conflicting",
}
_RATES = {
    "exposure_rate": "exposed_units",
    "valid_exposure_rate": "valid_exposed_units",
    "crossover_rate": "crossover_units",
    "pre_assignment_rate": "pre_assignment_units",
    "outside_window_rate": "outside_window_units",
    "mismatch_rate": "mismatch_units",
}


class ClickHouse(ClickHouseBase):
    """The stages as ClickHouse SQL over Parquet files."""

    def _staging(self) -> None:
        cases = [self.source_case(source) for source in self.rules.sources]
        kinds = {name: ", ".join(case[name] for case in cases) for name in cases[0]}
        numbers = [self.number(field) for field in self.rules.metric_fields]
        # The contract's order of the fields decides between copies; what the source says follows from them.
        decisive = [
            "occurred_at",
            "event_name",
            "unit_id",
            "ingested_at",
            "session_id",
            "value",
            "properties",
        ]
        further = [
            "source_id",
            "named_experiment",
            "named_variation",
            *(f"`number {n}`" for n in range(len(numbers))),
        ]
        row = [*decisive, *further]
        kept = ["occurred_at", "event_name", "unit_id", "session_id", *further]
        events = f"file({text(self.place.events)}, Parquet, {text(EVENTS)})"
        judged = f"""
            SELECT assumeNotNull(event_id) AS event_id, assumeNotNull(occurred_at) AS occurred_at, event_name,
                   assumeNotNull(unit_id) AS unit_id, ingested_at, session_id, value, properties,
                   multiIf({kinds["source"]}, '') AS source_id,
                   multiIf({kinds["experiment"]}, '') AS named_experiment,
                   multiIf({kinds["variation"]}, '') AS named_variation,
                   multiIf({kinds["malformed"]}, 0) AS is_malformed
                   {"".join(f", {number} AS `number {n}`" for n, number in enumerate(numbers))}
            FROM (SELECT *, JSONType(properties) = 'Object' AS is_object FROM {events}
                  WHERE event_id IS NOT NULL AND event_name <> '' AND unit_id IS NOT NULL AND occurred_at IS NOT NULL
                    AND sipHash64(event_id) {{}} (SELECT id_hash FROM bench.suspects))
        """
        # Hardly any id is repeated: 8-byte hashes find the suspects, and only these are compared field by field.
        for statement in (
            "CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic",
            f"""CREATE TABLE bench.suspects ENGINE = Memory AS SELECT sipHash64(event_id) AS id_hash
                FROM {events} WHERE event_id IS NOT NULL GROUP BY id_hash HAVING count() > 1""",
            f"""CREATE TABLE bench.events_once ENGINE = MergeTree ORDER BY tuple() AS
                SELECT event_id, {", ".join(kept)} FROM ({judged.format("NOT IN")}) WHERE NOT is_malformed""",
            f"""INSERT INTO bench.events_once
                SELECT event_id, {", ".join(f"r.{row.index(name) + 1} AS {name}" for name in kept)}
                FROM (SELECT event_id, min(({", ".join(row)})) AS r
                      FROM ({judged.format("IN")}) WHERE NOT is_malformed GROUP BY event_id)""",
        ):
            self.session.query(statement)
        self.write(
            "exposure_events",
            f"""
            SELECT e.experiment_id AS experiment_id, o.event_id AS event_id, o.unit_id AS unit_id,
                   v.variation_id AS variation_id, o.occurred_at AS occurred_at,
                   toDate32(o.occurred_at) AS exposure_date, o.session_id AS session_id
            FROM bench.events_once o
            JOIN {self.catalog_table("experiments")} e
              ON e.experiment_id = o.named_experiment AND e.source_id = o.source_id
            JOIN {self.catalog_table("variations")} v
              ON v.experiment_id = o.named_experiment AND v.variation_id = o.named_variation
            WHERE toDate32(o.occurred_at) BETWEEN e.first_exposure_date AND e.last_exposure_date
            """,
        )
        fields = "".join(f", `number {n}` AS `{field}`" for n, field in enumerate(self.rules.metric_fields))
        self.write(
            "metric_events",
            f"""
            SELECT event_id, event_name, unit_id, occurred_at, toDate32(occurred_at) AS event_date{fields}
            FROM bench.events_once WHERE event_name IN ({texts(self.rules.metric_events)})
            """,
        )
        row = "(assigned_at, experiment_id, unit_id, variation_id, ingested_at)"
        self.write(
            "assignment_events",
            f"""
            WITH once AS (
                SELECT event_id, min({row}) AS r FROM
                file({text(self.place.assignments)}, Parquet, {text(ASSIGNMENTS)})
                WHERE experiment_id IS NOT NULL AND unit_id IS NOT NULL AND variation_id IS NOT NULL
                  AND assigned_at IS NOT NULL
                GROUP BY event_id, if(event_id IS NULL, toString({row}), '')
            )
            SELECT e.experiment_id AS experiment_id, o.event_id AS event_id, o.r.3 AS unit_id,
                   v.variation_id AS variation_id, o.r.1 AS assigned_at, toDate32(o.r.1) AS assignment_date
            FROM once o
            JOIN {self.catalog_table("experiments")} e ON e.experiment_id = o.r.2
            JOIN {self.catalog_table("variations")} v ON v.experiment_id = o.r.2 AND v.variation_id = o.r.4
            WHERE o.r.1 >= e.start_at AND o.r.1 < e.enrollment_end_at
            """,
        )

    def _assignments(self) -> None:
        self.write(
            "assignments",
            f"""
            SELECT experiment_id, unit_id, r.2 AS variation_id, r.1 AS assigned_at, toDate32(r.1) AS assignment_date,
                   toInt64(n) AS assignment_count, toInt64(k) AS variation_count, k > 1 AS is_conflicting
            FROM (
                SELECT experiment_id, unit_id, min((assigned_at, variation_id)) AS r, count() AS n,
                       uniqExact(variation_id) AS k
                FROM {self.read("assignment_events")} GROUP BY experiment_id, unit_id
            )
            """,
        )

    def _dedupe(self) -> None:
        self.write(
            "deduped_exposures",
            f"""
            SELECT experiment_id, unit_id, variation_id, exposure_date, r.1 AS first_exposed_at, last_exposed_at,
                   exposure_count, r.2 AS first_event_id, r.3 AS first_session_id
            FROM (
                SELECT experiment_id, unit_id, variation_id, exposure_date,
                       min((occurred_at, event_id, session_id)) AS r,
                       max(occurred_at) AS last_exposed_at, toInt64(count()) AS exposure_count
                FROM {self.read("exposure_events")} GROUP BY experiment_id, unit_id, variation_id, exposure_date
            )
            """,
        )

    def _validation(self) -> None:
        row = "(x.occurred_at, x.event_id, x.variation_id)"
        self.write(
            "exposure_validation",
            f"""
            WITH assigned AS (
                SELECT a.experiment_id AS experiment_id, a.unit_id AS unit_id, a.variation_id AS variation_id,
                       a.assigned_at AS assigned_at, a.assignment_date AS assignment_date, e.window_us AS window_us,
                       e.excludes_crossover AS excludes_crossover,
                       subtractMicroseconds(a.assigned_at, e.grace_us) AS counts_from,
                       addDays(a.assignment_date, e.observe_days) AS observed_until_date
                FROM {self.read("assignments")} a JOIN {self.catalog_table("experiments")} e
                  ON e.experiment_id = a.experiment_id
            ), observed AS (
                SELECT a.experiment_id AS experiment_id, a.unit_id AS unit_id, min({row}) AS f,
                       minIf({row}, x.occurred_at >= a.counts_from) AS p,
                       countIf(x.occurred_at >= a.counts_from) AS later, toInt64(count()) AS n,
                       toInt64(uniqExact(x.variation_id)) AS k
                FROM {self.read("exposure_events")} x
                JOIN assigned a ON a.experiment_id = x.experiment_id AND a.unit_id = x.unit_id
                WHERE x.exposure_date BETWEEN subtractDays(a.assignment_date, {DAYS_OBSERVED_BEFORE})
                                          AND a.observed_until_date
                GROUP BY a.experiment_id, a.unit_id
            ), measured AS (
                SELECT a.experiment_id AS experiment_id, a.unit_id AS unit_id, a.variation_id AS variation_id,
                       a.assigned_at AS assigned_at, a.assignment_date AS assignment_date,
                       a.excludes_crossover AS excludes_crossover, a.observed_until_date AS observed_until_date,
                       ifNull(o.n, 0) AS exposure_count, ifNull(o.k, 0) AS exposure_variation_count,
                       exposure_count > 0 AS has_any_exposure, ifNull(o.later, 0) > 0 AS has_post_assignment_exposure,
                       if(has_any_exposure, o.f.1, NULL) AS first_exposure_any_at,
                       if(has_any_exposure, o.f.3, NULL) AS first_exposure_any_variation_id,
                       if(has_any_exposure, o.f.2, NULL) AS first_exposure_any_event_id,
                       if(has_post_assignment_exposure, o.p.1, NULL) AS first_exposure_at,
                       if(has_post_assignment_exposure, o.p.3, NULL) AS first_exposure_variation_id,
                       if(has_post_assignment_exposure, o.p.2, NULL) AS first_exposure_event_id,
                       toInt64(floor((toUnixTimestamp64Micro(first_exposure_at) - toUnixTimestamp64Micro(a.assigned_at))
                               / 1000000)) AS exposure_delay_seconds,
                       ifNull(first_exposure_any_at < a.counts_from, 0) AS is_pre_assignment_exposure,
                       ifNull(first_exposure_at > addMicroseconds(a.assigned_at, a.window_us), 0)
                           AS is_exposure_outside_window,
                       ifNull(first_exposure_variation_id <> a.variation_id, 0) AS is_variation_mismatch,
                       exposure_variation_count > 1 AS has_crossover,
                       has_post_assignment_exposure AND NOT is_exposure_outside_window AND NOT is_variation_mismatch
                           AND NOT (has_crossover AND excludes_crossover) AS has_valid_exposure
                FROM assigned a
                LEFT JOIN observed o ON o.experiment_id = a.experiment_id AND o.unit_id = a.unit_id
            )
            SELECT * EXCEPT (excludes_crossover),
                   multiIf(NOT has_any_exposure, 'no_exposure', has_crossover AND excludes_crossover, 'crossover',
                           is_pre_assignment_exposure AND NOT has_valid_exposure, 'pre_assignment_exposure',
                           is_exposure_outside_window, 'exposure_outside_window',
                           is_variation_mismatch, 'variation_mismatch', 'valid') AS validation_status
            FROM measured
            """,
        )

    def _outcomes(self) -> None:
        aggregates = "".join(f", {self._aggregate(metric)} AS `{metric.id}`" for metric in self.rules.metrics)
        completed = "".join(f", {self._completed(metric)} AS `{metric.id}`" for metric in self.rules.metrics)
        self.write(
            "unit_outcomes",
            f"""
            WITH anchored AS (
                SELECT v.experiment_id AS experiment_id, v.unit_id AS unit_id, v.variation_id AS variation_id,
                       v.assignment_date AS assignment_date,
                       e.prefers_exposure AND v.first_exposure_at IS NOT NULL AS at_exposure,
                       if(at_exposure, 'first_exposure', 'assignment') AS anchor,
                       if(at_exposure, assumeNotNull(v.first_exposure_at), v.assigned_at) AS anchor_at,
                       addMicroseconds(anchor_at, e.outcome_us) AS window_end_at
                FROM {self.read("exposure_validation")} v JOIN {self.catalog_table("experiments")} e
                  ON e.experiment_id = v.experiment_id
            ), aggregated AS (
                SELECT a.experiment_id AS experiment_id, a.unit_id AS unit_id{aggregates}
                FROM {self.read("metric_events")} m JOIN anchored a ON a.unit_id = m.unit_id
                WHERE m.occurred_at >= a.anchor_at AND m.occurred_at < a.window_end_at
                GROUP BY a.experiment_id, a.unit_id
            )
            SELECT a.experiment_id AS experiment_id, a.unit_id AS unit_id, a.variation_id AS variation_id,
                   a.assignment_date AS assignment_date, a.anchor AS anchor, a.anchor_at AS anchor_at,
                   a.window_end_at AS window_end_at{completed}
            FROM anchored a
            LEFT JOIN aggregated g ON g.experiment_id = a.experiment_id AND g.unit_id = a.unit_id
            """,
        )

    def _aggregate(self, metric: Metric) -> str:
        is_ours = f"m.event_name = {text(metric.event)}"
        match metric.aggregation:
            case "count":
                return f"toInt64(countIf({is_ours}))"
            case "converted":
                return f"countIf({is_ours}) > 0"
            case "count_distinct_days":
                return f"toInt64(uniqExactIf(m.event_date, {is_ours}))"
            case "sum":
                return f"sumIf(m.`{metric.field}`, {is_ours})"
            case aggregation:
                function = {"mean": "avg"}.get(aggregation, aggregation)
                return f"{function}OrNullIf(m.`{metric.field}`, {is_ours})"

    def _completed(self, metric: Metric) -> str:
        value = f"g.`{metric.id}`"
        if metric.aggregation in ("count", "count_distinct_days", "sum", "converted"):
            value = f"ifNull({value}, 0)"
        if metric.cap is not None:
            value = f"if({value} > {metric.cap}, {metric.cap}, {value})"
        return f"if(a.experiment_id IN ({texts(self.rules.listing(metric))}), {value}, NULL)"

    def _quality(self) -> None:
        names = ("assigned_units", *_FLAGS)
        counts = ", ".join(f"toInt64(countIf({flag})) AS {name}" for name, flag in _FLAGS.items())
        filled = ", ".join(f"ifNull(c.{name}, 0) AS {name}" for name in names)
        rates = ", ".join(
            f"if(assigned_units > 0, {part} / assigned_units, NULL) AS {rate}"
            for rate, part in _RATES.items()
        )
        measures = f"""
            toInt64(count()) AS assigned_units, {counts},
            if(count(exposure_delay_seconds) > 0, sum(exposure_delay_seconds) / count(exposure_delay_seconds), NULL)
                AS avg_exposure_delay_seconds,
            if(count(exposure_delay_seconds) > 0, quantileExactInclusive(0.5)(exposure_delay_seconds), NULL)
                AS p50_exposure_delay_seconds,
            if(count(exposure_delay_seconds) > 0, quantileExactInclusive(0.95)(exposure_delay_seconds), NULL)
                AS p95_exposure_delay_seconds
        """
        self.write(
            "daily_quality",
            f"""
            WITH judged AS (
                SELECT v.* EXCEPT (first_exposure_at), a.is_conflicting AS is_conflicting
                FROM {self.read("exposure_validation")} v JOIN {self.read("assignments")} a
                  ON a.experiment_id = v.experiment_id AND a.unit_id = v.unit_id
            ), counted AS (
                SELECT experiment_id, assignment_date, variation_id, {measures}
                FROM judged GROUP BY experiment_id, assignment_date, variation_id
                UNION ALL
                SELECT experiment_id, assignment_date, '*' AS variation_id, {measures}
                FROM judged GROUP BY experiment_id, assignment_date
            ), unassigned AS (
                SELECT x.experiment_id AS experiment_id, x.exposure_date AS assignment_date,
                       toInt64(count()) AS unassigned_exposed_units
                FROM (SELECT DISTINCT experiment_id, unit_id, exposure_date FROM {self.read("deduped_exposures")}) x
                LEFT JOIN (SELECT experiment_id, unit_id, assignment_date AS cohort FROM {self.read("assignments")}) a
                  ON a.experiment_id = x.experiment_id AND a.unit_id = x.unit_id
                WHERE a.cohort IS NULL OR a.cohort > addDays(x.exposure_date, {DAYS_TO_ASSIGN_AFTER_EXPOSURE})
                GROUP BY x.experiment_id, x.exposure_date
            ), days AS (
                SELECT experiment_id, assignment_date FROM counted
                UNION DISTINCT SELECT experiment_id, assignment_date FROM unassigned
            ), grain AS (
                SELECT d.experiment_id AS experiment_id, d.assignment_date AS assignment_date,
                       v.variation_id AS variation_id
                FROM days d JOIN (
                    SELECT experiment_id, variation_id FROM {self.catalog_table("variations")}
                    UNION ALL SELECT experiment_id, '*' AS variation_id FROM {self.catalog_table("experiments")}
                ) v ON v.experiment_id = d.experiment_id
            ), filled AS (
                SELECT g.experiment_id AS experiment_id, g.assignment_date AS assignment_date,
                       g.variation_id AS variation_id, {filled},
                       c.avg_exposure_delay_seconds AS avg_exposure_delay_seconds,
                       c.p50_exposure_delay_seconds AS p50_exposure_delay_seconds,
                       c.p95_exposure_delay_seconds AS p95_exposure_delay_seconds,
                       if(g.variation_id = '*', ifNull(u.unassigned_exposed_units, 0), NULL) AS unassigned_exposed_units
                FROM grain g
                LEFT JOIN counted c ON c.experiment_id = g.experiment_id
                  AND c.assignment_date = g.assignment_date AND c.variation_id = g.variation_id
                LEFT JOIN unassigned u ON u.experiment_id = g.experiment_id AND u.assignment_date = g.assignment_date
            )
            SELECT *, {rates},
                   multiIf(exposure_rate IS NULL, NULL, exposure_rate < 0.7, 'critical', exposure_rate < 0.9, 'warning',
                           'ok') AS exposure_health
            FROM filled
            """,
        )
