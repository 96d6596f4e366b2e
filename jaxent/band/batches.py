"""Plan and evaluate many times with few compiled programs, and estimate what the band and the dense engine cost.

Plans of equal shape are stacked and evaluated in tiles by one program. Sizes and half-bandwidths come from short
geometric series, so a grid of any length compiles only a few programs.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from jaxent import dicke
from jaxent.band.engine import (
    BandedEntropy,
    Counts,
    anonymous,
    evaluate,
    is_certain,
    rule_for,
    sheet_width,
)
from jaxent.band.phases import multiples, reduced
from jaxent.band.plan import BandPlan, edge_is_negligible, log_overlap, make_plan
from jaxent.band.quadrature import Rule
from jaxent.chain import Chain
from jaxent.deprecation import renamed
from jaxent.runtime import execution, memory, threads
from jaxent.runtime.default_device import platform
from jaxent.times import PiFraction, Time

__all__ = [
    "Facts",
    "banded_seconds",
    "dense_seconds",
    "entropies",
    "entropies_and_slopes",
    "make_plans",
    "obstacle",
    "worth_planning",
]

_LEAST_STATES = 500  # below, a dense matrix takes less than 15 ms: not worth compiling more programs
_COUNTING = 9.2  # standard deviations: states beyond weigh less than rounding, and dense matrices leave them out
_CACHE_BYTES = 128 * 2**10  # windows of a tile; XLA shares larger arrays among the cores, at twice the cost
_DEVICE_BYTES = 2**30
_COMPILATION_SECONDS = 0.5  # time to compile one more program
_MOST_REMEMBERED = 1024  # chains whose programs are remembered
_MOST_ATOMS = 10**13  # the kernel's width, 2/√N, is then 10^9 times the rounding of a phase
_DEVIATIONS = 8.0  # standard deviations of the difference of the ends, summed in the probability of an outcome
_MOST_DIFFERENCES = 10**6
_LEAST_LOG_PROBABILITY = -200.0

# by chain and kind of program, the shapes that ran (None), and the seconds wasted by shapes that joined larger ones
_ran: dict[Any, dict[tuple[int, int], float | None]] = {}


class Facts(NamedTuple):
    """State what is known of the arguments before anything is computed; the defaults suit the engine best.

    Attributes:
        all_outcomes_n: all outcomes are known to be N.
        no_offset: all offsets are known to be zero.
        uniform: there is one time for all bonds.
        known: times, outcomes and offsets are values, not traced.
    """

    all_outcomes_n: bool = True
    no_offset: bool = True
    uniform: bool = True
    known: bool = True

    top = renamed("Facts", "top", "all_outcomes_n")
    real = renamed("Facts", "real", "no_offset")


def worth_planning(chain: Chain, facts: Facts, tolerance: float) -> bool:
    """Check whether the band engine applies, and whether the dense matrix is large enough to make planning worthwhile.

    Args:
        chain: the chain.
        facts: what is known of times, outcomes and offsets.
        tolerance: largest allowed error, in bits.
    """
    if not chain.is_uniform:
        return False
    large = _n_dense_states(chain, facts.all_outcomes_n and facts.no_offset) >= _LEAST_STATES
    return large and tolerance > 0 and obstacle(chain, facts, tolerance) is None


def obstacle(chain: Chain, facts: Facts, tolerance: float) -> str | None:
    """Return the reason why the band engine does not apply, or None; arguments as `worth_planning`."""
    if jnp.result_type(float) != jnp.float64:
        return "it needs float64"
    if not chain.is_uniform:
        return f"its ensembles have different numbers of atoms, {chain.n_atoms}"
    if chain.n_atoms > _MOST_ATOMS:
        return f"phases of n_atoms = {chain.n_atoms:.3g} lose too many digits in float64 (beyond {_MOST_ATOMS:.0e})"
    if not facts.uniform:
        return "it takes one time for all bonds"
    if not facts.known:
        return "time, outcomes and offsets must be known, not traced"
    if chain.n_ensembles != 3 and not (facts.all_outcomes_n and facts.no_offset):
        return f"n_ensembles = {chain.n_ensembles} needs all outcomes N and no offset"
    # an even chain's last ensemble is summed over all its states
    if chain.n_ensembles % 2 == 0 and not edge_is_negligible(chain, tolerance):
        return f"with an even number of ensembles window = {chain.window} is too narrow to be left out of account"
    return None


def make_plans(
    chain: Chain, time: Time, outcomes, phase_offset, tolerance: float, half_turns: Sequence[int] | None = None
) -> list[BandPlan]:
    """Plan each of a batch of known times.

    Args:
        chain: the chain, without an `obstacle`.
        time: checked times.
        outcomes: checked outcomes, or None for all N.
        phase_offset: checked offsets, or None for zero.
        tolerance: largest allowed error, in bits.
        half_turns: the times as `jaxent.band.phases` reduces them, where they are known beyond float64.
    """
    if isinstance(time, PiFraction):
        pairs = zip(np.ravel(time.numerator).tolist(), np.ravel(time.denominator).tolist(), strict=True)
        each = [PiFraction(*pair) for pair in pairs]
        values = [math.pi * one.numerator / one.denominator for one in each]
    else:
        each = values = np.ravel(np.asarray(time)).tolist()
    if half_turns is None:
        half_turns = [reduced(one) for one in each]
    outcome = chain.n_atoms if outcomes is None else int(outcomes[0])
    offset = 0.0 if phase_offset is None else math.remainder(float(phase_offset[0]), 2 * math.pi)
    log_probabilities = _log_probabilities(chain, half_turns, outcome, offset)
    return [
        make_plan(chain, half_turn, value, outcome, offset, tolerance, log_p)
        for half_turn, value, log_p in zip(half_turns, values, log_probabilities, strict=True)
    ]


@np.errstate(under="ignore")  # terms below 1e-308 are 0
def _log_probabilities(chain: Chain, half_turns: Sequence[int], outcome: int, offset: float) -> list[float]:
    """Estimate log p of the outcome at each time, or bound it from below; for M = 3, or for all outcomes N.

    p = Σ_d W_d f_q(d t + φ)² is a sum of positive terms (`protocol.dense`), cut off at negligible terms or at 10^6.
    The W_d are binomial weights of 2N trials, about a Gaussian; a window of c σ about the middle keeps the share
    erf((c σ - |d|/2) / σ) of each, σ = √N/2.
    """
    n_atoms = chain.n_atoms
    if outcome == n_atoms and offset == 0.0:
        return [-math.log(math.pi * n_atoms) / 2] * len(half_turns)  # at least log Σ w², for three ensembles
    reach = min(chain.dimension - 1, math.ceil(_DEVIATIONS * math.sqrt(n_atoms / 2)), _MOST_DIFFERENCES)
    differences = np.arange(-reach, reach + 1)
    log_weights = -(differences**2) / n_atoms - math.log(math.pi * n_atoms) / 2
    if chain.window is not None:
        kept = scipy.special.erf(chain.window - abs(differences) / math.sqrt(n_atoms))
        log_weights = log_weights + np.log(np.maximum(kept, 1e-300))

    def one(half_turn: int) -> float:
        half_angles = 2 * math.pi * multiples(differences, half_turn) + offset / 2
        terms = log_weights + 2 * log_overlap(n_atoms, outcome, half_angles)
        return max(float(np.asarray(scipy.special.logsumexp(terms))), _LEAST_LOG_PROBABILITY)

    return [one(half_turn) for half_turn in half_turns]


# -------------------------------------------------------------------------- costs


def dense_seconds(chain: Chain, reversed_columns: bool) -> float:
    """Estimate the seconds of the dense engine for one time, on one CPU core of 2020."""
    rows = _n_dense_states(chain, not reversed_columns)
    if reversed_columns:
        return 8e-8 * rows**2 + 2e-11 * rows**3
    halves = 2.7e-8 * rows**2 + 1e-11 * rows**3  # two, each of half the rows
    if chain.n_ensembles % 2:
        return halves
    return 2 * halves + 2e-11 * rows**3 * (chain.n_ensembles - 2) / 2  # singular values, and products before


def _n_dense_states(chain: Chain, halves: bool) -> int:
    """Count the states of an end in a dense matrix: with all outcomes N and no offset those that count in rounding."""
    if not halves:
        return chain.dimension
    deviations = _COUNTING if chain.n_ensembles % 2 else math.sqrt(2) * _COUNTING
    return min(chain.dimension, 2 * dicke.window_half_width(chain.n_atoms, deviations) + 1)


def banded_seconds(plan: BandPlan, order: float = 1.0) -> float:
    """Estimate the seconds of a plan on the same core; infinite if no quadrature rule is accurate enough."""
    if not is_certain(plan, order):
        return math.inf
    rule = rule_for(plan, order)
    complex_nodes = plan.reversed_columns or np.iscomplexobj(rule.nodes)
    nodes = rule.nodes.shape[1] * np.count_nonzero(rule.log_weights.any(axis=(0, 2)))
    return plan.operations * nodes * (2.7e-9 if complex_nodes else 1.2e-9) + 1e-6 * plan.n_states + 1e-3


def _bytes(plan: BandPlan, nodes: int) -> int:
    lanes = nodes * (1 if plan.reversed_columns else 2)
    size = 16 if plan.reversed_columns else 8
    columns = 8 * 8 * plan.n_states * (plan.half_bandwidth + 1)
    return columns + lanes * size * (3 * plan.n_states + 3 * plan.half_bandwidth**2)


# ---------------------------------------------------------------------- evaluation


def entropies(
    plans: Sequence[BandPlan], order: float = 1.0, report: Callable[[float], None] = lambda share: None
) -> BandedEntropy:
    """Evaluate many plans, tile by tile.

    Args:
        plans: one for each time.
        order: α of the Rényi entropy.
        report: called with the share of the work done, between tiles.

    Returns:
        BandedEntropy: host arrays of shape (len(plans),).

    Raises:
        ValueError: when a plan does not fit in memory, with its cost.
    """
    return BandedEntropy(*_in_tiles(plans, order, _evaluate_all, 3, report))


def entropies_and_slopes(plans: Sequence[BandPlan], order: float = 1.0) -> tuple[BandedEntropy, BandedEntropy]:
    """Evaluate many plans as `entropies`, with the time derivatives of all fields."""
    found = _in_tiles(plans, order, _evaluate_all_with_derivatives, 6, lambda share: None)
    return BandedEntropy(*found[:3]), BandedEntropy(*found[3:])


def _in_tiles(
    plans: Sequence[BandPlan], order: float, program: Callable, count: int, report: Callable[[float], None]
) -> list[np.ndarray]:
    """Run a compiled program on all plans and return its `count` results, one value per plan in each."""
    tiles = _tiles(plans, order)
    results = [np.empty(len(plans)) for _ in range(count)]
    total, done = sum(banded_seconds(plan, order) for plan in plans), 0.0

    def run(tile: "_Tile"):
        first = plans[tile.indices[0]].enlarged(*tile.shape)
        rule, nodes = rule_for(first, order), sheet_width(first)
        what = (
            f"The band of n_atoms = {first.chain.n_atoms} ({first.n_states} states, half-bandwidth "
            f"{first.half_bandwidth}, about {banded_seconds(first, order):.2g} s per time)"
        )
        instead = "use a narrower window"
        memory.check_memory(_bytes(first, nodes), what, instead)
        filled = tile.indices + tile.indices[-1:] * (tile.size - len(tile.indices))  # one program for every tile
        stacked, counts = jax.tree.map(
            lambda *leaves: np.stack(leaves), *[anonymous(plans[index].enlarged(*tile.shape)) for index in filled]
        )
        return execution.call(program, stacked, counts, rule, np.asarray(order), what=what, instead=instead)

    first_of = {tile.shape: number for number, tile in reversed(list(enumerate(tiles)))}
    firsts = [tiles[number] for number in first_of.values()]  # they compile the programs of the others
    others = [tile for number, tile in enumerate(tiles) if number != first_of[tile.shape]]
    most = memory.calls_at_once(max(_needed(plans, tile) for tile in firsts)) if len(tiles) > 1 else 1
    for some in (firsts, others):
        for index, found in threads.side_by_side(run, some, most):
            chosen = some[index].indices
            for result, values in zip(results, found, strict=True):
                result[chosen] = np.asarray(values)[: len(chosen)]
            done += sum(banded_seconds(plans[one], order) for one in chosen)
            report(min(1.0, done / total))  # sums in any order, rounded
    return results


class _Tile(NamedTuple):
    """Plans, by index, that one program evaluates together: padded to a shape, and to a number of plans."""

    shape: tuple[int, int]
    indices: list[int]
    size: int


def _needed(plans: Sequence[BandPlan], tile: _Tile) -> int:
    """Estimate the bytes of a tile."""
    plan = plans[tile.indices[0]].enlarged(*tile.shape)
    return tile.size * _bytes(plan, sheet_width(plan))


def _tiles(plans: Sequence[BandPlan], order: float) -> list[_Tile]:
    """Cut the groups of equal shape into tiles. All tiles of a shape have one size, so they run one program."""
    tiles = []
    for shape, indices in _grouped(plans, order):
        first = plans[indices[0]].enlarged(*shape)
        size = _tile(first, sheet_width(first), len(indices))
        tiles += [_Tile(shape, indices[start : start + size], size) for start in range(0, len(indices), size)]
    return tiles


def _grouped(plans: Sequence[BandPlan], order: float) -> list[tuple[tuple[int, int], list[int]]]:
    """Group plans (by index) by the shape they are padded to, the widest first.

    A shape joins the next larger one if that wastes less time than compiling its own program takes. Where the waste of
    several calls adds up to more than twice that time, it gets its own, too; programs that ran before cost nothing.
    """
    if not plans:
        return []
    by_shape: dict[tuple[int, int], list[int]] = {}
    for index, plan in enumerate(plans):
        by_shape.setdefault((plan.n_states, plan.half_bandwidth), []).append(index)
    first, _ = anonymous(plans[0])
    sheets = rule_for(plans[0], order).nodes
    known = _ran.setdefault((first.chain, first.outcome, first.reversed_columns, sheets.shape, sheets.dtype), {})
    if len(_ran) > _MOST_REMEMBERED:
        _ran.pop(next(iter(_ran)))
    groups: dict[tuple[int, int], list[int]] = {}
    for shape in sorted(by_shape, key=lambda s: (s[0] * s[1] ** 2, s), reverse=True):
        here = by_shape[shape]

        def seconds(to, here=here):
            return len(here) * banded_seconds(plans[here[0]].enlarged(*to), order)

        larger = [s for s in {*groups, *(s for s, wasted in list(known.items()) if wasted is None)} if _fits(shape, s)]
        chosen = min(larger, key=lambda s: (seconds(s), s), default=shape)
        wasted = seconds(chosen) - seconds(shape)
        in_all = (known.get(shape) or 0.0) + wasted
        if chosen != shape and wasted < _COMPILATION_SECONDS and in_all < 2 * _COMPILATION_SECONDS:
            known[shape] = in_all
        else:
            chosen = shape
        known[chosen] = None
        groups.setdefault(chosen, []).extend(here)
    return list(groups.items())


def _fits(shape: tuple[int, int], into: tuple[int, int]) -> bool:
    return shape[0] <= into[0] and shape[1] <= into[1]


def _tile(plan: BandPlan, nodes: int, count: int) -> int:
    """Choose how many plans of one shape run at once: on a CPU one or all that fit, so that few programs do."""
    windows = nodes * (1 if plan.reversed_columns else 2) * 8 * plan.half_bandwidth**2
    if platform() == "cpu":
        most = max(1, _CACHE_BYTES // windows)
        return most if count > most / 2 else 1
    return max(1, min(_DEVICE_BYTES // _bytes(plan, nodes), 2 ** (count - 1).bit_length()))


@jax.jit
def _evaluate_all(plans: BandPlan, counts: Counts, rule: Rule, order: jax.Array) -> BandedEntropy:
    return jax.vmap(lambda plan, each: evaluate(plan, order=order, rule=rule, counts=each))(plans, counts)


@jax.jit
def _evaluate_all_with_derivatives(plans: BandPlan, counts: Counts, rule: Rule, order: jax.Array) -> list[jax.Array]:
    def one(plan: BandPlan, each: Counts):
        at = lambda time: evaluate(plan, time, order=order, rule=rule, counts=each)  # noqa: E731
        return jax.jvp(at, (plan.time,), (jnp.ones_like(plan.time),))

    return jax.tree.leaves(jax.vmap(one)(plans, counts))
