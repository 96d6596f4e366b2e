"""Plan on the host: which hops count, where phases repeat, how many rows, Bloch phases and nodes, and the errors.

A hop (h, j) that is left out changes ‖X‖_1 by at most the sum of its entries' magnitudes, about
e^(-γ̄t(h² + j²)) |R_j|/R_00 of Tr ρ (twice that is budgeted); so does a row |u| > U, with the probability of |u| > U
times the sum over all hops. Both sums are bounds on the relative error of ‖X‖_1 ≥ Tr ρ.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from jaxent.band import phases
from jaxent.band.quadrature import Rule, fitted_rule
from jaxent.bloch import kernel
from jaxent.bloch.long_chain import ChainShape, Rows, rows_of
from jaxent.bloch.symbol import bloch_phases, rarer
from jaxent.bloch.torus import TorusShape
from jaxent.measurement import Records
from jaxent.protocol.dispatch import ImpossibleOutcomes
from jaxent.times import shared_bound, time_value

__all__ = ["Hops", "Plan", "Question", "chain_plan", "hops_of", "levels_of", "torus_plan"]

_DAMPED = 40.0  # exponent of the frequencies ν left out
_CACHE_BYTES = 2**18  # windows of the factorizations that run together
_MOST_LEVELS = 64  # largest r whose r × r blocks are used
_LARGEST_DRIFT = 1e-4  # radians; phases that drift by δ over the envelope change the entanglement by about δ²
_HOP_SHARE, _ROW_SHARE, _RULE_SHARE, _ENVELOPE_SHARE = 1 / 4, 1 / 16, 1 / 16, 1 / 8  # of the tolerance
_WEAK = (
    10.0  # hops whose share is less than this times the tolerance do not decide how many Bloch phases are tried first
)
_EIGENVALUES = 50  # multiplications of a small matrix's eigenvalues, over its size cubed
_COSINE = 20  # multiplications that take as long as a cosine
_ENVELOPE = 0.2  # a narrower envelope in u changes the entanglement by about this over γ̄t N_u, in bits


class Question(NamedTuple):
    """State one point: host numbers.

    Attributes:
        n_atoms: N, or None for the limit N → ∞.
        outcome: q, or `Records`; None in the limit, of q = N.
        time: t, a float or a `PiFraction`.
        strengths: γ_j t, shape (3,).
        offset: φ in radians.
    """

    n_atoms: int | None
    outcome: Any
    time: Any
    strengths: np.ndarray
    offset: float

    @property
    def mean(self) -> float:
        """γ̄t, the mean of the two ends."""
        return float(self.strengths[0] + self.strengths[2]) / 2

    @property
    def twice(self) -> bool:
        """Whether the kernel is complex, as atoms may be lost."""
        return isinstance(self.outcome, Records) and self.outcome.lossy

    @property
    def unequal(self) -> bool:
        """Whether the ends dephase at different rates."""
        return bool(self.strengths[0] != self.strengths[2])


@dataclasses.dataclass(frozen=True)
class Hops:
    """Hold the hops that count.

    Attributes:
        along: the j ≥ 0, padded with -1; host integers of shape (J,).
        gcd: their greatest common divisor; 1 if there is none but 0.
        strong: the largest j of a hop that is not weak.
        reach: largest |h|.
        n_frequencies: number of ν ≥ 0.
        nodes: points of the sums over the angle, None in the limit.
        error: bound on what is left out, relative to ‖X‖_1.
        total: sum of the weights of all hops.
        curvature: Σ j² of the weights, about N times the relative change of ‖X‖_1 by the envelope's curvature.
    """

    along: np.ndarray
    gcd: int
    strong: int
    reach: int
    n_frequencies: int
    nodes: kernel.Nodes | None
    error: float
    total: float
    curvature: float

    @property
    def largest(self) -> int:
        """Return a bound on j."""
        return shared_bound(int(self.along.max()))

    @property
    def only_even(self) -> bool:
        """Whether all hops in v, and so all hops in u, are even."""
        return bool((self.along % 2 == 0)[self.along >= 0].all())


class Harmonics(NamedTuple):
    """Hold m, the factors by which harmonics e^(imφ) shrink, and their derivatives in t; each of shape (F,)."""

    numbers: np.ndarray
    factors: np.ndarray
    slopes: np.ndarray


_ONE_HARMONIC = Harmonics(np.zeros(1), np.ones(1), np.zeros(1))


@dataclasses.dataclass(frozen=True)
class Plan:
    """Hold what one evaluation needs.

    Attributes:
        shape: `ChainShape` or `TorusShape`, on which the program depends.
        hops: the hops.
        rows: rows of a chain, None on a torus.
        rule: rule of the trace norm, None on a torus.
        offsets: φ at which a chain is evaluated, relative to the one asked for; shape (K,).
        harmonics: m of the harmonics of φ that count, the factors by which they shrink from N_u to N, and the
            derivatives of these in t.
        n_bloch: number of θ, 0 for one.
        cut_error, row_error: relative errors of ‖X‖_1 known beforehand.
        envelope_error: error of a narrower envelope, in bits.
    """

    shape: ChainShape | TorusShape
    hops: Hops
    rows: Rows | None
    rule: Rule | None
    offsets: np.ndarray
    harmonics: "Harmonics"
    n_bloch: int
    cut_error: float
    row_error: float
    envelope_error: float

    @property
    def shares(self) -> np.ndarray:
        """Weights of the offsets: Σ_m ρ_m F_m e^(imφ), the harmonics F_m from equidistant offsets."""
        return self._shares(self.harmonics.factors)

    @property
    def slopes_of_shares(self) -> np.ndarray:
        """Derivatives of the weights in t, which are large close to a magic time."""
        return self._shares(self.harmonics.slopes)

    def _shares(self, factors: np.ndarray) -> np.ndarray:
        numbers = self.harmonics.numbers
        sizes = np.where(numbers > 0, 2.0, 1.0) * factors
        return sizes @ np.cos(np.outer(numbers, self.offsets)) / len(self.offsets)

    def bloch_phases(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return θ of a chain in turns, their weights, and the weights of the rule of every other θ."""
        thetas, weights = bloch_phases(self.n_bloch, self.hops.gcd, self.shape.twice)
        return thetas, weights, rarer(weights)

    @property
    def operations(self) -> float:
        """Multiplications of all decompositions, roughly."""
        shape = self.shape
        if isinstance(shape, TorusShape):
            hops_per_block = 2 * shape.windings * shape.levels**2
            return (
                (2 if shape.twice else 1)
                * shape.n_bloch**2
                * (_EIGENVALUES * shape.levels**3 + hops_per_block * len(self.hops.along))
            )
        assert self.rule is not None
        factored = (8 if shape.complex else 1) * self.rule.nodes.size * shape.half_bandwidth**2
        kernels = 2 * self.hops.n_frequencies * (_COSINE + len(self.hops.along))
        n_phases = (2 if shape.twice else 1) * self.n_bloch + 1
        return float(len(self.offsets) * shape.stride * shape.n_rows) * (n_phases * factored + kernels)

    def refined(self, factor: float = 2) -> "Plan":
        """Multiply the number of Bloch phases."""
        shape, n_bloch = self.shape, 2 * math.ceil(factor * self.n_bloch / 2)
        if isinstance(shape, TorusShape):
            shape = shape._replace(n_bloch=n_bloch)
        return dataclasses.replace(self, shape=shape, n_bloch=n_bloch)


