"""Write the caption of each figure: what its panels show, and the parameters that its data were computed with."""

import math
from fractions import Fraction

import numpy as np
import xarray as xr

from jaxent.paper.claims import power
from jaxent.time_texts import pi_symbols

__all__ = ["caption"]

_NAMES = {
    "n_ensembles": "M",
    "n_atoms": "N",
    "phase_offset": "φ",
    "dephasing_rate": "γ",
    "time_name": "t",
    "window": "c",
    "levels": "r",
    "tolerance_bits": "tolerance (bits)",
    "n_atoms_zoomed": "N of (a)–(c)",
    "few_atoms": "few: N",
    "many_atoms": "many: N",
    "many_rate": "many atoms: γ",
    "pure_atoms": "γ = 0: N",
    "half_width": "half-widths of the views",
    "crossing": "γtr² of the line",
    "few_rate": "few: γ",
    "rate_against_n_atoms": "γ of (a)",
    "weaker_rate": "weaker γ of (a)",
    "ends_rate": "γ of the ends",
    "atom_dephasing_rate": "γ₁",
    "atom_loss_rate": "Γ",
    "dephasing_rate_of_resolutions": "γ of (b)",
}
_FACTS = ("n_ensembles", "outcomes", "phase_offset")
_ELSEWHERE = (
    "device",
    "platform",
    "precision",
    "title",
    "reference",
    "missing",
    "share",
    "few_share",
    "resolved_levels",
    "symmetry",
    "dip_levels",
    "dip_atoms",
    "onset_atoms",
)
_MOST_LISTED = 12
_MOST_LEVELS = 100

_TEXTS = {
    "protocol": "(a) The protocol for three ensembles: neighbours interact for a time t, the inner ensemble is "
    "turned by φ and counted in the x basis, and the ends are left entangled. (b) The entanglement E of "
    "the ends against t. At the magic times t = 2πp/r, dots, it is log2 r; between them it is about half "
    "its maximum log2(N + 1).",
    "1": "End-to-end entanglement E against the interaction time t, for ensembles of N atoms, of which D "
    "Dicke states are kept: all of them, or above 100 atoms those of a window of three standard "
    "deviations. (a) E; (b) E over its maximum log2(N + 1). Lines join times that resolve the dips; "
    "points are times that do not. Above the panels: r of the magic times t = 2πp/r, where E = log2 "
    "r. After Figure 1 of the reference.",
    "1-large": "End-to-end entanglement E against the interaction time t, for up to 10^10 atoms in the full "
    "basis. (a) E; (b) E over its maximum log2(N + 1). Full marks: evenly spaced times; open marks: "
    "the magic time 2πp/r of smallest r between each two of them. No line joins them: E changes on "
    "times of 1/N.",
    "zoom": "(a)–(c) End-to-end entanglement E around the magic time π/2 on three scales, at evenly spaced "
    "times and at magic times 2πp/r, the deepest of which are named by r. (d) The floor of the dip, "
    "one function of N (t − π/2) for all N; the lines lie on each other.",
    "2": "What a window of c standard deviations costs at N = 100. (a) End-to-end entanglement E in the "
    "full basis and in windows; (b) the error of the windows, with dots at magic times. After Figure "
    "2 of the reference.",
    "3": "Logarithmic negativity of the ends, N = 30, against the interaction time t under local dephasing "
    "at rate γ. Dots: magic times π/3, π/2, 2π/3 and π. After Figure 3 of the reference.",
    "4": "Logarithmic negativity of the ends against the rate γ of local dephasing at four magic times. "
    "After Figure 4 of the reference.",
    "4-large": "Logarithmic negativity of the ends against the rate γ of local dephasing at four magic times, "
    "for more atoms than in Figure 4 of the reference. Above 30 atoms three standard deviations of "
    "Dicke states are kept; for 1000 and γtN > 5 all of them, to three thousandths of a bit.",
    "4-limit": "Logarithmic negativity of the ends against the rate γ of local dephasing at four magic times: "
    "the limit N → ∞, few atoms, and many.",
    "3-limit": "Logarithmic negativity of the ends against the interaction time t under local dephasing. Thick "
    "lines: the limit N → ∞ at times that are not magic; dots: the limit at magic times 2πp/r; "
    "crosses and rings: many atoms; thin lines: few.",
    "best-time": "Which interaction time has most logarithmic negativity at which rate γ of local dephasing. (a) "
    "The best time of few and of many atoms, short times and magic times 2π/r; (b) for each magic "
    "time and rate, whether it or a time beside it is better in the limit N → ∞.",
    "saturation": "Logarithmic negativity of the ends under local dephasing. (a) Against N at fixed rates γ; bars "
    "mark N = 1/(γt). (b) Its limit N → ∞ against γ. ϕ is the golden ratio: no time is farther from "
    "all magic times than 2π/ϕ².",
    "single-atom": "Logarithmic negativity of the ends against the rate of noise in the measured ensemble, at four "
    "magic times: collective dephasing, and dephasing or loss of single atoms.",
    "resolution": "(a)–(c) Logarithmic negativity of the ends against the resolution σ of the detector, in atoms, "
    "at three times; (d) the resolution that costs half a bit against N. ϕ is the golden ratio.",
    "atom-numbers": "Logarithmic negativity of the ends against the spread of the numbers of atoms, (a) for n_a n_a "
    "coupling and (b) for S_z S_z coupling with numbers known in each run, and (c) with unknown ones. "
    "Bars: standard errors. ϕ is the golden ratio.",
    "witness": "What two measured bases certify at the magic times 2π/r: Schmidt number above k where r (C₁ + C₂ "
    "− 1) > k. (a) Against dephasing; (b) against the resolution of the detector. Dots: up to here "
    "the Schmidt number r is certified.",
    "offsets": "What the best phase offset φ gains over the textbook's π/(2L), L = 2π/t, averaged over outcomes "
    "(bars: its error), and both offsets, along (a) N, (b) M, (c) the dephasing rate γ, (d) the time "
    "t.",
    "husimi": "Husimi function Q of the first end for a result at the last end, on maps of equal areas, at "
    "three times; each row over its maximum. Rows: the last end found in the Dicke state S_z = 0; in "
    "a coherent state; in S_z = 0 with dephasing.",
}


