"""Ensembles of different numbers of atoms: against the full state tensor by NumPy, and QuTiP's master equation."""

import itertools
import math

import jax
import mpmath
import numpy as np
import pytest
import qutip
from oracles_full import full_state, projected, row_of

import jaxent
from jaxent import chain as steps

pytestmark = pytest.mark.usefixtures("quick_compilation")

PURE = [(3, 5), (4, 6, 3), (6, 6, 3), (6, 3, 6), (3, 5, 2, 4), (2, 4, 3, 5, 3), (5, 5, 4, 5, 5)]


def question(numbers, others):
    inner = len(numbers) - 2
    if not inner:
        return None, 0.0
    if not others:
        return list(numbers[1:-1]), 0.0
    return [max(0, n - 1 - k % 2) for k, n in enumerate(numbers[1:-1])], [0.3 - 0.5 * k for k in range(inner)]


@pytest.mark.parametrize("others", [False, True])
@pytest.mark.parametrize("numbers", PURE)
def test_pure_states_are_those_of_the_full_tensor(numbers, others):
    chain, time = jaxent.Chain(len(numbers), numbers), 0.7
    outcomes, offsets = question(numbers, others)
    inner = len(numbers) - 2
    expected = projected(numbers, full_state(numbers, time), outcomes or [], np.broadcast_to(offsets, inner))
    amplitudes = jaxent.end_to_end_amplitudes(chain, time, outcomes, offsets)
    assert amplitudes.shape == (numbers[0] + 1, numbers[-1] + 1)
    np.testing.assert_allclose(amplitudes, expected, atol=2e-15)
    state = steps.evolve(chain, steps.initial_state(chain), time)
    state = steps.apply_phase_offset(chain, state, offsets)
    np.testing.assert_allclose(steps.project_outcomes(chain, state, outcomes), expected, atol=2e-15)
    probability = np.sum(abs(expected) ** 2)
    assert jaxent.outcome_probability(chain, time, outcomes, offsets) == pytest.approx(probability, rel=1e-13)
    values = np.linalg.svd(expected / math.sqrt(probability), compute_uv=False)
    np.testing.assert_allclose(
        jaxent.end_to_end_schmidt_coefficients(chain, time, outcomes, offsets), values, atol=1e-14
    )
    entropy = -sum(p * math.log2(p) for p in values**2 if p > 0)
    assert jaxent.end_to_end_entropy(chain, time, outcomes, offsets) == pytest.approx(entropy, abs=1e-13)
    half = jaxent.end_to_end_renyi_entropy(chain, time, 0.5, outcomes, offsets)
    assert half == pytest.approx(2 * math.log2(values.sum()), abs=1e-13)
    reduced = steps.reduced_density_matrix(chain, amplitudes, len(numbers))
    np.testing.assert_allclose(reduced, expected.T @ expected.conj() / probability, atol=1e-14)


def test_bonds_of_different_times():
    numbers, times = (3, 4, 2, 3), np.array([0.4, 0.9, 0.6])
    outcomes, offsets = [3, 2], [0.2, -0.4]
    expected = projected(numbers, full_state(numbers, times), outcomes, offsets)
    found = jaxent.end_to_end_amplitudes(jaxent.Chain(4, numbers), jaxent.BondTimes(times), outcomes, offsets)
    np.testing.assert_allclose(found, expected, atol=2e-15)


def test_an_outcome_that_hardly_occurs_is_computed_in_more_digits():
    numbers, time, outcomes, offsets = (12, 16, 10, 13, 11), 0.05, [16, 1, 13], [0.0, 0.02, 0.0]
    chain, n = jaxent.Chain(5, numbers), numbers[2]
    assert math.isnan(jax.jit(lambda t: jaxent.log_outcome_probability(chain, t, outcomes, offsets))(time))
    with mpmath.workdps(60):
        step = mpmath.mpf(time)

        def weights(number):
            return [mpmath.sqrt(mpmath.mpf(math.comb(number, k)) / 2**number) for k in range(number + 1)]

        def overlap(number, difference):
            return ((1 + mpmath.expj(difference * step)) / 2) ** number

        row = [1]
        for sign in [1] * outcomes[1] + [-1] * (n - outcomes[1]):
            row = [sign * a + b for a, b in zip([*row, 0], [0, *row], strict=True)]
        row = [x * mpmath.expj(k * mpmath.mpf(offsets[1])) for k, x in enumerate(row)]
        middle = [x * mpmath.sqrt(mpmath.mpf(math.comb(n, outcomes[1]))) / 2**n for x in row]
        states = range(n + 1)
        left = [[w * overlap(numbers[1], a - b) * middle[b] for b in states] for a, w in enumerate(weights(numbers[0]))]
        right = [[w * overlap(numbers[3], b - c) for b in states] for c, w in enumerate(weights(numbers[4]))]
        expected = mpmath.log(sum(abs(mpmath.fdot(x, y)) ** 2 for x in left for y in right))
    assert jaxent.log_outcome_probability(chain, time, outcomes, offsets) == pytest.approx(float(expected), rel=1e-12)


