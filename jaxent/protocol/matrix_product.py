"""The end-to-end matrix of one case as a product along the chain, with an estimate of the digits it lost.

    A[k_1, k_M] = diag(√w) Ω_2 diag(√w ω_3) Ω_4 diag(√w ω_5) …

as `protocol.dense` explains, without its local phases. Ensembles of different numbers of atoms make the factors
rectangular. The sum over an odd ensemble may cancel: for an outcome that can
hardly occur all terms together leave 10^-16 of each, which is rounding. So beside the product runs a *twin*: the same
chain, applied to a few rows of signs only, with every factor changed by its rounding error. The distance of both is
the relative error of the product in the Frobenius norm, to a factor of about two, at a cost of O(M D²).

References: J. Vignes, Math. Comput. Simul. 35, 233 (1993), stochastic arithmetic; M. F. Hutchinson, Commun. Stat.
Simul. Comput. 18, 1059 (1989), norms from random signs.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import arguments, dicke
from jaxent.numerics import rounding
from jaxent.numerics.algebra import complex_type, log_magnitude, matmul, multiply, scaled_columns
from jaxent.runtime import execution
from jaxent.times import BondTimes, PiFraction, cos_sin_turns, turns, turns_of_products, unit

__all__ = [
    "N_SIGNS",
    "Reduced",
    "angle_error",
    "apart",
    "around",
    "divided",
    "even_values",
    "local_phases",
    "lost_by_values",
    "normalized",
    "onwards",
    "overlap",
    "reduced_matrix",
    "root_weights",
    "roundings",
    "row_error",
    "signs_of",
    "toeplitz",
    "turns_size",
    "vanish_exactly",
]

N_SIGNS = 8  # rows that the twin is applied to


class Reduced(NamedTuple):
    """Hold a normalized matrix, log Σ|A|² before normalization, and its relative error."""

    matrix: jax.Array
    log_norm: jax.Array
    lost: jax.Array


def reduced_matrix(chain, time, outcomes, offsets, all_outcomes_n, no_offset) -> Reduced:
    """Compute normalized amplitudes without local phases; they are real for no offset, one time and odd M.

    Arguments as the kernels of `protocol.dense`.
    """
    true, other = (
        _Factors(chain, time, outcomes, offsets, all_outcomes_n, no_offset, wrong) for wrong in (False, True)
    )
    root, other_root = true.root(1), other.root(1)
    if chain.n_ensembles == 2:
        return Reduced(*normalized(multiply(root[:, None], true.last_bond())), jnp.zeros(()))
    first, even = jax.tree.map(lambda x: x[0], true.even), jax.tree.map(lambda x: x[1:], true.even)
    signs = jnp.asarray(signs_of((N_SIGNS, len(root))), root.dtype)
    start = root[:, None] * true.even_factor(first, 2)
    twin = matmul(scaled_columns(signs, other_root), other.even_factor(first, 2))
    last_root, other_last_root = (factors.root(chain.n_ensembles) for factors in (true, other))
    if chain.n_ensembles == 3:
        return compared(scaled_columns(start, last_root), scaled_columns(twin, other_last_root), signs, jnp.zeros(()))
    onward = _equal_steps if chain.is_uniform else _different_steps
    carry, diagonals = onward(true, other, start, twin, even)
    matrix, twin, log_norm = carry
    if chain.n_ensembles % 2:
        return compared(scaled_columns(matrix, last_root), scaled_columns(twin, other_last_root), signs, log_norm)
    matrix, twin = (scaled_columns(part, diagonal) for part, diagonal in zip((matrix, twin), diagonals, strict=True))
    matrix, twin, log_norm = onwards((matrix, twin, log_norm), true.last_bond(), other.last_bond())
    return Reduced(matrix, log_norm, apart(matrix, twin, signs))


def _equal_steps(true, other, start, twin, even):
    """Go along the measured ensembles after the second by a scan, whose factors all have one shape.

    Returns:
        carry before the last ensemble, and for even M the diagonals of the last measured one.
    """
    diagonals, other_diagonals = (
        jax.vmap(functools.partial(factors.odd_diagonal, number=3))(factors.odd) for factors in (true, other)
    )

    def step(carry, factors):
        matrix, twin, log_norm = carry
        diagonal, other_diagonal, following = factors
        carry = scaled_columns(matrix, diagonal), scaled_columns(twin, other_diagonal), log_norm
        return onwards(carry, true.even_factor(following, 2), other.even_factor(following, 2)), None

    matrix, log_norm = normalized(start.astype(diagonals.dtype))
    carry = matrix, divided(twin.astype(diagonals.dtype), log_norm), log_norm
    count = even[0].shape[0]
    carry, _ = execution.scan(step, carry, (diagonals[:count], other_diagonals[:count], even))
    return carry, (diagonals[-1], other_diagonals[-1])


def _different_steps(true, other, start, twin, even):
    """Do the same one by one, where ensembles have different numbers of atoms."""
    matrix, log_norm = normalized(start.astype(complex_type(start.dtype)))
    carry = matrix, divided(twin.astype(matrix.dtype), log_norm), log_norm
    diagonals = ()
    for index in range(len(true.odd[0])):
        chosen = jax.tree.map(lambda x, index=index: x[index], true.odd)
        diagonals = tuple(factors.odd_diagonal(chosen, 3 + 2 * index) for factors in (true, other))
        if index == len(even[0]):  # the last measured ensemble of an even chain
            break
        following = jax.tree.map(lambda x, index=index: x[index], even)
        matrix, twin, log_norm = carry
        carry = scaled_columns(matrix, diagonals[0]), scaled_columns(twin, diagonals[1]), log_norm
        carry = onwards(carry, *(factors.even_factor(following, 4 + 2 * index) for factors in (true, other)))
    return carry, diagonals


def onwards(carry, factor, other_factor):
    """Go one step along the chain: multiply and normalize the matrix, and divide its twin by the same norm.

    Args:
        carry: matrix, twin, and the logarithm of the product of all squared norms divided out so far.
        factor: right factor of the matrix.
        other_factor: right factor of the twin.

    Returns:
        carry of the next step.
    """
    matrix, twin, log_norm = carry
    matrix, gained = normalized(matmul(matrix, factor))
    return matrix, divided(matmul(twin, other_factor), gained), log_norm + gained


def compared(matrix, twin, signs, log_norm) -> Reduced:
    matrix, gained = normalized(matrix)
    return Reduced(matrix, log_norm + gained, apart(matrix, divided(twin, gained), signs))


def divided(twin, log_norm):
    """Divide a twin by the norm e^(log_norm / 2) of its matrix, without derivatives."""
    return jax.lax.stop_gradient(multiply(twin, jnp.exp(-jnp.where(log_norm > -jnp.inf, log_norm, 0.0) / 2)))


def apart(matrix, twin, signs):
    """Estimate the relative error ‖S A - twin‖ / ‖S A‖ of A; it is 1 where A is zero and its twin is not."""
    of_matrix = matmul(signs, jax.lax.stop_gradient(matrix))
    difference, size = jnp.linalg.norm(of_matrix - twin), jnp.linalg.norm(of_matrix)
    apart = difference / jnp.where(size > 0, size, 1.0)
    return jnp.where(difference == 0, 0.0, jnp.where(size > 0, apart, 1.0))


class _Factors:
    """Build the factors of the product, or, if `wrong`, these changed by the largest rounding error they may have."""

    def __init__(self, chain, time, outcomes, offsets, all_outcomes_n, no_offset, wrong):
        if wrong:
            time, offsets = jax.lax.stop_gradient((time, offsets))
        self.chain, self.time, self.wrong = chain, time, wrong
        self.all_outcomes_n, self.no_offset = all_outcomes_n, no_offset
        self.uniform = not isinstance(time, BondTimes)
        self._roots = {}
        self.even, self.odd = (self._parameters(outcomes, offsets, first) for first in (0, 1))

    def root(self, number):
        """√w_k of an ensemble."""
        ensemble = self.chain.ensemble(number)
        if ensemble not in self._roots:
            self._roots[ensemble] = self._changed(root_weights(ensemble))
        return self._roots[ensemble]

    def _parameters(self, outcomes, offsets, first):
        """Select, for every second ensemble, outcome, offset and, if bond times differ, the times of both its bonds."""
        chosen = (outcomes[first::2], offsets[first::2])
        if self.uniform:
            return chosen
        return *chosen, *(_bonds(self.time, bond, len(chosen[0])) for bond in (first, first + 1))

    def even_factor(self, parameters, number):
        outcome, offset, *bonds = parameters
        left, own, right = around(self.chain, number)
        if self.uniform:
            values = even_values(
                *(own.n_atoms, self.time, outcome, offset, self.all_outcomes_n),
                dicke.differences(left, right),
                wrong=self.wrong,
            )
            return toeplitz(values, left.dimension)
        before, after = bonds
        half_angle = turns(left.states, before, 1)[:, None] - turns(right.states, after, 1)[None, :]
        half_angle = half_angle + offset / (4 * jnp.pi)
        if self.wrong:
            sizes = [turns_size(end.states, time) for end, time in zip((left, right), bonds, strict=True)]
            half_angle = half_angle + angle_error(half_angle, sum(sizes), offset)
        return self._changed(overlap(own.n_atoms, outcome, half_angle, self.all_outcomes_n))

    def odd_diagonal(self, parameters, number):
        outcome, offset, *bonds = parameters
        left, own, right = around(self.chain, number)
        root = self.root(number)
        basis = root if self.all_outcomes_n else dicke.x_basis(own.n_atoms, outcome, own.window)
        if self.wrong and not self.all_outcomes_n:
            basis = basis + row_error(own.n_atoms, basis)
        if self.no_offset and self.uniform and left.n_atoms == right.n_atoms:
            return self._changed(root * basis)
        phase = jnp.asarray(own.doubled, offset.dtype) * (offset / (4 * jnp.pi))
        if not self.uniform:
            before, after = bonds
            phase = phase + turns(own.doubled * right.n_atoms, after, 2) - turns(own.doubled * left.n_atoms, before, 2)
        elif left.n_atoms != right.n_atoms:
            phase = phase + turns(own.doubled * (right.n_atoms - left.n_atoms), self.time, 2)
        return self._changed(multiply(root * basis, unit(phase)))

    def last_bond(self):
        """e^(i m m' t) √w_m' of an even chain."""
        number = self.chain.n_ensembles
        left, right = (self.chain.ensemble(one).doubled for one in (number - 1, number))
        bond = arguments.bond_time(self.time, number - 2)
        return self._changed(scaled_columns(unit(turns_of_products(left, right, bond, 2)), self.root(number)))

    def _changed(self, values):
        """Return the values; if `wrong`, change each by its rounding error."""
        return roundings(values) if self.wrong else values


def roundings(values):
    """Values changed by two roundings each, and by those of their logarithms, up or down."""
    size = 2 - jnp.minimum(log_magnitude(values), 0.0)
    signs = jnp.asarray(signs_of(values.shape, 2), size.dtype)
    return multiply(values, 1 + rounding.epsilon(size.dtype) * size * signs)


@functools.lru_cache(maxsize=64)
def signs_of(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Draw random signs, the same at each call."""
    signs = np.random.default_rng([seed, *shape]).integers(0, 2, shape, dtype=np.int8) * 2 - 1
    signs.flags.writeable = False
    return signs


def row_error(n_atoms, row):
    """Estimate the error of a row of `dicke.x_basis`, with random signs: N/2 roundings of its norm (measured)."""
    size = jnp.linalg.norm(row) * (n_atoms / 2 / np.sqrt(row.size))
    return rounding.epsilon(row.dtype) * size * jnp.asarray(signs_of(row.shape, 1), row.dtype)


def turns_size(multiples, time):
    """Compute the largest |n t / 4π|, at most half a turn, which sets the rounding error of a phase."""
    if isinstance(time, PiFraction):  # reduced in integers, so the error is relative to the reduced phase
        return 0.0
    return jnp.minimum(float(np.abs(multiples).max()) * jnp.abs(time) / (4 * jnp.pi), 0.5)


def angle_error(half_angle, size, offset):
    """Estimate the rounding error of half angles, with random signs."""
    eps = rounding.epsilon(half_angle.dtype)
    error = eps * (jnp.abs(half_angle) + size + jnp.abs(offset) / (4 * jnp.pi))
    return error * jnp.asarray(signs_of(half_angle.shape, 3), half_angle.dtype)


def _bonds(time, first, count):
    """Select the times of `count` bonds, every second one from `first` on."""
    return jax.tree.map(lambda x: x[first::2][:count], time.times)


def local_phases(chain, time, outcomes, offsets):
    """Compute the phases that `reduced_matrix` leaves out, in turns: of k_1, of k_M, and of the whole matrix.

    With m = k - N/2: e^(i N_2 m_1 t_1/2), e^(∓ i N_(M-1) m_M t_(M-1)/2) (minus for odd M), and
    Σ_j N_j φ_j/2 + Σ_(even j) (N_j - q_j) π/2 + ¼ Σ_b (-1)^(b+1) N_b N_(b+1) t_b.
    """
    n_ensembles = chain.n_ensembles
    first, last = chain.ends
    left = turns(chain.ensemble(2).n_atoms * first.doubled, arguments.bond_time(time, 0), 2)
    beside_last = chain.ensemble(n_ensembles - 1).n_atoms
    right = turns(beside_last * last.doubled, arguments.bond_time(time, n_ensembles - 2), 2)
    if n_ensembles % 2:
        right = -right
    if isinstance(time, BondTimes) or not chain.is_uniform:
        products = [
            chain.ensemble(bond + 1).n_atoms * chain.ensemble(bond + 2).n_atoms for bond in range(n_ensembles - 1)
        ]
        bonds = [turns(_whole(x), arguments.bond_time(time, bond), 2)[0] for bond, x in enumerate(products)]
        interaction = sum(bonds[0::2]) - sum(bonds[1::2])
    else:
        interaction = turns(_whole(chain.n_atoms**2), time, 2)[0] if n_ensembles % 2 == 0 else 0.0
    quarter_turns = jnp.sum((jnp.asarray(chain.measured_atoms, outcomes.dtype) - outcomes)[0::2] % 4) % 4
    offset = jnp.sum(jnp.asarray(chain.measured_atoms, offsets.dtype) * offsets) / (4 * jnp.pi)
    overall = quarter_turns / 4 + offset + interaction
    return left, right, overall - jnp.round(overall)


def around(chain, number) -> tuple[dicke.Ensemble, ...]:
    """Return a measured ensemble between its neighbours."""
    return tuple(chain.ensemble(number + step) for step in (-1, 0, 1))


def _whole(number: int) -> np.ndarray:
    """Return an integer as an array of the host, of any size."""
    return np.array([number], dtype=object if number > 10**18 else int)


# ------------------------------------------------ one time, Toeplitz factors


def even_values(n_atoms, time, outcome, offset, all_outcomes_n, differences, wrong=False):
    """Compute f_q(d t + φ) for differences d of the host; if `wrong`, change it by the rounding error."""
    half_angle = _half_angles(time, offset, differences)
    if wrong:
        half_angle = half_angle + angle_error(half_angle, turns_size(differences, time), offset)
    values = overlap(n_atoms, outcome, half_angle, all_outcomes_n)
    return roundings(values) if wrong else values


def vanish_exactly(time, offset, differences):
    """Tell for each difference whether f_q(d t + φ) is 0 or ±1 as it stands; zeros elsewhere have underflowed."""
    cos, sin = cos_sin_turns(_half_angles(time, offset, differences))
    return (cos == 0) | (sin == 0)


def _half_angles(time, offset, differences):
    return turns(differences, time, 1) + offset / (4 * jnp.pi)


def lost_by_values(values, wrong_values, weights):
    """Relative error of a matrix whose elements are values, each as often as its weight says."""
    scale = jnp.max(jnp.abs(values))
    scale = jnp.where(scale > 0, scale, 1.0)
    total = jnp.sum(weights * (jnp.abs(values) / scale) ** 2)
    apart = jnp.sum(weights * (jnp.abs(values - wrong_values) / scale) ** 2) / jnp.where(total > 0, total, 1.0)
    # values that vanish whatever is rounded, such as those of q < N at t = 0, have lost nothing
    return jax.lax.stop_gradient(jnp.where((total > 0) | (apart == 0), jnp.sqrt(apart), 1.0))


def overlap(n_atoms, outcome, half_angle, all_outcomes_n):
    """Compute f_q(α) of equation (23), by the shorter way where q is known to be N."""
    if all_outcomes_n:
        return dicke.cos_power(n_atoms, half_angle)
    return arguments.nan_unless_possible(dicke.overlap(n_atoms, outcome, half_angle), outcome, n_atoms)


def toeplitz(values, n_rows):
    """Build the matrix T[i, j] = values[i - j + C - 1] of C columns."""
    last = values.shape[0] - n_rows
    differences = jax.lax.iota(int, n_rows)[:, None] - jax.lax.iota(int, last + 1)[None, :]
    return values[differences + last]


# ------------------------------------------------------------------ helpers


def root_weights(ensemble):
    """√w_k of the states of an ensemble."""
    return jnp.exp(dicke.log_weights(ensemble.n_atoms, ensemble.window) / 2)


def normalized(tree):
    """Divide one or several matrices by the root of the sum of all |elements|²; return them and the log of that sum."""
    leaves = jax.tree.leaves(tree)
    largest = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(x)) for x in leaves])
    scale = jax.lax.stop_gradient(jnp.where(largest > 0, largest, 1.0))
    total = sum(jnp.sum(jnp.abs(x / scale.astype(x.dtype)) ** 2) for x in leaves)
    safe = jnp.where(total > 0, total, 1.0)
    norm = scale * jnp.sqrt(safe)
    log_norm = jnp.where(total > 0, jnp.log(safe) + 2 * jnp.log(scale), -jnp.inf)
    return jax.tree.map(lambda x: x / norm.astype(x.dtype), tree), log_norm
