"""Files of preaggregated exposures in the staging folder: the rows of jobs, and whole answers by what they rest on.

Which jobs there are stands in `job_ledger`; whether a row may be used is decided by versions, never by its being here.
"""

import io
import json
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from resources.atomic import replacing
from resources.job_ledger import Job

# Newer than any other process' answer that may still be read; old answers go, the least recently used first.
_MOST_ANSWERS = 64
_DAYS = "exposure_days"
# A file that is gone, or damaged: what it held is computed again.
_UNUSABLE = (OSError, ValueError, pl.exceptions.PolarsError)


class ExposureStore:
    """`<staging>/exposures/jobs/<hash>/<job>.parquet` and `<staging>/exposures/answers/<key>.{arrow,json}`."""

    def __init__(self, staging: Path) -> None:
        self._jobs = staging / "exposures" / "jobs"
        self._answers = staging / "exposures" / "answers"
        self._merges = staging / "exposures" / "merges"

    def write_job(self, job: Job, rows: pl.DataFrame) -> None:
        """Keep the rows of a job; one without rows has a file too.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        with replacing(self._job(job)) as partial:
            rows.sort("exposure_date").write_parquet(partial, compression="zstd", compression_level=1)

    def read_job(self, job: Job, days: Collection[date], columns: Sequence[str]) -> pl.DataFrame | None:
        """The rows of some days of a job; null where they are gone."""
        try:
            with self._job(job).open("rb") as file:
                rows = pl.read_parquet(file, columns=[*columns, "exposure_date"])
        except _UNUSABLE:
            return None
        return rows.filter(pl.col("exposure_date").is_in(list(days))).select(columns)

    def remove_jobs(self, jobs: Sequence[Job]) -> int:
        """Delete the rows of jobs, and say how many had some."""
        count = 0
        for job in jobs:
            with suppress(FileNotFoundError):
                self._job(job).unlink()
                count += 1
        return count

    def write_answer(self, key: str, rows: pl.DataFrame, about: Mapping[str, Any]) -> None:
        """Keep an answer under the digest of all that it rests on.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        with replacing(self._answers / f"{key}.json") as partial:
            partial.write_text(json.dumps(about))
        with replacing(self._answers / f"{key}.arrow") as partial:
            rows.rechunk().write_ipc(partial)
        self._keep_few()

    def read_answer(self, key: str) -> tuple[pl.DataFrame, dict[str, Any]] | None:
        """The answer that was kept under a key; null where there is none."""
        path = self._answers / f"{key}.arrow"
        try:
            described = self._answers / f"{key}.json"
            about = json.loads(described.read_bytes())
            rows = pl.read_ipc(path)
            os.utime(path)
            os.utime(described)
        except _UNUSABLE:
            return None
        return rows, about

    def write_merge(self, definition_hash: str, versions: Mapping[date, int], units: pl.DataFrame) -> None:
        """Keep the merge of days, in the place of the one that was kept for the definition.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        said = json.dumps({day.isoformat(): version for day, version in versions.items()})
        with replacing(self._merges / f"{definition_hash}.parquet") as partial:
            units.write_parquet(partial, compression="lz4", metadata={_DAYS: said})

    def read_merge(
        self, definition_hash: str, wanted: Mapping[date, int]
    ) -> tuple[list[date], pl.DataFrame] | None:
        """The merge that is kept, with its days, where every one of them is wanted in that version."""
        try:
            path = self._merges / f"{definition_hash}.parquet"
            content = path.read_bytes()
            os.utime(path)
            said = json.loads(pl.read_parquet_metadata(io.BytesIO(content))[_DAYS])
            units = pl.read_parquet(io.BytesIO(content))
        except _UNUSABLE:
            return None
        merged = {date.fromisoformat(day): version for day, version in said.items()}
        return (sorted(merged), units) if merged.items() <= wanted.items() else None

    def files_of_jobs(self) -> dict[Path, str]:
        """The files that hold rows of jobs, with the ids of the jobs."""
        return {path: path.stem for path in self._jobs.glob("*/*.parquet")}

    def files_to_read_again(self) -> list[Path]:
        """The files of answers and of merged days; one that is used is touched."""
        return [*self._answers.glob("*"), *self._merges.glob("*.parquet")]

    def _keep_few(self) -> None:
        """Delete the answers that nobody has asked for longest; who is reading one keeps it to the end."""
        used: list[tuple[float, Path]] = []
        for path in self._answers.glob("*.arrow"):
            with suppress(FileNotFoundError):
                used.append((path.stat().st_mtime, path))
        for _, path in sorted(used, reverse=True)[_MOST_ANSWERS:]:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)

    def _job(self, job: Job) -> Path:
        return self._jobs / job.definition_hash[:16] / f"{job.job_id}.parquet"
