"""Compute the trace norm of the symbol X_θ as a band matrix over u, where the phases ut do not repeat.

Every Bloch phase θ leaves a band matrix, n rows and 2b + 1 diagonals, whose trace norm follows from log-determinants at
imaginary shifts (`jaxent.band`), without eigenvalues. If all hops are even, the even and the odd u are separate
matrices. A complex Hermitian matrix (unequal rates) is taken as a real one of twice the size, rows of real and
imaginary parts in turn.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.band.engine import scaled, weighted_logs
from jaxent.band.quadrature import FLOOR, Rule
from jaxent.bloch import kernel
from jaxent.bloch.symbol import Strengths, hop_factors
from jaxent.times import turns

__all__ = ["ChainShape", "Rows", "dense_symbol", "kernels_of", "rows_of", "trace_norm"]


class ChainShape(NamedTuple):
    """Hold what the compiled program depends on.

    Attributes:
        stride: 2 if the even and the odd u are separate, else 1.
        n_rows: n of each matrix, padded.
        half_bandwidth: b of the matrix over u.
        largest_state: a bound on 2ū.
        complex: whether the ends have different rates, so that X_θ is complex.
        twice: whether the kernel is complex, so that each hop has two tables.
    """

    stride: int
    n_rows: int
    half_bandwidth: int
    largest_state: int
    complex: bool
    twice: bool = False


class Rows(NamedTuple):
    """Hold all rows (host arrays): √W_u of shape (stride, n), 0 for padding, and the integers 2ū between them."""

    roots: Any
    doubled: Any


@functools.lru_cache(maxsize=32)
def rows_of(n_atoms: int, reach: int, shape: ChainShape) -> Rows:
    """List u = -reach…reach, in `stride` classes, with weights of an envelope of `n_atoms`."""
    states = -reach + np.arange(shape.stride)[:, None] + shape.stride * np.arange(shape.n_rows)[None, :]
    inside = (states <= reach) & (abs(states) <= n_atoms)
    safe = np.where(inside, states, 0)
    roots = np.where(inside, np.exp(dicke.log_weights_host(2 * n_atoms, n_atoms + safe) / 2), 0.0)
    before = shape.stride * shape.half_bandwidth
    return Rows(roots, -2 * reach - before + np.arange(before + 2 * shape.stride * shape.n_rows))


def kernels_of(shape: ChainShape, rows: Rows, table, time, offset, strengths: Strengths):
    """Compute G_j(ūt + φ) for all ū between rows from the coefficients of the kernels, shape (span, J)."""
    angles = turns(jnp.asarray(rows.doubled), time, 1, shape.largest_state) + offset / (2 * jnp.pi)
    return kernel.at_angles(kernel.damped(table, strengths.measured), angles)


def _entries(shape: ChainShape, rows: Rows, hops, kernels, strengths, theta, order=0):
    """Compute X_θ[u, u - sl] for l = 0…b: real and imaginary part, each (stride, n, b + 1)."""
    levels = np.arange(shape.half_bandwidth + 1)
    beside = np.arange(shape.stride)[:, None, None] + shape.stride * np.arange(shape.n_rows)[:, None]
    index = 2 * beside + shape.stride * (shape.half_bandwidth - levels)  # of 2ū = 2u - sl, (stride, n, b + 1)
    root = jnp.asarray(rows.roots)
    before = np.arange(shape.n_rows)[:, None] - levels
    frame = root[:, :, None] * jnp.where(before >= 0, root[:, np.maximum(before, 0)], 0.0)
    factors = hop_factors(hops, shape.stride * levels, theta, strengths, order, shape.twice)
    sums = [jnp.matmul(kernels, part, precision="highest") for part in factors[: 2 if shape.complex else 1]]
    return [frame * part[index, levels] for part in sums]


def trace_norm(shape: ChainShape, rows: Rows, hops, kernels, strengths: Strengths, theta, rule: Rule):
    """Compute ‖X_θ‖_1 for the Bloch phase θ, in turns, and a bound on the error of the quadrature."""
    columns, scale = scaled(_columns(shape, _entries(shape, rows, hops, kernels, strengths, theta)))
    square = jnp.sum(columns[..., -1] ** 2) + 2 * jnp.sum(columns[..., :-1] ** 2)
    total = (weighted_logs(columns, rule, True) + jnp.asarray(rule.moment_weights) @ square[None])[0]
    n_states = jnp.sum(jnp.asarray(rows.roots) > 0, dtype=columns.dtype) * (2 if shape.complex else 1)
    error = rule.errors[0] * (square + FLOOR * n_states)
    share = scale / 2 if shape.complex else scale  # each eigenvalue occurs twice
    return total * share, jax.lax.stop_gradient(error * share)


def _columns(shape: ChainShape, parts):
    """Store a matrix given by A[m, m - l] as columns of `jaxent.band.factor`, that is by A[m - l, m]."""
    real = parts[0][..., ::-1]
    if not shape.complex:
        return real
    imaginary = -parts[1][..., ::-1]  # A[m - l, m] is the conjugate of A[m, m - l]
    # a column 2m + c holds the rows 2m + c - behind = 2(m - l) + p, p and c being 0 for real and 1 for imaginary parts
    width = 2 * shape.half_bandwidth + 1
    behind = width - np.arange(width + 1)
    stacked = []
    for c in (0, 1):
        p = (c - behind) % 2
        level = (behind - c + p) // 2
        inside = level <= shape.half_bandwidth
        index = shape.half_bandwidth - np.where(inside, level, 0)
        values = jnp.where(p == c, real[..., index], (1 - 2 * c) * imaginary[..., index])
        stacked.append(jnp.where(inside, values, 0.0))
    return jnp.stack(stacked, axis=2).reshape(real.shape[0], -1, width + 1)


def dense_symbol(shape: ChainShape, rows: Rows, hops, kernels, strengths: Strengths, theta, order: int):
    """Form X_θ, or a derivative in θ, as Hermitian matrices of shape (stride, n, n)."""
    parts = _entries(shape, rows, hops, kernels, strengths, theta, order)
    entries = jax.lax.complex(*parts) if shape.complex else parts[0]
    level = jnp.arange(shape.n_rows)[:, None] - jnp.arange(shape.n_rows)[None, :]
    inside = (level >= 0) & (level <= shape.half_bandwidth)
    index = jnp.where(inside, level, 0)
    lower = jnp.where(inside, jnp.take_along_axis(entries, index[None], axis=2), 0.0)
    strictly = jnp.where(level > 0, lower, 0.0)
    return lower + jnp.swapaxes(strictly, 1, 2).conj()
