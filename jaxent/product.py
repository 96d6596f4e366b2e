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

from jaxent import arguments, dicke, spectral
from jaxent.chain import Chain
from jaxent.entanglement import renyi_of_probabilities, shannon_entropy
from jaxent.times import BondTimes, cos_sin_turns, turns, turns_of_products, unit

__all__ = [
    "amplitudes",
    "convolve",
    "entropy",
    "local_phases",
    "log_probability",
    "normalized_amplitudes",
    "overlap",
    "renyi",
    "schmidt",
]

_ALL_DIFFERENCES = 10**5
LONGEST_DIRECT = 20000  # weights that are convolved directly; longer vectors by transform


# --------------------------------------------------------------- quantities


def amplitudes(chain, time, outcomes, offsets, top, real):
    """A[k_1, k_M], unnormalized, with all phases."""
    matrix, log_norm = normalized_amplitudes(chain, time, outcomes, offsets, top, real)
    return jnp.exp(log_norm / 2) * matrix


def normalized_amplitudes(chain, time, outcomes, offsets, top, real):
    """A / √p with all phases, and log p."""
    matrix, log_norm = _reduced_matrix(chain, time, outcomes, offsets, top, real)
    left, right, overall = local_phases(chain, time, outcomes, offsets)
    return unit(overall) * unit(left)[:, None] * matrix * unit(right)[None, :], log_norm


def log_probability(chain, time, outcomes, offsets, top, real):
    """Log of Σ|A|²; for M = 3 a sum over the differences k_1 - k_3 alone."""
    if chain.n_ensembles == 3 and not isinstance(time, BondTimes):
        differences, weights = _pair_weights(chain)
        values = _even_values(chain, time, outcomes[0], offsets[0], top, differences)
        scale = jax.lax.stop_gradient(jnp.max(jnp.abs(values)))
        scaled = values / jnp.where(scale > 0, scale, 1.0)
        total = jnp.sum(jnp.asarray(weights, values.dtype) * scaled**2)
        safe = jnp.where(total > 0, total, 1.0)
        return jnp.where(total > 0, jnp.log(safe) + 2 * jnp.log(jnp.where(scale > 0, scale, 1.0)), -jnp.inf)
    return _reduced_matrix(chain, time, outcomes, offsets, top, real)[1]


def cancellation(chain, time, outcomes, offsets, top, real):
    """Log of the smallest share of Σ|A|² that cancellation leaves of a step; below 2 log(eps·D) it is rounding."""
    if chain.n_ensembles == 3:
        return jnp.zeros(())
    return _watched_matrix(chain, time, outcomes, offsets, top, real, True)[2]


def entropy(chain, time, outcomes, offsets, top, real):
    """Entropy in bits (NaN where p = 0) and log p."""
    state = _end_state(chain, time, outcomes, offsets, top, real)
    rule = spectral.of_eigenvalues if state.hermitian else spectral.of_singular_values
    if state.power == 1:
        bits, log_norm = rule(_entropy, state.blocks), state.log_norm
    else:
        bits, log_share = rule(functools.partial(_entropy_and_log_norm, state.power), state.blocks)
        log_norm = state.log_norm + log_share
    return bits + jnp.where(log_norm > -jnp.inf, 0.0, jnp.nan), log_norm


@functools.cache
def renyi(alpha: float) -> Callable:
    """The kernel like `entropy` for the Rényi entropy of order α."""

    def of_values(power, values):
        probabilities, log_norm = _probabilities(power, values)
        noise = (jnp.finfo(values.dtype).eps * len(values)) ** (2 * power)
        return jnp.stack([renyi_of_probabilities(probabilities, alpha, noise), log_norm])

    def kernel(chain, time, outcomes, offsets, top, real):
        state = _end_state(chain, time, outcomes, offsets, top, real)
        rule = spectral.of_eigenvalues if state.hermitian else spectral.of_singular_values
        bits, log_share = rule(functools.partial(of_values, state.power), state.blocks)
        log_norm = state.log_norm + log_share
        return bits + jnp.where(log_norm > -jnp.inf, 0.0, jnp.nan), log_norm

    return kernel


def schmidt(chain, time, outcomes, offsets, top, real):
    """Schmidt coefficients, decreasing (NaN where p = 0), and log p."""
    state = _end_state(chain, time, outcomes, offsets, top, real)
    values = jnp.concatenate(list(map(spectral.eigvalsh if state.hermitian else spectral.svdvals, state.blocks)))
    probabilities, log_share = _probabilities(state.power, values)
    positive = probabilities > 0
    values = jnp.where(positive, jnp.sqrt(jnp.where(positive, probabilities, 1.0)), 0.0)
    log_norm = state.log_norm + log_share
    return jnp.flip(jnp.sort(values)) + jnp.where(log_norm > -jnp.inf, 0.0, jnp.nan), log_norm


