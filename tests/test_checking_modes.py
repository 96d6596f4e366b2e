"""Every public function under JAX's own checking modes, with which people look for mistakes in code of their own.

What mixes ranks or types fails while it is traced, so most cases are traced only. Without `jit` all runs step by step:
those cases are tiny.
"""

import cases
import jax
import jax.numpy as jnp
import knobs
import numpy as np
import pytest

import jaxent

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def strict():
    """Ranks are not promoted, nor types."""
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        yield


MODES = pytest.mark.parametrize(
    "mode", [jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict")], ids=["ranks", "types"]
)


@MODES
def test_a_mode_traces_anew_what_was_compiled_before(mode):
    mixed = jax.jit(lambda x: jnp.arange(2)[:, None] * x)
    point = jnp.ones(2)
    mixed(point)
    with mode, pytest.raises((ValueError, TypeError), match="promotion"):
        jax.make_jaxpr(mixed)(point)


@pytest.mark.parametrize("name", knobs.KNOBS)
def test_values_of_all_knobs_mix_no_ranks_and_no_types(name, strict):
    function, point = knobs.KNOBS[name]
    found = jax.make_jaxpr(function)(point)
    assert {x.dtype for x in found.out_avals} <= {np.dtype(float), np.dtype(complex)}


DIFFERENTIATED = {
    "entropy of M = 3: time, offset",
    "probability: bonds, offsets",
    "entropy, all outcomes N, even M: time",
    "planned entropy: time, offset",
    "average of chosen outcomes: time, offset",
    "log negativity, one rate: time, rate",
    "measures of a pure state",
    "measures of a mixed state",
    "coherent state: angles",
}


@pytest.mark.parametrize(
    "name", [name if name in DIFFERENTIATED else pytest.param(name, marks=pytest.mark.thorough) for name in knobs.KNOBS]
)
def test_gradients_mix_no_ranks_and_no_types(name, strict):
    point = knobs.KNOBS[name][1]
    found = jax.make_jaxpr(jax.grad(knobs.scalar(name)))(point)
    assert [x.shape for x in found.out_avals] == [point.shape]


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in knobs.KNOBS if "master" not in name])
def test_second_derivatives_mix_no_ranks_and_no_types(name, strict):
    point = knobs.KNOBS[name][1]
    found = jax.make_jaxpr(jax.hessian(knobs.scalar(name)))(point)
    assert [x.shape for x in found.out_avals] == [(len(point), len(point))]


@pytest.mark.parametrize("function", cases.FUNCTIONS.values(), ids=cases.FUNCTIONS.keys())
def test_batches_of_all_functions_mix_no_ranks_and_no_types(function, strict):
    found = jax.make_jaxpr(jax.vmap(function))(cases.TIMES, cases.OFFSETS, cases.OUTCOMES)
    assert all(x.shape[0] == len(cases.TIMES) for x in found.out_avals)


OTHERS = {
    "two ensembles": lambda: jaxent.end_to_end_amplitudes(jaxent.Chain(2, 3), 0.7),
    "two dephasing ensembles": lambda: jaxent.end_to_end_log_negativity(jaxent.Chain(2, 2), 0.7, 0.1),
    "exact times": lambda: jaxent.end_to_end_entropy(jaxent.Chain(4, 2), jaxent.pi_fraction([1, 2], 3), 1, 0.2),
    "times and rates": lambda: jaxent.end_to_end_log_negativity(
        jaxent.Chain(3, 2), np.array([0.5, 0.7]), jaxent.EnsembleRates([0.1, 0.2, 0.3]), 1
    ),
    "four dephasing ensembles": lambda: jaxent.end_to_end_coherent_information(jaxent.Chain(4, 2), 0.7, 0.1, [1, 2]),
    "drawn log negativity": lambda: jaxent.average_log_negativity(
        jaxent.Chain(3, 2), 0.7, 0.1, 0.2, cases.KEY, 3, collective_rate=0.1
    ),
    "estimated log negativity": lambda: jaxent.estimate_log_negativity(
        cases.KEY, jaxent.Chain(3, 4), 0.7, 0.1, 2, 0.1, n_probes=8, depth=6
    ),
    "adaptive master equation": lambda: jaxent.evolve_density(
        jaxent.Chain(3, 1), 0.7, 0.1, collective_rate=0.1, drive=0.1, decay_rate=0.1, jump_x_rate=0.1, jump_y_rate=0.1
    ),
    "decoded state of four": lambda: jaxent.decoded_target(jaxent.Chain(4, 3), [1, 2], 3),
}


@pytest.mark.parametrize("function", OTHERS.values(), ids=OTHERS.keys())
def test_other_functions_mix_no_ranks_and_no_types(function, strict):
    assert jax.make_jaxpr(function)().out_avals


def test_the_band_engine_gives_the_same_in_every_mode():
    chain = jaxent.Chain(3, 1000)
    dense = jaxent.end_to_end_entropy(jaxent.Chain(3, 1000, 8.0), 0.7, tolerance=0)
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        checked = jaxent.end_to_end_entropy(chain, 0.7, tolerance=1e-6)
    np.testing.assert_allclose(checked, dense, atol=1e-6, rtol=0)


def test_an_optimization_mixes_no_ranks_and_no_types(quick_compilation, strict):
    found = jaxent.maximize("entropy_times_probability", jaxent.Chain(3, 2), 0.7, n_starts=1, n_steps=1, outcomes=1)
    assert found.value > 0


# without jit: shapes of one kind, so that each operation is compiled once

STEP_BY_STEP = {
    "two ensembles": lambda: jaxent.end_to_end_entropy(jaxent.Chain(2, 2), 0.7),
    "three ensembles": lambda: jaxent.end_to_end_entropy(jaxent.Chain(3, 2), 0.7, 1, 0.3),
    "four ensembles": lambda: jaxent.end_to_end_entropy(jaxent.Chain(4, 2), 0.7, [1, 2], 0.3),
    "five ensembles": lambda: jaxent.end_to_end_entropy(jaxent.Chain(5, 2), 0.7, [1, 2, 1], 0.3),
    "one atom": lambda: jaxent.end_to_end_amplitudes(jaxent.Chain(4, 1), 0.7, 1, 0.3),
    "four dephasing ensembles": lambda: jaxent.dephased_log_probability(jaxent.Chain(4, 1), 0.7, 0.1, 1, 0.3),
    "state tensor": lambda: cases.on_tensor(0.7, 0.3, 1),
}


@pytest.mark.parametrize("function", STEP_BY_STEP.values(), ids=STEP_BY_STEP.keys())
def test_without_jit_results_are_the_same(function, quick_compilation):
    compiled = function()
    with jax.disable_jit():
        np.testing.assert_allclose(function(), compiled, atol=1e-13, rtol=0)
