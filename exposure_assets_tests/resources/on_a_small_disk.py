"""Writes more than a small disk holds, and prints what came of it as JSON; started by `test_full_disk`.

The disk is mounted by whoever starts this, for this process alone.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl

from exposure_assets.contracts import Assignments
from exposure_assets_tests.resources.warehouse_rows import assigned, day, part, units
from resources.staging import Staging
from resources.warehouse import Warehouse, WarehouseError


def many(count: int) -> pl.DataFrame:
    """Assignments whose ids don't compress."""
    rows = assigned(("a", "unit", 1)).select(pl.all().repeat_by(count).explode())
    number = pl.int_range(count)
    return rows.with_columns(unit_id=pl.concat_str(number.hash(seed=1), number.hash(seed=2)))


def refusal(attempt: Callable[[], object]) -> str | None:
    """What the attempt is refused with; null where it is not."""
    try:
        attempt()
    except (OSError, WarehouseError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def into_staging(disk: Path) -> dict[str, object]:
    """A day that was staged, and the same day again with too many rows."""
    staging = Staging(disk)
    staging.write(Assignments, day(1), assigned(("a", "ann", 1)))
    refused = refusal(lambda: staging.write(Assignments, day(1), many(400_000)))
    return {"refused": refused, "units": units(staging.scan(Assignments)), "partial": leftovers(disk)}


def into_the_warehouse(disk: Path, url: str) -> dict[str, object]:
    """A cohort that was published, and the same one with too many rows."""
    warehouse = Warehouse(url)
    warehouse.replace(Assignments, [assigned(("a", "ann", 1))], [part(1, 1, "a")])
    refused = refusal(lambda: warehouse.replace(Assignments, [many(400_000)], [part(1, 1, "a")]))
    return {"refused": refused, "units": units(warehouse.scan(Assignments))}


def leftovers(disk: Path) -> list[str]:
    """Names of files that a failed write left half-made."""
    return [path.name for path in disk.rglob("*.partial")]


if __name__ == "__main__":
    kind, place = sys.argv[1], Path(sys.argv[2])
    urls = {"file": str(place / "w.duckdb"), "lake": f"ducklake:sqlite:{place / 'w.sqlite'}"}
    print(json.dumps(into_staging(place) if kind == "staging" else into_the_warehouse(place, urls[kind])))
