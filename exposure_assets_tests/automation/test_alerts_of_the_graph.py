"""The whole graph watched by the alerts: a corrupt file, from its arrival to its replacement."""

from dataclasses import replace
from pathlib import Path

import dagster as dg

from exposure_assets.automation.alerts import alerts_sensor
from exposure_assets.automation.jobs import CATALOG_JOB
from exposure_assets.definitions import build_definitions
from exposure_assets_tests.automation.receivers import webhook
from exposure_assets_tests.installation import Installation
from exposure_assets_tests.reference.small_zone import exposed, write_catalog, write_jsonl
from resources.workspace import Workspace

CHECK = "check landing_files_are_readable of landing_files"
SOURCE = {
    "event": "experiment_exposed",
    "experiment": "properties.experiment",
    "variation": "properties.variation",
}


def test_a_corrupt_file_is_announced_once_and_again_when_it_is_whole(tmp_path: Path):
    installation = Installation(tmp_path / "zone", tmp_path / "place")
    landing = tmp_path / "zone" / "landing"
    write_catalog(tmp_path / "zone", sources={"experiment_exposed": SOURCE})
    write_jsonl(landing, "events", [exposed("ann", "control", "10 09:05:00")])
    broken = landing / "events" / "date=2026-01-30" / "broken.parquet"
    with webhook() as team:
        settings = replace(installation.workspace.settings, alerts=(team.url,))
        sensor = alerts_sensor(Workspace(settings))
        graph = build_definitions(settings)
        repository = graph.get_repository_def()

        def scan() -> None:
            with installation.instance() as instance:
                assert graph.resolve_job_def(CATALOG_JOB).execute_in_process(instance=instance).success

        def look() -> list[str]:
            """Lets the sensor look twice; gives what was said of the check."""
            for _ in range(2):
                with (
                    installation.instance() as instance,
                    dg.build_sensor_context(instance=instance, repository_def=repository) as context,
                ):
                    sensor(context)
            return [title for title in team.titles if CHECK in title]

        scan()
        assert look() == []
        broken.write_bytes(b"PAR1 and no more")
        scan()
        assert look() == [f"FAILED: {CHECK}"]
        [message] = [message["message"] for message in team.posted if CHECK in message["title"]]
        assert "says: 1 file" in message and "broken.parquet" in message
        broken.unlink()
        scan()
        assert look() == [f"FAILED: {CHECK}", f"RECOVERED: {CHECK}"]
