"""The first end of a chain on the sphere: its Husimi function, conditional on a result at the last end, or marginal.

For M = 3 no matrix of both ends is formed unless noise, a direction or the trace over the last end asks for one. With
f = f_q(α), α = (k_1 - k_3)t + φ, the state of the first end is

    last end in |k_3⟩, pure:    ψ(k_1) = √w_(k_1) f e^(i N k_1 t/2),
    last end traced out, pure:  ρ(k_1, k_1') = √w √w' Σ_(k_3) w_(k_3) f f' e^(i N (k_1-k_1') t/2),

and under dephasing the kernel g(α, α') of `noise.measured_ensemble` stands for f f', times e^(-2γ_1 t (k_1-k_1')²).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxent import arguments, dicke
from jaxent.chain import Chain
from jaxent.measurement import Measurement, Records
from jaxent.messages import shown
from jaxent.noise import density_matrix, dephasing, measured_ensemble
from jaxent.numerics.algebra import between_diagonals, matmul, multiply, pairwise_differences, scaled_columns
from jaxent.phase_space import banded
from jaxent.phase_space.directions import Directions
from jaxent.phase_space.husimi import of_state
from jaxent.protocol import dense, matrix_product
from jaxent.protocol.dispatch import Problem
from jaxent.runtime import execution, memory
from jaxent.times import BondTimes, Time, turns, unit

__all__ = ["end_to_end_husimi"]

_BANDED_FROM = 200  # Dicke states


class _DickeState(NamedTuple):
    """Hold the number of the Dicke state in which the last end is found, counted from the first of the window."""

    index: Any


class _CoherentState(NamedTuple):
    """Hold the angles of the coherent state in which the last end is found."""

    theta: Any
    phi: Any


def end_to_end_husimi(
    chain: Chain,
    time: Time,
    theta: arguments.Offsets,
    phi: arguments.Offsets,
    dephasing_rate: dephasing.Rate = 0.0,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    last_state: ArrayLike | None = None,
    last_direction: arguments.Offsets | None = None,
    measurement: Measurement | None = None,
) -> Float[Array, "*directions"]:
    """Compute the Husimi function of the first end, for a result at the last end or with the last end traced out.

    It is normalized to 1 over the sphere, whatever the probability of outcomes and result. All phases are kept: H turns
    the first end by -Nt/2 about S_z on average, which is where the `tangent_plane` best touches.

    For M = 3 without noise a `last_state` takes any N in a window (N = 10^6, 6001 states: 0.04 s for 3600 directions),
    a `last_direction` D² and the marginal D³ operations. Known dephasing rates leave a band of coherences, at any N as
    well (N = 10^6, γ = 0.003: 0.6 s). Records, traced rates, and a `last_direction` under noise take the (2D)²
    coherences of the measured ensemble. Other M take the matrix, or under noise the density matrix, of both ends.

    Args:
        chain: the chain.
        time: one time, a float or a `PiFraction`; without noise `BondTimes`, too.
        theta: polar angle from +S_z in radians, of any shape.
        phi: azimuth from +S_x in radians, of a shape that broadcasts with it.
        dephasing_rate: γ, a scalar, or one rate for each ensemble as (M,) values or `EnsembleRates`.
        outcomes: q_2…q_(M-1), an int or (M-2,) ints; None: all N.
        phase_offset: φ in radians, a scalar or (M-2,) values.
        last_state: k_M, if the last end is found in the Dicke state |k_M⟩; an integer.
        last_direction: (θ', φ'), if the last end is found in the coherent state |θ', φ'⟩; two numbers.
        measurement: how the inner ensembles are measured; None: perfectly.

    Returns:
        real array of the shape to which the angles broadcast.

    Raises:
        ValueError: on any argument out of range, where a matrix does not fit in memory, and for outcomes and results
            that cannot occur, or so seldom that rounding leaves less than eight digits. Under a transformation NaN
            instead.

    Example:
        >>> import numpy as np
        >>> import jaxent
        >>> chain, half = jaxent.Chain(3, 20), jaxent.pi_fraction(1)
        >>> values = jaxent.end_to_end_husimi(chain, half, np.pi / 2, np.array([0.0, np.pi / 2, np.pi]), last_state=10)
        >>> print(np.round(values, 3))
        [0.836 0.    0.836]
    """
    arguments.check_chain(chain)
    directions = Directions.of(theta, phi)
    given = _checked_result(chain, last_state, last_direction)
    noiseless = not isinstance(dephasing_rate, dephasing.EnsembleRates) and arguments.is_zero(dephasing_rate)
    perfect = measurement is None or (isinstance(measurement, Measurement) and measurement.is_perfect)
    if noiseless and perfect:
        state, log_probability = _pure(Problem.of(chain, time, outcomes, phase_offset), given)
    else:
        if not isinstance(dephasing_rate, dephasing.EnsembleRates) and np.ndim(dephasing_rate) == 1:
            dephasing_rate = dephasing.EnsembleRates(dephasing_rate)
        problem = dephasing.Problem.of(
            chain, time, dephasing_rate, outcomes, phase_offset, 0.0, measurement, dense=chain.n_ensembles != 3
        )
        problem.refuse_batch()
        if _is_banded(problem, given):
            return _of_bands(problem, given, directions, last_state)
        state, log_probability = _noisy(problem, given)
    _refuse_impossible(log_probability, given, last_state, last_direction)
    return of_state(state, chain.n_atoms, dicke.window_ends(chain.n_atoms, chain.window)[0], directions)


def _is_banded(problem: dephasing.Problem, given: Any) -> bool:
    """Whether the coherences that known noise leaves are few diagonals of many states."""
    chain, strengths = problem.static.chain, arguments.concrete(problem.strengths)
    if chain.n_ensembles != 3 or chain.dimension < _BANDED_FROM or isinstance(given, _CoherentState):
        return False
    known = strengths is not None and strengths[0] > 0 and strengths[1] > 0
    return known and not isinstance(problem.outcomes, Records)


def _of_bands(problem: dephasing.Problem, given: Any, directions: Directions, last_state: Any) -> jax.Array:
    chain, static = problem.static.chain, problem.static
    index = None if given is None else given.index
    bands, log_probability = banded.end(
        chain, static.all_outcomes_n, problem.time, problem.strengths, problem.outcomes[0], problem.offsets[0], index
    )
    _refuse_impossible(log_probability, given, last_state, None)
    return banded.husimi_of_bands(bands, chain.n_atoms, dicke.window_ends(chain.n_atoms, chain.window)[0], directions)


def _checked_result(chain: Chain, last_state: Any, last_direction: Any) -> Any:
    """Check what was found at the last end; None if nothing was."""
    if last_state is not None and last_direction is not None:
        raise ValueError(
            "Arguments `last_state` and `last_direction` must not both be given: the last end is found in a Dicke "
            "state or in a coherent state."
        )
    if last_state is not None:
        first, last = dicke.window_ends(chain.n_atoms, chain.window)
        array = arguments.as_whole_numbers("last_state", last_state, "be an integer")
        if array.shape:
            raise ValueError(
                f"Argument `last_state` must be one integer, but has shape {shown(array.shape)}; use jax.vmap."
            )
        value = arguments.concrete(array)
        if value is not None and not first <= value <= last:
            raise ValueError(
                f"Argument `last_state` must be one of the states {first}…{last} that are kept of n_atoms = "
                f"{chain.n_atoms} with window = {chain.window}, but is {shown(last_state)}."
            )
        return _DickeState(jnp.asarray(array if value is None else int(value), jnp.result_type(int)) - first)
    if last_direction is None:
        return None
    angles = arguments.checked_real("last_direction", last_direction)
    if angles.shape != (2,):
        raise ValueError(
            f"Argument `last_direction` must be a pair of angles (θ, φ), but has shape {shown(angles.shape)}; use "
            "jax.vmap for many."
        )
    return _CoherentState(angles[0], angles[1])


def _refuse_impossible(log_probability: jax.Array, given: Any, last_state: Any, last_direction: Any) -> None:
    host = arguments.concrete(log_probability)
    if host is None or host > -np.inf:
        return
    name, value = "outcomes", None
    if given is not None:
        name, value = (
            ("last_state", last_state) if isinstance(given, _DickeState) else ("last_direction", last_direction)
        )
    what = f"Argument `{name}`" + ("" if given is None else f" = {shown(value)}")
    raise ValueError(
        f"{what} cannot occur at this time, or so seldom that rounding leaves less than eight digits of the state; "
        "choose what can occur (jaxent.sample_outcomes draws outcomes)."
    )


def _words(chain: Chain) -> tuple[str, str]:
    """Return the words of a memory error: what needs the memory, and what to use instead."""
    what = (
        f"The state of one end of {chain.dimension} Dicke states (n_atoms = {chain.n_atoms}, window = {chain.window})"
    )
    return what, "use a smaller window, or without noise a `last_state`"


def _found(chain: Chain, given: _CoherentState) -> jax.Array:
    """Compute the amplitudes ⟨θ', φ'|k⟩ over the states of the window."""
    states = chain.states
    size = dicke.overlap(chain.n_atoms, jnp.asarray(states, jnp.result_type(int)), given.theta / (4 * jnp.pi))
    return multiply(size, unit(turns(states - states[0], given.phi)))


def _turned(chain: Chain, time: Any) -> jax.Array:
    """Compute e^(i N k t/2) over the states of the window, but for a common phase."""
    states = chain.states
    return unit(turns(chain.n_atoms * (states - states[0]), time, 1))


def _normal(state: jax.Array, twin: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Normalize a vector or density matrix and return log p; NaN where its twin, changed by rounding, is far off."""
    largest = jnp.max(jnp.abs(jax.lax.stop_gradient(state)))
    scale = jnp.where(largest > 0, largest, 1.0)
    state, twin = (x / scale.astype(x.dtype) for x in (state, jax.lax.stop_gradient(twin)))
    power = 2 if state.ndim == 1 else 1
    total = jnp.sum(jnp.abs(state) ** 2) if state.ndim == 1 else jnp.trace(state).real
    safe = jnp.where(total > 0, total, 1.0)
    log_probability = jnp.where(total > 0, jnp.log(safe) + power * jnp.log(scale), -jnp.inf)
    norm = safe ** (1 / power)
    apart = jnp.linalg.norm(jax.lax.stop_gradient(state - twin).ravel()) / jax.lax.stop_gradient(norm)
    return dense.guarded(state / norm.astype(state.dtype), log_probability, jnp.where(total > 0, apart, 0.0))


