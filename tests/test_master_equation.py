"""The integrated master equation, against QuTiP and the closed form."""

import functools

import jax
import numpy as np
import oracles
import pytest

import jaxent
from jaxent import EnsembleRates

CHAIN = jaxent.Chain(3, 2)
RATES = np.array([0.02, 0.05, 0.01])


def trace(rho, n_ensembles):
    size = rho.shape[0] ** n_ensembles
    return np.trace(np.asarray(rho).reshape(size, size))


@pytest.mark.parametrize(
    "extra",
    [
        {"drive": np.array([0.7, -0.4, 0.3])},
        {"drive": 0.5, "collective_rate": 0.03},
        {"decay_rate": np.array([0.03, 0.0, 0.02]), "jump_x_rate": 0.01, "jump_y_rate": np.array([0.0, 0.04, 0.01])},
    ],
)
def test_drives_and_jumps_agree_with_qutip(extra):
    jumps = {"-": extra.get("decay_rate", 0.0), "x": extra.get("jump_x_rate", 0.0), "y": extra.get("jump_y_rate", 0.0)}
    exact = oracles.lindblad_state(
        3, 2, 0.9, RATES, collective_rate=extra.get("collective_rate", 0.0), drive=extra.get("drive", 0.0), jumps=jumps
    )
    rho = jaxent.evolve_density(CHAIN, 0.9, RATES, **extra)
    np.testing.assert_allclose(rho, exact, atol=1e-9, rtol=0)
    assert abs(trace(rho, 3) - 1) < 1e-12
    assert np.linalg.eigvalsh(np.asarray(rho).reshape(27, 27)).min() > -1e-10


def test_measurement_agrees_with_brute_force():
    rng = np.random.default_rng(5)
    psi = rng.normal(size=(81, 3)) + 1j * rng.normal(size=(81, 3))
    rho = (psi @ psi.conj().T).reshape((3,) * 8)
    exact = oracles.project_inner(4, 2, rho, [1, 2], [0.3, -0.4])
    state, probability = jaxent.measure_density(jaxent.Chain(4, 2), jax.numpy.asarray(rho), [1, 2], [0.3, -0.4])
    assert float(probability) == pytest.approx(np.einsum("abab->", exact).real, rel=1e-12)
    np.testing.assert_allclose(state, exact / np.einsum("abab->", exact).real, atol=1e-13, rtol=0)


@pytest.mark.thorough
def test_ten_atoms_agree_with_the_closed_form():
    """M = 3, full basis: 1.8 million elements, adaptive steps."""
    chain = jaxent.Chain(3, 10)
    rho = jaxent.evolve_density(chain, 0.3, 0.02, collective_rate=0.01)
    state, probability = jaxent.measure_density(chain, rho, 8, 0.2)
    exact = jaxent.end_to_end_state(chain, 0.3, 0.02, 8, 0.2, 0.01)
    np.testing.assert_allclose(state, exact, atol=1e-8, rtol=0)
    log_probability = jaxent.dephased_log_probability(chain, 0.3, 0.02, 8, 0.2, 0.01)
    assert float(np.log(probability)) == pytest.approx(float(log_probability), abs=1e-8)
    assert abs(trace(rho, 3) - 1) < 1e-12


def test_a_windowed_state_agrees_with_brute_force():
    chain = jaxent.Chain(2, 9, 1.7)
    rho = np.asarray(jaxent.evolve_density(chain, 0.5, EnsembleRates(np.array([0.02, 0.03])).rates))
    exact = oracles.dephased_state(2, 9, 0.5, [0.02, 0.03])
    kept = chain.states
    np.testing.assert_allclose(rho, exact[np.ix_(kept, kept, kept, kept)], atol=1e-9, rtol=0)


@pytest.mark.parametrize("drive", [0.0, 0.4])
def test_fixed_steps_converge_with_order_five(drive):
    exact = jaxent.evolve_density(CHAIN, 2.0, RATES, drive=drive, rtol=1e-13, atol=1e-16)
    errors = []
    for n_steps in (160, 320):  # beyond, the errors are rounding: 3e-12 at 320
        rho = jaxent.evolve_density(CHAIN, 2.0, RATES, drive=drive, n_steps=n_steps)
        errors.append(float(np.max(np.abs(rho - exact))))
        assert abs(trace(rho, 3) - 1) < 1e-12
    assert abs(np.log2(errors[0] / errors[1]) - 5) < 0.2


