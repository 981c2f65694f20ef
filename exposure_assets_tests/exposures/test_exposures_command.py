"""The command `exposures`, run as a user runs it."""

import json
import subprocess
from pathlib import Path

import polars as pl
import pytest

from exposure_assets_tests.exposures.asking import Asker
from exposure_assets_tests.reference.small_zone import exposed


@pytest.fixture
def asker(tmp_path: Path) -> Asker:
    asker = Asker(tmp_path)
    asker.deliver(exposed("ann", "control", "10 09:00"), exposed("ann", "treatment", "11 09:00"))
    asker.deliver(exposed('b"ob', "control", "11 09:00"))
    return asker


def run(asker: Asker, *arguments: str) -> tuple[int, str, str]:
    process: subprocess.Popen[str] = asker.installation.command("exposures", *arguments)
    out, errors = process.communicate(timeout=120)
    return process.returncode, out, errors


def test_rows_go_to_stdout_or_a_file_and_the_plan_beside_them(asker: Asker, tmp_path: Path):
    code, out, errors = run(asker, "exp", "--format", "csv")
    assert (code, errors) == (0, "")
    assert [line.split(",")[:2] for line in out.splitlines()] == [
        ["unit_id", "variation_id"],
        ['"b""ob"', "control"],
    ]
    file = tmp_path / "exposed.parquet"
    arguments = (
        "exp",
        "--policy",
        "first_seen",
        "--start",
        "2026-01-10",
        "--end",
        "2026-01-11T09:00:00.000001Z",
    )
    code, out, errors = run(asker, *arguments, "--explain", "--format", "parquet", "--output", str(file))
    assert (code, errors) == (0, "")
    assert pl.read_parquet(file)["unit_id"].to_list() == ["ann", 'b"ob']
    assert "used           deduped_exposures: 2026-01-10" in out
    code, out, errors = run(asker, *arguments, "--explain", "--format", "json")
    assert (code, json.loads(out)["answered_from"]) == (0, "stored answer")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("expp",), "did you mean exp"),
        (("exp", "--start", "tomorrow"), "--start tomorrow: expected an instant such as"),
        (("exp", "--policy", "none"), "expected one of exclude, first_seen"),
    ],
)
def test_what_a_user_can_cause_is_said_in_a_sentence(asker: Asker, arguments: tuple[str, ...], said: str):
    code, out, errors = run(asker, *arguments)
    assert (code, out) == (1, "")
    assert errors.startswith("error: ") and said in errors and "Traceback" not in errors
