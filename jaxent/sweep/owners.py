"""Identify the process that owns a file by pid, start time and host, and check whether it still runs.

A pid alone is not enough: it is reused later, and on other hosts and in other containers.
"""

import functools
import hashlib
import os
import platform
import time
from typing import NamedTuple

import psutil

__all__ = ["Owner", "runs", "this_process"]

_CLOCK_SECONDS = 2  # largest difference in the start time of one process, after a change of the clock


class Owner(NamedTuple):
    """Identify a process.

    Attributes:
        pid: process number.
        started: start time in whole seconds since 1970.
        host: name of the host.
        place: a hash of the host and, where there are containers, of the container with its own process numbers.
    """

    pid: int
    started: int
    host: str
    place: str

    @property
    def tag(self) -> str:
        """Pid, start time and place, as in file names."""
        return f"{self.pid}-{self.started}-{self.place}"

    def __str__(self) -> str:
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.started))
        return f"process {self.pid} on {self.host} (started {begun})"


def this_process() -> Owner:
    """Return the owner that stands for the current process."""
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
    """Check whether a process still runs; None if it is on another host or in another container."""
    if place != this_process().place:
        return None
    try:
        process = psutil.Process(pid)
        ended = process.status() == psutil.STATUS_ZOMBIE
        return not ended and abs(process.create_time() - started) <= _CLOCK_SECONDS
    except psutil.AccessDenied:  # the process of another user
        return True
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
