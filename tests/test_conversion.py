"""Numbers of every kind are read as what they are, before any cast."""

import decimal
import fractions
import math
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxent
from jaxent import arguments, dicke
from jaxent.conversion import as_given, finite, positive, real_number, whole_number
from jaxent.outcomes import averages

CHAIN = jaxent.Chain(3, 5)
HALVES = [0.5, fractions.Fraction(1, 2), decimal.Decimal("0.5"), np.longdouble("0.5"), np.float16(0.5), np.array(0.5)]


@pytest.mark.parametrize(
    "number", [7, 7.0, np.int8(7), np.float32(7), fractions.Fraction(7), np.array(7), jnp.array(7)]
)
def test_whole_numbers_of_every_kind_are_integers(number):
    found = whole_number("n", number, 1)
    assert (found, type(found)) == (7, int)


@pytest.mark.parametrize("number", [7.5, True, "7", None, 7j, math.nan, math.inf, [7], np.array([7]), np.bool_(True)])
def test_what_is_no_whole_number_is_refused(number):
    with pytest.raises(ValueError, match=r"Argument `n` must be an integer of at least 1, but is .*\."):
        whole_number("n", number, 1)


@pytest.mark.parametrize("number", HALVES)
def test_numbers_of_every_kind_are_floats(number):
    assert real_number("x", number) == positive("x", number) == finite("x", number) == 0.5
    assert as_given("x", [number, number]).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("number", HALVES)
def test_times_offsets_and_orders_may_be_any_kind_of_number(number):
    entropy = jaxent.end_to_end_entropy(CHAIN, 0.5, 3, 0.5)
    assert float(jaxent.end_to_end_entropy(CHAIN, number, 3, number)) == float(entropy)
    assert float(jaxent.renyi_entropy(np.eye(2), real_number("alpha", number))) == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize("outcome", [3.0, np.float32(3), [3.0], np.array([3.0]), jnp.array(3.0)])
def test_outcomes_may_be_whole_floats(outcome):
    expected = jaxent.log_outcome_probability(CHAIN, 0.5, 3)
    assert float(jaxent.log_outcome_probability(CHAIN, 0.5, outcome)) == float(expected)
    assert jaxent.decode_outcomes(CHAIN, outcome, 2).tolist() == jaxent.decode_outcomes(CHAIN, 3, 2).tolist()


def test_whole_floats_are_outcomes_in_every_function():
    mixed = arguments.checked_outcomes([3.0, 2], 4, 5)
    assert (mixed.tolist(), mixed.dtype.kind) == ([3, 2], "i")
    assert arguments.checked_outcomes(2.0**53, 3, 2**53).tolist() == [2**53]
    assert averages._chosen(jaxent.Chain(4, 5), [[3.0, 2], [1, 5.0]]).tolist() == [[3, 2], [1, 5]]
    np.testing.assert_array_equal(dicke.x_basis(5, 3.0), dicke.x_basis(5, 3))
    sweeps = [
        jaxent.Sweep("entropy", atoms, 0.5, outcomes=outcomes) for atoms, outcomes in ((5, [2, 3]), (5.0, [2.0, 3.0]))
    ]
    assert sweeps[0] == sweeps[1]
    assert sweeps[0].key == sweeps[1].key


@pytest.mark.parametrize("outcome", [1.5, math.nan, math.inf, True, [True], np.bool_(True), [3.0, 2.5], 3j])
def test_what_is_no_whole_outcome_is_refused_in_one_sentence(outcome):
    chain = jaxent.Chain(4, 5) if np.size(outcome) == 2 else CHAIN
    with pytest.raises(ValueError, match=r"^Argument `outcomes` must be integers, or None for all N, but is .*\.$"):
        jaxent.log_outcome_probability(chain, 0.5, outcome)
    with pytest.raises(ValueError, match=r"Argument `outcomes` must "):
        jaxent.Sweep("entropy", 5, 0.5, outcomes=outcome, n_ensembles=chain.n_ensembles)


def test_a_traced_float_is_no_outcome():
    with pytest.raises(ValueError, match="`outcomes` must be integers"):
        jax.eval_shape(lambda q: jaxent.log_outcome_probability(CHAIN, 0.5, q), 3.0)


def test_beyond_the_range_of_floats_a_number_is_infinite():
    assert real_number("x", 10**400) == -real_number("x", -(10**400)) == math.inf
    with pytest.raises(ValueError, match=r"Argument `x` must be a finite number, but is an integer of 401 digits\."):
        finite("x", 10**400)


def test_a_chain_takes_a_whole_number_that_is_written_as_a_float():
    code = "import jaxent; print(jaxent.Chain(3, 1e6) == jaxent.Chain(3, 10**6))"  # where no test checks annotations
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout == "True\n"


def test_integers_beyond_64_bits_do_not_wrap():
    assert as_given("x", 2**70 + 1).tolist() == 2**70 + 1
    assert as_given("x", [np.uint64(2**64 - 1)]).tolist() == [2**64 - 1]


def test_a_single_exact_time_is_no_list():
    with pytest.raises(TypeError, match="single exact time"):
        list(jaxent.pi_fraction(1, 2))
    with pytest.raises(TypeError, match="single exact time"):
        len(jaxent.pi_fraction(1, 2))
    assert [int(one.denominator) for one in jaxent.pi_fraction([1, 1], [2, 3])] == [2, 3]


def test_matrices_of_half_precision_are_taken_in_single_precision():
    assert jaxent.entanglement_entropy(np.eye(2, dtype=np.float16)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("outcome", [-1, 10])
def test_a_traced_outcome_outside_the_basis_gives_nan(outcome):
    assert np.isnan(jax.jit(lambda q: dicke.x_basis(9, q))(outcome)).all()
    assert np.isnan(jax.jit(lambda q: dicke.x_overlap(9, q, jnp.array([0.1, 0.2])))(outcome)).all()


def test_the_derivative_at_a_traced_outcome_outside_the_basis_is_nan_and_not_zero():
    def value(x, outcome):
        return arguments.nan_unless_possible(x**2, outcome, 5)

    for derivative in (jax.grad(value), jax.jacfwd(value)):
        assert np.isnan([derivative(2.0, jnp.array([q, 3])) for q in (-1, 6)]).all()
        assert derivative(2.0, jnp.array([0, 5])) == 4.0


@pytest.mark.parametrize("time", [1.1e6, -1e12, math.inf])
def test_a_traced_time_beyond_the_largest_gives_nan(time):
    assert np.isnan(jax.jit(lambda t: jaxent.end_to_end_entropy(CHAIN, t))(time))


def test_numpy_set_to_raise_changes_nothing():
    expected = jaxent.end_to_end_entropy(jaxent.Chain(3, 2000), 1.0, 1990, 0.3)
    with np.errstate(all="raise"):
        found = jaxent.end_to_end_entropy(jaxent.Chain(3, 2000), 1.0, 1990, 0.3)
        jaxent.end_to_end_entropy(jaxent.Chain(4, 9), 0.5)
        dicke.log_weights(10**4)
        jaxent.chain_for_tolerance(50, 0.7, 1e-6)
        jaxent.entropy_curve(jaxent.Chain(3, 9), 0.1, 0.5, 4)
    assert float(found) == float(expected)


def test_half_precision_whole_floats_are_outcomes():
    expected = jaxent.end_to_end_entropy(jaxent.Chain(3, 6), 0.4, 3)
    assert jaxent.end_to_end_entropy(jaxent.Chain(3, 6), 0.4, np.float16(3)) == expected
