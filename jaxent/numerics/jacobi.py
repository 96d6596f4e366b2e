"""Eigenvalues and eigenvectors of many small Hermitian matrices at once, by Jacobi's rotations, for GPUs.

cuSOLVER decomposes matrices of more than 32 rows one after the other, a few dozen kernels each. Here every step rotates
n/2 disjoint pairs (i, p) of all matrices in a few kernels: with U_ii = c, U_pi = u,

    A → U† A U,    A_ip → 0,    tan θ = sign(τ) / (|τ| + √(1 + τ²)),    τ = (A_pp - A_ii) / 2|A_ip|.

In step r of a sweep i + p = r (mod n) for odd n, so that n steps meet every pair once; even sizes get a row of zeros.
Of i and p the first gets the larger A_ii (another quarter turn where it is not so): equal eigenvalues then end up side
by side, without which they converge slowly. Sweeps go on until what is off the diagonal of every matrix is rounding:
six to ten, as it shrinks quadratically. What does not get there in `_MOST_SWEEPS`, NaN among it, comes out as NaN.

Errors are some roundings of the largest eigenvalue; nothing is divided by a difference of eigenvalues, so any of them
may be equal. Nothing here chooses the platform.

References: C. G. J. Jacobi, J. reine angew. Math. 30, 51 (1846); F. T. Luk, H. Park, J. Parallel Distrib. Comput. 6,
424 (1989), on the order of the pairs.

>>> print(eigh(jnp.array([[[2.0, 0.0], [1.0, 2.0]]]))[0])  # the lower triangle is read
[[1. 3.]]
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

__all__ = ["eigh", "eigvalsh", "pays"]

_ONE_CALL = 32  # rows up to which cuSOLVER takes a batch at once
_MOST_ROWS = 128
_LEAST_MATRICES = 8  # a step takes as long for one as for some
_MOST_SWEEPS = 30
_UNROLL = 4  # steps that are compiled as one


def pays(n_matrices: int, n_rows: int) -> bool:
    """Check whether this many matrices are decomposed faster here than one after the other on a GPU."""
    return _ONE_CALL < n_rows <= _MOST_ROWS and n_matrices >= _LEAST_MATRICES


def eigh(matrices: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Compute eigenvalues, increasing, and eigenvectors as columns.

    Args:
        matrices: Hermitian, shape (..., n, n); their lower triangles are read.

    Returns:
        real array of shape (..., n), and one of the shape of `matrices`.
    """
    values, vectors = _diagonalized(matrices, True)
    order = jnp.argsort(values, axis=-1)
    return jnp.take_along_axis(values, order, -1), jnp.take_along_axis(vectors, order[..., None, :], -1)


def eigvalsh(matrices: jax.Array) -> jax.Array:
    """Compute the eigenvalues alone, increasing, as `eigh`."""
    return jnp.sort(_diagonalized(matrices, False)[0], axis=-1)


class _State(NamedTuple):
    sweeps: jax.Array
    matrices: jax.Array
    vectors: Any  # an array, or None


def _diagonalized(matrices: jax.Array, with_vectors: bool) -> tuple[jax.Array, Any]:
    """Compute eigenvalues, unsorted, and the eigenvectors if `with_vectors`."""
    shape, dtype = matrices.shape, matrices.dtype
    scale, start = jax.vmap(_prepared)(matrices.reshape(-1, *shape[-2:]))
    vectors = jnp.broadcast_to(jnp.eye(start.shape[-1], dtype=dtype)[None], start.shape) if with_vectors else None

    def unfinished(state):
        return jnp.any(jax.vmap(_off_diagonal)(state.matrices) > 1) & (state.sweeps < _MOST_SWEEPS)

    def sweep(state):
        return _State(state.sweeps + 1, *jax.vmap(_sweep)(state.matrices, state.vectors))

    end = jax.lax.while_loop(unfinished, sweep, _State(jnp.zeros((), int), start, vectors))
    finished = jnp.where(jax.vmap(_off_diagonal)(end.matrices) <= 1, 1.0, jnp.nan)  # NaN is not
    values = jax.vmap(_diagonal)(end.matrices)[:, : shape[-1]] * (scale * finished.astype(scale.dtype))[:, None]
    if end.vectors is not None:
        vectors = end.vectors[:, : shape[-1], : shape[-1]]
        # some hundred rotations change a vector's length by some ten roundings
        lengths = jnp.sqrt(jnp.sum(jnp.abs(vectors) ** 2, axis=1, keepdims=True))
        vectors = (vectors / (lengths * finished.astype(lengths.dtype)[:, None, None]).astype(dtype)).reshape(shape)
    return values.reshape(shape[:-1]), vectors


