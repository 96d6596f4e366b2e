"""Split matrices over pairs of ends into blocks, by the symmetries of the chain.

A matrix X over pairs (a, b) of the two ends' Dicke states that commutes with a group of permutations of the pairs falls
into one block for each character χ of the group. In the basis of one pair r from each orbit

    B_χ[r, c] = Σ_h χ(h) X[r, h(c)] / √(s_r s_c),

s the number of group elements that leave a pair unchanged. Three permutations occur: the parity P: (a, b) → (N-a, N-b),
the exchange of the ends S: (a, b) → (b, a), and their product.

>>> [sector.size for sector in sectors(3, parity=True, exchange=True)]
[4, 1, 2, 2]
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.numerics.algebra import between_diagonals

__all__ = ["Sector", "block", "sectors"]


@dataclasses.dataclass(frozen=True)
class Sector:
    """Hold one character of the group, and the orbits that have a state in it (host arrays).

    Attributes:
        characters: χ(h), shape (h,).
        rows: one pair of each orbit, shape (n, 2).
        images: h(c) for each group element and orbit, shape (h, n, 2).
        norms: 1/√s, shape (n,).
    """

    characters: np.ndarray
    rows: np.ndarray
    images: np.ndarray
    norms: np.ndarray

    @property
    def size(self) -> int:
        """Number of states in the sector."""
        return len(self.rows)


@functools.lru_cache(maxsize=8)
def sectors(
    dimension: int | tuple[int, int], parity: bool = False, exchange: bool = False, mirror: bool = False
) -> tuple[Sector, ...]:
    """List all sectors of the pairs of states of both ends.

    Args:
        dimension: D of both ends, or of each; states are indexed 0…D-1, and parity takes a to D-1-a.
        parity: whether P is a symmetry.
        exchange: whether S is a symmetry.
        mirror: whether the product PS is a symmetry, even if neither P nor S is.

    Returns:
        tuple of Sector; their sizes add up to the number of pairs. Empty sectors are left out.
    """
    rows, columns = dimension if isinstance(dimension, tuple) else (dimension, dimension)
    first, second = (axis.ravel() for axis in np.indices((rows, columns)))
    last = columns - 1
    images = [(first, second)]
    tables = [[1]]
    if parity:
        images += [(rows - 1 - first, last - second)]
        tables = [[*row, sign * row[0]] for row in tables for sign in (1, -1)]
    if exchange:
        images += [(b, a) for a, b in images]
        tables = [[*row, *(sign * x for x in row)] for row in tables for sign in (1, -1)]
    elif mirror and not parity:
        images += [(last - second, last - first)]
        tables = [[1, 1], [1, -1]]
    pairs = np.stack([np.stack(image, axis=-1) for image in images])  # (h, D², 2)
    numbers = pairs[..., 0] * columns + pairs[..., 1]
    chosen = np.flatnonzero(numbers.min(axis=0) == numbers[0])
    pairs, fixed = pairs[:, chosen], numbers[:, chosen] == numbers[0, chosen]
    found = []
    for row in tables:
        characters = np.array(row)
        present = ~(fixed & (characters[:, None] < 0)).any(axis=0)
        if present.any():
            norms = 1 / np.sqrt(fixed[:, present].sum(axis=0))
            found.append(Sector(characters, pairs[0, present], pairs[:, present], norms))
    return tuple(found)


def block(sector: Sector, entry: Callable) -> jax.Array:
    """Compute one block of a matrix over pairs.

    Args:
        sector: the sector.
        entry: X[(a, b), (a', b')] as a function entry(a, b, a', b') of integer index arrays that broadcast.

    Returns:
        array of shape (n, n).
    """
    rows = jnp.asarray(sector.rows)
    a, b = rows[:, 0, None], rows[:, 1, None]
    total: Any = 0.0
    for character, image in zip(sector.characters, jnp.asarray(sector.images), strict=True):
        total = total + int(character) * entry(a, b, image[None, :, 0], image[None, :, 1])
    norms = jnp.asarray(sector.norms, jnp.result_type(float))
    return between_diagonals(norms, total, norms)
