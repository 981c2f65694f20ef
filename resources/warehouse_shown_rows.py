"""Rows in an error message: the first few, as a Markdown table that no long id can bury.

What is wrong with them is said by whoever shows them.
"""

from datetime import date

import polars as pl

ROWS_SHOWN = 10
_LONGEST_CELL = 80


def as_markdown(rows: pl.DataFrame) -> str:
    """The first rows as a Markdown table; long cells are cut, and their length is told."""
    lines = [f"| {' | '.join(cut(cell) for cell in row)} |" for row in rows.head(ROWS_SHOWN).iter_rows()]
    return "\n".join([f"| {' | '.join(rows.columns)} |", "|---" * rows.width + "|", *lines])


def cut(value: object, longest: int = _LONGEST_CELL) -> str:
    """A value as the text of a cell."""
    text = _as_text(value).replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def _as_text(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | pl.Series):
        return f"[{', '.join(_as_text(item) for item in value)}]"
    return str(value)
