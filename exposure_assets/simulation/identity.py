"""Ids as functions of numbers: event ids, session ids and unit ids, made a column at a time.

Nothing is drawn here: a number always gets the same id, so the truth can name a row without keeping it.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

Numbers = NDArray[np.uint64]

NO_EVENT = np.uint64(2**64 - 1)
"""The number of a row without an event id."""

FIRST_ASSIGNMENT_NUMBER = 1 << 62
"""Assignment rows are numbered from here on, so their ids can't meet those of events."""

_HEX_OF_TWO_BYTES = np.frombuffer(
    "".join(f"{pair & 255:02x}{pair >> 8:02x}" for pair in range(1 << 16)).encode("ascii"), dtype=np.uint32
)


def scramble(numbers: Numbers) -> Numbers:
    """The finaliser of splitmix64: one to one, and every bit of the result depends on every bit given."""
    mixed = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def event_ids(numbers: Numbers, seed: int) -> pl.Series:
    """Ids of 32 hexadecimal characters that look random and never repeat; null for `NO_EVENT`.

    The second half is a one-to-one function of the number, so two numbers can't share an id.
    """
    halves = np.empty((len(numbers), 2), dtype=np.uint64)
    halves[:, 0] = scramble(numbers + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) % 2**64))
    halves[:, 1] = scramble(numbers ^ np.uint64((seed * 0xD1342543DE82EF95 + 0x2545F4914F6CDD1D) % 2**64))
    return _blank_where(_hexadecimal(halves), numbers == NO_EVENT)


def session_ids(sessions: Numbers) -> pl.Series:
    """Ids of 16 hexadecimal characters; null for session 0."""
    return _blank_where(_hexadecimal(sessions.reshape(-1, 1)), sessions == 0)


def unit_ids(units: int) -> pl.Series:
    """The ids of all units by their number, and a null behind the last: the id of unit -1."""
    numbers = pl.int_range(units, eager=True).cast(pl.String).str.zfill(7)
    return pl.concat([("u-" + numbers).alias("unit_id"), pl.Series("unit_id", [None], dtype=pl.String)])


def _hexadecimal(numbers: Numbers) -> pl.Series:
    width = numbers.shape[1] * 16
    text = np.take(_HEX_OF_TWO_BYTES, np.ascontiguousarray(numbers).view(np.uint16)).view(np.uint8)
    # From bytes to text inside Polars: a Python string per row would cost more than the whole simulation.
    return pl.Series(text.reshape(-1, width)).cast(pl.List(pl.UInt8)).cast(pl.Binary).cast(pl.String)


def _blank_where(ids: pl.Series, is_blank: NDArray[np.bool_]) -> pl.Series:
    if not is_blank.any():
        return ids
    return pl.select(pl.when(~pl.Series(is_blank)).then(ids)).to_series()
