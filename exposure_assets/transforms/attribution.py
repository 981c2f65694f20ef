"""Which experiment a display of a coenrolling feature credits, and with which variation.

What an event says by itself is read here too; that a display is a copy, or too early or late, is decided after.
"""

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from exposure_assets.contracts import CREDIT_RULES, Catalog, Experiment, ExposureSource
from exposure_assets.transforms.assignments import first_assignments
from exposure_assets.transforms.daily_quality import last_assignment_day_that_counts
from exposure_assets.transforms.fields import field_column

ROW, SOURCE, BUCKET = "raw_row", "source", "bucket"
TEMPLATE = "{experiment}"
# A display that the unit's assignments decide about; no row keeps this bucket.
AWAITS_ASSIGNMENT = "awaits_assignment"
# The experiments that a display may come from, where its assignments decide.
CANDIDATES = "candidates"
NOBODY_ASSIGNED = pl.DataFrame(
    schema={
        "experiment_id": pl.String(),
        "unit_id": pl.String(),
        "variation_id": pl.String(),
        "assigned_at": pl.Datetime("us", "UTC"),
    }
)
ASSIGNED = tuple(NOBODY_ASSIGNED.columns)
_NO_TEXT = pl.lit(None, pl.String)


def experiments_of(source: ExposureSource, catalog: Catalog) -> dict[str, Experiment]:
    """The experiments that take their exposures from a source, by id."""
    return {e.id: e for e in catalog.experiments.values() if e.exposure.source == source.id}


def observes(experiment: Experiment, day: date) -> bool:
    """Whether exposures of a UTC day belong to the experiment."""
    last = experiment.last_exposure_date
    return experiment.first_exposure_date <= day and (last is None or day <= last)


def attributed_experiments(catalog: Catalog) -> list[str]:
    """The experiments whose displays are credited by the units' own assignments."""
    sources = catalog.exposure_sources
    return [e.id for e in catalog.experiments.values() if sources[e.exposure.source].credits_displays]


def attributing_assignments(
    assignment_events: pl.LazyFrame, catalog: Catalog, last_day: date
) -> pl.DataFrame:
    """The canonical assignments that can decide about displays until a day: the columns `ASSIGNED`.

    Args:
        assignment_events: Obeys `contracts.AssignmentEvents`; every accepted row until a week after the last day.
        catalog: With the experiments.
        last_day: The last UTC day of displays.
    """
    wanted = attributed_experiments(catalog)
    if not wanted:
        return NOBODY_ASSIGNED
    events = assignment_events.filter(
        pl.col("experiment_id").is_in(wanted),
        pl.col("assignment_date") <= last_assignment_day_that_counts(last_day),
    )
    return first_assignments(events).select(ASSIGNED)


def displays(distinct: pl.LazyFrame, source: ExposureSource, catalog: Catalog) -> pl.LazyFrame:
    """What displays say of themselves, per distinct combination of the source's fields.

    Adds `named_experiment_id`, `experiment_id` and `variation_id` as far as the display names one, `CANDIDATES`, and
    `BUCKET`, which is `AWAITS_ASSIGNMENT` where the unit's assignments decide.

    Args:
        distinct: The columns of `fields.with_fields`, and `is_unreadable`.
        source: One that credits displays.
        catalog: With the experiments.
    """
    ours = experiments_of(source, catalog)
    named = _READERS[source.attribution](distinct, source, list(ours))
    known = [(e.id, variation.id, True) for e in ours.values() for variation in e.variations]
    variations = pl.LazyFrame(
        known,
        schema={"experiment_id": pl.String, "variation_id": pl.String, "is_known": pl.Boolean},
        orient="row",
    )
    one = pl.col(CANDIDATES).list.len() == 1
    parts = pl.col("named_experiment_id").str.split("+")
    is_merged = (parts.list.len() > 1) & parts.list.eval(
        pl.element().is_in(sorted(catalog.experiments))
    ).list.any()
    bucket = (
        pl.when("is_malformed")
        .then(pl.lit("malformed"))
        .when("has_template")
        .then(pl.lit("unresolved_template"))
        .when(is_merged.fill_null(False))
        .then(pl.lit("ambiguous_attribution"))
        .when(pl.col(CANDIDATES).list.len() == 0)
        .then(pl.lit("unknown_experiment"))
        .when(pl.col("variation_id").is_null())
        .then(pl.lit(AWAITS_ASSIGNMENT))
        .when(pl.col("is_known").is_null())
        .then(pl.lit("unknown_variation"))
        .otherwise(pl.lit("accepted"))
    )
    return (
        named.with_columns(experiment_id=pl.when(one).then(pl.col(CANDIDATES).list.first()))
        .join(variations, on=["experiment_id", "variation_id"], how="left")
        .with_columns(bucket.alias(BUCKET))
    )


