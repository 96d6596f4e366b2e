"""Imperfect measurements: resolution, dephasing and loss of single atoms, against full simulations (see its oracle)."""

import json
import math
from pathlib import Path

import jax
import numpy as np
import oracles_measurement as oracles
import pytest

import jaxent
from jaxent import Chain, EnsembleRates, Measurement
from jaxent.bloch import kernel
from jaxent.cli import main
from jaxent.measurement import records_of
from jaxent.sweep import QuestionError, Sweep, open_sweep, run_sweep
from jaxent.sweep.spec import asked as asked_of

pytestmark = pytest.mark.usefixtures("quick_compilation")

DATA = json.loads((Path(__file__).parent / "data" / "measurement_records.json").read_text())


def figures(chain, case, outcomes, measurement):
    """p, log negativity and coherent information of the ends."""
    rates = EnsembleRates(case["gamma"])
    offset = np.asarray(case["phi"])
    arguments = (chain, case["t"], rates, outcomes, offset)
    return [
        math.exp(jaxent.dephased_log_probability(*arguments, measurement=measurement)),
        float(jaxent.end_to_end_log_negativity(*arguments, measurement=measurement)),
        float(jaxent.end_to_end_coherent_information(*arguments, measurement=measurement)),
    ]


def name(case):
    return "-".join(f"{key}={case[key]}" for key in ("N", "t", "gamma", "gamma1", "Gamma", "phi") if key in case)


def some(cases, step):
    """Every `step`-th case, the others only if asked for: they compile for seconds."""
    return [
        pytest.param(case, id=name(case), marks=[] if number % step == 3 else pytest.mark.thorough)
        for number, case in enumerate(cases)
    ]


KINDS = {
    "counts": lambda noise, lost: (0.0, *noise, lost if noise[1] else None),
    "not_counting_lost": lambda noise: (0.0, *noise, None),
    "resolution": lambda noise, sigma: (sigma, *noise, None),
    "resolution_one_lost": lambda noise, sigma: (sigma, *noise, 1),
}
RECORDS = [(case, kind) for case in DATA["oracle_1"] for kind in KINDS if kind in case]
QUICK = {"counts": 40, "not_counting_lost": 95, "resolution": 60, "resolution_one_lost": 86}


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        pytest.param(
            *(case, kind),
            id=f"{kind}-{name(case)}",
            marks=[] if DATA["oracle_1"].index(case) == QUICK[kind] else pytest.mark.thorough,
        )
        for case, kind in RECORDS
    ],
)
def test_records_of_real_atoms_are_those_of_a_full_simulation(case, kind):
    noise = (case["gamma1"], case["Gamma"])
    for row in case[kind]:
        *read, probability, negativity, information = row
        if kind == "counts":
            count, measurement = read[0], Measurement(*KINDS[kind](noise, read[1]))
        elif kind == "not_counting_lost":
            count, measurement = read[0], Measurement(*KINDS[kind](noise))
        else:
            count, measurement = read[1], Measurement(*KINDS[kind](noise, read[0]))
        found = figures(Chain(3, case["N"]), case, count, measurement)
        np.testing.assert_allclose(found, [probability, negativity, information], atol=1e-10)


@pytest.mark.parametrize("case", some(DATA["oracle_1_states"], 4))
def test_whole_states_are_those_of_a_full_simulation(case):
    record = case["record"]
    measurement = Measurement(record.get("sigma", 0.0), case["gamma1"], case["Gamma"], lost=record.get("lost"))
    count = record.get("x", record.get("q"))
    state = jaxent.end_to_end_state(
        Chain(3, case["N"]), case["t"], EnsembleRates(case["gamma"]), count, case["phi"], measurement=measurement
    )
    side = (case["N"] + 1) ** 2
    expected = np.array(case["real"]) + 1j * np.array(case["imag"])
    np.testing.assert_allclose(np.asarray(state).reshape(side, side), expected, atol=1e-12)


