"""Plan one time on the host: choose the Dicke states, their order, the half-bandwidth, and estimate the cost.

Three ensembles with the outcome q leave the end-to-end matrix A[d, d'] = √w_d f_q((d - d')t + φ) √w_d', d = k - N/2.
Its kernel f_q is a narrow peak (two of them, ±α_q, for q < N), so only states whose phases d t lie close to each other
on the circle are coupled: sorted by phase, the matrix is a band.

- All outcomes N, φ = 0 (`reversed_columns` is false). The parity d → -d splits the states into |d⟩ ± |-d⟩, d ≥ 0, and
  takes the phase θ to -θ: with θ folded to [0, π] and sorted, both sectors are plain bands,
  √w_d [cos^N((θ - θ')/2) ± cos^N((θ + θ')/2)] √w_d', positive semidefinite. For any M the Schmidt probabilities are
  the powers y^(M-1) of their eigenvalues, because a chain of odd M is a product of (M-1)/2 such matrices; so they are
  for even M, because the last bond's Σ_l w_l e^(i(d-d')lt) is the same cos^N up to local phases.
- Otherwise, M = 3 (`reversed_columns` is true). The columns are reversed, d' → -d': a symmetric matrix of f_q(θ + θ')
  with θ = d t + φ/2, a band in the order of |θ|.

Each winding of a phase brings a sign (-1)^N; these signs are a diagonal matrix ±1 and do not change the spectrum.

Close to a rational time 2πp/r (or to t = 0) the phases of each residue class d mod r run slowly, many fall within the
peak, and the band becomes wide. There the matrix is smooth along each class, so fewer states give the same spectrum:
every m-th member with the weight √m (Poisson's sum formula), or, where a narrow window cuts the weights off, the nodes
of a Gauss quadrature for sums over a class (`jaxent.band.thinning`).
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import scipy.optimize
from jax.core import Tracer

from jaxent import dicke
from jaxent.band.thinning import Members, States, every_few, gauss_nodes
from jaxent.chain import Chain
from jaxent.deprecation import renamed
from jaxent.entanglement.continuity import entropy_change
from jaxent.runtime import memory

__all__ = ["BandPlan", "make_plan", "window_for"]

_BYTES_PER_STATE = 144  # memory of planning, measured
_MOST_OPERATIONS = 1e14  # multiplications of a factorization; this many take days
_WIDTH_RATIO, _SIZE_RATIO = 1.25, 1.25  # ratios of successive half-bandwidths, and sizes, of compiled programs
_BAND_SHARE, _WINDOW_SHARE, _EDGE_SHARE, _QUADRATURE_SHARE = 1 / 8, 1 / 4, 1 / 2, 1 / 4  # of the tolerance


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class BandPlan:
    """Hold the states of one time in the order that makes the matrix a band (host arrays, n states per sector).

    Attributes:
        chain: the chain.
        outcome: q of the middle ensemble, N if not `reversed_columns`.
        reversed_columns: whether the columns are reversed, d' → -d'; false for all outcomes N and φ = 0 (see above).
        half_bandwidth: b.
        tolerance: error that was planned for, in bits.
        phases: θ/2π in turns, shape (n,), at the reference time.
        phase_rates: dθ/dt / 2π in turns per time, shape (n,).
        roots: √weight, shape (n,); zero for padding.
        time: reference time; `jaxent.band.evaluate` follows the phases from there to nearby times.
        phase_offset: reference φ.
        band_error: bound in bits on the error of dropping the entries outside the band.
        coarse_error: estimate in bits of the error of leaving out members of the residue classes; 0 if all are kept. It
            includes the states counted beyond a wide window of the chain.
        window_error: bound in bits on the error of a window chosen by the plan; 0 for the window of the chain.
    """

    chain: Chain = dataclasses.field(metadata={"static": True})
    outcome: int = dataclasses.field(metadata={"static": True})
    reversed_columns: bool = dataclasses.field(metadata={"static": True})
    half_bandwidth: int = dataclasses.field(metadata={"static": True})
    tolerance: float = dataclasses.field(metadata={"static": True})
    phases: Any
    phase_rates: Any
    roots: Any
    time: Any
    phase_offset: Any
    band_error: Any
    coarse_error: Any
    window_error: Any

    def __repr__(self) -> str:
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(self)) or np.ndim(self.phases) != 1:
            return f"<BandPlan of {self.chain}>"
        time, offset, error = (float(one) for one in (self.time, self.phase_offset, self.band_error))
        offsets = f", φ = {offset:.6g} rad" if offset else ""
        error += float(self.coarse_error) + float(self.window_error)
        return (
            f"<BandPlan: M = {self.chain.n_ensembles}, N = {self.chain.n_atoms}, t = {time:.10g} /coupling, "
            f"q = {self.outcome}{offsets}, {self.n_states} states in a band of {self.half_bandwidth}, "
            f"error {error:.2g} bits of {self.tolerance:.2g} allowed>"
        )

    mirrored = renamed("BandPlan", "mirrored", "reversed_columns")
    slopes = renamed("BandPlan", "slopes", "phase_rates")

    @property
    def n_states(self) -> int:
        """n, the number of states in each sector, padding included."""
        return self.phases.shape[-1]

    @property
    def quadrature_allowed(self) -> float:
        """Error in bits that the plan leaves to the quadrature."""
        return _QUADRATURE_SHARE * self.tolerance

    @property
    def operations(self) -> int:
        """Multiplications of one factorization of all sectors."""
        return self.n_states * self.half_bandwidth**2 * (1 if self.reversed_columns else 2)

    def enlarged(self, n_states: int, half_bandwidth: int) -> "BandPlan":
        """Pad the plan to a larger size, so that plans share a compiled program."""
        padding = n_states - self.n_states
        return dataclasses.replace(
            self,
            half_bandwidth=half_bandwidth,
            phases=np.pad(self.phases, (0, padding), mode="edge"),
            phase_rates=np.pad(self.phase_rates, (0, padding)),
            roots=np.pad(self.roots, (0, padding)),
        )


# -------------------------------------------------------------------- the plan


def make_plan(
    chain: Chain,
    half_turn: int,
    time: float,
    outcome: int,
    phase_offset: float,
    tolerance: float,
    log_probability: float,
) -> BandPlan:
    """Plan one time, with arguments that are already checked.

    Args:
        chain: the chain; if it has no window, the plan chooses one.
        half_turn: the time, from `phases.reduced`.
        time: the same as a number.
        outcome: q of the middle ensemble; N unless M = 3.
        phase_offset: φ in radians; 0 unless M = 3.
        tolerance: the error to plan for, in bits.
        log_probability: log p of the outcome, or a lower bound.

    Returns:
        BandPlan: the states and the order of least cost.

    Raises:
        ValueError: for an outcome far from N of so many atoms that every order is too slow.
    """
    n_atoms, reversed_columns = chain.n_atoms, outcome != chain.n_atoms or phase_offset != 0.0
    distance = distance_for(_BAND_SHARE * tolerance, n_atoms)  # the coarse-graining has the same share
    threshold = _kernel_threshold(chain, distance, log_probability)
    cut = _kernel_width(n_atoms, outcome, math.log(threshold)) / (2 * math.pi)
    lost = _loss_allowed(chain, distance_for(_WINDOW_SHARE * tolerance / 2, n_atoms), log_probability)
    negligible = window_for(n_atoms, lost)
    window = negligible if chain.window is None else chain.window

    best, coarse_error, least = None, 0.0, math.inf
    # neglected weight is divided by the probability of the outcome
    rarity = math.exp(max(0.0, -log_probability - math.log(math.pi * n_atoms) / 2))
    choices, edge = [(window, Members())], edge_effect(chain.window)
    if edge_is_negligible(chain, tolerance / rarity):
        wide = negligible if window is None or negligible is None else max(window, negligible)
        choices += [(wide, one) for one in every_few(n_atoms, half_turn, distance / rarity)]
    else:  # states beyond the window must not be counted
        edge, ends = 0.0, dicke.window_ends(n_atoms, window)
        choices += [(window, one) for one in gauss_nodes(n_atoms, ends, half_turn, distance / rarity)]
    for chosen, members in choices:
        cost = _least_cost(math.ceil(_count(n_atoms, chosen) * members.share), reversed_columns, cut)
        least = min(least, cost)
        if cost < (_MOST_OPERATIONS if best is None else best.cost):
            states = members.of(_doubled_states(n_atoms, chosen), half_turn)
            roots = _roots(n_atoms, chosen) if members == Members() else _roots_of(n_atoms, states)
            found = _Order.of(states, roots, phase_offset, reversed_columns, cut)
            if best is None or found.cost < best.cost:
                best = found
                coarse_error = _BAND_SHARE * tolerance + rarity * edge if members.share < 1 else 0.0
    if best is None:
        raise ValueError(
            f"Argument `outcomes` = {outcome} is too far from n_atoms = {n_atoms} for the band engine: with so many "
            f"atoms it takes at least {least:.0e} multiplications; choose an outcome close to N, or fewer atoms."
        )
    size = best.size if coarse_error == 0.0 else _bucket(best.size, _SIZE_RATIO)
    width = min(_bucket(best.half_bandwidth, _WIDTH_RATIO), max(size - 1, 1))
    plan = BandPlan(
        chain=chain,
        outcome=outcome,
        reversed_columns=reversed_columns,
        half_bandwidth=width,
        tolerance=tolerance,
        phases=best.phases,
        phase_rates=best.phase_rates,
        roots=best.roots,
        time=np.asarray(time),
        phase_offset=np.asarray(phase_offset),
        band_error=np.asarray(_BAND_SHARE * tolerance if width < size - 1 else 0.0),
        coarse_error=np.asarray(coarse_error),
        window_error=np.asarray(_WINDOW_SHARE * tolerance if chain.window is None and window is not None else 0.0),
    )
    return plan.enlarged(size, width)


@dataclasses.dataclass(frozen=True)
class _Order:
    """Hold states in the order of their phases, and the half-bandwidth they need."""

    phases: np.ndarray
    phase_rates: np.ndarray
    roots: np.ndarray
    half_bandwidth: int

    @classmethod
    def of(cls, states: States, roots: np.ndarray, phase_offset: float, reversed_columns: bool, cut: float) -> "_Order":
        doubled, turns, _ = states
        phase_rates = doubled / (4 * math.pi)
        if reversed_columns:
            turns = turns + phase_offset / (4 * math.pi)
            turns = turns - np.round(turns)
        else:
            positive = doubled >= 0
            turns, phase_rates, roots = turns[positive], phase_rates[positive], roots[positive]
            turns, phase_rates = abs(turns), np.where(turns < 0, -phase_rates, phase_rates)
            roots = np.where(phase_rates == 0.0, roots * math.sqrt(0.5), roots)  # d = 0 is its own mirror image
        order = np.argsort(abs(turns), kind="stable")
        turns, phase_rates, roots = turns[order], phase_rates[order], roots[order]
        distances = abs(turns)
        reach = np.searchsorted(distances, distances + cut, side="right") - np.arange(len(turns)) - 1
        return cls(turns, phase_rates, roots, max(1, int(reach.max())))

    @property
    def size(self) -> int:
        return len(self.phases)

    @property
    def cost(self) -> float:
        return self.size * self.half_bandwidth**2


def _count(n_atoms: int, window: float | None) -> int:
    """Estimate the number of states in a window."""
    return n_atoms + 1 if window is None else 2 * dicke.window_half_width(n_atoms, window) + 1


def _least_cost(count: int, reversed_columns: bool, cut: float) -> float:
    """Bound the cost of `count` states from below: some interval of the half circle holds at least the mean number."""
    size = count if reversed_columns else count / 2
    return size * max(1.0, 2 * size * cut - 2) ** 2


def _doubled_states(n_atoms: int, window: float | None) -> np.ndarray:
    """List 2d = 2k - N of the states in the window."""
    first, last = dicke.window_ends(n_atoms, window)
    what = f"A plan over {last - first + 1} Dicke states of n_atoms = {n_atoms}"
    memory.check_memory(_BYTES_PER_STATE * (last - first + 1), what, "use a smaller window", on_host=True)
    return 2 * dicke.window_states(n_atoms, window) - n_atoms


def _roots_of(n_atoms: int, states: States) -> np.ndarray:
    """Compute the square roots of the states' weights, times the members they represent."""
    return np.exp(dicke.log_weights_host(n_atoms, (states.doubled + n_atoms) / 2) / 2) * np.sqrt(states.members)


