"""Pairs of experiments that share units: how many, in which variations, and whether the two splits are independent.

How a unit came to its variation is decided in `assignments`.
"""

import numpy as np
import polars as pl
from scipy.sparse import coo_array, csr_array, diags_array
from scipy.stats import chi2

from exposure_assets.contracts import ExperimentOverlap, columns_of
from exposure_assets.contracts.experiment_overlap import PAIR

# Below, a difference of splits is not put down to chance.
LARGEST_P_VALUE = 0.001
# Smaller dependence carries less than a hundredth of one experiment's effect into the other.
SMALLEST_CRAMERS_V = 0.01
# Where a cell expects fewer units, the p-value of a chi-square cannot be trusted.
SMALLEST_EXPECTED = 5

_OTHER = {"experiment_id": "other_experiment_id", "variation_id": "other_variation_id"}


def experiment_overlap(assignments: pl.LazyFrame, variations: pl.DataFrame) -> pl.DataFrame:
    """The units that every two experiments share, by variation, with a test of independence per pair.

    Grain out: (experiment_id, other_experiment_id, variation_id, other_variation_id), sorted; every combination of
    the catalog's variations for every pair of experiments that share a unit, `experiment_id` the smaller one.

    Units are counted by their combination of variations first, so what follows costs by combinations and not by
    units: pairs are counted by a sparse product, never by a join of units with themselves.

    Args:
        assignments: `experiment_id`, `unit_id`, `variation_id` of `contracts.Assignments`; other columns are not read.
            Rows of variations that are none of `variations` are left out.
        variations: Obeys `contracts.Variations`.
    """
    coded = variations.select("experiment_id", "variation_id").sort(pl.all()).with_row_index("code")
    shared = _shared_units(assignments, coded)
    pairs = (
        shared.join(coded.select("code", "experiment_id"), on="code")
        .join(_others(coded).select("other_code", "other_experiment_id"), on="other_code")
        .filter(pl.col("experiment_id") < pl.col("other_experiment_id"))
    )
    every_cell = (
        pairs.select(PAIR)
        .unique()
        .join(coded, on="experiment_id")
        .join(_others(coded), on="other_experiment_id")
        .join(pairs.select("code", "other_code", "unit_count"), on=["code", "other_code"], how="left")
        .with_columns(pl.col("unit_count").fill_null(0))
        .sort(ExperimentOverlap.grain())
    )
    return _tested(every_cell).select(columns_of(ExperimentOverlap).keys())


def _others(coded: pl.DataFrame) -> pl.DataFrame:
    return coded.rename({**_OTHER, "code": "other_code"})


def _shared_units(assignments: pl.LazyFrame, coded: pl.DataFrame) -> pl.DataFrame:
    """How many units are in both of two variations: `code`, `other_code`, `unit_count`, where there are any."""
    combinations = (
        assignments.select("unit_id", "experiment_id", "variation_id")
        .join(coded.lazy(), on=["experiment_id", "variation_id"])
        .group_by("unit_id")
        # Sorted, so that units of the same variations are one combination.
        .agg(pl.col("code").sort())
        .filter(pl.col("code").list.len() > 1)
        .group_by("code")
        .agg(unit_count=pl.len().cast(pl.Int64))
        .collect(engine="streaming")
    )
    lengths = combinations["code"].list.len().to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    codes = combinations["code"].explode(empty_as_null=False).to_numpy()
    holds = csr_array(
        (np.ones(len(codes), dtype=np.int64), codes, starts), shape=(combinations.height, coded.height)
    )
    both = coo_array(holds.T @ diags_array(combinations["unit_count"].to_numpy(), dtype=np.int64) @ holds)
    return pl.DataFrame(
        {"code": both.row, "other_code": both.col, "unit_count": both.data},
        schema={"code": pl.UInt32, "other_code": pl.UInt32, "unit_count": pl.Int64},
    )


def _tested(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells with their expected counts, and with the test of their pair; a cell's place in the sums is its own."""
    units, overlap = pl.col("unit_count"), pl.col("overlap_units")
    of_row, of_column = pl.col("units_of_row"), pl.col("units_of_column")
    expected = pl.col("expected_unit_count")
    tested = (
        cells.with_columns(
            overlap_units=units.sum().over(PAIR),
            units_of_row=units.sum().over(*PAIR, "variation_id"),
            units_of_column=units.sum().over(*PAIR, "other_variation_id"),
        )
        .with_columns(
            expected_unit_count=of_row.cast(pl.Float64) * of_column.cast(pl.Float64) / overlap,
            rows=pl.col("variation_id").filter(of_row > 0).n_unique().over(PAIR).cast(pl.Int64),
            columns=pl.col("other_variation_id").filter(of_column > 0).n_unique().over(PAIR).cast(pl.Int64),
        )
        .with_columns(
            degrees_of_freedom=(pl.col("rows") - 1) * (pl.col("columns") - 1),
            chi_square=((units - expected) ** 2 / expected).filter(expected > 0).sum().over(PAIR),
        )
    )
    p_value = chi2.sf(tested["chi_square"].to_numpy(), tested["degrees_of_freedom"].to_numpy())
    names = ("chi_square", "degrees_of_freedom", "p_value")
    is_tested = pl.col("degrees_of_freedom") > 0
    return tested.with_columns(p_value=pl.Series(p_value, dtype=pl.Float64)).with_columns(
        pl.when(is_tested).then(pl.col(name)).alias(name) for name in names
    )


def pair_statistics(overlap: pl.DataFrame) -> pl.DataFrame:
    """How far the splits of every two experiments depend on one another; the most dependent pair first.

    Grain out: (experiment_id, other_experiment_id).

    `cramers_v` is 0 for independent splits and 1 where one decides the other. Between two halves of the units it is
    the share of an effect of the one experiment that is seen in the other, too. `adjusted_p_value` is `p_value` times
    the number of pairs judged, because among many pairs the smallest p-value is small by chance. `is_judged`: the
    test exists, and its p-value can be trusted; `is_dependent`: it is small, and the dependence large enough to
    matter.

    Args:
        overlap: Obeys `contracts.ExperimentOverlap`.
    """
    row, column = pl.col("variation_id"), pl.col("other_variation_id")
    held = overlap.filter(pl.col("expected_unit_count") > 0)
    smaller_side = pl.min_horizontal(row.n_unique(), column.n_unique()).cast(pl.Int64) - 1
    one_of_pair = pl.col("overlap_units", "chi_square", "degrees_of_freedom", "p_value").first()
    pairs = held.group_by(PAIR).agg(
        one_of_pair, smallest_expected=pl.col("expected_unit_count").min(), smaller_side=smaller_side
    )
    is_judged = pl.col("chi_square").is_not_null() & (pl.col("smallest_expected") >= SMALLEST_EXPECTED)
    adjusted = pl.min_horizontal(pl.lit(1.0), pl.col("p_value") * pl.col("is_judged").sum())
    largest = pl.col("overlap_units") * pl.col("smaller_side")
    return (
        pairs.with_columns(is_judged=is_judged)
        .with_columns(
            cramers_v=(pl.col("chi_square") / largest).sqrt(),
            adjusted_p_value=pl.when("is_judged").then(adjusted),
        )
        .with_columns(
            is_dependent=pl.col("is_judged")
            & (pl.col("adjusted_p_value") < LARGEST_P_VALUE)
            & (pl.col("cramers_v") >= SMALLEST_CRAMERS_V)
        )
        .drop("smaller_side")
        .sort("cramers_v", *PAIR, descending=[True, False, False], nulls_last=True)
    )
