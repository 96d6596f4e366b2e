"""Compute the Fourier coefficients of the kernel of a measured even ensemble, for pairs of angles a resonance apart.

With c_m = ⟨q|m⟩ √w_m, f_q(α) = Σ_m c_m e^(imα), and dephasing γ_2, the kernel of `noise.measured_ensemble` at the
angles x ∓ jt/2 is

    g(x - jt/2, x + jt/2) = Σ_ν e^(-2γ_2 t ν²) cos(νx) R_jν,
    R_jν = Σ_μ c_(μ+ν/2) c_(μ-ν/2) cos(μjt) = (1/2π) ∫ f_q(α) f_q(α + jt) cos(ν(α + jt/2)) dα,

the sum over ν running over all integers. f_q is a peak at ±α_q, cos²(α_q/2) = q/N, about 1/√N wide, so the integral is
a trapezoidal sum over a few dozen points at any N; its error is below rounding. R_j vanishes unless jt is within about
10/√N of 0 or ±2α_q modulo 2π. An imperfect measurement (`jaxent.measurement`) has its own kernel in place of the
product of two f_q, over a wider peak.
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import dicke
from jaxent.band import phases
from jaxent.measurement import REACH, Records, joint_amplitudes, loss_amplitudes, survival_and_flips
from jaxent.runtime import threads
from jaxent.times import cos_sin_turns, shared_bound, time_value, turns

__all__ = [
    "Nodes",
    "at_angles",
    "coefficients",
    "damped",
    "limit_coefficients",
    "nodes",
    "real_and_imaginary",
    "sizes_of_hops",
]

_WIDTHS = 18.0  # half-width of a peak of f_q, in units of 1/√N; f_q is below 1e-17 beyond, if broadest (q = N)
_PIECE = 2**12  # points that are evaluated at once
_FEW_TERMS = 64
_HOPS = 64  # hops whose losses are computed at once
_WHOLE_CIRCLE = 1024  # below so many atoms the sum runs over the whole circle, and is exact


class Nodes(NamedTuple):
    """Hold the points α of the trapezoidal sum: α/4π in turns, and dα/2π (host arrays; padding has weight 0)."""

    half_turns: np.ndarray
    weights: np.ndarray


def nodes(n_atoms: int, outcome: Any, n_frequencies: int, time: Any = None) -> Nodes:
    """Choose the points for N, q or a record, and |ν| < `n_frequencies`; the time matters for a record only."""
    if n_atoms <= _WHOLE_CIRCLE:
        count = n_atoms + n_frequencies + 1
        return _padded(np.arange(count) / (2 * count), np.full(count, 1 / count))
    width = _WIDTHS / math.sqrt(n_atoms)
    if isinstance(outcome, Records):
        kept, flipped = (float(one) for one in survival_and_flips(outcome, time))
        # of the atoms that may be counted, each is found in |+⟩ with probability flipped + contrast cos²(α/2)
        counted = max(n_atoms - float(outcome.lost) if outcome.counted else n_atoms * kept, 1.0)
        centre = min(max(float(outcome.counts) / counted, flipped), 1 - flipped)
        spread = REACH * math.hypot(0.5 / math.sqrt(counted), float(outcome.resolutions) / counted)
        contrast = 1 - 2 * flipped
        bounds = [(centre + sign * spread - flipped) / contrast if contrast > 0 else (1 + sign) / 2 for sign in (1, -1)]
        low, high = (2 * math.acos(math.sqrt(min(max(bound, 0.0), 1.0))) for bound in bounds)
        return _around(n_atoms, low - width, high + width, n_frequencies)
    peak = 2 * math.atan2(math.sqrt(n_atoms - outcome), math.sqrt(outcome))
    return _around(n_atoms, peak - width, peak + width, n_frequencies)


@functools.lru_cache(maxsize=64)
def _around(n_atoms: int, low: float, high: float, n_frequencies: int) -> Nodes:
    """Lay points over low ≤ |α| ≤ high."""
    if low <= 0 and high >= math.pi:
        intervals = [(-math.pi, math.pi)]
    elif low <= 0:
        intervals = [(-high, high)]
    elif high >= math.pi:
        intervals = [(low, 2 * math.pi - low)]
    else:
        intervals = [(-high, -low), (low, high)]
    # frequencies of the product: k - k' up to 8√N, and ν; points of all intervals lie on one grid
    count = math.ceil(8 * math.sqrt(n_atoms)) + 2 * n_frequencies
    step = 2 * math.pi / count
    points = [np.arange(math.ceil(low / step), math.floor(high / step) + 1) for low, high in intervals]
    chosen = np.concatenate(points)[:count]  # a whole circle has its first point once
    return _padded(chosen / (2 * count), np.full(len(chosen), 1 / count))


def _padded(half_turns: np.ndarray, weights: np.ndarray) -> Nodes:
    missing = max(64, 2 ** (len(weights) - 1).bit_length()) - len(weights)
    return Nodes(np.pad(half_turns, (0, missing)), np.pad(weights, (0, missing)))


def coefficients(
    n_atoms, outcome, nodes: Nodes, hops: np.ndarray | jax.Array, largest: int, time, n_frequencies: int
) -> jax.Array:
    """Compute 2 R_jν (R_j0 for ν = 0), which multiplies cos(νx) for ν ≥ 0.

    Args:
        n_atoms: N.
        outcome: q, or `Records` of one ensemble; if it may lose atoms the result is complex.
        nodes: from `nodes`.
        hops: j, integers of shape (J,).
        largest: a bound on |j|.
        time: t, a float or a `PiFraction`; differentiable.
        n_frequencies: ν = 0…n_frequencies-1.

    Returns:
        array of shape (J, n_frequencies).
    """
    half_turns, weights = jnp.asarray(nodes.half_turns), jnp.asarray(nodes.weights)
    shifts = turns(jnp.asarray(hops), time, 1, largest)  # jt/2
    products = weights * _products(n_atoms, outcome, time, half_turns, shifts, hops, largest)
    frequencies = jnp.arange(n_frequencies)
    waves = cos_sin_turns(_wound(frequencies, 2 * half_turns))  # e^(iνα), (ν, points)
    real, imaginary = (jnp.matmul(products, part.T.astype(products.dtype), precision="highest") for part in waves)
    cosines, sines = cos_sin_turns(_wound(frequencies, shifts).T)  # e^(iνjt/2), (j, ν)
    return (real * cosines - imaginary * sines) * jnp.where(frequencies > 0, 2.0, 1.0)


def _products(n_atoms, outcome, time, half_turns, shifts, hops, largest):
    """Compute f_q(α) f_q(α + jt), or the kernel of a record, over (j, α)."""
    there = half_turns[None, :] + shifts[:, None]
    lossy = isinstance(outcome, Records) and outcome.lossy
    loss = loss_amplitudes(outcome, time, -jnp.asarray(hops), largest)[:, None] if lossy else None
    return _product(n_atoms, outcome, time, half_turns[None, :], there, loss)


def _product(n_atoms, outcome, time, here, there, loss=None):
    """Compute f_q(α) f_q(α'), or the kernel of a record, for α/2 and α'/2 in turns."""
    if isinstance(outcome, Records):
        return joint_amplitudes(n_atoms, outcome, time, here, there, loss)
    quantum = jnp.asarray(outcome)
    return dicke.overlap(n_atoms, quantum, here) * dicke.overlap(n_atoms, quantum, there)


def real_and_imaginary(table: jax.Array) -> jax.Array:
    """Stack the real and the imaginary parts of complex coefficients as separate hops, of shape (2J, n_frequencies)."""
    return jnp.concatenate([table.real, table.imag])


def limit_coefficients(hops, largest: int, time, n_frequencies: int) -> jax.Array:
    """Compute `coefficients` for N → ∞, q = N and hops with jt ≡ 0 modulo 2π: R_jν = cos(νjt/2) = ±1."""
    shifts = turns(jnp.asarray(hops), time, 1, largest)
    frequencies = jnp.arange(n_frequencies)
    return cos_sin_turns(_wound(frequencies, shifts).T)[0] * jnp.where(frequencies > 0, 2.0, 1.0)


def sizes_of_hops(n_atoms: int, outcome: Any, nodes: Nodes, hops: np.ndarray, time) -> np.ndarray:
    """Bound max_ν |R_jν| / R_00 by ∫ |f_q(α) f_q(α + jt)| dα / ∫ f_q² dα for each hop j; host array, at most 1."""
    counted = nodes.weights > 0
    half_turns, weights = nodes.half_turns[counted], nodes.weights[counted]
    each = np.append(hops, 0)
    there = half_turns + phases.multiples(each, phases.reduced(time))[:, None]
    sums = _magnitudes(n_atoms, outcome, time, half_turns, there, each) @ weights
    with np.errstate(invalid="ignore"):  # NaN where the outcome is impossible
        return np.minimum(sums[:-1] / sums[-1], 1.0)


def _magnitudes(n_atoms: int, outcome: Any, time, half_turns: np.ndarray, there: np.ndarray, hops: np.ndarray):
    """Compute |f_q(α) f_q(α + jt)|, or the magnitude of a record's kernel, over (j, α), in pieces of one size."""
    read, value = (outcome, float(time_value(time))) if isinstance(outcome, Records) else (jnp.asarray(outcome), None)
    each = [half_turns, there]
    if isinstance(outcome, Records) and outcome.lossy:
        padded = np.pad(hops, (0, -len(hops) % _HOPS))
        losses = _losses(outcome, value, jnp.asarray(padded), shared_bound(int(abs(hops).max())))
        each.append(np.asarray(losses)[: len(hops), None])
    points = [np.broadcast_to(one, there.shape).ravel() for one in each]
    pieces = [np.pad(one, (0, -there.size % _PIECE)).reshape(-1, _PIECE) for one in points]

    def run(piece):
        return np.asarray(_magnitude(n_atoms, read, value, *map(jnp.asarray, piece)))

    tiles = list(zip(*pieces, strict=True))
    most = len(tiles) if isinstance(outcome, Records) and outcome.n_terms > _FEW_TERMS else 1  # what pays for threads
    found = dict(threads.side_by_side(run, tiles, most))
    return np.concatenate([found[place] for place in range(len(tiles))])[: there.size].reshape(there.shape)


@functools.partial(jax.jit, static_argnums=(3,))
def _losses(outcome, time, hops, largest):
    return loss_amplitudes(outcome, time, -hops, largest)


@jax.jit
def _magnitude(n_atoms, outcome, time, here, there, loss=None):
    return jnp.abs(_product(n_atoms, outcome, time, here, there, loss))


def _wound(frequencies: jax.Array, angles: jax.Array) -> jax.Array:
    """Multiply angles in turns by integers: (frequencies, angles), modulo one turn."""
    product = frequencies[:, None].astype(angles.dtype) * angles[None, :]
    return product - jnp.round(product)


def at_angles(table: jax.Array, angles: jax.Array) -> jax.Array:
    """Sum Σ_ν T_jν cos(νx) for angles x in turns.

    Args:
        table: T of shape (J, n_frequencies), with its damping.
        angles: x in turns, shape (n,).

    Returns:
        array of shape (n, J).
    """
    cosines = cos_sin_turns(_wound(jnp.arange(table.shape[1]), angles))[0]
    return jnp.matmul(cosines.T, table.T, precision="highest")


def damped(table: jax.Array, strength: jax.Array) -> jax.Array:
    """Multiply the columns ν of a table by e^(-2 γ_2 t ν²)."""
    squares = jnp.arange(table.shape[1], dtype=table.dtype) ** 2
    return table * jnp.exp(-2 * strength * squares)
