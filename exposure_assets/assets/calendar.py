"""The calendar of a workspace: which days its assets have partitions for.

What a calendar is stands in the partitions.
"""

from partitions.calendar import Calendar, calendar_of
from resources.workspace import Workspace


def calendar_for(workspace: Workspace) -> Calendar:
    """The calendar of the catalog, and of the landing zone where that runs ahead of the clock.

    Raises:
        CatalogError, LandingError: a place cannot be read.
    """
    catalog = workspace.catalog()
    return calendar_of(catalog, workspace.landing(catalog).arrival_days())
