"""Record the processes that compute into a folder: one file each, such as `running-0.json`, removed at their end.

Processes that share the tiles by numbers, such as (0 of 4) and (2 of 4), may compute into one folder. Two processes
with common tiles, such as two without numbers, would compute them twice: the second is refused. A file whose process no
longer runs is removed.
"""

import contextlib
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jaxent.messages import shown
from jaxent.runtime import interrupts
from jaxent.sweep.files import read_regular, write_whole
from jaxent.sweep.owners import Owner, runs, this_process

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["Holder", "held", "holders"]

_MOST_BYTES = 10_000  # largest file of a holder
_MOST_PROCESSES = 2**31


class Holder(NamedTuple):
    """Describe a process that computes into a folder, from its file.

    Attributes:
        path: the file.
        owner: the process.
        process: number of the process.
        n_processes: how many processes share the sweep.
    """

    path: Path
    owner: Owner
    process: int
    n_processes: int

    @property
    def still_runs(self) -> bool | None:
        """True if the process still runs; None if that cannot be checked from here."""
        return runs(self.owner.pid, self.owner.started, self.owner.place)

    def meets(self, process: int, n_processes: int) -> bool:
        """Check whether the process has tiles in common with another: a number equal modulo both counts."""
        return (self.process - process) % math.gcd(self.n_processes, n_processes) == 0


def holders(folder: Path) -> list[Holder]:
    """List the processes that compute into a folder, from their files; unreadable files are ignored."""
    found = [_parsed(path) for path in sorted(folder.glob("running-*.json"))]
    return [one for one in found if one is not None]


@contextlib.contextmanager
def held(folder: Path, process: int, n_processes: int) -> Iterator[None]:
    """Reserve a share of the tiles of a folder for this process.

    Args:
        folder: existing folder of the sweep.
        process: number of this process.
        n_processes: how many processes share the sweep.

    Raises:
        ValueError: while another process computes some of the same tiles.
    """
    path = folder / f"running-{process}.json"
    with _alone(folder):
        for one in holders(folder):
            if one.meets(process, n_processes):
                _take_over(folder, one, n_processes)
        owner = this_process()
        record = owner._asdict() | {"process": process, "n_processes": n_processes}
        write_whole(path, json.dumps(record).encode())
    with interrupts.at_end(lambda: path.unlink(missing_ok=True)):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _take_over(folder: Path, one: Holder, n_processes: int) -> None:
    still = one.still_runs
    if still is None and n_processes == 1:
        raise ValueError(
            f"Folder {shown(str(folder))} is computed into by {one.owner}, which cannot be asked from here; if that "
            f"has ended, delete {one.path.name} there and run the same again."
        )
    if still:
        raise ValueError(
            f"Folder {shown(str(folder))} is computed into by {one.owner}; wait for it, choose another folder, or let "
            "processes share the tiles by numbers."
        )
    one.path.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Admit one process at a time, if the system supports it, so that two do not take over the same file."""
    descriptor = -1
    with contextlib.suppress(OSError):
        if fcntl is not None:
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _parsed(path: Path) -> Holder | None:
    try:
        record = json.loads(read_regular(path, _MOST_BYTES))
        numbers = [record[name] for name in ("pid", "started", "process", "n_processes")]
        texts = [record[name] for name in ("host", "place")]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(type(one) is int and 0 <= one < 2**53 for one in numbers) or not all(type(one) is str for one in texts):
        return None
    pid, started, process, n_processes = numbers
    if not process < n_processes <= _MOST_PROCESSES:
        return None
    return Holder(path, Owner(pid, started, *[text[:64] for text in texts]), process, n_processes)
