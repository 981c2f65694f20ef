"""A small graph materialised by Dagster itself: what it publishes, hands on, refuses and tells.

How rows are stored is tested in `test_warehouse`.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest

from exposure_assets.contracts import (
    Assignments,
    Experiments,
    ExposureWaterfall,
    UnitOutcomes,
    Variations,
    columns_of,
)
from exposure_assets.transforms.partition_versions import VERSION_SCHEMA
from exposure_assets_tests.resources.warehouse_rows import assigned, day, part, units
from partitions.calendar import split_key
from resources.warehouse import Warehouse, slices_of
from resources.warehouse_io_manager import Publication, UnknownTable, WarehouseIOManager, WarehouseWindow

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-11")
EXPERIMENTS = dg.DynamicPartitionsDefinition(name="experiments")
DAY_BY_EXPERIMENT = dg.MultiPartitionsDefinition({"date": DAYS, "experiment": EXPERIMENTS})
OBSERVED = dg.MultiPartitionMapping(
    {
        "date": dg.DimensionPartitionMapping(
            "date",
            dg.TimeWindowPartitionMapping(
                start_offset=-2, end_offset=3, allow_nonexistent_upstream_partitions=True
            ),
        ),
        "experiment": dg.DimensionPartitionMapping("experiment", dg.IdentityPartitionMapping()),
    }
)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        ephemeral.add_dynamic_partitions("experiments", ["a", "b", "c"])
        yield ephemeral


def units_of(keys: Sequence[str]) -> Iterator[pl.DataFrame]:
    """One frame per experiment, with one unit per day."""
    for part_of_run in slices_of(keys):
        first, last = part_of_run.first_day, part_of_run.last_day
        assert first is not None and last is not None
        numbers = [(first + timedelta(days=offset)).day for offset in range((last - first).days + 1)]
        for experiment in part_of_run.experiments or ():
            yield assigned(*((experiment, f"{experiment}{number}", number) for number in numbers))


def versions_of(keys: Sequence[str]) -> pl.DataFrame:
    """The day of the month as the version of every partition."""
    rows = [(on, experiment, on.day) for on, experiment in map(split_key, keys)]
    return pl.DataFrame(rows, schema=VERSION_SCHEMA, orient="row")


@dg.asset(
    name="assignments", partitions_def=DAY_BY_EXPERIMENT, backfill_policy=dg.BackfillPolicy.single_run()
)
def assignments(context: dg.AssetExecutionContext) -> dg.Output[Any]:
    keys = context.partition_keys
    return dg.Output(Publication(frames=lambda: units_of(keys), versions=lambda: versions_of(keys)))


def materialize(
    instance: dg.DagsterInstance,
    url: str,
    assets: Sequence[dg.AssetsDefinition],
    selection: str,
    keys: tuple[str, str] | str | None = None,
    raise_on_error: bool = True,
) -> dg.ExecuteInProcessResult:
    tags = (
        {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[1]}
        if isinstance(keys, tuple)
        else {}
    )
    return dg.materialize(
        list(assets),
        selection=[selection],
        instance=instance,
        resources={"io_manager": WarehouseIOManager(database=url)},
        partition_key=keys if isinstance(keys, str) else None,
        tags=tags,
        raise_on_error=raise_on_error,
    )


def metadata_by_partition(result: dg.ExecuteInProcessResult) -> dict[str | None, dict[str, Any]]:
    events = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.is_step_materialization
    ]
    return {event.partition: {key: value.value for key, value in event.metadata.items()} for event in events}


def test_a_range_of_partitions_is_published_by_one_run(instance: dg.DagsterInstance, warehouse_url: str):
    result = materialize(
        instance, warehouse_url, [assignments], "assignments", ("2026-01-02|a", "2026-01-04|b")
    )
    assert result.success
    assert units(Warehouse(warehouse_url).scan(Assignments)) == [
        (experiment, f"{experiment}{number}", number) for experiment in "ab" for number in (2, 3, 4)
    ]
    assert len(metadata_by_partition(result)) == 6


def test_running_again_or_in_another_order_changes_nothing(instance: dg.DagsterInstance, warehouse_url: str):
    for keys in (
        ("2026-01-03|a", "2026-01-04|c"),
        "2026-01-02|b",
        ("2026-01-01|a", "2026-01-03|c"),
        "2026-01-02|b",
    ):
        materialize(instance, warehouse_url, [assignments], "assignments", keys)
    assert units(Warehouse(warehouse_url).scan(Assignments)) == [
        (experiment, f"{experiment}{number}", number) for experiment in "abc" for number in (1, 2, 3, 4)
    ]


def test_metadata_tells_rows_of_the_run_and_of_the_partition(
    instance: dg.DagsterInstance, warehouse_url: str
):
    result = materialize(
        instance, warehouse_url, [assignments], "assignments", ("2026-01-02|a", "2026-01-04|b")
    )
    told = metadata_by_partition(result)["2026-01-03|a"]
    assert told["dagster/row_count"] == 6
    assert told["dagster/partition_row_count"] == 1


def test_what_partitions_were_computed_from_is_recorded_with_their_rows(
    instance: dg.DagsterInstance, warehouse_url: str
):
    materialize(instance, warehouse_url, [assignments], "assignments", ("2026-01-02|a", "2026-01-03|b"))
    recorded = Warehouse(warehouse_url).versions([Assignments])["assignments"]
    assert sorted(recorded.rows()) == sorted(
        (day(number), experiment, number) for number in (2, 3) for experiment in "ab"
    )
    unknown = assignments_of([assigned(("a", "a2", 2))])
    materialize(instance, warehouse_url, [unknown], "assignments", "2026-01-02|a")
    recorded = Warehouse(warehouse_url).versions([Assignments])["assignments"]
    assert recorded.filter(day=day(2))["experiment_id"].to_list() == ["b"]


def window_asset(seen: dict[str, Any]) -> dg.AssetsDefinition:
    @dg.asset(
        name="unit_outcomes",
        partitions_def=DAY_BY_EXPERIMENT,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"assignments": dg.AssetIn(partition_mapping=OBSERVED)},
    )
    def unit_outcomes(assignments: WarehouseWindow) -> pl.DataFrame:
        seen["window"] = assignments
        return pl.DataFrame(schema=columns_of(UnitOutcomes) | {"revenue": pl.Float64()})

    return unit_outcomes


def test_a_window_of_days_holds_what_exists_of_it_and_reads_by_experiment(
    instance: dg.DagsterInstance, warehouse_url: str
):
    materialize(instance, warehouse_url, [assignments], "assignments", ("2026-01-01|a", "2026-01-10|c"))
    seen: dict[str, Any] = {}
    graph = [assignments, window_asset(seen)]
    materialize(instance, warehouse_url, graph, "unit_outcomes", ("2026-01-01|a", "2026-01-02|b"))
    window: WarehouseWindow = seen["window"]
    assert window.slices == (part(1, 5, "a", "b"),)
    assert window.row_counts() == {"a": 5, "b": 5}
    assert units(window.scan(["b", "c"])) == [("b", f"b{number}", number) for number in (1, 2, 3, 4, 5)]
    assert window.scan(columns=["unit_id"]).collect().width == 1
    materialize(instance, warehouse_url, graph, "unit_outcomes", "2026-01-09|c")
    assert seen["window"].slices == (part(7, 10, "c"),)


def test_metric_columns_of_an_output_grow_the_table(instance: dg.DagsterInstance, warehouse_url: str):
    materialize(instance, warehouse_url, [assignments, window_asset({})], "unit_outcomes", "2026-01-01|a")
    assert Warehouse(warehouse_url).scan(UnitOutcomes).collect().schema["revenue"] == pl.Float64


def test_inputs_come_as_frames_where_the_asset_asks_for_frames(
    instance: dg.DagsterInstance, warehouse_url: str
):
    seen: dict[str, Any] = {}

    @dg.asset
    def variations() -> pl.LazyFrame:
        rows = {
            "experiment_id": ["a"],
            "variation_id": ["control"],
            "allocation": [1.0],
            "is_control": [True],
        }
        return pl.LazyFrame(rows)

    @dg.asset
    def experiments(variations: pl.LazyFrame, assignments: pl.DataFrame) -> dg.Output[Any]:
        seen.update(variations=variations.collect(), assignments=assignments)
        return dg.Output([])

    graph = [assignments, variations, experiments]
    materialize(instance, warehouse_url, graph, "variations")
    materialize(instance, warehouse_url, graph, "assignments", ("2026-01-01|a", "2026-01-02|b"))
    result = materialize(instance, warehouse_url, graph, "experiments")
    assert Warehouse(warehouse_url).scan(Variations).collect().equals(seen["variations"])
    assert seen["assignments"].height == 4
    told = metadata_by_partition(result)[None]
    assert (told["dagster/row_count"], "dagster/partition_row_count" in told) == (0, False)
    assert told["dagster/table_name"] == "experiments"
    columns = {column.name: column for column in told["dagster/column_schema"].columns}
    assert list(columns) == list(columns_of(Experiments))
    assert columns["start_at"].type == "TIMESTAMP WITH TIME ZONE"


def assignments_of(frames: Any) -> dg.AssetsDefinition:
    @dg.asset(
        name="assignments", partitions_def=DAY_BY_EXPERIMENT, backfill_policy=dg.BackfillPolicy.single_run()
    )
    def broken() -> dg.Output[Any]:
        return dg.Output(frames)

    return broken


def failure(result: dg.ExecuteInProcessResult) -> Any:
    return result.failure_data_for_node("assignments")


def test_rows_that_break_their_contract_are_not_published_and_the_run_shows_them(
    instance: dg.DagsterInstance, warehouse_url: str
):
    keys = ("2026-01-01|a", "2026-01-02|a")
    materialize(instance, warehouse_url, [assignments], "assignments", keys)
    bad = assigned(("a", "bad unit", 2)).with_columns(is_conflicting=pl.lit(True))
    broken = assignments_of([assigned(("a", "good unit", 1)), bad])
    result = materialize(instance, warehouse_url, [broken], "assignments", keys, raise_on_error=False)
    assert not result.success
    shown = failure(result).user_failure_data
    assert "assignments: the rows break the contract, nothing was published" in shown.description
    assert "bad unit" in shown.description
    assert "broken_rules" in shown.metadata
    assert units(Warehouse(warehouse_url).scan(Assignments)) == [("a", "a1", 1), ("a", "a2", 2)]


def test_rows_outside_the_run_s_partitions_are_not_published(
    instance: dg.DagsterInstance, warehouse_url: str
):
    broken = assignments_of([assigned(("a", "ann", 3))])
    result = materialize(
        instance, warehouse_url, [broken], "assignments", "2026-01-01|a", raise_on_error=False
    )
    assert not result.success
    assert "RowsOutsidePartition" in failure(result).error.to_string()
    assert units(Warehouse(warehouse_url).scan(Assignments)) == []


def test_an_output_without_rows_empties_its_partitions(instance: dg.DagsterInstance, warehouse_url: str):
    keys = ("2026-01-01|a", "2026-01-02|b")
    materialize(instance, warehouse_url, [assignments], "assignments", keys)
    result = materialize(
        instance, warehouse_url, [assignments_of([])], "assignments", ("2026-01-01|a", "2026-01-02|a")
    )
    assert units(Warehouse(warehouse_url).scan(Assignments)) == [("b", "b1", 1), ("b", "b2", 2)]
    assert metadata_by_partition(result)["2026-01-01|a"]["dagster/partition_row_count"] == 0


def waterfall_asset(rows: list[tuple[date, int]]) -> dg.AssetsDefinition:
    frame = pl.DataFrame(
        [(None, each, "malformed", count) for each, count in rows],
        schema=columns_of(ExposureWaterfall),
        orient="row",
    )

    @dg.asset(
        name="exposure_waterfall",
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        metadata={"has_open_start": True},
    )
    def exposure_waterfall() -> pl.DataFrame:
        return frame

    return exposure_waterfall


def test_the_first_day_also_stands_for_the_days_before_it_where_the_asset_says_so(
    instance: dg.DagsterInstance, warehouse_url: str
):
    before = date(1969, 1, 1)
    asset = waterfall_asset([(before, 1), (day(1), 2)])
    for _ in range(2):
        materialize(instance, warehouse_url, [asset], "exposure_waterfall", "2026-01-01")
    later = waterfall_asset([(day(2), 3)])
    materialize(instance, warehouse_url, [later], "exposure_waterfall", "2026-01-02")
    rows = Warehouse(warehouse_url).scan(ExposureWaterfall, columns=["exposure_date", "row_count"]).collect()
    assert sorted(rows.rows()) == [(before, 1), (day(1), 2), (day(2), 3)]
    stray = waterfall_asset([(before, 1)])
    result = materialize(
        instance, warehouse_url, [stray], "exposure_waterfall", "2026-01-02", raise_on_error=False
    )
    assert not result.success


def test_an_asset_without_a_contract_is_named(instance: dg.DagsterInstance, warehouse_url: str):
    @dg.asset
    def nobody_knows_it() -> pl.DataFrame:
        return pl.DataFrame()

    with pytest.raises(UnknownTable, match="nobody_knows_it"):
        materialize(instance, warehouse_url, [nobody_knows_it], "nobody_knows_it")


def test_a_unit_that_moves_to_an_earlier_cohort_blocks_neither_run(
    instance: dg.DagsterInstance, warehouse_url: str
):
    warehouse = Warehouse(warehouse_url)
    materialize(
        instance, warehouse_url, [assignments_of([assigned(("a", "ann", 5))])], "assignments", "2026-01-05|a"
    )
    late = assignments_of([assigned(("a", "ann", 2))])
    materialize(instance, warehouse_url, [late], "assignments", "2026-01-02|a")
    assert warehouse.repeated_keys(Assignments).height == 1
    materialize(instance, warehouse_url, [assignments_of([])], "assignments", "2026-01-05|a")
    assert warehouse.repeated_keys(Assignments).is_empty()
    assert units(warehouse.scan(Assignments)) == [("a", "ann", 2)]
