"""Compute E(t) for up to 10^10 atoms, beyond the paper, and zoom into one of its dips.

The paper stops at N = 10^6. Figure 1-large extends it, each curve with the deepest dip between each two of its evenly
spaced times. Figure zoom follows the dip at t = π/2 of 10^8 atoms down to its floor, where E for any N is the same
function of N (t - π/2).
"""

import math

import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.paper.claims import GOLDEN, Finding, attributes, power, silent
from jaxent.sweep import Report, estimated_seconds

__all__ = ["figure_large", "figure_zoom", "findings", "seconds"]

ATOMS = {10**4: 240, 10**6: 160, 10**8: 60, 10**10: 14}  # evenly spaced times for each N
QUICK_ATOMS = {10**4: 12, 10**6: 8, 10**8: 4}
TOLERANCE = 1e-4  # far less than the width of a line
ZOOMED_ATOMS = 10**8
HALF_WIDTHS = (0.5, 2e-2, 5e-4)  # half-widths of the panels around π/2
FLOOR_ATOMS = (10**4, 10**6, 10**8, 10**10)
_FLOOR = 8.0  # largest N (t - π/2)
_COMPILATION = 8.0  # seconds of a curve
_CENTRE = jaxent.pi_fraction(1, 2)


def _counts(quick: bool) -> dict[int, int]:
    return QUICK_ATOMS if quick else ATOMS


def _points(quick: bool) -> int:
    return 8 if quick else 40


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figures will report."""
    total = 0.0
    if "1-large" in numbers:
        total += sum(_curve_seconds(n, 2 * count) for n, count in _counts(quick).items())
    if "zoom" in numbers:
        total += len(HALF_WIDTHS) * _curve_seconds(ZOOMED_ATOMS, 2 * _points(quick))
        total += len(FLOOR_ATOMS) * _curve_seconds(10**4, 2 * _points(quick))
    return total


def _curve_seconds(n_atoms: int, count: int) -> float:
    return _COMPILATION + estimated_seconds(jaxent.Chain(3, n_atoms), count) * 0.2  # the tolerance is wide


def figure_large(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute E(t) on (0, π] for N = 10^4 … 10^10 in the full basis, to 1e-4 bits.

    Args:
        quick: use few times, and N up to 10^8.
        report: called with estimated seconds of work done.

    Returns:
        dataset over (n_atoms, point): time, entropy and levels (r of a magic time 2πp/r, else 0), padded with NaN.
    """
    curves = []
    for n_atoms, count in _counts(quick).items():
        step = math.pi / count
        part = _part_reporter(report, _curve_seconds(n_atoms, 2 * count))
        curves.append(
            jaxent.entropy_curve(
                jaxent.Chain(3, n_atoms),
                GOLDEN * step,
                math.pi - (1 - GOLDEN) * step,
                count,
                tolerance=TOLERANCE,
                report=part,
            )
        )
    over = ("n_atoms", "point")
    return xr.Dataset(
        {
            "time": (over, _stacked(curves, "time"), units.attributes("time")),
            "entropy": (over, _stacked(curves, "entropy"), {"units": "bit", "long_name": "end-to-end entanglement E"}),
            "levels": (over, _stacked(curves, "levels"), {"long_name": "r of the magic time 2πp/r, or 0"}),
        },
        coords={"n_atoms": list(_counts(quick))},
        attrs=attributes("Beyond the paper: Figure 1 up to 10^10 atoms") | {"tolerance_bits": TOLERANCE},
    )


