"""Compute the Wigner function of number and azimuth, the planar limit of the spin's, at any number of atoms.

About the equator the sphere is a strip: across it the number k = N/2 + S_z/2, along it the azimuth φ. States there have
the Wigner function (Kastrup 2016)

    W(k, φ) = 1/2π Σ_mn ρ_mn e^(i(m-n)φ) sinc π(k - (m+n)/2),

real, of integral 1 over all k, with the right distribution of φ, and of k at whole numbers. The sinc interpolates
between sums m + n of both parities; the terms of one parity alone show each lobe a second time, at φ + π. Two lobes
Δφ apart have fringes half way between them, of the wave number Δφ in k. On the sphere the fringes of distant lobes are
others, as the arc between them is bent: there the two functions agree in the lobes alone.

>>> from jaxent import dicke
>>> plus = jnp.exp(dicke.log_weights(1000) / 2)                    # the initial state
>>> print(round(float(planar_wigner(plus, np.pi / 2, 0.0)) / 1000 * 2 * np.pi, 3))
1.0
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxent import arguments
from jaxent.chain import Chain
from jaxent.numerics.algebra import between_diagonals, multiply
from jaxent.phase_space.directions import Directions, antidiagonal_sums, values_over, waves
from jaxent.phase_space.husimi import checked_end
from jaxent.runtime import execution

__all__ = ["planar_wigner"]

_WIDEST = 1 / 2  # root mean square of S_z/N from which on a state of many atoms is not near the equator


def planar_wigner(
    state: ArrayLike, theta: arguments.Offsets, phi: arguments.Offsets, *, chain: Chain | None = None
) -> Float[Array, "*directions"]:
    """Compute the Wigner function of the number k and the azimuth φ of one ensemble, for states near the equator.

    Arguments and normalization over the sphere are those of `spin_wigner`: it returns N W(k, φ)/2 at k = N cos²(θ/2).
    Over coordinates of the `tangent_plane` divide it by N; a coherent state at the centre has e^(-(x²+y²)/2)/2π. A
    vector costs D log D an azimuth and 2D a direction, a density matrix D² an azimuth.

    For states near one point of the equator, within some 1/√N, the difference from `spin_wigner` is O(1/N). Fringes
    between lobes further apart are those of k and φ, not of the sphere.

    Args:
        state: as `husimi`.
        theta: polar angle from +S_z in radians, of any shape.
        phi: azimuth from +S_x in radians, of a shape that broadcasts with it.
        chain: as `husimi`.

    Returns:
        real array of the shape to which the angles broadcast, right to 1e-12 of the largest value, and to what the
        rounding of θ does, which moves k by 10^-16 N: only fringes of distant lobes note it.

    Raises:
        ValueError: as `husimi`, and for states whose S_z has a root mean square above N/2 and √(2N). Under a
            transformation NaN instead.

    References:
        H. A. Kastrup, Phys. Rev. A 94, 062113 (2016).

    Example:
        >>> import jax.numpy as jnp
        >>> import jaxent
        >>> from jaxent import dicke
        >>> plus = jnp.exp(dicke.log_weights(1000) / 2)
        >>> theta, phi = jaxent.tangent_plane(1000, 0.0, 0.0)
        >>> print(f"{jaxent.planar_wigner(plus, theta, phi) / 1000 * 2 * jnp.pi:.3f}")
        1.000
    """
    checked, n_atoms, first = checked_end(state, chain)
    directions = Directions.of(theta, phi)
    place = jnp.asarray([n_atoms / 2, n_atoms / 2 - first], jnp.result_type(float))
    values, width, widest = execution.call(
        *(_values, directions.grid, *place, checked, directions.theta, directions.phi),
        what=f"The Wigner function of {checked.shape[0]} Dicke states at {directions.phi.size} azimuths",
        instead="use fewer directions, or a smaller window",
    )
    known, most = arguments.concrete(width), arguments.concrete(widest)
    if known is not None and most is not None and known > most:
        raise ValueError(
            f"Argument `state` must be near the equator, with a root mean square of S_z up to {most:.3g} N, but has "
            f"{known:.3g} N; use jaxent.spin_wigner or jaxent.husimi."
        )
    return directions.shaped(values)


@functools.partial(jax.jit, static_argnums=0)
def _values(grid: bool, half: Any, middle: Any, state: Any, theta: Any, phi: Any):
    """Compute W, the root mean square of S_z/N and its limit; `middle` is N/2 counted from the first state."""
    size = state.shape[0]
    populations = jnp.abs(state) ** 2 if state.ndim == 1 else jnp.diagonal(state).real
    index = jnp.arange(size, dtype=populations.dtype)
    width = jnp.sqrt(jnp.sum(populations * ((index - middle) / half) ** 2))

    def sincs(angles):
        numbers = half * jnp.cos(angles) + middle
        return jnp.sinc(numbers[:, None] - jnp.arange(2 * size - 1, dtype=numbers.dtype)[None, :] / 2)

    def row(angle, table):
        turned = waves(size, angle[None])[0]
        if state.ndim == 1:
            amplitudes = multiply(state, turned)
            sums = jax.scipy.signal.fftconvolve(amplitudes, amplitudes.conj()).real
        else:
            sums = antidiagonal_sums(between_diagonals(turned, state, turned.conj())).real
        return jnp.matmul(table, sums, precision="highest")

    row_size = 4 * size + (theta.size if grid else 0) if state.ndim == 1 else 3 * size**2
    found = values_over(grid, phi, theta, sincs, row, row_size)
    widest = jnp.maximum(_WIDEST, 1 / jnp.sqrt(half))  # √(2N) of few atoms, whose coherent states are wide
    found = jnp.where(width <= widest, found, jnp.nan) * (half / (2 * np.pi))
    return (found.T if grid else found), width, widest
