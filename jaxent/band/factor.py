"""Compute the log-determinant of a shifted symmetric band matrix, with derivatives.

The method is one sweep of LDLᵀ without pivoting: a `jax.lax.scan` along the band over a window of b × b entries. It is
stable where A + z has a definite real or imaginary part: A positive semidefinite and z > 0, or A real and z imaginary;
any other z must be far from the spectrum of -A. On NVIDIA GPUs `jaxent.band.blocks` eliminates several columns at once.

Band matrices are stored by columns, half-bandwidth b: `columns[m, j]` is A[m - b + j, m], j = 0…b (entries above the
first row are zero). The derivative needs the entries of the inverse inside the band, which follow from the factors by
the recurrence of Takahashi et al. (1973): d log det(A + z) = Tr[(A + z)^{-1} dA].

>>> columns = jnp.array([[0.0, 2.0], [1.0, 2.0]])         # [[2, 1], [1, 2]], whose eigenvalues are 1 and 3
>>> print(round(float(log_determinant(columns, jnp.array(1.0))), 6), round(float(np.log(2 * 4)), 6))
2.079442 2.079442
>>> print(jax.grad(log_determinant)(columns, jnp.array(1.0))[1, 0])  # -2 · 1/8, from both off-diagonal entries
-0.25
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.band.blocks import log_ratio, log_ratio_and_inverse

__all__ = ["log_determinant"]

_UNROLL = 4  # steps of the sweep compiled as one: a step is short


@jax.custom_jvp
def log_determinant(columns: jax.Array, shift: jax.Array) -> jax.Array:
    """Compute log |det(1 + A/z)| = Σ_i log|1 + λ_i/z| from one factorization of A + z.

    Args:
        columns: A by columns, real of shape (n, b + 1), b ≥ 1.
        shift: z ≠ 0, real or complex scalar.

    Returns:
        real scalar. Use `jax.vmap` for many shifts or matrices.
    """
    return jax.lax.platform_dependent(columns, shift, cuda=log_ratio, default=_by_columns)


@log_determinant.defjvp
def _log_determinant_jvp(primals, tangents):
    columns, shift = primals
    d_columns, d_shift = tangents
    value, inverse = jax.lax.platform_dependent(
        columns, shift, cuda=log_ratio_and_inverse, default=_by_columns_with_inverse
    )
    twice = jnp.where(jnp.arange(columns.shape[1]) < columns.shape[1] - 1, 2.0, 1.0).astype(columns.dtype)
    change = jnp.sum(twice[None, :] * _rows_to_columns(inverse).real * d_columns)
    in_shift = jnp.sum(inverse[:, 0] - 1 / shift) * d_shift
    return value, change + in_shift.real


def _by_columns(columns, shift):
    return jnp.sum(jnp.log(jnp.abs(_factor(columns, shift, False)[0] / shift)))


def _by_columns_with_inverse(columns, shift):
    """Compute log |det(1 + A/z)|, and the band Z[i, i…i+b] of Z = (A + z)^{-1}, shape (n, b + 1)."""
    pivots, factors = _factor(columns, shift, True)
    return jnp.sum(jnp.log(jnp.abs(pivots / shift))), _inverse(pivots, factors)


def _factor(columns, shift, keep_factors):
    """Factor A + z = L D Lᵀ: the pivots d_i, and with `keep_factors` also L[i+1…i+b, i]."""
    half_bandwidth = columns.shape[1] - 1
    dtype = np.result_type(columns.dtype, shift.dtype)
    corner = jnp.zeros((half_bandwidth, half_bandwidth), dtype).at[-1, -1].set(shift.astype(dtype))

    def step(window, column):
        # the window holds rows and columns i…i+b-1 of the remaining matrix; column i + b is added
        pivot = window[0, 0]
        row = jnp.concatenate([window[0, 1:], column[:1]])
        factor = row / pivot
        window = jnp.concatenate([window[1:, 1:], column[1:-1, None]], axis=1)
        window = jnp.concatenate([window, column[None, 1:]], axis=0) + corner
        return window - factor[:, None] * row[None, :], (pivot, factor if keep_factors else None)

    # b rows of the identity before the first row, and b rows after the last, make all steps alike
    after = jnp.zeros((half_bandwidth, half_bandwidth + 1), dtype)
    incoming = jnp.concatenate([columns.astype(dtype), after])
    _, (pivots, factors) = jax.lax.scan(step, jnp.eye(half_bandwidth, dtype=dtype), incoming, unroll=_UNROLL)
    return pivots[half_bandwidth:], jax.tree.map(lambda x: x[half_bandwidth:], factors)


def _inverse(pivots, factors):
    """Compute the band Z[i, i…i+b] of Z = (L D Lᵀ)^{-1}, shape (n, b + 1)."""
    half_bandwidth = factors.shape[1]

    def step(window, pivot_and_factor):
        # the window holds the rows and columns i+1…i+b of Z
        pivot, factor = pivot_and_factor
        beside = -window @ factor
        row = jnp.concatenate([(1 / pivot - beside @ factor)[None], beside])
        window = jnp.concatenate([row[None, 1:-1], window[:-1, :-1]], axis=0)
        return jnp.concatenate([row[:-1, None], window], axis=1), row

    start = jnp.zeros((half_bandwidth, half_bandwidth), pivots.dtype)
    return jax.lax.scan(step, start, (pivots, factors), reverse=True, unroll=_UNROLL)[1]


def _rows_to_columns(rows):
    """Reorder a band from rows, Z[i, i + j], to columns, Z[m - b + j, m]."""
    size, width = rows.shape
    offset = np.arange(width)[::-1]  # m - i
    index = np.arange(size)[:, None] - offset[None, :]
    return jnp.where(jnp.asarray(index >= 0), rows[np.maximum(index, 0), offset[None, :]], 0.0)
