"""The closed form of the dephased ends, against QuTiP, brute force and exact values."""

import functools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

import jaxent
from jaxent import EnsembleRates

pytestmark = pytest.mark.usefixtures("quick_compilation")

ROWS = json.loads((Path(__file__).parent / "data" / "log_negativity.json").read_text())


@pytest.mark.parametrize(
    "n_atoms",
    [pytest.param(n, marks=[pytest.mark.thorough] * (10 <= n <= 20)) for n in sorted({row["n_atoms"] for row in ROWS})],
)
def test_every_reference_value_within_1e_9(n_atoms):
    rows = [row for row in ROWS if row["n_atoms"] == n_atoms]
    chain = jaxent.Chain(3, n_atoms)

    @jax.jit
    def each(time, rate, outcome, offset):
        points = (time, rate, outcome, offset)
        return jax.lax.map(lambda x: jaxent.end_to_end_log_negativity(chain, *x), points)

    columns = ("time", "dephasing_rate", "outcomes", "phase_offset")
    values = each(*(np.array([row[name] for row in rows]) for name in columns))
    np.testing.assert_allclose(values, [row["log_negativity"] for row in rows], atol=1e-9, rtol=0)
    top = [row for row in rows if row["outcomes"] == [n_atoms] and row["phase_offset"] == 0.0]
    if top:
        split = jaxent.end_to_end_log_negativity(
            chain, np.array([row["time"] for row in top]), np.array([row["dephasing_rate"] for row in top])
        )
        np.testing.assert_allclose(split, [row["log_negativity"] for row in top], atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ((1, 3), [2.5839, 2.5838, 2.5815, 2.4596, 0.6748]),
        ((1, 2), [2.0000, 2.0000, 2.0000, 1.9798, 0.6939]),
        ((2, 3), [1.5850, 1.5850, 1.5850, 1.5812, 0.6699]),
        ((1, 1), [1.0000, 1.0000, 1.0000, 0.9999, 0.4698]),
    ],
)
def test_thirty_atoms_at_the_magic_times(time, expected):
    rates = np.array([0.0, 1e-4, 1e-3, 1e-2, 1e-1])
    values = jaxent.end_to_end_log_negativity(jaxent.Chain(3, 30), jaxent.pi_fraction(*time), rates)
    np.testing.assert_allclose(values, expected, atol=1.01e-4, rtol=0)


def test_the_predecessors_three_atoms_with_local_and_collective_noise():
    chain, time, rates = jaxent.Chain(3, 3), jaxent.pi_fraction(1), np.array([0.01, 0.05, 0.1])
    local = (2 ** jaxent.end_to_end_log_negativity(chain, time, rates) - 1) / 2
    collective = (2 ** jaxent.end_to_end_log_negativity(chain, time, 0.0, collective_rate=rates) - 1) / 2
    np.testing.assert_allclose(local, [0.4884, 0.3172, 0.1083], atol=5.1e-5, rtol=0)
    np.testing.assert_allclose(collective, [0.49451, 0.45420, 0.37620], atol=5.1e-6, rtol=0)  # QuTiP mesolve's digits


CASES = [
    # M, N, outcomes, offsets, rates, collective rate
    (2, 4, [], [], [0.02, 0.05], 0.0),
    (3, 3, [2], [0.3], [0.02, 0.05, 0.0], 0.01),
    (3, 4, [4], [0.0], [0.03, 0.03, 0.03], 0.0),
    (4, 2, [2, 1], [0.4, -0.2], [0.01, 0.04, 0.02, 0.03], 0.0),
    pytest.param(4, 3, [1, 3], [-0.3, 0.1], [0.02, 0.01, 0.05, 0.0], 0.02, marks=pytest.mark.thorough),
    (5, 2, [1, 2, 0], [0.2, 0.5, -0.4], [0.01, 0.02, 0.03, 0.04, 0.05], 0.01),
    pytest.param(
        *(6, 1, [1, 0, 1, 1], [0.2, 0.5, -0.4, 0.1], [0.01, 0.02, 0.03, 0.04, 0.05, 0.1], 0.03),
        marks=pytest.mark.thorough,
    ),
]


