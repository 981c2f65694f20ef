"""Contracts of the catalog's tables: `experiments` and `variations`.

The catalog's files and their rules stand in `catalog`.
"""

import pandera.polars as pa
import polars as pl

from exposure_assets.contracts.base import StringList, TableContract, UtcInstant


class Experiments(TableContract):
    """One row per experiment of the catalog, with the rules its exposures and outcomes are judged by."""

    experiment_id: pl.String = pa.Field(description="Id of the experiment: its file name in the catalog.")
    name: pl.String = pa.Field(description="Name for people.")
    owner: pl.String = pa.Field(description="Who answers for the experiment.")
    start_at: UtcInstant = pa.Field(description="First instant at which an assignment is accepted.")
    end_at: UtcInstant = pa.Field(nullable=True, description="End of the experiment; null while it runs.")
    enrollment_end_at: UtcInstant = pa.Field(
        nullable=True, description="First instant at which assignments are no longer accepted; null: no end."
    )
    exposure_source: pl.String = pa.Field(description="Exposure source of the catalog.")
    grace_minutes: pl.Int64 = pa.Field(
        ge=0, description="How long before its assignment an exposure still counts."
    )
    max_days_after_assignment: pl.Int64 = pa.Field(ge=0, description="Latest valid first exposure, in days.")
    observe_days: pl.Int64 = pa.Field(ge=0, description="Observation window, in days.")
    crossover_policy: pl.String = pa.Field(
        isin=["exclude", "first_seen"], description="What a crossover means."
    )
    anchor: pl.String = pa.Field(
        isin=["first_exposure", "assignment"], description="Where outcome windows start."
    )
    outcome_window_days: pl.Int64 = pa.Field(ge=0, description="Length of the outcome window, in days.")
    metrics: StringList = pa.Field(description="Metrics the experiment lists.")

    class Config:
        name = "experiments"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id",)


class Variations(TableContract):
    """One row per experiment and variation of the catalog, with its declared allocation."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    variation_id: pl.String = pa.Field(description="`control` or a treatment, as the experiment names it.")
    allocation: pl.Float64 = pa.Field(ge=0.0, le=1.0, description="Declared share of the units, 0..1.")
    is_control: pl.Boolean = pa.Field(description="The variation that others are compared with.")

    class Config:
        name = "variations"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "variation_id")