# ------------------------------------------------------------------ without noise


def _pure(problem: Problem, given: Any) -> tuple[jax.Array, jax.Array]:
    """Compute the state of the first end, a vector or for the marginal a matrix, and log p of outcomes and result."""
    chain = problem.chain
    arguments.check_precision(chain.n_atoms, problem.time)
    arguments.checked_time(problem.time, chain.n_ensembles, single=True)
    what, instead = _words(chain)
    if chain.n_ensembles == 3 and not isinstance(problem.time, BondTimes):
        if not isinstance(given, _DickeState):
            memory.check_memory(8 * chain.dimension**2, what, instead)
        program, given_to = _end_of_three, (problem.time, problem.outcomes, problem.offsets, given)
        static = (chain, problem.all_outcomes_n)
    else:
        program, given_to, static = _end_of_matrix, (problem.amplitudes(), given), (chain,)
    return execution.call(program, *static, *given_to, what=what, instead=instead)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _end_of_three(chain: Chain, all_outcomes_n: bool, time: Any, outcomes: Any, offsets: Any, given: Any):
    root = matrix_product.root_weights(chain.ensemble(1))
    size = chain.dimension
    differences = np.arange(1 - size, size)

    def end(wrong):
        values = matrix_product.even_values(
            chain.n_atoms, time, outcomes[0], offsets[0], all_outcomes_n, differences, wrong=wrong
        )
        if isinstance(given, _DickeState):  # f of k_1 - k_3 for all k_1
            column = jax.lax.dynamic_slice_in_dim(values, size - 1 - given.index, size)
            return multiply(root * column * _weight(root, given.index), _turned(chain, time))
        matrix = matrix_product.toeplitz(values, size)
        if given is None:
            mixed = matmul(scaled_columns(matrix, root**2), matrix.T)
            turn = multiply(root, _turned(chain, time))
            return between_diagonals(turn, mixed, turn.conj())
        found = multiply(root, multiply(_found(chain, given), _turned(chain, time).conj()))
        parts = matmul(matrix, jnp.stack([found.real, found.imag], axis=1))
        return multiply(jax.lax.complex(parts[:, 0], parts[:, 1]), multiply(root, _turned(chain, time)))

    return _normal(end(False), end(True))


