"""What a tick of the landing sensor costs in a large installation where nothing is new.

`python -m benchmarks.sensor_tick FOLDER [FILES] [EXPERIMENTS]` builds one in `FOLDER` (minutes) and times three ticks.
"""

import logging
import os
import resource
import sys
import time
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl

from benchmarks.many_files import deliver_many_files
from exposure_assets.assets.calendar import calendar_for
from exposure_assets.automation.catalog_entries import announce_entries
from exposure_assets.automation.landing_sensor import evaluate
from exposure_assets.contracts import WAREHOUSE_TABLES, Catalog
from exposure_assets.transforms.acceptance import ACCEPTANCE, acceptance, recorded_inputs, staged_versions
from exposure_assets.transforms.partition_versions import (
    CODE_VERSIONS,
    COHORT,
    VERSION_SCHEMA,
    Inputs,
    catalog_version,
    manifest_version,
    version_of_whole,
    wanted_versions,
)
from exposure_assets.transforms.whole_versions import WHOLE_TABLES, whole_version
from partitions.calendar import EXPERIMENTS
from resources.dagster_home import dagster_home
from resources.landing_inputs import day_inputs
from resources.settings import Settings
from resources.warehouse_slices import WHOLE_TABLE
from resources.warehouse_versions import replace_versions
from resources.workspace import Workspace

_DAYS, _DAYS_PER_EXPERIMENT = 400, 20
_EXPERIMENT = """\
name = "One of many"
owner = "growth@example.com"
start = 2026-01-01T00:00:00Z

[[variations]]
id = "control"
allocation = 0.5
is_control = true

[[variations]]
id = "treatment"
allocation = 0.5

[exposure]
source = "experiment_exposed"

[outcomes]
metrics = ["purchases"]
"""


def build(folder: Path, files: int, experiments: int) -> Settings:
    """An installation in which everything is fresh: real files, and what was recorded of tables that are not there."""
    catalog = folder / "catalog"
    for kind in ("experiments", "metrics"):
        (catalog / kind).mkdir(parents=True)
    (catalog / "metrics" / "purchases.toml").write_text('event = "purchase"\naggregation = "count"\n')
    for number in range(experiments):
        (catalog / "experiments" / f"experiment-{number:05}.toml").write_text(_EXPERIMENT)
    deliver_many_files(folder / "landing", files, _DAYS)
    settings = Settings(
        str(folder / "landing"), catalog, str(folder / "warehouse.duckdb"), folder / "staging", 28
    )
    _record(Workspace(settings))
    return settings


def _record(workspace: Workspace) -> None:
    catalog = workspace.catalog()
    zone = workspace.landing(catalog)
    manifest = zone.refresh()
    inputs = day_inputs(zone, manifest, calendar_for(workspace).first_day)
    ledger = _ledger(catalog, inputs)
    workspace.ledger.record((date.min, date.max), ledger, ())
    recorded = {table: pl.DataFrame(schema=VERSION_SCHEMA) for table in WAREHOUSE_TABLES}
    for table in CODE_VERSIONS:
        recorded[table] = wanted_versions(table, Inputs(catalog, ledger, recorded), recorded[table])
    recorded["exposure_waterfall"] = staged_versions(ledger)
    recorded["experiments"] = recorded["variations"] = version_of_whole(catalog_version(catalog))
    recorded["landing_files"] = version_of_whole(manifest_version(manifest.frame))
    for table in WHOLE_TABLES:
        recorded[table] = version_of_whole(whole_version(table, catalog, recorded))
    with workspace.warehouse.connect() as connection:
        for table, versions in recorded.items():
            replace_versions(connection, WAREHOUSE_TABLES[table], WHOLE_TABLE, versions)


def _ledger(catalog: Catalog, inputs: pl.DataFrame) -> pl.DataFrame:
    """As if every experiment had exposures and cohorts on twenty days."""
    numbered = pl.DataFrame({"key": list(catalog.experiments)}).with_row_index("number")
    offsets = pl.DataFrame({"offset": range(_DAYS_PER_EXPERIMENT)})
    day = pl.lit(date(2026, 1, 1)) + pl.duration(
        days=pl.col("number") * 7 % (_DAYS - _DAYS_PER_EXPERIMENT) + pl.col("offset")
    )
    held = numbered.join(offsets, how="cross").select(
        "key", day=day, digest=pl.struct("key", "offset").hash()
    )
    accepted = held.drop("digest").join(acceptance(catalog, numbered["key"]), on="key")
    columns = ["day", "kind", "key", "digest"]
    return pl.concat(
        [
            recorded_inputs(inputs, catalog),
            inputs.select("day", kind=pl.lit("metric_events"), key=pl.lit("purchase"), digest="inputs"),
            accepted.with_columns(kind=pl.lit(ACCEPTANCE)).select(columns),
            *(
                held.with_columns(kind=pl.lit(kind)).select(columns)
                for kind in ("exposure_events", "assignment_events", COHORT)
            ),
        ]
    )


def time_ticks(settings: Settings, home: Path) -> None:
    """Print the seconds of three ticks, and the most memory that they took."""
    os.environ["DAGSTER_HOME"] = str(dagster_home(home))
    logging.getLogger("dagster").setLevel(logging.ERROR)
    workspace = Workspace(settings)
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions(EXPERIMENTS.name or "", list(workspace.catalog().experiments))
        while announce_entries(instance, settings.staging, workspace.catalog()):
            pass
        for _ in range(3):
            started = time.perf_counter()
            result = evaluate(settings, instance, calendar_for(workspace), None)
            seconds = time.perf_counter() - started
            megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            said = (
                result.skip_reason.skip_message
                if result.skip_reason
                else f"{len(result.run_requests or ())} runs"
            )
            print(f"{seconds:.1f} s, {megabytes:,.0f} MB at most: {said}")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sizes = [int(text) for text in sys.argv[2:4]]
    time_ticks(build(place, *(sizes or (100_000, 10_000))), place / "dagster_home")
