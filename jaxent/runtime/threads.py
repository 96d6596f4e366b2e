"""Use the processors: small programs run side by side, and LAPACK decomposes on one thread.

XLA shares one program among all processors only where its arrays are large, so programs that are small, to stay in a
processor's cache, run several at a time (`side_by_side`).

On a CPU jaxlib decomposes matrices with scipy's LAPACK, whose OpenBLAS shares each decomposition among all cores. On a
busy machine the threads spin while they wait for each other: ten times the processor time, measured. The library
therefore sets one thread around its own calls, and restores the number afterwards. Programs that users compile with
`jax.jit` are not changed (`threadpoolctl.threadpool_limits(1)` around them has the same effect).

The number holds for the whole process: decompositions in other threads meanwhile use one thread too, which changes only
their speed. In OpenBLAS (0.3.30), once the main thread has set the number, other threads can no longer change it. So
the number is set from another thread where possible; if a program has set it from its main thread, calls from other
threads keep that number.

A number set by OPENBLAS_NUM_THREADS, MKL_NUM_THREADS or OMP_NUM_THREADS is not changed.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any, TypeVar

import jax
import threadpoolctl

from jaxent.runtime.default_device import platform

__all__ = ["one_lapack_thread", "processors", "side_by_side", "with_one_lapack_thread"]

_ASKED_FOR = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

_Function = TypeVar("_Function", bound=Callable)

_lock = threading.Lock()
_calls = 0  # calls inside `one_lapack_thread` now, over all threads
_before: list[int] = []  # numbers to restore, by library


@functools.cache
def _libraries() -> list:
    import scipy.linalg.cython_lapack  # noqa: F401  # loads the library that jaxlib calls

    return threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers


def _numbers() -> list[int]:
    return [library.num_threads for library in _libraries()]


def _set(numbers: list[int]) -> None:
    """Set the number of each library, for calls from any thread."""
    if threading.current_thread() is threading.main_thread():
        helper = threading.Thread(target=_set_here, args=(numbers,))
        with contextlib.suppress(RuntimeError):  # no new threads can start while Python exits
            helper.start()
            helper.join()
    if _numbers() != numbers:
        _set_here(numbers)


def _set_here(numbers: list[int]) -> None:
    for library, number in zip(_libraries(), numbers, strict=True):
        library.set_num_threads(number)


@contextlib.contextmanager
def one_lapack_thread() -> Iterator[None]:
    """Limit LAPACK to one thread within the `with` block, in which results must become ready. Blocks may be nested."""
    global _calls
    if platform() != "cpu" or any(name in os.environ for name in _ASKED_FOR):
        yield
        return
    with _lock:
        if not _calls:
            _before[:] = _before or _numbers()
            _set([1] * len(_before))
        _calls += 1
    try:
        yield
    finally:
        with _lock:
            _calls -= 1
            if not _calls:
                _set(_before)
                if _numbers() == _before:  # else the next call from a thread that may set it restores it
                    _before.clear()


def with_one_lapack_thread(function: _Function) -> _Function:
    """Wrap a function of arrays so that it is computed within `one_lapack_thread`."""

    @functools.wraps(function)
    def bound(*args: Any, **keywords: Any) -> Any:
        with one_lapack_thread():
            return jax.block_until_ready(function(*args, **keywords))

    return bound  # type: ignore[return-value]


def processors() -> int:
    """Count the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(function: Callable, items: Sequence[Any], most: int) -> Iterator[tuple[int, Any]]:
    """Call a function of each item, on a CPU as many at a time as there are processors.

    The threads compute in the caller's precision and on its default device. Once the caller stops listening, or a call
    fails, no more calls start.

    Args:
        function: of one item.
        items: what to call it with.
        most: most calls at a time, for which there is memory.

    Yields:
        the index of an item and its result, as they become ready.

    Raises:
        Exception: what a call raises.
    """
    at_once = min(len(items), processors(), most)
    if at_once < 2 or platform() != "cpu" or jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
        yield from ((index, function(item)) for index, item in enumerate(items))
        return
    double, device = jax.config.jax_enable_x64, jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]

    def call(item: Any) -> Any:
        with _precision(double), jax.default_device(device):  # these belong to a thread
            return function(item)

    with one_lapack_thread(), ThreadPoolExecutor(at_once) as pool:
        waiting = {pool.submit(call, item): index for index, item in enumerate(items)}
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    yield waiting.pop(future), future.result()
        finally:
            for future in waiting:
                future.cancel()


def _precision(double: bool) -> contextlib.AbstractContextManager:
    """Set the precision of this thread; JAX renamed the context."""
    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(double)
    from jax.experimental import enable_x64  # pyright: ignore[reportAttributeAccessIssue]

    return enable_x64(double)
