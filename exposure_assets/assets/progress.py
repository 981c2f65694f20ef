"""How far a run has come, told to whoever listens: Dagster's log, and the command line's progress bar.

What is computed stands in the assets.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date

import dagster as dg

Listener = Callable[[str, str], None]
_LISTENER: ContextVar[Listener | None] = ContextVar("progress_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` called with (table, what is being computed) while the block runs."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report_progress(
    context: dg.AssetExecutionContext, table: str, days: tuple[date, date], experiments: Sequence[str] = ()
) -> None:
    """Say that a table's days are being computed."""
    span = str(days[0]) if days[0] == days[1] else f"{days[0]} to {days[1]}"
    what = span if not experiments else f"{span}, {_some(experiments)}"
    context.log.info(f"{table}: {what}")
    if (listener := _LISTENER.get()) is not None:
        listener(table, what)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"
