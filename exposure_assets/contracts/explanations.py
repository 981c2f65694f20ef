"""Contract of `explanations`: step by step, why fewer units of a cohort were exposed than of those before it.

How a step judges stands in `explaining`; the words of causes and remedies too.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import TableContract, holds

# In the order in which they are looked at; of causes that explain as much, the one of the first step is named.
EXPLAINING_STEPS = (
    "event_name",
    "ingestion",
    "rejects",
    "statuses",
    "hours",
    "assignment_volume",
    "variation",
    "segment",
)
EXPLAINING_VERDICTS = ("ok", "suspicious", "cause", "unknown")
EXPLAINED_TARGETS = ("exposed", "valid_exposed")
# What a step can find, by step.
STEP_CAUSES: dict[str, tuple[str, ...]] = {
    "event_name": ("event_not_seen", "event_renamed"),
    "ingestion": ("partition_missing", "file_quarantined", "late_data"),
    "rejects": (
        "malformed_rows",
        "unknown_variation",
        "unknown_experiment",
        "unresolved_template",
        "duplicate_event_ids",
        "ambiguous_attribution",
        "outside_experiment",
        "unassigned_unit",
        "filtered_out",
    ),
    "statuses": (
        "crossover",
        "pre_assignment",
        "outside_window",
        "variation_mismatch",
        "other_unit_ids",
    ),
    "hours": ("outage_of_hours",),
    "assignment_volume": ("assignment_surge",),
    "variation": ("one_variation_unexposed",),
    "segment": ("segment",),
}
# What the steps can lead to together: one of their causes, or that there is none.
NO_CAUSES = ("no_drop", "not_judged", "unexplained")
CAUSES = tuple(cause for causes in STEP_CAUSES.values() for cause in causes) + NO_CAUSES


class Explanations(TableContract):
    """One row per experiment, explained cohort day and step: what was looked at, and what it explains.

    Of every experiment one day is explained: its last cohort with a drop, or else its last judged one. Units are
    those exposed as many whole days after their assignment as the cohort has had. The last columns repeat what all
    steps together lead to.
    """

    experiment_id: pl.String = pa.Field(description="The experiment.")
    assignment_date: pl.Date = pa.Field(description="The cohort day that is explained.")
    step_number: pl.Int64 = pa.Field(ge=1, le=len(EXPLAINING_STEPS), description="Order of the step, from 1.")
    step: pl.String = pa.Field(isin=list(EXPLAINING_STEPS), description="What is looked at.")
    verdict: pl.String = pa.Field(
        isin=list(EXPLAINING_VERDICTS),
        description="cause: most likely why; suspicious: unusual, explains less; unknown: could not be looked at.",
    )
    cause: pl.String = pa.Field(
        nullable=True, isin=list(CAUSES), description="What was found; null: nothing."
    )
    key: pl.String = pa.Field(
        nullable=True, description="Which day, hours, variation, segment or name it is about; null: none."
    )
    explained_units: pl.Float64 = pa.Field(ge=0.0, description="Missing units that it explains.")
    sentence: pl.String = pa.Field(description="What was found, in a sentence.")
    target: pl.String = pa.Field(
        isin=list(EXPLAINED_TARGETS), description="Which units are missing: exposed ones, or validly exposed."
    )
    assigned_units: pl.Int64 = pa.Field(ge=0, description="Units of the cohort.")
    found_units: pl.Int64 = pa.Field(ge=0, description="Of them the exposed ones.")
    expected_units: pl.Float64 = pa.Field(
        ge=0.0, nullable=True, description="How many the cohorts before it let expect; null: not judged."
    )
    missing_units: pl.Float64 = pa.Field(
        ge=0.0, description="expected_units less found_units where the rate has dropped, else 0."
    )
    likely_cause: pl.String = pa.Field(isin=list(CAUSES), description="What all steps together lead to.")
    likely_key: pl.String = pa.Field(nullable=True, description="What the likely cause is about; null: none.")
    explained_share: pl.Float64 = pa.Field(
        ge=0.0, le=1.0, nullable=True, description="Of missing_units by the likely cause; null: none missing."
    )

    class Config:
        name = "explanations"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "assignment_date", "step")

    @pa.dataframe_check(name="no more is explained than is missing, unless nothing is")
    @classmethod
    def explains_what_is_missing(cls, data: PolarsData) -> pl.LazyFrame:
        # Rounding may put the last digit of the one above the other.
        fits = pl.col("explained_units") <= pl.col("missing_units") * (1 + 1e-9)
        return holds(data, fits)
