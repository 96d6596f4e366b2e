"""Compute, at one time of the curve, the spectrum of the end-to-end state and the distribution of an outcome.

Summed over all other outcomes, q_2 of the first measured ensemble has the distribution

    p(q) = Σ_d W(d) C(N, q) cos^(2q)(α/2) sin^(2(N-q))(α/2),   α = d t + φ,

a binomial for each difference d = k_1 - k_3 of its neighbours, with W(d) = C(2N, N+d)/4^N (equation 23, squared).
Dephasing at a rate γ shifts α at random by 2√(γt) ξ, ξ standard normal. The average over small shifts is a sum over ξ;
for shifts larger than the width 1/√N of the binomial it is a sum over α/2 on the circle of circumference π, with a
density from its Fourier series.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import scipy.stats

from jaxent import dicke
from jaxent.band.phases import multiples
from jaxent.chain import Chain
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import View
from jaxent.explorer.words import sentence
from jaxent.noise.dephasing import end_to_end_state
from jaxent.protocol.ends import end_to_end_schmidt_coefficients
from jaxent.protocol.turn_fractions import half_turn, pi_multiple
from jaxent.times import PiFraction

__all__ = ["Look", "look_at", "look_seconds", "outcome_bins"]

_MOST_BINS = 101
_MOST_STATES = 3100  # states per end; a dense spectrum of so many takes half a second
_MOST_MIXED_STATES = 31  # states D per end, for a density matrix of D² rows
_LEAST_WINDOW, _WIDEST = 2.0, 8.0  # standard deviations
_REACH = 7.0  # standard deviations of d, and of the random phase
_SHOWN = 60  # number of largest coefficients shown
_ROUNDING = {True: 1e-15, False: 1e-18}  # rounding of eigenvalues of a mixed state, and of squared Schmidt coefficients
_SMALL_SHIFT = 2.0  # largest √(γt) summed over ξ, in units of 1/√N
_MOST_TERMS = 3 * 10**8  # terms of the Fourier series over all d
_CHUNK = 10**5


class Look(NamedTuple):
    """Hold the spectrum and the distribution of q_2 at one time.

    Attributes:
        spectrum: squared Schmidt coefficients, or eigenvalues of a mixed state, decreasing.
        spectrum_note: description of the spectrum, or the reason why there is none.
        edges: edges of the bins of q, one more than there are bins.
        probabilities: probability of q_2 in each bin.
        outcome_note: the same for the outcome.
    """

    spectrum: np.ndarray
    spectrum_note: str
    edges: np.ndarray
    probabilities: np.ndarray
    outcome_note: str

    @classmethod
    def nothing(cls, why: str) -> "Look":
        """Return empty results, with the reason why nothing can be computed."""
        return cls(np.empty(0), why, np.zeros(1), np.empty(0), "")


def look_at(question: Question, view: View, distance: float) -> Look:
    """Compute the spectrum and the distribution of q_2 at a distance from the centre of a view, or say why not."""
    try:
        spectrum, note = _spectrum(question, view, distance)
    except ValueError as error:
        spectrum, note = np.empty(0), sentence(error)
    if question.n_ensembles == 2:
        return Look(spectrum, note, np.zeros(1), np.zeros(0), "M = 2: nothing is measured")
    try:
        edges, probabilities = outcome_bins(question, view, distance)
    except ValueError as error:
        return Look(spectrum, note, np.zeros(1), np.zeros(0), sentence(error))
    each = (edges[1] - edges[0]).item()
    text = "p(q₂)" if each == 1 else f"p(q₂) in bins of {each:.3g}"
    text += f", which the detector reads to ±{question.resolution:g}" if question.resolution else ""
    return Look(spectrum, note, edges, probabilities, text)


def _time(view: View, distance: float) -> float | PiFraction:
    """Return the time at a distance, exactly if t/2π is a fraction of denominator up to 10^6."""
    turns = view.turns(distance)
    return PiFraction(*pi_multiple(turns)) if turns.denominator <= 10**6 else 2 * math.pi * float(turns)


def _spectrum(question: Question, view: View, distance: float) -> tuple[np.ndarray, str]:
    """Compute the largest probabilities, decreasing, and a note on their number, window and error."""
    of, what = (_eigenvalues, "eigenvalues of ρ") if question.is_noisy else (_schmidt_probabilities, "Schmidt σ²")
    seen = _affordable(question)
    if seen is None:
        most = _MOST_MIXED_STATES if question.is_noisy else _MOST_STATES
        return np.empty(0), f"{what}: shown up to {most} states per end, but there are {question.chain.dimension}"
    time = _time(view, distance)
    values = of(seen, seen.chain, time)
    floor = _ROUNDING[question.is_noisy]
    kept = values[:_SHOWN][values[:_SHOWN] > floor]
    note = f"{what}: {len(kept)} of {len(values)}" + ("" if len(kept) == len(values) else f" (above {floor:g})")
    if len(kept) == _SHOWN:
        note = f"{what}: the {_SHOWN} largest of {len(values)}"
    if seen.is_windowed:
        fewer = of(seen, seen.narrower, time)[: len(kept)]
        off = abs(np.pad(fewer, (0, len(kept) - len(fewer))) - kept).max(initial=0.0)
        note += f"; window c = {seen.chain.window:.3g}, each off by up to about {max(off, 1e-15):.0e}"
    return kept, note


def _affordable(question: Question) -> Question | None:
    """Return the question with a window small enough for a fast spectrum, unchanged if possible, or None."""
    most = _MOST_MIXED_STATES if question.is_noisy else _MOST_STATES
    if question.chain.dimension <= most:
        return question
    widest = min(_WIDEST, (most - 2) / math.sqrt(question.n_atoms))
    return dataclasses.replace(question, window=widest) if widest >= _LEAST_WINDOW and not question.is_noisy else None


def _schmidt_probabilities(question: Question, chain: Chain, time: float | PiFraction) -> np.ndarray:
    coefficients = end_to_end_schmidt_coefficients(chain, time, question.outcomes, question.phase_offset)
    return np.asarray(coefficients) ** 2


def _eigenvalues(question: Question, chain: Chain, time: float | PiFraction) -> np.ndarray:
    at = (chain, time, question.dephasing_rate, question.outcomes, question.phase_offset)
    state = end_to_end_state(*at, measurement=question.measurement)
    matrix = np.asarray(state).reshape(chain.dimension**2, chain.dimension**2)
    return np.linalg.eigvalsh(matrix / np.trace(matrix).real)[::-1]


def outcome_bins(question: Question, view: View, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute edges of bins of q (each holds edge ≤ q < next edge), and the probability of q_2 in each."""
    n_atoms = question.n_atoms
    width = -(-(n_atoms + 1) // _MOST_BINS) if n_atoms >= 2 * _MOST_BINS else 1
    edges = np.arange(0, n_atoms + 1 + width, width, dtype=float)
    reach = min(n_atoms, math.ceil(_REACH * math.sqrt(n_atoms / 2)) + 1)
    differences = np.arange(-reach, reach + 1)
    weights = np.exp(dicke.log_weights_host(2 * n_atoms, n_atoms + differences))
    halves = 2 * math.pi * multiples(differences, half_turn(view.turns(distance))) + question.phase_offset / 2
    if question.dephasing_rate > 0 and question.is_noisy:
        shift = math.sqrt(question.dephasing_rate * 2 * math.pi * float(view.turns(distance)))
        spread = _shifted if shift * math.sqrt(n_atoms) <= _SMALL_SHIFT else _on_circle
        halves, weights = spread(halves, weights, shift, n_atoms)
    upper = np.cos(halves) ** 2
    below = np.zeros(len(edges))
    for start in range(0, len(upper), _CHUNK):
        below += weights[start : start + _CHUNK] @ _shares_below(edges, n_atoms, upper[start : start + _CHUNK])
    return edges, np.diff(below) / weights.sum()


def _shifted(halves: np.ndarray, weights: np.ndarray, shift: float, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Shift each α/2 by 121 values of ξ, with the weights of a standard normal ξ."""
    nodes = np.linspace(-_REACH, _REACH, 121)
    each = np.exp(-(nodes**2) / 2)
    return (halves[:, None] + shift * nodes).ravel(), np.outer(weights, each / each.sum()).ravel()


def _on_circle(halves: np.ndarray, weights: np.ndarray, shift: float, n_atoms: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute the density of the shifted α/2 on an even grid, finer than the width of the binomials."""
    n_modes = math.ceil(4.5 / shift) + 1  # for larger m, e^(-2 shift² m²) is below rounding
    if n_modes * len(halves) > _MOST_TERMS:
        raise ValueError(f"p(q₂): shown with noise up to fewer atoms than {n_atoms} at this rate and time")
    modes = np.arange(1, n_modes)
    rows = max(1, 2 * 10**6 // len(halves))
    sums = [weights @ np.exp(-2j * np.outer(halves, modes[k : k + rows])) for k in range(0, len(modes), rows)]
    series = np.concatenate([[weights.sum()], 2 * np.concatenate(sums) * np.exp(-2 * (shift * modes) ** 2)])
    n_points = max(64, math.ceil(4 * math.pi * math.sqrt(n_atoms)), 2 * n_modes)
    places = math.pi * np.arange(n_points) / n_points
    density = np.fft.ifft(np.pad(series, (0, n_points - n_modes))).real
    return places, np.maximum(density, 0.0)


def _shares_below(edges: np.ndarray, n_atoms: int, upper: np.ndarray) -> np.ndarray:
    """Compute P(q < edge) of binomials of N trials, shape (len(upper), len(edges)); far from the mean it is 0 or 1."""
    deviation = np.sqrt(n_atoms * upper * (1 - upper))[:, None]
    distance = edges - 0.5 - n_atoms * upper[:, None]
    shares = (distance > 0).astype(float)
    near = abs(distance) < 10 * deviation + 60  # for few expected counts the tails are longer than those of a Gaussian
    rows, columns = np.nonzero(near)
    shares[rows, columns] = scipy.stats.binom.cdf(edges[columns] - 1, n_atoms, upper[rows])
    return shares


def look_seconds(question: Question) -> float:
    """Estimate the seconds of the spectrum and the distribution at one time."""
    seen = _affordable(question)
    states = 0 if seen is None else seen.chain.dimension
    outcomes = 1e-2 + 3e-6 * math.sqrt(question.n_atoms)
    return outcomes + (3e-10 * states**6 + 0.05 if question.is_noisy else 1.4e-10 * states**3)
