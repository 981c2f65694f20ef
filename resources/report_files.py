"""The files of reports: pages that exist whole or not at all, in a folder that people open in a browser.

What stands on a page is no matter of this module.
"""

from pathlib import Path

from resources.atomic import DiskFull, replacing


class ReportNotWritten(Exception):
    """A page cannot be written where it should be; what stood there before still does."""


def write_report(path: Path, page: str, may_make_folder: bool = False) -> None:
    """Write a page in the place of the one before.

    Args:
        path: The file.
        page: HTML.
        may_make_folder: Whether its folder is made where it is missing.

    Raises:
        ReportNotWritten: the folder is missing, or nothing can be written there.
        DiskFull: there is no space left.
    """
    if path.is_dir():
        raise ReportNotWritten(
            f"{path}: found a folder, expected the name of a file such as {path}/report.html."
        )
    if not may_make_folder and not path.parent.is_dir():
        raise ReportNotWritten(
            f"{path}: its folder {path.parent} does not exist, expected one that does; make it, or name another."
        )
    try:
        with replacing(path) as partial:
            partial.write_text(page, encoding="utf-8")
    except DiskFull:
        raise
    except OSError as error:
        raise ReportNotWritten(
            f"{path}: cannot be written ({error.strerror or error}); name a file in a folder that may be written to."
        ) from error
