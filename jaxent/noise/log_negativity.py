"""Choose how the log negativity of the dephased ends is computed, for a tolerance, and say how sure it is.

For three ensembles that dephase independently there are four ways: the dense partial transpose (exact, up to a few
hundred atoms), Bloch bands and, at magic times, r × r blocks (`jaxent.bloch`; any N where γtN is not small), and for
γ = 0 the entropy of a pure state (any N). Each has an error in bits that is bounded or estimated here.

>>> from jaxent import Chain, pi_fraction
>>> found = log_negativity_with_errors(Chain(3, 10**6), pi_fraction(1, 2), 0.01)
>>> print(f"{found.value:.3f}", found.method, bool(found.error < 1e-3))
1.995 blocks True
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from jaxent import arguments, bloch, results
from jaxent.chain import Chain
from jaxent.conversion import positive
from jaxent.measurement import Measurement, Records
from jaxent.messages import shown
from jaxent.noise import density_matrix
from jaxent.noise.dephasing import Problem, Rate
from jaxent.noise.jitter import Jitter
from jaxent.protocol.dispatch import ImpossibleOutcomes
from jaxent.protocol.ends import end_to_end_renyi_entropy
from jaxent.results import Account, Column
from jaxent.runtime import execution, memory
from jaxent.times import PiFraction, Time, batch_shape, time_value

__all__ = [
    "DEFAULT_TOLERANCE",
    "LogNegativityWithErrors",
    "end_to_end_log_negativity",
    "log_negativity_with_errors",
    "macroscopic_log_negativity",
]

DEFAULT_TOLERANCE = 1e-3  # bits
_LEAST_NOISE = 3.0  # γ̄tN below which the envelope's expansion is not tried
_QUICK, _PATIENT = 0.5, 120.0  # seconds: dense matrices are preferred below, and not tried beyond
_WINDOW_SHARE = 1 / 4  # of the tolerance
_WIDEST = 8.0
DENSE_ERROR = 1e-9


class LogNegativityWithErrors(NamedTuple):
    """Hold a log negativity and the parts of its error, in bits; arrays of the shape of times and rates.

    Attributes:
        value: E.
        method: "dense", "band", "blocks" or "pure" for each value; a str for a single one.
        hop_error: bound on the coherences left out.
        quadrature_error: bound on the error of the rule that replaces eigenvalues.
        bloch_error: estimate, from half as many, of the error of the finite number of Bloch phases.
        envelope_error: estimate of the error of the expansion in 1/N.
        window_error: bound on what states beyond a window change.
        rounding_error: estimate of the error of rounding.
    """

    value: Any
    method: Any
    hop_error: Any
    quadrature_error: Any
    bloch_error: Any
    envelope_error: Any
    window_error: Any
    rounding_error: Any

    __repr__ = results.line
    _repr_html_ = results.table

    def _account(self) -> Account:
        methods = ", ".join(sorted(set(np.ravel(np.asarray(self.method)).tolist())))
        names = [name for name in self._fields if name.endswith("_error")]
        parts = {name: Column(getattr(self, name), "bit", name.replace("_", " ")) for name in names}
        columns = {
            "value": Column(self.value, "bit", "log negativity of the ends", "E"),
            "error": Column(self.error, "bit", "error", results.ERROR),
            "method": Column(methods, symbol=results.ALONE),
        }
        return Account("values" if np.ndim(self.value) else "", columns | parts)

    @property
    def error(self) -> Any:
        """Sum of all parts."""
        return sum(self[2:])


def end_to_end_log_negativity(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    collective_rate: ArrayLike = 0.0,
    *,
    tolerance: float | None = None,
    measurement: Measurement | None = None,
    jitter: Jitter | None = None,
) -> Float[Array, "*batch"]:
    """Compute the logarithmic negativity log2 ‖ρ^(T_1)‖_1 of the two ends under dephasing, in bits.

    For M = 3 the partial transpose is real symmetric and is split by parity (φ known to be 0) and by the exchange of
    the ends (one rate for all): four blocks of about D²/4, two for φ ≠ 0.

    With a `tolerance`, three ensembles of any number of atoms are possible, by the methods of
    `log_negativity_with_errors`; `jax.grad` at known values is possible, `jax.jit` and `jax.vmap` are not. For the best
    offset or time use `jaxent.maximize` with the objective "log_negativity".

    Where eigenvalues of the transpose vanish (a pure state, t = 0) the trace norm has a kink; derivatives there are
    one-sided, towards more noise, so d/dγ at γ = 0 is correct. Second derivatives are not supported there.

    Args:
        chain: the chain.
        time: t ≥ 0 for all bonds, a float or a `PiFraction` of any shape.
        dephasing_rate: γ ≥ 0, a scalar or an array that broadcasts with `time`, or `EnsembleRates`.
        outcomes: q_2…q_(M-1), an int or (M-2,) ints; None: all N. With a `measurement` of finite resolution, real
            records.
        phase_offset: φ in radians, a scalar or (M-2,) values.
        collective_rate: Γ ≥ 0 of a noise that all ensembles share; broadcasts likewise.
        tolerance: largest error in bits, for M = 3 and Γ = 0; None: dense matrices, right to rounding.
        measurement: how the inner ensembles are measured; None: perfectly.
        jitter: how far strength times time of the interaction varies, M = 3, without a tolerance; None: not at all.

    Returns:
        real array of the broadcast shape of times and rates.

    Raises:
        ValueError: on any argument out of range, where the matrices do not fit in memory, and for outcomes of
            probability zero, or so small that the state cancels to less than eight digits (as estimated with it). Under
            a transformation their log negativity is NaN instead.

    Example:
        >>> import jaxent
        >>> chain, half = jaxent.Chain(3, 8), jaxent.pi_fraction(1)
        >>> print(f"{jaxent.end_to_end_log_negativity(chain, half, 0.01):.4f} bits")
        0.9979 bits
    """
    if tolerance is not None:
        if jitter is not None:
            raise ValueError(
                f"Argument `jitter` must be None with a tolerance, but is {shown(jitter)}; leave `tolerance` out."
            )
        return _within_tolerance(
            chain, time, dephasing_rate, outcomes, phase_offset, collective_rate, tolerance, measurement
        )
    problem = Problem.of(chain, time, dephasing_rate, outcomes, phase_offset, collective_rate, measurement, jitter)
    value, log_probability = problem.run(density_matrix.log_negativity)
    problem.refuse_unlikely(log_probability)
    return value


def log_negativity_with_errors(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate,
    outcomes: arguments.Outcomes | None = None,
    phase_offset: arguments.Offsets = 0.0,
    *,
    tolerance: float = DEFAULT_TOLERANCE,
    measurement: Measurement | None = None,
) -> LogNegativityWithErrors:
    """Compute the log negativity of three dephasing ensembles of any size, with each part of its error.

    The method is the dense partial transpose where that takes less than half a second, else Bloch bands (see
    `jaxent.bloch`), or r × r blocks at the magic times 2πp/r. If their error exceeds the tolerance, dense matrices are
    used if they take less than two minutes.

    Args:
        chain: the chain, M = 3. It needs no window; with one, what the window leaves out is part of the error.
        time: t ≥ 0 for both bonds, a float or a `PiFraction` of any shape; known values, as all arguments.
        dephasing_rate: γ ≥ 0, a scalar or an array that broadcasts with `time`, or `EnsembleRates`.
        outcomes: q_2, an int; None: N. With a `measurement` of finite resolution, a real record.
        phase_offset: φ in radians.
        tolerance: largest error, in bits.
        measurement: how the inner ensemble is measured; None: perfectly.

    Returns:
        LogNegativityWithErrors: values and errors in bits.

    Raises:
        ValueError: for other M, on any argument out of range, where no method reaches the tolerance (with the error
            that was reached), and for outcomes that cannot occur.

    Example:
        >>> import jaxent
        >>> found = jaxent.log_negativity_with_errors(jaxent.Chain(3, 10**6), jaxent.pi_fraction(1), 0.01)
        >>> print(f"{found.value:.3f} bits, {found.method}")
        1.000 bits, blocks
    """
    problem, spec = _checked(chain, time, dephasing_rate, outcomes, phase_offset, 0.0, tolerance, measurement)
    if execution.is_traced((problem.time, problem.strengths, problem.offsets)):
        raise execution.NeedsKnownValues(_TRACED)
    shape = batch_shape(problem.time)
    points = [_Point(problem, spec, index) for index in np.ndindex(shape)]
    found = [point.found() for point in points]
    columns = [np.array([one[k] for one in found]).reshape(shape) for k in range(len(LogNegativityWithErrors._fields))]
    return LogNegativityWithErrors(*(column if shape else column.item() for column in columns))


def macroscopic_log_negativity(
    time: Time,
    dephasing_rate: Rate,
    phase_offset: arguments.Offsets = 0.0,
    *,
    tolerance: float = 1e-4,
) -> Float[Array, "*batch"]:
    """Compute the log negativity of three dephasing ensembles in the limit N → ∞ at fixed γ, all outcomes N.

    At magic times t = 2πp/r (exact, or a float within rounding of one) it is about log2 r as long as γt r² ≪ 1; at
    other times the entanglement no longer grows with N beyond about 1/γt atoms, and the limit is about -½ log2 γt.

    Args:
        time: t > 0, a float or a `PiFraction` of any shape; known values.
        dephasing_rate: γ > 0, a scalar or an array that broadcasts with `time`, or `EnsembleRates` of three.
        phase_offset: φ in radians; it matters at magic times only.
        tolerance: error in bits that is aimed at.

    Returns:
        real array of the broadcast shape of times and rates.

    Raises:
        ValueError: on any argument out of range, for γt = 0, where the limit is infinite at times that are not magic,
            and where the tolerance is not reached.

    Example:
        >>> import jaxent
        >>> print(f"{jaxent.macroscopic_log_negativity(jaxent.pi_fraction(1), 0.01):.3f} bits")
        1.000 bits
    """
    problem, spec = _checked(Chain(3, 2), time, dephasing_rate, None, phase_offset, 0.0, tolerance)
    if execution.is_traced((problem.time, problem.strengths, problem.offsets)):
        raise execution.NeedsKnownValues(_TRACED.replace("; leave `tolerance` out there", ""))
    shape = batch_shape(problem.time)
    values = np.empty(shape)
    for index in np.ndindex(shape):
        point = _Point(problem, spec, index)
        if not point.mean * min(point.strengths) > 0:
            raise ValueError(
                "Arguments `time` and `dephasing_rate` must be positive here, as without noise the entanglement grows "
                f"with N for ever, but their products γ_j t are {', '.join(f'{x:.6g}' for x in point.strengths)}."
            )
        question = bloch.Question(None, None, point.time, point.strengths, point.offset)
        found = bloch.answer(question, spec.tolerance)
        if not found.error <= spec.tolerance:
            raise ValueError(_not_reached(found.error, spec.tolerance, "N → ∞", point.mean))
        values[index] = found.value
    return jnp.asarray(values)


# ------------------------------------------------------------- checked arguments


_TRACED = (
    "Argument `time`, `dephasing_rate` or `phase_offset` is traced by jax.jit or jax.vmap, but a tolerance needs known "
    "values (jax.grad of one point is possible); leave `tolerance` out there."
)


class _Known:
    """Hold a value that is static for JAX, compared by identity."""

    def __init__(self, value: Any):
        self.value = value


class _Spec(NamedTuple):
    """Hold the static part of a call."""

    static: density_matrix.Static
    outcome: int
    tolerance: float
    exact: Any = None  # known exact times
    records: Any = None  # known records of an imperfect measurement, in place of the outcome


def _checked(
    chain, time, dephasing_rate, outcomes, phase_offset, collective_rate, tolerance, measurement=None
) -> tuple[Problem, _Spec]:
    arguments.check_chain(chain)
    tolerance = positive("tolerance", tolerance)
    if chain.n_ensembles != 3:
        raise ValueError(
            f"Argument `chain` must have n_ensembles = 3 for a tolerance, but has {chain.n_ensembles}; leave "
            "`tolerance` out for dense matrices."
        )
    if not arguments.is_zero(collective_rate):
        raise ValueError(
            "Argument `collective_rate` must be 0 for a tolerance; leave `tolerance` out for dense matrices."
        )
    problem = Problem.of(chain, time, dephasing_rate, outcomes, phase_offset, 0.0, measurement, dense=False)
    if any(arguments.concrete(leaf) is None for leaf in jax.tree.leaves(problem.outcomes)):
        raise execution.NeedsKnownValues(
            "Argument `outcomes` or `measurement` is traced by jax.jit or jax.vmap, but a tolerance needs known "
            "records; leave `tolerance` out there."
        )
    if jnp.result_type(float) != jnp.float64:
        raise ValueError('Argument `tolerance` needs float64; run jax.config.update("jax_enable_x64", True) first.')
    if isinstance(problem.outcomes, Records):
        return problem, _Spec(problem.static, 0, tolerance, records=_Known(problem.outcomes))
    return problem, _Spec(problem.static, int(np.asarray(problem.outcomes)[0]), tolerance)


# -------------------------------------------------------------------- one point


class _Point:
    """One time and rate: what is known of it, and the ways to its log negativity."""

    def __init__(self, problem: Problem, spec: _Spec, index: tuple[int, ...]):
        self.problem, self.spec = problem, spec
        time = jax.tree.map(lambda x: x[index], problem.time)
        self.time = (
            PiFraction(int(time.numerator), int(time.denominator)) if isinstance(time, PiFraction) else float(time)
        )
        duration: Any = time_value(self.time)
        self.duration = float(duration)
        self.strengths = np.asarray(problem.strengths[index], np.float64)
        self.offset = float(problem.offsets[0])
        self.chain = spec.static.chain

    @property
    def mean(self) -> float:
        """γ̄t of the ends."""
        return float(self.strengths[0] + self.strengths[2]) / 2

    @property
    def question(self) -> bloch.Question:
        return bloch.Question(self.chain.n_atoms, self.read, self.time, self.strengths, self.offset)

    @property
    def read(self) -> Any:
        """The outcome, or the `Records` of the measured ensemble."""
        return self.spec.outcome if self.spec.records is None else self.spec.records.value[0]

    def window_error(self, window: float | None) -> float:
        """Bound what a window of both ends changes, in bits: the weight beyond it times the weights of all hops."""
        if window is None:
            return 0.0
        hops = min(math.sqrt(math.pi / self.mean) if self.mean else math.inf, 2.0 * self.chain.dimension) + 1
        return 4 * math.erfc(window / math.sqrt(2)) * hops**2 / math.log(2)

    @functools.cached_property
    def dense(self) -> tuple[Chain, float, float]:
        """The chain with a window that is wide enough, its error, and the seconds its dense matrices take."""
        chain, error = self.chain, self.window_error(self.chain.window)
        if chain.window is None:
            for window in np.arange(3.0, _WIDEST, 0.25):
                least = self.window_error(float(window))
                if 2 * math.floor(window * math.sqrt(chain.n_atoms) / 2) + 1 >= chain.n_atoms:
                    break
                if least <= _WINDOW_SHARE * self.spec.tolerance:
                    chain, error = dataclasses.replace(chain, window=float(window)), least
                    break
        static = self.spec.static
        blocks = 1 if static.asymmetric else (2 if static.no_offset else 1) * (2 if static.equal else 1)
        return chain, error, (4 if static.asymmetric else 1) * blocks * 4e-10 * (chain.dimension**2 / blocks) ** 3

    def route(self, with_slopes: bool = False) -> tuple[str, Any]:
        """Choose the method; with it the answer of `jaxent.bloch`, where that is the method."""
        _, dense_error, seconds = self.dense
        tolerance, noise = self.spec.tolerance, self.mean * self.chain.n_atoms
        if seconds <= _QUICK and dense_error <= tolerance:
            return "dense", None
        if not self.strengths.any() and self.spec.records is None:
            return "pure", None
        error = math.inf
        if noise >= _LEAST_NOISE:
            found = bloch.answer(self.question, tolerance, with_slopes)
            error = found.error + self.window_error(self.chain.window)
            if math.isnan(error):
                self._refuse_lost(error)
            if error <= tolerance:
                return found.method, found
        if seconds <= _PATIENT and dense_error <= tolerance and self._fits():
            return "dense", None
        what = f"n_atoms = {self.chain.n_atoms}"
        if self.window_error(self.chain.window) > tolerance:
            raise ValueError(
                f"Argument `chain` has window = {self.chain.window}, which may change the log negativity by "
                f"{self.window_error(self.chain.window):.2g} bits, but tolerance = {tolerance:.3g}; leave the "
                "window out."
            )
        if error == math.inf:
            least = _LEAST_NOISE / self.chain.n_atoms / max(self.duration, 1e-300)
            raise ValueError(
                f"Argument `dephasing_rate` must be 0 or at least {_LEAST_NOISE:.0f} / (n_atoms · time) = "
                f"{least:.2g} for a tolerance at {what}, as an almost pure state has no narrow band, but γt = "
                f"{self.mean:.3g}; use jaxent.estimate_log_negativity."
            )
        raise ValueError(_not_reached(error, tolerance, what, self.mean))

    def _fits(self) -> bool:
        return 24 * self.dense[0].dimension ** 4 / 4 < memory.free_bytes() / 2

    def found(self) -> LogNegativityWithErrors:
        method, found = self.route()
        if method == "dense":
            value = float(self._dense_value())
            return LogNegativityWithErrors(value, method, 0.0, 0.0, 0.0, 0.0, self.dense[1], DENSE_ERROR)
        if method == "pure" and self.duration == 0:
            self._refuse_impossible_at_start()
            return LogNegativityWithErrors(0.0, method, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)  # a product state
        if method == "pure":
            tolerance = self.spec.tolerance / 2
            value = end_to_end_renyi_entropy(
                self.chain, self.time, 0.5, self.spec.outcome, self.offset, tolerance=tolerance
            )
            return LogNegativityWithErrors(float(value), method, 0.0, tolerance, 0.0, 0.0, 0.0, 0.0)
        errors = (found.hop_error, found.quadrature_error, found.bloch_error, found.envelope_error)
        self._refuse_lost(found.rounding_error)
        return LogNegativityWithErrors(
            found.value, method, *errors, self.window_error(self.chain.window), found.rounding_error
        )

    def _refuse_lost(self, error: float) -> None:
        if not error <= 1e-6:
            raise ImpossibleOutcomes(
                f"Argument `outcomes` = {shown(self._outcome)} cannot occur, or so seldom that rounding leaves less "
                f"than eight digits of its probability, at time = {self.duration:.6g}.",
                np.asarray(True),
            )

    @property
    def _outcome(self) -> float:
        return self.spec.outcome if self.spec.records is None else float(self.read.counts)

    def _refuse_impossible_at_start(self) -> None:
        """Refuse outcomes that cannot occur at t = 0."""
        if not (self.spec.static.all_outcomes_n and self.spec.static.no_offset):
            problem = self._problem(self.chain)
            problem.refuse_unlikely(problem.log_probability())

    def _problem(self, chain: Chain) -> Problem:
        return dataclasses.replace(
            self.problem,
            static=self.spec.static._replace(chain=chain),
            time=self.time,
            strengths=jnp.asarray(self.strengths),
            shared=jnp.zeros(()),
            offsets=jnp.asarray(self.problem.offsets),
        )

    def _dense_value(self) -> jax.Array:
        problem = self._problem(self.dense[0])
        value, log_probability = problem.run(density_matrix.log_negativity)
        problem.refuse_unlikely(log_probability)
        return value

    def value_and_slopes(self) -> tuple[float, np.ndarray]:
        """Compute E and its derivatives in t at fixed γ_j t, in the three γ_j t, and in φ."""
        method, found = self.route(with_slopes=True)
        if self.spec.records is not None and method == "blocks":
            raise ValueError(
                "Argument `measurement` must be None for derivatives at a magic time with a tolerance; leave "
                "`tolerance` out for dense matrices."
            )
        if method == "pure":
            raise ValueError(
                "Argument `dephasing_rate` = 0 has no derivative of the log negativity for a tolerance; leave "
                "`tolerance` out for dense matrices."
            )
        if method != "dense":
            self._refuse_lost(found.rounding_error)
            return found.value, np.array([found.slopes.time, *found.slopes.strengths, found.slopes.offset])
        problem = self._problem(self.dense[0])
        exact = isinstance(self.time, PiFraction)

        def bits(time, strengths, offset):
            moved = dataclasses.replace(
                problem, time=self.time if exact else time, strengths=strengths, offsets=offset[None]
            )
            return moved.run(density_matrix.log_negativity)[0]

        at = (jnp.zeros(()) if exact else jnp.asarray(self.time), problem.strengths, jnp.asarray(self.offset))
        return float(self._dense_value()), np.concatenate([np.ravel(x) for x in jax.grad(bits, (0, 1, 2))(*at)])


def _not_reached(error: float, tolerance: float, what: str, mean: float) -> str:
    return (
        f"Argument `tolerance` = {tolerance:.3g} is out of reach at {what} and γt = {mean:.3g}: the error is "
        f"{error:.2g} bits; use tolerance = {2.5 * error:.2g} or more."
    )


# ------------------------------------------------------------- values with slopes


def _within_tolerance(
    chain: Chain,
    time: Time,
    dephasing_rate: Rate,
    outcomes: Any,
    phase_offset: Any,
    collective_rate: Any,
    tolerance: Any,
    measurement: Any,
) -> jax.Array:
    """Compute `end_to_end_log_negativity` with a tolerance."""
    problem, spec = _checked(
        chain, time, dephasing_rate, outcomes, phase_offset, collective_rate, tolerance, measurement
    )
    exact = isinstance(problem.time, PiFraction)
    spec = spec._replace(exact=_Known(problem.time) if exact else None)
    times = jnp.zeros(batch_shape(problem.time)) if exact else jnp.asarray(problem.time)
    return _values(spec, times, problem.strengths, problem.offsets)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _values(spec: Any, times: Any, strengths: Any, offsets: Any) -> Any:
    return _each(spec, times, strengths, offsets, lambda point: (point.found().value,))[0]


@_values.defjvp
def _values_jvp(spec: _Spec, primals, tangents):
    d_times, d_strengths, d_offsets = tangents
    values, slopes = _each(spec, primals[0], primals[1], primals[2], lambda point: point.value_and_slopes())
    change = slopes[..., 0] * d_times + jnp.sum(slopes[..., 1:4] * d_strengths, axis=-1)
    return values, change + slopes[..., 4] * d_offsets[0]


def _each(spec: _Spec, times, strengths, offsets, function) -> list[jax.Array]:
    """Call a function of each point; its results are stacked over the batch."""
    if execution.is_traced((times, strengths, offsets)):
        raise execution.NeedsKnownValues(_TRACED)
    time = times if spec.exact is None else spec.exact.value
    outcomes = jnp.full(1, spec.outcome) if spec.records is None else spec.records.value
    problem = Problem(spec.static, time, strengths, jnp.zeros(()), outcomes, offsets)
    shape = batch_shape(time)
    found = [function(_Point(problem, spec, index)) for index in np.ndindex(shape)]
    return [jnp.asarray(np.array(part)).reshape(*shape, *np.shape(part[0])) for part in zip(*found, strict=True)]
