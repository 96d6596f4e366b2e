"""Outcomes drawn by the Born rule, against distributions from the full tensor."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.stats

from jaxent import BondTimes, Chain, average_entropy, outcome_probabilities, pi_fraction, sample_outcomes

pytestmark = pytest.mark.usefixtures("quick_compilation")

KEY = jax.random.key(20260309)
N_DRAWS = 20000
IN_A_HURRY = {"xla_backend_optimization_level": 0}  # compiling takes seconds, running much less


@functools.partial(jax.jit, compiler_options=IN_A_HURRY)
def draws(chain: Chain, time, offsets):
    return jax.vmap(lambda key: sample_outcomes(key, chain, time, offsets))(jax.random.split(KEY, N_DRAWS))


def p_value(outcomes: jax.Array, probabilities: np.ndarray) -> float:
    """Of the chi-square test; outcomes expected fewer than five times are taken together."""
    assert abs(np.sum(probabilities) - 1) <= 1e-12
    cells = np.ravel_multi_index(np.asarray(outcomes).T, probabilities.shape)
    seen = np.bincount(cells, minlength=probabilities.size)
    expected = N_DRAWS * probabilities.ravel()
    rare = expected < 5
    assert np.sum(~rare) > 5
    if rare.any():
        seen = np.append(seen[~rare], np.sum(seen[rare]))
        expected = np.append(expected[~rare], np.sum(expected[rare]))
    return scipy.stats.chisquare(seen, expected).pvalue


CASES = {  # sizes with times of each bond and offsets of each inner ensemble
    3: (5, [1.3, 0.4], [0.5]),
    4: (4, [1.3, 0.4, -2.0], [0.5, -1.0]),
    5: (3, [1.3, 0.4, -2.0, 0.7], [0.5, -1.0, 0.2]),
    8: (1, [1.3, 0.4, -2.0, 0.7, 3.0, 1.0, 2.2], [0.5, -1.0, 0.2, 2.0, 0.3, 1.0]),
}


@pytest.mark.parametrize("n_ensembles", CASES)
def test_frequencies_are_the_born_probabilities(n_ensembles):
    n_atoms, times, offsets = CASES[n_ensembles]
    outcomes = draws(Chain(n_ensembles, n_atoms), BondTimes(np.array(times)), np.array(offsets))
    assert outcomes.shape == (N_DRAWS, n_ensembles - 2)
    assert p_value(outcomes, oracles.outcome_distribution(n_ensembles, n_atoms, times, offsets)) > 1e-4
    # and another distribution would be noticed
    other = oracles.outcome_distribution(n_ensembles, n_atoms, np.array(times) / 2, offsets)
    assert p_value(outcomes, other) < 1e-9


@pytest.mark.parametrize(
    ("chain", "time", "value"),
    [(Chain(4, 5), 1.0, 1.0), (Chain(5, 3), pi_fraction(1), np.pi)],
    ids=str,
)
def test_one_time_serves_all_bonds(chain, time, value):
    outcomes = draws(chain, time, np.full(chain.n_ensembles - 2, np.pi / 6))
    assert p_value(outcomes, oracles.outcome_distribution(chain.n_ensembles, chain.n_atoms, value, np.pi / 6)) > 1e-4


@pytest.mark.parametrize("chain", [Chain(4, 9, window=1.0), Chain(5, 4, window=1.0)], ids=str)
def test_a_windowed_chain_is_sampled_as_it_is(chain):
    n_ensembles, n_atoms = chain.n_ensembles, chain.n_atoms
    outcomes = draws(chain, 1.2, np.full(n_ensembles - 2, 0.4))

    def distribution(window):
        grid = oracles.all_outcomes(n_ensembles, n_atoms)
        amplitudes = (oracles.end_to_end_stepwise(n_ensembles, n_atoms, 1.2, q, 0.4, window) for q in grid)
        p = np.array([oracles.probability(a) for a in amplitudes])
        return (p / np.sum(p)).reshape((n_atoms + 1,) * (n_ensembles - 2))

    assert p_value(outcomes, distribution(1.0)) > 1e-4
    assert p_value(outcomes, distribution(None)) < 1e-9


def test_without_inner_ensembles_there_is_nothing_to_draw():
    assert sample_outcomes(KEY, Chain(2, 5), 1.0).shape == (0,)
    assert sample_outcomes(KEY, Chain(2, 5), BondTimes(np.ones(1))).dtype == int


def test_draws_are_a_function_of_the_key():
    chain = Chain(5, 3)
    first, again, other = (
        sample_outcomes(jax.random.key(seed), chain, 1.0, np.array([0.2, 0.3, 0.4])) for seed in (1, 1, 2)
    )
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
    assert ((first >= 0) & (first <= 3)).all()


@pytest.mark.parametrize(("time", "offset"), [(1e-3, 0.3), (2e-3, 2.0)])
def test_a_million_atoms_are_sampled_with_the_right_moments(time, offset):
    chain, n = Chain(3, 10**6, window=6.0), 10**6
    q = np.asarray(draws(chain, time, np.array([offset]))[:, 0], float)
    # E e^{iα} and E e^{2iα} over binomial k_1, k_3, then q binomial with cos²(α/2)
    first = np.cos(offset) * np.cos(time / 2) ** (2 * n)
    second = np.cos(2 * offset) * np.cos(time) ** (2 * n)
    mean = n * (1 + first) / 2
    variance = n * (1 - second) / 8 + n**2 * ((1 + second) / 2 - first**2) / 4
    assert abs(np.mean(q) - mean) <= 4 * np.sqrt(variance / N_DRAWS)
    spread = np.mean((q - mean) ** 4) - variance**2
    assert abs(np.mean((q - mean) ** 2) - variance) <= 4 * np.sqrt(spread / N_DRAWS)
    assert np.sqrt(variance / N_DRAWS) < 0.01 * mean


def test_long_chains_at_a_magic_time_give_the_peaks_only():
    # L = 2, φ = π/4: q = N cos²(π/8) or N sin²(π/8) on every ensemble, each half the time
    outcomes = np.asarray(sample_outcomes(KEY, Chain(201, 100), pi_fraction(1), np.pi / 4))
    high = outcomes > 50
    assert np.all(np.abs(outcomes - np.where(high, 85.36, 14.64)) < 20)
    assert abs(np.mean(high) - 0.5) < 4 * 0.5 / np.sqrt(199)


# ----------------------------------------------------------- probabilities


@pytest.mark.parametrize(("n_ensembles", "n_atoms"), [(3, 12), (3, 13), (4, 6)])
def test_probabilities_are_those_of_the_full_tensor(n_ensembles, n_atoms):
    chain, times = Chain(n_ensembles, n_atoms), np.array(CASES[n_ensembles][1])
    offsets = np.array(CASES[n_ensembles][2])
    p = outcome_probabilities(chain, BondTimes(times), offsets)
    assert p.shape == (n_atoms + 1,) * (n_ensembles - 2)
    assert abs(float(jnp.sum(p)) - 1) <= 1e-13
    assert np.max(np.abs(p - oracles.outcome_distribution(n_ensembles, n_atoms, times, offsets))) <= 1e-14
    p = outcome_probabilities(chain, 1.0)
    assert np.max(np.abs(p - oracles.outcome_distribution(n_ensembles, n_atoms, 1.0))) <= 1e-14


def test_a_window_leaves_out_its_share_of_probability():
    inside = np.sum(oracles.weights(64, oracles.window_states(64, 1.5)))
    assert abs(float(jnp.sum(outcome_probabilities(Chain(3, 64, window=1.5), 0.7, 0.2))) - inside**2) <= 1e-13


# ------------------------------------------------------------------ averages


@pytest.mark.parametrize(("n_ensembles", "n_atoms"), [(2, 7), (3, 7), (3, 8), (4, 5)])
def test_the_exact_average_is_that_of_the_full_tensor(n_ensembles, n_atoms):
    chain = Chain(n_ensembles, n_atoms)
    for time, offset in [(1.0, 0.0), (0.0, 0.3), (np.pi, np.pi / 4)]:
        offset = offset if n_ensembles > 2 else 0.0
        average = average_entropy(chain, time, offset)
        assert abs(float(average.value) - oracles.average_entropy(n_ensembles, n_atoms, time, offset)) <= 1e-12
        assert float(average.standard_error) == 0.0


@pytest.mark.parametrize(
    ("chain", "levels", "offset", "expected"),
    [
        (Chain(3, 20), 4, 0.0, 1.49999683),
        (Chain(3, 20), 4, np.pi / 8, 1.90798968),
        (Chain(3, 50), 5, np.pi / 10, 2.29863896),
        (Chain(4, 20), 4, np.pi / 8, 1.82133440),
    ],
    ids=str,
)
def test_averages_at_magic_times_are_the_tabulated_ones(chain, levels, offset, expected):
    assert abs(float(average_entropy(chain, pi_fraction(2, levels), offset).value) - expected) <= 6e-9


@pytest.mark.parametrize(("n_ensembles", "n_atoms"), [(3, 12), (5, 4)])
def test_the_sampled_average_agrees_within_its_error(n_ensembles, n_atoms):
    time, offset, n_samples = 1.0, 0.2, 4000
    average = average_entropy(Chain(n_ensembles, n_atoms), time, offset, KEY, n_samples)
    amplitudes = oracles.all_amplitudes(n_ensembles, n_atoms, time, offset).reshape(-1, n_atoms + 1, n_atoms + 1)
    p = np.array([oracles.probability(a) for a in amplitudes])
    entropies = np.array([oracles.entropy_bits(a) for a in amplitudes])
    mean = np.sum(p * entropies)
    error = np.sqrt(np.sum(p * (entropies - mean) ** 2) / n_samples)
    assert mean > 0.5
    assert abs(float(average.value) - mean) <= 4 * error
    assert abs(float(average.standard_error) / error - 1) <= 0.1


def test_the_sampled_average_of_two_ensembles_has_no_error():
    average = average_entropy(Chain(2, 7), 1.0, key=KEY, n_samples=3)
    assert abs(float(average.value) - oracles.entropy_bits(oracles.end_to_end(2, 7, 1.0))) <= 1e-13
    assert float(average.standard_error) <= 1e-15


def test_the_offset_keeps_a_long_chain_entangled():
    # M = 12, N = 50, L = 4: about 1.95 bits with the offset, 0.09 without
    chain, time = Chain(12, 50), pi_fraction(1, 2)
    with_offset = average_entropy(chain, time, np.pi / 8, KEY, 100)
    without = average_entropy(chain, time, 0.0, KEY, 100)
    assert 0 < float(with_offset.standard_error) < 0.03
    assert 0 < float(without.standard_error) < 0.08
    assert abs(float(with_offset.value) - 1.95) <= 4 * float(with_offset.standard_error)
    assert abs(float(without.value) - 0.09) <= 4 * float(without.standard_error)


def test_averages_can_be_traced_over_times_and_offsets():
    average = jax.vmap(lambda t: average_entropy(Chain(3, 7), t, 0.3).value)(jnp.array([0.5, 1.5]))
    expected = [oracles.average_entropy(3, 7, t, 0.3) for t in (0.5, 1.5)]
    assert np.max(np.abs(average - np.array(expected))) <= 1e-12


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: sample_outcomes(KEY, Chain(4, 5), np.nan), "time"),
        (lambda: sample_outcomes(KEY, Chain(4, 5), np.ones(2)), "time"),
        (lambda: sample_outcomes(KEY, Chain(4, 5), BondTimes(np.ones(2))), "time"),
        (lambda: sample_outcomes(KEY, Chain(4, 5), BondTimes(np.ones((2, 3)))), "time"),
        (lambda: sample_outcomes(KEY, Chain(4, 5), 1.0, np.nan), "phase_offset"),
        (lambda: sample_outcomes(KEY, Chain(4, 5), 1.0, [0.1]), "phase_offset"),
        (lambda: outcome_probabilities(Chain(4, 5), np.inf), "time"),
        (lambda: outcome_probabilities(Chain(4, 5), pi_fraction([1, 2], 3)), "time"),
        (lambda: outcome_probabilities(Chain(4, 5), 1.0, [0.1, np.inf]), "phase_offset"),
        (lambda: outcome_probabilities(Chain(2, 5), 1.0), "chain"),
        (lambda: outcome_probabilities(Chain(5, 5), 1.0), "chain"),
        (lambda: outcome_probabilities(Chain(4, 1000), 1.0), "chain"),
        (lambda: average_entropy(Chain(4, 5), np.nan), "time"),
        (lambda: average_entropy(Chain(4, 5), np.ones(3)), "time"),
        (lambda: average_entropy(Chain(4, 5), 1.0, [1.0]), "phase_offset"),
        (lambda: average_entropy(Chain(5, 5), 1.0), "chain"),
        (lambda: average_entropy(Chain(3, 10**6, window=3.0), 1.0), "chain"),
        (lambda: average_entropy(Chain(5, 5), 1.0, key=KEY, n_samples=1), "n_samples"),
        (lambda: average_entropy(Chain(5, 5), 1.0, key=KEY, n_samples=True), "n_samples"),
        (lambda: average_entropy(Chain(5, 5), np.nan, key=KEY, n_samples=9), "time"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call, named):
    with pytest.raises(ValueError, match=rf"^Argument `{named}`"):
        call()


@pytest.mark.parametrize("n_atoms", [99, 10**9])
def test_three_ensembles_are_sampled_at_any_number_of_atoms(n_atoms):
    """⟨q⟩/N = (1 + cos φ cos^(2N)(t/2)) / 2, from the characteristic function of k_1 - k_3."""
    time, offset = 1 / math.sqrt(n_atoms), 0.5
    keys = jax.random.split(jax.random.key(3), 4000)
    drawn = jax.vmap(lambda key: sample_outcomes(key, Chain(3, n_atoms), time, offset))(keys)
    share = np.asarray(drawn, float) / n_atoms
    mean = (1 + math.cos(offset) * math.cos(time / 2) ** (2 * n_atoms)) / 2
    assert share.mean() == pytest.approx(mean, abs=5 * share.std() / math.sqrt(len(keys)))
    assert len(np.unique(drawn)) > 50
