"""The staging area: Parquet files by table and UTC day, each whole or absent, read lazily.

What the rows mean stands in the contracts; which day depends on which, in the partitions.
"""

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import polars as pl

from exposure_assets.contracts import TableContract, columns_of, table_name
from resources.atomic import replacing

# Small enough that one experiment's rows of a day are read without the others', large enough to compress well.
_ROWS_PER_GROUP = 1 << 17

# The first day that the calendar ever had; it never begins later.
CALENDAR_FIRST_DAY = "calendar_first_day.txt"


def remembered_first_day(folder: Path) -> date | None:
    """The first day that the calendar ever had, as the staging folder remembers it; null before the first run."""
    path = folder / CALENDAR_FIRST_DAY
    return date.fromisoformat(path.read_text()) if path.exists() else None


class Staging:
    """Files `<folder>/<table>/date=YYYY-MM-DD/<part>.parquet`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def writing_alone(self) -> Iterator[None]:
        """Hold back other processes that stage: two at once could leave one's rows beside the other's ledger.

        The lock ends with its process, however that ends.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".writer.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def is_being_written(self) -> bool:
        """Whether another process is staging at the moment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".writer.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def write(
        self, contract: type[TableContract], day: date, frame: pl.DataFrame, part: str = "part-0"
    ) -> None:
        """Replace a day's file; a day without rows has none. A crash leaves the old file, never half a new one."""
        path = self._day(table_name(contract), day) / f"{part}.parquet"
        if frame.is_empty():
            path.unlink(missing_ok=True)
            return
        with replacing(path) as partial:
            frame.write_parquet(
                partial, compression="zstd", compression_level=1, row_group_size=_ROWS_PER_GROUP
            )

    def scan(
        self,
        contract: type[TableContract],
        days: tuple[date, date] | None = None,
        further_columns: Mapping[str, pl.DataType] | None = None,
    ) -> pl.LazyFrame:
        """The staged rows of a table from the first to the last of `days`, both included; all days without.

        Args:
            contract: The table.
            days: First and last UTC day.
            further_columns: Columns beside the contract's; null where a file was staged without them.
        """
        schema = pl.Schema({**columns_of(contract), **(further_columns or {})})
        files = [file for day in self.days(contract, days) for file in self._files(table_name(contract), day)]
        if not files:
            return pl.LazyFrame(schema=schema)
        return pl.scan_parquet(
            files, schema=schema, missing_columns="insert", extra_columns="ignore", glob=False
        )

    def days(self, contract: type[TableContract], days: tuple[date, date] | None = None) -> list[date]:
        """The days that have a file, ascending."""
        folder = self.folder / table_name(contract)
        found = sorted(date.fromisoformat(f.name.removeprefix("date=")) for f in folder.glob("date=*"))
        return found if days is None else [day for day in found if days[0] <= day <= days[1]]

    def files(self, contract: type[TableContract]) -> list[Path]:
        """Every file of a table."""
        return [file for day in self.days(contract) for file in self._files(table_name(contract), day)]

    def sizes(self, contract: type[TableContract], days: tuple[date, date]) -> dict[date, int]:
        """Bytes per staged day: what a day weighs, without opening a file."""
        table = table_name(contract)
        return {
            day: sum(file.stat().st_size for file in self._files(table, day))
            for day in self.days(contract, days)
        }

    def _day(self, table: str, day: date) -> Path:
        return self.folder / table / f"date={day.isoformat()}"

    def _files(self, table: str, day: date) -> list[Path]:
        return sorted(self._day(table, day).glob("[!.]*.parquet"))
