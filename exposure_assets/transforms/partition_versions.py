"""The version of a partition: a digest of all that its rows are computed from.

A partition whose recorded version is another one than its inputs give now is out of date. Where versions are kept is
the resources' business; when something is computed anew, the automation's.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl

from exposure_assets.contracts import Catalog, Experiment
from exposure_assets.transforms.catalog_entries import entry_versions
from exposure_assets.transforms.daily_quality import DAYS_TO_ASSIGN_AFTER_EXPOSURE
from exposure_assets.transforms.digests import DIGEST, digest_of, digests_of_windows, mixed
from exposure_assets.transforms.exposure_validation import DAYS_OBSERVED_BEFORE_ASSIGNMENT

LEDGER_SCHEMA: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "kind": pl.String(),
    "key": pl.String(),
    "digest": DIGEST,
}
VERSION_SCHEMA: dict[str, pl.DataType] = {
    "day": pl.Date(),
    "experiment_id": pl.String(),
    "version": DIGEST,
}
PARTITION = ("day", "experiment_id")
# The kinds of rows in the ledger of staging beside the staged tables: `key` is an experiment.
COHORT, ASSIGNED_COHORT = "cohort", "assigned_cohort"

# Raised when a table's rows come out differently for the same inputs: every partition of it is then out of date.
CODE_VERSIONS = {
    "deduped_exposures": 2,
    "assignments": 1,
    "exposure_validation": 1,
    "exposure_windows": 1,
    "unit_segments": 1,
    "unit_outcomes": 1,
    "unit_covariates": 1,
    "daily_quality": 1,
    "stage_counts": 1,
    "exposure_delays": 1,
    "cohort_diagnostics": 1,
    "metric_moments": 1,
}
BEFORE_EVERY_DAY = date(1, 1, 2)

# The tables of the warehouse whose versions a table's own are made of.
UPSTREAM = {
    "deduped_exposures": (),
    "assignments": (),
    "exposure_validation": ("assignments", "deduped_exposures"),
    "exposure_windows": ("assignments", "deduped_exposures"),
    "unit_segments": ("assignments",),
    "unit_outcomes": ("exposure_validation", "unit_segments", "assignments"),
    "unit_covariates": ("assignments",),
    "daily_quality": ("exposure_validation", "deduped_exposures", "assignments"),
    "stage_counts": ("exposure_validation", "unit_outcomes", "assignments"),
    "exposure_delays": ("exposure_validation",),
    "cohort_diagnostics": ("unit_outcomes", "deduped_exposures", "assignments"),
    "metric_moments": ("exposure_validation", "unit_outcomes", "unit_covariates", "assignments"),
}

# The tables that are computed from staged rows alone, and those that rest on them, none before one that it rests on.
FROM_STAGED = tuple(table for table, upstream in UPSTREAM.items() if not upstream)
FROM_TABLES = tuple(table for table, upstream in UPSTREAM.items() if upstream)

Recorded = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Inputs:
    """All that the versions of partitions are made of.

    `ledger` has the columns of `LEDGER_SCHEMA`; `recorded` the versions that partitions were computed as, per table.
    """

    catalog: Catalog
    ledger: pl.DataFrame
    recorded: Recorded

    @cached_property
    def rules(self) -> pl.DataFrame:
        """Per experiment a digest of its definition, and how many days a cohort looks back and ahead.

        `observed` days ahead for its verdict, `exposed` for its windows, `before` back and `after` ahead for outcomes,
        `looked_back` and `looked_ahead` for segments, `measured_back` for covariates. And a digest of its `ratios`.
        """
        versions = entry_versions(self.catalog)
        rows = [
            (
                e.id,
                versions[e.id],
                e.exposure.observe_days,
                e.exposure_reach_days,
                math.ceil(e.exposure.grace_minutes / (24 * 60)),
                e.exposure.observe_days + e.outcomes.window_days,
                *e.segment_reach_days,
                e.results.covariate_days,
                digest_of(repr(e.results.ratios)),
            )
            for e in self.catalog.experiments.values()
        ]
        days = dict.fromkeys(
            ("observed", "exposed", "before", "after", "looked_back", "looked_ahead", "measured_back"),
            pl.Int64(),
        )
        schema = {"experiment_id": pl.String(), "rules": DIGEST, **days, "ratios": DIGEST}
        return pl.DataFrame(rows, schema=schema, orient="row")


def wanted_versions(table: str, inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    """The version that every partition of a table would have if it were computed now.

    Grain out: one row (`day`, `experiment_id`, `version`) per partition that has anything to be computed from, and per
    partition of `computed` whose experiment is in the catalog: that there are no rows is a result too.

    Args:
        table: Name of a table that is partitioned by day and experiment.
        inputs: What it is computed from.
        computed: Partitions that were computed, or are about to be: (`day`, `experiment_id`).
    """
    mine = computed.select(PARTITION).join(
        inputs.rules.select("experiment_id"), on="experiment_id", how="semi"
    )
    wanted = _WANTED[table](inputs, mine)
    return wanted.select(*PARTITION, mixed(_code(table), pl.col("version")).alias("version"))


def experiments_with(table: str, catalog: Catalog) -> list[str]:
    """The experiments of the catalog that have rows in a table: not every one has windows or segments."""
    has_rows: dict[str, Callable[[Experiment], object]] = {
        "exposure_windows": lambda e: e.exposure.windows,
        "unit_segments": lambda e: e.segments,
        "unit_covariates": lambda e: e.results.covariate_days and e.outcomes.metrics,
        "metric_moments": lambda e: e.outcomes.metrics,
    }
    return [e.id for e in catalog.experiments.values() if has_rows.get(table, bool)(e)]


def catalog_version(catalog: Catalog) -> int:
    """The version of the tables that list the catalog."""
    return digest_of("\n".join(e.model_dump_json() for e in catalog.experiments.values()))


def manifest_version(manifest: pl.DataFrame) -> int:
    """The version of the table that lists the landing zone's files: (`stream`, `path`, `key`, `status`) of each."""
    files = manifest.select(mixed(*map(pl.col, ("stream", "path", "key", "status"))).sum())
    return int(files.item() or 1)


