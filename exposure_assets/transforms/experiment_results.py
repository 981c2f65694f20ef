"""How every treatment of an experiment compares with the control, as of every day, where the data allow a decision.

The statistics stand in `comparisons`; whose moments they are computed from, in `metric_moments` and `merged_moments`.
"""

from collections.abc import Mapping
from datetime import date

import polars as pl

from exposure_assets.contracts import (
    ANALYSIS_BASES,
    ESTIMATES,
    MOMENT_PARTS,
    Experiment,
    ExperimentResults,
    Metric,
    columns_of,
)
from exposure_assets.transforms.comparisons import (
    ComparedColumns,
    Comparison,
    Corrections,
    adjust_p_values,
    compare_with_control,
    without_idle_covariates,
)
from exposure_assets.transforms.merged_moments import as_aggregates, merged_until
from exposure_assets.transforms.metric_moments import Measure, measures_of

_SERIES = ("experiment_id", "variation_id", "analysis_basis", "metric_id")
_FAMILY = ("experiment_id", "analysis_basis", "as_of_date")
_STATES = ("state", "control_state")
# By whether it is a ratio, and whether it has covariates.
_METHODS = {
    (False, False): "welch",
    (False, True): "cuped",
    (True, False): "ratio",
    (True, True): "ratio_cuped",
}
_Measures = Mapping[tuple[str, str], Measure]


def experiment_results(
    moments: pl.LazyFrame,
    quality: pl.LazyFrame,
    experiments: Mapping[str, Experiment],
    metrics: Mapping[str, Metric],
    data_until: date | None,
) -> pl.DataFrame:
    """Compare every treatment with the control, per metric and analysis basis, as of every day.

    Grain out: (experiment_id, metric_id, variation_id, analysis_basis, as_of_date), sorted; from the first day that
    completes a unit until the last one with data, or the last one that can complete a unit. Where outcome windows reach
    beyond the data, one day more, marked as provisional: the one on which all of them will be over.

    An experiment that isn't valid on a day, or of which nothing is known on that day, has no estimates as of it, unless
    its `[results]` force them. P-values are adjusted over the metrics and treatments of a basis and day.

    Args:
        moments: Obeys `contracts.MetricMoments`; of these experiments every cohort.
        quality: Obeys `contracts.ExperimentQualityReport`.
        experiments: Experiments to compare, by id.
        metrics: All metrics of the catalog.
        data_until: Last UTC day with any data: there are no rows as of later ones. Null: there are none at all.
    """
    measures = {(e.id, m.metric_id): m for e in experiments.values() for m in measures_of(e, metrics)}
    measured = pl.DataFrame(
        [(*key, _method(_columns(measure))) for key, measure in measures.items()],
        schema={"experiment_id": pl.String, "metric_id": pl.String, "method": pl.String},
        orient="row",
    )
    cells = moments.join(measured.lazy(), on=["experiment_id", "metric_id"], how="semi").collect()
    states = _states(cells.filter(~pl.col("is_conflicting")))
    grid = _grid(cells, experiments, data_until).join(measured, on="experiment_id")
    rows = _judged(_paired(_counted(grid, cells, states), experiments), quality, experiments)
    return _adjusted(_compared(rows, states, measures), experiments).select(
        columns_of(ExperimentResults).keys()
    )


def _columns(measure: Measure) -> ComparedColumns:
    further = (part if part in measure.parts else None for part in MOMENT_PARTS[1:])
    return ComparedColumns(MOMENT_PARTS[0], *further)


def _method(columns: ComparedColumns) -> str:
    return _METHODS[columns.denominator is not None, columns.covariate is not None]


def _states(cells: pl.DataFrame) -> pl.DataFrame:
    """Per series and day that completes units the moments of all units until then, numbered."""
    units = pl.col("unit_count") + pl.col("missing_unit_count")
    return (
        merged_until(cells.with_columns(complete_units=units), _SERIES, ("completed_date", "assignment_date"))
        .with_columns(pl.col("missing_unit_count", "complete_units").cum_sum().over(_SERIES))
        .unique([*_SERIES, "completed_date"], keep="last", maintain_order=True)
        .with_row_index("state")
    )


