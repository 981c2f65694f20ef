"""The days of an experiment's own definition: the partitions of `deduped_exposures`, computed from staged events.

One store with the asset graph: a partition in the wanted version is a ready job, and a job makes a partition.
"""

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

import polars as pl

from exposure_assets.contracts import DedupedExposures, ExposureEvents, columns_of
from exposure_assets.exposures.days import Found, NotKept, Versions
from exposure_assets.exposures.plan import Plan
from exposure_assets.exposures.world import World
from exposure_assets.transforms.deduped_exposures import dedupe_exposures
from exposure_assets.transforms.digests import row_digests
from exposure_assets.transforms.partition_versions import VERSION_SCHEMA, Inputs, wanted_versions
from exposure_assets.transforms.unit_exposures import MERGED_COLUMNS
from resources.job_ledger import Job
from resources.raw_files import UNREADABLE
from resources.warehouse import Warehouse, WarehouseError, slices_of

_TABLE, _EVENTS = "deduped_exposures", "exposure_events"
# Days that are folded at once.
_DAYS_AT_ONCE = 10


@dataclass(frozen=True)
class OwnDays:
    """Finds days in the warehouse, computes them from staged events, and publishes them as partitions.

    `unstaged` days are computed from raw files, and not published. The warehouse is asked without patience: somebody
    else may hold a DuckDB file for long, and the answer can be had without it.
    """

    world: World
    warehouse: Warehouse
    plan: Plan
    unstaged: frozenset[date]

    @cached_property
    def digests(self) -> dict[date, int]:
        """Per staged day that holds exposures of the experiment the digest of them."""
        of_experiment = self.world.ledger.filter(
            pl.col("kind") == _EVENTS, pl.col("key") == self.world.question.experiment.id
        )
        return dict(of_experiment.select("day", "digest").iter_rows())

    def wanted(self, days: Collection[date]) -> dict[date, int]:
        """The versions that the partitions of staged days have to have; days without exposures have none."""
        question = self.world.question
        inputs = Inputs(question.catalog, self.world.ledger, {})
        nothing = pl.DataFrame(schema=VERSION_SCHEMA)
        mine = wanted_versions(_TABLE, inputs, nothing).filter(
            pl.col("experiment_id") == question.experiment.id
        )
        versions = dict(mine.select("day", "version").iter_rows())
        return {day: versions[day] for day in days if day in versions}

    def find(self, wanted: Versions) -> Found:
        """See `Days`."""
        frame = self._versions(wanted)
        try:
            recorded, rows = self.warehouse.fresh_rows(
                DedupedExposures, frame, [*MERGED_COLUMNS, "exposure_date"]
            )
        except WarehouseError as error:
            self.plan.note(f"the warehouse was not read: {error}")
            return Found()
        for day, _, version in recorded.iter_rows():
            if wanted[day] != version:
                reason = f"computed from other exposures (version {version:016x}, wanted {wanted[day]:016x})"
                self.plan.reject(f"{_TABLE}/{day}|{self._experiment}", [day], reason)
        fresh = recorded.join(frame, on=frame.columns, how="semi")["day"].sort().to_list()
        if not fresh:
            return Found()
        self.plan.use(_TABLE, fresh, rows.height)
        names = {day: f"{_TABLE}/{day}|{self._experiment}@{wanted[day]:016x}" for day in fresh}
        return Found([rows.select(MERGED_COLUMNS)], names)

    def compute(self, days: Versions) -> pl.DataFrame:
        """See `Days`."""
        return self.deduped(sorted(days))

    def deduped(
        self, days: list[date], start: datetime | None = None, end: datetime | None = None
    ) -> pl.DataFrame:
        """The rows of days, or of the part of them that lies between two instants."""
        folded = []
        for at in range(0, len(days), _DAYS_AT_ONCE):
            started = time.monotonic()
            some = days[at : at + _DAYS_AT_ONCE]
            events, places = self._events(some)
            if start is not None:
                events = events.filter(pl.col("occurred_at") >= start)
            if end is not None:
                events = events.filter(pl.col("occurred_at") < end)
            folded.append(dedupe_exposures(events.lazy()).collect())
            self.plan.compute(places, some, events.height, (time.monotonic() - started) * 1000)
        return pl.concat(folded)

    def keep(self, job: Job, rows: pl.DataFrame) -> str:
        """See `Days`."""
        # Judging by the contract needs Dagster, which takes a second to import: an answer that is there doesn't wait.
        from resources.warehouse_contract_breach import judged

        days = job.days
        versions = self._versions(job.versions)
        keys = [f"{day}|{self._experiment}" for day in days]
        frames = [judged(DedupedExposures, rows)]
        try:
            self.warehouse.replace(DedupedExposures, frames, slices_of(keys), versions=versions)
        except (WarehouseError, OSError) as error:
            raise NotKept(str(error)) from error
        self.plan.published += keys
        return f"{_TABLE}/{days[0]} to {days[-1]}|{self._experiment}"

    def expires_at(self, job: Job, now: float) -> float | None:
        """A partition stays as long as its table."""
        return None

    def lifetime(self, day: date) -> int:
        """Partitions live alike; only what is staged is published."""
        return 0

    @property
    def _experiment(self) -> str:
        return self.world.question.experiment.id

    def _versions(self, wanted: Versions) -> pl.DataFrame:
        rows = [(day, self._experiment, version) for day, version in wanted.items()]
        return pl.DataFrame(rows, schema=VERSION_SCHEMA, orient="row")

    def _events(self, days: list[date]) -> tuple[pl.DataFrame, str]:
        """The exposure events of days, and where they were read."""
        staged = [day for day in days if day not in self.unstaged]
        frame = self._staged(staged)
        read = set(frame["exposure_date"].unique()) | {day for day in staged if day not in self.digests}
        landed = [day for day in days if day not in read]
        if not landed:
            return frame, "staged events"
        raw = self.world.landed_exposures(landed)
        return pl.concat([frame, raw]), "raw files" if len(landed) == len(
            days
        ) else "staged events and raw files"

    def _staged(self, days: Iterable[date]) -> pl.DataFrame:
        """The staged exposures of those days whose rows are exactly those that the ledger speaks of.

        A day that is being staged anew at this moment, or whose stager was killed, holds others.
        """
        wanted = {day: self.digests[day] for day in days if day in self.digests}
        empty = pl.DataFrame(schema=columns_of(ExposureEvents))
        if not wanted:
            return empty
        is_mine = (pl.col("experiment_id") == self._experiment) & pl.col("exposure_date").is_in(list(wanted))
        staging = self.world.workspace.staging
        try:
            rows = staging.scan(ExposureEvents, (min(wanted), max(wanted))).filter(is_mine).collect()
        except (OSError, *UNREADABLE):
            return empty
        found = dict(row_digests(rows, "exposure_date").iter_rows())
        exact = [day for day, digest in wanted.items() if found.get(day) == digest]
        if len(exact) == len(wanted):
            return rows
        self.plan.note("days that were being staged meanwhile were read from raw files")
        return rows.filter(pl.col("exposure_date").is_in(exact))
