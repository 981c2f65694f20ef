"""Telling a shift of a cohort's rates or volume from chance: the mathematics of the statistical checks.

Which shift is alarming is the catalog's `[quality]`; what is said about it, the checks' business.
"""

import math

import polars as pl

# A past of fewer cohorts says more about these days than about what is usual.
FEWEST_PAST_COHORTS = 3
# The past of a weekday: its last four weeks.
_WEEKS = 4
_COHORT = ["experiment_id", "assignment_date"]


def rate_shifts(
    cohorts: pl.LazyFrame, counted: str, limits: pl.LazyFrame, *, only_rises: bool = False
) -> pl.LazyFrame:
    """Compare a rate of every cohort with the same rate of the days before it, taken together.

    Grain out: one row per cohort, with `units, rate, past_rate, past_units, past_cohorts, shift, z, is_judged,
    has_shifted`. A cohort has shifted when the difference is larger than `smallest_shift` **and** at least as
    unlikely by chance as `shift_z`: a thousandth of a million units is no alarm, and neither are 3 of 5. Days that
    are themselves that far from the median of the past are no part of it: one bad day would make the good ones after
    it look strange.

    `z` is the signed root of the likelihood ratio of two binomials, corrected for continuity: it counts the past as
    an estimate of its own size, and unlike the difference over its standard error it holds where a rate is near 0.

    Args:
        cohorts: `experiment_id, assignment_date, assigned_units` and the column `counted`; a row per cohort, those
            that had their time for exposure.
        counted: The column whose share of `assigned_units` is the rate.
        limits: Per experiment `baseline_days, min_units, smallest_shift, shift_z`.
        only_rises: A fall is good news and no shift.
    """
    counts = cohorts.select(
        *_COHORT, units=pl.col("assigned_units").cast(pl.Float64), hits=pl.col(counted).cast(pl.Float64)
    )
    past = (
        _without_outliers(_others(counts, limits, _days_before()), limits)
        .group_by(_COHORT)
        .agg(pl.col("past_units", "past_hits").sum(), past_cohorts=pl.len().cast(pl.Int64))
    )
    size = pl.col("shift") if only_rises else pl.col("shift").abs()
    return (
        _with_past(counts, past, limits)
        .with_columns(
            rate=pl.col("hits") / pl.col("units"),
            past_rate=pl.col("past_hits") / pl.col("past_units"),
            z=_rate_z(),
        )
        .with_columns(pl.col("rate", "past_rate", "z").fill_nan(None))
        .with_columns(shift=pl.col("rate") - pl.col("past_rate"))
        .with_columns(
            is_judged=_all_of(
                pl.col("units") >= pl.col("min_units"),
                pl.col("past_units") >= pl.col("min_units"),
                pl.col("past_cohorts") >= FEWEST_PAST_COHORTS,
            )
        )
        .with_columns(
            has_shifted=_all_of(
                "is_judged", size > pl.col("smallest_shift"), pl.col("z").abs() >= pl.col("shift_z")
            )
        )
        .select(
            *_COHORT,
            pl.col("units", "past_units").cast(pl.Int64),
            *("past_cohorts", "rate", "past_rate", "shift", "z", "is_judged", "has_shifted"),
        )
    )


