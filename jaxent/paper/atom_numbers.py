"""Compute what fluctuating numbers of atoms cost, against their spread, beyond the paper.

All data are for M = 3, numbers of atoms that are normal about N with a spread that is a share of √N (a Poissonian one
has √N), runs in which all measured atoms are found in |+⟩, no offset and no dephasing. Logarithmic negativity in bits.
The time without structure is the golden angle, as in `paper.macroscopic_noise`.
"""

import math

import jax
import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.paper.claims import Finding, attributes, silent
from jaxent.paper.macroscopic_noise import GENERIC
from jaxent.sweep import Report

__all__ = ["COUPLINGS", "TIMES", "figure_atom_numbers", "findings", "seconds"]

TIMES = {"2π/3": jaxent.pi_fraction(2, 3), "π/2": jaxent.pi_fraction(1, 2), "generic": GENERIC}
COUPLINGS = ("number", "spin")
ATOMS, QUICK_ATOMS = (10, 30, 100), (10,)
SHARES, QUICK_SHARES = (0.0, 0.25, 0.5, 1.0, 2.0), (0.0, 1.0)  # spread/√N
FEW, QUICK_FEW = 10, 5  # atoms of which no number is known
FEW_SHARES, QUICK_FEW_SHARES = (0.0, 0.25, 0.5, 1.0), (0.0, 0.5)
SAMPLES, QUICK_SAMPLES = 400, 50
_POINT, _UNKNOWN_POINT = 0.6, 1.0  # seconds
_BITS = {"units": "bit", "long_name": "logarithmic negativity"}


def _sizes(quick: bool) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...]]:
    return (QUICK_ATOMS, QUICK_SHARES, QUICK_FEW_SHARES) if quick else (ATOMS, SHARES, FEW_SHARES)


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figure will report."""
    if "atom-numbers" not in numbers:
        return 0.0
    atoms, shares, few_shares = _sizes(quick)
    each = len(atoms) * len(shares) * _POINT + len(few_shares) * _UNKNOWN_POINT
    return each * len(COUPLINGS) * len(TIMES)


def figure_atom_numbers(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the log negativity against the spread of the numbers of atoms, known in each run, or not.

    Args:
        quick: use few N and few spreads.
        report: called with estimated seconds of work done.

    Returns:
        dataset with known and its standard_error over (coupling, time_name, n_atoms, share), the spread being share √N,
        and unknown over (coupling, time_name, few_share) for few_atoms, a number.
    """
    atoms, shares, few_shares = _sizes(quick)
    few = QUICK_FEW if quick else FEW
    known = np.zeros((len(COUPLINGS), len(TIMES), len(atoms), len(shares)))
    error, unknown = np.zeros(known.shape), np.zeros((len(COUPLINGS), len(TIMES), len(few_shares)))
    for place, coupling in enumerate(COUPLINGS):
        for row, time in enumerate(TIMES.values()):
            for column, n_atoms in enumerate(atoms):
                for depth, share in enumerate(shares):
                    found = jaxent.fluctuating_log_negativity(
                        _numbers(n_atoms, share),
                        time,
                        coupling=coupling,
                        key=jax.random.key(depth) if share else None,
                        n_samples=QUICK_SAMPLES if quick else SAMPLES,
                    )
                    index = (place, row, column, depth)
                    known[index], error[index] = found.value, found.standard_error
                    report(_POINT)
            for depth, share in enumerate(few_shares):
                numbers = _numbers(few, share)
                found = jaxent.fluctuating_log_negativity(numbers, time, coupling=coupling, known="none")
                unknown[place, row, depth] = found.value
                report(_UNKNOWN_POINT)
    spread = {"units": "1", "long_name": "spread of the number of atoms / √N"}
    return xr.Dataset(
        {
            "known": (("coupling", "time_name", "n_atoms", "share"), known, _BITS),
            "standard_error": (("coupling", "time_name", "n_atoms", "share"), error, _BITS),
            "unknown": (("coupling", "time_name", "few_share"), unknown, _BITS),
            "few_atoms": ((), few, units.attributes("n_atoms")),
        },
        coords={
            "coupling": list(COUPLINGS),
            "time_name": list(TIMES),
            "n_atoms": ("n_atoms", list(atoms), units.attributes("n_atoms")),
            "share": ("share", list(shares), spread),
            "few_share": ("few_share", list(few_shares), spread),
        },
        attrs=attributes("Beyond the paper: logarithmic negativity against the spread of the numbers of atoms")
        | {"missing": 0, "phase_offset": 0.0, "dephasing_rate": 0.0},
    )  # fmt: skip


def _numbers(n_atoms: int, share: float) -> jaxent.AtomNumbers | int:
    return jaxent.AtomNumbers.normal(n_atoms, share * math.sqrt(n_atoms)) if share else n_atoms


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Answer our own question about fluctuating numbers."""
    if "atom-numbers" not in datasets:
        return []
    data = datasets["atom-numbers"]
    magic = [name for name in TIMES if name != "generic"]
    poissonian = data.sel(time_name=magic, share=1.0)
    lost = data.known.sel(time_name=magic, share=0.0) - poissonian.known
    words = []
    for coupling, name in zip(COUPLINGS, ("n_a n_a", "S_z S_z"), strict=True):
        one = poissonian.sel(coupling=coupling)
        most, errors = lost.sel(coupling=coupling).max("time_name"), one.standard_error.max("time_name")
        values = (f"{x:.3f} ± {e:.3f}" for x, e in zip(abs(most.values), errors.values, strict=True))
        words.append(f"{', '.join(values)} bits with {name}")
    atoms = ", ".join(str(n) for n in data.n_atoms.values)
    holds = bool((lost.isel(n_atoms=-1) < 0.05).all())
    return [
        Finding(
            "Do magic times stand Poissonian numbers of atoms, known in each run?",
            f"they cost {' and '.join(words)}, at N = {atoms}",
            holds,
        )
    ]
