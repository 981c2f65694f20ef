"""What the partitioned tables have in common: which partitions a run computes, in which batches, from which inputs.

How a table is computed stands in the asset of its stem; how it is stored, in the warehouse's I/O manager.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.assets.catalog_tables import CATALOG_ENTRIES
from exposure_assets.assets.progress import report_progress
from exposure_assets.assets.table_metadata import table_metadata, table_tags
from exposure_assets.contracts import WAREHOUSE_TABLES, Catalog, Experiment, TableContract, table_name
from exposure_assets.transforms.partition_versions import CODE_VERSIONS, UPSTREAM, Inputs, wanted_versions
from partitions import mappings
from partitions.calendar import Calendar, split_key
from resources.dagster_home import WAREHOUSE_POOL
from resources.staging import Staging
from resources.warehouse import PartitionSlice, slices_of
from resources.warehouse_io_manager import CONTRACT_CHECK, Publication, WarehouseWindow
from resources.workspace import Workspace

# Rows of input that a batch holds at most; a single experiment may hold more.
ROWS_PER_BATCH = 3_000_000
# Compressed staged bytes that a batch of days holds at most; a single day may hold more.
_STAGED_BYTES_PER_BATCH = 8 << 20


@dataclass(frozen=True)
class Batch:
    """A part of a run that fits into memory: some experiments over a range of days."""

    days: tuple[date, date]
    experiments: Mapping[str, Experiment]
    catalog: Catalog
    staging: Staging

    def of_these_days(self, column: str) -> pl.Expr:
        """Whether a day lies in the batch."""
        return pl.col(column).is_between(pl.lit(self.days[0], pl.Date), pl.lit(self.days[1], pl.Date))

    def of_these_experiments(self) -> pl.Expr:
        """Whether a row is of an experiment of the batch."""
        return pl.col("experiment_id").is_in(list(self.experiments))


Batches = Callable[["Run"], Iterator[Batch]]


@dataclass(frozen=True)
class Run:
    """What an asset needs to know to cut its work into batches."""

    days: tuple[date, date]
    experiments: tuple[str, ...]
    catalog: Catalog
    staging: Staging
    windows: Mapping[str, WarehouseWindow]

    def batch(self, days: tuple[date, date], experiments: Sequence[str]) -> Batch:
        """A batch of the run; experiments that have left the catalog are left out."""
        known = {e: self.catalog.experiments[e] for e in experiments if e in self.catalog.experiments}
        return Batch(days, known, self.catalog, self.staging)

    def by_weight(self, row_counts: Mapping[str, int]) -> Iterator[Batch]:
        """All days of the run, as many experiments at once as their rows allow."""
        weights = {experiment: row_counts.get(experiment, 0) for experiment in self.experiments}
        for experiments in groups_by_weight(weights, ROWS_PER_BATCH):
            yield self.batch(self.days, experiments)


def groups_by_weight(weights: Mapping[str, int], most: int) -> Iterator[list[str]]:
    """Names in their order, as many at once as weigh no more than `most`; a single one may weigh more."""
    group: list[str] = []
    weight = 0
    for name, one in weights.items():
        if group and weight + one > most:
            yield group
            group, weight = [], 0
        group.append(name)
        weight += one
    if group:
        yield group


Description = Callable[[Workspace, Sequence[str]], Mapping[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class TableAsset:
    """A partitioned table as an asset, still without a calendar.

    `compute` gets a batch and one LazyFrame per table it reads, limited to the batch's experiments and, by the
    table's reach, to the days that can matter.
    """

    contract: type[TableContract]
    compute: Callable[..., pl.LazyFrame]
    batches: Batches
    group: str
    reads: Mapping[str, mappings.Reach] = field(default_factory=dict)
    reads_staged: Mapping[str, mappings.Mapping] = field(default_factory=dict)
    reads_whole: Sequence[type[TableContract]] = ()
    describe: Description = lambda workspace, keys: {}

    def build(self, calendar: Calendar, horizon_days: int, catalog: Catalog | None) -> dg.AssetsDefinition:
        """The Dagster asset: one run computes a range of partitions, batch by batch, published at once.

        Args:
            calendar: The days.
            horizon_days: The longest window of an experiment.
            catalog: Its metrics are described as columns; null while it has problems.
        """
        name = table_name(self.contract)

        def compute(context: dg.AssetExecutionContext) -> Iterator[Any]:
            yield dg.Output(
                Publication(
                    frames=lambda: self._frames(context, horizon_days),
                    versions=lambda: self._versions(context),
                    described=lambda: self.describe(context.resources.workspace, context.partition_keys),
                ),
                # The same for every partition: one that Dagster made up of a whole range would differ from that of
                # a single day, and what rests on it would be shown as stale.
                data_version=dg.DataVersion(str(CODE_VERSIONS[name])),
            )
            # Reached only when every frame was judged and published: a breach ends the step above.
            yield dg.AssetCheckResult(
                check_name=CONTRACT_CHECK, passed=True, metadata={"rules": self._rules()}
            )

        return dg.asset(
            name=name,
            description=self.compute.__doc__,
            deps=[
                dg.AssetDep(name, partition_mapping=mapping(horizon_days))
                for name, mapping in self._edges().items()
            ],
            check_specs=[
                dg.AssetCheckSpec(
                    CONTRACT_CHECK,
                    asset=name,
                    blocking=True,
                    description="Grain, types and rules of the contract, judged before the rows are published.",
                )
            ],
            code_version=str(CODE_VERSIONS[name]),
            partitions_def=calendar.days_by_experiment,
            backfill_policy=dg.BackfillPolicy.single_run(),
            group_name=self.group,
            kinds={"polars", "duckdb"},
            io_manager_key="warehouse_io_manager",
            pool=WAREHOUSE_POOL,
            required_resource_keys={"workspace"},
            tags=table_tags(self.contract),
            metadata={
                "partition_expr": self.contract.partition_columns(),
                **table_metadata(self.contract, catalog),
            },
        )(compute)

    def _rules(self) -> dg.MarkdownMetadataValue:
        schema = self.contract.to_schema()
        rules = [f"- {check.name}" for check in schema.checks or [] if check.name]
        columns = [f"- {name}: {column.dtype}" for name, column in schema.columns.items()]
        return dg.MetadataValue.md("\n".join([*rules, *columns]))

    def _edges(self) -> dict[str, mappings.Mapping]:
        """What a partition rests on, as Dagster is told."""
        read = [*self.reads, *(table_name(contract) for contract in self.reads_whole)]
        # The rules of an experiment decide about its cohorts; about staged rows they have decided before.
        entry = {CATALOG_ENTRIES.path[-1]: mappings.its_experiment} if self.reads else {}
        return {**entry, **self.reads_staged, **dict.fromkeys(read, mappings.same_partition)}

    def _windows(
        self, workspace: Workspace, part: PartitionSlice, horizon_days: int
    ) -> dict[str, WarehouseWindow]:
        """The rows of every table that is read for some days and experiments."""
        first, last = _days(part)
        tables = {
            name: PartitionSlice(
                first - timedelta(days=before), last + timedelta(days=after), part.experiments
            )
            for name, (before, after) in ((name, reach(horizon_days)) for name, reach in self.reads.items())
        }
        tables |= {table_name(contract): PartitionSlice() for contract in self.reads_whole}
        return {
            name: WarehouseWindow(workspace.warehouse, WAREHOUSE_TABLES[name], (rows,))
            for name, rows in tables.items()
        }

    def _versions(self, context: dg.AssetExecutionContext) -> pl.DataFrame:
        """What the run's partitions are computed from, as it is now."""
        workspace: Workspace = context.resources.workspace
        table = table_name(self.contract)
        upstream = workspace.warehouse.versions(WAREHOUSE_TABLES[name] for name in UPSTREAM[table])
        inputs = Inputs(workspace.catalog(), workspace.ledger.read(), upstream)
        mine = pl.DataFrame(
            [split_key(key) for key in context.partition_keys],
            schema={"day": pl.Date, "experiment_id": pl.String},
            orient="row",
        )
        return wanted_versions(table, inputs, mine).join(mine, on=["day", "experiment_id"], how="semi")

    def _frames(self, context: dg.AssetExecutionContext, horizon_days: int) -> Iterator[pl.DataFrame]:
        workspace: Workspace = context.resources.workspace
        catalog = workspace.catalog()
        for part in slices_of(context.partition_keys):
            windows = self._windows(workspace, part, horizon_days)
            run = Run(_days(part), part.experiments or (), catalog, workspace.staging, windows)
            for batch in self.batches(run):
                report_progress(context, table_name(self.contract), batch.days, sorted(batch.experiments))
                inputs = {table: window.scan(sorted(batch.experiments)) for table, window in windows.items()}
                yield self.compute(batch, **inputs).collect()


