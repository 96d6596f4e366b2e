"""Compute measures of bipartite entanglement, in bits (logarithms to base 2).

A pure state of two ensembles is its amplitude matrix A[k_1, k_M], normalized or not: its singular values, normalized,
are the Schmidt coefficients σ_i, and σ_i² the eigenvalues of either reduced density matrix. A mixed state of one
system is a Hermitian matrix ρ[k, k']; one of two systems has the index order ρ[k_1, k_2, k_1', k_2']. Their trace may
be anything positive: measures divide by it. Where a measure takes amplitudes, that of mixed states has its name with
`state_` before it or `_dm` (density matrix) after it. Kets and operators of QuTiP are states, too.

An array that is not a state (zero, not finite, not Hermitian, without positive trace) is refused; under a JAX
transformation its measures are NaN (`entanglement.states`).

A negativity within the rounding of the spectrum, below about 2e-15·√n for n singular values or eigenvalues, is
returned as 0.

>>> bell = jnp.eye(2)
>>> print(f"{entanglement_entropy(bell):.6f} {log_negativity(bell):.6f}")
1.000000 1.000000
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxent import arguments, spectral
from jaxent.conversion import whole_number
from jaxent.entanglement import renyi, states
from jaxent.entanglement.states import State
from jaxent.messages import shown
from jaxent.numerics import algebra, rounding
from jaxent.runtime import memory, threads

__all__ = [
    "coherent_information",
    "entanglement_entropy",
    "entropy_difference",
    "log_negativity",
    "log_negativity_dm",
    "negativity",
    "normalized_entropy",
    "purity",
    "renyi_entropy",
    "schmidt_coefficients",
    "shannon_entropy",
    "state_fidelity",
    "state_negativity",
    "state_renyi_entropy",
    "von_neumann_entropy",
]


# -------------------------------------------------- from an amplitude matrix


@threads.with_one_lapack_thread
def schmidt_coefficients(amplitudes: State) -> Float[Array, " rank"]:
    """Compute the Schmidt coefficients σ_i of a pure bipartite state, decreasing, Σσ_i² = 1.

    Args:
        amplitudes: array of shape (m, n), normalized or not, or a `qutip.Qobj`: a ket of two tensor factors.

    Returns:
        real array of shape (min(m, n),).

    Raises:
        ValueError: when `amplitudes` is not a finite matrix or is zero (checked outside transformations).

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> print(np.round(jaxent.schmidt_coefficients(np.diag([0.8, 0.6])), 4))
        [0.8 0.6]
    """
    return spectral.svdvals(states.normalized(amplitudes))


@threads.with_one_lapack_thread
def entanglement_entropy(amplitudes: State) -> Float[Array, ""]:
    """Compute the von Neumann entropy of either half of a pure state, E = -Σ σ_i² log2 σ_i², equation (26), in bits.

    Args and errors: as `schmidt_coefficients`. Returns a scalar.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> print(f"{jaxent.entanglement_entropy(np.eye(2)):.4f} bits")
        1.0000 bits
    """
    return spectral.of_singular_values(_entropy_of_coefficients, [states.squared(amplitudes)])


@threads.with_one_lapack_thread
def renyi_entropy(amplitudes: State, alpha: float | jax.Array) -> Float[Array, ""]:
    """Compute the Rényi entropy S_α = log2(Σ σ_i^(2α)) / (1 - α) of either half of a pure state, in bits.

    Args:
        amplitudes: as `schmidt_coefficients`.
        alpha: order α ≥ 0; 1 is the von Neumann entropy, inf the min-entropy, 0 the log of the Schmidt rank. It may
            be traced (a negative one then gives NaN); for the derivative in it see `end_to_end_renyi_entropy`.

    Raises:
        ValueError: when `alpha` is negative or NaN, and as `schmidt_coefficients`.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> print(f"{jaxent.renyi_entropy(np.diag([0.8, 0.6]), 2.0):.4f} bits")
        0.8911 bits
    """
    order = renyi.as_data(renyi.check_order(alpha))
    return spectral.of_singular_values(_renyi_of_coefficients, [states.squared(amplitudes)], (order,))


@threads.with_one_lapack_thread
def log_negativity(amplitudes: State) -> Float[Array, ""]:
    """Compute the logarithmic negativity of a pure state, log2 ‖|ψ⟩⟨ψ|^(T_1)‖_1 = 2 log2 Σ σ_i, in bits.

    Args and errors: as `schmidt_coefficients`. Returns a scalar.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> print(f"{jaxent.log_negativity(np.eye(2)):.4f} bits")
        1.0000 bits
    """
    blocks = [states.squared(amplitudes)]
    return beyond_rounding(2 * jnp.log2(spectral.of_singular_values(jnp.sum, blocks)), blocks)


@threads.with_one_lapack_thread
def negativity(amplitudes: State) -> Float[Array, ""]:
    """Compute the negativity of a pure state, (‖|ψ⟩⟨ψ|^(T_1)‖_1 - 1)/2 = ((Σσ_i)² - 1)/2.

    Args and errors: as `schmidt_coefficients`. Returns a scalar.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> print(f"{jaxent.negativity(np.eye(2)):.4f}")
        0.5000
    """
    blocks = [states.squared(amplitudes)]
    return beyond_rounding((spectral.of_singular_values(jnp.sum, blocks) ** 2 - 1) / 2, blocks)


# --------------------------------------------------- from a density matrix


@threads.with_one_lapack_thread
def von_neumann_entropy(rho: State) -> Float[Array, ""]:
    """Compute the von Neumann entropy -Tr ρ log2 ρ of a density matrix, in bits.

    Args:
        rho: Hermitian positive array of shape (n, n), or an operator of QuTiP; divided by its trace.

    Returns:
        scalar.

    Raises:
        ValueError: when `rho` is not a finite Hermitian matrix of positive trace (checked outside transformations).

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> print(f"{jaxent.von_neumann_entropy(np.eye(4) / 4):.2f} bits")
        2.00 bits
    """
    return _of_density(shannon_entropy, rho)


@threads.with_one_lapack_thread
def state_renyi_entropy(rho: State, alpha: float | jax.Array) -> Float[Array, ""]:
    """Compute the Rényi entropy log2(Tr ρ^α) / (1 - α) of a density matrix, in bits.

    Arguments and errors: `rho` as `von_neumann_entropy`, `alpha` as `renyi_entropy`.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> print(f"{jaxent.state_renyi_entropy(np.eye(4) / 4, 2.0):.4f} bits")
        2.0000 bits
    """
    return _of_density(_renyi_of_eigenvalues, rho, renyi.as_data(renyi.check_order(alpha)))


def purity(rho: State) -> Float[Array, ""]:
    """Compute the purity Tr ρ² / (Tr ρ)² of a density matrix.

    Args:
        rho: Hermitian array of shape (n, n), or of two systems (m, n, m, n).

    Returns:
        scalar between 1/rank and 1.

    Raises:
        ValueError: as `von_neumann_entropy`.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> print(f"{jaxent.purity(np.eye(2) / 2):.2f}")
        0.50
    """
    rho = arguments.as_numbers("rho", states.as_matrix("rho", rho))
    checked = states.checked_state(rho) if rho.ndim == 4 else states.checked_density(rho)
    return jnp.sum(jnp.abs(checked) ** 2)


# ------------------------------------------- from a state of two systems


@threads.with_one_lapack_thread
def log_negativity_dm(rho: State) -> Float[Array, ""]:
    """Compute the logarithmic negativity log2 ‖ρ^(T_1)‖_1 of a state of two systems, in bits.

    Its derivative is exact at degenerate spectra. Where an eigenvalue of ρ^(T_1) is zero the trace norm has a kink,
    and the derivative is the subgradient that leaves this eigenvalue out.

    Args:
        rho: Hermitian array of shape (m, n, m, n), index order (k_1, k_2, k_1', k_2'), or an operator of
            QuTiP of two tensor factors; divided by its trace.

    Returns:
        scalar, at least 0.

    Raises:
        ValueError: when `rho` is not a finite Hermitian array of that shape and positive trace.

    References:
        G. Vidal and R. F. Werner, Phys. Rev. A 65, 032314 (2002).

    Example:
        >>> import jaxent
        >>> rho = jaxent.end_to_end_state(jaxent.Chain(3, 4), jaxent.pi_fraction(1), 0.01)
        >>> print(f"{jaxent.log_negativity_dm(rho):.4f} bits")
        0.9841 bits
    """
    blocks = [_transposed(rho)]
    return beyond_rounding(jnp.log2(spectral.trace_norm(blocks)), blocks)


@threads.with_one_lapack_thread
def state_negativity(rho: State) -> Float[Array, ""]:
    """Compute the negativity (‖ρ^(T_1)‖_1 - 1)/2 of a state of two systems.

    Arguments and errors as `log_negativity_dm`.

    Example:
        >>> import jaxent
        >>> rho = jaxent.end_to_end_state(jaxent.Chain(3, 4), jaxent.pi_fraction(1), 0.01)
        >>> print(f"{jaxent.state_negativity(rho):.4f}")
        0.4891
    """
    blocks = [_transposed(rho)]
    return beyond_rounding((spectral.trace_norm(blocks) - 1) / 2, blocks)


@threads.with_one_lapack_thread
def coherent_information(rho: State) -> Float[Array, ""]:
    """Compute the coherent information S(ρ_2) - S(ρ) of a state of two systems, in bits; it may be negative.

    It is a lower bound on the entanglement that can be distilled with one-way communication.

    Arguments and errors as `log_negativity_dm`.

    References:
        I. Devetak and A. Winter, Proc. R. Soc. A 461, 207 (2005).

    Example:
        >>> import jaxent
        >>> rho = jaxent.end_to_end_state(jaxent.Chain(3, 4), jaxent.pi_fraction(1), 0.01)
        >>> print(f"{jaxent.coherent_information(rho):.4f} bits")
        0.4566 bits
    """
    rho = states.checked_state(rho)
    size = rho.shape[0] * rho.shape[1]
    second = jnp.einsum("abac->bc", rho)
    return spectral.of_eigenvalues(
        functools.partial(entropy_difference, second.shape[0]), [second, rho.reshape(size, size)]
    )


def state_fidelity(rho: State, amplitudes: State) -> Float[Array, ""]:
    """Compute the fidelity ⟨ψ|ρ|ψ⟩ of a state of two systems with a pure state, after normalizing both.

    Args:
        rho: as `log_negativity_dm`.
        amplitudes: A[k_1, k_2] of |ψ⟩, shape (m, n); for the noise-free state `jaxent.end_to_end_amplitudes`, for the
            decoded one `jaxent.decoded_target`.

    Returns:
        scalar between 0 and 1.

    Raises:
        ValueError: as `log_negativity_dm` and `schmidt_coefficients`, and when the shapes do not match.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> bell = np.eye(2) / np.sqrt(2)
        >>> rho = np.einsum('ab,cd->abcd', bell, bell)
        >>> print(f"{jaxent.state_fidelity(rho, bell):.4f}")
        1.0000
    """
    rho, psi = states.checked_state(rho), states.normalized(amplitudes)
    if psi.shape != rho.shape[:2]:
        raise ValueError(f"Argument `amplitudes` must have shape {rho.shape[:2]}, but has {shown(psi.shape)}.")
    bra, rho, ket = algebra.alike(psi.conj(), rho, psi)
    return jnp.einsum("ab,abcd,cd->", bra, rho, ket, precision="highest").real


def _transposed(rho: State) -> jax.Array:
    """Check a state and return its partial transpose as a matrix of shape (m n, m n)."""
    rho = states.checked_state(rho)
    size = rho.shape[0] * rho.shape[1]
    return jnp.transpose(rho, (2, 1, 0, 3)).reshape(size, size)


# ------------------------------------------------------------ from numbers


def normalized_entropy(entropy: ArrayLike, n_atoms: int) -> Float[Array, "..."]:
    """Divide an entropy by its maximum, E / E_max with E_max = log2(N + 1), equation (28).

    Args:
        entropy: E in bits, any shape.
        n_atoms: N.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.normalized_entropy(1.0, n_atoms=3):.2f}")
        0.50
    """
    entropy = arguments.as_numbers("entropy", entropy)
    what = f"{entropy.size} normalized entropies"
    memory.check_memory(entropy.size * entropy.dtype.itemsize, what, "pass fewer at once")
    return entropy / math.log2(whole_number("n_atoms", n_atoms, 1) + 1)


def shannon_entropy(probabilities: Float[Array, "*batch n"]) -> Float[Array, "*batch"]:
    """Compute -Σ p log2 p over the last axis, in bits; 0 log 0 = 0, and negative p (rounding) count as 0."""
    zero = probabilities <= rounding.smallest(probabilities.dtype) ** 0.5  # keeps 1/p² of derivatives finite
    log = jnp.log2(jnp.where(zero, 1.0, probabilities))  # NaN is not taken as zero, and remains
    return renyi.not_negative(-jnp.sum(jnp.where(zero, 0.0, probabilities * log), axis=-1))


def beyond_rounding(measure: jax.Array, blocks: Sequence[jax.Array]) -> jax.Array:
    """Set a negativity to 0 where it is within the rounding error of the spectrum of the blocks, of Σ|b|² ≤ 1.

    A backward stable solver gives the spectrum of a matrix that differs by a few ε in Frobenius norm; the trace norm
    of n values then differs by up to √n times that. The derivative is unchanged.
    """
    size = sum(block.shape[-1] for block in blocks)
    least = 8 * math.sqrt(size) * rounding.epsilon(measure.dtype)
    return measure - jax.lax.stop_gradient(jnp.where(measure <= least, measure, 0.0))


def entropy_difference(size: int, probabilities: Float[Array, " n"]) -> Float[Array, ""]:
    """Subtract the entropy of the other probabilities from that of the first `size` ones, in bits."""
    return shannon_entropy(probabilities[:size]) - shannon_entropy(probabilities[size:])


def _entropy_of_coefficients(coefficients: jax.Array) -> jax.Array:
    return shannon_entropy(coefficients**2)


def _renyi_of_coefficients(coefficients: jax.Array, alpha: Any) -> jax.Array:
    noise = rounding.epsilon(coefficients.dtype) * coefficients.shape[-1]
    return renyi.of_probabilities(coefficients**2, alpha, noise**2)


def _renyi_of_eigenvalues(eigenvalues: jax.Array, alpha: Any) -> jax.Array:
    return renyi.of_probabilities(eigenvalues, alpha, rounding.epsilon(eigenvalues.dtype) * eigenvalues.shape[-1])


# ------------------------------------------------------------------ checks


def _of_density(function: Callable, rho: State, *parameters: jax.Array) -> jax.Array:
    """Check that a density matrix is positive, and evaluate a function of its eigenvalues and of parameters."""

    def with_smallest(eigenvalues, *parameters):
        return jnp.stack([function(eigenvalues, *parameters), jax.lax.stop_gradient(jnp.min(eigenvalues))])

    value, smallest = spectral.of_eigenvalues(with_smallest, [states.checked_density(rho)], parameters)
    host = arguments.concrete(smallest)
    if host is not None and host < -states.TOLERANCE:
        raise ValueError(f"Argument `rho` must be positive, but has the eigenvalue {host:.3g} at trace one.")
    return value * jnp.where(smallest < -states.TOLERANCE, jnp.nan, 1.0)
