"""Draw the plots of the explorer: the curve with its magic times, the spectrum, and the distribution of an outcome."""

import textwrap
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJS, CustomJSTickFormatter, HoverTool, Range1d
from bokeh.plotting import figure

from jaxent.explorer.companions import Companions
from jaxent.explorer.drawing import Drawing, band, errors_in_words
from jaxent.explorer.point import Look
from jaxent.explorer.ticks import put_fractions
from jaxent.explorer.viewport import WHOLE, View

__all__ = ["CurvePlot", "LookPlots"]

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#777777"  # distinguishable by colour-blind readers
_PALE = 0.25
_BAND = 0.2  # opacity of the band of errors
_EDGES = ("left", "right", "bottom", "top")  # of its boxes
_FADE = f"""
const [line, dots, band, bars] = glyphs
line.setv({{line_alpha: {_PALE}}}, {{sync: false}})
dots.setv({{fill_alpha: {_PALE}}}, {{sync: false}})
band.setv({{fill_alpha: {_PALE * _BAND}}}, {{sync: false}})
bars.setv({{line_alpha: {_PALE}}}, {{sync: false}})
"""  # in the browser only: the server says by itself how it is drawn then
_LINE = 44  # characters of a title
_NAME = 40.0  # pixels of "r=12" and the space around it
_NARROWEST, _USUAL = 100.0, 900.0  # pixels of a plot
_ZERO = 1e-18  # lower end of the logarithmic axis of the spectrum
_SIDE: dict[str, Any] = {
    "height": 250,
    "sizing_mode": "stretch_width",
    "min_width": 280,
    "toolbar_location": None,
    "title": " \n \n ",
}  # three lines


def _plain() -> CustomJSTickFormatter:
    """Format ticks as plain numbers without trailing zeros."""
    return CustomJSTickFormatter(code="return String(Number(tick.toPrecision(9)))")


