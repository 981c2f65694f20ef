"""The page of an experiment: what it says first, what it escapes, what it needs, and what it says of missing rows."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from exposure_assets.contracts import GUARDRAILS
from exposure_assets.reports.guardrail_texts import GUARDRAIL_TEXTS
from exposure_assets.reports.page import experiment_page, with_code
from exposure_assets.reports.verdict import verdict
from exposure_assets.transforms.guardrails import REMEDIES
from exposure_assets_tests.reports.pages import Page, data_of, described, page_tables, varied
from exposure_assets_tests.transforms.rows import january

HOSTILE = (
    'control</text></svg><script>alert("1")</script>',
    '"><img src=x onerror=alert(1)>',
    "\u202eevil\u2069\x00 name",
    "\U0001f984" * 90,
    "{{ 7 * 7 }}" + "x" * 189,
)


def judged(row: Mapping[str, Any], since: int = 1) -> dict[str, Any]:
    """The tables of a page whose report says so from a day of January on."""
    tables = page_tables()
    for one in tables["experiment_quality_report"]:
        if one["as_of_date"] >= january(since):
            one.update(row)
    return tables


def failing(*guardrails: str, **numbers: Any) -> dict[str, Any]:
    return {"is_valid_for_analysis": False, "failed_guardrails": list(guardrails), **numbers}


def page(tables: Mapping[str, Any] | None = None, **said: Any) -> Page:
    return Page(experiment_page(data_of(tables, **said)))


def test_a_page_begins_with_the_verdict_and_has_its_sections_in_order():
    shown = page()
    headings = [re.sub(r"-title$", "", one["id"] or "") for one in shown.all("h2")]
    assert headings == ["verdict", "findings", "outcome", "losses", "daily", "split", "delay", "sources"]
    assert len(shown.all("h1")) == 1
    assert "Fit for a decision" in shown.text
    assert "Every check of the data passes." in shown.text


def test_headings_never_skip_a_level():
    levels = [int(tag[1]) for tag, _ in page().elements if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_an_invalid_experiment_says_why_since_when_and_what_to_do():
    tables = judged(
        failing("srm_assigned", "mismatches", srm_assigned_p_value=1e-9, mismatch_rate=0.031), since=9
    )
    shown = page(tables)
    assert "Not fit for a decision: units are not assigned in the declared shares" in shown.text
    assert "Units met another variation than their own" in shown.text
    assert "3.1\u202f% of the assigned units (limit: at most 2.0\u202f%)" in shown.text
    assert "2026-01-09" in shown.text
    assert "redirects, bot filters, caches" in shown.text


def test_warnings_leave_an_experiment_fit_with_reservations_and_young_cohorts_alone_leave_it_not_final():
    assert verdict(data_of(judged({"warnings": ["duplicate_rows"]}))).headline == (
        "Fit for a decision, with reservations"
    )
    assert verdict(data_of(judged({"warnings": ["final_cohorts"]}))).headline == "Fit so far, and not final"
    assert verdict(data_of()).headline == "Fit for a decision"


def test_a_page_as_of_an_earlier_day_has_the_verdict_of_that_day():
    tables = judged(failing("srm_assigned"), since=9)
    assert verdict(data_of(tables, day=january(8))).state == "fit"
    assert verdict(data_of(tables, day=january(9))).state == "unfit"
    assert "data go on until 2026-01-14" in page(tables, day=january(8)).text
    assert "data go on until" not in page(tables).text


def test_every_day_has_its_verdict_in_words_too():
    shown = page(judged(failing("srm_assigned"), since=14))
    assert "2026-01-13: fit" in shown.text
    assert "2026-01-14: not fit" in shown.text


@pytest.mark.parametrize("guardrail", GUARDRAILS)
def test_every_guardrail_can_be_said_in_words_with_its_numbers_or_without_any(guardrail: str):
    found = verdict(data_of(judged(failing(guardrail)))).failures[0]
    assert (found.title, found.remedy) == (GUARDRAIL_TEXTS[guardrail].title, REMEDIES[guardrail])
    assert found.since == "2026-01-01"


def test_the_loss_that_hits_variations_differently_is_the_one_that_is_named():
    numbers = {"crossover_loss_p_value": 1e-6, "crossover_loss_difference": 0.02}
    numbers |= {"no_exposure_loss_p_value": 0.4, "no_exposure_loss_difference": 0.03}
    found = verdict(data_of(judged(failing("differential_loss", **numbers)))).failures[0]
    assert found.numbers == (
        "2.0\u202f% difference between variations in units with exposure to several variations "
        "(limit: at most 1.0\u202f%)"
    )


def test_all_checks_are_listed_with_their_state():
    checks = verdict(data_of(judged({**failing("mismatches"), "warnings": ["duplicate_rows"]}))).checks
    assert checks is not None
    states = {row[0]: row[1] for row in checks.rows}
    assert len(states) == len(GUARDRAILS)
    assert (states["mismatches"], states["duplicate rows"], states["crossovers"]) == (
        "fails",
        "warns",
        "passes",
    )


def test_a_page_without_any_rows_says_for_every_section_what_is_missing_and_what_computes_it():
    shown = page({})
    assert "No verdict yet" in shown.text
    assert shown.text.count("exposure-assets backfill --experiment exp") == 6
    assert shown.all("figure") == []


def test_names_that_hold_markup_are_shown_as_they_are_and_do_nothing():
    about = varied(*HOSTILE).model_copy(update={"name": "<b>\u202e'\"&" + "W" * 10_000, "owner": "<i>&amp;"})
    html = experiment_page(data_of(page_tables(variations=HOSTILE), about=about))
    shown = Page(html)
    assert {tag for tag, _ in shown.elements} & {"script", "img", "b", "i"} == set()
    assert HOSTILE[0] in shown.text
    assert "{{ 7 * 7 }}" in shown.text
    assert "<b>" in shown.text
    assert not re.search("[\u202a-\u202e\x00]", html)
    assert not any(name.startswith("on") for _, attributes in shown.elements for name in attributes)


def test_a_page_fetches_nothing_runs_nothing_and_names_no_other_place():
    html = experiment_page(data_of())
    shown = Page(html)
    assert {tag for tag, _ in shown.elements} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
    } == set()
    for _, attributes in shown.elements:
        assert not {"src", "srcset", "action", "data"} & attributes.keys()
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?:|url\((?!#)|@import", html)
    policy = next(one for one in shown.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_every_link_leads_somewhere_and_every_id_is_there_once():
    shown = page(judged(failing("srm_assigned")))
    ids = [attributes["id"] for _, attributes in shown.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [one["href"][1:] for one in shown.all("a") if one["href"]]
    for _, attributes in shown.elements:
        named += (attributes.get("aria-labelledby") or "").split()
        named += re.findall(r"url\(#(.*?)\)", attributes.get("fill") or "")
    assert set(named) <= set(ids)


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name():
    regions = [one for one in page().all("div") if one.get("class") == "scroll"]
    assert regions
    assert all(
        one.get("tabindex") == "0" and one.get("role") == "region" and one["aria-label"] for one in regions
    )


def test_every_picture_has_a_name_and_a_table_beside_it():
    shown = page()
    pictures = [one for one in shown.all("svg") if one.get("role") == "img"]
    assert len(pictures) == 2 * len(shown.all("figure"))
    assert all(one.get("aria-labelledby") for one in pictures)
    assert all(one.get("aria-hidden") == "true" for one in shown.all("svg") if one.get("role") != "img")
    assert len(shown.all("table")) >= len(shown.all("figure"))


def explained(**said: Any) -> dict[str, Any]:
    """The tables of a page with an explanation of January 9 in two steps."""
    row = {
        "experiment_id": "exp",
        "assignment_date": january(9),
        "target": "exposed",
        "assigned_units": 200,
        "found_units": 100,
        "expected_units": 180.0,
        "missing_units": 80.0,
        "likely_cause": "event_renamed",
        "likely_key": "seen_v2",
        "explained_share": 0.9,
    } | said
    steps = ({"step": "event_name", "verdict": "cause"}, {"step": "ingestion", "verdict": "ok"})
    return page_tables() | {
        "explanations": [
            {**row, **step, "step_number": number, "sentence": f"sentence {number} <b>"}
            for number, step in enumerate(steps, start=1)
        ]
    }


def test_a_drop_of_exposures_is_told_with_its_most_likely_cause_and_every_step():
    shown = page(explained())
    assert (
        "Of the 200 units assigned on 2026-01-09, 100 were exposed, where earlier cohorts let expect 180: 80 are "
        "missing. Most likely: event renamed (seen_v2), which explains 90\u202f% of them."
    ) in shown.text
    assert "sentence 1 <b>" in shown.text
    assert "most likely why" in shown.text


def test_a_cohort_without_a_drop_or_that_cannot_be_judged_is_told_as_such():
    assert "no drop" in page(explained(missing_units=0.0)).text
    assert "too few units or earlier cohorts" in page(explained(expected_units=None)).text


def test_a_page_of_a_day_before_the_explained_cohort_does_not_tell_of_it():
    assert "Drops of exposure, explained" not in page(explained(), day=january(8)).text
    assert "Drops of exposure, explained" not in page().text


def test_the_same_rows_make_the_same_page():
    backwards = {name: list(reversed(rows)) for name, rows in page_tables().items()}
    assert experiment_page(data_of(backwards)) == experiment_page(data_of())


def test_a_running_experiment_has_no_end():
    assert "2026-01-01 to now" in page(about=described(end=None)).text


def test_backticks_become_code_and_everything_else_is_escaped():
    assert with_code("run `a <b>` now <i>") == "run <code>a &lt;b&gt;</code> now &lt;i&gt;"
    assert with_code("one ` alone") == "one ` alone"