def volume_shifts(cohorts: pl.LazyFrame, limits: pl.LazyFrame) -> pl.LazyFrame:
    """Compare the units of every cohort with the median of the days before it.

    These are the same weekday of the last four weeks, where at least three of them have a cohort, otherwise the
    last `baseline_days`. A median, because one extraordinary day would make every day after it look small.

    Grain out: one row per cohort, with `units, past_units` (the median)`, past_cohorts, is_same_weekday, z, is_judged,
    has_shifted`.

    Args:
        cohorts: `experiment_id, assignment_date, assigned_units`; a row per cohort of a whole day of enrollment.
        limits: Per experiment `baseline_days, min_units, volume_factor, shift_z`.
    """
    counts = cohorts.select(*_COHORT, units=pl.col("assigned_units").cast(pl.Float64)).filter(
        pl.col("units") > 0
    )
    recent = _medians(_others(counts, limits, _days_before()))
    by_weekday = _medians(_others(counts, limits, pl.int_ranges(1, pl.lit(_WEEKS + 1)) * 7)).filter(
        pl.col("past_cohorts") >= FEWEST_PAST_COHORTS
    )
    past = pl.concat(
        [
            by_weekday.with_columns(is_same_weekday=pl.lit(True)),
            recent.join(by_weekday, on=_COHORT, how="anti").with_columns(is_same_weekday=pl.lit(False)),
        ]
    )
    units, usual, factor = pl.col("units"), pl.col("past_units"), pl.col("volume_factor")
    is_far = (units > usual * factor) | (units * factor < usual)
    return (
        _with_past(counts, past, limits)
        .with_columns(
            z=_volume_z(),
            is_judged=_all_of(
                pl.max_horizontal(units, usual) >= pl.col("min_units"),
                pl.col("past_cohorts") >= FEWEST_PAST_COHORTS,
            ),
        )
        .with_columns(has_shifted=_all_of("is_judged", is_far, pl.col("z").abs() >= pl.col("shift_z")))
        .select(
            *_COHORT,
            units.cast(pl.Int64),
            *("past_units", "past_cohorts", "is_same_weekday", "z", "is_judged", "has_shifted"),
        )
    )


def missing_cohorts(cohorts: pl.LazyFrame, enrollment: pl.LazyFrame, limits: pl.LazyFrame) -> pl.LazyFrame:
    """Judge the days of enrollment on which nobody was assigned, although somebody was on a later day.

    Grain out: one row per such day, with `usual_units` (the median of the days around it, days without assignments
    included)`, z, is_missing`. Where days without assignments are usual, one more is not missing.

    Args:
        cohorts: `experiment_id, assignment_date, assigned_units`.
        enrollment: Per experiment `first_day, last_day`: the whole days of enrollment that data can be expected for.
        limits: Per experiment `baseline_days, shift_z`.
    """
    days = (
        enrollment.filter(pl.col("first_day") <= pl.col("last_day"))
        .select("experiment_id", assignment_date=pl.date_ranges("first_day", "last_day"))
        .explode("assignment_date")
    )
    counts = days.join(cohorts, on=_COHORT, how="left").select(
        *_COHORT, units=pl.col("assigned_units").fill_null(0).cast(pl.Float64)
    )
    last = (
        counts.filter(pl.col("units") > 0).group_by("experiment_id").agg(last=pl.col("assignment_date").max())
    )
    days_around = pl.int_ranges(-pl.col("baseline_days"), pl.col("baseline_days") + 1)
    empty = (
        counts.join(last, on="experiment_id")
        .filter(pl.col("units") == 0, pl.col("assignment_date") < pl.col("last"))
        .drop("last")
    )
    around = _medians(_others(empty, limits, days_around, among=counts).filter(pl.col("days_apart") != 0))
    return (
        _with_past(empty, around, limits)
        .with_columns(z=_volume_z())
        .with_columns(
            is_missing=_all_of(
                pl.col("past_cohorts") >= FEWEST_PAST_COHORTS, pl.col("z").abs() >= pl.col("shift_z")
            )
        )
        .select(*_COHORT, pl.col("past_units").alias("usual_units"), "z", "is_missing")
    )


def shortfall_z(hits: pl.Expr, units: pl.Expr, threshold: pl.Expr) -> pl.Expr:
    """How unlikely so few hits are if the rate were `threshold`; negative below it, positive above."""
    surplus = _continuous(hits - units * threshold)
    ratio = _likelihood(units * threshold, surplus) + _likelihood(units * (1 - threshold), -surplus)
    return _signed_root(ratio, surplus)


def _days_before() -> pl.Expr:
    return pl.int_ranges(1, pl.col("baseline_days") + 1)


