"""Contract of `experiment_quality_report`: is an experiment fit for analysis as of a day, and every number behind it.

How the numbers come about stands in the transform of the same name; from when on they matter, in the catalog.
"""

from itertools import pairwise
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import StringList, TableContract, holds
from exposure_assets.contracts.catalog_guardrails import GUARDRAILS

# Why a unit can be lost on its way to a valid exposure, as counts of `daily_quality`.
LOSSES = (
    "no_exposure_units",
    "crossover_units",
    "pre_assignment_units",
    "outside_window_units",
    "mismatch_units",
    "conflicting_units",
)


def _count(description: str) -> Any:
    return pa.Field(ge=0, description=description)


def _rate(description: str) -> Any:
    return pa.Field(ge=0.0, le=1.0, nullable=True, description=f"{description} Null where that is 0.")


def _srm(stage: str) -> Any:
    return pa.Field(
        ge=0.0,
        le=1.0,
        nullable=True,
        description=f"The smaller sequential_p_value of `sample_ratios` at stage {stage}, with conflicting units and "
        "without. Null before a unit is there.",
    )


def _loss_p(reason: str) -> Any:
    return pa.Field(
        ge=0.0,
        le=1.0,
        nullable=True,
        description=f"How probable it is that {reason} hits the variations alike; may be looked at every day. Null "
        "with fewer than two variations that have units.",
    )


def _loss(reason: str) -> Any:
    return pa.Field(
        ge=0.0,
        le=1.0,
        nullable=True,
        description=f"Largest minus smallest share of a variation's units with {reason}. Null likewise.",
    )


