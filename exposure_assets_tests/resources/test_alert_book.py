"""The book of alerts on disk."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from resources.alert_book import (
    AlertBook,
    AlertBookError,
    Attempts,
    Book,
    Condition,
    Episode,
    LogPosition,
    Target,
)

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)
CONDITION = Condition(
    id='check:["assignments", "grain", "2026-01-02|ünï\\u0000"]',
    kind="check",
    group="check",
    severity="warning",
    title='"quotes"\nand lines',
    facts=(("found", "3"), ("expected", "")),
    since=NOON,
    page="/assets/assignments",
    advice="Look.",
    experiment="checkout",
    run_id="4711",
    targets=(Target("assignments"), Target("assignments", "checkout", "2026-01-01", "2026-01-02")),
)
BOOK = Book(
    episodes=(
        Episode(1, CONDITION, told=frozenset({"mail"})),
        Episode(2, CONDITION, NOON, frozenset({"mail"}), frozenset({"mail", "slack"}), frozenset({"mail"})),
    ),
    next_number=3,
    position=LogPosition(77, frozenset({"76@1.5", "77@2.5"})),
    attempts={"slack": Attempts(3, NOON, "it cannot be reached")},
)


def test_a_book_is_read_as_it_was_written(tmp_path: Path):
    AlertBook(tmp_path).write(BOOK)
    assert AlertBook(tmp_path).read() == BOOK


def test_where_there_is_no_book_it_is_empty(tmp_path: Path):
    assert AlertBook(tmp_path / "staging").read() == Book()


def test_a_book_that_cannot_be_replaced_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    book = AlertBook(tmp_path)
    book.write(BOOK)

    def full(self: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="found no space left on its disk"):
        book.write(Book())
    monkeypatch.undo()
    assert book.read() == BOOK
    assert [path.name for path in tmp_path.iterdir()] == ["alerts.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 2}', '{"version": 1, "episodes": 3}'])
def test_a_file_that_is_no_book_is_named_and_left_alone(tmp_path: Path, text: str):
    (tmp_path / "alerts.json").write_text(text)
    with pytest.raises(AlertBookError, match=r"alerts\.json: found .*expected a book of alerts of version 1"):
        AlertBook(tmp_path).read()
    assert (tmp_path / "alerts.json").read_text() == text


def test_a_book_is_held_by_one_at_a_time(tmp_path: Path):
    with AlertBook(tmp_path).alone() as first, AlertBook(tmp_path).alone() as second:
        assert (first, second) == (True, False)
    with AlertBook(tmp_path).alone() as third:
        assert third
