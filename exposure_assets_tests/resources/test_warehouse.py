"""What is written into the warehouse is what is read from it, and a write that fails changes nothing.

Several processes are tested in `test_warehouse_processes`, tables that change in `test_warehouse_tables`.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from exposure_assets.contracts import (
    Assignments,
    DedupedExposures,
    ExperimentQualityReport,
    Experiments,
    ExposureWaterfall,
    Variations,
    columns_of,
    empty_frame,
)
from exposure_assets_tests.contracts.good_rows import GOOD
from exposure_assets_tests.resources.warehouse_rows import assigned, day, part, units
from resources.warehouse import (
    FrameMismatch,
    PartitionSlice,
    RepeatedKeys,
    RowsOutsidePartition,
    Warehouse,
)

NASTY_IDS = [
    "",
    "007",
    "1e5",
    "NULL",
    "null",
    'it\'s "quoted"',
    "a,b;c|d\te\nf\r\ng",
    "naïve 😀 \u202e\u0000 ends",
    "../../etc/passwd",
    "'; DROP TABLE assignments; --",
    "x" * 10_000,
    "é" * 10_000,
    "\U0010ffff" * 10_000,
]


def deduped(**columns: object) -> pl.DataFrame:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    row = {
        "experiment_id": "exp",
        "unit_id": "ann",
        "variation_id": "control",
        "exposure_date": date(2026, 1, 2),
        "first_exposed_at": at,
        "last_exposed_at": at,
        "exposure_count": 1,
        "first_event_id": "e1",
        "first_session_id": None,
        "later_exposed_at": None,
        "later_event_ids": None,
    }
    return pl.DataFrame([row | columns], schema=columns_of(DedupedExposures))


def test_ids_come_back_untouched_whatever_they_hold(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    written = assigned(*(("exp", unit, 1) for unit in NASTY_IDS))
    warehouse.replace(Assignments, [written], [part(1, 1, "exp")])
    assert_frame_equal(warehouse.scan(Assignments).collect(), written, check_row_order=False)
    for unit in NASTY_IDS:
        assert warehouse.scan(Assignments).filter(pl.col("unit_id") == unit).collect().height == 1


def test_empty_lists_are_written_without_a_word(warehouse_url: str, capfd: pytest.CaptureFixture[str]):
    row = {**GOOD["experiment_quality_report"], "warnings": []}
    rows = pl.DataFrame(
        [{**row, "experiment_id": id_} for id_ in ("a", "b")], schema=columns_of(ExperimentQualityReport)
    )
    # Lists out of an expression share a buffer without bytes; those out of Python have none.
    nothing = pl.concat_list(pl.when(False).then(pl.lit("none"))).list.drop_nulls()
    written = rows.with_columns(failed_guardrails=nothing)
    Warehouse(warehouse_url).replace(ExperimentQualityReport, [written], [PartitionSlice()])
    assert capfd.readouterr().err == ""
    found = Warehouse(warehouse_url).scan(ExperimentQualityReport).collect()
    assert_frame_equal(found, written, check_row_order=False)


@pytest.mark.parametrize(
    "columns",
    [
        {"later_exposed_at": None, "later_event_ids": None},
        {"later_exposed_at": [], "later_event_ids": []},
        {"later_event_ids": ["", "NULL", 'a"b', "x" * 10_000]},
        {"later_exposed_at": [datetime(1949, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)]},
        {"first_exposed_at": datetime(1, 1, 1, tzinfo=UTC), "exposure_date": date(1, 1, 1)},
        {"last_exposed_at": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)},
        {"exposure_count": 2**63 - 1},
        {"exposure_count": -(2**63)},
    ],
    ids=str,
)
def test_lists_instants_and_counts_come_back_exactly(warehouse_url: str, columns: dict[str, object]):
    warehouse = Warehouse(warehouse_url)
    written = deduped(**columns)
    warehouse.replace(DedupedExposures, [written], [PartitionSlice()])
    assert_frame_equal(warehouse.scan(DedupedExposures).collect(), written)


def test_instants_and_days_do_not_depend_on_the_host_s_time_zone(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    warehouse = Warehouse(warehouse_url)
    written = deduped(first_exposed_at=datetime(2026, 1, 2, 0, 0, 0, 1, tzinfo=UTC))
    warehouse.replace(DedupedExposures, [written], [part(2, 2, "exp")])
    assert_frame_equal(warehouse.scan(DedupedExposures).collect(), written)
    with warehouse.connect(read_only=True) as connection:
        said = connection.execute("SELECT first_exposed_at::DATE::VARCHAR FROM deduped_exposures").fetchall()
    assert said == [("2026-01-02",)]


def test_columns_are_matched_by_name_not_by_position(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    written = assigned(("exp", "ann", 1))
    warehouse.replace(Assignments, [written.select(reversed(written.columns))], [part(1, 1, "exp")])
    assert_frame_equal(warehouse.scan(Assignments).collect(), written)


def test_writing_partitions_replaces_their_rows_and_no_others(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    before = assigned(("a", "ann", 1), ("a", "bob", 2), ("b", "ann", 1), ("b", "bob", 2))
    warehouse.replace(Assignments, [before], [part(1, 2, "a", "b")])
    warehouse.replace(Assignments, [assigned(("a", "eve", 2))], [part(2, 2, "a")])
    assert units(warehouse.scan(Assignments)) == [
        ("a", "ann", 1),
        ("a", "eve", 2),
        ("b", "ann", 1),
        ("b", "bob", 2),
    ]


def test_partitions_that_form_no_rectangle_are_replaced_exactly(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    before = assigned(*((experiment, "old", number) for experiment in "ab" for number in (1, 2, 3)))
    warehouse.replace(Assignments, [before], [part(1, 3, "a", "b")])
    after = assigned(("a", "new", 1), ("a", "new", 3), ("b", "new", 2))
    warehouse.replace(Assignments, [after], [part(1, 1, "a"), part(3, 3, "a"), part(2, 2, "b")])
    assert units(warehouse.scan(Assignments)) == [
        ("a", "new", 1),
        ("a", "new", 3),
        ("a", "old", 2),
        ("b", "new", 2),
        ("b", "old", 1),
        ("b", "old", 3),
    ]


def test_writing_no_rows_empties_the_partitions_and_makes_the_table(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(Assignments, [], [part(1, 1, "a")])
    assert_frame_equal(warehouse.scan(Assignments).collect(), empty_frame(Assignments))
    warehouse.replace(Assignments, [assigned(("a", "ann", 1), ("b", "ann", 1))], [part(1, 1, "a", "b")])
    warehouse.replace(Assignments, [empty_frame(Assignments)], [part(1, 1, "a")])
    assert units(warehouse.scan(Assignments)) == [("b", "ann", 1)]


def test_a_table_without_partitions_is_replaced_as_a_whole(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    for variations in (["control", "old"], ["control"]):
        rows = pl.DataFrame(
            {"experiment_id": "exp", "variation_id": variations, "allocation": 0.5, "is_control": False}
        )
        written = warehouse.replace(Variations, [rows])
        assert written.row_count == len(variations)
        assert_frame_equal(warehouse.scan(Variations).collect(), rows, check_row_order=False)


def test_a_table_by_day_alone_holds_rows_without_an_experiment(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    rows = [(None, day(1), "malformed", 2), ("exp", day(1), "accepted", 1)]
    frame = pl.DataFrame(rows, schema=columns_of(ExposureWaterfall), orient="row")
    for _ in range(2):
        written = warehouse.replace(ExposureWaterfall, [frame], [PartitionSlice(day(1), day(1))])
        assert written.by_partition == {(day(1), None): 2}
    assert_frame_equal(warehouse.scan(ExposureWaterfall).collect(), frame, check_row_order=False)


def test_a_slice_with_an_open_start_replaces_everything_before_its_last_day(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    before = assigned(("a", "ann", 1), ("a", "bob", 2), ("a", "eve", 3))
    warehouse.replace(Assignments, [before], [PartitionSlice()])
    warehouse.replace(Assignments, [assigned(("a", "joe", 1))], [PartitionSlice(None, day(2), ("a",))])
    assert units(warehouse.scan(Assignments)) == [("a", "eve", 3), ("a", "joe", 1)]


def test_rows_outside_the_partitions_are_refused_with_the_first_of_them(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(Assignments, [assigned(("a", "ann", 1))], [part(1, 1, "a")])
    stray = assigned(("a", "bob", 1), ("a", "stray day", 2), ("b", "stray experiment", 1))
    with pytest.raises(
        RowsOutsidePartition, match=r"assignments: found 2 rows[\s\S]*stray day[\s\S]*stray experi"
    ):
        warehouse.replace(Assignments, [stray], [part(1, 1, "a")])
    assert units(warehouse.scan(Assignments)) == [("a", "ann", 1)]


def test_a_day_that_is_null_lies_outside_every_partition(warehouse_url: str):
    without_day = assigned(("a", "ann", 1)).with_columns(assignment_date=pl.lit(None, pl.Date))
    with pytest.raises(RowsOutsidePartition):
        Warehouse(warehouse_url).replace(Assignments, [without_day], [part(1, 1, "a")])


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (assigned(("a", "ann", 1)).drop("unit_id"), "found no unit_id"),
        (assigned(("a", "ann", 1)).with_columns(mood=pl.lit("good")), "found a column mood"),
        (assigned(("a", "ann", 1)).cast({"assignment_count": pl.Int32}), "found assignment_count as Int32"),
        (
            assigned(("a", "ann", 1)).with_columns(pl.col("assigned_at").dt.replace_time_zone(None)),
            "found assigned_at as Datetime",
        ),
    ],
    ids=["missing", "surplus", "narrow", "without zone"],
)
def test_a_frame_with_other_columns_is_refused(warehouse_url: str, frame: pl.DataFrame, problem: str):
    with pytest.raises(FrameMismatch, match=problem):
        Warehouse(warehouse_url).replace(Assignments, [frame], [part(1, 1, "a")])


def test_an_error_in_the_middle_of_the_frames_leaves_the_old_rows(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(Assignments, [assigned(("a", "old", 1))], [part(1, 2, "a")])

    def frames() -> Iterator[pl.DataFrame]:
        yield assigned(("a", "new", 1))
        raise ZeroDivisionError("in the second frame")

    with pytest.raises(ZeroDivisionError, match="in the second frame"):
        warehouse.replace(Assignments, frames(), [part(1, 2, "a")])
    assert units(warehouse.scan(Assignments)) == [("a", "old", 1)]
    warehouse.replace(Assignments, [assigned(("a", "new", 1))], [part(1, 2, "a")])
    assert units(warehouse.scan(Assignments)) == [("a", "new", 1)]


def test_many_frames_larger_than_memory_is_given_to_them_arrive_whole(
    warehouse_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("resources.warehouse_staged_rows._ROWS_PER_INSERT", 1_000)
    monkeypatch.setattr("resources.warehouse_staged_rows._BYTES_IN_MEMORY", 50_000)
    warehouse = Warehouse(warehouse_url)

    def frames() -> Iterator[pl.DataFrame]:
        for number in range(1, 21):
            yield assigned(*(("a", f"unit {number} {i} " + "ü" * (i % 50), number) for i in range(700)))

    written = warehouse.replace(Assignments, frames(), [part(1, 20, "a")])
    assert written.row_count == 14_000
    assert written.by_partition == {(day(number), "a"): 700 for number in range(1, 21)}
    assert_frame_equal(
        warehouse.scan(Assignments).collect(), pl.concat(list(frames())), check_row_order=False
    )


def test_a_frame_may_read_the_table_that_is_being_written(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(Assignments, [assigned(("a", "ann", 1), ("a", "bob", 1))], [part(1, 1, "a")])
    kept = (warehouse.scan(Assignments).filter(pl.col("unit_id") == unit).collect() for unit in ("ann",))
    warehouse.replace(Assignments, kept, [part(1, 1, "a")])
    assert units(warehouse.scan(Assignments)) == [("a", "ann", 1)]


def test_two_frames_with_the_same_key_in_one_partition_are_refused(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(Assignments, [assigned(("a", "old", 1))], [part(1, 1, "a")])
    twice = [assigned(("a", "ann", 1), ("a", "bob", 1)), assigned(("a", "bob", 1))]
    with pytest.raises(RepeatedKeys, match=r"assignments[\s\S]*bob"):
        warehouse.replace(Assignments, twice, [part(1, 1, "a")])
    assert units(warehouse.scan(Assignments)) == [("a", "old", 1)]


def test_a_unit_that_moves_to_an_earlier_cohort_may_stand_in_both_for_a_while(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    warehouse.replace(Assignments, [assigned(("a", "ann", 5), ("a", "bob", 5))], [part(5, 5, "a")])
    warehouse.replace(Assignments, [assigned(("a", "ann", 2))], [part(2, 2, "a")])
    repeated = warehouse.repeated_keys(Assignments)
    assert repeated.rows() == [("a", "ann", 2, [day(2), day(5)])]
    assert warehouse.repeated_keys(Assignments, ["b"]).is_empty()
    warehouse.replace(Assignments, [assigned(("a", "bob", 5))], [part(5, 5, "a")])
    assert warehouse.repeated_keys(Assignments).is_empty()


def test_a_scan_reads_the_days_and_experiments_asked_for(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    rows = assigned(
        *((experiment, "ann", number) for experiment in ("a", "b", "it's") for number in (1, 2, 3))
    )
    warehouse.replace(Assignments, [rows], [PartitionSlice()])
    assert units(warehouse.scan(Assignments, days=(day(2), day(9)), experiments=["a", "it's"])) == [
        ("a", "ann", 2),
        ("a", "ann", 3),
        ("it's", "ann", 2),
        ("it's", "ann", 3),
    ]
    assert units(warehouse.scan(Assignments, experiments=[])) == []
    assert units(warehouse.scan(Assignments, slices=[part(1, 1, "a"), part(3, 3, "b")])) == [
        ("a", "ann", 1),
        ("b", "ann", 3),
    ]
    assert warehouse.scan(Assignments, columns=["unit_id", "assignment_date"]).collect().columns == [
        "unit_id",
        "assignment_date",
    ]


def test_a_scan_reads_what_is_published_when_it_is_collected(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    rows = warehouse.scan(Assignments)
    assert rows.select(pl.len()).collect().item() == 0
    warehouse.replace(Assignments, [assigned(("a", "ann", 1), ("a", "bob", 1))], [part(1, 1, "a")])
    assert rows.select(pl.len()).collect().item() == 2
    assert rows.head(1).collect().height == 1
    assert rows.join(rows, on="unit_id").collect(engine="streaming").height == 2


def test_a_table_that_was_never_built_is_empty_with_the_contract_s_columns(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    assert_frame_equal(warehouse.scan(DedupedExposures).collect(), empty_frame(DedupedExposures))
    assert warehouse.count(DedupedExposures).item() == 0
    assert warehouse.repeated_keys(Assignments).is_empty()
    warehouse.replace(Experiments, [])
    assert_frame_equal(warehouse.scan(DedupedExposures).collect(), empty_frame(DedupedExposures))


def test_rows_are_counted_by_the_columns_asked_for(warehouse_url: str):
    warehouse = Warehouse(warehouse_url)
    rows = assigned(("a", "ann", 1), ("a", "bob", 1), ("a", "eve", 2), ("b", "ann", 1))
    warehouse.replace(Assignments, [rows], [PartitionSlice()])
    assert warehouse.count(Assignments).item() == 4
    assert warehouse.count(Assignments, days=(day(1), day(1)), by=["experiment_id"]).rows() == [
        ("a", 2),
        ("b", 1),
    ]
    assert warehouse.count(
        Assignments, experiments=["a"], by=["experiment_id", "assignment_date"]
    ).rows() == [
        ("a", day(1), 2),
        ("a", day(2), 1),
    ]
