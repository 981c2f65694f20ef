"""Frames that break their contract are refused, with the rule, the number of rows and the first of them.

That nothing is published then is tested with the I/O manager.
"""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from exposure_assets.contracts import Assignments, Experiments, UnitOutcomes, columns_of, empty_frame
from exposure_assets_tests.resources.warehouse_rows import assigned
from resources.warehouse_contract_breach import ContractBreach, judged

GOOD = assigned(*(("exp", f"unit {number}", 1) for number in range(20)))
OUTCOME = pl.DataFrame(
    [("exp", "ann", "control", date(2026, 1, 1), "assignment", *[datetime(2026, 1, 1, tzinfo=UTC)] * 2)],
    schema=columns_of(UnitOutcomes),
    orient="row",
)


def breach(frame: pl.DataFrame) -> ContractBreach:
    with pytest.raises(ContractBreach) as caught:
        judged(Assignments, frame)
    return caught.value


def test_frames_that_obey_pass_unchanged():
    assert judged(Assignments, GOOD).equals(GOOD)
    assert judged(Assignments, empty_frame(Assignments)).is_empty()
    assert judged(Experiments, empty_frame(Experiments)).is_empty()


def test_a_null_where_none_may_be_is_shown_with_its_row():
    found = breach(
        GOOD.with_columns(
            pl.when(pl.col("unit_id") == "unit 3").then(None).otherwise("unit_id").alias("unit_id")
        )
    )
    (rule,) = found.broken
    assert (rule.rule, rule.row_count) == ("unit_id: not_nullable", 1)
    assert rule.rows["unit_id"].to_list() == [None]


def test_every_broken_rule_is_named_with_its_number_of_rows_and_the_first_ten():
    found = breach(GOOD.with_columns(assignment_count=pl.lit(0, pl.Int64), is_conflicting=pl.lit(True)))
    assert [rule.row_count for rule in found.broken] == [20, 20, 20]
    assert all(rule.rows.height == 10 for rule in found.broken)
    assert found.description is not None
    for said in (
        "assignments",
        "assignment_count",
        "is_conflicting",
        "(20 rows)",
        "unit 9",
        "nothing was published",
    ):
        assert said in found.description
    assert "unit 10" not in found.description
    assert found.metadata["dagster/table_name"].value == "assignments"
    assert "20 rows" in str(found.metadata["broken_rules"].value)
    assert sum(key.startswith("rows: ") for key in found.metadata) == 3


def test_a_key_that_stands_twice_is_shown_with_both_rows():
    twice = pl.concat([GOOD, GOOD.head(1).with_columns(variation_id=pl.lit("treatment"))])
    (rule,) = breach(twice).broken
    assert "grain" in rule.rule
    assert rule.rows["variation_id"].to_list() == ["control", "treatment"]


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (GOOD.drop("unit_id"), "a column is missing: unit_id"),
        (GOOD.with_columns(mood=pl.lit("good")), "a column is not in the contract: mood"),
        (GOOD.select(reversed(GOOD.columns)), "columns are out of order"),
        (
            GOOD.cast({"assignment_count": pl.Int32}),
            "assignment_count: the type is not the contract's, but Int32",
        ),
    ],
    ids=["missing", "surplus", "order", "type"],
)
def test_wrong_columns_are_named_and_hide_what_follows_from_them(frame: pl.DataFrame, said: str):
    found = breach(frame)
    assert found.description is not None
    assert said in found.description
    assert {rule.row_count for rule in found.broken} == {None}


def test_a_long_id_does_not_bury_the_other_columns():
    found = breach(GOOD.with_columns(unit_id=pl.lit("x" * 10_000)))
    assert found.description is not None
    assert "(10000 characters)" in found.description
    assert len(found.description) < 5_000


def test_an_id_with_the_marks_of_a_table_stays_in_its_cell():
    rows = pl.concat([GOOD.head(1)] * 2).with_columns(unit_id=pl.lit("a|b\nc"))
    assert "a\\|b c" in str(breach(rows).description)


def test_metric_columns_follow_the_contract_and_may_be_null():
    for dtype in (pl.Int64, pl.Float64, pl.Boolean):
        judged(UnitOutcomes, OUTCOME.with_columns(metric=pl.lit(None, dtype)))


def test_a_metric_column_of_a_type_that_no_aggregation_has_is_refused():
    with pytest.raises(ContractBreach, match="found metric of type Null"):
        judged(UnitOutcomes, OUTCOME.with_columns(metric=pl.lit(None)))


def test_the_contract_itself_keeps_showing_all_failing_rows_to_others():
    breach(GOOD.with_columns(assignment_count=pl.lit(0, pl.Int64)))
    schema = Assignments.to_schema()
    assert {check.n_failure_cases for check in schema.checks or []} == {None}
