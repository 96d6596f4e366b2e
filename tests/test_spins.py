"""Collective spins of both ends: against dense matrices, mpmath and limits, with derivatives and refusals."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles_spins as oracle
import pytest

import jaxent
from jaxent import Chain, Measurement, pi_fraction
from jaxent.spins import kernel, moments

pytestmark = pytest.mark.usefixtures("quick_compilation")

CASES = [
    # n_atoms, time, outcome, offset, rates
    (20, 0.1, 20, 0.0, (0.0, 0.0, 0.0)),
    (20, 0.3, 13, 0.2, (0.0, 0.0, 0.0)),
    (20, 0.3, 19, 0.2, (0.003, 0.01, 0.02)),
    (20, 1.1, 15, -0.4, (0.1, 0.3, 0.05)),
    (31, 0.1, 31, 0.3, (0.0, 0.002, 0.0)),
    (31, 2.3, 22, 0.0, (0.01, 0.0, 0.02)),
    (31, 0.2, 28, 0.1, (0.001, 0.001, 0.001)),
]


def spins(n_atoms, time, outcome=None, offset=0.0, rates: Any = 0.0, **measured):
    measurement = Measurement(**measured) if measured else None
    return jaxent.collective_spin_moments(
        Chain(3, n_atoms), time, jnp.asarray(rates), outcome, offset, measurement=measurement
    )


def check(found, mean, covariance, tolerance):
    scale = found.n_atoms**2 / 400
    np.testing.assert_allclose(found.mean, mean, rtol=0, atol=tolerance * scale)
    np.testing.assert_allclose(found.covariance, covariance, rtol=0, atol=tolerance * scale)
    both = np.block([[np.eye(3), np.eye(3)], [np.eye(3), -np.eye(3)]])
    np.testing.assert_allclose(
        found.sums_and_differences, both @ covariance @ both.T, rtol=0, atol=5 * tolerance * scale
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_moments_are_those_of_the_brute_force_state(case):
    n_atoms, time, outcome, offset, rates = case
    rho, _ = oracle.state(n_atoms, time, outcome, offset, rates)
    check(spins(n_atoms, time, outcome, offset, rates), *oracle.moments(rho), 1e-11)


@pytest.mark.parametrize("n_atoms", [20, 31])
def test_moments_are_those_of_the_end_to_end_state(n_atoms):
    for time, outcome, offset, rate in ((pi_fraction(2, 3), n_atoms, 0.3, 0.01), (0.4, n_atoms - 3, 0.1, 0.0)):
        rho = np.asarray(jaxent.end_to_end_state(Chain(3, n_atoms), time, rate, outcome, offset))
        check(spins(n_atoms, time, outcome, offset, rate), *oracle.moments(rho), 1e-11)


@pytest.mark.parametrize(
    "measured",
    [{"resolution": 1.5}, {"atom_dephasing_rate": 0.1}, {"atom_loss_rate": 0.3}, {"atom_loss_rate": 0.3, "lost": 2}],
    ids=str,
)
def test_imperfect_measurements_give_the_moments_of_their_state(measured):
    measurement = Measurement(**measured)
    for rates in (0.0, jnp.array([0.01, 0.02, 0.04])):
        state = jaxent.end_to_end_state(Chain(3, 9), 0.6, rates, 6, 0.2, measurement=measurement)
        check(spins(9, 0.6, 6, 0.2, rates, **measured), *oracle.moments(np.asarray(state)), 1e-10)


@pytest.mark.parametrize("strength", [0.9, 1.1, 4.0, 30.0])
def test_both_averages_over_dephasing_agree_where_they_meet(strength):
    """s√N = 0.9 is averaged over shifts, the others over angles; the oracle multiplies coherences."""
    n_atoms, time = 24, 0.25
    rate = (strength**2 / n_atoms) / (4 * time)
    rho, _ = oracle.state(n_atoms, time, 20, 0.1, (0.0, rate, 0.0))
    check(spins(n_atoms, time, 20, 0.1, (0.0, rate, 0.0)), *oracle.moments(rho), 1e-11)


def test_averages_over_windows_of_angles_are_those_over_all():
    """At 2000 atoms the angles are summed in windows about the peaks only."""
    case = kernel.Case(2000, True, jnp.asarray(0.02), jnp.asarray(1e-3), jnp.asarray(1700), jnp.asarray(0.1))
    here = np.array([-40, -3, 0, 25])
    found = np.asarray(kernel.averaged(case, here))
    # quadrature over the shift itself, fine enough for all of it
    nodes = np.linspace(-9, 9, 1201)
    weights = np.exp(-(nodes**2) / 2) / np.exp(-(nodes**2) / 2).sum()
    plain = case._replace(dephased=False)
    shift = np.sqrt(4e-3) / (4 * np.pi)
    half = here * 0.02 / (4 * np.pi) + 0.1 / (4 * np.pi)
    direct = np.asarray(kernel.combinations(plain, jnp.asarray(half[:, None] + shift * nodes)))
    np.testing.assert_allclose(found, direct @ weights, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("time", "outcome", "offset"), [(2e-8, 10**8, 0.0), (1e-5, 10**8, 0.0), (1e-6, 99_900_000, 0.0632)]
)
def test_a_difference_of_many_atoms_has_a_variance_with_nine_digits(time, outcome, offset):
    exact = float(oracle.variance_of_difference(10**8, time, outcome, offset))
    found = float(spins(10**8, time, outcome, offset).sums_and_differences[5, 5])
    assert found > 0
    assert found == pytest.approx(exact, rel=1e-9, abs=0)


def test_ten_billion_atoms_keep_their_digits():
    """At τ = Nt, N → ∞, variances tend to those of two modes; corrections are of order 1/N."""
    found = spins(10**10, 2e-10)
    both = np.asarray(found.sums_and_differences) / 2e10
    assert both[5, 5] == pytest.approx(0.5, abs=1e-8)
    assert both[2, 2] == pytest.approx(1.0, abs=1e-8)
    direction = np.array([np.cos(1.0), -np.sin(1.0), 0, np.cos(1.0), np.sin(1.0), 0]) * 1e10
    np.testing.assert_allclose(found.mean, direction, rtol=0, atol=10)
    # y_1 + y_3 in the frame of the mean spins: no squeezing
    turned = np.array([[np.sin(1.0), np.cos(1.0)], [-np.sin(1.0), np.cos(1.0)]])
    covariance = np.asarray(found.covariance)
    y = np.zeros(6)
    y[[0, 1]], y[[3, 4]] = turned[0], turned[1]
    assert y @ covariance @ y == pytest.approx(2e10, rel=1e-6)


def test_small_variances_survive_in_sums_and_differences():
    """At t = 1/√N the difference of S_z has a variance of order 1, and both ends' own variances are of order N."""
    found = spins(10**8, 1e-4)
    exact = float(oracle.variance_of_difference(10**8, 1e-4, 10**8))
    assert exact < 20
    assert float(found.sums_and_differences[5, 5]) == pytest.approx(exact, rel=1e-9)