def dephased(numbers, time, rates, shared=0.0):
    """ρ of all ensembles by the closed form, element by element."""
    state = full_state(numbers, time)
    states = np.array(list(itertools.product(*(range(n + 1) for n in numbers))))
    vector = state.reshape(-1)
    apart = states[:, None, :] - states[None, :, :]
    decay = np.exp(-2 * time * (apart**2 @ np.asarray(rates)) - 2 * time * shared * apart.sum(axis=-1) ** 2)
    return np.outer(vector, vector.conj()) * decay


def ends_of(numbers, rho, outcomes, offsets):
    rows = [np.eye(numbers[0] + 1)]
    for n, q, phi in zip(numbers[1:-1], outcomes, offsets, strict=True):
        rows.append((row_of(n, q) * np.exp(1j * np.arange(n + 1) * phi))[None, :])
    rows.append(np.eye(numbers[-1] + 1))
    operator = rows[0]
    for row in rows[1:]:
        operator = np.kron(operator, row)
    found = operator @ rho @ operator.conj().T
    return found / np.trace(found).real, np.trace(found).real


@pytest.mark.parametrize(
    ("numbers", "shared"), [((4, 3, 5), 0.0), ((4, 3, 4), 0.02), ((2, 3, 2, 3), 0.0), ((3, 2, 2, 1, 2), 0.0)]
)
def test_dephased_states_are_those_of_the_full_density_matrix(numbers, shared):
    chain, time = jaxent.Chain(len(numbers), numbers), 0.8
    rates = [0.03 + 0.02 * k for k in range(len(numbers))]
    outcomes, offsets = question(numbers, True)
    expected, probability = ends_of(numbers, dephased(numbers, time, rates, shared), outcomes, offsets)
    each = jaxent.EnsembleRates(np.array(rates))
    first, last = numbers[0] + 1, numbers[-1] + 1
    rho = jaxent.end_to_end_state(chain, time, each, outcomes, offsets, shared)
    assert rho.shape == (first, last, first, last)
    np.testing.assert_allclose(rho.reshape(first * last, -1), expected, atol=1e-14)
    log_p = jaxent.dephased_log_probability(chain, time, each, outcomes, offsets, shared)
    assert log_p == pytest.approx(math.log(probability), rel=1e-12)
    four = expected.reshape(first, last, first, last)
    transposed = four.transpose(2, 1, 0, 3).reshape(first * last, -1)
    negativity = math.log2(abs(np.linalg.eigvalsh(transposed)).sum())
    found = jaxent.end_to_end_log_negativity(chain, time, each, outcomes, offsets, shared)
    assert found == pytest.approx(negativity, abs=1e-12)

    def entropy(matrix):
        values = np.linalg.eigvalsh(matrix)
        return -sum(p * math.log2(p) for p in values if p > 1e-300)

    information = entropy(np.einsum("abac->bc", four)) - entropy(expected)
    coherent = jaxent.end_to_end_coherent_information(chain, time, each, outcomes, offsets, shared)
    assert coherent == pytest.approx(information, abs=1e-11)


@pytest.mark.parametrize("numbers", [(2, 3, 4), (2, 1, 3, 2)])
def test_dephased_states_are_those_of_the_master_equation_of_qutip(numbers):
    time, rate = 0.6, 0.05
    rank = len(numbers)

    def of(axis, operator):
        return qutip.tensor([operator if k == axis else qutip.qeye(numbers[k] + 1) for k in range(rank)])

    counts = [qutip.Qobj(np.diag(np.arange(n + 1.0))) for n in numbers]
    hamiltonian = sum(
        -((-1) ** bond) * of(bond, counts[bond]) * of(bond + 1, counts[bond + 1]) for bond in range(rank - 1)
    )
    jumps = [math.sqrt(rate) * of(axis, 2 * counts[axis] - numbers[axis]) for axis in range(rank)]
    start = qutip.tensor([qutip.Qobj(np.sqrt([[math.comb(n, k) / 2.0**n] for k in range(n + 1)])) for n in numbers])
    options = {"atol": 1e-13, "rtol": 1e-12, "nsteps": 10**5}
    rho = qutip.mesolve(hamiltonian, start, [0.0, time], jumps, options=options).states[-1].full()
    outcomes, offsets = question(numbers, True)
    expected, _ = ends_of(numbers, rho, outcomes, offsets)
    found = jaxent.end_to_end_state(jaxent.Chain(rank, numbers), time, rate, outcomes, offsets)
    size = (numbers[0] + 1) * (numbers[-1] + 1)
    np.testing.assert_allclose(found.reshape(size, size), expected, atol=1e-10)


