"""The command `explain`: what a user can cause is a sentence on stderr, and nothing is written then.

What explanations say is tested with `explain`.
"""

from pathlib import Path

import pytest

from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets_tests.installation import Installation


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    place = tmp_path_factory.mktemp("zone")
    simulate(SimulationPlan(2, 20, 1), place)
    return Installation(place, place)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["checkout-buttom"],
            "error: experiment checkout-buttom: not in the catalog, did you mean checkout-button?",
        ),
        (["checkout-button"], "run exposure-assets backfill first."),
        (["checkout-button", "--day", "yesterday"], "does not match the format"),
        (["checkout-button", "--format", "csv"], "is not one of 'text', 'json'"),
    ],
)
def test_what_a_user_can_cause_is_said_in_a_sentence(
    installation: Installation, arguments: list[str], said: str, tmp_path: Path
):
    output = tmp_path / "why.txt"
    process = installation.command("explain", *arguments, "--output", str(output))
    shown, errors = process.communicate()
    assert process.returncode != 0
    assert said in " ".join(errors.replace("│", " ").split())
    assert "Traceback" not in errors
    assert shown == ""
    assert not output.exists()
