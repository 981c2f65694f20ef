"""An experiment of two weeks with rows in every table of its page, to be bent by a test; and what stands on a page.

What a page has to show is said by the tests.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from html.parser import HTMLParser
from typing import Any

from exposure_assets.contracts import Experiment
from exposure_assets.reports.experiment_data import ExperimentData, experiment_data, report_tables
from exposure_assets_tests.transforms.rows import Row, at, experiment, january, table

DAYS = 14
LAST = january(14)
UNITS = 100
EXPOSED = {0: 40, 60: 30, 3600: 20}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


def page_tables(
    experiment_id: str = "exp", variations: Sequence[str] = ("control", "treatment")
) -> dict[str, Any]:
    """Per table the rows of an experiment that began on January 1, 2026 and has 14 cohorts, as lists of dicts."""
    key = {"experiment_id": experiment_id}
    days = [january(1) + timedelta(days=n) for n in range(DAYS)]
    cohorts = [{**key, "assignment_date": day, "variation_id": v} for day in days for v in variations]
    stages = {"assigned": (UNITS, 0), "exposed": (90, 0), "valid_exposed": (85, 0), "completed": (85, 7)}
    ratio = {"has_conflicting_units": True, "is_cumulative": True, "unit_count": 100, "variation_count": 2}
    return {
        "exposure_waterfall": [
            {**key, "exposure_date": january(2), "bucket": bucket, "row_count": rows}
            for bucket, rows in (("accepted", 3000), ("duplicate", 200), ("malformed", 3))
        ]
        + [{"exposure_date": january(3), "bucket": "unknown_experiment", "row_count": 7}],
        "daily_quality": [
            {
                **key,
                "assignment_date": day,
                "variation_id": "*",
                "assigned_units": UNITS * len(variations),
                "mismatch_rate": 0.01,
                "crossover_rate": 0.02,
                "pre_assignment_rate": 0.0,
                "outside_window_rate": 0.005,
            }
            for day in days
        ],
        "stage_counts": [
            {
                **cohort,
                "is_conflicting": False,
                "stage": stage,
                "reached_date": cohort["assignment_date"] + timedelta(days=days_later),
                "unit_count": units,
            }
            for cohort in cohorts
            for stage, (units, days_later) in stages.items()
        ],
        "sample_ratios": [
            {
                **key,
                **ratio,
                "as_of_date": day,
                "stage": stage,
                "p_value": 0.5,
                "sequential_p_value": 1.0,
                "is_sequential_mismatch": False,
                "is_mismatch": False,
                "largest_deviation": 0.01,
                "worst_variation_id": variations[0],
                "worst_unit_count": 51,
                "worst_expected_unit_count": 50.0,
            }
            for day in days
            for stage in ("assigned", "exposed", "valid_exposed")
        ],
        "sample_ratio_intervals": [
            {
                **key,
                "has_conflicting_units": True,
                "phase_start_date": january(1),
                "as_of_date": day,
                "stage": stage,
                "variation_id": variation,
                "unit_count": 50,
                "observed_share": 1 / len(variations) + 0.01,
                "declared_share": 1 / len(variations),
                "lower_share": 1 / len(variations) - 0.3 / (number + 1),
                "upper_share": 1 / len(variations) + 0.3 / (number + 1),
            }
            for number, day in enumerate(days)
            for stage in ("assigned", "exposed", "valid_exposed")
            for variation in variations
        ],
        "exposure_delays": [
            {**cohort, "exposed_date": cohort["assignment_date"], "from_seconds": start, "unit_count": units}
            for cohort in cohorts
            for start, units in EXPOSED.items()
        ],
        "experiment_quality_report": [
            {
                **key,
                "as_of_date": day,
                "is_valid_for_analysis": True,
                "failed_guardrails": [],
                "warnings": [],
                "assigned_units": 200 * (number + 1),
                "valid_exposed_units": 170 * (number + 1),
                "completed_units": 170 * max(0, number - 6),
                "mismatch_rate": 0.01,
                "smallest_variation_id": variations[0],
                "smallest_variation_units": 85 * (number + 1),
                "final_cohort_share": 0.5,
            }
            for number, day in enumerate(days)
        ],
        "experiment_results": [],
    }


def result(metric_id: str, lift: float, half: float, **said: Any) -> Row:
    """A row of results as of January 14, whose relative lift is known by so much in both directions."""
    return {
        "experiment_id": "exp",
        "metric_id": metric_id,
        "variation_id": "treatment",
        "analysis_basis": "assigned",
        "as_of_date": january(14),
        "control_variation_id": "control",
        "unit_count": 700,
        "incomplete_unit_count": 700,
        "control_unit_count": 702,
        "control_mean": 10.0,
        "mean": 10.0 * (1 + lift),
        "absolute_lift": 10.0 * lift,
        "absolute_lift_lower": 10.0 * (lift - half),
        "absolute_lift_upper": 10.0 * (lift + half),
        "relative_lift": lift,
        "relative_lift_lower": lift - half,
        "relative_lift_upper": lift + half,
        "p_value": 0.001 if abs(lift) > half else 0.4,
        "adjusted_p_value": 0.002 if abs(lift) > half else 0.8,
        "method": "welch",
        "alpha": 0.05,
        "is_valid_for_analysis": True,
        "refused_by": [],
        "is_forced": False,
    } | said


def refused(row: Row, is_forced: bool = False) -> Row:
    """The same of an experiment that is not valid: estimates are withheld unless they are forced."""
    verdict = {"is_valid_for_analysis": False, "refused_by": ["srm_assigned"], "is_forced": is_forced}
    hidden = ("mean", "absolute", "relative", "p_value", "adjusted", "control_mean")
    withheld = {} if is_forced else {name: None for name in row if name.startswith(hidden)}
    return row | withheld | verdict


def described(**said: Any) -> Experiment:
    """The experiment of `page_tables`, with two metrics; what is said of it is taken as it is."""
    about = experiment(start=at("01"), metrics=("orders", "revenue_usd"))
    return about.model_copy(update=said)


def varied(*ids: str) -> Experiment:
    """The same experiment with other variations, the first one the control."""
    (one, _), share = described().variations, 1 / len(ids)
    return described(
        variations=tuple(
            one.model_copy(update={"id": id_, "is_control": id_ == ids[0], "allocation": share})
            for id_ in ids
        )
    )


def data_of(
    tables: Mapping[str, Sequence[Row]] | None = None,
    day: date = LAST,
    about: Experiment | None = None,
    data_until: date = LAST,
) -> ExperimentData:
    """The data of a page, from rows as `page_tables` has them."""
    rows = page_tables() if tables is None else tables
    frames = {name: table(contract, rows.get(name, [])) for name, contract in report_tables().items()}
    return experiment_data(about or described(), frames, day, data_until, "00ff")


class Page(HTMLParser):
    """A page as a browser sees it: every element is closed in its turn, and its text is what is read."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]
