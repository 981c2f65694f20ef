"""Telling a shift of a cohort's rates or volume from chance: the mathematics of the statistical checks.

Which shift is alarming is the catalog's `[quality]`; what is said about it, the checks' business.
"""

import math

import polars as pl

# A past of fewer cohorts says more about these days than about what is usual.
FEWEST_PAST_COHORTS = 3
# Without known weekdays a volume has to be this many times more or fewer.
EARLY_FACTOR = 3.0
# The past of a weekday: its last four weeks.
_WEEKS = 4
# So many of the 7 days before a day say at which level its volume is.
_DAYS_OF_A_LEVEL = 5
# So many days beyond the first of each weekday tell weekdays from chance.
_DAYS_TO_KNOW_WEEKDAYS = 7
# What days of other experiments vary by, in variances of a binomial, counts like so many days of the own past.
_ASSUMED_DISPERSION, _ASSUMED_DAYS = 1.5, 5
# Weekdays rarely differ by more of a rate's logit; holds until the past has the weekday.
_WEEKDAY_LOGIT = 0.1
# The standard deviation of a normal distribution, in medians of the distance from its median.
_SD_OF_MEDIAN_DISTANCE = 1.4826
# The same for proportions of volumes, whose levels and weekdays are estimates too: calibrated by `benchmarks.alerts`.
_SD_OF_PROPORTIONS = 2.2
_COHORT = ["experiment_id", "assignment_date"]