def version_of_whole(digest: int) -> pl.DataFrame:
    """The version of a table without partitions, with the columns of `VERSION_SCHEMA`."""
    return pl.DataFrame([(None, None, digest)], schema=VERSION_SCHEMA, orient="row")


def outdated(wanted: pl.DataFrame, recorded: pl.DataFrame) -> pl.DataFrame:
    """The partitions whose recorded version is not the wanted one, with the wanted one (0: nothing is left of it)."""
    return (
        wanted.join(recorded, on=PARTITION, how="full", coalesce=True, suffix="_recorded", nulls_equal=True)
        .with_columns(pl.col("version", "version_recorded").fill_null(0))
        .filter(pl.col("version") != pl.col("version_recorded"))
        .select(VERSION_SCHEMA.keys())
    )


def _deduped_exposures(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    return _of_kind(inputs, "exposure_events", computed)


def _assignments(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    return _of_kind(inputs, COHORT, computed)


def _exposure_validation(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    return _cohorts_with_exposures(inputs, _holding(inputs, "assignments"), computed, pl.col("observed"))


def _exposure_windows(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    cohorts = _cohorts_of(inputs, "exposure_windows")
    return _cohorts_with_exposures(inputs, cohorts, computed, pl.col("exposed"))


def _cohorts_of(inputs: Inputs, table: str) -> pl.DataFrame:
    """The cohorts that hold assignments, of the experiments that have rows in a table."""
    having_rows = pl.DataFrame(
        {"experiment_id": experiments_with(table, inputs.catalog)}, schema={"experiment_id": pl.String}
    )
    return _holding(inputs, "assignments").join(having_rows, on="experiment_id", how="semi")


def _cohorts_with_exposures(
    inputs: Inputs, assigned: pl.DataFrame, computed: pl.DataFrame, days_ahead: pl.Expr
) -> pl.DataFrame:
    """Versions of cohorts that rest on their assignments and the exposures from a week before until `days_ahead`."""
    cohorts = _with_rules(inputs, assigned, computed)
    windows = cohorts.select(
        "experiment_id",
        first_day=pl.col("day") - pl.duration(days=DAYS_OBSERVED_BEFORE_ASSIGNMENT),
        last_day=pl.col("day") + pl.duration(days=days_ahead),
    )
    exposures = digests_of_windows(windows, _as_digests(_holding(inputs, "deduped_exposures")))
    return _versions(_where(cohorts, "version", exposures), "rules", "version", "digest")


def _unit_segments(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    rules = {
        e.id: tuple(sorted({segment.rule for segment in e.segments}))
        for e in inputs.catalog.experiments.values()
    }
    cohorts = _with_rules(inputs, _cohorts_of(inputs, "unit_segments"), computed)
    events = _events_around(inputs, "segment_events", rules, cohorts, "looked_back", "looked_ahead")
    return _versions(_where(cohorts, "version", events), "rules", "version", "digest")


def _unit_outcomes(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    judged = inputs.recorded["exposure_validation"].rename({"version": "verdicts"})
    cut = inputs.recorded["unit_segments"].rename({"version": "segments"})
    assigned = _holding(inputs, "assignments").join(judged, on=PARTITION).join(cut, on=PARTITION, how="left")
    cohorts = _with_rules(inputs, assigned, computed)
    outcomes = _events_around(
        inputs, "metric_events", _events_of_metrics(inputs.catalog), cohorts, "before", "after"
    )
    return _versions(_where(cohorts, "version", outcomes), "rules", "verdicts", "segments", "digest")


def _unit_covariates(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    assigned = _cohorts_of(inputs, "unit_covariates")
    cohorts = _with_rules(inputs, assigned, computed).with_columns(ahead=pl.lit(0))
    keys = _events_of_metrics(inputs.catalog)
    events = _events_around(inputs, "metric_events", keys, cohorts, "measured_back", "ahead")
    return _versions(_where(cohorts, "version", events), "rules", "measured_back", "version", "digest")


def _events_of_metrics(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Per experiment the names of the events that its metrics count."""
    return {
        e.id: tuple(sorted({catalog.metrics[metric].event for metric in e.outcomes.metrics}))
        for e in catalog.experiments.values()
    }


def _events_around(
    inputs: Inputs,
    kind: str,
    keys_of: Mapping[str, tuple[str, ...]],
    cohorts: pl.DataFrame,
    before: str,
    after: str,
) -> pl.Series:
    """Per cohort a digest of the staged events around it that its experiment looks at.

    Args:
        inputs: With the ledger.
        kind: The staged table.
        keys_of: Per experiment the keys of the ledger that it looks at.
        cohorts: With `experiment_id`, `day` and the two columns of days.
        before: The column that says how many days before the cohort count.
        after: The one that says how many after it.
    """
    # Thousands of experiments look at a few sets of events: days are digested per set, not per experiment.
    sets = {keys: str(n) for n, keys in enumerate(dict.fromkeys(keys_of.values()))}
    members = pl.DataFrame(
        [(number, key) for keys, number in sets.items() for key in keys],
        schema={"experiment_id": pl.String, "key": pl.String},
        orient="row",
    )
    daily = (
        inputs.ledger.filter(kind=kind)
        .join(members, on="key")
        .group_by("experiment_id", "day")
        .agg(mixed(pl.col("key"), pl.col("digest")).sum().alias("digest"))
    )
    windows = cohorts.select(
        pl.col("experiment_id").replace_strict({e: sets[keys] for e, keys in keys_of.items()}),
        first_day=pl.col("day") - pl.duration(days=pl.col(before)),
        last_day=pl.col("day") + pl.duration(days=pl.col(after)),
    )
    return digests_of_windows(windows, daily)


def _daily_quality(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    judged = inputs.recorded["exposure_validation"].rename({"version": "verdicts"})
    assigned = _holding(inputs, "assignments").select(PARTITION).join(judged, on=PARTITION)
    exposed = _holding(inputs, "deduped_exposures")
    days = _with_rules(inputs, assigned.join(exposed, on=PARTITION, how="full", coalesce=True), computed)
    # Whether an exposed unit is unassigned is a question to every cohort until a week later.
    windows = days.select(
        "experiment_id",
        first_day=pl.lit(BEFORE_EVERY_DAY, pl.Date),
        last_day=pl.col("day") + pl.duration(days=DAYS_TO_ASSIGN_AFTER_EXPOSURE),
    )
    cohorts = digests_of_windows(windows, _as_digests(_holding(inputs, "assignments")))
    return _versions(_where(days, "version", cohorts), "rules", "verdicts", "version", "digest")


def _stage_counts(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    judged = inputs.recorded["exposure_validation"].rename({"version": "verdicts"})
    measured = inputs.recorded["unit_outcomes"].rename({"version": "outcomes"})
    assigned = _holding(inputs, "assignments").join(judged, on=PARTITION).join(measured, on=PARTITION)
    return _versions(_with_rules(inputs, assigned, computed), "version", "verdicts", "outcomes")


def _exposure_delays(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    return _versions(_with_rules(inputs, _holding(inputs, "exposure_validation"), computed), "version")


def _cohort_diagnostics(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    measured = inputs.recorded["unit_outcomes"].rename({"version": "outcomes"})
    exposed = _holding(inputs, "deduped_exposures").rename({"version": "exposures"})
    assigned = _holding(inputs, "assignments").join(measured, on=PARTITION)
    days = assigned.join(exposed, on=PARTITION, how="full", coalesce=True)
    return _versions(_with_rules(inputs, days, computed), "version", "outcomes", "exposures")


def _metric_moments(inputs: Inputs, computed: pl.DataFrame) -> pl.DataFrame:
    assigned = _cohorts_of(inputs, "metric_moments")
    for table in ("exposure_validation", "unit_outcomes"):
        assigned = assigned.join(inputs.recorded[table].rename({"version": table}), on=PARTITION)
    before = inputs.recorded["unit_covariates"].rename({"version": "covariates"})
    cohorts = _with_rules(inputs, assigned.join(before, on=PARTITION, how="left"), computed)
    upstream = ("version", "exposure_validation", "unit_outcomes", "covariates")
    return _versions(cohorts, *upstream, "measured_back", "ratios")


_WANTED: dict[str, Callable[[Inputs, pl.DataFrame], pl.DataFrame]] = {
    "deduped_exposures": _deduped_exposures,
    "assignments": _assignments,
    "exposure_validation": _exposure_validation,
    "exposure_windows": _exposure_windows,
    "unit_segments": _unit_segments,
    "unit_outcomes": _unit_outcomes,
    "unit_covariates": _unit_covariates,
    "daily_quality": _daily_quality,
    "stage_counts": _stage_counts,
    "exposure_delays": _exposure_delays,
    "cohort_diagnostics": _cohort_diagnostics,
    "metric_moments": _metric_moments,
}


def _of_kind(inputs: Inputs, kind: str, computed: pl.DataFrame) -> pl.DataFrame:
    held = inputs.ledger.filter(pl.col("kind") == kind).select("day", experiment_id="key", version="digest")
    return _versions(_with_rules(inputs, held, computed), "version")


def _with_rules(inputs: Inputs, held: pl.DataFrame, computed: pl.DataFrame) -> pl.DataFrame:
    """The partitions that hold something and those computed, of experiments of the catalog, with their rules."""
    every = held.join(computed, on=PARTITION, how="full", coalesce=True)
    return every.join(inputs.rules, on="experiment_id")


def _holding(inputs: Inputs, table: str) -> pl.DataFrame:
    """The partitions of a table that hold rows: one that was computed and is empty has the version of nothing."""
    nothing = pl.DataFrame({"version": [None]}, schema={"version": DIGEST}).select(
        mixed(_code(table), mixed(pl.col("version").fill_null(0)))
    )
    return inputs.recorded[table].filter(pl.col("version") != nothing.item())


def _where(partitions: pl.DataFrame, column: str, digest: pl.Series) -> pl.DataFrame:
    """The digest where `column` has a value: what happens around a day without a cohort is nobody's."""
    has_value = pl.col(column).is_not_null()
    return partitions.with_columns(digest).with_columns(digest=pl.when(has_value).then("digest").otherwise(0))


def _code(table: str) -> int:
    return digest_of(f"{table} {CODE_VERSIONS[table]} {pl.__version__}")


def _as_digests(versions: pl.DataFrame) -> pl.DataFrame:
    return versions.rename({"version": "digest"})


def _versions(partitions: pl.DataFrame, *parts: str) -> pl.DataFrame:
    return partitions.select(*PARTITION, version=mixed(*(pl.col(part).fill_null(0) for part in parts)))
