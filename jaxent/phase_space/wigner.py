"""Compute the Wigner function of a state of one spin J = N/2, stably up to J of a thousand.

W(θ, φ) = (2J+1)/4π Tr[ρ R Δ R†] with the rotation R that takes +S_z to (θ, φ) and the diagonal Stratonovich-Weyl kernel

    Δ_m = Σ_l √((2l+1)/(2J+1)) u_l(m),    u_l(m) = √((2l+1)/(2J+1)) ⟨J m; l 0|J m⟩,

which is the multipole form of Dowling, Agarwal and Schleich (1994) summed over the multipoles along one axis. The
discrete Chebyshev polynomials u_l are orthonormal over m. Their recurrence in l loses all digits beyond l ≈ 2√N; but
its coefficients are a tridiagonal matrix with the eigenvalues m, whose normalized eigenvectors are the columns u_l(m):
these are right to rounding. Rotations need no Wigner d of large spin: R_y(θ) = e^(-iθ S_y/2), with the eigenvectors of
S_x.

>>> up = np.eye(3)[2]                                             # N = 2, all atoms in a
>>> [round(float(x), 4) for x in spin_wigner(up, np.array([0.0, np.pi]), 0.0)]
[0.3742, 0.0366]
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxent import arguments
from jaxent.chain import Chain
from jaxent.numerics.algebra import between_diagonals, matmul, multiply, multiply_each, scaled_columns
from jaxent.phase_space.directions import Directions, diagonal_sums, harmonic_sum, values_over, waves
from jaxent.phase_space.husimi import checked_end
from jaxent.runtime import execution, memory
from jaxent.times import turns, unit

__all__ = ["spin_wigner"]

_MOST_ATOMS = 2000  # an eigenproblem of some seconds; W then oscillates within 1/N of a turn


def spin_wigner(
    state: ArrayLike, theta: arguments.Offsets, phi: arguments.Offsets, *, chain: Chain | None = None
) -> Float[Array, "*directions"]:
    """Compute the spin Wigner function W(θ, φ) of a state of one ensemble, normalized to 1 over the sphere.

    W is negative where states interfere. It oscillates within 1/N of a turn, so it needs as many directions. Its error
    is below 1e-10 of its largest value at N = 1000. A vector costs D² a direction, a density matrix D³ a polar angle.

    Args:
        state: as `husimi`.
        theta: polar angle from +S_z in radians, of any shape.
        phi: azimuth from +S_x in radians, of a shape that broadcasts with it.
        chain: as `husimi`; at most 2000 atoms.

    Returns:
        real array of the shape to which the angles broadcast.

    Raises:
        ValueError: as `husimi`, and beyond 2000 atoms, where `planar_wigner` takes states near the equator.

    References:
        J. P. Dowling, G. S. Agarwal, W. P. Schleich, Phys. Rev. A 49, 4101 (1994); J. C. Várilly, J. M. Gracia-Bondía,
        Ann. Phys. 190, 107 (1989).

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> cat = np.array([1.0, 0.0, 0.0, 1.0])
        >>> print(np.round(jaxent.spin_wigner(cat, np.pi / 2, np.array([0.0, np.pi / 3])), 3))
        [ 0.226 -0.245]
    """
    shape = np.shape(state)
    n_atoms = chain.n_atoms if hasattr(chain, "n_atoms") and chain is not None else max(shape[:1] or (1,)) - 1
    if n_atoms > _MOST_ATOMS:
        raise ValueError(
            f"Argument `state` must be of at most {_MOST_ATOMS} atoms, but is of {n_atoms}; near the equator use its "
            "limit jaxent.planar_wigner, at directions of jaxent.tangent_plane."
        )
    what, instead = f"The Wigner function of n_atoms = {n_atoms}", "use fewer atoms or directions, or jaxent.husimi"
    memory.check_memory((40 if len(shape) < 2 else 100) * (n_atoms + 1) ** 2, what, instead)
    whole, n_atoms, first = checked_end(state, chain)
    above = n_atoms + 1 - first - whole.shape[0]
    if first or above:  # rotations leave the window
        whole = jnp.pad(whole, [(first, above)] * whole.ndim)
    directions = Directions.of(theta, phi)
    kernel, vectors = _kernel(n_atoms), _eigenvectors(n_atoms)
    dtype = jnp.result_type(float)
    values = execution.call(
        _values,
        *(directions.grid, jnp.asarray(kernel, dtype), jnp.asarray(vectors, dtype), whole),
        *(directions.theta, directions.phi),
        what=f"{what} at {directions.theta.size} polar angles",
        instead=instead,
    )
    return directions.shaped(values)


@functools.partial(jax.jit, static_argnums=0)
def _values(grid: bool, kernel: Any, vectors: Any, state: Any, theta: Any, phi: Any):
    size = kernel.shape[0]
    index = np.arange(size)
    quarter = unit(jnp.asarray(index % 4, kernel.dtype) / 4)  # S_y is S_x, turned by π/2 about z

    def turned(angle):
        """Compute e^(-iθ S_y/2) in the eigenvectors of S_y."""
        return unit(-turns(2 * index - (size - 1), angle, 1))

    def of_vector(angle, table):
        # ⟨m| R† ρ R |m⟩: the state is turned back, by φ about z and then by θ about y
        back = multiply_each(table, multiply(state, quarter))
        inner = multiply_each(matmul(back, vectors), turned(angle).conj())
        return jnp.matmul(jnp.abs(matmul(inner, vectors.T)) ** 2, kernel, precision="highest")

    def of_matrix(angle, table):
        rotation = matmul(scaled_columns(vectors, turned(angle)), vectors.T)
        rotation = between_diagonals(quarter.conj(), rotation, quarter).real
        symbol = matmul(scaled_columns(rotation, kernel), rotation.T)
        return harmonic_sum(diagonal_sums(multiply(symbol, state)), table)

    if state.ndim == 1:
        row, row_size = of_vector, 2 * size * (phi.size if grid else 1)
    else:
        row, row_size = of_matrix, 6 * size**2
    return values_over(grid, theta, phi, functools.partial(waves, size), row, row_size) * (size / (4 * np.pi))


@functools.lru_cache(maxsize=4)
def _kernel(n_atoms: int) -> np.ndarray:
    """Compute Δ_m for m = k - N/2, k = 0…N."""
    size = n_atoms + 1
    degree = np.arange(1.0, size)
    off = degree / 2 * np.sqrt((size**2 - degree**2) / (4 * degree**2 - 1))
    _, columns = np.linalg.eigh(np.diag(off, 1) + np.diag(off, -1))  # column m: u_l(m) over l
    columns = columns * np.where(columns[0] < 0, -1.0, 1.0)  # u_0 is positive
    return np.sqrt((2 * np.arange(size) + 1) / size) @ columns


@functools.lru_cache(maxsize=4)
def _eigenvectors(n_atoms: int) -> np.ndarray:
    """Compute the eigenvectors of S_x, in columns, for the eigenvalues 2q - N, q = 0…N."""
    k = np.arange(n_atoms, dtype=float)
    off = np.sqrt((k + 1) * (n_atoms - k))
    return np.linalg.eigh(np.diag(off, 1) + np.diag(off, -1))[1]
