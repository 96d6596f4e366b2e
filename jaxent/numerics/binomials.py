"""Binomial probabilities at any N, on the host and on the device.

They are never taken from factorials or log-gamma differences, which lose every digit at large N, but from the
saddle-point form of Loader (2000): log C(n,k) p^k (1-p)^(n-k) = L(n,k) - bd0(k, np) - bd0(n-k, n(1-p)).

>>> round(float(np.exp(log_binomial(np, 4, 2, 0.5, 0.5, 0.0))), 12)     # C(4,2) / 2^4
0.375
"""

import math
from typing import Any

import numpy as np

__all__ = ["log_binomial", "log_prefactor"]
_STIRLING_ERROR = np.array(
    [0.0]
    + [math.log(math.factorial(n)) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi) for n in range(1, 16)]
)


def log_binomial(xp: Any, n, k, p, complement, difference):
    """Compute log(C(n,k) p^k (1-p)^(n-k)) from 1-p and k - np, given without cancellation; xp is numpy or jax.numpy."""
    return (
        log_prefactor(xp, n, k)
        - _deviance(xp, k, n * p, difference)
        - _deviance(xp, n - k, n * complement, -difference)
    )


def log_prefactor(xp: Any, n, k):
    """Compute L(n,k) = log C(n,k) + k log(k/n) + (n-k) log(1-k/n); it is 0 at k = 0 and n."""
    inside = (k > 0) & (k < n)
    one = xp.where(inside, k, 1) * 1.0
    other = xp.where(inside, n - k, 1) * 1.0
    value = (
        _stirling_error(xp, n * xp.ones_like(one))
        - _stirling_error(xp, one)
        - _stirling_error(xp, other)
        - xp.log(2 * math.pi * one * (other / xp.maximum(n, 1))) / 2  # n = 0 has nothing inside
    )
    return xp.where(inside, value, 0.0)


def _stirling_error(xp: Any, n):
    """Compute δ(n) = log n! - log(√(2πn) (n/e)^n) for integers (or float arrays of integers) n ≥ 1."""
    small = n < 16
    large = xp.where(small, 16.0, n)
    square = large * large
    series = 1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / (1188 * square)) / square) / square) / square
    table = xp.take(xp.asarray(_STIRLING_ERROR, series.dtype), xp.where(small, n, 0).astype(int))
    return xp.where(small, table, series / large)


def _deviance(xp: Any, x, mean, difference):
    """Compute bd0(x, m) = x log(x/m) + m - x ≥ 0 to full relative precision, from an exact `difference` = x - m."""
    total = x + mean
    v = difference / xp.where(total > 0, total, 1.0)
    near = abs(v) < 0.1
    v_near = xp.where(near, v, 0.0)
    square = v_near * v_near
    series = 0.0
    for j in range(9, 0, -1):
        series = (series + 1 / (2 * j + 1)) * square
    close = v_near * (difference + 2 * x * series)
    ratio = xp.where(near | (x <= 0), 1.0, x) / xp.where(near | (mean <= 0), 1.0, mean)
    far = xp.where(x > 0, x * xp.log(ratio), 0.0) - difference
    far = xp.where((mean <= 0) & (x > 0), xp.inf, far)
    return xp.where(near, close, far)
