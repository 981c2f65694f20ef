"""What a check reports: a result of its own for every partition that fails, or fails no more, and one for the run.

Which partitions fail is found out by the checks; who hears of it is decided by the alerts.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from exposure_assets.checks.run_scope import EXPERIMENT_COLUMN, RunScope, scope_of
from resources.warehouse_contract_breach import as_markdown
from resources.workspace import Workspace

DAY = "day"
PARTITION = [DAY, EXPERIMENT_COLUMN]
# Each result is an event of the run: a fault of every partition of a long backfill must not become thousands.
MOST_PARTITIONS_REPORTED = 100
# Keys that one query may name; beyond, all partitions ever reported are read.
_MOST_KEYS = 5_000


@dataclass(frozen=True)
class Findings:
    """What a check found among the partitions of a run.

    `failing` has a row per failing partition: `day, experiment_id, found, expected`, further numbers; the worst first.
    `rows` are rows to show of failing partitions, by `day, experiment_id`. `numbers` are what was judged, the
    worst first. `scope` is what was judged, where that is more than the run's partitions.
    """

    failing: pl.DataFrame
    rows: pl.DataFrame = field(default_factory=pl.DataFrame)
    numbers: pl.DataFrame = field(default_factory=pl.DataFrame)
    judged_partitions: int | None = None
    scope: RunScope | None = None


Find = Callable[[dg.AssetCheckExecutionContext, Workspace, RunScope], Findings]


def partitioned_check(
    key: dg.AssetCheckKey,
    promise: str,
    find: Find,
    *,
    severity: dg.AssetCheckSeverity,
    reads: Sequence[str] = (),
    judges_failed_before: bool = False,
) -> dg.AssetChecksDefinition:
    """An asset check that judges the partitions of its run with one look at the tables.

    Args:
        key: Its table and name.
        promise: What holds where it passes.
        find: What it finds among the partitions of the run.
        severity: Of its failures.
        reads: Tables it reads besides its own.
        judges_failed_before: Also judge partitions outside the run that failed before: another partition's new rows
            may have put them right.
    """

    @dg.asset_check(
        asset=key.asset_key,
        name=key.name,
        description=promise,
        additional_deps=list(reads),
        required_resource_keys={"workspace"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> Any:
        scope = scope_of(context)
        if judges_failed_before:
            scope = scope.and_partitions(failed_before(context.instance, key))
        findings = find(context, context.resources.workspace, scope)
        yield from report(context.instance, key, promise, scope, findings, severity)

    return check


def report(
    instance: dg.DagsterInstance,
    key: dg.AssetCheckKey,
    promise: str,
    scope: RunScope,
    findings: Findings,
    severity: dg.AssetCheckSeverity,
    output: str = "result",
) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult | dg.Output[None]]:
    """One result per partition that fails or has recovered, and one for the run where nothing fails.

    A run with failing partitions has no result of its own: it would be taken back by the next run, over other
    partitions. Dagster shows the result stored last as the check's state, so the worst partition comes last.
    """
    reported = findings.failing.head(MOST_PARTITIONS_REPORTED)
    failing = {_key_of(row) for row in findings.failing.select(DAY, EXPERIMENT_COLUMN).iter_rows()}
    recovered = sorted(failed_before(instance, key, scope) - failing)
    for partition in recovered:
        yield dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=True,
            severity=severity,
            description=f"Holds again: {promise}",
            partition=partition,
            metadata={"expected": promise},
        )
    shown = findings.rows.partition_by(PARTITION, as_dict=True) if findings.rows.width else {}
    for row in reported.reverse().iter_rows(named=True):
        day, experiment = row[DAY], row[EXPERIMENT_COLUMN]
        numbers = {name: value for name, value in row.items() if name not in PARTITION}
        rows = shown.get((day, experiment), pl.DataFrame())
        yield dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=False,
            severity=severity,
            description=f"{day}, {experiment}: found {_told(row['found'])}, expected {_told(row['expected'])}",
            partition=_key_of((day, experiment)),
            metadata={
                **_metadata(numbers),
                **({"first_rows": dg.MetadataValue.md(as_markdown(rows))} if rows.height else {}),
                "failing_partitions_of_run": findings.failing.height,
            },
        )
    if findings.failing.is_empty() or findings.failing.height > reported.height:
        yield _of_the_run(key, promise, scope, findings, severity, len(recovered))
    else:
        yield dg.Output(None, output_name=output)


def _of_the_run(
    key: dg.AssetCheckKey,
    promise: str,
    scope: RunScope,
    findings: Findings,
    severity: dg.AssetCheckSeverity,
    recovered: int,
) -> dg.AssetCheckResult:
    """The result without a partition: nothing fails, or more than can be told one by one."""
    failing = findings.failing.height
    numbers = findings.failing if failing else findings.numbers
    told = f"{failing} partitions fail, of which {MOST_PARTITIONS_REPORTED} have a result of their own. "
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not failing,
        severity=severity,
        description=f"{told if failing else ''}{promise}",
        metadata={
            "partitions": str(scope),
            "found": failing,
            "expected": 0,
            **(
                {}
                if findings.judged_partitions is None
                else {"judged_partitions": findings.judged_partitions}
            ),
            **({"recovered_partitions": recovered} if recovered else {}),
            **({"numbers": dg.MetadataValue.md(as_markdown(_rounded(numbers)))} if numbers.height else {}),
        },
    )


def failed_before(
    instance: dg.DagsterInstance, key: dg.AssetCheckKey, scope: RunScope | None = None
) -> set[str]:
    """The partitions, of a scope or of all, whose last result is a failure."""
    infos = instance.event_log_storage.get_asset_check_partition_info(
        [key], partition_keys=None if scope is None else _keys_of(scope)
    )
    failed = [
        info.partition_key
        for info in infos
        if info.partition_key is not None
        and info.latest_execution_status == AssetCheckExecutionRecordStatus.FAILED
    ]
    if scope is None or not failed:
        return set(failed)
    days = (
        pl.Series("partition", failed).str.split_exact("|", 1).struct.rename_fields([DAY, EXPERIMENT_COLUMN])
    )
    partitions = days.struct.unnest().with_columns(pl.col(DAY).str.to_date())
    return {_key_of(partition) for partition in partitions.filter(scope.holds(DAY)).iter_rows()}


def _keys_of(scope: RunScope) -> list[str] | None:
    """The keys of the scope, where they are few enough to be named."""
    if scope.is_whole_table or scope.experiments is None:
        return None
    days = pl.date_range(*scope.days, eager=True)
    if days.len() * len(scope.experiments) > _MOST_KEYS:
        return None
    return [_key_of((day, experiment)) for day in days for experiment in scope.experiments]


def _key_of(partition: tuple[Any, ...]) -> str:
    day, experiment = partition
    return f"{day}|{experiment}"


def _metadata(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers as Dagster takes them: rounded, and an infinite one as text, which JSON has no number for."""
    return {name: _shown(value) for name, value in numbers.items() if value is not None}


def _shown(value: object) -> object:
    if not isinstance(value, float):
        return value
    return round(value, 4) if math.isfinite(value) else str(value)


def _told(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rounded(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Float64).round(4))
