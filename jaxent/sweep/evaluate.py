"""One tile of a sweep on the devices of this process: a compiled program over its points, and what to do when it fails.

All tiles of a group run the same program, the last one filled up. Points are shared out to the devices by `shard_map`:
each maps over its own, nothing passes between them. Entropies and log negativities of large ensembles are planned on
the host instead, a thread for each device.

What a tile cannot hold in memory is evaluated in halves; a value that is no number is evaluated alone. What fails still
is an error of its points, and the rest has its values.
"""

import concurrent.futures
import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxent.chain import Chain
from jaxent.noise.dephasing import EnsembleRates
from jaxent.noise.log_negativity import end_to_end_log_negativity
from jaxent.protocol import window_error
from jaxent.protocol.dispatch import ImpossibleOutcomes, Problem
from jaxent.runtime import execution, memory, programs, threads
from jaxent.sweep.plan import Plan, Tile
from jaxent.sweep.quantities import IMPOSSIBLE, QUANTITIES, Point, Variable, is_planned
from jaxent.sweep.spec import PARAMETERS, Sweep
from jaxent.sweep.validation import length

__all__ = ["Answer", "Evaluator", "Failure", "filling"]

_MOST_FAILURES = 32  # of one tile, each retried by itself; what fails beyond is recorded as it is
_MEMORY_ERRORS = ("RESOURCE_EXHAUSTED", "out of memory", "OUT_OF_MEMORY")


@dataclasses.dataclass(frozen=True)
class Failure:
    """Points [start, stop) of a group that have no value, and why."""

    start: int
    stop: int
    error: str

    @property
    def n_points(self) -> int:
        """Count the points."""
        return self.stop - self.start


@dataclasses.dataclass(frozen=True)
class Answer:
    """Values of a tile by variable, its failures, and how many of its points have outcomes that cannot occur."""

    values: dict[str, np.ndarray]
    failures: list[Failure]
    n_impossible: int

    @classmethod
    def joined(cls, parts: Sequence["Answer"]) -> "Answer":
        """Join answers at different points, one after the other."""
        return cls(
            {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values},
            [failure for part in parts for failure in part.failures],
            sum(part.n_impossible for part in parts),
        )

    @classmethod
    def together(cls, parts: Sequence["Answer"]) -> "Answer":
        """Join answers of different variables at the same points; count a point that fails twice once."""
        return cls(
            {name: values for part in parts for name, values in part.values.items()},
            _disjoint([failure for part in parts for failure in part.failures]),
            max(part.n_impossible for part in parts),
        )


def _disjoint(failures: Sequence[Failure]) -> list[Failure]:
    """Order failures so that none overlaps another; merge neighbours with the same error."""
    begins: dict[int, list[Failure]] = {}
    for failure in failures:
        begins.setdefault(failure.start, []).append(failure)
    active, found = [], []
    for start, stop in itertools.pairwise(sorted({*begins, *(failure.stop for failure in failures)})):
        active = [failure for failure in active if failure.stop > start] + begins.get(start, [])
        error = "; ".join(dict.fromkeys(failure.error for failure in active))
        if active and found and (found[-1].stop, found[-1].error) == (start, error):
            found[-1] = Failure(found[-1].start, stop, error)
        elif active:
            found.append(Failure(start, stop, error))
    return found


def filling(variable: Variable) -> Any:
    """Give the number that stands for a missing value: NaN, or -1 among integers."""
    return {"f": np.nan, "c": complex(np.nan, np.nan), "i": -1}[variable.kind]


