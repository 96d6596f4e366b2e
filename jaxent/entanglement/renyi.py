"""Compute Rényi entropies of any order α, with their limits and derivatives; α may be traced.

With L_i = ln p_i, ε = α - 1 and Σp = 1, S_α = -K/ε (in nats) with K = ln Σ p^α = ln(1 + ε G) and

    G = Σ p L h(ε L),   h(x) = (e^x - 1)/x,   so that   S_α = -G ℓ(ε G),   ℓ(x) = ln(1 + x)/x.

Nothing cancels where ε is small, and at ε = 0 it is the von Neumann entropy: this formula is used for |ε| < 1/2. The
other orders use S_α = -m - (m + ln Σ e^(αL - αm))/ε, m the largest L (0 below order 1, where no power underflows). At
α = 0 that is the log of the rank, at α = ∞ it is -m. `jax.grad` in α gives

    dS_α/dα = -Σ P_i ln(P_i/p_i) / ε²,   P_i = p_i^α / Σ p^α,

which is -Var(L)/2 at α = 1, from the right at α = 0, and 0 at α = ∞; below order 1 only p above `noise` contribute.

>>> p = jnp.array([0.5, 0.25, 0.25])
>>> [round(float(of_probabilities(p, alpha, 0.0)), 4) for alpha in (0.0, 1.0, 2.0, jnp.inf)]
[1.585, 1.5, 1.415, 1.0]
>>> print(round(float(jax.grad(of_probabilities, argnums=1)(p, 1.0, 0.0) / math.log(2)), 4))  # = -Var/2
-0.125
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxent.conversion import real_number
from jaxent.messages import shown
from jaxent.numerics import rounding

__all__ = ["as_data", "check_order", "known_order", "log1p_quotient", "not_negative", "of_probabilities"]

_EXPM1_SERIES = [1 / math.factorial(n + 1) for n in range(18)]  # 2^-18/18! of the next term, for x below 1/2
_ATANH_SERIES = [1 / (2 * n + 1) for n in range(12)]  # (1/7)^24 of the next term, for x beyond -1/4


def check_order(alpha: Any) -> float | jax.Array:
    """Check the order α and return it as a float, or as a traced scalar that is NaN where it is negative.

    Raises:
        ValueError: when `alpha` is not one real number of at least 0.
    """
    if not isinstance(alpha, Tracer):
        return known_order(alpha)
    if alpha.shape or jnp.issubdtype(alpha.dtype, jnp.complexfloating):
        raise ValueError(
            f"Argument `alpha` must be one real number, but is traced with shape {shown(alpha.shape)} and dtype "
            f"{alpha.dtype}; use jax.vmap for many orders."
        )
    order = alpha.astype(jnp.result_type(float))
    return order * jnp.where(order >= 0, 1.0, jnp.nan)  # a factor, so that derivatives are NaN too


def known_order(alpha: Any) -> float:
    """Convert the order to a float; ValueError when it is not a number, or negative, NaN or traced."""
    return real_number("alpha", alpha, "be a number of at least 0", lambda number: number >= 0)


def as_data(order: Any) -> jax.Array:
    """Convert an order to an array of the default precision, so that compiled programs take it as an argument."""
    with np.errstate(over="ignore"):  # beyond float32's range it is infinite
        return jnp.asarray(order, jnp.result_type(float))


def of_probabilities(probabilities: jax.Array, alpha: Any, noise: Any) -> jax.Array:
    """Compute the Rényi entropy S_α over the last axis, in bits.

    Args:
        probabilities: p, real of shape (..., n), whose sum over the last axis is 1.
        alpha: α ≥ 0, a number or a scalar, which may be traced.
        noise: rounding error of p; below order 1, where small p weigh most, p up to it count as 0.
    """
    alpha = jnp.asarray(alpha).astype(probabilities.dtype)
    least = rounding.smallest(probabilities.dtype) ** 0.5  # so that 1/p² in derivatives does not overflow
    counted = ~(probabilities <= jnp.where(alpha < 1, noise, least))  # NaN is counted, so that it remains
    p = jnp.where(counted, probabilities, 1.0)
    close = abs(alpha - 1) < 0.5
    value = jnp.where(
        close,
        _close_to_one(p, counted, jnp.where(close, alpha - 1, 0.0)),
        _far_from_one(p, counted, jnp.where(close, 2.0, alpha)),
    )
    return not_negative(value)


def _close_to_one(p, counted, excess):
    log = jnp.log(p)
    bits = jnp.where(counted, p * jnp.log2(p) * _expm1_quotient(excess * log), 0.0)
    total = jnp.sum(bits, axis=-1)
    return -total * log1p_quotient(excess * (total * math.log(2)))


def _far_from_one(p, counted, alpha):
    # for larger α, where α² would overflow, S_α equals S_∞ to rounding
    alpha = jnp.minimum(alpha, rounding.smallest(p.dtype) ** (-1 / 3))
    log = jnp.log(p)
    largest = jnp.max(jnp.where(counted, log, -jnp.inf), axis=-1, keepdims=True)
    largest = jax.lax.stop_gradient(jnp.where((alpha > 1) & (largest > -jnp.inf), largest, 0.0))
    powers = jnp.where(counted, jnp.exp(alpha * jnp.where(counted, log - largest, 0.0)), 0.0)
    log_sum, largest = jnp.log(jnp.sum(powers, axis=-1)), largest[..., 0]
    return -(largest + (largest + log_sum) / (alpha - 1)) / math.log(2)


def not_negative(entropy: jax.Array) -> jax.Array:
    """Set an entropy that rounding made negative (p = 1 + 2e-16) to 0, without changing its derivative."""
    return entropy + jax.lax.stop_gradient(jnp.maximum(-entropy, 0.0))


def _expm1_quotient(x):
    """Compute (e^x - 1)/x without cancellation, in its derivatives as well."""
    small = jnp.abs(x) < 0.5
    apart = jnp.where(small, 1.0, x)
    return jnp.where(small, _polynomial(_EXPM1_SERIES, jnp.where(small, x, 0.0)), jnp.expm1(apart) / apart)


def log1p_quotient(x: Any) -> Any:
    """Compute ln(1 + x)/x for x > -1 without cancellation, in its derivatives as well; 1 at x = 0."""
    small = jnp.abs(x) < 0.25
    near, apart = jnp.where(small, x, 0.0), jnp.where(small, 1.0, x)
    half = near / (2 + near)  # ln(1 + x) = 2 artanh(x/(2 + x))
    return jnp.where(small, 2 / (2 + near) * _polynomial(_ATANH_SERIES, half**2), jnp.log1p(apart) / apart)


def _polynomial(coefficients, x):
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        value = value * x + np.asarray(coefficient, x.dtype)
    return value
