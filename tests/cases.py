"""Every public function of a time, an offset and an outcome, for the tests of one transformation each."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxent
from jaxent import chain as steps
from jaxent import dicke
from jaxent.numerics.algebra import multiply
from jaxent.times import unit

SHORT = jaxent.Chain(3, 6)
LONG = jaxent.Chain(5, 4)
EVEN = jaxent.Chain(4, 5)
KEY = jax.random.key(3)


def on_tensor(time, offsets, outcomes):
    psi = steps.evolve(EVEN, steps.initial_state(EVEN), time)
    return steps.project_outcomes(EVEN, steps.apply_phase_offset(EVEN, psi, offsets), outcomes)


# name → function of (time, offset, outcome), arrays traced; the offset and the outcome stand for all inner ensembles
FUNCTIONS = {
    "amplitudes": lambda t, x, q: jaxent.end_to_end_amplitudes(LONG, t, q, x),
    "amplitudes of M = 3": lambda t, x, q: jaxent.end_to_end_amplitudes(SHORT, t, q, x),
    "amplitudes, even M": lambda t, x, q: jaxent.end_to_end_amplitudes(EVEN, t, q, x),
    "bond times": lambda t, x, q: jaxent.end_to_end_amplitudes(LONG, jaxent.BondTimes(t * np.arange(1.0, 5.0)), q, x),
    "probability": lambda t, x, q: jaxent.outcome_probability(EVEN, t, q, x),
    "log probability": lambda t, x, q: jaxent.log_outcome_probability(SHORT, t, q, x),
    "entropy of M = 3": lambda t, x, q: jaxent.end_to_end_entropy(SHORT, t, q, x),
    "entropy of long chain": lambda t, x, q: jaxent.end_to_end_entropy(LONG, t, q, x),
    "entropy, outcomes N": lambda t, x, q: jaxent.end_to_end_entropy(SHORT, t + 0 * x),
    "entropy, outcomes N, even M": lambda t, x, q: jaxent.end_to_end_entropy(EVEN, t + 0 * x),
    "Rényi entropy": lambda t, x, q: jaxent.end_to_end_renyi_entropy(EVEN, t, 2.0, q, x),
    "Schmidt coefficients": lambda t, x, q: jaxent.end_to_end_schmidt_coefficients(LONG, t, q, x),
    "all probabilities": lambda t, x, q: jaxent.outcome_probabilities(SHORT, t, x),
    "average entropy": lambda t, x, q: jaxent.average_entropy(SHORT, t, x).value,
    "sampled average": lambda t, x, q: jaxent.average_entropy(LONG, t, x, KEY, 3).value,
    "samples": lambda t, x, q: jaxent.sample_outcomes(KEY, LONG, t, x),
    "decoded": lambda t, x, q: jaxent.decode_outcomes(LONG, q, 2),
    "target": lambda t, x, q: jaxent.decoded_target(EVEN, q, 2),
    "fidelity": lambda t, x, q: jaxent.decoded_fidelity(SHORT, q, 2),
    "error bound": lambda t, x, q: jaxent.entropy_error_bound(jaxent.Chain(3, 20, 2.0), t, q, x),
    "error estimate": lambda t, x, q: jaxent.entropy_error_estimate(jaxent.Chain(4, 12, 1.0), t, q, x),
    "collective spins": lambda t, x, q: jaxent.collective_spin_moments(SHORT, t, 0.0, q, x),
    "state tensor": on_tensor,
    "reduced density matrix": lambda t, x, q: steps.reduced_density_matrix(EVEN, on_tensor(t, x, q), 4),
    "measures": lambda t, x, q: (
        jaxent.entanglement_entropy(on_tensor(t, x, q)),
        jaxent.renyi_entropy(on_tensor(t, x, q), 2.0),
        jaxent.log_negativity(on_tensor(t, x, q)),
        jaxent.von_neumann_entropy(steps.reduced_density_matrix(EVEN, on_tensor(t, x, q), 1)),
        jaxent.state_renyi_entropy(steps.reduced_density_matrix(EVEN, on_tensor(t, x, q), 1), 0.5),
    ),
    "coherent state": lambda t, x, q: dicke.coherent_state(
        9, jnp.cos(t), multiply(jnp.sin(t), unit(jnp.asarray(x) / (2 * jnp.pi)))
    ),
    "Husimi function of an end": lambda t, x, q: jaxent.end_to_end_husimi(
        SHORT, t, np.array([1.1, 0.4]), np.array([0.3, 2.0]), 0.0, q, x, last_state=2
    ),
    "Husimi function of a noisy end": lambda t, x, q: jaxent.end_to_end_husimi(
        SHORT, t, 1.1, 0.3, 0.05, q, x, last_direction=(1.0, 0.7)
    ),
    "functions on the sphere": lambda t, x, q: (
        jaxent.husimi(steps.reduced_density_matrix(EVEN, on_tensor(t, x, q), 1), t, 0.3),
        jaxent.spin_wigner(steps.reduced_density_matrix(EVEN, on_tensor(t, x, q), 1), t, 0.3),
        jaxent.spin_wigner(on_tensor(t, x, q)[0], 0.3, t),
        jaxent.planar_wigner(steps.reduced_density_matrix(EVEN, on_tensor(t, x, q), 1), t, 0.3),
        jaxent.planar_wigner(on_tensor(t, x, q)[0], 0.3, t),
        *jaxent.tangent_plane(9, t, 0.2, 0.1),
    ),
    "x basis": lambda t, x, q: dicke.x_basis(9, q),
}
TIMES, OFFSETS, OUTCOMES = np.array([0.7, 1.9]), np.array([0.3, -0.2]), np.array([3, 1])
