"""Compute the Husimi function of a state of one ensemble, at any number of atoms.

Q(θ, φ) = (N+1)/4π ⟨θ, φ|ρ|θ, φ⟩. The amplitudes f_k(θ) = √C(N,k) cos^k(θ/2) sin^(N-k)(θ/2) come from logarithms of
binomial probabilities, so nothing overflows, and each keeps its digits in a window at any N.

>>> from jaxent import dicke
>>> plus = jnp.exp(dicke.log_weights(100) / 2)                     # the initial state
>>> [round(float(x), 4) for x in husimi(plus, np.pi / 2, np.array([0.0, np.pi]))]
[8.0373, 0.0]
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxent import arguments, dicke
from jaxent.chain import Chain
from jaxent.entanglement import states
from jaxent.messages import shown
from jaxent.numerics.algebra import multiply
from jaxent.phase_space.directions import Directions, diagonal_sums, harmonic_sum, values_over, waves
from jaxent.runtime import execution

__all__ = ["checked_end", "husimi", "of_state"]


def husimi(
    state: ArrayLike, theta: arguments.Offsets, phi: arguments.Offsets, *, chain: Chain | None = None
) -> Float[Array, "*directions"]:
    """Compute the Husimi function Q(θ, φ) of a state of one ensemble, normalized to 1 over the sphere.

    For θ[:, None] and φ[None, :] the work is that of the two axes, not of all pairs. Beyond N ≈ 1000, where a coherent
    state is narrow, `tangent_plane` gives the angles. Differentiable in the state and in both angles, at the poles too.

    Args:
        state: amplitudes of shape (D,) or density matrix of shape (D, D) over increasing k; it is normalized.
        theta: polar angle from +S_z in radians, of any shape.
        phi: azimuth from +S_x in radians, of a shape that broadcasts with it.
        chain: a chain whose states k the D states are, for those of a window; None: k = 0…D-1, so that N = D - 1.

    Returns:
        real array of the shape to which the angles broadcast, Q ≥ 0 to rounding.

    Raises:
        ValueError: when the state is none, or has other states than the chain, on angles that are not finite, and where
            the table does not fit in memory.

    References:
        F. T. Arecchi, E. Courtens, R. Gilmore, H. Thomas, Phys. Rev. A 6, 2211 (1972).

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> ground = np.array([1.0, 0.0, 0.0])
        >>> print(f"{jaxent.husimi(ground, np.pi, 0.0) * 4 * np.pi / 3:.3f}")
        1.000
    """
    checked, n_atoms, first = checked_end(state, chain)
    return of_state(checked, n_atoms, first, Directions.of(theta, phi))


def checked_end(state: ArrayLike, chain: Chain | None) -> tuple[jax.Array, int, int]:
    """Check and normalize a state of one ensemble; return it with N and the first k of its states.

    Raises:
        ValueError: when it is no vector or density matrix over the states of the chain.
    """
    array = arguments.as_numbers("state", state)
    if array.ndim not in (1, 2) or array.shape[0] < 2:
        raise ValueError(
            "Argument `state` must be a vector of amplitudes or a density matrix of one ensemble, over two or more "
            f"Dicke states, but has shape {shown(array.shape)}."
        )
    if chain is None:
        n_atoms, first = array.shape[0] - 1, 0
    else:
        arguments.check_chain(chain)
        n_atoms, (first, last) = chain.n_atoms, dicke.window_ends(chain.n_atoms, chain.window)
        if array.shape[0] != last - first + 1:
            raise ValueError(
                f"Argument `state` must be over the {last - first + 1} Dicke states of n_atoms = {n_atoms} and window "
                f"= {chain.window}, but has shape {shown(array.shape)}."
            )
    arguments.check_precision(n_atoms, 0.0)
    if array.ndim == 1:
        return states.normalized(array[:, None], "state")[:, 0], n_atoms, first
    return states.checked_density(array, "state"), n_atoms, first


def of_state(state: jax.Array, n_atoms: int, first: int, directions: Directions) -> jax.Array:
    """Compute the Husimi function of a checked state over the Dicke states from `first` on."""
    values = execution.call(
        _values,
        *(directions.grid, *jnp.asarray([n_atoms, first], jnp.result_type(int)), state),  # data: N shares a program
        *(directions.theta, directions.phi),
        what=f"The Husimi function of {state.shape[0]} Dicke states at {directions.theta.size} polar angles",
        instead="use fewer directions, or a smaller window",
    )
    return directions.shaped(values)


@functools.partial(jax.jit, static_argnums=0)
def _values(grid: bool, n_atoms: Any, first: Any, state: Any, theta: Any, phi: Any):
    size = state.shape[0]
    states_k = first + jax.lax.iota(jnp.result_type(int), size)

    def of_vector(angle, table):
        amplitudes = multiply(dicke.overlap(n_atoms, states_k, angle / (4 * jnp.pi)), state)
        return jnp.abs(jnp.matmul(table, amplitudes.astype(table.dtype), precision="highest")) ** 2

    def of_matrix(angle, table):
        amplitudes = dicke.overlap(n_atoms, states_k, angle / (4 * jnp.pi))
        kernel = amplitudes[:, None] * amplitudes[None, :]
        return harmonic_sum(diagonal_sums(multiply(kernel, state)), table)

    row, row_size = (of_vector, size) if state.ndim == 1 else (of_matrix, 2 * size**2)
    of_azimuths = functools.partial(waves, size)
    found = values_over(grid, theta, phi, of_azimuths, row, row_size + (phi.size if grid else size))
    return found * ((jnp.asarray(n_atoms, found.dtype) + 1) / (4 * np.pi))
