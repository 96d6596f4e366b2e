"""A curve as it is drawn, prepared where it may take its time: names of its points, its marks, its error in words."""

import math
from typing import Any, NamedTuple

import numpy as np

from jaxent.explorer.curve import Curve
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import View

__all__ = ["Drawing", "prepared"]

_APART = 0.045  # of the width: marks closer together lose their label, the simpler one keeps it
_EXACT = 1e-11  # bits: rounding


class Drawing(NamedTuple):
    """A curve as it is drawn.

    Attributes:
        curve: its points.
        points: columns of the curve: x, y, rational (the time in words) and error.
        marks: columns of its magic times: x, y, text.
        low: bottom of the axis.
        high: top of it.
        title: whose curve it is.
        label: of the axis.
        summary: its points, method and error in words.
    """

    curve: Curve
    points: dict[str, Any]
    marks: dict[str, Any]
    low: float
    high: float
    title: str
    label: str
    summary: str


def prepared(question: Question, view: View, curve: Curve, names: dict[float, str]) -> Drawing:
    """Prepare a curve, all of it in height.

    Args:
        question: that it answers.
        view: where it was computed.
        curve: its points.
        names: those of points that were named before; new ones are added.

    Returns:
        Drawing.
    """
    low, high = 0.0, 1.0
    finite = curve.value[np.isfinite(curve.value)]
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
    room = max(high - low, 1e-3 * abs(high), 1e-9)
    top = high + 0.16 * room
    kept: list[tuple[float, int, str]] = []
    for mark in view.marks(question.n_atoms):
        if all(abs(mark[0] - other[0]) > _APART * view.width for other in kept):
            kept.append(mark)
    for distance in curve.distance.tolist():
        if distance not in names:
            names[distance] = view.text_of(distance, question.n_atoms)
    points = {
        "x": curve.distance,
        "y": curve.value,
        "rational": [names[distance] for distance in curve.distance.tolist()],
        "error": [_error(one) for one in curve.error.tolist()],
    }
    marks = {
        "x": [mark[0] for mark in kept],
        "y": [top - 0.01 * room] * len(kept),
        "text": [f"r={mark[1]}" for mark in kept],
    }
    return Drawing(
        curve, points, marks, low - 0.05 * room, top, question.title, question.label, _summary(question, curve)
    )


def _error(error: float) -> str:
    return "no state" if math.isnan(error) else f"{max(error, 1e-12):.1e} bits"


def _summary(question: Question, curve: Curve) -> str:
    """Points, method and error."""
    error = curve.largest_error
    is_proven = question.is_bounded and not question.is_banded
    words = f"error {'at most' if is_proven else 'about'} {error:.1e} bits" if error > _EXACT else "exact to rounding"
    gaps = f", {curve.gaps} of them without a state: the outcomes cannot occur there" if curve.gaps else ""
    return f"{len(curve.distance)} points{gaps}; {question.method}, {words}"
