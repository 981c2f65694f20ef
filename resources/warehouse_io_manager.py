"""Dagster's view of the warehouse: outputs judged by their contract and published at once, inputs handed over unread.

How rows are stored stands in `warehouse`; what they must obey, in `warehouse_contract_breach`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.db_io_manager import DbIOManager
from dagster_duckdb.io_manager import DuckDbClient
from dagster_duckdb_polars import DuckDBPolarsIOManager
from pydantic import Field

from exposure_assets.contracts import WAREHOUSE_TABLES, TableContract, table_name
from resources.partition_metadata import describe_partitions
from resources.warehouse import Warehouse, Written, slices_of
from resources.warehouse_contract_breach import ContractBreach, extra_columns, judged
from resources.warehouse_slices import WHOLE_TABLE, PartitionSlice
from resources.warehouse_tables import duckdb_type, wanted_columns
from resources.warehouse_window import WarehouseWindow

__all__ = ["ContractBreach", "Publication", "UnknownTable", "WarehouseIOManager", "WarehouseWindow"]

# An asset whose first partition also stands for the days before it says so in its metadata.
OPEN_START = "has_open_start"
# The check that stands for the contract's rules; passed by the asset, failed here, before anything is published.
CONTRACT_CHECK = "obeys_its_contract"


@dataclass(frozen=True)
class Publication:
    """Rows to publish, and what they are computed from.

    `versions` is called before `frames`: rows may then be newer than their version says, never older, and a version
    that is too old only has them computed again. `described` and `about` are called after the rows are published:
    they say what Dagster should show of single partitions, by their keys, and of the whole.
    """

    frames: Callable[[], pl.DataFrame | Iterable[pl.DataFrame]]
    versions: Callable[[], pl.DataFrame]
    described: Callable[[], Mapping[str, Mapping[str, Any]]] = dict
    about: Callable[[], Mapping[str, Any]] = dict


class UnknownTable(dg.DagsterInvariantViolationError):
    """An asset uses the warehouse and no contract has its name."""


class WarehouseIOManager(DuckDBPolarsIOManager):
    """Stores assets as the warehouse's tables; an asset's last key part is its table.

    The stock manager's database client and type handler are not used: it deletes and inserts in two transactions,
    inserts by position, creates tables from whatever frame comes first, and reads ranges of multi-partitions as
    rectangles. `database` takes whatever `EXPOSURES_WAREHOUSE` does.
    """

    wait_seconds: float = Field(
        default=60.0, description="How long to wait for another process before giving up."
    )

    def create_io_manager(self, context: dg.InitResourceContext) -> DbIOManager:
        """The manager that Dagster calls."""
        return _Tables(Warehouse(self.database, wait_seconds=self.wait_seconds))


class _Tables(DbIOManager):
    def __init__(self, warehouse: Warehouse) -> None:
        super().__init__(type_handlers=[], db_client=DuckDbClient(), database=str(warehouse))
        self._warehouse = warehouse

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        """Publish the output in one transaction, or nothing of it.

        Args:
            context: Of the asset whose last key part is the table.
            obj: A frame, lazy or not, frames one by one, or a `Publication`, which also says what they come from.

        Raises:
            ContractBreach: rows break the contract of the table.
            RowsOutsidePartition: rows lie outside the run's partitions.
        """
        contract = _contract(context)
        versions = obj.versions() if isinstance(obj, Publication) else None
        frames = iter(_frames(obj.frames() if isinstance(obj, Publication) else obj))
        first = next(frames, None)
        extra = extra_columns(contract, first) if first is not None else {}
        rows = itertools.chain([first] if first is not None else [], frames)
        slices = _slices(context, context.definition_metadata)
        try:
            written = self._warehouse.replace(
                contract, (judged(contract, frame) for frame in rows), slices, extra, versions
            )
        except ContractBreach as breach:
            _turn_red(context, breach)
            raise
        _describe(context, contract, written, extra)
        if isinstance(obj, Publication):
            context.add_output_metadata(dict(obj.about()))
            describe_partitions(context.step_context, context.asset_key, obj.described())

    def load_input(self, context: dg.InputContext) -> WarehouseWindow | pl.LazyFrame | pl.DataFrame:
        """The upstream partitions: a `WarehouseWindow`, or a frame where the asset's annotation asks for one."""
        upstream = context.upstream_output
        window = WarehouseWindow(
            self._warehouse,
            _contract(context),
            tuple(_slices(context, upstream.definition_metadata if upstream is not None else {})),
        )
        wanted = context.dagster_type.typing_type
        if wanted is pl.LazyFrame:
            return window.scan()
        if wanted is pl.DataFrame:
            return window.scan().collect()
        return window


