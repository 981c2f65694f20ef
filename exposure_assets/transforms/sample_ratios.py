"""Whether units came to the variations of an experiment in the shares that were declared: at every stage, every day.

How units are counted stands in `stage_counts` and `ratio_cells`; the test for daily looks, in `sequential_multinomial`.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl
from scipy.stats import chi2

from exposure_assets.contracts import Experiment, SampleRatioIntervals, SampleRatios, columns_of
from exposure_assets.transforms.ratio_cells import ROW, ratio_cells
from exposure_assets.transforms.runs import Floats, floats_of, starts_of, sums_of
from exposure_assets.transforms.sequential_multinomial import log_e_values, share_bounds

# Where a variation expects fewer units, the p-value of a chi-square cannot be trusted.
SMALLEST_EXPECTED = 5

_UNITS, _SHARE = pl.col("unit_count"), pl.col("declared_share")
_SERIES = ("experiment_id", "stage", "has_conflicting_units")


def sample_ratios(
    counts: pl.LazyFrame, experiments: Mapping[str, Experiment], data_until: date | None
) -> pl.DataFrame:
    """Test the units of every stage against their declared shares, per day and of all until that day.

    Grain out: (experiment_id, as_of_date, stage, is_cumulative, has_conflicting_units), sorted; where there are units.

    Units of cohorts with different allocations are never mixed: chi-squares and their degrees of freedom are summed
    over the phases, e-values multiplied. A phase with a variation that expects fewer than `SMALLEST_EXPECTED` units is
    left out of the chi-square; the sequential test is exact whatever the counts.

    Args:
        counts: Obeys `contracts.StageCounts`; of these experiments every cohort.
        experiments: Experiments to judge, by id; their `quality` says what is a mismatch.
        data_until: Last UTC day with any data: there are no rows as of later ones.
    """
    cells = ratio_cells(counts, experiments, data_until)
    tested = _by_row(cells).join(_rules(experiments), on="experiment_id")
    is_unexpected = pl.col("unexpected_unit_count") > 0
    is_large = pl.col("largest_deviation") >= pl.col("srm_min_deviation")
    is_improbable = (pl.col("p_value") < pl.col("srm_alpha")).fill_null(False)
    is_ever_improbable = pl.col("sequential_p_value") < pl.col("srm_alpha")
    found = pl.col("sequential_p_value").is_not_null()
    return tested.with_columns(
        is_mismatch=is_unexpected | (is_large & is_improbable),
        is_sequential_mismatch=pl.when(found).then(is_unexpected | (is_large & is_ever_improbable)),
    ).select(columns_of(SampleRatios).keys())


def sample_ratio_intervals(
    counts: pl.LazyFrame, experiments: Mapping[str, Experiment], data_until: date | None
) -> pl.DataFrame:
    """The confidence sequences of the shares at every stage.

    Grain out: (experiment_id, as_of_date, stage, has_conflicting_units, phase_start_date, variation_id), sorted.

    Args:
        counts: Obeys `contracts.StageCounts`; of these experiments every cohort.
        experiments: Experiments to judge, by id; their `srm_alpha` is how often intervals may miss.
        data_until: Last UTC day with any data: there are no rows as of later ones.
    """
    cells = ratio_cells(counts, experiments, data_until).filter("is_cumulative")
    declared = _comparable(cells)
    starts = starts_of(declared, "phase")
    alpha = declared[starts].join(_rules(experiments), on="experiment_id", how="left", maintain_order="left")
    lower, upper = share_bounds(*_numbers(declared), starts, alpha["srm_alpha"].to_numpy())
    return declared.with_columns(
        observed_share=_UNITS / _UNITS.sum().over("phase"),
        lower_share=pl.Series(lower, dtype=pl.Float64),
        upper_share=pl.Series(upper, dtype=pl.Float64),
    ).select(columns_of(SampleRatioIntervals).keys())


def _rules(experiments: Mapping[str, Experiment]) -> pl.DataFrame:
    return pl.DataFrame(
        [(e.id, e.quality.srm_alpha, e.quality.srm_min_deviation) for e in experiments.values()],
        schema={"experiment_id": pl.String, "srm_alpha": pl.Float64, "srm_min_deviation": pl.Float64},
        orient="row",
    )


def _comparable(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells whose share is above 0, of phases that have units in them."""
    declared = cells.filter(_SHARE > 0)
    return declared.filter(_UNITS.sum().over("phase") > 0)


def _numbers(cells: pl.DataFrame) -> tuple[Floats, Floats]:
    return floats_of(cells, "unit_count"), cells["declared_share"].to_numpy()


