"""List magic times and compute their widths and robustness; `analysis.extrema` searches E(t) without the formula.

At t = 2πp/r in lowest terms the ends of the chain approach an r-dimensional maximally entangled state, E → log2 r, as
long as r ≪ √N: each such time is the bottom of a dip of E(t). Near it E(2πp/r + δ) = log2 r + E(δ), so all dips have
one shape, that of the first rise from t = 0, and E(δ) depends on N δ alone: a dip extends κ/N to each side, with a
constant κ that depends on the number of ensembles. E is not analytic there (x log x), so a width is the distance at
which E has changed by a given amount, not a curvature.

>>> found = magic_times(100, max_levels=4)
>>> [(str(t.numerator) + "π/" + str(t.denominator), int(r)) for t, r in zip(found.time, found.levels)]
[('1π/2', 4), ('2π/3', 3), ('1π/1', 2)]
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
import xarray as xr

from jaxent import arguments, results, units
from jaxent.chain import Chain
from jaxent.conversion import positive, whole_number
from jaxent.messages import shown
from jaxent.noise.log_negativity import end_to_end_log_negativity
from jaxent.protocol.ends import end_to_end_entropy
from jaxent.results import Account, Column, Marks
from jaxent.runtime import execution, threads
from jaxent.times import MAX_MAGIC_DENOMINATOR, PiFraction, pi_fraction, pi_fractions_up_to

__all__ = [
    "MagicTimes",
    "half_width",
    "magic_levels",
    "magic_times",
    "robustness_table",
]


class MagicTimes(NamedTuple):
    """Hold magic times in increasing order.

    Attributes:
        time: 2πp/r exactly, shape (n,).
        levels: r, integers of shape (n,).
        limit: log2 r, the entropy in bits for √N ≫ r.
    """

    time: PiFraction
    levels: np.ndarray
    limit: np.ndarray

    __repr__ = results.line
    _repr_html_ = results.table
    plot = results.plot
    to_xarray = results.to_xarray

    def _account(self) -> Account:
        columns = {
            "time": Column(self.time, "1/coupling", "interaction time t", "t"),
            "levels": Column(self.levels, meaning="levels r", symbol="r"),
            "limit": Column(self.limit, "bit", "entanglement E for √N ≫ r", "log₂ r"),
        }
        return Account("magic times", columns, [Marks("limit", "o", texts=[str(time) for time in self.time])])


def magic_times(n_atoms: int, max_levels: int | None = None) -> MagicTimes:
    """List all magic times 2πp/r in (0, π] with 2 ≤ r ≤ `max_levels`, in increasing order.

    Args:
        n_atoms: N.
        max_levels: largest r; None: √N, beyond which the dips overlap.

    Returns:
        MagicTimes.

    Raises:
        ValueError: when `n_atoms` is below 1, or `max_levels` below 2.

    Example:
        >>> import jaxent
        >>> print(jaxent.magic_times(100, max_levels=3).levels)
        [3 2]
    """
    n_atoms = whole_number("n_atoms", n_atoms, 1)
    largest = max(2, math.isqrt(n_atoms)) if max_levels is None else whole_number("max_levels", max_levels, 2)
    if largest > MAX_MAGIC_DENOMINATOR:
        given = (
            f"is left out, which stands for √n_atoms = {largest}" if max_levels is None else f"is {shown(max_levels)}"
        )
        raise ValueError(
            f"Argument `max_levels` must be at most {MAX_MAGIC_DENOMINATOR}, up to which there are 10^7 magic times, "
            f"but {given}."
        )
    time = pi_fractions_up_to(largest)
    levels = magic_levels(time)
    return MagicTimes(time, levels, np.log2(levels))


def magic_levels(time: PiFraction) -> np.ndarray:
    """Compute r of times t = 2πp/r, with p/r in lowest terms."""
    numerator, denominator = np.asarray(time.numerator), np.asarray(time.denominator)
    return np.where(numerator % 2 == 0, denominator, 2 * denominator)


@threads.with_one_lapack_thread
def half_width(chain: Chain, levels: int = 1, numerator: int = 1, change: float = 0.05) -> float:
    """Compute the half-width δ > 0 of a dip: the distance from 2πp/r at which E has changed by `change`.

    All outcomes are N and φ = 0. For every r ≪ √N the half-width is δ = κ/N; κ = 0.30, 1.18, 2.03, 2.85, … for
    M = 2, 3, 4, 5, … at a change of 0.05 bits and N = 50.

    Args:
        chain: the chain.
        levels: r; 1 is the first rise from t = 0.
        numerator: p, prime to r.
        change: |E(2πp/r ± δ) - E(2πp/r)| in bits.

    Returns:
        δ in units of 1/coupling, the smaller of both sides.

    Raises:
        ValueError: when 2πp/r is not in lowest terms, and where E does not change by so much within a distance of
            π/r, half the distance to the next time of the same r.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.half_width(jaxent.Chain(3, 20), levels=2):.4f}")
        0.0587
    """
    levels, numerator = arguments.levels_and_numerator(levels, numerator, 1)
    change = positive("change", change)
    exact = pi_fraction(2 * numerator, levels) if levels > 1 else pi_fraction(0)
    centre, bottom = float(np.asarray(exact.value)), float(end_to_end_entropy(chain, exact))

    def excess(distance: float) -> float:
        return abs(float(end_to_end_entropy(chain, centre + distance)) - bottom) - change

    return min(_first_crossing(lambda x, s=side: excess(s * x), chain, levels, change) for side in (1, -1))


def half_width_or_nan(chain: Chain, levels: int) -> float:
    """Compute the `half_width` of the dip at 2π/r for 0.05 bits; NaN where E changes by less."""
    try:
        return half_width(chain, levels)
    except ValueError:
        return math.nan


def _first_crossing(excess: Callable, chain: Chain, levels: int, change: float) -> float:
    inner, outer = 0.0, 0.02 / chain.n_atoms
    while excess(outer) < 0:
        inner, outer = outer, 1.3 * outer
        if outer > math.pi / levels:
            raise ValueError(
                f"Argument `change` = {change} bits is not reached around levels = {levels} with {chain}; give a "
                "smaller one."
            )
    found = scipy.optimize.root_scalar(excess, bracket=(inner, outer), method="brentq", xtol=1e-9 * outer)
    return float(found.root)


@threads.with_one_lapack_thread
def robustness_table(
    n_ensembles: Sequence[int],
    n_atoms: Sequence[int],
    dephasing_rates: Sequence[float],
    levels: Sequence[int],
    window: float | None = None,
    report: Callable[[float], None] = lambda share: None,
    tolerance: float | None = None,
) -> xr.Dataset:
    """Tabulate the log negativity at magic times t = 2π/r under dephasing, over chains, rates and r.

    Args:
        n_ensembles: values of M.
        n_atoms: values of N.
        dephasing_rates: values of γ ≥ 0, one rate for all ensembles.
        levels: values of r ≥ 2.
        window: c of all windows; None: the full basis. Beyond M = 3 the cost grows as D^6.
        report: called with the share of the work done after each chain.
        tolerance: largest error of the log negativity of three ensembles in bits, for any N (see
            `jaxent.log_negativity_with_errors`; `slope` at γ = 0 is then NaN for many atoms); None, and other M: dense
            matrices, right to rounding.

    Returns:
        dataset over (n_ensembles, n_atoms, levels, dephasing_rate): `log_negativity` in bits, `slope` dE_N/dγ (at γ = 0
        the one-sided derivative towards noise), `kept`, the share of the log negativity at γ = 0; and over
        (n_ensembles, n_atoms, levels) without noise `entropy`, `slope_in_atoms`, dE/dN by (E(N+1) - E(N-1))/2, and
        `half_width` of the dip for a change of 0.05 bits (NaN where E does not change by so much).

    Raises:
        ValueError: on an empty list, on any value out of range, and where the tolerance is not reached.

    Example:
        >>> import jaxent
        >>> table = jaxent.robustness_table([3], [4], [0.0, 0.01], [2])
        >>> print(dict(table.sizes))
        {'n_ensembles': 1, 'n_atoms': 1, 'levels': 1, 'dephasing_rate': 2}
    """
    if tolerance is not None:
        tolerance = positive("tolerance", tolerance)
    axes = {"n_ensembles": n_ensembles, "n_atoms": n_atoms, "dephasing_rates": dephasing_rates, "levels": levels}
    for name, values in axes.items():
        if isinstance(values, str) or not isinstance(values, Sequence | np.ndarray) or len(values) == 0:
            raise ValueError(f"Argument `{name}` must hold at least one value, in a list, but is {shown(values)}.")
    n_ensembles, n_atoms = ([whole_number(name, n, 1) for n in axes[name]] for name in ("n_ensembles", "n_atoms"))
    levels = [whole_number("levels", r, 2) for r in levels]
    rates = np.asarray(arguments.checked_rate("dephasing_rates", dephasing_rates), float)
    shape = (len(n_ensembles), len(n_atoms), len(levels))
    entropy, in_atoms, width = (np.full(shape, np.nan) for _ in range(3))
    noisy, gradients, clean = np.empty((*shape, len(rates))), np.empty((*shape, len(rates))), np.empty(shape)
    for done, (i, j) in enumerate(itertools.product(range(shape[0]), range(shape[1]))):
        m, n = n_ensembles[i], n_atoms[j]
        chain = Chain(m, n, window)
        times = pi_fraction(2, np.asarray(levels))
        entropy[i, j] = end_to_end_entropy(chain, times)
        above = end_to_end_entropy(Chain(m, n + 1, window), times)
        below = end_to_end_entropy(Chain(m, n - 1, window), times) if n > 1 else np.zeros(len(levels))
        in_atoms[i, j] = (above - below) / 2
        if tolerance is not None and m == 3:
            clean[i, j] = end_to_end_log_negativity(chain, times, 0.0, tolerance=tolerance)
            each = [[_noisy_within(chain, times[k], rate, tolerance) for rate in rates] for k in range(len(levels))]
            noisy[i, j], gradients[i, j] = np.moveaxis(np.array(each), -1, 0)
        else:
            clean[i, j] = end_to_end_log_negativity(chain, times, 0.0)
            noisy[i, j], gradients[i, j] = execution.call(
                _noisy,
                *(chain, jnp.asarray(times.value), jnp.asarray(rates)),
                what=f"The log negativity of {chain} and its slope",
                instead="use a smaller window, or a `tolerance` for three ensembles",
            )
        width[i, j] = [half_width_or_nan(chain, r) for r in levels]
        report((done + 1) / (shape[0] * shape[1]))
    where, everywhere = ("n_ensembles", "n_atoms", "levels"), ("n_ensembles", "n_atoms", "levels", "dephasing_rate")
    bits = {"units": "bit"}
    return xr.Dataset(
        {
            "log_negativity": (everywhere, noisy, bits | {"long_name": "logarithmic negativity"}),
            "kept": (everywhere, noisy / clean[..., None], {"long_name": "share of the log negativity at γ = 0"}),
            "slope": (everywhere, gradients, {"units": "bit/coupling", "long_name": "dE_N/dγ"}),
            "entropy": (where, entropy, bits | {"long_name": "end-to-end entanglement at γ = 0"}),
            "slope_in_atoms": (where, in_atoms, bits | {"long_name": "dE/dN"}),
            "half_width": (where, width, units.attributes("time", "half-width of the dip, 0.05 bits")),
        },
        coords={
            "n_ensembles": list(n_ensembles),
            "n_atoms": list(n_atoms),
            "levels": list(levels),
            "dephasing_rate": ("dephasing_rate", rates, units.attributes("dephasing_rate")),
        },
        attrs={"title": "Robustness of the magic times 2π/r", "window": "none" if window is None else window},
    )


@functools.partial(jax.jit, static_argnums=0)
def _noisy(chain: Chain, times: jax.Array, rates: jax.Array):
    """Compute the log negativity and its derivative in the rate, each of shape (times, rates)."""
    with_gradient = jax.value_and_grad(lambda rate, time: end_to_end_log_negativity(chain, time, rate))
    return jax.lax.map(lambda time: jax.lax.map(lambda rate: with_gradient(rate, time), rates), times)


def _noisy_within(chain: Chain, time: PiFraction, rate: float, tolerance: float) -> tuple[float, float]:
    """Compute the same for one time and rate within a tolerance."""

    def bits(rate):
        return end_to_end_log_negativity(chain, time, rate, tolerance=tolerance)

    try:
        value, slope = jax.value_and_grad(bits)(rate)
    except ValueError:
        if rate > 0:
            raise
        return float(bits(rate)), math.nan
    return float(value), float(slope)
