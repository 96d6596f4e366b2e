"""The explicit state tensor, against tensors written out in NumPy."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from jaxent import BondTimes, Chain, dicke, end_to_end_amplitudes, pi_fraction
from jaxent.chain import apply_phase_offset, evolve, initial_state, project_outcomes, reduced_density_matrix

# one chain of each length, odd and even N, with a time for each bond
CHAINS = {
    2: (Chain(2, 9), np.array([0.7])),
    3: (Chain(3, 8), np.array([0.7, -1.9])),
    4: (Chain(4, 5), np.array([0.7, -1.9, 3.3])),
    5: (Chain(5, 4), np.array([0.7, -1.9, 3.3, 0.21])),
    6: (Chain(6, 3), np.array([0.7, -1.9, 3.3, 0.21, 5.0])),
}
WINDOWED = [Chain(3, 16, window=1.5), Chain(3, 17, window=1.5), Chain(4, 9, window=1.0)]


def close(actual, expected, tolerance=1e-13):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    return np.max(np.abs(actual - expected), initial=0.0) <= tolerance


def random_state(chain: Chain) -> jax.Array:
    parts = np.random.default_rng(20260309).normal(size=(2, *(chain.dimension,) * chain.n_ensembles))
    return jnp.asarray(parts[0] + 1j * parts[1])


def in_window(chain: Chain, tensor: np.ndarray) -> np.ndarray:
    """The elements of a tensor over all states that the chain keeps."""
    return tensor[np.ix_(*[chain.states] * chain.n_ensembles)]


# ------------------------------------------------------------------ chain


@pytest.mark.parametrize(
    ("n_atoms", "window"), [(1, None), (6, None), (7, None), (16, 1.5), (17, 1.5), (100, 3.0), (101, 3.0), (10**6, 0.2)]
)
def test_states_are_those_of_the_window(n_atoms, window):
    chain = Chain(3, n_atoms, window=window)
    expected = oracles.window_states(n_atoms, window)
    assert chain.states.tolist() == expected.tolist()
    assert chain.dimension == len(expected)
    assert (n_atoms - chain.states[::-1]).tolist() == chain.states.tolist()


def test_windows_reach_any_number_of_atoms():
    assert Chain(3, 10**12, window=1e-5).states.tolist() == list(range(5 * 10**11 - 5, 5 * 10**11 + 6))
    assert Chain(3, 10**12 + 1, window=1e-5).dimension == 10


def test_equal_chains_are_one_static_value():
    chain, same = Chain(3, 100, window=3), Chain(3, 100, window=3.0)
    assert chain == same
    assert hash(chain) == hash(same)
    assert chain != Chain(3, 100)
    assert jax.tree.leaves(chain) == []


def test_a_chain_is_named_without_listing_its_states():
    assert Chain(3, 10**15).dimension == 10**15 + 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"n_ensembles": 1, "n_atoms": 5}, "n_ensembles"),
        ({"n_ensembles": -3, "n_atoms": 5}, "n_ensembles"),
        ({"n_ensembles": 3, "n_atoms": 0}, "n_atoms"),
        ({"n_ensembles": 3, "n_atoms": -1}, "n_atoms"),
        ({"n_ensembles": True, "n_atoms": 5}, "n_ensembles"),
        ({"n_ensembles": 3, "n_atoms": True}, "n_atoms"),
        ({"n_ensembles": 3, "n_atoms": 5, "window": 0.0}, "window"),
        ({"n_ensembles": 3, "n_atoms": 5, "window": -1.0}, "window"),
        ({"n_ensembles": 3, "n_atoms": 5, "window": np.nan}, "window"),
        ({"n_ensembles": 3, "n_atoms": 5, "window": np.inf}, "window"),
        ({"n_ensembles": 3, "n_atoms": 100, "window": 10.3}, "window"),  # N/2 ± 51
        ({"n_ensembles": 3, "n_atoms": 5, "window": 0.1}, "window"),  # no state at all
    ],
)
def test_chains_that_cannot_be_are_refused(arguments, named):
    with pytest.raises(ValueError, match=rf"^Argument `{named}`"):
        Chain(**arguments)


def test_the_widest_window_is_the_full_basis():
    assert Chain(3, 100, window=10.0).states.tolist() == Chain(3, 100).states.tolist()
    assert Chain(3, 101, window=9.96).states.tolist() == list(range(1, 101))


# ---------------------------------------------------------- state and phases


@pytest.mark.parametrize("chain", [chain for chain, _ in CHAINS.values()] + WINDOWED, ids=str)
def test_initial_state_is_the_product_of_coherent_states(chain):
    state = initial_state(chain)
    expected = in_window(chain, oracles.chain_state(chain.n_ensembles, chain.n_atoms, 0.0))
    assert close(state, expected, 1e-15)
    norm = np.sum(oracles.weights(chain.n_atoms, chain.states)) ** chain.n_ensembles
    assert abs(float(jnp.sum(jnp.abs(state) ** 2)) - norm) <= 1e-14
    assert (chain.window is None) == (abs(norm - 1) <= 1e-14)


@pytest.mark.parametrize("n_ensembles", CHAINS)
def test_evolution_writes_the_phase_of_every_bond(n_ensembles):
    chain, times = CHAINS[n_ensembles]
    state = evolve(chain, initial_state(chain), BondTimes(times))
    assert close(state, oracles.chain_state(n_ensembles, chain.n_atoms, times), 1e-14)
    state = evolve(chain, initial_state(chain), 1.3)
    assert close(state, oracles.chain_state(n_ensembles, chain.n_atoms, 1.3), 1e-14)


@pytest.mark.parametrize("n_ensembles", [3, 4, 5, 6])
def test_before_the_measurement_the_even_ensembles_are_coherent_states(n_ensembles):
    """Equations (16), with e^(i k_(M-1) t) in its last ket, and (17)."""
    n_atoms, t = 3, 0.8
    k = np.arange(n_atoms + 1)
    root = np.sqrt([math.comb(n_atoms, i) / 2**n_atoms for i in k])
    expected = np.empty((n_atoms + 1,) * n_ensembles, complex)
    for states in np.ndindex(*expected.shape):
        neighbours = (*states, 0)
        angles = [(neighbours[j - 1] - neighbours[j + 1]) * t if j % 2 else 0.0 for j in range(n_ensembles)]
        expected[states] = np.prod([root[i] * np.exp(1j * i * angle) for i, angle in zip(states, angles, strict=True)])
    chain = Chain(n_ensembles, n_atoms)
    assert close(evolve(chain, initial_state(chain), t), expected, 1e-14)


def test_the_interaction_is_one_of_s_z_up_to_local_phases():
    """Equation (13): n_j n_(j+1) is S_z S_z / 4 and terms of single ensembles."""
    chain, _ = CHAINS[3]
    state, s_z = random_state(chain), np.diagonal(dicke.spin_z(chain.n_atoms))
    one, two, three = s_z[:, None, None], s_z[:, None], s_z
    pairs = np.exp(0.25j * 1.3 * (one * two - two * three))
    singles = np.exp(0.25j * 1.3 * chain.n_atoms * (one - three))  # those of the middle ensemble cancel
    assert close(evolve(chain, state, 1.3), state * pairs * singles)


@pytest.mark.parametrize("chain", WINDOWED, ids=str)
def test_a_windowed_state_is_a_part_of_the_full_one(chain):
    state = evolve(chain, initial_state(chain), 1.3)
    full = oracles.chain_state(chain.n_ensembles, chain.n_atoms, 1.3)
    assert close(state, in_window(chain, full), 1e-14)


def test_evolution_adds_up_and_keeps_the_norm():
    chain, times = CHAINS[4]
    state = random_state(chain)
    twice = evolve(chain, evolve(chain, state, BondTimes(times)), BondTimes(1.1 - times))
    assert close(twice, evolve(chain, state, 1.1))
    assert close(jnp.abs(twice), jnp.abs(state))
    assert close(evolve(chain, state, 0.0), state, 0.0)
    assert close(evolve(chain, state, pi_fraction(2)), state, 0.0)


def test_exact_and_floating_times_evolve_alike():
    chain, _ = CHAINS[4]
    state = random_state(chain)
    exact = evolve(chain, state, BondTimes(pi_fraction([1, 2, -3], [3, 5, 7])))
    assert close(exact, evolve(chain, state, BondTimes(np.pi * np.array([1 / 3, 2 / 5, -3 / 7]))))


@pytest.mark.parametrize("n_ensembles", CHAINS)
def test_the_offset_acts_on_the_inner_ensembles_alone(n_ensembles):
    chain, _ = CHAINS[n_ensembles]
    state = random_state(chain)
    offsets = np.linspace(-0.9, 1.4, n_ensembles - 2)
    k = np.arange(chain.n_atoms + 1)
    expected = np.asarray(state)
    for axis, offset in enumerate(offsets, start=1):
        expected = np.moveaxis(np.moveaxis(expected, axis, -1) * np.exp(1j * k * offset), -1, axis)
    assert close(apply_phase_offset(chain, state, offsets), expected, 1e-14)
    if n_ensembles == 2:
        with pytest.raises(ValueError, match=r"`phase_offset` must be 0 for n_ensembles = 2, .*, but is 0\.4\."):
            apply_phase_offset(chain, state, 0.4)
        return
    everywhere = apply_phase_offset(chain, state, np.full(n_ensembles - 2, 0.4))
    assert close(apply_phase_offset(chain, state, 0.4), everywhere, 0.0)


# --------------------------------------------------------------- measurement


@pytest.mark.parametrize("n_ensembles", CHAINS)
def test_projection_is_the_overlap_with_the_outcome(n_ensembles):
    chain, _ = CHAINS[n_ensembles]
    state = random_state(chain)
    outcomes = np.arange(n_ensembles - 2) % (chain.n_atoms + 1)
    expected = np.asarray(state)
    for q in outcomes:
        expected = np.tensordot(expected, oracles.x_basis(chain.n_atoms)[q], axes=(1, 0))
    assert close(project_outcomes(chain, state, outcomes), expected)


def test_no_outcomes_means_all_n():
    chain, _ = CHAINS[4]
    state = random_state(chain)
    top = project_outcomes(chain, state, [5, 5])
    assert close(project_outcomes(chain, state), top, 0.0)
    assert close(project_outcomes(chain, state, 5), top, 0.0)


def test_projections_on_all_outcomes_keep_the_norm():
    chain, _ = CHAINS[4]
    state = random_state(chain)
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2)
    parts = jax.vmap(lambda q: project_outcomes(chain, state, q))(grid)
    assert abs(float(jnp.sum(jnp.abs(parts) ** 2) / jnp.sum(jnp.abs(state) ** 2)) - 1) <= 1e-14


@pytest.mark.parametrize("chain", WINDOWED, ids=str)
def test_projection_in_a_window_uses_the_same_rows(chain):
    state = random_state(chain)
    outcomes = np.arange(3, chain.n_ensembles + 1)
    expected = np.asarray(state)
    for q in outcomes:
        expected = np.tensordot(expected, oracles.x_basis(chain.n_atoms)[q][chain.states], axes=(1, 0))
    assert close(project_outcomes(chain, state, outcomes), expected)


def test_tensor_and_matrix_product_differ_by_no_more_than_the_window_leaves_out():
    # the product keeps all states of the even ensembles; the tensor only those of the window
    chain = Chain(3, 64, window=3.0)
    product = end_to_end_amplitudes(chain, 1.0, 50)
    kept = oracles.end_to_end(3, 64, 1.0, [50])[np.ix_(chain.states, chain.states)]
    assert close(product, kept, 1e-13)
    tensor = project_outcomes(chain, evolve(chain, initial_state(chain), 1.0), 50)
    left_out = 1 - np.sum(oracles.weights(64, chain.states))
    assert 1e-3 < left_out < 1e-2
    assert 1e-6 < float(jnp.sum(jnp.abs(tensor - product) ** 2)) < left_out


# --------------------------------------------------------- reduced matrices


@pytest.mark.parametrize(
    ("chain", "ensemble"), [(CHAINS[m][0], j) for m in (2, 3, 4) for j in range(1, m + 1)] + [(WINDOWED[0], 2)], ids=str
)
def test_reduced_density_matrix_is_the_partial_trace(chain, ensemble):
    state = random_state(chain)
    rows = np.moveaxis(np.asarray(state), ensemble - 1, 0).reshape(chain.dimension, -1)
    expected = sum(np.outer(column, column.conj()) for column in rows.T)
    rho = reduced_density_matrix(chain, state, ensemble)
    assert close(rho, expected / np.trace(expected).real)
    assert close(jnp.trace(rho), 1.0)


@pytest.mark.parametrize("n_ensembles", [3, 4, 5])
def test_both_ends_of_end_to_end_amplitudes_can_be_reduced(n_ensembles):
    chain, times = CHAINS[n_ensembles]
    a = oracles.end_to_end(n_ensembles, chain.n_atoms, times, [1] * (n_ensembles - 2), 0.3)
    p = oracles.probability(a)
    first = reduced_density_matrix(chain, jnp.asarray(a), 1)
    last = reduced_density_matrix(chain, jnp.asarray(a), n_ensembles)
    assert close(first, a @ a.conj().T / p)
    assert close(last, a.T @ a.conj() / p)
    assert not close(first, last, 1e-3)


@pytest.mark.parametrize("ensemble", [0, 4, -1])
def test_an_ensemble_outside_the_chain_is_refused(ensemble):
    chain, _ = CHAINS[3]
    with pytest.raises(ValueError, match=r"^Argument `ensemble` must be in 1…3"):
        reduced_density_matrix(chain, random_state(chain), ensemble)


def test_an_inner_ensemble_of_end_to_end_amplitudes_is_refused():
    with pytest.raises(ValueError, match=r"^Argument `state` must have shape \(9, 9, 9\)"):
        reduced_density_matrix(CHAINS[3][0], jnp.ones((9, 9), complex), 2)


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    "call",
    [
        lambda chain, state: evolve(chain, state, 1.0),
        lambda chain, state: apply_phase_offset(chain, state, 0.1),
        lambda chain, state: project_outcomes(chain, state),
        lambda chain, state: reduced_density_matrix(chain, state, 1),
    ],
)
@pytest.mark.parametrize("shape", [(9,), (8, 8, 8), (9, 9, 9, 9), (9, 9, 1), ()])
def test_a_state_of_the_wrong_shape_is_refused(call, shape):
    with pytest.raises(ValueError, match=r"^Argument `state` must have shape \(9, 9, 9\)"):
        call(CHAINS[3][0], jnp.zeros(shape, complex))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda chain, state: evolve(chain, state, np.nan), "time"),
        (lambda chain, state: evolve(chain, state, np.inf), "time"),
        (lambda chain, state: evolve(chain, state, np.ones(2)), "time"),
        (lambda chain, state: evolve(chain, state, BondTimes(np.ones(3))), "time"),
        (lambda chain, state: evolve(chain, state, BondTimes(np.array([1.0, np.nan]))), "time"),
        (lambda chain, state: apply_phase_offset(chain, state, np.nan), "phase_offset"),
        (lambda chain, state: apply_phase_offset(chain, state, [0.1, 0.2]), "phase_offset"),
        (lambda chain, state: apply_phase_offset(chain, state, 0.1j), "phase_offset"),
        (lambda chain, state: project_outcomes(chain, state, 9), "outcomes"),
        (lambda chain, state: project_outcomes(chain, state, -1), "outcomes"),
        (lambda chain, state: project_outcomes(chain, state, [1, 2]), "outcomes"),
        (lambda chain, state: project_outcomes(chain, state, 1.5), "outcomes"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call, named):
    chain, _ = CHAINS[3]
    with pytest.raises(ValueError, match=rf"^Argument `{named}`"):
        call(chain, initial_state(chain))


@pytest.mark.parametrize("chain", [Chain(6, 1000), Chain(60, 3), Chain(9, 10**6, window=3.0)], ids=str)
def test_a_tensor_that_does_not_fit_is_refused_before_it_is_allocated(chain):
    with pytest.raises(ValueError, match=rf"n_ensembles = {chain.n_ensembles} .*GiB.*GiB are free; use .*amplitudes"):
        initial_state(chain)
