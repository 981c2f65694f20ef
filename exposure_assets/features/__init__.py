"""Feature configurations: what a unit's client is configured by, and which experiment each part of it credits.

Values in, values out: no file, no clock, no Dagster. How files are read and findings shown is the command's business.
"""

from exposure_assets.features.crediting import Credit, credits_of
from exposure_assets.features.errors import (
    CoenrollmentRefused,
    EnrolledTwice,
    FeatureError,
    InvalidConfiguration,
    KeyCollision,
    NestedTooDeep,
)
from exposure_assets.features.findings import Finding, Severity
from exposure_assets.features.linting import lint
from exposure_assets.features.merging import Enrolled, feature_configuration, patched
from exposure_assets.features.reading import InvalidJson, parse_json
from exposure_assets.features.templating import PLACEHOLDER, resolve

__all__ = [
    "PLACEHOLDER",
    "CoenrollmentRefused",
    "Credit",
    "Enrolled",
    "EnrolledTwice",
    "FeatureError",
    "Finding",
    "InvalidConfiguration",
    "InvalidJson",
    "KeyCollision",
    "NestedTooDeep",
    "Severity",
    "credits_of",
    "feature_configuration",
    "lint",
    "parse_json",
    "patched",
    "resolve",
]
