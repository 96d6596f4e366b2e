"""One case of the dephased protocol: the mixed state of the two ends, as a product over pairs of Dicke states.

H and every S_z are diagonal in the Dicke basis, so the master equation (29) multiplies each element of ρ by

    exp(-2 t Σ_j γ_j (k_j - k'_j)²),

and one phase noise shared by all ensembles (rate Γ) by exp(-2 Γ t (Σ_j (k_j - k'_j))²). For the ends that is all. A
measured ensemble j sees a random offset, normal with standard deviation s = 2 √(γ_j t): for even j

    g(α, α') = E_ξ[f_q(α + sξ) f_q(α' + sξ)] = Σ_mm' c_m c_m' e^(i(mα - m'α')) e^(-s² (m-m')²/2),

f_q being the trigonometric polynomial (23) with coefficients c_m = ⟨q|m⟩ √w_m, m = k - N/2. The sum has no quadrature
in it: it is exact for every γ t and smooth at γ = 0. A chain is a product of such matrices over pairs (k, k').

Every function takes one time, the strengths γ_j t of shape (M,) and Γ t, outcomes and offsets of shape (M-2,), and the
`Static` facts that decide which symmetries hold. Nothing is checked here: `jaxent.dephasing` does. Cost: O(D^4) for
M = 3 and its eigenvalues, O(M D^6) beyond, D the number of Dicke states kept per ensemble.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke, spectral, symmetry
from jaxent.chain import Chain
from jaxent.entanglement import entropy_difference
from jaxent.times import turns_of_products, unit

__all__ = [
    "Static",
    "coherent_information",
    "damping",
    "even_table",
    "least_log_probability",
    "log_negativity",
    "log_probability",
    "whole_state",
]

_LEAST_PROBABILITY = 1e-12
_REACH = 13.0  # standard deviations of a measured ensemble that are summed: √w beyond is 5e-19


# --------------------------------------------------------------- quantities


class Static(NamedTuple):
    """What is known when a kernel is traced."""

    chain: Chain
    top: bool  # all outcomes are N
    real: bool  # all offsets are zero
    equal: bool  # one rate for all ensembles
    shared: bool  # there is a collective noise


def log_probability(static, time, strengths, shared, outcomes, offsets):
    """Logarithm of the probability of the outcomes."""
    return _entries(static, time, strengths, shared, outcomes, offsets)[1]


def log_negativity(static, time, strengths, shared, outcomes, offsets):
    """Log negativity in bits (NaN where p is too small), and log p."""

    def blocks(strengths, shared):
        entry, log_trace, _ = _entries(static, time, strengths, shared, outcomes, offsets)
        # transposed in the first end
        return _blocks(static, lambda a, b, c, d: entry(c, b, a, d)), log_trace

    # where eigenvalues vanish (no noise, no time) the derivative is the one-sided one, towards more noise
    more = (
        (jnp.zeros_like(strengths), jnp.ones_like(shared)) if static.shared else (jnp.ones_like(strengths), shared * 0)
    )
    (matrices, log_trace), (growths, _) = jax.jvp(blocks, (strengths, shared), more)
    growths = jax.lax.stop_gradient(growths)
    norm = spectral.trace_norm(matrices, growths)
    return jnp.log2(norm) + _unless_unlikely(static, log_trace), log_trace


def coherent_information(static, time, strengths, shared, outcomes, offsets):
    """Coherent information in bits (NaN where p is too small), and log p."""
    entry, log_trace, last = _entries(static, time, strengths, shared, outcomes, offsets)
    difference = functools.partial(entropy_difference, static.chain.dimension)
    bits = spectral.of_eigenvalues(difference, [last(), *_blocks(static, entry)])
    return bits + _unless_unlikely(static, log_trace), log_trace


def _unless_unlikely(static, log_trace):
    return jnp.where(log_trace > least_log_probability(static.chain), 0.0, jnp.nan)


def least_log_probability(chain: Chain) -> float:
    """Log p below which the state is rounding: its elements are sums of terms of either sign."""
    return math.log(_LEAST_PROBABILITY) * max(1, chain.n_ensembles - 2)


def _blocks(static, entry):
    """The blocks of a matrix over pairs of ends that has the symmetries of the end-to-end state.

    The parity of all ensembles together is a symmetry of every chain without offsets. The exchange of the ends is one
    where the matrices are real: for three ensembles that dephase alike, each by itself; with offsets, only together
    with the parity.
    """
    alike = static.chain.n_ensembles == 3 and static.equal and not static.shared
    found = symmetry.sectors(
        static.chain.dimension,
        parity=static.real,
        exchange=static.real and alike,
        mirror=alike,
    )
    return [symmetry.block(sector, entry) for sector in found]


def _entries(static, time, strengths, shared, outcomes, offsets):
    """The normalized state as a function of its indices, the logarithm of its trace, and the state of the last end.

    Local phases are left out. For M = 3 without a collective noise no array of D^4 elements is formed.
    """
    chain = static.chain
    if chain.n_ensembles != 3 or static.shared:
        state, log_trace = _reduced_state(static, time, strengths, shared, outcomes, offsets)
        return (lambda a, b, c, d: state[a, c, b, d]), log_trace, lambda: jnp.einsum("aabd->bd", state)
    table = even_table(chain, time, strengths[1], outcomes[0], offsets[0], static.top)
    size = chain.dimension
    weights = jnp.exp(dicke.log_weights(chain.n_atoms, chain.window))
    index = jax.lax.iota(int, size)
    difference = index[:, None] - index + (size - 1)  # k_1 - k_3, as an index into the table
    diagonal = jnp.diagonal(table)[difference]
    trace = jnp.einsum("a,b,ab->", weights, weights, diagonal)
    safe = jnp.where(trace > 0, trace, 1.0)
    root = jnp.sqrt(weights)
    first, third = (damping(index[:, None] - index, strengths[j]) * root[:, None] * root for j in (0, 2))

    def entry(a, b, c, d):
        return table[a - b + (size - 1), c - d + (size - 1)] * first[a, c] * third[b, d] / safe

    def last():
        mixed = jnp.einsum("a,abd->bd", weights, table[difference[:, :, None], difference[:, None, :]])
        return mixed * third / safe

    return entry, jnp.where(trace > 0, jnp.log(safe), -jnp.inf), last


def _reduced_state(static, time, strengths, shared, outcomes, offsets):
    """The normalized state without local phases, index order (k_1, k_1', k_M, k_M'), and the logarithm of its trace."""
    chain = static.chain
    if not static.shared:
        state, log_trace = local_state(chain, time, strengths, outcomes, offsets, static.top)
    else:
        states = chain.states

        def at(angle):
            state, log_trace = local_state(chain, time, strengths, outcomes, offsets + angle, static.top)
            phase = unit((states[:, None] - states) * (angle / (2 * jnp.pi)))
            return state * jnp.exp(log_trace) * phase[:, :, None, None] * phase

        state, log_trace = normalized(shared_average(chain, shared, at))
    if static.real and chain.n_ensembles % 2 and not static.shared:
        state = state.real
    return state, log_trace


def whole_state(static, time, strengths, shared, outcomes, offsets):
    """The state with all phases, index order (k_1, k_M, k_1', k_M')."""
    state, log_trace = _reduced_state(static, time, strengths, shared, outcomes, offsets)
    left, right, _ = reduced.local_phases(static.chain, time, outcomes, offsets)
    frame = unit(left)[:, None] * unit(right)
    return jnp.transpose(state, (0, 2, 1, 3)) * frame[:, :, None, None] * frame.conj(), log_trace


# ------------------------------------------------------------------ the state


def even_table(chain, time, strength, outcome, offset, top):
    """g(d t + φ, d' t + φ) of a measured even ensemble, for the differences d, d' = -(D-1)…D-1.

    Args:
        chain: the chain.
        time: one time, checked.
        strength: γ t of this ensemble, scalar.
        outcome: q, integer scalar.
        offset: φ in radians, scalar.
        top: whether q is known to be N.

    Returns:
        real symmetric array of shape (2D-1, 2D-1).
    """
    states, weights = _measured_states(chain.n_atoms)
    if top:
        coefficients = jnp.asarray(weights, offset.dtype)
    else:
        row = dicke.x_basis(chain.n_atoms, outcome, _measured_window(chain.n_atoms))
        coefficients = jnp.asarray(np.sqrt(weights), offset.dtype) * row
    doubled = 2 * states - chain.n_atoms
    differences = np.arange(1 - chain.dimension, chain.dimension)
    phase = turns_of_products(doubled, differences, time, 1) + doubled[:, None] * (offset / (4 * jnp.pi))
    waves = coefficients[:, None] * unit(phase)
    decay = damping(np.subtract.outer(states, states), strength)
    damped = jnp.matmul(decay, jnp.stack([waves.real, waves.imag]), precision="highest")
    return jnp.einsum("kd,ke->de", waves.real, damped[0], precision="highest") + jnp.einsum(
        "kd,ke->de", waves.imag, damped[1], precision="highest"
    )


def _measured_window(n_atoms: int) -> float | None:
    """The window in which a measured even ensemble is summed; None where all its states are."""
    return _REACH if 2 * dicke.window_half_width(n_atoms, _REACH) <= n_atoms else None


@functools.lru_cache(maxsize=8)
def _measured_states(n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    states = dicke.window_states(n_atoms, _measured_window(n_atoms))
    return states, np.exp(dicke.log_weights_host(n_atoms, states))


def damping(differences, strength):
    """e^(-2 γ t (k-k')²) for integer differences; `strength` is γ t."""
    squares = jnp.asarray(differences, strength.dtype) ** 2
    return jnp.exp(-2 * strength * squares)


def local_state(chain, time, strengths, outcomes, offsets, top):
    """Unnormalized state of the ends under dephasing of each ensemble by itself, without local phases.

    What is left out are the phases of `reduced.local_phases`, diagonal unitaries of the ends. Real for φ = 0 and
    odd M, in value though not in type beyond M = 3.

    Args:
        chain: the chain.
        time: one time for all bonds.
        strengths: γ_1 t … γ_M t, shape (M,).
        outcomes: shape (M-2,).
        offsets: shape (M-2,).
        top: whether all outcomes are known to be N.

    Returns:
        array of shape (D, D, D, D) in the order (k_1, k_1', k_M, k_M'), trace one, and the logarithm of its trace.
    """
    n_ensembles, dimension = chain.n_ensembles, chain.dimension
    states = chain.states
    doubled = 2 * states - chain.n_atoms
    root = jnp.exp(dicke.log_weights(chain.n_atoms, chain.window) / 2)
    pairs = np.subtract.outer(states, states)

    def end(ensemble):  # √w √w' with its damping, over (k, k')
        return root[:, None] * root * damping(pairs, strengths[ensemble - 1])

    if n_ensembles == 2:
        bond = unit(turns_of_products(doubled, doubled, time, 2))
        state = end(1)[:, :, None, None] * end(2) * bond[:, None, :, None] * bond.conj()[None, :, None, :]
        return normalized(state)

    def even_factor(strength, outcome, offset):
        table = even_table(chain, time, strength, outcome, offset, top)
        difference = jax.lax.iota(int, dimension)[:, None] - jax.lax.iota(int, dimension) + (dimension - 1)
        # (k, k', l, l') → g(k - l, k' - l')
        return table[difference[:, None, :, None], difference[None, :, None, :]]

    def odd_diagonal(strength, outcome, offset):
        basis = root if top else dicke.x_basis(chain.n_atoms, outcome, chain.window)
        vector = root * basis * unit(doubled * (offset / (4 * jnp.pi)))
        return vector[:, None] * vector.conj() * damping(pairs, strength)

    even = (strengths[1 : n_ensembles - 1 : 2], outcomes[0::2], offsets[0::2])
    odd = (strengths[2 : n_ensembles - 1 : 2], outcomes[1::2], offsets[1::2])
    state = end(1)[:, :, None, None] * even_factor(*(x[0] for x in even))
    if n_ensembles == 3:
        return normalized(state * end(3))

    def step(carry, factors):
        matrix, log_trace = carry
        odd_here, even_next = factors
        matrix = (matrix * odd_diagonal(*odd_here)).reshape(dimension**2, dimension**2)
        following = even_factor(*even_next).reshape(dimension**2, dimension**2)
        advanced = jnp.matmul(matrix, following.astype(matrix.dtype), precision="highest")
        scale = jax.lax.stop_gradient(jnp.max(jnp.abs(advanced)))
        scale = jnp.where(scale > 0, scale, 1.0)
        return ((advanced / scale).reshape((dimension,) * 4), log_trace + jnp.log(scale)), None

    following = jax.tree.map(lambda x: x[1:], even)
    count = following[0].shape[0]
    start = (state.astype(jnp.result_type(state.dtype, 1j)), jnp.zeros((), root.dtype))
    (state, log_scale), _ = jax.lax.scan(step, start, (jax.tree.map(lambda x: x[:count], odd), following))
    if n_ensembles % 2:
        state = state * end(n_ensembles)
    else:
        bond = unit(turns_of_products(doubled, doubled, time, 2))
        state = state * odd_diagonal(*(x[-1] for x in odd))
        state = jnp.einsum("abkl,kc,ld->abcd", state, bond, bond.conj(), precision="highest")
        state = state * end(n_ensembles)
    state, log_trace = normalized(state)
    return state, log_trace + log_scale


def normalized(state):
    """A state of index order (k_1, k_1', k_M, k_M') divided by its trace, and the logarithm of that."""
    trace = jnp.einsum("aabb->", state).real
    safe = jnp.where(trace > 0, trace, 1.0)
    return state / safe, jnp.where(trace > 0, jnp.log(safe), -jnp.inf)


def shared_average(chain, strength, kernel):
    """Average of kernel(θ) over the phase θ = 2 √(Γ t) ξ that a collective noise writes on every ensemble.

    The kernel is a trigonometric polynomial in θ of degree F = Σ_j max |k_j - k_j'|, so 2F + 1 nodes on the circle
    with the weights (1/L) Σ_n e^(-2Γt n²) e^(-inθ) give its average exactly, for any Γ t.

    Args:
        chain: the chain.
        strength: Γ t, scalar.
        kernel: function of θ (radians) that returns an array.

    Returns:
        array of the kernel's shape and type.
    """
    degree = _shared_degree(chain)
    length = 2 * degree + 1
    frequencies = np.arange(-degree, degree + 1)
    cosines = np.cos(2 * np.pi * (np.outer(np.arange(length), frequencies) % length) / length) / length
    weights = jnp.asarray(cosines, strength.dtype) @ damping(frequencies, strength)
    angles = jnp.asarray(2 * np.pi * np.arange(length) / length, strength.dtype)
    shape = jax.eval_shape(kernel, angles[0])

    def step(total, node):
        weight, angle = node
        return total + weight * kernel(angle), None

    return jax.lax.scan(step, jnp.zeros(shape.shape, shape.dtype), (weights, angles))[0]


def _shared_degree(chain: Chain) -> int:
    """Largest |Σ_j (k_j - k_j')| over the states that are kept (ends and odd ones) or summed (even measured ones)."""
    n_even = (chain.n_ensembles - 1) // 2
    return n_even * (len(_measured_states(chain.n_atoms)[0]) - 1) + (chain.n_ensembles - n_even) * (chain.dimension - 1)
