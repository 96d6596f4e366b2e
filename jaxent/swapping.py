"""The protocol from end to end: amplitudes, probabilities and entanglement of the two ends of any chain.

The public layer: arguments are checked here, batches of times are cut into tiles, and each tile is one compiled call
of a kernel of `jaxent.product`.

>>> from jaxent import Chain, pi_fraction
>>> print(round(float(end_to_end_entropy(Chain(3, 20), pi_fraction(1, 2))), 4))
2.0
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxent import arguments, product
from jaxent.chain import Chain
from jaxent.times import BondTimes, PiFraction, Time, batch_shape

__all__ = [
    "end_to_end_amplitudes",
    "end_to_end_entropy",
    "end_to_end_schmidt_coefficients",
    "log_outcome_probability",
    "outcome_probability",
]

_TILE_BYTES = 256 * 2**20  # memory a tile of times may take; more buys no speed
_UNLIKELY = -46.0  # log probability below which rounding may be all there is (1e-20)


# ------------------------------------------------------------------- public


def end_to_end_amplitudes(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Complex[Array, "*times D D"]:
    """Unnormalized end-to-end amplitudes A[k_1, k_M] after all measurements, equations (20) to (24), with all phases.

    Σ|A|² is the probability of the outcomes; it underflows where that is below 1e-308 (chains of hundreds of
    ensembles): entropy and log-probability do not.

    Args:
        chain: the chain.
        time: t in units of 1/coupling; a float or a `PiFraction`, of any shape (a batch), or `BondTimes`.
        outcomes: q_2…q_(M-1), an int or (M-2,) ints; None: all N. May be traced: a sweep compiles once.
        phase_offset: φ in radians, a scalar or (M-2,) values for ensembles 2…M-1.

    Returns:
        complex array of shape (..., D, D), `...` the shape of `time`.

    Raises:
        ValueError: on any argument out of range, and where the matrix does not fit in memory.
    """
    problem = _Problem.of(chain, time, outcomes, phase_offset, bytes_per_entry=64)
    return problem.over_times(product.amplitudes)


def outcome_probability(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times"]:
    """Born probability of the outcomes, p = Σ|A|², equation (25).

    Arguments and errors as `end_to_end_amplitudes`. Returns a real array of the shape of `time`; with a window it is
    the window's share of the probability. See `log_outcome_probability` for long chains.
    """
    return jnp.exp(log_outcome_probability(chain, time, outcomes, phase_offset))


def log_outcome_probability(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times"]:
    """Natural logarithm of `outcome_probability`; it does not underflow in long chains.

    Arguments and errors as `end_to_end_amplitudes`. Returns a real array of the shape of `time`; -inf for
    impossible outcomes.
    """
    sums_only = chain.n_ensembles == 3 and not isinstance(time, BondTimes)
    problem = _Problem.of(chain, time, outcomes, phase_offset, bytes_per_entry=0 if sums_only else 64)
    return problem.over_times(product.log_probability)


def end_to_end_entropy(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times"]:
    """Entanglement of the two ends, E = -Σ λ log2 λ, equations (26) and (27), in bits.

    Differentiable in a float `time` and in `phase_offset`, at degenerate spectra too. A grid of times is worked off
    in tiles, so its memory does not grow with its length.

    Args: as `end_to_end_amplitudes`.

    Returns:
        real array of the shape of `time`.

    Raises:
        ValueError: as `end_to_end_amplitudes`, and when the outcomes have probability zero (to rounding)
            at one of the times. Under a transformation the entropy is NaN instead.
    """
    problem = _Problem.of(chain, time, outcomes, phase_offset, bytes_per_entry=32)
    entropy, log_probability = problem.over_times(product.entropy)
    problem.refuse_impossible(log_probability)
    return entropy


def end_to_end_schmidt_coefficients(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times D"]:
    """Schmidt coefficients σ_i of the normalized end-to-end state, decreasing, Σσ_i² = 1.

    From these follow the Rényi entropies and the pure-state log negativity (`jaxent.entanglement`).

    Arguments and errors as `end_to_end_entropy`. Returns a real array of shape (..., D).
    """
    problem = _Problem.of(chain, time, outcomes, phase_offset, bytes_per_entry=32)
    coefficients, log_probability = problem.over_times(product.schmidt)
    problem.refuse_impossible(log_probability)
    return coefficients


# -------------------------------------------------- arguments, tiles, checks


class _Problem:
    """Checked arguments of one call, with what is static about them."""

    def __init__(
        self,
        chain: Chain,
        time: Time,
        outcomes: Any,
        offsets: Any,
        top: bool,
        real: bool,
        tile: int,
    ):
        self.chain, self.time, self.outcomes, self.offsets = chain, time, outcomes, offsets
        self.top = top  # all outcomes are N
        self.real = real  # all offsets are zero
        self.tile = tile

    @classmethod
    def of(cls, chain, time, outcomes, phase_offset, bytes_per_entry: int) -> "_Problem":
        arguments.check_precision(chain.n_atoms, time)
        time = arguments.checked_time(time, chain.n_ensembles)
        top, real = outcomes is None, arguments.is_zero(phase_offset)
        outcomes = arguments.checked_outcomes(outcomes, chain.n_ensembles, chain.n_atoms)
        offsets = arguments.checked_offsets(phase_offset, chain.n_ensembles)
        needed = bytes_per_entry * chain.dimension**2 + 256 * chain.dimension
        arguments.check_memory(
            needed,
            f"The end-to-end matrix of n_atoms = {chain.n_atoms} with window = {chain.window} "
            f"({chain.dimension} states per end)",
            "use a smaller window",
        )
        return cls(chain, time, outcomes, offsets, top, real, max(1, _TILE_BYTES // needed))

    def over_times(self, kernel: Callable):
        return _over_times(
            self.chain,
            kernel,
            self.top,
            self.real,
            self.tile,
            self.time,
            self.outcomes,
            self.offsets,
        )

    def refuse_impossible(self, log_probability: jax.Array) -> None:
        """Raise where the outcomes cannot occur: probability zero, or one that a rounding of the arguments changes."""
        host = arguments.concrete(log_probability)
        inputs = [arguments.concrete(leaf) for leaf in jax.tree.leaves((self.time, self.outcomes, self.offsets))]
        if host is None or any(value is None for value in inputs):
            return
        doubtful = np.asarray(~(host >= _UNLIKELY))
        if not doubtful.any():
            return
        step = 8 * float(jnp.finfo(self.offsets.dtype).eps)
        nudged = _Problem(
            self.chain,
            jax.tree.map(lambda x: x * (1 + step) if jnp.issubdtype(x.dtype, jnp.floating) else x, self.time),
            self.outcomes,
            self.offsets * (1 + step) + step,
            self.top,
            False,
            self.tile,
        ).over_times(product.log_probability)
        # sums over the odd ensembles can cancel to nothing but rounding, which no nudge shows
        least = 2 * np.log(4 * float(jnp.finfo(self.offsets.dtype).eps) * self.chain.dimension)
        cancelled = np.asarray(self.over_times(product.cancellation)) < least
        doubtful &= cancelled | ~(abs(np.asarray(nudged) - host) < 0.5)
        if doubtful.any():
            shown = np.asarray(self.outcomes).tolist() if self.chain.n_ensembles < 12 else "(as given)"
            raise ValueError(
                f"Argument `outcomes` = {shown} has probability zero to rounding at {_nth_time(self.time, doubtful)}, "
                "so there is no state to take the entropy of; choose outcomes that can occur "
                "(jaxent.sample_outcomes draws some)."
            )


def _nth_time(time: Time, where: np.ndarray) -> str:
    index = tuple(np.argwhere(where)[0])
    inner = time.times if isinstance(time, BondTimes) else time
    if isinstance(inner, PiFraction):
        return f"time = π·{np.asarray(inner.numerator)[index]}/{np.asarray(inner.denominator)[index]}"
    return f"time = {np.asarray(inner)[index]}"


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _over_times(chain, kernel, top, real, tile, time, outcomes, offsets):
    """Apply the kernel to each time of a batch, a tile of times at once."""
    shape = batch_shape(time)

    def single(one):
        result = kernel(chain, one, outcomes, offsets, top, real)
        return result if top else arguments.nan_unless_possible(result, outcomes, chain.n_atoms)

    if not shape:
        return single(time)
    flat = jax.tree.map(lambda x: jnp.reshape(jnp.asarray(x), (-1, *jnp.shape(x)[len(shape) :])), time)
    count = jax.tree.leaves(flat)[0].shape[0]
    result = jax.vmap(single)(flat) if count <= tile else jax.lax.map(single, flat, batch_size=tile)
    return jax.tree.map(lambda x: x.reshape(*shape, *x.shape[1:]), result)