@pytest.mark.parametrize(("n_ensembles", "n_atoms", "outcomes", "offsets", "rates", "collective"), CASES)
def test_the_state_and_its_probability_agree_with_the_whole_density_matrix(
    n_ensembles, n_atoms, outcomes, offsets, rates, collective
):
    chain = jaxent.Chain(n_ensembles, n_atoms)
    exact = oracles.dephased_state(n_ensembles, n_atoms, 0.7, rates, outcomes, offsets, collective)
    probability = np.einsum("abab->", exact).real
    arguments = (chain, 0.7, EnsembleRates(np.array(rates)), np.array(outcomes, int), np.array(offsets), collective)
    state = jaxent.end_to_end_state(*arguments)
    np.testing.assert_allclose(state, exact / probability, atol=1e-13, rtol=0)
    log_probability = jaxent.dephased_log_probability(*arguments)
    assert float(log_probability) == pytest.approx(np.log(probability), abs=1e-12)
    log_negativity = jaxent.end_to_end_log_negativity(*arguments)
    assert float(log_negativity) == pytest.approx(oracles.state_log_negativity_bits(exact), abs=1e-11)
    size = (n_atoms + 1) ** 2
    last = np.einsum("abac->bc", exact)
    coherent = oracles.entropy_bits_rho(last) - oracles.entropy_bits_rho(exact.reshape(size, size))
    assert float(jaxent.end_to_end_coherent_information(*arguments)) == pytest.approx(coherent, abs=1e-10)


@pytest.mark.parametrize("n_ensembles", [2, 3, 4, 5])
def test_symmetry_blocks_lose_nothing(n_ensembles):
    """One rate, φ = 0, outcomes N: split by every symmetry there is, against the whole transpose."""
    chain = jaxent.Chain(n_ensembles, 3)
    exact = oracles.dephased_state(n_ensembles, 3, 0.9, 0.03, [3] * (n_ensembles - 2)) if n_ensembles < 5 else None
    split = jaxent.end_to_end_log_negativity(chain, 0.9, 0.03)
    whole = jaxent.log_negativity_dm(jaxent.end_to_end_state(chain, 0.9, 0.03))
    assert float(split) == pytest.approx(float(whole), abs=1e-12)
    if exact is not None:
        assert float(split) == pytest.approx(oracles.state_log_negativity_bits(exact), abs=1e-12)


@pytest.mark.parametrize("n_ensembles", [3, 4])
def test_closed_form_agrees_with_qutip(n_ensembles):
    rates, offsets = np.array([0.02, 0.05, 0.01, 0.03])[:n_ensembles], np.array([0.3, -0.2])[: n_ensembles - 2]
    outcomes = [1, 2][: n_ensembles - 2]
    rho = oracles.lindblad_state(n_ensembles, 2, 0.8, rates, collective_rate=0.02)
    exact = oracles.project_inner(n_ensembles, 2, rho, outcomes, offsets)
    state = jaxent.end_to_end_state(
        jaxent.Chain(n_ensembles, 2), 0.8, EnsembleRates(rates), np.array(outcomes), offsets, 0.02
    )
    np.testing.assert_allclose(state, exact / np.einsum("abab->", exact), atol=2e-9, rtol=0)


def test_without_noise_it_is_the_pure_state():
    chain = jaxent.Chain(4, 5)
    amplitudes = jaxent.end_to_end_amplitudes(chain, 1.1, [3, 4], 0.2)
    state = jaxent.end_to_end_state(chain, 1.1, 0.0, [3, 4], 0.2)
    assert float(jaxent.state_fidelity(state, amplitudes)) == pytest.approx(1.0, abs=1e-12)
    assert float(jaxent.purity(state)) == pytest.approx(1.0, abs=1e-12)
    expected = float(jaxent.log_negativity(amplitudes))
    # the transpose's many zero eigenvalues come out as 1e-17 each
    assert float(jaxent.end_to_end_log_negativity(chain, 1.1, 0.0, [3, 4], 0.2)) == pytest.approx(expected, abs=1e-12)
    entropy = float(jaxent.end_to_end_entropy(chain, 1.1, [3, 4], 0.2))
    coherent = jaxent.end_to_end_coherent_information(chain, 1.1, 0.0, [3, 4], 0.2)
    assert float(coherent) == pytest.approx(entropy, abs=1e-9)