@pytest.mark.parametrize("case", some(DATA["oracle_2"], 16))
def test_a_blurred_count_is_a_mixture_of_counts(case):
    found = figures(Chain(3, case["N"]), case, case["x"], Measurement(case["sigma"]))
    np.testing.assert_allclose(found, case["values"], atol=1e-10)


@pytest.mark.parametrize(
    "case", DATA["oracle_2_sigma_table"], ids=lambda case: f"{case['t']:.3f}-{case['sigma']}-{case['c']}"
)
def test_the_table_of_resolutions(case):
    chain = Chain(3, case["N"], window=case["c"])
    measurement = Measurement(resolution=float(case["sigma"]))
    time = jaxent.pi_fraction(1, 2) if case["t"] > 1.5 else case["t"]
    found = jaxent.end_to_end_log_negativity(chain, time, 0.0, case["x"], case["phi"], measurement=measurement)
    np.testing.assert_allclose(found, case["values"][1], atol=1e-10)
    assert round(float(found), 3) == case["printed_log_negativity"]


@pytest.mark.parametrize("case", some(DATA["oracle_3"], 8))
def test_odd_ensembles_are_measured_likewise(case):
    chain, noise = Chain(4, case["N"]), case["gamma1"]
    for q2, q3, *expected in case["counts"]:
        found = figures(chain, case, (q2, q3), Measurement(0.0, noise))
        np.testing.assert_allclose(found, expected, atol=1e-10)
    for sigma, x2, x3, *expected in case["resolution"]:
        found = figures(chain, case, (x2, x3), Measurement(sigma, noise))
        np.testing.assert_allclose(found, expected, atol=1e-10)


# -------------------------------------------------------------------- what must hold


def test_perfect_detectors_give_the_numbers_of_a_perfect_measurement():
    asked = (Chain(3, 8), 1.1, 0.03, 7, 0.2)
    for function in (jaxent.end_to_end_log_negativity, jaxent.dephased_log_probability):
        expected = function(*asked)
        assert function(*asked, measurement=Measurement()) == expected
        for measurement in (Measurement(0.01, 1e-16), Measurement(0.0, 1e-16, 1e-16)):
            np.testing.assert_allclose(function(*asked, measurement=measurement), expected, atol=1e-13)


@pytest.mark.parametrize("sigma", [0.3, 1.5])
def test_probabilities_of_records_add_up_to_one(sigma):
    measurement = Measurement(sigma, 0.1, 0.3)
    records = np.arange(math.ceil(-9 * sigma), 9 + math.floor(9 * sigma)) + 0.3
    found = [jaxent.dephased_log_probability(Chain(3, 8), 1.1, 0.03, x, 0.2, measurement=measurement) for x in records]
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-12)
    if sigma == 0.3:
        counted = [(q, lost) for lost in range(9) for q in range(9 - lost)]
        found = [
            jaxent.dephased_log_probability(
                Chain(3, 8), 1.1, 0.03, q, 0.2, measurement=Measurement(0.0, 0.1, 0.3, lost=lost)
            )
            for q, lost in counted
        ]
        assert np.exp(found).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("chain", "outcomes", "point"),
    [
        (Chain(3, 9), 7.3, [1.1, 0.03, 0.2, 1.2, 0.04, 0.05]),
        pytest.param(Chain(4, 4), (2.6, 3.8), [1.1, 0.03, 0.2, 1.2, 0.04], marks=pytest.mark.thorough),
    ],
)
def test_gradients_are_those_of_differences(chain, outcomes, point):
    def bits(p):
        noise = Measurement(*p[3:])
        return jaxent.end_to_end_log_negativity(chain, p[0], p[1], outcomes, p[2], measurement=noise)

    point, step = np.array(point), 1e-4
    slopes = np.asarray(jax.grad(bits)(point))
    bits = jax.jit(bits)
    for direction, slope in zip(np.eye(len(point)), slopes, strict=True):
        near, far = ((bits(point + h * direction) - bits(point - h * direction)) / (2 * h) for h in (step, 2 * step))
        assert slope == pytest.approx(float((4 * near - far) / 3), rel=1e-6, abs=1e-9)


