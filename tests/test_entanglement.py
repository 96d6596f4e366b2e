"""Every measure against NumPy, on states whose answer is known and on random ones; gradients against exact formulas."""

import functools
import itertools
import math

import hypothesis
import hypothesis.extra.numpy as hnp
import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import strategies as st

from jaxent import entanglement
from jaxent.entanglement import (
    entanglement_entropy,
    log_negativity,
    normalized_entropy,
    renyi_entropy,
    schmidt_coefficients,
    state_renyi_entropy,
    von_neumann_entropy,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")

ALPHAS = [0, 0.5, 1, 2, math.inf]
SHAPES = [(2, 2), (3, 5), (5, 3), (4, 4)]
ROUNDING = 4e-15  # bits; the largest error measured for a state of rank up to 5 is 1.6e-15


def renyi(alpha):
    return functools.partial(renyi_entropy, alpha=alpha)


PURE_MEASURES = {
    "entropy": entanglement_entropy,
    "log negativity": log_negativity,
    "negativity": entanglement.negativity,
    **{f"Rényi {alpha}": renyi(alpha) for alpha in ALPHAS},
}
# one compiled program a shape for all measures; the checks of values run outside of it, in the tests of the errors
every_measure = jax.jit(lambda a: {name: measure(a) for name, measure in PURE_MEASURES.items()})


def normal(seed, shape, dtype=complex):
    rng = np.random.default_rng(seed)
    real = rng.normal(size=shape)
    return real + 1j * rng.normal(size=shape) if dtype is complex else real


def unitary(seed, n, dtype=complex):
    return np.linalg.qr(normal(seed, (n, n), dtype))[0]


def state_of_spectrum(coefficients, shape, seed=0, dtype=complex):
    """Amplitudes with these Schmidt coefficients (and zeros) in random local bases."""
    rank = len(coefficients)
    return (unitary(seed, shape[0], dtype)[:, :rank] * coefficients) @ unitary(seed + 1, shape[1], dtype)[:, :rank].T


def density_matrix(eigenvalues, seed=0, dtype=complex):
    basis = unitary(seed, len(eigenvalues), dtype)
    return (basis * eigenvalues) @ basis.conj().T


# ------------------------------------------------------------- random states


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_measure_of_a_random_state_agrees_with_numpy(shape, dtype):
    amplitudes = normal(1, shape, dtype)
    expected = {
        "entropy": oracles.entropy_bits(amplitudes),
        "log negativity": oracles.log_negativity_bits(amplitudes),
        "negativity": (2 ** oracles.log_negativity_bits(amplitudes) - 1) / 2,
        "Rényi 0": math.log2(np.linalg.matrix_rank(amplitudes)),
        **{f"Rényi {alpha}": oracles.renyi_bits(amplitudes, alpha) for alpha in ALPHAS if alpha > 0},
    }
    got = every_measure(jnp.asarray(amplitudes))
    assert got.keys() == expected.keys()
    for name, value in got.items():
        assert value.dtype == jnp.float64
        assert value == pytest.approx(expected[name], abs=ROUNDING), name
        assert PURE_MEASURES[name](amplitudes) == pytest.approx(expected[name], abs=ROUNDING), name


@pytest.mark.parametrize("shape", SHAPES)
def test_schmidt_coefficients_are_the_normalized_singular_values(shape):
    amplitudes = normal(2, shape)
    coefficients = schmidt_coefficients(amplitudes)
    np.testing.assert_allclose(coefficients, oracles.schmidt(amplitudes), rtol=0, atol=2e-15)
    assert jnp.sum(coefficients**2) == pytest.approx(1, abs=2e-15)
    assert (np.diff(coefficients) <= 0).all()


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e200, 1e300, -3j])
def test_measures_do_not_depend_on_the_scale_of_the_amplitudes(scale):
    amplitudes = normal(3, (4, 4))
    expected, got = every_measure(jnp.asarray(amplitudes)), every_measure(jnp.asarray(scale * amplitudes))
    for name, value in got.items():
        assert value == pytest.approx(float(expected[name]), abs=ROUNDING), name


