"""Multiply by the partial transpose of three dephasing ensembles as a stencil on the grid of both ends.

X = ρ^(T_1) couples the ends' states (a, b) to (a - p, b - r), which here is called a hop:

    X[(a,b), (a-p, b-r)] = √(w_a w_b w_(a-p) w_(b-r)) e^(-2γ_1 t p² - 2γ_3 t r²) g_j(u - p),   u = a - b, j = p + r,

with the kernel of `noise.measured_ensemble` between two differences of the ends that are j apart,

    g_j(i) = g(it + φ, (i+j)t + φ) = Σ_ν e^(-2γ_2 t ν²) cos(ν((i + j/2)t + φ)) R_jν,
    R_jν = Σ_μ c_(μ+ν/2) c_(μ-ν/2) cos(μjt),   c_m = ⟨q|m⟩√w_m.

Dephasing makes hops short, and R_j is negligible unless jt (for q = N) is close to a multiple of 2π: a few dozen hops
are left at generic times, hundreds at t = 2πp/r. A product with X is then a shifted multiply-add of D × D numbers for
each hop, where `noise.stochastic` takes 2D - 1 products of D × D matrices.

The cut is proven. A hop is a matrix of at most one element in each row and column, so its trace norm is the sum of
|elements|, which is at most e^(-2γ_1 t p² - 2γ_3 t r²) Tr ρ by |g(α, α')|² ≤ g(α, α) g(α', α') and the inequality of
Cauchy and Schwarz. Off resonance, |g_j| ≤ Σ_ν e^(-2γ_2 t ν²) |R_jν| is less. The bounds of the hops left out add up to
at most `CUT` Tr ρ.

The grid has a row for each u modulo L and a column for each b, L = D + guard: a hop shifts it as a whole, what it moves
out of the window falls on guard sites, which are zero, and the multiplier of a row is one number for b < L - u, where
a = u + b, and another one beyond, where a = u + b - L. Arguments are not checked here.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.bloch import kernel
from jaxent.measurement import Records
from jaxent.noise import measured_ensemble
from jaxent.numerics import rounding
from jaxent.protocol import matrix_product, sizes
from jaxent.times import cos_sin_turns, turns, turns_of_products

__all__ = ["CUT", "Hops", "Stencil", "of_problem", "product", "root_grid", "sheared", "squared_norm"]

CUT = 5e-7  # of the trace norm that hops left out may add up to: 7e-7 bits
_REACH = 46.0  # exponent of the damping beyond which hops, and orders ν, are not listed: 1e-20
_MOST_HOPS = 2**24  # pairs (p, r) among which hops are chosen
_MOST_TERMS = 2**24  # elements of the tables of which R is the product
_AT_ONCE = 8  # hops of one pass over the grid, which is bound by memory


class Hops(NamedTuple):
    """Hold the hops, `_AT_ONCE` in each row; those that fill up the last rows have the factor 0.

    Attributes:
        lag_index: row of the table of g_j, integers of shape (steps, _AT_ONCE).
        first: p, likewise.
        last: r, likewise.
        factor: e^(-2γ_1 t p² - 2γ_3 t r²), likewise.
    """

    lag_index: jax.Array
    first: jax.Array
    last: jax.Array
    factor: jax.Array


class Stencil(NamedTuple):
    """Hold a partial transpose of trace one as hops.

    Attributes:
        guard: number of guard sites, at least the largest |p| and |r|.
        table: g_j(i) / Tr ρ for each lag j and i = -(D-1)…D-1, shape (lags, 2D-1).
        hops: the hops.
        n_hops: how many there are.
        dropped: bound on the trace norm of all hops left out.
        log_trace: log Tr ρ, a scalar.
        lost: relative rounding error of the table, a scalar.
    """

    guard: int
    table: jax.Array
    hops: Hops
    n_hops: int
    dropped: float
    log_trace: jax.Array
    lost: jax.Array


# ------------------------------------------------------------------- which hops


def of_problem(chain, time, strengths, outcome, offset, all_outcomes_n, cut=CUT) -> Stencil | None:
    """Choose the hops of a partial transpose and tabulate their multipliers.

    Args:
        chain: of three ensembles.
        time: one time that is known, checked.
        strengths: γ_1 t, γ_2 t, γ_3 t, known, shape (3,).
        outcome: q, integer scalar, or known `Records` of one ensemble that loses no atoms.
        offset: φ in radians, scalar.
        all_outcomes_n: whether q is known to be N.
        cut: bound on the trace norm of all hops left out, divided by Tr ρ.

    Returns:
        Stencil; None where so little is damped that listing the hops takes too long.
    """
    first, middle, last = (_reach(float(strength)) for strength in strengths)
    farthest = [min(reach, chain.dimension - 1) for reach in (first, last)]
    n_states = measured_ensemble.n_summed_states(chain.n_atoms)
    n_orders, n_lags = sizes.bucket(min(middle, n_states - 1) + 1), sizes.bucket(sum(farthest) + 1)
    n_pairs = (farthest[0] + 1) * (2 * farthest[1] + 1)
    if n_pairs > _MOST_HOPS or 2 * n_states * max(n_orders, n_lags) > _MOST_TERMS:
        return None
    both, bounds = _resonances(
        *(chain, n_orders, n_lags, all_outcomes_n),
        *(time, strengths[1], outcome, offset),
        kernel.nodes(chain.n_atoms, outcome, n_orders, time) if isinstance(outcome, Records) else None,
    )
    p, r, factor, dropped = _chosen(farthest, np.asarray(strengths, float), np.asarray(bounds, float), cut)
    lags, index = np.unique(p + r, return_inverse=True)
    filled = np.pad(lags, (0, sizes.bucket(len(lags)) - len(lags)))
    weights = jnp.asarray(_table_weights(chain, filled), offset.dtype)
    table, log_trace, lost = _table(chain, time, both, jnp.asarray(filled), weights, offset)
    guard = min(sizes.bucket(int(max(abs(p).max(), abs(r).max(), 1))), chain.dimension)
    n_steps = sizes.bucket(-(-len(p) // _AT_ONCE))
    fill = (0, n_steps * _AT_ONCE - len(p))
    index, p_filled, r_filled = (np.pad(x, fill).reshape(n_steps, _AT_ONCE).astype(np.int32) for x in (index, p, r))
    factor = jnp.asarray(np.pad(factor, fill).reshape(n_steps, _AT_ONCE), offset.dtype)
    hops = Hops(jnp.asarray(index), jnp.asarray(p_filled), jnp.asarray(r_filled), factor)
    return Stencil(guard, table, hops, len(p), dropped, log_trace, lost)


def _reach(strength: float) -> int:
    """Return the largest difference k - k' at which dephasing leaves 1e-20 of a coherence."""
    reach = math.sqrt(_REACH / (2 * strength)) if strength > 0 else math.inf
    return math.ceil(min(reach, 2.0**53))


