"""Every beginning and every end is announced to every channel exactly once, whatever fails or restarts in between."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.automation.alerts_compare import (
    END_IS_TOLD_WITHIN,
    LAST_RETRY_AFTER,
    compared,
    delivered,
    ends,
    may_try,
    openings,
    tried,
)
from exposure_assets_tests.automation.conditions import NOON, condition, minutes
from resources.alert_book import AlertBook, Book

GROUPS = {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}


@dataclass
class Tick:
    """What is wrong, which channels there are, which of them are down, and whether the process starts anew."""

    wrong: set[str]
    channels: set[str]
    down: set[str]
    restart: bool


ticks = st.builds(
    Tick,
    st.sets(st.sampled_from(sorted(GROUPS))),
    st.just({"slack", "mail"}),
    st.sets(st.sampled_from(["slack", "mail"])),
    st.booleans(),
)


@dataclass
class Team:
    """What the channels heard, in order: (channel, 'begin' or 'end', condition, episode)."""

    heard: list[tuple[str, str, str, int]] = field(default_factory=list)

    def tick(self, book: Book, tick: Tick, minute: float) -> Book:
        now = NOON + minutes(minute)
        wrong = {id: condition(id, group=GROUPS[id], since=now) for id in tick.wrong}
        book = compared(book, wrong, tick.channels, now)
        for channel in sorted(tick.channels):
            if not may_try(book, channel, now):
                continue
            for due, word in ((openings, "begin"), (ends, "end")):
                for notice in due(book, channel):
                    if channel in tick.down:
                        continue
                    self.heard += [
                        (channel, word, episode.condition.id, episode.number) for episode in notice.episodes
                    ]
                    book = delivered(book, channel, notice)
            owed = openings(book, channel) or ends(book, channel)
            book = tried(book, channel, "it is down" if owed else None, now)
        return book


def from_disk(book: Book) -> Book:
    with TemporaryDirectory() as folder:
        AlertBook(Path(folder)).write(book)
        return AlertBook(Path(folder)).read()


def lived(sequence: list[Tick], team: Team, minute_per_tick: float = 1) -> Book:
    book = Book()
    for minute, tick in enumerate(sequence):
        book = team.tick(from_disk(book) if tick.restart else book, tick, minute * minute_per_tick)
    return book


def history(sequence: list[Tick]) -> Counter[tuple[str, str]]:
    """How often each condition began and ended, counted by hand."""
    counted: Counter[tuple[str, str]] = Counter()
    before: set[str] = set()
    for tick in sequence:
        counted.update((id, "begin") for id in tick.wrong - before)
        counted.update((id, "end") for id in before - tick.wrong)
        before = tick.wrong
    return counted


@given(st.lists(ticks, max_size=12))
def test_every_beginning_and_every_end_reaches_every_channel_once_it_is_up(sequence: list[Tick]):
    team = Team()
    last = sequence[-1].wrong if sequence else set()
    after = LAST_RETRY_AFTER.total_seconds() / 60
    quiet = [Tick(last, {"slack", "mail"}, set(), False)] * (int(after) + 1)
    lived(sequence + quiet, team)
    for channel in ("slack", "mail"):
        heard = Counter((id, word) for where, word, id, _ in team.heard if where == channel)
        assert heard == history(sequence)


@given(st.lists(ticks, max_size=12))
def test_no_channel_hears_anything_twice_nor_an_end_before_its_beginning(sequence: list[Tick]):
    team = Team()
    lived(sequence, team)
    assert len(set(team.heard)) == len(team.heard)
    for position, (channel, word, id, number) in enumerate(team.heard):
        if word == "end":
            assert (channel, "begin", id, number) in team.heard[:position]


@given(st.lists(ticks, max_size=12))
def test_a_restart_changes_nothing(sequence: list[Tick]):
    restarted, steady = Team(), Team()
    lived([Tick(t.wrong, t.channels, t.down, True) for t in sequence], restarted)
    lived([Tick(t.wrong, t.channels, t.down, False) for t in sequence], steady)
    assert restarted.heard == steady.heard


@given(st.lists(ticks, max_size=12))
def test_the_book_keeps_nothing_that_everybody_knows(sequence: list[Tick]):
    team = Team()
    book = lived(sequence, team)
    book = team.tick(book, Tick(set(), {"slack", "mail"}, set(), False), 1_000)
    book = team.tick(book, Tick(set(), {"slack", "mail"}, set(), False), 1_001)
    assert book.episodes == ()


def test_what_goes_wrong_together_in_one_group_is_one_message():
    wrong = {id: condition(id, group="grain") for id in ("day 1", "day 2", "day 3")}
    book = compared(Book(), {**wrong, "x": condition("x", group="other")}, ["mail"], NOON)
    assert [len(notice.episodes) for notice in openings(book, "mail")] == [3, 1]


def test_one_more_of_a_group_is_one_more_message_about_that_one():
    wrong = {"day 1": condition("day 1")}
    book = compared(Book(), wrong, ["mail"], NOON)
    book = delivered(book, "mail", openings(book, "mail")[0])
    book = compared(book, {**wrong, "day 2": condition("day 2")}, ["mail"], NOON)
    [notice] = openings(book, "mail")
    assert [episode.condition.id for episode in notice.episodes] == ["day 2"]


def test_a_channel_that_is_new_hears_of_what_is_open_and_not_of_what_is_over():
    book = compared(Book(), {"old": condition("old"), "open": condition("open")}, [], NOON)
    book = compared(book, {"open": condition("open")}, [], NOON)
    book = compared(book, {"open": condition("open")}, ["mail"], NOON)
    assert [e.condition.id for notice in openings(book, "mail") for e in notice.episodes] == ["open"]


def test_a_channel_that_was_taken_out_for_a_while_hears_nothing_again():
    wrong = {"open": condition("open")}
    book = compared(Book(), wrong, ["mail"], NOON)
    book = delivered(book, "mail", openings(book, "mail")[0])
    book = compared(book, wrong, [], NOON)
    assert openings(compared(book, wrong, ["mail"], NOON), "mail") == []


def test_a_condition_keeps_its_first_instant_and_takes_its_latest_facts():
    book = compared(Book(), {"x": condition("x", facts={"found": "3"})}, [], NOON)
    later = condition("x", facts={"found": "5"}, since=NOON + minutes(5))
    [known] = compared(book, {"x": later}, [], NOON).open_conditions
    assert (known.since, known.facts) == (NOON, (("found", "5"),))


def test_a_channel_that_stays_down_is_tried_less_and_less_often():
    book, now, pauses = Book(), NOON, []
    for _ in range(8):
        book = tried(book, "mail", "it is down", now)
        pauses.append(int((book.attempts["mail"].retry_at - now).total_seconds()))
        now = book.attempts["mail"].retry_at
        assert may_try(book, "mail", now)
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900]


def test_a_channel_that_works_again_is_as_good_as_ever():
    book = tried(tried(Book(), "mail", "it is down", NOON), "mail", None, NOON)
    assert book.attempts == {}


def test_ends_that_nobody_could_be_told_for_a_week_are_forgotten():
    book = compared(Book(), {"x": condition("x")}, ["mail"], NOON)
    book = compared(book, {}, ["mail"], NOON)
    assert len(compared(book, {}, ["mail"], NOON + END_IS_TOLD_WITHIN).episodes) == 1
    assert compared(book, {}, ["mail"], NOON + END_IS_TOLD_WITHIN + minutes(1)).episodes == ()
