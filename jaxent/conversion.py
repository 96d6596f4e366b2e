"""Numbers as they are given: read and checked before any cast, in which large ones would wrap or lose digits.

What is a number may come as any kind of number: of Python, NumPy or JAX, a fraction, a decimal. A whole number may be
written 1e6. True and False are no numbers.

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
    """Whether a Python or NumPy scalar is an integer (True and False are not)."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def are_integers(value: Any) -> bool:
    """Whether a value on the host is an integer, or an array of integers."""
    return is_integer(value) or (isinstance(value, np.ndarray) and value.dtype.kind in "iu")


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """An integer from a number that is whole, such as 10, 1e6 or NumPy's and JAX's scalars.

    Raises:
        ValueError: when it is no whole number, traced, or out of the range from `least` to `most`.
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
    """A float from any kind of real number; beyond float64's range it is infinite.

    Args:
        name: of the argument.
        value: as given.
        must: what a message asks for, after "must".
        fits: whether a number is in its range.

    Raises:
        ValueError: when it is no number, traced, or does not fit.
    """
    number: Any = _scalar(name, value)
    if _is_real(number):
        try:
            converted = float(number)
        except OverflowError:
            converted = math.inf if number > 0 else -math.inf
        except ValueError:  # a signalling NaN of decimals
            converted = math.nan
        if fits(converted):
            return converted
    raise ValueError(f"Argument `{name}` must {must}, but is {shown(value)}.")


def finite(name: str, value: Any) -> float:
    """A `real_number` that is finite."""
    return real_number(name, value, "be a finite number", math.isfinite)


def positive(name: str, value: Any) -> float:
    """A finite `real_number` above 0."""
    return real_number(name, value, "be positive and finite", lambda number: 0 < number < math.inf)


def at_least_zero(name: str, value: Any) -> float:
    """A finite `real_number` of at least 0."""
    return real_number(name, value, "be finite and at least 0", lambda number: 0 <= number < math.inf)


def _scalar(name: str, value: Any) -> Any:
    """The one number that a value holds; None where it is none."""
    if isinstance(value, Tracer):
        raise ValueError(
            f"Argument `{name}` must be known, but is traced; give a plain number, outside of jit, vmap and grad."
        )
    if isinstance(value, (np.ndarray, jax.Array)):
        value = np.asarray(value)[()]  # NumPy's scalar, of an array of shape ()
    return None if isinstance(value, (bool, np.bool_)) else value


def _is_finite(number: Any) -> bool:
    return number.is_finite() if isinstance(number, decimal.Decimal) else bool(-math.inf < number < math.inf)


# -------------------------------------------------------------------- arrays


def on_host(value: Any) -> bool:
    """Whether no part of a value is an array of JAX, which may be traced."""
    return not any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value))


def as_given(name: str, value: Any, must: str = "be a number, or numbers", remedy: str = "") -> np.ndarray | jax.Array:
    """An array on the host of what is given there, and JAX's array of what is JAX's: not yet in JAX's dtypes.

    Integers beyond 64 bits stay an array of Python's; fractions, decimals and numbers of more than float64's precision
    are rounded to it.

    Args:
        name: of the argument.
        value: as given.
        must: what a message asks for, after "must".
        remedy: what else it says.

    Raises:
        ValueError: when it is something else than numbers, such as a text, or a fraction is beyond float64's range.
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
        with np.errstate(all="ignore"):  # beyond float64's range it is infinite
            array = array.astype(np.float64 if array.dtype.kind == "f" else np.complex128)
    return array


def _from_objects(array: np.ndarray) -> np.ndarray:
    """Numbers from Python's objects: integers as they are, others as float64 or complex128."""
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
    """A number or numbers as an array of JAX; integers as floats, in which large ones do not wrap.

    Raises:
        ValueError: as `as_given`, and for integers beyond float64's range.
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
    """Integers: an array on the host (of Python's where they exceed 64 bits) or, where a part is JAX's, JAX's array.

    Raises:
        ValueError: when a value is no integer.
    """
    array = as_given(name, value, must, remedy)
    if array.size and array.dtype.kind not in "iuO":
        raise ValueError(f"Argument `{name}` must {must}, but is {shown(value)}{remedy}.")
    return array


def as_whole_numbers(name: str, value: Any, must: str) -> np.ndarray | jax.Array:
    """`as_integers`, where known floats that are whole, such as 3.0 or 1e6, are integers as well.

    Raises:
        ValueError: when a value is no whole number, True or False, or a traced float.
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
