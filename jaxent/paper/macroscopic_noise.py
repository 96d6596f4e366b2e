"""Compute what dephasing leaves of a macroscopic chain, up to N = 10^7 and in the limit N → ∞, beyond the paper.

The paper stops at N = 30 under dephasing. Figure saturation has the log negativity against N at fixed γ, which
saturates at N ≈ 1/(γt), and its limit against γ. All data are for M = 3, outcomes N, φ = 0 and one rate γ for all
ensembles; logarithmic negativity in bits, time in units of 1/coupling, γ in units of the coupling.

The time without structure is the golden angle, 2π/ϕ² with the golden ratio ϕ: no time is farther from all magic times
2πp/r. t = 1 would not do, as it is within 10^-7 of 2π · 113/710: its entropy stays at log2 710 from N = 10^6 on.
"""

import math
from typing import Any

import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.paper.claims import GOLDEN, Finding, attributes, power, silent
from jaxent.sweep import Report
from jaxent.times import Time

__all__ = ["GENERIC", "figure_saturation", "findings", "seconds"]

GENERIC = 2 * math.pi * (1 - GOLDEN)
MAGIC = {"π/2": (jaxent.pi_fraction(1, 2), 4), "2π/3": (jaxent.pi_fraction(2, 3), 3)}  # with r
RATE, WEAKER_RATE = 0.01, 0.003
ATOMS = (10, 32, 100, 1000, 10**4, 10**5, 10**6, 10**7)
QUICK_ATOMS = (10, 100, 10**4, 10**6)
RATES = tuple(float(x) for x in np.geomspace(1e-3, 0.1, 7))
QUICK_RATES = (1e-3, 1e-2, 1e-1)
TOLERANCE = 5e-3  # a tenth of the width of a line
_POINT = 1.5  # seconds of a point, mostly for compiling
_BITS = {"units": "bit", "long_name": "logarithmic negativity"}


def _atoms(quick: bool) -> tuple[int, ...]:
    return QUICK_ATOMS if quick else ATOMS


def _rates(quick: bool) -> tuple[float, ...]:
    return QUICK_RATES if quick else RATES


def _times() -> dict[str, Time]:
    return {"generic": GENERIC, **{name: time for name, (time, _) in MAGIC.items()}}


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figures will report."""
    return _points(quick) * _POINT if "saturation" in numbers else 0.0


def _points(quick: bool) -> int:
    return len(_atoms(quick)) * (len(_times()) + 2) + len(_rates(quick)) * len(_times())


def figure_saturation(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the log negativity against N at γ = 0.01, at one time for less noise too, and its limit against γ.

    Args:
        quick: use few N and few rates.
        report: called with estimated seconds of work done.

    Returns:
        dataset with log_negativity, its stated error and method over (time_name, n_atoms); weaker and pure, at γ =
        0.003 and 0 and the generic time, over n_atoms; limit over (time_name, dephasing_rate); time and levels (r, or
        0) over time_name.
    """
    atoms, rates, times = _atoms(quick), _rates(quick), _times()

    def at(n_atoms: int, time: Time, rate: float) -> jaxent.LogNegativityWithErrors:
        found = jaxent.log_negativity_with_errors(jaxent.Chain(3, n_atoms), time, rate, tolerance=TOLERANCE)
        report(_POINT)
        return found

    def limit(time: Time, rate: float) -> float:
        value = float(jaxent.macroscopic_log_negativity(time, rate, tolerance=TOLERANCE))
        report(_POINT)
        return value

    noisy = [[at(n, time, RATE) for n in atoms] for time in times.values()]
    weaker, pure = ([at(n, GENERIC, rate) for n in atoms] for rate in (WEAKER_RATE, 0.0))
    limits = [[limit(time, rate) for rate in rates] for time in times.values()]
    over, stated = ("time_name", "n_atoms"), _BITS | {"long_name": "stated error"}
    return xr.Dataset(
        {
            "log_negativity": (over, [[one.value for one in row] for row in noisy], _BITS),
            "error": (over, [[one.error for one in row] for row in noisy], stated),
            "method": (over, [[one.method for one in row] for row in noisy]),
            "weaker": ("n_atoms", [one.value for one in weaker], _BITS),
            "weaker_error": ("n_atoms", [one.error for one in weaker], stated),
            "pure": ("n_atoms", [one.value for one in pure], _BITS),
            "pure_error": ("n_atoms", [one.error for one in pure], stated),
            "limit": (("time_name", "dephasing_rate"), limits, _BITS),
            "time": ("time_name", [_value(time) for time in times.values()], units.attributes("time")),
            "levels": ("time_name", [0, *(r for _, r in MAGIC.values())], {"long_name": "r of the magic time, or 0"}),
        },
        coords={
            "time_name": list(times),
            "n_atoms": ("n_atoms", list(atoms), units.attributes("n_atoms")),
            "dephasing_rate": ("dephasing_rate", list(rates), units.attributes("dephasing_rate")),
        },
        attrs=attributes("Beyond the paper: logarithmic negativity against N at fixed dephasing rate, and its limit")
        | {"rate_against_n_atoms": RATE, "weaker_rate": WEAKER_RATE, "tolerance_bits": TOLERANCE},
    )


def _value(time: Any) -> float:
    return float(time.value if isinstance(time, jaxent.PiFraction) else time)


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Answer our own questions about the figures in `datasets`, beyond the N of the paper."""
    return _about_saturation(datasets["saturation"]) if "saturation" in datasets else []


_KEPT = 0.99  # least share of log2 r
_FLAT = 0.05  # bits; what the laws in log2 N and log2 γt explain changes by more than three bits


def _about_saturation(data: xr.Dataset) -> list[Finding]:
    rate, atoms = data.attrs["rate_against_n_atoms"], data.n_atoms.values
    last = power(int(atoms[-1]))
    limit = data.limit.sel(dephasing_rate=rate, method="nearest")
    off = abs(data.log_negativity.isel(n_atoms=-1) - limit).values
    growth = (data.pure.values - np.log2(atoms) / 2)[atoms >= 100]
    generic = data.sel(time_name="generic")
    constant = generic.limit.values + np.log2(data.dephasing_rate.values * float(generic.time)) / 2
    magic = data.where(data.levels > 0, drop=True)
    kept = (magic.log_negativity.isel(n_atoms=-1) / np.log2(magic.levels)).values
    names = magic.time_name.values
    return [
        Finding(
            f"Does the entanglement stop growing with N at γ = {rate:g}?",
            f"N = {last} is {off.max():.1e} bits or less from the limit N → ∞; without noise, "
            f"½ log2 N + {growth.mean():.2f}, changing by {np.ptp(growth):.1e} bits, at the generic time",
            bool(off.max() < 2 * data.attrs["tolerance_bits"] and np.ptp(growth) < _FLAT),
        ),
        Finding(
            f"Do magic times keep log2 r at N = {last}?",
            f"γ = {rate:g} keeps {', '.join(f'{x:.2%} at {t}' for x, t in zip(kept, names, strict=True))}",
            bool((kept > _KEPT).all()),
        ),
        Finding(
            "Is the limit at the generic time -½ log2 γt + const?",
            f"const = {constant.mean():.2f}, changing by {np.ptp(constant):.1e} bits from γ = "
            f"{float(data.dephasing_rate[0]):g} to {float(data.dephasing_rate[-1]):g}",
            bool(np.ptp(constant) < _FLAT),
        ),
    ]
