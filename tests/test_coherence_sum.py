"""The probability of an outcome of three ensembles under dephasing: a sum over coherences, against brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from mpmath import mp, mpf

import jaxent
from jaxent import Chain, EnsembleRates
from jaxent.noise import coherence_sum, density_matrix
from jaxent.protocol import dense
from jaxent.protocol.dispatch import ImpossibleOutcomes

pytestmark = pytest.mark.usefixtures("quick_compilation")

BY_HOPS = jax.jit(coherence_sum.over_hops, static_argnums=(0, 5))
BY_PAIRS = jax.jit(coherence_sum.over_pairs, static_argnums=(0, 5))


def brute_force(n_atoms, window, time, strength, outcome, offset):
    """Σ over both ends and over the coherences k, k' of the measured ensemble, one loop each."""
    kept = oracles.window_states(n_atoms, window)
    k = np.arange(n_atoms + 1)
    weight, end = oracles.weights(n_atoms, k), oracles.weights(n_atoms, kept)
    amplitude = np.array([float(oracles.x_basis_exact(n_atoms, outcome, int(i))) for i in k]) * np.sqrt(weight)
    damped = np.outer(amplitude, amplitude) * np.exp(-2 * strength * np.subtract.outer(k, k) ** 2)
    total = 0.0
    for i, first in enumerate(kept):
        for j, last in enumerate(kept):
            phase = np.exp(1j * k * ((first - last) * time + offset))
            total += end[i] * end[j] * (phase @ damped @ phase.conj()).real
    return total


@pytest.mark.parametrize(
    ("n_atoms", "window", "outcome", "offset"),
    [(12, None, 7, 0.4), (11, 1.7, 9, -0.3), (12, 2.0, 12, 0.2), (1, None, 0, 1.0)],
)
def test_it_is_the_sum_over_all_coherences(n_atoms, window, outcome, offset):
    expected = np.log(brute_force(n_atoms, window, 0.7, 0.7 * (0.02 + 0.03), outcome, offset))
    rates = EnsembleRates(np.array([0.5, 0.02, 0.1]))  # those of the ends do not count
    found = jaxent.dephased_log_probability(Chain(3, n_atoms, window), 0.7, rates, outcome, offset, 0.03)
    assert float(found) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("n_atoms", [4, 5])
def test_it_is_the_trace_of_the_whole_state(n_atoms):
    rates, collective = [0.05, 0.02, 0.01], 0.03
    for outcome in range(n_atoms + 1):
        state = oracles.dephased_state(3, n_atoms, 0.9, rates, [outcome], 0.3, collective)
        found = jaxent.dephased_log_probability(
            Chain(3, n_atoms), 0.9, EnsembleRates(np.array(rates)), outcome, 0.3, collective
        )
        assert float(found) == pytest.approx(np.log(np.einsum("abab->", state).real), abs=1e-12)


@pytest.mark.parametrize(
    ("time", "window", "outcome", "offset"), [(0.7, None, None, 0.0), (jaxent.pi_fraction(1, 3), 3.0, 27, 0.4)]
)
def test_it_is_the_trace_of_the_dense_route(time, window, outcome, offset):
    chain = Chain(3, 30, window)
    problem = jaxent.noise.dephasing.Problem.of(chain, time, np.array([0.0, 0.01]), outcome, offset, 0.0)
    found = jaxent.dephased_log_probability(chain, time, np.array([0.0, 0.01]), outcome, offset)
    assert found.shape == (2,)
    np.testing.assert_allclose(found, problem.run(trace_of_dense_state), rtol=0, atol=1e-11)


def trace_of_dense_state(*arguments):
    return density_matrix._entries(*arguments).log_trace


@pytest.mark.parametrize(("outcome", "offset"), [(2000, 0.0), (1950, 0.1)])
def test_two_thousand_atoms_are_the_average_over_random_offsets(outcome, offset):
    """The noise of the measured ensemble is a random offset, normal with standard deviation 2 √(γt)."""
    chain, time, rate = Chain(3, 2000), 0.7, 0.01
    nodes, step = np.linspace(-8, 8, 801, retstep=True)
    offsets = offset + 2 * np.sqrt(rate * time) * nodes
    each = jax.lax.map(lambda phi: jaxent.outcome_probability(chain, time, outcome, phi), offsets, batch_size=100)
    expected = np.sum(np.exp(-(nodes**2) / 2) * each) * step / np.sqrt(2 * np.pi)
    found = jaxent.dephased_log_probability(chain, time, rate, outcome, offset)
    assert float(found) == pytest.approx(np.log(expected), abs=1e-11)


@pytest.mark.parametrize(
    ("window", "point"), [(2.0, [0.7, 0.02, 0.03, 0.01, 0.05, 0.3]), (None, [0.0, 0.0, 0.0, 0.0, 0.0, 0.4])]
)
def test_gradients_agree_with_differences(window, point):
    """In t, three rates, the shared rate and φ; without any noise and at t = 0 too, where the sum goes on below 0."""
    chain = Chain(3, 12, window)

    @jax.jit
    def value(x):
        return jaxent.dephased_log_probability(chain, x[0], EnsembleRates(x[1:4]), 9, x[5], x[4])

    reverse, forward = jax.jit(lambda x: (jax.grad(value)(x), jax.jacfwd(value)(x)))(np.array(point))
    step = 1e-4
    for i, direction in enumerate(np.eye(6)):
        values = [float(value(point + n * step * direction)) for n in (-2, -1, 1, 2)]
        difference = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
        assert float(reverse[i]) == pytest.approx(difference, rel=1e-7, abs=1e-7)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-10)


