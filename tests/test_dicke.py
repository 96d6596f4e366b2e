"""One ensemble against exact integers, mpmath and the eigenvectors of S_x."""

import functools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import scipy.linalg
from mpmath import mp

from jaxent import dicke

# -------------------------------------------------------------------- window


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 9, 10, 100, 101, 999, 1000, 10**6, 10**6 + 1])
@pytest.mark.parametrize("window", [None, 0.7, 1.0, 1.5, 2.3, 3.0])
def test_the_window_is_that_of_equations_30_and_31(n_atoms, window):
    expected = oracles.window_states(n_atoms, window)
    spans = window is not None and 2 * dicke.window_half_width(n_atoms, window) > n_atoms
    if spans or not len(expected):
        with pytest.raises(ValueError, match="Argument `window`"):
            dicke.window_states(n_atoms, window)
        return
    states = dicke.window_states(n_atoms, window)
    np.testing.assert_array_equal(states, expected)
    assert states.dtype == np.int64
    np.testing.assert_array_equal(states[::-1], n_atoms - states)
    if window is not None:
        half_width = math.floor(window * math.sqrt(n_atoms) / 2)
        assert dicke.window_half_width(n_atoms, window) == half_width
        assert len(states) == (2 * half_width if n_atoms % 2 else 2 * half_width + 1)


def test_the_widest_window_of_a_square_number_of_atoms_is_the_full_basis():
    np.testing.assert_array_equal(dicke.window_states(64, 8.0), np.arange(65))
    np.testing.assert_array_equal(dicke.window_states(100, 10.0), dicke.window_states(100))


@pytest.mark.parametrize("n_atoms", [0, -3, 2.5, True])
def test_the_number_of_atoms_is_a_positive_integer(n_atoms):
    with pytest.raises(ValueError, match="Argument `n_atoms` must be an integer of at least 1, but is"):
        getattr(dicke.window_states, "__wrapped__", dicke.window_states)(n_atoms)  # past the type checker


@pytest.mark.parametrize("window", [0.0, -1.0, math.inf, math.nan])
def test_a_window_is_a_positive_number(window):
    with pytest.raises(
        ValueError, match="Argument `window` must be a positive number of standard deviations, or None for all"
    ):
        dicke.window_states(10, window)


def test_a_window_wider_than_the_basis_is_refused_with_the_widest_allowed():
    with pytest.raises(
        ValueError, match=r"`window` = 4.0 spans N/2 ± 6, more than the 11 .* a window of at most 3.162"
    ):
        dicke.window_states(10, 4.0)


def test_an_empty_window_is_refused_with_the_narrowest_allowed():
    with pytest.raises(ValueError, match=r"`window` = 0.2 holds no Dicke state .* a window of at least 0.603"):
        dicke.window_states(11, 0.2)
    assert len(dicke.window_states(11, 0.6031)) == 2


# ------------------------------------------------------------------- weights


def relative_errors(got, exact):
    return [abs(float(mp.mpf(float(g)) / e - 1)) for g, e in zip(got, exact, strict=True)]


