"""Keeps, of experiments without messages that have windows or segments, who was assigned and exposed when.

What that comes to is counted in `cut_truth`; of a simulation too large to name its units nothing is kept.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure_assets.simulation.cut_limits import UTC_TIME
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.population import Recruits
from exposure_assets.simulation.rows import EventRows
from exposure_assets.simulation.vocabulary import BUCKET_NUMBERS, Vocabulary


class WatchedUnits:
    """The units of the experiments that have windows or segments.

    Args:
        experiments: All experiments without messages.
        vocabulary: Says which experiment a row is about.
        is_detailed: Whether to keep anything.
    """

    def __init__(
        self, experiments: tuple[SimulatedExperiment, ...], vocabulary: Vocabulary, is_detailed: bool
    ) -> None:
        self._experiments = experiments
        self._vocabulary = vocabulary
        self._is_detailed = is_detailed
        self._assigned: dict[int, pl.DataFrame] = {}
        self._exposed: dict[int, list[pl.DataFrame]] = {}

    def note_units(self, number: int, recruits: Recruits) -> None:
        """Note the assignments of an experiment."""
        experiment = self._experiments[number]
        if not self._is_detailed or not (experiment.windows or experiment.segments):
            return
        variations = pl.Series([variation.id for variation in experiment.variations])
        self._exposed[number] = [_exposures(np.empty(0, np.int32), np.empty(0, np.int64))]
        self._assigned[number] = pl.DataFrame(
            {
                "unit": recruits.unit,
                "variation_id": variations.gather(recruits.variation),
                "assigned_at": pl.Series(recruits.assigned_at).cast(UTC_TIME),
            }
        )

    def note_exposures(self, rows: EventRows) -> None:
        """Note the accepted exposures among rows that are no copies."""
        is_accepted = rows.bucket == BUCKET_NUMBERS["accepted"]
        experiment = self._vocabulary.experiment[rows.template]
        for number, exposed in self._exposed.items():
            chosen = is_accepted & (experiment == number)
            exposed.append(_exposures(rows.unit[chosen], rows.occurred_at[chosen]))

    def of_shard(
        self, first_unit: int, end_unit: int
    ) -> list[tuple[SimulatedExperiment, pl.DataFrame, pl.DataFrame]]:
        """Each watched experiment with the assignments and exposures of the units [first_unit, end_unit)."""
        is_mine = (pl.col("unit") >= first_unit) & (pl.col("unit") < end_unit)
        return [
            (
                self._experiments[number],
                assigned.filter(is_mine),
                pl.concat(self._exposed[number]).filter(is_mine),
            )
            for number, assigned in self._assigned.items()
        ]


def _exposures(unit: NDArray[np.int32], occurred_at: NDArray[np.int64]) -> pl.DataFrame:
    return pl.DataFrame({"unit": unit, "at": pl.Series(occurred_at).cast(UTC_TIME)})
