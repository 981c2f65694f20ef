"""The statistical checks of `daily_quality`: is a cohort as it should be, and as its recent past was? They only warn.

What has to hold for the table by itself is in its contract, what between tables, in `daily_quality`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import dagster as dg
import polars as pl

from exposure_assets.checks.judged_cohorts import DAY_COLUMN, JudgedCohorts, judged_cohorts
from exposure_assets.checks.partition_results import DAY, Findings, report
from exposure_assets.checks.run_scope import EXPERIMENT_COLUMN, RunScope, scope_of
from exposure_assets.contracts import DedupedExposures, table_name
from exposure_assets.transforms.daily_quality import DAYS_TO_ASSIGN_AFTER_EXPOSURE
from exposure_assets.transforms.quality_shifts import (
    missing_cohorts,
    rate_shifts,
    shortfall_z,
    unassigned_z,
    volume_shifts,
)
from resources.warehouse_slices import as_sql, slices_of
from resources.workspace import Workspace

_TABLE = dg.AssetKey("daily_quality")
_COHORT = [EXPERIMENT_COLUMN, DAY_COLUMN]
Judge = Callable[[JudgedCohorts, Workspace], Findings]


@dataclass(frozen=True)
class Statistic:
    """A statistical check: what it promises, and how it finds the cohorts that break the promise."""

    name: str
    promise: str
    judge: Judge
    reads: tuple[str, ...] = ()

    @property
    def key(self) -> dg.AssetCheckKey:
        """The check as Dagster names it."""
        return dg.AssetCheckKey(_TABLE, self.name)


def exposure_health(cohorts: JudgedCohorts, workspace: Workspace) -> Findings:
    """Cohorts whose exposure rate is critical, or too low by more than chance explains."""
    rate, warning = pl.col("exposure_rate"), pl.col("warning_exposure_rate")
    judged = (
        cohorts.of_age()
        .filter(pl.col("assigned_units") >= pl.col("min_units"))
        .with_columns(z=shortfall_z(pl.col("exposed_units"), pl.col("assigned_units"), warning))
    )
    health = (
        pl.when(rate < pl.col("critical_exposure_rate"))
        .then(pl.lit("critical"))
        .when(rate < warning)
        .then(pl.lit("warning"))
        .otherwise(pl.lit("ok"))
    )
    return _findings(
        cohorts,
        "last_judged",
        judged.select(
            *_COHORT,
            found=rate,
            expected=pl.format(
                "at least {}, critical below {}", "warning_exposure_rate", "critical_exposure_rate"
            ),
            units="assigned_units",
            health=health,
            z="z",
            fails=(rate < pl.col("critical_exposure_rate"))
            | ((rate < warning) & (pl.col("z") <= -pl.col("shift_z"))),
            worst=-rate,
        ),
        ["variation_id", "assigned_units", "exposed_units", "exposure_rate"],
    )


def rate_is_steady(
    cohorts: JudgedCohorts, workspace: Workspace, *, part: str, is_good: bool = False
) -> Findings:
    """Cohorts whose rate has shifted from their recent past.

    Args:
        cohorts: Those of the run, with their past.
        workspace: Not needed.
        part: `mismatch` for `mismatch_rate`, `mismatch_units` and `mismatch_rate_shift`.
        is_good: A fall is as bad as a rise; of what is a fault by itself, only a rise is.
    """
    units = "exposed_units" if part == "exposure" else f"{part}_units"
    limits = cohorts.rules.lazy().rename({f"{part}_rate_shift": "smallest_shift"})
    shifts = rate_shifts(cohorts.of_age(), units, limits, only_rises=not is_good)
    text = "{} ± {}" if is_good else "at most {} + {}"
    return _findings(
        cohorts,
        "last_judged",
        shifts.filter("is_judged")
        .join(limits, on=EXPERIMENT_COLUMN)
        .select(
            *_COHORT,
            found="rate",
            expected=pl.format(text, pl.col("past_rate").round(4), "smallest_shift"),
            units="units",
            past_units="past_units",
            past_cohorts="past_cohorts",
            dispersion="dispersion",
            z="z",
            fails="has_shifted",
            worst=pl.col("z").abs() if is_good else pl.col("z"),
        ),
        ["variation_id", "assigned_units", units, f"{part}_rate"],
    )


def exposed_units_are_assigned(cohorts: JudgedCohorts, workspace: Workspace) -> Findings:
    """Days of which too many exposed units have no assignment until 7 days later."""
    last = cohorts.data_until - pl.duration(days=DAYS_TO_ASSIGN_AFTER_EXPOSURE + 1)
    days = (
        cohorts.totals.filter(pl.col("unassigned_exposed_units") > 0)
        .join(cohorts.rules.lazy(), on=EXPERIMENT_COLUMN)
        .filter(pl.col(DAY_COLUMN) <= last, cohorts.scope_until("last_complete").holds(DAY_COLUMN))
        .collect()
    )
    exposed = _exposed_units(workspace, days)
    share = pl.col("unassigned_exposed_units") / pl.col("exposed_on_day")
    return _findings(
        cohorts,
        "last_complete",
        days.lazy()
        .join(exposed, on=_COHORT)
        .filter(pl.col("exposed_on_day") >= pl.col("min_units"))
        .select(
            *_COHORT,
            found=share,
            expected=pl.format("at most {}", "unassigned_share"),
            units="exposed_on_day",
            unassigned_exposed_units="unassigned_exposed_units",
            z=unassigned_z(),
            fails=(share > pl.col("unassigned_share")) & (unassigned_z() >= pl.col("shift_z")),
            worst=share,
        ),
    )


def _exposed_units(workspace: Workspace, days: pl.DataFrame) -> pl.LazyFrame:
    """How many units of each experiment were exposed on some days; one that met two variations counts twice.

    Counting rows instead of distinct ids is what keeps this cheap on days of many million exposures.
    """
    schema = {EXPERIMENT_COLUMN: pl.String, DAY_COLUMN: pl.Date, "exposed_on_day": pl.Int64}
    if days.is_empty():
        return pl.LazyFrame(schema=schema)
    condition = as_sql(
        slices_of(f"{day}|{experiment}" for experiment, day in days.select(_COHORT).iter_rows()),
        DedupedExposures.partition_columns(),
    )
    sql = (
        f"SELECT {EXPERIMENT_COLUMN}, exposure_date AS {DAY_COLUMN}, count(*) AS exposed_on_day "
        f"FROM {table_name(DedupedExposures)} WHERE {condition} GROUP BY ALL"
    )
    with workspace.warehouse.connect(read_only=True) as connection:
        return connection.execute(sql).pl().lazy()


def volume_is_steady(cohorts: JudgedCohorts, workspace: Workspace) -> Findings:
    """Cohorts of far fewer or far more units than usual."""
    rules = cohorts.rules.lazy()
    shifts = volume_shifts(cohorts.of_whole_days(), rules)
    return _findings(
        cohorts,
        "last_complete",
        shifts.filter("is_judged")
        .join(rules, on=EXPERIMENT_COLUMN)
        .select(
            *_COHORT,
            found="units",
            expected=pl.format(
                "{}, up to {} times more or fewer", pl.col("past_units").round(1), "volume_factor"
            ),
            units="units",
            past_cohorts="past_cohorts",
            is_same_weekday="is_same_weekday",
            z="z",
            fails="has_shifted",
            worst=pl.col("z").abs(),
        ),
        ["variation_id", "assigned_units"],
    )


def no_cohort_is_missing(cohorts: JudgedCohorts, workspace: Workspace) -> Findings:
    """Days of enrollment without assignments, although later days have some."""
    rules = cohorts.rules.lazy()
    read = cohorts.quality.select(first=pl.col(DAY_COLUMN).min(), last=pl.col(DAY_COLUMN).max()).lazy()
    enrollment = rules.join(read, how="cross").select(
        EXPERIMENT_COLUMN,
        first_day=pl.max_horizontal("first_day", "first"),
        last_day=pl.min_horizontal("last_day", "last"),
    )
    missing = missing_cohorts(cohorts.totals, enrollment.drop_nulls(), rules)
    return _findings(
        cohorts,
        "last_complete",
        missing.select(
            *_COHORT,
            found=0,
            expected=pl.format("about {}", "usual_units"),
            units=0,
            z="z",
            fails="is_missing",
            worst=pl.col("z").abs(),
        ),
    )


STATISTICS = (
    Statistic(
        "exposure_health",
        "Of every cohort that had its time for exposure, enough units were exposed.",
        exposure_health,
    ),
    Statistic(
        "exposure_rate_is_steady",
        "The exposure rate of a cohort is that of the days before it.",
        partial(rate_is_steady, part="exposure", is_good=True),
    ),
    Statistic(
        "mismatch_rate_is_steady",
        "Not more units of a cohort than before were first exposed to another variation than their own.",
        partial(rate_is_steady, part="mismatch"),
    ),
    Statistic(
        "crossover_rate_is_steady",
        "Not more units of a cohort than before were exposed to several variations.",
        partial(rate_is_steady, part="crossover"),
    ),
    Statistic(
        "pre_assignment_rate_is_steady",
        "Not more units of a cohort than before were exposed before their assignment.",
        partial(rate_is_steady, part="pre_assignment"),
    ),
    Statistic(
        "exposed_units_are_assigned",
        "Nearly all units exposed on a day have an assignment, at the latest 7 days later.",
        exposed_units_are_assigned,
        reads=("deduped_exposures",),
    ),
    Statistic(
        "assignment_volume_is_steady",
        "A cohort has about as many units as usual.",
        volume_is_steady,
    ),
    Statistic(
        "no_cohort_is_missing",
        "Every day of enrollment has assignments where the days around it have.",
        no_cohort_is_missing,
    ),
)


def statistical_checks() -> dg.AssetChecksDefinition:
    """All statistical checks as one step, which reads the cohorts once."""
    specs = [
        dg.AssetCheckSpec(s.name, asset=_TABLE, description=s.promise, additional_deps=list(s.reads))
        for s in STATISTICS
    ]
    outputs = {spec.get_python_identifier(): s for spec, s in zip(specs, STATISTICS, strict=True)}

    @dg.multi_asset_check(
        name="daily_quality_statistics",
        specs=specs,
        can_subset=True,
        required_resource_keys={"workspace"},
    )
    def check(context: dg.AssetCheckExecutionContext) -> Any:
        yield from _results(context, outputs)

    return check


def _results(
    context: dg.AssetCheckExecutionContext, outputs: Mapping[str, Statistic]
) -> Iterator[dg.AssetCheckEvaluation | dg.AssetCheckResult | dg.Output[None]]:
    workspace: Workspace = context.resources.workspace
    scope = scope_of(context)
    cohorts = judged_cohorts(workspace, scope)
    for output, statistic in outputs.items():
        if statistic.key in context.selected_asset_check_keys:
            findings = statistic.judge(cohorts, workspace) if cohorts else Findings(_nothing_failing())
            yield from report(
                context.instance,
                statistic.key,
                statistic.promise,
                findings.scope or scope,
                findings,
                dg.AssetCheckSeverity.WARN,
                output,
            )


def _findings(
    cohorts: JudgedCohorts, last_day: str, judged: pl.LazyFrame, shown: list[str] | None = None
) -> Findings:
    """The findings among judged cohorts, which say `fails` and how bad they are, `worst`, beside their numbers."""
    scope: RunScope = cohorts.scope_until(last_day)
    numbers = (
        judged.filter(scope.holds(DAY_COLUMN))
        .sort("worst", *_COHORT, descending=[True, False, False])
        .drop("worst")
        .rename({DAY_COLUMN: DAY})
        .collect()
    )
    failing = numbers.filter("fails").drop("fails")
    findings = Findings(failing, numbers=numbers.drop("fails"), judged_partitions=numbers.height, scope=scope)
    if shown is None:
        return findings
    rows = cohorts.quality.rename({DAY_COLUMN: DAY}).select(DAY, EXPERIMENT_COLUMN, *shown)
    rows = rows.join(failing.select(DAY, EXPERIMENT_COLUMN), on=[DAY, EXPERIMENT_COLUMN], how="semi")
    return replace(findings, rows=rows.sort("variation_id").with_columns(pl.col(pl.Float64).round(4)))


def _nothing_failing() -> pl.DataFrame:
    schema = {DAY: pl.Date, EXPERIMENT_COLUMN: pl.String, "found": pl.Float64, "expected": pl.String}
    return pl.DataFrame(schema=schema)
