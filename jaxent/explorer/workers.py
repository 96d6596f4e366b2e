"""A few threads that compute for all pages in turn, one step of a job at a time: no page keeps the others waiting.

A job is an iterator, each of whose steps computes a little and hands over what it has. After a step it goes to the end
of the queue. The next is a job of the page with the fewest steps under way; of these, the one that has waited longest.
"""

import dataclasses
import logging
import threading
from collections.abc import Iterator

__all__ = ["Workers"]

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False)
class _Job:
    owner: object
    steps: Iterator[None]
    is_wanted: bool = True


class Workers:
    """Threads that work off jobs.

    Args:
        count: how many steps may be under way at once.
    """

    def __init__(self, count: int):
        self._waiting: list[_Job] = []
        self._running: list[_Job] = []
        self._changed = threading.Condition()
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True).start()

    def add(self, owner: object, steps: Iterator[None]) -> None:
        """Queue a job.

        Args:
            owner: whose it is.
            steps: what is to be done; a generator that returns when nobody waits for it any more.
        """
        with self._changed:
            self._waiting.append(_Job(owner, steps))
            self._changed.notify()

    def drop(self, owner: object) -> None:
        """Forget the jobs of an owner; a step under way is the last of its job."""
        with self._changed:
            self._waiting = [job for job in self._waiting if job.owner is not owner]
            for job in self._running:
                job.is_wanted &= job.owner is not owner

    def is_idle(self) -> bool:
        """Whether nothing is under way or waits."""
        with self._changed:
            return not self._waiting and not self._running

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                job = min(self._waiting, key=self._under_way)
                self._waiting.remove(job)
                self._running.append(job)
            try:
                goes_on = next(job.steps, self) is not self  # a value that no job yields
            except Exception:  # jobs tell their pages what fails; nothing else may end the thread
                _LOG.exception("a computation failed")
                goes_on = False
            with self._changed:
                self._running.remove(job)
                if goes_on and job.is_wanted:
                    self._waiting.append(job)
                    self._changed.notify()
            job = None  # an idle thread keeps no page alive

    def _under_way(self, job: _Job) -> int:
        return sum(one.owner is job.owner for one in self._running)
