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

Every function takes the sizes of the chain, in one of the forms of `protocol.sizes`, one time, outcomes and offsets as
arrays of shape (M-2,), and two static flags: `all_outcomes_n` (all outcomes are known to be N) and `no_offset` (all
offsets are known to be zero). Arguments are not checked here.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke, spectral
from jaxent.entanglement.measures import shannon_entropy
from jaxent.entanglement.renyi import of_probabilities
from jaxent.numerics import rounding
from jaxent.numerics.algebra import between_diagonals, matmul, multiply, pairwise_differences
from jaxent.protocol import matrix_product
from jaxent.protocol.sizes import Differences, Halves, Three, Whole
from jaxent.runtime import execution
from jaxent.times import cos_sin_turns, turns, unit

__all__ = [
    "amplitudes",
    "entropy",
    "entropy_of_schmidt",
    "guarded",
    "log_probability",
    "most_lost",
    "normalized_amplitudes",
    "renyi",
    "rounded_entropy",
    "rounded_log_probability",
    "schmidt",
    "with_phases",
    "without_slope_at_zero",
]

# --------------------------------------------------------------- quantities


def amplitudes(sizes: Whole, time, outcomes, offsets, all_outcomes_n, no_offset):
    """Compute A[k_1, k_M], unnormalized, with all phases; NaN where its digits are lost."""
    found = matrix_product.reduced_matrix(sizes.chain, time, outcomes, offsets, all_outcomes_n, no_offset)
    matrix = with_phases(sizes.chain, time, outcomes, offsets, found.matrix)
    return multiply(jnp.exp(found.log_norm / 2), matrix) * _defined(found.log_norm, found.lost, zero=1.0)


def normalized_amplitudes(chain, time, outcomes, offsets, all_outcomes_n, no_offset):
    """Compute A / √p with all phases, log p, and the relative error of A: neither is NaN where its digits are lost."""
    found = matrix_product.reduced_matrix(chain, time, outcomes, offsets, all_outcomes_n, no_offset)
    return with_phases(chain, time, outcomes, offsets, found.matrix), found.log_norm, found.lost


def with_phases(chain, time, outcomes, offsets, matrix):
    """Multiply a reduced matrix by the local phases that it was computed without."""
    left, right, overall = matrix_product.local_phases(chain, time, outcomes, offsets)
    return between_diagonals(unit(overall) * unit(left), jnp.asarray(matrix), unit(right))


def log_probability(sizes: Differences | Whole, time, outcomes, offsets, all_outcomes_n, no_offset):
    """Compute log Σ|A|², NaN where its digits are lost; for M = 3 a sum over the differences k_1 - k_3 alone."""
    log_norm, lost = rounded_log_probability(sizes, time, outcomes, offsets, all_outcomes_n, no_offset)
    return without_slope_at_zero(log_norm, log_norm, time, offsets) * _defined(log_norm, lost, zero=1.0)


def rounded_log_probability(sizes: Differences | Whole, time, outcomes, offsets, all_outcomes_n, no_offset):
    """Compute log Σ|A|² as rounding left it (p itself is right to 1e-15), and the relative error of A."""
    if isinstance(sizes, Whole):
        return matrix_product.reduced_matrix(sizes.chain, time, outcomes, offsets, all_outcomes_n, no_offset)[1:]
    values, weights = _values_and_weights(sizes, time, outcomes, offsets, all_outcomes_n)
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(values)))
    scaled = values / jnp.where(scale > 0, scale, 1.0)
    total = jnp.sum(weights * scaled**2)
    safe = jnp.where(total > 0, total, 1.0)
    log_norm = jnp.where(total > 0, jnp.log(safe) + 2 * jnp.log(jnp.where(scale > 0, scale, 1.0)), -jnp.inf)
    return log_norm, _lost_of_three(sizes, time, outcomes, offsets, all_outcomes_n, no_offset)


