"""The whole pipeline as a person starts it: `exposure-assets backfill`, in a process of its own.

What it does is the command's business.
"""

import os
import subprocess
import sys

from benchmarks.engines.engine import Place
from benchmarks.engines.ours import environment_of


class BackfillFailed(Exception):
    """`exposure-assets backfill` ended with an error."""


class Backfill:
    """The command line, end to end."""

    def run(self, stage: str, place: Place) -> None:
        """Compute everything; `stage` has no say.

        Raises:
            BackfillFailed: the command says why.
        """
        command = [sys.executable, "-c", "from exposure_assets.cli import main; main()", "backfill"]
        ended = subprocess.run(
            command, env={**os.environ, **environment_of(place)}, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise BackfillFailed(
                f"exposure-assets backfill: exit code {ended.returncode}: {ended.stderr[-2000:]}"
            )
