"""Exact times against `fractions.Fraction`: arithmetic, order, texts; lists of them and exact offsets as arguments."""

import math
import operator
import pickle
from fractions import Fraction

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxent

RATIONAL = st.fractions(-50, 50, max_denominator=1000)
CHAIN = jaxent.Chain(3, 12)


def exact(ratio):
    return jaxent.pi_fraction(ratio.numerator, ratio.denominator)


def ratio_of(time):
    return Fraction(int(time.numerator), int(time.denominator))


@given(RATIONAL, RATIONAL, st.integers(-99, 99), RATIONAL)
def test_arithmetic_is_that_of_fractions(one, other, whole, factor):
    s, t = exact(one), exact(other)
    assert ratio_of(s + t) == one + other
    assert ratio_of(s - t) == one - other
    assert ratio_of(whole * s - t * whole) == whole * (one - other)
    assert ratio_of(-s) == -one
    assert ratio_of(abs(s)) == abs(one)
    assert ratio_of(sum([s, t, s])) == 2 * one + other
    assert ratio_of(s * factor) == one * factor
    assert ratio_of(factor * s) == one * factor
    if whole:
        assert ratio_of(s / whole) == one / whole
    if factor:
        assert ratio_of(s / factor) == one / factor
    if other:
        assert s / t == pytest.approx(float(one / other), rel=1e-15)


@given(RATIONAL, RATIONAL)
def test_order_is_that_of_fractions(one, other):
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        assert compare(exact(one), exact(other)) is compare(one, other)
    assert (hash(exact(one)) == hash(exact(other))) is (one == other)


def test_order_is_exact_where_floats_are_equal():
    large = jaxent.pi_fraction(2**61 + 1, 2**28 - 1)
    near = jaxent.pi_fraction(2**61, 2**28 - 1)
    assert float(large) == float(near)
    assert near < large
    assert near != large
    assert large - near == jaxent.pi_fraction(1, 2**28 - 1)


def test_with_floats_it_is_a_float():
    half = jaxent.pi_fraction(1, 2)
    assert float(half) == math.pi / 2
    assert half + 0.5 == 0.5 + half == math.pi / 2 + 0.5
    assert 2.0 - half == 2.0 - math.pi / 2
    assert half * 0.5 == math.pi / 4
    assert half / 2.0 == math.pi / 4
    assert 1.5 < half < 1.6
    assert half != math.pi / 2  # which is not π/2
    assert jaxent.pi_fraction(0) == 0.0
    assert f"{half:.3f} {half}" == "1.571 π/2"
    np.testing.assert_array_equal(np.sin(jaxent.pi_fraction([1, 3], 2)), [1.0, -1.0])
    with pytest.raises(TypeError):
        half + "text"
    with pytest.raises(TypeError):
        half * half
    with pytest.raises(ZeroDivisionError):
        half / 0


@pytest.mark.parametrize("of_jax", [False, True])
def test_arrays_are_exact_element_by_element(of_jax):
    times = jaxent.pi_fraction([1, -2, 5], [2, 3, 6])
    if of_jax:
        times = jax.jit(lambda t: t)(times)
    found = np.array([1, 2, 3]) * times + times[::-1] / 2
    assert [ratio_of(one) for one in found] == [
        k * ratio_of(a) + ratio_of(b) / 2 for k, a, b in zip((1, 2, 3), times, times[::-1], strict=True)
    ]
    np.testing.assert_array_equal(times < jaxent.pi_fraction(1, 2), [False, True, False])
    np.testing.assert_array_equal(times == times[0], [True, False, False])
    np.testing.assert_array_equal(times / jaxent.pi_fraction(1, 6), [3.0, -4.0, 5.0])
    np.testing.assert_allclose(np.asarray(times), [math.pi / 2, -2 * math.pi / 3, 5 * math.pi / 6])
    with pytest.raises(TypeError, match=r"\.value has the floats of several"):
        float(times)


