"""Compute pictures of one end for a result at the other, beyond the paper.

All data are for M = 3, N = 100 and outcome N: the Husimi function of the first end on its sphere, where the last end is
found in the Dicke state of S_z = 0 or in the coherent state to which H turns it on average. Azimuths count from -Nt/2,
to which H turns the first end on average. The functions are divided by the peak (N+1)/4π of a coherent state.
"""

import math
from typing import Any

import numpy as np
import xarray as xr

import jaxent
from jaxent.paper.claims import Finding, attributes, silent
from jaxent.sweep import Report

__all__ = ["LEVELS", "TIMES", "figure_husimi", "findings", "lobes", "seconds"]

TIMES = {"1": 1.0, "π/2": jaxent.pi_fraction(1, 2), "2π/3": jaxent.pi_fraction(2, 3)}
LEVELS = {"π/2": 4, "2π/3": 3}
ATOMS = 100
RATE = 0.01
KINDS = ("Dicke state", "coherent state", "Dicke state, dephasing")
POINTS, QUICK_POINTS = (181, 361), (31, 61)  # polar angles, azimuths
_POINT = 1.5  # seconds, mostly for compiling


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figure will report."""
    return _POINT * len(TIMES) * len(KINDS) if "husimi" in numbers else 0.0


def figure_husimi(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the Husimi functions over the sphere, for three times and three results.

    Args:
        quick: use few directions.
        report: called with estimated seconds of work done.

    Returns:
        dataset with husimi over (result, time_name, theta, phi).
    """
    n_theta, n_phi = QUICK_POINTS if quick else POINTS
    theta, phi = np.linspace(0.0, math.pi, n_theta), np.linspace(-math.pi, math.pi, n_phi)
    values = np.zeros((len(KINDS), len(TIMES), n_theta, n_phi))
    for row, kind in enumerate(KINDS):
        for column, time in enumerate(TIMES.values()):
            values[row, column] = _husimi(kind, time, theta[:, None], phi[None, :])
            report(_POINT)
    angle = {"units": "rad"}
    return xr.Dataset(
        {
            "husimi": (
                ("result", "time_name", "theta", "phi"),
                values * (4 * math.pi / (ATOMS + 1)),
                {"units": "1", "long_name": "Husimi function, over the peak of a coherent state"},
            )
        },
        coords={
            "result": list(KINDS),
            "time_name": list(TIMES),
            "theta": ("theta", theta, angle | {"long_name": "polar angle from +S_z"}),
            "phi": ("phi", phi, angle | {"long_name": "azimuth from -Nt/2"}),
        },
        attrs=attributes("Beyond the paper: Husimi function of the first end for a result at the last")
        | {"n_atoms": ATOMS, "dephasing_rate": RATE},
    )


def _husimi(kind: str, time: Any, theta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    turned = ATOMS * float(time.value if isinstance(time, jaxent.PiFraction) else time) / 2
    if kind == "coherent state":
        result: dict[str, Any] = {"last_direction": (math.pi / 2, math.remainder(turned, 2 * math.pi))}
    else:
        result = {"last_state": ATOMS // 2}
    rate = RATE if kind.endswith("dephasing") else 0.0
    azimuth = phi - math.remainder(turned, 2 * math.pi)
    return np.asarray(jaxent.end_to_end_husimi(jaxent.Chain(3, ATOMS), time, theta, azimuth, rate, **result))


def lobes(values: np.ndarray) -> np.ndarray:
    """Find the heights of the maxima along a closed circle, those above a tenth of the highest.

    >>> lobes(np.array([0.0, 1.0, 0.0, 0.02, 0.0, 0.5]))
    array([1. , 0.5])
    """
    above = (values > np.roll(values, 1)) & (values >= np.roll(values, -1))
    return values[above & (values > 0.1 * values.max())]


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Answer our own question about the pictures."""
    if "husimi" not in datasets:
        return []
    data = datasets["husimi"].husimi
    equator = data.sel(theta=math.pi / 2, method="nearest").isel(phi=slice(None, -1))  # -π and π are one azimuth
    found = {name: lobes(equator.sel(time_name=name, result="Dicke state").values) for name in LEVELS}
    dephased = {name: lobes(equator.sel(time_name=name, result="Dicke state, dephasing").values) for name in LEVELS}
    words = [
        f"{len(heights)} lobes at {name}, of {heights.min():.3f} to {heights.max():.3f} of a coherent state's peak"
        for name, heights in found.items()
    ]
    noisy = [f"{heights.max() / found[name].max():.2f} at {name}" for name, heights in dephased.items()]
    as_many = all(len(found[name]) == len(dephased[name]) == levels for name, levels in LEVELS.items())
    equal = all(np.allclose(found[name], 1 / levels, rtol=0.05) for name, levels in LEVELS.items())
    return [
        Finding(
            "Does a Dicke state found at the last end leave the first in r equal lobes at the magic time of r levels?",
            f"{'; '.join(words)}; dephasing of γ = {RATE:g} lowers the highest to {', '.join(noisy)} of that",
            bool(as_many and equal),
        )
    ]
