"""Each rule of each table contract passes on a good row and fails on a row that breaks it and nothing else."""

from typing import Any

import pandera.errors
import polars as pl
import pytest

from exposure_assets.contracts import (
    STAGED_TABLES,
    WAREHOUSE_TABLES,
    Metric,
    TableContract,
    columns_of,
    empty_frame,
    metric_columns,
    table_name,
)
from exposure_assets_tests.contracts.good_rows import (
    AFTER,
    BEFORE,
    DAY,
    GOOD,
    NOON,
    NOTHING_COUNTED,
    QUALITY_COUNTS,
)

TABLES = {**WAREHOUSE_TABLES, **STAGED_TABLES}
UNEXPOSED = {
    name: None
    for name in GOOD["exposure_validation"]
    if name.startswith("first_exposure") or name == "exposure_delay_seconds"
} | {
    "exposure_count": 0,
    "exposure_variation_count": 0,
    "has_any_exposure": False,
    "has_post_assignment_exposure": False,
    "has_valid_exposure": False,
    "validation_status": "no_exposure",
}
RATIO_TESTED = {"statistic": 0.0, "degrees_of_freedom": 1, "p_value": 1.0, "effect_size": 0.0}
SEQUENTIAL = {"is_cumulative": True, "sequential_p_value": 1.0, "is_sequential_mismatch": False}
TESTED = {"chi_square": 0.0, "degrees_of_freedom": 1, "p_value": 1.0}
LIFT = {"absolute_lift": 0.5, "absolute_lift_lower": 0.0, "absolute_lift_upper": 1.0}
REFUSED = {"is_valid_for_analysis": False, "refused_by": ["crossovers"]}
RESULT_COUNTS = [name for name in GOOD["experiment_results"] if name.endswith("unit_count")]
# Table, what a bad row says instead, and the rule that has to name it.
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("experiment_reports", {"page_bytes": 0}, "greater_than_or_equal_to(1)"),
    ("experiment_reports", {"is_valid_for_analysis": False}, "valid exactly when no guardrail fails"),
    ("experiment_reports", {"failed_guardrails": ["mismatches"]}, "valid exactly when no guardrail fails"),
    ("experiments", {"grace_minutes": -1}, "greater_than_or_equal_to(0)"),
    ("experiments", {"observe_days": -1}, "greater_than_or_equal_to(0)"),
    ("experiments", {"max_days_after_assignment": -1}, "greater_than_or_equal_to(0)"),
    ("experiments", {"outcome_window_days": -1}, "greater_than_or_equal_to(0)"),
    ("experiments", {"crossover_policy": "ignore"}, "isin"),
    ("experiments", {"anchor": "exposure"}, "isin"),
    ("variations", {"allocation": 1.5}, "less_than_or_equal_to(1.0)"),
    ("variations", {"allocation": -0.5}, "greater_than_or_equal_to(0.0)"),
    ("landing_files", {"stream": "Events"}, "isin"),
    ("landing_files", {"status": "new"}, "isin"),
    ("landing_files", {"size_bytes": -1}, "greater_than_or_equal_to(0)"),
    ("landing_files", {"row_count": -1}, "greater_than_or_equal_to(0)"),
    ("exposure_waterfall", {"bucket": "lost"}, "isin"),
    ("exposure_waterfall", {"row_count": 0}, "greater_than_or_equal_to(1)"),
    ("rejected_events", {"stream": "others"}, "isin"),
    ("assignments", {"assignment_date": DAY.replace(day=9)}, "assignment_date is the UTC day"),
    ("assignments", {"assignment_count": 0, "variation_count": 1}, "greater_than_or_equal_to(1)"),
    ("assignments", {"variation_count": 0}, "greater_than_or_equal_to(1)"),
    ("assignments", {"is_conflicting": True}, "is_conflicting says"),
    ("assignments", {"variation_count": 2, "is_conflicting": True}, "no more variations than assignments"),
    ("deduped_exposures", {"exposure_date": DAY.replace(day=9)}, "inside exposure_date"),
    ("deduped_exposures", {"first_exposed_at": AFTER.replace(hour=14)}, "in order inside"),
    ("deduped_exposures", {"last_exposed_at": AFTER.replace(day=11)}, "inside exposure_date"),
    (
        "deduped_exposures",
        {
            "later_exposed_at": [BEFORE, AFTER],
            "later_event_ids": ["a", "b"],
            "later_exposure_counts": [1, 1],
            "exposure_count": 3,
        },
        "later",
    ),
    ("deduped_exposures", {"later_exposed_at": [NOON.replace(minute=1)]}, "later exposures end at"),
    ("deduped_exposures", {"later_event_ids": ["f", "g"]}, "later exposures"),
    ("deduped_exposures", {"exposure_count": 1}, "fewer than the events"),
    ("deduped_exposures", {"later_exposure_counts": [2]}, "fewer than the events"),
    ("deduped_exposures", {"later_exposure_counts": [0]}, "fewer than the events"),
    ("deduped_exposures", {"later_exposure_counts": [1, 1], "exposure_count": 4}, "fewer than the events"),
    (
        "deduped_exposures",
        {"later_exposed_at": None, "later_event_ids": None, "later_exposure_counts": None},
        "later exposures",
    ),
    ("credit_ledger", {"display_count": 3}, "credited or unattributable"),
    ("credit_ledger", {"credited_by_slug_count": 0}, "the rules sum to the credited"),
    ("credit_ledger", {"malformed_count": 1}, "the reasons to the others"),
    ("credit_ledger", {"unattributable_share": 0.4}, "the share is"),
    ("credit_ledger", {"unattributable_share": None}, "the share is"),
    ("credit_ledger", {"unattributable_share": 1.5}, "less_than_or_equal_to(1.0)"),
    *(
        ("credit_ledger", {name: -1}, "greater_than_or_equal_to(0)")
        for name in ("display_count", "credited_count", "unattributable_count", "duplicate_count")
    ),
    ("exposure_windows", {"window_end_at": BEFORE}, "does not end before it starts"),
    ("exposure_windows", {"window_end_at": NOON}, "nothing counts in an empty window"),
    ("exposure_windows", {"exposure_count": 0}, "a unit is exposed where it has exposures"),
    ("exposure_windows", {"is_exposed_to_date": False}, "a unit is exposed where it has exposures"),
    ("exposure_windows", {"exposure_count": -1}, "greater_than_or_equal_to(0)"),
    ("exposure_windows", {"analysis_window_index": -1}, "greater_than_or_equal_to(0)"),
    ("unit_segments", {"window_end_at": BEFORE.replace(hour=1)}, "does not end before it starts"),
    ("unit_segments", {"event_count": 0}, "no unit without events"),
    ("unit_segments", {"event_count": -1}, "greater_than_or_equal_to(0)"),
    ("deduped_exposures", {"exposure_count": 0}, "greater_than_or_equal_to(1)"),
    ("exposure_validation", {"exposure_delay_seconds": 1}, "the delay is"),
    ("exposure_validation", {"exposure_delay_seconds": None}, "the delay is"),
    ("exposure_validation", {"first_exposure_any_at": AFTER}, "no first exposure precedes"),
    ("exposure_validation", {"first_exposure_any_at": NOON.replace(day=2)}, "on the observed days"),
    ("exposure_validation", {"observed_until_date": DAY.replace(day=9)}, "on the observed days"),
    ("exposure_validation", {"has_any_exposure": False}, "flags say"),
    ("exposure_validation", {"has_post_assignment_exposure": False}, "flags say"),
    ("exposure_validation", {"has_crossover": True}, "flags say"),
    ("exposure_validation", {"exposure_variation_count": 2}, "flags say"),
    ("exposure_validation", {"exposure_count": 0}, "flags say"),
    ("exposure_validation", {**UNEXPOSED, "exposure_count": 1}, "flags say"),
    ("exposure_validation", {"has_valid_exposure": False}, "the status is"),
    ("exposure_validation", {"validation_status": "crossover"}, "the status is"),
    ("exposure_validation", {**UNEXPOSED, "validation_status": "unknown"}, "isin"),
    ("exposure_validation", {"exposure_count": -1}, "greater_than_or_equal_to(0)"),
    ("unit_outcomes", {"anchor": "exposure"}, "isin"),
    ("unit_outcomes", {"window_end_at": BEFORE}, "does not end before it starts"),
    *(("daily_quality", {name: 2}, "no count of units exceeds") for name in NOTHING_COUNTED),
    *(("daily_quality", {name: -1}, "greater_than_or_equal_to(0)") for name in NOTHING_COUNTED),
    ("daily_quality", {"exposure_rate": 1.1}, "less_than_or_equal_to(1.0)"),
    ("daily_quality", {"mismatch_rate": -0.1}, "greater_than_or_equal_to(0.0)"),
    ("daily_quality", {"unassigned_exposed_units": None}, "stands in the '*' row"),
    ("daily_quality", {"variation_id": "control"}, "stands in the '*' row"),
    ("daily_quality", {"unassigned_exposed_units": -1}, "greater_than_or_equal_to(0)"),
    ("daily_quality", {"exposure_health": "fine"}, "isin"),
    ("experiment_overlap", {"other_experiment_id": "a"}, "smaller than other_experiment_id"),
    ("experiment_overlap", {"other_experiment_id": "exp"}, "smaller than other_experiment_id"),
    ("experiment_overlap", {"unit_count": 1}, "sum to overlap_units"),
    ("experiment_overlap", {"expected_unit_count": 1.9}, "sum to overlap_units"),
    ("experiment_overlap", {"unit_count": -1}, "greater_than_or_equal_to(0)"),
    (
        "experiment_overlap",
        {"unit_count": 0, "expected_unit_count": 0.0, "overlap_units": 0},
        "greater_than_or_equal_to(1)",
    ),
    ("experiment_overlap", {"chi_square": 1.0, "degrees_of_freedom": 1}, "a pair has its test"),
    ("experiment_overlap", {"p_value": 0.5}, "a pair has its test"),
    ("experiment_overlap", {**TESTED, "p_value": 1.5}, "less_than_or_equal_to(1.0)"),
    ("experiment_overlap", {**TESTED, "chi_square": -1.0}, "greater_than_or_equal_to(0.0)"),
    ("experiment_overlap", {**TESTED, "degrees_of_freedom": 0}, "greater_than_or_equal_to(1)"),
    ("stage_counts", {"stage": "seen"}, "isin"),
    ("stage_counts", {"unit_count": 0}, "greater_than_or_equal_to(1)"),
    ("stage_counts", {"reached_date": DAY.replace(day=9)}, "no stage is reached before"),
    ("stage_counts", {"reached_date": DAY.replace(day=11)}, "'assigned' is reached on it"),
    ("stage_counts", {"stage": "exposed"}, "no stage has more units"),
    ("sample_ratios", {"stage": "seen"}, "isin"),
    *(
        ("sample_ratios", {name: -1}, "greater_than_or_equal_to(0)")
        for name in ("worst_unit_count", "unexpected_unit_count", "unseen_variation_count")
    ),
    ("sample_ratios", {"unit_count": 0}, "greater_than_or_equal_to(1)"),
    ("sample_ratios", {"variation_count": 0}, "greater_than_or_equal_to(1)"),
    ("sample_ratios", {"largest_deviation": 1.5}, "less_than_or_equal_to(1.0)"),
    ("sample_ratios", {"largest_deviation": -0.5}, "greater_than_or_equal_to(0.0)"),
    ("sample_ratios", {"worst_expected_unit_count": -0.5}, "greater_than_or_equal_to(0.0)"),
    ("sample_ratios", {"p_value": 0.5}, "a row has its test"),
    ("sample_ratios", {**RATIO_TESTED, "effect_size": None}, "a row has its test"),
    ("sample_ratios", {**RATIO_TESTED, "effect_size": -1.0}, "greater_than_or_equal_to(0.0)"),
    ("sample_ratios", {**RATIO_TESTED, "p_value": 1.5}, "less_than_or_equal_to(1.0)"),
    ("sample_ratios", {**RATIO_TESTED, "statistic": -1.0}, "greater_than_or_equal_to(0.0)"),
    ("sample_ratios", {**RATIO_TESTED, "degrees_of_freedom": 0}, "greater_than_or_equal_to(1)"),
    ("sample_ratios", {"is_cumulative": True}, "the sequential test stands in cumulative rows"),
    ("sample_ratios", {"sequential_p_value": 0.5}, "the sequential test stands in cumulative rows"),
    ("sample_ratios", {**SEQUENTIAL, "sequential_p_value": 1.5}, "less_than_or_equal_to(1.0)"),
    ("sample_ratios", {"unexpected_unit_count": 1}, "unexpected units are"),
    ("sample_ratios", {"unexpected_unit_count": 2, "is_mismatch": True}, "unexpected units are"),
    ("sample_ratios", {**SEQUENTIAL, "unexpected_unit_count": 1, "is_mismatch": True}, "unexpected units"),
    ("sample_ratio_intervals", {"stage": "seen"}, "isin"),
    ("sample_ratio_intervals", {"unit_count": -1}, "greater_than_or_equal_to(0)"),
    ("sample_ratio_intervals", {"observed_share": 1.5}, "less_than_or_equal_to(1.0)"),
    ("sample_ratio_intervals", {"declared_share": 0.0}, "greater_than(0.0)"),
    ("sample_ratio_intervals", {"lower_share": -0.5}, "greater_than_or_equal_to(0.0)"),
    ("sample_ratio_intervals", {"upper_share": 1.5}, "less_than_or_equal_to(1.0)"),
    ("sample_ratio_intervals", {"upper_share": 0.9}, "the observed share is in its interval"),
    ("exposure_delays", {"from_seconds": 61}, "isin"),
    ("exposure_delays", {"unit_count": 0}, "greater_than_or_equal_to(1)"),
    ("exposure_delays", {"exposed_date": DAY.replace(day=9)}, "nobody is first exposed before"),
    ("cohort_diagnostics", {"assignment_count": 0}, "every unit has an assignment"),
    ("cohort_diagnostics", {"early_outcome_units": 2}, "every unit has an assignment"),
    *(
        ("cohort_diagnostics", {name: -1}, "greater_than_or_equal_to(0)")
        for name in ("assigned_units", "assignment_count", "early_outcome_units", "exposed_on_day_units")
    ),
    ("experiment_quality_report", {"is_valid_for_analysis": False}, "an experiment is valid exactly when"),
    ("experiment_quality_report", {"failed_guardrails": ["mismatches"]}, "an experiment is valid exactly"),
    ("experiment_quality_report", {"warnings": ["mismatch"]}, "guardrails are known"),
    ("experiment_quality_report", {"warnings": ["mismatches"] * 2}, "guardrails are known"),
    ("experiment_quality_report", {"exposed_units": 1}, "no stage has more units"),
    ("experiment_quality_report", {"completed_units": 1}, "no stage has more units"),
    *(("experiment_quality_report", {name: -1}, "greater_than_or_equal_to(0)") for name in QUALITY_COUNTS),
    ("experiment_quality_report", {"crossover_rate": 1.5}, "less_than_or_equal_to(1.0)"),
    ("experiment_quality_report", {"srm_exposed_p_value": -0.5}, "greater_than_or_equal_to(0.0)"),
    ("experiment_quality_report", {"delay_effect_size": -0.5}, "greater_than_or_equal_to(0.0)"),
    ("explanations", {"step": "weather"}, "isin"),
    ("explanations", {"verdict": "bad"}, "isin"),
    ("explanations", {"cause": "magic"}, "isin"),
    ("explanations", {"target": "seen"}, "isin"),
    ("explanations", {"likely_cause": "magic"}, "isin"),
    ("explanations", {"step_number": 0}, "greater_than_or_equal_to(1)"),
    ("explanations", {"step_number": 9}, "less_than_or_equal_to(8)"),
    ("explanations", {"explained_units": 3.0}, "no more is explained than is missing"),
    ("explanations", {"explained_units": -1.0}, "greater_than_or_equal_to(0.0)"),
    ("explanations", {"missing_units": -1.0, "explained_units": 0.0}, "greater_than_or_equal_to(0.0)"),
    ("explanations", {"explained_share": 1.5}, "less_than_or_equal_to(1.0)"),
    ("explanations", {"assigned_units": -1}, "greater_than_or_equal_to(0)"),
    ("explanations", {"found_units": -1}, "greater_than_or_equal_to(0)"),
    ("explanations", {"expected_units": -1.0}, "greater_than_or_equal_to(0.0)"),
    ("exposure_events", {"exposure_date": DAY.replace(day=9)}, "exposure_date is the UTC day"),
    ("unit_covariates", {"window_start_at": NOON}, "the window lies before"),
    ("unit_covariates", {"window_end_at": NOON.replace(day=11)}, "the window lies before"),
    ("metric_moments", {"analysis_basis": "seen"}, "isin"),
    ("metric_moments", {"unit_count": -1}, "greater_than_or_equal_to(0)"),
    ("metric_moments", {"missing_unit_count": -1}, "greater_than_or_equal_to(0)"),
    ("metric_moments", {"value_value_comoment": -0.5}, "greater_than_or_equal_to(0.0)"),
    ("metric_moments", {"unit_count": 0}, "no cell is without units"),
    ("metric_moments", {"unit_count": 0, "missing_unit_count": 1}, "those with a value have moments"),
    ("metric_moments", {"denominator_mean": 1.0}, "two parts have a comoment"),
    ("metric_moments", {"value_covariate_comoment": 1.0}, "two parts have a comoment"),
    ("metric_moments", {"completed_date": DAY.replace(day=9)}, "no unit is complete before"),
    ("experiment_results", {"analysis_basis": "seen"}, "isin"),
    ("experiment_results", {"method": "guess"}, "isin"),
    *(("experiment_results", {name: -1}, "greater_than_or_equal_to(0)") for name in RESULT_COUNTS),
    ("experiment_results", {"p_value": 1.5}, "less_than_or_equal_to(1.0)"),
    ("experiment_results", {"p_value": 0.5, "adjusted_p_value": 1.5}, "less_than_or_equal_to(1.0)"),
    ("experiment_results", {"p_value": 0.5, "adjusted_p_value": 0.4}, "adjusting raises no evidence"),
    ("experiment_results", {**LIFT, "absolute_lift": 3.0}, "an estimate lies in its interval"),
    ("experiment_results", {"alpha": 0.0}, "greater_than(0.0)"),
    ("experiment_results", {"alpha": 1.0}, "less_than(1.0)"),
    ("experiment_results", {**LIFT, **REFUSED}, "an invalid experiment has no estimates"),
    ("experiment_results", {"p_value": 0.5, **REFUSED}, "an invalid experiment has no estimates"),
    ("experiment_results", {"refused_by": ["crossovers"]}, "only an invalid experiment"),
    ("experiment_results", {"is_forced": True}, "only an invalid experiment"),
    ("experiment_results", {"variation_id": "control"}, "the treatment is not the control"),
]


