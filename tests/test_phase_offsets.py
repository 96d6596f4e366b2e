"""Phase offsets of any size: a float is a number, and its reduction modulo 2π has one right answer."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from mpmath import mp

import jaxent
from jaxent import chain as steps
from jaxent.numerics.angles import LARGEST, reduced_angle, reduced_traced

LARGE = [1e12, -1e15, 7.0, 4 * math.pi, 10.0**9 + 0.5]
EPS = 2.0**-52
CHAINS = {"M = 3, odd N": (3, 5), "M = 3, even N": (3, 6), "M = 4, odd N": (4, 3), "M = 5, even N": (5, 2)}


def reduced(angle, turns=1):
    """An angle modulo 2π times a number of turns, by mpmath, between minus and plus half of that."""
    with mp.workdps(60):
        period = 2 * mp.pi * turns
        rest = mp.mpf(angle) - period * mp.nint(mp.mpf(angle) / period)
        return float(rest)


@pytest.mark.parametrize("angle", [*LARGE, 1e15, 2.0**49 + 0.125, 3e14, 2 * math.pi * (1 + EPS), -22.0, 710.0])
def test_a_known_angle_is_reduced_to_the_last_digit(angle):
    assert reduced_angle(angle) == reduced(angle, 2)


@pytest.mark.parametrize("angle", [0.3, -2 * math.pi, 0.0, 6.2, 1e-300])
def test_an_angle_within_a_turn_stays_as_it_is(angle):
    assert reduced_angle(angle) == angle
    assert float(reduced_traced(jnp.asarray(angle))) == angle


def test_traced_angles_are_reduced_and_have_the_derivative_one():
    angles = np.array([*LARGE, 0.3])
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(reduced_traced)))(angles)
    # a rounding of the fraction of a turn and one of its product with 4π
    np.testing.assert_allclose(values, [reduced(angle, 2) for angle in angles], rtol=0, atol=2 * math.pi * 1.5 * EPS)
    # the derivative passes through 1/4π and 4π, each rounded
    np.testing.assert_allclose(slopes, 1.0, rtol=0, atol=2 * EPS)
    assert jax.grad(jax.grad(reduced_traced))(1e9) == 0.0


@pytest.mark.parametrize("angle", [2 * LARGEST, math.inf, math.nan])
def test_a_traced_angle_beyond_the_largest_is_nan(angle):
    assert math.isnan(jax.jit(reduced_traced)(angle))


def test_a_known_offset_beyond_the_largest_is_refused():
    for angle in (2 * LARGEST, 10**30, 10**400):
        with pytest.raises(
            ValueError, match=r"Argument `phase_offset` must be at most 1e\+?(15|308) in magnitude, but"
        ):
            jaxent.end_to_end_entropy(jaxent.Chain(3, 5), 1.0, None, angle)


@pytest.mark.parametrize("case", CHAINS)
def test_amplitudes_with_all_their_phases_are_those_of_brute_force(case):
    n_ensembles, n_atoms = CHAINS[case]
    chain, inner = jaxent.Chain(n_ensembles, n_atoms), n_ensembles - 2
    outcomes = [max(n_atoms - 1 - j, 0) for j in range(inner)]
    traced = jax.jit(lambda offsets: jaxent.end_to_end_amplitudes(chain, 1.3, outcomes, offsets))
    for angle in LARGE:
        offsets = np.array([angle, angle / 2 + 1, 0.4][:inner])
        exact = oracles.end_to_end(n_ensembles, n_atoms, 1.3, outcomes, [reduced(offset) for offset in offsets])
        # a traced offset is right to 2e-15, and enters N times for each inner ensemble
        np.testing.assert_allclose(jaxent.end_to_end_amplitudes(chain, 1.3, outcomes, offsets), exact, atol=3e-14)
        np.testing.assert_allclose(traced(offsets), exact, atol=6e-14)


@pytest.mark.parametrize("angle", LARGE[:3])
def test_every_public_function_takes_a_large_offset_as_its_remainder(angle):
    chain, short, key = jaxent.Chain(3, 5), jaxent.Chain(3, 2), jax.random.key(2)
    planned = jaxent.plan_entropy(jaxent.Chain(3, 30), 0.7, 29, angle, tolerance=1e-9)
    start = steps.initial_state(chain)
    rho = (1 + 0j) * jnp.eye(27).reshape((3,) * 6) / 27 + 0.01 * jnp.ones((3,) * 6)
    functions = {
        "entropy": lambda x: jaxent.end_to_end_entropy(chain, 1.3, 3, x),
        "probability": lambda x: jaxent.log_outcome_probability(chain, 1.3, 3, x),
        "state tensor": lambda x: steps.apply_phase_offset(chain, start, x),
        "samples": lambda x: jaxent.sample_outcomes(key, jaxent.Chain(5, 4), 1.3, x),
        "all probabilities": lambda x: jaxent.outcome_probabilities(chain, 1.3, x),
        "average entropy": lambda x: jaxent.average_entropy(chain, 1.3, x).value,
        "fidelity": lambda x: jaxent.decoded_fidelity(chain, 3, 2, 1, 3.0, x),
        "log negativity": lambda x: jaxent.end_to_end_log_negativity(short, 1.3, 0.02, 1, x),
        "dephased state": lambda x: jaxent.end_to_end_state(short, 1.3, 0.02, 1, x, 0.01),
        "measured density": lambda x: jaxent.measure_density(short, rho, 1, x).state,
        "planned": lambda x: jaxent.planned_entropy(planned, phase_offset=x),
    }
    wrong = {
        name: difference
        for name, function in functions.items()
        if not (difference := float(np.max(np.abs(function(angle) - function(reduced(angle)))))) < 1e-12
    }
    assert wrong == {}


def test_the_derivative_in_an_offset_is_that_at_its_remainder():
    def entropy(x):
        return jaxent.end_to_end_entropy(jaxent.Chain(3, 5), 1.3, 3, x)

    slope = jax.jit(jax.grad(entropy))
    assert slope(1e12) == pytest.approx(float(slope(reduced(1e12))), abs=1e-12)


@pytest.mark.usefixtures("float32")
def test_in_single_precision_the_offset_as_given_is_reduced():
    chain = jaxent.Chain(3, 5)
    exact = oracles.entropy_bits(oracles.end_to_end(3, 5, 1.3, [3], [reduced(1e12)]))
    assert float(jaxent.end_to_end_entropy(chain, 1.3, 3, 1e12)) == pytest.approx(exact, abs=1e-5)
