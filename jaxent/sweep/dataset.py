"""Open all tiles of a sweep as one labelled dataset, which reads values from disk when they are used."""

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxent import units
from jaxent.messages import shown
from jaxent.sweep.evaluate import filling
from jaxent.sweep.plan import cut, points_of_group
from jaxent.sweep.quantities import QUANTITIES
from jaxent.sweep.spec import AXES, PARAMETERS, Sweep, asked
from jaxent.sweep.store import Finished, computed_by, finished_tiles, folder_layout, read_tile
from jaxent.sweep.tiles import DTYPES, question_text
from jaxent.sweep.validation import is_axis
from jaxent.times import BondTimes, PiFraction, time_value

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["open_sweep"]

_ROWS = {"units": "1", "long_name": "row of the bond times"}


def open_sweep(path: str | os.PathLike, chunks: Mapping[str, Any] | None = None) -> "xr.Dataset":
    """Open the results of a sweep, finished or not.

    Args:
        path: the folder of the sweep.
        chunks: None: values are read when they are used. Points along each axis of a chunk: variables are arrays of
            dask, which `pip install jaxent[dask]` brings, and work on them is shared by threads or a cluster; {}:
            chunks of about a tile each.

    Returns:
        xarray.Dataset: a dimension for each axis of the grid, a scalar coordinate for each other parameter; units and
        names as attributes. `BondTimes` are in the coordinate `bond_times`, along `bond`, and if they are an axis also
        along `time`, which numbers their rows from 0. Values are read tile by tile when they are used, and checked
        against the checksums; points not computed yet, failed or impossible are NaN (-1 among integers). The
        coordinate `computed_by` is a number for the version of jaxent, explained in its attribute `meaning`: one number
        for all points, or one for each where versions are mixed. Attributes give versions, commit, device, precision,
        tolerance, and the number of points finished and failed.

    Raises:
        FileNotFoundError: when there is no such folder.
        ValueError: when the folder holds no sweep, or one of a newer jaxent; on chunks of other axes; and later, when
            a value is read from a damaged file.
        ImportError: when chunks are asked for and dask is not installed.

    Example:
        >>> import tempfile
        >>> import jaxent
        >>> sweep = jaxent.Sweep(["entropy"], n_atoms=8, time=[0.5, 1.0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = jaxent.run_sweep(sweep, folder)
        ...     with jaxent.open_sweep(folder) as data:
        ...         print(dict(data.sizes))
        {'time': 2}
    """
    import xarray as xr
    from xarray.core.indexing import LazilyIndexedArray

    from jaxent.sweep import accessor  # noqa: F401  # registers data.jaxent

    folder = Path(path)
    layout = folder_layout(folder)
    sweep = asked(layout["question"])
    group_points = points_of_group(sweep)
    finished = finished_tiles(folder, layout["key"], cut(group_points, layout["tile_points"]))
    ordered = sorted(finished.values(), key=lambda one: one.tile.number)
    starts = np.array([one.tile.group * group_points + one.tile.start for one in ordered], np.int64)
    reader = _Reader(folder, sweep, ordered, starts)
    coordinates, chains = _coordinates(sweep), sweep.chains
    grid, variables = tuple(sweep.axes.values()), {}
    for name in sweep.quantities:
        for key, variable in QUANTITIES[name].variables.items():
            extra = variable.dimensions(chains[0], sweep.settings)
            shape, kind = tuple(extra.values()), DTYPES[variable.kind]
            array = _backend_array(partial(reader.at, key), filling(variable), kind, grid, shape)
            attributes = {"units": variable.units, "long_name": variable.long_name}
            variables[key] = xr.Variable([*sweep.axes, *extra], LazilyIndexedArray(array), attributes)
    coordinates["computed_by"] = _computed_by(reader, ordered, sweep, grid)
    dataset = xr.Dataset(variables, coordinates, _attributes(layout, sweep, ordered))
    return dataset if chunks is None else _chunked(dataset, chunks, sweep, max(layout["tile_points"]))


