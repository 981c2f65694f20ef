"""Rows as Markdown, for Dagster's pages and for messages.

Which rows are worth showing is decided by whoever shows them.
"""

import polars as pl

_LONGEST_CELL = 80


def as_markdown(rows: pl.DataFrame) -> str:
    """Rows as a Markdown table; long cells are cut, so that an id of 10,000 characters does not bury the others."""
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows.iter_rows()]
    return "\n".join([f"| {' | '.join(rows.columns)} |", "|---" * rows.width + "|", *lines])


def _cell(value: object) -> str:
    text = str(value)
    cut = text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"
    return cut.replace("|", "\\|").replace("\n", " ")
