"""Evaluate a plan: compute its band matrix, the log-determinants, and the entropies that follow from them.

With y_i the eigenvalues of the band matrix, the Schmidt probabilities are y_i^(M-1) / Σ y^(M-1), or y_i² / Σ y² where
the columns are reversed, and E = log2 P - Q/P with P = Σ λ, Q = Σ λ log2 λ for λ the unnormalized ones. Rényi entropies
of orders α = 1 + ε within 1/2 of 1 use Q = Σ λ (λ^ε - 1)/ε instead, S_α = log2 P - (Q/P) ℓ(ε Q/P) with the ℓ of
`entanglement.renyi`; other orders use Σ λ^α. Both sums come from `fitted_rule` and the log-determinants of
A + z; with reversed columns y_i has both signs, z is imaginary and log|1 + y/(i√s)| = log(1 + y²/s)/2.

The order and its rule are arguments of the compiled program: rules are stored in sheets of nodes, as many as the
longest rule needs, and sheets without weight are skipped. Rules with complex nodes are compiled separately.

`evaluate` is pure JAX for one plan and one time, differentiable in the time and, with reversed columns, in the offset.
"""

import dataclasses
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.band.factor import log_determinant
from jaxent.band.plan import BandPlan
from jaxent.band.quadrature import FLOOR, Rule, fitted_rule
from jaxent.chain import Chain
from jaxent.entanglement.renyi import log1p_quotient
from jaxent.numerics.algebra import multiply
from jaxent.runtime import memory

__all__ = [
    "BandedEntropy",
    "Counts",
    "anonymous",
    "band_columns",
    "evaluate",
    "is_certain",
    "rule_for",
    "scaled",
    "sheet_width",
    "weighted_logs",
]

_MOST_NODES = 96  # nodes of a rule; longer ones are not `is_certain`
_WIDEST = 24  # nodes of a sheet


class Counts(NamedTuple):
    """Hold what of a plan's chain is data: N, and q where it is not N (else ignored)."""

    n_atoms: Any
    outcome: Any


class BandedEntropy(NamedTuple):
    """Hold an entropy in bits, log p, and the bound on the quadrature error.

    Attributes:
        entropy: E (or the Rényi entropy asked for).
        log_probability: log p of the outcomes, natural.
        quadrature_error: bound on the error of the quadrature, measured on the fitted rule.
    """

    entropy: jax.Array | np.ndarray
    log_probability: jax.Array | np.ndarray
    quadrature_error: jax.Array | np.ndarray


def evaluate(
    plan: BandPlan,
    time=None,
    phase_offset=None,
    order: Any = 1.0,
    rule: Rule | None = None,
    counts: Counts | None = None,
) -> BandedEntropy:
    """Compute the entropy of the end-to-end state from one plan.

    Args:
        plan: the plan of one time.
        time: t, a float close to `plan.time` (within a few percent of the kernel's width over the largest |d|,
            about 1/N); None: that time itself.
        phase_offset: φ close to `plan.phase_offset`, only with reversed columns; None: that offset itself.
        order: α of the Rényi entropy; 1 is the von Neumann entropy, 1/2 the log negativity. A traced α needs `rule`.
        rule: from `rule_for` for this order; None: computed here.
        counts: of a plan that is `anonymous`, where they may be traced; None: those of the plan.

    Returns:
        BandedEntropy: scalars.
    """
    if rule is None:
        rule = _rule(plan, order)
        rule = rule.in_sheets(len(rule.nodes), 1)
    power = _power(plan)
    columns = band_columns(plan, time, phase_offset, counts)
    columns, scale = scaled(columns)
    trace, square = jnp.sum(columns[..., -1]), jnp.sum(columns**2) + jnp.sum(columns[..., :-1] ** 2)
    moments = square[None] if plan.reversed_columns else jnp.stack([trace, square])[: rule.moment_weights.shape[1]]
    other, norm = weighted_logs(columns, rule, plan.reversed_columns) + jnp.asarray(rule.moment_weights) @ moments
    n_states = columns.shape[0] * jnp.sum(jnp.asarray(plan.roots) > 0, dtype=columns.dtype)  # padding adds no error
    size = moments[0] + FLOOR * n_states
    other_error, norm_error = rule.errors * size
    relative, log_norm = norm_error / norm, jnp.log(norm)
    order = jnp.asarray(order)
    close = is_close(order)
    excess = jnp.where(close, order - 1, 0.0)
    mean = power * jnp.where(close, other, 0.0) / norm
    mean_error = power * other_error / norm + jnp.abs(mean) * relative
    away, total = jnp.where(close, 2.0, order), jnp.where(close, 1.0, other)
    entropy = jnp.where(
        close, log_norm - mean * log1p_quotient(excess * mean), (jnp.log(total) - away * log_norm) / (1 - away)
    )
    error = jnp.where(
        close,
        mean_error / (1 + excess * mean) + relative,
        (other_error / total + away * relative) / abs(1 - away),
    )
    log_probability = log_norm + 2 * power / (1 + (not plan.reversed_columns)) * jnp.log(scale)
    return BandedEntropy(entropy / math.log(2), log_probability, error / math.log(2))