def _weight(values: jax.Array, index: Any) -> jax.Array:
    """Return the value at a place, NaN beyond the ends."""
    inside = (index >= 0) & (index < values.shape[0])
    return values[jnp.clip(index, 0, values.shape[0] - 1)] * jnp.where(inside, 1.0, jnp.nan)


@functools.partial(jax.jit, static_argnums=0)
def _end_of_matrix(chain: Chain, matrix: Any, given: Any):
    def end(amplitudes):
        if given is None:
            return matmul(amplitudes, amplitudes.conj().T)
        if isinstance(given, _DickeState):
            column = amplitudes[:, jnp.clip(given.index, 0, chain.dimension - 1)]
            return multiply(column, _weight(jnp.ones(chain.dimension, column.real.dtype), given.index))
        return matmul(amplitudes, _found(chain, given)[:, None])[:, 0]

    return _normal(end(matrix), end(matrix_product.roundings(matrix)))


# ------------------------------------------------------------------ with noise


def _noisy(problem: dephasing.Problem, given: Any) -> tuple[jax.Array, jax.Array]:
    """Compute the density matrix of the first end, and log p of outcomes and result."""
    chain = problem.static.chain
    what, instead = _words(chain)
    if chain.n_ensembles == 3:
        memory.check_memory(32 * (2 * chain.dimension - 1) ** 2, what, instead)
    else:
        problem.refuse_large_state()
    return execution.call(
        _noisy_end,
        *(problem.static, problem.time, problem.strengths, problem.shared, problem.outcomes, problem.offsets, given),
        what=what,
        instead=instead,
    )


