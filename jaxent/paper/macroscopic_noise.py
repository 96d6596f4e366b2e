"""Compute what dephasing leaves of a macroscopic chain, up to N = 10^7 and in the limit N → ∞, beyond the paper.

The paper stops at N = 30 under dephasing. Figure saturation has the log negativity against N at fixed γ, which
saturates at N ≈ 1/(γt), and its limit against γ. Figures 3-limit and 4-limit are the paper's Figures 3 and 4 for N → ∞.
Figure best-time asks which time has the most entanglement at which γ. All data are for M = 3, outcomes N, φ = 0 and one
rate γ for all ensembles; logarithmic negativity in bits, time in units of 1/coupling, γ in units of the coupling.

The time without structure is the golden angle, 2π/ϕ² with the golden ratio ϕ: no time is farther from all magic times
2πp/r. t = 1 would not do, as it is within 10^-7 of 2π · 113/710: its entropy stays at log2 710 from N = 10^6 on.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.paper.claims import GOLDEN, Finding, attributes, power, silent
from jaxent.paper.section_five import MAGIC as _MAGIC
from jaxent.paper.section_five import MAGIC_NAMES
from jaxent.sweep import Report
from jaxent.times import Time

__all__ = [
    "GENERIC",
    "figure_best_time",
    "figure_four_limit",
    "figure_saturation",
    "figure_three_limit",
    "findings",
    "seconds",
    "short_time",
]

GENERIC = 2 * math.pi * (1 - GOLDEN)
MAGIC = {"π/2": (jaxent.pi_fraction(1, 2), 4), "2π/3": (jaxent.pi_fraction(2, 3), 3)}  # with r
RATE, WEAKER_RATE = 0.01, 0.003
ATOMS = (10, 32, 100, 1000, 10**4, 10**5, 10**6, 10**7)
QUICK_ATOMS = (10, 100, 10**4, 10**6)
RATES = tuple(float(x) for x in np.geomspace(1e-3, 0.1, 7))
QUICK_RATES = (1e-3, 1e-2, 1e-1)
FEW, MANY, MANY_RATES = 30, 10**6, (1e-2, 1e-1)
_LEAST_NOISE = 5.0  # γtN
TOLERANCE = 5e-3  # a tenth of the width of a line
_POINT = 0.7  # seconds of a point, mostly for compiling
_BITS = {"units": "bit", "long_name": "logarithmic negativity"}


def _atoms(quick: bool) -> tuple[int, ...]:
    return QUICK_ATOMS if quick else ATOMS


def _rates(quick: bool) -> tuple[float, ...]:
    return QUICK_RATES if quick else RATES


def _times() -> dict[str, Time]:
    return {"generic": GENERIC, **{name: time for name, (time, _) in MAGIC.items()}}


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figures will report."""
    total = _points(quick) * _POINT if "saturation" in numbers else 0.0
    total += _POINT * sum(_points_of_best(quick)) if "best-time" in numbers else 0.0
    total += _POINT * _points_of_three(quick) if "3-limit" in numbers else 0.0
    return total + (_MAGIC.value.size * _points_of_four(quick) * _POINT if "4-limit" in numbers else 0.0)


def _points(quick: bool) -> int:
    return len(_atoms(quick)) * (len(_times()) + 2) + len(_rates(quick)) * len(_times())


def _points_of_four(quick: bool) -> int:
    return 1 + len(_limit_rates(quick)) + len(MANY_RATES)


def _limit_rates(quick: bool) -> tuple[float, ...]:
    return MANY_RATES if quick else (1e-3, 3e-3, *(float(x) for x in np.geomspace(1e-2, 0.1, 7)), 0.13, 0.16, 0.2)


