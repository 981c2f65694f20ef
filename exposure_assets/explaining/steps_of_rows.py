"""The step about rows that arrived and did not count: rejected, or kept out by the filter of their source.

Days without rows are looked at in `steps_of_days`, the units in `steps_of_units`.
"""

from collections.abc import Iterator

import polars as pl

from exposure_assets.explaining.evidence import Evidence
from exposure_assets.explaining.findings import Candidate, Number

# The bucket of the waterfall that leads to a cause of another name.
_CAUSES = {"malformed": "malformed_rows", "duplicate": "duplicate_event_ids"}
_NAMED = ("unknown_variation", "unknown_experiment", "unresolved_template", "ambiguous_attribution")


def rejects(evidence: Evidence) -> tuple[list[Number], list[Candidate]]:
    """Do missing units have exposure events that were rejected, more than usual?"""
    last_age = evidence.case.age_days
    is_own = (pl.col("arrival_date") >= pl.col("assignment_date")) & (
        (pl.col("arrival_date") - pl.col("assignment_date")).dt.total_days() <= last_age
    )
    marked = (
        evidence.rejects.join(evidence.units.select("unit_id", "assignment_date"), on="unit_id")
        .filter(is_own)
        .select("unit_id", mark="reason")
        .unique()
    )
    excess = evidence.excesses(marked)
    candidates = [_of_reason(evidence, row) for row in excess.iter_rows(named=True)]
    known = {one.cause for one in candidates}
    candidates += [one for one in _without_unit(evidence) if one.cause not in known]
    candidates += _filtered_out(evidence)
    return _numbers(evidence), candidates


def _of_reason(evidence: Evidence, row: dict[str, float]) -> Candidate:
    reason = str(row["mark"])
    return Candidate(
        cause=_CAUSES.get(reason, reason),
        key=_most_named(evidence, reason) if reason in _NAMED else None,
        explained_units=evidence.missing(row["units"] - row["expected"]),
        evidence=f"{row['units']:.0f} missing units have exposure events rejected as {reason}, "
        f"{row['expected']:.1f} to expect",
        priority=3.0,
    )


def _most_named(evidence: Evidence, reason: str) -> str | None:
    """The name that most of the cohort's rejected rows carry; of several, the smallest."""
    names = (
        evidence.rejects.filter(pl.col("reason") == reason, pl.col("arrival_date") >= evidence.case.day)
        .join(evidence.cohort.filter(~pl.col("is_found")).select("unit_id"), on="unit_id")
        .drop_nulls("name")
        .group_by("name")
        .agg(row_count=pl.len().cast(pl.Int64))
        .sort(-pl.col("row_count"), "name")
    )
    return None if names.is_empty() else names["name"][0]


def _without_unit(evidence: Evidence) -> Iterator[Candidate]:
    """Malformed rows that name no unit: as many missing units as there are more of them, at a unit's usual rows."""
    total = evidence.arrivals.group_by(assignment_date="day").agg(assigned_units=pl.col("row_count").sum())
    nameless = (
        evidence.rejects.filter(pl.col("reason") == "malformed", pl.col("unit_id").is_null())
        .group_by(assignment_date="arrival_date")
        .agg(hits=pl.len().cast(pl.Int64))
    )
    # Rows without a time have no day and are in no total; they come on top.
    counts = total.join(nameless, on="assignment_date", how="left").with_columns(
        pl.col("hits").fill_null(0), mark=pl.lit("malformed")
    )
    counts = counts.with_columns(pl.max_horizontal("assigned_units", "hits").alias("assigned_units"))
    found = total.filter(assignment_date=evidence.case.day)["assigned_units"].sum()
    for row in evidence.rises(counts).iter_rows(named=True):
        share = (row["units"] - row["expected"]) / max(1.0, found)
        yield Candidate(
            cause="malformed_rows",
            explained_units=evidence.missing(share * (evidence.drop.expected_units or 0.0)),
            evidence=f"{row['units']:.0f} malformed exposure events without a unit arrived on {evidence.case.day}, "
            f"{row['expected']:.0f} to expect",
            priority=3.0,
        )


def _filtered_out(evidence: Evidence) -> Iterator[Candidate]:
    marks = evidence.marks.filter(pl.col("cause") == "filtered_out")
    since = min(evidence.days_before, default=None)
    excess = evidence.excesses(marks.select("unit_id", mark="key").unique(), since)
    for row in excess.iter_rows(named=True):
        yield Candidate(
            cause="filtered_out",
            key=str(row["mark"]),
            explained_units=evidence.missing(row["units"] - row["expected"]),
            evidence=f"{row['units']:.0f} missing units have exposure events that the filter keeps out, "
            f"{row['expected']:.1f} to expect",
            priority=3.0,
        )


def _numbers(evidence: Evidence) -> list[Number]:
    """Rejected rows by reason on the cohort day, beside the mean of the days before."""
    days = max(1, len(evidence.days_before))
    since = min(evidence.days_before, default=evidence.case.day)
    is_today = pl.col("arrival_date") == evidence.case.day
    is_before = pl.col("arrival_date").is_between(since, evidence.case.day, closed="left")
    counts = (
        evidence.rejects.group_by("reason")
        .agg(found=is_today.sum().cast(pl.Int64), expected=is_before.sum() / days)
        .sort("reason")
    )
    if counts.is_empty():
        return [Number(name=f"rejected rows on {evidence.case.day}", found=0, expected=0)]
    return [
        Number(
            name=f"rows rejected as {row['reason']} on {evidence.case.day}",
            found=row["found"],
            expected=row["expected"],
        )
        for row in counts.iter_rows(named=True)
    ]
