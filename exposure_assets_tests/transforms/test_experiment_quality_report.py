"""The quality report: every planted fault fails its guardrail and no other one, and right data fail none."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from exposure_assets.contracts import (
    ALL_VARIATIONS,
    GUARDRAILS,
    CohortDiagnostics,
    DailyQuality,
    ExperimentQualityReport,
    ExposureDelays,
    ExposureWaterfall,
    SampleRatios,
    StageCounts,
)
from exposure_assets.transforms.as_of_days import days_of_experiments, sums_until
from exposure_assets.transforms.experiment_quality_report import Counted, experiment_quality_report
from exposure_assets.transforms.guardrails import REMEDIES
from exposure_assets.transforms.sample_ratios import sample_ratios
from exposure_assets.transforms.variation_differences import delay_differences
from exposure_assets_tests.transforms.rows import experiment, january, obeying, table

DAY = january(10)
VARIATIONS = ("control", "treatment")
LATE = january(20)


def cohort(day: date = DAY, units: int = 1000, **changes: Any) -> dict[str, Any]:
    """What there is to know of a cohort of two equal halves; lists give control's and treatment's share of 1,000."""
    return {"day": day, "units": units, **changes}


def report(*cohorts: dict[str, Any], data_until: date = LATE, **rules: Any) -> dict[date, dict[str, Any]]:
    """The report of an experiment of these cohorts, by day."""
    known = {"exp": experiment().model_copy(update=_guardrails(rules))}
    stages, quality, diagnostics, delays, rows = [], [], [], [], []
    for one in cohorts:
        day, units = one["day"], one["units"]
        lost = {name: one.get(name, [0, 0]) for name in ("no_exposure", "crossover", "mismatch")}
        lost |= {name: one.get(name, [0, 0]) for name in ("pre_assignment", "conflicting", "outside_window")}
        split = one.get("split", [units, units])
        exposed = one.get("exposed", [n - lost["no_exposure"][v] for v, n in enumerate(split)])
        of_day = {"experiment_id": "exp", "assignment_date": day}
        for number, variation in enumerate(VARIATIONS):
            counts = {
                "assigned": (day, split[number]),
                "exposed": (day, exposed[number]),
                "valid_exposed": (day, one.get("valid", exposed)[number]),
                "completed": (day + timedelta(days=7), one.get("valid", exposed)[number]),
            }
            stages += [
                {
                    **of_day,
                    "variation_id": variation,
                    "is_conflicting": False,
                    "stage": stage,
                    "reached_date": reached,
                    "unit_count": count,
                }
                for stage, (reached, count) in counts.items()
                if count
            ]
            own = {f"{name}_units": values[number] for name, values in lost.items()}
            quality.append({**of_day, "variation_id": variation, "assigned_units": split[number], **own})
            for start, share in zip(
                (1, 60, 3600), one.get("delays", ([5, 3, 2], [5, 3, 2]))[number], strict=True
            ):
                delays.append(
                    {
                        **of_day,
                        "variation_id": variation,
                        "exposed_date": day,
                        "from_seconds": start,
                        "unit_count": exposed[number] * share // 10,
                    }
                )
        totals = {f"{name}_units": sum(values) for name, values in lost.items()}
        quality.append(
            {
                **of_day,
                "variation_id": ALL_VARIATIONS,
                "assigned_units": sum(split),
                "unassigned_exposed_units": one.get("unassigned", 0),
                **totals,
            }
        )
        diagnostics.append(
            {
                **of_day,
                "assigned_units": sum(split),
                "assignment_count": sum(split) + one.get("repeated", 0),
                "early_outcome_units": one.get("early", 0),
                "exposed_on_day_units": sum(exposed) + one.get("unassigned", 0),
            }
        )
        for bucket, count in (("accepted", sum(exposed)), ("duplicate", one.get("duplicates", 0))):
            rows.append({"experiment_id": "exp", "exposure_date": day, "bucket": bucket, "row_count": count})
    stage_counts = table(StageCounts, stages).lazy()
    counted = Counted(
        stage_counts=stage_counts,
        sample_ratios=obeying(SampleRatios, sample_ratios(stage_counts, known, data_until)).lazy(),
        daily_quality=table(DailyQuality, quality).lazy(),
        cohort_diagnostics=table(CohortDiagnostics, diagnostics).lazy(),
        exposure_delays=table(ExposureDelays, delays).lazy().filter(pl.col("unit_count") > 0),
        exposure_waterfall=table(ExposureWaterfall, rows).lazy(),
    )
    found = obeying(ExperimentQualityReport, experiment_quality_report(counted, known, data_until))
    return {row["as_of_date"]: row for row in found.rows(named=True)}


def _guardrails(rules: dict[str, Any]) -> dict[str, Any]:
    return {"guardrails": experiment().guardrails.model_copy(update=rules)}


def failing(*cohorts: dict[str, Any], **rules: Any) -> set[str]:
    """What fails as of the last day, whether it only warns or not, but for cohorts that aren't over."""
    row = report(*cohorts, **rules)[LATE]
    return {*row["failed_guardrails"], *row["warnings"]} - {"final_cohorts"}


