"""The command `exposures`: reads instants, asks, and writes the rows or the plan.

How the answer is made stands in `exposure_assets.exposures`; how rows look, in `resources.query_output`.
"""

from datetime import datetime
from pathlib import Path

from exposure_assets.exposures import (
    DefinitionError,
    IntervalError,
    LandingKeepsChanging,
    LifetimeError,
    QuestionError,
    exposures,
)
from resources.catalog import CatalogError
from resources.landing import LandingError
from resources.query import QueryError
from resources.query_rows import write_rows
from resources.settings import SettingError
from resources.warehouse import WarehouseError

# What a user can cause.
EXPECTED = (
    CatalogError,
    DefinitionError,
    IntervalError,
    LandingError,
    LandingKeepsChanging,
    LifetimeError,
    QueryError,
    QuestionError,
    SettingError,
    WarehouseError,
)


def run_exposures(
    experiment: str,
    start: str | None,
    end: str | None,
    policy: str | None,
    explain: bool,
    format: str,
    output: Path | None,
) -> None:
    """Answer and show; the plan goes to stdout with `explain`, as JSON where that is the format.

    Raises:
        IntervalError: an instant cannot be read.
        QueryError: the output cannot be written.
    """
    answer = exposures(
        experiment, _instant("--start", start), _instant("--end", end), crossover_policy=policy
    )
    if not explain or output is not None:
        write_rows(answer.rows, format, output)
    if explain:
        print(answer.plan.as_json() if format == "json" else "\n".join(answer.plan.lines()))


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise IntervalError(
            f"{option} {text}: expected an instant such as 2026-01-01T09:57:00Z or a day such as 2026-01-01."
        ) from error
