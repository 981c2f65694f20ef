"""The peers of the benchmark compute the same tables as we do; a comparison that sees nothing would be worthless."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.engines.engine import STAGES, TABLES, Place
from benchmarks.equality import UnequalAnswers, compare, must_be_equal
from benchmarks.measuring import load_engine
from exposure_assets.simulation import SimulationPlan, simulate

TABLE_NAMES = [table for stage in STAGES for table in TABLES[stage]]


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Our tables over a landing zone with every fault of the contract."""
    folder = tmp_path_factory.mktemp("benchmarks")
    simulate(SimulationPlan(days=12, units=300, experiments=4, seed=3, events=8_000), folder / "data")
    return computed(folder, "ours")


def computed(folder: Path, engine: str) -> Place:
    """All tables as an engine computes them."""
    place = Place(folder / "data", folder / engine)
    for stage in STAGES:
        load_engine(engine).run(stage, place)
    return place


@pytest.mark.parametrize("peer", ["duckdb", "duckdb_argmin", "chdb"])
def test_a_peer_gives_our_answer_in_every_table(ours: Place, peer: str):
    if peer == "chdb":
        pytest.importorskip("chdb")
    compared = must_be_equal(peer, ours, computed(ours.work.parent, peer))
    assert [one.table for one in compared] == TABLE_NAMES
    assert all(one.rows > 0 for one in compared)


def test_the_data_of_the_comparison_has_what_the_peers_could_get_wrong(ours: Place):
    verdicts = pl.read_parquet(ours.glob("exposure_validation"))["validation_status"].unique()
    assert {"valid", "no_exposure", "crossover", "pre_assignment_exposure"} <= set(verdicts)
    rejected = (
        pl.scan_parquet(ours.glob("rejected_events"), hive_partitioning=False).select("reason").collect()
    )
    assert {"duplicate", "malformed", "unknown_experiment", "unknown_variation"} <= set(rejected["reason"])


@pytest.mark.parametrize("table", TABLE_NAMES)
def test_a_missing_row_is_seen(ours: Place, tmp_path: Path, table: str):
    peer = copied(ours, tmp_path, table, lambda rows: rows[1:])
    assert [one.differing for one in compare(ours, peer, (stage_of(table),)) if one.table == table] == [1]


@pytest.mark.parametrize("table", TABLE_NAMES)
def test_a_row_too_many_is_seen(ours: Place, tmp_path: Path, table: str):
    peer = copied(
        ours, tmp_path, table, lambda rows: pl.concat([rows, rows[:1].with_columns(**a_stranger(table))])
    )
    assert [one.differing for one in compare(ours, peer, (stage_of(table),)) if one.table == table] == [1]


def test_one_wrong_value_is_refused_by_table_and_number_of_rows(ours: Place, tmp_path: Path):
    def wrong(rows: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([rows[:1].with_columns(exposure_count=pl.col("exposure_count") + 1), rows[1:]])

    peer = copied(ours, tmp_path, "deduped_exposures", wrong)
    rows = pl.read_parquet(ours.glob("deduped_exposures")).height
    with pytest.raises(UnequalAnswers, match=f"1 of {rows:,} rows of deduped_exposures"):
        must_be_equal("peer", ours, peer, ("dedupe",))


def test_the_last_digits_of_a_sum_may_differ_and_nothing_else(ours: Place, tmp_path: Path):
    def moved(by: float) -> int:
        factor = pl.when(pl.col("revenue_usd") > 0).then(1 + by).otherwise(1.0)
        scaled = (pl.col("revenue_usd") * factor).alias("revenue_usd")
        peer = copied(ours, tmp_path / str(by), "unit_outcomes", lambda rows: rows.with_columns(scaled))
        return compare(ours, peer, ("outcomes",))[0].differing

    assert moved(1e-13) == 0
    assert moved(1e-6) > 0


def copied(ours: Place, folder: Path, table: str, change) -> Place:
    """Our tables of a stage, one of them changed."""
    peer = Place(ours.data, folder / "peer")
    for each in TABLES[stage_of(table)]:
        rows = pl.read_parquet(ours.glob(each), hive_partitioning=False, missing_columns="insert")
        rows = change(rows) if each == table else rows
        rows.write_parquet(peer.fresh(each) / "part-0.parquet")
    return peer


def stage_of(table: str) -> str:
    """The stage that computes a table."""
    return next(stage for stage in STAGES if table in TABLES[stage])


def a_stranger(table: str) -> dict[str, pl.Expr]:
    """A key that no other row of the table has."""
    if table == "metric_events":
        return {"event_id": pl.lit("an event of nobody")}
    return {"experiment_id": pl.lit("an experiment of nobody")}
