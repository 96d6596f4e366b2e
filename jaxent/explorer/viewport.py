"""Hold the times that the explorer shows as distances from an exact centre, to zoom below float64 resolution."""

import dataclasses
import fractions
import math

from jaxent.explorer.reading import bounded, parse_number
from jaxent.messages import shown
from jaxent.protocol.turn_fractions import (
    nearest,
    pi_multiple,
    simplest_between,
    simplest_in_order,
    time_text,
    turns_of,
)
from jaxent.time_texts import parse_time, time_number
from jaxent.times import PiFraction

__all__ = ["NARROWEST", "WHOLE", "View", "asked_view"]

_LATEST = 1e3
NARROWEST = 1e-15
_CLOSE = 0.02  # a view narrower than this share of its distance from the centre gets a new centre
_SMALL = 1e-9  # half a view's width from which floats around a time do well
_FAR = 0.5  # a wider view is measured from t = 0
_SIMPLE = 10**6  # largest denominator of a new centre
_MARKS = 12
_ROUNDING = 2.0**-52


@dataclasses.dataclass(frozen=True)
class View:
    """Hold the times from `start` to `stop`, both measured from 2π times `centre`."""

    centre: fractions.Fraction
    start: float
    stop: float

    @property
    def width(self) -> float:
        """Width of the interval, in units of 1/coupling."""
        return self.stop - self.start

    @property
    def earliest(self) -> float:
        """The time 0, measured from the centre."""
        return -2 * math.pi * float(self.centre)

    @property
    def around(self) -> PiFraction:
        """The centre as a time."""
        return PiFraction(*pi_multiple(self.centre))

    @property
    def label(self) -> str:
        """Label of the time axis."""
        centre = time_text(self.centre)
        return "interaction time t (1/coupling)" if centre == "0" else f"t − {centre} (1/coupling)"

    def turns(self, distance: float) -> fractions.Fraction:
        """Compute t/2π at a distance from the centre; round it to a simple fraction if they agree to rounding."""
        turns = self.centre + turns_of(distance)
        simple, beyond = nearest(turns, _SIMPLE)
        return simple if abs(beyond) <= _ROUNDING * abs(distance) else turns

    def recentred(self) -> "View":
        """Choose the centre anew: the simplest fraction in a narrow view, or 0 for a wide one."""
        low, high = self.turns(self.start), self.turns(self.stop)
        if self.width > _FAR:
            if self.centre == 0:
                return self
            centre = fractions.Fraction(0)
        elif self.width < _CLOSE * max(abs(self.start), abs(self.stop)):
            centre = simplest_between(low, high, _SIMPLE) or ((low + high) / 2).limit_denominator(10**12)
        else:
            return self
        return View(centre, *[2 * math.pi * float(edge - centre) for edge in (low, high)])

    def clipped(self) -> "View":
        """Clip the view to times that can be computed, from t = 0 to t = 1000, and widen it to at least 1e-15.

        Raises:
            ValueError: when no time is left.
        """
        origin, start, stop = 2 * math.pi * float(self.centre), self.start, self.stop
        if stop - start < NARROWEST:
            middle = (start + stop) / 2
            start, stop = middle - NARROWEST / 2, middle + NARROWEST / 2
        start, stop = max(start, -origin), min(stop, _LATEST - origin)
        if not stop > start:
            raise ValueError(f"The times seen must lie between 0 and {_LATEST:g}; zoom out.")
        return View(self.centre, start, stop)

    def marks(self, n_atoms: int) -> list[tuple[float, int, str]]:
        """List distance, r and name of the magic times 2πp/r of smallest r in the view, r ≤ √N."""
        largest = max(1, math.isqrt(n_atoms))
        found = simplest_in_order(self.turns(self.start), self.turns(self.stop), largest, _MARKS)
        return [(2 * math.pi * float(one - self.centre), one.denominator, time_text(one)) for one in found]

    def text_of(self, distance: float, n_atoms: int) -> str:
        """Write a time as the nearest 2πp/r, r ≤ √N, plus or minus the difference."""
        fraction, beyond = nearest(self.turns(distance), max(1, math.isqrt(n_atoms)))
        rest = "" if abs(beyond) <= _ROUNDING * abs(distance) else f" {'+' if beyond > 0 else '−'} {abs(beyond):.3g}"
        return f"{time_text(fraction)}{rest}, r = {fraction.denominator}"


# the curve repeats beyond π; the end is no fraction of π, as else all evenly spaced times would be magic times
WHOLE = View(fractions.Fraction(0), 0.0, 3.2)


def asked_view(centre: str, width: str) -> View:
    """Build the view around a time from the texts of the fields.

    Raises:
        ValueError: one sentence that names the field, its value and what would be right.
    """
    centre = bounded("Centre", centre)
    try:
        time, value = parse_time(centre), time_number(centre)
    except (ValueError, OverflowError):
        raise ValueError(f"Centre must be a number or a multiple of π like pi/2, but is {shown(centre)}.") from None
    if not 0 <= value <= _LATEST:
        raise ValueError(f"Centre must lie between 0 and {_LATEST:g}, but is {shown(centre)}.")
    half = parse_number("Width", width, above=0.0, most=_LATEST) / 2
    exact = turns_of(time)
    if exact.denominator <= 10**12:
        return View(exact, -half, half)
    if half < _SMALL:
        simple = exact.limit_denominator(10**12)
        beyond = 2 * math.pi * float(exact - simple)
        return View(simple, beyond - half, beyond + half)
    return View(fractions.Fraction(0), value - half, value + half).recentred()
