"""Tests of what is refused: each kind of problem by the exact line an analyst reads.

What a valid catalog means is tested in `test_catalog`.
"""

import pytest

from exposure_assets_tests.resources.catalog_files import (
    EXPERIMENT,
    METRIC,
    SOURCE,
    edited,
    problems,
    problems_of_experiment,
    write,
)


def test_every_problem_of_every_file_is_listed(tmp_path):
    files = {
        "experiments/b.toml": "name =",
        "metrics/m.toml": METRIC + "capp = 3",
        "exposure_sources/s.toml": edited(SOURCE, ("variation", "variant")),
    }
    text = edited(EXPERIMENT, ("0.5", "0.6"), ("owner", "oner"), ("experiment_exposed", "s"))
    assert [line.split(": found")[0] for line in problems(write(tmp_path, files, experiment=text))] == [
        "experiments/b.toml: line 1",
        "experiments/a.toml: owner",
        "experiments/a.toml: variations.allocation",
        "experiments/a.toml: oner",
        "metrics/m.toml: capp",
        "exposure_sources/s.toml: variation",
        "exposure_sources/s.toml: variant",
    ]


def test_a_missing_catalog_is_named_with_its_setting(tmp_path):
    assert problems(tmp_path / "nowhere") == [
        f"{tmp_path}/nowhere: found No such file or directory, expected a folder with experiments, metrics, "
        "exposure_sources; point EXPOSURES_CATALOG at the catalog"
    ]


def test_a_file_is_no_catalog(tmp_path):
    (tmp_path / "catalog.toml").write_text("")
    assert problems(tmp_path / "catalog.toml") == [
        f"{tmp_path}/catalog.toml: found Not a directory, expected a folder with experiments, metrics, "
        "exposure_sources; point EXPOSURES_CATALOG at the catalog"
    ]


@pytest.mark.parametrize("folder", ["experiments", "metrics"])
def test_a_catalog_without_any_experiment_is_a_wrong_folder(tmp_path, folder):
    (tmp_path / folder).mkdir()
    assert problems(tmp_path) == [
        "experiments: found no .toml file, expected at least one experiment, <id>.toml; "
        "add one, or point EXPOSURES_CATALOG at the catalog"
    ]


def test_a_folder_whose_name_is_almost_right_is_not_ignored(tmp_path):
    assert problems(write(tmp_path, {"exposure-source/s.toml": SOURCE})) == [
        "exposure-source: found a folder 'exposure-source', expected the folders experiments, metrics, "
        "exposure_sources; did you mean 'exposure_sources'?"
    ]


def test_unreadable_toml_is_named_with_its_line(tmp_path):
    assert problems_of_experiment(tmp_path, ("owner =", "owner:")) == [
        "experiments/a.toml: line 2, column 6: found \"Expected '=' after a key in a key/value pair\", "
        "expected valid TOML; correct the line"
    ]


def test_a_bracket_that_is_never_closed_is_found_at_the_end(tmp_path):
    assert problems_of_experiment(tmp_path, ('["revenue_usd"]\n', "[")) == [
        "experiments/a.toml: line 18: found 'Invalid value', expected valid TOML; "
        "complete it: a value, bracket or quote is missing"
    ]


def test_a_key_written_twice_is_unreadable_toml(tmp_path):
    assert problems_of_experiment(tmp_path, ("owner", "name")) == [
        "experiments/a.toml: line 2, column 28: found 'Cannot overwrite a value', expected valid TOML; "
        "correct the line"
    ]


def test_brackets_without_end_and_numbers_without_end_are_problems_and_no_crash(tmp_path):
    files = {"metrics/b.toml": "field = " + "[" * 5000, "metrics/n.toml": "cap = " + "1" * 5000}
    assert [line.split(": found")[0] for line in problems(write(tmp_path, files))] == [
        "metrics/b.toml",
        "metrics/n.toml",
    ]


