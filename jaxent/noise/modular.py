"""Compute what the ends of three dephasing ensembles keep, at magic times, once each has measured its cell ⌊k/m⌋.

At large N the coherent information of the ends turns negative although they share about log2 r ebits: the entropy of
the noise, which moves the ends from cell to cell, counts against it. Both ends can measure their cell c = ⌊k/m⌋ first,
which leaves the position a = k - mc, and m² × m² states. With α = (k_1 - k_3) t + φ and g of `noise.measured_ensemble`

    ρ_c1c3[a, b; a', b'] ∝ √(w_(mc1+a) w_(mc3+b) w_(mc1+a') w_(mc3+b')) g((a-b)t + φ, (a'-b')t + φ)
                          e^(-2γ_1 t (a-a')²) e^(-2γ_3 t (b-b')²),      t = 2πp/r, m a multiple of r.

A change of c_1 or c_3 turns both angles of g by the same multiple of 2π, so the cells enter by their weights alone,
and these vary over √N/2 in k. A sum over every L-th cell, mL ≤ √N/2, is a trapezoidal rule for the sum over all of
them: its error falls as e^(-2π² (√N/2mL)²), which is below 1e-8, at a cost that N does not enter.

Measuring the cell disturbs the phase that goes with it, and small random phases, which could be undone, then act on the
positions. If each end measures the conjugate phase κ of its cell register instead, just as local, it leaves

    ρ_κ1κ3[a, b; a', b'] ∝ g((a-b)t + φ, (a'-b')t + φ) E_1(κ_1)[a, a'] E_3(κ_3)[b, b'],
    E_j(κ)[a, a'] = Σ_n e^(-iκn) e^(-2γ_j t (a-a'+mn)²) Σ_c √(w_(mc+a) w_(m(c-n)+a')),

which is averaged over κ_1 and κ_3 by a trapezoidal rule.

An imperfect measurement (`jaxent.measurement`) has its own kernel g. Where atoms are lost g depends on the difference
of the angles itself, not modulo 2π: between cells it differs, so that phases of the registers are not to be had.

>>> import jax
>>> jax.config.update("jax_enable_x64", True)
>>> from jaxent import Chain, pi_fraction
>>> print(f"{modular_coherent_information(Chain(3, 10**6), pi_fraction(1, 2), 0.01):.4f}")
1.4033
"""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxent import arguments, dicke, spectral
from jaxent.bloch import kernel
from jaxent.chain import Chain
from jaxent.conversion import Number, whole_number
from jaxent.entanglement.measures import entropy_difference
from jaxent.measurement import Measurement, Records
from jaxent.messages import shown
from jaxent.noise.dephasing import Problem, Rate
from jaxent.noise.measured_ensemble import damping
from jaxent.numerics.rounding import epsilon
from jaxent.runtime import execution
from jaxent.times import PiFraction, Time, turns

__all__ = [
    "cells",
    "check_three",
    "checked_magic_time",
    "levels_of",
    "modular_coherent_information",
    "modular_log_probability",
    "numerator_of",
]

_REACH = 7.0  # standard deviations √N/2 of k that are summed; all but 3e-12 of each end's weight
_LOST = 1e-8  # of the state, by rounding, at most
_LARGEST_MODULUS = 32  # m² states: minutes
_DAMPED_PHASE = 42.0  # exponent of the coherences between cells that are left out: 6e-19
_MOST_PHASES = 256  # κ of each end


