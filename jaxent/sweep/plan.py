"""Cut a sweep into tiles: the points of one chain form a group of equal shapes, and a group is cut into tiles.

Points of a group are numbered with the last axis, time, fastest; the whole grid is the groups one after the other. A
tile takes a few seconds and limited memory, so that an interruption loses little and memory does not grow with the
grid.
"""

import bisect
import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np

from jaxent.chain import Chain
from jaxent.runtime import memory
from jaxent.sweep.quantities import QUANTITIES
from jaxent.sweep.spec import PARAMETERS, Sweep

__all__ = ["MOST_TILES", "Group", "Plan", "Tile", "Tiles", "cut", "make_plan", "points_of_group"]

MOST_TILES = 10**6  # each tile is a file in the same folder

_TILE_SECONDS = 3.0  # long compared with writing a file, short enough to lose
_LEAST_TILES = 4  # tiles for each process
_ACCELERATION = 20.0  # rough speed of an accelerator over two cores; its tiles hold more points by this factor
_RESULT_BYTES = 64 * 2**20  # results of one tile in memory and on disk
_BATCH_BYTES = 256 * 2**20  # points computed at once on a CPU; more are not faster
_SHARE = 8  # points computed at once may use 1/8 of the free memory


class Tile(NamedTuple):
    """Hold the points [start, stop) of a group; `number` counts the tiles of all groups."""

    number: int
    group: int
    start: int
    stop: int


class Tiles(Sequence[Tile]):
    """Provide the tiles of groups of equal size, each made on access.

    Args:
        n_points: points of each group.
        tile_points: points of a tile, for each group.
        numbers: numbers of the tiles to include; None: all.
    """

    def __init__(self, n_points: int, tile_points: Sequence[int], numbers: range | None = None):
        self._n_points, self._tile_points = n_points, tile_points
        self._first = [0, *itertools.accumulate(-(-n_points // size) for size in tile_points)]
        self._numbers = range(self._first[-1]) if numbers is None else numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Tile: ...

    @overload
    def __getitem__(self, index: slice) -> "Tiles": ...

    def __getitem__(self, index):
        if isinstance(index, slice):
            return Tiles(self._n_points, self._tile_points, self._numbers[index])
        return self._tile(self._numbers[index])

    def numbered(self, number: int) -> Tile | None:
        """Return the tile with a number, or None if it is not included."""
        return self._tile(number) if number in self._numbers else None

    def _tile(self, number: int) -> Tile:
        group = bisect.bisect_right(self._first, number) - 1
        size = self._tile_points[group]
        start = (number - self._first[group]) * size
        return Tile(number, group, start, min(start + size, self._n_points))


@dataclasses.dataclass(frozen=True)
class Group:
    """Describe the points of one chain.

    Attributes:
        chain: the chain.
        n_points: number of points.
        tile_points: points of a tile; the last may have fewer.
        batch: points computed at once on each device.
        point_bytes: working memory of one point.
        result_bytes: memory of the result of one point.
        point_seconds: rough time of one point.
    """

    chain: Chain
    n_points: int
    tile_points: int
    batch: int
    point_bytes: int
    result_bytes: int
    point_seconds: float

    @property
    def n_tiles(self) -> int:
        """Number of tiles."""
        return -(-self.n_points // self.tile_points)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Hold the groups of a sweep, in the order of its grid."""

    groups: tuple[Group, ...]

    @property
    def n_tiles(self) -> int:
        """Number of tiles of all groups."""
        return sum(group.n_tiles for group in self.groups)

    @property
    def n_bytes(self) -> int:
        """Bytes of all results."""
        return sum(group.n_points * group.result_bytes for group in self.groups)

    @property
    def tile_bytes(self) -> int:
        """Largest memory of a tile on a device."""
        return max(
            min(group.batch, group.tile_points) * group.point_bytes + group.tile_points * group.result_bytes
            for group in self.groups
        )

    @property
    def seconds(self) -> float:
        """Rough time on two CPU cores, including compilation."""
        return sum(1.5 + group.n_points * group.point_seconds for group in self.groups)

    def tiles(self) -> Tiles:
        """List all tiles in order."""
        return cut(self.groups[0].n_points, [group.tile_points for group in self.groups])


def points_of_group(sweep: Sweep) -> int:
    """Count the points of each chain."""
    return math.prod(count for name, count in sweep.axes.items() if name in PARAMETERS)


def cut(n_points: int, tile_points: Sequence[int]) -> Tiles:
    """Cut groups of `n_points` points each into tiles."""
    return Tiles(n_points, tile_points)


def make_plan(
    sweep: Sweep,
    tile_points: int | list[int] | None = None,
    n_devices: int = 1,
    on_cpu: bool = True,
    n_processes: int = 1,
) -> Plan:
    """Cut a sweep into tiles that fit in memory.

    Args:
        sweep: the question.
        tile_points: points of a tile, one number or one for each group; None: a few seconds' worth.
        n_devices: devices that share a tile.
        on_cpu: whether the devices are CPUs, not accelerators.
        n_processes: processes that share the tiles.

    Returns:
        Plan: the groups.
    """
    available = memory.free_bytes() // (_SHARE * (n_devices if on_cpu else 1))
    budget = min(available, _BATCH_BYTES) if on_cpu else available
    n_points = points_of_group(sweep)
    shared = sweep.collective_rate != 0.0
    groups = []
    for index, chain in enumerate(sweep.chains):
        quantities = [QUANTITIES[name] for name in sweep.quantities]
        point_bytes = max(quantity.n_bytes(chain, sweep.settings, shared) for quantity in quantities)
        seconds = sum(quantity.seconds(chain, sweep.settings) for quantity in quantities)
        result_bytes = sum(
            math.prod(variable.dimensions(chain, sweep.settings).values()) * (16 if variable.kind == "c" else 8)
            for quantity in quantities
            for variable in quantity.variables.values()
        )
        if tile_points is None:
            worth = _TILE_SECONDS * n_devices / seconds * (1.0 if on_cpu else _ACCELERATION)
            size = int(np.clip(worth, n_devices, max(1, _RESULT_BYTES // result_bytes)))
            size = max(size, math.ceil(n_points * len(sweep.chains) / MOST_TILES))
            if n_processes > 1:  # some tiles for each
                size = min(size, math.ceil(n_points * len(sweep.chains) / (_LEAST_TILES * n_processes)))
            size = math.ceil(n_points / math.ceil(n_points / size))  # equal tiles
        else:
            size = tile_points if isinstance(tile_points, int) else tile_points[index]
        size = min(size, n_points)
        batch = max(1, min(budget // point_bytes, math.ceil(size / n_devices)))
        if any(quantity.by_itself for quantity in quantities):
            batch = 1
        groups.append(Group(chain, n_points, size, batch, point_bytes, result_bytes, seconds))
    return Plan(tuple(groups))
