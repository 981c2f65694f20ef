"""The experiments, metrics and exposure sources of a simulated catalog, derived from a plan without drawing.

Who is assigned to them and what happens then is drawn elsewhere; here is only what the catalog declares.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exposure_assets.simulation.cuts import SimulatedSegment, SimulatedWindow
from exposure_assets.simulation.plan import SimulationPlan

_DAY_US = 86_400_000_000

_NAMES = (
    "checkout-button",
    "search-ranking",
    "onboarding-tour",
    "price-display",
    "cart-reminder",
    "home-carousel",
    "dark-mode",
    "free-shipping",
    "review-stars",
    "login-links",
    "image-zoom",
    "push-timing",
)

_ALLOCATIONS: tuple[tuple[tuple[str, float], ...], ...] = (
    (("control", 0.5), ("treatment", 0.5)),
    (("control", 0.34), ("short", 0.33), ("long", 0.33)),
    (("control", 0.9), ("treatment", 0.1)),
    (("control", 0.4), ("blue", 0.2), ("green", 0.2), ("grey", 0.2)),
    (("off", 0.7), ("on", 0.3)),
)

_LIFTS = (0.0, 0.12, 0.05, -0.04)

_START_SHARES = (0.0, 0.1, 0.3, 0.05, 0.4)

_DURATION_SHARES: tuple[float | None, ...] = (0.5, None, 0.45, 0.6)

ALL_METRICS = (
    "purchases",
    "revenue_usd",
    "has_purchased",
    "average_order_usd",
    "active_days",
    "largest_order_usd",
)


_WINDOWS = (
    SimulatedWindow("whole", periods=("daily", "overall")),
    SimulatedWindow("first_half", end="50%"),
    SimulatedWindow("while_enrolling", start="enrollment_start", end="enrollment_end"),
)

_SEGMENTS = (
    SimulatedSegment("searched_before"),
    SimulatedSegment("searched_web_often", kind="web", at_least=2, start=-14, end=-1),
)


@dataclass(frozen=True)
class SimulatedSource:
    """An exposure source: which event, and which of its properties name the experiment and the variation."""

    id: str
    event: str
    experiment_property: str
    variation_property: str
    reason: str | None = None


SOURCES = (
    SimulatedSource("experiment_exposed", "experiment_exposed", "experiment", "variation"),
    SimulatedSource("flag_evaluated", "flag_evaluated", "flag", "variation", reason="split"),
)


@dataclass(frozen=True)
class SimulatedVariation:
    """A variation; `lift` is the relative change it makes to the chance of a purchase."""

    id: str
    allocation: float
    lift: float


@dataclass(frozen=True)
class SimulatedExperiment:
    """What the catalog says of one experiment. Instants are UTC; `*_us` are microseconds since the epoch."""

    id: str
    source: SimulatedSource
    start: datetime
    end: datetime | None
    enrollment_days: int | None
    variations: tuple[SimulatedVariation, ...]
    grace_minutes: int
    max_days_after_assignment: int
    observe_days: int
    crossover_policy: str
    anchor: str
    window_days: int
    metrics: tuple[str, ...]
    windows: tuple[SimulatedWindow, ...] = ()
    segments: tuple[SimulatedSegment, ...] = ()

    @property
    def start_us(self) -> int:
        return _microseconds(self.start)

    @property
    def grace_us(self) -> int:
        return self.grace_minutes * 60_000_000

    @property
    def enrollment_end_us(self) -> int | None:
        """The first instant at which an assignment is no longer accepted; None while it goes on."""
        ends = [self.end] if self.end else []
        if self.enrollment_days is not None:
            ends.append(self.start + timedelta(days=self.enrollment_days))
        return _microseconds(min(ends)) if ends else None

    def start_day(self, plan: SimulationPlan) -> int:
        """The day of `start`, counted from the first simulated day."""
        return (self.start_us - plan.start_us) // _DAY_US

    def end_day(self, plan: SimulationPlan) -> int:
        """The day of `end`; the last simulated day of an experiment that is still running by then."""
        last = plan.days - 1
        return last if self.end is None else min(last, (_microseconds(self.end) - plan.start_us) // _DAY_US)

    def last_accepted_day(self, plan: SimulationPlan) -> int:
        """The last day whose exposures belong to the experiment; may lie after the simulated days."""
        if self.end is None:
            return plan.days + 366
        return (_microseconds(self.end) - plan.start_us) // _DAY_US + self.observe_days


def design_experiments(plan: SimulationPlan) -> tuple[SimulatedExperiment, ...]:
    """The plan's experiments: overlapping, of 2 to 4 variations, with windows that fit the plan's days.

    With coenrolling features, the first one also has exposure windows and segments.
    """
    return tuple(_design(plan, number) for number in range(plan.experiments))


def _design(plan: SimulationPlan, number: int) -> SimulatedExperiment:
    first_day = datetime(plan.start_date.year, plan.start_date.month, plan.start_date.day, tzinfo=UTC)
    start = first_day + timedelta(
        days=int(plan.days * _START_SHARES[number % len(_START_SHARES)]),
        hours=(9 + 5 * number) % 13,
        minutes=(57 + 13 * number) % 60,
    )
    duration = _DURATION_SHARES[number % len(_DURATION_SHARES)]
    days = None if duration is None else max(1, round(plan.days * duration))
    max_days = min(7, max(1, plan.days // 4))
    is_tight = number % 3 == 2
    is_cut = plan.coenrolling and number == 0
    return SimulatedExperiment(
        id=_NAMES[number % len(_NAMES)] + (f"-{number // len(_NAMES) + 1}" if number >= len(_NAMES) else ""),
        source=SOURCES[1] if is_tight else SOURCES[0],
        start=start,
        end=None if days is None else start + timedelta(days=days, hours=4, minutes=33),
        enrollment_days=min(7, max(1, (days or plan.days) // 2)) if number % 3 == 0 else None,
        variations=tuple(
            SimulatedVariation(id, allocation, _LIFTS[position])
            for position, (id, allocation) in enumerate(_ALLOCATIONS[number % len(_ALLOCATIONS)])
        ),
        grace_minutes=(5, 0, 15)[number % 3],
        # A tight experiment stops looking on the day its window closes: the narrowest room there is.
        max_days_after_assignment=max(1, max_days - 2) if is_tight else max_days,
        observe_days=max(1, max_days - 2) if is_tight else min(14, 2 * max_days),
        crossover_policy="first_seen" if number % 4 == 1 else "exclude",
        anchor="assignment" if number % 4 == 2 else "first_exposure",
        window_days=(7, 14, 3)[number % 3],
        metrics=ALL_METRICS if number % 2 == 0 else ALL_METRICS[:3],
        windows=_WINDOWS if is_cut else (),
        segments=_SEGMENTS if is_cut else (),
    )


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000
