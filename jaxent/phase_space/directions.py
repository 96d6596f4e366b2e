"""Directions on the sphere of a spin: grids of angles, the tangent plane, and sums over Dicke states.

A function on the sphere is F(θ, φ) = Σ_kk' ρ_kk' K_k'k(θ) e^(i(k-k')φ). θ enters through K alone, φ through the
differences k - k' alone, so a grid of n × m directions costs n times K and n products with a table of m waves. A grid
is recognized by its shape: along each axis one of the two angles does not vary, as in θ[:, None], φ[None, :].
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import arguments
from jaxent.conversion import whole_number
from jaxent.dicke import MOST_ATOMS
from jaxent.messages import shown
from jaxent.runtime import memory
from jaxent.times import turns, unit

__all__ = ["Directions", "antidiagonal_sums", "diagonal_sums", "harmonic_sum", "tangent_plane", "values_over", "waves"]

_AT_ONCE = 2**21  # numbers that a tile of polar angles may hold


class Directions(NamedTuple):
    """Hold directions: a grid of all pairs of n polar angles and m azimuths, or pairs, where both have shape (n,)."""

    theta: jax.Array
    phi: jax.Array
    grid: bool
    shapes: tuple[tuple[int, ...], tuple[int, ...]]  # of θ and φ as given, with equal numbers of axes

    @classmethod
    def of(cls, theta: arguments.Offsets, phi: arguments.Offsets) -> "Directions":
        """Check angles and find out whether they are a grid.

        Raises:
            ValueError: on angles that are not finite real numbers, or do not broadcast.
        """
        angles = [arguments.checked_real(name, x) for name, x in (("theta", theta), ("phi", phi))]
        try:
            shape = np.broadcast_shapes(*(x.shape for x in angles))
        except ValueError:
            raise ValueError(
                f"Arguments `theta` and `phi` must broadcast, but have the shapes {shown(angles[0].shape)} and "
                f"{shown(angles[1].shape)}; for a grid give theta[:, None] and phi[None, :]."
            ) from None
        for name, x in zip(("theta", "phi"), angles, strict=True):
            host = arguments.concrete(x)
            if host is not None and np.abs(host).max(initial=0.0) > 1e6:
                raise ValueError(
                    f"Argument `{name}` must be at most 1e+06 in magnitude, but holds {np.abs(host).max():.6g}; "
                    "reduce it modulo 2π."
                )
        memory.check_memory(
            16 * math.prod(shape), f"A function on the sphere at {math.prod(shape)} directions", "use fewer"
        )
        shapes = tuple((1,) * (len(shape) - x.ndim) + x.shape for x in angles)
        grid = all(1 in pair for pair in zip(*shapes, strict=True))
        if not grid:
            angles = [jnp.broadcast_to(x, shape) for x in angles]
        return cls(angles[0].ravel(), angles[1].ravel(), grid, (shapes[0], shapes[1]))

    def shaped(self, values: jax.Array) -> jax.Array:
        """Give values, of shape (n, m) or (n,), the shape to which θ and φ broadcast."""
        shape = np.broadcast_shapes(*self.shapes)
        if not self.grid:
            return values.reshape(shape)
        axes = len(shape)
        both = values.reshape(*self.shapes[0], *self.shapes[1])
        pairs = [axis for one in range(axes) for axis in (one, one + axes)]
        return jnp.transpose(both, pairs).reshape(shape)


def values_over(grid: bool, angles: Any, others: Any, table: Callable, row: Callable, row_size: int) -> jax.Array:
    """Evaluate a function of one angle and some of the other kind over directions.

    Args:
        grid: whether directions are all pairs.
        angles: polar angles or azimuths, shape (n,).
        others: those of the other kind, of shape (m,) or (n,).
        table: function of angles of the other kind, shape (m,), that returns what `row` takes of them, of m rows.
        row: function of one angle and such a table that returns m real numbers.
        row_size: numbers that `row` and one row of the table hold at once.

    Returns:
        array of shape (n, m) for a grid, else (n,).
    """
    if grid:
        common = table(others)
        return _mapped(lambda one: row(one, common), angles, row_size)
    return _mapped(lambda one: row(one[0], table(one[1][None]))[0], (angles, others), row_size)


def waves(size: int, angles: Any) -> jax.Array:
    """Compute e^(ijφ) for j = 0…D-1, shape (m, D)."""
    index = np.arange(size)
    return unit(jax.vmap(lambda angle: turns(index, angle))(angles))


def _mapped(function: Callable, points: Any, size: int) -> jax.Array:
    at_once = max(1, _AT_ONCE // size)
    if jax.tree.leaves(points)[0].shape[0] <= at_once:
        return jax.vmap(function)(points)
    return jax.lax.map(function, points, batch_size=at_once if at_once > 1 else None)


def diagonal_sums(matrix: jax.Array) -> jax.Array:
    """Compute Σ_k X[k, k-s] for s = 0…D-1, without scattering.

    >>> diagonal_sums(jnp.array([[1, 2], [4, 8]])).tolist()
    [9, 4]
    """
    return antidiagonal_sums(matrix[:, ::-1])[matrix.shape[0] - 1 :]


def antidiagonal_sums(matrix: jax.Array) -> jax.Array:
    """Compute Σ_k X[k, s-k] for s = 0…2D-2, without scattering.

    >>> antidiagonal_sums(jnp.array([[1, 2], [4, 8]])).tolist()
    [1, 6, 8]
    """
    size = matrix.shape[0]
    padded = jnp.pad(matrix, ((0, 0), (0, size)))  # row k, read in rows one shorter, moves by k places
    skew = padded.reshape(-1)[: size * (2 * size - 1)].reshape(size, 2 * size - 1)
    return jnp.sum(skew, axis=0)


def harmonic_sum(sums: jax.Array, waves: jax.Array) -> jax.Array:
    """Compute r_0 + 2 Re Σ_(s>0) r_s e^(isφ) from `diagonal_sums` and `waves`."""
    doubled = jnp.concatenate([sums[:1], 2 * sums[1:]])
    return jnp.matmul(waves, doubled.astype(waves.dtype), precision="highest").real


def tangent_plane(
    n_atoms: int, x: arguments.Offsets, y: arguments.Offsets, centre: arguments.Offsets = 0.0
) -> tuple[jax.Array, jax.Array]:
    """Turn coordinates on the plane that touches the equator into angles θ and φ, for functions on the sphere.

    x = S_z/√N and y = √N (φ - φ_0), so both count standard deviations √N of a coherent state's spin, and equal areas
    are equal areas: dx dy = N sin θ dθ dφ. A function on the sphere, divided by N, is therefore normalized over the
    plane without any approximation, |x| ≤ √N and |y| ≤ π√N. The Husimi function of a coherent state at the centre
    becomes e^(-(x²+y²)/4)/4π up to O(1/N).

    Args:
        n_atoms: N.
        x: of any shape, |x| ≤ √N; towards +S_z.
        y: of a shape that broadcasts with it; along the equator.
        centre: azimuth φ_0 of the point that the plane touches. H turns the first end by -Nt/2, on average.

    Returns:
        θ of the shape of `x`, and φ of the shape of `y`.

    Raises:
        ValueError: where |x| exceeds √N, and on numbers that are not finite.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> theta, phi = jaxent.tangent_plane(10**6, 1.0, 2.0)
        >>> print(f"{np.pi / 2 - theta:.6f} {phi:.6f}")
        0.001000 0.002000
    """
    n_atoms = whole_number("n_atoms", n_atoms, 1, MOST_ATOMS)
    height, along = arguments.checked_real("x", x), arguments.checked_real("y", y)
    middle = arguments.checked_real("centre", centre)
    if middle.shape:
        raise ValueError(f"Argument `centre` must be one angle, but has shape {shown(middle.shape)}.")
    root = math.sqrt(n_atoms)
    host = arguments.concrete(height)
    if host is not None and np.abs(host).max(initial=0.0) > root * (1 + 1e-15):
        raise ValueError(
            f"Argument `x` must be at most √N = {root:.6g} in magnitude, but holds {np.abs(host).max():.6g}."
        )
    # θ = π/2 - arcsin(x/√N) keeps the digits of x near the equator
    return jnp.pi / 2 - jnp.arcsin(jnp.clip(height / root, -1.0, 1.0)), middle + along / root