def test_gradients_exist_where_the_imperfections_are_zero():
    def bits(sigma, rate):
        return jaxent.end_to_end_log_negativity(
            Chain(3, 5), 1.1, 0.03, 4, 0.2, measurement=Measurement(sigma, rate, rate)
        )

    slopes = jax.grad(bits, (0, 1))(0.0, 0.0)
    assert slopes[0] == 0  # what is misread grows as e^(-1/8σ²)
    np.testing.assert_allclose(slopes[1], (bits(0.0, 1e-7) - bits(0.0, 0.0)) / 1e-7, rtol=1e-4)


def test_a_known_measurement_stays_known_under_jit():
    for measurement, facts in ((Measurement(1.5), (32, False)), (Measurement(0.0, 0.1), (1, False))):
        found = []
        jax.jit(lambda x, m=measurement, found=found: found.append(records_of(m, 7, 3, 1000)) or x)(1.0)
        assert (found[0].n_terms, found[0].lossy) == facts
    chain = Chain(4, 2)
    program = jax.jit(lambda t: jaxent.end_to_end_log_negativity(chain, t, 0.1, 1, measurement=Measurement(0.7)))
    assert float(program(1.1)) == pytest.approx(
        float(jaxent.end_to_end_log_negativity(chain, 1.1, 0.1, 1, measurement=Measurement(0.7))), abs=1e-12
    )


def test_traced_measurements_are_nan_out_of_range():
    def bits(sigma):
        return jaxent.end_to_end_log_negativity(Chain(3, 5), 1.1, 0.03, 4.0, 0.2, measurement=Measurement(sigma))

    found = jax.vmap(bits)(np.array([0.0, 1.0, -1.0]))
    assert np.isnan(found).tolist() == [False, False, True]
    np.testing.assert_allclose(found[:2], [bits(0.0), bits(1.0)], rtol=1e-12)


# -------------------------------------------------------------------- many atoms

HALF = jaxent.pi_fraction(1, 2)


@pytest.mark.parametrize(
    ("time", "rate", "outcome", "offset", "measurement"),
    [
        (1.0, 0.1, 70.3, 0.3, Measurement(2.5, 0.01)),
        (HALF, 0.1, 115.2, math.pi / 8, Measurement(1.5)),
        pytest.param(2.3, 0.05, 118.0, 0.2, Measurement(3.0), marks=pytest.mark.thorough),
        pytest.param(1.0, 0.1, 70, 0.3, Measurement(0.0, 0.02), marks=pytest.mark.thorough),
        # a lossy kernel is complex; equal and unequal rates, lost atoms counted or not
        (1.0, [0.15, 0.1, 0.06], 30, 0.3, Measurement(0.0, 0.02, 0.05)),
        pytest.param(HALF, 0.1, 45.0, 0.39, Measurement(1.5, 0.0, 0.1), marks=pytest.mark.thorough),
        pytest.param(HALF, [0.06, 0.1, 0.15], 40.0, 0.39, Measurement(1.5, 0.0, 0.1, 3), marks=pytest.mark.thorough),
    ],
)
def test_bloch_bands_agree_with_dense_matrices(monkeypatch, time, rate, outcome, offset, measurement):
    monkeypatch.setattr("jaxent.noise.log_negativity._QUICK", 0.0)
    rate = EnsembleRates(rate) if isinstance(rate, list) else rate
    asked, n_atoms = (time, rate, outcome, offset), 60 if measurement.atom_loss_rate else 120
    found = jaxent.log_negativity_with_errors(Chain(3, n_atoms), *asked, measurement=measurement, tolerance=5e-3)
    assert found.method in ("band", "blocks")
    dense = jaxent.end_to_end_log_negativity(Chain(3, n_atoms, window=4.0), *asked, measurement=measurement)
    assert abs(found.value - dense) < min(found.error, 2 / n_atoms**2)  # what the corrected expansion leaves