# ------------------------------------------------------------------- one matrix


def _prepared(matrix):
    """Make a matrix Hermitian from its lower triangle, divide it by a scale, and pad it to an odd number of rows."""
    lower = jnp.tril(matrix)
    largest = jnp.max(jnp.abs(lower))
    scale = jnp.where(largest == 0, 1.0, largest)  # squares neither under- nor overflow; NaN stays NaN
    hermitian = (lower + jnp.tril(matrix, -1).conj().T) / scale.astype(matrix.dtype)
    return scale, jnp.pad(hermitian, (0, 1 - len(matrix) % 2))


def _sweep(matrix, vectors):
    here = jnp.arange(len(matrix))
    itself = here[:, None] == here[None, :]

    def step(both, turn):
        matrix, vectors = both
        partner = jnp.mod(turn - here, len(here))
        cosine, mixing, diagonal = _rotations(matrix, here, partner)
        rows, columns = cosine[:, None], cosine[None, :]
        from_rows, from_columns = mixing.conj()[:, None], mixing[None, :]
        other_row, other_column = matrix[partner], matrix[:, partner]
        same = (rows * columns) * matrix + (from_rows * from_columns) * other_row[:, partner]
        mixed = (rows * from_columns) * other_column + (from_rows * columns) * other_row
        turned = jnp.where(here[None, :] == partner[:, None], 0.0, same + mixed)
        turned = jnp.where(itself, diagonal[None, :], turned)
        if vectors is not None:
            vectors = columns * vectors + from_columns * vectors[:, partner]
        return (turned, vectors), None

    return jax.lax.scan(step, (matrix, vectors), here, unroll=_UNROLL)[0]


def _rotations(matrix, here, partner):
    """Compute c_i, u_i and the new A_ii of each index and its partner; an index paired with itself is unchanged."""
    first = here < partner
    own = _diagonal(matrix)
    other = own[partner]
    entry = matrix[jnp.minimum(here, partner), jnp.maximum(here, partner)]  # one element for both of a pair
    size = jnp.abs(entry)
    present = (size > 0) & (here != partner)
    safe = jnp.where(present, size, 1.0)
    ratio = (other - own) / (2 * safe)
    sign = jnp.where(ratio == 0, jnp.where(first, 1.0, -1.0), jnp.sign(ratio))
    tangent = jnp.where(present, sign / (jnp.abs(ratio) + jnp.sqrt(1 + ratio**2)), 0.0)
    cosine = 1 / jnp.sqrt(1 + tangent**2)
    kept, exchanged = own - tangent * size, other + tangent * size
    exchange = present & jnp.where(first, kept < exchanged, kept > exchanged)
    phase = jnp.where(first, entry.conj(), entry) / safe.astype(entry.dtype)
    mixing = jnp.where(exchange, sign * cosine, -tangent * cosine).astype(entry.dtype) * phase
    cosine = jnp.where(exchange, jnp.abs(tangent) * cosine, cosine)
    return cosine.astype(entry.dtype), mixing, jnp.where(exchange, exchanged, kept).astype(entry.dtype)


def _diagonal(matrix):
    return jnp.diagonal(matrix).real


def _off_diagonal(matrix):
    """Compute the norm of the off-diagonal part, in units of the rounding error of the whole norm."""
    squares = jnp.abs(matrix) ** 2
    off = jnp.sum(jnp.where(jnp.eye(len(matrix), dtype=bool), 0.0, squares))
    every = jnp.sum(squares)
    return jnp.sqrt(off / jnp.where(every == 0, 1.0, every)) / jnp.finfo(squares.dtype).eps
