"""Contract of `daily_quality`: counts, rates and delays of a cohort, per variation and for all together.

How they are counted stands in `transforms.daily_quality`.
"""

from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, holds

ALL_VARIATIONS = "*"


def _count(description: str) -> Any:
    return pa.Field(ge=0, description=description)


def _rate(description: str) -> Any:
    return pa.Field(ge=0.0, le=1.0, nullable=True, description=f"{description} Null without assigned units.")


def _delay(description: str) -> Any:
    return pa.Field(nullable=True, description=f"{description} Null without a first exposure.")


class DailyQuality(TableContract):
    """One row per experiment, cohort day and variation; `*` counts all variations together."""

    experiment_id: pl.String = pa.Field(description="The experiment.")
    assignment_date: pl.Date = pa.Field(description="The cohort day.")
    variation_id: pl.String = pa.Field(description="Assigned variation; `*`: all together.")
    assigned_units: pl.Int64 = _count("Units of the cohort.")
    exposed_units: pl.Int64 = _count("Units with an exposure after their assignment (grace included).")
    valid_exposed_units: pl.Int64 = _count("Units with a valid exposure.")
    no_exposure_units: pl.Int64 = _count("Units without any exposure.")
    crossover_units: pl.Int64 = _count("Units exposed to more than one variation.")
    pre_assignment_units: pl.Int64 = _count("Units whose earliest exposure precedes the grace.")
    outside_window_units: pl.Int64 = _count("Units whose first exposure came after the window.")
    mismatch_units: pl.Int64 = _count("Units whose first exposure was to another variation.")
    conflicting_units: pl.Int64 = _count("Units assigned to more than one variation.")
    exposure_rate: pl.Float64 = _rate("exposed_units / assigned_units.")
    valid_exposure_rate: pl.Float64 = _rate("valid_exposed_units / assigned_units.")
    crossover_rate: pl.Float64 = _rate("crossover_units / assigned_units.")
    pre_assignment_rate: pl.Float64 = _rate("pre_assignment_units / assigned_units.")
    outside_window_rate: pl.Float64 = _rate("outside_window_units / assigned_units.")
    mismatch_rate: pl.Float64 = _rate("mismatch_units / assigned_units.")
    avg_exposure_delay_seconds: pl.Float64 = _delay("Mean delay of the first exposure.")
    p50_exposure_delay_seconds: pl.Float64 = _delay("Median delay, linear interpolation.")
    p95_exposure_delay_seconds: pl.Float64 = _delay("95th percentile of the delay, linear interpolation.")
    unassigned_exposed_units: pl.Int64 = pa.Field(
        ge=0,
        nullable=True,
        description="Units exposed on this day and not assigned until 7 days later; only in `*`.",
    )
    exposure_health: pl.String = pa.Field(
        isin=["critical", "warning", "ok"],
        nullable=True,
        description="By exposure_rate: critical < 0.7 <= warning < 0.9 <= ok; null without assigned units.",
    )

    class Config:
        name = "daily_quality"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "assignment_date", "variation_id")

    @classmethod
    def partition_columns(cls) -> dict[str, str]:
        return {"date": "assignment_date", "experiment": "experiment_id"}

    @pa.dataframe_check(name="no count of units exceeds assigned_units")
    @classmethod
    def parts_fit_the_whole(cls, data: PolarsData) -> pl.LazyFrame:
        parts = [
            "exposed_units",
            "valid_exposed_units",
            "no_exposure_units",
            "crossover_units",
            "pre_assignment_units",
            "outside_window_units",
            "mismatch_units",
            "conflicting_units",
        ]
        return holds(data, pl.all_horizontal(pl.col(part) <= pl.col("assigned_units") for part in parts))

    @pa.dataframe_check(name="unassigned_exposed_units stands in the '*' row and only there")
    @classmethod
    def unassigned_units_stand_once(cls, data: PolarsData) -> pl.LazyFrame:
        total = pl.col("variation_id") == ALL_VARIATIONS
        return holds(data, pl.col("unassigned_exposed_units").is_not_null() == total)
