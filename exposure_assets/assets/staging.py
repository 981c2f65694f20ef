"""Staging: days of raw events and assignments become exactly-once Parquet, and every row is accounted for.

How a row is judged stands in the transforms; how files are found and read, in the resources.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from exposure_assets.assets.staging_ledger import (
    LedgerEntries,
    changed_experiments,
    cohort_digests,
    undigested,
)
from exposure_assets.contracts import (
    STAGED_TABLES,
    AssignmentEvents,
    Catalog,
    CreditLedger,
    ExposureEvents,
    ExposureWaterfall,
    MetricEvents,
    RejectedEvents,
    SegmentEvents,
    TableContract,
    columns_of,
    empty_frame,
    table_name,
)
from exposure_assets.transforms.acceptance import staged_versions
from exposure_assets.transforms.assignment_events import stage_assignments
from exposure_assets.transforms.attribution import attributed_experiments, attributing_assignments
from exposure_assets.transforms.credit_ledger import credit_ledger
from exposure_assets.transforms.partition_versions import VERSION_SCHEMA
from exposure_assets.transforms.staged_events import malformed_elsewhere, stage_events, well_formed_ids
from resources.landing import LandingZone, Manifest
from resources.landing_days import DamagedFile, stray_rows
from resources.landing_inputs import day_inputs
from resources.landing_order import judge_in_order
from resources.staged_ledger import StagedLedger
from resources.staging import Staging


@dataclass
class StagingReport:
    """What a range of days came to: rows per table, the waterfall and the credit ledger, with their versions.

    The last three count raw rows that a source matched, those of them in the waterfall, and accepted exposures.
    """

    row_counts: dict[str, int] = field(default_factory=dict)
    waterfall: pl.DataFrame = field(default_factory=lambda: empty_frame(ExposureWaterfall))
    ledger: pl.DataFrame = field(default_factory=lambda: empty_frame(CreditLedger))
    versions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=VERSION_SCHEMA))
    matched_rows: int = 0
    judged_rows: int = 0
    exposure_rows: int = 0

    def count(self, contract: type[TableContract], frame: pl.DataFrame) -> None:
        """Add the rows of a frame to those of its table."""
        table = table_name(contract)
        self.row_counts[table] = self.row_counts.get(table, 0) + frame.height


def stage_days(
    zone: LandingZone,
    staging: Staging,
    ledger: StagedLedger,
    catalog: Catalog,
    days: tuple[date, date],
    calendar_starts: date,
) -> StagingReport:
    """Stage the days from the first to the last, both included.

    The calendar's first day also accounts for every row that falls before it: such rows are rejected or belong to
    no experiment, but none is lost.

    A file whose damage only shows when it is read in full is quarantined, and the range starts anew without it:
    a file counts wholly or not at all. What the days were staged from is recorded last: a killed run leaves days that
    count as out of date.
    """
    with staging.writing_alone():
        manifest = zone.refresh()
        while True:
            try:
                entries = LedgerEntries(catalog)
                report = _stage_days(zone, manifest, staging, catalog, entries, days, calendar_starts)
            except DamagedFile as damaged:
                manifest = zone.quarantine(damaged.file, damaged.reason)
            else:
                break
        inputs = day_inputs(zone, manifest, calendar_starts).filter(pl.col("day").is_between(*days))
        report.versions = _record(staging, ledger, catalog, entries.of_days(inputs), days)
        return report


def _record(
    staging: Staging,
    ledger: StagedLedger,
    catalog: Catalog,
    rows: pl.DataFrame,
    days: tuple[date, date],
) -> pl.DataFrame:
    """Record the days' rows and the cohorts that they changed; returns the versions of the days."""
    before = ledger.read()
    changed = changed_experiments(before, rows, days)
    attributed = attributed_experiments(catalog)
    renewed = sorted({*changed, *undigested(before, attributed)})
    ledger.record(days, pl.concat([rows, cohort_digests(staging, renewed, attributed)]), renewed)
    return staged_versions(rows)


