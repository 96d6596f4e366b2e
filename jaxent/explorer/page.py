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
from importlib import resources
from typing import Any

from bokeh.document import Document
from bokeh.events import MouseMove, Reset, Tap
from bokeh.layouts import column, row
from bokeh.models import Button, CheckboxGroup, ColumnDataSource, CustomJS, Div, PreText, Select

from jaxent.explorer.access import Access
from jaxent.explorer.address import MOST_KEPT, read, written
from jaxent.explorer.companions import Companion
from jaxent.explorer.curve import Curve, curve_seconds, refined
from jaxent.explorer.drawing import Drawing, error_text, prepared
from jaxent.explorer.export import python_lines, table
from jaxent.explorer.fields import OPEN_LIST, Fields
from jaxent.explorer.history import History
from jaxent.explorer.picture import svg
from jaxent.explorer.places import Places
from jaxent.explorer.plots import CurvePlot, LookPlots
from jaxent.explorer.point import Look, look_at, look_seconds
from jaxent.explorer.presets import PRESETS
from jaxent.explorer.question import Question, in_words
from jaxent.explorer.reading import asked
from jaxent.explorer.status import Status
from jaxent.explorer.viewport import NARROWEST, WHOLE, View
from jaxent.explorer.words import sentence
from jaxent.explorer.workers import Workers

__all__ = ["Page"]

_SETTLED = 60  # milliseconds after the last turn of the mouse wheel
_BETWEEN_DRAWINGS = 0.15  # seconds
_QUICK_LOOK = 0.3  # seconds; a slower look at a point needs a click
_LONG = 2.0  # seconds; what takes longer tells how long, and can be cancelled
_KNOWN_SHARE = 0.03  # from which the time that it took tells that of the rest
_AFTER_A_WHILE = (
    f"@keyframes appear {{ from {{ visibility: hidden }} }} :host {{ animation: appear {_LONG}s step-end }}"
)
_STARTS: Any = [("", "choose …"), *[(query, name) for name, query in PRESETS.items()]]
_DOWNLOAD = """
const link = document.createElement("a")
link.href = URL.createObjectURL(new Blob([outbox.data.text[0]], {type: "text/plain;charset=utf-8"}))
link.download = outbox.data.name[0]
link.click()
URL.revokeObjectURL(link.href)
"""


