"""Average the state of three ensembles over an interaction whose strength times time is not the same in each run.

Bond b turns phases by (t + δ_b) x_b y_b, where x and y are labels of its ensembles: numbers of atoms k where n_a n_a
couples, m = k - N/2 where S_z S_z does. The two differ by phases of single ensembles, which a jitter averages as well.
With g(α, α') = Σ_mm' B_mm' e^(i(mα - m'α')) of the measured ensemble (see `noise.measured_ensemble`), whose labels are
y = m + h (h = N/2, or 0), normal δ of standard deviations τ_s (the same on both bonds) and τ_b (of each bond) give

    g(k_1, k_3; k_1', k_3') = Σ_mm' B_mm' e^(i(mα - m'α')) e^(-2γt(m-m')²) e^(-τ_b² (a² + b²)/2 - τ_s² (a - b)²/2),

    a = y x_1 - y' x_1',    b = y x_3 - y' x_3',

exactly, for every τ. Where τ_b = 0 it is a table over x_1 - x_3 and x_1' - x_3'. Dephasing acts for the time t.

References: derived for this package; checked against averages over drawn interactions.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxent import arguments
from jaxent.measurement import Records, fourier_matrix
from jaxent.messages import shown
from jaxent.noise import measured_ensemble
from jaxent.numerics.algebra import multiply
from jaxent.protocol import matrix_product
from jaxent.times import turns_of_products, unit

__all__ = ["Jitter", "Jittered", "bond_kernel", "checked", "jittered_table"]

_COUPLINGS = ("number", "spin")
_MOST_TERMS = 10**11  # products that the kernel of two bonds may take: some ten minutes


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Jitter:
    """Describe an interaction whose strength times time varies from run to run, normally about its nominal value.

    A coupling that is known to a relative error ε only is a `shared` jitter of ε t, one of each bond a `bonds` jitter.
    A jitter of the duration changes how long ensembles dephase, too, by τ/t of it; that is left out.

    Attributes:
        shared: standard deviation τ_s ≥ 0 of the jitter that both bonds share, in the units of times.
        bonds: standard deviation τ_b ≥ 0 of the jitter of each bond by itself, likewise.
        coupling: "number" for H = n_a n_a as in the paper, or "spin" for H = S_z S_z / 4. Without jitter they differ by
            local phases of the ends.
    """

    shared: Any = 0.0
    bonds: Any = 0.0
    coupling: str = dataclasses.field(default="number", metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Jittered:
    """Hold outcomes or `Records`, and a checked jitter; it stands where outcomes stand.

    Attributes:
        outcomes: of the measured ensemble, shape (1,).
        shared: τ_s, scalar.
        bonds: τ_b, scalar.
        coupling: as in `Jitter`.
        by_bonds: whether τ_b may differ from 0.
    """

    outcomes: Any
    shared: Any
    bonds: Any
    coupling: str = dataclasses.field(metadata={"static": True})
    by_bonds: bool = dataclasses.field(metadata={"static": True})

    def __getitem__(self, index) -> "Jittered":
        return dataclasses.replace(self, outcomes=self.outcomes[index])

    @property
    def of_numbers(self) -> bool:
        """Whether numbers of atoms couple."""
        return self.coupling == "number"


def checked(jitter: Jitter | None, chain, outcomes: Any) -> Any:
    """Return the outcomes, with a jitter as `Jittered`.

    Raises:
        ValueError: on a jitter that is negative, not real or no scalar, an unknown coupling, and for chains, or
            measurements, for which it is not known.
    """
    if jitter is None:
        return outcomes
    if not isinstance(jitter, Jitter):
        raise ValueError(
            f"Argument `jitter` must be a jaxent.Jitter, such as jaxent.Jitter(shared=0.01), but is {shown(jitter)}."
        )
    if jitter.coupling not in _COUPLINGS:
        raise ValueError(
            f'Argument `jitter` must have coupling = "number" or "spin", but it is {shown(jitter.coupling)}.'
        )
    if chain.n_ensembles != 3:
        raise ValueError(
            "Argument `jitter` is known for n_ensembles = 3 only, where one kernel holds both bonds, but the chain has "
            f"{chain.n_ensembles}."
        )
    if jitter.coupling == "spin" and not chain.is_uniform:
        raise ValueError(
            'Argument `jitter` must have coupling = "number" where ensembles have different numbers of atoms, as S_z '
            f"of {shown(chain.n_atoms)} atoms would add a phase offset; but it has coupling = {shown('spin')}."
        )
    if isinstance(outcomes, Records) and outcomes.lossy:
        raise ValueError(
            "Argument `jitter` must be None where atoms are lost: when they go decides how far they were turned; "
            "but it is given with an atom_loss_rate."
        )
    values = []
    for name in ("shared", "bonds"):
        try:
            value = arguments.checked_rate(name, getattr(jitter, name))
        except ValueError as error:
            raise ValueError(f"Argument `jitter`: {str(error).removeprefix('Argument ')}") from None
        if value.shape:
            raise ValueError(
                f"Argument `jitter` must have one {name}, but its shape is {shown(value.shape)}; use jax.vmap for many."
            )
        values.append(value)
    by_bonds = not arguments.is_zero(jitter.bonds)
    if by_bonds:
        size = chain.dimension**4 * (chain.ensemble(2).n_atoms + 1) ** 2
        if size > _MOST_TERMS:
            raise ValueError(
                f"Argument `jitter` with bonds = {shown(jitter.bonds)} takes {size:.1e} terms for {chain}, more than "
                f"{_MOST_TERMS:.0e}; use fewer atoms, a window, or a jitter that the bonds share."
            )
    shared, bonds = values
    return Jittered(outcomes, shared, bonds, jitter.coupling, by_bonds)


# ------------------------------------------------------------------ kernels


def jittered_table(n_atoms, differences, time, strength, read: Jittered, offset, all_outcomes_n, wrong=False):
    """Compute g over x_1 - x_3 and x_1' - x_3' for a jitter of both bonds, as `measured_ensemble.even_table`.

    The jitter of each bond is taken as if it were shared: where both are wanted use `bond_kernel`.
    """
    pairs, labels, weights = _pairs(n_atoms, strength, read, offset.dtype, time, all_outcomes_n, wrong)
    waves = _waves(n_atoms, differences, time, offset)
    jitter = read.shared**2 + read.bonds**2
    places = jnp.asarray(differences, offset.dtype)

    @jax.checkpoint
    def term(one, other, weight):
        apart = labels[one] * places[:, None] - labels[other] * places[None, :]
        phases = waves[one][:, None] * waves[other].conj()[None, :]
        return multiply(weight * jnp.exp(-jitter * apart**2 / 2), phases)

    total = _summed(term, (len(differences),) * 2, pairs, weights, waves.dtype)
    total = total + total.conj().T
    return total if read.of_numbers else total.real


def bond_kernel(chain, time, strength, read: Jittered, offset, all_outcomes_n):
    """Compute g over (k_1, k_3, k_1', k_3') of three ensembles for any jitter."""
    own = chain.ensemble(2)
    pairs, labels, weights = _pairs(own.n_atoms, strength, read, offset.dtype, time, all_outcomes_n, False)
    ends = [jnp.asarray(end.states if read.of_numbers else end.doubled / 2, offset.dtype) for end in chain.ends]
    first_waves, last_waves = (
        _waves(own.n_atoms, end.states, time, shift)
        for end, shift in zip(chain.ends, (offset, 0 * offset), strict=True)
    )

    @jax.checkpoint
    def term(one, other, weight):
        a, b = (labels[one] * end[:, None] - labels[other] * end[None, :] for end in ends)
        a, b = a[:, None, :, None], b[None, :, None, :]
        exponent = read.bonds**2 * (a**2 + b**2) + read.shared**2 * (a - b) ** 2
        turned = first_waves[one][:, None] * last_waves[one].conj()[None, :]
        turned_back = (first_waves[other][:, None] * last_waves[other].conj()[None, :]).conj()
        return multiply(weight * jnp.exp(-exponent / 2), turned[:, :, None, None] * turned_back[None, None, :, :])

    shape = tuple(end.dimension for end in chain.ends) * 2
    total = _summed(term, shape, pairs, weights, first_waves.dtype)
    total = total + jnp.transpose(total, (2, 3, 0, 1)).conj()
    return total if read.of_numbers else total.real


def _summed(term, shape, pairs, weights, dtype):
    def step(total, one):
        return total + term(*one), None

    return jax.lax.scan(step, jnp.zeros(shape, dtype), (*pairs, weights))[0]


def _pairs(n_atoms, strength, read, dtype, time, all_outcomes_n, wrong):
    """Return pairs of states of the measured ensemble, m ≥ m', labels y of all states, and B e^(-2γt(m-m')²) of each.

    The sum over the other half is the adjoint; pairs of equal states are halved.
    """
    states, _ = measured_ensemble.summed_states(n_atoms)
    if isinstance(read.outcomes, Records):
        matrix = fourier_matrix(n_atoms, read.outcomes, time, states)
        matrix = matrix + matrix_product.row_error(n_atoms, matrix) if wrong else matrix
    else:
        values = measured_ensemble.coefficients(n_atoms, read.outcomes, all_outcomes_n, dtype, wrong)
        matrix = values[:, None] * values[None, :]
    matrix = matrix * measured_ensemble.damping(np.subtract.outer(states, states), strength)
    first, second = np.tril_indices(len(states))
    weights = matrix[first, second] * jnp.asarray(np.where(first == second, 0.5, 1.0), matrix.dtype)
    labels = states if read.of_numbers else states - n_atoms / 2
    return (jnp.asarray(first), jnp.asarray(second)), jnp.asarray(labels, dtype), weights


def _waves(n_atoms, places, time, offset):
    """Compute e^(im(xt + φ)) over the states m of the measured ensemble and places x."""
    states, _ = measured_ensemble.summed_states(n_atoms)
    doubled = 2 * states - n_atoms
    phase = jnp.asarray(doubled, offset.dtype)[:, None] * (offset / (4 * jnp.pi))
    return unit(turns_of_products(doubled, places, time, 1) + phase)
