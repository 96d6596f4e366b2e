"""Draw measurement outcomes by the Born rule.

Sampling is exact and sequential, without the joint distribution:

- the ends are not measured and the interaction is diagonal, so k_1 and k_M may be drawn first and discarded;
- given all odd k, the even inner ensembles are independent and each q is binomial: N trials of cos²(α/2) (equation 23).
  Before any measurement the odd k are independent with weights w_k, so all even outcomes are drawn first, at any N;
- the odd inner ensembles follow from left to right. Given the even outcomes and everything to the left, the amplitude
  of k_j is a vector x; the ensembles to the right enter through diagonal weights r(k) = Σ_k' f²(k,k') w_k' r(k'),
  computed once from right to left. Drawing k_(j+2) leaves the pure state x_k f(k, k_(j+2)), and q is drawn from its
  x-basis probabilities.

>>> from jaxent import Chain
>>> outcomes = sample_outcomes(jax.random.key(0), Chain(5, 10), 1.0)
>>> outcomes.shape
(3,)
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from jaxent import arguments, dicke
from jaxent.chain import Chain
from jaxent.measurement import Measurement, blurred, records_of
from jaxent.numerics.algebra import complex_type, matmul, multiply
from jaxent.runtime import execution, memory
from jaxent.times import BondTimes, Time, turns, turns_of_products, unit

__all__ = ["check_matrices", "checked", "draw", "draw_records", "sample_outcomes", "within_memory"]

_DRAWN = 9.0  # standard deviations of the states that are drawn
_CHUNK_ENTRIES = 2**24  # entries of ⟨q|k⟩ held at once


def sample_outcomes(
    key: jax.Array,
    chain: Chain,
    time: Time,
    phase_offset: arguments.Offsets = 0.0,
    *,
    measurement: Measurement | None = None,
) -> Num[Array, " inner"]:
    """Draw the outcomes of all inner ensembles by the Born rule, equation (25).

    The draw is exact for the windowed chain at any M; M = 3 costs O(√N) once and O(1) per draw, longer chains
    O(M D² + M N D).

    Args:
        key: a JAX PRNG key. Use `jax.vmap` over `jax.random.split(key, n)` for n draws.
        chain: the chain.
        time: one time, a float, a `PiFraction` or `BondTimes`.
        phase_offset: φ in radians, a scalar or (M-2,) values.
        measurement: how the inner ensembles are measured; None: perfectly.

    Returns:
        array of shape (M-2,): q_2…q_(M-1), integers; with an imperfect measurement the records, floats.

    Raises:
        ValueError: on any argument out of range.

    Example:
        >>> import jax
        >>> import jaxent
        >>> found = jaxent.sample_outcomes(jax.random.key(1), jaxent.Chain(4, 8), 1.0)
        >>> print(found.shape)
        (2,)
    """
    arguments.check_key(key)
    arguments.check_chain(chain)
    if chain.n_ensembles > 3:
        check_matrices(chain)
    time, offsets = checked(chain, time, phase_offset)
    records = records_of(measurement, None, chain.n_ensembles, chain.n_atoms)
    if records is None:
        return within_memory(chain, draw, chain, key, time, offsets)
    if isinstance(time, BondTimes):
        raise ValueError("Argument `time` must be one time for all bonds with a measurement, but is BondTimes.")
    if records.counted:
        raise ValueError("Argument `measurement` must have lost = None where outcomes are drawn: the draw decides.")
    arguments.refuse_negative("time", time)
    return within_memory(chain, draw_records, chain, key, time, offsets, records)


# -------------------------------------------------------------------- checks


def checked(chain: Chain, time: Time, phase_offset: arguments.Offsets):
    """Check one time and the offsets of the inner ensembles, and return them as arrays."""
    arguments.check_chain(chain)
    arguments.check_precision(chain.n_atoms, time)
    return (
        arguments.checked_time(time, chain.n_ensembles, single=True),
        arguments.checked_offsets(phase_offset, chain.n_ensembles),
    )


def check_matrices(chain: Chain) -> None:
    """Refuse a chain whose end-to-end matrix does not fit in memory even once."""
    arguments.check_chain(chain)
    memory.check_memory(8 * chain.dimension**2, _matrices(chain), "use a smaller window")


def within_memory(chain: Chain, program: Callable, *args: Any) -> Any:
    """Call a program that works on end-to-end matrices of a chain, if it fits in memory."""
    return execution.call(program, *args, what=_matrices(chain), instead="use a smaller window")


def _matrices(chain: Chain) -> str:
    return f"Matrices of n_atoms = {chain.n_atoms} with window = {chain.window} ({chain.dimension} states per end)"


# ------------------------------------------------------------------- sampling


@functools.partial(jax.jit, static_argnums=0)
def draw_records(chain, key, time, offsets, records):
    """Draw records of an imperfect measurement, with checked arguments: outcomes, and what is read of them."""
    key_outcomes, key_records = jax.random.split(key)
    outcomes = draw(chain, key_outcomes, time, offsets)
    return blurred(chain.n_atoms, records, time, key_records, outcomes)


@functools.partial(jax.jit, static_argnums=0)
def draw(chain, key, time, offsets):
    """Draw the outcomes of `sample_outcomes`, with checked arguments."""
    n_ensembles, n_atoms = chain.n_ensembles, chain.n_atoms
    integer = jnp.result_type(int)
    n_even, n_odd = (n_ensembles - 1) // 2, (n_ensembles - 2) // 2  # inner ensembles
    if n_odd == 0:
        chain = _without_unlikely_states(chain)
    if n_even == 0:
        return jnp.zeros((0,), integer)
    weights = jnp.exp(dicke.log_weights(n_atoms, chain.window))
    key_states, key_even, key_odd = jax.random.split(key, 3)

    # α/2 in turns of even ensemble i is left[i][k] - right[i][k'] + offset[i], k and k' its neighbours' Dicke states
    left = _half_turns(chain, time, 0, n_even)
    right = _half_turns(chain, time, 1, n_even)
    offset = offsets[0::2] / (4 * jnp.pi)
    # on the host, because XLA would take minutes to fold this constant
    known = np.cumsum(np.exp(dicke.log_weights_host(n_atoms, chain.states)))
    drawn = _drawn(key_states, jnp.asarray(known, weights.dtype), (n_even + 1,))
    each = jnp.arange(n_even)
    half_angle = left[each, drawn[:-1]] - right[each, drawn[1:]] + offset
    p = dicke.cos_power(2, half_angle)
    even = jax.random.binomial(key_even, n_atoms, p, dtype=p.dtype).astype(integer)
    if n_odd == 0:
        return even
    odd = _sample_odd(chain, key_odd, time, offsets, even, (left, right, offset), weights)
    pairs = jnp.stack([even, jnp.pad(odd.astype(integer), (0, n_even - n_odd))], axis=1)
    return pairs.reshape(-1)[: n_ensembles - 2]


def _without_unlikely_states(chain: Chain) -> Chain:
    """Narrow the window to states that can be drawn: those outside have 1e-18 of the weight, below float64 digits."""
    widest = chain.n_atoms + 1 if chain.window is None else chain.window
    fits = 2 * dicke.window_half_width(chain.n_atoms, _DRAWN) <= chain.n_atoms
    return dataclasses.replace(chain, window=_DRAWN) if fits and widest > _DRAWN else chain


def _sample_odd(chain, key, time, offsets, even, angles, weights):
    """Draw the outcomes of the odd inner ensembles, given those of the even ones."""
    n_even, n_odd = len(even), (chain.n_ensembles - 2) // 2
    root = jnp.sqrt(weights)
    left, right, offset = angles

    def factor(i):
        """Compute f_q of even ensemble i for all pairs of Dicke states of its neighbours."""
        return dicke.x_overlap(chain.n_atoms, even[i], left[i][:, None] - right[i][None, :] + offset[i])

    def leftwards(beyond, i):
        here = jnp.matmul(factor(i) ** 2, weights * beyond, precision="highest")
        return here / jnp.max(here), beyond

    ones = jnp.ones_like(weights)
    at_first_end, beyond = jax.lax.scan(leftwards, ones, jnp.arange(n_even), reverse=True)
    beyond = jnp.concatenate([beyond[1:], ones[None]])[:n_odd]  # r of the odd ensemble after next

    ends_even = chain.n_ensembles % 2 == 0  # then the last ensemble is the right neighbour of the last odd one
    doubled = 2 * chain.states - chain.n_atoms
    last_bond = turns_of_products(doubled, doubled, arguments.bond_time(time, chain.n_ensembles - 2), 2)
    keys = jax.random.split(key, n_odd + 1)

    def rightwards(vector, step):
        i, step_key, beyond_here = step
        key_neighbour, key_outcome = jax.random.split(step_key)
        alone = ends_even & (i == n_odd - 1)
        kernel = jnp.where(alone, 1.0, factor(jnp.minimum(i + 1, n_even - 1)))
        vector = vector * unit(_odd_phase(chain, time, offsets, i))
        marginal = weights * beyond_here * jnp.matmul(jnp.abs(vector) ** 2, kernel**2, precision="highest")
        neighbour = _draw(key_neighbour, marginal, ())
        pure = multiply(vector, kernel[:, neighbour]) * jnp.where(alone, unit(last_bond[:, neighbour]), 1.0)
        outcome = _draw(key_outcome, jnp.abs(_x_amplitudes(chain, pure)) ** 2, ())
        measured = multiply(vector, dicke.x_basis(chain.n_atoms, outcome, chain.window))
        vector = multiply(matmul(measured, kernel), root)
        return vector / jnp.max(jnp.abs(vector)).astype(vector.dtype), outcome

    first = _draw(keys[0], weights * at_first_end, ())
    start = (factor(0)[first] * root).astype(complex_type(root.dtype))
    _, outcomes = jax.lax.scan(rightwards, start, (jnp.arange(n_odd), keys[1:], beyond))
    return outcomes


def _half_turns(chain, time, first_bond, count):
    """Compute k t/2 in turns for the bonds before (0) or after (1) each even inner ensemble, shape (count, D)."""
    if isinstance(time, BondTimes):
        bonds = jax.tree.map(lambda x: x[first_bond::2][:count], time.times)
        return jax.vmap(lambda t: turns(chain.states, t, 1))(bonds)
    return jnp.broadcast_to(turns(chain.states, time, 1), (count, chain.dimension))


def _odd_phase(chain, time, offsets, i):
    """Compute the phases m φ_j + N m (t_j - t_(j-1))/2 of odd inner ensemble j = 3 + 2i, in turns."""
    doubled = 2 * chain.states - chain.n_atoms
    phase = jnp.asarray(doubled, offsets.dtype) * (offsets[1::2][i] / (4 * jnp.pi))
    if isinstance(time, BondTimes):
        before = jax.tree.map(lambda x: x[1::2][i], time.times)
        after = jax.tree.map(lambda x: x[2::2][i], time.times)
        multiples = chain.n_atoms * doubled
        phase = phase + turns(multiples, after, 2) - turns(multiples, before, 2)
    return phase


def _x_amplitudes(chain, vector):
    """Compute ⟨q|ψ⟩ for all q, some rows of ⟨q|k⟩ at a time."""

    def one(q):
        row = dicke.x_basis(chain.n_atoms, q, chain.window)
        return jnp.sum(multiply(row, vector))

    return jax.lax.map(one, jnp.arange(chain.n_atoms + 1), batch_size=max(1, _CHUNK_ENTRIES // chain.dimension))


def _draw(key, weights, shape):
    """Draw indices with probability proportional to `weights`."""
    return _drawn(key, jnp.cumsum(weights), shape)


def _drawn(key, cumulative, shape):
    """Draw indices from the cumulative sums of the weights."""
    position = jax.random.uniform(key, shape, cumulative.dtype) * cumulative[-1]
    return jnp.minimum(jnp.searchsorted(cumulative, position, side="right"), len(cumulative) - 1)
