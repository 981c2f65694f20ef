"""Contract of `experiment_results`: how every treatment compares with the control, per metric, basis and day.

What units are known by is in `metric_moments`; whether an experiment may be decided on, in `experiment_quality_report`.
"""

import pandera.polars as pa
import polars as pl
from pandera.api.polars.types import PolarsData

from exposure_assets.contracts.base import StringList, TableContract, holds
from exposure_assets.contracts.metric_moments import ANALYSIS_BASES

METHODS = ("welch", "cuped", "ratio", "ratio_cuped")
ESTIMATES = (
    "control_mean",
    "mean",
    "absolute_lift",
    "absolute_lift_lower",
    "absolute_lift_upper",
    "relative_lift",
    "relative_lift_lower",
    "relative_lift_upper",
    "p_value",
)
_UNTOLD = "Null where it can't be told, and in rows that are refused."


class ExperimentResults(TableContract):
    """Per experiment, metric, treatment, analysis basis and day: the treatment against the control, as of that day.

    Rows begin on the first day by whose end an outcome window was over. Units count whose window is over by the end of
    `as_of_date`; those assigned to several variations count in none. Rows that are provisional count what units did so
    far for what they will have done. Only `assigned` compares what was randomised: the
    other bases choose units by what they did after the assignment.
    """

    experiment_id: pl.String = pa.Field(description="The experiment.")
    metric_id: pl.String = pa.Field(description="Metric of the catalog, or ratio of the experiment.")
    variation_id: pl.String = pa.Field(description="The treatment.")
    analysis_basis: pl.String = pa.Field(isin=ANALYSIS_BASES, description="The basis of `metric_moments`.")
    as_of_date: pl.Date = pa.Field(description="The UTC day, as known when it is over.")
    is_provisional: pl.Boolean = pa.Field(
        description="The day lies beyond the data: all windows of the units so far will be over on it, and they count "
        "with what they did so far."
    )
    control_variation_id: pl.String = pa.Field(description="The control.")
    unit_count: pl.Int64 = pa.Field(
        ge=0, description="Units of the treatment that are compared: complete, with a value."
    )
    incomplete_unit_count: pl.Int64 = pa.Field(
        ge=0,
        description="Units of the treatment assigned by that day whose outcome window is not over; in provisional "
        "rows, not by the last day with data.",
    )
    missing_unit_count: pl.Int64 = pa.Field(
        ge=0, description="Complete units of the treatment without a value, as a mean of no event."
    )
    conflicting_unit_count: pl.Int64 = pa.Field(
        ge=0, description="Units first assigned to the treatment by that day, and to another variation too."
    )
    control_unit_count: pl.Int64 = pa.Field(ge=0, description="Units of the control that are compared.")
    control_mean: pl.Float64 = pa.Field(
        nullable=True,
        description=f"Mean of the control, or its ratio of means; with covariates, adjusted. {_UNTOLD}",
    )
    mean: pl.Float64 = pa.Field(nullable=True, description=f"The same of the treatment. {_UNTOLD}")
    absolute_lift: pl.Float64 = pa.Field(nullable=True, description=f"mean - control_mean. {_UNTOLD}")
    absolute_lift_lower: pl.Float64 = pa.Field(
        nullable=True, description=f"Lower end of its confidence interval. {_UNTOLD}"
    )
    absolute_lift_upper: pl.Float64 = pa.Field(
        nullable=True, description=f"Upper end of its confidence interval. {_UNTOLD}"
    )
    relative_lift: pl.Float64 = pa.Field(
        nullable=True, description=f"absolute_lift / control_mean, as a fraction. {_UNTOLD}"
    )
    relative_lift_lower: pl.Float64 = pa.Field(
        nullable=True, description=f"Lower end of its confidence interval. {_UNTOLD}"
    )
    relative_lift_upper: pl.Float64 = pa.Field(
        nullable=True, description=f"Upper end of its confidence interval. {_UNTOLD}"
    )
    p_value: pl.Float64 = pa.Field(
        nullable=True,
        ge=0.0,
        le=1.0,
        description=f"Two-sided, of no absolute lift; holds at one planned look, not at daily ones. {_UNTOLD}",
    )
    adjusted_p_value: pl.Float64 = pa.Field(
        nullable=True,
        ge=0.0,
        le=1.0,
        description=f"Adjusted over all metrics and treatments of the basis and day. {_UNTOLD}",
    )
    method: pl.String = pa.Field(
        isin=METHODS,
        description="welch: means; cuped: means adjusted by what units did before their assignment; ratio: ratios of "
        "means by the delta method; ratio_cuped: those, adjusted.",
    )
    alpha: pl.Float64 = pa.Field(gt=0.0, lt=1.0, description="Intervals are of confidence 1 - alpha.")
    is_valid_for_analysis: pl.Boolean = pa.Field(
        description="What `experiment_quality_report` says of that day."
    )
    refused_by: StringList = pa.Field(
        description="The failed guardrails of that day where the experiment is not valid; else none."
    )
    is_forced: pl.Boolean = pa.Field(
        description="The estimates of an invalid experiment are shown nevertheless."
    )

    class Config:
        name = "experiment_results"

    @classmethod
    def grain(cls) -> tuple[str, ...]:
        return ("experiment_id", "metric_id", "variation_id", "analysis_basis", "as_of_date")

    @pa.dataframe_check(name="an invalid experiment has no estimates unless it is forced")
    @classmethod
    def invalid_experiments_are_refused(cls, data: PolarsData) -> pl.LazyFrame:
        is_shown = pl.col("is_valid_for_analysis") | pl.col("is_forced")
        nothing = pl.all_horizontal(pl.col(name).is_null() for name in (*ESTIMATES, "adjusted_p_value"))
        return holds(data, is_shown | nothing)

    @pa.dataframe_check(name="only an invalid experiment is refused or forced")
    @classmethod
    def valid_experiments_are_not_refused(cls, data: PolarsData) -> pl.LazyFrame:
        is_questioned = (pl.col("refused_by").list.len() > 0) | pl.col("is_forced")
        return holds(data, ~pl.col("is_valid_for_analysis") | ~is_questioned)

    @pa.dataframe_check(name="an estimate lies in its interval, and adjusting raises no evidence")
    @classmethod
    def intervals_hold_their_estimates(cls, data: PolarsData) -> pl.LazyFrame:
        inside = (
            pl.col(lift).is_between(f"{lift}_lower", f"{lift}_upper").fill_null(True)
            for lift in ("absolute_lift", "relative_lift")
        )
        is_adjusted = (pl.col("adjusted_p_value") >= pl.col("p_value")).fill_null(True)
        return holds(data, pl.all_horizontal(*inside, is_adjusted))

    @pa.dataframe_check(name="the treatment is not the control")
    @classmethod
    def treatments_are_compared(cls, data: PolarsData) -> pl.LazyFrame:
        return holds(data, pl.col("variation_id") != pl.col("control_variation_id"))
