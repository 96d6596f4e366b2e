"""What the explorer draws: the curve with its magic times, the spectrum and the distribution of an outcome."""

from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, HoverTool, Range1d
from bokeh.plotting import figure

from jaxent.explorer.curve import Curve
from jaxent.explorer.export import hover_error
from jaxent.explorer.point import Look
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import WHOLE, View

__all__ = ["CurvePlot", "LookPlots"]

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#777777"  # told apart by colour-blind readers, too
_APART = 0.045  # of the width: marks closer together lose their label, the simpler one keeps it
_ZERO = 1e-18  # where the logarithmic axis of the spectrum ends
_SIDE: dict[str, Any] = {
    "height": 250,
    "sizing_mode": "stretch_width",
    "min_width": 280,
    "toolbar_location": None,
    "title": " \n ",
}  # two lines


def _plain() -> CustomJSTickFormatter:
    """Ticks as one writes numbers, without zeros that say nothing."""
    return CustomJSTickFormatter(code="return String(Number(tick.toPrecision(9)))")


class CurvePlot:
    """The curve, what marks its magic times, and what the pointer reads."""

    def __init__(self):
        self.curve = ColumnDataSource({"x": [], "y": [], "rational": [], "error": []})
        self.marks = ColumnDataSource({"x": [], "y": [], "text": []})
        self.cursor = ColumnDataSource({"x": [], "y": []})
        self.figure: Any = figure(
            name="curve",
            height=430,
            min_width=320,
            sizing_mode="stretch_width",
            tools="xpan,xbox_zoom,xwheel_zoom,xzoom_in,xzoom_out,reset,save",
            active_drag="xbox_zoom",
            active_scroll="xwheel_zoom",
            x_range=Range1d(start=WHOLE.start, end=WHOLE.stop),
            y_range=Range1d(start=0.0, end=1.0),
        )
        self.figure.toolbar.logo = None
        self.figure.xaxis.formatter = _plain()
        self.figure.vspan(x="x", source=self.marks, line_color=_GREY, line_alpha=0.35, line_width=1)
        self.figure.text(
            x="x",
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
        self.figure.scatter(x="x", y="y", source=self.cursor, color=_ORANGE, size=9)
        tips = [("t", "@rational"), ("value", "@y{0.00000000} bits"), ("error", "@error")]
        hover = HoverTool(
            renderers=[line], mode="vline", line_policy="nearest", tooltips=tips, point_policy="snap_to_data"
        )
        self.figure.add_tools(hover)

    def see(self, view: View, old: View) -> None:
        """Turn to other times; what is drawn stays where it belongs until the new curve comes."""
        if view.centre != old.centre:
            shift = view.turns(0.0) - old.turns(0.0)
            for source in (self.curve, self.marks, self.cursor):
                data: Any = source.data
                moved = np.asarray(data["x"], float) - 2 * np.pi * float(shift)
                source.data = {**data, "x": moved}
        plot_range, origin = self.figure.x_range, 2 * np.pi * float(view.centre)
        plot_range.update(
            start=view.start, end=view.stop, reset_start=WHOLE.start - origin, reset_end=WHOLE.stop - origin
        )
        self.figure.xaxis.axis_label = view.label

    def draw(self, question: Question, view: View, curve: Curve) -> None:
        """Show a curve, all of it in height."""
        self.figure.yaxis.axis_label = question.label
        low, high = 0.0, 1.0
        finite = curve.value[np.isfinite(curve.value)]
        if finite.size:
            low, high = float(finite.min()), float(finite.max())
        room = max(high - low, 1e-3 * abs(high), 1e-9)
        top = high + 0.16 * room
        self.figure.y_range.update(start=low - 0.05 * room, end=top)
        self.curve.data = {
            "x": curve.distance,
            "y": curve.value,
            "rational": [view.text_of(one, question.n_atoms) for one in curve.distance.tolist()],
            "error": hover_error(curve.error),
        }
        kept: list[tuple[float, int, str]] = []
        for mark in view.marks(question.n_atoms):
            if all(abs(mark[0] - other[0]) > _APART * view.width for other in kept):
                kept.append(mark)
        self.marks.data = {
            "x": [mark[0] for mark in kept],
            "y": [top - 0.01 * room] * len(kept),
            "text": [f"r={mark[1]}" for mark in kept],
        }


class LookPlots:
    """The state at one time: its spectrum, and the probabilities of an outcome."""

    def __init__(self):
        self.levels = ColumnDataSource({"i": [], "p": []})
        self.bins = ColumnDataSource({"left": [], "right": [], "p": []})
        tips = [("number", "@i"), ("probability", "@p{0.000000e+0}")]
        self.spectrum: Any = figure(
            name="spectrum",
            y_axis_type="log",
            y_range=Range1d(start=_ZERO, end=2.0),
            tools="hover",
            tooltips=tips,
            x_range=Range1d(start=0.0, end=10.0),
            x_axis_label="number, decreasing",
            y_axis_label="probability",
            **_SIDE,
        )
        self.spectrum.xaxis.ticker.update(desired_num_ticks=5, mantissas=[1, 2, 5], min_interval=1)
        self.spectrum.segment(x0="i", x1="i", y0=_ZERO, y1="p", source=self.levels, line_color=_BLUE, line_width=1)
        self.spectrum.scatter(x="i", y="p", source=self.levels, color=_BLUE, size=5)
        tips = [("q", "@left to @right"), ("probability", "@p{0.000000}")]
        self.outcome: Any = figure(
            name="outcome",
            x_range=Range1d(start=0.0, end=10.0),
            y_range=Range1d(start=0.0, end=1.0),
            tools="hover",
            tooltips=tips,
            x_axis_label="outcome q₂ (atoms)",
            y_axis_label="probability",
            **_SIDE,
        )
        self.outcome.xaxis.formatter = _plain()
        self.outcome.xaxis.ticker.desired_num_ticks = 4
        self.outcome.quad(
            left="left", right="right", bottom=0, top="p", source=self.bins, fill_color=_BLUE, line_color=_BLUE
        )

    def draw(self, look: Look, time: str = " ") -> None:
        """Show what is seen at a time, told in words."""
        self.spectrum.title.text = f"{look.spectrum_note}\n{time}"
        self.outcome.title.text = f"{look.outcome_note}\n{time}"
        kept = look.spectrum > _ZERO
        self.spectrum.x_range.update(start=0.0, end=max(4, int(kept.sum())) + 1.0)
        if look.probabilities.size:
            self.outcome.x_range.update(start=look.edges[0] - 1.0, end=look.edges[-1])
            self.outcome.y_range.update(end=1.08 * float(look.probabilities.max()))
        self.levels.data = {"i": np.arange(1, len(look.spectrum) + 1)[kept], "p": look.spectrum[kept]}
        self.bins.data = {"left": look.edges[:-1] - 0.5, "right": look.edges[1:] - 0.5, "p": look.probabilities}
