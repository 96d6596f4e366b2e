"""Build the fields that say which times are seen."""

from collections.abc import Callable
from typing import Any

from bokeh.layouts import column, row
from bokeh.models import Button, TextInput

from jaxent.explorer.fields import FAULTY
from jaxent.explorer.reading import LONGEST
from jaxent.explorer.viewport import WHOLE, View, asked_view

__all__ = ["Places"]


class Places:
    """Hold the fields of a centre and a width.

    Args:
        go: called with the view to show.
        complain: called with a sentence about a faulty field, and with "" once it is mended.
    """

    def __init__(self, go: Callable[[View], None], complain: Callable[[str], None]):
        self._go, self._complain, self._is_faulty = go, complain, False
        self._centre = TextInput(title="Centre (1.2, pi/2)", name="centre", value="pi/2", width=110, max_length=LONGEST)
        self._width = TextInput(title="Width", name="width", value="0.01", width=110, max_length=LONGEST)
        for field in (self._centre, self._width):
            field.on_change("value", self._rewritten)
        go_there = Button(label="Go there", name="go", width=100)
        go_there.on_click(self._gone)
        whole = Button(label="Whole curve", name="whole", width=100)
        whole.on_click(lambda: go(WHOLE))
        self.layout = column(row(self._centre, self._width), row(go_there, whole), width=260)

    def _gone(self) -> None:
        view = self._checked()
        if view is not None:
            self._go(view)

    def _rewritten(self, attr: str, old: Any, new: Any) -> None:
        if self._is_faulty:
            self._checked()

    def _checked(self) -> View | None:
        """Read the fields; mark the one that is faulty until it is mended."""
        said, view = "", None
        try:
            view = asked_view(self._centre.value, self._width.value).clipped()
        except ValueError as error:
            said = str(error)
        self._is_faulty = bool(said)
        self._centre.styles = FAULTY if said and not said.startswith("Width") else {}
        self._width.styles = FAULTY if said.startswith("Width") else {}
        self._complain(said)
        return view
