"""A small installation whose checks and runs go right or wrong as a test says, and the sensor that watches it.

Real storage, real runs, real files; only the clock is the test's.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from exposure_assets.automation.alerts import alerts_sensor
from exposure_assets.automation.requests import RANGE_END, RANGE_START
from exposure_assets_tests.automation.conditions import NOON
from exposure_assets_tests.resources import catalog_files
from resources.alert_book import AlertBook, Condition
from resources.settings import Settings
from resources.workspace import Workspace

DAY_BY_EXPERIMENT = dg.MultiPartitionsDefinition(
    {
        "date": dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-20"),
        "experiment": dg.DynamicPartitionsDefinition(name="experiments"),
    }
)
EXPERIMENTS = ["a", "b", "c"]
_VOLUME = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("assignments"), "volume"))


@dg.asset(
    partitions_def=DAY_BY_EXPERIMENT,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("grain", asset="assignments")],
)
def assignments(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Fails, or has a check that fails, as the tags of the run say."""
    if "assignments" in context.run.tags.get("fails", ""):
        raise dg.Failure(context.run.tags.get("because", "the disk is full\nand more"), allow_retries=False)
    found = int(context.run.tags.get("found", "0"))
    verdict = dg.AssetCheckResult(
        check_name="grain",
        passed=found == 0,
        severity=dg.AssetCheckSeverity(context.run.tags.get("severity", "ERROR")),
        metadata={"found": found, "expected": "0 rows"},
    )
    return dg.MaterializeResult(check_results=[verdict])


@dg.asset(
    partitions_def=DAY_BY_EXPERIMENT, backfill_policy=dg.BackfillPolicy.single_run(), deps=[assignments]
)
def exposure_validation(context: dg.AssetExecutionContext) -> None:
    """Fails as the tags of the run say."""
    if "exposure_validation" in context.run.tags.get("fails", ""):
        raise ValueError("no such column")


@dg.asset_check(asset="assignments")
def volume(context: dg.AssetCheckExecutionContext) -> Any:
    """Has a result for every partition that the tags of the run name."""
    for partition, found in json.loads(context.run.tags.get("verdicts", "{}")).items():
        yield dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("assignments"),
            check_name="volume",
            passed=found == 0,
            metadata={"found": dg.MetadataValue.int(found), "expected": dg.MetadataValue.int(0)},
            partition=partition,
        )
    yield dg.Output(None)


@dg.asset_check(asset="exposure_validation", additional_deps=["assignments"])
def rate(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Crashes as the tags of the run say."""
    if "rate" in context.run.tags.get("fails", ""):
        raise ZeroDivisionError("division by zero")
    return dg.AssetCheckResult(passed=True)


@dg.op
def clean() -> None:
    """Does nothing."""


@dg.job
def housekeeping() -> None:
    """A job without assets."""
    clean()


def write_catalog(folder: Path, experiments: list[str]) -> None:
    """A valid catalog of some experiments, in place of what there was."""
    for old in folder.glob("experiments/*.toml"):
        old.unlink()
    texts = {f"experiments/{name}.toml": catalog_files.EXPERIMENT for name in experiments}
    catalog_files.write(folder, {**texts, "exposure_sources/experiment_exposed.toml": catalog_files.SOURCE})
    if "a" not in experiments:
        (folder / "experiments/a.toml").unlink()


@dataclass
class Desk:
    """The installation. `now` is what the sensor takes for the present."""

    folder: Path
    instance: dg.DagsterInstance
    alerts: tuple[str, ...] = ()
    now: datetime = NOON
    checks: list[Any] = field(default_factory=lambda: [rate, volume])
    graph: dg.Definitions | None = None
    sensor: dg.SensorDefinition | None = None
    said: str = ""

    @property
    def settings(self) -> Settings:
        """The settings of the installation."""
        return Settings(
            landing=str(self.folder / "landing"),
            catalog=self.folder / "catalog",
            warehouse=str(self.folder / "warehouse.duckdb"),
            staging=self.folder / "staging",
            horizon_days=28,
            alerts=self.alerts,
        )

    @property
    def definitions(self) -> dg.Definitions:
        """The graph as it is at the moment."""
        return dg.Definitions(
            assets=[assignments, exposure_validation],
            asset_checks=self.checks,
            jobs=[
                dg.define_asset_job("compute_tables", dg.AssetSelection.all() - _VOLUME),
                dg.define_asset_job("judge", _VOLUME if volume in self.checks else dg.AssetSelection.all()),
                housekeeping,
            ],
        )

    def tick(self, minutes: float = 1) -> str:
        """Let the sensor look, some minutes after it looked last; gives what it says."""
        self.now += timedelta(minutes=minutes)
        self.sensor = self.sensor or alerts_sensor(Workspace(self.settings), lambda: self.now)
        with dg.build_sensor_context(
            instance=self.instance, repository_def=(self.graph or self.definitions).get_repository_def()
        ) as context:
            result = self.sensor(context)
        assert isinstance(result, dg.SkipReason)
        self.said = result.skip_message or ""
        return self.said

    def restart(self, **changes: Any) -> "Desk":
        """The same installation in a new process, or as good as: everything is read from disk."""
        instance = dg.DagsterInstance.from_config(str(self.folder / "home"))
        return replace(self, instance=instance, sensor=None, **changes)

    @property
    def open(self) -> list[Condition]:
        """What is wrong as far as the book says."""
        return AlertBook(self.settings.staging).read().open_conditions

    def run(
        self,
        first: str = "2026-01-01|a",
        last: str | None = None,
        *,
        only: list[str] | None = None,
        job: str = "compute_tables",
        **tags: str,
    ) -> str:
        """Run a range of partitions; gives the run's id."""
        span = {RANGE_START: first, RANGE_END: last or first} if job == "compute_tables" else {}
        result = self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags={**span, **tags},
            asset_selection=[dg.AssetKey(name) for name in only] if only else None,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        return result.run_id

    def judge(self, verdicts: dict[str, int]) -> None:
        """Let the check `volume` find something in partitions, all in one run; where it finds 0, they pass."""
        self.run(job="judge", verdicts=json.dumps(verdicts))


@contextmanager
def desk(folder: Path, *alerts: str) -> Iterator[Desk]:
    """A new installation: a catalog, an empty landing zone, a home of Dagster."""
    write_catalog(folder / "catalog", EXPERIMENTS)
    (folder / "landing").mkdir()
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    instance = dg.DagsterInstance.from_config(str(folder / "home"))
    instance.add_dynamic_partitions("experiments", EXPERIMENTS)
    yield Desk(folder, instance, alerts)
    instance.dispose()