def _grid(
    cells: pl.DataFrame, experiments: Mapping[str, Experiment], data_until: date | None
) -> pl.DataFrame:
    """The days that have rows, with every basis and variation, and until when there are data for them."""
    last = [
        (e.id, min(data_until, e.last_completion_date or data_until), variation.id)
        for e in experiments.values()
        if data_until is not None
        for variation in e.variations
    ]
    schema = {"experiment_id": pl.String, "last_date": pl.Date, "variation_id": pl.String}
    bases = pl.DataFrame({"analysis_basis": ANALYSIS_BASES})
    return (
        cells.filter(~pl.col("is_conflicting"))
        .group_by("experiment_id")
        .agg(first_date=pl.col("completed_date").min(), all_over_date=pl.col("completed_date").max())
        .join(pl.DataFrame(last, schema=schema, orient="row"), on="experiment_id")
        .with_columns(
            as_of_date=pl.concat_list(
                pl.date_ranges("first_date", pl.max_horizontal("first_date", "last_date")),
                pl.max_horizontal("all_over_date", "last_date"),
            ).list.unique()
        )
        .explode("as_of_date")
        .filter(
            (pl.col("as_of_date") <= pl.col("last_date")) | (pl.col("as_of_date") == pl.col("all_over_date"))
        )
        .with_columns(
            is_provisional=pl.col("as_of_date") > pl.col("last_date"),
            known_date=pl.min_horizontal("as_of_date", "last_date"),
        )
        .join(bases, how="cross")
        .drop("first_date", "last_date", "all_over_date")
    )


