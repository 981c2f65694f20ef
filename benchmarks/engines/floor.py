"""The decode floor: what it costs merely to read the columns that the pipeline needs, with nothing done to them.

No pipeline over these files can be faster; every time is also given as a multiple of it.
"""

import duckdb
import polars as pl

from benchmarks.engines.engine import Place, cores

NEEDED = ("event_id", "event_name", "unit_id", "occurred_at", "session_id", "value", "properties")
_TEXTS = frozenset({"event_id", "event_name", "unit_id", "session_id", "properties"})


class PolarsFloor:
    """Polars' streaming engine decodes every needed column."""

    def run(self, stage: str, place: Place) -> None:
        """Read; `stage` has no say."""
        rows = pl.scan_parquet(place.events, hive_partitioning=False)
        texts = [pl.col(name).str.len_bytes().max() for name in NEEDED if name in _TEXTS]
        rows.select(*texts, pl.col("occurred_at", "value").max()).collect(engine="streaming")


class DuckDBFloor:
    """DuckDB decodes every needed column."""

    def run(self, stage: str, place: Place) -> None:
        """Read; `stage` has no say."""
        with duckdb.connect() as connection:
            connection.execute(f"SET threads = {cores()}")
            touched = ", ".join(f"max(strlen({name}))" for name in NEEDED if name in _TEXTS)
            query = f"SELECT {touched}, max(occurred_at), max(value) FROM read_parquet(?, hive_partitioning=false)"
            connection.execute(query, [place.events]).fetchall()