def entropy(sizes: Halves | Three | Whole, time, outcomes, offsets, all_outcomes_n, no_offset):
    """Compute the entropy in bits and log p: NaN where amplitudes have lost their digits, the entropy where p = 0."""
    bits, log_norm, lost = rounded_entropy(sizes, time, outcomes, offsets, all_outcomes_n, no_offset)
    return guarded(bits, log_norm, lost)


def rounded_entropy(sizes: Halves | Three | Whole, time, outcomes, offsets, all_outcomes_n, no_offset):
    """Compute the entropy in bits and log p as rounding left them, and the relative error of the amplitudes."""
    state = _end_state(sizes, time, outcomes, offsets, all_outcomes_n, no_offset)
    rule = spectral.of_eigenvalues if state.hermitian else spectral.of_singular_values
    if state.power is None:
        return rule(_entropy, state.blocks), state.log_norm, state.lost
    bits, log_share = rule(_entropy_and_log_norm, state.blocks, (state.power,))
    return bits, state.log_norm + log_share, state.lost


def renyi(sizes: Halves | Three | Whole, time, outcomes, offsets, all_outcomes_n, no_offset, alpha):
    """Compute the Rényi entropy of order α, a scalar that may be traced, in bits, and log p; NaN as `entropy`."""
    state = _end_state(sizes, time, outcomes, offsets, all_outcomes_n, no_offset)
    rule = spectral.of_eigenvalues if state.hermitian else spectral.of_singular_values
    noise = rounding.epsilon(alpha.dtype) * state.n_values.astype(alpha.dtype)
    if state.power is None:
        bits, log_share = rule(_renyi_and_log_norm, state.blocks, (alpha, noise))
    else:
        bits, log_share = rule(_renyi_of_powers_and_log_norm, state.blocks, (alpha, noise, state.power))
    return guarded(bits, state.log_norm + log_share, state.lost)


def schmidt(sizes: Halves | Three | Whole, time, outcomes, offsets, all_outcomes_n, no_offset):
    """Compute the Schmidt coefficients, decreasing, those of padding included, and log p; NaN as `entropy`."""
    state = _end_state(sizes, time, outcomes, offsets, all_outcomes_n, no_offset)
    values = jnp.concatenate(list(map(spectral.eigvalsh if state.hermitian else spectral.svdvals, state.blocks)))
    probabilities, log_share = _probabilities(values, state.power)
    positive = probabilities > 0
    values = jnp.where(positive, jnp.sqrt(jnp.where(positive, probabilities, 1.0)), 0.0)
    values = without_slope_at_zero(values, state.log_norm, time, offsets)
    return guarded(jnp.flip(jnp.sort(values)), state.log_norm + log_share, state.lost)


def entropy_of_schmidt(coefficients, alpha):
    """Compute the entropy of order α of normalized Schmidt coefficients, in bits."""
    probabilities = _probabilities(coefficients)[0]
    return of_probabilities(probabilities, alpha, (rounding.epsilon(probabilities.dtype) * len(coefficients)) ** 2)


def most_lost(dtype) -> float:
    """Return the largest relative error of amplitudes that is accepted: 2e-9 in float64, 2e-4 in float32."""
    return float(jnp.finfo(dtype).eps) ** 0.55


def guarded(value, log_norm, lost):
    """Replace a value and log p by NaN, with all derivatives, where amplitudes are lost; the value also where p = 0."""
    return value * _defined(log_norm, lost, zero=jnp.nan), log_norm * _defined(log_norm, lost, zero=1.0)


