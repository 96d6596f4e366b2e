"""Conversion and checks of the arguments the public functions share.

Shapes are checked always, values only where they are known: under `jit` or `vmap` a traced value passes unchecked.
Errors are raised before any work starts and name the argument, its value and what would be right.
"""

import decimal
import math
import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxent.conversion import as_given, as_numbers, as_whole_numbers, is_integer, real_number, whole_number
from jaxent.exact_times import check_fraction, one_time
from jaxent.messages import shown
from jaxent.numerics import angles
from jaxent.runtime.default_device import platform
from jaxent.times import BondTimes, PiFraction, Time, batch_shape

__all__ = [
    "Offsets",
    "Outcomes",
    "as_numbers",
    "bond_time",
    "check_chain",
    "check_key",
    "check_precision",
    "checked_offsets",
    "checked_outcomes",
    "checked_rate",
    "checked_real",
    "checked_time",
    "concrete",
    "is_integer",
    "is_known",
    "is_zero",
    "levels_and_numerator",
    "nan_unless_possible",
    "refuse_negative",
]

Outcomes = ArrayLike | Sequence[ArrayLike]
_Number = ArrayLike | numbers.Real | decimal.Decimal
Offsets = _Number | PiFraction | Sequence[_Number | PiFraction]

# In float32 a phase k t is good to about N·1e-7 of the width 2/√N of the kernel: at this N the entropy keeps four
# digits.
_MOST_ATOMS_FLOAT32 = 200
# A TPU holds a time to 48 bits: E(t), whose dips are 1/N wide, is then right to N t 2^-48, 1e-9 bits at this N.
_MOST_ATOMS_PAIRS = 10**5
_LATEST = 1e6  # a phase k t is good to k t 2^-106 turns
_LARGEST_RATE = 1e15  # beyond, products of rates, times and squares of N leave float64's range
_X64_HINT = 'jax.config.update("jax_enable_x64", True)'


def concrete(value: Any) -> np.ndarray | None:
    """Return a value as a NumPy array on the host, or None if it is traced."""
    return None if isinstance(value, Tracer) else np.asarray(value)


def is_known(value: Any, number: Any) -> bool:
    """Whether an outcome, an offset or a rate, or each of several, is known to be a number whose symmetry serves.

    The number may also be one of each, an array of the host.

    Known is every value that is not traced: a Python number, an array of NumPy or of JAX. Where values vary in a sweep
    and one program shall serve them all, trace them (`jax.vmap`, or an argument of a jitted function).
    """
    leaves = jax.tree.leaves(value)
    return not any(isinstance(leaf, Tracer) for leaf in leaves) and bool(np.all(np.asarray(value) == number))


def is_zero(value: Offsets) -> bool:
    """`is_known` of the number 0."""
    return is_known(value, 0)


def check_chain(chain: Any, *, unequal: bool = False) -> None:
    """Refuse what is no `Chain`, or stands in its place.

    Args:
        chain: the chain.
        unequal: whether its ensembles may have different numbers of atoms.

    Raises:
        ValueError: when it has no ensembles and atoms, or ensembles of different numbers of atoms.
    """
    if not (hasattr(chain, "n_ensembles") and hasattr(chain, "n_atoms")):
        raise ValueError(
            f"Argument `chain` must be a jaxent.Chain, such as jaxent.Chain(3, 100), but is {shown(chain)}."
        )
    if not unequal and isinstance(chain.n_atoms, tuple):
        raise ValueError(
            f"Argument `chain` must have one n_atoms for all ensembles here, but has {shown(chain.n_atoms)}; different "
            "ones are possible in jaxent.chain, end_to_end_amplitudes, end_to_end_entropy, end_to_end_state, "
            "end_to_end_log_negativity without a tolerance, and the functions beside these."
        )


def check_key(key: Any) -> None:
    """Refuse what is no key of JAX's random numbers.

    Raises:
        ValueError: when it is no array of JAX.
    """
    if not isinstance(key, jax.Array):
        raise ValueError(f"Argument `key` must be a key of JAX, such as jax.random.key(0), but is {shown(key)}.")


