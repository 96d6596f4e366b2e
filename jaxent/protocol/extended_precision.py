"""The end-to-end matrix of one known case, in as many bits as its cancellation asks for.

Where the outcome can hardly occur, the sums over the odd ensembles cancel to less than float64 resolves (see
`protocol.matrix_product`). Here the same reduced matrix is formed on the host in fixed point: numbers of magnitude at
most one as Python integers of `bits` binary places, whose products and sums NumPy does on arrays of objects. The error
is known, so the number of bits grows until the matrix stands out of it, or counts as zero.

The elementary functions are mpmath's. Cost: about 10^-7 s for each of the 4 D³ products of a factor.
"""

import math
from typing import Any

import numpy as np
from mpmath import mp

from jaxent.chain import Chain
from jaxent.protocol import matrix_product
from jaxent.times import BondTimes, PiFraction, Time

__all__ = ["MOST_ATOMS", "operations", "reduced_matrix"]

_BITS = (192, 512, 1536)  # binary places tried; amplitudes below 2^-1400 of a weight count as zero
_CERTAIN_BITS = 60  # that the norm of the result must stand out of the error
_GUARD_BITS = 96  # for the elementary functions, and for angles beyond one turn
MOST_ATOMS = 20_000  # beyond, the binomials have too many digits


