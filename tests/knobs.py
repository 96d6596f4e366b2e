"""Every differentiable public function as a function of a vector of all its knobs, for the tests of derivatives."""

import jax
import jax.numpy as jnp
import numpy as np

import jaxent
from jaxent import chain as steps
from jaxent import dicke
from jaxent.noise.master_equation import evolve_density, measure_density
from jaxent.numerics.algebra import multiply
from jaxent.times import unit

LONG, EVEN, SHORT, TINY = jaxent.Chain(5, 4), jaxent.Chain(4, 5), jaxent.Chain(3, 6), jaxent.Chain(3, 2)
KEY = jax.random.key(3)
_rng = np.random.default_rng(7)
MATRICES = [_rng.normal(size=(2, 4, 5)) + 1j * _rng.normal(size=(2, 4, 5)) for _ in range(2)]
STATES = [a[0] @ a[0].conj().T + 0.1 * np.eye(4) for a in MATRICES]


def rates(x):
    return jaxent.EnsembleRates(x)


def integrated(x):
    """Knobs: time; γ of three ensembles; collective rate; drive; rates of three other jumps; φ."""
    rho = evolve_density(
        TINY,
        x[0],
        x[1:4],
        collective_rate=x[4],
        drive=x[5],
        decay_rate=x[6],
        jump_x_rate=x[7],
        jump_y_rate=x[8],
        n_steps=20,
    )
    return jaxent.log_negativity_dm(measure_density(TINY, rho, 1, x[9]).state)


def tensor(x):
    psi = steps.evolve(EVEN, steps.initial_state(EVEN), jaxent.BondTimes(x[:3]))
    return steps.project_outcomes(EVEN, steps.apply_phase_offset(EVEN, psi, x[3:]), [2, 4])


def along(x):
    x = x.astype(complex)
    return MATRICES[0][0] + x[0] * MATRICES[1][0] + x[1] * MATRICES[0][1]


def mixed(x):
    size = 2
    state = STATES[0] + x[0].astype(complex) * STATES[1]
    return state.reshape(size, size, size, size)


BONDS_OF_FIVE = np.array([0.7, 0.9, 0.6, 1.1, 0.3, -0.2, 0.4])
BONDS_OF_FOUR = np.array([0.7, 0.9, 0.6, 0.3, -0.2])
NOISE_OF_FOUR = np.array([0.7, 0.02, 0.05, 0.03, 0.04, 0.01, 0.3, -0.2])
NOISE_OF_THREE = np.array([0.7, 0.08, 0.05, 0.06, 0.03, 0.3])
SMALL = jaxent.Chain(4, 2)
PLAN = jaxent.plan_entropy(jaxent.Chain(3, 30), 0.7, tolerance=1e-9)
PLAN_WITH_OFFSET = jaxent.plan_entropy(jaxent.Chain(3, 30), 0.7, 29, 0.3, tolerance=1e-9)

