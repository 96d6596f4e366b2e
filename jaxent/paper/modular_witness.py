"""Compute how the witness of two measured bases falls with dephasing and detector resolution, beyond the paper.

All data are for M = 3 at t = 2π/r, the typical record N cos²(φ/2) (the mean count for k_1 = k_3) with the phase offset
φ = t/4, and one rate γ for all ensembles. What is certified is r (C_1 + C_2 - 1) of `jaxent.modular_witness`: rounded
up it bounds the Schmidt number, and its logarithm the log negativity.
"""

import math

import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.paper.claims import Finding, attributes, power, silent
from jaxent.sweep import Report

__all__ = ["figure_witness", "findings", "seconds"]

LEVELS, QUICK_LEVELS = (2, 3, 4, 5, 6, 7, 8), (2, 4)
RESOLVED_LEVELS = (2, 3, 4, 6, 8)  # of these the resolution is varied as well
ATOMS, QUICK_ATOMS = 10**4, 100
RATE = 0.001
RATES = (0.0, *(float(f"{rate:.4g}") for rate in np.geomspace(1e-4, 1.0, 33)))
QUICK_RATES = (0.0, 1e-3, 1e-2, 1e-1, 1.0)
SHARES, QUICK_SHARES = (0.0, 0.01, 0.02, 0.04, 0.06, 0.09, 0.13, 0.2, 0.3, 0.45), (0.0, 0.1, 0.4)  # σ/N
_CURVE, _POINT = 3.0, 1.0  # seconds, mostly for compiling


def _levels(quick: bool) -> tuple[int, ...]:
    return QUICK_LEVELS if quick else LEVELS


def _resolved(quick: bool) -> tuple[int, ...]:
    return QUICK_LEVELS if quick else RESOLVED_LEVELS


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figure will report."""
    if "witness" not in numbers:
        return 0.0
    shares = QUICK_SHARES if quick else SHARES
    return _CURVE * len(_levels(quick)) + _POINT * len(_resolved(quick)) * (len(shares) - 1)


def figure_witness(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the certified r F against the rate, and against the resolution, for several r.

    Args:
        quick: use few atoms, levels and points.
        report: called with estimated seconds of work done.

    Returns:
        dataset with by_rate over (levels, dephasing_rate) and by_resolution over (resolved_levels, share), σ = share N:
        r (C_1 + C_2 - 1); last_rate and last_share, the γ and σ/N up to which all r levels are certified (linear
        between points; 0 if they are at none, ∞ if they are at all).
    """
    n_atoms = QUICK_ATOMS if quick else ATOMS
    rates, shares = np.array(QUICK_RATES if quick else RATES), np.array(QUICK_SHARES if quick else SHARES)
    by_rate = np.zeros((len(_levels(quick)), len(rates)))
    for row, levels in enumerate(_levels(quick)):
        by_rate[row] = _certified(n_atoms, levels, rates, 0.0)
        report(_CURVE)
    by_share = np.zeros((len(_resolved(quick)), len(shares)))
    for row, levels in enumerate(_resolved(quick)):
        by_share[row, 0] = by_rate[_levels(quick).index(levels), list(rates).index(RATE)]  # shares begin with 0
        for place, share in enumerate(shares[1:], start=1):
            by_share[row, place] = _certified(n_atoms, levels, np.array([RATE]), share * n_atoms)[0]
            report(_POINT)
    about = {"units": "1", "long_name": "certified r F"}
    about_levels = {"units": "1", "long_name": "r of t = 2π/r"}
    about_share = {"units": "1", "long_name": "σ/N up to which r is certified"}
    last_rate = [last(rates, one, r) for one, r in zip(by_rate, _levels(quick), strict=True)]
    last_share = [last(shares, one, r) for one, r in zip(by_share, _resolved(quick), strict=True)]
    return xr.Dataset(
        {
            "by_rate": (("levels", "dephasing_rate"), by_rate, about),
            "by_resolution": (("resolved_levels", "share"), by_share, about),
            "last_rate": ("levels", last_rate, {"units": "coupling", "long_name": "γ up to which r is certified"}),
            "last_share": (
                "resolved_levels",
                last_share,
                about_share,
            ),
        },
        coords={
            "levels": ("levels", list(_levels(quick)), about_levels),
            "resolved_levels": (
                "resolved_levels",
                list(_resolved(quick)),
                {"units": "1", "long_name": "r of t = 2π/r"},
            ),
            "dephasing_rate": ("dephasing_rate", rates, units.attributes("dephasing_rate")),
            "share": ("share", shares, {"units": "1", "long_name": "σ/N"}),
        },
        attrs=attributes("Beyond the paper: what two measured bases certify, against dephasing and resolution")
        | {"n_atoms": n_atoms, "outcomes": "typical", "phase_offset": "t/4", "dephasing_rate_of_resolutions": RATE},
    )


def _certified(n_atoms: int, levels: int, rates: np.ndarray, sigma: float) -> np.ndarray:
    offset = math.pi / (2 * levels)
    record = n_atoms * math.cos(offset / 2) ** 2
    found = jaxent.modular_witness(
        jaxent.Chain(3, n_atoms),
        jaxent.pi_fraction(2, levels),
        rates,
        record if sigma else round(record),
        offset,
        measurement=jaxent.Measurement(resolution=sigma) if sigma else None,
    )
    return levels * np.asarray(found.fidelity)


def last(places: np.ndarray, values: np.ndarray, levels: int) -> float:
    """Find where r F falls to r - 1, up to which all r levels are certified; 0 at no place, ∞ beyond all."""
    below = np.flatnonzero(values <= levels - 1)
    if not below.size or below[0] == 0:
        return 0.0 if below.size else math.inf
    ends = slice(int(below[0]) - 1, int(below[0]) + 1)
    return float(np.interp(1 - levels, -values[ends], places[ends]))


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Answer our own questions about the witness."""
    if "witness" not in datasets:
        return []
    data = datasets["witness"]
    rates = _words(data.levels, data.last_rate, data.dephasing_rate, "")
    shares = _words(data.resolved_levels, data.last_share, data.share, " N")
    atoms, rate = power(int(data.attrs["n_atoms"])), data.attrs["dephasing_rate_of_resolutions"]
    root = 1 / math.sqrt(data.attrs["n_atoms"])
    return [
        Finding(
            f"Do two measured bases certify all r levels at γ = {rate:g}?",
            f"at N = {atoms} they do up to γ = {rates}",
            bool((data.last_rate >= rate).all()),
        ),
        Finding(
            "Does the witness stand a detector coarser than the quantum noise √N/2 of a count?",
            f"at N = {atoms}, γ = {rate:g} all r levels are certified up to σ = {shares}",
            bool((data.last_share > root / 2).all()),
        ),
    ]


def _words(levels: xr.DataArray, found: xr.DataArray, places: xr.DataArray, unit: str) -> str:
    words = []
    for r, place in zip(levels.values, found.values, strict=True):
        most = f"{place:.2g}" if math.isfinite(place) else f"more than {float(places.max()):.2g}"
        words.append(f"{most}{unit} (r = {int(r)})")
    return ", ".join(words)
