"""Tests of a disk that is full: a real one of a few megabytes, mounted for one process.

What is written to it stands in `on_a_small_disk`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exposure_assets_tests.installation import ROOT

_MOUNT = 'mount -t tmpfs -o size=6m tmpfs "$1" && shift && exec "$@"'


def on_a_small_disk(kind: str, disk: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "exposure_assets_tests.resources.on_a_small_disk", kind, str(disk)]
    mounting = ["unshare", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh", str(disk)]
    ran = subprocess.run([*mounting, *command], cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A folder to mount a disk on, where this machine lets a user do that."""
    mounting = ["unshare", "--map-root-user", "--mount", "sh", "-c", _MOUNT, "sh", str(tmp_path), "true"]
    if sys.platform != "linux" or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here by this user")
    return tmp_path


def test_a_staged_day_that_does_not_fit_is_refused_in_a_sentence_and_the_old_one_stays(disk: Path):
    found = on_a_small_disk("staging", disk)

    day = disk / "assignments" / "date=2026-01-01" / "part-0.parquet"
    assert found == {
        "refused": f"DiskFull: {day}: found no space left on its disk, expected room for its new content; what stood "
        "there before is still in place. Free some space, or name another place, and run it again.",
        "units": [["a", "ann", 1]],
        "partial": [],
    }


@pytest.mark.parametrize("kind", ["file", "lake"])
def test_rows_that_do_not_fit_are_refused_in_a_sentence_and_the_old_ones_stay(kind: str, disk: Path):
    found = on_a_small_disk(kind, disk)

    assert found["refused"].startswith("WarehouseFull: ")
    assert (
        "found no space left on its disk, expected room for the new rows of assignments" in found["refused"]
    )
    assert found["units"] == [["a", "ann", 1]]