def _told(method: Callable) -> Callable:
    """Wrap a callback of the page so that its exceptions are shown there as a sentence, until it does without one."""

    @functools.wraps(method)
    def told(self: "Page", *args):
        try:
            method(self, *args)
        except Exception as error:
            self._status.complain(method.__name__, sentence(error))
        else:
            self._status.mend(method.__name__)

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
        self._computing, self._started, self._summary = False, 0.0, ""
        self._closed, self._turning = False, False
        self._wanted = 0  # number of the current curve
        self._pointer, self._looking = None, False
        self._plot, self._looks, self._status = CurvePlot(), LookPlots(), Status()
        self._fields = Fields(self._asked, self._plot.fading)
        self._places = Places(self._look_over, partial(self._complained, "places"))
        self._history = History(document, self._visited)
        self._kept: list[dict[str, str]] = []  # texts of the fields of each kept curve
        self._keep = Button(label="Keep this curve", name="keep", width=130)
        self._keep.on_click(self._keep_this)
        self._keeping = CheckboxGroup(name="kept", labels=[], active=[], sizing_mode="stretch_width", visible=False)
        self._keeping.on_change("active", self._unticked)
        self._preset = Select(
            title="Start from", name="preset", value="", options=_STARTS, width=240, stylesheets=[OPEN_LIST]
        )
        self._preset.on_change("value", self._started_from)
        self._lines = PreText(name="python", text="", sizing_mode="stretch_width", styles={"overflow-x": "auto"})
        self._reading = Div(name="reading", text="&nbsp;", sizing_mode="stretch_width")
        self._outbox = ColumnDataSource({"name": [""], "text": [""]})
        self._outbox.js_on_change("data", CustomJS(args={"outbox": self._outbox}, code=_DOWNLOAD))
        self._cancel = Button(label="Cancel", name="cancel", width=90, visible=False, stylesheets=[_AFTER_A_WHILE])
        self._cancel.on_click(self._cancelled)
        self._data = Button(label="Save data (CSV)", name="save_data", width=120)
        self._data.on_click(self._save_data)
        self._python = Button(label="Save Python", name="save_python", width=110)
        self._python.on_click(self._save_python)
        self._picture = Button(label="Save picture (SVG)", name="save_picture", width=140)
        self._picture.on_click(self._save_picture)
        plot = self._plot.figure
        plot.x_range.on_change("start", self._zoomed)
        plot.x_range.on_change("end", self._zoomed)
        plot.on_event(Reset, lambda _: self._look_over(WHOLE))
        plot.on_event(MouseMove, partial(self._pointed, False))
        plot.on_event(Tap, partial(self._pointed, True))
        self._lay_out(document)
        document.title = "jaxent explorer"
        document.on_session_destroyed(lambda _: self._end())
        self._settling = None
        self._visited(self._history.query)

    def _lay_out(self, document: Document) -> None:
        """Put all parts into the frame."""
        plots = [self._plot.figure, self._looks.spectrum, self._looks.outcome]
        access = Access(document, plots, self._fields.sliders, self._lines, self._pressed)
        hidden = [self._outbox, *self._history.models, *access.models]  # some model must own them
        told = row(self._status.div, self._cancel, sizing_mode="stretch_width")
        buttons = (self._keep, self._data, self._python, self._picture)
        exports = row(*buttons, styles={"flex-wrap": "wrap"}, sizing_mode="stretch_width")
        parts = (self._plot.figure, self._reading, told, self._keeping, exports)
        roots = {
            "asked": column(self._preset, self._fields.layout, self._places.layout, width=260, tags=hidden),
            "answer": column(*parts, sizing_mode="stretch_width"),
        }
        for name, root in roots.items():
            root.name = name
        for root in (*roots.values(), self._looks.spectrum, self._looks.outcome, self._lines):
            document.add_root(root)
        frame: Any = resources.files("jaxent.explorer").joinpath("frame.html").read_text(encoding="utf-8")
        document.template = frame

    # ------------------------------------------------------------- what is asked

    @_told
    def _asked(self, is_view: bool = False, is_zoom: bool = False) -> None:
        """Compute anew after a change of a field or of the view, and write it into the address."""
        if not is_view:
            self._plot.fade()  # as the browser has done at once
        try:
            self._ask()
        finally:
            self._history.write(self._address(), is_zoom)
            if self._preset.value != self._history.query:
                self._preset.value = ""

    def _ask(self) -> None:
        self._wanted += 1  # the old curve is outdated, even if the new fields are invalid
        try:
            question = asked(self._fields.values())
        except ValueError as error:
            self._curve, self._lines.text = None, ""
            self._plot.fade()
            self._fields.blame(str(error))
            self._finished("")
            raise
        self._status.mend("address")
        if question != self._question:
            self._looks.draw(Look.nothing(" "))
        self._question = question
        self._fields.show(question)
        self._compute()

    def _visited(self, query: str) -> None:
        """Show what an address says, after a step back or forward in the browser too."""
        if self._write_fields(query):
            self._history.keep(self._address())
            self._asked()

    def _write_fields(self, query: str) -> bool:
        """Write what an address says into fields and view; return whether it could be read."""
        try:
            fields, view, self._kept = read(query)
        except ValueError as error:
            self._wanted, self._curve = self._wanted + 1, None
            self._plot.clear()
            self._finished("")
            self._status.complain("address", sentence(error))
            return False
        self._fields.write(fields)
        self._see(view)
        return True

    def _address(self) -> str:
        return written(self._fields.values(), self._view, self._kept)

    def _started_from(self, attr: str, old: str, new: str) -> None:
        if new and self._write_fields(new):
            self._asked()

    def _keep_this(self) -> None:
        """Keep the curve of the fields, to compare others with."""
        fields = self._fields.values()
        if self._lines.text == "":
            self._status.complain("keep", "There is no curve to keep yet.")
        elif len(self._kept) == MOST_KEPT:
            self._status.complain("keep", f"At most {MOST_KEPT} curves are kept: untick one.")
        elif fields not in self._kept:
            self._kept = [*self._kept, fields]
            self._compare()

    def _unticked(self, attr: str, old: list[int], new: list[int]) -> None:
        if len(new) < len(self._kept):
            self._kept = [fields for index, fields in enumerate(self._kept) if index in new]
            self._compare()

    def _compare(self) -> None:
        """Show which curves are kept, and write them into the address."""
        self._status.mend("keep")
        self._compute_companions()
        self._tell()
        self._history.write(self._address(), False)

    def _kept_questions(self) -> list[Question]:
        """Read the fields of kept curves; those that cannot be read are dropped, and told."""
        found: dict[Question, dict[str, str]] = {}
        for fields in self._kept:
            try:
                found.setdefault(asked(fields), fields)
            except ValueError as error:
                self._status.complain("keep", f"Not kept: {error}")
        self._kept = list(found.values())
        labels = [f"keep {question.sentence}" for question in found]
        if labels != self._keeping.labels or len(labels) != len(self._keeping.active):
            self._keeping.update(labels=labels, active=list(range(len(labels))), visible=bool(labels))
        return list(found)

    def _complained(self, source: str, text: str) -> None:
        if text:
            self._status.complain(source, text)
        else:
            self._status.mend(source)

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
            self._look_over(seen, True)

    @_told
    def _look_over(self, view: View, is_zoom: bool = False) -> None:
        """Show another view; what turning the wheel or holding a key goes through is one step back."""
        is_narrow = view.width < 0.999 * NARROWEST
        self._status.remark(f"The view is {NARROWEST:g} wide, which is the narrowest there is." if is_narrow else "")
        self._see(view.clipped().recentred().clipped())
        self._asked(True, is_zoom)

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
        self._status.mend("computation")
        self._computing, self._started = True, time.monotonic()
        self._tell()
        if look_seconds(self._question) >= _QUICK_LOOK:
            self._looks.draw(Look.nothing("Click a point of the curve to see its state"))
            self._plot.cursor.data = {"x": [], "y": []}
        self._workers.add(self, self._curve_steps(self._wanted, self._question, self._view))
        self._compute_companions()

    def _compute_companions(self) -> None:
        """Compute those curves to compare with that are not yet computed for this view."""
        companions = self._plot.companions
        companions.ask(self._kept_questions(), self._question)
        for one in companions.all:
            if one.question is None or one.view == self._view:
                continue
            one.view, one.share = self._view, 0.0
            if one.question == self._question and self._curve is not None and self._curve.share == 1.0:
                self._show_companion(one, one.question, self._view, self._curve)
            else:
                self._workers.add(self, self._companion_steps(one, one.question, self._view))

    def _companion_steps(self, one: Companion, question: Question, view: View) -> Iterator[None]:
        """Compute a curve to compare with in a worker, and pass it to the page as it grows."""
        shown = 0.0
        try:
            for curve in refined(question, view, lambda: one.is_asked(question, view) and not self._closed):
                now = time.monotonic()
                if now - shown > _BETWEEN_DRAWINGS or curve.share == 1.0:
                    shown = now
                    self._hand_over(partial(self._show_companion, one, question, view, curve))
                yield
        except Exception as error:
            self._hand_over(partial(self._fail_companion, one, question, view, sentence(error)))

    def _show_companion(self, one: Companion, question: Question, view: View, curve: Curve) -> None:
        if one.is_asked(question, view):
            one.draw(curve)
            self._plot.fit()
            self._tell()

    def _fail_companion(self, one: Companion, question: Question, view: View, text: str) -> None:
        if one.is_asked(question, view):
            one.share = 1.0
            one.draw(None)
            self._status.complain("keep", f"{question.sentence} is not drawn: {text}")
            self._tell()

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
        self._status.mend("save")
        self._computing, self._summary = curve.share < 1.0, drawing.summary
        self._tell()
        if curve.share == 1.0 and look_seconds(self._question) < _QUICK_LOOK:
            self._look_again(curve)

    def _look_again(self, curve: Curve) -> None:
        """Look at the last place of the pointer, or at the middle if that is out of view."""
        self._look(float(curve.distance[abs(curve.distance - self._place()).argmin()]))

    def _fail(self, number: int, text: str) -> None:
        if number == self._wanted:
            self._curve = None
            self._plot.clear()
            self._looks.draw(Look.nothing(" "))
            self._finished("")
            self._status.complain("computation", text)

    def _finished(self, text: str) -> None:
        self._computing, self._summary = False, text
        self._tell()

    def _tell(self) -> None:
        """Say how far the computation is, with a button to cancel it."""
        share = 0.0 if self._curve is None else self._curve.share
        rest = not all(one.is_complete for one in self._plot.companions.all)
        self._cancel.visible = self._computing or self._looking or rest
        parts = [self._summary] if self._summary else []
        if self._computing and self._curve is None:
            parts = [f"computing …{self._left(0.0)}"]
        elif self._computing:
            parts.append(f"computing: {share:.0%}{self._left(share)}")
        elif rest:
            parts.append("computing curves to compare with")
        self._status.say("; ".join(parts))

    def _left(self, share: float) -> str:
        """Write the time that the rest of the curve takes, if it is worth telling."""
        seconds = (1 - share) * curve_seconds(self._question)
        if share > _KNOWN_SHARE:
            seconds = (1 - share) / share * (time.monotonic() - self._started)
        return f", {in_words(seconds)} left" if seconds > _LONG else ""

    def _cancelled(self) -> None:
        """Stop computing after the current step, whose result is not shown, and keep what is drawn."""
        if self._looking:
            self._pointer = None
            self._looks.draw(Look.nothing("Cancelled"))
        for one in self._plot.companions.all:
            one.share = 1.0
        if self._computing:
            self._wanted += 1
            share = 0.0 if self._curve is None else self._curve.share
            self._finished(f"Cancelled at {share:.0%}" + (f": {self._summary}" if share else "."))
        self._tell()

    # ------------------------------------------------------------ under the pointer

    @_told
    def _pointed(self, clicked: bool, event: MouseMove | Tap) -> None:
        if self._curve is None or event.x is None or not self._view.start <= event.x <= self._view.stop:
            return
        if not clicked and look_seconds(self._question) > _QUICK_LOOK:
            return
        self._look(self._curve.distance[abs(self._curve.distance - event.x).argmin()])

    @_told
    def _pressed(self, key: str, shift: bool) -> None:
        """Go along the curve, past it, or zoom around the point that is looked at."""
        view = self._view
        there = self._place()
        if key == "Home":
            self._look_over(WHOLE)
        elif key in ("+", "-"):
            half = view.width * (0.25 if key == "+" else 1.0)
            self._look_over(View(view.centre, there - half, there + half), True)
        elif shift:
            by = view.width / (-4 if key == "ArrowLeft" else 4)
            by = max(by, view.earliest - view.start)
            self._look_over(View(view.centre, view.start + by, view.stop + by), True)
        elif self._curve is not None:
            step = -1 if key == "ArrowLeft" else 1
            index = abs(self._curve.distance - there).argmin() + step * max(1, len(self._curve.distance) // 200)
            self._look(self._curve.distance[min(max(index, 0), len(self._curve.distance) - 1)])

    def _place(self) -> float:
        """Return the last place that was looked at, or the middle if that is out of view."""
        middle = (self._view.start + self._view.stop) / 2
        if self._pointer is not None:
            _, view, distance = self._pointer
            there = distance + 2 * math.pi * float(view.centre - self._view.centre)
            middle = there if self._view.start <= there <= self._view.stop else middle
        return middle

    def _look(self, distance: float) -> None:
        """Compute the state at a time; during another such computation, only the latest request is kept."""
        self._pointer = (self._question, self._view, float(distance))
        if not self._looking:
            seconds = look_seconds(self._question)
            if seconds > _LONG:
                self._looks.draw(Look.nothing(f"Computing the state: {in_words(seconds)}"))
            self._looking = True
            self._tell()
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
        self._tell()
        if self._pointer is None:  # cancelled
            return
        question, view, distance = place
        if question == self._question:
            self._looks.draw(look, f"t = {time_text}")
        if self._curve is not None and (question, view) == (self._question, self._view):
            index = abs(self._curve.distance - distance).argmin()
            self._plot.cursor.data = {"x": [distance], "y": [self._curve.value[index]]}
            value, error = self._curve.value[index], error_text(float(self._curve.error[index]))
            self._read(f"t = {time_text}: {error if math.isnan(value) else f'{value:.8f} bits, error {error}'}")
        if self._pointer is not None and self._pointer != place:
            self._look(self._pointer[2])

    # --------------------------------------------------------------- words and files

    def _read(self, text: str) -> None:
        self._reading.text = f"<span role='status'>{html.escape(text)}</span>"

    def _save_data(self) -> None:
        if self._curve is None:
            self._status.complain("save", "There is no curve to save yet.")
            return
        self._download("curve.csv", table(self._question, self._view, self._curve))

    def _save_python(self) -> None:
        if not self._lines.text:
            self._status.complain("save", "There is no curve whose lines could be saved yet.")
            return
        self._download("curve.py", self._lines.text)

    def _save_picture(self) -> None:
        if self._curve is None:
            self._status.complain("save", "There is no curve to save yet.")
            return
        shown = self._plot.companions.shown
        label = self._plot.companions.label(self._question)
        self._download("curve.svg", svg(self._question, self._view, self._curve, shown, label))

    def _download(self, name: str, text: str) -> None:
        self._outbox.data = {"name": [name], "text": [text]}
