"""Eigenvalues and singular values against LAPACK, their differentials against Tr[F'(B) dB]."""

import functools
import subprocess
import sys
import zlib

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from jaxent import spectral
from jaxent.numerics import decompositions

pytestmark = pytest.mark.usefixtures("quick_compilation")

SIZES = [1, 2, 15, 16, 17, 60]  # on both sides of the size from which the matrix is reduced without eigenvectors
DTYPES = [float, complex]

eigvalsh = jax.jit(spectral.eigvalsh)
svdvals = jax.jit(spectral.svdvals)


def random_numbers(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def random_matrix(rng, shape, dtype):
    real = rng.normal(size=shape)
    return real + 1j * rng.normal(size=shape) if dtype is complex else real


def hermitian(rng, n, dtype):
    matrix = random_matrix(rng, (n, n), dtype)
    return (matrix + matrix.conj().T) / 2


def with_spectrum(rng, eigenvalues, dtype):
    """A Hermitian matrix of these eigenvalues in a random basis."""
    n = len(eigenvalues)
    basis, _ = np.linalg.qr(random_matrix(rng, (n, n), dtype))
    matrix = (basis * eigenvalues) @ basis.conj().T
    return (matrix + matrix.conj().T) / 2


SPECTRA = {
    "zero": np.zeros,
    "all equal": np.ones,
    "half one and half zero": lambda n: np.repeat([0.0, 1.0], [n // 2, n - n // 2]),
    "three values": lambda n: np.sort(np.arange(n) % 3 - 1.0),
    "a cluster of 1e-14": lambda n: 1 + 1e-14 * np.arange(n),
    "graded": lambda n: np.sort(10.0 ** -np.arange(n)),
}


# ------------------------------------------------------------------ eigenvalues


# measured 4.3e-15 at n = 60: a few roundings of the largest eigenvalue (LAPACK's own are as large)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_eigenvalues_of_a_random_hermitian_matrix_are_those_of_lapack(size, dtype):
    matrix = hermitian(random_numbers(f"{size} {dtype}"), size, dtype)
    expected = np.linalg.eigvalsh(matrix)
    got = eigvalsh(jnp.asarray(matrix))
    assert got.shape == (size,)
    assert got.dtype == jnp.float64
    # 18 roundings of the norm: the QL iteration of LAPACK makes up to 12 of them
    np.testing.assert_allclose(got, expected, rtol=0, atol=4e-15 * max(1, abs(expected).max()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_eigenvalues_of_a_degenerate_matrix_are_the_prescribed_ones(spectrum, size, dtype):
    expected = SPECTRA[spectrum](size)
    matrix = with_spectrum(random_numbers(spectrum), expected, dtype)
    np.testing.assert_allclose(eigvalsh(jnp.asarray(matrix)), expected, rtol=0, atol=4e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_eigenvalues_of_a_diagonal_matrix_are_its_sorted_diagonal(size, dtype):
    diagonal = np.random.default_rng(size).permutation(size).astype(dtype)
    np.testing.assert_allclose(
        eigvalsh(jnp.diag(jnp.asarray(diagonal))), np.arange(size), rtol=0, atol=1e-14
    )  # 3.6e-15
    np.testing.assert_array_equal(eigvalsh(jnp.zeros((size, size), dtype)), np.zeros(size))


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1e-160, 1e160, 1e200, 1e300])
@pytest.mark.parametrize("size", [2, 16, 17])
def test_eigenvalues_scale_with_the_matrix(size, scale):
    matrix = hermitian(np.random.default_rng(size), size, float)
    expected = np.linalg.eigvalsh(matrix)
    got = np.asarray(eigvalsh(jnp.asarray(scale * matrix))) / scale
    np.testing.assert_allclose(got, expected, rtol=0, atol=4e-15 * abs(expected).max())


@pytest.mark.parametrize("size", [2, 16])
def test_only_the_lower_triangle_is_read(size):
    matrix = hermitian(np.random.default_rng(size), size, complex)
    spoiled = matrix + np.triu(np.full((size, size), 5.0), 1)
    np.testing.assert_array_equal(eigvalsh(jnp.asarray(spoiled)), eigvalsh(jnp.asarray(matrix)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_batch_of_matrices_is_solved_by_vmap(dtype):
    rng = random_numbers("batch")
    batch = np.stack([hermitian(rng, 16, dtype), with_spectrum(rng, np.ones(16), dtype), np.zeros((16, 16))])
    got = jax.jit(jax.vmap(spectral.eigvalsh))(jnp.asarray(batch))
    np.testing.assert_allclose(got, np.linalg.eigvalsh(batch), rtol=0, atol=1e-14)


@pytest.mark.usefixtures("float32")
def test_single_precision_eigenvalues_are_good_to_its_rounding():
    matrix = hermitian(np.random.default_rng(0), 16, float)
    got = jax.jit(spectral.eigvalsh)(jnp.asarray(matrix, jnp.float32))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, np.linalg.eigvalsh(matrix), rtol=0, atol=5e-6)  # measured 8e-7


# -------------------------------------------------- their differentials


def symmetric_function(eigenvalues):
    return jnp.sum(jnp.exp(-eigenvalues) + eigenvalues**3)


@functools.cache
def differentials(size, dtype):
    """Value, forward mode along a direction and reverse mode of Σ f(λ), compiled once per shape."""

    def f(matrix):
        return symmetric_function(spectral.eigvalsh(matrix))

    return jax.jit(lambda matrix, direction: (*jax.jvp(f, (matrix,), (direction,)), jax.grad(f)(matrix)))


def symmetric_function_exact(matrix):
    """Value and F'(B) = -e^(-B) + 3 B², from NumPy's eigenvectors."""
    values, vectors = np.linalg.eigh(matrix)
    slopes = -np.exp(-values) + 3 * values**2
    return np.sum(np.exp(-values) + values**3), (vectors * slopes) @ vectors.conj().T


DEGENERATE = {
    "simple": lambda n: np.linspace(-1, 2, n),
    **{name: SPECTRA[name] for name in ("zero", "all equal", "three values", "a cluster of 1e-14")},
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [3, 17])
@pytest.mark.parametrize("spectrum", DEGENERATE)
def test_differentials_of_a_symmetric_function_are_exact_at_degenerate_spectra(spectrum, size, dtype):
    rng = random_numbers(f"{spectrum} {size}")
    matrix, direction = with_spectrum(rng, DEGENERATE[spectrum](size), dtype), hermitian(rng, size, dtype)
    value, forward, reverse = differentials(size, dtype)(jnp.asarray(matrix), jnp.asarray(direction))
    exact_value, derivative = symmetric_function_exact(matrix)
    exact = np.trace(derivative @ direction).real
    assert value == pytest.approx(exact_value, rel=1e-14)
    assert forward == pytest.approx(exact, abs=2e-13)  # measured 4e-14, a sum of 17² products
    # JAX's cotangent convention: dF = Re Σ g_ij dB_ij
    assert np.sum(np.asarray(reverse) * direction).real == pytest.approx(exact, abs=2e-13)
    np.testing.assert_allclose(reverse, derivative.conj(), rtol=0, atol=5e-14)
    h = 1e-5
    difference = (
        symmetric_function_exact(matrix + h * direction)[0] - symmetric_function_exact(matrix - h * direction)[0]
    ) / (2 * h)
    assert forward == pytest.approx(difference, abs=2e-7)  # h² times a third derivative of about 10³


def test_differentials_are_exact_under_vmap():
    rng = random_numbers("vmap")
    matrices = np.stack([with_spectrum(rng, DEGENERATE[name](3), float) for name in DEGENERATE])
    direction = hermitian(rng, 3, float)
    _, forward, reverse = jax.vmap(differentials(3, float), in_axes=(0, None))(
        jnp.asarray(matrices), jnp.asarray(direction)
    )
    derivatives = np.stack([symmetric_function_exact(matrix)[1] for matrix in matrices])
    np.testing.assert_allclose(forward, np.einsum("nij,ji->n", derivatives, direction), rtol=0, atol=1e-14)
    np.testing.assert_allclose(reverse, derivatives, rtol=0, atol=1e-14)


def test_the_differential_of_a_simple_eigenvalue_is_its_expectation_value():
    rng = random_numbers("simple")
    matrix, direction = hermitian(rng, 16, complex), hermitian(rng, 16, complex)
    _, vectors = np.linalg.eigh(matrix)
    _, slopes = jax.jit(lambda b, d: jax.jvp(spectral.eigvalsh, (b,), (d,)))(
        jnp.asarray(matrix), jnp.asarray(direction)
    )
    expected = np.einsum("ki,kl,li->i", vectors.conj(), direction, vectors).real
    np.testing.assert_allclose(slopes, expected, rtol=0, atol=1e-13)


def test_second_derivatives_are_right_where_the_spectrum_is_simple():
    rng = random_numbers("second")
    matrix = jnp.asarray(with_spectrum(rng, np.array([-1.0, 0.5, 2.0, 3.0]), float))
    direction = jnp.asarray(hermitian(rng, 4, float))

    def first(b):  # of Tr B³
        return jax.jvp(lambda x: jnp.sum(spectral.eigvalsh(x) ** 3), (b,), (direction,))[1]

    second = jax.jit(lambda b: jax.jvp(first, (b,), (direction,))[1])(matrix)
    assert second == pytest.approx(6 * np.trace(matrix @ direction @ direction), rel=1e-12)


# -------------------------------------------------------------- singular values

SHAPES = [(1, 1), (1, 4), (2, 2), (3, 5), (5, 3), (16, 16), (17, 60)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_are_those_of_lapack_at_any_scale(shape, dtype):
    matrix = random_matrix(random_numbers(f"{shape} {dtype}"), shape, dtype)
    expected = np.linalg.svd(matrix, compute_uv=False)
    assert svdvals(jnp.asarray(matrix)).dtype == jnp.float64
    for scale in (1.0, 1e-300, 1e-200, 1e200, 1e300):
        got = np.asarray(svdvals(jnp.asarray(scale * matrix))) / scale
        np.testing.assert_allclose(got, expected, rtol=0, atol=2e-15 * max(1, expected[0]))
    np.testing.assert_array_equal(svdvals(jnp.zeros(shape, dtype)), np.zeros(min(shape)))


def quartic(matrix):
    """Σ σ⁴ = Tr (A†A)², smooth where a singular value is zero."""
    return jnp.sum(spectral.svdvals(matrix) ** 4)


def low_rank(rng, shape, singular_values, dtype):
    rank = len(singular_values)
    left, _ = np.linalg.qr(random_matrix(rng, (shape[0], rank), dtype))
    right, _ = np.linalg.qr(random_matrix(rng, (shape[1], rank), dtype))
    return (left * singular_values) @ right.conj().T


@functools.cache
def svd_differentials():
    def f(matrix, direction):
        return (*jax.jvp(quartic, (matrix,), (direction,)), jax.grad(quartic)(matrix))

    return jax.jit(f)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("singular_values", [[], [1.0], [1.0, 1.0], [1.0, 1.0, 1.0], [3.0, 1 + 1e-14, 1.0]])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3)])
def test_differentials_of_singular_values_are_exact_where_they_are_degenerate_or_zero(shape, singular_values, dtype):
    rng = random_numbers(f"{shape} {singular_values}")
    matrix = low_rank(rng, shape, np.array(singular_values), dtype)
    direction = random_matrix(rng, shape, dtype)
    value, forward, reverse = svd_differentials()(jnp.asarray(matrix), jnp.asarray(direction))
    derivative = 4 * matrix @ matrix.conj().T @ matrix
    exact = np.sum(derivative.conj() * direction).real
    assert value == pytest.approx(np.sum(np.array(singular_values) ** 4), rel=2e-14)
    assert forward == pytest.approx(exact, rel=1e-13, abs=1e-14)
    scale = max([1.0, *singular_values]) ** 3
    np.testing.assert_allclose(reverse, derivative.conj(), rtol=0, atol=1e-14 * scale)
    assert np.sum(np.asarray(reverse) * direction).real == pytest.approx(exact, rel=1e-13, abs=1e-14)


def test_the_differential_of_the_trace_norm_is_exact_at_equal_singular_values():
    rng = random_numbers("trace norm")
    unitary, _ = np.linalg.qr(random_matrix(rng, (4, 4), complex))
    direction = random_matrix(rng, (4, 4), complex)

    def trace_norm(matrix):
        return jnp.sum(spectral.svdvals(matrix))

    value, slope = jax.jit(lambda a, d: jax.jvp(trace_norm, (a,), (d,)))(jnp.asarray(unitary), jnp.asarray(direction))
    assert value == pytest.approx(4, rel=1e-15)
    assert slope == pytest.approx(np.trace(unitary.conj().T @ direction).real, abs=1e-14)


def test_singular_values_of_a_batch_and_their_gradients_pass_through_vmap():
    rng = random_numbers("svd batch")
    batch = np.stack([random_matrix(rng, (3, 5), float), low_rank(rng, (3, 5), np.ones(2), float), np.zeros((3, 5))])
    np.testing.assert_allclose(
        jax.jit(jax.vmap(spectral.svdvals))(jnp.asarray(batch)),
        np.linalg.svd(batch, compute_uv=False),
        rtol=0,
        atol=5e-15,
    )
    gradients = jax.jit(jax.vmap(jax.grad(quartic)))(jnp.asarray(batch))
    np.testing.assert_allclose(gradients, [4 * a @ a.T @ a for a in batch], rtol=1e-13, atol=2e-14)


# ------------------------------------- functions of a spectrum, to second order


def third_and_fourth(values):
    """A symmetric function that is no plain sum: (Σλ³)(Σλ⁴) and Σλ⁴."""
    cubes, fourths = jnp.sum(values**3), jnp.sum(values**4)
    return jnp.stack([cubes * fourths, fourths])


def along(first, second, x):
    """The same of B + xD, from traces of matrix powers."""
    matrix = first + x * second
    square = matrix @ matrix
    cubes, fourths = np.trace(square @ matrix).real, np.trace(square @ square).real
    return np.array([cubes * fourths, fourths])


def derivatives_of_polynomial(function, degree):
    """Value, first and second derivative at 0 of a polynomial, by interpolation."""
    nodes = np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    fit = np.polynomial.polynomial.polyfit(nodes, np.array([function(x) for x in nodes]), degree)
    return fit[0], fit[1], 2 * fit[2]


def three_derivatives(function):
    return (
        function(0.0),
        jax.jit(jax.jacrev(function))(0.0),
        jax.jit(jax.jacfwd(jax.jacrev(function)))(0.0),
        jax.jit(jax.jacfwd(jax.jacfwd(function)))(0.0),
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("spectrum", SPECTRA)
@pytest.mark.parametrize("size", [1, 2, 5, 17])
def test_second_derivatives_of_a_symmetric_function_are_exact_at_degenerate_spectra(spectrum, size, dtype):
    rng = random_numbers(f"second {spectrum} {size} {dtype}")
    blocks = [with_spectrum(rng, SPECTRA[spectrum](n), dtype) for n in (size, 3)]
    moves = [hermitian(rng, n, dtype) / n for n in (size, 3)]
    whole, move = (np.zeros((size + 3, size + 3), dtype) for _ in range(2))
    for target, parts in ((whole, blocks), (move, moves)):
        target[:size, :size], target[size:, size:] = parts

    def function(x):
        moved = [b + x * d for b, d in zip(blocks, moves, strict=True)]
        return spectral.of_eigenvalues(third_and_fourth, moved)

    value, first, second = derivatives_of_polynomial(lambda x: along(whole, move, x), 7)
    found = three_derivatives(jax.jit(function))
    for ours, exact in zip(found, (value, first, second, second), strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-8, atol=1e-9 * max(1.0, abs(exact).max()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("singular_values", [[3.0, 2.0, 1.0], [2.0, 2.0, 2.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
def test_second_derivatives_in_singular_values_are_exact_where_they_are_equal_or_zero(singular_values, dtype):
    rng = random_numbers(f"second {singular_values} {dtype}")
    left, right = (np.linalg.qr(random_matrix(rng, (3, 3), dtype))[0] for _ in range(2))
    matrix, move = left * singular_values @ right, random_matrix(rng, (3, 3), dtype)

    def sums(x):
        square = (matrix + x * move) @ (matrix + x * move).conj().T
        return np.array([np.trace(square).real * np.trace(square @ square).real, np.trace(square @ square).real])

    def even(values):
        return jnp.stack([jnp.sum(values**2) * jnp.sum(values**4), jnp.sum(values**4)])

    value, first, second = derivatives_of_polynomial(sums, 6)
    found = three_derivatives(jax.jit(lambda x: spectral.of_singular_values(even, [matrix + x * move])))
    for ours, exact in zip(found, (value, first, second, second), strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-8, atol=1e-9 * max(1.0, abs(exact).max()))


def test_the_second_derivative_of_the_entropy_of_equal_eigenvalues_is_that_of_arbitrary_precision():
    rng = random_numbers("entropy of equal eigenvalues")
    base = with_spectrum(rng, np.array([0.25, 0.25, 0.25, 0.2, 0.05]), float)
    move = hermitian(rng, 5, float)
    move -= np.trace(move) / 5 * np.eye(5)
    with mp.workdps(50):
        basis = mp.matrix(base.tolist())

        def entropy(x):
            eigenvalues = mp.eigsy(basis + mp.mpf(x) * mp.matrix(move.tolist()), eigvals_only=True)
            return -mp.fsum(v * mp.log(v) for v in eigenvalues)

        h = mp.mpf(10) ** -12
        expected = float((entropy(h) - 2 * entropy(0) + entropy(-h)) / h**2)

    def function(x):
        return spectral.of_eigenvalues(lambda v: -jnp.sum(v * jnp.log(v)), [base + x * move])

    assert float(jax.jit(jax.hessian(function))(0.0)) == pytest.approx(expected, rel=1e-9)
    batch = jax.jit(jax.vmap(jax.hessian(function)))(jnp.zeros(3))
    np.testing.assert_allclose(batch, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_trace_norm_has_its_second_derivative_away_from_zero_eigenvalues(dtype):
    rng = random_numbers(f"trace norm {dtype}")
    matrix = with_spectrum(rng, np.array([-2.0, -2.0, 1.0, 1.0, 0.5]), dtype)
    move = hermitian(rng, 5, dtype)

    def norm(x):
        return spectral.trace_norm([matrix + x * move])

    def expected(x):
        values, vectors = np.linalg.eigh(matrix + x * move)
        return np.trace((vectors * np.sign(values)) @ vectors.conj().T @ move).real

    step = 1e-4
    central = (8 * (expected(step) - expected(-step)) - expected(2 * step) + expected(-2 * step)) / (12 * step)
    assert float(jax.jit(jax.hessian(norm))(0.0)) == pytest.approx(central, rel=1e-8)
    assert float(jax.jit(jax.grad(norm))(0.0)) == pytest.approx(expected(0.0), rel=1e-12)


def test_several_decompositions_in_one_program_do_not_wait_for_each_other(tmp_path):
    """Batched LAPACK calls that run at once can block all threads of the pool; on two cores a few rounds hung."""
    script = """
import jax, numpy as np
jax.config.update("jax_enable_x64", True)
import jaxent
from jaxent.spins.moments import CollectiveSpinMoments
judge = jax.jit(jax.vmap(lambda mean: jaxent.witnesses(CollectiveSpinMoments.measured(mean, np.eye(6), 2))[2].value))
for _ in range(60):
    np.asarray(jaxent.end_to_end_entropy(jaxent.Chain(3, 50, 3.0), np.linspace(0.1, 3, 400)))
    np.asarray(jaxent.end_to_end_log_negativity(jaxent.Chain(3, 9), np.linspace(0.1, 3, 40), 0.01))
    np.asarray(judge(np.linspace(0, 1, 60_000).reshape(-1, 6)))
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120, cwd=tmp_path)


DECOMPOSITIONS = {"eigh": decompositions.eigh, "svd": decompositions.svd, "cholesky": decompositions.inverse_cholesky}
OF_LIBRARY = {  # with JAX's own rules
    "eigh": lambda matrix: tuple(jnp.linalg.eigh(matrix, symmetrize_input=False)),
    "svd": lambda matrix: (lambda u, s, v: (s, u, v))(*jnp.linalg.svd(matrix, full_matrices=False)),
    "cholesky": lambda matrix: jnp.linalg.inv(jnp.linalg.cholesky(matrix, symmetrize_input=False)),
}


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize(("kind", "shape"), [("eigh", (5, 5)), ("svd", (5, 3)), ("svd", (3, 5)), ("cholesky", (4, 4))])
def test_derivatives_of_decompositions_are_those_of_jax(kind, shape, dtype):
    generator = np.random.default_rng(3)
    matrix, tangent = (random_matrix(generator, shape, dtype) for _ in range(2))
    if kind != "svd":
        matrix, tangent = (x @ x.conj().T for x in (matrix, tangent))
    matrix, tangent = jnp.asarray(matrix), jnp.asarray(tangent)

    def twice(decompose):
        def once(x):
            return jax.jvp(decompose, (x,), (tangent,))

        return jax.jvp(once, (matrix,), (tangent,))

    for got, expected in zip(*(jax.tree.leaves(twice(x[kind])) for x in (DECOMPOSITIONS, OF_LIBRARY)), strict=True):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


@pytest.mark.parametrize("kind", DECOMPOSITIONS)
def test_no_batch_is_given_to_lapack_not_even_by_derivatives(kind):
    """Two calls of batches could wait for each other; see `numerics.decompositions`."""

    def second(matrix):
        value = lambda x: sum(jnp.sum(y.real) for y in jax.tree.leaves(DECOMPOSITIONS[kind](x)))  # noqa: E731
        return jax.jvp(jax.grad(value), (matrix,), (matrix,))

    text = jax.jit(jax.vmap(second)).lower(jnp.ones((7, 3, 3))).as_text()
    calls = [line for line in text.splitlines() if "lapack_" in line]
    assert calls
    assert not [line for line in calls if "tensor<7x" in line]


def test_integers_are_promoted():
    np.testing.assert_allclose(eigvalsh(jnp.array([[0, 1], [1, 0]])), [-1.0, 1.0], atol=1e-15)


def test_eigenvalues_of_nothing_and_of_huge_numbers():
    assert eigvalsh(jnp.zeros((0, 0))).shape == (0,)
    np.testing.assert_allclose(eigvalsh(jnp.full((40, 40), 1e306))[-1], 4e307, rtol=1e-13)
    assert np.isnan(eigvalsh(jnp.full((3, 3), jnp.nan))).all()
    assert np.isnan(eigvalsh(jnp.full((3, 3), jnp.inf))).all()


def test_eigenvalues_without_vectors_are_what_lapack_is_asked_for():
    text = jax.jit(eigvalsh).lower(jnp.eye(4)).as_text()
    assert "lapack_dsyevd_ffi" in text
    assert "mode = 78" in text  # N
