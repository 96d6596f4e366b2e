"""The values of a question at times, each with its error: the ways that `jaxent.explorer.question` names."""

from collections.abc import Callable

import numpy as np

from jaxent.chain import Chain
from jaxent.explorer.question import Question
from jaxent.noise.log_negativity import end_to_end_log_negativity, log_negativity_with_errors
from jaxent.protocol.dispatch import ImpossibleOutcomes, Problem
from jaxent.protocol.window_error import entropy_with_errors
from jaxent.times import PiFraction

__all__ = ["values_at"]

_HALF = 1 / 2  # the order whose Rényi entropy is the log negativity of a pure state
_ROUNDING = 4 * 2.0**-53  # of a time, relative; the quantities change by about N bits per unit of time at most


Times = np.ndarray | PiFraction
_Way = Callable[[Question, Times], tuple[np.ndarray, np.ndarray]]


def values_at(question: Question, times: Times) -> tuple[np.ndarray, np.ndarray]:
    """Compute values and their errors, bounds or estimates, in bits; NaN where the outcomes cannot occur.

    With noise and many atoms it is NaN too where the state is almost pure, or otherwise out of reach.

    Args:
        question: what to compute.
        times: of shape (n,); those that are floats are rounded, which counts as an error.

    Returns:
        two arrays of shape (n,).

    Raises:
        ValueError: where the question cannot be answered, in one sentence.
    """
    noisy = _within_tolerance if question.is_within_tolerance else _noisy
    way = noisy if question.is_noisy else _entropy if question.quantity == "entropy" else _pure_log_negativity
    rounding = 0.0
    if isinstance(times, np.ndarray):
        rounding = _ROUNDING * question.n_atoms * np.abs(times)
    values, errors = _where_possible(question, times, way)
    return values, errors + rounding


def _where_possible(question: Question, times: Times, way: _Way) -> tuple[np.ndarray, np.ndarray]:
    try:
        return way(question, times)
    except ImpossibleOutcomes as error:
        possible = ~np.asarray(error.where)
    if not possible.any():
        return np.full(possible.shape, np.nan), np.full(possible.shape, np.nan)
    # a time that is possible in place of each that is not: the same shape, the same program
    indices = np.where(possible, np.arange(len(possible)), np.argmax(possible))
    values, errors = _where_possible(question, times[indices], way)
    return np.where(possible, values, np.nan), np.where(possible, errors, np.nan)


def _entropy(question: Question, times: Times) -> tuple[np.ndarray, np.ndarray]:
    found = entropy_with_errors(
        question.chain, times, question.outcomes, question.phase_offset, tolerance=question.tolerance
    )
    return np.asarray(found.entropy), np.asarray(found.total)


def _pure_log_negativity(question: Question, times: Times) -> tuple[np.ndarray, np.ndarray]:
    """Compute the Rényi entropy of order 1/2; estimate its window's error from a wider window."""

    def of(chain: Chain):
        problem = Problem.of(chain, times, question.outcomes, question.phase_offset)
        return problem.entropies(_HALF, question.tolerance)

    found = of(question.chain)
    value = np.asarray(found.entropy)
    error = sum(np.asarray(one) for one in (found.window_error, found.band_error, found.coarse_error))
    error = error + np.asarray(found.quadrature_error)
    if question.is_windowed:
        error = error + abs(value - np.asarray(of(question.wider).entropy))
    return value, error


def _noisy(question: Question, times: Times) -> tuple[np.ndarray, np.ndarray]:
    """Compute the log negativity of a mixed state; estimate its window's error from a narrower window."""

    def of(chain: Chain) -> np.ndarray:
        rate, outcomes, offset = question.dephasing_rate, question.outcomes, question.phase_offset
        found = end_to_end_log_negativity(chain, times, rate, outcomes, offset, measurement=question.measurement)
        return np.asarray(found)

    value = of(question.chain)
    if not question.is_windowed:
        return value, np.zeros(value.shape)
    return value, abs(value - of(question.narrower))


def _within_tolerance(question: Question, times: Times) -> tuple[np.ndarray, np.ndarray]:
    """Compute the log negativity of many atoms with noise, time by time, and the error it states."""
    rate, outcomes, offset = question.dephasing_rate, question.outcomes, question.phase_offset
    options = {"tolerance": question.tolerance, "measurement": question.measurement}
    found = []
    for index in range(times.shape[0]):
        try:
            one = log_negativity_with_errors(question.chain, times[index], rate, outcomes, offset, **options)
            found.append((one.value, one.error))
        except ValueError:
            found.append((np.nan, np.nan))
    values, errors = np.array(found, float).reshape(-1, 2).T
    return values, errors