def check_precision(n_atoms: int, time: Time, *, phases_on_device: bool = True) -> None:
    """Refuse arithmetic in which phases would be noise, and exact times that 32-bit integers cannot hold.

    All arithmetic is in JAX's default precision: float64 where it is enabled, whatever the dtype of the arguments.

    Args:
        n_atoms: N.
        time: the times.
        phases_on_device: whether phases are reduced there; known times of the band engine are reduced on the host.

    Raises:
        ValueError: when float64 is not enabled and N is above 200, or a `PiFraction` has a denominator above 4096; on a
            TPU, whose float64 has 48 bits, for times that are no `PiFraction` when N is above 10^5.
    """
    if jnp.result_type(float) == jnp.float64:
        if phases_on_device:
            _check_pairs(n_atoms, time)
        return
    if n_atoms > _MOST_ATOMS_FLOAT32:
        raise ValueError(
            f"Argument `n_atoms` = {n_atoms} needs float64: in float32 its phases are noise beyond "
            f"{_MOST_ATOMS_FLOAT32} atoms; run {_X64_HINT} first."
        )
    inner = time.times if isinstance(time, BondTimes) else time
    if not isinstance(inner, PiFraction):
        return
    for letter, part, most in (("p", inner.numerator, 2**30), ("r", inner.denominator, 2**12)):
        values = concrete(part)
        if values is not None and np.abs(values).max(initial=1) > most:
            raise ValueError(
                f"Argument `time` = π·p/r with {letter} = {np.abs(values).max()} needs 64-bit integers; "
                f"run {_X64_HINT} first."
            )


def _check_pairs(n_atoms: int, time: Time) -> None:
    """Refuse a TPU, which holds a float64 as a pair of float32, where its rounding of the time would show."""
    exact = isinstance(time.times if isinstance(time, BondTimes) else time, PiFraction)
    if n_atoms <= _MOST_ATOMS_PAIRS or exact or platform() != "tpu":
        return
    raise ValueError(
        f"Argument `n_atoms` = {n_atoms} is too many for a TPU, whose float64 holds a time to 48 bits: beyond "
        f"{_MOST_ATOMS_PAIRS} atoms the values would be wrong by more than 1e-9; give a jaxent.pi_fraction, or use a "
        'processor: with jax.default_device("cpu").'
    )


def checked_time(time: Time, n_ensembles: int, *, single: bool = False) -> Time:
    """Check the shape and values of a time and make arrays of floats; a traced time that is too large becomes NaN.

    Raises:
        ValueError: on a wrong shape, a time that is not a number, or one that is NaN, infinite or too large.
    """
    inner = one_time(time.times if isinstance(time, BondTimes) else time)
    inner = _checked_fraction(inner) if isinstance(inner, PiFraction) else _checked_times(inner)
    if isinstance(time, BondTimes):
        shape = inner.shape
        if not shape or shape[-1] != n_ensembles - 1:
            raise ValueError(
                f"Argument `time`: BondTimes must have a last axis of n_ensembles - 1 = {n_ensembles - 1} times, "
                f"but has shape {shown(shape)}."
            )
        time = BondTimes(inner)
    else:
        time = inner
    if single and batch_shape(time):
        raise ValueError(
            f"Argument `time` must be a single time here, but has shape {shown(batch_shape(time))}; "
            "use jax.vmap for many."
        )
    return time


def _checked_times(time: Any) -> jax.Array:
    remedy = "; a multiple of π is made by jaxent.pi_fraction, such as pi_fraction(1, 2)"
    times = _real_numbers("time", time, remedy)
    values = concrete(times)
    if values is None:
        return jnp.where(jnp.abs(times) <= _LATEST, times, jnp.nan)
    _refuse_not_finite("time", values)
    if np.abs(values).max(initial=0.0) > _LATEST:
        raise ValueError(
            f"Argument `time` must be at most {_LATEST:.0e} in magnitude, but holds {np.abs(values).max():.6g}: "
            "its phases would lose digits; reduce it modulo 2π, or give a multiple of π by jaxent.pi_fraction."
        )
    return _in_default_precision(values)


