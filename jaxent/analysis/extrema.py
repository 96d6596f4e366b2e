"""Find peaks and dips of E(t) from E and dE/dt alone, without the formula for magic times.

The first grid follows from the spectrum of the amplitudes. A bond turns the phase of a pair of Dicke states at the rate
k k', whose spread over the binomial weights is N/4, apart from local phases, which do not change E. The end-to-end
amplitudes, as functions of t, therefore have frequencies up to a few N/4, and E changes on the time scale 1/N: its dips
are κ/N wide, κ = 0.3 for two ensembles and more for longer chains (`jaxent.half_width`). A grid of π/(8N) resolves
them. But E is no trigonometric polynomial: x log x bends sharply where a Schmidt coefficient vanishes, and E changes
fast, as 1/√p, where the probability p of the outcomes is small.

Therefore every interval of the grid is checked. Two samples with their derivatives predict the one between them
(Hermite's cubic); where E, its derivative or log p differ from the prediction, the interval is halved, repeatedly.
Around each extremum that counts, this goes on until no interval could hide a higher peak (a deeper dip) by more than
1e-6 bits.

>>> from jaxent import Chain
>>> found = find_extrema(Chain(3, 20), 1.9, 2.3)
>>> [(round(float(t), 4), int(r)) for t, r in zip(found.time[~found.is_peak], found.levels[~found.is_peak])]
[(2.0944, 3)]
"""

import dataclasses
import fractions
import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.signal

from jaxent import arguments, results
from jaxent.analysis.entropy_samples import Samples
from jaxent.chain import Chain
from jaxent.conversion import finite, positive
from jaxent.results import Account, Column, Marks
from jaxent.runtime import threads
from jaxent.times import PiFraction, time_value

__all__ = ["Extrema", "find_extrema"]

_MOST_POINTS = 10**6
_MOST_ATOMS = 10**9  # at which dips, 1/N wide, are a thousand times wider than the last bracket
_BEYOND = 2  # grid points beyond each end, so that an extremum at an end is bracketed
_HALVINGS = 12  # halvings of an interval of the grid
_RESOLVED = 1e-6  # bits; no interval hides an extremum better by more
_ROUNDED, _FINEST = 1e-10, 1e-12  # promised error in t; final width of the bracket of an extremum


class Extrema(NamedTuple):
    """Hold peaks and dips of E(t) in increasing order of time; arrays of shape (n,).

    Attributes:
        time: t in units of 1/coupling.
        entropy: E at that time, in bits.
        is_peak: True for a peak, False for a dip.
        prominence: height in bits over the higher of the two saddles beside a peak (depth below the lower one, for a
            dip): on each side the lowest point before the curve exceeds the peak, or the interval ends.
        levels: r of the magic time 2πp/r, r ≤ √N, within 0.1/N of the extremum; 0 if there is none.
    """

    time: np.ndarray
    entropy: np.ndarray
    is_peak: np.ndarray
    prominence: np.ndarray
    levels: np.ndarray

    __repr__ = results.line
    _repr_html_ = results.table
    plot = results.plot
    to_xarray = results.to_xarray

    def _account(self) -> Account:
        peaks = np.asarray(self.is_peak, bool)
        columns = {
            "time": Column(self.time, "1/coupling", "interaction time t", "t"),
            "entropy": Column(self.entropy, "bit", "entanglement of the ends E", "E"),
            "is_peak": Column(self.is_peak, meaning="peak"),
            "prominence": Column(self.prominence, "bit", "prominence"),
            "levels": Column(self.levels, meaning="levels r of the magic time, 0: none"),
        }
        dips = Marks("entropy", "v", ~peaks, "dips", [f"r = {r}" if r else "" for r in np.asarray(self.levels)[~peaks]])
        return Account("peaks and dips", columns, [Marks("entropy", "^", peaks, "peaks"), dips])


