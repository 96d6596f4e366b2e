"""Which times the explorer shows: distances from an exact centre, so that one can zoom below float64's resolution."""

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

__all__ = ["WHOLE", "View", "asked_view"]

_LATEST = 1e3
_NARROWEST = 1e-15
_CLOSE = 0.02  # a view this much narrower than its distance from the centre gets a centre of its own
_FAR = 0.5  # a view this wide is counted from zero
_SIMPLE = 10**6  # largest denominator of a new centre
_MARKS = 12
_ROUNDING = 2.0**-52


@dataclasses.dataclass(frozen=True)
class View:
    """The times from `start` to `stop`, both counted from 2π times `centre`."""

    centre: fractions.Fraction
    start: float
    stop: float

    @property
    def width(self) -> float:
        """Of the interval, in units of 1/coupling."""
        return self.stop - self.start

    @property
    def around(self) -> PiFraction:
        """The centre as a time."""
        return PiFraction(*pi_multiple(self.centre))

    @property
    def label(self) -> str:
        """Of the axis."""
        centre = time_text(self.centre)
        return "interaction time t (1/coupling)" if centre == "0" else f"t − {centre} (1/coupling)"

    def turns(self, distance: float) -> fractions.Fraction:
        """t/2π at a distance from the centre; exactly, where it is a simple fraction up to rounding."""
        turns = self.centre + turns_of(distance)
        simple, beyond = nearest(turns, _SIMPLE)
        return simple if abs(beyond) <= _ROUNDING * abs(distance) else turns

    def recentred(self) -> "View":
        """The same times, counted from the simplest fraction among them where they are close together, else from 0."""
        low, high = self.turns(self.start), self.turns(self.stop)
        if self.width > _FAR:
            centre = fractions.Fraction(0)
        elif self.width < _CLOSE * max(abs(self.start), abs(self.stop)):
            centre = simplest_between(low, high, _SIMPLE) or ((low + high) / 2).limit_denominator(10**12)
        else:
            return self
        return View(centre, *[2 * math.pi * float(edge - centre) for edge in (low, high)])

    def clipped(self) -> "View":
        """The part of it that can be computed: from t = 0 to t = 1000, and no narrower than 1e-15.

        Raises:
            ValueError: when nothing is left.
        """
        origin = 2 * math.pi * float(self.centre)
        start, stop = max(self.start, -origin), min(self.stop, _LATEST - origin)
        if not stop > start:
            raise ValueError(f"The times seen must lie between 0 and {_LATEST:g}; zoom out.")
        if stop - start < _NARROWEST:
            middle = (start + stop) / 2
            start, stop = middle - _NARROWEST / 2, middle + _NARROWEST / 2
        return View(self.centre, start, stop)

    def marks(self, n_atoms: int) -> list[tuple[float, int, str]]:
        """Distance, r and name of the magic times 2πp/r of the smallest r in the view, r ≤ √N."""
        largest = max(1, math.isqrt(n_atoms))
        found = simplest_in_order(self.turns(self.start), self.turns(self.stop), largest, _MARKS)
        return [(2 * math.pi * float(one - self.centre), one.denominator, time_text(one)) for one in found]

    def text_of(self, distance: float, n_atoms: int) -> str:
        """A time as the nearest 2πp/r, r ≤ √N, and what it is beyond."""
        fraction, beyond = nearest(self.turns(distance), max(1, math.isqrt(n_atoms)))
        rest = "" if abs(beyond) <= _ROUNDING * abs(distance) else f" {'+' if beyond > 0 else '−'} {abs(beyond):.3g}"
        return f"{time_text(fraction)}{rest}, r = {fraction.denominator}"


# beyond π everything comes again; no fraction of π, or all evenly spaced times would be magic ones
WHOLE = View(fractions.Fraction(0), 0.0, 3.2)


def asked_view(centre: str, width: str) -> View:
    """The view around a time, as typed.

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
    return View(fractions.Fraction(0), value - half, value + half).recentred()
