"""The asset checks: what has to hold between tables and over all partitions, judged after publishing.

What a table promises by itself is in its contract and is checked before its rows are published.
"""

from collections.abc import Sequence

import dagster as dg

from exposure_assets.checks.conservation import CONSERVATION_RULES
from exposure_assets.checks.grain import grain_checks
from exposure_assets.checks.sql_rule import checks_of
from exposure_assets.checks.timing import TIMING_RULES

__all__ = ["table_checks"]


def table_checks() -> Sequence[dg.AssetChecksDefinition]:
    """Every check over published tables."""
    return [*grain_checks(), *checks_of(TIMING_RULES), *checks_of(CONSERVATION_RULES)]
