"""The command `report` and the asset of the reports, on a whole installation: files, verdicts, and what is refused."""

from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from exposure_assets.simulation import SimulationPlan, simulate
from exposure_assets_tests.installation import Installation
from exposure_assets_tests.reports.pages import Page

FIRST, DAYS = date(2026, 1, 1), 6


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    place = tmp_path_factory.mktemp("reports")
    simulate(SimulationPlan(DAYS, 300, 2, seed=3, start_date=FIRST), place / "zone")
    built = Installation(place / "zone", place / "place")
    built.backfill()
    return built


def said(installation: Installation, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of `exposure-assets report`."""
    process = installation.command("report", *arguments)
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def test_a_backfill_writes_the_page_of_every_experiment_that_has_started_and_lists_it(
    installation: Installation,
):
    folder = installation.place / "reports"
    rows = installation.table("experiment_reports").sort("experiment_id").rows(named=True)
    assert [row["file"] for row in rows] == sorted(path.name for path in folder.iterdir())
    assert rows
    judged = installation.table("experiment_quality_report")
    for row in rows:
        content = (folder / row["file"]).read_bytes()
        assert (row["page_bytes"], row["page_digest"]) == (len(content), sha256(content).hexdigest())
        last = judged.filter(experiment_id=row["experiment_id"]).sort("as_of_date").row(-1, named=True)
        assert row["is_valid_for_analysis"] == last["is_valid_for_analysis"]
        assert row["failed_guardrails"] == last["failed_guardrails"]


def test_the_command_writes_the_page_that_the_asset_wrote(installation: Installation, tmp_path: Path):
    id_ = installation.table("experiment_reports")["experiment_id"].sort()[0]
    code, output, errors = said(installation, id_, "--output", str(tmp_path / "page.html"))
    assert (code, errors) == (0, "")
    assert output.startswith(f"{tmp_path / 'page.html'}: {id_} as of ")
    page = (tmp_path / "page.html").read_text()
    assert page == (installation.place / "reports" / f"{id_}.html").read_text()
    assert Page(page).all("figure")


def test_a_page_can_be_asked_for_as_of_an_earlier_day(installation: Installation, tmp_path: Path):
    id_ = installation.table("experiment_reports")["experiment_id"].sort()[0]
    day = installation.workspace.catalog().experiments[id_].start.date() + timedelta(days=1)
    code, _, errors = said(installation, id_, "--day", str(day), "--output", str(tmp_path / "page.html"))
    assert (code, errors) == (0, "")
    assert f"Experiment report as of {day}" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("checkout-buton",),
            "experiment checkout-buton: not in the catalog; did you mean 'checkout-button'?",
        ),
        (("checkout-button", "--day", "2025-12-01"), "--day 2025-12-01: found a day before what is known"),
        (("checkout-button", "--day", "2027-01-01"), "--day 2027-01-01: found a day after what is known"),
        (("checkout-button", "--output", "{}/missing/page.html"), "its folder {}/missing does not exist"),
        (("checkout-button", "--output", "{}"), "{}: found a folder, expected the name of a file"),
    ],
)
def test_what_cannot_be_reported_is_a_sentence_and_leaves_no_file(
    installation: Installation, tmp_path: Path, arguments: tuple[str, ...], expected: str
):
    filled = [argument.format(tmp_path) for argument in arguments]
    output = [] if "--output" in filled else ["--output", str(tmp_path / "page.html")]
    code, _, errors = said(installation, *filled, *output)
    assert code == 1
    assert errors.startswith("error: ")
    assert expected.format(tmp_path) in errors
    assert list(tmp_path.iterdir()) == []


def test_an_installation_without_data_has_no_page_and_says_so(tmp_path: Path):
    simulate(SimulationPlan(2, 20, 1, seed=1, start_date=FIRST), tmp_path / "zone")
    (tmp_path / "empty" / "landing").mkdir(parents=True)
    (tmp_path / "zone" / "catalog").rename(tmp_path / "empty" / "catalog")
    empty = Installation(tmp_path / "empty", tmp_path / "place")
    assert empty.table("experiment_reports").is_empty()
    id_ = next(iter(empty.workspace.catalog().experiments))
    code, _, errors = said(empty, id_, "--output", str(tmp_path / "page.html"))
    assert code == 1
    assert "found no data, expected days from" in errors
