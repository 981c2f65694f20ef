"""The instance of very many partitions: in small, it shows what it says it recorded.

How quick pages are is measured, not tested.
"""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from benchmarks import many_partitions
from exposure_assets.definitions import build_definitions
from resources.settings import Settings


def test_the_instance_has_the_running_and_the_ended_experiments_and_every_day_of_staging(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sizes = {"EXPERIMENT_COUNT": 3, "RUNNING_COUNT": 1, "CALENDAR_DAYS": 40, "RUNNING_DAYS": 5}
    for name, size in sizes.items():
        monkeypatch.setattr(many_partitions, name, size)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))

    settings = many_partitions.installation(tmp_path, date(2026, 3, 1))

    build_definitions(Settings.from_environment(settings)).get_repository_def().load_all_definitions()
    with dg.DagsterInstance.get() as instance:
        quality = instance.get_materialized_partitions(dg.AssetKey("daily_quality"))
        staged = instance.get_materialized_partitions(dg.AssetKey("exposure_events"))
    by_experiment = {name: sum(key.endswith(name) for key in quality) for name in ("000", "001", "002")}
    assert by_experiment == {"000": 5, "001": 14, "002": 14}
    assert {"2026-02-25|experiment-000", "2026-03-01|experiment-000"} <= quality
    assert len(staged) == 40
