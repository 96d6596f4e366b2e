"""Compute Figures 1 and 2, of Section IV of the paper, without decoherence, from public names of jaxent.

Paper: S. Li et al., Macroscopic entanglement distribution with atomic ensembles, arXiv:2603.06085 (2026). All data
are for M = 3, outcomes N and φ = 0, in bits; time is in units of 1/coupling.
"""

import math

import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.analysis.magic_times import magic_levels
from jaxent.paper import curve_features
from jaxent.paper.claims import GOLDEN, attributes, silent
from jaxent.sweep import Report, entropy_over_grid, estimated_seconds

__all__ = ["figure_one", "figure_protocol", "figure_two", "seconds"]

ATOMS = (3, 10, 20, 100, 10**3, 10**4, 10**5, 10**6)
WINDOWS = (1.0, 1.5, 2.0, 3.0)
_SHOWN, _NAMED = 100, 8  # atoms below the protocol, and the largest r
_MOST_EXACT_ATOMS = 100  # above, figure 1 uses a window of three standard deviations
_COMPILATION = 5.0  # seconds of a curve
_KINDS = "0: evenly spaced generic times; 1: beside a dip; 2: exactly at t = 2πp/r"


# ------------------------------------------------------------------- figures


def _chain(n_atoms: int) -> jaxent.Chain:
    return jaxent.Chain(3, n_atoms, None if n_atoms <= _MOST_EXACT_ATOMS else 3.0)


