"""Compute the probability of an outcome of three ensembles under dephasing, as one sum over coherences.

The ends are traced out, so their own dephasing has no effect. For the measured ensemble, a coherence between k and
k + h is damped by e^(-2γ_2 t h²), and the ends turn its phase by h (k_1 - k_3) t:

    p = Σ_h C_h e^(-2(γ_2 + Γ)t h²) cos(hφ) |Σ_k w_k e^(ihkt)|²,

Γ the rate of a noise that all ensembles share (it acts on the measured one as additional γ_2). C_h are the Fourier
coefficients of f_q(α)², which up to a factor is f_2q of an ensemble of 2N atoms, so with its weights W

    C_h = (-1)^(N-q) w_q ⟨2q|N+h⟩ √(W_(N+h) / W_2q),

a row of the x basis. In the full basis the sum over k is cos^N(ht/2), up to a phase: O(N) in all; else O(√N D).

The terms cancel where the outcome is improbable, so the rounding errors of all terms are summed as well. If too many
digits are lost and N is small, the sum runs over pairs of Dicke states instead: O(N² D), but as a sum of squares p
cancels less.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.bloch import kernel
from jaxent.measurement import Records
from jaxent.noise import measured_ensemble
from jaxent.numerics import rounding
from jaxent.numerics.algebra import log_magnitude
from jaxent.numerics.binomials import log_binomial
from jaxent.protocol import dense, matrix_product, sizes
from jaxent.times import cos_sin_turns, turns, turns_of_products

__all__ = [
    "RecordWithNodes",
    "host_bytes",
    "log_probability",
    "log_probability_over_hops",
    "over_hops",
    "over_pairs",
    "pairs_are_few",
    "with_nodes",
]

_ROUNDINGS = 4  # error of one or two elementary operations, in units of the last digit
_MOST_PRODUCTS = 2**31  # products in the sum over pairs: half a second, 100 MB


class _Factor(NamedTuple):
    """Hold factors of the terms for h = 0, 1, …, and their rounding errors."""

    value: jax.Array
    error: jax.Array


def log_probability(static, time, strengths, shared, outcomes, offsets):
    """Compute log p of one outcome, NaN where its digits are lost; arguments as in `noise.density_matrix`."""
    if isinstance(outcomes, Records):
        log_p, lost = over_pairs(*_arguments(static, time, strengths, shared, outcomes, offsets))
        return _guarded(log_p, lost, time, strengths, shared, offsets)
    if isinstance(outcomes, RecordWithNodes):
        log_p, lost = _over_hops_of_record(static, time, strengths, shared, outcomes, offsets)
        return _guarded(log_p, lost, time, strengths, shared, offsets)
    arguments = _arguments(static, time, strengths, shared, outcomes, offsets)
    if not static.chain.is_uniform:
        log_p, lost = over_pairs(*arguments)
        return _guarded(log_p, lost, time, strengths, shared, offsets)
    log_p, lost = over_hops(*arguments)
    if pairs_are_few(static.chain):
        enough = lost < dense.most_lost(lost.dtype)
        log_p, lost = jax.lax.cond(enough, lambda: (log_p, lost), lambda: over_pairs(*arguments))
    return _guarded(log_p, lost, time, strengths, shared, offsets)


class RecordWithNodes(NamedTuple):
    """Hold the records of many atoms, and the points of the sum that gives the coefficients of their kernel."""

    records: Records
    nodes: kernel.Nodes

    def possible(self, n_atoms: int) -> jax.Array:
        """Tell whether the records are in their range."""
        return self.records.possible(n_atoms)


def with_nodes(chain, records: Records, time) -> RecordWithNodes:
    """Choose the points for known records and one time."""
    return RecordWithNodes(records, kernel.nodes(chain.n_atoms, records[0], _n_hops(chain.n_atoms), time))


def _over_hops_of_record(static, time, strengths, shared, read: RecordWithNodes, offsets):
    """Compute `over_hops` of an imperfect measurement; C_h are the coefficients of its kernel, at equal angles."""
    chain, record = static.chain, read.records[0]
    count = _n_hops(chain.n_atoms)
    hops, none = np.arange(count), np.zeros(1, int)
    table = kernel.coefficients(chain.n_atoms, record, read.nodes, none, 1, time, count)[0].real
    # powers of N atoms magnify the roundings of their bases, which differ from point to point
    error = rounding.epsilon(table.dtype) * (_ROUNDINGS + chain.n_atoms / 8) * table[0]
    factors = [_decay(hops, strengths[1] + shared), _turned(hops, offsets[0]), _ends(chain, time, hops)]
    return _sum_of_terms(_Factor(table, jnp.broadcast_to(error, table.shape)), factors)


def log_probability_over_hops(static, time, strengths, shared, outcomes, offsets):
    """Compute `log_probability` by the sum over h alone, in less memory; NaN also where only pairs keep digits."""
    log_p, lost = over_hops(*_arguments(static, time, strengths, shared, outcomes, offsets))
    return _guarded(log_p, lost, time, strengths, shared, offsets)


def pairs_are_few(chain) -> bool:
    """Check whether the sum over pairs takes less than about half a second."""
    return 2 * measured_ensemble.n_summed_states(chain.n_atoms) ** 2 * chain.dimension < _MOST_PRODUCTS


def _arguments(static, time, strengths, shared, outcomes, offsets):
    return static.chain, time, strengths[1] + shared, outcomes[0], offsets[0], static.all_outcomes_n


def _guarded(log_p, lost, *parameters):
    log_p = dense.without_slope_at_zero(log_p, log_p, *parameters)
    return dense.guarded(log_p, log_p, lost)[1]


def over_pairs(chain, time, strength, outcome, offset, all_outcomes_n):
    """Compute `over_hops` by the sum over pairs k, k' of the measured ensemble, for each difference of the ends."""
    differences, weights = sizes.pair_weights(chain)
    weights = jnp.asarray(weights, offset.dtype)
    n_atoms = chain.ensemble(2).n_atoms
    values = measured_ensemble.even_diagonal(n_atoms, differences, time, strength, outcome, offset, all_outcomes_n)
    total = jnp.sum(weights * values)
    known = jax.lax.stop_gradient((time, strength, outcome, offset))
    wrong = measured_ensemble.even_diagonal(n_atoms, differences, *known, all_outcomes_n, wrong=True)
    return _log_and_lost(total, jnp.sum(weights * jnp.abs(values - wrong)))


