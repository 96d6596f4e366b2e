"""Jacobi's rotations, which a GPU takes, called directly: against LAPACK, SciPy and known spectra."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from jaxent import Chain, end_to_end_entropy, spectral
from jaxent.numerics import decompositions, jacobi

SIZES = [5, 40]  # an odd one, and one that gets a row of zeros
DTYPES = [float, complex]

eigh = jax.jit(jacobi.eigh)
eigvalsh = jax.jit(jacobi.eigvalsh)


def random_basis(rng, size, dtype):
    matrix = rng.normal(size=(size, size))
    return np.linalg.qr(matrix + 1j * rng.normal(size=(size, size)) if dtype is complex else matrix)[0]


def some(size, dtype):
    """Matrices whose spectra are random, degenerate, clustered, graded and zero, and these spectra."""
    rng = np.random.default_rng(size)
    spectra = np.array(
        [
            rng.normal(size=size),
            np.arange(size) % 3 - 1.0,  # three values, which converge slowly if equal ones are not side by side
            np.arange(size) // (size // 2) * 1.0,
            np.where(np.arange(size) % 2, 1.0, -1.0) * (1 + np.arange(size) // 6),
            1 + 1e-14 * np.arange(size),
            10.0 ** -np.arange(size),
            np.ones(size),
            np.zeros(size),
        ]
    )
    bases = [random_basis(rng, size, dtype) for _ in spectra]
    matrices = np.stack([(basis * values) @ basis.conj().T for basis, values in zip(bases, spectra, strict=True)])
    return (matrices + matrices.conj().swapaxes(-1, -2)) / 2, np.sort(spectra, axis=-1)


# measured: 3e-15 of the largest eigenvalue (4e-15 between LAPACK and the prescribed spectrum)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES)
def test_values_and_vectors_are_right_at_degenerate_spectra(size, dtype):
    matrices, exact = some(size, dtype)
    values, vectors = (np.asarray(x) for x in eigh(jnp.asarray(matrices)))
    largest = np.maximum(abs(exact).max(axis=-1), 1e-300)
    assert (abs(values - exact).max(axis=-1) <= 1e-14 * largest).all()
    adjoints = vectors.conj().swapaxes(-1, -2)
    assert abs(adjoints @ vectors - np.eye(size)).max() <= 1e-14
    residuals = abs(matrices @ vectors - vectors * values[:, None, :]).max(axis=(-2, -1))
    assert (residuals <= 1e-14 * largest).all()
    np.testing.assert_allclose(eigvalsh(jnp.asarray(matrices)), values, rtol=0, atol=1e-14 * largest.max())


def test_functions_of_matrices_are_those_of_scipy():
    matrices, _ = some(40, float)
    values, vectors = eigh(jnp.asarray(matrices))
    found = (vectors * jnp.exp(values)[:, None, :]) @ vectors.swapaxes(-1, -2)
    for one, matrix in zip(found, matrices, strict=True):
        exact = scipy.linalg.expm(matrix)
        assert abs(one - exact).max() <= 1e-13 * abs(exact).max()


def test_rows_of_weights_that_span_thirty_orders():
    weights = np.geomspace(1e-30, 1.0, 40)
    kernel = np.cos(np.subtract.outer(np.arange(40), np.arange(40)) * 0.3) ** 8
    matrix = np.sqrt(weights)[:, None] * kernel * np.sqrt(weights)
    for scale in (1e-200, 1.0, 1e200):
        found = eigvalsh(jnp.asarray(scale * matrix)[None])[0] / scale
        np.testing.assert_allclose(found, np.linalg.eigvalsh(matrix), rtol=0, atol=2e-15)


@pytest.mark.parametrize("pattern", ["five classes", "checkerboard", "diagonal", "exchange"])
def test_patterns_of_zeros(pattern):
    row, column = np.indices((40, 40))
    matrix = np.random.default_rng(1).normal(size=(40, 40))
    keep = {
        "five classes": (row - column) % 5 == 0,
        "checkerboard": (row + column) % 2 == 1,
        "diagonal": row == column,
        "exchange": row + column == 39,
    }[pattern]
    matrix = (matrix + matrix.T) * keep
    np.testing.assert_allclose(
        eigvalsh(jnp.asarray(matrix)[None])[0],
        np.linalg.eigvalsh(matrix),
        rtol=0,
        atol=1e-14 * abs(matrix).sum(0).max(),
    )


def test_only_the_lower_triangle_is_read_under_any_nesting_of_vmap():
    matrices, _ = some(5, complex)
    spoiled = (matrices + np.triu(np.full((5, 5), 5.0), 1)).reshape(2, 4, 5, 5)
    found = jax.jit(jax.vmap(jacobi.eigvalsh))(jnp.asarray(spoiled)).reshape(-1, 5)
    np.testing.assert_allclose(found, np.linalg.eigvalsh(matrices), rtol=0, atol=1e-14)


def test_what_does_not_converge_is_nan_and_leaves_the_others_alone(monkeypatch):
    matrices, _ = some(5, float)
    matrices[3, 4, 0] = np.nan
    values, vectors = eigh(jnp.asarray(matrices))
    np.testing.assert_array_equal(np.isnan(values).all(axis=-1), np.arange(8) == 3)
    np.testing.assert_array_equal(np.isnan(vectors).any(axis=(-2, -1)), np.arange(8) == 3)
    monkeypatch.setattr(jacobi, "_MOST_SWEEPS", 1)
    early = jacobi.eigvalsh(jnp.asarray(matrices[[0, 7]]))
    np.testing.assert_array_equal(np.isnan(early).all(axis=-1), [True, False])


@pytest.mark.usefixtures("quick_compilation")
def test_single_precision_and_strict_modes():
    matrices, exact = some(5, float)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        values, vectors = jacobi.eigh(jnp.asarray(matrices, jnp.float32))
        complex_values = jacobi.eigvalsh(jnp.asarray(matrices, jnp.complex64))
    assert (values.dtype, vectors.dtype, complex_values.dtype) == (jnp.float32, jnp.float32, jnp.float32)
    np.testing.assert_allclose(values, exact, rtol=0, atol=1e-5)
    np.testing.assert_allclose(complex_values, exact, rtol=0, atol=1e-5)


@pytest.mark.usefixtures("quick_compilation")
def test_derivatives_of_an_entropy_are_those_of_lapack(monkeypatch):
    times = jnp.array([0.3, 0.7, 2 * math.pi / 3, 1.9])  # one at which three Schmidt coefficients are equal, the rest 0

    def entropy(time):
        return end_to_end_entropy(Chain(3, 20), time)

    both = jax.vmap(jax.value_and_grad(entropy))
    lapack = jax.jit(both)(times)
    jax.clear_caches()
    monkeypatch.setattr(spectral, "eigh", lambda matrix: tuple(x[0] for x in jacobi.eigh(matrix[None])))
    monkeypatch.setattr(decompositions, "_values_only", lambda matrix: jacobi.eigvalsh(matrix[None])[0])
    rotated = jax.jit(both)(times)
    jax.clear_caches()
    for found, expected, tolerance in zip(rotated, lapack, (1e-13, 1e-11), strict=True):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_small_batches_and_other_sizes_are_left_to_the_library():
    assert jacobi.pays(200, 51)
    assert not jacobi.pays(200, 32)
    assert not jacobi.pays(200, 129)
    assert not jacobi.pays(1, 51)
