"""With how many ensembles to cover a distance: ebits per second against M, under one model of the coupling.

M ensembles at equal spacings d = L/(M-1) cover the distance L. The model: the coupling of neighbours falls as

    g(d) = g_0 e^(-d/L_att),

as that of light which the way attenuates, and coherence times stay as they are. Larger spacings make an attempt last
longer, t/g(d), and the noise stronger, γ = 1/(2 g(d) T_2). More ensembles are closer to each other, but each adds its
own noise, and results have a longer way: (M-2)/(M-1) L from the neighbour of one end to the other end. Two ensembles
need no measurement, and nothing travels.

Not modelled: noise that the lost light itself brings (atoms learn of it, which dephases them), how g_0 is made, decay
of the ends while results travel, and attempts at once in several sets of ensembles.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxent import results, unit_texts
from jaxent.analysis.ebit_rate import EbitRate, checked_levels, ebit_rate
from jaxent.analysis.experiment import Experiment
from jaxent.conversion import whole_number
from jaxent.messages import shown
from jaxent.results import Account, Column, Marks
from jaxent.times import pi_fraction

__all__ = ["Coverage", "cover_distance"]

_SPEED_OF_LIGHT = 299_792_458.0  # m/s
_MOST_ENSEMBLES = 6


class Coverage(NamedTuple):
    """Hold what each number of ensembles yields over a distance.

    Attributes:
        n_ensembles: M, shape (n,).
        spacing: L/(M-1), metres.
        coupling: g_0 e^(-d/L_att), rad/s.
        dephasing_rate: γ, in units of that coupling.
        levels: r of the best magic time 2π/r.
        per_second: ebits per second at it.
        rates: the `EbitRate` of each M.
        best: M with the most ebits per second.
    """

    n_ensembles: np.ndarray
    spacing: np.ndarray
    coupling: np.ndarray
    dephasing_rate: np.ndarray
    levels: np.ndarray
    per_second: np.ndarray
    rates: tuple[EbitRate, ...]
    best: int

    __repr__ = results.line
    _repr_html_ = results.table
    plot = results.plot
    to_xarray = results.to_xarray

    def _account(self) -> Account:
        columns = {
            "n_ensembles": Column(self.n_ensembles, meaning="ensembles M", symbol="M"),
            "spacing": Column(self.spacing, "m", "spacing of neighbours", "spacing"),
            "coupling": Column(self.coupling, "rad/s", "coupling g"),
            "dephasing_rate": Column(self.dephasing_rate, "coupling", "dephasing rate γ"),
            "levels": Column(self.levels, meaning="levels r of the best magic time"),
            "per_second": Column(self.per_second, "ebits/s", "rate", results.ALONE),
        }
        return Account("numbers of ensembles", columns, [Marks("per_second", "o")])


def cover_distance(
    experiment: Experiment,
    distance: Any,
    attenuation_length: Any,
    ensembles: Sequence[int] = (2, 3, 4, 5),
    levels: Sequence[int] = (2, 3, 4),
    *,
    measurement_time: Any = 0.0,
    signal_speed: Any = _SPEED_OF_LIGHT,
    report: Callable[[float], None] = lambda share: None,
) -> Coverage:
    """Compute how many ebits a second M ensembles at equal spacings distribute over a distance.

    The coupling falls with the spacing as g e^(-d/L_att); every other number of the experiment stays as it is. For each
    M the best magic time 2π/r is taken, with φ = π/(2r).

    Args:
        experiment: its coupling is that at no distance, its n_ensembles does not count; as `ebit_rate` for each M.
        distance: L between the ends: a text such as "10km", or metres.
        attenuation_length: L_att > 0, over which the coupling falls to 1/e, likewise.
        ensembles: M to try, each from 2 to 6.
        levels: r to try, each from 2 to 12.
        measurement_time: as `ebit_rate`; all ensembles are measured at once.
        signal_speed: as `ebit_rate`.
        report: called with the share of the work done.

    Returns:
        Coverage: a row for each M.

    Raises:
        ValueError: as `ebit_rate`, and on M out of range.

    Example:
        >>> import jaxent
        >>> mine = jaxent.Experiment("2kHz", n_atoms=20, t2="20ms")
        >>> print(jaxent.cover_distance(mine, "5km", "10km", ensembles=(2, 3), levels=(2,)).best)
        3
    """
    if not isinstance(experiment, Experiment):
        raise ValueError(
            "Argument `experiment` must be a jaxent.Experiment, such as jaxent.Experiment('2kHz', 10000), but is "
            f"{shown(experiment)}."
        )
    length = unit_texts.length("distance", distance)
    falls = unit_texts.length("attenuation_length", attenuation_length)
    if not falls > 0:
        raise ValueError(f"Argument `attenuation_length` must be positive, but is {shown(attenuation_length)}.")
    given = np.asarray(ensembles, object)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"Argument `ensembles` must be a list of integers, but is {shown(ensembles)}.")
    numbers = np.array([whole_number("ensembles", m, 2, _MOST_ENSEMBLES) for m in given])
    tried = checked_levels(levels)
    spacing = length / (numbers - 1)
    if not float(spacing.max()) / falls < 700:
        raise ValueError(
            f"Argument `attenuation_length` = {shown(attenuation_length)} leaves no coupling over a spacing of "
            f"{spacing.max():.6g} m; use more ensembles."
        )
    coupling = experiment.coupling * np.exp(-spacing / falls)
    rates: list[EbitRate] = []
    best_levels = []
    for place, m in enumerate(numbers):
        chain = dataclasses.replace(experiment, coupling=float(coupling[place]), n_ensembles=int(m))
        waits = {
            "measurement_time": measurement_time,
            "distance": length * float(m - 2) / float(m - 1),
            "signal_speed": signal_speed,
        }
        found = []
        for r in tried:
            found.append(ebit_rate(chain, pi_fraction(2, r), **waits))
            report((place * len(tried) + len(found)) / (len(numbers) * len(tried)))
        best = int(np.argmax([one.per_second for one in found]))
        rates.append(found[best])
        best_levels.append(tried[best])
    per_second = np.array([one.per_second for one in rates])
    return Coverage(
        n_ensembles=numbers,
        spacing=spacing,
        coupling=coupling,
        dephasing_rate=1 / (2 * coupling * experiment.t2),
        levels=np.array(best_levels),
        per_second=per_second,
        rates=tuple(rates),
        best=int(numbers[int(np.argmax(per_second))]),
    )
