"""The estimated log negativity lies within its own error bar of the dense one."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.linalg

import jaxent
from jaxent import EnsembleRates
from jaxent.noise import stochastic

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize(
    ("n_atoms", "time", "rate", "outcome", "offset", "depth"),
    [
        pytest.param(100, 1.0, 0.01, None, 0.0, 80, marks=pytest.mark.thorough),
        pytest.param(100, jaxent.pi_fraction(2, 3), 0.003, None, 0.1, 60, marks=pytest.mark.thorough),
        (100, 0.7, EnsembleRates(np.array([0.0, 0.01, 0.02])), 97, 0.2, 80),
        (300, jaxent.pi_fraction(1, 2), 0.01, None, 0.0, 60),
        pytest.param(300, 1.0, 0.01, None, 0.0, 100, marks=pytest.mark.thorough),
    ],
)
def test_the_estimate_is_within_its_error_of_the_dense_value(n_atoms, time, rate, outcome, offset, depth):
    chain = jaxent.Chain(3, n_atoms, 3.0)
    dense = float(jaxent.end_to_end_log_negativity(chain, time, rate, outcome, offset))
    key = jax.random.key(8)
    found = jaxent.estimate_log_negativity(key, chain, time, rate, outcome, offset, n_probes=24, depth=depth)
    assert 0 < float(found.standard_error) < 0.05
    allowed = 4 * float(found.standard_error) + float(found.depth_error)
    assert abs(float(found.value) - dense) < allowed


# ------------------------------------------------------------------- error bars
# The spread of n deviations is known to 1/√(2n); to twice that for 8 probes, whose error has five degrees of freedom.


def scores(chain, time, rate, outcome, offset, n_probes, depth, seeds):
    """(estimate - exact) / standard error for many keys, in one compiled call."""

    def one(key):
        return jaxent.estimate_log_negativity(key, chain, time, rate, outcome, offset, n_probes=n_probes, depth=depth)

    keys = jax.random.split(jax.random.key(1), seeds)
    found = jax.jit(lambda all_keys: jax.lax.map(one, all_keys, batch_size=4))(keys)
    dense = float(jaxent.end_to_end_log_negativity(chain, time, rate, outcome, offset))
    return (np.asarray(found.value) - dense) / np.asarray(found.standard_error)


REPORTED = (jaxent.Chain(3, 12), 1.3, EnsembleRates(np.array([0.05, 0.0, 0.01])), 10, 0.3)


@pytest.mark.parametrize(
    ("case", "n_probes", "depth", "seeds"),
    [
        ((jaxent.Chain(3, 5), 1.3, EnsembleRates(np.array([0.05, 0.0, 0.01])), 4, 0.3), 16, 30, 200),
        pytest.param(REPORTED, 32, 100, 800, marks=pytest.mark.thorough),
        pytest.param(REPORTED, 8, 100, 2000, marks=pytest.mark.thorough),
        pytest.param((jaxent.Chain(3, 9), 1.0, 0.01, None, 0.0), 16, 100, 200, marks=pytest.mark.thorough),
    ],
)
def test_deviations_are_one_standard_error_large(case, n_probes, depth, seeds):
    found = scores(*case, n_probes=n_probes, depth=depth, seeds=seeds)
    assert 0.9 < np.std(found) < 1.1
    assert abs(np.mean(found)) < 0.3


@pytest.mark.parametrize("n_probes", [8, 10, 32])
@pytest.mark.parametrize(
    ("n_atoms", "time", "rates", "outcome", "offset"),
    [
        (6, 2.3, (0.02, 0.02, 0.02), 6, 0.0),
        (7, np.pi / 2, (0.0, 0.03, 0.01), 5, 0.2),
        (9, 0.8, (0.01, 0.0, 0.0), 8, 0.4),
        (8, 1.1, (0.0, 0.0, 0.0), 6, 0.1),
    ],
)
def test_the_regression_is_calibrated_on_exact_quadratic_forms(n_atoms, time, rates, outcome, offset, n_probes):
    """2000 sets of probes of a dense partial transpose: no Lanczos process in between."""
    rho = oracles.dephased_state(3, n_atoms, time, np.array(rates), [outcome], offset)
    size = (n_atoms + 1) ** 2
    transposed = (rho / np.einsum("abab->", rho).real).transpose(2, 1, 0, 3).reshape(size, size)
    values, vectors = np.linalg.eigh(transposed)
    signs = np.random.default_rng(n_atoms).integers(0, 2, (2000 * n_probes, size)) * 2.0 - 1
    shares = np.abs(signs @ vectors) ** 2
    squared = np.sum(values**2)
    forms = (shares @ np.abs(values), shares @ values - 1, shares @ values**2 / squared - 1)
    y, first, second = (form.reshape(2000, n_probes) for form in forms)
    norm, spread = jax.vmap(stochastic._regressed)(stochastic._Samples(y[..., None], first, second))
    found = np.asarray((norm - np.sum(np.abs(values))) / spread)
    assert 0.9 < np.std(found) < 1.1
    assert abs(np.mean(found)) < 0.2


@pytest.mark.parametrize("kind", ["generic", "proportional controls", "a control that vanishes", "both vanish"])
def test_the_standard_error_is_that_of_leave_one_out_with_its_calibration_by_sampling(kind):
    rng = np.random.default_rng(2)
    first = rng.normal(size=9) if kind != "both vanish" else 3e-16 + 1e-17 * rng.normal(size=9)
    second = {"generic": 0.5 * first + rng.normal(size=9), "proportional controls": 2 * first}.get(kind, np.zeros(9))
    y = 3 + first + rng.normal(size=9)
    norm, spread = stochastic._regressed(stochastic._Samples(jnp.asarray(y[:, None]), first, second))
    design = np.stack([np.ones(9), first, second], axis=1)
    inverse = np.linalg.pinv(design, rcond=1e-6)
    annihilator = np.eye(9) - design @ inverse
    weights = (inverse[0] / np.diagonal(annihilator)) ** 2
    residuals = rng.normal(size=(200_000, 9)) @ annihilator
    calibration = np.sum(inverse[0] ** 2) * np.mean(1 / (residuals**2 @ weights))
    assert norm[0] == pytest.approx(inverse[0] @ y, rel=1e-12)
    expected = np.sqrt(calibration * (weights @ (annihilator @ y) ** 2))
    assert spread[0] == pytest.approx(expected, rel=0.01)  # 2e5 samples


# --------------------------------------------------------------------- depth


quadratures = jax.jit(stochastic._quadratures)


def lanczos(matrix, probe, depth):
    """Diagonal and off-diagonals (one more than the matrix has), orthogonalized twice."""
    basis = [probe / np.linalg.norm(probe)]
    diagonal, beside = [], []
    for _ in range(depth):
        new = matrix @ basis[-1]
        diagonal.append(basis[-1] @ new)
        for _ in range(2):
            new -= np.array(basis).T @ (np.array(basis) @ new)
        beside.append(np.linalg.norm(new))
        basis.append(new / beside[-1])
    return np.array(diagonal), np.array(beside)


def test_the_rule_is_far_closer_than_that_of_gauss_and_its_error_is_not_understated():
    """Σ|λ| of eigenvalues of either sign, as many in each factor of their size, as those of a partial transpose."""
    sizes = 2.0 ** -np.linspace(0, 24, 300)
    eigenvalues = np.concatenate([sizes, -0.7 * sizes[:250]])
    diagonal, beside = lanczos(np.diag(eigenvalues), np.ones(550), 160)
    exact = np.mean(np.abs(eigenvalues))
    depths = np.array([24, 40, 60, 80, 110, 160])
    found, gauss, averaged = [], [], []
    for depth in depths:
        found.append(quadratures(jnp.asarray(diagonal[:depth]), jnp.asarray(beside[:depth])))
        gauss.append(modulus(diagonal[:depth], beside[: depth - 1]))
        averaged.append(modulus(*reflected(diagonal, beside, depth)))
    rules = np.array(found) / exact
    declared = np.linalg.norm(rules[:, :-1] - rules[:, -1:], axis=1)
    assert (abs(rules[:, -1] - 1) < declared).all()
    assert (declared < 6 / depths**2).all()
    error, *others = (np.linalg.norm(values - 1) for values in (rules[:, -1], gauss / exact, averaged / exact))
    assert error < 5e-4
    assert error < min(others) / 20


def modulus(diagonal, beside):
    """(|T|)_00 by eigenvalues."""
    nodes, frame = scipy.linalg.eigh_tridiagonal(diagonal, beside)
    return np.abs(nodes) @ frame[0] ** 2


def reflected(diagonal, beside, depth):
    return (
        np.concatenate([diagonal[:depth], diagonal[: depth - 1][::-1]]),
        np.concatenate([beside[:depth], beside[: depth - 2][::-1]]),
    )


@pytest.mark.parametrize("depth", [4, 11])
def test_the_rules_continue_the_fit_to_the_reflected_matrix(depth):
    """The same sum from eigenvalues and `lstsq`, with the terms that the fit replaces one by one."""
    rng = np.random.default_rng(depth)
    diagonal, beside = rng.normal(size=depth), rng.uniform(0.1, 1, depth)

    def rule(here, n_terms, n_fitted):
        nodes, frame = scipy.linalg.eigh_tridiagonal(*reflected(diagonal, beside, here))
        least = 2.5 / np.sum(0.5 / beside[:here])
        logs = 0.4 * np.arange(-60, 60)
        s = least * np.exp(logs)
        terms = np.stack([np.ones_like(s), logs, s, s**2], axis=1)[:, :n_terms]
        known = frame[0] ** 2 @ (nodes[:, None] ** 2 / (nodes[:, None] ** 2 + s**2))
        fitted = slice(60, 60 + n_fitted)
        fit = terms @ np.linalg.lstsq(terms[fitted], known[fitted])[0]
        return 2 / np.pi * 0.4 * np.sum(s * np.where(logs < -0.1, fit, known))

    expected = [rule(depth, 2, 4)] + [rule(-(-depth * eighths // 8), 4, 6) for eighths in (4, 5, 6, 7, 8)]
    np.testing.assert_allclose(quadratures(jnp.asarray(diagonal), jnp.asarray(beside)), expected, rtol=1e-7)


@pytest.mark.parametrize("depth", [7, 40])
def test_a_krylov_space_that_ends_leaves_no_error(depth):
    """Six eigenvalues, two of them close to 0: nothing is left to continue."""
    eigenvalues = np.array([1.0, 0.5, -0.4, -0.1, 1e-3, -1e-4])
    diagonal, beside = np.zeros(depth), np.zeros(depth)
    diagonal[:6], beside[:6] = lanczos(np.diag(eigenvalues), np.ones(6), 6)
    found = quadratures(jnp.asarray(diagonal), jnp.asarray(beside))
    assert found[-1] == pytest.approx(np.mean(np.abs(eigenvalues)), rel=2e-8)


@pytest.mark.thorough
@pytest.mark.parametrize(("window", "depth", "least"), [(5.0, 100, 7e-3), (5.0, 300, 3e-3), (3.0, 300, 4e-3)])
def test_many_atoms_agree_with_bloch_bands(window, depth, least):
    asked = (2.78, 0.012, None, 0.465)
    bands = jaxent.log_negativity_with_errors(jaxent.Chain(3, 3000), *asked)
    chain = jaxent.Chain(3, 3000, window)
    found = jaxent.estimate_log_negativity(jax.random.key(0), chain, *asked, n_probes=16, depth=depth)
    error = np.hypot(found.standard_error, found.depth_error)
    assert abs(found.value - bands.value) < bands.error + 3 * error
    assert error < least


@jax.jit
@jax.value_and_grad
def rule_along_a_line(step, diagonal, beside, along):
    return stochastic._quadratures(diagonal + step * along[0], beside + step * along[1])[-1]


@pytest.mark.parametrize("ends", [False, True])
def test_gradients_of_the_rule_agree_with_differences(ends):
    rng = np.random.default_rng(3)
    diagonal, beside, along = rng.normal(size=12), rng.uniform(0.1, 1, 12), rng.normal(size=(2, 12))
    if ends:
        for numbers in (diagonal, beside, *along):
            numbers[7:] = 0.0
    step = 1e-5
    below, at, above = (rule_along_a_line(x, diagonal, beside, along) for x in (-step, 0.0, step))
    assert float(at[1]) == pytest.approx(float(above[0] - below[0]) / (2 * step), rel=1e-6)


def test_a_product_state_ends_the_krylov_space_at_once():
    """At t = 0 the partial transpose is a projector: one product with it says everything."""
    found = jaxent.estimate_log_negativity(jax.random.key(0), jaxent.Chain(3, 6), 0.0, 0.1, n_probes=8, depth=20)
    assert abs(float(found.value)) < 1e-7
    assert 0 <= float(found.standard_error) < 1e-7
    assert 0 <= float(found.depth_error) < 1e-7


# --------------------------------------------------------------------- input


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chain": jaxent.Chain(4, 5)}, "`chain` must have n_ensembles = 3"),
        ({"n_probes": 2}, "`n_probes` must be an integer of at least 8"),
        ({"depth": 1}, "`depth` must be an integer of at least 4"),
        ({"dephasing_rate": -1.0}, "`dephasing_rate` must be finite and at least 0"),
        ({"time": np.array([1.0, 2.0])}, "must be single values"),
        ({"chain": jaxent.Chain(3, 10**10, 3.0)}, "probes of depth 100"),
    ],
)
def test_bad_input_is_refused_by_name(change, words):
    arguments = {"chain": jaxent.Chain(3, 10), "time": 1.0, "dephasing_rate": 0.01} | change
    with pytest.raises(ValueError, match=words):
        jaxent.estimate_log_negativity(jax.random.key(0), **arguments)
