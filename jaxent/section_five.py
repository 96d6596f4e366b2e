"""Section V of the paper, with dephasing: Figures 3 and 4, their claims, and Figure 4 at sizes it could not reach.

Paper: S. Li et al., Macroscopic entanglement distribution with atomic ensembles, arXiv:2603.06085 (2026). All data
are for M = 3, outcomes N, φ = 0 and one dephasing rate γ for all ensembles; logarithmic negativity in bits, time in
units of 1/coupling, γ in units of the coupling.
"""

import math

import numpy as np
import xarray as xr

import jaxent
from jaxent.claims import GOLDEN, Claim, attributes, silent
from jaxent.sweep import Report

__all__ = ["claims", "figure_four", "figure_four_large", "figure_three", "seconds"]

RATES_OVER_TIME = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
ATOMS = (3, 10, 20, 30)
LARGE_ATOMS = (10, 30, 100, 300, 1000)
MAGIC = jaxent.pi_fraction(np.array([1, 1, 2, 1]), np.array([3, 2, 3, 1]))
MAGIC_NAMES = ("π/3", "π/2", "2π/3", "π")


def _chain(n_atoms: int) -> jaxent.Chain:
    return jaxent.Chain(3, n_atoms, None if n_atoms <= 30 else 3.0)


def _point_seconds(n_atoms: int) -> float:
    """Rough cost of one point on two CPU cores."""
    return 1e-3 + 2.5e-11 * _chain(n_atoms).dimension ** 6 / 4


def _compile_seconds(n_atoms: int) -> float:
    return 4.0


def _times(quick: bool) -> np.ndarray:
    count = 40 if quick else 400
    return math.pi * (np.arange(count) + GOLDEN) / count


def _rates(n_atoms: int, quick: bool) -> np.ndarray:
    """Rates of Figure 4, γ = 0 first; fewer where a point is dear."""
    if n_atoms == 1000 and not quick:
        return np.array([0.0, 1e-4, 1e-3, *np.geomspace(1e-2, 0.25, 7), 1.0])
    return np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 5 if quick else 25)])


def _large_atoms(quick: bool) -> tuple[int, ...]:
    return LARGE_ATOMS[:3] if quick else LARGE_ATOMS


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimated seconds that the figures will report."""
    total = 0.0
    if "3" in numbers:
        total += _compile_seconds(30) + len(_times(quick)) * len(RATES_OVER_TIME) * _point_seconds(30)
    for number, atoms in (("4", ATOMS), ("4-large", _large_atoms(quick))):
        if number in numbers:
            total += sum(_compile_seconds(n) + 4 * len(_rates(n, quick)) * _point_seconds(n) for n in atoms)
    return total


# ------------------------------------------------------------------- figures


def figure_three(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Logarithmic negativity against time for N = 30 and several dephasing rates, Fig. 3.

    Args:
        quick: a coarse grid.
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
            "dephasing_rate": ("dephasing_rate", list(RATES_OVER_TIME), {"units": "coupling"}),
            "time": ("time", times, {"units": "1/coupling"}),
            "magic_time": ("magic_time", MAGIC.value, {"units": "1/coupling"}),
        },
        attrs=attributes("Figure 3: logarithmic negativity against time, N = 30"),
    )


def figure_four(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Logarithmic negativity against the dephasing rate at the magic times, N = 3, 10, 20, 30, Fig. 4."""
    return _against_rate(ATOMS, "Figure 4: logarithmic negativity against the dephasing rate", quick, report)


