"""What exposure windows and segments may not say, and what is only worth a warning, by the lines that people read.

What a valid limit means is tested with the contracts.
"""

from pathlib import Path

import pytest

from exposure_assets_tests.installation import Installation
from exposure_assets_tests.resources.catalog_files import EXPERIMENT, METRIC, edited, problems, write
from resources.catalog import load_catalog
from resources.catalog_warnings import catalog_warnings

WINDOW = '[[exposure.windows]]\nid = "w"\n'
SEGMENT = '[[segments]]\nid = "s"\nevent = "search"\n'
OPEN = ("end = 2026-01-15T14:30:00Z\n", "")
LIMIT = "a whole number of days, one of enrollment_start, enrollment_end, analysis_window_start, analysis_window_end, "
LIMIT += "or a share such as '0.9 * observation'"
OF_SEGMENT = "a whole number of days, one of assignment, enrollment_start, enrollment_end, "
OF_SEGMENT += "or a share such as '0.9 * observation'"
PERIODS = "one of daily, weekly, overall, or a list of these and of [first day, last day]"
HORIZON = "at most the graph's horizon of 28 days"
SHORTEN = "shorten the window, or raise EXPOSURES_HORIZON_DAYS"
EMPTY = "an end after the start, inside the analysis windows; move one of the two"
ENDS = "an experiment whose enrollment ends"
GIVE_END = "give the experiment `end` or `enrollment_days`"


def lines(root: Path, further: str, *changes: tuple[str, str]) -> list[str]:
    return [
        line.removeprefix("experiments/a.toml: ")
        for line in problems(write(root, experiment=edited(EXPERIMENT, *changes) + further))
    ]


WINDOWS = [
    (
        'end = "enrolment_end"',
        "end",
        f"found 'enrolment_end', expected {LIMIT}; did you mean 'enrollment_end'?",
    ),
    ('end = "14"', "end", f"found '14', expected {LIMIT}; write the number without quotes"),
    ("end = 0.9", "end", f"found 0.9, expected {LIMIT}; write for example 14, without quotes"),
    ("start = true", "start", f"found true, expected {LIMIT}; write for example 14, without quotes"),
    (
        "start = -1",
        "start",
        "found -1, expected 0 or more days; exposure windows lie after the assignment; what lies before it is for "
        "[[segments]]",
    ),
    ("end = 29", "end", f"found 29 days, expected {HORIZON}; {SHORTEN}"),
    ("start = 29", "start", f"found 29 days, expected {HORIZON}; {SHORTEN}"),
    (
        'end = "1.5 * observation"',
        "end",
        "found '1.5 * observation', expected a share of the observation from 0 to 1; "
        "a window ends with the observation at the latest: '1 * observation'",
    ),
    (
        'end = "90 % of observation"',
        "end",
        f"found '90 % of observation', expected {LIMIT}; did you mean '0.9 * observation'?",
    ),
    ("start = 3\nend = 2", "end", "found 2, expected at least start, which is 3; correct one of the two"),
    ("start = 15", "end", f"found 15 to '1 * observation', which is empty for every unit, expected {EMPTY}"),
    (
        'end = "0 * observation"',
        "end",
        f"found 0 to '0 * observation', which is empty for every unit, expected {EMPTY}",
    ),
    (
        'start = "0.5 * observation"\nend = 6',
        "end",
        f"found '0.5 * observation' to 6, which is empty for every unit, expected {EMPTY}",
    ),
    (
        'start = "enrollment_end"\nend = "enrollment_start"',
        "end",
        f"found 'enrollment_end' to 'enrollment_start', which is empty for every unit, expected {EMPTY}",
    ),
    (
        'start = "analysis_window_end"\nend = "analysis_window_start"',
        "end",
        f"found 'analysis_window_end' to 'analysis_window_start', which is empty for every unit, expected {EMPTY}",
    ),
    ("analysis_windows = []", "analysis_windows", f"found [], expected {PERIODS}; remove the line"),
    (
        'analysis_windows = "weakly"',
        "analysis_windows",
        f"found 'weakly', expected {PERIODS}; did you mean 'weekly'?",
    ),
    (
        "analysis_windows = [0, 6]",
        "analysis_windows",
        f'found 0, expected {PERIODS}; write for example "weekly" or [[0, 6], [7, 13]]',
    ),
    ("analysis_windows = [[0, 6, 7]]", "analysis_windows", f"found [0, 6, 7], expected {PERIODS}; write for"),
    ("analysis_windows = [[true, 6]]", "analysis_windows", f"found [True, 6], expected {PERIODS}; write for"),
    (
        "analysis_windows = [[-1, 3]]",
        "analysis_windows",
        "found [-1, 3], expected 0 <= first day <= last day; count days from the assignment's, which is 0; "
        "what lies before it is for [[segments]]",
    ),
    ("analysis_windows = [[3, 1]]", "analysis_windows", "found [3, 1], expected 0 <= first day <= last day"),
    ("analysis_windows = [[0, 29]]", "analysis_windows", f"found 29 days, expected {HORIZON}; {SHORTEN}"),
    (
        'analysis_windows = ["daily", "daily"]',
        "analysis_windows",
        "found ['daily', 'daily'], expected every analysis window once; remove the repetition",
    ),
    ("analysis_windows = [[0, 6], [0, 6]]", "analysis_windows", "expected every analysis window once"),
    ('anchor = "assignment"', "anchor", "found \"assignment\", expected one of 'unit' or 'experiment'"),
    ("strat = 3", "strat", "found an unknown key, expected one of id, anchor, start, end, analysis_windows"),
    ("strat = 3", "strat", "did you mean 'start'?"),
    (
        'anchor = "experiment"\nend = "analysis_window_end"\nanalysis_windows = [[0, 28]]',
        "end",
        f"found a window that ends 42 days after the first unit was assigned, expected {HORIZON}; "
        'use anchor = "unit", shorten the window, or raise EXPOSURES_HORIZON_DAYS',
    ),
]


