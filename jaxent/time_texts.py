"""Times as texts: how a person types and reads them. Nothing heavy is imported here.

>>> time_number("pi/2")
1.5707963267948966
>>> pi_text(2, 3)
'2pi/3'
"""

import math
import re
from fractions import Fraction
from typing import Any

from jaxent.messages import pi_symbols, shown

__all__ = [
    "MOST_CHARACTERS",
    "float_of",
    "is_negative_multiple_of_pi",
    "multiple_of_pi",
    "parse_time",
    "pi_symbols",
    "pi_text",
    "time_number",
]

_MOST_NUMERATOR, _MOST_DENOMINATOR = 2**62, 2**28  # of a `PiFraction`
MOST_CHARACTERS = 100  # of a number
# possessive, so that no text is read twice
_TIME = re.compile(
    r"\s*+(?P<sign>[-−]?)(?P<factor>\d++\.?\d*+|\.\d++|)\s*+\*?\s*+(?:pi|π)\s*+(?:/\s*+(?P<denominator>\d++))?\s*+"
)


def float_of(text: str) -> float:
    """Convert a text to a float if it is short enough for a number that somebody typed."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError
    return float(text)


def parse_time(text: str):
    """Read a time: a number, or an exact multiple of π such as pi, 2pi/3, 0.6pi or pi/1000.

    Raises:
        ValueError: when it is neither.
    """
    from jaxent.times import pi_fraction

    exact = multiple_of_pi(text)
    if exact:
        return pi_fraction(*exact)
    try:
        return float_of(text)
    except ValueError:
        hint = "numbers are in units of 1/coupling"
        if len(text) > MOST_CHARACTERS:
            hint = f"numbers have at most {MOST_CHARACTERS} characters"
        elif _TIME.fullmatch(text):
            hint = "multiples have numerators up to 2^62 and denominators from 1 to 2^28"
        raise ValueError(
            f"Argument `time` must be a number or a multiple of π like 2pi/3, but is {shown(text)}; {hint}."
        ) from None


def time_number(text: str) -> float:
    """Read a time as `parse_time` does, and give it as a float."""
    time: Any = parse_time(text)
    return float(getattr(time, "value", time))


def multiple_of_pi(text: str) -> tuple[int, int] | None:
    """Read numerator and denominator of an exact multiple of π; None for any other text."""
    match = _TIME.fullmatch(text) if len(text) <= MOST_CHARACTERS else None
    if not match:
        return None
    below = int(match["denominator"] or 1)
    if not below:
        return None
    factor = match["factor"] or "1"
    # a sweep may have millions: texts of fractions take ten times as long
    above, scale = (int(factor), 1) if factor.isdecimal() else Fraction(factor).as_integer_ratio()
    below *= scale
    common = math.gcd(above, below)
    numerator, denominator = above // common, below // common
    fits = numerator <= _MOST_NUMERATOR and denominator <= _MOST_DENOMINATOR
    return (-numerator if match["sign"] else numerator, denominator) if fits else None


def is_negative_multiple_of_pi(word: str) -> bool:
    """Tell whether a word is a time that the parser takes for an option."""
    return word.startswith("-") and multiple_of_pi(word) is not None


def pi_text(numerator: int, denominator: int) -> str:
    """Write a multiple of π as `parse_time` reads it."""
    return ("" if numerator == 1 else str(numerator)) + "pi" + ("" if denominator == 1 else f"/{denominator}")
