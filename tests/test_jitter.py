"""A jitter of the interaction: against averages over full states of all ensembles, by quadrature and by drawing."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracles_full import along, projected, row_of

import jaxent
from jaxent.cli.main import main

pytestmark = pytest.mark.usefixtures("quick_compilation")

RATES = np.array([0.02, 0.05, 0.03])


def unprojected(numbers, strengths, coupling):
    """The three ensembles after bonds of the given strengths times time."""
    state = np.ones([n + 1 for n in numbers], complex)
    labels = []
    for axis, n in enumerate(numbers):
        state = state * along(np.sqrt([math.comb(n, k) / 2.0**n for k in range(n + 1)]), axis, 3)
        labels.append(along(np.arange(n + 1) - (n / 2 if coupling == "spin" else 0.0), axis, 3))
    turned = labels[0] * labels[1] * strengths[0] - labels[1] * labels[2] * strengths[1]
    return state * np.exp(1j * turned)


def averaged(numbers, spreads, coupling, time, outcome, offset, n_nodes=36):
    """The unnormalized state of the ends, averaged by quadrature; what dephases is diagonal, and so comes after it."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(n_nodes)
    shares = shares / math.sqrt(2 * math.pi)
    shared, bonds = spreads
    of_shared = zip(nodes, shares, strict=True) if shared else [(0.0, 1.0)]
    of_bond = list(zip(nodes, shares, strict=True)) if bonds else [(0.0, 1.0)]
    rho = 0.0
    for x, p in of_shared:
        for y, q in of_bond:
            for z, r in of_bond:
                vector = unprojected(numbers, time + shared * x + bonds * np.array([y, z]), coupling).reshape(-1)
                rho = rho + p * q * r * np.outer(vector, vector.conj())
    states = np.stack(np.meshgrid(*(np.arange(n + 1) for n in numbers), indexing="ij"), axis=-1).reshape(-1, 3)
    rho = rho * np.exp(-2 * time * (states[:, None, :] - states[None, :, :]) ** 2 @ RATES)
    row = row_of(numbers[1], outcome) * np.exp(1j * offset * np.arange(numbers[1] + 1))
    operator = np.kron(np.kron(np.eye(numbers[0] + 1), row), np.eye(numbers[2] + 1))
    return (operator @ rho @ operator.conj().T).reshape((numbers[0] + 1, numbers[2] + 1) * 2)


def negativity(rho):
    size = rho.shape[0] * rho.shape[1]
    return math.log2(abs(np.linalg.eigvalsh(rho.transpose(2, 1, 0, 3).reshape(size, size))).sum())


@pytest.mark.parametrize("coupling", ["number", "spin"])
@pytest.mark.parametrize("spreads", [(0.15, 0.0), (0.0, 0.1)])
@pytest.mark.parametrize(("outcome", "offset"), [(3, 0.0), (2, 0.4)])
def test_the_state_is_the_average_of_full_states(coupling, spreads, outcome, offset):
    numbers, time = (3, 3, 3), 0.8
    expected = averaged(numbers, spreads, coupling, time, outcome, offset)
    probability = np.einsum("abab->", expected).real
    expected = expected / probability
    jitter = jaxent.Jitter(*spreads, coupling)
    arguments = (jaxent.Chain(3, 3), time, jaxent.EnsembleRates(RATES), outcome, offset)
    np.testing.assert_allclose(jaxent.end_to_end_state(*arguments, jitter=jitter), expected, atol=1e-12)
    log_p = jaxent.dephased_log_probability(*arguments, jitter=jitter)
    assert log_p == pytest.approx(math.log(probability), abs=1e-12)
    found = jaxent.end_to_end_log_negativity(*arguments, jitter=jitter)
    assert found == pytest.approx(negativity(expected), abs=1e-11)
    information = jaxent.coherent_information(expected)
    found = jaxent.end_to_end_coherent_information(*arguments, jitter=jitter)
    assert found == pytest.approx(float(information), abs=1e-10)


def test_both_jitters_of_unequal_ensembles_at_once():
    numbers, time, spreads = (2, 3, 1), 0.6, (0.1, 0.2)
    expected = averaged(numbers, spreads, "number", time, 2, 0.3, n_nodes=24)
    expected = expected / np.einsum("abab->", expected).real
    arguments = (jaxent.Chain(3, numbers), time, jaxent.EnsembleRates(RATES), 2, 0.3)
    jitter = jaxent.Jitter(*spreads)
    np.testing.assert_allclose(jaxent.end_to_end_state(*arguments, jitter=jitter), expected, atol=1e-12)


def test_it_is_the_average_of_drawn_interactions():
    draws = np.random.default_rng(7).normal(size=(3000, 2))
    numbers, time, spread = (4, 4, 4), 1.1, 0.06
    each = []
    for draw in draws:
        vector = projected(numbers, unprojected(numbers, time + spread * draw, "number"), [4], [0.2])
        each.append(np.einsum("ab,cd->abcd", vector, vector.conj()))
    total, error = np.mean(each, axis=0), np.std(each, axis=0) / math.sqrt(len(draws))
    jitter = jaxent.Jitter(bonds=spread)
    arguments = (jaxent.Chain(3, 4), time, 0.0, 4, 0.2)
    found = np.asarray(jaxent.end_to_end_state(*arguments, jitter=jitter))
    found = found * math.exp(float(jaxent.dephased_log_probability(*arguments, jitter=jitter)))
    assert abs(found - total).max() < 6 * error.max()
    assert abs(found - total).max() > 1e-6  # an average of draws it is not


