"""Average the coherences of a measured ensemble over its dephasing, for neighbouring differences of the ends.

All that collective spins ask of the measured ensemble are the products of amplitudes f at α - t, α and α + t,
α = (k_1 - k_3) t + φ. They are taken as the combinations

    A = f(α)²,   H = [f(α+t) - f(α-t)]²/4,   O = [f(α+t) - 2f(α) + f(α-t)]²/4,
    X = [f(α+t) - f(α-t)] [f(α+t) - 2f(α) + f(α-t)]/4,

since variances are sums of these: for t ~ 1/N the amplitudes differ by little, and H ~ A/N, O ~ A/N². The difference
of two amplitudes comes from the logarithm of their ratio,

    f(y+h)/f(y-h) = [(1 - tan y tan h) / (1 + tan y tan h)]^q [(1 + tan h / tan y) / (1 - tan h / tan y)]^(N-q),

y and h half angles, which keeps its digits. An imperfect measurement has g(α, α') in place of f(α) f(α'), and
combinations are plain differences; where atoms are lost g has an imaginary part, and Im g(α, α+t) and the like follow.

Dephasing is a normal random phase sξ, s = 2√(γt), added to α. Two sums of positive terms average over it: for
s√N ≤ 1 a trapezoidal rule in ξ, beyond it one in the angle of the measured ensemble, over its peaks at ±α_q and
±α_q ± t, which are about 1/√N wide. Both converge faster than any power, and their errors are below rounding.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import arguments, dicke
from jaxent.measurement import Records, joint_amplitudes, loss_amplitudes
from jaxent.times import cos_sin_turns, turns

__all__ = ["Case", "averaged", "combinations", "least_log_probability", "likelihoods", "may_dephase", "n_rows"]

_NEAR = 0.3  # |tan y tan h| up to which a difference is taken from the ratio
_STEP = 0.38  # of ξ; the error of the rule is below 1e-17 for s√N ≤ 1
_REACH = 9.2  # of ξ, in standard deviations
_WIDTH = 13.0  # half-width of a peak of f², in units of 1/√N
_BAND = 9.2  # frequencies of f² and of a normal of width 1/√N, in units of √N
_LEAST = 2.5e-14  # γtN that is added
_LEAST_AT_ZERO = math.log(1e-5)
_ONE_IMAGE = 0.055  # width in turns up to which one image of a wrapped normal is enough


class Case(NamedTuple):
    """Hold what the averages depend on.

    Attributes:
        n_atoms: N, static.
        dephased: whether the measured ensemble may dephase, static.
        time: one time.
        strength: γ t of the measured ensemble.
        read: q, an integer scalar, or `Records` of one ensemble.
        offset: φ.
    """

    n_atoms: int
    dephased: bool
    time: Any
    strength: Any
    read: Any
    offset: Any


def n_rows(read: Any) -> int:
    """Count the combinations: A, H, O, X, and three imaginary parts where atoms are lost."""
    return 7 if isinstance(read, Records) and read.lossy else 4


def may_dephase(dephasing_rate: Any) -> bool:
    """Tell whether the rate of the measured ensemble of three is traced, or not 0."""
    rates = getattr(dephasing_rate, "rates", dephasing_rate)
    if rates is not dephasing_rate or np.ndim(rates) == 1:
        rates = jnp.asarray(rates)[..., 1]
    return not arguments.is_zero(rates)


# ------------------------------------------------------------ without dephasing


def combinations(case: Case, half_angle: jax.Array) -> jax.Array:
    """Compute the combinations at angles α, given as α/2 in turns: shape (rows, *angles).

    With loss rows 4 to 6 are Im [g(α, α+t) + g(α-t, α)]/2, Im g(α-t, α+t) and Im [g(α-t, α) - g(α, α+t)]/2.
    """
    step = turns(np.ones(1, int), case.time, 1)[0]
    if isinstance(case.read, Records):
        return _of_record(case, half_angle, step)
    middle = dicke.overlap(case.n_atoms, case.read, half_angle)
    above = _difference(case, half_angle + step / 2, step / 2)
    below = _difference(case, half_angle - step / 2, step / 2)
    slope, bend = (above + below) / 2, (above - below) / 2
    return jnp.stack([middle**2, slope**2, bend**2, slope * bend])


def _difference(case: Case, centre, half_step):
    """Compute f(y + h) - f(y - h) for half angles y and h in turns."""
    n_atoms, quantum = case.n_atoms, case.read
    low = dicke.overlap(n_atoms, quantum, centre - half_step)
    plain = dicke.overlap(n_atoms, quantum, centre + half_step) - low
    cos, sin = cos_sin_turns(centre)
    cos_step, sin_step = cos_sin_turns(half_step)
    up, missing = quantum.astype(centre.dtype), (n_atoms - quantum).astype(centre.dtype)
    ones = jnp.ones_like(cos)
    # a power of zero has no say: its base is replaced
    first, second = jnp.where(up > 0, sin * sin_step, 0.0), jnp.where(missing > 0, cos * sin_step, 0.0)
    first_base, second_base = jnp.where(up > 0, cos * cos_step, ones), jnp.where(missing > 0, sin * cos_step, ones)
    near = (jnp.abs(first) < _NEAR * jnp.abs(first_base)) & (jnp.abs(second) < _NEAR * jnp.abs(second_base))
    first = jnp.where(near, first, 0.0) / jnp.where(near, first_base, 1.0)
    second = jnp.where(near, second, 0.0) / jnp.where(near, second_base, 1.0)
    log_ratio = 2 * missing * jnp.arctanh(second) - 2 * up * jnp.arctanh(first)
    near = near & (jnp.abs(jax.lax.stop_gradient(log_ratio)) < 1)
    return jnp.where(near, low * jnp.expm1(jnp.where(near, log_ratio, 0.0)), plain)


def _of_record(case: Case, half_angle, step):
    record = case.read

    def between(ket, bra, hops):
        loss = loss_amplitudes(record, case.time, np.array([hops]))[0] if record.lossy else None
        return joint_amplitudes(case.n_atoms, record, case.time, ket, bra, loss)

    low, high = half_angle - step, half_angle + step
    middle, below, above = (between(x, x, 0).real for x in (half_angle, low, high))
    up, down, across = between(half_angle, high, -1), between(low, half_angle, -1), between(low, high, -2)
    rows = [
        middle,
        (above + below - 2 * across.real) / 4,
        (above + below + 4 * middle + 2 * across.real - 4 * (up.real + down.real)) / 4,
        (above - below - 2 * up.real + 2 * down.real) / 4,
    ]
    if record.lossy:
        rows += [(up.imag + down.imag) / 2, across.imag, (down.imag - up.imag) / 2]
    return jnp.stack(rows)


# --------------------------------------------------------------- with dephasing


def averaged(case: Case, differences: np.ndarray) -> jax.Array:
    """Compute the combinations, averaged over the dephasing, for differences k_1 - k_3: shape (rows, n)."""
    return _averaged(case, differences, lambda x: combinations(case, x), True)


def likelihoods(case: Case, differences: np.ndarray) -> jax.Array:
    """Compute g(α, α), averaged over the dephasing, for differences k_1 - k_3: shape (n,)."""

    def likelihood(half_angle):
        if isinstance(case.read, Records):
            loss = loss_amplitudes(case.read, case.time, np.zeros(1, int))[0] if case.read.lossy else None
            return joint_amplitudes(case.n_atoms, case.read, case.time, half_angle, half_angle, loss).real[None]
        return dicke.overlap(case.n_atoms, case.read, half_angle)[None] ** 2

    return _averaged(case, differences, likelihood, False)[0]


def least_log_probability(case: Case, otherwise: float) -> jax.Array:
    """Return the log p down to which averages have nine digits: a rate that is traced and 0 is changed a little."""
    if not case.dephased:
        return jnp.asarray(otherwise)
    return jnp.where(_at_zero(case), max(_LEAST_AT_ZERO, otherwise), otherwise)


def _at_zero(case: Case) -> jax.Array:
    return case.strength <= 1e5 * _LEAST / case.n_atoms


def _averaged(case: Case, differences, function: Callable, with_neighbours: bool):
    turned = turns(differences, case.time, 1)
    half_angle = turned + case.offset / (4 * jnp.pi)
    if not case.dephased:
        return function(half_angle)
    # a root has no slope at 0: what is added changes averages there by 1e-14, and leaves nine digits of their slopes
    strength = jnp.where(_at_zero(case), case.strength + _LEAST / case.n_atoms, case.strength)
    deviation = jnp.sqrt(4 * strength) / (2 * jnp.pi)  # in turns
    angle = 2 * turned + case.offset / (2 * jnp.pi)
    narrow = jax.lax.stop_gradient(deviation) * 2 * jnp.pi * math.sqrt(case.n_atoms) <= 1
    return jax.lax.cond(
        narrow,
        lambda: _over_shifts(deviation / 2, half_angle, function),
        lambda: _over_angles(case, angle, deviation, function, with_neighbours),
    )


def _over_shifts(deviation, half_angle, function):
    """Average over ξ by a trapezoidal rule, the deviation is that of α/2, in turns."""
    side = math.ceil(_REACH / _STEP)
    nodes = _STEP * np.arange(-side, side + 1)
    weights = np.exp(-(nodes**2) / 2)
    weights = weights / weights.sum()

    def step(total, node):
        weight, place = node
        return total + weight * function(half_angle + deviation * place), None

    found = jax.eval_shape(function, half_angle)
    steps = (jnp.asarray(weights, found.dtype), jnp.asarray(nodes, found.dtype))
    return jax.lax.scan(step, jnp.zeros(found.shape, found.dtype), steps)[0]


def _over_angles(case: Case, angle, deviation, function, with_neighbours):
    """Average by a trapezoidal rule in the angle of the measured ensemble, where its amplitudes are not zero."""
    root = math.sqrt(case.n_atoms)
    count = math.ceil(2 * _BAND * root) + 3
    width = math.ceil(2 * _WIDTH / root * count / (2 * math.pi)) + 2
    if width >= count or isinstance(case.read, Records):
        places, weights = jnp.arange(count), jnp.ones(count, angle.dtype)
    else:
        quantum = case.read.astype(angle.dtype)
        peak = jnp.arctan2(jnp.sqrt(case.n_atoms - quantum), jnp.sqrt(quantum)) / jnp.pi
        hop = turns(np.ones(1, int), case.time)[0]
        hops = (-1, 0, 1) if with_neighbours else (0,)
        centres = jnp.stack([sign * peak + n * hop for sign in (1, -1) for n in hops])
        firsts = jnp.round(count * jax.lax.stop_gradient(centres)).astype(int) - width // 2
        places = jnp.mod(firsts[:, None] + jnp.arange(width)[None, :], count)
        # a place counts in the first window that holds it
        held = jnp.mod(places[:, :, None] - firsts[None, None, :], count) < width
        earlier = np.tril(np.ones((len(firsts), len(firsts)), bool), -1)[:, None, :]
        weights = jnp.where(jnp.any(held & earlier, axis=2), 0.0, 1.0).reshape(-1)
        places = places.reshape(-1)
    nodes = places.astype(angle.dtype) / count
    values = (weights / count)[None, :] * function(nodes / 2)  # (rows, nodes)
    return jax.lax.cond(
        jax.lax.stop_gradient(deviation) < _ONE_IMAGE,
        lambda: _sum_over_nodes(_one_image, values, nodes, angle, deviation),
        lambda: _sum_over_nodes(_all_images, values, nodes, angle, deviation),
    )


def _sum_over_nodes(density, values, nodes, angle, deviation):
    def step(total, node):
        place, value = node
        away = place - angle
        weight = density(away - jnp.round(away), deviation)
        return total + value[:, None] * weight[None, :], None

    start = jnp.zeros((values.shape[0], *angle.shape), values.dtype)
    return jax.lax.scan(step, start, (nodes, values.T))[0]


def _one_image(away, deviation):
    return jnp.exp(-((away / deviation) ** 2) / 2) / (math.sqrt(2 * math.pi) * deviation)


def _all_images(away, deviation):
    """Compute a wrapped normal, over turns, as a sum over images or as its Fourier series."""
    narrow = jnp.minimum(deviation, 0.3)
    direct = sum(_one_image(away + image, narrow) for image in range(-3, 4))
    waves = sum(
        jnp.exp(-2 * (math.pi * deviation * order) ** 2) * cos_sin_turns(order * away)[0] for order in range(1, 6)
    )
    return jnp.where(deviation < 0.3, direct, 1 + 2 * waves)
