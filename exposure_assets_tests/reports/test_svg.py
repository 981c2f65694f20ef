"""Static SVG: the same text for the same numbers, round axes, and nothing drawn outside its place."""

from datetime import date
from xml.etree import ElementTree

import pytest

from exposure_assets.reports.svg import (
    KINDS,
    Area,
    day_axis,
    element,
    lines_with_gaps,
    mark,
    number,
    round_days,
    round_steps,
    text,
)

AREA = Area(10, 20, 100, 50, (0, 10), (0, 1))


@pytest.mark.parametrize(
    ("value", "expected"), [(1.0, "1"), (1.04, "1"), (1.26, "1.3"), (-0.01, "0"), (-2.5, "-2.5")]
)
def test_a_coordinate_is_rounded_to_tenths(value: float, expected: str):
    assert number(value) == expected


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0.0, 1.0, 4, [0, 0.25, 0.5, 0.75, 1.0]),
        (-0.03, 0.05, 4, [-0.02, 0, 0.02, 0.04]),
        (0.0, 7.0, 3, [0, 2.5, 5]),
        (3.0, 3.0, 4, [3.0]),
    ],
)
def test_steps_of_an_axis_are_round(low: float, high: float, most: int, expected: list[float]):
    assert round_steps(low, high, most) == pytest.approx(expected)


@pytest.mark.parametrize("length", [1, 2, 9, 40, 400, 5000])
def test_there_are_never_more_days_at_an_axis_than_have_room(length: int):
    first = date(2026, 1, 1)
    shown = round_days(first, date.fromordinal(first.toordinal() + length - 1), 6)
    assert shown[0] == first
    assert len(shown) <= 6


def test_what_lies_outside_an_area_is_drawn_at_its_edge():
    assert (AREA.at_x(-5), AREA.at_x(5), AREA.at_x(50)) == (10, 60, 110)
    assert (AREA.at_y(0), AREA.at_y(2)) == (70, 20)


def test_an_area_of_one_value_draws_it_in_the_middle():
    assert Area(0, 0, 100, 50, (3, 3), (0, 1)).at_x(3) == 50


def test_a_line_has_a_gap_where_a_value_is_missing_and_none_is_drawn_of_one_point():
    drawn = lines_with_gaps(AREA, [(0, 0.0), (1, 1.0), (2, None), (3, 0.5)], "line")
    assert drawn == '<path d="M10 70 L20 20" class="line"></path>'
    assert lines_with_gaps(AREA, [(0, None), (1, None)], "line") == ""


def test_text_and_attributes_are_escaped():
    drawn = text(0, 0, '<script>"&', "label")
    assert ElementTree.fromstring(drawn).text == '<script>"&'
    assert ElementTree.fromstring(element("g", id='"><b>')).attrib == {"id": '"><b>'}


def test_every_kind_of_mark_has_its_own_shape():
    shapes = {mark(0, 0, kind, "mark") for kind in range(KINDS)}
    assert len(shapes) == KINDS
    assert mark(0, 0, KINDS, "mark") in shapes


def test_an_axis_of_one_day_has_one_label():
    day = date(2026, 1, 5)
    axis = day_axis(AREA, day, day)
    assert axis.count("<text") == 1
    assert "Jan 5" in axis
