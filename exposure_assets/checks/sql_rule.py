"""Rules over published tables, each a query for the rows that break it.

The rules stand in the modules of their kind.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import dagster as dg
import polars as pl

from resources.warehouse_contract_breach import as_markdown
from resources.workspace import Workspace

_ROWS_SHOWN = 10


@dataclass(frozen=True)
class SqlRule:
    """What has to hold for a table: `offenders` selects the rows for which it does not."""

    table: str
    name: str
    promise: str
    offenders: str
    reads: tuple[str, ...] = ()


def checks_of(rules: Iterable[SqlRule]) -> list[dg.AssetChecksDefinition]:
    """One asset check per rule."""
    return [_check(rule) for rule in rules]


def _check(rule: SqlRule) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=rule.table,
        name=rule.name,
        description=rule.promise,
        additional_deps=list(rule.reads),
        required_resource_keys={"workspace"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        workspace: Workspace = context.resources.workspace
        with workspace.warehouse.connect(read_only=True) as connection:
            offenders = connection.execute(rule.offenders).pl()
        return verdict(offenders, rule.promise)

    return check


def verdict(offenders: pl.DataFrame, promise: str) -> dg.AssetCheckResult:
    """Passed without offenders; otherwise failed, with their number and the first of them."""
    shown = offenders.head(_ROWS_SHOWN)
    return dg.AssetCheckResult(
        passed=offenders.is_empty(),
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{offenders.height} rows break the rule: {promise}" if offenders.height else promise,
        metadata={
            "offending_rows": offenders.height,
            "first_offenders": dg.MetadataValue.md(as_markdown(shown)),
        },
    )


def same_cohorts(table: str, other: str) -> str:
    """A query for the cohorts of a table that have another number of rows than in the table it is computed from.

    Cohorts that have not been computed yet break no rule.
    """
    counts = "SELECT experiment_id, assignment_date, count(*) AS units FROM {} GROUP BY ALL"
    return f"""
        SELECT experiment_id, assignment_date, a.units AS {other}, b.units AS {table}
        FROM ({counts.format(other)}) a RIGHT JOIN ({counts.format(table)}) b USING (experiment_id, assignment_date)
        WHERE a.units IS DISTINCT FROM b.units
    """
