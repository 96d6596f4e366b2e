"""Compute one case of the dephased protocol: the mixed state of the ends, as a product over pairs of Dicke states.

H and every S_z are diagonal in the Dicke basis, so the master equation (29) multiplies each element of ρ by

    exp(-2 t Σ_j γ_j (k_j - k'_j)²),

and one phase noise shared by all ensembles (rate Γ) by exp(-2 Γ t (Σ_j (k_j - k'_j))²). The ends have only these
factors. On a measured ensemble j dephasing acts as a random offset, normal with standard deviation s = 2 √(γ_j t): for
even j

    g(α, α') = E_ξ[f_q(α + sξ) f_q(α' + sξ)] = Σ_mm' c_m c_m' e^(i(mα - m'α')) e^(-s² (m-m')²/2),

f_q being the trigonometric polynomial (23) with coefficients c_m = ⟨q|m⟩ √w_m, m = k - N/2 (see
`noise.measured_ensemble`). A chain is a product of such matrices over pairs (k, k').

Every function takes one time, the strengths γ_j t of shape (M,) and Γ t, outcomes and offsets of shape (M-2,), and the
`Static` facts that decide which symmetries hold. Arguments are not checked here. Cost: O(D^4) for M = 3 and its
eigenvalues, O(M D^6) for larger M, D the number of Dicke states kept per ensemble.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke, spectral
from jaxent.chain import Chain
from jaxent.entanglement.measures import beyond_rounding, entropy_difference
from jaxent.measurement import Records, fourier_matrix
from jaxent.noise import measured_ensemble, pair_symmetry
from jaxent.noise.jitter import Jittered, bond_kernel, jittered_table
from jaxent.numerics.algebra import (
    between_diagonals,
    complex_type,
    matmul,
    multiply,
    scaled_columns,
)
from jaxent.protocol import dense, matrix_product, sizes
from jaxent.runtime import execution
from jaxent.times import time_value, turns, turns_of_products, unit

__all__ = [
    "Static",
    "coherent_information",
    "log_negativity",
    "log_probability",
    "lost_of_table",
    "rounded_log_negativity",
    "whole_state",
]

# --------------------------------------------------------------- quantities


class Static(NamedTuple):
    """Hold what is known about the arguments when a kernel is traced."""

    chain: Chain
    all_outcomes_n: bool  # all outcomes are known to be N
    no_offset: bool  # all offsets are known to be zero
    equal: bool  # one rate for all ensembles
    shared: bool  # there is a collective noise
    asymmetric: bool = False  # lost atoms, or a jitter, break the symmetries and make the state complex


def log_probability(static, time, strengths, shared, outcomes, offsets):
    """Compute log p of the outcomes, NaN where the digits of the state are lost; for M = 3 use `coherence_sum`."""
    found = _entries(static, time, strengths, shared, outcomes, offsets)
    log_trace, lost = found.log_trace, found.lost
    log_p = dense.without_slope_at_zero(log_trace, log_trace, time, strengths, shared, offsets)
    return dense.guarded(log_p, log_p, lost)[1]


def log_negativity(static, time, strengths, shared, outcomes, offsets):
    """Compute the log negativity in bits (NaN where p = 0) and log p, both NaN where the digits are lost."""
    return dense.guarded(*rounded_log_negativity(static, time, strengths, shared, outcomes, offsets))


def rounded_log_negativity(static, time, strengths, shared, outcomes, offsets):
    """Compute the log negativity in bits and log p, even where digits are lost, and the relative error of the state."""

    def blocks(strengths, shared):
        found = _entries(static, time, strengths, shared, outcomes, offsets)
        # partial transpose in the first end
        transposed = _blocks(static, lambda a, b, c, d: found.entry(c, b, a, d))
        return transposed, found.log_trace, found.lost

    # where eigenvalues vanish (no noise, or t = 0) the derivative is one-sided, towards more noise: the shared noise if
    # there is any; at t = 0 all noises, because time increases all of them and their signs agree
    local = jnp.asarray(time_value(time) == 0, strengths.dtype) if static.shared else 1.0
    more = (jnp.ones_like(strengths) * local, jnp.full_like(shared, static.shared))
    (matrices, log_trace, lost), (growths, *_) = jax.jvp(blocks, (strengths, shared), more)
    growths = jax.lax.stop_gradient(growths)
    norm = spectral.trace_norm(matrices, growths)
    return beyond_rounding(jnp.log2(norm), matrices), log_trace, lost


def coherent_information(static, time, strengths, shared, outcomes, offsets):
    """Compute the coherent information in bits and log p, NaN as in `log_negativity`."""
    found = _entries(static, time, strengths, shared, outcomes, offsets)
    difference = functools.partial(entropy_difference, _ends_dimensions(static.chain)[1])
    bits = spectral.of_eigenvalues(difference, [found.last(), *_blocks(static, found.entry)])
    return dense.guarded(bits, found.log_trace, found.lost)


def _blocks(static, entry):
    """Split a matrix over pairs of ends into blocks, by the symmetries of the end-to-end state.

    The parity of all ensembles together is a symmetry of every chain without offsets. The exchange of the ends is a
    symmetry where the matrices are real: for three ensembles with independent dephasing of equal rate. With offsets,
    only its product with the parity is one. Atoms that are lost leave none, as they turn the ends by how long they
    stayed, and neither do ensembles of different numbers of atoms, or a jitter that turns the ends.
    """
    symmetric = static.chain.is_uniform and not static.asymmetric
    alike = static.chain.n_ensembles == 3 and static.equal and not static.shared and symmetric
    no_offset = static.no_offset and symmetric
    found = pair_symmetry.sectors(
        _ends_dimensions(static.chain), parity=no_offset, exchange=no_offset and alike, mirror=alike
    )
    return [pair_symmetry.block(sector, entry) for sector in found]


def _ends_dimensions(chain) -> tuple[int, int]:
    first, last = chain.ends
    return first.dimension, last.dimension


class _Entries(NamedTuple):
    """Provide the normalized state of the ends, element by element."""

    entry: Callable  # function of the indices of k_1, k_M, k_1', k_M'
    log_trace: jax.Array
    lost: jax.Array  # relative rounding error
    last: Callable  # function that returns the state of the last end


def _entries(static, time, strengths, shared, outcomes, offsets) -> _Entries:
    """Prepare the state without local phases; for M = 3 without collective noise no array of D^4 elements is formed."""
    chain = static.chain
    if (chain.n_ensembles != 3 or static.shared) and not isinstance(outcomes, Jittered):
        state, log_trace, lost = _reduced_state(static, time, strengths, shared, outcomes, offsets)
        return _Entries(lambda a, b, c, d: state[a, c, b, d], log_trace, lost, lambda: jnp.einsum("aabd->bd", state))
    middle = chain.ends[1].dimension - 1
    table = even_table(
        *(chain.ensemble(2).n_atoms, dicke.differences(*chain.ends), time, strengths[1], outcomes[0], offsets[0]),
        static.all_outcomes_n,
    )
    if isinstance(outcomes, Jittered) and outcomes.by_bonds:
        whole = bond_kernel(chain, time, strengths[1], outcomes[0], offsets[0], static.all_outcomes_n)

        def kernel(a, b, c, d):
            return whole[a, b, c, d]
    else:

        def kernel(a, b, c, d):
            return table[a - b + middle, c - d + middle]

    weights, last_weights = (jnp.exp(dicke.log_weights(end.n_atoms, end.window)) for end in chain.ends)
    first, third = (
        _damped(end, jnp.sqrt(weight), strengths[j])
        for end, weight, j in zip(chain.ends, (weights, last_weights), (0, 2), strict=True)
    )
    index, last_index = jax.lax.iota(int, len(weights)), jax.lax.iota(int, len(last_weights))
    ends = index[:, None], last_index[None, :]
    diagonal = kernel(*ends, *ends).real
    trace = jnp.einsum("a,b,ab->", weights, last_weights, diagonal)
    safe = jnp.where(trace > 0, trace, 1.0)

    def entry(a, b, c, d):
        return multiply(kernel(a, b, c, d), first[a, c] * third[b, d] / safe)

    def last():
        each, one, other = index[:, None, None], last_index[None, :, None], last_index[None, None, :]
        mixed = jnp.einsum("a,abd->bd", weights.astype(table.dtype), kernel(each, one, each, other))
        return multiply(mixed, third / safe)

    lost = lost_of_table(chain, table, time, strengths[1], outcomes[0], offsets[0], static.all_outcomes_n)
    return _Entries(entry, jnp.where(trace > 0, jnp.log(safe), -jnp.inf), lost, last)


def even_table(n_atoms, differences, time, strength, outcome, offset, all_outcomes_n, wrong=False):
    """Compute `measured_ensemble.even_table`, or its average over a jitter."""
    of = jittered_table if isinstance(outcome, Jittered) else measured_ensemble.even_table
    return of(n_atoms, differences, time, strength, outcome, offset, all_outcomes_n, wrong)


def _damped(ensemble, root, strength):
    """Compute √w √w' e^(-2γt(k-k')²) of an end, over (k, k')."""
    pairs = np.subtract.outer(ensemble.states, ensemble.states)
    return between_diagonals(root, measured_ensemble.damping(pairs, strength), root)


def lost_of_table(chain, table, time, strength, outcome, offset, all_outcomes_n):
    """Estimate the relative rounding error of the state of three ensembles from the `even_table` of the middle one."""
    time, strength, offset = jax.lax.stop_gradient((time, strength, offset))
    differences, pairs = sizes.pair_weights(chain)
    n_atoms = chain.ensemble(2).n_atoms
    wrong = even_table(n_atoms, differences, time, strength, outcome, offset, all_outcomes_n, wrong=True)
    weights = jnp.asarray(pairs, offset.dtype)
    return jnp.maximum(
        matrix_product.lost_by_values(jnp.diagonal(table), jnp.diagonal(wrong), weights),
        matrix_product.lost_by_values(table, wrong, weights[:, None] * weights[None, :]),
    )


def _reduced_state(static, time, strengths, shared, outcomes, offsets):
    """Compute the normalized state without local phases (k_1, k_1', k_M, k_M'), log of its trace, and its error."""
    chain = static.chain
    if not static.shared:
        state, log_trace, lost = local_state(chain, time, strengths, outcomes, offsets, static.all_outcomes_n)
    else:
        first_states, last_states = (end.states for end in chain.ends)

        def at(angle):
            state, log_trace, lost = local_state(
                chain, time, strengths, outcomes, offsets + angle, static.all_outcomes_n
            )
            phase, last_phase = (
                unit(jnp.asarray(np.subtract.outer(states, states), angle.dtype) * (angle / (2 * jnp.pi)))
                for states in (first_states, last_states)
            )
            trace = jnp.exp(log_trace)
            error = trace * jnp.minimum(lost, 1.0)
            first = multiply(multiply(state, trace), phase[:, :, None, None])
            return {"state": first * last_phase[None, None, :, :], "error": error}

        found = shared_average(chain, shared, at)
        state, log_trace = normalized(found["state"])
        lost = jax.lax.stop_gradient(found["error"] * jnp.exp(-log_trace))
    is_real = chain.n_ensembles == 3 or (chain.n_ensembles % 2 and chain.is_uniform)
    if static.no_offset and is_real and not static.shared and not static.asymmetric:
        state = state.real
    return state, log_trace, lost


def whole_state(static, time, strengths, shared, outcomes, offsets):
    """Compute the state with all phases, index order (k_1, k_M, k_1', k_M'), and log p, NaN as in `log_negativity`."""
    if isinstance(outcomes, Jittered):
        found = _entries(static, time, strengths, shared, outcomes, offsets)
        first, last = (jax.lax.iota(int, size) for size in _ends_dimensions(static.chain))
        a, c = first[:, None, None, None], first[None, :, None, None]
        b, d = last[None, None, :, None], last[None, None, None, :]
        state = found.entry(a, b, c, d)
        state, log_trace, lost = state.astype(complex_type(state.dtype)), found.log_trace, found.lost
    else:
        state, log_trace, lost = _reduced_state(static, time, strengths, shared, outcomes, offsets)
    whole = jnp.zeros(offsets.shape, int)  # outcomes turn the phase of the whole state alone
    left, right, _ = matrix_product.local_phases(static.chain, time, whole, offsets)
    if isinstance(outcomes, Jittered) and not outcomes.of_numbers:
        left, right = jnp.zeros_like(left), jnp.zeros_like(right)
    frame = unit(left)[:, None] * unit(right)[None, :]
    state = multiply(jnp.transpose(state, (0, 2, 1, 3)), frame[:, :, None, None]) * frame.conj()[None, None, :, :]
    return dense.guarded(state, log_trace, lost)


# ------------------------------------------------------------------ the state


class _Factors:
    """Compute the factors of the state along the chain; with `wrong`, perturbed by their rounding."""

    def __init__(self, chain, time, strengths, all_outcomes_n, wrong):
        if wrong:
            time, strengths = jax.lax.stop_gradient((time, strengths))
        self.chain, self.time, self.strengths = chain, time, strengths
        self.all_outcomes_n, self.wrong = all_outcomes_n, wrong

    def _changed(self, values):
        return matrix_product.roundings(values) if self.wrong else values

    def end(self, number):
        """Compute √w √w' with its damping, over (k, k')."""
        ensemble = self.chain.ensemble(number)
        return self._changed(_damped(ensemble, matrix_product.root_weights(ensemble), self.strengths[number - 1]))

    def even(self, number, strength, outcome, offset):
        """Compute g(k - l, k' - l') over (k, k', l, l')."""
        left, own, right = matrix_product.around(self.chain, number)
        table = measured_ensemble.even_table(
            *(own.n_atoms, dicke.differences(left, right), self.time, strength, outcome, offset),
            *(self.all_outcomes_n, self.wrong),
        )
        index, right_index = jax.lax.iota(int, left.dimension), jax.lax.iota(int, right.dimension)
        difference = index[:, None] - right_index[None, :] + (right.dimension - 1)
        return table[difference[:, None, :, None], difference[None, :, None, :]]

    def odd(self, number, strength, outcome, offset):
        """Compute √w ⟨q|k⟩ e^(i m φ) times its adjoint at k', with its damping, over (k, k')."""
        left, own, right = matrix_product.around(self.chain, number)
        phase = jnp.asarray(own.doubled, offset.dtype) * (offset / (4 * jnp.pi))
        if left.n_atoms != right.n_atoms:
            phase = phase + turns(own.doubled * (right.n_atoms - left.n_atoms), self.time, 2)
        decay = measured_ensemble.damping(np.subtract.outer(own.states, own.states), strength)
        if isinstance(outcome, Records):
            matrix = fourier_matrix(own.n_atoms, outcome, self.time, own.states)
            if self.wrong:
                matrix = matrix + matrix_product.row_error(own.n_atoms, matrix)
            return self._changed(between_diagonals(unit(phase), (matrix * decay).astype(complex), unit(-phase)))
        root = matrix_product.root_weights(own)
        basis = root if self.all_outcomes_n else dicke.x_basis(own.n_atoms, outcome, own.window)
        if self.wrong and not self.all_outcomes_n:
            basis = basis + matrix_product.row_error(own.n_atoms, basis)
        vector = multiply(root * basis, unit(phase))
        return self._changed(between_diagonals(vector, decay, vector.conj()))

    def last_bond(self):
        """Compute e^(i m_k m_l t - i m_k' m_l' t) over (k, k', l, l')."""
        number = self.chain.n_ensembles
        left, right = (self.chain.ensemble(one).doubled for one in (number - 1, number))
        bond = unit(turns_of_products(left, right, self.time, 2))
        return self._changed(bond[:, None, :, None] * bond.conj()[None, :, None, :])


def local_state(chain, time, strengths, outcomes, offsets, all_outcomes_n):
    """Compute the state of the ends under independent dephasing of each ensemble, without local phases.

    The phases of `matrix_product.local_phases`, diagonal unitaries of the ends, are left out. The state is real for
    φ = 0 and odd M; for M > 3 its dtype is complex all the same. The error is estimated from a perturbed copy (twin) as
    in `protocol.matrix_product`.

    Args:
        chain: the chain.
        time: one time for all bonds.
        strengths: γ_1 t … γ_M t, shape (M,).
        outcomes: shape (M-2,), or `Records`.
        offsets: shape (M-2,).
        all_outcomes_n: whether all outcomes are known to be N.

    Returns:
        array of shape (D_1, D_1, D_M, D_M) in the order (k_1, k_1', k_M, k_M'), trace one, the logarithm of its
        trace, and its relative error by rounding.
    """
    n_ensembles = chain.n_ensembles
    both = [_Factors(chain, time, strengths, all_outcomes_n, wrong) for wrong in (False, True)]
    true = both[0]
    if n_ensembles == 2:
        first, second = true.end(1)[:, :, None, None], true.end(2)[None, None, :, :]
        return *normalized(multiply(multiply(first, true.last_bond()), second)), jnp.zeros(())
    even = (strengths[1 : n_ensembles - 1 : 2], outcomes[0::2], offsets[0::2])
    of_odd = outcomes.without_loss() if isinstance(outcomes, Records) else outcomes
    odd = (strengths[2 : n_ensembles - 1 : 2], of_odd[1::2], offsets[1::2])

    def flat(factor):
        return factor.reshape(factor.shape[0] ** 2, factor.shape[-1] ** 2)

    def along(carry, diagonals, following):
        """Multiply the carry by a diagonal over (k, k') and a factor, both the true and the perturbed ones."""
        matrix, twin, log_norm = carry
        matrix, twin = (scaled_columns(part, d.reshape(-1)) for part, d in zip((matrix, twin), diagonals, strict=True))
        return matrix_product.onwards(
            (matrix, twin, log_norm), *(flat(factor).astype(matrix.dtype) for factor in following)
        )

    first_dimension, last_dimension = _ends_dimensions(chain)
    signs = jnp.asarray(matrix_product.signs_of((matrix_product.N_SIGNS, first_dimension**2)), offsets.dtype)
    starts = [flat(one.end(1)[:, :, None, None] * one.even(2, *(x[0] for x in even))) for one in both]
    kind = starts[0].dtype if n_ensembles == 3 else complex_type(starts[0].dtype)
    matrix, log_norm = matrix_product.normalized(starts[0].astype(kind))
    carry = matrix, matrix_product.divided(matmul(signs, starts[1]).astype(kind), log_norm), log_norm

    def step(carry, factors, number=3):
        odd_here, even_next = factors
        diagonals = [one.odd(number, *odd_here) for one in both]
        return along(carry, diagonals, [one.even(number + 1, *even_next) for one in both]), None

    following = jax.tree.map(lambda x: x[1:], even)
    count = following[0].shape[0]
    steps = jax.tree.map(lambda x: x[:count], odd), following
    if chain.is_uniform:
        carry, _ = execution.scan(step, carry, steps)
    else:  # the factors of each step have shapes of their own
        for index in range(count):
            carry, _ = step(carry, jax.tree.map(lambda x, index=index: x[index], steps), 3 + 2 * index)
    if n_ensembles % 2 == 0:
        diagonals = [one.odd(n_ensembles - 1, *(x[-1] for x in odd)) for one in both]
        carry = along(carry, diagonals, [one.last_bond() for one in both])
    matrix, twin, log_norm = carry
    ends = [one.end(n_ensembles).reshape(-1) for one in both]
    matrix, twin = (scaled_columns(part, end) for part, end in zip((matrix, twin), ends, strict=True))
    state, log_trace = normalized(matrix.reshape((first_dimension,) * 2 + (last_dimension,) * 2))
    # the matrix was divided by the root of e^log_norm
    return state, log_trace + log_norm / 2, matrix_product.apart(matrix, twin, signs)


def normalized(state):
    """Divide a state of index order (k_1, k_1', k_M, k_M') by its trace; return also the logarithm of the trace."""
    trace = jnp.einsum("aabb->", state).real
    safe = jnp.where(trace > 0, trace, 1.0)
    return state / safe.astype(state.dtype), jnp.where(trace > 0, jnp.log(safe), -jnp.inf)


def shared_average(chain, strength, kernel):
    """Average kernel(θ) over the random phase θ = 2 √(Γ t) ξ that collective noise adds to every ensemble.

    The kernel is a trigonometric polynomial in θ of degree F = Σ_j max |k_j - k_j'|, so 2F + 1 nodes on the circle
    with the weights (1/L) Σ_n e^(-2Γt n²) e^(-inθ) give its average exactly, for any Γ t.

    Args:
        chain: the chain.
        strength: Γ t, scalar.
        kernel: function of θ (radians) that returns a pytree of arrays.

    Returns:
        the pytree of averages.
    """
    degree = _shared_degree(chain)
    length = 2 * degree + 1
    frequencies = np.arange(-degree, degree + 1)
    cosines = np.cos(2 * np.pi * (np.outer(np.arange(length), frequencies) % length) / length) / length
    weights = jnp.asarray(cosines, strength.dtype) @ measured_ensemble.damping(frequencies, strength)
    angles = jnp.asarray(2 * np.pi * np.arange(length) / length, strength.dtype)
    shapes = jax.eval_shape(kernel, angles[0])

    def step(total, node):
        weight, angle = node
        return jax.tree.map(lambda sum_, term: sum_ + multiply(weight, term), total, kernel(angle)), None

    return jax.lax.scan(step, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes), (weights, angles))[0]


def _shared_degree(chain: Chain) -> int:
    """Compute the largest |Σ_j (k_j - k_j')| over states kept (ends, odd ensembles) or summed (even measured ones)."""
    total = 0
    for number in range(1, chain.n_ensembles + 1):
        ensemble = chain.ensemble(number)
        summed = number % 2 == 0 and number < chain.n_ensembles
        total += (measured_ensemble.n_summed_states(ensemble.n_atoms) if summed else ensemble.dimension) - 1
    return total
