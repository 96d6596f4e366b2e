"""The coherent information left once both ends know their cell: against sums over all cells in plain NumPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import oracles_measurement
import pytest

import jaxent
from jaxent.bloch import kernel

pytestmark = pytest.mark.usefixtures("quick_compilation")

# ------------------------------------------- an oracle that shares no code


def entropy(matrix: np.ndarray) -> float:
    values = np.linalg.eigvalsh(matrix)
    values = values[values > 1e-300]
    return float(-(values * np.log2(values)).sum())


def binomial(n_atoms: int) -> np.ndarray:
    logs = [math.lgamma(n_atoms + 1) - math.lgamma(k + 1) - math.lgamma(n_atoms - k + 1) for k in range(n_atoms + 1)]
    return np.exp(np.array(logs) - n_atoms * math.log(2))


def measured_row(n_atoms: int, outcome: int) -> np.ndarray:
    """⟨q|^(x)|k⟩: an eigenvector of S_x."""
    k = np.arange(n_atoms)
    off = np.sqrt((k + 1.0) * (n_atoms - k))
    return np.linalg.eigh(np.diag(off, 1) + np.diag(off, -1))[1][:, outcome]


def by_every_cell(n_atoms, time, rates, outcome, offset, width):
    """Σ_c p_c [S(ρ_3|c) - S(ρ|c)], with the phases that the Hamiltonian writes on every pair of Dicke states."""
    weights, k = binomial(n_atoms), np.arange(n_atoms + 1)
    middle = measured_row(n_atoms, outcome) * np.sqrt(weights)
    decay = np.exp(-2 * rates[1] * time * np.subtract.outer(k, k) ** 2)
    total = norm = 0.0
    for first in range(0, n_atoms + 1, width):
        ones = np.arange(first, min(first + width, n_atoms + 1))
        for third in range(0, n_atoms + 1, width):
            threes = np.arange(third, min(third + width, n_atoms + 1))
            share = weights[ones].sum() * weights[threes].sum()
            if share < 1e-13:
                continue
            a, b = (part.ravel() for part in np.meshgrid(ones, threes, indexing="ij"))
            waves = middle * np.exp(1j * np.outer((a - b) * time + offset, k))
            state = waves @ decay @ waves.conj().T
            root = np.sqrt(weights[a] * weights[b])
            state = state * np.outer(root, root)
            state = state * np.exp(-2 * rates[0] * time * np.subtract.outer(a, a) ** 2)
            state = state * np.exp(-2 * rates[2] * time * np.subtract.outer(b, b) ** 2)
            p = np.trace(state).real
            state = state / p
            parts = state.reshape(len(ones), len(threes), len(ones), len(threes))
            total += p * (entropy(np.einsum("abac->bc", parts)) - entropy(state))
            norm += p
    return total / norm


def of_phases(state: np.ndarray, width: int, n_phases: int) -> float:
    """Σ_κ p_κ [S(ρ_3|κ) - S(ρ|κ)] of a whole state (k_1, k_3, k_1', k_3')."""
    n_cells = -(-len(state) // width)
    state = np.pad(state, [(0, n_cells * width - len(state))] * 4)
    parts = state.reshape((n_cells, width) * 4)
    waves = np.exp(2j * np.pi * np.outer(np.arange(n_phases), np.arange(n_cells)) / n_phases)
    total = norm = 0.0
    for first in waves:
        half = np.einsum("c,e,cadbegfh->adbgfh", first, first.conj(), parts)
        for third in waves:
            one = np.einsum("d,f,adbgfh->abgh", third, third.conj(), half)
            p = np.einsum("abab->", one).real
            one = one / p
            total += p * (entropy(np.einsum("abac->bc", one)) - entropy(one.reshape(width**2, width**2)))
            norm += p
    return total / norm


def by_every_phase(n_atoms, time, rates, outcome, offset, width, n_phases):
    """Σ_κ p_κ [S(ρ_3|κ) - S(ρ|κ)], each end's register of cells projected on phases."""
    n_cells = n_atoms // width + 1
    size = n_cells * width
    weights = np.zeros(size)
    weights[: n_atoms + 1] = binomial(n_atoms)
    k = np.arange(n_atoms + 1)
    middle = measured_row(n_atoms, outcome) * np.sqrt(weights[: n_atoms + 1])
    decay = np.exp(-2 * rates[1] * time * np.subtract.outer(k, k) ** 2)
    states = np.arange(size)
    a, b = (part.ravel() for part in np.meshgrid(states, states, indexing="ij"))
    waves = middle * np.exp(1j * np.outer((a - b) * time + offset, k))
    waves = waves * np.exp(-0.5j * n_atoms * ((a - b) * time + offset))[:, None]  # local phases, which are known
    root = np.sqrt(weights[a] * weights[b])
    state = (waves @ decay @ waves.conj().T) * np.outer(root, root)
    state = state * np.exp(-2 * rates[0] * time * np.subtract.outer(a, a) ** 2)
    state = state * np.exp(-2 * rates[2] * time * np.subtract.outer(b, b) ** 2)
    return of_phases(state.reshape([size] * 4), width, n_phases)


