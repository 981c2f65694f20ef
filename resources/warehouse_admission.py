"""What every frame must be before it is laid aside for publishing: of the table's columns, inside the partitions.

What the values must obey is the contract's to say; see `warehouse_contract_breach`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import duckdb
import polars as pl

from exposure_assets.contracts import TableContract, table_name
from resources.warehouse_errors import RepeatedKeys, RowsOutsidePartition
from resources.warehouse_shown_rows import ROWS_SHOWN, as_markdown
from resources.warehouse_slices import PartitionSlice, outside, quoted
from resources.warehouse_tables import Columns, conformed


@dataclass
class Written:
    """What a call wrote: its rows, altogether and per partition (day, experiment)."""

    row_count: int = 0
    by_partition: dict[tuple[date | None, str | None], int] = field(default_factory=dict)


class Admission:
    """The checks that every frame passes, and the rows counted while they do.

    `has_shared_partitions` tells whether two frames held rows of the same partition.
    """

    def __init__(
        self, contract: type[TableContract], wanted: Columns, slices: Sequence[PartitionSlice]
    ) -> None:
        self._contract = contract
        self._wanted = wanted
        self._dimensions = contract.partition_columns()
        self._slices = slices
        self.written = Written()
        self.has_shared_partitions = False

    def admit(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame in the table's column order.

        Raises:
            FrameMismatch: its columns are not the table's.
            RowsOutsidePartition: rows lie outside the slices.
        """
        table = table_name(self._contract)
        frame = conformed(frame, self._wanted, table)
        if frame.is_empty():
            return frame
        strays = outside(frame, self._slices, self._dimensions)
        if strays.height:
            raise RowsOutsidePartition(
                f"{table}: found {strays.height} rows outside the partitions being written, expected none: "
                f"the next run would double them. The first rows:\n{as_markdown(strays)}"
            )
        self._count(frame)
        return frame

    def _count(self, frame: pl.DataFrame) -> None:
        day, experiment = self._dimensions.get("date"), self._dimensions.get("experiment")
        counts = (
            frame.lazy()
            .group_by(
                (pl.col(day) if day else pl.lit(None)).alias("day"),
                (pl.col(experiment) if experiment else pl.lit(None)).alias("experiment"),
            )
            .len()
            .collect()
        )
        for *key, rows in counts.iter_rows():
            before = self.written.by_partition.get((key[0], key[1]), 0)
            self.has_shared_partitions |= before > 0
            self.written.by_partition[key[0], key[1]] = before + rows
        self.written.row_count += frame.height


def refuse_repeated_keys(
    connection: duckdb.DuckDBPyConnection, contract: type[TableContract], condition: str
) -> None:
    """Look for keys that stand twice inside a partition, among the rows just inserted.

    Inside a partition only: over all partitions together a key may stand twice while one that moved is rewritten.

    Raises:
        RepeatedKeys: there are some.
    """
    if not contract.grain():
        return
    key = tuple(dict.fromkeys((*contract.grain(), *contract.partition_columns().values())))
    repeated = connection.execute(repeated_keys_sql(contract, key, condition, ROWS_SHOWN)).pl()
    if repeated.height:
        raise RepeatedKeys(
            f"{table_name(contract)}: found keys that several frames hold, expected one row per "
            f"{', '.join(key)}. The first keys:\n{as_markdown(repeated)}"
        )


def repeated_keys_sql(contract: type[TableContract], key: Sequence[str], condition: str, limit: int) -> str:
    """A query for keys that stand more than once; hashes find the few suspects at an eighth of the memory."""
    table, columns = quoted(table_name(contract)), ", ".join(quoted(column) for column in key)
    day = contract.partition_columns().get("date")
    dates = f", list_sort(list(DISTINCT {quoted(day)})) AS found_on_dates" if day else ""
    return (
        f"WITH suspects AS (SELECT hash({columns}) AS h FROM {table} WHERE {condition} "
        "GROUP BY h HAVING count(*) > 1) "
        f"SELECT {columns}, count(*) AS row_count{dates} FROM {table} "
        f"WHERE ({condition}) AND hash({columns}) IN (SELECT h FROM suspects) "
        f"GROUP BY {columns} HAVING count(*) > 1 ORDER BY {columns} LIMIT {limit}"
    )
