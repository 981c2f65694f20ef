"""Tests of reading a catalog: what a valid one says, defaults, presets, and the way through TOML and back.

Catalogs with problems are judged in the modules beside this one.
"""

import json
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exposure_assets.contracts import (
    GUARDRAILS,
    Condition,
    Experiment,
    ExposureRules,
    Guardrails,
    OutcomeRules,
    QualityRules,
    Variation,
)
from exposure_assets.contracts.catalog_sources import PRESETS
from exposure_assets_tests.reference.nasty_catalog import write_catalog
from exposure_assets_tests.resources.catalog_files import EXPERIMENT, METRIC, SOURCE, edited, problems, write
from resources.catalog import CatalogError, load_catalog

REPOSITORY = Path(__file__).parents[2]
DATASETS = Path(os.environ.get("EXPOSURES_TEST_DATASETS", REPOSITORY.parent / "shared" / "datasets"))


def test_an_experiment_is_read_with_every_default_filled_in(tmp_path):
    assert load_catalog(write(tmp_path)).experiments["a"] == Experiment(
        id="a",
        name="Checkout button colour",
        owner="growth@example.com",
        start=datetime(2026, 1, 1, 9, 57, tzinfo=UTC),
        end=datetime(2026, 1, 15, 14, 30, tzinfo=UTC),
        enrollment_days=None,
        variations=(
            Variation(id="control", allocation=0.5, is_control=True),
            Variation(id="treatment", allocation=0.5, is_control=False),
        ),
        exposure=ExposureRules(
            source="experiment_exposed",
            grace_minutes=5,
            max_days_after_assignment=7,
            observe_days=14,
            crossover_policy="exclude",
        ),
        outcomes=OutcomeRules(anchor="first_exposure", window_days=7, metrics=("revenue_usd",)),
    )


def test_an_experiment_without_outcomes_takes_all_their_defaults(tmp_path):
    text = edited(EXPERIMENT, ('[outcomes]\nmetrics = ["revenue_usd"]\n', ""))
    assert load_catalog(write(tmp_path, experiment=text)).experiments["a"].outcomes == OutcomeRules()


def test_an_experiment_without_quality_takes_all_its_defaults_and_one_with_a_key_the_others(tmp_path):
    assert load_catalog(write(tmp_path)).experiments["a"].quality == QualityRules()
    text = EXPERIMENT + "[quality]\nmin_units = 20\nwarning_exposure_rate = 1\n"
    quality = load_catalog(write(tmp_path, experiment=text)).experiments["a"].quality
    assert quality == QualityRules(min_units=20, warning_exposure_rate=1.0)


def test_offsets_become_utc_and_keep_their_instant(tmp_path):
    text = edited(EXPERIMENT, ("2026-01-01T09:57:00Z", "2026-01-01T01:00:00.25+02:00"))
    start = load_catalog(write(tmp_path, experiment=text)).experiments["a"].start
    assert (start, start.tzinfo) == (datetime(2025, 12, 31, 23, 0, 0, 250_000, tzinfo=UTC), UTC)


def test_whole_numbers_are_good_allocations_and_caps(tmp_path):
    text = edited(EXPERIMENT, ("allocation = 0.5", "allocation = 1"), ("allocation = 0.5", "allocation = 0"))
    catalog = load_catalog(write(tmp_path, {"metrics/orders.toml": METRIC + "cap = 1000"}, experiment=text))
    assert [variation.allocation for variation in catalog.experiments["a"].variations] == [1.0, 0.0]
    assert catalog.metrics["orders"].cap == 1000.0


def test_everything_is_sorted_by_id(tmp_path):
    names = ("z", "10", "b-b", "b_b", "9")
    catalog = load_catalog(
        write(
            tmp_path,
            {
                **{f"experiments/{name}.toml": EXPERIMENT for name in names},
                **{f"metrics/{name}.toml": METRIC for name in names},
                **{f"exposure_sources/{name}.toml": SOURCE for name in names},
            },
        )
    )
    assert list(catalog.experiments) == ["10", "9", "a", "b-b", "b_b", "z"]
    assert list(catalog.metrics) == ["10", "9", "b-b", "b_b", "revenue_usd", "z"]
    assert list(catalog.exposure_sources) == ["10", "9", "b-b", "b_b", "experiment_exposed", "z"]


def test_an_id_written_in_the_file_may_repeat_the_files_name(tmp_path):
    assert load_catalog(write(tmp_path, experiment='id = "a"\n' + EXPERIMENT)).experiments["a"].id == "a"


