"""How numbers are rounded on the device that runs a program, which need not be the one that traces it.

A TPU holds a float64 as a pair of float32: 48 bits, not 53, in the range of float32. `jnp.finfo` tells of neither.

>>> float(epsilon(jnp.float64)) == 2.0**-52
True
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

PAIR_BITS = 48  # of two significands of float32


def epsilon(dtype: jnp.dtype | type) -> Float[jax.Array, ""]:
    """Return the distance from 1 to the next larger number on the device, in the dtype itself."""
    info = jnp.finfo(dtype)
    return _by_device(info.dtype, info.eps, 2.0 ** (1 - PAIR_BITS))


def smallest(dtype: jnp.dtype | type) -> Float[jax.Array, ""]:
    """Return the smallest normal number on the device; in float64 on a TPU that is the one of float32."""
    info = jnp.finfo(dtype)
    return _by_device(info.dtype, info.tiny, jnp.finfo(jnp.float32).tiny)


def _by_device(dtype, value, of_pairs):
    """Return `value`, or `of_pairs` for float64 on a TPU, chosen by the device that runs the program."""
    usual = jnp.asarray(float(value), dtype)
    if dtype != jnp.float64:
        return usual
    return jax.lax.platform_dependent(default=lambda: usual, tpu=lambda: jnp.asarray(float(of_pairs), dtype))
