"""Times that are exact rational multiples of π: arithmetic, order, and how they read.

>>> half, third = pi_fraction(1, 2), pi_fraction(2, 3)
>>> half + third, 3 * third, third - 2 * half, half < third < 2.1
(7π/6, 2π, −π/3, True)
>>> float(half), half + 0.5                # with floats it is a float
(1.5707963267948966, 2.0707963267948966)
>>> one_time([half, third])                # a list of exact times is exact, too
[π/2, 2π/3]
"""

import dataclasses
import fractions
import operator
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from jaxent.conversion import are_integers, as_integers, is_integer
from jaxent.messages import pi_symbols, shown

__all__ = ["PiFraction", "check_fraction", "one_time", "pi_fraction"]

_MAX_DENOMINATOR = 2**28  # residues modulo 8r are multiplied in an int64
_MAX_NUMERATOR = 2**62
_MOST_SHOWN = 6  # times of an array


def check_fraction(numerator: Any, denominator: Any) -> None:
    """Refuse numerators and denominators that are no integers or beyond what phases are reduced with.

    Raises:
        ValueError: when they are.
    """
    must = "be of integers"
    numerators = as_integers("numerator", numerator, must, "; other times are plain floats")
    denominators = as_integers("denominator", denominator, must, "; other times are plain floats")
    if not ((denominators >= 1) & (denominators <= _MAX_DENOMINATOR)).all():
        raise ValueError(
            f"Argument `denominator` must be between 1 and 2^28, but is {shown(denominator)}; use a float time beyond."
        )
    if not ((numerators >= -_MAX_NUMERATOR) & (numerators <= _MAX_NUMERATOR)).all():
        raise ValueError(
            f"Argument `numerator` must be at most 2^62 in magnitude, but is {shown(numerator)}; "
            "reduce it modulo twice the denominator."
        )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PiFraction:
    """Times that are exact rational multiples of π: t = π · numerator / denominator.

    Make one with `pi_fraction`; a single time or an array of them. Phases at such a time are reduced in integers. It
    is a pytree, so it passes through `jit` and `vmap`; JAX refuses to differentiate its integers (use a float time for
    derivatives).

    Sums and differences of exact times, and their products and quotients with integers and `fractions.Fraction`, are
    exact, and so is the order among them. With floats they are floats: `float(t)`, `t.value` and `np.asarray(t)`
    round. An exact time equals no float but 0.

    Attributes:
        numerator: integers of shape (...).
        denominator: positive integers of shape (...), at most 2^28.

    Raises:
        ValueError: when integers that are known are out of range.
    """

    numerator: Any
    denominator: Any

    __array_priority__ = 1000  # NumPy's arrays leave products with exact times to these

    def __post_init__(self):
        # JAX puts into a pytree whatever a function of its leaves returns: only what is a number is checked here
        if all(are_integers(part) for part in (self.numerator, self.denominator)):
            check_fraction(self.numerator, self.denominator)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of times; () for a single time."""
        return tuple(np.shape(self.numerator))

    @property
    def value(self) -> Any:
        """The times as floating-point numbers (rounded)."""
        parts = (self.numerator, self.denominator)
        numerator, denominator = (part.astype(float) if isinstance(part, jax.Array) else part for part in parts)
        return np.pi * numerator / denominator

    # -------------------------------------------------------------- as a sequence, as a number, as a text

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("A single exact time has no length; give pi_fraction arrays for several times.")
        return self.shape[0]

    def __iter__(self) -> Iterator["PiFraction"]:
        if not self.shape:
            raise TypeError("A single exact time cannot be iterated; give pi_fraction arrays for several times.")
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index) -> "PiFraction":
        return PiFraction(self.numerator[index], self.denominator[index])

    def __float__(self) -> float:
        if self.shape:
            raise TypeError(f"Only a single exact time is a float, not {len(self)}; .value has the floats of several.")
        return float(np.asarray(self.value))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self.value, float if dtype is None else dtype)

    def __repr__(self) -> str:
        if not all(_is_known(part) for part in (self.numerator, self.denominator)):
            return f"PiFraction(numerator={self.numerator!r}, denominator={self.denominator!r})"
        above, below = np.broadcast_arrays(np.asarray(self.numerator), np.asarray(self.denominator))
        pairs = list(zip(above.ravel()[:_MOST_SHOWN].tolist(), below.ravel()[:_MOST_SHOWN].tolist(), strict=True))
        texts = [pi_symbols(*fractions.Fraction(*pair).as_integer_ratio()) for pair in pairs]
        if above.size > _MOST_SHOWN:
            last = fractions.Fraction(int(above.flat[-1]), int(below.flat[-1]))
            texts = [*texts[:2], "…", pi_symbols(*last.as_integer_ratio())]
        if not self.shape:
            return texts[0]
        shape = f" of shape {self.shape}" if len(self.shape) > 1 else ""
        count = f" ({above.size} exact times{shape})" if shape or above.size > _MOST_SHOWN or not texts else ""
        return f"[{', '.join(texts)}]{count}"

    def __format__(self, spec: str) -> str:
        return format(float(self), spec) if spec else repr(self)

    # -------------------------------------------------------------- order

    def __eq__(self, other: Any) -> Any:
        if isinstance(other, PiFraction):
            return _compared(operator.eq, self, other)
        if _is_number(other):
            return (self.value == 0) & (np.asarray(other) == 0) if self.shape else bool(self.value == other == 0)
        return NotImplemented

    def __hash__(self) -> int:
        if self.shape:
            raise TypeError("Only a single exact time can be a key; several are an array.")
        return hash((fractions.Fraction(int(self.numerator), int(self.denominator)), "π") if self.numerator else 0)

    def __lt__(self, other: Any) -> Any:
        return _compared(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return _compared(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compared(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compared(operator.ge, self, other)

    # -------------------------------------------------------------- arithmetic

    def __neg__(self) -> "PiFraction":
        return PiFraction(-self.numerator, self.denominator)

    def __pos__(self) -> "PiFraction":
        return self

    def __abs__(self) -> "PiFraction":
        return PiFraction(abs(self.numerator), self.denominator)

    def __add__(self, other: Any) -> Any:
        if is_integer(other) and other == 0:  # `sum` begins with it
            return self
        if not isinstance(other, PiFraction):
            return _with_floats(operator.add, self, other)
        (a, b), (c, d) = _integers(self), _integers(other)
        return _lowest(a * d + c * b, b * d)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, PiFraction) else _with_floats(operator.sub, self, other)

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, PiFraction):
            return NotImplemented  # π² is no time
        ratio = _ratio(other)
        if ratio is None:
            return _with_floats(operator.mul, self, other)
        above, below = _integers(self)
        return _lowest(above * ratio[0], below * ratio[1])

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        if isinstance(other, PiFraction):
            (a, b), (c, d) = _integers(self), _integers(other)
            return np.true_divide(a * d, b * c).astype(float)[()] if self.shape or other.shape else a * d / (b * c)
        ratio = _ratio(other)
        if ratio is None:
            return _with_floats(operator.truediv, self, other)
        above, below = _integers(self)
        sign = np.where(ratio[0] < 0, -1, 1).astype(object)
        if np.any(ratio[0] == 0):
            raise ZeroDivisionError("An exact time cannot be divided by 0.")
        return _lowest(above * ratio[1] * sign, below * ratio[0] * sign)


def pi_fraction(numerator: Any, denominator: Any = 1) -> PiFraction:
    """Exact times π · numerator / denominator.

    Args:
        numerator: integer or integer array.
        denominator: positive integer or integer array, at most 2^28; broadcast with `numerator`.

    Returns:
        PiFraction: the times in lowest terms.

    Raises:
        ValueError: when an argument is not an integer, or the denominator is out of range.

    Example:
        >>> import jaxent
        >>> print(jaxent.pi_fraction(2, 3))
        2π/3
    """
    for name, value in (("numerator", numerator), ("denominator", denominator)):
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(value)):
            raise ValueError(
                f"Argument `{name}` must be known, but is traced; make the PiFraction outside of jit, vmap and grad, "
                "or use a float time."
            )
    check_fraction(numerator, denominator)
    num, den = np.broadcast_arrays(np.asarray(numerator, np.int64), np.asarray(denominator, np.int64))
    common = np.gcd(num, den)
    return PiFraction(num // common, den // common)


def one_time(time: Any) -> Any:
    """Make one `PiFraction` of a list, or an array, of them, where 0 is exact; give anything else back as it is.

    Raises:
        ValueError: when a list holds exact times beside floats, or rows of different lengths.
    """
    if isinstance(time, np.ndarray) and time.dtype == object:
        time = time.tolist()
    if not isinstance(time, list | tuple):
        return time
    parts = [one_time(one) for one in time]
    if not any(isinstance(one, PiFraction) for one in parts):
        return time
    parts = [pi_fraction(0) if is_integer(one) and one == 0 else one for one in parts]
    floats = [one for one in parts if not isinstance(one, PiFraction)]
    if floats:
        raise ValueError(
            f"Argument `time` must hold exact times or numbers, but holds {shown(floats[0])} beside exact ones; "
            "make all of them exact by jaxent.pi_fraction, or round them by float."
        )
    if len({one.shape for one in parts}) > 1:
        raise ValueError(f"Argument `time` must have rows of one length, but is {shown(time)}.")
    return PiFraction(*(np.stack([getattr(one, part) for one in parts]) for part in ("numerator", "denominator")))


# --------------------------------------------------------------------------- parts of the arithmetic


def _is_known(value: Any) -> bool:
    return not isinstance(value, Tracer) and np.asarray(value).dtype.kind in "iu"


def _is_number(value: Any) -> bool:
    kind = np.asarray(value).dtype.kind if isinstance(value, np.ndarray | np.generic | int | float) else ""
    return bool(kind) and kind in "biuf"


def _integers(time: PiFraction) -> tuple[Any, Any]:
    """Give numerator and denominator as integers of Python, which do not overflow; arrays of them for several."""
    for part in (time.numerator, time.denominator):
        if isinstance(part, Tracer):
            raise ValueError("Exact times must be known for exact arithmetic, but are traced; compute outside of jit.")
    if not time.shape:
        return int(time.numerator), int(time.denominator)
    return np.asarray(time.numerator).astype(object), np.asarray(time.denominator).astype(object)


def _ratio(value: Any) -> tuple[Any, Any] | None:
    """Give an exact number as numerator and denominator, integers of Python; None for floats and what is no number."""
    if isinstance(value, fractions.Fraction):
        return value.numerator, value.denominator
    if are_integers(value):
        return (np.asarray(value).astype(object), 1) if np.shape(value) else (int(value), 1)
    return None


def _lowest(numerator: Any, denominator: Any) -> PiFraction:
    common = np.gcd(np.asarray(numerator, object), np.asarray(denominator, object))
    return pi_fraction(numerator // common, denominator // common)


def _with_floats(apply: Callable[[Any, Any], Any], time: PiFraction, other: Any) -> Any:
    """Compute with rounded times; leave what is no number to the other operand."""
    if isinstance(other, jax.Array) or _is_number(other):
        single = not time.shape and not isinstance(time.value, jax.Array)
        found = apply(float(time) if single else time.value, other)
        return found.item() if isinstance(found, np.generic) else found
    return NotImplemented


def _compared(compare: Callable[[Any, Any], Any], time: PiFraction, other: Any) -> Any:
    """Compare exactly with exact times, and rounded with other numbers."""
    if not isinstance(other, PiFraction):
        return _with_floats(compare, time, other)
    (a, b), (c, d) = _integers(time), _integers(other)
    found = compare(a * d, c * b)
    return found.astype(bool) if isinstance(found, np.ndarray) else bool(found)