def _days(part: PartitionSlice) -> tuple[date, date]:
    if part.first_day is None or part.last_day is None:
        raise ValueError(f"{part}: found a slice without days, expected partitions by date and experiment")
    return part.first_day, part.last_day


def table_asset(
    contract: type[TableContract],
    *,
    group: str,
    batches: Batches,
    reads: Mapping[str, mappings.Reach] | None = None,
    reads_staged: Mapping[str, mappings.Mapping] | None = None,
    reads_whole: Sequence[type[TableContract]] = (),
    describe: Description = lambda workspace, keys: {},
) -> Callable[[Callable[..., pl.LazyFrame]], TableAsset]:
    """Declare the asset of a partitioned table.

    Args:
        contract: The table.
        group: Asset group in the UI.
        batches: How a run is cut into batches.
        reads: Warehouse tables it reads, each with the days around its own that a partition needs.
        reads_staged: Staged tables it depends on, each with its edge; it scans them through `Batch.staging`.
        reads_whole: Warehouse tables of which it needs every day of the batch's experiments.
        describe: What Dagster should show of the partitions of a run, by their keys, once they are published.
    """

    def declare(compute: Callable[..., pl.LazyFrame]) -> TableAsset:
        return TableAsset(
            contract, compute, batches, group, reads or {}, reads_staged or {}, reads_whole, describe
        )

    return declare


def by_days_of(contract: type[TableContract]) -> Batches:
    """Batches of days, weighed by what they take in a staged table: for tables whose days stand alone.

    Every day of a batch is read whole, so all experiments of the run are in it.
    """

    def batches(run: Run) -> Iterator[Batch]:
        first = last = None
        weight = 0
        for day, size in sorted(run.staging.sizes(contract, run.days).items()):
            if first is not None and last is not None and weight + size > _STAGED_BYTES_PER_BATCH:
                yield run.batch((first, last), run.experiments)
                first, weight = None, 0
            first, last = first or day, day
            weight += size
        if first is not None and last is not None:
            yield run.batch((first, last), run.experiments)

    return batches


def by_rows_of(table: str) -> Batches:
    """Batches of experiments, weighed by the rows that they have in a table that is read."""
    return lambda run: run.by_weight(run.windows[table].row_counts())
