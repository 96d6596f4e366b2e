"""Every public function under jit and vmap."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import EVEN, FUNCTIONS, KEY, OFFSETS, OUTCOMES, SHORT, TIMES

import jaxent

pytestmark = pytest.mark.usefixtures("quick_compilation")

EVERY = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())


@EVERY
def test_jit_and_vmap_change_nothing_and_compile_once(function):
    eager = [function(t, x, q) for t, x, q in zip(TIMES, OFFSETS, OUTCOMES, strict=True)]
    jitted = jax.jit(chex.assert_max_traces(function, 1))
    for index, expected in enumerate(eager):
        chex.assert_trees_all_close(
            jitted(TIMES[index], OFFSETS[index], OUTCOMES[index]), expected, atol=2e-13, rtol=1e-12
        )
    together = jax.jit(jax.vmap(function))(TIMES, OFFSETS, OUTCOMES)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *eager)
    chex.assert_trees_all_close(together, stacked, atol=2e-13, rtol=1e-12)


def test_exact_times_pass_through_vmap():
    times = jaxent.pi_fraction(np.array([1, 2, 1]), np.array([1, 3, 2]))
    one_by_one = [float(jaxent.end_to_end_entropy(SHORT, times[i])) for i in range(3)]
    together = jax.vmap(lambda t: jaxent.end_to_end_entropy(SHORT, t))(times)
    np.testing.assert_allclose(together, one_by_one, atol=1e-13, rtol=0)


def test_two_ensembles_of_billions_of_atoms_have_their_phases():
    chain = jaxent.Chain(2, 2 * 10**9, 2e-4)
    amplitudes = jaxent.end_to_end_amplitudes(chain, jaxent.pi_fraction(1, 2))
    products = np.array([[int(a) * int(b) % 4 for b in chain.states] for a in chain.states])
    phases = np.asarray(amplitudes / np.abs(amplitudes))
    np.testing.assert_allclose(phases, 1j**products, atol=1e-12, rtol=0)


def test_traced_outcomes_out_of_range_are_nan():
    run = jax.jit(lambda q: (jaxent.outcome_probability(EVEN, 0.7, q), jaxent.end_to_end_entropy(SHORT, 0.7, q[0])))
    assert np.isfinite(run(jnp.array([3, 5]))).all()
    assert np.isnan(run(jnp.array([30, 5]))).all()
    assert np.isnan(jax.jit(lambda q: jaxent.end_to_end_log_negativity(SHORT, 0.7, 0.01, q))(-1))


def test_times_that_lose_digits_are_refused():
    with pytest.raises(ValueError, match=r"`time` must be at most 1e\+06 in magnitude, but holds 1e\+12"):
        jaxent.end_to_end_entropy(SHORT, 1e12)


def test_what_does_not_fit_is_refused_before_it_is_allocated():
    with pytest.raises(ValueError, match=r"Matrices of n_atoms = 1000000 .* GiB"):
        jaxent.sample_outcomes(KEY, jaxent.Chain(5, 10**6), 1.0)
    with pytest.raises(ValueError, match=r"Matrices of n_atoms = 900000 .* GiB"):
        jaxent.average_entropy(jaxent.Chain(3, 900_000), 1.0)
    assert np.isfinite(jaxent.log_outcome_probability(jaxent.Chain(3, 10**6), 1.0))  # a sum of O(N) terms
