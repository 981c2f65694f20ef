"""Exposures of an experiment between two instants, preaggregated by day: computed once, right always.

`exposures` answers, `ensure_preaggregated` computes ahead; docs/how_to/exposures.md says how to ask.
"""

from exposure_assets.exposures.answering import (
    Exposures,
    LandingKeepsChanging,
    Preaggregation,
    ensure_preaggregated,
    exposures,
)
from exposure_assets.exposures.question import QuestionError
from exposure_assets.transforms.exposure_definitions import DefinitionError, ExposureDefinition
from exposure_assets.transforms.preaggregation_windows import IntervalError, LifetimeError

__all__ = [
    "DefinitionError",
    "ExposureDefinition",
    "Exposures",
    "IntervalError",
    "LandingKeepsChanging",
    "LifetimeError",
    "Preaggregation",
    "QuestionError",
    "ensure_preaggregated",
    "exposures",
]
