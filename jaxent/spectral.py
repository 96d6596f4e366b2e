"""Functions of a spectrum whose derivatives divide by no difference of eigenvalues.

The spectra here are degenerate everywhere (at a magic time r Schmidt coefficients are equal and the rest vanish),
where the derivative of an eigenvector does not exist. A symmetric function g(λ_1, λ_2, …) of the spectrum has its
derivatives all the same (Daleckii and Krein). With B = V diag(λ) V† and w_i = ∂g/∂λ_i,

    dg = Tr[G dB],    G = V diag(w) V†,    dG = V (Γ ∘ V† dB V) V†,    Γ_ij = (w_i - w_j) / (λ_i - λ_j)

for i ≠ j, with the limit ∂_i∂_i g - ∂_i∂_j g where two eigenvalues meet. `of_eigenvalues` and `of_singular_values` hold
this rule for any g, in forward and in reverse mode, to second order: entropies and Rényi entropies are instances, and
`trace_norm` is the one with a kink.

**Second derivatives** are exact where they exist. They do not where g has a kink or a logarithm at a zero eigenvalue
that the direction moves: the entropy at an exactly vanishing Schmidt coefficient, the trace norm at a zero of the
partial transpose; what comes out there is the part that exists. **Third derivatives** are not supported: they come out
as NaN or wrong where eigenvalues meet; differentiate a second derivative by differences there.

`eigvalsh` and `svdvals` give the values themselves; a single dλ_i means something only where λ_i is simple.

References: Ju. L. Daleckii, S. G. Krein, AMS Transl. (2) 47, 1 (1965); A. S. Lewis, H. S. Sendov, SIAM J. Matrix
Anal. Appl. 23, 368 (2001).

>>> bell = jnp.diag(jnp.array([0.5, 0.5, 0.0, 0.0]))
>>> purity = lambda eigenvalues: jnp.sum(eigenvalues**2)
>>> print(float(of_eigenvalues(purity, [bell])))
0.5
>>> print(jax.grad(lambda x: of_eigenvalues(purity, [x * bell]))(1.0))
1.0
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.numerics import rounding
from jaxent.numerics.algebra import multiply, multiply_each, pairwise_differences, scaled_columns, scaled_rows
from jaxent.numerics.decompositions import eigenvalues, eigh, singular_values, svd

__all__ = ["eigh", "eigvalsh", "of_eigenvalues", "of_singular_values", "svdvals", "trace_norm"]


@jax.custom_jvp
def eigvalsh(matrix: jax.Array) -> jax.Array:
    """Compute the eigenvalues of a Hermitian matrix, increasing, with a degeneracy-proof differential.

    Args:
        matrix: Hermitian array of shape (n, n); only its lower triangle is read. Use `jax.vmap` for batches.

    Returns:
        real array of shape (n,). Its differential is dλ_i = v_i† dB v_i.
    """
    return eigenvalues(matrix)


@eigvalsh.defjvp
def _eigvalsh_jvp(primals, tangents):
    (matrix,), (tangent,) = primals, tangents
    values, vectors = eigh(matrix)
    with jax.default_matmul_precision("highest"):
        rotated = tangent @ vectors
    return values, jnp.sum(vectors.conj() * rotated, axis=-2).real


@jax.custom_jvp
def svdvals(matrix: jax.Array) -> jax.Array:
    """Compute the singular values of a matrix, decreasing, with a degeneracy-proof differential.

    Args:
        matrix: array of shape (m, n), real or complex. Use `jax.vmap` for batches.

    Returns:
        real array of shape (min(m, n),). Its differential is dσ_i = Re u_i† dA v_i; at σ_i = 0 that is one of the
        directional derivatives, which suits functions of σ² (and gives a subgradient of Σσ).
    """
    return singular_values(matrix)


@svdvals.defjvp
def _svdvals_jvp(primals, tangents):
    (matrix,), (tangent,) = primals, tangents
    values, left, right = svd(matrix)
    with jax.default_matmul_precision("highest"):
        rotated = left.conj().T @ tangent
    return values, jnp.sum(rotated * right.conj(), axis=-1).real


# ------------------------------------------------- symmetric functions of a spectrum


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def of_eigenvalues(
    function: Callable, blocks: Sequence[jax.Array], parameters: tuple[jax.Array, ...] = ()
) -> jax.Array:
    """Evaluate a function of the eigenvalues of a block-diagonal Hermitian matrix, twice differentiable in the matrix.

    Args:
        function: takes all eigenvalues, real of shape (n,), those of the first block first, and then the parameters,
            and returns an array of any shape. It must not change when the eigenvalues of a block are permuted among
            themselves, and must close over no traced values.
        blocks: Hermitian arrays of shape (n_b, n_b), each with its own n_b.
        parameters: real floating arrays, in which it is differentiated too.

    Returns:
        what `function` returns.
    """
    return function(jnp.concatenate([eigvalsh(block) for block in blocks]), *parameters)


@of_eigenvalues.defjvp
def _of_eigenvalues_jvp(function, primals, tangents):
    value, *slopes = _with_gradient(function, *primals)
    return value, _change(slopes, tangents)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _with_gradient(function, blocks, parameters):
    """Compute g, its gradient G, shape (*g.shape, n_b, n_b) for each block, and its derivatives in the parameters."""
    return _value_and_gradients(function, _spectra(blocks), parameters)


@_with_gradient.defjvp
def _with_gradient_jvp(function, primals, tangents):
    (blocks, parameters), (d_blocks, d_parameters) = primals, tangents
    spectra = _spectra(blocks)
    result = _value_and_gradients(function, spectra, parameters)
    rotated = [_sandwich(v.conj().T, d, v) for (_, v, _), d in zip(spectra, d_blocks, strict=True)]
    d_values = [jnp.diagonal(d).real for d in rotated]
    change, d_slopes, quotients = _changes(function, spectra, parameters, d_values, d_parameters)
    d_gradients = []
    for (_, vectors, _), d_block, d_weights, (difference, _) in zip(spectra, rotated, change, quotients, strict=True):
        inner = multiply_each(difference, d_block) + scaled_rows(
            d_weights, jnp.eye(*d_block.shape, dtype=d_block.dtype)
        )
        d_gradients.append(_sandwich(vectors, inner, vectors.conj().T))
    return result, (_change(result[1:], tangents), d_gradients, d_slopes)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def of_singular_values(
    function: Callable, blocks: Sequence[jax.Array], parameters: tuple[jax.Array, ...] = ()
) -> jax.Array:
    """Evaluate a function of the singular values of a block-diagonal matrix, twice differentiable in the matrix.

    Args:
        function: takes all singular values, and the parameters, and returns an array, as in `of_eigenvalues`. It should
            be even in each σ (a function of σ²); Σσ has a kink at σ = 0 and gets a subgradient there.
        blocks: square arrays, real or complex, each of its own size.
        parameters: as in `of_eigenvalues`.

    Returns:
        what `function` returns.
    """
    return function(jnp.concatenate([svdvals(block) for block in blocks]), *parameters)


@of_singular_values.defjvp
def _of_singular_values_jvp(function, primals, tangents):
    value, *slopes = _with_singular_gradient(function, *primals)
    return value, _change(slopes, tangents)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _with_singular_gradient(function, blocks, parameters):
    return _value_and_gradients(function, [svd(block) for block in blocks], parameters)


@_with_singular_gradient.defjvp
def _with_singular_gradient_jvp(function, primals, tangents):
    (blocks, parameters), (d_blocks, d_parameters) = primals, tangents
    spectra = [svd(block) for block in blocks]
    result = _value_and_gradients(function, spectra, parameters)
    rotated = [_sandwich(u.conj().T, d, v.conj().T) for (_, u, v), d in zip(spectra, d_blocks, strict=True)]
    d_values = [jnp.diagonal(d).real for d in rotated]
    change, d_slopes, quotients = _changes(function, spectra, parameters, d_values, d_parameters)
    d_gradients = []
    for (_, left, right), d_block, d_weights, (difference, total) in zip(
        spectra, rotated, change, quotients, strict=True
    ):
        symmetric, skew = (d_block + d_block.conj().T) / 2, (d_block - d_block.conj().T) / 2
        inner = multiply_each(difference, symmetric) + multiply_each(total, skew)
        inner = inner + scaled_rows(d_weights, jnp.eye(*d_block.shape, dtype=d_block.dtype))
        d_gradients.append(_sandwich(left, inner, right))
    return result, (_change(result[1:], tangents), d_gradients, d_slopes)


def _spectra(blocks):
    """Compute λ, V and V† of each block."""
    return [(values, vectors, vectors.conj().T) for values, vectors in map(eigh, blocks)]


def _value_and_gradients(function, spectra, parameters):
    sizes = [len(values) for values, _, _ in spectra]
    values = jnp.concatenate([values for values, _, _ in spectra])
    weights, *slopes = _slopes(function)(values, *parameters)
    gradients = [
        _sandwich(left, scaled_rows(w, right), None)
        for (_, left, right), w in zip(spectra, _split(weights, sizes), strict=True)
    ]
    return function(values, *parameters), gradients, slopes


def _slopes(function):
    """Make the function that returns ∂g/∂λ and the derivative in each parameter."""
    return lambda *args: jax.jacrev(function, argnums=tuple(range(len(args))))(*args)


def _changes(function, spectra, parameters, d_values, d_parameters):
    """Compute dw of each block, the change of the parameters' derivatives, and (w_i ∓ w_j)/(λ_i ∓ λ_j).

    The quotient with the differences is 0 on the diagonal.
    """
    sizes = [len(values) for values, _, _ in spectra]
    values = jnp.concatenate([values for values, _, _ in spectra])
    tangents = (jnp.concatenate(d_values), *d_parameters)
    (weights, *_), (d_weights, *d_slopes) = jax.jvp(_slopes(function), (values, *parameters), tangents)
    second = jax.hessian(function)(values, *parameters)
    quotients, start = [], 0
    for (own, _, _), w, size in zip(spectra, _split(weights, sizes), sizes, strict=True):
        inside = second[..., start : start + size, start : start + size]
        quotients.append(_divided_differences(own, w, inside))
        start += size
    return _split(d_weights, sizes), d_slopes, quotients


def _divided_differences(values, weights, second):
    curvature = jnp.diagonal(second, axis1=-2, axis2=-1)
    limit = (curvature[..., :, None] + curvature[..., None, :]) / 2 - second
    size = jnp.maximum(jnp.abs(values)[:, None], jnp.abs(values)[None, :])
    close = rounding.epsilon(values.dtype) ** (1 / 3) * size  # where the quotient's rounding equals the limit's error

    def quotient(sign):
        gap = values[:, None] + sign * values[None, :]
        apart, gap = (jnp.broadcast_to(x, limit.shape) for x in (jnp.abs(gap) > close, gap))
        ratio = (weights[..., :, None] + sign * weights[..., None, :]) / jnp.where(apart, gap, 1.0)
        return jnp.where(apart, ratio, limit)

    itself = jnp.broadcast_to(jnp.eye(len(values), dtype=bool), limit.shape)
    return jnp.where(itself, 0.0, quotient(-1)), quotient(1)


def _split(stacked, sizes):
    return jnp.split(stacked, np.cumsum(sizes)[:-1], axis=-1)


def _sandwich(left, middle, right):
    product = jnp.matmul(left, middle, precision="highest")
    return product if right is None else jnp.matmul(product, right, precision="highest")


def _change(slopes, tangents) -> jax.Array:
    """Compute dg from the gradients and the parameters' derivatives, along the tangents of blocks and parameters."""
    (gradients, in_parameters), (d_blocks, d_parameters) = slopes, tangents
    terms = [jnp.tensordot(s, d, d.ndim) for s, d in zip(in_parameters, d_parameters, strict=True)]
    return functools.reduce(jnp.add, [_paired(gradients, d_blocks), *terms])


