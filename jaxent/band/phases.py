"""Compute phases of the Dicke states on the host, to float64 rounding at any N, and resonances of the time.

A phase d t is needed in turns modulo 1, to float64 rounding, for d = k - N/2 up to 10^7 and more. The half time is
reduced once, in Python integers, to 96 binary digits of a turn; its multiples by the integers 2d then take two machine
multiplications, the first of them exact modulo 2^64.

>>> reduced(math.pi / 2) == reduced(PiFraction(1, 2))
False
>>> print(multiples(np.array([2 * 10**12 + 2]), reduced(PiFraction(1, 3))) * 6)     # (10^12 + 1) π/3 is -π/3
[-1.]
"""

import fractions
import math

import numpy as np

from jaxent.numerics.angles import INVERSE_TWO_PI, INVERSE_TWO_PI_BITS
from jaxent.times import PiFraction

__all__ = ["multiples", "reduced", "resonances", "time_of"]

BITS = 96


def reduced(time: float | PiFraction) -> int:
    """Reduce half a time to a phase: t/4π modulo 1, in units of 2^-96 turns."""
    if isinstance(time, PiFraction):
        turn = fractions.Fraction(int(time.numerator), 4 * int(time.denominator))
        return round(turn % 1 * 2**BITS) % 2**BITS
    exact = fractions.Fraction(float(time))
    turns = exact.numerator * INVERSE_TWO_PI // (2 * exact.denominator)  # of 2^-256
    return (turns >> (INVERSE_TWO_PI_BITS - BITS)) % 2**BITS


def time_of(half_turn: int) -> float:
    """Convert a phase from `reduced` to a time in (-2π, 2π]; the entanglement of the ends is 2π-periodic."""
    return 4 * math.pi * ((half_turn + 2 ** (BITS - 1) - 1) % 2**BITS - 2 ** (BITS - 1) + 1) / 2**BITS


def multiples(integers: np.ndarray, half_turn: int) -> np.ndarray:
    """Multiply a phase from `reduced` by integers n, |n| up to 2^40; the result is in turns in [-1/2, 1/2]."""
    high, low = half_turn >> 32, half_turn & (2**32 - 1)
    with np.errstate(over="ignore"):
        wound = integers.astype(np.int64).view(np.uint64) * np.uint64(high)  # exact modulo one turn
    turns = wound.view(np.int64) * 2.0**-64 + integers * (low * 2.0**-BITS)
    return turns - np.round(turns)


def resonances(half_turn: int, largest: int) -> list[tuple[int, float]]:
    """Find denominators r ≤ `largest` of the convergents of t/2π, with the distance of r t from multiples of 2π.

    Args:
        half_turn: the time, from `reduced`.
        largest: largest r.

    Returns:
        list of (r, |r t mod 2π|), r increasing.
    """
    numerator, denominator = 2 * half_turn % 2**BITS, 2**BITS
    found, before, here = [], 0, 1  # denominators of the convergents
    while here <= largest:
        distance = abs((here * 2 * half_turn + 2 ** (BITS - 1)) % 2**BITS - 2 ** (BITS - 1))
        found.append((here, 2 * math.pi * distance / 2**BITS))
        if numerator == 0:
            break
        (quotient, rest), denominator = divmod(denominator, numerator), numerator
        before, here, numerator = here, quotient * here + before, rest
    return found
