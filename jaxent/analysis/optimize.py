"""Phase offsets, and a time, that maximize the entanglement of the ends.

The objectives are averages over the outcomes, exact for M = 3 and 4 and sampled by the Born rule beyond (or where a
key is given), all differentiated exactly (`outcomes.averages`). Exact objectives are climbed by SciPy's L-BFGS-B, start
after start, and the best ends with Newton steps: one compiled program, the value with its gradient, serves all of it.
The log negativity within a tolerance chooses its method point by point, so it is climbed without such a program.
Sampled objectives are climbed by Adam, all starts side by side under `vmap`.

>>> from jaxent import Chain, pi_fraction
>>> found = maximize("average_entropy", Chain(3, 20), pi_fraction(1, 2), n_starts=3)
>>> print(f"{found.value:.6f} bits at φ = ±{abs(found.phase_offset[0]):.6f}")
1.907993 bits at φ = ±0.391779
"""

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.optimize
from scipy.stats import qmc, rankdata

from jaxent import arguments, results
from jaxent.analysis.magic_times import magic_levels
from jaxent.chain import Chain
from jaxent.conversion import positive, whole_number
from jaxent.messages import shown
from jaxent.noise.dephasing import EnsembleRates
from jaxent.noise.log_negativity import DEFAULT_TOLERANCE, end_to_end_log_negativity
from jaxent.outcomes import averages
from jaxent.protocol import ends
from jaxent.results import Account, Column, Marks
from jaxent.runtime import execution, threads
from jaxent.times import BondTimes, PiFraction, Time, time_value

__all__ = ["OBJECTIVES", "History", "OptimizationError", "Optimum", "maximize", "textbook_offset"]

_NEAR = 1e-6  # gradient from which Newton steps are surer than a line search, which then compares equal values
_SCALE = 0.3  # of offsets: the first step, of the gradient times its square, stays on its hill
_FLAT = 1e-6  # relative gain of a step that ends the climb of an objective within a tolerance, as less is noise
_POLISHING_STEPS = 30
_RATES = ("dephasing_rate", "collective_rate")
_DIFFERENCE = 3e-4  # of the scale of parameters, between gradients


class History(NamedTuple):
    """What every start did at every step, on the host.

    Attributes:
        value: the objective, shape (steps, starts).
        slope: norm of its gradient, shape (steps, starts).
        phase_offset: φ in radians, shape (steps, starts, n), n = 1 or M-2.
        time: t, shape (steps, starts).
    """

    value: np.ndarray
    slope: np.ndarray
    phase_offset: np.ndarray
    time: np.ndarray

    __repr__ = results.line
    _repr_html_ = results.table
    plot = results.plot
    to_xarray = results.to_xarray

    def _account(self) -> Account:
        steps = np.arange(1, len(self.value) + 1)
        names = {"value": "objective", "slope": "norm of its gradient", "time": "interaction time t"}
        columns = {"step": Column(steps)} | {
            name: Column(getattr(self, name), "1/coupling" if name == "time" else "1", meaning)
            for name, meaning in names.items()
        }
        columns["value"] = dataclasses.replace(columns["value"], symbol="objective")
        columns["phase_offset"] = Column(self.phase_offset, "rad", "phase offset φ")
        each = dict.fromkeys(names, ("step", "start")) | {"phase_offset": ("step", "start", "inner_ensemble")}
        return Account(f"steps of {np.shape(self.value)[1]} starts", columns, [Marks("value", ".-")], dimensions=each)


