"""Upkeep of a warehouse: the rows stay as they are, whoever reads or writes meanwhile goes on, and files get fewer."""

import os
import random
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
from polars.testing import assert_frame_equal

from exposure_assets.contracts import Assignments, UnitOutcomes, columns_of
from exposure_assets_tests.resources.warehouse_rows import assigned, day, midnight, part, units
from resources.retention import Removed
from resources.retention_warehouse import sweep_warehouse
from resources.warehouse import Warehouse

MONTH = timedelta(days=30)
AT_ONCE = timedelta()


def now() -> datetime:
    return datetime.now(UTC)


def write(warehouse: Warehouse, times: int, seed: int = 1) -> None:
    """Replace partitions as a season of late files would: some again and again, none all the time."""
    choice = random.Random(seed)
    for count in range(1, times + 1):
        first, experiment = choice.randint(1, 9), choice.choice("abc")
        last = min(9, first + choice.randint(0, 2))
        rows = [
            (experiment, f"unit {unit}", on)
            for on in range(first, last + 1)
            for unit in range(choice.randint(0, 20))
        ]
        warehouse.replace(Assignments, [assigned(*rows, count=count)], [part(first, last, experiment)])


def rows_of(warehouse: Warehouse) -> pl.DataFrame:
    return warehouse.scan(Assignments).collect().sort("experiment_id", "assignment_date", "unit_id")


def parquet_files(folder: Path) -> list[Path]:
    return list(folder.rglob("*.parquet"))