def _counted(grid: pl.DataFrame, cells: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """The grid with the state as of the day, and the units that are assigned until then."""
    units = pl.col("unit_count") + pl.col("missing_unit_count")
    assigned = (
        cells.group_by(*_SERIES, "assignment_date")
        .agg(
            assigned_units=units.filter(~pl.col("is_conflicting")).sum(),
            conflicting_unit_count=units.filter("is_conflicting").sum(),
        )
        .with_columns(
            pl.col("assigned_units", "conflicting_unit_count")
            .cum_sum()
            .over(_SERIES, order_by="assignment_date")
        )
    )
    compared = states.select(*_SERIES, "completed_date", "state", "unit_count", "missing_unit_count")
    complete = states.select(*_SERIES, "completed_date", "complete_units")
    found = grid
    for known, day, until in (
        (assigned, "assignment_date", "known_date"),
        (complete, "completed_date", "known_date"),
        (compared, "completed_date", "as_of_date"),
    ):
        found = found.sort(until).join_asof(
            known.sort(day),
            left_on=until,
            right_on=day,
            by=_SERIES,
            check_sortedness=False,
            coalesce=True,
        )
    counts = (
        "assigned_units",
        "conflicting_unit_count",
        "unit_count",
        "missing_unit_count",
        "complete_units",
    )
    return found.with_columns(pl.col(counts).fill_null(0)).with_columns(
        incomplete_unit_count=pl.col("assigned_units") - pl.col("complete_units")
    )


def _paired(rows: pl.DataFrame, experiments: Mapping[str, Experiment]) -> pl.DataFrame:
    """Every treatment beside the control of its experiment."""
    controls = pl.DataFrame(
        [(e.id, e.control.id) for e in experiments.values()],
        schema={"experiment_id": pl.String, "control_variation_id": pl.String},
        orient="row",
    )
    keyed = rows.join(controls, on="experiment_id")
    is_control = pl.col("variation_id") == pl.col("control_variation_id")
    of_control = keyed.filter(is_control).select(
        *_FAMILY, "metric_id", control_state="state", control_unit_count="unit_count"
    )
    return keyed.filter(~is_control).join(of_control, on=[*_FAMILY, "metric_id"])


def _judged(rows: pl.DataFrame, quality: pl.LazyFrame, experiments: Mapping[str, Experiment]) -> pl.DataFrame:
    """The rows with what is known of the experiment on the day; where nothing is, it can't be valid."""
    rules = pl.DataFrame(
        [(e.id, e.results.alpha, e.results.is_forced) for e in experiments.values()],
        schema={"experiment_id": pl.String, "alpha": pl.Float64, "is_forced": pl.Boolean},
        orient="row",
    )
    is_valid = pl.col("is_valid_for_analysis").fill_null(False)
    verdicts = quality.select(
        "experiment_id", "is_valid_for_analysis", known_date="as_of_date", refused_by="failed_guardrails"
    ).collect()
    nothing = pl.lit([], pl.List(pl.String))
    return (
        rows.join(verdicts, on=["experiment_id", "known_date"], how="left")
        .join(rules, on="experiment_id")
        .with_columns(
            is_valid_for_analysis=is_valid,
            refused_by=pl.when(is_valid).then(nothing).otherwise(pl.col("refused_by").fill_null(nothing)),
            is_forced=pl.col("is_forced") & ~is_valid,
        )
    )


def _compared(rows: pl.DataFrame, states: pl.DataFrame, measures: _Measures) -> pl.DataFrame:
    """The rows with their estimates; days on which no unit was completed share one comparison."""
    is_shown = pl.col("is_valid_for_analysis") | pl.col("is_forced")
    key = ("experiment_id", "metric_id", "alpha", *_STATES)
    pairs = rows.filter(is_shown).select(key).drop_nulls().unique().sort(_STATES)
    moments = states.rows(named=True)
    found = [
        (treatment, control, *_comparison(moments[control], moments[treatment], measures[e, metric], alpha))
        for e, metric, alpha, treatment, control in pairs.iter_rows()
    ]
    schema = {**{name: pairs.schema[name] for name in _STATES}, **dict.fromkeys(ESTIMATES, pl.Float64)}
    estimates = pl.DataFrame(found, schema={**schema, "used_method": pl.String}, orient="row")
    told = (pl.when(is_shown).then(pl.col(name)).alias(name) for name in ESTIMATES)
    return rows.join(estimates, on=_STATES, how="left").with_columns(
        *told, method=pl.coalesce("used_method", "method")
    )


def _comparison(
    control: dict[str, float], treatment: dict[str, float], measure: Measure, alpha: float
) -> tuple[float | str | None, ...]:
    columns = _columns(measure)
    if min(control["unit_count"], treatment["unit_count"]) < 2:
        return *Comparison(), _method(columns)
    groups = as_aggregates(control, measure.parts), as_aggregates(treatment, measure.parts)
    used = without_idle_covariates(*groups, columns)
    return *compare_with_control(*groups, used, alpha), _method(used)


def _adjusted(rows: pl.DataFrame, experiments: Mapping[str, Experiment]) -> pl.DataFrame:
    """The rows, sorted, with the p-values of a basis and day adjusted together."""
    corrections: dict[str, Corrections] = {e.id: e.results.multiple_comparisons for e in experiments.values()}
    families = (
        rows.sort(*_FAMILY, "metric_id", "variation_id")
        .group_by(_FAMILY, maintain_order=True)
        .agg("metric_id", "variation_id", "p_value")
    )
    known: dict[tuple[Corrections, tuple[float | None, ...]], list[float | None]] = {}
    adjusted = []
    for experiment_id, p_values in families.select("experiment_id", "p_value").iter_rows():
        correction, family = corrections[experiment_id], tuple(p_values)
        if (correction, family) not in known:
            known[correction, family] = adjust_p_values(family, correction)
        adjusted.append(known[correction, family])
    per_row = (
        families.drop("p_value")
        .with_columns(adjusted_p_value=pl.Series(adjusted, dtype=pl.List(pl.Float64)))
        .explode("metric_id", "variation_id", "adjusted_p_value")
    )
    return rows.join(per_row, on=ExperimentResults.grain()).sort(ExperimentResults.grain())
