"""The first of three ends under dephasing as a band of coherences, at any number of atoms.

Dephasing leaves coherences ρ(k, k-s) of e^(-2γ_1 t s²), and as little of those of the measured ensemble, m - m' = j.
With α' = α - st its kernel is

    g(α, α') = Σ_j e^(-2γ_2 t j²) e^(ijα) G_j(s),    G_j(s) = Σ_m c_(m+j) c_m e^(imst),

c_m = ⟨q|m⟩ √w_m, so that S + 1 diagonals of D elements are all there is, and the sum over the last end acts on e^(ijα)
alone. Nothing is approximated but coherences below 1e-17, which are left out.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.chain import Chain
from jaxent.noise import measured_ensemble
from jaxent.numerics.algebra import matmul, multiply, multiply_each
from jaxent.phase_space.directions import Directions, harmonic_sum, values_over, waves
from jaxent.protocol import dense, matrix_product
from jaxent.runtime import execution, memory
from jaxent.times import turns, turns_of_products, unit

__all__ = ["end", "husimi_of_bands", "reach"]

_SMALLEST = 39.2  # -log of a coherence that is left out


def reach(strength: float, size: int) -> int:
    """Find the largest s ≤ D - 1 with e^(-2γt s²) above 1e-17."""
    return min(size - 1, math.ceil(math.sqrt(_SMALLEST / (2 * strength)))) if strength > 0 else size - 1


def end(chain: Chain, all_outcomes_n: bool, time: Any, strengths: Any, outcome: Any, offset: Any, index: Any):
    """Compute the normalized diagonals ρ(k, k-s) of the first end, and log p of outcome and result.

    Args:
        chain: of three ensembles.
        all_outcomes_n: whether q is known to be N.
        time: one time.
        strengths: γ_j t of the ensembles, known, of shape (3,).
        outcome: q.
        offset: φ.
        index: number of the last end's Dicke state, counted from the first of the window; None: traced out.

    Returns:
        array of shape (S+1, D), zero for k < s, and a scalar; both NaN where rounding leaves less than eight digits.
    """
    n_summed = measured_ensemble.n_summed_states(chain.n_atoms)
    reaches = (reach(float(strengths[0]), chain.dimension), reach(float(strengths[1]), n_summed))
    words = (
        f"Coherences over {reaches[0]} and {reaches[1]} Dicke states of n_atoms = {chain.n_atoms}",
        "use a larger dephasing_rate, or 0",
    )
    memory.check_memory(16 * (n_summed * (reaches[0] + reaches[1]) + reaches[0] * chain.dimension), *words)
    return execution.call(
        _end,
        *(chain, all_outcomes_n, reaches, time, strengths, outcome, offset, index),
        what=words[0],
        instead=words[1],
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _end(
    chain: Chain, all_outcomes_n: bool, reaches: tuple, time: Any, strengths: Any, outcome: Any, offset: Any, index: Any
):
    size, (most, most_measured) = chain.dimension, reaches
    hops, shifts = np.arange(-most_measured, most_measured + 1), np.arange(most + 1)
    from_first = np.arange(size)
    root = matrix_product.root_weights(chain.ensemble(1))
    # the last end: Σ over its states of the weight times e^(-ij k_3 t)
    turned = unit(turns_of_products(hops, from_first, time))
    if index is None:
        last = matmul(turned.conj(), (root**2)[:, None])[:, 0]
    else:
        inside = jnp.where((index >= 0) & (index < size), 1.0, jnp.nan)
        last = turned[:, jnp.clip(index, 0, size - 1)].conj() * inside
    waves = turned * last[:, None] * unit(jnp.asarray(hops, root.dtype) * (offset / (2 * jnp.pi)))[:, None]
    waves = waves * measured_ensemble.damping(hops, strengths[1])[:, None]
    states, _ = measured_ensemble.summed_states(chain.n_atoms)
    phases = unit(turns_of_products(2 * states - chain.n_atoms, shifts, time, 1))  # (m, s)

    def kernel(wrong):
        values = measured_ensemble.coefficients(chain.n_atoms, outcome, all_outcomes_n, root.dtype, wrong)
        padded = jnp.pad(values, most_measured)
        moved = jax.vmap(lambda start: jax.lax.dynamic_slice_in_dim(padded, start, len(states)))
        pairs = moved(jax.lax.iota(int, len(hops))) * values[None, :]  # c_(m+j) c_m over (j, m)
        sums = matmul(pairs.astype(phases.dtype), phases)  # (j, s)
        return matmul(sums.T, waves).real  # (s, k)

    lower = jax.lax.iota(int, size)[None, :] - jax.lax.iota(int, most + 1)[:, None]
    beside = jnp.where(lower >= 0, root[jnp.maximum(lower, 0)], 0.0)
    turn = unit(turns(chain.n_atoms * shifts, time, 1)) * measured_ensemble.damping(shifts, strengths[0])

    def diagonals(wrong):
        return kernel(wrong) * beside * root[None, :]

    found, twin = diagonals(False), jax.lax.stop_gradient(diagonals(True))
    total = jnp.sum(found[0])
    safe = jnp.where(total > 0, total, 1.0)
    apart = jnp.linalg.norm((found - twin).ravel()) / jnp.abs(safe)
    log_probability = jnp.where(total > 0, jnp.log(safe), -jnp.inf)
    bands = multiply(found / safe, jnp.broadcast_to(turn[:, None], found.shape))
    return dense.guarded(bands, log_probability, jax.lax.stop_gradient(jnp.where(total > 0, apart, 0.0)))


def husimi_of_bands(bands: jax.Array, n_atoms: int, first: int, directions: Directions) -> jax.Array:
    """Compute the Husimi function of a state that is given by its diagonals ρ(k, k-s), k from `first` on."""
    values = execution.call(
        _values,
        *(directions.grid, *jnp.asarray([n_atoms, first], jnp.result_type(int)), bands),
        *(directions.theta, directions.phi),
        what=f"The Husimi function of {bands.shape[1]} Dicke states at {directions.theta.size} polar angles",
        instead="use fewer directions, or a smaller window",
    )
    return directions.shaped(values)


@functools.partial(jax.jit, static_argnums=0)
def _values(grid: bool, n_atoms: Any, first: Any, bands: Any, theta: Any, phi: Any):
    count, size = bands.shape
    states = first + jax.lax.iota(jnp.result_type(int), size)
    lower = jnp.maximum(jax.lax.iota(int, size)[None, :] - jax.lax.iota(int, count)[:, None], 0)

    def row(angle, table):
        amplitudes = dicke.overlap(n_atoms, states, angle / (4 * jnp.pi))
        sums = jnp.sum(multiply(multiply_each(amplitudes[lower], amplitudes), bands), axis=1)
        return harmonic_sum(sums, table)

    of_azimuths = functools.partial(waves, count)
    found = values_over(grid, theta, phi, of_azimuths, row, 2 * count * size + (phi.size if grid else count))
    return found * ((jnp.asarray(n_atoms, found.dtype) + 1) / (4 * np.pi))
