"""The colours of a page: readable on what they stand on, in light and in dark, by the ratios of WCAG 2.2."""

import re
from importlib.resources import files

import pytest

STYLE = (files("exposure_assets.reports") / "templates" / "report.css").read_text()
# Text needs 4.5, marks and lines of figures need 3.
TEXT, MARK = 4.5, 3.0
PAIRS = [
    *((ink, paper, TEXT) for ink in ("ink", "soft", "link") for paper in ("paper", "raised")),
    *((f"{tone}", f"{tone}-paper", TEXT) for tone in ("good", "warn", "bad", "none")),
    *((f"{tone}", paper, TEXT) for tone in ("bad", "warn") for paper in ("paper", "raised")),
    *(("ink", f"{tone}-paper", TEXT) for tone in ("good", "warn", "bad", "none")),
    *(("soft", f"{tone}-paper", TEXT) for tone in ("good", "warn", "bad", "none")),
    *(("paper", tone, TEXT) for tone in ("good", "warn", "bad", "none")),
    *((f"k{kind}", "paper", MARK) for kind in range(6)),
    ("bar", "paper", MARK),
    ("hatch", "paper", MARK),
]


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


LIGHT = colours(STYLE[: STYLE.index("@media")])
DARK = LIGHT | colours(STYLE[STYLE.index("prefers-color-scheme: dark") : STYLE.index("* {")])


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_measured_as_the_standard_says():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_what_is_read_stands_out_from_what_it_stands_on(front: str, back: str, least: float, scheme: str):
    found = LIGHT if scheme == "light" else DARK
    assert contrast(found[front], found[back]) >= least


def test_dark_and_light_define_the_same_colours():
    assert set(colours(STYLE[STYLE.index("prefers-color-scheme: dark") : STYLE.index("* {")])) == set(LIGHT)