def test_a_million_atoms_that_are_hardly_lost_are_those_that_stay():
    asked = (Chain(3, 10**6), 1.0, 0.03, 10**6 // 2, 0.2)
    none = jaxent.log_negativity_with_errors(*asked)
    nearly = jaxent.log_negativity_with_errors(*asked, measurement=Measurement(0.0, 0.0, 1e-12))
    assert nearly.value == pytest.approx(none.value, abs=1e-5)
    some = jaxent.log_negativity_with_errors(*asked, measurement=Measurement(0.0, 0.0, 1e-2))
    assert some.error < 1e-3
    assert abs(some.value - none.value) > 1e-4


def test_the_kernel_of_many_atoms_is_that_of_a_mixture_of_counts():
    n_atoms, x, sigma, n_orders = 10**5, 99_990.4, 1.5, 20
    hops = np.array([0, 2, 5])
    record = records_of(Measurement(sigma), x, 3, n_atoms)[0]
    found = kernel.coefficients(n_atoms, record, kernel.nodes(n_atoms, record, n_orders, 1.3), hops, 8, 1.3, n_orders)
    mixed = np.zeros((3, n_orders))
    weights = oracles.resolution_weights(x, sigma, n_atoms)
    for q in np.flatnonzero(weights > 1e-18).tolist():
        weight = weights[q]
        nodes = kernel.nodes(n_atoms, q, n_orders)
        mixed += weight * np.asarray(kernel.coefficients(n_atoms, q, nodes, hops, 8, 1.3, n_orders))
    np.testing.assert_allclose(found, mixed, atol=1e-10 * abs(mixed).max())


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("time", "rate"),
    [(1.0, 0.03), (2.0, 0.02), (HALF, 0.05), (jaxent.pi_fraction(2, 3), 0.05)],
    ids=["t = 1", "t = 2", "t = pi/2", "t = 2pi/3"],
)
@pytest.mark.parametrize("measurement", [None, Measurement(5.0, 3e-4)], ids=["perfect", "imperfect"])
def test_the_stencil_agrees_at_ten_thousand_atoms(measurement, time, rate):
    agree(10**4, (time, rate, 10**4 - 80, 0.1), measurement, depth=400)


@pytest.mark.thorough
@pytest.mark.parametrize("measurement", [None, Measurement(5.0, 3e-4)], ids=["perfect", "imperfect"])
def test_the_stencil_agrees_at_a_hundred_thousand_atoms(measurement):
    agree(10**5, (1.0, 0.1, 10**5 - 80, 0.1), measurement, depth=200)


def agree(n_atoms, asked, measurement, depth):
    found = jaxent.log_negativity_with_errors(Chain(3, n_atoms), *asked, measurement=measurement)
    estimate = jaxent.estimate_log_negativity(
        *(jax.random.key(0), Chain(3, n_atoms, window=5.0), *asked),
        **{"n_probes": 8, "depth": depth, "measurement": measurement},
    )
    assert abs(found.value - estimate.value) < found.error + 3 * estimate.standard_error + estimate.depth_error
    assert max(estimate.standard_error, estimate.depth_error) < 2e-3


def test_probabilities_of_many_atoms_are_those_of_few():
    chain, measurement = Chain(3, 1500), Measurement(2.0, 1e-3)
    read, times = 1400.3, np.array([0.9, 2.1])
    found = jaxent.dephased_log_probability(chain, times, 0.01, read, 0.2, measurement=measurement)
    traced = jax.jit(lambda x: jaxent.dephased_log_probability(chain, times, 0.01, x, 0.2, measurement=measurement))
    np.testing.assert_allclose(found, traced(read), atol=1e-11)


# -------------------------------------------------------------------- averages, draws, decoding


