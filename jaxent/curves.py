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

from jaxent import arguments, band
from jaxent.band.phases import BITS, reduced
from jaxent.chain import Chain
from jaxent.swapping import end_to_end_entropy
from jaxent.times import PiFraction, pi_fraction

__all__ = ["EntropyCurve", "entropy_curve"]

_TILE = 64  # points between two reports


@dataclasses.dataclass(frozen=True)
class EntropyCurve:
    """E(t) at increasing times (host arrays of one length).

    Attributes:
        time: t, in units of 1/coupling, rounded to float64.
        distance: t less the time the curve is laid around, to float64's relative precision.
        entropy: E in bits.
        levels: r where t is the magic time 2πp/r, exactly; 0 at the evenly spaced times.
    """

    time: np.ndarray
    distance: np.ndarray
    entropy: np.ndarray
    levels: np.ndarray


def entropy_curve(
    chain: Chain,
    t_min: float,
    t_max: float,
    n_times: int,
    *,
    around: PiFraction | float = 0.0,
    max_levels: int | None = None,
    tolerance: float = 1e-8,
    report: Callable[[float], None] = lambda share: None,
) -> EntropyCurve:
    """E(t) for all outcomes N and φ = 0, with the deepest dip between each two evenly spaced times.

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
    """
    arguments.check_chain(chain)
    for name, value in (("t_min", t_min), ("t_max", t_max)):
        try:
            finite = math.isfinite(value)
        except TypeError:
            finite = False
        if not finite:
            raise ValueError(f"Argument `{name}` must be a finite number, but is {value!r}.")
    if not t_max > t_min:
        raise ValueError(f"Argument `t_max` must be greater than t_min = {t_min}, but is {t_max}.")
    if not arguments.is_integer(n_times) or n_times < 2:
        raise ValueError(f"Argument `n_times` must be an integer of at least 2, but is {n_times!r}.")
    if np.shape(around.numerator if isinstance(around, PiFraction) else around):
        raise ValueError(f"Argument `around` must be one time, but is {around!r}.")
    if max_levels is not None and (not arguments.is_integer(max_levels) or max_levels < 1):
        raise ValueError(f"Argument `max_levels` must be an integer of at least 1, but is {max_levels!r}.")
    if not isinstance(around, PiFraction):
        arguments.checked_time(around, chain.n_ensembles)
    centre = reduced(around)
    even = np.linspace(t_min, t_max, n_times)
    largest = min(max_levels or max(1, math.isqrt(chain.n_atoms)), 2**27)
    if isinstance(around, PiFraction):
        origin = fractions.Fraction(int(around.numerator), 2 * int(around.denominator))
    else:
        origin = _turns(float(around))
    magic = _simplest_between(origin, even, largest)
    distances = np.concatenate([even, [distance for distance, _ in magic]])
    levels = np.concatenate([np.zeros(n_times), [fraction.denominator for _, fraction in magic]]).astype(int)
    if isinstance(around, PiFraction) and origin.denominator <= largest:
        levels[distances == 0.0] = origin.denominator
    centre_time = float(np.asarray(around.value)) if isinstance(around, PiFraction) else float(around)
    order = np.argsort(distances, kind="stable")
    if band.worth_planning(chain, 0.0, None, None, tolerance):
        half_turns = [(centre + reduced(distance)) % 2**BITS for distance in even.tolist()]
        half_turns += [_half_turn(fraction) for _, fraction in magic]
        entropy = _by_band(chain, half_turns, centre_time + distances, tolerance, report)
    else:
        exact = pi_fraction(*np.array([[2 * f.numerator, f.denominator] for _, f in magic], int).reshape(-1, 2).T)
        parts = [end_to_end_entropy(chain, times, tolerance=tolerance) for times in (centre_time + even, exact)]
        entropy = np.concatenate(parts)
        report(1.0)
    return EntropyCurve((centre_time + distances)[order], distances[order], entropy[order], levels[order])


def _by_band(chain, half_turns, times, tolerance, report) -> np.ndarray:
    """Entropies by the band engine, or by a dense matrix of the rounded time where that is cheaper."""
    entropy = np.empty(len(half_turns))
    dense = band.dense_seconds(chain.dimension, False)
    for start in range(0, len(half_turns), _TILE):
        chosen = slice(start, start + _TILE)
        plans = band.plans_at(chain, half_turns[chosen], times[chosen].tolist(), tolerance)
        banded = np.array([band.banded_seconds(plan) < dense for plan in plans], bool)
        values = np.empty(len(plans))
        values[banded] = band.entropies([plan for plan, yes in zip(plans, banded, strict=True) if yes]).entropy
        if not banded.all():
            values[~banded] = end_to_end_entropy(chain, times[chosen][~banded], tolerance=0)
        entropy[chosen] = values
        report(min(start + _TILE, len(half_turns)) / len(half_turns))
    return entropy


def _half_turn(fraction: fractions.Fraction) -> int:
    """`reduced` of the time 2π times a fraction."""
    return round(fraction / 2 % 1 * 2**BITS) % 2**BITS


def _simplest_between(
    origin: fractions.Fraction, distances: np.ndarray, largest: int
) -> list[tuple[float, fractions.Fraction]]:
    """Between each two times the fraction t/2π of the smallest denominator, if it is at most `largest`.

    Args:
        origin: t/2π that distances are counted from.
        distances: of the times, increasing.
        largest: denominator.

    Returns:
        pairs of the distance of 2πp/r from the origin, and p/r.
    """
    edges = [origin + _turns(distance) for distance in distances.tolist()]
    found = []
    for low, high in itertools.pairwise(edges):
        fraction = _simplest(low, high, largest)
        if fraction is not None:
            found.append((2 * math.pi * float(fraction - origin), fraction))
    return found


def _turns(distance: float) -> fractions.Fraction:
    """t/2π of a float, winding included."""
    windings = math.floor(distance / (4 * math.pi))
    part = fractions.Fraction(reduced(distance), 2 ** (BITS - 1))
    return part + 2 * (windings + round(distance / (4 * math.pi) - windings - float(part) / 2))


def _simplest(low: fractions.Fraction, high: fractions.Fraction, largest: int) -> fractions.Fraction | None:
    """The fraction of the smallest denominator strictly between two others (Stern and Brocot)."""
    below, above = (math.floor(low), 1), (math.floor(low) + 1, 1)
    if above[0] < high:
        return fractions.Fraction(*above)
    while True:
        middle = (below[0] + above[0], below[1] + above[1])
        if middle[1] > largest:
            return None
        if middle[0] <= low * middle[1]:
            below = middle
        elif middle[0] >= high * middle[1]:
            above = middle
        else:
            return fractions.Fraction(*middle)