def frame(table: str, *changes: dict[str, Any]) -> pl.DataFrame:
    schema = columns_of(TABLES[table])
    rows = [{**dict.fromkeys(schema), **GOOD[table], **change} for change in changes or ({},)]
    return pl.DataFrame(rows, schema=schema, orient="row")


def refusal(table: str, found: pl.DataFrame) -> str:
    with pytest.raises((pandera.errors.SchemaError, pandera.errors.SchemaErrors)) as refused:
        TABLES[table].validate(found)
    # pandera calls an inherited rule by the name of its function.
    return str(refused.value).replace("one_row_per_grain", "one row per grain")


@pytest.mark.parametrize("table", TABLES)
def test_a_good_row_passes(table: str):
    TABLES[table].validate(frame(table))


def test_a_unit_without_exposures_passes():
    TABLES["exposure_validation"].validate(frame("exposure_validation", UNEXPOSED))


@pytest.mark.parametrize("table", TABLES)
def test_a_table_without_rows_passes(table: str):
    found = empty_frame(TABLES[table])
    assert found.is_empty()
    TABLES[table].validate(found)


@pytest.mark.parametrize(("table", "change", "rule"), BAD, ids=lambda value: str(value)[:60])
def test_a_row_that_breaks_a_rule_is_refused_by_that_rule(table: str, change: dict[str, Any], rule: str):
    assert rule in refusal(table, frame(table, change))


