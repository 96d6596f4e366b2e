"""Draw the curves that the one asked for is compared with: those kept by hand, and that without noise."""

import dataclasses
import textwrap
from typing import Any

import numpy as np
from bokeh.models import ColumnDataSource, Legend, LegendItem

from jaxent.explorer.address import MOST_KEPT
from jaxent.explorer.curve import Curve
from jaxent.explorer.drawing import height
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import View

__all__ = ["Companion", "Companions"]

# distinguishable by colour-blind readers, and in grey by their dashes
_LOOKS = [
    ("#D55E00", [8, 4]),
    ("#009E73", [2, 2]),
    ("#CC79A7", [12, 3, 3, 3]),
    ("#8A6D00", [4, 6]),
    ("#777777", [1, 3]),
]

_CHARACTER, _SYMBOL = 6.5, 4  # pixels of a character of the legend, and characters that its symbol takes
_LEAST_CHARACTERS = 20


@dataclasses.dataclass(eq=False)
class Companion:
    """Hold one curve of comparison.

    Attributes:
        colour: its colour.
        dash: lengths of its dashes and gaps, in pixels.
        question: what it answers; None: it is not drawn.
        view: range of times that it is computed for; None: none yet.
        curve: its points so far.
        share: share of the work done, or given up.
    """

    colour: str
    dash: list[int]
    line: Any
    dots: Any
    question: Question | None = None
    view: View | None = None
    curve: Curve | None = None
    share: float = 1.0

    @property
    def is_complete(self) -> bool:
        """True if nothing is left to compute."""
        return self.question is None or self.share == 1.0

    def is_asked(self, question: Question, view: View) -> bool:
        """Check that a computation of this curve is still wanted."""
        return (self.question, self.view) == (question, view) and self.share < 1.0

    def draw(self, curve: Curve | None) -> None:
        """Draw the points of a curve, few of them as dots; None removes them."""
        self.curve = curve
        if curve is not None:
            self.share = curve.share
        self.line.data_source.data = {"x": [], "y": []} if curve is None else {"x": curve.distance, "y": curve.value}
        self.line.visible = curve is not None and not curve.is_sparse
        self.dots.visible = curve is not None and not self.line.visible


def _wrapped(question: Question, most: int) -> str:
    return "\n".join(textwrap.wrap(question.sentence, most, subsequent_indent="  "))


class Companions:
    """Hold all curves of comparison of a plot: the last is that without noise.

    Args:
        figure: the plot.
        own: the line of the curve asked for, for the legend.
    """

    def __init__(self, figure: Any, own: Any):
        self.all: list[Companion] = []
        for colour, dash in _LOOKS:
            source = ColumnDataSource({"x": [], "y": []})
            line = figure.line(x="x", y="y", source=source, line_color=colour, line_width=1.5, line_dash=dash)
            dots = figure.scatter(x="x", y="y", source=source, color=colour, size=5, marker="diamond", visible=False)
            self.all.append(Companion(colour, dash, line, dots))
        self._own, self._legend = own, Legend(items=[], visible=False, location="bottom_left")
        self._legend.update(border_line_alpha=0, spacing=0, margin=2, padding=2, label_text_font_size="12px")
        figure.add_layout(self._legend, "below")
        self._question: Question | None = None
        self._most = 200  # characters of a line of the legend
        self._named: list[tuple[str, Any]] = []
        self._errors: list[tuple[str, Any]] = []

    def ask(self, kept: list[Question], question: Question | None) -> None:
        """Choose what to compare with.

        Args:
            kept: questions of the kept curves.
            question: the question of the curve itself; None while it is not known.
        """
        same = question is not None and question.is_noisy
        without = question.noiseless if question is not None and same else None
        wanted = [*kept, *[None] * (MOST_KEPT - len(kept)), without if without not in kept else None]
        drawn = {one.question: one for one in self.all if one.question is not None}
        before = {asked: (one.view, one.curve) for asked, one in drawn.items() if one.is_complete}
        for one, asked in zip(self.all, wanted, strict=True):
            if one.question != asked:
                one.question = asked
                one.view, curve = before.get(asked, (None, None)) if asked is not None else (None, None)
                one.share = 1.0
                one.draw(curve)
        self._question = question
        self._name()

    def narrow(self, pixels: float) -> None:
        """Break the lines of the legend where they are wider than the plot."""
        self._most = max(_LEAST_CHARACTERS, int(pixels / _CHARACTER) - _SYMBOL)
        self._name()

    def name_errors(self, text: str, errors: Any | None) -> None:
        """Name in the legend what draws the errors of the curve asked for; None: they are too small to be seen."""
        self._errors = [] if errors is None else [(text, errors)]
        self._name()

    def _name(self) -> None:
        """Write the legend, of the curve asked for and all that it is compared with."""
        shown = [(one.question, one.line) for one in self.all if one.question is not None]
        lines = [(self._question, self._own), *shown] if self._question is not None and shown else shown
        named = [(_wrapped(asked, self._most), line) for asked, line in lines]
        named[1:1] = self._errors
        if named != self._named:
            self._named = named
            items = [LegendItem(label=text, renderers=[line]) for text, line in named]
            self._legend.update(items=items, visible=bool(items))

    def label(self, question: Question) -> str:
        """Return a label of the axis of values that is true of all curves."""
        quantities = {one.question.quantity for one in self.all if one.question is not None}
        return question.label if quantities <= {question.quantity} else "entanglement (bits)"

    def shift(self, by: float) -> None:
        """Move the drawn points along the axis of times."""
        for one in self.all:
            data: Any = one.line.data_source.data
            one.line.data_source.data = {**data, "x": np.asarray(data["x"], float) + by}

    @property
    def shown(self) -> list[tuple[Question, Curve]]:
        """Questions and points of the curves that are drawn."""
        return [(one.question, one.curve) for one in self.all if one.question is not None and one.curve is not None]

    @property
    def heights(self) -> list[tuple[float, float]]:
        """Bottom and top of an axis for each curve."""
        return [height(one.curve) for one in self.all if one.curve is not None]