class Optimum(NamedTuple):
    """The best of all starts.

    Attributes:
        value: the objective there.
        standard_error: of the value; 0 where it is exact.
        phase_offset: φ in radians, shape (1,) for one offset of all ensembles, or (M-2,).
        time: t.
        slope: norm of the gradient there.
        history: of all starts.
    """

    value: float
    standard_error: float
    phase_offset: np.ndarray
    time: float
    slope: float
    history: History

    __repr__ = results.line
    _repr_html_ = results.table
    plot = results.plot
    to_xarray = results.to_xarray

    def _account(self) -> Account:
        steps, starts = np.shape(self.history.value)
        past = self.history._account()
        columns = {
            "step": past.columns["step"],
            "value": Column(self.value, "1", "objective", results.ALONE),
            "standard_error": Column(self.standard_error, "1", "standard error", results.ERROR),
            "phase_offset": Column(self.phase_offset, "rad", "phase offset φ", "φ"),
            "time": Column(self.time, "1/coupling", "interaction time t", "t"),
            "slope": Column(self.slope, "1", "norm of the gradient"),
            "steps": Column(f"{steps} steps of {starts} starts", symbol=results.ALONE),
            "history_value": dataclasses.replace(past.columns["value"], symbol=""),
            "history_slope": past.columns["slope"],
        }
        each = dict.fromkeys(("history_value", "history_slope"), ("step", "start"))
        each |= {"phase_offset": ("inner_ensemble",)}
        return Account("", columns, [Marks("history_value", ".-")], dimensions=each)


class OptimizationError(ValueError):
    """The objective was not finite; `history` holds the steps before, as far as there were any."""

    def __init__(self, message: str, history: History | None = None):
        super().__init__(message)
        self.history = history

    def __reduce__(self):
        return type(self), (str(self), self.history)


# ----------------------------------------------------------------- objectives


def _average_entropy(chain, time, phase_offset, key, n_samples):
    return averages.average_entropy(chain, time, phase_offset, key, n_samples)


def _average_log_negativity(
    chain, time, phase_offset, key, n_samples, *, dephasing_rate, collective_rate=0.0, measurement=None
):
    return averages.average_log_negativity(
        *(chain, time, dephasing_rate, phase_offset, key, n_samples),
        collective_rate=collective_rate,
        measurement=measurement,
    )


def _decoded_fidelity(chain, time, phase_offset, key, n_samples, *, levels, numerator=1):
    return averages.average_decoded_fidelity(chain, levels, numerator, time, phase_offset, key, n_samples)


def _log_negativity(
    chain, time, phase_offset, key, n_samples, *, dephasing_rate, outcomes=None, tolerance_bits=DEFAULT_TOLERANCE
):
    bits = end_to_end_log_negativity(chain, time, dephasing_rate, outcomes, phase_offset, tolerance=tolerance_bits)
    return averages.OutcomeAverage(bits, jnp.zeros_like(bits), jnp.ones_like(bits))


def _entropy_times_probability(chain, time, phase_offset, key, n_samples, *, outcomes=None):
    entropy = ends.end_to_end_entropy(chain, time, outcomes, phase_offset)
    probability = ends.outcome_probability(chain, time, outcomes, phase_offset)
    return averages.OutcomeAverage(entropy * probability, jnp.zeros_like(entropy), probability)


OBJECTIVES: dict[str, Callable] = {
    "average_entropy": _average_entropy,
    "average_log_negativity": _average_log_negativity,
    "decoded_fidelity": _decoded_fidelity,
    "log_negativity": _log_negativity,
    "entropy_times_probability": _entropy_times_probability,
}
"""Objectives by name: functions (chain, time, phase_offset, key, n_samples, **settings) → OutcomeAverage."""


def textbook_offset(time: PiFraction) -> float:
    """Give the offset φ = π/(2L), in radians, that separates the outcomes at the magic time 2πp/L for large N.

    Example:
        >>> import jaxent
        >>> print(jaxent.textbook_offset(jaxent.pi_fraction(1, 2)))
        0.39269908169872414
    """
    if not isinstance(time, PiFraction):
        raise ValueError(f"Argument `time` must be made by jaxent.pi_fraction, but is {shown(time)}.")
    return math.pi / (2 * float(magic_levels(time)))


# -------------------------------------------------------------------- public