@threads.with_one_lapack_thread
def find_extrema(
    chain: Chain,
    start: float | PiFraction = 0.0,
    stop: float | PiFraction = math.pi,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    min_prominence: float = 0.05,
    points_per_dip: float = 8.0,
    report: Callable[[float], None] = lambda share: None,
) -> Extrema:
    """Find all peaks and dips of E(t) in an interval, to 1e-10 in t, from E and dE/dt alone.

    The cost is about `points_per_dip` · N · (stop - start) / π evaluations with derivatives, by the cheaper engine of
    `jaxent.end_to_end_entropy`, and ten to fifty for each extremum. The module docstring explains why none is missed.
    An end of the interval is an extremum only if dE/dt changes sign there (as at t = 0 and π); its prominence is over
    the saddle on its one side. Times whose outcomes cannot occur are left out of the curve; if outcomes are so unlikely
    that the digits of dE/dt are lost, the interval is refused.

    Args:
        chain: the chain.
        start: first time.
        stop: last time.
        outcomes: as `jaxent.end_to_end_entropy`.
        phase_offset: as `jaxent.end_to_end_entropy`.
        min_prominence: bits by which an extremum must stand out from its surroundings.
        points_per_dip: points of the first grid for a time of π/N, the width of a dip.
        report: called with the share of the work done, between tiles.

    Returns:
        Extrema.

    Raises:
        ValueError: when the interval is empty or not finite, for more than 10^6 points or 10^9 atoms, where the digits
            of dE/dt are lost, and as `jaxent.end_to_end_entropy`.

    Example:
        >>> import jaxent
        >>> found = jaxent.find_extrema(jaxent.Chain(3, 12), 1.4, 1.8)
        >>> print(f"{found.time[found.entropy.argmin()]:.4f}")
        1.5573
    """
    arguments.check_chain(chain)
    if chain.n_atoms > _MOST_ATOMS:
        raise ValueError(
            f"Argument `chain` has n_atoms = {chain.n_atoms}: beyond 10^9 atoms dips are hardly wider than what times "
            "are found to; use jaxent.magic_times and jaxent.half_width."
        )
    start, stop = finite("start", time_value(start)), finite("stop", time_value(stop))
    if not stop > start:
        raise ValueError(f"Argument `stop` must be greater than start = {start}, but is {stop}.")
    min_prominence = positive("min_prominence", min_prominence)
    points_per_dip = positive("points_per_dip", points_per_dip)
    count = 2 * math.ceil((stop - start) * points_per_dip * chain.n_atoms / (2 * math.pi)) + 1
    if count > _MOST_POINTS:
        raise ValueError(
            f"Arguments `start` = {start} and `stop` = {stop} ask for {count} points at n_atoms = {chain.n_atoms}; "
            f"give a shorter interval, of at most {_MOST_POINTS} points."
        )
    grid = start + (stop - start) / (count - 1) * np.arange(-_BEYOND, count + _BEYOND)
    grid[_BEYOND], grid[count + _BEYOND - 1] = start, stop
    samples = Samples(chain, outcomes, phase_offset, (start, stop))
    curve = _first_curve(samples, grid, lambda share: report(0.6 * share))
    curve, found = _resolved(samples, curve, (start, stop), min_prominence, lambda share: report(0.6 + 0.2 * share))
    found = _polished(samples, found, 1e-5 / chain.n_atoms, lambda share: report(0.8 + 0.2 * share))
    found = found.chosen((found.time >= start - _ROUNDED) & (found.time <= stop + _ROUNDED))
    prominence = _prominences(found, curve, (start, stop))
    found, prominence = found.chosen(prominence >= min_prominence), prominence[prominence >= min_prominence]
    report(1.0)
    levels = _levels(found.time, chain.n_atoms)
    return Extrema(np.clip(found.time, start, stop), found.height, found.is_peak, prominence, levels)