def ladder(number: float, ratio: float, least: int = 8) -> int:
    """Return the next larger size of a short list, so that programs are shared."""
    size = least
    while size < number:
        size = max(size + 1, math.ceil(size * ratio))
    return size


def levels_of(question: Question) -> int | None:
    """Return the r of a magic time 2πp/r whose phases repeat over the whole envelope, or None."""
    half_turn = phases.reduced(question.time)
    reach = math.sqrt(_DAMPED / (2 * max(question.strengths[1], 1e-300)))  # largest ν
    for levels, distance in phases.resonances(half_turn, _MOST_LEVELS):
        if question.n_atoms is None:
            exact = distance <= 8 * np.finfo(float).eps * max(1.0, levels * float(time_value(question.time)))
        else:
            widths = 4 * math.sqrt(question.n_atoms)
            exact = distance / levels * widths * min(reach, widths) <= _LARGEST_DRIFT
        if exact:
            return levels
    return None


def hops_of(question: Question, tolerance: float) -> Hops:
    """Choose the hops for an error of the log negativity, in bits."""
    mean, measured = question.mean, float(question.strengths[1])
    budget = _HOP_SHARE * tolerance * math.log(2) / 2
    gaussian = math.sqrt(math.pi / mean)  # Σ_h e^(-γ̄t h²) over all integers, for small γ̄t
    gaussian = max(gaussian, 1.0)
    most = math.ceil(math.sqrt(math.log(8 * gaussian**2 / budget) / mean)) + 1
    frequencies = math.sqrt(_DAMPED / (2 * measured)) if measured > 0 else math.inf
    if question.n_atoms is None:
        n_frequencies = ladder(math.ceil(frequencies) + 1, 2, 16)
        candidates = np.arange(most + 1)
        nodes, sizes = None, _resonant(question, candidates)
    else:
        widest = min(frequencies, 8 * math.sqrt(question.n_atoms) + 8, question.n_atoms)
        n_frequencies = ladder(math.ceil(widest) + 1, 2, 16)  # those beyond N vanish
        assert question.outcome is not None
        nodes = kernel.nodes(question.n_atoms, question.outcome, n_frequencies, question.time)
        candidates = np.arange(most + 1)
        sizes = kernel.sizes_of_hops(question.n_atoms, question.outcome, nodes, candidates, question.time)
        if not np.isfinite(sizes).all():
            raise ImpossibleOutcomes(
                f"Argument `outcomes` = {float(question.outcome.counts):.10g} cannot occur, or with a probability "
                "below the smallest number, at one of the times; choose a record that can occur.",
                np.asarray(True),
            )
    weights = np.where(candidates > 0, 2.0, 1.0) * np.exp(-mean * candidates**2.0) * sizes
    order = np.argsort(weights)
    left_out = order[np.cumsum(weights[order]) * gaussian <= budget]
    left_out = left_out[left_out > 0]
    along = np.setdiff1d(candidates, left_out)
    total_along = float(weights[along].sum())
    reach = np.arange(most + 1)
    tails = 2 * np.cumsum(np.exp(-mean * reach[::-1] ** 2.0))[::-1] * total_along  # of |h| ≥ reach
    across = int(np.argmax(np.append(tails, 0.0) <= budget)) - 1
    across = max(across, 1)
    error = 2 * (weights[left_out].sum() * gaussian + (tails[across + 1] if across + 1 <= most else budget / 8))
    padding = ladder(len(along), 2, 16) - len(along)
    return Hops(
        np.pad(along, (0, padding), constant_values=-1),
        int(np.gcd.reduce(along)) or 1,
        int(along[weights[along] * gaussian > min(_WEAK * tolerance, 0.5)].max()),
        across,
        n_frequencies,
        nodes,
        float(error),
        total_along * gaussian,
        float((weights * candidates**2.0)[along].sum()) * gaussian,
    )