@threads.with_one_lapack_thread
def maximize(
    objective: str | Callable,
    chain: Chain,
    time: Time,
    phase_offset: arguments.Offsets | None = None,
    *,
    vary_time: bool = False,
    per_ensemble: bool = False,
    n_starts: int = 8,
    n_steps: int = 100,
    method: str | None = None,
    learning_rate: float = 0.02,
    tolerance: float = 1e-9,
    key: jax.Array | None = None,
    n_samples: int = 200,
    callback: Callable[[int, float, float], None] = lambda step, value, slope: None,
    **settings: Any,
) -> Optimum:
    """Maximize an objective over the phase offsets, and over the time if wanted.

    Args:
        objective: a name in `OBJECTIVES` ("average_entropy", "average_log_negativity", "decoded_fidelity",
            "log_negativity", "entropy_times_probability"), or a function of the same arguments, which JAX can
            differentiate. One that calls jaxent with a `tolerance` is not compiled, but called at each point.
        chain: the chain, with M ≥ 3.
        time: one time for all bonds.
        phase_offset: where the first start begins, a scalar or (M-2,) values; None: starts are spread over
            (0, π/r) at a magic time 2πp/r given as a `PiFraction`, and over (0, π) else.
        vary_time: whether t is varied too; starts are then spread around `time` by 1/√N.
        per_ensemble: whether every ensemble has an offset of its own, instead of one for all.
        n_starts: number of starts.
        n_steps: most steps of each start.
        method: "lbfgs" for exact objectives, "adam" for any; None: what suits the objective.
        learning_rate: first step size of Adam, in radians; it falls to nothing along a cosine.
        tolerance: norm of the gradient at which an exact objective is taken as maximal. The climb of one that is
            itself within a tolerance ends with a step that gains less than a millionth.
        key: PRNG key for sampled averages; required beyond M = 4, where the objective is an average.
        n_samples: draws of each step and start.
        callback: called on the host after each step (L-BFGS: of each start, one after the other), with the number of
            steps so far, the best value, and the norm of a gradient: Adam's at that value, L-BFGS's at this step.
        **settings: what the objective needs besides: `dephasing_rate`, `collective_rate`; `levels`, `numerator`;
            `outcomes`; `tolerance_bits`, the largest error of "log_negativity" (three ensembles of any size; 1e-3);
            `measurement`, how the inner ensembles are measured, for "average_log_negativity".

    Returns:
        Optimum.

    Raises:
        ValueError: for an unknown objective, method or setting, and on any argument out of range.
        OptimizationError: when the objective is finite at no start, or nowhere any more; it is a ValueError that
            carries the history.

    Example:
        >>> import jaxent
        >>> best = jaxent.maximize("average_entropy", jaxent.Chain(3, 4), 1.0, n_starts=2)
        >>> print(f"{best.value:.3f} bits")
        1.134 bits
    """
    arguments.check_chain(chain)
    function = _checked_objective(objective, settings)
    sampled = key is not None
    if sampled:
        arguments.check_key(key)
    method = method or ("adam" if sampled else "lbfgs")
    if method not in ("adam", "lbfgs") or (sampled and method == "lbfgs"):
        suits = "'adam', as draws change from step to step," if sampled else "'lbfgs' or 'adam'"
        raise ValueError(f"Argument `method` must be {suits} but is {shown(method)}.")
    n_starts, n_steps = whole_number("n_starts", n_starts, 1, 10**6), whole_number("n_steps", n_steps, 1, 10**9)
    learning_rate, tolerance = positive("learning_rate", learning_rate), positive("tolerance", tolerance)
    if chain.n_ensembles < 3:
        raise ValueError(
            "Argument `chain` must have inner ensembles, whose offsets are varied, but has n_ensembles = 2."
        )
    if isinstance(time, BondTimes):
        raise ValueError("Argument `time` must be one time for all bonds here, but is BondTimes.")
    checked_time = arguments.checked_time(time, chain.n_ensembles, single=True)
    starts = _starts(chain, checked_time, phase_offset, vary_time, per_ensemble, n_starts)
    keys = jax.random.key(0) if key is None else key

    fixed, rates = _divided(objective, settings)
    problem = _Problem(function, chain, n_samples if sampled else None, fixed)
    given = problem, keys, jax.tree.map(np.asarray, checked_time), rates
    first = jax.tree.map(lambda x: x[0], starts)
    if sampled:  # exact objectives check the arguments when they are traced, which is before any work starts, too
        try:
            jax.eval_shape(problem.at, first, *given[1:])
        except execution.NeedsKnownValues:
            raise ValueError(
                "Argument `key` must be left out for an objective with a tolerance, which draws nothing."
            ) from None
        problem.at(first, *given[1:])
    time_scale = min(_SCALE, 1 / math.sqrt(chain.n_atoms))
    run = _Run(*given, time_scale, method, learning_rate, n_steps, tolerance, callback)
    return run.sampled(starts, time) if sampled else run.exact(starts, time)