def modular_coherent_information(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    modulus: Number | None = None,
    register: str = "cell",
    measurement: Measurement | None = None,
) -> Float[Array, "*rates"]:
    """Compute the coherent information left after both ends have measured their cell ⌊k/m⌋, in bits, at a magic time.

    With `register="phase"` they measure the phase conjugate to the cell instead, which keeps more: at γt r² ≪ 1 nearly
    log2 r. Its cost grows as 1/γt.

    It is the mean of S(ρ_3) - S(ρ) over the states that the cells c_1 and c_3 leave, Σ p(c_1, c_3) [S(ρ_3|c_1, c_3) -
    S(ρ|c_1, c_3)]. As measuring is local, it bounds the distillable entanglement from below: end 1 tells its cell, and
    one-way communication suffices. No cell is discarded, so it may be negative; 0 is then the better bound. Towards
    end 1 exchange the rates of the ends and the sign of φ. Unlike `end_to_end_coherent_information` it has a limit for
    N → ∞, and that tends to log2 r as γt r² → 0. Up to √N = 4m all cells are summed; beyond that it is right to 1e-7
    bits.

    Args:
        chain: the chain, M = 3, of any number of atoms, without a window.
        time: the magic time t = 2πp/r, a single `PiFraction`, r ≤ 32 in lowest terms.
        dephasing_rate: γ ≥ 0, a scalar or an array, or `EnsembleRates`; may be traced and differentiated.
        outcomes: q_2, a known int, or the record; None: N.
        phase_offset: φ in radians; may be traced and differentiated.
        modulus: m, a multiple of r, at most 32; None: r.
        register: what both ends measure of c = ⌊k/m⌋: the "cell" c itself, or its conjugate "phase".
        measurement: how the middle ensemble is measured, known values; None: perfectly. Atoms that may be lost need the
            register "cell".

    Returns:
        real array of the shape of the rates.

    Raises:
        ValueError: on any argument out of range, for other M and other times, where the states do not fit in memory,
            and for outcomes that cannot occur, or so seldom that less than eight digits are left. Under a
            transformation the value is NaN instead of the last.

    References:
        I. Devetak and A. Winter, Proc. R. Soc. A 461, 207 (2005): the hashing inequality.
        D. Gottesman, A. Kitaev and J. Preskill, Phys. Rev. A 64, 012310 (2001): cells and positions in them.

    Example:
        >>> import jaxent
        >>> found = jaxent.modular_coherent_information(jaxent.Chain(3, 100), jaxent.pi_fraction(1), 0.01)
        >>> print(f"{found:.3f} bits")
        0.667 bits
    """
    problem, fraction, outcome = _checked(chain, time, dephasing_rate, outcomes, phase_offset, measurement)
    width = _checked_modulus(modulus, levels_of(fraction))
    n_frequencies = _n_frequencies(chain.n_atoms, problem.strengths[..., 1])
    shape = _Shape(chain.n_atoms, width, n_frequencies, _n_phases(register, chain, width, problem.strengths))
    if isinstance(outcome, Records) and outcome.lossy and shape.n_phases:
        raise ValueError(
            "Argument `measurement` must have atom_loss_rate = 0 for register = 'phase', since lost atoms tell cells "
            f"apart, but it is {float(outcome.loss_rates)}; use register = 'cell'."
        )
    value, log_trace = execution.call(
        _over_rates,
        *(shape, fraction, problem.strengths, problem.offsets[0], _Read.of(shape, outcome, fraction)),
        what=f"The state of two ends of {width} positions in a cell (n_atoms = {chain.n_atoms})",
        instead="use a time or modulus with fewer positions, or stronger dephasing of the measured ensemble",
    )
    problem.refuse_unlikely(log_trace)
    return value


def modular_log_probability(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    measurement: Measurement | None = None,
) -> Float[Array, "*rates"]:
    """Compute `jaxent.dephased_log_probability` at a magic time, to 1e-8: a sum over r positions of each end.

    Arguments and errors as `modular_coherent_information`. A record of a thousand atoms takes 5 ms instead of 120.
    """
    problem, fraction, outcome = _checked(chain, time, dephasing_rate, outcomes, phase_offset, measurement)
    width = _checked_modulus(None, levels_of(fraction))
    shape = _Shape(chain.n_atoms, width, _n_frequencies(chain.n_atoms, problem.strengths[..., 1]), 0)
    value = execution.call(
        _log_probabilities,
        *(shape, fraction, problem.strengths, problem.offsets[0], _Read.of(shape, outcome, fraction)),
        what=f"The probability of a record at {width} positions (n_atoms = {chain.n_atoms})",
        instead="use a time with fewer positions, or stronger dephasing of the measured ensemble",
    )
    problem.refuse_unlikely(value)
    return value


