"""The catalog's files: finds them, reads the TOML, resolves presets and hands out one `Catalog`.

What a valid file says is decided in `contracts.catalog`; how a broken rule reads, in `catalog_problems`.
"""

import os
import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from exposure_assets.contracts.catalog import Catalog, Experiment
from exposure_assets.contracts.catalog_metrics import Metric
from exposure_assets.contracts.catalog_sources import PRESETS, ExposureSource
from exposure_assets.contracts.catalog_values import CatalogScope, nearest
from resources.catalog_problems import CatalogError, CatalogProblem, problems_of, toml_text

__all__ = ["CatalogError", "CatalogProblem", "check_catalog", "load_catalog"]

DEFAULT_HORIZON_DAYS = 28

_FOLDERS = ("experiments", "metrics", "exposure_sources")
# A catalog of ten thousand experiments takes seconds to read, and a sensor asks for it four times a minute.
_LOADED: dict[Path, tuple[frozenset[tuple[str, int, int, int, int]], int, Catalog]] = {}
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class _File:
    """One file of the catalog; `values` is None where it could not be read (which is a problem already)."""

    path: Path
    values: dict[str, Any] | None


def load_catalog(path: str | Path, horizon_days: int = DEFAULT_HORIZON_DAYS) -> Catalog:
    """Read and validate the catalog below `path`; one whose files have not changed is not read again.

    Args:
        path: Folder with `experiments/`, `metrics/` and `exposure_sources/`.
        horizon_days: Longest window, in days, that the graph supports.

    Raises:
        CatalogError: with every problem of every file; nothing of a catalog with a problem is handed out.
    """
    root = Path(path).absolute()
    files = _stamps(root)
    if (known := _LOADED.get(root)) and known[:2] == (files, horizon_days):
        return known[2]
    catalog, problems = _read_catalog(Path(path), horizon_days)
    if catalog is None or problems:
        raise CatalogError(problems)
    _LOADED[root] = (files, horizon_days, catalog)
    return catalog


def _stamps(folder: Path) -> frozenset[tuple[str, int, int, int, int]]:
    """Every file below a folder with what changes when it is edited, moved or replaced."""
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                file = os.stat(os.path.join(parent, name))
                stamp = (file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns)
                found.append((os.path.join(parent, name), *stamp))
    return frozenset(found)


def check_catalog(path: str | Path, horizon_days: int = DEFAULT_HORIZON_DAYS) -> list[CatalogProblem]:
    """Every problem that `load_catalog` would raise for the same arguments; empty where it succeeds."""
    return _read_catalog(Path(path), horizon_days)[1]


def _read_catalog(root: Path, horizon_days: int) -> tuple[Catalog | None, list[CatalogProblem]]:
    try:
        folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir())
    except OSError as error:
        found, expected = error.strerror or str(error), f"a folder with {', '.join(_FOLDERS)}"
        remedy = "point EXPOSURES_CATALOG at the catalog"
        return None, [CatalogProblem(str(root), "", found, expected, remedy)]
    problems = [problem for name in folders for problem in _misnamed_folder(root / name)]
    files = {folder: _read_folder(root / folder, problems) for folder in _FOLDERS}
    if not files["experiments"]:
        expected = "at least one experiment, <id>.toml"
        remedy = "add one, or point EXPOSURES_CATALOG at the catalog"
        problems.append(CatalogProblem(str(root / "experiments"), "", "no .toml file", expected, remedy))
    scope = CatalogScope(
        horizon_days, frozenset(files["metrics"]), frozenset(files["exposure_sources"]).union(PRESETS)
    )
    experiments = _validated(Experiment, files["experiments"], scope, problems)
    metrics = _validated(Metric, files["metrics"], scope, problems)
    with_presets = {id_: _filled_in(file, problems) for id_, file in files["exposure_sources"].items()}
    sources = _validated(ExposureSource, with_presets, scope, problems)
    if not problems:
        problems += _misplaced_parts(files["exposure_sources"], sources, experiments)
    if problems:
        return None, problems
    used = {experiment.exposure.source for experiment in experiments.values()}
    presets = {id_: source for id_, source in PRESETS.items() if id_ in used and id_ not in sources}
    return Catalog(experiments=experiments, metrics=metrics, exposure_sources=sources | presets), []


def _misplaced_parts(
    files: dict[str, _File], sources: dict[str, ExposureSource], experiments: dict[str, Experiment]
) -> list[CatalogProblem]:
    """Parts of a feature that are said to be of an experiment that can't have them."""
    problems = []
    for source in sources.values():
        ours = {e.id: e for e in experiments.values() if e.exposure.source == source.id}
        path = str(files[source.id].path)
        for part, owners in source.parts.items():
            for owner in owners:
                variations = (
                    [v.id for v in ours[owner.experiment].variations] if owner.experiment in ours else []
                )
                key = f"parts.{toml_text(part)}"
                if owner.experiment not in ours:
                    expected = f"an experiment with source = {toml_text(source.id)}"
                    found, remedy = toml_text(owner.experiment), nearest(owner.experiment, ours)
                    problems.append(CatalogProblem(path, key, found, expected, remedy))
                elif owner.variation is not None and owner.variation not in variations:
                    expected = f"a variation of {owner.experiment}"
                    found, remedy = toml_text(owner.variation), nearest(owner.variation, variations)
                    problems.append(CatalogProblem(path, key, found, expected, remedy))
    return problems


