"""Conversion and checks of the arguments the public functions share.

Shapes are checked always, values only where they are known: under `jit` or `vmap` a traced value passes unchecked.
Errors are raised before any work starts and name the argument, its value and what would be right.
"""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import psutil
from jax.core import Tracer
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Int

from jaxent.times import BondTimes, PiFraction, Time, batch_shape

__all__ = [
    "Offsets",
    "Outcomes",
    "as_numbers",
    "bond_time",
    "check_chain",
    "check_key",
    "check_memory",
    "check_precision",
    "checked_offsets",
    "checked_outcomes",
    "checked_rate",
    "checked_time",
    "concrete",
    "free_bytes",
    "is_integer",
    "is_known",
    "is_zero",
    "nan_unless_possible",
    "refuse_negative",
]

Outcomes = ArrayLike | Sequence[ArrayLike]
Offsets = ArrayLike | Sequence[ArrayLike]

# In float32 a phase k t is good to about N·1e-7 of the width 2/√N of the kernel: at this N the entropy keeps four
# digits.
_MOST_ATOMS_FLOAT32 = 200
_LATEST = 1e6  # a phase k t is good to k t 2^-106 turns
_X64_HINT = 'jax.config.update("jax_enable_x64", True)'


def is_integer(value: Any) -> bool:
    """Whether a Python or NumPy scalar is an integer (True and False are not)."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def concrete(value: Any) -> np.ndarray | None:
    """The value on the host, or None where it is traced."""
    return None if isinstance(value, Tracer) else np.asarray(value)


def is_known(value: Any, number: int) -> bool:
    """Whether an outcome, an offset or a rate, or each of several, is known to be a number whose symmetry serves.

    Known is every value that is not traced: a Python number, an array of NumPy or of JAX. Where values vary in a sweep
    and one program shall serve them all, trace them (`jax.vmap`, or an argument of a jitted function).
    """
    leaves = jax.tree.leaves(value)
    return not any(isinstance(leaf, Tracer) for leaf in leaves) and bool(np.all(np.asarray(value) == number))


def is_zero(value: Offsets) -> bool:
    """`is_known` of the number 0."""
    return is_known(value, 0)


def check_chain(chain: Any) -> None:
    """Refuse what is no `Chain`, or stands in its place.

    Raises:
        ValueError: when it has no ensembles and atoms.
    """
    if not (hasattr(chain, "n_ensembles") and hasattr(chain, "n_atoms")):
        raise ValueError(f"Argument `chain` must be a jaxent.Chain, such as jaxent.Chain(3, 100), but is {chain!r}.")


def check_key(key: Any) -> None:
    """Refuse what is no key of JAX's random numbers.

    Raises:
        ValueError: when it is no array of JAX.
    """
    if not isinstance(key, jax.Array):
        raise ValueError(f"Argument `key` must be a key of JAX, such as jax.random.key(0), but is {key!r}.")


def as_numbers(name: str, value: Any, remedy: str = "") -> jax.Array:
    """A number or numbers as an array.

    Raises:
        ValueError: when it is something else, such as a text.
    """
    try:
        return jnp.asarray(value)
    except (TypeError, ValueError):
        raise ValueError(f"Argument `{name}` must be a number, or numbers, but is {value!r}{remedy}.") from None


def as_given(value: Any) -> np.ndarray | jax.Array:
    """An array on the host where no part of it is JAX's: not yet in JAX's dtypes, in which large integers may wrap."""
    return np.asarray(value) if _on_host(value) else jnp.asarray(value)


def _on_host(value: Any) -> bool:
    return not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value))


def check_precision(n_atoms: int, time: Time) -> None:
    """Refuse float32 where its phases would be noise, and exact times that 32-bit integers cannot hold.

    All arithmetic is in JAX's default precision: float64 where it is enabled, whatever the dtype of the arguments.

    Raises:
        ValueError: when float64 is not enabled and N is above 200, or a `PiFraction` has a denominator above 4096.
    """
    if jnp.result_type(float) == jnp.float64:
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


def free_bytes() -> int:
    """Memory that the default device, or the host for a CPU, has free."""
    available = psutil.virtual_memory().available
    device = jax.local_devices()[0]
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        available = stats.get("bytes_limit", available) - stats.get("bytes_in_use", 0)
    return available


def check_memory(needed: int, what: str, instead: str) -> None:
    """Refuse what would not fit, before it is allocated.

    Args:
        needed: bytes.
        what: the thing, with the numbers that make it large.
        instead: what to use instead.

    Raises:
        ValueError: when `needed` exceeds the memory that the default device (or the host, for a CPU) has free.
    """
    available = free_bytes()
    if needed > available:
        gib = math.log10(needed) - 30 * math.log10(2)
        size = f"{10**gib:.3g}" if gib < 6 else f"10^{gib:.0f}"
        raise ValueError(f"{what} needs {size} GiB, but {available / 2**30:.3g} GiB are free; {instead}.")


def checked_time(time: Time, n_ensembles: int, *, single: bool = False) -> Time:
    """The time with floats as arrays, shapes and finiteness checked.

    Raises:
        ValueError: on a wrong shape, a time that is not a number, or one that is NaN or infinite.
    """
    inner = time.times if isinstance(time, BondTimes) else time
    if not isinstance(inner, PiFraction):
        inner = as_numbers("time", inner, "; a multiple of π is made by jaxent.pi_fraction, such as pi_fraction(1, 2)")
        if jnp.issubdtype(inner.dtype, jnp.complexfloating) or inner.dtype == bool:
            raise ValueError(f"Argument `time` must be real, but is {time!r}.")
        inner = inner.astype(jnp.result_type(float))
        values = concrete(inner)
        if values is not None and not np.isfinite(values).all():
            bad = values[~np.isfinite(values)].flat[0]
            raise ValueError(f"Argument `time` must be finite, but holds {bad}.")
        if values is not None and np.abs(values).max(initial=0.0) > _LATEST:
            raise ValueError(
                f"Argument `time` must be at most {_LATEST:.0e} in magnitude, but holds {np.abs(values).max():.6g}: "
                "its phases would lose digits; reduce it modulo 2π, or give a multiple of π by jaxent.pi_fraction."
            )
    if isinstance(time, BondTimes):
        shape = inner.shape
        if not shape or shape[-1] != n_ensembles - 1:
            raise ValueError(
                f"Argument `time`: BondTimes must have a last axis of n_ensembles - 1 = {n_ensembles - 1} times, "
                f"but has shape {shape}."
            )
        time = BondTimes(inner)
    else:
        time = inner
    if single and batch_shape(time):
        raise ValueError(
            f"Argument `time` must be a single time here, but has shape {batch_shape(time)}; use jax.vmap for many."
        )
    return time


def bond_time(time: Time, bond: int) -> Any:
    """The time of bond number `bond` (from 0) of a single, checked time."""
    return time.times[bond] if isinstance(time, BondTimes) else time


def checked_offsets(phase_offset: Offsets, n_ensembles: int) -> Float[Array, " inner"]:
    """Offsets of the inner ensembles as a float array of shape (M-2,).

    Raises:
        ValueError: on a wrong shape or a value that is not finite.
    """
    offsets = as_numbers("phase_offset", phase_offset)
    if jnp.issubdtype(offsets.dtype, jnp.complexfloating):
        raise ValueError(f"Argument `phase_offset` must be real, but is {phase_offset!r}.")
    offsets = offsets.astype(jnp.result_type(float))
    inner = n_ensembles - 2
    if offsets.shape not in ((), (inner,)):
        raise ValueError(
            f"Argument `phase_offset` must be a scalar or of shape ({inner},), one per inner ensemble, "
            f"but has shape {offsets.shape}."
        )
    values = concrete(offsets)
    if values is not None and not np.isfinite(values).all():
        raise ValueError(f"Argument `phase_offset` must be finite, but is {phase_offset!r}.")
    return jnp.broadcast_to(offsets, (inner,))


def nan_unless_possible(tree: Any, outcomes: jax.Array, n_atoms: int) -> Any:
    """The results, or NaN where a traced outcome lies outside 0…N."""
    possible = jnp.all((outcomes >= 0) & (outcomes <= n_atoms))
    return jax.tree.map(lambda x: jnp.where(possible, x, jnp.nan), tree)


def checked_rate(name: str, rate: Offsets) -> Float[Array, "*shape"]:
    """Rates as a float array.

    Raises:
        ValueError: on a rate that is not real, not finite or negative.
    """
    rates = as_numbers(name, rate)
    if jnp.issubdtype(rates.dtype, jnp.complexfloating) or rates.dtype == bool:
        raise ValueError(f"Argument `{name}` must be real, but is {rate!r}.")
    rates = rates.astype(jnp.result_type(float))
    values = concrete(rates)
    if values is not None and not (np.isfinite(values) & (values >= 0)).all():
        bad = values[~(np.isfinite(values) & (values >= 0))].flat[0]
        raise ValueError(f"Argument `{name}` must be finite and at least 0, but holds {bad}.")
    return rates


def refuse_negative(name: str, time: Time) -> None:
    """Refuse a known negative time where the evolution runs forwards only.

    Raises:
        ValueError: when it is negative.
    """
    inner = time.numerator if isinstance(time, PiFraction) else time
    values = concrete(inner)
    if values is not None and (values < 0).any():
        raise ValueError(f"Argument `{name}` must be at least 0 with dephasing, but holds {values.min()}.")


def checked_outcomes(outcomes: Outcomes | None, n_ensembles: int, n_atoms: int) -> Int[Array, " inner"]:
    """Outcomes of the inner ensembles as an integer array of shape (M-2,); None stands for all N.

    Raises:
        ValueError: on a wrong length, values that are not integers, or values outside 0…N.
    """
    inner = n_ensembles - 2
    dtype = jnp.result_type(int)
    if outcomes is None:
        return jnp.full((inner,), n_atoms, dtype)
    array = as_given(outcomes)
    if not jnp.issubdtype(array.dtype, jnp.integer) and array.size:
        raise ValueError(f"Argument `outcomes` must be integers, or None for all N, but is {outcomes!r}.")
    if array.shape not in ((), (inner,)):
        raise ValueError(
            f"Argument `outcomes` must be an integer or {inner} integers, one per inner ensemble 2…{n_ensembles - 1}, "
            f"but has shape {array.shape}."
        )
    values = concrete(array)
    if values is not None and ((values < 0) | (values > n_atoms)).any():
        bad = values[(values < 0) | (values > n_atoms)].flat[0]
        raise ValueError(f"Argument `outcomes` must lie in 0…{n_atoms} (n_atoms), but holds {bad}.")
    return jnp.broadcast_to(jnp.asarray(array, dtype), (inner,))
