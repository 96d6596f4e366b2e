"""Compare the statements of the paper's Sections IV and VI on Figures 1 and 2 with numbers.

Paper: S. Li et al., Macroscopic entanglement distribution with atomic ensembles, arXiv:2603.06085 (2026).
"""

import math

import numpy as np
import xarray as xr

from jaxent.paper.claims import Claim, Finding, Verdict, graded, power
from jaxent.paper.curve_features import DIP_LEVELS

__all__ = ["claims", "findings"]

_SMALL = (3, 10, 20)
_LINE_WIDTH = 0.005  # width of a line over the height of the curve, in Figure 2(a)


def claims(datasets: dict[str, xr.Dataset]) -> list[Claim]:
    """Check the statements of the paper about the figures in `datasets`, each with its numbers.

    Args:
        datasets: results of `section_four.figure_one` and `figure_two`, by figure number.
    """
    found = []
    if "1" in datasets:
        data = datasets["1"]
        found += [*_symmetries(*data.asymmetry.values), _maxima(data)]
        found += [_dips(data.entropy_at_dip.values, data.entropy_before_dip.values)]
        found += [_spacing(_by_atoms(data.dip_spacing)), _onset(_by_atoms(data.first_bit), _by_atoms(data.nine_tenths))]
        found += _ceiling(data)
    if "2" in datasets:
        found += _window(datasets["2"])
    return found


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Answer our own question about Figure 2."""
    if "2" not in datasets:
        return []
    data = datasets["2"]
    tightest = float((data.error_bound / data.error.where(data.error > 0)).min())
    return [
        Finding(
            "Does `entropy_error_bound` cover the error at all times and windows of Figure 2?",
            f"smallest bound over error: {tightest:.2f}",
            bool((data.error_bound >= data.error).all()),
        )
    ]


# ---------------------------------------------------------------------- Figure 1


def _by_atoms(values: xr.DataArray) -> dict[int, float]:
    (atoms,) = values.dims
    return dict(zip(values[atoms].values.tolist(), values.values.tolist(), strict=True))


def _symmetries(period: float, mirror: float) -> list[Claim]:
    criterion = "equal to 1e-9 bits, the rounding of the times, at 50 times for N = 3, 20, 101"
    return [
        Claim(
            "IV, Fig. 1",
            "exhibit a periodicity of 2π",
            criterion,
            f"largest |E(t+2π) - E(t)| = {period:.1e} bits",
            graded([period < 1e-9]),
        ),
        Claim(
            "IV, Fig. 1",
            r"in the interval $t \in [\pi, 2\pi]$ is the mirror image of that on $t \in [0, \pi]$",
            criterion,
            f"largest |E(2π-t) - E(t)| = {mirror:.1e} bits",
            graded([mirror < 1e-9]),
        ),
    ]


def _maxima(data: xr.Dataset) -> Claim:
    counts = {}
    for n_atoms in _SMALL:
        curve = data.entropy.sel(n_atoms=n_atoms).values
        curve = curve[np.isfinite(curve)]
        counts[n_atoms] = int(((curve[1:-1] > curve[:-2]) & (curve[1:-1] >= curve[2:])).sum())
    return Claim(
        "IV, Fig. 1",
        "For small N , the dynamics are smooth and exhibit a single broad maximum.",
        "one maximum of E on (0, π) for each of the three smallest N drawn, as the words name none",
        ", ".join(f"{count} at N = {n}" for n, count in counts.items()),
        graded([count == 1 for count in counts.values()]),
    )


def _dips(at: np.ndarray, beside: np.ndarray) -> Claim:
    shown = ", ".join(
        f"{e:.3f} at 2π/{r}, {b:.3f} beside" for r, e, b in zip(DIP_LEVELS, at.tolist(), beside.tolist(), strict=True)
    )
    return Claim(
        "IV, Fig. 1",
        "with sharp dips at times that are a rational number multiple of π",
        "E at 2π/r, r = 2 … 6, more than one bit below E at 0.02 before, N = 10^4",
        f"E in bits: {shown}",
        graded((beside - at > 1).tolist()),
    )


def _spacing(spacings: dict[int, float]) -> Claim:
    atoms, values = np.array(list(spacings)), np.array(list(spacings.values()))
    exponent = float(np.polyfit(np.log(atoms), np.log(values), 1)[0])
    scaled = ", ".join(f"{n * x:.1f}/N at N = {n}" for n, x in spacings.items())
    within = bool(((atoms * values > 0.1) & (atoms * values < 10)).all())
    return Claim(
        "IV, Fig. 1",
        r"the typical spacing between adjacent dips is on the order of $1/N$",
        "two parts: the mean spacing is within a factor of ten of 1/N, and falls as a power of N between -0.7 and -1.3",
        f"mean spacing {scaled}, falling as N^{exponent:.2f}",
        graded([within, abs(exponent + 1) < 0.3]),
    )


def _onset(first: dict[int, float], full: dict[int, float]) -> Claim:
    def are_steady(scaled: dict[int, float]) -> bool:
        return max(scaled.values()) / min(scaled.values()) < 1.5

    ones, ceilings = (", ".join(f"{value:.3g}/N" for value in each.values()) for each in (first, full))
    roots = ", ".join(f"{value / math.sqrt(n):.2f}/√N" for n, value in full.items())
    return Claim(
        "IV, Fig. 1",
        r"rapidly established in a timescale $t \sim 1/N$",
        "two parts, as the words leave open how much is established: N t is the same, within a factor of 1.5, for "
        "N = 100, 10^3, 10^4 where E reaches one bit, and where it reaches nine tenths of its ceiling",
        f"one bit at {ones}; nine tenths at {ceilings}, which is {roots}",
        graded([are_steady(first), are_steady(full)]),
    )


def _ceiling(data: xr.Dataset) -> list[Claim]:
    generic = data.entropy.where(data.kind == 0)
    half = generic.median("point") / np.log2(data.n_atoms + 1.0)
    half = half.sel(n_atoms=half.n_atoms >= 100)
    shown = ", ".join(f"{float(x):.3f} at N = {power(int(n))}" for n, x in zip(half.n_atoms, half, strict=True))
    near = (abs(half - 0.5) < 0.1).values.tolist()
    change = float(half.max() - half.min())
    top = float(generic.sel(n_atoms=10**6).median())
    return [
        Claim(
            "IV, Fig. 1",
            r"remains at a high and stable level ($E_{\text{norm}} \approx 0.5$) throughout the simulated timescale",
            "the median of E/E_max over generic times, as the dips are told apart, within 0.1 of 0.5 for each N ≥ 100",
            f"median {shown}",
            graded(near),
        ),
        Claim(
            "VI",
            "is only weakly dependent on N",
            "the median of E/log2(N+1), as Sec. VI has the logarithm itself, changes by less than 0.1 from N = 100 on",
            f"it changes by {change:.3f}",
            graded([change < 0.1]),
        ),
        Claim(
            "VI",
            r"typically $\sim E_{\max}/2 = \frac{\log_2(N+1)}{2}$",
            "the median of E over generic times within 20 % of E_max/2 for each N ≥ 100",
            f"median over E_max/2: from {2 * float(half.min()):.2f} to {2 * float(half.max()):.2f}",
            graded(near),
        ),
        Claim(
            "IV",
            "our protocol successfully generates entanglement even in the macroscopic limit",
            "the median of E at N = 10^6 above a quarter of E_max, as the words that follow say ∼ E_max",
            f"median {top:.2f} bits of {math.log2(10**6 + 1):.2f}",
            graded([top > math.log2(10**6 + 1) / 4]),
        ),
    ]


# ---------------------------------------------------------------------- Figure 2


def _window(data: xr.Dataset) -> list[Claim]:
    magic = data.error_at_magic_times.max("magic_time")
    others = ", ".join(f"{float(magic.sel(window=c)):.1e} at c = {c:g}" for c in data.window.values if c != 3.0)
    return [
        _by_eye(data, 3.0, "undistinguishable from the exact solution by eye"),
        _by_eye(data, 1.5, "precision of our approximation is pretty good by eye"),
        _of_order(data, 3.0, -3, "for the truncated window of 3 standard deviation is of the order of 10^{-3}"),
        _of_order(data, 1.0, -1, "decreases to 10^{-1} for windows of one standard deviation"),
        Claim(
            "IV, Fig. 2(b)",
            "At the magic times the precision of our approximation is of order of 10^{-5} or lower.",
            "at each of π/3, π/2, 2π/3 and π below 10^-4.5, for c = 3, the window the paper computes with",
            f"largest error {float(magic.sel(window=3.0)):.1e} bits at c = 3; {others}",
            graded((data.error_at_magic_times.sel(window=3.0) < 10**-4.5).values.tolist()),
        ),
    ]


def _by_eye(data: xr.Dataset, window: float, words: str) -> Claim:
    share = float(data.error.sel(window=window).max() / data.exact_entropy.max())
    side = "below" if share < _LINE_WIDTH else "above"
    return Claim(
        "IV, Fig. 1" if window == 3.0 else "IV, Fig. 2(a)",
        words,
        f"none; for a reader's eye: a line is {_LINE_WIDTH:.1%} of the curve's height wide",
        f"c = {window:g}, N = 100: the largest error is {share:.2%} of the height, {side} a line's width",
        Verdict.JUDGEMENT,
    )


def _of_order(data: xr.Dataset, window: float, exponent: int, words: str) -> Claim:
    error = data.error.sel(window=window)
    low, median, high = (float(error.quantile(q)) for q in (0.1, 0.5, 0.9))
    return Claim(
        "IV, Fig. 2(b)",
        words,
        f"two parts, as the error varies by decades: 10^{exponent} is between a fifth and five times the median error, "
        "and not above its 90th percentile or below a tenth of its 10th",
        f"c = {window:g}: median {median:.1e} bits, eight of ten between {low:.1e} and {high:.1e}",
        graded([abs(math.log10(median) - exponent) < math.log10(5), low / 10 <= 10.0**exponent <= high]),
    )