def _resonant(question: Question, candidates: np.ndarray) -> np.ndarray:
    """Return 1 for the hops with jt ≡ 0 modulo 2π, all that count for N → ∞."""
    levels = levels_of(question)
    return (candidates == 0).astype(float) if levels is None else (candidates % levels == 0).astype(float)


def torus_plan(question: Question, hops: Hops, levels: int) -> Plan:
    """Plan r × r blocks."""
    resolved = max(hops.reach / levels, hops.strong / hops.gcd)
    n_bloch = ladder(2 * math.ceil(resolved), 2, 32)
    shape = TorusShape(
        levels,
        ladder(hops.reach / levels + 1, 4, 2),
        n_bloch,
        question.twice,
    )
    return Plan(shape, hops, None, None, np.zeros(1), _ONE_HARMONIC, n_bloch, hops.error, 0.0, 0.0)


def chain_plan(question: Question, hops: Hops, tolerance: float, n_envelope: int | None = None) -> Plan:
    """Plan a band matrix over u, for an envelope of `n_envelope` atoms; None: of N, or fewer where that is enough."""
    mean, n_atoms = question.mean, question.n_atoms
    enough = math.ceil(_ENVELOPE / (mean * _ENVELOPE_SHARE * tolerance * math.log(2)))
    n_here = n_envelope or (enough if n_atoms is None else min(n_atoms, enough))
    exact = n_atoms is not None and n_here >= n_atoms
    stride = 2 if hops.only_even else 1
    budget = _ROW_SHARE * tolerance * math.log(2)
    tail = min(0.5, budget / (2 * hops.total))
    reach = math.ceil(math.sqrt(n_here) * float(scipy.special.erfcinv(tail)))
    reach = min(reach, n_here)
    n_rows = ladder((2 * reach + 1) / stride, 1.25)
    half_bandwidth = max(1, ladder(hops.reach // stride, 1.2, 4))
    several = np.count_nonzero(hops.along > 0)
    n_bloch = ladder(hops.strong / hops.gcd, 2, 4) if several else 0
    span = 2 * (2 * reach + 2 * stride * n_rows + stride * half_bandwidth)
    shape = ChainShape(
        *(stride, n_rows, half_bandwidth, shared_bound(span)),
        question.unequal and bool(several),
        question.twice,
    )
    offsets, harmonics = (np.zeros(1), _ONE_HARMONIC) if exact else _harmonics(question, n_here, budget)
    return Plan(
        shape,
        hops,
        rows_of(n_here, reach, shape),
        _rule(_RULE_SHARE * tolerance, shape),
        offsets,
        harmonics,
        n_bloch,
        hops.error,
        0.0 if reach >= n_here else 2 * tail * hops.total,
        0.0 if exact else _ENVELOPE / (mean * n_here),
    )


def _harmonics(question: Question, n_here: int, budget: float) -> tuple[np.ndarray, Harmonics]:
    """Plan the average over the places u of a narrower envelope, which see other phases ut + φ.

    The envelope of N is an average of narrower ones whose centres are normal with variance (N - N_u)/2, and a shift by
    c changes φ by ct; the harmonic e^(imφ) shrinks by e^(-(N - N_u) (mt mod 2π)²/4).
    """
    measured = float(question.strengths[1])
    most = math.ceil(math.sqrt(math.log(10 / budget) / (2 * measured))) if measured > 0 else 8 * math.isqrt(n_here)
    numbers = np.arange(1, most + 1)
    angles = 2 * math.pi * phases.multiples(2 * numbers, phases.reduced(question.time))  # mt modulo 2π
    seen = np.exp(-2 * measured * numbers**2.0 - n_here * angles**2 / 4)
    if question.n_atoms is None:
        shrunk = slopes = np.zeros(len(numbers))
    else:
        shrunk = np.exp(-(question.n_atoms - n_here) * angles**2 / 4)
        slopes = -(question.n_atoms - n_here) * numbers * angles / 2 * shrunk
    present = numbers[seen * np.maximum(1 - shrunk, 0.0) > budget / 10]
    if not len(present):
        return np.zeros(1), _ONE_HARMONIC
    step = int(np.gcd.reduce(present))
    count = int(present.max()) // step
    wanted = step * np.arange(count + 1)
    factors, changes = (np.append(first, x[wanted[1:] - 1]) for first, x in ((1.0, shrunk), (0.0, slopes)))
    offsets = 2 * math.pi * np.arange(2 * count + 1) / (step * (2 * count + 1))
    return offsets, Harmonics(wanted.astype(float), factors, changes)


@functools.lru_cache(maxsize=256)
def _rule(tolerance: float, shape: ChainShape) -> Rule:
    """Fit the rule for Σ|y| from log|1 + y²/z|, in sheets whose windows stay in a processor's cache.

    Its errors are relative to Σ(y² + 0.1), of which there are more than Σ|y|.
    """
    rule = fitted_rule((0.5, None), moments=1, tolerance=10.0 ** math.floor(math.log10(tolerance / 4)))
    half_bandwidth = 2 * shape.half_bandwidth + 1 if shape.complex else shape.half_bandwidth
    width = min(len(rule.nodes), max(1, _CACHE_BYTES // (16 * shape.stride * half_bandwidth**2)))
    count = -(-len(rule.nodes) // width)
    return rule.in_sheets(-(-len(rule.nodes) // count), count)
