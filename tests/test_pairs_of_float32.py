"""The library in the arithmetic of a TPU, where a float64 is a pair of float32: 48 bits in float32's range."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from pairs_of_float32 import BITS, on_pairs, rounded

import jaxent
from jaxent import arguments, spectral
from jaxent.numerics import decompositions, rounding
from jaxent.protocol import matrix_product
from jaxent.runtime.default_device import default_device, platform
from jaxent.times import turns

ROUNDING = 2.0**-BITS
MULTIPLES = np.array([1, 2, 7, 1000, 10**6 + 1, 10**10 + 7, 10**12 - 1])


def turns_by_mpmath(multiples, time):
    with mpmath.workprec(300):
        exact = [int(n) * mpmath.mpf(float(time)) / (2 * mpmath.pi) for n in multiples]
        return np.array([float(x - mpmath.nint(x)) for x in exact])


def apart(left, right):
    difference = np.asarray(left) - right
    return abs(difference - np.round(difference)).max()


def test_numbers_are_pairs():
    assert float(rounded(1 + 2.0**-47)) == 1 + 2.0**-47
    assert float(rounded(1 + 2.0**-49)) == 1.0
    assert [float(rounded(x)) for x in (1e-39, -1e39, 0.0)] == [0.0, -np.inf, 0.0]
    assert float(on_pairs(lambda x: x / 3)(1.0)) == float(rounded(1 / 3)) != 1 / 3


def test_loops_branches_and_nested_functions_are_interpreted():
    def function(x):
        total, rows = jax.lax.scan(lambda c, y: (c + y / 3, c * y), x, jnp.arange(4.0))
        count = jax.lax.while_loop(lambda c: c < 10, lambda c: c * 1.5, x)
        branch = jax.lax.cond(x > 0, lambda: x / 7, lambda: x)
        return total, rows, count, branch, jax.jit(jnp.exp)(x), jnp.sort(rows)

    for got, wanted in zip(on_pairs(function)(0.7), function(0.7), strict=True):
        assert got.shape == wanted.shape
        assert abs(got - wanted).max() <= 20 * ROUNDING * abs(wanted).max()
    assert float(on_pairs(function)(0.7)[0]) != float(function(0.7)[0])


def test_programs_know_how_the_device_that_runs_them_rounds():
    assert float(rounding.epsilon(jnp.float64)) == np.finfo(float).eps
    assert float(rounding.smallest(jnp.float64)) == np.finfo(float).tiny
    assert float(on_pairs(lambda x: x * rounding.epsilon(jnp.float64))(1.0)) == 2 * ROUNDING
    assert float(on_pairs(lambda x: x * rounding.smallest(jnp.float64))(1.0)) == np.finfo(np.float32).tiny
    assert float(on_pairs(lambda x: x * rounding.epsilon(jnp.float32))(1.0)) == np.finfo(np.float32).eps
    here, there = (
        abs(function(jnp.ones(9)) - 1).max()
        for function in (matrix_product.roundings, on_pairs(matrix_product.roundings))
    )
    assert there == 32 * here


@pytest.mark.parametrize("shape", [(5, 5), (20, 20), (3, 7), (7, 3)])
@pytest.mark.parametrize("imaginary", [0.0, 1.0])
def test_singular_values_by_eigenvalues_are_those_of_numpy(shape, imaginary):
    """There a matrix is not decomposed itself: its singular values are eigenvalues of a larger one."""
    real, other = np.random.default_rng(3).standard_normal((2, *shape))
    matrix = real + 1j * imaginary * other if imaginary else real
    found = on_pairs(spectral.svdvals)(jnp.asarray(matrix))
    np.testing.assert_allclose(found, np.linalg.svd(matrix, compute_uv=False), atol=200 * ROUNDING)
    assert "svd" not in str(jax.make_jaxpr(decompositions._by_eigenvalues)(matrix))
    each = jax.vmap(decompositions._by_eigenvalues)(jnp.stack([matrix, 0 * matrix]))
    np.testing.assert_allclose(each, [np.linalg.svd(matrix, compute_uv=False), np.zeros(min(shape))], atol=1e-13)


@pytest.mark.thorough
def test_digits_that_are_lost_there_alone_are_refused_there_alone():
    log_probability = functools.partial(jaxent.log_outcome_probability, jaxent.Chain(4, 6), outcomes=[6, 0])
    exact = float(log_probability(0.06))
    assert abs(float(jax.jit(log_probability)(0.06)) - exact) <= 1e-9
    assert np.isnan(on_pairs(log_probability)(0.06))
    assert abs(float(on_pairs(log_probability)(0.1)) - float(log_probability(0.1))) <= 1e-9


@pytest.mark.parametrize("denominator", [1, 2, 3, 5, 7, 12, 4096])
def test_phases_are_right_at_every_multiple_of_pi(denominator):
    for numerator in (1, 3, denominator + 1):
        time = jaxent.pi_fraction(numerator, denominator)
        exact = np.array([float((int(n) * numerator % (2 * denominator)) / (2 * denominator)) for n in MULTIPLES])
        got = on_pairs(lambda time=time: turns(MULTIPLES, time))()
        assert apart(got, exact) <= ROUNDING


@pytest.mark.parametrize("time", [0.7, 2.9, 1e-4, 123.4])
def test_phases_at_other_times_are_right_to_the_rounding_of_the_time(time):
    held = float(rounded(time))  # what such a device is given
    got = on_pairs(lambda t: turns(MULTIPLES, t))(held)
    assert apart(got, turns_by_mpmath(MULTIPLES, held)) <= 8 * ROUNDING * max(1.0, held)


CASES = {
    "entropy": (lambda t: jaxent.end_to_end_entropy(jaxent.Chain(3, 10), t), 0.7, 1e-13),
    "log probability": (lambda t: jaxent.log_outcome_probability(jaxent.Chain(3, 50), t, 40, 0.1), 0.7, 1e-12),
    "dephased log probability": (
        lambda t: jaxent.dephased_log_probability(jaxent.Chain(3, 50), t, 0.01, 40, 0.1),
        0.7,
        1e-12,
    ),
    "measure of a large matrix": (lambda t: jaxent.entanglement_entropy(1 + t * 1e9 * jnp.eye(3)), 0.7, 1e-13),
}
SLOW = {
    "entropy with an outcome": (lambda t: jaxent.end_to_end_entropy(jaxent.Chain(3, 50), t, 40, 0.1), 0.7, 1e-12),
    "entropy, N = 200": (lambda t: jaxent.end_to_end_entropy(jaxent.Chain(3, 200), t), 0.05, 1e-12),
    "entropy, M = 4": (lambda t: jaxent.end_to_end_entropy(jaxent.Chain(4, 20), t, [10, 11], 0.1), 0.7, 1e-12),
    "entropy, M = 5": (lambda t: jaxent.end_to_end_entropy(jaxent.Chain(5, 20), t), 0.7, 1e-12),
    "slope": (jax.grad(lambda t: jaxent.end_to_end_entropy(jaxent.Chain(3, 50), t)), 0.7, 1e-11),
    "log negativity": (lambda t: jaxent.end_to_end_log_negativity(jaxent.Chain(3, 8), t, 0.01), 0.7, 1e-12),
    "log negativity with an outcome": (
        lambda t: jaxent.end_to_end_log_negativity(jaxent.Chain(3, 12), t, 0.01, 5, 0.3),
        0.7,
        1e-12,
    ),
    "band engine, N = 10^4": (
        functools.partial(jaxent.planned_entropy, jaxent.plan_entropy(jaxent.Chain(3, 10**4), 0.7, tolerance=1e-9)),
        0.7,
        1e-9,
    ),
}


@pytest.mark.parametrize(
    ("function", "time", "most"),
    [*CASES.values(), *(pytest.param(*case, marks=pytest.mark.thorough) for case in SLOW.values())],
    ids=[*CASES, *SLOW],
)
def test_values_are_right(function, time, most):
    assert abs(on_pairs(function)(time) - function(time)) <= most


def test_a_tpu_refuses_times_whose_rounding_would_show(monkeypatch):
    monkeypatch.setattr(arguments, "platform", lambda: "tpu")
    many = jaxent.Chain(3, 10**6, 0.02)
    with pytest.raises(ValueError, match=r"`n_atoms` = 1000000 is too many for a TPU.*48 bits.*jax.default_device"):
        jax.jit(lambda t: jaxent.end_to_end_entropy(many, t))(0.7)
    with pytest.raises(ValueError, match="too many for a TPU"):
        jaxent.log_outcome_probability(many, 0.7)
    with pytest.raises(ValueError, match="too many for a TPU"):
        jaxent.end_to_end_log_negativity(many, 0.7, 0.1)


def test_a_tpu_takes_exact_times_phases_of_the_host_and_fewer_atoms(monkeypatch):
    chain, few = jaxent.Chain(3, 10**6, 0.02), jaxent.Chain(3, 10**5, 0.05)
    calls = [
        lambda: jaxent.log_outcome_probability(chain, jaxent.pi_fraction(2, 3)),
        lambda: jaxent.log_outcome_probability(few, 0.7),
        lambda: jaxent.end_to_end_entropy(jaxent.Chain(3, 10**6), jaxent.pi_fraction(1, 2).value),
    ]
    usual = [float(call()) for call in calls]
    monkeypatch.setattr(arguments, "platform", lambda: "tpu")
    assert [float(call()) for call in calls] == usual


@pytest.mark.parametrize("chosen", [None, "cpu", jax.devices("cpu")[0]])
def test_the_platform_is_that_of_the_default_device(chosen):
    with jax.default_device(chosen):
        assert default_device() in jax.devices("cpu")
        assert platform() == "cpu"
