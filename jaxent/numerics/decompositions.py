"""Decompositions of one matrix, each by what is fast on the device: LAPACK, cuSOLVER, Jacobi's rotations, or XLA's own.

On a CPU, batches are decomposed one matrix at a time: jaxlib's batched LAPACK calls wait for threads of the pool they
run on, so that two of them in one program can wait for each other for ever (seen on two cores). A large matrix is
still shared among the threads, and eigenvalues alone lose nothing; only many small `eigh` would be faster at once.
On NVIDIA's GPUs it is the library that goes one by one beyond 32 rows: `numerics.jacobi` takes such batches at once.

On a CPU the eigenvalues are computed without eigenvectors (Householder reduction, then bisection), which
`jax.numpy.linalg.eigvalsh` is not able to; elsewhere it is used as it is.

>>> print(eigenvalues(jnp.array([[0.0, 1.0], [1.0, 0.0]])))
[-1.  1.]
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np

from jaxent.numerics import jacobi

__all__ = ["eigenvalues", "eigh", "singular_values", "svd"]

_SMALLEST_REDUCED = 16  # below, LAPACK's own solver is as fast


def _one_by_one(decompose: Callable, at_once: Callable | None = None) -> Callable:
    """A decomposition of one matrix; its batches: on a CPU in a loop, on a GPU `at_once` where that is faster."""
    single = jax.custom_batching.custom_vmap(decompose)

    @single.def_vmap
    def batch(count, _, matrices):
        ways = {"cpu": lambda all_: jax.lax.map(single, all_), "default": jax.vmap(decompose)}
        if at_once is not None and jacobi.pays(count, matrices.shape[-1]):
            ways["cuda"] = at_once
        result = jax.lax.platform_dependent(matrices, **ways)
        return result, jax.tree.map(lambda _: True, result)

    @jax.custom_jvp
    def differentiable(matrix):
        return single(matrix)

    @differentiable.defjvp
    def _(primals, tangents):
        return jax.jvp(decompose, primals, tangents)

    return differentiable


@functools.partial(_one_by_one, at_once=jacobi.eigh)
def eigh(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Eigenvalues λ, increasing, and eigenvectors (columns of V) of a Hermitian matrix; its lower triangle is read."""
    return tuple(jnp.linalg.eigh(matrix, symmetrize_input=False))


@_one_by_one
def svd(matrix: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """σ, U and V† with min(m, n) columns and rows."""
    left, values, right = jnp.linalg.svd(matrix, full_matrices=False)
    return values, left, right


@_one_by_one
def singular_values(matrix: jax.Array) -> jax.Array:
    """The min(m, n) singular values, decreasing."""
    directly = functools.partial(jnp.linalg.svd, compute_uv=False)
    return jax.lax.platform_dependent(matrix, tpu=_by_eigenvalues, default=directly)


def _by_eigenvalues(matrix: jax.Array) -> jax.Array:
    """σ from the eigenvalues ±σ of [[0, A], [A†, 0]], for which a TPU's compiler takes a seventh of the time."""
    count = min(matrix.shape)
    both = jnp.pad(matrix, ((0, matrix.shape[1]), (matrix.shape[0], 0)))
    return jnp.maximum(_eigenvalues(both + both.conj().T)[: -count - 1 : -1], 0.0)


def eigenvalues(matrix: jax.Array) -> jax.Array:
    """Eigenvalues of a Hermitian matrix, increasing; its lower triangle is read."""
    if matrix.shape[-1] < _SMALLEST_REDUCED:
        return _eigenvalues(matrix)
    return jax.lax.platform_dependent(matrix, cpu=_values_only, default=_eigenvalues)


@functools.partial(_one_by_one, at_once=jacobi.eigvalsh)
def _eigenvalues(matrix: jax.Array) -> jax.Array:
    return jnp.linalg.eigvalsh(matrix, symmetrize_input=False)


@_one_by_one
def _tridiagonal(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    _, diagonal, off_diagonal, _ = jax.lax.linalg.tridiagonal(matrix)
    return diagonal, off_diagonal


def _values_only(matrix: jax.Array) -> jax.Array:
    # bisection squares the off-diagonals: without a scale of one they under- or overflow beyond 1e±150
    largest = jnp.max(jnp.abs(jnp.tril(matrix)))
    scale = jnp.where(largest > 0, largest, 1.0)
    diagonal, off_diagonal = _tridiagonal(matrix / scale.astype(matrix.dtype))
    with np.errstate(under="ignore"):  # of JAX's own tolerances, while it is traced
        return scale * jax.scipy.linalg.eigh_tridiagonal(diagonal, off_diagonal, eigvals_only=True)
