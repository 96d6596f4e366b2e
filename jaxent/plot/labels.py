"""Write the values of an axis as texts for figures, and find the value that a text names.

>>> texts("time", [math.pi / 2, 1.0])
['t = π/2', 't = 0.3183 π']
>>> index_of("n_atoms", np.array([20, 100]), "100")
1
"""

import contextlib
import math
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from jaxent.messages import shown
from jaxent.time_texts import parse_time, pi_symbols, pi_text

__all__ = ["SYMBOLS", "index_of", "some_of", "symbol", "texts"]

SYMBOLS = {
    "n_ensembles": "M",
    "n_atoms": "N",
    "window": "c",
    "outcomes": "q",
    "phase_offset": "φ",
    "dephasing_rate": "γ",
    "collective_rate": "Γ",
    "resolution": "σ",
    "time": "t",
}
_DIGITS = (4, 6, 9, 12, 17)  # the fewest that distinguish all values of an axis are used
_ROUNDING = 1e-14  # relative rounding of values such as evenly spaced ones
_MOST_LISTED = 8
_LONGEST = 40  # characters of one value in a list
_LEADING = re.compile(r"\s*[+-]?0*\.?0*([0-9]*\.?[0-9]*)")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def symbol(name: str) -> str:
    """Return the symbol of an axis, or its name in words."""
    return SYMBOLS.get(name, name.replace("_", " "))


def texts(name: str, values: Sequence[Any] | np.ndarray) -> list[str]:
    """Write each value as "symbol = value", to four digits, or to more where different values would read the same.

    Args:
        name: name of the axis, such as "n_atoms".
        values: numbers or texts; a window of infinity is the full basis.
    """
    return _distinct(values, lambda value, digits: _labelled(name, value, digits))


def index_of(name: str, labels: np.ndarray, text: str) -> int:
    """Find the index of the value that a text names, as the value itself or by four or more of its digits.

    Args:
        name: name of the axis.
        labels: values of the axis, numbers or texts.
        text: a number, a multiple of π such as 2pi/3, "full" for the window of all states, or a label of text.

    Raises:
        ValueError: when the text names no value, or more than one; the sentence lists the values of the axis.
    """
    number = math.nan
    if labels.dtype.kind in "UO":
        found = np.flatnonzero([str(label).split() == text.split() for label in labels])
    else:
        number = _number(name, text)
        found = np.flatnonzero(labels == number)
        for near in (_is_near, _rounds_to):
            if not len(found):
                found = np.flatnonzero(near(labels, number, text))
    if len(np.unique(labels[found])) != 1:
        raise ValueError(
            f"Argument `at` must give {name} a value that the results have, but gives {shown(text)}; "
            f"{_there_are(name, labels, number)}."
        )
    return int(found[0])


def some_of(words: Sequence[str]) -> str:
    """Join words to a list in a sentence; of a long list, the first ones and the number of the others."""
    each = [word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…" for word in words[:_MOST_LISTED]]
    if len(words) > _MOST_LISTED:
        return f"{', '.join(each)} and {len(words) - _MOST_LISTED} more"
    return " and ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)


# ------------------------------------------------------------------------ writing


def _distinct(values: Sequence[Any] | np.ndarray, write) -> list[str]:
    different = len({_key(value) for value in values})
    found: list[str] = []
    for digits in _DIGITS:
        found = [write(value, digits) for value in values]
        if len(set(found)) == different:
            break
    return found


def _key(value: Any) -> Any:
    return str(value) if isinstance(value, str) else float(value)


def _labelled(name: str, value: Any, digits: int) -> str:
    if name == "window" and not isinstance(value, str) and math.isinf(value):
        return "full basis"
    is_time = name == "time" and not isinstance(value, str)  # a text holds the times of all bonds
    return f"{symbol(name)} = {_multiple_of_pi(float(value), digits) if is_time else _plain(value, digits)}"


def _plain(value: Any, digits: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | np.integer):
        return _whole(int(value))
    return _short(float(value), digits)


def _short(value: float, digits: int) -> str:
    """Write a value to `digits` digits, or to fewer if they give the value up to rounding."""
    text = f"{value:.{digits}g}"
    return text if abs(float(text) - value) <= _ROUNDING * abs(value) else f"{value:#.{digits}g}".rstrip(".")


def _whole(value: int) -> str:
    """Write all digits of an integer, or a power of ten."""
    exponent = len(str(value)) - 1
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}" if exponent >= 5 and value == 10**exponent else str(value)


def _exact_multiple(time: float) -> Fraction | None:
    turns = time / math.pi
    near = Fraction(turns).limit_denominator(100) if math.isfinite(turns) else Fraction(0)
    return near if near and abs(float(near) - turns) <= _ROUNDING * abs(turns) else None


def _multiple_of_pi(time: float, digits: int) -> str:
    near = _exact_multiple(time)
    if near is None:
        return f"{_short(time / math.pi, digits)} π" if time else "0"
    return pi_symbols(near.numerator, near.denominator)


# ------------------------------------------------------------------------ choosing


def _number(name: str, text: str) -> float:
    """Read a text as a number; NaN if it is not one."""
    if name == "window" and text == "full":
        return math.inf
    with contextlib.suppress(ValueError):  # decimals of any length times π, as titles write times
        return float(text.strip().removesuffix("π").removesuffix("pi")) * (math.pi if _is_of_pi(text) else 1.0)
    try:
        parsed: Any = parse_time(text)
    except ValueError:
        return math.nan
    return float(getattr(parsed, "value", parsed))


def _is_of_pi(text: str) -> bool:
    return "pi" in text or "π" in text


def _is_near(labels: np.ndarray, number: float, text: str) -> np.ndarray:
    """Mark the values that equal a number up to rounding."""
    if not math.isfinite(number):
        return np.full(len(labels), False)
    return abs(labels - number) <= _ROUNDING * abs(number)


def _rounds_to(labels: np.ndarray, number: float, text: str) -> np.ndarray:
    """Mark the values that round to a number of four or more digits, as figures and messages write them."""
    leading = _LEADING.match(text)
    digits = len(leading[1].replace(".", "")) if leading else 0
    if not 4 <= digits <= 17 or "/" in text or not math.isfinite(number):
        return np.full(len(labels), False)
    unit = math.pi if _is_of_pi(text) else 1.0
    rounded = f"{number / unit:.{digits - 1}e}"
    return np.array([f"{label / unit:.{digits - 1}e}" == rounded for label in labels.tolist()], bool)


def _there_are(name: str, labels: np.ndarray, number: float) -> str:
    """List the values of an axis as they can be typed: all, or of many the ends and those nearest to a number."""
    words = _distinct(labels.tolist(), lambda value, digits: _typed(name, value, digits))
    if len(words) == 1:
        return f"there is only {some_of(words)}"
    if len(words) <= _MOST_LISTED or labels.dtype.kind in "UO":
        return f"there are {some_of(words)}"
    around = ""
    if math.isfinite(number):
        nearest = sorted(np.argsort(abs(labels - number), kind="stable")[:2].tolist())
        around = f", the nearest {some_of([words[index] for index in nearest])}"
    low, high = int(np.argmin(labels)), int(np.argmax(labels))
    return f"there are {len(words)} from {words[low]} to {words[high]}{around}"


def _typed(name: str, value: Any, digits: int) -> str:
    if isinstance(value, str):
        return value
    if name == "window" and math.isinf(value):
        return "full"
    near = _exact_multiple(value) if name == "time" else None
    if near:
        return pi_text(near.numerator, near.denominator)
    return str(value) if isinstance(value, int) else repr(value) if digits > 12 else _short(value, digits)
