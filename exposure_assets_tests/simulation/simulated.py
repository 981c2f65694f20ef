"""A simulation with its files read back and judged, and the rates that make every fault turn up in it.
What has to agree with what is said by the tests.
"""

import json
from functools import cached_property
from pathlib import Path

import polars as pl

from exposure_assets.simulation import FaultRates, SimulationPlan, SimulationSummary, simulate
from exposure_assets_tests.simulation.plain_attribution import Canonical
from exposure_assets_tests.simulation.plain_judging import (
    JudgedAssignments,
    JudgedEvents,
    judge_assignments,
    judge_events,
)
from exposure_assets_tests.simulation.plain_reading import Row, read_catalog, read_stream

MANY_FAULTS = FaultRates(
    pre_assignment_exposure=0.05,
    exposure_outside_window=0.05,
    variation_mismatch=0.05,
    crossover=0.05,
    conflicting_assignment=0.03,
    repeated_assignment=0.03,
    unassigned_exposure=0.05,
    late_arrival=0.2,
    early_arrival=0.02,
    conflicting_copy=0.05,
    malformed=0.01,
    outside_experiment=0.01,
    malformed_assignment=0.01,
    late_assignment=0.2,
)


class Simulated:
    """A simulation with its files read back."""

    def __init__(self, plan: SimulationPlan, output: Path) -> None:
        self.summary: SimulationSummary = simulate(plan, output)
        self.experiments = read_catalog(output, "experiments")
        self.sources = read_catalog(output, "exposure_sources")
        self.events = read_stream(output, "events")
        self.assignments = read_stream(output, "assignments")
        self.truth = json.loads((output / "truth" / "summary.json").read_text())
        self.faults = pl.read_parquet(output / "truth" / "faults.parquet")
        self.units = pl.read_parquet(output / "truth" / "units.parquet")
        self.waterfall = pl.read_parquet(output / "truth" / "waterfall.parquet")

    @cached_property
    def judged_assignments(self) -> JudgedAssignments:
        return judge_assignments(self.assignments, self.experiments)

    @cached_property
    def canonical(self) -> Canonical:
        """The first accepted assignment by experiment and unit."""
        return {key: rows[0] for key, rows in self.judged_assignments.accepted.items()}

    @cached_property
    def judged_events(self) -> JudgedEvents:
        return judge_events(self.events, self.experiments, self.sources, self.canonical)

    def planted(self, fault: str) -> list[Row]:
        return self.faults.filter(fault=fault).to_dicts()
