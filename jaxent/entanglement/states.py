"""Check and normalize states: matrices of amplitudes and density matrices.

Known values that are not a state are refused, traced ones become NaN. Elements may have any scale, from the largest
number to the smallest subnormal one; under a JAX transformation, where XLA takes subnormal numbers as zero, down to
1e-290 (1e-30 in float32). Arrays of less than 32 bits are converted to JAX's default precision. A
`qutip.Qobj` serves as an array.

>>> print(normalized(jnp.eye(4) * 1e308)[0, 0])
0.5
"""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxent import arguments
from jaxent.runtime import memory

__all__ = ["TOLERANCE", "State", "as_matrix", "checked_density", "checked_state", "normalized", "squared"]

_COPIES = 3.7  # copies of a matrix held at once by normalization and decomposition, measured
TOLERANCE = 1e-6  # allowed deviation from Hermitian (of the largest element) and from positive (of the trace)


@runtime_checkable
class Quantum(Protocol):
    """A ket or an operator of QuTiP, told by what it can do: QuTiP itself is not imported."""

    @property
    def dims(self) -> Any:
        """Sizes of the tensor factors of kets, then of bras."""

    def full(self) -> np.ndarray:
        """Give the elements as a matrix; of a ket, as a column."""
        ...


State = ArrayLike | Quantum


def as_matrix(name: str, state: State, *, ket: bool = False) -> Any:
    """Take the elements of a `qutip.Qobj`: A[k_1, k_2] of a ket of two systems, or the matrix of an operator.

    Anything else is given back as it is.

    Raises:
        ValueError: when it is an operator in the place of a ket, a ket in that of an operator, or a ket of other
            than two systems.
    """
    if not isinstance(state, Quantum):
        return state
    values, dims = state.full(), state.dims
    is_ket = values.shape[1] == 1
    if is_ket != ket:
        wants, remedy = (
            ("a ket", "measures of density matrices have names with state_ or _dm")
            if ket
            else ("an operator", "take its .proj()")
        )
        raise ValueError(f"Argument `{name}` must be {wants}, but is a Qobj of dims {dims}; {remedy}.")
    if ket and len(dims[0]) != 2:
        raise ValueError(f"Argument `{name}` must have two tensor factors, but is a Qobj of dims {dims}; set its dims.")
    return values.reshape(dims[0]) if ket else values


def _as_four_axes(name: str, state: State) -> Any:
    """Take ρ[k_1, k_2, k_1', k_2'] of a `qutip.Qobj` as `as_matrix` takes a matrix."""
    values = as_matrix(name, state)
    if not isinstance(state, Quantum):
        return values
    if len(state.dims[0]) != 2 or state.dims[0] != state.dims[1]:
        raise ValueError(
            f"Argument `{name}` must have two tensor factors, but is a Qobj of dims {state.dims}; give it dims "
            "such as [[3, 3], [3, 3]]."
        )
    return values.reshape(state.dims[0] * 2)


def checked_state(rho: State) -> jax.Array:
    """Check a state of two systems, and make it exactly Hermitian with trace one."""
    rho = _as_four_axes("rho", rho)
    rho = arguments.as_numbers("rho", rho)
    if rho.ndim != 4 or rho.shape[:2] != rho.shape[2:] or 0 in rho.shape:
        raise ValueError(
            f"Argument `rho` must have the shape (m, n, m, n), but has {rho.shape}; the measures of amplitudes are "
            "called entanglement_entropy, log_negativity and negativity."
        )
    size = rho.shape[0] * rho.shape[1]
    return checked_density(rho.reshape(size, size)).reshape(rho.shape)


def checked_density(rho: State, name: str = "rho") -> jax.Array:
    """Check a density matrix, and make it exactly Hermitian with trace one; an invalid traced one becomes NaN."""
    rho = _scaled_matrix(name, as_matrix(name, rho))
    if rho.shape[0] != rho.shape[1]:
        raise ValueError(f"Argument `{name}` must be a square matrix, but has shape {rho.shape}.")
    host = arguments.concrete(rho)
    if host is not None and host.any():
        deviation = abs(host - host.conj().T).max()
        if not deviation <= TOLERANCE:
            raise ValueError(
                f"Argument `{name}` must be Hermitian, but differs from its adjoint by "
                f"{deviation:.3g} of its largest element."
            )
    if host is not None and not np.trace(host).real > 0:
        raise ValueError(
            f"Argument `{name}` must have a positive trace, but it is {np.trace(host).real:.6g} of its largest element."
        )
    trace = jnp.trace(rho).real
    admissible = (trace > 0) & (jnp.max(jnp.abs(rho - rho.conj().T)) <= TOLERANCE)
    rho = rho / jnp.where(admissible, trace, jnp.nan).astype(rho.dtype)
    return (rho + rho.conj().T) / 2


