"""Whether an experiment's data are fit for analysis as of a day: every diagnostic number, and the verdict on them.

Units are counted in the tables that are read; which number is too high is decided in `guardrails`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from exposure_assets.contracts import (
    ALL_VARIATIONS,
    LOSSES,
    STAGES,
    Experiment,
    ExperimentQualityReport,
    columns_of,
)
from exposure_assets.transforms.as_of_days import AS_OF, days_of_experiments, sums_until
from exposure_assets.transforms.guardrails import RATES, RATIO_LOOKS, with_verdicts
from exposure_assets.transforms.variation_differences import (
    delay_differences,
    unexposed_variations,
    variation_losses,
)

_STAGE_UNITS = {stage: f"{stage}_units" for stage in STAGES}


@dataclass(frozen=True)
class Counted:
    """The tables that the report rests on, each obeying its contract, of these experiments whole."""

    stage_counts: pl.LazyFrame
    sample_ratios: pl.LazyFrame
    daily_quality: pl.LazyFrame
    cohort_diagnostics: pl.LazyFrame
    exposure_delays: pl.LazyFrame
    exposure_waterfall: pl.LazyFrame


def experiment_quality_report(
    counted: Counted, experiments: Mapping[str, Experiment], data_until: date | None
) -> pl.DataFrame:
    """Judge every experiment as of every day since its start.

    Grain out: (experiment_id, as_of_date), sorted.

    All cohorts until the day count, with what is known of them now: a crossover that came later takes its unit out from
    the start. Stages, sample ratios and delays count what had happened by then.

    Args:
        counted: What was counted of the experiments.
        experiments: Experiments to judge, by id; their `guardrails` say what is too much.
        data_until: Last UTC day with any data: there are no rows as of later ones.
    """
    days = days_of_experiments(experiments, data_until)
    quality = counted.daily_quality
    of_variations = quality.filter(pl.col("variation_id") != ALL_VARIATIONS)
    units = sums_until(days, of_variations, "assignment_date", ["assigned_units", *LOSSES], ["variation_id"])
    staged = _stage_units(days, counted.stage_counts)
    exposed = staged.select(*AS_OF, "variation_id", "assigned_units", "exposed_units")
    delays = sums_until(
        days, counted.exposure_delays, "exposed_date", ["unit_count"], ["variation_id", "from_seconds"]
    )
    parts = (
        _totals(days, staged),
        sums_until(
            days,
            quality.filter(variation_id=ALL_VARIATIONS),
            "assignment_date",
            [*LOSSES, "unassigned_exposed_units"],
        ),
        sums_until(
            days,
            counted.cohort_diagnostics,
            "assignment_date",
            ["assignment_count", "early_outcome_units", "exposed_on_day_units"],
        ),
        _rows(days, counted.exposure_waterfall),
        _final_units(days, quality, experiments),
        _smallest_variations(days, staged, experiments),
        _sample_ratios(counted.sample_ratios, experiments),
        variation_losses(units, LOSSES),
        unexposed_variations(exposed, _alpha(experiments)),
        delay_differences(delays),
    )
    numbers = days
    for part in parts:
        numbers = numbers.join(part, on=AS_OF, how="left", maintain_order="left")
    return with_verdicts(_completed(numbers), experiments).select(columns_of(ExperimentQualityReport).keys())


def _alpha(experiments: Mapping[str, Experiment]) -> pl.DataFrame:
    rows = [(e.id, e.guardrails.alpha) for e in experiments.values()]
    return pl.DataFrame(rows, schema={"experiment_id": pl.String, "alpha": pl.Float64}, orient="row")


def _stage_units(days: pl.DataFrame, stage_counts: pl.LazyFrame) -> pl.DataFrame:
    """Per day and variation the units at each stage until then."""
    at_stage = (
        pl.col("unit_count").filter(stage=stage).sum().alias(name) for stage, name in _STAGE_UNITS.items()
    )
    wide = stage_counts.group_by("experiment_id", "variation_id", "reached_date").agg(at_stage)
    return sums_until(days, wide, "reached_date", list(_STAGE_UNITS.values()), ["variation_id"])


def _totals(days: pl.DataFrame, staged: pl.DataFrame) -> pl.DataFrame:
    sums = staged.group_by(AS_OF).agg(pl.col(list(_STAGE_UNITS.values())).sum())
    return days.join(sums, on=AS_OF, how="left")


def _rows(days: pl.DataFrame, waterfall: pl.LazyFrame) -> pl.DataFrame:
    """The raw rows of an experiment until each day, and the repeated ones among them."""
    counts = waterfall.with_columns(
        duplicate_row_count=pl.when(bucket="duplicate").then("row_count").otherwise(0)
    )
    return sums_until(days, counts, "exposure_date", ["row_count", "duplicate_row_count"])


def _final_units(
    days: pl.DataFrame, quality: pl.LazyFrame, experiments: Mapping[str, Experiment]
) -> pl.DataFrame:
    """The units whose cohorts can't change any more, by the last day on which an outcome window of them can end."""
    reaches = pl.LazyFrame(
        [(e.id, timedelta(e.exposure.observe_days + e.outcomes.window_days)) for e in experiments.values()],
        schema={"experiment_id": pl.String, "reach": pl.Duration("us")},
        orient="row",
    )
    finals = (
        quality.filter(variation_id=ALL_VARIATIONS)
        .join(reaches, on="experiment_id")
        .select(
            "experiment_id",
            final_date=pl.col("assignment_date") + pl.col("reach"),
            final_units="assigned_units",
        )
    )
    return sums_until(days, finals, "final_date", ["final_units"])


