"""Compute what resolution of the detector the entanglement needs, against N, beyond the paper.

All data are for M = 3, the typical record N cos²(φ/2) (the mean count for k_1 = k_3) with the phase offset φ = t/4,
which is π/(2r) at t = 2π/r, and one rate γ for all ensembles, without which many atoms are out of reach. Without
dephasing the generic time is computed for few atoms, too. Logarithmic negativity in bits, σ in atoms.

The time without structure is the golden angle, as in `paper.macroscopic_noise`.
"""

import math
from typing import Any

import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.paper.claims import Finding, attributes, power, silent
from jaxent.paper.macroscopic_noise import GENERIC
from jaxent.sweep import Report

__all__ = ["TIMES", "figure_resolution", "findings", "half_bit", "seconds"]

TIMES = {"2π/3": jaxent.pi_fraction(2, 3), "π/2": jaxent.pi_fraction(1, 2), "generic": GENERIC}
RATE = 0.003
ATOMS, QUICK_ATOMS = (100, 1000, 10**4, 10**6), (100,)
SHARES, QUICK_SHARES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.45), (0.1, 0.2, 0.45)  # σ/N
MANY = 10**6  # atoms of which σ is at most √N, as each number of atoms within 9σ is summed
PURE_ATOMS, QUICK_PURE_ATOMS = (32, 100, 316), (32,)
PURE_SHARES = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)  # σ/√N
PURE_WINDOW = 3.0
TOLERANCE = 0.01
LOSS = 0.5  # bits
_POINT = 1.4  # seconds, mostly for compiling
_BITS = {"units": "bit", "long_name": "logarithmic negativity"}


def _atoms(quick: bool) -> tuple[int, ...]:
    return QUICK_ATOMS if quick else ATOMS


def _pure_atoms(quick: bool) -> tuple[int, ...]:
    return QUICK_PURE_ATOMS if quick else PURE_ATOMS


def _resolutions(n_atoms: int, quick: bool) -> list[float]:
    root = math.sqrt(n_atoms)
    if n_atoms >= MANY:
        return [0.0, root / 10, root]
    return [0.0, *sorted({root, *(share * n_atoms for share in (QUICK_SHARES if quick else SHARES))})]


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figure will report."""
    if "resolution" not in numbers:
        return 0.0
    points = sum(len(_resolutions(n, quick)) for n in _atoms(quick)) * len(TIMES)
    return _POINT * (points + len(_pure_atoms(quick)) * len(PURE_SHARES))


def figure_resolution(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the log negativity against the resolution at two magic times and a generic one, for several N.

    Args:
        quick: use few N and few resolutions.
        report: called with estimated seconds of work done.

    Returns:
        dataset with log_negativity over (time_name, n_atoms, point), resolution over (n_atoms, point), NaN where there
        is no point; pure, at the generic time without dephasing, over (pure_atoms, share) with σ = share √N; and
        half_bit over (time_name, n_atoms) and pure_half_bit over pure_atoms, the σ at which half a bit is lost.
    """
    atoms, pure_atoms = _atoms(quick), _pure_atoms(quick)
    length = max(len(_resolutions(n, quick)) for n in atoms)
    sigma = np.full((len(atoms), length), math.nan)
    bits = np.full((len(TIMES), *sigma.shape), math.nan)
    for row, n_atoms in enumerate(atoms):
        for place, one in enumerate(_resolutions(n_atoms, quick)):
            sigma[row, place] = one
            for number, time in enumerate(TIMES.values()):
                bits[number, row, place] = _bits(jaxent.Chain(3, n_atoms), time, RATE, one, TOLERANCE)
                report(_POINT)
    pure = np.zeros((len(pure_atoms), len(PURE_SHARES)))
    for row, n_atoms in enumerate(pure_atoms):
        chain = jaxent.Chain(3, n_atoms, PURE_WINDOW)
        for place, share in enumerate(PURE_SHARES):
            pure[row, place] = _bits(chain, GENERIC, 0.0, share * math.sqrt(n_atoms), None)
            report(_POINT)
    about = {"units": "atoms", "long_name": "detector resolution σ"}
    half = about | {"long_name": "σ at which half a bit is lost"}
    shares = np.array(PURE_SHARES)
    halves = [[half_bit(*pair) for pair in zip(sigma, one, strict=True)] for one in bits]
    pure_halves = [half_bit(shares * math.sqrt(n), one) for n, one in zip(pure_atoms, pure, strict=True)]
    return xr.Dataset(
        {
            "log_negativity": (("time_name", "n_atoms", "point"), bits, _BITS),
            "resolution": (("n_atoms", "point"), sigma, about),
            "half_bit": (("time_name", "n_atoms"), halves, half),
            "pure": (("pure_atoms", "share"), pure, _BITS),
            "pure_half_bit": ("pure_atoms", pure_halves, half),
        },
        coords={
            "time_name": list(TIMES),
            "n_atoms": ("n_atoms", list(atoms), units.attributes("n_atoms")),
            "pure_atoms": ("pure_atoms", list(pure_atoms), units.attributes("n_atoms")),
            "share": ("share", shares, {"units": "1", "long_name": "σ/√N"}),
        },
        attrs=attributes("Beyond the paper: logarithmic negativity against the resolution of the detector")
        | {"outcomes": "typical", "phase_offset": "t/4", "dephasing_rate": RATE, "tolerance_bits": TOLERANCE},
    )  # fmt: skip


