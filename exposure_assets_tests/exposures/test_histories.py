"""Random histories of an installation: whatever came before, every answer is that of a scan over all raw rows.

What each thing that can happen does by itself is tested in `test_exposures` and `test_failures`.
"""

import tempfile
import threading
import time
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exposure_assets.exposures import ExposureDefinition, Exposures
from exposure_assets_tests.exposures.asking import Asker, saw
from exposure_assets_tests.exposures.definitions import OTHER, SEEN, VARIATIONS
from exposure_assets_tests.reference.small_zone import Row, exposed
from exposure_assets_tests.resources.test_job_ledger import dead_process
from resources.job_ledger import PENDING, JobLedger

ONE_ARM = ExposureDefinition("exp", SEEN, VARIATIONS[:1])
UNITS = st.sampled_from(["ann", "bob", "é"])
INSTANTS = st.builds(
    lambda day, clock: f"{day} {clock}",
    st.sampled_from(["08", "09", "10", "11", "12"]),
    st.sampled_from(["00:00", "09:57", "09:57:00.000001", "23:59:59.999999"]),
)
DEAD = dead_process()


@st.composite
def rows(draw: st.DrawFn) -> Row:
    event = draw(st.sampled_from([exposed, saw]))
    row = event(draw(UNITS), draw(st.sampled_from([*VARIATIONS, "third"])), draw(INSTANTS))
    # Few ids, so that copies differ and stand on several days.
    return row | {"event_id": draw(st.sampled_from([row["event_id"], "copy-1", "copy-2"]))}


class Histories(RuleBasedStateMachine):
    """Arrivals, late and removed files, edits, kills, expiries and callers at once, with questions in between."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="exposure-histories-", ignore_cleanup_errors=True)
        self.asker = Asker(Path(self.folder.name))
        self.files: list[Path] = []

    def teardown(self) -> None:
        self.folder.cleanup()

    @initialize(first=st.lists(rows(), min_size=3, max_size=8))
    def begin(self, first: list[Row]) -> None:
        self.files.append(self.asker.deliver(*first))

    @rule(late=st.lists(rows(), min_size=1, max_size=4))
    def a_file_arrives(self, late: list[Row]) -> None:
        self.files.append(self.asker.deliver(*late))

    @rule()
    def a_file_is_removed(self) -> None:
        if len(self.files) > 1:
            self.files.pop().unlink()

    @rule()
    def a_variation_is_renamed(self) -> None:
        text = (self.asker.folder / "catalog" / "experiments" / "exp.toml").read_text()
        old, new = ("treatment", "third") if '"treatment"' in text else ("third", "treatment")
        self.asker.edit(f'id = "{old}"', f'id = "{new}"')

    @rule()
    def the_start_moves(self) -> None:
        text = (self.asker.folder / "catalog" / "experiments" / "exp.toml").read_text()
        old, new = ("05T", "17T") if "2026-01-05T" in text else ("17T", "05T")
        self.asker.edit(f"2026-01-{old}", f"2026-01-{new}")

    @rule(definition=st.sampled_from([OTHER, ONE_ARM]))
    def a_caller_is_killed(self, definition: ExposureDefinition) -> None:
        """The last job of a definition was never finished, and its process is gone."""
        self._of_last_job(definition, f"status = '{PENDING}', owner = '{DEAD}'")

    @rule(definition=st.sampled_from([OTHER, ONE_ARM]), seconds=st.sampled_from([-10, 60, 7200]))
    def a_job_nears_its_end(self, definition: ExposureDefinition, seconds: int) -> None:
        self._of_last_job(definition, f"expires_at = {time.time() + seconds!r}")

    @rule()
    def the_warehouse_is_lost(self) -> None:
        (self.asker.folder / "place" / "warehouse.duckdb").unlink(missing_ok=True)

    @rule(
        start=INSTANTS,
        end=INSTANTS,
        definition=st.sampled_from([None, OTHER, ONE_ARM]),
        policy=st.sampled_from(["exclude", "first_seen"]),
        callers=st.sampled_from([1, 1, 1, 2]),
    )
    def somebody_asks(
        self, start: str, end: str, definition: ExposureDefinition | None, policy: str, callers: int
    ) -> None:
        start, end = min(start, end), max(start, end)
        if start == end:
            return
        answers: list[Exposures] = []

        def ask() -> None:
            answers.append(self.asker.ask(start, end, definition=definition, crossover_policy=policy))

        threads = [threading.Thread(target=ask) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expected = self.asker.expected(start, end, definition, policy)
        assert len(answers) == callers
        for answer in answers:
            assert answer.rows.rows(named=True) == expected, "\n".join(answer.plan.lines())

    @invariant()
    def everything_asked_for_is_right(self) -> None:
        if self.files:
            self.asker.is_right("08 00:00", "12 09:57")
            self.asker.is_right("08 09:57", "13 00:00", OTHER)

    def _of_last_job(self, definition: ExposureDefinition, change: str) -> None:
        ledger = JobLedger(self.asker.installation.workspace.settings.warehouse)
        with ledger._database.alone() as execute:
            execute(
                f"UPDATE jobs SET {change} WHERE job_id IN (SELECT job_id FROM jobs WHERE definition_hash = "
                f"'{definition.hash}' ORDER BY created_at DESC LIMIT 1)"
            )


TestHistories = Histories.TestCase
# A step takes a tenth of a second; `HYPOTHESIS_PROFILE=thorough` takes minutes.
TestHistories.settings = settings(max_examples=settings().max_examples // 16, stateful_step_count=12)
