"""The curve E(t), resolved at any depth: the devil's crevasse has a dip at every rational multiple of π.

Evenly spaced times, however many, miss the dips between them, which are 1/N wide and reach down to log2 r at 2πp/r. So
a curve here has two kinds of points: n evenly spaced times, and between each two of them the magic time of the smallest
r, where the deepest dip of that stretch is. Zooming in finds ever larger r.

Far down, times are told apart that float64 cannot: a curve is laid around an exact time, and its points are the
distances from there.

>>> from jaxent import Chain, pi_fraction
>>> curve = entropy_curve(Chain(3, 100), -0.05, 0.05, 4, around=pi_fraction(2, 3))
>>> curve.levels.tolist(), curve.entropy.round(3).tolist()
([0, 0, 3, 0, 0], [2.529, 1.713, 1.585, 1.713, 2.529])
"""

import dataclasses
import fractions
import itertools
import math
from collections.abc import Callable

import numpy as np

from jaxent import arguments, results
from jaxent.band.phases import BITS, reduced
from jaxent.chain import Chain
from jaxent.conversion import finite, whole_number
from jaxent.messages import shown
from jaxent.protocol.dispatch import Problem
from jaxent.protocol.turn_fractions import half_turn, pi_multiple, simplest_between, turns_of
from jaxent.protocol.window_error import entropy_error_bound
from jaxent.results import Account, Column, Marks
from jaxent.times import PiFraction, pi_fraction, time_value

__all__ = ["CurvePoints", "EntropyCurve", "checked_points", "curve_points", "entropy_curve"]


@dataclasses.dataclass(frozen=True)
class EntropyCurve:
    """Hold E(t) at increasing times (host arrays of one length).

    Attributes:
        time: t, in units of 1/coupling, rounded to float64.
        distance: t less the time the curve is laid around, to float64's relative precision.
        entropy: E in bits.
        levels: r where t is the magic time 2πp/r, exactly; 0 at the evenly spaced times.
        error: bound or estimate of the error of E, from the window and the band engine; NaN for a windowed chain other
            than M = 3, whose window `entropy_error_estimate` judges.
    """

    time: np.ndarray
    distance: np.ndarray
    entropy: np.ndarray
    levels: np.ndarray
    error: np.ndarray

    __repr__ = results.line
    _repr_html_ = results.table
    plot = results.plot
    to_xarray = results.to_xarray

    def _account(self) -> Account:
        magic = self.levels > 0
        columns = {
            "time": Column(self.time, "1/coupling", "interaction time t", "t"),
            "entropy": Column(self.entropy, "bit", "entanglement of the ends E", "E"),
            "error": Column(self.error, "bit", "error of E", results.ERROR),
            "levels": Column(self.levels, meaning="levels r of the magic time, 0: none"),
            "distance": Column(self.distance, "1/coupling", "distance from the centre"),
        }
        dips = Marks("entropy", ".", magic, "at 2πp/r", [str(r) for r in self.levels[magic]])
        return Account("points", columns, [Marks("entropy", "-", ~magic, "E(t)"), dips])


@dataclasses.dataclass(frozen=True)
class CurvePoints:
    """Hold the times at which a curve is evaluated, as distances from a centre.

    Attributes:
        centre: the time that distances are counted from, rounded to float64.
        even: distances of the evenly spaced times, shape (n,).
        magic: distances of the magic times between them.
        fractions: t/2π of the magic times.
        even_levels: r of the even times, where one is the centre and that is magic; else 0.
    """

    centre: float
    even: np.ndarray
    magic: np.ndarray
    fractions: list[fractions.Fraction]
    even_levels: np.ndarray

    @property
    def exact(self) -> PiFraction:
        """Return the magic times, and repeat the last for a fixed shape: as many as intervals."""
        pairs = [pi_multiple(one) for one in self.fractions]
        pairs += pairs[-1:] * (len(self.even) - 1 - len(pairs))
        return pi_fraction(*np.array(pairs, int).reshape(-1, 2).T)

    @property
    def magic_levels(self) -> np.ndarray:
        """Return r of the magic times."""
        return np.array([one.denominator for one in self.fractions], int)

    @property
    def levels(self) -> np.ndarray:
        """Return r of all points, by increasing distance; 0 where a time is not magic."""
        return self.ordered(self.even_levels, self.magic_levels)

    def ordered(self, even: np.ndarray, magic: np.ndarray) -> np.ndarray:
        """Merge values at both kinds of points, by increasing distance."""
        order = np.argsort(np.concatenate([self.even, self.magic]), kind="stable")
        return np.concatenate([even, magic])[order]