def test_right_data_are_fit_for_analysis_and_only_not_final():
    row = report(cohort())[LATE]
    assert (row["is_valid_for_analysis"], row["failed_guardrails"], row["warnings"]) == (
        True,
        [],
        ["final_cohorts"],
    )


@pytest.mark.parametrize(
    ("fault", "guardrails"),
    [
        ({"units": 99}, {"minimum_units"}),
        ({"split": [1000, 1400]}, {"srm_assigned", "srm_exposed", "srm_valid_exposed", "srm_completed"}),
        ({"valid": [1000, 800]}, {"srm_valid_exposed", "srm_completed"}),
        ({"conflicting": [20, 20]}, {"conflicting_assignments"}),
        ({"mismatch": [40, 40]}, {"mismatches"}),
        ({"crossover": [80, 80]}, {"crossovers"}),
        ({"pre_assignment": [80, 80]}, {"pre_assignment_exposures"}),
        ({"crossover": [0, 40]}, {"differential_loss"}),
        ({"outside_window": [0, 40]}, {"differential_loss"}),
        ({"delays": ([8, 1, 1], [2, 4, 4])}, {"delay_differences"}),
        ({"unassigned": 200}, {"unassigned_exposures"}),
        ({"early": 160}, {"early_outcomes"}),
        ({"repeated": 200}, {"assignment_duplicates"}),
        ({"duplicates": 400}, {"duplicate_rows"}),
    ],
)
def test_a_fault_fails_its_guardrail_and_no_other(fault: dict[str, Any], guardrails: set[str]):
    assert failing(cohort(**fault)) == guardrails


def test_a_variation_of_which_nobody_is_exposed_is_named():
    row = report(cohort(exposed=[1000, 0], no_exposure=[0, 1000]))[LATE]
    assert row["unexposed_variation_ids"] == ["treatment"]
    assert {"unexposed_variation", "differential_loss", "minimum_units"} <= set(row["failed_guardrails"])
    assert (row["smallest_variation_id"], row["smallest_variation_units"]) == ("treatment", 0)


def test_a_rate_of_3_of_5_is_no_verdict_and_one_just_above_its_limit_neither():
    assert failing(cohort(units=5, mismatch=[3, 3], crossover=[0, 3]), minimum_units=0) <= {"mismatches"}
    assert failing(cohort(units=5, crossover=[2, 1]), minimum_units=0) == set()
    assert failing(cohort(crossover=[52, 52])) == set()


