"""Merging the moments of disjoint groups of units, cell after cell, so that every day has those of all units until it.

Which units are in a cell stands in `metric_moments`; what is computed from the merged moments, in `experiment_results`.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import polars as pl
from tea_tasting.aggr import Aggregates

from exposure_assets.contracts import MOMENT_PAIRS, MOMENT_PARTS, comoment_column, mean_column

_MEANS = [mean_column(part) for part in MOMENT_PARTS]
_COMOMENTS = [comoment_column(a, b) for a, b in MOMENT_PAIRS]


def merged_until(cells: pl.DataFrame, group: Sequence[str], order: Sequence[str]) -> pl.DataFrame:
    """Per cell the moments of all cells of its group up to it; `unit_count` too.

    Grain out: the rows of `cells`, sorted by `group` and `order`.

    By the update of Chan, Golub and LeVeque: it subtracts no large numbers from one another, and means that are equal
    add nothing. Cells are merged in their order, so the same cells give the same bits.

    Args:
        cells: With the moments of `contracts.MetricMoments`; parts that a group doesn't have come out as 0.
        group: The columns whose values cells have in common that are merged.
        order: The columns that order the cells of a group, without ties.
    """
    ordered = cells.sort(*group, *order)
    is_first = pl.any_horizontal((pl.col(name) != pl.col(name).shift()).fill_null(True) for name in group)
    number = pl.int_range(pl.len())
    place = ordered.select(number - pl.when(is_first).then(number).forward_fill()).to_series().to_numpy()
    counts = ordered["unit_count"].to_numpy().astype(np.float64)
    means = ordered.select(pl.col(_MEANS).fill_null(0.0)).to_numpy().copy()
    comoments = ordered.select(pl.col(_COMOMENTS).fill_null(0.0)).to_numpy().copy()
    pairs = [(MOMENT_PARTS.index(a), MOMENT_PARTS.index(b)) for a, b in MOMENT_PAIRS]
    left, right = ([pair[side] for pair in pairs] for side in (0, 1))
    in_turn = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[in_turn], np.arange(1, place.max(initial=0) + 2))
    # The second cells of all groups at once, then the third ones.
    for start, end in pairwise(bounds):
        here = in_turn[start:end]
        before = here - 1
        total = counts[before] + counts[here]
        share = counts[here] / np.maximum(total, 1)
        apart = means[here] - means[before]
        # A cell without units has no mean that could be apart.
        apart[counts[here] == 0] = 0.0
        means[here] = means[before] + apart * share[:, None]
        weight = (counts[before] * share)[:, None]
        comoments[here] += comoments[before] + apart[:, left] * apart[:, right] * weight
        counts[here] = total
    has_units = counts > 0
    return ordered.with_columns(
        pl.Series("unit_count", counts.astype(np.int64)),
        *(
            pl.Series(name, numbers[:, n]).set(pl.Series(~has_units), None)
            for names, numbers in ((_MEANS, means), (_COMOMENTS, comoments))
            for n, name in enumerate(names)
        ),
    )


def as_aggregates(row: dict[str, float], parts: Sequence[str]) -> Aggregates:
    """Moments as tea-tasting has them: means, variances and covariances of the given parts.

    Args:
        row: A row of moments, with at least two units.
        parts: Some of `MOMENT_PARTS`; the row has moments of them.
    """
    freedom = row["unit_count"] - 1
    pairs = [(a, b) for a, b in MOMENT_PAIRS if a in parts and b in parts]
    return Aggregates(
        int(row["unit_count"]),
        {part: row[mean_column(part)] for part in parts},
        {part: row[comoment_column(part, part)] / freedom for part in parts},
        {(a, b): row[comoment_column(a, b)] / freedom for a, b in pairs if a != b},
    )
