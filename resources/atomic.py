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

# How names of files that are being written end; a killed process leaves them behind.
PARTIAL = ".partial"


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
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)


def _onto_disk(path: Path) -> None:
    with path.open("rb") as written:
        os.fsync(written.fileno())
