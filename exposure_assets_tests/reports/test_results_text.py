"""What a reader of results sees: numbers with units, warnings first, and nothing that an id could do to a terminal."""

from typing import Any

import polars as pl

from exposure_assets.contracts import ExperimentResults
from exposure_assets.reports.results_text import results_text
from exposure_assets_tests.transforms.rows import experiment, january, table

ROW: dict[str, Any] = {
    "experiment_id": "exp",
    "metric_id": "revenue",
    "variation_id": "treatment",
    "analysis_basis": "assigned",
    "as_of_date": january(20),
    "is_provisional": False,
    "control_variation_id": "control",
    "unit_count": 12_345,
    "incomplete_unit_count": 0,
    "missing_unit_count": 0,
    "conflicting_unit_count": 0,
    "control_unit_count": 12_400,
    "control_mean": 10.0,
    "mean": 10.5,
    "absolute_lift": 0.5,
    "absolute_lift_lower": 0.1,
    "absolute_lift_upper": 0.9,
    "relative_lift": 0.05,
    "relative_lift_lower": 0.01,
    "relative_lift_upper": 0.0912,
    "p_value": 0.004,
    "adjusted_p_value": 0.012,
    "method": "welch",
    "alpha": 0.05,
    "is_valid_for_analysis": True,
    "refused_by": [],
    "is_forced": False,
}


def shown(*changes: dict[str, Any]) -> str:
    rows = table(ExperimentResults, [ROW | change for change in changes or ({},)])
    return results_text(rows, experiment())


def line_of(text: str, start: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(start)]
    return line.split()


def test_a_lift_has_its_interval_its_p_values_and_what_is_told_by_them():
    cells = line_of(shown(), "revenue")
    numbers = ["12,345", "12,400", "10", "10.5", "+5.00", "%", "+1.00", "%", "+9.12", "%", "0.0040", "0.0120"]
    assert cells == ["revenue", "treatment", *numbers, "higher"]


def test_a_difference_that_may_be_chance_is_not_called_one():
    assert shown({"adjusted_p_value": 0.05}).count("no difference shown") == 1


def test_what_has_no_relative_lift_has_an_absolute_one():
    change = {"relative_lift": None, "relative_lift_lower": None, "relative_lift_upper": None}
    assert line_of(shown(change), "revenue")[6:9] == ["+0.5", "+0.1", "+0.9"]


def test_what_cannot_be_compared_is_a_dash():
    names = [name for name, value in ROW.items() if isinstance(value, float) and name != "alpha"]
    assert line_of(shown(dict.fromkeys(names)), "revenue")[-3:] == ["nothing", "to", "compare"]


def test_forced_results_say_first_that_they_are_not_fit_for_a_decision():
    change = {"is_valid_for_analysis": False, "is_forced": True, "refused_by": ["srm_assigned", "crossovers"]}
    lines = shown(change).splitlines()
    assert lines[2].startswith("NOT FIT FOR A DECISION: failed guardrails: crossovers, srm_assigned")


def test_provisional_results_say_how_many_units_are_not_through():
    assert "PROVISIONAL: 7 units" in shown({"is_provisional": True, "incomplete_unit_count": 7})


def test_units_that_do_not_count_are_named():
    text = shown({"incomplete_unit_count": 30, "conflicting_unit_count": 4, "missing_unit_count": 5})
    assert "treatment: 30 units more whose outcome window is not over" in text
    assert "treatment: 4 units were assigned to another variation too" in text
    assert "revenue, treatment: 5 units without an event have no value" in text


def test_only_assigned_is_called_randomised():
    assert "as they were randomised" in shown()
    assert "not randomised" in shown({"analysis_basis": "valid_exposed"})


def test_no_id_moves_a_cursor_or_is_read_as_markup():
    text = shown({"variation_id": "a\x1b[2Jb\n[red]c"})
    assert "\x1b" not in text
    assert "[red]c" in text


def test_the_frame_is_that_of_the_contract():
    ExperimentResults.validate(pl.DataFrame(table(ExperimentResults, [ROW])))