def _by_slug(distinct: pl.LazyFrame, source: ExposureSource, ours: list[str]) -> pl.LazyFrame:
    slug = pl.col(field_column(str(source.experiment)))
    variation = _NO_TEXT if source.variation is None else pl.col(field_column(source.variation))
    return distinct.with_columns(
        named_experiment_id=slug,
        variation_id=variation,
        is_malformed=pl.col("is_unreadable") | slug.is_null(),
        has_template=_has_template(slug) | _has_template(variation),
    ).with_columns(_only_if(slug.is_in(ours), pl.concat_list(slug)))


def _by_part(distinct: pl.LazyFrame, source: ExposureSource, ours: list[str]) -> pl.LazyFrame:
    part = pl.col(field_column(str(source.part)))
    owned = [
        (part_id, [owner.experiment for owner in owners], owners[0].variation if len(owners) == 1 else None)
        for part_id, owners in source.parts.items()
    ]
    owners = pl.LazyFrame(
        owned,
        schema={
            field_column(str(source.part)): pl.String,
            CANDIDATES: pl.List(pl.String),
            "variation_id": pl.String,
        },
        orient="row",
    )
    return (
        distinct.join(owners, on=field_column(str(source.part)), how="left")
        .with_columns(
            pl.col(CANDIDATES).fill_null([]),
            is_malformed=pl.col("is_unreadable") | part.is_null(),
            has_template=_has_template(part),
        )
        .with_columns(
            named_experiment_id=pl.when(pl.col(CANDIDATES).list.len() == 1).then(
                pl.col(CANDIDATES).list.first()
            )
        )
    )


def _by_message(distinct: pl.LazyFrame, source: ExposureSource, ours: list[str]) -> pl.LazyFrame:
    part = pl.col(field_column(str(source.part)))
    under_experiment = pl.col(field_column(str(source.message_under_experiment)))
    return distinct.with_columns(
        named_experiment_id=_NO_TEXT,
        variation_id=_NO_TEXT,
        is_malformed=pl.col("is_unreadable") | part.is_null(),
        has_template=_has_template(part) | _has_template(under_experiment),
    ).with_columns(_only_if(part == under_experiment, pl.lit(ours, pl.List(pl.String))))


_READERS = {"slug": _by_slug, "part_id": _by_part, "message_under_experiment": _by_message}


def _only_if(condition: pl.Expr, candidates: pl.Expr) -> pl.Expr:
    none = pl.lit([], pl.List(pl.String))
    return pl.when(condition.fill_null(False)).then(candidates).otherwise(none).alias(CANDIDATES)


def _has_template(text: pl.Expr) -> pl.Expr:
    return text.str.contains(TEMPLATE, literal=True).fill_null(False)


def credited(
    outcomes: pl.DataFrame, rows: pl.DataFrame, day: date, catalog: Catalog, assigned: pl.DataFrame
) -> pl.DataFrame:
    """Decide about the displays that wait for it, by the assignments of their units.

    A single candidate is credited with the unit's own variation, if the unit was assigned to it a week after the
    display at the latest. Of several candidates, the one is credited that the unit was in when it saw the display.

    Grain out: the rows of `outcomes`, none of them `AWAITS_ASSIGNMENT`.

    Args:
        outcomes: Of `exposure_events.exposure_outcomes`.
        rows: The raw rows by the number that `ROW` is, with `unit_id` and `occurred_at`.
        day: The UTC day of the rows.
        catalog: Sources and experiments.
        assigned: Of `attributing_assignments`.
    """
    is_waiting = pl.col(BUCKET) == AWAITS_ASSIGNMENT
    waiting = outcomes.filter(is_waiting)
    if waiting.is_empty():
        return outcomes
    units = rows.select("unit_id", "occurred_at")[waiting[ROW]]
    by_display = _by_display(waiting.select(ROW, SOURCE, CANDIDATES).hstack(units), day, catalog, assigned)
    decided = (
        waiting.drop("experiment_id", "variation_id", BUCKET)
        .join(by_display, on=[ROW, SOURCE], how="left", maintain_order="left")
        .select(outcomes.columns)
    )
    return pl.concat([outcomes.filter(~is_waiting), decided])


