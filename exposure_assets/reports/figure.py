"""What a figure of a page is: a picture in two widths, what it says in words, and its numbers as a table.

What is drawn stands in the figures of each kind.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from exposure_assets.reports.svg import element, mark

WIDE, NARROW = 760, 350

# Draws for a width in pixels, with ids that begin so; gives the content and its height.
Draw = Callable[[int, str], tuple[Markup, float]]


@dataclass(frozen=True)
class DataTable:
    """Rows as they are shown; all columns but the first `text_columns` hold numbers."""

    caption: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    text_columns: int = 1


@dataclass(frozen=True)
class Key:
    """What a mark or a colour of a figure means, with a mark of that look."""

    label: str
    look: Markup


@dataclass(frozen=True)
class Figure:
    """A picture with its title, what it says, how to read it, its legend, and its numbers."""

    id: str
    title: str
    says: str
    reading: str
    wide: Markup
    narrow: Markup
    keys: tuple[Key, ...]
    table: DataTable


def figure(
    id_: str,
    title: str,
    says: str,
    reading: str,
    draw: Draw,
    table: DataTable,
    keys: Sequence[Key] = (),
) -> Figure:
    """Draw a figure for desktops and for phones; a style sheet shows the one that fits."""

    def drawn(width: int, name: str) -> Markup:
        own = f"{id_}-{name}"
        content, height = draw(width, own)
        return element(
            "svg",
            element("title", title, id=f"{own}-title"),
            element("desc", says, id=f"{own}-desc"),
            content,
            viewBox=f"0 0 {width} {round(height)}",
            class_=name,
            role="img",
            aria_labelledby=f"{own}-title {own}-desc",
        )

    return Figure(id_, title, says, reading, drawn(WIDE, "wide"), drawn(NARROW, "narrow"), tuple(keys), table)


def key(label: str, *look: Markup) -> Key:
    """A legend's entry, whose look is drawn in 28 x 14 pixels."""
    return Key(label, element("svg", *look, viewBox="0 0 28 14", class_="key", aria_hidden="true"))


def variation_key(label: str, kind: int, further: str = "") -> Key:
    """The entry of a variation: its line and its mark."""
    stroke = element("line", x1=0, y1=7, x2=28, y2=7, class_=f"line k{kind}")
    return key(label, stroke, mark(14, 7, kind, f"mark k{kind}{further}"))