def _checked_fraction(time: PiFraction) -> PiFraction:
    numerator, denominator = concrete(time.numerator), concrete(time.denominator)
    if numerator is not None and denominator is not None:
        check_fraction(numerator, denominator)
    return time


def _real_numbers(name: str, value: Any, remedy: str = "") -> np.ndarray | jax.Array:
    """Real numbers: on the host in float64, whatever JAX's precision, or JAX's in the default precision."""
    array = as_given(name, value, remedy=remedy)
    if array.dtype.kind in "cb":
        raise ValueError(f"Argument `{name}` must be real, but is {shown(value)}.")
    if isinstance(array, jax.Array):
        return array.astype(jnp.result_type(float))
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"Argument `{name}` must be at most 1e308 in magnitude, but is {shown(value)}.") from None


def _refuse_not_finite(name: str, values: np.ndarray) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"Argument `{name}` must be finite, but holds {values[~np.isfinite(values)].flat[0]}.")


def _in_default_precision(values: np.ndarray) -> jax.Array:
    with np.errstate(all="ignore"):  # of float32, 1e-50 is 0
        return jnp.asarray(values, jnp.result_type(float))


def bond_time(time: Time, bond: int) -> Any:
    """Return the time of bond number `bond`, counted from 0, of a single checked time."""
    return time.times[bond] if isinstance(time, BondTimes) else time


def checked_offsets(phase_offset: Offsets, n_ensembles: int) -> Float[Array, " inner"]:
    """Offsets of the inner ensembles as a float array of shape (M-2,), reduced modulo 4π beyond ±2π.

    Traced offsets are reduced as well, and NaN where they are too large for that.

    Raises:
        ValueError: on a wrong shape, a value that is not finite or too large, and one without an inner ensemble.
    """
    exact = isinstance(phase_offset, PiFraction)
    offsets = _real_numbers("phase_offset", phase_offset.value if exact else phase_offset)
    inner = n_ensembles - 2
    if offsets.shape not in ((), (inner,)):
        raise ValueError(
            f"Argument `phase_offset` must be a scalar or of shape ({inner},), one per inner ensemble, "
            f"but has shape {shown(offsets.shape)}; use jax.vmap for many offsets."
        )
    values = concrete(offsets)
    if values is None:
        return jnp.broadcast_to(angles.reduced_traced(jnp.asarray(offsets)), (inner,))
    _refuse_not_finite("phase_offset", values)
    if not inner and values.any():
        raise ValueError(
            f"Argument `phase_offset` must be 0 for n_ensembles = 2, which has no inner ensemble, but is "
            f"{shown(phase_offset)}."
        )
    if np.abs(values).max(initial=0.0) > angles.LARGEST:
        raise ValueError(
            f"Argument `phase_offset` must be at most {angles.LARGEST:.0e} in magnitude, but holds "
            f"{np.abs(values).max():.6g}; reduce it modulo 2π."
        )
    return _in_default_precision(np.broadcast_to(angles.reduced_angles(values), (inner,)))


def nan_unless_possible(tree: Any, outcomes: jax.Array, n_atoms: Any) -> Any:
    """Replace all results by NaN if a traced outcome lies outside 0…N, N one number or one of each."""
    possible = jnp.all((outcomes >= 0) & (outcomes <= n_atoms))
    return jax.tree.map(lambda x: x * jnp.where(possible, 1.0, jnp.nan), tree)  # a factor: derivatives are NaN too