@functools.lru_cache(maxsize=4)
def _roots(n_atoms: int, window: float | None) -> np.ndarray:
    """Compute the square roots of all weights in a window, once for all times."""
    doubled = _doubled_states(n_atoms, window)
    roots = _roots_of(n_atoms, States(doubled, doubled, np.ones(len(doubled))))
    roots.setflags(write=False)
    return roots


def _bucket(size: int, ratio: float) -> int:
    """Round a size up to the next of a geometric series, so that many sizes share few compiled programs."""
    return math.ceil(8 * ratio ** math.ceil(math.log(max(size, 8) / 8, ratio) - 1e-9) - 1e-6)


# ---------------------------------------------------------------- errors in bits


@functools.lru_cache(maxsize=256)
def distance_for(bits: float, n_atoms: int) -> float:
    """Invert `entanglement.continuity.entropy_change`: find the trace distance, at most 1/2, for `bits`."""
    if entropy_change(np, 0.5, n_atoms) <= bits:
        return 0.5
    return math.exp(_root(lambda log_t: entropy_change(np, math.exp(log_t), n_atoms) - bits, -600.0, math.log(0.5)))


def edge_effect(window: float | None) -> float:
    """Estimate the effect on E of a window of c standard deviations: the weight beyond it, for both ends."""
    return 0.0 if window is None else 2 * math.erfc(window / math.sqrt(2))


