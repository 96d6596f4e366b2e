"""Prepare a curve for drawing, in the computing thread: name its points, place its marks, word its error."""

import math
from typing import Any, NamedTuple

import numpy as np

from jaxent.explorer.curve import Curve
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import View

__all__ = ["Drawing", "band", "error_text", "errors_in_words", "height", "prepared"]

_SEEN = 1e-3  # share of the height; smaller errors are hidden by the line
_EXACT = 1e-11  # bits; a smaller error is rounding


class Drawing(NamedTuple):
    """Hold a curve as it is drawn.

    Attributes:
        curve: points of the curve.
        points: columns of the curve: x, y, rational (the time as a text) and error.
        marks: its magic times by increasing r: x and text.
        low: bottom of the axis.
        high: top of it.
        title: parameters of the curve.
        question: what the curve answers.
        summary: number of points, method and error in words.
    """

    curve: Curve
    points: dict[str, Any]
    marks: dict[str, Any]
    low: float
    high: float
    title: str
    question: Question
    summary: str


def prepared(question: Question, view: View, curve: Curve, names: dict[float, str]) -> Drawing:
    """Prepare a curve for drawing, with an axis that shows its full height.

    Args:
        question: the question of the curve.
        view: range of times of the curve.
        curve: points of the curve.
        names: texts of the times by distance; those of new points are added.

    Returns:
        Drawing.
    """
    low, high = height(curve)
    for distance in curve.distance.tolist():
        if distance not in names:
            names[distance] = view.text_of(distance, question.n_atoms)
    points = {
        "x": curve.distance,
        "y": curve.value,
        "rational": [names[distance] for distance in curve.distance.tolist()],
        "error": [error_text(one) for one in curve.error.tolist()],
    }
    times = view.marks(question.n_atoms)
    marks = {
        "x": [x for x, _, _ in times],
        "text": [f"r={r}" for _, r, _ in times],
    }
    return Drawing(curve, points, marks, low, high, question.title, question, _summary(question, curve))


def band(curve: Curve) -> dict[str, Any]:
    """Return the errors of a curve as boxes, from halfway to each point's neighbours; none if all are invisible.

    Returns:
        edges of the boxes: left, right, bottom, top; and x, the points.
    """
    known = np.isfinite(curve.value) & np.isfinite(curve.error)
    low, high = height(curve)
    if not known.any() or curve.error[known].max() < _SEEN * (high - low):
        known = np.zeros(len(known), bool)
    x = curve.distance
    edges = np.concatenate([x[:1], (x[1:] + x[:-1]) / 2, x[-1:]])
    low, high = curve.value - curve.error, curve.value + curve.error
    found = {"x": x, "left": edges[:-1], "right": edges[1:], "bottom": low, "top": high}
    return {name: values[known] for name, values in found.items()}


def errors_in_words(curve: Curve) -> str:
    """Say in a legend how the errors of a curve are drawn."""
    return "bars: the error" if curve.is_sparse else "shaded: the error"


def height(curve: Curve) -> tuple[float, float]:
    """Return bottom and top of an axis that shows a curve, with room for marks above.

    Errors are shown as well, up to the curve's own height beyond it on each side: it must not shrink to a line.
    """
    low, high = 0.0, 1.0
    known = np.isfinite(curve.value)
    if known.any():
        values, errors = curve.value[known], np.nan_to_num(curve.error[known], posinf=np.inf)
        least, most = float(values.min()), float(values.max())
        beyond = max(most - least, 1e-3 * abs(most))
        low = max(float((values - errors).min()), least - beyond)
        high = min(float((values + errors).max()), most + beyond)
    room = max(high - low, 1e-3 * abs(high), 1e-9)
    return low - 0.05 * room, high + 0.16 * room


def error_text(error: float) -> str:
    """Write an error as a person reads it."""
    return "no state" if math.isnan(error) else f"{max(error, 1e-12):.1e} bits"


def _summary(question: Question, curve: Curve) -> str:
    """Write the number of points, the method and the error in words."""
    error = curve.largest_error
    is_proven = question.is_bounded and not question.is_banded
    words = f"error {'at most' if is_proven else 'about'} {error:.1e} bits" if error > _EXACT else "exact to rounding"
    why = "without a state: the outcomes cannot occur there"
    if question.is_within_tolerance:
        why = "without a value: the state is almost pure there (γtN < 3), or the outcomes cannot occur"
    gaps = f", {curve.gaps} of them {why}" if curve.gaps else ""
    return f"{len(curve.distance)} points{gaps}; {question.method}, {words}"