def _smallest_variations(
    days: pl.DataFrame, staged: pl.DataFrame, experiments: Mapping[str, Experiment]
) -> pl.DataFrame:
    """Per day the variation with the fewest validly exposed units, of those that are to have any."""
    declared = pl.DataFrame(
        [
            (e.id, id_)
            for e in experiments.values()
            for id_ in sorted({id_ for d in e.declared_shares for id_, share in d.shares.items() if share})
        ],
        schema={"experiment_id": pl.String, "variation_id": pl.String},
        orient="row",
    )
    return (
        days.join(declared, on="experiment_id")
        .join(staged, on=[*AS_OF, "variation_id"], how="left")
        .with_columns(smallest_variation_units=pl.col("valid_exposed_units").fill_null(0))
        .sort("smallest_variation_units", "variation_id")
        .unique(AS_OF, keep="first", maintain_order=True)
        .select(*AS_OF, "smallest_variation_units", smallest_variation_id="variation_id")
    )


def _sample_ratios(ratios: pl.LazyFrame, experiments: Mapping[str, Experiment]) -> pl.DataFrame:
    """Per day and stage the sequential p-value and whether shares are a mismatch.

    Besides the sequential test, the chi-square speaks: once no unit can come to the stage any more at its alpha, for
    that is one look; before, at a part of it, for those are many.
    """
    last_days = pl.LazyFrame(
        [
            (e.id, stage, day)
            for e in experiments.values()
            for stage, day in zip(
                STAGES,
                (
                    e.enrollment.last_date,
                    e.last_exposure_date,
                    e.last_exposure_date,
                    e.last_completion_date,
                ),
                strict=True,
            )
        ],
        schema={"experiment_id": pl.String, "stage": pl.String, "last_date": pl.Date},
        orient="row",
    )
    alphas = pl.LazyFrame(
        [(e.id, e.quality.srm_alpha) for e in experiments.values()],
        schema={"experiment_id": pl.String, "srm_alpha": pl.Float64},
        orient="row",
    )
    is_over = (pl.col("as_of_date") >= pl.col("last_date")).fill_null(False)
    is_extreme = (pl.col("p_value") < pl.col("srm_alpha") / RATIO_LOOKS).fill_null(False)
    judged = (
        ratios.filter("is_cumulative")
        .join(last_days, on=["experiment_id", "stage"], how="left")
        .join(alphas, on="experiment_id")
        .with_columns(
            is_srm=pl.col("is_sequential_mismatch") | (pl.col("is_mismatch") & (is_over | is_extreme))
        )
    )
    return (
        judged.group_by(AS_OF)
        .agg(
            *(
                pl.col("sequential_p_value").filter(stage=stage).min().alias(f"srm_{stage}_p_value")
                for stage in STAGES
            ),
            *(pl.col("is_srm").filter(stage=stage).any().alias(f"is_srm_{stage}") for stage in STAGES),
        )
        .collect()
    )


def _completed(numbers: pl.DataFrame) -> pl.DataFrame:
    """Counts without nulls, and the rates that are made of them."""
    counts = [name for name, dtype in columns_of(ExperimentQualityReport).items() if dtype == pl.Int64]
    found = [name for name in (*counts, "final_units") if name in numbers.columns]
    return (
        numbers.with_columns(
            pl.col(found).fill_null(0),
            pl.col("unexposed_variation_ids").fill_null(pl.lit([], pl.List(pl.String))),
        )
        .with_columns(repeated_assignment_count=_repeated())
        .with_columns(
            *(_share(rate.part, rate.whole).alias(rate.name) for rate in RATES),
            final_cohort_share=_share("final_units", "assigned_units"),
        )
    )


def _repeated() -> pl.Expr:
    return pl.col("assignment_count") - pl.col("assigned_units")


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))
