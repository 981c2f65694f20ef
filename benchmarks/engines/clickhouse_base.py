"""What the stages of the ClickHouse peer share: the session, the files and their types, the catalog as SQL.

The stages stand in `clickhouse`.
"""

import importlib

from benchmarks.engines.engine import MEMORY_LIMIT_GB, Place, cores
from exposure_assets.contracts import Condition, ExposureSource

_INSTANT = "Nullable(DateTime64(6, 'UTC'))"
EVENTS = (
    f"event_id Nullable(String), event_name LowCardinality(String), unit_id Nullable(String), occurred_at {_INSTANT}, "
    f"ingested_at {_INSTANT}, session_id Nullable(String), value Nullable(Float64), properties LowCardinality(String)"
)
ASSIGNMENTS = (
    "event_id Nullable(String), experiment_id Nullable(String), unit_id Nullable(String), "
    f"variation_id Nullable(String), assigned_at {_INSTANT}, ingested_at {_INSTANT}"
)
_SETTINGS = {
    "max_memory_usage": MEMORY_LIMIT_GB * 1_000_000_000,
    "max_bytes_before_external_group_by": MEMORY_LIMIT_GB * 500_000_000,
    "join_use_nulls": 1,
    "input_format_null_as_default": 1,
    "output_format_parquet_date_as_uint16": 0,
    "output_format_parquet_compression_method": "'zstd'",
}
# The types of the tables' columns, so that no column of a table that was written is guessed when it is read.
_KEY = "experiment_id String, unit_id String, variation_id String"
_AT = "DateTime64(6, 'UTC')"
_TABLES = {
    "exposure_events": f"{_KEY}, event_id String, occurred_at {_AT}, exposure_date Date32, session_id Nullable(String)",
    "assignment_events": f"{_KEY}, event_id Nullable(String), assigned_at {_AT}, assignment_date Date32",
    "assignments": f"{_KEY}, assigned_at {_AT}, assignment_date Date32, is_conflicting UInt8",
    "deduped_exposures": f"{_KEY}, exposure_date Date32",
    "exposure_validation": f"{_KEY}, assigned_at {_AT}, assignment_date Date32, first_exposure_at {_INSTANT}, "
    "exposure_delay_seconds Nullable(Int64), has_any_exposure UInt8, has_post_assignment_exposure UInt8, "
    "has_valid_exposure UInt8, is_pre_assignment_exposure UInt8, is_exposure_outside_window UInt8, "
    "is_variation_mismatch UInt8, has_crossover UInt8",
}


def text(value: str) -> str:
    """A SQL string."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def texts(values: list[str]) -> str:
    """SQL strings, separated by commas."""
    return ", ".join(map(text, values)) or "NULL"


class ClickHouseBase:
    """Reads and writes Parquet files through a session of its own."""

    def run(self, stage: str, place: Place) -> None:
        """Compute a stage of `STAGES`."""
        self.place = place
        self.rules = place.rules()
        folder = place.fresh("rules")
        self.rules.experiments().write_parquet(folder / "experiments.parquet")
        self.rules.variations().write_parquet(folder / "variations.parquet")
        # By name, because the package is only there where the benchmarks were installed.
        self.session = importlib.import_module("chdb.session").Session(str(place.fresh("session")))
        try:
            for setting, value in {"max_threads": cores(), **_SETTINGS}.items():
                self.session.query(f"SET {setting} = {value}")
            getattr(self, f"_{stage}")()
        finally:
            self.session.close()

    def read(self, table: str) -> str:
        """A table of an earlier stage as a FROM item, with declared types where they decide."""
        path = text(str(self.place.work / table / "*.parquet"))
        if table not in _TABLES and table != "metric_events":
            return f"file({path}, Parquet)"
        fields = "".join(f", `{field}` Nullable(Float64)" for field in self.rules.metric_fields)
        metric_events = (
            f"event_name LowCardinality(String), unit_id String, occurred_at {_AT}, event_date Date32{fields}"
        )
        return f"file({path}, Parquet, {text(_TABLES.get(table, metric_events))})"

    def catalog_table(self, name: str) -> str:
        """The experiments or the variations of the catalog as a FROM item."""
        return f"file({text(str(self.place.work / 'rules' / f'{name}.parquet'))}, Parquet)"

    def write(self, table: str, query: str) -> None:
        """Publish a query's rows as a table."""
        path = self.place.fresh(table) / "part-0.parquet"
        self.session.query(f"INSERT INTO FUNCTION file({text(str(path))}, Parquet) {query}")

    def field(self, path: str) -> str:
        """A field of a raw event as text, null where it is missing."""
        key = path.removeprefix("properties.")
        if key == path:
            return f"toString({path})"
        found = [f"JSONExtract(properties, {text(key)}, 'LowCardinality(Nullable(String))')"]
        if "." in key:
            parts = texts(key.split("."))
            found.append(f"JSONExtract(properties, {parts}, 'LowCardinality(Nullable(String))')")
        return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"

    def number(self, path: str) -> str:
        """A field that a metric reads as a number, or null."""
        value = path if path == "value" else f"toFloat64OrNull({self.field(path)})"
        return f"if(isFinite({value}), {value}, NULL)"

    def source_case(self, source: ExposureSource) -> dict[str, str]:
        """What a source says of its events, as pairs of condition and value for `multiIf`."""
        is_ours = f"event_name = {text(source.event)}"
        holds = " AND ".join(["is_object", *(self._holds(condition) for condition in source.filter)])
        experiment, variation = self.field(str(source.experiment)), self.field(str(source.variation))
        return {
            "source": f"{is_ours} AND {holds}, {text(source.id)}",
            "experiment": f"{is_ours}, ifNull({experiment}, '')",
            "variation": f"{is_ours}, ifNull({variation}, '')",
            "malformed": f"{is_ours}, NOT is_object OR ({holds} AND ({experiment} IS NULL OR {variation} IS NULL))",
        }

    def _holds(self, condition: Condition) -> str:
        field = self.field(condition.field)
        if condition.in_ is not None:
            return f"ifNull({field} IN ({texts(list(condition.in_))}), 0)"
        if condition.not_in is not None:
            return f"NOT ifNull({field} IN ({texts(list(condition.not_in))}), 0)"
        if condition.equals is not None:
            return f"ifNull({field} = {text(condition.equals)}, 0)"
        return f"{field} IS NULL" if condition.is_null else f"{field} IS NOT NULL"
