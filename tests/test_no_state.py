"""Every measure of what is no state, and of states at the ends of the range of numbers."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxent
from jaxent import entanglement

ORDERS = (0, 0.5, 1, 1.2, 2, math.inf)
OF_AMPLITUDES = {
    "schmidt_coefficients": entanglement.schmidt_coefficients,
    "entanglement_entropy": entanglement.entanglement_entropy,
    "log_negativity": entanglement.log_negativity,
    "negativity": entanglement.negativity,
    "state_fidelity": lambda a: entanglement.state_fidelity(np.eye(6).reshape(2, 3, 2, 3), a),
} | {f"renyi_entropy {x}": functools.partial(entanglement.renyi_entropy, alpha=x) for x in ORDERS}
OF_DENSITIES = {
    "von_neumann_entropy": entanglement.von_neumann_entropy,
    "purity": entanglement.purity,
} | {f"state_renyi_entropy {x}": functools.partial(entanglement.state_renyi_entropy, alpha=x) for x in ORDERS}


def of_two(measure):
    return lambda rho: measure(rho.reshape(2, 3, 2, 3))


OF_TWO_SYSTEMS = {
    "log_negativity_dm": of_two(entanglement.log_negativity_dm),
    "state_negativity": of_two(entanglement.state_negativity),
    "coherent_information": of_two(entanglement.coherent_information),
    "purity of two": of_two(entanglement.purity),
    "state_fidelity of rho": of_two(lambda rho: entanglement.state_fidelity(rho, np.ones((2, 3)))),
}
PURE = np.array([[1.0, 0.5j, 0.2], [0.3, -1.0, 0.1j]])
MIXED = np.diag([0.5, 0.3, 0.2, 0.4, 0.1, 0.6]) + 0.02j * (np.tri(6, k=-1) - np.tri(6, k=-1).T)
GROUPS = {"amplitudes": (OF_AMPLITUDES, PURE), "densities": (OF_DENSITIES | OF_TWO_SYSTEMS, MIXED)}


def of_every(group):
    measures, _ = GROUPS[group]
    return lambda x: {name: jnp.sum(measure(x)) for name, measure in measures.items()}


def slope(group, x):
    """The derivative of each measure along x itself."""
    return jax.jvp(of_every(group), (x,), (x,))[1]


compiled = {group: jax.jit(of_every(group)) for group in GROUPS}
compiled_slopes = {group: jax.jit(functools.partial(slope, group)) for group in GROUPS}


def test_every_public_measure_is_here():
    tested = {name.split()[0] for measures, _ in GROUPS.values() for name in measures}
    assert tested == set(entanglement.__all__) - {"entropy_difference", "normalized_entropy", "shannon_entropy"}


NO_STATES = {
    "zero": lambda x: 0 * x,
    "NaN": lambda x: x * np.where(np.arange(x.shape[1]) == 1, np.nan, 1),
    "infinity": lambda x: np.where(np.eye(*x.shape) > 0, np.inf, x),
}


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("kind", NO_STATES)
def test_no_state_has_no_measure(group, kind):
    """NaN under a transformation, and its derivative too; one sentence otherwise."""
    measures, state = GROUPS[group]
    bad = NO_STATES[kind](state)
    for found in (compiled[group](bad), compiled_slopes[group](bad)):
        assert all(np.isnan(value) for value in found.values()), found
    for name, measure in measures.items():
        with pytest.raises(ValueError, match=r"^Argument `(amplitudes|rho)` must [^.]*(\.[0-9][^.]*)?\.$"):
            print(name, measure(bad))


@pytest.mark.parametrize("bad", [-MIXED, MIXED - np.diag([3.0, 0, 0, 0, 0, 0]), MIXED + np.eye(6, k=1)])
def test_traced_matrices_that_are_no_density_matrix_have_no_measure(bad):
    assert all(np.isnan(value) for value in compiled["densities"](bad).values())


def test_a_traced_density_matrix_with_a_negative_eigenvalue_has_no_entropy():
    found = compiled["densities"](np.diag([2.0, -1.0, 1, 1, 1, 1]) + 0j)
    assert all(np.isnan(found[name]) for name in OF_DENSITIES if name != "purity")


@pytest.mark.parametrize("group", GROUPS)
def test_measures_do_not_depend_on_the_scale(group):
    """Up to the largest numbers, down to subnormal ones; those are zero to XLA, and so NaN, under a transformation."""
    measures, state = GROUPS[group]
    expected = compiled[group](state)
    for scale in (1e-290, 1e-160, 1e160, 1e308):
        for name, value in compiled[group](state * scale).items():
            assert value == pytest.approx(float(expected[name]), abs=1e-13), (name, scale)
    for scale, digits in ((1e-308, 1e-13), (1e-316, 1e-6), (1e308, 1e-13)):  # 1e-316 has seven digits
        for name, measure in measures.items():
            assert jnp.sum(measure(state * scale)) == pytest.approx(float(expected[name]), abs=digits), (name, scale)
    assert all(np.isnan(value) for value in compiled[group](state * 1e-310).values())


def test_the_largest_numbers_are_a_state():
    assert entanglement.von_neumann_entropy(np.eye(2) * 1e308) == 1
    assert entanglement.entanglement_entropy(np.eye(2) * (1.7e308 + 1.7e308j)) == pytest.approx(1, abs=1e-15)
    assert entanglement.entanglement_entropy(np.eye(2, 3) * 5e-324) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision_is_taken_as_the_default_one(dtype):
    for measures, state in GROUPS.values():
        half = jnp.asarray(state.real + state.real[::-1, ::-1], dtype)
        for measure in measures.values():
            value = measure(half)
            assert value.dtype == jnp.float64
            assert jnp.sum(value) == jnp.sum(measure(np.asarray(half, np.float64)))


# ---------------------------------------------------------- outcomes that cannot occur


def test_ends_whose_outcome_cannot_occur_have_no_measure():
    """At t = 0 only q = N occurs."""
    chain = jaxent.Chain(3, 5)

    @jax.jit
    def measures(time):
        state = jaxent.end_to_end_state(chain, time, 0.01, 3)
        amplitudes = jaxent.end_to_end_amplitudes(chain, time, 3)
        return {
            "state": jnp.sum(state),
            "of the state": entanglement.log_negativity_dm(state),
            "coherent information of the state": entanglement.coherent_information(state),
            "of amplitudes": entanglement.entanglement_entropy(amplitudes),
            "log negativity": jaxent.end_to_end_log_negativity(chain, time, 0.01, 3),
            "coherent information": jaxent.end_to_end_coherent_information(chain, time, 0.01, 3),
        }

    assert all(np.isnan(value) for value in measures(0.0).values())
    assert all(np.isfinite(value) for value in measures(0.7).values())


# ------------------------------------------------------------- rounding of zero


def test_negativities_of_states_without_entanglement_are_zero():
    rng = np.random.default_rng(0)
    for size in (2, 5, 12):
        vectors = rng.normal(size=(4, size)) + 1j * rng.normal(size=(4, size))
        product = np.multiply.outer(vectors[0], vectors[1])
        assert entanglement.log_negativity(product) == 0
        assert entanglement.negativity(product) == 0
        mixture = sum(
            np.einsum("a,b,c,d->abcd", a, b, a.conj(), b.conj()) for a, b in zip(vectors[:2], vectors[2:], strict=True)
        )
        assert entanglement.log_negativity_dm(mixture) == 0
        assert entanglement.state_negativity(mixture) == 0
    assert jaxent.end_to_end_log_negativity(jaxent.Chain(3, 5), 0.0, 0.3) == 0


def test_a_negativity_above_rounding_is_kept():
    """σ = (1, x): log2 (1 + x)²/(1 + x²)."""
    for small in (1e-6, 1e-13):
        expected = (2 * math.log1p(small) - math.log1p(small**2)) / math.log(2)
        assert entanglement.log_negativity(np.diag([1.0, small])) == pytest.approx(expected, abs=1e-15)
