"""Compute what the envelope's curvature changes: the next order of the Weyl expansion, 1/N relative to the first.

In v (and, where phases repeat, in u) the partial transpose is G M G: M is translation invariant, with the symbol M(p),
p = θ, and G = e^(-v²/2N) the envelope. det(G M G - z) = det G² det(M - z e^(v²/N)), in which v enters through a scalar
only. Its logarithm, to second order in the gradient, has the term

    (1/4) ∫ dv dp/2π (z V')² tr(R² M' R² M'),    V = e^(v²/N),  R = (M - zV)^(-1),  M' = dM/dp,

which integrates to a change of ‖X‖_1 by (1/N) ∫ dp/2π of

    Σ_(λ>0>μ) |⟨λ|M'|μ⟩|² [ (2/3)/(λ + |μ|) - 4 λ|μ|/(λ + |μ|)³ ] + (1/6) Σ_λ sign(λ) ⟨λ|M''|λ⟩

in units where ‖X‖_1 is ∫ dp/2π Σ|λ|. The terms in 2/3 and 1/6 are the contribution of eigenvalues that cross zero, a
total derivative away from δ functions. Terms of the next order are smaller by about j²/N, j a typical hop.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxent.numerics.algebra import matmul
from jaxent.spectral import eigh

__all__ = ["Curvature", "curvature", "of_symbol"]


class Curvature(NamedTuple):
    """Hold parts of the change of ‖X‖_1, times N, for one phase.

    Attributes:
        norm: Σ|λ|.
        change: N Δ‖X‖_1.
        size: the sum of its terms' magnitudes.
        hop_squares: ‖M''‖² / ‖M'‖² in the Frobenius norm, a typical j², weighted as ‖M'‖² (the numerator).
        weight: ‖M'‖², the denominator.
    """

    norm: jax.Array
    change: jax.Array
    size: jax.Array
    hop_squares: jax.Array
    weight: jax.Array


def curvature(values: jax.Array, vectors: jax.Array, slope: jax.Array, bend: jax.Array) -> Curvature:
    """Compute the sums for one phase.

    Args:
        values: λ of M, shape (n,).
        vectors: its eigenvectors as columns, shape (n, n).
        slope: M' of shape (n, n).
        bend: M'' of shape (n, n).
    """
    turned = matmul(vectors.conj().T, matmul(slope, vectors))
    squares = jnp.abs(turned) ** 2
    opposite = (values[:, None] > 0) & (values[None, :] < 0)
    above, below = jnp.abs(values)[:, None], jnp.abs(values)[None, :]
    both = jnp.where(opposite & (above + below > 0), above + below, 1.0)
    pairs = jnp.sum(jnp.where(opposite, squares * 4 * above * below / both**3, 0.0))
    crossing = jnp.sum(jnp.where(opposite, squares * (2 / 3) / both, 0.0))
    along = jnp.sum(vectors.conj() * matmul(bend, vectors), axis=0).real
    crossing = crossing + jnp.sum(jnp.sign(values) * along) / 6
    return Curvature(
        norm=jnp.sum(jnp.abs(values)),
        change=crossing - pairs,
        size=jnp.abs(crossing) + pairs,
        hop_squares=jnp.sum(jnp.abs(bend) ** 2),
        weight=jnp.sum(jnp.abs(slope) ** 2),
    )


def of_symbol(symbol: jax.Array, slope: jax.Array, bend: jax.Array) -> Curvature:
    """Compute `curvature` of a Hermitian matrix M."""
    values, vectors = eigh(symbol)
    return curvature(values, vectors, slope, bend)