@pytest.mark.parametrize("table", [name for name, contract in TABLES.items() if contract.grain()])
def test_two_rows_of_one_grain_are_refused_and_two_of_different_grain_are_not(table: str):
    # Where rows sum up to a total, the two of them do.
    half = {"unit_count": 1, "expected_unit_count": 1.0} if table == "experiment_overlap" else {}
    assert "one row per grain" in refusal(table, frame(table, half, half))
    contract = TABLES[table]
    text = next(name for name in contract.grain() if columns_of(contract)[name] == pl.String)
    other = {"stream": "assignments", "bucket": "accepted"}.get(text, "another")
    change = {text: other} if table != "daily_quality" else {"experiment_id": "another"}
    contract.validate(frame(table, {}, change))


@pytest.mark.parametrize("table", ["assignment_events", "rejected_events"])
def test_tables_without_a_key_may_hold_the_same_row_twice(table: str):
    TABLES[table].validate(frame(table, {}, {}))


@pytest.mark.parametrize("table", TABLES)
def test_a_null_is_refused_wherever_the_contract_does_not_allow_it(table: str):
    columns = TABLES[table].to_schema().columns
    required = [name for name, column in columns.items() if not column.nullable]
    assert required
    for name in required:
        assert name in refusal(table, frame(table, {name: None}))


