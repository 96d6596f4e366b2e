"""One case of the protocol as a matrix product: any chain, never the (N+1)^M tensor.

After the inner ensembles are measured, the amplitudes of the two ends are, with w_k the binomial weights,

    A[k_1, k_M] = diag(√w) Ω_2 diag(√w ω_3) Ω_4 diag(√w ω_5) …

Ω_j[k,k'] = f_(q_j)(k t_(j-1) - k' t_j + φ_j) for even j and ω_j[k] = ⟨q_j|k⟩ e^(i k φ_j) for odd j; the last factor is
diag(√w) for odd M and e^(i k k' t) √w_k' for even M. Windows truncate the odd ensembles and the last; the even inner
ones are summed exactly. Inside, the local phases of equation (23) are kept apart: what is left is a *reduced* matrix,
real for φ = 0 and odd M, with the same entanglement and probability.

Three routes, chosen by what is known when the function is traced:

- all outcomes N and φ = 0: k → N-k is a symmetry, so the matrix splits into two real halves. For M = 3 they are
symmetric,
  Y = √w cos^N((k-k')t/2) √w, and for every odd M the end-to-end matrix is the power Y^((M-1)/2): its spectrum costs
  what M = 3 costs. For even M the product of real halves is formed.
- M = 3, one time: a Toeplitz matrix between symmetric diagonals becomes real symmetric by reversing its columns.
- otherwise: the product, scanned along the chain in O(M D³), normalized at each step so that nothing underflows.

Every function takes one time, outcomes and offsets as arrays of shape (M-2,), and two static facts: `top`, all
outcomes are N, and `real`, all offsets are zero. Nothing is checked here.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke, spectral
from jaxent.chain import Chain
from jaxent.entanglement.measures import shannon_entropy
from jaxent.entanglement.renyi import of_probabilities
from jaxent.numerics import rounding
from jaxent.numerics.algebra import between_diagonals, matmul, multiply
from jaxent.protocol import matrix_product
from jaxent.runtime import execution
from jaxent.times import BondTimes, cos_sin_turns, turns, turns_of_products, unit

__all__ = [
    "amplitudes",
    "convolve",
    "entropy",
    "entropy_of_schmidt",
    "guarded",
    "log_probability",
    "most_lost",
    "normalized_amplitudes",
    "pair_weights",
    "renyi",
    "rounded_entropy",
    "rounded_log_probability",
    "schmidt",
    "with_phases",
    "without_slope_at_zero",
]

_ALL_DIFFERENCES = 10**5
LONGEST_DIRECT = 20000  # weights that are convolved directly; longer vectors by transform


# --------------------------------------------------------------- quantities


def amplitudes(chain, time, outcomes, offsets, top, real):
    """A[k_1, k_M], unnormalized, with all phases; NaN where its digits are lost."""
    found = matrix_product.reduced_matrix(chain, time, outcomes, offsets, top, real)
    matrix = with_phases(chain, time, outcomes, offsets, found.matrix)
    return multiply(jnp.exp(found.log_norm / 2), matrix) * _defined(found.log_norm, found.lost, zero=1.0)


def normalized_amplitudes(chain, time, outcomes, offsets, top, real):
    """A / √p with all phases, log p, and the relative error of A: neither is NaN where its digits are lost."""
    found = matrix_product.reduced_matrix(chain, time, outcomes, offsets, top, real)
    return with_phases(chain, time, outcomes, offsets, found.matrix), found.log_norm, found.lost


def with_phases(chain, time, outcomes, offsets, matrix):
    """A reduced matrix with the local phases that it was computed without."""
    left, right, overall = matrix_product.local_phases(chain, time, outcomes, offsets)
    return between_diagonals(unit(overall) * unit(left), jnp.asarray(matrix), unit(right))


def log_probability(chain, time, outcomes, offsets, top, real):
    """Log of Σ|A|², NaN where its digits are lost; for M = 3 a sum over the differences k_1 - k_3 alone."""
    log_norm, lost = rounded_log_probability(chain, time, outcomes, offsets, top, real)
    return without_slope_at_zero(log_norm, log_norm, time, offsets) * _defined(log_norm, lost, zero=1.0)


def rounded_log_probability(chain, time, outcomes, offsets, top, real):
    """Log of Σ|A|² whatever rounding left of it (p itself is right to 1e-15), and the relative error of A."""
    if chain.n_ensembles == 3 and not isinstance(time, BondTimes):
        differences, weights = pair_weights(chain)
        values = matrix_product.even_values(chain, time, outcomes[0], offsets[0], top, differences)
        scale = jax.lax.stop_gradient(jnp.max(jnp.abs(values)))
        scaled = values / jnp.where(scale > 0, scale, 1.0)
        total = jnp.sum(jnp.asarray(weights, values.dtype) * scaled**2)
        safe = jnp.where(total > 0, total, 1.0)
        log_norm = jnp.where(total > 0, jnp.log(safe) + 2 * jnp.log(jnp.where(scale > 0, scale, 1.0)), -jnp.inf)
        return log_norm, _lost_of_three(chain, time, outcomes, offsets, top, real)
    return matrix_product.reduced_matrix(chain, time, outcomes, offsets, top, real)[1:]


def entropy(chain, time, outcomes, offsets, top, real):
    """Entropy in bits and log p, NaN where the digits of the amplitudes are lost; the entropy also where p = 0."""
    bits, log_norm, lost = rounded_entropy(chain, time, outcomes, offsets, top, real)
    return guarded(bits, log_norm, lost)


def rounded_entropy(chain, time, outcomes, offsets, top, real):
    """Entropy in bits and log p, whatever rounding left of them, and the relative error of the amplitudes."""
    state = _end_state(chain, time, outcomes, offsets, top, real)
    rule = spectral.of_eigenvalues if state.hermitian else spectral.of_singular_values
    if state.power == 1:
        return rule(_entropy, state.blocks), state.log_norm, state.lost
    bits, log_share = rule(functools.partial(_entropy_and_log_norm, state.power), state.blocks)
    return bits, state.log_norm + log_share, state.lost


def renyi(chain, time, outcomes, offsets, top, real, alpha):
    """Rényi entropy of order α, a scalar that may be traced, in bits, and log p; NaN as `entropy`."""
    state = _end_state(chain, time, outcomes, offsets, top, real)
    rule = spectral.of_eigenvalues if state.hermitian else spectral.of_singular_values
    bits, log_share = rule(functools.partial(_renyi_and_log_norm, state.power), state.blocks, (alpha,))
    return guarded(bits, state.log_norm + log_share, state.lost)


def schmidt(chain, time, outcomes, offsets, top, real):
    """Schmidt coefficients, decreasing, and log p, NaN as `entropy`."""
    state = _end_state(chain, time, outcomes, offsets, top, real)
    values = jnp.concatenate(list(map(spectral.eigvalsh if state.hermitian else spectral.svdvals, state.blocks)))
    probabilities, log_share = _probabilities(state.power, values)
    positive = probabilities > 0
    values = jnp.where(positive, jnp.sqrt(jnp.where(positive, probabilities, 1.0)), 0.0)
    values = without_slope_at_zero(values, state.log_norm, time, offsets)
    return guarded(jnp.flip(jnp.sort(values)), state.log_norm + log_share, state.lost)


def entropy_of_schmidt(coefficients, alpha):
    """Entropy of order α of normalized Schmidt coefficients, in bits."""
    probabilities = _probabilities(1, coefficients)[0]
    return of_probabilities(probabilities, alpha, (rounding.epsilon(probabilities.dtype) * len(coefficients)) ** 2)


def most_lost(dtype) -> float:
    """Largest relative error of amplitudes that passes: 2e-9 in float64, 2e-4 in float32."""
    return float(jnp.finfo(dtype).eps) ** 0.55


def guarded(value, log_norm, lost):
    """A value and log p, NaN (with all their derivatives) where the amplitudes are lost or, for the value, zero."""
    return value * _defined(log_norm, lost, zero=jnp.nan), log_norm * _defined(log_norm, lost, zero=1.0)


def without_slope_at_zero(value, log_norm, *knobs):
    """The value itself; its derivatives in all knobs are NaN where p = 0, not those of a constant."""
    undefined = jnp.where(log_norm > -jnp.inf, 0.0, jnp.nan)
    floats = [x for x in jax.tree.leaves(knobs) if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
    return functools.reduce(lambda total, x: total + _zero_of_slope(undefined, jnp.sum(x)), floats, value)


@jax.custom_jvp
def _zero_of_slope(slope, knob):
    """0, with a derivative in the knob that is given."""
    return jnp.zeros_like(knob)


@_zero_of_slope.defjvp
def _zero_of_slope_jvp(primals, tangents):
    slope, knob = primals
    return _zero_of_slope(slope, knob), (slope * tangents[1]).astype(knob.dtype)


def _defined(log_norm, lost, zero):
    """1, or NaN where the digits are lost; `zero` where the probability is zero. A factor: derivatives are NaN too."""
    return jnp.where(lost < most_lost(lost.dtype), jnp.where(log_norm > -jnp.inf, 1.0, zero), jnp.nan)


def _lost_of_three(chain, time, outcomes, offsets, top, real):
    """Relative error of the amplitudes of three ensembles, from one row of differences."""
    if top and real:
        return jnp.zeros((), offsets.dtype)
    differences, weights = pair_weights(chain)
    time, offsets = jax.lax.stop_gradient((time, offsets))
    values, wrong = (
        matrix_product.even_values(chain, time, outcomes[0], offsets[0], top, differences, wrong=wrong)
        for wrong in (False, True)
    )
    lost = matrix_product.lost_by_values(values, wrong, jnp.asarray(weights, values.dtype))
    right = jnp.any(values != 0) | matrix_product.vanish_exactly(time, offsets[0], differences)
    return jnp.where(right, lost, 1.0)


class _EndState(NamedTuple):
    """An end-to-end matrix by blocks: its singular values are |σ|^power of theirs, or |λ|^power if Hermitian."""

    blocks: list
    hermitian: bool
    power: int
    log_norm: jax.Array  # log p, up to the log of Σ|σ|^(2·power)
    lost: jax.Array  # relative error of the amplitudes by rounding


def _end_state(chain, time, outcomes, offsets, top, real) -> _EndState:
    uniform = not isinstance(time, BondTimes)
    if top and real and uniform:
        if chain.n_ensembles % 2:
            power = (chain.n_ensembles - 1) // 2
            halves, log_norm = matrix_product.normalized(_parity_halves(chain, time))
            return _EndState(halves, True, power, power * log_norm, jnp.zeros(()))  # a sum of squares loses nothing
        return _EndState(*_even_chain_halves(chain, time), jnp.zeros(()))
    if chain.n_ensembles == 3 and uniform:
        matrix, log_norm = matrix_product.normalized(_toeplitz_sandwich(chain, time, outcomes, offsets, top))
        lost = _lost_of_three(chain, time, outcomes, offsets, top, real)
        return _EndState([matrix[:, ::-1]], True, 1, log_norm, lost)
    matrix, log_norm, lost = matrix_product.reduced_matrix(chain, time, outcomes, offsets, top, real)
    return _EndState([matrix], False, 1, log_norm, lost)


def _probabilities(power, values):
    """Schmidt probabilities |σ|^(2·power) / Σ|σ|^(2·power), and the logarithm of that sum."""
    squares = values**2
    largest = jnp.max(squares)
    scale = jax.lax.stop_gradient(jnp.where(largest > 0, largest, 1.0))
    powers = (squares / scale) ** power
    total = jnp.sum(powers)
    safe = jnp.where(total > 0, total, 1.0)
    return powers / safe, jnp.where(total > 0, jnp.log(safe) + power * jnp.log(scale), 0.0)


def _entropy(values):
    return shannon_entropy(_probabilities(1, values)[0])


def _entropy_and_log_norm(power, values):
    probabilities, log_norm = _probabilities(power, values)
    return jnp.stack([shannon_entropy(probabilities), log_norm])


def _renyi_and_log_norm(power, values, alpha):
    probabilities, log_norm = _probabilities(power, values)
    noise = (rounding.epsilon(values.dtype) * len(values)) ** (2 * power)
    return jnp.stack([of_probabilities(probabilities, alpha, noise), log_norm])


# ------------------------------------------------ one time, Toeplitz factors


def _toeplitz_sandwich(chain, time, outcomes, offsets, top):
    root = matrix_product.root_weights(chain)
    values = matrix_product.even_values(chain, time, outcomes[0], offsets[0], top)
    return between_diagonals(root, matrix_product.toeplitz(values), root)


def _parity_halves(chain, time):
    """Y = √w cos^N((k-k')t/2) √w in the even and the odd combinations of |k⟩ and |N-k⟩; empty halves are left out."""
    size = chain.dimension
    kernel = dicke.cos_power(chain.n_atoms, turns(np.arange(size), time, 1))
    return _fold(
        chain,
        lambda row, column: (kernel[abs(row - column)], kernel[row + column + chain.n_atoms % 2]),
    )


def _fold(chain, entries: Callable):
    """Both parity halves of √w T √w from its entries at (m, m') and (m, -m'); m = 0, 1, … or 1/2, 3/2, …."""
    positive = matrix_product.root_weights(chain)[chain.dimension // 2 :]
    row = jax.lax.iota(int, positive.shape[0])
    same, mirrored = entries(row[:, None], row[None, :])
    frame = positive[:, None] * positive[None, :]
    even, odd = frame * (same + mirrored), frame * (same - mirrored)
    if chain.n_atoms % 2 == 0:  # m = 0 is its own mirror image
        norm = jnp.where(row == 0, np.sqrt(0.5), 1.0)
        even, odd = between_diagonals(norm, even, norm), odd[1:, 1:]
    return [half for half in (even, odd) if half.shape[0]]


def _even_chain_halves(chain, time):
    """An even chain, all outcomes N, no offset: the halves of Y^((M-2)/2) √w e^(i m m' t) √w."""
    doubled = 2 * chain.states[chain.dimension // 2 :] - chain.n_atoms
    cos, sin = cos_sin_turns(turns_of_products(doubled, doubled, time, 2))
    lasts = [frame * 2 for frame in _fold(chain, lambda row, column: (cos / 2, cos / 2))[:1]]
    lasts += [frame * 2 for frame in _fold(chain, lambda row, column: (sin / 2, -sin / 2))[1:]]
    halves = _parity_halves(chain, time)

    def step(carry, _):
        products, log_norm = carry
        products = [matmul(half, product) for half, product in zip(halves, products, strict=True)]
        products, gained = matrix_product.normalized(products)
        return (products, log_norm + gained), None

    start = matrix_product.normalized(lasts)
    (products, log_norm), _ = execution.scan(step, start, None, length=(chain.n_ensembles - 2) // 2)
    return products, False, 1, log_norm


# ------------------------------------------------------------------ helpers


@functools.lru_cache(maxsize=8)
@np.errstate(under="ignore")  # weights below 1e-308 are 0
def pair_weights(chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    """Differences d and W_d = Σ_k w_k w_(k+d) in the window, so that p = Σ_d W_d f(d t + φ)² for M = 3.

    In the full basis W_d is a binomial of 2N trials; of many atoms only what exceeds 1e-32 of it is summed.
    """
    differences = np.arange(-largest_difference(chain), largest_difference(chain) + 1)
    if chain.dimension == chain.n_atoms + 1:
        return differences, np.exp(dicke.log_weights_host(2 * chain.n_atoms, chain.n_atoms + differences))
    weights = np.exp(dicke.log_weights_host(chain.n_atoms, chain.states))
    return differences, convolve(weights, weights)


def largest_difference(chain: Chain) -> int:
    """Largest k - k' that counts in the probability of a chain of three."""
    many = chain.dimension == chain.n_atoms + 1 and chain.n_atoms > _ALL_DIFFERENCES
    return math.ceil(12 * math.sqrt(chain.n_atoms / 2)) if many else chain.dimension - 1


def convolve(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Full convolution of two weight vectors of one length; by transform (exact to 1e-16 of its maximum) if long."""
    if len(left) <= LONGEST_DIRECT:
        return np.convolve(left, right)
    length = 2 * len(left) - 1
    return np.maximum(np.fft.irfft(np.fft.rfft(left, length) * np.fft.rfft(right, length), length), 0.0)
