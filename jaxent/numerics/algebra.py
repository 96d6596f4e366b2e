"""Products of arrays whose ranks and types differ, written out as JAX's strict modes ask.

A real factor becomes complex before it meets a complex one, and a vector says whether it scales rows or columns. So the
kernels run under `jax_numpy_rank_promotion="raise"` and `jax_numpy_dtype_promotion="strict"`, with which people look
for mistakes in code of their own.

>>> with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
...     print(between_diagonals(jnp.array([1.0, 2.0]), jnp.ones((2, 2)), jnp.array([1j, 1.0])).tolist())
[[1j, (1+0j)], [2j, (2+0j)]]
"""

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "alike",
    "between_diagonals",
    "complex_type",
    "log_magnitude",
    "matmul",
    "multiply",
    "multiply_each",
    "pairwise_differences",
    "scaled_columns",
    "scaled_rows",
]


def alike(*arrays: jax.Array) -> list[jax.Array]:
    """Convert arrays to the smallest dtype that holds all of them."""
    dtype = np.result_type(*(array.dtype for array in arrays))
    return [array.astype(dtype) for array in arrays]


def complex_type(dtype) -> np.dtype:
    """Return the complex dtype of the same precision."""
    return np.result_type(dtype, np.complex64)


def log_magnitude(values: jax.Array) -> jax.Array:
    """Compute ln |x|, but at least the logarithm of the smallest normal number, also for x = 0."""
    size = jnp.abs(values)
    nothing = float(np.log(jnp.finfo(size.dtype).tiny))
    # a subnormal number may compare as larger than zero while its logarithm is -∞
    return jnp.where(size > 0, jnp.maximum(jnp.log(jnp.where(size > 0, size, 1.0)), nothing), nothing)


def multiply(left: jax.Array, right: jax.Array) -> jax.Array:
    """Multiply arrays of one rank, or an array and a scalar, element by element."""
    left, right = alike(left, right)
    return left * right


def multiply_each(several: jax.Array, array: jax.Array) -> jax.Array:
    """Multiply several arrays, stacked along leading axes, each by one array, element by element."""
    return multiply(several, jnp.broadcast_to(array, several.shape))


def matmul(left: jax.Array, right: jax.Array) -> jax.Array:
    """Multiply matrices in full precision on every device."""
    return jnp.matmul(*alike(left, right), precision="highest")


def between_diagonals(left: jax.Array, matrix: jax.Array, right: jax.Array) -> jax.Array:
    """Compute diag(l) X diag(r)."""
    return scaled_columns(multiply(left[:, None], matrix), right)


def scaled_columns(matrix: jax.Array, factors: jax.Array) -> jax.Array:
    """Compute X diag(r)."""
    return multiply(matrix, factors[None, :])


def scaled_rows(factors: jax.Array, matrix: jax.Array) -> jax.Array:
    """Compute diag(l) X for every vector l along the last axis of the factors."""
    return multiply_each(jnp.broadcast_to(factors[..., :, None], (*factors.shape, matrix.shape[-1])), matrix)


def pairwise_differences(states: jax.Array) -> jax.Array:
    """Compute k - k' of all pairs on the device, so that no table is stored in the program."""
    return states[:, None] - states[None, :]
