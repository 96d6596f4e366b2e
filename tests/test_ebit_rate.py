"""Ebits per second: against a sum over outcomes and cells of full states, and units by hand."""

import itertools
import math

import numpy as np
import oracles
import oracles_measurement
import pytest
import scipy.stats

import jaxent
from jaxent import Experiment, pi_fraction
from jaxent.analysis import ebits
from jaxent.noise import residues

pytestmark = pytest.mark.usefixtures("quick_compilation")


def entropy(matrix):
    return -sum(p * math.log2(p) for p in np.linalg.eigvalsh(matrix) if p > 1e-14)


def information(state):
    """S(ρ_3) - S(ρ) of an unnormalized state over (a, b, a', b')."""
    state = state / np.einsum("abab->", state).real
    size = state.shape[0] * state.shape[1]
    return entropy(np.einsum("abac->bc", state)) - entropy(state.reshape(size, size))


def of_cells(state, width):
    """p and Σ_c p_c [S(ρ_3|c) - S(ρ|c)]/p of an unnormalized state (k_1, k_3, k_1', k_3')."""
    cells = [slice(k, k + width) for k in range(0, len(state), width)]
    parts = [state[a, b, a, b] for a in cells for b in cells]
    shares = [np.einsum("abab->", part).real for part in parts]
    whole = sum(p * information(part) for p, part in zip(shares, parts, strict=True) if p > 1e-14)
    return sum(shares), whole / max(sum(shares), 1e-300)


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


IMPERFECT = [
    # resolution, T_2 of single atoms, loss per second, error of the sum
    (0.6, "3ms", 400.0, 2e-5),
    (0.3, None, 0.0, 5e-5),
    (2.0, None, 0.0, 2e-6),
    (5.0, None, 0.0, 2e-6),
    (0.0, "2ms", 300.0, 1e-9),
]


@pytest.mark.parametrize(("sigma", "atom_t2", "loss", "most"), IMPERFECT)
def test_it_is_the_integral_over_records_of_full_states(sigma, atom_t2, loss, most):
    """Three-level atoms in the middle; cells of two are measured, or the ends are taken as a whole."""
    n_atoms, levels, coupling, offset = 3, 2, 2 * math.pi * 2000, math.pi / 4
    experiment = Experiment("2kHz", n_atoms, t2="5ms", atom_t2=atom_t2, loss=loss, resolution=sigma)
    rate, atoms = 1 / (2 * coupling * 5e-3), 0.0 if atom_t2 is None else 1 / (2 * coupling * float(atom_t2[0]) * 1e-3)
    states = oracles_measurement.not_counting_lost(
        oracles_measurement.three_level_records(n_atoms, math.pi, (rate,) * 3, atoms, loss / coupling, offset)
    )
    if sigma:
        step = sigma / 160
        records = np.arange(-7 * sigma, n_atoms + 7 * sigma, step)
        shares = scipy.stats.norm.pdf(records[:, None] - np.arange(n_atoms + 1), scale=sigma) * step
    else:
        shares = np.eye(n_atoms + 1)
    expected = 0.0
    for share in shares:
        state = sum(share[q] * states[q] for q in range(n_atoms + 1))
        probability, measured = of_cells(state, levels)
        expected += probability * max(0.0, measured, information(state))
    found = jaxent.ebit_rate(experiment, pi_fraction(1))
    assert abs(found.per_attempt - expected) < most
    assert abs(found.per_attempt - expected) <= found.error < 1e-3


def test_records_of_a_fine_detector_are_counts():
    perfect, fine, coarse = (
        jaxent.ebit_rate(Experiment("2kHz", 20, t2="5ms", resolution=sigma), pi_fraction(1)) for sigma in (0, 0.08, 4)
    )
    assert fine.per_attempt == pytest.approx(perfect.per_attempt, abs=1e-12)
    assert perfect.error < fine.error < 1e-6
    assert coarse.per_attempt < perfect.per_attempt - 0.1


