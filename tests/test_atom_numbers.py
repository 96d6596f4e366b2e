"""Numbers of atoms that fluctuate: against direct sums over full states of all ensembles, by plain NumPy."""

import itertools
import math

import jax
import numpy as np
import pytest
from oracles_full import along, row_of

import jaxent

FEW = (
    jaxent.AtomNumbers((2, 3), (0.6, 0.4)),
    jaxent.AtomNumbers((1, 3, 4), (0.2, 0.5, 0.3)),
    jaxent.AtomNumbers((1, 2), (0.7, 0.3)),
)
RATES = np.array([0.03, 0.05, 0.02])


def one_run(numbers, time, missing, offset, coupling):
    """The unnormalized state of the ends after the whole master equation, in (k_1, k_3, k_1', k_3')."""
    state = np.ones([n + 1 for n in numbers], complex)
    labels = []
    for axis, n in enumerate(numbers):
        state = state * along(np.sqrt([math.comb(n, k) / 2.0**n for k in range(n + 1)]), axis, 3)
        labels.append(along(np.arange(n + 1) - (n / 2 if coupling == "spin" else 0.0), axis, 3))
    state = (state * np.exp(1j * time * (labels[0] * labels[1] - labels[1] * labels[2]))).reshape(-1)
    places = np.stack(np.meshgrid(*(np.arange(n + 1) for n in numbers), indexing="ij"), axis=-1).reshape(-1, 3)
    rho = np.outer(state, state.conj()) * np.exp(-2 * time * (places[:, None] - places[None, :]) ** 2 @ RATES)
    row = row_of(numbers[1], numbers[1] - missing) * np.exp(1j * offset * np.arange(numbers[1] + 1))
    operator = np.kron(np.kron(np.eye(numbers[0] + 1), row), np.eye(numbers[2] + 1))
    return (operator @ rho @ operator.conj().T).reshape((numbers[0] + 1, numbers[2] + 1) * 2)


def norm(rho):
    size = rho.shape[0] * rho.shape[1]
    return abs(np.linalg.eigvalsh(rho.transpose(2, 1, 0, 3).reshape(size, size))).sum()


def trace(rho):
    return np.einsum("abab->", rho).real


def runs(three, *question):
    for choice in itertools.product(*(zip(one.values, one.probabilities, strict=True) for one in three)):
        numbers = [n for n, _ in choice]
        yield numbers, math.prod(p for _, p in choice) * one_run(numbers, *question)


def expected_of(three, known, *question):
    """Log negativity and log p by the definition: known numbers label states, unknown ones do not."""
    coupling = question[-1]
    if known == "all":
        each = [(norm(rho), trace(rho)) for _, rho in runs(three, *question)]
    else:
        sums = {}
        for numbers, rho in runs(three, *question):
            # each end in labels 2x, from -8 on; who does not know N adds the states up
            wide = np.zeros((25,) * 4, complex)
            places = [2 * np.arange(n + 1) - (n if coupling == "spin" else 0) + 8 for n in (numbers[0], numbers[2])]
            wide[np.ix_(places[0], places[1], places[0], places[1])] = rho
            label = numbers[1] if known == "measured" else None
            sums[label] = sums.get(label, 0.0) + wide
        each = [(norm(rho), trace(rho)) for rho in sums.values()]
    total = sum(p for _, p in each)
    return sum(p * math.log2(n / p) for n, p in each if p > 0) / total, math.log(total)


@pytest.mark.parametrize("coupling", ["number", "spin"])
@pytest.mark.parametrize("known", ["all", "measured", "none"])
@pytest.mark.parametrize(("missing", "offset"), [(0, 0.0), (1, 0.4)])
def test_it_is_the_sum_over_runs(known, coupling, missing, offset):
    bits, log_p = expected_of(FEW, known, 0.8, missing, offset, coupling)
    rates = jaxent.EnsembleRates(RATES)
    found = jaxent.fluctuating_log_negativity(FEW, 0.8, rates, missing, offset, known=known, coupling=coupling)
    assert found.value == pytest.approx(bits, abs=1e-12)
    assert found.log_probability == pytest.approx(log_p, abs=1e-12)
    assert found.standard_error == 0


def test_a_poissonian_average_is_the_direct_sum():
    three, time, offset = (jaxent.AtomNumbers.normal(6, 1), jaxent.AtomNumbers.poissonian(5), 7), math.pi / 2, 0.2
    total = share = 0.0
    third = np.sqrt([math.comb(7, k) / 2.0**7 for k in range(8)])
    for n, p in zip(three[0].values, three[0].probabilities, strict=True):
        first = np.sqrt([math.comb(n, k) / 2.0**n for k in range(n + 1)])
        alpha = np.subtract.outer(np.arange(n + 1), np.arange(8)) * time + offset
        for m, q in zip(three[1].values, three[1].probabilities, strict=True):
            values = np.linalg.svd(first[:, None] * np.cos(alpha / 2) ** m * third, compute_uv=False)
            weight = p * q * np.sum(values**2)
            total += weight * 2 * math.log2(values.sum() / np.linalg.norm(values))
            share += weight
    time = jaxent.pi_fraction(1, 2)
    found = jaxent.fluctuating_log_negativity(three, time, phase_offset=offset)
    assert found.value == pytest.approx(total / share, abs=1e-12)
    assert found.log_probability == pytest.approx(math.log(share), abs=1e-12)
    drawn = jaxent.fluctuating_log_negativity(three, time, phase_offset=offset, key=jax.random.key(3), n_samples=2000)
    assert 0 < drawn.standard_error < 0.01
    assert abs(drawn.value - found.value) < 4 * drawn.standard_error
    assert drawn.log_probability == pytest.approx(found.log_probability, abs=0.05)


