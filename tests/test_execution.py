"""Batches of any shape, so many points at once: values, derivatives and branches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxent.runtime import execution


def spread(points):
    """A tree of results with axes of their own."""
    x, weights = points
    return {"sum": x + jnp.sum(weights), "parts": x * weights}


@pytest.mark.parametrize("at_once", [1, 2, 4, 6, 100])
@pytest.mark.parametrize("shape", [(), (1,), (6,), (2, 3), (0,), (2, 0)])
def test_a_batch_in_parts_is_the_batch(shape, at_once):
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=shape), rng.normal(size=(*shape, 3))
    run = jax.jit(lambda *points: execution.over_batch(spread, points, shape, at_once))
    found = run(x, weights)
    np.testing.assert_allclose(found["sum"], x + weights.sum(-1), rtol=1e-14)
    np.testing.assert_allclose(found["parts"], x[..., None] * weights, rtol=1e-14)
    slope = jax.grad(lambda x: jnp.sum(run(x, weights)["parts"]))(jnp.asarray(x))
    np.testing.assert_allclose(slope, weights.sum(-1), rtol=1e-14)


@pytest.mark.parametrize("shape", [(1,), (3,)])
def test_one_point_at_a_time_runs_one_branch(shape):
    ran = []

    def branch(x):
        jax.debug.callback(lambda: ran.append(1))
        return x * 2

    def function(x):
        return jax.lax.cond(x > 0, branch, lambda x: x, x)

    x = -jnp.ones(shape)
    np.testing.assert_array_equal(execution.over_batch(function, x, shape, 1), x)
    jax.effects_barrier()
    assert ran == []
    np.testing.assert_array_equal(execution.over_batch(function, -x, shape, 1), -2 * x)
    jax.effects_barrier()
    assert len(ran) == len(x)


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_batch_of_none_needs_no_compiler(at_once):
    with jax.disable_jit():
        assert execution.over_batch(jnp.sin, jnp.ones((0,)), (0,), at_once).shape == (0,)
