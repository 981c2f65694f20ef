"""One day of raw events, judged: accepted exposures, metric events, rejected rows and the waterfall.

The parts stand in `exposure_events`, `metric_events` and `exactly_once`; files and folders in the resources.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from exposure_assets.contracts import (
    Catalog,
    ExposureEvents,
    ExposureWaterfall,
    RejectedEvents,
    columns_of,
    empty_frame,
)
from exposure_assets.transforms.attribution import (
    AWAITS_ASSIGNMENT,
    BUCKET,
    CANDIDATES,
    ROW,
    credited,
    one_credit_per_display,
)
from exposure_assets.transforms.credit_ledger import display_counts
from exposure_assets.transforms.exactly_once import copies, settled_by
from exposure_assets.transforms.exposure_events import (
    exposure_outcomes,
    one_bucket_per_row,
    source_paths,
    with_days_and_copies,
)
from exposure_assets.transforms.fields import properties_text, with_fields
from exposure_assets.transforms.metric_events import metric_events
from exposure_assets.transforms.segment_events import segment_events

# The order in which copies are compared after their time: the contract's order of the columns.
_REMAINING = ("event_name", "unit_id", "ingested_at", "session_id", "value")
# Copies that are alike in every field differ in their file alone: the first by name counts, the others are named.
DELIVERY = ("arrival_date", "file")


@dataclass(frozen=True)
class StagedEvents:
    """What a day of raw events came to; every frame obeys the contract of its name.

    `matched_rows` raw rows were matched by a source, `judged_rows` of them stand in the waterfall: all of them.
    `displays` counts those of coenrolling features, as parts of the credit ledger; the assignments of the experiments
    `attributed` decided about some of them.
    """

    exposure_events: pl.DataFrame
    metric_events: pl.DataFrame
    segment_events: pl.DataFrame
    rejected_events: pl.DataFrame
    exposure_waterfall: pl.DataFrame
    displays: pl.DataFrame
    attributed: list[str]
    settled_ids: pl.Series
    matched_rows: int
    judged_rows: int


def stage_events(
    rows: pl.DataFrame,
    day: date,
    catalog: Catalog,
    settled_ids: pl.Series,
    suspect_hashes: pl.Series,
    assigned: pl.DataFrame,
) -> StagedEvents:
    """Judge the raw rows of one UTC day, and the rows without a day that arrived on it.

    Every raw row that an exposure source matches ends in exactly one bucket; malformed rows have no day and count
    on their arrival day.

    Args:
        rows: Raw events with the stream's columns, `file`, `arrival_date` and `is_broken` (it has no day).
        day: The UTC day.
        catalog: Experiments, sources, metrics.
        settled_ids: Ids that count on an earlier day.
        suspect_hashes: Hashes of the ids that stand on several days.
        assigned: The assignments that decide about displays, of `attribution.attributing_assignments`.
    """
    rows = rows.with_row_index(ROW)
    malformed_rows, outcomes = _malformed(rows, _outcomes(rows, catalog))
    of_day = rows.filter(~pl.col(ROW).is_in(malformed_rows.implode()))
    is_copy = _copies(of_day, settled_ids)
    counting = of_day.filter(~is_copy)
    well_formed = outcomes.join(of_day.select(ROW), on=ROW, how="semi").filter(pl.col(BUCKET) != "malformed")
    judged = with_days_and_copies(
        one_credit_per_display(credited(well_formed, rows, day, catalog, assigned), catalog.exposure_sources),
        of_day.filter(is_copy)[ROW],
        day,
        catalog.experiments,
    )
    malformed = outcomes.filter(pl.col(BUCKET) == "malformed")
    matched = pl.concat([judged, malformed])
    verdicts = one_bucket_per_row(matched)
    return StagedEvents(
        exposure_events=_exposures(verdicts, rows, day),
        metric_events=metric_events(counting, catalog.metrics),
        segment_events=segment_events(counting, catalog),
        rejected_events=_rejected(verdicts, rows, of_day.filter(is_copy)),
        exposure_waterfall=_waterfall(verdicts, rows, day),
        displays=display_counts(_with_days(verdicts, rows, day), catalog.exposure_sources),
        attributed=_attributed(well_formed),
        settled_ids=settled_by(counting, suspect_hashes),
        matched_rows=matched[ROW].n_unique(),
        judged_rows=verdicts[ROW].n_unique(),
    )


def well_formed_ids(rows: pl.DataFrame, catalog: Catalog) -> pl.Series:
    """The ids among raw rows whose rows take part in deduplication.

    Args:
        rows: Raw events that have a day.
        catalog: Experiments and sources.
    """
    rows = rows.with_row_index(ROW)
    malformed_rows, _ = _malformed(rows, _outcomes(rows, catalog))
    return rows.filter(~pl.col(ROW).is_in(malformed_rows.implode()))["event_id"].unique()


def malformed_elsewhere(rows: pl.DataFrame, catalog: Catalog) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of raw rows that fall on other days than the staged ones the malformed ones: they count where they arrived.

    Returns:
        Their waterfall, and what of them are displays of coenrolling features.

    Args:
        rows: Raw events with the columns of `stage_events`.
        catalog: Experiments and sources.
    """
    rows = rows.with_row_index(ROW)
    _, outcomes = _malformed(rows, _outcomes(rows, catalog))
    verdicts = one_bucket_per_row(outcomes.filter(pl.col(BUCKET) == "malformed"))
    displays = display_counts(_with_days(verdicts, rows, date.min), catalog.exposure_sources)
    return _waterfall(verdicts, rows, date.min), displays


