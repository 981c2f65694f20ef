"""The places a warehouse can be stored in, each as a test's parameter.

What is tested on them stands in the tests.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exposure_assets_tests.resources.postgres_server import (
    PostgresServer,
    installed_programs,
    running_server,
)

WAREHOUSES = ("DuckDB file", "DuckLake on SQLite", "DuckLake on PostgreSQL")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    programs = installed_programs()
    if programs is None:
        pytest.skip(
            "no PostgreSQL server is installed (looked for initdb in PATH and /usr/lib/postgresql/*/bin)"
        )
    with running_server(programs) as server:
        yield server


@pytest.fixture(params=WAREHOUSES)
def warehouse_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a warehouse in which there is none yet."""
    return url_of(request, tmp_path, request.param)


@pytest.fixture(params=WAREHOUSES[1:])
def lake_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a DuckLake in which there is none yet."""
    return url_of(request, tmp_path, request.param)


def url_of(request: pytest.FixtureRequest, folder: Path, kind: str) -> str:
    if kind == "DuckDB file":
        return str(folder / "warehouse.duckdb")
    if kind == "DuckLake on SQLite":
        return f"ducklake:sqlite:{folder}/lake.sqlite"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return f"ducklake:postgres:{server.new_database()}?data_path={folder}/lake.files"
