"""Draw a curve of the explorer for print, with its question as title, its error, and the curves it is compared with."""

import io
import math
from collections.abc import Sequence

from jaxent.explorer.curve import Curve
from jaxent.explorer.drawing import band, errors_in_words
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import View
from jaxent.plot.sheet import SAFE, STYLES, sheet

__all__ = ["svg"]


def svg(question: Question, view: View, curve: Curve, others: Sequence[tuple[Question, Curve]], label: str) -> str:
    """Write a picture as SVG, of the width of a page.

    Args:
        question: of the curve.
        view: range of times.
        curve: its points.
        others: questions and points of the curves that it is compared with.
        label: of the axis of values.
    """
    whole = view.centre == 0
    scale = math.pi if whole else 1.0
    with sheet() as page:
        (axes,) = page.panels(1, 1, 3.4)
        looks = zip((*SAFE[1:2], *SAFE[:1], *SAFE[2:], "#8A6D00", "#777777"), (*STYLES, *STYLES), strict=False)
        for (one, points), (colour, style) in zip([(question, curve), *others], looks, strict=False):
            x, low, high = points.distance / scale, points.value - points.error, points.value + points.error
            axes.plot(x, points.value, "o" if points.is_sparse else style, color=colour, label=one.sentence)
            if points.is_sparse:
                errors = axes.vlines(x, low, high, color=colour)
            else:
                errors = axes.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
            if points is curve and band(points)["x"].size:
                errors.set_label(errors_in_words(points))
        axes.set(xlabel="interaction time t (π/coupling)" if whole else view.label, ylabel=label)
        axes.set_xlim(view.start / scale, view.stop / scale)
        axes.set_title(question.title, loc="left")
        named = axes.get_legend_handles_labels()
        if len(named[1]) > 1:
            page.legend(*named, place="outside lower center")
        text = io.StringIO()
        page.figure.savefig(text, format="svg", metadata={"Title": question.sentence, "Date": None})
    return text.getvalue()
