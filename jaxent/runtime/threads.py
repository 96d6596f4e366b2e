"""One thread for LAPACK while the library decomposes matrices.

jaxlib's decompositions on a CPU are scipy's LAPACK, whose OpenBLAS shares each of them among all cores. On a busy
machine the threads spin while they wait for each other: ten times the processor time, measured. So they are bound to
one around the library's own calls, and set back as they were; programs that a person has compiled with `jax.jit` run
as jaxlib runs them (`threadpoolctl.threadpool_limits(1)` around them does the same).

The number is one for the whole process: what other threads of a program decompose meanwhile takes one thread too, which
changes its speed and nothing else. OpenBLAS (0.3.30) lets other threads of a program change the number no more once its
main thread has. So it is never set from the main thread where another one can; if a program has set it from there
itself, calls from other threads take what it has left.

A number that is asked for by OPENBLAS_NUM_THREADS, MKL_NUM_THREADS or OMP_NUM_THREADS is left alone.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import jax
import threadpoolctl

from jaxent.runtime.default_device import platform

__all__ = ["one_lapack_thread", "with_one_lapack_thread"]

_ASKED_FOR = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")

_Function = TypeVar("_Function", bound=Callable)

_lock = threading.Lock()
_calls = 0  # inside `one_lapack_thread` now, in all threads
_before: list[int] = []  # numbers to set back, by library


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
        with contextlib.suppress(RuntimeError):  # while Python ends there are no new threads
            helper.start()
            helper.join()
    if _numbers() != numbers:
        _set_here(numbers)


def _set_here(numbers: list[int]) -> None:
    for library, number in zip(_libraries(), numbers, strict=True):
        library.set_num_threads(number)


@contextlib.contextmanager
def one_lapack_thread() -> Iterator[None]:
    """Bind LAPACK to one thread inside; what is computed must be ready before the end. Calls may be nested."""
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
                if _numbers() == _before:  # else it is left to the next call from the thread that may set it
                    _before.clear()


def with_one_lapack_thread(function: _Function) -> _Function:
    """A function of arrays that is computed inside `one_lapack_thread`."""

    @functools.wraps(function)
    def bound(*args: Any, **keywords: Any) -> Any:
        with one_lapack_thread():
            return jax.block_until_ready(function(*args, **keywords))

    return bound  # type: ignore[return-value]
