"""Hold the paper's model of decoherence against noise of single atoms, in the measured ensemble of three.

The paper (Section II D) takes spontaneous emission to be captured by collective S_z dephasing. Here the same loss of
coherence of single atoms happens in the measured ensemble once collectively, at the rate γ, and once atom by atom: by
dephasing of rate γ_1 = γ, and by loss of rate Γ = 2γ without counting what is lost. So ⟨S_x⟩ of one ensemble alone
decays as e^(-2γt) in all three. Photons that leak are no part of this: what they tell is S_z, which is collective.

The two ends dephase collectively at a small rate of their own, the same everywhere, without which N = 1000 is out of
reach. Two records: the typical one, the mean count for k_1 = k_3 with the phase offset π/(2r) that tells the r classes
of k_1 - k_3 apart, as the noise leaves it (few atoms: linear between the whole numbers beside it, as E alternates);
and the paper's, N with φ = 0, which noise of single atoms makes improbable (so it stops at N = 100). Loss changes
nothing there, as no atom is lost where all are counted. Logarithmic negativity in bits, time in units of 1/coupling,
rates in units of the coupling.
"""

import math
from typing import Any

import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.paper.claims import Claim, Finding, attributes, graded, silent
from jaxent.paper.section_five import MAGIC, MAGIC_NAMES
from jaxent.sweep import Report

__all__ = ["SOURCES", "claims", "figure_single_atom", "findings", "seconds"]

SOURCES = ("collective", "dephasing", "loss")
ENDS_RATE = 0.005
ATOMS, QUICK_ATOMS = (10, 30, 100, 1000), (10,)
RATES, QUICK_RATES = (0.0, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0), (0.0, 1e-2, 1e-1, 1.0)
WINDOWS = {10: None, 30: 4.0, 100: 3.0}  # dense matrices; a window of 3 keeps E to a few thousandths of a bit
TOLERANCE = 0.02  # bits, for more atoms
_LEVELS = {(1, 3): 6, (1, 2): 4, (2, 3): 3, (1, 1): 2}  # r of t = pπ/n
_SECONDS, _DENSE_SECONDS = 2.0, 1.0  # of a point


def _grid(quick: bool) -> tuple[tuple[int, ...], tuple[float, ...]]:
    return (QUICK_ATOMS, QUICK_RATES) if quick else (ATOMS, RATES)


def _share(n_atoms: int) -> float:
    return _DENSE_SECONDS if n_atoms in WINDOWS else _SECONDS


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figure will report."""
    if "single-atom" not in numbers:
        return 0.0
    atoms, rates = _grid(quick)
    return sum(_share(n) for n in atoms) * len(_LEVELS) * len(rates)


def figure_single_atom(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the log negativity at the paper's magic times against the rate of collective and of single-atom noise.

    Args:
        quick: use few N and few rates.
        report: called with estimated seconds of work done.

    Returns:
        dataset with collective, dephasing and loss over (n_atoms, magic_time, dephasing_rate), for the typical record,
        and collective_all_n and dephasing_all_n, for outcome N, likewise, NaN for the most atoms.
    """
    atoms, rates = _grid(quick)
    names = [*SOURCES, "collective_all_n", "dephasing_all_n"]
    found = {name: np.full((len(atoms), len(_LEVELS), len(rates)), math.nan) for name in names}
    for row, n_atoms in enumerate(atoms):
        for column, (fraction, levels) in enumerate(_LEVELS.items()):
            time = jaxent.pi_fraction(*fraction)
            for place, rate in enumerate(rates):
                for name in names:
                    source, all_n = name.removesuffix("_all_n"), name.endswith("_all_n")
                    if n_atoms not in WINDOWS and all_n:
                        continue
                    question = n_atoms, time, rate, source
                    found[name][row, column, place] = (
                        _bits(*question, n_atoms, 0.0) if all_n else _typical_bits(*question, levels)
                    )
                report(_share(n_atoms))
    over = ("n_atoms", "magic_time", "dephasing_rate")
    return xr.Dataset(
        {
            name: (over, values, {"units": "bit", "long_name": f"logarithmic negativity, {name.replace('_', ' ')}"})
            for name, values in found.items()
        },
        coords={
            "n_atoms": ("n_atoms", list(atoms), units.attributes("n_atoms")),
            "magic_time": ("magic_time", MAGIC.value, units.attributes("time", "magic time")),
            "dephasing_rate": ("dephasing_rate", list(rates), units.attributes("dephasing_rate")),
        },
        attrs=attributes("Beyond the paper: collective dephasing and noise of single atoms of the measured ensemble")
        | {
            "outcomes": "typical, and N",
            "phase_offset": "π/(2r), and 0",
            "ends_rate": ENDS_RATE,
            "atom_dephasing_rate": "γ",
            "atom_loss_rate": "2γ",
            "tolerance_bits": TOLERANCE,
        },
    )


