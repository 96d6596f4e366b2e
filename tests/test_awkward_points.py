"""First derivatives where spectra are degenerate, offsets or rates vanish, or nothing is left."""

import jax
import numpy as np
import pytest
from cases import EVEN

import jaxent


@pytest.mark.parametrize("time", [0.0, np.pi, np.pi / 2, 2 * np.pi / 3])
def test_the_entropy_has_a_finite_right_gradient_at_magic_times(time):
    """By symmetry dE/dt = 0 there, to what N = 12 leaves of the degeneracy; one-sided differences as the oracle."""
    chain = jaxent.Chain(3, 12)
    slope = jax.grad(lambda t: jaxent.end_to_end_entropy(chain, t))(time)
    values = jaxent.end_to_end_entropy(chain, time + np.array([-1e-6, 1e-6]))
    assert np.isfinite(slope)
    assert float(slope) == pytest.approx(float(values[1] - values[0]) / 2e-6, abs=1e-6)


def test_the_gradient_in_the_offset_vanishes_at_zero_by_symmetry():
    chain = jaxent.Chain(3, 30)
    slope = jax.grad(lambda x: jaxent.end_to_end_entropy(chain, 1.1, None, x))(0.0)
    assert abs(float(slope)) < 1e-12


def test_offsets_may_be_a_list_of_traced_numbers():
    slope = jax.grad(lambda x: jaxent.end_to_end_entropy(EVEN, 0.3, None, [x, 0.1]))(0.2)
    step = 1e-6
    high, low = (jaxent.end_to_end_entropy(EVEN, 0.3, None, [0.2 + s, 0.1]) for s in (step, -step))
    assert float(slope) == pytest.approx(float(high - low) / (2 * step), rel=1e-6)