def figure_zoom(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the dip at t = π/2: E(t) for 10^8 atoms on three scales, and the floor for N = 10^4 … 10^10.

    Args:
        quick: use few times.
        report: called with estimated seconds of work done.

    Returns:
        dataset with distance (t - π/2), entropy and levels over (half_width, point), padded with NaN, and
        floor_entropy over (n_atoms, scaled_distance), N (t - π/2).
    """
    count = _points(quick)
    curves = []
    for half_width in HALF_WIDTHS:
        part = _part_reporter(report, _curve_seconds(ZOOMED_ATOMS, 2 * count))
        chain = jaxent.Chain(3, ZOOMED_ATOMS)
        ends = (-half_width, half_width)
        curves.append(jaxent.entropy_curve(chain, *ends, count, around=_CENTRE, tolerance=TOLERANCE, report=part))
    scaled = np.linspace(-_FLOOR, _FLOOR, 2 * (count // 2) + 1)
    floors = []
    for n_atoms in FLOOR_ATOMS:
        ends = (-_FLOOR / n_atoms, _FLOOR / n_atoms)
        curve = jaxent.entropy_curve(jaxent.Chain(3, n_atoms), *ends, len(scaled), around=_CENTRE, max_levels=1)
        floors.append(curve.entropy)
        report(_curve_seconds(10**4, 2 * count))
    over = ("half_width", "point")
    return xr.Dataset(
        {
            "distance": (over, _stacked(curves, "distance"), units.attributes("time", "t - π/2")),
            "entropy": (over, _stacked(curves, "entropy"), {"units": "bit", "long_name": "end-to-end entanglement E"}),
            "levels": (over, _stacked(curves, "levels"), {"long_name": "r of the magic time 2πp/r, or 0"}),
            "floor_entropy": (("n_atoms", "scaled_distance"), np.stack(floors), {"units": "bit"}),
        },
        coords={
            "half_width": ("half_width", list(HALF_WIDTHS), units.attributes("time", "half-width of the view")),
            "n_atoms": list(FLOOR_ATOMS),
            "scaled_distance": ("scaled_distance", scaled, units.attributes("time", "N (t - π/2)")),
        },
        attrs=attributes("Beyond the paper: the dip at π/2") | {"n_atoms_zoomed": ZOOMED_ATOMS},
    )


def _stacked(curves: list[jaxent.EntropyCurve], name: str) -> np.ndarray:
    """Stack all curves into one array, with rows padded with NaN."""
    rows = [getattr(curve, name) * 1.0 for curve in curves]
    length = max(len(row) for row in rows)
    return np.stack([np.pad(row, (0, length - len(row)), constant_values=np.nan) for row in rows])


def _part_reporter(report: Report, total: float):
    """Turn the share done of one curve into seconds since the last report."""
    done = 0.0

    def part(share: float) -> None:
        nonlocal done
        report((share - done) * total)
        done = share

    return part


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Answer our own questions about the figures in `datasets`, beyond the N of the paper."""
    found = []
    if "1-large" in datasets:
        data = datasets["1-large"]
        generic = data.entropy.where(data.levels == 0).median("point") / np.log2(data.n_atoms + 1.0)
        shown = ", ".join(f"{float(x):.3f} at N = {power(int(n))}" for n, x in zip(data.n_atoms, generic, strict=True))
        found.append(
            Finding(
                "Does E_norm ≈ 0.5 go on beyond N = 10^6?",
                f"median E/E_max: {shown}",
                bool((abs(generic - 0.5) < 0.1).all()),
            )
        )
        deep = data.where((data.levels > 0) & (data.levels**2 * 100 < data.n_atoms))
        error = float(abs(deep.entropy - np.log2(deep.levels)).max())
        found.append(
            Finding(
                "Do all dips at 2πp/r, r < √N/10, reach log2 r?",
                f"largest |E - log2 r| = {error:.1e} bits at {int(np.isfinite(deep.levels).sum())} magic times",
                error < 1e-3,
            )
        )
    if "zoom" in datasets:
        floor = datasets["zoom"].floor_entropy
        spread = float((floor - floor.sel(n_atoms=10**10)).sel(n_atoms=slice(10**6, None)).pipe(abs).max())
        found.append(
            Finding(
                "Is the dip at π/2 one function of N (t - π/2)?",
                f"N = 10^6, 10^8 and 10^10 differ by {spread:.1e} bits up to N |t - π/2| = {_FLOOR:g}",
                spread < 1e-3,
            )
        )
    return found