# ------------------------------------------------------------------ arguments


class _Shape(NamedTuple):
    """Hold what the compiled program depends on.

    Attributes:
        n_atoms: N.
        width: m.
        n_frequencies: number of frequencies ν ≥ 0 of the kernel.
        n_phases: number of κ of each end; 0 where cells are measured.
    """

    n_atoms: int
    width: int
    n_frequencies: int
    n_phases: int


class _Read(NamedTuple):
    """Hold the outcome q or the record, and the points of the sum that gives its kernel."""

    outcome: Any
    points: kernel.Nodes

    @classmethod
    def of(cls, shape: _Shape, outcome: Any, time: PiFraction) -> "_Read":
        points = kernel.nodes(shape.n_atoms, outcome, shape.n_frequencies, time)
        # as data, so that outcomes share a program
        return cls(outcome if isinstance(outcome, Records) else jnp.asarray(outcome), points)


def _checked(chain, time, dephasing_rate, outcomes, phase_offset, measurement) -> tuple[Problem, PiFraction, Any]:
    check_three(chain, "the cost does not grow with the number of atoms")
    fraction = checked_magic_time("modular_coherent_information", time)
    problem = Problem.of(chain, time, dephasing_rate, outcomes, phase_offset, 0.0, measurement, dense=False)
    if isinstance(problem.outcomes, Records):
        if execution.is_traced(problem.outcomes):
            raise ValueError(
                "Argument `outcomes` or `measurement` is traced by jax.jit or jax.vmap, but must be known here."
            )
        return problem, fraction, problem.outcomes[0]
    known = np.array([chain.n_atoms]) if problem.static.all_outcomes_n else arguments.concrete(problem.outcomes)
    if known is None:
        raise ValueError("Argument `outcomes` is traced by jax.jit or jax.vmap, but must be known here.")
    return problem, fraction, int(known[0])


def check_three(chain: Chain, why: str) -> None:
    """Refuse chains other than of three ensembles, and windows; `why` says that none is needed.

    Raises:
        ValueError: for them.
    """
    arguments.check_chain(chain)
    if chain.n_ensembles != 3:
        raise ValueError(f"Argument `chain` must have n_ensembles = 3 here, but has {chain.n_ensembles}.")
    if chain.window is not None:
        raise ValueError(f"Argument `chain` must have no window here, but has window = {chain.window}; {why}.")


def checked_magic_time(function: str, time: Any) -> PiFraction:
    """Return a magic time of integers of the host; `function` is who asks.

    Raises:
        ValueError: without float64, and when the time is not exact, traced, or one of several.
    """
    if jnp.result_type(float) != jnp.float64:
        raise ValueError(f'Function `{function}` needs float64; run jax.config.update("jax_enable_x64", True) first.')
    if not isinstance(time, PiFraction):
        raise ValueError(
            f"Argument `time` must be an exact magic time, as jaxent.pi_fraction(2, 3) for 2π/3, but is {shown(time)}."
        )
    numerator, denominator = (arguments.concrete(part) for part in (time.numerator, time.denominator))
    if numerator is None or denominator is None:
        raise ValueError("Argument `time` is traced by jax.jit or jax.vmap, but must be known here.")
    if numerator.shape:
        raise ValueError(f"Argument `time` must be a single time here, but has the shape {numerator.shape}.")
    return PiFraction(int(numerator), int(denominator))