def test_a_file_that_is_not_utf_8_is_named_with_its_line(tmp_path):
    text = edited(EXPERIMENT, ("growth@", "größe@")).encode("latin-1")
    assert problems(write(tmp_path, {"experiments/a.toml": text})) == [
        "experiments/a.toml: line 2: found the byte 0xf6, expected text in UTF-8; save the file as UTF-8"
    ]


def test_a_file_that_cannot_be_opened_is_a_problem(tmp_path):
    (write(tmp_path) / "metrics/gone.toml").symlink_to("nowhere.toml")
    assert problems(tmp_path) == [
        "metrics/gone.toml: found No such file or directory, expected a readable file; "
        "check the file and its permissions"
    ]


def test_the_same_id_in_two_folders_is_a_duplicate(tmp_path):
    assert problems(write(tmp_path, {"experiments/old/a.toml": EXPERIMENT})) == [
        "experiments/old/a.toml: id: found 'a' again, expected one file per id; experiments/a.toml has it; "
        "rename or remove one of the two"
    ]


def test_ids_that_differ_in_case_alone_are_duplicates(tmp_path):
    assert (
        "metrics/revenue_usd.toml: id: found 'revenue_usd' again, expected one file per id; "
        "metrics/Revenue_USD.toml has it; rename or remove one of the two"
    ) in problems(write(tmp_path, {"metrics/Revenue_USD.toml": METRIC}))


def test_two_files_that_claim_one_id_are_refused(tmp_path):
    assert problems(write(tmp_path, {"experiments/b.toml": 'id = "a"\n' + EXPERIMENT})) == [
        "experiments/b.toml: id: found \"a\", expected the file's name, 'b'; "
        "remove the line, or rename the file"
    ]


@pytest.mark.parametrize("stem", ["Bad", "_a", "-a", "a b", "a.b", "ä", "a|b", "a+b", "x" * 101, "a\n"])
def test_an_id_that_is_no_slug_is_refused(tmp_path, stem):
    line = problems(write(tmp_path, {f"experiments/{stem}.toml": EXPERIMENT}))[0]
    assert ": id: found " in line
    assert line.endswith(
        "expected 1 to 100 of a-z, 0-9, _ and -, the first one a letter or a digit; rename the file"
    )


def test_an_unknown_key_names_the_nearest_known_one(tmp_path):
    assert problems_of_experiment(tmp_path, ("end =", "ends =")) == [
        "experiments/a.toml: ends: found an unknown key, expected one of name, owner, start, end, "
        "enrollment_days, variations, exposure, outcomes, allocation_phases, quality, guardrails, results, segments; "
        "did you mean 'end'?"
    ]


def test_a_key_in_the_wrong_table_is_told_where_it_belongs(tmp_path):
    changes = (
        ('id = "treatment"', 'id = "treatment"\nenrollment_days = 7'),
        ("owner", "observe_days = 9\nowner"),
    )
    assert [line.split("; ")[1] for line in problems_of_experiment(tmp_path, *changes)] == [
        "move it above the first table of the file",
        "move it into [exposure]",
    ]


def test_a_missing_key_is_named_with_an_example(tmp_path):
    assert problems_of_experiment(tmp_path, ('owner = "growth@example.com"\n', "")) == [
        "experiments/a.toml: owner: found nothing, expected the key to be there; "
        'write for example owner = "growth@example.com"'
    ]


def test_an_empty_experiment_misses_exactly_the_required_keys(tmp_path):
    keys = [line.split(": ")[1] for line in problems(write(tmp_path, experiment=""))]
    assert keys == ["name", "owner", "start", "variations", "exposure"]


def test_a_problem_is_one_line_even_where_the_file_holds_none(tmp_path):
    [line] = problems_of_experiment(tmp_path, ("[exposure]", '[exposure]\n"a\\nb\\u0007" = 1'))
    assert line.startswith(r"experiments/a.toml: exposure.a\nb\x07: found an unknown key")
