"""Backfills from the command line: the same assets as in the UI, run through Dagster in this process.

What an asset computes stands with the asset; how a run is shown to people, in `backfill_summary`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg
import polars as pl

from exposure_assets.automation.catalog_entries import announce_entries
from exposure_assets.automation.outdated import GraphState, partitions, with_dependants
from exposure_assets.automation.pending import STAGED_ASSETS
from exposure_assets.automation.requests import (
    Request,
    staging_requests,
    table_requests,
    whole_table_requests,
)
from exposure_assets.cli.backfill_plan import BackfillPlan
from exposure_assets.cli.backfill_summary import Summary, add_run
from exposure_assets.contracts import Catalog
from exposure_assets.definitions import build_definitions
from exposure_assets.transforms.partition_versions import FROM_TABLES, PARTITION, experiments_with
from exposure_assets.transforms.whole_versions import with_whole_dependants
from partitions.calendar import EXPERIMENTS, Calendar
from resources.run_launcher import host_tags
from resources.workspace import Workspace

_WHOLE = ("experiments", "landing_files", "variations")


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
        announce_entries(self.instance, self.workspace.settings.staging, catalog)
        self._execute(definitions, whole_table_requests(dict.fromkeys(_WHOLE, 0)), summary)
        if plan.days is None:
            return summary
        state = self._state()
        staged = {*plan.day_list, *(day for day in state.days if day in self._days_needed(plan, state))}
        self._execute(definitions, staging_requests(staged, STAGED_ASSETS, {}), summary)
        # Displays of other days may be credited otherwise by the assignments that were staged just now.
        credited_otherwise = set(self._state().days) - set(state.days)
        self._execute(definitions, staging_requests(credited_otherwise, STAGED_ASSETS, {}), summary)
        staged |= credited_otherwise
        # Damage of a file may only show when all of it is read.
        listed = {name: version for name, version in self._state().whole_tables.items() if name in _WHOLE}
        self._execute(definitions, whole_table_requests(listed), summary)
        self._compute(definitions, self._from_staged(plan, staged), summary)
        self._compute(definitions, self._from_tables(plan), summary)
        resting = with_whole_dependants(self._state().whole_tables)
        self._execute(definitions, whole_table_requests(resting), summary)
        return summary

    def _state(self) -> GraphState:
        return GraphState.read(self.workspace, self.calendar.first_day)

    def _register(self, catalog: Catalog) -> None:
        known = set(self._registered())
        new = [experiment for experiment in catalog.experiments if experiment not in known]
        if new:
            self.instance.add_dynamic_partitions(EXPERIMENTS.name or "", new)

    def _registered(self) -> list[str]:
        return list(self.instance.get_dynamic_partitions(EXPERIMENTS.name or ""))

    def _days_needed(self, plan: BackfillPlan, state: GraphState) -> set[date]:
        """The days that the asked-for cohorts are computed from: a window of events, and every assignment."""
        first, last = plan.window(*_reach(state.catalog))
        within = {day for day in state.days if first <= day <= last}
        assigned = {
            *state.manifest.days("assignments"),
            *state.ledger.filter(kind="assignment_events")["day"],
        }
        return {day for day in (within | assigned) if self._has_partition(day)}

    def _has_partition(self, day: date) -> bool:
        return self.calendar.first_day <= day <= self.calendar.last

    def _from_staged(self, plan: BackfillPlan, staged: Iterable[date]) -> dict[str, pl.DataFrame]:
        """The days to fold and the cohorts to list: those asked for, those that they rest on, those that changed."""
        state = self._state()
        first, last = plan.window(*_reach(state.catalog))
        is_mine = pl.col("experiment_id").is_in(list(plan.experiments))
        is_near = (is_mine & pl.col("day").is_between(first, last)) | pl.col("day").is_in(list(staged))
        exposures, cohorts = state.tables["deduped_exposures"], state.tables["assignments"]
        known = state.recorded["assignments"].select(PARTITION)
        return {
            "deduped_exposures": self._with_asked(plan, "deduped_exposures", exposures.filter(is_near)),
            "assignments": self._with_asked(
                plan, "assignments", cohorts.filter(is_mine).join(known, on=PARTITION, how="semi")
            ),
        }

    def _from_tables(self, plan: BackfillPlan) -> dict[str, pl.DataFrame]:
        """The cohorts to judge: those asked for, and those judged earlier that would be judged otherwise now."""
        state = self._state()
        judged = state.recorded["exposure_validation"].select(PARTITION)
        counted = state.recorded["daily_quality"].select(PARTITION)
        known = pl.concat([judged, counted]).unique()
        is_mine = pl.col("experiment_id").is_in(list(plan.experiments))
        return with_dependants(
            {
                table: self._with_asked(
                    plan, table, state.tables[table].filter(is_mine).join(known, on=PARTITION, how="semi")
                )
                for table in FROM_TABLES
            }
        )

    def _with_asked(self, plan: BackfillPlan, table: str, outdated: pl.DataFrame) -> pl.DataFrame:
        has_partition = pl.col("day").is_between(self.calendar.first_day, self.calendar.last)
        having_rows = set(experiments_with(table, self.workspace.catalog()))
        asked = partitions(plan.day_list, [e for e in plan.experiments if e in having_rows])
        return pl.concat([asked, outdated.filter(has_partition)]).unique(PARTITION, keep="first")

    def _compute(
        self, definitions: dg.Definitions, wanted: Mapping[str, pl.DataFrame], summary: Summary
    ) -> None:
        self._execute(definitions, table_requests(wanted, self._registered()), summary)

    def _execute(self, definitions: dg.Definitions, requests: Iterable[Request], summary: Summary) -> None:
        for request in requests:
            result = definitions.resolve_job_def(request.job).execute_in_process(
                instance=self.instance,
                tags={**request.tags, **host_tags()},
                asset_selection=request.asset_keys,
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


def _reach(catalog: Catalog) -> tuple[timedelta, timedelta]:
    """How far before and after its day a cohort's events can lie."""
    reaches = [e.event_reach_days for e in catalog.experiments.values()]
    before, after = (max((reach[end] for reach in reaches), default=0) for end in (0, 1))
    return timedelta(days=before), timedelta(days=after + 1)
