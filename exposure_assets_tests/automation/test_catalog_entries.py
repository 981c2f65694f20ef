"""What Dagster is told of the catalog's entries: once per definition, and never of a new owner."""

from pathlib import Path

import dagster as dg

from exposure_assets.assets.catalog_tables import CATALOG_ENTRIES
from exposure_assets.automation.catalog_entries import announce_entries
from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets_tests.installation import Installation


def edit(zone: Path, experiment: str, old: str, new: str) -> None:
    path = zone / "catalog" / "experiments" / f"{experiment}.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def versions(instance: dg.DagsterInstance) -> dict[str, str]:
    found = instance.fetch_observations(dg.AssetRecordsFilter(CATALOG_ENTRIES), limit=50, ascending=True)
    events = [record.asset_observation for record in found.records]
    return {str(event.partition): event.tags["dagster/data_version"] for event in events if event}


def test_every_entry_is_reported_once_and_again_only_when_its_definition_changed(tmp_path: Path):
    simulate(SimulationPlan(days=2, units=20, experiments=2, seed=1), tmp_path / "zone")
    installation = Installation(tmp_path / "zone", tmp_path / "place")
    staging = tmp_path / "place" / "staging"

    def announce(instance: dg.DagsterInstance) -> int:
        return announce_entries(instance, staging, installation.workspace.catalog())

    with installation.instance() as instance:
        assert (announce(instance), announce(instance)) == (2, 0)
        before = versions(instance)
        edit(tmp_path / "zone", "checkout-button", "owner = ", 'owner = "new@example.com" # ')
        assert announce(instance) == 0
        edit(tmp_path / "zone", "checkout-button", "grace_minutes = 5", "grace_minutes = 6")
        assert announce(instance) == 1
        after = versions(instance)
        assert {entry for entry in after if after[entry] != before[entry]} == {"checkout-button"}
        (staging / "catalog_entries.json").unlink()
        assert announce(instance) == 2
        assert versions(instance) == after
