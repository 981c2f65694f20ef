"""What every table contract shares: exact dtypes, a grain, a partition, and the proof that a key is unique.

The tables themselves, their columns and their own rules stand in the module of their stem.
"""

from typing import Annotated

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

UtcInstant = Annotated[pl.Datetime, "us", "UTC"]
InstantList = Annotated[pl.List, pl.Datetime("us", "UTC")]
IntegerList = Annotated[pl.List, pl.Int64()]
StringList = Annotated[pl.List, pl.String()]


def holds(data: PolarsData, rule: pl.Expr) -> pl.LazyFrame:
    """The rule per row as pandera wants it; a null verdict is a broken rule, never a passed one."""
    return data.lazyframe.select(rule.fill_null(False))


class TableContract(pa.DataFrameModel):
    """A table's columns in order, with exact dtypes, and one row per grain.

    Validation is eager: pandera checks no value of a LazyFrame, so whoever validates collects first.
    """

    class Config:
        strict = True
        ordered = True

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        """The columns that together name one row; empty where a table has no key."""
        return ()

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        """Which column carries which partition dimension (`date`, `experiment`)."""
        return {}

    @classmethod
    def is_unique_over_all_partitions(cls) -> bool:
        """True where the grain has to hold over the whole table and not only inside a partition."""
        return False

    @pa.dataframe_check(name="one row per grain")
    @classmethod
    def one_row_per_grain(cls, data: PolarsData) -> pl.LazyFrame:
        if not cls.grain():
            return data.lazyframe.select(pl.lit(True))
        key = pl.struct(cls.grain())
        hashes = data.lazyframe.select(key.hash().sort().alias("hash")).collect()["hash"]
        # Distinct hashes prove distinct keys at an eighth of the cost of comparing the strings themselves.
        if not (hashes == hashes.shift()).any():
            return data.lazyframe.select(pl.repeat(True, pl.len()))
        return data.lazyframe.select(~key.is_duplicated())


class AssignedUnitContract(TableContract):
    """A table with one row per assigned unit: unique over all partitions, stored by cohort and experiment."""

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "unit_id")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date", "experiment": "experiment_id"}

    @classmethod
    def is_unique_over_all_partitions(cls) -> bool:
        return True


def columns_of(contract: type[TableContract]) -> dict[str, pl.DataType]:
    """The contract's columns and Polars dtypes, in order."""
    return {name: column.dtype.type for name, column in contract.to_schema().columns.items()}


def empty_frame(contract: type[TableContract]) -> pl.DataFrame:
    """A frame without rows that obeys the contract."""
    return pl.DataFrame(schema=columns_of(contract))


def table_name(contract: type[TableContract]) -> str:
    """The table's public name."""
    return str(contract.to_schema().name)
