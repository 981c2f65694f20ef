"""What a code location is loaded with: the days that its assets have partitions for, and the catalog.

What a calendar is stands in the partitions.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from exposure_assets.contracts import Catalog
from partitions.calendar import Calendar, calendar_of
from resources.atomic import replacing
from resources.catalog import CatalogError
from resources.landing import LandingError
from resources.staging import CALENDAR_FIRST_DAY, remembered_first_day
from resources.workspace import Workspace

_MARGIN = timedelta(days=366)


def calendar_for(workspace: Workspace) -> Calendar:
    """The calendar of the catalog, and of the landing zone where that runs ahead of the clock.

    It never begins later than it once did: when the earliest experiment leaves the catalog its days still have to be
    emptied.

    Raises:
        CatalogError, LandingError: a place cannot be read.
    """
    catalog = workspace.catalog()
    calendar = calendar_of(catalog, workspace.landing(catalog).arrival_days())
    path = workspace.settings.staging / CALENDAR_FIRST_DAY
    before = remembered_first_day(workspace.settings.staging)
    if before is not None and before <= calendar.first_day:
        return replace(calendar, first_day=before)
    with replacing(path) as partial:
        partial.write_text(calendar.first_day.isoformat())
    return calendar


def calendar_to_load(workspace: Workspace) -> Calendar:
    """The calendar, or, while it cannot be known, the one that there was, or one that is certainly long enough.

    A code location that is loaded while the catalog is broken then still shows its tables, says what is wrong and
    alerts; nothing runs on it, and nothing has to be loaded again once the catalog is mended.
    """
    try:
        return calendar_for(workspace)
    except (CatalogError, LandingError):
        before = remembered_first_day(workspace.settings.staging)
        return Calendar(before or datetime.now(UTC).date() - _MARGIN)


def catalog_to_load(workspace: Workspace) -> Catalog | None:
    """The catalog, or null while it has problems."""
    try:
        return workspace.catalog()
    except CatalogError:
        return None
