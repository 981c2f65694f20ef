"""What a simulation is asked for: its size, its formats and the rate of every fault.

Nothing is drawn or written here; everything downstream is a pure function of a `SimulationPlan`.
"""

from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Literal

FileFormat = Literal["parquet", "jsonl", "csv", "jsonl.gz", "csv.gz"]

FILE_FORMATS: tuple[FileFormat, ...] = ("parquet", "jsonl", "csv", "jsonl.gz", "csv.gz")

UNIT_FAULTS = (
    "no_exposure",
    "pre_assignment_exposure",
    "exposure_outside_window",
    "variation_mismatch",
    "crossover",
    "conflicting_assignment",
    "repeated_assignment",
)
"""Faults of one assigned unit. A unit has at most one per experiment, so that its verdict can be known."""

DETAILED_TRUTH_EVENTS = 2_000_000
"""Up to so many events the truth names every unit and every planted row; above it keeps counts."""

_DAY_US = 86_400_000_000


class PlanError(ValueError):
    """A plan asks for something that cannot be simulated."""


@dataclass(frozen=True)
class FaultRates:
    """How often each fault is planted; the field names are the fault names of the truth.

    Faults of units (`UNIT_FAULTS`) are shares of an experiment's assigned units, drawn among those for which
    the fault still fits into the simulated days; `unassigned_exposure` adds so many units per assigned one.
    Faults of rows are shares: of all event rows for `duplicate_event`, `conflicting_copy` and `late_arrival`,
    of repeated exposures for `early_arrival`, and of exposure rows for those that add a row that must be
    rejected (`unknown_experiment` ... `malformed`). The `*_assignment` faults of rows are shares of the
    assignment rows. `corrupt_file` is a number of truncated files, not a share.
    """

    no_exposure: float = 0.08
    pre_assignment_exposure: float = 0.02
    exposure_outside_window: float = 0.01
    variation_mismatch: float = 0.01
    crossover: float = 0.02
    conflicting_assignment: float = 0.005
    repeated_assignment: float = 0.005
    unassigned_exposure: float = 0.01
    duplicate_event: float = 0.02
    conflicting_copy: float = 0.005
    late_arrival: float = 0.02
    early_arrival: float = 0.002
    unknown_experiment: float = 0.01
    unknown_variation: float = 0.003
    unresolved_template: float = 0.002
    ambiguous_attribution: float = 0.002
    outside_experiment: float = 0.002
    malformed: float = 0.002
    duplicate_assignment: float = 0.01
    late_assignment: float = 0.01
    rejected_assignment: float = 0.01
    malformed_assignment: float = 0.002
    corrupt_file: int = 0

    def __post_init__(self) -> None:
        for entry in fields(self):
            rate = getattr(self, entry.name)
            if entry.name == "corrupt_file":
                if rate < 0:
                    raise PlanError(f"corrupt_file is {rate}, expected a number of files >= 0")
            elif not 0.0 <= rate <= 1.0:
                raise PlanError(f"fault rate {entry.name} is {rate}, expected a share from 0 to 1")
        planted = sum(getattr(self, name) for name in UNIT_FAULTS)
        if planted > 1.0 + 1e-9:
            raise PlanError(
                f"the rates of {', '.join(UNIT_FAULTS)} sum to {planted:g}, expected at most 1, because "
                "a unit carries at most one of them per experiment; lower some of them"
            )

    @classmethod
    def none(cls) -> "FaultRates":
        """Rates of a clean stream: nothing is planted."""
        return cls(**{entry.name: 0 for entry in fields(cls)})


@dataclass(frozen=True)
class SimulationPlan:
    """All that decides a simulation: the same plan gives the same files, byte for byte.

    Args:
        days: Arrival days, from `start_date` on; no row arrives after the last one.
        units: Distinct units that may turn up.
        experiments: Experiments in the catalog; their time ranges overlap.
        seed: Changes every draw.
        events: Target number of event rows, met within a few percent; None takes what the units do by
            themselves. A target below one exposure per unit can't be met.
        formats: One file format, or "mixed": all of them, changing from file to file.
        files_per_day: Event files of one arrival day, at least; a day of many rows is split into more.
        properties: Whether `properties` is JSON text or a struct (in CSV it is JSON text anyway).
        coenrolling: Whether units also take part in experiments with messages, several at a time, whose displays
            have to be credited to one of them; adds exposure windows, segments and feature configurations.
            The rows of all else stay the same, and `events` doesn't count what this adds.
    """

    days: int
    units: int
    experiments: int
    seed: int = 0
    start_date: date = date(2026, 1, 1)
    events: int | None = None
    formats: FileFormat | Literal["mixed"] = "parquet"
    files_per_day: int = 2
    properties: Literal["json", "struct"] = "json"
    faults: FaultRates = field(default_factory=FaultRates)
    coenrolling: bool = False

    def __post_init__(self) -> None:
        for name in ("days", "units", "experiments", "files_per_day"):
            if getattr(self, name) < 1:
                raise PlanError(f"{name} is {getattr(self, name)}, expected at least 1")
        if self.days > 3660:
            raise PlanError(f"days is {self.days}, expected at most 3660")
        if self.seed < 0:
            raise PlanError(f"seed is {self.seed}, expected a whole number >= 0")
        if self.events is not None and self.events < 1:
            raise PlanError(f"events is {self.events}, expected at least 1, or nothing for no target")
        if self.formats != "mixed" and self.formats not in FILE_FORMATS:
            raise PlanError(
                f"formats is {self.formats!r}, expected 'mixed' or one of {', '.join(FILE_FORMATS)}"
            )
        if self.properties not in ("json", "struct"):
            raise PlanError(f"properties is {self.properties!r}, expected 'json' or 'struct'")

    @property
    def start_us(self) -> int:
        """First instant of the first day, microseconds since the epoch."""
        start = datetime(self.start_date.year, self.start_date.month, self.start_date.day, tzinfo=UTC)
        return int(start.timestamp()) * 1_000_000

    @property
    def end_us(self) -> int:
        """First instant after the last day, microseconds since the epoch."""
        return self.start_us + self.days * _DAY_US

    def format_of(self, file_number: int) -> FileFormat:
        """The format of the file with this running number."""
        return FILE_FORMATS[file_number % len(FILE_FORMATS)] if self.formats == "mixed" else self.formats


@dataclass(frozen=True)
class SimulationSummary:
    """What a simulation wrote; `truth/summary.json` holds the same and more.

    `planted` counts by fault name; `buckets` counts the raw exposure rows by waterfall bucket;
    `has_unit_truth` says whether `truth/units.parquet` and `truth/faults.parquet` were written.
    """

    event_rows: int
    assignment_rows: int
    exposure_rows: int
    files: int
    bytes_written: int
    planted: dict[str, int]
    buckets: dict[str, int]
    has_unit_truth: bool
