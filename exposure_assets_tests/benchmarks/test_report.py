"""The tables of the benchmark say what was measured: medians, ratios against the best peer, multiples of the floor."""

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.measuring import Measurement
from benchmarks.report import tables, write_readme
from benchmarks.suite import Results


def results() -> Results:
    measured = Results(events=1_000, runs=3, landing_mb=12.0)
    for engine, seconds in {
        "ours": (4.0, 3.0, 9.0),
        "duckdb": (2.0, 2.0, 2.0),
        "chdb": (8.0, 8.0, 8.0),
    }.items():
        measured.add([Measurement(engine, "dedupe", each, 100.0) for each in seconds])
    return measured


def test_the_median_counts_and_the_ratio_is_against_the_best_peer():
    assert "| dedupe | 4.00 | 2.00 | 8.00 | 2.00 |" in tables(results())


def test_the_peak_is_the_highest_of_the_runs():
    measured = results()
    measured.add([Measurement("ours", "staging", 1.0, peak) for peak in (300.0, 700.0, 500.0)])
    assert "| staging | 700 | - | - |" in tables(measured)


def test_the_whole_is_given_as_a_multiple_of_the_lower_decode_floor():
    measured = results()
    measured.add([Measurement("floor_polars", "floor", 0.5, 100.0)])
    measured.add([Measurement("floor_duckdb", "floor", 1.0, 100.0)])
    measured.add([Measurement("ours", "whole", 6.0, 900.0)])
    assert "| whole, ours | 6.00 | 900 | 12.0 |" in tables(measured)


def test_what_dagster_adds_is_the_backfill_without_the_same_work_done_alone():
    measured = results()
    measured.add([Measurement("ours_in_warehouse", "whole", 6.0, 900.0)])
    measured.add([Measurement("backfill", "whole", 8.0, 900.0)])
    assert "2.0 s, 25% of the whole" in tables(measured)


def test_results_survive_being_saved(tmp_path: Path):
    results().save(tmp_path / "results.json")
    assert Results.load(tmp_path / "results.json") == results()


def test_the_readme_keeps_its_words_and_gets_the_new_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    readme = tmp_path / "README.md"
    readme.write_text("# Words\n\n<!-- begin 1000 -->\nold figures\n<!-- end 1000 -->\n\nMore words\n")
    monkeypatch.setattr(report, "README", readme)
    write_readme(results())
    text = readme.read_text()
    assert text.startswith("# Words\n\n<!-- begin 1000 -->\n")
    assert text.endswith("<!-- end 1000 -->\n\nMore words\n")
    assert "old figures" not in text
    assert "| dedupe | 4.00" in text


def test_a_size_that_the_readme_does_not_know_gets_a_section_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    readme = tmp_path / "README.md"
    readme.write_text("# Words\n")
    monkeypatch.setattr(report, "README", readme)
    write_readme(results())
    assert "### 1,000 events" in readme.read_text()
    assert readme.read_text().endswith("<!-- end 1000 -->\n")


def test_the_seconds_of_all_cores_are_told_beside_the_wall_clock():
    measured = Results(events=1_000, runs=1, landing_mb=12.0)
    measured.add([Measurement("ours", "dedupe", 1.0, 100.0, cpu_seconds=1.8)])
    measured.add([Measurement("duckdb", "dedupe", 4.0, 100.0, cpu_seconds=2.0)])
    assert "| dedupe | 1.00 | 4.00 | 0.25 |" in tables(measured)
    assert "| dedupe | 1.80 | 2.00 | 0.90 |" in tables(measured)
