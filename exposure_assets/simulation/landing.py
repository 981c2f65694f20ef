"""Spells rows out as the columns of the contract and writes them as the files of a landing zone.

Which rows exist and when they arrive is settled before; here is only what they look like on disk.
"""

import gzip
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as selectors
from numpy.typing import NDArray

from exposure_assets.simulation.clock import UNKNOWN_TIME
from exposure_assets.simulation.identity import event_ids, session_ids
from exposure_assets.simulation.plan import FileFormat, SimulationPlan
from exposure_assets.simulation.rows import AssignmentRows, EventRows
from exposure_assets.simulation.vocabulary import Spellings

_ROW_GROUP_ROWS = 250_000

_UNREADABLE_TIME = "31/12/2026 25:61"
"""What a JSONL file holds where a Parquet or CSV file has no time at all."""


@dataclass(frozen=True)
class WrittenFile:
    """A file of the landing zone: its path, the day it arrived (from 0), and its size."""

    path: Path
    arrival_day: int
    file_format: FileFormat
    size_bytes: int


class LandingWriter:
    """Writes files in the background, one at a time: the next rows are made while the last are compressed.

    The names of its files begin with `stem`.

    A context manager: leaving it waits for the last file, and raises what went wrong with it.
    """

    def __init__(
        self,
        plan: SimulationPlan,
        directory: Path,
        spellings: Spellings,
        units: pl.Series,
        experiment_names: list[str],
        variation_names: list[str],
        stem: str = "part",
    ) -> None:
        self.files: list[WrittenFile] = []
        self._plan = plan
        self._directory = directory
        self._spellings = spellings
        self._stem = stem
        self._units = units
        # A null behind the last name: what the number -1 takes.
        self._experiment_names = pl.Series([*experiment_names, None], dtype=pl.String)
        self._variation_names = pl.Series([*variation_names, None], dtype=pl.String)
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._running: Future[WrittenFile] | None = None

    def __enter__(self) -> "LandingWriter":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            self._finish()
        finally:
            self._worker.shutdown()

    def write_events(self, rows: EventRows, day: int, part: int, parts: int) -> None:
        """Write a file of `events`; waits for the file before it, so that at most two are in memory."""
        self._submit(rows, day, part, day * parts + part)

    def write_assignments(self, rows: AssignmentRows, day: int, part: int) -> None:
        """Write a file of `assignments`; waits for the file before it."""
        self._submit(rows, day, part, day)

    def _submit(self, rows: EventRows | AssignmentRows, day: int, part: int, file_number: int) -> None:
        self._finish()
        if len(rows) > 0:
            self._running = self._worker.submit(
                self._write, rows, day, part, self._plan.format_of(file_number)
            )

    def _finish(self) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            self.files.append(running.result())

    def _write(
        self, rows: EventRows | AssignmentRows, day: int, part: int, file_format: FileFormat
    ) -> WrittenFile:
        is_events = isinstance(rows, EventRows)
        frame = self._event_frame(rows, file_format) if is_events else self._assignment_frame(rows)
        date = self._plan.start_date + timedelta(days=day)
        folder = self._directory / ("events" if is_events else "assignments") / f"date={date}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self._stem}-{part:05d}.{file_format}"
        _write_frame(frame, path, file_format)
        return WrittenFile(path, day, file_format, path.stat().st_size)

    def _event_frame(self, rows: EventRows, file_format: FileFormat) -> pl.DataFrame:
        spellings = self._spellings
        properties = spellings.properties_text if file_format.startswith("csv") else spellings.properties
        return pl.DataFrame(
            {
                "event_id": event_ids(rows.number, self._plan.seed),
                "event_name": spellings.event_name.gather(rows.template),
                "unit_id": _name(self._units, rows.unit),
                "occurred_at": _instants(rows.occurred_at),
                "ingested_at": _instants(rows.ingested_at),
                "session_id": session_ids(rows.session),
                "value": pl.Series(rows.value).fill_nan(None),
                "properties": properties.gather(rows.template),
            }
        )

    def _assignment_frame(self, rows: AssignmentRows) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "event_id": event_ids(rows.number, self._plan.seed),
                "experiment_id": _name(self._experiment_names, rows.experiment),
                "unit_id": _name(self._units, rows.unit),
                "variation_id": _name(self._variation_names, rows.variation),
                "assigned_at": _instants(rows.assigned_at),
                "ingested_at": _instants(rows.ingested_at),
            }
        )


def add_truncated_copy(original: WrittenFile) -> Path:
    """Write the beginning of a file beside it, as an upload that broke off leaves it; returns its path.

    The copy can't be read as a whole. Nobody would miss the end of a CSV file: that is compressed before.
    """
    content = original.path.read_bytes()
    file_format = original.file_format
    if file_format == "csv":
        file_format, content = "csv.gz", gzip.compress(content, mtime=0)
    cut = len(content) * 3 // 5
    if file_format == "jsonl":
        # In the middle of a line: cut between two lines, nothing would show.
        cut = content.rfind(b"\n", 0, cut) + 10
    path = original.path.with_name(f"part-90000.{file_format}")
    path.write_bytes(content[:cut])
    return path


def _name(names: pl.Series, numbers: NDArray[np.int32]) -> pl.Series:
    return names.gather(np.where(numbers < 0, len(names) - 1, numbers))


def _instants(times: NDArray[np.int64]) -> pl.Series:
    instants = pl.Series(times)
    if (times == UNKNOWN_TIME).any():
        instants = instants.set(pl.Series(times == UNKNOWN_TIME), None)
    return instants.cast(pl.Datetime("us", "UTC"))


def _write_frame(frame: pl.DataFrame, path: Path, file_format: FileFormat) -> None:
    if file_format == "parquet":
        frame.write_parquet(path, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP_ROWS)
        return
    frame = frame.with_columns(selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    buffer = BytesIO()
    if file_format.startswith("csv"):
        frame.write_csv(buffer)
    else:
        required = [name for name in ("occurred_at", "assigned_at") if name in frame.columns]
        frame.with_columns(pl.col(required).fill_null(_UNREADABLE_TIME)).write_ndjson(buffer)
    text = buffer.getvalue()
    # No time stamp in the archive: the same rows give the same bytes.
    path.write_bytes(gzip.compress(text, compresslevel=6, mtime=0) if file_format.endswith(".gz") else text)
