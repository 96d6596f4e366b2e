"""Average the entanglement over the measurement outcomes, with gradients.

    ⟨X⟩ = Σ_q p_q X_q / Σ_q p_q

over all outcomes q (then the sum of p is 1, up to the weight outside a window), over a chosen set of them
(post-selection), or over Born-rule draws. X is the entropy of the ends, their log negativity under dephasing, or the
fidelity with the target state that the outcomes determine.

The outcome distribution depends on times, offsets and rates, so the gradient of a sampled average needs more than the
mean of the gradients: ∇⟨X⟩ = ⟨∇X + (X - b) ∇ log p⟩, for any baseline b that does not depend on the draw. Here b is
the mean over the other draws, and the term is written so that derivatives of every order are unbiased.

References: J. N. Foerster et al., DiCE, ICML (2018); W. Kool, H. van Hoof, M. Welling, Buy 4 REINFORCE samples (2019).

>>> from jaxent import Chain, pi_fraction
>>> average = average_entropy(Chain(3, 20), pi_fraction(1, 2), np.pi / 8)
>>> print(f"{average.value:.8f}")
1.90798968
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxent import arguments, results
from jaxent.chain import Chain
from jaxent.conversion import as_numbers, as_whole_numbers, whole_number
from jaxent.measurement import REACH, Measurement, Records, blurred, densities
from jaxent.messages import shown
from jaxent.noise import density_matrix, dephasing
from jaxent.outcomes import decoding, sampling
from jaxent.protocol import dense, sizes
from jaxent.results import Account, Column
from jaxent.times import Time

__all__ = [
    "OutcomeAverage",
    "all_outcomes",
    "average_decoded_fidelity",
    "average_entropy",
    "average_log_negativity",
    "outcome_probabilities",
    "outcomes_at_once",
]

_MOST_EXACT_OUTCOMES = 10**6
_STEPS_EACH_RESOLUTION = 4  # of the records that are integrated over

Chosen = arguments.Outcomes | Sequence[Sequence[ArrayLike]]  # rows of q_2…q_(M-1)


class OutcomeAverage(NamedTuple):
    """Hold an average over outcomes, its standard error, and the total probability of the outcomes included.

    The error is 0 if the sum is exact, and the change from twice the step where records are integrated over; the
    probability is 1 for a sampled average.
    """

    value: jax.Array
    standard_error: jax.Array
    probability: jax.Array

    __repr__ = results.line
    _repr_html_ = results.table

    def _account(self) -> Account:
        columns = {
            "value": Column(self.value, meaning="average", symbol=results.ALONE),
            "standard_error": Column(self.standard_error, meaning="standard error", symbol=results.ERROR),
            "probability": Column(self.probability, meaning="probability of the outcomes included", symbol="p"),
        }
        return Account("values" if np.ndim(self.value) else "", columns)


# ------------------------------------------------------------------- public


def average_entropy(
    chain: Chain,
    time: Time,
    phase_offset: arguments.Offsets = 0.0,
    key: jax.Array | None = None,
    n_samples: int = 1000,
    *,
    outcomes: Chosen | None = None,
) -> OutcomeAverage:
    """Average the entropy over the measurement outcomes, Σ_q p_q E_q, in bits.

    Without a key it is the exact sum over all outcomes, for M = 2, 3, 4; with a key, a sample mean over Born-rule
    draws, for any M. Both are differentiable in time and offsets (the sampled one without bias).

    Args:
        chain: the chain.
        time: one time.
        phase_offset: φ in radians, a scalar or (M-2,) values.
        key: PRNG key for the sampled average; required for M > 4.
        n_samples: number of draws, at least 2.
        outcomes: the outcomes to include, integers of shape (n, M-2); None: all. Not with a key.

    Returns:
        OutcomeAverage: value in bits, standard error, and the total probability of the outcomes included.

    Raises:
        ValueError: when a key is missing, `n_samples` is below 2 or no possible outcome is left, and on any argument
            out of range.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.average_entropy(jaxent.Chain(3, 8), 1.0).value:.4f} bits")
        1.8157 bits
    """
    sampling.check_matrices(chain)
    time, offsets = sampling.checked(chain, time, phase_offset)
    kernel = (_entropy, chain)
    if key is None:
        return _exact(kernel, chain, _rows(chain, outcomes), (time, offsets))
    draws = _draws(chain, key, n_samples, outcomes, time, offsets)
    return sampling.within_memory(chain, _sampled, kernel, outcomes_at_once(chain.dimension**2), draws, (time, offsets))


def average_log_negativity(
    chain: Chain,
    time: Time,
    dephasing_rate: dephasing.Rate,
    phase_offset: arguments.Offsets = 0.0,
    key: jax.Array | None = None,
    n_samples: int = 100,
    *,
    collective_rate: ArrayLike = 0.0,
    outcomes: Chosen | None = None,
    measurement: Measurement | None = None,
) -> OutcomeAverage:
    """Average the log negativity of the ends under dephasing over the outcomes, Σ_q p_q E_N(ρ_q), in bits.

    Each outcome costs an eigenproblem of D² states.

    Args:
        chain: the chain.
        time: one time for all bonds, at least 0.
        dephasing_rate: γ, a scalar or `EnsembleRates`.
        phase_offset: φ in radians, a scalar or (M-2,) values.
        key: as `average_entropy`.
        n_samples: as `average_entropy`.
        collective_rate: Γ of a noise that all ensembles share.
        outcomes: as `average_entropy`; real records with a `measurement` of finite resolution.
        measurement: how the inner ensembles are measured; None: perfectly. Real records are integrated over, in steps
            of at most a quarter of the resolution, which then must be known.

    Returns:
        OutcomeAverage, in bits. Of chosen real records the probability is the sum of their densities per atom.

    Raises:
        ValueError: as `average_entropy` and `jaxent.end_to_end_log_negativity`.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.average_log_negativity(jaxent.Chain(3, 4), 1.0, 0.02).value:.4f} bits")
        1.0702 bits
    """
    arguments.check_chain(chain)
    # a given outcome selects the kernel for any outcome
    general = 0 if chain.n_ensembles > 2 else None
    problem = dephasing.Problem.of(chain, time, dephasing_rate, general, phase_offset, collective_rate, measurement)
    problem.refuse_batch()
    kernel = (_log_negativity, problem.static)
    values = (problem.time, problem.strengths, problem.shared, problem.offsets)
    if isinstance(problem.outcomes, Records):
        assert measurement is not None
        return _average_of_records(chain, problem, values, key, n_samples, outcomes, measurement)
    if key is None:
        return _exact(kernel, chain, _rows(chain, outcomes), values, chain.dimension**4)
    draws = _draws(chain, key, n_samples, outcomes, problem.time, problem.offsets, problem.strengths, problem.shared)
    return sampling.within_memory(chain, _sampled, kernel, outcomes_at_once(chain.dimension**4), draws, values)


def average_decoded_fidelity(
    chain: Chain,
    levels: int,
    numerator: int = 1,
    time: Time | None = None,
    phase_offset: arguments.Offsets | None = None,
    key: jax.Array | None = None,
    n_samples: int = 1000,
    *,
    outcomes: Chosen | None = None,
) -> OutcomeAverage:
    """Average the fidelity of the ends with the decoded target state over the outcomes, Σ_q p_q F_q.

    Args:
        chain: the chain.
        levels: L of the magic time 2πp/L, as in `jaxent.decoded_fidelity`.
        numerator: p.
        time: one time; None: 2πp/L.
        phase_offset: φ in radians; None: π/(2L).
        key: as `average_entropy`.
        n_samples: as `average_entropy`.
        outcomes: as `average_entropy`.

    Returns:
        OutcomeAverage, value in [0, 1].

    Raises:
        ValueError: as `average_entropy` and `jaxent.decoded_fidelity`.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.average_decoded_fidelity(jaxent.Chain(3, 8), 2).value:.4f}")
        0.9889
    """
    sampling.check_matrices(chain)
    time, phase_offset = decoding.settings(chain, levels, numerator, time, phase_offset)
    time, offsets = sampling.checked(chain, time, phase_offset)
    kernel = (decoding.fidelity_of, chain, levels, numerator)
    if key is None:
        return _exact(kernel, chain, _rows(chain, outcomes), (time, offsets))
    draws = _draws(chain, key, n_samples, outcomes, time, offsets)
    return sampling.within_memory(chain, _sampled, kernel, outcomes_at_once(chain.dimension**2), draws, (time, offsets))


def outcome_probabilities(chain: Chain, time: Time, phase_offset: arguments.Offsets = 0.0) -> Float[Array, "..."]:
    """Compute the probabilities of all outcomes of a chain of three or four ensembles.

    Args:
        chain: the chain, M = 3 or 4.
        time: one time.
        phase_offset: φ in radians, a scalar or (M-2,) values.

    Returns:
        real array of shape (N+1,)*(M-2); it sums to one, up to the weight outside a window.

    Raises:
        ValueError: for other M, for more than 10^6 outcomes, and on any argument out of range.

    Example:
        >>> import jaxent
        >>> found = jaxent.outcome_probabilities(jaxent.Chain(3, 8), 1.0)
        >>> print(f"{found.sum():.6f}")
        1.000000
    """
    arguments.check_chain(chain)
    if chain.n_ensembles == 2:
        raise ValueError("Argument `chain` must have inner ensembles, but has n_ensembles = 2: nothing is measured.")
    grid = all_outcomes(chain)
    if chain.n_ensembles > 3:
        sampling.check_matrices(chain)
    time, offsets = sampling.checked(chain, time, phase_offset)
    probabilities = sampling.within_memory(chain, _probabilities, chain, grid, time, offsets)
    return probabilities.reshape((chain.n_atoms + 1,) * (chain.n_ensembles - 2))


def all_outcomes(chain: Chain) -> np.ndarray:
    """List every outcome of a chain of at most four ensembles, as host integers of shape ((N+1)^(M-2), M-2).

    Raises:
        ValueError: for a longer chain, and for more than 10^6 outcomes.
    """
    inner = chain.n_ensembles - 2
    if inner > 2:
        raise ValueError(
            f"Argument `chain` has n_ensembles = {chain.n_ensembles}: all its outcomes can be listed for at most 4; "
            "pass a `key` for a sampled average."
        )
    if (chain.n_atoms + 1) ** inner > _MOST_EXACT_OUTCOMES:
        raise ValueError(
            f"Argument `chain` has {(chain.n_atoms + 1) ** inner} outcomes (n_atoms = {chain.n_atoms}), more than "
            f"{_MOST_EXACT_OUTCOMES}; pass a `key` for a sampled average."
        )
    return np.indices((chain.n_atoms + 1,) * inner).reshape(inner, (chain.n_atoms + 1) ** inner).T


# ----------------------------- one outcome: its X, log p, relative error of its amplitudes


def _entropy(chain, outcomes, time, offsets):
    return dense.rounded_entropy(sizes.of_matrices(chain, time, False, False), time, outcomes, offsets, False, False)


def _log_negativity(static, outcomes, time, strengths, shared, offsets):
    return density_matrix.rounded_log_negativity(static, time, strengths, shared, outcomes, offsets)


def _log_negativity_of_records(static, counts, time, strengths, shared, offsets, records):
    """Compute the log negativity of one row of records, and their density."""
    here = dataclasses.replace(records, counts=counts)
    value, log_p, lost = density_matrix.rounded_log_negativity(static, time, strengths, shared, here, offsets)
    ratios = jnp.where(records.resolutions > 0, jax.vmap(densities)(here), 1.0)
    return value, log_p + jnp.sum(jnp.log(ratios)), lost


# ------------------------------------------------------------------ averages


@functools.partial(jax.jit, static_argnums=0)
def _probabilities(chain, grid, time, offsets):
    sized = sizes.of_sums(chain, time, False, False)

    def single(outcomes):
        return jnp.exp(dense.rounded_log_probability(sized, time, outcomes, offsets, False, False)[0])

    # for M = 3 there are only sums over differences
    entries = 2 * sizes.largest_difference(chain) + 1 if chain.n_ensembles == 3 else chain.dimension**2
    return jax.lax.map(single, grid, batch_size=outcomes_at_once(entries))


def outcomes_at_once(entries: int) -> int:
    """Choose the number of outcomes computed at once."""
    return max(1, 2**22 // entries)


def _average_of_records(chain, problem, values, key, n_samples, outcomes, measurement) -> OutcomeAverage:
    """Average the log negativity over the records of an imperfect measurement."""
    records = problem.outcomes
    kernel, values = (_log_negativity_of_records, problem.static), (*values, records)
    if key is None:
        if outcomes is not None:
            return _exact(kernel, chain, _chosen_records(chain, outcomes), values, chain.dimension**4)
        rows, coarse, width = _all_records(chain, measurement)
        some = _exact(kernel, chain, rows[coarse], values, chain.dimension**4)
        if coarse.all():
            return some
        others = _exact(kernel, chain, rows[~coarse], values, chain.dimension**4)
        density = some.probability + others.probability
        value = (some.probability * some.value + others.probability * others.value) / density
        return OutcomeAverage(value, jax.lax.stop_gradient(jnp.abs(value - some.value)), width * density)
    if records.counted:
        raise ValueError("Argument `measurement` must have lost = None with a `key`: the draws decide.")
    draws = _draws(
        chain, key, n_samples, outcomes, problem.time, problem.offsets, problem.strengths, problem.shared, records
    )
    return sampling.within_memory(chain, _sampled, kernel, outcomes_at_once(chain.dimension**4), draws, values)


def _all_records(chain: Chain, measurement: Measurement) -> tuple[np.ndarray, np.ndarray, float]:
    """List the records that are integrated over, rows of M-2 counts, and the width that each stands for.

    Eigenvalues of the partial transpose that vanish between records make kinks, at which a sum of equal steps converges
    as their square only: the records of a rule of twice the step are told apart, to estimate that error.
    """
    inner = chain.n_ensembles - 2
    if inner > 2:
        all_outcomes(chain)  # refuses
    sigmas = measurement.known_resolutions(inner)
    if sigmas is None:
        raise ValueError(
            "Argument `measurement` has a traced resolution, but the records that are integrated over depend on it; "
            "pass a `key` for a sampled average."
        )
    axes, width, coarse = [], 1.0, np.ones(1, bool)
    for sigma in sigmas.tolist():
        parts = math.ceil(_STEPS_EACH_RESOLUTION / sigma) if sigma else 1
        beyond = math.floor(REACH * sigma * parts)
        steps = np.arange(-beyond, chain.n_atoms * parts + beyond + 1)
        axes.append(steps / parts)
        width /= parts
        coarse = np.logical_and.outer(coarse, steps % 2 == 0 if sigma else np.full(len(steps), True)).ravel()
    count = math.prod(len(axis) for axis in axes)
    if count > _MOST_EXACT_OUTCOMES:
        raise ValueError(
            f"Argument `chain` has {count} records to integrate over (n_atoms = {chain.n_atoms}), more than "
            f"{_MOST_EXACT_OUTCOMES}; pass a `key` for a sampled average."
        )
    counts = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    return counts, coarse, width


def _chosen_records(chain: Chain, outcomes: Chosen) -> jax.Array:
    rows = as_numbers("outcomes", outcomes)
    inner = chain.n_ensembles - 2
    rows = rows[:, None] if rows.ndim == 1 and inner == 1 else rows
    if rows.ndim != 2 or rows.shape[1] != inner or not len(rows):
        raise ValueError(
            f"Argument `outcomes` must have the shape (n, {inner}), one row of records each, but has "
            f"{shown(rows.shape)}."
        )
    return rows.astype(float)


def _rows(chain: Chain, outcomes: Chosen | None):
    """Return the outcomes that are summed, all of them or those chosen."""
    return all_outcomes(chain) if outcomes is None else _chosen(chain, outcomes)


def _exact(kernel, chain, grid, values, entries: int | None = None) -> OutcomeAverage:
    tile = outcomes_at_once(entries or chain.dimension**2)
    value, probability = sampling.within_memory(chain, _weighted_sum, kernel, tile, grid, values)
    host = arguments.concrete(probability)
    if host is not None and not host > 0:
        raise ValueError(
            f"Argument `outcomes`: none of the {len(grid)} outcomes can occur here, so there is nothing to average; "
            "choose others (jaxent.sample_outcomes draws some)."
        )
    host = arguments.concrete(value)
    if host is not None and np.isnan(host):
        raise ValueError(
            f"Argument `outcomes`: the {len(grid)} outcomes chosen can hardly occur here, and their amplitudes cancel "
            "to less than float64 resolves; choose others (jaxent.sample_outcomes draws some)."
        )
    return OutcomeAverage(value, jnp.zeros_like(value), probability)


def _chosen(chain: Chain, outcomes: Chosen) -> jax.Array:
    must = f"be integers in 0…{chain.n_atoms} (n_atoms)"
    grid = as_whole_numbers("outcomes", outcomes, must)
    inner = chain.n_ensembles - 2
    if grid.ndim == 1 and inner == 1:
        grid = grid[:, None]
    if grid.ndim != 2 or grid.shape[1] != inner:
        raise ValueError(
            f"Argument `outcomes` must have the shape (n, {inner}), one row of q_2…q_(M-1) each, but has "
            f"{shown(grid.shape)}."
        )
    if not len(grid):
        raise ValueError("Argument `outcomes` holds no outcomes: there is nothing to average; leave it out for all.")
    host = arguments.concrete(grid)
    if host is not None and ((host < 0) | (host > chain.n_atoms)).any():
        raise ValueError(f"Argument `outcomes` must {must}, but is {shown(outcomes)}.")
    return jnp.asarray(grid if host is None else host.astype(np.int64))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _weighted_sum(kernel, tile, grid, values):
    """Compute Σ p X / Σ p and Σ p over the rows of the grid; impossible outcomes contribute nothing.

    The average is NaN if outcomes whose digits are lost have too large a share of Σ p.
    """
    function, *fixed = kernel

    def single(outcomes):
        value, log_probability, lost = function(*fixed, outcomes, *values)
        possible = log_probability > -jnp.inf
        probability = jnp.where(possible, jnp.exp(jnp.where(possible, log_probability, 0.0)), 0.0)
        return probability * jnp.where(possible, value, 0.0), probability, probability * jnp.minimum(lost, 1.0)

    terms, probabilities, losses = (jnp.sum(part) for part in jax.lax.map(single, grid, batch_size=tile))
    safe = jnp.where(probabilities > 0, probabilities, 1.0)
    right = jax.lax.stop_gradient(losses) < dense.most_lost(losses.dtype) * safe
    return terms / safe * jnp.where(right, 1.0, jnp.nan), probabilities


def _draws(chain, key, n_samples, outcomes, time, offsets, strengths=None, shared=None, records=None):
    if outcomes is not None:
        raise ValueError("Argument `outcomes` must be left out where a `key` is given: the draws choose them.")
    arguments.check_key(key)
    n_samples = whole_number("n_samples", n_samples, 2, 10**9)
    return sampling.within_memory(chain, _sample, chain, n_samples, key, time, offsets, strengths, shared, records)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _sample(chain, n_samples, key, time, offsets, strengths, shared, records):
    """Draw outcomes of shape (n, M-2); dephasing turns each measured ensemble by 2√(γt) ξ, ξ standard normal."""
    fixed = jax.lax.stop_gradient((time, offsets, strengths, shared, records))
    time, offsets, strengths, shared, records = fixed

    def draw(one):
        key_noise, key_shared, key_outcome = jax.random.split(one, 3)
        turned = offsets
        if strengths is not None:
            noise = jax.random.normal(key_noise, offsets.shape, offsets.dtype)
            turned = turned + 2 * jnp.sqrt(strengths[1:-1]) * noise
            turned = turned + 2 * jnp.sqrt(shared) * jax.random.normal(key_shared, (), offsets.dtype)
        found = sampling.draw(chain, key_outcome, time, turned)
        if records is None:
            return found
        return blurred(chain.n_atoms, records, time, jax.random.fold_in(key_outcome, 1), found)

    keys = jax.random.split(key, n_samples)
    return jax.lax.map(draw, keys, batch_size=outcomes_at_once(chain.dimension**2))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _sampled(kernel, tile, draws, values) -> OutcomeAverage:
    """Compute the mean of X over drawn outcomes."""
    function, *fixed = kernel
    terms, log_probabilities, _ = jax.lax.map(
        lambda outcomes: function(*fixed, outcomes, *values), draws, batch_size=tile
    )
    count = len(terms)
    others = jax.lax.stop_gradient((jnp.sum(terms) - terms) / (count - 1))
    one = jnp.exp(log_probabilities - jax.lax.stop_gradient(log_probabilities))  # 1, but with the derivatives of log p
    mean = jnp.mean(one * terms + (1 - one) * others)
    error = jnp.std(terms, ddof=1) / np.sqrt(count)
    return OutcomeAverage(mean, error, jnp.ones_like(mean))