def edge_is_negligible(chain: Chain, tolerance: float) -> bool:
    """Check whether counting states beyond the window changes E by less than the tolerance."""
    return edge_effect(chain.window) <= _EDGE_SHARE * tolerance


def window_for(n_atoms: int, lost: float) -> float | None:
    """Find a window with less than `lost` of the weight outside (Hoeffding's inequality); None: the full basis."""
    window = math.sqrt(2 * math.log(2 / lost)) + 2 / math.sqrt(n_atoms)
    return window if 2 * dicke.window_half_width(n_atoms, window) < n_atoms else None


def _loss_allowed(chain: Chain, distance: float, log_probability: float) -> float:
    """Compute the weight that a window may leave out for a trace distance T of the end-to-end state.

    For M = 3 the share ε of the outcome's probability that is lost is at most the weight divided by p, and T ≤ ε. For
    other M, with Y_c = ΠYΠ and ‖Y - Y_c‖_1 ≤ 2√weight, T ≤ (M-1) ‖Y - Y_c‖_1 / ‖Y‖.
    """
    if chain.n_ensembles == 3:
        return distance * math.exp(log_probability)
    return (distance / (2 * (chain.n_ensembles - 1) * math.sqrt(math.pi * chain.n_atoms))) ** 2


def _kernel_threshold(chain: Chain, distance: float, log_probability: float) -> float:
    """Compute the kernel value below which entries may be dropped for a trace distance T of the end-to-end state.

    The Frobenius norm F of the dropped entries is at most the threshold, because the weights add up to one. For M = 3,
    T ≤ 2F/√p; for M = 2, T ≤ √D F; beyond, T ≤ (M-1) F / ‖Y‖ and ‖Y‖ ≥ Tr Y² ≥ 1/√(πN).
    """
    if chain.n_ensembles == 3:
        return distance * math.exp(log_probability / 2) / 2
    if chain.n_ensembles == 2:
        return distance / (4 * chain.n_atoms**0.25 + 4)
    return distance / ((chain.n_ensembles - 1) * math.sqrt(math.pi * chain.n_atoms))


