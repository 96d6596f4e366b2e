"""The partial transpose as a stencil of hops is that of the brute force, and what it leaves out is bounded."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

import jaxent
from jaxent import EnsembleRates, pi_fraction
from jaxent.noise import dephasing, stochastic, transpose_stencil
from jaxent.times import time_value


def problem_of(chain, time, rates, outcome=None, offset=0.0):
    return dephasing.Problem.of(chain, time, EnsembleRates(np.array(rates)), outcome, offset, 0.0, dense=False)


def stencil_of(chain, time, rates, outcome=None, offset=0.0, cut=0.0):
    problem = problem_of(chain, time, rates, outcome, offset)
    stencil = transpose_stencil.of_problem(
        *(chain, problem.time, problem.strengths, problem.outcomes[0], problem.offsets[0]),
        *(problem.static.all_outcomes_n, cut),
    )
    assert stencil is not None
    return stencil


@functools.partial(jax.jit, static_argnums=0)
def columns(chain, guard_sites, table, hops):
    """X v on the grid for each unit vector v, and Tr X²."""
    size, guard = chain.dimension, guard_sites.shape[0]
    root = transpose_stencil.root_grid(chain, guard, float)
    product = transpose_stencil.product(table, hops, root)
    units = jnp.eye(size**2).reshape(-1, size, size)
    found = jax.lax.map(lambda v: product(transpose_stencil.sheared(v, guard)), units)
    return found, transpose_stencil.squared_norm(table, hops, root)


def matrix_of(chain, stencil):
    """X, column by column, and the sum of its squared elements as the stencil has it."""
    size, guard = chain.dimension, stencil.guard
    found, squared = columns(chain, np.zeros(guard), stencil.table, stencil.hops)
    a, b = np.indices((size, size))
    on_grid = np.asarray(found)[:, (a - b) % (size + guard), b]
    return on_grid.reshape(size**2, size**2).T, float(squared)


def brute_force(chain, time, rates, outcome, offset):
    """X with trace one from the whole state, without the phases that end 1 and end 3 could undo locally."""
    k = oracles.window_states(chain.n_atoms, chain.window)
    n_atoms, value = chain.n_atoms, float(time_value(time))
    outcome = n_atoms if outcome is None else outcome
    rho = oracles.dephased_state(3, n_atoms, value, np.array(rates), [outcome], offset)[np.ix_(k, k, k, k)]
    first, last = np.exp(-1j * n_atoms * k * value / 2), np.exp(1j * n_atoms * k * value / 2)
    local = np.einsum("a,b,abcd,c,d->abcd", first, last, rho, first.conj(), last.conj())
    assert np.max(np.abs(local.imag)) < 1e-14
    transposed = local.real.transpose(2, 1, 0, 3) / np.einsum("abab->", local).real
    return transposed.reshape(len(k) ** 2, len(k) ** 2), np.einsum("abab->", rho).real


@pytest.mark.parametrize(
    ("chain", "time", "rates", "outcome", "offset"),
    [
        (jaxent.Chain(3, 7), 0.83, (0.05, 0.02, 0.09), 5, 0.3),
        (jaxent.Chain(3, 7), math.pi / 2, (0.02, 0.02, 0.02), 7, 0.0),
        (jaxent.Chain(3, 7), 2.0, (0.5, 0.0, 0.3), 1, -0.7),
        (jaxent.Chain(3, 8, 2.0), pi_fraction(2, 3), (0.0, 0.4, 2.0), None, math.pi / 6),
    ],
)
def test_the_product_is_that_of_the_partial_transpose_of_the_whole_state(chain, time, rates, outcome, offset):
    stencil = stencil_of(chain, time, rates, outcome, offset)
    found, squared = matrix_of(chain, stencil)
    expected, probability = brute_force(chain, time, rates, outcome, offset)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert squared == pytest.approx(np.sum(expected**2), rel=1e-12)
    assert float(stencil.log_trace) == pytest.approx(math.log(probability), abs=1e-12)
    assert 0 <= stencil.dropped <= 1e-12
    assert float(stencil.lost) < 1e-12


@pytest.mark.parametrize(
    ("time", "rates", "outcome", "offset", "least"),
    [(1.0, (0.05, 0.02, 0.03), 31, 0.2, 0.005), (math.pi, (0.2, 0.01, 0.1), 40, 0.0, 0.7)],
    ids=["generic", "close to the bound"],
)
@pytest.mark.parametrize("cut", [1e-4, 1e-2])
def test_hops_left_out_are_no_larger_than_their_bound(time, rates, outcome, offset, least, cut):
    chain = jaxent.Chain(3, 40, 2.0)
    whole, some = stencil_of(chain, time, rates, outcome, offset), stencil_of(chain, time, rates, outcome, offset, cut)
    assert (some.hops.factor > 0).sum() == some.n_hops < whole.n_hops
    left_out = matrix_of(chain, whole)[0] - matrix_of(chain, some)[0]
    np.testing.assert_allclose(left_out, left_out.T, rtol=0, atol=1e-14)
    assert 0 < some.dropped <= cut
    assert np.sum(np.abs(np.linalg.eigvalsh(left_out))) < some.dropped
    assert least < np.sum(np.abs(left_out)) / some.dropped < 1


def test_what_is_left_out_by_default_is_less_than_a_millionth_of_a_bit():
    stencil = stencil_of(jaxent.Chain(3, 10**5, 5.0), 1.0, (0.01,) * 3, cut=transpose_stencil.CUT)
    assert 0 < stencil.dropped / math.log(2) < 1e-6
    assert 20 < stencil.n_hops < 60


def test_many_atoms_have_the_trace_of_their_probability():
    chain, rates = jaxent.Chain(3, 10**5, 5.0), EnsembleRates(np.array([0.01, 0.02, 0.03]))
    stencil = stencil_of(chain, 1.3, rates.rates, 10**5 - 7, 0.4)
    expected = float(jaxent.dephased_log_probability(chain, 1.3, rates, 10**5 - 7, 0.4))
    assert float(stencil.log_trace) == pytest.approx(expected, abs=1e-10)


# ------------------------------------------------------------------- the estimate


def test_both_products_give_the_same_samples():
    chain, key = jaxent.Chain(3, 30, 3.0), jax.random.key(3)
    problem = problem_of(chain, 0.9, (0.02, 0.01, 0.03), 28, 0.1)
    stencil = stencil_of(chain, 0.9, (0.02, 0.01, 0.03), 28, 0.1)
    by_hops, log_p = stochastic._by_hops(problem, stencil, 8, 16, key, "")
    by_matrices, expected = stochastic._by_matrices(problem, 8, 16, key, "")
    assert float(log_p) == pytest.approx(float(expected), abs=1e-12)
    for one, other in zip(by_hops, by_matrices, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)


SMALL = (jaxent.Chain(3, 300, 3.0), 1.0, 0.1)


def test_the_estimate_takes_the_cheaper_product_and_differs_by_less_than_the_cut(monkeypatch):
    found = jaxent.estimate_log_negativity(jax.random.key(1), *SMALL, n_probes=8, depth=12)
    assert stochastic._cheaper_stencil(problem_of(*SMALL[:2], (0.1,) * 3), jax.random.key(1)) is not None
    monkeypatch.setattr(stochastic, "_cheaper_stencil", lambda problem, key: None)
    expected = jaxent.estimate_log_negativity(jax.random.key(1), *SMALL, n_probes=8, depth=12)
    assert float(found.value) == pytest.approx(float(expected.value), abs=1e-6)
    assert float(found.standard_error) == pytest.approx(float(expected.standard_error), abs=1e-6)
    added = float(found.depth_error) - float(expected.depth_error)
    assert abs(added) < 2e-6


def test_the_depth_error_includes_what_is_left_out(monkeypatch):
    prepared = stochastic._cheaper_stencil
    found = jaxent.estimate_log_negativity(jax.random.key(1), *SMALL, n_probes=8, depth=12)
    monkeypatch.setattr(stochastic, "_cheaper_stencil", lambda *args: prepared(*args)._replace(dropped=0.1))
    more = jaxent.estimate_log_negativity(jax.random.key(1), *SMALL, n_probes=8, depth=12)
    assert float(more.depth_error - found.depth_error) == pytest.approx(0.1 / math.log(2), abs=1e-6)


@pytest.mark.parametrize("rate", [0.0, 1e-5])
def test_little_dephasing_keeps_to_products_of_matrices(rate):
    problem = problem_of(jaxent.Chain(3, 300, 3.0), 1.0, (rate,) * 3)
    assert stochastic._cheaper_stencil(problem, jax.random.key(0)) is None
    assert stencil_or_none(jaxent.Chain(3, 10**6, 5.0), rate) is None


def stencil_or_none(chain, rate):
    problem = problem_of(chain, 1.0, (rate,) * 3)
    return transpose_stencil.of_problem(
        *(chain, problem.time, problem.strengths, problem.outcomes[0], problem.offsets[0], True)
    )


def test_traced_arguments_take_products_of_matrices():
    """Under `jit` the value is the one of matrices, whose program is the only one that can be differentiated."""
    seen = []

    def estimate(time):
        problem = problem_of(SMALL[0], time, (0.1,) * 3)
        seen.append(stochastic._cheaper_stencil(problem, jax.random.key(0)))
        return time

    jax.eval_shape(estimate, 1.0)
    assert seen == [None]


def test_times_and_rates_share_the_programs():
    stencils = [
        stencil_of(jaxent.Chain(3, 10**4, 5.0), time, (rate,) * 3, cut=1e-6)
        for time, rate in [(1.0, 0.03), (0.98, 0.031), (2.3, 0.02)]
    ]
    assert len({s.n_hops for s in stencils}) == 3
    assert len({(s.guard, s.table.shape, s.hops.factor.shape) for s in stencils}) == 1


def test_outcomes_that_cannot_occur_are_refused_at_many_atoms():
    chain, rates = jaxent.Chain(3, 10**4, 3.0), EnsembleRates(np.array([0.01, 0.0, 0.01]))
    with pytest.raises(ValueError, match="cannot occur"):
        jaxent.estimate_log_negativity(jax.random.key(0), chain, pi_fraction(1), rates, 10**4 - 1)


def test_ranks_and_types_are_not_mixed():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        found = jaxent.estimate_log_negativity(jax.random.key(1), *SMALL, n_probes=8, depth=4)
    assert np.isfinite(found.value)


def test_copies_of_eigenvalues_leave_the_quadrature_as_it_is():
    """Eigenvalues far from the others are found at once and, without orthogonalizing again, copied."""
    crowd = np.concatenate([2.0 ** -np.linspace(0, 10, 300), -0.7 * 2.0 ** -np.linspace(0, 10, 250)])
    eigenvalues = jnp.asarray(np.concatenate([[9.0, 5.0, -4.0], crowd]))
    start = jnp.full(553, 553**-0.5)
    diagonal, beside = jax.jit(lambda: stochastic._three_term(lambda v: eigenvalues * v, start, 160))()
    nodes = np.linalg.eigvalsh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    assert np.sum(nodes > 8.999) > 1  # copies there are
    exact = float(jnp.mean(jnp.abs(eigenvalues)))
    found = np.asarray(stochastic._quadratures(diagonal, beside))
    assert abs(found[-1] / exact - 1) < 1e-3
    assert np.max(np.abs(found / exact - 1)) < 3e-3