def mean_count(n_atoms: int, time: float, rate: float, source: str, levels: int) -> float:
    """Compute the mean number of atoms that are counted for k_1 = k_3 and φ = π/(2r)."""
    fade = math.exp(-2 * rate * time)
    contrast, present = (1.0, fade) if source == "loss" else (fade, 1.0)
    return n_atoms * present * (1 + contrast * math.cos(math.pi / (2 * levels))) / 2


def _typical_bits(n_atoms: int, time: Any, rate: float, source: str, levels: int) -> float:
    """Compute the log negativity at the mean count, for few atoms linear between the whole numbers beside it."""
    mean, offset = mean_count(n_atoms, float(time.value), rate, source, levels), math.pi / (2 * levels)
    if n_atoms not in WINDOWS:
        return _bits(n_atoms, time, rate, source, round(mean), offset)
    low = math.floor(mean)
    beside = [_bits(n_atoms, time, rate, source, count, offset) for count in (low, low + 1)]
    return beside[0] + (mean - low) * (beside[1] - beside[0])


def _bits(n_atoms: int, time: Any, rate: float, source: str, count: int, offset: float) -> float:
    rates = jaxent.EnsembleRates((ENDS_RATE, rate if source == "collective" else 0.0, ENDS_RATE))
    measurement = {
        "collective": None,
        "dephasing": jaxent.Measurement(atom_dephasing_rate=rate),
        "loss": jaxent.Measurement(atom_loss_rate=2 * rate),
    }[source]
    chain = jaxent.Chain(3, n_atoms, WINDOWS.get(n_atoms))
    tolerance = None if n_atoms in WINDOWS else TOLERANCE
    return float(
        jaxent.end_to_end_log_negativity(
            chain, time, rates, count, offset, tolerance=tolerance, measurement=measurement
        )
    )


# ------------------------------------------------------------------ the verdict

_LOST = 0.1  # share of E at which rates are compared
_ALIKE = 2.0  # largest ratio of rates that count as the same
_SHOWN_RATE = 0.1
_UNCHANGED = 1e-3  # largest growth of a share that counts as none


def rate_of_loss(rates: np.ndarray, values: np.ndarray) -> float:
    """Find the rate at which a tenth of the first value is lost, linear in log γ: infinite if none is, NaN for NaN."""
    if np.isnan(values).any():
        return math.nan
    below = np.flatnonzero(values <= (1 - _LOST) * values[0])
    if not below.size:
        return math.inf
    last = int(below[0])
    if last <= 1:
        return float(rates[1])
    ends = slice(last - 1, last + 1)
    aim = (1 - _LOST) * values[0]
    return float(np.exp(np.interp(-aim, -values[ends], np.log(rates[ends]))))


def _ratios(data: xr.Dataset, source: str, suffix: str = "") -> np.ndarray:
    """Divide the rates at which single atoms and collective noise cost a tenth, over (N, time); NaN if not computed."""
    rates = data.dephasing_rate.values

    def found(name: str) -> np.ndarray:
        return np.array([[rate_of_loss(rates, one) for one in row] for row in data[name + suffix].values])

    single, collective = found(source), found("collective")
    return np.where(np.isinf(single) & np.isinf(collective), 1.0, single / collective)


