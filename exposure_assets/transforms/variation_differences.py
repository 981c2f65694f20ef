"""Whether variations differ in what should not depend on the variation: losses, silence, the delay of exposures.

Which difference keeps results from being read is decided in `guardrails`.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy.stats import binom, chi2

from exposure_assets.transforms.as_of_days import AS_OF
from exposure_assets.transforms.runs import floats_of, starts_of, sums_of
from exposure_assets.transforms.sequential_multinomial import log_e_values

# Where a cell of the table of delays expects fewer units, its range is pooled with others.
SMALLEST_EXPECTED = 5
# What the priors of the test of losses are worth, in units: few are lost, and a fault hits one variation alone.
LOSS_PRIORS = (2.0, 50.0, 1_000.0)
_ASSIGNED, _EXPOSED, _UNITS = pl.col("assigned_units"), pl.col("exposed_units"), pl.col("unit_count")


def variation_losses(units: pl.DataFrame, lost: Sequence[str]) -> pl.DataFrame:
    """Test whether the units that were lost for a reason come from the variations as the assigned units do.

    Grain out: `AS_OF`; for each of `lost`, named `<reason>_units`, the columns `<reason>_loss_p_value` (of the
    sequential test of shares: it may be looked at every day) and `<reason>_loss_difference` (of the largest and the
    smallest share of a variation's units that is lost). Both are null with fewer than two variations that have units.

    Args:
        units: Grain (`AS_OF`, variation_id), with `assigned_units` and the columns `lost`.
        lost: The columns of lost units.
    """
    assigned = units.filter(_ASSIGNED > 0).sort(*AS_OF, "variation_id")
    compared = assigned.filter(pl.len().over(AS_OF) > 1)
    starts = starts_of(compared, *AS_OF)
    shares = compared.select(_ASSIGNED / _ASSIGNED.sum().over(AS_OF)).to_series().to_numpy()
    tested = compared.group_by(AS_OF, maintain_order=True).agg(
        ((pl.col(name) / _ASSIGNED).max() - (pl.col(name) / _ASSIGNED).min()).alias(_loss(name, "difference"))
        for name in lost
    )
    if len(starts):
        tested = tested.with_columns(
            pl.Series(_loss(name, "p_value"), _p_values(floats_of(compared, name), shares, starts))
            for name in lost
        )
    else:
        tested = tested.with_columns(pl.lit(None, pl.Float64).alias(_loss(name, "p_value")) for name in lost)
    return units.select(AS_OF).unique().join(tested, on=AS_OF, how="left").sort(AS_OF)


def _loss(units: str, measure: str) -> str:
    return f"{units.removesuffix('_units')}_loss_{measure}"


def _p_values(counts: np.ndarray, shares: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.exp(-np.maximum(log_e_values(counts, shares, starts, LOSS_PRIORS), 0.0))


def unexposed_variations(units: pl.DataFrame, alpha: pl.DataFrame) -> pl.DataFrame:
    """Find the variations of which nobody was exposed although others' rate makes that improbable.

    Grain out: `AS_OF`, with the sorted list `unexposed_variation_ids`.

    Args:
        units: Grain (`AS_OF`, variation_id), with `assigned_units` and `exposed_units`.
        alpha: Per `experiment_id` how improbable is improbable.
    """
    others = _EXPOSED.sum().over(AS_OF) - _EXPOSED, _ASSIGNED.sum().over(AS_OF) - _ASSIGNED
    silent = (
        units.join(alpha, on="experiment_id")
        .with_columns(rate=pl.when(others[1] > 0).then(others[0] / others[1]).otherwise(0.0))
        .filter((_EXPOSED == 0) & (_ASSIGNED > 0))
    )
    chance = binom.pmf(0, silent["assigned_units"].to_numpy(), floats_of(silent, "rate"))
    found = (
        silent.filter(pl.Series(chance, dtype=pl.Float64) < pl.col("alpha"))
        .sort(*AS_OF, "variation_id")
        .group_by(AS_OF, maintain_order=True)
        .agg(unexposed_variation_ids="variation_id")
    )
    none = pl.lit([], pl.List(pl.String))
    return (
        units.select(AS_OF)
        .unique()
        .join(found, on=AS_OF, how="left")
        .with_columns(pl.col("unexposed_variation_ids").fill_null(none))
        .sort(AS_OF)
    )


def delay_differences(units: pl.DataFrame) -> pl.DataFrame:
    """Test whether the delays of first exposures are distributed alike in all variations (Pearson's chi-square).

    Grain out: `AS_OF`, of those that can be tested: two variations and two ranges or more. `delay_p_value`, and
    `delay_effect_size`: Cramér's V, from 0 (alike) to 1. Ranges in which a variation expects fewer than
    `SMALLEST_EXPECTED` units are pooled; if that isn't enough, they are left out.

    Args:
        units: Grain (`AS_OF`, variation_id, from_seconds), with `unit_count`; absent combinations count 0.
    """
    row = (*AS_OF, "range")
    of_variation = _UNITS.sum().over(*AS_OF, "variation_id")
    smallest_share = of_variation.min().over(AS_OF) / _UNITS.sum().over(AS_OF)
    seen = units.filter(of_variation > 0)
    is_small = _UNITS.sum().over(*AS_OF, "from_seconds") * smallest_share < SMALLEST_EXPECTED
    pooled = (
        seen.with_columns(range=pl.when(is_small).then(None).otherwise("from_seconds"))
        .group_by(*row, "variation_id")
        .agg(_UNITS.sum())
    )
    large = pooled.filter(_UNITS.sum().over(row) * smallest_share >= SMALLEST_EXPECTED)
    expected = _UNITS.sum().over(row) * of_variation / _UNITS.sum().over(AS_OF)
    ranges, variations = (pl.col(name).n_unique().over(AS_OF) for name in ("range", "variation_id"))
    cells = (
        _every_cell(large)
        .with_columns(expected=expected, ranges=ranges, variations=variations)
        .filter((pl.col("ranges") > 1) & (pl.col("variations") > 1) & (pl.col("expected") > 0))
        .sort(*row, "variation_id")
    )
    starts = starts_of(cells, *AS_OF)
    observed, wanted = floats_of(cells, "unit_count"), floats_of(cells, "expected")
    tested = cells[starts].select(*AS_OF, "ranges", "variations")
    return (
        tested.with_columns(
            statistic=sums_of((observed - wanted) ** 2 / wanted, starts),
            total=sums_of(observed, starts),
            freedom=(pl.col("ranges").cast(pl.Int64) - 1) * (pl.col("variations").cast(pl.Int64) - 1),
            smaller=pl.min_horizontal("ranges", "variations").cast(pl.Int64) - 1,
        )
        .with_columns(
            delay_effect_size=(pl.col("statistic") / pl.col("total") / pl.col("smaller")).sqrt(),
            delay_p_value=pl.struct("statistic", "freedom").map_batches(_chi_square_tail, pl.Float64),
        )
        .select(*AS_OF, "delay_p_value", "delay_effect_size")
    )


def _chi_square_tail(tests: pl.Series) -> pl.Series:
    return pl.Series(chi2.sf(tests.struct["statistic"].to_numpy(), tests.struct["freedom"].to_numpy()))


def _every_cell(pooled: pl.DataFrame) -> pl.DataFrame:
    """Every range of a row with every variation of it; 0 where nobody is."""
    ranges = pooled.select(*AS_OF, "range").unique()
    variations = pooled.select(*AS_OF, "variation_id").unique()
    keys = [*AS_OF, "range", "variation_id"]
    return (
        ranges.join(variations, on=AS_OF)
        .join(pooled, on=keys, how="left", nulls_equal=True)
        .with_columns(_UNITS.fill_null(0))
    )
