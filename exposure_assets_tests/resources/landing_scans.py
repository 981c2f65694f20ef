"""Scans of a landing zone in processes of their own.

What they have to leave behind stands in the tests.
"""

import multiprocessing
from multiprocessing.process import BaseProcess
from pathlib import Path

from resources.landing import LandingZone


def scan_until_complete(landing: Path, staging: Path, seconds: float | None) -> None:
    """Scan again and again with a budget until no file is left to read."""
    zone = LandingZone(str(landing), staging)
    while not zone.refresh(seconds).is_complete:
        pass


def scanning(landing: Path, staging: Path, seconds: float | None = None) -> BaseProcess:
    """A process that scans; it has begun when this returns, not ended."""
    process = multiprocessing.get_context("spawn").Process(
        target=scan_until_complete, args=(landing, staging, seconds)
    )
    process.start()
    return process