def _chunked(dataset: "xr.Dataset", chunks: Mapping[str, Any], sweep: Sweep, tile_points: int) -> "xr.Dataset":
    """Divide the variables into arrays of dask."""
    unknown = [name for name in chunks if name not in sweep.axes]
    if unknown or not all(isinstance(size, int) and size > 0 for size in chunks.values()):
        raise ValueError(
            f"Argument `chunks` must give a positive number of points for axes among {', '.join(sweep.axes)}, but is "
            f"{shown(dict(chunks))}."
        )
    if importlib.util.find_spec("dask") is None:
        raise ImportError("Argument `chunks` needs dask: pip install jaxent[dask].")
    sizes = dict(chunks)
    if not sizes:
        left = tile_points
        for name, size in reversed(sweep.axes.items()):  # points of a tile follow each other along the last axis
            sizes[name] = max(1, min(size, left))
            left //= size
    return dataset.chunk(sizes)


# --------------------------------------------------------------------------- labels


def _coordinates(sweep: Sweep) -> dict[str, Any]:
    import xarray as xr

    coordinates = {}
    needed = frozenset().union(*[QUANTITIES[name].parameters for name in sweep.quantities])
    for name in AXES:
        value = getattr(sweep, name)
        if (name in PARAMETERS and name not in needed) or (isinstance(value, BondTimes) and not is_axis(value)):
            continue
        dimensions = (name,) if is_axis(value) else ()
        labels = np.asarray(sweep.labels(name))
        about = _ROWS if isinstance(value, BondTimes) else units.attributes(name)
        coordinates[name] = xr.Variable(dimensions, labels if dimensions else labels[0], about)
    return coordinates | _beside_time(sweep)


def _beside_time(sweep: Sweep) -> dict[str, Any]:
    """Build coordinates for the times of each bond where they differ, and for exact multiples of π."""
    import xarray as xr

    times: Any = sweep.values("time", sweep.chains[0])
    name, dimensions, coordinates = "time", ["time"], {}

    def add(key: str, values: Any, about: dict[str, str]) -> None:
        whole = xr.Variable(dimensions, np.asarray(values), about)
        coordinates[key] = whole if is_axis(sweep.time) else whole[0]

    if isinstance(times, BondTimes):
        name, dimensions, times = "bond_times", ["time", "bond"], times.times
        about = {"units": "1", "long_name": "bond between ensembles j and j + 1"}
        coordinates["bond"] = xr.Variable(["bond"], np.arange(1, times.shape[1] + 1), about)
        add(name, time_value(times), units.attributes("time"))
    if isinstance(times, PiFraction):  # the float coordinate is rounded
        add(f"{name}_numerator", times.numerator, {"units": "1", "long_name": "numerator p of the exact time π p/r"})
        add(
            f"{name}_denominator",
            times.denominator,
            {"units": "1", "long_name": "denominator r of the exact time π p/r"},
        )
    return coordinates


def _attributes(layout: dict[str, Any], sweep: Sweep, ordered: Sequence[Finished]) -> dict[str, Any]:
    about: dict[str, Any] = {}
    for name in dict.fromkeys(name for one in ordered for name in one.about):
        about[name] = "; ".join(dict.fromkeys(one.about.get(name, "") for one in ordered))
    failures = [failure for one in ordered for failure in one.failures]
    done = sum(one.tile.stop - one.tile.start for one in ordered)
    return about | {
        "title": f"jaxent sweep of {', '.join(sweep.quantities)}",
        "key": layout["key"],
        "question": question_text(layout["question"]),
        "precision": layout["question"]["precision"],
        "tolerance": sweep.settings.tolerance,
        **({} if sweep.tolerance is not None else {"log_negativity_tolerance": sweep.settings.noisy_tolerance}),
        "points": sweep.n_points,
        "points_finished": done,
        "points_failed": sum(failure.n_points for failure in failures),
        "points_impossible": sum(one.n_impossible for one in ordered),
        "first_failure": failures[0].error[:1000] if failures else "",
    }