def levels_of(time: PiFraction) -> int:
    """Compute r of t = 2πp/r in lowest terms."""
    return int(2 * time.denominator // math.gcd(time.numerator, 2 * time.denominator))


def numerator_of(time: PiFraction) -> int:
    """Return p of t = 2πp/r."""
    return int(time.numerator) * levels_of(time) // (2 * int(time.denominator))


def _checked_modulus(modulus: Number | None, levels: int) -> int:
    if modulus is None:
        if levels > _LARGEST_MODULUS:
            raise ValueError(
                f"Argument `time` must be 2πp/r with r up to {_LARGEST_MODULUS}, but in lowest terms has r = {levels}."
            )
        return levels
    width = whole_number("modulus", modulus, 1, _LARGEST_MODULUS)
    if width % levels:
        raise ValueError(
            f"Argument `modulus` must be a multiple of r = {levels} of the time 2πp/r, but is {shown(modulus)}."
        )
    return width


def _n_frequencies(n_atoms: int, strengths: jax.Array) -> int:
    """Bound ν by what the weights of the measured ensemble, or its least dephasing γ_2 t, leave above 1e-18."""
    most = min(n_atoms, math.ceil(9.2 * math.sqrt(n_atoms)))
    known = arguments.concrete(strengths)
    least = 0.0 if known is None or not known.size else float(known.min())
    if least > 0:
        most = min(most, math.ceil(math.sqrt(20.8 / least)))
    return min(n_atoms, 2 ** most.bit_length()) + 1  # few shapes, so few compilations


def _n_phases(register: str, chain: Chain, width: int, strengths: jax.Array) -> int:
    """Choose the number of κ: twice the hops between cells that dephasing leaves, or all cells."""
    if register not in ("cell", "phase"):
        raise ValueError(f"Argument `register` must be 'cell' or 'phase', but is {shown(register)}.")
    if register == "cell":
        return 0
    known = arguments.concrete(strengths)
    if known is None:
        raise ValueError(
            "Argument `dephasing_rate` or `time` is traced by jax.jit or jax.vmap, but register = 'phase' needs known "
            "ones; use 'cell' there."
        )
    least = float(known[..., [0, 2]].min()) if known.size else 1.0
    reach = math.sqrt(_DAMPED_PHASE / (2 * least)) if least > 0 else math.inf
    hops = math.ceil(min(reach, chain.n_atoms + 1, 2 * _REACH * math.sqrt(chain.n_atoms)) / width) + 1
    if hops > _MOST_PHASES // 2:
        raise ValueError(
            f"Argument `dephasing_rate` must leave few cells coherent for register = 'phase', but γt = {least:.3g} "
            f"leaves {hops} of width {width}, more than {_MOST_PHASES // 2}; use register = 'cell', or more dephasing."
        )
    return 2 * 2 ** max(2, (hops - 1).bit_length())


# ----------------------------------------------------------------------- cells


class _Cells(NamedTuple):
    """Hold the cells of one end that are summed, on the host.

    Attributes:
        roots: √w within each cell, of norm one, shape (C, m).
        weights: the share of each cell, shape (C,).
    """

    roots: np.ndarray
    weights: np.ndarray


@functools.lru_cache(maxsize=16)
def cells(n_atoms: int, width: int, step: int | None = None) -> _Cells:
    """Choose every `step`-th cell out to `_REACH` standard deviations; None: the largest step that costs no digits."""
    deviation = math.sqrt(n_atoms) / 2
    step = step or max(1, int(deviation / width))
    side = math.ceil(_REACH * deviation / (step * width)) + 1
    chosen = n_atoms // 2 // width + step * np.arange(-side, side + 1)
    chosen = chosen[(chosen >= 0) & (chosen <= n_atoms // width)]
    states = width * chosen[:, None] + np.arange(width)
    inside = states <= n_atoms
    values = np.where(inside, np.exp(dicke.log_weights_host(n_atoms, np.where(inside, states, 0))), 0.0)
    sums = values.sum(axis=1)
    kept = sums > 1e-300
    sums = sums[kept]
    return _Cells(np.sqrt(values[kept] / sums[:, None]), sums / sums.sum())


@functools.lru_cache(maxsize=16)
def _between_cells(n_atoms: int, width: int, hops: int) -> np.ndarray:
    """Sum √(w_(mc+a) w_(m(c-n)+a')) over every L-th cell c, for n = -hops…hops: shape (2 hops + 1, m, m)."""
    deviation = math.sqrt(n_atoms) / 2
    step = max(1, int(deviation / width))
    # √w is broader than w by √2, and c and c - n lie on both sides of the middle
    side = math.ceil((math.sqrt(2) * _REACH * deviation / width + hops) / step) + 1
    chosen = n_atoms // 2 // width + step * np.arange(-side, side + 1)
    states = width * (chosen[:, None] - np.arange(-hops, hops + 1))[..., None] + np.arange(width)  # (C, n, m)
    inside = (states >= 0) & (states <= n_atoms)
    roots = np.where(inside, np.exp(dicke.log_weights_host(n_atoms, np.where(inside, states, 0)) / 2), 0.0)
    return step * np.einsum("ca,cnb->nab", roots[:, hops], roots)


# -------------------------------------------------------------------- one case


@functools.partial(jax.jit, static_argnums=(0,))
def _over_rates(shape: _Shape, time: PiFraction, strengths, offset, read: _Read):
    flat = strengths.reshape(-1, 3)
    mean = _mean_over_phases if shape.n_phases else _mean_over_cells
    values, log_traces = jax.lax.map(lambda one: mean(shape, time, one, offset, read), flat)
    return values.reshape(strengths.shape[:-1]), log_traces.reshape(strengths.shape[:-1])


@functools.partial(jax.jit, static_argnums=(0,))
def _log_probabilities(shape: _Shape, time: PiFraction, strengths, offset, read: _Read):
    """Compute log p as the sum over positions of both ends, NaN if digits are lost."""
    differences = np.arange(1 - shape.width, shape.width)
    none = np.zeros(1, int)
    table = kernel.coefficients(shape.n_atoms, *read, none, 1, time, shape.n_frequencies).real
    found: Any = cells(shape.n_atoms, shape.width)
    shares = found.weights @ found.roots**2
    weights = np.convolve(shares, shares[::-1])  # of a - b
    angles = turns(differences, time) + offset / (2 * jnp.pi)

    def of_strength(strength):
        damped = kernel.damped(table, strength)
        total = jnp.dot(weights, kernel.at_angles(damped, angles)[:, 0])
        kept = total * _LOST > _roundings(shape, read, damped)
        return jnp.where(kept, jnp.log(jnp.where(kept, total, 1.0)), jnp.nan)

    return jax.vmap(of_strength)(strengths[..., 1].reshape(-1)).reshape(strengths.shape[:-1])


def _roundings(shape: _Shape, read: _Read, table):
    """Bound the rounding error of values of a table."""
    # angles are right to a few ε of a turn, which ν multiplies; powers magnify the roundings of a record's bases
    roundings = 8.0 * (1 + jnp.arange(shape.n_frequencies))
    roundings = roundings + shape.n_atoms / 8 if isinstance(read.outcome, Records) else roundings
    return epsilon(roundings.dtype) * jnp.sum(jnp.abs(table[0]) * roundings)


def _kernel_table(shape: _Shape, time, strength, offset, read: _Read) -> tuple[jax.Array, jax.Array]:
    """Compute g(dt + φ, d't + φ) for d, d' = -(m-1)…m-1, shape (2m-1, 2m-1), and a bound on its rounding error."""
    reach = 2 * (shape.width - 1)
    hops = np.arange(reach + 1)  # g(x - jt/2, x + jt/2) is even in j
    table = kernel.coefficients(shape.n_atoms, *read, hops, reach, time, shape.n_frequencies)
    table = kernel.damped(table, strength)
    sums = np.arange(-reach, reach + 1)
    values = kernel.at_angles(table, turns(sums, time, 1) + offset / (2 * jnp.pi))  # (d + d', |d - d'|)
    steps = np.arange(1 - shape.width, shape.width)
    apart = np.subtract.outer(steps, steps)
    found = values[np.add.outer(steps, steps) + reach, abs(apart)]
    if jnp.iscomplexobj(found):  # atoms may be lost; computed is j = d' - d ≥ 0
        found = jnp.where(apart > 0, found.conj(), found)
    return found, _roundings(shape, read, table)


def _between_positions(shape: _Shape, time, strength, offset, read):
    """Compute g between pairs of positions (a, b, a', b'), the differences a - b, and the error of `_kernel_table`."""
    table, error = _kernel_table(shape, time, strength, offset, read)
    position = np.arange(shape.width)
    pairs = np.subtract.outer(position, position)
    index = pairs + (shape.width - 1)
    return table[index[:, :, None, None], index[None, None, :, :]], pairs, error


def _mean_over_cells(shape: _Shape, time, strengths, offset, read):
    """Compute the mean of S(ρ_3) - S(ρ) over pairs of cells, and log p but for a factor; NaN if digits are lost."""
    coherences, pairs, error = _between_positions(shape, time, strengths[1], offset, read)
    found: Any = cells(shape.n_atoms, shape.width)
    roots, weights = jnp.asarray(found.roots), jnp.asarray(found.weights)
    coherences = coherences * damping(pairs, strengths[0])[:, None, :, None]
    coherences = coherences * damping(pairs, strengths[2])[None, :, None, :]

    def of_cells(pair):
        first, third = roots[pair[0]], roots[pair[1]]
        factor = first[:, None] * third[None, :]
        state = coherences * factor[:, :, None, None] * factor[None, None, :, :]
        return _weighted(shape, state, weights[pair[0]] * weights[pair[1]])

    return _mean(shape, of_cells, len(found.weights), error)


def _mean_over_phases(shape: _Shape, time, strengths, offset, read):
    """Compute `_mean_over_cells` for a measurement of κ_1 and κ_3."""
    coherences, pairs, error = _between_positions(shape, time, strengths[1], offset, read)
    hops = shape.n_phases // 2
    steps = np.arange(-hops, hops + 1)
    between = jnp.asarray(_between_cells(shape.n_atoms, shape.width, hops))
    waves = np.exp(-2j * np.pi * np.outer(np.arange(shape.n_phases), steps) / shape.n_phases)

    def phases(strength):
        """Compute E(κ) for each κ, shape (K, m, m)."""
        damped = damping(pairs[None] + shape.width * steps[:, None, None], strength) * between
        return jnp.einsum("kn,nab->kab", waves, damped.astype(waves.dtype), precision="highest") / shape.n_phases

    first, third = phases(strengths[0]), phases(strengths[2])

    def of_phases(pair):
        factor = first[pair[0]][:, None, :, None] * third[pair[1]][None, :, None, :]
        return _weighted(shape, coherences * factor, 1.0)

    return _mean(shape, of_phases, shape.n_phases, error)


def _weighted(shape: _Shape, state, weight):
    """Compute p [S(ρ_3) - S(ρ)] and p of an unnormalized state over (a, b, a', b')."""
    trace = jnp.einsum("abab->", state).real
    possible = trace > 0
    state = state / jnp.where(possible, trace, 1.0)
    reduced = jnp.einsum("abac->bc", state)
    whole = state.reshape(shape.width**2, shape.width**2)
    value = spectral.of_eigenvalues(functools.partial(entropy_difference, shape.width), [reduced, whole])
    share = weight * trace
    return jnp.where(possible, share * value, 0.0), jnp.maximum(share, 0.0)


def _mean(shape: _Shape, function, count: int, error):
    """Average over all pairs of `count` results of both ends; NaN if digits are lost."""
    every = np.indices((count, count)).reshape(2, -1).T
    batch = max(1, 2**18 // shape.width**4)
    terms, shares = jax.lax.map(function, jnp.asarray(every), batch_size=min(batch, len(every)))
    total = jnp.sum(shares)
    kept = total * _LOST > error
    safe = jnp.where(kept, total, 1.0)
    return jnp.where(kept, jnp.sum(terms) / safe, jnp.nan), jnp.where(kept, jnp.log(safe), jnp.nan)
