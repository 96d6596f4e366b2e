"""Section IV of the paper, without decoherence: Figures 1 and 2 and their claims, from jaxent's public names.

Paper: S. Li et al., Macroscopic entanglement distribution with atomic ensembles, arXiv:2603.06085 (2026). All data
are for M = 3, outcomes N and φ = 0, in bits; time is in units of 1/coupling.
"""

import math

import numpy as np
import xarray as xr

import jaxent
from jaxent.claims import GOLDEN, Claim, attributes, power, silent
from jaxent.sweep import Report, entropy_over_grid, estimated_seconds

__all__ = ["claims", "figure_one", "figure_two", "seconds"]

ATOMS = (3, 10, 20, 100, 10**3, 10**4, 10**5, 10**6)
WINDOWS = (1.0, 1.5, 2.0, 3.0)
_MOST_EXACT_ATOMS = 100  # above, figure 1 uses a window of three standard deviations
_KINDS = "0: evenly spaced generic times; 1: beside a dip; 2: exactly at t = 2πp/r"


# ------------------------------------------------------------------- figures


def _chain(n_atoms: int) -> jaxent.Chain:
    return jaxent.Chain(3, n_atoms, None if n_atoms <= _MOST_EXACT_ATOMS else 3.0)


def _grid(n_atoms: int, quick: bool) -> tuple[np.ndarray, np.ndarray, jaxent.PiFraction]:
    """Times of figure 1: generic ones, which show the ceiling; points beside the deepest dips; the dips exactly.

    Equal spacing alone would misrepresent the curve: its points are rational multiples of π, all of them dips.
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
    """End-to-end entanglement E(t) for the eight N of Fig. 1.

    Args:
        quick: a coarse grid.
        report: called with estimated seconds of work done.

    Returns:
        dataset over (n_atoms, point): time, entropy and kind, padded with NaN; dimension and window over n_atoms.
    """
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
    length = max(len(time) for time, _, _ in curves)

    def stacked(part: int) -> np.ndarray:
        return np.stack([np.pad(c[part] * 1.0, (0, length - len(c[part])), constant_values=np.nan) for c in curves])

    chains = [_chain(n_atoms) for n_atoms in ATOMS]
    return xr.Dataset(
        {
            "time": (("n_atoms", "point"), stacked(0), {"units": "1/coupling", "long_name": "interaction time t"}),
            "entropy": (("n_atoms", "point"), stacked(1), {"units": "bit", "long_name": "end-to-end entanglement E"}),
            "kind": (("n_atoms", "point"), stacked(2), {"long_name": _KINDS}),
            "window": ("n_atoms", [chain.window or np.nan for chain in chains], {"units": "standard deviations √N/2"}),
            "dimension": ("n_atoms", [chain.dimension for chain in chains], {"long_name": "Dicke states kept"}),
        },
        coords={"n_atoms": list(ATOMS)},
        attrs=attributes("Figure 1: entanglement of the ends against time"),
    )


def figure_two(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Entanglement for several windows against the full basis, N = 100, Fig. 2.

    Args:
        quick: a coarse grid.
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
            "time": ("time", time, {"units": "1/coupling"}),
            "magic_time": ("magic_time", magic.value, {"units": "1/coupling"}),
        },
        attrs=attributes("Figure 2: precision of the truncated window, N = 100"),
    )


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimated seconds that the figures and their claims will report."""
    total = 0.0
    if "1" in numbers:
        total += sum(estimated_seconds(_dip_chain(n), 100 * n) for n in _dip_atoms(quick))
        for n_atoms in ATOMS:
            generic, beside, dips = _grid(n_atoms, quick)
            parts = (len(generic) + len(beside), len(dips))
            total += sum(estimated_seconds(_chain(n_atoms), count) for count in parts)
    if "2" in numbers:
        for window in (None, *WINDOWS):
            chain = jaxent.Chain(3, 100, window)
            total += estimated_seconds(chain, 100 if quick else 1000) + estimated_seconds(chain, 4)
    return total


# -------------------------------------------------------------------- claims


def _dip_atoms(quick: bool) -> tuple[int, ...]:
    return (25, 50) if quick else (25, 50, 100, 200)


