"""Identify the process that owns a file by pid, start time and host, and check whether it still runs.

A pid alone is not enough: it is reused later, and on other hosts and in other containers. A start time is not, either:
Linux derives it from the clock of the moment at which it is asked for, so that it moves when the clock is set.
"""

import functools
import hashlib
import os
import platform
import time
from pathlib import Path
from typing import NamedTuple

import psutil

__all__ = ["Owner", "runs", "this_process"]

_ROUNDING_SECONDS = 2  # largest difference between two answers to when a process started
_PROC = Path("/proc")


class Owner(NamedTuple):
    """Identify a process.

    Attributes:
        pid: process number.
        started: start time in whole seconds since 1970, by the clock of when it was asked for.
        born: the start, whatever the clock says: a hash of the boot and of the ticks since it, such as "b01234567";
            where the system does not count them, `started`.
        host: name of the host.
        place: a hash of the host and, where there are containers, of the container with its own process numbers.
    """

    pid: int
    started: int
    born: str
    host: str
    place: str

    @property
    def tag(self) -> str:
        """Pid, start and place, as in file names."""
        return f"{self.pid}-{self.born}-{self.place}"

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
    place = _digest(f"{host} {space}")
    process = psutil.Process(pid)
    return Owner(pid, int(process.create_time()), _born(process), host, place)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _born(process: psutil.Process) -> str:
    """Return the start of a process, whatever the clock says; its start time where the system has no such count."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text()
        ticks = (_PROC / str(process.pid) / "stat").read_text().rpartition(")")[2].split()[19]  # proc(5), field 22
    except (OSError, IndexError):
        return str(int(process.create_time()))
    return "b" + _digest(f"{boot} {ticks}")


def runs(pid: int, born: str, place: str) -> bool | None:
    """Check whether a process still runs; None if it is on another host or in another container."""
    if place != this_process().place:
        return None
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if born.isdecimal():
            return abs(process.create_time() - int(born)) <= _ROUNDING_SECONDS
        return born == _born(process)
    except psutil.AccessDenied:  # the process of another user
        return True
    except (psutil.NoSuchProcess, ValueError, OverflowError):
        return False
