"""The `[quality]` section of an experiment: from when on its cohorts are judged, and what is alarming about them.

How a shift is told from chance is in `transforms.quality_shifts`; what becomes of an alarm, in the checks.
"""

from pydantic import Field, ValidationInfo, field_validator

from exposure_assets.contracts.catalog_model import CatalogModel
from exposure_assets.contracts.catalog_values import Fault, WindowDays, refusal


class QualityRules(CatalogModel):
    """When the statistical checks of `daily_quality` warn. Rates and shares are fractions of 1.

    A rate has shifted when it differs from the recent past by more than its `..._shift` and, besides, by more than
    chance explains (`shift_z`). A sample ratio is a mismatch when it is less probable than `srm_alpha` and, besides, a
    share is off by `srm_min_deviation` or more.
    """

    judge_after_days: WindowDays | None = Field(default=None, examples=["judge_after_days = 7"])
    min_units: int = Field(default=100, ge=1, le=10**9, examples=["min_units = 100"])
    baseline_days: int = Field(default=28, ge=1, le=90, examples=["baseline_days = 28"])
    critical_exposure_rate: float = Field(
        default=0.7, ge=0, le=1, allow_inf_nan=False, examples=["critical_exposure_rate = 0.7"]
    )
    warning_exposure_rate: float = Field(
        default=0.9, ge=0, le=1, allow_inf_nan=False, examples=["warning_exposure_rate = 0.9"]
    )
    exposure_rate_shift: float = Field(
        default=0.005, ge=0, le=1, allow_inf_nan=False, examples=["exposure_rate_shift = 0.005"]
    )
    mismatch_rate_shift: float = Field(
        default=0.005, ge=0, le=1, allow_inf_nan=False, examples=["mismatch_rate_shift = 0.005"]
    )
    crossover_rate_shift: float = Field(
        default=0.005, ge=0, le=1, allow_inf_nan=False, examples=["crossover_rate_shift = 0.005"]
    )
    pre_assignment_rate_shift: float = Field(
        default=0.005, ge=0, le=1, allow_inf_nan=False, examples=["pre_assignment_rate_shift = 0.005"]
    )
    unassigned_share: float = Field(
        default=0.01, ge=0, le=1, allow_inf_nan=False, examples=["unassigned_share = 0.01"]
    )
    volume_factor: float = Field(default=1.1, ge=1, allow_inf_nan=False, examples=["volume_factor = 1.1"])
    shift_z: float = Field(default=4.0, ge=0, allow_inf_nan=False, examples=["shift_z = 4.0"])
    srm_alpha: float = Field(default=0.001, gt=0, lt=1, allow_inf_nan=False, examples=["srm_alpha = 0.001"])
    srm_min_deviation: float = Field(
        default=0.002, ge=0, le=1, allow_inf_nan=False, examples=["srm_min_deviation = 0.002"]
    )

    @field_validator("warning_exposure_rate")
    @classmethod
    def _warns_before_it_is_critical(cls, value: float, info: ValidationInfo) -> float:
        critical = info.data.get("critical_exposure_rate", 0.0)
        if value < critical:
            expected = f"at least critical_exposure_rate, which is {critical}"
            raise refusal(Fault(repr(value), expected, "raise it, or lower critical_exposure_rate"))
        return value