def is_close(order: Any) -> Any:
    """Check whether an order α uses the formula for orders close to 1, |α - 1| < 1/2."""
    return abs(order - 1) < 0.5


def rule_for(plan: BandPlan, order: float = 1.0) -> Rule:
    """Fit the rule of a plan, in sheets, for Σ λ (λ^(α-1) - 1)/(α-1) if α is close to 1 (else Σ λ^α), and Σ λ.

    The shapes are the same for every order that is `is_certain`.
    """
    rule, width = _rule(plan, order), sheet_width(plan)
    return rule.in_sheets(width, -(-max(_MOST_NODES, len(rule.nodes)) // width))


def sheet_width(plan: BandPlan) -> int:
    """Choose the number of nodes evaluated at once: the nodes of the rule for α = 1, in equal parts."""
    nodes = len(_rule(plan, 1.0).nodes)
    return -(-nodes // -(-nodes // _WIDEST))


def _rule(plan: BandPlan, order: float) -> Rule:
    power = _power(plan)
    wanted = (float(power), power * (order - 1)) if is_close(order) else (power * order, None)
    # errors are relative to Σ y^power, which is smaller for longer chains
    share = 200 if power <= 2 else 2000
    return fitted_rule(
        wanted,
        (float(power), None),
        moments=1 if plan.reversed_columns or power == 1 else 2,
        tolerance=plan.tolerance / share,
    )


def is_certain(plan: BandPlan, order: float = 1.0) -> bool:
    """Check whether a quadrature rule is accurate enough for the tolerance of the plan."""
    if not 0 < order < math.inf:
        return False  # the rank (α = 0) and the largest eigenvalue (α = ∞) have no quadrature
    amplified = 1.0 if is_close(order) else max(1.0, 1 / abs(1 - order))
    rule = _rule(plan, order)
    return len(rule.nodes) <= _MOST_NODES and bool(amplified * rule.errors.max() <= plan.tolerance / 100)


def weighted_logs(columns, rule: Rule, reversed_columns: bool) -> jax.Array:
    """Sum u_a Σ_i log|1 + x_i/z_a| over nodes and sectors for each function of the rule; x = y or y²."""
    sheets = jnp.asarray(rule.nodes), jnp.moveaxis(jnp.asarray(rule.log_weights), 1, 0)
    if len(rule.nodes) == 1:
        return sheets[1][0] @ _log_determinants(columns, sheets[0][0], reversed_columns)

    def add(sums, sheet):
        nodes, weights = sheet
        return jax.lax.cond(
            jnp.any(weights != 0),
            lambda: sums + weights @ _log_determinants(columns, nodes, reversed_columns),
            lambda: sums,
        ), None

    return jax.lax.scan(add, jnp.zeros(sheets[1].shape[1]), sheets)[0]


def _log_determinants(columns, nodes: jax.Array, reversed_columns: bool) -> jax.Array:
    """Compute Σ_i log|1 + x_i/z| over all sectors for each node z."""

    def at(shifts):
        return jax.vmap(lambda z: jnp.sum(jax.vmap(lambda a: log_determinant(a, z))(columns)))(shifts)

    if not reversed_columns:
        return at(nodes)
    # 1 + y²/z = (1 + y/i√z)(1 - y/i√z), whose factors are equal in magnitude for positive z
    root = multiply(jnp.asarray(1j), jnp.sqrt(nodes))
    return at(root) + at(-root) if jnp.iscomplexobj(nodes) else 2 * at(root)


def _power(plan: BandPlan) -> int:
    """Return the power of y, or of y² with reversed columns, in the Schmidt probabilities."""
    return 1 if plan.reversed_columns else plan.chain.n_ensembles - 1


def anonymous(plan: BandPlan) -> tuple[BandPlan, Counts]:
    """Replace N, q and the tolerance, on which no compiled program needs to depend, and return the first two."""
    n_atoms = plan.chain.n_atoms
    chain = Chain(plan.chain.n_ensembles, 1)
    stripped = dataclasses.replace(plan, chain=chain, outcome=int(plan.outcome == n_atoms), tolerance=1.0)
    return stripped, Counts(np.asarray(n_atoms), np.asarray(plan.outcome))


def band_columns(plan: BandPlan, time=None, phase_offset=None, counts: Counts | None = None) -> jax.Array:
    """Build the band matrices of all sectors, stored by columns, shape (sectors, n, b + 1)."""
    n_atoms, outcome = counts or (plan.chain.n_atoms, jnp.asarray(plan.outcome))
    phases = jnp.asarray(plan.phases)
    if time is not None:
        phases = phases + jnp.asarray(plan.phase_rates) * (time - plan.time)
    if phase_offset is not None and plan.reversed_columns:
        change = (phase_offset - plan.phase_offset) / (4 * np.pi)
        phases = phases + (change - jnp.round(change))  # whole turns would only add rounding errors
    index = jnp.arange(plan.n_states)[:, None] - jnp.arange(plan.half_bandwidth + 1)[None, ::-1]
    inside, index = index >= 0, jnp.maximum(index, 0)
    roots = jnp.asarray(plan.roots)
    frame = roots[:, None] * jnp.where(inside, roots[index], 0.0)
    here, there = phases[:, None], phases[index]
    memory.check_angles(there, 12)  # outside a compiled program each operation has its own array
    if not plan.reversed_columns:
        close, folded = (dicke.cos_power(n_atoms, (here + sign * there) / 2) for sign in (-1, 1))
        return jnp.stack([frame * (close + folded), frame * (close - folded)])
    if plan.outcome == plan.chain.n_atoms:
        return (frame * dicke.cos_power(n_atoms, (here + there) / 2))[None]
    return (frame * dicke.overlap(n_atoms, outcome, (here + there) / 2))[None]


def scaled(columns: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Divide the matrices of all sectors by an upper bound on every |eigenvalue|, and return it."""
    scale = jax.lax.stop_gradient(jnp.max(jax.vmap(_largest_row)(columns)))
    scale = jnp.where(scale > 0, scale, 1.0)
    return columns / scale, scale


def _largest_row(columns: jax.Array) -> jax.Array:
    """Compute the largest sum of magnitudes in a row, an upper bound on every |eigenvalue|."""
    size, width = columns.shape
    magnitudes = jnp.abs(columns)
    offset = jnp.arange(1, width)
    row = jnp.arange(size)[:, None] + offset[None, :]
    beside = jnp.where(row < size, magnitudes[jnp.minimum(row, size - 1), (width - 1 - offset)[None, :]], 0.0)
    return jnp.max(jnp.sum(magnitudes, axis=1) + jnp.sum(beside, axis=1))
