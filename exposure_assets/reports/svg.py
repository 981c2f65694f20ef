"""Static SVG: elements, scales, axes and marks, as text that is the same for the same numbers.

Which numbers are drawn stands in the figures; colours, in the page's style sheet.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from markupsafe import Markup, escape

from exposure_assets.reports import wording

# As many kinds of a mark as a reader tells apart; the kind after the last one is the first again.
KINDS = 6


def element(tag: str, *content: str, **attributes: object) -> Markup:
    """An element; names of attributes may end in `_` and have `_` for `-`, numbers are rounded to tenths."""
    said = "".join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(escape(part) for part in content)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(tag), Markup(said), inner)


def _value(value: object) -> object:
    return number(value) if isinstance(value, float) else value


def number(value: float) -> str:
    """A coordinate: tenths are finer than any screen, and the same on every machine."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


@dataclass(frozen=True)
class Area:
    """Where something is plotted, in pixels, and which values its edges stand for."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height

    def at_x(self, value: float) -> float:
        """The pixel of a value on the horizontal axis; what lies outside is drawn at the edge."""
        return self.left + self.width * _share(value, self.x)

    def at_y(self, value: float) -> float:
        """The pixel of a value on the vertical axis, which grows upwards; likewise."""
        return self.bottom - self.height * _share(value, self.y)


def _share(value: float, edges: tuple[float, float]) -> float:
    low, high = edges
    return 0.5 if high <= low else min(1.0, max(0.0, (value - low) / (high - low)))


def round_steps(low: float, high: float, most: int) -> list[float]:
    """At most about `most` round values from `low` to `high`."""
    if high <= low:
        return [low]
    raw = (high - low) / max(1, most)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * n, 12) for n in range(first, last + 1)]


def round_days(first: date, last: date, most: int) -> list[date]:
    """At most `most` days from the first one, in steps of days or whole weeks."""
    length = (last - first).days + 1
    step = next((s for s in (1, 2, 3, 7, 14, 28, 56) if math.ceil(length / s) <= most), 0)
    step = step or 28 * math.ceil(length / 28 / max(1, most))
    return [first + timedelta(days=n) for n in range(0, length, step)]


def text(
    x: float, y: float, content: str, class_: str = "", anchor: str | None = None, most: int = 40
) -> Markup:
    """A line of text, its baseline at `y`; names of the data keep to their own direction of writing."""
    return element(
        "text",
        f"\u2068{wording.name(content, most)}\u2069"
        if not content.isascii()
        else wording.name(content, most),
        x=float(x),
        y=float(y),
        class_=class_ or None,
        text_anchor=anchor,
    )


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def rectangle(x: float, y: float, width: float, height: float, class_: str, **further: object) -> Markup:
    """A bar; one of something is never so thin that it can't be seen."""
    return element(
        "rect", x=float(x), y=float(y), width=float(width), height=float(height), class_=class_, **further
    )


def path(points: Iterable[tuple[float, float]], class_: str, is_closed: bool = False) -> Markup:
    """A line through points, or the area that they enclose."""
    steps = " ".join(f"{'L' if n else 'M'}{number(x)} {number(y)}" for n, (x, y) in enumerate(points))
    return element("path", d=f"{steps}Z" if is_closed else steps, class_=class_) if steps else Markup("")


def lines_with_gaps(area: Area, points: Sequence[tuple[float, float | None]], class_: str) -> Markup:
    """Lines through points in their order; where a value is missing there is a gap."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append((area.at_x(x), area.at_y(y)))
    return Markup("").join(path(run, class_) for run in runs if len(run) > 1)


def mark(x: float, y: float, kind: int, class_: str, size: float = 3.5) -> Markup:
    """A point whose shape tells its kind, for who doesn't see its colour."""
    s = size
    shapes: list[list[tuple[float, float]]] = [
        [],
        [(-s, -s), (s, -s), (s, s), (-s, s)],
        [(0, -s * 1.3), (s * 1.2, s), (-s * 1.2, s)],
        [(0, -s * 1.4), (s * 1.4, 0), (0, s * 1.4), (-s * 1.4, 0)],
        [(0, s * 1.3), (s * 1.2, -s), (-s * 1.2, -s)],
        [(-s * 1.5, -s * 0.6), (s * 1.5, -s * 0.6), (s * 1.5, s * 0.6), (-s * 1.5, s * 0.6)],
    ]
    shape = shapes[kind % KINDS]
    if not shape:
        return element("circle", cx=float(x), cy=float(y), r=float(s), class_=class_)
    return path([(x + dx, y + dy) for dx, dy in shape], class_, is_closed=True)


def hatching(id_: str) -> Markup:
    """A pattern of slanting lines, to be filled with by `url(#id)`."""
    stroke = element("path", d="M0 6L6 0M-1.5 1.5L1.5 -1.5M4.5 7.5L7.5 4.5", class_="hatch")
    return element(
        "defs", element("pattern", stroke, id=id_, width=6, height=6, patternUnits="userSpaceOnUse")
    )


def horizontal_grid(area: Area, values: Sequence[float], labels: Sequence[str]) -> Markup:
    """Lines across at values of the vertical axis, with their labels at the left."""
    parts = []
    for value, label in zip(values, labels, strict=True):
        y = area.at_y(value)
        parts.append(line(area.left, y, area.right, y, "grid"))
        parts.append(text(area.left - 6, y + 4, label, "tick", "end"))
    return Markup("").join(parts)


def day_axis(area: Area, first: date, last: date) -> Markup:
    """Days below the area, as many as have room."""
    shown = round_days(first, last, max(2, int(area.width // 64)))
    return Markup("").join(
        part
        for day in shown
        for x in [area.at_x(day.toordinal())]
        for part in (
            line(x, area.bottom, x, area.bottom + 4, "axis"),
            text(x, area.bottom + 17, wording.short_day(day), "tick", "middle"),
        )
    ) + line(area.left, area.bottom, area.right, area.bottom, "axis")
