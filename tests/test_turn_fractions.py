"""The simplest fraction of an interval, against the walk down the Stern-Brocot tree, one step at a time."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest

from jaxent.protocol.turn_fractions import simplest_between, simplest_in_order

LARGEST = 200


def by_walking(low, high, largest):
    """Mediants of two neighbours, halving the interval as Stern (1858) and Brocot (1861) did."""
    below, above = (math.floor(low), 1), (math.floor(low) + 1, 1)
    if above[0] < high:
        return Fraction(*above)
    while True:
        middle = (below[0] + above[0], below[1] + above[1])
        if middle[1] > largest:
            return None
        if middle[0] <= low * middle[1]:
            below = middle
        elif middle[0] >= high * middle[1]:
            above = middle
        else:
            return Fraction(*middle)


def intervals(rng, count):
    """Wide and narrow ones, of either sign, with ends on fractions of small denominators and beside them."""
    for _ in range(count):
        low = Fraction(int(rng.integers(-400, 400)), int(rng.integers(1, 60)))
        kind = rng.integers(4)
        if kind == 0:
            high = low + Fraction(int(rng.integers(1, 50)), int(rng.integers(1, 3000)))
        elif kind == 1:
            low, high = low - Fraction(1, int(rng.integers(1, 10**6))), low
        elif kind == 2:
            high = low + Fraction(int(rng.integers(1, 9)), 2 ** int(rng.integers(1, 95)))
        else:
            low, high = (low + Fraction(int(x), 10**9) for x in np.sort(rng.integers(-(10**8), 10**8, 2)))
        yield low, high


def test_continued_fractions_find_what_the_walk_finds():
    rng = np.random.default_rng(5)
    for low, high in intervals(rng, 4000):
        largest = int(rng.integers(1, LARGEST))
        assert simplest_between(low, high, largest) == by_walking(low, high, largest), (low, high, largest)


@pytest.mark.parametrize(
    ("low", "high", "largest", "found"),
    [
        (0, 1, 1, None),
        (0, 1, 2, Fraction(1, 2)),
        (0, 2, 1, Fraction(1)),
        (-1, 1, 1, Fraction(0)),
        (-2, -1, 5, Fraction(-3, 2)),
        (1, 1, 10, None),
        (2, 1, 10, None),
        (Fraction(1, 3), Fraction(1, 2), 5, Fraction(2, 5)),
        (Fraction(1, 3), Fraction(1, 2), 4, None),
    ],
)
def test_the_ends_are_excluded_and_the_denominator_is_bounded(low, high, largest, found):
    assert simplest_between(Fraction(low), Fraction(high), largest) == found


def test_next_to_zero_the_cost_grows_as_the_logarithm_of_the_denominator():
    start = time.perf_counter()
    for power in range(10, 90):
        edge = 10**power
        assert simplest_between(Fraction(0), Fraction(1, edge), 2 * edge) == Fraction(1, edge + 1)
    assert time.perf_counter() - start < 1.0  # a walk would take 10^10 steps for the first of them


def test_fractions_come_in_the_order_of_their_denominators():
    found = simplest_in_order(Fraction(0), Fraction(1, 2), 9, 100)
    every = {Fraction(p, r) for r in range(1, 10) for p in range(1, r) if 0 < Fraction(p, r) < Fraction(1, 2)}
    assert set(found) == every
    assert [one.denominator for one in found] == sorted(one.denominator for one in every)
