"""Outcomes that can hardly occur: right where the arguments are known, NaN under a transformation, never rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from mpmath import mp, mpf

import jaxent
from jaxent import BondTimes, Chain, pi_fraction
from jaxent.protocol import dense, extended_precision, matrix_product
from jaxent.protocol.dispatch import ImpossibleOutcomes

pytestmark = pytest.mark.usefixtures("quick_compilation")

CHAIN = Chain(4, 6)
KERNEL = jax.jit(matrix_product.reduced_matrix, static_argnums=(0, 4, 5))
# time → entropy in bits and log p of CHAIN after the outcomes [6, 0], to which float64's sums cancel entirely
CANCELLED = {
    0.003: (0.000741604210586, -64.9109135126),
    0.002: (0.000353983729381, -69.7764351871),
    0.0016: (0.000235135574723, -72.4541406314),
    0.001: (0.0000989132828194, -78.0941655800),
}


def amplitudes_mp(n_ensembles, n_atoms, times, outcomes, offsets):
    """A[k_1, k_M] in 60 digits, the sums over k_2, k_3, … done in turn: no closed form enters."""
    states = range(n_atoms + 1)
    root = [mp.sqrt(mp.binomial(n_atoms, k) / mpf(2) ** n_atoms) for k in states]
    a = mp.diag(root)
    for j in range(1, n_ensembles):
        if j > 1:
            bra = [oracles.x_basis_exact(n_atoms, outcomes[j - 2], k) * mp.expj(k * offsets[j - 2]) for k in states]
            a = a * mp.diag(bra)
        sign = -((-1) ** j)
        bond = mp.matrix([[mp.expj(sign * k * other * times[j - 1]) * root[other] for other in states] for k in states])
        a = a * bond
    return a


def entropy_mp(amplitudes):
    values = mp.eighe(amplitudes * amplitudes.H, eigvals_only=True)
    total = mp.fsum(values)
    return -mp.fsum(v / total * mp.log(v / total, 2) for v in values if v > 0), mp.log(total)


@pytest.mark.parametrize("time", CANCELLED)
def test_cancelled_outcomes_are_right_where_they_are_known(time):
    entropy, log_probability = CANCELLED[time]
    assert abs(float(jaxent.end_to_end_entropy(CHAIN, time, [6, 0])) / entropy - 1) <= 1e-9
    assert abs(float(jaxent.log_outcome_probability(CHAIN, time, [6, 0])) - log_probability) <= 1e-9


def test_the_table_of_cancelled_outcomes_is_that_of_mpmath():
    with mp.workdps(60):
        for time, expected in CANCELLED.items():
            found = entropy_mp(amplitudes_mp(4, 6, [mpf(time)] * 3, [6, 0], [0, 0]))
            assert abs(float(found[0]) / expected[0] - 1) <= 1e-10
            assert abs(float(found[1]) - expected[1]) <= 1e-9


def test_every_function_of_cancelled_amplitudes_is_right():
    time = 0.002
    with mp.workdps(60):
        exact = amplitudes_mp(4, 6, [mpf(time)] * 3, [6, 0], [0, 0])
        expected = np.array([[complex(exact[i, j]) for j in range(7)] for i in range(7)])
    found = np.asarray(jaxent.end_to_end_amplitudes(CHAIN, time, [6, 0]))
    norm = np.linalg.norm(expected)
    assert np.linalg.norm(found - expected) <= 1e-13 * norm
    schmidt = np.linalg.svd(expected / norm, compute_uv=False)
    np.testing.assert_allclose(jaxent.end_to_end_schmidt_coefficients(CHAIN, time, [6, 0]), schmidt, rtol=0, atol=1e-13)
    renyi = jaxent.end_to_end_renyi_entropy(CHAIN, time, 2.0, [6, 0])
    assert abs(float(renyi) / oracles.renyi_bits(expected / norm, 2.0) - 1) <= 1e-10
    assert abs(float(jaxent.outcome_probability(CHAIN, time, [6, 0])) / norm**2 - 1) <= 1e-12
    target = np.asarray(jaxent.decoded_target(CHAIN, [6, 0], 3))
    fidelity = abs(np.sum(target.conj() * expected / norm)) ** 2
    assert abs(float(jaxent.decoded_fidelity(CHAIN, [6, 0], 3, 1, time, 0.0)) - fidelity) <= 1e-12


FUNCTIONS = {
    "entropy": jaxent.end_to_end_entropy,
    "renyi": lambda chain, time, outcomes: jaxent.end_to_end_renyi_entropy(chain, time, 2.0, outcomes),
    "schmidt": jaxent.end_to_end_schmidt_coefficients,
    "log_probability": jaxent.log_outcome_probability,
    "amplitudes": jaxent.end_to_end_amplitudes,
    "fidelity": lambda chain, time, outcomes: jaxent.decoded_fidelity(chain, outcomes, 3, 1, time, 0.0),
}


def test_cancelled_outcomes_are_nan_under_a_transformation():
    traced = jax.jit(lambda time: {name: function(CHAIN, time, [6, 0]) for name, function in FUNCTIONS.items()})
    cancelled, others = traced(0.002), traced(0.3)
    for name, function in FUNCTIONS.items():
        assert np.isnan(cancelled[name]).all(), name
        np.testing.assert_allclose(others[name], function(CHAIN, 0.3, [6, 0]), rtol=1e-9, atol=1e-12)


def test_the_gradient_of_a_cancelled_outcome_is_nan_and_not_zero():
    gradient = jax.jit(jax.grad(lambda time: jaxent.end_to_end_entropy(CHAIN, time, [6, 0])))
    assert np.isnan(gradient(0.002))
    step = 1e-5
    around = [float(jaxent.end_to_end_entropy(CHAIN, 0.2 + sign * step, [6, 0])) for sign in (-1, 1)]
    assert abs(float(gradient(0.2)) - (around[1] - around[0]) / (2 * step)) <= 1e-6


def test_a_probability_under_a_transformation_is_right_to_its_absolute_error():
    found = jax.vmap(lambda time: jaxent.outcome_probability(CHAIN, time, [6, 0]))(np.array([0.001, 0.1, 1.0]))
    expected = [oracles.probability(oracles.end_to_end(4, 6, t, [6, 0])) for t in (0.001, 0.1, 1.0)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


def cases():
    rng = np.random.default_rng(14)
    for n_ensembles, n_atoms in ((3, 9), (4, 7), (7, 4)):
        for _ in range(20):
            time = 10 ** rng.uniform(-4, 0.4)
            offsets = rng.choice([0.0, 1e-3, 1.0], n_ensembles - 2) * rng.uniform(-3, 3, n_ensembles - 2)
            yield Chain(n_ensembles, n_atoms), time, rng.integers(0, n_atoms + 1, n_ensembles - 2), offsets


def test_the_estimate_of_lost_digits_covers_the_error():
    """Against the extended product, over improbable outcomes of random chains: never far below, seldom far above."""
    ratios, passed = [], []
    for chain, time, outcomes, offsets in cases():
        exact, log_probability = extended_precision.reduced_matrix(chain, time, outcomes, offsets)
        matrix, log_norm, lost = KERNEL(chain, time, outcomes, offsets, False, False)
        error = np.linalg.norm(np.asarray(matrix) - exact)
        ratios.append(float(lost) / max(error, 1e-16))
        if lost < dense.most_lost(float):
            passed.append(error)
            assert abs(float(log_norm) - log_probability) <= 1e-8
    assert min(ratios) > 0.5
    assert 1.0 < np.median(ratios) < 20.0
    assert max(passed) <= 2e-9
    assert 5 <= len(ratios) - len(passed) <= 40  # both kinds were met


@pytest.mark.parametrize(
    "time", [0.7, pi_fraction(2, 5), BondTimes(np.array([0.3, 1.1, 0.4]))], ids=["one", "pi", "bonds"]
)
def test_the_extended_product_is_that_of_mpmath(time):
    n_atoms, outcomes, offsets = 4, [1, 3], [0.4, -1.3]
    with mp.workdps(60):
        if isinstance(time, BondTimes):
            times = [mpf(float(t)) for t in time.times]
        else:
            times = [2 * mp.pi / 5 if isinstance(time, jaxent.PiFraction) else mpf(time)] * 3
        exact = amplitudes_mp(4, n_atoms, times, outcomes, [mpf(phi) for phi in offsets])
        expected = np.array([[complex(exact[i, j]) for j in range(5)] for i in range(5)])
    matrix, log_probability = extended_precision.reduced_matrix(
        Chain(4, n_atoms), time, np.array(outcomes), np.array(offsets)
    )
    found = dense.with_phases(Chain(4, n_atoms), time, np.array(outcomes), np.array(offsets), matrix)
    assert np.linalg.norm(found - expected / np.linalg.norm(expected)) <= 1e-14
    assert abs(log_probability - 2 * np.log(np.linalg.norm(expected))) <= 1e-14


@pytest.mark.parametrize(
    ("chain", "time", "outcomes"),
    [(CHAIN, pi_fraction(1), [6, 5]), (CHAIN, 0.0, [3, 3]), (Chain(5, 3), pi_fraction(2), [0, 1, 0])],
    ids=["π", "0", "2π"],
)
def test_outcomes_that_cannot_occur_have_no_probability(chain, time, outcomes):
    assert float(jaxent.log_outcome_probability(chain, time, outcomes)) == -np.inf
    assert not np.asarray(jaxent.end_to_end_amplitudes(chain, time, outcomes)).any()
    with pytest.raises(ImpossibleOutcomes, match="probability zero to rounding"):
        jaxent.end_to_end_entropy(chain, time, outcomes)


def test_what_takes_too_long_in_more_digits_is_refused():
    with pytest.raises(ImpossibleOutcomes, match="cancel to less than float64 resolves, and 4 such times") as error:
        jaxent.log_outcome_probability(Chain(4, 300), np.full(4, 1e-3), [300, 0])
    assert error.value.where.all()


def test_an_average_of_cancelled_outcomes_is_refused_and_one_with_some_is_right():
    with pytest.raises(ValueError, match="1 outcomes chosen can hardly occur here"):
        jaxent.average_entropy(CHAIN, 0.002, outcomes=[[6, 0]])
    assert np.isnan(jax.jit(lambda t: jaxent.average_entropy(CHAIN, t, outcomes=[[6, 0]]).value)(0.002))
    chosen = [[6, 0], [6, 6], [5, 6]]
    states = [oracles.end_to_end(4, 6, 0.05, q) for q in chosen]
    weights = [oracles.probability(a) for a in states]
    expected = np.dot(weights, [oracles.entropy_bits(a) for a in states]) / np.sum(weights)
    assert abs(float(jaxent.average_entropy(CHAIN, 0.05, outcomes=chosen).value) - expected) <= 1e-12


def test_a_sweep_computes_cancelled_outcomes_and_counts_impossible_ones(tmp_path):
    times = [0.0, 0.001, 0.002, 1.0]
    sweep = jaxent.Sweep(
        ["entropy", "log_outcome_probability"], n_ensembles=4, n_atoms=6, time=times, outcomes=[[6, 0]]
    )
    done = jaxent.run_sweep(sweep, tmp_path / "results")
    dataset = jaxent.open_sweep(tmp_path / "results").squeeze()
    assert (done.failures, done.n_impossible) == ([], 1)
    np.testing.assert_allclose(
        dataset.entropy.values[1:], jaxent.end_to_end_entropy(CHAIN, times[1:], [6, 0]), rtol=1e-12
    )
    assert np.isnan(dataset.entropy.values[0])
    assert dataset.log_outcome_probability.values[0] == -np.inf
    np.testing.assert_allclose(dataset.log_outcome_probability.values[1], CANCELLED[0.001][1], rtol=1e-10)


def test_a_dephased_state_that_cancels_is_refused_and_nan_under_a_transformation():
    chain, outcomes = Chain(4, 4), [4, 0]
    traced = jax.jit(lambda time: jaxent.end_to_end_log_negativity(chain, time, 0.0, outcomes))
    for time, possible in ((0.3, True), (0.03, False), (0.01, False)):  # p = 5e-5, 7e-13 and 1e-16
        expected = oracles.renyi_bits(oracles.end_to_end(4, 4, time, outcomes), 0.5)
        if possible:
            assert abs(float(traced(time)) - expected) <= 1e-9
        else:
            assert np.isnan(traced(time))
            with pytest.raises(ImpossibleOutcomes, match="so seldom that the state cancels to less than float64"):
                jaxent.end_to_end_log_negativity(chain, time, 0.0, outcomes)


def test_weights_that_pass_below_normal_numbers_lose_nothing():
    """√w_k in the full basis of more than 2046 atoms."""
    changed = jax.jit(lambda logs: matrix_product.roundings(jnp.exp(logs)))(jnp.linspace(-760.0, -690.0, 71))
    assert np.isfinite(changed).all()
    chain = jaxent.Chain(3, 2100)
    amplitudes = jaxent.end_to_end_amplitudes(chain, 0.7)
    np.testing.assert_allclose(jnp.sum(jnp.abs(amplitudes) ** 2), jaxent.outcome_probability(chain, 0.7), rtol=1e-12)


def test_a_probability_that_only_underflows_is_nan_and_one_that_vanishes_is_zero():
    log_p = jax.jit(lambda chain, q, phi: jaxent.log_outcome_probability(chain, 0.0, q, phi), static_argnums=0)
    assert np.isnan(log_p(jaxent.Chain(3, 400), 400, 3.0))  # cos(3/2)^800 = e^-2119
    assert log_p(jaxent.Chain(3, 400), 398, 0.0) == -np.inf