def _paired(gradients, d_blocks) -> jax.Array:
    """Compute Re Tr[G† dB], summed over the blocks."""
    terms = [jnp.sum(multiply_each(g.conj(), d), axis=(-2, -1)).real for g, d in zip(gradients, d_blocks, strict=True)]
    return functools.reduce(jnp.add, terms)


# ------------------------------------------------------------------ trace norm


@jax.custom_jvp
def trace_norm(blocks: Sequence[jax.Array], growths: Sequence[jax.Array] | None = None) -> jax.Array:
    """Compute the trace norm ‖B‖_1 = Σ|λ_i| of a block-diagonal Hermitian matrix, differentiable at zero eigenvalues.

    d‖B‖_1 = Tr[sign(B) dB]. Where B has zero eigenvalues the norm has a kink: along a direction W it grows by
    ‖P_0 W P_0‖_1 more, P_0 the projector on the null space. With `growths` = W the differential is the one-sided one
    along W, without it the null space is left out. Second derivatives leave the kink out.

    Args:
        blocks: Hermitian arrays of shape (n, n), each with its own n.
        growths: Hermitian arrays of the same shapes, or None; they do not change the value.

    Returns:
        real scalar.
    """
    return functools.reduce(jnp.add, [jnp.sum(jnp.abs(eigvalsh(block))) for block in blocks])