def test_an_initial_state_may_be_given():
    psi = jaxent.chain.initial_state(CHAIN)
    start = jax.numpy.tensordot(psi, psi.conj(), axes=0)
    first = jaxent.evolve_density(CHAIN, 0.4, RATES, drive=0.3)
    second = jaxent.evolve_density(CHAIN, 0.5, RATES, drive=0.3, initial=first)
    at_once = jaxent.evolve_density(CHAIN, 0.9, RATES, drive=0.3, initial=start)
    np.testing.assert_allclose(second, at_once, atol=1e-9, rtol=0)


@pytest.mark.parametrize("forward", [pytest.param(False, marks=pytest.mark.thorough), True])
def test_gradients_agree_with_differences_and_with_the_closed_form(forward):
    chain = jaxent.Chain(3, 1)

    def integrated(x):
        rho = jaxent.evolve_density(chain, x[0], x[1], drive=x[2], rtol=1e-11, atol=1e-13)
        return jaxent.log_negativity_dm(jaxent.measure_density(chain, rho, None, x[3]).state)

    value = jax.jit(integrated)
    point, step = np.array([0.8, 0.03, 0.2, 0.3]), 1e-5
    slope = jax.jit(jax.jacfwd(integrated) if forward else jax.grad(integrated))(point)
    central = [(value(point + step * e) - value(point - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(slope, central, rtol=1e-6, atol=1e-8)
    undriven = jax.jit(jax.jacfwd(integrated) if forward else jax.grad(integrated))(np.array([0.8, 0.03, 0.0, 0.3]))
    closed = jax.jit(jax.grad(lambda x: jaxent.end_to_end_log_negativity(chain, x[0], x[1], None, x[2])))(
        np.array([0.8, 0.03, 0.3])
    )
    np.testing.assert_allclose(np.asarray(undriven)[[0, 1, 3]], closed, atol=1e-8, rtol=0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"time": -1.0}, "`time` must be at least 0"),
        ({"time": jaxent.BondTimes(np.array([1.0, 2.0]))}, "`time` must be one time"),
        ({"dephasing_rate": -1.0}, "`dephasing_rate` must be finite and at least 0"),
        ({"decay_rate": np.array([1.0, 2.0])}, "`decay_rate` must be a scalar or of shape"),
        ({"drive": np.nan}, "`drive` must be finite"),
        ({"n_steps": 0}, "`n_steps` must be an integer of at least 1"),
        ({"rtol": 0.0}, "`rtol` must be positive"),
        ({"max_steps": 2}, "`max_steps` = 2 adaptive steps do not suffice"),
        ({"initial": np.zeros((3, 3)) * 1j}, "`initial` must have shape"),
        ({"chain": jaxent.Chain(3, 200)}, r"201 states each .* GiB"),
    ],
)
def test_bad_input_is_refused_by_name(change, words):
    arguments = {"chain": CHAIN, "time": 1.0, "dephasing_rate": 0.01} | change
    with pytest.raises(ValueError, match=words):
        jaxent.evolve_density(**{k: jax.numpy.asarray(v) if k == "initial" else v for k, v in arguments.items()})


def test_too_few_steps_are_nan_under_jit():
    run = jax.jit(functools.partial(jaxent.evolve_density, CHAIN, max_steps=2))
    assert np.isnan(run(1.0, 0.01)).all()


def test_the_derivative_of_a_state_that_was_not_reached_is_nan_and_not_zero():
    def value(time):
        return jaxent.evolve_density(jaxent.Chain(2, 1), time, 0.01, max_steps=2)[0, 0, 1, 1].real

    assert np.isnan(jax.jit(jax.grad(value))(1.0))
    assert np.isnan(jax.jit(jax.jacfwd(value))(1.0))
