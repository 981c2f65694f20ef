"""Tests of the catalog's models themselves: their derived dates, their strictness, what the docs say of them.

How files become models is tested with `resources.catalog`.
"""

import re
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from exposure_assets.contracts import (
    AllocationPhase,
    Catalog,
    Condition,
    Experiment,
    ExposureRules,
    ExposureSource,
    Guardrails,
    Metric,
    OutcomeRules,
    QualityRules,
    Ratio,
    ResultRules,
    Segment,
    UnitOutcomes,
    Variation,
    columns_of,
)
from exposure_assets.contracts.catalog_metrics import UNIT_OUTCOMES_COLUMNS
from exposure_assets.contracts.catalog_sources import PRESETS
from exposure_assets.contracts.catalog_values import CatalogScope
from exposure_assets.contracts.catalog_windows import ExposureWindow

HOW_TO = Path(__file__).parents[2] / "docs" / "how_to" / "catalog.md"
TABLES: dict[str, type[BaseModel]] = {
    "experiments/": Experiment,
    "[[variations]]": Variation,
    "[[allocation_phases]]": AllocationPhase,
    "[exposure]": ExposureRules,
    "[[exposure.windows]]": ExposureWindow,
    "[[segments]]": Segment,
    "[outcomes]": OutcomeRules,
    "[quality]": QualityRules,
    "[guardrails]": Guardrails,
    "[results]": ResultRules,
    "[[results.ratios]]": Ratio,
    "metrics/": Metric,
    "exposure_sources/": ExposureSource,
    "Conditions": Condition,
}


def experiment(**changes):
    values = {
        "id": "checkout-button",
        "name": "Checkout button colour",
        "owner": "growth@example.com",
        "start": datetime(2026, 1, 1, 9, 57, tzinfo=UTC),
        "variations": [Variation(id="a", allocation=0.5), Variation(id="b", allocation=0.5, is_control=True)],
        "exposure": ExposureRules(source="experiment_exposed", observe_days=14),
    }
    return Experiment.model_validate(values | changes)


def test_enrollment_ends_with_its_days_or_with_the_experiment_whichever_comes_first():
    day_8, day_15 = datetime(2026, 1, 8, 9, 57, tzinfo=UTC), datetime(2026, 1, 15, 14, 30, tzinfo=UTC)
    assert experiment().enrollment_end is None
    assert experiment(end=day_15).enrollment_end == day_15
    assert experiment(enrollment_days=7).enrollment_end == day_8
    assert experiment(enrollment_days=7, end=day_15).enrollment_end == day_8
    assert experiment(enrollment_days=30, end=day_15).enrollment_end == day_15


def test_enrollment_beyond_the_calendar_ends_with_the_experiment():
    end = datetime(2026, 2, 1, tzinfo=UTC)
    assert experiment(enrollment_days=10**9).enrollment_end is None
    assert experiment(enrollment_days=10**12, end=end).enrollment_end == end


def test_the_control_is_the_variation_that_says_so():
    assert experiment().control.id == "b"


def test_exposures_are_accepted_from_a_week_before_the_start_until_the_observation_ends():
    running = experiment()
    assert (running.first_exposure_date, running.last_exposure_date) == (date(2025, 12, 25), None)
    ended = experiment(end=datetime(2026, 1, 15, 0, 0, tzinfo=UTC))
    assert (ended.first_exposure_date, ended.last_exposure_date) == (date(2025, 12, 25), date(2026, 1, 29))


def test_a_cohort_is_judged_when_the_data_reach_beyond_its_time_for_exposure():
    data_until = date(2026, 1, 20)
    usual = experiment(exposure=ExposureRules(source="experiment_exposed", max_days_after_assignment=3))
    assert usual.last_judged_date(data_until) == date(2026, 1, 16)
    at_once = experiment(quality=QualityRules(judge_after_days=0))
    assert at_once.last_judged_date(data_until) == date(2026, 1, 19)
    assert at_once.last_judged_date(date.min) == date.min


def test_an_end_at_the_end_of_the_calendar_is_a_date_like_any_other():
    assert experiment(end=datetime(9999, 12, 31, tzinfo=UTC)).last_exposure_date == date(9999, 12, 31)


def test_models_are_frozen_and_can_be_told_apart_by_value():
    with pytest.raises(ValidationError, match="frozen"):
        experiment().exposure.grace_minutes = 0
    assert experiment() == experiment() != experiment(name="Another")
    assert hash(experiment()) == hash(experiment())


def test_a_catalog_survives_the_way_through_json():
    catalog = Catalog(
        experiments={"checkout-button": experiment(end=datetime(2026, 1, 15, tzinfo=UTC))},
        metrics={
            "revenue_usd": Metric(id="revenue_usd", event="purchase", aggregation="sum", field="value", cap=1)
        },
        exposure_sources=dict(PRESETS),
    )
    assert Catalog.model_validate_json(catalog.model_dump_json(by_alias=True)) == catalog


def test_a_model_built_without_a_scope_is_judged_by_its_own_values_alone():
    rules = {"source": "nowhere", "max_days_after_assignment": 90, "observe_days": 90}
    assert ExposureRules.model_validate(rules).observe_days == 90
    with pytest.raises(ValidationError) as raised:
        ExposureRules.model_validate(rules, context=CatalogScope(28, frozenset(), frozenset()))
    assert [error["loc"] for error in raised.value.errors()] == [
        ("source",),
        ("max_days_after_assignment",),
        ("observe_days",),
    ]


def test_a_refused_value_says_what_was_found_and_expected_in_pydantics_own_error_too():
    shares = [Variation(id="a", allocation=0.5, is_control=True), Variation(id="b", allocation=0.25)]
    expected = "found 0.5 + 0.25, which is 0.75, expected allocations that sum to 1"
    with pytest.raises(ValidationError, match=re.escape(expected)):
        experiment(variations=shares)


def test_the_columns_no_metric_may_take_are_those_of_unit_outcomes():
    assert tuple(columns_of(UnitOutcomes)) == UNIT_OUTCOMES_COLUMNS


@pytest.mark.parametrize("model", TABLES.values(), ids=lambda model: model.__name__)
def test_the_example_of_every_key_is_toml_that_sets_this_key(model):
    for name, field in model.model_fields.items():
        for example in field.examples or []:
            assert list(tomllib.loads(str(example))) == [str(field.validation_alias or name)]


@pytest.mark.parametrize(("title", "model"), TABLES.items(), ids=TABLES)
def test_the_how_to_has_a_row_for_every_key_with_its_default(title, model):
    sections = re.split(r"^##+ ", HOW_TO.read_text("utf-8"), flags=re.MULTILINE)
    [section] = [section for section in sections if section.startswith(title)]
    rows = [
        [cell.strip(' `"') for cell in row.split("|")]
        for row in re.findall(r"^\| (`.*)$", section, re.MULTILINE)
    ]
    documented = {key.strip("[]"): default for key, _, _, default, *_ in rows if key != "preset"}

    def default_of(field):
        if field.is_required():
            return "required"
        match field.default:
            case OutcomeRules() | QualityRules() | Guardrails() | ResultRules():
                return "its defaults"
            case None | False:
                return {None: "none", False: "false"}[field.default]
            case ():
                return "[]"
            case (only,):
                return only
            case (*several,):
                return ", ".join(several)
            case value:
                return str(value)

    assert {key: default.split(":")[0] for key, default in documented.items()} == {
        str(field.validation_alias or name): default_of(field)
        for name, field in model.model_fields.items()
        if field.examples
    }