def test_an_average_integrates_over_records():
    chain, time, offset = Chain(3, 8), jaxent.pi_fraction(1, 2), math.pi / 8
    perfect = jaxent.average_log_negativity(chain, time, 0.01, offset)
    sharp = jaxent.average_log_negativity(chain, time, 0.01, offset, measurement=Measurement(0.05))
    assert float(sharp.value) == pytest.approx(float(perfect.value), abs=1e-9)
    assert sharp.standard_error < 1e-9
    measurement = Measurement(0.8, 0.02, 0.03)
    found = jaxent.average_log_negativity(chain, time, 0.01, offset, measurement=measurement)
    assert float(found.probability) == pytest.approx(1, abs=1e-9)
    assert found.value < perfect.value
    steps = np.arange(-7.0, 15.25, 0.25)
    values, logs = (
        np.array([float(function(chain, time, 0.01, x, offset, measurement=measurement)) for x in steps])
        for function in (jaxent.end_to_end_log_negativity, jaxent.dephased_log_probability)
    )
    # of σ = 0.8 the probability that is normalized over whole steps is the density to 2e-5
    assert abs(float(found.value) - np.exp(logs) @ values / np.exp(logs).sum()) < found.standard_error < 1e-3
    drawn = jaxent.average_log_negativity(chain, time, 0.01, offset, jax.random.key(1), 2000, measurement=measurement)
    assert abs(drawn.value - found.value) < 4 * drawn.standard_error


def test_draws_have_the_probabilities_of_records():
    chain, measurement = Chain(3, 6), Measurement(1.2, 0.05, 0.1)
    keys = jax.random.split(jax.random.key(2), 20_000)
    draw = jax.vmap(lambda key: jaxent.sample_outcomes(key, chain, 1.3, 0.2, measurement=measurement))
    drawn = np.asarray(draw(keys))[:, 0]
    records = np.arange(-11, 18)
    logs = [jaxent.dephased_log_probability(chain, 1.3, 0.0, float(x), 0.2, measurement=measurement) for x in records]
    probabilities = np.exp(np.array(logs, float))
    mean, square = probabilities @ records, probabilities @ records**2
    assert abs(drawn.mean() - mean) < 4 * math.sqrt((square - mean**2) / len(keys))
    for k in (0.5, 1.0):  # the characteristic function, with errors below 1/√n
        assert abs(np.exp(1j * k * drawn).mean() - probabilities @ np.exp(1j * k * records)) < 4 / math.sqrt(len(keys))


def test_records_are_decoded_by_their_likelihood():
    chain = Chain(3, 100)
    measurement, time = Measurement(3.0, 0.1, 0.1), 2 * math.pi / 3
    for x in (0.5, 30.0, 63.0, 93.2):
        likely = []
        for m in range(3):
            angle = 2 * math.pi * (m + 0.25) / 3
            weights = oracles.resolution_weights(x, 3.0, 100)
            kept, flipped = math.exp(-0.1 * time), (1 - math.exp(-0.2 * time)) / 2
            p = kept * (flipped + (1 - 2 * flipped) * math.cos(angle / 2) ** 2)
            likely.append(sum(w * math.comb(100, q) * p**q * (1 - p) ** (100 - q) for q, w in enumerate(weights)))
        assert int(jaxent.decode_outcomes(chain, x, 3, measurement=measurement)[0]) == int(np.argmax(likely))
    pair = jaxent.decode_outcomes(Chain(4, 100), (93, 20.5), 3, measurement=Measurement(0.5))
    assert pair.tolist() == jaxent.decode_outcomes(Chain(4, 100), (93, 20), 3).tolist()