@pytest.mark.parametrize("table", TABLES)
def test_columns_are_all_there_in_order_with_exact_types_and_no_others(table: str):
    found = frame(table)
    name = found.columns[0]
    refusal(table, found.drop(name))
    refusal(table, found.select(*found.columns[1:], name))
    refusal(table, found.with_columns(further=pl.lit(1)))
    for column, dtype in found.schema.items():
        other = pl.Int32 if dtype != pl.Int32 else pl.Int64
        refusal(table, found.with_columns(pl.lit(None, other).alias(column)))


def test_an_instant_without_a_zone_or_in_nanoseconds_is_refused():
    found = frame("exposure_events")
    refusal("exposure_events", found.with_columns(pl.col("occurred_at").dt.replace_time_zone(None)))
    refusal("exposure_events", found.with_columns(pl.col("occurred_at").dt.cast_time_unit("ns")))
    refusal(
        "exposure_events", found.with_columns(pl.col("occurred_at").dt.convert_time_zone("Europe/Berlin"))
    )


@pytest.mark.parametrize("table", TABLES)
def test_every_table_and_every_column_says_what_it_is(table: str):
    contract: type[TableContract] = TABLES[table]
    assert contract.__doc__
    missing = [name for name, column in contract.to_schema().columns.items() if not column.description]
    assert missing == []
    assert table_name(contract) == table