def _kernel_width(n_atoms: int, outcome: int, log_threshold: float) -> float:
    """Find the distance from α = 0, at most π, beyond which |f_q(α)| is below a threshold."""
    missing = n_atoms - outcome
    if missing == 0:
        return 2 * math.asin(math.sqrt(-math.expm1(2 * log_threshold / n_atoms)))

    def excess(angle: float) -> float:
        return float(log_overlap(n_atoms, outcome, np.asarray(angle / 2))) - log_threshold

    peak, last = 2 * math.atan2(math.sqrt(missing), math.sqrt(outcome)), math.pi - 1e-9
    if outcome == 0 or excess(last) >= 0:
        return math.pi
    return _root(excess, peak, last) if excess(peak) > 0 else peak


def log_overlap(n_atoms: int, outcome: int, half_angle: Any) -> Any:
    """Estimate log |f_q(α)| of equation (23) at angles α/2 in radians, with an error of about 1e-16 N log N."""
    missing = n_atoms - outcome
    log_binomial = math.lgamma(n_atoms + 1) - math.lgamma(outcome + 1) - math.lgamma(missing + 1)
    with np.errstate(divide="ignore"):
        log_cos, log_sin = np.log(abs(np.cos(half_angle))), np.log(abs(np.sin(half_angle)))
    # a factor of power 0 is left out, even where its log is -∞
    return log_binomial / 2 + (outcome * log_cos if outcome else 0.0) + (missing * log_sin if missing else 0.0)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(scipy.optimize.root_scalar(function, bracket=(low, high), method="brentq").root)