def test_files_may_be_sorted_into_subfolders(tmp_path):
    assert "b" in load_catalog(write(tmp_path, {"experiments/2026/b.toml": EXPERIMENT})).experiments


def test_files_that_are_no_toml_and_hidden_files_are_not_read(tmp_path):
    files = {"experiments/README.md": "= [", "experiments/a.toml.bak": "= [", "experiments/.a.toml": "= ["}
    assert list(load_catalog(write(tmp_path, files)).experiments) == ["a"]


def test_a_file_saved_on_windows_reads_the_same(tmp_path):
    windows = b"\xef\xbb\xbf" + EXPERIMENT.replace("\n", "\r\n").encode()
    catalogs = [
        load_catalog(write(tmp_path / name, {"experiments/a.toml": text}))
        for name, text in (("unix", EXPERIMENT), ("windows", windows))
    ]
    assert catalogs[0] == catalogs[1]


def test_a_catalog_without_metrics_and_sources_folders_is_fine(tmp_path):
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/a.toml").write_text(edited(EXPERIMENT, ('metrics = ["revenue_usd"]', "")))
    catalog = load_catalog(tmp_path)
    assert (catalog.metrics, list(catalog.exposure_sources)) == ({}, ["experiment_exposed"])


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_an_experiment_may_name_a_preset_without_any_file(tmp_path, preset):
    text = edited(EXPERIMENT, ("experiment_exposed", preset))
    assert load_catalog(write(tmp_path, experiment=text)).exposure_sources == {preset: PRESETS[preset]}


def test_the_opentelemetry_preset_takes_split_and_targeting_alone(tmp_path):
    text = edited(EXPERIMENT, ("experiment_exposed", "opentelemetry_feature_flag_evaluation"))
    source = load_catalog(write(tmp_path, experiment=text)).exposure_sources[
        "opentelemetry_feature_flag_evaluation"
    ]
    assert (source.event, source.experiment, source.variation) == (
        "feature_flag.evaluation",
        "properties.feature_flag.key",
        "properties.feature_flag.result.variant",
    )
    assert source.filter == (
        Condition(field="properties.feature_flag.result.reason", in_=("split", "targeting_match")),
    )


def test_a_file_takes_the_place_of_the_preset_with_its_id(tmp_path):
    catalog = load_catalog(
        write(tmp_path, {"exposure_sources/experiment_exposed.toml": edited(SOURCE, ("exposed", "met"))})
    )
    assert catalog.exposure_sources["experiment_exposed"].event == "experiment_met"


def test_a_source_file_overrides_single_keys_of_a_preset(tmp_path):
    text = 'preset = "opentelemetry_feature_flag_evaluation"\nvariation = "properties.arm"\n'
    files = {
        "exposure_sources/otel.toml": text,
        "exposure_sources/otel_all.toml": text + "filter = []\n",
    }
    sources = load_catalog(write(tmp_path, files)).exposure_sources
    preset = PRESETS["opentelemetry_feature_flag_evaluation"]
    assert sources["otel"] == preset.model_copy(update={"id": "otel", "variation": "properties.arm"})
    assert sources["otel_all"] == sources["otel"].model_copy(update={"id": "otel_all", "filter": ()})


def test_filters_compare_text_so_numbers_and_booleans_become_their_json_text(tmp_path):
    text = (
        SOURCE
        + """
        filter = [
            { field = "properties.level", in = ["x", 12, true, 1.5] },
            { field = "properties.bot", not_in = [false] },
            { field = "session_id", equals = 7 },
            { field = "properties.reason", is_null = true },
            { field = "value", not_null = true },
        ]
    """
    )
    source = load_catalog(write(tmp_path, {"exposure_sources/web.toml": text})).exposure_sources["web"]
    assert source.filter == (
        Condition(field="properties.level", in_=("x", "12", "true", "1.5")),
        Condition(field="properties.bot", not_in=("false",)),
        Condition(field="session_id", equals="7"),
        Condition(field="properties.reason", is_null=True),
        Condition(field="value", not_null=True),
    )


def test_the_example_catalog_shows_every_kind_of_source_and_loads():
    catalog = load_catalog(REPOSITORY / "catalog")
    assert list(catalog.experiments) == [
        "checkout-button",
        "pricing-page",
        "search-ranking",
        "spring-offer",
        "welcome-tour",
    ]
    assert {source.event for source in catalog.exposure_sources.values()} == {
        "message_displayed",
        *(source.event for source in PRESETS.values()),
    }
    offer = catalog.experiments["spring-offer"]
    assert [window.id for window in offer.exposure.windows] == ["first_90_percent", "after_enrollment"]
    assert [segment.id for segment in offer.segments] == ["bought_before"]


