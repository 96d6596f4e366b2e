"""Run or resume a sweep: compute and store only the missing tiles, one after the other."""

import dataclasses
import operator
import os
import re
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from jaxent import arguments
from jaxent.messages import shown
from jaxent.results import plot_dataset
from jaxent.runtime import memory
from jaxent.sweep.dataset import open_sweep
from jaxent.sweep.devices import commit, versions
from jaxent.sweep.evaluate import Answer, Evaluator, Failure
from jaxent.sweep.files import output_folder
from jaxent.sweep.lock import Share, held
from jaxent.sweep.plan import MOST_TILES, Plan, Tile, Tiles, make_plan
from jaxent.sweep.spec import Sweep
from jaxent.sweep.store import Finished, Store, computed_by, finished_tiles

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["Progress", "SweepRun", "plan_sweep", "run_sweep"]

_HALF_WRITTEN = re.compile(r"\.tile-(\d{6,7})[-.].*\.nc")


@dataclasses.dataclass(frozen=True)
class Progress:
    """Report the progress of this process after a tile.

    Attributes:
        process: number of this process.
        tile: number of the tile just finished.
        points_done: points of this process that are computed, including those of earlier runs.
        n_points: points of this process.
        points_per_second: rate of this run.
        seconds_left: time left at that rate, weighted by the cost of the points.
        n_failed: points that failed so far.
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
    """Summarize a run of a sweep, for the tiles of this process.

    Attributes:
        folder: folder of the results; `jaxent.open_sweep` reads them.
        n_points: points of this process's tiles.
        n_computed: points computed by this run; earlier runs computed the others.
        failures: chain by chain over all tiles, the points without a value and the reason.
        n_impossible: points whose outcomes cannot occur; their values are NaN.
    """

    folder: Path
    n_points: int
    n_computed: int
    failures: list[tuple[str, Failure]]
    n_impossible: int

    def __repr__(self) -> str:
        failed = sum(failure.n_points for _, failure in self.failures)
        notes = [f"{failed} failed"] * bool(failed) + [f"{self.n_impossible} impossible"] * bool(self.n_impossible)
        parts = [f"{self.n_points} points in {self.folder}", f"{self.n_computed} of them computed now", *notes]
        return f"<SweepRun: {', '.join(parts)}>"

    def to_xarray(self) -> "xr.Dataset":
        """Open the results, as `jaxent.open_sweep` does."""
        return open_sweep(self.folder)

    def plot(self, quantity: str | None = None, x: str | None = None, ax: "Axes | None" = None, **style: Any) -> "Axes":
        """Draw a quantity of the results; arguments and errors as `jaxent.results.plot_dataset`."""
        return plot_dataset(self.to_xarray(), quantity, x, ax, **style)


def plan_sweep(
    sweep: Sweep, tile_points: int | None = None, devices: Sequence[Any] | None = None, n_processes: int = 1
) -> Plan:
    """Plan a sweep without computing it: its tiles, its size in bytes and a rough time on these devices.

    Args:
        sweep: the question.
        tile_points: points of a tile; None: a few seconds' worth that fit in memory.
        devices: devices that share each tile; None: all of this process.
        n_processes: processes that share the tiles.

    Returns:
        Plan: points, tiles, bytes, memory of a tile, seconds.

    Raises:
        ValueError: on an argument out of range, and when one point's result does not fit in memory.
    """
    if not isinstance(sweep, Sweep):
        raise ValueError(
            f"Argument `sweep` must be a jaxent.Sweep, but is {shown(sweep)}; a file is read by read_sweep."
        )
    devices = list(devices or jax.local_devices())
    if tile_points is not None and not tile_points >= 1:
        raise ValueError(f"Argument `tile_points` must be at least 1, but is {shown(tile_points)}.")
    times = sweep.values("time", sweep.chains[0])
    for n_atoms in {chain.n_atoms for chain in sweep.chains}:
        arguments.check_precision(n_atoms, times, phases_on_device=False)
    plan = make_plan(sweep, tile_points, len(devices), devices[0].platform == "cpu", n_processes)
    if plan.n_tiles > MOST_TILES:
        raise ValueError(
            f"Argument `tile_points` must make at most 10^6 tiles, each of which is a file, but {shown(tile_points)} "
            f"makes {plan.n_tiles}; use larger tiles, or several sweeps."
        )
    for group in plan.groups:
        memory.check_memory(group.result_bytes, f"The result of one point of {group.chain}", "use a smaller window")
    return plan


def run_sweep(
    sweep: Sweep,
    folder: str | os.PathLike,
    *,
    tile_points: int | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    retry_failed: bool = False,
    mix_versions: bool = False,
    devices: Sequence[Any] | None = None,
    process: int = 0,
    n_processes: int = 1,
    tiles: Any = None,
) -> SweepRun:
    """Run a sweep into a folder, or resume it: compute only the missing tiles.

    Each tile is one file, complete or absent; a tile whose file has the recorded checksum is not computed again.
    Several processes share the tiles by number, or each takes a range of them, and exchange no data.

    Args:
        sweep: the question.
        folder: folder for the results; made if it does not exist.
        tile_points: points of a tile; None: a few seconds' worth that fit in memory, or as when the folder was begun.
        report: called after each tile.
        retry_failed: compute tiles with failed points again.
        mix_versions: resume in a folder with tiles of another version or commit of jaxent; `open_sweep` then lists
            which one computed each point.
        devices: devices that share each tile; None: all of this process.
        process: number of this process, from 0.
        n_processes: how many processes share the sweep.
        tiles: (first, stop): the range of tiles of this process, in place of its number; the last may end beyond the
            last tile.

    Returns:
        SweepRun: the points computed, and those that failed.

    Raises:
        ValueError: on an argument out of range, when one point's result does not fit in memory, when the folder holds
            another sweep, tiles of another version of jaxent, or files of a newer one, and while another process
            computes into it.
        OSError: when a file cannot be written; finished tiles are kept.

    Example:
        >>> import tempfile
        >>> import jaxent
        >>> sweep = jaxent.Sweep(["entropy"], n_atoms=8, time=[0.5, 1.0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(jaxent.run_sweep(sweep, folder).n_computed)
        2
    """
    if not 0 <= process < n_processes:
        raise ValueError(f"Argument `process` must lie in 0…{n_processes - 1}, but is {shown(process)}.")
    share = Share(process, n_processes) if tiles is None else _share_of(tiles, n_processes)
    devices = list(devices or jax.local_devices())
    plan = plan_sweep(sweep, tile_points, devices, n_processes)
    path = output_folder(folder, "folder")
    with held(path, share):
        cut = [group.tile_points for group in plan.groups]
        store = Store(path, sweep, cut, process if tiles is None else share.first, waits=process > 0)
        if tile_points is not None and store.tile_points != cut:
            raise ValueError(
                f"Argument `tile_points` must be left out, or be as when the folder was begun "
                f"({store.tile_points[0]}), but is {shown(tile_points)}."
            )
        plan = make_plan(sweep, store.tile_points, len(devices), devices[0].platform == "cpu")
        if not share.first < plan.n_tiles:
            raise ValueError(
                f"Argument `tiles` must begin before the end, tile {plan.n_tiles}, but is {shown(tiles)}; how many "
                "there are depends on `tile_points`."
            )
        own = plan.tiles()[share.first + share.process : share.stop : share.n_processes]
        found = store.finished(own)
        finished = {number: one for number, one in found.items() if not (retry_failed and one.failures)}
        missing = [tile for tile in own if tile.number not in finished]
        about = versions() | {"commit": commit()}
        if missing and not mix_versions:
            others = finished_tiles(path, sweep.key, plan.tiles()) if not share.is_all else {}
            _check_versions(path, [*found.values(), *others.values()], about)
        _clear(path, missing)
        clock = _Clock(plan, process, own, finished)
        evaluator = Evaluator(sweep, plan, devices)
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


def _share_of(tiles: Any, n_processes: int) -> Share:
    if n_processes > 1:
        raise ValueError("Arguments `tiles` and `n_processes` exclude each other: each names the tiles of a process.")
    try:
        first, stop = (operator.index(one) for one in tiles)
    except (TypeError, ValueError):
        first, stop = -1, -1
    if not 0 <= first < stop <= MOST_TILES:
        raise ValueError(
            f"Argument `tiles` must be two numbers (first, stop) with 0 <= first < stop <= 10^6, but is {shown(tiles)}."
        )
    return Share(first=first, stop=stop)


def _check_versions(folder: Path, found: Collection[Finished], about: dict[str, str]) -> None:
    here = computed_by(about)
    others = sorted({computed_by(one.about) for one in found} - {here})
    if others:
        raise ValueError(
            f"Folder {shown(str(folder))} holds tiles computed by {shown(others[0])}, but this is {here}; choose "
            "another folder, or give `mix_versions`: the results then tell which of them computed each point."
        )


def _clear(folder: Path, missing: list[Tile]) -> None:
    """Remove half-written files of the missing tiles, which no other process computes."""
    numbers = {tile.number for tile in missing}
    for entry in os.scandir(folder) if missing else ():
        match = _HALF_WRITTEN.fullmatch(entry.name)
        if match and int(match[1]) in numbers:
            os.unlink(entry.path)


def _kept(store: Store, tile: Tile, answer: Answer, about: dict[str, str]) -> Finished:
    try:
        return store.keep(tile, answer, about)
    except OSError as error:
        raise OSError(
            f"Folder {shown(str(store.folder))}: tile {tile.number} cannot be written ({error.strerror or error}); the "
            "tiles finished before are kept: mend that and run the same again."
        ) from error


class _Clock:
    """Measure the rate of a process and estimate its time left."""

    def __init__(self, plan: Plan, process: int, own: Tiles, finished: dict[int, Finished]):
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