def _by_display(waiting: pl.DataFrame, day: date, catalog: Catalog, assigned: pl.DataFrame) -> pl.DataFrame:
    """Per display the experiment and variation that it credits, or the reason why it credits none."""
    is_alone = pl.col(CANDIDATES).list.len() == 1
    by_message = [s.id for s in catalog.exposure_sources.values() if s.attribution == CREDIT_RULES[-1]]
    observing = [e.id for e in catalog.experiments.values() if observes(e, day)]
    graces = {e.id: timedelta(minutes=e.exposure.grace_minutes) for e in catalog.experiments.values()}
    # What names its experiment is late or early where the experiment does not observe the day; what may come of
    # several comes of one that does.
    possible = (
        waiting.lazy()
        .with_columns(is_named=is_alone & ~pl.col(SOURCE).is_in(by_message))
        .explode(CANDIDATES)
        .rename({CANDIDATES: "experiment_id"})
        .filter(pl.col("is_named") | pl.col("experiment_id").is_in(observing))
        .with_columns(candidate_count=pl.len().over(ROW, SOURCE))
        .join(assigned.lazy(), on=["experiment_id", "unit_id"], how="left")
    )
    grace = pl.col("experiment_id").replace_strict(graces, return_dtype=pl.Duration("us"))
    in_time = pl.col("assigned_at").dt.date() <= last_assignment_day_that_counts(day)
    was_in = pl.col("assigned_at") - grace <= pl.col("occurred_at")
    only = pl.col("candidate_count") == 1
    counts = pl.when(only).then(in_time).otherwise(was_in).fill_null(False)
    found = possible.group_by(ROW, SOURCE).agg(
        pl.col("candidate_count").first(),
        credit_count=counts.sum(),
        named=pl.col("experiment_id").first(),
        experiment_id=pl.col("experiment_id").filter(counts).first(),
        variation_id=pl.col("variation_id").filter(counts).first(),
    )
    credit = pl.col("credit_count")
    is_credited = credit == 1
    none_on = pl.when(pl.col(SOURCE).is_in(by_message)).then(pl.lit("unknown_experiment"))
    return (
        waiting.lazy()
        .select(ROW, SOURCE)
        .join(found, on=[ROW, SOURCE], how="left")
        .select(
            ROW,
            SOURCE,
            experiment_id=pl.when(is_credited)
            .then("experiment_id")
            .when(pl.col("candidate_count") == 1)
            .then("named"),
            variation_id=pl.when(is_credited).then("variation_id"),
            bucket=pl.when(is_credited)
            .then(pl.lit("accepted"))
            .when(credit > 1)
            .then(pl.lit("ambiguous_attribution"))
            .when(credit == 0)
            .then(pl.lit("unassigned_unit"))
            .otherwise(none_on.otherwise(pl.lit("outside_experiment"))),
        )
        .collect()
    )


def one_credit_per_display(outcomes: pl.DataFrame, sources: Mapping[str, ExposureSource]) -> pl.DataFrame:
    """Where several sources credit one display, keep the most certain rule; two of the same make it ambiguous.

    Grain out: (raw row, source), at most one of them a credit of a display.

    Args:
        outcomes: Of `credited`.
        sources: All exposure sources, by id.
    """
    ranks = {s.id: CREDIT_RULES.index(s.attribution) for s in sources.values() if s.credits_displays}
    is_credit = (pl.col(BUCKET) == "accepted") & pl.col(SOURCE).is_in(list(ranks))
    credits = outcomes.filter(is_credit)
    if not credits[ROW].is_duplicated().any():
        return outcomes
    rank = pl.col(SOURCE).replace_strict(ranks, return_dtype=pl.UInt8)
    best = credits.with_columns(rank=rank).filter(pl.col("rank") == pl.col("rank").min().over(ROW))
    is_tie = pl.len().over(ROW) > 1
    kept = best.with_columns(
        pl.when(is_tie).then(pl.lit("ambiguous_attribution")).otherwise(BUCKET).alias(BUCKET),
        pl.when(~is_tie).then("experiment_id").alias("experiment_id"),
        pl.when(~is_tie).then("variation_id").alias("variation_id"),
    )
    return pl.concat([outcomes.filter(~is_credit), kept.select(outcomes.columns)])
