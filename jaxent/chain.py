"""The chain of M ensembles of N atoms, and its explicit state tensor.

Ensembles are numbered 1…M. They start in √w_k each (equation 11), interact through H = Σ_j (-1)^j n_j n_(j+1) for a
time t (equations 12 and 15), and the inner ones are measured in the x basis after a phase offset φ_j (equations 18 to
20). H is diagonal in the Dicke basis: bond (1,2) writes the phase e^(+i k_1 k_2 t), bond (2,3) e^(-i k_2 k_3 t), and
so on.

This module builds the state as a tensor of shape (D_1, …, D_M), index order k_1…k_M: the paper's Methods I
(window=None) and II, for small chains and for checking. `protocol.ends` gives the same end-to-end state for any M
without the tensor. The two agree to rounding in the full basis; with a window they differ by the window's error,
because the tensor truncates the even inner ensembles too, which the matrix product sums exactly.

>>> chain = Chain(n_ensembles=3, n_atoms=2)
>>> amplitudes = project_outcomes(chain, evolve(chain, initial_state(chain), 1.0))
>>> amplitudes.shape
(3, 3)
"""

import dataclasses
import functools
import math
import string
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex

from jaxent import arguments, dicke
from jaxent.conversion import real_number, whole_number
from jaxent.messages import shown
from jaxent.numerics import algebra
from jaxent.runtime import execution, memory
from jaxent.times import Time, turns, turns_of_products, unit

__all__ = [
    "Chain",
    "apply_phase_offset",
    "evolve",
    "initial_state",
    "project_outcomes",
    "reduced_density_matrix",
]