def rate_shifts(
    cohorts: pl.LazyFrame, counted: str, limits: pl.LazyFrame, *, only_rises: bool = False
) -> pl.LazyFrame:
    """Compare a rate of every cohort with the same rate of the days before it.

    Grain out: one row per cohort, with `units, rate, past_rate, past_units, past_cohorts, dispersion, shift, z,
    is_judged, has_shifted`. A cohort has shifted when the difference is larger than `smallest_shift` **and** at least
    as unlikely by chance as `shift_z`: a thousandth of a million units may be no alarm, and 3 of 5 are none. Days that
    are themselves that far from the median of the past, and of their weekday, are no part of it: one bad day would
    make the good ones after it look strange.

    `past_rate` leans towards the rate of the same weekday, by how much more weekdays differ in the past than days
    alike do. `z` is the signed root of the likelihood ratio of two binomials, corrected for continuity: it counts the
    past as an estimate of its own size, and unlike the difference over its standard error it holds where a rate is
    near 0. It is divided by the root of `dispersion`, how many times more the days of the past vary than binomials.

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
    past = _past_rates(_without_outliers(_others(counts, limits, _days_before()), limits))
    size = pl.col("shift") if only_rises else pl.col("shift").abs()
    return (
        _with_past(counts, past, limits)
        .with_columns(
            rate=pl.col("hits") / pl.col("units"),
            z=_rate_z() / (pl.col("dispersion") + _unseen_weekday()).sqrt(),
        )
        .with_columns(pl.col("rate", "past_rate", "z").fill_nan(None))
        .with_columns(shift=pl.col("rate") - pl.col("past_rate"))
        .with_columns(
            is_judged=_all_of(
                pl.col("units") >= pl.col("min_units"),
                pl.col("all_past_units") >= pl.col("min_units"),
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
            pl.col("units").cast(pl.Int64),
            pl.col("all_past_units").cast(pl.Int64).alias("past_units"),
            *("past_cohorts", "dispersion", "rate", "past_rate", "shift", "z", "is_judged", "has_shifted"),
        )
    )


def _past_rates(others: pl.LazyFrame) -> pl.LazyFrame:
    """Per cohort the rate to expect, the units that it is worth, and how the days vary around such rates."""
    units, hits = pl.col("past_units"), pl.col("past_hits")
    # One by one: a plain sum of floats adds in blocks.
    weekdays = (
        others.sort(*_COHORT, "days_apart")
        .group_by(*_COHORT, pl.col("days_apart") % 7)
        .agg(
            days=pl.len().cast(pl.Int64),
            units=units.sum(),
            hits=hits.cum_sum().last(),
            squares=_square(hits, units).cum_sum().last(),
        )
    )
    is_own = pl.col("days_apart") == 0
    sums = (
        weekdays.sort(*_COHORT, "days_apart")
        .group_by(_COHORT)
        .agg(
            past_cohorts=pl.col("days").sum(),
            weekdays=pl.len().cast(pl.Int64),
            all_past_units=pl.col("units").sum(),
            all_hits=pl.col("hits").cum_sum().last(),
            squares=pl.col("squares").sum(),
            weekday_squares=_square(pl.col("hits"), pl.col("units")).cum_sum().last(),
            own_days=pl.col("days").filter(is_own).sum(),
            own_units=pl.col("units").filter(is_own).sum(),
            own_hits=pl.col("hits").filter(is_own).sum(),
        )
    )
    share = pl.col("all_hits") / pl.col("all_past_units")
    one = share * (1 - share)
    inner = pl.col("past_cohorts") - pl.col("weekdays")
    between = ((pl.col("weekday_squares") - pl.col("all_hits") * share) / one).fill_nan(0.0)
    within = ((pl.col("squares") - pl.col("weekday_squares")) / one).fill_nan(0.0)
    alike = (within / inner).clip(lower_bound=1.0) * (pl.col("weekdays") - 1)
    is_known = (inner >= _DAYS_TO_KNOW_WEEKDAYS) & (pl.col("own_days") > 1) & (between > alike)
    lean = pl.col("lean")
    own_rate = (pl.col("own_hits") / pl.col("own_units")).fill_nan(0.0)
    freedom = pl.col("past_cohorts") - 1 - lean * (pl.col("weekdays") - 1)
    scatter = within + (1 - lean) ** 2 * between + _ASSUMED_DISPERSION * _ASSUMED_DAYS
    own_part = pl.when(lean > 0).then(lean**2 / pl.col("own_units")).otherwise(0.0)
    return (
        sums.with_columns(lean=pl.when(is_known).then(1 - alike / between).otherwise(0.0))
        .with_columns(
            past_rate=(lean * own_rate + (1 - lean) * share).fill_nan(None),
            past_units=1 / (own_part + (1 - lean**2) / pl.col("all_past_units")),
            dispersion=(scatter / (freedom + _ASSUMED_DAYS)).clip(lower_bound=1.0),
        )
        .with_columns(past_hits=pl.col("past_rate") * pl.col("past_units"))
    )


def _square(hits: pl.Expr, units: pl.Expr) -> pl.Expr:
    return pl.when(units > 0).then(hits**2 / units).otherwise(0.0)


def _unseen_weekday() -> pl.Expr:
    """What a weekday that the past doesn't have may differ by, in variances of a binomial."""
    one = pl.col("past_rate") * (1 - pl.col("past_rate"))
    by_chance = 1 / pl.col("units") + 1 / pl.col("past_units")
    return pl.when(pl.col("own_days") == 0).then(_WEEKDAY_LOGIT**2 * one / by_chance).otherwise(0.0)


