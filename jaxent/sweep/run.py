"""A sweep from start to end: what is missing is computed tile by tile and kept; what is there is left alone."""

import dataclasses
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxent import arguments
from jaxent.sweep.devices import commit, versions
from jaxent.sweep.evaluate import Answer, Evaluator, Failure
from jaxent.sweep.files import output_folder
from jaxent.sweep.plan import Plan, Tile, make_plan
from jaxent.sweep.question import Sweep
from jaxent.sweep.store import Finished, Store

__all__ = ["Progress", "SweepRun", "plan_sweep", "run_sweep"]


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where this process stands, after a tile.

    Attributes:
        process: number of this process.
        tile: number of the tile just finished.
        points_done: points of this process that have their answer, those of earlier runs included.
        n_points: points of this process.
        points_per_second: rate of this run.
        seconds_left: at that rate, weighted by the cost of the points.
        n_failed: points that have none, so far.
    """

    process: int
    tile: int
    points_done: int
    n_points: int
    points_per_second: float
    seconds_left: float
    n_failed: int


@dataclasses.dataclass(frozen=True)
class SweepRun:
    """What a run of a sweep has done, for the tiles of this process.

    Attributes:
        folder: where the results are; `jaxent.open_sweep` reads them.
        n_points: points of this process's tiles.
        n_computed: points computed by this run; the others were there.
        failures: of all tiles: chain by chain, points that have no value, and why.
        n_impossible: points whose outcomes cannot occur; their values are NaN.
    """

    folder: Path
    n_points: int
    n_computed: int
    failures: list[tuple[str, Failure]]
    n_impossible: int


def plan_sweep(
    sweep: Sweep, tile_points: int | None = None, devices: Sequence[Any] | None = None, n_processes: int = 1
) -> Plan:
    """How a sweep would be cut into tiles here, with its bytes and a rough time; nothing is computed.

    Args:
        sweep: the question.
        tile_points: points of a tile; None: a few seconds' worth that fit in memory.
        devices: that share each tile; None: all of this process.
        n_processes: processes that share the tiles.

    Returns:
        Plan: points, tiles, bytes, memory of a tile, seconds.

    Raises:
        ValueError: on an argument out of range, and when one point's result does not fit in memory.
    """
    if not isinstance(sweep, Sweep):
        raise ValueError(f"Argument `sweep` must be a jaxent.Sweep, but is {sweep!r}; a file is read by read_sweep.")
    devices = list(devices or jax.local_devices())
    if tile_points is not None and not tile_points >= 1:
        raise ValueError(f"Argument `tile_points` must be at least 1, but is {tile_points}.")
    times = sweep.values("time", sweep.chains[0])
    for n_atoms in {chain.n_atoms for chain in sweep.chains}:
        arguments.check_precision(n_atoms, times)
    plan = make_plan(sweep, tile_points, len(devices), devices[0].platform == "cpu", n_processes)
    for group in plan.groups:
        arguments.check_memory(group.result_bytes, f"The result of one point of {group.chain}", "use a smaller window")
    return plan


def run_sweep(
    sweep: Sweep,
    folder: str | os.PathLike,
    *,
    tile_points: int | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    retry_failed: bool = False,
    devices: Sequence[Any] | None = None,
    process: int = 0,
    n_processes: int = 1,
) -> SweepRun:
    """Compute a sweep into a folder, or go on where an earlier run of the same sweep was stopped.

    Each tile is one file, whole or absent; a tile that is there, with its recorded checksum, is not computed again.
    Points of several processes are shared out by the number of their tile; nothing passes between them.

    Args:
        sweep: the question.
        folder: for the results; made if it is not there.
        tile_points: points of a tile; None: a few seconds' worth that fit in memory, or what the folder has.
        report: called after each tile.
        retry_failed: compute tiles with failed points again.
        devices: that share each tile; None: all of this process.
        process: number of this process, from 0.
        n_processes: how many processes share the sweep.

    Returns:
        SweepRun: what was computed, and what failed.

    Raises:
        ValueError: on an argument out of range, when one point's result does not fit in memory, and when the folder
            holds another sweep.
        OSError: when a file cannot be written; what is finished is kept.
    """
    if not 0 <= process < n_processes:
        raise ValueError(f"Argument `process` must lie in 0…{n_processes - 1}, but is {process}.")
    devices = list(devices or jax.local_devices())
    plan = plan_sweep(sweep, tile_points, devices, n_processes)
    path = output_folder(folder, "folder")
    cut = [group.tile_points for group in plan.groups]
    store = Store(path, sweep, cut, process)
    if tile_points is not None and store.tile_points != cut:
        raise ValueError(
            f"Argument `tile_points` must be left out, or be as when the folder was begun ({store.tile_points[0]}), "
            f"but is {tile_points}."
        )
    plan = make_plan(sweep, store.tile_points, len(devices), devices[0].platform == "cpu")
    own = plan.tiles()[process::n_processes]
    finished = store.finished(own)
    if retry_failed:
        finished = {number: one for number, one in finished.items() if not one.failures}
    missing = [tile for tile in own if tile.number not in finished]
    for tile in missing:  # what an interrupted run has left half-written
        for leftover in path.glob(f".tile-{tile.number:06d}-*.nc"):
            leftover.unlink(missing_ok=True)
    clock = _Clock(plan, process, own, finished)
    evaluator = Evaluator(sweep, plan, devices)
    about = versions() | {"commit": commit()}
    for tile in missing:
        finished[tile.number] = _kept(store, tile, evaluator(tile), about)
        report(clock.after(finished[tile.number]))
    return SweepRun(
        path,
        sum(tile.stop - tile.start for tile in own),
        sum(tile.stop - tile.start for tile in missing),
        [
            (str(plan.groups[one.tile.group].chain), failure)
            for _, one in sorted(finished.items())
            for failure in one.failures
        ],
        sum(one.n_impossible for one in finished.values()),
    )


def _kept(store: Store, tile: Tile, answer: Answer, about: dict[str, str]) -> Finished:
    try:
        return store.keep(tile, answer, about)
    except OSError as error:
        raise OSError(
            f"Folder {str(store.folder)!r}: tile {tile.number} cannot be written ({error.strerror or error}); the "
            "tiles finished before are kept: mend that and run the same again."
        ) from error


class _Clock:
    """Rate and time left of a process."""

    def __init__(self, plan: Plan, process: int, own: list[Tile], finished: dict[int, Finished]):
        self._plan, self._process, self._start = plan, process, time.monotonic()
        self._n_points = sum(tile.stop - tile.start for tile in own)
        self._done = sum(one.tile.stop - one.tile.start for one in finished.values())
        self._computed, self._seconds = 0, 0.0
        self._left = sum(self._cost(tile) for tile in own if tile.number not in finished)
        self._failed = sum(_n_failed(one) for one in finished.values())

    def _cost(self, tile: Tile) -> float:
        return (tile.stop - tile.start) * self._plan.groups[tile.group].point_seconds

    def after(self, one: Finished) -> Progress:
        count, cost = one.tile.stop - one.tile.start, self._cost(one.tile)
        elapsed = time.monotonic() - self._start
        self._done, self._computed, self._failed = (
            self._done + count,
            self._computed + count,
            self._failed + _n_failed(one),
        )
        self._seconds, self._left = self._seconds + cost, max(0.0, self._left - cost)
        return Progress(
            self._process,
            one.tile.number,
            self._done,
            self._n_points,
            self._computed / elapsed,
            self._left * elapsed / self._seconds,
            self._failed,
        )


def _n_failed(one: Finished) -> int:
    return sum(failure.n_points for failure in one.failures)
