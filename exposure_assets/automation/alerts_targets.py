"""What a run was to do and did, as targets, and the arithmetic of targets: what is left when some of them are done.

Which runs are looked at stands in `alerts_runs`. A run may be retried in other pieces than it failed in, so it is
the targets that recover, not the run.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

import dagster as dg
from dagster._core.execution.stats import StepEventStatus
from dagster._core.snap import ExecutionPlanSnapshot
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from partitions.calendar import EXPERIMENTS
from resources.alert_book import Target

_KEY = re.compile(r"(\d{4}-\d\d-\d\d)(?:\|(.+))?", re.DOTALL)
_ONE_DAY = timedelta(days=1)


@dataclass
class RunWork:
    """What a run was to do: its assets, its partitions, and for every step the targets.

    `undone` are the targets that a failed run left, `done` those that a run has dealt with.
    """

    assets: tuple[str, ...]
    experiments: tuple[str, ...]
    days: tuple[str, str] | None
    done: set[Target] = field(default_factory=set)
    undone: set[Target] = field(default_factory=set)


def work_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> RunWork:
    """What a run that ended was to do, and how far it came."""
    days, experiments = _partitions(instance, run)
    plan = _plan(instance, run)
    steps = {step.key: step for step in plan.steps if step.key in plan.step_keys_to_execute} if plan else {}
    keys = {name: [o.properties.asset_key for o in s.outputs if o.properties] for name, s in steps.items()}
    assets = sorted({key.to_user_string() for found in keys.values() for key in found if key})
    work = RunWork(tuple(assets), experiments, days)

    def targets(step: str) -> set[Target]:
        # A check judges whatever there is: its success after any other run is as good.
        if days is None or not any(keys[step]):
            return {Target(step)}
        return {Target(step, experiment, *days) for experiment in experiments or ("",)}

    whole_job = Target(f"job {run.job_name}")
    if run.status == dg.DagsterRunStatus.SUCCESS:
        work.done = {whole_job}.union(*(targets(step) for step in steps))
        return work
    ended = {stats.step_key: stats.status for stats in instance.get_run_step_stats(run.run_id)}
    succeeded = {step for step in steps if ended.get(step) == StepEventStatus.SUCCESS}
    failed = {step for step in steps if ended.get(step) == StepEventStatus.FAILURE}
    makes_something = {step for step in steps if any(keys[step]) or not _is_check(steps[step])}
    left = (makes_something - succeeded) | failed or set(steps) - succeeded
    work.done = set().union(*(targets(step) for step in succeeded))
    work.undone = set().union(*(targets(step) for step in left)) or {whole_job}
    return work


def remaining(targets: Iterable[Target], done: Iterable[Target]) -> tuple[Target, ...]:
    """The targets, or the days of them, that are not done; sorted."""
    by_place: dict[tuple[str, str], list[Target]] = {}
    for target in done:
        by_place.setdefault((target.step, target.experiment), []).append(target)
    left: list[Target] = []
    for target in targets:
        pieces = [target]
        for other in by_place.get((target.step, target.experiment), ()):
            pieces = [piece for whole in pieces for piece in _without(whole, other)]
        left += pieces
    return tuple(sorted(left))


def of_experiments(targets: Iterable[Target], experiments: Collection[str]) -> tuple[Target, ...]:
    """The targets of experiments that there are, and those of no experiment."""
    return tuple(target for target in targets if not target.experiment or target.experiment in experiments)


def _without(whole: Target, other: Target) -> list[Target]:
    if not whole.first_day or not other.first_day:
        return [] if not whole.first_day and not other.first_day else [whole]
    if other.last_day < whole.first_day or whole.last_day < other.first_day:
        return [whole]
    pieces = []
    if whole.first_day < other.first_day:
        pieces.append(whole._replace(last_day=_moved(other.first_day, -_ONE_DAY)))
    if other.last_day < whole.last_day:
        pieces.append(whole._replace(first_day=_moved(other.last_day, _ONE_DAY)))
    return pieces


def _moved(day: str, by: timedelta) -> str:
    return (date.fromisoformat(day) + by).isoformat()


def _plan(instance: dg.DagsterInstance, run: dg.DagsterRun) -> ExecutionPlanSnapshot | None:
    snapshot = run.execution_plan_snapshot_id
    return instance.get_execution_plan_snapshot(snapshot) if snapshot else None


def _is_check(step) -> bool:
    properties = [output.properties for output in step.outputs]
    return bool(properties) and all(p and p.asset_check_key and not p.asset_key for p in properties)


def _partitions(
    instance: dg.DagsterInstance, run: dg.DagsterRun
) -> tuple[tuple[str, str] | None, tuple[str, ...]]:
    """The days from first to last, and the experiments, that the tags of a run name."""
    tags = run.tags
    start = tags.get(ASSET_PARTITION_RANGE_START_TAG) or tags.get(PARTITION_NAME_TAG) or ""
    end = tags.get(ASSET_PARTITION_RANGE_END_TAG) or start
    first, last = _KEY.fullmatch(start), _KEY.fullmatch(end)
    if not first or not last:
        # Partitions of another kind: the key stands for itself.
        return None, (start,) if start else ()
    days = (first.group(1), last.group(1))
    ends = [match.group(2) for match in (first, last) if match.group(2)]
    if len(set(ends)) < 2:
        return days, tuple(ends[:1])
    known = list(instance.get_dynamic_partitions(EXPERIMENTS.name or ""))
    if not set(ends) <= set(known):
        return days, tuple(ends)
    return days, tuple(known[known.index(ends[0]) : known.index(ends[1]) + 1])