def _dip_chain(n_atoms: int) -> jaxent.Chain:
    return jaxent.Chain(3, n_atoms, None if n_atoms <= 50 else 6.0)


def claims(datasets: dict[str, xr.Dataset], quick: bool = False, report: Report = silent) -> list[Claim]:
    """The paper's statements about the figures at hand, each with its numbers.

    Args:
        datasets: results of `figure_one` and `figure_two`, by figure number.
        quick: fewer atoms where dips are counted.
        report: called with estimated seconds of work done.
    """
    found = []
    if "1" in datasets:
        found += _symmetry_claims() + _ceiling_claims(datasets["1"]) + _dip_claims(quick, report) + _onset_claims()
    if "2" in datasets:
        found += _window_claims(datasets["2"])
    return found


def _symmetry_claims() -> list[Claim]:
    times = math.pi * (np.arange(50) + GOLDEN) / 50
    chains = [jaxent.Chain(3, n) for n in (3, 20, 101)]
    here = [np.asarray(jaxent.end_to_end_entropy(chain, times)) for chain in chains]

    def largest(other: np.ndarray) -> float:
        return max(
            float(abs(np.asarray(jaxent.end_to_end_entropy(chain, other)) - value).max())
            for chain, value in zip(chains, here, strict=True)
        )

    period, mirror = largest(times + 2 * math.pi), largest(2 * math.pi - times)
    detail = "over 50 times, N = 3, 20, 101"
    return [
        Claim("E(t) has the period 2π", f"largest |E(t+2π) - E(t)| = {period:.1e} {detail}", period < 1e-9),
        Claim("E on [π, 2π] mirrors [0, π]", f"largest |E(2π-t) - E(t)| = {mirror:.1e} {detail}", mirror < 1e-9),
    ]


def _ceiling_claims(data: xr.Dataset) -> list[Claim]:
    generic = data.entropy.where(data.kind == 0)
    ceiling = generic.median("point") / np.log2(data.n_atoms + 1.0)
    large = ceiling.sel(n_atoms=ceiling.n_atoms >= 100)
    shown = ", ".join(
        f"{float(value):.3f} at N = {power(int(n))}" for n, value in zip(large.n_atoms, large, strict=True)
    )
    small = data.sel(n_atoms=3)
    entropy = small.entropy.values[np.isfinite(small.entropy.values)]
    n_maxima = int(((entropy[1:-1] > entropy[:-2]) & (entropy[1:-1] >= entropy[2:])).sum())
    chain = jaxent.Chain(3, 10**4, 3.0)
    times = np.array([1.0, 1.5]) * 2 * math.pi / 3
    dip = float(jaxent.end_to_end_entropy(chain, jaxent.pi_fraction(2, 3)))
    beside = float(jaxent.end_to_end_entropy(chain, times[0] + 0.02))
    top = generic.sel(n_atoms=10**6)
    return [
        Claim("E_norm ≈ 0.5 throughout, for large N", f"median E/E_max: {shown}", bool((abs(large - 0.5) < 0.1).all())),
        Claim(
            "The normalized ceiling depends weakly on N",
            f"E_norm changes by {float(large.max() - large.min()):.3f} from N = 100 to 10^6",
            float(large.max() - large.min()) < 0.1,
        ),
        Claim("Small N: smooth, a single broad maximum", f"N = 3 has {n_maxima} maximum on (0, π]", n_maxima == 1),
        Claim(
            "Sharp dips at rational multiples of π",
            f"N = 10^4: E = {dip:.4f} at 2π/3 (log2 3 = {math.log2(3):.4f}), {beside:.4f} at 2π/3 + 0.02",
            abs(dip - math.log2(3)) < 1e-3 and beside - dip > 1,
        ),
        Claim(
            "N = 10^6 distributes macroscopic entanglement",
            f"median E = {float(top.median()):.3f} bits, ½ log2(N+1) = {math.log2(10**6 + 1) / 2:.3f}",
            abs(float(top.median()) / (math.log2(10**6 + 1) / 2) - 1) < 0.2,
        ),
    ]


