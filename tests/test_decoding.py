"""Decoded outcomes and the states they announce, against the oracle and against the physics itself."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from jaxent import (
    Chain,
    decode_outcomes,
    decoded_fidelity,
    decoded_target,
    entanglement_entropy,
    outcome_probability,
    pi_fraction,
    sample_outcomes,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")

IN_A_HURRY = {"xla_backend_optimization_level": 0}  # compiling takes seconds, running much less


def distance(actual, expected) -> float:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    return float(np.max(np.abs(actual - expected), initial=0.0))


def for_each(function, outcomes) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(function), compiler_options=IN_A_HURRY)(jnp.asarray(outcomes)))


def sampled(chain: Chain, levels: int, numerator: int, count: int) -> np.ndarray:
    """Outcomes at 2πp/L with the offset π/(2L)."""
    time, offset = pi_fraction(2 * numerator, levels), np.pi / (2 * levels)
    keys = jax.random.split(jax.random.key(chain.n_ensembles), count)
    return for_each(lambda key: sample_outcomes(key, chain, time, offset), keys)


def overlap(target, amplitudes) -> float:
    return abs(np.vdot(target, amplitudes)) ** 2 / oracles.probability(amplitudes)


# ------------------------------------------------------------------ outcomes


@pytest.mark.parametrize("n_atoms", [20, 51])
@pytest.mark.parametrize("levels", [2, 3, 4, 5])
def test_every_outcome_goes_to_its_nearest_peak(n_atoms, levels):
    q = np.arange(n_atoms + 1)
    even = for_each(lambda q: decode_outcomes(Chain(3, n_atoms), q, levels), q)
    assert even[:, 0].tolist() == [oracles.decode(n_atoms, k, levels, even=True) for k in q]
    both = for_each(lambda q: decode_outcomes(Chain(5, n_atoms), jnp.array([0, q, 0]), levels), q)
    assert both[:, 1].tolist() == [oracles.decode(n_atoms, k, levels, even=False) for k in q]
    assert set(even[:, 0].tolist()) == set(both[:, 1].tolist()) == set(range(levels))


def test_one_outcome_stands_for_all_ensembles():
    chain = Chain(6, 30)
    assert decode_outcomes(chain, 7, 3).tolist() == decode_outcomes(chain, [7, 7, 7, 7], 3).tolist()
    assert decode_outcomes(Chain(2, 30), [], 3).shape == (0,)


@pytest.mark.parametrize(("numerator", "levels"), [(1, 5), (2, 5), (3, 5), (4, 5), (3, 4), (7, 4), (-1, 4), (1, 2)])
def test_an_even_ensemble_tells_the_difference_of_its_neighbours(numerator, levels):
    # with k_1 - k_3 = d the middle ensemble is on the equator at angle α = d t + φ, where q is about N cos²(α/2)
    difference = np.arange(-levels, levels + 1)
    angle = 2 * np.pi * numerator / levels * difference + np.pi / (2 * levels)
    outcomes = np.round(1000 * np.cos(angle / 2) ** 2).astype(int)
    decoded = for_each(lambda q: decode_outcomes(Chain(3, 1000), q, levels, numerator), outcomes)
    assert decoded[:, 0].tolist() == (difference % levels).tolist()


# -------------------------------------------------------------------- targets


@pytest.mark.parametrize("n_ensembles", [2, 3, 4, 5, 6])
@pytest.mark.parametrize(("n_atoms", "levels"), [(20, 3), (21, 4)])
def test_the_target_is_the_announced_state(n_ensembles, n_atoms, levels):
    chain = Chain(n_ensembles, n_atoms)
    outcomes = np.random.default_rng(levels).integers(0, n_atoms + 1, (5, n_ensembles - 2))
    targets = for_each(lambda q: decoded_target(chain, q, levels), outcomes)
    expected = [oracles.decoded_target(n_ensembles, n_atoms, q, levels) for q in outcomes]
    assert distance(targets, np.stack(expected)) <= 1e-14
    assert distance(jnp.sum(jnp.abs(targets) ** 2, axis=(1, 2)), np.ones(5)) <= 1e-14


@pytest.mark.parametrize("n_atoms", [400, 401])
def test_a_windowed_target_is_a_part_of_the_full_one(n_atoms):
    chain = Chain(4, n_atoms, window=7.0)
    target = decoded_target(chain, [300, 50], 3)
    expected = oracles.decoded_target(4, n_atoms, [300, 50], 3)[np.ix_(chain.states, chain.states)]
    assert distance(target, expected) <= 1e-10


@pytest.mark.parametrize(("n_ensembles", "levels"), [(3, 4), (4, 3), (5, 5)])
def test_the_target_holds_log2_of_the_levels(n_ensembles, levels):
    target = decoded_target(Chain(n_ensembles, 101), np.arange(n_ensembles - 2) * 30, levels)
    assert abs(float(entanglement_entropy(target)) - np.log2(levels)) <= 1e-12


# ------------------------------------------------------------------ fidelities


@pytest.mark.parametrize(
    ("n_ensembles", "n_atoms", "levels"), [(2, 12, 3), (3, 12, 3), (3, 13, 4), (4, 12, 2), (5, 8, 2), (6, 9, 3)]
)
def test_fidelities_are_those_of_the_full_amplitudes(n_ensembles, n_atoms, levels):
    chain = Chain(n_ensembles, n_atoms)
    outcomes = np.random.default_rng(0).integers(0, n_atoms + 1, (4, n_ensembles - 2))
    expected = [oracles.decoded_fidelity(n_ensembles, n_atoms, q, levels)[1] for q in outcomes]
    fidelity = for_each(lambda q: decoded_fidelity(chain, q, levels), outcomes)
    assert distance(fidelity, expected) <= 1e-12


@pytest.mark.parametrize(
    ("n_atoms", "expected", "tolerance"),
    [(10, 0.947, 5e-4), (20, 0.985, 5e-4), (60, 0.99965, 6e-6), (100, 0.999996, 5e-7)],
)
def test_average_fidelities_are_the_tabulated_ones(n_atoms, expected, tolerance):
    chain, time = Chain(3, n_atoms), pi_fraction(2, 3)

    def share(q):
        probability = outcome_probability(chain, time, q, np.pi / 6)
        return jnp.where(probability > 1e-28, probability * decoded_fidelity(chain, q, 3), 0.0)

    average = float(np.sum(for_each(share, np.arange(n_atoms + 1))))
    assert abs(average - expected) <= tolerance
    assert abs(average - oracles.average_fidelity(3, n_atoms, 3)) <= 1e-12


@pytest.mark.parametrize(
    ("n_ensembles", "numerator", "levels"),
    [(3, 2, 5), (4, 2, 5), (5, 2, 5), (4, -1, 4)],
)
def test_any_numerator_announces_the_state_there_is(n_ensembles, numerator, levels):
    # against the amplitudes of brute force, outcomes as they come
    n_atoms = 100
    outcomes = sampled(Chain(n_ensembles, n_atoms), levels, numerator, 6)
    targets = for_each(lambda q: decoded_target(Chain(n_ensembles, n_atoms), q, levels, numerator), outcomes)
    time, offset = 2 * np.pi * numerator / levels, np.pi / (2 * levels)
    actual = [oracles.end_to_end_stepwise(n_ensembles, n_atoms, time, q, offset) for q in outcomes]
    fidelities = np.array([overlap(*pair) for pair in zip(targets, actual, strict=True)])
    assert np.median(fidelities) > 0.998
    assert np.min(fidelities) > 0.95  # an outcome half-way between two peaks
    assert np.max(fidelities) <= 1 + 1e-12
    # what the wrong numerator announces is another state
    wrong = for_each(lambda q: decoded_target(Chain(n_ensembles, n_atoms), q, levels, 1), outcomes)
    wrongly = np.array([overlap(*pair) for pair in zip(wrong, actual, strict=True)])
    assert np.min(wrongly) < 0.5


@pytest.mark.parametrize(("n_ensembles", "limit"), [(3, 1e-9), (4, 2e-9)])
def test_fidelity_tends_to_one_for_many_atoms(n_ensembles, limit):
    chain = Chain(n_ensembles, 400, window=6.5)
    outcomes = sampled(chain, 5, 2, 12)
    fidelity = for_each(lambda q: decoded_fidelity(chain, q, 5, 2), outcomes)
    assert distance(fidelity, np.ones(12)) <= limit


def test_decoding_works_on_traced_outcomes():
    chain = Chain(4, 15)
    decode = jax.jit(lambda q: (decode_outcomes(chain, q, 3), decoded_fidelity(chain, q, 3)))
    decoded, fidelity = decode(jnp.array([13, 4]))
    assert decoded.tolist() == decode_outcomes(chain, [13, 4], 3).tolist()
    assert abs(float(fidelity) - oracles.decoded_fidelity(4, 15, [13, 4], 3)[1]) <= 1e-12


# ------------------------------------------------------------------- bad input


@pytest.mark.parametrize("function", [decode_outcomes, decoded_target, decoded_fidelity])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([1, 2], 1), "levels"),
        (([1, 2], 0), "levels"),
        (([1, 2], -3), "levels"),
        (([1, 2], True), "levels"),
        (([1, 2], 4, 2), "numerator"),
        (([1, 2], 4, 0), "numerator"),
        (([1, 2], 5, 10), "numerator"),
        (([1, 2], 5, True), "numerator"),
        (([1, 11], 3), "outcomes"),
        (([-1, 1], 3), "outcomes"),
        (([1], 3), "outcomes"),
        (([1, 2, 3], 3), "outcomes"),
        ((1.5, 3), "outcomes"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(function, arguments, named):
    with pytest.raises(ValueError, match=rf"^Argument `{named}`"):
        function(Chain(4, 10), *arguments)