def _outcomes(rows: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    names = sorted({source.event for source in catalog.exposure_sources.values()})
    return exposure_outcomes(
        with_fields(rows.filter(pl.col("event_name").is_in(names)), source_paths(catalog)), catalog
    )


def _malformed(rows: pl.DataFrame, outcomes: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """The rows that take no part in deduplication, and the outcomes with broken rows marked malformed.

    A row that several sources match is malformed only where all of them say so.
    """
    broken = rows.filter("is_broken")[ROW]
    outcomes = outcomes.with_columns(
        pl.when(pl.col(ROW).is_in(broken.implode())).then(pl.lit("malformed")).otherwise(BUCKET).alias(BUCKET)
    )
    unreadable = outcomes.filter(pl.col(BUCKET) == "malformed").select(ROW).unique()
    readable = outcomes.filter(pl.col(BUCKET) != "malformed").select(ROW).unique()
    return pl.concat([broken, unreadable.join(readable, on=ROW, how="anti")[ROW]]).unique(), outcomes


def _copies(of_day: pl.DataFrame, settled_ids: pl.Series) -> pl.Series:
    remaining = [*(pl.col(name) for name in _REMAINING), properties_text(of_day.schema["properties"])]
    return copies(of_day, "occurred_at", remaining, DELIVERY, settled_ids)


def _exposures(verdicts: pl.DataFrame, rows: pl.DataFrame, day: date) -> pl.DataFrame:
    """Accepted exposures in the order of experiment and unit, so that whoever reads one skips the others."""
    accepted = verdicts.filter(pl.col(BUCKET) == "accepted")
    fields = rows.select("event_id", "unit_id", "occurred_at", "session_id")[accepted[ROW]]
    experiments = sorted(accepted["experiment_id"].unique())
    return (
        pl.concat([accepted.select("experiment_id", "variation_id"), fields], how="horizontal")
        .with_columns(exposure_date=pl.lit(day, pl.Date))
        .sort(
            pl.col("experiment_id").cast(pl.Enum(experiments)),
            pl.col("unit_id").hash(),
            pl.col("event_id").hash(),
        )
        .select(columns_of(ExposureEvents).keys())
    )


def _attributed(outcomes: pl.DataFrame) -> list[str]:
    """The experiments whose assignments decide about a display."""
    waiting = outcomes.filter(pl.col(BUCKET) == AWAITS_ASSIGNMENT)
    return sorted(waiting[CANDIDATES].unique().explode().drop_nulls().unique())


def _with_days(verdicts: pl.DataFrame, rows: pl.DataFrame, day: date) -> pl.DataFrame:
    """The verdicts with the day they count on: the arrival day for what has none of its own."""
    arrival_date = rows["arrival_date"].gather(verdicts[ROW])
    return verdicts.with_columns(
        exposure_date=pl.when(pl.col(BUCKET) == "malformed")
        .then(arrival_date)
        .otherwise(pl.lit(day, pl.Date))
    )


def _waterfall(verdicts: pl.DataFrame, rows: pl.DataFrame, day: date) -> pl.DataFrame:
    return (
        _with_days(verdicts, rows, day)
        .group_by("experiment_id", "exposure_date", BUCKET)
        .agg(row_count=pl.len().cast(pl.Int64))
        .select(columns_of(ExposureWaterfall).keys())
    )


def _rejected(verdicts: pl.DataFrame, rows: pl.DataFrame, copied: pl.DataFrame) -> pl.DataFrame:
    """One row per raw row that was not accepted: by its source's verdict, as a copy, or because it is broken."""
    by_source = verdicts.filter(pl.col(BUCKET) != "accepted").select(
        ROW, pl.col(BUCKET).alias("reason"), experiment_id="named_experiment_id", variation_id="variation_id"
    )
    others = pl.concat(
        [
            copied.select(ROW, reason=pl.lit("duplicate")),
            rows.filter("is_broken").select(ROW, reason=pl.lit("malformed")),
        ]
    ).join(by_source, on=ROW, how="anti")
    rejected = pl.concat([by_source, others], how="diagonal").unique(ROW)
    return rejected_rows(rejected, rows, "events", "occurred_at")


def rejected_rows(rejected: pl.DataFrame, rows: pl.DataFrame, stream: str, at: str) -> pl.DataFrame:
    """The rejected raw rows with every field of theirs.

    Args:
        rejected: `ROW`, `reason`, and `experiment_id`, `variation_id` where they are not columns of the stream.
        rows: All raw rows, with `ROW`, `file` and `arrival_date`.
        stream: Name of the stream.
        at: The stream's instant column.
    """
    if rejected.is_empty():
        return empty_frame(RejectedEvents)
    beside = {ROW, "file", "arrival_date", "is_broken"}
    fields = [name for name in rows.columns if name not in beside]
    return (
        rows.join(rejected.drop([name for name in rejected.columns if name in fields]), on=ROW, how="inner")
        .with_columns(
            stream=pl.lit(stream), occurred_at=pl.col(at), row=pl.struct(fields).struct.json_encode()
        )
        .with_columns(
            pl.lit(None, pl.String).alias(name)
            for name in columns_of(RejectedEvents)
            if name
            not in (*fields, *rejected.columns, "stream", "occurred_at", "row", "file", "arrival_date")
        )
        .select(columns_of(RejectedEvents).keys())
    )
