"""Which UTC days have a partition: from the first day an exposure can count to today, or as far as deliveries reach."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from exposure_assets.contracts import Catalog
from exposure_assets_tests.transforms.rows import catalog, experiment
from partitions.calendar import DATE, EXPERIMENT, EXPERIMENTS, Calendar, calendar_of, partition_key

NOTHING = Catalog(experiments={}, metrics={}, exposure_sources={})


def today() -> date:
    return datetime.now(UTC).date()


def test_the_first_and_the_last_day_have_a_partition_and_their_neighbours_have_none():
    keys = Calendar(date(2026, 2, 27), date(2026, 3, 2)).days.get_partition_keys()
    assert list(keys) == ["2026-02-27", "2026-02-28", "2026-03-01", "2026-03-02"]


def test_a_calendar_of_one_day_has_one_partition():
    assert list(Calendar(date(2026, 1, 1), date(2026, 1, 1)).days.get_partition_keys()) == ["2026-01-01"]


def test_days_are_whole_days_of_utc_when_clocks_change_elsewhere():
    days = Calendar(date(2026, 3, 28), date(2026, 3, 30)).days
    windows = [days.time_window_for_partition_key(key) for key in days.get_partition_keys()]
    assert {window.end - window.start for window in windows} == {timedelta(days=1)}
    assert windows[1].start == datetime(2026, 3, 29, tzinfo=UTC)


def test_a_calendar_that_goes_on_has_today_and_not_tomorrow():
    calendar = Calendar(today() - timedelta(days=2))
    keys = list(calendar.days.get_partition_keys())
    assert keys[:2] == [(today() - timedelta(days=n)).isoformat() for n in (2, 1)]
    assert keys[-1] == calendar.last.isoformat()


def test_the_calendar_starts_a_week_before_the_first_experiment():
    two = catalog(experiment("late", start=datetime(2026, 1, 9, tzinfo=UTC)), experiment("early"))
    assert calendar_of(two, [date(2025, 1, 1)]).first_day == date(2025, 12, 29)


def test_a_segment_that_looks_back_further_starts_the_calendar_earlier():
    looking_back = experiment(segments=[{"id": "s", "event": "search", "start": -28}])
    assert calendar_of(catalog(looking_back), []).first_day == date(2025, 12, 8)


def test_without_experiments_it_starts_with_the_first_delivery_and_without_that_today():
    assert calendar_of(NOTHING, [date(2026, 1, 3), date(2026, 1, 2)]).first_day == date(2026, 1, 2)
    assert calendar_of(NOTHING, []).first_day in (today(), today() - timedelta(days=1))


def test_an_experiment_of_the_future_starts_no_calendar_of_the_future():
    future = catalog(experiment(start=datetime.now(UTC) + timedelta(days=400), end=None))
    assert calendar_of(future, []).first_day <= today()


def test_deliveries_ahead_of_the_clock_move_the_last_day_and_others_do_not():
    ahead = today() + timedelta(days=30)
    assert calendar_of(catalog(), [ahead, date(2026, 1, 1)]).last == ahead
    assert calendar_of(catalog(), [date(2026, 1, 1)]).last_day is None


def test_a_partition_of_day_and_experiment_is_one_key():
    key = partition_key(date(2026, 1, 2), "exp")
    assert key.keys_by_dimension == {DATE: "2026-01-02", EXPERIMENT: "exp"}
    calendar = Calendar(date(2026, 1, 1), date(2026, 1, 2))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(EXPERIMENTS.name), ["exp", "other"])
        keys = calendar.days_by_experiment.get_partition_keys(dynamic_partitions_store=instance)
    assert len(keys) == 4
    assert key in keys


def test_days_by_experiment_have_the_keys_of_dagsters_own_product():
    calendar = Calendar(date(2026, 3, 1), date(2026, 3, 3))
    mine = calendar.days_by_experiment
    stock = dg.MultiPartitionsDefinition({"date": calendar.days, "experiment": EXPERIMENTS})
    assert mine == stock
    with dg.DagsterInstance.ephemeral() as instance:
        for experiment in ("b", "a|c", "a"):
            instance.add_dynamic_partitions("experiments", [experiment])
            keys = [one.get_partition_keys(dynamic_partitions_store=instance) for one in (mine, stock)]
            assert keys[0] == keys[1]
            assert [key.keys_by_dimension for key in keys[0]] == [key.keys_by_dimension for key in keys[1]]
        instance.delete_dynamic_partition("experiments", "b")
        assert len(mine.get_partition_keys(dynamic_partitions_store=instance)) == 3