def test_integer_amplitudes_are_a_state():
    assert entanglement_entropy(np.eye(4, dtype=int)) == pytest.approx(2, abs=ROUNDING)
    assert von_neumann_entropy(np.eye(4, dtype=int)) == pytest.approx(2, abs=ROUNDING)


# ---------------------------------------------------------------- known states

BELL = {
    "Φ+": np.array([[1, 0], [0, 1]]),
    "Φ-": np.array([[1, 0], [0, -1]]),
    "Ψ+": np.array([[0, 1], [1, 0]]),
    "iΨ-": np.array([[0, 1j], [-1j, 0]]),
}


@pytest.mark.parametrize("name", BELL)
def test_a_bell_state_has_one_ebit_in_every_measure(name):
    for measure, value in every_measure(jnp.asarray(BELL[name], complex)).items():
        assert value == pytest.approx(0.5 if measure == "negativity" else 1, abs=2e-15), measure  # measured 7e-16


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_a_maximally_entangled_state_of_rank_r_has_log_r_ebits_in_every_measure(rank):
    amplitudes = state_of_spectrum(np.ones(rank), (4, 4), seed=rank)
    for measure, value in every_measure(jnp.asarray(amplitudes)).items():
        expected = (rank - 1) / 2 if measure == "negativity" else math.log2(rank)
        assert value == pytest.approx(expected, abs=ROUNDING), measure


@pytest.mark.parametrize("shape", SHAPES)
def test_basis_states_have_exactly_no_entanglement(shape):
    amplitudes = np.zeros(shape, complex)
    amplitudes[-1, 0] = -2j
    for measure, value in every_measure(jnp.asarray(amplitudes)).items():
        assert value == 0, measure
        assert not np.signbit(value), measure


@pytest.mark.parametrize("measure", PURE_MEASURES)
def test_product_states_have_no_entanglement_and_never_a_negative_one(measure):
    states = np.stack([np.multiply.outer(normal(s, 4), normal(s + 100, 4)) for s in range(100)])
    values = np.asarray(jax.jit(jax.vmap(PURE_MEASURES[measure]))(jnp.asarray(states)))
    assert (values >= 0).all(), f"the smallest is {values.min()}"
    assert (values < 5e-15).all(), f"the largest is {values.max()}"


@pytest.mark.parametrize("alpha", [0, 0.1, 0.5, 1, 2, math.inf])
def test_pure_density_matrices_have_no_entropy_and_never_a_negative_one(alpha):
    vectors = [normal(s, 4) for s in range(100)]
    states = jnp.asarray(np.stack([np.multiply.outer(v, v.conj()) for v in vectors]))
    values = np.asarray(jax.jit(jax.vmap(lambda rho: state_renyi_entropy(rho, alpha)))(states))
    assert (values >= 0).all(), f"the smallest is {values.min()}"
    assert (values < 5e-14).all(), f"the largest is {values.max()}"  # x log x of 1e-16 is 5e-15


# --------------------------------------------------------- orders of Rényi


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.3])
def test_rounding_noise_does_not_count_at_small_orders(alpha):
    # singular values of 1e-17 instead of 0 would give (1e-34)^0.1 = 4e-4 each
    amplitudes = state_of_spectrum(np.ones(2), (4, 4))
    assert renyi_entropy(amplitudes, alpha) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("alpha", [100.0, 1000.0, 1e4, 1e300])
def test_large_orders_approach_the_min_entropy(alpha):
    probabilities = np.array([0.4, 0.4, 0.15, 0.05])
    expected = (alpha * math.log2(0.4) + 1) / (1 - alpha)  # the rest is 0.4^-100 smaller
    assert renyi_entropy(np.diag(np.sqrt(probabilities)), alpha) == pytest.approx(expected, rel=1e-13)
    assert state_renyi_entropy(np.diag(probabilities), alpha) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("step", [1e-3, 1e-6, 1e-9, 1e-12, -1e-12, -1e-9, -1e-6])
def test_orders_close_to_one_approach_the_entropy(step):
    probabilities = np.array([0.5, 0.3, 0.2])
    entropy = -np.sum(probabilities * np.log2(probabilities))
    # S_(1+ε) = S - ε/2 · var(ln p) / ln 2 + O(ε²)
    logs = np.log(probabilities)
    variance = np.sum(probabilities * logs**2) - np.sum(probabilities * logs) ** 2
    expected = entropy - step / 2 * variance / math.log(2)
    got = renyi_entropy(np.diag(np.sqrt(probabilities)), 1 + step)
    assert got == pytest.approx(expected, abs=1e-14 + step**2)