def test_numbers_that_are_known_are_the_chains_of_their_own():
    numbers, time = jaxent.AtomNumbers((4, 6), (0.3, 0.7)), 0.9
    total = share = 0.0
    for n, p in zip(numbers.values, numbers.probabilities, strict=True):
        chain = jaxent.Chain(3, (5, n, 4))
        weight = p * float(jaxent.outcome_probability(chain, time, n - 1, 0.2))
        total += weight * float(jaxent.end_to_end_renyi_entropy(chain, time, 0.5, n - 1, 0.2))
        share += weight
    found = jaxent.fluctuating_log_negativity((5, numbers, 4), time, missing=1, phase_offset=0.2)
    assert found.value == pytest.approx(total / share, abs=1e-12)


def test_a_number_that_does_not_fluctuate_is_that_of_the_chain():
    chain = jaxent.Chain(3, 5)
    bits = float(jaxent.end_to_end_log_negativity(chain, 0.9, 0.02, 4, 0.3))
    log_p = float(jaxent.dephased_log_probability(chain, 0.9, 0.02, 4, 0.3))
    for coupling, known in itertools.product(("number", "spin"), ("all", "measured", "none")):
        found = jaxent.fluctuating_log_negativity(5, 0.9, 0.02, 1, 0.3, known=known, coupling=coupling)
        assert found.value == pytest.approx(bits, abs=1e-12)
        assert found.log_probability == pytest.approx(log_p, abs=1e-12)


@pytest.mark.parametrize("mean", [3.0, 40.5])
def test_distributions(mean):
    poissonian, normal = jaxent.AtomNumbers.poissonian(mean), jaxent.AtomNumbers.normal(mean, 2.0)
    for one, n in ((poissonian, poissonian.values[3]), (normal, normal.values[3])):
        assert math.fsum(one.probabilities) == pytest.approx(1.0, abs=1e-14)
        assert n in one.values
    zero = math.exp(-mean)
    at = poissonian.values.index(5)
    assert poissonian.probabilities[at] == pytest.approx(math.exp(-mean) * mean**5 / 120 / (1 - zero), rel=1e-10)
    assert poissonian.mean == pytest.approx(mean / (1 - zero), rel=1e-10)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxent.AtomNumbers((1, 2), (0.5,)), r"must be sequences of one length, but have the shapes \(2,\)"),
        (lambda: jaxent.AtomNumbers((1, 1), (0.5, 0.5)), "`values` must hold each number once"),
        (lambda: jaxent.AtomNumbers((0, 1), (0.5, 0.5)), "`values` must be an integer of at least 1, but is 0"),
        (lambda: jaxent.AtomNumbers((1, 2), (0.5, -0.5)), "`probabilities` must hold finite numbers of at least 0"),
        (lambda: jaxent.AtomNumbers.poissonian(-1), "`mean` must be"),
        (lambda: jaxent.AtomNumbers.normal(1e12, 1e11), "more than 10"),
        (lambda: jaxent.fluctuating_log_negativity((3, 4), 1.0), "`numbers` must be AtomNumbers, or three of them"),
        (lambda: jaxent.fluctuating_log_negativity(3, 1.0, missing=4), r"`missing` must be in 0…3, but is 4"),
        (lambda: jaxent.fluctuating_log_negativity(3, -1.0), "`time` must be at least 0"),
        (lambda: jaxent.fluctuating_log_negativity(3, 1.0, -0.1), "`dephasing_rate` must be finite and at least 0"),
        (lambda: jaxent.fluctuating_log_negativity(3, 1.0, known="some"), "`known` must be one of all, measured, none"),
        (lambda: jaxent.fluctuating_log_negativity(3, 1.0, coupling="x"), "`coupling` must be one of number, spin"),
        (
            lambda: jaxent.fluctuating_log_negativity(3, 1.0, known="none", key=jax.random.key(0)),
            "`key` must be None for known = 'none'",
        ),
        (
            lambda: jaxent.fluctuating_log_negativity(jaxent.AtomNumbers.poissonian(200), 1.0),
            "draw some of them: give a key",
        ),
        (
            lambda: jaxent.fluctuating_log_negativity(jaxent.AtomNumbers.poissonian(60), 1.0, 0.1, known="none"),
            "fewer atoms",
        ),
        (lambda: jaxent.fluctuating_log_negativity(4, 0.0, missing=1), "`missing` = 1 cannot occur"),
    ],
)
def test_what_is_not_possible_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_traced_values_are_refused():
    with pytest.raises(ValueError, match="fluctuating numbers need known values"):
        jax.jit(lambda t: jaxent.fluctuating_log_negativity(3, t).value)(1.0)