def caption(number: str, data: xr.Dataset) -> str:
    """Write the caption of a figure, in one paragraph.

    Args:
        number: of the figure.
        data: of the figure, for its parameters.
    """
    return f"Figure {number}. {_TEXTS[number]} Parameters: {_parameters(data)}. {_origin(data)}"


def _parameters(data: xr.Dataset) -> str:
    facts = [(name, _number(data.attrs[name])) for name in _FACTS if name not in data.dims]
    for name, values in data.coords.items():
        if values.ndim == 1 and values.size <= _MOST_LISTED and name not in _ELSEWHERE:
            text = _time if "time" in str(name) else _number
            facts.append((str(name), ", ".join(text(value) for value in values.values)))
    for name, value in data.attrs.items():
        if name not in (*_FACTS, *_ELSEWHERE) and not str(name).endswith("_version"):
            facts.append((str(name), _number(value)))
    return "; ".join(f"{_NAMES.get(name, name.replace('_', ' '))} = {value}" for name, value in facts)


def _origin(data: xr.Dataset) -> str:
    about = data.attrs
    return (
        f"Computed by jaxent {about['jaxent_version']} (JAX {about['jax_version']}, {about['precision']}, "
        f"{about['platform']}). Reference: S. Li et al., {about['reference']}."
    )


def _time(value) -> str:
    """Write a time as a multiple of π, if it is a simple one."""
    if isinstance(value, str) or not value:
        return "2π/ϕ²" if value == "generic" else str(value)
    share = Fraction(float(value) / math.pi).limit_denominator(_MOST_LEVELS)
    exact = math.isclose(math.pi * share, value, rel_tol=1e-14)
    return pi_symbols(*share.as_integer_ratio()) if exact else _number(value)


def _number(value) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.6g}"
    if isinstance(value, int | np.integer):
        return power(int(value))
    return str(value)
