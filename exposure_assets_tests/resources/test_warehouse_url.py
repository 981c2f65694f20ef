"""What the warehouse setting may say, and that no password of it is ever shown.

What is stored there is tested in `test_warehouse`.
"""

from pathlib import Path

import pytest

from resources.warehouse import Warehouse, WarehouseUrlError
from resources.warehouse_url import FileLocation, LakeLocation, parse_location, without_password


def test_a_path_is_a_duckdb_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert parse_location("data/warehouse.duckdb") == FileLocation(tmp_path / "data" / "warehouse.duckdb")


def test_a_ducklake_on_sqlite_keeps_its_rows_beside_the_catalog(tmp_path: Path):
    assert parse_location(f"ducklake:sqlite:{tmp_path}/lake.sqlite") == LakeLocation(
        f"sqlite:{tmp_path}/lake.sqlite", f"{tmp_path}/lake.files/", tmp_path / "lake.sqlite"
    )


@pytest.mark.parametrize(
    ("url", "catalog", "data_path"),
    [
        ("ducklake:sqlite:/a/lake.sqlite?data_path=/b/rows", "sqlite:/a/lake.sqlite", "/b/rows/"),
        ("ducklake:sqlite:/a/lake.sqlite?data_path=s3://b/rows/", "sqlite:/a/lake.sqlite", "s3://b/rows/"),
        (
            "ducklake:postgres:postgresql://u@db/lake?sslmode=require&data_path=/b/rows",
            "postgres:postgresql://u@db/lake?sslmode=require",
            "/b/rows/",
        ),
    ],
)
def test_the_data_path_stands_at_the_end(url: str, catalog: str, data_path: str):
    location = parse_location(url)
    assert isinstance(location, LakeLocation)
    assert (location.catalog, location.data_path) == (catalog, data_path)


@pytest.mark.parametrize(
    "url", ["", "md:cloud", "s3://bucket/file.duckdb", "ducklake:", "ducklake:mysql:x", "ducklake:sqlite:"]
)
def test_what_is_neither_a_file_nor_a_ducklake_is_refused(url: str):
    with pytest.raises(WarehouseUrlError, match="expected a path"):
        Warehouse(url)


def test_a_postgres_catalog_without_a_data_path_is_refused():
    with pytest.raises(WarehouseUrlError, match="data_path"):
        Warehouse("ducklake:postgres:dbname=lake")


def test_a_data_path_with_wildcards_is_refused():
    with pytest.raises(WarehouseUrlError, match="wildcards"):
        parse_location("ducklake:sqlite:lake.sqlite?data_path=gs://bucket/[rows]")


@pytest.mark.parametrize(
    "text",
    [
        "ducklake:postgres:dbname=lake password=s3cret host=db",
        "ducklake:postgres:dbname=lake password='s3cret \\' more' host=db",
        "ducklake:postgres:postgresql://me:s3cret@db/lake",
        "ducklake:postgres:postgresql://db/lake?user=me&password=s3cret&x=1",
        "ducklake:postgres:dbname=lake PASSWORD = s3cret",
    ],
)
def test_a_password_is_never_shown(text: str):
    assert "s3cret" not in without_password(text)
    assert "lake" in without_password(text)
    with pytest.raises(WarehouseUrlError) as caught:
        Warehouse(text)
    assert "s3cret" not in str(caught.value)
