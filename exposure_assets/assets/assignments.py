"""The asset of the canonical assignments.

How a canonical assignment is chosen stands in the transform of the same name.
"""

from collections.abc import Iterator

import polars as pl

from exposure_assets.assets.table_asset import Batch, Run, table_asset
from exposure_assets.contracts import AssignmentEvents, Assignments
from exposure_assets.transforms.assignments import canonical_assignments
from partitions.mappings import shared_day


def _by_assignment_rows(run: Run) -> Iterator[Batch]:
    rows = run.staging.scan(AssignmentEvents).group_by("experiment_id").len().collect()
    return run.by_weight(dict(rows.iter_rows()))


@table_asset(
    Assignments,
    group="assignments",
    batches=_by_assignment_rows,
    reads_staged={"assignment_events": shared_day},
)
def assignments(batch: Batch) -> pl.LazyFrame:
    """The canonical assignment of every unit: its earliest, with how often and to what it was assigned."""
    events = batch.staging.scan(AssignmentEvents).filter(batch.of_these_experiments())
    return canonical_assignments(events).filter(batch.of_these_days("assignment_date"))