def test_a_catalog_of_ids_that_look_like_other_things_loads(tmp_path):
    write_catalog(tmp_path, datetime(2026, 1, 1, tzinfo=UTC).date())
    assert {"007", "1e5", "null", "x" * 100} <= set(load_catalog(tmp_path).experiments)


@pytest.mark.parametrize("dataset", sorted(path.parent.name for path in DATASETS.glob("*/catalog")))
def test_the_catalogs_of_the_real_data_sets_load(dataset):
    assert load_catalog(DATASETS / dataset / "catalog").experiments


def test_load_catalog_raises_what_check_catalog_lists(tmp_path):
    text = edited(EXPERIMENT, ("allocation = 0.5", "allocation = 0.4"), ("experiment_exposed", "nowhere"))
    root = write(tmp_path, experiment=text)
    with pytest.raises(CatalogError) as raised:
        load_catalog(root)
    lines = str(raised.value).replace(f"{root}/", "").splitlines()
    assert lines == problems(root)
    assert [problem.key for problem in raised.value.problems] == ["variations.allocation", "exposure.source"]


ids = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(str.strip)
instants = st.datetimes(
    datetime(1971, 1, 1),
    datetime(2100, 1, 1),
    timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    weights = draw(st.lists(st.integers(0, 100), min_size=2, max_size=6).filter(any))
    variation_ids = draw(
        st.lists(
            texts.filter(lambda text: text != "*"), min_size=len(weights), max_size=len(weights), unique=True
        )
    )
    control = draw(st.integers(0, len(weights) - 1))
    start = draw(instants)
    within = draw(st.integers(0, 28))
    return Experiment(
        id=draw(ids),
        name=draw(texts),
        owner=draw(texts),
        start=start,
        end=draw(
            st.none() | st.timedeltas(timedelta(microseconds=1), timedelta(days=400)).map(start.__add__)
        ),
        enrollment_days=draw(st.none() | st.integers(1, 400)),
        variations=tuple(
            Variation(id=id_, allocation=weight / sum(weights), is_control=number == control)
            for number, (id_, weight) in enumerate(zip(variation_ids, weights, strict=True))
        ),
        exposure=ExposureRules(
            source=draw(st.sampled_from(sorted(PRESETS))),
            grace_minutes=draw(st.integers(0, 10_080)),
            max_days_after_assignment=within,
            observe_days=draw(st.integers(within, 28)),
            crossover_policy=draw(st.sampled_from(["exclude", "first_seen"])),
        ),
        outcomes=OutcomeRules(
            anchor=draw(st.sampled_from(["first_exposure", "assignment"])),
            window_days=draw(st.integers(1, 28)),
            metrics=draw(st.sampled_from([(), ("revenue_usd",)])),
        ),
        quality=QualityRules(
            judge_after_days=draw(st.none() | st.integers(0, 28)),
            min_units=draw(st.integers(1, 10**9)),
            critical_exposure_rate=draw(st.floats(0, 0.7)),
            shift_z=draw(st.floats(0, 100)),
        ),
        guardrails=Guardrails(
            minimum_units=draw(st.integers(0, 10**9)),
            mismatch_rate=draw(st.floats(0, 1)),
            off=tuple(draw(st.lists(st.sampled_from(GUARDRAILS), unique=True))),
        ),
    )


def as_toml(experiment: Experiment) -> str:
    def line(key: str, value: object) -> str:
        if isinstance(value, datetime):
            return f"{key} = {value.isoformat()}"
        # What JSON writes, TOML reads, but for one character that TOML wants escaped.
        return f"{key} = {json.dumps(value, ensure_ascii=False)}".replace("\x7f", "\\u007f")

    values = experiment.model_dump(exclude_none=True, exclude={"id"})
    tables = [("[[variations]]", values.pop("variations"))]
    tables += [
        (f"[{name}]", [values.pop(name)]) for name in ("exposure", "outcomes", "quality", "guardrails")
    ]
    lines = [line(*item) for item in values.items()]
    for title, rows in tables:
        for row in rows:
            lines += [title, *(line(*item) for item in row.items())]
    return "\n".join(lines) + "\n"


@settings(max_examples=60, deadline=None)
@given(experiments())
def test_a_valid_experiment_written_as_toml_reads_back_equal(experiment):
    with TemporaryDirectory() as folder:
        root = write(Path(folder), {f"experiments/{experiment.id}.toml": as_toml(experiment)})
        assert load_catalog(root).experiments[experiment.id] == experiment