def figure_four_large(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Fig. 4 for N up to 1000, in windows of three standard deviations beyond N = 30."""
    title = "Figure 4 beyond the paper: logarithmic negativity against the dephasing rate for N up to 1000"
    return _against_rate(_large_atoms(quick), title, quick, report)


def _against_rate(atoms: tuple[int, ...], title: str, quick: bool, report: Report) -> xr.Dataset:
    rows = []
    for n_atoms in atoms:
        chain, rates = _chain(n_atoms), _rates(n_atoms, quick)
        share = (_compile_seconds(n_atoms) + 4 * len(rates) * _point_seconds(n_atoms)) / len(rates)
        values = []
        for rate in rates:
            values.append(np.asarray(jaxent.end_to_end_log_negativity(chain, MAGIC, rate)))
            report(share)
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
                {"units": "coupling", "long_name": "dephasing rate γ"},
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
            "magic_time": ("magic_time", MAGIC.value, {"units": "1/coupling"}),
        },
        attrs=attributes(title),
    )


# -------------------------------------------------------------------- claims


def claims(datasets: dict[str, xr.Dataset]) -> list[Claim]:
    """The paper's statements about Figures 3 and 4, as far as these are at hand."""
    found = []
    if "3" in datasets:
        found += _time_claims(datasets["3"])
    if "4" in datasets:
        found += _rate_claims(datasets["4"])
    if "4-large" in datasets:
        found += _large_claims(datasets["4-large"])
    return found


def _time_claims(data: xr.Dataset) -> list[Claim]:
    curves, magic = data.log_negativity, data.log_negativity_at_magic_times
    rough = abs(curves.diff("time")).sum("time") / curves.max("time")
    roughness = ", ".join(f"{float(value):.1f}" for value in rough)
    moderate, strong = float(data.dephasing_rate[3]), float(data.dephasing_rate[4])
    kept = (magic.isel(dephasing_rate=3) / magic.isel(dephasing_rate=0)).values
    generic = (curves.isel(dephasing_rate=3) / curves.isel(dephasing_rate=0)).values
    left = (magic.isel(dephasing_rate=4) / magic.isel(dephasing_rate=0)).values
    shown = ", ".join(f"{share:.2%} at {name}" for share, name in zip(kept, MAGIC_NAMES, strict=True))
    shown_left = ", ".join(f"{share:.0%} at {name}" for share, name in zip(left, MAGIC_NAMES, strict=True))
    return [
        Claim(
            "Fig. 3: dephasing smooths the fine structure",
            f"summed |change| of a curve over its height, γ = 0, 1e-4 … 1e-1: {roughness}",
            bool((np.diff(rough.values) < 0).all()),
        ),
        Claim(
            "Fig. 3: magic times are robust for γ ≲ 1e-2",
            f"γ = {moderate:g} keeps {shown} (N = 30)",
            bool((kept > 0.95).all()),
        ),
        Claim(
            "... while the overall degradation is insignificant",
            f"γ = {moderate:g} keeps {np.median(generic):.0%} at the median time, {generic.min():.0%} at the worst",
            bool(np.median(generic) > 0.95),
        ),
        Claim(
            "Fig. 3: stronger dephasing suppresses the entanglement",
            f"γ = {strong:g} leaves {shown_left}",
            bool((left < 0.5).all()),
        ),
    ]


def _at(data: xr.Dataset, rate: float) -> np.ndarray:
    """Log negativity at a rate, (n_atoms, magic_time); a rate between grid points is interpolated in log γ."""
    rows = []
    for rates, values in zip(data.dephasing_rate.values, data.log_negativity.values, strict=True):
        there = np.isfinite(rates) & (rates > 0)
        rows.append([np.interp(math.log(rate), np.log(rates[there]), one[there]) for one in values])
    return np.array(rows)


def _rate_claims(data: xr.Dataset) -> list[Claim]:
    none = data.log_negativity.isel(point=0).values
    weak, moderate, strong = (_at(data, rate) for rate in (1e-3, 1e-2, 1e-1))
    atoms = data.n_atoms.values
    ceiling = np.log2(atoms + 1.0)[:, None]
    spread = np.ptp(weak / ceiling, axis=0)
    absolute = np.ptp(weak, axis=0)
    lost = 1 - moderate / none
    names = ", ".join(MAGIC_NAMES)
    percent = "; ".join(
        f"N = {n}: " + ", ".join(f"{value:.1%}" for value in row) for n, row in zip(atoms, lost, strict=True)
    )
    falling = np.all(np.diff(weak, axis=1) < 0, axis=1)
    falls = ", ".join(str(n) for n, one in zip(atoms, falling, strict=True) if one)
    smaller_higher = np.all(np.diff(weak / ceiling, axis=0) < 0, axis=0)
    where_higher = ", ".join(name for name, one in zip(MAGIC_NAMES, smaller_higher, strict=True) if one)
    return [
        Claim(
            "Fig. 4: γ ≲ 1e-2 leaves E/E_max essentially unchanged in all panels",
            f"lost at γ = 1e-2, at {names} — {percent}",
            bool((lost < 0.05).all()),
        ),
        Claim(
            "Fig. 4: γ ≳ 1e-2 suppresses it significantly",
            f"γ = 0.1 leaves {(strong / none).min():.0%} to {(strong / none).max():.0%}",
            bool((strong / none < 0.6).all()),
        ),
        Claim(
            "Fig. 4: π/3 hardly depends on N, later times separate",
            f"range over N of E/log2(N+1) at {names}: {', '.join(f'{x:.2f}' for x in spread)}; "
            f"of E itself, in bits: {', '.join(f'{x:.2f}' for x in absolute)}",
            bool(spread[0] == spread.min() and absolute[0] == absolute.min()),
        ),
        Claim(
            "Fig. 4: smaller ensembles have the larger E/E_max",
            f"in order of N at {where_higher or 'no time'} (γ = 1e-3)",
            bool(smaller_higher.all()),
        ),
        Claim(
            "Fig. 4: smaller ensembles are less sensitive to γ",
            "the share lost at γ = 1e-2 "
            + ("grows" if (np.diff(lost, axis=0) > 0).all() else "falls or varies")
            + " with N; see the losses above",
            bool((np.diff(lost, axis=0) > 0).all()),
        ),
        Claim(
            "Fig. 4: the absolute entanglement falls from π/3 to later times",
            f"for N = {falls or 'none'} of {', '.join(map(str, atoms))} (γ = 1e-3)",
            bool(falling.all()),
        ),
    ]


def _large_claims(data: xr.Dataset) -> list[Claim]:
    none, moderate = data.log_negativity.isel(point=0).values, _at(data, 1e-2)
    kept = (moderate / none)[-1]
    levels = np.log2([6.0, 4.0, 3.0, 2.0])
    reached = none[-1] / levels
    n_atoms = int(data.n_atoms[-1])
    return [
        Claim(
            f"(beyond the paper) magic times stay robust up to N = {n_atoms}",
            f"γ = 1e-2 keeps {', '.join(f'{share:.2%}' for share in kept)} at {', '.join(MAGIC_NAMES)}; without noise "
            f"log2 r is reached to {', '.join(f'{abs(1 - share):.1e}' for share in reached)}",
            bool((kept > 0.95).all()),
        )
    ]
