"""The kernel g(α, α') of one record: what a measurement of one ensemble does to the coherences of its neighbours.

A neighbour turns the phase of each atom by α in the ket and α' in the bra. An atom ends in |±⟩ with the amplitude
product (up to a phase e^(i(α-α')/2), left out as in `protocol.matrix_product`)

    P_± = e^(-Γt) [(1 ± η)/2 cos(α/2) cos(α'/2) + (1 ∓ η)/2 sin(α/2) sin(α'/2)],    η = e^(-2γ_1 t),

or is lost, at a time that decides how far it was turned, with

    λ = ½ e^(-iδt/2) [Γt h(Γt - iδt) + 1 - e^(-Γt)],    h(z) = (1 - e^(-z))/z,    δt = α - α'.

All atoms together, with ℓ lost atoms that are counted or n = N and P_- + λ in place of P_- where they are not,

    g = C(N, ℓ) λ^ℓ Σ_q G(x - q) C(n, q) P_+^q P_-^(n-q),    n = N - ℓ.

G is normal with standard deviation σ, normalized over the records a whole number of atoms apart, Σ_(i∈Z) G(x + i) = 1,
so it is 1 at x = q for σ → 0 and the usual density for σ ≥ 1. Every term is bounded by the root of its values at
(α, α) and (α', α'), so nothing cancels beyond what the state itself does.

References: as `jaxent.Measurement`; the formulas were derived for this package and are checked against full simulations
of three-level atoms.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxent.measurement.record import Records
from jaxent.numerics.algebra import multiply
from jaxent.numerics.binomials import log_binomial
from jaxent.times import cos_sin_turns, time_value, turns, unit

__all__ = [
    "blurred",
    "densities",
    "fourier_matrix",
    "joint_amplitudes",
    "log_likelihood",
    "loss_amplitudes",
    "survival_and_flips",
]

_SERIES = 0.5  # |z| below which h(z) is summed as a series
_TINY = 1e-30  # a resolution of zero: its cube is no underflow


def survival_and_flips(record: Records, time) -> tuple[jax.Array, jax.Array]:
    """Compute e^(-Γt), the probability that an atom is still there, and (1 - η)/2, that its outcome is flipped."""
    duration = time_value(time)
    return jnp.exp(-record.loss_rates * duration), -jnp.expm1(-2 * record.dephasing_rates * duration) / 2


def joint_amplitudes(n_atoms, record: Records, time, half_angle, half_angle_bra, loss=None) -> jax.Array:
    """Compute g(α, α').

    Args:
        n_atoms: N.
        record: of one ensemble.
        time: one time.
        half_angle: α/2 in turns.
        half_angle_bra: α'/2 in turns; broadcasts with α/2.
        loss: λ of each pair from `loss_amplitudes`; None if no atoms are lost.

    Returns:
        array of the broadcast shape: real without loss, else complex.
    """
    (cos, sin), (cos_bra, sin_bra) = cos_sin_turns(half_angle), cos_sin_turns(half_angle_bra)
    plus, minus = _found(record, time, cos * cos_bra, sin * sin_bra)
    present = jnp.asarray(n_atoms, plus.dtype)
    factor = None
    if record.lossy:
        assert loss is not None
        if record.counted:
            none, one = jnp.zeros_like(record.lost), jnp.ones_like(loss)
            factor = _monomial(_log_ways(n_atoms, record.lost), record.lost, loss, none, one)
            present = present - record.lost
        else:
            minus = minus + loss
    numbers, shares = _shares(record, present)
    log_ways = _log_ways(present, jnp.minimum(numbers, present))

    @jax.checkpoint
    def step(total, term):
        share, log_way, number = term
        value = _monomial(log_way, number, plus, jnp.maximum(present - number, 0.0), minus)
        return total + share.astype(value.dtype) * value, None

    start = jnp.zeros(jnp.broadcast_shapes(plus.shape, minus.shape), minus.dtype)
    if record.n_terms == 1:
        total, _ = step(start, (shares[0], log_ways[0], numbers[0]))
    else:
        total, _ = jax.lax.scan(step, start, (shares, log_ways, numbers))
    return total if factor is None else multiply(factor, total)


def _found(record: Records, time, both, neither):
    """Compute P_±, the amplitude products of one atom, from cos(α/2) cos(α'/2) and sin(α/2) sin(α'/2)."""
    kept, flipped = survival_and_flips(record, time)
    return kept * ((1 - flipped) * both + flipped * neither), kept * (flipped * both + (1 - flipped) * neither)


def log_likelihood(n_atoms, record: Records, time, half_angle) -> jax.Array:
    """Compute log g(α, α), the logarithm of the probability of a record, for α/2 in turns; it does not underflow."""
    kept, _ = survival_and_flips(record, time)
    cos, sin = cos_sin_turns(half_angle)
    plus, minus = _found(record, time, cos**2, sin**2)
    present, log_lost = jnp.asarray(n_atoms, plus.dtype), 0.0
    if record.counted:
        log_lost = _log_ways(n_atoms, record.lost) + _log_power(record.lost, 1 - kept)
        present = present - record.lost
    else:
        minus = minus + 1 - kept
    numbers, shares = _shares(record, present)
    missing = jnp.maximum(present - numbers, 0.0)
    safe = jnp.where(shares > 0, shares, 1.0)
    sizes = jnp.where(shares > 0, jnp.log(safe), -jnp.inf) + _log_ways(present, jnp.minimum(numbers, present))
    terms = sizes + _log_power(numbers, plus[..., None]) + _log_power(missing, minus[..., None])
    return log_lost + jax.nn.logsumexp(terms, axis=-1)


def blurred(n_atoms: int, record: Records, time, key: jax.Array, outcomes: jax.Array) -> jax.Array:
    """Draw the records of ensembles of which a perfect measurement found `outcomes`; lost atoms are not counted.

    A lost atom is missing, a dephased one is found in the wrong state with probability (1 - η)/2, and the detector adds
    a normal error.

    Args:
        n_atoms: N.
        record: rates and resolutions of shape (M-2,); its counts are not used.
        time: one time.
        key: PRNG key.
        outcomes: integers of shape (M-2,).

    Returns:
        floats of shape (M-2,).
    """
    kept, flipped = survival_and_flips(record, time)
    keys = jax.random.split(key, 5)
    plus = outcomes.astype(kept.dtype)
    kept = jnp.broadcast_to(kept, plus.shape)
    flipped = jnp.broadcast_to(flipped, plus.shape)
    here = jax.random.binomial(keys[0], plus, kept)
    there = jax.random.binomial(keys[1], n_atoms - plus, kept)
    seen = here - jax.random.binomial(keys[2], here, flipped) + jax.random.binomial(keys[3], there, flipped)
    return seen + record.resolutions * jax.random.normal(keys[4], plus.shape, plus.dtype)


def densities(record: Records) -> jax.Array:
    """Compute the ratio of the normal density of a record, per atom, to G, which is normalized over whole steps."""
    size, shift = _theta(record)
    sigma = jnp.maximum(record.resolutions, _TINY)
    return size * jnp.exp(-shift / (2 * sigma**2)) / (np.sqrt(2 * np.pi) * sigma)


def loss_amplitudes(record: Records, time, differences, largest: int | None = None) -> jax.Array:
    """Compute λ for integer differences δ = (α - α')/t of the neighbours' states.

    They are on the host, or, with a bound `largest`, on the device.
    """
    strength = record.loss_rates * time_value(time)
    turned = unit(turns(differences, time, 0, largest))
    angle = jnp.asarray(differences, strength.dtype) * time_value(time)
    z = jax.lax.complex(jnp.broadcast_to(strength, angle.shape), -angle)
    near = jnp.abs(jax.lax.stop_gradient(z)) < _SERIES
    far = (1 - jnp.exp(-strength) * turned) / jnp.where(near, 1.0, z)
    small = jnp.where(near, z, 0.0)
    series = jnp.ones_like(z)
    for order in range(16, 1, -1):  # (1 - e^(-z))/z = 1 - z/2 (1 - z/3 (1 - …))
        series = 1 - small / order * series
    lost = strength * jnp.where(near, series, far) - jnp.expm1(-strength)
    return multiply(lost / 2, unit(-turns(differences, time, 1, largest)))


def fourier_matrix(n_atoms: int, record: Records, time, states: np.ndarray) -> jax.Array:
    """Compute B_kk' of g(α, α') = Σ_kk' B_kk' e^(i(m α - m' α')), m = k - N/2, for an ensemble that loses no atoms.

    For a perfect measurement it is c_k c_k', c_k = ⟨q|k⟩ √w_k.

    Args:
        n_atoms: N.
        record: of one ensemble.
        time: one time.
        states: k that are kept, on the host.

    Returns:
        real array of shape (D, D).
    """
    count = n_atoms + 1
    points = np.arange(count)
    half_turns = jnp.asarray(points / (2 * count))
    values = joint_amplitudes(n_atoms, record, time, half_turns[:, None], half_turns[None, :])
    doubled = 2 * states - n_atoms
    waves = unit(jnp.asarray((doubled[:, None] * points[None, :]) % (2 * count) / (2 * count)))  # e^(imα)
    right = jnp.matmul(values.astype(waves.dtype), waves.T, precision="highest")
    return jnp.matmul(waves.conj(), right, precision="highest").real / count**2


def _shares(record: Records, present: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the numbers q that may have given a record of `present` atoms, and G(x - q) of each."""
    last = jnp.maximum(present + 1 - record.n_terms, 0)
    numbers = jnp.clip(jnp.round(record.counts) - record.n_terms // 2, 0.0, last) + jnp.arange(record.n_terms)
    size, shift = _theta(record)
    sigma = jnp.maximum(record.resolutions, _TINY)
    shares = jnp.exp(-((record.counts - numbers) ** 2 - shift) / (2 * sigma**2)) / size
    return numbers, jnp.where(numbers <= present, shares, 0.0)


def _theta(record: Records) -> tuple[jax.Array, jax.Array]:
    """Compute s and d of s e^(-d/2σ²) = Σ_i e^(-(x+i)²/2σ²), over all integers i."""
    sigma = jnp.maximum(record.resolutions, _TINY)
    offset = record.counts - jnp.round(record.counts)
    # summed as it is or, for large σ, as its Fourier series
    near = (offset - np.arange(-6, 7)) ** 2
    least = offset**2  # of the largest term, which is divided out
    fine = sigma < 0.5
    narrow = jnp.where(fine, sigma, 0.5)
    direct = jnp.sum(jnp.exp(-(near - least) / (2 * narrow**2)))
    orders = np.arange(1, 4)
    wide = jnp.where(fine, 0.5, sigma)
    waves = jnp.exp(-2 * np.pi**2 * wide**2 * orders**2) * jnp.cos(2 * np.pi * orders * offset)
    theta = np.sqrt(2 * np.pi) * wide * (1 + 2 * jnp.sum(waves))
    return jnp.where(fine, direct, theta), jnp.where(fine, least, 0.0)


def _log_ways(n, k: jax.Array) -> jax.Array:
    """Compute log C(n, k), as a binomial probability at p near k/n, which loses no digits."""
    n, k = jnp.asarray(n, jnp.result_type(float)), jnp.asarray(k)
    p = (k + 0.5) / (n + 1)
    complement = (n - k + 0.5) / (n + 1)
    difference = (k - n / 2) / (n + 1)  # k - n p
    return log_binomial(jnp, n, k, p, complement, difference) - k * jnp.log(p) - (n - k) * jnp.log(complement)


@jax.custom_jvp
def _monomial(log_size, power, base, other_power, other):
    """Compute e^s a^m b^n of whole m, n ≥ 0, of which a or b may be zero or negative; real, or complex if b is."""
    size = log_size + _log_power(power, base) + _log_power(other_power, other)
    if jnp.iscomplexobj(other):
        angle = power * jnp.where(base < 0, jnp.pi, 0.0) if not jnp.iscomplexobj(base) else power * jnp.angle(base)
        return jnp.exp(jax.lax.complex(size, jnp.broadcast_to(angle + other_power * jnp.angle(other), size.shape)))
    negative = ((base < 0) & (power % 2 == 1)) ^ ((other < 0) & (other_power % 2 == 1))
    return jnp.where(negative, -jnp.exp(size), jnp.exp(size))


@_monomial.defjvp
def _monomial_jvp(primals, tangents):
    log_size, power, base, other_power, other = primals
    value = _monomial(*primals)
    slope = power * _monomial(log_size, jnp.maximum(power - 1, 0.0), base, other_power, other)
    other_slope = other_power * _monomial(log_size, power, base, jnp.maximum(other_power - 1, 0.0), other)
    return value, slope * tangents[2].astype(slope.dtype) + other_slope * tangents[4].astype(slope.dtype)


def _log_power(power, base):
    """Compute m log|a|, 0 for m = 0."""
    size = jnp.abs(base)
    inside = size > 0
    return jnp.where(power == 0, 0.0, power * jnp.where(inside, jnp.log(jnp.where(inside, size, 1.0)), -jnp.inf))
