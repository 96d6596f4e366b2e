"""The estimated log negativity lies within its own error bar of the dense one."""

import jax
import numpy as np
import pytest

import jaxent
from jaxent import EnsembleRates


@pytest.mark.parametrize(
    ("n_atoms", "time", "rate", "outcome", "offset", "depth"),
    [
        pytest.param(100, 1.0, 0.01, None, 0.0, 80, marks=pytest.mark.thorough),
        pytest.param(100, jaxent.pi_fraction(2, 3), 0.003, None, 0.1, 60, marks=pytest.mark.thorough),
        (100, 0.7, EnsembleRates(np.array([0.0, 0.01, 0.02])), 97, 0.2, 80),
        (300, jaxent.pi_fraction(1, 2), 0.01, None, 0.0, 60),
        pytest.param(300, 1.0, 0.01, None, 0.0, 100, marks=pytest.mark.thorough),
    ],
)
def test_the_estimate_is_within_its_error_of_the_dense_value(n_atoms, time, rate, outcome, offset, depth):
    chain = jaxent.Chain(3, n_atoms, 3.0)
    dense = float(jaxent.end_to_end_log_negativity(chain, time, rate, outcome, offset))
    key = jax.random.key(8)
    found = jaxent.estimate_log_negativity(key, chain, time, rate, outcome, offset, n_probes=24, depth=depth)
    assert 0 < float(found.standard_error) < 0.05
    allowed = 4 * float(found.standard_error) + float(found.depth_error)
    assert abs(float(found.value) - dense) < allowed


def test_error_bars_are_honest():
    """Over many keys, the deviations in units of the standard error have about unit variance."""
    chain = jaxent.Chain(3, 9)
    dense = float(jaxent.end_to_end_log_negativity(chain, 1.0, 0.01))

    def one(key):
        return jaxent.estimate_log_negativity(key, chain, 1.0, 0.01, n_probes=16, depth=100)

    found = [[float(x) for x in one(key)] for key in jax.random.split(jax.random.key(1), 40)]
    value, standard_error, depth_error = np.array(found).T
    scores = (value - dense) / standard_error
    assert np.max(depth_error) < 0.2 * np.mean(standard_error)
    assert abs(np.mean(scores)) < 0.4
    assert 0.7 < np.std(scores) < 1.4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chain": jaxent.Chain(4, 5)}, "`chain` must have n_ensembles = 3"),
        ({"n_probes": 2}, "`n_probes` must be an integer of at least 8"),
        ({"depth": 1}, "`depth` must be an integer of at least 4"),
        ({"dephasing_rate": -1.0}, "`dephasing_rate` must be finite and at least 0"),
        ({"time": np.array([1.0, 2.0])}, "must be single values"),
        ({"chain": jaxent.Chain(3, 10**8, 3.0)}, "probes of depth 100"),
    ],
)
def test_bad_input_is_refused_by_name(change, words):
    arguments = {"chain": jaxent.Chain(3, 10), "time": 1.0, "dephasing_rate": 0.01} | change
    with pytest.raises(ValueError, match=words):
        jaxent.estimate_log_negativity(jax.random.key(0), **arguments)
