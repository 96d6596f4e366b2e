"""What one attempt of an experiment yields: Σ_q p_q max(0, I_q) over counts, over records, or over bins of counts.

- Three ensembles, perfect detectors: every count of few atoms. Of many it is a sum of equal steps, a few in each
  standard deviation of a count, of odd length, so that even and odd counts take turns.
- Three ensembles, detectors of resolution σ: an integral over records x, p(x) max(0, I(x)) dx. About each of these
  counts lie as many records in a unit as eight in a standard deviation √N/2 take; for σ < 1.5, where p(x) has a trace
  of whole numbers, at least 6/σ. For σ < 0.1 records are counts, but for a share erfc(1/(2√2 σ)) of less than 1e-6.
- Other numbers of ensembles: every combination of bins of counts, by `noise.residues`.

Outcomes so improbable that rounding hides their probability count as nothing.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jaxent.analysis.experiment import Experiment
from jaxent.measurement import Measurement
from jaxent.noise import residues
from jaxent.noise.dephasing import dephased_log_probability, end_to_end_coherent_information
from jaxent.noise.modular import levels_of, modular_coherent_information, modular_log_probability, numerator_of
from jaxent.protocol.dispatch import ImpossibleOutcomes
from jaxent.times import PiFraction

__all__ = ["FEW_ATOMS", "MOST_BINNED_ATOMS", "MOST_COMBINATIONS", "per_attempt"]

FEW_ATOMS = 16  # of which the ends as a whole are compared
MOST_BINNED_ATOMS = 10**4
MOST_COMBINATIONS = 4096  # of bins
_STEPS, _RECORDS = 4, 8  # counts, and records, in a standard deviation √N/2 of a count
_LEAST = 1e-7  # of the probability, that outcomes left out have together, at most
_MOST_HIDDEN = 0.02  # of the probability, that may belong to outcomes whose own is hidden by rounding
_SHARP, _COARSE = 0.1, 1.5  # σ below which records are counts, and from which one record stands for a unit
_REACH = 6.0  # σ beyond 0 and N to which records are summed
_ENOUGH_COMBINATIONS = 512
_MOST_PIECES = 4  # bins of each class of counts


def per_attempt(experiment: Experiment, time: Any, offset: float, report: Callable) -> tuple[float, float]:
    """Compute the ebits of one attempt, and an estimate of their error, of checked arguments.

    Args:
        experiment: its M, and all that is measured.
        time: a magic time as a `PiFraction`; of few atoms any time.
        offset: φ.
        report: called with the share of the work done.

    Raises:
        ValueError: when probabilities do not add up to about one.
    """
    if experiment.n_ensembles != 3:
        return _over_bins(experiment, time, offset, report)
    plan = _plan(experiment)
    levels = levels_of(time) if isinstance(time, PiFraction) else experiment.n_atoms + 1
    records, probabilities, hidden = _distribution(experiment, plan, time, offset)
    kept = _likely(probabilities)
    values = np.zeros(len(records))
    for done, place in enumerate(kept):
        values[place] = _information(experiment, plan, time, offset, float(records[place]))
        report((done + 1) / len(kept))
    ebits = float(np.dot(probabilities[kept], np.maximum(values[kept], 0.0)))
    error = (_LEAST + hidden) * math.log2(levels) + _misread(experiment.resolution, levels)
    if plan.step > 1 or plan.beyond:
        halves = [_thinned(plan, kept, half) for half in (0, 1)]
        sums = [
            float(np.dot(probabilities[half], np.maximum(values[half], 0.0)) / probabilities[half].sum())
            for half in halves
        ]
        error += abs(sums[0] - sums[1]) / 2
    if plan.beyond:
        kinks = _of_kinks(plan, probabilities * values)
        ebits, error = ebits - kinks, error + 2 * abs(kinks)
    return ebits, error


class _Plan(NamedTuple):
    """Hold which records are summed.

    Attributes:
        step: between the counts about which they lie, odd.
        places: records about each.
        beyond: counts below 0 and above N.
        measurement: how they are read; None: perfectly.
    """

    step: int
    places: int
    beyond: int
    measurement: Measurement | None


def _plan(experiment: Experiment) -> _Plan:
    step = max(1, int(math.sqrt(experiment.n_atoms) / 2 / _STEPS))
    step -= 1 - step % 2
    sigma = experiment.resolution if experiment.resolution >= _SHARP else 0.0
    found = Measurement(sigma, experiment.atom_dephasing_rate, experiment.atom_loss_rate)
    places = max(1, math.ceil(2 * _RECORDS / math.sqrt(experiment.n_atoms))) if sigma else 1
    if 0 < sigma < _COARSE:
        places = max(places, math.ceil(6 / sigma))
    return _Plan(step, places, math.ceil(_REACH * sigma), None if found.is_perfect else found)


def _distribution(
    experiment: Experiment, plan: _Plan, time: Any, offset: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Choose records, and return them with their probabilities, each for its step, and what of these is missing."""
    counts = np.arange(-(plan.beyond // plan.step) * plan.step, experiment.n_atoms + plan.beyond + 1, plan.step)
    places = (np.arange(plan.places) + 0.5) / plan.places - 0.5
    records = (counts[:, None] + places).ravel()
    log_p = np.array([_log_probability(experiment, plan, time, offset, record) for record in records])
    weights = np.full(plan.places, plan.step / plan.places)
    sigma = 0.0 if plan.measurement is None else plan.measurement.resolution
    if 0 < sigma < _COARSE:  # probabilities add up to 1 over records a unit apart, and densities to this:
        away = (places[:, None] + np.arange(-15, 16)) / sigma
        weights = weights * np.exp(-(away**2) / 2).sum(axis=1) / (math.sqrt(2 * math.pi) * sigma)
    probabilities = np.tile(weights, len(counts)) * np.exp(log_p)
    total = float(probabilities.sum())
    if not 1 - _MOST_HIDDEN < total < 1 + _MOST_HIDDEN:
        raise ValueError(
            f"Argument `experiment` with n_atoms = {experiment.n_atoms}: probabilities of outcomes add up to "
            f"{total:.6g}, not to 1, as rounding hides too many of them; use fewer atoms."
        )
    return records, probabilities, abs(1 - total)


def _likely(probabilities: np.ndarray) -> np.ndarray:
    """Return the places of outcomes that are not left out."""
    order = np.argsort(probabilities)
    return np.sort(order[np.cumsum(probabilities[order]) > _LEAST])


def _thinned(plan: _Plan, kept: np.ndarray, half: int) -> np.ndarray:
    """Return every second count with its records or, where every count is there, every second record."""
    return kept[(kept // plan.places if plan.step > 1 else kept) % 2 == half]


def _of_kinks(plan: _Plan, terms: np.ndarray) -> float:
    """Compute what the sum has too much where p(x) I(x) changes its sign, by the Euler-Maclaurin formula.

    A slope that sets in at the share θ of a step h adds h² f' (θ(1-θ)/2 - 1/12) to a sum of equal steps.
    """
    pairs = terms[:-1], terms[1:]
    if plan.step > 1 and plan.places > 1:  # records of different counts are no neighbours
        together = np.arange(1, len(terms)) % plan.places > 0
        pairs = pairs[0][together], pairs[1][together]
    crossing = pairs[0] * pairs[1] < 0
    above, below = np.abs(pairs[0][crossing]), np.abs(pairs[1][crossing])
    share = above / (above + below)
    return float(np.sum((above + below) * (share * (1 - share) / 2 - 1 / 12)))


def _misread(sigma: float, levels: int) -> float:
    """Bound what records that are taken for counts change, by the continuity of conditional entropy."""
    if not 0 < sigma < _SHARP:
        return 0.0
    share = math.erfc(1 / (2 * math.sqrt(2) * sigma))
    if not share:
        return 0.0
    mixed = share / (1 + share)
    entropy = -mixed * math.log2(mixed) - math.log1p(-mixed) / math.log(2) * (1 - mixed)
    return 2 * share * math.log2(levels) + (1 + share) * entropy


def _log_probability(experiment: Experiment, plan: _Plan, time: Any, offset: float, record: float) -> float:
    arguments = (experiment.chain, time, experiment.dephasing_rate, record if plan.beyond else int(record), offset)
    try:
        function = modular_log_probability if isinstance(time, PiFraction) else dephased_log_probability
        return float(function(*arguments, measurement=plan.measurement))
    except ImpossibleOutcomes:
        return -math.inf


def _information(experiment: Experiment, plan: _Plan, time: Any, offset: float, record: float) -> float:
    """Compute the coherent information that a record leaves; 0 where it is too improbable to be known."""
    arguments = (experiment.chain, time, experiment.dephasing_rate, record if plan.beyond else int(record), offset)
    found = -math.inf
    try:
        if isinstance(time, PiFraction):
            found = float(modular_coherent_information(*arguments, measurement=plan.measurement))
        if experiment.n_atoms <= FEW_ATOMS or not isinstance(time, PiFraction):
            found = max(found, float(end_to_end_coherent_information(*arguments, measurement=plan.measurement)))
    except ImpossibleOutcomes:
        return 0.0
    return found


def _over_bins(experiment: Experiment, time: PiFraction, offset: float, report: Callable) -> tuple[float, float]:
    levels, inner, duration = levels_of(time), experiment.n_ensembles - 2, float(time.value)
    pieces = 1
    while inner and pieces < _MOST_PIECES and ((pieces + 1) * levels) ** inner <= _ENOUGH_COMBINATIONS:
        pieces += 1
    found = residues.shares(
        *(experiment.n_ensembles, experiment.n_atoms, levels, numerator_of(time)),
        *(experiment.dephasing_rate * duration, offset, pieces * levels),
        resolution=experiment.resolution,
        flipped=-math.expm1(-2 * experiment.atom_dephasing_rate * duration) / 2,
    )
    report(1.0)
    hidden = abs(1 - float(found.probabilities.sum()))
    ebits = float(np.dot(found.probabilities, np.maximum(found.information, 0.0)))
    return ebits, (residues.LEAST + hidden) * math.log2(levels)
