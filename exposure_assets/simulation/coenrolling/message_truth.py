"""The truth about messages: whom each display credits, the ledger of credit, and units by window and segment.

It is noted where rows are planned; nothing here looks at files, and nothing is judged again.
"""

from pathlib import Path

import numpy as np
import polars as pl

from exposure_assets.contracts.credit_ledger import CREDIT_COUNTS, UNATTRIBUTABLE_BUCKETS
from exposure_assets.simulation.coenrolling.design import SOURCES
from exposure_assets.simulation.coenrolling.display_rows import NO_SOURCE, DisplayRows
from exposure_assets.simulation.coenrolling.enrolling import Enrolled
from exposure_assets.simulation.coenrolling.spelling import MessageSpellings
from exposure_assets.simulation.coenrolling.verdicts import verdicts_on_units
from exposure_assets.simulation.coenrolling.watching import WatchedUnits
from exposure_assets.simulation.cut_limits import UTC_TIME
from exposure_assets.simulation.cut_truth import segments_of_units, windows_of_units
from exposure_assets.simulation.cuts import SEARCH_KINDS
from exposure_assets.simulation.experiments import SimulatedExperiment
from exposure_assets.simulation.identity import event_ids
from exposure_assets.simulation.plan import SimulationPlan
from exposure_assets.simulation.truth import Truth, known_times
from exposure_assets.simulation.vocabulary import BUCKET_NUMBERS, BUCKETS


