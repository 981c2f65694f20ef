"""The steps about days of the log: was the event seen, have its rows arrived, did hours go without any.

What became of the rows that arrived is looked at in `steps_of_rows`, the units in `steps_of_units`.
"""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches

import polars as pl

from exposure_assets.explaining.evidence import Evidence
from exposure_assets.explaining.findings import Candidate, Number

# Below such shares of the usual rows a day has hardly any, or has lost some.
_HARDLY_ANY, _FEWER, _FEWER_OF_ALL = 0.1, 0.85, 0.7
# Rows that were lost on their way are lost of all events alike, up to this.
_ALIKE = 0.25
# Of other events so many a day say whether rows are missing at all.
_ENOUGH_ROWS = 50
# So few events beside so many expected ones are an outage, however often hours are looked at.
_ENOUGH_EXPECTED = 16
_FEWEST_DAYS_BEFORE = 3
# A name that has become at least so many times more frequent may be the new one.
_RISEN = 3


@dataclass(frozen=True)
class DayRows:
    """The raw rows of a day beside the median of the days before the cohort."""

    day: date
    events: int
    usual_events: float
    others: int
    usual_others: float
    files: int
    usual_files: float

    @property
    def event_share(self) -> float:
        """The rows of the exposure event, as a share of the usual ones; at most 1."""
        return min(1.0, self.events / self.usual_events) if self.usual_events else float(self.events > 0)

    @property
    def other_share(self) -> float | None:
        """Likewise of all other events; null where there are too few to tell."""
        return min(1.0, self.others / self.usual_others) if self.usual_others >= _ENOUGH_ROWS else None

    @property
    def is_missing(self) -> bool:
        """Whether rows of all events are missing: hardly any is there, or files are missing too.

        Rows of all events alike also become fewer because experiments end.
        """
        if self.is_gone:
            return True
        if self.event_share >= _FEWER or self.files >= self.usual_files:
            return False
        return self.other_share is None or (
            self.other_share < _FEWER_OF_ALL and self.event_share < self.other_share + _ALIKE
        )

    @property
    def is_gone(self) -> bool:
        """Whether hardly any row of any event is there."""
        others = self.files > 0 if self.other_share is None else self.other_share >= _HARDLY_ANY
        return self.event_share < _HARDLY_ANY and not others

    @property
    def is_without_event(self) -> bool:
        """Whether only the exposure event is missing."""
        return self.event_share < _HARDLY_ANY and not self.is_missing


def day_rows_of(evidence: Evidence) -> list[DayRows]:
    """The observed days, in order; empty where no day before them is known."""
    is_event = pl.col("event_name") == evidence.case.event
    by_day = evidence.names.group_by("day").agg(
        events=pl.col("row_count").filter(is_event).sum(),
        others=pl.col("row_count").filter(~is_event).sum(),
    )
    found = {row["day"]: row for row in by_day.iter_rows(named=True)}
    before = by_day.filter(pl.col("day") < evidence.case.day)
    usual = before.select(
        events=pl.col("events").median().fill_null(0.0), others=pl.col("others").median().fill_null(0.0)
    ).row(0, named=True)
    ready = evidence.files.filter(status="ready")["arrival_date"].to_list()
    files_before = [ready.count(day) for day in evidence.days_before]
    return [
        DayRows(
            day=day,
            events=found.get(day, {}).get("events", 0),
            usual_events=usual["events"],
            others=found.get(day, {}).get("others", 0),
            usual_others=usual["others"],
            files=ready.count(day),
            usual_files=statistics.median(files_before) if files_before else 0,
        )
        for day in evidence.observed_days
    ]