@pytest.mark.parametrize("smallest", [1e-2, 1e-6, 1e-10, 1e-13])
def test_a_schmidt_coefficient_above_rounding_counts_in_the_rank(smallest):
    assert renyi_entropy(np.diag([1.0, smallest]), 0) == 1


def test_a_schmidt_coefficient_below_rounding_does_not_count_in_the_rank():
    assert renyi_entropy(np.diag([1.0, 1e-17]), 0) == 0
    assert renyi_entropy(state_of_spectrum(np.array([1.0, 0.5]), (4, 4)), 0) == 1


# ------------------------------------------------------------- mixed states


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("size", [1, 2, 5, 17])
def test_entropies_of_a_density_matrix_agree_with_numpy(size, dtype):
    root = normal(size, (size, size), dtype)
    rho = root @ root.conj().T
    assert von_neumann_entropy(rho) == pytest.approx(oracles.entropy_bits_rho(rho), abs=1e-14)
    p = np.linalg.eigvalsh(rho) / np.trace(rho).real
    for alpha in (0.5, 2.0):
        expected = math.log2(np.sum(p**alpha)) / (1 - alpha)
        assert state_renyi_entropy(rho, alpha) == pytest.approx(expected, abs=1e-14)
    assert state_renyi_entropy(rho, math.inf) == pytest.approx(-math.log2(p[-1]), abs=1e-14)
    assert state_renyi_entropy(rho, 1) == von_neumann_entropy(rho)
    assert state_renyi_entropy(rho, 0) == pytest.approx(math.log2(size), abs=1e-15)


@pytest.mark.parametrize("scale", [1e-290, 1e-200, 1e200, 1e300])
def test_the_entropy_of_a_density_matrix_does_not_depend_on_its_trace(scale):
    rho = density_matrix(np.arange(17) / 17)
    assert von_neumann_entropy(scale * rho) == pytest.approx(oracles.entropy_bits_rho(rho), abs=1e-14)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_entropy_of_an_even_mixture_is_the_log_of_its_rank(rank):
    rho = density_matrix(np.repeat([1.0, 0.0], [rank, 4 - rank]), seed=rank)
    for alpha in ALPHAS:
        # at order 1/2 an eigenvalue of 1e-16 in place of 0 would count 1e-8
        assert state_renyi_entropy(rho, alpha) == pytest.approx(math.log2(rank), abs=5e-14), alpha


@pytest.mark.parametrize("shape", SHAPES)
def test_both_reduced_states_have_the_entropies_of_the_pure_state(shape):
    amplitudes = normal(5, shape)
    for reduced in (amplitudes @ amplitudes.conj().T, amplitudes.T @ amplitudes.conj()):
        assert von_neumann_entropy(reduced) == pytest.approx(float(entanglement_entropy(amplitudes)), abs=1e-14)
        assert state_renyi_entropy(reduced, 2) == pytest.approx(float(renyi_entropy(amplitudes, 2)), abs=1e-14)


# ----------------------------------------------------- states of two systems


def two_systems(seed, shape, rank, dtype=complex):
    """A random state ρ[k_1, k_2, k_1', k_2'] of trace one."""
    root = normal(seed, (math.prod(shape), rank), dtype)
    rho = root @ root.conj().T
    return (rho / np.trace(rho).real).reshape(*shape, *shape)


def projector(amplitudes):
    return np.multiply.outer(amplitudes, amplitudes.conj())


def transposed_trace_norm(rho):
    size = rho.shape[0] * rho.shape[1]
    return np.sum(abs(np.linalg.eigvalsh(np.swapaxes(rho, 0, 2).reshape(size, size))))


