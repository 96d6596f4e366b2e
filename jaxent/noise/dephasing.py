"""Compute the mixed state of the ends under S_z dephasing, and its entanglement, in closed form.

This is the public layer over `noise.density_matrix`. The noise is that of equation (29): each ensemble j dephases
independently at a rate γ_j during the interaction,

    dρ/dt = -i[H, ρ] - (γ_j/2) [(S_j^z)² ρ - 2 S_j^z ρ S_j^z + ρ (S_j^z)²],

and, in addition or instead, all ensembles share one noise of rate Γ, with Σ_j S_j^z in place of S_j^z.

Arrays of times and rates are broadcast against each other; `EnsembleRates` gives each ensemble its own rate.
Entanglement is in bits, rates are in units of the coupling, times in 1/coupling. Everything is differentiable in times
and rates, at γ = 0 too. Results are refused where the outcomes are so unlikely that fewer than eight digits remain.

>>> from jaxent import Chain, pi_fraction
>>> print(f"{end_to_end_coherent_information(Chain(3, 30), pi_fraction(1, 2), 0.01):.4f}")
0.8568
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Complex, Float

from jaxent import arguments
from jaxent.chain import Chain
from jaxent.measurement import Measurement, Records, records_of
from jaxent.messages import shown
from jaxent.noise import coherence_sum, density_matrix
from jaxent.noise.jitter import Jitter, Jittered
from jaxent.noise.jitter import checked as checked_jitter
from jaxent.protocol.dispatch import ImpossibleOutcomes
from jaxent.runtime import execution, memory
from jaxent.times import BondTimes, Time, batch_shape, time_value

__all__ = [
    "EnsembleRates",
    "Rate",
    "dephased_log_probability",
    "end_to_end_coherent_information",
    "end_to_end_state",
]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class EnsembleRates:
    """Hold one dephasing rate for each ensemble 1…M.

    Attributes:
        rates: γ_1…γ_M, of shape (..., M); leading axes are a batch.
    """

    rates: Any


Rate = ArrayLike | EnsembleRates
_FEW_ATOMS = 1024  # up to which the kernel of a record is summed over all of them


# ------------------------------------------------------------------- public


def end_to_end_state(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    collective_rate: ArrayLike = 0.0,
    *,
    measurement: Measurement | None = None,
    jitter: Jitter | None = None,
) -> Complex[Array, "D_1 D_M D_1 D_M"]:
    """Compute the density matrix of the two ends after dephasing and all measurements, with all phases.

    Args:
        chain: the chain.
        time: one time for all bonds, at least 0; a float or a `PiFraction`.
        dephasing_rate: γ, a scalar, or one rate for each ensemble as (M,) values or `EnsembleRates`.
        outcomes: q_2…q_(M-1), an int or (M-2,) ints; None: all N.
        phase_offset: φ in radians, a scalar or (M-2,) values.
        collective_rate: Γ of a noise that all ensembles share, a scalar.
        measurement: how the inner ensembles are measured; None: perfectly. Outcomes are then records, real where the
            resolution is not 0.
        jitter: how far strength times time of the interaction varies, M = 3; None: not at all. With coupling "spin"
            the ends are without the local phases that n_a n_a adds.

    Returns:
        array ρ[k_1, k_M, k_1', k_M'], trace one. For the probability of the outcomes see
        `dephased_log_probability`.

    Raises:
        ValueError: on any argument out of range, where the array does not fit in memory, and for impossible outcomes.

    Example:
        >>> import jaxent
        >>> print(jaxent.end_to_end_state(jaxent.Chain(3, 4), 1.0, 0.01).shape)
        (5, 5, 5, 5)
    """
    if not isinstance(dephasing_rate, EnsembleRates) and np.ndim(dephasing_rate) == 1:
        dephasing_rate = EnsembleRates(dephasing_rate)
    problem = Problem.of(chain, time, dephasing_rate, outcomes, phase_offset, collective_rate, measurement, jitter)
    problem.refuse_batch()
    problem.refuse_large_state()
    state, log_probability = problem.run(density_matrix.whole_state)
    problem.refuse_unlikely(log_probability)
    return state


def dephased_log_probability(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    collective_rate: ArrayLike = 0.0,
    *,
    measurement: Measurement | None = None,
    jitter: Jitter | None = None,
) -> Float[Array, "*batch"]:
    """Compute the natural logarithm of the probability of the outcomes under dephasing.

    For M = 3 it is a sum over the coherences of the measured ensemble (`noise.coherence_sum`), for any number of atoms;
    for other M it is the trace of the state. Arguments as `jaxent.end_to_end_log_negativity`.

    Returns:
        array of the shape of the times and rates.

    Raises:
        ValueError: on any argument out of range, where the sum or the state does not fit in memory, and where the
            outcomes cannot occur or the sum cancels to less than eight digits (as estimated with it). Under a
            transformation it is NaN instead.

    Example:
        >>> import math
        >>> import jaxent
        >>> print(f"{math.exp(jaxent.dephased_log_probability(jaxent.Chain(3, 8), 1.0, 0.02)):.5f}")
        0.23885
    """
    problem = Problem.of(
        chain, time, dephasing_rate, outcomes, phase_offset, collective_rate, measurement, jitter, dense=False
    )
    log_probability = problem.log_probability()
    problem.refuse_unlikely(
        log_probability,
        f"or rounding leaves less than eight digits of its probability at n_atoms = {chain.n_atoms}",
    )
    return log_probability


def end_to_end_coherent_information(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    collective_rate: ArrayLike = 0.0,
    *,
    measurement: Measurement | None = None,
    jitter: Jitter | None = None,
) -> Float[Array, "*batch"]:
    """Compute the coherent information S(ρ_M) - S(ρ) of the ends, in bits: a lower bound on distillable entanglement.

    Arguments, errors and shape as `jaxent.end_to_end_log_negativity`. It may be negative. For a pure state (γ = 0, or
    t = 0 with γ > 0) its derivative towards more noise is -∞, as that of x log x at 0; the derivative returned there is
    finite and meaningless.

    References:
        I. Devetak and A. Winter, Proc. R. Soc. A 461, 207 (2005): the hashing inequality.

    Example:
        >>> import jaxent
        >>> quarter = jaxent.pi_fraction(1, 2)
        >>> print(f"{jaxent.end_to_end_coherent_information(jaxent.Chain(3, 8), quarter, 0.01):.4f} bits")
        1.1893 bits
    """
    problem = Problem.of(chain, time, dephasing_rate, outcomes, phase_offset, collective_rate, measurement, jitter)
    value, log_probability = problem.run(density_matrix.coherent_information)
    problem.refuse_unlikely(log_probability)
    return value


# ------------------------------------------------ batches, arguments, checks


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _over_batch(kernel, static, tile, time, strengths, shared, outcomes, offsets):
    """Apply a kernel to each time and rate of a batch."""

    def single(point):
        result = kernel(static, *point, outcomes, offsets)
        read = outcomes.outcomes if isinstance(outcomes, Jittered) else outcomes
        if static.all_outcomes_n:
            return result
        if isinstance(read, Records | coherence_sum.RecordWithNodes):
            possible = jnp.where(read.possible(static.chain.measured_atoms), 1.0, jnp.nan)
            return jax.tree.map(lambda x: x * possible, result)
        return arguments.nan_unless_possible(result, read, static.chain.measured_atoms)

    return execution.over_batch(single, (time, strengths, shared), batch_shape(time), tile)


@dataclasses.dataclass
class Problem:
    """Hold the checked arguments of one call, with times and rates broadcast to one shape."""

    static: density_matrix.Static
    time: Any
    strengths: Any  # γ_j t, (..., M)
    shared: Any  # Γ t
    outcomes: Any
    offsets: Any

    @classmethod
    def of(
        cls,
        chain,
        time,
        dephasing_rate,
        outcomes,
        phase_offset,
        collective_rate,
        measurement: Measurement | None = None,
        jitter: Jitter | None = None,
        *,
        dense: bool = True,
    ) -> "Problem":
        arguments.check_chain(chain, unequal=True)
        if isinstance(time, BondTimes):
            raise ValueError(
                "Argument `time` must be one time for all bonds here, but is BondTimes: how long each ensemble "
                "dephases would be undefined; use jaxent.evolve_density."
            )
        arguments.check_precision(chain.most_atoms, time)
        time = arguments.checked_time(time, chain.n_ensembles)
        offsets = arguments.checked_offsets(phase_offset, chain.n_ensembles)
        equal = not isinstance(dephasing_rate, EnsembleRates)
        shared_known_zero = arguments.is_zero(collective_rate)
        local = arguments.checked_rate("dephasing_rate", dephasing_rate if equal else dephasing_rate.rates)
        shared = arguments.checked_rate("collective_rate", collective_rate)
        if not equal and local.shape[-1:] != (chain.n_ensembles,):
            raise ValueError(
                f"Argument `dephasing_rate` must have a last axis of n_ensembles = {chain.n_ensembles} rates, "
                f"but has shape {local.shape}."
            )
        rates = jnp.broadcast_to(local[..., None], (*local.shape, chain.n_ensembles)) if equal else local
        arguments.refuse_negative("time", time)
        try:
            shape = np.broadcast_shapes(batch_shape(time), rates.shape[:-1], shared.shape)
        except ValueError:
            raise ValueError(
                f"Arguments `time`, `dephasing_rate` and `collective_rate` must broadcast, but have the shapes "
                f"{batch_shape(time)}, {rates.shape[:-1]} and {shared.shape}; use EnsembleRates for a rate of each "
                "ensemble."
            ) from None
        duration = jnp.broadcast_to(jnp.asarray(time_value(time), rates.dtype), shape)
        values: Any = records_of(measurement, outcomes, chain.n_ensembles, chain.measured_atoms)
        all_outcomes_n = values is None and (outcomes is None or arguments.is_known(outcomes, chain.measured_atoms))
        asymmetric = values is not None and values.lossy
        if values is None:
            values = arguments.checked_outcomes(outcomes, chain.n_ensembles, chain.measured_atoms)
        values = checked_jitter(jitter, chain, values)
        if isinstance(values, Jittered):
            if not shared_known_zero:
                raise ValueError(
                    "Argument `collective_rate` must be 0 with a jitter, whose kernel has one noise for each ensemble, "
                    f"but is {shown(collective_rate)}."
                )
            asymmetric = values.of_numbers
        problem = cls(
            density_matrix.Static(
                chain, all_outcomes_n, arguments.is_zero(phase_offset), equal, not shared_known_zero, asymmetric
            ),
            jax.tree.map(lambda x: jnp.broadcast_to(x, shape), time),
            jnp.broadcast_to(rates, (*shape, chain.n_ensembles)) * duration[..., None],
            jnp.broadcast_to(shared, shape) * duration,
            values,
            offsets,
        )
        if dense:
            problem.refuse_large_blocks()
        return problem

    def log_probability(self) -> jax.Array:
        """Compute log p of the outcomes for each time and rate, NaN where its digits are lost."""
        if self.static.chain.n_ensembles != 3 or isinstance(self.outcomes, Jittered):
            self.refuse_large_state()
            return self.run(density_matrix.log_probability)
        chain = self.static.chain
        if isinstance(self.outcomes, Records):
            words = (f"The kernel of a record of n_atoms = {chain.n_atoms}", "use fewer atoms")
            if not chain.is_uniform or chain.n_atoms <= _FEW_ATOMS or execution.is_traced((self.time, self.outcomes)):
                return self.run(coherence_sum.log_probability, words)
            return self._log_probability_of_many(words)
        if not chain.is_uniform:
            return self.run(coherence_sum.log_probability)
        what = f"The probability of an outcome of n_atoms = {chain.n_atoms} with window = {chain.window}"
        instead = "use fewer atoms" if chain.window is None else "use a smaller window, or none"
        memory.check_memory(coherence_sum.host_bytes(chain), what, "use fewer atoms", on_host=True)
        if not execution.is_traced((self.time, self.strengths, self.shared, self.outcomes, self.offsets)):
            found = self.run(coherence_sum.log_probability_over_hops, (what, instead))
            if not (coherence_sum.pairs_are_few(chain) and np.isnan(found).any()):
                return found
        return self.run(coherence_sum.log_probability, (what, instead))

    def _log_probability_of_many(self, words: tuple[str, str]) -> jax.Array:
        """Compute log p of known records of many atoms, one time after the other: each has points of its own."""
        shape = batch_shape(self.time)
        found = []
        for index in np.ndindex(shape):
            time, strengths, shared = jax.tree.map(
                lambda x, index=index: x[index], (self.time, self.strengths, self.shared)
            )
            read = coherence_sum.with_nodes(self.static.chain, self.outcomes, time)
            one = dataclasses.replace(self, time=time, strengths=strengths, shared=shared, outcomes=read)
            found.append(one.run(coherence_sum.log_probability, words))
        return jnp.reshape(jnp.stack(found), shape) if found else jnp.zeros(shape)

    def run(self, kernel: Callable, words: tuple[str, str] | None = None):
        """Run a kernel at each time and rate; `words` name what needs the memory, and what to use instead."""
        tile = max(1, 2**20 // self.static.chain.dimension**4)
        what, instead = words or (self._blocks() if self._by_blocks else self._state())
        return execution.call(
            _over_batch,
            *(kernel, self.static, tile, self.time, self.strengths, self.shared, self.outcomes, self.offsets),
            what=what,
            instead=instead,
        )

    def refuse_batch(self) -> None:
        if batch_shape(self.time):
            raise ValueError(
                f"Arguments `time` and `dephasing_rate` must be single values here, but have the shape "
                f"{batch_shape(self.time)}; use jax.vmap for many."
            )

    def refuse_large_state(self) -> None:
        memory.check_memory(16 * self.static.chain.dimension**4, *self._state())

    def refuse_large_blocks(self) -> None:
        if not self._by_blocks:
            self.refuse_large_state()
            return
        each = (32 if self.static.asymmetric else 16) * self._largest_block**2  # real, or complex
        memory.check_memory(self._n_blocks * each, *self._blocks())

    @property
    def _by_blocks(self) -> bool:
        """True if the partial transpose is formed block by block, without the state."""
        return self.static.chain.n_ensembles == 3 and not self.static.shared

    @property
    def _largest_block(self) -> int:
        dimension = self.static.chain.dimension
        return dimension**2 // self._n_blocks + dimension

    @property
    def _n_blocks(self) -> int:
        static = self.static
        if static.asymmetric or not static.chain.is_uniform:
            return 1
        return (2 if static.no_offset else 1) * (2 if static.equal else 1)

    def _state(self) -> tuple[str, str]:
        """Return the words of a memory error: what needs the memory, and what to use instead."""
        chain = self.static.chain
        instead = (
            ", or jaxent.end_to_end_log_negativity, which never forms it" if self._by_blocks else " or fewer atoms"
        )
        return (
            f"The density matrix of two ends of {chain.dimension} states each (n_atoms = {chain.n_atoms}, "
            f"window = {chain.window})",
            "use a smaller window" + instead,
        )

    def _blocks(self) -> tuple[str, str]:
        chain = self.static.chain
        return (
            f"The partial transpose for n_atoms = {chain.n_atoms} and window = {chain.window} in blocks of "
            f"{self._largest_block} states",
            "use a smaller window, the `tolerance` of jaxent.end_to_end_log_negativity, or "
            "jaxent.estimate_log_negativity",
        )

    def refuse_unlikely(
        self,
        log_probability: jax.Array,
        reason: str = "or so seldom that the state cancels to less than float64 resolves",
    ) -> None:
        """Raise `ImpossibleOutcomes` where p is 0, or its digits are lost (NaN)."""
        host = arguments.concrete(log_probability)
        if host is None:
            return
        unlikely = np.asarray(~(host > -np.inf))
        if unlikely.any():
            read = self.outcomes.outcomes if isinstance(self.outcomes, Jittered) else self.outcomes
            read = read.counts if isinstance(read, Records) else read
            raise ImpossibleOutcomes(
                f"Argument `outcomes` = {shown(np.asarray(read).tolist())} cannot occur at one of the times, "
                f"{reason}; choose outcomes that can occur (jaxent.sample_outcomes draws some).",
                unlikely,
            )
