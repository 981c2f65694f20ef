"""Tests of what the allocation phases of an experiment may not say, by the exact line an analyst reads.

What is compared with them is tested with the transform of the sample ratios.
"""

from datetime import date

import pytest

from exposure_assets_tests.resources.catalog_files import EXPERIMENT, edited, problems, write
from resources.catalog import load_catalog

HALVES = "{ control = 0.5, treatment = 0.5 }"


def phase(start: str = "2026-01-08T00:00:00Z", allocations: str = HALVES) -> str:
    return f"[[allocation_phases]]\nstart = {start}\nallocations = {allocations}\n"


def problems_of_phases(root, *phases: str) -> list[str]:
    text = edited(EXPERIMENT, ("[exposure]", "".join(phases) + "[exposure]"))
    return [line.removeprefix("experiments/a.toml: ") for line in problems(write(root, experiment=text))]


def test_phases_follow_the_allocations_of_the_variations(tmp_path):
    ramp = ("allocation = 0.5", "allocation = 0.9"), ("allocation = 0.5", "allocation = 0.1")
    text = edited(EXPERIMENT, *ramp, ("[exposure]", phase() + "[exposure]"))
    catalog = load_catalog(write(tmp_path, experiment=text))
    assert catalog.experiments["a"].declared_shares == (
        (date(2026, 1, 1), {"control": 0.9, "treatment": 0.1}),
        (date(2026, 1, 8), {"control": 0.5, "treatment": 0.5}),
    )
    assert hash(catalog.experiments["a"]) == hash(catalog.experiments["a"].model_copy())


def test_a_phase_on_the_day_of_the_start_takes_the_place_of_the_variations_own_allocations(tmp_path):
    text = edited(EXPERIMENT, ("[exposure]", phase("2026-01-01T00:00:00Z") + "[exposure]"))
    catalog = load_catalog(write(tmp_path, experiment=text))
    assert [first for first, _ in catalog.experiments["a"].declared_shares] == [date(2026, 1, 1)]


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        (
            [phase("2026-01-08T09:00:00Z")],
            "allocation_phases[#1].start: found 2026-01-08T09:00:00+00:00, expected midnight in UTC: a cohort is a UTC "
            "day, and all of it is compared with the same allocations; take the midnight from which on whole days were "
            "allocated so",
        ),
        (
            [phase("2026-01-08")],
            "allocation_phases[#1].start: found 2026-01-08, expected a date and time in UTC, without quotes; write for "
            "example start = 2026-01-08T00:00:00Z",
        ),
        (
            [phase("2025-12-31T00:00:00Z")],
            "allocation_phases[#1].start: found 2025-12-31T00:00:00+00:00, expected a day of enrollment: 2026-01-01 to "
            "2026-01-15; correct the day, or remove the phase",
        ),
        (
            [phase(), phase()],
            "allocation_phases[#2].start: found 2026-01-08T00:00:00+00:00, expected an instant after the start of the "
            "phase before it, which is 2026-01-08T00:00:00+00:00; put the phases in order, one for each start",
        ),
        (
            [phase(allocations="{ control = 0.5, treatment = 0.4 }")],
            "allocation_phases[#1].allocations: found 0.5 + 0.4, which is 0.9, expected allocations that sum to 1; "
            "correct the shares",
        ),
        (
            [phase(allocations="{ control = 1.0 }")],
            "allocation_phases[#1].allocations: found no share of 'treatment', expected a share of every variation; "
            "write 0 for a variation that gets no units in this phase",
        ),
        (
            [phase(allocations="{ control = 0.5, treatment = 0.5, treatmnt = 0.0 }")],
            "allocation_phases[#1].allocations.treatmnt: found an unknown variation, expected an id of [[variations]]; "
            "did you mean 'treatment'?",
        ),
        (
            [phase(allocations="{ control = 1.5, treatment = -0.5 }")],
            "allocation_phases[#1].allocations.control: found 1.5, expected at most 1.0; correct it",
        ),
        (
            ["[[allocation_phases]]\nstart = 2026-01-08T00:00:00Z\n"],
            "allocation_phases[#1].allocations: found nothing, expected the key to be there; write for example "
            "allocations = { control = 0.5, treatment = 0.5 }",
        ),
    ],
)
def test_a_phase_that_cannot_be_is_named_with_its_key(tmp_path, phases, expected):
    assert problems_of_phases(tmp_path, *phases)[0] == expected


def test_a_running_experiment_may_change_its_allocations_on_any_later_day(tmp_path):
    running = edited(EXPERIMENT, ("end = 2026-01-15T14:30:00Z\n", ""), ("[exposure]", "{phases}[exposure]"))
    text = running.replace("{phases}", phase("2030-01-01T00:00:00Z"))
    assert problems(write(tmp_path, experiment=text)) == []


def test_a_phase_is_not_judged_by_dates_that_are_wrong_themselves(tmp_path):
    text = edited(
        EXPERIMENT, ("end = 2026-01-15", "end = 2025-01-15"), ("[exposure]", phase() + "[exposure]")
    )
    assert [line.split(": ")[1] for line in problems(write(tmp_path, experiment=text))] == ["end"]
