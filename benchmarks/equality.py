"""Whether two engines gave the same answer: every row of a table, by its key, column by column.

Only floats may differ, by the order of their additions: the last digits of a sum are nobody's truth.
"""

from dataclasses import dataclass

import duckdb

from benchmarks.engines.engine import STAGES, TABLES, Place, cores
from exposure_assets.contracts import (
    AssignmentEvents,
    Assignments,
    DailyQuality,
    DedupedExposures,
    ExposureEvents,
    ExposureValidation,
    MetricEvents,
    TableContract,
    UnitOutcomes,
    columns_of,
    metric_columns,
    table_name,
)

FLOAT_TOLERANCE = 1e-9
_CONTRACTS: dict[str, type[TableContract]] = {
    table_name(contract): contract
    for contract in (
        ExposureEvents,
        MetricEvents,
        AssignmentEvents,
        Assignments,
        DedupedExposures,
        ExposureValidation,
        UnitOutcomes,
        DailyQuality,
    )
}
# Staged assignment rows have no key of the contract: those without an id are told apart by all their fields.
_KEYS = {"assignment_events": ("experiment_id", "event_id", "unit_id", "variation_id", "assigned_at")}
# What only our partial rows carry: peers go back to the raw exposures instead.
_OURS_ALONE = {"deduped_exposures": {"later_exposed_at", "later_event_ids", "later_exposure_counts"}}


class UnequalAnswers(Exception):
    """A peer's table differs from ours."""


@dataclass(frozen=True)
class Comparison:
    """How many rows of a table were compared, and how many differ."""

    table: str
    rows: int
    differing: int


def compare(ours: Place, peer: Place, stages: tuple[str, ...] = STAGES) -> list[Comparison]:
    """Compare the tables of the stages; an empty list of stages compares nothing."""
    return [_compared(table, ours, peer) for stage in stages for table in TABLES[stage]]


def must_be_equal(name: str, ours: Place, peer: Place, stages: tuple[str, ...] = STAGES) -> list[Comparison]:
    """Compare, and refuse a difference.

    Raises:
        UnequalAnswers: rows of a table differ.
    """
    compared = compare(ours, peer, stages)
    unequal = [one for one in compared if one.differing]
    if unequal:
        found = ", ".join(f"{one.differing:,} of {one.rows:,} rows of {one.table}" for one in unequal)
        raise UnequalAnswers(
            f"{name} and our path disagree in {found}; expected the same rows: a time without it says nothing."
        )
    return compared


def _compared(table: str, ours: Place, peer: Place) -> Comparison:
    contract = _CONTRACTS[table]
    names = [name for name in columns_of(contract) if name not in _OURS_ALONE.get(table, ())]
    if table == "unit_outcomes":
        names += list(metric_columns(ours.catalog().metrics))
    if table == "metric_events":
        names += [field for field in ours.rules().metric_fields if field not in names]
    key = _KEYS.get(table) or contract.grain()
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {cores()}; SET TimeZone = 'UTC'; SET memory_limit = '12GB'")
        types = dict(
            connection.execute(
                f"SELECT column_name, column_type FROM (DESCRIBE FROM {_read(ours, table)})"
            ).fetchall()
        )
        for side, place in (("a", ours), ("b", peer)):
            columns = ", ".join(_plain(name, types[name]) for name in names)
            connection.execute(
                f"CREATE VIEW {side} AS SELECT {columns}, true AS is_there FROM {_read(place, table)}"
            )
        differs = " OR ".join(_differs(name, types[name]) for name in names if name not in key)
        rows, differing = connection.execute(
            f"""
            SELECT count(*), count(*) FILTER (a.is_there IS NULL OR b.is_there IS NULL OR {differs or "false"})
            FROM a FULL JOIN b ON {" AND ".join(f'a."{name}" IS NOT DISTINCT FROM b."{name}"' for name in key)}
            """
        ).fetchall()[0]
    return Comparison(table, rows, differing)


def _read(place: Place, table: str) -> str:
    return f"read_parquet('{place.glob(table)}', hive_partitioning=false)"


def _plain(name: str, kind: str) -> str:
    """Engines keep instants with and without zone, and Booleans as small numbers: compare what they mean."""
    if kind.startswith("TIMESTAMP"):
        return f'epoch_us("{name}") AS "{name}"'
    if kind in ("BOOLEAN", "BIGINT", "DATE", "DOUBLE", "VARCHAR"):
        return f'"{name}"::{kind} AS "{name}"'
    return f'"{name}"'


def _differs(name: str, kind: str) -> str:
    if kind != "DOUBLE":
        return f'a."{name}" IS DISTINCT FROM b."{name}"'
    apart = f'abs(a."{name}" - b."{name}") > {FLOAT_TOLERANCE} * greatest(1, abs(a."{name}"))'
    return f'(a."{name}" IS NULL) <> (b."{name}" IS NULL) OR coalesce({apart}, false)'
