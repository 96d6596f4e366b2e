"""Interaction times, and the phase that a time writes, reduced without losing digits.

Every phase in the protocol is an integer n (a Dicke index, a difference or a product of two) times an interaction
time t. At N = 10^6 atoms n t reaches 10^12, where a float64 product has no correct digit left after the reduction
modulo 2π. So a phase is kept here in *turns*, n t / 2π modulo 1, in [-1/2, 1/2]:

- for a floating-point time, t/2π is formed to twice the working precision (a two-product, Dekker 1971) and cut into
  pieces so short that their products with pieces of n are exact, so the result is correct to rounding for any n;
- for a `PiFraction`, t = π p/r, it is reduced in integers: π/3 is π/3 at any N.

Times and coupling are dimensionless (time in units of 1/coupling).

>>> from jaxent import pi_fraction
>>> t = pi_fraction(2, 3)                     # the magic time 2π/3
>>> print(float(turns(np.array([10**12 + 1]), t)[0]) * 3)
-1.0
"""

import dataclasses
import decimal
import fractions
import functools
import math
import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxent.conversion import Number, finite, positive, whole_number
from jaxent.exact_times import PiFraction, pi_fraction
from jaxent.messages import shown
from jaxent.runtime import memory

__all__ = [
    "MAX_MAGIC_DENOMINATOR",
    "BondTimes",
    "PiFraction",
    "Time",
    "batch_shape",
    "cos_sin_turns",
    "crevasse_grid",
    "pi_fraction",
    "pi_fractions_up_to",
    "shared_bound",
    "time_value",
    "turns",
    "turns_of_products",
    "uniform_grid",
    "unit",
]

_MAX_GRID = 10**8  # times of a grid
MAX_MAGIC_DENOMINATOR = 8000  # about 3 r²/2π² = 10^7 times
_FRACTION_LIMB_BITS = 15
_SHARED_BITS = (10, 15, 20, 24, 30, 45, 48, 60)  # where integers of floats and of fractions get one limb more
_INVERSE_TWO_PI_HIGH = 0.15915494309189535  # 1/2π rounded to float64, and the remainder
_INVERSE_TWO_PI_LOW = -9.839338337591243e-18


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class BondTimes:
    """A time of its own for each bond of the chain, in order (1,2), (2,3), …, (M-1,M).

    Attributes:
        times: floats or a `PiFraction`, of shape (..., M-1); leading axes are a batch.
    """

    times: Any


_Real = numbers.Real | decimal.Decimal
Time = ArrayLike | _Real | Sequence[float | _Real | PiFraction] | PiFraction | BondTimes


