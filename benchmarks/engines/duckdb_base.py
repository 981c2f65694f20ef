"""What both DuckDB peers share: the connection, the reading of raw rows, and what one good way exists for.

Where `row_number()` and `arg_min` part, each stands in its own module.
"""

from abc import ABC, abstractmethod

import duckdb

from benchmarks.engines.engine import MEMORY_LIMIT_GB, Place, cores
from benchmarks.rules import DAYS_OBSERVED_BEFORE, DAYS_TO_ASSIGN_AFTER_EXPOSURE, Rules
from exposure_assets.contracts import Condition, ExposureSource, Metric

_COUNTS = {
    "exposed_units": "has_post_assignment_exposure",
    "valid_exposed_units": "has_valid_exposure",
    "no_exposure_units": "NOT has_any_exposure",
    "crossover_units": "has_crossover",
    "pre_assignment_units": "is_pre_assignment_exposure",
    "outside_window_units": "is_exposure_outside_window",
    "mismatch_units": "is_variation_mismatch",
    "conflicting_units": "is_conflicting",
}
_RATES = ("exposure", "valid_exposure", "crossover", "pre_assignment", "outside_window", "mismatch")


def quoted(text: str) -> str:
    """A SQL string."""
    return "'" + text.replace("'", "''") + "'"


def quoted_list(texts: list[str]) -> str:
    """SQL strings, separated by commas."""
    return ", ".join(map(quoted, texts)) or "NULL"