def event_name(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Is the exposure event in the log at all, or is it sent under another name?"""
    days = day_rows_of(evidence)
    event = evidence.case.event
    numbers = [
        Number(name=f"rows of {event} on {one.day}", found=one.events, expected=one.usual_events)
        for one in days[:3]
    ]
    renamed = _renamed(evidence)
    without = [one for one in days if one.is_without_event]
    if evidence.is_held_against_the_past:
        lost = sum(_lost(evidence, one.day, 1 - one.event_share) for one in without)
    else:
        lost = evidence.drop.missing_units if len(without) == len(days) else 0.0
    candidates = list(renamed)
    if without:
        key = f"{event} on {_spoken([one.day for one in without])}"
        names = _names_like(evidence, event)
        hint = f"; {names} came instead or is alike" if names else ""
        candidates.append(
            Candidate(
                cause="event_not_seen",
                key=key,
                explained_units=evidence.missing(lost),
                evidence=f"{sum(one.events for one in without)} rows of {event} on "
                f"{_spoken([one.day for one in without])}, {without[0].usual_events:.0f} a day before; "
                f"{sum(one.others for one in without)} rows of other events{hint}",
                priority=1.1,
            )
        )
    return numbers, candidates


def _renamed(evidence: Evidence) -> Iterator[Candidate]:
    marks = evidence.marks.filter(pl.col("cause") == "event_renamed")
    excess = evidence.excesses(marks.select("unit_id", mark="key").unique(), _first_raw_cohort(evidence))
    for row in excess.iter_rows(named=True):
        yield Candidate(
            cause="event_renamed",
            key=row["mark"],
            explained_units=evidence.missing(row["units"] - row["expected"]),
            evidence=f"{row['units']:.0f} missing units have events {row['mark']} that name the experiment, "
            f"{row['expected']:.1f} to expect",
            priority=1.0,
        )


def _first_raw_cohort(evidence: Evidence) -> date | None:
    return min(evidence.days_before, default=None)


def _names_like(evidence: Evidence, event: str) -> str:
    """Names that carry the experiment, that rose, or that are close to the event's, three at most."""
    is_after = pl.col("day") >= evidence.case.day
    days_before = max(1, len(evidence.days_before))
    counts = (
        evidence.names.filter(pl.col("event_name") != event)
        .group_by("event_name")
        .agg(
            after=pl.col("row_count").filter(is_after).sum() / len(evidence.observed_days),
            before=pl.col("row_count").filter(~is_after).sum() / days_before,
        )
        .filter(pl.col("after") > _RISEN * pl.col("before"))
        .sort(-pl.col("after"), "event_name")
    )
    seen = evidence.names["event_name"].unique().sort().to_list()
    near = [name for name in get_close_matches(event, seen, n=3, cutoff=0.7) if name != event]
    names = [*evidence.carriers["event_name"], *near, *counts["event_name"]]
    return ", ".join(list(dict.fromkeys(names))[:3])


def ingestion(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Have all files of the observed days arrived, whole and in time?"""
    days = day_rows_of(evidence)
    numbers = [
        Number(
            name=f"rows of all events on {one.day}",
            found=one.events + one.others,
            expected=one.usual_events + one.usual_others,
        )
        for one in days[:3]
    ]
    numbers.append(_lateness(evidence))
    candidates = [*_missing_days(evidence, days), *_quarantined(evidence, days)]
    if evidence.is_held_against_the_past:
        candidates += _late(evidence)
    return numbers, candidates


def _missing_days(evidence: Evidence, days: list[DayRows]) -> Iterator[Candidate]:
    missing = [one for one in days if one.is_missing]
    if not missing:
        return
    lost = sum(_lost(evidence, one.day, 1 - one.event_share) for one in missing)
    key = _spoken([one.day for one in missing])
    files = sum(one.files for one in missing)
    yield Candidate(
        cause="partition_missing",
        key=key,
        explained_units=evidence.missing(lost),
        evidence=f"{sum(one.events + one.others for one in missing)} rows of all events on {key}, "
        f"{(missing[0].usual_events + missing[0].usual_others) * len(missing):.0f} to expect; {files} files with that "
        "arrival day",
        priority=2.0,
    )


def _quarantined(evidence: Evidence, days: list[DayRows]) -> Iterator[Candidate]:
    observed = {one.day: one for one in days}
    bad = evidence.files.filter(
        pl.col("status") == "quarantined", pl.col("arrival_date").is_in(list(observed))
    ).sort("path")
    if bad.is_empty():
        return
    hurt = [observed[day] for day in bad["arrival_date"].unique().sort()]
    lost = sum(_lost(evidence, one.day, 1 - one.event_share) for one in hurt if one.event_share < _FEWER)
    yield Candidate(
        cause="file_quarantined",
        key=", ".join(bad["path"].head(3)),
        explained_units=evidence.missing(lost),
        evidence=f"{bad.height} unreadable files: {bad['reason'][0]}; {sum(one.events for one in hurt)} rows of the "
        f"event on their days, {sum(one.usual_events for one in hurt):.0f} to expect",
        priority=1.9,
    )


def _lateness(evidence: Evidence) -> Number:
    late = pl.col("row_count").filter(pl.col("arrival_date") > pl.col("day")).sum()
    share = late / pl.col("row_count").sum()
    is_before = pl.col("day") < evidence.case.day
    before = evidence.arrivals.filter(is_before).select(share).item()
    found = evidence.arrivals.filter(pl.col("day") == evidence.case.day).select(share).item()
    return Number(
        name="share of the event's rows that arrived after their day",
        found=0.0 if found is None else found,
        expected=before,
    )


def _late(evidence: Evidence) -> Iterator[Candidate]:
    """More of the cohort day's rows than usual came late: others are likely to be still on their way."""
    counts = evidence.arrivals.group_by(assignment_date="day").agg(
        assigned_units=pl.col("row_count").sum(),
        hits=pl.col("row_count").filter(pl.col("arrival_date") > pl.col("day")).sum(),
    )
    for row in evidence.rises(counts.with_columns(mark=pl.lit("late"))).iter_rows(named=True):
        total = counts.filter(assignment_date=evidence.case.day)["assigned_units"].item()
        share = (row["units"] - row["expected"]) / total
        yield Candidate(
            cause="late_data",
            key=str(evidence.case.day),
            explained_units=evidence.missing(share * evidence.expected_first_exposures(evidence.case.day)),
            evidence=f"{row['units']:.0f} of {total} rows of the event arrived after {evidence.case.day}, "
            f"{row['expected']:.0f} to expect",
            priority=2.5,
        )


def hours(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Did hours of the observed days go without exposures, although units were assigned?"""
    if len(evidence.days_of_exposures_before) < _FEWEST_DAYS_BEFORE:
        return [], []
    usual = _usual_hours(evidence)
    found = {
        (row["day"], row["hour"]): row["unit_count"] for row in evidence.exposed_hours.iter_rows(named=True)
    }
    out: list[tuple[date, int, int]] = []
    numbers = []
    for day in evidence.observed_days:
        counts = [found.get((day, hour), 0) for hour in range(24)]
        level = _level(counts, usual)
        for first, last in _runs(counts, usual, level):
            expected = level * sum(usual[first:last])
            numbers.append(
                Number(
                    name=f"exposed units on {day} from {first:02}:00 to {last:02}:00",
                    found=sum(counts[first:last]),
                    expected=expected,
                )
            )
            out.append((day, first, last))
    if not out:
        counts = [found.get((evidence.case.day, hour), 0) for hour in range(24)]
        level = _level(counts, usual)
        worst = min(range(24), key=lambda hour: counts[hour] - level * usual[hour])
        numbers = [
            Number(
                name=f"exposed units in the worst hour of {evidence.case.day}, {worst:02}:00",
                found=counts[worst],
                expected=level * usual[worst],
            )
        ]
        return numbers, []
    lost = sum(
        max(
            0.0,
            evidence.expected_first_exposures(day, (first, last))
            - evidence.first_exposures(day, (first, last)),
        )
        for day, first, last in out
    )
    key = ", ".join(f"{day} {first:02}:00 to {last:02}:00" for day, first, last in out[:3])
    assigned = sum(_assigned_within(evidence, day, first, last) for day, first, last in out)
    candidate = Candidate(
        cause="outage_of_hours",
        key=key,
        explained_units=evidence.missing(lost),
        evidence=f"{sum(number.found for number in numbers):.0f} exposed units in these hours, "
        f"{sum(number.expected or 0 for number in numbers):.0f} to expect; {assigned} units were assigned meanwhile",
        priority=5.0,
    )
    return numbers, [candidate]


def _usual_hours(evidence: Evidence) -> list[float]:
    """Exposed units by hour of day, of a usual day before the cohort."""
    before = evidence.exposed_hours.filter(pl.col("day").is_in(evidence.days_of_exposures_before))
    by_hour = before.group_by("hour").agg(pl.col("unit_count").sum())
    days = max(1, before["day"].n_unique())
    sums = dict(by_hour.iter_rows())
    return [sums.get(hour, 0) / days for hour in range(24)]


def _level(counts: list[int], usual: list[float]) -> float:
    """How busy a day was beside the usual one, told by its better hours: a quarter of them are above it."""
    shares = sorted(found / expected for found, expected in zip(counts, usual, strict=True) if expected > 0)
    return shares[len(shares) * 3 // 4] if shares else 0.0


def _runs(counts: list[int], usual: list[float], level: float) -> Iterator[tuple[int, int]]:
    """Runs of hours, first included and last not, with hardly any exposures where enough were to be expected."""
    is_low = [found <= _HARDLY_ANY * level * expected for found, expected in zip(counts, usual, strict=True)]
    start = 0
    while start < 24:
        end = start
        while end < 24 and is_low[end]:
            end += 1
        if end > start and level * sum(usual[start:end]) >= _ENOUGH_EXPECTED:
            yield start, end
        start = max(end, start + 1)


def _assigned_within(evidence: Evidence, day: date, first: int, last: int) -> int:
    at = pl.col("assigned_at")
    return evidence.cohort.filter(at.dt.date() == day, at.dt.hour() >= first, at.dt.hour() < last).height


def _lost(evidence: Evidence, day: date, share: float) -> float:
    """First exposures that were to be expected on a day and are not there, as far as the share of its rows is lost."""
    expected = evidence.expected_first_exposures(day)
    return max(0.0, min(share * expected, expected - evidence.first_exposures(day)))


def _spoken(days: list[date]) -> str:
    """Days in words: those in a row as a range."""
    first, last = days[0], days[-1]
    if len(days) > 1 and last - first == timedelta(days=len(days) - 1):
        return f"{first} to {last}"
    return ", ".join(map(str, days))
