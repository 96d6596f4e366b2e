"""Every public function lowers for cpu, cuda and tpu, to nothing that a TPU's compiler is known to refuse."""

import re

import jax
import pytest
from cases import FUNCTIONS, OFFSETS, OUTCOMES, TIMES
from jax import export

import jaxent
from jaxent.band import blocks


def reduces_float64(text):
    """Whether a program reduces the precision of float64 numbers, which are pairs of float32 on a TPU."""
    return re.search(r"reduce_precision.*f64", text) is not None


EVERY = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())


@EVERY
def test_lowers_for_every_platform(function):
    lowered = export.export(jax.jit(function), platforms=["cpu", "cuda", "tpu"])(TIMES[0], OFFSETS[0], OUTCOMES[0])
    assert lowered.platforms == ("cpu", "cuda", "tpu")
    assert not reduces_float64(lowered.mlir_module())


def test_an_operation_that_does_not_compile_for_a_tpu_is_noticed():
    lowered = export.export(jax.jit(lambda x: jax.lax.reduce_precision(x, 11, 25)), platforms=["tpu"])(0.7)
    assert reduces_float64(lowered.mlir_module())


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
@pytest.mark.parametrize("n_ensembles", [3, 4, 5])
def test_matrices_large_enough_for_the_fast_solver_lower_one_platform_at_a_time(platform, n_ensembles):
    chain = jaxent.Chain(n_ensembles, 40)
    for function in (
        lambda t: jaxent.end_to_end_entropy(chain, t),
        lambda t: jaxent.end_to_end_entropy(chain, t, 38, 0.1),
    ):
        assert export.export(jax.jit(function), platforms=[platform])(0.7).platforms == (platform,)


@pytest.mark.parametrize("transform", [lambda f: f, jax.grad], ids=["values", "gradients"])
def test_many_small_matrices_are_rotated_on_a_gpu_and_go_to_the_library_elsewhere(transform):
    def lowered(n_atoms, platform):
        function = jax.vmap(transform(lambda t: jaxent.end_to_end_entropy(jaxent.Chain(3, n_atoms), t)))
        times = jax.ShapeDtypeStruct((20,), jax.numpy.float64)
        return export.export(jax.jit(function), platforms=[platform])(times).mlir_module()

    def solvers(text):
        return len(re.findall(r"custom_call @\w*(?:syev|sytrd|Eigh)", text))

    assert solvers(lowered(100, "cuda")) == 0
    # both parity halves have one size, and share the function that holds the call
    assert solvers(lowered(40, "cuda")) == 1  # 26 rows: cuSOLVER takes these at once
    assert solvers(lowered(100, "cpu")) == 1
    assert solvers(lowered(100, "tpu")) == 1


def test_a_band_is_eliminated_in_blocks_on_a_gpu():
    plan = jaxent.plan_entropy(jaxent.Chain(3, 900, 6.0), 1.0)
    value = jax.jit(lambda t: jaxent.planned_entropy(plan, t))
    slope = jax.jit(jax.grad(lambda t: jaxent.planned_entropy(plan, t)))
    for platform, columns in (("cuda", True), ("cpu", False), ("tpu", False)):
        for program, width in ((value, blocks.COLUMNS), (slope, blocks.COLUMNS_KEPT)):
            text = export.export(program, platforms=[platform])(1.0).mlir_module()
            assert (f"x{width}x{plan.half_bandwidth + 1}xf64>" in text) == columns
