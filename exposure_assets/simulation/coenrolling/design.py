"""The experiments with messages, their three exposure sources, and which message belongs to whom.

Who is assigned to them and what is displayed is drawn elsewhere; here is only what the catalog declares.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from exposure_assets.simulation.cuts import SimulatedSegment, SimulatedWindow
from exposure_assets.simulation.experiments import SimulatedExperiment, SimulatedSource, SimulatedVariation
from exposure_assets.simulation.plan import SimulationPlan

SLUG = SimulatedSource("messaging", "message_displayed", "experiment", "branch")
PART_ID = SimulatedSource("messaging_parts", "message_shown", "message_key", "")
MESSAGE = SimulatedSource("messaging_legacy", "message_impression", "message_key", "")
SOURCES = (SLUG, PART_ID, MESSAGE)
"""By how their displays are attributed: by slug, by part id, and by the message under experiment."""

EXPERIMENT_IDS = (
    "messaging-tips",
    "messaging-offers",
    "message-rating",
    "message-digest",
    "message-survey",
    "message-pin",
)

TIPS, OFFERS, RATING, DIGEST, SURVEY, PIN = range(6)
"""Numbers of the experiments in `EXPERIMENT_IDS`."""

SOURCE_OF = (0, 0, 1, 1, 2, 2)
"""Number of an experiment's source in `SOURCES`."""


@dataclass(frozen=True)
class Part:
    """A message key: the experiments it is mapped to, and the variation where the mapping names one."""

    key: str
    experiments: tuple[int, ...]
    variation: int = -1


PARTS = (
    Part("rating-card", (RATING,)),
    Part("digest-card", (DIGEST,)),
    Part("rating-card-short", (RATING,), variation=1),
    Part("shared-card", (RATING, DIGEST)),
)

_CONTROL_OR_TREATMENT = (SimulatedVariation("control", 0.5, 0.0), SimulatedVariation("treatment", 0.5, 0.1))

_LONGEST_ENROLLMENT_DAYS = 10
"""What is anchored at the experiment has to stay within the graph's horizon of every unit."""


def design_messaging(plan: SimulationPlan) -> tuple[SimulatedExperiment, ...]:
    """The six experiments, two to a source, that overlap in time and in their units.

    The two whose displays name nobody take exposures together on a part of the days only: before and after, such a
    display can mean no more than one of them.
    """

    def designed(
        number: int,
        first: float,
        lasts: float | None,
        *,
        enrolls: float | None = None,
        variations: tuple[SimulatedVariation, ...] = _CONTROL_OR_TREATMENT,
        grace_minutes: int = 5,
        observe_days: int = 14,
        crossover_policy: str = "exclude",
        windows: tuple[SimulatedWindow, ...] = (),
        segments: tuple[SimulatedSegment, ...] = (),
    ) -> SimulatedExperiment:
        day = plan.start_date + timedelta(days=int(plan.days * first))
        start = datetime(day.year, day.month, day.day, 7, 41, tzinfo=UTC)
        return SimulatedExperiment(
            id=EXPERIMENT_IDS[number],
            source=SOURCES[SOURCE_OF[number]],
            start=start,
            end=None if lasts is None else start + timedelta(days=max(1, round(plan.days * lasts)), hours=3),
            enrollment_days=None
            if enrolls is None
            else min(_LONGEST_ENROLLMENT_DAYS, max(1, round(plan.days * enrolls))),
            variations=variations,
            grace_minutes=grace_minutes,
            max_days_after_assignment=min(7, observe_days),
            observe_days=observe_days,
            crossover_policy=crossover_policy,
            anchor="first_exposure",
            window_days=7,
            metrics=("purchases", "revenue_usd", "has_purchased"),
            windows=windows,
            segments=segments,
        )

    return (
        designed(
            TIPS,
            0.1,
            0.6,
            enrolls=0.35,
            windows=(
                SimulatedWindow("whole", periods=("daily", "weekly", "overall")),
                SimulatedWindow("first_90_percent", end="90%", periods=("weekly", "overall")),
                SimulatedWindow("while_enrolling", start="enrollment_start", end="enrollment_end"),
            ),
            segments=(
                SimulatedSegment("searched_before"),
                SimulatedSegment("searched_web_often", kind="web", at_least=2, start=-14, end=-1),
            ),
        ),
        designed(
            OFFERS,
            0.1,
            0.3,
            enrolls=0.25,
            variations=(
                SimulatedVariation("control", 0.4, 0.0),
                SimulatedVariation("discount", 0.3, 0.3),
                SimulatedVariation("voucher", 0.3, -0.1),
            ),
            grace_minutes=0,
            observe_days=7,
            crossover_policy="first_seen",
            windows=(
                SimulatedWindow(
                    "first_week_of_all", anchor="experiment", end=6, periods=("daily", "overall")
                ),
                SimulatedWindow(
                    "after_enrollment",
                    anchor="experiment",
                    start="analysis_window_start",
                    end="analysis_window_end",
                    periods=("weekly", (2, 4)),
                ),
            ),
            segments=(
                SimulatedSegment("searched_before"),
                SimulatedSegment("searched_before_start", anchor="experiment", start=-5, end=-1),
            ),
        ),
        designed(
            RATING,
            0.05,
            None,
            grace_minutes=30,
            windows=(
                SimulatedWindow("from_the_second_day", start=1, end=9, periods=((0, 2), (3, 6), "weekly")),
            ),
        ),
        designed(
            DIGEST,
            0.2,
            0.4,
            observe_days=3,
            segments=(
                SimulatedSegment("searched_later", kind="app", start=0, end=2, is_post_assignment=True),
            ),
        ),
        designed(SURVEY, 0.0, 0.5, observe_days=2),
        designed(PIN, 0.34, None, grace_minutes=0, observe_days=5),
    )


def source_texts() -> dict[str, str]:
    """The TOML of the three exposure sources, by id."""
    parts = [f"{part.key} = {_credited(part)}" for part in PARTS]
    return {
        SLUG.id: f'event = "{SLUG.event}"\n'
        'attribution = "slug"\n'
        'experiment = "properties.experiment"\n'
        'variation = "properties.branch"\n'
        'filter = [{ field = "properties.surface", not_in = ["preview"] }]\n',
        PART_ID.id: f'event = "{PART_ID.event}"\n'
        'attribution = "part_id"\n'
        'part = "properties.message_key"\n'
        "\n[parts]\n" + "\n".join(parts) + "\n",
        MESSAGE.id: f'event = "{MESSAGE.event}"\n'
        'attribution = "message_under_experiment"\n'
        'part = "properties.message_key"\n'
        'message_under_experiment = "properties.message_under_experiment"\n',
    }


def _credited(part: Part) -> str:
    ids = [f'"{EXPERIMENT_IDS[number]}"' for number in part.experiments]
    if part.variation >= 0:
        variation = _CONTROL_OR_TREATMENT[part.variation].id
        return f'{{ experiment = {ids[0]}, variation = "{variation}" }}'
    return ids[0] if len(ids) == 1 else f"[{', '.join(ids)}]"