def _turn_red(context: dg.OutputContext, breach: ContractBreach) -> None:
    """Record the failed check: the step fails before it could report one itself."""
    evaluation = dg.AssetCheckEvaluation(
        asset_key=context.asset_key,
        check_name=CONTRACT_CHECK,
        passed=False,
        severity=dg.AssetCheckSeverity.ERROR,
        description=breach.description,
        metadata=breach.metadata,
    )
    context.step_context.instance.report_runless_asset_event(evaluation)


def _contract(context: dg.OutputContext | dg.InputContext) -> type[TableContract]:
    table = context.asset_key.path[-1]
    if table not in WAREHOUSE_TABLES:
        raise UnknownTable(
            f"asset {context.asset_key.to_user_string()}: found no contract named {table}, expected one of "
            f"{', '.join(WAREHOUSE_TABLES)}."
        )
    return WAREHOUSE_TABLES[table]


def _frames(obj: Any) -> Iterator[pl.DataFrame]:
    for frame in [obj] if isinstance(obj, pl.DataFrame | pl.LazyFrame) else obj:
        yield frame.collect() if isinstance(frame, pl.LazyFrame) else frame


def _slices(
    context: dg.OutputContext | dg.InputContext, metadata: Mapping[str, Any] | None
) -> list[PartitionSlice]:
    """The exact partitions: a range of keys of two dimensions is not always a rectangle."""
    if not context.has_asset_partitions:
        return list(WHOLE_TABLE)
    with partition_loading_context(dynamic_partitions_store=_instance(context)):
        slices = slices_of(context.asset_partition_keys)
        if not (metadata or {}).get(OPEN_START):
            return slices
        first_key = context.asset_partitions_def.get_first_partition_key()
    opening = slices_of([first_key])[0].first_day if first_key is not None else None
    return [replace(part, first_day=None) if part.first_day == opening else part for part in slices]


def _instance(context: dg.OutputContext | dg.InputContext) -> dg.DagsterInstance:
    return context.step_context.instance if isinstance(context, dg.OutputContext) else context.instance


def _describe(
    context: dg.OutputContext,
    contract: type[TableContract],
    written: Written,
    extra: Mapping[str, pl.DataType],
) -> None:
    """Say what was written: rows of the whole output, and of every partition its own.

    Columns are said of tables without partitions only: every partition's event would repeat them, and they would be
    the larger half of it. The assets say them before anything runs.
    """
    context.add_output_metadata({"dagster/row_count": written.row_count})
    if not context.has_asset_partitions:
        context.add_output_metadata(
            {
                "dagster/table_name": table_name(contract),
                "dagster/column_schema": _column_schema(contract, extra),
            }
        )
        return
    rows_of_key: dict[str, int] = {}
    for (day, experiment), rows in written.by_partition.items():
        key = f"{day}" if experiment is None else f"{day}|{experiment}"
        rows_of_key[key] = rows_of_key.get(key, 0) + rows
    counts = {
        key: {"dagster/partition_row_count": rows_of_key.get(key, 0)} for key in context.asset_partition_keys
    }
    describe_partitions(context.step_context, context.asset_key, counts)


def _column_schema(contract: type[TableContract], extra: Mapping[str, pl.DataType]) -> dg.TableSchema:
    described = {name: column.description for name, column in contract.to_schema().columns.items()}
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name, duckdb_type(dtype), described.get(name) or "A metric or segment of the catalog."
            )
            for name, dtype in wanted_columns(contract, extra).items()
        ]
    )
