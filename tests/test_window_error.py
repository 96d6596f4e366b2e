"""What a window costs: the bound against true errors, from windows cut out of the full amplitudes of the oracle."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

from jaxent import (
    BondTimes,
    Chain,
    chain_for_tolerance,
    end_to_end_entropy,
    entropy_error_bound,
    entropy_error_estimate,
    pi_fraction,
)

pytestmark = pytest.mark.usefixtures("quick_compilation")

MAGIC = np.pi * np.array([1 / 3, 1 / 2, 2 / 3, 1])
TIMES = {100: np.array([*MAGIC, 1.0, 0.05, 1e-3, 2.2, 6.0]), 400: np.array([np.pi / 2, 1.0, 0.02])}
MEASUREMENTS = [(None, 0.0), (90, 0.5), (45, 1.4), (3, 2.8)]  # outcome at N = 100 and offset


@functools.lru_cache(maxsize=64)
def exact(n_atoms: int, time: float, outcome: int | None, offset: float) -> tuple[np.ndarray, float]:
    """Amplitudes and entropy of three ensembles without a window."""
    a = oracles.end_to_end_stepwise(3, n_atoms, time, [n_atoms if outcome is None else outcome], offset)
    return a, oracles.entropy_bits(a)


def true_error(chain: Chain, time: float, outcome: int | None = None, offset: float = 0.0) -> float:
    """E in the window less E: for three ensembles the window cuts both ends and nothing else."""
    full, entropy = exact(chain.n_atoms, float(time), outcome, offset)
    return oracles.entropy_bits(full[np.ix_(chain.states, chain.states)]) - entropy


def lost_shares(chain: Chain, time: float, outcome: int | None, offset: float) -> tuple[float, float]:
    """Shares of the probability that projecting the first end, and then the second, takes away."""
    full = np.abs(exact(chain.n_atoms, float(time), outcome, offset)[0]) ** 2
    first, both = full[chain.states], full[np.ix_(chain.states, chain.states)]
    return 1 - np.sum(first) / np.sum(full), 1 - np.sum(both) / np.sum(first)


def fannes_audenaert(distance: float, n_atoms: int) -> float:
    p = np.array([distance, 1 - distance])
    return distance * math.log2(n_atoms) - float(np.sum(p * np.log2(p)))


# ---------------------------------------------------------------------- bound


@pytest.mark.parametrize("n_atoms", TIMES)
@pytest.mark.parametrize(("outcome", "offset"), MEASUREMENTS)
def test_the_bound_is_never_below_the_error(n_atoms, outcome, offset):
    outcome = None if outcome is None else outcome * n_atoms // 100
    proven = 0
    for window in (2.0, 3.0, 4.0, 5.0, 6.0):
        chain = Chain(3, n_atoms, window=window)
        bounds = np.asarray(entropy_error_bound(chain, TIMES[n_atoms], outcome, offset))
        errors = np.array([abs(true_error(chain, time, outcome, offset)) for time in TIMES[n_atoms]])
        assert bounds.shape == TIMES[n_atoms].shape
        assert np.all(bounds >= errors - 1e-12)  # what NumPy's own entropies are good for
        assert np.all(bounds <= math.log2(n_atoms + 1))
        proven += np.sum(errors > 1e-11)
    assert proven > len(TIMES[n_atoms])


@pytest.mark.parametrize(("outcome", "offset"), MEASUREMENTS)
@pytest.mark.parametrize("n_atoms", [100, 101])
def test_the_bound_is_that_of_fannes_and_audenaert(n_atoms, outcome, offset):
    chain = Chain(3, n_atoms, window=3.0)
    bounds = np.asarray(entropy_error_bound(chain, np.array([1.0, 0.05, 2.2]), outcome, offset))
    for bound, time in zip(bounds, (1.0, 0.05, 2.2), strict=True):
        shares = lost_shares(chain, time, outcome, offset)
        expected = min(sum(fannes_audenaert(share, n_atoms) for share in shares), math.log2(n_atoms + 1))
        assert abs(bound / expected - 1) <= 1e-8


@pytest.mark.parametrize(("n_atoms", "expected"), [(100, 1.07e-8), (400, 5.24e-8)])
def test_six_standard_deviations_certify_the_eighth_digit(n_atoms, expected):
    chain = Chain(3, n_atoms, window=6.0)
    k = np.arange(n_atoms + 1)
    inside = np.isin(k, chain.states)
    times = np.array([1.0, 2.2, np.pi / 3, np.pi])
    bounds = np.asarray(entropy_error_bound(chain, times))
    for bound, time in zip(bounds, times, strict=True):
        # the lost shares are 1e-10: sums of what is outside, not differences from one
        w = oracles.weights(n_atoms, k)
        p = np.outer(w, w) * np.cos(np.subtract.outer(k, k) * time / 2) ** (2 * n_atoms)
        first, second = np.sum(p[~inside]) / np.sum(p), np.sum(p[inside][:, ~inside]) / np.sum(p[inside])
        proven = fannes_audenaert(first, n_atoms) + fannes_audenaert(second, n_atoms)
        assert 0 <= bound - proven <= 2e-12  # the allowance for rounding
        assert 1e-8 < bound < 9e-8
    assert abs(bounds[0] - expected) <= 1e-10


def test_the_bound_reaches_a_million_atoms():
    # at a magic time k_1 and k_3 are as good as independent: twice a normal tail beyond six standard deviations
    bound = float(entropy_error_bound(Chain(3, 10**6, window=6.0), pi_fraction(1)))
    expected = 2 * fannes_audenaert(math.erfc(6.0 / math.sqrt(2)), 10**6)
    assert abs(bound / expected - 1) <= 0.01


def test_the_full_basis_has_no_error():
    assert float(entropy_error_bound(Chain(3, 50), 1.0, 7, 0.3)) == 0.0
    assert float(entropy_error_bound(Chain(3, 100, window=10.0), 1.0)) == 0.0
    assert np.asarray(entropy_error_bound(Chain(3, 50), np.ones((2, 3)))).tolist() == [[0.0] * 3] * 2
    assert entropy_error_bound(Chain(3, 10**5), 1.0) == 0.0


def test_an_impossible_outcome_has_the_trivial_bound():
    assert float(entropy_error_bound(Chain(3, 20, window=2.0), 0.0, 19)) == pytest.approx(math.log2(21), abs=1e-14)


def test_exact_times_and_batches_have_the_bounds_of_their_floats():
    chain = Chain(3, 100, window=3.0)
    bounds = entropy_error_bound(chain, pi_fraction(np.array([[1, 1], [2, 1]]), np.array([[3, 2], [3, 1]])))
    expected = [float(entropy_error_bound(chain, time)) for time in MAGIC]
    assert bounds.shape == (2, 2)
    assert np.max(np.abs(np.asarray(bounds).ravel() / expected - 1)) <= 1e-9
    assert entropy_error_bound(chain, np.zeros((0, 3))).shape == (0, 3)


def test_bounds_can_be_traced_over_outcomes():
    chain = Chain(3, 100, window=3.0)
    bounds = jax.jit(jax.vmap(lambda q, phi: entropy_error_bound(chain, 1.0, q, phi)))(
        jnp.array([100, 90]), jnp.array([0.0, 0.5])
    )
    expected = [float(entropy_error_bound(chain, 1.0)), float(entropy_error_bound(chain, 1.0, 90, 0.5))]
    assert np.max(np.abs(bounds / np.array(expected) - 1)) <= 1e-12


# ------------------------------------------------------------------ true errors


def test_windows_of_a_hundred_atoms_have_the_tabulated_errors():
    three, five, one = (Chain(3, 100, window=c) for c in (3.0, 5.0, 1.0))
    times = np.array([*MAGIC, 1.0, 0.05])
    full = np.asarray(end_to_end_entropy(Chain(3, 100), times))
    differences = np.asarray(end_to_end_entropy(three, times) - full)
    errors = np.abs(differences)
    assert np.max(errors[:4]) <= 4.5e-6
    assert 6.5e-4 < errors[4] < 7.5e-4
    assert 5.5e-4 < errors[5] < 6.5e-4
    assert 0 < float(abs(end_to_end_entropy(five, times) - full)[4]) <= 2.5e-8
    assert 0.35 < float(abs(end_to_end_entropy(one, times) - full)[4]) < 0.45
    assert np.max(np.abs(differences - [true_error(three, time) for time in times])) <= 1e-12


# --------------------------------------------------------------- tolerances


@pytest.mark.parametrize(
    ("n_atoms", "time", "tolerance", "outcome", "offset"),
    [
        (100, 1.0, 1e-3, None, 0.0),
        (101, 1.0, 1e-6, None, 0.0),
        (100, 2.2, 1e-6, 90, 0.5),
        (400, np.pi / 2, 1e-9, None, 0.0),
    ],
)
def test_the_chain_for_a_tolerance_is_the_smallest_proven_one(n_atoms, time, tolerance, outcome, offset):
    chain = chain_for_tolerance(n_atoms, time, tolerance, outcome, offset)
    assert chain.n_ensembles == 3
    assert chain.n_atoms == n_atoms
    assert abs(true_error(chain, time, outcome, offset)) <= tolerance
    assert float(entropy_error_bound(chain, time, outcome, offset)) <= tolerance
    # one state less at each side
    half_width = int(chain.states[-1]) - n_atoms // 2
    smaller = Chain(3, n_atoms, window=(2 * half_width - 2 + 0.5) / math.sqrt(n_atoms))
    assert smaller.dimension == chain.dimension - 2
    assert float(entropy_error_bound(smaller, time, outcome, offset)) > tolerance


def test_the_chain_for_a_tolerance_serves_all_times():
    times = np.array([np.pi, 1.0, 0.3])
    widths = [chain_for_tolerance(100, time, 1e-6).dimension for time in times]
    assert chain_for_tolerance(100, times, 1e-6).dimension == max(widths)
    assert chain_for_tolerance(100, pi_fraction([1, 1], [1, 2]), 1e-6).dimension <= max(widths)


@pytest.mark.parametrize(
    ("n_atoms", "time", "tolerance", "outcome"),
    [(30, 1.0, 1e-14, None), (20, 0.0, 1e-3, 19)],  # at time 0 only q = N is possible
)
def test_a_tolerance_below_what_is_proven_of_any_window_is_refused(n_atoms, time, tolerance, outcome):
    with pytest.raises(ValueError, match=r"^Argument `tolerance` must be at least .* but is .*full basis") as refusal:
        chain_for_tolerance(n_atoms, time, tolerance, outcome)
    floor = float(str(refusal.value).split("at least ")[1].split(",")[0])
    if outcome is None:
        assert chain_for_tolerance(n_atoms, time, 1.1 * floor).window is not None


@pytest.mark.parametrize("n_atoms", [1, 2])
def test_where_there_is_no_window_the_full_basis_is_taken(n_atoms):
    assert chain_for_tolerance(n_atoms, 1.0, 1e-3) == Chain(3, n_atoms)


# ---------------------------------------------------------------- estimates


@pytest.mark.parametrize(
    ("n_ensembles", "outcomes", "offset"), [(4, None, 0.0), (4, [55, 20], [0.4, 0.1]), (5, None, 0.0)]
)
def test_the_estimate_for_longer_chains_is_close_to_the_true_error(n_ensembles, outcomes, offset):
    chain = Chain(n_ensembles, 64, window=3.0)
    times = np.array([1.0, 0.07, np.pi / 2])
    estimates = np.asarray(entropy_error_estimate(chain, times, outcomes, offset))
    q = [64] * (n_ensembles - 2) if outcomes is None else outcomes

    def entropy(time, window):
        return oracles.entropy_bits(oracles.end_to_end_stepwise(n_ensembles, 64, time, q, offset, window))

    errors = np.array([abs(entropy(time, 3.0) - entropy(time, None)) for time in times])
    assert np.max(errors) > 1e-5
    assert np.max(np.abs(estimates / errors - 1)) <= 0.05


def test_the_estimate_needs_no_wider_window_than_the_basis_has():
    times = np.array([1.0, 0.3])
    for n_atoms in (20, 21):
        narrow = entropy_error_estimate(Chain(4, n_atoms, window=3.5), times)
        expected = end_to_end_entropy(Chain(4, n_atoms, window=3.5), times) - end_to_end_entropy(
            Chain(4, n_atoms), times
        )
        assert np.max(np.abs(narrow - np.abs(np.asarray(expected)))) <= 1e-13
        assert np.min(narrow) > 1e-7
    assert np.asarray(entropy_error_estimate(Chain(4, 20), times)).tolist() == [0.0, 0.0]
    per_bond = BondTimes(np.array([1.0, 0.5, 2.0]))
    assert 1e-6 < float(entropy_error_estimate(Chain(4, 20, window=3.5), per_bond)) < 1e-1


# ------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: entropy_error_bound(Chain(4, 10), 1.0), "chain"),
        (lambda: entropy_error_bound(Chain(2, 10), 1.0), "chain"),
        (lambda: entropy_error_bound(Chain(3, 10), np.nan), "time"),
        (lambda: entropy_error_bound(Chain(3, 10), 1.0, 11), "outcomes"),
        (lambda: entropy_error_bound(Chain(3, 10), 1.0, [1, 2]), "outcomes"),
        (lambda: entropy_error_bound(Chain(3, 10), 1.0, 1.5), "outcomes"),
        (lambda: entropy_error_bound(Chain(3, 10), 1.0, 1, np.inf), "phase_offset"),
        (lambda: entropy_error_bound(Chain(3, 10), 1.0, 1, [0.1, 0.2]), "phase_offset"),
        (lambda: entropy_error_estimate(Chain(4, 10, window=2.0), np.inf), "time"),
        (lambda: entropy_error_estimate(Chain(4, 10, window=2.0), 1.0, 11), "outcomes"),
        (lambda: entropy_error_estimate(Chain(3, 10, window=2.0), 0.0, 9), "outcomes"),
        (lambda: chain_for_tolerance(100, 1.0, 0.0), "tolerance"),
        (lambda: chain_for_tolerance(100, 1.0, -1e-3), "tolerance"),
        (lambda: chain_for_tolerance(100, 1.0, np.nan), "tolerance"),
        (lambda: chain_for_tolerance(100, 1.0, np.inf), "tolerance"),
        (lambda: chain_for_tolerance(0, 1.0, 1e-3), "n_atoms"),
        (lambda: chain_for_tolerance(100, np.nan, 1e-3), "time"),
        (lambda: chain_for_tolerance(100, 1.0, 1e-3, 101), "outcomes"),
        (lambda: chain_for_tolerance(100, 1.0, 1e-3, None, np.nan), "phase_offset"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(call, named):
    with pytest.raises(ValueError, match=rf"^Argument `{named}`"):
        call()


def test_the_bound_is_for_one_time_on_both_bonds():
    with pytest.raises(
        ValueError, match=r"^Argument `time` must be one time for both bonds.*use entropy_error_estimate"
    ):
        entropy_error_bound(Chain(3, 10), BondTimes(np.ones(2)))


def test_the_bound_is_trivial_where_the_window_holds_nothing_of_the_outcome():
    """At N = 10^8, q = N - 10^5, t = 1e-6 the kept share is a sum of weights far below the noise of a transform."""
    chain = Chain(3, 10**8, 6.0)
    bound = float(entropy_error_bound(chain, 1e-6, 10**8 - 10**5))
    assert bound == pytest.approx(np.log2(10**8 + 1), abs=1e-12)
