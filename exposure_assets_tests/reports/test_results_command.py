"""The command `results`, run as a user runs it on an installation that was backfilled."""

import csv
import json
from pathlib import Path

import pytest

from exposure_assets_tests.installation import Installation
from exposure_assets_tests.reference.small_zone import assigned, exposed, happened, write_catalog, write_jsonl

METRICS = {
    "orders": {"event": "buy", "aggregation": "count"},
    "revenue": {"event": "buy", "aggregation": "sum", "field": "value"},
}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Forty units of `exp`, whose control buys less; `strict` has the same ones and asks for more than there are."""
    place = tmp_path_factory.mktemp("results")
    catalog = write_catalog(place / "zone", METRICS)
    path = catalog / "experiments" / "exp.toml"
    path.write_text(path.read_text() + "\n[guardrails]\nminimum_units = 0\n")
    strict = path.read_text().replace("minimum_units = 0", "minimum_units = 1000")
    (catalog / "experiments" / "strict.toml").write_text(strict)
    events, assignments = [], []
    for n in range(40):
        variation = "control" if n % 2 else "treatment"
        for experiment_id in ("exp", "strict"):
            assignments.append(assigned(f"u{n}", variation, "06 09:00:00", experiment_id))
            events.append(exposed(f"u{n}", variation, "06 09:01:00", experiment_id))
        if n % 2 == 0 or n % 5 == 0:
            events.append(happened(f"u{n}", "buy", "08 10:00:00", value=float(n)))
    events.append(happened("late", "buy", "20 10:00:00", value=1.0))
    write_jsonl(place / "zone" / "landing", "events", events)
    write_jsonl(place / "zone" / "landing", "assignments", assignments)
    installation = Installation(place / "zone", place / "place")
    installation.backfill()
    return installation


def run(installation: Installation, *arguments: str) -> tuple[int, str, str]:
    process = installation.command("results", *arguments)
    out, errors = process.communicate(timeout=300)
    return process.returncode, out, errors


def test_valid_results_are_a_table_with_what_is_told(installation: Installation):
    code, out, errors = run(installation, "exp")
    assert (code, errors) == (0, "")
    assert out.startswith("Example (exp), as of 2026-01-20\n")
    [orders] = [line for line in out.splitlines() if line.startswith("orders")]
    assert orders.split()[:4] == ["orders", "treatment", "20", "20"]
    assert orders.endswith("higher")


def test_results_of_unfit_data_are_refused_in_a_sentence(installation: Installation):
    code, out, errors = run(installation, "strict")
    assert (code, out) == (1, "")
    assert errors.startswith("error: strict: results as of 2026-01-20 are refused by minimum_units. ")


def test_forced_results_say_so_in_every_format(installation: Installation, tmp_path: Path):
    code, out, errors = run(installation, "strict", "--force")
    assert (code, errors) == (0, "")
    assert "NOT FIT FOR A DECISION: failed guardrails: minimum_units" in out
    code, out, errors = run(installation, "strict", "--force", "--format", "json")
    assert code == 0
    assert "failed guardrails: minimum_units" in errors
    rows = json.loads(out)
    assert {(row["is_forced"], *row["refused_by"]) for row in rows} == {(True, "minimum_units")}
    assert all(row["p_value"] is not None for row in rows)
    file = tmp_path / "results.csv"
    code, out, errors = run(installation, "strict", "--force", "--format", "csv", "--output", str(file))
    assert (code, out) == (0, "")
    assert {row["is_forced"] for row in csv.DictReader(file.open())} == {"true"}


def test_a_day_and_a_basis_may_be_asked_for(installation: Installation):
    code, out, _ = run(
        installation, "exp", "--day", "2026-01-13", "--basis", "valid_exposed", "--format", "json"
    )
    assert code == 0
    rows = json.loads(out)
    assert {(row["as_of_date"], row["analysis_basis"]) for row in rows} == {("2026-01-13", "valid_exposed")}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("expp",), "found no experiment 'expp' in the catalog; did you mean 'exp'?"),
        (
            ("exp", "--day", "2026-01-12"),
            "found no results as of 2026-01-12, expected a day from 2026-01-13 to",
        ),
    ],
)
def test_what_cannot_be_answered_is_a_sentence(
    installation: Installation, arguments: tuple[str, ...], said: str
):
    code, out, errors = run(installation, *arguments)
    assert (code, out) == (1, "")
    assert said in errors
    assert "Traceback" not in errors