# --------------------------------------------------------------------------- values


class _Reader:
    """Read values at flat points, one tile file at a time; keep the last tile read."""

    def __init__(self, folder: Path, sweep: Sweep, ordered: Sequence[Finished], starts: np.ndarray):
        self._folder, self._sweep, self._ordered, self._starts = folder, sweep, ordered, starts
        self._kept: tuple[int, dict[str, np.ndarray]] = (-1, {})

    def at(self, name: str, points: np.ndarray, result: np.ndarray) -> None:
        """Write the values of a variable at flat points into `result`; points not computed keep its fill value."""
        for index, where, local in self._tiles(points):
            kept = self._kept
            if kept[0] != index:
                kept = self._kept = (index, read_tile(self._folder, self._sweep, self._ordered[index]))
            result[where] = kept[1][name][local]  # other threads may have replaced what is kept

    def number_each(self, numbers: Sequence[int], points: np.ndarray, result: np.ndarray) -> None:
        """Write one number per tile at its flat points into `result`, without reading a file."""
        for index, where, _ in self._tiles(points):
            result[where] = numbers[index]

    def _tiles(self, points: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield each finished tile with some of the points: its index, the points' indices, and their places in it."""
        if not len(self._starts):
            return
        owner = np.searchsorted(self._starts, points, side="right") - 1
        for index in np.unique(owner[owner >= 0]).tolist():
            tile = self._ordered[index].tile
            where = np.flatnonzero(owner == index)
            local = points[where] - self._starts[index]
            inside = local < tile.stop - tile.start
            if inside.any():
                yield index, where[inside], local[inside]


def _computed_by(reader: _Reader, ordered: Sequence[Finished], sweep: Sweep, grid: tuple[int, ...]) -> "xr.Variable":
    """Build the coordinate that numbers the version of jaxent that computed each point."""
    import xarray as xr
    from xarray.core.indexing import LazilyIndexedArray

    each = [computed_by(one.about) for one in ordered]
    words = sorted(set(each))
    attributes = {
        "long_name": "number of the version of jaxent",
        "meaning": "; ".join(f"{number}: {one}" for number, one in enumerate(words)),
    }
    if len(words) <= 1:
        return xr.Variable((), np.int32(len(words) - 1), attributes)
    numbers = [words.index(one) for one in each]
    array = _backend_array(partial(reader.number_each, numbers), -1, np.dtype(np.int32), grid, ())
    return xr.Variable([*sweep.axes], LazilyIndexedArray(array), attributes)


def _backend_array(
    put: Callable[[np.ndarray, np.ndarray], None],
    empty: Any,
    dtype: np.dtype,
    grid: tuple[int, ...],
    extra: tuple[int, ...],
):
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class Tiles(BackendArray):
        """Present one variable of all tiles in the shape of the grid."""

        def __init__(self):
            self.shape = grid + extra
            self.dtype = dtype

        def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

        def _read(self, key: tuple) -> np.ndarray:
            chosen = [np.arange(size)[one] for one, size in zip(key, grid, strict=False)]
            outer = np.ix_(*[np.atleast_1d(one) for one in chosen])
            points = np.ravel_multi_index(outer, grid) if grid else np.zeros((), np.int64)
            flat = np.full((points.size, *extra), empty, self.dtype)
            put(points.ravel(), flat)
            shape = tuple(size for one in chosen for size in one.shape)
            values = flat.reshape((*shape, *extra))
            # axis by axis, because numpy pairs up several index lists
            for axis, one in reversed(list(enumerate(key[len(grid) :], len(shape)))):
                values = values[(*[slice(None)] * axis, one)]
            return np.asarray(values)

    return Tiles()
