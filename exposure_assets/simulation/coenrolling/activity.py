"""What units with messages do besides: searches before and after their assignment, purchases, and previews.

None of these is an exposure; the displays themselves are drawn in `displays`.
"""

import numpy as np
from numpy.typing import NDArray

from exposure_assets.simulation.clock import DAY_US, hits
from exposure_assets.simulation.coenrolling.design import OFFERS, TIPS
from exposure_assets.simulation.coenrolling.display_rows import (
    NO_SOURCE,
    DisplayRows,
    join_displays,
    new_rows,
)
from exposure_assets.simulation.coenrolling.enrolling import Enrolled
from exposure_assets.simulation.coenrolling.spelling import MessageSpellings
from exposure_assets.simulation.cuts import SEARCH_KINDS
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.vocabulary import BUCKET_NUMBERS, UNRELATED

_SEARCHERS = 0.4
_SEARCHES = 4.0

_PURCHASES_PER_DISPLAY = 0.05

_ON_THE_BOUND = 0.03
"""Share of the units with a search in the first, last or next instant of a window that segments look at."""

_PREVIEWS = 0.01


def other_rows(
    plan: SimulationPlan,
    experiments: tuple[SimulatedExperiment, ...],
    spellings: MessageSpellings,
    enrolled: Enrolled,
    displays: list[DisplayRows],
    rng: np.random.Generator,
) -> DisplayRows:
    """The rows of a shard's units that no exposure source matches, still without numbers.

    Units that search buy twice as much, whether anything is displayed to them or not.
    """
    is_searcher = rng.random(enrolled.unit_count) < _SEARCHERS
    searches = _searches(plan, experiments, spellings, enrolled, is_searcher, rng)
    rows = join_displays(displays)
    accepted = rows.take(rows.rows.bucket == BUCKET_NUMBERS["accepted"])
    most = max(len(experiment.variations) for experiment in experiments)
    chances = np.full((len(experiments), most), _PURCHASES_PER_DISPLAY)
    for number, experiment in enumerate(experiments):
        for position, variation in enumerate(experiment.variations):
            chances[number, position] *= 1 + variation.lift
    column = accepted.rows.unit - enrolled.first_unit
    chance = chances[accepted.experiment, accepted.variation] * (1 + is_searcher[column])
    buys = accepted.take(rng.random(len(accepted)) < chance)
    purchases = _unmatched(
        plan,
        buys.rows.unit.astype(np.int64),
        np.full(len(buys), spellings.purchase),
        # Within the minutes after the display, and never on another day.
        np.minimum(buys.rows.occurred_at + 90_000_000, buys.rows.occurred_at // DAY_US * DAY_US + DAY_US - 1),
        rng,
        value=np.round(rng.lognormal(3.2, 0.8, len(buys)), 2),
    )
    seen = accepted.take(hits(rng, len(accepted), _PREVIEWS))
    seen = seen.take(seen.source == 0)
    previews = _unmatched(
        plan,
        seen.rows.unit.astype(np.int64),
        spellings.unmatched[seen.experiment],
        seen.rows.occurred_at,
        rng,
    )
    return join_displays([searches, purchases, previews])


def _searches(
    plan: SimulationPlan,
    experiments: tuple[SimulatedExperiment, ...],
    spellings: MessageSpellings,
    enrolled: Enrolled,
    is_searcher: NDArray[np.bool_],
    rng: np.random.Generator,
) -> DisplayRows:
    counts = np.where(is_searcher, rng.poisson(_SEARCHES, enrolled.unit_count), 0)
    units = [np.repeat(np.arange(enrolled.unit_count), counts)]
    times = [plan.start_us + (rng.random(len(units[0])) * (plan.end_us - plan.start_us)).astype(np.int64)]
    chosen = enrolled.units(TIPS)
    assigned_at = enrolled.assigned_at[TIPS, chosen]
    midnight = assigned_at // DAY_US * DAY_US
    start_of_offers = np.full(len(chosen), experiments[OFFERS].start_us // DAY_US * DAY_US)
    for bound in (
        assigned_at,
        midnight,
        midnight - 7 * DAY_US,
        midnight - 14 * DAY_US,
        start_of_offers,
        start_of_offers - 5 * DAY_US,
    ):
        for before in (0, 1):
            edge = hits(rng, len(chosen), _ON_THE_BOUND)
            units.append(chosen[edge])
            times.append(bound[edge] - before)
    unit, occurred_at = np.concatenate(units), np.concatenate(times)
    inside = (occurred_at >= plan.start_us) & (occurred_at < plan.end_us)
    unit, occurred_at = unit[inside], occurred_at[inside]
    kind = rng.integers(0, len(SEARCH_KINDS), len(unit))
    return _unmatched(plan, enrolled.first_unit + unit, spellings.searches[kind], occurred_at, rng)


def _unmatched(
    plan: SimulationPlan,
    unit: NDArray[np.int64],
    template: NDArray[np.int32],
    occurred_at: NDArray[np.int64],
    rng: np.random.Generator,
    value: NDArray[np.float64] | None = None,
) -> DisplayRows:
    count = len(unit)
    rows = new_rows(
        plan,
        unit=unit,
        template=template,
        occurred_at=occurred_at,
        sent_at=occurred_at,
        bucket=np.full(count, UNRELATED),
        rng=rng,
        value=value,
    )
    return DisplayRows(
        rows,
        np.full(count, NO_SOURCE, dtype=np.int8),
        np.full(count, -1, dtype=np.int32),
        np.full(count, -1, dtype=np.int8),
    )