def exact(n_atoms, window, time, strength, outcome, offset):
    """p in 50 digits, by the autocorrelation of the amplitudes of the measured ensemble."""
    with mp.workdps(50):
        k = range(n_atoms + 1)
        weight = [mp.binomial(n_atoms, i) / mpf(2) ** n_atoms for i in k]
        row = [oracles.x_basis_exact(n_atoms, outcome, i, 50) * mp.sqrt(weight[i]) for i in k]
        total = mpf(0)
        for h in k:
            coherent = mp.fsum(row[i] * row[i + h] for i in range(n_atoms + 1 - h))
            ends = abs(
                mp.fsum(weight[i] * mp.expj(h * int(i) * mpf(time)) for i in oracles.window_states(n_atoms, window))
            )
            damping = mp.exp(-2 * mpf(strength) * h * h) * mp.cos(h * mpf(offset))
            total += (2 if h else 1) * coherent * damping * ends**2
        return total


def test_the_estimate_of_lost_digits_covers_the_error():
    rng = np.random.default_rng(5)
    passed, lost_by_pairs = [], 0
    for n_atoms, window in ((5, None), (9, 2.0)):
        for _ in range(10):
            outcome, time = int(rng.integers(0, n_atoms + 1)), 10 ** rng.uniform(-3, 0.4)
            strength = rng.choice([0.0, 1e-4, 1e-2]) * rng.uniform()
            offset = rng.choice([0.0, 1e-2, 1.0]) * rng.uniform(-3, 3)
            p = exact(n_atoms, window, time, strength, outcome, offset)
            arrays = (time, jnp.asarray(strength), jnp.asarray(outcome), jnp.asarray(offset), False)
            for function in (BY_HOPS, BY_PAIRS):
                log_p, lost = map(float, function(Chain(3, n_atoms, window), *arrays))
                error = abs(float(mp.exp(mpf(log_p)) / p - 1)) if np.isfinite(log_p) else np.inf
                assert error <= max(lost, 1e-14) or lost >= 1e-3
                if lost < dense.most_lost(float):
                    passed.append(error)
                else:
                    lost_by_pairs += function is BY_PAIRS
    assert max(passed) <= 2e-9
    assert 20 <= len(passed) <= 34  # both kinds were met
    assert lost_by_pairs >= 2


def test_an_improbable_outcome_is_right_where_the_sum_over_hops_is_not():
    chain, arguments = Chain(3, 5), (0.03, 0.0175, 1, -0.097)
    p = exact(5, None, arguments[0], arguments[0] * arguments[1], *arguments[2:])
    strength, outcome, offset = map(jnp.asarray, (arguments[0] * arguments[1], *arguments[2:]))
    assert BY_HOPS(chain, arguments[0], strength, outcome, offset, False)[1] > dense.most_lost(float)
    found = jaxent.dephased_log_probability(chain, *arguments)
    assert float(found) == pytest.approx(float(mp.log(p)), abs=2e-9)


def test_a_batch_takes_the_sum_over_pairs_only_where_digits_are_lost(monkeypatch):
    chain, rate, outcome, offset = Chain(3, 5), 0.0175, 1, -0.097
    times = np.array([0.03, 0.7, 1.1])  # at the first the sum over hops loses its digits
    one_by_one = [jaxent.dephased_log_probability(chain, time, rate, outcome, offset) for time in times]
    together = jaxent.dephased_log_probability(chain, times, rate, outcome, offset)
    np.testing.assert_allclose(together, one_by_one, rtol=1e-12)
    program = jax.make_jaxpr(lambda t: jaxent.dephased_log_probability(chain, t, rate, outcome, offset))(times)
    assert " cond[" in str(program)  # one branch is run; a `select` would run both
    monkeypatch.setattr(coherence_sum, "log_probability", None)  # is not asked where the sum over hops has its digits
    assert np.isfinite(jaxent.dephased_log_probability(Chain(3, 7), times[1:], rate, outcome, offset)).all()


def test_a_probability_whose_digits_are_lost_is_refused_and_nan_under_a_transformation():
    chain = Chain(3, 12)
    with pytest.raises(ImpossibleOutcomes, match=r"`outcomes` = \[2\] cannot occur .* less than eight digits"):
        jaxent.dephased_log_probability(chain, 0.001, 0.0, 2)
    value, slope = jax.jit(jax.value_and_grad(lambda t: jaxent.dephased_log_probability(chain, t, 0.0, 2)))(0.001)
    assert np.isnan(value)
    assert np.isnan(slope)


def test_the_derivatives_at_an_outcome_that_cannot_occur_are_nan():
    def log_p(time, rate, offset):
        return jaxent.dephased_log_probability(jaxent.Chain(3, 6), time, rate, 3, offset)

    value, slopes = jax.jit(jax.value_and_grad(log_p, argnums=(0, 1, 2)))(0.0, 0.1, 0.0)
    assert np.isnan([value, *slopes]).all()


def test_tables_that_do_not_fit_are_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 60 * 2**20}))
    with pytest.raises(ValueError, match=r"n_atoms = 1000000000000 .* GiB are free; use fewer atoms"):
        jaxent.dephased_log_probability(jaxent.Chain(3, 10**12), 0.7, 0.01)