class CurvePlot:
    """Draw the curve, the marks of magic times, and the point under the pointer.

    Attributes:
        companions: curves to compare with.
        fading: what draws the curve pale in the browser, before the server knows that its question has changed.
    """

    def __init__(self):
        self._drawing: Drawing | None = None
        self._pixels = _USUAL  # between the axes, as the browser says
        self._moved = 0.0  # how far the view's centre went since the curve was drawn
        self._line: Any
        self._dots: Any
        self.curve = ColumnDataSource({"x": [], "y": [], "rational": [], "error": []})
        self.marks = ColumnDataSource({"x": [], "at": [], "y": [], "text": []})
        self.cursor = ColumnDataSource({"x": [], "y": []})
        self.errors = ColumnDataSource({name: [] for name in ("x", *_EDGES)})
        self.figure: Any = figure(
            name="curve",
            tags=["Curve. Arrow keys go along it, with shift past it, plus and minus zoom, Home shows all of it"],
            height=430,
            min_width=320,
            sizing_mode="stretch_width",
            tools="xpan,xbox_zoom,xwheel_zoom,xzoom_in,xzoom_out,reset,save",
            active_drag="xbox_zoom",
            active_scroll="xwheel_zoom",
            x_range=Range1d(start=WHOLE.start, end=WHOLE.stop),
            y_range=Range1d(start=0.0, end=1.0),
            title=" ",
        )
        self.figure.title.text_font_size = "12px"
        self.figure.toolbar.logo = None
        put_fractions(self.figure)
        self.figure.on_change("inner_width", self._measured)
        self.figure.vspan(x="x", source=self.marks, line_color=_GREY, line_alpha=0.35, line_width=1)
        self.figure.text(
            x="at",
            y="y",
            text="text",
            source=self.marks,
            text_color=_GREY,
            text_font_size="11px",
            text_align="center",
            text_baseline="top",
            background_fill_color="white",
            background_fill_alpha=0.8,
        )
        line = self.figure.line(x="x", y="y", source=self.curve, line_color=_BLUE, line_width=1.5)
        dots = self.figure.scatter(x="x", y="y", source=self.curve, color=_BLUE, size=5, visible=False)
        self._line, self._dots = line, dots
        boxes: dict[str, Any] = {name: name for name in _EDGES}
        self._band = self.figure.quad(
            **boxes, source=self.errors, fill_color=_BLUE, fill_alpha=_BAND, line_alpha=0, level="underlay"
        )
        ends: dict[str, Any] = {"x0": "x", "x1": "x", "y0": "bottom", "y1": "top"}
        self._bars = self.figure.segment(**ends, source=self.errors, line_color=_BLUE, line_width=1.5, visible=False)
        glyphs = [one.glyph for one in (line, dots, self._band, self._bars)]
        self.fading = CustomJS(args={"glyphs": glyphs}, code=_FADE)
        self.companions = Companions(self.figure, line)
        self.figure.scatter(x="x", y="y", source=self.cursor, color=_ORANGE, size=9)
        tips = [("t", "@rational"), ("value", "@y{0.00000000} bits"), ("error", "@error")]
        hover = HoverTool(
            renderers=[line, dots], mode="vline", line_policy="nearest", tooltips=tips, point_policy="snap_to_data"
        )
        self.figure.add_tools(hover)

    def see(self, view: View, old: View) -> None:
        """Move the axis to another view; the drawn points keep their times until the new curve arrives."""
        if view.centre != old.centre:
            shift = view.turns(0.0) - old.turns(0.0)
            self._moved -= 2 * np.pi * float(shift)
            for source in (self.curve, self.marks, self.cursor, self.errors):
                data: Any = source.data
                times = [name for name in ("x", "at", "left", "right") if name in data]
                moved = {name: np.asarray(data[name], float) - 2 * np.pi * float(shift) for name in times}
                source.data = {**data, **moved}
            self.companions.shift(-2 * np.pi * float(shift))
        plot_range, origin = self.figure.x_range, 2 * np.pi * float(view.centre)
        plot_range.update(
            start=view.start, end=view.stop, reset_start=WHOLE.start - origin, reset_end=WHOLE.stop - origin
        )
        self.figure.xaxis.axis_label = view.label

    def draw(self, drawing: Drawing) -> None:
        """Draw a curve at its full height, with its parameters as title.

        Each change reaches the browser by itself: data come before the title that says what they are.
        """
        self.curve.data = drawing.points
        self.errors.data = band(drawing.curve)
        self._drawing, self._moved = drawing, 0.0
        self.fit()
        self.figure.title.text = drawing.title
        self._line.visible = not drawing.curve.is_sparse
        self._dots.visible = not self._line.visible
        self._band.visible, self._bars.visible = self._line.visible, self._dots.visible
        drawn = self._band if self._line.visible else self._bars
        self.companions.name_errors(errors_in_words(drawing.curve), drawn if len(self.errors.data["x"]) else None)
        self._opaque(1.0)

    def fit(self) -> None:
        """Fit the axis to all curves, with the marks on top, and name what it measures."""
        if self._drawing is None:
            return
        own = self._drawing.low, self._drawing.high
        lows, highs = zip(own, *self.companions.heights, strict=True)
        low, high = min(lows), max(highs)
        self.figure.y_range.update(start=low, end=high)
        self.figure.yaxis.axis_label = self.companions.label(self._drawing.question)
        self._mark()

    def _measured(self, attribute: str, old: Any, new: Any) -> None:
        self._pixels = float(new or _USUAL)
        self.companions.narrow(self._pixels)
        self._mark()

    def _mark(self) -> None:
        """Mark the simplest magic times, as many as have room for their names on this screen."""
        if self._drawing is None:
            return
        low, high = self.figure.y_range.start, self.figure.y_range.end
        width = self.figure.x_range.end - self.figure.x_range.start
        apart = width * _NAME / max(self._pixels, _NARROWEST)
        kept: list[tuple[float, str]] = []
        for x, text in zip(self._drawing.marks["x"], self._drawing.marks["text"], strict=True):
            if all(abs(x - other) >= apart for other, _ in kept):
                kept.append((x, text))
        lines = np.array([x for x, _ in kept]) + self._moved
        first, last = self.figure.x_range.start + apart / 2, self.figure.x_range.end - apart / 2
        seen = (lines >= first - apart / 2) & (lines <= last + apart / 2)
        self.marks.data = {
            "x": lines,
            "at": np.where(seen, np.clip(lines, first, last), lines),  # no name is cut at an edge
            "y": [high - 0.01 * (high - low)] * len(kept),
            "text": [text for _, text in kept],
        }

    def _opaque(self, alpha: float) -> None:
        self._line.glyph.line_alpha, self._dots.glyph.fill_alpha = alpha, alpha
        self._band.glyph.fill_alpha, self._bars.glyph.line_alpha = _BAND * alpha, alpha

    def fade(self) -> None:
        """Draw the curve pale, because it is not that of the current fields; the title keeps its parameters."""
        self._opaque(_PALE)
        self.cursor.data = {"x": [], "y": []}

    def clear(self) -> None:
        """Remove the curve, its marks and its title."""
        self.figure.title.text = " "
        self.curve.data = {"x": [], "y": [], "rational": [], "error": []}
        self.marks.data = {"x": [], "at": [], "y": [], "text": []}
        self.errors.data = {name: [] for name in ("x", *_EDGES)}
        self.companions.name_errors("", None)
        self._drawing = None
        self.cursor.data = {"x": [], "y": []}


