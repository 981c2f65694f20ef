"""How values are shown to people: numbers, rates, days, and names that may hold anything.

What is shown, and where, is for who calls.
"""

import re
import unicodedata
from bisect import bisect_right
from datetime import date
from itertools import accumulate

NOTHING = "\u2013"
_NARROW_SPACE = "\u202f"
_MINUS = "\u2212"
# Marks that turn the text after them around, and would reach beyond the name that holds them.
_TURNING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60


def count(value: float | None) -> str:
    """A count with its thousands apart: `1,234`."""
    return NOTHING if value is None else signed(f"{value:,.0f}")


def rate(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage: `12.3 %`. One that is neither 0 nor 1 is never rounded to either."""
    if value is None:
        return NOTHING
    text = f"{value * 100:,.{digits}f}"
    smallest = 10.0**-digits
    if value and float(text.replace(",", "")) == 0:
        text = f"< {smallest:g}" if value > 0 else f"> -{smallest:g}"
    elif value < 1 and float(text.replace(",", "")) == 100:
        text = f"> {100 - smallest:g}"
    return signed(f"{text}{_NARROW_SPACE}%")


def change(value: float | None, digits: int = 1) -> str:
    """A relative difference with its sign: `+4.2 %`."""
    if value is None:
        return NOTHING
    return signed(f"{value * 100:+,.{digits}f}{_NARROW_SPACE}%")


def points(value: float) -> str:
    """A difference of two shares, in percentage points, with its sign: `+1.25 pp`, `+5 pp`."""
    return signed(f"{round(value * 100, 2):+,g}{_NARROW_SPACE}pp")


def amount(value: float | None, is_difference: bool = False) -> str:
    """A measured value in about four digits: `0.1234`, `12.35`, `1,235`; a difference has its sign."""
    if value is None:
        return NOTHING
    size = abs(value)
    digits = 0 if size >= 1000 else 2 if size >= 10 else 4
    text = f"{value:{'+' if is_difference else ''},.{digits}f}"
    if size and size < 0.0001:
        text = f"{value:{'+' if is_difference else ''}.2g}"
    return signed(text)


def p_value(value: float | None) -> str:
    """A probability: three digits, and no more zeros than anybody reads."""
    if value is None:
        return NOTHING
    if value < 0.0001:
        return "< 0.0001"
    return f"{value:.4f}" if value < 0.01 else f"{value:.3f}"


def day(value: date | None) -> str:
    """A day as everybody sorts it: `2026-01-28`."""
    return NOTHING if value is None else value.isoformat()


def short_day(value: date) -> str:
    """A day at an axis: `Jan 5`."""
    return f"{value:%b} {value.day}"


def delay(seconds: int) -> str:
    """A delay in its largest unit: `10 s`, `6 h`, `2 d`."""
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{_NARROW_SPACE}{unit}"
    return f"{seconds}{_NARROW_SPACE}s"


def units(number: float | None) -> str:
    """A number of units in words: `1 unit`, `1,234 units`."""
    return f"{count(number)} {'unit' if number == 1 else 'units'}"


def signed(text: str) -> str:
    """The text of a number with a minus instead of a hyphen."""
    return text.replace("-", _MINUS)


def name(text: str, most: int = 200) -> str:
    """A name of the data as it may stand in a page: one line, nothing that turns the text around it, not endless.

    `most` is in the widths of a letter; characters that are as wide as they are high count for two.
    """
    plain = "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs") else c for c in text[: most + 1])
    plain = _TURNING.sub("\ufffd", plain)
    widths = [2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in plain]
    if sum(widths) <= most:
        return plain
    fitting = bisect_right(list(accumulate(widths)), most - 1)
    return f"{plain[:fitting]}…"


def listed(names: list[str], most: int = 3) -> str:
    """Names in a sentence: `a, b and c`, or `a, b, c and 4 more`."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1] if names else "") if part)