STATE_MEASURES = {
    name: jax.jit(getattr(entanglement, name))
    for name in ("purity", "log_negativity_dm", "state_negativity", "coherent_information")
}


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize(("shape", "rank"), [((2, 3), 1), ((2, 3), 2), ((2, 3), 6), ((4, 4), 3), ((4, 4), 16)])
def test_measures_of_a_state_of_two_systems_agree_with_numpy(shape, rank, dtype):
    rho = two_systems(rank, shape, rank, dtype)
    matrix = rho.reshape(math.prod(shape), -1)
    second = np.trace(rho, axis1=0, axis2=2)
    expected = {
        "purity": np.trace(matrix @ matrix).real,
        "log_negativity_dm": math.log2(transposed_trace_norm(rho)),
        "state_negativity": (transposed_trace_norm(rho) - 1) / 2,
        "coherent_information": oracles.entropy_bits_rho(second) - oracles.entropy_bits_rho(matrix),
    }
    for name, measure in STATE_MEASURES.items():
        assert measure(jnp.asarray(rho)) == pytest.approx(expected[name], abs=5e-14), name  # of 16 zeros of 1e-17
        assert measure(jnp.asarray(7 * rho)) == pytest.approx(expected[name], abs=5e-14), name


@pytest.mark.parametrize("shape", [(2, 3), (4, 4)])
def test_measures_of_a_pure_state_of_two_systems_are_those_of_its_amplitudes(shape):
    amplitudes = normal(4, shape)
    got = {name: float(measure(jnp.asarray(projector(amplitudes)))) for name, measure in STATE_MEASURES.items()}
    assert got["purity"] == pytest.approx(1, abs=2e-15)
    assert got["log_negativity_dm"] == pytest.approx(float(log_negativity(amplitudes)), abs=2e-14)
    assert got["state_negativity"] == pytest.approx(float(entanglement.negativity(amplitudes)), abs=2e-14)
    assert got["coherent_information"] == pytest.approx(float(entanglement_entropy(amplitudes)), abs=5e-14)


@pytest.mark.parametrize("measure", ["log_negativity_dm", "state_negativity"])
def test_product_states_of_two_systems_have_no_negativity_and_never_a_negative_one(measure):
    states = []
    for seed in range(50):
        one, two = (density_matrix(np.random.default_rng(seed).random(n), seed) for n in (2, 3))
        states.append(np.einsum("ac,bd->abcd", one, two))
    values = np.asarray(jax.vmap(STATE_MEASURES[measure])(jnp.asarray(np.stack(states))))
    assert (values >= 0).all(), f"the smallest is {values.min()}"
    assert (values < 5e-15).all(), f"the largest is {values.max()}"


@pytest.mark.parametrize("share", [0.0, 0.2, 1 / 3, 0.5, 0.8, 1.0])
def test_the_negativity_of_a_werner_state_is_known(share):
    rho = (
        share * projector(np.array([[0, 1], [-1, 0]]) / math.sqrt(2)) + (1 - share) * np.eye(4).reshape(2, 2, 2, 2) / 4
    )
    expected = max(0.0, (3 * share - 1) / 4)
    assert entanglement.state_negativity(rho) == pytest.approx(expected, abs=1e-15)
    assert entanglement.log_negativity_dm(rho) == pytest.approx(math.log2(1 + 2 * expected), abs=2e-15)
    assert entanglement.purity(rho) == pytest.approx((1 + 3 * share**2) / 4, abs=1e-15)


def test_the_coherent_information_tells_the_two_systems_apart():
    # the second system is pure, the first is mixed: S(ρ_2) - S(ρ) = -S(ρ_1)
    one, two = np.diag([0.25, 0.75]), np.diag([1.0, 0.0, 0.0])
    expected = 0.25 * math.log2(0.25) + 0.75 * math.log2(0.75)
    rho = np.einsum("ac,bd->abcd", one, two)
    assert entanglement.coherent_information(rho) == pytest.approx(expected, abs=2e-15)
    swapped = np.transpose(rho, (1, 0, 3, 2))
    assert entanglement.coherent_information(swapped) == pytest.approx(0, abs=2e-15)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_the_fidelity_is_the_expectation_value_of_the_normalized_projector(scale):
    rho, amplitudes = two_systems(5, (2, 3), 4), normal(6, (2, 3))
    psi = amplitudes.ravel() / np.linalg.norm(amplitudes)
    expected = (psi.conj() @ rho.reshape(6, 6) @ psi).real
    fidelity = entanglement.state_fidelity
    assert fidelity(scale * rho, amplitudes) == pytest.approx(expected, abs=1e-15)
    assert fidelity(rho, 1j * scale * amplitudes) == pytest.approx(expected, abs=1e-15)
    assert fidelity(projector(amplitudes), amplitudes) == pytest.approx(1, abs=2e-15)


