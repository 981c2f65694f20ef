"""Seeded event streams with planted faults and the truth about them; of ours, imports contracts only."""

from exposure_assets.simulation.plan import (
    FaultRates,
    FileFormat,
    PlanError,
    SimulationPlan,
    SimulationSummary,
)
from exposure_assets.simulation.simulate import OutputExistsError, simulate

__all__ = [
    "FaultRates",
    "FileFormat",
    "OutputExistsError",
    "PlanError",
    "SimulationPlan",
    "SimulationSummary",
    "simulate",
]