@functools.partial(jax.jit, static_argnums=0)
def _noisy_end(static: Any, time: Any, strengths: Any, shared: Any, outcomes: Any, offsets: Any, given: Any):
    chain = static.chain
    if chain.n_ensembles == 3:
        ends = [
            _noisy_end_of_three(static, time, strengths, outcomes, offsets, given, wrong) for wrong in (False, True)
        ]
        state, log_probability = _normal(*ends)
    else:
        whole, log_probability = density_matrix.whole_state(static, time, strengths, shared, outcomes, offsets)
        state = _of_whole(chain, whole, given)
        state, log_share = _normal(state, matrix_product.roundings(state))
        log_probability = log_probability + log_share
    if isinstance(outcomes, Records):
        possible = jnp.where(outcomes.possible(chain.n_atoms), 1.0, jnp.nan)
        return state * possible, log_probability * possible
    return arguments.nan_unless_possible((state, log_probability), outcomes, chain.n_atoms)


def _of_whole(chain: Chain, whole: jax.Array, given: Any) -> jax.Array:
    """Reduce the state (k_1, k_M, k_1', k_M') of both ends to the first."""
    if given is None:
        return jnp.einsum("abcb->ac", whole)
    if isinstance(given, _DickeState):
        index = jnp.clip(given.index, 0, chain.dimension - 1)
        one = jnp.ones(chain.dimension, whole.real.dtype)
        return multiply(whole[:, index, :, index], _weight(one, given.index))
    found = _found(chain, given).astype(whole.dtype)
    return jnp.einsum("abcd,b,d->ac", whole, found, found.conj(), precision="highest")


def _noisy_end_of_three(static, time, strengths, outcomes, offsets, given, wrong):
    chain, size = static.chain, static.chain.dimension
    table = measured_ensemble.even_table(
        *(chain.n_atoms, dicke.differences(*chain.ends), time, strengths[1], outcomes[0], offsets[0]),
        *(static.all_outcomes_n, wrong),
    )
    root = matrix_product.root_weights(chain.ensemble(1))
    pairs = pairwise_differences(jax.lax.iota(int, size))

    def block(index):
        """Select g over k_1 and k_1' for the last end in one Dicke state."""
        start = size - 1 - index
        return jax.lax.dynamic_slice(table, (start, start), (size, size))

    if isinstance(given, _DickeState):
        mixed = block(given.index) * _weight(root**2, given.index)
    elif given is None:

        def add(total, term):
            index, weight = term
            return total + weight.astype(table.dtype) * block(index), None

        start = jnp.zeros((size, size), table.dtype)
        mixed, _ = execution.scan(add, start, (jax.lax.iota(int, size), root**2))
    else:
        found = multiply(root, multiply(_found(chain, given), _turned(chain, time).conj()))
        last = between_diagonals(found, measured_ensemble.damping(pairs, strengths[2]), found.conj())

        def add_row(total, term):
            index, row = term
            rows = jax.lax.dynamic_slice_in_dim(table, size - 1 - index, size)  # over k_1 and all k_1' - k_3'
            # Σ_(k_3') row(k_3') g(…, k_1' - k_3')
            shifts = (jax.lax.iota(int, 2 * size - 1) - (size - 1))[:, None]
            place = jax.lax.iota(int, size)[None, :] - shifts
            inside = (place >= 0) & (place < size)
            toeplitz = jnp.where(inside, row[jnp.clip(place, 0, size - 1)], 0.0)
            return total + matmul(rows, toeplitz), None

        start = jnp.zeros((size, size), last.dtype)
        mixed, _ = execution.scan(add_row, start, (jax.lax.iota(int, size), last))
    turn = multiply(root, _turned(chain, time))
    damped = multiply(mixed, measured_ensemble.damping(pairs, strengths[0]))
    return between_diagonals(turn, damped, turn.conj())
