"""Sizes as data: many numbers of atoms share a program, and padding changes nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxent
from jaxent import Chain
from jaxent.protocol import dispatch, sizes, window_error

pytestmark = pytest.mark.usefixtures("quick_compilation")

TIMES = np.array([0.3, 1.1, 2 * np.pi / 3, 2.9])


def matrix_by_numpy(n_atoms, time):
    """A[k, k'] of three ensembles for q = N and φ = 0, of all states, from logarithms of factorials."""
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n_atoms + 1)))])
    weights = np.exp(logs[n_atoms] - logs - logs[::-1] - n_atoms * np.log(2))
    k = np.arange(n_atoms + 1)
    root = np.sqrt(weights)
    return root[:, None] * np.cos((k[:, None] - k[None, :]) * time / 2) ** n_atoms * root[None, :]


def probabilities_by_numpy(n_atoms, time, power=1):
    squares = np.linalg.svd(matrix_by_numpy(n_atoms, time), compute_uv=False) ** (2 * power)
    return squares / squares.sum()


def bits(probabilities):
    inside = probabilities[probabilities > 1e-40]
    return -np.sum(inside * np.log2(inside))


def n_programs():
    return dispatch._over_times._cache_size()


def test_buckets_hold_every_size_and_pad_little():
    padded = [sizes.bucket(size) for size in range(1, 6000)]
    assert all(most >= size for size, most in enumerate(padded, 1))
    assert padded == sorted(padded)
    assert all(sizes.bucket(most) == most for most in padded)
    assert max(most / size for size, most in enumerate(padded, 1) if size > 60) < 1.28
    assert max(most / size for size, most in enumerate(padded, 1) if size > 1008) < 1.21


def test_fifty_numbers_of_atoms_take_ten_programs():
    before = n_programs()
    for n_atoms in range(10, 501, 10):
        jaxent.end_to_end_entropy(Chain(3, n_atoms), TIMES[:2], tolerance=0.0)
    assert n_programs() - before <= 10


def test_chains_of_two_to_twelve_take_eight_programs():
    before = n_programs()
    for n_ensembles in range(2, 13):
        jaxent.end_to_end_entropy(Chain(n_ensembles, 20), TIMES[:3])
    assert n_programs() - before <= 8  # M = 3; all odd M; 0 to 5 steps of even M


def test_outcomes_of_three_ensembles_share_programs():
    before = n_programs()
    for n_atoms in (12, 14, 16):
        jaxent.end_to_end_entropy(Chain(3, n_atoms), TIMES[:3], n_atoms - 3, 0.1)
        jaxent.log_outcome_probability(Chain(3, n_atoms), TIMES[:3], n_atoms - 3, 0.1)
    assert n_programs() - before <= 2


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 22, 23, 24, 100, 500])
def test_padded_halves_have_the_entropy_of_all_states(n_atoms):
    expected = [bits(probabilities_by_numpy(n_atoms, time)) for time in TIMES]
    found = jaxent.end_to_end_entropy(Chain(3, n_atoms), TIMES, tolerance=0.0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-13)


@pytest.mark.parametrize("n_atoms", [5, 30])
def test_padded_powers_have_the_entropy_of_all_states(n_atoms):
    expected = [[bits(probabilities_by_numpy(n_atoms, time, power)) for time in TIMES] for power in (2, 3)]
    found = [jaxent.end_to_end_entropy(Chain(n_ensembles, n_atoms), TIMES) for n_ensembles in (5, 7)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-13)


@pytest.mark.parametrize("n_atoms", [7, 20])
def test_gradients_at_magic_times_do_not_see_the_padding(n_atoms):
    # r eigenvalues are equal there, and the zeros of padding join those of the state
    time, step = 2 * np.pi / 3, 1e-4
    chain = Chain(3, n_atoms)
    entropy = lambda t: jaxent.end_to_end_entropy(chain, t)  # noqa: E731
    renyi = lambda t: jaxent.end_to_end_renyi_entropy(chain, t, 2.0)  # noqa: E731
    of_order_two = lambda t: -np.log2(np.sum(probabilities_by_numpy(n_atoms, t) ** 2))  # noqa: E731
    for function, oracle in ((entropy, lambda t: bits(probabilities_by_numpy(n_atoms, t))), (renyi, of_order_two)):
        low, here, high = (oracle(time + shift) for shift in (-step, 0.0, step))
        first, second = jax.grad(function)(time), jax.grad(jax.grad(function))(time)
        np.testing.assert_allclose(first, (high - low) / (2 * step), rtol=0, atol=1e-5 * n_atoms)
        np.testing.assert_allclose(second, (high - 2 * here + low) / step**2, rtol=1e-3, atol=1e-3 * n_atoms)


def test_schmidt_coefficients_are_as_many_as_states():
    for n_atoms in (10, 500):  # padded, and with states left out
        found = np.asarray(jaxent.end_to_end_schmidt_coefficients(Chain(3, n_atoms), TIMES))
        expected = [np.sqrt(probabilities_by_numpy(n_atoms, time)) for time in TIMES]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_probabilities_do_not_see_the_padding():
    for n_atoms, outcome in ((9, 7), (40, 38)):
        chain = Chain(3, n_atoms)
        amplitudes = np.asarray(jaxent.end_to_end_amplitudes(chain, TIMES, outcome, 0.2))
        expected = np.log(np.sum(abs(amplitudes) ** 2, axis=(1, 2)))
        np.testing.assert_allclose(jaxent.log_outcome_probability(chain, TIMES, outcome, 0.2), expected, atol=1e-12)


def test_programs_of_another_size_are_not_compiled_under_jit_twice():
    entropy = jax.jit(lambda t: jaxent.end_to_end_entropy(Chain(3, 33), t))
    np.testing.assert_allclose(entropy(0.7), jaxent.end_to_end_entropy(Chain(3, 33), 0.7), rtol=0, atol=1e-13)
    np.testing.assert_allclose(jax.vmap(entropy)(jnp.asarray(TIMES)), [entropy(t) for t in TIMES], atol=1e-13)


def test_the_search_for_a_window_takes_one_program():
    before = window_error._bounds._cache_size()
    for n_atoms in (150, 155, 160):
        jaxent.chain_for_tolerance(n_atoms, 1.0, 1e-6)
    assert window_error._bounds._cache_size() - before <= 1
