"""Connect the fields and plots of one tab of the explorer.

Curves and states are not computed in the thread that serves the page, but step by step in `jaxent.explorer.workers`,
which pass results on by `add_next_tick_callback`. Curves are numbered: the computation of an outdated one stops after
its current step. An error in a field or in a computation is shown as one sentence below the curve; a curve of other
parameters than those in the fields is drawn pale, or removed.
"""

import contextlib
import functools
import html
import math
import time
from collections.abc import Callable, Iterator
from functools import partial

from bokeh.document import Document
from bokeh.events import MouseMove, Reset, Tap
from bokeh.layouts import column, row
from bokeh.models import Button, ColumnDataSource, CustomJS, Div, PreText, TextInput

from jaxent.explorer.address import read, written
from jaxent.explorer.curve import Curve, refined
from jaxent.explorer.drawing import Drawing, prepared
from jaxent.explorer.export import python_lines, table
from jaxent.explorer.fields import Fields
from jaxent.explorer.history import History
from jaxent.explorer.plots import CurvePlot, LookPlots
from jaxent.explorer.point import Look, look_at, look_seconds
from jaxent.explorer.question import Question, in_words
from jaxent.explorer.reading import LONGEST, asked
from jaxent.explorer.viewport import WHOLE, View, asked_view
from jaxent.explorer.words import sentence
from jaxent.explorer.workers import Workers

__all__ = ["Page"]

_SETTLED = 60  # milliseconds after the last turn of the mouse wheel
_BETWEEN_DRAWINGS = 0.15  # seconds
_QUICK_LOOK = 0.3  # seconds; a slower look at a point needs a click
_DOWNLOAD = """
const link = document.createElement("a")
link.href = URL.createObjectURL(new Blob([outbox.data.text[0]], {type: "text/plain;charset=utf-8"}))
link.download = outbox.data.name[0]
link.click()
URL.revokeObjectURL(link.href)
"""
_HEAD = (
    "<b style='font-size:1.3em'>jaxent explorer</b> &ensp; Drag over the curve or turn the wheel to zoom: "
    "it is computed anew for the times you see. Point at it (or click) to see the state there."
)


def _told(method: Callable) -> Callable:
    """Wrap a callback of the page so that its exceptions are shown there as a sentence."""

    @functools.wraps(method)
    def told(self: "Page", *args):
        try:
            return method(self, *args)
        except Exception as error:
            self._say(sentence(error), bad=True)

    return told


