"""Compute the trace norm of the symbol at a magic time t = 2πp/r, where phases repeat with u → u + r.

There a second Bloch phase κ replaces u: r × r Hermitian matrices

    X(θ, κ)[a, a - h mod r] = Σ_h e^(iκh) Σ_j e^(ijθ) e^(-γ̄t(j² + h²) - δtjh) G_j((a - h/2)t + φ),  a = 0…r-1,

and ‖X‖_1 is their mean trace norm, of (1/r) Σ|λ|, over θ ∈ [0, 2π) and κ ∈ [0, 2π/r), at a cost that N does not enter.
Eigenvalues that cross zero have kinks, for which the trapezoidal sum over κ is corrected: with values a and b of
opposite sign at neighbouring points it is too large by ab/(a + b) - (a + b)/6 (times the step), by Euler and Maclaurin.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.bloch import kernel
from jaxent.bloch.envelope import Curvature, of_symbol
from jaxent.bloch.symbol import Strengths, bloch_phases, hop_factors, rarer
from jaxent.spectral import eigvalsh
from jaxent.times import turns

__all__ = ["TorusShape", "curvatures", "kernels_of", "trace_norm"]


class TorusShape(NamedTuple):
    """Hold what the compiled program depends on.

    Attributes:
        levels: r.
        windings: W; h runs over -Wr…Wr-1.
        n_bloch: number of θ in half a period, and of κ; even.
        twice: whether the kernel is complex, so that each hop has two tables.
    """

    levels: int
    windings: int
    n_bloch: int
    twice: bool = False


def _hops_across(shape: TorusShape) -> np.ndarray:
    return np.arange(-shape.windings * shape.levels, shape.windings * shape.levels)


def kernels_of(shape: TorusShape, table, time, offset, strengths: Strengths):
    """Compute G_j((a - h/2)t + φ) from the coefficients of the kernels, shape (r, H, J)."""
    doubled = 2 * np.arange(shape.levels)[:, None] - _hops_across(shape)
    largest = 2 * shape.levels * (shape.windings + 1)
    angles = turns(jnp.asarray(doubled.ravel()), time, 1, largest) + offset / (2 * jnp.pi)
    return kernel.at_angles(kernel.damped(table, strengths.measured), angles).reshape(*doubled.shape, -1)


def _symbol(shape: TorusShape, kernels, hops, strengths, bloch_phase, other_phase, orders=(0, 0)):
    """Form X(θ, κ), phases in turns, or a derivative of the given orders in θ and κ."""
    across = _hops_across(shape)
    parts = hop_factors(hops, across, bloch_phase, strengths, orders[0], shape.twice)
    factors = jax.lax.complex(*parts)  # (J, H)
    sums = jnp.einsum("ahj,jh->ah", kernels, factors, precision="highest")
    waves = jnp.exp(2j * jnp.pi * other_phase * across) * (1j * across) ** orders[1]
    folded = (sums * waves).reshape(shape.levels, 2 * shape.windings, shape.levels).sum(axis=1)  # (a, h mod r)
    level = np.arange(shape.levels)
    return folded[level[:, None], (level[:, None] - level[None, :]) % shape.levels]


def _phases(shape: TorusShape, gcd) -> tuple[Any, np.ndarray, Any]:
    """Return θ with its weights, and κ over a whole period, in turns."""
    others = (np.arange(shape.n_bloch) + 0.5) / (shape.n_bloch * shape.levels)
    return *bloch_phases(shape.n_bloch, gcd, shape.twice), jnp.asarray(others)


def trace_norm(shape: TorusShape, hops, gcd, kernels, strengths: Strengths):
    """Compute the mean trace norm, and the same on half as many points of θ and κ."""
    thetas, weights, others = _phases(shape, gcd)

    def at(bloch_phase):
        symbols = jax.vmap(lambda other: _symbol(shape, kernels, hops, strengths, bloch_phase, other))(others)
        values = jax.vmap(eigvalsh)(symbols)  # (κ, r)
        return _mean_magnitude(values), _mean_magnitude(values[::2])

    fine, coarse = jax.lax.map(at, thetas)
    return weights @ fine / shape.levels, rarer(weights) @ coarse / shape.levels


def _mean_magnitude(values):
    """Compute the mean over a period of Σ|λ| from sorted eigenvalues at equidistant points, corrected for kinks."""
    a, b = values, jnp.roll(values, -1, axis=0)
    crossing = a * b < 0
    sizes = jnp.where(crossing, jnp.abs(a) + jnp.abs(b), 1.0)
    excess = jnp.where(crossing, jnp.abs(a * b) / sizes - sizes / 6, 0.0)
    return jnp.mean(jnp.sum(jnp.abs(values) - excess, axis=1))


def curvatures(shape: TorusShape, hops, gcd, kernels, strengths: Strengths) -> tuple[Curvature, Curvature]:
    """Compute the mean of `envelope.curvature`, the envelope being curved in both v and u, and on half the points."""
    thetas, weights, others = _phases(shape, gcd)

    def one(phases):
        def symbol(*orders):
            return _symbol(shape, kernels, hops, strengths, phases[0], phases[1], orders)

        middle = symbol(0, 0)
        found = [of_symbol(middle, symbol(1, 0), symbol(2, 0)), of_symbol(middle, symbol(0, 1), symbol(0, 2))]
        summed = jax.tree.map(lambda first, second: (first + second) / shape.levels, *found)
        return summed._replace(norm=found[0].norm / shape.levels)

    def at(bloch_phase):
        found = jax.lax.map(lambda other: one((bloch_phase, other)), others)
        return jax.tree.map(jnp.mean, found), jax.tree.map(lambda x: jnp.mean(x[::2]), found)

    fine, coarse = jax.lax.map(at, thetas)
    return jax.tree.map(lambda x: weights @ x, fine), jax.tree.map(lambda x: rarer(weights) @ x, coarse)