def test_the_fidelity_of_shapes_that_do_not_belong_together_is_refused():
    with pytest.raises(ValueError, match=r"Argument `amplitudes` must have shape \(2, 3\), but has \(3, 2\)"):
        entanglement.state_fidelity(two_systems(5, (2, 3), 4), np.ones((3, 2)))


def test_the_gradient_of_the_log_negativity_of_a_degenerate_mixed_state_is_exact():
    rho = 0.7 * projector(np.array([[0, 1], [-1, 0]]) / math.sqrt(2)) + 0.3 * np.eye(4).reshape(2, 2, 2, 2) / 4
    hermitian = normal(12, (4, 4))
    direction = (hermitian + hermitian.conj().T).reshape(2, 2, 2, 2)
    _, forward, reverse = gradient(entanglement.log_negativity_dm)(jnp.asarray(rho + 0j), jnp.asarray(direction))
    values, vectors = np.linalg.eigh(np.swapaxes(rho, 0, 2).reshape(4, 4))  # one is negative, three are equal
    sign = (vectors * np.sign(values)) @ vectors.conj().T
    norm, trace = abs(values).sum(), np.trace(direction.reshape(4, 4)).real
    slope = (np.trace(sign @ np.swapaxes(direction, 0, 2).reshape(4, 4)).real / norm - trace) / math.log(2)
    assert forward == pytest.approx(slope, abs=1e-14)
    assert np.sum(np.asarray(reverse) * direction).real == pytest.approx(slope, abs=1e-14)


@pytest.mark.parametrize("name", STATE_MEASURES)
def test_states_of_two_systems_that_are_none_are_refused(name):
    measure = getattr(entanglement, name)
    good = two_systems(1, (2, 3), 2)
    with pytest.raises(ValueError, match=r"Argument `rho` must have the shape \(m, n, m, n\), but has \(2, 3, 3, 2\)"):
        measure(np.transpose(good, (0, 1, 3, 2)))
    with pytest.raises(ValueError, match="Argument `rho` must be Hermitian, but differs from its adjoint by"):
        measure(good * np.exp(0.1j))
    with pytest.raises(ValueError, match="Argument `rho` must have a positive trace, but it is"):
        measure(-good)
    with pytest.raises(ValueError, match="Argument `rho` must be finite, but holds NaN or infinity"):
        measure(np.full((2, 3, 2, 3), np.nan))


# ------------------------------------------------------------------ from numbers


def test_the_normalized_entropy_is_one_at_the_maximum():
    np.testing.assert_allclose(normalized_entropy(np.array([0.0, 1.0, math.log2(11)]), 10), [0, 1 / math.log2(11), 1])


# -------------------------------------------------------------- properties

amplitude_matrices = hnp.arrays(
    np.complex128, (4, 4), elements=st.complex_numbers(max_magnitude=1, allow_nan=False, allow_infinity=False)
).filter(lambda a: np.linalg.norm(a) > 1e-3)
seeds = st.integers(0, 2**32 - 1)


@hypothesis.given(amplitude_matrices)
def test_measures_are_between_zero_and_the_log_of_the_dimension(amplitudes):
    for name, value in every_measure(jnp.asarray(amplitudes)).items():
        assert -ROUNDING <= value <= (1.5 if name == "negativity" else 2) + ROUNDING, name


@hypothesis.given(amplitude_matrices)
def test_renyi_entropies_decrease_with_their_order_and_bound_the_log_negativity(amplitudes):
    values = every_measure(jnp.asarray(amplitudes))
    ordered = [values[f"Rényi {alpha}"] for alpha in ALPHAS]
    assert all(a >= b - ROUNDING for a, b in itertools.pairwise(ordered))
    assert values["Rényi 1"] == values["entropy"]
    assert values["Rényi 0.5"] == pytest.approx(float(values["log negativity"]), abs=ROUNDING)
    assert values["Rényi 2"] <= 2 * values["Rényi inf"] + ROUNDING


