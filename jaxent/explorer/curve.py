"""The curve of a view, coarse first: each pass adds points between those there are, and ends when nobody looks."""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from jaxent.curves import curve_points, entropy_curve
from jaxent.dephasing import end_to_end_log_negativity
from jaxent.explorer.question import TOLERANCE, Question
from jaxent.explorer.viewport import View
from jaxent.routes import ImpossibleOutcomes
from jaxent.swapping import end_to_end_entropy
from jaxent.truncation import entropy_with_errors

__all__ = ["Curve", "intervals", "passes", "refined"]

_PASSES = (1, 4, 16, 64)  # slices that the view is cut into
_MOST_PASS_SECONDS = (60.0, 300.0, 600.0, 3.0)  # of each: the last is for curves that cost nothing
_QUICK_SECONDS = 0.2  # a slice is to take no longer,
_SLOW_SECONDS = 20.0  # or this, where points are dear


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points by increasing distance from the centre of a view.

    Attributes:
        distance: from the centre, in units of 1/coupling.
        value: in bits.
        error: bound or estimate of its error; NaN where unknown.
        levels: r of a magic time 2πp/r, 0 elsewhere.
        share: of the work done.
    """

    distance: np.ndarray
    value: np.ndarray
    error: np.ndarray
    levels: np.ndarray
    share: float

    def joined(self, other: "Curve", width: float) -> "Curve":
        """Points of both, one where two of them are the same."""
        columns = [
            np.concatenate(pair)
            for pair in zip(
                (self.distance, self.value, self.error, self.levels),
                (other.distance, other.value, other.error, other.levels),
                strict=True,
            )
        ]
        order = np.argsort(columns[0], kind="stable")
        columns = [column[order] for column in columns]
        apart = np.concatenate([[True], np.diff(columns[0]) > 1e-9 * width])
        # of two at the same place the magic one has the exact time
        twin = np.flatnonzero(~apart)
        magic = columns[3][twin] > 0
        apart[twin[magic]], apart[twin[magic] - 1] = True, False
        return Curve(*[column[apart] for column in columns], share=other.share)


def intervals(question: Question) -> int:
    """Intervals of a slice: as many as keep it quick."""
    seconds = question.point_seconds
    for count, most in ((16, _QUICK_SECONDS), (8, _QUICK_SECONDS), (4, _SLOW_SECONDS)):
        if (2 * count + 1) * seconds <= most:
            return count
    return 2


def passes(question: Question) -> list[int]:
    """Slices of each pass; the first is always computed."""
    seconds = 2 * intervals(question) * question.point_seconds
    within = [slices * seconds <= most for slices, most in zip(_PASSES, _MOST_PASS_SECONDS, strict=True)]
    count = next((index for index, yes in enumerate(within) if not yes), len(within))
    return list(_PASSES[: max(1, count)])


def refined(question: Question, view: View, is_wanted: Callable[[], bool] = lambda: True) -> Iterator[Curve]:
    """The curve, finer and finer; the caller gets all points so far after each slice.

    Args:
        question: what to compute.
        view: where.
        is_wanted: asked between slices; no more is computed once it is false.

    Yields:
        Curve.

    Raises:
        ValueError: where the question cannot be answered, in one sentence.
    """
    view = view.clipped()
    count, done = intervals(question), 0
    cuts = passes(question)
    whole: Curve | None = None
    for slices in cuts:
        edges = np.linspace(view.start, view.stop, slices + 1)
        for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if not is_wanted():
                return
            done += 1
            part = dataclasses.replace(_slice(question, view, low, high, count + 1), share=done / sum(cuts))
            whole = part if whole is None else whole.joined(part, view.width)
            yield whole


def _slice(question: Question, view: View, low: float, high: float, n_times: int) -> Curve:
    if question.is_plain:
        found = entropy_curve(question.chain, low, high, n_times, around=view.around, tolerance=TOLERANCE)
        return Curve(found.distance, found.entropy, found.error, found.levels, 0.0)
    points = curve_points(view.around, low, high, n_times, max(1, int(question.n_atoms**0.5)))
    even, error = _values(question, points.centre + points.even)
    magic, magic_error = np.empty(0), np.empty(0)
    if points.fractions:
        magic, magic_error = (values[: len(points.magic)] for values in _values(question, points.exact))
    levels = np.array([one.denominator for one in points.fractions], int)
    pairs = (points.even, points.magic), (even, magic), (error, magic_error), (points.even_levels, levels)
    return Curve(*[points.ordered(*pair) for pair in pairs], share=0.0)


def _values(question: Question, times) -> tuple[np.ndarray, np.ndarray]:
    """Values and errors at times; NaN where the outcomes cannot occur."""
    try:
        return _at(question, times)
    except ImpossibleOutcomes as error:
        possible = ~np.asarray(error.where)
    if not possible.any():
        return np.full(len(times), np.nan), np.full(len(times), np.nan)
    # a time that is possible in place of each that is not: the same shape, the same program
    values, errors = _at(question, times[np.where(possible, np.arange(len(times)), np.argmax(possible))])
    return np.where(possible, values, np.nan), np.where(possible, errors, np.nan)


def _at(question: Question, times) -> tuple[np.ndarray, np.ndarray]:
    chain, outcomes, offset = question.chain, question.outcomes, question.phase_offset
    windowed = chain.dimension <= chain.n_atoms
    if question.quantity == "log_negativity":
        value = np.asarray(end_to_end_log_negativity(chain, times, question.dephasing_rate, outcomes, offset))
        return value, np.full(value.shape, np.nan if windowed else 0.0)
    if windowed and chain.n_ensembles != 3:
        value = np.asarray(end_to_end_entropy(chain, times, outcomes, offset, tolerance=TOLERANCE))
        return value, np.full(value.shape, np.nan)
    found = entropy_with_errors(chain, times, outcomes, offset, tolerance=TOLERANCE)
    return np.asarray(found.entropy), np.asarray(found.total)