def _chosen(farthest, strengths, bounds, cut):
    """Choose hops by their bounds: p, r, the damping of each, and the sum of the bounds of those left out.

    A hop and its reverse, the transposed matrix, are chosen or left out together.
    """
    p, r = np.meshgrid(np.arange(farthest[0] + 1), np.arange(-farthest[1], farthest[1] + 1), indexing="ij")
    half = (p > 0) | (r > 0)
    p, r = p[half], r[half]
    factor = np.exp(-2 * (strengths[0] * p**2 + strengths[2] * r**2))
    pairs = 2 * factor * bounds[abs(p + r)]
    order = np.argsort(pairs)
    sums = np.cumsum(pairs[order])
    n_dropped = int(np.searchsorted(sums, cut, side="right"))
    kept = np.sort(order[n_dropped:])
    p, r, factor = p[kept], r[kept], factor[kept]
    dropped = float(sums[n_dropped - 1]) if n_dropped else 0.0
    zero = np.zeros(1, int)
    return (
        np.concatenate([-p[::-1], zero, p]),
        np.concatenate([-r[::-1], zero, r]),
        np.concatenate([factor[::-1], np.ones(1), factor]),
        dropped,
    )


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _resonances(chain, n_orders, n_lags, all_outcomes_n, time, strength, outcome, offset, nodes):
    """Compute e^(-2γ_2 t ν²) R_jν for j, ν ≥ 0 and bounds on |g_j| / Tr ρ, at most 1.

    For a record they are integrals over the angle, by the points `nodes`.

    Returns:
        the coefficients of the cosines in g_j, of shape (n_orders, n_lags), as they are and perturbed by their rounding
        errors, and bounds of shape (n_lags,).
    """
    states, _ = measured_ensemble.summed_states(chain.n_atoms)
    n_states = len(states)
    doubled = 2 * states[0] - chain.n_atoms + np.arange(2 * n_states - 1)  # 2μ
    lags, orders = np.arange(n_lags), np.arange(n_orders)
    phase = turns_of_products(doubled, lags, time, 1)
    sums = jax.lax.broadcasted_iota(int, (n_orders, 2 * n_states - 1), 1)
    order = jax.lax.broadcasted_iota(int, (n_orders, 2 * n_states - 1), 0)
    upper, lower = (sums + order) // 2, (sums - order) // 2
    exist = ((sums - order) % 2 == 0) & (lower >= 0) & (upper < n_states)
    decay = measured_ensemble.damping(orders, strength) * jnp.asarray(np.where(orders > 0, 2.0, 1.0), strength.dtype)

    def coefficients(wrong):
        if isinstance(outcome, Records):
            largest = 2 ** int(n_lags).bit_length()
            table = kernel.coefficients(chain.n_atoms, outcome, nodes, lags, largest, time, n_orders).T
            found = table * measured_ensemble.damping(orders, strength)[:, None]
            signs = jnp.asarray(matrix_product.signs_of(found.shape, 6), found.dtype)
            error = rounding.epsilon(found.dtype) * (8 + chain.n_atoms / 8) * jnp.abs(found[:, :1]) * signs
            return found + error if wrong else found
        c = measured_ensemble.coefficients(chain.n_atoms, outcome, all_outcomes_n, offset.dtype, wrong)
        products = jnp.where(exist, c[jnp.clip(upper, 0, n_states - 1)] * c[jnp.clip(lower, 0, n_states - 1)], 0.0)
        size = matrix_product.turns_size(np.multiply(abs(doubled).max(), lags), time)
        moved = matrix_product.angle_error(phase, size, 0.0) if wrong else 0.0
        sums_of_products = jnp.matmul(products, cos_sin_turns(phase + moved)[0], precision="highest")
        return sums_of_products * (matrix_product.roundings(decay) if wrong else decay)[:, None]

    found = coefficients(False)
    middle, _ = _kernel(chain, time, found[:, :1], jnp.zeros(1, int), offset)
    trace = jnp.sum(middle[0] * jnp.asarray(_pair_weights(chain), middle.dtype))
    sizes_of_lags = jnp.sum(jnp.abs(found), axis=0)
    return (found, coefficients(True)), jnp.where(sizes_of_lags < trace, sizes_of_lags / trace, 1.0)