@hypothesis.given(amplitude_matrices, seeds)
def test_measures_are_invariant_under_local_unitaries_and_exchange_of_the_halves(amplitudes, seed):
    rotated = unitary(seed, 4) @ amplitudes @ unitary(seed + 1, 4).T
    expected = every_measure(jnp.asarray(amplitudes))
    for name in expected.keys() - {"Rényi 0"}:  # a rank may change where a coefficient is rounding
        for other in (rotated, amplitudes.T, amplitudes.conj()):
            # √p at order 1/2 takes an absolute error of 1e-16 in a coefficient as it is
            assert every_measure(jnp.asarray(other))[name] == pytest.approx(float(expected[name]), abs=2e-14), name


@hypothesis.given(hnp.arrays(np.float64, 4, elements=st.floats(0, 1)).filter(lambda p: p.sum() > 1e-3), seeds)
def test_the_entropy_of_a_mixture_is_that_of_its_eigenvalues(probabilities, seed):
    p = probabilities / probabilities.sum()
    expected = -np.sum(p[p > 0] * np.log2(p[p > 0]))
    got = jit_von_neumann_entropy(jnp.asarray(density_matrix(probabilities, seed % 1000)))
    # x log x of an eigenvalue that is 1e-16 instead of 0 is 5e-15
    assert got == pytest.approx(expected, abs=5e-14)


jit_von_neumann_entropy = jax.jit(von_neumann_entropy)


# ---------------------------------------------------------------- gradients


@functools.cache
def gradient(measure):
    return jax.jit(lambda a, d: (*jax.jvp(measure, (a,), (d,)), jax.grad(measure)(a)))


def entropy_differential(amplitudes, direction):
    """dE = -(Tr[log2 ρ dρ] + E Tr dρ) / Tr ρ on the support of ρ = A A†, dρ = dA A† + A dA†."""
    values, vectors = np.linalg.eigh(amplitudes @ amplitudes.conj().T)
    total = values.sum()
    p = values / total
    support = p > 1e-12
    log = np.log2(np.where(support, p, 1))
    entropy = -np.sum(p[support] * log[support])
    derivative = direction @ amplitudes.conj().T + amplitudes @ direction.conj().T
    return (
        -(np.trace((vectors * log) @ vectors.conj().T @ derivative).real + entropy * np.trace(derivative).real) / total
    )


SCHMIDT = {
    "simple": [0.9, 0.5, 0.3, 0.1],
    "equal": [1, 1, 1, 1],
    "two pairs": [2, 2, 1, 1],
    "two and two zeros": [1, 1],
    "a pair, one and one zero": [2, 2, 1],
    "almost equal": [1, 1 - 1e-14, 0.5, 0.5 + 1e-14],
    "product": [1],
}


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("spectrum", SCHMIDT)
def test_the_gradient_of_the_entropy_is_exact_at_degenerate_and_rank_deficient_states(spectrum, dtype):
    amplitudes = 3 * state_of_spectrum(np.array(SCHMIDT[spectrum], float), (4, 4), dtype=dtype)
    direction = normal(7, (4, 4), dtype)
    value, forward, reverse = gradient(entanglement_entropy)(jnp.asarray(amplitudes), jnp.asarray(direction))
    assert np.isfinite(reverse).all()
    assert value == pytest.approx(oracles.entropy_bits(amplitudes), abs=ROUNDING)
    expected = entropy_differential(amplitudes, direction)
    assert forward == pytest.approx(expected, abs=1e-14)
    assert np.sum(np.asarray(reverse) * direction).real == pytest.approx(expected, abs=1e-14)
    h = 1e-5
    difference = oracles.entropy_bits(amplitudes + h * direction) - oracles.entropy_bits(amplitudes - h * direction)
    assert forward == pytest.approx(difference / (2 * h), abs=1e-8)


