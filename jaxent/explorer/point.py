"""One time of the curve: the spectrum of the end-to-end state there, and the distribution of an outcome.

The outcome q_2 of the first measured ensemble, whatever the others give, has the distribution

    p(q) = Σ_d W(d) C(N, q) cos^(2q)(α/2) sin^(2(N-q))(α/2),   α = d t + φ,

a binomial for each difference d = k_1 - k_3 of its neighbours, with W(d) = C(2N, N+d)/4^N (equation 23, squared).
Dephasing at a rate γ shifts α at random by 2√(γt) ξ, ξ standard normal.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.stats

from jaxent import dicke
from jaxent.band.phases import multiples
from jaxent.dephasing import end_to_end_state
from jaxent.explorer.question import Question
from jaxent.explorer.viewport import View
from jaxent.rationals import half_turn, pi_multiple
from jaxent.swapping import end_to_end_schmidt_coefficients
from jaxent.times import PiFraction

__all__ = ["Look", "look_at", "look_seconds", "outcome_bins"]

_MOST_BINS = 101
_MOST_STATES = 3100  # a dense spectrum of so many takes half a second
_MOST_MIXED_STATES = 31  # of a density matrix of D² rows
_SPECTRUM_WINDOW = 3.0
_REACH = 7.0  # standard deviations of d, and of the random phase
_SHOWN = 60  # largest coefficients


class Look(NamedTuple):
    """What is seen at one time.

    Attributes:
        spectrum: squared Schmidt coefficients, or eigenvalues of a mixed state, decreasing.
        spectrum_note: what it is, or why there is none.
        edges: of the bins of q, one more than there are bins.
        probabilities: of q_2 in each bin.
        outcome_note: the same for the outcome.
    """

    spectrum: np.ndarray
    spectrum_note: str
    edges: np.ndarray
    probabilities: np.ndarray
    outcome_note: str

    @classmethod
    def nothing(cls, why: str) -> "Look":
        """What is seen where nothing can be computed."""
        return cls(np.empty(0), why, np.zeros(1), np.empty(0), "")


def look_at(question: Question, view: View, distance: float) -> Look:
    """Spectrum and distribution of q_2 at a distance from the centre of a view."""
    spectrum, note = _spectrum(question, view, distance)
    if question.n_ensembles == 2:
        return Look(spectrum, note, np.zeros(1), np.zeros(0), "M = 2: nothing is measured")
    edges, probabilities = outcome_bins(question, view, distance)
    each = (edges[1] - edges[0]).item()
    text = "p(q₂)" if each == 1 else f"p(q₂) in bins of {each:.3g}"
    return Look(spectrum, note, edges, probabilities, text)


def _time(view: View, distance: float) -> float | PiFraction:
    """The time, exactly where it is a fraction of small numbers."""
    turns = view.turns(distance)
    return PiFraction(*pi_multiple(turns)) if turns.denominator <= 10**6 else 2 * math.pi * float(turns)


def _spectrum(question: Question, view: View, distance: float) -> tuple[np.ndarray, str]:
    chain, time, kept = question.chain, _time(view, distance), ""
    mixed = question.quantity == "log_negativity" and question.dephasing_rate > 0
    most = _MOST_MIXED_STATES if mixed else _MOST_STATES
    if chain.dimension > most:
        wide = _SPECTRUM_WINDOW * math.sqrt(chain.n_atoms) + 1
        if mixed or wide > most:
            what = "eigenvalues of ρ" if mixed else "Schmidt coefficients"
            return np.empty(
                0
            ), f"{what}: shown up to {most} states per end, but there are {min(chain.dimension, wide):.0f}"
        chain, kept = type(chain)(chain.n_ensembles, chain.n_atoms, _SPECTRUM_WINDOW), ", window c = 3"
    try:
        if mixed:
            state = end_to_end_state(chain, time, question.dephasing_rate, question.outcomes, question.phase_offset)
            matrix = np.asarray(state).reshape(chain.dimension**2, chain.dimension**2)
            values = np.linalg.eigvalsh(matrix / np.trace(matrix).real)[::-1]
            return np.maximum(values[:_SHOWN], 0.0), "eigenvalues of ρ"
        coefficients = end_to_end_schmidt_coefficients(chain, time, question.outcomes, question.phase_offset)
    except ValueError as error:
        return np.empty(0), str(error)
    return np.asarray(coefficients)[:_SHOWN] ** 2, "Schmidt probabilities σ²" + kept


def outcome_bins(question: Question, view: View, distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges of bins of q (each holds edge ≤ q < next edge), and the probability of q_2 in each."""
    n_atoms = question.n_atoms
    width = -(-(n_atoms + 1) // _MOST_BINS) if n_atoms >= 2 * _MOST_BINS else 1
    edges = np.arange(0, n_atoms + 1 + width, width, dtype=float)
    reach = min(n_atoms, math.ceil(_REACH * math.sqrt(n_atoms / 2)) + 1)
    differences = np.arange(-reach, reach + 1)
    weights = np.exp(dicke.log_weights_host(2 * n_atoms, n_atoms + differences))
    halves = 2 * math.pi * multiples(differences, half_turn(view.turns(distance))) + question.phase_offset / 2
    if question.dephasing_rate and question.quantity == "log_negativity":
        time = 2 * math.pi * float(view.turns(distance))
        nodes = np.linspace(-_REACH, _REACH, 121)
        each = np.exp(-(nodes**2) / 2)
        halves = (halves[:, None] + math.sqrt(question.dephasing_rate * time) * nodes).ravel()
        weights = np.outer(weights, each / each.sum()).ravel()
    upper = np.cos(halves) ** 2
    below = np.zeros(len(edges))
    for start in range(0, len(upper), 10**5):
        below += weights[start : start + 10**5] @ _shares_below(edges, n_atoms, upper[start : start + 10**5])
    return edges, np.diff(below) / weights.sum()


def _shares_below(edges: np.ndarray, n_atoms: int, upper: np.ndarray) -> np.ndarray:
    """P(q < edge) of binomials of N trials, shape (len(upper), len(edges)): summed only where an edge is near."""
    deviation = np.sqrt(n_atoms * upper * (1 - upper))[:, None]
    distance = edges - 0.5 - n_atoms * upper[:, None]
    shares = (distance > 0).astype(float)
    near = abs(distance) < 10 * deviation + 60  # few expected counts have longer tails than a Gaussian
    rows, columns = np.nonzero(near)
    shares[rows, columns] = scipy.stats.binom.cdf(edges[columns] - 1, n_atoms, upper[rows])
    return shares


def look_seconds(question: Question) -> float:
    """Rough time of a look."""
    states = min(question.chain.dimension, _SPECTRUM_WINDOW * math.sqrt(question.n_atoms) + 1)
    if question.quantity == "log_negativity" and question.dephasing_rate > 0:
        return 3e-10 * min(states, _MOST_MIXED_STATES) ** 6 + 0.05
    return 1e-2 + (1e-10 * states**3 if states <= _MOST_STATES else 0.0) + 3e-6 * math.sqrt(question.n_atoms)