@pytest.mark.parametrize("n_atoms", [10**10, 10**10 - 1])
def test_log_weights_at_ten_billion_atoms_are_correct_to_rounding(n_atoms):
    states = dicke.window_states(n_atoms, 3.0)
    log_weights = np.asarray(dicke.log_weights(n_atoms, 3.0))
    assert log_weights.shape == states.shape
    at = np.linspace(0, len(states) - 1, 13).astype(int)
    at = np.append(at, len(states) // 2 + np.array([-1, 1, 1000]))
    exact = [oracles.log_weight_exact(n_atoms, int(states[i])) for i in at]
    # log w is between -12 and -17 here: measured 1.7e-16 relative, 2.6e-15 absolute
    assert max(relative_errors(log_weights[at], exact)) < 5e-16
    np.testing.assert_allclose(np.exp(log_weights).sum(), 0.9973002, atol=1e-6)  # erf(3/√2)


def test_log_weights_far_from_the_centre_keep_their_digits():
    n = 10**10
    states = np.array([0, 1, 5, 17, 10**6, n // 4, n // 3, n // 2 + 10**7, n - 1, n])
    got = dicke.log_weights_host(n, states)
    exact = [oracles.log_weight_exact(n, int(k)) for k in states]
    assert max(relative_errors(got, exact)) < 4e-15  # measured 1.6e-15


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 15, 16, 17, 31, 32, 100, 1000])
def test_log_weights_of_every_state_are_those_of_the_exact_binomials(n_atoms):
    log_weights = np.asarray(dicke.log_weights(n_atoms))
    exact = [oracles.log_weight_exact(n_atoms, k) for k in range(n_atoms + 1)]
    assert max(relative_errors(log_weights, exact)) < 5e-15  # measured 2.2e-15 at N = 10, where log w is near 1
    assert np.exp(log_weights).sum() == pytest.approx(1, abs=2e-14)
    np.testing.assert_allclose(log_weights, log_weights[::-1], rtol=5e-16)


def test_log_weights_of_a_window_are_a_slice_of_all():
    states = dicke.window_states(1000, 3.0)
    np.testing.assert_array_equal(dicke.log_weights(1000, 3.0), dicke.log_weights(1000)[states])


@pytest.mark.usefixtures("float32")
def test_log_weights_are_rounded_only_once_in_single_precision():
    log_weights = np.asarray(dicke.log_weights(200))
    assert log_weights.dtype == np.float32
    np.testing.assert_array_equal(log_weights, dicke.log_weights_host(200, np.arange(201)).astype(np.float32))


# ------------------------------------------------------------ coherent states

ROOT = math.sqrt(0.5)
AMPLITUDES = [
    (1, 0),
    (0, 1),
    (0.0, -1j),
    (-1.0, 0.0),
    (0.6, 0.8),
    (0.6j, -0.8),
    (-0.6, -0.8),
    (ROOT, ROOT),
    (ROOT * np.exp(2j), ROOT * np.exp(-1j)),
    (1e-9, 1.0),
    (0.1, math.sqrt(0.99) * np.exp(3j)),
]


@functools.cache
def jitted_coherent_state(n_atoms):
    return jax.jit(lambda a, b: dicke.coherent_state(n_atoms, a, b))


def coherent_state_direct(n_atoms, alpha, beta):
    alpha, beta = complex(alpha), complex(beta)
    return np.array([math.sqrt(math.comb(n_atoms, k)) * alpha**k * beta ** (n_atoms - k) for k in range(n_atoms + 1)])


@pytest.mark.parametrize("n_atoms", [1, 2, 12, 31])
@pytest.mark.parametrize(("alpha", "beta"), AMPLITUDES)
def test_a_coherent_state_has_the_amplitudes_of_equation_9(n_atoms, alpha, beta):
    state = np.asarray(jitted_coherent_state(n_atoms)(complex(alpha), complex(beta)))
    np.testing.assert_allclose(state, coherent_state_direct(n_atoms, alpha, beta), rtol=0, atol=5e-15)
    assert np.sum(abs(state) ** 2) == pytest.approx(1, abs=3e-15)


@pytest.mark.parametrize(("alpha", "beta"), [(1, 0), (0.6, -0.8j)])
def test_a_coherent_state_is_the_same_outside_jit(alpha, beta):
    np.testing.assert_allclose(
        dicke.coherent_state(12, alpha, beta), coherent_state_direct(12, alpha, beta), rtol=0, atol=5e-15
    )


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, 0.4, np.pi])
@pytest.mark.parametrize("window", [None, 1.2])
def test_a_coherent_state_has_its_derivatives_where_an_amplitude_vanishes_too(angle, window):
    """√C(N,k) α^k β^(N-k), α = sin x e^(ix), β = cos x: first and second derivative from polynomials in mpmath."""
    n = 5
    states = dicke.window_states(n, window)

    def state(x):
        return dicke.coherent_state(n, jnp.sin(x) * jnp.exp(1j * x), jnp.cos(x), window)

    first, second = jax.jit(lambda x: (jax.jacfwd(state)(x), jax.jacfwd(jax.jacfwd(state))(x)))(angle)
    with mp.workdps(30):
        amplitudes = [
            lambda x, k=int(k): mp.sqrt(mp.binomial(n, k)) * (mp.sin(x) * mp.expj(x)) ** k * mp.cos(x) ** (n - k)
            for k in states
        ]
        expected = [[complex(mp.diff(f, mp.mpf(angle), order)) for f in amplitudes] for order in (1, 2)]
    np.testing.assert_allclose(first, expected[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(second, expected[1], rtol=0, atol=1e-12)


def test_a_coherent_state_of_a_million_atoms_has_norm_one_and_phases_that_add_up():
    state = np.asarray(jax.jit(lambda a, b: dicke.coherent_state(10**6, a, b, 8.0))(ROOT * np.exp(1j), ROOT + 0j))
    assert np.sum(abs(state) ** 2) == pytest.approx(1, abs=5e-15)  # beyond 8 σ: 1e-15
    # the phase of α/β is 1 to rounding, from one k to the next, however large k is
    np.testing.assert_allclose(np.angle(state[1:4001:400] / state[:4000:400]), 1.0, rtol=3e-15)


def test_the_initial_state_is_the_coherent_state_of_equal_amplitudes():
    state = jitted_coherent_state(31)(ROOT + 0j, ROOT + 0j)
    np.testing.assert_allclose(state, np.exp(np.asarray(dicke.log_weights(31)) / 2), rtol=2e-14)


@pytest.mark.parametrize("angle", [0.0, 0.3, 2.0, math.pi, -2.5, 5.0])
def test_the_overlap_with_a_coherent_state_is_equation_23(angle):
    n, q = 31, np.arange(32)
    state = np.asarray(jitted_coherent_state(n)(ROOT * np.exp(1j * angle), ROOT + 0j))
    overlaps = np.asarray(full_x_basis(n)) @ state
    f = np.asarray(overlaps_of_all_outcomes(n)(jnp.asarray(q), jnp.asarray(angle / (4 * np.pi))))
    np.testing.assert_allclose(1j ** (n - q) * np.exp(0.5j * n * angle) * f, overlaps, rtol=0, atol=5e-15)


@pytest.mark.parametrize(("alpha", "beta", "norm"), [(1, 1, "2"), (0.5, 0.5, "0.5"), (0, 0, "0"), (math.nan, 1, "nan")])
def test_amplitudes_that_are_not_normalized_are_refused(alpha, beta, norm):
    with pytest.raises(ValueError, match=rf"`alpha` and `beta` must obey \|α\|² \+ \|β\|² = 1, but it is {norm}"):
        dicke.coherent_state(3, alpha, beta)


# ----------------------------------------------------------------- operators


@pytest.mark.parametrize("n_atoms", [1, 2, 7])
def test_the_spins_obey_the_angular_momentum_algebra(n_atoms):
    s_x, s_y, s_z = (np.asarray(s(n_atoms)) for s in (dicke.spin_x, dicke.spin_y, dicke.spin_z))
    number = np.asarray(dicke.number_operator(n_atoms))
    for a, b, c in ((s_x, s_y, s_z), (s_y, s_z, s_x), (s_z, s_x, s_y)):
        np.testing.assert_allclose(a @ b - b @ a, 2j * c, rtol=0, atol=2e-14)
        np.testing.assert_array_equal(a, a.conj().T)
        np.testing.assert_allclose(number @ a - a @ number, 0, rtol=0, atol=2e-14)
    np.testing.assert_array_equal(number, n_atoms * np.eye(n_atoms + 1))
    np.testing.assert_allclose(
        s_x @ s_x + s_y @ s_y + s_z @ s_z, number @ (number + 2 * np.eye(n_atoms + 1)), rtol=1e-14
    )


def test_the_spins_of_one_atom_are_the_pauli_matrices_in_increasing_order_of_k():
    np.testing.assert_array_equal(dicke.spin_x(1), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(dicke.spin_y(1), [[0, 1j], [-1j, 0]])
    np.testing.assert_array_equal(dicke.spin_z(1), [[-1, 0], [0, 1]])


def test_the_spins_are_sums_over_the_atoms_in_their_symmetric_states():
    n = 4
    pauli = {dicke.spin_x: [[0, 1], [1, 0]], dicke.spin_y: [[0, -1j], [1j, 0]], dicke.spin_z: [[1, 0], [0, -1]]}
    in_mode_a = np.array([n - bin(string).count("1") for string in range(2**n)])  # a bit 0 is an atom in mode a
    dicke_states = np.array([(in_mode_a == k) / math.sqrt(math.comb(n, k)) for k in range(n + 1)])
    for spin, matrix in pauli.items():
        total = sum(np.kron(np.kron(np.eye(2**i), matrix), np.eye(2 ** (n - 1 - i))) for i in range(n))
        np.testing.assert_allclose(dicke_states @ total @ dicke_states.T, spin(n), rtol=0, atol=1e-14)
        outside = total @ dicke_states.T - dicke_states.T @ np.asarray(spin(n))
        np.testing.assert_allclose(outside, 0, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(np.diagonal(dicke.number_operator(n) + dicke.spin_z(n)) / 2, range(n + 1))


def test_coherent_states_point_along_the_spins():
    n = 31
    for angle in (0.0, 1.1, -2.0):
        state = np.asarray(jitted_coherent_state(n)(ROOT * np.exp(1j * angle), ROOT + 0j))
        mean = [np.vdot(state, np.asarray(s(n)) @ state) for s in (dicke.spin_x, dicke.spin_y, dicke.spin_z)]
        np.testing.assert_allclose(mean, [n * math.cos(angle), -n * math.sin(angle), 0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("n_atoms", [20, 21])
@pytest.mark.parametrize("operator", [dicke.spin_x, dicke.spin_y, dicke.spin_z, dicke.number_operator])
def test_an_operator_in_a_window_is_a_block_of_the_full_one(operator, n_atoms):
    states = dicke.window_states(n_atoms, 2.0)
    np.testing.assert_array_equal(operator(n_atoms, 2.0), operator(n_atoms)[states[0] : states[-1] + 1, states])


# ------------------------------------------------------------- the x basis


@functools.cache
def full_x_basis(n_atoms):
    return np.asarray(jax.jit(jax.vmap(lambda q: dicke.x_basis(n_atoms, q)))(jnp.arange(n_atoms + 1)))


def test_the_x_basis_of_one_atom_has_the_signs_of_equation_24():
    np.testing.assert_allclose(full_x_basis(1), [[-ROOT, ROOT], [ROOT, ROOT]], rtol=2e-16)


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 4, 5, 20])
def test_every_element_of_a_small_x_basis_is_exact(n_atoms):
    every = range(n_atoms + 1)
    exact = [[float(oracles.x_basis_exact(n_atoms, q, k)) for k in every] for q in every]
    np.testing.assert_allclose(full_x_basis(n_atoms), exact, rtol=0, atol=4e-15)  # measured 1.3e-15 at N = 20


@pytest.mark.parametrize("n_atoms", [999, 1000])
def test_every_element_at_a_thousand_atoms_is_that_of_the_eigenvectors_of_s_x(n_atoms):
    # the eigenvectors themselves are good to 2e-14 (against mpmath, below); a wrong sign would be seen
    np.testing.assert_allclose(full_x_basis(n_atoms), oracles.x_basis(n_atoms), rtol=0, atol=1e-13)


def hard_elements(n):
    """Elements at the edges, the centre and the turning points k = N/2 ± √(q(N-q)), a little inside and outside."""
    for q in (0, 1, 2, 3, 10, n // 4, n // 3, n // 2 - 1, n // 2, n // 2 + 1, n // 2 + 30, n - 100, n - 2, n - 1, n):
        turning = math.sqrt(q * (n - q))
        near = [int(n / 2 + s * turning) + d for s in (1, -1) for d in (-20, -3, -1, 0, 1, 2, 10)]
        fixed = [0, 1, 2, n // 4, n // 2 - 1, n // 2, n // 2 + 1, n // 2 + 2, n - 1, n]
        for k in {k for k in (*near, *fixed) if 0 <= k <= n}:
            yield q, k


@pytest.mark.parametrize("n_atoms", [999, 1000])
def test_the_hardest_elements_at_a_thousand_atoms_agree_with_exact_integers(n_atoms):
    basis, eigenvectors = full_x_basis(n_atoms), oracles.x_basis(n_atoms)
    elements = list(hard_elements(n_atoms))
    exact = np.array([float(oracles.x_basis_exact(n_atoms, q, k)) for q, k in elements])
    q, k = np.transpose(elements)
    np.testing.assert_allclose(basis[q, k], exact, rtol=0, atol=5e-15)  # measured 1.9e-15
    np.testing.assert_allclose(eigenvectors[q, k], exact, rtol=0, atol=5e-14)  # the oracle: measured 2.1e-14


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 20, 999, 1000])
def test_the_x_basis_is_orthonormal(n_atoms):
    basis = full_x_basis(n_atoms)
    np.testing.assert_allclose(basis @ basis.T, np.eye(n_atoms + 1), rtol=0, atol=5e-14)  # measured 1.6e-14


@pytest.mark.parametrize("n_atoms", [1, 2, 3, 20, 999, 1000])
def test_the_x_basis_has_its_three_symmetries(n_atoms):
    basis = full_x_basis(n_atoms)
    signs = (-1.0) ** (n_atoms - np.arange(n_atoms + 1))
    np.testing.assert_array_equal(basis[:, ::-1], signs[:, None] * basis)  # ⟨q|N-k⟩ = (-1)^(N-q) ⟨q|k⟩
    np.testing.assert_allclose(basis[::-1], basis * signs, rtol=0, atol=5e-15)  # ⟨N-q|k⟩ = (-1)^(N-k) ⟨q|k⟩
    np.testing.assert_allclose(basis, basis.T, rtol=0, atol=1e-14)  # Krawtchouk polynomials are self-dual


@pytest.mark.parametrize("n_atoms", [1, 2, 7, 200])
def test_the_rows_of_the_x_basis_are_eigenvectors_of_s_x(n_atoms):
    basis = full_x_basis(n_atoms)
    eigenvalues = 2.0 * np.arange(n_atoms + 1) - n_atoms
    residual = basis @ np.asarray(dicke.spin_x(n_atoms)) - eigenvalues[:, None] * basis
    np.testing.assert_allclose(residual, 0, rtol=0, atol=1e-14 * n_atoms)


@pytest.mark.parametrize("n_atoms", [1, 4, 7])
def test_the_x_basis_is_the_z_basis_turned_about_y(n_atoms):
    k = np.arange(1, n_atoms + 1)
    raising = np.diag(np.sqrt(k * (n_atoms - k + 1.0)), -1)
    s_x, s_y = raising + raising.T, 1j * (raising.T - raising)
    signs, eigenvalues = (-1.0) ** (n_atoms - np.arange(n_atoms + 1)), 2.0 * np.arange(n_atoms + 1) - n_atoms
    turned = scipy.linalg.expm(-0.25j * np.pi * s_y)
    np.testing.assert_allclose(full_x_basis(n_atoms), signs[:, None] * turned.T, rtol=0, atol=1e-14)
    # the sign in front of S_y that equation (7) is printed with gives S_x = N - 2k, against (8)
    other = turned.conj().T
    np.testing.assert_allclose(s_x @ other, -other * eigenvalues, rtol=0, atol=3e-14)


@pytest.mark.parametrize(
    ("n_atoms", "window"), [(4, 2.0), (5, 1.5), (20, 0.3), (20, 4.4), (999, 3.0), (1000, 0.5), (1000, 15.0)]
)
def test_a_windowed_row_of_the_x_basis_is_a_slice_of_the_whole_row(n_atoms, window):
    rows = jax.jit(jax.vmap(lambda q: dicke.x_basis(n_atoms, q, window)))(jnp.arange(n_atoms + 1))
    expected = full_x_basis(n_atoms)[:, dicke.window_states(n_atoms, window)]
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-15)  # measured 0


@functools.cache
def x_basis_of_a_million_atoms(n_atoms):
    return jax.jit(lambda q: dicke.x_basis(n_atoms, q, 3.0))


# rows 0…2 have their turning points inside the window; every exact element costs a tenth of a second
@pytest.mark.parametrize(
    ("n_atoms", "outcome"),
    [
        *((10**6, q) for q in (0, 1, 2, 3, 10**6 // 4, 10**6 // 2, 10**6 // 2 + 777, 10**6 - 1)),
        *((10**6 + 1, q) for q in (1, 10**6 // 2, 10**6 // 2 + 1, 10**6 + 1)),
    ],
)
def test_a_windowed_row_at_a_million_atoms_is_exact(n_atoms, outcome):
    row = np.asarray(x_basis_of_a_million_atoms(n_atoms)(outcome))
    states = dicke.window_states(n_atoms, 3.0)
    assert row.shape == states.shape
    at = np.array([0, len(row) // 2, 2222])
    exact = [float(oracles.x_basis_exact(n_atoms, outcome, int(states[i]), 30)) for i in at]
    np.testing.assert_allclose(row[at], exact, rtol=0, atol=1e-13)  # measured 2.3e-14, on elements of up to 0.03


def test_the_x_basis_compiles_once_for_all_outcomes():
    chex.clear_trace_counter()
    row = jax.jit(chex.assert_max_traces(lambda q: dicke.x_basis(20, q), n=1))
    for q in (0, 7, 10, 20):
        np.testing.assert_allclose(row(q), full_x_basis(20)[q], rtol=0, atol=1e-15)
    chex.clear_trace_counter()
    rows = jax.jit(jax.vmap(chex.assert_max_traces(lambda q: dicke.x_basis(20, q), n=1)))
    for q in ([0, 1], [20, 3]):
        np.testing.assert_allclose(rows(jnp.array(q)), full_x_basis(20)[q], rtol=0, atol=1e-15)


@pytest.mark.usefixtures("float32")
def test_the_x_basis_in_single_precision_is_good_to_its_rounding():
    basis = jax.jit(jax.vmap(lambda q: dicke.x_basis(200, q)))(jnp.arange(201))
    assert basis.dtype == jnp.float32
    np.testing.assert_allclose(basis, oracles.x_basis(200), rtol=0, atol=2e-6)  # measured 5e-7


# ------------------------------------------------- overlaps, equation (23)


def power(base, exponent):
    return mp.mpf(1) if exponent == 0 else base**exponent


def half_angle_exact(x):
    """cos and sin of 2πx in the working precision, exactly 0 where a double can be a quarter turn."""
    if (4 * x) % 1 == 0:
        quarter = int(4 * x) % 4
        return mp.mpf([1, 0, -1, 0][quarter]), mp.mpf([0, 1, 0, -1][quarter])
    return mp.cos(2 * mp.pi * mp.mpf(x)), mp.sin(2 * mp.pi * mp.mpf(x))


def overlap_exact(n, q, x):
    """(f, df/dx) of f = √C(N,q) cos^q(2πx) sin^(N-q)(2πx)."""
    with mp.workdps(40):
        cos, sin = half_angle_exact(x)
        root = mp.exp((oracles.log_weight_exact(n, q) + n * mp.log(2)) / 2)
        value = root * power(cos, q) * power(sin, n - q)
        slope = -q * power(cos, q - 1) * power(sin, n - q + 1) if q else mp.mpf(0)
        slope += (n - q) * power(cos, q + 1) * power(sin, n - q - 1) if n - q else 0
        return float(value), float(2 * mp.pi * root * slope)


def angles_around_the_peaks(n, q):
    """In turns: the four peaks cos² = q/N, in all quadrants, and points up to 3 of their widths away."""
    peak, width = math.acos(math.sqrt(q / n)) / (2 * math.pi), 1 / (2 * math.pi * math.sqrt(n))
    steps = width * np.array([-3, -1, -0.3, 0, 0.2, 1, 2.5])
    return np.concatenate([sign * peak + turn + steps for sign in (1, -1) for turn in (0, 0.5)])


@functools.cache
def overlap_and_slope(n_atoms):
    def both(q, x):
        return jax.jvp(lambda y: dicke.x_overlap(n_atoms, q, y), (x,), (jnp.ones_like(x),))

    return jax.jit(both)


@functools.cache
def overlaps_of_all_outcomes(n_atoms):
    return jax.jit(jax.vmap(lambda q, x: dicke.x_overlap(n_atoms, q, x), in_axes=(0, None)))


# The relative error of f is the rounding of cos² and sin² times |q - N cos²| / (cos² or sin²), hence grows as √N.
# The slope is the difference of two neighbours that are √N times larger near N/2; the tolerances are three times the
# largest errors measured: of f, and of its slope in units of √N radians (f itself is N^(-1/4) there).
@pytest.mark.parametrize(
    ("n_atoms", "tolerance", "slope_tolerance"),
    [
        (1, 4e-16, 5e-16),
        (7, 8e-16, 2e-15),
        (1000, 8e-16, 1e-14),
        (10**6, 8e-15, 4e-12),
        (10**10, 7e-14, 2e-9),
    ],
)
def test_overlaps_and_their_slopes_are_those_of_equation_23(n_atoms, tolerance, slope_tolerance):
    for q in sorted({0, 1, n_atoms // 4, n_atoms // 3, n_atoms // 2, n_atoms - 1, n_atoms}):
        x = angles_around_the_peaks(n_atoms, q)
        value, slope = overlap_and_slope(n_atoms)(q, jnp.asarray(x))
        exact_value, exact_slope = np.transpose([overlap_exact(n_atoms, q, angle) for angle in x.tolist()])
        np.testing.assert_allclose(value, exact_value, rtol=0, atol=tolerance)
        scale = 2 * np.pi * math.sqrt(n_atoms)  # of a slope of a function of height 1
        np.testing.assert_allclose(slope / scale, exact_slope / scale, rtol=0, atol=slope_tolerance)


QUARTERS = [0.0, 0.25, 0.5, 0.75, -0.25, -0.5]


@pytest.mark.parametrize(
    ("n_atoms", "outcome"), [(1, 0), (1, 1), (4, 0), (4, 1), (4, 2), (4, 3), (4, 4), (5, 2), (5, 3)]
)
def test_overlaps_and_their_slopes_are_exact_at_quarter_turns(n_atoms, outcome):
    value, slope = overlap_and_slope(n_atoms)(outcome, jnp.array(QUARTERS))
    exact_value, exact_slope = np.transpose([overlap_exact(n_atoms, outcome, x) for x in QUARTERS])
    np.testing.assert_allclose(value, exact_value, rtol=5e-16)  # zeros are zeros
    np.testing.assert_allclose(slope, exact_slope, rtol=5e-16)


def test_the_slopes_of_overlaps_agree_with_differences_and_with_reverse_mode():
    n, q, x, h = 20, jnp.array([0, 1, 9, 20]), jnp.linspace(-0.6, 0.6, 28), 1e-5

    def f(outcome, y):
        return jax.vmap(lambda one: dicke.x_overlap(n, one, y))(outcome)

    @jax.jit
    def slopes(y):
        forward = jax.jvp(lambda z: f(q, z), (y,), (jnp.ones_like(y),))[1]
        reverse = jax.vmap(lambda one: jax.grad(lambda z: jnp.sum(dicke.x_overlap(n, one, z)))(y))(q)
        return forward, reverse, (f(q, y + h) - f(q, y - h)) / (2 * h)

    forward, reverse, difference = slopes(x)
    np.testing.assert_allclose(forward, difference, rtol=0, atol=2e-6)  # h²/6 of the third derivative is 6e-7
    np.testing.assert_allclose(reverse, forward, rtol=1e-14, atol=1e-14)


def test_second_derivatives_of_overlaps_are_right_at_their_zeros():
    # d²/dx² of √C(4,2) cos² sin² = √6 (1 - cos(8πx)) / 8 is 8π²√6 cos(8πx), x in turns
    x = jnp.array([*QUARTERS, 0.1])
    f = jax.jit(jax.vmap(jax.grad(jax.grad(lambda y: dicke.x_overlap(4, 2, y)))))
    np.testing.assert_allclose(f(x), 8 * np.pi**2 * math.sqrt(6) * np.cos(8 * np.pi * np.asarray(x)), rtol=1e-13)


def test_the_overlaps_of_all_outcomes_have_probability_one():
    n, x = 31, jnp.array([0.0, 0.03, 0.125, 0.25, -0.3, 0.71, 1.0])
    f = overlaps_of_all_outcomes(n)(jnp.arange(n + 1), x)
    np.testing.assert_allclose(jnp.sum(f**2, axis=0), 1, rtol=5e-15)


# ----------------------------------------------------------- powers of cos


def cos_power_exact(n, x):
    """cos^n(2πx) and its first two derivatives in x."""
    with mp.workdps(40):
        cos, sin = half_angle_exact(x)
        second = -n * power(cos, n)
        if n > 1:
            second += n * (n - 1) * power(cos, n - 2) * sin**2
        first = -n * power(cos, n - 1) * sin if n else mp.mpf(0)
        return [float(v) for v in (power(cos, n), 2 * mp.pi * first, 4 * mp.pi**2 * second)]


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 1000, 10**6 + 1, 10**10])
def test_powers_of_cosine_and_two_derivatives_are_correct_to_rounding(exponent):
    width = 1 / (2 * math.pi * math.sqrt(max(exponent, 1)))
    x = np.array([*QUARTERS, 0.1, 0.24, 0.2499999, -0.3, *(0.5 + width * np.array([-2, 1e-3, 1])), width, -3 * width])

    @jax.jit
    def derivatives(y):
        def f(z):
            return dicke.cos_power(exponent, z)

        return jax.vmap(f)(y), jax.vmap(jax.grad(f))(y), jax.vmap(jax.grad(jax.grad(f)))(y)

    exact = np.transpose([cos_power_exact(exponent, v) for v in x.tolist()])
    for got, right in zip(derivatives(jnp.asarray(x)), exact, strict=True):
        # 0.5 + 3e-6 has lost digits of its distance from 0.5 as it was written, not in the function
        np.testing.assert_allclose(got, right, rtol=0, atol=2e-15 * max(1, abs(right).max()))


def test_a_power_of_cosine_is_the_overlap_of_the_largest_outcome():
    x = jnp.linspace(-0.6, 0.6, 28)
    f = jax.jit(
        lambda y: (dicke.cos_power(20, y), jax.jvp(lambda z: dicke.cos_power(20, z), (y,), (jnp.ones_like(y),))[1])
    )
    for got, expected in zip(f(x), overlap_and_slope(20)(20, x), strict=True):
        np.testing.assert_allclose(got, expected, rtol=4e-13, atol=1e-15)  # measured 1.3e-13, in a slope


def test_powers_of_cosine_have_finite_derivatives_of_every_order_at_their_zeros():
    f = functools.partial(dicke.cos_power, 3)
    for _ in range(5):
        f = jax.grad(f)
    # cos³θ = (3 cos θ + cos 3θ) / 4; the fifth derivative at a quarter turn, θ = π/2, is (-3 + 3^5) / 4
    assert float(jax.jit(f)(0.25)) == pytest.approx((2 * np.pi) ** 5 * (-3 + 3**5) / 4, rel=1e-14)
