"""Compute for all pages in a few threads, one step of a job at a time, so that no page blocks the others.

A job is an iterator; each step computes a little and passes on its results. After a step the job goes to the end of the
queue. The next job is one that has shown nothing yet, if there is any, then one of the page with the fewest running
steps; among these, the one that has waited longest. While a page opens, jobs that have shown something pause.
"""

import dataclasses
import logging
import threading
import time
from collections.abc import Iterator

__all__ = ["Workers"]

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False)
class _Job:
    owner: object
    steps: Iterator[None]
    is_wanted: bool = True
    has_begun: bool = False


class Workers:
    """Run jobs in threads.

    Args:
        count: number of steps that may run at once.
    """

    def __init__(self, count: int):
        self._waiting: list[_Job] = []
        self._running: list[_Job] = []
        self._pause_ends = 0.0
        self._changed = threading.Condition()
        for _ in range(count):
            threading.Thread(target=self._work, daemon=True).start()

    def add(self, owner: object, steps: Iterator[None]) -> None:
        """Queue a job.

        Args:
            owner: the page of the job.
            steps: a generator that computes a little in each step, and returns when its result is no longer needed.
        """
        with self._changed:
            self._waiting.append(_Job(owner, steps))
            self._changed.notify()

    def pause(self, seconds: float) -> None:
        """Start no more than first steps, until one of these is done, but at most for so long."""
        with self._changed:
            self._pause_ends = time.monotonic() + seconds

    def drop(self, owner: object) -> None:
        """Remove the jobs of an owner; a running job ends after its current step."""
        with self._changed:
            self._waiting = [job for job in self._waiting if job.owner is not owner]
            for job in self._running:
                job.is_wanted &= job.owner is not owner

    def is_idle(self) -> bool:
        """Check that no job is running or waiting."""
        with self._changed:
            return not self._waiting and not self._running

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (ready := self._ready()):
                    left = max(self._pause_ends - time.monotonic(), 1e-3)
                    self._changed.wait(left if self._waiting else None)
                job = min(ready, key=lambda one: (one.has_begun, self._under_way(one)))
                self._waiting.remove(job)
                self._running.append(job)
            try:
                goes_on = next(job.steps, self) is not self  # a value that no job yields
            except Exception:  # jobs report their errors to their page; no other error may end the thread
                _LOG.exception("a computation failed")
                goes_on = False
            with self._changed:
                self._running.remove(job)
                if not job.has_begun and self._pause_ends:
                    self._pause_ends = 0.0
                    self._changed.notify_all()
                job.has_begun = True
                if goes_on and job.is_wanted:
                    self._waiting.append(job)
                    self._changed.notify()
            job = None  # so that an idle thread keeps no page in memory

    def _ready(self) -> list[_Job]:
        paused = time.monotonic() < self._pause_ends
        return [job for job in self._waiting if not (paused and job.has_begun)]

    def _under_way(self, job: _Job) -> int:
        return sum(one.owner is job.owner for one in self._running)