def over_hops(chain, time, strength, outcome, offset, all_outcomes_n):
    """Compute log p by the sum over h, even where its digits are lost, and the relative rounding error of p.

    Args:
        chain: of three ensembles.
        time: one time for both bonds.
        strength: γ_2 t + Γ t, scalar.
        outcome: q, integer scalar.
        offset: φ in radians, scalar.
        all_outcomes_n: whether q is known to be N.
    """
    hops, log_roots = _hops(chain.n_atoms)
    factors = [
        _coefficients(chain.n_atoms, log_roots, outcome, all_outcomes_n, offset.dtype),
        _decay(hops, strength),
        _turned(hops, offset),
        _ends(chain, time, hops),
    ]
    both = jnp.asarray(np.where(hops > 0, 2.0, 1.0), offset.dtype)  # h and -h
    return _sum_of_terms(_Factor(both, jnp.zeros_like(both)), factors)


def _sum_of_terms(first: _Factor, others: list[_Factor]):
    """Return the logarithm of a sum of products, and its relative rounding error."""
    terms, sizes, largest = first.value, jnp.abs(first.value), jnp.abs(first.value) + first.error
    for value, error in others:
        terms = terms * value
        sizes, largest = sizes * jnp.abs(value), largest * (jnp.abs(value) + error)
    error = jnp.sum(largest - sizes) + rounding.epsilon(terms.dtype) * jnp.sum(sizes)
    return _log_and_lost(jnp.sum(terms), error)


def _log_and_lost(total, error):
    """Return the logarithm of a sum, and the error divided by the sum."""
    positive = total > 0
    safe = jnp.where(positive, total, 1.0)
    lost = jnp.where(positive, error / safe, jnp.where(error > 0, 1.0, 0.0))
    return jnp.where(positive, jnp.log(safe), -jnp.inf), jax.lax.stop_gradient(lost)


def host_bytes(chain) -> int:
    """Estimate the host memory, in bytes, of the tables over h during compilation (measured)."""
    return 250 * _n_hops(chain.n_atoms)


def _n_hops(n_atoms: int) -> int:
    return min(dicke.window_half_width(2 * n_atoms, measured_ensemble.REACH), n_atoms) + 1


