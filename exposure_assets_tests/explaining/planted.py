"""A simulated zone that was backfilled, and copies of it into which a breakdown is planted.

What has to be named is said by the tests.
"""

import shutil
from datetime import date
from pathlib import Path

from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets.simulation.breakdowns import Breakdown, break_down
from exposure_assets_tests.installation import Installation

RANKING, TOUR = "search-ranking", "onboarding-tour"
FIRST_HIT, LAST_HIT, LAST_DAY = date(2026, 1, 9), date(2026, 1, 10), date(2026, 1, 13)
_EVENTS = {RANKING: "experiment_exposed", TOUR: "flag_evaluated"}
_VARIATIONS = {RANKING: "short", TOUR: "treatment"}


def backfilled(place: Path, seed: int = 3, units: int = 6_000, experiments: int = 2) -> Installation:
    """Thirteen days, `RANKING` from the second one on, `TOUR`, the third experiment, from the fourth on."""
    simulate(SimulationPlan(13, units, experiments, seed), place)
    installation = Installation(place, place)
    installation.backfill()
    return installation


def planted(
    base: Installation,
    place: Path,
    fault: str,
    *,
    experiment: str = RANKING,
    first: date = FIRST_HIT,
    last: date = LAST_HIT,
) -> Installation:
    """A copy with a breakdown in it, backfilled anew."""
    shutil.copytree(base.place, place, dirs_exist_ok=True)
    breakdown = Breakdown(fault, experiment, _EVENTS[experiment], first, last, _VARIATIONS[experiment])
    break_down(place / "landing", breakdown)
    installation = Installation(place, place)
    installation.backfill()
    return installation