def _grid(n_atoms: int, quick: bool) -> tuple[np.ndarray, np.ndarray, jaxent.PiFraction]:
    """Choose the times of Figure 1: generic ones for the plateau, points beside the deepest dips, and the dips exactly.

    Evenly spaced multiples of π alone would misrepresent the curve, because all of them are dips.
    """
    full = {10**6: 140, 10**5: 300, 10**4: 600}.get(n_atoms, 1200)
    count = max(12, full // 12) if quick else full
    generic = math.pi * (np.arange(count) + GOLDEN) / count
    dips = jaxent.pi_fractions_up_to(3 if quick else min(8, max(2, math.isqrt(n_atoms))))
    steps = np.array([0.5, 2.0, 8.0, 32.0, 128.0]) / n_atoms
    steps = steps[steps < 1 / math.sqrt(n_atoms)]
    if quick:
        steps = steps[:1]
    around = (dips.value[:, None] + np.concatenate([-steps, steps])).ravel()
    return generic, around[(around > 0) & (around < math.pi)], dips


def figure_one(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the end-to-end entanglement E(t) for the eight N of Fig. 1.

    Args:
        quick: use a coarse grid.
        report: called with estimated seconds of work done.

    Returns:
        dataset over (n_atoms, point): time, entropy and kind, padded with NaN; dimension and window over n_atoms; and
        the variables of `curve_features.measured`.
    """
    features, of_features = curve_features.measured(quick, report)
    curves = []
    for n_atoms in ATOMS:
        generic, beside, dips = _grid(n_atoms, quick)
        chain = _chain(n_atoms)
        floats = np.concatenate([generic, beside])
        entropy = np.concatenate([entropy_over_grid(chain, times, report=report) for times in (floats, dips)])
        time = np.concatenate([floats, dips.value])
        kind = np.repeat([0, 1, 2], [len(generic), len(beside), len(dips)])
        order = np.argsort(time)
        curves.append((time[order], entropy[order], kind[order]))
        report(_COMPILATION)
    length = max(len(time) for time, _, _ in curves)

    def stacked(part: int) -> np.ndarray:
        return np.stack([np.pad(c[part] * 1.0, (0, length - len(c[part])), constant_values=np.nan) for c in curves])

    chains = [_chain(n_atoms) for n_atoms in ATOMS]
    return xr.Dataset(
        {
            "time": (("n_atoms", "point"), stacked(0), units.attributes("time")),
            "entropy": (("n_atoms", "point"), stacked(1), {"units": "bit", "long_name": "end-to-end entanglement E"}),
            "kind": (("n_atoms", "point"), stacked(2), {"long_name": _KINDS}),
            "window": ("n_atoms", [chain.window or np.nan for chain in chains], {"units": "standard deviations √N/2"}),
            "dimension": ("n_atoms", [chain.dimension for chain in chains], {"long_name": "Dicke states kept"}),
            **features,
        },
        coords={"n_atoms": list(ATOMS), **of_features},
        attrs=attributes("Figure 1: entanglement of the ends against time"),
    )


def figure_two(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compare the entanglement in several windows with the full basis, N = 100, Fig. 2.

    Args:
        quick: use a coarse grid.
        report: called with estimated seconds of work done.

    Returns:
        dataset over (window, time): entropy, exact entropy, error; and the error at the magic times π, 2π/3, π/2, π/3.
    """
    time = math.pi * (np.arange(100 if quick else 1000) + GOLDEN) / (100 if quick else 1000)
    magic = jaxent.pi_fraction(np.array([1, 1, 2, 1]), np.array([3, 2, 3, 1]))
    exact, exact_magic = (entropy_over_grid(jaxent.Chain(3, 100), t, report=report) for t in (time, magic))
    windowed = [jaxent.Chain(3, 100, c) for c in WINDOWS]
    entropy = np.stack([entropy_over_grid(chain, time, report=report) for chain in windowed])
    at_magic = np.stack([entropy_over_grid(chain, magic, report=report) for chain in windowed])
    bound = np.stack([np.asarray(jaxent.entropy_error_bound(chain, time)) for chain in windowed])
    bit = {"units": "bit"}
    return xr.Dataset(
        {
            "entropy": (("window", "time"), entropy, bit | {"long_name": "end-to-end entanglement E in a window"}),
            "exact_entropy": ("time", exact, bit | {"long_name": "end-to-end entanglement E"}),
            "error": (("window", "time"), abs(entropy - exact), bit | {"long_name": "|E_window - E|"}),
            "error_bound": (("window", "time"), bound, bit | {"long_name": "proven bound on the error"}),
            "error_at_magic_times": (("window", "magic_time"), abs(at_magic - exact_magic), bit),
        },
        coords={
            "window": ("window", list(WINDOWS), {"units": "standard deviations √N/2"}),
            "time": ("time", time, units.attributes("time")),
            "magic_time": ("magic_time", magic.value, units.attributes("time", "magic time")),
        },
        attrs=attributes("Figure 2: precision of the truncated window, N = 100"),
    )


def figure_protocol(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute one curve, E(t) of 100 atoms, to be drawn below the protocol.

    Args:
        quick: use a coarse grid.
        report: called with estimated seconds of work done.

    Returns:
        dataset with entropy over time, and at the magic times 2πp/r up to π, r = `levels` up to 8.
    """
    count = _protocol_times(quick)
    time = math.pi * (np.arange(count) + GOLDEN) / count
    magic = _named_times()
    entropy, at_magic = (entropy_over_grid(_chain(_SHOWN), t, report=report) for t in (time, magic))
    bit = {"units": "bit", "long_name": "end-to-end entanglement E"}
    return xr.Dataset(
        {"entropy": ("time", entropy, bit), "at_magic_times": ("magic_time", at_magic, bit)},
        coords={
            "time": ("time", time, units.attributes("time")),
            "magic_time": ("magic_time", magic.value, units.attributes("time", "magic time")),
            "levels": ("magic_time", magic_levels(magic), {"long_name": "r of the magic time 2πp/r"}),
        },
        attrs=attributes("The protocol, and the entanglement of the ends") | {"n_atoms": _SHOWN},
    )


def _named_times() -> jaxent.PiFraction:
    return jaxent.pi_fractions_up_to(_NAMED)


def _protocol_times(quick: bool) -> int:
    return 150 if quick else 1500


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figures will report."""
    total = 0.0
    if "1" in numbers:
        total += curve_features.seconds(quick) + _COMPILATION * len(ATOMS)
        for n_atoms in ATOMS:
            generic, beside, dips = _grid(n_atoms, quick)
            parts = (len(generic) + len(beside), len(dips))
            total += sum(estimated_seconds(_chain(n_atoms), count) for count in parts)
    if "2" in numbers:
        for window in (None, *WINDOWS):
            chain = jaxent.Chain(3, 100, window)
            total += estimated_seconds(chain, 100 if quick else 1000) + estimated_seconds(chain, 4)
    if "protocol" in numbers:
        total += sum(
            estimated_seconds(_chain(_SHOWN), count) for count in (_protocol_times(quick), len(_named_times()))
        )
    return total