def without_slope_at_zero(value, log_norm, *parameters):
    """Return the value itself; its derivatives in all parameters are NaN where p = 0, not those of a constant."""
    undefined = jnp.where(log_norm > -jnp.inf, 0.0, jnp.nan)
    floats = [x for x in jax.tree.leaves(parameters) if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
    return functools.reduce(lambda total, x: total + _zero_of_derivative(undefined, jnp.sum(x)), floats, value)


@jax.custom_jvp
def _zero_of_derivative(derivative, parameter):
    """Return 0, with the given derivative in the parameter."""
    return jnp.zeros_like(parameter)


@_zero_of_derivative.defjvp
def _zero_of_derivative_jvp(primals, tangents):
    derivative, parameter = primals
    return _zero_of_derivative(derivative, parameter), (derivative * tangents[1]).astype(parameter.dtype)


def _defined(log_norm, lost, zero):
    """Return the factor 1, NaN where digits are lost, `zero` where p = 0; a factor makes derivatives NaN too."""
    return jnp.where(lost < most_lost(lost.dtype), jnp.where(log_norm > -jnp.inf, 1.0, zero), jnp.nan)


def _values_and_weights(sizes: Differences, time, outcomes, offsets, all_outcomes_n, wrong=False):
    """Return f_q(d t + φ) and W_d for all differences; both are 0 for padding."""
    differences = np.arange(1 - sizes.n_rows, sizes.n_rows)
    values = matrix_product.even_values(
        sizes.n_atoms, time, outcomes[0], offsets[0], all_outcomes_n, differences, wrong=wrong
    )
    weights = jnp.asarray(sizes.weights, values.dtype)
    return jnp.where(weights > 0, values, 0.0), weights


def _lost_of_three(sizes: Differences, time, outcomes, offsets, all_outcomes_n, no_offset):
    """Estimate the relative error of the amplitudes of three ensembles, from one row of differences."""
    if all_outcomes_n and no_offset:
        return jnp.zeros((), offsets.dtype)
    time, offsets = jax.lax.stop_gradient((time, offsets))
    values, weights = _values_and_weights(sizes, time, outcomes, offsets, all_outcomes_n)
    wrong, _ = _values_and_weights(sizes, time, outcomes, offsets, all_outcomes_n, wrong=True)
    lost = matrix_product.lost_by_values(values, wrong, weights)
    differences = np.arange(1 - sizes.n_rows, sizes.n_rows)
    exact = matrix_product.vanish_exactly(time, offsets[0], differences) | (weights == 0)
    return jnp.where(jnp.any(values != 0) | jnp.all(exact), lost, 1.0)


class _EndState(NamedTuple):
    """Hold an end-to-end matrix by blocks, whose |σ|^power, or |λ|^power if Hermitian, are its singular values."""

    blocks: list
    hermitian: bool
    n_values: jax.Array  # number of singular values without padding
    power: jax.Array | None  # None: 1
    log_norm: jax.Array  # log p, up to the log of Σ|σ|^(2·power)
    lost: jax.Array  # relative error of the amplitudes by rounding


def _end_state(sizes: Halves | Three | Whole, time, outcomes, offsets, all_outcomes_n, no_offset) -> _EndState:
    if isinstance(sizes, Halves):
        count, lost = jnp.asarray(sizes.n_states), jnp.zeros(())  # a sum of squares loses nothing
        if sizes.n_steps is not None:
            products, log_norm = _even_chain_halves(sizes, time)
            return _EndState(products, False, count, None, log_norm, lost)
        halves, log_norm = matrix_product.normalized(_parity_halves(sizes, time))
        power = None if sizes.power is None else jnp.asarray(sizes.power, log_norm.dtype)
        return _EndState(halves, True, count, power, log_norm if power is None else power * log_norm, lost)
    if isinstance(sizes, Three):
        matrix, log_norm = matrix_product.normalized(
            _toeplitz_between_weights(sizes, time, outcomes, offsets, all_outcomes_n)
        )
        lost = _lost_of_three(sizes.differences, time, outcomes, offsets, all_outcomes_n, no_offset)
        return _EndState([matrix], True, jnp.asarray(sizes.n_states), None, log_norm, lost)
    matrix, log_norm, lost = matrix_product.reduced_matrix(
        sizes.chain, time, outcomes, offsets, all_outcomes_n, no_offset
    )
    return _EndState([matrix], False, jnp.asarray(len(matrix)), None, log_norm, lost)


def _probabilities(values, power=None):
    """Return Schmidt probabilities |σ|^(2·power) / Σ|σ|^(2·power), and the logarithm of that sum."""
    squares = values**2
    largest = jnp.max(squares)
    scale = jax.lax.stop_gradient(jnp.where(largest > 0, largest, 1.0))
    powers = squares / scale
    if power is not None:
        positive = powers > 0
        powers = jnp.where(positive, jnp.where(positive, powers, 1.0) ** power, 0.0)
    total = jnp.sum(powers)
    safe = jnp.where(total > 0, total, 1.0)
    log_scale = jnp.log(scale) if power is None else power * jnp.log(scale)
    return powers / safe, jnp.where(total > 0, jnp.log(safe) + log_scale, 0.0)


def _entropy(values):
    return shannon_entropy(_probabilities(values)[0])


def _entropy_and_log_norm(values, power):
    probabilities, log_norm = _probabilities(values, power)
    return jnp.stack([shannon_entropy(probabilities), log_norm])


def _renyi_and_log_norm(values, alpha, noise):
    probabilities, log_norm = _probabilities(values)
    return jnp.stack([of_probabilities(probabilities, alpha, noise**2), log_norm])


def _renyi_of_powers_and_log_norm(values, alpha, noise, power):
    probabilities, log_norm = _probabilities(values, power)
    return jnp.stack([of_probabilities(probabilities, alpha, noise ** (2 * power)), log_norm])


# ------------------------------------------------ one time, Toeplitz factors


def _toeplitz_between_weights(sizes: Three, time, outcomes, offsets, all_outcomes_n):
    """Build √w f_q((k-k')t + φ) √w with reversed columns, k' → N-k', which makes it symmetric."""
    roots = jnp.asarray(sizes.roots)
    differences = np.arange(1 - sizes.n_rows, sizes.n_rows)
    values = matrix_product.even_values(sizes.n_atoms, time, outcomes[0], offsets[0], all_outcomes_n, differences)
    row = jax.lax.iota(int, sizes.n_rows)
    places = row[:, None] + row[None, :] + (sizes.n_rows - jnp.asarray(sizes.n_states, row.dtype))
    reversed_columns = values.at[places].get(mode="clip")  # only those of padding, which has no weight, lie outside
    return between_diagonals(roots.astype(values.dtype), reversed_columns, roots.astype(values.dtype))


def _parity_halves(sizes: Halves, time):
    """Build Y = √w cos^N((k-k')t/2) √w in the even and the odd combinations of |k⟩ and |N-k⟩."""
    kernel = dicke.cos_power(sizes.n_atoms, turns(np.arange(2 * sizes.n_rows), time, 1))
    row = jax.lax.iota(int, sizes.n_rows)
    same = kernel[abs(pairwise_differences(row))]
    mirrored = kernel[row[:, None] + row[None, :] + jnp.asarray(sizes.odd_atoms, row.dtype)]
    return _framed(sizes, same + mirrored, same - mirrored)


def _framed(sizes: Halves, even, odd):
    """Multiply the even and the odd half by √w on both sides."""
    roots = jnp.asarray(sizes.roots, even.dtype)
    return [between_diagonals(root, half, root) for root, half in zip(roots, (even, odd), strict=True)]


def _even_chain_halves(sizes: Halves, time):
    """Build the halves of Y^((M-2)/2) √w e^(i m m' t) √w, normalized, and log p."""
    doubled = 2 * jax.lax.iota(int, sizes.n_rows) + jnp.asarray(sizes.odd_atoms, int)
    largest = (2 * sizes.n_rows - 1) ** 2
    cos, sin = cos_sin_turns(turns(doubled[:, None] * doubled[None, :], time, 2, largest))
    halves = _parity_halves(sizes, time)

    def step(carry, index):
        products, log_norm = carry
        longer = [matmul(half, product) for half, product in zip(halves, products, strict=True)]
        longer, gained = matrix_product.normalized(longer)
        taken = index < sizes.n_steps
        products = [jnp.where(taken, new, old) for new, old in zip(longer, products, strict=True)]
        return (products, log_norm + jnp.where(taken, gained, 0.0)), None

    start = matrix_product.normalized(_framed(sizes, 2 * cos, 2 * sin))
    (products, log_norm), _ = execution.scan(step, start, np.arange(sizes.most_steps))
    return products, log_norm
