"""From a plan to the entanglement: the band matrix, its log-determinants, and the entropies that follow from them.

With y_i the eigenvalues of the band matrix, the Schmidt probabilities are y_i^(M-1) / Σ y^(M-1) (for a `mirrored` plan
y_i² / Σ y²), and E = log2 P - Q/P with P = Σ λ, Q = Σ λ log2 λ for λ the unnormalized ones. Both sums come from
`fitted_rule` and the log-determinants of A + z; for `mirrored` plans, whose y_i have both signs, z is imaginary and
log|1 + y/(i√s)| = log(1 + y²/s)/2.

What is in here is pure JAX: one plan, one time. It is differentiable in the time and in the offset of a mirrored plan.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.band.factor import log_determinant
from jaxent.band.plan import BandPlan
from jaxent.band.quadrature import FLOOR, Rule, fitted_rule

__all__ = ["BandedEntropy", "band_columns", "evaluate", "is_certain", "rule_for"]


class BandedEntropy(NamedTuple):
    """An entropy and what bounds its error, in bits.

    Attributes:
        entropy: E (or the Rényi entropy asked for).
        log_probability: log p of the outcomes, natural.
        quadrature_error: bound on the error of the quadrature, measured on the fitted rule.
    """

    entropy: jax.Array | np.ndarray
    log_probability: jax.Array | np.ndarray
    quadrature_error: jax.Array | np.ndarray


def evaluate(plan: BandPlan, time=None, phase_offset=None, order: float = 1.0) -> BandedEntropy:
    """Entropy of the end-to-end state from one plan.

    Args:
        plan: of one time.
        time: t, a float close to `plan.time` (within a few percent of the kernel's width over the largest |d|,
            about 1/N); None: that time itself.
        phase_offset: φ close to `plan.phase_offset`, only for a mirrored plan; None: that offset itself.
        order: α of the Rényi entropy; 1 is the von Neumann entropy, 1/2 the log negativity.

    Returns:
        BandedEntropy: scalars.
    """
    rule = rule_for(plan, order)
    power = _power(plan)
    columns = band_columns(plan, time, phase_offset)
    scale = jax.lax.stop_gradient(jnp.max(jax.vmap(_largest_row)(columns)))  # at least the largest |y|
    scale = jnp.where(scale > 0, scale, 1.0)
    columns = columns / scale
    logs = _log_determinants(columns, rule.nodes, plan.mirrored)
    trace, square = jnp.sum(columns[..., -1]), jnp.sum(columns**2) + jnp.sum(columns[..., :-1] ** 2)
    moments = square[None] if plan.mirrored else jnp.stack([trace, square])[: rule.moment_weights.shape[1]]
    other, norm = jnp.asarray(rule.log_weights) @ logs + jnp.asarray(rule.moment_weights) @ moments
    size = moments[0] + FLOOR * columns.shape[0] * jnp.sum(jnp.asarray(plan.roots) > 0)  # padding adds no error
    other_error, norm_error = rule.errors * size
    relative = norm_error / norm
    log_norm = jnp.log(norm)
    if order == 1.0:
        entropy = log_norm - power * other / norm
        error = (power * other_error + jnp.abs(power * other) * relative) / norm + relative
    else:
        entropy = (jnp.log(other) - order * log_norm) / (1 - order)
        error = (other_error / other + order * relative) / abs(1 - order)
    log_probability = log_norm + 2 * power / (1 + (not plan.mirrored)) * jnp.log(scale)
    return BandedEntropy(entropy / math.log(2), log_probability, error / math.log(2))


def rule_for(plan: BandPlan, order: float = 1.0) -> Rule:
    """The quadrature rule of a plan, for the sums Σ λ log λ (or Σ λ^α) and Σ λ."""
    power = _power(plan)
    wanted = (float(power), True) if order == 1.0 else (power * order, False)
    return fitted_rule(
        wanted,
        (float(power), False),
        moments=1 if plan.mirrored or power == 1 else 2,
        tolerance=plan.tolerance / 200,
    )


def is_certain(plan: BandPlan, order: float = 1.0) -> bool:
    """Whether a quadrature rule is good enough for the plan's tolerance."""
    amplified = 1.0 if order == 1.0 else max(1.0, 1 / abs(1 - order))
    return bool(amplified * rule_for(plan, order).errors.max() <= plan.tolerance / 100)


def _log_determinants(columns, nodes: np.ndarray, mirrored: bool) -> jax.Array:
    """Σ_i log|1 + x_i/z| over all sectors for each node z; x = y, or y² if mirrored."""

    def at(shifts):
        return jax.vmap(lambda z: jnp.sum(jax.vmap(lambda a: log_determinant(a, z))(columns)))(jnp.asarray(shifts))

    if not mirrored:
        return at(nodes)
    # 1 + y²/z = (1 + y/i√z)(1 - y/i√z), whose factors are equal in magnitude for positive z
    root = 1j * np.sqrt(nodes)
    return at(root) + at(-root) if np.iscomplexobj(nodes) else 2 * at(root)


def _power(plan: BandPlan) -> int:
    """Of y² (mirrored) or of y, in the Schmidt probabilities."""
    return 1 if plan.mirrored else plan.chain.n_ensembles - 1


def band_columns(plan: BandPlan, time=None, phase_offset=None) -> jax.Array:
    """The band matrices of all sectors by columns, shape (sectors, n, b + 1)."""
    n_atoms = plan.chain.n_atoms
    phases = jnp.asarray(plan.phases)
    if time is not None:
        phases = phases + jnp.asarray(plan.slopes) * (time - plan.time)
    if phase_offset is not None and plan.mirrored:
        phases = phases + (phase_offset - plan.phase_offset) / (4 * np.pi)
    index = jnp.arange(plan.n_states)[:, None] - jnp.arange(plan.half_bandwidth + 1)[::-1]
    inside, index = index >= 0, jnp.maximum(index, 0)
    roots = jnp.asarray(plan.roots)
    frame = roots[:, None] * jnp.where(inside, roots[index], 0.0)
    here, there = phases[:, None], phases[index]
    if not plan.mirrored:
        close, folded = (dicke.cos_power(n_atoms, (here + sign * there) / 2) for sign in (-1, 1))
        return jnp.stack([frame * (close + folded), frame * (close - folded)])
    if plan.outcome == n_atoms:
        return (frame * dicke.cos_power(n_atoms, (here + there) / 2))[None]
    return (frame * dicke.x_overlap(n_atoms, plan.outcome, (here + there) / 2))[None]


def _largest_row(columns: jax.Array) -> jax.Array:
    """The largest sum of magnitudes in a row, which no eigenvalue exceeds."""
    size, width = columns.shape
    magnitudes = jnp.abs(columns)
    offset = jnp.arange(1, width)
    row = jnp.arange(size)[:, None] + offset
    beside = jnp.where(row < size, magnitudes[jnp.minimum(row, size - 1), width - 1 - offset], 0.0)
    return jnp.max(jnp.sum(magnitudes, axis=1) + jnp.sum(beside, axis=1))