@pytest.mark.parametrize("coupling", ["number", "spin"])
@pytest.mark.parametrize("measurement", [None, jaxent.Measurement(resolution=0.7, atom_dephasing_rate=0.03)])
def test_without_jitter_nothing_changes(coupling, measurement):
    arguments = (jaxent.Chain(3, 4), jaxent.pi_fraction(2, 3), 0.02, 3, 0.3)
    for jitter, function in (
        (jaxent.Jitter(coupling=coupling), jaxent.end_to_end_log_negativity),
        (jaxent.Jitter(1e-12, 1e-12, coupling), jaxent.end_to_end_coherent_information),
    ):
        plain = float(function(*arguments, measurement=measurement))
        assert function(*arguments, measurement=measurement, jitter=jitter) == pytest.approx(plain, abs=1e-12)


def test_an_imperfect_measurement_mixes_the_perfect_ones():
    chain, time, sigma, record = jaxent.Chain(3, 4), 0.7, 1.1, 2.6
    jitter = jaxent.Jitter(shared=0.05)
    norm = sum(math.exp(-((record + i) ** 2) / 2 / sigma**2) for i in range(-40, 40))
    total = 0.0
    for q in range(5):
        share = math.exp(-((record - q) ** 2) / 2 / sigma**2) / norm
        log_p = float(jaxent.dephased_log_probability(chain, time, 0.02, q, 0.2, jitter=jitter))
        state = jaxent.end_to_end_state(chain, time, 0.02, q, 0.2, jitter=jitter)
        total = total + share * math.exp(log_p) * np.asarray(state)
    found = jaxent.end_to_end_state(
        chain, time, 0.02, record, 0.2, jitter=jitter, measurement=jaxent.Measurement(resolution=sigma)
    )
    np.testing.assert_allclose(found, total / np.einsum("abab->", total).real, atol=1e-13)


@pytest.mark.parametrize(("coupling", "spreads"), [("number", (0.04, 0.0)), ("spin", (0.03, 0.06))])
def test_gradients_are_those_of_differences(coupling, spreads):
    def value(x):
        jitter = jaxent.Jitter(x[0], x[1] if spreads[1] else 0.0, coupling)
        return jaxent.end_to_end_log_negativity(jaxent.Chain(3, 4), x[2], x[3], 4, x[4], jitter=jitter)

    at, step = jnp.array([*spreads, 0.9, 0.02, 0.2]), 1e-5
    slopes = jax.grad(value)(at)
    value = jax.jit(value)
    for k in range(5):
        change = jnp.eye(5)[k] * step
        expected = float(value(at + change) - value(at - change)) / (2 * step)
        assert float(slopes[k]) == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_spins_stand_what_numbers_do_not():
    """n_a n_a turns the ends by N δ/2 each, S_z S_z does not."""
    arguments = (jaxent.Chain(3, 8), jaxent.pi_fraction(1, 2), 0.0)
    numbers, spins = (
        float(jaxent.end_to_end_coherent_information(*arguments, jitter=jaxent.Jitter(0.05, coupling=coupling)))
        for coupling in ("number", "spin")
    )
    assert numbers < spins - 0.2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"jitter": jaxent.Jitter(-0.1)}, "`jitter`: `shared` must be finite and at least 0, but holds -0.1"),
        ({"jitter": jaxent.Jitter(bonds=[0.1, 0.2])}, r"must have one bonds, but its shape is \(2,\)"),
        (
            {"jitter": jaxent.Jitter(0.1, coupling="both")},
            'must have coupling = "number" or "spin", but it is \'both\'',
        ),
        ({"jitter": jaxent.Jitter(0.1), "chain": jaxent.Chain(4, 3)}, "n_ensembles = 3 only"),
        ({"jitter": jaxent.Jitter(0.1), "collective_rate": 0.1}, "`collective_rate` must be 0 with a jitter"),
        ({"jitter": jaxent.Jitter(0.1), "tolerance": 1e-3}, "`jitter` must be None with a tolerance"),
        (
            {"jitter": jaxent.Jitter(0.1, coupling="spin"), "chain": jaxent.Chain(3, (3, 4, 5))},
            "would add a phase offset",
        ),
        (
            {"jitter": jaxent.Jitter(0.1), "measurement": jaxent.Measurement(atom_loss_rate=0.1)},
            "must be None where atoms are lost",
        ),
        ({"jitter": jaxent.Jitter(bonds=0.1), "chain": jaxent.Chain(3, 90)}, r"takes 5\.7e\+11 terms"),
    ],
)
def test_a_bad_jitter_is_one_sentence(arguments, words):
    given = {"chain": jaxent.Chain(3, 3), "time": 1.0, "dephasing_rate": 0.01} | arguments
    with pytest.raises(ValueError, match=words):
        jaxent.end_to_end_log_negativity(**given)


def test_the_command_prints_what_the_library_returns(capsys):
    asked = "negativity 1.0 -n 5 -g 0.01 --outcomes 4 --jitter 0.05"
    with pytest.raises(SystemExit):
        main(f"{asked} --bond-jitter 0.02 --coupling spin --json".split())
    found = json.loads(capsys.readouterr().out)
    arguments = (jaxent.Chain(3, 5), 1.0, 0.01, 4)
    jitter = jaxent.Jitter(0.05, 0.02, "spin")
    assert found["log_negativity_bits"] == float(jaxent.end_to_end_log_negativity(*arguments, jitter=jitter))
    log_p = float(jaxent.dephased_log_probability(*arguments, jitter=jitter))
    assert found["log10_probability"] == pytest.approx(log_p / math.log(10), rel=1e-14)
    assert (found["jitter"], found["bond_jitter"], found["coupling"]) == (0.05, 0.02, "spin")
    with pytest.raises(SystemExit):
        main(f"{asked} --tolerance 0.001".split())
    assert "`tolerance` = 0.001 must be left out with a jitter" in " ".join(capsys.readouterr().err.split())