@functools.lru_cache(maxsize=8)
def _hops(n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """List the h that are summed, and log √W_(N+h) for 2N atoms."""
    hops = np.arange(_n_hops(n_atoms))
    return hops, dicke.log_weights_host(2 * n_atoms, n_atoms + hops) / 2


def _coefficients(n_atoms, log_roots, outcome, all_outcomes_n, dtype) -> _Factor:
    """Compute C_h of f_q(α)² = Σ_h C_h e^(ihα)."""
    if all_outcomes_n:  # f_N² = cos^2N(α/2), with the weights of 2N atoms
        log_size, row, row_error = 2 * jnp.asarray(log_roots, dtype), jnp.ones((), dtype), 0.0
    else:
        whole = len(log_roots) == n_atoms + 1
        row = dicke.x_basis(2 * n_atoms, 2 * outcome, None if whole else measured_ensemble.REACH)
        row_error = jnp.abs(matrix_product.row_error(2 * n_atoms, row))[row.shape[0] // 2 :]
        row = jnp.where((n_atoms - outcome) % 2 == 1, -row, row)[row.shape[0] // 2 :]  # from the middle, h = 0, on
        log_ratio = _log_weight(n_atoms, outcome, dtype) - _log_weight(2 * n_atoms, 2 * outcome, dtype) / 2
        log_size = jnp.asarray(log_roots, dtype) + log_ratio
    size = jnp.exp(log_size)
    error = row_error + jnp.abs(row) * rounding.epsilon(dtype) * (_ROUNDINGS + jnp.abs(log_size))
    return _Factor(row * size, error * size)


def _log_weight(n_atoms, outcome, dtype):
    """Compute log w_q of an outcome that may be traced."""
    q = outcome.astype(dtype)
    return log_binomial(jnp, n_atoms, q, 0.5, 0.5, q - n_atoms / 2)


def _decay(hops, strength) -> _Factor:
    exponent = 2 * strength * jnp.asarray(hops, strength.dtype) ** 2
    value = jnp.exp(-exponent)
    return _Factor(value, rounding.epsilon(value.dtype) * (_ROUNDINGS + _ROUNDINGS * exponent) * value)


def _turned(hops, offset) -> _Factor:
    value = cos_sin_turns(turns(hops, offset))[0]
    return _Factor(value, jnp.full_like(value, 2 * jnp.pi * _ROUNDINGS * rounding.epsilon(value.dtype)))


def _ends(chain, time, hops) -> _Factor:
    """Compute |Σ_k w_k e^(ihkt)|² for each h, k in the window."""
    if chain.dimension < chain.n_atoms + 1:
        value = _window_sums(chain, time, hops)
        eps = 2 * jnp.pi * _ROUNDINGS * rounding.epsilon(value.dtype)
        return _Factor(value**2, eps * (2 * jnp.abs(value) + eps))
    half_angle, exponent = turns(hops, time, 1), 2 * chain.n_atoms
    value = dicke.cos_power(exponent, half_angle)
    eps = rounding.epsilon(value.dtype)
    gradient = 2 * jnp.pi * exponent * jnp.abs(dicke.cos_power(exponent - 1, half_angle) * cos_sin_turns(half_angle)[1])
    return _Factor(
        value, eps * (_ROUNDINGS * gradient * jnp.abs(half_angle) + (_ROUNDINGS - log_magnitude(value)) * value)
    )


def _window_sums(chain, time, hops):
    """Compute Σ_k w_k cos(h (k - N/2) t) as a matrix product: h = B i + j splits each phase factor into two."""
    doubled = 2 * chain.states - chain.n_atoms
    weights = np.exp(dicke.log_weights_host(chain.n_atoms, chain.states))
    doubled, weights = doubled[doubled >= 0], (weights * np.where(doubled > 0, 2.0, 1.0))[doubled >= 0]
    step = math.ceil(math.sqrt(len(hops)))
    coarse = cos_sin_turns(turns_of_products(step * np.arange(step), doubled, time, 1))
    fine = cos_sin_turns(turns_of_products(np.arange(step), doubled, time, 1))
    cosines, sines = (
        jnp.matmul(a * jnp.asarray(weights, a.dtype), b.T, precision="highest")
        for a, b in zip(coarse, fine, strict=True)
    )
    return (cosines - sines).reshape(-1)[: len(hops)]