def test_records_of_many_atoms_are_thinned():
    """A detector of σ = 2 costs nothing at N = 600, where classes of counts lie hundreds apart."""
    shares = []
    found, perfect = (
        jaxent.ebit_rate(Experiment("2kHz", 600, t2="50ms", resolution=sigma), pi_fraction(1), report=shares.append)
        for sigma in (2.0, 0.0)
    )
    assert len(shares) < 400
    assert found.per_attempt == pytest.approx(perfect.per_attempt, abs=1e-5)
    assert found.error < 1e-4


def of_bins(n_ensembles, n_atoms, levels, n_bins, sigma, state_of):
    """Σ_bins p max(0, I), bins equal in 2 arccos √(q/N), of unnormalized states."""
    if sigma:
        edges = n_atoms * np.cos(np.pi * np.arange(n_bins + 1) / (2 * n_bins)) ** 2
        edges[0], edges[-1] = math.inf, -math.inf
        below = scipy.stats.norm.cdf(edges[:, None], loc=np.arange(n_atoms + 1), scale=sigma)
        shares = below[:-1] - below[1:]
    else:
        angles = 2 * np.arccos(np.sqrt(np.arange(n_atoms + 1) / n_atoms))
        shares = np.eye(n_bins)[:, np.minimum(np.floor(angles * n_bins / math.pi), n_bins - 1).astype(int)]
    inner = n_ensembles - 2
    states = {q: state_of(q) for q in itertools.product(range(n_atoms + 1), repeat=inner)}
    total = 0.0
    for bins in itertools.product(range(n_bins), repeat=inner):
        state = sum(math.prod(shares[b, x] for b, x in zip(bins, q, strict=True)) * one for q, one in states.items())
        probability, measured = of_cells(state, levels)
        total += probability * max(0.0, measured)
    return total


@pytest.mark.parametrize(
    ("n_ensembles", "n_atoms", "levels", "numerator", "n_bins"),
    [
        (2, 7, 2, 1, 1),
        (2, 8, 3, 2, 1),
        (4, 3, 2, 1, 8),
        (4, 3, 3, 1, 12),
        (4, 4, 5, 2, 5),
        (5, 2, 2, 1, 8),
        (5, 2, 3, 2, 6),
    ],
)
def test_other_numbers_of_ensembles_are_the_sum_over_bins_of_whole_chains(
    n_ensembles, n_atoms, levels, numerator, n_bins
):
    experiment = Experiment("2kHz", n_atoms, t2="20ms", n_ensembles=n_ensembles)
    time, offset = 2 * math.pi * numerator / levels, math.pi / (2 * levels)
    expected = of_bins(
        *(n_ensembles, n_atoms, levels, n_bins, 0.0),
        lambda q: oracles.dephased_state(n_ensembles, n_atoms, time, experiment.dephasing_rate, q, offset),
    )
    found = jaxent.ebit_rate(experiment, pi_fraction(2 * numerator, levels), measurement_time="50µs", distance="3km")
    assert expected > 0.01
    assert found.per_attempt == pytest.approx(expected, abs=1e-5)
    waiting = 0.0 if n_ensembles == 2 else 50e-6 + 3000 / 299792458
    assert found.seconds == pytest.approx(time / (2 * math.pi * 2000) + waiting, rel=1e-14)


def test_detectors_and_single_atoms_of_four_ensembles():
    experiment = Experiment("2kHz", 3, t2="20ms", atom_t2="4ms", resolution=0.7, n_ensembles=4)
    atoms = jaxent.Measurement(atom_dephasing_rate=experiment.atom_dephasing_rate)

    def state_of(counts):
        given = (experiment.chain, pi_fraction(1), experiment.dephasing_rate, counts, math.pi / 4)
        probability = math.exp(float(jaxent.dephased_log_probability(*given, measurement=atoms)))
        return probability * np.asarray(jaxent.end_to_end_state(*given, measurement=atoms))

    expected = of_bins(4, 3, 2, 8, 0.7, state_of)
    assert jaxent.ebit_rate(experiment, pi_fraction(1)).per_attempt == pytest.approx(expected, abs=1e-5)
    assert expected > 0.01