def column(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def with_fields(rows: str, paths: set[str]) -> str:
    """Raw rows with one column per field of the catalog, and whether `properties` is an object."""
    fields = "".join(f", {_extracted(path)} AS {_field(path)}" for path in sorted(paths))
    is_object = "json_valid(properties) AND json_type(properties) = 'OBJECT'"
    return f"""SELECT *, json IS NOT NULL AS is_object{fields}
               FROM (SELECT *, CASE WHEN {is_object} THEN properties END AS json FROM {rows})"""


def numbers(paths: list[str]) -> str:
    """The fields that metrics read as further columns of a SELECT over `with_fields`; no number is null."""
    return "".join(f", {finite(_field(path))} AS {column(path)}" for path in paths)


def finite(value: str) -> str:
    """A value as a number, or null."""
    return f"CASE WHEN isfinite(TRY_CAST({value} AS DOUBLE)) THEN TRY_CAST({value} AS DOUBLE) END"


def _field(path: str) -> str:
    return column(f"field:{path}")


def _extracted(path: str) -> str:
    key = path.removeprefix("properties.")
    if key == path:
        return column(path) if path == "value" else f"{column(path)}::VARCHAR"
    nested = "$" + "".join(f'."{part}"' for part in key.split("."))
    paths = [nested] if "." not in key else [f'$."{key}"', nested]
    found = [f"json ->> {quoted(each)}" for each in paths]
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"


class DuckDBEngine(ABC):
    """The stages as SQL over Parquet files; subclasses give the statements that differ."""

    def run(self, stage: str, place: Place) -> None:
        """Compute a stage of `STAGES`."""
        self.place = place
        self.rules: Rules = place.rules()
        place.work.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            self.connection = connection
            for setting, value in {
                "threads": cores(),
                "memory_limit": f"{MEMORY_LIMIT_GB}GB",
                "preserve_insertion_order": False,
                "temp_directory": str(place.work / "spill"),
                "TimeZone": "UTC",
            }.items():
                connection.execute(f"SET {setting} = '{value}'")
            experiments, variations = self.rules.experiments(), self.rules.variations()
            connection.register("rules", experiments.to_arrow())
            connection.register("known_variations", variations.to_arrow())
            # Instants are kept as TIMESTAMP in UTC: every cast to a day would otherwise ask the ICU extension.
            connection.execute(
                "CREATE TEMP TABLE experiments AS SELECT * REPLACE (make_timestamp(epoch_us(start_at)) AS start_at, "
                "make_timestamp(epoch_us(enrollment_end_at)) AS enrollment_end_at) FROM rules"
            )
            connection.execute("CREATE TEMP TABLE variations AS SELECT * FROM known_variations")
            getattr(self, f"_{stage}")()

    def read(self, table: str) -> str:
        """A table of an earlier stage as a FROM item."""
        return f"read_parquet({quoted(self.place.glob(table))}, hive_partitioning=false)"

    def write(self, table: str, query: str) -> None:
        """Publish a query's rows as a table."""
        path = self.place.fresh(table) / "part-0.parquet"
        self.connection.execute(
            f"COPY ({query}) TO {quoted(str(path))} (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
        )

    def _staging(self) -> None:
        self.events_once()
        self.write(
            "exposure_events",
            """
            SELECT e.experiment_id, o.event_id, o.unit_id, v.variation_id, o.occurred_at,
                   o.occurred_at::DATE AS exposure_date, o.session_id
            FROM events_once o
            JOIN experiments e ON e.experiment_id = o.named_experiment AND e.source_id = o.source_id
            JOIN variations v ON v.experiment_id = e.experiment_id AND v.variation_id = o.named_variation
            WHERE o.occurred_at::DATE BETWEEN e.first_exposure_date AND e.last_exposure_date
            """,
        )
        fields = "".join(f", {column(field)}" for field in self.rules.metric_fields)
        self.write(
            "metric_events",
            f"""
            SELECT event_id, event_name, unit_id, occurred_at, occurred_at::DATE AS event_date{fields}
            FROM events_once WHERE event_name IN ({quoted_list(self.rules.metric_events)})
            """,
        )
        self.write(
            "assignment_events",
            f"""
            WITH raw AS (
                SELECT * REPLACE (make_timestamp(epoch_us(assigned_at)) AS assigned_at)
                FROM read_parquet({quoted(self.place.assignments)}, hive_partitioning=false)
                WHERE experiment_id IS NOT NULL AND unit_id IS NOT NULL AND variation_id IS NOT NULL
                  AND assigned_at IS NOT NULL
            ), once AS (
                SELECT * FROM raw
                QUALIFY row_number() OVER (
                    PARTITION BY event_id, CASE WHEN event_id IS NULL
                        THEN (experiment_id, unit_id, variation_id, assigned_at, ingested_at) END
                    ORDER BY assigned_at, experiment_id, unit_id, variation_id, ingested_at NULLS LAST) = 1
            )
            SELECT o.experiment_id, o.event_id, o.unit_id, o.variation_id, o.assigned_at,
                   o.assigned_at::DATE AS assignment_date
            FROM once o
            JOIN experiments e USING (experiment_id)
            JOIN variations v ON v.experiment_id = o.experiment_id AND v.variation_id = o.variation_id
            WHERE o.assigned_at >= e.start_at AND o.assigned_at < e.enrollment_end_at
            """,
        )

    @abstractmethod
    def events_once(self) -> None:
        """Create the table `events_once`: every well-formed event once, with what its source says."""

    def raw_events(self) -> str:
        """The well-formed raw events with the columns that a judgement needs.

        `properties` is parsed where the file is read: DuckDB applies a function to a Parquet dictionary once.
        """
        paths = {*self.source_paths, *self.rules.metric_fields}
        return f"""
            SELECT event_id, event_name, unit_id, make_timestamp(epoch_us(occurred_at)) AS occurred_at,
                   ingested_at, session_id, value AS raw_value, properties AS raw_properties,
                   {self.verdict()}{numbers(self.rules.metric_fields)}
            FROM ({with_fields(self.events, paths)})
            WHERE event_id IS NOT NULL AND event_name IS NOT NULL AND unit_id IS NOT NULL
              AND occurred_at IS NOT NULL AND NOT is_malformed
        """

    @property
    def events(self) -> str:
        """The raw events as a FROM item."""
        return f"read_parquet({quoted(self.place.events)}, hive_partitioning=false)"

    @property
    def source_paths(self) -> set[str]:
        """Every field that an exposure source reads."""
        sources = self.rules.sources
        paths = {path for source in sources for path in (str(source.experiment), str(source.variation))}
        return paths | {condition.field for source in sources for condition in source.filter}

    def verdict(self) -> str:
        """What the source of a row says, as columns of a SELECT over `with_fields`."""
        cases = [self._source_case(source) for source in self.rules.sources]
        kinds = {name: " ".join(case[name] for case in cases) for name in cases[0]}
        return f"""CASE event_name {kinds["source"]} END AS source_id,
                   CASE event_name {kinds["experiment"]} END AS named_experiment,
                   CASE event_name {kinds["variation"]} END AS named_variation,
                   coalesce(CASE event_name {kinds["malformed"]} END, false) AS is_malformed"""

    def _source_case(self, source: ExposureSource) -> dict[str, str]:
        event = quoted(source.event)
        holds = " AND ".join(["is_object", *(self._holds(condition) for condition in source.filter)])
        experiment, variation = _field(str(source.experiment)), _field(str(source.variation))
        nameless = f"({experiment} IS NULL OR {variation} IS NULL)"
        return {
            "source": f"WHEN {event} THEN CASE WHEN {holds} THEN {quoted(source.id)} END",
            "experiment": f"WHEN {event} THEN {experiment}",
            "variation": f"WHEN {event} THEN {variation}",
            "malformed": f"WHEN {event} THEN NOT is_object OR ({holds} AND {nameless})",
        }

    def _holds(self, condition: Condition) -> str:
        field = _field(condition.field)
        if condition.in_ is not None:
            return f"coalesce({field} IN ({quoted_list(list(condition.in_))}), false)"
        if condition.not_in is not None:
            return f"NOT coalesce({field} IN ({quoted_list(list(condition.not_in))}), false)"
        if condition.equals is not None:
            return f"coalesce({field} = {quoted(condition.equals)}, false)"
        return f"{field} IS NULL" if condition.is_null else f"{field} IS NOT NULL"

    def judged(self, observed: str) -> str:
        """The verdicts over `observed`: assignments with their rules, first exposures and counts."""
        return f"""
            WITH measured AS (
                SELECT *, floor((epoch_us(first_exposure_at) - epoch_us(assigned_at)) / 1000000)::BIGINT
                            AS exposure_delay_seconds,
                       first_exposure_any_at IS NOT NULL AS has_any_exposure,
                       first_exposure_at IS NOT NULL AS has_post_assignment_exposure,
                       coalesce(first_exposure_any_at < counts_from, false) AS is_pre_assignment_exposure,
                       coalesce(first_exposure_at > assigned_at + to_microseconds(window_us), false)
                            AS is_exposure_outside_window,
                       coalesce(first_exposure_variation_id <> variation_id, false) AS is_variation_mismatch,
                       exposure_variation_count > 1 AS has_crossover
                FROM ({observed})
            ), valid AS (
                SELECT *, has_post_assignment_exposure AND NOT is_exposure_outside_window
                          AND NOT is_variation_mismatch AND NOT (has_crossover AND excludes_crossover)
                          AS has_valid_exposure
                FROM measured
            )
            SELECT experiment_id, unit_id, variation_id, assigned_at, assignment_date,
                   first_exposure_any_at, first_exposure_any_variation_id, first_exposure_any_event_id,
                   first_exposure_at, first_exposure_variation_id, first_exposure_event_id,
                   exposure_count, exposure_variation_count, exposure_delay_seconds,
                   has_any_exposure, has_post_assignment_exposure, has_valid_exposure,
                   is_pre_assignment_exposure, is_exposure_outside_window, is_variation_mismatch, has_crossover,
                   CASE WHEN NOT has_any_exposure THEN 'no_exposure'
                        WHEN has_crossover AND excludes_crossover THEN 'crossover'
                        WHEN is_pre_assignment_exposure AND NOT has_valid_exposure THEN 'pre_assignment_exposure'
                        WHEN is_exposure_outside_window THEN 'exposure_outside_window'
                        WHEN is_variation_mismatch THEN 'variation_mismatch'
                        ELSE 'valid' END AS validation_status,
                   assignment_date + observe_days AS observed_until_date
            FROM valid
        """

    def assigned(self) -> str:
        """The assignments with their rules and windows."""
        return f"""
            SELECT a.*, e.window_us, e.observe_days, e.excludes_crossover,
                   a.assigned_at - to_microseconds(e.grace_us) AS counts_from,
                   a.assignment_date - {DAYS_OBSERVED_BEFORE} AS observed_since,
                   a.assignment_date + e.observe_days AS observed_until
            FROM {self.read("assignments")} a JOIN experiments e USING (experiment_id)
        """

    def _outcomes(self) -> None:
        aggregates = "".join(
            f", {self._aggregate(metric)} AS {column(metric.id)}" for metric in self.rules.metrics
        )
        completed = "".join(
            f", {self._completed(metric)} AS {column(metric.id)}" for metric in self.rules.metrics
        )
        self.write(
            "unit_outcomes",
            f"""
            WITH anchored AS (
                SELECT v.experiment_id, v.unit_id, v.variation_id, v.assignment_date,
                       CASE WHEN e.prefers_exposure AND v.first_exposure_at IS NOT NULL
                            THEN 'first_exposure' ELSE 'assignment' END AS anchor,
                       CASE WHEN e.prefers_exposure AND v.first_exposure_at IS NOT NULL
                            THEN v.first_exposure_at ELSE v.assigned_at END AS anchor_at,
                       anchor_at + to_microseconds(e.outcome_us) AS window_end_at
                FROM {self.read("exposure_validation")} v JOIN experiments e USING (experiment_id)
            ), aggregated AS (
                SELECT a.experiment_id, a.unit_id{aggregates}
                FROM anchored a JOIN {self.read("metric_events")} m ON m.unit_id = a.unit_id
                 AND m.occurred_at >= a.anchor_at AND m.occurred_at < a.window_end_at
                GROUP BY a.experiment_id, a.unit_id
            )
            SELECT a.*{completed}
            FROM anchored a LEFT JOIN aggregated g ON g.experiment_id = a.experiment_id AND g.unit_id = a.unit_id
            """,
        )

    def distinct_days(self, only: str) -> str:
        """The number of distinct days of the events that `only`, a FILTER clause, keeps."""
        return f"count(DISTINCT m.event_date) {only}"

    def _aggregate(self, metric: Metric) -> str:
        ours = f"FILTER (m.event_name = {quoted(metric.event)})"
        match metric.aggregation:
            case "count":
                return f"count(*) {ours}"
            case "converted":
                return f"count(*) {ours} > 0"
            case "count_distinct_days":
                return self.distinct_days(ours)
            case "mean":
                return f"avg(m.{column(str(metric.field))}) {ours}"
            case aggregation:
                return f"{aggregation}(m.{column(str(metric.field))}) {ours}"

    def _completed(self, metric: Metric) -> str:
        value = f"g.{column(metric.id)}"
        if metric.aggregation == "converted":
            value = f"coalesce({value}, false)"
        elif metric.aggregation in ("count", "count_distinct_days", "sum"):
            value = f"coalesce({value}, 0)"
        if metric.cap is not None:
            value = f"CASE WHEN {value} > {metric.cap} THEN {metric.cap} ELSE {value} END"
        return f"CASE WHEN a.experiment_id IN ({quoted_list(self.rules.listing(metric))}) THEN {value} END"

    def _quality(self) -> None:
        counts = ", ".join(f"count(*) FILTER ({flag}) AS {name}" for name, flag in _COUNTS.items())
        filled = ", ".join(f"coalesce(c.{name}, 0) AS {name}" for name in ("assigned_units", *_COUNTS))
        parts = {rate: "exposed_units" if rate == "exposure" else f"{rate}_units" for rate in _RATES}
        parts["valid_exposure"] = "valid_exposed_units"
        rates = ", ".join(
            f"CASE WHEN assigned_units > 0 THEN {part} / assigned_units END AS {rate}_rate"
            for rate, part in parts.items()
        )
        self.write(
            "daily_quality",
            f"""
            WITH judged AS (
                SELECT v.*, a.is_conflicting
                FROM {self.read("exposure_validation")} v
                JOIN {self.read("assignments")} a ON a.experiment_id = v.experiment_id AND a.unit_id = v.unit_id
            ), counted AS (
                SELECT experiment_id, assignment_date,
                       CASE WHEN grouping(variation_id) = 1 THEN '*' ELSE variation_id END AS variation_id,
                       count(*) AS assigned_units, {counts},
                       sum(exposure_delay_seconds) / count(exposure_delay_seconds) AS avg_exposure_delay_seconds,
                       quantile_cont(exposure_delay_seconds, [0.5, 0.95]) AS quantiles
                FROM judged
                GROUP BY GROUPING SETS (
                    (experiment_id, assignment_date, variation_id), (experiment_id, assignment_date))
            ), unassigned AS (
                SELECT x.experiment_id, x.exposure_date AS assignment_date, count(*) AS unassigned_exposed_units
                FROM (SELECT DISTINCT experiment_id, unit_id, exposure_date FROM {self.read("deduped_exposures")}) x
                ANTI JOIN {self.read("assignments")} a
                  ON a.experiment_id = x.experiment_id AND a.unit_id = x.unit_id
                 AND a.assignment_date <= x.exposure_date + {DAYS_TO_ASSIGN_AFTER_EXPOSURE}
                GROUP BY ALL
            ), days AS (
                SELECT experiment_id, assignment_date FROM counted
                UNION SELECT experiment_id, assignment_date FROM unassigned
            ), grain AS (
                SELECT d.*, v.variation_id FROM days d
                JOIN (SELECT * FROM variations UNION ALL SELECT experiment_id, '*' FROM experiments) v
                USING (experiment_id)
            ), filled AS (
                SELECT g.experiment_id, g.assignment_date, g.variation_id, {filled},
                       c.avg_exposure_delay_seconds,
                       c.quantiles[1] AS p50_exposure_delay_seconds, c.quantiles[2] AS p95_exposure_delay_seconds,
                       CASE WHEN g.variation_id = '*' THEN coalesce(u.unassigned_exposed_units, 0) END
                            AS unassigned_exposed_units
                FROM grain g
                LEFT JOIN counted c ON c.experiment_id = g.experiment_id
                  AND c.assignment_date = g.assignment_date AND c.variation_id = g.variation_id
                LEFT JOIN unassigned u ON u.experiment_id = g.experiment_id AND u.assignment_date = g.assignment_date
            )
            SELECT *, {rates},
                   CASE WHEN exposure_rate < 0.7 THEN 'critical' WHEN exposure_rate < 0.9 THEN 'warning'
                        WHEN exposure_rate IS NOT NULL THEN 'ok' END AS exposure_health
            FROM filled
            """,
        )
