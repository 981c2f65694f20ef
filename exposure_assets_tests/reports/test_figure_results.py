"""The results on a page: what is said and drawn of them; refused ones are not shown, and forced ones are told first."""

from typing import Any
from xml.etree import ElementTree

import pytest

from exposure_assets.reports.figure import Figure
from exposure_assets.reports.figure_results import in_a_sentence, result_figure, result_table, results
from exposure_assets.reports.page import experiment_page
from exposure_assets_tests.reports.pages import Page, data_of, described, page_tables, refused, result
from exposure_assets_tests.transforms.rows import january


def data(*rows: dict[str, Any], **said: Any) -> Any:
    tables = page_tables()
    tables["experiment_results"] = list(rows)
    if rows and not rows[0]["is_valid_for_analysis"]:
        for row in tables["experiment_quality_report"]:
            row.update(is_valid_for_analysis=False, failed_guardrails=["srm_assigned"])
    return data_of(tables, **said)


def figure_of(*rows: dict[str, Any]) -> Figure:
    known = data(*rows)
    drawn = result_figure(known, results(known))
    assert drawn is not None
    return drawn


def sentence(*rows: dict[str, Any]) -> str:
    return in_a_sentence(results(data(*rows)))


def test_differences_that_chance_does_not_explain_are_said_with_their_interval():
    assert sentence(result("orders", 0.042, 0.03), result("revenue_usd", -0.08, 0.05)) == (
        "Against control, treatment raises orders by 4.2\u202f% (+1.2\u202f% to +7.2\u202f%) and treatment lowers "
        "revenue_usd by 8.0\u202f% (\u221213.0\u202f% to \u22123.0\u202f%)."
    )


def test_what_shows_no_difference_is_counted():
    assert sentence(result("orders", 0.042, 0.03), result("revenue_usd", 0.01, 0.05)).endswith(
        "The other comparison shows no certain difference."
    )
    assert sentence(result("orders", 0.0, 0.03), result("revenue_usd", 0.01, 0.05)) == (
        "None of the 2 comparisons shows a difference that chance does not explain."
    )
    assert sentence(result("orders", 0.0, 0.03)) == (
        "The comparison shows no difference that chance does not explain."
    )


def test_a_difference_that_only_holds_when_it_is_looked_at_alone_is_no_certain_one():
    alone = result("orders", 0.042, 0.03, adjusted_p_value=0.06)
    assert sentence(alone) == "The comparison shows no difference that chance does not explain."
    assert 'class="whisker level"' in figure_of(alone).wide


def test_only_all_assigned_units_are_spoken_of_and_drawn_and_the_others_are_tabled():
    rows = [result("orders", 0.042, 0.03), result("orders", 0.5, 0.1, analysis_basis="valid_exposed")]
    assert "50.0" not in sentence(*rows)
    assert len(figure_of(*rows).table.rows) == 1
    shown = Page(experiment_page(data(*rows)))
    assert "Compared over validly exposed units" in shown.text
    assert "which a treatment may itself change" in shown.text


def test_a_control_of_zero_has_no_relative_difference_and_is_told_in_absolute_ones():
    nothing = dict.fromkeys(("relative_lift", "relative_lift_lower", "relative_lift_upper"))
    row = result("orders", 0.042, 0.03, **nothing)
    assert sentence(row) == "Against control, treatment raises orders by 0.4200."
    known = data(row)
    assert result_figure(known, results(known)) is None
    assert "Compared over all assigned units" in Page(experiment_page(known)).text


def test_metrics_stand_in_the_order_of_the_catalog_and_treatments_too():
    rows = [result(metric, 0.01, 0.05) for metric in ("revenue_usd", "a_ratio", "orders")]
    assert [row[0] for row in result_table(results(data(*rows)), "assigned").rows] == [
        "orders",
        "revenue_usd",
        "a_ratio",
    ]


def test_an_interval_that_is_far_wider_than_the_others_is_cut_and_has_arrows():
    figure = figure_of(*(result(f"m{n}", 0.0, 0.02) for n in range(3)), result("wide", 0.0, 9.0))
    tips = [
        one
        for one in ElementTree.fromstring(figure.wide).iter("path")
        if (one.get("class") or "") == "whisker level" and (one.get("d") or "").count("L") == 2
    ]
    assert len(tips) == 2
    assert "+900.0\u202f%" in figure.wide


def test_only_the_latest_results_that_were_known_on_the_day_are_shown():
    rows = [result("orders", 0.01 * day, 0.03, as_of_date=january(day)) for day in (12, 13, 14)]
    assert results(data(*rows, day=january(13))).rows[0]["as_of_date"] == january(13)
    assert len(results(data(*rows)).rows) == 1


def test_refused_results_are_not_on_the_page():
    shown = Page(experiment_page(data(refused(result("orders", 0.042, 0.03)))))
    assert "Withheld: the data are not fit for a decision" in shown.text
    assert "orders" not in shown.text
    assert "4.2" not in shown.text


def test_forced_results_are_on_the_page_and_it_says_so_before_anything_else():
    shown = Page(experiment_page(data(refused(result("orders", 0.042, 0.03), is_forced=True))))
    assert "Results are shown by force." in shown.text
    assert shown.text.index("shown by force") < shown.text.index("raises orders by 4.2")
    assert shown.text.count("raises orders by 4.2") == 3, "in the figure alone: twice for who can't see it"


@pytest.mark.parametrize("metrics", [(), ("orders",)])
def test_without_results_the_page_says_why(metrics: tuple[str, ...]):
    about = described()
    about = about.model_copy(update={"outcomes": about.outcomes.model_copy(update={"metrics": metrics})})
    text = Page(experiment_page(data(about=about))).text
    assert ("The experiment lists no metric" in text) == (not metrics)
    assert ("experiment_results has no rows" in text) == bool(metrics)
