"""Form the partial transpose in u = k_1 - k_3 for one Bloch phase θ of v = k_1 + k_3: its symbol X_θ.

Dephasing with γ̄ = (γ_1 + γ_3)/2 and δ = γ_1 - γ_3 leaves, for a hop u' = u - h, v' = v - j with j ≡ h (mod 2),

    X_θ[u, u - h] = √W_u √W_(u-h) Σ_j e^(ijθ) e^(-γ̄t(j² + h²) - δtjh) G_j((u - h/2)t + φ),

G_j the kernel of `bloch.kernel` and W_u the probability of u, binomial with 2N trials. It is Hermitian, real for δ = 0.
The derivatives in θ bring factors ij. Where atoms are lost G_j is complex, G_-j its conjugate; its imaginary part then
counts as a hop of its own whose θ is a quarter turn ahead, and the spectrum is no longer even in θ.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = ["Strengths", "bloch_phases", "hop_factors", "rarer"]


class Strengths(NamedTuple):
    """Hold γ̄t and δt of the ends, and γ_2 t."""

    mean: jax.Array
    difference: jax.Array
    measured: jax.Array

    @classmethod
    def of(cls, strengths: jax.Array) -> "Strengths":
        """Take them from γ_j t of shape (3,)."""
        return cls((strengths[0] + strengths[2]) / 2, strengths[0] - strengths[2], strengths[1])


def hop_factors(hops, across, bloch_phase, strengths: Strengths, order: int = 0, twice: bool = False):
    """Compute the factors of G_j in X_θ, or in its derivative in θ, the sum over ±j done.

    Args:
        hops: j ≥ 0 of shape (J,); padding is negative. If `twice`, those of the imaginary parts follow.
        across: h of shape (H,).
        bloch_phase: θ in turns.
        strengths: of the dephasing.
        order: of the derivative.
        twice: whether the kernel has an imaginary part.

    Returns:
        real and imaginary part, each of shape (J, H), or (2J, H).
    """
    dtype = strengths.mean.dtype
    quarter = jnp.zeros((1, 1), dtype)
    if twice:
        quarter = jnp.repeat(jnp.asarray([0.0, 0.25], dtype), len(hops))[:, None]
        hops = jnp.concatenate([jnp.asarray(hops), jnp.asarray(hops)])
    j, h = jnp.asarray(hops, dtype)[:, None], jnp.asarray(across, dtype)[None, :]
    squares, mixed = strengths.mean * (j**2 + h**2), strengths.difference * j * h
    plus, minus = jnp.exp(-squares - mixed), jnp.exp(-squares + mixed)
    angle = 2 * jnp.pi * (j * bloch_phase + quarter)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    for _ in range(order):
        cos, sin = -j * sin, j * cos
    allowed = (jnp.mod(j - h, 2) == 0) & (j >= 0)
    half = jnp.where(j > 0, 1.0, 0.5)
    return (
        jnp.where(allowed, half * (plus + minus) * cos, 0.0),
        jnp.where(allowed & (j > 0), (plus - minus) * sin, 0.0),
    )


def bloch_phases(n_bloch: int, gcd: Any, twice: bool = False) -> tuple[Any, np.ndarray]:
    """Return θ = 0…π/gcd in turns, and the weights of the trapezoidal rule; for `n_bloch` = 0 one θ.

    The spectrum is even in θ, unless `twice`, and its period is 2π/gcd.
    """
    if not n_bloch:
        return np.zeros(1), np.ones(1)
    if twice:
        return np.arange(2 * n_bloch) / (2 * n_bloch) / gcd, np.full(2 * n_bloch, 0.5 / n_bloch)
    number = np.arange(n_bloch + 1)
    weights = np.where((number == 0) | (number == n_bloch), 0.5, 1.0) / n_bloch
    return number / (2 * n_bloch) / gcd, weights


def rarer(weights: np.ndarray) -> np.ndarray:
    """Return the weights of the rule of every other point."""
    if len(weights) == 1:
        return weights
    return weights * np.where(np.arange(len(weights)) % 2 == 0, 2.0, 0.0)
