"""What is wrong with the places that everything is read from: the catalog, and the landing zone.

Files of the landing zone that cannot be read are the business of a check; who hears of it, of `alerts`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from exposure_assets.contracts import Catalog
from resources.alert_book import Condition
from resources.catalog import CatalogError
from resources.landing import LandingZone
from resources.landing_manifest import Manifest, ManifestFile
from resources.settings import Settings
from resources.workspace import Workspace

CATALOG, LANDING, SILENCE = "catalog", "landing", "silence"
_PROBLEMS_SHOWN = 5
_MANIFEST_FOLDER = "landing"


def catalog_now(workspace: Workspace, now: datetime) -> tuple[Catalog | None, dict[str, Condition]]:
    """The catalog, or the condition that it has problems."""
    try:
        return workspace.catalog(), {}
    except CatalogError as error:
        problems = [str(problem) for problem in error.problems]
    shown = "; ".join(problems[:_PROBLEMS_SHOWN])
    more = f"; and {len(problems) - _PROBLEMS_SHOWN} more" if len(problems) > _PROBLEMS_SHOWN else ""
    condition = Condition(
        id=CATALOG,
        kind=CATALOG,
        group=CATALOG,
        severity="failure",
        title="catalog with problems",
        facts=(
            ("catalog", str(workspace.settings.catalog)),
            ("found", f"{_counted(len(problems))}: {shown}{more}"),
            ("expected", "none: nothing runs until all of them are mended"),
        ),
        since=now,
        page="/automation",
        advice="Mend the files; `exposure-assets catalog check` says what is wrong, and where.",
    )
    return None, {CATALOG: condition}


def landing_now(settings: Settings, now: datetime, before: Iterable[Condition]) -> dict[str, Condition]:
    """Whether the landing zone cannot be reached, or has been without a new file for too long.

    Whether it is silent cannot be told while it is out of reach: what was known `before` holds on.
    """
    if reason := _out_of_reach(settings):
        condition = Condition(
            id=LANDING,
            kind=LANDING,
            group=LANDING,
            severity="failure",
            title="landing zone out of reach",
            facts=(
                ("landing zone", settings.landing),
                ("found", reason),
                ("expected", "a folder with events/ and assignments/ in it"),
            ),
            since=now,
            page="/assets/landing_files",
            advice="Check EXPOSURES_LANDING, the mount or the credentials. Nothing that arrives is read meanwhile.",
        )
        return {LANDING: condition, **{c.id: c for c in before if c.kind == SILENCE}}
    last = last_arrival(settings)
    if last is None or now - last <= timedelta(hours=settings.silent_hours):
        return {}
    condition = Condition(
        id=SILENCE,
        kind=SILENCE,
        group=SILENCE,
        severity="failure",
        title="landing zone is silent",
        facts=(
            ("landing zone", settings.landing),
            ("found", f"no new file since {last:%Y-%m-%d %H:%M:%S} UTC"),
            ("expected", f"a new file at least every {settings.silent_hours} hours"),
        ),
        since=last + timedelta(hours=settings.silent_hours),
        page="/assets/landing_files",
        advice="Ask whoever delivers the files, and check that the sensor that scans the landing zone is running.",
    )
    return {SILENCE: condition}


def _counted(problems: int) -> str:
    return "1 problem" if problems == 1 else f"{problems} problems"


def last_arrival(settings: Settings) -> datetime | None:
    """When the last scan that found a new file did so, without another scan; null where there is no file."""
    return Manifest(ManifestFile(settings.staging / _MANIFEST_FOLDER).read()).last_arrival_at


def _out_of_reach(settings: Settings) -> str | None:
    try:
        return LandingZone(settings.landing, settings.staging).why_out_of_reach()
    except (OSError, ValueError, ImportError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no message'}"
