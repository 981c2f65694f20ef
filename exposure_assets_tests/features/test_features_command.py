"""The command `exposure-assets features lint` as people call it: files in, lines and an exit code out.

What is wrong with a configuration is tested in test_linting.py.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from exposure_assets.cli.app import app

SOUND = {"messages": {"{experiment}-m": {"experiment": "{experiment}", "text": "hi"}}}
SILENT = {"messages": {"m": {"is-control": True, "experiment": "{experiment}"}, "n": {"text": "hi"}}}


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def lint(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["features", "lint", *map(str, arguments)])


def test_sound_files_end_with_0(tmp_path: Path):
    result = lint(write(tmp_path / "a.json", SOUND), write(tmp_path / "b.json", SOUND))
    assert (result.exit_code, result.stdout) == (0, "features ok: 0 errors, 0 warnings in 2 files\n")


def test_an_error_is_a_line_that_names_file_and_path_and_ends_with_1(tmp_path: Path):
    file = write(tmp_path / "a.json", {"messages": {"m": {"is-control": True}}})
    result = lint(file)
    assert result.exit_code == 1
    assert result.stdout == (
        f"{file}: messages.m: found a control message without experiment, expected the experiment that it is the "
        'control of; add "experiment": "{experiment}"\n'
        "features not ok: 1 errors, 0 warnings in 1 files\n"
    )


def test_warnings_alone_end_with_0(tmp_path: Path):
    result = lint(write(tmp_path / "a.json", SILENT), "--experiment", "exp")
    assert result.exit_code == 0
    assert result.stdout.startswith("warning: ")
    assert result.stdout.endswith("features ok: 0 errors, 1 warnings in 1 files\n")


def test_the_experiment_of_a_bare_configuration_is_an_option(tmp_path: Path):
    file = write(tmp_path / "a.json", {"styles": {"{experiment}": {}, "exp": {}}})
    assert lint(file).exit_code == 0
    assert lint(file, "--experiment", "exp").exit_code == 1
    empty = lint(file, "--experiment", " ")
    assert (empty.exit_code, empty.stderr) == (
        1,
        "error: --experiment: found an empty slug, expected the slug of an experiment.\n",
    )


def test_a_default_configuration_gives_types_and_is_linted_too(tmp_path: Path):
    file = write(tmp_path / "a.json", {"cards": {"delay": "{experiment}"}})
    default = write(tmp_path / "default.json", {"cards": {"delay": 3}, "title": "{experiment}"})
    assert lint(file).exit_code == 0
    result = lint(file, "--default", default)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{file}: cards.delay: found ")
    assert lines[1].startswith(f"{default}: title: found ")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "broken.json",
            b'{"a": 1,\n "b": nope}',
            'line 2, column 7: found "n" (Expecting value), expected JSON',
        ),
        ("latin.json", b'{"a": "\xe9"}', "line 1, column 8: found bytes that are not UTF-8"),
        ("missing.json", None, "found No such file or directory, expected a JSON file."),
        ("", None, "found Is a directory, expected a JSON file."),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_and_the_others_are_linted(
    tmp_path: Path, name: str, data: bytes | None, message: str
):
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    result = lint(path, write(tmp_path / "a.json", SILENT), "--experiment", "exp")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {path}: {message}")
    assert "messages.n" in result.stdout
    assert result.stdout.endswith(
        "features not ok: 0 errors, 1 warnings, 1 files cannot be read in 2 files\n"
    )
    unread_default = lint(tmp_path / "a.json", "--default", path)
    assert (unread_default.exit_code, unread_default.stderr) == (1, result.stderr)


def test_a_file_that_holds_null_is_read_and_is_no_configuration(tmp_path: Path):
    result = lint(write(tmp_path / "null.json", None))
    assert result.exit_code == 1
    assert "null.json: found null, expected a feature configuration" in result.stdout


def test_findings_as_json_have_every_part(tmp_path: Path):
    file = write(tmp_path / "a.json", SILENT)
    result = lint(file, "--experiment", "exp", "--format", "json")
    assert result.exit_code == 0
    (finding,) = json.loads(result.stdout)
    assert finding["file"] == str(file)
    assert (finding["path"], finding["severity"]) == ("messages.n", "warning")
    assert finding.keys() == {"file", "path", "severity", "rule", "found", "expected", "remedy"}
    assert json.loads(lint(write(file, SOUND), "--format", "json").stdout) == []


def test_without_files_the_command_says_how_it_is_called():
    result = lint()
    assert result.exit_code == 2
    assert "FILE..." in result.stderr
    assert lint("--help").exit_code == 0
