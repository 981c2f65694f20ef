"""Processes and whether they live."""

import subprocess
import sys
from dataclasses import replace

from resources.processes import Process

SAYS_WHO_IT_IS = "from resources.processes import Process; print(Process.this(), flush=True); input()"


def test_a_process_is_dead_once_it_has_ended_and_not_before():
    with subprocess.Popen(
        [sys.executable, "-c", SAYS_WHO_IT_IS], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        process = Process.parse(other.stdout.readline().strip())
        assert not process.is_dead
        other.kill()
    assert process.is_dead


def test_a_process_that_was_given_the_id_of_another_is_not_that_one():
    mine = Process.this()
    assert not mine.is_dead
    assert replace(mine, started=mine.started - 1).is_dead


def test_of_a_process_elsewhere_nothing_is_certain():
    assert not replace(Process.this(), host="elsewhere", pid=1 << 21).is_dead


def test_a_process_is_read_as_it_was_written():
    assert Process.parse(str(Process.this())) == Process.this()
