"""The rows of an upstream table that a run may read, still unread.

Which partitions those are is decided by Dagster's partition mappings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from exposure_assets.contracts import TableContract
from resources.warehouse import Warehouse
from resources.warehouse_slices import PartitionSlice
from resources.warehouse_tables import contract_columns


@dataclass(frozen=True)
class WarehouseWindow:
    """A table limited to some partitions; an asset reads it whole or a few experiments at a time."""

    warehouse: Warehouse
    contract: type[TableContract]
    slices: tuple[PartitionSlice, ...]

    def scan(
        self, experiments: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pl.LazyFrame:
        """The rows of the window, of all or of some experiments; read when the frame is collected."""
        return self.warehouse.scan(
            self.contract, slices=self.slices, experiments=experiments, columns=columns
        )

    def row_counts(self) -> dict[str, int]:
        """Rows of the window per experiment; an experiment without rows is absent."""
        if "experiment_id" not in contract_columns(self.contract):
            return {}
        counted = self.warehouse.count(self.contract, slices=self.slices, by=["experiment_id"])
        return {experiment: rows for experiment, rows in counted.iter_rows() if experiment is not None}
