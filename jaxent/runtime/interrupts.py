"""Handle Ctrl-C and SIGTERM at any time: print one sentence on what is kept, and exit with code 130 or 143.

Python raises an interrupt in its main thread, between two of its own instructions: compiled code delays that by
minutes, and in a callback or an import it is lost or printed as a traceback. Here a separate thread waits for signals,
prints the sentence, removes half-written files and ends the process. No results are lost: files are complete or absent.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["at_end", "farewell", "watched"]

_MOST_SECONDS = 2.0  # longest time for the sentence and for clearing up
_SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM"}
_SHOW_CURSOR = b"\x1b[?25h\n"  # a progress bar hides it

_farewells: list[Callable[[], tuple[str, str]]] = []
_cleanups: list[Callable[[], object]] = []
_watching: list[socket.socket] = []


@contextlib.contextmanager
def farewell(say: Callable[[], tuple[str, str]]) -> Iterator[None]:
    """Set, within a `with` block, the words printed when a signal ends the process.

    Args:
        say: returns what is kept and how to go on, for standard error, and a line for standard output or "".
    """
    _farewells.append(say)
    try:
        yield
    finally:
        _farewells.remove(say)


@contextlib.contextmanager
def at_end(clear: Callable[[], object]) -> Iterator[None]:
    """Call `clear` from another thread if a signal ends the process within the `with` block."""
    _cleanups.append(clear)
    try:
        yield
    finally:
        _cleanups.remove(clear)


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """End the process cleanly when a signal arrives; do nothing outside the main thread or when nested."""
    if _watching or threading.current_thread() is not threading.main_thread():
        yield
        return
    seen, told = socket.socketpair()
    told.setblocking(False)
    before = {number: signal.signal(number, _wait_for_the_end) for number in _SIGNALS}
    descriptor = signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(seen,), daemon=True).start()
    _watching.append(seen)
    try:
        yield
    finally:
        _watching.clear()
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        told.close()  # the watching thread reads the end of the stream and stops


def _wait_for_the_end(number: int, frame: object) -> None:
    """Stop the main thread while the watching thread ends the process."""
    time.sleep(2 * _MOST_SECONDS)


def _watch(seen: socket.socket) -> None:
    with seen:
        while byte := seen.recv(1):
            if byte[0] in _SIGNALS:
                _end(byte[0])


def _end(number: int) -> None:
    """Print what is kept, clear up, and exit without waiting for any thread."""
    code = 128 + number
    late = threading.Timer(_MOST_SECONDS, os._exit, (code,))  # in case a terminal or a disk does not respond
    late.daemon = True
    late.start()
    try:
        kept, line = _farewells[-1]() if _farewells else ("", "")
        if line:
            os.write(1, f"{line}\n".encode())
        sentence = f"jaxent: {_SIGNALS[signal.Signals(number)]}{'; ' + kept if kept else '.'}\n"
        os.write(2, (_SHOW_CURSOR if sys.stderr.isatty() else b"") + sentence.encode())
        for clear in reversed(_cleanups):
            with contextlib.suppress(Exception):
                clear()
    finally:
        os._exit(code)