def _divided(objective: str | Callable, settings: dict) -> tuple[tuple[tuple[str, Any], ...], dict[str, Any]]:
    """Divide settings into those that programs depend on, and rates, which are data of the objectives by name."""
    rates = {}
    if isinstance(objective, str):
        for name in _RATES:
            value = settings.get(name, 0.0)
            if not isinstance(value, EnsembleRates):
                checked = arguments.checked_rate(name, value)
                if not arguments.is_zero(checked):  # zero is known where it saves work
                    rates[name] = checked
    return tuple((name, value) for name, value in settings.items() if name not in rates), rates


def _checked_objective(objective: str | Callable, settings: dict) -> Callable:
    if not callable(objective) and objective not in tuple(OBJECTIVES):
        names = ", ".join(OBJECTIVES)
        raise ValueError(f"Argument `objective` must be one of {names}, or a function, but is {shown(objective)}.")
    if isinstance(objective, str):
        objective = OBJECTIVES[objective]
        known = inspect.signature(objective).parameters
        own = {name: p for name, p in known.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
        for name in settings:
            if name not in own:
                raise ValueError(
                    f"Argument `{name}` is none of this objective, which takes {', '.join(own) or 'no further ones'}."
                )
        for name, parameter in own.items():
            if parameter.default is inspect.Parameter.empty and name not in settings:
                raise ValueError(f"Argument `{name}` is missing: this objective needs it.")
    return objective


def _starts(chain, time, phase_offset, vary_time, per_ensemble, n_starts):
    """Spread starts by a Sobol sequence: offsets of shape (starts, 1 or M-2), and times of shape (starts,) if asked."""
    size = chain.n_ensembles - 2 if per_ensemble else 1
    span = math.pi / float(magic_levels(time)) if isinstance(time, PiFraction) else math.pi
    # its ranks give each coordinate n_starts evenly spaced values, also where n_starts is no power of two
    points = qmc.Sobol(size + 1, scramble=False).fast_forward(1).random(n_starts)
    spread = (rankdata(points, axis=0) - 0.5) / n_starts
    offsets = span * spread[:, :size]
    if phase_offset is not None:
        given = arguments.checked_offsets(phase_offset, chain.n_ensembles)
        if not per_ensemble and np.ptp(np.asarray(given)) > 0:
            raise ValueError(
                "Argument `phase_offset` holds different offsets, so `per_ensemble` must be True, but is False."
            )
        offsets[0] = np.asarray(given)[:size]
    starts = {"phase_offset": jnp.asarray(offsets)}
    if vary_time:
        moved = (spread[:, -1] - 0.5) * (np.arange(n_starts) > 0) / math.sqrt(chain.n_atoms)
        starts["time"] = jnp.asarray(_number(time) + moved)
    return starts


# ----------------------------------------------------------------------- runs


class _Problem(NamedTuple):
    """Hold what compiled programs depend on.

    Attributes:
        function: the objective.
        chain: the chain.
        n_samples: draws of a sampled average, None for an exact objective.
        fixed: names and values of settings.
    """

    function: Callable
    chain: Chain
    n_samples: int | None
    fixed: tuple[tuple[str, Any], ...]

    def at(self, parameters, key, time, rates) -> averages.OutcomeAverage:
        """Evaluate the objective at offsets, and at a time if it is one of the parameters."""
        offsets = jnp.broadcast_to(parameters["phase_offset"], (self.chain.n_ensembles - 2,))
        drawn = (None, 0) if self.n_samples is None else (key, self.n_samples)
        return self.function(self.chain, parameters.get("time", time), offsets, *drawn, **dict(self.fixed), **rates)

    def value_and_slopes(self, parameters, *data):
        """Evaluate the objective and its derivatives in the parameters."""
        return jax.value_and_grad(lambda wanted: self.at(wanted, *data).value)(parameters)

    def program(self) -> tuple:
        """Return `value_and_slopes` compiled, and its first arguments: one program for all equal problems of a name."""
        try:
            hash(self)
        except TypeError:  # settings that cannot be compared
            return (jax.jit(self.value_and_slopes),)
        if self.function not in OBJECTIVES.values():  # a function of the user's is not kept
            return (jax.jit(self.value_and_slopes),)
        return _value_and_slopes, self


@functools.partial(jax.jit, static_argnums=0)
def _value_and_slopes(problem: _Problem, *args):
    return problem.value_and_slopes(*args)


def _flat(parameters) -> np.ndarray:
    """Lay parameters of one start in a row."""
    return np.concatenate([np.ravel(np.asarray(parameters[name], float)) for name in sorted(parameters)])


def _restored(flat: np.ndarray, like):
    """Undo `_flat`."""
    sizes = np.cumsum([np.size(like[name]) for name in sorted(like)])[:-1]
    parts = np.split(flat, sizes)
    return {
        name: np.asarray(part.reshape(np.shape(like[name])), like[name].dtype)
        for name, part in zip(sorted(like), parts, strict=True)
    }


class _Run(NamedTuple):
    """One optimization of all starts."""

    problem: _Problem
    key: jax.Array
    time: Any
    rates: dict[str, Any]
    time_scale: float
    method: str
    learning_rate: float
    n_steps: int
    tolerance: float
    callback: Callable

    @property
    def data(self) -> tuple:
        """What programs take besides the parameters."""
        return self.key, self.time, self.rates

    def exact(self, starts, time) -> Optimum:
        at, compiled = self._value_and_slopes(_of_start(starts, 0))
        if self.method == "lbfgs":
            parameters, history = self._climb(at, starts, time, 0.0 if compiled else _FLAT)
        else:
            parameters, history = self._walk(starts, time)
        best = int(np.argmax(_last_finite(history.value)))
        single = jax.tree.map(lambda x: x[best], parameters)
        value, slope = history.value[-1, best], history.slope[-1, best]
        if compiled and not slope <= self.tolerance:  # to the last digit, which values within a tolerance do not have
            found, value, slope = self._polish(at, _flat(single), self._scales(single))
            single = _restored(found, single)
        return self._optimum(single, time, value, 0.0, slope, history)

    def _value_and_slopes(self, start):
        """Return the objective with its gradient, compiled unless it chooses its method by values, and whether."""
        program = self.problem.program()

        def at(x):
            value, slopes = _within_memory(*program, _restored(x, start), *self.data)
            return float(value), _flat(slopes)

        def at_known(x):
            try:
                value, slopes = self.problem.value_and_slopes(_restored(x, start), *self.data)
            except ValueError:
                if not accepted:  # the first point refuses wrong arguments, later ones end the objective
                    raise
                return math.nan, np.full(len(x), math.nan)
            accepted.append(x)
            return float(value), _flat(slopes)

        accepted = []
        try:
            program[0].trace(*program[1:], start, *self.data)
        except execution.NeedsKnownValues:
            if self.method != "lbfgs":
                raise ValueError(
                    "Argument `method` must be 'lbfgs' for an objective with a tolerance, which no program can "
                    f"compile, but is {shown(self.method)}."
                ) from None
            return at_known, False
        return at, True

    def _scales(self, parameters) -> np.ndarray:
        """Return a typical size of each parameter's changes: dips and peaks in time are narrow for many atoms."""
        sizes = {"phase_offset": _SCALE, "time": self.time_scale}
        return _flat({name: np.full_like(x, sizes[name]) for name, x in parameters.items()})

    def _climb(self, at, starts, time, ftol):
        """Move one start after the other by SciPy's L-BFGS-B, up to a gradient that `_polish` can take over from."""
        paths, best, done = [], -math.inf, 0
        first = _of_start(starts, 0)
        scales = self._scales(first)

        def reached(path, x, value, size):
            nonlocal best, done
            path.append((value, size, np.array(x)))
            best, done = max(best, value if math.isfinite(value) else -math.inf), done + 1
            self.callback(done, best, size)

        for number in range(len(starts["phase_offset"])):
            start = _flat(_of_start(starts, number))
            path, seen = [], {}
            paths.append(path)

            def loss(scaled, path=path, seen=seen):
                x = scales * scaled
                value, slopes = at(x)
                if math.isfinite(value) and np.isfinite(slopes).all():
                    seen[scaled.tobytes()] = x, value, float(np.linalg.norm(slopes))
                    return -value, -scales * slopes
                away = scaled - path[-1][2] / scales  # beyond its end the loss rises, so the step is shortened
                return 1 + np.linalg.norm(away) - path[-1][0], away / np.linalg.norm(away)

            value, slopes = at(start)
            reached(path, start, value, float(np.linalg.norm(slopes)))
            if not (math.isfinite(value) and np.isfinite(slopes).all()) or self.n_steps == 1:
                continue

            def moved(xk, path=path, seen=seen):
                if xk.tobytes() in seen:
                    reached(path, *seen[xk.tobytes()])

            enough = scales.min() * max(self.tolerance, _NEAR) / math.sqrt(len(start))
            options = {"maxiter": self.n_steps - 1, "gtol": enough, "ftol": ftol}
            scipy.optimize.minimize(loss, start / scales, jac=True, method="L-BFGS-B", callback=moved, options=options)
        longest = max(len(path) for path in paths)
        rows = [[path[min(step, len(path) - 1)] for path in paths] for step in range(longest)]
        values, sizes = (np.array([[one[k] for one in row] for row in rows]) for k in range(2))
        points = [jax.tree.map(lambda *x: np.stack(x), *[_restored(one[2], first) for one in row]) for row in rows]
        offsets = np.stack([point["phase_offset"] for point in points])
        times = [point.get("time", np.full(len(paths), _number(time))) for point in points]
        history = History(values, sizes, offsets, np.stack(times))
        if not np.isfinite(values).any():
            raise _nowhere("at no start", history)
        return points[-1], history

    def sampled(self, starts, time) -> Optimum:
        _, history = self._walk(starts, time)
        half = len(history.value) // 2
        averaged = {"phase_offset": jnp.asarray(history.phase_offset[half:].mean(axis=0))}
        if "time" in starts:
            averaged["time"] = jnp.asarray(history.time[half:].mean(axis=0))
        fresh = jax.random.fold_in(self.key, self.n_steps)
        final = _within_memory(
            jax.jit(lambda all_: jax.lax.map(lambda one: self.problem.at(one, fresh, self.time, self.rates), all_)),
            averaged,
        )
        best = int(np.nanargmax(np.asarray(final.value)))
        single = jax.tree.map(lambda x: x[best], averaged)
        slope = float(history.slope[half:, best].mean())
        return self._optimum(single, time, final.value[best], final.standard_error[best], slope, history)

    def _optimum(self, parameters, time, value, error, slope, history) -> Optimum:
        at = float(parameters["time"]) if "time" in parameters else _number(time)
        return Optimum(float(value), float(error), np.asarray(parameters["phase_offset"]), at, float(slope), history)

    def _walk(self, starts, time):
        """Move all starts by Adam, step by step; each keeps its last parameters at which the objective was finite."""
        optimizer = optax.adam(optax.cosine_decay_schedule(self.learning_rate, self.n_steps))

        def loss(parameters, key):
            return -self.problem.at(parameters, key, self.time, self.rates).value

        def step(parameters, state, key):
            value, slopes = jax.value_and_grad(loss)(parameters, key)
            with jax.numpy_dtype_promotion("standard"):  # Optax counts its steps in two types of integers
                updates, moved = optimizer.update(slopes, state, parameters)
            size = optax.tree.norm(slopes)
            stays = ~(jnp.isfinite(value) & jnp.isfinite(size)) | (size <= self.tolerance)
            following = optax.apply_updates(parameters, updates)
            stays |= ~jnp.all(jnp.stack([jnp.all(jnp.isfinite(x)) for x in jax.tree.leaves(following)]))
            keep = lambda old, new: jnp.where(stays, old, new)  # noqa: E731
            return jax.tree.map(keep, parameters, following), jax.tree.map(keep, state, moved), -value, size

        advance = jax.jit(jax.vmap(step))
        parameters, state = starts, jax.vmap(optimizer.init)(starts)
        count = len(starts["phase_offset"])
        rows = []
        for number in range(self.n_steps):
            keys = jax.random.split(jax.random.fold_in(self.key, number), count)
            before = parameters
            parameters, state, values, sizes = _within_memory(advance, parameters, state, keys)
            times = before.get("time", np.full(count, _number(time)))
            rows.append(tuple(np.asarray(x) for x in (values, sizes, before["phase_offset"], times)))
            values, sizes = rows[-1][:2]
            if not np.isfinite(values).any():
                where = "at no start" if number == 0 else f"nowhere any more after {number} steps"
                raise _nowhere(where, _history(rows))
            best = int(np.nanargmax(values))
            self.callback(number + 1, float(values[best]), float(sizes[best]))
        return parameters, _history(rows)

    def _polish(self, at, x, scales):
        """Take Newton steps as long as they bring the gradient down and do not lose value.

        The curvature comes from differences of gradients: its error only slows the last steps, and second derivatives
        of an average take longer to compile than the whole search.
        """
        value, slopes = at(x)
        for _ in range(_POLISHING_STEPS):
            size = np.linalg.norm(slopes)
            if not size > self.tolerance:
                break
            steps = _DIFFERENCE * scales
            changes = np.stack([at(x + side)[1] - at(x - side)[1] for side in np.diag(steps)])
            curvature = changes * scales / (2 * _DIFFERENCE)
            if not np.isfinite(curvature).all():
                break
            # in units of the scales; not where there is no curvature
            following = x + scales * np.linalg.lstsq(curvature, -scales * slopes, rcond=1e-6)[0]
            new_value, new_slopes = at(following)
            if not (np.linalg.norm(new_slopes) < size and new_value >= value - 1e-9):
                break
            x, value, slopes = following, new_value, new_slopes
        return x, value, np.linalg.norm(slopes)


def _of_start(starts, number: int) -> dict[str, np.ndarray]:
    return {name: np.asarray(x[number]) for name, x in starts.items()}


def _nowhere(where: str, history: "History") -> "OptimizationError":
    shown = np.array2string(history.phase_offset[-1].ravel()[:4], precision=4)
    return OptimizationError(
        f"Argument `objective` is finite {where} (phase_offset = {shown} …): the outcomes may be impossible there; "
        "choose other starts or settings.",
        history,
    )


def _within_memory(program: Callable, *args: Any) -> Any:
    what, instead = "The objective and its derivatives", "use fewer n_starts or a smaller window"
    return execution.call(program, *args, what=what, instead=instead)


def _number(time: Any) -> float:
    return float(np.asarray(time_value(time)))


def _history(rows) -> History:
    return History(*(np.stack(column) for column in zip(*rows, strict=True)))


def _last_finite(values: np.ndarray) -> np.ndarray:
    """Pick the last finite value of each start; -inf where there is none."""
    found = np.full(values.shape[1], -np.inf)
    for row in values:
        found = np.where(np.isfinite(row), row, found)
    return found
