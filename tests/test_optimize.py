"""Optimal offsets against the textbook's, scans and the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest

import jaxent
from jaxent.analysis import optimize

pytestmark = pytest.mark.usefixtures("quick_compilation")

QUARTER = jaxent.pi_fraction(1, 2)  # 2π/4
KEY = jax.random.key(2)


@pytest.mark.thorough
def test_from_any_start_fifty_atoms_reach_the_textbook_value():
    steps = []
    found = jaxent.maximize(
        "average_entropy", jaxent.Chain(3, 50), QUARTER, n_starts=5, callback=lambda *step: steps.append(step)
    )
    starts, reached = found.history.phase_offset[0, :, 0], optimize._last_finite(found.history.value)
    np.testing.assert_allclose(np.sort(starts), np.pi / 4 * (np.arange(5) + 0.5) / 5)
    assert (reached >= 1.99404).all()
    textbook = jaxent.average_entropy(jaxent.Chain(3, 50), QUARTER, optimize.textbook_offset(QUARTER)).value
    assert found.value >= float(textbook)
    assert found.slope <= 1e-8
    assert [number for number, _, _ in steps] == list(range(1, len(steps) + 1))
    assert len(found.history.value) <= len(steps) <= found.history.value.size  # of one start after the other
    assert steps[-1][1] == pytest.approx(found.value, abs=1e-6)


def test_the_slope_vanishes_at_the_answer_and_the_oracle_agrees():
    chain = jaxent.Chain(3, 12)
    found = jaxent.maximize("average_entropy", chain, QUARTER, n_starts=3)
    slope = jax.jit(jax.grad(lambda x: jaxent.average_entropy(chain, QUARTER, x).value))(float(found.phase_offset[0]))
    assert abs(float(slope)) < 1e-8
    here, left, right = (
        oracles.average_entropy(3, 12, np.pi / 2, float(found.phase_offset[0]) + s) for s in (0, -1e-3, 1e-3)
    )
    assert found.value == pytest.approx(here, abs=1e-10)
    assert left < here > right
    scan = max(oracles.average_entropy(3, 12, np.pi / 2, x) for x in np.linspace(0, np.pi / 2, 60))
    assert found.value >= scan


@pytest.mark.thorough
def test_four_ensembles_do_at_least_as_well_as_the_textbook():
    found = jaxent.maximize("average_entropy", jaxent.Chain(4, 20), QUARTER, np.pi / 8, n_starts=1)
    assert found.value >= 1.82133
    assert found.slope <= 1e-8


def test_an_offset_for_each_ensemble_and_a_time_only_gain():
    chain, time = jaxent.Chain(4, 2), 2.2
    one = jaxent.maximize("average_entropy", chain, time, n_starts=2)
    each = jaxent.maximize(
        "average_entropy", chain, time, np.full(2, float(one.phase_offset[0])), per_ensemble=True, n_starts=2
    )
    timed = jaxent.maximize(
        "average_entropy", chain, time, float(one.phase_offset[0]), vary_time=True, n_starts=2, n_steps=60
    )
    assert one.phase_offset.shape == (1,)
    assert each.phase_offset.shape == (2,)
    assert each.value >= one.value - 1e-10
    assert timed.value > one.value + 1e-3
    assert timed.time != time
    value = jaxent.average_entropy(chain, timed.time, float(timed.phase_offset[0])).value
    assert timed.value == pytest.approx(float(value), abs=1e-10)


@pytest.mark.thorough
def test_noise_moves_the_best_offset():
    chain = jaxent.Chain(3, 4)
    found = jaxent.maximize("average_log_negativity", chain, jaxent.pi_fraction(1), n_starts=2, dephasing_rate=0.05)

    def oracle(offset):
        total = 0.0
        for q in range(5):
            rho = oracles.dephased_state(3, 4, np.pi, 0.05, [q], offset)
            p = np.einsum("abab->", rho).real
            total += p * oracles.state_log_negativity_bits(rho / p)
        return total

    assert found.value == pytest.approx(oracle(float(found.phase_offset[0])), abs=1e-9)
    assert found.value >= max(oracle(x) for x in np.linspace(0, np.pi, 40)) - 1e-9


def test_the_search_compiles_its_objective_once():
    traced = []

    def peak(chain, time, phase_offset, key, n_samples):
        traced.append(phase_offset)
        return jaxent.OutcomeAverage(jnp.cos(3 * jnp.sum(phase_offset) - 1.3), jnp.zeros(()), jnp.ones(()))

    found = jaxent.maximize(peak, jaxent.Chain(3, 4), 1.0, n_starts=4)
    assert found.value == pytest.approx(1.0, abs=1e-15)
    assert np.cos(3 * found.phase_offset[0] - 1.3) == pytest.approx(1.0, abs=1e-15)
    assert found.slope <= 1e-9
    assert len(traced) == 1


def test_other_times_and_rates_compile_nothing():
    def search(time, rate):
        chain, few = jaxent.Chain(3, 5), {"n_starts": 1, "n_steps": 2}
        jaxent.maximize("average_entropy", chain, time, 0.1, **few)
        return jaxent.maximize("average_log_negativity", chain, time, 0.1, dephasing_rate=rate, **few)

    search(jaxent.pi_fraction(1, 2), 0.1)
    known = optimize._value_and_slopes._cache_size()
    at_third = search(jaxent.pi_fraction(2, 3), 0.02)
    assert optimize._value_and_slopes._cache_size() == known
    offset, chain = float(at_third.phase_offset[0]), jaxent.Chain(3, 5)
    average = jaxent.average_log_negativity(chain, jaxent.pi_fraction(2, 3), 0.02, offset)
    assert at_third.value == pytest.approx(float(average.value), abs=1e-12)


def test_newton_steps_end_what_the_climb_leaves(monkeypatch):
    monkeypatch.setattr(optimize, "_NEAR", 0.3)

    def peak(chain, time, phase_offset, key, n_samples):
        x, y = phase_offset
        return jaxent.OutcomeAverage(jnp.cos(x - 0.4) + jnp.cos(x + y - 1.5), jnp.zeros(()), jnp.ones(()))

    found = jaxent.maximize(peak, jaxent.Chain(4, 4), 1.0, [0.1, 0.9], per_ensemble=True, n_starts=1)
    assert found.history.slope[-1, 0] > 1e-3
    assert found.slope <= 1e-9
    np.testing.assert_allclose(found.phase_offset, [0.4, 1.1], rtol=0, atol=1e-9)


@pytest.mark.thorough
def test_other_objectives_reach_the_best_of_a_scan():
    chain, grid = jaxent.Chain(3, 6), np.linspace(0, np.pi, 200)
    fidelity = jaxent.maximize("decoded_fidelity", chain, QUARTER, levels=4, n_starts=4)
    scan = [jaxent.average_decoded_fidelity(chain, 4, phase_offset=x).value for x in grid[:100:4]]
    assert fidelity.value >= float(max(scan)) - 1e-9
    product = jaxent.maximize("entropy_times_probability", chain, 1.1, outcomes=4, n_starts=4)
    scan = jax.vmap(
        lambda x: jaxent.end_to_end_entropy(chain, 1.1, 4, x) * jaxent.outcome_probability(chain, 1.1, 4, x)
    )(grid)
    assert product.value >= float(max(scan)) - 1e-9


def test_an_objective_of_ones_own():
    def closeness(chain, time, phase_offset, key, n_samples):
        return jaxent.OutcomeAverage(-jnp.sum((phase_offset - 0.3) ** 2), jnp.zeros(()), jnp.ones(()))

    found = jaxent.maximize(closeness, jaxent.Chain(3, 4), 1.0)
    assert found.phase_offset[0] == pytest.approx(0.3, abs=1e-8)
    assert found.value == pytest.approx(0.0, abs=1e-12)


def test_each_offset_and_the_time_start_from_evenly_spaced_values_and_from_those_given():
    def level(chain, time, phase_offset, key, n_samples):
        return jaxent.OutcomeAverage(0.0 * (jnp.sum(phase_offset) + time), jnp.zeros(()), jnp.ones(()))

    search = {"per_ensemble": True, "vary_time": True, "n_starts": 6, "n_steps": 1}
    spread, again = (jaxent.maximize(level, jaxent.Chain(5, 4), 1.0, **search).history for _ in range(2))
    given = jaxent.maximize(level, jaxent.Chain(5, 4), 1.0, [0.1, 0.2, 0.3], **search).history
    even = (np.arange(6) + 0.5) / 6
    for column in spread.phase_offset[0].T:
        np.testing.assert_allclose(np.sort(column), np.pi * even)
    assert len({tuple(np.argsort(column)) for column in spread.phase_offset[0].T}) > 1
    assert spread.time[0, 0] == 1.0
    assert set(np.round(2 * (spread.time[0, 1:] - 1.0), 12)) < set(np.round(even - 0.5, 12))
    assert len(set(spread.time[0])) == 6
    np.testing.assert_array_equal(spread.phase_offset, again.phase_offset)
    np.testing.assert_array_equal(given.phase_offset[0, 0], [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(given.phase_offset[0, 1:], spread.phase_offset[0, 1:])
    np.testing.assert_array_equal(given.time, spread.time)


def test_sampled_objectives_climb():
    chain = jaxent.Chain(5, 4)
    found = jaxent.maximize(
        "average_entropy", chain, jaxent.pi_fraction(1), 0.9, n_starts=1, n_steps=30, key=KEY, n_samples=40
    )
    before = jaxent.average_entropy(chain, jaxent.pi_fraction(1), 0.9, KEY, 400)
    assert found.value > float(before.value) + 4 * float(before.standard_error)
    assert 0 < found.standard_error < 0.1
    assert found.history.value.shape == (30, 1)


def test_where_the_objective_ends_the_history_is_kept():
    def cliff(chain, time, phase_offset, key, n_samples):
        value = jnp.where(phase_offset[0] > 0.5, jnp.nan, phase_offset[0])
        return jaxent.OutcomeAverage(value, jnp.zeros(()), jnp.ones(()))

    with pytest.raises(jaxent.OptimizationError, match="finite at no start") as caught:
        jaxent.maximize(cliff, jaxent.Chain(3, 4), 1.0, 0.6, n_starts=1)
    assert caught.value.history.phase_offset[0, 0, 0] == pytest.approx(0.6)
    found = jaxent.maximize(cliff, jaxent.Chain(3, 4), 1.0, 0.4, n_starts=1, n_steps=5)
    assert 0.4 <= found.value <= 0.5


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"objective": "entropy"}, "`objective` must be one of average_entropy, .*but is 'entropy'"),
        ({"method": "newton"}, "`method` must be 'lbfgs' or 'adam' but is 'newton'"),
        ({"key": KEY, "method": "lbfgs"}, "`method` must be 'adam', as draws change"),
        ({"n_starts": 0}, "`n_starts` must be an integer of at least 1"),
        ({"n_steps": 0}, "`n_steps` must be an integer of at least 1"),
        ({"tolerance": -1.0}, "`tolerance` must be positive"),
        ({"chain": jaxent.Chain(2, 4)}, "must have inner ensembles"),
        ({"time": jaxent.BondTimes([0.1, 0.2])}, "`time` must be one time for all bonds here"),
        ({"phase_offset": [0.1, 0.2]}, "`per_ensemble` must be True"),
        ({"levels": 3}, "`levels` is none of this objective"),
        ({"objective": "average_log_negativity"}, "`dephasing_rate` is missing"),
        ({"chain": jaxent.Chain(6, 4)}, "pass a `key` for a sampled average"),
        ({"time": float("inf")}, "`time` must be finite"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(overrides, words):
    arguments = {"objective": "average_entropy", "chain": jaxent.Chain(4, 3), "time": 1.0} | overrides
    with pytest.raises(ValueError, match=words):
        jaxent.maximize(**arguments)


def test_the_log_negativity_within_a_tolerance_reaches_the_best_of_a_scan():
    """N = 30 is dense: the value found is that of the library to the last digit."""
    chain, time = jaxent.Chain(3, 30), 1.3
    found = jaxent.maximize("log_negativity", chain, time, dephasing_rate=0.05, outcomes=24, n_starts=3)
    phases = jnp.linspace(0, np.pi, 41)
    scan = jax.vmap(lambda x: jaxent.end_to_end_log_negativity(chain, time, 0.05, 24, x))(phases)
    assert np.ptp(scan) > 0.03
    assert float(scan.max()) == pytest.approx(found.value, abs=1e-3)
    again = jaxent.end_to_end_log_negativity(chain, time, 0.05, 24, found.phase_offset, tolerance=1e-3)
    assert found.value == float(again)


@pytest.mark.thorough
def test_bands_reach_the_best_of_a_scan_of_dense_matrices():
    """N = 150 beyond what is dense by choice; the scan has a window of three standard deviations."""
    settings = {"dephasing_rate": 0.1, "outcomes": 128}
    found = jaxent.maximize("log_negativity", jaxent.Chain(3, 150), 1.3, n_starts=3, n_steps=30, **settings)
    phases = np.linspace(0, np.pi, 25)
    scan = [float(jaxent.end_to_end_log_negativity(jaxent.Chain(3, 150, 3.0), 1.3, 0.1, 128, x)) for x in phases]
    best = int(np.argmax(scan))
    assert scan[best] - 2e-3 <= found.value <= scan[best] + 4e-3
    chain = jaxent.Chain(3, 150)
    assert jaxent.log_negativity_with_errors(chain, 1.3, 0.1, 128, found.phase_offset).method == "band"


def test_an_objective_of_ones_own_with_a_tolerance_is_not_compiled():
    chain = jaxent.Chain(3, 6)

    def objective(chain, time, phase_offset, key, n_samples):
        bits = jaxent.end_to_end_log_negativity(chain, time, 0.1, phase_offset=phase_offset, tolerance=1e-3)
        return jaxent.OutcomeAverage(2 * bits, 0 * bits, bits)

    found = jaxent.maximize(objective, chain, 0.9, 0.3, n_starts=1, n_steps=4)
    again = jaxent.end_to_end_log_negativity(chain, 0.9, 0.1, phase_offset=found.phase_offset, tolerance=1e-3)
    assert found.value == 2 * float(again)
    with pytest.raises(ValueError, match="`method` must be 'lbfgs' for an objective with a tolerance"):
        jaxent.maximize(objective, chain, 0.9, method="adam", n_starts=1, n_steps=1)
    with pytest.raises(ValueError, match="`key` must be left out for an objective with a tolerance"):
        jaxent.maximize(objective, chain, 0.9, key=KEY, n_starts=1, n_steps=1)
    with pytest.raises(ValueError, match="`dephasing_rate` must be"):
        jaxent.maximize("log_negativity", chain, 0.9, dephasing_rate=-0.1, n_starts=1)
