"""Compute the figures of Section V of the paper, with dephasing: 3, 4, and 4 for N up to 1000, beyond the paper.

Paper: S. Li et al., Macroscopic entanglement distribution with atomic ensembles, arXiv:2603.06085 (2026). All data
are for M = 3, outcomes N, φ = 0 and one dephasing rate γ for all ensembles; logarithmic negativity in bits, time in
units of 1/coupling, γ in units of the coupling.
"""

import math

import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.paper.claims import GOLDEN, attributes, silent
from jaxent.sweep import Report

__all__ = ["MAGIC_NAMES", "figure_four", "figure_four_large", "figure_three", "seconds"]

RATES_OVER_TIME = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
ATOMS = (3, 10, 20, 30)
LARGE_ATOMS = (10, 30, 100, 300, 1000)
TOLERANCE = 3e-3  # bits, of bands
_MANY = 1000
_LEAST_NOISE = 5.0  # γtN
MAGIC = jaxent.pi_fraction(np.array([1, 1, 2, 1]), np.array([3, 2, 3, 1]))
MAGIC_NAMES = ("π/3", "π/2", "2π/3", "π")


def _chain(n_atoms: int) -> jaxent.Chain:
    return jaxent.Chain(3, n_atoms, None if n_atoms <= 30 else 3.0)


def _is_banded(n_atoms: int, rate: float) -> bool:
    """Tell whether bands are faster than a dense matrix in a window, and noise is strong enough for them."""
    return n_atoms >= _MANY and rate * float(MAGIC.value.min()) * n_atoms >= _LEAST_NOISE


def _values(n_atoms: int, rate: float) -> np.ndarray:
    """Compute the log negativity at the magic times; bands need no window."""
    if _is_banded(n_atoms, rate):
        return np.asarray(jaxent.end_to_end_log_negativity(jaxent.Chain(3, n_atoms), MAGIC, rate, tolerance=TOLERANCE))
    if n_atoms >= _MANY and rate == 0:  # of a pure state
        return np.asarray(jaxent.end_to_end_renyi_entropy(_chain(n_atoms), MAGIC, 0.5))
    return np.asarray(jaxent.end_to_end_log_negativity(_chain(n_atoms), MAGIC, rate))


def _seconds_of(n_atoms: int, rate: float) -> float:
    """Estimate the seconds of the four magic times on two CPU cores."""
    return 4.0 if _is_banded(n_atoms, rate) else 4 * _point_seconds(n_atoms)


def _point_seconds(n_atoms: int) -> float:
    """Estimate the seconds of one dense point on two CPU cores."""
    return 1e-3 + 2.5e-11 * _chain(n_atoms).dimension ** 6 / 4


def _compile_seconds(n_atoms: int) -> float:
    return 4.0


def _times(quick: bool) -> np.ndarray:
    count = 40 if quick else 400
    return math.pi * (np.arange(count) + GOLDEN) / count


def _rates(n_atoms: int, quick: bool) -> np.ndarray:
    """List the rates of Figure 4, γ = 0 first; fewer for N = 1000, where a point takes long."""
    if n_atoms == 1000 and not quick:
        return np.array([0.0, 1e-4, 1e-3, *np.geomspace(1e-2, 0.25, 7), 1.0])
    return np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 5 if quick else 25)])


def _large_atoms(quick: bool) -> tuple[int, ...]:
    return LARGE_ATOMS[:3] if quick else LARGE_ATOMS


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figures will report."""
    total = 0.0
    if "3" in numbers:
        total += 5 * _compile_seconds(30) + len(_times(quick)) * len(RATES_OVER_TIME) * _point_seconds(30)
    for number, atoms in (("4", ATOMS), ("4-large", _large_atoms(quick))):
        if number in numbers:
            total += sum(_compile_seconds(n) + sum(_seconds_of(n, rate) for rate in _rates(n, quick)) for n in atoms)
    return total


# ------------------------------------------------------------------- figures


def figure_three(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the log negativity against time for N = 30 and several dephasing rates, Fig. 3.

    Args:
        quick: use a coarse grid.
        report: called with estimated seconds of work done.

    Returns:
        dataset over (dephasing_rate, time), and at the magic times π/3, π/2, 2π/3, π.
    """
    chain, times = _chain(30), _times(quick)
    curves, at_magic = [], []
    for rate in RATES_OVER_TIME:
        curves.append(np.asarray(jaxent.end_to_end_log_negativity(chain, times, rate)))
        at_magic.append(np.asarray(jaxent.end_to_end_log_negativity(chain, MAGIC, rate)))
        report(seconds(("3",), quick) / len(RATES_OVER_TIME))
    bit = {"units": "bit", "long_name": "logarithmic negativity"}
    return xr.Dataset(
        {
            "log_negativity": (("dephasing_rate", "time"), np.stack(curves), bit),
            "log_negativity_at_magic_times": (("dephasing_rate", "magic_time"), np.stack(at_magic), bit),
        },
        coords={
            "dephasing_rate": ("dephasing_rate", list(RATES_OVER_TIME), units.attributes("dephasing_rate")),
            "time": ("time", times, units.attributes("time")),
            "magic_time": ("magic_time", MAGIC.value, units.attributes("time", "magic time")),
        },
        attrs=attributes("Figure 3: logarithmic negativity against time, N = 30"),
    )


def figure_four(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the log negativity against the dephasing rate at the magic times, N = 3, 10, 20, 30, Fig. 4."""
    return _against_rate(ATOMS, "Figure 4: logarithmic negativity against the dephasing rate", quick, report)


def figure_four_large(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute Fig. 4 for N up to 1000, in windows of three standard deviations beyond N = 30."""
    title = "Figure 4 beyond the paper: logarithmic negativity against the dephasing rate for N up to 1000"
    return _against_rate(_large_atoms(quick), title, quick, report)


def _against_rate(atoms: tuple[int, ...], title: str, quick: bool, report: Report) -> xr.Dataset:
    rows = []
    for n_atoms in atoms:
        rates = _rates(n_atoms, quick)
        values = []
        for rate in rates:
            values.append(_values(n_atoms, rate))
            report(_seconds_of(n_atoms, rate) + _compile_seconds(n_atoms) / len(rates))
        rows.append((rates, np.stack(values, axis=1)))
    length = max(len(rates) for rates, _ in rows)

    def padded(values: np.ndarray) -> np.ndarray:
        missing = [(0, 0)] * (values.ndim - 1) + [(0, length - values.shape[-1])]
        return np.pad(values, missing, constant_values=np.nan)

    chains = [_chain(n_atoms) for n_atoms in atoms]
    return xr.Dataset(
        {
            "dephasing_rate": (
                ("n_atoms", "point"),
                np.stack([padded(rates) for rates, _ in rows]),
                units.attributes("dephasing_rate"),
            ),
            "log_negativity": (
                ("n_atoms", "magic_time", "point"),
                np.stack([padded(values) for _, values in rows]),
                {"units": "bit", "long_name": "logarithmic negativity"},
            ),
            "dimension": ("n_atoms", [chain.dimension for chain in chains], {"long_name": "Dicke states kept"}),
        },
        coords={
            "n_atoms": list(atoms),
            "magic_time": ("magic_time", MAGIC.value, units.attributes("time", "magic time")),
        },
        attrs=attributes(title),
    )
