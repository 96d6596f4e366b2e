"""Bring the parameters of a sweep into canonical form, so that equal sweeps are stored alike; refuse invalid ones.

An invalid value raises `QuestionError`, which names the parameter.
"""

import dataclasses
import difflib
import math
import numbers
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from jaxent import outcome_texts, time_texts
from jaxent.messages import shown
from jaxent.sweep.quantities import QUANTITIES
from jaxent.times import BondTimes, PiFraction, pi_fraction

__all__ = [
    "CANONICAL",
    "QuestionError",
    "Span",
    "ends",
    "is_axis",
    "length",
    "listed",
    "plain",
    "spread",
    "times_of",
    "value_of",
]

_MOST_VALUES = 10**8  # values of one axis, which are all held in memory
_OF_BONDS = "; a time for each bond is given by BondTimes, in a file by `time.bonds`"


class QuestionError(ValueError):
    """Report an invalid parameter of a sweep: its name `key` and the `reason`."""

    def __init__(self, key: str, reason: str):
        super().__init__(f"Argument `{key}` {reason}")
        self.key, self.reason = key, reason

    def __reduce__(self):
        return type(self), (self.key, self.reason)


@dataclasses.dataclass(frozen=True)
class Span:
    """Describe evenly spaced values of an axis, with both ends included.

    Attributes:
        start: first value; for times also a multiple of π such as "pi/2".
        stop: last value.
        count: number of values, at least 2.
        spacing: "linear", or "log" for a constant ratio.
    """

    start: Any
    stop: Any
    count: Any
    spacing: Any = "linear"


# ------------------------------------------------------------------- canonical forms


def is_axis(value: Any) -> bool:
    """Check whether a parameter is an axis: a tuple of values, a span, or rows of bond times."""
    return isinstance(value.times[0] if isinstance(value, BondTimes) else value, tuple | Span)


def length(value: Any) -> int:
    """Count the values of a parameter."""
    return value.count if isinstance(value, Span) else len(listed(value))


def listed(value: Any) -> tuple:
    """Return a parameter's values as a tuple; for `BondTimes`, its rows, each with one time per bond."""
    inner = value.times if isinstance(value, BondTimes) else value
    return inner if is_axis(value) else (inner,)


def plain(value: Any) -> Any:
    """Convert a canonical value to types that JSON can store."""
    if isinstance(value, Span):
        return dataclasses.asdict(value)
    if isinstance(value, BondTimes):
        return {"bonds": plain(value.times)}
    return [plain(one) for one in value] if isinstance(value, tuple) else value


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.bool_)


def _integer(key: str, value: Any) -> int:
    if not _is_real(value) or not -math.inf < value < math.inf or value != int(value):
        raise QuestionError(key, f"must be an integer, but is {shown(value)}.")
    return int(value)


def _number(key: str, value: Any) -> float:
    try:
        number = float(value) if _is_real(value) else math.nan
    except OverflowError:
        raise QuestionError(key, "must be a finite number, but is an integer beyond 1.8e+308.") from None
    if not math.isfinite(number):
        raise QuestionError(key, f"must be a finite number, but is {shown(value)}.")
    return number + 0.0  # -0.0 is 0.0


def _time(key: str, value: Any) -> float | str:
    if isinstance(value, PiFraction) and not value.shape:
        return _texts(value)[0]
    if isinstance(value, str):
        exact = time_texts.multiple_of_pi(value)
        if exact:
            return time_texts.pi_text(*exact)
        try:
            value = time_texts.parse_time(value)
        except ValueError as error:
            raise QuestionError(key, re.sub(r"^Argument `\w+` ", "", str(error))) from None
    return _number(key, value)


def _texts(times: PiFraction) -> list[str]:
    """Write exact times as texts such as "2pi/3", in lowest terms."""
    lowest = pi_fraction(times.numerator, times.denominator)
    pairs = zip(np.ravel(lowest.numerator).tolist(), np.ravel(lowest.denominator).tolist(), strict=True)
    return [time_texts.pi_text(*pair) for pair in pairs]


def _nested(times: Any, depth: int = 2) -> Any:
    """Convert bond times to lists within a list; deeper nesting is kept here and refused later."""
    if isinstance(times, np.ndarray | jax.Array):
        return np.asarray(times).tolist()
    many = times.shape if isinstance(times, PiFraction) else isinstance(times, list | tuple)
    return [_nested(one, depth - 1) for one in times] if many and depth else times