@pytest.mark.parametrize("table", TABLES)
def test_grain_and_partitions_are_columns_of_the_table(table: str):
    contract = TABLES[table]
    columns = columns_of(contract)
    assert set(contract.grain()) <= set(columns)
    assert set(contract.partition_columns().values()) <= set(columns)
    assert set(contract.partition_columns()) <= {"date", "experiment"}


def test_keys_with_the_same_hash_are_not_taken_for_one():
    with pytest.MonkeyPatch.context() as hashing:
        hashing.setattr(pl.Expr, "hash", lambda expression: expression.rank("dense") * 0)
        TABLES["variations"].validate(frame("variations", {}, {"variation_id": "treatment"}))
        assert "one row per grain" in refusal("variations", frame("variations", {}, {}))


def test_a_metric_adds_a_column_of_the_type_of_its_aggregation():
    metrics = {
        name: Metric(id=name, event="buy", aggregation=aggregation, field=field)  # pyright: ignore[reportArgumentType]
        for name, aggregation, field in (
            ("b", "sum", "value"),
            ("a", "converted", None),
            ("c", "count", None),
        )
    }
    assert metric_columns(metrics) == {"a": pl.Boolean, "b": pl.Float64, "c": pl.Int64}
    assert list(metric_columns(metrics)) == ["a", "b", "c"]