def pi_fractions_up_to(max_denominator: Number) -> PiFraction:
    """List the magic times 2πp/r in (0, π] with r ≤ `max_denominator` in lowest terms, in increasing order.

    At these times the end-to-end state approaches log2 r ebits when √N ≫ r.

    Args:
        max_denominator: largest r, from 2 to 8000.

    Returns:
        PiFraction: times of shape (n,).

    Raises:
        ValueError: when `max_denominator` is no integer in that range.

    Example:
        >>> import jaxent
        >>> print(len(jaxent.pi_fractions_up_to(4)))
        3
    """
    largest = whole_number("max_denominator", max_denominator, 2, MAX_MAGIC_DENOMINATOR)
    count = round(1.5 * (largest / math.pi) ** 2)  # about: half the pairs that are coprime
    memory.check_memory(64 * count, f"About {count} magic times", "use a smaller max_denominator", on_host=True)
    coprime = [p[np.gcd(p, r) == 1] for r in range(2, largest + 1) for p in [np.arange(1, r // 2 + 1)]]
    p, r = np.concatenate(coprime), np.repeat(np.arange(2, largest + 1), [len(each) for each in coprime])
    order = np.argsort(p / r)  # two of them differ by 1/r² at least, far above rounding
    p, r = p[order], r[order]
    return PiFraction(np.where(r % 2, 2 * p, p), np.where(r % 2, r, r // 2))


def uniform_grid(start: Number | PiFraction, stop: Number | PiFraction, n_times: Number) -> np.ndarray:
    """`n_times` equally spaced float times from `start` to `stop`, both included.

    Raises:
        ValueError: when a bound is not finite, or `n_times` is no integer from 2 to 10^8.

    Example:
        >>> import jaxent
        >>> print(jaxent.uniform_grid(0.0, 1.0, 5))
        [0.   0.25 0.5  0.75 1.  ]
    """
    first, last = finite("start", time_value(start)), finite("stop", time_value(stop))
    count = whole_number("n_times", n_times, 2, _MAX_GRID)
    memory.check_memory(8 * count, f"A grid of {count} times", "use fewer n_times", on_host=True)
    return np.linspace(first, last, count)


def crevasse_grid(n_atoms: Number, stop: Number | PiFraction = math.pi, points_per_dip: Number = 100.0) -> np.ndarray:
    """Build the grid that resolves the fine structure of E(t): spacing Δt = π / (c1 N), equation (33).

    Args:
        n_atoms: N.
        stop: last time; the grid is (0, stop].
        points_per_dip: c1 of (33); the paper takes at least 100.

    Returns:
        float64 array of about stop · c1 · N / π times.

    Raises:
        ValueError: when an argument is not positive, or the grid would have more than 10^8 points.

    Example:
        >>> import jaxent
        >>> print(len(jaxent.crevasse_grid(100)))
        10000
    """
    atoms, last = whole_number("n_atoms", n_atoms, 1), positive("stop", time_value(stop))
    per_dip = positive("points_per_dip", points_per_dip)
    wanted = last / math.pi * per_dip * min(atoms, 2**60) * (1 - 1e-12)  # a rounding is no further point
    if wanted > _MAX_GRID:
        raise ValueError(
            f"Argument `n_atoms` = {shown(atoms)} asks for a grid of more than 10^8 times up to {last:.4g}; "
            "give a smaller `stop` or fewer `points_per_dip`."
        )
    count = math.ceil(wanted)
    memory.check_memory(16 * count, f"A grid of {count} times", "use fewer points_per_dip", on_host=True)
    return last * np.arange(1, count + 1) / count


def batch_shape(time: Time) -> tuple[int, ...]:
    """Shape of the batch of times: () for one time, the bond axis of `BondTimes` not counted."""
    if isinstance(time, BondTimes):
        return batch_shape(time.times)[:-1]
    if isinstance(time, PiFraction):
        return time.shape
    values: Any = time
    return tuple(np.shape(values))


def time_value(time: Any) -> Any:
    """Return the time, or the bond times, as floating-point numbers."""
    if isinstance(time, BondTimes):
        return time_value(time.times)
    return time.value if isinstance(time, PiFraction) else time


def turns(
    multiples: np.ndarray | jax.Array, time: ArrayLike | PiFraction, shift: int = 0, largest: int | None = None
) -> jax.Array:
    """Reduce the phase n t / 2^shift to turns: n t / (2π 2^shift) modulo 1, in [-1/2, 1/2].

    Args:
        multiples: host integers n of any shape and size (NumPy integers, or Python integers in an object array); or,
            with `largest`, integers of JAX.
        time: one time t, a float or a `PiFraction`; may be traced.
        shift: power of two that divides the time, 0 to 2 (exactly).
        largest: a bound on |n|; None: that of the integers.

    Returns:
        array of the shape of `multiples`; absolute error a few units of rounding for |n| up to 10^16 in float64.
        Differentiable in a float `time` (the derivative is n / (2π 2^shift)).

    References:
        T. J. Dekker, Numer. Math. 18, 224 (1971).
    """
    if largest is None:
        multiples = np.asarray(multiples)
        largest = int(abs(multiples).max()) if multiples.size else 0
    return _turns(multiples, largest, time, shift)


def shared_bound(largest: int) -> int:
    """Return a bound for `turns`, as large as makes no more work: programs that depend on bounds have few of them."""
    bits = largest.bit_length()
    return 2 ** next((most for most in _SHARED_BITS if most >= bits), bits) - 1


def turns_of_products(left: np.ndarray, right: np.ndarray, time: ArrayLike | PiFraction, shift: int = 0) -> jax.Array:
    """Reduce phases as `turns` for all products n = left_i right_j, which are formed on the device.

    Args:
        left: host integers of shape (m,).
        right: host integers of shape (n,); |left_i right_j| must fit the default integer type.
        time: as `turns`.
        shift: as `turns`.

    Returns:
        array of shape (m, n).
    """
    largest = int(abs(left).max()) * int(abs(right).max())
    if largest > jnp.iinfo(jnp.result_type(int)).max:
        return turns(np.multiply.outer(left.astype(object), right.astype(object)), time, shift)
    return _turns(jnp.asarray(left)[:, None] * jnp.asarray(right)[None, :], largest, time, shift)


def _turns(multiples: Any, largest: int, time: ArrayLike | PiFraction, shift: int) -> jax.Array:
    """Compute `turns` for host or device integers of magnitude at most `largest`."""
    if isinstance(time, PiFraction):
        return _turns_of_fraction(multiples, largest, time, shift)
    time = jnp.asarray(time)
    if not jnp.issubdtype(time.dtype, jnp.floating):
        time = time.astype(jnp.result_type(float))
    bits = _limb_bits(time.dtype)
    total = jnp.zeros(multiples.shape, time.dtype)
    for level, limb in enumerate(_limbs(multiples, largest, bits)):
        total = total + _turns_of_limb(2.0 ** (level * bits - shift), jnp.asarray(limb, time.dtype), time)
    return total - jnp.round(total)


def _limb_bits(dtype) -> int:
    """Bits of an integer whose product with half a significand is exact."""
    return (jnp.finfo(dtype).nmant + 1) // 2 - 2


def _limbs(multiples: Any, largest: int, bits: int) -> list[Any]:
    """Cut integers into signed limbs of `bits` bits, least significant first: n = Σ_i limb_i 2^(i·bits)."""
    sign, rest = 1 - 2 * (multiples < 0).astype(multiples.dtype), abs(multiples)
    limbs = []
    for _ in range(max(1, -(-largest.bit_length() // bits))):
        limbs.append((sign * (rest & (2**bits - 1))).astype(int))
        rest = rest >> bits
    return limbs


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _turns_of_limb(scale: float, limb: jax.Array, time: jax.Array) -> jax.Array:
    high, middle, low = (scale * piece for piece in _turns_per_unit(time))
    # a limb times half a significand has no rounding error, so neither has its fraction
    first, second = limb * high, limb * middle
    return (first - jnp.round(first)) + ((second - jnp.round(second)) + limb * low)


@_turns_of_limb.defjvp
def _turns_of_limb_jvp(scale, primals, tangents):
    limb, time = primals
    return _turns_of_limb(scale, limb, time), limb * (scale / (2 * np.pi)) * tangents[1]


def _turns_per_unit(time: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Split t / 2π into a sum of three, the first two of half a significand, the third with the rounding errors."""
    dtype = time.dtype
    inverse = np.asarray(_INVERSE_TWO_PI_HIGH, dtype)
    left = float(fractions.Fraction(_INVERSE_TWO_PI_HIGH) - fractions.Fraction(float(inverse)))
    inverse_low = np.asarray(left + _INVERSE_TWO_PI_LOW, dtype)
    product = time * inverse
    (t_high, t_low), pieces = _halves(time), _pieces(inverse)
    error = -product
    for piece in pieces:  # these products and sums are exact
        error = (error + t_high * piece) + t_low * piece
    high, middle = _halves(product)
    return high, middle, error + time * inverse_low


@np.errstate(under="ignore")
def _pieces(constant: np.ndarray) -> tuple[Any, Any, Any]:
    """Split a constant on the host into an exact sum of three, the first two of half a significand each."""
    half = np.float32 if constant.dtype == np.float64 else np.float16
    first = constant.astype(half).astype(constant.dtype)
    second = (constant - first).astype(half).astype(constant.dtype)
    return first, second, constant - first - second


def _halves(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """x as an exact sum of two numbers of half a significand each, 24 and 28 bits in float64."""
    if x.dtype == jnp.float64:  # a TPU, where a float64 is a pair of float32, cannot reduce its precision otherwise
        single = jax.lax.optimization_barrier(x.astype(jnp.float32))  # or XLA takes both casts for one too many
        high = single.astype(x.dtype)
    else:
        high = jax.lax.reduce_precision(x, jnp.finfo(x.dtype).nexp, (jnp.finfo(x.dtype).nmant + 1) // 2 - 1)
    return high, x - high


def _turns_of_fraction(multiples: Any, largest: int, time: PiFraction, shift: int) -> jax.Array:
    modulus = 2 * jnp.asarray(time.denominator) * 2**shift
    numerator = jnp.mod(jnp.asarray(time.numerator), modulus)
    residue = jnp.zeros(multiples.shape, modulus.dtype)
    power = jnp.ones((), modulus.dtype)
    for limb in _limbs(multiples, largest, _FRACTION_LIMB_BITS):
        residue = jnp.mod(residue + jnp.mod(jnp.asarray(limb, modulus.dtype), modulus) * power, modulus)
        power = jnp.mod(power * 2**_FRACTION_LIMB_BITS, modulus)
    fraction = jnp.mod(residue * numerator, modulus) / modulus
    return fraction - jnp.round(fraction)


def cos_sin_turns(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """cos(2πx) and sin(2πx) of angles in turns: two arrays of the shape of x, exact (0, ±1) at quarter turns."""
    quarter = jnp.round(4 * x)
    rest = 2 * jnp.pi * (x - quarter / 4)
    cos, sin = jnp.cos(rest), jnp.sin(rest)
    quadrant = jnp.mod(quarter, 4)
    swap = (quadrant == 1) | (quadrant == 3)
    cos, sin = jnp.where(swap, sin, cos), jnp.where(swap, cos, sin)
    return (
        jnp.where((quadrant == 1) | (quadrant == 2), -cos, cos),
        jnp.where((quadrant == 2) | (quadrant == 3), -sin, sin),
    )


def unit(x: jax.Array) -> jax.Array:
    """Compute the phase factor e^(2πix) of an angle x in turns."""
    return jax.lax.complex(*cos_sin_turns(x))