def test_very_strong_noise_leaves_nothing():
    """Any γ t: at γ t = 10^4 the measured phase is uniform and the ends are diagonal."""
    chain = jaxent.Chain(3, 10)
    exact = oracles.dephased_state(3, 10, 1.0, 1e4, [7], 0.3)
    assert float(jaxent.end_to_end_log_negativity(chain, 1.0, 1e4, 7, 0.3)) == pytest.approx(0.0, abs=1e-12)
    state = jaxent.end_to_end_state(chain, 1.0, 1e4, 7, 0.3)
    np.testing.assert_allclose(state, exact / np.einsum("abab->", exact), atol=1e-14, rtol=0)


def test_a_window_keeps_the_log_negativity():
    wide, narrow = jaxent.Chain(3, 60), jaxent.Chain(3, 60, 4.0)
    values = [float(jaxent.end_to_end_log_negativity(c, 1.0, 0.002)) for c in (wide, narrow)]
    assert values[0] == pytest.approx(values[1], abs=1e-3)
    assert values[0] != values[1]


def test_times_and_rates_broadcast_and_compile_once():
    chain = jaxent.Chain(3, 4)
    times, rates = np.array([[0.3], [1.0], [2.0]]), np.array([0.0, 0.02])
    together = jaxent.end_to_end_log_negativity(chain, times, rates)
    assert together.shape == (3, 2)
    for i, j in np.ndindex(3, 2):
        one = jaxent.end_to_end_log_negativity(chain, float(times[i, 0]), float(rates[j]))
        assert float(together[i, j]) == pytest.approx(float(one), abs=1e-13)
    own = EnsembleRates(np.array([[0.01, 0.02, 0.03], [0.0, 0.0, 0.1]]))
    assert jaxent.end_to_end_log_negativity(chain, 1.0, own).shape == (2,)
    exact = jaxent.end_to_end_log_negativity(chain, jaxent.pi_fraction(np.array([1, 2]), 3), 0.01)
    floats = jaxent.end_to_end_log_negativity(chain, np.pi * np.array([1, 2]) / 3, 0.01)
    np.testing.assert_allclose(exact, floats, atol=1e-12, rtol=0)


@functools.cache
def with_derivatives(function):
    """A function of time, rate and offset of six atoms and its gradient in both modes: one program for all points."""
    call = getattr(jaxent, function)

    def value(x):
        return call(jaxent.Chain(3, 6), x[0], x[1], None, x[2])

    return jax.jit(lambda x: (value(x), jax.grad(value)(x), jax.jacfwd(value)(x)))


