"""The figures of a page: what they say, what is drawn and tabled, and what is left out where there is nothing."""

from typing import Any
from xml.etree import ElementTree

import pytest

from exposure_assets.reports.experiment_data import ExperimentData
from exposure_assets.reports.figure import Figure
from exposure_assets.reports.figure_delays import delay_figure, range_text
from exposure_assets.reports.figure_rates import rates_figure
from exposure_assets.reports.figure_ratios import ratio_figure, stages
from exposure_assets.reports.figure_waterfall import row_figure, unit_figure, variation_table
from exposure_assets_tests.reports.pages import data_of, page_tables, varied
from exposure_assets_tests.transforms.rows import january

FIGURES = (row_figure, unit_figure, rates_figure, ratio_figure, delay_figure)


def of(draw: Any, data: ExperimentData | None = None) -> Figure:
    drawn = draw(data_of() if data is None else data)
    assert drawn is not None
    return drawn


def drawn(figure: Figure, class_: str) -> list[ElementTree.Element]:
    """The elements of the wide picture that look so."""
    tree = ElementTree.fromstring(figure.wide)
    return [one for one in tree.iter() if class_ in (one.get("class") or "").split()]


@pytest.mark.parametrize("draw", FIGURES)
def test_a_figure_says_in_words_and_in_a_table_what_it_draws_in_two_widths(draw: Any):
    figure = of(draw)
    assert figure.says
    assert figure.table.rows
    assert all(len(row) == len(figure.table.columns) for row in figure.table.rows)
    for picture in (figure.wide, figure.narrow):
        tree = ElementTree.fromstring(picture)
        named = (tree.get("aria-labelledby") or "").split()
        found = {one.get("id"): one.text for one in tree.iter() if one.get("id") in named}
        assert list(found.values()) == [figure.title, figure.says]
        _, _, width, height = map(float, (tree.get("viewBox") or "").split())
        for text in tree.iter("text"):
            assert 0 <= float(text.get("x", "")) <= width
            assert 0 <= float(text.get("y", "")) <= height


@pytest.mark.parametrize("draw", FIGURES)
def test_without_rows_there_is_no_figure(draw: Any):
    assert draw(data_of({})) is None


@pytest.mark.parametrize("draw", FIGURES)
def test_a_figure_of_the_first_day_alone_is_drawn_too(draw: Any):
    data = data_of(day=january(2), data_until=january(2))
    ElementTree.fromstring(of(draw, data).narrow)


@pytest.mark.parametrize("draw", FIGURES)
def test_a_figure_is_the_same_whatever_the_order_of_rows(draw: Any):
    backwards = {name: list(reversed(rows)) for name, rows in page_tables().items()}
    assert of(draw, data_of(backwards)) == of(draw)


def test_raw_rows_are_taken_apart_by_bucket_and_what_is_left_is_what_counts():
    figure = of(row_figure)
    assert figure.table.rows == [
        ("raw exposure rows", "3,203", "100.0\u202f%"),
        ("delivered before", "\u2212200", "6.2\u202f%"),
        ("unreadable", "\u22123", "0.1\u202f%"),
        ("counted", "3,000", "93.7\u202f%"),
    ]
    assert "3,000 count (93.7\u202f%). The largest loss: 200 rows, delivered before" in figure.says


def test_a_loss_is_drawn_at_the_end_of_what_was_there_before_it():
    bars = [(float(bar.get("x", "")), float(bar.get("width", ""))) for bar in drawn(of(row_figure), "bar")]
    whole, lost, also_lost, left = bars
    assert lost[0] + lost[1] == pytest.approx(whole[0] + whole[1], abs=0.1)
    assert also_lost[0] + also_lost[1] == pytest.approx(lost[0], abs=2.1)
    assert left == (whole[0], pytest.approx(whole[1] * 3000 / 3203, abs=0.1))


def test_units_are_followed_from_stage_to_stage_as_of_the_day_of_the_page():
    figure = of(unit_figure, data_of(day=january(8)))
    assert [row[:2] for row in figure.table.rows] == [
        ("assigned", "1,600"),
        ("not exposed", "\u2212160"),
        ("exposed", "1,440"),
        ("exposed, not validly", "\u221280"),
        ("validly exposed", "1,360"),
        ("window still open", "\u22121,190"),
        ("window complete", "170"),
    ]