def volume_shifts(cohorts: pl.LazyFrame, limits: pl.LazyFrame) -> pl.LazyFrame:
    """Compare the units of every cohort with what its weekday and the days before it let expect.

    A day is put in proportion to the median of the 7 days before it, and this proportion is compared with its median on
    the same weekday of the last four weeks, three of which have to be known: neither a weekday nor a trend is a shift.
    How far proportions are from those of their weekday, by the median, is the scatter that chance gets. Medians,
    because one extraordinary day would make every day after it look small.

    Without three such weeks it is the median of the last `baseline_days`, and a shift is at least `EARLY_FACTOR`.

    Grain out: one row per cohort, with `units, past_units` (what is expected)`, past_cohorts, is_same_weekday, z,
    is_judged, has_shifted`.

    Args:
        cohorts: `experiment_id, assignment_date, assigned_units`; a row per cohort of a whole day of enrollment.
        limits: Per experiment `baseline_days, min_units, volume_factor, shift_z`.
    """
    counts = cohorts.select(*_COHORT, units=pl.col("assigned_units").cast(pl.Float64)).filter(
        pl.col("units") > 0
    )
    recent = _medians(_others(counts, limits, _days_before()))
    past = pl.concat(
        [
            (weekly := _weekly_volumes(counts, limits)).with_columns(is_same_weekday=pl.lit(True)),
            recent.join(weekly, on=_COHORT, how="anti").with_columns(
                spread=pl.lit(0.0), is_same_weekday=pl.lit(False)
            ),
        ],
        how="diagonal",
    )
    units, usual = pl.col("units"), pl.col("past_units")
    early = pl.max_horizontal(pl.col("volume_factor"), pl.lit(EARLY_FACTOR))
    factor = pl.when("is_same_weekday").then(pl.col("volume_factor")).otherwise(early)
    is_far = (units > usual * factor) | (units * factor < usual)
    by_scatter = ((units / usual).log() / pl.col("spread")).fill_nan(0.0)
    by_chance = _volume_z()
    return (
        _with_past(counts, past, limits)
        .with_columns(
            z=pl.when(by_scatter.abs() < by_chance.abs()).then(by_scatter).otherwise(by_chance),
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


def _weekly_volumes(counts: pl.LazyFrame, limits: pl.LazyFrame) -> pl.LazyFrame:
    """Per cohort with three known weeks the units to expect, and the scatter of proportions, as a logarithm."""
    levels = (
        _medians(_others(counts, limits, pl.int_ranges(1, pl.lit(8))))
        .filter(pl.col("past_cohorts") >= _DAYS_OF_A_LEVEL)
        .select(*_COHORT, level=pl.col("past_units").log())
    )
    proportions = counts.join(levels, on=_COHORT).select(
        *_COHORT, "level", hits=pl.col("units").log() - pl.col("level"), units="units"
    )
    residue = pl.col("days_apart") % 7
    past = _others(proportions, limits, pl.int_ranges(1, pl.lit(7 * _WEEKS + 1)))
    off = (pl.col("past_hits") - pl.col("past_hits").median().over(*_COHORT, residue)).abs()
    is_own = residue == 0
    judged = (
        past.with_columns(off=off, residue=residue)
        .group_by(_COHORT)
        .agg(
            usual=pl.col("past_hits").filter(is_own).median(),
            past_cohorts=is_own.sum().cast(pl.Int64),
            off=pl.col("off").median(),
            freedom=(pl.len() - pl.col("residue").n_unique()) / pl.len(),
        )
        .filter(pl.col("past_cohorts") >= FEWEST_PAST_COHORTS)
    )
    return (
        proportions.join(judged, on=_COHORT)
        .with_columns(spread=_SD_OF_PROPORTIONS * pl.col("off") / pl.col("freedom"))
        .select(
            *_COHORT,
            "past_cohorts",
            past_units=(pl.col("level") + pl.col("usual")).exp(),
            spread=pl.col("spread") * (1 + math.pi / 2 / pl.col("past_cohorts")).sqrt(),
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


def unassigned_z() -> pl.Expr:
    """How unlikely so many units without assignment are if their share were `unassigned_share`."""
    return shortfall_z(
        pl.col("unassigned_exposed_units"), pl.col("exposed_on_day"), pl.col("unassigned_share")
    )


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
    """The past without days whose rate is further from its median, and its weekday's, than is usual there."""
    units = pl.col("past_units")
    rate = (pl.col("past_hits") / units).fill_nan(None)
    median = rate.median().over(_COHORT)
    weekday = rate.median().over(*_COHORT, pl.col("days_apart") % 7)
    days_alike = pl.len().over(*_COHORT, pl.col("days_apart") % 7)
    # One hit and one miss more than there were: even a past without any hit knows its rate only so well.
    smoothed = (median * units + 1) / (units + 2)
    by_chance = (smoothed * (1 - smoothed) / units).sqrt()
    by_scatter = _SD_OF_MEDIAN_DISTANCE * (rate - median).abs().median().over(_COHORT)
    usual = pl.max_horizontal(by_chance, by_scatter) * pl.col("shift_z")
    distance = (rate - median).abs()
    is_alike = _all_of((rate - weekday).abs() <= usual, days_alike >= FEWEST_PAST_COHORTS)
    is_outlier = _all_of(distance > pl.col("smallest_shift"), distance > usual, units > 0, ~is_alike)
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
