"""What a staging run records of its days: what they were staged from, and digests of the rows that came out.

How rows are judged and written stands in `staging`; what the digests are for, in `transforms.partition_versions`.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from exposure_assets.assets.table_asset import ROWS_PER_BATCH, groups_by_weight
from exposure_assets.contracts import AssignmentEvents, Catalog, TableContract, table_name
from exposure_assets.transforms.acceptance import ACCEPTANCE, acceptance, recorded_inputs
from exposure_assets.transforms.assignments import canonical_assignments
from exposure_assets.transforms.attribution import NOBODY_ASSIGNED
from exposure_assets.transforms.attribution_versions import attribution_of_days, cohorts_of_assigned
from exposure_assets.transforms.digests import differing, row_digests
from exposure_assets.transforms.partition_versions import ASSIGNED_COHORT, COHORT, LEDGER_SCHEMA
from resources.staging import Staging

# The column of each table by which its digests are kept: what a reader of a part of its rows depends on.
_KEYS = {
    "exposure_events": "experiment_id",
    "metric_events": "event_name",
    "segment_events": "rule",
    "assignment_events": "experiment_id",
}


@dataclass
class LedgerEntries:
    """Gathers the ledger's rows of the days that a run stages."""

    catalog: Catalog
    rows: list[pl.DataFrame] = field(default_factory=list)
    names: dict[date, set[str]] = field(default_factory=dict)
    attributed: dict[date, set[str]] = field(default_factory=dict)
    assigned: pl.DataFrame = field(default_factory=lambda: NOBODY_ASSIGNED)

    def add(self, contract: type[TableContract], day: date, frame: pl.DataFrame) -> None:
        """Take in the rows of a day: their digests, and the experiments that they name."""
        table = table_name(contract)
        if table in _KEYS:
            self._add(day, table, row_digests(frame, _KEYS[table]))
        if "experiment_id" in frame.columns:
            self.names.setdefault(day, set()).update(frame["experiment_id"].drop_nulls().unique())

    def of_days(self, inputs: pl.DataFrame) -> pl.DataFrame:
        """Every row of the ledger about the days of `inputs` (`day`, `inputs`), cohorts left aside."""
        for day, names in self.names.items():
            self._add(day, ACCEPTANCE, acceptance(self.catalog, names))
        attribution = attribution_of_days(self.attributed, cohorts_of_assigned(self.assigned))
        return pl.concat([recorded_inputs(inputs, self.catalog), attribution, *self.rows])

    def _add(self, day: date, kind: str, digests: pl.DataFrame) -> None:
        rows = digests.with_columns(day=pl.lit(day, pl.Date), kind=pl.lit(kind))
        self.rows.append(rows.select(LEDGER_SCHEMA.keys()))


def changed_experiments(before: pl.DataFrame, after: pl.DataFrame, days: tuple[date, date]) -> list[str]:
    """The experiments whose staged assignments from the first to the last of `days` are others than the ledger said."""
    of_days = (pl.col("kind") == table_name(AssignmentEvents)) & pl.col("day").is_between(*days)
    old, new = before.filter(of_days), after.filter(of_days)
    return sorted(differing(old, new)["key"].unique())


def undigested(ledger: pl.DataFrame, attributed: Iterable[str]) -> list[str]:
    """The experiments whose assignments decide about displays, although the ledger has no digests of them for that."""
    cohorts = ledger.filter(kind=COHORT).filter(pl.col("key").is_in(list(attributed)))
    return sorted(set(cohorts["key"]) - set(ledger.filter(kind=ASSIGNED_COHORT)["key"]))


def cohort_digests(staging: Staging, experiments: Iterable[str], attributed: Collection[str]) -> pl.DataFrame:
    """The digests of the canonical assignments of whole experiments, by cohort, as rows of the ledger.

    A new assignment may change any earlier cohort of its experiment (`is_conflicting`); with their digests only
    those that it did change are out of date. Of the experiments `attributed`, whose displays are credited by them,
    there is also a digest without what the later assignments count.
    """
    staged = staging.scan(AssignmentEvents)
    wanted = list(experiments)
    counts = staged.filter(pl.col("experiment_id").is_in(wanted)).group_by("experiment_id").len().collect()
    found = [pl.DataFrame(schema=LEDGER_SCHEMA)]
    for group in groups_by_weight(dict(counts.sort("experiment_id").iter_rows()), ROWS_PER_BATCH):
        canonical = canonical_assignments(staged.filter(pl.col("experiment_id").is_in(group))).collect()
        found.append(cohorts_of_assigned(canonical.filter(pl.col("experiment_id").is_in(list(attributed)))))
        for (experiment,), cohorts in canonical.group_by("experiment_id"):
            digests = row_digests(cohorts, "assignment_date")
            found.append(
                digests.select(
                    day="key", kind=pl.lit(COHORT), key=pl.lit(str(experiment)), digest=pl.col("digest")
                )
            )
    return pl.concat(found)