def checked_rate(name: str, rate: Offsets) -> Float[Array, "*shape"]:
    """Rates as a float array.

    Raises:
        ValueError: on a rate that is not real, not finite, negative or beyond the largest.
    """
    rates = _real_numbers(name, rate)
    values = concrete(rates)
    if values is None:
        return jnp.asarray(rates)
    if not (np.isfinite(values) & (values >= 0)).all():
        bad = values[~(np.isfinite(values) & (values >= 0))].flat[0]
        raise ValueError(f"Argument `{name}` must be finite and at least 0, but holds {bad}.")
    if values.max(initial=0.0) > _LARGEST_RATE:
        raise ValueError(f"Argument `{name}` must be at most {_LARGEST_RATE:.0e}, but holds {values.max():.6g}.")
    return _in_default_precision(values)


def checked_real(name: str, value: Offsets) -> Float[Array, "*shape"]:
    """Real numbers of either sign as a float array.

    Raises:
        ValueError: on a number that is not real or not finite.
    """
    array = _real_numbers(name, value)
    values = concrete(array)
    if values is None:
        return jnp.asarray(array)
    _refuse_not_finite(name, values)
    return _in_default_precision(values)


def levels_and_numerator(levels: Any, numerator: Any, least: int) -> tuple[int, int]:
    """r and p of a magic time 2πp/r.

    Raises:
        ValueError: when r is no integer from `least` to 2^28, or p is none that is prime to it.
    """
    levels = whole_number("levels", levels, least, 2**28)
    must = f"be an integer prime to levels = {levels}"
    number = real_number("numerator", numerator, must, lambda x: x == math.floor(x) if math.isfinite(x) else False)
    if abs(number) > 2**52 or math.gcd(int(number), levels) != 1:
        raise ValueError(f"Argument `numerator` must {must}, but is {shown(numerator)}.")
    return levels, int(number)


def refuse_negative(name: str, time: Time) -> None:
    """Refuse a known negative time where the evolution runs forwards only.

    Raises:
        ValueError: when it is negative.
    """
    inner = time.numerator if isinstance(time, PiFraction) else time
    values = concrete(inner)
    if values is not None and (values < 0).any():
        raise ValueError(f"Argument `{name}` must be at least 0 with dephasing, but holds {values.min()}.")


def checked_outcomes(outcomes: Outcomes | None, n_ensembles: int, n_atoms: Any) -> Int[Array, " inner"]:
    """Outcomes of the inner ensembles as an integer array of shape (M-2,); None stands for all N.

    Args:
        outcomes: as users give them.
        n_ensembles: M.
        n_atoms: N of all ensembles, or of each measured one, host integers of shape (M-2,).

    Raises:
        ValueError: on a wrong length, values that are not integers, values outside 0…N, and any without an inner
            ensemble.
    """
    inner = n_ensembles - 2
    dtype = jnp.result_type(int)
    if outcomes is None:
        return jnp.asarray(np.broadcast_to(np.asarray(n_atoms, dtype), (inner,)))
    array = as_whole_numbers("outcomes", outcomes, "be integers, or None for all N")
    if not inner and array.size:
        raise ValueError(
            f"Argument `outcomes` must be None for n_ensembles = 2, which has no inner ensemble, but is "
            f"{shown(outcomes)}."
        )
    if array.shape not in ((), (inner,)):
        raise ValueError(
            f"Argument `outcomes` must be an integer or {inner} integers, one per inner ensemble 2…{n_ensembles - 1}, "
            f"but has shape {shown(array.shape)}; use jax.vmap for many outcomes."
        )
    values = concrete(array)
    if values is None:
        return jnp.broadcast_to(jnp.asarray(array, dtype), (inner,))
    outside = (values < 0) | (values > n_atoms)
    if outside.any():
        bad = shown(np.broadcast_to(values, outside.shape)[outside].ravel().tolist()[0])
        most = n_atoms if np.ndim(n_atoms) == 0 else shown(np.asarray(n_atoms).tolist())
        raise ValueError(f"Argument `outcomes` must lie in 0…{most} (n_atoms), but holds {bad}.")
    return jnp.asarray(np.broadcast_to(values.astype(np.int64), (inner,)), dtype)
