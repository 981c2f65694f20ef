"""One day of raw events judged: what is accepted, what is rejected and why, and every row in exactly one bucket."""

import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exposure_assets.contracts import (
    BUCKETS,
    Catalog,
    Condition,
    ExposureEvents,
    ExposureSource,
    ExposureWaterfall,
    Metric,
    RejectedEvents,
)
from exposure_assets.transforms.attribution import NOBODY_ASSIGNED
from exposure_assets.transforms.staged_events import (
    StagedEvents,
    malformed_elsewhere,
    stage_events,
    well_formed_ids,
)
from exposure_assets_tests.transforms.rows import (
    FEWER_EXAMPLES,
    SOURCE,
    at,
    catalog,
    experiment,
    january,
    obeying,
    raw_events,
    same_rows,
    scattered,
)

NO_IDS, NO_HASHES = pl.Series("event_id", [], dtype=pl.String), pl.Series(dtype=pl.UInt64)
BUYS = Metric(id="buys", event="buy", aggregation="count")


def staged(
    *rows: dict[str, Any], day: int = 10, known: Catalog | None = None, settled: pl.Series = NO_IDS
) -> StagedEvents:
    known = known or catalog(metrics=[BUYS])
    result = stage_events(
        raw_events(*rows, day=day), january(day), known, settled, NO_HASHES, NOBODY_ASSIGNED
    )
    obeying(ExposureEvents, result.exposure_events)
    obeying(RejectedEvents, result.rejected_events)
    obeying(ExposureWaterfall, result.exposure_waterfall)
    assert result.matched_rows == result.judged_rows
    return result


def buckets(*rows: dict[str, Any], **context: Any) -> dict[tuple[str | None, str], int]:
    waterfall = staged(*rows, **context).exposure_waterfall
    return {(name, bucket): count for name, _, bucket, count in waterfall.iter_rows()}


def bucket(row: dict[str, Any], **context: Any) -> tuple[str | None, str]:
    (found,) = buckets(row, **context)
    return found


def named(experiment_id: str, variation_id: str = "control") -> dict[str, Any]:
    return {"properties": f'{{"experiment": "{experiment_id}", "variation": "{variation_id}"}}'}


def test_an_accepted_exposure_carries_what_the_raw_row_says():
    found = staged({"event_id": "e", "session_id": "s", "occurred_at": at("10 23:59:59.999999")})
    assert found.exposure_events.rows(named=True) == [
        {
            "experiment_id": "exp",
            "event_id": "e",
            "unit_id": "ann",
            "variation_id": "control",
            "occurred_at": at("10 23:59:59.999999"),
            "exposure_date": january(10),
            "session_id": "s",
        }
    ]
    assert found.exposure_waterfall.rows() == [("exp", january(10), "accepted", 1)]
    assert found.rejected_events.is_empty()


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (named("exp"), ("exp", "accepted")),
        (named("EXP"), (None, "unknown_experiment")),
        (named("exp "), (None, "unknown_experiment")),
        (named(""), (None, "unknown_experiment")),
        (named("exp", "blue"), ("exp", "unknown_variation")),
        (named("exp", "Control"), ("exp", "unknown_variation")),
        (named("{experiment}"), (None, "unresolved_template")),
        (named("exp", "x-{experiment}"), ("exp", "unresolved_template")),
        (named("exp+other"), (None, "ambiguous_attribution")),
        (named("nobody+exp"), (None, "ambiguous_attribution")),
        (named("nobody+other"), (None, "unknown_experiment")),
        (named("exp+{experiment}"), (None, "unresolved_template")),
        ({"properties": None}, (None, "malformed")),
        ({"properties": "[]"}, (None, "malformed")),
        ({"properties": '{"experiment": "exp"}'}, ("exp", "malformed")),
        ({"properties": '{"variation": "control"}'}, (None, "malformed")),
        ({"properties": '{"experiment": null, "variation": "control"}'}, (None, "malformed")),
        ({"unit_id": None, "is_broken": True}, ("exp", "malformed")),
        ({"occurred_at": None, "is_broken": True, **named("nobody")}, (None, "malformed")),
    ],
)
def test_a_row_goes_into_the_first_bucket_that_fits(row: dict[str, Any], expected: tuple[str | None, str]):
    assert bucket(row) == expected


@pytest.mark.parametrize(
    ("day", "expected"), [(27, "outside_experiment"), (28, "accepted"), (29, "accepted")]
)
def test_exposures_count_from_a_week_before_the_start(day: int, expected: str):
    known = catalog(experiment(start=at("10 23:00").replace(month=2, day=4), end=None))
    assert bucket({}, day=day, known=known) == ("exp", expected)


@pytest.mark.parametrize(
    ("day", "expected"), [(13, "accepted"), (14, "accepted"), (15, "outside_experiment")]
)
def test_exposures_count_until_the_end_of_observation(day: int, expected: str):
    known = catalog(experiment(end=at("12 00:00"), max_days_after_assignment=1, observe_days=2))
    assert bucket({}, day=day, known=known) == ("exp", expected)


