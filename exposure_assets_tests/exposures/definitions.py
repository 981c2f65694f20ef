"""Another definition than the catalog's, for this process and for those that a test starts: it needs no Dagster.

What it counts is asked in the tests.
"""

from exposure_assets.contracts import Condition, ExposureSource
from exposure_assets.exposures import ExposureDefinition

VARIATIONS = ("control", "treatment")
# Another event, with a filter.
SEEN = ExposureSource(
    id="seen",
    event="banner_seen",
    experiment="properties.test",
    variation="properties.arm",
    filter=(Condition(field="properties.place", in_=("top", "side")),),
)
OTHER = ExposureDefinition("exp", SEEN, VARIATIONS)