@pytest.mark.parametrize(
    ("n_atoms", "fraction", "rates", "outcome", "offset"),
    [
        (15, (1, 2), (0.05, 0.02, 0.08), 15, 0.0),
        (17, (2, 3), (0.1, 0.05, 0.06), 15, 0.3),
        (19, (1, 1), (0.05, 0.05, 0.05), 18, 0.2),
    ],
)
def test_equals_the_sum_over_every_phase(n_atoms, fraction, rates, outcome, offset):
    time = jaxent.pi_fraction(*fraction)
    levels = 2 * fraction[1] // math.gcd(fraction[0], 2 * fraction[1])
    expected = by_every_phase(n_atoms, float(time.value), rates, outcome, offset, levels, 32)
    found = jaxent.modular_coherent_information(
        jaxent.Chain(3, n_atoms), time, jaxent.EnsembleRates(rates), outcome, offset, register="phase"
    )
    assert float(found) == pytest.approx(expected, abs=1e-7)


def test_measuring_the_phase_keeps_more_than_measuring_the_cell():
    chain, time = jaxent.Chain(3, 10**6), jaxent.pi_fraction(1, 2)
    cell, phase = (
        float(jaxent.modular_coherent_information(chain, time, 0.01, register=one)) for one in ("cell", "phase")
    )
    assert cell == pytest.approx(1.4033, abs=1e-4)
    assert 1.95 < phase < 2


def test_a_register_is_refused_in_a_sentence():
    chain, time = jaxent.Chain(3, 10**6), jaxent.pi_fraction(1, 2)
    with pytest.raises(ValueError, match="`register` must be 'cell' or 'phase', but is 'both'"):
        jaxent.modular_coherent_information(chain, time, 0.01, register="both")
    with pytest.raises(ValueError, match="must leave few cells coherent for register = 'phase', but γt = 0 "):
        jaxent.modular_coherent_information(chain, time, 0.0, register="phase")
    with pytest.raises(ValueError, match=r"is traced by jax\.jit or jax\.vmap, but register = 'phase'"):
        jax.jit(lambda g: jaxent.modular_coherent_information(chain, time, g, register="phase"))(0.01)


CASES = {
    "few atoms": (7, (1, 2), (0.02, 0.02, 0.02), 7, 0.0, None),
    "odd number, odd r": (21, (2, 3), (0.01, 0.03, 0.02), 21, 0.0, None),
    "another outcome": (20, (1, 2), (0.02, 0.01, 0.03), 17, 0.3, None),
    "no noise": (24, (1, 2), (0.0, 0.0, 0.0), 24, 0.1, None),
    "wider cells": (24, (1, 1), (0.01, 0.01, 0.01), 24, 0.0, 4),
    "r = 1": (12, (2, 1), (0.01, 0.01, 0.01), 12, 0.0, None),
    "every other cell and fewer": (90, (1, 1), (0.03, 0.02, 0.01), 88, 0.1, None),
}


@pytest.mark.parametrize("case", CASES)
def test_equals_the_sum_over_every_cell(case):
    n_atoms, (numerator, denominator), rates, outcome, offset, modulus = CASES[case]
    time = jaxent.pi_fraction(numerator, denominator)
    levels = 2 * denominator // math.gcd(numerator, 2 * denominator)
    expected = by_every_cell(n_atoms, float(time.value), rates, outcome, offset, modulus or levels)
    found = jaxent.modular_coherent_information(
        jaxent.Chain(3, n_atoms), time, jaxent.EnsembleRates(rates), outcome, offset, modulus=modulus
    )
    assert float(found) == pytest.approx(expected, abs=1e-8)


