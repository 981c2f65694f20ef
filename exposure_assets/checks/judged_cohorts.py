"""What the statistical checks look at: the cohorts of the run, their past, and the experiments' `[quality]` rules.

What is alarming about them is judged in `daily_quality_statistics`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from exposure_assets.checks.run_scope import EXPERIMENT_COLUMN, RunScope
from exposure_assets.contracts import ALL_VARIATIONS, DailyQuality, Experiment
from resources.data_reach import data_until
from resources.warehouse_slices import PartitionSlice
from resources.workspace import Workspace

DAY_COLUMN = "assignment_date"
# A cohort comes of age by the days of others: without a run of its own it is judged on one of the days after.
_DAYS_SINCE_OF_AGE = 7
_DAY = timedelta(days=1)
# Four weeks of proportions to the week before.
_LONGEST_WEEKLY_PAST = timedelta(days=35)


@dataclass(frozen=True)
class JudgedCohorts:
    """Rows of `daily_quality` from before the run's first cohort until after its last; `rules` one row an experiment.

    `rules` has the numbers of `[quality]`, `last_judged` (the last cohort that had its time for exposure),
    `last_complete` (the last day whose assignments are in) and `first_day, last_day` of whole days of enrollment.
    """

    quality: pl.DataFrame
    rules: pl.DataFrame
    scope: RunScope
    data_until: date

    @property
    def totals(self) -> pl.LazyFrame:
        """The rows that count all variations together."""
        return self.quality.lazy().filter(pl.col("variation_id") == ALL_VARIATIONS)

    def of_age(self) -> pl.LazyFrame:
        """The totals of cohorts that had their time for exposure, with the rules of their experiment."""
        return self._with_rules().filter(pl.col(DAY_COLUMN) <= pl.col("last_judged"))

    def of_whole_days(self) -> pl.LazyFrame:
        """The totals of cohorts of whole days of enrollment whose assignments are in, with the rules."""
        return self._with_rules().filter(pl.col(DAY_COLUMN).is_between("first_day", "last_day"))

    def scope_until(self, last_day: str) -> RunScope:
        """The partitions to judge: the run's, and those of its experiments that came of age lately.

        Args:
            last_day: The column of `rules` that says until when cohorts are of age.
        """
        if self.scope.is_whole_table:
            return self.scope
        lately = [
            PartitionSlice(last - (_DAYS_SINCE_OF_AGE - 1) * _DAY, last, tuple(sorted(experiments)))
            for last, experiments in self.rules.group_by(last_day, maintain_order=True)
            .agg(EXPERIMENT_COLUMN)
            .iter_rows()
        ]
        return RunScope((*self.scope.parts, *lately))

    def _with_rules(self) -> pl.LazyFrame:
        return self.totals.join(self.rules.lazy(), on=EXPERIMENT_COLUMN)


def judged_cohorts(workspace: Workspace, scope: RunScope) -> JudgedCohorts | None:
    """The cohorts of a run with their past; null where there is nothing to judge by."""
    until = data_until(workspace.staging)
    known = workspace.catalog().experiments
    wanted = known if scope.experiments is None else [e for e in scope.experiments if e in known]
    experiments = {id_: known[id_] for id_ in wanted}
    if until is None or not experiments:
        return None
    rules = rules_of(experiments, until)
    days = None
    if not scope.is_whole_table:
        reach = max(_LONGEST_WEEKLY_PAST, timedelta(days=max(rules["baseline_days"].to_list())))
        oldest = min(rules["last_judged"].to_list())
        first, last = scope.days
        days = min(first, oldest - _DAYS_SINCE_OF_AGE * _DAY) - reach, max(last, until) + reach
    quality = workspace.warehouse.scan(DailyQuality, days=days, experiments=sorted(experiments)).collect()
    return JudgedCohorts(quality, rules, scope, until)


def rules_of(experiments: Mapping[str, Experiment], data_until: date) -> pl.DataFrame:
    """The rules of every experiment as a row, with the days that they come to."""
    columns: dict[str, Callable[[Experiment], object]] = {
        EXPERIMENT_COLUMN: lambda e: e.id,
        "last_judged": lambda e: e.last_judged_date(data_until),
        "last_complete": lambda e: data_until - _DAY,
        "first_day": lambda e: e.start.date() if _is_midnight(e) else e.start.date() + _DAY,
        "last_day": lambda e: min(
            data_until - _DAY, e.enrollment_end.date() - _DAY if e.enrollment_end else date.max
        ),
    }
    rows = [
        {name: value(e) for name, value in columns.items()} | e.quality.model_dump()
        for e in experiments.values()
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _is_midnight(experiment: Experiment) -> bool:
    return experiment.start.time() == experiment.start.time().min