@trace_norm.defjvp
def _trace_norm_jvp(primals, tangents):
    (blocks, growths), (d_blocks, _) = primals, tangents
    norm, signs = _norm_and_signs(blocks, growths)
    return norm, _paired(signs, d_blocks)


@jax.custom_jvp
def _norm_and_signs(blocks, growths):
    """Compute ‖B‖_1 and sign(B); on the null space of B its sign is that of W."""
    spectra = _spectra(blocks)
    signs = []
    for index, ((_, vectors, adjoint), weights) in enumerate(zip(spectra, _signs(spectra), strict=True)):
        sign = scaled_columns(vectors, weights)
        if growths is not None:
            absent = weights == 0
            inside = jnp.where(absent[:, None] & absent[None, :], _sandwich(adjoint, growths[index], vectors), 0.0)
            growing, directions = eigh((inside + inside.conj().T) / 2)
            turned = _sandwich(vectors, scaled_columns(directions, jnp.sign(growing)), directions.conj().T)
            sign = sign + turned
        signs.append(_sandwich(sign, adjoint, None))
    return functools.reduce(jnp.add, [jnp.sum(jnp.abs(values)) for values, _, _ in spectra]), signs


@_norm_and_signs.defjvp
def _norm_and_signs_jvp(primals, tangents):
    (blocks, growths), (d_blocks, _) = primals, tangents
    norm, signs = _norm_and_signs(blocks, growths)
    spectra = _spectra(blocks)
    d_signs = []
    for (values, vectors, adjoint), weights, d_block in zip(spectra, _signs(spectra), d_blocks, strict=True):
        apart = weights[:, None] != weights[None, :]
        ratio = pairwise_differences(weights) / jnp.where(apart, pairwise_differences(values), 1.0)
        inner = multiply(jnp.where(apart, ratio, 0.0), _sandwich(adjoint, d_block, vectors))
        d_signs.append(_sandwich(vectors, inner, adjoint))
    return (norm, signs), (_paired(signs, d_blocks), d_signs)


def _signs(spectra):
    """Compute the signs of the eigenvalues, 0 for one within rounding of zero."""
    largest = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(values)) for values, _, _ in spectra])
    size = sum(len(values) for values, _, _ in spectra)
    least = 64 * size * rounding.epsilon(largest.dtype) * largest
    return [jnp.where(jnp.abs(values) <= least, 0.0, jnp.sign(values)) for values, _, _ in spectra]
