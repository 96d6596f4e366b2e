"""Husimi and Wigner functions: QuTiP, mpmath, the whole state of the chain, quadrature over the sphere."""

import math

import jax
import mpmath as mp
import numpy as np
import oracles
import pytest
import qutip
from qutip.wigner import spin_wigner as qutip_spin_wigner
from scipy.special import comb, eval_legendre, gammaln

import jaxent
from jaxent import Chain, dicke
from jaxent.phase_space import ends

pytestmark = pytest.mark.usefixtures("quick_compilation")

rng = np.random.default_rng(11)
THETA, PHI = np.linspace(0.0, math.pi, 6), np.linspace(-2.0, 5.0, 5)
GRID = THETA[:, None], PHI[None, :]


def coherent(n_atoms: int, theta: float, phi: float) -> np.ndarray:
    """√C(N,k) cos^k(θ/2) sin^(N-k)(θ/2) e^(-ikφ) of few atoms, as it stands."""
    k = np.arange(n_atoms + 1)
    sizes = np.sqrt(comb(n_atoms, k)) * np.cos(theta / 2) ** k * np.sin(theta / 2) ** (n_atoms - k)
    return sizes * np.exp(-1j * k * phi)


def random_state(n_atoms: int, mixed: bool) -> np.ndarray:
    size = n_atoms + 1
    matrix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    rho = matrix @ matrix.conj().T
    return rho / np.trace(rho) if mixed else matrix[0] / np.linalg.norm(matrix[0])


