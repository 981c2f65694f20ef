"""What the attribution of a day's displays rests on, as digests: the assignments that can decide about them.

How displays are credited stands in `attribution`; what a changed digest leads to, in `acceptance`.
"""

from collections.abc import Iterable, Mapping
from datetime import date

import polars as pl

from exposure_assets.transforms.attribution import ASSIGNED
from exposure_assets.transforms.daily_quality import DAYS_TO_ASSIGN_AFTER_EXPOSURE
from exposure_assets.transforms.digests import digests_of_windows
from exposure_assets.transforms.partition_versions import ASSIGNED_COHORT, BEFORE_EVERY_DAY, LEDGER_SCHEMA

# Rows of this kind in the ledger of staging say what the displays of a day were credited by; `key` is an experiment.
ATTRIBUTION = "attribution"


def cohorts_of_assigned(assigned: pl.DataFrame) -> pl.DataFrame:
    """The digest of the assignments of every cohort: rows of the ledger.

    Args:
        assigned: The columns `attribution.ASSIGNED`, one row per experiment and unit.
    """
    return (
        assigned.lazy()
        .select(
            day=pl.col("assigned_at").dt.date(),
            key=pl.col("experiment_id"),
            digest=pl.struct(ASSIGNED).hash(),
        )
        .group_by("day", "key")
        .agg(pl.col("digest").sum())
        .select("day", pl.lit(ASSIGNED_COHORT).alias("kind"), "key", "digest")
        .collect()
    )


def attribution_of_days(attributed: Mapping[date, Iterable[str]], cohorts: pl.DataFrame) -> pl.DataFrame:
    """What the displays of days rest on: rows of the ledger.

    Args:
        attributed: Per day the experiments whose assignments decide about a display.
        cohorts: Of `cohorts_of_assigned`, or the same rows of a ledger.
    """
    needs = pl.DataFrame(
        [(day, experiment) for day, experiments in attributed.items() for experiment in experiments],
        schema={"day": pl.Date, "key": pl.String},
        orient="row",
    )
    return _digested(needs, cohorts)


def attribution_now(ledger: pl.DataFrame) -> pl.DataFrame:
    """The rows of the ledger of kind `ATTRIBUTION` as they would be by the assignments that it knows now."""
    needs = ledger.filter(kind=ATTRIBUTION).select("day", "key")
    return _digested(needs, ledger.filter(kind=ASSIGNED_COHORT))


def _digested(needs: pl.DataFrame, cohorts: pl.DataFrame) -> pl.DataFrame:
    windows = needs.select(
        experiment_id="key",
        first_day=pl.lit(BEFORE_EVERY_DAY, pl.Date),
        last_day=pl.col("day") + pl.duration(days=DAYS_TO_ASSIGN_AFTER_EXPOSURE),
    )
    digests = digests_of_windows(windows, cohorts.select("day", "digest", experiment_id="key"))
    return needs.with_columns(digests, kind=pl.lit(ATTRIBUTION)).select(LEDGER_SCHEMA.keys())
