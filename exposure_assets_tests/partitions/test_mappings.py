"""Which upstream partitions a partition is computed from, and which downstream ones a day can change."""

from collections.abc import Callable
from datetime import date, timedelta

import dagster as dg
import pytest
from dagster import DagsterInstance

from exposure_assets.transforms.daily_quality import last_assignment_day_that_counts
from exposure_assets_tests.transforms.rows import experiment
from partitions import mappings
from partitions.calendar import EXPERIMENTS, Calendar, partition_key

CALENDAR = Calendar(date(2026, 1, 1), date(2026, 3, 31))
BOTH = CALENDAR.days_by_experiment
HORIZON = 28


@pytest.fixture
def instance() -> DagsterInstance:
    store = DagsterInstance.ephemeral()
    store.add_dynamic_partitions(str(EXPERIMENTS.name), ["exp", "other"])
    return store


def upstream(
    instance: DagsterInstance, mapping: mappings.Mapping, of: dg.PartitionsDefinition, key: str
) -> set[str]:
    """The keys of `of` that the partition `key` of a table by day and experiment reads."""
    subset = BOTH.empty_subset().with_partition_keys([key])
    found = mapping(HORIZON).get_upstream_mapped_partitions_result_for_partitions(
        subset, BOTH, of, dynamic_partitions_store=instance
    )
    return set(found.partitions_subset.get_partition_keys())


def downstream(
    instance: DagsterInstance, mapping: mappings.Mapping, of: dg.PartitionsDefinition, key: str
) -> set[str]:
    """The keys of a table by day and experiment that the partition `key` of `of` changes."""
    subset = of.empty_subset().with_partition_keys([key])
    found = mapping(HORIZON).get_downstream_partitions_for_partitions(
        subset, of, BOTH, dynamic_partitions_store=instance
    )
    return set(found.get_partition_keys())


def cell(month: int, day: int, name: str = "exp") -> str:
    return str(partition_key(date(2026, month, day), name))


def cells(first: date, last: date, name: str = "exp") -> set[str]:
    days = [date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)]
    return {str(partition_key(day, name)) for day in days}


def test_the_same_partition_is_one_day_of_one_experiment_both_ways(instance: DagsterInstance):
    assert upstream(instance, mappings.same_partition, BOTH, cell(2, 1)) == {cell(2, 1)}
    assert downstream(instance, mappings.same_partition, BOTH, cell(2, 1)) == {cell(2, 1)}


def test_a_cohort_reads_from_a_week_before_to_the_horizon_of_its_own_experiment(instance: DagsterInstance):
    found = upstream(instance, mappings.observed_days, BOTH, cell(2, 1))
    assert found == cells(date(2026, 1, 25), date(2026, 3, 1))


def test_a_day_of_exposures_changes_only_cohorts_inside_the_horizon(instance: DagsterInstance):
    found = downstream(instance, mappings.observed_days, BOTH, cell(2, 20, "other"))
    assert found == cells(date(2026, 1, 23), date(2026, 2, 27), "other")


def test_at_the_edges_of_the_calendar_there_is_less_to_read(instance: DagsterInstance):
    assert upstream(instance, mappings.observed_days, BOTH, cell(1, 2)) == cells(
        date(2026, 1, 1), date(2026, 1, 30)
    )
    assert upstream(instance, mappings.observed_days, BOTH, cell(3, 30)) == cells(
        date(2026, 3, 23), date(2026, 3, 31)
    )


def test_all_experiments_share_a_day(instance: DagsterInstance):
    assert upstream(instance, mappings.shared_day, CALENDAR.days, cell(2, 1)) == {"2026-02-01"}
    both = {cell(2, 1), cell(2, 1, "other")}
    assert downstream(instance, mappings.shared_day, CALENDAR.days, "2026-02-01") == both


def test_a_day_of_quality_reads_the_assignments_from_the_horizon_before_it_to_a_week_after(
    instance: DagsterInstance,
):
    found = upstream(instance, mappings.assigned_days, BOTH, cell(2, 1))
    assert found == cells(date(2026, 1, 4), date(2026, 2, 8))


@pytest.mark.parametrize("mapping", [mappings.same_partition, mappings.observed_days, mappings.shared_day])
def test_no_mapping_reads_the_future_beyond_the_horizon(
    instance: DagsterInstance, mapping: Callable[[int], dg.PartitionMapping]
):
    of = CALENDAR.days if mapping is mappings.shared_day else BOTH
    days = {key.split("|")[0] for key in upstream(instance, mapping, of, cell(2, 1))}
    assert max(days) <= "2026-03-01"
    assert min(days) >= "2026-01-25"


def test_a_unit_counts_as_assigned_as_long_after_its_exposure_as_the_edge_reaches():
    last = last_assignment_day_that_counts(date(2026, 2, 1))
    assert last - date(2026, 2, 1) == timedelta(days=mappings.DAYS_TO_ASSIGN_AFTER_EXPOSURE)


def test_the_days_read_before_an_assignment_are_those_the_calendar_reaches_back():
    first = experiment().start.date() - experiment().first_exposure_date
    assert first.days == mappings.DAYS_OBSERVED_BEFORE_ASSIGNMENT
