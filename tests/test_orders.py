"""Orders of Rényi entropies as data: compiled once, mapped over and differentiated, with all their limits."""

import math

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import jaxent
from jaxent import Chain, band
from jaxent.entanglement import renyi
from jaxent.protocol import dispatch

ORDERS = [0.0, 0.5, 1.0, 2.0, math.inf, 1 - 1e-9, 1 + 1e-9, *np.linspace(0.05, 4.0, 43)]
CLOSE = [1 + sign * 10.0**-digits for digits in (1, 3, 6, 9, 12) for sign in (-1, 1)]
PROBABILITIES = np.random.default_rng(0).random(12) ** 6
PROBABILITIES /= PROBABILITIES.sum()
value = jax.jit(renyi.of_probabilities)
slope = jax.jit(jax.grad(renyi.of_probabilities, argnums=1))


def exact(order, probabilities=PROBABILITIES):
    """S_α and dS_α/dα in bits, by differences of the definition in 80 digits."""
    with mp.workdps(80):
        p = [mp.mpf(float(x)) for x in probabilities]
        p = [x / mp.fsum(p) for x in p]

        def entropy(a):
            return mp.log(mp.fsum(x**a for x in p), 2) / (1 - a)

        if order == math.inf:
            return float(-mp.log(max(p), 2)), 0.0
        a, h = mp.mpf(order), mp.mpf(10) ** -20
        if order == 0:
            return float(entropy(a)), float((4 * entropy(h) - entropy(2 * h) - 3 * entropy(a)) / (2 * h))
        middle = -mp.fsum(x * mp.log(x, 2) for x in p) if order == 1 else entropy(a)
        return float(middle), float((entropy(a + h) - entropy(a - h)) / (2 * h))


@pytest.mark.parametrize("order", [0.0, 1e-9, 0.1, 0.4999, 0.5, 0.5001, *CLOSE, 1.0, 1.4999, 1.5, 2.0, 10.0, math.inf])
def test_values_and_slopes_are_those_of_many_digits(order):
    entropy, derivative = exact(order)
    assert float(value(PROBABILITIES, order, 0.0)) == pytest.approx(entropy, abs=2e-15)
    assert float(slope(PROBABILITIES, order, 0.0)) == pytest.approx(derivative, abs=4e-15)


def test_the_slope_at_order_one_is_minus_half_the_variance():
    logs = np.log(PROBABILITIES)
    variance = PROBABILITIES @ logs**2 - (PROBABILITIES @ logs) ** 2
    assert float(slope(PROBABILITIES, 1.0, 0.0)) == pytest.approx(-variance / 2 / math.log(2), abs=1e-14)
    assert abs(float(slope(np.full(1000, 1e-3), 1.0, 0.0))) < 1e-13  # no variance


@pytest.mark.parametrize("order", [1e4, 1e17, 1e200])
def test_slopes_of_large_orders_keep_their_digits(order):
    largest = PROBABILITIES.max()  # S = -log2(p) α/(α - 1)
    expected = math.log2(largest) / order**2 if order < 1e100 else 0.0
    assert float(slope(PROBABILITIES, order, 0.0)) == pytest.approx(expected, rel=1e-3, abs=1e-200)


@pytest.mark.parametrize("chain", [Chain(3, 9), Chain(4, 5)], ids=["odd", "even"])
@pytest.mark.usefixtures("quick_compilation")
def test_one_program_serves_all_orders_of_a_chain(chain):
    before = dispatch._over_times._cache_size()
    found = [float(jaxent.end_to_end_renyi_entropy(chain, 0.7, order)) for order in ORDERS]
    assert dispatch._over_times._cache_size() == before + 1
    coefficients = np.asarray(jaxent.end_to_end_schmidt_coefficients(chain, 0.7))
    for order, entropy in zip(ORDERS, found, strict=True):
        p = coefficients**2 if order >= 1 else coefficients[coefficients > 1e-14] ** 2
        # far below 1 the small ones count, to which a rounding of the matrix is a share
        assert entropy == pytest.approx(exact(order, p)[0], abs=1e-13 if order >= 0.3 else 1e-6)


@pytest.mark.usefixtures("quick_compilation")
def test_orders_are_mapped_over_and_differentiated():
    chain = Chain(4, 5)
    alone = [float(jaxent.end_to_end_renyi_entropy(chain, 0.7, order, [3, 4], 0.2)) for order in ORDERS]

    def entropy(order):
        return jaxent.end_to_end_renyi_entropy(chain, 0.7, order, [3, 4], 0.2)

    orders = jnp.array([*ORDERS, -1e-9, -math.inf, math.nan])
    together, slopes = map(np.asarray, jax.jit(jax.vmap(jax.value_and_grad(entropy)))(orders))
    assert np.isnan([together[-3:], slopes[-3:]]).all()
    together, slopes = together[:-3], slopes[:-3]
    np.testing.assert_allclose(together, alone, atol=1e-13, rtol=0)
    coefficients = np.asarray(jaxent.end_to_end_schmidt_coefficients(chain, 0.7, [3, 4], 0.2))
    expected = [exact(order, coefficients[coefficients > 1e-14] ** 2)[1] for order in ORDERS]
    np.testing.assert_allclose(slopes, expected, atol=1e-12, rtol=1e-9)


