"""From raw events to accepted exposures: which source matches, and into which bucket every row goes.

Copies are told apart in `exactly_once`, metric events in `metric_events`; nothing is read or written here.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import polars as pl

from exposure_assets.contracts import Catalog, Experiment, ExposureSource
from exposure_assets.transforms.attribution import (
    BUCKET,
    CANDIDATES,
    ROW,
    SOURCE,
    TEMPLATE,
    displays,
    experiments_of,
    observes,
)
from exposure_assets.transforms.conditions import all_hold
from exposure_assets.transforms.fields import HAS_PROPERTIES, field_column, is_property

_KNOWN = "__known__"
_OUTCOMES = {
    ROW: pl.UInt32,
    SOURCE: pl.String,
    "experiment_id": pl.String,
    "variation_id": pl.String,
    "named_experiment_id": pl.String,
    BUCKET: pl.String,
    CANDIDATES: pl.List(pl.String),
}


def source_paths(catalog: Catalog) -> list[str]:
    """Every field that an exposure source reads."""
    return sorted({path for source in catalog.exposure_sources.values() for path in source.paths})


def exposure_outcomes(rows: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Match raw rows with the exposure sources and say what becomes of each, copies and days left aside.

    Grain out: one row per (raw row, source that matches it): `experiment_id` is the catalog's id or null,
    `named_experiment_id` what the row says, `bucket` one of malformed, unresolved_template, ambiguous_attribution,
    unknown_experiment, unknown_variation and accepted, or, for displays of coenrolling features that the unit's
    assignments decide about, `AWAITS_ASSIGNMENT` with the `CANDIDATES`.

    A verdict depends on the fields alone, and fields repeat: every distinct combination is judged once.

    Args:
        rows: Raw events with `ROW`, `event_name` and the columns of `fields.with_fields`.
        catalog: Sources and experiments.
    """
    named = rows.partition_by("event_name", as_dict=True)
    judged = [
        _judged_by(source, named[(source.event,)], catalog)
        for source in catalog.exposure_sources.values()
        if (source.event,) in named
    ]
    return pl.concat([pl.DataFrame(schema=_OUTCOMES), *judged])


def _judged_by(source: ExposureSource, rows: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    key = [HAS_PROPERTIES, *(field_column(path) for path in source.paths)]
    is_unreadable = ~pl.col(HAS_PROPERTIES) if any(map(is_property, source.paths)) else pl.lit(False)
    distinct = (
        rows.lazy()
        .select(key)
        .unique()
        .filter(is_unreadable | all_hold(source.filter))
        .with_columns(is_unreadable=is_unreadable)
    )
    judge = displays if source.credits_displays else _events
    judged = judge(distinct, source, catalog).with_columns(pl.lit(source.id).alias(SOURCE)).collect()
    return rows.select(ROW, *key).join(judged, on=key, how="inner", nulls_equal=True).select(_OUTCOMES.keys())


def _events(distinct: pl.LazyFrame, source: ExposureSource, catalog: Catalog) -> pl.LazyFrame:
    """What events say that name experiment and variation themselves."""
    experiment = pl.col(field_column(str(source.experiment)))
    variation = pl.col(field_column(str(source.variation)))
    ours = experiments_of(source, catalog)
    return (
        distinct.with_columns(
            pl.lit(None, pl.List(pl.String)).alias(CANDIDATES),
            experiment_id=pl.when(experiment.is_in(list(ours))).then(experiment),
            variation_id=variation,
            named_experiment_id=experiment,
            is_malformed=pl.col("is_unreadable") | experiment.is_null() | variation.is_null(),
        )
        .join(_known_variations(ours), on=["experiment_id", "variation_id"], how="left")
        .with_columns(_bucket(sorted(catalog.experiments)).alias(BUCKET))
    )


def _known_variations(experiments: Mapping[str, Experiment]) -> pl.LazyFrame:
    known = [(e.id, variation.id, True) for e in experiments.values() for variation in e.variations]
    schema = {"experiment_id": pl.String, "variation_id": pl.String, _KNOWN: pl.Boolean}
    return pl.LazyFrame(known, schema=schema, orient="row")


def _bucket(known_ids: Sequence[str]) -> pl.Expr:
    named, variation = pl.col("named_experiment_id"), pl.col("variation_id")
    parts = named.str.split("+")
    has_template = named.str.contains(TEMPLATE, literal=True) | variation.str.contains(TEMPLATE, literal=True)
    is_merged = (parts.list.len() > 1) & parts.list.eval(pl.element().is_in(known_ids)).list.any()
    return (
        pl.when("is_malformed")
        .then(pl.lit("malformed"))
        .when(has_template)
        .then(pl.lit("unresolved_template"))
        .when(is_merged)
        .then(pl.lit("ambiguous_attribution"))
        .when(pl.col("experiment_id").is_null())
        .then(pl.lit("unknown_experiment"))
        .when(pl.col(_KNOWN).is_null())
        .then(pl.lit("unknown_variation"))
        .otherwise(pl.lit("accepted"))
    )


def with_days_and_copies(
    outcomes: pl.DataFrame, copied_rows: pl.Series, day: date, experiments: Mapping[str, Experiment]
) -> pl.DataFrame:
    """Finish the verdict on the well-formed rows of one UTC day: copies, and days outside the experiment.

    Args:
        outcomes: Of `exposure_outcomes`, without the malformed rows.
        copied_rows: `ROW` of the rows that are copies.
        day: The UTC day of all the rows.
        experiments: The catalog's experiments.
    """
    outside = [e.id for e in experiments.values() if not observes(e, day)]
    is_copy = pl.col(ROW).is_in(copied_rows.implode())
    is_outside = (pl.col(BUCKET) == "accepted") & pl.col("experiment_id").is_in(outside)
    return outcomes.with_columns(
        pl.when(is_copy)
        .then(pl.lit("duplicate"))
        .when(is_outside)
        .then(pl.lit("outside_experiment"))
        .otherwise(BUCKET)
        .alias(BUCKET)
    )


def one_bucket_per_row(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Where several sources match a row, keep what they accept, and else the outcome of the first source by id."""
    if outcomes[ROW].n_unique() == outcomes.height:
        return outcomes
    is_accepted = pl.col(BUCKET) == "accepted"
    return (
        outcomes.sort(ROW, SOURCE)
        .filter(is_accepted | ~is_accepted.any().over(ROW))
        .filter(is_accepted | (pl.int_range(pl.len()).over(ROW) == 0))
    )