def of_cells(state: np.ndarray, width: int) -> float:
    """Σ_c p_c [S(ρ_3|c) - S(ρ|c)] of a whole state (k_1, k_3, k_1', k_3')."""
    total = norm = 0.0
    cells = [slice(k, k + width) for k in range(0, len(state), width)]
    for first in cells:
        for third in cells:
            part = state[first, third, first, third]
            p = np.einsum("abab->", part).real
            reduced = np.einsum("abac->bc", part) / p
            total += p * (entropy(reduced) - entropy(part.reshape([part.shape[0] * part.shape[1]] * 2) / p))
            norm += p
    return total / norm


@pytest.mark.parametrize(("levels", "record", "sigma"), [(2, 2, 0.0), (3, 1.3, 0.6)])
def test_equals_full_states_of_atoms_that_are_lost_and_dephase(levels, record, sigma):
    """Three-level atoms in the middle, each with its own jump operators."""
    rates, atoms, loss, offset, time = (0.02, 0.03, 0.01), 0.05, 0.08, 0.3, 2 * math.pi / levels
    states = oracles_measurement.not_counting_lost(
        oracles_measurement.three_level_records(3, time, rates, atoms, loss, offset)
    )
    state = np.asarray(oracles_measurement.resolve(states, record, sigma) if sigma else states[record])
    found = jaxent.modular_coherent_information(
        *(jaxent.Chain(3, 3), jaxent.pi_fraction(2, levels), jaxent.EnsembleRates(rates), record, offset),
        measurement=jaxent.Measurement(sigma, atoms, loss),
    )
    assert float(found) == pytest.approx(of_cells(state, levels), abs=1e-9)


@pytest.mark.parametrize("imperfect", [(90.0, 0.0, 0.0), (0.0, 0.03, 0.02)])
def test_points_about_a_record_are_as_good_as_the_whole_circle(monkeypatch, imperfect):
    """Beyond 1024 atoms the kernel's sum runs over points about the record alone."""
    chain, time, rates = jaxent.Chain(3, 900), jaxent.pi_fraction(2, 3), jaxent.EnsembleRates((0.02, 0.001, 0.03))
    given = (chain, time, rates, 740, 0.5)
    measurement = jaxent.Measurement(*imperfect)
    whole = float(jaxent.modular_coherent_information(*given, measurement=measurement))
    monkeypatch.setattr(kernel, "_WHOLE_CIRCLE", 0)
    points = kernel.nodes(900, 740, 300, time).weights
    found = float(jaxent.modular_coherent_information(*given, measurement=measurement))
    assert found == pytest.approx(whole, abs=1e-9)
    assert (points > 0).sum() < 400
    assert abs(whole - float(jaxent.modular_coherent_information(*given))) > (0.1 if measurement.resolution else 1e-8)


@pytest.mark.parametrize(
    ("n_atoms", "record", "measurement"),
    [(15, 13.3, jaxent.Measurement(resolution=1.2)), (3, 2, jaxent.Measurement(atom_dephasing_rate=0.04))],
)
def test_phases_of_an_imperfect_measurement_are_those_of_full_states(n_atoms, record, measurement):
    rates, offset, levels = (0.05, 0.02, 0.08), 0.2, 2
    if measurement.resolution:
        state = oracles_measurement.dense_resolution(n_atoms, math.pi, rates, offset, record, measurement.resolution)
    else:
        states = oracles_measurement.three_level_records(n_atoms, math.pi, rates, 0.04, 0.0, offset)
        state = oracles_measurement.not_counting_lost(states)[record]
    given = (jaxent.Chain(3, n_atoms), jaxent.pi_fraction(1), jaxent.EnsembleRates(rates), record, offset)
    found = jaxent.modular_coherent_information(*given, register="phase", measurement=measurement)
    assert float(found) == pytest.approx(of_phases(state, levels, 32), abs=1e-7)


def test_registers_of_atoms_that_may_be_lost_have_no_phases():
    given = (jaxent.Chain(3, 9), jaxent.pi_fraction(1), 0.1, 7)
    with pytest.raises(ValueError, match=r"must have atom_loss_rate = 0 for register = 'phase', .* is 0\.1"):
        jaxent.modular_coherent_information(
            *given, register="phase", measurement=jaxent.Measurement(atom_loss_rate=0.1)
        )
    with pytest.raises(ValueError, match=r"`outcomes` or `measurement` is traced"):
        jax.jit(lambda s: jaxent.modular_coherent_information(*given, measurement=jaxent.Measurement(s)))(0.1)


