"""The rules of the house that no other tool checks: names, docstrings, lengths, and nothing of one machine.

Who may import whom is tested in test_layers.py; style and types by `make lint` and `make types`.
"""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("exposure_assets", "partitions", "resources")
FOLDERS = (*PACKAGES, "exposure_assets_tests", "benchmarks", "catalog", "docs")
STEMS = (
    "exposure_events",
    "assignments",
    "deduped_exposures",
    "exposure_validation",
    "unit_outcomes",
    "daily_quality",
    "stage_counts",
    "sample_ratios",
    "experiment_overlap",
    "unit_covariates",
    "metric_moments",
    "experiment_results",
)
MOST_LINES = 400
MACHINE_PATH = re.compile(r"(?<![\w.$}/-])/(?:home|root|tmp|Users|work)/")
SENTENCE_END = re.compile(r"[.!?][)\"'`]*(?:\s|$)")


def files() -> Iterator[Path]:
    """Every file of ours, whether git has it yet or not; neither what was built nor what a run wrote."""
    for path in ROOT.iterdir():
        # In a second work tree `.git` is a file.
        if path.is_file() and path.suffix != ".lock" and path.name != ".git":
            yield path
    for folder in (*FOLDERS, ".ci"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def modules(*folders: str) -> list[Path]:
    return [path for path in files() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in folders]


def named(paths: list[Path]) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def imports(tree: ast.Module) -> Iterator[str]:
    """Each imported module of a file, with the names taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


@pytest.mark.parametrize("package", PACKAGES)
def test_the_imported_package_is_ours_and_not_another_of_that_name(package: str):
    file = importlib.import_module(package).__file__
    assert file is not None, f"{package} has no __init__.py, so any other {package} on the path would win"
    assert Path(file).is_relative_to(ROOT)


def test_every_folder_of_modules_is_a_package():
    folders = {path.parent for path in modules(*PACKAGES, "exposure_assets_tests")}
    assert named([folder for folder in folders if not (folder / "__init__.py").exists()]) == []


def test_every_module_opens_by_saying_what_belongs_there_and_what_does_not():
    code = [path for path in modules(*PACKAGES) if path.name != "__init__.py"]
    assert code
    assert named([path for path in code if len(SENTENCE_END.findall(docstring(path))) < 2]) == []


def test_every_package_and_every_test_module_says_what_it_is():
    assert named([path for path in modules(*FOLDERS) if not docstring(path)]) == []


def test_no_module_is_longer_than_a_reader_can_hold():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(*FOLDERS)}
    assert named([path for path, lines in lengths.items() if lines > MOST_LINES]) == []


def test_no_module_that_knows_dagster_postpones_its_annotations():
    # Dagster's decorators read the annotations themselves; postponed, they are strings.
    culprits = []
    for path in modules(*FOLDERS):
        names = set(imports(ast.parse(path.read_text(encoding="utf-8"))))
        if "__future__.annotations" in names and any(name.split(".")[0] == "dagster" for name in names):
            culprits.append(path)
    assert named(culprits) == []


def test_no_file_names_a_path_of_one_machine():
    culprits = []
    for path in files():
        text = path.read_bytes().decode("utf-8", errors="replace")
        culprits += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
            for number, line in enumerate(text.splitlines(), start=1)
            if MACHINE_PATH.search(line)
        ]
    assert culprits == []


def test_the_lock_names_no_registry_but_the_public_one():
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text()))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


@pytest.mark.parametrize("stem", STEMS)
def test_a_table_has_its_contract_its_transform_its_asset_and_its_tests_under_one_stem(stem: str):
    code = [
        ROOT / "exposure_assets" / layer / f"{stem}.py" for layer in ("contracts", "transforms", "assets")
    ]
    assert named([path for path in code if not path.exists()]) == []
    assert list((ROOT / "exposure_assets_tests").rglob(f"test_{stem}*.py"))
