"""What a code location is loaded with: the days that its assets have partitions for, and the catalog.

What a calendar is stands in the partitions.
"""

from datetime import UTC, datetime, timedelta

from exposure_assets.contracts import Catalog
from partitions.calendar import Calendar, calendar_of
from resources.catalog import CatalogError
from resources.landing import LandingError
from resources.workspace import Workspace

_MARGIN = timedelta(days=366)


def calendar_for(workspace: Workspace) -> Calendar:
    """The calendar of the catalog, and of the landing zone where that runs ahead of the clock.

    Raises:
        CatalogError, LandingError: a place cannot be read.
    """
    catalog = workspace.catalog()
    return calendar_of(catalog, workspace.landing(catalog).arrival_days())


def calendar_to_load(workspace: Workspace) -> Calendar:
    """The calendar, or, while it cannot be known, one that is certainly long enough.

    A code location that is loaded while the catalog is broken then still shows its tables, says what is wrong and
    alerts; nothing runs on it, and nothing has to be loaded again once the catalog is mended.
    """
    try:
        return calendar_for(workspace)
    except (CatalogError, LandingError):
        today = datetime.now(UTC).date()
        return Calendar(min([today, *workspace.ledger.read()["day"]]) - _MARGIN)


def catalog_to_load(workspace: Workspace) -> Catalog | None:
    """The catalog, or null while it has problems."""
    try:
        return workspace.catalog()
    except CatalogError:
        return None
