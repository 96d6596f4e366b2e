"""Compute the curve of a view, coarse first: each pass adds points between the previous ones.

The computation stops between slices once the page no longer needs the curve.
"""

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np

from jaxent.explorer.question import TOLERANCE, Question
from jaxent.explorer.values import values_at
from jaxent.explorer.viewport import View
from jaxent.protocol.curve import CurvePoints, curve_points, entropy_curve

__all__ = ["Curve", "curve_seconds", "intervals", "passes", "refined"]

_FEW = 100  # points
_PASSES = (1, 4, 16, 64)  # number of slices of the view in each pass
_MOST_PASS_SECONDS = (60.0, 300.0, 600.0, 3.0)  # most time for each pass; the last is for fast curves only
_QUICK_SECONDS = 0.2  # longest time of a slice of 8 or more intervals
_SLOW_SECONDS = 20.0  # longest time of a slice of 4 intervals, where points are slow
_DEAR_SECONDS = 1.0  # slower points are computed and shown one by one


@dataclasses.dataclass(frozen=True)
class Curve:
    """Hold the points of a curve, sorted by their distance from the centre of a view.

    Attributes:
        distance: time from the centre, in units of 1/coupling.
        value: entropy or log negativity in bits.
        error: bound or estimate of its error, in bits; NaN, as the value, where the outcomes cannot occur.
        levels: r of a magic time 2πp/r, 0 elsewhere.
        share: share of the work done.
    """

    distance: np.ndarray
    value: np.ndarray
    error: np.ndarray
    levels: np.ndarray
    share: float

    @property
    def largest_error(self) -> float:
        """Largest error of the points that have a value; 0 if none has."""
        known = self.error[np.isfinite(self.value)]
        return float(known.max()) if known.size else 0.0

    @property
    def is_sparse(self) -> bool:
        """Tell whether points are so few that a line between them would show what is not known."""
        return len(self.distance) < _FEW

    @property
    def gaps(self) -> int:
        """Number of points without a value."""
        return int(np.isnan(self.value).sum())

    def joined(self, other: "Curve", width: float) -> "Curve":
        """Merge the points of both curves; of two points at the same time one is kept."""
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
        # of two points at the same place keep the magic one, whose time is exact
        twin = np.flatnonzero(~apart)
        magic = columns[3][twin] > 0
        apart[twin[magic]], apart[twin[magic] - 1] = True, False
        return Curve(*[column[apart] for column in columns], share=other.share)


def intervals(question: Question) -> int:
    """Choose the number of intervals of a slice: as many as keep it fast."""
    seconds = question.point_seconds
    for count, most in ((16, _QUICK_SECONDS), (8, _QUICK_SECONDS), (4, _SLOW_SECONDS)):
        if (2 * count + 1) * seconds <= most:
            return count
    return 2 if seconds <= _DEAR_SECONDS else 1


def passes(question: Question) -> list[int]:
    """Choose the number of slices of each pass; the first pass is always computed."""
    seconds = 2 * intervals(question) * question.point_seconds
    within = [slices * seconds <= most for slices, most in zip(_PASSES, _MOST_PASS_SECONDS, strict=True)]
    count = next((index for index, yes in enumerate(within) if not yes), len(within))
    return list(_PASSES[: max(1, count)])


def curve_seconds(question: Question) -> float:
    """Estimate the seconds of all passes, once the programs are compiled."""
    return sum(passes(question)) * 2 * intervals(question) * question.point_seconds


def refined(question: Question, view: View, is_wanted: Callable[[], bool] = lambda: True) -> Iterator[Curve]:
    """Compute the curve on finer and finer grids, and yield all points so far after each slice.

    Args:
        question: the quantity and its parameters.
        view: range of times.
        is_wanted: called between slices; the computation stops once it returns false.

    Yields:
        Curve.

    Raises:
        ValueError: when the curve cannot be computed, in one sentence.
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
            for part, share in _slice(question, view, low, high, count + 1):
                part = dataclasses.replace(part, share=(done + share) / sum(cuts))
                whole = part if whole is None else whole.joined(part, view.width)
                yield whole
                if share < 1.0 and not is_wanted():
                    return
            done += 1


def _slice(question: Question, view: View, low: float, high: float, n_times: int) -> Iterator[tuple[Curve, float]]:
    """Compute points from `low` to `high`, slow ones one by one; yield them with the share of the slice done."""
    if question.is_plain:
        found = entropy_curve(question.chain, low, high, n_times, around=view.around, tolerance=TOLERANCE)
        yield Curve(found.distance, found.entropy, found.error, found.levels, 0.0), 1.0
        return
    points = curve_points(view.around, low, high, n_times, max(1, int(question.n_atoms**0.5)))
    if question.point_seconds > _DEAR_SECONDS:
        yield from _one_by_one(question, points)
        return
    even, error = values_at(question, points.centre + points.even)
    magic, magic_error = np.empty(0), np.empty(0)
    if points.fractions:
        magic, magic_error = (values[: len(points.magic)] for values in values_at(question, points.exact))
    pairs = (points.even, points.magic), (even, magic), (error, magic_error), (points.even_levels, points.magic_levels)
    yield Curve(*[points.ordered(*pair) for pair in pairs], share=0.0), 1.0


def _one_by_one(question: Question, points: CurvePoints) -> Iterator[tuple[Curve, float]]:
    exact = points.exact[: len(points.magic)] if points.fractions else []
    times = [points.centre + points.even, exact]
    levels = points.even_levels, points.magic_levels
    count = len(points.even) + len(points.magic)
    for index in range(count):
        is_magic = index >= len(points.even)
        place = index - is_magic * len(points.even)
        distance = (points.even, points.magic)[is_magic][place]
        value, error = values_at(question, times[is_magic][place : place + 1])
        yield Curve(np.array([distance]), value, error, levels[is_magic][place : place + 1], 0.0), (index + 1) / count
