"""Decompositions of one matrix, each by what is fast on the device: LAPACK, cuSOLVER, Jacobi's rotations, or XLA's own.

On a CPU, batches are decomposed one matrix at a time: jaxlib's batched LAPACK calls, Cholesky's factorization and
triangular solutions included, wait for threads of the pool they run on, so that two of them in one program can wait for
each other for ever (seen on two cores). So nothing in the library calls `jax.numpy.linalg` under `jax.vmap` but this
module, and derivatives are made of the results. A large matrix is still shared among the threads, and eigenvalues alone
lose nothing; only many small `eigh` would be faster at once.
On NVIDIA's GPUs it is the library that goes one by one beyond 32 rows: `numerics.jacobi` takes such batches at once.

On a CPU eigenvalues alone are asked of LAPACK without eigenvectors, in half the time: `jax.numpy.linalg.eigvalsh` has
it compute both.

>>> print(eigenvalues(jnp.array([[0.0, 1.0], [1.0, 0.0]])))
[-1.  1.]
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.numerics import jacobi
from jaxent.numerics.algebra import matmul, multiply, scaled_columns

try:
    from jaxlib.lapack import prepare_lapack_call  # as JAX itself calls LAPACK, unchanged from 0.7 to 0.12
except ImportError:
    prepare_lapack_call = None

__all__ = ["eigenvalues", "eigh", "inverse_cholesky", "singular_values", "svd"]

_LAPACK = (jnp.float32, jnp.float64, jnp.complex64, jnp.complex128)


def _one_by_one(decompose: Callable, at_once: Callable | None = None) -> Callable:
    """Make a decomposition run in a loop over a batch on a CPU, and `at_once` on a GPU if that is faster."""
    single = jax.custom_batching.custom_vmap(decompose)
    in_turn = jax.jit(lambda all_: jax.lax.map(single, all_))  # batches of one shape share what it is compiled to

    @single.def_vmap
    def batch(count, _, matrices):
        ways = {"cpu": in_turn, "default": jax.vmap(decompose)}
        if at_once is not None and jacobi.pays(count, matrices.shape[-1]):
            ways["cuda"] = at_once
        result = jax.lax.platform_dependent(matrices, **ways)
        return result, jax.tree.map(lambda _: True, result)

    return single


@jax.custom_jvp
@functools.partial(_one_by_one, at_once=jacobi.eigh)
def eigh(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Compute eigenvalues λ, increasing, and eigenvectors V (columns) of a Hermitian matrix from its lower triangle."""
    return tuple(jnp.linalg.eigh(matrix, symmetrize_input=False))


@eigh.defjvp
def _eigh_jvp(primals, tangents):
    """Compute dλ_i = (V† dA V)_ii and dV = V [(V† dA V)_ij / (λ_j - λ_i)], whose diagonal is 0."""
    values, vectors = eigh(*primals)
    (tangent,) = tangents
    turned = _turned(vectors.conj().T, tangent, vectors)
    change = multiply(_reciprocal(values[None, :] - values[:, None]), turned)
    return (values, vectors), (jnp.diagonal(turned).real, matmul(vectors, change))