# -------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("chain", "outcomes", "measurement", "words"),
    [
        (Chain(3, 8), 7, Measurement(-1.0), "`measurement`: `resolution` must be finite and at least 0, but holds -1"),
        (Chain(3, 8), 7, Measurement(0.0, -0.1), "`atom_dephasing_rate` must be finite and at least 0"),
        (Chain(3, 8), 7, Measurement(0.0, 0.0, math.nan), "`atom_loss_rate` must be finite"),
        (Chain(3, 8), 7, Measurement((1.0, 2.0)), "one resolution, or 1, one for each measured ensemble"),
        (Chain(3, 8), 7, Measurement(2e6), "resolution of at most 1e"),
        (Chain(3, 8), 7.5, Measurement(0.0, 0.1), "`outcomes` must be integers"),
        (Chain(3, 8), 40.0, Measurement(1.5), "`outcomes` must lie in 0…8"),
        (Chain(3, 8), -20.0, Measurement(1.5), "`outcomes` must lie in 0…8"),
        (Chain(3, 8), 8, Measurement(0.0, 0.0, 0.1, lost=1), "less those that are lost"),
        (Chain(3, 8), 8, Measurement(0.0, 0.0, 0.1, lost=9), "lost = None, or integers in 0…8"),
        (Chain(3, 8), 7, Measurement(0.0, 0.1, lost=1), "cannot occur with atom_loss_rate = 0"),
        (Chain(2, 8), None, Measurement(1.0), "must be None for n_ensembles = 2"),
        (Chain(4, 3), None, Measurement(0.0, 0.0, 0.1), "atom_loss_rate = 0 for the odd ensembles"),
    ],
)
def test_a_bad_measurement_is_refused_in_a_sentence(chain, outcomes, measurement, words):
    for function in (jaxent.end_to_end_log_negativity, jaxent.dephased_log_probability):
        with pytest.raises(ValueError, match=r"^Argument `") as caught:
            function(chain, 1.1, 0.03, outcomes, measurement=measurement)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_a_measurement_cannot_have_is_refused_in_a_sentence():
    lossy, counted = Measurement(0.0, 0.0, 0.01), Measurement(0.0, 0.0, 0.1, lost=1)
    times = jaxent.BondTimes((1.0, 1.1))
    with pytest.raises(ValueError, match="with a probability below the smallest number"):
        jaxent.log_negativity_with_errors(Chain(3, 10**6), 1.0, 0.01, measurement=Measurement(0.0, 0.1))
    with pytest.raises(ValueError, match="atom_loss_rate = 0 here"):
        jaxent.estimate_log_negativity(jax.random.key(0), Chain(3, 20), 1.0, 0.1, measurement=lossy)
    with pytest.raises(ValueError, match="one time for all bonds with a measurement"):
        jaxent.sample_outcomes(jax.random.key(0), Chain(3, 8), times, measurement=Measurement(1.0))
    with pytest.raises(ValueError, match="the draw decides"):
        jaxent.sample_outcomes(jax.random.key(0), Chain(3, 8), 1.0, measurement=counted)
    with pytest.raises(ValueError, match="traced resolution, for which all"):
        jax.jit(
            lambda sigma: jaxent.end_to_end_log_negativity(
                Chain(3, 10**5, window=0.05), 1.0, 0.1, measurement=Measurement(sigma)
            )
        )(1.0)


# -------------------------------------------------------------------- sweeps and the command line


def test_a_sweep_takes_a_measurement(tmp_path):
    question = Sweep(
        ["log_negativity", "dephased_log_probability"],
        *(6, [1.1, 2.0]),
        outcomes=["N", 3.5],
        phase_offset=0.2,
        dephasing_rate=0.03,
        resolution=[0.7, 1.5],
        atom_loss_rate=0.02,
    )
    run_sweep(question, tmp_path / "results")
    dataset = open_sweep(tmp_path / "results")
    assert dict(dataset.sizes) == {"outcomes": 2, "resolution": 2, "time": 2}
    assert dataset.resolution.attrs["long_name"] == "resolution σ of the detectors (atoms)"
    point = dataset.sel(time=2.0, resolution=1.5).isel(outcomes=1)
    asked, measurement = (Chain(3, 6), 2.0, 0.03, 3.5, 0.2), Measurement(1.5, 0.0, 0.02)
    expected = jaxent.end_to_end_log_negativity(*asked, measurement=measurement)
    assert float(point.log_negativity) == pytest.approx(float(expected), abs=1e-12)
    expected = jaxent.dephased_log_probability(*asked, measurement=measurement)
    assert float(point.dephased_log_probability) == pytest.approx(float(expected), abs=1e-12)


