"""Averages over outcomes against sums over the oracles' full tensors, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

import jaxent

pytestmark = pytest.mark.usefixtures("quick_compilation")

KEY = jax.random.key(11)


def noisy_average(n_ensembles, n_atoms, time, rates, offset, shared=0.0):
    total = 0.0
    for outcomes in oracles.all_outcomes(n_ensembles, n_atoms):
        rho = oracles.dephased_state(n_ensembles, n_atoms, time, rates, outcomes, offset, shared)
        probability = np.einsum("abab->", rho).real
        if probability > 1e-12:
            total += probability * oracles.state_log_negativity_bits(rho / probability)
    return total


@pytest.mark.parametrize(
    ("n_ensembles", "n_atoms", "rates", "shared"),
    [(2, 3, 0.02, 0.0), (3, 3, 0.05, 0.0), (3, 3, [0.01, 0.2, 0.03], 0.02), (4, 2, [0.01, 0.02, 0.03, 0.04], 0.0)],
)
def test_the_average_log_negativity_is_that_of_the_full_density_matrix(n_ensembles, n_atoms, rates, shared):
    rate = rates if np.isscalar(rates) else jaxent.EnsembleRates(np.array(rates))
    offset = 0.3 if n_ensembles > 2 else 0.0
    chain = jaxent.Chain(n_ensembles, n_atoms)
    found = jaxent.average_log_negativity(chain, 0.8, rate, offset, collective_rate=shared)
    expected = noisy_average(n_ensembles, n_atoms, 0.8, rates, offset, shared)
    assert float(found.value) == pytest.approx(expected, abs=1e-10)
    assert float(found.probability) == pytest.approx(1.0, abs=1e-12)
    assert float(found.standard_error) == 0.0


def test_without_noise_it_is_the_average_of_the_pure_states():
    chain, outcomes = jaxent.Chain(3, 6), np.arange(7)
    p = jaxent.outcome_probabilities(chain, 0.8, 0.3)
    pure = jnp.stack([jaxent.log_negativity(jaxent.end_to_end_amplitudes(chain, 0.8, int(q), 0.3)) for q in outcomes])
    found = jaxent.average_log_negativity(chain, 0.8, 0.0, 0.3).value
    assert float(found) == pytest.approx(float(jnp.sum(p * pure)), abs=1e-10)


@pytest.mark.parametrize(("n_ensembles", "n_atoms", "levels"), [(3, 10, 3), (4, 6, 2)])
def test_the_average_fidelity_is_that_of_the_full_tensor(n_ensembles, n_atoms, levels):
    found = jaxent.average_decoded_fidelity(jaxent.Chain(n_ensembles, n_atoms), levels)
    assert float(found.value) == pytest.approx(oracles.average_fidelity(n_ensembles, n_atoms, levels), abs=1e-12)


def test_chosen_outcomes_count_by_their_probabilities():
    chain, chosen = jaxent.Chain(4, 4), [(4, 4), (3, 2), (0, 1)]
    amplitudes = [oracles.end_to_end(4, 4, 0.8, q, [0.3, -0.1]) for q in chosen]
    weights = [oracles.probability(a) for a in amplitudes]
    found = jaxent.average_entropy(chain, 0.8, [0.3, -0.1], outcomes=np.array(chosen))
    expected = np.dot(weights, [oracles.entropy_bits(a) for a in amplitudes]) / np.sum(weights)
    assert float(found.value) == pytest.approx(expected, abs=1e-12)
    assert float(found.probability) == pytest.approx(np.sum(weights), abs=1e-14)


def test_sampled_averages_agree_within_their_errors():
    chain, rate, point = jaxent.Chain(4, 2), 0.05, (0.8, 0.3)
    pairs = [
        (
            jaxent.average_log_negativity(chain, point[0], rate, point[1], KEY, 300),
            jaxent.average_log_negativity(chain, point[0], rate, point[1]),
        ),
        (
            jaxent.average_decoded_fidelity(chain, 2, key=KEY, n_samples=300),
            jaxent.average_decoded_fidelity(chain, 2),
        ),
    ]
    for sampled, exact in pairs:
        assert 0 < float(sampled.standard_error) < 0.05
        assert abs(float(sampled.value - exact.value)) < 4 * float(sampled.standard_error)


CHAIN, N_SAMPLES, N_BATCHES = jaxent.Chain(4, 3), 50, 40


def gradients(objective):
    """Means and standard errors of ∂/∂(t, φ_2, φ_3) over independent batches."""
    derivative = jax.jit(jax.vmap(jax.jacrev(objective), (None, 0)))
    found = np.asarray(derivative(jnp.array([0.9, 0.35, 0.2]), jax.random.split(KEY, N_BATCHES)))
    return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(N_BATCHES)


def cruder_estimates(x, key):
    """Of the same draws: the mean without the term of the outcome distribution, and with it but no baseline."""
    keys = jax.random.split(key, N_SAMPLES)
    draws = jax.vmap(jaxent.sample_outcomes, (0, None, None, None))(keys, CHAIN, *jax.lax.stop_gradient((x[0], x[1:])))

    def single(q):
        log_p = jaxent.log_outcome_probability(CHAIN, x[0], q, x[1:])
        entropy = jaxent.end_to_end_entropy(CHAIN, x[0], q, x[1:])
        return jnp.stack([entropy, jnp.exp(log_p - jax.lax.stop_gradient(log_p)) * entropy])

    return jnp.mean(jax.vmap(single)(draws), axis=0)


@pytest.mark.thorough
def test_score_function_gradients_agree_with_the_exact_ones_within_their_errors():
    exact = jax.jit(jax.grad(lambda x: jaxent.average_entropy(CHAIN, x[0], x[1:]).value))(jnp.array([0.9, 0.35, 0.2]))
    mean, error = gradients(lambda x, key: jaxent.average_entropy(CHAIN, x[0], x[1:], key, N_SAMPLES).value)
    assert (error < 0.1).all()
    assert (abs(mean - exact) < 4 * error).all()
    # this is not for want of resolution: without the score term the same draws miss the gradient
    (biased, _), (error_without_term, error_without_baseline) = gradients(cruder_estimates)
    assert (abs(biased - exact) > 6 * error_without_term).any()
    assert (error < 0.8 * error_without_baseline).any()


def test_the_log_negativity_of_sampled_outcomes_has_an_unbiased_gradient_in_the_rate():
    chain = jaxent.Chain(3, 2)

    def exact(rate):
        return jaxent.average_log_negativity(chain, 0.8, rate, 0.3).value

    def sampled(rate, key):
        return jaxent.average_log_negativity(chain, 0.8, rate, 0.3, key, 20).value

    found = jax.jit(jax.vmap(jax.grad(sampled), (None, 0)))(0.05, jax.random.split(KEY, 40))
    error = float(jnp.std(found, ddof=1)) / np.sqrt(40)
    assert abs(float(jnp.mean(found) - jax.jit(jax.grad(exact))(0.05))) < 4 * error


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxent.average_entropy(jaxent.Chain(5, 3), 0.5), "`chain` has n_ensembles = 5.*pass a `key`"),
        (lambda: jaxent.average_entropy(jaxent.Chain(3, 3), 0.5, 0.0, KEY, 1), "`n_samples` must be .* at least 2"),
        (lambda: jaxent.average_entropy(jaxent.Chain(3, 3), 0.5, outcomes=[[1, 2]]), r"`outcomes` must have the shape"),
        (lambda: jaxent.average_entropy(jaxent.Chain(3, 3), 0.5, outcomes=[4]), r"`outcomes` must be integers in 0…3"),
        (lambda: jaxent.average_entropy(jaxent.Chain(3, 3), 0.5, outcomes=[1.5]), r"`outcomes` must be integers"),
        (
            lambda: jaxent.average_entropy(jaxent.Chain(3, 3), 0.5, outcomes=np.zeros((0, 1), int)),
            "`outcomes` holds no outcomes",
        ),
        (lambda: jaxent.average_entropy(jaxent.Chain(3, 3), 0.0, outcomes=[0]), "none of the 1 outcomes can occur"),
        (
            lambda: jaxent.average_entropy(jaxent.Chain(3, 3), 0.5, 0.0, KEY, outcomes=[1]),
            "`outcomes` must be left out where a `key`",
        ),
        (lambda: jaxent.average_log_negativity(jaxent.Chain(3, 3), 0.5, -0.1), "`dephasing_rate` must"),
        (lambda: jaxent.average_log_negativity(jaxent.Chain(3, 3), [0.5, 1], 0.1), "`time`"),
        (lambda: jaxent.average_decoded_fidelity(jaxent.Chain(3, 3), 0), "`levels`"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call, words):
    with pytest.raises(ValueError, match=words):
        call()
