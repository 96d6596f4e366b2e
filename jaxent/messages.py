"""Write values in messages, on one line and shortened to a readable length.

>>> shown(10**200)
'an integer of 201 digits'
>>> shown("a" * 1000)[:12], len(shown("a" * 1000))
("'aaaaaaaaaaa", 80)
"""

import math
import reprlib
from typing import Any

__all__ = ["pi_symbols", "shortened", "shown"]

_MOST = 80  # characters of a value in a message
_LONGEST_TEXT = 4 * _MOST  # characters of a text, before it is quoted

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = _brief.maxlong = _LONGEST_TEXT
_brief.maxlist = _brief.maxtuple = _brief.maxdict = _brief.maxset = _MOST


def shown(value: Any) -> str:
    """Write a value for a message: its `repr` on one line, cut in the middle beyond 80 characters.

    Args:
        value: any value; a large array, a long text or a huge integer takes no longer than a small one.

    Returns:
        str: at most 80 characters without a line break.
    """
    if isinstance(value, int) and abs(value) >= 10**_MOST:
        return f"an integer of {_digits(value)} digits"
    try:
        text = _brief.repr(value)
    except Exception:  # a failing `repr` of a foreign class must not replace the message
        text = f"an object of type {type(value).__name__}"
    return shortened(text)


def shortened(text: str, most: int = _MOST) -> str:
    """Write a text on one line, cut in the middle beyond `most` characters."""
    # only the ends of a long text are read
    ends = text if len(text) <= 4 * most else f"{text[: 2 * most]}…{text[-2 * most :]}"
    line = " ".join(ends.split())
    if len(line) <= most and len(ends) == len(text):
        return line
    half = most // 2
    return f"{line[: half - 1]}…{line[len(line) - half :]}"


def pi_symbols(numerator: int, denominator: int) -> str:
    """Write a multiple of π as in a formula: 0, π, 2π/3, −π/2."""
    if not numerator:
        return "0"
    factor = "" if abs(numerator) == 1 else str(abs(numerator))
    return ("−" if numerator < 0 else "") + factor + "π" + ("" if denominator == 1 else f"/{denominator}")


def _digits(value: int) -> int:
    """Count the decimal digits of an integer without writing it out, which Python refuses beyond 4300 digits."""
    estimate = int((abs(value).bit_length() - 1) * math.log10(2))
    return estimate + (abs(value) >= 10**estimate) + (abs(value) >= 10 ** (estimate + 1))
