"""Rules over published tables, each a query for the rows that break it, limited to the partitions of the run.

The rules stand in the modules of their kind.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg
import duckdb
import polars as pl

from exposure_assets.checks.partition_results import DAY, PARTITION, Findings, partitioned_check
from exposure_assets.checks.run_scope import EXPERIMENT_COLUMN, RunScope
from exposure_assets.contracts import WAREHOUSE_TABLES, empty_frame
from resources.warehouse_contract_breach import ROWS_SHOWN
from resources.warehouse_tables import stored_columns
from resources.workspace import Workspace

PARTITIONS = "{partitions}"


@dataclass(frozen=True)
class SqlRule:
    """What has to hold for a table: `offenders` selects the rows for which it does not.

    The query names the table's day and `experiment_id` among its columns, and has `{partitions}` as a condition
    wherever it reads rows that lie in partitions: only those of the run are looked at.
    """

    table: str
    name: str
    promise: str
    offenders: str
    reads: tuple[str, ...] = ()
    day: str = "assignment_date"

    def findings(self, connection: duckdb.DuckDBPyConnection, scope: RunScope) -> Findings:
        """The partitions that hold offenders, those with most of them first, and the first rows of each."""
        for table in self.reads:
            # Not every catalog has segments: what nobody has computed has no table, and no rows.
            if stored_columns(connection, table) is None:
                connection.register(table, empty_frame(WAREHOUSE_TABLES[table]))
        offenders = self.offenders.replace(PARTITIONS, scope.as_sql(self.day))
        window = f"PARTITION BY {self.day}, {EXPERIMENT_COLUMN}"
        rows = connection.execute(
            f"SELECT *, count(*) OVER ({window}) AS offending_rows FROM ({offenders}) "
            f"QUALIFY row_number() OVER ({window}) <= {ROWS_SHOWN}"
        ).pl()
        return findings_of(rows, self.day)


def findings_of(rows: pl.DataFrame, day: str) -> Findings:
    """Findings out of the first offenders of each partition, which say as `offending_rows` how many there are."""
    rows = rows.rename({day: DAY})
    failing = (
        rows.group_by(PARTITION)
        .agg(found=pl.col("offending_rows").first().cast(pl.Int64), expected=pl.lit(0))
        .sort("found", *PARTITION, descending=[True, False, False])
    )
    return Findings(failing, rows.drop("offending_rows"))


def checks_of(rules: Iterable[SqlRule]) -> list[dg.AssetChecksDefinition]:
    """One asset check per rule."""
    return [_check(rule) for rule in rules]


def _check(rule: SqlRule) -> dg.AssetChecksDefinition:
    def find(context: dg.AssetCheckExecutionContext, workspace: Workspace, scope: RunScope) -> Findings:
        with workspace.warehouse.connect(read_only=True) as connection:
            return rule.findings(connection, scope)

    key = dg.AssetCheckKey(dg.AssetKey(rule.table), rule.name)
    return partitioned_check(key, rule.promise, find, severity=dg.AssetCheckSeverity.ERROR, reads=rule.reads)


def same_cohorts(table: str, other: str, each: Sequence[str] = ()) -> str:
    """A query for the cohorts of a table that have another number of rows than in the table it is computed from.

    Cohorts that have not been computed yet break no rule.

    Args:
        table: The table.
        other: The table that it is computed from.
        each: Columns of `table` for each of whose values every row of `other` has one.
    """
    counts = f"SELECT experiment_id, assignment_date, count(*) AS units{{}} FROM {{}} WHERE {PARTITIONS} GROUP BY ALL"
    further = "".join(f", {column}" for column in each)
    computed_from = counts.replace("{}", "", 1).replace("{}", other, 1)
    computed = counts.replace("{}", further, 1).replace("{}", table, 1)
    return f"""
        SELECT experiment_id, assignment_date, a.units AS {other}, b.units AS {table}{further}
        FROM ({computed_from}) a RIGHT JOIN ({computed}) b USING (experiment_id, assignment_date)
        WHERE a.units IS DISTINCT FROM b.units
    """