class ExperimentQualityReport(TableContract):
    """One row per experiment and day since its start: the verdict on the data of all cohorts until that day.

    Cohorts are counted with what is known of them now; only stages and sample ratios know when something happened.
    """

    experiment_id: pl.String = pa.Field(description="The experiment.")
    as_of_date: pl.Date = pa.Field(description="The UTC day; cohorts until then count.")
    is_valid_for_analysis: pl.Boolean = pa.Field(description="No guardrail fails.")
    failed_guardrails: StringList = pa.Field(description="Guardrails that keep results from being read.")
    warnings: StringList = pa.Field(description="Guardrails that fail and only warn.")
    assigned_units: pl.Int64 = _count("Units assigned.")
    exposed_units: pl.Int64 = _count("Units exposed until that day.")
    valid_exposed_units: pl.Int64 = _count("Units validly exposed until that day.")
    completed_units: pl.Int64 = _count("Units whose outcome window is over by then.")
    smallest_variation_id: pl.String = pa.Field(
        nullable=True,
        description="Variation with the fewest validly exposed units, of those whose allocation is above 0 at any "
        "time; of several, the smallest id. Null: there is none.",
    )
    smallest_variation_units: pl.Int64 = _count("Its validly exposed units.")
    final_cohort_share: pl.Float64 = _rate(
        "Units whose observation window and the longest outcome window after it are over / assigned_units."
    )
    srm_assigned_p_value: pl.Float64 = _srm("assigned")
    srm_exposed_p_value: pl.Float64 = _srm("exposed")
    srm_valid_exposed_p_value: pl.Float64 = _srm("valid_exposed")
    srm_completed_p_value: pl.Float64 = _srm("completed")
    unexposed_variation_ids: StringList = pa.Field(
        description="Variations with units of which none was exposed, which other variations make improbable."
    )
    conflicting_units: pl.Int64 = _count("Units assigned to more than one variation.")
    conflicting_rate: pl.Float64 = _rate("conflicting_units / assigned_units.")
    mismatch_units: pl.Int64 = _count("Units first exposed to another variation than their own.")
    mismatch_rate: pl.Float64 = _rate("mismatch_units / assigned_units.")
    crossover_units: pl.Int64 = _count("Units exposed to more than one variation.")
    crossover_rate: pl.Float64 = _rate("crossover_units / assigned_units.")
    pre_assignment_units: pl.Int64 = _count("Units whose earliest exposure precedes the grace.")
    pre_assignment_rate: pl.Float64 = _rate("pre_assignment_units / assigned_units.")
    no_exposure_units: pl.Int64 = _count("Units without any exposure.")
    outside_window_units: pl.Int64 = _count("Units whose first exposure came after the window.")
    no_exposure_loss_p_value: pl.Float64 = _loss_p("no exposure")
    no_exposure_loss_difference: pl.Float64 = _loss("no exposure")
    crossover_loss_p_value: pl.Float64 = _loss_p("crossover")
    crossover_loss_difference: pl.Float64 = _loss("a crossover")
    pre_assignment_loss_p_value: pl.Float64 = _loss_p("exposure before assignment")
    pre_assignment_loss_difference: pl.Float64 = _loss("an exposure before assignment")
    outside_window_loss_p_value: pl.Float64 = _loss_p("exposure outside the window")
    outside_window_loss_difference: pl.Float64 = _loss("an exposure outside the window")
    mismatch_loss_p_value: pl.Float64 = _loss_p("mismatch")
    mismatch_loss_difference: pl.Float64 = _loss("a mismatch")
    conflicting_loss_p_value: pl.Float64 = _loss_p("conflict")
    conflicting_loss_difference: pl.Float64 = _loss("a conflict")
    delay_p_value: pl.Float64 = pa.Field(
        ge=0.0,
        le=1.0,
        nullable=True,
        description="How probable it is that delays differ so much between variations (chi-square over the ranges of "
        "`exposure_delays`). Null with fewer than two variations or ranges that expect 5 units each.",
    )
    delay_effect_size: pl.Float64 = pa.Field(
        ge=0.0, le=1.000001, nullable=True, description="Cramér's V of the same table. Null likewise."
    )
    unassigned_exposed_units: pl.Int64 = _count("`daily_quality`'s, summed over days.")
    exposed_on_day_units: pl.Int64 = _count("Units exposed on a day, summed over the days.")
    unassigned_share: pl.Float64 = _rate("unassigned_exposed_units / exposed_on_day_units.")
    early_outcome_units: pl.Int64 = _count("Units with an event of a metric between assignment and anchor.")
    early_outcome_rate: pl.Float64 = _rate("early_outcome_units / assigned_units.")
    assignment_count: pl.Int64 = _count("Accepted assignment rows of the units.")
    repeated_assignment_count: pl.Int64 = _count("Those beyond the first one of each unit.")
    assignment_duplicate_rate: pl.Float64 = _rate("repeated_assignment_count / assignment_count.")
    row_count: pl.Int64 = _count("Raw exposure rows that name the experiment.")
    duplicate_row_count: pl.Int64 = _count("Those whose event had been delivered before.")
    duplicate_row_rate: pl.Float64 = _rate("duplicate_row_count / row_count.")

    class Config:
        name = "experiment_quality_report"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "as_of_date")

    @pa.dataframe_check(name="an experiment is valid exactly when no guardrail fails")
    @classmethod
    def verdict_agrees(cls, data: PolarsData) -> pl.LazyFrame:
        none_failed = pl.col("failed_guardrails").list.len() == 0
        return holds(data, pl.col("is_valid_for_analysis") == none_failed)

    @pa.dataframe_check(name="guardrails are known, and none both fails and warns")
    @classmethod
    def guardrails_are_known(cls, data: PolarsData) -> pl.LazyFrame:
        both = pl.concat_list("failed_guardrails", "warnings")
        is_known = both.list.set_difference(pl.lit(list(GUARDRAILS))).list.len() == 0
        return holds(data, is_known & (both.list.n_unique() == both.list.len()))

    @pa.dataframe_check(name="no stage has more units than the one before it")
    @classmethod
    def stages_never_grow(cls, data: PolarsData) -> pl.LazyFrame:
        names = ("assigned_units", "exposed_units", "valid_exposed_units", "completed_units")
        return holds(data, pl.all_horizontal(pl.col(a) >= pl.col(b) for a, b in pairwise(names)))
