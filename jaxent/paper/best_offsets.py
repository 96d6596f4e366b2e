"""Compare the best phase offset with the textbook one, beyond the paper.

The textbook offset of every measured ensemble at the magic time 2π/L is φ = π/(2L), which is t/4; it is derived for
many atoms. Four panels each drop one of its assumptions, around M = 3, N = 10, t = π/2 (L = 4): few atoms, long
chains, dephasing, and times that are not magic. The quantity is the entanglement averaged over all outcomes, in bits
(under dephasing the logarithmic negativity).
"""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import xarray as xr

import jaxent
from jaxent import units
from jaxent.analysis.optimize import textbook_offset
from jaxent.paper.claims import Finding, attributes, silent
from jaxent.sweep import Report

__all__ = ["figure_offsets", "findings", "seconds"]

ATOMS = (4, 6, 10, 20)
ENSEMBLES = (3, 4, 5)
RATES = (1e-3, 1e-2, 1e-1)
TIMES = (1.2, 1.4, 1.75, 1.9)  # between 2π/5.2 and 2π/3.1, none of them magic
QUARTER = jaxent.pi_fraction(1, 2)
_POINT_SECONDS = 7.0  # nearly all for compilation
_SAMPLES = 200


def _grid(quick: bool) -> dict[str, Sequence[float]]:
    if quick:
        return {"n_atoms": ATOMS[:1], "n_ensembles": ENSEMBLES[:1], "dephasing_rate": RATES[1:2], "time": TIMES[:1]}
    return {"n_atoms": ATOMS, "n_ensembles": ENSEMBLES, "dephasing_rate": RATES, "time": TIMES}


def seconds(numbers: tuple[str, ...], quick: bool) -> float:
    """Estimate the seconds of work that the figure will report."""
    return _POINT_SECONDS * sum(map(len, _grid(quick).values())) if "offsets" in numbers else 0.0


def figure_offsets(quick: bool = False, report: Report = silent) -> xr.Dataset:
    """Compute the best and the textbook offset, and the averages of both, along four parameters.

    Args:
        quick: one point along each parameter.
        report: called with estimated seconds of work done.

    Returns:
        dataset with `best_offset_…`, `textbook_offset_…` (radians), `best_…`, `textbook_…` and `error_…` (bits, the
        standard error of the gain where outcomes are sampled) over each of n_atoms, n_ensembles, dephasing_rate, time.
    """
    data: dict[str, Any] = {}
    grid = _grid(quick)
    for direction, values in grid.items():
        rows = []
        for value in values:
            rows.append(_compare(direction, value, quick))
            report(_POINT_SECONDS)
        names = ("best_offset", "textbook_offset", "best", "textbook", "error")
        for name, column in zip(names, np.transpose(rows), strict=True):
            unit = "rad" if name.endswith("offset") else "bit"
            data[f"{name}_{direction}"] = ((direction,), column, {"units": unit})
    coords = {name: ((name,), np.array(values), units.attributes(name)) for name, values in grid.items()}
    about = attributes("Best phase offsets against π/(2L)") | {"phase_offset": "best and π/(2L)", "outcomes": "average"}
    return xr.Dataset(data, coords=coords, attrs=about | {"around": "M = 3, N = 10, t = π/2"})


def _compare(direction: str, value: float, quick: bool) -> tuple[float, float, float, float, float]:
    """Compute the best and the textbook offset, the averages of both, and the standard error of their difference."""
    chain = jaxent.Chain(int(value) if direction == "n_ensembles" else 3, int(value) if direction == "n_atoms" else 10)
    time = float(value) if direction == "time" else QUARTER
    textbook = value / 4 if direction == "time" else textbook_offset(QUARTER)
    settings: dict[str, Any]
    steps: dict[str, Any] = {}
    draws: dict[str, Any] = {}
    if direction == "dephasing_rate":
        objective, average, settings = "average_log_negativity", jaxent.average_log_negativity, {direction: value}
    else:
        objective, average, settings = "average_entropy", jaxent.average_entropy, {}
    if chain.n_ensembles > 4:  # outcomes are drawn
        key = jax.random.key(chain.n_ensembles)
        steps, draws = {"n_steps": 60, "n_samples": _SAMPLES, "key": key}, {"n_samples": 50 * _SAMPLES, "key": key}
    n_starts = 1 if quick or draws else 4
    best = jaxent.maximize(objective, chain, time, textbook, n_starts=n_starts, **steps, **settings)
    here, there = (
        average(chain, time, phase_offset=offset, **draws, **settings) for offset in (best.phase_offset[0], textbook)
    )
    error = np.hypot(here.standard_error, there.standard_error)
    return _folded(best.phase_offset[0]), textbook, float(here.value), float(there.value), float(error)


def _folded(offset: float) -> float:
    """Fold an offset into [0, π/2]: averages over all outcomes do not change under φ → -φ and φ → φ + π."""
    return abs((float(offset) + np.pi / 2) % np.pi - np.pi / 2)


def findings(datasets: dict[str, xr.Dataset]) -> list[Finding]:
    """Report whether the textbook offset is the best one along each parameter; the paper does not ask this."""
    if "offsets" not in datasets:
        return []
    data = datasets["offsets"]
    found = []
    for direction, words, unit in (
        ("n_atoms", "for few atoms, at t = 2π/L (M = 3, L = 4)", "N"),
        ("n_ensembles", "in longer chains (N = 10, L = 4)", "M"),
        ("dephasing_rate", "under dephasing (N = 10, L = 4)", "γ"),
        ("time", "at times that are not magic, as t/4 (N = 10)", "t"),
    ):
        gains, errors = data[f"best_{direction}"] - data[f"textbook_{direction}"], data[f"error_{direction}"]
        shown = ", ".join(
            f"{unit} = {x:g}: {g:.1e}" + (f" ± {e:.0e}" if e else "")
            for x, g, e in zip(data[direction].values, gains.values, errors.values, strict=True)
        )
        significant = gains.values > np.maximum(1e-3, 3 * errors.values)
        question = f"Is φ = π/(2L) within 1e-3 bits, or three standard errors, of the best offset {words}?"
        found.append(Finding(question, f"gain of the best offset in bits: {shown}", not bool(significant.any())))
    return found
