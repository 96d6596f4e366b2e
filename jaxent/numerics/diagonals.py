"""Build matrices with one vector on a diagonal; each is one compiled program that allocates only its result.

>>> symmetric(np.array([1.0, 2.0])).tolist()
[[0.0, 1.0, 0.0], [1.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.runtime import execution, memory

__all__ = ["antisymmetric", "below", "diagonal", "symmetric"]


def diagonal(entries: np.ndarray) -> jax.Array:
    """Build the matrix with the entries on its diagonal."""
    return _within_memory(_diagonal, entries)


def below(entries: np.ndarray) -> jax.Array:
    """Build the matrix R with the entries below its diagonal, R[k+1, k]."""
    return _within_memory(_below, entries)


def symmetric(entries: np.ndarray) -> jax.Array:
    """Build R + R^T."""
    return _within_memory(_symmetric, entries)


def antisymmetric(entries: np.ndarray) -> jax.Array:
    """Build the complex matrix -iR + iR^T."""
    return _within_memory(_antisymmetric, entries)


def _within_memory(program: Callable, entries: np.ndarray) -> jax.Array:
    what, instead = f"An operator with {len(entries)} entries on a diagonal", "use a smaller window"
    memory.check_memory(8 * len(entries) ** 2, what, instead)
    return execution.call(program, jnp.asarray(entries, jnp.result_type(float)), what=what, instead=instead)


@jax.jit
def _diagonal(entries):
    return jnp.diag(entries)


@jax.jit
def _below(entries):
    return jnp.diag(entries, -1)


@jax.jit
def _symmetric(entries):
    return _below(entries) + _below(entries).T


@jax.jit
def _antisymmetric(entries):
    imaginary = _below(entries).T - _below(entries)
    return jax.lax.complex(jnp.zeros_like(imaginary), imaginary)
