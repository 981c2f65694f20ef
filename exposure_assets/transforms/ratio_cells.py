"""The units of every variation as of every day and at every stage, beside the shares that were declared for them.

How many came to a stage is counted in `stage_counts`; what is made of a difference, in `sample_ratios`.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from exposure_assets.contracts import Experiment

ROW = ("experiment_id", "as_of_date", "stage", "is_cumulative", "has_conflicting_units")
_PHASE = ("experiment_id", "phase_start_date", "stage")
_COUNTS = ("all_units", "units_without_conflict")


def ratio_cells(
    counts: pl.LazyFrame, experiments: Mapping[str, Experiment], data_until: date | None
) -> pl.DataFrame:
    """Counts per variation and phase of allocation, for each row of `sample_ratios`; zeros included.

    Grain out: (`ROW`, phase_start_date, variation_id), sorted, with `unit_count` and `declared_share`; phases without
    units in a row have no cells. `row` and `phase` number the rows and their phases. A variation that the catalog does
    not know has the share 0.

    Args:
        counts: Obeys `contracts.StageCounts`.
        experiments: Experiments to look at, by id.
        data_until: Last UTC day with any data: there are no rows as of later ones. Null: there are none at all.
    """
    rules = _rules(experiments, data_until)
    reached = _reached(counts, rules, experiments)
    shares = _shares(reached, experiments)
    first = reached.group_by(_PHASE).agg(first_date=pl.col("reached_date").min())
    days = pl.date_ranges("first_date", "last_date").alias("as_of_date")
    spans = first.join(rules, on="experiment_id").select(*_PHASE, days).explode("as_of_date")
    until = _filled(spans, shares, reached).with_columns(
        pl.col(_COUNTS).cum_sum().over(*_PHASE, "variation_id", order_by="as_of_date")
    )
    on = _filled(reached.select(*_PHASE, as_of_date="reached_date").unique(), shares, reached)
    cells = pl.concat(
        frame.with_columns(is_cumulative=pl.lit(is_cumulative), has_conflicting_units=pl.lit(has_conflicts))
        .rename({name: "unit_count"})
        .drop(set(_COUNTS) - {name})
        for frame, is_cumulative in ((until, True), (on, False))
        for name, has_conflicts in zip(_COUNTS, (True, False), strict=True)
    )
    phase = (*ROW, "phase_start_date")
    return (
        cells.sort(*phase, "variation_id")
        .with_columns(row=pl.struct(ROW).rle_id(), phase=pl.struct(phase).rle_id())
        .filter(pl.col("unit_count").sum().over("phase") > 0)
    )


def _rules(experiments: Mapping[str, Experiment], data_until: date | None) -> pl.DataFrame:
    """Per experiment the last day that has a row: the last one with data, or the one on which all is over."""
    rows = [
        (e.id, min(data_until, e.last_completion_date or data_until))
        for e in experiments.values()
        if data_until is not None
    ]
    return pl.DataFrame(rows, schema={"experiment_id": pl.String, "last_date": pl.Date}, orient="row")


def _reached(
    counts: pl.LazyFrame, rules: pl.DataFrame, experiments: Mapping[str, Experiment]
) -> pl.DataFrame:
    """Units by the phase of their cohort and the day on which they came to a stage, until the last day."""
    phases = pl.LazyFrame(
        [(e.id, declared.first_date) for e in experiments.values() for declared in e.declared_shares],
        schema={"experiment_id": pl.String, "phase_start_date": pl.Date},
        orient="row",
    )
    units = pl.col("unit_count")
    return (
        counts.join(rules.lazy(), on="experiment_id")
        .filter(pl.col("reached_date") <= pl.col("last_date"))
        .sort("assignment_date")
        .join_asof(
            phases.sort("phase_start_date"),
            left_on="assignment_date",
            right_on="phase_start_date",
            by="experiment_id",
            check_sortedness=False,
        )
        .group_by(*_PHASE, "variation_id", "reached_date")
        .agg(all_units=units.sum(), units_without_conflict=units.filter(~pl.col("is_conflicting")).sum())
        .collect()
    )


def _shares(reached: pl.DataFrame, experiments: Mapping[str, Experiment]) -> pl.DataFrame:
    """The declared share of every variation in every phase that has units."""
    keys = ("experiment_id", "phase_start_date", "variation_id")
    declared = pl.DataFrame(
        [
            (e.id, declared.first_date, variation_id, float(share))
            for e in experiments.values()
            for declared in e.declared_shares
            for variation_id, share in declared.shares.items()
        ],
        schema=dict(zip((*keys, "declared_share"), (pl.String, pl.Date, pl.String, pl.Float64), strict=True)),
        orient="row",
    )
    found = reached.select(keys).unique()
    undeclared = found.join(declared, on=keys, how="anti").with_columns(declared_share=pl.lit(0.0))
    return pl.concat([declared, undeclared])


def _filled(days: pl.DataFrame, shares: pl.DataFrame, reached: pl.DataFrame) -> pl.DataFrame:
    """For every day of every phase and stage its variations with their units of that day, zeros included."""
    return (
        days.join(shares, on=["experiment_id", "phase_start_date"])
        .join(
            reached.rename({"reached_date": "as_of_date"}),
            on=[*_PHASE, "variation_id", "as_of_date"],
            how="left",
        )
        .with_columns(pl.col(_COUNTS).fill_null(0))
    )