def operations(chain: Chain) -> int:
    """Products of two integers that `reduced_matrix` takes at the first number of bits."""
    n_atoms = chain.most_atoms
    per_factor = chain.dimension**2 * (4 * chain.dimension + (20 + n_atoms // 50) * n_atoms.bit_length())
    return per_factor * (chain.n_ensembles // 2)


def reduced_matrix(chain: Chain, time: Time, outcomes: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, float]:
    """Compute normalized amplitudes without local phases, as `matrix_product.reduced_matrix`, and log Σ|A|².

    Args:
        chain: the chain.
        time: one known time, checked.
        outcomes: q_2…q_(M-1), host integers of shape (M-2,).
        offsets: φ in radians, host floats of shape (M-2,).

    Returns:
        complex array of shape (D_1, D_M), right to 1e-15 of its norm, and log p; zeros and -inf where p is below
        10^-800.
    """
    for bits in _BITS:
        real, imaginary = _Fixed(chain, bits).product(time, outcomes, offsets)
        squares = int((real * real + imaginary * imaginary).sum())  # ‖A‖² in units of 2^(-2 bits)
        error_bits = (chain.n_ensembles * chain.dimension**2).bit_length() + 8
        if squares.bit_length() / 2 > _CERTAIN_BITS + error_bits:
            break
    else:
        return np.zeros(real.shape, complex), -math.inf
    drop = squares.bit_length() // 2
    scaled = [_as_floats(part, drop) for part in (real, imaginary)]
    norm = math.sqrt(sum(float(np.sum(part**2)) for part in scaled))
    return (scaled[0] + 1j * scaled[1]) / norm, 2 * math.log(norm) + 2 * (drop - bits) * math.log(2)


def _as_floats(integers: np.ndarray, drop: int) -> np.ndarray:
    """Integers divided by 2^drop as floats."""
    return np.array([math.ldexp(*_short(n, drop)) for n in integers.flat]).reshape(integers.shape)


def _short(n: int, drop: int) -> tuple[float, int]:
    excess = max(0, n.bit_length() - 64)
    return float(n >> excess), excess - drop


class _Fixed:
    """Fixed-point arithmetic on arrays of integers n that stand for n 2^-bits, and the factors of the chain in it."""

    def __init__(self, chain: Chain, bits: int):
        self.chain, self.bits = chain, bits

    def product(self, time: Time, outcomes: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Real and imaginary parts of the reduced matrix."""
        root, last_root = (self._root(end) for end in self.chain.ends)
        with mp.workprec(self.bits + self.chain.most_atoms + _GUARD_BITS):
            times = self._times(time)
            phases = [mp.mpf(float(phi)) for phi in offsets]
            matrix = np.diag(root), np.diag(root) * 0
            for j in range(2, self.chain.n_ensembles):
                q, before, after, phi = int(outcomes[j - 2]), times[j - 2], times[j - 1], phases[j - 2]
                around = matrix_product.around(self.chain, j)
                if j % 2 == 0:
                    factor = self._overlap(around, q, before, after, phi)
                    matrix = tuple(self._times_matrix(part, factor) for part in matrix)
                else:
                    matrix = self._complex_product(matrix, self._odd_diagonal(around, q, before, after, phi))
            if self.chain.n_ensembles % 2 == 0:
                matrix = self._complex_matmul(matrix, self._last_bond(times[-1]))
            real, imaginary = ((part * last_root) >> self.bits for part in matrix)
            return real, imaginary

    # ------------------------------------------------------------- arithmetic

    def _fixed(self, x: Any) -> int:
        return int(mp.nint(mp.ldexp(x, self.bits)))

    def _times_matrix(self, left, right):
        return (left @ right) >> self.bits

    def _complex_product(self, left, right):
        (a, b), (c, d) = left, right
        return (a * c - b * d) >> self.bits, (a * d + b * c) >> self.bits

    def _complex_matmul(self, left, right):
        (a, b), (c, d) = left, right
        return (a @ c - b @ d) >> self.bits, (a @ d + b @ c) >> self.bits

    def _power(self, base, exponent: int):
        result = np.full(base.shape, 1 << self.bits, object)
        while exponent:
            if exponent & 1:
                result = (result * base) >> self.bits
            base = (base * base) >> self.bits
            exponent >>= 1
        return result

    def _units(self, angles) -> tuple[np.ndarray, np.ndarray]:
        """cos and sin of angles in radians."""
        pairs = [mp.cos_sin(angle) for angle in angles]
        cos, sin = (np.array([self._fixed(pair[part]) for pair in pairs], object) for part in (0, 1))
        return cos, sin

    # ---------------------------------------------------------------- factors

    def _root(self, ensemble):
        """√w_k of an ensemble."""
        n_atoms = ensemble.n_atoms
        weights = [math.comb(n_atoms, int(k)) for k in ensemble.states]
        return np.array([math.isqrt((w << 2 * self.bits) >> n_atoms) for w in weights], object)

    def _times(self, time: Time) -> list:
        """List the time of each bond as a number of many digits."""
        inner = time.times if isinstance(time, BondTimes) else time
        if isinstance(inner, PiFraction):
            pairs = np.broadcast_arrays(np.asarray(inner.numerator), np.asarray(inner.denominator))
            found = [mp.pi * int(p) / int(r) for p, r in zip(*map(np.ravel, pairs), strict=True)]
        else:
            found = [mp.mpf(float(t)) for t in np.asarray(inner, float).ravel()]
        return found if isinstance(time, BondTimes) else found * (self.chain.n_ensembles - 1)

    def _overlap(self, around, q, before, after, phi):
        """f_q(k t_(j-1) - k' t_j + φ), real, over (k, k')."""
        left, own, right = around
        n_atoms = own.n_atoms
        count = math.comb(n_atoms, q)
        # √C(N,q) cos^q sin^(N-q) is at most 1, but √C multiplies the error of the powers: they take that many more bits
        wide = _Fixed(self.chain, self.bits + count.bit_length() + n_atoms.bit_length())
        rows = wide._units([int(k) * before / 2 + phi / 2 for k in left.states])
        columns = wide._units([-int(k) * after / 2 for k in right.states])
        cos, sin = wide._complex_product([part[:, None] for part in rows], [part[None, :] for part in columns])
        powers = (wide._power(cos, q) * wide._power(sin, n_atoms - q)) >> wide.bits
        return (powers * math.isqrt(count << (2 * self.bits))) >> wide.bits

    def _odd_diagonal(self, around, q, before, after, phi):
        """√w_k ⟨q|k⟩ e^(i m φ + i m (N_(j+1) t_j - N_(j-1) t_(j-1))/2), over k."""
        left, own, right = around
        n_atoms = own.n_atoms
        row = _krawtchouk(n_atoms, q)
        count = math.comb(n_atoms, q)
        # √w_k ⟨q|k⟩ = √C(N,q) K_k / 2^N with the coefficients K_k of (1+z)^q (z-1)^(N-q)
        root = math.isqrt(count << 2 * (self.bits + n_atoms))
        basis = np.array([(root * row[k]) >> 2 * n_atoms for k in own.states], object)
        shift = (right.n_atoms * after - left.n_atoms * before) / 2
        cos, sin = self._units([(int(k) - mp.mpf(n_atoms) / 2) * (phi + shift) for k in own.states])
        return (basis * cos) >> self.bits, (basis * sin) >> self.bits

    def _last_bond(self, time):
        """e^(i m m' t), over (m, m')."""
        left, right = (self.chain.ensemble(self.chain.n_ensembles - step).doubled for step in (1, 0))
        products = np.multiply.outer(left, right)
        reach = np.unique(products)
        cos, sin = self._units([int(n) * time / 4 for n in reach])
        index = np.searchsorted(reach, products)
        return cos[index], sin[index]


def _krawtchouk(n_atoms: int, q: int) -> list[int]:
    """Coefficients K_k of (1+z)^q (z-1)^(N-q), exact, k = 0…N: ⟨q|k⟩ = √(C(N,q) / (C(N,k) 2^N)) K_k."""
    row = [(-1) ** (n_atoms - q), 0]
    row[1] = row[0] * (2 * q - n_atoms)
    for k in range(1, n_atoms):
        row.append(((2 * q - n_atoms) * row[k] - (n_atoms - k + 1) * row[k - 1]) // (k + 1))
    return row[: n_atoms + 1]
