"""The protocol from end to end: against the reference data, the explicit tensor, and the laws of the physics."""

import functools
import json
import math
from collections import defaultdict
from pathlib import Path

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from mpmath import mp

from jaxent import (
    BondTimes,
    Chain,
    PiFraction,
    end_to_end_amplitudes,
    end_to_end_entropy,
    end_to_end_schmidt_coefficients,
    entanglement_entropy,
    log_outcome_probability,
    outcome_probability,
    pi_fraction,
)
from jaxent.chain import apply_phase_offset, evolve, initial_state, project_outcomes
from jaxent.protocol import dense, dispatch

pytestmark = pytest.mark.usefixtures("quick_compilation")

MAX_TENSOR = 2 * 10**6
IN_A_HURRY = {"xla_backend_optimization_level": 0}  # compiling takes seconds, running microseconds


def every_case(function, *values):
    """The function of each row of the values, compiled once."""
    run = jax.jit(lambda rows: jax.lax.map(lambda row: function(*row), rows), compiler_options=IN_A_HURRY)
    return jax.tree.map(np.asarray, run(tuple(jnp.asarray(value) for value in values)))


@jax.jit
def measures(chain, time, outcomes, offsets):
    return end_to_end_entropy(chain, time, outcomes, offsets), log_outcome_probability(chain, time, outcomes, offsets)


def all_outcomes(chain: Chain) -> np.ndarray:
    inner = chain.n_ensembles - 2
    return np.array(list(oracles.all_outcomes(chain.n_ensembles, chain.n_atoms)), int).reshape(-1, inner)


def distance(actual, expected) -> float:
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    return float(np.max(np.abs(actual - expected), initial=0.0))


# -------------------------------------------------------------- reference data


def reference_cases() -> dict[Chain, dict[str, np.ndarray]]:
    """Rows of the reference data by chain, column by column."""
    rows = defaultdict(list)
    for row in json.loads((Path(__file__).parent / "data" / "entropy.json").read_text(encoding="utf-8")):
        rows[Chain(row["n_ensembles"], row["n_atoms"], row["window"])].append(row)
    cases = {}
    for chain, group in rows.items():
        columns = {name: np.array([row[name] for row in group]) for name in group[0]}
        columns["outcomes"] = columns["outcomes"].astype(int).reshape(len(group), chain.n_ensembles - 2)
        cases[chain] = columns
    return cases


REFERENCE = reference_cases()
TENSORS = [chain for chain in REFERENCE if chain.dimension**chain.n_ensembles <= MAX_TENSOR]


def test_the_reference_data_is_all_there():
    assert sum(len(case["entropy"]) for case in REFERENCE.values()) == 103
    assert sum(len(REFERENCE[chain]["entropy"]) for chain in TENSORS) == 91


@pytest.mark.parametrize("chain", REFERENCE, ids=str)
def test_the_matrix_product_gives_the_reference_data(chain):
    case = REFERENCE[chain]

    def both(time, outcomes, offset):
        arguments = chain, time, outcomes, offset
        return end_to_end_entropy(*arguments), outcome_probability(*arguments)

    entropy, probability = every_case(both, case["time"], case["outcomes"], case["phase_offset"])
    assert distance(entropy, case["entropy"]) <= 1e-12
    assert distance(probability, case["probability"]) <= 1e-12


@pytest.mark.parametrize("chain", REFERENCE, ids=str)
def test_the_symmetric_route_gives_the_reference_data(chain):
    case = REFERENCE[chain]
    top = (case["outcomes"] == chain.n_atoms).all(axis=1) & ((case["phase_offset"] == 0) | (chain.n_ensembles == 2))
    assert top.any()
    entropy, probability = every_case(
        lambda time: (end_to_end_entropy(chain, time), outcome_probability(chain, time)), case["time"][top]
    )
    assert distance(entropy, case["entropy"][top]) <= 1e-12
    assert distance(probability, case["probability"][top]) <= 1e-12


@pytest.mark.parametrize("chain", TENSORS, ids=str)
def test_the_explicit_tensor_gives_the_reference_data(chain):
    case = REFERENCE[chain]
    start = initial_state(chain)

    def both(time, outcomes, offset):
        amplitudes = project_outcomes(chain, apply_phase_offset(chain, evolve(chain, start, time), offset), outcomes)
        return entanglement_entropy(amplitudes), jnp.sum(jnp.abs(amplitudes) ** 2)

    entropy, probability = every_case(both, case["time"], case["outcomes"], case["phase_offset"])
    assert distance(entropy, case["entropy"]) <= 1e-12
    assert distance(probability, case["probability"]) <= 1e-12


# ------------------------------------------------------------ amplitudes