def _levels(time: np.ndarray, n_atoms: int) -> np.ndarray:
    """Find r of the magic time 2πp/r, r ≤ √N, at each time; 0 if there is none."""
    most = max(2, math.isqrt(n_atoms))
    nearest = [fractions.Fraction(t / (2 * math.pi)).limit_denominator(most) for t in time.tolist()]
    distance = abs(time - np.array([2 * math.pi * float(f) for f in nearest]))
    return np.where(distance * n_atoms < 0.1, [f.denominator for f in nearest], 0).astype(int)


# ------------------------------------------------------------------------ curve


@dataclasses.dataclass(frozen=True)
class _Curve:
    """Hold samples sorted by time, and the resolution of each interval between two.

    Attributes:
        time: shape (n,).
        sample: values of `Samples`, shape (4, n).
        miss: error in bits of E as predicted from an interval twice as wide, shape (n - 1,).
        miss_of_log: the same error for log p.
        halvings: number of halvings of the interval, shape (n - 1,).
    """

    time: np.ndarray
    sample: np.ndarray
    miss: np.ndarray
    miss_of_log: np.ndarray
    halvings: np.ndarray

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Estimate the least and greatest E on each interval, from the cubic and its error, shape (n - 1,)."""
        least, greatest = _range_of_cubic(self.time, *self.sample[:2])
        return least - self.miss, greatest + self.miss

    def halved(self, samples: Samples, which: np.ndarray) -> "_Curve":
        """Add samples in the middle of the intervals `which`, a mask."""
        index = np.flatnonzero(which)
        middle = (self.time[index] + self.time[index + 1]) / 2
        added = samples(middle)
        miss, miss_of_log = _misses(
            self.time[index], self.sample[:, index], middle, added, self.time[index + 1], self.sample[:, index + 1]
        )

        def twice(values: np.ndarray, new: np.ndarray) -> np.ndarray:
            replaced = values.copy()
            replaced[index] = new
            return np.insert(replaced, index + 1, new)

        time, sample = np.insert(self.time, index + 1, middle), np.insert(self.sample, index + 1, added, axis=1)
        halvings = twice(self.halvings, self.halvings[index] + 1)
        return _Curve(time, sample, twice(self.miss, miss), twice(self.miss_of_log, miss_of_log), halvings).possible()

    def possible(self) -> "_Curve":
        """Remove times whose outcomes cannot occur."""
        bad = np.flatnonzero(~np.isfinite(self.sample).all(axis=0))
        if not len(bad):
            return self
        if len(bad) == len(self.time):
            raise ValueError("Argument `outcomes` cannot occur at any time from `start` to `stop`; choose others.")
        before = np.where(bad == np.arange(len(bad)), bad, bad - 1)  # the interval before, but for the first
        return _Curve(
            np.delete(self.time, bad),
            np.delete(self.sample, bad, axis=1),
            *[np.delete(x, before) for x in (self.miss, self.miss_of_log, self.halvings)],
        )


def _cubic(left, left_value, left_derivative, right, right_value, right_derivative, time):
    """Evaluate Hermite's cubic and its derivative at a time, from values and derivatives at two others."""
    width = right - left
    u = (time - left) / width
    rise = (right_value - left_value) / width
    bend, twist = left_derivative - rise, left_derivative + right_derivative - 2 * rise
    value = left_value + u * width * (rise + (1 - u) * (bend - u * twist))
    derivative = rise + (1 - 2 * u) * (bend - u * twist) - u * (1 - u) * twist
    return value, derivative


def _misses(left, left_sample, time, sample, right, right_sample) -> tuple[np.ndarray, np.ndarray]:
    """Compute the errors of the cubic for E and log p, and for their derivatives times a quarter of the interval."""
    found = []
    for row in (0, 2):
        with np.errstate(invalid="ignore"):
            value, derivative = _cubic(
                left, left_sample[row], left_sample[row + 1], right, right_sample[row], right_sample[row + 1], time
            )
            off = np.maximum(abs(sample[row] - value), (right - left) / 4 * abs(sample[row + 1] - derivative))
        found.append(np.where(np.isnan(off), 0.0, off))
    return found[0], found[1]


