"""Many times at once: a plan for each, a few compiled programs for all, and the choice between band and dense matrix.

Plans of equal shape are stacked and worked off in tiles of one program. Sizes and half-bandwidths come from short
geometric series, so a grid of any length compiles a handful of programs.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import arguments, product
from jaxent.band.engine import BandedEntropy, evaluate, is_certain, rule_for
from jaxent.band.phases import reduced
from jaxent.band.plan import BandPlan, edge_is_negligible, make_plan
from jaxent.chain import Chain
from jaxent.times import BondTimes, PiFraction, Time

__all__ = ["banded_seconds", "dense_seconds", "entropies", "make_plans", "obstacle", "plans_at", "worth_planning"]

_LEAST_DIMENSION = 500  # below, a dense matrix takes less than 15 ms, which is no reason to compile more programs
_CACHE_BYTES = 512 * 2**10  # windows of a tile that stay in a CPU core's cache
_DEVICE_BYTES = 2**30
_COMPILATION_SECONDS = 0.5  # of one more program
_MOST_ATOMS = 10**13  # the kernel's width, 2/√N, is then 10^9 times the rounding of a phase
_LONGEST_WINDOW_OF_SUM = 8.0  # standard deviations that count in the probability of an outcome


def worth_planning(chain: Chain, time: Time, outcomes, phase_offset, tolerance: float) -> bool:
    """Whether the band engine applies, and a dense matrix would be large enough to look for better.

    Args:
        chain: the chain.
        time: checked times.
        outcomes: checked outcomes, or None for all N.
        phase_offset: checked offsets, or None for zero.
        tolerance: error asked for, in bits.
    """
    large = chain.dimension >= _LEAST_DIMENSION
    return large and tolerance > 0 and obstacle(chain, time, outcomes, phase_offset, tolerance) is None


def obstacle(chain: Chain, time: Time, outcomes, phase_offset, tolerance: float) -> str | None:
    """Why the band engine does not apply, or None; arguments as `worth_planning`."""
    if jnp.result_type(float) != jnp.float64:
        return "it needs float64"
    if chain.n_atoms > _MOST_ATOMS:
        return f"phases of n_atoms = {chain.n_atoms:.3g} lose too many digits in float64 (beyond {_MOST_ATOMS:.0e})"
    if isinstance(time, BondTimes):
        return "it takes one time for all bonds"
    if any(arguments.concrete(leaf) is None for leaf in jax.tree.leaves((time, outcomes, phase_offset))):
        return "time, outcomes and offsets must be known, not traced"
    if chain.n_ensembles != 3 and not (outcomes is None and phase_offset is None):
        return f"n_ensembles = {chain.n_ensembles} needs all outcomes N and no offset"
    # an even chain's last ensemble is summed over all its states
    if chain.n_ensembles % 2 == 0 and not edge_is_negligible(chain, tolerance):
        return f"with an even number of ensembles window = {chain.window} is too narrow to be left out of account"
    return None


def make_plans(chain: Chain, time: Time, outcomes, phase_offset, tolerance: float) -> list[BandPlan]:
    """A plan for each of a batch of times; arguments as `worth_planning`, and no `obstacle`."""
    if isinstance(time, PiFraction):
        pairs = zip(np.ravel(time.numerator).tolist(), np.ravel(time.denominator).tolist(), strict=True)
        each = [PiFraction(*pair) for pair in pairs]
        values = [math.pi * one.numerator / one.denominator for one in each]
    else:
        time = np.asarray(time)
        each = values = time.ravel().tolist()
    outcome = chain.n_atoms if outcomes is None else int(outcomes[0])
    offset = 0.0 if phase_offset is None else math.remainder(float(phase_offset[0]), 2 * math.pi)
    if outcome == chain.n_atoms and offset == 0.0:
        return plans_at(chain, [reduced(one) for one in each], values, tolerance)
    log_probability = _log_probabilities(chain, time, outcome, offset)
    return [
        make_plan(chain, reduced(one), value, outcome, offset, tolerance, max(float(log_p), -200.0))
        for one, value, log_p in zip(each, values, log_probability, strict=True)
    ]


def plans_at(chain: Chain, half_turns: Sequence[int], times: Sequence[float], tolerance: float) -> list[BandPlan]:
    """Plans for all outcomes N and no offset at times as `jaxent.band.phases` reduces them, known beyond float64."""
    least = -math.log(math.pi * chain.n_atoms) / 2  # log Σ w²: three ensembles have that probability at least
    return [
        make_plan(chain, half_turn, time, chain.n_atoms, 0.0, tolerance, least)
        for half_turn, time in zip(half_turns, times, strict=True)
    ]


def _log_probabilities(chain: Chain, time: Time, outcome: int, offset: float) -> np.ndarray:
    window = chain.window or min(_LONGEST_WINDOW_OF_SUM, math.sqrt(chain.n_atoms))
    one = functools.partial(_log_probability, dataclasses.replace(chain, window=window), outcome == chain.n_atoms)
    flat = jax.tree.map(jnp.ravel, time)
    return np.asarray(one(flat, jnp.asarray([outcome]), jnp.asarray([offset])))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _log_probability(chain, top, times, outcomes, offsets):
    return jax.lax.map(lambda t: product.log_probability(chain, t, outcomes, offsets, top, False), times)


# -------------------------------------------------------------------------- costs


def dense_seconds(dimension: int, mirrored: bool) -> float:
    """About what the dense route takes for one time, on one core of 2020."""
    return dimension**2 * (1.2e-7 if mirrored else 4e-8) + 4e-12 * dimension**3


def banded_seconds(plan: BandPlan, order: float = 1.0) -> float:
    """About what a plan takes, in the same units; infinite where no quadrature rule is good enough."""
    if not is_certain(plan, order):
        return math.inf
    rule = rule_for(plan, order)
    complex_nodes = plan.mirrored or np.iscomplexobj(rule.nodes)
    return plan.operations * len(rule.nodes) * (2.7e-9 if complex_nodes else 1.2e-9) + 1e-6 * plan.n_states + 1e-3


def _bytes(plan: BandPlan, nodes: int) -> int:
    lanes = nodes * (1 if plan.mirrored else 2)
    size = 16 if plan.mirrored else 8
    columns = 8 * 8 * plan.n_states * (plan.half_bandwidth + 1)
    return columns + lanes * size * (3 * plan.n_states + 3 * plan.half_bandwidth**2)


# ---------------------------------------------------------------------- evaluation


def entropies(
    plans: Sequence[BandPlan], order: float = 1.0, report: Callable[[float], None] = lambda share: None
) -> BandedEntropy:
    """Evaluate many plans.

    Args:
        plans: one for each time.
        order: α of the Rényi entropy.
        report: called with the share of the work done, between tiles.

    Returns:
        BandedEntropy: host arrays of shape (len(plans),).

    Raises:
        ValueError: when a plan does not fit in memory, with its cost.
    """
    groups = _grouped(plans, order)
    results = [np.empty(len(plans)) for _ in range(3)]
    total, done = sum(banded_seconds(plan, order) for plan in plans), 0.0
    for shape, indices in groups:
        first = plans[indices[0]].enlarged(*shape)
        nodes = len(rule_for(first, order).nodes)
        needed = _bytes(first, nodes)
        arguments.check_memory(
            needed,
            f"The band of n_atoms = {first.chain.n_atoms} ({first.n_states} states, half-bandwidth "
            f"{first.half_bandwidth}, about {banded_seconds(first, order):.2g} s per time)",
            "use a narrower window",
        )
        for chosen, tile in _tiles(indices, _tile(first, nodes, len(indices))):
            filled = chosen + chosen[-1:] * (tile - len(chosen))  # every tile runs the same program
            stacked = jax.tree.map(
                lambda *leaves: np.stack(leaves), *[plans[index].enlarged(*shape) for index in filled]
            )
            for result, values in zip(results, _evaluate_all(stacked, order), strict=True):
                result[chosen] = np.asarray(values)[: len(chosen)]
            done += sum(banded_seconds(plans[index], order) for index in chosen)
            report(done / total)
    return BandedEntropy(*results)


def _grouped(plans: Sequence[BandPlan], order: float) -> list[tuple[tuple[int, int], list[int]]]:
    """Plans (by index) with the shape they are padded to; few of a shape join the next larger one."""
    by_shape: dict[tuple[int, int], list[int]] = {}
    for index, plan in enumerate(plans):
        by_shape.setdefault((plan.n_states, plan.half_bandwidth), []).append(index)
    groups: list[tuple[tuple[int, int], list[int]]] = []
    for shape in sorted(by_shape, key=lambda s: s[0] * s[1] ** 2):
        here = by_shape[shape]
        if groups:
            before, others = groups[-1]
            joint = (max(before[0], shape[0]), max(before[1], shape[1]))

            def seconds(indices, old, new):
                return len(indices) * (
                    banded_seconds(plans[indices[0]].enlarged(*new), order)
                    - banded_seconds(plans[indices[0]].enlarged(*old), order)
                )

            if seconds(others, before, joint) + seconds(here, shape, joint) < _COMPILATION_SECONDS:
                groups[-1] = (joint, others + here)
                continue
        groups.append((shape, here))
    return groups


def _tiles(indices: list[int], tile: int) -> list[tuple[list[int], int]]:
    """Cut indices into tiles, and what is less than half of one into single plans: two programs for each shape."""
    whole = len(indices) - len(indices) % tile
    if len(indices) - whole >= tile / 2:
        whole = len(indices)
    pieces = [(indices[start : start + tile], tile) for start in range(0, whole, tile)]
    return pieces + [([index], 1) for index in indices[whole:]]


def _tile(plan: BandPlan, nodes: int, count: int) -> int:
    """How many plans of one shape run at once."""
    on_cpu = jax.local_devices()[0].platform == "cpu"
    windows = nodes * (1 if plan.mirrored else 2) * 8 * plan.half_bandwidth**2
    most = _CACHE_BYTES // windows if on_cpu else _DEVICE_BYTES // _bytes(plan, nodes)
    return max(1, min(most, 2 ** (count - 1).bit_length()))


@functools.partial(jax.jit, static_argnames="order")
def _evaluate_all(plans: BandPlan, order: float) -> BandedEntropy:
    return jax.vmap(lambda plan: evaluate(plan, order=order))(plans)
