"""What every engine has in common: the stages, the tables they write, and where these lie.

How a table is computed stands in the module of each engine.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.rules import Rules
from exposure_assets.contracts import Catalog
from resources.catalog import load_catalog

HORIZON_DAYS = 28
STAGES = ("staging", "assignments", "dedupe", "validation", "outcomes", "quality")
TABLES = {
    "staging": ("exposure_events", "metric_events", "assignment_events"),
    "assignments": ("assignments",),
    "dedupe": ("deduped_exposures",),
    "validation": ("exposure_validation",),
    "outcomes": ("unit_outcomes",),
    "quality": ("daily_quality",),
}
MEMORY_LIMIT_GB = 12


@dataclass(frozen=True)
class Place:
    """A data set, and the folder where one engine keeps its tables of it."""

    data: Path
    work: Path

    @property
    def events(self) -> str:
        """Glob of the raw events."""
        return str(self.data / "landing" / "events" / "*" / "*.parquet")

    @property
    def assignments(self) -> str:
        """Glob of the raw assignments."""
        return str(self.data / "landing" / "assignments" / "*" / "*.parquet")

    def catalog(self) -> Catalog:
        """The catalog of the data set."""
        return load_catalog(str(self.data / "catalog"), HORIZON_DAYS)

    def rules(self) -> Rules:
        """The catalog as peers read it."""
        return Rules(self.catalog())

    def glob(self, table: str) -> str:
        """Glob of a table's files, whichever engine wrote them."""
        return str(self.work / table / "**" / "*.parquet")

    def fresh(self, table: str) -> Path:
        """An empty folder for a table."""
        folder = self.work / table
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


class Engine(Protocol):
    """Computes one stage: reads the landing zone or its own tables of the stages before, writes its tables."""

    def run(self, stage: str, place: Place) -> None:
        """Compute a stage of `STAGES`."""
        ...


def cores() -> int:
    """How many threads every engine gets."""
    return os.cpu_count() or 1