def test_slopes_in_time_rate_and_offset_are_those_of_differences():
    def value(parameters):
        time, rate, offset = parameters
        found = jaxent.collective_spin_moments(Chain(3, 12), time, rate, 10, offset)
        return jnp.concatenate([found.mean, found.covariance.ravel(), found.sums_and_differences.ravel()])

    point = jnp.array([0.3, 0.02, 0.15])
    jitted = jax.jit(value)
    slopes = jax.jit(jax.jacfwd(value))(point)
    for index in range(3):
        step = 1e-5 * np.eye(3)[index]
        differences = (jitted(point + step) - jitted(point - step)) / 2e-5
        np.testing.assert_allclose(slopes[:, index], differences, rtol=1e-6, atol=1e-5)
    # at γ = 0 only from one side
    start = jnp.array([0.3, 0.0, 0.15])
    at_zero = jax.jit(jax.jacfwd(value))(start)[:, 1]
    one_sided = (-3 * jitted(start) + 4 * jitted(start.at[1].set(1e-5)) - jitted(start.at[1].set(2e-5))) / 2e-5
    np.testing.assert_allclose(at_zero, one_sided, rtol=1e-4, atol=1e-3)


def test_moments_batch_and_compile():
    times = jnp.array([0.1, 0.7])
    batch = jax.jit(jax.vmap(lambda t: jaxent.collective_spin_moments(Chain(3, 12), t, 0.01, 10, 0.1).covariance))(
        times
    )
    for time, found in zip(times, batch, strict=True):
        np.testing.assert_allclose(found, spins(12, time, 10, 0.1, 0.01).covariance, rtol=1e-10, atol=1e-10)


def test_measured_moments_hold_what_was_measured():
    found = spins(10, 0.2)
    again = moments.CollectiveSpinMoments.measured(found.mean, found.covariance, 10)
    np.testing.assert_allclose(again.sums_and_differences, found.sums_and_differences, atol=1e-12)
    assert not again.pure
    assert found.pure


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"chain": Chain(4, 10)}, "n_ensembles = 3"),
        ({"chain": Chain(3, 100, 3.0)}, "no window"),
        ({"outcomes": 11}, "must lie in 0…10"),
        ({"dephasing_rate": -0.1}, "at least 0"),
        ({"time": jnp.array([0.1, 0.2])}, "single values"),
        ({"chain": Chain(3, 10**6), "measurement": Measurement(resolution=2.0)}, "must be None beyond 100000 atoms"),
        ({"time": 0.0, "outcomes": 3}, "cannot occur"),
        ({"chain": Chain(3, 10**6), "time": 1e-6, "outcomes": 5 * 10**5}, "cannot occur"),
    ],
    ids=str,
)
def test_what_cannot_be_computed_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        jaxent.collective_spin_moments(**({"chain": Chain(3, 10), "time": 0.2} | arguments))


def test_values_of_impossible_outcomes_are_nan_under_transformations():
    found = jax.jit(lambda q: jaxent.collective_spin_moments(Chain(3, 10), 0.2, 0.01, q).covariance)
    assert np.isfinite(found(9)).all()
    assert np.isnan(found(11)).all()


def test_measured_moments_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="must have shape"):
        moments.CollectiveSpinMoments.measured(np.zeros(3), np.eye(6), 10)
