"""First derivatives where spectra are degenerate, offsets or rates vanish, or nothing is left, against mpmath."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from cases import EVEN
from mpmath import mp

import jaxent

pytestmark = pytest.mark.usefixtures("quick_compilation")

MAGIC = {"0": (0, 1), "π/3": (1, 3), "π/2": (1, 2), "2π/3": (2, 3), "π": (1, 1)}


def exact_slopes(n_atoms, time, outcome, offset, digits=40):
    """∂E/∂t and ∂E/∂φ of M = 3 by central differences at 40 digits."""
    with mp.workdps(digits):
        step = mp.mpf(10) ** -12
        high, low = (oracles.entropy_mp(n_atoms, time + s, outcome, offset, digits) for s in (step, -step))
        up, down = (oracles.entropy_mp(n_atoms, time, outcome, offset + s, digits) for s in (step, -step))
        return float((high - low) / (2 * step)), float((up - down) / (2 * step))


@pytest.mark.parametrize("name", MAGIC)
@pytest.mark.parametrize(("n_atoms", "outcome", "offset"), [(6, 6, 0.0), (5, 5, 0.0), (5, 3, 0.3), (1, 1, 0.2)])
def test_slopes_of_the_entropy_at_magic_times(name, n_atoms, outcome, offset):
    """Up to r equal and N + 1 - r vanishing Schmidt coefficients."""
    numerator, denominator = MAGIC[name]
    with mp.workdps(40):
        time = mp.pi * numerator / denominator
    chain = jaxent.Chain(3, n_atoms)

    def entropy(t, phi):
        return jaxent.end_to_end_entropy(chain, t, outcome, phi)

    found = jax.jit(jax.grad(entropy, argnums=(0, 1)))(float(time), offset)
    np.testing.assert_allclose(found, exact_slopes(n_atoms, time, outcome, offset), rtol=1e-9, atol=1e-11)


def test_the_default_route_has_the_same_slope_at_magic_times():
    """All outcomes N and no offset take the real, parity-split route; with an offset handed in they do not."""
    chain = jaxent.Chain(3, 12)
    times = np.array([0.0, np.pi / 3, np.pi / 2, 2 * np.pi / 3, np.pi])
    split = jax.jit(jax.vmap(jax.grad(lambda t: jaxent.end_to_end_entropy(chain, t))))(times)
    whole = jax.jit(jax.vmap(jax.grad(lambda t, x: jaxent.end_to_end_entropy(chain, t, 12, x)), (0, None)))(times, 0.0)
    np.testing.assert_allclose(split, whole, rtol=0, atol=1e-9)
    assert abs(np.asarray(split)[1]) > 1e-3  # N = 12 has not reached log2 6


def test_the_gradient_in_the_offset_vanishes_at_zero_by_symmetry():
    chain = jaxent.Chain(3, 30)
    slope = jax.jit(jax.grad(lambda x: jaxent.end_to_end_entropy(chain, 1.1, None, x)))(0.0)
    assert abs(float(slope)) < 1e-12


def test_offsets_may_be_a_list_of_traced_numbers():
    slope = jax.jit(jax.grad(lambda x: jaxent.end_to_end_entropy(EVEN, 0.3, None, [x, 0.1])))(0.2)
    step = 1e-6
    high, low = (jaxent.end_to_end_entropy(EVEN, 0.3, None, [0.2 + s, 0.1]) for s in (step, -step))
    assert float(slope) == pytest.approx(float(high - low) / (2 * step), rel=1e-6)


@pytest.mark.parametrize("n_ensembles", [2, 3, 4, 5])
@pytest.mark.parametrize("n_atoms", [1, 4])
def test_nothing_changes_to_first_order_at_the_product_state(n_ensembles, n_atoms):
    """At t = 0 the ends are a product: E has its least value there."""
    chain = jaxent.Chain(n_ensembles, n_atoms)

    def entropy(t, phi):
        return jaxent.end_to_end_entropy(chain, t, None, phi)

    slopes = jax.jit(jax.grad(entropy, argnums=(0, 1)))(0.0, 0.0)
    np.testing.assert_allclose(slopes, 0.0, atol=1e-12)


@pytest.mark.parametrize("n_ensembles", [2, 3, 4, 5])
def test_single_atoms(n_ensembles):
    """Against central differences of the plain NumPy oracle, at a generic time and at t = π."""
    for time in (0.9, np.pi):
        chain, inner = jaxent.Chain(n_ensembles, 1), [1] * (n_ensembles - 2)
        offset = 0.1 if inner else 0.0
        slope = jax.jit(jax.grad(lambda t, c=chain, phi=offset: jaxent.end_to_end_entropy(c, t, None, phi)))(time)
        step = 1e-4
        values = [
            oracles.entropy_bits(oracles.end_to_end(n_ensembles, 1, time + s * step, inner, offset))
            for s in (-2, -1, 1, 2)
        ]
        expected = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
        assert float(slope) == pytest.approx(expected, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("time", [0.7, np.pi / 2, np.pi])
@pytest.mark.parametrize("ensemble", [0, 1, 2])
def test_the_first_noise_in_one_ensemble(time, ensemble):
    """d E_N / dγ_j at γ = 0, where the state is pure: one-sided differences of the NumPy oracle."""
    chain, atoms = jaxent.Chain(3, 4), 4
    unit = np.eye(3)[ensemble]
    slope = jax.jit(
        jax.grad(lambda g: jaxent.end_to_end_log_negativity(chain, time, jaxent.EnsembleRates(g * unit), 3, 0.2))
    )(0.0)

    def oracle(rate):
        rho = oracles.dephased_state(3, atoms, time, rate * unit, [3], 0.2)
        return oracles.state_log_negativity_bits(rho / np.einsum("abab->", rho).real)

    step = 1e-5
    zero, one, two = (oracle(s * step) for s in (0, 1, 2))
    assert float(slope) == pytest.approx((-3 * zero + 4 * one - two) / (2 * step), rel=2e-4, abs=1e-6)


def test_equal_and_vanishing_schmidt_coefficients():
    """Σ = diag(1, 1, 1, 0, 0)/√3 moved in a random direction; the entropy's slope against 40 digits."""
    rng = np.random.default_rng(5)
    start, direction = np.diag([1.0, 1.0, 1.0, 0.0, 0.0]), rng.normal(size=(5, 5))
    step = mp.mpf(10) ** -14

    def exact(alpha, x):
        a = mp.matrix(start) + x * mp.matrix(direction)
        values = mp.eigsy(a.T * a, eigvals_only=True)
        p = [v / mp.fsum(values) for v in values]
        if alpha == 1:
            return -mp.fsum(v * mp.log(v, 2) for v in p if v > 0)
        return mp.log(mp.fsum(v**alpha for v in p), 2) / (1 - alpha)

    with mp.workdps(60):
        slopes = [(exact(a, step) - exact(a, -step)) / (2 * step) for a in (1, 2)]
    entropy = jax.jit(jax.grad(lambda x: jaxent.entanglement_entropy(start + x * direction)))(0.0)
    collision = jax.jit(jax.grad(lambda x: jaxent.renyi_entropy(start + x * direction, 2.0)))(0.0)
    np.testing.assert_allclose([entropy, collision], np.array(slopes, float), rtol=0, atol=1e-11)


def test_the_log_negativity_gets_a_subgradient_where_a_schmidt_coefficient_vanishes():
    """σ = (2 + x, 1, 1 - 3x, |0.3x|, 0): the slope lies between those of the two sides."""

    def tilted(x):
        return jaxent.log_negativity(jnp.diag(jnp.stack([2 + x, 1 + 0 * x, 1 - 3 * x, 0.3 * x, 0 * x])))

    middle = 2 / np.log(2) * (-2 / 4 + 1 / 6)  # d log2 (Σσ)² / Σσ² of those that do not vanish
    half_jump = 2 / np.log(2) * 0.3 / 4
    assert abs(float(jax.grad(tilted)(0.0)) - middle) <= half_jump * (1 + 1e-12)
