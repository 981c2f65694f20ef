"""Ids that look like something else: numbers, nulls, booleans, paths, quotes, and texts of every kind.
What they identify is decided elsewhere.
"""

import random

NUMBER_LIKE = (
    "007",
    "7",
    "07",
    "1e5",
    "1E5",
    "100000",
    "100000.0",
    "-0",
    "0x1F",
    "1_000",
    "1.5",
    "9" * 25,
    "0",
)
WORD_LIKE = ("NULL", "null", "nan", "NaN", "true", "True", "false", "None", "N/A", "\\N", "inf", "2026-01-01")
SIGNS = (
    'o"brien',
    "it's",
    "a,b",
    "a|b",
    "a/b",
    "../up",
    "C:\\dir",
    "50%",
    "a;b",
    "{experiment}",
    "a+b",
    "*",
    "$x",
)
SPACES = (" lead", "trail ", "  ", "tab\tbed", "line\nbreak", "carriage\r\nreturn", "lone\rreturn", "\u00a0")
# Neither UTF-16 nor any locale orders these as their UTF-8 bytes do; some differ only in normalisation.
UNICODE = (
    "ünïcödé",
    "u\u0308",
    "\u00fc",
    "日本語",
    "😀",
    "\uff61",
    "é",
    "e\u0301",
    "z",
    "Z",
    "\u2028",
    "\u0085",
    "ß",
)
LONG = ("long-" + "x" * 9_995, "ö" * 5_000)
ALL = (*NUMBER_LIKE, *WORD_LIKE, *SIGNS, *SPACES, *UNICODE, *LONG)


class IdMaker:
    """Hands out each weird id once, mixed with plain ones; never the same id twice."""

    def __init__(self, rng: random.Random, prefix: str) -> None:
        self._rng = rng
        self._prefix = prefix
        self._weird = rng.sample(ALL, k=len(ALL))
        self._number = 0

    def next(self) -> str:
        """A new id."""
        if self._weird and self._rng.random() < 0.15:
            return self._weird.pop()
        self._number += 1
        style = self._rng.randrange(5)
        if style == 0:
            return f"{self._rng.choice('aZ_é😀')}{self._prefix}{self._number}"
        if style == 1:
            # Five digits and more: no weird id looks like it.
            return f"{self._number + 2_000_000}" if self._prefix == "e" else f"0{self._number + 3_000_000}"
        return f"{self._prefix}-{self._number:04d}"
