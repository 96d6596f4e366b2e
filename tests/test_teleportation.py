"""Teleportation through the ends: against a simulation of the whole protocol, with Bell measurement and corrections."""

import itertools
import math

import jax
import numpy as np
import pytest

import jaxent
from jaxent import Chain, Measurement, pi_fraction
from jaxent.spins import modular_witness as modular

CASES = [
    (4, 2, 4, 0.0, 0.0, None),
    (4, 2, 4, 0.0, 0.03, None),
    (4, 2, 3, 0.3, 0.02, Measurement(resolution=0.7)),
    (7, 3, 6, math.pi / 6, 0.01, None),
    (7, 3, 7, -2 * math.pi / 3, (0.05, 0.01, 0.0), None),  # k_1 - k_3 ≡ 1 (mod 3), and ends that differ
]


def inputs(levels):
    """Pure states whose average is that over all pure states, to second order: unbiased bases (r a prime)."""
    found = list(np.eye(levels, dtype=complex))
    s = np.arange(levels)
    if levels == 2:
        return [*found, *(np.array([1, x]) / math.sqrt(2) for x in (1, -1, 1j, -1j))]
    for basis in range(levels):
        for j in range(levels):
            found.append(np.exp(2j * np.pi * (basis * s**2 + j * s) / levels) / math.sqrt(levels))
    return found


def split(size, levels, origin):
    """Isometry from Dicke states k to (cell, position) of k = r c + s + origin."""
    cells = [(k - origin) // levels for k in range(size)]
    least = min(cells)
    found = np.zeros((max(cells) - least + 1, levels, size))
    for k in range(size):
        found[cells[k] - least, (k - origin) % levels, k] = 1.0
    return found


def simulated(rho, levels, shift):
    """The mean fidelity of teleported inputs: all r² results of the Bell measurement, each with its correction."""
    size = rho.shape[0]
    first, last = (split(size, levels, origin) for origin in modular._origins(size - 1, levels, shift))
    state = np.einsum("cak,dbl,klmn,exm,fyn->cadbexfy", first, last, rho, first, last)  # cells and positions
    positions = np.einsum("cadbcxdy->abxy", state)  # cells are left alone
    s = np.arange(levels)
    wave = np.exp(2j * np.pi / levels * s)
    raised = np.roll(np.eye(levels), 1, axis=0)  # X|s⟩ = |s+1⟩
    total = 0.0
    for psi in inputs(levels):
        whole = np.einsum("i,j,abxy->iabjxy", psi, psi.conj(), positions)  # input, first end, last end
        for m, n in itertools.product(range(levels), repeat=2):
            bell = np.diag(wave**n) @ np.linalg.matrix_power(raised, m).T / math.sqrt(levels)  # Σ_s ω^(ns) |s, s+m⟩/√r
            left = np.einsum("ia,iabjxy,jx->by", bell.conj(), whole, bell)
            fixed = np.diag(wave**n) @ np.linalg.matrix_power(raised, (-m) % levels)
            total += (psi.conj() @ fixed @ left @ fixed.conj().T @ psi).real
    return total / len(inputs(levels))


@pytest.mark.parametrize(("n_atoms", "levels", "outcome", "offset", "rate", "measurement"), CASES)
def test_it_is_the_fidelity_of_the_simulated_protocol(n_atoms, levels, outcome, offset, rate, measurement):
    chain, time = Chain(3, n_atoms), pi_fraction(2, levels)
    rate = jaxent.EnsembleRates(np.array(rate)) if isinstance(rate, tuple) else rate
    rho = np.asarray(jaxent.end_to_end_state(chain, time, rate, outcome, offset, measurement=measurement))
    best = max(simulated(rho, levels, int(shift)) for shift in np.arange(levels) - levels // 2)
    found = jaxent.teleportation_fidelity(chain, time, rate, outcome, offset, measurement=measurement)
    assert float(found) == pytest.approx(best, abs=1e-10)


def test_it_is_above_what_the_witness_proves_and_above_separable_states():
    chain, rates = Chain(3, 10**4), np.array([0.0, 1e-3, 1e-2])
    for levels in (2, 4, 7):
        time = pi_fraction(2, levels)
        found = jaxent.teleportation_fidelity(chain, time, rates)
        proven = (levels * jaxent.modular_witness(chain, time, rates).fidelity + 1) / (levels + 1)
        assert np.all(found >= proven - 1e-12)
        assert np.all(found > 2 / (levels + 1))
        assert np.all(np.diff(found) < 0)
        assert found[0] == pytest.approx(1.0, abs=levels**2 / 10**4)


def test_it_has_slopes():
    def value(rate):
        return jaxent.teleportation_fidelity(Chain(3, 300), pi_fraction(2, 3), rate)

    slope = float(jax.grad(value)(0.01))
    assert slope == pytest.approx(float(value(0.0101) - value(0.0099)) / 2e-4, rel=1e-4)
    assert slope < 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((Chain(3, 9), 1.0), "`time` must be an exact magic time"),
        ((Chain(4, 9), pi_fraction(1)), "n_ensembles"),
        ((Chain(3, 9), pi_fraction(1), -0.1), "`dephasing_rate` must be finite and at least 0"),
    ],
)
def test_what_is_not_possible_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        jaxent.teleportation_fidelity(*arguments)
