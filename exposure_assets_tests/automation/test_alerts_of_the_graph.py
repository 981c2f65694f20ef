"""The whole graph watched by the alerts: a corrupt file, from its arrival to its replacement."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg

from exposure_assets.automation.alerts import alerts_sensor
from exposure_assets.definitions import build_definitions
from exposure_assets_tests.automation.receivers import webhook
from exposure_assets_tests.installation import Installation
from exposure_assets_tests.reference.small_zone import assigned, exposed, write_catalog, write_jsonl
from resources.workspace import Workspace

SOURCE = {
    "event": "experiment_exposed",
    "experiment": "properties.experiment",
    "variation": "properties.variation",
}


def test_a_corrupt_file_is_announced_once_and_again_when_it_is_whole(tmp_path: Path):
    installation = Installation(tmp_path / "zone", tmp_path / "place")
    landing = tmp_path / "zone" / "landing"
    write_catalog(tmp_path / "zone", sources={"experiment_exposed": SOURCE})
    write_jsonl(landing, "assignments", [assigned("ann", "control", "10 09:00:00")])
    write_jsonl(landing, "events", [exposed("ann", "control", "10 09:05:00")])
    broken = landing / "events" / "date=2026-01-30" / "broken.parquet"
    with webhook() as team:
        settings = replace(installation.workspace.settings, alerts=(team.url,))
        sensor = alerts_sensor(Workspace(settings))

        def live(first: date) -> list[str]:
            installation.backfill(first=first, last=first)
            repository = build_definitions(settings).get_repository_def()
            with (
                installation.instance() as instance,
                dg.build_sensor_context(instance=instance, repository_def=repository) as context,
            ):
                sensor(context)
            return [title for title in team.titles if "landing_files_are_readable" in title]

        day = date(2026, 1, 10)
        assert live(day) == []
        broken.write_bytes(b"PAR1 and no more")
        live(day)
        assert live(day) == ["FAILED: check landing_files_are_readable of landing_files"]
        assert "says: 1 file" in team.posted[-1]["message"]
        assert "broken.parquet" in team.posted[-1]["message"]
        broken.unlink()
        live(day)
        assert live(day)[1:] == ["RECOVERED: check landing_files_are_readable of landing_files"]
