"""A PostgreSQL server of our own for tests: started on a free port, stopped by its own process id.

What it is used for stands in the tests.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_USER = "exposures"


@dataclass(frozen=True)
class PostgresServer:
    """A running server that trusts whoever connects from this machine."""

    programs: Path
    port: int

    def new_database(self) -> str:
        """Create a database and name it as libpq does."""
        name = f"lake_{uuid.uuid4().hex}"
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--username", _USER]
        subprocess.run([self.programs / "createdb", *options, name], check=True, capture_output=True)
        return f"dbname={name} host=127.0.0.1 port={self.port} user={_USER}"


def installed_programs() -> Path | None:
    """The folder of `initdb` and `postgres`, from PATH or where Debian puts them."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


@contextmanager
def running_server(programs: Path) -> Iterator[PostgresServer]:
    """Start a server with an empty cluster; stop it and remove the cluster when the block ends."""
    # PostgreSQL refuses to run as root, and pytest's folders are closed to anybody but who runs it.
    account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(
        prefix="exposure-assets-postgres-", ignore_cleanup_errors=True
    ) as folder:
        if account:
            shutil.chown(folder, account["user"], account["group"])
        cluster = ["-D", f"{folder}/cluster"]
        initdb = [programs / "initdb", *cluster, "-U", _USER, "--auth=trust", "--no-sync", "--encoding=UTF8"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **account)
        port = _free_port()
        listening = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
        log = Path(folder, "server.log")
        with log.open("wb") as output:
            server = subprocess.Popen(
                [programs / "postgres", *cluster, *listening],
                stdout=output,
                stderr=output,
                cwd=folder,
                **account,
            )
        try:
            _wait_until_ready(programs, server, port, log)
            yield PostgresServer(programs, port)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(programs: Path, server: subprocess.Popen[Any], port: int, log: Path) -> None:
    question = [programs / "pg_isready", "--host", "127.0.0.1", "--port", str(port), "--username", _USER]
    while subprocess.run(question, check=False, capture_output=True).returncode != 0:
        if server.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended with {server.returncode}: {log.read_text()}")
        time.sleep(0.1)
