"""Which experiment a part of a configuration credits: from the message that is displayed back to its experiment.

Whether that experiment exists, and which variation the unit is in, is judged when the exposure arrives.
"""

from collections.abc import Iterator
from typing import NamedTuple

from exposure_assets.features.json_values import Json, Path, parts

CREDIT_KEY = "experiment"


class Credit(NamedTuple):
    """An object with the property `experiment`: its path, and the slug that it credits."""

    path: Path
    experiment: str


def credits_of(configuration: Json) -> Iterator[Credit]:
    """Every part of a configuration that credits an experiment, in the order in which it is written.

    An object credits what its `experiment` says: the slug, once the configuration was resolved. An object without,
    or with null, credits nobody; what it is nested in does not matter.

    Args:
        configuration: Any JSON value; of a client, the result of `feature_configuration`.
    """
    for path, part in parts(configuration):
        if isinstance(part, dict) and isinstance(part.get(CREDIT_KEY), str):
            yield Credit(path, part[CREDIT_KEY])
