"""What Dagster's pages say of a table before it was ever computed: columns, rules, grain, tags and plotted numbers.

What was written, how many rows and where, is said by the warehouse's I/O manager when it happens.
"""

from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.contracts import (
    ALL_VARIATIONS,
    STAGED_TABLES,
    Catalog,
    TableContract,
    UnitOutcomes,
    metric_columns,
    segment_columns,
    table_name,
)
from resources.warehouse_tables import as_instance, duckdb_type

_GRAIN_RULES = ("one row per grain", "one_row_per_grain")
_PLOTTED_QUALITY = ("assigned_units", "exposure_rate", "valid_exposure_rate", "crossover_rate")


def table_metadata(contract: type[TableContract], catalog: Catalog | None = None) -> dict[str, Any]:
    """The table's name, grain, and columns with their types, meanings and constraints.

    Args:
        contract: The table.
        catalog: Where given, its metrics and segments are columns of `unit_outcomes`.
    """
    grain = ", ".join(contract.grain())
    return {
        "dagster/table_name": table_name(contract),
        "dagster/column_schema": dg.TableSchema(
            columns=[*_columns(contract), *_of_the_catalog(contract, catalog)],
            constraints=dg.TableConstraints(other=_rules(contract)),
        ),
        **({"grain": grain} if grain else {}),
    }


def table_tags(contract: type[TableContract]) -> dict[str, str]:
    """Tags to filter the assets by: where the rows are, and what a partition of them is."""
    staged = contract in STAGED_TABLES.values()
    by = "-".join(contract.partition_columns()) or ("date" if staged else "none")
    return {"stored_in": "staging" if staged else "warehouse", "partitioned_by": by}


def quality_numbers(rows: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Per partition key the numbers of all variations together, for Dagster's plots; a rate over nothing is left out.

    Args:
        rows: Obeys `contracts.DailyQuality`.
    """
    together = rows.filter(pl.col("variation_id") == ALL_VARIATIONS)
    return {
        f"{row['assignment_date']}|{row['experiment_id']}": {
            name: row[name] for name in _PLOTTED_QUALITY if row[name] is not None
        }
        for row in together.iter_rows(named=True)
    }


def _columns(contract: type[TableContract]) -> list[dg.TableColumn]:
    unique = contract.grain()[0] if len(contract.grain()) == 1 else None
    return [
        dg.TableColumn(
            name,
            duckdb_type(column.dtype.type),
            column.description,
            dg.TableColumnConstraints(
                nullable=column.nullable,
                unique=name == unique,
                other=[str(check.error) for check in column.checks if check.error],
            ),
        )
        for name, column in contract.to_schema().columns.items()
    ]


def _of_the_catalog(contract: type[TableContract], catalog: Catalog | None) -> list[dg.TableColumn]:
    if contract is not UnitOutcomes or catalog is None:
        return []
    return [
        dg.TableColumn(name, duckdb_type(as_instance(dtype)), f"A {what} of the catalog.")
        for what, columns in (
            ("metric", metric_columns(catalog.metrics)),
            ("segment", segment_columns(catalog.experiments)),
        )
        for name, dtype in columns.items()
    ]


def _rules(contract: type[TableContract]) -> list[str]:
    named = [check.name for check in contract.to_schema().checks or [] if check.name]
    grain = [f"one row per {', '.join(contract.grain())}"] if contract.grain() else []
    return grain + [name for name in named if name not in _GRAIN_RULES]
