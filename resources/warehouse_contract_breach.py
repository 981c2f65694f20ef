"""Judging frames by their contract before anybody can read them, and saying what is wrong with them.

What the contracts demand stands in `exposure_assets.contracts`.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import dagster as dg
import pandera.errors
import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrorReason

from exposure_assets.contracts import AGGREGATION_TYPES, TableContract, table_name
from resources.warehouse_shown_rows import ROWS_SHOWN, as_markdown, cut
from resources.warehouse_tables import as_instance, contract_columns, may_grow

_ABOUT_COLUMNS = {
    SchemaErrorReason.COLUMN_NOT_IN_DATAFRAME: "a column is missing:",
    SchemaErrorReason.COLUMN_NOT_IN_SCHEMA: "a column is not in the contract:",
    SchemaErrorReason.COLUMN_NOT_ORDERED: "columns are out of order from",
    SchemaErrorReason.WRONG_DATATYPE: "the type is not the contract's, but",
}
_METRIC_TYPES = {as_instance(dtype) for dtype in AGGREGATION_TYPES.values()}


@dataclass(frozen=True)
class BrokenRule:
    """A rule of a contract that rows break: which, how often, and the first of them.

    `row_count` is null where the frame as a whole is wrong, such as a missing column.
    """

    rule: str
    row_count: int | None
    rows: pl.DataFrame


class ContractBreach(dg.Failure):
    """Rows break the contract of their table; nothing was published, readers keep the last good rows."""

    def __init__(self, table: str, broken: list[BrokenRule]) -> None:
        self.table = table
        self.broken = broken
        said = [f"{rule.rule} ({_counted(rule)})" for rule in broken]
        with_rows = [rule for rule in broken if rule.rows.height]
        text = f"{table}: the rows break the contract, nothing was published. Broken: {'; '.join(said)}."
        if with_rows:
            text += f"\nThe first rows:\n{as_markdown(with_rows[0].rows)}"
        super().__init__(
            description=text,
            metadata={
                "dagster/table_name": table,
                "broken_rules": dg.MetadataValue.md(_rules_as_markdown(broken)),
                **{f"rows: {rule.rule}": dg.MetadataValue.md(as_markdown(rule.rows)) for rule in with_rows},
            },
            allow_retries=False,
        )


def extra_columns(contract: type[TableContract], frame: pl.DataFrame) -> dict[str, pl.DataType]:
    """The metric columns that a frame has beyond its contract; none where the contract allows none."""
    if not may_grow(contract):
        return {}
    known = contract_columns(contract)
    return {name: dtype for name, dtype in frame.schema.items() if name not in known}


def judged(contract: type[TableContract], frame: pl.DataFrame) -> pl.DataFrame:
    """The frame, if it obeys the contract; metric columns may be null.

    Raises:
        ContractBreach: it does not; names every broken rule with the first rows that break it.
    """
    extra = extra_columns(contract, frame)
    unknown = {name: dtype for name, dtype in extra.items() if dtype not in _METRIC_TYPES}
    if unknown:
        found = ", ".join(f"{name} of type {dtype}" for name, dtype in unknown.items())
        expected = ", ".join(sorted(map(str, _METRIC_TYPES)))
        rule = f"metric columns are of type {expected}, found {found}"
        raise ContractBreach(table_name(contract), [BrokenRule(rule, None, frame.clear())])
    schema = _brief_schema(contract)
    if extra:
        schema = schema.add_columns({name: pa.Column(dtype, nullable=True) for name, dtype in extra.items()})
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        raise ContractBreach(table_name(contract), _broken_rules(errors.schema_errors, frame)) from None
    return frame


@cache
def _brief_schema(contract: type[TableContract]) -> pa.DataFrameSchema:
    """The contract's schema, told to keep the first failing rows: it would render every one as text."""
    schema = deepcopy(contract.to_schema())
    checks = list(schema.checks or [])
    for column in schema.columns.values():
        checks += column.checks or []
    for check in checks:
        check.n_failure_cases = ROWS_SHOWN
    return schema


def _broken_rules(errors: list[pandera.errors.SchemaError], frame: pl.DataFrame) -> list[BrokenRule]:
    """What is wrong with the columns if anything is, and only then what is wrong with the rows."""
    about_columns = [error for error in errors if error.reason_code in _ABOUT_COLUMNS]
    return [_broken_rule(error, frame) for error in about_columns or errors]


def _broken_rule(error: pandera.errors.SchemaError, frame: pl.DataFrame) -> BrokenRule:
    column = f"{error.schema.name}: " if isinstance(error.schema, pa.Column) else ""
    check = error.check.name if isinstance(error.check, pa.Check) else error.check
    about = _ABOUT_COLUMNS.get(error.reason_code) if error.reason_code is not None else None
    rule = f"{column}{about or check}"
    if isinstance(error.check_output, pl.DataFrame) and error.check_output.height == frame.height:
        fails = ~error.check_output.to_series()
        return BrokenRule(rule, int(fails.sum()), frame.filter(fails).head(ROWS_SHOWN))
    return BrokenRule(f"{rule} {cut(error.failure_cases)}", None, frame.clear())


def _rules_as_markdown(broken: list[BrokenRule]) -> str:
    lines = [f"| {cut(rule.rule, 200)} | {_counted(rule)} |" for rule in broken]
    return "\n".join(["| rule | rows |", "|---|---|", *lines])


def _counted(rule: BrokenRule) -> str:
    return "the whole frame" if rule.row_count is None else f"{rule.row_count} rows"
