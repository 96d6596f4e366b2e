"""Witnesses of entanglement: limits, correlations of cells by brute force, and that no separable state passes."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import oracles_spins as oracle
import pytest

import jaxent
from jaxent import Chain, Measurement, pi_fraction
from jaxent.spins import modular_witness as modular
from jaxent.spins import moments

pytestmark = pytest.mark.usefixtures("quick_compilation")

ENDS = (0, 1, 2, 3, 4, 8)  # of the criteria that prove entanglement of the ends


def values(*arguments, **named):
    return jaxent.witnesses(jaxent.collective_spin_moments(*arguments, **named))


@pytest.mark.parametrize(("n_atoms", "tau"), [(10**6, 2.0), (10**8, 1.0), (10**8, 3.0)])
def test_products_tend_to_those_of_two_modes(n_atoms, tau):
    """For τ = Nt, N → ∞ the ends are a two-mode squeezed vacuum: all criteria have closed forms."""
    found = [float(one.value) for one in values(Chain(3, n_atoms), tau / n_atoms)]
    squeezed = 1 / (1 + tau**2 / 4)
    assert found[0] == pytest.approx(squeezed, rel=4 / n_atoms + 1e-6)
    # a plane of both modes: one quadrature of the sum is squeezed, and nothing is added to the other
    assert found[2] == pytest.approx((1 + squeezed) / 2, rel=1e-5)
    assert found[7] == pytest.approx(squeezed, rel=1e-5)


@pytest.mark.parametrize("n_atoms", [100, 101])
@pytest.mark.parametrize("levels", [2, 3, 4])
def test_linear_criteria_are_blind_at_magic_times(n_atoms, levels):
    found = values(Chain(3, n_atoms), pi_fraction(2, levels), 1e-9)
    assert float(found[1].value) == pytest.approx(1, abs=1e-5)
    assert not any(bool(found[index].violated) for index in ENDS)


def test_states_known_to_be_pure_show_their_fisher_information_at_magic_times():
    found = values(Chain(3, 100), pi_fraction(1))[8]
    assert bool(found.violated)
    assert float(found.value) == pytest.approx(2, abs=1e-9)
    assert "from moments" not in found.name


def test_at_the_start_all_criteria_are_at_their_bounds():
    for one in values(Chain(3, 50), 0.0):
        assert float(one.value) == pytest.approx(1, abs=1e-12)
        assert not bool(one.violated)


@pytest.mark.parametrize(("outcome", "rates"), [(13, (0.01, 0.02, 0.03)), (14, (0.001, 0.0, 0.002))], ids=str)
def test_products_are_optima_over_local_axes_and_gains(outcome, rates):
    """A search over all transverse u and v, and over directions, finds nothing below the least eigenvalue."""
    rho, _ = oracle.state(14, 0.13, outcome, 0.1, rates)
    mean, covariance = oracle.moments(rho)
    found = jaxent.witnesses(moments.CollectiveSpinMoments.measured(mean, covariance, 14))
    axes, lengths = [], []
    for end in (mean[:3], mean[3:]):
        along = end / np.linalg.norm(end)
        _, _, rows = np.linalg.svd(along[None])
        hand = np.sign(np.linalg.det(np.vstack([along, rows[1:]])))
        axes.append(np.stack([hand * rows[1], rows[2]]))
        lengths.append(np.linalg.norm(end))
    turn = np.block([[axes[0], np.zeros((2, 3))], [np.zeros((2, 3)), axes[1]]])
    four = turn @ covariance @ turn.T
    generator = np.random.default_rng(1)
    directions = generator.normal(size=(20000, 2, 4))
    u, v = directions[:, 0], directions[:, 1]
    wedge = [abs(u[:, i] * v[:, i + 1] - u[:, i + 1] * v[:, i]) for i in (0, 2)]
    variances = [np.einsum("ni,ij,nj->n", x, four, x) for x in (u, v)]
    ratios = variances[0] * variances[1] / (wedge[0] * lengths[0] + wedge[1] * lengths[1]) ** 2
    least = float(found[0].value)
    assert least <= ratios.min()
    assert ratios.min() < 4 * least + 0.2
    # the optimum itself, from its eigenvector
    roots = []
    for sign in (1, -1):
        form = np.zeros((4, 4))
        form[0, 1], form[2, 3] = lengths[0], sign * lengths[1]
        roots.append(np.abs(np.linalg.eigvals(np.linalg.solve(form - form.T, four))).min())
    assert least == pytest.approx(min(roots) ** 2, rel=1e-8)
    assert bool(found[0].violated) == (outcome == 14)
    # what is left of one end once the other is known
    left = four[:2, :2] - four[:2, 2:] @ np.linalg.solve(four[2:, 2:], four[2:, :2])
    assert float(found[3].value) == pytest.approx(np.linalg.det(left) / lengths[0] ** 2, rel=1e-8)
    squeezed = 14 * np.linalg.eigvalsh(four[:2, :2])[0] / lengths[0] ** 2
    assert float(found[5].value) == pytest.approx(squeezed, rel=1e-9)


def test_fisher_information_from_moments_is_below_its_exact_value():
    rho, _ = oracle.state(6, 0.3, 6, 0.1, (0.01, 0.01, 0.01))
    mean, covariance = oracle.moments(rho)
    found = float(jaxent.witnesses(moments.CollectiveSpinMoments.measured(mean, covariance, 6))[8].value)
    share, vectors = np.linalg.eigh(rho.reshape(49, 49))
    matrices, one = oracle.spin_matrices(6), np.eye(7)
    spins = [np.kron(s, one) for s in matrices] + [np.kron(one, s) for s in matrices]
    turned = [vectors.conj().T @ s @ vectors for s in spins]
    total = share[:, None] + share[None, :]
    factor = np.where(total > 1e-12, 2 * (share[:, None] - share[None, :]) ** 2 / np.where(total > 1e-12, total, 1), 0)
    exact = np.array([[np.sum(factor * a * b.T).real for b in turned] for a in turned])
    local = covariance.copy()
    local[:3, 3:] = local[3:, :3] = 0
    ratios = np.linalg.eigvals(np.linalg.solve(4 * local, exact)).real
    assert 1.0 < found <= ratios.max() + 1e-9


def test_witnesses_have_slopes():
    def value(time):
        return jnp.stack([one.value for one in values(Chain(3, 20), time, 0.01, 18, 0.1)])

    slope = jax.jit(jax.jacfwd(value))(0.2)
    jitted = jax.jit(value)
    np.testing.assert_allclose(slope, (jitted(0.2 + 1e-5) - jitted(0.2 - 1e-5)) / 2e-5, rtol=1e-6, atol=1e-7)


def test_witnesses_of_anything_else_are_refused():
    with pytest.raises((ValueError, TypeError), match=r"(?s)moments.*CollectiveSpinMoments"):
        jaxent.witnesses(np.eye(6))  # pyright: ignore[reportArgumentType]


# ----------------------------------------------------------------- modular ones


@pytest.mark.parametrize(
    ("n_atoms", "levels", "numerator", "outcome", "offset", "rate", "sigma"),
    [
        (11, 3, 1, 11, 0.0, 0.01, 0.0),
        (12, 4, 1, 9, math.pi / 8, 0.02, 0.0),
        (9, 2, 1, 9, 0.0, 0.0, 0.0),
        (12, 3, 2, 8, 0.3, 0.1, 1.0),
        (15, 5, 3, 13, 0.3, 0.05, 0.0),
        (16, 4, 3, 14, 0.1, 0.0, 1.5),
    ],
)
def test_correlations_of_cells_are_those_of_projectors(n_atoms, levels, numerator, outcome, offset, rate, sigma):
    time = 2 * math.pi * numerator / levels
    rho, _ = oracle.state(n_atoms, time, outcome, offset, (rate,) * 3, sigma)
    measurement = Measurement(resolution=sigma) if sigma else None
    found = jaxent.modular_witness(
        Chain(3, n_atoms), pi_fraction(2 * numerator, levels), rate, outcome, offset, measurement=measurement
    )
    exact = []
    for shift in np.arange(levels) - levels // 2:
        first = n_atoms // 2 - levels // 2
        exact.append(oracle.correlations(rho, levels, first, first - shift))
        dense = modular.of_state(rho, levels, int(shift))
        np.testing.assert_allclose(dense, exact[-1], rtol=0, atol=1e-12)
    best = max(exact, key=sum)
    np.testing.assert_allclose(sum(found.correlations), sum(best), rtol=0, atol=1e-11)
    assert min(abs(np.array(exact) - found.correlations).sum(axis=1)) < 1e-11


def test_fidelity_and_log_negativity_are_bounds():
    for levels, rate in ((2, 0.01), (3, 0.003), (4, 0.03)):
        time = pi_fraction(2, levels)
        found = jaxent.modular_witness(Chain(3, 24), time, rate)
        rho = np.asarray(jaxent.end_to_end_state(Chain(3, 24), time, rate))
        first = 12 - levels // 2
        positions = oracle.positions_state(rho, levels, first, first)
        bell = np.eye(levels).reshape(-1) / np.sqrt(levels)
        fidelity = bell @ np.real(positions.reshape(levels**2, levels**2)) @ bell
        assert float(found.fidelity) <= fidelity + 1e-12
        assert float(found.fidelity) > fidelity - 0.1
        bits = float(jaxent.end_to_end_log_negativity(Chain(3, 24), time, rate))
        assert 0 < float(found.log_negativity) <= bits


@pytest.mark.parametrize(("n_atoms", "most"), [(100, 6), (10**4, 8)])
@pytest.mark.parametrize("rate", [0.0, 1e-3])
def test_all_levels_are_certified_at_magic_times(n_atoms, most, rate):
    for levels in range(2, most + 1):
        found = jaxent.modular_witness(Chain(3, n_atoms), pi_fraction(2, levels), rate)
        assert int(found.schmidt_number) == levels
        assert math.log2(levels - 1) < float(found.log_negativity) < math.log2(levels)


def test_few_cells_stand_for_all():
    """At 10^4 atoms every cell is summed by the oracle of this test, and every third or so by the function."""
    n_atoms, levels = 10**4, 5
    k = np.arange(n_atoms + 1)
    logs = np.array([-math.lgamma(i + 1) - math.lgamma(n_atoms - i + 1) for i in k])
    roots = np.exp((logs - logs.max()) / 2)
    roots = roots / np.linalg.norm(roots)
    first = n_atoms // 2 - levels // 2
    padded = np.pad(roots, (levels, 2 * levels))
    begin = first % levels
    cells = padded[begin : begin + (len(padded) - begin) // levels * levels].reshape(-1, levels)
    np.testing.assert_allclose(modular._overlaps(n_atoms, levels, first), cells.T @ cells, rtol=1e-8)


def test_nothing_is_certified_without_correlations():
    found = jaxent.modular_witness(Chain(3, 30), pi_fraction(2, 3), 5.0)
    assert int(found.schmidt_number) == 1
    assert float(found.log_negativity) == 0


def test_an_exact_bound_is_not_passed_by_rounding():
    """r F = 2 exactly proves Schmidt number 2, and r F = 1 nothing."""
    for total, number in ((2.0, 3), (5 / 3, 2), (4 / 3, 1), (5 / 3 + 1e-9, 2), (5 / 3 + 1e-6, 3)):
        found = modular.certified(3, jnp.array([total / 2, total / 2]))
        assert int(found.schmidt_number) == number


def test_rates_batch_and_have_slopes():
    def bits(rate):
        return jaxent.modular_witness(Chain(3, 200), pi_fraction(1, 2), rate, 190, 0.3).log_negativity

    rates = jnp.array([0.0, 0.002, 0.02])
    each = [float(bits(rate)) for rate in rates]
    np.testing.assert_allclose(bits(rates), each, rtol=1e-9)
    slope = float(jax.jit(jax.grad(bits))(0.002))
    assert slope == pytest.approx(float(bits(0.002 + 1e-6) - bits(0.002 - 1e-6)) / 2e-6, rel=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"chain": Chain(4, 10)}, "n_ensembles = 3"),
        ({"chain": Chain(3, 100, 3.0)}, "no window"),
        ({"time": 1.0}, "exact magic time"),
        ({"time": pi_fraction(2, 33)}, "r from 2 to 32"),
        ({"time": pi_fraction(2, 1)}, "r from 2 to 32"),
        ({"time": pi_fraction(np.array([1, 2]), 3)}, "single time"),
        ({"outcomes": 11}, "must lie in 0…10"),
        ({"outcomes": 5, "time": pi_fraction(1)}, "cannot occur"),
        ({"measurement": Measurement(atom_loss_rate=0.1)}, "atom_loss_rate = 0"),
        (
            {"chain": Chain(3, 10**7), "measurement": Measurement(resolution=2.0), "dephasing_rate": 0.1},
            "beyond 1000000 atoms",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_certified_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        jaxent.modular_witness(**({"chain": Chain(3, 10), "time": pi_fraction(2, 3)} | arguments))


# ------------------------------------------------------------- separable states


def random_vectors(generator, count, size):
    found = generator.normal(size=(count, size)) + 1j * generator.normal(size=(count, size))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def coherent_vectors(generator, count, n_atoms):
    """Draw spin coherent states, in the Dicke basis, about random directions or about one of them."""
    centre = generator.normal(size=3)
    directions = generator.normal(size=(count, 3)) * generator.choice([0.1, 1.0]) + centre
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    theta, phi = np.arccos(directions[:, 2]), np.arctan2(directions[:, 1], directions[:, 0])
    k = np.arange(n_atoms + 1)
    roots = np.sqrt([math.comb(n_atoms, int(i)) for i in k])
    up, down = np.cos(theta / 2)[:, None], np.sin(theta / 2)[:, None]
    return roots * up**k * down ** (n_atoms - k) * np.exp(-1j * k * phi[:, None])


def separable(generator, n_atoms):
    """Draw a mixture of products: of random states, squeezed and coherent ones, or correlated eigenstates of S_z."""
    count = int(generator.integers(1, 9))
    size = n_atoms + 1
    kind = generator.integers(4)
    if kind == 0:
        first, last = random_vectors(generator, count, size), random_vectors(generator, count, size)
    elif kind == 1:
        first, last = coherent_vectors(generator, count, n_atoms), coherent_vectors(generator, count, n_atoms)
    elif kind == 2:
        first = np.eye(size)[generator.integers(size, size=count)].astype(complex)
        last = first.copy()
    else:  # equal squeezed states: correlations as large as they get without entanglement
        k = np.arange(size)
        twist = np.exp(1j * generator.uniform(0, 1) * (k - n_atoms / 2) ** 2 / n_atoms)
        first = coherent_vectors(generator, count, n_atoms) * twist
        last = first.conj()
    shares = generator.dirichlet(np.ones(count))
    return np.einsum("n,na,nb,nc,nd->abcd", shares, first, last, first.conj(), last.conj(), optimize=True)


def certified_by(n_atoms, levels, count, seed):
    """Count states that each criterion certifies, and find how near to its bound values came."""
    generator = np.random.default_rng(seed)

    @jax.jit
    @jax.vmap
    def judge(state):
        found = jaxent.witnesses(moments.of_state(state))
        shifts = range(-(levels // 2), levels - levels // 2)
        pairs = jnp.stack([modular.of_state(state, levels, shift) for shift in shifts])
        linear = jnp.stack([found[index].violated for index in ENDS])
        nearest = jnp.stack([found[index].value for index in ENDS[:-1]])
        number = modular.certified(levels, pairs).schmidt_number
        return linear, nearest, jnp.max(number), jnp.max(jnp.sum(pairs, axis=1) - 1) * levels

    linear, nearest, number, overlap = [], [], [], []
    for _ in range(count // 250):
        states = np.stack([separable(generator, n_atoms) for _ in range(250)])
        parts = judge(states)
        for whole, part in zip((linear, nearest, number, overlap), parts, strict=True):
            whole.append(np.asarray(part))
    return tuple(np.concatenate(whole) for whole in (linear, nearest, number, overlap))


@pytest.mark.parametrize(("n_atoms", "levels", "count"), [(3, 2, 500), (3, 2, 4000), (4, 3, 3000), (5, 2, 3000)])
def test_no_separable_state_is_certified(n_atoms, levels, count):
    linear, nearest, number, overlap = certified_by(n_atoms, levels, count, n_atoms)
    assert not linear.any()
    assert (number == 1).all()
    # the states come near to the bounds, so that a wrong one would show
    assert np.nanmin(nearest) < 1.01
    assert overlap.max() > 0.7


def test_ends_that_are_not_symmetric_are_not_certified():
    """Two atoms an end, singlets included."""
    generator = np.random.default_rng(5)
    half = [np.array(m, complex) for m in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])]
    pair = [np.kron(s, np.eye(2)) + np.kron(np.eye(2), s) for s in half]
    spins = [np.kron(s, np.eye(4)) for s in pair] + [np.kron(np.eye(4), s) for s in pair]
    means, covariances = [], []
    for _ in range(10_000):
        count = int(generator.integers(1, 5))
        first, last = random_vectors(generator, count, 4), random_vectors(generator, count, 4)
        shares = generator.dirichlet(np.ones(count))
        vectors = np.einsum("na,nb->nab", first, last).reshape(count, 16)
        rho = np.einsum("n,na,nb->ab", shares, vectors, vectors.conj())
        mean = np.array([np.trace(rho @ s).real for s in spins])
        second = np.array([[np.trace(rho @ (a @ b + b @ a)).real / 2 for b in spins] for a in spins])
        means.append(mean)
        covariances.append(second - np.outer(mean, mean))

    @jax.jit
    @jax.vmap
    def judge(mean, covariance):
        found = jaxent.witnesses(moments.CollectiveSpinMoments.measured(mean, covariance, 2))
        return jnp.stack([found[index].violated for index in ENDS])

    assert not np.asarray(judge(np.array(means), np.array(covariances))).any()


def test_mixtures_of_coherent_states_have_no_entangled_atoms():
    generator = np.random.default_rng(6)

    def violated(state):
        return jnp.stack([one.violated for one in jaxent.witnesses(moments.of_state(state))])

    states = []
    for _ in range(500):
        count = int(generator.integers(1, 5))
        first, last = coherent_vectors(generator, count, 4), coherent_vectors(generator, count, 4)
        shares = generator.dirichlet(np.ones(count))
        states.append(np.einsum("n,na,nb,nc,nd->abcd", shares, first, last, first.conj(), last.conj()))
    assert not np.asarray(jax.jit(jax.vmap(violated))(np.array(states))).any()
