"""The protocol from end to end: amplitudes, probabilities and entanglement of the two ends of any chain.

The public layer: arguments are checked here, batches of times are cut into tiles, and each tile is one compiled call
of a kernel of `jaxent.product`. Entropies of large ensembles at known times come from `jaxent.band` where that is
cheaper; traced times (under `jit`, `vmap`, `grad`) take the dense matrix, unless a plan is made beforehand
(`plan_entropy`) and evaluated inside (`planned_entropy`).

>>> from jaxent import Chain, pi_fraction
>>> print(round(float(end_to_end_entropy(Chain(3, 20), pi_fraction(1, 2))), 4))
2.0
"""

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxent import arguments, band, product
from jaxent.chain import Chain
from jaxent.entanglement import check_renyi_order
from jaxent.times import BondTimes, PiFraction, Time, batch_shape

__all__ = [
    "end_to_end_amplitudes",
    "end_to_end_entropy",
    "end_to_end_renyi_entropy",
    "end_to_end_schmidt_coefficients",
    "log_outcome_probability",
    "outcome_probability",
    "plan_entropy",
    "planned_entropy",
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
    return _Problem.of(chain, time, outcomes, phase_offset).over_times(product.amplitudes, bytes_per_entry=64)


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
    problem = _Problem.of(chain, time, outcomes, phase_offset)
    return problem.over_times(product.log_probability, bytes_per_entry=0 if sums_only else 64)


def end_to_end_entropy(
    chain: Chain,
    time: Time,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    tolerance: float = 1e-8,
) -> Float[Array, "*times"]:
    """Entanglement of the two ends, E = -Σ λ log2 λ, equations (26) and (27), in bits.

    Differentiable in a float `time` and in `phase_offset`, at degenerate spectra too. A grid of times is worked off
    in tiles, so its memory does not grow with its length.

    From about 500 Dicke states per ensemble on, where time, outcomes and offsets are known (not traced), each time
    takes the cheaper of the dense matrix and the band engine of `jaxent.band`, whose cost grows as √N. The engine knows
    M = 3, and any M for all outcomes N and φ = 0.

    Args:
        chain: the chain; where the engine is used, N up to 10^10 and more, and a chain without a window gets one that
            is wide enough for the tolerance.
        time: as `end_to_end_amplitudes`.
        outcomes: as `end_to_end_amplitudes`.
        phase_offset: as `end_to_end_amplitudes`.
        tolerance: error in bits that the engine may make (beside that of the chain's own window); 0: the dense matrix
            always, exact to rounding.

    Returns:
        real array of the shape of `time`.

    Raises:
        ValueError: as `end_to_end_amplitudes`, for a negative tolerance, and when the outcomes have probability zero
            (to rounding) at one of the times. Under a transformation the entropy is NaN instead.
    """
    problem = _Problem.of(chain, time, outcomes, phase_offset)
    entropy, log_probability = problem.entropies(1.0, tolerance)
    problem.refuse_impossible(log_probability)
    return entropy


def end_to_end_renyi_entropy(
    chain: Chain,
    time: Time,
    alpha: float,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    tolerance: float = 1e-8,
) -> Float[Array, "*times"]:
    """Rényi entropy S_α = log2(Σ λ^α) / (1 - α) of the two ends' state, in bits; α = 1/2 is its log negativity.

    Args:
        chain: as `end_to_end_entropy`.
        time: as `end_to_end_amplitudes`.
        alpha: order α ≥ 0, a Python number.
        outcomes: as `end_to_end_amplitudes`.
        phase_offset: as `end_to_end_amplitudes`.
        tolerance: as `end_to_end_entropy`.

    Returns:
        real array of the shape of `time`.

    Raises:
        ValueError: when `alpha` is negative or NaN, and as `end_to_end_entropy`.
    """
    check_renyi_order(alpha)
    problem = _Problem.of(chain, time, outcomes, phase_offset)
    entropy, log_probability = problem.entropies(float(alpha), tolerance)
    problem.refuse_impossible(log_probability)
    return entropy


def plan_entropy(
    chain: Chain,
    time: Time,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    tolerance: float = 1e-8,
) -> band.BandPlan:
    """Plan the entropy of one time for `planned_entropy`, which may then be traced.

    Args:
        chain: the chain: M = 3, or any M for all outcomes N and φ = 0.
        time: one known time, a float or a `PiFraction`.
        outcomes: known outcomes, as `end_to_end_amplitudes`.
        phase_offset: known offsets, as `end_to_end_amplitudes`.
        tolerance: error to plan for, in bits.

    Returns:
        BandPlan: a pytree; its `operations`, and the errors it allows for, are known before it is evaluated.

    Raises:
        ValueError: on any argument out of range or traced, for a batch of times, and where the engine does not apply.
    """
    problem = _Problem.of(chain, time, outcomes, phase_offset)
    if not tolerance > 0:
        raise ValueError(f"Argument `tolerance` must be positive, but is {tolerance!r}.")
    if batch_shape(problem.time):
        raise ValueError(
            f"Argument `time` must be one time, but has shape {batch_shape(problem.time)}; make a plan for each."
        )
    reason = band.obstacle(chain, problem.time, *problem.band_arguments(), tolerance)
    if reason is not None:
        raise ValueError(f"The band engine does not apply: {reason}; use end_to_end_entropy.")
    return band.make_plans(chain, problem.time, *problem.band_arguments(), tolerance)[0]


def planned_entropy(
    plan: band.BandPlan,
    time: jax.Array | float | None = None,
    phase_offset: jax.Array | float | None = None,
    *,
    alpha: float = 1.0,
) -> Float[Array, ""]:
    """Entropy in bits from a plan: traceable, differentiable, and defined for times and offsets close to the plan's.

    The order of the states is the plan's; the phases follow the time, so a plan serves derivatives, root finders and
    optimizers within about 1/N of its time and 1/√N of its offset.

    Args:
        plan: from `plan_entropy`.
        time: t, a float; None: the plan's (exact for a `PiFraction`).
        phase_offset: φ in radians, only for a plan that was made with one (or with an outcome other than N); None:
            the plan's.
        alpha: order of a Rényi entropy; 1 is the von Neumann entropy.

    Returns:
        real scalar.

    Raises:
        ValueError: for an offset where the plan's symmetry excludes one, in float32, and where the plan's tolerance is
            out of reach for this order.
    """
    if phase_offset is not None and not plan.mirrored:
        raise ValueError(
            "Argument `phase_offset` needs a plan that was made with an offset other than 0; this one splits the "
            "states by a symmetry of φ = 0."
        )
    if jnp.result_type(float) != jnp.float64:
        raise ValueError("Argument `plan` needs float64, which is not enabled: in float32 its phases are noise.")
    if not band.is_certain(plan, alpha):
        raise ValueError(
            f"Arguments `plan` and `alpha` = {alpha} need a quadrature of {plan.tolerance / 100:.1g}, which no rule of "
            "the family reaches; plan for a larger tolerance."
        )
    return jnp.asarray(band.evaluate(plan, time, phase_offset, order=alpha).entropy)


def end_to_end_schmidt_coefficients(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times D"]:
    """Schmidt coefficients σ_i of the normalized end-to-end state, decreasing, Σσ_i² = 1.

    From these follow the Rényi entropies and the pure-state log negativity (`jaxent.entanglement`).

    Arguments and errors as `end_to_end_entropy`. Returns a real array of shape (..., D).
    """
    problem = _Problem.of(chain, time, outcomes, phase_offset)
    coefficients, log_probability = problem.over_times(product.schmidt)
    problem.refuse_impossible(log_probability)
    return coefficients


# -------------------------------------------------- arguments, tiles, checks


@dataclasses.dataclass(frozen=True)
class _Problem:
    """Checked arguments of one call, with what is static about them."""

    chain: Chain
    time: Time
    outcomes: jax.Array
    offsets: jax.Array
    top: bool  # all outcomes are N
    real: bool  # all offsets are zero

    @classmethod
    def of(cls, chain, time, outcomes, phase_offset) -> "_Problem":
        arguments.check_precision(chain.n_atoms, time)
        time = arguments.checked_time(time, chain.n_ensembles)
        top, real = outcomes is None, arguments.is_zero(phase_offset)
        outcomes = arguments.checked_outcomes(outcomes, chain.n_ensembles, chain.n_atoms)
        offsets = arguments.checked_offsets(phase_offset, chain.n_ensembles)
        return cls(chain, time, outcomes, offsets, top, real)

    def over_times(self, kernel: Callable, bytes_per_entry: int = 32):
        """A kernel of `jaxent.product` for each time."""
        chain = self.chain
        needed = bytes_per_entry * chain.dimension**2 + 256 * chain.dimension
        arguments.check_memory(
            needed,
            f"The end-to-end matrix of n_atoms = {chain.n_atoms} with window = {chain.window} "
            f"({chain.dimension} states per end)",
            "use a smaller window",
        )
        tile = max(1, _TILE_BYTES // needed)
        return _over_times(chain, kernel, self.top, self.real, tile, self.time, self.outcomes, self.offsets)

    def band_arguments(self) -> tuple[jax.Array | None, jax.Array | None]:
        """Outcomes and offsets as `jaxent.band` takes them: None where all are N, or 0."""
        return None if self.top else self.outcomes, None if self.real else self.offsets

    def entropies(self, alpha: float, tolerance: float):
        """Entropy and log probability for each time, by the cheaper route."""
        if not tolerance >= 0:
            raise ValueError(f"Argument `tolerance` must be at least 0, but is {tolerance!r}.")
        kernel = product.entropy if alpha == 1.0 else product.renyi(alpha)
        if not band.worth_planning(self.chain, self.time, *self.band_arguments(), tolerance):
            return self.over_times(kernel)
        plans = band.make_plans(self.chain, self.time, *self.band_arguments(), tolerance)
        results = np.empty((2, len(plans)))
        dense = band.dense_seconds(self.chain.dimension, plans[0].mirrored) if plans else 0.0
        banded = np.array([band.banded_seconds(plan, alpha) < dense for plan in plans], bool)
        found = band.entropies([plan for plan, yes in zip(plans, banded, strict=True) if yes], alpha)
        results[:, banded] = found.entropy, found.log_probability
        banded[banded] = found.quadrature_error <= tolerance / 4
        if not banded.all():
            rest = dataclasses.replace(self, time=jax.tree.map(lambda x: jnp.ravel(x)[~banded], self.time))
            results[:, ~banded] = rest.over_times(kernel)
        return tuple(jnp.asarray(result.reshape(batch_shape(self.time))) for result in results)

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
        nudged = dataclasses.replace(
            self,
            time=jax.tree.map(lambda x: x * (1 + step) if jnp.issubdtype(x.dtype, jnp.floating) else x, self.time),
            offsets=self.offsets * (1 + step) + step,
            real=False,
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
