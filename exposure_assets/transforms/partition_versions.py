"""The version of a partition: a digest of all that its rows are computed from.

A partition whose recorded version is another one than its inputs give now is out of date. Where versions are kept is
the resources' business; when something is computed anew, the automation's.
"""

import math
from collections.abc import Callable
from datetime import date

import polars as pl

from exposure_assets.contracts import Catalog, Experiment
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
COHORT = "cohort"

# Raised when a table's rows come out differently for the same inputs: every partition of it is then out of date.
CODE_VERSIONS = {
    "deduped_exposures": 1,
    "assignments": 1,
    "exposure_validation": 1,
    "unit_outcomes": 1,
    "daily_quality": 1,
}
_BEFORE_EVERY_DAY = date(1, 1, 2)

# The tables of the warehouse whose versions a table's own are made of.
UPSTREAM = {
    "deduped_exposures": (),
    "assignments": (),
    "exposure_validation": ("assignments", "deduped_exposures"),
    "unit_outcomes": ("exposure_validation",),
    "daily_quality": ("exposure_validation", "deduped_exposures", "assignments"),
}

Recorded = dict[str, pl.DataFrame]


def wanted_versions(table: str, catalog: Catalog, ledger: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:
    """The version that every partition of a table would have if it were computed now.

    Grain out: one row (`day`, `experiment_id`, `version`) per partition that has anything to be computed from.

    Args:
        table: Name of a table that is partitioned by day and experiment.
        catalog: Experiments and metrics.
        ledger: Digests of the staged rows, with the columns of `LEDGER_SCHEMA`.
        recorded: Per upstream table the versions that its partitions were computed as.
    """
    wanted = _WANTED[table](catalog, ledger, recorded)
    return wanted.select(
        *PARTITION, mixed(CODE_VERSIONS[table], digest_of(pl.__version__), pl.col("version")).alias("version")
    )


def catalog_version(catalog: Catalog) -> int:
    """The version of the tables that list the catalog."""
    return digest_of("\n".join(e.model_dump_json() for e in catalog.experiments.values()))


def rules_of_entry(catalog: Catalog, experiment: Experiment) -> str:
    """All that an experiment's entry, and the metrics that it lists, say about how accepted rows are judged."""
    return "\n".join(
        rules(catalog, experiment)[0] for rules in (_validation_rules, _outcome_rules, _quality_rules)
    )


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


def _deduped_exposures(catalog: Catalog, ledger: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:
    return _of_kind(ledger, "exposure_events", catalog)


def _assignments(catalog: Catalog, ledger: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:
    return _of_kind(ledger, COHORT, catalog)


def _exposure_validation(catalog: Catalog, ledger: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:
    cohorts = recorded["assignments"].join(_rules(catalog, _validation_rules), on="experiment_id")
    windows = cohorts.select(
        "experiment_id",
        first_day=pl.col("day") - pl.duration(days=DAYS_OBSERVED_BEFORE_ASSIGNMENT),
        last_day=pl.col("day") + pl.duration(days=pl.col("after")),
    )
    exposures = digests_of_windows(windows, recorded["deduped_exposures"].rename({"version": "digest"}))
    return _versions(cohorts.with_columns(exposures), "rules", "version", "digest")


def _unit_outcomes(catalog: Catalog, ledger: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:
    events_of = {
        e.id: tuple(sorted({catalog.metrics[metric].event for metric in e.outcomes.metrics}))
        for e in catalog.experiments.values()
    }
    # Thousands of experiments look at a few sets of events: days are digested per set, not per experiment.
    sets = {events: str(n) for n, events in enumerate(dict.fromkeys(events_of.values()))}
    events = pl.DataFrame(
        [(number, event) for events, number in sets.items() for event in events],
        schema={"experiment_id": pl.String, "key": pl.String},
        orient="row",
    )
    daily = (
        ledger.filter(kind="metric_events")
        .join(events, on="key")
        .group_by("experiment_id", "day")
        .agg(mixed(pl.col("key"), pl.col("digest")).sum().alias("digest"))
    )
    cohorts = recorded["exposure_validation"].join(_rules(catalog, _outcome_rules), on="experiment_id")
    windows = cohorts.select(
        pl.col("experiment_id").replace_strict({e: sets[events] for e, events in events_of.items()}),
        first_day=pl.col("day") - pl.duration(days=pl.col("before")),
        last_day=pl.col("day") + pl.duration(days=pl.col("after")),
    )
    digests = digests_of_windows(windows, daily)
    return _versions(cohorts.with_columns(digests), "rules", "version", "digest")


def _daily_quality(catalog: Catalog, ledger: pl.DataFrame, recorded: Recorded) -> pl.DataFrame:
    days = recorded["exposure_validation"].join(
        recorded["deduped_exposures"], on=PARTITION, how="full", coalesce=True, suffix="_deduped"
    )
    days = days.join(_rules(catalog, _quality_rules), on="experiment_id")
    # Whether an exposed unit is unassigned is a question to every cohort until a week later.
    windows = days.select(
        "experiment_id",
        first_day=pl.lit(_BEFORE_EVERY_DAY, pl.Date),
        last_day=pl.col("day") + pl.duration(days=DAYS_TO_ASSIGN_AFTER_EXPOSURE),
    )
    assigned = digests_of_windows(windows, recorded["assignments"].rename({"version": "digest"}))
    days = days.with_columns(assigned).with_columns(
        digest=pl.when(pl.col("version_deduped").is_not_null()).then("digest").otherwise(0)
    )
    return _versions(days, "rules", "version", "version_deduped", "digest")


_WANTED: dict[str, Callable[[Catalog, pl.DataFrame, Recorded], pl.DataFrame]] = {
    "deduped_exposures": _deduped_exposures,
    "assignments": _assignments,
    "exposure_validation": _exposure_validation,
    "unit_outcomes": _unit_outcomes,
    "daily_quality": _daily_quality,
}


def _of_kind(ledger: pl.DataFrame, kind: str, catalog: Catalog) -> pl.DataFrame:
    rows = ledger.filter(pl.col("kind") == kind, pl.col("key").is_in(list(catalog.experiments)))
    return rows.select("day", experiment_id="key", version="digest")


def _versions(partitions: pl.DataFrame, *parts: str) -> pl.DataFrame:
    return partitions.select(*PARTITION, version=mixed(*(pl.col(part).fill_null(0) for part in parts)))


Rules = tuple[str, int, int]


def _rules(catalog: Catalog, rules_of: Callable[[Catalog, Experiment], Rules]) -> pl.DataFrame:
    """Per experiment a digest of the rules that decide a table's rows, and how far a cohort looks back and ahead."""
    rows = []
    for experiment in catalog.experiments.values():
        text, before, after = rules_of(catalog, experiment)
        rows.append((experiment.id, digest_of(text), before, after))
    schema = {"experiment_id": pl.String(), "rules": DIGEST, "before": pl.Int64(), "after": pl.Int64()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _validation_rules(catalog: Catalog, experiment: Experiment) -> Rules:
    exposure = experiment.exposure
    return (
        exposure.model_dump_json(exclude={"source"}),
        DAYS_OBSERVED_BEFORE_ASSIGNMENT,
        exposure.observe_days,
    )


def _outcome_rules(catalog: Catalog, experiment: Experiment) -> Rules:
    metrics = [catalog.metrics[metric].model_dump_json() for metric in experiment.outcomes.metrics]
    before = math.ceil(experiment.exposure.grace_minutes / (24 * 60))
    after = experiment.exposure.observe_days + experiment.outcomes.window_days
    return "\n".join([experiment.outcomes.model_dump_json(), *metrics]), before, after


def _quality_rules(catalog: Catalog, experiment: Experiment) -> Rules:
    return "\n".join(sorted(variation.id for variation in experiment.variations)), 0, 0
