"""Several processes and threads on one warehouse: nobody sees half a write, whoever is killed, waits or reads.

What a single writer does is tested in `test_warehouse`.
"""

import logging
import random
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from exposure_assets.contracts import Assignments
from exposure_assets_tests.resources.warehouse_rows import assigned, part, units
from resources.warehouse import (
    ExtensionMissing,
    Warehouse,
    WarehouseBusy,
    WarehouseMissing,
    WarehouseUnreadable,
)

ROOT = Path(__file__).parent.parent.parent
BEGINNING = """
import resource, signal, sys, uuid
from exposure_assets.contracts import Assignments
from exposure_assets_tests.resources.warehouse_rows import assigned, part
from resources.warehouse import Warehouse

def rows(experiment, generation, units=200):
    return assigned(*((experiment, f"unit {i}", day) for day in (1, 2) for i in range(units)), count=generation)

def say(word):
    print(word, flush=True)

warehouse = Warehouse(sys.argv[1])
"""
WRITE_FOR_EVER = """
say("starts")
for generation in range(int(sys.argv[2]), 10_000):
    warehouse.replace(Assignments, [rows("a", generation)], [part(1, 2, "a")])
    say(generation)
"""


def child(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BEGINNING + script, *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line, process.communicate()[1]
    return line


def generations(warehouse: Warehouse) -> list[tuple[int, int]]:
    found = warehouse.scan(Assignments).select("assignment_count").collect().to_series()
    return [(row["assignment_count"], row["count"]) for row in found.value_counts().to_dicts()]


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_killed_at_any_moment_leaves_the_old_rows_or_the_new(warehouse_url: str, seed: int):
    writer = child(WRITE_FOR_EVER, warehouse_url, "1")
    assert line_of(writer) == "starts"
    while line_of(writer) != str(1 + seed):
        pass
    time.sleep(random.Random(seed).uniform(0, 0.15))
    writer.kill()
    said = [1 + seed, *(int(line) for line in writer.communicate()[0].split())]
    warehouse = Warehouse(warehouse_url)
    ((generation, count),) = generations(warehouse)
    assert count == 400
    assert generation in (said[-1], said[-1] + 1)
    warehouse.replace(Assignments, [assigned(("a", "after", 1))], [part(1, 2, "a")])
    assert units(warehouse.scan(Assignments)) == [("a", "after", 1)]


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_killed_while_it_makes_the_warehouse_leaves_one_that_can_be_written(
    warehouse_url: str, seed: int
):
    writer = child(WRITE_FOR_EVER, warehouse_url, "1")
    assert line_of(writer) == "starts"
    time.sleep(random.Random(seed).uniform(0, 0.4))
    writer.kill()
    writer.communicate()
    warehouse = Warehouse(warehouse_url)
    found = generations(warehouse)
    assert found == [] or [count for _, count in found] == [400]
    warehouse.replace(Assignments, [assigned(("a", "after", 1))], [part(1, 2, "a")])
    assert units(warehouse.scan(Assignments)) == [("a", "after", 1)]


def test_a_full_disk_leaves_the_old_rows(warehouse_url: str):
    # A limit on the size of files stands for the disk: writing beyond it fails in the same place.
    script = """
warehouse.replace(Assignments, [rows("a", 1)], [part(1, 2, "a")])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
try:
    large = assigned(*(("a", uuid.uuid4().hex, 1) for _ in range(300_000)))
    warehouse.replace(Assignments, [large], [part(1, 2, "a")])
except Exception as error:
    say(f"failed with {type(error).__name__}")
"""
    out, err = child(script, warehouse_url).communicate()
    assert out.startswith("failed with"), err
    assert generations(Warehouse(warehouse_url)) == [(1, 400)]


def test_two_writing_processes_lose_nothing(warehouse_url: str):
    script = """
for generation in range(1, 9):
    warehouse.replace(Assignments, [rows(sys.argv[2], generation)], [part(1, 2, sys.argv[2])])
"""
    writers = [child(script, warehouse_url, experiment) for experiment in ("a", "b", "c")]
    for writer in writers:
        _, err = writer.communicate()
        assert writer.returncode == 0, err
    counted = Warehouse(warehouse_url).count(Assignments, by=["experiment_id", "assignment_count"])
    assert counted.rows() == [("a", 8, 400), ("b", 8, 400), ("c", 8, 400)]


def test_threads_of_one_process_read_and_write_together(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)

    def write(experiment: str) -> None:
        for generation in range(1, 6):
            frame = assigned(*((experiment, f"unit {i}", 1) for i in range(50)), count=generation)
            warehouse.replace(Assignments, [frame], [part(1, 1, experiment)])

    def read() -> None:
        for _ in range(15):
            counted = warehouse.count(Assignments, by=["experiment_id", "assignment_count"])
            assert set(counted["row_count"]) <= {50}
            assert counted["experiment_id"].is_unique().all()

    with ThreadPoolExecutor() as threads:
        running = [threads.submit(write, experiment) for experiment in ("a", "b")]
        running += [threads.submit(read) for _ in range(2)]
    for each in running:
        each.result()
    counted = warehouse.count(Assignments, by=["experiment_id", "assignment_count"])
    assert counted.rows() == [("a", 5, 50), ("b", 5, 50)]


def test_whoever_reads_a_ducklake_keeps_nobody_from_writing_and_sees_a_whole_state(lake_url: str):
    warehouse = Warehouse(lake_url)
    warehouse.replace(Assignments, [assigned(("a", "old", 1))], [part(1, 2, "a")])
    with warehouse.connect(read_only=True) as reader:
        reader.execute("BEGIN TRANSACTION")
        query = "SELECT count(DISTINCT unit_id) FROM assignments"
        assert reader.execute(query).fetchone() == (1,)
        writer = child('warehouse.replace(Assignments, [rows("a", 1)], [part(1, 2, "a")])', lake_url)
        assert writer.wait() == 0
        writer.communicate()
        assert reader.execute(query).fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute(query).fetchone() == (200,)


def test_a_process_that_reads_a_duckdb_file_is_named_to_whoever_wants_to_write(tmp_path: Path):
    path = str(tmp_path / "warehouse.duckdb")
    Warehouse(path).replace(Assignments, [assigned(("a", "ann", 1))], [part(1, 1, "a")])
    script = """
with warehouse.connect(read_only=True):
    say("reads")
    sys.stdin.readline()
"""
    reader = child(script, path)
    assert line_of(reader) == "reads"
    advice = r"one writing process at a time.*use a DuckLake"
    with pytest.raises(WarehouseBusy, match=rf"{path} is busy.*PID {reader.pid}.*{advice}"):
        Warehouse(path, wait_seconds=0.1).replace(Assignments, [], [part(1, 1, "a")])
    reader.communicate("enough\n")
    Warehouse(path, wait_seconds=0.1).replace(Assignments, [], [part(1, 1, "a")])


def test_a_writer_of_a_duckdb_file_waits_for_its_reader_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("resources.warehouse_sessions._SAY_SO_AFTER_SECONDS", 0.0)
    path = str(tmp_path / "warehouse.duckdb")
    Warehouse(path).replace(Assignments, [], [part(1, 1, "a")])
    script = """
with warehouse.connect(read_only=True):
    say("reads")
    sys.stdin.readline()
"""
    reader = child(script, path)
    assert line_of(reader) == "reads"
    writer = threading.Thread(
        target=Warehouse(path).replace, args=(Assignments, [assigned(("a", "ann", 1))], [part(1, 1, "a")])
    )
    with caplog.at_level(logging.WARNING):
        writer.start()
        while not caplog.records:
            time.sleep(0.01)
        reader.communicate("enough\n")
        writer.join()
    assert re.search(rf"{path} is busy: waiting up to 60 s for .*PID {reader.pid}", caplog.text)
    assert caplog.text.count("is busy") == 1
    assert units(Warehouse(path).scan(Assignments)) == [("a", "ann", 1)]


def test_a_writer_of_a_ducklake_on_sqlite_waits_its_turn_and_names_who_is_writing(tmp_path: Path):
    url = f"ducklake:sqlite:{tmp_path}/lake.sqlite"
    script = """
with warehouse._store.writing_alone():
    say("writes")
    sys.stdin.readline()
"""
    other = child(script, url)
    assert line_of(other) == "writes"
    with pytest.raises(WarehouseBusy, match=f"process {other.pid}, which is writing"):
        Warehouse(url, wait_seconds=0.1).replace(Assignments, [], [part(1, 1, "a")])
    other.kill()
    other.communicate()
    Warehouse(url, wait_seconds=0.1).replace(Assignments, [], [part(1, 1, "a")])


def test_a_ducklake_on_sqlite_outlasts_writers_that_keep_no_turns(tmp_path: Path):
    warehouse = Warehouse(f"ducklake:sqlite:{tmp_path}/lake.sqlite")
    warehouse.replace(Assignments, [assigned(("a", "old", 1))], [part(1, 1, "a")])
    with warehouse.connect() as stranger:
        stranger.execute("CREATE TABLE theirs (n INTEGER)")
        stranger.execute("BEGIN TRANSACTION")
        stranger.execute("INSERT INTO theirs VALUES (1)")
        warehouse.replace(Assignments, [assigned(("a", "new", 1))], [part(1, 1, "a")])
        with pytest.raises(duckdb.Error, match="database is locked"):
            stranger.execute("COMMIT")
    assert units(warehouse.scan(Assignments)) == [("a", "new", 1)]


def test_reading_before_anything_was_written_says_to_run_a_backfill(warehouse_url: str):
    with (
        pytest.raises(WarehouseMissing, match="exposure-assets backfill"),
        Warehouse(warehouse_url).connect(read_only=True),
    ):
        pass


def test_a_connection_is_closed_after_an_error(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    with pytest.raises(duckdb.Error), warehouse.connect() as connection:
        connection.execute("SELECT nothing FROM nowhere")
    with pytest.raises(duckdb.Error, match="closed"):
        connection.execute("SELECT 1")
    writer = child('warehouse.replace(Assignments, [rows("a", 1)], [part(1, 2, "a")])', warehouse_url)
    assert writer.wait() == 0, writer.communicate()[1]
    writer.communicate()


def checksum(block: bytes | bytearray) -> int:
    """What DuckDB writes at the head of a block, over the eight-byte words that follow."""
    result = 5381
    for start in range(0, len(block), 8):
        result ^= int.from_bytes(block[start : start + 8], "little") * 0xBF58476D1CE4E5B9 % 2**64
    return result


def test_a_file_of_a_newer_duckdb_is_named_as_such(tmp_path: Path):
    path = tmp_path / "warehouse.duckdb"
    Warehouse(str(path)).replace(Assignments, [], [part(1, 1, "a")])
    content = bytearray(path.read_bytes())
    assert content[:8] == checksum(content[8:4096]).to_bytes(8, "little")
    content[12:20] = (900).to_bytes(8, "little")
    content[:8] = checksum(content[8:4096]).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(
        WarehouseUnreadable, match=rf"another DuckDB version.*DuckDB {re.escape(duckdb.__version__)}.*900"
    ):
        Warehouse(str(path)).scan(Assignments, columns=["unit_id"]).collect()


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000])
def test_a_file_that_is_no_warehouse_is_left_alone_and_named(tmp_path: Path, content: bytes):
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(content)
    with pytest.raises(WarehouseUnreadable, match="EXPOSURES_WAREHOUSE"):
        Warehouse(str(path)).replace(Assignments, [], [part(1, 1, "a")])
    assert path.read_bytes() == content


