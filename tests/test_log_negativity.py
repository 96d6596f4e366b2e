"""Log negativity within a tolerance: which way is taken, what it says of its error, and what it refuses."""

import math

import jax
import numpy as np
import pytest

import jaxent
from jaxent import Chain, EnsembleRates, pi_fraction

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_few_atoms_take_dense_matrices():
    found = jaxent.log_negativity_with_errors(Chain(3, 20), 1.0, 0.1, 18, 0.2)
    dense = float(jaxent.end_to_end_log_negativity(Chain(3, 20), 1.0, 0.1, 18, 0.2))
    assert (found.method, found.value) == ("dense", pytest.approx(dense, abs=1e-12))
    assert 0 < found.error < 1e-8


def test_a_window_is_chosen_for_dense_matrices_and_counted():
    whole = float(jaxent.end_to_end_log_negativity(Chain(3, 70), 1.0, 0.2))
    found = jaxent.log_negativity_with_errors(Chain(3, 70), 1.0, 0.2, tolerance=1e-2)
    assert found.method == "dense"
    assert 0 < abs(found.value - whole) <= found.window_error < 1e-2


def test_a_million_atoms_at_once():
    times = np.array([1.0, math.pi / 2])
    found = jaxent.log_negativity_with_errors(Chain(3, 10**6), times, 0.05)
    assert found.method.tolist() == ["band", "blocks"]
    assert found.value.shape == found.error.shape == (2,)
    assert (found.error < 1e-3).all()
    alone = jaxent.end_to_end_log_negativity(Chain(3, 10**6), times, 0.05, tolerance=1e-3)
    np.testing.assert_array_equal(alone, found.value)
    limit = jaxent.macroscopic_log_negativity(times, 0.05, tolerance=1e-3)
    np.testing.assert_allclose(alone, limit, atol=1e-3)
    exact = jaxent.log_negativity_with_errors(Chain(3, 10**6), pi_fraction(1, 2), 0.05)
    assert exact.value == pytest.approx(found.value[1], abs=1e-9)


def test_without_noise_the_state_is_pure():
    found = jaxent.log_negativity_with_errors(Chain(3, 10**4), 1.0, 0.0, tolerance=1e-6)
    assert found.method == "pure"
    assert found.value == pytest.approx(
        float(jaxent.end_to_end_renyi_entropy(Chain(3, 10**4, 8.0), 1.0, 0.5)), abs=1e-5
    )


def test_at_the_start_many_atoms_share_nothing_whatever_is_measured():
    chain = Chain(3, 10**5)  # sin²(φ/2) N = 10 atoms are below
    found = jaxent.log_negativity_with_errors(chain, 0.0, 0.05, 10**5 - 10, 0.02)
    assert (found.value, found.error, found.method) == (0.0, 0.0, "pure")
    with pytest.raises(ValueError, match=r"`outcomes` = .* cannot occur"):
        jaxent.log_negativity_with_errors(chain, 0.0, 0.05, 10)


def test_slopes_are_those_of_dense_matrices():
    def bits(x, tolerance):
        rates = EnsembleRates(x[1:4])
        return jaxent.end_to_end_log_negativity(Chain(3, 9), x[0], rates, 8, x[4], tolerance=tolerance)

    x = np.array([1.0, 0.02, 0.04, 0.03, 0.2])
    within, dense = (jax.grad(bits)(x, tolerance) for tolerance in (1e-3, None))
    np.testing.assert_allclose(within, dense, atol=1e-10)
    assert np.abs(dense).min() > 1e-3


def test_slopes_at_an_exact_time_are_those_of_dense_matrices():
    def bits(rate, tolerance):
        return jaxent.end_to_end_log_negativity(Chain(3, 9), pi_fraction(1), rate, tolerance=tolerance)

    dense = float(jax.grad(bits)(0.02, None))
    assert jax.grad(bits)(0.02, 1e-3) == pytest.approx(dense, abs=1e-11)
    assert dense < -0.1


def test_slopes_of_many_atoms_are_those_of_differences():
    chain = Chain(3, 10**5)
    of_rate = jax.grad(lambda g: jaxent.end_to_end_log_negativity(chain, 1.0, g, tolerance=1e-3))(0.02)
    change = [float(jaxent.end_to_end_log_negativity(chain, 1.0, g, tolerance=1e-3)) for g in (0.0199, 0.0201)]
    assert of_rate == pytest.approx((change[1] - change[0]) / 0.0002, rel=1e-3)


REFUSED = {
    "four ensembles": (lambda: ask(Chain(4, 10)), r"`chain` must have n_ensembles = 3 for a tolerance, but has 4"),
    "shared noise": (
        lambda: jaxent.end_to_end_log_negativity(Chain(3, 10), 1.0, 0.1, collective_rate=0.1, tolerance=1e-3),
        r"`collective_rate` must be 0 for a tolerance",
    ),
    "tolerance": (lambda: ask(Chain(3, 10), tolerance=0.0), r"`tolerance` must be positive and finite, but is 0.0"),
    "little noise": (
        lambda: ask(Chain(3, 10**6), rate=1e-7),
        r"`dephasing_rate` must be 0 or at least 3 / \(n_atoms · time\) = 3e-06 .* use jaxent.estimate_log_negativity",
    ),
    "out of reach": (
        lambda: ask(Chain(3, 2000), rate=0.01, tolerance=1e-12),
        r"`tolerance` = 1e-12 is out of reach at n_atoms = 2000 .* use tolerance = \d",
    ),
    "window": (lambda: ask(Chain(3, 10**6, 2.0)), r"window = 2.0, which may change .* leave the window out"),
    "jit": (lambda: jax.jit(lambda t: ask(Chain(3, 10), time=t))(1.0), r"is traced by jax.jit or jax.vmap"),
    "with errors": (
        lambda: jax.vmap(lambda t: jaxent.log_negativity_with_errors(Chain(3, 10), t, 0.1).value)(np.ones(2)),
        r"is traced by jax.jit or jax.vmap",
    ),
    "no noise": (lambda: jaxent.macroscopic_log_negativity(1.0, 0.0), r"`dephasing_rate` must be positive here"),
    "hours": (
        lambda: ask(Chain(3, 10**12), rate=1e-9),
        r"n_atoms = 1000000000000, γt = 1e-09 and tolerance = 0.001 (would take about .* hours|.* GiB are free)",
    ),
    "pure slopes": (
        lambda: jax.grad(lambda g: ask(Chain(3, 10**4), rate=g))(0.0),
        r"`dephasing_rate` = 0 has no derivative",
    ),
}


def ask(chain, time=1.0, rate=0.05, tolerance=1e-3):
    return jaxent.end_to_end_log_negativity(chain, time, rate, tolerance=tolerance)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_answered_is_refused_in_a_sentence(case):
    call, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        call()


def test_strong_noise_leaves_nothing():
    found = jaxent.log_negativity_with_errors(Chain(3, 10**6), 1.0, 1e3)
    assert 0 <= found.value <= found.error < 1e-3