def random_cases(chain: Chain, count: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times of each bond, outcomes, and offsets of each inner ensemble."""
    rng = np.random.default_rng(chain.n_ensembles)
    inner = chain.n_ensembles - 2
    return (
        rng.uniform(-7, 7, (count, chain.n_ensembles - 1)),
        rng.integers(0, chain.n_atoms + 1, (count, inner)),
        rng.uniform(-4, 4, (count, inner)),
    )


@pytest.mark.parametrize("chain", [Chain(2, 9), Chain(3, 8), Chain(4, 7), Chain(5, 5), Chain(6, 4)], ids=str)
def test_all_routes_give_the_same_amplitudes_with_their_phases(chain):
    cases = random_cases(chain)
    start = initial_state(chain)

    def both(times, outcomes, offsets):
        state = apply_phase_offset(chain, evolve(chain, start, BondTimes(times)), offsets)
        return project_outcomes(chain, state, outcomes), end_to_end_amplitudes(
            chain, BondTimes(times), outcomes, offsets
        )

    tensor, product = every_case(both, *cases)
    size = (chain.n_ensembles, chain.n_atoms)
    expected = np.stack([oracles.end_to_end(*size, *case) for case in zip(*cases, strict=True)])
    stepwise = np.stack([oracles.end_to_end_stepwise(*size, *case) for case in zip(*cases, strict=True)])
    assert np.max(np.abs(expected)) > 1e-2
    assert distance(stepwise, expected) <= 1e-13
    assert distance(tensor, expected) <= 1e-13
    assert distance(product, expected) <= 1e-13


@pytest.mark.parametrize("n_ensembles", [2, 3, 4, 5, 6, 7])
def test_one_time_for_all_bonds_keeps_the_phases_too(n_ensembles):
    chain = Chain(n_ensembles, 9 if n_ensembles % 2 else 8)
    _, outcomes, offsets = random_cases(chain)
    times = np.array([0.6, -2.2, 9.0, 1.0])
    product = every_case(lambda *case: end_to_end_amplitudes(chain, *case), times, outcomes, offsets)
    cases = zip(times, outcomes, offsets, strict=True)
    expected = [oracles.end_to_end_stepwise(n_ensembles, chain.n_atoms, *case) for case in cases]
    assert distance(product, np.stack(expected)) <= 1e-13
    top = oracles.end_to_end_stepwise(n_ensembles, chain.n_atoms, 0.6, [chain.n_atoms] * (n_ensembles - 2))
    assert distance(end_to_end_amplitudes(chain, 0.6), top) <= 1e-13


@pytest.mark.parametrize("chain", [Chain(3, 6), Chain(4, 5), Chain(5, 6)], ids=str)
def test_what_is_known_when_tracing_changes_no_result(chain):
    # outcomes given as None or as N, no offset given as a number or as an array, one time or the same for every bond
    every_n = np.full(chain.n_ensembles - 2, chain.n_atoms)
    zeros = jnp.zeros(chain.n_ensembles - 2)

    @jax.jit
    def results(time):
        return [
            (
                end_to_end_amplitudes(chain, given, outcomes, offset),
                end_to_end_entropy(chain, given, outcomes, offset),
            )
            for given in (time, BondTimes(jnp.full(chain.n_ensembles - 1, time)))
            for outcomes in (None, every_n)
            for offset in (0.0, zeros)
        ]

    expected = oracles.end_to_end(chain.n_ensembles, chain.n_atoms, 1.7, every_n)
    for amplitudes, entropy in results(1.7):
        assert distance(amplitudes, expected) <= 1e-13
        assert distance(entropy, oracles.entropy_bits(expected)) <= 1e-12


@pytest.mark.parametrize(
    "chain", [Chain(2, 100, 3.0), Chain(3, 101, 2.0), Chain(4, 64, 2.0), Chain(5, 64, 2.0), Chain(6, 49, 3.0)], ids=str
)
def test_windows_truncate_the_odd_ensembles_and_the_last(chain):
    cases = random_cases(chain, 2)
    product = every_case(lambda t, q, phi: end_to_end_amplitudes(chain, BondTimes(t), q, phi), *cases)
    size = (chain.n_ensembles, chain.n_atoms)
    expected = [oracles.end_to_end_stepwise(*size, *case, window=chain.window) for case in zip(*cases, strict=True)]
    assert np.max(np.abs(expected)) > 1e-9
    assert distance(product, np.stack(expected)) <= 1e-13


@pytest.mark.parametrize(("outcome", "offset"), [(10**6, 1e-3), (10**6 - 1, -1e-3), (999_000, 0.0632)])
@pytest.mark.parametrize("time", [1e-4, 2 * np.pi / 3])
def test_amplitudes_keep_their_phases_at_a_million_atoms(time, outcome, offset):
    n, chain = 10**6, Chain(3, 10**6, window=0.006)
    with mp.workdps(60):
        log_weights = [oracles.log_weight_exact(n, k) for k in chain.states.tolist()]
        log_binomial = oracles.log_weight_exact(n, outcome) + n * mp.log(2)

        def amplitude(i: int, j: int) -> complex:  # (23) between √w and √w
            half = ((i - j) * mp.mpf(time) + mp.mpf(offset)) / 2
            factors = mp.cos(half) ** outcome * mp.sin(half) ** (n - outcome)
            size = mp.exp((log_weights[i] + log_weights[j] + log_binomial) / 2)
            return complex(size * factors * mp.mpc(0, 1) ** (n - outcome) * mp.expj(n * half))

        expected = np.array([[amplitude(i, j) for j in range(7)] for i in range(7)])
    assert np.max(np.abs(expected)) > 1e-6
    actual = end_to_end_amplitudes(chain, time, outcome, offset)
    assert distance(actual / np.max(np.abs(expected)), expected / np.max(np.abs(expected))) <= 1e-9


def test_schmidt_coefficients_are_those_of_the_amplitudes():
    times = np.array([[0.4, 1.0, 2.0], [3.0, 4.0, 5.0]])
    for chain, outcomes, offset in [(Chain(3, 7), 5, 0.2), (Chain(3, 7), None, 0.0), (Chain(4, 6), [5, 3], 0.2)]:
        sigma = np.asarray(end_to_end_schmidt_coefficients(chain, times, outcomes, offset))
        amplitudes = np.asarray(end_to_end_amplitudes(chain, times, outcomes, offset))
        assert distance(sigma[1, 2], oracles.schmidt(amplitudes[1, 2])) <= 1e-13
        assert distance(np.sum(sigma**2, axis=-1), np.ones((2, 3))) <= 1e-14
        entropy = end_to_end_entropy(chain, times, outcomes, offset)
        assert distance(entropy, [[oracles.entropy_bits(a) for a in row] for row in amplitudes]) <= 1e-13


# --------------------------------------------------------------- probabilities


@pytest.mark.parametrize(("chain", "offset"), [(Chain(3, 15), 0.3), (Chain(3, 16), 0.0), (Chain(4, 8), [0.3, -1.0])])
def test_probabilities_of_all_outcomes_add_up_to_one(chain, offset):
    grid = all_outcomes(chain)
    times = jnp.linspace(0.3, 2.0, chain.n_ensembles - 1)
    uniform = jax.vmap(lambda q: outcome_probability(chain, 1.1, q, offset))(grid)
    per_bond = jax.vmap(lambda q: outcome_probability(chain, BondTimes(times), q, offset))(grid)
    for p, time in [(uniform, 1.1), (per_bond, np.asarray(times))]:
        assert abs(float(jnp.sum(p)) - 1) <= 1e-12
        expected = oracles.outcome_distribution(chain.n_ensembles, chain.n_atoms, time, offset)
        assert distance(p, expected.reshape(-1)) <= 1e-14


@pytest.mark.parametrize(("n_ensembles", "levels"), [(3, 2), (3, 5), (4, 3), (5, 3), (6, 2), (8, 2)])
def test_all_n_at_a_magic_time_has_the_probability_of_a_guess(n_ensembles, levels):
    p = float(outcome_probability(Chain(n_ensembles, 400), pi_fraction(2, levels)))
    assert abs(p * levels ** (n_ensembles - 2) - 1) <= 1e-12


def test_the_logarithm_of_a_probability_does_not_underflow():
    chain = Chain(1001, 6)
    assert float(outcome_probability(chain, pi_fraction(2, 3))) == 0.0
    expected = rescaled(1001, 6, 2 * np.pi / 3, [6] * 999, 0.0)[1]
    assert abs(float(log_outcome_probability(chain, pi_fraction(2, 3))) - expected) <= 1e-9
    assert expected < -1000


def test_impossible_outcomes_have_probability_zero():
    times = np.array([1.0, 0.0])
    assert float(outcome_probability(Chain(3, 4), times, 3)[1]) == 0.0
    assert float(log_outcome_probability(Chain(3, 4), times, 3)[1]) == -np.inf
    assert float(log_outcome_probability(Chain(3, 4), times, 3)[0]) > -3


# -------------------------------------------------------------- known figures


@pytest.mark.parametrize(
    ("n_atoms", "expected"),
    [
        (3, [0.5992, 1.0820, 1.4259, 1.0, 0.5547]),
        (10, [2.0467, 1.9888, 1.5850, 1.0, 1.9830]),
        (20, [2.5488, 2.0000, 1.5850, 1.0, 2.5504]),
    ],
)
def test_three_ensembles_reach_the_tabulated_entropies(n_atoms, expected):
    chain = Chain(3, n_atoms)
    times = np.pi * np.array([1 / 3, 1 / 2, 2 / 3, 1, 1 / np.pi])
    assert distance(end_to_end_entropy(chain, times), expected) <= 5.1e-5
    assert distance(end_to_end_entropy(chain, pi_fraction([1, 1, 2, 1], [3, 2, 3, 1])), expected[:4]) <= 5.1e-5


@pytest.mark.parametrize(
    ("n_ensembles", "expected"),
    [
        (2, [2.575803, 2.876383, 2.078351, 2.331208]),
        (3, [2.548783, 2.573127, 1.179932, 1.762674]),
        (4, [2.505060, 2.201398, 0.710375, 1.624198]),
        (5, [2.446321, 1.838996, 0.432426, 1.593049]),
        (6, [2.374634, 1.520853, 0.262325, 1.586550]),
        (7, [2.292285, 1.254846, 0.157801, 1.585262]),
        (8, [2.201626, 1.036816, 0.094003, 1.585015]),
    ],
)
def test_longer_chains_reach_the_tabulated_entropies(n_ensembles, expected):
    times = np.array([2 * np.pi / 6, 2 * np.pi / 8, 0.3, 2.0])
    assert distance(end_to_end_entropy(Chain(n_ensembles, 20), times), expected) <= 5.1e-7


def test_a_million_atoms_reach_the_tabulated_entropy():
    entropy = float(end_to_end_entropy(Chain(3, 10**6, window=3.0), 1.0))
    assert abs(entropy - 9.471671) <= 1e-6


@pytest.mark.parametrize(("n_atoms", "narrow", "wide"), [(10**4, 3.0, 5.0), (10**5, 2.0, 2.6)])
def test_a_wider_window_changes_little(n_atoms, narrow, wide):
    error = float(end_to_end_entropy(Chain(3, n_atoms, narrow), 1.0) - end_to_end_entropy(Chain(3, n_atoms, wide), 1.0))
    left_out = math.erfc(narrow / math.sqrt(2))
    assert -2 * left_out * math.log2(n_atoms) < error < -left_out / 10


def test_ten_thousand_atoms_agree_with_the_dense_method():
    expected = oracles.method_two_entropy(10**4, 2.0, 1.0)
    assert abs(float(end_to_end_entropy(Chain(3, 10**4, window=2.0), 1.0)) - expected) <= 1e-11
    expected = oracles.method_two_entropy(10**4 + 1, 2.0, 0.02)
    assert abs(float(end_to_end_entropy(Chain(3, 10**4 + 1, window=2.0), 0.02)) - expected) <= 1e-11


# -------------------------------------------------------------------- any length


def rescaled(n_ensembles, n_atoms, times, outcomes, offsets):
    """(E, log p) by the sums over k_2, k_3, … in turn, normalized at each step."""
    k = np.arange(n_atoms + 1)
    root = np.sqrt(oracles.weights(n_atoms, k))
    times, offsets = np.broadcast_to(times, n_ensembles - 1), np.broadcast_to(offsets, n_ensembles - 2)
    a, log_probability = np.diag(root).astype(complex), 0.0
    for bond, time in enumerate(times):
        if bond > 0:
            bra = oracles.x_basis(n_atoms)[outcomes[bond - 1]] * np.exp(1j * offsets[bond - 1] * k)
            a = a * bra
        a = a @ np.exp((-1) ** bond * 1j * np.outer(k, k) * time) * root
        norm = np.linalg.norm(a)
        a, log_probability = a / norm, log_probability + 2 * np.log(norm)
    return oracles.entropy_bits(a), log_probability


@pytest.mark.parametrize("n_ensembles", [1000, 1001])
def test_a_thousand_ensembles_work_with_all_outcomes_n(n_ensembles):
    chain, times = Chain(n_ensembles, 9), np.array([np.pi, 2 * np.pi / 3, 1.0, 2e-4])
    expected = np.array([rescaled(n_ensembles, 9, t, [9] * (n_ensembles - 2), 0.0) for t in times])
    assert np.max(expected[:, 0]) > 0.99
    assert distance(end_to_end_entropy(chain, times), expected[:, 0]) <= 1e-12
    assert distance(log_outcome_probability(chain, times), expected[:, 1]) <= 1e-9


@pytest.mark.parametrize("n_ensembles", [1000, pytest.param(1001, marks=pytest.mark.thorough)])
def test_a_thousand_ensembles_work_with_any_outcomes(n_ensembles):
    # outcomes that keep the entanglement of t = π alive: those of both peaks, N cos²(π/8) and N sin²(π/8)
    rng = np.random.default_rng(n_ensembles)
    chain, offset = Chain(n_ensembles, 24), np.pi / 4
    outcomes = rng.choice([20, 21, 3, 4], n_ensembles - 2)
    expected = rescaled(n_ensembles, 24, np.pi, outcomes, offset)
    assert expected[0] > 0.5
    assert expected[1] < -750
    # however improbable, such outcomes are not refused
    assert abs(float(end_to_end_entropy(chain, np.pi, outcomes, offset)) - expected[0]) <= 1e-10
    assert abs(float(log_outcome_probability(chain, np.pi, outcomes, offset)) - expected[1]) <= 1e-9

    times = np.pi + rng.normal(size=n_ensembles - 1) * 1e-3
    offsets = offset + rng.normal(size=n_ensembles - 2) * 1e-2
    expected = rescaled(n_ensembles, 24, times, outcomes, offsets)
    assert expected[0] > 0.1
    entropy, log_probability = measures(chain, BondTimes(times), outcomes, offsets)
    assert abs(float(entropy) - expected[0]) <= 1e-10
    assert abs(float(log_probability) - expected[1]) <= 1e-9


# ------------------------------------------------------------ batches and tiles


BATCH = np.linspace(0.1, 3.0, 6)


@pytest.mark.parametrize("shape", [(), (6,), (2, 3), (1, 6, 1), (0,), (2, 0)])
def test_batches_of_times_have_any_shape(shape):
    chain = Chain(4, 5)
    times = BATCH[: math.prod(shape)].reshape(shape)
    expected = np.array([oracles.entropy_bits(oracles.end_to_end(4, 5, t, [5, 5])) for t in times.flat])
    assert distance(end_to_end_entropy(chain, times), expected.reshape(shape)) <= 1e-13
    assert end_to_end_amplitudes(chain, times).shape == (*shape, 6, 6)
    assert end_to_end_schmidt_coefficients(chain, times).shape == (*shape, 6)


def test_batches_of_bond_times_keep_the_bonds_last():
    times = np.random.default_rng(1).uniform(0, 4, (2, 3, 3))
    expected = [[oracles.entropy_bits(oracles.end_to_end(4, 5, t, [4, 3], 0.1)) for t in row] for row in times]
    assert distance(end_to_end_entropy(Chain(4, 5), BondTimes(times), [4, 3], 0.1), expected) <= 1e-13


def test_exact_times_agree_with_their_floating_values():
    chain = Chain(3, 11)
    exact = pi_fraction(np.array([[1, 2, -3], [0, 7, 40]]), np.array([3, 5, 7]))
    assert isinstance(exact, PiFraction)
    floating = np.pi * np.array([[1, 2, -3], [0, 7, 40]]) / np.array([3, 5, 7])
    for outcomes, offset in [(None, 0.0), (9, 0.3)]:
        expected = end_to_end_entropy(chain, floating, outcomes, offset)
        assert distance(end_to_end_entropy(chain, exact, outcomes, offset), expected) <= 1e-13
        expected = end_to_end_amplitudes(chain, floating, outcomes, offset)
        assert distance(end_to_end_amplitudes(chain, exact, outcomes, offset), expected) <= 1e-13
    per_bond = BondTimes(pi_fraction(np.array([[1, 2], [2, 4]]), np.array([3, 5])))
    expected = end_to_end_amplitudes(chain, BondTimes(np.pi * np.array([[1 / 3, 2 / 5], [2 / 3, 4 / 5]])), 9, 0.3)
    assert distance(end_to_end_amplitudes(chain, per_bond, 9, 0.3), expected) <= 1e-13


@pytest.mark.parametrize("tile", [1, 2, 4, 6, 100])
def test_tiles_do_not_show(tile, monkeypatch):
    chain = Chain(3, 6)
    expected = [oracles.entropy_bits(oracles.end_to_end(3, 6, t, [5], 0.2)) for t in BATCH]
    monkeypatch.setattr(dispatch, "_TILE_BYTES", tile * (32 * chain.dimension**2 + 256 * chain.dimension) + 31)
    entropy = end_to_end_entropy(chain, BATCH.reshape(2, 3), 5, 0.2)
    assert distance(entropy, np.reshape(expected, (2, 3))) <= 1e-13
    top = end_to_end_schmidt_coefficients(chain, pi_fraction([1, 1, 1, 2, 1, 0], [1, 2, 3, 3, 5, 1]))
    assert distance(top[0, :3], [math.sqrt(0.5), math.sqrt(0.5), 0.0]) <= 1e-13
    assert distance(top[5, :3], [1.0, 0.0, 0.0]) <= 1e-7


@pytest.mark.parametrize("tile", [1, 5, 6, 7])
def test_batches_beyond_a_tile_are_worked_off_in_a_loop(tile, monkeypatch):
    chain = Chain(2, 6)
    monkeypatch.setattr(dispatch, "_TILE_BYTES", tile * (64 * chain.dimension**2 + 256 * chain.dimension))
    program = str(jax.make_jaxpr(lambda t: end_to_end_amplitudes(chain, t))(BATCH))
    assert ("scan[" in program) == (tile < 6)


# ------------------------------------------------------------------ compilation


def test_sweeping_values_compiles_once(monkeypatch):
    counted = chex.assert_max_traces(n=1)(dense.entropy)
    monkeypatch.setattr(dense, "entropy", counted)
    seen = set()
    for q in range(8):  # outcomes, offsets and times are values; equal chains are one chain
        chain = Chain(4, 7)
        entropy = end_to_end_entropy(chain, 0.3 + q / 10, [q, 7 - q], np.array([0.1 + q, 0.2]))
        expected = oracles.end_to_end(4, 7, 0.3 + q / 10, [q, 7 - q], [0.1 + q, 0.2])
        assert distance(entropy, oracles.entropy_bits(expected)) <= 1e-12
        seen.add(round(float(entropy), 9))
    assert len(seen) == 8


def test_sweeping_outcomes_under_a_transformation_traces_once():
    chain = Chain(3, 7)
    sweep = jax.jit(chex.assert_max_traces(lambda q: end_to_end_entropy(chain, 1.0, q), n=1))
    entropies = [float(sweep(q)) for q in range(8)]
    batch = jax.vmap(lambda q: end_to_end_entropy(chain, 1.0, q))(jnp.arange(8))
    expected = [oracles.entropy_bits(oracles.end_to_end(3, 7, 1.0, [q])) for q in range(8)]
    assert distance(entropies, expected) <= 1e-12
    assert distance(batch, expected) <= 1e-12


# ------------------------------------------------------------------------ laws


LAW_CHAINS = [Chain(2, 9), Chain(3, 8), Chain(4, 7), Chain(5, 6)]
real_times = st.floats(-10, 10)


@st.composite
def cases(draw):
    """A chain, a time, and the outcomes and offsets of its inner ensembles."""
    chain = draw(st.sampled_from(LAW_CHAINS))
    inner = chain.n_ensembles - 2
    outcomes = draw(st.lists(st.integers(0, chain.n_atoms), min_size=inner, max_size=inner))
    offsets = draw(st.lists(st.floats(-4, 4), min_size=inner, max_size=inner))
    return chain, draw(real_times), np.array(outcomes, int), np.array(offsets, float)


def likely(case):
    """Entropy and log-probability, where that is far above rounding."""
    entropy, log_probability = measures(*case)
    hypothesis.assume(float(log_probability) > -14)
    return entropy, log_probability


@hypothesis.given(cases())
def test_entropy_and_probability_have_the_period_of_the_phases(case):
    chain, time, outcomes, offsets = case
    entropy, log_probability = likely(case)
    later, as_likely = measures(chain, time + 2 * np.pi, outcomes, offsets)
    assert distance(entropy, later) <= 1e-10
    assert distance(log_probability, as_likely) <= 1e-10


@hypothesis.given(cases())
def test_entropy_and_probability_are_even_in_time_and_offset_together(case):
    chain, time, outcomes, offsets = case
    entropy, log_probability = likely(case)
    mirrored, as_likely = measures(chain, 2 * np.pi - time, outcomes, -offsets)
    assert distance(entropy, mirrored) <= 1e-10
    assert distance(log_probability, as_likely) <= 1e-10


@hypothesis.given(cases())
def test_entropy_lies_between_zero_and_its_maximum(case):
    entropy, log_probability = likely(case)
    assert 0.0 <= float(entropy) <= math.log2(case[0].n_atoms + 1) + 1e-12
    assert -14 < float(log_probability) <= 1e-12


@hypothesis.given(cases())
def test_without_interaction_there_is_no_entanglement(case):
    chain, _, outcomes, offsets = case
    entropy, _ = likely((chain, 0.0, outcomes, offsets))
    assert 0.0 <= float(entropy) <= 1e-12


@pytest.mark.parametrize("chain", LAW_CHAINS, ids=str)
@hypothesis.given(time=real_times)
def test_the_symmetric_route_obeys_the_same_laws(chain, time):
    entropy = end_to_end_entropy(chain, np.array([time, 2 * np.pi - time, time + 2 * np.pi, 0.0]))
    assert distance(entropy[1:3], np.full(2, entropy[0])) <= 1e-11
    assert 0.0 <= float(entropy[0]) <= math.log2(chain.n_atoms + 1) + 1e-12
    assert 0.0 <= float(entropy[3]) <= 1e-13


@hypothesis.given(st.integers(-50, 50), st.integers(1, 40))
def test_exact_times_have_the_same_period(numerator, denominator):
    times = pi_fraction(np.array([numerator, numerator + 2 * denominator]), denominator)
    entropy = end_to_end_entropy(Chain(3, 8), times)
    assert distance(entropy[0], entropy[1]) <= 1e-13


KAPPA = {2: 0.30, 3: 1.18, 4: 2.03, 5: 2.85, 6: 3.64, 7: 4.42, 8: 5.19}


@pytest.mark.parametrize("n_ensembles", KAPPA)
def test_magic_times_reach_log2_r_and_repeat_the_short_times(n_ensembles):
    chain, r = Chain(n_ensembles, 100), np.array([1, 2, 3, 3, 4, 5, 5, 5])
    magic, short = 2 * np.pi * np.array([0, 1, 1, 2, 3, 1, 2, 4]) / r, KAPPA[n_ensembles] / 100
    entropy = np.asarray(end_to_end_entropy(chain, np.concatenate([magic, magic[:4] + short])))
    near = entropy[8:]
    assert distance(entropy[:8], np.log2(r)) <= 1e-11
    assert distance(near - np.log2(r[:4]), np.full(4, near[0])) <= 1e-6
    assert abs(near[0] - 0.05) <= 2e-3  # the half-width κ/N of a magic time's window


@pytest.mark.parametrize(("n_ensembles", "order"), [(2, 2), (3, 1), (4, 1)])
def test_at_short_times_only_n_t_matters(n_ensembles, order):
    small, medium, large = (
        np.asarray(end_to_end_entropy(chain, np.array([0.5, 1.0, 2.0]) / chain.n_atoms))
        for chain in (Chain(n_ensembles, 15), Chain(n_ensembles, 60), Chain(n_ensembles, 240, window=7.0))
    )
    assert distance(medium, large) <= 3e-3
    # what differs is of order 1/N (1/N² for two ensembles)
    assert distance((small - medium) / (medium - large) / 4**order, np.ones(3)) <= 0.15


# ------------------------------------------------------------------- bad input


@pytest.mark.parametrize("function", [end_to_end_amplitudes, end_to_end_entropy, log_outcome_probability])
@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((np.nan,), "time"),
        ((np.array([1.0, np.inf]),), "time"),
        ((True,), "time"),
        ((1.0j,), "time"),
        ((BondTimes(np.array([1.0, np.nan, 1.0])),), "time"),
        ((BondTimes(np.ones(2)),), "time"),
        ((BondTimes(1.0),), "time"),
        ((BondTimes(pi_fraction([1, 1], [2, 3])),), "time"),
        ((1.0, 6), "outcomes"),
        ((1.0, [3, -1]), "outcomes"),
        ((1.0, [3]), "outcomes"),
        ((1.0, [3, 3, 3]), "outcomes"),
        ((1.0, np.array([[3, 3]])), "outcomes"),
        ((1.0, 3.5), "outcomes"),
        ((1.0, np.array([3.0, 3.5])), "outcomes"),
        ((1.0, None, np.nan), "phase_offset"),
        ((1.0, None, [0.0, -np.inf]), "phase_offset"),
        ((1.0, None, [0.1]), "phase_offset"),
        ((1.0, None, [0.1, 0.2, 0.3]), "phase_offset"),
        ((1.0, None, 0.1j), "phase_offset"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(function, arguments, named):
    with pytest.raises(ValueError, match=rf"^Argument `{named}`[^.]* (must|have)") as error:
        function(Chain(4, 5), *arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("function", [end_to_end_entropy, end_to_end_schmidt_coefficients])
@pytest.mark.parametrize(
    ("time", "outcomes", "offset", "shown"),
    [
        (0.0, 3, 0.0, "0.0"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), 3, 0.0, "0.0"),
        (pi_fraction([1, 2], [3, 1]), 3, 0.0, "2π"),
        (0.0, None, np.pi, "0.0"),
        (BondTimes(np.zeros(2)), 0, 0.0, "[0. 0.]"),
        (2 * np.pi, 3, 0.0, "6.28"),
    ],
)
def test_entropy_after_impossible_outcomes_is_refused(function, time, outcomes, offset, shown):
    with pytest.raises(ValueError, match=r"^Argument `outcomes` = \[\d\] has probability zero") as error:
        function(Chain(3, 4), time, outcomes, offset)
    assert f"time = {shown}" in str(error.value)


@pytest.mark.parametrize(
    ("chain", "time", "outcomes"),
    [
        (Chain(4, 5), 0.0, [5, 3]),
        (Chain(4, 6), np.pi, [6, 5]),
        (Chain(5, 6), 2 * np.pi, [6, 2, 6]),
        (Chain(12, 6), np.pi, [3] + [6] * 9),
    ],
    ids=str,
)
def test_entropy_after_impossible_outcomes_of_longer_chains_is_refused_too(chain, time, outcomes):
    # the amplitudes are sums that vanish: what is computed is rounding, about 1e-16, and no state
    assert float(outcome_probability(chain, time, outcomes)) < 1e-30
    with pytest.raises(ValueError, match=r"^Argument `outcomes` = .* has probability zero"):
        end_to_end_entropy(chain, time, outcomes)


def test_entropy_after_impossible_outcomes_is_nan_under_a_transformation():
    entropies = jax.vmap(lambda q: end_to_end_entropy(Chain(3, 4), 0.0, q))(jnp.arange(5))
    assert np.isnan(entropies[:4]).all()
    assert abs(float(entropies[4])) <= 1e-14
    assert np.isnan(jax.jit(lambda q: end_to_end_schmidt_coefficients(Chain(3, 4), 0.0, q))(3)).all()


@pytest.mark.parametrize(("time", "outcome", "offset"), [(1e-3, 12, np.pi - 0.02), (1e-4, 6, 0.0), (0.02, 2, 0.0)])
def test_improbable_outcomes_are_not_mistaken_for_impossible_ones(time, outcome, offset):
    chain = Chain(3, 12)
    p = float(outcome_probability(chain, time, outcome, offset))
    assert 0 < p < 1e-20
    entropy = float(end_to_end_entropy(chain, time, outcome, offset))
    assert abs(entropy - float(oracles.entropy_mp(12, time, outcome, offset))) <= 1e-9


def test_improbable_outcomes_of_longer_chains_are_not_mistaken_either():
    n, time, chain = 6, 2e-4, Chain(4, 6)
    with mp.workdps(60):
        a = mp.matrix(n + 1, n + 1)
        root = [mp.exp(oracles.log_weight_exact(n, k) / 2) for k in range(n + 1)]
        row = [oracles.x_basis_exact(n, 5, k) for k in range(n + 1)]
        for i, k, j in np.ndindex(n + 1, n + 1, n + 1):  # k_1, k_3, k_4; (23) with q = 2, and (24) with q = 5
            half = (i - k) * mp.mpf(time) / 2
            overlap = mp.sqrt(15) * mp.cos(half) ** 2 * mp.sin(half) ** 4 * mp.expj(n * half)
            a[i, j] += root[i] * overlap * root[k] * row[k] * mp.expj(k * j * mp.mpf(time)) * root[j]
        eigenvalues = mp.eighe(a * a.H, eigvals_only=True)
        p = mp.fsum(eigenvalues)
        expected = -mp.fsum(v / p * mp.log(v / p, 2) for v in eigenvalues if v > 0)
    assert 0 < float(p) < 1e-20
    assert abs(float(log_outcome_probability(chain, time, [2, 5])) - float(mp.log(p))) <= 1e-9
    assert abs(float(end_to_end_entropy(chain, time, [2, 5])) - float(expected)) <= 1e-9


def test_a_matrix_that_does_not_fit_is_refused_before_it_is_allocated():
    dense_entropy = functools.partial(end_to_end_entropy, tolerance=0)
    large = {
        end_to_end_amplitudes: Chain(3, 10**6),
        dense_entropy: Chain(3, 10**9),
        outcome_probability: Chain(4, 10**6),
    }
    for function, chain in large.items():
        words = rf"n_atoms = {chain.n_atoms} .* GiB, but .* GiB are free; use a smaller window"
        with pytest.raises(ValueError, match=words):
            function(chain, 1.0)


@pytest.mark.parametrize("outcome", [None, 2 * 10**5 - 3])
def test_the_probability_of_many_atoms_needs_no_window(outcome):
    whole, wide = (outcome_probability(Chain(3, 2 * 10**5, c), [1.0, 1e-4], outcome) for c in (None, 10.0))
    np.testing.assert_allclose(whole, wide, rtol=1e-12)
    assert float(outcome_probability(Chain(3, 10**10), pi_fraction(2, 3))) == pytest.approx(1 / 3, abs=1e-12)