class Page:
    """Run one tab.

    Args:
        document: Bokeh document of this tab.
        workers: threads that compute.
    """

    def __init__(self, document: Document, workers: Workers):
        self._document, self._workers = document, workers
        self._question, self._view, self._curve = Question(), WHOLE, None
        self._closed, self._turning = False, False
        self._wanted = 0  # number of the current curve
        self._pointer, self._looking = None, False
        self._fields = Fields(self._asked)
        self._history = History(document, self._visited)
        self._plot, self._looks = CurvePlot(), LookPlots()
        self._status = Div(name="status", text="", sizing_mode="stretch_width", height=42)  # two lines
        self._lines = PreText(name="python", text="", sizing_mode="stretch_width", styles={"overflow-x": "auto"})
        self._outbox = ColumnDataSource({"name": [""], "text": [""]})
        self._outbox.js_on_change("data", CustomJS(args={"outbox": self._outbox}, code=_DOWNLOAD))
        self._centre = TextInput(title="Centre (1.2, pi/2)", name="centre", value="pi/2", width=110, max_length=LONGEST)
        self._width = TextInput(title="Width", name="width", value="0.01", width=110, max_length=LONGEST)
        go = Button(label="Go there", name="go", width=100)
        go.on_click(self._go)
        whole = Button(label="Whole curve", name="whole", width=100)
        whole.on_click(lambda: self._look_over(WHOLE))
        self._data = Button(label="Save data (CSV)", name="save_data", width=120)
        self._data.on_click(self._save_data)
        self._python = Button(label="Save Python", name="save_python", width=110)
        self._python.on_click(self._save_python)
        plot = self._plot.figure
        plot.x_range.on_change("start", self._zoomed)
        plot.x_range.on_change("end", self._zoomed)
        plot.on_event(Reset, lambda _: self._look_over(WHOLE))
        plot.on_event(MouseMove, partial(self._pointed, False))
        plot.on_event(Tap, partial(self._pointed, True))
        places = column(row(self._centre, self._width), row(go, whole), width=260)
        looks = row(self._looks.spectrum, self._looks.outcome, sizing_mode="stretch_width")
        exports = row(self._data, self._python)
        head = Div(text=_HEAD, sizing_mode="stretch_width", tags=[self._outbox, *self._history.models])
        left = column(self._fields.layout, places, width=270)
        right = column(plot, self._status, looks, exports, self._lines, sizing_mode="stretch_width")
        document.add_root(column(head, row(left, right, sizing_mode="stretch_width"), sizing_mode="stretch_width"))
        document.title = "jaxent explorer"
        document.on_session_destroyed(lambda _: self._end())
        self._settling = None
        self._visited(self._history.query)

    # ------------------------------------------------------------- what is asked

    @_told
    def _asked(self, is_zoom: bool = False) -> None:
        """Compute anew after a change of a field or of the view, and write it into the address."""
        try:
            self._ask()
        finally:
            self._history.write(written(self._fields.values(), self._view), is_zoom)

    def _ask(self) -> None:
        self._wanted += 1  # the old curve is outdated, even if the new fields are invalid
        try:
            question = asked(self._fields.values())
        except ValueError as error:
            self._curve, self._lines.text = None, ""
            self._plot.fade()
            self._fields.blame(str(error))
            raise
        if question != self._question:
            self._plot.fade()
            self._looks.draw(Look.nothing(" "))
        self._question = question
        self._fields.show(question)
        self._compute()

    @_told
    def _visited(self, query: str) -> None:
        """Show what an address says, after a step back or forward in the browser too."""
        try:
            fields, view = read(query)
        except ValueError:
            self._wanted, self._curve = self._wanted + 1, None
            self._plot.clear()
            raise
        self._fields.write(fields)
        self._see(view)
        self._history.keep(written(fields, view))
        self._asked()

    @_told
    def _go(self) -> None:
        self._look_over(asked_view(self._centre.value, self._width.value))

    @_told
    def _zoomed(self, attr: str, old: float, new: float) -> None:
        """Wait for the end of a zoom by the mouse wheel before computing."""
        seen = View(self._view.centre, self._plot.figure.x_range.start, self._plot.figure.x_range.end)
        if self._turning or seen in (self._view, self._settling) or not seen.width > 0:
            return
        self._settling = seen
        self._document.add_timeout_callback(partial(self._settle, seen), _SETTLED)

    def _settle(self, seen: View) -> None:
        if seen is self._settling:
            self._look_over(seen)

    @_told
    def _look_over(self, view: View) -> None:
        self._see(view.clipped().recentred().clipped())
        self._asked(True)

    def _see(self, view: View) -> None:
        old, self._view, self._settling = self._view, view, None
        self._turning = True
        self._plot.see(view, old)
        self._turning = False

    def _end(self) -> None:
        self._wanted, self._closed = self._wanted + 1, True
        self._workers.drop(self)

    def _hand_over(self, callback: Callable[[], None]) -> None:
        """Schedule, from a worker, a callback in the thread of the page, unless the tab is closed."""
        if not self._closed:
            with contextlib.suppress(AttributeError):  # the tab is just being closed
                self._document.add_next_tick_callback(callback)

    # ----------------------------------------------------------- what is computed

    def _compute(self) -> None:
        self._wanted += 1
        self._curve = None
        self._plot.figure.xaxis.axis_label = self._view.label
        self._lines.text = python_lines(self._question, self._view)
        seconds = self._question.point_seconds
        self._say("computing …" + (f" ({in_words(seconds)} a point)" if seconds > 1 else ""))
        if look_seconds(self._question) >= _QUICK_LOOK:
            self._looks.draw(Look.nothing("Click a point of the curve to see its state"))
            self._plot.cursor.data = {"x": [], "y": []}
        self._workers.add(self, self._curve_steps(self._wanted, self._question, self._view))

    def _curve_steps(self, number: int, question: Question, view: View) -> Iterator[None]:
        """Compute a curve in a worker, and pass it to the page as it grows."""
        shown, names = 0.0, {}
        try:
            for curve in refined(question, view, lambda: number == self._wanted):
                now = time.monotonic()
                if now - shown > _BETWEEN_DRAWINGS or curve.share == 1.0:
                    shown = now
                    self._hand_over(partial(self._show, number, prepared(question, view, curve, names)))
                yield
        except Exception as error:
            self._hand_over(partial(self._fail, number, sentence(error)))

    def _show(self, number: int, drawing: Drawing) -> None:
        if number != self._wanted:
            return
        curve = self._curve = drawing.curve
        self._plot.draw(drawing)
        self._say(drawing.summary + ("" if curve.share == 1.0 else f"; computing: {curve.share:.0%}"))
        if curve.share == 1.0 and look_seconds(self._question) < _QUICK_LOOK:
            self._look_again(curve)

    def _look_again(self, curve: Curve) -> None:
        """Look at the last place of the pointer, or at the middle if that is out of view."""
        middle = (self._view.start + self._view.stop) / 2
        if self._pointer is not None:
            _, view, distance = self._pointer
            there = distance + 2 * math.pi * float(view.centre - self._view.centre)
            middle = there if self._view.start <= there <= self._view.stop else middle
        self._look(float(curve.distance[abs(curve.distance - middle).argmin()]))

    def _fail(self, number: int, text: str) -> None:
        if number == self._wanted:
            self._curve = None
            self._plot.clear()
            self._looks.draw(Look.nothing(" "))
            self._say(text, bad=True)

    # ------------------------------------------------------------ under the pointer

    @_told
    def _pointed(self, clicked: bool, event: MouseMove | Tap) -> None:
        if self._curve is None or event.x is None or not self._view.start <= event.x <= self._view.stop:
            return
        if not clicked and look_seconds(self._question) > _QUICK_LOOK:
            return
        self._look(self._curve.distance[abs(self._curve.distance - event.x).argmin()])

    def _look(self, distance: float) -> None:
        """Compute the state at a time; during another such computation, only the latest request is kept."""
        self._pointer = (self._question, self._view, float(distance))
        if not self._looking:
            self._looking = True
            self._workers.add(self, self._look_steps(self._pointer))

    def _look_steps(self, place: tuple[Question, View, float]) -> Iterator[None]:
        """Compute the state at a point in a worker, and pass it to the page."""
        try:
            look, time_text = look_at(*place), place[1].text_of(place[2], place[0].n_atoms)
        except Exception as error:
            look, time_text = Look.nothing(sentence(error)), " "
        self._hand_over(partial(self._show_look, place, look, time_text))
        yield

    def _show_look(self, place: tuple[Question, View, float], look: Look, time_text: str) -> None:
        self._looking = False
        question, view, distance = place
        if question == self._question:
            self._looks.draw(look, f"t = {time_text}")
        if self._curve is not None and (question, view) == (self._question, self._view):
            index = abs(self._curve.distance - distance).argmin()
            self._plot.cursor.data = {"x": [distance], "y": [self._curve.value[index]]}
        if self._pointer is not None and self._pointer != place:
            self._look(self._pointer[2])

    # --------------------------------------------------------------- words and files

    def _say(self, text: str, bad: bool = False) -> None:
        colour = "#B00020" if bad else "#444444"
        self._status.text = f"<span role='status' style='color:{colour}'>{html.escape(text)}</span>"

    @_told
    def _save_data(self) -> None:
        if self._curve is None:
            self._say("There is no curve to save yet.", bad=True)
            return
        self._download("curve.csv", table(self._question, self._view, self._curve))

    @_told
    def _save_python(self) -> None:
        if not self._lines.text:
            raise ValueError("There is no curve whose lines could be saved yet.")
        self._download("curve.py", self._lines.text)

    def _download(self, name: str, text: str) -> None:
        self._outbox.data = {"name": [name], "text": [text]}