def test_texts_are_short():
    assert repr(jaxent.pi_fraction(2, 3)) == "2π/3"
    assert repr(jaxent.pi_fraction([1, 2, 0, -1], [2, 3, 1, 1])) == "[π/2, 2π/3, 0, −π]"
    assert repr(jaxent.pi_fractions_up_to(100)) == "[π/50, 2π/99, …, π] (1522 exact times)"
    assert repr(jaxent.pi_fraction([[1], [2]], 3)) == "[π/3, 2π/3] (2 exact times of shape (2, 1))"
    assert repr(jaxent.PiFraction(np.int64(4), np.int64(6))) == "2π/3"
    texts = []
    jax.make_jaxpr(lambda t: texts.append(repr(t)))(jaxent.pi_fraction(1, 2))
    assert texts[0].startswith("PiFraction(numerator=")


def test_copies_are_equal():
    time = jaxent.pi_fraction(2, 3)
    assert pickle.loads(pickle.dumps(time)) == time
    assert {time: 1}[jaxent.pi_fraction(4, 6)] == 1


def test_lists_of_exact_times_are_exact():
    half, third = jaxent.pi_fraction(1, 2), jaxent.pi_fraction(2, 3)
    many = jaxent.Chain(3, 10**10)  # where floats miss the dips
    wanted = jaxent.end_to_end_entropy(many, jaxent.pi_fraction([1, 2], [2, 3]))
    for times in ([half, third], (half, third), np.array([half, third], object)):
        np.testing.assert_array_equal(jaxent.end_to_end_entropy(many, times), wanted)
    np.testing.assert_allclose(wanted, [2.0, math.log2(3)], atol=1e-6)
    rows = jaxent.end_to_end_entropy(CHAIN, np.array([[0, third], [half, third]], object))
    np.testing.assert_array_equal(rows, jaxent.end_to_end_entropy(CHAIN, jaxent.pi_fraction([[0, 2], [1, 2]], [2, 3])))
    bonds = jaxent.end_to_end_entropy(CHAIN, jaxent.BondTimes([half, third]))
    assert bonds == jaxent.end_to_end_entropy(CHAIN, jaxent.BondTimes(jaxent.pi_fraction([1, 2], [2, 3])))
    with pytest.raises(ValueError, match=r"holds 1\.0 beside exact ones; make all of them exact"):
        jaxent.end_to_end_entropy(CHAIN, [half, 1.0])
    with pytest.raises(ValueError, match="rows of one length"):
        jaxent.end_to_end_entropy(CHAIN, (jaxent.pi_fraction([1], 2), jaxent.pi_fraction([1, 2], 3)))


def test_offsets_and_ends_of_intervals_may_be_exact():
    eighth = jaxent.pi_fraction(1, 8)
    wanted = jaxent.end_to_end_entropy(CHAIN, 1.0, phase_offset=math.pi / 8)
    assert jaxent.end_to_end_entropy(CHAIN, 1.0, phase_offset=eighth) == wanted
    longer = jaxent.Chain(4, 5)
    wanted = jaxent.end_to_end_entropy(longer, 1.0, phase_offset=[math.pi / 8, 0.3])
    assert jaxent.end_to_end_entropy(longer, 1.0, phase_offset=[eighth, 0.3]) == wanted
    traced = jax.jit(lambda offset: jaxent.end_to_end_entropy(CHAIN, 1.0, phase_offset=offset))(eighth)
    assert traced == pytest.approx(float(jaxent.end_to_end_entropy(CHAIN, 1.0, phase_offset=math.pi / 8)), abs=1e-12)
    curve = jaxent.entropy_curve(CHAIN, 0, jaxent.pi_fraction(1), 3)
    np.testing.assert_array_equal(curve.time, jaxent.entropy_curve(CHAIN, 0.0, math.pi, 3).time)
    np.testing.assert_array_equal(jaxent.uniform_grid(0, jaxent.pi_fraction(1), 3), [0, math.pi / 2, math.pi])
