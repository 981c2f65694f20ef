"""What Dagster is told of the catalog's entries, so that its page shows a changed definition where it matters.

What is computed because of a change is decided by versions, in `outdated`; nothing here requests anything.
"""

import json
from pathlib import Path

import dagster as dg

from exposure_assets.assets.catalog_tables import CATALOG_ENTRIES
from exposure_assets.contracts import Catalog
from exposure_assets.transforms.catalog_entries import entry_versions
from resources.atomic import replacing

_DATA_VERSION = "dagster/data_version"
# An event takes some milliseconds; what is left over is told at the next tick.
_MOST_AT_ONCE = 500


def announce_entries(instance: dg.DagsterInstance, staging: Path, catalog: Catalog) -> int:
    """Report the entries whose definition is another than was reported last, and say how many they were.

    To be called before an experiment is computed for the first time: what Dagster hears of afterwards counts as newer.

    Args:
        instance: Dagster's.
        staging: The staging folder, where a file remembers what was reported; losing it reports the same again.
        catalog: As it is now.
    """
    path = staging / "catalog_entries.json"
    reported: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    wanted = {entry: f"{version:016x}" for entry, version in entry_versions(catalog).items()}
    changed = [entry for entry, version in wanted.items() if reported.get(entry) != version][:_MOST_AT_ONCE]
    for entry in changed:
        instance.report_runless_asset_event(
            dg.AssetObservation(CATALOG_ENTRIES, partition=entry, tags={_DATA_VERSION: wanted[entry]})
        )
    if changed:
        with replacing(path) as partial:
            partial.write_text(json.dumps({**reported, **{entry: wanted[entry] for entry in changed}}))
    return len(changed)
