"""Frequencies, rates, durations and lengths as texts with units, as a laboratory writes them.

Hz means cycles per second for a frequency, 2kHz = 2π · 2000 rad/s, and events per second for a rate, 0.1Hz = 0.1/s.
rad/s and 1/s say it without doubt, and so does a factor 2π written out, 2pi*0.1/s. Plain numbers are in rad/s, 1/s, s.

>>> round(angular_frequency("coupling", "2 kHz"), 3), angular_frequency("coupling", "2e3 rad/s")
(12566.371, 2000.0)
>>> rate("loss", "0.1Hz"), duration("t2", "5ms")
(0.1, 0.005)
"""

import math
import re
from typing import Any

from jaxent.conversion import real_number
from jaxent.messages import shown
from jaxent.time_texts import MOST_CHARACTERS

__all__ = ["angular_frequency", "duration", "length", "pause", "rate", "speed"]

_TEXT = re.compile(
    r"\s*+(?P<turn>2\s*+(?:pi|π)\s*+[*×·]?\s*+)?(?P<number>[+-]?(?:\d++\.?\d*+|\.\d++)(?:[eE][+-]?\d++)?)\s*+(?P<unit>(?:(?<=\s)1)?\D.*)"
)
_PREFIXES = {"": 1.0, "n": 1e-9, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_SECONDS = {p + "s": size for p, size in _PREFIXES.items() if size <= 1} | {"min": 60.0, "h": 3600.0}
_METRES = {p + "m": size for p, size in _PREFIXES.items() if size <= 1e3}
_SPEEDS = {f"{unit}/s": size for unit, size in _METRES.items()}
_CYCLES = {p + "Hz": size for p, size in _PREFIXES.items()}
_RATES = {form.format(unit): 1 / size for form in ("1/{}", "/{}") for unit, size in _SECONDS.items()}
_RATES |= dict.fromkeys(("s^-1", "s⁻¹", "s**-1"), 1.0)
_RADIANS = {f"{p}rad/s": size for p, size in _PREFIXES.items()} | _RATES


def angular_frequency(name: str, value: Any) -> float:
    """Read a positive frequency, in rad/s.

    Raises:
        ValueError: when it is none, or has another unit.
    """
    units = {unit: 2 * math.pi * size for unit, size in _CYCLES.items()} | _RADIANS
    must = "be a positive frequency like 2kHz (cycles) or 12566rad/s"
    return _quantity(name, value, units, must, lambda number: 0 < number < math.inf, turned=_RADIANS | _CYCLES)


def rate(name: str, value: Any) -> float:
    """Read a rate of at least 0, in 1/s.

    Raises:
        ValueError: when it is none, or has another unit.
    """
    must = "be a rate of at least 0 like 0.1/s or 0.1Hz (events per second)"
    units = _RATES | _CYCLES
    return _quantity(name, value, units, must, lambda number: 0 <= number < math.inf, turned=units)


def duration(name: str, value: Any) -> float:
    """Read a positive duration, in seconds; it may be infinite.

    Raises:
        ValueError: when it is none, or has another unit.
    """
    return _quantity(name, value, _SECONDS, "be a positive duration like 5ms", lambda number: number > 0, turned={})


def pause(name: str, value: Any) -> float:
    """Read a finite duration of at least 0, in seconds.

    Raises:
        ValueError: when it is none, or has another unit.
    """
    must = "be a duration of at least 0 like 50µs"
    return _quantity(name, value, _SECONDS, must, lambda number: 0 <= number < math.inf, turned={})


def length(name: str, value: Any) -> float:
    """Read a finite length of at least 0, in metres.

    Raises:
        ValueError: when it is none, or has another unit.
    """
    must = "be a length of at least 0 like 10km"
    return _quantity(name, value, _METRES, must, lambda number: 0 <= number < math.inf, turned={})


def speed(name: str, value: Any) -> float:
    """Read a positive speed, in m/s.

    Raises:
        ValueError: when it is none, or has another unit.
    """
    return _quantity(
        name, value, _SPEEDS, "be a positive speed like 2e8m/s", lambda number: 0 < number < math.inf, turned={}
    )


def _quantity(name: str, value: Any, units: dict[str, float], must: str, fits: Any, turned: dict[str, float]) -> float:
    """Read a number in SI units, or a text with one of the units; after a factor 2π with one of those `turned`."""
    if not isinstance(value, str):
        return real_number(name, value, must, fits)
    match = _TEXT.fullmatch(value) if len(value) <= MOST_CHARACTERS else None
    if match:
        unit = match["unit"].strip().replace(" ", "")
        size = (turned.get(unit, math.nan) * 2 * math.pi) if match["turn"] else units.get(unit, math.nan)
        number = float(match["number"]) * size
        if fits(number):
            return number
    raise ValueError(f"Argument `{name}` must {must}, but is {shown(value)}.")