def test_variations_stand_beside_each_other_the_control_first_and_unknown_ones_last():
    tables = page_tables(variations=("treatment", "gone", "control"))
    rows = variation_table(data_of(tables)).rows
    assert [row[0] for row in rows] == ["control", "treatment", "gone"]
    assert rows[0][1:3] == ("1,400", "1,260 (90.0\u202f%)")


def test_cohorts_that_can_still_change_are_hollow_and_hatched():
    figure = of(rates_figure)
    states = [row[1] for row in figure.table.rows]
    # As of January 14 a week for exposure and the day that may be filling have passed since January 6.
    assert states == ["had its time"] * 6 + ["can still change"] * 8
    assert len(drawn(figure, "hollow")) == 8 * 6
    assert len(drawn(figure, "hatched")) == 3
    assert "6 cohorts that have had their time for exposure, 90.0\u202f% were exposed" in figure.says


def test_rates_that_are_null_leave_gaps():
    tables = page_tables()
    for row in tables["daily_quality"]:
        row["mismatch_rate"] = None
    figure = of(rates_figure, data_of(tables))
    assert {row[5] for row in figure.table.rows} == {"\u2013"}


def test_a_page_of_an_earlier_day_says_that_some_rates_know_more():
    assert "also of days after this page's" in of(rates_figure, data_of(day=january(10))).reading
    assert "also of days after this page's" not in of(rates_figure).reading


def test_of_two_variations_only_the_treatment_is_drawn_and_of_three_all_are():
    assert {band.variation_id for stage in stages(data_of()) for band in stage.bands} == {"treatment"}
    ids = ("control", "treatment", "third")
    three = data_of(page_tables(variations=ids), about=varied(*ids))
    drawn_of_three = {band.variation_id for stage in stages(three) for band in stage.bands}
    assert drawn_of_three == {"control", "treatment", "third"}


def test_a_mismatch_is_told_from_the_first_day_of_the_latest_days_in_a_row():
    tables = page_tables()
    for row in tables["sample_ratios"]:
        row["is_sequential_mismatch"] = row["stage"] == "exposed" and row["as_of_date"].day in (
            3,
            9,
            10,
            11,
            12,
            13,
            14,
        )
    figure = of(ratio_figure, data_of(tables))
    assert figure.says.startswith("The units are not split as declared: exposed since 2026-01-09.")
    assert len(drawn(figure, "alarm")) == 1
    assert [row[2] for row in figure.table.rows] == ["as declared", "mismatch", "as declared"]


def test_every_phase_of_allocation_has_its_own_band():
    tables = page_tables()
    for row in tables["sample_ratio_intervals"]:
        if row["as_of_date"] >= january(8):
            row["phase_start_date"] = january(8)
    bands = [band for stage in stages(data_of(tables)) if stage.name == "assigned" for band in stage.bands]
    assert [len(band.points) for band in bands] == [7, 7]


def test_delays_are_shares_of_the_exposed_units_of_a_variation():
    figure = of(delay_figure)
    assert figure.table.columns == ("delay", "control", "treatment")
    assert figure.table.rows[0] == ("under 1\u202fs", "560 (44.4\u202f%)", "560 (44.4\u202f%)")
    assert figure.table.rows[-1][0] == "1\u202fh to 6\u202fh"
    assert (
        "In every variation the median unit is first exposed in the range 1\u202fmin to 10\u202fmin"
        in figure.says
    )


def test_variations_that_are_exposed_at_other_times_are_told_apart():
    tables = page_tables()
    for row in tables["exposure_delays"]:
        row["unit_count"] = 1000 if (row["variation_id"] == "control") == (row["from_seconds"] == 0) else 1
    said = of(delay_figure, data_of(tables)).says
    assert "under 1\u202fs in control" in said
    assert "1\u202fmin to 10\u202fmin in treatment" in said


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (-604_800, "before assignment"),
        (0, "under 1\u202fs"),
        (60, "1\u202fmin to 10\u202fmin"),
        (1_209_600, "14\u202fd and later"),
    ],
)
def test_a_range_of_delays_is_said_in_words(start: int, said: str):
    assert range_text(start) == said
