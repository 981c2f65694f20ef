"""What a page is made of: the rows of one experiment that were known by a day, and which days there are."""

from datetime import timedelta

import pytest

from exposure_assets.reports.experiment_data import (
    NoSuchDay,
    NoSuchExperiment,
    day_to_report,
    known_experiment,
    last_day,
)
from exposure_assets_tests.reports.pages import data_of, described, page_tables
from exposure_assets_tests.transforms.rows import at, experiment, january


def test_rows_after_the_day_and_those_of_other_experiments_are_left_out():
    tables = page_tables()
    for name, rows in page_tables("other").items():
        tables[name] = [*tables[name], *rows]
    data = data_of(tables, day=january(3))
    assert data.rows("stage_counts")["experiment_id"].unique().to_list() == ["exp"]
    assert data.rows("stage_counts")["reached_date"].max() == january(3)
    assert data.rows("sample_ratios")["as_of_date"].max() == january(3)
    assert not data.is_latest
    assert data_of().is_latest


def test_raw_rows_that_name_no_experiment_are_counted_from_the_first_day_of_exposures_on():
    row = {"bucket": "malformed", "row_count": 5}
    tables = {
        "exposure_waterfall": [
            {**row, "exposure_date": january(1) - timedelta(days=8)},
            {**row, "exposure_date": january(1) - timedelta(days=7)},
            {**row, "exposure_date": january(2)},
        ]
    }
    assert data_of(tables).unattributed == {"malformed": 10}


def test_an_installation_without_rows_gives_none():
    data = data_of({})
    assert all(rows.is_empty() for rows in data.tables.values())
    assert data.unattributed == {}


def test_the_order_of_rows_does_not_matter():
    backwards = {name: list(reversed(rows)) for name, rows in page_tables().items()}
    for name, rows in data_of().tables.items():
        assert rows.equals(data_of(backwards).rows(name)), name


def test_the_last_day_is_that_of_the_data_or_the_one_after_which_nothing_can_change():
    about = experiment(start=at("01"), end=at("05"), observe_days=7, window_days=3)
    assert last_day(about, january(10)) == january(10)
    assert last_day(about, january(31)) == january(15)
    assert day_to_report(about, january(31), None) == january(15)
    assert day_to_report(about, january(31), january(2)) == january(2)


@pytest.mark.parametrize(
    ("data_until", "day", "said"),
    [
        (None, None, "found no data, expected days from 2026-01-01 on; run exposure-assets backfill"),
        (january(1) - timedelta(days=1), None, "found data until 2025-12-31"),
        (january(9), january(1) - timedelta(days=1), "--day 2025-12-31: found a day before"),
        (january(9), january(10), "--day 2026-01-10: found a day after .* expected one from 2026-01-01"),
    ],
)
def test_a_day_that_nothing_is_known_of_is_refused_with_those_that_there_are(data_until, day, said):
    with pytest.raises(NoSuchDay, match=said):
        day_to_report(described(), data_until, day)


def test_an_experiment_that_is_not_in_the_catalog_is_refused_with_the_nearest_one():
    with pytest.raises(NoSuchExperiment, match="checkot: not in the catalog; did you mean 'checkout'"):
        known_experiment({"checkout": experiment("checkout")}, "checkot")
