"""Factor a shifted symmetric band matrix several columns at a time, for GPUs.

`jaxent.band.factor` eliminates one column at a time, and reads and writes its whole window of b × b entries for each. A
CPU keeps the window in its cache; a GPU fetches it from memory, and starts several kernels for every column. Here w
columns are eliminated at once. With the window and the incoming columns as [[P, Rᵀ], [R, W]], P of w × w entries,

    P = L D Lᵀ,    F = R L^{-T},    W → W - F D^{-1} Fᵀ,

written out entry by entry for P and column by column for F, so that each is one kernel; the window passes through
memory once for w columns. The operations are those of LDLᵀ without pivoting, stable for the z given in
`jaxent.band.factor`.

The inverse within the band follows backwards in blocks of the same size (Takahashi et al., 1973): with Z_R the entries
that are known of the inverse, those of the rows and columns of P and R are

    M = F D^{-1} L^{-1},    Z_RP = -Z_R M,    Z_P = P^{-1} - Mᵀ Z_RP.

Band matrices are stored as in `jaxent.band.factor`, which also chooses between the two modules by platform.

>>> columns = jnp.array([[0.0, 2.0], [1.0, 2.0]])  # [[2, 1], [1, 2]]
>>> print(round(float(log_ratio(columns, jnp.array(1.0))), 6), round(float(np.log(2 * 4)), 6))
2.079442 2.079442
>>> print(log_ratio_and_inverse(columns, jnp.array(1.0))[1][0])
[ 0.375 -0.125]
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.numerics.algebra import matmul

__all__ = ["COLUMNS", "COLUMNS_KEPT", "log_ratio", "log_ratio_and_inverse"]

COLUMNS = 6  # w, columns eliminated at once; the code of the kernels grows as w³
COLUMNS_KEPT = 4  # w if the inverse is computed as well, which takes more kernels
_UNROLL = 2  # steps compiled as one


def log_ratio(columns: jax.Array, shift: jax.Array) -> jax.Array:
    """Compute log |det(1 + A/z)|, as `jaxent.band.factor.log_determinant`.

    Args:
        columns: A by columns, real of shape (n, b + 1), b ≥ 1.
        shift: z ≠ 0, real or complex scalar.
    """
    return jnp.sum(_factor(columns, shift, False)[0])


def log_ratio_and_inverse(columns: jax.Array, shift: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Compute log |det(1 + A/z)| and the band Z[i, i…i+b] of Z = (A + z)^{-1}, shape (n, b + 1), zero-padded."""
    size, half_bandwidth = columns.shape[0], columns.shape[1] - 1
    logs, saved = _factor(columns, shift, True)
    rows = _inverse(half_bandwidth, *saved)
    return jnp.sum(logs), rows[half_bandwidth : half_bandwidth + size]


