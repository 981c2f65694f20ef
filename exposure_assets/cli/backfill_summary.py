"""What a backfill did, gathered from Dagster's events and shown as a table.

What is run, and in which order, stands in `backfill`.
"""

from dataclasses import dataclass, field

import dagster as dg
from rich.console import Console
from rich.table import Table


@dataclass
class TableSummary:
    """What a backfill did to one table: rows written, seconds taken, checks that passed, warned and failed."""

    rows: int = 0
    seconds: float = 0.0
    passed_checks: int = 0
    failed_checks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


Summary = dict[str, TableSummary]


def add_run(summary: Summary, instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> None:
    """Add what a run did. A step that makes several tables counts its seconds to the first of them."""
    steps = instance.get_run_step_stats(result.run_id)
    seconds = {s.step_key: s.end_time - s.start_time for s in steps if s.start_time and s.end_time}
    counted: set[str] = set()
    for event in result.all_events:
        if event.is_step_materialization and event.asset_key and event.asset_key.path[-1] not in counted:
            # Every partition of a range repeats the metadata of the whole output.
            table = event.asset_key.path[-1]
            counted.add(table)
            rows = event.step_materialization_data.materialization.metadata.get("dagster/row_count")
            _of(summary, table).rows += int(str(rows.value)) if rows is not None else 0
            _of(summary, table).seconds += seconds.pop(event.step_key or "", 0.0)
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            one = _of(summary, check.asset_key.path[-1])
            said = f"{check.check_name}: {check.description}"
            if check.passed:
                one.passed_checks += 1
            elif check.severity is dg.AssetCheckSeverity.ERROR:
                one.failed_checks.append(said)
            else:
                one.warnings.append(said)


def _of(summary: Summary, table: str) -> TableSummary:
    return summary.setdefault(table, TableSummary())


def failed_checks(summary: Summary) -> list[str]:
    """Every check that failed, with what it said."""
    return [f"{table}: {check}" for table, one in summary.items() for check in one.failed_checks]


def warnings(summary: Summary) -> list[str]:
    """Every check that warned, with what it said."""
    return [f"{table}: {check}" for table, one in summary.items() for check in one.warnings]


def show(summary: Summary, console: Console) -> None:
    """Print one line per table."""
    table = Table("table", "rows", "seconds", "checks")
    for column in table.columns[1:3]:
        column.justify = "right"
    for name, one in summary.items():
        counts = {"passed": one.passed_checks, "warned": len(one.warnings), "failed": len(one.failed_checks)}
        checks = ", ".join(f"{n} {what}" for what, n in counts.items() if n or what == "passed")
        table.add_row(name, f"{one.rows:,}", f"{one.seconds:.1f}", checks)
    console.print(table)