def _stage_days(
    zone: LandingZone,
    manifest: Manifest,
    staging: Staging,
    catalog: Catalog,
    entries: LedgerEntries,
    days: tuple[date, date],
    calendar_starts: date,
) -> StagingReport:
    report = StagingReport()
    first = date.min if days[0] == calendar_starts else days[0]
    waterfalls, displays = [report.waterfall], []

    def write(contract: type[TableContract], day: date, frame: pl.DataFrame, part: str = "part-0") -> None:
        staging.write(contract, day, frame, part)
        report.count(contract, frame)
        entries.add(contract, max(day, calendar_starts), frame)

    def events(rows: pl.DataFrame, day: date, settled: pl.Series, suspects: pl.Series) -> pl.Series:
        staged = stage_events(rows, day, catalog, settled, suspects, assigned)
        if day >= calendar_starts:
            write(ExposureEvents, day, staged.exposure_events)
            write(MetricEvents, day, staged.metric_events)
            write(SegmentEvents, day, staged.segment_events)
        write(RejectedEvents, day, staged.rejected_events, part="events")
        waterfalls.append(staged.exposure_waterfall)
        displays.append(staged.displays)
        entries.attributed.setdefault(max(day, calendar_starts), set()).update(staged.attributed)
        report.matched_rows += staged.matched_rows
        report.judged_rows += staged.judged_rows
        report.exposure_rows += staged.exposure_events.height
        return staged.settled_ids

    def assignments(rows: pl.DataFrame, day: date, settled: pl.Series, suspects: pl.Series) -> pl.Series:
        staged = stage_assignments(rows, day, catalog, settled, suspects)
        if day >= calendar_starts:
            write(AssignmentEvents, day, staged.assignment_events)
        write(RejectedEvents, day, staged.rejected_events, part="assignments")
        return staged.settled_ids

    days = (first, days[1])
    # Displays are credited by the assignments of their units, which therefore come first.
    _stage_stream(zone, manifest, staging, Judge("assignments", catalog, assignments), days)
    assigned = attributing_assignments(staging.scan(AssignmentEvents), catalog, days[1])
    entries.assigned = assigned
    _stage_stream(zone, manifest, staging, Judge("events", catalog, events), days)
    for rows in stray_rows(zone, manifest, "events", arrived=days, outside=days):
        waterfall, counts = malformed_elsewhere(rows, catalog)
        waterfalls.append(waterfall)
        displays.append(counts)
    is_of_days = pl.col("exposure_date").is_between(*days)
    report.waterfall = (
        pl.concat(waterfalls)
        .filter(is_of_days)
        .group_by("experiment_id", "exposure_date", "bucket")
        .agg(pl.col("row_count").sum())
        .select(columns_of(ExposureWaterfall).keys())
    )
    report.ledger = credit_ledger(counts.filter(is_of_days) for counts in displays)
    return report


@dataclass(frozen=True)
class Judge:
    """How the rows of a stream are judged: a day's rows go in, the ids that the day settles come out."""

    stream: str
    catalog: Catalog
    stage: Callable[[pl.DataFrame, date, pl.Series, pl.Series], pl.Series]

    def counting_ids(self, rows: pl.DataFrame) -> pl.Series:
        """The ids of rows that take part in deduplication."""
        return well_formed_ids(rows, self.catalog) if self.stream == "events" else rows["event_id"].unique()


def _stage_stream(
    zone: LandingZone, manifest: Manifest, staging: Staging, judge: Judge, days: tuple[date, date]
) -> None:
    """Judge the days in their order, those too whose files are gone: they have to lose their staged rows."""
    staged_before = {day for table in STAGED_TABLES.values() for day in staging.days(table, days)}
    judge_in_order(zone, manifest, judge.stream, days, staged_before, judge.counting_ids, judge.stage)
