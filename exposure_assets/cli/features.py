"""The command `features lint`: reads files, shows what the lint finds, and says by its exit code whether all is well.

What is judged, and how, stands in the package `features`.
"""

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

features_app = typer.Typer(
    help="Feature configurations, whose parts say which experiment they credit.", no_args_is_help=True
)


class FindingsFormat(StrEnum):
    """How findings are shown: a line each, or a JSON list."""

    TEXT = "text"
    JSON = "json"


@features_app.callback()
def features() -> None:
    """Feature configurations, whose parts say which experiment they credit."""


@features_app.command("lint")
def features_lint(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Feature configurations or recipes, as JSON.")
    ],
    experiment: Annotated[
        str | None,
        typer.Option(metavar="SLUG", help="The experiment of configurations that stand alone."),
    ] = None,
    default: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The default configuration of the feature.")
    ] = None,
    format: Annotated[FindingsFormat, typer.Option(help="How findings are shown.")] = FindingsFormat.TEXT,
) -> None:
    """Say what is wrong in feature configurations and recipes of experiments, and where.

    Ends with 1 when anything is an error; warnings alone end with 0.
    """
    from exposure_assets.features import Severity, lint

    if experiment is not None and not experiment.strip():
        print(
            "error: --experiment: found an empty slug, expected the slug of an experiment.", file=sys.stderr
        )
        raise typer.Exit(1)
    read = {str(path): _read(path) for path in files}
    default_read = (str(default), _read(default)) if default is not None else None
    broken = [*read.values(), *(default_read[1:] if default_read else ())].count(None)
    findings = lint(
        {file: value[0] for file, value in read.items() if value is not None},
        slug=experiment,
        default=(default_read[0], default_read[1][0]) if default_read and default_read[1] else None,
    )
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if format is FindingsFormat.JSON:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(finding)
        print(_summary(len(read), errors, len(findings) - errors, broken))
    if errors or broken:
        raise typer.Exit(1)


def _read(path: Path) -> tuple[object] | None:
    """The value of a file (null is one, too); null without a tuple where it has none, which was told then."""
    from exposure_assets.features import InvalidJson, parse_json

    try:
        return (parse_json(path.read_bytes()),)
    except InvalidJson as error:
        print(f"error: {path}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"error: {path}: found {error.strerror}, expected a JSON file.", file=sys.stderr)
    return None


def _summary(files: int, errors: int, warnings: int, broken: int) -> str:
    told = [
        f"{errors} errors",
        f"{warnings} warnings",
        *([f"{broken} files cannot be read"] if broken else []),
    ]
    state = "features ok" if not errors and not broken else "features not ok"
    return f"{state}: {', '.join(told)} in {files} files"