def test_a_guardrail_that_only_warns_leaves_the_experiment_valid_and_one_that_is_off_says_nothing():
    bad = cohort(crossover=[80, 80])
    assert report(bad)[LATE]["failed_guardrails"] == ["crossovers"]
    warned = report(bad, only_warn=("crossovers",), final_cohort_share=0.0)[LATE]
    assert (warned["is_valid_for_analysis"], warned["warnings"]) == (True, ["crossovers"])
    assert failing(bad, off=("crossovers",)) == set()


def test_a_fault_counts_from_its_cohort_on_and_fades_as_others_come():
    days = report(
        cohort(january(8)),
        cohort(january(9), crossover=[250, 250]),
        *(cohort(january(day)) for day in range(10, 14)),
    )
    failed = {day.day: row["failed_guardrails"] for day, row in days.items()}
    assert {day for day, names in failed.items() if names == ["crossovers"]} == {9, 10, 11}
    assert failed[5] == ["minimum_units"]
    assert days[january(7)]["crossover_rate"] is None


def test_the_chi_square_speaks_once_nobody_can_come_to_the_stage_any_more():
    # Too little while others can come, improbable enough for a single look: enrollment is over on the 24th.
    off = cohort(split=[10_000, 9_500])
    days = report(off, data_until=january(26))
    assert days[january(23)]["failed_guardrails"] == []
    assert days[january(24)]["srm_assigned_p_value"] > 0.001
    assert days[january(24)]["failed_guardrails"] == ["srm_assigned"]


def test_the_split_of_a_published_experiment_fails_while_units_still_come():
    row = report(cohort(split=[3332, 2996]))[LATE]
    assert 0.001 < row["srm_assigned_p_value"] < 0.01
    assert "srm_assigned" in row["failed_guardrails"]


def test_units_are_final_once_their_longest_outcome_window_is_over():
    days = report(cohort(january(5)), cohort(january(6), units=3000), data_until=january(28))
    shares = {day.day: row["final_cohort_share"] for day, row in days.items()}
    assert (shares[25], shares[26], shares[27]) == (0.0, 0.25, 1.0)
    assert "final_cohorts" not in days[january(27)]["warnings"]


def test_an_experiment_without_any_rows_has_its_days_and_is_not_valid():
    days = report(data_until=january(6))
    assert [day.day for day in days] == [5, 6]
    assert all(row["failed_guardrails"] == ["minimum_units"] for row in days.values())


def test_where_there_are_no_data_or_no_experiments_there_are_no_rows():
    assert days_of_experiments({}, DAY).is_empty()
    assert days_of_experiments({"exp": experiment()}, None).is_empty()
    assert report(data_until=january(4)) == {}


def test_every_guardrail_has_a_remedy():
    assert set(REMEDIES) == set(GUARDRAILS)


def test_sums_until_a_day_keep_what_came_before_the_first_day_and_fill_gaps():
    days = pl.DataFrame({"experiment_id": ["e"] * 3, "as_of_date": [january(n) for n in (5, 6, 7)]})
    counts = pl.LazyFrame({"experiment_id": ["e", "e"], "on": [january(1), january(7)], "n": [2, 3]})
    assert sums_until(days, counts, "on", ["n"])["n"].to_list() == [2, 2, 5]


@given(st.lists(st.lists(st.integers(5, 60), min_size=2, max_size=4), min_size=2, max_size=5))
def test_delays_are_compared_as_scipy_compares_a_table(cells: list[list[int]]):
    width = min(map(len, cells))
    rows = [row[:width] for row in cells]
    # Every range expects enough: a large one more would be pooled with nothing.
    padded = [[count + 300 for count in row] for row in rows]
    found = delay_differences(
        pl.DataFrame(
            [
                ("e", DAY, str(variation), start, count)
                for start, row in enumerate(padded)
                for variation, count in enumerate(row)
            ],
            schema=["experiment_id", "as_of_date", "variation_id", "from_seconds", "unit_count"],
            orient="row",
        )
    )
    expected: Any = chi2_contingency(padded, correction=False)
    assert found["delay_p_value"].item() == pytest.approx(expected.pvalue, rel=1e-9)