def test_a_running_experiment_takes_exposures_without_end():
    assert bucket({}, day=31, known=catalog(experiment(end=None))) == ("exp", "accepted")


def test_events_that_no_source_reads_are_in_no_bucket():
    found = staged({"event_name": "Experiment_Exposed"}, {"event_name": "buy", "event_id": "b"})
    assert found.exposure_waterfall.is_empty() and found.matched_rows == 0
    assert found.metric_events["event_id"].to_list() == ["b"]


def test_a_copy_is_a_duplicate_of_its_experiment_and_is_named_in_the_rejected_rows():
    late = {"event_id": "e", "occurred_at": at("10 13:00"), "file": "events/b.jsonl"}
    found = staged({"event_id": "e"}, late)
    assert found.exposure_events["occurred_at"].to_list() == [at("10 12:00")]
    assert found.rejected_events.select("file", "reason", "experiment_id").rows() == [
        ("events/b.jsonl", "duplicate", "exp")
    ]
    assert buckets({"event_id": "e"}, late) == {("exp", "accepted"): 1, ("exp", "duplicate"): 1}


def test_an_id_counts_once_over_all_event_names():
    buy = {"event_id": "e", "event_name": "buy", "occurred_at": at("10 11:00")}
    found = staged({"event_id": "e"}, buy)
    assert found.exposure_events.is_empty() and found.metric_events.height == 1
    assert found.exposure_waterfall.rows() == [("exp", january(10), "duplicate", 1)]
    assert found.rejected_events["reason"].to_list() == ["duplicate"]


def test_a_malformed_copy_takes_no_part_in_deduplication():
    broken = {"event_id": "e", "occurred_at": at("10 01:00"), "properties": "{"}
    assert buckets({"event_id": "e"}, broken) == {("exp", "accepted"): 1, (None, "malformed"): 1}


def test_an_id_that_counts_on_an_earlier_day_is_a_duplicate():
    assert bucket({"event_id": "e"}, settled=pl.Series("event_id", ["e"])) == ("exp", "duplicate")


def test_an_event_whose_first_copy_is_rejected_is_not_accepted_by_a_later_one():
    first = {"event_id": "e", "occurred_at": at("10 01:00"), **named("nobody")}
    assert buckets(first, {"event_id": "e"}) == {(None, "unknown_experiment"): 1, ("exp", "duplicate"): 1}


def test_a_malformed_row_counts_on_the_day_it_arrived():
    late = {"properties": "{", "arrival_date": january(12)}
    found = staged(late, day=10)
    assert found.exposure_waterfall.rows() == [(None, january(12), "malformed", 1)]
    again, _ = malformed_elsewhere(raw_events(late, {"event_id": "fine"}), catalog())
    assert again.rows() == [(None, january(12), "malformed", 1)]


def test_only_well_formed_rows_settle_an_id():
    rows = raw_events(
        {"event_id": "good"}, {"event_id": "bad", "properties": "{"}, {"event_id": "x", "event_name": "n"}
    )
    assert sorted(well_formed_ids(rows, catalog())) == ["good", "x"]


def filtered(*conditions: Condition, source_id: str = "seen") -> ExposureSource:
    return SOURCE.model_copy(update={"id": source_id, "filter": conditions})


@pytest.mark.parametrize(
    ("condition", "matched"),
    [
        (Condition(field="properties.why", in_=("a", "b")), ["a", "b"]),
        (Condition(field="properties.why", not_in=("a", "b")), ["12", "true", None]),
        (Condition(field="properties.why", equals="12"), ["12"]),
        (Condition(field="properties.why", equals="true"), ["true"]),
        (Condition(field="properties.why", is_null=True), [None]),
        (Condition(field="properties.why", not_null=True), ["12", "a", "b", "true"]),
        (Condition(field="event_id", equals="a"), ["a"]),
    ],
)
def test_a_filter_compares_text_and_a_missing_value_is_in_no_list(
    condition: Condition, matched: list[str | None]
):
    known = catalog(sources=[filtered(condition)])
    values = {"a": '"a"', "b": '"b"', "12": "12", "true": "true", "": "null"}
    rows = [
        {
            "event_id": value,
            "properties": f'{{"experiment": "exp", "variation": "control", "why": {written}}}',
        }
        for value, written in values.items()
    ]
    found = staged(*rows, known=known).exposure_events["event_id"].to_list()
    assert sorted(found) == sorted(value or "" for value in matched)


def test_all_conditions_of_a_filter_have_to_hold():
    both = filtered(Condition(field="event_id", equals="e"), Condition(field="unit_id", equals="ann"))
    rows = ({"event_id": "e"}, {"event_id": "f"}, {"event_id": "g", "unit_id": "zoe"})
    assert buckets(*rows, known=catalog(sources=[both])) == {("exp", "accepted"): 1}


def test_a_row_that_a_filter_leaves_out_is_malformed_only_when_its_properties_are_needed_and_broken():
    known = catalog(sources=[filtered(Condition(field="properties.why", equals="split"))])
    assert buckets({"properties": '{"why": "other"}'}, known=known) == {}
    assert bucket({"properties": '{"why": "split"}'}, known=known) == (None, "malformed")
    assert bucket({"properties": "{"}, known=known) == (None, "malformed")


