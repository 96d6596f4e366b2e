"""Which process a file belongs to, and whether that process still runs: a pid, when it was started, and its host.

A pid is used again, and means nothing on another host or in another container; with the other two it is told apart.
"""

import functools
import hashlib
import os
import platform
import time
from typing import NamedTuple

import psutil

__all__ = ["Owner", "runs", "this_process"]

_CLOCK_SECONDS = 2  # by which the start of one process is told differently, as clocks are set


class Owner(NamedTuple):
    """A process.

    Attributes:
        pid: its number.
        started: when it was started, in whole seconds since 1970.
        host: name of its host.
        place: a hash of the host and, where there are such, of the container whose processes are numbered together.
    """

    pid: int
    started: int
    host: str
    place: str

    @property
    def tag(self) -> str:
        """Pid, start and place, as a file name holds them."""
        return f"{self.pid}-{self.started}-{self.place}"

    def __str__(self) -> str:
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.started))
        return f"process {self.pid} on {self.host} (started {begun})"


def this_process() -> Owner:
    """The process that asks."""
    return _process(os.getpid())


@functools.lru_cache(1)
def _process(pid: int) -> Owner:
    host = platform.node() or "this host"
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    place = hashlib.sha256(f"{host} {space}".encode()).hexdigest()[:8]
    return Owner(pid, int(psutil.Process(pid).create_time()), host, place)


def runs(pid: int, started: int, place: str) -> bool | None:
    """Whether a process still runs; None where that cannot be told from here, as it is at another place."""
    if place != this_process().place:
        return None
    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(process.create_time() - started) <= _CLOCK_SECONDS
    except psutil.AccessDenied:  # it is somebody else's
        return True
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
