"""Measure what the paper says of the curves of Figure 1: their symmetries, dips and onset, at times of their own.

All data are for M = 3, outcomes N and φ = 0; entanglement in bits.
"""

import math

import numpy as np

import jaxent
from jaxent.paper.claims import GOLDEN
from jaxent.sweep import Report, entropy_over_grid, estimated_seconds

__all__ = ["DIP_LEVELS", "measured", "seconds"]

DIP_LEVELS = (2, 3, 4, 5, 6)
_ONSET_ATOMS = (100, 1000, 10**4)
_COMPILATION = 10.0  # seconds


def _dip_atoms(quick: bool) -> tuple[int, ...]:
    return (25, 50) if quick else (25, 50, 100, 200)


def _dip_chain(n_atoms: int) -> jaxent.Chain:
    return jaxent.Chain(3, n_atoms, None if n_atoms <= 50 else 6.0)


def seconds(quick: bool) -> float:
    """Estimate the seconds of work that `measured` will report."""
    return _COMPILATION + sum(estimated_seconds(_dip_chain(n), 100 * n) for n in _dip_atoms(quick))


def measured(quick: bool, report: Report) -> tuple[dict, dict]:
    """Compute variables and coordinates of a dataset.

    Args:
        quick: count dips for fewer atoms.
        report: called with estimated seconds of work done.

    Returns:
        asymmetry over symmetry: the largest |E(t+2π) - E(t)| and |E(2π-t) - E(t)|; entropy_at_dip, for 10^4 atoms at
        2π/r, and entropy_before_dip, 0.02 earlier, over dip_levels r; dip_spacing over dip_atoms, the mean spacing of
        the local minima of E(t) on the grid (33) of the paper; first_bit and nine_tenths over onset_atoms, N times the
        time at which E reaches one bit, and nine tenths of its plateau.
    """
    at, before = _entropies_at_dips()
    first, full = _onset_times()
    report(_COMPILATION)
    bit, scaled = {"units": "bit"}, {"units": "1/coupling", "long_name": "N t"}
    variables = {
        "asymmetry": ("symmetry", list(_asymmetries()), bit),
        "entropy_at_dip": ("dip_levels", at, bit),
        "entropy_before_dip": ("dip_levels", before, bit),
        "dip_spacing": ("dip_atoms", _dip_spacings(quick, report), {"units": "1/coupling"}),
        "first_bit": ("onset_atoms", first, scaled),
        "nine_tenths": ("onset_atoms", full, scaled),
    }
    coordinates = {
        "symmetry": ["t + 2π", "2π - t"],
        "dip_levels": list(DIP_LEVELS),
        "dip_atoms": list(_dip_atoms(quick)),
        "onset_atoms": list(_ONSET_ATOMS),
    }
    return variables, coordinates


def _asymmetries() -> tuple[float, float]:
    times = math.pi * (np.arange(50) + GOLDEN) / 50
    chains = [jaxent.Chain(3, n) for n in (3, 20, 101)]
    here = [np.asarray(jaxent.end_to_end_entropy(chain, times)) for chain in chains]

    def largest(other: np.ndarray) -> float:
        return max(
            float(abs(np.asarray(jaxent.end_to_end_entropy(chain, other)) - value).max())
            for chain, value in zip(chains, here, strict=True)
        )

    return largest(times + 2 * math.pi), largest(2 * math.pi - times)


def _entropies_at_dips() -> tuple[np.ndarray, np.ndarray]:
    chain, times = jaxent.Chain(3, 10**4, 3.0), jaxent.pi_fraction(2, np.array(DIP_LEVELS))
    before = np.asarray(jaxent.end_to_end_entropy(chain, times.value - 0.02))
    return np.asarray(jaxent.end_to_end_entropy(chain, times)), before


def _dip_spacings(quick: bool, report: Report) -> list[float]:
    spacings = []
    for n_atoms in _dip_atoms(quick):
        entropy = entropy_over_grid(_dip_chain(n_atoms), jaxent.crevasse_grid(n_atoms), report=report)
        dips = (entropy[1:-1] < entropy[:-2] - 1e-9) & (entropy[1:-1] < entropy[2:] - 1e-9)
        spacings.append(math.pi / max(1, int(dips.sum())))
    return spacings


def _onset_times() -> tuple[list[float], list[float]]:
    first, full = [], []
    for n_atoms in _ONSET_ATOMS:
        chain = jaxent.Chain(3, n_atoms, 4.0)
        early = np.linspace(2.0, 8.0, 61) / n_atoms
        later = np.geomspace(0.5, 8.0, 121) / math.sqrt(n_atoms)
        generic = 1.0 + GOLDEN * np.arange(1, 20) / 20
        entropy = np.asarray(jaxent.end_to_end_entropy(chain, np.concatenate([early, later, generic])))  # one program
        rise, growth, plateau = np.split(entropy, [len(early), len(early) + len(later)])
        first.append(n_atoms * float(early[np.argmax(rise >= 1.0)]))
        full.append(n_atoms * float(later[np.argmax(growth >= 0.9 * np.median(plateau))]))
    return first, full