def _bits(chain: jaxent.Chain, time: Any, rate: float, sigma: float, tolerance: float | None) -> float:
    offset = float(time.value if isinstance(time, jaxent.PiFraction) else time) / 4
    record = chain.n_atoms * math.cos(offset / 2) ** 2
    measurement = jaxent.Measurement(resolution=sigma) if sigma else None
    return float(
        jaxent.end_to_end_log_negativity(
            chain, time, rate, record if sigma else round(record), offset, tolerance=tolerance, measurement=measurement
        )
    )


def half_bit(sigma: np.ndarray, values: np.ndarray) -> float:
    """Find the σ at which half a bit is lost, linear in σ between points; NaN if none of them loses as much."""
    keep = np.isfinite(values)
    sigma, values = sigma[keep], values[keep]
    below = np.flatnonzero(values <= values[0] - LOSS)
    if not below.size:
        return math.nan
    ends = slice(int(below[0]) - 1, int(below[0]) + 1)
    return float(np.interp(LOSS - values[0], -values[ends], sigma[ends]))


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Answer our own questions about the resolution."""
    if "resolution" not in datasets:
        return []
    data = datasets["resolution"]
    rate, allowed = data.attrs["dephasing_rate"], 2 * data.attrs["tolerance_bits"]
    shares = {str(name): (data.half_bit.sel(time_name=name) / data.n_atoms).dropna("n_atoms") for name in TIMES}
    magic = [name for name in shares if name != "generic"]
    last = data.sel(time_name=magic).isel(n_atoms=-1)
    many = power(int(last.n_atoms))
    root = int(np.nanargmin(abs(last.resolution.values - math.sqrt(float(last.n_atoms)))))
    lost = float((last.log_negativity.isel(point=0) - last.log_negativity.isel(point=root)).max())
    roots = data.pure_half_bit / np.sqrt(data.pure_atoms)
    steady = all(float(shares[name].max()) < 1.25 * float(shares[name].min()) for name in magic)
    return [
        Finding(
            "Is the resolution that a magic time stands a fixed share of N?",
            f"half a bit is lost at {_as_shares(shares, magic)}; at N = {many}, σ = √N costs {lost:.1e} bits",
            bool(steady and (lost < allowed or int(last.n_atoms) < MANY)),
        ),
        Finding(
            "Does a generic time without dephasing need a resolution below √N?",
            f"half a bit is lost at σ = {', '.join(f'{x:.2f}' for x in roots.values)} √N, N = "
            f"{', '.join(str(n) for n in data.pure_atoms.values)}; under dephasing of γ = {rate:g}, which costs more "
            f"than such a detector, at {_as_shares(shares, ['generic'])}",
            bool((roots < 1).all()),
        ),
    ]


def _as_shares(shares: dict[str, xr.DataArray], names: list[str]) -> str:
    words = []
    for name in names:
        values = ", ".join(f"{x:.3f} N" for x in shares[name].values)
        atoms = ", ".join(power(int(n)) for n in shares[name].n_atoms.values)
        words.append(f"σ = {values} at {'the generic time' if name == 'generic' else name} (N = {atoms})")
    return "; ".join(words)
