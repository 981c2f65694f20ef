"""A small graph over days and experiments, run for the sake of the events it leaves in a home of Dagster.

The tests of those events are in the modules beside this one.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef

RUN = "3f0c2a1e-0000-4000-8000-000000000001"
DAY_BY_EXPERIMENT = dg.MultiPartitionsDefinition(
    {
        "date": dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-08"),
        "experiment": dg.DynamicPartitionsDefinition(name="experiments"),
    }
)


class Publishing(dg.ConfigurableIOManager):
    """Publishes a partition as an empty file, all of a range before Dagster hears of any."""

    folder: str

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        for key in context.asset_partition_keys:
            Path(self.folder, f"{context.asset_key.to_user_string()} {key}").touch()
        context.add_output_metadata({"row_count": 7})

    def load_input(self, context: dg.InputContext) -> None: ...


@dg.asset(
    partitions_def=DAY_BY_EXPERIMENT,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[
        dg.AssetCheckSpec("grain", asset="assignments"),
        dg.AssetCheckSpec("timing", asset="assignments"),
    ],
)
def assignments(context: dg.AssetExecutionContext) -> Iterator[Any]:
    context.log.info("a line of a log is an event too")
    yield dg.AssetObservation("assignments", partition=context.partition_keys[0], tags={"seen": "yes"})
    yield dg.AssetCheckResult(check_name="grain", passed=True)
    yield dg.AssetCheckResult(check_name="timing", passed=False, metadata={"rows": 2})
    yield dg.Output(None)


@dg.asset(partitions_def=DAY_BY_EXPERIMENT, backfill_policy=dg.BackfillPolicy.single_run())
def exposure_validation(context: dg.AssetExecutionContext, assignments: Any) -> dg.Output[Any]:
    if context.run.tags.get("kill") == "between the assets":
        os.kill(os.getpid(), signal.SIGKILL)
    return dg.Output(None)


def materialise(home: Path, first: str, last: str, run_id: str = RUN, kill: str = "never") -> None:
    """Run both assets over the range from `first` to `last` in this process."""
    os.environ["DAGSTER_HOME"] = str(home)
    with opened(home) as instance:
        instance.add_dynamic_partitions("experiments", ["checkout", "search"])
        if kill == "at the first materialisation":
            instance.add_event_listener(run_id, _kill_at_the_first_materialisation)
        (home / "published").mkdir(exist_ok=True)
        definitions = dg.Definitions(
            assets=[assignments, exposure_validation],
            resources={"io_manager": Publishing(folder=str(home / "published"))},
            jobs=[dg.define_asset_job("backfill")],
        )
        tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        job = definitions.resolve_job_def("backfill")
        job.execute_in_process(instance=instance, run_id=run_id, tags={**tags, "kill": kill})


def in_another_process(*arguments: Any, **named: Any) -> BaseProcess:
    process = multiprocessing.get_context("spawn").Process(target=materialise, args=arguments, kwargs=named)
    process.start()
    return process


def _kill_at_the_first_materialisation(event: dg.EventLogEntry) -> None:
    if event.is_dagster_event and event.get_dagster_event().is_step_materialization:
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def opened(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home))) as instance:
        yield instance


def shown(instance: dg.DagsterInstance, asset: str) -> list[str]:
    """The partitions that Dagster's pages show as materialised."""
    return sorted(instance.get_materialized_partitions(dg.AssetKey(asset)))


def logged(instance: dg.DagsterInstance, asset: str, run_id: str = RUN) -> list[str]:
    """The partitions that the log of the run shows as materialised, in its order."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.get_dagster_event() for entry in entries]
    return [str(event.partition) for event in events if event.asset_key == dg.AssetKey(asset)]


def written(home: Path, asset: str) -> list[str]:
    return sorted(path.name.split(" ")[1] for path in (home / "published").glob(f"{asset} *"))
