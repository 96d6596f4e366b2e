"""Second derivatives of every public function: both orders of the modes, and differences of first derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from knobs import KNOBS, central_differences, scalar

import jaxent
from jaxent.noise.master_equation import measure_density

pytestmark = pytest.mark.usefixtures("quick_compilation")

# of several knobs and large programs only the first two are taken twice
FEW = 2


def driven(x):
    """The integrator at its smallest: time and drive of three single atoms."""
    rho = jaxent.evolve_density(jaxent.Chain(3, 1), x[0], 0.05, drive=x[1], n_steps=10)
    return jaxent.purity(measure_density(jaxent.Chain(3, 1), rho, 1, 0.3).state)


CASES = {name: (scalar(name), point) for name, (_, point) in KNOBS.items() if "master" not in name}
CASES["master equation: time, drive"] = (driven, np.array([0.7, 0.2]))


LARGE = ("log negativity: time, rates, shared, offsets", "average log negativity: time, rates, shared, offset")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.thorough] * (name in LARGE)) for name in CASES])
def test_hessians_agree_with_differences_of_gradients(name):
    function, point = CASES[name]

    def shortened(x):
        return function(jnp.concatenate([x, point[FEW:]]))

    def gradient_twice(x):  # the gradient comes out of the program of the Hessian, which is compiled once
        gradient = jax.grad(shortened)(x)
        return gradient, gradient

    start = point[:FEW]
    derivatives = jax.jit(jax.jacfwd(gradient_twice, has_aux=True))
    hessian = np.asarray(derivatives(start)[0])
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-8, atol=1e-9)
    differences = central_differences(lambda x: derivatives(x)[1], start)
    np.testing.assert_allclose(hessian, differences, rtol=1e-5, atol=1e-6)
    assert abs(hessian).max() > 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "entropy of M = 3: time, offset",
        pytest.param("log negativity, one rate: time, rate", marks=pytest.mark.thorough),
    ],
)
def test_forward_over_forward_and_reverse_over_reverse_agree(name):
    function, point = CASES[name]
    forward = jax.jit(jax.jacfwd(jax.jacfwd(function)))(point)
    np.testing.assert_allclose(jax.jit(jax.jacrev(jax.grad(function)))(point), forward, rtol=1e-8, atol=1e-8)


def test_the_curvature_in_the_offset_is_right_at_a_magic_time():
    """Equal and vanishing Schmidt coefficients: second differences of the gradient at two steps as the oracle."""
    chain = jaxent.Chain(3, 12)
    slope = jax.jit(jax.grad(lambda x: jaxent.average_entropy(chain, np.pi / 2, x).value))
    curvature = jax.jit(jax.hessian(lambda x: jaxent.average_entropy(chain, np.pi / 2, x).value))(0.4)
    assert float(curvature) == pytest.approx(float(central_differences(lambda x: slope(x[0]), [0.4])[0]), rel=1e-7)
