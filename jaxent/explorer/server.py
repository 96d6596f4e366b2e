"""The explorer's server: on this machine only, one document for each tab."""

import socket
import webbrowser
from collections.abc import Callable

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import Server

from jaxent.explorer.curve import refined
from jaxent.explorer.page import Page
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import WHOLE

__all__ = ["serve"]

_ADDRESS = "127.0.0.1"


def serve(port: int = 5006, show: bool = True, report: Callable[[str], None] = print) -> None:
    """Serve the explorer until it is interrupted.

    Args:
        port: of the loopback address; 0: one that is free.
        show: whether to open a browser.
        report: called with the address, once the page can be opened.

    Raises:
        ValueError: when the port is out of range or in use.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"Argument `port` must lie in 0…65535, but is {port}.")
    port = port or _free_port()
    origins = [f"{_ADDRESS}:{port}", f"localhost:{port}"]
    try:
        server = Server(
            {"/": Application(FunctionHandler(_open))},
            address=_ADDRESS,
            port=port,
            allow_websocket_origin=origins,
            check_unused_sessions_milliseconds=1000,
            unused_session_lifetime_milliseconds=5000,
        )
    except OSError:
        raise ValueError(
            f"Argument `port` must be one that nothing listens at, but {port} is in use; 0 finds a free one."
        ) from None
    next(refined(Question(), WHOLE))  # the first curve is to come at once
    server.start()
    url = f"http://{_ADDRESS}:{port}/"
    report(url)
    if show:
        webbrowser.open(url)
    try:
        server.io_loop.start()
    finally:
        server.stop()


def _open(document: Document) -> None:
    Page(document)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((_ADDRESS, 0))
        return listener.getsockname()[1]
