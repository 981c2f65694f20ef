"""Which files lie in the landing zone, and by what a change of one is noticed, without opening any.

What they hold stands in `landing`.
"""

import os
from array import array
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import polars as pl
from fsspec import AbstractFileSystem

from resources.raw_files import FORMATS, STREAMS

# Of a remote file: the first that its file system gives says which state of it this is.
_VERSION_TAGS = ("ETag", "etag", "mtime", "LastModified", "created")
_SCHEMA = {"stream": pl.String, "path": pl.String, "size_bytes": pl.Int64, "modified_at": pl.Float64}


def local_files(root: str) -> pl.DataFrame:
    """The files under a folder of this machine, by path: stream, path, size_bytes, modified_at, version.

    `modified_at` is in seconds since 1970. A file or folder that vanishes while we look is not there. A file whose
    name is no text has no version: no path that we can write down leads to it.
    """
    paths: list[str] = []
    sizes, modified, inodes, are_text = array("q"), array("q"), array("Q"), array("b")
    for stream in STREAMS:
        for folder in _entries(f"{root}/{stream}"):
            if not folder.name.startswith("date=") or not folder.is_dir():
                continue
            for file in _entries(folder.path):
                if not _is_delivery(file.name) or not file.is_file():
                    continue
                with suppress(FileNotFoundError):
                    status = file.stat()
                    path = f"{stream}/{folder.name}/{file.name}"
                    paths.append(path if path.isascii() else _as_text(path))
                    are_text.append(paths[-1] == path)
                    sizes.append(status.st_size)
                    modified.append(status.st_mtime_ns)
                    inodes.append(status.st_ino)
    return (
        pl.DataFrame(
            {
                "path": pl.Series(paths, dtype=pl.String),
                "size_bytes": np.asarray(sizes),
                "modified": np.asarray(modified),
                "inode": np.asarray(inodes),
                "is_text": np.asarray(are_text),
            }
        )
        .select(
            pl.col("path").str.split_exact("/", 1).struct.field("field_0").alias("stream"),
            "path",
            "size_bytes",
            modified_at=pl.col("modified") / 1e9,
            version=pl.when(pl.col("is_text") == 1).then(
                pl.concat_str("modified", "size_bytes", "inode", separator=":")
            ),
        )
        .sort("path")
    )


def _as_text(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    return path


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        yield from entries


def remote_files(filesystem: AbstractFileSystem, root: str) -> pl.DataFrame:
    """The files under a folder of any other file system, as `local_files` gives them.

    `modified_at` is null where the version says more than a time stamp.
    """
    rows: list[tuple[str, str, Any, float | None, str]] = []
    for stream in STREAMS:
        for folder in listing(filesystem, f"{root}/{stream}"):
            folder_name = _name(folder)
            if folder["type"] != "directory" or not folder_name.startswith("date="):
                continue
            for file in listing(filesystem, str(folder["name"])):
                if file["type"] == "file" and _is_delivery(_name(file)):
                    tag = next((file[tag] for tag in _VERSION_TAGS if tag in file), "")
                    rows.append(
                        (
                            stream,
                            f"{stream}/{folder_name}/{_name(file)}",
                            file["size"],
                            float(tag) if isinstance(tag, int | float) else None,
                            f"{tag}:{file['size']}:{file.get('ino', '')}",
                        )
                    )
    return pl.DataFrame(rows, schema={**_SCHEMA, "version": pl.String}, orient="row").sort("path")


def listing(filesystem: AbstractFileSystem, folder: str) -> list[dict[str, Any]]:
    """What lies in a folder now, whatever was remembered of it; nothing where there is no folder."""
    filesystem.invalidate_cache()
    return filesystem.ls(folder, detail=True) if filesystem.isdir(folder) else []


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]


def _is_delivery(name: str) -> bool:
    return name.endswith(FORMATS) and not name.startswith((".", "_"))