class Evaluator:
    """Evaluates tiles of a sweep; it keeps the compiled program of the group at hand.

    Args:
        sweep: the question.
        plan: its tiles.
        devices: that share each tile; None: all of this process.
    """

    def __init__(self, sweep: Sweep, plan: Plan, devices: Sequence[Any] | None = None):
        self.sweep, self.plan = sweep, plan
        self.devices = list(devices or jax.local_devices())
        self._group = -1
        self._parameters: dict[str, Any] = {}
        self._programs: dict[tuple[str, int], Callable] = {}

    def __call__(self, tile: Tile) -> Answer:
        """Compute all variables at the points of a tile."""
        if tile.group != self._group:
            chain = self.plan.groups[tile.group].chain
            self._group = tile.group
            self._parameters = {name: self.sweep.values(name, chain) for name in PARAMETERS}
            self._programs.clear()  # a program is as large as its chain
        group = self.plan.groups[tile.group]
        all_outcomes_n, no_offset = self.sweep.outcomes == "N", self.sweep.phase_offset == 0.0
        planned = [
            name
            for name in self.sweep.quantities
            if is_planned(name, group.chain, self.sweep.settings, all_outcomes_n, no_offset)
        ]
        compiled = [name for name in self.sweep.quantities if name not in planned]
        parts = [self._planned(name, tile) for name in planned]
        if compiled:
            left = [_MOST_FAILURES]
            parts.append(self._halved(tile.start, tile.stop, group.tile_points, group.batch, compiled, left))
        return Answer.together(parts)

    # ------------------------------------------------------------------ points

    def _points(self, indices: np.ndarray) -> tuple[Point, Point]:
        """Give varying parameters as arrays over the points, and the fixed ones; each has None in the other's place."""
        shape = tuple(length(getattr(self.sweep, name)) for name in PARAMETERS)
        along = dict(zip(PARAMETERS, np.unravel_index(indices, shape), strict=True))
        group = self.plan.groups[self._group]
        varying: dict[str, Any] = {"index": self._group * group.n_points + indices}
        fixed: dict[str, Any] = {"index": None}
        for name, count in zip(PARAMETERS, shape, strict=True):
            values = self._parameters[name]
            if name == "dephasing_rate" and np.ndim(values) == 2:
                rows = EnsembleRates(values[along[name]] if count > 1 else values[0])
            elif values is None:
                rows = None
            else:
                chosen = along[name] if count > 1 or name == "time" else 0
                rows = jax.tree.map(lambda part, chosen=chosen: part[chosen], values)
            if isinstance(rows, np.generic):
                rows = rows.item()  # 0.0 is known to be zero
            varying[name], fixed[name] = (rows, None) if count > 1 or name == "time" else (None, rows)
        return Point(**varying), Point(**fixed)

    # ---------------------------------------------------------------- compiled

    def _halved(self, start: int, stop: int, size: int, batch: int, names: list[str], left: list[int]) -> Answer:
        """Evaluate at most `size` points by one program, or in halves where they do not fit in memory."""
        try:
            return self._checked(start, stop, names, self._run(start, stop, size, batch, names), left)
        except (ValueError, ArithmeticError, NotImplementedError) as error:
            reason = str(error)  # a refusal of the chain: no point differs
        except (MemoryError, RuntimeError) as error:
            full = isinstance(error, MemoryError) or any(text in str(error) for text in _MEMORY_ERRORS)
            reason = "" if full else f"{type(error).__name__}: {error}"
        if reason and len(names) > 1:  # what refuses does not take the others with it
            return Answer.together([self._halved(start, stop, size, batch, [name], left) for name in names])
        if reason:
            return self._without_values(start, stop, names, reason)
        self._programs.clear()
        if size == 1 or left[0] <= 0:
            left[0] -= 1
            return self._without_values(start, stop, names, "out of memory; use a smaller window or smaller tiles")
        size = -(-size // 2)
        pieces = [(first, min(first + size, stop)) for first in range(start, stop, size)]
        return Answer.joined([self._halved(*piece, size, -(-batch // 2), names, left) for piece in pieces])

    @threads.with_one_lapack_thread
    def _run(self, start: int, stop: int, size: int, batch: int, names: list[str]) -> dict[str, dict[str, np.ndarray]]:
        """Compute the points by quantity and variable; fill up fewer than `size` points with the last."""
        each = -(-size // len(self.devices))
        batch = -(-each // -(-each // batch))  # equal batches
        each = batch * -(-each // batch)
        indices = np.minimum(np.arange(start, start + each * len(self.devices)), stop - 1)
        varying, fixed = self._points(indices)
        mesh = Mesh(np.array(self.devices), ("points",))
        points = jax.device_put(varying, NamedSharding(mesh, PartitionSpec("points")))

        def over_points(kind: str, functions: dict[str, Callable]) -> dict[str, Any]:
            if (kind, size) not in self._programs:
                chain = self.plan.groups[self._group].chain
                function = over_devices(self.sweep, chain, functions, fixed, batch, mesh)
                self._programs[kind, size] = _program(function, points, chain, mesh)
            found = self._programs[kind, size](points)
            return jax.tree.map(lambda values: np.asarray(values)[: stop - start], found)

        found = over_points(f"values {names}", {name: QUANTITIES[name].at for name in names})
        for name in names:
            confirm = QUANTITIES[name].is_impossible
            if confirm is not None and found[name][IMPOSSIBLE].any():  # seldom: two more probabilities of each point
                confirmed = over_points(f"impossible {name}", {name: confirm})[name]
                found[name][IMPOSSIBLE] = found[name][IMPOSSIBLE] & confirmed
        return found

    def _checked(self, start: int, stop: int, names: list[str], found: dict, left: list[int]) -> Answer:
        """Put NaN where outcomes are impossible; try other points without value alone, and record what fails again."""
        values, failures, all_impossible = {}, [], np.full(stop - start, False)
        for name in names:
            quantity, result = QUANTITIES[name], dict(found[name])
            impossible = np.asarray(result.pop(IMPOSSIBLE), bool)
            all_impossible |= impossible
            for key, variable in quantity.variables.items():
                values[key] = np.array(result[key])
                values[key][impossible] = filling(variable)
            bad = np.full(stop - start, False)
            for key, variable in quantity.variables.items():
                answers = variable.is_answer(values[key]).reshape(stop - start, -1)
                bad |= ~answers.all(axis=1) & ~impossible
            for index in np.flatnonzero(bad).tolist():
                error = self._alone(name, start + index, values, index, left[0] > 0)
                all_impossible[index] |= error is None
                if error:
                    left[0] -= 1
                    failures.append(Failure(start + index, start + index + 1, error))
        return Answer(values, failures, int(all_impossible.sum()))

    def _alone(self, name: str, point: int, values: dict[str, np.ndarray], index: int, retry: bool) -> str | None:
        """Try one point by itself and put its values in their place.

        Its arguments are then known, and amplitudes that cancel are computed in more digits.

        Returns:
            str: why there are no values; empty where there are, None where the outcomes cannot occur.
        """
        quantity = QUANTITIES[name]
        if retry:
            varying, fixed = self._points(np.array([point]))
            one = _filled(jax.tree.map(lambda leaf: leaf[0], varying), fixed)
            asked = self.plan.groups[self._group].chain, one, self.sweep.settings
            try:
                found = quantity.at(*asked)
                impossible = bool(found.get(IMPOSSIBLE, False))
                if impossible and (quantity.is_impossible is None or bool(quantity.is_impossible(*asked))):
                    return None
            except (ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
                return str(error)
            alone = {key: np.asarray(found[key]) for key in quantity.variables}
            if all(quantity.variables[key].is_answer(value).all() for key, value in alone.items()):
                for key, value in alone.items():
                    values[key][index] = value
                return ""
        keys = [key for key, variable in quantity.variables.items() if not variable.is_answer(values[key][index]).all()]
        return f"{' and '.join(keys)} not finite"

    def _without_values(self, start: int, stop: int, names: list[str], error: str) -> Answer:
        chain, settings, values = self.plan.groups[self._group].chain, self.sweep.settings, {}
        for name in names:
            for key, variable in QUANTITIES[name].variables.items():
                shape = (stop - start, *variable.dimensions(chain, settings).values())
                values[key] = np.full(shape, filling(variable))
        return Answer(values, [Failure(start, stop, error)], 0)

    # ----------------------------------------------------------------- planned

    def _planned(self, name: str, tile: Tile) -> Answer:
        """Compute by narrow matrices: share out runs of points that differ in time only to the devices.

        Log negativities are computed point by point: a point that is refused costs nothing but itself.
        """
        n_times = 1 if name == "log_negativity" else length(self.sweep.time)
        step = -(-(tile.stop - tile.start) // len(self.devices))
        cuts = {*range(tile.start, tile.stop, step), tile.stop}
        cuts |= {run for run in range(n_times * (tile.start // n_times), tile.stop, n_times) if run > tile.start}
        edges = sorted(cuts)
        pieces = list(itertools.pairwise(edges))
        devices = [self.devices[(start - tile.start) // step] for start, _ in pieces]
        pool = concurrent.futures.ThreadPoolExecutor(len(self.devices))
        try:
            run = lambda piece, device: self._run_planned(name, piece[0], piece[1], device)  # noqa: E731
            return Answer.joined(list(pool.map(run, pieces, devices)))
        finally:  # an interrupt does not wait for the pieces at hand
            pool.shutdown(wait=False, cancel_futures=True)

    def _run_planned(self, name: str, start: int, stop: int, device: Any) -> Answer:
        """Compute points of one outcome and offset on one device; halve what fails down to single points."""
        varying, fixed = self._points(np.arange(start, stop))
        point = _filled(jax.tree.map(lambda leaf: leaf[0], varying)._replace(time=varying.time), fixed)
        try:
            with jax.default_device(device):
                return Answer(self._by_narrow_matrices(name, point), [], 0)
        except ImpossibleOutcomes as error:
            where = np.reshape(error.where, -1)
            edges = [0, *(np.flatnonzero(np.diff(where)) + 1).tolist(), stop - start]
            parts = []
            for first, last in itertools.pairwise(edges):
                if where[first]:
                    empty = self._without_values(start + first, start + last, [name], "")
                    parts.append(Answer(empty.values, [], last - first))
                else:
                    parts.append(self._run_planned(name, start + first, start + last, device))
            return Answer.joined(parts)
        except (ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
            if stop - start == 1:
                return self._without_values(start, stop, [name], str(error))
            middle = (start + stop) // 2
            return Answer.joined([self._run_planned(name, *ends, device) for ends in ((start, middle), (middle, stop))])

    def _by_narrow_matrices(self, name: str, point: Point) -> dict[str, np.ndarray]:
        chain, settings = self.plan.groups[self._group].chain, self.sweep.settings
        if name == "log_negativity":
            noisy = (chain, point.time, point.dephasing_rate, point.outcomes, point.phase_offset)
            found = end_to_end_log_negativity(*noisy, tolerance=settings.noisy_tolerance, measurement=point.measurement)
            return {"log_negativity": np.asarray(found)}
        arguments = (chain, point.time, point.outcomes, point.phase_offset)
        if name == "entropy":
            found = window_error.entropy_with_errors(*arguments, tolerance=settings.tolerance)
            return {"entropy": np.asarray(found.entropy), "entropy_error": np.asarray(found.total)}
        found = Problem.of(*arguments).entropies(settings.alpha, settings.tolerance)
        return {"renyi_entropy": np.asarray(found.entropy)}


def _filled(varying: Point, fixed: Point) -> Point:
    return Point(*[one if one is not None else other for one, other in zip(varying, fixed, strict=True)])


def over_devices(
    sweep: Sweep, chain: Chain, functions: dict[str, Callable], fixed: Point, batch: int, mesh: Mesh
) -> Callable[[Point], dict[str, Any]]:
    """Give the function points → variables by quantity that shares out points to devices which do not communicate."""

    def single(varying: Point) -> dict[str, Any]:
        point = _filled(varying, fixed)
        return {name: function(chain, point, sweep.settings) for name, function in functions.items()}

    @functools.partial(
        jax.shard_map, mesh=mesh, in_specs=PartitionSpec("points"), out_specs=PartitionSpec("points"), check_vma=False
    )
    def over_points(varying: Point) -> dict[str, Any]:
        return execution.over_points(single, varying, batch)

    return over_points


def _program(function: Callable[[Point], dict[str, Any]], points: Point, chain: Chain, mesh: Mesh) -> Callable:
    """Compile the program of a tile.

    Raises:
        MemoryError: where it would allocate more than is free.
    """
    programs.forget_if_too_many(jax)
    program = jax.jit(function).lower(points).compile()
    sharing = mesh.size if mesh.devices.flat[0].platform == "cpu" else 1  # devices of one memory
    try:
        memory.check_memory(sharing * memory.of_compiled(program), f"A tile of {chain}", "use smaller tiles")
    except ValueError as error:
        raise MemoryError(str(error)) from None
    return program
