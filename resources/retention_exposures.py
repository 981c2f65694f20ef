"""What may go of preaggregated exposures: jobs that have expired, rows that no job names, answers nobody asks for.

All of it can be computed again; whether a row may be used is decided by versions, never by what is kept.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from resources.exposure_store import ExposureStore
from resources.job_ledger import FORGOTTEN_AFTER, JobLedger
from resources.retention import Removed, remove

# A job that is being computed has its row before it has its file; one whose row was just taken out may be being read.
_NAMED_BY_NOW = timedelta(days=1)
_ASKED_FOR_AGAIN = timedelta(days=30)


def sweep_exposures(ledger: JobLedger, store: ExposureStore, now: datetime) -> Removed:
    """Forget jobs that have expired and delete their rows, those of unknown jobs, and answers of long ago.

    Args:
        ledger: The jobs.
        store: Their rows.
        now: Decides what has expired.

    Raises:
        LedgerUnavailable: the ledger cannot be read or written; nothing is deleted then.
    """
    ledger.take_out(now.timestamp(), (now - FORGOTTEN_AFTER).timestamp())
    known = ledger.job_ids()
    nameless = [path for path, job_id in store.files_of_jobs().items() if job_id not in known]
    removed = _remove_older(nameless, now - _NAMED_BY_NOW)
    return removed + _remove_older(store.files_to_read_again(), now - _ASKED_FOR_AGAIN)


def _remove_older(paths: Iterable[Path], than: datetime) -> Removed:
    removed = Removed()
    for path in paths:
        try:
            touched = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except FileNotFoundError:
            continue
        if touched < than:
            removed += remove(path)
    return removed
