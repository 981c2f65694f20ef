"""Files and folders that exist whole or not at all.

What is in the files is the business of whoever writes them.
"""

import errno
import io
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

# How names of files that are being written end; a killed process leaves them behind.
PARTIAL = ".partial"
# Where less is left after a write that failed, it failed for want of space: Polars does not say why.
_NEXT_TO_NOTHING = 1 << 20


class DiskFull(OSError):
    """There is no space left where something has to be written; what stood there before still does."""

    def __init__(self, place: str, wanted: str) -> None:
        super().__init__(
            errno.ENOSPC,
            f"{place}: found no space left on its disk, expected room for {wanted}; what stood there before is still "
            "in place. Free some space, or name another place, and run it again.",
        )

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends well and vanishes when it does not.

    What is written may be a file or a folder. A crash or a full disk leaves what stood at `path`; a killed process
    leaves at most a `.partial` that nothing reads.
    """
    with _beside(path) as partial:
        yield partial
        if partial.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            _onto_disk(partial)
        partial.replace(path)


@contextmanager
def placing(path: Path) -> Iterator[Path]:
    """As `replacing`, but what stands at `path` by the end of the block stays.

    For what is named after its content: whoever comes second has made the same, and the first one's may be in use.
    """
    with _beside(path) as partial:
        yield partial
        try:
            if partial.is_dir():
                partial.rename(path)
            else:
                _onto_disk(partial)
                os.link(partial, path)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOTSUP):
                # A file system without links: the second one's takes the place of the first one's.
                partial.replace(path)
            elif error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise


def content_of(path: Path) -> io.BytesIO:
    """The content of a file that may be replaced at any moment.

    Polars opens a path more than once, so that of a file replaced in between it reads the end of one and the start
    of another.
    """
    return io.BytesIO(path.read_bytes())


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        yield partial
    except (OSError, pl.exceptions.PolarsError) as error:
        if _is_for_want_of_space(error, path.parent):
            raise DiskFull(str(path), "its new content") from error
        raise
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)


def _onto_disk(path: Path) -> None:
    with path.open("rb") as written:
        os.fsync(written.fileno())


def _is_for_want_of_space(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno == errno.ENOSPC and not isinstance(error, DiskFull)
    return shutil.disk_usage(folder).free < _NEXT_TO_NOTHING