def _others(
    counts: pl.LazyFrame, limits: pl.LazyFrame, days_apart: pl.Expr, among: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """Per cohort the cohorts of its experiment that many days before it, their counts named `past_...`."""
    there = counts if among is None else among
    measures = [name for name in ("units", "hits") if name in there.collect_schema()]
    others = there.select(
        "experiment_id",
        pl.col("assignment_date").alias("other_date"),
        *(pl.col(name).alias(f"past_{name}") for name in measures),
    )
    return (
        counts.select(_COHORT)
        .join(limits, on="experiment_id")
        .select(*_COHORT, days_apart=days_apart)
        .explode("days_apart")
        .with_columns(other_date=pl.col("assignment_date") - pl.duration(days="days_apart"))
        .join(others, on=["experiment_id", "other_date"])
    )


def _without_outliers(others: pl.LazyFrame, limits: pl.LazyFrame) -> pl.LazyFrame:
    """The past without days whose rate is further from its median than `smallest_shift` and chance allow."""
    units = pl.col("past_units")
    rate = pl.col("past_hits") / units
    median = rate.fill_nan(None).median().over(_COHORT)
    # One hit and one miss more than there were: even a past without any hit knows its rate only so well.
    smoothed = (median * units + 1) / (units + 2)
    by_chance = (smoothed * (1 - smoothed) / units).sqrt()
    distance = (rate - median).abs()
    is_outlier = _all_of(
        distance > pl.col("smallest_shift"), distance > pl.col("shift_z") * by_chance, units > 0
    )
    rules = limits.select("experiment_id", "smallest_shift", "shift_z")
    return others.join(rules, on="experiment_id").filter(~is_outlier)


def _medians(others: pl.LazyFrame) -> pl.LazyFrame:
    return others.group_by(_COHORT).agg(
        past_units=pl.col("past_units").median(), past_cohorts=pl.len().cast(pl.Int64)
    )


def _with_past(counts: pl.LazyFrame, past: pl.LazyFrame, limits: pl.LazyFrame) -> pl.LazyFrame:
    return (
        counts.join(past, on=_COHORT, how="left")
        .join(limits, on="experiment_id")
        .with_columns(pl.col("past_cohorts").fill_null(0))
    )


def _all_of(*conditions: str | pl.Expr) -> pl.Expr:
    """Whether all hold; one that is unknown does not."""
    return pl.all_horizontal(conditions).fill_null(False)


def _rate_z() -> pl.Expr:
    units, past_units = pl.col("units"), pl.col("past_units")
    share = (pl.col("hits") + pl.col("past_hits")) / (units + past_units)
    surplus = _continuous(pl.col("hits") - units * share)
    ratio = sum(
        (
            _likelihood(units * share, surplus),
            _likelihood(units * (1 - share), -surplus),
            _likelihood(past_units * share, -surplus),
            _likelihood(past_units * (1 - share), surplus),
        ),
        start=pl.lit(0.0),
    )
    return _signed_root(ratio, surplus)


def _volume_z() -> pl.Expr:
    """How unlikely the units are beside the median of so many cohorts, if both come at one steady pace."""
    past_total = pl.col("past_units") * pl.col("past_cohorts")
    expected = (pl.col("units") + past_total) / (pl.col("past_cohorts") + 1)
    surplus = _continuous(pl.col("units") - expected)
    ratio = _likelihood(expected, surplus) + _likelihood(expected * pl.col("past_cohorts"), -surplus)
    return _signed_root(ratio, surplus)


def _continuous(surplus: pl.Expr) -> pl.Expr:
    """Counts are whole: half a unit of any surplus is rounding."""
    return surplus.sign() * (surplus.abs() - 0.5).clip(lower_bound=0.0)


def _likelihood(expected: pl.Expr, surplus: pl.Expr) -> pl.Expr:
    """`n log(n / expected)` for the n units that are `surplus` more than expected; infinite where none were."""
    found = expected + surplus
    unexpected = pl.when(found > 0, expected <= 0).then(math.inf).otherwise(0.0)
    return pl.when(found > 0, expected > 0).then(found * (found / expected).log()).otherwise(unexpected)


def _signed_root(ratio: pl.Expr, surplus: pl.Expr) -> pl.Expr:
    # Rounding may leave a ratio of nothing slightly below 0.
    return surplus.sign() * (2 * ratio.clip(lower_bound=0.0)).sqrt()
