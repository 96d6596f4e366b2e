"""Phases in turns against exact integers (`fractions`) and 60 digits (mpmath)."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp

from jaxent import times
from jaxent.times import BondTimes, pi_fraction

# |t| up to about 10: the time of π in float64 too, which is not the exact π
TIMES = [1.0, -2.3, math.pi, 1e-3, 7.77, -1e-9, 0.0]
# largest measured error 2.1e-16 over 200 multiples per case: two roundings of a result of at most 1/2
ROUNDING = 3e-16
ROUNDING_32 = 1.5e-7  # measured 1.1e-7


def integers(largest, size=60):
    drawn = np.random.default_rng(largest % 2**32).integers(-largest, largest + 1, size)
    return np.concatenate([drawn, [largest, -largest, 0, 1]])


def exact_turns(multiple, time, shift):
    """n t / (2π 2^shift), as an mpmath number that is not reduced."""
    return mp.mpf(int(multiple)) * mp.mpf(float(time)) / (2 * mp.pi * 2**shift)


def error_in_turns(got, exact):
    """Largest distance on the circle."""
    with mp.workdps(60):
        differences = [mp.mpf(float(g)) - e for g, e in zip(np.ravel(got), exact, strict=True)]
        return max(abs(float(d - mp.nint(d))) for d in differences)


def exact_for(multiples, values, shift):
    with mp.workdps(60):
        return [exact_turns(n, t, shift) for t in values for n in multiples]


# ------------------------------------------------------------ float times


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("largest", [1, 10**4, 10**8, 10**12, 10**16])
def test_turns_of_a_float_time_are_correct_to_rounding(largest, shift):
    n = integers(largest)
    got = jax.jit(jax.vmap(lambda t: times.turns(n, t, shift)))(jnp.array(TIMES))
    assert got.dtype == jnp.float64
    assert (abs(got) <= 0.5).all()
    assert error_in_turns(got, exact_for(n, TIMES, shift)) < ROUNDING


def test_turns_outside_jit_take_python_integers_of_any_size():
    n = np.array([10**16 + 1, -(10**17) - 7, 2**70 + 3, 0], dtype=object)
    got = times.turns(n, 1.3)
    # at n t = 10^21 the 2^-106 of t / 2π that is kept is worth 2e-12
    assert error_in_turns(got[:2], exact_for(n[:2], [1.3], 0)) < ROUNDING
    assert error_in_turns(got, exact_for(n, [1.3], 0)) < 1e-11


def test_an_integer_time_is_a_float_time():
    n = integers(10**12)
    np.testing.assert_array_equal(times.turns(n, 3), times.turns(n, 3.0))


def test_no_multiples_give_no_turns():
    assert times.turns(np.zeros(0, int), 1.0).shape == (0,)


def test_turns_keep_the_shape_of_the_multiples():
    n = integers(10**12).reshape(4, 2, 8)
    got = times.turns(n, -1.7, 1)
    assert got.shape == n.shape
    np.testing.assert_array_equal(np.ravel(got), times.turns(n.ravel(), -1.7, 1))


def test_opposite_multiples_and_opposite_times_give_opposite_turns():
    n = integers(10**15)
    got = np.asarray(times.turns(n, 2.9, 2))
    np.testing.assert_array_equal(times.turns(-n, 2.9, 2), -got)
    np.testing.assert_array_equal(times.turns(n, -2.9, 2), -got)


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize("largest", [10, 200, 4 * 10**4])
def test_turns_in_single_precision_are_correct_to_its_rounding(largest):
    n = integers(largest)
    values = np.array([1.0, -2.3, 3.14159], np.float32)
    for shift in (0, 1, 2):
        got = jax.jit(jax.vmap(lambda t, shift=shift: times.turns(n, t, shift)))(jnp.asarray(values))
        assert got.dtype == jnp.float32
        assert error_in_turns(got, exact_for(n, values, shift)) < ROUNDING_32


@pytest.mark.parametrize("shift", [0, 1, 2])
def test_the_derivative_of_turns_is_the_multiple_over_two_pi(shift):
    n = integers(10**15)
    expected = n / (2 * np.pi * 2**shift)
    value, slope = jax.jvp(lambda t: times.turns(n, t, shift), (1.3,), (1.0,))
    np.testing.assert_allclose(slope, expected, rtol=1e-15)
    np.testing.assert_array_equal(value, times.turns(n, 1.3, shift))
    reverse = jax.jit(jax.jacrev(lambda t: times.turns(n, t, shift)))(1.3)
    np.testing.assert_allclose(reverse, expected, rtol=1e-15)


def test_the_second_derivative_of_turns_is_zero():
    assert jax.grad(jax.grad(lambda t: times.turns(np.array([7]), t)[0]))(1.3) == 0


# ------------------------------------------------------ products of indices


@pytest.mark.parametrize(
    ("left", "right", "tolerance"),
    [
        (10, 7, ROUNDING),
        (10**5, 10**5, ROUNDING),
        (2 * 10**8, 3 * 10**7, ROUNDING),
        (3 * 10**9, 3 * 10**9, 4e-14),  # n t = 2e19 times the 2^-106 to which 1 / 2π is known; measured 1.6e-14
    ],
)
def test_turns_of_products_are_the_turns_of_the_outer_product(left, right, tolerance):
    left, right = integers(left, 2), integers(right, 3)
    outer = [int(a) * int(b) for a in left for b in right]
    for time in (1.7, -2.2):
        got = times.turns_of_products(left, right, time, 1)
        assert got.shape == (6, 7)
        assert error_in_turns(got, exact_for(outer, [time], 1)) < tolerance
    got = times.turns_of_products(left, right, pi_fraction(5, 7), 2)
    assert error_in_turns(got, [fraction_of_a_turn(n, 5, 7, 2) for n in outer]) < 1.2e-16


def test_products_too_large_for_an_integer_are_exact_or_refused():
    k = 5 * 10**9 + np.array([-1, 0, 3])  # the middle of N = 10^10: products of 2.5e19
    try:
        got = times.turns_of_products(k, k, 1.0)
    except ValueError as error:
        assert "left" in str(error)  # noqa: PT017
    else:
        assert error_in_turns(got, exact_for([int(a) * int(b) for a in k for b in k], [1.0], 0)) < 1e-13


# --------------------------------------------------- rational multiples of π


def fraction_of_a_turn(multiple, numerator, denominator, shift):
    """Fractional part of n (p/r) / 2 / 2^shift in exact integers, then an mpmath number."""
    exact = Fraction(int(multiple) * numerator, 2 * denominator * 2**shift) % 1
    with mp.workdps(60):
        return mp.mpf(exact.numerator) / exact.denominator


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize(
    ("numerator", "denominator"),
    [(1, 3), (2, 3), (1, 2), (-5, 7), (0, 1), (7, 1), (355, 113), (1, 2**28 - 57), (2**40 + 1, 2**28)],
)
def test_turns_of_a_fraction_of_pi_are_exact(numerator, denominator, shift):
    n = [10**10, -(10**10), 10**20 + 3, -(10**20), 6 * 10**10 + 1, 1, 0, *integers(10**18, 20).tolist()]
    got = times.turns(np.array(n, dtype=object), pi_fraction(numerator, denominator), shift)
    assert (abs(got) <= 0.5).all()
    # a residue and a modulus below 2^53: one rounding of their quotient, one of the subtraction
    assert error_in_turns(got, [fraction_of_a_turn(k, numerator, denominator, shift) for k in n]) < 1.2e-16


def test_a_third_of_pi_stays_a_third_of_pi_at_ten_billion_atoms():
    n = 3 * 10**10 + np.arange(6)
    np.testing.assert_array_equal(times.turns(n, pi_fraction(2, 3)) * 3, [0, 1, -1, 0, 1, -1])


def test_fractions_of_pi_pass_through_jit_and_vmap():
    time = pi_fraction([1, -2, 3], [3, 5, 7])
    n = integers(10**17, 10)
    got = jax.jit(jax.vmap(lambda t: times.turns(n, t, 1)))(time)
    expected = [
        fraction_of_a_turn(k, p, r, 1)
        for p, r in zip(time.numerator.tolist(), time.denominator.tolist(), strict=True)
        for k in n
    ]
    assert error_in_turns(got, expected) < 1.2e-16


@pytest.mark.usefixtures("float32")
def test_fractions_of_pi_are_exact_in_single_precision():
    n = [10**9, -(10**9), 12345, 7, 0]
    for numerator, denominator, shift in ((1, 3, 0), (2, 3, 1), (5, 7, 2), (1, 2**12, 2)):
        got = times.turns(np.array(n), pi_fraction(numerator, denominator), shift)
        assert got.dtype == jnp.float32
        exact = [fraction_of_a_turn(k, numerator, denominator, shift) for k in n]
        assert error_in_turns(got, exact) < 6.5e-8  # half a unit in the last place of 1/2, twice


def test_a_fraction_of_pi_is_kept_in_lowest_terms():
    time = pi_fraction([2, -4, 0, 6], [4, 6, 5, 3])
    np.testing.assert_array_equal(time.numerator, [1, -2, 0, 2])
    np.testing.assert_array_equal(time.denominator, [2, 3, 1, 1])
    np.testing.assert_allclose(time.value, np.pi * np.array([0.5, -2 / 3, 0, 2]), rtol=4e-16)


def test_numerator_and_denominator_broadcast():
    time = pi_fraction(np.array([[1], [2]]), np.array([3, 4, 5]))
    assert time.shape == (2, 3)
    assert len(time) == 2
    assert (time[1].numerator[1], time[1].denominator[1]) == (1, 2)
    assert pi_fraction(3).shape == ()
    assert pi_fraction(3).value == pytest.approx(3 * np.pi, rel=1e-15)


@pytest.mark.parametrize("numerator", [0.5, [1.0, 2.0], True, "one"])
def test_a_numerator_that_is_no_integer_is_refused(numerator):
    with pytest.raises(ValueError, match="Argument `numerator` must be of integers, but is"):
        pi_fraction(numerator, 3)


def test_a_denominator_that_is_no_integer_is_refused():
    with pytest.raises(ValueError, match="Argument `denominator` must be of integers, but is"):
        pi_fraction(1, 3.0)


@pytest.mark.parametrize("denominator", [0, -3, 2**28 + 1, [3, 0]])
def test_a_denominator_out_of_range_is_refused(denominator):
    with pytest.raises(ValueError, match=r"Argument `denominator` must be between 1 and 2\^28, but is"):
        pi_fraction(1, denominator)


def test_the_largest_denominator_is_accepted():
    assert pi_fraction(1, 2**28).denominator == 2**28


# --------------------------------------------------------------------- grids


def farey(order):
    """The Farey sequence of 0…1 by the next-term rule, which needs neither gcd nor sorting."""
    a, b, c, d = 0, 1, 1, order
    terms = [(a, b)]
    while c <= order:
        step = (order + b) // d
        a, b, c, d = c, d, step * c - a, step * d - b
        terms.append((a, b))
    return terms


@pytest.mark.parametrize("order", [2, 3, 4, 12, 101])
def test_magic_times_are_twice_the_farey_fractions_up_to_a_half(order):
    got = times.pi_fractions_up_to(order)
    expected = [2 * Fraction(p, r) for p, r in farey(order) if 0 < Fraction(p, r) <= Fraction(1, 2)]
    assert [Fraction(int(p), int(r)) for p, r in zip(got.numerator, got.denominator, strict=True)] == expected
    assert (np.diff(got.value) > 0).all()
    assert got.value[-1] == np.pi


@pytest.mark.parametrize("order", [1, 0, -4])
def test_no_magic_times_below_denominator_two(order):
    with pytest.raises(ValueError, match="Argument `max_denominator` must be an integer of at least 2, but is"):
        times.pi_fractions_up_to(order)


def test_the_uniform_grid_holds_both_ends():
    np.testing.assert_array_equal(times.uniform_grid(-0.5, 1.5, 5), [-0.5, 0.0, 0.5, 1.0, 1.5])


@pytest.mark.parametrize(("start", "stop"), [(math.nan, 1.0), (0.0, math.inf)])
def test_a_uniform_grid_needs_finite_ends(start, stop):
    with pytest.raises(ValueError, match=r"Argument `st(art|op)` must be a finite number, but is (nan|inf)\."):
        times.uniform_grid(start, stop, 5)


def test_a_uniform_grid_needs_two_times():
    with pytest.raises(ValueError, match=r"Argument `n_times` must be an integer of at least 2, but is 1\."):
        times.uniform_grid(0.0, 1.0, 1)


@pytest.mark.parametrize(("n_atoms", "points_per_dip"), [(3, 100.0), (1, 1.0), (50, 120.0), (8, 2.0)])
def test_the_crevasse_grid_up_to_pi_is_spaced_as_equation_33(n_atoms, points_per_dip):
    grid = times.crevasse_grid(n_atoms, points_per_dip=points_per_dip)
    spacing = math.pi / (points_per_dip * n_atoms)
    np.testing.assert_allclose(np.diff(grid), spacing, rtol=1e-10)
    assert grid[0] == pytest.approx(spacing, rel=1e-14)
    assert grid[-1] == math.pi


def test_the_crevasse_grid_up_to_pi_has_as_many_times_as_asked_for():
    # no time more: the magic times π/2, π/5, … are then on the grid
    wrong = [n for n in range(1, 200) if len(times.crevasse_grid(n)) != 100 * n]
    assert wrong == []


@pytest.mark.parametrize("stop", [0.1, 1.0, 7.0])
def test_a_crevasse_grid_is_never_coarser_than_asked_for_and_ends_at_stop(stop):
    grid = times.crevasse_grid(20, stop)
    spacing = math.pi / 2000
    assert grid[-1] == stop
    np.testing.assert_allclose(np.diff(grid), grid[0], rtol=1e-9)
    assert spacing * (1 - 1 / len(grid)) < grid[0] <= spacing * (1 + 1e-12)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("n_atoms", {"n_atoms": 0}),
        ("stop", {"n_atoms": 5, "stop": -1.0}),
        ("stop", {"n_atoms": 5, "stop": math.inf}),
        ("points_per_dip", {"n_atoms": 5, "points_per_dip": math.nan}),
    ],
)
def test_a_crevasse_grid_needs_positive_arguments(name, arguments):
    with pytest.raises(
        ValueError, match=rf"Argument `{name}` must be (positive and finite|an integer of at least 1), but is"
    ):
        times.crevasse_grid(**arguments)


def test_a_crevasse_grid_of_too_many_times_is_refused_before_it_is_made():
    with pytest.raises(ValueError, match=r"Argument `n_atoms` = 100000000 asks for a grid of more than 10\^8 times"):
        times.crevasse_grid(10**8)


# -------------------------------------------------------- batches and values


@pytest.mark.parametrize(
    ("time", "shape"),
    [
        (1.0, ()),
        ([1.0, 2.0], (2,)),
        (np.zeros((2, 3)), (2, 3)),
        (pi_fraction(1, 3), ()),
        (pi_fraction([1, 2], 3), (2,)),
        (BondTimes([1.0, 2.0]), ()),
        (BondTimes(np.zeros((5, 4, 3))), (5, 4)),
        (BondTimes(pi_fraction([[1, 2, 3]], 7)), (1,)),
    ],
)
def test_the_batch_shape_leaves_the_bonds_out(time, shape):
    assert times.batch_shape(time) == shape


def test_the_value_of_a_time_is_a_float_whatever_its_kind():
    assert times.time_value(1.5) == 1.5
    assert times.time_value(pi_fraction(1, 2)) == np.pi / 2
    np.testing.assert_array_equal(times.time_value(BondTimes(pi_fraction([1, 2], 2))), [np.pi / 2, np.pi])


def test_bond_times_and_fractions_are_pytrees():
    time = BondTimes(pi_fraction([1, 2], 3))
    assert len(jax.tree.leaves(time)) == 2
    doubled = jax.tree.map(lambda x: 2 * x, time)
    np.testing.assert_array_equal(doubled.times.numerator, [2, 4])


# ------------------------------------------------------------- phase factors


def test_cosine_and_sine_are_exact_at_quarter_turns():
    x = jnp.array([0, 0.25, 0.5, 0.75, 1, -0.25, -0.5, -0.75, 1e6 + 0.25])
    cos, sin = times.cos_sin_turns(x)
    np.testing.assert_array_equal(cos, [1, 0, -1, 0, 1, 0, -1, 0, 0])
    np.testing.assert_array_equal(sin, [0, 1, 0, -1, 0, -1, 0, 1, 1])
    np.testing.assert_array_equal(times.unit(x), np.array([1, 1j, -1, -1j, 1, -1j, -1, 1j, 1j]))


def test_cosine_and_sine_are_correct_to_rounding_near_their_zeros():
    x = np.concatenate([np.linspace(-1.1, 1.1, 41), 0.25 + np.array([1e-9, -1e-12]), 0.5 + np.array([1e-10, -1e-7])])
    cos, sin = times.cos_sin_turns(jnp.asarray(x))
    with mp.workdps(40):
        exact = [2 * mp.pi * mp.mpf(v) for v in x]
        exact_cos, exact_sin = (np.array([float(f(a)) for a in exact]) for f in (mp.cos, mp.sin))
    np.testing.assert_allclose(cos, exact_cos, rtol=6e-16)  # relative, also next to a zero
    np.testing.assert_allclose(sin, exact_sin, rtol=6e-16)


def test_the_derivative_of_a_phase_factor_is_right_at_quarter_turns():
    x = jnp.array([0, 0.25, 0.5, -0.25, 0.1])
    _, (cos_slope, sin_slope) = jax.jvp(times.cos_sin_turns, (x,), (jnp.ones_like(x),))
    angle = 2 * np.pi * np.asarray(x)
    np.testing.assert_allclose(cos_slope, -2 * np.pi * np.sin(angle), atol=2e-15)
    np.testing.assert_allclose(sin_slope, 2 * np.pi * np.cos(angle), atol=2e-15)


def test_a_pytree_of_fractions_holds_whatever_its_leaves_become():
    times_ = pi_fraction([1, 2], [3, 5])
    assert jax.tree.map(lambda leaf: leaf.dtype.kind, times_).numerator == "i"
    assert jax.tree.map(lambda leaf: leaf.sum() > 0, times_).denominator
    assert jax.tree.map(lambda leaf: leaf > 1, times_).numerator.tolist() == [False, True]