def _pair_weights(chain) -> np.ndarray:
    """Compute Σ_b w_(b+d) w_b for the differences d = -(D-1)…D-1."""
    differences, weights = sizes.pair_weights(chain)
    missing = chain.dimension - 1 - int(differences[-1])
    return np.pad(weights, missing)


def _table_weights(chain, lags) -> np.ndarray:
    """Weight each g_j(i), over lags and differences, by the weights of the states that have it as an element."""
    pairs = _pair_weights(chain)
    other = np.arange(len(pairs)) + lags[:, None]  # of the difference i + j
    inside = (other >= 0) & (other < len(pairs))
    return pairs * np.where(inside, pairs[other.clip(0, len(pairs) - 1)], 0.0)


@functools.partial(jax.jit, static_argnums=0)
def _table(chain, time, both, lags, weights, offset):
    """Tabulate g_j(i) / Tr ρ over lags and differences; also log Tr ρ and the relative rounding error."""
    (table, _), (_, wrong) = (_kernel(chain, time, found[:, jnp.abs(lags)], lags, offset) for found in both)
    at_zero = jnp.argmin(jnp.abs(lags))
    pairs = jnp.asarray(_pair_weights(chain), table.dtype)
    trace = jnp.sum(pairs * table[at_zero])
    lost = jnp.maximum(
        matrix_product.lost_by_values(table[at_zero], wrong[at_zero], pairs),
        matrix_product.lost_by_values(table, wrong, weights),
    )
    safe = jnp.where(trace > 0, trace, 1.0)
    return table / safe, jnp.where(trace > 0, jnp.log(safe), -jnp.inf), lost


