"""Numbers per partition, as Dagster's event log has them after a run over several partitions.

Which numbers a table has is tested with the table.
"""

import dagster as dg

from resources.partition_metadata import describe_partitions

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-04")


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def exposures(context: dg.AssetExecutionContext) -> None:
    step = context.op_execution_context.get_step_execution_context()
    describe_partitions(step, context.asset_key, {"2026-01-01": {"rows": 1}, "2026-01-02": {"rows": 2}})
    describe_partitions(step, context.asset_key, {"2026-01-02": {"health": "ok"}})


def test_each_partition_of_a_run_gets_its_own_numbers_and_keeps_those_it_got_before():
    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [exposures],
            instance=instance,
            tags={
                "dagster/asset_partition_range_start": "2026-01-01",
                "dagster/asset_partition_range_end": "2026-01-03",
            },
        )
        events = instance.fetch_materializations(exposures.key, limit=10).records
        found = {
            record.partition_key: {
                name: value.value for name, value in record.asset_materialization.metadata.items()
            }
            for record in events
            if record.asset_materialization is not None
        }
    assert found == {
        "2026-01-01": {"rows": 1},
        "2026-01-02": {"rows": 2, "health": "ok"},
        "2026-01-03": {},
    }