class MessageTruth:
    """Takes note of one shard after another, and writes the truth about messages at the end.

    Args:
        plan: The plan of the simulation.
        experiments: The experiments with messages.
        first_experiment: Number of the first of them among all experiments.
        spellings: Says what a template stands for.
        units: The ids of the units by number.
        truth: The truth about all else, to which buckets and verdicts are added.
    """

    def __init__(
        self,
        plan: SimulationPlan,
        experiments: tuple[SimulatedExperiment, ...],
        first_experiment: int,
        spellings: MessageSpellings,
        units: pl.Series,
        truth: Truth,
    ) -> None:
        self._plan = plan
        self._experiments = experiments
        self._first_experiment = first_experiment
        self._spellings = spellings
        self._units = units
        self._truth = truth
        self._counts: list[pl.DataFrame] = []
        self._displays: list[pl.DataFrame] = []
        self._windows: list[pl.DataFrame] = []
        self._segments: list[pl.DataFrame] = []
        self._ids = pl.Series([*(experiment.id for experiment in experiments), None], dtype=pl.String)

    def note(self, rows: DisplayRows, enrolled: Enrolled, watched: WatchedUnits) -> None:
        """Note all rows of a shard, as they are written."""
        number = np.where(rows.experiment >= 0, rows.experiment + self._first_experiment, -1)
        self._truth.count_buckets(rows.rows, number.astype(np.int32))
        self._truth.count_names(self._spellings.event_name.gather(rows.rows.template))
        displays = rows.take(rows.source != NO_SOURCE)
        frame = self._frame(displays)
        key = ("experiment_id", "exposure_date", "source", "bucket")
        self._counts.append(frame.group_by(key).agg(pl.len().alias("rows")))
        credited = self._credited(displays)
        searches = self._searches(rows)
        first, end = enrolled.first_unit, enrolled.first_unit + enrolled.unit_count
        cut = watched.of_shard(first, end) if self._truth.is_detailed else []
        for position, experiment in enumerate(self._experiments):
            assigned = enrolled.frame(position, experiment)
            exposures = credited.filter(experiment=position)
            shown = exposures.with_columns(
                shown=pl.col("variation").replace_strict(
                    {n: variation.id for n, variation in enumerate(experiment.variations)},
                    return_dtype=pl.String,
                )
            )
            self._truth.add_units(experiment.id, verdicts_on_units(experiment, assigned, shown))
            cut.append((experiment, assigned, exposures))
        if self._truth.is_detailed:
            self._displays.append(frame.drop("exposure_date"))
            for experiment, assigned, exposures in cut:
                self._windows.append(windows_of_units(experiment, assigned, exposures))
                self._segments.append(segments_of_units(experiment, assigned, searches))

    def write(self, directory: Path) -> None:
        """Write the files of the truth about messages."""
        directory.mkdir(parents=True, exist_ok=True)
        self._ledger().write_parquet(directory / "credit_ledger.parquet")
        if self._truth.is_detailed:
            pl.concat(self._displays).write_parquet(directory / "displays.parquet")
            for name, parts in (("exposure_windows", self._windows), ("unit_segments", self._segments)):
                rows = pl.concat([part for part in parts if part.width > 0])
                named = rows.with_columns(unit_id=self._units.gather(rows["unit"])).drop("unit")
                named.select(
                    "experiment_id", "unit_id", pl.exclude("experiment_id", "unit_id")
                ).write_parquet(directory / f"{name}.parquet")

    def _frame(self, displays: DisplayRows) -> pl.DataFrame:
        rows = displays.rows
        number = displays.experiment
        variations = pl.Series(
            [[variation.id for variation in experiment.variations] for experiment in self._experiments]
        )
        named = pl.Series(np.where(displays.variation >= 0, number, 0))
        unit_count = len(self._units) - 1
        return (
            pl.DataFrame(
                {
                    "event_id": event_ids(rows.number, self._plan.seed),
                    "unit_id": self._units.gather(np.where(rows.unit < 0, unit_count, rows.unit)),
                    "occurred_at": _instants(rows.occurred_at),
                    "arrival_date": _instants(rows.arrived_at).dt.date(),
                    "source": pl.Series([source.id for source in SOURCES]).gather(displays.source),
                    "experiment_id": self._ids.gather(np.where(number < 0, len(self._ids) - 1, number)),
                    "variation_id": variations.gather(named),
                    "variation": pl.Series(displays.variation),
                    "bucket": pl.Series(BUCKETS).gather(rows.bucket),
                    "exposure_date": _instants(known_times(rows)).dt.date(),
                }
            )
            .with_columns(
                variation_id=pl.when((pl.col("bucket") == "accepted") & (pl.col("variation") >= 0)).then(
                    pl.col("variation_id").list.get(pl.col("variation").clip(0), null_on_oob=True)
                )
            )
            .drop("variation")
        )

    def _credited(self, displays: DisplayRows) -> pl.DataFrame:
        accepted = displays.take(displays.rows.bucket == BUCKET_NUMBERS["accepted"])
        return pl.DataFrame(
            {
                "experiment": accepted.experiment,
                "unit": accepted.rows.unit,
                "variation": accepted.variation,
                "at": _instants(accepted.rows.occurred_at),
                "event_id": event_ids(accepted.rows.number, self._plan.seed),
            }
        )

    def _searches(self, rows: DisplayRows) -> pl.DataFrame:
        """Every search once: of rows with the same number, the earliest."""
        kinds = np.full(len(self._spellings.event_name), -1)
        kinds[self._spellings.searches] = np.arange(len(SEARCH_KINDS))
        kind = kinds[rows.rows.template]
        chosen = rows.take(kind >= 0)
        return (
            pl.DataFrame(
                {
                    "number": chosen.rows.number,
                    "unit": chosen.rows.unit,
                    "at": _instants(chosen.rows.occurred_at),
                    "kind": pl.Series(SEARCH_KINDS).gather(kind[kind >= 0]),
                }
            )
            .group_by("number", "unit", "kind")
            .agg(pl.col("at").min())
        )

    def _ledger(self) -> pl.DataFrame:
        """Displays by experiment and day: copies aside, what was credited how, and why the rest was not."""
        key = ("experiment_id", "exposure_date")
        rows = pl.col("rows")

        def counted(condition: pl.Expr) -> pl.Expr:
            return rows.filter(condition).sum().cast(pl.Int64)

        bucket = pl.col("bucket")
        is_accepted = bucket == "accepted"
        credited_by = {
            name: counted(is_accepted & (pl.col("source") == source.id))
            for name, source in zip(CREDIT_COUNTS.values(), SOURCES, strict=True)
        }
        unattributable = pl.col("unattributable_count")
        return (
            pl.concat(self._counts)
            .group_by(key)
            .agg(
                counted(bucket != "duplicate").alias("display_count"),
                counted(is_accepted).alias("credited_count"),
                **credited_by,
                unattributable_count=counted(bucket.is_in(UNATTRIBUTABLE_BUCKETS)),
                **{f"{reason}_count": counted(bucket == reason) for reason in UNATTRIBUTABLE_BUCKETS},
                duplicate_count=counted(bucket == "duplicate"),
            )
            .with_columns(
                unattributable_share=pl.when(pl.col("display_count") > 0).then(
                    unattributable / pl.col("display_count")
                )
            )
            .sort(key)
        )


def _instants(times: np.ndarray) -> pl.Series:
    instants = pl.Series(times)
    return instants.set(instants == np.iinfo(np.int64).min, None).cast(UTC_TIME)
