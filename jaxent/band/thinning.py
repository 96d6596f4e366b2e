"""Choose fewer states with the same spectrum, where the matrix is smooth along each class of Dicke states modulo r.

Along a class d = d_0 + r x, x an integer, the summand is close to a Gaussian exp(-a x²): the weights contribute
r²/(2σ²) to a, σ = √N/2, and the kernel between products √w √w' contributes 2 (δ σ)², δ = |r t mod 2π| (twice that of
one square of the kernel).

- If the weights vanish before the window ends, every m-th member represents m of them. The aliasing error is
  exp(-π²/(a m²)).
- If the window cuts the weights off, use n nodes and weights of the Gauss quadrature for the sum over L points, from
  the recurrence of the discrete Chebyshev polynomials. The nodes are not integers, but weights and phases are smooth in
  d. The quadrature is exact up to degree 2n - 1; its error for a Gaussian on [-X, X] with any centre is at most
  4 exp(A sinh² s - 2 n s), A = a X², for any s > 0 (Bernstein's ellipse), least at sinh 2s = 2n/A.

References: P. L. Chebyshev (1875), in NIST DLMF 18.19-18.22 the Hahn polynomials with α = β = 0; L. N. Trefethen,
Approximation Theory and Approximation Practice (2013), chapters 8 and 19.

>>> nodes, weights = discrete_gauss(1000, 5)                      # for Σ f(x), x = 0…999
>>> print(round(float(weights @ nodes**9) / float(np.sum(np.arange(1000.0) ** 9)), 12))
1.0
"""

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np
import scipy.linalg

from jaxent.band.phases import multiples, resonances

__all__ = ["Members", "States", "discrete_gauss", "every_few", "gauss_nodes"]

_MOST_NODES = 1000  # nodes of a class
_LEAST_GAIN = 0.7  # largest share of nodes among all states that is worth computing them
_LEAST_STATE = 16  # below, weights are known at integers only


class States(NamedTuple):
    """Hold states of a plan: 2d, phases d t in turns modulo 1, and the number of members that each represents."""

    doubled: np.ndarray
    turns: np.ndarray
    members: np.ndarray


@dataclasses.dataclass(frozen=True)
class Members:
    """Describe which states represent all others.

    Attributes:
        levels: r.
        multiplicity: m, odd, so that the choice is symmetric under d → -d: every m-th member of a class is taken.
        nodes: n of the Gauss quadrature of each class, instead of every m-th member; 0 for none.
        share: approximate share of all states that is taken.
    """

    levels: int = 1
    multiplicity: int = 1
    nodes: int = 0
    share: float = 1.0

    def of(self, doubled: np.ndarray, half_turn: int) -> States:
        """Select states from those of a window, 2d, at a time from `jaxent.band.phases.reduced`."""
        if self.nodes:
            classes = [self._nodes_of(doubled[first :: self.levels], half_turn) for first in range(self.levels)]
            return States(*map(np.concatenate, zip(*classes, strict=True)))
        period = 2 * self.multiplicity * self.levels
        remainder = np.mod(doubled + period // 2, period) - period // 2
        # r states around each multiple of m r: one of each class
        kept = doubled[(abs(remainder) < self.levels) | (remainder == -period // 2)]
        return States(kept, multiples(kept, half_turn), np.full(len(kept), float(self.multiplicity)))

    def _nodes_of(self, doubled: np.ndarray, half_turn: int) -> States:
        """Compute the nodes of one class; their phases are small steps from that of the member at the middle."""
        if len(doubled) <= self.nodes:
            return States(doubled, multiples(doubled, half_turn), np.ones(len(doubled)))
        nodes, weights = discrete_gauss(len(doubled), self.nodes)
        middle = len(doubled) // 2
        step = multiples(np.array([2 * self.levels]), half_turn)[0]
        turns = multiples(doubled[middle : middle + 1], half_turn) + (nodes - middle) * step
        return States(doubled[0] + 2 * self.levels * nodes, turns - np.round(turns), weights)


def every_few(n_atoms: int, half_turn: int, distance: float) -> list[Members]:
    """List the choices of every m-th member for each resonance, with the largest m that a trace distance allows."""
    sigma, exponent = math.sqrt(n_atoms) / 2, math.log(1 / distance)
    largest = math.floor(sigma * math.sqrt(2 * math.pi**2 / exponent) / 3)
    found = []
    for levels, residue in resonances(half_turn, largest):
        multiplicity = math.floor(math.pi / math.sqrt(exponent * _curvature(levels, residue, sigma)))
        if multiplicity >= 3:
            multiplicity -= 1 - multiplicity % 2
            found.append(Members(levels, multiplicity, share=1 / multiplicity))
    return found


def gauss_nodes(n_atoms: int, ends: tuple[int, int], half_turn: int, distance: float) -> list[Members]:
    """List the choices of Gauss nodes for each resonance, as few as a trace distance allows; `ends` of the window."""
    sigma, exponent, count = math.sqrt(n_atoms) / 2, math.log(4 / distance), ends[1] - ends[0] + 1
    found = []
    for levels, residue in resonances(half_turn, int(_LEAST_GAIN * count)) if ends[0] >= _LEAST_STATE else []:
        in_class = count / levels
        nodes = _nodes_needed(_curvature(levels, residue, sigma) * (in_class / 2) ** 2, exponent)
        if nodes <= _MOST_NODES and nodes < _LEAST_GAIN * in_class:
            found.append(Members(levels, nodes=nodes, share=nodes / in_class))
    return found


def _curvature(levels: int, residue: float, sigma: float) -> float:
    """Compute a of exp(-a x²) along a class."""
    return (levels / sigma) ** 2 / 2 + 2 * (residue * sigma) ** 2


def _nodes_needed(amplitude: float, exponent: float) -> int:
    """Find the least n with an error of exp(-exponent): 2 n s - A sinh² s at sinh 2s = 2n/A grows with n."""

    def gained(nodes: int) -> float:
        return nodes * math.asinh(2 * nodes / amplitude) - (math.hypot(amplitude, 2 * nodes) - amplitude) / 2

    high = 1
    while gained(high) < exponent:
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if gained(middle) >= exponent else (middle, high)
    return high


@functools.lru_cache(maxsize=64)
def discrete_gauss(count: int, n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute n < L nodes and weights of Σ_x f(x), x = 0…L-1, exact to degree 2n - 1 (Golub and Welsch).

    The monic recurrence of the discrete Chebyshev polynomials has β_k = k² (L² - k²) / (4 (4k² - 1)).
    """
    order = np.arange(1.0, n_nodes)
    beside = order / 2 * np.sqrt((count**2 - order**2) / (4 * order**2 - 1))
    nodes, vectors = scipy.linalg.eigh_tridiagonal(np.zeros(n_nodes), beside)
    nodes, weights = (nodes - nodes[::-1]) / 2, vectors[0] ** 2  # exactly symmetric
    return nodes + (count - 1) / 2, count * (weights + weights[::-1]) / 2