class _EndState(NamedTuple):
    """An end-to-end matrix by blocks: its singular values are |σ|^power of theirs, or |λ|^power if Hermitian."""

    blocks: list
    hermitian: bool
    power: int
    log_norm: jax.Array  # log p, up to the log of Σ|σ|^(2·power)


def _end_state(chain, time, outcomes, offsets, top, real) -> _EndState:
    uniform = not isinstance(time, BondTimes)
    if top and real and uniform:
        if chain.n_ensembles % 2:
            power = (chain.n_ensembles - 1) // 2
            halves, log_norm = _normalized(_parity_halves(chain, time))
            return _EndState(halves, True, power, power * log_norm)
        return _EndState(*_even_chain_halves(chain, time))
    if chain.n_ensembles == 3 and uniform:
        matrix, log_norm = _normalized(_toeplitz_sandwich(chain, time, outcomes, offsets, top))
        return _EndState([matrix[:, ::-1]], True, 1, log_norm)
    matrix, log_norm = _reduced_matrix(chain, time, outcomes, offsets, top, real)
    return _EndState([matrix], False, 1, log_norm)


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


# ----------------------------------------------------- the matrix product


def _reduced_matrix(chain, time, outcomes, offsets, top, real):
    """Normalized amplitudes without local phases, and log Σ|A|²; real for no offset, one time and odd M."""
    return _watched_matrix(chain, time, outcomes, offsets, top, real, False)[:2]


def _watched_matrix(chain, time, outcomes, offsets, top, real, watched):
    """`_reduced_matrix`, and the `cancellation` of its steps if watched."""
    uniform = not isinstance(time, BondTimes)
    root = _root_weights(chain)
    doubled = 2 * chain.states - chain.n_atoms  # 2m = 2k - N

    def last_factor():  # e^(i m m' t) √w_m' of an even chain
        bond = arguments.bond_time(time, chain.n_ensembles - 2)
        return unit(turns_of_products(doubled, doubled, bond, 2)) * root

    if chain.n_ensembles == 2:
        return *_normalized(root[:, None] * last_factor()), jnp.zeros(())

    def parameters(first):  # of every second ensemble: outcome, offset and, if they differ, the times of both its bonds
        chosen = (outcomes[first::2], offsets[first::2])
        if uniform:
            return chosen
        return *chosen, _bonds(time, first, len(chosen[0])), _bonds(time, first + 1, len(chosen[0]))

    def even_factor(outcome, offset, *around):
        if uniform:
            return _toeplitz(_even_values(chain, time, outcome, offset, top))
        before, after = around
        half_angle = turns(chain.states, before, 1)[:, None] - turns(chain.states, after, 1) + offset / (4 * jnp.pi)
        return overlap(chain.n_atoms, outcome, half_angle, top)

    def odd_diagonal(outcome, offset, *around):
        basis = root if top else dicke.x_basis(chain.n_atoms, outcome, chain.window)
        if real and uniform:
            return root * basis
        phase = doubled * (offset / (4 * jnp.pi))
        if not uniform:
            before, after = around
            multiples = doubled * chain.n_atoms
            phase = phase + turns(multiples, after, 2) - turns(multiples, before, 2)
        return root * basis * unit(phase)

    even = parameters(0)
    first = root[:, None] * even_factor(*jax.tree.map(lambda x: x[0], even))
    if chain.n_ensembles == 3:
        return *_normalized(first * root), jnp.zeros(())
    diagonals = jax.vmap(odd_diagonal)(*parameters(1))

    def times_factor(matrix, factor):
        """The normalized product, its log norm, and how much of that cancellation has left (if watched)."""
        product, gained = _normalized(_matmul(matrix, factor))
        kept = gained - _normalized(_matmul(jnp.abs(matrix), jnp.abs(factor)))[1] if watched else jnp.zeros(())
        return product, gained, kept

    def step(carry, factors):
        matrix, log_norm = carry
        diagonal, following = factors
        matrix, gained, kept = times_factor(matrix * diagonal, even_factor(*following))
        return (matrix, log_norm + gained), kept

    following = jax.tree.map(lambda x: x[1:], even)
    start = _normalized(first.astype(jnp.result_type(first, diagonals)))
    steps = (diagonals[: following[0].shape[0]], following)
    (matrix, log_norm), kept = jax.lax.scan(step, start, steps)
    if chain.n_ensembles % 2:
        (matrix, gained), last_kept = _normalized(matrix * root), 0.0
    else:
        matrix, gained, last_kept = times_factor(matrix * diagonals[-1], last_factor())
    return matrix, log_norm + gained, jnp.minimum(jnp.min(kept, initial=0.0), last_kept)


