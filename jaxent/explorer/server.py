"""Serve the explorer on this machine only, to browsers with its token, with one document for each tab."""

import logging
import socket
import webbrowser
from collections.abc import Callable

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import BaseServer
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

from jaxent.explorer.curve import refined
from jaxent.explorer.gate import Gate, GuardedTornado
from jaxent.explorer.page import Page
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import WHOLE
from jaxent.explorer.workers import Workers

__all__ = ["guarded", "serve"]

_ADDRESS = "127.0.0.1"
_AT_ONCE = 3  # computation steps that run at once
_OPENING_SECONDS = 3.0  # for which a page that opens lets other pages wait with finer curves
_LARGEST_MESSAGE = 2**18  # bytes of a message of a page; fields, ranges and events have some hundred bytes each
_LARGEST_REQUEST = 2**16


def serve(port: int = 5006, show: bool = True, report: Callable[[str], None] = print) -> None:
    """Serve the explorer until the process is interrupted.

    Args:
        port: port of the loopback address; 0: a free one.
        show: whether to open a browser.
        report: called with the address, once the page can be opened.

    Raises:
        ValueError: when the port is out of range or in use.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"Argument `port` must lie in 0…65535, but is {port}.")
    try:
        sockets = bind_sockets(port, _ADDRESS)
    except OSError:
        raise ValueError(
            f"Argument `port` must be one that nothing else listens at and that this user may use, but is {port}; "
            "0 finds a free one."
        ) from None
    gate, workers = Gate(sockets[0].getsockname()[1]), Workers(_AT_ONCE)
    next(refined(Question(), WHOLE))  # compiles what the first curve needs, so that it is shown at once
    server = guarded(sockets, gate, lambda document: _open(document, workers))
    server.start()
    report(gate.url)
    if show:
        webbrowser.open(gate.url)
    try:
        server.io_loop.start()
    finally:
        server.stop()


def guarded(sockets: list[socket.socket], gate: Gate, open_page: Callable[[Document], None]) -> BaseServer:
    """Build a server behind a gate, on the current event loop.

    Args:
        sockets: listening sockets.
        gate: the check that every request must pass.
        open_page: function that fills the document of a tab.
    """
    logging.getLogger("tornado.access").setLevel(logging.ERROR)  # a refusal is reported in the answer only
    application = GuardedTornado(
        {"/": Application(FunctionHandler(open_page))},
        gate,
        check_unused_sessions_milliseconds=1000,
        unused_session_lifetime_milliseconds=5000,
        websocket_max_message_size_bytes=_LARGEST_MESSAGE,
    )
    listener = HTTPServer(application, max_body_size=_LARGEST_REQUEST, max_header_size=_LARGEST_REQUEST)
    listener.add_sockets(sockets)
    return BaseServer(IOLoop.current(), application, listener)


def _open(document: Document, workers: Workers) -> None:
    workers.pause(_OPENING_SECONDS)
    Page(document, workers)