def claims(datasets: dict[str, xr.Dataset]) -> list[Claim]:
    """Check the paper's statement about collective dephasing, if its figure is in `datasets`."""
    if "single-atom" not in datasets:
        return []
    data = datasets["single-atom"]
    ratios = {
        "dephasing": _ratios(data, "dephasing"),
        "loss": _ratios(data, "loss"),
        "dephasing, all outcomes N": _ratios(data, "dephasing", "_all_n"),
    }
    cases = np.concatenate([one[~np.isnan(one)] for one in ratios.values()])
    alike = (cases <= _ALIKE) & (cases >= 1 / _ALIKE)
    words = "; ".join(f"{name}: {_range(one)}" for name, one in ratios.items())
    return [
        Claim(
            "II D",
            "At the ensemble level, these effects are well-captured by collective S_z dephasing.",
            "said of spontaneous emission and photon loss; decided for the first, in the measured ensemble: dephasing "
            "and loss of single atoms cost a tenth of the log negativity at the rate, within a factor of "
            f"{_ALIKE:g}, at which collective dephasing that damps ⟨S_x⟩ of one ensemble as much does, at each magic "
            "time and N. Leaking photons tell S_z, so they are collective by themselves",
            f"{int(alike.sum())} of {alike.size} do; the matched rate of single atoms over the collective one — "
            f"{words}. {_left(data)}",
            graded(alike.tolist()),
        )
    ]


def _range(ratios: np.ndarray) -> str:
    finite = ratios[np.isfinite(ratios)]
    never, known = int(np.isinf(ratios).sum()), int((~np.isnan(ratios)).sum())
    shown = f"{finite.min():.2g} to {finite.max():.2g}" if finite.size else "no ratio"
    return shown + (f", and in {never} of {known} cases the tenth is never lost" if never else "")


def _known(values: xr.DataArray) -> xr.DataArray:
    """Leave out the numbers of atoms for which nothing is computed."""
    return values.dropna("n_atoms")


def _left(data: xr.Dataset) -> str:
    at = data.sel(dephasing_rate=_SHOWN_RATE, method="nearest")
    rows = []
    for n_atoms in data.n_atoms.values:
        known = [name for name in SOURCES if n_atoms in _known(at[name]).n_atoms]
        bits = [f"{name} {', '.join(f'{x:.2f}' for x in at[name].sel(n_atoms=n_atoms).values)}" for name in known]
        rows.append(f"N = {n_atoms}: {'; '.join(bits)}")
    return f"Bits left at γ = {_SHOWN_RATE:g} and {', '.join(MAGIC_NAMES)} — {'. '.join(rows)}"


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Answer our own questions about noise of single atoms."""
    if "single-atom" not in datasets:
        return []
    data = datasets["single-atom"]
    gaps = np.array([(data[name] - data.collective).values for name in SOURCES[1:]])
    least, most = float(np.nanmin(gaps)), float(np.nanmax(gaps))
    at = data.sel(dephasing_rate=_SHOWN_RATE, method="nearest")
    lost = {name: _known(1 - at[name] / data[name].isel(dephasing_rate=0)).max("magic_time") for name in SOURCES[1:]}
    words = "; ".join(
        f"{name}: {', '.join(f'{float(x):.1%} for N = {int(x.n_atoms)}' for x in one)}" for name, one in lost.items()
    )
    return [
        Finding(
            "Does collective dephasing of the measured ensemble bound noise of its single atoms from below?",
            "the log negativity under noise of single atoms less that under collective dephasing: "
            f"{least:.2g} to {most:.2g} bits, typical records",
            bool(least > -data.attrs["tolerance_bits"]),
        ),
        Finding(
            "Do more measured atoms stand noise of single atoms better?",
            f"largest share lost at γ = {_SHOWN_RATE:g} and the four magic times — {words}",
            all(bool((np.diff(one) <= _UNCHANGED).all()) for one in lost.values()),
        ),
    ]
