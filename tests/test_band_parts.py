"""The parts of the band engine, each against something that shares no code with it."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.linalg

from jaxent import pi_fraction
from jaxent.band import blocks
from jaxent.band.factor import log_determinant
from jaxent.band.phases import multiples, reduced, resonances
from jaxent.band.plan import distance_for
from jaxent.band.quadrature import FLOOR, fitted_rule
from jaxent.entanglement.continuity import entropy_change

# -------------------------------------------------------------------------- phases


@pytest.mark.parametrize("time", [1.0, 2.345678, 1e-9, math.pi, -0.7, 123456.789, 5e-324])
@pytest.mark.parametrize("integer", [1, -3, 10**12 + 7, -(2**39)])
def test_phases_of_floats_are_right_to_rounding(time, integer):
    with mpmath.workdps(80):
        exact = mpmath.mpf(integer) * mpmath.mpf(time) / (4 * mpmath.pi)
        error = float(multiples(np.array([integer]), reduced(time))[0] - (exact - mpmath.nint(exact)))
    assert abs(error) <= 1e-16


@pytest.mark.parametrize(("numerator", "denominator"), [(1, 3), (2, 7), (-5, 11), (10**9 + 7, 2**28 - 3)])
def test_phases_of_exact_times_are_exact(numerator, denominator):
    integers = np.array([2, 10**12 + 2, -(10**11) + 5])
    found = multiples(integers, reduced(pi_fraction(numerator, denominator)))
    exact = [int(n) * numerator % (4 * denominator) / (4 * denominator) for n in integers]
    assert (abs((found - exact) - np.round(found - exact)) <= 1e-16).all()


def test_resonances_are_the_best_denominators():
    time = 2 * math.pi * 3 / 7 + 1e-9
    with mpmath.workdps(60):
        turn = mpmath.mpf(time) / (2 * mpmath.pi)
        distances = [float(2 * mpmath.pi * abs(r * turn - mpmath.nint(r * turn))) for r in range(1, 3001)]
    records = [r for r in range(2, 3001) if distances[r - 1] < min(distances[: r - 1])]
    found = dict(resonances(reduced(time), 3000))
    assert set(records) <= set(found)
    for r, distance in found.items():
        assert distance == pytest.approx(distances[r - 1], rel=1e-12)
    assert resonances(reduced(pi_fraction(6, 7)), 1000)[-1] == (7, pytest.approx(0.0, abs=1e-26))


# ---------------------------------------------------------------------- quadrature


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0, 5.0])
def test_a_rule_keeps_its_error_between_its_own_samples(power):
    rule = fitted_rule((power, 0.0), (power, None), moments=1 if power == 1 else 2)
    assert rule.errors.max() <= 1e-10
    x = np.random.default_rng(1).uniform(size=2000) ** 6
    logs = np.log1p(x[:, None] / rule.nodes).real @ rule.log_weights.T
    found = logs + x[:, None] ** np.arange(1, rule.moment_weights.shape[1] + 1) @ rule.moment_weights.T
    exact = np.stack([x**power * np.log(x), x**power], axis=1)
    assert (abs(found - exact) / (x[:, None] + FLOOR) <= 1.01 * rule.errors + 1e-13).all()


def test_a_function_beyond_the_rules_says_so():
    assert fitted_rule((0.5, None), (1.0, None), moments=1).errors.max() > 1e-9


# ------------------------------------------------------------------- factorization


def random_band(size, half_bandwidth):
    rng = np.random.default_rng(size + half_bandwidth)
    columns = rng.normal(size=(size, half_bandwidth + 1))
    for column in range(min(half_bandwidth, size)):
        columns[column, : half_bandwidth - column] = 0
    dense = np.zeros((size, size))
    for m in range(size):
        for j in range(half_bandwidth + 1):
            if m - half_bandwidth + j >= 0:
                dense[m - half_bandwidth + j, m] = dense[m, m - half_bandwidth + j] = columns[m, j]
    return columns, dense


@pytest.mark.parametrize(("size", "half_bandwidth"), [(1, 1), (2, 1), (5, 7), (13, 3), (40, 8)])
@pytest.mark.parametrize("shift", [12.0, 2j, 6 + 9j])
def test_log_determinants_agree_with_eigenvalues(size, half_bandwidth, shift):
    columns, dense = random_band(size, half_bandwidth)
    found = log_determinant(jnp.asarray(columns), jnp.asarray(shift))
    exact = np.sum(np.log(abs(1 + scipy.linalg.eigvalsh(dense) / shift)))
    assert float(found) == pytest.approx(exact, abs=1e-12 * size)


@pytest.mark.parametrize("shift", [12.0, 2j])
def test_derivatives_are_those_of_the_dense_determinant(shift):
    columns, dense = random_band(13, 3)
    gradient = jax.grad(log_determinant)(jnp.asarray(columns), jnp.asarray(shift))
    inverse = np.linalg.inv(dense + shift * np.eye(13)).real
    for m in range(13):
        for j in range(4):
            row = m - 3 + j
            exact = 0.0 if row < 0 else inverse[row, m] * (1 if row == m else 2)
            assert float(gradient[m, j]) == pytest.approx(exact, abs=1e-13)
    direction = jnp.asarray(random_band(13, 3)[0][::-1])
    tangent = jax.jvp(lambda c: log_determinant(c, jnp.asarray(shift)), (jnp.asarray(columns),), (direction,))[1]
    assert float(tangent) == pytest.approx(float(jnp.sum(gradient * direction)), rel=1e-12)


def test_the_derivative_in_the_shift():
    columns, dense = random_band(13, 3)
    slope = jax.grad(log_determinant, argnums=1)(jnp.asarray(columns), jnp.asarray(12.0))
    values = scipy.linalg.eigvalsh(dense)
    assert float(slope) == pytest.approx(np.sum(1 / (12.0 + values) - 1 / 12.0), rel=1e-12)


def test_second_derivatives():
    columns, _ = random_band(6, 2)
    direction = jnp.asarray(random_band(6, 2)[0][::-1])

    def value(x):
        return log_determinant(jnp.asarray(columns) + x * direction, jnp.asarray(9.0))

    step = 1e-3
    central = (jax.jit(jax.grad(value))(step) - jax.jit(jax.grad(value))(-step)) / (2 * step)
    assert float(jax.jit(jax.grad(jax.grad(value)))(0.0)) == pytest.approx(float(central), rel=1e-5)


# ------------------------------------------- the same in blocks, as a GPU does it, called directly

# fewer rows than columns at once, a half-bandwidth below, at and beyond them, and sizes that no block divides
BLOCKS = [(1, 1), (5, 7), (13, 3), (41, 8)]


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize(("size", "half_bandwidth"), BLOCKS)
def test_log_determinants_and_inverses_in_blocks_are_the_dense_ones(size, half_bandwidth):
    columns, dense = random_band(size, half_bandwidth)
    row, offset = np.indices((size, half_bandwidth + 1))
    inside = row + offset < size
    value, both = (jax.jit(function) for function in (blocks.log_ratio, blocks.log_ratio_and_inverse))
    for shift in (12.0, 2j):
        exact = np.sum(np.log(abs(1 + scipy.linalg.eigvalsh(dense) / shift)))
        inverse = np.linalg.inv(dense + shift * np.eye(size))
        again, found = both(jnp.asarray(columns), jnp.asarray(shift))
        for one in (value(jnp.asarray(columns), jnp.asarray(shift)), again):
            assert float(one) == pytest.approx(exact, abs=1e-15 * size * max(1, half_bandwidth))
        assert abs(found - np.where(inside, inverse[row, np.minimum(row + offset, size - 1)], 0)).max() <= 1e-15


@pytest.mark.usefixtures("quick_compilation")
def test_a_singular_band_and_none_at_all_in_blocks():
    columns, _ = random_band(13, 3)
    np.testing.assert_array_equal(blocks.log_ratio(jnp.zeros((13, 4)), jnp.asarray(1e-7)), 0.0)
    np.testing.assert_array_equal(blocks.log_ratio_and_inverse(jnp.zeros((13, 4)), jnp.asarray(0.5))[1][:, 0], 2.0)
    padded = jnp.pad(jnp.asarray(columns), ((0, 9), (2, 0)))  # a plan's padding: states of weight 0, a wider band
    for shift in (12.0, 2j):
        alone = float(log_determinant(jnp.asarray(columns), jnp.asarray(shift)))
        assert float(blocks.log_ratio(padded, jnp.asarray(shift))) == pytest.approx(alone, abs=1e-14)


@pytest.mark.usefixtures("quick_compilation")
@pytest.mark.parametrize("shift", [1e-6, 1e-6j])
def test_weights_of_thirty_orders_in_blocks(shift):
    size, half_bandwidth = 24, 7
    _, dense = random_band(size, half_bandwidth)
    root = np.sqrt(np.geomspace(1e-30, 1.0, size))
    factor = np.tril(dense) * root[:, None]
    if shift == shift.real:  # a positive semidefinite one, whose band is no wider
        factor = factor * (np.arange(size) % (half_bandwidth + 1) == 0)
        matrix = factor @ factor.T
    else:
        matrix = root[:, None] * dense * root
    columns = np.zeros((size, half_bandwidth + 1))
    for m in range(size):
        for j in range(max(0, half_bandwidth - m), half_bandwidth + 1):
            columns[m, j] = matrix[m - half_bandwidth + j, m]
    with mpmath.workdps(60):
        exact = mpmath.log(abs(mpmath.det(mpmath.eye(size) + mpmath.matrix(matrix) / mpmath.mpmathify(shift))))
    found = float(jax.jit(blocks.log_ratio)(jnp.asarray(columns), jnp.asarray(shift)))
    rounding = np.finfo(float).eps * abs(matrix).sum(axis=0).max() / abs(shift)  # of the matrix, in units of z
    assert abs(found - float(exact)) <= rounding


@pytest.mark.usefixtures("quick_compilation")
def test_second_derivatives_in_blocks_are_those_of_the_dense_inverse():
    columns, dense = random_band(13, 5)
    direction, change = random_band(12, 5)
    direction, change = np.pad(direction, ((0, 1), (0, 0))), np.pad(change, (0, 1))
    inverse = np.linalg.inv(dense + 2j * np.eye(13))
    exact = -inverse @ change @ inverse

    @jax.jit
    def slopes(x):
        return jax.jvp(lambda y: blocks.log_ratio_and_inverse(columns + y * direction, jnp.asarray(2j)), (x,), (1.0,))[
            1
        ]

    slope, found = slopes(0.0)
    assert float(slope) == pytest.approx(np.trace(inverse @ change).real, rel=1e-12)
    row, offset = np.indices(found.shape)
    assert abs(np.where(row + offset < 13, found - exact[row, np.minimum(row + offset, 12)], 0)).max() <= 1e-14


@pytest.mark.usefixtures("quick_compilation")
def test_blocks_mix_no_ranks_and_no_types_in_batches():
    columns = jnp.stack([jnp.asarray(random_band(13, 3)[0])] * 2)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        for shifts in (jnp.array([3.0, 12.0]), jnp.array([2j, 3j])):
            many = jax.vmap(lambda z: jax.vmap(lambda a: blocks.log_ratio_and_inverse(a, z))(columns))(shifts)  # noqa: B023
            single = blocks.log_ratio_and_inverse(columns[1], shifts[1])
            assert all(abs(a[1, 1] - b).max() <= 1e-14 for a, b in zip(many, single, strict=True))


# --------------------------------------------------------------------------- errors


def test_the_distance_for_an_entropy_change_is_its_inverse():
    for bits in (1e-12, 1e-9, 1e-3):
        assert entropy_change(np, distance_for(bits, 10**6), 10**6) == pytest.approx(bits, rel=1e-9)
    assert distance_for(100.0, 10) == 0.5
