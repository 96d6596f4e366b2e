"""Decode the measurement outcomes at a magic time, which makes the protocol deterministic.

At t = 2πp/L, with the offset φ = π/(2L) on every measured ensemble, the outcomes q gather around L distinct values:
N cos²(π(pm + 1/4)/L) on even ensembles, where m = k_(j-1) - k_(j+1) mod L, and N cos²(π(n - 1/4)/L) on odd ones.
Decoding chooses the nearest one. With m̄ and n̄ the sums (mod L) over the even and the odd measured ensembles, the state
of the ends is, for N ≫ L²,

    L^(-1/2) Σ_m e^(2πi m n̄/L) |C_m⟩ ⊗ |C_(m-m̄)⟩                                          for odd M,
    L^(-1/2) Σ_m e^(2πi m n̄/L) |C_m⟩ ⊗ |coherent state on the equator at angle 2πp(m-m̄)/L⟩  for even M,

where |C_m⟩ is the normalized part of the initial state on k ≡ m (mod L). For any outcomes it is a known state of log2 L
ebits.

Reference: A. N. Pyrkov, I. D. Lazarev, T. Byrnes, Adv. Quantum Technol. 8, 2400524 (2025).

>>> from jaxent import Chain
>>> decode_outcomes(Chain(3, 100), 93, levels=3).tolist()
[0]
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from jaxent import arguments, dicke
from jaxent.chain import Chain
from jaxent.measurement import Measurement, log_likelihood, records_of
from jaxent.numerics.algebra import multiply
from jaxent.protocol import dense
from jaxent.protocol.dispatch import Problem
from jaxent.runtime import execution, memory
from jaxent.times import Time, pi_fraction, unit

__all__ = ["decode_outcomes", "decoded_fidelity", "decoded_target", "fidelity_of", "settings"]


def decode_outcomes(
    chain: Chain,
    outcomes: arguments.Outcomes,
    levels: int,
    numerator: int = 1,
    *,
    measurement: Measurement | None = None,
) -> Int[Array, " inner"]:
    """Find the peak nearest to each outcome: m for even ensembles, n for odd ones.

    With an imperfect measurement it is the peak at which the record is most likely: blurred counts are wider, and
    single-atom noise pulls the peaks together.

    Args:
        chain: the chain.
        outcomes: q_2…q_(M-1), an int or (M-2,) ints; may be traced.
        levels: L ≥ 2 of the magic time 2πp/L.
        numerator: p, with gcd(p, L) = 1.
        measurement: how the inner ensembles were measured, for the time 2πp/L; None: perfectly. Outcomes are then real
            records where the resolution is not 0.

    Returns:
        integer array of shape (M-2,), values in 0…L-1.

    Raises:
        ValueError: when `levels` and `numerator` are not a magic time, and on outcomes out of range.

    Example:
        >>> import jaxent
        >>> print(jaxent.decode_outcomes(jaxent.Chain(3, 8), 5, 2))
        [0]
    """
    arguments.check_chain(chain)
    _check_levels(levels, numerator)
    records = records_of(measurement, outcomes, chain.n_ensembles, chain.n_atoms)
    counts = arguments.checked_outcomes(outcomes, chain.n_ensembles, chain.n_atoms) if records is None else None
    inner = chain.n_ensembles - 2
    memory.check_memory(levels * (24 + 18 * inner), f"The peaks of {levels} levels", "use fewer levels")
    index = np.arange(levels)
    even, odd = (numerator * index + 0.25) / levels, (index - 0.25) / levels  # α/2 in half turns
    is_even = np.arange(inner) % 2 == 0
    half_angles = np.where(is_even[:, None], even, odd)
    if records is not None or counts is None:
        time = pi_fraction(2 * numerator, levels)
        likely = jax.vmap(lambda record, angles: log_likelihood(chain.n_atoms, record, time, angles / 2))
        return jnp.argmax(likely(records, jnp.asarray(half_angles)), axis=1)
    peaks = jnp.asarray(chain.n_atoms * np.cos(np.pi * half_angles) ** 2)
    return jnp.argmin(jnp.abs(counts.astype(peaks.dtype)[:, None] - peaks), axis=1)


def decoded_target(
    chain: Chain, outcomes: arguments.Outcomes, levels: int, numerator: int = 1
) -> Complex[Array, "D D"]:
    """Compute the target state of the ends for the decoded outcomes, as in the module docstring.

    Arguments and errors as `decode_outcomes`.

    Returns:
        complex array of shape (D, D), amplitudes over (k_1, k_M), normalized.

    Example:
        >>> import jaxent
        >>> print(jaxent.decoded_target(jaxent.Chain(3, 8), 8, 2).shape)
        (9, 9)
    """
    decoded = decode_outcomes(chain, outcomes, levels, numerator)
    _refuse_large_matrix(chain)
    return _within_memory(chain, _target, chain, levels, numerator, decoded)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _target(chain, levels, numerator, decoded):
    even_sum = jnp.sum(decoded[0::2]) % levels
    odd_sum = jnp.sum(decoded[1::2]) % levels
    root = jnp.exp(dicke.log_weights(chain.n_atoms, chain.window) / 2)
    level = np.arange(levels)
    combs = jnp.where(chain.states % levels == level[:, None], root[None, :], 0.0)
    norms = jnp.linalg.norm(combs, axis=1, keepdims=True)
    combs = combs / jnp.where(norms > 0, norms, 1.0)
    first = multiply(unit(jnp.asarray(level) * odd_sum % levels / levels)[:, None], combs)
    if chain.n_ensembles % 2:
        last = combs[(level - even_sum) % levels]
    else:
        angle = (level[:, None] - even_sum) * jnp.asarray(numerator * (chain.states % levels))[None, :] % levels
        last = multiply(root[None, :], unit(jnp.asarray(angle / levels)))
    target = jnp.einsum("ma,mb->ab", first, last.astype(first.dtype), precision="highest")
    return target / jnp.linalg.norm(target).astype(target.dtype)


def decoded_fidelity(
    chain: Chain,
    outcomes: arguments.Outcomes,
    levels: int,
    numerator: int = 1,
    time: Time | None = None,
    phase_offset: arguments.Offsets | None = None,
) -> Float[Array, ""]:
    """Compute the fidelity |⟨target|ψ⟩|² of the end state with its decoded target.

    Args:
        chain: the chain.
        outcomes: as `decode_outcomes`.
        levels: as `decode_outcomes`.
        numerator: as `decode_outcomes`.
        time: interaction time of the state; None: t = 2πp/L.
        phase_offset: offset of the state in radians; None: φ = π/(2L).

    Returns:
        scalar in [0, 1]; 0 for outcomes that cannot occur. Differentiable in `time` and `phase_offset`.

    Raises:
        ValueError: as `decode_outcomes`.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.decoded_fidelity(jaxent.Chain(3, 40), 40, 2):.4f}")
        1.0000
    """
    arguments.check_chain(chain)
    arguments.check_chain(chain)
    time, phase_offset = settings(chain, levels, numerator, time, phase_offset)
    problem = Problem.of(chain, time, outcomes, phase_offset)
    arguments.checked_time(time, chain.n_ensembles, single=True)
    _refuse_large_matrix(chain)
    known = chain, levels, numerator, problem.outcomes, problem.time, problem.offsets

    def of_matrix(matrix):
        target = decoded_target(chain, problem.outcomes, levels, numerator)
        return _overlap(target, dense.with_phases(chain, problem.time, problem.outcomes, problem.offsets, matrix))

    value, log_probability = problem.settled(*dense.guarded(*_within_memory(chain, _fidelity, *known)), of_matrix)
    return jnp.where(log_probability == -jnp.inf, 0.0, value)


def settings(
    chain: Chain, levels: int, numerator: int, time: Time | None, phase_offset: arguments.Offsets | None
) -> tuple[Time, arguments.Offsets]:
    """Fill in the time and the offset for which decoding is designed, 2πp/L and π/(2L), where they are None."""
    _check_levels(levels, numerator)
    if phase_offset is None:
        phase_offset = math.pi / (2 * levels) if chain.n_ensembles > 2 else 0.0  # for M = 2 nothing is measured
    return pi_fraction(2 * numerator, levels) if time is None else time, phase_offset


def fidelity_of(chain, levels, numerator, outcomes, time, offsets):
    """Compute `decoded_fidelity` of checked arguments, log p, and the relative rounding error of the amplitudes."""
    target = decoded_target(chain, outcomes, levels, numerator)
    state, *others = dense.normalized_amplitudes(chain, time, outcomes, offsets, False, False)
    return _overlap(target, state), *others


def _overlap(target, state):
    return jnp.abs(jnp.sum(target.conj() * state)) ** 2


_fidelity = jax.jit(fidelity_of, static_argnums=(0, 1, 2))


def _refuse_large_matrix(chain: Chain) -> None:
    memory.check_memory(16 * chain.dimension**2, _matrix(chain), "use a smaller window")


def _within_memory(chain: Chain, program: Callable, *args: Any) -> Any:
    return execution.call(program, *args, what=_matrix(chain), instead="use a smaller window")


def _matrix(chain: Chain) -> str:
    return f"The end-to-end matrix of n_atoms = {chain.n_atoms} with window = {chain.window}"


def _check_levels(levels: int, numerator: int) -> None:
    arguments.levels_and_numerator(levels, numerator, 2)