def _range_of_cubic(time, value, derivative) -> tuple[np.ndarray, np.ndarray]:
    """Find the least and greatest value of the cubic on each interval, at 33 points."""
    ends = [x[..., None] for x in (time[:-1], value[:-1], derivative[:-1], time[1:], value[1:], derivative[1:])]
    points = time[:-1, None] + np.diff(time)[:, None] * np.linspace(0, 1, 33)
    values = _cubic(ends[0], ends[1], ends[2], ends[3], ends[4], ends[5], points)[0]
    return values.min(axis=1), values.max(axis=1)


def _first_curve(samples: Samples, grid: np.ndarray, report: Callable[[float], None]) -> _Curve:
    """Sample the curve on an even grid with an odd number of points; every second point tests the cubic beside it."""
    found = samples(grid, report)
    left, here, right = slice(0, -2, 2), slice(1, -1, 2), slice(2, None, 2)
    miss, miss_of_log = _misses(grid[left], found[:, left], grid[here], found[:, here], grid[right], found[:, right])
    halvings = np.zeros(len(grid) - 1, int)
    return _Curve(grid, found, np.repeat(miss, 2), np.repeat(miss_of_log, 2), halvings).possible()


# ---------------------------------------------------------------------- extrema


@dataclasses.dataclass(frozen=True)
class _Found:
    """Hold extrema, each bracketed by two samples, with estimates of time and height; arrays of shape (n,)."""

    low: np.ndarray
    high: np.ndarray
    time: np.ndarray
    height: np.ndarray
    is_peak: np.ndarray

    def chosen(self, which: np.ndarray) -> "_Found":
        """Select the extrema of a mask."""
        return _Found(*[getattr(self, field.name)[which] for field in dataclasses.fields(self)])


def _brackets(curve: _Curve, ends: tuple[float, float]) -> _Found:
    """Find the sign changes of dE/dt in the interval, and those just beyond that may lie on an end."""
    rising = curve.sample[1] > 0
    index = np.flatnonzero(rising[:-1] != rising[1:])
    low, high, is_peak = curve.time[index], curve.time[index + 1], rising[index]
    least, greatest = (bound[index] for bound in _range_of_cubic(curve.time, *curve.sample[:2]))
    height = np.where(is_peak, greatest, least)
    # time at which the secant of dE/dt vanishes, which lies on an end if the extremum does
    before, after = abs(curve.sample[1, index]), abs(curve.sample[1, index + 1])
    time = low + (high - low) * before / np.maximum(before + after, 1e-300)
    near = (high - low) / 16
    inside = (time >= ends[0] - near) & (time <= ends[1] + near)
    return _Found(low, high, time, height, is_peak).chosen(inside)


def _resolved(samples: Samples, curve: _Curve, ends, min_prominence: float, report) -> tuple[_Curve, _Found]:
    """Halve intervals of the curve that may hide an extremum; return the curve and the prominent extrema."""
    for step in range(4 * _HALVINGS):
        unresolved = (curve.miss > min_prominence / 50) | (curve.miss_of_log > 0.5)
        unresolved &= curve.halvings < _HALVINGS
        if not unresolved.any():
            found = _brackets(curve, ends)
            found = found.chosen(_prominences(found, curve, ends, walls=True) >= 0.8 * min_prominence)
            unresolved = _rivals(curve, found, ends) & (curve.miss > _RESOLVED) & (curve.halvings < _HALVINGS)
            if not unresolved.any():
                return curve, found
        curve = curve.halved(samples, unresolved)
        report((step + 1) / (4 * _HALVINGS))
    return curve, found


