"""The error of a window: a proven bound for three ensembles, an estimate for longer chains.

For M = 3 a window projects k_1 and k_3 and touches nothing else (the middle ensemble is summed exactly). Projecting
one end loses the share ε of the outcome's probability and leaves the other end's state smaller by a positive operator
of that trace, so the two normalized states differ by at most ε in trace distance, and the Fannes-Audenaert inequality
bounds the change of entropy by B(ε) = ε log2 N + h(ε), h the binary entropy. Projecting both ends, one after the other:

    |E_window - E| ≤ B(ε_1) + B(ε_2).

The shares are one-dimensional sums over d = k_1 - k_3, with the weights beyond the window summed as far as they
exceed 1e-36.

Reference: K. M. R. Audenaert, J. Phys. A 40, 8127 (2007).

>>> from jaxent import Chain
>>> float(entropy_error_bound(Chain(3, 100, window=6.0), 1.0)) < 5e-8
True
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxent import arguments, dicke, results
from jaxent.chain import Chain
from jaxent.conversion import positive
from jaxent.entanglement.continuity import entropy_change
from jaxent.numerics import rounding
from jaxent.protocol import matrix_product
from jaxent.protocol.dispatch import Problem
from jaxent.protocol.ends import end_to_end_entropy
from jaxent.protocol.sizes import LONGEST_DIRECT, bucket, convolve, in_default_precision
from jaxent.results import Account, Column
from jaxent.runtime import execution, memory
from jaxent.times import BondTimes, Time, batch_shape, turns

__all__ = [
    "EntropyWithErrors",
    "chain_for_tolerance",
    "entropy_error_bound",
    "entropy_error_estimate",
    "entropy_with_errors",
]

_BYTES_PER_STATE = 64  # that the sums of the weights hold at least
_AT_ONCE = 16  # times
_RATIO = 1.25  # between the numbers of states that programs are compiled for
_WIDER = 2.0  # standard deviations by which the estimate widens a window


def entropy_error_bound(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times"]:
    """Proven upper bound on |E_window - E| for a chain of three ensembles, in bits.

    Args:
        chain: the chain, M = 3; without a window the bound is 0.
        time: t, a float or a `PiFraction` of any shape.
        outcomes: q_2, an int; None: N.
        phase_offset: φ in radians.

    Returns:
        real array of the shape of `time`, at most log2(N + 1). It contains an allowance for rounding (about 1e-13),
        and so is never exactly 0 with a window.

    Raises:
        ValueError: for other M (use `entropy_error_estimate`), for `BondTimes`, and on any argument out of range.

    Example:
        >>> import jaxent
        >>> chain = jaxent.Chain(3, 1000, window=5.0)
        >>> print(f"{jaxent.entropy_error_bound(chain, 1.0):.1e} bits")
        2.6e-05 bits
    """
    arguments.check_chain(chain)
    if chain.n_ensembles != 3:
        raise ValueError(
            f"Argument `chain` must have n_ensembles = 3, but has {chain.n_ensembles}: "
            "the bound is proven for that case only; use entropy_error_estimate."
        )
    if isinstance(time, BondTimes):
        raise ValueError(
            "Argument `time` must be one time for both bonds, but is BondTimes: "
            "the bound is proven for that case only; use entropy_error_estimate."
        )
    arguments.check_precision(chain.n_atoms, time)
    time = arguments.checked_time(time, 3)
    offsets = arguments.checked_offsets(phase_offset, 3)
    values = arguments.checked_outcomes(outcomes, 3, chain.n_atoms)
    all_outcomes_n = outcomes is None or arguments.is_known(outcomes, chain.n_atoms)
    what = f"The error bound of n_atoms = {chain.n_atoms} with window = {chain.window}"
    instead = "use a smaller window, or fewer times at once"
    if chain.dimension == chain.n_atoms + 1:
        return jnp.zeros(batch_shape(time))
    memory.check_memory(_BYTES_PER_STATE * len(_states_summed(chain)[0]), what, instead)
    arrays = (all_outcomes_n, in_default_precision(_shares(chain)), time, values, offsets)
    return execution.call(_bounds, *arrays, what=what, instead=instead)


def entropy_error_estimate(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times"]:
    """Estimate of |E_window - E| from a window wider by two standard deviations, for any M. Not a bound.

    Arguments and errors as `end_to_end_entropy`; costs its two evaluations. Returns a real array of the shape of
    `time`.

    Example:
        >>> import jaxent
        >>> chain = jaxent.Chain(4, 100, window=3.0)
        >>> print(f"{jaxent.entropy_error_estimate(chain, 1.0):.1e} bits")
        1.3e-03 bits
    """
    arguments.check_chain(chain)
    if chain.window is None:
        return jnp.zeros_like(end_to_end_entropy(chain, time, outcomes, phase_offset))
    widened = chain.window + _WIDER
    fits = 2 * dicke.window_half_width(chain.n_atoms, widened) <= chain.n_atoms
    wide = dataclasses.replace(chain, window=widened if fits else None)
    difference = end_to_end_entropy(chain, time, outcomes, phase_offset) - end_to_end_entropy(
        wide, time, outcomes, phase_offset
    )
    return jnp.abs(difference)


class EntropyWithErrors(NamedTuple):
    """Hold an entropy and the parts of its error, in bits; arrays of the shape of the times.

    Attributes:
        entropy: E.
        window: the states beyond the window: a bound for M = 3 and where the band engine chose the window, an estimate
            for other M.
        band: bound on the entries beyond the band (0 for a dense matrix, as the next two).
        coarse_graining: estimate of what leaving out members of the residue classes changes.
        quadrature: bound on the error of the quadrature rule.
        log_probability: natural logarithm of the probability of the outcomes, computed with E.
    """

    entropy: jax.Array
    window: jax.Array
    band: jax.Array
    coarse_graining: jax.Array
    quadrature: jax.Array
    log_probability: jax.Array

    __repr__ = results.line
    _repr_html_ = results.table

    def _account(self) -> Account:
        columns = {
            "entropy": Column(self.entropy, "bit", "entanglement of the ends E", "E"),
            "total": Column(self.total, "bit", "error of E", results.ERROR),
            "window": Column(self.window, "bit", "error of the window"),
            "band": Column(self.band, "bit", "error of the band"),
            "coarse_graining": Column(self.coarse_graining, "bit", "error of coarse graining"),
            "quadrature": Column(self.quadrature, "bit", "error of the quadrature"),
            "log_probability": Column(self.log_probability, meaning="ln p of the outcomes", symbol="ln p"),
        }
        return Account("values" if np.ndim(self.entropy) else "", columns)

    @property
    def total(self) -> jax.Array:
        """The sum of all errors."""
        return self.window + self.band + self.coarse_graining + self.quadrature


def entropy_with_errors(
    chain: Chain,
    time: Time,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    tolerance: float = 1e-8,
) -> EntropyWithErrors:
    """`end_to_end_entropy` with each part of its error.

    Arguments and errors as `end_to_end_entropy`; all arguments must be known. Rounding, about 1e-12, is not included.

    Example:
        >>> import jaxent
        >>> found = jaxent.entropy_with_errors(jaxent.Chain(3, 10**6), 1.0)
        >>> print(f"{found.entropy:.6f} bits", bool(found.total < 1e-8))
        9.471680 bits True
    """
    arguments.check_chain(chain)
    found = Problem.of(chain, time, outcomes, phase_offset).entropies(None, tolerance)
    window = found.window_error
    if chain.window is not None:
        proven = chain.n_ensembles == 3 and not isinstance(time, BondTimes)
        rule = entropy_error_bound if proven else entropy_error_estimate
        window = rule(chain, time, outcomes, phase_offset)
    errors = (window, found.band_error, found.coarse_error, found.quadrature_error)
    return EntropyWithErrors(found.entropy, *errors, found.log_probability)


def chain_for_tolerance(
    n_atoms: int,
    time: Time,
    tolerance: float,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
) -> Chain:
    """Find the chain of three ensembles with the smallest window proven to keep the entropy within a tolerance.

    Args:
        n_atoms: N.
        time: t, a float or a `PiFraction` of any shape; known values.
        tolerance: largest error of the entropy in bits.
        outcomes: q_2, an int; None: N.
        phase_offset: φ in radians.

    Returns:
        Chain: with the window, or with the full basis where N is too small for a window.

    Raises:
        ValueError: when `tolerance` is not positive or below what is proven of the widest window (about 1e-13 for
            many atoms, 8e-8 at N = 30; more for outcomes that hardly occur), and as `entropy_error_bound`.

    Example:
        >>> import jaxent
        >>> print(jaxent.chain_for_tolerance(1000, 1.0, 1e-6).window)
        5.644665623400558
    """
    n_atoms, tolerance = Chain(3, n_atoms).n_atoms, positive("tolerance", tolerance)

    def at(half_width: int) -> Chain:
        # half a state is added so that ⌊c√N/2⌋ is the half-width in spite of rounding
        return Chain(3, n_atoms, window=(2 * half_width + 0.5) / math.sqrt(n_atoms))

    def bound(half_width: int) -> float:
        return float(jnp.max(entropy_error_bound(at(half_width), time, outcomes, phase_offset)))

    # the widest window tried leaves 1e-57 of the weight outside; beyond it only the full basis is better
    low, high = 0, min((n_atoms - 1) // 2, math.ceil(8 * math.sqrt(n_atoms)))
    if high < 1:
        return Chain(3, n_atoms)
    floor = bound(high)
    if floor > tolerance:
        raise ValueError(
            f"Argument `tolerance` must be at least {floor:.2g}, the least error that is proven of a window for "
            f"n_atoms = {n_atoms}, but is {tolerance:.6g}; the full basis, Chain(3, {n_atoms}), has no error."
        )
    while high - low > 1:  # insufficient at low, sufficient at high
        middle = (low + high) // 2
        low, high = (low, middle) if bound(middle) <= tolerance else (middle, high)
    return at(high)


class _Shares(NamedTuple):
    """Hold sums of weights over d = k - k' for three disjoint sets of pairs, shape (2L - 1,), padded with zeros.

    Attributes:
        n_atoms: N, a float.
        n_differences: number of differences before padding.
        kept: both states in the window.
        first: k outside (k' anywhere).
        second: k inside and k' outside.
        neglected: bound on the weight of all pairs that are not summed.
        noise: bound on the rounding error of each sum.
    """

    n_atoms: Any
    n_differences: Any
    kept: Any
    first: Any
    second: Any
    neglected: Any
    noise: Any


@functools.partial(jax.jit, static_argnums=0)
def _bounds(all_outcomes_n, shares, time, outcomes, offsets):
    return execution.over_batch(
        lambda one: _bound(all_outcomes_n, shares, one, outcomes, offsets), time, batch_shape(time), _AT_ONCE
    )


def _bound(all_outcomes_n, shares, time, outcomes, offsets):
    size = (len(shares.kept) + 1) // 2
    differences = np.arange(1 - size, size)
    half_angle = turns(differences, time, 1) + offsets[0] / (4 * jnp.pi)
    n_atoms = jnp.asarray(shares.n_atoms, half_angle.dtype)
    squares = matrix_product.overlap(shares.n_atoms, outcomes[0], half_angle, all_outcomes_n) ** 2
    squares = jnp.where(2 * np.abs(differences) < shares.n_differences, squares, 0.0)
    sums = (shares.kept, shares.first, shares.second)
    in_window, lost_first, lost_second = (jnp.sum(jnp.asarray(share, squares.dtype) * squares) for share in sums)
    spurious = shares.noise * jnp.sum(squares)
    lost_first, lost_second = (lost + shares.neglected + spurious for lost in (lost_first, lost_second))
    in_window = jnp.maximum(in_window - spurious, 0.0)
    roundings = 64 * rounding.epsilon(squares.dtype)
    after_first = in_window + lost_second
    total = after_first + lost_first
    possible = in_window > 0
    epsilon_first = jnp.where(possible, lost_first / jnp.where(possible, total, 1.0), 1.0) + roundings
    epsilon_second = jnp.where(possible, lost_second / jnp.where(possible, after_first, 1.0), 1.0) + roundings
    bound = sum(entropy_change(jnp, share, n_atoms) for share in (epsilon_first, epsilon_second))
    return jnp.minimum(bound, jnp.log2(n_atoms + 1))


@functools.lru_cache(maxsize=4)
def _shares(chain: Chain) -> _Shares:
    """Sum the weights; all N + 1 states where feasible, else so many that Hoeffding leaves less than 1e-36."""
    summed, neglected = _states_summed(chain)
    states = np.arange(summed.start, summed.stop)
    weights = np.exp(dicke.log_weights_host(chain.n_atoms, states))
    window = chain.states
    inside = np.where((states >= window[0]) & (states <= window[-1]), weights, 0.0)
    outside = weights - inside
    # transforms leave noise of this size in each weight, direct sums (of positive terms) none that matters
    noise = 64 * np.finfo(float).eps * float(np.sum(weights**2)) if len(states) > LONGEST_DIRECT else 0.0
    padding = bucket(len(states), _RATIO) - len(states)
    return _Shares(
        n_atoms=np.asarray(chain.n_atoms),
        n_differences=np.asarray(2 * len(states) - 1),
        kept=np.pad(convolve(inside, inside), padding),
        first=np.pad(convolve(outside, weights), padding),
        second=np.pad(convolve(inside, outside), padding),
        neglected=np.asarray(neglected),
        noise=np.asarray(noise),
    )


def _states_summed(chain: Chain) -> tuple[range, float]:
    """Choose the Dicke states whose weights are summed, and bound the weight of all others."""
    sigma = math.sqrt(chain.n_atoms) / 2
    reach = max((chain.window or 0.0) + 6.0, 13.0)
    half_width = math.ceil(reach * sigma)
    if 2 * half_width >= chain.n_atoms:
        return range(chain.n_atoms + 1), 0.0
    first, last = -(-chain.n_atoms // 2) - half_width, chain.n_atoms // 2 + half_width
    return range(first, last + 1), 4 * math.exp(-(reach**2) / 2)