class LookPlots:
    """Draw the state at one time: its spectrum, and the probabilities of an outcome."""

    def __init__(self):
        self.levels = ColumnDataSource({"i": [], "p": []})
        self.bins = ColumnDataSource({"left": [], "right": [], "p": []})
        tips = [("number", "@i"), ("probability", "@p{0.000000e+0}")]
        self.spectrum: Any = figure(
            name="spectrum",
            tags=["Spectrum of the state"],
            y_axis_type="log",
            y_range=Range1d(start=_ZERO, end=2.0),
            tools="hover",
            tooltips=tips,
            x_range=Range1d(start=0.0, end=10.0),
            x_axis_label="number, decreasing",
            y_axis_label="probability",
            **_SIDE,
        )
        self.spectrum.title.text_font_size = "11px"
        self.spectrum.xaxis.ticker.update(desired_num_ticks=5, mantissas=[1, 2, 5], min_interval=1)
        self.spectrum.segment(x0="i", x1="i", y0=_ZERO, y1="p", source=self.levels, line_color=_BLUE, line_width=1)
        self.spectrum.scatter(x="i", y="p", source=self.levels, color=_BLUE, size=5)
        tips = [("q", "@left to @right"), ("probability", "@p{0.000000}")]
        self.outcome: Any = figure(
            name="outcome",
            tags=["Distribution of the first measured outcome"],
            x_range=Range1d(start=0.0, end=10.0),
            y_range=Range1d(start=0.0, end=1.0),
            tools="hover",
            tooltips=tips,
            x_axis_label="outcome q₂ (atoms)",
            y_axis_label="probability",
            **_SIDE,
        )
        self.outcome.title.text_font_size = "11px"
        self.outcome.xaxis.formatter = _plain()
        self.outcome.xaxis.ticker.desired_num_ticks = 4
        self.outcome.quad(
            left="left", right="right", bottom=0, top="p", source=self.bins, fill_color=_BLUE, line_color=_BLUE
        )

    def draw(self, look: Look, time: str = " ") -> None:
        """Draw the spectrum and the distribution at a time, which is given as a text; data come before their titles."""
        self.spectrum.x_range.update(start=0.0, end=max(4, len(look.spectrum)) + 1.0)
        if look.probabilities.size:
            self.outcome.x_range.update(start=look.edges[0] - 1.0, end=look.edges[-1])
            self.outcome.y_range.update(end=1.08 * float(look.probabilities.max()))
        self.levels.data = {"i": np.arange(1, len(look.spectrum) + 1), "p": look.spectrum}
        self.bins.data = {"left": look.edges[:-1] - 0.5, "right": look.edges[1:] - 0.5, "p": look.probabilities}
        self.spectrum.title.text = _titled(look.spectrum_note, time)
        self.outcome.title.text = _titled(look.outcome_note, time)


def _titled(note: str, time: str) -> str:
    """Join a note, wrapped to at most four lines and padded to two, with the time."""
    lines = textwrap.wrap(note, _LINE, max_lines=4, placeholder=" …") or [" "]
    return "\n".join([*lines, time, *[" "] * (2 - len(lines))])
