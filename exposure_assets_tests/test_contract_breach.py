"""A partition that breaks its contract: not published, shown, and red in the UI.

What each contract demands is tested beside the contracts.
"""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.contracts import DailyQuality, columns_of
from exposure_assets_tests.installation import Installation
from partitions.calendar import Calendar
from resources.warehouse import Warehouse
from resources.warehouse_io_manager import CONTRACT_CHECK, WarehouseIOManager

DAY = date(2026, 1, 1)


def row(variation_id: str, assigned_units: int, exposed_units: int) -> dict[str, Any]:
    counts = dict.fromkeys((name for name in columns_of(DailyQuality) if name.endswith("_units")), 0)
    total = {"unassigned_exposed_units": 0 if variation_id == "*" else None}
    key = {"experiment_id": "exp", "assignment_date": DAY, "variation_id": variation_id}
    return key | counts | total | {"assigned_units": assigned_units, "exposed_units": exposed_units}


def materialise(
    rows: list[dict[str, Any]], place: Path, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    @dg.asset(
        partitions_def=Calendar(DAY, DAY).days_by_experiment,
        io_manager_key="warehouse_io_manager",
        metadata={"partition_expr": DailyQuality.partition_columns()},
    )
    def daily_quality() -> pl.DataFrame:
        return pl.DataFrame(rows, schema=columns_of(DailyQuality))

    return dg.materialize(
        [daily_quality],
        partition_key=dg.MultiPartitionKey({"date": DAY.isoformat(), "experiment": "exp"}),
        resources={"warehouse_io_manager": WarehouseIOManager(database=str(place / "w.duckdb"))},
        instance=instance,
        raise_on_error=False,
    )


def test_readers_keep_the_last_good_rows_and_the_check_turns_red(tmp_path: Path):
    with Installation(tmp_path, tmp_path).instance() as instance:
        instance.add_dynamic_partitions("experiments", ["exp"])
        assert materialise([row("*", 10, 9), row("control", 10, 9)], tmp_path, instance).success
        broken = materialise([row("*", 10, 11), row("control", 10, 9)], tmp_path, instance)
        assert not broken.success
        failure = next(event for event in broken.all_events if event.is_step_failure)
        shown = failure.step_failure_data.user_failure_data
        assert shown is not None and shown.description is not None
        assert "no count of units exceeds assigned_units (1 rows)" in shown.description
        check = instance.event_log_storage.get_latest_asset_check_execution_by_key(
            [dg.AssetCheckKey(dg.AssetKey("daily_quality"), CONTRACT_CHECK)]
        )
        assert [record.status.value for record in check.values()] == ["FAILED"]
    kept = Warehouse(str(tmp_path / "w.duckdb")).scan(DailyQuality).collect()
    assert sorted(kept["exposed_units"]) == [9, 9]