def _by_row(cells: pl.DataFrame) -> pl.DataFrame:
    """One row per `ROW`, with everything but verdicts."""
    units = cells.group_by("row", maintain_order=True).agg(
        *map(pl.first, ROW),
        unit_count=_UNITS.sum(),
        unexpected_unit_count=_UNITS.filter(_SHARE == 0).sum(),
    )
    return (
        units.join(_worst(cells), on="row", maintain_order="left")
        .join(_chi_squares(cells), on="row", how="left", maintain_order="left")
        .join(_sequential(cells), on="row", how="left", maintain_order="left")
    )


def _worst(cells: pl.DataFrame) -> pl.DataFrame:
    """Per row the variation that is farthest from its declared share, and how many variations have nobody."""
    expected = _UNITS.sum().over("phase") * _SHARE
    sorted_cells = cells.with_columns(expected=expected).sort("row", "variation_id", "phase")
    starts = starts_of(sorted_cells, "row", "variation_id")
    counts, expected_units = _numbers(sorted_cells)[0], sorted_cells["expected"].to_numpy()
    of_variation = (
        sorted_cells.group_by("row", "variation_id", maintain_order=True)
        .agg(
            unit_count=_UNITS.sum(),
            is_declared=(_SHARE > 0).any(),
            declared_units=_UNITS.filter(_SHARE > 0).sum(),
        )
        .with_columns(
            expected=sums_of(expected_units, starts), distance=sums_of(abs(counts - expected_units), starts)
        )
    )
    deviation = pl.col("distance") / _UNITS.sum().over("row")
    is_unseen = pl.col("is_declared") & (pl.col("declared_units") == 0)
    return (
        of_variation.with_columns(
            largest_deviation=deviation,
            variation_count=pl.col("is_declared").sum().over("row").cast(pl.Int64),
            unseen_variation_count=is_unseen.sum().over("row").cast(pl.Int64),
        )
        .sort("row", "largest_deviation", "variation_id", descending=[False, True, False])
        .unique("row", keep="first", maintain_order=True)
        .select(
            "row",
            "largest_deviation",
            "variation_count",
            "unseen_variation_count",
            worst_variation_id="variation_id",
            worst_unit_count="unit_count",
            worst_expected_unit_count="expected",
        )
    )


def _chi_squares(cells: pl.DataFrame) -> pl.DataFrame:
    """Per row the chi-square of its phases, with p-value and effect size; rows without a test are left out."""
    expected = _UNITS.sum().over("phase") * _SHARE
    is_trusted = (pl.col("expected").min().over("phase") >= SMALLEST_EXPECTED) & (pl.len().over("phase") > 1)
    trusted = cells.filter(_SHARE > 0).with_columns(expected=expected).filter(is_trusted)
    starts = starts_of(trusted, "row")
    observed, expected_units = _numbers(trusted)[0], trusted["expected"].to_numpy()
    statistic = sums_of((observed - expected_units) ** 2 / expected_units, starts)
    totals = sums_of(observed, starts)
    rows = trusted.group_by("row", maintain_order=True).agg(
        degrees_of_freedom=pl.len().cast(pl.Int64) - pl.col("phase").n_unique().cast(pl.Int64)
    )
    p_value = chi2.sf(statistic.to_numpy(), rows["degrees_of_freedom"].to_numpy())
    return rows.with_columns(
        statistic=statistic,
        p_value=pl.Series(p_value, dtype=pl.Float64),
        effect_size=(statistic / totals).sqrt(),
    )


def _sequential(cells: pl.DataFrame) -> pl.DataFrame:
    """Per cumulative row the smallest inverse of the e-value until its day."""
    cumulative = cells.filter("is_cumulative")
    declared = _comparable(cumulative)
    starts = starts_of(declared, "phase")
    of_phase = declared[starts].select("row")
    evidence = log_e_values(*_numbers(declared), starts)
    of_rows = starts_of(of_phase, "row")
    of_row = of_phase[of_rows].with_columns(evidence=sums_of(evidence, of_rows))
    rows = cumulative.select("row", *ROW).unique("row", keep="first", maintain_order=True)
    # A row all of whose units are unexpected has no evidence of its own.
    smallest = (-pl.max_horizontal(pl.col("evidence").fill_null(0.0), 0.0)).exp()
    return (
        rows.join(of_row, on="row", how="left", maintain_order="left")
        .with_columns(sequential_p_value=smallest.cum_min().over(_SERIES, order_by="as_of_date"))
        .select("row", "sequential_p_value")
    )