def test_a_lake_whose_rows_lie_elsewhere_than_the_setting_says_is_an_error(tmp_path: Path):
    catalog = f"ducklake:sqlite:{tmp_path}/lake.sqlite"
    Warehouse(catalog).replace(Assignments, [], [part(1, 1, "a")])
    with pytest.raises(WarehouseUnreadable, match=r"elsewhere.*does not match"):
        Warehouse(f"{catalog}?data_path={tmp_path}/elsewhere").replace(Assignments, [], [part(1, 1, "a")])


def test_a_catalog_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path):
    url = f"ducklake:postgres:dbname=lake host=127.0.0.1 port=1 password=s3cret?data_path={tmp_path}"
    with pytest.raises(WarehouseUnreadable, match=r"cannot be attached.*Connection refused") as caught:
        Warehouse(url).replace(Assignments, [], [part(1, 1, "a")])
    assert "s3cret" not in str(caught.value)


def test_rows_can_lie_in_an_object_store(tmp_path: Path):
    warehouse = Warehouse(f"ducklake:sqlite:{tmp_path}/lake.sqlite?data_path=memory://{tmp_path.name}/rows")
    warehouse.replace(Assignments, [assigned(("a", "ann", 1), ("a", "bob", 2))], [part(1, 2, "a")])
    warehouse.replace(Assignments, [assigned(("a", "eve", 2))], [part(2, 2, "a")])
    assert units(warehouse.scan(Assignments)) == [("a", "ann", 1), ("a", "eve", 2)]
    assert [path.name for path in tmp_path.rglob("*.parquet")] == []


def test_an_object_store_without_its_package_is_an_error_that_says_so(tmp_path: Path):
    warehouse = Warehouse(f"ducklake:sqlite:{tmp_path}/lake.sqlite?data_path=nosuchstore://rows")
    with pytest.raises(ExtensionMissing, match="nosuchstore"):
        warehouse.replace(Assignments, [], [part(1, 1, "a")])


def test_files_of_a_write_that_failed_before_it_was_published_are_removed(lake_url: str, tmp_path: Path):
    warehouse = Warehouse(lake_url)

    def frames():
        yield assigned(*(("a", f"unit {i}", 1) for i in range(600_000)))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        warehouse.replace(Assignments, frames(), [part(1, 1, "a")])
    assert list(tmp_path.rglob("*.parquet")) == []
