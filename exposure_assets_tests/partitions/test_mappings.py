"""Which upstream partitions a partition is computed from, and which downstream ones a day can change."""

from datetime import date

import dagster as dg
import pytest
from dagster import DagsterInstance

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


def test_the_same_partition_is_one_day_of_one_experiment_both_ways(instance: DagsterInstance):
    assert upstream(instance, mappings.same_partition, BOTH, cell(2, 1)) == {cell(2, 1)}
    assert downstream(instance, mappings.same_partition, BOTH, cell(2, 1)) == {cell(2, 1)}


def test_a_cohort_reads_from_a_week_before_to_the_horizon():
    assert mappings.observed_days(HORIZON) == (7, 28)
    assert mappings.same_day(HORIZON) == (0, 0)


def test_a_definition_concerns_every_day_of_its_experiment_and_no_other(instance: DagsterInstance):
    assert upstream(instance, mappings.its_experiment, EXPERIMENTS, cell(2, 1)) == {"exp"}
    changed = downstream(instance, mappings.its_experiment, EXPERIMENTS, "other")
    assert len(changed) == 90
    assert all(key.endswith("|other") for key in changed)


def test_all_experiments_share_a_day(instance: DagsterInstance):
    assert upstream(instance, mappings.shared_day, CALENDAR.days, cell(2, 1)) == {"2026-02-01"}
    both = {cell(2, 1), cell(2, 1, "other")}
    assert downstream(instance, mappings.shared_day, CALENDAR.days, "2026-02-01") == both


def test_the_days_read_before_an_assignment_are_those_the_calendar_reaches_back():
    first = experiment().start.date() - experiment().first_exposure_date
    assert first.days == mappings.observed_days(HORIZON)[0]
