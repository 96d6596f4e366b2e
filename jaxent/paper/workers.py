"""Compute several figures at a time, each in a process: most of their time is compilation, which one core does."""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Iterator
from multiprocessing import connection
from typing import Any

import jax
import xarray as xr

from jaxent.paper import registry
from jaxent.runtime import interrupts, memory, programs, threads
from jaxent.runtime.default_device import default_device
from jaxent.sweep import Report

__all__ = ["computed", "most_processes"]

_FIGURE_BYTES = 3 * 2**30  # of memory, for one process and its compiled programs
# settings of JAX that a process takes from its parent: programs are shared through the cache on disk
_SETTINGS = ("jax_enable_x64", "jax_compilation_cache_dir", "jax_compilation_cache_max_size")
_SETTINGS += ("jax_persistent_cache_min_compile_time_secs",)


def most_processes(n_figures: int) -> int:
    """Count the processes worth starting for so many figures: one on an accelerator, which takes its whole memory."""
    if default_device().platform != "cpu":
        return 1
    return max(1, min(n_figures, threads.processors(), memory.host_bytes() // _FIGURE_BYTES))


def computed(
    numbers: tuple[str, ...], quick: bool, n_processes: int, report: Report
) -> Iterator[tuple[str, xr.Dataset]]:
    """Compute figures, the longest first, and yield the number and the data of each as it is ready.

    Args:
        numbers: of `registry.FIGURES`.
        quick: as their functions take it.
        n_processes: how many figures are computed at a time; 1: in this process, in the order of `numbers`.
        report: called in this process with estimated seconds of work done.

    Raises:
        MemoryError: when the system ended one of the processes.
    """
    if n_processes == 1:
        for number in numbers:
            yield number, registry.FIGURES[number].compute(quick, report)
            programs.forget_between(jax)
        return
    waiting = sorted(numbers, key=lambda number: registry.seconds((number,), quick))
    with _processes(min(n_processes, len(waiting)), quick) as idle:
        busy = {one: waiting.pop() for one in idle}
        for one, number in busy.items():
            one.send(number)
        while busy:
            ready: list[Any] = connection.wait(list(busy))
            for one in ready:
                try:
                    kind, found = one.recv()
                except EOFError:
                    raise MemoryError from None
                if kind == "seconds":
                    report(found)
                elif kind == "error":
                    raise found
                else:
                    number = busy.pop(one)
                    if waiting:
                        busy[one] = waiting.pop()
                        one.send(busy[one])
                    yield number, found


@contextlib.contextmanager
def _processes(count: int, quick: bool) -> Iterator[list[connection.Connection]]:
    """Start processes, and give the connection to each; end them after the `with` block or by a signal."""
    context = multiprocessing.get_context("spawn")  # a forked process would share the locks of JAX's threads
    settings = {name: getattr(jax.config, name) for name in _SETTINGS}
    started, connections = [], []

    def end() -> None:
        for process in started:
            process.kill()

    with interrupts.at_end(end):
        try:
            for _ in range(count):
                here, there = context.Pipe()
                started.append(context.Process(target=_work, args=(there, settings, quick), daemon=True))
                started[-1].start()
                there.close()
                connections.append(here)
            yield connections
        finally:
            end()
            for process, one in zip(started, connections, strict=False):
                process.join()
                one.close()


# ------------------------------------------------- in a process that computes


def _work(parent: connection.Connection, settings: dict[str, Any], quick: bool) -> None:
    """Compute figures as they are asked for; end when the parent ends, whatever is being computed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the parent answers
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    for name, value in settings.items():
        jax.config.update(name, value)
    while True:
        number = parent.recv()
        try:
            data = registry.FIGURES[number].compute(quick, lambda seconds: parent.send(("seconds", seconds)))
        except Exception as error:
            parent.send(("error", _portable(error)))
        else:
            parent.send(("data", data.load()))
        programs.forget_between(jax)


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """Return an error that another process can build, itself if possible."""
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
