"""Bound the change of an entropy between nearby states: the Fannes-Audenaert inequality.

Reference: K. M. R. Audenaert, J. Phys. A 40, 8127 (2007).

>>> import numpy as np
>>> round(float(entropy_change(np, 0.5, 3)), 6)  # log2(3)/2 + 1
1.792481
"""

import math
from types import ModuleType
from typing import Any

__all__ = ["entropy_change"]


def entropy_change(xp: ModuleType, distance: Any, n_atoms: Any) -> Any:
    """Bound the change of an entropy in bits by B(T) = T log2(d - 1) + h(T), d = N + 1, h the binary entropy.

    Args:
        xp: numpy or jax.numpy.
        distance: trace distance T > 0 of the two states, of any shape.
        n_atoms: N; a float where it is traced.

    Returns:
        array of the shape of T; log2 d beyond T = 1 - 1/d, where B falls again.
    """
    inside = xp.minimum(distance, 1 - 1 / (n_atoms + 1))
    binary = -(inside * xp.log(inside) + (1 - inside) * xp.log1p(-inside)) / math.log(2)
    return inside * xp.log2(n_atoms) + binary
