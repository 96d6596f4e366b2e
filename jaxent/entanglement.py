"""Measures of bipartite entanglement, in bits (logarithms to base 2).

A pure state of two ensembles is its amplitude matrix A[k_1, k_M], normalized or not: its singular values, normalized,
are the Schmidt coefficients σ_i, and σ_i² the eigenvalues of either reduced density matrix. A mixed state of one
system is a Hermitian matrix ρ[k, k']; one of two systems has the index order ρ[k_1, k_2, k_1', k_2']. Their trace may
be anything positive: measures divide by it. The measures of mixed states of two systems begin with `state_`.

>>> bell = jnp.eye(2)
>>> print(f"{entanglement_entropy(bell):.6f} {log_negativity(bell):.6f}")
1.000000 1.000000
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxent import arguments, spectral
from jaxent.conversion import real_number, whole_number
from jaxent.messages import shown

__all__ = [
    "coherent_information",
    "entanglement_entropy",
    "entropy_difference",
    "log_negativity",
    "negativity",
    "normalized_entropy",
    "purity",
    "renyi_entropy",
    "schmidt_coefficients",
    "shannon_entropy",
    "state_fidelity",
    "state_log_negativity",
    "state_negativity",
    "state_renyi_entropy",
    "von_neumann_entropy",
]


# -------------------------------------------------- from an amplitude matrix


def schmidt_coefficients(amplitudes: ArrayLike) -> Float[Array, " rank"]:
    """Schmidt coefficients σ_i of a pure bipartite state, decreasing, Σσ_i² = 1.

    Args:
        amplitudes: array of shape (m, n), normalized or not.

    Returns:
        real array of shape (min(m, n),).

    Raises:
        ValueError: when `amplitudes` is not a finite matrix or is zero (checked outside transformations).
    """
    return spectral.svdvals(_normalized(amplitudes))


def entanglement_entropy(amplitudes: ArrayLike) -> Float[Array, ""]:
    """Von Neumann entropy of either half of a pure state, E = -Σ σ_i² log2 σ_i², equation (26), in bits.

    Args and errors: as `schmidt_coefficients`. Returns a scalar.
    """
    return spectral.of_singular_values(_entropy_of_coefficients, [_squared(amplitudes)])


def renyi_entropy(amplitudes: ArrayLike, alpha: float) -> Float[Array, ""]:
    """Rényi entropy S_α = log2(Σ σ_i^(2α)) / (1 - α) of either half of a pure state, in bits.

    Args:
        amplitudes: as `schmidt_coefficients`.
        alpha: order α ≥ 0, a Python number; 1 is the von Neumann entropy, inf the min-entropy, 0 the log of the
            Schmidt rank.

    Raises:
        ValueError: when `alpha` is negative or NaN, and as `schmidt_coefficients`.
    """
    alpha = check_renyi_order(alpha)
    return spectral.of_singular_values(functools.partial(_renyi_of_coefficients, alpha), [_squared(amplitudes)])


def log_negativity(amplitudes: ArrayLike) -> Float[Array, ""]:
    """Logarithmic negativity of a pure state, log2 ‖|ψ⟩⟨ψ|^(T_1)‖_1 = 2 log2 Σ σ_i, in bits.

    Args and errors: as `schmidt_coefficients`. Returns a scalar.
    """
    return _not_negative(2 * jnp.log2(spectral.of_singular_values(jnp.sum, [_squared(amplitudes)])))


def negativity(amplitudes: ArrayLike) -> Float[Array, ""]:
    """Negativity of a pure state, (‖|ψ⟩⟨ψ|^(T_1)‖_1 - 1)/2 = ((Σσ_i)² - 1)/2.

    Args and errors: as `schmidt_coefficients`. Returns a scalar.
    """
    return _not_negative((spectral.of_singular_values(jnp.sum, [_squared(amplitudes)]) ** 2 - 1) / 2)


# --------------------------------------------------- from a density matrix


def von_neumann_entropy(rho: ArrayLike) -> Float[Array, ""]:
    """Von Neumann entropy -Tr ρ log2 ρ of a density matrix, in bits.

    Args:
        rho: Hermitian positive array of shape (n, n); divided by its trace.

    Returns:
        scalar.

    Raises:
        ValueError: when `rho` is not a finite Hermitian matrix of positive trace (checked outside transformations).
    """
    return _of_density(shannon_entropy, rho)


def state_renyi_entropy(rho: ArrayLike, alpha: float) -> Float[Array, ""]:
    """Rényi entropy log2(Tr ρ^α) / (1 - α) of a density matrix, in bits.

    Arguments and errors: `rho` as `von_neumann_entropy`, `alpha` as `renyi_entropy`.
    """
    alpha = check_renyi_order(alpha)
    return _of_density(functools.partial(_renyi_of_eigenvalues, alpha), rho)


def purity(rho: ArrayLike) -> Float[Array, ""]:
    """Purity Tr ρ² / (Tr ρ)² of a density matrix.

    Args:
        rho: Hermitian array of shape (n, n), or of two systems (m, n, m, n).

    Returns:
        scalar between 1/rank and 1.

    Raises:
        ValueError: as `von_neumann_entropy`.
    """
    rho = arguments.as_numbers("rho", rho)
    rho = _checked_state(rho).reshape(rho.shape[0] * rho.shape[1], -1) if rho.ndim == 4 else _checked_density(rho)
    return jnp.sum(jnp.abs(rho) ** 2)


# ------------------------------------------- from a state of two systems


def state_log_negativity(rho: ArrayLike) -> Float[Array, ""]:
    """Logarithmic negativity log2 ‖ρ^(T_1)‖_1 of a state of two systems, in bits.

    Its derivative is exact at degenerate spectra; where an eigenvalue of ρ^(T_1) is zero the trace norm has a kink,
    and the derivative is the subgradient without it.

    Args:
        rho: Hermitian array of shape (m, n, m, n), index order (k_1, k_2, k_1', k_2'); divided by its trace.

    Returns:
        scalar, at least 0.

    Raises:
        ValueError: when `rho` is not a finite Hermitian array of that shape and positive trace.

    References:
        G. Vidal and R. F. Werner, Phys. Rev. A 65, 032314 (2002).
    """
    return _not_negative(jnp.log2(_transposed_trace_norm(rho)))


def state_negativity(rho: ArrayLike) -> Float[Array, ""]:
    """Negativity (‖ρ^(T_1)‖_1 - 1)/2 of a state of two systems.

    Arguments and errors as `state_log_negativity`.
    """
    return _not_negative((_transposed_trace_norm(rho) - 1) / 2)


def coherent_information(rho: ArrayLike) -> Float[Array, ""]:
    """Coherent information S(ρ_2) - S(ρ) of a state of two systems, in bits; it may be negative.

    It bounds the entanglement that can be distilled with one-way communication from below.

    Arguments and errors as `state_log_negativity`.

    References:
        I. Devetak and A. Winter, Proc. R. Soc. A 461, 207 (2005).
    """
    rho = _checked_state(arguments.as_numbers("rho", rho))
    size = rho.shape[0] * rho.shape[1]
    second = jnp.einsum("abac->bc", rho)
    return spectral.of_eigenvalues(
        functools.partial(entropy_difference, second.shape[0]), [second, rho.reshape(size, size)]
    )


def state_fidelity(rho: ArrayLike, amplitudes: ArrayLike) -> Float[Array, ""]:
    """Fidelity ⟨ψ|ρ|ψ⟩ of a state of two systems with a pure state, both normalized here.

    Args:
        rho: as `state_log_negativity`.
        amplitudes: A[k_1, k_2] of |ψ⟩, shape (m, n); for the noise-free state `jaxent.end_to_end_amplitudes`, for the
            decoded one `jaxent.decoded_target`.

    Returns:
        scalar between 0 and 1.

    Raises:
        ValueError: as `state_log_negativity` and `schmidt_coefficients`, and when the shapes do not belong together.
    """
    rho, amplitudes = _checked_state(arguments.as_numbers("rho", rho)), _checked_amplitudes(amplitudes)
    if amplitudes.shape != rho.shape[:2]:
        raise ValueError(f"Argument `amplitudes` must have shape {rho.shape[:2]}, but has {shown(amplitudes.shape)}.")
    scale = jnp.max(jnp.abs(amplitudes))
    psi = amplitudes / jnp.where(scale > 0, scale, 1.0)
    overlap = jnp.einsum("ab,abcd,cd->", psi.conj(), rho, psi, precision="highest")
    return overlap.real / jnp.sum(jnp.abs(psi) ** 2)


def _transposed_trace_norm(rho: ArrayLike) -> jax.Array:
    rho = _checked_state(arguments.as_numbers("rho", rho))
    size = rho.shape[0] * rho.shape[1]
    transposed = jnp.transpose(rho, (2, 1, 0, 3)).reshape(size, size)
    return spectral.trace_norm([transposed])


# ------------------------------------------------------------ from numbers


def normalized_entropy(entropy: ArrayLike, n_atoms: int) -> Float[Array, "..."]:
    """E / E_max with E_max = log2(N + 1), equation (28).

    Args:
        entropy: E in bits, any shape.
        n_atoms: N.
    """
    return arguments.as_numbers("entropy", entropy) / math.log2(whole_number("n_atoms", n_atoms, 1) + 1)


def shannon_entropy(probabilities: Float[Array, "*batch n"]) -> Float[Array, "*batch"]:
    """-Σ p log2 p over the last axis, in bits; 0 log 0 = 0, and tiny negative p (rounding) count as 0."""
    positive = probabilities > float(jnp.finfo(probabilities.dtype).tiny) ** 0.5  # 1/p² of derivatives: no overflow
    log = jnp.log2(jnp.where(positive, probabilities, 1.0))
    return _not_negative(-jnp.sum(jnp.where(positive, probabilities * log, 0.0), axis=-1))


def _not_negative(entropy: jax.Array) -> jax.Array:
    """What p = 1 + 2e-16 made negative is 0; the derivative, which is right as it is, is not touched."""
    return entropy + jax.lax.stop_gradient(jnp.maximum(-entropy, 0.0))


def entropy_difference(size: int, probabilities: Float[Array, " n"]) -> Float[Array, ""]:
    """Entropy of the first `size` probabilities less that of the others, in bits."""
    return shannon_entropy(probabilities[:size]) - shannon_entropy(probabilities[size:])


def _entropy_of_coefficients(coefficients: jax.Array) -> jax.Array:
    return shannon_entropy(coefficients**2)


def _renyi_of_coefficients(alpha: float, coefficients: jax.Array) -> jax.Array:
    noise = jnp.finfo(coefficients.dtype).eps * coefficients.shape[-1]
    return renyi_of_probabilities(coefficients**2, alpha, noise**2)


def _renyi_of_eigenvalues(alpha: float, eigenvalues: jax.Array) -> jax.Array:
    return renyi_of_probabilities(eigenvalues, alpha, jnp.finfo(eigenvalues.dtype).eps * eigenvalues.shape[-1])


def check_renyi_order(alpha: Any) -> float:
    """The order as a float; refuses one that is negative, NaN or traced."""
    return real_number("alpha", alpha, "be a number of at least 0", lambda number: number >= 0)


def renyi_of_probabilities(probabilities: jax.Array, alpha: float, noise: Any) -> jax.Array:
    """S_α in bits; below order 1, where small p weigh most, those that may be rounding (below `noise`) count as 0."""
    if alpha == 1:
        return shannon_entropy(probabilities)
    if alpha == math.inf:
        return _not_negative(-jnp.log2(jnp.max(probabilities, axis=-1)))
    counted = probabilities > (noise if alpha < 1 else 0.0)
    if alpha == 0:
        return jnp.log2(jnp.sum(counted, axis=-1).astype(probabilities.dtype))
    log = jnp.log(jnp.where(counted, probabilities, 1.0))
    if abs(alpha - 1) < 0.5:  # log Σ p^α without the cancellation of 1 = Σp
        excess = jnp.where(counted, probabilities * jnp.expm1((alpha - 1) * log), 0.0)
        return _not_negative(jnp.log1p(jnp.sum(excess, axis=-1)) / ((1 - alpha) * math.log(2)))
    largest = jax.lax.stop_gradient(jnp.log(jnp.max(probabilities, axis=-1)))  # keeps p^α from underflow
    powers = jnp.where(counted, jnp.exp(alpha * (log - largest)), 0.0)
    log_sum = jnp.log(jnp.sum(powers, axis=-1))
    return _not_negative((alpha / (1 - alpha) * largest + log_sum / (1 - alpha)) / math.log(2))


# ------------------------------------------------------------------ checks


def _of_density(function: Callable, rho: ArrayLike) -> jax.Array:
    """A function of the eigenvalues of a checked density matrix, which must be positive."""

    def with_smallest(eigenvalues):
        return jnp.stack([function(eigenvalues), jax.lax.stop_gradient(jnp.min(eigenvalues))])

    value, smallest = spectral.of_eigenvalues(with_smallest, [_checked_density(rho)])
    host = arguments.concrete(smallest)
    if host is not None and host < -1e-6:
        raise ValueError(f"Argument `rho` must be positive, but has the eigenvalue {host:.3g} at trace one.")
    return value


def _checked_state(rho: jax.Array) -> jax.Array:
    """A state of two systems, Hermitian to the last digit and of trace one."""
    if rho.ndim != 4 or rho.shape[:2] != rho.shape[2:] or 0 in rho.shape:
        raise ValueError(
            f"Argument `rho` must have the shape (m, n, m, n), but has {shown(rho.shape)}; the measures of "
            "amplitudes are called entanglement_entropy, log_negativity and negativity."
        )
    size = rho.shape[0] * rho.shape[1]
    return _checked_density(rho.reshape(size, size)).reshape(rho.shape)


def _checked_density(rho: ArrayLike) -> jax.Array:
    """A density matrix, Hermitian to the last digit and of trace one."""
    rho = _checked_matrix("rho", rho)
    if rho.shape[0] != rho.shape[1]:
        raise ValueError(f"Argument `rho` must be a square matrix, but has shape {shown(rho.shape)}.")
    host = arguments.concrete(rho)
    if host is not None:
        trace = np.trace(host)
        if not abs(host - host.conj().T).max() <= 1e-6 * max(abs(host).max(), 1e-300):
            raise ValueError(
                "Argument `rho` must be Hermitian, but differs from its adjoint by "
                f"{abs(host - host.conj().T).max():.3g}."
            )
        if not trace.real > 0:
            raise ValueError(f"Argument `rho` must have a positive trace, but it is {trace.real:.6g}.")
    rho = rho / jnp.trace(rho).real
    return (rho + rho.conj().T) / 2


def _normalized(amplitudes: ArrayLike) -> jax.Array:
    """A checked amplitude matrix divided by its norm."""
    amplitudes = _checked_amplitudes(amplitudes)
    scale = jnp.max(jnp.abs(amplitudes))
    scaled = amplitudes / jnp.where(scale > 0, jax.lax.stop_gradient(scale), 1.0)
    return scaled / jnp.sqrt(jnp.sum(jnp.abs(scaled) ** 2))


def _squared(amplitudes: ArrayLike) -> jax.Array:
    """A normalized amplitude matrix with zeros that make it square and change no Schmidt coefficient but zeros."""
    normalized = _normalized(amplitudes)
    rows, columns = normalized.shape
    side = max(rows, columns)
    return jnp.pad(normalized, ((0, side - rows), (0, side - columns)))


def _checked_amplitudes(amplitudes: ArrayLike) -> jax.Array:
    amplitudes = _checked_matrix("amplitudes", amplitudes)
    host = arguments.concrete(amplitudes)
    if host is not None and not host.any():
        raise ValueError("Argument `amplitudes` must be a state, but is zero everywhere.")
    return amplitudes


def _checked_matrix(name: str, matrix: ArrayLike) -> jax.Array:
    matrix = arguments.as_numbers(name, matrix)
    if matrix.ndim != 2 or 0 in matrix.shape:
        remedy = "the measures of two systems begin with state_" if matrix.ndim == 4 else "use jax.vmap for a batch"
        raise ValueError(f"Argument `{name}` must be a matrix, but has shape {shown(matrix.shape)}; {remedy}.")
    if not jnp.issubdtype(matrix.dtype, jnp.inexact):
        matrix = matrix.astype(jnp.result_type(float))
    matrix = matrix.astype(jnp.promote_types(matrix.dtype, jnp.float32))  # LAPACK knows no half precision
    host = arguments.concrete(matrix)
    if host is not None and not np.isfinite(host).all():
        raise ValueError(f"Argument `{name}` must be finite, but holds NaN or infinity.")
    return matrix