@pytest.mark.parametrize(("written", "key", "expected"), WINDOWS, ids=[case[0] for case in WINDOWS])
def test_a_wrong_window_is_named_with_its_key(tmp_path: Path, written: str, key: str, expected: str):
    [line] = lines(tmp_path, f"{WINDOW}{written}\n")
    assert line.startswith(f"exposure.windows[#1].{key}: ")
    assert expected in line


SEGMENTS = [
    ('end = "assigment"', "end", f"found 'assigment', expected {OF_SEGMENT}; did you mean 'assignment'?"),
    (
        'end = "analysis_window_end"',
        "end",
        f"found 'analysis_window_end', expected {OF_SEGMENT}; choose from",
    ),
    ("start = -7.5", "start", f"found -7.5, expected {OF_SEGMENT}; write for example -7, without quotes"),
    ('start = "-7"', "start", "write the number without quotes"),
    ("start = -29", "start", f"found 29 days, expected {HORIZON}; {SHORTEN}"),
    ("end = 29", "end", f"found 29 days, expected {HORIZON}; {SHORTEN}"),
    ("at_least = 0", "at_least", "found 0, expected at least 1; write for example at_least = 1"),
    ("at_least = 1.0", "at_least", "found 1.0, expected a whole number"),
    (
        "start = -1\nend = -3",
        "end",
        "found -1 to -3, which is empty for every unit, expected an end after the start; move one of the two",
    ),
    ('start = "assignment"', "end", "found 'assignment' to 'assignment', which is empty for every unit"),
    ("start = 1", "end", "found 1 to 'assignment', which is empty for every unit"),
    ('start = "1.1 * observation"', "start", "expected a share of the observation from 0 to 1"),
    (
        'anchor = "experiment"\nstart = -27',
        "start",
        f"found a window that reaches 41 days before the assignment day, expected {HORIZON}; {SHORTEN}",
    ),
    (
        'filter = [{ field = "properties.kind" }]',
        "filter[#1]",
        "found no operator, expected exactly one of in",
    ),
    ('evnt = "x"', "evnt", "expected one of id, event, filter, at_least, anchor, start, end; did you mean"),
]


@pytest.mark.parametrize(("written", "key", "expected"), SEGMENTS, ids=[case[0] for case in SEGMENTS])
def test_a_wrong_segment_is_named_with_its_key(tmp_path: Path, written: str, key: str, expected: str):
    [line] = lines(tmp_path, f"{SEGMENT}{written}\n")
    assert line.startswith(f"segments[#1].{key}: ")
    assert expected in line


def test_zero_is_a_limit_and_not_a_missing_one(tmp_path: Path):
    assert lines(tmp_path, f"{WINDOW}start = 0\nend = 0\n{SEGMENT}start = 0\nend = 0\n") == []


def test_a_missing_id_or_event_and_an_id_that_is_none_are_named(tmp_path: Path):
    assert lines(tmp_path / "id", "[[exposure.windows]]\nend = 3\n") == [
        "exposure.windows[#1].id: found nothing, expected the key to be there; "
        'write for example id = "first_90_percent"'
    ]
    [line] = lines(tmp_path / "text", '[[exposure.windows]]\nid = "First Week"\n')
    assert line.startswith('exposure.windows[#1].id: found "First Week", expected 1 to 100 of a-z')
    [line] = lines(tmp_path / "event", '[[segments]]\nid = "s"\n')
    assert line.startswith("segments[#1].event: found nothing, expected the key to be there")


