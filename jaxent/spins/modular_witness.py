"""A witness that works at magic times: correlations of positions in cells, in two bases that are both local.

At t = 2πp/r what the ends share are the positions s of k = r c + s + o in cells of r Dicke states, o where cells
begin. Both ends measure either s, or the Fourier basis inside each cell,

    |c, s~⟩ = r^(-1/2) Σ_s e^(2πi s s~/r) |r c + s + o⟩,

and C_1 is the probability that s_1 = s_3, C_2 the one that s~_1 + s~_3 ≡ 0 (mod r). The projectors on these results are
Σ_m |Φ_m0⟩⟨Φ_m0| and Σ_n |Φ_0n⟩⟨Φ_0n| over Bell states of the positions, which share Φ = Φ_00 = Σ_s |s, s⟩/√r alone,
so that for the positions' state (the cells are traced out, which is local)

    F = ⟨Φ|ρ|Φ⟩ ≥ C_1 + C_2 - 1.

A state of Schmidt number n has F ≤ n/r, and r |Φ⟩⟨Φ| has a partial transpose of norm 1, so that the Schmidt number is
at least r F, rounded up, and the log negativity at least log2(r F).

A change of cell turns both angles of the measured ensemble by whole turns: with the phases that
`jaxent.end_to_end_state` has, coherences between differences d = k_1 - k_3 and d + r are as those at d, and
only g(α, α) at r angles enters, of perfect and imperfect measurements alike:

    C_1 = Σ_(s_1 = s_3) B_1[s_1, s_1] B_3[s_3, s_3] g(s_1 - s_3)/p,   B[s, s'] = e^(-2γt(s-s')²) Σ_c √(w_s w_s'),
    C_2 = Σ_(s_1 - s_1' ≡ s_3 - s_3') B_1[s_1, s_1'] B_3[s_3, s_3'] g(s_1 - s_3)/(r p).

The sum over cells is a trapezoidal rule over every L-th, as in `noise.modular`: its error is below 1e-8 at any N.
Outcome and offset decide which difference d is correlated: cells of the last end begin d earlier, so that s_1 = s_3
there.

>>> import jax
>>> jax.config.update("jax_enable_x64", True)
>>> from jaxent import Chain, pi_fraction
>>> found = modular_witness(Chain(3, 10**4), pi_fraction(2, 5), 1e-3)      # t = 2π/5
>>> print(int(found.schmidt_number), f"{found.log_negativity:.3f} {found.fidelity:.3f}")
5 2.293 0.980
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxent import arguments, dicke, results
from jaxent.chain import Chain
from jaxent.measurement import Measurement, Records
from jaxent.messages import shown
from jaxent.noise.dephasing import EnsembleRates, Problem, Rate
from jaxent.noise.measured_ensemble import damping
from jaxent.noise.modular import check_three, checked_magic_time, levels_of
from jaxent.results import Account, Column
from jaxent.runtime import execution
from jaxent.spins import kernel
from jaxent.spins.moments import WINDOWLESS
from jaxent.times import PiFraction, Time

__all__ = ["ModularWitness", "certified", "evaluated", "modular_witness", "of_state"]

_MOST_LEVELS = 32
_REACH = 7.0  # standard deviations of k that are summed; √w is broader than w by √2
_ERROR = 1e-7  # of r F, by cells left out and by rounding; it is subtracted
_LEAST = math.log(1e-280)  # of log p
_MOST_IMPERFECT = 10**6  # N, where a record's kernel is averaged over the whole circle


class ModularWitness(NamedTuple):
    """Hold what correlations in two bases prove.

    Attributes:
        schmidt_number: certified; 1 proves nothing.
        log_negativity: a lower bound, in bits.
        fidelity: a lower bound C_1 + C_2 - 1 on the fidelity with a maximally entangled state of r levels; it may be
            negative.
        correlations: C_1 of positions and C_2 of the conjugate basis, shape (..., 2).
    """

    schmidt_number: Int[Array, "*rates"]
    log_negativity: Float[Array, "*rates"]
    fidelity: Float[Array, "*rates"]
    correlations: Float[Array, "*rates 2"]

    __repr__ = results.line
    _repr_html_ = results.table

    def _account(self) -> Account:
        columns = {
            "schmidt_number": Column(self.schmidt_number, "1", "certified Schmidt number", "Schmidt number"),
            "log_negativity": Column(self.log_negativity, "bit", "log negativity, at least", "log negativity ≥"),
            "fidelity": Column(self.fidelity, "1", "fidelity, at least", "fidelity ≥"),
        }
        return Account("rates" if np.ndim(self.fidelity) else "", columns)


def modular_witness(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate = 0.0,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    measurement: Measurement | None = None,
) -> ModularWitness:
    """Compute what two measured bases of both ends certify at a magic time: Schmidt number and log negativity.

    Both ends measure the position of k in cells of r Dicke states, and in other runs the basis conjugate to it, for
    M = 3 and any N. A bound by correlations: no state needs to be known. Where r² is not small against N it is weaker
    than the state, since conjugate bases of cells see the slope of √w_k: C_2 is about 1 - (r² - 1)/6N without noise.
    Outcomes with two peaks (q < N at φ = 0) correlate two differences at once and give little; with φ = π/2r they have
    one.

    Args:
        chain: the chain, M = 3, of any number of atoms, without a window.
        time: the magic time t = 2πp/r, a single `PiFraction`, 2 ≤ r ≤ 32 in lowest terms.
        dephasing_rate: γ ≥ 0, a scalar or an array, or `EnsembleRates`; may be traced and differentiated.
        outcomes: q_2, an int, or the record; None: N.
        phase_offset: φ in radians.
        measurement: how the middle ensemble is measured, without loss of atoms; None: perfectly. Under dephasing of
            this ensemble, up to 10^6 atoms.

    Returns:
        ModularWitness: of the shape of the rates. 10^-7 is subtracted before anything is certified. Where two
        differences are correlated alike, derivatives are those of one of them.

    Raises:
        ValueError: on any argument out of range, for other M and other times, where atoms may be lost, and for outcomes
            that cannot occur. Under a transformation values are NaN instead of the last, and the Schmidt number is 1.

    References:
        J. Bavaresco et al., Nature Physics 14, 1032 (2018): bounds on F and the Schmidt number from two bases.
        C. Spengler, M. Huber, S. Brierley, T. Adaktylos and B. C. Hiesmayr, Phys. Rev. A 86, 022311 (2012): unbiased
        bases.
        B. M. Terhal and P. Horodecki, Phys. Rev. A 61, 040301 (2000): Schmidt number and F.

    Example:
        >>> import jaxent
        >>> print(jaxent.modular_witness(jaxent.Chain(3, 100), jaxent.pi_fraction(2, 3), 0.001).schmidt_number)
        3
    """
    levels, correlations, _ = evaluated(chain, time, dephasing_rate, outcomes, phase_offset, measurement)
    return certified(levels, correlations)


def evaluated(chain, time, dephasing_rate, outcomes, phase_offset, measurement) -> tuple[int, jax.Array, jax.Array]:
    """Check arguments as `modular_witness` takes them; return r, C_1 and C_2, and the largest F over shifts."""
    problem, fraction = _checked(chain, time, dephasing_rate, outcomes, phase_offset, measurement)
    shape = _Shape(chain.n_atoms, levels_of(fraction), _may_dephase(dephasing_rate))
    correlations, fidelity, log_probability = execution.call(
        _over_rates,
        *(shape, fraction, problem.strengths, problem.outcomes[0], problem.offsets[0]),
        what=f"Correlations of {shape.levels} positions (n_atoms = {chain.n_atoms})",
        instead="use fewer rates at once",
    )
    problem.refuse_unlikely(log_probability)
    return shape.levels, correlations, fidelity


def certified(levels: int, correlations: jax.Array) -> ModularWitness:
    """Bound Schmidt number and log negativity from C_1 and C_2, shape (..., 2)."""
    fidelity = jnp.sum(correlations, axis=-1) - 1
    sure = levels * fidelity - _ERROR
    number = jnp.where(sure > 1, jnp.ceil(sure), 1.0).astype(int)
    above = sure > 1
    bits = jnp.where(above, jnp.log2(jnp.where(above, sure, 1.0)), jnp.where(jnp.isnan(sure), jnp.nan, 0.0))
    return ModularWitness(number, bits, fidelity, correlations)


def of_state(state: Any, levels: int, shift: int = 0) -> jax.Array:
    """Compute C_1 and C_2 of a density matrix ρ[k_1, k_M, k_1', k_M'], densely; s_1 = s_M where k_1 - k_M ≡ shift."""
    size = state.shape[0]
    first, last = _origins(size - 1, levels, shift)
    k = np.arange(size)
    s_1, s_3 = (k - first) % levels, (k - last) % levels
    c_1, c_3 = (k - first) // levels, (k - last) // levels
    probabilities = jnp.einsum("abab->ab", jnp.asarray(state)).real
    one = jnp.sum(jnp.where(s_1[:, None] == s_3[None, :], probabilities, 0.0))
    # within cells, and with equal steps of both ends
    within = (c_1[:, None, None, None] == c_1[None, None, :, None]) & (
        c_3[None, :, None, None] == c_3[None, None, None]
    )
    steps = (s_1[:, None, None, None] - s_1[None, None, :, None]) - (s_3[None, :, None, None] - s_3[None, None, None])
    chosen = within & (steps % levels == 0)
    return jnp.stack([one, jnp.sum(jnp.where(chosen, jnp.asarray(state).real, 0.0)) / levels])


# ------------------------------------------------------------------ arguments


class _Shape(NamedTuple):
    n_atoms: int
    levels: int
    dephased: bool


def _checked(chain, time, dephasing_rate, outcomes, phase_offset, measurement) -> tuple[Problem, PiFraction]:
    check_three(chain, WINDOWLESS)
    fraction = checked_magic_time("modular_witness", time)
    if not 2 <= levels_of(fraction) <= _MOST_LEVELS:
        raise ValueError(
            f"Argument `time` must be 2πp/r with r from 2 to {_MOST_LEVELS}, but in lowest terms has r = "
            f"{levels_of(fraction)}."
        )
    problem = Problem.of(chain, time, dephasing_rate, outcomes, phase_offset, 0.0, measurement, dense=False)
    if isinstance(problem.outcomes, Records):
        if problem.outcomes.lossy:
            raise ValueError(
                "Argument `measurement` must have atom_loss_rate = 0 here, since lost atoms tell differences apart "
                f"that this witness takes for one, but it is {shown(problem.outcomes.loss_rates)}."
            )
        if chain.n_atoms > _MOST_IMPERFECT and _may_dephase(dephasing_rate):
            raise ValueError(
                f"Argument `measurement` must be None beyond {_MOST_IMPERFECT} atoms where the measured ensemble "
                f"dephases, but n_atoms = {chain.n_atoms}."
            )
    return problem, fraction


def _may_dephase(dephasing_rate: Any) -> bool:
    """Tell whether a rate is traced, or not 0; an array is one of rates here, not of ensembles."""
    if isinstance(dephasing_rate, EnsembleRates):
        return kernel.may_dephase(dephasing_rate)
    return not arguments.is_zero(dephasing_rate)


# ----------------------------------------------------------------------- cells


def _origins(n_atoms: int, levels: int, shift: int) -> tuple[int, int]:
    """Choose where cells begin: the middle of the weights in the middle of a cell, for `shift` = 0."""
    first = n_atoms // 2 - levels // 2
    return first, first - shift


@functools.lru_cache(maxsize=256)
def _overlaps(n_atoms: int, levels: int, begin: int) -> np.ndarray:
    """Sum √(w_s w_s') over every L-th cell of k = r c + s + begin, shape (r, r)."""
    deviation = math.sqrt(n_atoms) / 2
    step = max(1, int(deviation / levels))
    side = math.ceil(math.sqrt(2) * _REACH * deviation / (step * levels)) + 1
    middle = (n_atoms // 2 - begin) // levels
    chosen = middle + step * np.arange(-side, side + 1)
    states = begin + levels * chosen[:, None] + np.arange(levels)
    inside = (states >= 0) & (states <= n_atoms)
    roots = np.where(inside, np.exp(dicke.log_weights_host(n_atoms, np.where(inside, states, 0)) / 2), 0.0)
    return step * roots.T @ roots


# -------------------------------------------------------------------- one case


@functools.partial(jax.jit, static_argnums=(0,))
def _over_rates(shape: _Shape, time, strengths, read, offset):
    flat = strengths.reshape(-1, 3)
    values, *others = jax.lax.map(lambda one: _correlations(shape, time, one, read, offset), flat)
    batch = strengths.shape[:-1]
    return values.reshape(*batch, 2), *(one.reshape(batch) for one in others)


def _correlations(shape: _Shape, time, strengths, read, offset):
    """Compute C_1 and C_2 for the shift with the largest C_1 + C_2, the largest F of all shifts, and log p."""
    levels = shape.levels
    case = kernel.Case(shape.n_atoms, shape.dephased, time, strengths[1], read, offset)
    likelihoods = kernel.likelihoods(case, np.arange(levels))  # of differences modulo r
    shifts = np.arange(levels) - levels // 2
    position = np.arange(levels)
    first, _ = _origins(shape.n_atoms, levels, 0)
    own = jnp.asarray(_overlaps(shape.n_atoms, levels, first))
    others = jnp.asarray(np.stack([_overlaps(shape.n_atoms, levels, first - int(d)) for d in shifts]))
    steps = np.subtract.outer(position, position)
    own = own * damping(steps, strengths[0])
    others = others * damping(steps, strengths[2])[None]
    # k_1 - k_3 = s_1 - s_3 + shift
    given = likelihoods[(steps[None] + shifts[:, None, None]) % levels]  # (shift, s_1, s_3)
    diagonal_1, diagonal_3 = jnp.diagonal(own), jnp.diagonal(others, axis1=1, axis2=2)
    joint = diagonal_1[None, :, None] * diagonal_3[:, None, :] * given
    totals = jnp.sum(joint, axis=(1, 2))
    possible = totals > 0
    safe = jnp.where(possible, totals, 1.0)
    ones = jnp.sum(jnp.diagonal(joint, axis1=1, axis2=2), axis=1) / safe
    # s' with s - s' ≡ δ modulo r, over (δ, s), for both ends
    partner = (position[None, :] - position[:, None]) % levels
    along_1, along_3 = own[position[None, :], partner], others[:, position[None, :], partner]
    twos = jnp.einsum("da,xdb,xab->x", along_1, along_3, given, precision="highest") / (levels * safe)
    same = jnp.diagonal(given, axis1=1, axis2=2)[:, :1]  # g at d = shift, where s_1 = s_3
    fidelities = jnp.sum(own[None] * others * same[:, :, None], axis=(1, 2)) / (levels * safe)
    best = jnp.argmax(jax.lax.stop_gradient(ones + twos))
    log_probability = jnp.where(possible[best], jnp.log(safe[best]), -jnp.inf)
    defined = jnp.where(log_probability > kernel.least_log_probability(case, _LEAST), 1.0, jnp.nan)
    if isinstance(read, Records):
        defined = jnp.where(read.possible(shape.n_atoms), defined, jnp.nan)
    else:
        defined = jnp.where((read >= 0) & (read <= shape.n_atoms), defined, jnp.nan)
    return jnp.stack([ones[best], twos[best]]) * defined, jnp.max(fidelities) * defined, log_probability * defined
