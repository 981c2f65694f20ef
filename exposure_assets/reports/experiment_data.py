"""What a page says of an experiment: its rows in the tables, as of a day, and what the catalog declares.

How tables are read stands in the resources; how rows are shown, in the figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from exposure_assets.contracts import (
    WAREHOUSE_TABLES,
    Experiment,
    TableContract,
    empty_frame,
)
from exposure_assets.contracts.catalog_values import nearest

# The tables of a page, and the column of each that says since when a row was known.
DAY_COLUMNS = {
    "exposure_waterfall": "exposure_date",
    "daily_quality": "assignment_date",
    "stage_counts": "reached_date",
    "sample_ratios": "as_of_date",
    "sample_ratio_intervals": "as_of_date",
    "exposure_delays": "exposed_date",
    "experiment_quality_report": "as_of_date",
    "experiment_results": "as_of_date",
    "explanations": "assignment_date",
}


class NoSuchExperiment(ValueError):
    """The catalog has no experiment of that id."""


class NoSuchDay(ValueError):
    """There is nothing to report as of that day."""


@dataclass(frozen=True)
class ExperimentData:
    """An experiment and its rows as of a day, which is over then.

    Attributes:
        experiment: As the catalog has it.
        as_of_date: Rows that were not known by the end of this UTC day are left out.
        data_until: The last UTC day with data; cohorts that can still change are told by it.
        tables: By name the rows of the experiment, sorted by their grain.
        unattributed: Raw exposure rows of those days that name no experiment of the catalog, per bucket.
        catalog_digest: Of the catalog that the page was made with.
    """

    experiment: Experiment
    as_of_date: date
    data_until: date
    tables: Mapping[str, pl.DataFrame]
    unattributed: Mapping[str, int]
    catalog_digest: str

    def rows(self, table: str) -> pl.DataFrame:
        """The rows of a table; none where it has not been computed."""
        return self.tables[table]

    @property
    def variation_ids(self) -> list[str]:
        """The control first, then the treatments as the catalog lists them."""
        control = self.experiment.control.id
        return [control, *(v.id for v in self.experiment.variations if v.id != control)]

    @property
    def is_latest(self) -> bool:
        """Whether nothing is known beyond the day of the page."""
        return self.as_of_date == last_day(self.experiment, self.data_until)


def report_tables() -> dict[str, type[TableContract]]:
    """The tables that a page shows."""
    return {name: WAREHOUSE_TABLES[name] for name in DAY_COLUMNS}


def last_day(experiment: Experiment, data_until: date) -> date:
    """The last day on which anything of an experiment can have changed."""
    return min(data_until, experiment.last_completion_date or data_until)


def day_to_report(experiment: Experiment, data_until: date | None, day: date | None) -> date:
    """The day of a page: the one that is asked for, or the last one with data.

    Raises:
        NoSuchDay: the experiment had not started, or the data don't reach so far.
    """
    starts = experiment.start.date()
    if data_until is None:
        raise NoSuchDay(
            f"experiment {experiment.id}: found no data, expected days from {starts} on; run exposure-assets backfill."
        )
    if data_until < starts:
        raise NoSuchDay(
            f"experiment {experiment.id}: found data until {data_until}, expected days from its start on, which is "
            f"{starts}; run exposure-assets backfill when there are some."
        )
    if day is None:
        return last_day(experiment, data_until)
    if not starts <= day <= data_until:
        raise NoSuchDay(
            f"--day {day}: found a day {'before' if day < starts else 'after'} what is known of {experiment.id}, "
            f"expected one from {starts} (its start) to {data_until} (the last day with data)."
        )
    return day


def experiment_data(
    experiment: Experiment,
    tables: Mapping[str, pl.DataFrame],
    as_of_date: date,
    data_until: date,
    catalog_digest: str,
) -> ExperimentData:
    """An experiment's rows as of a day.

    Args:
        experiment: As the catalog has it.
        tables: By name rows that obey their contracts, of any experiments; tables that are missing have none.
        as_of_date: The day.
        data_until: The last UTC day with data.
        catalog_digest: Of the catalog.
    """
    known = {
        name: _until(tables.get(name, empty_frame(contract)), contract, DAY_COLUMNS[name], as_of_date)
        for name, contract in report_tables().items()
    }
    is_mine = pl.col("experiment_id") == experiment.id
    days_of_exposure = pl.col("exposure_date") >= experiment.first_exposure_date
    nobody = known["exposure_waterfall"].filter(pl.col("experiment_id").is_null(), days_of_exposure)
    return ExperimentData(
        experiment,
        as_of_date,
        data_until,
        {name: rows.filter(is_mine) for name, rows in known.items()},
        dict(nobody.group_by("bucket").agg(pl.col("row_count").sum()).sort("bucket").iter_rows()),
        catalog_digest,
    )


def known_experiment(experiments: Mapping[str, Experiment], experiment_id: str) -> Experiment:
    """The experiment of an id.

    Raises:
        NoSuchExperiment: there is none; the message has the nearest one there is.
    """
    if experiment_id not in experiments:
        raise NoSuchExperiment(
            f"experiment {experiment_id[:100]}: not in the catalog; {nearest(experiment_id, experiments)}"
        )
    return experiments[experiment_id]


def _until(rows: pl.DataFrame, contract: type[TableContract], column: str, day: date) -> pl.DataFrame:
    return rows.filter(pl.col(column) <= day).sort(contract.grain(), nulls_last=True)