@pytest.mark.parametrize(("n_atoms", "most"), [(100, 0.02), (400, 1e-3)])
def test_bins_cost_little(n_atoms, most):
    """Three ensembles: all counts against r bins, of which all are told by their bin if N ≫ r²."""
    experiment, levels = Experiment("2kHz", n_atoms, t2="50ms"), 4
    every = jaxent.ebit_rate(experiment, pi_fraction(1, 2)).per_attempt
    strength = experiment.dephasing_rate * math.pi / 2
    few, many = (
        np.dot(found.probabilities, np.maximum(0, found.information))
        for found in (residues.shares(3, n_atoms, levels, 1, strength, math.pi / 8, n) for n in (4, 128))
    )
    assert few <= many + 1e-9 <= every + 3e-6
    assert every - few < most


def test_a_longer_magic_time_of_the_same_levels_yields_less():
    """At 2πp/r the same positions are shared in another order, after p times the noise."""
    for n_atoms, t2 in ((60, 0.05), (150, 1.0)):
        strength = 1 / (2 * 2 * math.pi * 2000 * t2)
        for levels, numerators in ((5, (1, 2)), (7, (1, 2, 3)), (8, (1, 3))):
            yields = []
            for p in numerators:
                found = residues.shares(
                    3, n_atoms, levels, p, strength * 2 * math.pi * p / levels, math.pi / (2 * levels), 4 * levels
                )
                yields.append(np.dot(found.probabilities, np.maximum(0, found.information)))
            assert yields == sorted(yields, reverse=True)


def test_few_atoms_may_take_any_time():
    experiment, time, offset = Experiment("2kHz", 5, t2="5ms"), 1.7, 0.4
    given = (3, 5, time, experiment.dephasing_rate)
    expected = 0.0
    for q in range(6):
        state = oracles.dephased_state(*given, (q,), offset)
        expected += np.einsum("abab->", state).real * max(0.0, information(state))
    found = jaxent.ebit_rate(experiment, time, offset)
    assert found.per_attempt == pytest.approx(expected, abs=1e-6)
    assert jaxent.ebit_rate(experiment, time) == jaxent.ebit_rate(experiment, time, time / 4)


def test_few_outcomes_stand_for_all(monkeypatch):
    experiment, time = Experiment("2kHz", 150, t2="20ms"), pi_fraction(1)
    every = jaxent.ebit_rate(experiment, time)
    monkeypatch.setattr(ebits, "_STEPS", 2)
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


def test_the_best_rate_of_few_atoms_is_that_of_a_grid():
    experiment, slow = Experiment("2kHz", 6, t2="3ms"), {"distance": "30km"}
    shares = []
    found = jaxent.best_ebit_rate(experiment, (2, 3, 5), **slow, report=shares.append)
    rates = [jaxent.ebit_rate(experiment, pi_fraction(2, r), **slow).per_second for r in (2, 3, 5)]
    assert np.all(found.tried >= np.array(rates) * (1 - 1e-12))
    assert found.levels == (2, 3, 5)[int(np.argmax(found.tried))]
    time = found.time if isinstance(found.time, float) else float(found.time.value)
    again = jaxent.ebit_rate(experiment, found.time, found.phase_offset, **slow)
    assert again.per_second == pytest.approx(found.rate.per_second, rel=1e-12)
    offsets = np.linspace(0, math.pi / found.levels, 9)
    magic = pi_fraction(2, found.levels)
    at_magic = max(jaxent.ebit_rate(experiment, magic, float(x), **slow).per_second for x in offsets)
    beside = max(
        jaxent.ebit_rate(experiment, float(x), found.phase_offset, **slow).per_second
        for x in np.linspace(0.86, 1.14, 9) * 2 * math.pi / found.levels
    )
    assert found.rate.per_second >= max(at_magic, beside) * (1 - 2e-3)
    assert abs(time / (2 * math.pi / found.levels) - 1) < 0.16
    assert shares[-1] == 1
    assert sorted(shares) == shares


def test_longer_times_are_tried_where_they_may_pay():
    """Few atoms, little noise, and a long way: 2π · 2/7 yields more than 2π/7, and hardly takes longer."""
    experiment, far = Experiment("2kHz", 6, t2="1s"), {"distance": "1000km"}
    found = jaxent.best_ebit_rate(experiment, [7], **far)
    once, twice = (jaxent.ebit_rate(experiment, pi_fraction(2 * p, 7), **far).per_second for p in (1, 2))
    assert twice > once * 1.02
    assert found.tried[0] >= twice * (1 - 1e-12)


