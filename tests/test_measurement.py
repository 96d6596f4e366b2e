"""Imperfect measurements: resolution, dephasing and loss of single atoms, against full simulations (see its oracle)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import jaxent
from jaxent import Chain, EnsembleRates, Measurement

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


@pytest.mark.parametrize("case", some(DATA["oracle_1"], 19))
def test_records_of_real_atoms_are_those_of_a_full_simulation(case):
    chain, noise = Chain(3, case["N"]), (case["gamma1"], case["Gamma"])
    for q, lost, *expected in case["counts"]:
        measurement = Measurement(0.0, *noise, lost=lost if case["Gamma"] else None)
        np.testing.assert_allclose(figures(chain, case, q, measurement), expected, atol=1e-10)
    for q, *expected in case["not_counting_lost"]:
        np.testing.assert_allclose(figures(chain, case, q, Measurement(0.0, *noise)), expected, atol=1e-10)
    for sigma, x, *expected in case["resolution"]:
        np.testing.assert_allclose(figures(chain, case, x, Measurement(sigma, *noise)), expected, atol=1e-10)
    for sigma, x, *expected in case.get("resolution_one_lost", []):
        found = figures(chain, case, x, Measurement(sigma, *noise, lost=1))
        np.testing.assert_allclose(found, expected, atol=1e-10)


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