_MOST_ENSEMBLES = 10**6  # outcomes and offsets are held for each


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Chain:
    """A chain of ensembles: the shapes of the problem, static under every transformation.

    Attributes:
        n_ensembles: M, from 2 to 10^6; a whole number.
        n_atoms: N of each ensemble, from 1 to 2^53; a whole number, which may be written 1e6, or M of them, such as
            (90, 100, 110). Equal ones are kept as one number.
        window: c, half-width of the Dicke window in standard deviations √N/2 (equations 30 and 31); None keeps the
            full basis.

    Raises:
        ValueError: when an attribute is out of range or the window does not fit the basis.
    """

    n_ensembles: int
    n_atoms: Any
    window: float | None = None

    def __post_init__(self):
        object.__setattr__(self, "n_ensembles", whole_number("n_ensembles", self.n_ensembles, 2, _MOST_ENSEMBLES))
        object.__setattr__(self, "n_atoms", _checked_atoms(self.n_atoms, self.n_ensembles))
        if self.window is not None:
            object.__setattr__(self, "window", dicke.checked_window(self.window))
        for number in self._numbers:
            dicke.window_ends(number, self.window)

    @property
    def is_uniform(self) -> bool:
        """True if all ensembles have the same number of atoms."""
        return isinstance(self.n_atoms, int)

    @property
    def _numbers(self) -> tuple[int, ...]:
        """Numbers of atoms that occur."""
        return (self.n_atoms,) if self.is_uniform else self.n_atoms

    @property
    def most_atoms(self) -> int:
        """Return the largest number of atoms of an ensemble."""
        return max(self._numbers)

    @property
    def measured_atoms(self) -> Any:
        """Return N of the measured ensembles, one number, or (M-2,) host integers where ensembles differ."""
        return self.n_atoms if self.is_uniform else np.array(self.n_atoms[1:-1], int)

    def ensemble(self, number: int) -> dicke.Ensemble:
        """Return ensemble 1…M."""
        return dicke.Ensemble(self.n_atoms if self.is_uniform else self.n_atoms[number - 1], self.window)

    @property
    def states(self) -> np.ndarray:
        """Dicke indices k of the window, host integers of shape (D,); of equal ensembles."""
        if not self.is_uniform:
            raise ValueError(f"The ensembles of {self} have different Dicke states; use chain.ensemble(1).states.")
        return self.ensemble(1).states

    @property
    def dimension(self) -> int:
        """D, the number of Dicke states kept per ensemble; the largest one where they differ."""
        return max(dicke.Ensemble(number, self.window).dimension for number in self._numbers)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Return the number of Dicke states kept of each ensemble, the shape of the state tensor."""
        if self.is_uniform:
            return (self.dimension,) * self.n_ensembles
        return tuple(self.ensemble(number).dimension for number in range(1, self.n_ensembles + 1))

    @property
    def ends(self) -> tuple[dicke.Ensemble, dicke.Ensemble]:
        """Return the first and the last ensemble."""
        return self.ensemble(1), self.ensemble(self.n_ensembles)


def _checked_atoms(n_atoms: Any, n_ensembles: int) -> int | tuple[int, ...]:
    """Return the number of atoms of all ensembles, or a tuple where they differ."""
    if not isinstance(n_atoms, list | tuple) and not getattr(n_atoms, "shape", ()):
        return whole_number("n_atoms", n_atoms, 1, dicke.MOST_ATOMS)
    if len(n_atoms) != n_ensembles:
        raise ValueError(
            f"Argument `n_atoms` must be one number, or n_ensembles = {n_ensembles} numbers, but is {shown(n_atoms)}."
        )
    numbers = tuple(whole_number("n_atoms", number, 1, dicke.MOST_ATOMS) for number in n_atoms)
    return numbers[0] if len(set(numbers)) == 1 else numbers


def initial_state(chain: Chain) -> Complex[Array, "..."]:
    """Build the product state ⊗_j Σ_k √w_k |k⟩_j of all ensembles, equations (10) and (11).

    Returns:
        complex array of shape (D_1, …, D_M). With a window its norm is below one: the weights are not renormalized.

    Raises:
        ValueError: when the tensor would not fit in memory, before anything is allocated.
    """
    arguments.check_chain(chain, unequal=True)
    memory.check_memory(16 * _size(chain), *_tensor(chain))
    return _within_memory(_initial_state, chain)


@functools.partial(jax.jit, static_argnums=0)
def _initial_state(chain):
    roots = [
        jnp.exp(dicke.log_weights(chain.ensemble(number).n_atoms, chain.window) / 2)
        for number in range(1, chain.n_ensembles + 1)
    ]
    axes = string.ascii_letters[: chain.n_ensembles]
    product = jnp.einsum(",".join(axes) + "->" + axes, *roots)
    return product.astype(algebra.complex_type(product.dtype))


def evolve(chain: Chain, state: jax.Array, time: Time) -> Complex[Array, "..."]:
    """Apply U(t) = Π_j exp(-i (-1)^j n_j n_(j+1) t), equation (15).

    Args:
        chain: the chain.
        state: array of shape (D_1, …, D_M).
        time: t, or `BondTimes` of shape (M-1,).

    Returns:
        complex array of shape (D_1, …, D_M).
    """
    state = _checked_state(chain, state)
    arguments.check_precision(chain.most_atoms, time)
    time = arguments.checked_time(time, chain.n_ensembles, single=True)
    return _within_memory(_evolved, chain, jnp.asarray(state), time)


@functools.partial(jax.jit, static_argnums=0)
def _evolved(chain, state, time):
    for bond in range(chain.n_ensembles - 1):
        left, right = (chain.ensemble(bond + number).states for number in (1, 2))
        phase = turns_of_products(left, right, arguments.bond_time(time, bond))
        state = algebra.multiply(state, _along(chain, unit(phase if bond % 2 == 0 else -phase), bond))
    return state


def apply_phase_offset(chain: Chain, state: jax.Array, phase_offset: arguments.Offsets) -> Complex[Array, "..."]:
    """Apply V(φ_j) = exp(i n_j φ_j) to every inner ensemble, equation (19).

    Args:
        chain: the chain.
        state: array of shape (D_1, …, D_M).
        phase_offset: φ in radians, scalar or of shape (M-2,), for ensembles 2…M-1.

    Returns:
        complex array of shape (D_1, …, D_M).
    """
    state = _checked_state(chain, state)
    offsets = arguments.checked_offsets(phase_offset, chain.n_ensembles)
    return _within_memory(_with_offsets, chain, jnp.asarray(state), offsets)


@functools.partial(jax.jit, static_argnums=0)
def _with_offsets(chain, state, offsets):
    for index in range(chain.n_ensembles - 2):
        state = algebra.multiply(state, _along(chain, _turned(chain.ensemble(index + 2), offsets[index]), index + 1))
    return state


def _turned(ensemble: dicke.Ensemble, offset: jax.Array) -> jax.Array:
    return unit(turns(ensemble.states, offset))


def project_outcomes(
    chain: Chain, state: jax.Array, outcomes: arguments.Outcomes | None = None
) -> Complex[Array, "D_1 D_M"]:
    """Project the inner ensembles on ⟨q_j|^(x), equations (18) and (20).

    Args:
        chain: the chain.
        state: array of shape (D_1, …, D_M).
        outcomes: q_2…q_(M-1), an int or (M-2,) ints; None: all N. May be traced.

    Returns:
        complex array of shape (D_1, D_M): the unnormalized amplitudes A[k_1, k_M].
    """
    state = _checked_state(chain, state)
    outcomes = arguments.checked_outcomes(outcomes, chain.n_ensembles, chain.measured_atoms)
    return _within_memory(_projected, chain, jnp.asarray(state), outcomes)


@functools.partial(jax.jit, static_argnums=0)
def _projected(chain, state, outcomes):
    for index in range(chain.n_ensembles - 2):
        row = dicke.x_basis(chain.ensemble(index + 2).n_atoms, outcomes[index], chain.window)
        # the measured ensemble is always the second axis of what is left
        state = jnp.einsum("aq...,q->a...", state, row.astype(state.dtype), precision="highest")
    return state


def reduced_density_matrix(chain: Chain, state: jax.Array, ensemble: int) -> Complex[Array, "D D"]:
    """Density matrix of one ensemble, Tr over all others of |ψ⟩⟨ψ| / ⟨ψ|ψ⟩, as in equation (27).

    Args:
        chain: the chain.
        state: array of shape (D_1, …, D_M), or (D_1, D_M) of end-to-end amplitudes.
        ensemble: 1…M; for end-to-end amplitudes 1 or M.

    Returns:
        complex array of shape (D, D), trace one.

    Raises:
        ValueError: when the state's shape or the ensemble does not belong to the chain.
    """
    arguments.check_chain(chain, unequal=True)
    numbers = range(1, chain.n_ensembles + 1)
    ensemble = int(real_number("ensemble", ensemble, f"be in 1…{chain.n_ensembles}", lambda number: number in numbers))
    state = arguments.as_numbers("state", state)
    axis = ensemble - 1
    if state.shape == tuple(end.dimension for end in chain.ends) and ensemble in (1, chain.n_ensembles):
        axis = 0 if ensemble == 1 else 1
    else:
        _checked_state(chain, state)
    return _within_memory(_reduced, chain, axis, jnp.asarray(state))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _reduced(chain, axis, state):
    matrix = jnp.moveaxis(state, axis, 0).reshape(state.shape[axis], -1)
    rho = jnp.einsum("ai,bi->ab", matrix, matrix.conj(), precision="highest")
    return rho / jnp.trace(rho).real.astype(rho.dtype)


def _along(chain: Chain, factor: jax.Array, first_axis: int) -> jax.Array:
    """Reshape a factor of one or two neighbouring ensembles so that it broadcasts against the tensor."""
    shape = [1] * chain.n_ensembles
    for offset, size in enumerate(factor.shape):
        shape[first_axis + offset] = size
    return factor.reshape(shape)


def _checked_state(chain: Chain, state: ArrayLike) -> jax.Array:
    arguments.check_chain(chain, unequal=True)
    state = arguments.as_numbers("state", state)
    expected = chain.dimensions
    if state.shape != expected:
        raise ValueError(
            f"Argument `state` must have shape {shown(expected)} for {chain}, but has {shown(state.shape)}."
        )
    return state


def _within_memory(program: Callable, chain: Chain, *args: Any) -> Any:
    what, instead = _tensor(chain)
    return execution.call(program, chain, *args, what=what, instead=instead)


def _size(chain: Chain) -> int:
    """Count the elements of the state tensor, without listing the ensembles of a long chain."""
    return chain.dimension**chain.n_ensembles if chain.is_uniform else math.prod(chain.dimensions)


def _tensor(chain: Chain) -> tuple[str, str]:
    """Name, for a message about memory, the state tensor and the function to use instead of it."""
    return (
        f"The state tensor of n_ensembles = {chain.n_ensembles} with {chain.dimension} states each "
        f"(n_atoms = {chain.n_atoms}, window = {chain.window})",
        "use jaxent.end_to_end_amplitudes, which never builds it",
    )