@pytest.mark.parametrize("function", ["end_to_end_log_negativity", "end_to_end_coherent_information"])
@pytest.mark.parametrize(("time", "rate"), [(0.8, 0.03), (1.3, 0.004)])
def test_gradients_in_time_rate_and_offset_agree_with_differences(function, time, rate):
    at = with_derivatives(function)
    point = np.array([time, rate, 0.2])
    _, reverse, forward = at(point)
    step = 1e-6
    central = [(at(point + step * e)[0] - at(point - step * e)[0]) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(reverse, forward, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(reverse, central, rtol=1e-6, atol=1e-7)


@jax.jit
def with_slope(rate, time):
    """Log negativity of four atoms and its derivative in the rate."""
    return jax.value_and_grad(lambda x: jaxent.end_to_end_log_negativity(jaxent.Chain(3, 4), time, x))(rate)


@pytest.mark.parametrize("time", [0.0, 0.5, np.pi / 2, np.pi])
def test_the_log_negativity_falls_from_no_noise_with_a_finite_slope(time):
    """At γ = 0, at t = 0 and at magic times: against one-sided differences."""
    step = 1e-9  # the curvature is 340 at t = π
    value, slope = with_slope(0.0, time)
    assert np.isfinite(slope)
    difference = float(with_slope(step, time)[0] - value) / step
    assert float(slope) == pytest.approx(difference, rel=1e-5, abs=5e-6)


def test_the_slope_in_time_at_zero_time_is_finite_and_right():
    @functools.partial(jax.jit)
    def value(t):
        return jaxent.end_to_end_log_negativity(jaxent.Chain(3, 3), t, 0.01)

    slope, step = float(jax.jit(jax.grad(value))(0.0)), 1e-7
    assert np.isfinite(slope)
    assert slope == pytest.approx(float(value(step) - value(0.0)) / step, abs=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dephasing_rate": -0.1}, "`dephasing_rate` must be finite and at least 0, but holds -0.1"),
        ({"dephasing_rate": np.nan}, "`dephasing_rate` must be finite"),
        ({"dephasing_rate": EnsembleRates(np.array([0.1, 0.2]))}, "`dephasing_rate` must have a last axis of n_ens"),
        ({"collective_rate": -1.0}, "`collective_rate` must be finite and at least 0"),
        ({"time": -1.0}, "`time` must be at least 0 with dephasing"),
        ({"time": np.array([1.0, 2.0]), "dephasing_rate": np.array([0.1, 0.2, 0.3])}, "must broadcast"),
        ({"time": jaxent.BondTimes(np.array([1.0, 2.0]))}, "`time` must be one time for all bonds"),
        ({"outcomes": 5}, "`outcomes` must lie in 0…4"),
        ({"phase_offset": np.array([0.1, 0.2])}, "`phase_offset` must be a scalar or of shape"),
        ({"time": 0.0, "outcomes": 1, "dephasing_rate": 0.0}, r"`outcomes` = \[1\] cannot occur at one of the times"),
    ],
)
def test_bad_input_is_refused_by_name(change, words):
    arguments = {"chain": jaxent.Chain(3, 4), "time": 1.0, "dephasing_rate": 0.01} | change
    with pytest.raises(ValueError, match=words):
        jaxent.end_to_end_log_negativity(**arguments)


def test_what_does_not_fit_is_refused_before_it_is_allocated():
    with pytest.raises(ValueError, match=r"smaller window, the `tolerance` .*, or jaxent.estimate_log_negativity\.$"):
        jaxent.end_to_end_log_negativity(jaxent.Chain(3, 10**5, 3.0), 1.0, 0.01)
    for chain, shared in ((jaxent.Chain(4, 10**4), 0.0), (jaxent.Chain(3, 10**4), 0.1)):
        with pytest.raises(ValueError, match=r"GiB are free; use a smaller window or fewer atoms\.$"):
            jaxent.end_to_end_log_negativity(chain, 1.0, 0.01, collective_rate=shared)
    with pytest.raises(ValueError, match=r"density matrix of two ends of 301 states"):
        jaxent.end_to_end_state(jaxent.Chain(3, 10**4, 3.0), 1.0, 0.01, collective_rate=0.1)


def test_impossible_outcomes_are_nan_under_jit():
    value = jax.jit(lambda t: jaxent.end_to_end_log_negativity(jaxent.Chain(3, 4), t, 0.0, 1))(0.0)
    assert jnp.isnan(value)


@pytest.mark.parametrize(("outcome", "offset"), [(None, 0.0), (5, 0.3)])
def test_the_probability_of_three_ensembles_is_the_trace_of_their_state(outcome, offset):
    rates = np.array([0.05, 0.02, 0.01])
    q = 6 if outcome is None else outcome
    trace = np.einsum("abab->", oracles.dephased_state(3, 6, 0.7, rates, [q], offset)).real
    found = jaxent.dephased_log_probability(jaxent.Chain(3, 6), 0.7, jaxent.EnsembleRates(rates), outcome, offset)
    assert found == pytest.approx(np.log(trace), abs=1e-13)
