"""The staged tables as a query sees them: datasets of Parquet files, read with the columns and filters of the query.

Which files there are is decided by staging; tables of the warehouse need nothing of this.
"""

import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet

from exposure_assets.contracts import TableContract, columns_of
from resources.staging import Staging


def empty_table(contract: type[TableContract]) -> pa.Table:
    """The columns of a table that has not been built yet."""
    return _schema(contract).empty_table()


def staged_dataset(staging: Staging, contract: type[TableContract]) -> pa.Table | pyarrow.dataset.Dataset:
    """The staged files of a table as one dataset; a column that older files lack is null there."""
    files = staging.files(contract)
    if not files:
        return empty_table(contract)
    schema = _schema(contract)
    for file in files:
        # Metric events have one more column per field that a metric reads, and those come and go with the catalog.
        for column in pyarrow.parquet.read_schema(file):
            if column.name not in schema.names:
                schema = schema.append(pa.field(column.name, column.type))
    return pyarrow.dataset.dataset([str(file) for file in files], schema=schema, format="parquet")


def _schema(contract: type[TableContract]) -> pa.Schema:
    frame = pl.DataFrame(schema=columns_of(contract))
    # Filters are handed down to Arrow only for plain strings, not for Polars' large ones.
    return pa.schema(
        pa.field(column.name, pa.string() if pa.types.is_large_string(column.type) else column.type)
        for column in frame.to_arrow().schema
    )
