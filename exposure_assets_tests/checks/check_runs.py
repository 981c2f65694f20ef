"""Runs of one table and its checks, over rows that a test writes, and what the instance stored about them.

What should be found is for the tests to say.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from dagster._core.event_api import PartitionKeyFilter

from exposure_assets.assets import CATALOG_ASSETS
from exposure_assets.checks import table_checks
from exposure_assets.contracts import (
    AssignmentEvents,
    DailyQuality,
    TableContract,
    columns_of,
    table_name,
)
from exposure_assets_tests.installation import Installation
from partitions.calendar import Calendar
from resources.warehouse_io_manager import WarehouseIOManager
from resources.workspace import Workspace

FIRST = date(2026, 1, 1)
EXPERIMENT = """\
name = "{id}"
owner = "growth@example.com"
start = 2026-01-01T00:00:00Z

[[variations]]
id = "control"
allocation = 1.0
is_control = true
[[variations]]
id = "treatment"
allocation = 0.0

[exposure]
source = "experiment_exposed"
max_days_after_assignment = 3

[quality]
"""


def day(number: int) -> date:
    """Days counted from 0, the first day of every experiment."""
    return FIRST + timedelta(days=number)


def cohort(
    number: int, units: int = 1000, *, experiment: str = "exp", **changes: int
) -> list[dict[str, Any]]:
    """A cohort of `daily_quality`: all units exposed, none at fault, but for the changes."""
    counts = dict.fromkeys((name for name in columns_of(DailyQuality) if name.endswith("_units")), 0)
    counts |= {"assigned_units": units, "exposed_units": units} | changes
    rates = {
        name: counts[name.replace("_rate", "_units").replace("valid_exposure", "valid_exposed")] / units
        for name in ("crossover_rate", "pre_assignment_rate", "mismatch_rate")
    }
    rates["exposure_rate"] = counts["exposed_units"] / units
    row = {"experiment_id": experiment, "assignment_date": day(number)} | counts | rates
    total = {"variation_id": "*"}
    own = {"variation_id": "control", "unassigned_exposed_units": None}
    return [row | total, row | own]


def cohorts(numbers: range, units: int = 1000, **changes: Any) -> list[dict[str, Any]]:
    """Cohorts of consecutive days."""
    return [row for number in numbers for row in cohort(number, units, **changes)]


@dataclass
class CheckRuns:
    """A warehouse, a catalog of experiments, staged data until a day, and a Dagster instance."""

    place: Path
    instance: dg.DagsterInstance
    experiments: Sequence[str] = ("exp",)
    workspace: Workspace = field(init=False)

    def __post_init__(self) -> None:
        self.workspace = Installation(self.place, self.place).workspace
        self.quality()
        self.instance.add_dynamic_partitions("experiments", list(self.experiments))

    def quality(self, *lines: str) -> None:
        """Write the catalog, with these lines of `[quality]`."""
        for id_ in self.experiments:
            path = self.place / "catalog" / "experiments" / f"{id_}.toml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(EXPERIMENT.format(id=id_) + "\n".join([*lines, ""]))

    def data_until(self, number: int) -> None:
        """Stage a row of the day."""
        last = day(number)
        at = datetime.combine(last, time(12))
        row = {
            "experiment_id": "exp",
            "unit_id": "u",
            "variation_id": "control",
            "assigned_at": at,
            "assignment_date": last,
        }
        frame = pl.DataFrame([row]).cast({"assigned_at": pl.Datetime("us", "UTC")})
        self.workspace.staging.write(AssignmentEvents, last, frame)

    def write(self, contract: type[TableContract], rows: Sequence[Mapping[str, Any]]) -> None:
        """Put the rows in the place of the whole table."""
        frame = pl.DataFrame(list(rows), schema=columns_of(contract))
        self.workspace.warehouse.replace(contract, [frame])

    def run(
        self, contract: type[TableContract], checks: Sequence[str], days: tuple[int, int] | None
    ) -> dg.ExecuteInProcessResult:
        """Materialise days of a table that has been written already, and judge them; without days only judge."""
        table = dg.AssetKey(table_name(contract))

        @dg.asset(
            key=table,
            partitions_def=Calendar(FIRST, day(500)).days_by_experiment,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def written() -> None:
            """Written by the test."""

        selection = dg.AssetSelection.checks(*(dg.AssetCheckKey(table, check) for check in checks))
        if days is not None:
            selection = selection | dg.AssetSelection.assets(written).without_checks()
        definitions = dg.Definitions(
            assets=[written],
            asset_checks=table_checks(),
            jobs=[dg.define_asset_job("judge", selection)],
            resources={"workspace": self.workspace},
            executor=dg.in_process_executor,
        )
        tags = {}
        if days is not None:
            first, last = (f"{day(number)}|" for number in days)
            tags["dagster/asset_partition_range_start"] = first + self.experiments[0]
            tags["dagster/asset_partition_range_end"] = last + self.experiments[-1]
        config = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        job = definitions.resolve_job_def("judge")
        result = job.execute_in_process(instance=self.instance, tags=tags, run_config=config)
        assert result.success
        return result

    def judge_whole(self, *tables: str, compute: bool = True) -> None:
        """Compute tables without partitions from what was written, and judge them; or judge them as they are."""
        keys = [dg.AssetKey(table) for table in tables]
        selection = dg.AssetSelection.checks_for_assets(*keys)
        if compute:
            selection = selection | dg.AssetSelection.assets(*keys)
        definitions = dg.Definitions(
            assets=CATALOG_ASSETS,
            asset_checks=table_checks(),
            jobs=[dg.define_asset_job("judge", selection)],
            resources={
                "workspace": self.workspace,
                "warehouse_io_manager": WarehouseIOManager(database=self.workspace.settings.warehouse),
            },
            executor=dg.in_process_executor,
        )
        assert definitions.resolve_job_def("judge").execute_in_process(instance=self.instance).success

    def latest(
        self, check: str, partition: str | None = None, table: str = "daily_quality"
    ) -> dg.AssetCheckEvaluation | None:
        """The last result of a check for a partition, or for the run."""
        key = dg.AssetCheckKey(dg.AssetKey(table), check)
        records = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(
            [key], PartitionKeyFilter(key=partition)
        )
        evaluation = records[key].evaluation if key in records else None
        return evaluation if isinstance(evaluation, dg.AssetCheckEvaluation) else None

    def failing(self, check: str, table: str = "daily_quality") -> list[str]:
        """The partitions whose last result is a failure."""
        key = dg.AssetCheckKey(dg.AssetKey(table), check)
        infos = self.instance.event_log_storage.get_asset_check_partition_info([key])
        return sorted(
            info.partition_key
            for info in infos
            if info.partition_key and info.latest_execution_status.value == "FAILED"
        )


@contextmanager
def check_runs(place: Path, *experiments: str) -> Iterator[CheckRuns]:
    """An installation of its own, with Dagster's event log in memory."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield CheckRuns(place, instance, experiments or ("exp",))
