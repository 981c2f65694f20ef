"""Processes and whether they still live, on this machine and across a reused process id.

What a process is doing, and what follows from its death, is the business of whoever asks.
"""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process: the machine and boot that it belongs to, its id, and when it started in ticks since that boot."""

    host: str
    pid: int
    started: int

    @classmethod
    def this(cls) -> "Process":
        """The process that we are in."""
        return cls(_this_host(), os.getpid(), _start_ticks(os.getpid()) or 0)

    @classmethod
    def parse(cls, text: str) -> "Process":
        """Read what `str` gives."""
        host, pid, started = text.rsplit(" ", 2)
        return cls(host, int(pid), int(started))

    def __str__(self) -> str:
        return f"{self.host} {self.pid} {self.started}"

    @property
    def is_dead(self) -> bool:
        """Whether it certainly no longer lives; of a process elsewhere nothing is certain."""
        if self.host != _this_host():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # Somebody else's process, so there is one.
        ticks = _start_ticks(self.pid)
        return ticks is not None and ticks != self.started


@cache
def _this_host() -> str:
    """The machine, its boot and its namespace of process ids: only inside one of these do ids mean the same."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    parts = [socket.gethostname().replace(" ", "_")[:100]]
    parts += [boot.read_text(encoding="ascii").strip()] if boot.exists() else []
    parts += [str(namespace.stat().st_ino)] if namespace.exists() else []
    return "/".join(parts)


def _start_ticks(pid: int) -> int | None:
    """When a process started, in ticks since the boot; -1 for one that ended unheeded, null where nobody says."""
    try:
        # The name in parentheses may hold anything, blanks and parentheses too.
        fields = Path("/proc", str(pid), "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return -1 if fields[0] == "Z" else int(fields[19])
