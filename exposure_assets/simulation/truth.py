"""What was planted: counted always, and named row by row and unit by unit while that stays small.

The truth is noted where it is made; nothing here looks at rows to find out what they are.
"""

import dataclasses
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from exposure_assets.contracts import BUCKETS, VALIDATION_STATUSES
from exposure_assets.simulation.clock import DAY_US, NEVER, UNKNOWN_TIME
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.identity import NO_EVENT, event_ids
from exposure_assets.simulation.plan import UNIT_FAULTS, FaultRates, SimulationPlan
from exposure_assets.simulation.population import NO_FAULT, Recruits, verdicts
from exposure_assets.simulation.rows import EventRows
from exposure_assets.simulation.vocabulary import BUCKET_NUMBERS, UNRELATED, Vocabulary

_DAYS_BEFORE = 16
"""Days before the first one on which a planted row may claim to have happened."""

_UTC_TIME = pl.Datetime("us", "UTC")


class Truth:
    """Takes note of every fault and every row while a simulation runs, and writes it down at its end.

    Args:
        plan: The plan of the simulation.
        experiments: Its experiments; all arrays of experiments are numbers into this.
        vocabulary: Says what a template stands for.
        units: The ids of the units by number.
        is_detailed: Whether to name every unit and every planted row, not only to count them.
    """

    def __init__(
        self,
        plan: SimulationPlan,
        experiments: tuple[SimulatedExperiment, ...],
        vocabulary: Vocabulary,
        units: pl.Series,
        is_detailed: bool,
    ) -> None:
        self.is_detailed = is_detailed
        self.planted: Counter[str] = Counter({field.name: 0 for field in dataclasses.fields(FaultRates)})
        self.assignment_buckets: Counter[str] = Counter({"accepted": 0})
        self._plan = plan
        self._vocabulary = vocabulary
        self._experiments = experiments
        self._unit_ids = units
        self._experiment_ids = pl.Series(
            [*(experiment.id for experiment in experiments), None], dtype=pl.String
        )
        self._all_days = plan.days + _DAYS_BEFORE
        self._waterfall = np.zeros((len(experiments) + 1) * self._all_days * len(BUCKETS), dtype=np.int64)
        self._templates = np.zeros(len(vocabulary.bucket), dtype=np.int64)
        self._names: Counter[str] = Counter()
        self._faults: list[pl.DataFrame] = []
        self._units: list[pl.DataFrame] = []
        self._statuses: dict[str, dict[str, int]] = {}

    @property
    def buckets(self) -> dict[str, int]:
        """Raw rows that an exposure source matches, by the waterfall buckets that there can be."""
        totals = self._waterfall.reshape(-1, len(BUCKETS)).sum(axis=0)
        buckets = {bucket: int(total) for bucket, total in zip(BUCKETS, totals, strict=True)}
        if not self._plan.coenrolling:
            # Where every event names its variation, no assignment has to be looked up.
            del buckets["unassigned_unit"]
        return buckets

    def plant(
        self,
        fault: str,
        *,
        experiment: NDArray[np.int32],
        unit: NDArray[np.int32],
        number: NDArray[np.uint64] | None = None,
        arrived_at: NDArray[np.int64] | None = None,
        detail: str = "",
    ) -> None:
        """Note a fault of rows, or of units where no `number` of a row is given."""
        self.planted[fault] += len(unit)
        if not self.is_detailed or len(unit) == 0:
            return
        numbers = np.full(len(unit), NO_EVENT) if number is None else number
        times = [None] * len(unit) if arrived_at is None else arrived_at
        self._faults.append(
            pl.DataFrame(
                {
                    "experiment_id": self._experiment_ids.gather(
                        _behind_the_last(experiment, self._experiment_ids)
                    ),
                    "unit_id": self._unit_ids.gather(_behind_the_last(unit, self._unit_ids)),
                    "event_id": event_ids(numbers, self._plan.seed),
                    "arrival_date": pl.Series(times, dtype=pl.Int64).cast(_UTC_TIME).dt.date(),
                }
            ).select(
                pl.lit(fault).alias("fault"),
                pl.lit(detail or None, dtype=pl.String).alias("detail"),
                pl.all(),
            )
        )

    def plant_file(self, path: str, arrival_day: int) -> None:
        """Note a truncated file of the landing zone; none of its rows counts anywhere."""
        self.plant(
            "corrupt_file",
            experiment=np.array([-1], dtype=np.int32),
            unit=np.array([-1], dtype=np.int32),
            arrived_at=np.array([self._plan.start_us + arrival_day * DAY_US]),
            detail=path,
        )

    def note_units(self, number: int, recruits: Recruits) -> None:
        """Note the assigned units of an experiment, their verdicts and their faults."""
        experiment = self._experiments[number]
        status = verdicts(recruits, experiment)
        counts = np.bincount(status, minlength=len(VALIDATION_STATUSES))
        self._statuses[experiment.id] = dict(zip(VALIDATION_STATUSES, counts.tolist(), strict=True))
        for fault_number, fault in enumerate(UNIT_FAULTS):
            unit = recruits.unit[recruits.fault == fault_number]
            self.plant(fault, experiment=np.full(len(unit), number, dtype=np.int32), unit=unit)
        strangers = np.unique(recruits.strangers)
        where = np.full(len(strangers), number, dtype=np.int32)
        self.plant("unassigned_exposure", experiment=where, unit=strangers)
        if self.is_detailed:
            self._units.append(_unit_frame(experiment, recruits, status, self._unit_ids))

    def count_rows(self, rows: EventRows) -> None:
        """Count rows of `events` that are about to be written, each once per time it is written."""
        self._templates += np.bincount(rows.template, minlength=len(self._templates))
        self.count_buckets(rows, self._vocabulary.experiment[rows.template])

    def count_buckets(self, rows: EventRows, experiment: NDArray[np.int32]) -> None:
        """Count rows in the waterfall, each for the experiment of this number; -1 for none."""
        day = (known_times(rows) - self._plan.start_us) // DAY_US
        place = (experiment + 1) * self._all_days + day + _DAYS_BEFORE
        code = (place * len(BUCKETS) + rows.bucket)[rows.bucket != UNRELATED]
        self._waterfall += np.bincount(code, minlength=len(self._waterfall))

    def count_names(self, event_names: pl.Series) -> None:
        """Count rows by the names of their events."""
        self._names.update(dict(event_names.value_counts().sort("event_name").iter_rows()))

    def add_units(self, experiment_id: str, units: pl.DataFrame) -> None:
        """Note assigned units with their verdicts, in the columns of `units.parquet`, but for numbers as units."""
        statuses = Counter(units["validation_status"].to_list())
        counted = self._statuses.setdefault(experiment_id, dict.fromkeys(VALIDATION_STATUSES, 0))
        for status, count in statuses.items():
            counted[status] += count
        if self.is_detailed:
            named = units.with_columns(
                unit_id=self._unit_ids.gather(units["unit"]), fault=pl.lit(None, pl.String)
            )
            self._units.append(named.select(_UNITS))

    def write(self, directory: Path, totals: dict[str, int]) -> None:
        """Write the truth below `directory`; `summary.json` comes last and says that all is complete."""
        directory.mkdir(parents=True, exist_ok=True)
        self._waterfall_frame().write_parquet(directory / "waterfall.parquet")
        if self.is_detailed:
            pl.concat([_NO_FAULTS, *self._faults]).write_parquet(directory / "faults.parquet")
            pl.concat(self._units).write_parquet(directory / "units.parquet")
        names = self._vocabulary.event_name.to_frame().with_columns(rows=pl.Series(self._templates))
        by_name = Counter(
            dict(names.group_by("event_name", maintain_order=True).agg(pl.col("rows").sum()).iter_rows())
        )
        by_name.update(self._names)
        plan = dataclasses.asdict(self._plan)
        if not self._plan.coenrolling:
            del plan["coenrolling"]
        summary = {
            "plan": plan,
            **totals,
            "rows_by_event_name": dict(by_name),
            "waterfall": self.buckets,
            "assignments": dict(self.assignment_buckets),
            "validation_status": self._statuses,
            "planted": dict(self.planted),
        }
        text = json.dumps(summary, indent=2, default=str)
        (directory / "summary.json").write_text(text + "\n", encoding="utf-8")

    def _waterfall_frame(self) -> pl.DataFrame:
        code = np.flatnonzero(self._waterfall)
        place, bucket = np.divmod(code, len(BUCKETS))
        experiment, day = np.divmod(place, self._all_days)
        start = pl.lit(self._plan.start_date) - pl.duration(days=_DAYS_BEFORE)
        columns = pl.DataFrame(
            {
                "experiment_id": self._experiment_ids.gather(
                    _behind_the_last(experiment.astype(np.int32) - 1, self._experiment_ids)
                ),
                "exposure_date": pl.Series(day),
                "bucket": pl.Series(BUCKETS).gather(bucket),
                "rows": pl.Series(self._waterfall[code]),
            }
        )
        return columns.with_columns(exposure_date=(start + pl.duration(days="exposure_date")).cast(pl.Date))