def test_reaches_the_limit_of_many_atoms():
    """Equal weights in a cell; outcome N leaves the differences in k_1 - k_3 that are multiples of r."""
    levels, numerator, strength = 3, 1, 0.02 * 2 * math.pi / 3
    frequencies = np.arange(-60, 61)
    position = np.arange(levels)
    a, b = (part.ravel() for part in np.meshgrid(position, position, indexing="ij"))
    u = a - b
    sums, hops = np.add.outer(u, u), np.subtract.outer(u, u)
    angle = sums * math.pi * numerator / levels
    kernel = np.cos(angle[..., None] * frequencies) * np.exp(-2 * strength * frequencies**2)
    winding = hops // levels * numerator  # a multiple of 2π between the angles, in the frame without local phases
    state = (kernel * np.where(winding % 2, -1.0, 1.0)[..., None] ** frequencies).sum(axis=-1) * (hops % levels == 0)
    state = state * np.exp(-2 * strength * (np.subtract.outer(a, a) ** 2 + np.subtract.outer(b, b) ** 2))
    state /= np.trace(state)
    expected = entropy(np.einsum("abac->bc", state.reshape((levels,) * 4))) - entropy(state)
    time = jaxent.pi_fraction(2, 3)
    found = [float(jaxent.modular_coherent_information(jaxent.Chain(3, n), time, 0.02)) for n in (10**6, 10**10)]
    assert found[1] == pytest.approx(expected, abs=1e-8)
    assert 1e-7 < abs(found[0] - expected) < 2e-5  # of order 1/N


def test_gradients_in_rate_and_offset_agree_with_differences():
    chain, time = jaxent.Chain(3, 24), jaxent.pi_fraction(1, 1)

    @jax.jit
    def value(x):
        return jaxent.modular_coherent_information(chain, time, jaxent.EnsembleRates(x[:3]), phase_offset=x[3])

    at, step = jnp.array([0.02, 0.2, 0.03, 0.8]), 1e-5
    slopes = jax.jit(jax.grad(value))(at)
    differences = [(value(at + step * way) - value(at - step * way)) / (2 * step) for way in jnp.eye(4)]
    np.testing.assert_allclose(slopes, differences, rtol=1e-6, atol=1e-8)
    assert np.all(np.abs(np.asarray(slopes)) > 1e-3)


def test_many_rates_at_once():
    chain, time, rates = jaxent.Chain(3, 24), jaxent.pi_fraction(1, 1), np.array([[0.01, 0.02]])
    together = jaxent.modular_coherent_information(chain, time, rates)
    single = [[float(jaxent.modular_coherent_information(chain, time, rate)) for rate in row] for row in rates]
    np.testing.assert_allclose(together, single, atol=1e-12, rtol=0)
    assert jaxent.modular_coherent_information(chain, time, np.zeros((0,))).shape == (0,)


MAGIC = jaxent.pi_fraction(1, 1)
REFUSED = {
    "four ensembles": (lambda f: f(jaxent.Chain(4, 9), MAGIC, 0.1), "`chain` must have n_ensembles = 3 here"),
    "a window": (lambda f: f(jaxent.Chain(3, 9, 2.0), MAGIC, 0.1), "`chain` must have no window here"),
    "no magic time": (lambda f: f(jaxent.Chain(3, 9), 1.0, 0.1), "`time` must be an exact magic time, .* is 1.0"),
    "many levels": (lambda f: f(jaxent.Chain(3, 9), jaxent.pi_fraction(1, 50), 0.1), "lowest terms has r = 100"),
    "two times": (lambda f: f(jaxent.Chain(3, 9), jaxent.pi_fraction([1, 2]), 0.1), r"a single time .* \(2,\)"),
    "another modulus": (lambda f: f(jaxent.Chain(3, 9), MAGIC, 0.1, modulus=3), "a multiple of r = 2 .* is 3"),
    "a negative time": (lambda f: f(jaxent.Chain(3, 9), jaxent.pi_fraction(-1), 0.1), "`time` must be at least 0"),
    "an impossible outcome": (lambda f: f(jaxent.Chain(3, 9), jaxent.pi_fraction(2), 0.0, 0), "cannot occur"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_in_one_sentence(case):
    call, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence):
        call(jaxent.modular_coherent_information)