def sphere(n_theta: int, n_phi: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles of a grid and weights of a quadrature that is exact for polynomials of degree 2 n_theta - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(n_theta)
    phi = 2 * math.pi * np.arange(n_phi) / n_phi
    return (
        np.arccos(nodes)[:, None],
        phi[None, :],
        np.broadcast_to(weights[:, None], (n_theta, n_phi)) * (2 * math.pi / n_phi),
    )


# ------------------------------------------------------------------- any state


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("n_atoms", [1, 8, 40])
def test_husimi_functions_are_those_of_qutip(n_atoms, mixed):
    """QuTiP counts m downwards and leaves out (N+1)/4π."""
    state = random_state(n_atoms, mixed)
    theirs = qutip.Qobj(state[::-1, ::-1] if mixed else state[::-1])
    expected = qutip.spin_q_function(theirs, THETA, PHI)[0].T * (n_atoms + 1) / (4 * math.pi)
    np.testing.assert_allclose(jaxent.husimi(state, *GRID), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("n_atoms", [1, 7])
def test_wigner_functions_are_those_of_qutip(n_atoms, mixed):
    """QuTiP normalizes to √(4π/(N+1))."""
    state = random_state(n_atoms, mixed)
    theirs = qutip.Qobj(state[::-1, ::-1] if mixed else state[::-1])
    expected = qutip_spin_wigner(theirs, THETA, PHI)[0].T * math.sqrt((n_atoms + 1) / (4 * math.pi))
    np.testing.assert_allclose(jaxent.spin_wigner(state, *GRID), expected, rtol=0, atol=1e-13)


def test_forty_atoms_have_the_wigner_function_of_qutip():
    state = random_state(40, False)
    expected = qutip_spin_wigner(qutip.Qobj(state[::-1]), THETA[1:4], PHI[:2])[0].T * math.sqrt(41 / (4 * math.pi))
    np.testing.assert_allclose(jaxent.spin_wigner(state, GRID[0][1:4], GRID[1][:, :2]), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("function", [jaxent.husimi, jaxent.spin_wigner])
@pytest.mark.parametrize("mixed", [False, True])
def test_functions_are_normalized_over_the_sphere(function, mixed):
    n_atoms = 31
    theta, phi, weights = sphere(17, 32)
    values = function(random_state(n_atoms, mixed), theta, phi)
    assert abs(float(np.sum(weights * values)) - 1) < 1e-12


def test_a_thousand_atoms_are_normalized():
    theta, phi, weights = sphere(501, 9)  # differences of k: 3, 497, 500, none a multiple of 9
    state = np.zeros(1001)
    state[[0, 3, 500]] = 1.0, 0.7, -0.4
    for function in (jaxent.husimi, jaxent.spin_wigner):
        assert abs(float(np.sum(weights * function(state, theta, phi))) - 1) < 1e-10


def test_pairs_of_angles_are_the_grid_in_any_order_of_axes():
    state = random_state(9, True)
    for function in (jaxent.husimi, jaxent.spin_wigner):
        for one in (state, state[0]):
            grid = np.asarray(function(one, *GRID))
            np.testing.assert_allclose(function(one, THETA[None, :], PHI[:, None]), grid.T, rtol=0, atol=1e-14)
            both = np.broadcast_arrays(*GRID)
            np.testing.assert_allclose(function(one, *both), grid, rtol=0, atol=1e-14)
            assert abs(float(function(one, THETA[2], PHI[3])) - grid[2, 3]) < 1e-14
            assert function(one, np.zeros((0, 1)), PHI).shape == (0, 5)


@pytest.mark.parametrize("n_atoms", [200, 1000])
def test_the_wigner_function_of_a_coherent_state_is_a_sum_of_legendre_polynomials(n_atoms):
    """W = Σ_l (2l+1)/4π ⟨J J; l 0|J J⟩ P_l(cos δ) at the angle δ from its direction; it is largest there."""
    theta, phi = 0.7, 0.4
    state = dicke.coherent_state(n_atoms, math.cos(theta / 2), math.sin(theta / 2) * np.exp(1j * phi))
    degrees = np.arange(n_atoms + 1)
    log_squares = 2 * gammaln(n_atoms + 1) + math.log(n_atoms + 1)
    log_squares = log_squares - gammaln(n_atoms - degrees + 1) - gammaln(n_atoms + degrees + 2)
    angles = np.linspace(-0.3, 0.3, 13)
    expected = [
        np.sum((2 * degrees + 1) / (4 * math.pi) * np.exp(log_squares / 2) * eval_legendre(degrees, math.cos(angle)))
        for angle in angles
    ]
    found = np.asarray(jaxent.spin_wigner(state, theta + angles, phi))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * max(expected))
    assert found.argmax() == 6


# ------------------------------------------------- the Wigner function of number and azimuth


def near_equator(n_atoms: int, mixed: bool) -> np.ndarray:
    """A random state of the binomial's populations, or three of them mixed."""
    size = n_atoms + 1
    waves = np.exp(2j * math.pi * rng.random((3, size))) * np.sqrt(comb(n_atoms, np.arange(size)) / 2.0**n_atoms)
    return np.einsum("na,nb->ab", waves, waves.conj()) / 3 if mixed else waves[0]


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("n_atoms", [6, 31])
def test_planar_wigner_functions_are_the_double_sum(n_atoms, mixed):
    state = near_equator(n_atoms, mixed)
    rho = state if mixed else np.outer(state, state.conj())
    k = np.arange(n_atoms + 1)
    expected = np.empty((len(THETA), len(PHI)))
    for i, theta in enumerate(THETA):
        kernel = np.sinc(n_atoms * math.cos(theta / 2) ** 2 - (k[:, None] + k) / 2)
        for j, phi in enumerate(PHI):
            expected[i, j] = np.sum(rho * np.exp(1j * phi * (k[:, None] - k)) * kernel).real * n_atoms / (4 * math.pi)
    np.testing.assert_allclose(jaxent.planar_wigner(state, *GRID), expected, rtol=0, atol=1e-13)
    np.testing.assert_allclose(jaxent.planar_wigner(state, GRID[0].T, GRID[1].T), expected.T, rtol=0, atol=1e-13)
    pairs = np.broadcast_arrays(*GRID)
    np.testing.assert_allclose(jaxent.planar_wigner(state, *pairs), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("mixed", [False, True])
def test_planar_wigner_functions_have_the_distributions_of_number_and_azimuth(mixed):
    """At whole numbers k the integral over φ is ρ_kk; the sum over halves of k is the density of φ twice."""
    n_atoms = 200  # of lobes, as the sum ends at the poles
    lobes = coherent_at_the_equator(n_atoms, 0.4), 0.5j * coherent_at_the_equator(n_atoms, -0.7)
    rho = sum(np.outer(lobe, lobe.conj()) for lobe in lobes) if mixed else np.outer(sum(lobes), sum(lobes).conj())
    rho = rho / np.trace(rho)
    state = rho if mixed else sum(lobes)
    k, phi = np.arange(n_atoms + 1), 2 * math.pi * np.arange(401) / 401
    values = jaxent.planar_wigner(state, 2 * np.arccos(np.sqrt(k / n_atoms))[:, None], phi[None, :]) * 2 / n_atoms
    np.testing.assert_allclose(np.mean(values, axis=1) * 2 * math.pi, np.diagonal(rho).real, rtol=0, atol=1e-13)
    halves = np.arange(2 * n_atoms + 1) / 2
    values = jaxent.planar_wigner(state, 2 * np.arccos(np.sqrt(halves / n_atoms))[:, None], phi[None, :]) * 2 / n_atoms
    waves = np.exp(1j * phi[:, None] * k)
    expected = np.einsum("pm,mn,pn->p", waves, rho, waves.conj()).real / (2 * math.pi)
    np.testing.assert_allclose(np.sum(values, axis=0) / 2, expected, rtol=0, atol=1e-13)


STATES_NEAR_A_POINT = {  # of x = (2k - N)/√N
    "coherent": lambda x: 1 + 0 * x,
    "first excitation": lambda x: x,
    "cat": lambda x: np.cos(1.5 * x),
    "squeezed": lambda x: np.exp(0.5j * x**2),
}


@pytest.mark.parametrize("kind", STATES_NEAR_A_POINT)
def test_the_planar_wigner_function_is_the_limit_of_that_of_the_spin(kind):
    errors = []
    for n_atoms in (100, 400, 1600):
        x = (2 * np.arange(n_atoms + 1) - n_atoms) / math.sqrt(n_atoms)
        state = np.exp(dicke.log_weights(n_atoms) / 2) * STATES_NEAR_A_POINT[kind](x)
        theta, phi = jaxent.tangent_plane(n_atoms, np.linspace(-3, 3, 13), np.linspace(-4, 4, 17))
        planar, exact = (
            np.asarray(function(state, theta[:, None], phi[None, :])) / n_atoms
            for function in (jaxent.planar_wigner, jaxent.spin_wigner)
        )
        errors.append(n_atoms * np.abs(planar - exact).max())
    assert 0.05 < errors[0] < 0.6
    np.testing.assert_allclose(errors[1:], errors[0], rtol=0.15)


def test_lobes_around_the_equator_are_those_of_the_spin():
    n_atoms = 900
    lobes = [coherent_at_the_equator(n_atoms, 2 * math.pi * j / 3) for j in range(3)]
    rho = np.mean([np.outer(lobe, lobe.conj()) for lobe in lobes], axis=0)
    theta, phi = np.linspace(1.5, 1.64, 5)[:, None], np.linspace(-3.1, 3.1, 63)[None, :]
    planar, exact = (np.asarray(f(rho, theta, phi)) for f in (jaxent.planar_wigner, jaxent.spin_wigner))
    assert exact.max() > 40
    np.testing.assert_allclose(planar, exact, rtol=0, atol=0.2)


def coherent_at_the_equator(n_atoms: int, phi: float) -> np.ndarray:
    return np.exp(dicke.log_weights(n_atoms) / 2) * np.exp(-1j * phi * np.arange(n_atoms + 1))


@pytest.mark.parametrize("n_atoms", [10**6, 10**10])
def test_planar_wigner_functions_of_many_atoms_are_those_of_an_oscillator(n_atoms):
    """Coherent state, first excitation, and two coherent states 2a apart: closed forms, right to O(1/N)."""
    chain, a = Chain(3, n_atoms, 10.0), 2.0
    x, y = np.linspace(-2, 2, 9)[:, None], np.linspace(-3, 3, 7)[None, :]
    theta, phi = jaxent.tangent_plane(n_atoms, x, y)
    place = (2 * chain.states - n_atoms) / math.sqrt(n_atoms)
    root = np.exp(dicke.log_weights(n_atoms, chain.window) / 2)
    gauss = np.exp(-(x**2 + y**2) / 2) / (2 * math.pi)
    fringes = np.exp(-(x**2) / 2) * np.cos(a * x) * np.exp(-(y**2) / 2)
    lobes = np.exp(-(x**2) / 2) * (np.exp(-((y - a) ** 2) / 2) + np.exp(-((y + a) ** 2) / 2)) / 2
    expected = {
        "coherent": (root, gauss),
        "first excitation": (root * place, gauss * (x**2 + y**2 - 1)),
        "cat": (root * np.cos(a * place / 2), (lobes + fringes) / (2 * math.pi * (1 + math.exp(-(a**2) / 2)))),
    }
    for state, values in expected.values():
        found = jaxent.planar_wigner(state, theta, phi, chain=chain) / n_atoms
        np.testing.assert_allclose(found, np.broadcast_to(values, found.shape), rtol=0, atol=3 / n_atoms + 1e-11)


def test_the_planar_wigner_function_of_a_million_atoms_is_the_double_sum():
    """Two lobes 2 rad apart, at one and between them, where W has fringes; θ is rounded to 5e-11 of k."""
    n_atoms = 10**6
    chain = Chain(3, n_atoms, 4.0)
    k = chain.states - n_atoms // 2
    state = np.exp(dicke.log_weights(n_atoms, 4.0) / 2) * (1 + np.exp(-2j * k))
    state = state / np.linalg.norm(state)
    theta, phi = np.pi / 2 - np.array([-3e-4, 0.0, 1e-6, 7e-4]), np.array([0.0, 1.0])
    numbers = n_atoms / 2 * np.sin(np.pi / 2 - theta)
    expected = np.empty((4, 2))
    for j, azimuth in enumerate(phi):
        turned = state * np.exp(1j * k * azimuth)
        sums = np.convolve(turned, turned.conj()).real
        halves = k[0] + np.arange(len(sums)) / 2
        expected[:, j] = np.sinc(numbers[:, None] - halves) @ sums * n_atoms / (4 * np.pi)
    found = jaxent.planar_wigner(state, theta[:, None], phi[None, :], chain=chain)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * np.abs(expected).max())
    assert expected.min() < -0.3 * expected.max()


def test_states_far_from_the_equator_have_no_planar_wigner_function():
    pole = np.eye(9)[8]
    with pytest.raises(ValueError, match=r"near the equator, with a root mean square of S_z up to 0\.5 N, but has 1 N"):
        jaxent.planar_wigner(pole, 1.0, 0.0)
    assert np.isnan(jax.jit(jaxent.planar_wigner)(pole, 1.0, 0.0))


def test_husimi_of_a_million_atoms_agrees_with_mpmath():
    """The first end for the last in |k_3⟩, t = 1, outcome N: ratios of binomials in 40 digits over the same window."""
    n_atoms, last, time = 10**6, 500_321, 1.0
    chain = Chain(3, n_atoms, 6.0)
    theta, phi = math.pi / 2 - 7e-4, -n_atoms * time / 2 % (2 * math.pi) + 5e-4
    found = float(jaxent.end_to_end_husimi(chain, time, theta, phi, last_state=last))
    assert found > 1e-3
    k = [int(one) for one in chain.states]
    with mp.workdps(40):
        tangent, step = mp.cot(mp.mpf(theta) / 2), mp.expj(mp.mpf(phi) + mp.mpf(n_atoms) * mp.mpf(time) / 2)
        size, weight, norm, total = mp.mpf(1), mp.mpf(1), mp.mpf(0), mp.mpc(0)
        wave = mp.mpc(1)
        for one in k:
            kernel = mp.cos((one - last) * mp.mpf(time) / 2) ** n_atoms
            norm += weight * kernel**2
            total += size * wave * kernel
            size *= mp.mpf(n_atoms - one) / (one + 1) * tangent
            weight *= mp.mpf(n_atoms - one) / (one + 1)
            wave *= step
        # both sums start at the first state: with C(N, k) of it, ⟨θ, φ|ψ⟩² = C cos^2k sin^2(N-k) total² / norm
        first = k[0]
        log_scale = mp.loggamma(n_atoms + 1) - mp.loggamma(first + 1) - mp.loggamma(n_atoms - first + 1)
        log_scale += 2 * first * mp.log(mp.cos(mp.mpf(theta) / 2))
        log_scale += 2 * (n_atoms - first) * mp.log(mp.sin(mp.mpf(theta) / 2))
        expected = (n_atoms + 1) / (4 * mp.pi) * mp.exp(log_scale) * abs(total) ** 2 / norm
    assert found == pytest.approx(float(expected), rel=1e-8)


@pytest.mark.parametrize("n_atoms", [100, 10**6])
def test_the_tangent_plane_has_unit_weight_and_the_widths_of_a_coherent_state(n_atoms):
    chain = Chain(3, n_atoms, 9.0 if n_atoms > 100 else None)
    plus = np.exp(np.asarray(dicke.log_weights(n_atoms, chain.window)) / 2)
    x = np.linspace(-9.0, 9.0, 181)
    theta, phi = jaxent.tangent_plane(n_atoms, x[:, None], x[None, :])
    density = np.asarray(jaxent.husimi(plus, theta, phi, chain=chain)) / n_atoms
    step = x[1] - x[0]
    assert density.sum() * step**2 == pytest.approx(1.0, abs=2e-5 if n_atoms == 100 else 1e-8)
    exact = 2 * n_atoms * (n_atoms + 1) / ((n_atoms + 2) * (n_atoms + 3))  # (1 + cos δ)/2 is a Beta(N+1, 1) variable
    assert np.sum(density * x[:, None] ** 2) * step**2 == pytest.approx(exact, abs=3e-3 if n_atoms == 100 else 2e-7)
    assert np.sum(density * x[None, :] ** 2) * step**2 == pytest.approx(2.0, abs=10 / n_atoms + 2e-7)
    gaussian = np.exp(-(x[:, None] ** 2 + x[None, :] ** 2) / 4) / (4 * math.pi)
    assert abs(density - gaussian).max() < 0.2 / n_atoms


# ------------------------------------------------------------------- the first end


def noisy_ends(n_atoms, time, rates, outcome, offset):
    """ρ[k_1, k_3, k_1', k_3'] of three ensembles, unnormalized, from the whole density matrix."""
    psi = oracles.chain_state(3, n_atoms, time)
    rho = np.multiply.outer(psi, psi.conj())
    k = np.arange(n_atoms + 1)
    for axis, rate in enumerate(rates):
        shape = np.ones((2, 6), int)
        shape[0, axis], shape[1, axis + 3] = n_atoms + 1, n_atoms + 1
        rho = rho * np.exp(-2 * rate * time * (k.reshape(shape[0]) - k.reshape(shape[1])) ** 2)
    bra = oracles.x_basis(n_atoms)[outcome] * np.exp(1j * offset * k)
    return np.einsum("abcdef,b,e->acdf", rho, bra, bra.conj())


def husimi_of(rho):
    n_atoms = len(rho) - 1
    states = [[coherent(n_atoms, theta, phi) for phi in PHI] for theta in THETA]
    values = np.einsum("tpa,ab,tpb->tp", np.conj(states), rho / np.trace(rho), states)
    return (n_atoms + 1) / (4 * math.pi) * values.real


def first_end(rho, result):
    if not result:
        return np.einsum("abcb->ac", rho)
    if "last_state" in result:
        return rho[:, result["last_state"], :, result["last_state"]]
    found = coherent(len(rho) - 1, *result["last_direction"])
    return np.einsum("abcd,b,d->ac", rho, found.conj(), found)


RESULTS = {"traced out": {}, "Dicke state": {"last_state": 2}, "coherent state": {"last_direction": (1.1, 0.7)}}


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
@pytest.mark.parametrize("rates", [(0.0, 0.0, 0.0), (0.03, 0.1, 0.06)], ids=["pure", "noisy"])
def test_the_first_end_is_that_of_the_whole_chain(result, rates):
    n_atoms, time, outcome, offset = 5, 0.8, 3, 0.3
    rho = first_end(noisy_ends(n_atoms, time, rates, outcome, offset), result)
    rate = jaxent.EnsembleRates(np.array(rates)) if any(rates) else 0.0
    found = jaxent.end_to_end_husimi(Chain(3, n_atoms), time, *GRID, rate, outcome, offset, **result)
    np.testing.assert_allclose(found, husimi_of(rho), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("n_ensembles", "outcomes", "offsets"), [(3, [1], [0.3]), (4, [1, 2], [0.3, 0.5]), (5, [0, 1, 2], [0.3, 0.5, 0.2])]
)
def test_the_last_end_is_the_first_of_the_mirrored_chain(n_ensembles, outcomes, offsets):
    """As the how-to guide *Draw one end on its sphere* has it, against the density matrix of both ends."""
    chain, time, rates = Chain(n_ensembles, 2), 0.8, np.linspace(0.02, 0.1, n_ensembles)
    sign = (-1) ** n_ensembles
    expected = husimi_of(oracles.dephased_state(n_ensembles, 2, time, rates, outcomes, offsets)[1, :, 1, :])
    mirrored = outcomes[::-1], sign * np.array(offsets[::-1])
    found = jaxent.end_to_end_husimi(chain, time, GRID[0], sign * GRID[1], rates[::-1], *mirrored, last_state=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("result", ["traced out", "Dicke state"])
@pytest.mark.parametrize("n_atoms", [5, 6])
def test_a_band_of_coherences_is_all_of_them(result, n_atoms, monkeypatch):
    monkeypatch.setattr(ends, "_BANDED_FROM", 1)
    rates = (0.03, 0.1, 0.06)
    rho = first_end(noisy_ends(n_atoms, 0.8, rates, 3, 0.3), RESULTS[result])
    given = (jaxent.EnsembleRates(np.array(rates)), 3, 0.3)
    found = jaxent.end_to_end_husimi(Chain(3, n_atoms), 0.8, *GRID, *given, **RESULTS[result])
    np.testing.assert_allclose(found, husimi_of(rho), rtol=0, atol=1e-13)
    with pytest.raises(ValueError, match="`outcomes` cannot occur at this time"):
        jaxent.end_to_end_husimi(Chain(3, 40), 1e-6, *GRID, 1e-3, 0)


def test_noise_of_ten_thousand_atoms_is_the_average_over_random_phases():
    """Pure states of NumPy, turned by ξ_1 and measured at offsets with ξ_2, by a Gauss-Hermite rule."""
    n_atoms, time, last, rate = 10**4, 1.0, 5020, 2e-4
    chain = Chain(3, n_atoms, 6.0)
    k = chain.states
    weights = np.exp((gammaln(n_atoms + 1) - gammaln(k + 1) - gammaln(n_atoms - k + 1)) - n_atoms * math.log(2))
    nodes, shares = np.polynomial.hermite_e.hermegauss(90)
    width = 2 * math.sqrt(rate * time)
    theta, phi = math.pi / 2 + 5e-3, -n_atoms * time / 2 % (2 * math.pi) + np.array([0.0, 0.02, -0.05])
    cos, sin = math.sqrt(2) * math.cos(theta / 2), math.sqrt(2) * math.sin(theta / 2)
    amplitudes = weights * np.exp(k * math.log(cos) + (n_atoms - k) * math.log(sin))
    # √w_k √C(N,k) cos^k sin^(N-k) = w_k (√2 cos)^k (√2 sin)^(N-k)
    kernels = np.cos(((k - last) * time + width * nodes[:, None]) / 2) ** n_atoms
    azimuths = phi[:, None] + width * nodes
    waves = np.exp(1j * (k - k[0]) * (azimuths[..., None] + n_atoms * time / 2))
    overlaps = np.einsum("k,nk,pak->pan", amplitudes, kernels, waves)
    norm = np.sum(shares * np.sum(weights * kernels**2, axis=1))
    expected = np.einsum("a,n,pan->p", shares, shares, abs(overlaps) ** 2) / norm / shares.sum()
    found = jaxent.end_to_end_husimi(chain, time, theta, phi, rate, last_state=last)
    np.testing.assert_allclose(found, (n_atoms + 1) / (4 * math.pi) * expected, rtol=1e-8)


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
@pytest.mark.parametrize("n_ensembles", [2, 4])
def test_other_chains_agree_with_the_tensor(result, n_ensembles):
    n_atoms, outcomes, offsets = 4, [1, 3][: n_ensembles - 2], [0.3, -0.2][: n_ensembles - 2]
    amplitudes = oracles.end_to_end(n_ensembles, n_atoms, 0.8, outcomes, offsets)
    rho = first_end(np.multiply.outer(amplitudes, amplitudes.conj()), result)
    measured = (outcomes, offsets) if outcomes else ()
    for rate in (0.0, 1e-30):  # the second takes the way of density matrices
        found = jaxent.end_to_end_husimi(Chain(n_ensembles, n_atoms), 0.8, *GRID, rate, *measured, **result)
        np.testing.assert_allclose(found, husimi_of(rho), rtol=0, atol=1e-12)


def test_bond_times_and_records_are_taken():
    chain = Chain(3, 5)
    bonds = jaxent.BondTimes(np.array([0.8, 0.8]))
    arguments = (*GRID, 0.0, 3, 0.3)
    one = jaxent.end_to_end_husimi(chain, 0.8, *arguments, last_state=2)
    np.testing.assert_allclose(
        jaxent.end_to_end_husimi(chain, bonds, *arguments, last_state=2), one, rtol=0, atol=1e-13
    )
    blurred = jaxent.Measurement(resolution=0.7)
    counts = [first_end(noisy_ends(5, 0.8, (0, 0, 0), q, 0.3), {"last_state": 2}) for q in range(6)]
    rho = sum(math.exp(-((q - 2.6) ** 2) / (2 * 0.7**2)) * one for q, one in enumerate(counts))
    found = jaxent.end_to_end_husimi(chain, 0.8, *GRID, 0.0, 2.6, 0.3, last_state=2, measurement=blurred)
    np.testing.assert_allclose(found, husimi_of(rho), rtol=0, atol=1e-13)


def test_results_at_the_last_end_average_to_the_marginal():
    chain, time = Chain(3, 30), jaxent.pi_fraction(2, 3)
    ends = np.abs(np.asarray(jaxent.end_to_end_amplitudes(chain, time))) ** 2
    weights = ends.sum(axis=0) / ends.sum()
    each = [jaxent.end_to_end_husimi(chain, time, *GRID, last_state=k) for k in range(31)]
    marginal = jaxent.end_to_end_husimi(chain, time, *GRID)
    np.testing.assert_allclose(np.tensordot(weights, np.array(each), 1), marginal, rtol=0, atol=1e-13)


def test_a_result_at_a_magic_time_leaves_lobes():
    """At 2π/r the first end, given k_3, is spread over r lobes of the equator, at -Nt/2 plus multiples of 2π/r."""
    chain, r = Chain(3, 10**6, 6.0), 5
    time = jaxent.pi_fraction(2, r)
    turned = -(10**6 * 2 * math.pi / r / 2) % (2 * math.pi)
    angles = turned + math.pi * np.arange(2 * r) / r
    found = np.asarray(jaxent.end_to_end_husimi(chain, time, math.pi / 2, angles, last_state=500_000)) / 10**6
    np.testing.assert_allclose(found[::2], 1 / (4 * math.pi * r), rtol=1e-4)
    assert abs(found[1::2]).max() < 1e-12


# ------------------------------------------------------------------- transformations and refusals


def test_a_traced_result_is_the_known_one_and_nan_outside():
    chain = Chain(3, 6)
    results = np.array([0, 4, 7])
    found = jax.jit(jax.vmap(lambda k: jaxent.end_to_end_husimi(chain, 0.7, 1.0, 0.3, last_state=k)))(results)
    known = [float(jaxent.end_to_end_husimi(chain, 0.7, 1.0, 0.3, last_state=int(k))) for k in results[:2]]
    np.testing.assert_allclose(found[:2], known, rtol=1e-13)
    assert np.isnan(found[2])


def test_what_cancels_to_noise_is_refused_and_nan_under_a_transformation():
    """The last end opposite to where it is: amplitudes of 1e-30 as sums of terms of order one."""
    for rate in (0.0, 1e-6):

        def value(phi, rate=rate):
            return jaxent.end_to_end_husimi(Chain(3, 100), 1e-3, 1.0, 0.0, rate, last_direction=(math.pi / 2, phi))

        opposite = 0.05 + math.pi
        with pytest.raises(ValueError, match=r"`last_direction` = \(1.57.*\) cannot occur at this time, or so seldom"):
            value(opposite)
        found = jax.jit(jax.vmap(value))(np.array([0.05, opposite]))
        assert np.isfinite(found[0])
        assert np.isnan(found[1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxent.husimi(np.zeros(3), 1.0, 0.0), "`state` must be a state, but is zero everywhere"),
        (lambda: jaxent.husimi(np.ones((2, 3)), 1.0, 0.0), "`state` must be a square matrix"),
        (lambda: jaxent.husimi(1.0, 1.0, 0.0), "over two or more Dicke states, but has shape"),
        (
            lambda: jaxent.husimi(np.array([1, 1j]), [0.0, 1.0], [0.0, 1.0, 2.0]),
            r"give theta\[:, None\] and phi\[None, :\]",
        ),
        (lambda: jaxent.husimi(np.array([1, 1j]), math.nan, 0.0), "`theta` must be finite, but holds nan"),
        (lambda: jaxent.husimi(np.array([1, 1j]), 0.0, 1e9), r"`phi` must be at most 1e\+06"),
        (lambda: jaxent.husimi(np.ones(5), 1.0, 0.0, chain=Chain(3, 100, 2.0)), "over the 21 Dicke states of n_atoms"),
        (lambda: jaxent.spin_wigner(np.ones(3000), 1.0, 0.0), "at most 2000 atoms, but is of 2999"),
        (lambda: jaxent.tangent_plane(100, 11.0, 0.0), r"`x` must be at most √N = 10 in magnitude, but holds 11"),
        (lambda: jaxent.tangent_plane(100, 1.0, 0.0, [0.0, 1.0]), "`centre` must be one angle"),
        (lambda: jaxent.end_to_end_husimi(Chain(3, 9), 1.0, 1.0, 0.0, last_state=10), "one of the states 0…9"),
        (lambda: jaxent.end_to_end_husimi(Chain(3, 9), 1.0, 1.0, 0.0, last_state=2.5), "`last_state` must be an int"),
        (lambda: jaxent.end_to_end_husimi(Chain(3, 9), 1.0, 1.0, 0.0, last_direction=3), r"a pair of angles \(θ, φ\)"),
        (lambda: jaxent.end_to_end_husimi(Chain(3, 9), [1.0, 2.0], 1.0, 0.0), "`time` must be a single time"),
        (
            lambda: jaxent.end_to_end_husimi(Chain(3, 9), 1.0, 1.0, 0.0, last_state=1, last_direction=(1.0, 0.0)),
            "must not both be given",
        ),
        (
            lambda: (
                jaxent.end_to_end_husimi(Chain(3, 9), jaxent.pi_fraction(1), 1.0, 0.0, 0.0, 0, 0.0, last_state=9)
                + jaxent.end_to_end_husimi(Chain(3, 4), jaxent.pi_fraction(0), 1.0, 0.0, 0.0, 0)
            ),
            "`outcomes` cannot occur at this time",
        ),
    ],
)
def test_refusals_name_the_argument(call, words):
    with pytest.raises(ValueError, match=words):
        call()
