"""Every public function lowers for cpu, cuda and tpu."""

import jax
import pytest
from cases import FUNCTIONS, OFFSETS, OUTCOMES, TIMES
from jax import export

import jaxent

EVERY = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())


@EVERY
def test_lowers_for_every_platform(function):
    lowered = export.export(jax.jit(function), platforms=["cpu", "cuda", "tpu"])(TIMES[0], OFFSETS[0], OUTCOMES[0])
    assert lowered.platforms == ("cpu", "cuda", "tpu")


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("n_ensembles", [3, 4, 5])
def test_matrices_large_enough_for_the_fast_solver_lower_one_platform_at_a_time(platform, n_ensembles):
    chain = jaxent.Chain(n_ensembles, 40)
    for function in (
        lambda t: jaxent.end_to_end_entropy(chain, t),
        lambda t: jaxent.end_to_end_entropy(chain, t, 38, 0.1),
    ):
        assert export.export(jax.jit(function), platforms=[platform])(0.7).platforms == (platform,)
