"""Every public function in single precision: right to its rounding, or refused."""

import subprocess
import sys

import chex
import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from cases import FUNCTIONS

import jaxent


@pytest.mark.usefixtures("float32")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.thorough] * (name == "sampled average")) for name in FUNCTIONS]
)
def test_float32_is_right_to_its_own_precision_at_small_n(name):
    point = (np.float32(0.7), np.float32(0.3), 3)
    single = jax.tree.leaves(jax.jit(FUNCTIONS[name])(*point))
    jax.config.update("jax_enable_x64", True)
    double = jax.tree.leaves(jax.jit(FUNCTIONS[name])(*point))
    assert {leaf.dtype for leaf in single} <= {jnp.dtype(x) for x in ("f4", "c8", "i4")}
    assert {leaf.dtype for leaf in double} <= {jnp.dtype(x) for x in ("f8", "c16", "i8")}
    if name not in ("samples", "sampled average"):  # those draw other random numbers in float32
        chex.assert_trees_all_close(
            single, [leaf.astype(low.dtype) for leaf, low in zip(double, single, strict=True)], atol=2e-4, rtol=0
        )


@pytest.mark.usefixtures("float32")
def test_float32_is_refused_where_it_would_be_noise():
    with pytest.raises(ValueError, match=r"`n_atoms` = 10000 needs float64.*jax_enable_x64"):
        jaxent.end_to_end_entropy(jaxent.Chain(3, 10**4, 3.0), 1.0)


@pytest.mark.usefixtures("float32")
def test_float32_refuses_fractions_of_pi_that_do_not_fit_its_integers():
    with pytest.raises(ValueError, match=r"`time` = π·p/r with p = 1000000000001 needs 64-bit integers"):
        jaxent.end_to_end_entropy(jaxent.Chain(3, 20), jaxent.pi_fraction(10**12 + 1, 7))


def test_what_was_computed_in_float32_does_not_stay_in_float64():
    """A program that turns float64 on late gets float64 from then on; a process of its own keeps the caches apart."""
    script = """
import jax, jaxent
jax.config.update("jax_enable_x64", False)
for n in (6, 7):
    jaxent.outcome_probabilities(jaxent.Chain(3, n), 0.7, 0.3)
    jaxent.end_to_end_log_negativity(jaxent.Chain(3, n), 0.7, 0.1)
jax.config.update("jax_enable_x64", True)
for n in (6, 7, 12):
    print(float(jaxent.outcome_probabilities(jaxent.Chain(3, n), 0.7, 0.3).sum()) - 1)
print(float(jaxent.end_to_end_log_negativity(jaxent.Chain(3, 6), 0.7, 0.1)))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=200)
    *excess, negativity = map(float, run.stdout.split())
    np.testing.assert_allclose(excess, 0.0, atol=1e-13)
    exact = oracles.state_log_negativity_bits(oracles.dephased_state(3, 6, 0.7, 0.1, [6]))
    assert negativity == pytest.approx(exact, abs=1e-12)
