"""How many ebits a second an experiment distributes, at a magic time and over a distance.

An attempt is one run of the protocol: the interaction for t/g, the measurement, and its result's way to the ends. What
it yields depends on the outcome: both ends measure their cells of r Dicke states, which leaves them r × r positions,
and one-way distillation gets the coherent information of these out of many attempts with that outcome, or nothing,

    R = Σ_q p_q max(0, I_q) / (t/g + t_measure + L/c).

I_q is that of `jaxent.modular_coherent_information`; of few atoms also that of the ends as a whole, if it is larger.
`analysis.ebits` says how the sum over q is taken. Two ensembles need no measurement, so nothing waits for its result.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from jaxent import arguments, results, unit_texts
from jaxent.analysis import ebits
from jaxent.analysis.experiment import Experiment
from jaxent.conversion import whole_number
from jaxent.messages import shown
from jaxent.noise.modular import levels_of, numerator_of
from jaxent.results import Account, Column
from jaxent.times import PiFraction, pi_fraction, time_value

__all__ = ["BestEbitRate", "EbitRate", "best_ebit_rate", "checked_levels", "ebit_rate"]

_SPEED_OF_LIGHT = 299_792_458.0  # m/s
_MOST_ATOMS = 10**6
_MOST_ATOMS_ANY_TIME = 30
_NARROW = 0.02  # of π/r, to which the best phase offset is found
_MOST_LEVELS = 12
_BESIDE = 0.15  # of a magic time, to each side, over which times of few atoms are tried


class EbitRate(NamedTuple):
    """Hold what an experiment yields.

    Attributes:
        per_second: ebits per second, R.
        per_attempt: ebits per attempt, Σ_q p_q max(0, I_q).
        seconds: how long an attempt takes.
        error: of the ebits per attempt, an estimate: what every second outcome gives differently, where not all are
            summed, and log2 r for each outcome that is left out.
    """

    per_second: float
    per_attempt: float
    seconds: float
    error: float

    __repr__ = results.line
    _repr_html_ = results.table

    def _account(self) -> Account:
        columns = {
            "per_second": Column(self.per_second, "ebits/s", "rate", results.ALONE),
            "per_attempt": Column(self.per_attempt, "ebits/attempt", "yield", results.ALONE),
            "error": Column(self.error, "ebits/attempt", "error of the yield", results.ERROR),
            "seconds": Column(self.seconds, "s", "duration of an attempt", "attempt"),
        }
        return Account("", columns)


def ebit_rate(
    experiment: Experiment,
    time: PiFraction | float,
    phase_offset: float | None = None,
    *,
    measurement_time: Any = 0.0,
    distance: Any = 0.0,
    signal_speed: Any = _SPEED_OF_LIGHT,
    report: Callable[[float], None] = lambda share: None,
) -> EbitRate:
    """Compute a rate at which the ends of an experiment can distil ebits, from attempts at one magic time.

    It is a lower bound: every outcome is used by itself, and one-way distillation of many attempts is perfect. Of four
    and more ensembles the ends are told in which of some bins each count is, at least r of them.

    Args:
        experiment: of three ensembles, or of two or of four and more (up to 10^4 atoms, none of which are lost).
        time: the magic time 2πp/r, one `PiFraction`, r ≤ 32. With three ensembles of up to 30 atoms also any time, as a
            float: the ends as a whole are used then.
        phase_offset: φ in radians; None: π/(2r), for which outcomes tell the positions apart; at other times t/4.
        measurement_time: how long the measurement takes: a text such as "50µs", or seconds. Of two ensembles none is
            measured, and it counts as 0.
        distance: L, the longest way of a result to an end: a text such as "10km", or metres. Of two ensembles nothing
            travels, and it counts as 0.
        signal_speed: c of the result on its way, m/s; in a fibre about 2e8.
        report: called with the share of the work done.

    Returns:
        EbitRate.

    Raises:
        ValueError: on any argument out of range, and for more than 10^6 atoms.

    References:
        I. Devetak and A. Winter, Proc. R. Soc. A 461, 207 (2005): the hashing inequality.

    Example:
        >>> import jaxent
        >>> mine = jaxent.Experiment("2kHz", n_atoms=20, t2="20ms")
        >>> print(f"{jaxent.ebit_rate(mine, jaxent.pi_fraction(1)).per_attempt:.3f} ebits an attempt")
        0.838 ebits an attempt
    """
    _check(experiment, time)
    pause = unit_texts.pause("measurement_time", measurement_time)
    latency = unit_texts.length("distance", distance) / unit_texts.speed("signal_speed", signal_speed)
    duration: Any = time_value(time)
    turns = max(1, numerator_of(time)) if isinstance(time, PiFraction) else 1
    offset = float(duration) / (4 * turns) if phase_offset is None else phase_offset
    found, error = ebits.per_attempt(experiment, time, offset, report)
    waiting = 0.0 if experiment.n_ensembles == 2 else pause + latency
    seconds = float(duration) * experiment.time_unit + waiting
    return EbitRate(found / seconds, found, seconds, error)


class BestEbitRate(NamedTuple):
    """Hold the time and the phase offset with the largest rate.

    Attributes:
        rate: the `EbitRate` there.
        levels: r.
        time: the magic time 2πp/r, exact; of up to 16 atoms a float, where a time beside it is better.
        phase_offset: φ in radians.
        tried: the best rates over p at φ = π/(2r) for each r that was tried, ebits per second.
    """

    rate: EbitRate
    levels: int
    time: PiFraction | float
    phase_offset: float
    tried: np.ndarray

    __repr__ = results.line
    _repr_html_ = results.table

    def _account(self) -> Account:
        columns = {
            "per_second": Column(self.rate.per_second, "ebits/s", "rate", results.ALONE),
            "levels": Column(self.levels, meaning="levels r", symbol="r"),
            "time": Column(self.time, "1/coupling", "interaction time t", "t"),
            "phase_offset": Column(self.phase_offset, "rad", "phase offset φ", "φ"),
        }
        return Account("", columns)


def best_ebit_rate(
    experiment: Experiment,
    levels: Sequence[int] = (2, 3, 4, 5, 6),
    *,
    measurement_time: Any = 0.0,
    distance: Any = 0.0,
    signal_speed: Any = _SPEED_OF_LIGHT,
    report: Callable[[float], None] = lambda share: None,
) -> BestEbitRate:
    """Find the magic time 2πp/r, and the phase offset, at which an experiment distributes most ebits per second.

    Every r is tried with φ = π/(2r) and p = 1. Times with another p give the same positions in another order, but last
    p times as long, and noise acts for as long: they are tried for few atoms only, whose states at 2πp/r differ. For
    the best time φ is then varied over (0, π/r), to 0.02 π/r; and of up to 16 atoms the time, by 15 per cent.

    Args:
        experiment: as `ebit_rate`.
        levels: r to try, each from 2 to 12.
        measurement_time: as `ebit_rate`.
        distance: as `ebit_rate`.
        signal_speed: as `ebit_rate`.
        report: called with the share of the work done.

    Returns:
        BestEbitRate.

    Raises:
        ValueError: as `ebit_rate`, and on levels out of range.

    Example:
        >>> import jaxent
        >>> mine = jaxent.Experiment("2kHz", n_atoms=20, t2="20ms")
        >>> print(jaxent.best_ebit_rate(mine, levels=(2, 3)).levels)
        3
    """
    numbers = checked_levels(levels)
    waits = {"measurement_time": measurement_time, "distance": distance, "signal_speed": signal_speed}
    few = isinstance(experiment, Experiment) and experiment.n_ensembles == 3 and experiment.n_atoms <= ebits.FEW_ATOMS
    pairs = [(r, p) for r in numbers for p in range(1, r // 2 + 1 if few else 2) if math.gcd(p, r) == 1]
    steps = len(pairs) + (16 if few else 8)
    found: list[tuple[float, Any, float, EbitRate]] = []

    def tried(time: Any, offset: float) -> float:
        rate = ebit_rate(experiment, time, offset, **waits)
        found.append((rate.per_second, time, offset, rate))
        report(min(1.0, len(found) / steps))
        return rate.per_second

    rates = [tried(pi_fraction(2 * p, r), math.pi / (2 * r)) for r, p in pairs]
    r, _ = pairs[int(np.argmax(rates))]
    best = max(found, key=lambda one: one[0])
    if experiment.n_ensembles > 2:
        _search(lambda offset: tried(best[1], offset), 0.0, math.pi / r, _NARROW * math.pi / r)
        best = max(found, key=lambda one: one[0])
    if few:
        magic, offset = float(best[1].value), best[2]
        _search(lambda time: tried(time, offset), (1 - _BESIDE) * magic, (1 + _BESIDE) * magic, 0.01 * magic)
        best = max(found, key=lambda one: one[0])
    report(1.0)
    of_levels = [max(rate for rate, pair in zip(rates, pairs, strict=True) if pair[0] == r) for r in numbers]
    return BestEbitRate(best[3], r, best[1], best[2], np.array(of_levels))


def _search(function: Callable[[float], float], low: float, high: float, width: float) -> None:
    """Look for the largest value of a function over an interval; it keeps what it finds itself."""
    scipy.optimize.minimize_scalar(
        lambda x: -function(float(x)), bounds=(low, high), method="bounded", options={"xatol": width}
    )


def checked_levels(levels: Any) -> list[int]:
    """Check numbers of levels to try.

    Raises:
        ValueError: when they are no list of integers from 2 to 12.
    """
    given = np.asarray(levels, object)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"Argument `levels` must be a list of integers, but is {shown(levels)}.")
    return [whole_number("levels", r, 2, _MOST_LEVELS) for r in given]


def _check(experiment: Any, time: Any) -> None:
    if not isinstance(experiment, Experiment):
        raise ValueError(
            "Argument `experiment` must be a jaxent.Experiment, such as jaxent.Experiment('2kHz', 10000), but is "
            f"{shown(experiment)}."
        )
    inner, n_atoms = experiment.n_ensembles - 2, experiment.n_atoms
    most = _MOST_ATOMS if inner == 1 else ebits.MOST_BINNED_ATOMS
    if n_atoms > most:
        raise ValueError(
            f"Argument `experiment` must have at most {most} atoms here, for n_ensembles = {experiment.n_ensembles}, "
            f"but has {n_atoms}."
        )
    if inner > 1 and experiment.loss:
        raise ValueError(
            "Argument `experiment` must have loss = 0 here for more than three ensembles, but has "
            f"{experiment.loss:.6g} per second."
        )
    if not isinstance(time, PiFraction):
        if inner == 1 and n_atoms <= _MOST_ATOMS_ANY_TIME:
            if isinstance(time, int | float) and not isinstance(time, bool) and 0 < time < math.inf:
                return
            raise ValueError(
                f"Argument `time` must be a single positive time, as jaxent.pi_fraction(2, 3) or a float, but is "
                f"{shown(time)}."
            )
        raise ValueError(f"Argument `time` must be a single time made by jaxent.pi_fraction, but is {shown(time)}.")
    if any(np.ndim(part) for part in (time.numerator, time.denominator)):
        raise ValueError(f"Argument `time` must be a single time, but has shape {shown(np.shape(time.numerator))}.")
    arguments.refuse_negative("time", time)
    if inner > 1 and levels_of(time) ** inner > ebits.MOST_COMBINATIONS:
        raise ValueError(
            f"Argument `time` must be 2πp/r with r^(M-2) up to {ebits.MOST_COMBINATIONS}, but r = "
            f"{levels_of(time)} and n_ensembles = {experiment.n_ensembles}."
        )