def _kernel(chain, time, coefficients, lags, offset):
    """Compute g_j(i) from coefficients of shape (orders, lags), with phases as they are and perturbed by rounding."""
    differences = np.arange(1 - chain.dimension, chain.dimension)
    orders = np.arange(coefficients.shape[0])
    largest = 2 * (chain.dimension - 1) * len(orders)
    across = turns(jnp.asarray(orders)[:, None] * lags[None, :], time, 1, largest)  # νjt/2
    turned = jnp.asarray(orders, offset.dtype)[:, None] * (offset / (2 * jnp.pi))
    along = turns_of_products(orders, differences, time) + turned  # ν(it + φ)
    size = matrix_product.turns_size(2 * np.multiply(orders.max(), differences), time)
    moved = matrix_product.angle_error(along, size, float(2 * orders.max()) * offset)

    def values(phase):
        (cosines, sines), (cosine, sine) = cos_sin_turns(phase), cos_sin_turns(across)
        even = jnp.matmul((coefficients * cosine).T, cosines, precision="highest")
        return even - jnp.matmul((coefficients * sine).T, sines, precision="highest")

    return values(along), values(along + moved)


# ------------------------------------------------------------------- the product


def sheared(matrix, guard):
    """Place a D × D array over (a, b) on the grid: element (a, b) in the row a - b modulo L, the column b."""
    size = matrix.shape[0]
    side = size + guard
    columns = jnp.pad(matrix.T, ((0, guard), (0, guard)))
    twice = jnp.concatenate([columns, columns], axis=1)
    # a row that is one longer than the array's moves each column of the grid by one against the last
    flat = jnp.pad(twice.reshape(-1), (0, side))
    return flat.reshape(side, 2 * side + 1)[:, :side].T


def root_grid(chain, guard, dtype):
    """Compute √(w_a w_b) on the grid, 0 on its guard sites."""
    root = jnp.exp(dicke.log_weights(chain.n_atoms, chain.window) / 2).astype(dtype)
    return sheared(jnp.outer(root, root), guard)


def product(table, hops, root):
    """Build the map v → X v for v on the grid.

    Args:
        table: as in `Stencil`.
        hops: as in `Stencil`.
        root: √(w_a w_b) on the grid, shape (L, L).
    """
    size, side = (table.shape[1] + 1) // 2, root.shape[0]
    guard = side - size
    middle = side + guard  # place of the difference 0
    wide = jnp.pad(table, ((0, 0), (middle - size + 1, middle - size)))
    beyond = side - jax.lax.broadcasted_iota(np.int32, root.shape, 0)  # first column where a = u + b - L
    column = jax.lax.broadcasted_iota(np.int32, root.shape, 1)

    def along(vector):
        scaled = root * vector
        # rows are periodic; what a shift brings in from beyond the columns falls on guard sites, or comes from them
        rows = jnp.concatenate([scaled[side - 2 * guard :], scaled, scaled[: 2 * guard]])
        padded = jnp.pad(rows, ((0, 0), (guard, guard)))

        def step(total, some):
            for index, p, r, factor in zip(*some, strict=True):
                here = jax.lax.dynamic_slice(wide, (index, middle - p), (1, side))[0] * factor
                there = jax.lax.dynamic_slice(wide, (index, guard - p), (1, side))[0] * factor
                moved = jax.lax.dynamic_slice(padded, (2 * guard - p + r, guard - r), (side, side))
                total = total + jnp.where(column < beyond, here[:, None], there[:, None]) * moved
            return total, None

        return jax.lax.scan(step, jnp.zeros_like(root), hops)[0] * root

    return along


def squared_norm(table, hops, root):
    """Compute Tr X², the sum of the squared elements, by the product with squares."""
    squares = hops._replace(factor=hops.factor**2)
    return jnp.sum(product(table**2, squares, root**2)(jnp.ones_like(root)))