def test_the_number_of_the_table_is_in_the_key(tmp_path: Path):
    further = (
        f'{WINDOW}[[exposure.windows]]\nid = "v"\nend = -1\n{SEGMENT}[[segments]]\nid = "r"\nevent = " "\n'
    )
    keys = [line.split(": ")[0] for line in lines(tmp_path, further)]
    assert keys == ["exposure.windows[#2].end", "segments[#2].event"]


def test_two_windows_or_segments_of_one_id_are_refused(tmp_path: Path):
    remedy = "2 times, expected a different id for each; rename one"
    assert lines(tmp_path, WINDOW * 2) == [f"exposure.windows.id: found 'w' {remedy}"]
    assert lines(tmp_path, SEGMENT * 2) == [f"segments.id: found 's' {remedy}"]


def test_weeks_need_a_whole_observed_week(tmp_path: Path):
    days = ("[exposure]", "[exposure]\nmax_days_after_assignment = 5\nobserve_days = 5")
    weekly = WINDOW + 'analysis_windows = "weekly"\n'
    assert lines(tmp_path / "6", weekly, days) == [
        "exposure.windows[#1].analysis_windows: found weekly in 6 observed days, expected observe_days of at "
        "least 6: a week is whole or not there; observe longer, or count daily"
    ]
    seven = (days[0], days[1].replace("observe_days = 5", "observe_days = 6"))
    assert lines(tmp_path / "7", weekly, seven) == []


@pytest.mark.parametrize(
    ("further", "key"),
    [
        (WINDOW + 'start = "enrollment_end"\n', "exposure.windows[#1].start"),
        (WINDOW + 'anchor = "experiment"\nend = "0.5 * observation"\n', "exposure.windows[#1].end"),
        (WINDOW + 'anchor = "experiment"\nend = "analysis_window_end"\n', "exposure.windows[#1].end"),
        (SEGMENT + 'end = "enrollment_end"\n', "segments[#1].end"),
        (SEGMENT + 'start = "enrollment_start"\n', "segments[#1].start"),
        (SEGMENT + 'anchor = "experiment"\nstart = -3\n', "segments[#1].start"),
    ],
)
def test_limits_that_need_the_last_day_of_enrollment_are_refused_without_one(
    tmp_path: Path, further: str, key: str
):
    [line] = lines(tmp_path / "open", further, OPEN)
    assert line.startswith(f"{key}: found ")
    assert ENDS in line and line.endswith(GIVE_END)
    assert lines(tmp_path / "days", further, (OPEN[0], "enrollment_days = 7\n")) == []


@pytest.mark.parametrize(
    "further",
    [
        WINDOW + 'anchor = "experiment"\nend = 3\n',
        WINDOW + 'start = "enrollment_start"\nend = "analysis_window_end"\n',
        WINDOW + 'end = "0.5 * observation"\n',
        SEGMENT,
        SEGMENT + 'start = 0\nend = "0.5 * observation"\n',
    ],
)
def test_all_other_limits_do_without_an_end_of_enrollment(tmp_path: Path, further: str):
    assert lines(tmp_path, further, OPEN) == []


def test_a_segment_may_not_take_the_column_of_a_metric(tmp_path: Path):
    files = {"metrics/is_in_s.toml": METRIC}
    assert problems(write(tmp_path, files, experiment=EXPERIMENT + SEGMENT)) == [
        "experiments/a.toml: segments[#1].id: found 's', expected an id whose column of unit_outcomes, is_in_s, "
        "is not a metric's; rename the segment or the metric"
    ]


def test_a_segment_that_reaches_past_the_assignment_is_warned_of_and_a_look_back_is_not(tmp_path: Path):
    after = '[[segments]]\nid = "after"\nevent = "search"\nstart = 0\nend = 3\n'
    root = write(tmp_path, experiment=EXPERIMENT + SEGMENT + after)
    [warning] = catalog_warnings(load_catalog(root), root)
    assert (warning.file, warning.key, warning.found) == (
        f"{root}/experiments/a.toml",
        "segments[#2].end",
        "3",
    )
    assert "biased" in warning.expected and 'write end = "assignment"' in warning.remedy
    looking_back = write(tmp_path / "back", experiment=EXPERIMENT + SEGMENT)
    assert catalog_warnings(load_catalog(looking_back), looking_back) == []


def test_the_command_prints_warnings_beside_its_answer_and_succeeds(tmp_path: Path):
    write(tmp_path / "catalog", experiment=f"{EXPERIMENT}{SEGMENT}end = 3\n")
    process = Installation(tmp_path, tmp_path / "place").command("catalog", "check")
    said, warned = process.communicate(timeout=60)
    assert process.returncode == 0, warned
    assert said.startswith("catalog ok: 1 experiments")
    [line] = warned.splitlines()
    assert line.startswith(
        f"warning: {tmp_path}/catalog/experiments/a.toml: segments[#1].end: found 3, expected"
    )
