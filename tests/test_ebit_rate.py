"""Ebits per second: against a sum over outcomes and cells of full states, and units by hand."""

import math

import numpy as np
import pytest

import jaxent
from jaxent import Experiment, pi_fraction
from jaxent.analysis import ebit_rate as module


def entropy(matrix):
    return -sum(p * math.log2(p) for p in np.linalg.eigvalsh(matrix) if p > 1e-14)


def information(state):
    """S(ρ_3) - S(ρ) of an unnormalized state over (a, b, a', b')."""
    state = state / np.einsum("abab->", state).real
    size = state.shape[0] * state.shape[1]
    return entropy(np.einsum("abac->bc", state)) - entropy(state.reshape(size, size))


@pytest.mark.parametrize(("levels", "t2", "offset"), [(2, "5ms", None), (3, "1ms", 0.2)])
def test_it_is_the_sum_over_outcomes_of_full_states(levels, t2, offset):
    experiment, time = Experiment("2kHz", 5, t2=t2), pi_fraction(2, levels)
    phase = math.pi / (2 * levels) if offset is None else offset
    arguments = (experiment.chain, time, experiment.dephasing_rate)
    expected = 0.0
    for q in range(6):
        probability = math.exp(float(jaxent.dephased_log_probability(*arguments, q, phase)))
        rho = np.asarray(jaxent.end_to_end_state(*arguments, q, phase))
        cells = [slice(k, k + levels) for k in range(0, 6, levels)]
        parts = [rho[a, b, a, b] for a in cells for b in cells]
        measured = sum(np.einsum("abab->", part).real * information(part) for part in parts)
        expected += probability * max(0.0, measured, information(rho))
    found = jaxent.ebit_rate(experiment, time, offset, measurement_time="50µs", distance="3km")
    assert found.per_attempt == pytest.approx(expected, abs=3e-7)
    seconds = 2 * math.pi / levels / (2 * math.pi * 2000) + 50e-6 + 3000 / 299792458
    assert found.seconds == pytest.approx(seconds, rel=1e-14)
    assert found.per_second == pytest.approx(found.per_attempt / seconds, rel=1e-14)
    assert 0 < found.error < 1e-6


def test_few_outcomes_stand_for_all(monkeypatch):
    experiment, time = Experiment("2kHz", 150, t2="20ms"), pi_fraction(1)
    every = jaxent.ebit_rate(experiment, time)
    monkeypatch.setattr(module, "_STEPS", 2)
    shares = []
    some = jaxent.ebit_rate(experiment, time, report=shares.append)
    assert len(shares) < 52
    assert shares[-1] == 1
    assert abs(some.per_attempt - every.per_attempt) <= some.error
    assert some.error < 1e-3


def test_a_long_way_costs_time_and_noise_costs_ebits():
    time = pi_fraction(1)
    near, far = (jaxent.ebit_rate(Experiment("2kHz", 6, t2="5ms"), time, distance=x) for x in (0.0, "100km"))
    assert far.per_attempt == near.per_attempt
    assert far.seconds - near.seconds == pytest.approx(1e5 / 299792458)
    fibre = jaxent.ebit_rate(Experiment("2kHz", 6, t2="5ms"), time, distance="100km", signal_speed="2e8m/s")
    assert fibre.seconds - near.seconds == pytest.approx(5e-4)
    noisy = jaxent.ebit_rate(Experiment("2kHz", 6, t2="0.1ms"), time)
    assert noisy.per_attempt < near.per_attempt


def test_the_best_rate_is_that_of_a_grid():
    experiment, slow = Experiment("2kHz", 6, t2="3ms"), {"distance": "30km"}
    shares = []
    found = jaxent.best_ebit_rate(experiment, (2, 3), **slow, report=shares.append)
    rates = [jaxent.ebit_rate(experiment, pi_fraction(2, r), **slow).per_second for r in (2, 3)]
    np.testing.assert_allclose(found.tried, rates, rtol=1e-12)
    assert found.levels == (2, 3)[int(np.argmax(rates))]
    assert float(found.time.value) == pytest.approx(2 * math.pi / found.levels)
    again = jaxent.ebit_rate(experiment, found.time, found.phase_offset, **slow)
    assert again.per_second == pytest.approx(found.rate.per_second, rel=1e-12)
    grid = np.linspace(0, math.pi / found.levels, 9)
    most = max(jaxent.ebit_rate(experiment, found.time, float(x), **slow).per_second for x in grid)
    assert found.rate.per_second >= most * (1 - 2e-3)
    assert shares[-1] == 1
    assert sorted(shares) == shares


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"experiment": Experiment("2kHz", 4, n_ensembles=4)}, "must be of three ensembles"),
        ({"experiment": Experiment("2kHz", 4, resolution=2)}, "must have a perfect measurement"),
        ({"experiment": Experiment("2kHz", 4e6)}, "at most 1000000 atoms"),
        ({"distance": "3s"}, "`distance` must be a length of at least 0 like 10km, but is '3s'"),
        ({"distance": -1.0}, "`distance` must be a length of at least 0"),
        ({"measurement_time": "1km"}, "`measurement_time` must be a duration of at least 0 like 50µs"),
        ({"signal_speed": 0.0}, "`signal_speed` must be a positive speed like 2e8m/s"),
    ],
)
def test_nonsense_is_one_sentence(arguments, words):
    given = {"experiment": Experiment("2kHz", 4), "time": pi_fraction(1)} | arguments
    with pytest.raises(ValueError, match=words):
        jaxent.ebit_rate(**given)