def known_times(rows: EventRows) -> NDArray[np.int64]:
    """When rows of `events` count: when they happened, or where that can't be trusted, when they arrived."""
    has_no_day = (rows.bucket == BUCKET_NUMBERS["malformed"]) | (rows.occurred_at == UNKNOWN_TIME)
    return np.where(has_no_day, rows.arrived_at, rows.occurred_at)


_UNITS = (
    "experiment_id",
    "unit_id",
    "variation_id",
    "assigned_at",
    "assignment_count",
    "is_conflicting",
    "has_any_exposure",
    "has_post_assignment_exposure",
    "is_pre_assignment_exposure",
    "is_exposure_outside_window",
    "is_variation_mismatch",
    "has_crossover",
    "validation_status",
    "fault",
    "first_exposure_at",
    "first_exposure_variation_id",
)

_NO_FAULTS = pl.DataFrame(
    schema={
        "fault": pl.String,
        "detail": pl.String,
        "experiment_id": pl.String,
        "unit_id": pl.String,
        "event_id": pl.String,
        "arrival_date": pl.Date,
    }
)


def _behind_the_last(numbers: NDArray[np.int32], ids: pl.Series) -> NDArray[np.int64]:
    """-1 stands for null, which is the last of the ids."""
    return np.where(numbers < 0, len(ids) - 1, numbers)