def _bond_times(key: str, value: BondTimes) -> BondTimes:
    """Check one time per bond, or rows of them; times may repeat within a row."""
    given = _nested(value.times)
    if not isinstance(given, list) or not given:
        raise QuestionError(key, f"must hold a time for each bond, or rows of them, but holds {shown(given)}.")
    is_row = not any(isinstance(one, list) for one in given)
    rows = _axis(_time, nested=True)(key, [given] if is_row else given)
    return BondTimes(rows[0] if is_row else rows)


def _time_axis(key: str, value: Any) -> Any:
    """Check the times; a zero among exact multiples of π becomes the exact time "0pi"."""
    of_bonds = isinstance(value, BondTimes)
    if isinstance(value, PiFraction) and len(value.shape) == 1 and len(value):
        return _distinct(key, tuple(_texts(value)))
    times = _bond_times(key, value) if of_bonds else _axis(_time, span=True, instead=_OF_BONDS)(key, value)
    if not any(isinstance(one, str) for one in ends(times)):
        return times

    def exact(one: Any) -> Any:
        if isinstance(one, tuple):
            return tuple(exact(each) for each in one)
        return "0pi" if one == 0.0 else one

    if isinstance(times, BondTimes):
        inner = exact(times.times)
        return BondTimes(_distinct(key, inner) if is_axis(times) else inner)
    if isinstance(times, Span):
        return dataclasses.replace(times, start=exact(times.start), stop=exact(times.stop))
    return _distinct(key, tuple(exact(one) for one in times)) if isinstance(times, tuple) else times


def _angle(key: str, value: Any) -> float:
    time = _time(key, value)
    return value_of(time)


def _window(key: str, value: Any) -> float | None:
    return None if value is None or value == "full" else _number(key, value)


def _one_outcome(key: str, value: Any) -> int | float | str:
    if isinstance(value, str):
        below = outcome_texts.atoms_below(value.replace(" ", ""))
        if below is None:
            raise QuestionError(key, f'must be integers, or texts such as "N" or "N-3", but holds {shown(value)}.')
        return outcome_texts.outcome_text(below)
    if isinstance(value, float) and math.isfinite(value) and value != math.floor(value):
        return value  # a record of a detector of finite resolution
    return _integer(key, value)


def _axis(
    one: Callable[[str, Any], Any], span: bool = False, nested: bool = False, instead: str = ""
) -> Callable[[str, Any], Any]:
    """Build a check that accepts one value, a list of values, or, where allowed, a `Span` or lists within the list.

    `instead` ends the error message for a list within the list where none is allowed.
    """

    def canonical(key: str, value: Any) -> Any:
        if isinstance(value, Span):
            if not span:
                raise QuestionError(key, "must be values, not a span.")
            return _canonical_span(key, value, one)
        if isinstance(value, PiFraction) and len(value.shape) == 1:
            value = _texts(value)
        if isinstance(value, np.ndarray | jax.Array):
            value = np.asarray(value).tolist()
        if not isinstance(value, list | tuple | range):
            return one(key, value)
        if not len(value):
            raise QuestionError(key, "must have at least one value, but is an empty list.")
        if len(value) > _MOST_VALUES:
            raise QuestionError(key, f"must have at most 10^8 values, but has {len(value)}.")
        values = []
        for each in value:
            entry = np.asarray(each).tolist() if isinstance(each, np.ndarray | jax.Array) else each
            inner = isinstance(entry, list | tuple)
            if inner and not (nested and len(entry)):
                raise QuestionError(key, f"must be a flat list of values, but holds {shown(entry)}{instead}.")
            values.append(tuple(one(key, number) for number in entry) if inner else one(key, entry))
        if len({type(entry) is tuple for entry in values}) > 1:
            raise QuestionError(key, "must hold either numbers or lists, but holds both.")
        return _distinct(key, tuple(values))

    return canonical


def _distinct(key: str, values: tuple) -> tuple:
    if len(set(values)) < len(values):
        raise QuestionError(key, "must not hold a value twice.")
    return values


def _canonical_span(key: str, span: Span, one: Callable[[str, Any], Any]) -> Span:
    start, stop = one(key, span.start), one(key, span.stop)
    count = _integer(key, span.count)
    if not 2 <= count <= _MOST_VALUES:
        raise QuestionError(key, f"must have a `count` from 2 to 10^8, but has {shown(span.count)}.")
    if span.spacing not in ("linear", "log"):
        raise QuestionError(key, f'must have a `spacing` of "linear" or "log", but has {shown(span.spacing)}.')
    low, high = (value_of(one) for one in (start, stop))
    if low == high:
        raise QuestionError(key, f"must have different ends, but both are {shown(span.start)}.")
    if span.spacing == "log" and not (low > 0 and high > 0):
        raise QuestionError(
            key, f"must have ends above 0 for a spacing of log, but has {shown(span.start)} and {shown(span.stop)}."
        )
    return Span(start, stop, count, span.spacing)