def test_sweeps_without_a_measurement_keep_their_keys():
    plain = Sweep("log_negativity", 10, 1.0, dephasing_rate=0.1)
    assert not {"resolution", "atom_dephasing_rate", "atom_loss_rate"} & set(plain.question)
    blurred = Sweep("log_negativity", 10, 1.0, dephasing_rate=0.1, resolution=1.5)
    assert blurred.key != plain.key
    assert asked_of(blurred.question) == blurred


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"resolution": -1.0}, "`resolution` must be at least 0"),
        ({"n_ensembles": 2, "resolution": 1.0}, "must be None for n_ensembles = 2"),
        ({"n_ensembles": 4, "atom_loss_rate": 0.1}, "for the odd ensembles"),
        ({"outcomes": 3.5}, "`outcomes` must be an integer where the resolution is 0, but is 3.5"),
        ({"resolution": [[1.0, 2.0]]}, "must hold lists of 1 values"),
        ({"quantities": "entropy", "dephasing_rate": None, "resolution": 1.0}, "must not be given for entropy"),
    ],
)
def test_a_bad_measurement_of_a_sweep_is_refused(parameters, words):
    question = {"quantities": "log_negativity", "n_atoms": 10, "time": 1.0, "dephasing_rate": 0.1}
    with pytest.raises(QuestionError, match=words):
        Sweep(**(question | parameters))


def test_the_best_offset_for_a_real_detector_is_that_of_a_grid():
    chain, time, measurement = Chain(3, 3), jaxent.pi_fraction(1, 2), Measurement(resolution=0.8)
    found = jaxent.maximize(
        *("average_log_negativity", chain, time), dephasing_rate=0.02, measurement=measurement, n_starts=2
    )

    def average(offset):
        return float(jaxent.average_log_negativity(chain, time, 0.02, offset, measurement=measurement).value)

    assert found.value == pytest.approx(average(found.phase_offset[0]), abs=1e-9)
    assert found.value >= max(average(offset) for offset in np.linspace(0, math.pi / 4, 7)) - 1e-6
    assert found.value > average(0.6) + 1e-3


def test_the_command_line_prints_what_the_library_returns(capsys):
    arguments = "negativity 1.0 -n 6 -g 0.01 --resolution 1.5 --outcomes 4.5 --atom-loss-rate 0.01 --json"
    with pytest.raises(SystemExit):
        main.main(arguments.split())
    found = json.loads(capsys.readouterr().out)
    asked, measurement = (Chain(3, 6), 1.0, 0.01, 4.5), Measurement(1.5, 0.0, 0.01)
    assert found["log_negativity_bits"] == float(jaxent.end_to_end_log_negativity(*asked, measurement=measurement))
    information = jaxent.end_to_end_coherent_information(*asked, measurement=measurement)
    assert found["coherent_information_bits"] == float(information)
    assert (found["resolution"], found["atom_loss_rate"]) == (1.5, 0.01)
    many = jaxent.log_negativity_with_errors(Chain(3, 10**5), 1.0, 0.03, 99_980.5, measurement=Measurement(20.0))
    with pytest.raises(SystemExit):
        main.main(
            ["negativity", "1.0", "-n", "1e5", "-g", "0.03", "--resolution", "20", "--outcomes", "99980.5", "--json"]
        )
    found = json.loads(capsys.readouterr().out)
    assert (found["log_negativity_bits"], found["method"]) == (many.value, many.method)