@jax.jit
def second_derivatives(rho, moves, order):
    """Of the entropy of ρ + x·moves in (x, α)."""
    return jax.jit(jax.hessian(lambda x: jaxent.state_renyi_entropy(rho + x[0] * moves, x[1])))(jnp.stack([0.0, order]))


@pytest.mark.parametrize("order", [0.5, 1.0, 1 + 1e-6, 2.0])
@pytest.mark.parametrize("spectrum", [[0.25, 0.25, 0.25, 0.25], [0.4, 0.4, 0.1, 0.1]])
def test_second_derivatives_in_order_and_state_are_exact_at_degenerate_spectra(spectrum, order):
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    rho = basis * spectrum @ basis.T
    move = rng.normal(size=(4, 4))
    move = move + move.T - 2 * np.trace(move) / 4 * np.eye(4)
    rotation = rng.normal(size=(4, 4))
    rotation = rotation - rotation.T
    moves = move + rotation @ rho - rho @ rotation
    found = np.asarray(second_derivatives(rho, moves, order))
    with mp.workdps(60):

        def precisely(x, a):
            p = mp.eigsy(mp.matrix(rho.tolist()) + x * mp.matrix(moves.tolist()), eigvals_only=True)
            total = mp.fsum(p)
            if a == 1:
                return -mp.fsum(v / total * mp.log(v / total, 2) for v in p)
            return mp.log(mp.fsum((v / total) ** a for v in p), 2) / (1 - a)

        h, a = mp.mpf(10) ** -12, mp.mpf(order)
        cube = [[precisely(i * h, a + j * h) for j in (-1, 0, 1)] for i in (-1, 0, 1)]
        mixed = (cube[2][2] - cube[2][0] - cube[0][2] + cube[0][0]) / (4 * h * h)
        expected = [
            [(cube[2][1] - 2 * cube[1][1] + cube[0][1]) / h**2, mixed],
            [mixed, (cube[1][2] - 2 * cube[1][1] + cube[1][0]) / h**2],
        ]
        expected = np.array([[float(x) for x in row] for row in expected])
    np.testing.assert_allclose(found, expected, atol=1e-10 * max(1.0, abs(expected).max()))


def test_two_programs_of_the_band_engine_serve_all_orders_of_a_chain():
    """One of real nodes, and beyond order 1 one of complex ones."""
    plans = band.make_plans(Chain(3, 200, 6.0), np.array([1.0]), None, None, 1e-8)
    band.batches._evaluate_all.clear_cache()  # other chains share the programs
    before = band.batches._evaluate_all._cache_size()
    for orders, programs in (([0.45, 0.5, 0.7, 0.999, 1 - 1e-9, 1.0], 1), ([1 + 1e-9, 1.2, 1.5, 2.0, 3.0], 2)):
        for order in orders:
            assert band.is_certain(plans[0], order)
            found = band.entropies(plans, order)
            dense = jaxent.end_to_end_renyi_entropy(Chain(3, 200, 6.0), 1.0, order, tolerance=0)
            assert float(found.entropy[0]) == pytest.approx(float(dense), abs=1e-8)
        assert band.batches._evaluate_all._cache_size() == before + programs
    assert not any(band.is_certain(plans[0], order) for order in (0.0, math.inf))


def test_a_plan_takes_known_orders_only():
    plan = jaxent.plan_entropy(Chain(3, 200, 6.0), 1.0)
    with pytest.raises(ValueError, match=r"`alpha` must be known, but is traced; give a plain number"):
        jax.jit(lambda order: jaxent.planned_entropy(plan, alpha=order))(2.0)


@pytest.mark.parametrize("order", [2000.0, math.inf])
def test_zero_probabilities_leave_the_derivatives_at_large_orders(order):
    density = jnp.diag(jnp.array([0.6, 0.4, 0.0, 0.0]))
    # S_α = α log2(0.6)/(1-α) there, up to 0.4^α/0.6^α, on the unnormalized (0.6, 0.4) of trace one
    exact = (order / (1 - order) if order < math.inf else -1.0) * (1 / 0.6 - 1) / math.log(2)
    slopes = jax.jacfwd(lambda r: jaxent.state_renyi_entropy(r, order))(density)
    assert abs(slopes[0, 0] - exact) <= 1e-12
    in_order = jax.grad(lambda a: jaxent.state_renyi_entropy(density, a))(order)
    assert abs(in_order - (math.log2(0.6) / (order - 1) ** 2 if order < math.inf else 0.0)) <= 1e-12
