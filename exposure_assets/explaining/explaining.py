"""Explaining a cohort of an experiment: chooses the day, reads what the steps look at, and lets them conclude.

What is read stands in `reading`, what is found in the modules of the steps.
"""

from datetime import date

from exposure_assets.contracts import Catalog, Experiment
from exposure_assets.contracts.catalog_values import unknown_experiment
from exposure_assets.explaining.cohorts import dropped
from exposure_assets.explaining.concluding import conclude, without_a_drop
from exposure_assets.explaining.findings import Conclusion, Drop, Explanation, Step
from exposure_assets.explaining.reading import Reader
from resources.data_reach import data_until
from resources.workspace import Workspace


class ExplainError(ValueError):
    """Something that is not there cannot be explained."""


def explain(workspace: Workspace, experiment_id: str, day: date | None = None) -> Explanation:
    """Why fewer units of a cohort were exposed than to be expected.

    Args:
        workspace: Where tables and raw rows are.
        experiment_id: An experiment of the catalog.
        day: The cohort day; without, the last one with a drop, or else the last judged one.

    Raises:
        ExplainError: the experiment or the cohort does not exist, or no table has been computed.
        CatalogError: the catalog has problems.
        LandingError: the landing zone cannot be reached.
    """
    reader, experiment = _reader(workspace, experiment_id)
    found = {cohort: dropped(both) for cohort, both in reader.drops(experiment).items()}
    if not found:
        raise ExplainError(
            f"experiment {experiment_id}: found no assigned unit in stage_counts, expected at least one cohort; "
            f"run exposure-assets backfill --experiment {experiment_id}, or see rejected_events for its assignments."
        )
    if day is not None and day not in found:
        raise ExplainError(
            f"experiment {experiment_id}, day {day}: found no cohort, expected a day with assignments from "
            f"{min(found)} to {max(found)}; choose one of them, or see rejected_events for that day's assignments."
        )
    chosen = day or choose_day(found, reader.data_until)
    steps, conclusion = conclude(reader.evidence(experiment, chosen, found[chosen]))
    return _explanation(experiment, chosen, day is None, reader.data_until, found[chosen], steps, conclusion)


def shared_reader(workspace: Workspace) -> Reader | None:
    """One reader for the explanations of all experiments; null without data.

    Raises:
        CatalogError: the catalog has problems.
    """
    until = data_until(workspace.staging)
    return None if until is None else Reader(workspace, workspace.catalog(), until)


def explain_briefly(reader: Reader, experiment: Experiment) -> Explanation | None:
    """Likewise of the day that is chosen, without a look at the log where nothing dropped; null without cohorts."""
    found = {cohort: dropped(both) for cohort, both in reader.drops(experiment).items()}
    if not found:
        return None
    chosen = choose_day(found, reader.data_until)
    drop = found[chosen]
    steps, conclusion = (
        conclude(reader.evidence(experiment, chosen, drop)) if drop.has_dropped else without_a_drop(drop)
    )
    return _explanation(experiment, chosen, True, reader.data_until, drop, steps, conclusion)


def judged_days(workspace: Workspace, experiment_id: str) -> list[date]:
    """The cohorts of an experiment of which can be said whether they dropped, in order.

    Raises:
        ExplainError: as `explain`.
    """
    reader, experiment = _reader(workspace, experiment_id)
    found = {cohort: dropped(both) for cohort, both in reader.drops(experiment).items()}
    return sorted(day for day, drop in found.items() if drop.expected_units is not None)


def choose_day(found: dict[date, Drop], until: date) -> date:
    """The last cohort with a drop, else the last that was judged, else the last; of whole days where there are any."""
    whole = {day: drop for day, drop in found.items() if day < until} or found
    for wanted in (
        [day for day, drop in whole.items() if drop.has_dropped],
        [day for day, drop in whole.items() if drop.expected_units is not None],
    ):
        if wanted:
            return max(wanted)
    return max(whole)


def _explanation(
    experiment: Experiment,
    day: date,
    is_chosen: bool,
    until: date,
    drop: Drop,
    steps: list[Step],
    conclusion: Conclusion,
) -> Explanation:
    return Explanation(
        experiment_id=experiment.id,
        assignment_date=day,
        is_chosen=is_chosen,
        data_until=until,
        drop=drop,
        steps=steps,
        conclusion=conclusion,
    )


def _reader(workspace: Workspace, experiment_id: str) -> tuple[Reader, Experiment]:
    catalog = workspace.catalog()
    experiment = _known(catalog, experiment_id)
    until = data_until(workspace.staging)
    if until is None or not workspace.warehouse.exists():
        raise ExplainError(
            f"experiment {experiment_id}: found no computed tables, expected those of a backfill; "
            "run exposure-assets backfill first."
        )
    return Reader(workspace, catalog, until), experiment


def _known(catalog: Catalog, experiment_id: str) -> Experiment:
    if experiment_id in catalog.experiments:
        return catalog.experiments[experiment_id]
    raise ExplainError(unknown_experiment(experiment_id, catalog.experiments))