def _misnamed_folder(folder: Path) -> list[CatalogProblem]:
    """One problem for a folder that nobody reads although its name looks as if it were meant to be read."""
    meant = get_close_matches(re.sub(r"[\W_]+", "_", folder.name.lower()), _FOLDERS, n=1, cutoff=0.8)
    if folder.name in _FOLDERS or not meant:
        return []
    expected, remedy = f"the folders {', '.join(_FOLDERS)}", f"did you mean {meant[0]!r}?"
    return [CatalogProblem(str(folder), "", f"a folder {folder.name!r}", expected, remedy)]


def _read_folder(folder: Path, problems: list[CatalogProblem]) -> dict[str, _File]:
    """The TOML files of a folder and its subfolders by id, without hidden files, which are an editor's."""

    def report(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            found, remedy = error.strerror or str(error), "check the folder and its permissions"
            problems.append(CatalogProblem(str(error.filename), "", found, "a readable folder", remedy))

    walk = os.walk(folder, onerror=report)
    paths = sorted(
        Path(parent, name) for parent, _, names in walk for name in names if not name.startswith(".")
    )
    files: dict[str, _File] = {}
    for path in paths:
        if path.suffix.lower() != ".toml":
            continue
        # A disk may tell Checkout.toml from checkout.toml, another one does not: an id has no case.
        id_ = path.stem.lower()
        if id_ in files:
            expected, remedy = f"one file per id; {files[id_].path} has it", "rename or remove one of the two"
            problems.append(CatalogProblem(str(path), "id", f"{path.stem!r} again", expected, remedy))
        else:
            files[id_] = _File(path, _read_file(path, problems))
    return files


def _read_file(path: Path, problems: list[CatalogProblem]) -> dict[str, Any] | None:
    """The file's TOML, or None and one more problem."""
    text = ""
    try:
        # Some Windows editors open a file with a byte order mark; it says nothing.
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except OSError as error:
        found, remedy = error.strerror or str(error), "check the file and its permissions"
        problems.append(CatalogProblem(str(path), "", found, "a readable file", remedy))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        found, remedy = f"the byte 0x{error.object[error.start]:02x}", "save the file as UTF-8"
        problems.append(CatalogProblem(str(path), f"line {line}", found, "text in UTF-8", remedy))
    except (ValueError, RecursionError) as error:
        message, _, where = str(error).removesuffix(")").partition(" (at ")
        remedy = "correct the line"
        if where == "end of document":
            where, remedy = (
                f"line {len(text.splitlines())}",
                "complete it: a value, bracket or quote is missing",
            )
        problems.append(CatalogProblem(str(path), where, repr(message), "valid TOML", remedy))
    return None


def _filled_in(file: _File, problems: list[CatalogProblem]) -> _File:
    """The source with the keys of the preset it names; its own keys win."""
    if file.values is None or "preset" not in file.values:
        return file
    own = {key: value for key, value in file.values.items() if key != "preset"}
    preset = file.values["preset"]
    if not isinstance(preset, str) or preset not in PRESETS:
        found, expected, remedy = toml_text(preset), "the name of a preset", nearest(str(preset), PRESETS)
        problems.append(CatalogProblem(str(file.path), "preset", found, expected, remedy))
        # Any preset will do to judge the file's own keys without missing those the right one would bring.
        preset = next(iter(PRESETS))
    filled_in = PRESETS[preset].model_dump(by_alias=True, exclude_none=True, exclude={"id"}) | own
    return _File(file.path, filled_in)


def _validated(
    model: type[_Model], files: dict[str, _File], scope: CatalogScope, problems: list[CatalogProblem]
) -> dict[str, _Model]:
    """The files that obey the model, by id; the problems of the others are added to `problems`."""
    valid: dict[str, _Model] = {}
    for file in files.values():
        if file.values is None:
            continue
        path, id_ = str(file.path), file.path.stem
        written_id = file.values.get("id", id_)
        if written_id != id_:
            expected, remedy = f"the file's name, {id_!r}", "remove the line, or rename the file"
            problems.append(CatalogProblem(path, "id", toml_text(written_id), expected, remedy))
        try:
            valid[id_] = model.model_validate(
                file.values | {"id": id_}, context=scope, by_alias=True, by_name=False
            )
        except ValidationError as error:
            problems += problems_of(error, path, model)
    return valid
