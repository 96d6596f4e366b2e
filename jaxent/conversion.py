"""Read and check numbers as given, before any cast in which large ones would wrap or lose digits.

A number may be of any kind: of Python, NumPy or JAX, a fraction, a decimal. A whole number may be written 1e6. True and
False are not numbers.

>>> whole_number("n_atoms", 1e6, 1), real_number("alpha", decimal.Decimal("0.5"))
(1000000, 0.5)
>>> positive("tolerance", 10**30)
1e+30
"""

import decimal
import math
import numbers
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxent.messages import shown

__all__ = [
    "Number",
    "are_integers",
    "as_given",
    "as_integers",
    "as_numbers",
    "as_whole_numbers",
    "at_least_zero",
    "finite",
    "is_integer",
    "on_host",
    "positive",
    "real_number",
    "whole_number",
]

Number = float | numbers.Real | decimal.Decimal | np.ndarray | jax.Array  # one number, arrays of shape ()


# ---------------------------------------------------------------- one number


def _is_real(value: Any) -> bool:
    return isinstance(value, (numbers.Real, decimal.Decimal))


def is_integer(value: Any) -> bool:
    """Check whether a Python or NumPy scalar is an integer (True and False are not)."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def are_integers(value: Any) -> bool:
    """Check whether a value on the host is an integer, or an array of integers."""
    return is_integer(value) or (isinstance(value, np.ndarray) and value.dtype.kind in "iu")


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Convert a whole number, such as 10, 1e6 or a scalar of NumPy or JAX, to an integer.

    Raises:
        ValueError: when `value` is not a whole number, traced, or out of the range from `least` to `most`.
    """
    number: Any = _scalar(name, value)
    whole = _is_real(number) and _is_finite(number) and number == int(number)
    if not whole or int(number) < least:
        raise ValueError(f"Argument `{name}` must be an integer of at least {least}, but is {shown(value)}.")
    if most is not None and int(number) > most:
        raise ValueError(f"Argument `{name}` must be at most {most}, but is {shown(value)}.")
    return int(number)


def real_number(
    name: str, value: Any, must: str = "be a number", fits: Callable[[float], bool] = lambda number: True
) -> float:
    """Convert any kind of real number to a float; beyond the range of float64 it is infinite.

    Args:
        name: name of the argument.
        value: the argument as given.
        must: the requirement in the error message, after "must".
        fits: function that checks whether a number is in its range.

    Raises:
        ValueError: when `value` is not a number, traced, or does not fit.
    """
    number: Any = _scalar(name, value)
    if _is_real(number):
        try:
            converted = float(number)
        except OverflowError:
            converted = math.inf if number > 0 else -math.inf
        except ValueError:  # a signalling NaN of decimal
            converted = math.nan
        if fits(converted):
            return converted
    raise ValueError(f"Argument `{name}` must {must}, but is {shown(value)}.")


def finite(name: str, value: Any) -> float:
    """Convert to a finite float, as `real_number`."""
    return real_number(name, value, "be a finite number", math.isfinite)


def positive(name: str, value: Any) -> float:
    """Convert to a finite float above 0, as `real_number`."""
    return real_number(name, value, "be positive and finite", lambda number: 0 < number < math.inf)


def at_least_zero(name: str, value: Any) -> float:
    """Convert to a finite float of at least 0, as `real_number`."""
    return real_number(name, value, "be finite and at least 0", lambda number: 0 <= number < math.inf)


def _scalar(name: str, value: Any) -> Any:
    """Extract the scalar from an array of shape (); return None for True and False, and refuse traced values."""
    if isinstance(value, Tracer):
        raise ValueError(
            f"Argument `{name}` must be known, but is traced; give a plain number, outside of jit, vmap and grad."
        )
    if isinstance(value, (np.ndarray, jax.Array)):
        value = np.asarray(value)[()]  # the NumPy scalar in an array of shape ()
    return None if isinstance(value, (bool, np.bool_)) else value


def _is_finite(number: Any) -> bool:
    return number.is_finite() if isinstance(number, decimal.Decimal) else bool(-math.inf < number < math.inf)


