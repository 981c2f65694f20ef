"""A CSV reader that can tell an empty field (null) from an empty quoted field (the empty string).
The module of the standard library can't; what the fields mean is decided elsewhere.
"""


class BrokenCsv(ValueError):
    """A CSV text whose quotes do not close, or whose rows differ in length."""


def parse_csv(text: str) -> tuple[list[str], list[dict[str, str | None]]]:
    """Header and rows of a CSV text; an unquoted empty field is None.

    Raises:
        BrokenCsv: a quote is not closed or misplaced, or a row is not as long as the header.
    """
    records = _records(text)
    if not records:
        return [], []
    header = [name or "" for name in records[0]]
    rows: list[dict[str, str | None]] = []
    for number, record in enumerate(records[1:], start=2):
        if len(record) != len(header):
            raise BrokenCsv(f"record {number} has {len(record)} fields, the header has {len(header)}")
        rows.append(dict(zip(header, record, strict=True)))
    return header, rows


def _records(text: str) -> list[list[str | None]]:
    records: list[list[str | None]] = []
    position = 0
    while position < len(text):
        record, position = _record(text, position)
        # A line without anything in it is not a row.
        if record != [None]:
            records.append(record)
    return records


def _record(text: str, position: int) -> tuple[list[str | None], int]:
    record: list[str | None] = []
    while True:
        field, position = _field(text, position)
        record.append(field)
        if text.startswith(",", position):
            position += 1
        elif text.startswith("\r\n", position):
            return record, position + 2
        elif text.startswith("\n", position):
            return record, position + 1
        elif position >= len(text):
            return record, position
        else:
            raise BrokenCsv(f"unexpected {text[position]!r} after a field, at character {position}")


def _field(text: str, position: int) -> tuple[str | None, int]:
    if text.startswith('"', position):
        return _quoted(text, position + 1)
    end = position
    while end < len(text) and text[end] not in ',\n"' and not text.startswith("\r\n", end):
        end += 1
    return text[position:end] or None, end


def _quoted(text: str, position: int) -> tuple[str, int]:
    pieces: list[str] = []
    while True:
        end = text.find('"', position)
        if end < 0:
            raise BrokenCsv("a quoted field does not end")
        pieces.append(text[position:end])
        if not text.startswith('"', end + 1):
            return "".join(pieces), end + 1
        pieces.append('"')
        position = end + 2
