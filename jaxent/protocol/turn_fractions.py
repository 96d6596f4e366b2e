"""Times as exact fractions of a turn: the simplest one in an interval, the nearest one to a time, and their names.

A time t is t/2π turns. The magic times 2πp/r are the turns p/r, so the deepest dip of an interval is at the fraction of
the smallest denominator in it, which continued fractions find.

>>> simplest_between(fractions.Fraction(3, 10), fractions.Fraction(9, 20), 10)
Fraction(1, 3)
>>> time_text(fractions.Fraction(1, 3))
'2π/3'
"""

import fractions
import heapq
import math

from jaxent.band.phases import BITS, reduced
from jaxent.time_texts import pi_symbols
from jaxent.times import PiFraction

__all__ = [
    "half_turn",
    "nearest",
    "pi_multiple",
    "simplest_between",
    "simplest_in_order",
    "time_text",
    "turns_of",
]


def turns_of(time: float | PiFraction) -> fractions.Fraction:
    """t/2π, of a float to 2^-95, windings included."""
    if isinstance(time, PiFraction):
        return fractions.Fraction(int(time.numerator), 2 * int(time.denominator))
    windings = math.floor(time / (4 * math.pi))
    part = fractions.Fraction(reduced(time), 2 ** (BITS - 1))
    return part + 2 * (windings + round(time / (4 * math.pi) - windings - float(part) / 2))


def half_turn(turns: fractions.Fraction) -> int:
    """`jaxent.band.phases.reduced` of the time 2π times a fraction."""
    return round(turns / 2 % 1 * 2**BITS) % 2**BITS


def simplest_between(low: fractions.Fraction, high: fractions.Fraction, largest: int) -> fractions.Fraction | None:
    """Find the fraction of smallest denominator, at most `largest`, strictly between two others; the least if integers.

    By continued fractions (Stern and Brocot's walk, many steps at once): O(log r) divisions.
    """
    if low >= high:
        return None
    # without an integer between, all numbers between share their integer part: subtract it, invert the rest
    parts: list[int] = []
    (below, below_over), (above, above_over) = low.as_integer_ratio(), high.as_integer_ratio()
    while True:
        whole = below // below_over
        if above_over == 0 or (whole + 1) * above_over < above:
            break
        parts.append(whole)
        below, below_over, above, above_over = (
            above_over,
            above - whole * above_over,
            below_over,
            below - whole * below_over,
        )
    numerator, denominator = whole + 1, 1
    for part in reversed(parts):
        numerator, denominator = part * numerator + denominator, numerator
    return fractions.Fraction(numerator, denominator) if denominator <= largest else None


def simplest_in_order(
    low: fractions.Fraction, high: fractions.Fraction, largest: int, count: int
) -> list[fractions.Fraction]:
    """Find the `count` fractions of smallest denominator strictly between two others, by increasing denominator."""
    found: list[fractions.Fraction] = []
    heap: list[tuple[int, fractions.Fraction, fractions.Fraction, fractions.Fraction]] = []

    def look(start: fractions.Fraction, stop: fractions.Fraction) -> None:
        one = simplest_between(start, stop, largest)
        if one is not None:
            heapq.heappush(heap, (one.denominator, one, start, stop))

    look(low, high)
    while heap and len(found) < count:
        _, one, start, stop = heapq.heappop(heap)
        found.append(one)
        look(start, one)
        look(one, stop)
    return found


def nearest(turns: fractions.Fraction, largest: int) -> tuple[fractions.Fraction, float]:
    """Find the fraction nearest to t/2π with a denominator up to `largest`, and t minus 2π times it."""
    fraction = turns.limit_denominator(largest)
    return fraction, 2 * math.pi * float(turns - fraction)


def pi_multiple(turns: fractions.Fraction) -> tuple[int, int]:
    """Return numerator and denominator of t/π."""
    return (2 * turns).as_integer_ratio()


def time_text(turns: fractions.Fraction) -> str:
    """Write the time 2π times a fraction as text, such as π/2."""
    return pi_symbols(*pi_multiple(turns))
