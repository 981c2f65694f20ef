"""The layer contract of setup.cfg: it holds, and it catches what it is there to catch.

The other rules of the house, about single files, are tested in test_house.py.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = (
    "exposure_assets/cli.py",
    "exposure_assets/definitions.py",
    "exposure_assets/automation/sensors.py",
    "exposure_assets/checks/contract.py",
    "exposure_assets/assets/assignments.py",
    "exposure_assets/reports/quality.py",
    "exposure_assets/features/merging.py",
    "exposure_assets/simulation/events.py",
    "exposure_assets/transforms/assignments.py",
    "exposure_assets/contracts/assignments.py",
    "partitions/days.py",
    "resources/warehouse.py",
)


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """Judge the packages below `tree` by our setup.cfg."""
    command = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", command], cwd=tree, capture_output=True, text=True, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with every layer, whose modules import nothing."""
    (tmp_path / "setup.cfg").write_text((ROOT / "setup.cfg").read_text())
    for module in map(tmp_path.joinpath, MODULES):
        module.parent.mkdir(parents=True, exist_ok=True)
        (module.parent / "__init__.py").touch()
        module.touch()
    (tmp_path / "exposure_assets" / "__init__.py").touch()
    return tmp_path


def test_imports_go_downwards():
    verdict = lint(ROOT)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_a_tree_that_obeys_passes(tree: Path):
    (tree / "exposure_assets/cli.py").write_text("import exposure_assets.definitions\nimport dagster\n")
    (tree / "exposure_assets/assets/assignments.py").write_text(
        "import resources.warehouse, partitions.days, exposure_assets.contracts.assignments\n"
    )
    verdict = lint(tree)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("exposure_assets/contracts/assignments.py", "exposure_assets.transforms.assignments"),
        ("exposure_assets/transforms/assignments.py", "resources.warehouse"),
        ("exposure_assets/transforms/assignments.py", "exposure_assets.simulation.events"),
        ("exposure_assets/simulation/events.py", "exposure_assets.transforms.assignments"),
        ("exposure_assets/transforms/assignments.py", "dagster"),
        ("exposure_assets/features/merging.py", "exposure_assets.transforms.assignments"),
        ("exposure_assets/features/merging.py", "dagster"),
        ("partitions/days.py", "resources.warehouse"),
        ("resources/warehouse.py", "exposure_assets.assets.assignments"),
        ("resources/warehouse.py", "exposure_assets.reports.quality"),
        ("exposure_assets/assets/assignments.py", "exposure_assets.checks.contract"),
        ("exposure_assets/checks/contract.py", "exposure_assets.automation.sensors"),
        ("exposure_assets/automation/sensors.py", "exposure_assets.definitions"),
        ("exposure_assets/definitions.py", "exposure_assets.cli"),
    ],
)
def test_an_import_in_any_other_direction_is_caught(tree: Path, importer: str, imported: str):
    (tree / importer).write_text(f"import {imported}\n")
    verdict = lint(tree)
    assert verdict.returncode == 1
    assert f"{importer.removesuffix('.py').replace('/', '.')} -> {imported}" in " ".join(
        verdict.stdout.split()
    )