def _dip_claims(quick: bool, report: Report) -> list[Claim]:
    """Count the local minima of E(t) on the grid (33) and compare their mean spacing with 1/N."""
    spacings = {}
    for n_atoms in _dip_atoms(quick):
        grid = jaxent.crevasse_grid(n_atoms)
        entropy = entropy_over_grid(_dip_chain(n_atoms), grid, report=report)
        dips = (entropy[1:-1] < entropy[:-2] - 1e-9) & (entropy[1:-1] < entropy[2:] - 1e-9)
        spacings[n_atoms] = math.pi / max(1, int(dips.sum()))
    scaled = [n * spacing for n, spacing in spacings.items()]
    shown = ", ".join(f"{spacing:.3g} at N = {n}" for n, spacing in spacings.items())
    exponent = np.polyfit(np.log(list(spacings)), np.log(list(spacings.values())), 1)[0]
    return [
        Claim(
            "The spacing of adjacent dips is of order 1/N",
            f"mean spacing {shown}: {min(scaled):.1f}/N to {max(scaled):.1f}/N, falling as N^{exponent:.2f}",
            abs(exponent + 1) < 0.25,
        )
    ]


def _onset_claims() -> list[Claim]:
    """When the entanglement reaches one bit, and when nine tenths of its ceiling."""
    first, full = {}, {}
    for n_atoms in (100, 1000, 10**4):
        chain = jaxent.Chain(3, n_atoms, 4.0)
        early = np.linspace(2.0, 8.0, 61) / n_atoms
        later = np.geomspace(0.5, 8.0, 121) / math.sqrt(n_atoms)
        generic = 1.0 + GOLDEN * np.arange(1, 20) / 20
        rise, growth, plateau = (np.asarray(jaxent.end_to_end_entropy(chain, t)) for t in (early, later, generic))
        first[n_atoms] = n_atoms * float(early[np.argmax(rise >= 1.0)])
        full[n_atoms] = math.sqrt(n_atoms) * float(later[np.argmax(growth >= 0.9 * np.median(plateau))])
    ones = ", ".join(f"{value:.1f}/N" for value in first.values())
    ceilings = ", ".join(f"{value:.2f}/√N = {value * math.sqrt(n):.0f}/N" for n, value in full.items())
    return [
        Claim(
            "Entanglement appears in a time t ~ 1/N",
            f"E reaches 1 bit at {ones} for N = 100, 10^3, 10^4",
            max(first.values()) / min(first.values()) < 1.1,
        ),
        Claim(
            "... and is at its ceiling, E_norm ≈ 0.5, from then on",
            f"nine tenths of the ceiling only at {ceilings} for N = 100, 10^3, 10^4: a time ~ 1/√N",
            max(n**0.5 * value for n, value in full.items()) < 2 * max(first.values()),
        ),
    ]


def _window_claims(data: xr.Dataset) -> list[Claim]:
    largest, typical = data.error.max("time"), data.error.median("time")
    magic = float(data.error_at_magic_times.sel(window=3.0).max())
    height = float(data.exact_entropy.max())
    proven = bool((data.error_bound >= data.error).all())

    def of_order(window: float, exponent: int) -> Claim:
        median, most = float(typical.sel(window=window)), float(largest.sel(window=window))
        return Claim(
            f"c = {window:g}: error of order 1e{exponent}",
            f"median {median:.1e}, largest {most:.1e} bits (N = 100): within a factor of 5",
            abs(math.log10(median) - exponent) < math.log10(5),
        )

    def by_eye(window: float, words: str) -> Claim:
        share = float(largest.sel(window=window)) / height
        return Claim(words, f"largest error {share:.2%} of the curve's height (0.5 % is a line's width)", share < 0.005)

    return [
        of_order(3.0, -3),
        of_order(1.0, -1),
        Claim(
            "c = 3 at magic times: error of order 1e-5 or lower",
            f"largest at π, 2π/3, π/2, π/3: {magic:.1e} bits",
            magic < 10**-4.5,
        ),
        by_eye(3.0, "c = 3 cannot be told from exact by eye"),
        by_eye(1.5, "c = 1.5 is still good by eye"),
        Claim("(beyond the paper) the proven bound covers the error", "at all times and windows of Figure 2", proven),
    ]