@pytest.mark.parametrize("spectrum", ["simple", "equal", "two pairs", "almost equal"])
def test_the_gradient_of_the_log_negativity_is_exact_at_degenerate_states(spectrum):
    amplitudes, direction = state_of_spectrum(np.array(SCHMIDT[spectrum], float), (4, 4)), normal(8, (4, 4))
    _, forward, reverse = gradient(log_negativity)(jnp.asarray(amplitudes), jnp.asarray(direction))
    left, values, right = np.linalg.svd(amplitudes)
    # 2 d log2(Σσ / |A|) with d Σσ = Re Tr[(U V†)† dA]
    slope = np.trace((left @ right).conj().T @ direction).real / values.sum()
    slope -= np.trace(amplitudes.conj().T @ direction).real / np.sum(values**2)
    assert forward == pytest.approx(2 * slope / math.log(2), abs=1e-14)
    assert np.sum(np.asarray(reverse) * direction).real == pytest.approx(2 * slope / math.log(2), abs=1e-14)


def test_the_gradient_of_the_min_entropy_and_of_the_purity_are_exact_at_a_simple_state():
    amplitudes, direction = normal(9, (4, 4)), normal(10, (4, 4))
    h = 1e-5
    for alpha in (0.5, 2, math.inf):
        _, forward, reverse = gradient(renyi(alpha))(jnp.asarray(amplitudes), jnp.asarray(direction))
        up, down = (oracles.renyi_bits(amplitudes + s * h * direction, alpha) for s in (1, -1))
        assert forward == pytest.approx((up - down) / (2 * h), abs=1e-8)
        assert np.sum(np.asarray(reverse) * direction).real == pytest.approx(float(forward), abs=1e-14)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_gradient_of_the_entropy_scales_as_one_over_the_amplitudes(scale):
    amplitudes, direction = normal(9, (4, 4)), normal(10, (4, 4))
    _, expected, _ = gradient(entanglement_entropy)(jnp.asarray(amplitudes), jnp.asarray(direction))
    _, got, _ = gradient(entanglement_entropy)(jnp.asarray(scale * amplitudes), jnp.asarray(scale * direction))
    assert got == pytest.approx(float(expected), abs=1e-14)


@pytest.mark.parametrize("eigenvalues", [[0.4, 0.3, 0.2, 0.1], [1, 1, 1, 1], [2, 2, 1, 1], [1, 1, 0, 0], [3, 1, 1, 0]])
def test_the_gradient_of_the_von_neumann_entropy_is_exact_on_the_support(eigenvalues):
    rho = density_matrix(np.array(eigenvalues, float))
    basis = unitary(0, 4)
    hermitian = normal(11, (4, 4))
    inside = np.array(eigenvalues) > 0
    # a direction that leads out of the support has an infinite slope: stay within it, and rotate the whole
    block = np.outer(inside, inside) * (hermitian + hermitian.conj().T)
    generator = hermitian - hermitian.conj().T
    for direction in (basis @ block @ basis.conj().T, generator @ rho - rho @ generator):
        _, forward, reverse = gradient(von_neumann_entropy)(jnp.asarray(rho), jnp.asarray(direction))
        assert np.isfinite(reverse).all()
        p = np.array(eigenvalues) / np.sum(eigenvalues)
        log = np.log2(np.where(inside, p, 1))
        total, trace = np.sum(eigenvalues), np.trace(direction).real
        expected = -(np.trace((basis * log) @ basis.conj().T @ direction).real - np.sum(p * log) * trace) / total
        assert forward == pytest.approx(expected, abs=5e-14)
        assert np.sum(np.asarray(reverse) * direction).real == pytest.approx(expected, abs=5e-14)


def test_gradients_are_finite_at_a_basis_state_with_zeros_everywhere():
    amplitudes = np.zeros((4, 4), complex)
    amplitudes[1, 2] = 1
    for measure in (entanglement_entropy, log_negativity, renyi(2), renyi(math.inf)):
        value, _, reverse = gradient(measure)(jnp.asarray(amplitudes), jnp.asarray(amplitudes))
        assert value == 0
        assert np.isfinite(reverse).all()
    np.testing.assert_array_equal(
        gradient(entanglement_entropy)(jnp.asarray(amplitudes), jnp.asarray(amplitudes))[2], 0
    )


def test_shannon_entropy_takes_the_last_axis_and_drops_what_is_not_positive():
    p = jnp.array([[0.5, 0.5, 0.0], [1.0, 0.0, -1e-17], [0.25, 0.25, 0.5]])
    np.testing.assert_allclose(entanglement.shannon_entropy(p), [1, 0, 1.5], rtol=1e-15)