def _factor(columns: jax.Array, shift: jax.Array, keep: bool) -> tuple[jax.Array, Any]:
    """Sum log|d/z| over the pivots d of each step; with `keep`, also return M and P^{-1} of each step."""
    size, half_bandwidth = columns.shape[0], columns.shape[1] - 1
    width = min(COLUMNS_KEPT if keep else COLUMNS, half_bandwidth)
    dtype = np.result_type(columns.dtype, shift.dtype)
    shift = shift.astype(dtype)
    # b rows of z · 1 before the first row, and more after the last, make all steps alike; they add 0 to log|d/z|
    steps = -(-(size + half_bandwidth) // width)
    incoming = jnp.pad(columns, ((0, steps * width - size), (0, 0))).reshape(steps, width, half_bandwidth + 1)

    def step(window, rows):
        # the window holds rows and columns i…i+b-1 of the remaining matrix, in its lower triangle, the only one that
        # is read; columns i+b…i+b+w-1 are added
        entering = _skewed(rows.astype(dtype))
        pivots, lower = _factor_entries(window[:width, :width])
        below = jnp.concatenate([window[width:, :width], entering[:, :width]])
        solved = _solved(lower, [below[:, k] for k in range(width)])
        factors = [column / pivot for column, pivot in zip(solved, pivots, strict=True)]
        old = jnp.pad(window[width:, width:], ((0, 0), (0, width)))
        new = entering[:, width:] + shift * jnp.eye(width, half_bandwidth, half_bandwidth - width, dtype=dtype)
        rest = jnp.concatenate([old, new])
        for column, factor in zip(solved, factors, strict=True):
            rest = rest - column[:, None] * factor[None, :]
        logs = functools.reduce(jnp.add, [jnp.log(jnp.abs(pivot / shift)) for pivot in pivots])
        saved = (jnp.stack(_solved_backwards(lower, factors), axis=1), _inverse_entries(pivots, lower))
        return rest, (logs, saved if keep else None)

    start = shift * jnp.eye(half_bandwidth, dtype=dtype)
    return jax.lax.scan(step, start, incoming, unroll=_UNROLL)[1]


def _inverse(half_bandwidth, beside_factors, inner):
    """Compute Z[i, i…i+b], w rows at a time from the last to the first."""
    width = inner.shape[-1]

    def step(window, saved):
        # the window holds the rows and columns i+w…i+w+b-1 of Z
        factors, own = saved
        beside = -matmul(window, factors)
        own = own - matmul(factors.T, beside)
        rows = jnp.concatenate([own, beside.T], axis=1)
        kept = half_bandwidth - width
        below = jnp.concatenate([beside[:kept], window[:kept, :kept]], axis=1)
        return jnp.concatenate([rows[:, :half_bandwidth], below]), _straightened(rows)

    start = jnp.zeros((half_bandwidth, half_bandwidth), inner.dtype)
    found = jax.lax.scan(step, start, (beside_factors, inner), reverse=True, unroll=_UNROLL)[1]
    return found.reshape(-1, half_bandwidth + 1)


# ------------------------------------------------- w × w entries, each a separate array


def _factor_entries(block):
    """Factor P = L D Lᵀ: the pivots d_i, and L[i][j] for j < i."""
    size = block.shape[0]
    pivots, lower = [], []
    for i in range(size):
        scaled, row = [], []  # L[i][j] d_j, and L[i][j]
        for j in range(i):
            entry = block[i, j]
            for m in range(j):
                entry = entry - scaled[m] * lower[j][m]
            scaled.append(entry)
            row.append(entry / pivots[j])
        pivot = block[i, i]
        for entry, factor in zip(scaled, row, strict=True):
            pivot = pivot - entry * factor
        pivots.append(pivot)
        lower.append(row)
    return pivots, lower


def _solved(lower, columns):
    """Compute the columns of F = R L^{-T} from those of R."""
    found = []
    for row, column in zip(lower, columns, strict=True):
        for factor, before in zip(row, found, strict=True):
            column = column - factor * before
        found.append(column)
    return found


def _solved_backwards(lower, columns):
    """Compute the columns of G L^{-1} from those of G."""
    found = list(columns)
    for k in reversed(range(len(columns))):
        for m in range(k + 1, len(columns)):
            found[k] = found[k] - lower[m][k] * found[m]
    return found


def _inverse_entries(pivots, lower):
    """Compute P^{-1} = L^{-T} D^{-1} L^{-1}."""
    size = len(pivots)
    inverse = {}  # of L, below the diagonal
    for k in range(size):
        for j in range(k + 1, size):
            entry = -lower[j][k]
            for m in range(k + 1, j):
                entry = entry - lower[j][m] * inverse[m, k]
            inverse[j, k] = entry
    found = {}
    for i in range(size):
        for k in range(i + 1):
            entry = inverse[i, k] / pivots[i] if k < i else 1 / pivots[i]
            for j in range(i + 1, size):
                entry = entry + inverse[j, i] * inverse[j, k] / pivots[j]
            found[i, k] = found[k, i] = entry
    return jnp.stack([found[i, k] for i in range(size) for k in range(size)]).reshape(size, size)


# --------------------------------------------------------------------- slanted rows


def _skewed(rows):
    """Move row c by c places to the right: shape (w, b + 1) to (w, b + w)."""
    count, length = rows.shape
    padded = jnp.pad(rows, ((0, 0), (0, count)))
    return padded.reshape(-1)[: count * (length + count - 1)].reshape(count, length + count - 1)


def _straightened(rows):
    """Move row c by c places to the left: shape (w, b + w) to (w, b + 1)."""
    count, length = rows.shape
    return jnp.pad(rows.reshape(-1), (0, count)).reshape(count, length + 1)[:, : length - count + 1]
