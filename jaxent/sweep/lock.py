"""Record the processes that compute into a folder: one file each, such as `running-0.json`, removed at their end.

Processes that share the tiles by numbers, such as (0 of 4) and (2 of 4), or by ranges, such as 0:100 and 100:200, may
compute into one folder. Two processes with common tiles, such as two without numbers, would compute them twice: the
second is refused. A file whose process no longer runs is removed.
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

__all__ = ["Holder", "Share", "alone", "held", "holders"]

_MOST_BYTES = 10_000  # largest file of a holder
_MOST_PROCESSES = 2**31
_BEYOND = 2**31  # larger than the number of any tile


class Share(NamedTuple):
    """Describe the tiles of a process: the numbers n in [first, stop) with n ≡ process mod n_processes.

    Attributes:
        process: number of the process.
        n_processes: how many processes share the sweep.
        first: number of the first tile, of processes that share by ranges.
        stop: number after that of the last tile.
    """

    process: int = 0
    n_processes: int = 1
    first: int = 0
    stop: int = _BEYOND

    @property
    def is_all(self) -> bool:
        """Return whether it has all tiles."""
        return self == Share()

    @property
    def label(self) -> str:
        """Return the number of the process, or the range."""
        return f"{self.first}-{self.stop}" if self.stop < _BEYOND else str(self.process)

    def meets(self, other: "Share") -> bool:
        """Check whether both have a tile in common, by the Chinese remainder theorem."""
        common = math.gcd(self.n_processes, other.n_processes)
        apart = other.process - self.process
        if apart % common:
            return False
        mine, period = self.n_processes // common, other.n_processes // common
        shared = self.process + self.n_processes * (apart // common * pow(mine, -1, period) % period)
        lowest = max(self.first, other.first)
        step = self.n_processes * period
        return shared + -((shared - lowest) // step) * step < min(self.stop, other.stop)


class Holder(NamedTuple):
    """Describe a process that computes into a folder, from its file.

    Attributes:
        path: the file.
        owner: the process.
        share: its tiles.
    """

    path: Path
    owner: Owner
    share: Share

    @property
    def still_runs(self) -> bool | None:
        """True if the process still runs; None if that cannot be checked from here."""
        return runs(self.owner.pid, self.owner.born, self.owner.place)


def holders(folder: Path) -> list[Holder]:
    """List the processes that compute into a folder, from their files; unreadable files are ignored."""
    found = [_parsed(path) for path in sorted(folder.glob("running-*.json"))]
    return [one for one in found if one is not None]


@contextlib.contextmanager
def held(folder: Path, share: Share) -> Iterator[None]:
    """Reserve a share of the tiles of a folder for this process.

    Args:
        folder: existing folder of the sweep.
        share: the tiles.

    Raises:
        ValueError: while another process computes some of the same tiles.
    """
    path = folder / f"running-{share.label}.json"
    with alone(folder):
        for one in holders(folder):
            if one.share.meets(share):
                _take_over(folder, one, share)
        record = this_process()._asdict() | share._asdict()
        write_whole(path, json.dumps(record).encode())
    with interrupts.at_end(lambda: path.unlink(missing_ok=True)):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _take_over(folder: Path, one: Holder, share: Share) -> None:
    still = one.still_runs
    if still is None and share.is_all:
        raise ValueError(
            f"Folder {shown(str(folder))} is computed into by {one.owner}, which cannot be asked from here; if that "
            f"has ended, delete {one.path.name} there and run the same again."
        )
    if still:
        raise ValueError(
            f"Folder {shown(str(folder))} is computed into by {one.owner}; wait for it, choose another folder, or let "
            "processes share the tiles by numbers, or by ranges."
        )
    one.path.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
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
        record = {"first": 0, "stop": _BEYOND, "born": str(record["started"])} | record  # as older versions meant it
        numbers = [record[name] for name in ("pid", "started", *Share._fields)]
        texts = [record[name] for name in ("born", "host", "place")]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(type(one) is int and 0 <= one < 2**53 for one in numbers) or not all(type(one) is str for one in texts):
        return None
    pid, started, *rest = numbers
    share = Share(*rest)
    if not share.process < share.n_processes <= _MOST_PROCESSES or not share.first <= share.stop <= _BEYOND:
        return None
    return Holder(path, Owner(pid, started, *[text[:64] for text in texts]), share)