# ------------------------------------------------------------------ transforms


def test_measures_pass_through_vmap():
    batch = np.stack([normal(1, (4, 4)), state_of_spectrum([1, 1], (4, 4)), np.eye(4) + 0j])
    got = jax.jit(jax.vmap(entanglement_entropy))(jnp.asarray(batch))
    np.testing.assert_allclose(got, [oracles.entropy_bits(a) for a in batch], rtol=0, atol=ROUNDING)


@pytest.mark.usefixtures("float32")
def test_measures_in_single_precision_are_good_to_its_rounding():
    amplitudes = normal(1, (4, 4), float)
    for measure, expected in (
        (entanglement_entropy, oracles.entropy_bits(amplitudes)),
        (log_negativity, oracles.log_negativity_bits(amplitudes)),
    ):
        got = jax.jit(measure)(jnp.asarray(amplitudes, jnp.float32))
        assert got.dtype == jnp.float32
        assert got == pytest.approx(expected, abs=2e-6)


# -------------------------------------------------------------------- errors

PURE = [schmidt_coefficients, entanglement_entropy, log_negativity, renyi(2)]
MIXED = [von_neumann_entropy, functools.partial(state_renyi_entropy, alpha=2)]
NOT_MATRICES = [np.ones(3), np.ones((2, 2, 2)), np.ones((0, 2)), np.ones(())]


@pytest.mark.parametrize("measure", PURE)
def test_amplitudes_that_are_no_state_are_refused(measure):
    for bad in (np.array([[1, np.nan], [0, 1]]), np.array([[1, 1j * np.inf], [0, 1]])):
        with pytest.raises(ValueError, match="Argument `amplitudes` must be finite, but holds NaN or infinity"):
            measure(bad)
    with pytest.raises(ValueError, match="Argument `amplitudes` must be a state, but is zero everywhere"):
        measure(np.zeros((2, 3)))
    for bad in NOT_MATRICES:
        with pytest.raises(ValueError, match="Argument `amplitudes` must be a matrix, but has shape"):
            measure(bad)


@pytest.mark.parametrize("measure", MIXED)
def test_density_matrices_that_are_no_state_are_refused(measure):
    with pytest.raises(ValueError, match="Argument `rho` must be finite, but holds NaN or infinity"):
        measure(np.array([[1, np.nan], [np.nan, 1]]))
    for bad in NOT_MATRICES:
        with pytest.raises(ValueError, match="Argument `rho` must be a matrix, but has shape"):
            measure(bad)
    with pytest.raises(ValueError, match=r"Argument `rho` must be a square matrix, but has shape \(2, 3\)"):
        measure(np.ones((2, 3)))
    for bad in (np.array([[1, 0.1], [0, 1]]), np.array([[1, 0.1j], [0.1j, 1]]), np.diag([1, 1j])):
        with pytest.raises(ValueError, match="Argument `rho` must be Hermitian, but differs from its adjoint by"):
            measure(bad)
    for bad in (np.zeros((2, 2)), np.diag([1.0, -1.0]), np.diag([-2.0, 1.0])):
        with pytest.raises(ValueError, match="Argument `rho` must have a positive trace, but it is"):
            measure(bad)


def test_a_density_matrix_with_a_negative_eigenvalue_is_refused():
    with pytest.raises(ValueError, match="Argument `rho`"):
        von_neumann_entropy(np.diag([2.0, -1.0]))


def test_rounding_does_not_make_a_density_matrix_inadmissible():
    rho = density_matrix([0.5, 0.5, 0.0, 0.0]) + 1e-15 * normal(3, (4, 4))
    assert von_neumann_entropy(rho) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("alpha", [-1, -1e-9, -math.inf, math.nan])
def test_an_order_that_is_negative_or_no_number_is_refused(alpha):
    with pytest.raises(ValueError, match="Argument `alpha` must be a number of at least 0, but is"):
        renyi_entropy(np.eye(2), alpha)
    with pytest.raises(ValueError, match="Argument `alpha` must be a number of at least 0, but is"):
        state_renyi_entropy(np.eye(2), alpha)
