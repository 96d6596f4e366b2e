"""The positions that the ends of any number of dephasing ensembles share at a magic time, for binned counts.

At t = 2πp/r the phases e^(±ikk't) of neighbours depend on the residues a = k mod r alone. With α_n = φ + 2πn/r and, for
each atom of a measured ensemble, F(α) = √C(N,q) ((1 + e^(iα))/2)^q ((1 - e^(iα))/2)^(N-q), all that its count q does is

    G_q[n, n'] = E_ξ[F(α_n + sξ) F*(α_n' + sξ)],   s = 2√(γt), ξ normal,

r × r numbers. An even ensemble between residues a and c multiplies coherences by G[p(a-c), p(a'-c')]; an odd one, whose
residue s is summed over, by its Fourier transform

    O[s, s'] = (1/r²) Σ_nn' e^(-2πi(ns-n's')/r) G[n, n'],

so that the chain is a product of matrices over pairs of residues (a, a'), exact for any number of ensembles. For even M
the last bond is e^(2πip(sb-s'b')/r). Both ends measure their cells of r Dicke states, and dephase in the positions, as
in `noise.modular`.

The sum over the counts of M - 2 ensembles would have (N+1)^(M-2) terms. Told to the ends is therefore in which bin a
count is: bins are equal parts of the angle 2 arccos √(q/N), in which counts of a class spread alike, and G is summed
over a bin. That is a lower bound: what is not told can be told, and coherent information is convex.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.special

from jaxent.noise.modular import cells

__all__ = ["LEAST", "Shares", "bin_kernels", "shares"]

_REACH = 8.3  # of ξ, in standard deviations
_BAND = 9.2  # frequencies of the kernel, in units of √N
_AT_ONCE = 2**21
LEAST = 1e-6  # of the weight of pairs of cells, that are left out together, at most


class Shares(NamedTuple):
    """Hold the probabilities of all combinations of bins, and the coherent information that each leaves, in bits."""

    probabilities: np.ndarray
    information: np.ndarray


def shares(
    n_ensembles: int,
    n_atoms: int,
    levels: int,
    numerator: int,
    strength: float,
    offset: float,
    n_bins: int,
    resolution: float = 0.0,
    flipped: float = 0.0,
) -> Shares:
    """Compute what each combination of bins leaves the ends, of which each has measured its cell.

    Args:
        n_ensembles: M ≥ 2.
        n_atoms: N.
        levels: r.
        numerator: p of t = 2πp/r, without common factor.
        strength: γt of each ensemble.
        offset: φ of each measured ensemble.
        n_bins: B; there are B^(M-2) combinations.
        resolution: σ of the detectors.
        flipped: probability (1 - e^(-2γ_1 t))/2 that an atom is found in the wrong state.
    """
    whole = np.zeros((1, levels**2, levels**2), complex)
    whole[0] = np.eye(levels**2)
    if n_ensembles > 2:
        kernels = bin_kernels(n_atoms, levels, strength, offset, n_bins, resolution, flipped)
        even, odd = _of_even(kernels, numerator), _of_odd(kernels)
        for ensemble in range(2, n_ensembles):
            factor = even if ensemble % 2 == 0 else odd
            whole = (whole[:, None] @ factor[None]).reshape(-1, *factor.shape[1:])
    if n_ensembles % 2 == 0:
        residue = np.arange(levels)
        waves = np.exp(2j * np.pi * numerator / levels * np.outer(residue, residue))
        whole = whole @ _over_pairs(waves[:, None, :, None] * waves.conj()[None, :, None, :])
    return _after_cells(whole, n_atoms, levels, strength)


def bin_kernels(
    n_atoms: int,
    levels: int,
    strength: float,
    offset: float,
    n_bins: int,
    resolution: float = 0.0,
    flipped: float = 0.0,
) -> np.ndarray:
    """Sum G_q over the counts of each bin: complex, of shape (B, r, r)."""
    counts = np.arange(n_atoms + 1)
    weights = _in_bins(counts, n_atoms, n_bins, resolution)
    log_ways = scipy.special.gammaln(n_atoms + 1) - scipy.special.gammaln(counts + 1)
    log_ways = log_ways - scipy.special.gammaln(n_atoms - counts + 1)
    width = 2 * math.sqrt(strength)
    step = 2 * math.pi / (_BAND * width * math.sqrt(n_atoms) + _REACH)
    side = math.ceil(_REACH / step)
    shifts = step * np.arange(-side, side + 1) if width else np.zeros(1)
    normal = np.exp(-(shifts**2) / 2)
    normal = normal / normal.sum()
    found = np.zeros((n_bins, levels, levels), complex)
    angles = offset + 2 * np.pi * np.arange(levels) / levels
    at_once = max(1, _AT_ONCE // (n_atoms + 1))
    for ket in range(levels):
        for bra in range(ket + 1):
            for first in range(0, len(shifts), at_once):
                part = slice(first, first + at_once)
                terms = _terms(angles[ket] + width * shifts[part], angles[bra] + width * shifts[part], flipped)
                logs = log_ways + counts * terms[0][:, None] + (n_atoms - counts) * terms[1][:, None]
                found[:, ket, bra] += weights @ (normal[part] @ np.exp(logs))
            found[:, bra, ket] = found[:, ket, bra].conj()
    return found


def _terms(ket: np.ndarray, bra: np.ndarray, flipped: float) -> list[np.ndarray]:
    """Compute the logarithms of what one atom in |+⟩, or in |-⟩, contributes to G."""
    both, single = 1 + np.exp(1j * (ket - bra)), (1 - 2 * flipped) * (np.exp(1j * ket) + np.exp(-1j * bra))
    found = [(both + single) / 4, (both - single) / 4]
    return [np.log(np.where(np.abs(one) > 1e-300, one, 1e-300)) for one in found]


def _in_bins(counts: np.ndarray, n_atoms: int, n_bins: int, resolution: float) -> np.ndarray:
    """Compute the probability that a count is read in each bin, shape (B, N+1)."""
    edges = n_atoms * np.cos(np.pi * np.arange(n_bins + 1) / (2 * n_bins)) ** 2  # falling
    edges[0], edges[-1] = np.inf, -np.inf
    away = edges[:, None] - counts[None, :]
    below = scipy.special.ndtr(away / resolution) if resolution else (away > 0).astype(float)
    return below[:-1] - below[1:]


def _over_pairs(factor: np.ndarray) -> np.ndarray:
    """Give factors over (…, a, a', c, c') the shape (…, r², r²)."""
    size = factor.shape[-1] ** 2
    return factor.reshape(*factor.shape[:-4], size, size)


def _of_even(kernels: np.ndarray, numerator: int) -> np.ndarray:
    residue = np.arange(kernels.shape[1])
    index = numerator * np.subtract.outer(residue, residue) % len(residue)
    return _over_pairs(kernels[:, index[:, None, :, None], index[None, :, None, :]])


def _of_odd(kernels: np.ndarray) -> np.ndarray:
    levels = kernels.shape[1]
    residue = np.arange(levels)
    waves = np.exp(-2j * np.pi * np.outer(residue, residue) / levels) / levels
    found = np.einsum("sn,bnm,tm->bst", waves, kernels, waves.conj())
    return np.eye(levels**2) * found.reshape(len(kernels), 1, levels**2)


def _after_cells(whole: np.ndarray, n_atoms: int, levels: int, strength: float) -> Shares:
    """Average S(ρ_M) - S(ρ) over pairs of cells of the ends."""
    chosen = cells(n_atoms, levels)
    weights = np.outer(chosen.weights, chosen.weights).ravel()
    order = np.argsort(weights)
    kept = np.sort(order[np.cumsum(weights[order]) > LEAST])
    first, last = (chosen.roots[index] for index in np.divmod(kept, len(chosen.weights)))
    share = weights[kept] / weights[kept].sum()
    position = np.arange(levels)
    damping = np.exp(-2 * strength * np.subtract.outer(position, position) ** 2)
    ends = (first[:, :, None] * last[:, None, :]).reshape(len(kept), levels**2)  # √(w_a w_b) over (a, b)
    probabilities, information = np.zeros(len(whole)), np.zeros(len(whole))
    for place, factor in enumerate(whole):
        pairs = factor.reshape(levels, levels, levels, levels)  # a, a', b, b'
        pairs = pairs * damping[:, :, None, None] * damping[None, None, :, :]
        coherences = pairs.transpose(0, 2, 1, 3).reshape(levels**2, levels**2)
        states = ends[:, :, None] * coherences * ends[:, None, :]
        traces = np.einsum("cii->c", states).real
        found = share * traces
        probabilities[place] = found.sum()
        if not probabilities[place] > 1e-12:
            continue
        states = states / np.where(traces > 0, traces, 1.0)[:, None, None]
        reduced = np.einsum("cabad->cbd", states.reshape(-1, levels, levels, levels, levels))
        information[place] = found @ (_entropies(reduced) - _entropies(states)) / probabilities[place]
    return Shares(probabilities, information)


def _entropies(states: np.ndarray) -> np.ndarray:
    values = np.maximum(np.linalg.eigvalsh(states), 1e-300)
    return -np.sum(values * np.log2(values), axis=-1)
