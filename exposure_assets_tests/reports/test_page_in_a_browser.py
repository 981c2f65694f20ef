"""The page in a real Chromium: nothing overflows, on a phone and on a desk, in light and in dark, with any name.

Skipped where no chromium is installed.
"""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from docs.screenshots.browser import Browser
from exposure_assets.reports.page import experiment_page
from exposure_assets_tests.reports.pages import data_of, page_tables, result, varied
from exposure_assets_tests.reports.test_page import HOSTILE

IS_INSTALLED = any(map(shutil.which, (os.environ.get("CHROMIUM") or "chromium", "google-chrome")))
pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason="no chromium on the path")
WIDTHS = (320, 390, 768, 1280)
# Elements that reach beyond the window and stand in nothing that scrolls.
OVERFLOWING = """
[...document.querySelectorAll('body *')].filter(one => {
  const box = one.getBoundingClientRect();
  return box.right > document.documentElement.clientWidth + 1 && box.width > 0
    && !one.closest('.scroll') && !one.closest('.skip') && !one.closest('svg');
}).map(one => one.tagName + '.' + one.className)
"""
# Texts of pictures that are shown and reach beyond them.
CUT = """
[...document.querySelectorAll('figure > svg')].filter(one => one.clientWidth).flatMap(picture => {
  const edge = picture.getBoundingClientRect();
  return [...picture.querySelectorAll('text')].filter(text => {
    const box = text.getBoundingClientRect();
    return box.left < edge.left - 1 || box.right > edge.right + 1 || box.bottom > edge.bottom + 1;
  }).map(text => text.textContent);
})
"""

# The widths whose pictures are shown, one per figure; and where the tab key comes to, in its order.
SHOWN = """
[...document.querySelectorAll('figure > svg')].filter(one => one.clientWidth).map(one => one.className.baseVal)
"""
REACHED = """
[...document.querySelectorAll('a, summary, [tabindex="0"]')].map(one => one.getAttribute('href') || one.tagName)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser") / "profile") as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of a page with ordinary names, and of one with all that a name may be."""
    folder = tmp_path_factory.mktemp("pages")
    about = varied(*HOSTILE).model_copy(update={"name": "W" * 10_000, "owner": "o" * 10_000})
    ordinary, hostile = page_tables(), page_tables(variations=HOSTILE)
    ordinary["experiment_results"] = [
        result("revenue_usd_of_the_first_week", 0.042, 1.03),
        result("orders", 0.1, 0.2),
    ]
    said = {"control_variation_id": HOSTILE[0]}
    hostile["experiment_results"] = [result("orders", 0.5, 0.1, variation_id=v, **said) for v in HOSTILE[1:]]
    written = {
        "ordinary": data_of(ordinary),
        "hostile": data_of(hostile, about=about),
        "empty": data_of({}),
    }
    return {
        name: written_to(folder / f"{name}.html", experiment_page(data)) for name, data in written.items()
    }


def written_to(path: Path, page: str) -> str:
    path.write_text(page)
    return path.as_uri()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["ordinary", "hostile", "empty"])
def test_nothing_reaches_beyond_the_window(browser: Browser, pages: dict[str, str], name: str, width: int):
    browser.open(pages[name], width)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.evaluate(OVERFLOWING) == []


@pytest.mark.parametrize("width", WIDTHS)
def test_no_text_of_a_picture_is_cut(browser: Browser, pages: dict[str, str], width: int):
    browser.open(pages["ordinary"], width)
    assert browser.evaluate(CUT) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_every_figure_is_shown_once_in_the_width_that_fits(
    browser: Browser, pages: dict[str, str], width: int
):
    browser.open(pages["ordinary"], width)
    kinds = browser.evaluate(SHOWN)
    assert set(kinds) == {"narrow" if width == 390 else "wide"}
    assert len(kinds) == browser.evaluate("document.querySelectorAll('figure').length")


def test_a_page_is_dark_where_the_reader_wants_it_dark(browser: Browser, pages: dict[str, str]):
    corners = []
    for scheme in ("light", "dark"):
        browser.open(pages["ordinary"], 1280, scheme)
        pixel = Image.open(io.BytesIO(browser.picture())).convert("L").getpixel((5, 5))
        corners.append(pixel)
    assert corners[0] > 240
    assert corners[1] < 40


def test_a_keyboard_reaches_the_verdict_first_and_then_every_section(browser: Browser, pages: dict[str, str]):
    browser.open(pages["ordinary"], 1280)
    reached = browser.evaluate(REACHED)
    assert reached[0] == "#main"
    assert reached[1:4] == ["#findings", "#outcome", "#losses"]
