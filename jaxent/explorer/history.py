"""Keep the address of a tab that of what it shows, so that it can be reloaded, sent, gone back from and undone."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from bokeh.document import Document
from bokeh.models import ColumnDataSource, CustomJS

__all__ = ["History"]

_ONE_MOVE = 1.0  # seconds; views that follow each other faster are one entry, so that a zoom is one step back
_GO = """
const [query] = written.data.query
const address = location.pathname + (query ? "?" + query : "")
if (written.data.is_new[0]) history.pushState(null, "", address)
else history.replaceState(null, "", address)
"""
_LISTEN = """
window.addEventListener("popstate", () => {
  visited.data = {query: [location.search.slice(1)], time: [performance.now()]}  // the same query counts again
})
"""


class History:
    """Hold the address of one tab.

    Args:
        document: Bokeh document of this tab.
        visited: called with the query to show after a step back or forward.

    Attributes:
        models: models that the page must hold.
    """

    def __init__(self, document: Document, visited: Callable[[str], None]):
        self._query, self._zoomed = self._first(document), 0.0
        self._written = ColumnDataSource({"query": [""], "is_new": [True]})
        self._written.js_on_change("data", CustomJS(args={"written": self._written}, code=_GO))
        self._visited = ColumnDataSource({"query": [""], "time": [0.0]}, name="visited")
        self._visited.on_change("data", lambda attr, old, new: self._went(new["query"][0], visited))
        document.js_on_event("document_ready", CustomJS(args={"visited": self._visited}, code=_LISTEN))
        self.models = [self._written, self._visited]

    @property
    def query(self) -> str:
        """The query of the address."""
        return self._query

    @staticmethod
    def _first(document: Document) -> str:
        """Return the query that the page was asked for with."""
        context: Any = document.session_context
        arguments = context.request.arguments if context is not None and context.request is not None else {}
        return urlencode([(name, one) for name, values in arguments.items() if name != "token" for one in values])

    def _went(self, query: str, visited: Callable[[str], None]) -> None:
        self._query = query
        visited(query)

    def keep(self, query: str) -> None:
        """Take a query for what the address says in other words."""
        self._query = query

    def write(self, query: str, is_zoom: bool) -> None:
        """Write a query into the address, as a new entry unless it only continues a zoom."""
        now = time.monotonic()
        if query != self._query:
            self._query = query
            self._written.data = {"query": [query], "is_new": [not is_zoom or now - self._zoomed > _ONE_MOVE]}
        self._zoomed = now if is_zoom else 0.0