def test_a_sweep_changes_no_row(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    write(warehouse, 12)
    before = rows_of(warehouse)
    assert before.height > 100
    for days in (0, 31, 62):
        sweep_warehouse(warehouse, now() + timedelta(days=days), MONTH)
        assert_frame_equal(rows_of(warehouse), before)
    write(warehouse, 3, seed=2)
    assert not rows_of(warehouse).equals(before)


def test_a_warehouse_that_is_not_there_yet_is_not_made(tmp_path: Path):
    for url in (str(tmp_path / "warehouse.duckdb"), f"ducklake:sqlite:{tmp_path}/lake.sqlite"):
        swept = sweep_warehouse(Warehouse(url), now(), MONTH)
        assert (swept.removed, swept.note) == (Removed(), "there is no warehouse yet")
    assert list(tmp_path.iterdir()) == []


def test_old_states_of_a_lake_go_with_their_files_and_the_small_files_are_gathered(
    tmp_path: Path, lake_url: str
):
    warehouse = Warehouse(lake_url)
    write(warehouse, 20)
    before = set(parquet_files(tmp_path))
    swept = sweep_warehouse(warehouse, now(), AT_ONCE)
    assert swept.snapshots >= 19 and swept.gathered_files > 5
    assert (swept.removed, swept.note) == (Removed(), None), "somebody may be reading them"
    assert before < set(parquet_files(tmp_path))
    left = {path: path.stat().st_size for path in parquet_files(tmp_path)}
    swept = sweep_warehouse(warehouse, now() + timedelta(days=2), AT_ONCE)
    kept = parquet_files(tmp_path)
    assert swept.removed.files == len(left) - len(kept) > 0
    assert swept.removed.bytes == sum(left.values()) - sum(left[path] for path in kept)
    assert len(kept) < len(before) / 3


def test_young_states_of_a_lake_can_still_be_looked_at(lake_url: str):
    warehouse = Warehouse(lake_url)

    def state(version: int) -> list[tuple[object, ...]]:
        with warehouse.connect(read_only=True) as connection:
            query = f"SELECT * FROM assignments AT (VERSION => {version}) ORDER BY ALL"
            return connection.execute(query).fetchall()

    write(warehouse, 6)
    before = [state(2), state(4)]
    assert before[0] != before[1] != []
    for days in (0, 29):
        assert sweep_warehouse(warehouse, now() + timedelta(days=days), MONTH).snapshots == 0
        assert [state(2), state(4)] == before
    assert sweep_warehouse(warehouse, now() + timedelta(days=31), MONTH).snapshots >= 4


def test_a_table_that_grew_by_a_column_is_gathered_with_its_old_rows(tmp_path: Path, lake_url: str):
    warehouse = Warehouse(lake_url)

    def outcomes(unit: str, on: int, **metrics: float) -> pl.DataFrame:
        row = {
            "experiment_id": "a",
            "unit_id": unit,
            "variation_id": "control",
            "assignment_date": day(on),
            "anchor": "assignment",
            "anchor_at": midnight(on),
            "window_end_at": midnight(on + 1),
        }
        columns = columns_of(UnitOutcomes)
        return pl.DataFrame([row], schema=columns).with_columns(
            **{name: pl.lit(n) for name, n in metrics.items()}
        )

    for on in range(1, 6):
        warehouse.replace(UnitOutcomes, [outcomes("old", on)], [part(on, on, "a")])
    for on in range(6, 11):
        extra = {"revenue_usd": pl.Float64()}
        warehouse.replace(UnitOutcomes, [outcomes("new", on, revenue_usd=1.5)], [part(on, on, "a")], extra)
    warehouse.replace(UnitOutcomes, [outcomes("again", 2, revenue_usd=2.5)], [part(2, 2, "a")], extra)

    def found() -> list[tuple[int, str, float | None]]:
        rows = warehouse.scan(UnitOutcomes, extra_columns={"revenue_usd": pl.Float64()}).collect()
        return sorted(rows.select(pl.col("assignment_date").dt.day(), "unit_id", "revenue_usd").rows())

    before = found()
    assert [row[2] for row in before] == [None, 2.5, None, None, None, *[1.5] * 5]
    for days in (0, 2, 4):
        sweep_warehouse(warehouse, now() + timedelta(days=days), AT_ONCE)
    assert found() == before
    assert len(parquet_files(tmp_path)) < 11


def test_leftovers_of_killed_writers_go_and_nothing_else_under_the_data_path_does(
    tmp_path: Path, lake_url: str
):
    warehouse = Warehouse(lake_url)
    write(warehouse, 2)
    before = rows_of(warehouse)
    table = next(path for path in parquet_files(tmp_path) if path.parent.name == "assignments").parent
    ours = table / "0a1b2c3d-0000-4000-8000-0123456789ab.parquet"
    young = table / "0a1b2c3d-0000-4000-8000-0123456789ac.parquet"
    landing = table.parent.parent / "landing" / "events" / "date=2026-01-01" / "a.parquet"
    others = [table / "mine.parquet", landing, landing.with_name(ours.name)]
    for path in (ours, young, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")
        os.utime(path, (now().timestamp(), (now() - timedelta(days=2)).timestamp()))
    os.utime(young)
    swept = sweep_warehouse(warehouse, now(), MONTH)
    assert swept.removed == Removed(1, 4)
    assert not ours.exists()
    assert all(path.exists() for path in (young, *others))
    assert_frame_equal(rows_of(warehouse), before)


def test_a_reader_at_work_reads_on_while_the_lake_is_swept(lake_url: str):
    warehouse = Warehouse(lake_url)
    write(warehouse, 10)
    expected = units(warehouse.scan(Assignments))
    with warehouse.connect(read_only=True) as reader:
        reader.execute("BEGIN TRANSACTION READ ONLY")
        query = "SELECT experiment_id, unit_id, day(assignment_date) FROM assignments ORDER BY ALL"
        rows = reader.execute(query)
        first = rows.fetchmany(10)
        write(warehouse, 5, seed=3)
        sweep_warehouse(warehouse, now(), AT_ONCE)
        assert [*first, *rows.fetchall()] == expected
        reader.execute("COMMIT")


def test_writers_at_work_lose_nothing_to_a_sweep_and_hinder_none(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(Assignments, [assigned(("a", "unit", 1))], [part(1, 1, "a")])
    failures: list[BaseException] = []

    def fill(experiment: str) -> None:
        try:
            for on in range(1, 5):
                rows = assigned((experiment, "first", on))
                Warehouse(warehouse_url).replace(Assignments, [rows], [part(on, on, experiment)])
        except duckdb.Error as error:
            failures.append(error)

    writers = [threading.Thread(target=fill, args=(experiment,)) for experiment in "bc"]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        sweep_warehouse(warehouse, now(), AT_ONCE)
    expected: Sequence[tuple[str, str, int]] = [("a", "unit", 1)]
    expected += [(experiment, "first", on) for experiment in "bc" for on in range(1, 5)]
    assert failures == []
    assert units(warehouse.scan(Assignments)) == expected


def test_a_duckdb_file_that_somebody_reads_is_left_for_the_next_time(tmp_path: Path):
    warehouse = Warehouse(str(tmp_path / "warehouse.duckdb"), wait_seconds=0.2)
    write(warehouse, 2)
    release, reading = threading.Event(), threading.Event()

    def read() -> None:
        with warehouse.connect(read_only=True):
            reading.set()
            release.wait(30)

    reader = threading.Thread(target=read)
    reader.start()
    assert reading.wait(30)
    swept = sweep_warehouse(warehouse, now(), MONTH)
    release.set()
    reader.join()
    assert (
        swept.note is not None and swept.note.startswith("nothing done this time") and "is busy" in swept.note
    )
    assert sweep_warehouse(warehouse, now(), MONTH).note is None
