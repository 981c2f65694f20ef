"""The versions of tables without partitions: what changes one, what doesn't, and what is computed with it."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from exposure_assets.transforms import whole_versions
from exposure_assets.transforms.partition_versions import VERSION_SCHEMA
from exposure_assets.transforms.whole_versions import (
    WHOLE_TABLES,
    Whole,
    partitioned_upstream,
    whole_version,
    with_whole_dependants,
)
from exposure_assets_tests.transforms.rows import catalog, experiment

JANUARY_5 = date(2026, 1, 5)


def computed(*rows: tuple[date | None, str | None, int]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=VERSION_SCHEMA, orient="row")


@pytest.fixture
def chained(monkeypatch: pytest.MonkeyPatch) -> dict[str, Whole]:
    """Two tables on one of cohorts, the second on the first too."""
    tables = {
        "shares": Whole(("daily_quality",), lambda _: None),
        "verdicts": Whole(("assignments", "shares"), lambda _: None, is_as_of=True),
    }
    monkeypatch.setattr(whole_versions, "WHOLE_TABLES", tables)
    return tables


def test_a_version_changes_with_a_partition_that_the_table_rests_on_and_not_with_their_order():
    one, other = (JANUARY_5, "checkout", 1), (JANUARY_5, "pricing", 2)
    known = catalog(experiment("checkout"), experiment("pricing"))

    def version(*rows: Any) -> int:
        return whole_version("experiment_overlap", known, {"assignments": computed(*rows)})

    assert version(one, other) == version(other, one)
    assert len({version(), version(one), version(one, other), version(one, (JANUARY_5, "pricing", 3))}) == 4


def test_an_experiment_that_left_the_catalog_counts_for_nothing():
    rows = computed((JANUARY_5, "checkout", 1), (JANUARY_5, "gone", 2))
    known = catalog(experiment("checkout"))
    version = whole_version("experiment_overlap", known, {"assignments": rows})
    assert version == whole_version("experiment_overlap", known, {"assignments": rows.head(1)})


def test_only_a_table_with_rows_as_of_days_changes_with_the_last_day_of_data(chained: dict[str, Whole]):
    known = catalog(experiment("checkout"))
    recorded = {table: computed() for table in ("assignments", "daily_quality", "shares")}

    def versions(table: str) -> set[int]:
        return {whole_version(table, known, recorded, date(2026, 1, day)) for day in (5, 6)}

    assert len(versions("shares")) == 1
    assert len(versions("verdicts")) == 2


def test_a_version_changes_with_a_table_without_partitions_upstream(chained: dict[str, Whole]):
    known = catalog(experiment("checkout"))
    versions = {
        whole_version("verdicts", known, {"assignments": computed(), "shares": computed((None, None, n))})
        for n in (1, 2)
    }
    assert len(versions) == 2


def test_what_rests_on_a_table_to_compute_is_computed_with_it(chained: dict[str, Whole]):
    assert set(with_whole_dependants({"shares": 1})) == {"shares", "verdicts"}
    assert with_whole_dependants({"verdicts": 1}) == {"verdicts": 1}
    assert with_whole_dependants({"shares": 1}) != with_whole_dependants({"shares": 2})
    assert partitioned_upstream("verdicts") == {"assignments", "daily_quality"}


def test_every_table_stands_behind_those_that_it_rests_on():
    order = list(WHOLE_TABLES)
    for table, whole in WHOLE_TABLES.items():
        assert all(order.index(name) < order.index(table) for name in whole.upstream if name in WHOLE_TABLES)