# -------------------------------------------------------------------- arrays


def on_host(value: Any) -> bool:
    """Check that no part of a value is a JAX array, which may be traced."""
    return not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value))


def as_given(name: str, value: Any, must: str = "be a number, or numbers", remedy: str = "") -> np.ndarray | jax.Array:
    """Convert numbers to a NumPy array, or to a JAX array if a part is one, without a cast to JAX's dtypes.

    Integers beyond 64 bits become an array of Python integers; fractions, decimals and numbers of higher precision are
    rounded to float64.

    Args:
        name: name of the argument.
        value: the argument as given.
        must: the requirement in the error message, after "must".
        remedy: end of the error message.

    Raises:
        ValueError: when `value` is not numbers but, for example, a text, or has a fraction beyond the range of float64.
    """
    refusal = f"Argument `{name}` must {must}, but is {{}}{remedy}."
    try:
        array = np.asarray(value) if on_host(value) else jnp.asarray(value)
        if array.dtype == object:
            array = _from_objects(np.asarray(array))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(refusal.format(shown(value))) from None
    if isinstance(array, jax.Array):
        return array
    if array.dtype.kind not in "biufcO":
        raise ValueError(refusal.format(shown(value)))
    if array.dtype.kind in "fc" and array.dtype.itemsize > (8 if array.dtype.kind == "f" else 16):
        with np.errstate(all="ignore"):  # infinite beyond the range of float64
            array = array.astype(np.float64 if array.dtype.kind == "f" else np.complex128)
    return array


def _from_objects(array: np.ndarray) -> np.ndarray:
    """Convert Python objects to numbers: integers unchanged, others to float64 or complex128."""
    values = array.ravel().tolist()
    if not all(
        isinstance(value, (numbers.Number, decimal.Decimal)) and not isinstance(value, bool) for value in values
    ):
        raise TypeError
    if all(isinstance(value, numbers.Integral) for value in values):
        return array
    real = all(map(_is_real, values))
    return np.array(list(map(float if real else complex, values))).reshape(array.shape)


def as_numbers(name: str, value: Any, remedy: str = "") -> jax.Array:
    """Convert numbers to a JAX array, with integers as floats, in which large ones do not wrap.

    Raises:
        ValueError: as `as_given`, and for integers beyond the range of float64.
    """
    array = as_given(name, value, remedy=remedy)
    if isinstance(array, np.ndarray) and array.dtype.kind in "iuO":
        try:
            array = array.astype(np.float64)
        except OverflowError:
            raise ValueError(f"Argument `{name}` must be at most 1e308, but is {shown(value)}.") from None
    with np.errstate(all="ignore"):
        return jnp.asarray(array)


def as_integers(name: str, value: Any, must: str, remedy: str = "") -> np.ndarray | jax.Array:
    """Convert integers to a NumPy array (of Python integers beyond 64 bits), or to a JAX array if a part is one.

    Raises:
        ValueError: when a value is not an integer.
    """
    array = as_given(name, value, must, remedy)
    if array.size and array.dtype.kind not in "iuO":
        raise ValueError(f"Argument `{name}` must {must}, but is {shown(value)}{remedy}.")
    return array


def as_whole_numbers(name: str, value: Any, must: str) -> np.ndarray | jax.Array:
    """Convert as `as_integers`, and accept known floats that are whole numbers, such as 3.0 or 1e6.

    Raises:
        ValueError: when a value is not a whole number, True or False, or a traced float.
    """
    array = as_given(name, value, must)
    if any(isinstance(leaf, bool | np.bool_) for leaf in jax.tree.leaves(value)):
        pass
    elif array.dtype.kind == "f" and not isinstance(array, Tracer):
        floats = np.asarray(array, np.float64)
        if (np.isfinite(floats) & (floats == np.floor(floats))).all():
            large = np.abs(floats).max(initial=0.0) >= 2**63
            return floats.astype(object if large else np.int64)
    elif array.dtype.kind in "iuO" or not array.size:
        return array
    raise ValueError(f"Argument `{name}` must {must}, but is {shown(value)}.")
