"""All tiles of a sweep as one labelled dataset, read from the disk where it is looked at."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxent.sweep.canonical import Span, is_axis
from jaxent.sweep.evaluate import filling
from jaxent.sweep.files import save
from jaxent.sweep.plan import cut, points_of_group
from jaxent.sweep.quantities import QUANTITIES, Variable
from jaxent.sweep.question import AXES, KNOBS, Sweep
from jaxent.sweep.store import Finished, finished_tiles, folder_layout, question_text, read_tile

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["export_sweep", "open_sweep"]

_UNITS = {
    "n_ensembles": ("1", "ensembles M"),
    "n_atoms": ("1", "atoms per ensemble N"),
    "window": ("1", "window c (standard deviations)"),
    "outcomes": ("1", "outcomes q"),
    "phase_offset": ("rad", "phase offset φ"),
    "dephasing_rate": ("coupling", "dephasing rate γ"),
    "collective_rate": ("coupling", "collective dephasing rate Γ"),
    "time": ("1/coupling", "interaction time t"),
}


def open_sweep(path: str | os.PathLike) -> "xr.Dataset":
    """Open the results of a sweep, finished or not.

    Args:
        path: the folder that the sweep was computed into.

    Returns:
        xarray.Dataset: a dimension for each axis of the grid, a scalar coordinate for each other knob; units and names
        as attributes. Values are read tile by tile when they are used, each against its checksum; what is not computed
        yet, failed or cannot occur is NaN (-1 among integers). Attributes tell versions, commit, device, precision,
        tolerance, and how many points are finished and failed.

    Raises:
        ValueError: when the folder holds no sweep; later, when a value is read, where a file is damaged.
    """
    import xarray as xr
    from xarray.core.indexing import LazilyIndexedArray

    folder = Path(path)
    layout = folder_layout(folder)
    sweep = _asked(layout["question"])
    group_points = points_of_group(sweep)
    finished = finished_tiles(folder, layout["key"], cut(group_points, layout["tile_points"]))
    ordered = sorted(finished.values(), key=lambda one: one.tile.number)
    starts = np.array([one.tile.group * group_points + one.tile.start for one in ordered], np.int64)
    reader = _Reader(folder, ordered, starts)
    coordinates, chains = _coordinates(sweep), sweep.chains
    variables = {}
    for name in sweep.quantities:
        for key, variable in QUANTITIES[name].variables.items():
            extra = variable.dimensions(chains[0], sweep.settings)
            array = _backend_array(reader, key, variable, tuple(sweep.axes.values()), tuple(extra.values()))
            attributes = {"units": variable.units, "long_name": variable.long_name}
            variables[key] = xr.Variable([*sweep.axes, *extra], LazilyIndexedArray(array), attributes)
    return xr.Dataset(variables, coordinates, _attributes(layout, sweep, ordered))


def export_sweep(path: str | os.PathLike, to: str | os.PathLike) -> Path:
    """Write the results of a sweep as one netCDF file (.nc) or Zarr store (.zarr).

    Args:
        path: the folder of the sweep.
        to: the file or store; an existing one is replaced when the new one is whole.

    Returns:
        the path written.

    Raises:
        ValueError: when the name ends otherwise or stands for something else, and as `open_sweep`.
    """
    target = Path(to)
    if target.suffix not in (".nc", ".zarr"):
        raise ValueError(f"Argument `to` must end in .nc or .zarr, but is {str(target)!r}.")
    if not target.absolute().parent.is_dir():
        raise ValueError(f"Argument `to` must be in a folder that exists, but {str(target.parent)!r} does not.")
    store = any((target / name).is_file() for name in (".zgroup", "zarr.json"))
    if target.exists() and not (target.is_file() if target.suffix == ".nc" else store):
        raise ValueError(f"Argument `to` must be free, or an earlier export, but {str(target)!r} is something else.")
    dataset = open_sweep(path)
    if target.suffix == ".nc":
        return save(target, lambda beside: dataset.to_netcdf(beside, engine="h5netcdf"))
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise ValueError(
            f"Argument `to` = {str(target)!r} needs the package zarr; run: pip install 'jaxent[zarr]'."
        ) from None
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.stem}-") as beside:
        dataset.to_zarr(Path(beside) / target.name, consolidated=False, zarr_format=2)
        if target.exists():
            shutil.rmtree(target)
        os.replace(Path(beside) / target.name, target)
    return target


# --------------------------------------------------------------------------- labels


def _asked(question: dict[str, Any]) -> Sweep:
    """The sweep of a question as it is stored."""
    values: dict[str, Any] = {key: value for key, value in question.items() if key not in ("format", "precision")}
    for key, value in values.items():
        values[key] = Span(**value) if isinstance(value, dict) else value
    return Sweep(**values)


def _coordinates(sweep: Sweep) -> dict[str, Any]:
    import xarray as xr

    coordinates = {}
    needed = frozenset().union(*[QUANTITIES[name].knobs for name in sweep.quantities])
    for name in AXES:
        if name in KNOBS and name not in needed:
            continue
        units, long_name = _UNITS[name]
        dimensions = (name,) if is_axis(getattr(sweep, name)) else ()
        labels = np.asarray(sweep.labels(name))
        attributes = {"units": units, "long_name": long_name}
        coordinates[name] = xr.Variable(dimensions, labels if dimensions else labels[0], attributes)
    times = sweep.values("time", sweep.chains[0])
    if not isinstance(times, np.ndarray):  # exact multiples of π, of which `time` is rounded
        dimensions = ("time",) if is_axis(sweep.time) else ()
        for part in ("numerator", "denominator"):
            whole = np.asarray(getattr(times, part))
            text = f"{part} p of the exact time π p/r" if part == "numerator" else f"{part} r of the exact time π p/r"
            coordinates[f"time_{part}"] = xr.Variable(
                dimensions, whole if dimensions else whole[0], {"units": "1", "long_name": text}
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
        "tolerance": sweep.tolerance,
        "points": sweep.n_points,
        "points_finished": done,
        "points_failed": sum(failure.n_points for failure in failures),
        "points_impossible": sum(one.n_impossible for one in ordered),
        "first_failure": failures[0].error[:1000] if failures else "",
    }


# --------------------------------------------------------------------------- values


class _Reader:
    """Values at flat points, one tile's file at a time; the last tile read is kept."""

    def __init__(self, folder: Path, ordered: Sequence[Finished], starts: np.ndarray):
        self._folder, self._ordered, self._starts = folder, ordered, starts
        self._kept: tuple[int, dict[str, np.ndarray]] = (-1, {})

    def at(self, name: str, points: np.ndarray, result: np.ndarray) -> None:
        """Put a variable's values at flat points into `result`, which holds the filling."""
        if not len(self._starts):
            return
        owner = np.searchsorted(self._starts, points, side="right") - 1
        for index in np.unique(owner[owner >= 0]).tolist():
            tile = self._ordered[index].tile
            where = np.flatnonzero(owner == index)
            local = points[where] - self._starts[index]
            inside = local < tile.stop - tile.start
            if not inside.any():
                continue
            if self._kept[0] != index:
                self._kept = (index, read_tile(self._folder, self._ordered[index]))
            result[where[inside]] = self._kept[1][name][local[inside]]


def _backend_array(reader: _Reader, name: str, variable: Variable, grid: tuple[int, ...], extra: tuple[int, ...]):
    from xarray.backends import BackendArray
    from xarray.core import indexing

    class Tiles(BackendArray):
        """One variable of all tiles, in the shape of the grid."""

        def __init__(self):
            self.shape = grid + extra
            self.dtype = np.dtype({"f": float, "c": complex, "i": np.int64}[variable.kind])

        def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

        def _read(self, key: tuple) -> np.ndarray:
            chosen = [np.arange(size)[one] for one, size in zip(key, grid, strict=False)]
            outer = np.ix_(*[np.atleast_1d(one) for one in chosen])
            points = np.ravel_multi_index(outer, grid) if grid else np.zeros((), np.int64)
            flat = np.full((points.size, *extra), filling(variable), self.dtype)
            reader.at(name, points.ravel(), flat)
            shape = tuple(size for one in chosen for size in one.shape)
            values = flat.reshape((*shape, *extra))
            for axis, one in reversed(list(enumerate(key[len(grid) :], len(shape)))):  # together, lists would be pairs
                values = values[(*[slice(None)] * axis, one)]
            return np.asarray(values)

    return Tiles()