def normalized(amplitudes: State, name: str = "amplitudes") -> jax.Array:
    """Divide an amplitude matrix by its norm; a traced zero matrix becomes NaN."""
    scaled = _scaled_matrix(name, as_matrix(name, amplitudes, ket=True))
    host = arguments.concrete(scaled)
    if host is not None and not host.any():
        raise ValueError(f"Argument `{name}` must be a state, but is zero everywhere.")
    total = jnp.sum(jnp.abs(scaled) ** 2)
    return scaled / jnp.sqrt(jnp.where(total > 0, total, jnp.nan)).astype(scaled.dtype)


def squared(amplitudes: State) -> jax.Array:
    """Normalize an amplitude matrix and pad it with zeros to a square; this adds only Schmidt coefficients of zero."""
    matrix = normalized(amplitudes)
    rows, columns = matrix.shape
    side = max(rows, columns)
    return jnp.pad(matrix, ((0, side - rows), (0, side - columns)))


def _scaled_matrix(name: str, matrix: ArrayLike) -> jax.Array:
    """Scale a matrix to a largest element of about one, so that its squares and sums do not over- or underflow.

    A zero matrix remains zero. A known matrix is checked to be finite; a traced one that is not becomes NaN.
    """
    matrix = arguments.as_numbers(name, matrix)
    if matrix.ndim != 2 or 0 in matrix.shape:
        of_two = "the measures of two systems begin with state_ or end with _dm"
        remedy = of_two if matrix.ndim == 4 else "use jax.vmap for a batch"
        raise ValueError(f"Argument `{name}` must be a matrix, but has shape {matrix.shape}; {remedy}.")
    if not jnp.issubdtype(matrix.dtype, jnp.inexact) or jnp.finfo(matrix.dtype).bits < 32:
        matrix = matrix.astype(jnp.result_type(float))
    what = f"A measure of a matrix of {matrix.shape[0]} x {matrix.shape[1]} elements"
    memory.check_memory(int(_COPIES * matrix.size * matrix.dtype.itemsize), what, "use fewer states")
    host = arguments.concrete(matrix)
    if host is not None:
        if not np.isfinite(host).all():
            raise ValueError(f"Argument `{name}` must be finite, but holds NaN or infinity.")
        matrix = jnp.asarray(_without_subnormals(host))
    parts = jnp.maximum(jnp.abs(matrix.real), jnp.abs(matrix.imag))  # |a + ib| may overflow where a and b do not
    scale = jax.lax.stop_gradient(jnp.max(parts))
    scale = jnp.where(scale > 0, jnp.where(scale < jnp.inf, scale, jnp.nan), 1.0 + 0.0 * scale)
    # XLA may divide by multiplying by the reciprocal, which for a large scale is subnormal, and so zero; no scale is
    # so large where float64 has the range of float32, as on a TPU
    limits = jnp.finfo(scale.dtype)
    shrink = jnp.where(scale > 2.0 ** (limits.maxexp // 2), 2.0 ** (limits.minexp // 2), 1.0).astype(scale.dtype)
    return (matrix * shrink.astype(matrix.dtype)) / (scale * shrink).astype(matrix.dtype)


def _without_subnormals(host: np.ndarray) -> np.ndarray:
    """Multiply a matrix by a power of two if its elements are so small that XLA would take them as zero."""
    real, imaginary = np.real(host), np.imag(host)
    largest = max(abs(real).max(), abs(imaginary).max())
    limits = np.finfo(host.dtype)
    if not 0 < largest < limits.tiny / limits.eps:
        return host
    exponent = -np.frexp(largest)[1]
    parts = [np.ldexp(part, exponent) for part in (real, imaginary)]
    return parts[0] + 1j * parts[1] if np.iscomplexobj(host) else parts[0]