def _bonds(time, first, count):
    """Times of `count` bonds, every second one from `first` on."""
    return jax.tree.map(lambda x: x[first::2][:count], time.times)


def local_phases(chain, time, outcomes, offsets):
    """What `_reduced_matrix` leaves out, in turns: phases of k_1, of k_M, and of the whole.

    With m = k - N/2: e^(i N m_1 t_1/2), e^(∓ i N m_M t_(M-1)/2) (minus for odd M), and
    Σ_j N φ_j/2 + Σ_(even j) (N - q_j) π/2 + (N²/4) Σ_b (-1)^(b+1) t_b.
    """
    n_ensembles, n_atoms = chain.n_ensembles, chain.n_atoms
    multiples = n_atoms * (2 * chain.states - n_atoms)
    left = turns(multiples, arguments.bond_time(time, 0), 2)
    right = turns(multiples, arguments.bond_time(time, n_ensembles - 2), 2)
    if n_ensembles % 2:
        right = -right
    square = np.array([n_atoms**2], dtype=object if n_atoms > 10**9 else int)
    if isinstance(time, BondTimes):
        bonds = [turns(square, arguments.bond_time(time, bond), 2)[0] for bond in range(n_ensembles - 1)]
        interaction = sum(bonds[0::2]) - sum(bonds[1::2])
    else:
        interaction = turns(square, time, 2)[0] if n_ensembles % 2 == 0 else 0.0
    quarter_turns = jnp.sum((n_atoms - outcomes[0::2]) % 4) % 4
    offset = n_atoms * jnp.sum(offsets) / (4 * jnp.pi)
    overall = quarter_turns / 4 + offset + interaction
    return left, right, overall - jnp.round(overall)


# ------------------------------------------------ one time, Toeplitz factors


def _even_values(chain, time, outcome, offset, top, differences=None):
    """f_q(d t + φ) for the differences d, -(D-1)…D-1 unless given."""
    if differences is None:
        differences = np.arange(1 - chain.dimension, chain.dimension)
    half_angle = turns(differences, time, 1) + offset / (4 * jnp.pi)
    return overlap(chain.n_atoms, outcome, half_angle, top)


def overlap(n_atoms, outcome, half_angle, top):
    """f_q(α) of equation (23), by the shorter way where q is known to be N."""
    return dicke.cos_power(n_atoms, half_angle) if top else dicke.x_overlap(n_atoms, outcome, half_angle)


def _toeplitz(values):
    """The matrix T[i, j] = values[i - j + D - 1]."""
    size = (values.shape[0] + 1) // 2
    row = jax.lax.iota(int, size)
    return values[row[:, None] - row + (size - 1)]


def _toeplitz_sandwich(chain, time, outcomes, offsets, top):
    root = _root_weights(chain)
    return root[:, None] * _toeplitz(_even_values(chain, time, outcomes[0], offsets[0], top)) * root


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
    positive = _root_weights(chain)[chain.dimension // 2 :]
    row = jax.lax.iota(int, positive.shape[0])
    same, mirrored = entries(row[:, None], row[None, :])
    frame = positive[:, None] * positive
    even, odd = frame * (same + mirrored), frame * (same - mirrored)
    if chain.n_atoms % 2 == 0:  # m = 0 is its own mirror image
        norm = jnp.where(row == 0, np.sqrt(0.5), 1.0)
        even, odd = even * norm[:, None] * norm, odd[1:, 1:]
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
        products = [_matmul(half, product) for half, product in zip(halves, products, strict=True)]
        products, gained = _normalized(products)
        return (products, log_norm + gained), None

    start = _normalized(lasts)
    (products, log_norm), _ = jax.lax.scan(step, start, None, length=(chain.n_ensembles - 2) // 2)
    return products, False, 1, log_norm


# ------------------------------------------------------------------ helpers


def _root_weights(chain):
    return jnp.exp(dicke.log_weights(chain.n_atoms, chain.window) / 2)


@functools.lru_cache(maxsize=8)
def _pair_weights(chain: Chain) -> tuple[np.ndarray, np.ndarray]:
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


def _matmul(left, right):
    return jnp.matmul(left, right, precision="highest")


def _normalized(tree):
    """A matrix, or several, divided by the root of the sum of all squares; and the logarithm of that sum."""
    leaves = jax.tree.leaves(tree)
    largest = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(x)) for x in leaves])
    scale = jax.lax.stop_gradient(jnp.where(largest > 0, largest, 1.0))
    total = sum(jnp.sum(jnp.abs(x / scale) ** 2) for x in leaves)
    safe = jnp.where(total > 0, total, 1.0)
    norm = scale * jnp.sqrt(safe)
    log_norm = jnp.where(total > 0, jnp.log(safe) + 2 * jnp.log(scale), -jnp.inf)
    return jax.tree.map(lambda x: x / norm, tree), log_norm
