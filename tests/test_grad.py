"""First derivatives of every public function in every knob: forward, reverse and central differences agree."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from knobs import KEY, KNOBS, LONG, central_differences, one_sided_differences, scalar

import jaxent

pytestmark = pytest.mark.usefixtures("quick_compilation")


@functools.cache
def compiled(name):
    """The function of this name, and its gradient in both modes."""
    function = scalar(name)
    return jax.jit(function), jax.jit(lambda x: (jax.grad(function)(x), jax.jacfwd(function)(x)))


@pytest.mark.parametrize("name", [name for name in KNOBS if "master" not in name])
def test_forward_reverse_and_central_differences_agree(name):
    (function, both), point = compiled(name), KNOBS[name][1]
    reverse, forward = map(np.asarray, both(point))
    central = central_differences(function, point)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(reverse, central, rtol=1e-6, atol=1e-9)
    assert abs(reverse).max() > 1e-3


# where zeros leave no answer: of the functions, which knobs; "all" is all of them at once
NO_ANSWER = {
    "Schmidt coefficients: bonds, offsets": (0, 1, 2),  # one grows as |t|
    "coherent information: time, rates, shared, offset": (0,),  # grows as t log t
    "planned entropy: time, offset": ("all",),  # far from where the plan was made
    "reduced density matrix: bonds, offsets": ("all",),  # of no state, but for rounding
    "modular witness: rate, offset": (1, "all"),  # two shifts of the cells are equally good
    "teleportation: rate, offset": (1, "all"),  # the same: the larger of two fidelities that cross
    "fidelity: time, offsets": ("all",),  # of outcomes that cannot occur, set to 0
}


@pytest.mark.parametrize("name", [name for name in KNOBS if "master" not in name])
def test_derivatives_where_knobs_vanish_are_right_and_nan_where_the_value_is(name):
    """No time, no offset, no noise: each knob at 0 in turn, and all of them, towards larger values."""
    function, both = compiled(name)
    generic = KNOBS[name][1]
    points = {i: generic * (np.arange(len(generic)) != i) for i in range(len(generic))} | {"all": 0 * generic}
    for which, point in points.items():
        if which in NO_ANSWER.get(name, ()):
            continue
        reverse, forward = map(np.asarray, both(point))
        if np.isfinite(function(point)):
            np.testing.assert_allclose(forward, reverse, rtol=1e-7, atol=1e-7)
            np.testing.assert_allclose(reverse, one_sided_differences(function, point), rtol=1e-3, atol=2e-3)
        else:
            assert which == "all"
            assert np.isnan(reverse[0])
            assert np.isnan(forward[0])


@pytest.mark.thorough
def test_all_ten_knobs_of_the_integrator_have_one_gradient():
    (name,) = [name for name in KNOBS if "master" in name]
    test_forward_reverse_and_central_differences_agree(name)


@pytest.mark.thorough
def test_the_sampled_average_has_one_gradient_in_both_modes():
    def value(x):
        return jaxent.average_entropy(LONG, x[0], x[1:], KEY, 5).value

    point = np.array([0.7, 0.3, -0.2, 0.4])
    np.testing.assert_allclose(jax.jacfwd(value)(point), jax.grad(value)(point), rtol=1e-9)


def test_the_error_bound_and_the_error_estimate_are_differentiable():
    for function, chain, outcomes in (
        (jaxent.entropy_error_bound, jaxent.Chain(3, 20, 2.0), 18),
        (jaxent.entropy_error_estimate, jaxent.Chain(4, 12, 1.0), [3, 4]),
    ):

        def value(x, function=function, chain=chain, outcomes=outcomes):
            return function(chain, x[0], outcomes, x[1])

        point = np.array([0.7, 0.1])
        found = jax.jit(jax.grad(value))(point)
        np.testing.assert_allclose(found, central_differences(jax.jit(value), point, 1e-3), rtol=1e-5)


def test_all_sensitivities_come_from_one_call():
    chain = jaxent.Chain(4, 3)
    bonds, offsets = jaxent.BondTimes(np.array([0.7, 0.9, 0.6])), [0.3, -0.2]
    found = jaxent.sensitivities(jaxent.end_to_end_entropy, chain, bonds, outcomes=[1, 2], phase_offset=offsets)
    assert float(found.value) == pytest.approx(float(jaxent.end_to_end_entropy(chain, bonds, [1, 2], offsets)), abs=0)

    def value(x):
        return jaxent.end_to_end_entropy(chain, jaxent.BondTimes(x[:3]), [1, 2], x[3:])

    central = central_differences(jax.jit(value), np.array([0.7, 0.9, 0.6, 0.3, -0.2]))
    assert sorted(found.gradients) == ["phase_offset", "time"]
    np.testing.assert_allclose(found.gradients["time"], central[:3], rtol=1e-6)
    np.testing.assert_allclose(found.gradients["phase_offset"], central[3:], rtol=1e-6, atol=1e-9)


def test_sensitivities_of_a_scalar_are_the_sums_over_bonds_and_ensembles():
    chain, rates = jaxent.Chain(3, 4), np.array([0.02, 0.05, 0.03])
    each = jaxent.sensitivities(
        jaxent.end_to_end_log_negativity, chain, 0.7, dephasing_rate=jaxent.EnsembleRates(rates), collective_rate=0.01
    )
    assert {name: slope.shape for name, slope in each.gradients.items()} == {
        "collective_rate": (),
        "dephasing_rate": (3,),
        "phase_offset": (1,),
        "time": (),
    }
    together = jaxent.sensitivities(jaxent.end_to_end_log_negativity, chain, 0.7, dephasing_rate=0.03)
    equal = jaxent.EnsembleRates(np.full(3, 0.03))
    split = jaxent.sensitivities(jaxent.end_to_end_log_negativity, chain, 0.7, dephasing_rate=equal)
    assert float(together.gradients["dephasing_rate"]) == pytest.approx(float(split.gradients["dephasing_rate"].sum()))
    average = jaxent.sensitivities(jaxent.average_entropy, chain, jaxent.pi_fraction(1, 2), phase_offset=0.3)
    slope = jax.grad(lambda x: jaxent.average_entropy(chain, np.pi / 2, x).value)(0.3)
    assert float(average.gradients["phase_offset"]) == pytest.approx(float(slope), rel=1e-9)
    entropies = jaxent.sensitivities(jaxent.end_to_end_entropy, jaxent.Chain(3, 10**4, 3.0), 1.0)
    slope = jax.grad(lambda t: jaxent.end_to_end_entropy(jaxent.Chain(3, 10**4, 3.0), t))(1.0)
    assert float(entropies.gradients["time"]) == pytest.approx(float(slope), rel=1e-9)


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        (
            {"rate": 1.0},
            "`rate` = 1.0 is not an argument of end_to_end_entropy; give one of chain, time, outcomes, phase_offset",
        ),
        ({"time": [1.0, 2.0]}, r"must give one number here, but end_to_end_entropy gives an array of shape \(2,\)"),
        ({"phase_offset": np.nan}, "`phase_offset` must be finite"),
    ],
)
def test_sensitivities_refuse_bad_input_by_name(knobs, words):
    arguments = {"time": 1.0} | knobs
    with pytest.raises(ValueError, match=words):
        jaxent.sensitivities(jaxent.end_to_end_entropy, jaxent.Chain(3, 4), **arguments)


def test_reverse_mode_through_the_integrator_agrees_with_the_closed_form():
    chain, point = jaxent.Chain(3, 2), np.array([0.7, 0.02, 0.05, 0.03, 0.3])

    def integrated(x):
        rho = jaxent.evolve_density(chain, x[0], x[1:4], rtol=1e-11, atol=1e-13)
        return jaxent.log_negativity_dm(jaxent.measure_density(chain, rho, 1, x[4]).state)

    def closed(x):
        return jaxent.end_to_end_log_negativity(chain, x[0], jaxent.EnsembleRates(x[1:4]), 1, x[4])

    for derivative in (jax.grad, jax.jacfwd):
        np.testing.assert_allclose(
            jax.jit(derivative(integrated))(point), jax.jit(derivative(closed))(point), rtol=0, atol=1e-8
        )
    value = jnp.stack([integrated(point), closed(point)])
    assert float(abs(value[0] - value[1])) < 1e-9


def test_sensitivities_take_a_function_as_it_is_now():
    factor = [1.0]

    def scaled(chain, time):
        return factor[0] * jaxent.end_to_end_entropy(chain, time)

    first = jaxent.sensitivities(scaled, jaxent.Chain(3, 4), 0.4)
    factor[0] = 10.0
    second = jaxent.sensitivities(scaled, jaxent.Chain(3, 4), 0.4)
    assert abs(second.value - 10 * first.value) <= 1e-13
    assert abs(second.gradients["time"] - 10 * first.gradients["time"]) <= 1e-12


def test_whole_floats_of_outcomes_are_no_knobs():
    found = jaxent.sensitivities(jaxent.end_to_end_entropy, jaxent.Chain(3, 4), 0.4, outcomes=[3.0], tolerance=0.0)
    assert set(found.gradients) == {"time", "phase_offset"}
