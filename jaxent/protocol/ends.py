"""The protocol from end to end: amplitudes, probabilities and entanglement of the two ends of any chain.

The public layer. Entropies of large ensembles at known times come from the band engine (`jaxent.band`) where that is
cheaper; traced times (under `jit`, `vmap`, `grad`) take the dense matrix, unless a plan is made beforehand
(`plan_entropy`) and evaluated inside (`planned_entropy`).

>>> from jaxent import Chain, pi_fraction
>>> print(round(float(end_to_end_entropy(Chain(3, 20), pi_fraction(1, 2))), 4))
2.0
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxent import arguments, band
from jaxent.chain import Chain
from jaxent.conversion import positive
from jaxent.entanglement.renyi import check_order, known_order
from jaxent.messages import shown
from jaxent.protocol.dispatch import Problem
from jaxent.runtime import execution
from jaxent.times import Time, batch_shape, time_value

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


# ------------------------------------------------------------------- public


def end_to_end_amplitudes(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Complex[Array, "*times D_1 D_M"]:
    """Unnormalized end-to-end amplitudes A[k_1, k_M] after all measurements, equations (20) to (24), with all phases.

    Σ|A|² is the probability of the outcomes; it underflows where that is below 1e-308 (chains of hundreds of
    ensembles): entropy and log-probability do not.

    Beyond M = 3 the sum over an odd ensemble cancels for outcomes that can hardly occur. How much is estimated beside
    the product; where it leaves less than 1e-8 of A, known arguments are computed again in more digits, and under a
    transformation A is NaN.

    Args:
        chain: the chain.
        time: t in units of 1/coupling; a float or a `PiFraction`, of any shape (a batch), or `BondTimes`.
        outcomes: q_2…q_(M-1), an int or (M-2,) ints; None: all N. May be traced: a sweep compiles once.
        phase_offset: φ in radians, a scalar or (M-2,) values for ensembles 2…M-1.

    Returns:
        complex array of shape (..., D_1, D_M), `...` the shape of `time`.

    Raises:
        ValueError: on any argument out of range, and where the matrix does not fit in memory.

    Example:
        >>> import jaxent
        >>> print(jaxent.end_to_end_amplitudes(jaxent.Chain(3, 20), 1.0).shape)
        (21, 21)
    """
    return Problem.of(chain, time, outcomes, phase_offset).amplitudes()


def outcome_probability(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times"]:
    """Born probability of the outcomes, p = Σ|A|², equation (25).

    Arguments and errors as `end_to_end_amplitudes`. Returns a real array of the shape of `time`, right to 1e-8 of
    itself, or under a transformation to 1e-15; with a window it is the window's share of the probability. See
    `log_outcome_probability` for long chains.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.outcome_probability(jaxent.Chain(3, 20), 1.0):.4f}")
        0.1565
    """
    return Problem.of(chain, time, outcomes, phase_offset).probability()


def log_outcome_probability(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times"]:
    """Natural logarithm of `outcome_probability`; it does not underflow in long chains.

    Arguments and errors as `end_to_end_amplitudes`. Returns a real array of the shape of `time`, right to 1e-8 (NaN
    where it would not be, as `end_to_end_amplitudes`); -inf for outcomes that are impossible, or less probable than
    10^-800.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.log_outcome_probability(jaxent.Chain(3, 20), 1.0):.4f}")
        -1.8546
    """
    return Problem.of(chain, time, outcomes, phase_offset).log_probability()


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
    M = 3, and any M for all outcomes N and φ = 0. There, dense matrices leave out states that weigh less than rounding:
    those beyond 9.2 standard deviations (13 for even M), so that 500 states count from N = 3000 on.

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

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> times = np.array([0.5, 1.0, np.pi / 2])
        >>> print(np.round(jaxent.end_to_end_entropy(jaxent.Chain(3, 20), times), 4))
        [1.8531 2.5504 2.    ]
    """
    return Problem.of(chain, time, outcomes, phase_offset).entropies(None, tolerance).entropy