def _rivals(curve: _Curve, found: _Found, ends) -> np.ndarray:
    """Mark intervals where E may exceed a peak (lie below a dip) between the extrema before and after it."""
    least, greatest = curve.bounds()
    edges = np.concatenate([[ends[0]], found.time, [ends[1]]])
    mask = np.full(len(least), False)
    for position, (height, is_peak) in enumerate(zip(found.height.tolist(), found.is_peak.tolist(), strict=True)):
        first = max(0, np.searchsorted(curve.time, edges[position], side="left") - 1)
        last = np.searchsorted(curve.time, edges[position + 2], side="right")
        here = slice(first, last)
        mask[here] |= greatest[here] > height if is_peak else least[here] < height
    return mask


def _prominences(found: _Found, curve: _Curve, ends, walls: bool = False) -> np.ndarray:
    """Compute the prominence of each extremum of the curve between two ends; on an end, over its one side.

    With walls beyond the ends, an extremum that is a saddle of another one is kept whatever its own prominence is.
    """
    if not len(found.time):
        return np.empty(0)
    values = [np.interp(end, curve.time, curve.sample[0]) for end in ends]
    heights = np.concatenate([values[:1], found.height, values[1:]])
    prominence = np.empty(len(found.time))
    for sign in (1, -1):
        which = np.flatnonzero(found.is_peak == (sign > 0))
        prominence[which] = _peak_prominences(_walled(sign * heights, [0, -1] if walls else []), which + 1)
    near = _ROUNDED + 1e-8 * (found.high - found.low)
    for beside, end in ((found.time <= ends[0] + near, 0), (found.time >= ends[1] - near, -1)):
        if beside[end]:  # a wall beyond this end, only for the extremum on it
            which = end % len(found.time)
            walled = _walled(heights if found.is_peak[which] else -heights, [end])
            prominence[which] = _peak_prominences(walled, np.array([which + 1]))[0]
    return prominence


def _walled(values: np.ndarray, where: list[int]) -> np.ndarray:
    walled = values.copy()
    walled[where] = values.min() - 1.0
    return walled


def _peak_prominences(values: np.ndarray, which: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings(action="ignore"):  # about extrema of prominence 0
        return scipy.signal.peak_prominences(values, which)[0]


def _polished(samples: Samples, found: _Found, distance: float, report: Callable[[float], None]) -> _Found:
    """Refine the times of extrema to `_FINEST`, and compute their heights.

    At a magic time dE/dt vanishes as δ³ log δ and is below its rounding nearby, so the sum of dE/dt at a distance to
    both sides is used instead.
    """
    if not len(found.time):
        report(1.0)
        return found

    def balance(times: np.ndarray) -> np.ndarray:
        gradients = samples(np.concatenate([times - distance, times + distance]))[1]
        return np.where(found.is_peak, -1, 1) * gradients.reshape(2, -1).sum(axis=0)

    time = _roots(balance, found.low - distance, found.high + distance, report)
    return dataclasses.replace(found, time=time, height=samples(time)[0])


def _roots(function: Callable, low: np.ndarray, high: np.ndarray, report: Callable[[float], None]) -> np.ndarray:
    """Find the root of an increasing function in each bracket, by the Illinois method with bisections."""
    below, above = function(low), function(high)
    side, steps = np.zeros(len(low)), 90
    for step in range(steps):
        report(step / steps)
        if (high - low).max() <= _FINEST:
            break
        with np.errstate(divide="ignore", invalid="ignore"):
            guess = low - below * (high - low) / (above - below)
        regular = np.isfinite(guess) & (step % 3 < 2) & (below < 0) & (above > 0)
        guess = np.where(regular, guess, (low + high) / 2)
        margin = np.minimum(_FINEST / 2, (high - low) / 2)  # after convergence from one side, move the other one
        guess = np.clip(guess, low + margin, high - margin)
        value = function(guess)
        left = value < 0
        above = np.where(left & (side > 0), above / 2, above)
        below = np.where(~left & (side < 0), below / 2, below)
        low, below = np.where(left, guess, low), np.where(left, value, below)
        high, above = np.where(left, high, guess), np.where(left, above, value)
        side = np.where(left, 1, -1)
    report(1.0)
    return (low + high) / 2