def _quantities(key: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) for name in names):
        raise QuestionError(key, f"must be a list of names, but is {shown(value)}.")
    for name in names:
        if name not in QUANTITIES:
            near = difflib.get_close_matches(name, QUANTITIES, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(QUANTITIES))}."
            raise QuestionError(key, f"must name quantities, but holds {shown(name)}{hint}")
    if len(set(names)) < len(names):
        raise QuestionError(key, "must not hold a name twice.")
    return tuple(names)


def _at_least(least: float, one: Callable[[str, Any], Any], none: bool = False) -> Callable[[str, Any], Any]:
    def canonical(key: str, value: Any) -> Any:
        if none and value is None:
            return None
        number = one(key, value)
        if not number >= least:
            raise QuestionError(key, f"must be at least {least:g}, but is {shown(value)}.")
        return number

    return canonical


def _optional(canonical: Callable[[str, Any], Any], missing: Any) -> Callable[[str, Any], Any]:
    return lambda key, value: missing if value is None else canonical(key, value)


CANONICAL: dict[str, Callable[[str, Any], Any]] = {
    "quantities": _quantities,
    "n_atoms": _axis(_at_least(1, _integer)),
    "time": _time_axis,
    "n_ensembles": _axis(_at_least(2, _integer)),
    "window": _axis(_window),
    "outcomes": _optional(_axis(_one_outcome, nested=True), "N"),
    "phase_offset": _axis(_angle, span=True, nested=True),
    "dephasing_rate": _optional(_axis(_at_least(0, _number), span=True, nested=True), None),
    "collective_rate": _axis(_at_least(0, _number), span=True),
    "tolerance": _at_least(0, _number, none=True),
    "alpha": _at_least(0, _number),
    "n_samples": _at_least(2, _integer, none=True),
    "seed": _at_least(0, _integer),
    "resolution": _axis(_at_least(0, _number), span=True, nested=True),
    "atom_dephasing_rate": _axis(_at_least(0, _number), span=True, nested=True),
    "atom_loss_rate": _axis(_at_least(0, _number), span=True, nested=True),
}


# ------------------------------------------------------------------------- values


def ends(value: Any) -> tuple:
    """Return values that include the smallest and the largest: both ends of a span, otherwise all values."""
    if isinstance(value, BondTimes):
        return tuple(one for row in listed(value) for one in row)
    return (value.start, value.stop) if isinstance(value, Span) else listed(value)


def value_of(one: Any) -> float:
    """Convert a number, or a text such as "2pi/3", to a float."""
    if not isinstance(one, str):
        return float(one)
    numerator, denominator = _exact(one)
    return math.pi * (numerator / denominator)


def spread(span: Span) -> np.ndarray:
    """Compute all values of a span as floats."""
    start, stop = (value_of(one) for one in (span.start, span.stop))
    return (np.geomspace if span.spacing == "log" else np.linspace)(start, stop, span.count)


def _exact(text: str) -> tuple[int, int]:
    """Read the numerator and the denominator of a multiple of π in canonical form."""
    exact = time_texts.multiple_of_pi(text)
    if exact is None:
        raise ValueError(f"not a multiple of π: {shown(text)}")
    return exact


def times_of(value: Any) -> np.ndarray | PiFraction | BondTimes:
    """Convert times to floats, or to exact ones where all are multiples of π; `BondTimes` get shape (rows, M-1)."""
    if isinstance(value, BondTimes):
        n_rows = length(value)
        return BondTimes(jax.tree.map(lambda part: part.reshape(n_rows, -1), times_of(ends(value))))
    if not all(isinstance(one, str) for one in ends(value)):
        return spread(value) if isinstance(value, Span) else np.array(listed(value), float)
    if not isinstance(value, Span):
        return pi_fraction(*np.array([_exact(one) for one in ends(value)]).T)
    start, stop = (Fraction(*_exact(one)) for one in ends(value))
    step = (stop - start) / (value.count - 1)
    denominator = math.lcm(start.denominator, step.denominator)
    if value.spacing == "log" or denominator > 2**28:
        return spread(value)
    first, each = (int(one * denominator) for one in (start, step))
    return pi_fraction(first + each * np.arange(value.count), denominator)