def test_a_row_that_two_sources_match_counts_where_it_is_accepted_and_else_with_the_first_source():
    other = filtered(source_id="also")
    known = catalog(experiment(), sources=[other, SOURCE])
    assert buckets({}, known=known) == {("exp", "accepted"): 1}
    assert buckets(named("exp", "blue"), known=known) == {(None, "unknown_experiment"): 1}
    swapped = catalog(experiment(source="also"), sources=[other, SOURCE])
    assert buckets(named("exp", "blue"), known=swapped) == {("exp", "unknown_variation"): 1}


def test_an_experiment_takes_exposures_from_its_own_source_only():
    other = SOURCE.model_copy(update={"id": "other", "event": "other_exposed"})
    known = catalog(sources=[SOURCE, other])
    assert bucket({"event_name": "other_exposed"}, known=known) == (None, "unknown_experiment")


def test_one_event_may_be_accepted_by_two_experiments_of_two_sources():
    second = ExposureSource(
        id="second", event=SOURCE.event, experiment="session_id", variation="properties.variation"
    )
    known = catalog(experiment(), experiment("other", source="second"), sources=[SOURCE, second])
    found = staged({"event_id": "e", "session_id": "other"}, known=known)
    assert sorted(found.exposure_events.select("experiment_id", "event_id").rows()) == [
        ("exp", "e"),
        ("other", "e"),
    ]
    assert buckets({"session_id": "other"}, known=known) == {("exp", "accepted"): 1, ("other", "accepted"): 1}


def test_ids_survive_untouched():
    ids = ["007", "1e5", "NULL", "", " ", "é", "e\u0301", "q\"'\\/", "\U0001f600", "x" * 10_000, "\n"]
    found = staged(*({"event_id": f"id{one}", "unit_id": one} for one in ids))
    assert dict(found.exposure_events.select("event_id", "unit_id").rows()) == {
        f"id{one}": one for one in ids
    }


def test_a_day_without_rows_is_empty_tables():
    found = staged()
    assert found.exposure_events.is_empty() and found.exposure_waterfall.is_empty()
    assert found.metric_events.is_empty() and found.rejected_events.is_empty()


def test_a_struct_of_properties_is_judged_as_its_json_text():
    rows = raw_events(
        {"event_id": "a", **named("exp")}, {"event_id": "b", **named("nobody")}, {"event_id": "a"}
    )
    struct = rows.with_columns(
        pl.col("properties").str.json_decode(pl.Struct({"experiment": pl.String, "variation": pl.String}))
    )
    for_text, for_struct = (
        stage_events(one, january(10), catalog(), NO_IDS, NO_HASHES, NOBODY_ASSIGNED)
        for one in (rows, struct)
    )
    assert for_text.exposure_events.equals(for_struct.exposure_events)
    assert same_rows(for_text.exposure_waterfall, for_struct.exposure_waterfall, "exposure_date", "bucket")


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "event_id": st.sampled_from(["a", "b", "c", "é", ""]),
            "event_name": st.sampled_from(["experiment_exposed", "experiment_exposed", "buy"]),
            "unit_id": st.sampled_from(["ann", "zoe"]),
            "occurred_at": st.sampled_from([at("10 00:00"), at("10 12:00")]),
            "properties": st.sampled_from(
                [
                    named("exp")["properties"],
                    named("exp", "blue")["properties"],
                    named("nobody")["properties"],
                    "{",
                    None,
                ]
            ),
            "file": st.sampled_from(["events/a.jsonl", "events/b.jsonl"]),
        }
    ),
    max_size=20,
)


@FEWER_EXAMPLES
@given(ROWS, st.randoms(use_true_random=False))
def test_buckets_sum_to_the_rows_read_and_no_order_of_rows_changes_anything(
    rows: list[dict[str, Any]], shuffle: random.Random
):
    raw, known = raw_events(*rows), catalog(metrics=[BUYS])
    found = stage_events(raw, january(10), known, NO_IDS, NO_HASHES, NOBODY_ASSIGNED)
    again = stage_events(scattered(raw, shuffle), january(10), known, NO_IDS, NO_HASHES, NOBODY_ASSIGNED)
    waterfall = found.exposure_waterfall
    assert set(waterfall["bucket"]) <= set(BUCKETS)
    assert waterfall["row_count"].sum() == sum(row["event_name"] == "experiment_exposed" for row in rows)
    assert waterfall.filter(bucket="accepted")["row_count"].sum() == found.exposure_events.height
    assert found.exposure_events.height + found.metric_events.height + found.rejected_events.height == len(
        rows
    )
    assert same_rows(found.exposure_events, again.exposure_events, "event_id")
    assert same_rows(found.metric_events, again.metric_events, "event_id")
    assert same_rows(waterfall, again.exposure_waterfall, "experiment_id", "exposure_date", "bucket")
    assert same_rows(found.rejected_events, again.rejected_events, *found.rejected_events.columns)