def _unit_frame(
    experiment: SimulatedExperiment, recruits: Recruits, status: NDArray[np.int8], unit_ids: pl.Series
) -> pl.DataFrame:
    variations = pl.Series([variation.id for variation in experiment.variations])
    has_second = recruits.second_at != NEVER

    def carries(fault: str) -> pl.Series:
        return pl.Series(recruits.fault == UNIT_FAULTS.index(fault))

    has_first = pl.Series(recruits.first_at != NEVER)
    frame = pl.DataFrame(
        {
            "unit_id": unit_ids.gather(recruits.unit),
            "variation_id": variations.gather(recruits.variation),
            "assigned_at": pl.Series(recruits.assigned_at).cast(_UTC_TIME),
            "assignment_count": pl.Series(1 + has_second.astype(np.int64)),
            "is_conflicting": pl.Series(has_second & (recruits.second_variation != recruits.variation)),
            "first_exposure_at": pl.Series(recruits.first_at),
            "first_exposure_variation_id": variations.gather(recruits.shown),
            "has_any_exposure": has_first | carries("pre_assignment_exposure"),
            "has_post_assignment_exposure": has_first,
            "is_pre_assignment_exposure": carries("pre_assignment_exposure"),
            "is_exposure_outside_window": carries("exposure_outside_window"),
            "is_variation_mismatch": carries("variation_mismatch"),
            "has_crossover": carries("crossover"),
            "validation_status": pl.Series(VALIDATION_STATUSES).gather(status),
            "fault": pl.Series([*UNIT_FAULTS, None]).gather(np.minimum(recruits.fault, NO_FAULT)),
        }
    )
    seen = pl.when("has_post_assignment_exposure")
    return frame.select(
        pl.lit(experiment.id).alias("experiment_id"),
        pl.all().exclude("first_exposure_at", "first_exposure_variation_id"),
        seen.then(pl.col("first_exposure_at").cast(_UTC_TIME)).alias("first_exposure_at"),
        seen.then("first_exposure_variation_id").alias("first_exposure_variation_id"),
    )