def figure_four_limit(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the log negativity against γ at the paper's magic times in the limit N → ∞, for N = 30, and at 10^6.

    Args:
        quick: use few rates.
        report: called with estimated seconds of work done.

    Returns:
        dataset with limit over (magic_time, dephasing_rate), few over (magic_time, few_rate), N = 30, and many over
        (magic_time, many_rate), N = 10^6.
    """
    rates, few_rates = _limit_rates(quick), np.geomspace(1e-3, 0.2, 5 if quick else 25)
    limit, few, many = [], [], []
    for numerator, denominator in zip(_MAGIC.numerator, _MAGIC.denominator, strict=True):
        time = jaxent.pi_fraction(int(numerator), int(denominator))
        few.append(np.asarray(jaxent.end_to_end_log_negativity(jaxent.Chain(3, FEW), time, few_rates)))
        limit.append(
            _each(lambda g, t=time: jaxent.macroscopic_log_negativity(t, g, tolerance=TOLERANCE), rates, report)
        )
        many.append(
            _each(
                lambda g, t=time: jaxent.end_to_end_log_negativity(jaxent.Chain(3, MANY), t, g, tolerance=TOLERANCE),
                MANY_RATES,
                report,
            )
        )
        report(_POINT)
    return xr.Dataset(
        {
            "limit": (("magic_time", "dephasing_rate"), limit, _BITS),
            "few": (("magic_time", "few_rate"), few, _BITS),
            "many": (("magic_time", "many_rate"), many, _BITS),
        },
        coords={
            "magic_time": ("magic_time", _MAGIC.value, units.attributes("time", "magic time")),
            "dephasing_rate": ("dephasing_rate", list(rates), units.attributes("dephasing_rate")),
            "few_rate": ("few_rate", few_rates, units.attributes("dephasing_rate")),
            "many_rate": ("many_rate", list(MANY_RATES), units.attributes("dephasing_rate")),
        },
        attrs=attributes("Figure 4 beyond the paper: logarithmic negativity against the dephasing rate for N → ∞")
        | {"few_atoms": FEW, "many_atoms": MANY, "tolerance_bits": TOLERANCE},
    )


def _each(function: Callable[[float], Any], rates: tuple[float, ...], report: Report) -> list[float]:
    values = []
    for rate in rates:
        values.append(float(function(rate)))
        report(_POINT)
    return values


# ------------------------------------------------------------------------- Figure 3


THREE_RATES = (1e-2, 1e-1)
_LEAST_STRENGTH = 6e-4  # γt below which a point of the limit takes many seconds
_MANY_ATOMS = (1000, 10**6)


def _times_of_three(quick: bool) -> np.ndarray:
    count = 6 if quick else 96
    return math.pi * (np.arange(count) + GOLDEN) / count


def _magic_of_three(quick: bool) -> list[tuple[int, int]]:
    """List the fractions t/π in (0, 1] whose time is magic with few levels, in lowest terms, earliest first."""
    most = 3 if quick else 8
    pairs = [(2 * p, r) for r in range(2, most + 1) for p in range(1, r // 2 + 1) if math.gcd(p, r) == 1]
    return sorted(pairs, key=lambda pair: pair[0] / pair[1])


def _points_of_three(quick: bool) -> int:
    paper = np.size(_MAGIC.value)
    return len(THREE_RATES) * (len(_times_of_three(quick)) + len(_magic_of_three(quick)) + len(_MANY_ATOMS) * paper)


def figure_three_limit(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the log negativity against time for N → ∞ and N = 30, and at magic times for 10^3 and 10^6 atoms.

    Args:
        quick: use few times.
        report: called with estimated seconds of work done.

    Returns:
        dataset with limit over (dephasing_rate, time), at times that are not magic, and at_magic over (dephasing_rate,
        limit_magic_time), r ≤ 8; few over (dephasing_rate, few_time), N = 30; many over (many_atoms, dephasing_rate,
        magic_time). Values of little γt or γtN, which take minutes or are refused, are NaN.
    """
    times, magic = _times_of_three(quick), _magic_of_three(quick)
    few_times = math.pi * (np.arange(4 * len(times)) + GOLDEN) / (4 * len(times))

    def limit(time: Time, rate: float) -> float:
        report(_POINT)
        if rate * _value(time) < _LEAST_STRENGTH:
            return math.nan
        return float(jaxent.macroscopic_log_negativity(time, rate, tolerance=TOLERANCE))

    def many(n_atoms: int, time: Time, rate: float) -> float:
        report(_POINT)
        if rate * _value(time) * n_atoms < _LEAST_NOISE:
            return math.nan
        chain = jaxent.Chain(3, n_atoms)
        return float(jaxent.end_to_end_log_negativity(chain, time, rate, tolerance=TOLERANCE))

    exact = [jaxent.pi_fraction(*pair) for pair in magic]
    paper = [jaxent.pi_fraction(int(p), int(q)) for p, q in zip(_MAGIC.numerator, _MAGIC.denominator, strict=True)]
    few = [jaxent.end_to_end_log_negativity(jaxent.Chain(3, FEW), few_times, rate) for rate in THREE_RATES]
    return xr.Dataset(
        {
            "limit": (("dephasing_rate", "time"), [[limit(t, g) for t in times] for g in THREE_RATES], _BITS),
            "at_magic": (
                ("dephasing_rate", "limit_magic_time"),
                [[limit(t, g) for t in exact] for g in THREE_RATES],
                _BITS,
            ),
            "few": (("dephasing_rate", "few_time"), np.array(few), _BITS),
            "many": (
                ("many_atoms", "dephasing_rate", "magic_time"),
                [[[many(n, t, g) for t in paper] for g in THREE_RATES] for n in _MANY_ATOMS],
                _BITS,
            ),
        },
        coords={
            "dephasing_rate": ("dephasing_rate", list(THREE_RATES), units.attributes("dephasing_rate")),
            "time": ("time", times, units.attributes("time")),
            "few_time": ("few_time", few_times, units.attributes("time")),
            "magic_time": ("magic_time", _MAGIC.value, units.attributes("time", "magic time")),
            "limit_magic_time": (
                "limit_magic_time",
                [_value(t) for t in exact],
                units.attributes("time", "magic time"),
            ),
            "many_atoms": ("many_atoms", list(_MANY_ATOMS), units.attributes("n_atoms")),
        },
        attrs=attributes("Figure 3 beyond the paper: logarithmic negativity against time for N → ∞")
        | {"few_atoms": FEW, "tolerance_bits": TOLERANCE},
    )


# --------------------------------------------------------------------- best times


BEST_RATES = (3e-3, 5e-3, 1e-2, 2e-2, 3e-2, 5e-2, 0.1, 0.15)
QUICK_BEST_RATES = (1e-2, 0.1)
LEVELS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
QUICK_LEVELS = (3, 12)
MANY_LEVELS = (12, 32)  # computed for many atoms, too
CROSSING = 0.45  # γtr² at which log2 r = -½ log2 γt - 0.57, the law of generic times
FEWEST_LEVELS = 12  # of the paper's scale: magic times of at most so many levels
_BESIDE = 2 - 2 * GOLDEN - GOLDEN**2  # 0.382: 2π/(r + 0.382) is as far from 2π/r and 2π/(r + 1) as is irrational


def short_time(n_atoms: float, time: Any, rate: Any) -> Any:
    """Compute the log negativity for √N t ≪ 1, where the state of the ends is Gaussian, in bits.

    With x = γtN it is ½ log2 [(1 + N²t²/(4 + 8x)) / (1 + 4x)], up to terms of order 1/N; for x → ∞, log2 1/(√32 γ).

    Args:
        n_atoms: N; infinite for the limit N → ∞ at fixed x/N > 0, which is that of x → ∞.
        time: t.
        rate: γ, the same for the three ensembles.
    """
    rate = np.asarray(rate, float)
    if math.isinf(n_atoms):
        ratio = 1 / (32 * rate**2)
    else:
        strength = rate * time * n_atoms
        ratio = (1 + (n_atoms * np.asarray(time)) ** 2 / (4 + 8 * strength)) / (1 + 4 * strength)
    return np.maximum(np.log2(ratio) / 2, 0.0)


def _best_rates(quick: bool) -> tuple[float, ...]:
    return QUICK_BEST_RATES if quick else BEST_RATES


def _levels(quick: bool) -> tuple[int, ...]:
    return QUICK_LEVELS if quick else LEVELS


def _few_rates(quick: bool) -> np.ndarray:
    return np.geomspace(BEST_RATES[0], BEST_RATES[-1], 3 if quick else 9)


def _points_of_best(quick: bool) -> tuple[int, int, int]:
    """Count the points of the limit, of many atoms, and what the scans of few atoms cost in such points."""
    return 2 * len(_levels(quick)) * len(_best_rates(quick)), len(MANY_LEVELS) * len(MANY_RATES), len(_few_rates(quick))


def figure_best_time(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the log negativity at magic times and beside them against γ for N → ∞, and the best of all times.

    Args:
        quick: use few rates and few times.
        report: called with estimated seconds of work done.

    Returns:
        dataset with magic and beside, at t = 2π/r and 2π/(r + 0.382) in the limit N → ∞, over (levels,
        dephasing_rate); short, the limit of short times, over dephasing_rate; few, the best of all times for N = 30,
        with few_time and few_levels (r, or 0) over few_rate; many, the best for N = 10^6 of the short time 1/√N and of
        magic times, with many_time over many_rate.
    """
    rates, levels, few_rates = _best_rates(quick), _levels(quick), _few_rates(quick)
    magic, beside = [], []
    for r in levels:
        for row, time in ((magic, jaxent.pi_fraction(2, r)), (beside, 2 * math.pi / (r + _BESIDE))):
            row.append(
                _each(lambda g, t=time: jaxent.macroscopic_log_negativity(t, g, tolerance=TOLERANCE), rates, report)
            )
    few = [_best_of_few(rate, quick) for rate in few_rates]
    report(_POINT * len(few))
    short = 1 / math.sqrt(MANY)
    many = [[float(short_time(MANY, short, rate)) for rate in MANY_RATES]]
    for r in MANY_LEVELS:
        chain, time = jaxent.Chain(3, MANY), jaxent.pi_fraction(2, r)
        many.append(
            _each(
                lambda g, t=time, c=chain: jaxent.end_to_end_log_negativity(c, t, g, tolerance=TOLERANCE),
                MANY_RATES,
                report,
            )
        )
    times = np.array([short, *(2 * math.pi / r for r in MANY_LEVELS)])
    over = ("levels", "dephasing_rate")
    return xr.Dataset(
        {
            "magic": (over, magic, _BITS),
            "beside": (over, beside, _BITS),
            "short": ("dephasing_rate", short_time(math.inf, 0.0, rates), _BITS),
            "few": ("few_rate", [value for value, _, _ in few], _BITS),
            "few_time": ("few_rate", [time for _, time, _ in few], units.attributes("time")),
            "few_levels": ("few_rate", [r for _, _, r in few], {"long_name": "r of the magic time, or 0"}),
            "many": ("many_rate", np.max(many, axis=0), _BITS),
            "many_time": ("many_rate", times[np.argmax(many, axis=0)], units.attributes("time")),
        },
        coords={
            "levels": ("levels", list(levels), {"long_name": "r of the magic time 2π/r"}),
            "dephasing_rate": ("dephasing_rate", list(rates), units.attributes("dephasing_rate")),
            "few_rate": ("few_rate", few_rates, units.attributes("dephasing_rate")),
            "many_rate": ("many_rate", list(MANY_RATES), units.attributes("dephasing_rate")),
        },
        attrs=attributes("Beyond the paper: which time has the most entanglement at which dephasing rate")
        | {"few_atoms": FEW, "many_atoms": MANY, "tolerance_bits": TOLERANCE, "crossing": CROSSING},
    )


def _best_of_few(rate: float, quick: bool) -> tuple[float, float, int]:
    """Return the largest log negativity of all times up to π for few atoms, its time, and r where that is magic."""
    chain, count = jaxent.Chain(3, FEW), 40 if quick else 300
    times, levels = math.pi * (np.arange(count) + GOLDEN) / count, np.arange(2, FEWEST_LEVELS + 1)
    magic = jaxent.pi_fraction(np.full(len(levels), 2), levels)
    values = [np.asarray(jaxent.end_to_end_log_negativity(chain, at, rate)) for at in (times, magic)]
    best = int(np.argmax(np.concatenate(values)))
    at = float(np.concatenate([times, 2 * math.pi / levels])[best])
    return float(np.concatenate(values)[best]), at, int(levels[best - count]) if best >= count else 0


# --------------------------------------------------------------------- saturation


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
    found = _about_saturation(datasets["saturation"]) if "saturation" in datasets else []
    found += _about_three(datasets["3-limit"]) if "3-limit" in datasets else []
    found += _about_best_times(datasets["best-time"]) if "best-time" in datasets else []
    return found + (_about_limit(datasets["4-limit"]) if "4-limit" in datasets else [])


def _about_limit(data: xr.Dataset) -> list[Finding]:
    off = abs(data.many.values - data.limit.sel(dephasing_rate=data.many_rate, method="nearest").values)
    kept = data.many.sel(many_rate=1e-2).values / np.log2([6.0, 4.0, 3.0, 2.0])
    shares = ", ".join(f"{x:.2%} at {name}" for x, name in zip(kept, MAGIC_NAMES, strict=True))
    return [
        Finding(
            f"Does Figure 4 at N = {power(data.attrs['many_atoms'])} show the limit N → ∞, to what is stated?",
            f"they differ by {off.max():.1e} bits or less at γ = 1e-2 and 0.1; γ = 1e-2 keeps {shares} of log2 r",
            bool(off.max() < 2 * data.attrs["tolerance_bits"]),
        )
    ]


def _about_three(data: xr.Dataset) -> list[Finding]:
    there = abs(data.limit_magic_time.values[:, None] - data.magic_time.values) < 1e-9
    limit = data.at_magic.values[:, there.argmax(0)][:, there.any(0)]
    off = abs(data.many.isel(many_atoms=-1).values[:, there.any(0)] - limit)
    thousand = abs(data.many.isel(many_atoms=0).values[:, there.any(0)] - limit)
    rates = data.dephasing_rate.values
    near = data.isel(dephasing_rate=0).limit
    bottom = near.time.values[(abs(near - math.log2(3)) < _BOTTOM) & (abs(near.time - 2 * math.pi / 3) < _ASIDE)]
    span = f"{bottom[0] / math.pi:.3f} π to {bottom[-1] / math.pi:.3f} π" if len(bottom) else "none"
    return [
        Finding(
            f"Do magic times of N = {power(int(data.many_atoms[-1]))} show the limit of Figure 3, to what is stated?",
            f"they differ by {np.nanmax(off):.1e} bits or less, N = {power(int(data.many_atoms[0]))} by "
            f"{np.nanmax(thousand):.1e}",
            bool(np.nanmax(off) < 2 * data.attrs["tolerance_bits"]),
        ),
        Finding(
            f"Does the dip at t = 2π/3 keep a width for N → ∞, at γ = {rates[0]:g}?",
            f"{len(bottom)} times drawn beside it, {span}, are within {_BOTTOM:g} bits of log2 3",
            len(bottom) > 1,
        ),
    ]


_BOTTOM, _ASIDE = 0.05, 0.3  # bits, and how far from 2π/3 it may be


def _about_best_times(data: xr.Dataset) -> list[Finding]:
    tolerance, rates = data.attrs["tolerance_bits"], data.dephasing_rate.values
    above = float((xr.concat([data.magic, data.beside], "kind") - data.short).max())
    few = data.magic.sel(levels=data.levels[data.levels <= FEWEST_LEVELS])
    largest = (few.max("levels") - few.isel(levels=-1)).values
    ahead = (data.magic - data.beside).values
    scale = 2 * math.pi * np.outer(data.levels.values, rates)  # γtr²
    told = abs(ahead) > 2 * tolerance
    right = (ahead > 0) == (scale > CROSSING)
    wrong = scale[told & ~right]
    short = ", ".join(f"{x:.2f} at γ = {g:g}" for x, g in zip(data.short.values, rates, strict=True))
    return [
        Finding(
            "Are short times the best for N → ∞ at any noise?",
            f"their log2 1/(√32 γ) bits, {short}, are exceeded by {max(above, 0.0):.1e} bits or less",
            bool(above < 2 * tolerance),
        ),
        Finding(
            f"Is the magic time of most levels the best of those with r ≤ {FEWEST_LEVELS}, N → ∞?",
            f"r = {int(few.levels[-1])} is {largest.max():.1e} bits or less from the best at each rate",
            bool((largest < 2 * tolerance).all()),
        ),
        Finding(
            f"Is a magic time better than the times beside it where γtr² > {CROSSING:g}, and only there?",
            f"so for {np.count_nonzero(told & right)} of the {np.count_nonzero(told)} pairs that differ"
            + (f"; not at γtr² = {', '.join(f'{x:.2f}' for x in np.sort(wrong))}" if len(wrong) else ""),
            not len(wrong),
        ),
    ]


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