def test_the_best_rate_of_more_atoms_is_that_of_a_grid():
    experiment = Experiment("2kHz", 40, t2="3ms", n_ensembles=4)
    found = jaxent.best_ebit_rate(experiment, (2, 3))
    rates = [jaxent.ebit_rate(experiment, pi_fraction(2, r)).per_second for r in (2, 3)]
    np.testing.assert_allclose(found.tried, rates, rtol=1e-12)
    grid = np.linspace(0, math.pi / found.levels, 33)
    most = max(jaxent.ebit_rate(experiment, found.time, float(x)).per_second for x in grid)
    assert found.rate.per_second >= most * (1 - 2e-3)


def test_a_distance_is_covered_by_the_rates_of_each_number_of_ensembles():
    """The coupling falls to e^(-1/2) over 10 km of 20 km; results of three ensembles travel half of the distance."""
    experiment = Experiment("2kHz", 30, t2="20ms")
    shares = []
    found = jaxent.cover_distance(
        experiment, "20km", "20km", (2, 3, 5), (2, 3), measurement_time="9us", signal_speed=2e8, report=shares.append
    )
    couplings = [2 * math.pi * 2000 * math.exp(-x) for x in (1, 1 / 2, 1 / 4)]
    np.testing.assert_allclose(found.coupling, couplings, rtol=1e-13)
    np.testing.assert_allclose(found.spacing, [20e3, 10e3, 5e3])
    np.testing.assert_allclose(found.dephasing_rate, [1 / (2 * g * 20e-3) for g in couplings], rtol=1e-13)
    for m, coupling, way, rate, levels in zip(
        (2, 3, 5), couplings, (0, 10e3, 15e3), found.rates, found.levels, strict=True
    ):
        one = Experiment(coupling, 30, t2="20ms", n_ensembles=m)
        rates = [
            jaxent.ebit_rate(one, pi_fraction(2, r), measurement_time=9e-6, distance=way, signal_speed=2e8)
            for r in (2, 3)
        ]
        assert rate.per_second == pytest.approx(max(one.per_second for one in rates), rel=1e-12)
        assert levels == (2, 3)[int(np.argmax([one.per_second for one in rates]))]
        seconds = 2 * math.pi / levels / coupling + (0 if m == 2 else way / 2e8 + 9e-6)
        assert rate.seconds == pytest.approx(seconds, rel=1e-12)
    assert found.best == (2, 3, 5)[int(np.argmax(found.per_second))]
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"attenuation_length": 0.0}, "`attenuation_length` must be positive, but is 0"),
        ({"attenuation_length": "1m"}, "leaves no coupling over a spacing of 20000 m; use more ensembles"),
        ({"ensembles": (1, 2)}, "`ensembles` must be .* 2"),
        ({"levels": []}, "`levels` must be a list of integers"),
    ],
)
def test_a_distance_that_cannot_be_covered_is_one_sentence(arguments, words):
    given = {"experiment": Experiment("2kHz", 4), "distance": "20km", "attenuation_length": "20km"} | arguments
    with pytest.raises(ValueError, match=words):
        jaxent.cover_distance(**given)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"experiment": Experiment("2kHz", 4, loss=0.1, n_ensembles=4)}, "must have loss = 0 .* has 0.1 per second"),
        ({"experiment": Experiment("2kHz", 4e6)}, "at most 1000000 atoms"),
        ({"experiment": Experiment("2kHz", 2e4, n_ensembles=4)}, "at most 10000 atoms here, for n_ensembles = 4"),
        ({"experiment": Experiment("2kHz", 9, n_ensembles=6), "time": pi_fraction(2, 9)}, "r = 9 and n_ensembles = 6"),
        (
            {"experiment": Experiment("2kHz", 9, n_ensembles=4), "time": 1.0},
            "`time` must be .*pi_fraction, but is 1",
        ),
        ({"time": -1.0}, "`time` must be a single positive time, .* but is -1.0"),
        ({"time": pi_fraction([1, 2])}, r"`time` must be a single time, but has shape \(2,\)"),
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