def end_to_end_renyi_entropy(
    chain: Chain,
    time: Time,
    alpha: float | jax.Array,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    tolerance: float = 1e-8,
) -> Float[Array, "*times"]:
    """Rényi entropy S_α = log2(Σ λ^α) / (1 - α) of the two ends' state, in bits; α = 1/2 is its log negativity.

    One compiled program serves all orders of a chain. Differentiable in `alpha`, too: dS_α/dα is -Var(log2 λ) ln(2)/2
    at α = 1, the derivative from the right at α = 0, and 0 at α = ∞.

    Args:
        chain: as `end_to_end_entropy`.
        time: as `end_to_end_amplitudes`.
        alpha: order α ≥ 0, a number: 1 is the von Neumann entropy, inf the min-entropy, 0 the log of the rank. Traced
            (under `jit`, `vmap`, `grad`) it takes the dense matrix, and a negative one gives NaN.
        outcomes: as `end_to_end_amplitudes`.
        phase_offset: as `end_to_end_amplitudes`.
        tolerance: as `end_to_end_entropy`.

    Returns:
        real array of the shape of `time`.

    Raises:
        ValueError: when `alpha` is negative or NaN, and as `end_to_end_entropy`.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.end_to_end_renyi_entropy(jaxent.Chain(3, 20), 1.0, alpha=2.0):.4f} bits")
        2.4748 bits
    """
    alpha = check_order(alpha)
    return Problem.of(chain, time, outcomes, phase_offset).entropies(alpha, tolerance).entropy


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

    Example:
        >>> import jaxent
        >>> plan = jaxent.plan_entropy(jaxent.Chain(3, 10**4), 1.0)
        >>> print(f"{jaxent.planned_entropy(plan):.6f} bits")
        6.168276 bits
    """
    problem = Problem.of(chain, time, outcomes, phase_offset)
    tolerance = positive("tolerance", tolerance)
    if batch_shape(problem.time):
        raise ValueError(
            f"Argument `time` must be one time, but has shape {shown(batch_shape(problem.time))}; make a plan for each."
        )
    reason = band.obstacle(chain, problem.facts, tolerance)
    if reason is not None:
        raise ValueError(f"The band engine does not apply: {reason}; use end_to_end_entropy.")
    return problem.plans(tolerance)[0]


def planned_entropy(
    plan: band.BandPlan,
    time: jax.Array | float | None = None,
    phase_offset: jax.Array | float | None = None,
    *,
    alpha: float | jax.Array = 1.0,
) -> Float[Array, ""]:
    """Entropy in bits from a plan: traceable, differentiable, and defined for times and offsets close to the plan's.

    The order of the states is the plan's; the phases follow the time, so a plan serves derivatives, root finders and
    optimizers within about 1/N of its time and 1/√N of its offset.

    Args:
        plan: from `plan_entropy`.
        time: t, a float; None: the plan's (exact for a `PiFraction`).
        phase_offset: φ in radians, only for a plan that was made with one (or with an outcome other than N); None:
            the plan's.
        alpha: order of a Rényi entropy, known; 1 is the von Neumann entropy.

    Returns:
        real scalar.

    Raises:
        ValueError: for an offset where the plan's symmetry excludes one, in float32, for a traced `alpha` (its
            quadrature is made on the host; `end_to_end_renyi_entropy` takes one), and where the plan's tolerance is
            out of reach for this order or chain (long ones: from M = 11 on). Under a transformation NaN in the last
            case.

    Example:
        >>> import jax
        >>> import jaxent
        >>> plan = jaxent.plan_entropy(jaxent.Chain(3, 10**4), 1.0)
        >>> print(f"{jax.jit(jaxent.planned_entropy)(plan):.6f} bits")
        6.168276 bits
    """
    if not isinstance(plan, band.BandPlan):
        raise ValueError(f"Argument `plan` must be made by jaxent.plan_entropy, but is {shown(plan)}.")
    if phase_offset is not None and not plan.reversed_columns:
        raise ValueError(
            "Argument `phase_offset` needs a plan that was made with an offset other than 0; this one splits the "
            "states by a symmetry of φ = 0."
        )
    if jnp.result_type(float) != jnp.float64:
        raise ValueError("Argument `plan` needs float64, which is not enabled: in float32 its phases are noise.")
    alpha = known_order(alpha)
    given: Any = time
    if time is not None:
        given = time_value(arguments.checked_time(time, 2, single=True))
    if phase_offset is not None:
        phase_offset = arguments.checked_offsets(phase_offset, 3)[0]
    if not band.is_certain(plan, alpha):
        raise ValueError(
            f"Arguments `plan` and `alpha` = {alpha} need a quadrature of {plan.tolerance / 100:.1g}, which no rule of "
            "the family reaches; plan for a larger tolerance."
        )
    value, error = execution.call(
        _evaluated,
        *(plan, given, phase_offset, alpha),
        what=f"The band of {plan.chain} ({plan.n_states} states, half-bandwidth {plan.half_bandwidth})",
        instead="plan for a narrower window",
    )
    known = arguments.concrete(error)
    if known is not None and not known <= plan.quadrature_allowed:
        raise ValueError(
            f"Arguments `plan` and `alpha` = {alpha}: the quadrature of {plan.chain} is right to {float(known):.1g} "
            f"bits only, not to a quarter of the plan's tolerance of {plan.tolerance:.1g}; plan for a larger one."
        )
    return value


@functools.partial(jax.jit, static_argnums=3)
def _evaluated(plan, time, phase_offset, alpha):
    """Compute the entropy and its quadrature error; the entropy is NaN if the error exceeds the plan's share."""
    found = band.evaluate(plan, time, phase_offset, order=alpha)
    enough = jnp.where(found.quadrature_error <= plan.quadrature_allowed, 1.0, jnp.nan)
    return jnp.asarray(found.entropy) * enough, jnp.asarray(found.quadrature_error)


def end_to_end_schmidt_coefficients(
    chain: Chain, time: Time, outcomes: arguments.Outcomes | None = None, phase_offset: arguments.Offsets = 0.0
) -> Float[Array, "*times D"]:
    """Schmidt coefficients σ_i of the normalized end-to-end state, decreasing, Σσ_i² = 1.

    From these follow the Rényi entropies and the pure-state log negativity (`jaxent.entanglement`).

    Arguments and errors as `end_to_end_entropy`. Returns a real array of shape (..., D).

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> found = jaxent.end_to_end_schmidt_coefficients(jaxent.Chain(3, 20), jaxent.pi_fraction(1, 2))
        >>> print(np.round(found[:5], 4))
        [0.5014 0.5    0.5    0.4986 0.    ]
    """
    problem = Problem.of(chain, time, outcomes, phase_offset)
    coefficients, log_probability = problem.schmidt()
    problem.refuse_impossible(log_probability)
    return coefficients
