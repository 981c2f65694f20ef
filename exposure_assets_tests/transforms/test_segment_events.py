"""The events that segments count: by name and filter, once per rule."""

from typing import Any

import polars as pl

from exposure_assets.contracts import SegmentEvents, columns_of
from exposure_assets.transforms.segment_events import segment_events, segment_paths, segment_rules
from exposure_assets_tests.transforms.rows import at, catalog, experiment, january, obeying, raw_events

SEARCH = {"id": "searched", "event": "search"}
WEB = {
    "id": "searched_web",
    "event": "search",
    "filter": [{"field": "properties.kind", "in": ["web"]}, {"field": "properties.bot", "is_null": True}],
}


def catalog_of(*segments: dict[str, Any], of_other: tuple[dict[str, Any], ...] = ()):
    return catalog(experiment(segments=list(segments)), experiment("other", segments=list(of_other)))


def staged(*rows: dict[str, Any], segments: tuple[dict[str, Any], ...] = (SEARCH,)) -> pl.DataFrame:
    raw = raw_events(*({"event_id": str(n), "event_name": "search", **row} for n, row in enumerate(rows)))
    return obeying(SegmentEvents, segment_events(raw, catalog_of(*segments)))


def test_only_events_of_the_name_are_kept_each_with_its_day():
    found = staged({"occurred_at": at("10 23:59:59.999999")}, {"event_name": "Search"}, {"event_name": "buy"})
    [rule] = segment_rules(catalog_of(SEARCH))
    assert found.rows() == [(rule, "0", "ann", at("10 23:59:59.999999"), january(10))]


def test_every_condition_of_a_filter_has_to_hold():
    found = staged(
        {"properties": '{"kind": "web"}'},
        {"properties": '{"kind": "web", "bot": true}'},
        {"properties": '{"kind": "app"}'},
        {"properties": "{"},
        {"properties": None},
        segments=(WEB,),
    )
    assert found["event_id"].to_list() == ["0"]
    assert segment_paths(catalog_of(WEB)) == ["properties.bot", "properties.kind"]


def test_an_event_that_two_rules_count_is_a_row_of_each():
    found = staged({"properties": '{"kind": "web"}'}, segments=(SEARCH, WEB))
    assert found["rule"].n_unique() == found.height == 2
    assert found["event_id"].to_list() == ["0", "0"]
    assert found["rule"].to_list() == sorted(found["rule"])


def test_segments_that_differ_only_in_window_and_number_share_a_rule_also_across_experiments():
    often = {**SEARCH, "id": "often", "at_least": 3, "start": -28, "end": -1, "anchor": "experiment"}
    assert list(segment_rules(catalog_of(SEARCH, often, of_other=(SEARCH,)))) == [
        '{"event":"search","filter":[]}'
    ]


def test_no_segments_and_no_events_are_no_rows():
    for found in (staged({}, segments=()), staged(), staged({"event_name": "buy"})):
        assert found.schema == columns_of(SegmentEvents)
        assert found.is_empty()
