"""Judging frames by their contract before anybody can read them, and saying what is wrong with them.

What the contracts demand stands in `exposure_assets.contracts`.
"""

from copy import deepcopy
from dataclasses import dataclass
from datetime import date
from functools import cache

import dagster as dg
import pandera.errors
import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrorReason

from exposure_assets.contracts import AGGREGATION_TYPES, TableContract, table_name
from resources.warehouse_tables import as_instance, contract_columns, may_grow

_ROWS_SHOWN = 10
_LONGEST_CELL = 80
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
        examples = next((rule.rows for rule in broken if rule.rows.height), None)
        text = f"{table}: the rows break the contract, nothing was published. Broken: {'; '.join(said)}."
        if examples is not None:
            text += f"\nThe first rows:\n{as_markdown(examples)}"
        super().__init__(
            description=text,
            metadata={
                "dagster/table_name": table,
                "broken_rules": dg.MetadataValue.md(_rules_as_markdown(broken)),
                **{f"rows: {rule.rule}": dg.MetadataValue.md(as_markdown(rule.rows)) for rule in broken if rule.rows.height},
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
    for check in (*schema.checks, *(check for column in schema.columns.values() for check in column.checks)):
        check.n_failure_cases = _ROWS_SHOWN
    return schema


def _broken_rules(errors: list[pandera.errors.SchemaError], frame: pl.DataFrame) -> list[BrokenRule]:
    """What is wrong with the columns if anything is, and only then what is wrong with the rows."""
    about_columns = [error for error in errors if error.reason_code in _ABOUT_COLUMNS]
    return [_broken_rule(error, frame) for error in about_columns or errors]


def _broken_rule(error: pandera.errors.SchemaError, frame: pl.DataFrame) -> BrokenRule:
    column = f"{error.schema.name}: " if isinstance(error.schema, pa.Column) else ""
    check = error.check.name if isinstance(error.check, pa.Check) else error.check
    rule = f"{column}{_ABOUT_COLUMNS.get(error.reason_code, check)}"
    if isinstance(error.check_output, pl.DataFrame) and error.check_output.height == frame.height:
        fails = ~error.check_output.to_series()
        return BrokenRule(rule, int(fails.sum()), frame.filter(fails).head(_ROWS_SHOWN))
    return BrokenRule(f"{rule} {_cut(error.failure_cases)}", None, frame.clear())


def as_markdown(rows: pl.DataFrame) -> str:
    """The first rows as a Markdown table; cells are cut so that an id of 10,000 characters leaves room for others."""
    lines = [f"| {' | '.join(_cut(cell) for cell in row)} |" for row in rows.head(_ROWS_SHOWN).iter_rows()]
    return "\n".join([f"| {' | '.join(rows.columns)} |", "|---" * rows.width + "|", *lines])


def _rules_as_markdown(broken: list[BrokenRule]) -> str:
    return "\n".join(["| rule | rows |", "|---|---|", *(f"| {_cut(r.rule, 200)} | {_counted(r)} |" for r in broken)])


def _counted(rule: BrokenRule) -> str:
    return "the whole frame" if rule.row_count is None else f"{rule.row_count} rows"


def _cut(value: object, longest: int = _LONGEST_CELL) -> str:
    text = _as_text(value).replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def _as_text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | pl.Series):
        return f"[{', '.join(_as_text(item) for item in value)}]"
    return str(value)