def test_an_imperfect_measurement_mixes_the_perfect_ones():
    numbers, time, rate, sigma, record = (4, 6, 3), 0.7, 0.02, 1.3, 4.4
    chain = jaxent.Chain(3, numbers)
    total, norm = 0.0, sum(math.exp(-((record + i) ** 2) / 2 / sigma**2) for i in range(-40, 40))
    for q in range(numbers[1] + 1):
        share = math.exp(-((record - q) ** 2) / 2 / sigma**2) / norm
        rho = np.asarray(jaxent.end_to_end_state(chain, time, rate, q, 0.2))
        total = total + share * math.exp(float(jaxent.dephased_log_probability(chain, time, rate, q, 0.2))) * rho
    probability = np.einsum("abab->", total).real
    measurement = jaxent.Measurement(resolution=sigma)
    found = jaxent.end_to_end_state(chain, time, rate, record, 0.2, measurement=measurement)
    np.testing.assert_allclose(found, total / probability, atol=1e-13)
    log_p = jaxent.dephased_log_probability(chain, time, rate, record, 0.2, measurement=measurement)
    assert log_p == pytest.approx(math.log(probability), rel=1e-12)


@pytest.mark.parametrize("numbers", [(5, 4, 3), (3, 2, 4, 3)])
def test_gradients_are_those_of_differences(numbers):
    chain = jaxent.Chain(len(numbers), numbers)
    outcomes, offsets = question(numbers, True)
    offsets = np.asarray(offsets)

    def entropy(parameters):
        return jaxent.end_to_end_entropy(chain, parameters[0], outcomes, offsets + parameters[1])

    def negativity(parameters):
        return jaxent.end_to_end_log_negativity(chain, parameters[0], 0.04, outcomes, offsets + parameters[1])

    at, step = np.array([0.7, 0.1]), 1e-5
    for value in (entropy, negativity):
        slopes = jax.jit(jax.grad(value))(at)
        for k in range(2):
            change = np.eye(2)[k] * step
            expected = float(value(at + change) - value(at - change)) / (2 * step)
            assert float(slopes[k]) == pytest.approx(expected, rel=1e-7, abs=1e-9)


def test_windows_leave_out_what_they_say():
    whole, cut = jaxent.Chain(3, (90, 100, 110)), jaxent.Chain(3, (90, 100, 110), window=5.5)
    assert [end.dimension for end in cut.ends] == [53, 57]
    entropies = [float(jaxent.end_to_end_entropy(chain, 0.9, 97, 0.1)) for chain in (whole, cut)]
    assert entropies[1] == pytest.approx(entropies[0], abs=2e-5)
    assert entropies[1] != entropies[0]


def test_equal_numbers_are_one_number():
    assert jaxent.Chain(3, (9, 9, 9)) == jaxent.Chain(3, 9)
    assert jaxent.Chain(3, np.array([4.0, 5.0, 6.0])).n_atoms == (4, 5, 6)
    assert jaxent.Chain(3, (4, 5, 6)).dimensions == (5, 6, 7)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxent.Chain(3, (4, 5)), r"`n_atoms` must be one number, or n_ensembles = 3 numbers, but is \(4, 5\)"),
        (lambda: jaxent.Chain(3, (4, 0, 5)), "`n_atoms` must be an integer of at least 1, but is 0"),
        (lambda: jaxent.Chain(3, (4, 5, 6)).states, "have different Dicke states"),
        (
            lambda: jaxent.end_to_end_entropy(jaxent.Chain(3, (4, 5, 6)), 1.0, 6),
            r"`outcomes` must lie in 0…\[5\] \(n_atoms\), but holds 6",
        ),
        (
            lambda: jaxent.log_negativity_with_errors(jaxent.Chain(3, (4, 5, 6)), 1.0, 0.1),
            r"`chain` must have one n_atoms for all ensembles here, but has \(4, 5, 6\)",
        ),
        (lambda: jaxent.entropy_with_errors(jaxent.Chain(3, (40, 50, 60), 3.0), 1.0), "must have one n_atoms"),
        (lambda: jaxent.sample_outcomes(jax.random.key(0), jaxent.Chain(3, (4, 5, 6)), 1.0), "must have one n_atoms"),
        (lambda: jaxent.plan_entropy(jaxent.Chain(3, (4, 5, 6)), 1.0), "its ensembles have different numbers of atoms"),
    ],
)
def test_what_is_not_possible_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_strict_types_and_ranks_are_kept():
    chain = jaxent.Chain(3, (3, 4, 2))
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        jaxent.end_to_end_amplitudes(jaxent.Chain(5, (2, 3, 4, 3, 2)), 0.7, [2, 3, 3], [0.1, 0.2, 0.3])
        jaxent.end_to_end_state(chain, 0.7, 0.1, 3, 0.2)
        jaxent.end_to_end_log_negativity(chain, 0.7, 0.1, 3, 0.2)
        for jitter in (jaxent.Jitter(0.1), jaxent.Jitter(0.1, 0.1)):
            jaxent.end_to_end_state(chain, 0.7, 0.1, 3, 0.2, jitter=jitter)
        jaxent.dephased_log_probability(jaxent.Chain(4, (2, 3, 2, 3)), 0.7, 0.1, [2, 1], 0.2)
        for known in ("all", "none"):
            jaxent.fluctuating_log_negativity((2, 3, 2), 0.7, 0.1, 1, 0.2, known=known)