def entropy_curve(
    chain: Chain,
    t_min: float | PiFraction,
    t_max: float | PiFraction,
    n_times: int,
    *,
    around: PiFraction | float = 0.0,
    max_levels: int | None = None,
    tolerance: float = 1e-8,
    report: Callable[[float], None] = lambda share: None,
) -> EntropyCurve:
    """Compute E(t) for all outcomes N and φ = 0, with the deepest dip between each two evenly spaced times.

    Args:
        chain: the chain.
        t_min: first distance from `around`.
        t_max: last distance.
        n_times: number of evenly spaced times, at least 2; up to as many magic times come in between.
        around: the time that distances are counted from, a float or a `PiFraction`.
        max_levels: largest r of the magic times; None: √N, beyond which the dips run into each other.
        tolerance: as `end_to_end_entropy`.
        report: called with the share of the work done.

    Returns:
        EntropyCurve.

    Raises:
        ValueError: when the interval is empty or not finite, for `n_times` below 2, for more than one time `around`,
            and as `end_to_end_entropy`.

    Example:
        >>> import jaxent
        >>> curve = jaxent.entropy_curve(jaxent.Chain(3, 20), 0.1, 3.1, 10)
        >>> print(len(curve.time), curve.levels.max())
        12 4
    """
    points = checked_points(chain, t_min, t_max, n_times, around, max_levels)
    n_times = len(points.even)
    distances = np.concatenate([points.even, points.magic])
    centre = reduced(around)
    half_turns = [(centre + reduced(distance)) % 2**BITS for distance in points.even.tolist()]
    half_turns += [half_turn(fraction) for fraction in points.fractions]
    found = Problem.at(chain, half_turns).entropies(None, tolerance, report, 2 * n_times - 1)
    entropy = np.asarray(found.entropy)
    error = np.asarray(found.window_error + found.band_error + found.coarse_error + found.quadrature_error)
    if chain.window is not None and chain.dimension <= chain.n_atoms:
        error = error + (_window_bound(points, chain) if chain.n_ensembles == 3 else math.nan)
    distances, entropy, error = (points.ordered(*np.split(one, [n_times])) for one in (distances, entropy, error))
    return EntropyCurve(points.centre + distances, distances, entropy, points.levels, error)


def checked_points(
    chain: Chain,
    t_min: float | PiFraction,
    t_max: float | PiFraction,
    n_times: int,
    around: PiFraction | float = 0.0,
    max_levels: int | None = None,
) -> CurvePoints:
    """Check arguments as `entropy_curve` takes them, and choose the times."""
    arguments.check_chain(chain)
    t_min, t_max = finite("t_min", time_value(t_min)), finite("t_max", time_value(t_max))
    arguments.checked_time([t_min, t_max], chain.n_ensembles)
    if not t_max > t_min:
        raise ValueError(f"Argument `t_max` must be greater than t_min = {t_min}, but is {t_max}.")
    n_times = whole_number("n_times", n_times, 2, 10**7)
    if np.shape(around.numerator if isinstance(around, PiFraction) else around):
        raise ValueError(f"Argument `around` must be one time, but is {shown(around)}.")
    if max_levels is not None:
        max_levels = whole_number("max_levels", max_levels, 1)
    if not isinstance(around, PiFraction):
        arguments.checked_time(around, chain.n_ensembles)
    return curve_points(around, t_min, t_max, n_times, max_levels or max(1, math.isqrt(chain.n_atoms)))


def curve_points(around: PiFraction | float, t_min: float, t_max: float, n_times: int, max_levels: int) -> CurvePoints:
    """Choose evenly spaced times, and between each two the magic time of the smallest r.

    Args:
        around: the time that distances are counted from.
        t_min: first distance.
        t_max: last distance.
        n_times: number of evenly spaced times.
        max_levels: largest r.

    Returns:
        CurvePoints.
    """
    even, origin, largest = np.linspace(t_min, t_max, n_times), turns_of(around), min(max_levels, 2**27)
    edges = [origin + turns_of(distance) for distance in even.tolist()]
    between = [simplest_between(low, high, largest) for low, high in itertools.pairwise(edges)]
    found = [one for one in between if one is not None]
    magic = np.array([2 * math.pi * float(one - origin) for one in found])
    levels = np.zeros(n_times, int)
    if isinstance(around, PiFraction) and origin.denominator <= largest:
        levels[even == 0.0] = origin.denominator
    centre = float(np.asarray(around.value)) if isinstance(around, PiFraction) else float(around)
    return CurvePoints(centre, even, magic, found, levels)


def _window_bound(points: CurvePoints, chain: Chain) -> np.ndarray:
    """Compute `entropy_error_bound` at the even points, then at the magic ones."""
    even = entropy_error_bound(chain, points.centre + points.even)
    magic = entropy_error_bound(chain, points.exact) if points.fractions else []
    return np.concatenate([np.asarray(even), np.asarray(magic)[: len(points.magic)]])