@jax.custom_jvp
@_one_by_one
def svd(matrix: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Compute σ, U with min(m, n) columns, and V† with min(m, n) rows."""
    left, values, right = jnp.linalg.svd(matrix, full_matrices=False)
    return values, left, right


@svd.defjvp
def _svd_jvp(primals, tangents):
    """Compute dσ_i = Re P_ii with P = U† dA V, dU and dV (J. Townsend, Differentiating the SVD, 2016).

    dU = U (F ∘ [P Σ + Σ P†] + diag (P - P†) / 2Σ) + (1 - U U†) dA V Σ^-1 with F_ij = 1 / (σ_j² - σ_i²), and dV in the
    same way from dA†, without the diagonal.
    """
    (tangent,) = tangents
    values, left, right = svd(*primals)
    turned = _turned(left.conj().T, tangent, right.conj().T)
    between = _reciprocal((values[None, :] - values[:, None]) * (values[None, :] + values[:, None]))
    inverse = 1 / values

    def change(basis, own, rate):
        weighted = scaled_columns(own, values)
        inside = multiply(between, weighted + weighted.conj().T)
        outside = scaled_columns(rate - matmul(basis, own), inverse)
        return matmul(basis, inside) + (outside if basis.shape[0] > basis.shape[1] else 0)

    d_left = change(left, turned, matmul(tangent, right.conj().T))
    d_right = change(right.conj().T, turned.conj().T, matmul(tangent.conj().T, left))
    phases = (jnp.diagonal(turned) - jnp.diagonal(turned).conj()) / 2 * inverse
    return (values, left, right), (
        jnp.diagonal(turned).real,
        d_left + scaled_columns(left, phases),
        d_right.conj().T,
    )


@jax.custom_jvp
@_one_by_one
def inverse_cholesky(matrix: jax.Array) -> jax.Array:
    """Compute W = L^-1, lower triangular, of a positive matrix A = L L†; NaN if it is not positive."""
    factor = jnp.linalg.cholesky(matrix, symmetrize_input=False)
    return jax.scipy.linalg.solve_triangular(factor, jnp.eye(len(matrix), dtype=matrix.dtype), lower=True)


@inverse_cholesky.defjvp
def _inverse_cholesky_jvp(primals, tangents):
    """Compute dW = -Φ W: Φ, of W dA W†, its lower triangle with half the diagonal, is L^-1 dL."""
    inverse = inverse_cholesky(*primals)
    (tangent,) = tangents
    turned = _turned(inverse, tangent, inverse.conj().T)
    half = jnp.tril(turned) - jnp.diag(jnp.diagonal(turned) / 2)
    return inverse, -matmul(half, inverse)


def _turned(left, matrix, right):
    return matmul(matmul(left, matrix), right)


def _reciprocal(differences):
    """Compute 1 / x_ij with 0 on the diagonal."""
    itself = jnp.eye(len(differences), dtype=bool)
    return jnp.where(itself, 0.0, 1 / jnp.where(itself, 1.0, differences)).astype(differences.dtype)


@_one_by_one
def singular_values(matrix: jax.Array) -> jax.Array:
    """Compute the min(m, n) singular values, decreasing."""
    directly = functools.partial(jnp.linalg.svd, compute_uv=False)
    return jax.lax.platform_dependent(matrix, tpu=_by_eigenvalues, default=directly)


def _by_eigenvalues(matrix: jax.Array) -> jax.Array:
    """Compute σ from the eigenvalues ±σ of [[0, A], [A†, 0]], which a TPU compiles in a seventh of the time."""
    count = min(matrix.shape)
    both = jnp.pad(matrix, ((0, matrix.shape[1]), (matrix.shape[0], 0)))
    return jnp.maximum(_eigenvalues(both + both.conj().T)[: -count - 1 : -1], 0.0)


def eigenvalues(matrix: jax.Array) -> jax.Array:
    """Compute the eigenvalues of a Hermitian matrix, increasing; its lower triangle is read."""
    if prepare_lapack_call is None or matrix.dtype not in _LAPACK or not matrix.size:
        return _eigenvalues(matrix)
    return jax.lax.platform_dependent(matrix, cpu=_values_only, default=_eigenvalues)


@functools.partial(_one_by_one, at_once=jacobi.eigvalsh)
def _eigenvalues(matrix: jax.Array) -> jax.Array:
    return jnp.linalg.eigvalsh(matrix, symmetrize_input=False)


@_one_by_one
def _values_only(matrix: jax.Array) -> jax.Array:
    """Call LAPACK's syevd or heevd without eigenvectors."""
    size, real = len(matrix), matrix.real.dtype
    kind = "he" if jnp.iscomplexobj(matrix) else "sy"
    call = jax.ffi.ffi_call(
        prepare_lapack_call(f"{kind}evd_ffi", matrix.dtype),  # pyright: ignore[reportOptionalCall]
        [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in (((size, size), matrix.dtype), ((size,), real))]
        + [jax.ShapeDtypeStruct((), np.int32)],
        input_output_aliases={0: 0},
        vmap_method="sequential",
    )
    # the lower triangle of rows is the upper one of columns, in which LAPACK reads them
    _, values, failed = call(matrix, mode=np.uint8(ord("N")), uplo=np.uint8(ord("U")))
    right = (failed == 0) & jnp.all(jnp.isfinite(jnp.tril(matrix)))
    return values * jnp.where(right, 1.0, jnp.nan).astype(real)