# name → (function of all knobs, a generic point); complex and array results are summed with irregular weights
KNOBS = {
    "amplitudes: bonds, offsets": (
        lambda x: jaxent.end_to_end_amplitudes(LONG, jaxent.BondTimes(x[:4]), [3, 1, 2], x[4:]),
        BONDS_OF_FIVE,
    ),
    "probability: bonds, offsets": (
        lambda x: jaxent.outcome_probability(EVEN, jaxent.BondTimes(x[:3]), [2, 4], x[3:]),
        BONDS_OF_FOUR,
    ),
    "log probability: time, offset": (
        lambda x: jaxent.log_outcome_probability(SHORT, x[0], 4, x[1]),
        np.array([0.7, 0.3]),
    ),
    "entropy: bonds, offsets": (
        lambda x: jaxent.end_to_end_entropy(LONG, jaxent.BondTimes(x[:4]), [3, 1, 2], x[4:]),
        BONDS_OF_FIVE,
    ),
    "entropy of M = 3: time, offset": (
        lambda x: jaxent.end_to_end_entropy(SHORT, x[0], 4, x[1]),
        np.array([0.7, 0.3]),
    ),
    "entropy, all outcomes N, odd M: time": (lambda x: jaxent.end_to_end_entropy(LONG, x[0]), np.array([0.7])),
    "entropy, all outcomes N, even M: time": (lambda x: jaxent.end_to_end_entropy(EVEN, x[0]), np.array([0.7])),
    "Rényi entropy: bonds, offsets": (
        lambda x: jaxent.end_to_end_renyi_entropy(LONG, jaxent.BondTimes(x[:4]), 2.5, [3, 1, 2], x[4:]),
        BONDS_OF_FIVE,
    ),
    "planned entropy: time": (lambda x: jaxent.planned_entropy(PLAN, x[0]), np.array([0.7])),
    "planned Rényi entropy: time": (lambda x: jaxent.planned_entropy(PLAN, x[0], alpha=2.0), np.array([0.7])),
    "planned entropy: time, offset": (
        lambda x: jaxent.planned_entropy(PLAN_WITH_OFFSET, x[0], x[1]),
        np.array([0.7, 0.3]),
    ),
    "Schmidt coefficients: bonds, offsets": (
        lambda x: jaxent.end_to_end_schmidt_coefficients(EVEN, jaxent.BondTimes(x[:3]), [2, 4], x[3:]),
        BONDS_OF_FOUR,
    ),
    "all probabilities: time, offset": (
        lambda x: jaxent.outcome_probabilities(SHORT, x[0], x[1]),
        np.array([0.7, 0.3]),
    ),
    "fidelity: time, offsets": (
        lambda x: jaxent.decoded_fidelity(EVEN, [2, 4], 2, 1, x[0], x[1:]),
        np.array([3.0, 0.7, 0.8]),
    ),
    "average entropy: bonds, offsets": (
        lambda x: jaxent.average_entropy(SMALL, jaxent.BondTimes(x[:3]), x[3:]).value,
        BONDS_OF_FOUR,
    ),
    "average of chosen outcomes: time, offset": (
        lambda x: jaxent.average_entropy(SHORT, x[0], x[1], outcomes=np.array([6, 5, 2])),
        np.array([0.7, 0.3]),
    ),
    "average log negativity: time, rates, shared, offset": (
        lambda x: jaxent.average_log_negativity(TINY, x[0], rates(x[1:4]), x[5], collective_rate=x[4]).value,
        NOISE_OF_THREE,
    ),
    "average fidelity: time, offset": (
        lambda x: jaxent.average_decoded_fidelity(SHORT, 2, 1, x[0], x[1]).value,
        np.array([3.0, 0.7]),
    ),
    "log negativity: time, rates, shared, offsets": (
        lambda x: jaxent.end_to_end_log_negativity(SMALL, x[0], rates(x[1:5]), [1, 2], x[6:], x[5]),
        NOISE_OF_FOUR,
    ),
    "log negativity, one rate: time, rate": (
        lambda x: jaxent.end_to_end_log_negativity(TINY, x[0], x[1]),
        np.array([0.7, 0.05]),
    ),
    "coherent information: time, rates, shared, offset": (
        lambda x: jaxent.end_to_end_coherent_information(TINY, x[0], rates(x[1:4]), 1, x[5], x[4]),
        NOISE_OF_THREE,
    ),
    "dephased log probability: time, rates, shared, offsets": (
        lambda x: jaxent.dephased_log_probability(SMALL, x[0], rates(x[1:5]), [1, 2], x[6:], x[5]),
        NOISE_OF_FOUR,
    ),
    "dephased state: time, rates, shared, offset": (
        lambda x: jaxent.end_to_end_state(TINY, x[0], rates(x[1:4]), 1, x[5], x[4]),
        NOISE_OF_THREE,
    ),
    "collective spins: time, offset": (
        lambda x: jaxent.collective_spin_moments(SHORT, x[0], 0.0, 5, x[1]),
        np.array([0.7, 0.3]),
    ),
    "modular witness: rate, offset": (
        lambda x: jaxent.modular_witness(SHORT, jaxent.pi_fraction(2, 3), x[0], 5, x[1]).correlations,
        np.array([0.1, 0.5]),
    ),
    "teleportation: rate, offset": (
        lambda x: jaxent.teleportation_fidelity(SHORT, jaxent.pi_fraction(2, 3), x[0], 5, x[1]),
        np.array([0.1, 0.5]),
    ),
    "master equation: time, rates, shared, drive, jumps, offset": (
        integrated,
        np.array([0.7, 0.02, 0.05, 0.03, 0.01, 0.2, 0.02, 0.03, 0.01, 0.3]),
    ),
    "state tensor: bonds, offsets": (tensor, BONDS_OF_FOUR),
    "reduced density matrix: bonds, offsets": (
        lambda x: steps.reduced_density_matrix(EVEN, tensor(x), 4),
        BONDS_OF_FOUR,
    ),
    "measures of a pure state": (
        lambda x: jnp.stack(
            [
                jaxent.entanglement_entropy(along(x)),
                jaxent.renyi_entropy(along(x), 0.5),
                jaxent.renyi_entropy(along(x), 3.0),
                jaxent.log_negativity(along(x)),
                jaxent.negativity(along(x)),
                jnp.sum(jaxent.schmidt_coefficients(along(x)) ** 3),
            ]
        ),
        np.array([0.3, 0.2]),
    ),
    "measures of a mixed state": (
        lambda x: jnp.stack(
            [
                jaxent.von_neumann_entropy(mixed(x).reshape(4, 4)),
                jaxent.state_renyi_entropy(mixed(x).reshape(4, 4), 2.0),
                jaxent.purity(mixed(x)),
                jaxent.log_negativity_dm(mixed(x)),
                jaxent.coherent_information(mixed(x)),
                jaxent.state_fidelity(mixed(x), MATRICES[0][0][:2, :2]),
            ]
        ),
        np.array([0.3]),
    ),
    "Husimi function of an end: time, offset, angles": (
        lambda x: jaxent.end_to_end_husimi(SHORT, x[0], x[2], x[3], 0.0, 4, x[1], last_state=2),
        np.array([0.7, 0.3, 1.1, 0.4]),
    ),
    "Husimi function of a noisy end: time, rates, offset, direction": (
        lambda x: jaxent.end_to_end_husimi(TINY, x[0], 1.1, 0.4, rates(x[1:4]), 1, x[4], last_direction=(x[5], x[6])),
        np.array([0.7, 0.08, 0.05, 0.06, 0.3, 1.0, 0.7]),
    ),
    "Wigner function: state, angles": (
        lambda x: jaxent.spin_wigner(along(x[:1].repeat(2))[0], x[1], x[2]) + jaxent.husimi(STATES[0], x[1], x[2]),
        np.array([0.3, 1.1, 0.4]),
    ),
    "coherent state: angles": (
        lambda x: dicke.coherent_state(9, jnp.cos(x[0]), multiply(jnp.sin(x[0]), unit(x[1] / (2 * jnp.pi)))),
        np.array([0.8, 0.3]),
    ),
}


def scalar(name):
    """A real number from the function of this name, that no symmetry makes stationary."""
    function, _ = KNOBS[name]

    def value(x):
        total = 0.0
        for leaf in jax.tree.leaves(function(x)):
            flat = jnp.ravel(leaf)
            total += jnp.sum((flat.real + 0.7 * flat.imag) * np.cos(1.0 + np.arange(flat.size)))
        return total

    return value


def one_sided_differences(function, point, step=1e-5):
    """Derivatives along each knob towards larger values, by a rule of second order: also where there is a kink."""
    slopes, here = [], function(point)
    for direction in np.eye(len(point)):
        near, far = (function(point + k * step * direction) for k in (1, 2))
        slopes.append((4 * near - far - 3 * here) / (2 * step))
    return np.array(slopes)


def central_differences(function, point, step=5e-4):
    """Derivatives along each knob, by a rule of sixth order."""
    slopes = []
    for direction in np.eye(len(point)):
        values = [function(point + k * step * direction) for k in (-3, -2, -1, 1, 2, 3)]
        weights = (-1, 9, -45, 45, -9, 1)
        slopes.append(sum(w * np.asarray(v) for w, v in zip(weights, values, strict=True)) / (60 * step))
    return np.array(slopes)
