"""How many ebits a second an experiment with three ensembles distributes, at a magic time and over a distance.

An attempt is one run of the protocol: the interaction for t/g, the measurement, and its result's way to the ends. What
it yields depends on the outcome: both ends measure their cells of r Dicke states, which leaves them r × r positions,
and one-way distillation gets the coherent information of these out of many attempts with that outcome, or nothing,

    R = Σ_q p_q max(0, I_q) / (t/g + t_measure + L/c).

I_q is that of `jaxent.modular_coherent_information`; of few atoms also that of the ends as a whole, if it is larger.
The sum over q runs over every outcome of few atoms. Of many it is a sum of equal steps, a few in each standard
deviation of a count, of odd length, so that even and odd counts take turns. Outcomes so improbable that rounding hides
their probability count as nothing.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from jaxent import unit_texts
from jaxent.analysis.experiment import Experiment
from jaxent.analysis.magic_times import magic_levels
from jaxent.conversion import whole_number
from jaxent.messages import shown
from jaxent.noise.dephasing import dephased_log_probability, end_to_end_coherent_information
from jaxent.noise.modular import modular_coherent_information
from jaxent.protocol.dispatch import ImpossibleOutcomes
from jaxent.times import PiFraction, pi_fraction

__all__ = ["BestEbitRate", "EbitRate", "best_ebit_rate", "ebit_rate"]

_SPEED_OF_LIGHT = 299_792_458.0  # m/s
_STEPS = 4  # in a standard deviation √N/2 of a count
_FEW_ATOMS = 16  # of which the ends as a whole are compared
_MOST_ATOMS = 10**6
_LEAST = 1e-7  # of the probability, that outcomes left out have together, at most
_MOST_HIDDEN = 0.02  # of the probability, that may belong to outcomes whose own is hidden by rounding


_NARROW = 0.02  # of π/r, to which the best phase offset is found
_MOST_LEVELS = 12


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


def ebit_rate(
    experiment: Experiment,
    time: PiFraction,
    phase_offset: float | None = None,
    *,
    measurement_time: Any = 0.0,
    distance: Any = 0.0,
    signal_speed: Any = _SPEED_OF_LIGHT,
    report: Callable[[float], None] = lambda share: None,
) -> EbitRate:
    """Compute a rate at which the ends of three ensembles can distil ebits, from attempts at one magic time.

    It is a lower bound: every outcome is used by itself, and one-way distillation of many attempts is perfect.

    Args:
        experiment: of three ensembles, with a perfect measurement.
        time: the magic time 2πp/r, one `PiFraction`, r ≤ 32.
        phase_offset: φ in radians; None: π/(2r), for which outcomes tell the positions apart.
        measurement_time: how long the measurement takes: a text such as "50µs", or seconds.
        distance: L from the measured ensemble to the ends: a text such as "10km", or metres.
        signal_speed: c of the result on its way, m/s; in a fibre about 2e8.
        report: called with the share of the work done.

    Returns:
        EbitRate.

    Raises:
        ValueError: on any argument out of range, for other chains, more than 10^6 atoms and imperfect measurements.

    References:
        I. Devetak and A. Winter, Proc. R. Soc. A 461, 207 (2005): the hashing inequality.
    """
    levels = _checked(experiment, time)
    pause = unit_texts.pause("measurement_time", measurement_time)
    latency = unit_texts.length("distance", distance) / unit_texts.speed("signal_speed", signal_speed)
    offset = math.pi / (2 * levels) if phase_offset is None else phase_offset
    outcomes, probabilities, hidden = _distribution(experiment, time, offset)
    values = np.zeros(len(outcomes))
    for place, q in enumerate(outcomes):
        values[place] = max(0.0, _information(experiment, time, offset, int(q)))
        report((place + 1) / len(outcomes))
    ebits = float(np.dot(probabilities, values))
    error = 0.0
    if len(outcomes) <= experiment.n_atoms and outcomes[-1] - outcomes[0] >= len(outcomes):  # steps of more than one
        halves = [slice(k, None, 2) for k in (0, 1)]
        sums = [float(np.dot(probabilities[half], values[half]) / probabilities[half].sum()) for half in halves]
        error = abs(sums[0] - sums[1]) / 2
    error += (_LEAST + hidden) * math.log2(levels)
    seconds = float(time.value) * experiment.time_unit + pause + latency
    return EbitRate(ebits / seconds, ebits, seconds, error)


class BestEbitRate(NamedTuple):
    """Hold the magic time and the phase offset with the largest rate.

    Attributes:
        rate: the `EbitRate` there.
        levels: r.
        time: 2π/r, exact.
        phase_offset: φ in radians.
        tried: rates at φ = π/(2r) for each r that was tried, ebits per second.
    """

    rate: EbitRate
    levels: int
    time: PiFraction
    phase_offset: float
    tried: np.ndarray


def best_ebit_rate(
    experiment: Experiment,
    levels: Sequence[int] = (2, 3, 4, 5, 6),
    *,
    measurement_time: Any = 0.0,
    distance: Any = 0.0,
    signal_speed: Any = _SPEED_OF_LIGHT,
    report: Callable[[float], None] = lambda share: None,
) -> BestEbitRate:
    """Find the magic time 2π/r, and the phase offset, at which an experiment distributes most ebits per second.

    Every r is tried with φ = π/(2r); for the best one φ is then varied over (0, π/r), to 0.02 π/r.

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
    """
    given = np.asarray(levels, object)
    if given.ndim != 1 or not given.size:
        raise ValueError(f"Argument `levels` must be a list of integers, but is {shown(levels)}.")
    numbers = [whole_number("levels", r, 2, _MOST_LEVELS) for r in given]
    slow = {"measurement_time": measurement_time, "distance": distance, "signal_speed": signal_speed}
    times = [pi_fraction(2, r) for r in numbers]
    steps = len(numbers) + 8
    rates = []
    for time in times:
        rates.append(ebit_rate(experiment, time, **slow))
        report(len(rates) / steps)
    best = int(np.argmax([rate.per_second for rate in rates]))
    r, time, found = numbers[best], times[best], [rates[best]]
    offsets = [math.pi / (2 * r)]

    def lost(offset: float) -> float:
        found.append(ebit_rate(experiment, time, float(offset), **slow))
        offsets.append(float(offset))
        report(min(1.0, (len(numbers) + len(found) - 1) / steps))
        return -found[-1].per_second

    scipy.optimize.minimize_scalar(
        lost, bounds=(0.0, math.pi / r), method="bounded", options={"xatol": _NARROW * math.pi / r}
    )
    report(1.0)
    place = int(np.argmax([rate.per_second for rate in found]))
    tried = np.array([rate.per_second for rate in rates])
    return BestEbitRate(found[place], r, time, offsets[place], tried)


def _checked(experiment: Any, time: Any) -> int:
    if not isinstance(experiment, Experiment):
        raise ValueError(
            "Argument `experiment` must be a jaxent.Experiment, such as jaxent.Experiment('2kHz', 10000), but is "
            f"{shown(experiment)}."
        )
    if experiment.n_ensembles != 3:
        raise ValueError(
            f"Argument `experiment` must be of three ensembles here, but has n_ensembles = {experiment.n_ensembles}."
        )
    if experiment.measurement is not None:
        raise ValueError(
            "Argument `experiment` must have a perfect measurement here (resolution = 0, loss = 0, no atom_t2), but "
            f"has {shown(experiment.measurement)}; jaxent.modular_witness bounds what others leave."
        )
    if experiment.n_atoms > _MOST_ATOMS:
        raise ValueError(
            f"Argument `experiment` must have at most {_MOST_ATOMS} atoms here, but has {experiment.n_atoms}."
        )
    if not isinstance(time, PiFraction):
        raise ValueError(f"Argument `time` must be a single time made by jaxent.pi_fraction, but is {shown(time)}.")
    return int(magic_levels(time))


def _distribution(experiment: Experiment, time: PiFraction, offset: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Choose outcomes, and return them with their probabilities, each for its step, and what of these is missing.

    Raises:
        ValueError: when they do not add up to about one.
    """
    n_atoms = experiment.n_atoms
    step = max(1, int(math.sqrt(n_atoms) / 2 / _STEPS))
    step -= 1 - step % 2
    outcomes = np.arange(0, n_atoms + 1, step)
    log_p = np.array([_log_probability(experiment, time, offset, int(q)) for q in outcomes])
    probabilities = step * np.exp(log_p)
    total = float(probabilities.sum())
    order = np.argsort(probabilities)
    kept = np.sort(order[np.cumsum(probabilities[order]) > _LEAST])
    if not 1 - _MOST_HIDDEN < total < 1 + _MOST_HIDDEN:
        raise ValueError(
            f"Argument `experiment` with n_atoms = {n_atoms}: probabilities of outcomes add up to {total:.6g}, not to "
            "1, as rounding hides too many of them; use fewer atoms."
        )
    return outcomes[kept], probabilities[kept], abs(1 - total)


def _log_probability(experiment: Experiment, time: PiFraction, offset: float, outcome: int) -> float:
    try:
        return float(dephased_log_probability(experiment.chain, time, experiment.dephasing_rate, outcome, offset))
    except ImpossibleOutcomes:
        return -math.inf


def _information(experiment: Experiment, time: PiFraction, offset: float, outcome: int) -> float:
    """Compute the coherent information that an outcome leaves; 0 where it is too improbable to be known."""
    arguments = (experiment.chain, time, experiment.dephasing_rate, outcome, offset)
    try:
        found = float(modular_coherent_information(*arguments))
        if experiment.n_atoms <= _FEW_ATOMS:
            found = max(found, float(end_to_end_coherent_information(*arguments)))
    except ImpossibleOutcomes:
        return 0.0
    return found
