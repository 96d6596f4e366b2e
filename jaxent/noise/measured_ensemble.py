"""Compute the coherences between Dicke states of one ensemble that is measured under dephasing.

Dephasing of rate γ for a time t is a random phase offset sξ, ξ normal, s = 2 √(γt). For an even ensemble, whose
neighbours turn its phase by α in the ket and α' in the bra,

    g(α, α') = E_ξ[f_q(α + sξ) f_q(α' + sξ)] = Σ_mm' c_m c_m' e^(i(mα - m'α')) e^(-s² (m-m')²/2),

f_q being the trigonometric polynomial (23) with coefficients c_m = ⟨q|m⟩ √w_m, m = k - N/2. The sum needs no
quadrature: it is exact for every γ t and smooth at γ = 0. Arguments are not checked here.

Where the measurement is imperfect (`jaxent.measurement`), g at γ = 0 depends on δ = α - α' and is a polynomial of
degree N in cos ᾱ, ᾱ = (α + α')/2. N + 1 values give its coefficients,

    g = Σ_ν T_ν(δ) cos(νᾱ),

and dephasing multiplies them by e^(-2γtν²).
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.measurement import Records, joint_amplitudes, loss_amplitudes
from jaxent.numerics import rounding
from jaxent.numerics.algebra import matmul, multiply
from jaxent.protocol import matrix_product
from jaxent.times import PiFraction, cos_sin_turns, turns, turns_of_products, unit

__all__ = ["REACH", "coefficients", "damping", "even_diagonal", "even_table", "n_summed_states", "summed_states"]

REACH = 13.0  # standard deviations that are summed; √w beyond them is below 5e-19


def even_table(n_atoms, differences, time, strength, outcome, offset, all_outcomes_n, wrong=False):
    """Compute g(d t + φ, d' t + φ) of a measured even ensemble for differences d, d' of its neighbours' states.

    Args:
        n_atoms: N of the ensemble.
        differences: d, consecutive integers of the host.
        time: one time, checked.
        strength: γ t of this ensemble, scalar.
        outcome: q, integer scalar, or `Records` of one imperfect measurement.
        offset: φ in radians, scalar.
        all_outcomes_n: whether q is known to be N.
        wrong: whether to perturb the table by its rounding errors (see `protocol.matrix_product`).

    Returns:
        array over (d, d'): real symmetric, or Hermitian if atoms are lost.
    """
    if isinstance(outcome, Records):
        return _imperfect_table(n_atoms, differences, time, strength, outcome, offset, wrong)
    waves, damped = _waves(n_atoms, time, strength, outcome, offset, all_outcomes_n, differences, wrong)
    return jnp.einsum("xkd,xke->de", waves, damped, precision="highest")


def even_diagonal(n_atoms, differences, time, strength, outcome, offset, all_outcomes_n, wrong=False):
    """Compute g(d t + φ, d t + φ), the diagonal of `even_table`, for the differences d."""
    if isinstance(outcome, Records):
        harmonics = _harmonics(n_atoms, time, strength, outcome, np.zeros(1, int), wrong)[0].real
        return matmul(harmonics, _cosines(n_atoms, 2 * differences, time, offset))
    waves, damped = _waves(n_atoms, time, strength, outcome, offset, all_outcomes_n, differences, wrong)
    return jnp.sum(waves * damped, axis=(0, 1))


def _imperfect_table(n_atoms, differences, time, strength, record, offset, wrong):
    """Compute `even_table` from the coefficients T_ν(δ), which are formed for δ ≥ 0 and each sum d + d'."""
    index = np.arange(len(differences))
    harmonics = _harmonics(n_atoms, time, strength, record, index, wrong)
    sums = np.arange(2 * differences[0], 2 * differences[-1] + 1)
    by_sum = matmul(harmonics, _cosines(n_atoms, sums, time, offset))
    difference, both = np.subtract.outer(index, index), np.add.outer(index, index)
    table = by_sum[abs(difference), both]
    return jnp.where(difference < 0, table.conj(), table) if record.lossy else table


def _cosines(n_atoms, sums, time, offset):
    """Compute cos(νᾱ) for ᾱ = st/2 + φ, over (ν, s)."""
    orders = np.arange(n_atoms + 1)
    phase = jnp.asarray(orders, offset.dtype)[:, None] * (offset / (2 * jnp.pi))
    return cos_sin_turns(turns_of_products(orders, sums, time, 1) + phase)[0]


def _harmonics(n_atoms, time, strength, record, differences, wrong):
    """Compute T_ν(δ) e^(-2γtν²) over (δ, ν) for differences δ ≥ 0 of the host, in units of t."""
    count = n_atoms + 1
    half_mean = jnp.asarray((2 * np.arange(count) + 1) / (8 * count))[None, :]  # ᾱ/2 in turns; ᾱ = π(n + ½)/(N + 1)
    quarter = turns(differences, time, 2)[:, None]
    loss = loss_amplitudes(record, time, differences)[:, None] if record.lossy else None
    values = joint_amplitudes(n_atoms, record, time, half_mean + quarter, half_mean - quarter, loss)
    if wrong:  # powers magnify the roundings of their bases
        signs = jnp.asarray(matrix_product.signs_of(values.shape, 5), half_mean.dtype)
        values = jax.lax.stop_gradient(multiply(values, 1 + (8 + n_atoms) * rounding.epsilon(signs.dtype) * signs))
    orders = np.arange(count)
    cosines = cos_sin_turns(turns_of_products(2 * orders + 1, orders, PiFraction(1, 2 * count)))[0]
    norms = np.where(orders > 0, 2.0, 1.0) / count
    found = jnp.matmul(values, cosines.astype(values.dtype), precision="highest")
    return found * (jnp.asarray(norms) * damping(orders, strength))


def _waves(n_atoms, time, strength, outcome, offset, all_outcomes_n, differences, wrong):
    """Compute real and imaginary parts of c_m e^(im(dt + φ)) over (m, d), without and with damping."""
    states, _ = summed_states(n_atoms)
    values = coefficients(n_atoms, outcome, all_outcomes_n, offset.dtype, wrong)
    doubled = 2 * states - n_atoms
    phase = jnp.asarray(doubled, offset.dtype)[:, None] * (offset / (4 * jnp.pi))
    phase = turns_of_products(doubled, differences, time, 1) + phase
    decay = damping(np.subtract.outer(states, states), strength)
    if wrong:
        size = matrix_product.turns_size(np.multiply(abs(doubled).max(), differences), time)
        phase = phase + matrix_product.angle_error(phase, size, float(abs(doubled).max()) * offset)
        decay = matrix_product.roundings(decay)
    waves = multiply(values[:, None], unit(phase))
    parts = jnp.stack([waves.real, waves.imag])
    return parts, jnp.matmul(decay, parts, precision="highest")


def coefficients(n_atoms, outcome, all_outcomes_n, dtype, wrong=False):
    """Compute c_m = ⟨q|m⟩ √w_m over `summed_states`; with `wrong`, perturbed by its rounding errors."""
    _, weights = summed_states(n_atoms)
    if all_outcomes_n:
        values = jnp.asarray(weights, dtype)
    else:
        row = dicke.x_basis(n_atoms, outcome, _summed_window(n_atoms))
        row = row + matrix_product.row_error(n_atoms, row) if wrong else row
        values = jnp.asarray(np.sqrt(weights), dtype) * row
    return matrix_product.roundings(values) if wrong else values


def _summed_window(n_atoms: int) -> float | None:
    """Return the window over which a measured even ensemble is summed; None for all its states."""
    return REACH if 2 * dicke.window_half_width(n_atoms, REACH) <= n_atoms else None


@functools.lru_cache(maxsize=8)
def summed_states(n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """List the states over which a measured even ensemble is summed, and their binomial weights."""
    states = dicke.window_states(n_atoms, _summed_window(n_atoms))
    return states, np.exp(dicke.log_weights_host(n_atoms, states))


def n_summed_states(n_atoms: int) -> int:
    """Count the states of `summed_states`."""
    first, last = dicke.window_ends(n_atoms, _summed_window(n_atoms))
    return last - first + 1


def damping(differences, strength):
    """Compute e^(-2 γ t (k-k')²) for integer differences k - k'; `strength` is γ t."""
    squares = jnp.asarray(differences, strength.dtype) ** 2
    return jnp.exp(-2 * strength * squares)
