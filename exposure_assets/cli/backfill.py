"""Backfills from the command line: the same assets as in the UI, run through Dagster in this process.

What an asset computes stands with the asset; how a run is shown to people, in `backfill_summary`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg
import polars as pl

from exposure_assets.cli.backfill_plan import BackfillPlan, contiguous
from exposure_assets.cli.backfill_summary import Summary, add_run
from exposure_assets.contracts import AssignmentEvents, Assignments, Catalog, DedupedExposures, ExposureEvents
from exposure_assets.definitions import CATALOG_JOB, STAGING_JOB, TABLES_JOB, build_definitions
from partitions.calendar import EXPERIMENTS, Calendar, partition_key
from resources.day_versions import day_versions, read_versions, write_versions
from resources.landing import Manifest
from resources.workspace import Workspace

_RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_DEDUPED = dg.AssetKey("deduped_exposures")
_COHORT_TABLES = [
    dg.AssetKey(name) for name in ("assignments", "exposure_validation", "unit_outcomes", "daily_quality")
]


class RunFailed(Exception):
    """A run of the backfill failed; what was published before is still in place."""


@dataclass(frozen=True)
class Backfill:
    """Brings days and experiments up to date, with all that they are computed from and all that they change.

    Afterwards the asked-for partitions are what the landing zone and the catalog say, whatever was or was not
    computed before: days that they depend on are staged where they are not up to date. And cohorts computed
    earlier, whose exposures, outcomes or assignments lie on the asked-for days, are computed again.
    """

    workspace: Workspace
    calendar: Calendar
    instance: dg.DagsterInstance

    def run(self, plan: BackfillPlan) -> Summary:
        """Carry out a plan, and say what was done.

        Raises:
            RunFailed: a step failed; its error names the reason.
        """
        summary: Summary = {}
        definitions = build_definitions(self.workspace.settings)
        catalog = self.workspace.catalog()
        self._register(catalog)
        self._execute(definitions, CATALOG_JOB, {}, summary)
        if plan.days is None:
            return summary
        zone = self.workspace.landing(catalog)
        manifest = zone.refresh()
        recorded = read_versions(zone)
        versions = day_versions(zone, manifest, catalog, self.calendar.first_day)
        outdated = {day for day in {*versions, *recorded} if versions.get(day) != recorded.get(day)}
        requested = plan.day_list
        staged = sorted({*requested, *(outdated & self._days_needed(plan, catalog, manifest))})
        reassigned = self._assigned_units(requested)
        for days in contiguous(staged):
            self._execute(definitions, STAGING_JOB, _range(days[0].isoformat(), days[1].isoformat()), summary)
        reassigned = pl.concat([reassigned, self._assigned_units(requested)]).unique()
        self._dedupe(definitions, plan, catalog, set(staged), summary)
        untouched = {day: version for day, version in recorded.items() if day not in set(staged)}
        write_versions(zone, {**untouched, **{day: versions[day] for day in staged if day in versions}})
        cohorts = self._cohorts(plan, catalog, reassigned)
        for days in contiguous(cohorts):
            self._compute(definitions, _COHORT_TABLES, days, plan.experiments, summary)
        return summary

    def _register(self, catalog: Catalog) -> None:
        known = set(self.instance.get_dynamic_partitions(EXPERIMENTS.name or ""))
        new = [experiment for experiment in catalog.experiments if experiment not in known]
        if new:
            self.instance.add_dynamic_partitions(EXPERIMENTS.name or "", new)

    def _days_needed(self, plan: BackfillPlan, catalog: Catalog, manifest: Manifest) -> set[date]:
        """The days that the asked-for cohorts are computed from: a window of events, and every assignment."""
        first, last = plan.window(_reach(catalog))
        within = {day for day in manifest.days("events") if first <= day <= last}
        return within | {day for day in manifest.days("assignments") if self._has_partition(day)}

    def _has_partition(self, day: date) -> bool:
        return self.calendar.first_day <= day <= self.calendar.last

    def _dedupe(
        self,
        definitions: dg.Definitions,
        plan: BackfillPlan,
        catalog: Catalog,
        staged: set[date],
        summary: Summary,
    ) -> None:
        """Fold the exposures of all days that were staged now, and of the window's days that never were folded."""
        done = self._materialized_days(_DEDUPED)
        first, last = plan.window(_reach(catalog))
        on_disk = [
            day
            for day in self.workspace.staging.days(ExposureEvents, (first, last))
            if self._has_partition(day)
        ]
        wanted = set(plan.experiments)
        for experiments in self._groups(catalog.experiments):
            days = {
                day
                for experiment in experiments
                for day in (*(plan.day_list if experiment in wanted else ()), *on_disk, *staged)
                if (experiment in wanted and day not in done.get(experiment, ())) or day in staged
            }
            for span in contiguous(sorted(days)):
                self._compute(definitions, [_DEDUPED], span, experiments, summary)

    def _cohorts(self, plan: BackfillPlan, catalog: Catalog, reassigned: pl.DataFrame) -> list[date]:
        """The asked-for cohorts, and the earlier computed ones that the asked-for days can change."""
        computed = self._materialized_days(_COHORT_TABLES[-1])
        known = {day for experiment in plan.experiments for day in computed.get(experiment, ())}
        first, last = plan.changed_cohorts(_reach(catalog))
        changed = {day for day in known if first <= day <= last}
        return sorted({*plan.day_list, *changed, *(known & self._days_of(reassigned, plan.experiments))})

    def _assigned_units(self, days: Sequence[date]) -> pl.DataFrame:
        staged = self.workspace.staging.scan(AssignmentEvents, (days[0], days[-1]))
        return staged.select("experiment_id", "unit_id").unique().collect()

    def _days_of(self, units: pl.DataFrame, experiments: Sequence[str]) -> set[date]:
        """The cohorts of units whose assignments may have changed, and the days of their exposures."""
        days: set[date] = set()
        for contract, column in ((Assignments, "assignment_date"), (DedupedExposures, "exposure_date")):
            rows = self.workspace.warehouse.scan(
                contract, experiments=list(experiments), columns=["experiment_id", "unit_id", column]
            )
            found = rows.join(units.lazy(), on=["experiment_id", "unit_id"], how="semi").select(
                pl.col(column).unique()
            )
            days |= set(found.collect()[column])
        return days

    def _materialized_days(self, asset: dg.AssetKey) -> dict[str, set[date]]:
        days: dict[str, set[date]] = {}
        for key in self.instance.get_materialized_partitions(asset):
            day, _, experiment = key.partition("|")
            days.setdefault(experiment, set()).add(date.fromisoformat(day))
        return days

    def _groups(self, experiments: Iterable[str]) -> list[tuple[str, ...]]:
        """Experiments that stand side by side among the partitions, so that one range names a group."""
        wanted = set(experiments)
        groups: list[list[str]] = [[]]
        for experiment in self.instance.get_dynamic_partitions(EXPERIMENTS.name or ""):
            if experiment in wanted:
                groups[-1].append(experiment)
            elif groups[-1]:
                groups.append([])
        return [tuple(group) for group in groups if group]

    def _compute(
        self,
        definitions: dg.Definitions,
        assets: Sequence[dg.AssetKey],
        days: tuple[date, date],
        experiments: Sequence[str],
        summary: Summary,
    ) -> None:
        for group in self._groups(experiments):
            tags = _range(partition_key(days[0], group[0]), partition_key(days[1], group[-1]))
            self._execute(definitions, TABLES_JOB, tags, summary, assets)

    def _execute(
        self,
        definitions: dg.Definitions,
        job: str,
        tags: dict[str, str],
        summary: Summary,
        assets: Sequence[dg.AssetKey] | None = None,
    ) -> None:
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance,
            tags=tags,
            asset_selection=list(assets) if assets else None,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        add_run(summary, self.instance, result)
        if not result.success:
            raise RunFailed(_reason(result))


def _reason(result: dg.ExecuteInProcessResult) -> str:
    """Why a run failed, in the words of what failed first."""
    failures = [event for event in result.all_events if event.is_step_failure]
    if not failures:
        ended = [event.message for event in result.all_events if event.is_failure]
        return (
            f"run {result.run_id} failed before its first step: {ended[-1] if ended else 'without a message'}"
        )
    data = failures[0].step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error.cause if data.error and data.error.cause else data.error
    return f"{failures[0].step_key}: {error.message.strip() if error else 'failed without an error'}"


def _range(first: str, last: str) -> dict[str, str]:
    return {_RANGE_START: str(first), _RANGE_END: str(last)}


def _reach(catalog: Catalog) -> timedelta:
    """How far after its day a cohort's events can lie: its observation window and the longest outcome window."""
    experiments = catalog.experiments.values()
    days = max((e.exposure.observe_days + e.outcomes.window_days for e in experiments), default=0)
    return timedelta(days=days + 1)
